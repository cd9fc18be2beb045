import { ok, onceKey, Problem, Unreachable } from '../../api/client';
import type { Closing, Command } from '../../api/types';
import type { Told } from '../../ui/ask';

/** The headers of a call that trades. */
export interface Once {
  'Idempotency-Key': string;
  Prefer: string;
}

const ofOne = (command: Command): Told => {
  const result = command.result;
  const said = result ? `${result.retcode} ${result.retcode_name?.replaceAll('_', ' ') ?? ''}`.trim() : (command.reason ?? '');
  if (['executed', 'placed', 'partial'].includes(command.state)) {
    const at = result?.price ? ` at ${result.price}` : '';
    return {
      done: true,
      unknown: false,
      text: `${command.state === 'placed' ? 'Placed' : command.state === 'partial' ? 'Done in part' : 'Done'}${result?.volume ? `: ${result.volume} lots` : ''}${at} (${said})`,
    };
  }
  if (!command.final || command.state === 'unknown') {
    return {
      done: false,
      unknown: true,
      text: `Not known yet whether it was executed (${command.state}). The hub is asking; do not send it again. Its record is ${command.id}.`,
    };
  }
  return { done: false, unknown: false, text: `Not done: ${command.state.replaceAll('_', ' ')}${said && ` (${said})`}` };
};

/** What became of a call for many positions: each is a command of its own. */
const ofMany = ({ id, final, commands, not_sent }: Closing): Told => {
  const told = commands.map(ofOne);
  const done = told.filter((one) => one.done).length;
  const all = commands.length + not_sent.length;
  const open = !final || told.some((one) => one.unknown);
  const wrong = [...told.filter((one) => !one.done && !one.unknown).map((one) => one.text), ...not_sent.map((one) => one.reason)];
  const text = `Closed ${done} of ${all}.${wrong.length ? ` ${[...new Set(wrong)].join('; ')}.` : ''}`;
  if (open)
    return {
      done: false,
      unknown: true,
      text: `${text} Of the others it is not known yet; do not send it again. The record is ${id}.`,
    };
  return { done: done === all, unknown: false, text };
};

const words = (answer: Command | Closing): Told => ('commands' in answer ? ofMany(answer) : ofOne(answer));

/**
 * Sends a call that trades, once: the same calls as a bot's, with a key that makes a repeat harmless.
 * When the answer is lost it is asked for once more under the same key, which never executes twice.
 */
export async function trade(call: (header: Once) => Promise<{ data?: Command | Closing }>): Promise<Told> {
  const header = { 'Idempotency-Key': onceKey(), Prefer: 'wait=10' };
  const send = () => ok(call(header));
  let lost = false;
  try {
    return words(
      await send().catch((error) => {
        lost = error instanceof Unreachable;
        if (lost) return send();
        throw error;
      }),
    );
  } catch (error) {
    const problem = error instanceof Problem ? error : undefined;
    // A refusal says what became of a lost call only where it is the outcome of the command that the key stands for.
    if (!problem || (lost && problem.body.final !== true))
      return {
        done: false,
        unknown: true,
        text: `The hub’s answer was lost${problem ? `; asked again it said: ${problem.message}` : '.'} Whether it was done is not known: look at the positions and at Audit before you send it again.`,
      };
    if (problem.code === 'duplicate_order') {
      const earlier = typeof problem.body.command === 'string' ? ` (its record is ${problem.body.command})` : '';
      return {
        done: false,
        unknown: false,
        again: true,
        text: `Nothing was sent: the same order was taken a moment ago${earlier}. Look at the positions first; if you mean a second one, send it again.`,
      };
    }
    return { done: false, unknown: false, text: problem.message };
  }
}
