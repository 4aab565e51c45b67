// From "Pay" to the bank's page: the server opens a payment in the background, the booking is asked for until its
// address is there.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { newKey } from "../api/client";
import { checkout } from "../api/endpoints";
import type { Booking } from "../api/types";
import { Challenge } from "../event/Challenge";
import { readRefusal } from "../event/refusals";
import { formatMoney } from "../lib/money";
import { handledAsLogin } from "../lib/session";
import { Failure, Notice } from "../ui/basics";

const SLOW_MS = 8000;

export interface PayProps {
  booking: Booking;
  onChange(booking: Booking): void;
}

export function Pay({ booking, onChange }: PayProps): JSX.Element {
  const [leaving, setLeaving] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [challenge, setChallenge] = useState<Record<string, unknown> | null>(null);
  const key = useRef(newKey());
  const url = booking.payment?.url ?? null;
  const isPending = booking.status === "payment_pending";
  const isSlow = useSlow(isPending && url === null);

  useEffect(() => {
    if (leaving && url) window.location.assign(url);
  }, [leaving, url]);

  useEffect(() => {
    // Back from the bank by the browser's own button: the page may return as it was left.
    const returned = (event: PageTransitionEvent): void =>
      void (event.persisted && setLeaving(false));
    window.addEventListener("pageshow", returned);
    return () => window.removeEventListener("pageshow", returned);
  }, []);

  const pay = async (solution?: string): Promise<void> => {
    setError(null);
    setChallenge(null);
    setLeaving(true);
    if (isPending) return;
    try {
      onChange({ ...booking, ...(await checkout(booking.id, key.current, solution)) });
    } catch (problem) {
      setLeaving(false);
      const refusal = readRefusal(problem);
      if (refusal.kind === "challenge") return setChallenge(refusal.challenge);
      if (!handledAsLogin(problem)) setError(problem);
    }
  };

  const preparing = leaving || (isPending && url === null);
  const price =
    booking.amount === 0 ? "Confirm" : `Pay ${formatMoney(booking.amount, booking.currency)}`;
  return (
    <div class="pay">
      {isSlow && (
        <Notice kind="warn" title="The bank is slow right now">
          <p>
            Your places are safe and we keep trying. This page goes on by itself as soon as the bank
            answers; you don’t have to do anything.
          </p>
        </Notice>
      )}
      {error !== null && <Failure error={error} onRetry={() => void pay()} />}
      {challenge && (
        <Challenge
          event={booking.event_id}
          challenge={challenge}
          onSolved={pay}
          onCancel={() => setChallenge(null)}
        />
      )}
      <button
        type="button"
        class="button button-main button-wide"
        disabled={preparing}
        onClick={() => void pay()}
      >
        {preparing ? "Opening the bank’s page…" : isPending ? "Go to the bank’s page" : price}
      </button>
      <p class="pay-note">You pay on the bank’s own page. Your card never reaches us.</p>
    </div>
  );
}

/** True once `waiting` has lasted a while. */
function useSlow(waiting: boolean): boolean {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    setSlow(false);
    if (!waiting) return;
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    return () => clearTimeout(timer);
  }, [waiting]);
  return slow;
}
