// The organizer's events, drafts too.
import type { JSX } from "preact";
import { listMyEvents } from "../api/endpoints";
import type { EventView } from "../api/types";
import { formatShortMoment } from "../lib/dates";
import { Link } from "../lib/router";
import { Failure, Spinner, usePage } from "../ui/basics";
import { Poster } from "../ui/Poster";
import { useList } from "../ui/useList";

export const STATUS_KIND: Record<EventView["status"], string> = {
  draft: "warn",
  published: "good",
  cancelled: "bad",
};

export function OrganizerPage(): JSX.Element {
  const page = usePage("Organizer");
  const { items, hasMore, busy, error, more } = useList(listMyEvents);
  return (
    <>
      <h1 {...page}>My events</h1>
      {error !== null && <Failure error={error} onRetry={more} />}
      {items === null && error === null && <Spinner label="Loading your events" />}
      {items?.length === 0 && (
        <section class="empty">
          <h2>No event yet</h2>
          <p>Import a venue once, then make as many events there as you like.</p>
          <Link class="button button-main" href="/organizer/events/new">
            New event
          </Link>
        </section>
      )}
      <ul class="rows">
        {items?.map((event) => (
          <li key={event.id} class="row">
            <Link href={`/organizer/events/${event.id}`} class="row-link">
              <Poster id={event.id} startsAt={event.starts_at} />
              <div class="row-facts">
                <h2>{event.name}</h2>
                <p>
                  {formatShortMoment(event.starts_at)} · {event.venue.name}, {event.venue.city}
                </p>
              </div>
              <span class={`badge badge-${STATUS_KIND[event.status]}`}>{event.status}</span>
            </Link>
          </li>
        ))}
      </ul>
      {hasMore && (
        <p class="more">
          <button type="button" class="button" disabled={busy} onClick={more}>
            {busy ? "Loading…" : "Older events"}
          </button>
        </p>
      )}
    </>
  );
}
