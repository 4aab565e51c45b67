// The seat map as a component: the canvas, its buttons, the tooltip, and what screen readers are told.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { FREE, stateName } from "../lib/seatbits";
import { formatMoney } from "../lib/money";
import type { SeatBoard } from "./board";
import { MapController } from "./controller";
import { seatNames, seatPrice, seatText } from "./model";
import { Tooltip, type TooltipContent } from "./Tooltip";

export interface SeatMapProps {
  board: SeatBoard;
  selected: ReadonlySet<number>;
  conflicts: ReadonlySet<number>;
  mine: ReadonlySet<number>;
  only: number;
  currency: string;
  /** Counts by section are all that is known. */
  isOverview?: boolean;
  onToggle(seat: number): void;
  onArea?(area: number): void;
  onReady?(map: MapController): void;
  label: string;
}

const NOTHING: TooltipContent | null = null;

export function SeatMap(props: SeatMapProps): JSX.Element {
  const { board, selected, conflicts, mine, only, label, isOverview = false } = props;
  const { model } = board;
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useRef<MapController | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [tooltip, setTooltip] = useState(NOTHING);
  const [spoken, setSpoken] = useState("");

  useLayoutEffect(() => {
    const events = {
      onToggle: (seat: number) => latest.current.onToggle(seat),
      onArea: (area: number) => latest.current.onArea?.(area),
      onHover: (seat: number, x: number, y: number) =>
        setTooltip(seat < 0 ? null : seatTooltip(latest.current, seat, x, y)),
      onHoverSection: (section: number, x: number, y: number) =>
        setTooltip(sectionTooltip(latest.current, section, x, y)),
      onFocusSeat: (seat: number) => setSpoken(describe(latest.current, seat)),
    };
    const controller = new MapController(canvas.current!, board, events, isOverview);
    map.current = controller;
    latest.current.onReady?.(controller);
    return () => controller.release();
  }, [board, isOverview]);

  useEffect(
    () => map.current?.show({ selected, conflicts, mine, only }),
    [board, isOverview, selected, conflicts, mine, only],
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
  const price = seatPrice(props.board.model, seat);
  return price === null ? "" : formatMoney(price, props.currency);
}

function stateText(props: SeatMapProps, seat: number): string {
  if (props.selected.has(seat)) return "your choice";
  if (props.mine.has(seat)) return "yours";
  if (props.conflicts.has(seat)) return "gone: just taken by someone else";
  if (seatPrice(props.board.model, seat) === null) return "not for sale";
  return stateName(props.board.states[seat] ?? FREE);
}

function describe(props: SeatMapProps, seat: number): string {
  const { model } = props.board;
  const level = model.categories[model.category[seat]!]?.name ?? "";
  return [seatText(model, seat), level, priceText(props, seat), stateText(props, seat)]
    .filter(Boolean)
    .join(", ");
}

function seatTooltip(props: SeatMapProps, seat: number, x: number, y: number): TooltipContent {
  const { model, states } = props.board;
  const names = seatNames(model, seat);
  const level = model.categories[model.category[seat]!];
  const free = states[seat] === FREE && level?.price !== null;
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
  props: SeatMapProps,
  index: number,
  x: number,
  y: number,
): TooltipContent {
  const { model, sectionFree } = props.board;
  const section = model.sections[index]!;
  const level = model.categories[section.category];
  const free = sectionFree[index] ?? 0;
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
