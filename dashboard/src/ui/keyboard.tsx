import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { keep } from '../lib/kept';
import { Check } from './field';
import { go } from '../lib/router';
import { Modal } from './modal';

const PLACES: Record<string, [string, string]> = {
  c: ['/connections', 'Connections'],
  t: ['/terminal', 'Terminal'],
  k: ['/keys', 'API keys'],
  a: ['/audit', 'Audit'],
  s: ['/settings', 'Settings'],
};
const help = signal(false);
/** Off for whoever needs single keys for something else (WCAG 2.1.4); kept by the browser. */
export const shortcuts = signal(typeof localStorage === 'undefined' || localStorage.getItem('shortcuts') !== 'off');

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(input|select|textarea)$/i.test(target.tagName));

/** `g c` and so on, `n` for a new one, `/` to the filter, `?` for help; silent while one types or a dialog is open. */
export function Keyboard() {
  useEffect(() => {
    let before = '';
    const onKey = (event: KeyboardEvent) => {
      if (
        !shortcuts.value ||
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        typing(event.target) ||
        document.querySelector('dialog[open]')
      )
        return;
      const place = before === 'g' ? PLACES[event.key] : undefined;
      before = event.key;
      if (place) go(place[0]);
      else if (event.key === 'n') document.querySelector<HTMLElement>('[data-new]')?.click();
      else if (event.key === '/') {
        event.preventDefault();
        document.querySelector<HTMLElement>('[data-filter]')?.focus();
      } else if (event.key === '?') help.value = true;
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  if (!help.value) return null;
  const close = () => (help.value = false);
  return (
    <Modal
      title="Keys"
      onCancel={close}
      footer={
        <button type="button" class="primary" autofocus onClick={close}>
          Close
        </button>
      }
    >
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Does</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(PLACES).map(([key, [, name]]) => (
            <tr key={key}>
              <td>
                <code>g {key}</code>
              </td>
              <td>{name}</td>
            </tr>
          ))}
          <tr>
            <td>
              <code>n</code>
            </td>
            <td>New connection, key or user</td>
          </tr>
          <tr>
            <td>
              <code>/</code>
            </td>
            <td>To the filter</td>
          </tr>
          <tr>
            <td>
              <code>?</code>
            </td>
            <td>This list</td>
          </tr>
        </tbody>
      </table>
      <Check
        checked={shortcuts.value}
        onTick={(on) => {
          shortcuts.value = on;
          keep('shortcuts', on ? 'on' : 'off');
        }}
      >
        Single keys do something
      </Check>
    </Modal>
  );
}
