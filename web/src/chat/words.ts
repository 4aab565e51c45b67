// Names, times and the sentences of the chat page.
import type { ChatView, Entry, Media, Member, SystemBody } from "../../../clients/js/src/index.js";
import { factWords } from "../booking/facts";
import { formatDay } from "../lib/dates";
import { bytesOf, oneLine } from "./text";

export const BODY_BYTES_MAX = 8192;
export const QUICK_REACTIONS = ["👍", "❤️", "😂", "😮", "😢", "🎉"];

/** Whoever was seen once, for those who have left. Names stand inside of sentences, which they must not turn around. */
const seen = new Map<string, string>();

export function noteNames(members: readonly Member[] | undefined): void {
  for (const { user_id, name } of members ?? []) seen.set(user_id, oneLine(name) || "Nameless");
}

export function nameOf(userId: string): string {
  return seen.get(userId) ?? "Former member";
}

export const otherOf = (view: ChatView, me: string): Member | undefined =>
  view.info?.type === "direct"
    ? view.info.members.find(({ user_id }) => user_id !== me)
    : undefined;

export function titleOf(view: ChatView, me: string): string {
  if (!view.info) return "…";
  if (view.info.type === "group") return oneLine(view.info.title ?? "") || "Group";
  return nameOf(otherOf(view, me)?.user_id ?? "");
}

/** What the chat is sorted by: its newest message, or its beginning. */
export const activityOf = (view: ChatView): string =>
  lastOf(view)?.created_at ?? view.info?.created_at ?? "";

export function lastOf(view: ChatView): Entry | null {
  const known = view.messages.at(-1) ?? null;
  const listed = view.info?.last_message ?? null;
  if (!known || !listed) return known ?? listed;
  return known.seq >= listed.seq ? known : listed;
}

export const newestFirst = (a: ChatView, b: ChatView): number => {
  const [x, y] = [newestPending(a) ?? activityOf(a), newestPending(b) ?? activityOf(b)];
  return x === y ? (a.id < b.id ? 1 : -1) : x < y ? 1 : -1;
};

const newestPending = (view: ChatView): string | undefined => view.pending.at(-1)?.queuedAt;

export function isMuted(view: ChatView): boolean {
  const until = view.info?.["muted_until"];
  return typeof until === "string" && Date.parse(until) > Date.now();
}

export function systemWords(entry: Entry, me: string): string {
  const fact = factWords(entry.body);
  if (fact !== null) return fact;
  const body = (entry.body ?? {}) as SystemBody;
  const who = entry.sender_id === me ? "You" : nameOf(entry.sender_id);
  const whom = body.user_id === me ? "you" : nameOf(body.user_id ?? "");
  const title = oneLine(body.title ?? "");
  switch (body.event) {
    case "created":
      return title ? `${who} made the group “${title}”` : `${who} started the conversation`;
    case "added":
      return `${who} added ${whom}`;
    case "removed":
      return `${who} removed ${whom}`;
    case "left":
      return `${body.user_id && body.user_id !== entry.sender_id ? whom : who} left`;
    case "role":
      return `${who} made ${whom} ${body.role === "member" ? "a plain member" : `an ${body.role}`}`;
    case "renamed":
      return `${who} renamed the group to “${title}”`;
    default:
      return "Something changed";
  }
}

export interface MediaFacts {
  id: string;
  name: string;
  type: string;
  bytes: number;
  width: number;
  height: number;
  hasThumb: boolean;
}

/** Only raster pictures are shown as such: all else is a file to be saved. */
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

export function mediaOf(media: Media): MediaFacts {
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const number = (value: unknown): number => (typeof value === "number" ? value : 0);
  return {
    id: media.id,
    name: oneLine(text(media["name"])) || "File",
    type: text(media["type"]),
    bytes: number(media["size"]),
    width: number(media["width"]),
    height: number(media["height"]),
    hasThumb: media["has_thumb"] === true,
  };
}

export const isPicture = (media: MediaFacts): boolean => PICTURES.includes(media.type);

/** Of a file's name, at the server. */
const NAME_BYTES_MAX = 255;

/** Within the server's limit, and with its ending. */
export function nameToSend(name: string): string {
  const plain = name.replace(/[/\\]/g, "_") || "file";
  const ending = /\.\w{1,10}$/.exec(plain)?.[0] ?? "";
  let stem = [...plain.slice(0, plain.length - ending.length)];
  while (bytesOf(stem.join("") + ending) > NAME_BYTES_MAX) stem = stem.slice(0, -1);
  return stem.join("") + ending;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function contentOf(entry: Entry): string {
  if (entry.deleted_at || entry.body === null) {
    if (entry.media && !entry.deleted_at) {
      const media = mediaOf(entry.media);
      return isPicture(media) ? "Picture" : media.name;
    }
    return "Deleted message";
  }
  return typeof entry.body === "string" ? oneLine(entry.body) : "";
}

/** One line about the newest message, for the list. */
export function previewOf(view: ChatView, me: string): string {
  const waiting = view.pending.at(-1);
  if (waiting) return `You: ${waiting.body === null ? "File" : oneLine(waiting.body)}`;
  const entry = lastOf(view);
  if (!entry) return "No messages yet";
  if (entry.type === "system") return systemWords(entry, me);
  if (entry.sender_id === me) return `You: ${contentOf(entry)}`;
  return view.info?.type === "group"
    ? `${nameOf(entry.sender_id)}: ${contentOf(entry)}`
    : contentOf(entry);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const DAY_MS = 24 * 3600 * 1000;

export const formatTime = (iso: string): string => clock.format(new Date(iso));

/** Days are the viewer's. */
export const dayOf = (iso: string): string => {
  const date = new Date(iso);
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
};

export function dayWords(iso: string): string {
  const today = Date.now();
  if (dayOf(iso) === dayOf(new Date(today).toISOString())) return "Today";
  if (dayOf(iso) === dayOf(new Date(today - DAY_MS).toISOString())) return "Yesterday";
  return formatDay(iso);
}

export function shortWhen(iso: string): string {
  if (iso === "") return "";
  const words = dayWords(iso);
  if (words === "Today") return formatTime(iso);
  if (words === "Yesterday") return words;
  const date = new Date(iso);
  return Date.now() - date.getTime() < 6 * DAY_MS ? weekday.format(date) : shortDate.format(date);
}

export function lastSeenWords(iso: string | null): string {
  if (iso === null) return "Offline";
  const words = shortWhen(iso);
  return `Last seen ${words === "Yesterday" ? "yesterday" : words}`;
}

export type Mark = "sent" | "delivered" | "read";

/** How far all others have come: a mark says that of everybody, as a group has no single reader. */
export function markOf(view: ChatView, seq: number, me: string): { mark: Mark; readers: number } {
  let [others, delivered, readers] = [0, 0, 0];
  for (const [userId, receipt] of view.receipts) {
    if (userId === me) continue;
    others++;
    if (receipt.delivered_seq >= seq) delivered++;
    if (receipt.read_seq >= seq) readers++;
  }
  if (others > 0 && readers === others) return { mark: "read", readers };
  return { mark: others > 0 && delivered === others ? "delivered" : "sent", readers };
}

export function typingWords(view: ChatView, me: string): string {
  const names = [...view.typing].filter((id) => id !== me).map(nameOf);
  if (names.length === 0) return "";
  if (names.length > 2) return `${names.length} people are typing…`;
  return `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} typing…`;
}

export function initialsOf(name: string): string {
  const words = oneLine(name).split(" ").filter(Boolean);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map(
    (word) => [...(word ?? "")].find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? "",
  );
  return letters.join("").toUpperCase() || "?";
}
