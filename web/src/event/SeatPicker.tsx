// Choosing places: map, legend, areas, list and the bar that holds them.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { EventView, SeatmapJson } from "../api/types";
import { useUser } from "../lib/session";
import type { MapController } from "../map/controller";
import { Legend } from "../map/Legend";
import { buildModel, type SeatModel } from "../map/model";
import { SeatList } from "../map/SeatList";
import { SeatMap } from "../map/SeatMap";
import { Failure, Notice } from "../ui/basics";
import { AreaSteppers } from "./AreaSteppers";
import { takeIntent } from "./intent";
import { SelectionBar } from "./SelectionBar";
import { useSelection } from "./selection";
import { useSeatStates } from "./states";
import { useHold } from "./useHold";

export interface SeatPickerProps {
  event: EventView;
  seatmap: SeatmapJson;
  bits: Uint8Array;
  /** Why nothing can be held now; null: it can. */
  closed: string | null;
}

function modelOf(event: EventView, seatmap: SeatmapJson): SeatModel {
  const categories = seatmap.categories.map((level) => ({
    ...level,
    price: level.price ?? event.prices?.[level.name] ?? null,
  }));
  return buildModel({ ...seatmap, categories });
}

export function SeatPicker({ event, seatmap, bits, closed }: SeatPickerProps): JSX.Element {
  const model = useMemo(() => modelOf(event, seatmap), [event.id, seatmap]);
  const live = useSeatStates(event.id, model, bits);
  const limit = event.limits?.per_booking ?? 6;
  const selection = useSelection(model, live.states, live.version, limit);
  const holding = useHold(event.id, model, selection, live.refresh);
  const user = useUser();
  const [only, setOnly] = useState(-1);
  const map = useRef<MapController | null>(null);
  const resumed = useResume(event.id, selection.restore);
  const wasResumed = useRef(false);
  useEffect(() => {
    if (!resumed || !user || selection.places === 0 || wasResumed.current) return;
    wasResumed.current = true;
    void holding.submit(true);
  }, [resumed, user, selection.places]);

  const addPlace = (area: number): void => {
    const id = model.areas[area]!.id;
    selection.setArea(id, (selection.areas.get(id) ?? 0) + 1);
  };

  return (
    <div class="picker">
      <div class="picker-map">
        {(model.count > 0 || model.areas.some(({ box }) => box.right > box.left)) && (
          <SeatMap
            model={model}
            states={live.states}
            statesVersion={live.version}
            selected={selection.seats}
            conflicts={selection.conflicts}
            only={only}
            currency={event.currency}
            onToggle={selection.toggle}
            onArea={addPlace}
            onReady={(controller) => (map.current = controller)}
            label={`Seat map of ${event.venue.name}`}
          />
        )}
        {live.isStale && <p class="map-stale">Connection lost: the map may be out of date.</p>}
      </div>
      <aside class="picker-side">
        <Legend model={model} currency={event.currency} only={only} onOnly={setOnly} />
        <AreaSteppers
          model={model}
          currency={event.currency}
          available={live.areaAvailable}
          selection={selection}
        />
        {model.count > 0 && (
          <SeatList
            model={model}
            states={live.states}
            statesVersion={live.version}
            selected={selection.seats}
            currency={event.currency}
            onToggle={selection.toggle}
            onShowSection={(section) => map.current?.zoomToSection(section)}
          />
        )}
      </aside>
      {holding.error !== null && (
        <Failure error={holding.error} onRetry={() => holding.submit(Boolean(user))} />
      )}
      {closed && <Notice kind="info">{closed}</Notice>}
      <SelectionBar
        model={model}
        selection={selection}
        currency={event.currency}
        limit={limit}
        busy={holding.busy}
        closed={closed !== null}
        onHold={() => holding.submit(Boolean(user))}
        onShow={(seat) => map.current?.reveal(seat)}
      />
    </div>
  );
}

/** Restores what was chosen before the login, once; true from then on. */
function useResume(
  event: string,
  restore: (seats: string[], areas: Record<string, number>) => void,
): boolean {
  const [resumed, setResumed] = useState(false);
  useEffect(() => {
    const intent = takeIntent(event);
    if (!intent) return;
    restore(intent.seats, intent.areas);
    setResumed(true);
  }, [event]);
  return resumed;
}
