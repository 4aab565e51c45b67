// Does something again and again while the page is looked at, one at a time, the next a pause after the last one's end.
import { useEffect } from "preact/hooks";

/** `key` starts it anew. What it throws is its own business. */
export function useEvery(key: string, pauseMs: number, run: () => Promise<void>): void {
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const round = async (): Promise<void> => {
      if (document.visibilityState === "visible") await run().catch(() => undefined);
      if (!isOver) timer = setTimeout(round, pauseMs * (0.9 + Math.random() * 0.2));
    };
    void round();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [key]);
}
