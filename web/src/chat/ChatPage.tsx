// The chat: conversations at the left, the one that is open at the right. On a narrow screen one of the two.
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { ChatEvents } from "../../../clients/js/src/index.js";
import { useServices } from "../lib/services";
import { navigate, useLocation } from "../lib/router";
import { askToLogIn, useUser } from "../lib/session";
import { Notice, Spinner, usePage } from "../ui/basics";
import { LoginNeeded } from "../ui/LoginNeeded";
import { useBlocks } from "./blocks";
import { ChatList } from "./ChatList";
import { clientOf, useEvents, type ChatClient } from "./client";
import { Conversation } from "./Conversation";
import { Icon } from "./icons";
import { NewChat } from "./NewChat";
import { useNotifications, type Notifications } from "./notifications";
import { closeShown, setBadge } from "./push";
import { Search } from "./Search";
import { Uploads } from "./uploads";
import { isMuted, newestFirst, noteNames, otherOf, titleOf } from "./words";

const WATCHED_MAX = 100;
/** A connection that is back at once is not worth a word. */
const BANNER_AFTER_MS = 700;

export function ChatPage({ chatId }: { chatId: string | null }): JSX.Element {
  const user = useUser();
  const services = useServices();
  if (services && !services.includes("chat")) return <NotHere />;
  if (user === null) return <LoginNeeded what="your conversations" />;
  if (!user || !services) return <Spinner />;
  return <Chat key={user.id} me={user.id} chatId={chatId} />;
}

function NotHere(): JSX.Element {
  const page = usePage("Chat");
  return (
    <>
      <h1 {...page}>Chat</h1>
      <Notice kind="info" title="Not switched on">
        <p>This server runs without the service “chat”.</p>
      </Notice>
    </>
  );
}

type Side = "list" | "new" | "search";

function Chat({ me, chatId }: { me: string; chatId: string | null }): JSX.Element {
  const client = clientOf(me);
  const uploads = useMemo(() => uploadsOf(client), [client]);
  const blocks = useBlocks(client);
  const [side, setSide] = useState<Side>("list");
  const notifications = useNotifications(me);
  const { query } = useLocation();
  useEvents(client, ["change", "state", "presence", "left"]);
  useWatch(client, me, chatId);
  useEffect(
    () =>
      client.on("left", (event) => {
        if (window.location.pathname === `/chat/${event.chatId}`)
          navigate("/chat", { replace: true });
      }),
    [client],
  );
  for (const { info } of client.chats.values()) noteNames(info?.members);
  const unread = [...client.chats.values()].reduce((sum, view) => sum + view.unread, 0);
  const open = client.chats.get(chatId ?? "");
  const title = `${unread > 0 ? `(${unread}) ` : ""}${open?.info ? `${titleOf(open, me)} · ` : ""}Chat · Foyer`;
  useEffect(() => {
    document.title = title;
  }, [title]);
  useTaken(client, chatId, notifications.state === "on");
  const at = Number(query.get("at") ?? NaN);
  return (
    <div class={`chat${chatId === null ? "" : " is-open"}`}>
      <ConnectionBanner client={client} />
      <aside class="chat-side" aria-label="Conversations">
        {side === "list" && (
          <>
            <div class="chat-side-head">
              {chatId === null ? <h1>Chat</h1> : <h2>Chat</h2>}
              <Bell notifications={notifications} />
              <button
                type="button"
                class="chat-button"
                aria-label="Search messages"
                onClick={() => setSide("search")}
              >
                <Icon name="search" />
              </button>
              <button
                type="button"
                class="chat-button"
                aria-label="New conversation"
                onClick={() => setSide("new")}
              >
                <Icon name="plus" />
              </button>
            </div>
            {isLoading(client) ? (
              <Spinner label="Loading conversations" />
            ) : (
              <ChatList client={client} me={me} openId={chatId} blocked={blocks.ids} />
            )}
          </>
        )}
        {side === "new" && <NewChat client={client} me={me} onClose={() => setSide("list")} />}
        {side === "search" && <Search client={client} me={me} onClose={() => setSide("list")} />}
      </aside>
      {chatId === null ? (
        <div class="chat-nothing">
          <p>Choose a conversation, or begin one.</p>
        </div>
      ) : (
        <Conversation
          key={chatId}
          client={client}
          chatId={chatId}
          me={me}
          at={Number.isInteger(at) && at > 0 ? at : null}
          blocks={blocks}
          uploads={uploads}
        />
      )}
    </div>
  );
}

/** Notifications of what was read are taken back, and the badge says in how many chats there is something to read. */
function useTaken(client: ChatClient, chatId: string | null, isOn: boolean): void {
  const isRead = client.chats.get(chatId ?? "")?.unread === 0;
  useEffect(() => {
    if (isOn && isRead && chatId !== null) void closeShown(chatId);
  }, [isOn, isRead, chatId]);
  const waiting = [...client.chats.values()].filter(
    (view) => view.unread > 0 && !isMuted(view),
  ).length;
  useEffect(() => {
    if (client.state === "live") void setBadge(waiting);
  }, [client.state, waiting]);
}

function Bell({ notifications }: { notifications: Notifications }): JSX.Element | null {
  const { state, problem, toggle } = notifications;
  if (state === null || state === "unsupported") return null;
  const words =
    state === "denied"
      ? "Notifications are blocked in the browser's settings"
      : "Notify me of messages";
  return (
    <>
      <button
        type="button"
        class="chat-button"
        aria-label={words}
        title={problem || words}
        aria-pressed={state === "on"}
        disabled={state === "denied"}
        onClick={toggle}
      >
        <Icon name={state === "on" ? "bell" : "bellOff"} />
      </button>
      {problem !== "" && (
        <span class="visually-hidden" role="alert">
          {problem}
        </span>
      )}
    </>
  );
}

const isLoading = (client: ChatClient): boolean =>
  client.chats.size === 0 && client.state !== "live" && client.state !== "stopped";

/** Uploads go on while other pages are shown. */
const running = new WeakMap<ChatClient, Uploads>();
function uploadsOf(client: ChatClient): Uploads {
  const uploads = running.get(client) ?? new Uploads(client);
  running.set(client, uploads);
  return uploads;
}

/** Those whom the page shows: the members of the open conversation, then the newest direct chats. */
function useWatch(client: ChatClient, me: string, chatId: string | null): void {
  const ids = new Set<string>();
  const open = client.chats.get(chatId ?? "");
  for (const member of open?.info?.members ?? []) ids.add(member.user_id);
  for (const view of [...client.chats.values()].sort(newestFirst)) {
    const other = otherOf(view, me);
    if (other) ids.add(other.user_id);
  }
  ids.delete(me);
  const list = [...ids].slice(0, WATCHED_MAX);
  const key = [...list].sort().join(" ");
  useEffect(() => client.watch(list), [client, key]);
}

function ConnectionBanner({ client }: { client: ChatClient }): JSX.Element | null {
  const [event, setEvent] = useState<ChatEvents["state"]>({ state: client.state });
  const [isLate, setIsLate] = useState(false);
  const isLost = event.state === "waiting" || event.state === "connecting";
  useEffect(() => client.on("state", setEvent), [client]);
  useEffect(() => {
    const back = (): void => client.reconnectNow();
    window.addEventListener("online", back);
    return () => window.removeEventListener("online", back);
  }, [client]);
  useEffect(() => {
    setIsLate(false);
    if (!isLost) return;
    const timer = setTimeout(() => setIsLate(true), BANNER_AFTER_MS);
    return () => clearTimeout(timer);
  }, [isLost]);
  useEffect(() => {
    if (event.state === "stopped" && event.reason === "unauthenticated") askToLogIn();
  }, [event]);
  if (event.state === "stopped" && event.reason === "replaced") {
    return (
      <Banner
        words="This chat is open in another window."
        action="Use it here"
        onAction={() => void client.connect().catch(() => undefined)}
      />
    );
  }
  if (!isLost || !isLate) return null;
  return (
    <Banner
      words="No connection. What you write is kept and sent when it is back."
      action="Try now"
      onAction={() => client.reconnectNow()}
    />
  );
}

function Banner(props: { words: string; action: string; onAction(): void }): JSX.Element {
  return (
    <div class="chat-banner" role="status">
      <p>{props.words}</p>
      <button type="button" class="chat-link" onClick={props.onAction}>
        {props.action}
      </button>
    </div>
  );
}
