// Asks the server to hold places: chosen on the map, or the best there are. One idempotency key a wish, so that pressing
// again after a lost answer can't hold twice. A missing session goes to the login page and comes back here; a challenge is
// shown and the same wish is sent again with its solution.
import { useRef, useState } from "preact/hooks";
import { newKey } from "../api/client";
import { hold, type HoldWish } from "../api/endpoints";
import type { Booking } from "../api/types";
import { navigate } from "../lib/router";
import { askToLogIn, useUser } from "../lib/session";
import type { SeatModel } from "../map/model";
import { saveIntent } from "./intent";
import { readRefusal, type Refusal, type RefusalNotice } from "./refusals";
import type { Selection } from "./selection";

export interface HoldHooks {
  /** Sees to it that the admission is one that still counts. */
  beforeHold(): Promise<void>;
  /** The waiting room wants to be asked; true: we are still let in, with a fresh admission. */
  onQueue(): Promise<boolean>;
  /** Somebody was faster: what is known may be old. */
  onTaken(): void;
}

export interface Holding {
  busy: boolean;
  /** What could not be dealt with otherwise. */
  error: unknown;
  notice: RefusalNotice | null;
  /** Best available: the largest group there is, where there was none as wished. */
  largestGroup: number | null;
  challenge: Record<string, unknown> | null;
  submit(): Promise<void>;
  submitBest(wish: HoldWish["best_available"]): Promise<void>;
  /** Asks for the same again. */
  again(): Promise<void>;
  solve(solution: string): Promise<void>;
  dismiss(): void;
}

function wishOf(event: string, model: SeatModel, selection: Selection): HoldWish {
  const wish: HoldWish = { event_id: event };
  if (selection.seats.size > 0)
    wish.seat_ids = [...selection.seats].sort((a, b) => a - b).map((s) => model.ids[s]!);
  const areas = [...selection.areas].filter(([, quantity]) => quantity > 0);
  if (areas.length > 0) wish.areas = areas.map(([area_id, quantity]) => ({ area_id, quantity }));
  return wish;
}

function explainConflict(ids: string[], model: SeatModel, selection: Selection): void {
  const seats = ids.map((id) => model.indexOf.get(id)).filter((seat) => seat !== undefined);
  if (seats.length > 0) return selection.lose(seats);
  const names = model.areas.filter((area) => ids.includes(area.id)).map((area) => area.name);
  selection.say(
    `There are not enough places left${names.length > 0 ? ` in ${names.join(", ")}` : ""}.`,
  );
}

interface Outcome {
  error: unknown;
  notice: RefusalNotice | null;
  largestGroup: number | null;
  challenge: Record<string, unknown> | null;
}

const NOTHING: Outcome = { error: null, notice: null, largestGroup: null, challenge: null };

export function useHold(
  event: string,
  model: SeatModel,
  selection: Selection,
  hooks: HoldHooks,
): Holding {
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState(NOTHING);
  const user = useUser();
  const last = useRef<{ text: string; key: string; wish: HoldWish | null }>({
    text: "",
    key: "",
    wish: null,
  });

  const logIn = (wish: HoldWish): void => {
    const seats = [...selection.seats].map((seat) => model.ids[seat]!);
    const areas = Object.fromEntries(selection.areas);
    saveIntent({ event, seats, areas, best: wish.best_available });
    askToLogIn();
  };

  const deal = (wish: HoldWish, refusal: Refusal): void => {
    switch (refusal.kind) {
      case "login":
        return logIn(wish);
      case "queue":
        // The page has gone back to the waiting room.
        return;
      case "taken":
        explainConflict(refusal.ids, model, selection);
        return hooks.onTaken();
      case "no-group":
        return setOutcome({ ...NOTHING, largestGroup: refusal.largest });
      case "challenge":
        return setOutcome({ ...NOTHING, challenge: refusal.challenge });
      case "notice":
        return setOutcome({ ...NOTHING, notice: refusal.notice });
      case "failure":
        return setOutcome({ ...NOTHING, error: refusal.error });
    }
  };

  const ask = async (wish: HoldWish, solution?: string): Promise<void> => {
    if (busy) return;
    if (!user) return logIn(wish);
    setBusy(true);
    setOutcome(NOTHING);
    selection.settle(true);
    const text = JSON.stringify(wish);
    if (last.current.text !== text) last.current = { text, key: newKey(), wish };
    try {
      const booking = await holdOnce(wish, solution);
      navigate(`/bookings/${booking.id}`);
    } catch (problem) {
      deal(wish, readRefusal(problem));
      selection.settle(false);
    }
    setBusy(false);
  };

  /** An admission may have ended while the page slept: then once more with the next. */
  const holdOnce = async (wish: HoldWish, solution?: string): Promise<Booking> => {
    const { key } = last.current;
    await hooks.beforeHold();
    try {
      return await hold(wish, key, solution);
    } catch (problem) {
      if (readRefusal(problem).kind !== "queue" || !(await hooks.onQueue())) throw problem;
      return hold(wish, key, solution);
    }
  };

  return {
    busy,
    ...outcome,
    submit: async () => {
      if (selection.places > 0) await ask(wishOf(event, model, selection));
    },
    submitBest: (wish) => ask({ event_id: event, best_available: wish! }),
    again: async () => {
      if (last.current.wish) await ask(last.current.wish);
    },
    solve: async (solution) => {
      if (last.current.wish) await ask(last.current.wish, solution);
    },
    dismiss: () => setOutcome(NOTHING),
  };
}
