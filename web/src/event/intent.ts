// What somebody wanted to hold, kept in this tab over the way to the login page and back.
import type { BestWish } from "../api/endpoints";

const NAME = "foyer.intent";
const AGE_MAX_MS = 15 * 60 * 1000;

export interface Intent {
  event: string;
  seats: string[];
  areas: Record<string, number>;
  best?: BestWish | undefined;
  at: number;
}

export function saveIntent(intent: Omit<Intent, "at">): void {
  try {
    sessionStorage.setItem(NAME, JSON.stringify({ ...intent, at: Date.now() } satisfies Intent));
  } catch {
    // Storage may be switched off: the choice is made again after the login.
  }
}

/** The intent for this event, once. */
export function takeIntent(event: string): Intent | null {
  try {
    const intent = JSON.parse(sessionStorage.getItem(NAME) ?? "null") as Intent | null;
    if (intent?.event !== event || Date.now() - intent.at > AGE_MAX_MS) return null;
    sessionStorage.removeItem(NAME);
    return intent;
  } catch {
    return null;
  }
}
