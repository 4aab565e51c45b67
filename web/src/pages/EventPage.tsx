// One event: what, when, where, and the seats, behind the waiting room where there is one.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { serverNow } from "../api/clock";
import { Problem } from "../api/client";
import { getEvent, getSeatmap } from "../api/endpoints";
import type { EventView } from "../api/types";
import { SeatPicker } from "../event/SeatPicker";
import { formatRemaining, remainingMs } from "../lib/countdown";
import { formatClock, formatDay, formatMoment } from "../lib/dates";
import { formatPriceRange } from "../lib/money";
import { Preview } from "../queue/Preview";
import { useQueue, type Queue } from "../queue/useQueue";
import { AdmittedBar, WaitingRoom } from "../queue/WaitingRoom";
import { Failure, Notice, Spinner, useLoad, usePage } from "../ui/basics";
import { Poster } from "../ui/Poster";
import { NotFoundPage } from "./NotFoundPage";

export function EventPage({ id }: { id: string }): JSX.Element {
  const event = useLoad(`event ${id}`, () => getEvent(id));
  if (event.error instanceof Problem && event.error.status === 404)
    return <NotFoundPage what="event" />;
  if (event.error) return <Failure error={event.error} onRetry={event.reload} />;
  if (!event.data) return <Spinner label="Loading the event" />;
  return <EventDetails event={event.data} onReload={event.reload} />;
}

interface DetailsProps {
  event: EventView;
  onReload(): void;
}

function EventDetails({ event, onReload }: DetailsProps): JSX.Element {
  const [wasSentToQueue, setSent] = useState(false);
  const [free, setFree] = useState<number | null>(null);
  const hasRoom = wasSentToQueue || (event.waiting_room ?? "off") !== "off";
  const queue = useQueue(event, hasRoom && event.status === "published");
  const page = usePage(queue.title);
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
          <p class="event-price">{priceText(event, free)}</p>
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
        <Sale
          event={event}
          queue={hasRoom && event.status === "published" ? queue : null}
          onQueue={async () => {
            setSent(true);
            await queue.refresh();
            return queue.isIn();
          }}
          onFree={setFree}
          onReload={onReload}
        />
      )}
    </article>
  );
}

interface SaleProps extends DetailsProps {
  /** null: the event has no waiting room. */
  queue: Queue | null;
  onQueue(): Promise<boolean>;
  onFree(places: number): void;
}

function Sale({ event, queue, onQueue, onFree, onReload }: SaleProps): JSX.Element {
  const opening = useOpening(event);
  // Whom the waiting room lets in, for them the sale is open, whatever the clock here says.
  const opensInMs = queue?.phase === "admitted" ? 0 : opening;
  const generation = useGeneration(event);
  if (queue && !queue.view.room && !queue.view.entry) {
    if (queue.view.error)
      return <Failure error={queue.view.error} onRetry={() => void queue.refresh()} />;
    return <Spinner label="Asking the waiting room" />;
  }
  if (queue && queue.phase !== "none" && queue.phase !== "admitted") {
    return (
      <>
        <WaitingRoom event={event} queue={queue} />
        <Preview event={event} />
      </>
    );
  }
  return (
    <>
      {queue?.phase === "admitted" && <AdmittedBar queue={queue} />}
      {opensInMs > 0 && <Opening event={event} ms={opensInMs} />}
      <Seats
        key={generation}
        event={event}
        closed={closedText(event, opensInMs)}
        onQueue={onQueue}
        onFree={onFree}
        onReload={onReload}
        beforeHold={queue ? queue.renew : async () => {}}
      />
    </>
  );
}

function priceText(event: EventView, free: number | null): string {
  const range = event.price_range;
  const prices = range ? formatPriceRange(range.min, range.max, event.currency) : "";
  const left = event.availability;
  if (!left) return prices;
  const available = free ?? left.available;
  const share =
    available === 0
      ? "sold out"
      : `${available.toLocaleString()} of ${left.total.toLocaleString()} available`;
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

/** Counts the times that the event was loaded: what is known of its seats begins anew with each. */
function useGeneration(event: EventView): number {
  const last = useRef({ event, count: 0 });
  if (last.current.event !== event) last.current = { event, count: last.current.count + 1 };
  return last.current.count;
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

interface SeatsProps extends Omit<SaleProps, "queue"> {
  closed: string | null;
  beforeHold(): Promise<void>;
}

function Seats({ event, onReload, ...props }: SeatsProps): JSX.Element {
  const plan = useLoad(`plan ${event.id} ${event.seatmap_version}`, () =>
    getSeatmap(event.id, event.seatmap_version),
  );
  if (plan.data)
    return <SeatPicker event={event} seatmap={plan.data} onGone={onReload} {...props} />;
  if (plan.error) return <Failure error={plan.error} onRetry={plan.reload} />;
  return <Spinner label="Loading the seat map" />;
}
