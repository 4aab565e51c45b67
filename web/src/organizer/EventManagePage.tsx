// One event as its organizer sees it: state, publish, cancel, sales.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { newKey, Problem } from "../api/client";
import { cancelEvent, getEvent, publishEvent } from "../api/endpoints";
import type { EventView } from "../api/types";
import { formatMoment } from "../lib/dates";
import { Link } from "../lib/router";
import { NotFoundPage } from "../pages/NotFoundPage";
import { Failure, Notice, Spinner, useLoad, usePage } from "../ui/basics";
import { STATUS_KIND } from "./OrganizerPage";
import { SalesReport } from "./SalesReport";

export function EventManagePage({ id }: { id: string }): JSX.Element {
  const event = useLoad(`event ${id}`, () => getEvent(id, true));
  if (event.error instanceof Problem && event.error.status === 404) return <NotFoundPage what="event" />;
  if (event.error) return <Failure error={event.error} onRetry={event.reload} />;
  if (!event.data) return <Spinner label="Loading the event" />;
  return <Manage event={event.data} onChange={event.reload} />;
}

function Manage({ event, onChange }: { event: EventView; onChange(): void }): JSX.Element {
  const page = usePage(event.name);
  return (
    <article class="manage" data-status={event.status}>
      <header class="manage-head">
        <span class={`badge badge-${STATUS_KIND[event.status]}`}>{event.status}</span>
        <h1 {...page}>{event.name}</h1>
        <p>
          {formatMoment(event.starts_at)} · {event.venue.name}, {event.venue.city}
        </p>
        <p>Sale opens {formatMoment(event.onsale_at)}</p>
      </header>
      <Actions event={event} onChange={onChange} />
      <SalesReport event={event} />
    </article>
  );
}

function Actions({ event, onChange }: { event: EventView; onChange(): void }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [asked, setAsked] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const keys = useRef({ publish: newKey(), cancel: newKey() });

  const act = async (change: (event: string, key: string) => Promise<unknown>, key: string): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await change(event.id, key);
      setAsked(false);
      onChange();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };

  return (
    <section class="actions" aria-label="Actions">
      {error !== null && <Failure error={error} />}
      <div class="actions-row">
        {event.status === "draft" && (
          <button type="button" class="button button-main" disabled={busy} onClick={() => act(publishEvent, keys.current.publish)}>
            Publish
          </button>
        )}
        <Link class="button" href={`/events/${event.id}`}>
          {event.status === "draft" ? "Preview its page" : "Open its page"}
        </Link>
        {event.status !== "cancelled" && !asked && (
          <button type="button" class="button button-quiet" disabled={busy} onClick={() => setAsked(true)}>
            Cancel the event…
          </button>
        )}
      </div>
      {asked && (
        <Notice kind="warn" title="Cancel this event for good?">
          <p>All holds end and everybody who paid gets the money back. This can’t be undone.</p>
          <div class="confirm-buttons">
            <button type="button" class="button button-danger" disabled={busy} onClick={() => act(cancelEvent, keys.current.cancel)}>
              {busy ? "Cancelling…" : "Cancel the event"}
            </button>
            <button type="button" class="button" disabled={busy} onClick={() => setAsked(false)}>
              Keep it
            </button>
          </div>
        </Notice>
      )}
    </section>
  );
}
