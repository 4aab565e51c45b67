// A page whose code comes when it is opened, so that the others stay small.
import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Failure, Spinner } from "./basics";

export function lazy<P extends object>(
  load: () => Promise<ComponentType<P>>,
): (props: P) => JSX.Element {
  let known: ComponentType<P> | null = null;
  return function Lazy(props: P): JSX.Element {
    const [, redraw] = useState(0);
    const [error, setError] = useState<unknown>(null);
    const start = (): void => {
      setError(null);
      load().then((component) => {
        known = component;
        redraw((count) => count + 1);
      }, setError);
    };
    useEffect(() => {
      if (!known) start();
    }, []);
    if (known) {
      const Known = known;
      return <Known {...props} />;
    }
    return error === null ? <Spinner /> : <Failure error={error} onRetry={start} />;
  };
}
