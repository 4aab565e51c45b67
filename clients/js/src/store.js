// Where the client keeps what must outlive it.
/** @typedef {import("./types").Store} Store */

/** @implements {Store} */
export class MemoryStore {
  constructor() {
    /** @type {Map<string, string>} */
    this.map = new Map();
  }
  entries() {
    return [...this.map];
  }
  /** @param {string} key @param {string} value */
  set(key, value) {
    this.map.set(key, value);
  }
  /** @param {string} key */
  delete(key) {
    this.map.delete(key);
  }
}

/** In localStorage, below a prefix. Tabs may share it. @implements {Store} */
export class LocalStore {
  /** @param {string} prefix @param {Storage} [storage] */
  constructor(prefix, storage = globalThis.localStorage) {
    this.prefix = `${prefix}:`;
    this.storage = storage;
  }
  entries() {
    /** @type {[string, string][]} */
    const found = [];
    for (let i = 0; i < this.storage.length; i++) {
      const key = this.storage.key(i);
      if (!key?.startsWith(this.prefix)) continue;
      found.push([key.slice(this.prefix.length), this.storage.getItem(key) ?? ""]);
    }
    return found;
  }
  /** @param {string} key @param {string} value */
  set(key, value) {
    this.storage.setItem(this.prefix + key, value);
  }
  /** @param {string} key */
  delete(key) {
    this.storage.removeItem(this.prefix + key);
  }
}

/**
 * What the client knows of its store: read once, then written behind. Writes of one key are in order, and of writes that wait only
 * the last counts.
 */
export class Keeper {
  /** @param {import("./types").Store} store */
  constructor(store) {
    this.store = store;
    /** @type {Map<string, string | null>} */
    this.waiting = new Map();
    /** @type {Promise<void> | null} */
    this.writing = null;
  }

  /** @param {string} kind @param {Iterable<[string, string]>} entries @returns {[string, any][]} */
  static ofKind(kind, entries) {
    /** @type {[string, any][]} */
    const found = [];
    for (const [key, text] of entries) {
      if (!key.startsWith(`${kind}/`)) continue;
      try {
        found.push([key.slice(kind.length + 1), JSON.parse(text)]);
      } catch {
        // Not ours, or cut off: as if it were not there.
      }
    }
    return found;
  }

  /** @returns {Promise<Iterable<[string, string]>>} */
  async load() {
    return this.store.entries();
  }

  /** Keeps a value, or drops it (null). @param {string} key @param {unknown} value */
  put(key, value) {
    this.waiting.set(key, value === null ? null : JSON.stringify(value));
    this.writing ??= this.#write().finally(() => (this.writing = null));
  }

  async #write() {
    await null; // what happens in one turn is written once
    for (;;) {
      const [next] = this.waiting;
      if (!next) return;
      const [key, text] = next;
      this.waiting.delete(key);
      try {
        await (text === null ? this.store.delete(key) : this.store.set(key, text));
      } catch (error) {
        console.warn("foyer-chat: the store failed", error);
      }
    }
  }

  /** Resolves when all is written. */
  async flush() {
    while (this.writing) await this.writing;
  }
}
