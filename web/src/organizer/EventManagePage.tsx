// One event as its organizer sees it: state, publish, cancel, sales.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { newKey, Problem } from "../api/client";
import { cancelEvent, getEvent, publishEvent } from "../api/endpoints";
import type { EventView } from "../api/types";
import { formatMoment } from "../lib/dates";
import { Link } from "../lib/router";
import { handledAsLogin } from "../lib/session";
import { NotFoundPage } from "../pages/NotFoundPage";
import { Ask } from "../ui/Ask";
import { Failure, Spinner, useLoad, usePage } from "../ui/basics";
import { STATUS_KIND } from "./OrganizerPage";
import { SalesReport } from "./SalesReport";

export function EventManagePage({ id }: { id: string }): JSX.Element {
  const event = useLoad(`event ${id}`, () => getEvent(id, true));
  if (event.error instanceof Problem && event.error.status === 404)
    return <NotFoundPage what="event" />;
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
  const [error, setError] = useState<unknown>(null);
  const keys = useRef({ publish: newKey(), cancel: newKey() });

  const publish = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await publishEvent(event.id, keys.current.publish);
      onChange();
    } catch (problem) {
      if (!handledAsLogin(problem)) setError(problem);
    }
    setBusy(false);
  };
  const cancel = async (): Promise<void> => {
    await cancelEvent(event.id, keys.current.cancel);
    onChange();
  };

  return (
    <section class="actions" aria-label="Actions">
      {error !== null && <Failure error={error} />}
      <div class="actions-row">
        {event.status === "draft" && (
          <button type="button" class="button button-main" disabled={busy} onClick={publish}>
            Publish
          </button>
        )}
        <Link class="button" href={`/events/${event.id}`}>
          {event.status === "draft" ? "Preview its page" : "Open its page"}
        </Link>
        {event.status !== "cancelled" && (
          <Ask
            label="Cancel the event…"
            question="Cancel this event for good? All holds end and everybody who paid gets the money back."
            yes="Cancel the event"
            no="Keep it"
            act={cancel}
          />
        )}
      </div>
    </section>
  );
}
