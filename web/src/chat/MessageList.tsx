// The messages of a conversation, oldest above. Scrolling up loads older ones. The arrow keys go from message to message, Enter opens
// what can be done with one.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ChatView, Message } from "../../../clients/js/src/index.js";
import { messageOf } from "../api/client";
import { PendingBubble, type BubbleEvents } from "./Bubble";
import type { ChatClient } from "./client";
import { Icon } from "./icons";
import { quoteIn, Rows } from "./Rows";
import {
  belowOf,
  loadUntil,
  markRead,
  NEAR_PX,
  useNewsFirst,
  useOlder,
  usePlace,
  useReading,
  useScrolling,
  type Scrolling,
} from "./scrolling";
import { UploadRow } from "./UploadRow";
import type { Uploads } from "./uploads";
import { contentOf, nameOf } from "./words";

const PAGE = 50;
/** Messages that are drawn at first, and again once the reader is back at the bottom. */
const SHOWN = 120;
const SHOWN_MANY = 480;

export interface MessageListProps {
  client: ChatClient;
  view: ChatView;
  me: string;
  blocked: ReadonlySet<string>;
  isBlocked: boolean;
  uploads: Uploads;
  /** A seq to begin at, from a search. */
  at: number | null;
  /** Grows when the user has sent something. */
  sentCount: number;
  onReply(message: Message): void;
  onEdit(message: Message): void;
}

export function MessageList(props: MessageListProps): JSX.Element {
  const { client, view, me, uploads } = props;
  const scrolling = useScrolling();
  const { scroller, inner } = scrolling;
  const [limit, setLimit] = useState(SHOWN);
  const [isFar, setIsFar] = useState(false);
  const [error, setError] = useState("");
  const older = useOlder(client, view.id, setError);
  const news = useMemo(() => newsOf(view, me), []);
  const messages = view.messages.slice(-limit);
  const isWhole = !view.hasOlder && messages.length === view.messages.length;
  const chosen = useChosen(props, scrolling, { older, setLimit, setError });
  usePlace(scrolling, messages[0]?.seq ?? null, props.sentCount);
  useEffect(() => {
    if (props.at === null && view.messages.length < PAGE && view.hasOlder) void older(PAGE);
  }, []);
  useNewsFirst(scrolling, props.at === null && messages.length > 0);
  useReading(client, view, scrolling);

  const onScroll = (): void => {
    const element = scroller.current!;
    const below = belowOf(element);
    scrolling.isStuck.current = below < NEAR_PX;
    setIsFar(below > element.clientHeight);
    if (scrolling.isStuck.current) {
      markRead(client, view);
      if (limit > SHOWN_MANY) setLimit(SHOWN);
    }
    if (element.scrollTop > 2 * NEAR_PX || isWhole) return;
    if (view.messages.length > limit) setLimit(limit + PAGE);
    else void older(PAGE).then(() => setLimit((old) => old + PAGE));
  };
  return (
    <div class="chat-messages-box">
      <div
        ref={scroller}
        class="chat-messages"
        onScroll={onScroll}
        onKeyDown={chosen.onKeyDown}
        onFocusIn={chosen.onFocusIn}
      >
        <div ref={inner} class="chat-messages-inner" role="group" aria-label="Messages">
          <p class="chat-edge">{isWhole ? beginningWords(view) : "Loading older messages…"}</p>
          <Rows
            {...props}
            messages={messages}
            news={news}
            shown={chosen.shown}
            activeId={chosen.activeId}
            openId={chosen.openId}
            foundId={chosen.foundId}
            on={chosen.on}
            onClose={chosen.close}
          />
          {view.pending.map((pending) => (
            <PendingBubble
              key={pending.clientId}
              pending={pending}
              quote={quoteIn(view, pending.replyTo, me)}
              onRetry={() => client.retry(pending.clientId)}
              onDiscard={() => client.discard(pending.clientId)}
            />
          ))}
          {uploads.of(view.id).map((upload) => (
            <UploadRow key={upload.id} upload={upload} uploads={uploads} />
          ))}
          {error !== "" && (
            <p class="chat-failed" role="alert">
              {error}
            </p>
          )}
        </div>
      </div>
      {isFar && (
        <button
          type="button"
          class="chat-button chat-to-bottom"
          aria-label="To the newest message"
          onClick={() => scroller.current?.scrollTo({ top: scroller.current.scrollHeight })}
        >
          <Icon name="down" />
          {view.unread > 0 && <span class="chat-count">{view.unread}</span>}
        </button>
      )}
      <Announcer client={client} chatId={view.id} me={me} blocked={props.blocked} />
    </div>
  );
}

function newsOf(view: ChatView, me: string): number | null {
  if (view.unread === 0) return null;
  return view.receipts.get(me)?.read_seq ?? view.info?.read_seq ?? null;
}

const beginningWords = (view: ChatView): string =>
  view.firstSeq > 1
    ? "Older messages are not kept, or not yours to see."
    : "This is the beginning.";

interface Loading {
  older(count: number): Promise<boolean>;
  setLimit(change: (old: number) => number): void;
  setError(text: string): void;
}

interface Chosen {
  activeId: string | null;
  openId: string | null;
  foundId: string | null;
  shown: ReadonlySet<string>;
  on: BubbleEvents;
  close(): void;
  onKeyDown(event: KeyboardEvent): void;
  onFocusIn(event: FocusEvent): void;
}

/** Which message has the focus, which is open, and which was jumped to. */
function useChosen(props: MessageListProps, { inner, isStuck }: Scrolling, load: Loading): Chosen {
  const { client, view, at } = props;
  const [openId, setOpenId] = useState<string | null>(null);
  const [focusedId, setFocusedId] = useState<string | null>(null);
  const [foundId, setFoundId] = useState<string | null>(null);
  const [shown, setShown] = useState<ReadonlySet<string>>(new Set());
  const jump = async (find: (view: ChatView) => number): Promise<void> => {
    load.setError("");
    const index = await loadUntil(client, view.id, load.older, find);
    const all = client.chats.get(view.id)?.messages ?? [];
    const found = index === null ? undefined : all[index];
    if (!found) return load.setError("That message is too far back, or not kept any more.");
    isStuck.current = false;
    load.setLimit((old) => Math.max(old, all.length - index! + PAGE));
    setFoundId(found.id);
    setFocusedId(found.id);
    requestAnimationFrame(() => {
      const element = articleOf(inner.current, found.id);
      element?.scrollIntoView({ block: "center" });
      element?.focus({ preventScroll: true });
    });
  };
  const react = (message: Message, emoji: string, mine: boolean): void => {
    load.setError("");
    const done = mine ? client.unreact(message.id, emoji) : client.react(message.id, emoji);
    done.catch((problem: unknown) => load.setError(messageOf(problem)));
  };
  useEffect(() => {
    // With something before it: the seq itself may be that of an edit or a reaction.
    const find = ({ messages, hasOlder }: ChatView): number => {
      const index = messages.findIndex(({ seq }) => seq >= at!);
      return index > 0 || !hasOlder ? index : -1;
    };
    if (at !== null) void jump(find);
  }, [at]);
  // Bubbles are drawn again when their properties change: these must not.
  const latest = useRef({ jump, react });
  latest.current = { jump, react };
  const on = useMemo<BubbleEvents>(
    () => ({
      toggle: ({ id }) => setOpenId((old) => (old === id ? null : id)),
      react: (message, emoji, mine) => latest.current.react(message, emoji, mine),
      jump: (id) =>
        void latest.current.jump(({ messages }) => messages.findIndex((it) => it.id === id)),
      show: ({ id }) => setShown((old) => new Set(old).add(id)),
    }),
    [],
  );
  const close = (): void => {
    if (openId !== null) articleOf(inner.current, openId)?.focus({ preventScroll: true });
    setOpenId(null);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && openId !== null) return close();
    const article = event.target as HTMLElement;
    const id = article.dataset["message"];
    if (id === undefined) return;
    const next = nextOf(inner.current!, article, event.key);
    if (!next && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (!next) return setOpenId(openId === id ? null : id);
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  const onFocusIn = (event: FocusEvent): void => {
    const article = (event.target as HTMLElement).closest<HTMLElement>("[data-message]");
    if (article) setFocusedId(article.dataset["message"] ?? null);
  };
  const activeId = focusedId ?? view.messages.findLast(({ type }) => type !== "system")?.id ?? null;
  return { activeId, openId, foundId, shown, on, close, onKeyDown, onFocusIn };
}

const articleOf = (inside: HTMLElement | null, id: string): HTMLElement | null =>
  inside?.querySelector<HTMLElement>(`[data-message="${CSS.escape(id)}"]`) ?? null;

function nextOf(inside: HTMLElement, from: HTMLElement, key: string): HTMLElement | undefined {
  const all = [...inside.querySelectorAll<HTMLElement>("[data-message]")];
  const index = all.indexOf(from);
  if (key === "ArrowUp") return all[Math.max(0, index - 1)];
  if (key === "ArrowDown") return all[Math.min(all.length - 1, index + 1)];
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  return undefined;
}

interface AnnouncerProps {
  client: ChatClient;
  chatId: string;
  me: string;
  blocked: ReadonlySet<string>;
}

/** Says what others write to those who do not see it come. What is loaded from the past is not news. */
function Announcer({ client, chatId, me, blocked }: AnnouncerProps): JSX.Element {
  const [words, setWords] = useState("");
  useEffect(
    () =>
      client.on("entry", (event) => {
        const { entry } = event;
        if (event.chatId !== chatId || entry.sender_id === me) return;
        if (blocked.has(entry.sender_id)) return;
        if (entry.type === "text" || entry.type === "media")
          setWords(`${nameOf(entry.sender_id)}: ${contentOf(entry)}`);
      }),
    [client, chatId, blocked],
  );
  return (
    <div class="visually-hidden" role="log" aria-live="polite" data-testid="news">
      {words}
    </div>
  );
}
