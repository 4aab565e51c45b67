// What a device holds of one chat: a part of its log without gaps, with edits, deletes and reactions applied.
/** @typedef {import("./types").ChatView} ChatView */
/** @typedef {import("./types").Entry} Entry */
/** @typedef {import("./types").Message} Message */
/** @typedef {import("./types").Receipt} Receipt */

/** @param {Entry} entry */
export const isMessage = (entry) =>
  entry.type === "text" || entry.type === "media" || entry.type === "system";

/** @param {Entry} entry */
const countsAsUnread = (entry) => entry.type === "text" || entry.type === "media";

/**
 * The reactions after one more or one less.
 * @param {readonly import("./types").Reaction[]} reactions
 * @param {string} emoji
 * @param {boolean} isAdded
 * @param {boolean} isMine
 */
function reacted(reactions, emoji, isAdded, isMine) {
  const change = isAdded ? 1 : -1;
  const found = reactions.find((reaction) => reaction.emoji === emoji);
  const changed = {
    emoji,
    count: (found?.count ?? 0) + change,
    mine: isMine ? isAdded : (found?.mine ?? false),
  };
  if (!found) return isAdded ? [...reactions, changed] : [...reactions];
  return reactions
    .map((reaction) => (reaction === found ? changed : reaction))
    .filter(({ count }) => count > 0);
}

/** @implements {ChatView} */
export class View {
  /** @type {import("./types").Chat | null} */
  info = null;
  /** @type {Message[]} */
  messages = [];
  /** @type {Map<string, Receipt>} */
  receipts = new Map();
  /** @type {Set<string>} */
  typing = new Set();
  epoch = 0;
  /** All up to here is known; -1: nothing is, and the first entry that comes is the beginning. */
  seq = -1;
  firstSeq = 0;
  hasOlder = true;
  version = 0;
  /** By id; asOf: the entries up to this one are in it already. @type {Map<string, {message: Message, asOf: number}>} */
  #records = new Map();
  #infoSeq = 0;
  #infoRead = 0;
  #outbox;
  #me;

  /**
   * @param {string} id
   * @param {{me: () => string | null, pending: (chatId: string) => readonly import("./types").Pending[]}} client
   */
  constructor(id, client) {
    this.id = id;
    this.#me = client.me;
    this.#outbox = client.pending;
  }

  get pending() {
    return this.#outbox(this.id);
  }

  /** Nothing is held any more; what follows begins behind `seq`. @param {number} epoch @param {number} seq */
  reset(epoch, seq) {
    this.epoch = epoch;
    this.seq = seq;
    this.firstSeq = seq + 1;
    this.hasOlder = true;
    this.messages = [];
    this.#records.clear();
    this.version++;
  }

  /** @param {import("./types").Chat} info */
  setInfo(info) {
    this.info = info;
    this.#infoSeq = info.last_seq;
    this.#infoRead = info.read_seq;
    const me = this.#me();
    if (me) this.raise({ user_id: me, delivered_seq: info.delivered_seq, read_seq: info.read_seq });
    this.version++;
  }

  /**
   * Takes the next entry of the log. "known": it has been here; "gap": some before it are missing, and nothing was done.
   * @param {Entry} entry
   * @returns {"applied" | "known" | "gap"}
   */
  receive(entry) {
    if (this.seq < 0) {
      this.seq = entry.seq - 1;
      this.firstSeq = entry.seq;
    }
    if (entry.seq <= this.seq) return "known";
    if (entry.seq > this.seq + 1) return "gap";
    this.seq = entry.seq;
    this.#apply(entry);
    this.version++;
    return "applied";
  }

  /** @param {Entry} entry */
  #apply(entry) {
    if (isMessage(entry)) {
      // It may have been read after some of what follows: that will come as entries of its own.
      const message = { ...entry, reactions: [] };
      this.messages.push(message);
      this.#records.set(entry.id, { message, asOf: entry.seq });
      if (entry.sender_id === this.#me()) this.raise(marksOf(entry));
      this.#noteInInfo(entry);
    } else this.#change(entry);
    if (this.info && this.info.last_seq < entry.seq) this.info = { ...this.info, last_seq: entry.seq };
  }

  /** @param {Entry} entry */
  #noteInInfo(entry) {
    if (!this.info || entry.seq <= this.#infoSeq) return;
    this.info = { ...this.info, last_message: entry };
    if (entry.type !== "system" || typeof entry.body !== "object") return;
    if (entry.body?.event === "renamed") this.info.title = entry.body.title ?? null;
  }

  /** An edit, delete or reaction: what it is about becomes another object. @param {Entry} entry */
  #change(entry) {
    const record = this.#records.get(entry.target ?? "");
    if (!record || entry.seq <= record.asOf) return;
    const { message } = record;
    const at = this.#find(message.seq);
    if (at < 0) return;
    record.asOf = entry.seq;
    record.message = this.messages[at] = this.#changed(message, entry);
    if (this.info?.last_message?.id === message.id)
      this.info = { ...this.info, last_message: record.message };
  }

  /** @param {Message} message @param {Entry} entry @returns {Message} */
  #changed(message, entry) {
    if (entry.type === "edit") return { ...message, body: entry.body, edited_at: entry.created_at };
    if (entry.type === "delete")
      return { ...message, body: null, media: null, reactions: [], deleted_at: entry.created_at };
    // Of a deleted message's reactions the emoji may be gone, too.
    if (entry.type !== "reaction" || typeof entry.body !== "string") return message;
    const isMine = entry.sender_id === this.#me();
    return { ...message, reactions: reacted(message.reactions, entry.body, !entry.removed, isMine) };
  }

  /** @param {number} seq */
  #find(seq) {
    let low = 0;
    let high = this.messages.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = this.messages[middle]?.seq ?? 0;
      if (found === seq) return middle;
      if (found < seq) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** A page that ends right before firstSeq. False: it does not belong here. @param {import("./types").EntryPage} page */
  prepend(page) {
    if (page.epoch !== this.epoch) return false;
    const last = page.data.at(-1);
    if (last && last.seq !== this.firstSeq - 1) return false;
    const older = page.data.filter(isMessage).map((entry) => ({ reactions: [], ...entry }));
    for (const message of older) this.#records.set(message.id, { message, asOf: page.last_seq });
    this.messages.unshift(...older);
    this.firstSeq = page.data[0]?.seq ?? this.firstSeq;
    this.hasOlder = page.data.length > 0 && this.firstSeq > page.first_seq;
    this.version++;
    return true;
  }

  /** Watermarks only rise. True: they did. @param {Receipt} receipt */
  raise(receipt) {
    const old = this.receipts.get(receipt.user_id) ?? { delivered_seq: 0, read_seq: 0 };
    const read = Math.max(old.read_seq, receipt.read_seq ?? 0);
    const delivered = Math.max(old.delivered_seq, receipt.delivered_seq ?? 0, read);
    if (read === old.read_seq && delivered === old.delivered_seq) return false;
    const { user_id } = receipt;
    this.receipts.set(user_id, { user_id, delivered_seq: delivered, read_seq: read });
    this.version++;
    return true;
  }

  get readSeq() {
    return this.receipts.get(this.#me() ?? "")?.read_seq ?? 0;
  }

  /** Whether `unread` can be told from what is here; else the chat must be read anew. */
  get isUnreadKnown() {
    return this.firstSeq <= this.readSeq + 1 || !this.info || this.readSeq === this.#infoRead;
  }

  get unread() {
    const me = this.#me();
    const isWhole = this.firstSeq <= this.readSeq + 1;
    const from = isWhole || !this.info ? this.readSeq : Math.max(this.readSeq, this.#infoSeq);
    const base = !isWhole && this.info && this.readSeq === this.#infoRead ? this.info.unread : 0;
    let count = 0;
    for (let i = this.messages.length - 1; i >= 0; i--) {
      const message = this.messages[i];
      if (!message || message.seq <= from) break;
      if (countsAsUnread(message) && message.sender_id !== me) count++;
    }
    return base + count;
  }
}

/** Who writes has read all before it. @param {Entry} entry @returns {Receipt} */
const marksOf = ({ sender_id, seq }) => ({ user_id: sender_id, delivered_seq: seq, read_seq: seq });
