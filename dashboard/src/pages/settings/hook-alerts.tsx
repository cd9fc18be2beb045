import { hub, ok } from '../../api/client';
import type { Hook, ReceivedAlert } from '../../api/types';
import { useLoaded } from '../../lib/load';
import { capital, count } from '../../lib/plans';
import { Link } from '../../lib/router';
import { Ago } from '../../ui/ago';
import { Failed, Loading } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Modal } from '../../ui/modal';

const STATES: Record<ReceivedAlert['state'], [string, string]> = {
  pending: ['Under way', 'warn'],
  sent: ['Sent', 'good'],
  dry_run: ['Dry run', ''],
  refused: ['Refused', 'bad'],
  duplicate: ['Repeated', ''],
};
/** As many alerts as are looked at. */
const SHOWN = 50;

/** The calls that an alert can become, as the hub names them. */
const CALLS: Record<string, string> = {
  'positions/{ticket}/close': 'Close',
  'positions/close-all': 'Close all',
  'positions/{ticket}, PATCH': 'Change the stops of',
  'orders/{ticket}, DELETE': 'Cancel',
};

/** "Buy 0.1 EURUSD, market, sl 1.08": the call that an alert became. */
export function inWords(plan: unknown): string {
  if (!plan) return '';
  const { call, body = {}, ...which } = plan as { call: string; body?: Record<string, unknown> } & Record<string, unknown>;
  const { side, volume, type, symbol = which.symbol, ticket = which.ticket } = body;
  const order = call === 'orders';
  const what = [
    order ? capital(String(side)) : (CALLS[call] ?? call),
    volume,
    symbol ?? (ticket ? `ticket ${ticket}` : ''),
    order ? '' : side && `(${side} only)`,
  ];
  // A stop of null is taken away.
  const more = ['price', 'sl', 'tp', 'magic'].filter((name) => name in body && (!order || body[name] !== null));
  return [what.filter(Boolean).join(' '), type, ...more.map((name) => `${name} ${body[name] ?? 'none'}`)]
    .filter(Boolean)
    .join(', ');
}

function Alert({ one }: { one: ReceivedAlert }) {
  const [word, tone] = STATES[one.state] ?? [one.state, ''];
  const plan = inWords(one.plan);
  return (
    <li>
      <div class="row">
        <span class={`badge plain ${tone}`}>{word}</span>
        <Ago at={one.at} />
        <span class="muted small">from {one.from}</span>
      </div>
      <code class="text">{one.text}</code>
      {plan && (
        <div>
          {one.state === 'dry_run' ? 'Would be: ' : 'Became: '}
          <strong>{plan}</strong>
        </div>
      )}
      {one.detail && <div class={one.state === 'refused' ? 'down' : 'muted'}>{capital(one.detail)}</div>}
      {one.state === 'duplicate' && <div class="muted">The same alert had come before; it trades once.</div>}
      {one.commands.length > 0 && (
        <div class="row small">
          {one.commands.map((id, at) => (
            <Link key={id} href={`/audit/commands?id=${id}`}>
              What became of it{one.commands.length > 1 && ` (${at + 1} of ${one.commands.length})`}
            </Link>
          ))}
        </div>
      )}
    </li>
  );
}

/** What came to a hook, and what became of it. */
export function Alerts({ hook, onClose }: { hook: Hook; onClose: () => void }) {
  const { value, failure, load } = useLoaded(() =>
    ok(hub.GET('/api/v1/hooks/{id}/received', { params: { path: { id: hook.id }, query: { limit: SHOWN } } })),
  );
  const rows = value.value?.data;
  return (
    <Modal
      wide
      title={`What came to ${hook.name || hook.prefix}`}
      onCancel={onClose}
      footer={
        <>
          <button type="button" onClick={() => void load()}>
            <Icon name="refresh" /> Look again
          </button>
          <button type="button" class="primary" autofocus onClick={onClose}>
            Close
          </button>
        </>
      }
    >
      {failure.value && <Failed what={failure.value} />}
      {!rows && !failure.value && <Loading rows={2} />}
      {rows?.length === 0 && (
        <p class="muted">
          No alert has come yet. TradingView reaches the hub on port 443 or 80 only, and delivers not every alert.
        </p>
      )}
      {rows && rows.length > 0 && (
        <>
          <p class="muted small">{rows.length === SHOWN ? `The newest ${count(SHOWN)}.` : 'The newest first.'}</p>
          <ul class="came">
            {rows.map((one) => (
              <Alert key={one.alert} one={one} />
            ))}
          </ul>
        </>
      )}
    </Modal>
  );
}
