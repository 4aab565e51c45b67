// The service worker of chat, served as /chat-sw.js: shows notifications, opens the chat on a click, takes back what was read elsewhere.
// It caches nothing and answers no requests, so no page depends on it.
import { read, shown, type MessageSaid } from "./push_words";

// The few names of a service worker's scope that the types of pages do not have.
interface Waiting extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface PushEvent extends Waiting {
  data: { text(): string } | null;
}
interface ClickEvent extends Waiting {
  notification: Notification;
}
interface MessageFromPage extends Waiting {
  data: unknown;
}
interface Page {
  url: string;
  focused: boolean;
  focus(): Promise<Page>;
  navigate(url: string): Promise<Page | null>;
  postMessage(message: unknown): void;
}
interface Scope {
  registration: ServiceWorkerRegistration;
  clients: {
    matchAll(options: { type: "window"; includeUncontrolled: boolean }): Promise<Page[]>;
    openWindow(url: string): Promise<Page | null>;
    claim(): Promise<void>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: "push", listener: (event: PushEvent) => void): void;
  addEventListener(type: "notificationclick", listener: (event: ClickEvent) => void): void;
  addEventListener(type: "message", listener: (event: MessageFromPage) => void): void;
  addEventListener(
    type: "install" | "activate" | "pushsubscriptionchange",
    listener: (event: Waiting) => void,
  ): void;
}

const scope = self as unknown as Scope;
const NOTES = "chat-push";
const DEVICE = "/chat-sw/device";

const pages = (): Promise<Page[]> =>
  scope.clients.matchAll({ type: "window", includeUncontrolled: true });
const pathOf = (page: Page): string => new URL(page.url).pathname;

async function setBadge(count: number): Promise<void> {
  if (!("setAppBadge" in navigator)) return;
  await (count > 0 ? navigator.setAppBadge(count) : navigator.clearAppBadge());
}

async function close(tag: string): Promise<void> {
  for (const notification of await scope.registration.getNotifications({ tag }))
    notification.close();
}

/** Who looks at the chat sees the message come. Browsers allow to show nothing while a page of ours is in focus. */
async function show(said: MessageSaid): Promise<void> {
  const { title, body, tag, url } = shown(said);
  if ((await pages()).some((page) => page.focused && pathOf(page) === url)) return;
  await scope.registration.showNotification(title, {
    body,
    tag,
    data: { url },
    ...{ renotify: true, timestamp: Date.parse(said.created_at) },
  });
}

async function onPush(text: string): Promise<void> {
  const said = read(text);
  if (said?.t === "clear") await close(said.chat_id);
  else if (said) await show(said);
  else await scope.registration.showNotification("Foyer", { body: "Something new", tag: "news" });
  if (said) await setBadge(said.badge);
}

async function open(url: string): Promise<void> {
  const all = await pages();
  const page = all.find((one) => pathOf(one) === url) ?? all.find((one) => pathOf(one).startsWith("/chat"));
  if (!page) {
    await scope.clients.openWindow(url);
    return;
  }
  await page.focus();
  if (pathOf(page) !== url) page.postMessage({ t: "open-chat", url });
}

/** The browser has taken its subscription back: the device gets the new one. */
async function renew(): Promise<void> {
  const notes = await caches.open(NOTES);
  const device = await (await notes.match(DEVICE))?.text();
  const key = await fetch("/v1/push/key");
  if (!device || !key.ok) return;
  const { public_key } = (await key.json()) as { public_key: string };
  const subscription = await scope.registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: public_key,
  });
  await fetch(`/v1/devices/${device}/push`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(subscription.toJSON()),
  });
}

async function onMessage(data: unknown): Promise<void> {
  const { t, device_id, tag } = data as { t?: string; device_id?: string | null; tag?: string };
  if (t === "device") {
    const notes = await caches.open(NOTES);
    if (device_id) await notes.put(DEVICE, new Response(device_id));
    else await notes.delete(DEVICE);
  } else if (t === "close" && tag) {
    await close(tag);
  }
}

scope.addEventListener("install", (event) => event.waitUntil(scope.skipWaiting()));
scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));
scope.addEventListener("push", (event) => event.waitUntil(onPush(event.data?.text() ?? "")));
scope.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew()));
scope.addEventListener("message", (event) => event.waitUntil(onMessage(event.data)));
scope.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { url } = (event.notification.data ?? {}) as { url?: string };
  event.waitUntil(open(url ?? "/chat"));
});
