// The chats that a device follows: takes what the stream says, in order, and reads what is missing over HTTP.
import { isPassing, Problem, Unreachable } from "./errors.js";
import { View } from "./view.js";

/** @typedef {import("./types").Entry} Entry */
/** @typedef {import("./types").EntryPage} EntryPage */
/** @typedef {import("./types").Chat} Chat */

const PAGE = 200;
const RETRY_MS = 1000;
const REFRESHED_ONE_BY_ONE_MAX = 3;
const EMPTY_PAGES_MAX = 10; // of entries that are no messages, in one loadOlder()
/** Members and their names are not in the entry. */
const CHANGES_MEMBERS = new Set(["created", "added", "removed", "left", "role"]);

export class Chats {
  /** @type {Map<string, View>} */
  views = new Map();
  /** Up to where entries are being read over HTTP, by chat. @type {Map<string, number>} */
  #filling = new Map();
  /** Chats whose info is to be read. @type {Set<string>} */
  #stale = new Set();
  /** @type {Map<string, Promise<boolean>>} */
  #loading = new Map();
  /** Of the stream: what was begun for another is given up. */
  #stream = 0;
  #epoch = 0;

  /**
   * @param {{
   *   http: import("./http.js").Http,
   *   clock: import("./types").Clock,
   *   isFromNewest: boolean,
   *   me: () => string | null,
   *   isLive: () => boolean,
   *   outbox: import("./outbox.js").Outbox,
   *   receipts: import("./receipts.js").Receipts,
   *   ephemera: import("./ephemera.js").Ephemera,
   *   changed: (chatId: string) => void,
   *   emit: <K extends keyof import("./types").ChatEvents>(event: K, value: import("./types").ChatEvents[K]) => void,
   * }} host
   */
  constructor(host) {
    this.host = host;
  }

  /** @param {[string, [number, number]][]} kept */
  load(kept) {
    for (const [chatId, [epoch, seq]] of kept)
      if (!this.views.has(chatId)) this.#of(chatId).reset(epoch, seq);
  }

  /** @param {string} chatId @returns {View} */
  #of(chatId) {
    let view = this.views.get(chatId);
    if (!view) {
      const { me, outbox } = this.host;
      view = new View(chatId, { me, pending: (id) => outbox.of(id) });
      view.epoch = this.#epoch;
      this.views.set(chatId, view);
    }
    return view;
  }

  /** @param {string} chatId @returns {[number, number] | null} */
  cursor(chatId) {
    const view = this.views.get(chatId);
    return view && view.seq >= 0 ? [view.epoch, view.seq] : null;
  }

  cursors() {
    /** @type {Record<string, [number, number]>} */
    const cursors = {};
    for (const chatId of this.views.keys()) {
      const cursor = this.cursor(chatId);
      if (cursor) cursors[chatId] = cursor;
    }
    return cursors;
  }

  /** @param {{epoch: number}} ready */
  open({ epoch }) {
    this.#stream++;
    this.#epoch = epoch;
    for (const view of this.views.values())
      if (view.epoch !== epoch) this.host.receipts.forget(view.id);
  }

  shut() {
    this.#stream++;
  }

  /* ---- What the stream says ---- */

  /** @param {Entry} entry */
  message(entry) {
    const view = this.#of(entry.chat_id);
    const isFirst = view.seq < 0 || !view.info;
    const filled = this.#filling.get(view.id);
    if (filled !== undefined) this.#filling.set(view.id, Math.max(filled, entry.seq));
    else if (!this.#take(view, entry)) void this.#fill(view, entry.seq);
    if (isFirst) this.#toRefresh(view.id);
  }

  /** False: entries before it are missing. @param {View} view @param {Entry} entry */
  #take(view, entry) {
    const result = view.receive(entry);
    if (result !== "applied") return result === "known";
    const { host } = this;
    if (entry.sender_id === host.me()) host.outbox.arrived(entry);
    host.ephemera.ended(view.id, entry.sender_id);
    host.receipts.moved(view.id);
    if (entry.type === "system" && entry.body && typeof entry.body === "object")
      if (CHANGES_MEMBERS.has(entry.body.event)) this.#toRefresh(view.id);
    host.changed(view.id);
    host.emit("entry", { chatId: view.id, entry });
    return true;
  }

  /** Reads what lies between the cursor and `wanted`. @param {View} view @param {number} wanted */
  async #fill(view, wanted) {
    const stream = this.#stream;
    const isOurs = () => stream === this.#stream && this.views.get(view.id) === view;
    this.#filling.set(view.id, wanted);
    while (isOurs() && view.seq < (this.#filling.get(view.id) ?? 0)) {
      const page = await this.#page(view.id, { after: view.seq });
      if (page === "gone") break;
      if (!isOurs()) break;
      if (page === "later") {
        await new Promise((resolve) => this.host.clock.setTimeout(() => resolve(null), RETRY_MS));
        continue;
      }
      const { epoch, first_seq, last_seq } = page;
      if (epoch !== view.epoch) this.#begin(view, epoch, first_seq, last_seq, "epoch");
      else if (first_seq > view.seq + 1) this.#begin(view, epoch, first_seq, last_seq, "expired");
      for (const entry of page.data) this.#take(view, entry);
      if (page.data.length === 0) break;
    }
    this.#filling.delete(view.id);
  }

  /** @param {string} chatId @param {{after?: number, before?: number, limit?: number}} query @returns {Promise<EntryPage | "gone" | "later">} */
  async #page(chatId, query) {
    try {
      const path = `/v1/chats/${encodeURIComponent(chatId)}/messages`;
      return await this.host.http.call("GET", path, undefined, { query: { limit: PAGE, ...query } });
    } catch (error) {
      const isLater =
        error instanceof Unreachable || (error instanceof Problem && isPassing(error.status));
      return isLater ? "later" : "gone";
    }
  }

  /** @param {{chat_id: string, epoch: number, first_seq: number, last_seq: number, reason: "expired" | "epoch"}} frame */
  resync({ chat_id, epoch, first_seq, last_seq, reason }) {
    this.#begin(this.#of(chat_id), epoch, first_seq, last_seq, reason);
  }

  /**
   * @param {View} view
   * @param {number} epoch
   * @param {number} firstSeq
   * @param {number} lastSeq
   * @param {"expired" | "epoch"} reason
   */
  #begin(view, epoch, firstSeq, lastSeq, reason) {
    if (reason === "epoch") this.host.receipts.forget(view.id);
    view.reset(epoch, firstSeq - 1);
    view.hasOlder = false;
    this.host.receipts.moved(view.id);
    this.host.outbox.passed(view.id, firstSeq - 1);
    this.host.changed(view.id);
    this.host.emit("resync", { chatId: view.id, reason, firstSeq, lastSeq });
    if (view.info) this.#toRefresh(view.id);
  }

  /** @param {string} chatId */
  left(chatId) {
    this.host.outbox.forget(chatId);
    this.host.receipts.forget(chatId);
    this.#stale.delete(chatId);
    if (!this.views.delete(chatId)) return;
    this.host.changed(chatId);
    this.host.emit("left", { chatId });
  }

  /** Where all members are, at the end of catching up. @param {string} chatId @param {import("./types").Receipt[]} data */
  marks(chatId, data) {
    if (!this.#of(chatId).info) this.#toRefresh(chatId);
    this.receipts(chatId, data);
  }

  /** @param {string} chatId @param {import("./types").Receipt[]} data */
  receipts(chatId, data) {
    const view = this.views.get(chatId);
    if (!view) return;
    for (const receipt of data) {
      if (receipt.user_id === this.host.me()) this.host.receipts.confirmed(chatId, receipt);
      if (!view.raise(receipt)) continue;
      const risen = view.receipts.get(receipt.user_id);
      if (risen) this.host.emit("receipt", { chatId, receipt: risen });
      if (receipt.user_id === this.host.me() && !view.isUnreadKnown) this.#toRefresh(chatId);
    }
    this.host.changed(chatId);
  }

  /** @param {string} chatId @param {string} userId @param {boolean} isTyping */
  typing(chatId, userId, isTyping) {
    const view = this.views.get(chatId);
    if (!view) return;
    if (isTyping) view.typing.add(userId);
    else view.typing.delete(userId);
    view.version++;
    this.host.changed(chatId);
    this.host.emit("typing", { chatId, userId, isTyping });
  }

  /* ---- What is read over HTTP ---- */

  /** @param {string} chatId */
  #toRefresh(chatId) {
    this.#stale.add(chatId);
    if (this.host.isLive()) this.refresh();
  }

  /** Reads the chats anew that are not what they were. */
  refresh() {
    const stale = [...this.#stale];
    this.#stale.clear();
    const reading =
      stale.length > REFRESHED_ONE_BY_ONE_MAX
        ? this.loadAll()
        : Promise.all(stale.filter((id) => this.views.has(id)).map((id) => this.loadOne(id)));
    reading.catch(() => {}); // it shows what it has: the next entry of that kind asks again
  }

  /** @param {Chat} info */
  take(info) {
    const view = this.#of(info.id);
    if (view.seq < 0 && (this.host.isFromNewest || info.last_seq === 0))
      view.reset(info.epoch, info.last_seq);
    view.setInfo(info);
    this.host.changed(info.id);
    return view;
  }

  async loadAll() {
    /** @type {string | null | undefined} */
    let cursor;
    do {
      /** @type {import("./types").List<Chat>} */
      const page = await this.host.http.call("GET", "/v1/chats", undefined, {
        query: { limit: PAGE, cursor: cursor ?? undefined },
      });
      for (const info of page.data) this.take(info);
      cursor = page.next_cursor;
    } while (cursor);
  }

  /** @param {string} chatId */
  async loadOne(chatId) {
    const path = `/v1/chats/${encodeURIComponent(chatId)}`;
    return this.take(await this.host.http.call("GET", path));
  }

  /** @param {string} chatId @param {number} limit @returns {Promise<boolean>} */
  loadOlder(chatId, limit) {
    const known = this.#loading.get(chatId);
    if (known) return known;
    const loading = this.#loadOlder(chatId, limit).finally(() => this.#loading.delete(chatId));
    this.#loading.set(chatId, loading);
    return loading;
  }

  /** @param {string} chatId @param {number} limit */
  async #loadOlder(chatId, limit) {
    const view = this.views.get(chatId);
    if (!view || view.seq < 0) return false;
    const count = view.messages.length;
    for (let i = 0; i < EMPTY_PAGES_MAX && view.hasOlder && view.messages.length === count; i++) {
      if (view.firstSeq <= 1) view.hasOlder = false;
      else {
        const path = `/v1/chats/${encodeURIComponent(chatId)}/messages`;
        /** @type {EntryPage} */
        const page = await this.host.http.call("GET", path, undefined, {
          query: { before: view.firstSeq, limit },
        });
        if (!view.prepend(page)) return view.hasOlder; // it has begun anew meanwhile
      }
      this.host.changed(chatId);
    }
    return view.hasOlder;
  }
}
