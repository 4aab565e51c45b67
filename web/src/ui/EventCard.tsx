import type { JSX } from "preact";
import type { EventView } from "../api/types";
import { formatShortMoment } from "../lib/dates";
import { formatPriceRange } from "../lib/money";
import { Link } from "../lib/router";
import { serverNow } from "../api/clock";
import { Poster } from "./Poster";
import { useAvailability } from "./useAvailability";

function stateOf(
  event: EventView,
  seats: EventView["availability"],
): { text: string; level: string } {
  if (event.status === "cancelled") return { text: "Cancelled", level: "none" };
  if (Date.parse(event.onsale_at) > serverNow())
    return { text: `On sale ${formatShortMoment(event.onsale_at)}`, level: "soon" };
  if (!seats || seats.total === 0) return { text: "", level: "good" };
  if (seats.available === 0) return { text: "Sold out", level: "none" };
  const share = seats.available / seats.total;
  if (share < 0.1) return { text: `Only ${seats.available.toLocaleString()} left`, level: "few" };
  return { text: `${seats.available.toLocaleString()} seats available`, level: "good" };
}

export function EventCard({ event }: { event: EventView }): JSX.Element {
  const { ref, availability } = useAvailability(event);
  const { text, level } = stateOf(event, availability);
  const range = event.price_range;
  return (
    <li class="card" ref={ref}>
      <Link href={`/events/${event.id}`} class="card-link">
        <Poster id={event.id} startsAt={event.starts_at} />
        <div class="card-body">
          <p class="eyebrow">{event.category}</p>
          <h2 class="card-title">{event.name}</h2>
          <p class="card-when">
            <time dateTime={event.starts_at}>{formatShortMoment(event.starts_at)}</time>
          </p>
          <p class="card-where">
            {event.venue.name}, {event.venue.city}
          </p>
          <p class="card-foot">
            <span class="card-price">
              {range ? formatPriceRange(range.min, range.max, event.currency) : ""}
            </span>
            {text && <span class={`badge badge-${level}`}>{text}</span>}
          </p>
        </div>
      </Link>
    </li>
  );
}
