// Messages that are not acknowledged: kept in the store, sent in order, one of a chat at a time.
import { isPassing, Problem, Stopped } from "./errors.js";

/** @typedef {import("./types").Pending} Pending */
/** @typedef {import("./types").Ack} Ack */
/** @typedef {{-readonly [K in keyof Pending]: Pending[K]} & {order: number}} Item */

const UNDER_WAY_MAX = 32; // of 64 that the server takes
const PAUSE_MS = 1000; // where the server does not say how long

/** A name that nobody else will use; also where crypto.randomUUID() is missing, on pages without TLS. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Outbox {
  /** In order. @type {Map<string, Item>} */
  #items = new Map();
  /** By the number of the frame. @type {Map<number, Item>} */
  #underWay = new Map();
  /** @type {Map<string, {resolve: (ack: Ack) => void, reject: (error: Error) => void, promise: Promise<Ack>}>} */
  #waiters = new Map();
  #nextFrame = 1;
  #order = 0;
  /** @type {unknown} */
  #timer = null;
  /** @type {((frame: object) => void) | null} */
  #write = null;

  /**
   * @param {{
   *   keeper: import("./store.js").Keeper,
   *   clock: import("./types").Clock,
   *   onChange: (chatId: string) => void,
   *   onSent: (pending: Pending, ack: Ack) => void,
   *   onFailed: (pending: Pending, problem: import("./types").ProblemBody) => void,
   * }} host
   */
  constructor(host) {
    this.host = host;
  }

  /** What the store has was written before what was added since. @param {[string, any][]} kept */
  load(kept) {
    const added = this.#items;
    const items = kept.map(([, item]) => /** @type {Item} */ (item));
    const old = items.filter(({ clientId }) => !added.has(clientId));
    old.sort((a, b) => a.order - b.order);
    this.#items = new Map(old.map((item) => [item.clientId, item]));
    this.#order = old.at(-1)?.order ?? 0;
    for (const item of added.values()) {
      item.order = ++this.#order;
      this.#items.set(item.clientId, item);
      this.#keep(item);
    }
  }

  /** @param {string} chatId @returns {readonly Pending[]} */
  of(chatId) {
    return [...this.#items.values()].filter((item) => item.chatId === chatId);
  }

  get size() {
    return this.#items.size;
  }

  /** @param {string} chatId @param {{body?: string, mediaId?: string, replyTo?: string}} message @returns {Pending} */
  add(chatId, { body, mediaId, replyTo }) {
    /** @type {Item} */
    const item = {
      clientId: newId(),
      chatId,
      body: body ?? null,
      mediaId: mediaId ?? null,
      replyTo: replyTo ?? null,
      queuedAt: new Date(this.host.clock.now()).toISOString(),
      state: "waiting",
      seq: null,
      problem: null,
      order: ++this.#order,
    };
    this.#items.set(item.clientId, item);
    this.#keep(item);
    this.pump();
    return item;
  }

  /** @param {Item} item */
  #keep(item) {
    this.host.keeper.put(`out/${item.clientId}`, item.state === "sent" ? null : item);
    this.host.onChange(item.chatId);
  }

  /** @param {Item} item */
  #drop(item) {
    this.#items.delete(item.clientId);
    this.host.keeper.put(`out/${item.clientId}`, null);
    this.host.onChange(item.chatId);
  }

  /** @param {string} clientId @returns {Promise<Ack>} */
  acknowledged(clientId) {
    const known = this.#waiters.get(clientId);
    if (known) return known.promise;
    const item = this.#items.get(clientId);
    if (item?.problem) return Promise.reject(new Problem(item.problem));
    if (!item) return Promise.reject(new RangeError(`nothing is known of ${clientId}`));
    /** @type {any} */
    const waiter = {};
    waiter.promise = new Promise((resolve, reject) => Object.assign(waiter, { resolve, reject }));
    this.#waiters.set(clientId, waiter);
    return waiter.promise;
  }

  /** @param {string} clientId */
  retry(clientId) {
    const item = this.#items.get(clientId);
    if (item?.state !== "failed") return;
    item.state = "waiting";
    item.problem = null;
    this.#keep(item);
    this.pump();
  }

  /** @param {string} clientId */
  discard(clientId) {
    const item = this.#items.get(clientId);
    if (item?.state === "failed") this.#drop(item);
  }

  /** A stream is there. @param {(frame: object) => void} write */
  open(write) {
    this.#write = write;
    this.pump();
  }

  /** It is gone, and with it what its answers would have been. */
  shut() {
    this.#write = null;
    this.#underWay.clear();
    this.host.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** @param {import("./types").StopReason} reason */
  stop(reason) {
    for (const waiter of this.#waiters.values()) {
      waiter.promise.catch(() => {});
      waiter.reject(new Stopped(reason));
    }
    this.#waiters.clear();
  }

  /** Sends what may be sent now. */
  pump() {
    if (!this.#write || this.#timer !== null) return;
    const busy = new Set([...this.#underWay.values()].map(({ chatId }) => chatId));
    for (const item of this.#items.values()) {
      if (this.#underWay.size >= UNDER_WAY_MAX) return;
      if (item.state !== "waiting" || busy.has(item.chatId)) continue;
      busy.add(item.chatId);
      const id = this.#nextFrame++;
      this.#underWay.set(id, item);
      this.#write({
        t: "send",
        id,
        chat_id: item.chatId,
        client_id: item.clientId,
        ...(item.body !== null && { body: item.body }),
        ...(item.mediaId !== null && { media_id: item.mediaId }),
        ...(item.replyTo !== null && { reply_to: item.replyTo }),
      });
    }
  }

  /** @param {Ack & {id: number}} ack */
  acked({ id, ...ack }) {
    const item = this.#underWay.get(id);
    if (!item) return;
    this.#underWay.delete(id);
    this.#done(item, ack);
    this.pump();
  }

  /** @param {Item} item @param {Ack} ack */
  #done(item, ack) {
    if (item.state === "sent") return;
    item.state = "sent";
    item.seq = ack.seq;
    item.problem = null;
    this.#keep(item);
    this.#waiters.get(item.clientId)?.resolve(ack);
    this.#waiters.delete(item.clientId);
    this.host.onSent(item, ack);
  }

  /** False: it is about nothing that was sent. @param {number} id @param {import("./types").ProblemBody} problem */
  refused(id, problem) {
    const item = this.#underWay.get(id);
    if (!item) return false;
    this.#underWay.delete(id);
    if (isPassing(problem.status)) this.#pause(problem.retry_after_s);
    else this.#fail(item, problem);
    this.pump();
    return true;
  }

  /** @param {number | undefined} seconds */
  #pause(seconds) {
    if (this.#timer !== null) return;
    const ms = seconds && seconds > 0 ? seconds * 1000 : PAUSE_MS;
    this.#timer = this.host.clock.setTimeout(() => {
      this.#timer = null;
      this.pump();
    }, ms);
  }

  /** @param {Item} item @param {import("./types").ProblemBody} problem */
  #fail(item, problem) {
    item.state = "failed";
    item.problem = problem;
    this.#keep(item);
    this.#waiters.get(item.clientId)?.reject(new Problem(problem));
    this.#waiters.delete(item.clientId);
    this.host.onFailed(item, problem);
  }

  /** An own entry has come by the log: it is as good as its ack, which may have been lost. @param {import("./types").Entry} entry */
  arrived(entry) {
    const item = this.#items.get(entry.client_id ?? "");
    if (!item || item.chatId !== entry.chat_id) return;
    const { chat_id, seq, created_at } = entry;
    this.#done(item, { chat_id, client_id: item.clientId, message_id: entry.id, seq, created_at });
    this.#drop(item);
    this.pump();
  }

  /** What is acknowledged and can come no more as an entry: it is before where the view begins. @param {string} chatId @param {number} seq */
  passed(chatId, seq) {
    for (const item of this.of(chatId))
      if (item.state === "sent" && (item.seq ?? 0) <= seq) this.#drop(/** @type {Item} */ (item));
  }

  /** Somebody else has logged in. */
  clear() {
    this.shut();
    this.stop("closed");
    this.#items.clear();
  }

  /** The user is no longer in it: nothing can be sent, and nothing will come. @param {string} chatId */
  forget(chatId) {
    for (const item of this.of(chatId)) if (item.state === "sent") this.#drop(/** @type {Item} */ (item));
  }
}
