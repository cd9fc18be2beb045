import { useSignal } from '@preact/signals';
import { hub, ok } from '../../api/client';
import type { Command } from '../../api/types';
import { accountName } from '../../lib/tokens';
import { Confirm } from '../../ui/confirm';
import { Field, OneOf } from '../../ui/field';
import { toast } from '../../ui/toast';
import { action, VERDICTS } from './words';

type Verdict = NonNullable<Command['adjudication']>['outcome'];
const CHOICES: [Verdict, string][] = [
  ['executed', 'It was done: the deal is in the account'],
  ['partial', 'It was done in part'],
  ['placed', 'The order stands and waits'],
  ['not_executed', 'It never happened: nothing of it is in the account'],
];
const FIGURES = [
  ['order', 'Order number'],
  ['deal', 'Deal number'],
  ['volume', 'Lots'],
  ['price', 'Price'],
] as const;

/** A person ends a command that nobody knows the outcome of, after they looked at the terminal. */
export function Decide({ row, onClose, onDone }: { row: Command; onClose: () => void; onDone: (row: Command) => void }) {
  const verdict = useSignal<Verdict | ''>('');
  const reason = useSignal('');
  const figures = useSignal<Partial<Record<(typeof FIGURES)[number][0], string>>>({});
  const done = verdict.value !== '' && verdict.value !== 'not_executed';
  const sent = () =>
    Object.fromEntries(
      FIGURES.map(([name]) => [name, Number((figures.value[name] ?? '').trim() || 0)] as const).filter(
        ([, value]) => done && value > 0,
      ),
    );
  const wrong = done && FIGURES.some(([name]) => !(Number((figures.value[name] ?? '').trim() || 0) >= 0));
  return (
    <Confirm
      title={`What became of it: ${action(row)}`}
      verb={verdict.value ? `Decide: ${VERDICTS[verdict.value]}` : 'Decide'}
      doing="Deciding…"
      danger
      ready={verdict.value !== '' && reason.value.trim() !== '' && !wrong}
      onClose={onClose}
      action={async () => {
        onDone(
          await ok(
            hub.POST('/api/v1/commands/{id}/adjudicate', {
              params: { path: { id: row.id } },
              body: { outcome: verdict.value as Verdict, reason: reason.value.trim(), ...sent() },
            }),
          ),
        );
        toast('Decided. It is in the audit under your name.');
      }}
    >
      <p class="note warn">
        Look into the terminal of {accountName(row.account)} first, at its open positions and its history. The hub takes your word
        as it is, once. If the terminal reports otherwise later, trading on the account is stopped.
      </p>
      <OneOf
        legend="What the terminal shows"
        name="verdict"
        value={verdict.value}
        options={CHOICES}
        onPick={(id) => (verdict.value = id)}
      />
      {done && (
        <div class="filters">
          {FIGURES.map(([name, label]) => (
            <Field
              key={name}
              label={label}
              inputMode="decimal"
              autocomplete="off"
              placeholder="if known"
              value={figures.value[name] ?? ''}
              onText={(text) => (figures.value = { ...figures.value, [name]: text })}
            />
          ))}
        </div>
      )}
      <Field
        label="How you know"
        hint="Stands in the audit."
        maxLength={500}
        autocomplete="off"
        value={reason.value}
        onText={(text) => (reason.value = text)}
      />
    </Confirm>
  );
}
