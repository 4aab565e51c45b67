// Everything the person has booked, newest first.
import type { JSX } from "preact";
import { Problem } from "../api/client";
import { listBookings } from "../api/endpoints";
import type { Booking } from "../api/types";
import { statusWords } from "../booking/words";
import { formatShortMoment } from "../lib/dates";
import { formatMoney } from "../lib/money";
import { Link } from "../lib/router";
import { Failure, Spinner, usePage } from "../ui/basics";
import { LoginNeeded } from "../ui/LoginNeeded";
import { Poster } from "../ui/Poster";
import { useList } from "../ui/useList";

export function MyBookingsPage(): JSX.Element {
  const page = usePage("My bookings");
  const { items: bookings, hasMore, busy, error, more } = useList(listBookings);
  if (error instanceof Problem && error.status === 401) return <LoginNeeded what="your bookings" />;
  return (
    <>
      <h1 {...page}>My bookings</h1>
      {error !== null && <Failure error={error} onRetry={more} />}
      {bookings === null && error === null && <Spinner label="Loading your bookings" />}
      {bookings?.length === 0 && (
        <section class="empty">
          <h2>Nothing booked yet</h2>
          <p>When you book, your tickets are kept here.</p>
          <Link class="button button-main" href="/">
            Find an event
          </Link>
        </section>
      )}
      <ul class="rows">
        {bookings?.map((booking) => (
          <BookingRow key={booking.id} booking={booking} />
        ))}
      </ul>
      {hasMore && (
        <p class="more">
          <button type="button" class="button" disabled={busy} onClick={more}>
            {busy ? "Loading…" : "Older bookings"}
          </button>
        </p>
      )}
      <p class="auth-other">
        <Link href="/me/security">Security of your account</Link>
      </p>
    </>
  );
}

function BookingRow({ booking }: { booking: Booking }): JSX.Element {
  const words = statusWords(booking);
  const { event } = booking;
  const places =
    booking.seats.length + (booking.areas ?? []).reduce((sum, area) => sum + area.quantity, 0);
  return (
    <li class="row">
      <Link href={`/bookings/${booking.id}`} class="row-link">
        {event && <Poster id={event.id} startsAt={event.starts_at} />}
        <div class="row-facts">
          <h2>{event?.name ?? booking.id}</h2>
          <p>
            {event && <time dateTime={event.starts_at}>{formatShortMoment(event.starts_at)}</time>}
            {event?.venue && ` · ${event.venue.name}`}
          </p>
          <p>
            {places} {places === 1 ? "place" : "places"} ·{" "}
            {formatMoney(booking.amount, booking.currency)}
          </p>
        </div>
        <span class={`badge badge-${words.kind}`}>{words.label}</span>
      </Link>
    </li>
  );
}
