// A booking from the hold to the ticket, or to wherever else it ended.
import type { JSX } from "preact";
import { Problem } from "../api/client";
import { cancelBooking } from "../api/endpoints";
import type { Booking } from "../api/types";
import { Countdown } from "../booking/Countdown";
import { Pay } from "../booking/Pay";
import { Places } from "../booking/Places";
import { Return } from "../booking/Return";
import { Talk } from "../booking/Talk";
import { Tickets } from "../booking/Tickets";
import { useBooking } from "../booking/useBooking";
import { hasTickets, isOpen, isOver, statusWords } from "../booking/words";
import { formatMoment } from "../lib/dates";
import { Link } from "../lib/router";
import { Ask } from "../ui/Ask";
import { Failure, Notice, Spinner, usePage } from "../ui/basics";
import { LoginNeeded } from "../ui/LoginNeeded";
import { NotFoundPage } from "./NotFoundPage";

export function BookingPage({ id }: { id: string }): JSX.Element {
  const { booking, error, set, reload } = useBooking(id);
  if (error instanceof Problem && error.status === 404) return <NotFoundPage what="booking" />;
  if (error instanceof Problem && error.status === 401) return <LoginNeeded what="your booking" />;
  if (!booking)
    return error ? (
      <Failure error={error} onRetry={reload} />
    ) : (
      <Spinner label="Loading your booking" />
    );
  return (
    <>
      {Boolean(error) && <Failure error={error} onRetry={reload} />}
      <BookingDetails booking={booking} onChange={set} onReload={reload} />
    </>
  );
}

interface DetailsProps {
  booking: Booking;
  onChange(booking: Booking): void;
  onReload(): void;
}

function BookingDetails({ booking, onChange, onReload }: DetailsProps): JSX.Element {
  const words = statusWords(booking);
  const page = usePage(words.label);
  const { event } = booking;
  const open = isOpen(booking.status);
  return (
    <article class="booking" data-status={booking.status}>
      <header class="booking-head">
        <p class={`badge badge-${words.kind}`}>{words.label}</p>
        <h1 {...page}>{event?.name ?? "Your booking"}</h1>
        {event && (
          <p class="booking-when">
            <time dateTime={event.starts_at}>{formatMoment(event.starts_at)}</time>
            {event.venue && ` · ${event.venue.name}, ${event.venue.city}`}
          </p>
        )}
      </header>
      <Notice kind={words.kind} title={words.title}>
        <p>{words.text}</p>
        {isOver(booking.status) && (
          <Link class="button button-main" href={`/events/${booking.event_id}`}>
            Choose seats again
          </Link>
        )}
      </Notice>
      <div class={open ? "booking-columns" : ""}>
        <Places booking={booking} />
        {open && (
          <div class="booking-side">
            <Countdown
              until={booking.expires_at}
              totalMs={
                booking.created_at
                  ? Date.parse(booking.expires_at) - Date.parse(booking.created_at)
                  : 600_000
              }
              onEnd={onReload}
            />
            <Pay booking={booking} onChange={onChange} />
            <GiveBack booking={booking} onDone={onReload} />
          </div>
        )}
      </div>
      {hasTickets(booking.status) && <Tickets booking={booking} />}
      {booking.status === "confirmed" && <Return booking={booking} onDone={onReload} />}
      {!open && !isOver(booking.status) && <Talk booking={booking} />}
      <p class="booking-id">
        Booking <code>{booking.id}</code>
      </p>
    </article>
  );
}

function GiveBack({ booking, onDone }: { booking: Booking; onDone(): void }): JSX.Element {
  const give = async (): Promise<void> => {
    await cancelBooking(booking.id);
    onDone();
  };
  return (
    <Ask
      label="Cancel and give back"
      question="Give these places back? Others can take them at once."
      yes="Give them back"
      no="Keep them"
      act={give}
    />
  );
}
