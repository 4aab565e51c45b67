// Who is signed in, for every component. The session itself is an HttpOnly cookie that scripts never see.
import { useLayoutEffect, useState } from "preact/hooks";
import { Problem } from "../api/client";
import { getMe, logOut } from "../api/endpoints";
import type { User } from "../api/types";
import { navigate } from "./router";

const AGAIN_MS = 3000;

/** undefined: not known yet; null: nobody. */
let current: User | null | undefined;
const listeners = new Set<() => void>();

/** For what must end with the session, besides components. */
export function onUser(listener: (user: User | null | undefined) => void): void {
  listeners.add(() => listener(current));
}

export function setUser(user: User | null): void {
  current = user;
  for (const listener of listeners) listener();
}

/** Asks again while the server cannot tell: a failing server has logged nobody out. */
export async function loadUser(): Promise<void> {
  try {
    setUser(await getMe());
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return setUser(null);
    console.warn("who is signed in is unknown", error);
    setTimeout(() => current === undefined && void loadUser(), AGAIN_MS);
  }
}

export function useUser(): User | null | undefined {
  const [, redraw] = useState(0);
  // Before the browser paints: what is learnt between drawing and listening would never be shown.
  useLayoutEffect(() => {
    const update = (): void => redraw((count) => count + 1);
    listeners.add(update);
    return () => void listeners.delete(update);
  }, []);
  return current;
}

export const isOrganizer = (user: User | null | undefined): boolean =>
  user?.roles.some((role) => role === "organizer" || role === "admin") ?? false;

/** Under this name a browser keeps which device of the user's it is, once it is notified of chats. */
export const pushDeviceKey = (userId: string): string => `foyer-chat-push.${userId}`;

/** Whoever uses the browser next must not see what the user is written. */
async function endNotifications(): Promise<void> {
  const key = pushDeviceKey(current?.id ?? "");
  const device = localStorage.getItem(key);
  if (!device) return;
  const { disablePush } = await import("../chat/push");
  await disablePush(device);
  localStorage.removeItem(key);
}

export async function leave(): Promise<void> {
  await endNotifications().catch((error: unknown) => console.warn("notifications", error));
  try {
    await logOut();
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
  }
  setUser(null);
  navigate("/");
}

/** To the login page and back to where we are. */
export function askToLogIn(): void {
  setUser(null);
  const here = window.location.pathname + window.location.search;
  navigate(`/login?next=${encodeURIComponent(here)}`);
}

/** True when the failure was a missing session, which has then been dealt with. */
export function handledAsLogin(error: unknown): boolean {
  if (!(error instanceof Problem) || error.status !== 401) return false;
  askToLogIn();
  return true;
}
