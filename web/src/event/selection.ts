// The seats and area places somebody has chosen and not yet held, under the event's limit per booking.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { FREE } from "../lib/seatbits";
import type { SeatBoard } from "../map/board";
import { seatPrice, seatText, type SeatModel } from "../map/model";

export interface Selection {
  seats: ReadonlySet<number>;
  areas: ReadonlyMap<string, number>;
  /** Seats that were chosen and turned out to be somebody else's. */
  conflicts: ReadonlySet<number>;
  /** Seats plus area places. */
  places: number;
  /** Minor units. */
  total: number;
  message: string | null;
  toggle(seat: number): void;
  setArea(area: string, quantity: number): void;
  /** These seats turned out to be somebody else's. */
  lose(seats: number[]): void;
  /** While we hold the choice ourselves, its seats are taken by us. */
  settle(isHolding: boolean): void;
  restore(seats: string[], areas: Record<string, number>): void;
  clear(): void;
  say(message: string | null): void;
}

const sum = (areas: ReadonlyMap<string, number>): number =>
  [...areas.values()].reduce((a, b) => a + b, 0);

function totalOf(
  model: SeatModel,
  seats: ReadonlySet<number>,
  areas: ReadonlyMap<string, number>,
): number {
  let total = 0;
  for (const seat of seats) total += seatPrice(model, seat) ?? 0;
  for (const area of model.areas) {
    total += (areas.get(area.id) ?? 0) * (model.categories[area.category]?.price ?? 0);
  }
  return total;
}

const limitText = (limit: number): string =>
  `You can book up to ${limit} ${limit === 1 ? "place" : "places"} at a time. Remove one to choose another.`;

export function useSelection(
  board: SeatBoard,
  mine: ReadonlySet<number>,
  limit: number,
): Selection {
  const { model, states } = board;
  const [seats, setSeats] = useState<ReadonlySet<number>>(new Set());
  const [areas, setAreas] = useState<ReadonlyMap<string, number>>(new Map());
  const [conflicts, setConflicts] = useState<ReadonlySet<number>>(new Set());
  const [message, say] = useState<string | null>(null);
  const isHolding = useRef(false);

  const toggle = (seat: number): void => {
    const next = new Set(seats);
    if (next.delete(seat)) {
      say(`${seatText(model, seat)} removed.`);
    } else if (mine.has(seat)) {
      return say(`${seatText(model, seat)} is yours already.`);
    } else if (states[seat] !== FREE || seatPrice(model, seat) === null) {
      return say(`${seatText(model, seat)} is not available.`);
    } else if (seats.size + sum(areas) >= limit) {
      return say(limitText(limit));
    } else {
      next.add(seat);
      say(`${seatText(model, seat)} chosen.`);
    }
    setSeats(next);
    setConflicts(new Set());
  };

  const setArea = (area: string, quantity: number): void => {
    const next = new Map(areas).set(area, Math.max(0, quantity));
    if (quantity > (areas.get(area) ?? 0) && seats.size + sum(next) > limit)
      return say(limitText(limit));
    if (quantity <= 0) next.delete(area);
    setAreas(next);
    say(null);
  };

  const lose = useCallback(
    (gone: number[]): void => {
      setSeats((old) => new Set([...old].filter((seat) => !gone.includes(seat))));
      // Those lost a moment ago stay crossed out until something is chosen.
      setConflicts((old) => new Set([...old, ...gone]));
      const names = gone.map((seat) => seatText(model, seat)).join("; ");
      say(`Someone was faster: ${names} ${gone.length === 1 ? "is" : "are"} no longer available.`);
    },
    [model],
  );

  const check = useRef((): void => {});
  check.current = () => {
    const gone = [...seats].filter((seat) => states[seat] !== FREE);
    if (gone.length > 0 && !isHolding.current) lose(gone);
  };
  useEffect(() => board.subscribe(() => check.current()), [board]);
  // A seat may have gone between the choice and its being drawn.
  useEffect(() => check.current(), [seats]);

  const settle = (holding: boolean): void => {
    isHolding.current = holding;
    if (!holding) check.current();
  };

  const restore = (ids: string[], quantities: Record<string, number>): void => {
    const known = ids.map((id) => model.indexOf.get(id)).filter((seat) => seat !== undefined);
    setSeats(new Set(known.slice(0, limit)));
    setAreas(new Map(Object.entries(quantities)));
  };

  const clear = (): void => {
    setSeats(new Set());
    setAreas(new Map());
    say(null);
  };

  const places = seats.size + sum(areas);
  const total = useMemo(() => totalOf(model, seats, areas), [model, seats, areas]);
  return {
    seats,
    areas,
    conflicts,
    places,
    total,
    message,
    toggle,
    setArea,
    lose,
    settle,
    restore,
    clear,
    say,
  };
}
