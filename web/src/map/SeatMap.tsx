// The seat map as a component: the canvas, its buttons, the tooltip, and what screen readers are told.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { FREE, stateName } from "../lib/seatbits";
import { formatMoney } from "../lib/money";
import { MapController } from "./controller";
import { seatNames, seatPrice, seatText, type SeatModel } from "./model";
import { Tooltip, type TooltipContent } from "./Tooltip";

export interface SeatMapProps {
  model: SeatModel;
  states: Uint8Array;
  /** Grows whenever states was written to. */
  statesVersion: number;
  selected: ReadonlySet<number>;
  conflicts: ReadonlySet<number>;
  only: number;
  currency: string;
  onToggle(seat: number): void;
  onArea?(area: number): void;
  onReady?(map: MapController): void;
  label: string;
}

const NOTHING: TooltipContent | null = null;

export function SeatMap(props: SeatMapProps): JSX.Element {
  const { model, states, statesVersion, selected, conflicts, only, label } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useRef<MapController | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [tooltip, setTooltip] = useState(NOTHING);
  const [spoken, setSpoken] = useState("");

  useLayoutEffect(() => {
    const controller = new MapController(canvas.current!, model, states, {
      onToggle: (seat) => latest.current.onToggle(seat),
      onArea: (area) => latest.current.onArea?.(area),
      onHover: (seat, x, y) =>
        setTooltip(seat < 0 ? null : seatTooltip(latest.current, seat, x, y)),
      onHoverSection: (section, x, y) =>
        setTooltip(sectionTooltip(controller, latest.current, section, x, y)),
      onFocusSeat: (seat) => setSpoken(describe(latest.current, seat)),
    });
    map.current = controller;
    latest.current.onReady?.(controller);
    return () => controller.release();
  }, [model, states]);

  useEffect(() => map.current?.statesChanged(), [statesVersion]);
  useEffect(
    () => map.current?.show({ selected, conflicts, only }),
    [model, selected, conflicts, only],
  );

  return (
    <div class="map">
      <canvas
        ref={canvas}
        class="map-canvas"
        tabIndex={0}
        role="application"
        aria-label={label}
        aria-describedby="map-help"
        data-seats={model.count}
      />
      <p id="map-help" class="visually-hidden">
        Arrow keys move from seat to seat, Enter chooses, plus and minus zoom, zero shows the whole
        venue. The list below the map offers the same seats.
      </p>
      <p class="visually-hidden" aria-live="polite">
        {spoken}
      </p>
      <div class="map-buttons" role="group" aria-label="Zoom">
        <button
          type="button"
          class="map-button"
          aria-label="Zoom in"
          onClick={() => map.current?.zoomBy(1.8)}
        >
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <path d="M10 4v12M4 10h12" />
          </svg>
        </button>
        <button
          type="button"
          class="map-button"
          aria-label="Zoom out"
          onClick={() => map.current?.zoomBy(1 / 1.8)}
        >
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <path d="M4 10h12" />
          </svg>
        </button>
        <button
          type="button"
          class="map-button"
          aria-label="Show the whole venue"
          onClick={() => map.current?.fit()}
        >
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <path d="M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4" />
          </svg>
        </button>
      </div>
      <Tooltip content={tooltip} />
    </div>
  );
}

function priceText(props: SeatMapProps, seat: number): string {
  const price = seatPrice(props.model, seat);
  return price === null ? "" : formatMoney(price, props.currency);
}

function stateText(props: SeatMapProps, seat: number): string {
  if (props.selected.has(seat)) return "your choice";
  if (props.conflicts.has(seat)) return "just taken by someone else";
  if (seatPrice(props.model, seat) === null) return "not for sale";
  return stateName(props.states[seat] ?? FREE);
}

function describe(props: SeatMapProps, seat: number): string {
  const level = props.model.categories[props.model.category[seat]!]?.name ?? "";
  return [seatText(props.model, seat), level, priceText(props, seat), stateText(props, seat)]
    .filter(Boolean)
    .join(", ");
}

function seatTooltip(props: SeatMapProps, seat: number, x: number, y: number): TooltipContent {
  const names = seatNames(props.model, seat);
  const level = props.model.categories[props.model.category[seat]!];
  const free = props.states[seat] === FREE && level?.price !== null;
  return {
    x,
    y,
    title: names.section,
    facts: [
      ["Row", names.row],
      ["Seat", names.number],
    ],
    color: level?.color ?? "",
    note:
      free || props.selected.has(seat)
        ? `${level?.name ?? ""} · ${priceText(props, seat)}`
        : stateText(props, seat),
  };
}

function sectionTooltip(
  map: MapController,
  props: SeatMapProps,
  index: number,
  x: number,
  y: number,
): TooltipContent {
  const section = props.model.sections[index]!;
  const level = props.model.categories[section.category];
  const free = Math.round((map.scene.freeShare[index] ?? 0) * section.count);
  const price =
    level && level.price !== null ? ` · ${formatMoney(level.price, props.currency)}` : "";
  return {
    x,
    y,
    title: section.name,
    facts: [["Available", free === 0 ? "none" : free.toLocaleString()]],
    color: level?.color ?? "",
    note: `${level?.name ?? ""}${price}`,
  };
}
