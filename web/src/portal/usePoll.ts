// Loads again and again: soon while something changes, ever more seldom while nothing does or the server has trouble, and not
// at all while nobody looks.
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../api/client";

const SOON_MS = 1500;
const IDLE_MS_MAX = 15_000;
const TROUBLE_MS_MAX = 60_000;

export interface Polled<T> {
  data: T | undefined;
  /** Of the last round; what was loaded before stays. */
  error: unknown;
  /** Now, and soon again. */
  reload(): void;
}

export function nextPause(pauseMs: number, outcome: "changed" | "same" | "failed"): number {
  if (outcome === "changed") return SOON_MS;
  const most = outcome === "same" ? IDLE_MS_MAX : TROUBLE_MS_MAX;
  return Math.min(most, pauseMs * (outcome === "same" ? 1.3 : 2));
}

export function usePoll<T>(key: string, load: () => Promise<T>): Polled<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: unknown }>({ key });
  const latest = useRef(load);
  const again = useRef<() => void>(() => undefined);
  latest.current = load;
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let pauseMs = SOON_MS;
    let seen = "";
    let round = 0;
    const plan = (outcome: "changed" | "same" | "failed", atLeastMs = 0): void => {
      pauseMs = nextPause(pauseMs, outcome);
      timer = setTimeout(run, Math.max(pauseMs, atLeastMs));
    };
    const run = async (): Promise<void> => {
      clearTimeout(timer);
      if (document.hidden) return;
      const mine = ++round;
      try {
        const data = await latest.current();
        if (gone || mine !== round) return;
        const text = JSON.stringify(data) ?? "";
        const outcome = text === seen ? "same" : "changed";
        seen = text;
        setState((old) => (outcome === "same" && !old.error ? old : { key, data }));
        plan(outcome);
      } catch (error) {
        if (gone || mine !== round) return;
        setState((old) => ({ ...(old.key === key ? old : {}), key, error }));
        const isOver = error instanceof Problem && (error.status === 401 || error.status === 404);
        const waitS = error instanceof Problem ? error.retryAfterS : null;
        if (!isOver) plan("failed", (waitS ?? 0) * 1000);
      }
    };
    const onSight = (): void => void (document.hidden || run());
    again.current = () => {
      pauseMs = SOON_MS;
      void run();
    };
    document.addEventListener("visibilitychange", onSight);
    void run();
    return () => {
      gone = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onSight);
    };
  }, [key]);
  const isCurrent = state.key === key;
  return {
    data: isCurrent ? state.data : undefined,
    error: isCurrent ? state.error : undefined,
    reload: () => again.current(),
  };
}
