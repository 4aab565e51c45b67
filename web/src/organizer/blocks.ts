// Blocking and unblocking many seats: a thousand a request, one after the other, and without those that somebody took
// meanwhile.
import { Problem } from "../api/client";
import { changeBlocks } from "./api";

const SEATS_MAX = 1000;

export interface BlockProgress {
  done: number;
  total: number;
  /** Seats that were held or booked when their turn came. */
  taken: string[];
}

function conflictsOf(error: unknown): string[] | null {
  if (!(error instanceof Problem) || error.type !== "seats-unavailable") return null;
  const { conflicts } = error.body;
  return Array.isArray(conflicts) ? (conflicts as string[]) : null;
}

/** Ends early when `signal` says so; what is done stays done. */
export async function changeMany(
  event: string,
  method: "POST" | "DELETE",
  seats: string[],
  onProgress: (progress: BlockProgress) => void,
  signal: AbortSignal,
): Promise<BlockProgress> {
  const progress: BlockProgress = { done: 0, total: seats.length, taken: [] };
  for (let at = 0; at < seats.length && !signal.aborted; at += SEATS_MAX) {
    let part = seats.slice(at, at + SEATS_MAX);
    while (part.length > 0) {
      try {
        await changeBlocks(event, method, part);
        break;
      } catch (error) {
        const taken = new Set(conflictsOf(error) ?? []);
        const rest = part.filter((seat) => !taken.has(seat));
        if (rest.length === part.length) throw error; // nothing was named: trying again can't help
        progress.taken.push(...part.filter((seat) => taken.has(seat)));
        part = rest;
      }
    }
    progress.done += part.length;
    onProgress({ ...progress });
  }
  return progress;
}
