// One event: what, when, where, and the seats.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { serverNow } from "../api/clock";
import { Problem } from "../api/client";
import { getEvent, getSeatBits, getSeatmap } from "../api/endpoints";
import type { EventView } from "../api/types";
import { SeatPicker } from "../event/SeatPicker";
import { formatRemaining, remainingMs } from "../lib/countdown";
import { formatClock, formatDay, formatMoment } from "../lib/dates";
import { formatPriceRange } from "../lib/money";
import { Failure, Notice, Spinner, useLoad, usePage } from "../ui/basics";
import { Poster } from "../ui/Poster";
import { NotFoundPage } from "./NotFoundPage";

export function EventPage({ id }: { id: string }): JSX.Element {
  const event = useLoad(`event ${id}`, () => getEvent(id));
  if (event.error instanceof Problem && event.error.status === 404)
    return <NotFoundPage what="event" />;
  if (event.error) return <Failure error={event.error} onRetry={event.reload} />;
  if (!event.data) return <Spinner label="Loading the event" />;
  return <EventDetails event={event.data} />;
}

function EventDetails({ event }: { event: EventView }): JSX.Element {
  const page = usePage(event.name);
  const opensInMs = useOpening(event);
  return (
    <article class="event">
      <header class="event-head">
        <Poster id={event.id} startsAt={event.starts_at} large />
        <div class="event-facts">
          <p class="eyebrow">{event.category}</p>
          <h1 {...page}>{event.name}</h1>
          <p class="event-when">
            <time dateTime={event.starts_at}>
              {formatDay(event.starts_at)} · {formatClock(event.starts_at)}
            </time>
          </p>
          <p class="event-where">
            {event.venue.name}, {event.venue.city}
          </p>
          <p class="event-price">{priceText(event)}</p>
          {event.description && <p class="event-text">{event.description}</p>}
        </div>
      </header>
      {event.status === "cancelled" ? (
        <Notice kind="bad" title="This event is cancelled">
          <p>
            Everybody who booked gets their money back. You find your bookings under “My bookings”.
          </p>
        </Notice>
      ) : (
        <>
          {opensInMs > 0 && <Opening event={event} ms={opensInMs} />}
          <Seats event={event} closed={closedText(event, opensInMs)} />
        </>
      )}
    </article>
  );
}

function priceText(event: EventView): string {
  const range = event.price_range;
  const prices = range ? formatPriceRange(range.min, range.max, event.currency) : "";
  const left = event.availability;
  if (!left) return prices;
  const share =
    left.available === 0
      ? "sold out"
      : `${left.available.toLocaleString()} of ${left.total.toLocaleString()} available`;
  return prices === "" ? share : `${prices} · ${share}`;
}

function closedText(event: EventView, opensInMs: number): string | null {
  if (event.status === "draft") return "This event is not published yet: nobody can book it.";
  if (Date.parse(event.starts_at) <= serverNow()) return "The sale is over: this event has begun.";
  if (opensInMs > 0) return `Look around: seats can be held from ${formatMoment(event.onsale_at)}.`;
  return null;
}

/** Milliseconds until the sale opens, ticking; 0 once it is open. */
function useOpening(event: EventView): number {
  const [left, setLeft] = useState(() => remainingMs(event.onsale_at, serverNow()));
  useEffect(() => {
    if (left <= 0) return;
    const timer = setInterval(() => setLeft(remainingMs(event.onsale_at, serverNow())), 500);
    return () => clearInterval(timer);
  }, [event.onsale_at, left > 0]);
  return left;
}

function Opening({ event, ms }: { event: EventView; ms: number }): JSX.Element {
  return (
    <section class="opening" aria-label="Sale opens">
      <p>The sale opens in</p>
      <p class="opening-clock" role="timer">
        {formatRemaining(ms)}
      </p>
      <p>
        <time dateTime={event.onsale_at}>{formatMoment(event.onsale_at)}</time>
      </p>
    </section>
  );
}

function Seats({ event, closed }: { event: EventView; closed: string | null }): JSX.Element {
  const plan = useLoad(`seats ${event.id}`, async () => {
    const [seatmap, bits] = await Promise.all([getSeatmap(event.id), getSeatBits(event.id)]);
    return { seatmap, bits };
  });
  if (plan.data) return <SeatPicker event={event} {...plan.data} closed={closed} />;
  if (plan.error instanceof Problem && plan.error.type === "waiting-room-required") {
    return (
      <Notice kind="info" title="There is a queue">
        This sale lets people in one after another.
      </Notice>
    );
  }
  if (plan.error) return <Failure error={plan.error} onRetry={plan.reload} />;
  return <Spinner label="Loading the seat map" />;
}
