// The shapes of the API and of the stream that the client reads, and the interface of the client.
// docs/api.md and docs/chat-stream.md of Foyer say what they mean.

export type Role = "member" | "admin" | "owner";

export interface Member {
  user_id: string;
  name: string;
  role: Role;
  joined_at: string;
}

export interface Reaction {
  emoji: string;
  count: number;
  mine: boolean;
}

export interface SystemBody {
  event:
    | "created"
    | "added"
    | "removed"
    | "left"
    | "role"
    | "renamed"
    /** In conversations about an event: what happened to the buyer's booking. */
    | "booking.confirmed"
    | "tickets.revoked"
    | "payment.refunded"
    | "event.cancelled";
  user_id?: string;
  role?: Role;
  title?: string;
  /** Of the last four: as webhooks have it under that type. */
  data?: Record<string, unknown>;
}

/** What a message of type `media` shows; see docs/api.md. */
export interface Media {
  id: string;
  [member: string]: unknown;
}

export type EntryType = "text" | "media" | "edit" | "delete" | "reaction" | "system";

/** An entry of a chat's log. */
export interface Entry {
  id: string;
  chat_id: string;
  seq: number;
  sender_id: string;
  client_id: string | null;
  type: EntryType;
  /** The text; of a reaction the emoji, of a system entry an object; null where it was deleted. */
  body: string | SystemBody | null;
  media: Media | null;
  reply_to: string | null;
  /** The message that an edit, delete or reaction is about. */
  target: string | null;
  /** Of a reaction: it was taken back. */
  removed?: boolean;
  /** These three only of texts and media. */
  edited_at?: string | null;
  deleted_at?: string | null;
  reactions?: Reaction[];
  created_at: string;
}

/** An entry that people see: text, media or system, as it is after the edits, deletes and reactions that followed. */
export type Message = Readonly<Entry & { reactions: Reaction[] }>;

export interface Chat {
  id: string;
  type: "direct" | "group";
  title: string | null;
  /** At most 10 in a list of chats; all in one that was asked for by its id. */
  members: Member[];
  member_count: number;
  members_version: number;
  role: Role;
  epoch: number;
  last_seq: number;
  delivered_seq: number;
  read_seq: number;
  unread: number;
  last_message: Entry | null;
  created_at: string;
  [member: string]: unknown;
}

export interface EntryPage {
  data: Entry[];
  epoch: number;
  first_seq: number;
  last_seq: number;
  resync: boolean;
}

export interface Receipt {
  user_id: string;
  delivered_seq: number;
  read_seq: number;
}

export interface Device {
  id: string;
  name: string;
  platform: string;
  push: object | null;
  created_at: string;
}

export interface Report {
  id: string;
  chat_id: string;
  message_id: string;
  reporter_id: string;
  reason: string;
  context: Entry[];
  created_at: string;
}

export interface List<T> {
  data: T[];
  next_cursor: string | null;
}

export interface ProblemBody {
  type: string;
  title?: string;
  status: number;
  detail?: string;
  errors?: { field: string; message: string }[];
  retry_after_s?: number;
  [member: string]: unknown;
}

export interface User {
  id: string;
  email: string;
  name: string;
  roles?: string[];
}

/* ---- What the caller gives ---- */

/** Where cursors, unsent messages, receipts and the device's id are kept: text by key. Any may be asynchronous. */
export interface Store {
  entries(): Iterable<[string, string]> | Promise<Iterable<[string, string]>>;
  set(key: string, value: string): void | Promise<void>;
  delete(key: string): void | Promise<void>;
}

/** As much of the browsers' WebSocket as the client uses. */
export interface SocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: { data: any }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export type SocketConstructor = new (url: string, protocols: string[]) => SocketLike;

/** Timers and time, for tests. */
export interface Clock {
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
}

export interface UploadOptions {
  name?: string;
  /** From 0 to 1. */
  onProgress?: (part: number) => void;
  signal?: AbortSignal;
}

/** Uploads a file, by tus for example; the id is what `send` takes as `mediaId`. */
export type Uploader = (
  file: Blob | Uint8Array,
  options: UploadOptions & { url: string; headers: Record<string, string> },
) => Promise<{ id: string }>;

export interface ChatClientOptions {
  /** The server, "https://chat.example"; in a browser the page's own origin if left out. */
  url?: string;
  /** A session token, or what finds one; null or left out: the session cookie of a page counts. */
  token?: string | null | (() => string | null | Promise<string | null>);
  /** Registered once, and then known by the store. Left out: the stream has no device. */
  device?: { name: string; platform: string; push?: object };
  /** One that is registered already. */
  deviceId?: string;
  /** In memory if left out. */
  store?: Store;
  /**
   * "new": begins with what is new, and the rest is read with loadOlder(): for pages. "all": everything since the cursors
   * in the store, and everything there is without them: for those who keep messages themselves. "new" if left out.
   */
  history?: "new" | "all";
  /** Tells by itself that messages have arrived; true if left out. */
  sendsDelivered?: boolean;
  uploader?: Uploader;
  WebSocket?: SocketConstructor;
  fetch?: typeof fetch;
  random?: () => number;
  clock?: Clock;
}

/* ---- What the client shows ---- */

/**
 * stopped: not begun, closed, or ended for a reason that trying again does not change (see StopReason);
 * waiting: for the next try. catching-up: connected, and behind. live: connected, and nothing is missing.
 */
export type ConnectionState = "stopped" | "connecting" | "catching-up" | "live" | "waiting";

export type StopReason = "closed" | "replaced" | "unauthenticated";

export interface Pending {
  readonly clientId: string;
  readonly chatId: string;
  readonly body: string | null;
  readonly mediaId: string | null;
  readonly replyTo: string | null;
  /** By this machine's clock, RFC 3339. */
  readonly queuedAt: string;
  /** waiting: not acknowledged yet; sent: it is, and its entry is about to come; failed: refused, see problem. */
  readonly state: "waiting" | "sent" | "failed";
  readonly seq: number | null;
  readonly problem: ProblemBody | null;
}

export interface Ack {
  chat_id: string;
  client_id: string;
  message_id: string;
  seq: number;
  created_at: string;
  repeated?: boolean;
}

export interface ChatView {
  readonly id: string;
  /** As GET /v1/chats showed it, with title and members kept up by system entries; null until it was read. */
  readonly info: Chat | null;
  /** In order of seq, without a gap from firstSeq to seq. The list is changed in place; a changed message is a new object. */
  readonly messages: readonly Message[];
  /** Own messages that are not in `messages` yet, in the order in which they were written. */
  readonly pending: readonly Pending[];
  readonly receipts: ReadonlyMap<string, Receipt>;
  /** Who is writing now. */
  readonly typing: ReadonlySet<string>;
  readonly epoch: number;
  /** All entries up to this one are here, from firstSeq on. */
  readonly seq: number;
  readonly firstSeq: number;
  /** Whether loadOlder() may find more. */
  readonly hasOlder: boolean;
  /** Messages of others that the user has not read. */
  readonly unread: number;
  /** Grows with each change. */
  readonly version: number;
}

export interface Presence {
  user_id: string;
  online: boolean;
  last_seen_at: string | null;
}

export interface ChatEvents {
  state: { state: ConnectionState; reason?: StopReason; retryInMs?: number };
  /** The chats whose views are not what they were: told once for all that happened together. */
  change: { chatIds: ReadonlySet<string> };
  /** Each entry once and in order, whatever its type, also those that are no messages. */
  entry: { chatId: string; entry: Entry };
  /** What was held of the chat is not complete or not true, and was dropped. */
  resync: { chatId: string; reason: "expired" | "epoch"; firstSeq: number; lastSeq: number };
  left: { chatId: string };
  receipt: { chatId: string; receipt: Receipt };
  typing: { chatId: string; userId: string; isTyping: boolean };
  presence: Presence;
  sent: { pending: Pending; ack: Ack };
  failed: { pending: Pending; problem: ProblemBody };
  /** Of anything but a message that was sent. */
  error: { problem: ProblemBody };
}

export type Unsubscribe = () => void;

export interface ChatClientApi {
  readonly state: ConnectionState;
  readonly stopReason: StopReason | null;
  /** Known once connected. */
  readonly userId: string | null;
  readonly deviceId: string | null;
  readonly chats: ReadonlyMap<string, ChatView>;
  readonly presence: ReadonlyMap<string, Presence>;
  readonly http: HttpApi;

  on<K extends keyof ChatEvents>(event: K, listener: (value: ChatEvents[K]) => void): Unsubscribe;

  /** Stays connected from now on. Resolves when it is live, rejects with Stopped when it ends before. */
  connect(): Promise<void>;
  /** Connects now, if it waits for the next try. */
  reconnectNow(): void;
  /** Ends the stream; what is not acknowledged stays in the store. */
  close(): Promise<void>;
  /** Ends the session, and forgets everything in the store. */
  logOut(): Promise<void>;

  /** Kept until it is acknowledged, over lost connections and restarts. */
  send(chatId: string, message: { body?: string; mediaId?: string; replyTo?: string }): Pending;
  /** Resolves when the message is safe on the server; rejects with Problem when it was refused, or with Stopped. */
  acknowledged(clientId: string): Promise<Ack>;
  /** Tries a failed message once more, or gives it up. */
  retry(clientId: string): void;
  discard(clientId: string): void;

  edit(messageId: string, body: string): Promise<Entry>;
  delete(messageId: string): Promise<void>;
  react(messageId: string, emoji: string): Promise<Entry>;
  unreact(messageId: string, emoji: string): Promise<Entry>;

  /** Older messages into the view; false: there are no more. */
  loadOlder(chatId: string, limit?: number): Promise<boolean>;
  /** All of the user's chats into `chats`. connect() does this with history "new". */
  loadChats(): Promise<void>;
  /** The chat with all members, read anew. */
  loadChat(chatId: string): Promise<ChatView>;
  createDirect(userId: string): Promise<ChatView>;
  createGroup(title: string, memberIds: string[]): Promise<ChatView>;
  rename(chatId: string, title: string): Promise<void>;
  addMember(chatId: string, userId: string, role?: Role): Promise<void>;
  removeMember(chatId: string, userId: string): Promise<void>;
  leave(chatId: string): Promise<void>;

  /** All up to there was read; the newest entry if left out. */
  markRead(chatId: string, seq?: number): void;
  /** The user is writing: say it at each key; it is sent at most every 3 seconds. */
  typing(chatId: string): void;
  /** Whose presence is shown, at most 100, in place of those before. */
  watch(userIds: string[]): void;

  search(query: string, cursor?: string): Promise<List<Entry>>;
  block(userId: string): Promise<void>;
  unblock(userId: string): Promise<void>;
  blocks(cursor?: string): Promise<List<{ user_id: string; created_at: string }>>;
  report(messageId: string, reason: string): Promise<Report>;
  devices(): Promise<List<Device>>;
  deleteDevice(deviceId: string): Promise<void>;
  /** By the uploader of the options. */
  uploadMedia(file: Blob | Uint8Array, options?: UploadOptions): Promise<{ id: string }>;
}

export interface HttpApi {
  /** The JSON of the answer, or undefined when it has none. Throws Problem or Unreachable. */
  call<T>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<T>;
  /** What a request of somebody else needs, such as an uploader. */
  headers(): Promise<Record<string, string>>;
  readonly url: string;
}

export interface CallOptions {
  query?: Record<string, string | number | undefined>;
  signal?: AbortSignal;
  /** An Idempotency-Key. */
  key?: string;
}
