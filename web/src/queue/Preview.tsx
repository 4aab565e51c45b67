// A look at the map from the waiting room: how much is free in each section, which is open to all. Asked for only by who
// wants it, and rarely, because many wait.
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { getAvailability, getSeatmap } from "../api/endpoints";
import type { EventView, SeatmapJson } from "../api/types";
import { isDrawn, modelOf } from "../event/SeatPicker";
import { SeatBoard } from "../map/board";
import { Legend } from "../map/Legend";
import { SeatMap } from "../map/SeatMap";
import { Failure, Spinner, useLoad } from "../ui/basics";

const AGAIN_MS = 20_000;
const NONE: ReadonlySet<number> = new Set();

export function Preview({ event }: { event: EventView }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="room-preview" onToggle={(toggled) => setOpen(toggled.currentTarget.open)}>
      <summary>Look at the map meanwhile</summary>
      {isOpen && <PreviewLoad event={event} />}
    </details>
  );
}

function PreviewLoad({ event }: { event: EventView }): JSX.Element {
  const plan = useLoad(`plan ${event.id} ${event.seatmap_version}`, () =>
    getSeatmap(event.id, event.seatmap_version),
  );
  if (plan.data) return <PreviewMap event={event} seatmap={plan.data} />;
  if (plan.error) return <Failure error={plan.error} onRetry={plan.reload} />;
  return <Spinner label="Loading the map" />;
}

function PreviewMap({ event, seatmap }: { event: EventView; seatmap: SeatmapJson }): JSX.Element {
  const board = useMemo(() => new SeatBoard(modelOf(event, seatmap)), [event.id, seatmap]);
  const [only, setOnly] = useState(-1);
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      if (document.visibilityState === "visible") {
        // What is not known now is asked for again.
        const counts = await getAvailability(event.id, stop.signal).catch(() => null);
        if (counts) board.setSections(new Map(counts.sections.map((s) => [s.id, s.available])));
      }
      if (!stop.signal.aborted) timer = setTimeout(ask, AGAIN_MS * (0.9 + Math.random() * 0.2));
    };
    void ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [board]);
  if (!isDrawn(board.model)) return <p>There is no map to look at.</p>;
  return (
    <div class="picker">
      <div class="picker-map">
        <SeatMap
          board={board}
          selected={NONE}
          conflicts={NONE}
          mine={NONE}
          only={only}
          isOverview
          currency={event.currency}
          onToggle={() => {}}
          label={`Map of ${event.venue.name}: how much is free`}
        />
        <p class="map-feed">How much is free in each section. Seats are chosen when it is your turn.</p>
      </div>
      <aside class="picker-side">
        <Legend
          model={board.model}
          currency={event.currency}
          only={only}
          hasMine={false}
          isOverview
          onOnly={setOnly}
        />
      </aside>
    </div>
  );
}
