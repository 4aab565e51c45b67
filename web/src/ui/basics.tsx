// Small pieces that every page uses.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf, NetworkError, Problem } from "../api/client";

export function Spinner({ label = "Loading" }: { label?: string }): JSX.Element {
  return (
    <p class="spinner" role="status">
      <span class="spinner-mark" aria-hidden="true" />
      {label}…
    </p>
  );
}

export interface NoticeProps {
  kind: "info" | "good" | "warn" | "bad";
  title?: string;
  children?: ComponentChildren;
}

export function Notice({ kind, title, children }: NoticeProps): JSX.Element {
  return (
    <div class={`notice notice-${kind}`} role={kind === "bad" ? "alert" : "status"}>
      {title && <strong class="notice-title">{title}</strong>}
      {children}
    </div>
  );
}

/** What went wrong, and a button to try again that waits as long as the server asked. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }): JSX.Element {
  const wait = useWait(error instanceof Problem ? error.retryAfterS : null);
  const title = error instanceof NetworkError ? "No connection" : "That didn't work";
  return (
    <Notice kind="bad" title={title}>
      <p>{messageOf(error)}</p>
      {onRetry && (
        <button type="button" class="button button-quiet" disabled={wait > 0} onClick={onRetry}>
          {wait > 0 ? `Try again in ${wait} s` : "Try again"}
        </button>
      )}
    </Notice>
  );
}

/** Counts whole seconds down to 0. */
export function useWait(seconds: number | null): number {
  const [left, setLeft] = useState(seconds ?? 0);
  useEffect(() => {
    setLeft(Math.ceil(seconds ?? 0));
    if (!seconds) return;
    const timer = setInterval(() => setLeft((value) => Math.max(0, value - 1)), 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return left;
}

/** Sets the tab's title and moves the focus to the page's heading, as a page load would. */
export function usePage(title: string): {
  ref: { current: HTMLHeadingElement | null };
  tabIndex: number;
} {
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = title === "" ? "Foyer" : `${title} · Foyer`;
  }, [title]);
  useEffect(() => {
    if (document.activeElement === document.body || document.activeElement?.tagName === "A") {
      ref.current?.focus({ preventScroll: true });
    }
  }, []);
  return { ref, tabIndex: -1 };
}

export interface Loaded<T> {
  data: T | undefined;
  error: unknown;
  reload(): void;
}

/** Loads when `key` changes; the last answer stays while the next one is under way. */
export function useLoad<T>(key: string, load: () => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: unknown }>({ key });
  const [round, setRound] = useState(0);
  useEffect(() => {
    let gone = false;
    load().then(
      (data) => !gone && setState({ key, data }),
      (error: unknown) => !gone && setState((old) => ({ ...old, key, error })),
    );
    return () => void (gone = true);
  }, [key, round]);
  const reload = (): void => {
    setState((old) => ({ ...old, error: undefined }));
    setRound((value) => value + 1);
  };
  return { data: state.key === key ? state.data : undefined, error: state.error, reload };
}
