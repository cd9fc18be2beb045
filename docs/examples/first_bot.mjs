// A first bot: reads bars and the account, buys once, and closes what it bought. Needs Node 20 or newer, and nothing else.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const HUB = process.env.MTBRIDGE_URL ?? "http://127.0.0.1:8787";
const TERMINAL = process.env.MTBRIDGE_TERMINAL ?? "1001";
const SYMBOL = "EURUSD";
const authorization = `Bearer ${process.env.MTBRIDGE_KEY}`;

function fail(why) {
  console.error(why);
  process.exit(1);
}

// A read may be asked again as often as one likes.
async function read(path, query = {}) {
  const url = `${HUB}/api/v1${path}?${new URLSearchParams(query)}`;
  const answer = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(35_000) });
  const body = await answer.json();
  // `type` leads to a page that says what the code means and what to do.
  if (!answer.ok) fail(`${body.code}: ${body.detail} (${HUB}${body.type})`);
  return body;
}

// Sends a trade once, and returns it when its outcome is known.
async function trade(path, order) {
  // One key for one decision. Whatever breaks on the way, the same key never makes a second order.
  const headers = {
    authorization,
    "content-type": "application/json",
    "idempotency-key": randomUUID(),
    prefer: "wait=10",
  };
  let answer, command;
  while (command === undefined) {
    try {
      const request = { method: "POST", headers, body: JSON.stringify(order), signal: AbortSignal.timeout(35_000) };
      answer = await fetch(`${HUB}/api/v1${path}`, request);
      command = await answer.json();
    } catch {
      await sleep(1000); // It may have arrived or not: ask again with the same key.
    }
  }
  if (answer.status === 202) {
    // Sent, and nobody knows yet (`dispatched`, `accepted` or `unknown`). That is no failure: never send another one for it.
    while (!command.final) {
      await sleep(1000);
      command = await read(`/commands/${command.id}`);
    }
  }
  if (answer.status >= 400 || !["executed", "partial", "placed", "adjudicated"].includes(command.state)) {
    // Certainly not done.
    fail(`${command.code ?? command.state}: ${command.detail ?? command.reason}`);
  }
  return command;
}

const account = await read(`/terminals/${TERMINAL}/account`);
console.log(`account ${account.login}: ${account.balance} ${account.currency}`);

const { data: bars } = await read(`/terminals/${TERMINAL}/bars/${SYMBOL}`, { timeframe: "H1", limit: 10 });
for (const bar of bars) {
  console.log(bar.time, bar.open, bar.high, bar.low, bar.close, bar.complete ? "" : "(forming)");
}

// The strategy: buy. A better one goes here.
const bought = await trade(`/terminals/${TERMINAL}/orders`, { symbol: SYMBOL, side: "buy", type: "market", volume: 0.1 });
console.log(`bought ${bought.result.volume} at ${bought.result.price}: ${bought.id}`);

// The position has the mark that the hub gave the order.
const { data: positions } = await read(`/terminals/${TERMINAL}/positions`, { symbol: SYMBOL, magic: bought.tag });
for (const position of positions) {
  const closed = await trade(`/terminals/${TERMINAL}/positions/${position.ticket}/close`, {});
  console.log(`closed at ${closed.result.price}: ${closed.id}`);
}
