// How the messages of a conversation scroll: at the bottom they stay there, elsewhere what is in view stays where it is.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { ChatView } from "../../../clients/js/src/index.js";
import { messageOf } from "../api/client";
import type { ChatClient } from "./client";

export const NEAR_PX = 60;

export interface Scrolling {
  scroller: { current: HTMLDivElement | null };
  inner: { current: HTMLDivElement | null };
  /** At the bottom, where it stays. */
  isStuck: { current: boolean };
}

export const useScrolling = (): Scrolling => ({
  scroller: useRef<HTMLDivElement>(null),
  inner: useRef<HTMLDivElement>(null),
  isStuck: useRef(true),
});

export const belowOf = (element: HTMLElement): number =>
  element.scrollHeight - element.scrollTop - element.clientHeight;

/** first: the seq of the uppermost message; sentCount: grows when the user sends, which leads to the bottom. */
export function usePlace(
  { scroller, inner, isStuck }: Scrolling,
  first: number | null,
  sentCount: number,
): void {
  const last = useRef({ first, sentCount });
  // Read while drawing, which is before the elements change.
  const element = scroller.current;
  const before = element && { top: element.scrollTop, height: element.scrollHeight };
  useLayoutEffect(() => {
    const now = scroller.current!;
    if (sentCount !== last.current.sentCount) isStuck.current = true;
    const isPrepended = first !== null && last.current.first !== null && first < last.current.first;
    if (isStuck.current) now.scrollTop = now.scrollHeight;
    else if (before && isPrepended) now.scrollTop = before.top + now.scrollHeight - before.height;
    last.current = { first, sentCount };
  });
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      const now = scroller.current;
      if (isStuck.current && now) now.scrollTop = now.scrollHeight;
    });
    observer.observe(inner.current!);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
}

/** At first: to where the news begins, if that is out of sight of the bottom. */
export function useNewsFirst({ scroller, inner, isStuck }: Scrolling, isReady: boolean): void {
  useEffect(() => {
    const line = isReady ? inner.current?.querySelector(".chat-new") : null;
    if (!line || !isStuck.current) return;
    line.scrollIntoView({ block: "center" });
    isStuck.current = belowOf(scroller.current!) < NEAR_PX;
  }, [isReady]);
}

export function markRead(client: ChatClient, view: ChatView): void {
  const isShown = document.visibilityState === "visible" && view.messages.length > 0;
  if (isShown) client.markRead(view.id);
}

/** Whoever has the newest message before their eyes has read it. */
export function useReading(client: ChatClient, view: ChatView, { isStuck }: Scrolling): void {
  useEffect(() => {
    if (isStuck.current) markRead(client, view);
  }, [view.seq, view.messages.length]);
  useEffect(() => {
    const back = (): void => {
      if (isStuck.current) markRead(client, view);
    };
    document.addEventListener("visibilitychange", back);
    window.addEventListener("focus", back);
    return () => {
      document.removeEventListener("visibilitychange", back);
      window.removeEventListener("focus", back);
    };
  }, [view]);
}

/** Older messages, one load at a time. False: there are none, or they could not be had, which `onError` is told, and "" when they can. */
export function useOlder(
  client: ChatClient,
  chatId: string,
  onError: (text: string) => void,
): (count: number) => Promise<boolean> {
  const running = useRef<Promise<boolean> | null>(null);
  return (count) => {
    running.current ??= client
      .loadOlder(chatId, count)
      .then((hasMore) => {
        onError("");
        return hasMore;
      })
      .catch((problem: unknown) => {
        onError(messageOf(problem));
        return false;
      })
      .finally(() => (running.current = null));
    return running.current;
  };
}

/** How far back a jump goes. */
const JUMP_PAGES_MAX = 25;
const JUMP_PAGE = 200;

/** Loads until `find` has an index in what is there; null: it is not kept, or too far back. */
export async function loadUntil(
  client: ChatClient,
  chatId: string,
  older: (count: number) => Promise<boolean>,
  find: (view: ChatView) => number,
): Promise<number | null> {
  for (let page = 0; page <= JUMP_PAGES_MAX; page++) {
    const view = client.chats.get(chatId);
    if (!view) return null;
    const index = find(view);
    if (index >= 0) return index;
    if (!view.hasOlder) return null;
    await older(JUMP_PAGE);
  }
  return null;
}
