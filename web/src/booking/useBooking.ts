// A booking that keeps itself up to date: asked for again as often as its state can change.
import { useCallback, useEffect, useState } from "preact/hooks";
import { Problem } from "../api/client";
import { getBooking } from "../api/endpoints";
import type { Booking, BookingStatus } from "../api/types";

const POLL_MS: Partial<Record<BookingStatus, number>> = {
  held: 5000,
  payment_pending: 1200,
  refund_pending: 4000,
};
const POLL_FAILING_MS = 5000;

export interface BookingState {
  booking: Booking | undefined;
  error: unknown;
  set(booking: Booking): void;
  reload(): void;
}

export function useBooking(id: string): BookingState {
  const [booking, setBooking] = useState<Booking>();
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const reload = useCallback(() => setRound((value) => value + 1), []);

  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      let pauseMs: number | undefined;
      try {
        const fresh = await getBooking(id);
        if (gone) return;
        setBooking(fresh);
        setError(null);
        pauseMs = POLL_MS[fresh.status];
      } catch (problem) {
        if (gone) return;
        setError(problem);
        const isFinal =
          problem instanceof Problem && (problem.status === 401 || problem.status === 404);
        if (!isFinal) pauseMs = POLL_FAILING_MS;
      }
      if (pauseMs !== undefined) timer = setTimeout(ask, pauseMs);
    };
    void ask();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [id, round]);

  const set = useCallback(
    (fresh: Booking): void => {
      setBooking(fresh);
      reload();
    },
    [reload],
  );
  return { booking, error, set, reload };
}
