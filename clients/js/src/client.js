// The client: one user on one device. What it keeps and how it connects is in the files beside it; here they are joined.
/** @typedef {import("./types").ChatClientApi} ChatClientApi */
import { Chats } from "./chats.js";
import { Ephemera } from "./ephemera.js";
import { Stopped } from "./errors.js";
import { Http } from "./http.js";
import { newId, Outbox } from "./outbox.js";
import { Receipts } from "./receipts.js";
import { Keeper, MemoryStore } from "./store.js";
import { Stream } from "./stream.js";

/** @typedef {import("./types").ChatEvents} ChatEvents */
/** @typedef {import("./types").ChatView} ChatView */

const CHANGE_MS = 16; // changes are told together
const PAGE = 50;
const id = encodeURIComponent;

/** @type {import("./types").Clock} */
const systemClock = {
  now: () => Date.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** @implements {ChatClientApi} */
export class ChatClient {
  /** @type {string | null} */
  userId = null;
  /** @type {string | null} */
  deviceId = null;
  /** @type {Map<string, Set<(value: any) => void>>} */
  #listeners = new Map();
  /** @type {Set<string>} */
  #changed = new Set();
  /** @type {unknown} */
  #changeTimer = null;
  /** @type {{resolve: () => void, reject: (error: Error) => void, promise: Promise<void>} | null} */
  #connecting = null;
  #isLoaded = false;
  #isListed = false;
  /** Of the store. @type {string | null} */
  #owner = null;
  #keeper;
  #outbox;
  #receipts;
  #ephemera;
  #chats;
  #stream;
  #hurry = () => this.reconnectNow();

  /** @param {import("./types").ChatClientOptions} [options] */
  constructor(options = {}) {
    this.options = options;
    this.deviceId = options.deviceId ?? null;
    const clock = (this.clock = options.clock ?? systemClock);
    const http = (this.http = new Http(options.url, options.token, options.fetch));
    const keeper = (this.#keeper = new Keeper(options.store ?? new MemoryStore()));
    const isFromNewest = options.history !== "all";
    const send = (/** @type {object} */ frame) => this.#stream.send(frame);
    const changed = (/** @type {string} */ chatId) => this.#note(chatId);
    this.#outbox = new Outbox({
      keeper,
      clock,
      onChange: changed,
      onSent: (pending, ack) => this.#sent(pending, ack),
      onFailed: (pending, problem) => this.#emit("failed", { pending, problem }),
    });
    this.#receipts = new Receipts({
      keeper,
      clock,
      keepsCursors: !isFromNewest,
      sendsDelivered: options.sendsDelivered ?? true,
      cursor: (chatId) => this.#chats.cursor(chatId),
      send,
    });
    this.#ephemera = new Ephemera({
      clock,
      send,
      onTyping: (chatId, userId, isTyping) => this.#chats.typing(chatId, userId, isTyping),
      onPresence: (presence) => this.#emit("presence", presence),
    });
    this.#chats = new Chats({
      http,
      clock,
      isFromNewest,
      me: () => this.userId,
      isLive: () => this.state === "live",
      outbox: this.#outbox,
      receipts: this.#receipts,
      ephemera: this.#ephemera,
      changed,
      emit: (event, value) => this.#emit(event, value),
    });
    this.#stream = new Stream({
      url: http.url,
      WebSocket: options.WebSocket,
      clock,
      random: options.random ?? Math.random,
      hello: () => this.#hello(),
      onFrame: (frame) => this.#frame(frame),
      onReady: (frame) => this.#ready(frame),
      onLost: () => this.#lost(),
      onState: (state, detail) => this.#becomes(state, detail),
    });
  }

  get state() {
    return this.#stream.state;
  }
  get stopReason() {
    return this.#stream.stopReason;
  }
  get chats() {
    return this.#chats.views;
  }
  get presence() {
    return this.#ephemera.presence;
  }

  /* ---- Events ---- */

  /**
   * @template {keyof ChatEvents} K
   * @param {K} event
   * @param {(value: ChatEvents[K]) => void} listener
   * @returns {import("./types").Unsubscribe}
   */
  on(event, listener) {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * @template {keyof ChatEvents} K
   * @param {K} event
   * @param {ChatEvents[K]} value
   */
  #emit(event, value) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        // A listener's fault must not end the stream of the others.
        console.error("foyer-chat: a listener failed", error);
      }
    }
  }

  /** @param {string} chatId */
  #note(chatId) {
    this.#changed.add(chatId);
    this.#changeTimer ??= this.clock.setTimeout(() => {
      const chatIds = this.#changed;
      this.#changed = new Set();
      this.#changeTimer = null;
      this.#emit("change", { chatIds });
    }, CHANGE_MS);
  }

  /* ---- The stream ---- */

  connect() {
    if (this.state === "live") return Promise.resolve();
    if (!this.#connecting) {
      /** @type {any} */
      const waiter = {};
      waiter.promise = new Promise((resolve, reject) => Object.assign(waiter, { resolve, reject }));
      waiter.promise.catch(() => {}); // not everybody waits for it
      this.#connecting = waiter;
    }
    globalThis.addEventListener?.("online", this.#hurry);
    this.#stream.start();
    return /** @type {Promise<void>} */ (this.#connecting?.promise);
  }

  reconnectNow() {
    this.#stream.hurry();
  }

  async close() {
    globalThis.removeEventListener?.("online", this.#hurry);
    if (this.#isLoaded) await this.#receipts.flush();
    this.#stream.stop("closed");
    this.#receipts.stop();
    await this.#keeper.flush();
  }

  async logOut() {
    await this.http.call("DELETE", "/v1/sessions/current");
    await this.close();
    await this.#wipe();
  }

  async #wipe() {
    for (const [key] of await this.#keeper.load()) this.#keeper.put(key, null);
    await this.#keeper.flush();
    this.#outbox.clear();
    for (const chatId of [...this.chats.keys()]) this.#chats.left(chatId);
    this.#isLoaded = this.#isListed = false;
    this.#owner = this.userId = null;
    this.deviceId = this.options.deviceId ?? null;
  }

  async #hello() {
    if (!this.#isLoaded) await this.#load();
    const token = await this.http.token();
    if (!this.deviceId && this.options.device) await this.#register(this.options.device);
    if (this.options.history !== "all" && !this.#isListed) {
      await this.#chats.loadAll();
      this.#isListed = true;
    }
    return {
      ...(token && { token }),
      ...(this.deviceId && { device_id: this.deviceId }),
      cursors: this.#chats.cursors(),
    };
  }

  async #load() {
    const kept = [...(await this.#keeper.load())];
    const [, own] = Keeper.ofKind("own", kept).find(([key]) => key === "") ?? [];
    this.#owner = own?.user ?? null;
    this.deviceId ??= own?.device ?? null;
    this.#outbox.load(Keeper.ofKind("out", kept));
    this.#receipts.load(Keeper.ofKind("read", kept));
    if (this.options.history === "all") this.#chats.load(Keeper.ofKind("cursor", kept));
    this.#isLoaded = true;
  }

  /** @param {{name: string, platform: string, push?: object}} device */
  async #register(device) {
    /** @type {import("./types").Device} */
    const made = await this.http.call("POST", "/v1/devices", device, { key: newId() });
    this.deviceId = made.id;
    this.#keepOwn();
  }

  #keepOwn() {
    this.#keeper.put("own/", { user: this.#owner, device: this.deviceId });
  }

  /** @param {{user_id: string, epoch: number}} ready */
  #ready(ready) {
    if (this.#owner && this.#owner !== ready.user_id) {
      // The store is somebody else's: nothing of it may be sent or shown.
      this.#stream.pause();
      void this.#wipe().then(() => this.#stream.hurry());
      return;
    }
    this.userId = ready.user_id;
    if (this.#owner !== ready.user_id) {
      this.#owner = ready.user_id;
      this.#keepOwn();
    }
    this.#chats.open(ready);
    this.#ephemera.open();
    this.#outbox.open((frame) => void this.#stream.send(frame));
  }

  #lost() {
    this.#chats.shut();
    this.#outbox.shut();
    this.#ephemera.shut();
  }

  /** @param {import("./types").ConnectionState} state @param {{reason?: import("./types").StopReason, retryInMs?: number}} detail */
  #becomes(state, detail) {
    if (state === "live") {
      this.#connecting?.resolve();
      this.#connecting = null;
      this.#receipts.again();
      this.#chats.refresh();
    }
    if (state === "stopped") {
      const reason = detail.reason ?? "closed";
      this.#connecting?.reject(new Stopped(reason));
      this.#connecting = null;
      this.#outbox.stop(reason);
    }
    this.#emit("state", { state, ...detail });
  }

  /** @param {any} frame */
  #frame(frame) {
    const { t, chat_id } = frame;
    if (t === "message") this.#chats.message(withoutKind(frame));
    else if (t === "ack") this.#outbox.acked(withoutKind(frame));
    else if (t === "receipt") this.#chats.receipts(chat_id, [frame]);
    else if (t === "receipts") this.#chats.marks(chat_id, frame.data);
    else if (t === "typing") this.#ephemera.typing(chat_id, frame.user_id);
    else if (t === "presence") this.#ephemera.isThere(frame);
    else if (t === "resync") this.#chats.resync(frame);
    else if (t === "left") this.#chats.left(chat_id);
    else if (t === "error") this.#refused(frame);
  }

  /** @param {{id?: number, problem: import("./types").ProblemBody}} frame */
  #refused({ id: number, problem }) {
    if (number !== undefined && this.#outbox.refused(number, problem)) return;
    // The device was deleted: the next stream is that of a new one.
    const isDevice = problem.errors?.some(({ field }) => field === "device_id");
    if (isDevice && !this.options.deviceId) this.deviceId = null;
    this.#emit("error", { problem });
  }

  /** @param {import("./types").Pending} pending @param {import("./types").Ack} ack */
  #sent(pending, ack) {
    this.#emit("sent", { pending, ack });
    const view = this.chats.get(pending.chatId);
    if (view && view.seq >= ack.seq) this.#outbox.passed(view.id, view.seq);
  }

  /* ---- Messages ---- */

  /** @param {string} chatId @param {{body?: string, mediaId?: string, replyTo?: string}} message */
  send(chatId, message) {
    this.#ephemera.wrote(chatId);
    return this.#outbox.add(chatId, message);
  }

  /** @param {string} clientId */
  acknowledged(clientId) {
    return this.#outbox.acknowledged(clientId);
  }
  /** @param {string} clientId */
  retry(clientId) {
    this.#outbox.retry(clientId);
  }
  /** @param {string} clientId */
  discard(clientId) {
    this.#outbox.discard(clientId);
  }

  /** @param {string} messageId @param {string} body @returns {Promise<import("./types").Entry>} */
  edit(messageId, body) {
    return this.http.call("PATCH", `/v1/messages/${id(messageId)}`, { body });
  }
  /** @param {string} messageId @returns {Promise<void>} */
  delete(messageId) {
    return this.http.call("DELETE", `/v1/messages/${id(messageId)}`);
  }
  /** @param {string} messageId @param {string} emoji @returns {Promise<import("./types").Entry>} */
  react(messageId, emoji) {
    return this.http.call("PUT", `/v1/messages/${id(messageId)}/reactions/${id(emoji)}`);
  }
  /** @param {string} messageId @param {string} emoji @returns {Promise<import("./types").Entry>} */
  unreact(messageId, emoji) {
    return this.http.call("DELETE", `/v1/messages/${id(messageId)}/reactions/${id(emoji)}`);
  }

  /** @param {string} chatId @param {number} [limit] */
  loadOlder(chatId, limit = PAGE) {
    return this.#chats.loadOlder(chatId, limit);
  }

  /** @param {string} chatId @param {number} [seq] */
  markRead(chatId, seq) {
    const view = this.chats.get(chatId);
    if (!view || view.seq < 0) return;
    const read = Math.min(seq ?? view.seq, view.seq);
    if (this.userId && view.raise({ user_id: this.userId, delivered_seq: read, read_seq: read })) {
      this.#note(chatId);
      this.#receipts.read(chatId, read);
    }
  }

  /** @param {string} chatId */
  typing(chatId) {
    this.#ephemera.type(chatId);
  }
  /** @param {string[]} userIds */
  watch(userIds) {
    this.#ephemera.watch(userIds);
  }

  /* ---- Chats and members ---- */

  loadChats() {
    return this.#chats.loadAll();
  }
  /** @param {string} chatId @returns {Promise<ChatView>} */
  loadChat(chatId) {
    return this.#chats.loadOne(chatId);
  }
  /** @param {object} body @returns {Promise<ChatView>} */
  async #create(body) {
    return this.#chats.take(await this.http.call("POST", "/v1/chats", body, { key: newId() }));
  }
  /** @param {string} userId */
  createDirect(userId) {
    return this.#create({ type: "direct", user_id: userId });
  }
  /** @param {string} title @param {string[]} memberIds */
  createGroup(title, memberIds) {
    return this.#create({ type: "group", title, member_ids: memberIds });
  }
  /** @param {string} chatId @param {string} title */
  async rename(chatId, title) {
    this.#chats.take(await this.http.call("PATCH", `/v1/chats/${id(chatId)}`, { title }));
  }
  /** @param {string} chatId @param {string} userId @param {import("./types").Role} [role] */
  async addMember(chatId, userId, role) {
    const body = { user_id: userId, ...(role && { role }) };
    this.#chats.take(await this.http.call("POST", `/v1/chats/${id(chatId)}/members`, body));
  }
  /** @param {string} chatId @param {string} userId @returns {Promise<void>} */
  removeMember(chatId, userId) {
    return this.http.call("DELETE", `/v1/chats/${id(chatId)}/members/${id(userId)}`);
  }
  /** @param {string} chatId */
  async leave(chatId) {
    if (!this.userId) throw new Stopped("closed");
    await this.removeMember(chatId, this.userId);
  }

  /* ---- The rest ---- */

  /** @param {string} query @param {string} [cursor] @returns {Promise<import("./types").List<import("./types").Entry>>} */
  search(query, cursor) {
    return this.http.call("GET", "/v1/messages/search", undefined, { query: { q: query, cursor } });
  }
  /** @param {string} userId @returns {Promise<void>} */
  block(userId) {
    return this.http.call("PUT", `/v1/blocks/${id(userId)}`);
  }
  /** @param {string} userId @returns {Promise<void>} */
  unblock(userId) {
    return this.http.call("DELETE", `/v1/blocks/${id(userId)}`);
  }
  /** @param {string} [cursor] @returns {Promise<import("./types").List<{user_id: string, created_at: string}>>} */
  blocks(cursor) {
    return this.http.call("GET", "/v1/blocks", undefined, { query: { cursor } });
  }
  /** @param {string} messageId @param {string} reason @returns {Promise<import("./types").Report>} */
  report(messageId, reason) {
    return this.http.call("POST", "/v1/reports", { message_id: messageId, reason });
  }
  /** @returns {Promise<import("./types").List<import("./types").Device>>} */
  devices() {
    return this.http.call("GET", "/v1/devices");
  }
  /** @param {string} deviceId @returns {Promise<void>} */
  deleteDevice(deviceId) {
    return this.http.call("DELETE", `/v1/devices/${id(deviceId)}`);
  }
  /** @param {Blob | Uint8Array} file @param {import("./types").UploadOptions} [options] */
  async uploadMedia(file, options = {}) {
    if (!this.options.uploader) throw new TypeError("there is no uploader: give one with the options");
    const headers = await this.http.headers();
    return this.options.uploader(file, { ...options, url: this.http.url, headers });
  }
}

/** @param {any} frame */
function withoutKind(frame) {
  const { t, ...rest } = frame;
  void t;
  return rest;
}
