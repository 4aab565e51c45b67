// The waiting room as the API tells it.
export type EntryState = "pre" | "waiting" | "admitted" | "done" | "left" | "lapsed";
export type RoomState = "off" | "closed" | "pre" | "open" | "over";

export interface QueueEntry {
  id: string;
  event_id: string;
  state: EntryState;
  position: number | null;
  ahead: number | null;
  eta_seconds: number | null;
  poll_after_ms: number;
  sale_at: string;
  token: string | null;
  token_expires_at: string | null;
  admitted_until: string | null;
}

export interface Room {
  state: RoomState;
  /** When somebody without a place asks again; null: never. A node of the version before does not say it. */
  poll_after_ms?: number | null;
  opens_at: string | null;
  sale_at: string | null;
  waiting: number;
  admitted: number;
  entry: QueueEntry | null;
}

export interface Fairness {
  algorithm: string;
  commitment: string;
  entries_hash: string | null;
  entry_count: number | null;
  revealed_seed: string | null;
  closed_at: string | null;
}

/** An entry whose turn has not come or is not over. */
export const isEntryOpen = (entry: QueueEntry | null): entry is QueueEntry =>
  entry !== null && ["pre", "waiting", "admitted"].includes(entry.state);
