import { useEffect, useState } from 'preact/hooks';
import { sentence, Unreachable } from '../api/client';
import { Wrong } from './wrong';

/** The hub may answer only later, and may do only later what it was asked. */
const LOOK_MS = 3_000;

/** What is said where an answer was lost, and with it a secret that took the place of another. */
export const orLost = (words: string) => (error: unknown) => {
  throw error instanceof Unreachable ? new Error(`The answer was lost. ${words}`) : error;
};

interface Made {
  id: string;
  prefix: string;
}
interface Props {
  what: 'token' | 'key';
  /** What was made by the call, as far as can be told. */
  find: () => Promise<Made[]>;
  revoke: (id: string) => Promise<unknown>;
}

/**
 * The hub's answer did not arrive, and with it the secret, if one was made. Nothing is in the call by which a repeat would be known, so what it
 * made is looked for, and can be revoked.
 */
export function Lost({ what, find, revoke }: Props) {
  const [unseen, setUnseen] = useState<Made[]>();
  const [failure, setFailure] = useState('');
  const look = () => find().then(setUnseen, () => undefined);
  useEffect(() => {
    void look();
    const again = setInterval(look, LOOK_MS);
    return () => clearInterval(again);
  }, []);
  const end = async (id: string) => {
    setFailure('');
    try {
      await revoke(id);
    } catch (error) {
      setFailure(sentence(error));
    }
    await look();
  };
  return (
    <>
      <Wrong>
        {!unseen
          ? `The hub’s answer was lost. A ${what} may have been made that nobody was shown; that is looked up as soon as the hub answers.`
          : unseen.length === 0
            ? `The hub’s answer was lost, and no ${what} is left of it. Make one again.`
            : unseen.length === 1
              ? `The answer was lost, but a ${what} was made: ${unseen[0]!.prefix}…. Nobody has seen it. Revoke it, then make one again. ${failure}`
              : `The answer was lost. One of these was made by it, the others by somebody else meanwhile: revoke only what nobody knows. ${failure}`}
      </Wrong>
      {unseen?.map((one) => (
        <button key={one.id} type="button" class="danger" onClick={() => void end(one.id)}>
          {unseen.length === 1 ? `Revoke the ${what} that nobody has seen` : `Revoke ${one.prefix}…`}
        </button>
      ))}
    </>
  );
}
