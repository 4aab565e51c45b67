// Asks the server to hold the choice. One idempotency key per choice, so that pressing again after a lost answer can't
// hold twice; a missing session goes to the login page and comes back here.
import { useRef, useState } from "preact/hooks";
import { newKey, Problem } from "../api/client";
import { hold, type HoldWish } from "../api/endpoints";
import { navigate } from "../lib/router";
import { askToLogIn } from "../lib/session";
import type { SeatModel } from "../map/model";
import { saveIntent } from "./intent";
import type { Selection } from "./selection";

export interface Holding {
  busy: boolean;
  error: unknown;
  submit(isSignedIn: boolean): Promise<void>;
}

function wishOf(event: string, model: SeatModel, selection: Selection): HoldWish {
  const wish: HoldWish = { event_id: event };
  if (selection.seats.size > 0)
    wish.seat_ids = [...selection.seats].sort((a, b) => a - b).map((s) => model.ids[s]!);
  const areas = [...selection.areas].filter(([, quantity]) => quantity > 0);
  if (areas.length > 0) wish.areas = areas.map(([area_id, quantity]) => ({ area_id, quantity }));
  return wish;
}

function explainConflict(problem: Problem, model: SeatModel, selection: Selection): void {
  const ids = Array.isArray(problem.body["conflicts"])
    ? (problem.body["conflicts"] as string[])
    : [];
  const seats = ids.map((id) => model.indexOf.get(id)).filter((seat) => seat !== undefined);
  if (seats.length > 0) selection.lose(seats);
  else {
    const names = model.areas.filter((area) => ids.includes(area.id)).map((area) => area.name);
    selection.say(
      `There are not enough places left${names.length > 0 ? ` in ${names.join(", ")}` : ""}.`,
    );
  }
}

export function useHold(
  event: string,
  model: SeatModel,
  selection: Selection,
  refresh: () => Promise<void>,
): Holding {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const key = useRef({ wish: "", key: "" });

  const logIn = (): void => {
    const seats = [...selection.seats].map((seat) => model.ids[seat]!);
    saveIntent(event, seats, Object.fromEntries(selection.areas));
    askToLogIn();
  };

  const refused = async (problem: unknown): Promise<void> => {
    if (problem instanceof Problem && problem.status === 401) return logIn();
    if (problem instanceof Problem && problem.type === "seats-unavailable") {
      explainConflict(problem, model, selection);
      return refresh();
    }
    if (problem instanceof Problem && problem.errors.length > 0) {
      return selection.say(problem.errors.map((item) => item.message).join(" "));
    }
    setError(problem);
  };

  const submit = async (isSignedIn: boolean): Promise<void> => {
    if (busy || selection.places === 0) return;
    if (!isSignedIn) return logIn();
    setBusy(true);
    setError(null);
    const wish = wishOf(event, model, selection);
    const text = JSON.stringify(wish);
    if (key.current.wish !== text) key.current = { wish: text, key: newKey() };
    try {
      const booking = await hold(wish, key.current.key);
      navigate(`/bookings/${booking.id}`);
    } catch (problem) {
      await refused(problem);
    }
    setBusy(false);
  };
  return { busy, error, submit };
}
