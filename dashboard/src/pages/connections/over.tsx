import { tokens } from '../../live/store';
import { Disconnect, Rename, Replace, Revoke } from './actions';
import { NewConnection } from './create';
import { Drawer } from './drawer';
import { opened } from './open';

const close = () => (opened.value = null);

function Dialog() {
  const open = opened.value;
  if (!open) return null;
  if (open.what === 'new') return <NewConnection onClose={close} />;
  const token = tokens.value?.find((one) => one.id === open.token.id) ?? open.token;
  const Asked = { disconnect: Disconnect, revoke: Revoke, rename: Rename, replace: Replace }[open.what];
  return <Asked key={token.id} token={token} onClose={close} />;
}

/** What lies over the list: the panel of one token, and above it the dialog that is open. */
export default function Over() {
  return (
    <>
      <Drawer />
      <Dialog />
    </>
  );
}
