// Returning a paid booking, where the event allows it until some time before it starts.
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { newKey } from "../api/client";
import { serverNow } from "../api/clock";
import { getEvent, refundBooking } from "../api/endpoints";
import type { Booking, EventView } from "../api/types";
import { formatMoment } from "../lib/dates";
import { formatMoney } from "../lib/money";
import { Ask } from "../ui/Ask";
import { useLoad } from "../ui/basics";

/** Until when it can be returned; null: not at all, or no longer. */
function deadline(event: EventView): string | null {
  const seconds = event.refund_until_s ?? 0;
  const last = Date.parse(event.starts_at) - seconds * 1000;
  return seconds > 0 && last > serverNow() ? new Date(last).toISOString() : null;
}

export function Return({
  booking,
  onDone,
}: {
  booking: Booking;
  onDone(): void;
}): JSX.Element | null {
  const event = useLoad(`event ${booking.event_id}`, () => getEvent(booking.event_id));
  const key = useRef(newKey());
  const last = event.data ? deadline(event.data) : null;
  if (last === null) return null;
  const act = async (): Promise<void> => {
    await refundBooking(booking.id, key.current);
    onDone();
  };
  return (
    <section class="confirm-alone" aria-label="Return">
      <p class="field-hint">You can return these tickets until {formatMoment(last)}.</p>
      <Ask
        label="Return the tickets for their price"
        question={`Return all tickets of this booking? They stop being valid, and ${formatMoney(booking.amount, booking.currency)} goes back the way you paid.`}
        yes="Return them"
        no="Keep them"
        act={act}
      />
    </section>
  );
}
