// One event as its organizer sees it: its state above, and below what the address asks for: sales, bookings, seats, the
// waiting room, settings or the door.
import type { ComponentType, JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { newKey, Problem } from "../api/client";
import { serverNow } from "../api/clock";
import { cancelEvent, getEvent, publishEvent } from "../api/endpoints";
import type { EventView } from "../api/types";
import { formatMoment } from "../lib/dates";
import { Link } from "../lib/router";
import { handledAsLogin } from "../lib/session";
import { NotFoundPage } from "../pages/NotFoundPage";
import { Ask } from "../ui/Ask";
import { Failure, Spinner, useLoad, usePage } from "../ui/basics";
import { lazy } from "../ui/Lazy";
import type { EventRules } from "./api";
import { BookingsDesk } from "./BookingsDesk";
import { STATUS_KIND } from "./OrganizerPage";
import { RoomDesk } from "./RoomDesk";
import { SalesReport } from "./SalesReport";
import { SettingsDesk } from "./SettingsDesk";

export interface DeskProps {
  event: EventRules;
  onChange(): void;
}

const SeatsDesk = lazy<DeskProps>(async () => (await import("./SeatsDesk")).SeatsDesk);
const DoorDesk = lazy<DeskProps>(async () => (await import("./door/DoorDesk")).DoorDesk);

const PARTS: { name: string; label: string; show: ComponentType<DeskProps> }[] = [
  { name: "", label: "Sales", show: SalesReport },
  { name: "bookings", label: "Bookings", show: BookingsDesk },
  { name: "seats", label: "Seats", show: SeatsDesk },
  { name: "room", label: "Waiting room", show: RoomDesk },
  { name: "settings", label: "Settings", show: SettingsDesk },
  { name: "check-in", label: "Check-in", show: DoorDesk },
];

export function EventManagePage({ id, part = "" }: { id: string; part?: string }): JSX.Element {
  const event = useLoad(`event ${id}`, () => getEvent(id, true));
  const shown = PARTS.find((item) => item.name === part);
  if (!shown || (event.error instanceof Problem && event.error.status === 404))
    return <NotFoundPage what={shown ? "event" : "page"} />;
  if (event.error && !event.data) return <Failure error={event.error} onRetry={event.reload} />;
  if (!event.data) return <Spinner label="Loading the event" />;
  return <Manage event={event.data} part={part} show={shown.show} onChange={event.reload} />;
}

interface ManageProps extends DeskProps {
  part: string;
  show: ComponentType<DeskProps>;
}

function Manage({ event, part, show: Shown, onChange }: ManageProps): JSX.Element {
  const page = usePage(event.name);
  const base = `/organizer/events/${event.id}`;
  return (
    <article class="manage" data-status={event.status}>
      <header class="manage-head">
        <span class={`badge badge-${STATUS_KIND[event.status]}`}>{event.status}</span>
        <h1 {...page}>{event.name}</h1>
        {part !== "check-in" && (
          <>
            <p>
              {formatMoment(event.starts_at)} · {event.venue.name}, {event.venue.city}
            </p>
            <p>
              Sale {Date.parse(event.onsale_at) > serverNow() ? "opens" : "opened"}{" "}
              {formatMoment(event.onsale_at)}
            </p>
          </>
        )}
      </header>
      {part === "" && <Actions event={event} onChange={onChange} />}
      <nav class="parts" aria-label="Event">
        {PARTS.map(({ name, label }) => (
          <Link
            key={name}
            href={name === "" ? base : `${base}/${name}`}
            aria-current={name === part ? "page" : undefined}
          >
            {label}
          </Link>
        ))}
      </nav>
      <Shown event={event} onChange={onChange} />
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
