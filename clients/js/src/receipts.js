// What is to be said about what has arrived and what was read. It is gathered, said when cursors are safe in the store, and kept
// until the server is known to have it.

const GATHER_MS = 200;

/** @typedef {{delivered: number, read: number, isNew: boolean}} Marks */

export class Receipts {
  /** @type {Map<string, Marks>} */
  #said = new Map();
  /** @type {Set<string>} */
  #moved = new Set();
  /** @type {unknown} */
  #timer = null;

  /**
   * @param {{
   *   keeper: import("./store.js").Keeper,
   *   clock: import("./types").Clock,
   *   keepsCursors: boolean,
   *   sendsDelivered: boolean,
   *   cursor: (chatId: string) => [number, number] | null,
   *   send: (frame: object) => boolean,
   * }} host
   */
  constructor(host) {
    this.host = host;
  }

  /** @param {[string, {read: number}][]} kept */
  load(kept) {
    for (const [chatId, { read }] of kept) this.#of(chatId).read = read;
  }

  /** @param {string} chatId @returns {Marks} */
  #of(chatId) {
    let marks = this.#said.get(chatId);
    if (!marks) this.#said.set(chatId, (marks = { delivered: 0, read: 0, isNew: true }));
    return marks;
  }

  /** The chat's cursor has moved. @param {string} chatId */
  moved(chatId) {
    this.#moved.add(chatId);
    this.#wake();
  }

  /** @param {string} chatId @param {number} seq */
  read(chatId, seq) {
    const marks = this.#of(chatId);
    if (seq <= marks.read) return;
    marks.read = seq;
    marks.isNew = true;
    this.host.keeper.put(`read/${chatId}`, { read: seq });
    this.#wake();
  }

  #wake() {
    this.#timer ??= this.host.clock.setTimeout(() => void this.flush(), GATHER_MS);
  }

  /** Writes cursors, and says what they stand for once they are written. */
  async flush() {
    this.host.clock.clearTimeout(this.#timer);
    this.#timer = null;
    const moved = [...this.#moved];
    this.#moved.clear();
    /** @type {[string, number][]} */
    const arrived = [];
    for (const chatId of moved) {
      const cursor = this.host.cursor(chatId);
      if (!cursor) continue;
      arrived.push([chatId, cursor[1]]);
      if (this.host.keepsCursors) this.host.keeper.put(`cursor/${chatId}`, cursor);
    }
    if (arrived.length > 0 && this.host.keepsCursors) await this.host.keeper.flush();
    for (const [chatId, seq] of arrived) if (this.host.sendsDelivered) this.#arrived(chatId, seq);
    this.#say();
  }

  /** @param {string} chatId @param {number} seq */
  #arrived(chatId, seq) {
    // The chat may have been left, or begun anew, meanwhile.
    if (seq > (this.host.cursor(chatId)?.[1] ?? -1)) return;
    const marks = this.#of(chatId);
    if (seq <= marks.delivered) return;
    marks.delivered = seq;
    marks.isNew = true;
  }

  #say() {
    for (const [chatId, marks] of this.#said) {
      const { delivered, read, isNew } = marks;
      if (!isNew || (delivered === 0 && read === 0)) continue;
      const isSent = this.host.send({
        t: "receipt",
        chat_id: chatId,
        ...(delivered > 0 && { delivered_seq: delivered }),
        ...(read > 0 && { read_seq: read }),
      });
      if (!isSent) return;
      marks.isNew = false;
    }
  }

  /** Where the server has this user: what is there need not be said again. @param {string} chatId @param {import("./types").Receipt} receipt */
  confirmed(chatId, receipt) {
    const marks = this.#said.get(chatId);
    const read = receipt.read_seq ?? 0;
    const delivered = Math.max(receipt.delivered_seq ?? 0, read);
    if (!marks || read < marks.read || delivered < marks.delivered) return;
    this.#said.delete(chatId);
    if (marks.read > 0) this.host.keeper.put(`read/${chatId}`, null);
  }

  /** A new stream is caught up: what the server has not got is said again. */
  again() {
    for (const marks of this.#said.values()) marks.isNew = true;
    this.#wake();
  }

  /** Nothing that was said of the chat is true any more. @param {string} chatId */
  forget(chatId) {
    this.#moved.delete(chatId);
    this.#said.delete(chatId);
    this.host.keeper.put(`read/${chatId}`, null);
    if (this.host.keepsCursors) this.host.keeper.put(`cursor/${chatId}`, null);
  }

  stop() {
    this.host.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
