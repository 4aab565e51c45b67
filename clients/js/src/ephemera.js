// Who is writing, and who is there: nothing of it is kept, and all of it may be lost.

const SAY_EVERY_MS = 3000;
const TYPING_MS = 5000;
const WATCHED_MAX = 100;

export class Ephemera {
  /** @type {Map<string, import("./types").Presence>} */
  presence = new Map();
  /** @type {string[]} */
  #watched = [];
  /** When it was said last, by chat. @type {Map<string, number>} */
  #saidAt = new Map();
  /** By chat and user. @type {Map<string, unknown>} */
  #timers = new Map();

  /**
   * @param {{
   *   clock: import("./types").Clock,
   *   send: (frame: object) => boolean,
   *   onTyping: (chatId: string, userId: string, isTyping: boolean) => void,
   *   onPresence: (presence: import("./types").Presence) => void,
   * }} host
   */
  constructor(host) {
    this.host = host;
  }

  /** @param {string} chatId */
  type(chatId) {
    const now = this.host.clock.now();
    if (now - (this.#saidAt.get(chatId) ?? -Infinity) < SAY_EVERY_MS) return;
    if (this.host.send({ t: "typing", chat_id: chatId })) this.#saidAt.set(chatId, now);
  }

  /** The message is sent: the next one is written anew. @param {string} chatId */
  wrote(chatId) {
    this.#saidAt.delete(chatId);
  }

  /** @param {string} chatId @param {string} userId */
  typing(chatId, userId) {
    const key = `${chatId} ${userId}`;
    const isNew = !this.#timers.has(key);
    this.host.clock.clearTimeout(this.#timers.get(key));
    const end = () => this.ended(chatId, userId);
    this.#timers.set(key, this.host.clock.setTimeout(end, TYPING_MS));
    if (isNew) this.host.onTyping(chatId, userId, true);
  }

  /** @param {string} chatId @param {string} userId */
  ended(chatId, userId) {
    const key = `${chatId} ${userId}`;
    if (!this.#timers.has(key)) return;
    this.host.clock.clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    this.host.onTyping(chatId, userId, false);
  }

  /** @param {string[]} userIds */
  watch(userIds) {
    const wanted = [...new Set(userIds)];
    if (wanted.length > WATCHED_MAX) throw new RangeError(`at most ${WATCHED_MAX} can be watched`);
    this.#watched = wanted;
    for (const id of this.presence.keys()) if (!wanted.includes(id)) this.presence.delete(id);
    this.host.send({ t: "watch", user_ids: wanted });
  }

  /** @param {import("./types").Presence} presence */
  isThere({ user_id, online, last_seen_at }) {
    const presence = { user_id, online, last_seen_at: last_seen_at ?? null };
    this.presence.set(user_id, presence);
    this.host.onPresence(presence);
  }

  open() {
    if (this.#watched.length > 0) this.host.send({ t: "watch", user_ids: this.#watched });
  }

  /** Without a stream nobody is known to be there, or to write. */
  shut() {
    this.#saidAt.clear();
    this.presence.clear();
    for (const key of [...this.#timers.keys()]) {
      const [chatId = "", userId = ""] = key.split(" ");
      this.ended(chatId, userId);
    }
  }
}
