import type { JSX } from "preact";
import { listVenues } from "../api/endpoints";
import { Link } from "../lib/router";
import { Failure, Spinner, useLoad, usePage } from "../ui/basics";

export function VenuesPage(): JSX.Element {
  const page = usePage("Venues");
  const venues = useLoad("venues", listVenues);
  return (
    <>
      <h1 {...page}>My venues</h1>
      {Boolean(venues.error) && <Failure error={venues.error} onRetry={venues.reload} />}
      {!venues.data && !venues.error && <Spinner label="Loading your venues" />}
      {venues.data?.data.length === 0 && (
        <section class="empty">
          <h2>No venue yet</h2>
          <p>A venue is a seating plan with an address. Its seats are used by all its events.</p>
          <Link class="button button-main" href="/organizer/venues/new">
            Import a seating plan
          </Link>
        </section>
      )}
      <ul class="rows">
        {venues.data?.data.map((venue) => (
          <li key={venue.id} class="row row-plain">
            <div class="row-facts">
              <h2>{venue.name}</h2>
              <p>
                {venue.city}, {venue.country}
                {venue.seat_count !== undefined && ` · ${venue.seat_count.toLocaleString()} seats`}
              </p>
            </div>
            <Link
              class="button"
              href={`/organizer/events/new?venue=${encodeURIComponent(venue.id)}`}
            >
              New event here
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}
