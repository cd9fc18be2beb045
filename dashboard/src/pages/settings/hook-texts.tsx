import type { Hook } from '../../api/types';
import { short } from '../../lib/network';
import { Modal } from '../../ui/modal';
import { Once } from '../../ui/once';
import { Copyable } from '../../ui/secret';

/** The texts of docs/tradingview.md. */
const STRATEGY =
  '{"action": "{{strategy.order.action}}", "exchange": "{{exchange}}", "symbol": "{{ticker}}", "volume": "{{strategy.order.contracts}}", "order_id": "{{strategy.order.id}}", "time": "{{time}}", "timenow": "{{timenow}}", "market_position": "{{strategy.market_position}}"}';
const ALERTS: [string, string][] = [
  ['Message, for a strategy', STRATEGY],
  ['Message, to buy at an alert of your own', 'buy {{ticker}} 0.1 timenow={{timenow}}'],
  ['Message, to close at an alert of your own', 'close {{ticker}} timenow={{timenow}}'],
];

function Messages() {
  return (
    <>
      {ALERTS.map(([label, text]) => (
        <Copyable key={label} label={label} text={text} />
      ))}
    </>
  );
}

/** The address, once, with what belongs into the alert and a line that plays one. */
export function Shown({ hook, onClose }: { hook: Hook; onClose: () => void }) {
  const address = `${location.origin}${hook.path ?? ''}`;
  return (
    <Once
      title="The address for TradingView"
      about="It holds a secret. Put it into “Webhook URL” of the alert, and nowhere else."
      label="Webhook URL"
      secret={address}
      kept="I have stored the address"
      onClose={onClose}
    >
      {hook.template ? <p class="muted">The message is the text of your template.</p> : <Messages />}
      <Copyable
        label={hook.dry_run ? 'A line to play an alert; a dry run trades nothing' : 'A line to play an alert: it trades for real'}
        text={`curl -s ${address} -d 'buy EURUSD 0.01'`}
      />
      {hook.ips.length > 0 && (
        <p class="small muted">
          It takes alerts from {hook.ips.map(short).join(', ')} only: from elsewhere such a line is refused.
        </p>
      )}
    </Once>
  );
}

/** What one pastes into an alert, without the secret. */
export function Texts({ hook, onClose }: { hook: Hook; onClose: () => void }) {
  return (
    <Modal
      wide
      title={`Messages for ${hook.name || hook.prefix}`}
      onCancel={onClose}
      footer={
        <button type="button" class="primary" autofocus onClick={onClose}>
          Close
        </button>
      }
    >
      {hook.template ? (
        <>
          <p>Its alerts have the shape of its template:</p>
          <Copyable label="Template" text={hook.template} />
        </>
      ) : (
        <>
          <p>
            Paste one into “Message” of the alert. Lots are taken exactly as they are written; what is not understood is refused,
            and nothing is sent.
          </p>
          <Messages />
        </>
      )}
    </Modal>
  );
}
