// What this server offers: pages link to what is there.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api/client";

const AGAIN_MS = 5000;

let known: Promise<string[]> | null = null;

/** undefined: not known yet. */
export function useServices(): readonly string[] | undefined {
  const [names, setNames] = useState<string[]>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const ask = (): void => {
      known ??= get<{ data: string[] }>("/v1/services").then(({ data }) => data);
      known.then(setNames, () => {
        known = null;
        timer = setTimeout(ask, AGAIN_MS);
      });
    };
    ask();
    return () => clearTimeout(timer);
  }, []);
  return names;
}
