// What the waiting room says, in words: one phase of it at a time, and what is read aloud and when.
import { isEntryOpen, type QueueEntry, type Room } from "./types";

export type Phase =
  /** There is no room: everybody may choose. */
  | "none"
  /** The room opens later. */
  | "closed"
  /** One may come in. */
  | "door"
  | "pre"
  | "waiting"
  | "admitted"
  | "done"
  | "left"
  | "lapsed"
  | "over";

/** Where the person stands. How their place ended is told once; after that there is a door again. */
export function phaseOf(room: Room | null, entry: QueueEntry | null): Phase {
  const at = entry?.state ?? null;
  if (isEntryOpen(entry)) return entry.state;
  if (!room || room.state === "off") return "none";
  if (room.state === "over") return "over";
  if (at) return at;
  return room.state === "closed" ? "closed" : "door";
}

export const count = (value: number): string => value.toLocaleString("en");

export function aheadText(ahead: number): string {
  if (ahead === 0) return "Nobody is ahead of you: you are next.";
  return ahead === 1 ? "1 person is ahead of you." : `${count(ahead)} people are ahead of you.`;
}

/** "about 4 minutes": no more exact than anybody can know. */
export function etaText(seconds: number | null): string | null {
  if (seconds === null) return null;
  if (seconds < 45) return "less than a minute";
  if (seconds < 90) return "about a minute";
  const minutes = seconds / 60;
  if (minutes < 20) return `about ${Math.round(minutes)} minutes`;
  if (minutes < 55) return `about ${Math.round(minutes / 5) * 5} minutes`;
  const halves = Math.round(minutes / 30) / 2;
  if (halves === 1) return "about an hour";
  const whole = Math.floor(halves);
  return `about ${halves === whole ? whole : `${whole}½`} hours`;
}

/** For the tab: what one wants to know without opening it. */
export function titleOf(phase: Phase, entry: QueueEntry | null, name: string): string {
  if (phase === "admitted") return `It’s your turn · ${name}`;
  if (phase === "lapsed") return `Your turn is over · ${name}`;
  if (phase === "waiting" && entry?.ahead != null)
    return `${entry.ahead === 0 ? "You are next" : `${count(entry.ahead)} ahead`} · ${name}`;
  if (phase === "pre") return `Waiting room · ${name}`;
  return name;
}

const MARKS = [1000, 500, 200, 100, 50, 20, 10, 5, 3, 2, 1, 0];
const SPEAK_EVERY_MS = 120_000;

/** What was read aloud last. */
export interface Spoken {
  phase: Phase;
  ahead: number | null;
  atMs: number;
}

const mark = (ahead: number): number => MARKS.findIndex((m) => ahead >= m);

/**
 * True when the place should be read aloud: at each change of phase, when a round number is passed, and otherwise every
 * two minutes if it has moved. A figure that ticks would drown everything else.
 */
export function shouldSpeak(last: Spoken | null, now: Spoken): boolean {
  if (!last || last.phase !== now.phase) return true;
  if (now.ahead === null || now.ahead === last.ahead) return false;
  if (last.ahead === null || mark(now.ahead) !== mark(last.ahead)) return true;
  return now.atMs - last.atMs >= SPEAK_EVERY_MS;
}

export function spokenText(phase: Phase, entry: QueueEntry | null): string {
  switch (phase) {
    case "pre":
      return "You are in the waiting room. When the sale opens, everybody here gets a place by lot.";
    case "waiting": {
      const eta = etaText(entry?.eta_seconds ?? null);
      const ahead = entry?.ahead == null ? "You are in the queue." : aheadText(entry.ahead);
      return eta ? `${ahead} Your turn is in ${eta}.` : ahead;
    }
    case "admitted":
      return "It is your turn: choose your seats now.";
    case "lapsed":
      return "Your turn is over, because its time ran out.";
    case "left":
      return "You have left the queue.";
    default:
      return "";
  }
}
