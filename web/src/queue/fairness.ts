// Recomputes the draw of a waiting room from what is public: the same few lines that anybody could write (docs/design/
// onsale.md, "Place"). seed and hashes are 64 hex digits; the list is the bytes that the server sent.
import type { Fairness } from "./types";

export const ALGORITHM = "foyer-queue-1";
/** So many ranks are computed at a time, so that the page stays alive. */
const BATCH = 2000;

export interface Draw {
  /** The seed is the one that was promised. */
  isSeedPromised: boolean;
  /** The list is the one that was mixed in. */
  isListSame: boolean;
  /** What the list's hash is. */
  listHash: string;
  count: number;
  /** As many as were announced, each once, in the order of ids. */
  isListWellFormed: boolean;
  /** Places from 1 on, by id. */
  places: ReadonlyMap<string, number>;
}

const encoder = new TextEncoder();

export function fromHex(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^([0-9a-f]{2})*$/i.test(text)) return null;
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** The ids, one a line with a newline behind each; null: it is no such text. */
export function idsOf(list: Uint8Array): string[] | null {
  const text = new TextDecoder().decode(list);
  if (text === "") return [];
  if (!text.endsWith("\n")) return null;
  return text.slice(0, -1).split("\n");
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

async function ranked(
  ids: readonly string[],
  keyBytes: Uint8Array<ArrayBuffer>,
  onProgress: (share: number) => void,
): Promise<Map<string, number>> {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", keyBytes, hmac, false, ["sign"]);
  const ranks: { id: string; rank: Uint8Array }[] = [];
  for (let first = 0; first < ids.length; first += BATCH) {
    const part = ids.slice(first, first + BATCH);
    const signed = part.map((id) => crypto.subtle.sign("HMAC", key, encoder.encode(id)));
    for (const [i, rank] of (await Promise.all(signed)).entries())
      ranks.push({ id: part[i]!, rank: new Uint8Array(rank) });
    onProgress(Math.min(1, (first + BATCH) / ids.length));
  }
  ranks.sort((a, b) => compareBytes(a.rank, b.rank));
  return new Map(ranks.map(({ id }, index) => [id, index + 1]));
}

/** Throws when there is nothing to recompute yet, or what was published can't be read. */
export async function recompute(
  fairness: Fairness,
  list: Uint8Array<ArrayBuffer>,
  onProgress: (share: number) => void = () => {},
): Promise<Draw> {
  const seed = fromHex(fairness.revealed_seed ?? "");
  const published = fromHex(fairness.entries_hash ?? "");
  if (!seed?.length || !published?.length) throw new Error("The seed is not revealed yet.");
  const hash = await sha256(list);
  const ids = idsOf(list);
  const isListWellFormed =
    ids !== null &&
    ids.length === fairness.entry_count &&
    new Set(ids).size === ids.length &&
    !ids.includes("");
  // The order is that of the published hash; another list has no place in it.
  const mixed = new Uint8Array(seed.length + published.length);
  mixed.set(seed);
  mixed.set(published, seed.length);
  return {
    isSeedPromised: toHex(await sha256(seed)) === fairness.commitment.toLowerCase(),
    isListSame: toHex(hash) === toHex(published),
    listHash: toHex(hash),
    count: ids?.length ?? 0,
    isListWellFormed,
    places: await ranked(ids ?? [], await sha256(mixed), onProgress),
  };
}
