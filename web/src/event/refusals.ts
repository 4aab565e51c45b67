// What a refused hold means for the person: where to go, or what to be told, in plain words.
import { Problem } from "../api/client";

export type Refusal =
  | { kind: "login" }
  /** The waiting room has closed its doors, or the admission is over. */
  | { kind: "queue" }
  | { kind: "challenge"; challenge: Record<string, unknown> }
  /** Somebody else has these places. */
  | { kind: "taken"; ids: string[] }
  /** Best available found no such seats; the largest group that there is. */
  | { kind: "no-group"; largest: number }
  | { kind: "notice"; notice: RefusalNotice }
  | { kind: "failure"; error: unknown };

export interface RefusalNotice {
  title: string;
  text: string;
  /** When trying again makes sense; null: not by waiting. */
  waitS: number | null;
  /** The way out leads over the person's bookings. */
  toBookings: boolean;
}

const list = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];

/** A pause after holds that ran out unpaid, or too many requests: the server says which. */
function pause(problem: Problem): RefusalNotice {
  return {
    title: "A short break",
    text: sentence(problem.detail),
    waitS: problem.retryAfterS ?? 1,
    toBookings: false,
  };
}

function overLimit(problem: Problem): RefusalNotice {
  const open = list(problem.body["bookings"]).length > 0;
  const said = problem.errors.map((item) => sentence(item.message)).join(" ");
  return {
    title: open ? "You are holding places already" : "That can’t be held",
    text: said === "" ? sentence(problem.detail) : said,
    waitS: null,
    toBookings: open,
  };
}

/** "must be at most 6" as a sentence of its own. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

export function readRefusal(error: unknown): Refusal {
  if (!(error instanceof Problem)) return { kind: "failure", error };
  const { status, type, body } = error;
  if (status === 401) return { kind: "login" };
  if (type === "waiting-room-required") return { kind: "queue" };
  if (type === "challenge-required") {
    const challenge = body["challenge"];
    return typeof challenge === "object" && challenge !== null
      ? { kind: "challenge", challenge: challenge as Record<string, unknown> }
      : { kind: "failure", error };
  }
  if (type === "seats-unavailable") {
    const largest = body["largest_group"];
    if (typeof largest === "number") return { kind: "no-group", largest };
    return { kind: "taken", ids: list(body["conflicts"]) };
  }
  if (status === 429) return { kind: "notice", notice: pause(error) };
  if (status === 422) return { kind: "notice", notice: overLimit(error) };
  return { kind: "failure", error };
}
