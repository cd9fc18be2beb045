import { call, onceKey, Problem, Unreachable } from '../../api/client';
import type { Command } from '../../api/types';

/** How a call that trades ended, in words. */
export interface Told { done: boolean; unknown: boolean; text: string; command?: Command }

const words = (command: Command): Told => {
  const result = command.result;
  const said = result ? `${result.retcode} ${result.retcode_name.replaceAll('_', ' ')}` : command.reason ?? '';
  if (['executed', 'placed', 'partial'].includes(command.state)) {
    const at = result?.price ? ` at ${result.price}` : '';
    return { done: true, unknown: false, command, text: `${command.state === 'placed' ? 'Placed' : command.state === 'partial' ? 'Done in part' : 'Done'}${result?.volume ? `: ${result.volume} lots` : ''}${at} (${said})` };
  }
  if (!command.final || command.state === 'unknown') {
    return { done: false, unknown: true, command, text: `Not known yet whether it was executed (${command.state}). The hub is asking; do not send it again. Its record is ${command.id}.` };
  }
  return { done: false, unknown: false, command, text: `Not done: ${command.state.replaceAll('_', ' ')}${said && ` (${said})`}` };
};

/**
 * Sends a call that trades, once: the same calls as a bot's, with a key that makes a repeat harmless.
 * When the answer is lost it is asked for once more under the same key, which never executes twice.
 */
export async function trade(method: string, path: string, body: unknown): Promise<Told> {
  const key = onceKey();
  const send = () => call<Command>(method, path, body, { headers: { 'idempotency-key': key, prefer: 'wait=10' } });
  try {
    return words(await send().catch((error) => {
      if (error instanceof Unreachable) return send();
      throw error;
    }));
  } catch (error) {
    if (error instanceof Unreachable) return { done: false, unknown: true, text: 'The hub does not answer: whether it was done is not known. Look at the positions and at Audit before you send it again.' };
    // The only code that says nothing of what was sent.
    if (error instanceof Problem && error.code === 'internal') return { done: false, unknown: true, text: `${error.message} Whether it was done is not known. Look at the positions and at Audit before you send it again.` };
    if (error instanceof Problem) return { done: false, unknown: false, text: error.message };
    throw error;
  }
}
