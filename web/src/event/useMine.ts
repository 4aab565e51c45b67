// What the person has of this event already: seats that the map shows as theirs, and holds that wait to be paid.
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { listBookings } from "../api/endpoints";
import type { Booking, BookingStatus, User } from "../api/types";
import { FREE } from "../lib/seatbits";
import type { SeatBoard } from "../map/board";

const HAS: readonly BookingStatus[] = [
  "held",
  "payment_pending",
  "confirmed",
];

export interface Mine {
  seats: ReadonlySet<number>;
  /** Newest first. */
  open: readonly Booking[];
  reload(): void;
}

const NOBODY: readonly Booking[] = [];

export function useMine(event: string, board: SeatBoard, user: User | null | undefined): Mine {
  const [bookings, setBookings] = useState(NOBODY);
  const [round, setRound] = useState(0);
  const reload = useCallback(() => setRound((count) => count + 1), []);
  const userId = user?.id;

  useEffect(() => {
    let gone = false;
    if (userId === undefined) {
      setBookings(NOBODY);
      return;
    }
    const take = (all: readonly Booking[]): void => {
      if (!gone)
        setBookings(all.filter((b) => b.event_id === event && HAS.includes(b.status)));
    };
    // Not to know it only means that their seats look like anybody's.
    listBookings(null).then(
      ({ data }) => take(data),
      () => {},
    );
    const wake = (): void => void (document.visibilityState === "visible" && reload());
    document.addEventListener("visibilitychange", wake);
    return () => {
      gone = true;
      document.removeEventListener("visibilitychange", wake);
    };
  }, [event, userId, round]);

  const seats = useMemo(() => {
    const found = new Set<number>();
    for (const booking of bookings) {
      for (const { id } of booking.seats) {
        const seat = board.model.indexOf.get(id);
        if (seat !== undefined && board.states[seat] !== FREE) found.add(seat);
      }
    }
    return found;
  }, [bookings, board]);

  // A hold that ended frees its seats: then it is no longer theirs, here and in the notice about it.
  useEffect(() => {
    if (seats.size === 0) return;
    return board.subscribe((changed) => {
      const lost = (seat: number): boolean => seats.has(seat) && board.states[seat] === FREE;
      if (changed === null ? [...seats].some(lost) : changed.some(lost)) reload();
    });
  }, [board, seats]);

  const open = bookings.filter(({ status }) => status === "held" || status === "payment_pending");
  return { seats, open, reload };
}
