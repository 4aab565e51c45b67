// What a refused hold means for the person: where to go, or what to be told, in plain words.
import { Problem } from "../api/client";
import { formatRemaining } from "../lib/countdown";

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

/** A pause after holds that ran out unpaid, or too many requests. */
function pause(problem: Problem): RefusalNotice {
  const waitS = problem.retryAfterS ?? 1;
  const isCoolDown = problem.type !== "rate-limited";
  const time = formatRemaining(waitS * 1000);
  return {
    title: isCoolDown ? "A short break" : "Too fast",
    text: isCoolDown
      ? `Several of your holds for this event ended without being paid, so that others could not have those places meanwhile. You can hold places again in ${time} min.`
      : `There were many requests from you in a short time. Please try again in ${waitS < 60 ? `${Math.ceil(waitS)} s` : `${time} min`}.`,
    waitS,
    toBookings: false,
  };
}

const LIMITS: Record<string, { title: string; why: string; toBookings: boolean }> = {
  open_holds: {
    title: "You are holding places already",
    why: "Pay for them or give them back, then you can hold others.",
    toBookings: true,
  },
  account: {
    title: "That is your share of this event",
    why: "Places that you hold or have bought count. Places that you give back don’t.",
    toBookings: true,
  },
  device: {
    title: "Enough from this device",
    why: "So that everybody gets a chance, one device can’t have more places of this event, whichever account is used.",
    toBookings: true,
  },
  network: {
    title: "Enough from this network",
    why: "Many places of this event were taken by people on your network. From another network, such as your phone’s own, you can still buy.",
    toBookings: false,
  },
  cluster: {
    title: "Enough for this group",
    why: "Accounts that share a device, a card or a crowded network count as one, so that nobody buys the share of many.",
    toBookings: false,
  },
  card: {
    title: "Enough on this card",
    why: "This card has paid for as many places of this event as one card may.",
    toBookings: false,
  },
};

/** Which of the limits it was: the server names it, or the field does. */
function limitOf(problem: Problem): string | null {
  const named = [problem.body["limit"], problem.body["scope"], ...problem.errors.map((e) => e.field)];
  for (const name of named) {
    if (typeof name !== "string") continue;
    const found = Object.keys(LIMITS).find((key) => name === key || name === `per_${key}`);
    if (found) return found;
  }
  return null;
}

function overLimit(problem: Problem): RefusalNotice {
  const said = problem.errors.map((item) => sentence(item.message)).join(" ");
  const limit = LIMITS[limitOf(problem) ?? ""];
  if (!limit)
    return {
      title: "That can’t be held",
      text: said === "" ? problem.detail : said,
      waitS: null,
      toBookings: false,
    };
  return { title: limit.title, text: limit.why, waitS: null, toBookings: limit.toBookings };
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
