// Choosing places: map, legend, areas, list, the form for the best ones, and the bar that holds them.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { EventView, SeatmapJson } from "../api/types";
import { formatClock } from "../lib/dates";
import { Link } from "../lib/router";
import { useUser } from "../lib/session";
import type { SeatBoard } from "../map/board";
import type { MapController } from "../map/controller";
import { Legend } from "../map/Legend";
import { buildModel, type SeatModel } from "../map/model";
import { SeatList } from "../map/SeatList";
import { SeatMap } from "../map/SeatMap";
import { Failure, Notice, Spinner, useWait } from "../ui/basics";
import { AreaSteppers } from "./AreaSteppers";
import { BestForm } from "./BestForm";
import { Challenge } from "./Challenge";
import type { FeedMode } from "./feed";
import { takeIntent, type Intent } from "./intent";
import type { RefusalNotice } from "./refusals";
import { SelectionBar } from "./SelectionBar";
import { useSelection } from "./selection";
import { useBoard, type LiveBoard } from "./useBoard";
import { useHold } from "./useHold";
import { useMine, type Mine } from "./useMine";

export interface SeatPickerProps {
  event: EventView;
  seatmap: SeatmapJson;
  /** Why nothing can be held now; null: it can. */
  closed: string | null;
  /** The waiting room must be asked: it has closed its doors, or the admission has ended. True: we are let in. */
  onQueue(): Promise<boolean>;
  /** Free places, as they change. */
  onFree(places: number): void;
  /** The event has changed so that all of it must be loaded anew. */
  onGone(): void;
  /** Sees to it that an admission is fresh. */
  beforeHold(): Promise<void>;
}

export function modelOf(event: EventView, seatmap: SeatmapJson): SeatModel {
  const categories = seatmap.categories.map((level) => ({
    ...level,
    price: level.price ?? event.prices?.[level.name] ?? null,
  }));
  return buildModel({ ...seatmap, categories });
}

export const isDrawn = (model: SeatModel): boolean =>
  model.count > 0 || model.areas.some(({ box }) => box.right > box.left);

export function SeatPicker(props: SeatPickerProps): JSX.Element {
  const { event, seatmap } = props;
  const model = useMemo(() => modelOf(event, seatmap), [event.id, seatmap]);
  const live = useBoard(event.id, model, seatmap.version, async ({ status }) => {
    if (status === 403) await props.onQueue();
    else props.onGone();
  });
  useFree(live.board, props.onFree);
  useEffect(() => {
    if (live.mode === "over") props.onGone();
  }, [live.mode]);
  if (live.isKnown) return <Picker {...props} live={live} />;
  if (live.error) return <Failure error={live.error} onRetry={live.refresh} />;
  return <Spinner label="Loading the seats" />;
}

function Picker(props: SeatPickerProps & { live: LiveBoard }): JSX.Element {
  const { event, closed, live } = props;
  const { board } = live;
  const { model } = board;
  const limit = event.limits?.per_booking ?? 6;
  const user = useUser();
  const mine = useMine(event.id, board, user);
  const selection = useSelection(board, mine.seats, limit);
  const holding = useHold(event.id, model, selection, {
    beforeHold: props.beforeHold,
    onQueue: props.onQueue,
    onTaken: live.refresh,
  });
  const [only, setOnly] = useState(-1);
  const map = useRef<MapController | null>(null);
  const resumed = useResume(event.id, selection.restore);
  const wasResumed = useRef(false);
  useEffect(() => {
    if (!resumed || !user || wasResumed.current) return;
    if (!resumed.best && selection.places === 0) return;
    wasResumed.current = true;
    void (resumed.best ? holding.submitBest(resumed.best) : holding.submit());
  }, [resumed, user, selection.places]);

  const addPlace = (area: number): void => {
    const id = model.areas[area]!.id;
    selection.setArea(id, (selection.areas.get(id) ?? 0) + 1);
  };

  return (
    <div class="picker">
      <OpenHolds mine={mine} />
      <div class="picker-map" data-feed={live.mode}>
        {isDrawn(model) && (
          <SeatMap
            board={board}
            selected={selection.seats}
            conflicts={selection.conflicts}
            mine={mine.seats}
            only={only}
            currency={event.currency}
            onToggle={selection.toggle}
            onArea={addPlace}
            onReady={(controller) => (map.current = controller)}
            label={`Seat map of ${event.venue.name}`}
          />
        )}
        <FeedLine mode={live.mode} />
      </div>
      <aside class="picker-side">
        <Legend
          model={model}
          currency={event.currency}
          only={only}
          hasMine={mine.seats.size > 0}
          onOnly={setOnly}
        />
        {model.count > 0 && (
          <BestForm
            board={board}
            currency={event.currency}
            limit={limit}
            busy={holding.busy}
            closed={closed !== null}
            largestGroup={holding.largestGroup}
            onWish={holding.submitBest}
          />
        )}
        <AreaSteppers board={board} currency={event.currency} selection={selection} />
        {model.count > 0 && (
          <SeatList
            board={board}
            selected={selection.seats}
            mine={mine.seats}
            currency={event.currency}
            onToggle={selection.toggle}
            onShowSection={(section) => map.current?.zoomToSection(section)}
          />
        )}
      </aside>
      {holding.challenge && (
        <Challenge
          event={event.id}
          challenge={holding.challenge}
          onSolved={holding.solve}
          onCancel={holding.dismiss}
        />
      )}
      {holding.notice && (
        <InSight>
          <Refused notice={holding.notice} onAgain={holding.again} />
        </InSight>
      )}
      {holding.error !== null && (
        <InSight>
          <Failure error={holding.error} onRetry={holding.again} />
        </InSight>
      )}
      {closed && <Notice kind="info">{closed}</Notice>}
      <SelectionBar
        model={model}
        selection={selection}
        currency={event.currency}
        limit={limit}
        busy={holding.busy}
        closed={closed !== null}
        onHold={holding.submit}
        onShow={(seat) => map.current?.reveal(seat)}
      />
    </div>
  );
}

/** Tells the free places, at most once a second. */
function useFree(board: SeatBoard, onFree: (places: number) => void): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tell = (): void => {
      timer = undefined;
      onFree(board.areaFree.reduce((sum, free) => sum + Math.max(0, free), board.free));
    };
    const leave = board.subscribe(() => void (timer ??= setTimeout(tell, 1000)));
    return () => {
      leave();
      clearTimeout(timer);
    };
  }, [board]);
}

/** What the map can be believed to show. */
function FeedLine({ mode }: { mode: FeedMode }): JSX.Element | null {
  if (mode === "live")
    return (
      <p class="map-feed">
        <span class="map-feed-dot" aria-hidden="true" /> Live: seats change as they are taken.
      </p>
    );
  if (mode === "polling") return <p class="map-feed">Looked up anew every few seconds.</p>;
  if (mode === "stale")
    return (
      <p class="map-feed map-stale" role="status">
        Connection lost: the map may be out of date.
      </p>
    );
  return null;
}

/** The way back to holds that wait to be paid. */
function OpenHolds({ mine }: { mine: Mine }): JSX.Element | null {
  if (mine.open.length === 0) return null;
  return (
    <>
      {mine.open.map((booking) => {
        const places =
          booking.seats.length + (booking.areas ?? []).reduce((n, area) => n + area.quantity, 0);
        return (
          <Notice key={booking.id} kind="good" title="You are holding places">
            <p>
              {places} {places === 1 ? "place is" : "places are"} yours until{" "}
              <time dateTime={booking.expires_at}>{formatClock(booking.expires_at)}</time>.
            </p>
            <Link class="button button-small" href={`/bookings/${booking.id}`}>
              {booking.status === "held" ? "Go on to payment" : "See how the payment goes"}
            </Link>
          </Notice>
        );
      })}
    </>
  );
}

/** The button that was pressed sticks to the window: what comes of it may be far below on a phone. */
function InSight({ children }: { children: ComponentChildren }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.scrollIntoView({ block: "nearest", behavior: "smooth" }), []);
  return (
    <div ref={box} class="picker-wide">
      {children}
    </div>
  );
}

function Refused({
  notice,
  onAgain,
}: {
  notice: RefusalNotice;
  onAgain(): void;
}): JSX.Element {
  const wait = useWait(notice.waitS);
  return (
    <Notice kind="warn" title={notice.title}>
      <p>{notice.text}</p>
      {notice.toBookings && (
        <Link class="button button-small" href="/me/bookings">
          My bookings
        </Link>
      )}
      {notice.waitS !== null && (
        <button
          type="button"
          class="button button-small"
          disabled={wait > 0}
          onClick={onAgain}
        >
          {wait > 0 ? `Try again in ${waitText(wait)}` : "Try again"}
        </button>
      )}
    </Notice>
  );
}

const waitText = (seconds: number): string =>
  seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;

/** Restores what was chosen before the login, once. */
function useResume(
  event: string,
  restore: (seats: string[], areas: Record<string, number>) => void,
): Intent | null {
  const [resumed, setResumed] = useState<Intent | null>(null);
  useEffect(() => {
    const intent = takeIntent(event);
    if (!intent) return;
    restore(intent.seats, intent.areas);
    setResumed(intent);
  }, [event]);
  return resumed;
}
