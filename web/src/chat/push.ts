// Notifications of chats, for the page. To switch them on:
//
//   1. On start of the chat page: `await startPush({ deviceId, onOpenChat })`. It asks the user for nothing; where they have been switched on
//      before, it gives the server the subscription that the browser has now. deviceId is the device that the page has registered
//      (POST /v1/devices), the same one that its stream says hello with: what that device has, it is not notified of.
//   2. A button "Notify me" when `pushState()` is "off" calls `enablePush(deviceId)` from the click itself: browsers ask the user only then.
//      "denied": the user must change it in the browser's settings. "unsupported": show no button.
//   3. "Do not notify me" calls `disablePush(deviceId)`. Call it before logging out, too, or else whoever sits there next sees the messages.
//   4. When a chat was read: `closeShown(chatId)` takes its notification away on this device, and `setBadge(n)` with the number of chats
//      that have something unread and are not muted (`muted_until`).
//   5. "Mute" in a chat's menu: `mute(chatId, until)`, `unmute(chatId)`.
//
//   6. A device that is connected gets no push, also when its window is hidden. So when a message comes by the stream while `document.hidden`,
//      call `notifyHere(...)`: it shows the same notification, which a push of the same chat would replace.
//
// The service worker is /chat-sw.js (worker.ts). On a click it focuses a page under /chat and tells it to open the chat (onOpenChat), or
// opens one at /chat/CHAT_ID.
import { call, get } from "../api/client";
import { shown, type MessageSaid } from "./push_words";

export type PushState = "unsupported" | "denied" | "off" | "on";

const WORKER = "/chat-sw.js";
const SCOPE = "/chat";

const isSupported = (): boolean =>
  "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

/** Safari ends subscriptions that are sent what shows nothing; others bear it while a notification was shown for each. */
export const canClear = (userAgent: string): boolean =>
  !/AppleWebKit/.test(userAgent) || /Chrome|Chromium|Edg\//.test(userAgent);

async function registration(): Promise<ServiceWorkerRegistration> {
  await navigator.serviceWorker.register(WORKER, { scope: SCOPE, updateViaCache: "none" });
  const found = await navigator.serviceWorker.getRegistration(SCOPE);
  if (!found) throw new Error("the browser has no service worker");
  return found;
}

async function subscription(): Promise<PushSubscription | null> {
  if (!isSupported()) return null;
  const found = await navigator.serviceWorker.getRegistration(SCOPE);
  return (await found?.pushManager.getSubscription()) ?? null;
}

export async function pushState(): Promise<PushState> {
  if (!isSupported()) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return Notification.permission === "granted" && (await subscription()) ? "on" : "off";
}

async function tell(message: unknown): Promise<void> {
  const found = await navigator.serviceWorker.getRegistration(SCOPE);
  found?.active?.postMessage(message);
}

async function give(deviceId: string, found: PushSubscription): Promise<void> {
  const body = { ...found.toJSON(), clear: canClear(navigator.userAgent) };
  await call("PUT", `/v1/devices/${deviceId}/push`, { body });
  await tell({ t: "device", device_id: deviceId });
}

const sameKey = (found: PushSubscription, key: string): boolean => {
  const bytes = found.options.applicationServerKey;
  if (!bytes) return false;
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "") === key;
};

/** Asks the user, if need be. Call it from a click. */
export async function enablePush(deviceId: string): Promise<PushState> {
  if (!isSupported()) return "unsupported";
  if ((await Notification.requestPermission()) !== "granted") return pushState();
  const [worker, { public_key }] = await Promise.all([
    registration(),
    get<{ public_key: string }>("/v1/push/key"),
  ]);
  let found = await worker.pushManager.getSubscription();
  if (found && !sameKey(found, public_key)) {
    await found.unsubscribe(); // the server has another key than it had then
    found = null;
  }
  found ??= await worker.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: public_key,
  });
  await give(deviceId, found);
  return "on";
}

export async function disablePush(deviceId: string): Promise<void> {
  const found = await subscription();
  await call("DELETE", `/v1/devices/${deviceId}/push`);
  await found?.unsubscribe();
  if (isSupported()) await tell({ t: "device", device_id: null });
}

export interface PushOptions {
  deviceId: string;
  /** A notification was clicked; the address is /chat/CHAT_ID. */
  onOpenChat: (url: string) => void;
}

/** Returns what takes it back. */
export async function startPush({ deviceId, onOpenChat }: PushOptions): Promise<() => void> {
  if (!isSupported()) return () => undefined;
  const listener = (event: MessageEvent): void => {
    const { t, url } = (event.data ?? {}) as { t?: string; url?: string };
    if (t === "open-chat" && url) onOpenChat(url);
  };
  navigator.serviceWorker.addEventListener("message", listener);
  if ((await pushState()) === "on") await enablePush(deviceId);
  return () => navigator.serviceWorker.removeEventListener("message", listener);
}

/** Shows a message that has come by the stream to a window that nobody sees. */
export async function notifyHere(said: Omit<MessageSaid, "t" | "badge">): Promise<void> {
  if (!isSupported() || !document.hidden || Notification.permission !== "granted") return;
  const found = await navigator.serviceWorker.getRegistration(SCOPE);
  const { title, body, tag, url } = shown({ ...said, t: "message", badge: 0 });
  await found?.showNotification(title, { body, tag, data: { url }, ...{ renotify: true } });
}

export const closeShown = async (chatId: string): Promise<void> => {
  if (isSupported()) await tell({ t: "close", tag: chatId });
};

export async function setBadge(count: number): Promise<void> {
  if (!("setAppBadge" in navigator)) return;
  await (count > 0 ? navigator.setAppBadge(count) : navigator.clearAppBadge()).catch(() => undefined);
}

/** until: left out, for good. */
export const mute = (chatId: string, until?: Date): Promise<unknown> =>
  call("PUT", `/v1/chats/${chatId}/mute`, { body: until ? { until: until.toISOString() } : {} });
export const unmute = (chatId: string): Promise<unknown> =>
  call("DELETE", `/v1/chats/${chatId}/mute`);
