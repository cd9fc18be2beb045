import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { arrived } from './router';
import { Failed, Loading } from '../ui/empty';

/** A page that is loaded when it is first looked at. */
export function lazy(load: () => Promise<{ default: ComponentType }>): ComponentType {
  let loaded: ComponentType | undefined;
  return function Lazy() {
    const [Page, setPage] = useState<ComponentType | undefined>(() => loaded);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (Page) return;
      load().then(
        (module) => {
          loaded = module.default;
          setPage(() => loaded);
        },
        () => setFailed(true),
      );
    }, []);
    useEffect(() => {
      if (Page) arrived();
    }, [Page]);
    // The files of an older page are gone after an upgrade of the hub.
    if (failed)
      return (
        <Failed
          what="This part of the page could not be loaded; the hub may have been upgraded."
          again={() => location.reload()}
        />
      );
    return Page ? <Page /> : <Loading />;
  };
}
