// A program against the types that openapi-typescript made: it must compile strictly, and list bars and positions of the running hub.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const hub = createClient<paths>({
  baseUrl: process.env.MTBRIDGE_URL!,
  headers: { authorization: `Bearer ${process.env.MTBRIDGE_KEY}` },
});

const bars = await hub.GET("/api/v1/terminals/{terminal}/bars/{symbol}", {
  params: { path: { terminal: "1001", symbol: "EURUSD" }, query: { timeframe: "H1", limit: 3 } },
});
const answer = bars.data as components["schemas"]["Bars"];
const closes: number[] = answer.data.map((bar) => bar.close);

const open = await hub.GET("/api/v1/terminals/{terminal}/positions", { params: { path: { terminal: "1001" } } });
const tickets: number[] = open.data!.data.map((position) => position.ticket);

const away = await hub.GET("/api/v1/terminals/{terminal}/positions", { params: { path: { terminal: "4711" } } });
const code: string = away.error!.code;

if (closes.length !== 3 || tickets.length === 0 || code !== "terminal_not_found") {
  throw new Error(JSON.stringify({ closes, tickets, code }));
}
console.log("closes", closes, "tickets", tickets);
