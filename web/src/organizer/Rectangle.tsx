// A sheet over the map on which a rectangle of seats is drawn. A tap, or a rectangle of no size, is one seat's.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { MapController } from "../map/controller";
import { toPlan } from "../map/view";

const TAP_MAX = 6;

interface Corner {
  x: number;
  y: number;
}

export interface RectangleProps {
  map: MapController | null;
  onSeats(seats: number[]): void;
  onTap(seat: number): void;
}

export function Rectangle({ map, onSeats, onTap }: RectangleProps): JSX.Element {
  const sheet = useRef<SVGSVGElement>(null);
  const [from, setFrom] = useState<Corner | null>(null);
  const [to, setTo] = useState<Corner | null>(null);
  const at = (event: PointerEvent): Corner => {
    const box = sheet.current!.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const end = (event: PointerEvent): void => {
    if (from && map) {
      const [own, canvas] = [sheet.current!, map.canvas].map((item) => item.getBoundingClientRect());
      const onMap = ({ x, y }: Corner): Corner => ({
        x: x + own!.left - canvas!.left,
        y: y + own!.top - canvas!.top,
      });
      choose(map, onMap(from), onMap(at(event)), onSeats, onTap);
    }
    setFrom(null);
    setTo(null);
  };
  return (
    <svg
      ref={sheet}
      class="desk-sheet"
      aria-hidden="true"
      onPointerDown={(event) => {
        sheet.current!.setPointerCapture(event.pointerId);
        setFrom(at(event));
        setTo(at(event));
      }}
      onPointerMove={(event) => from && setTo(at(event))}
      onPointerUp={end}
      onPointerCancel={() => setFrom(null)}
    >
      {from && to && (
        <rect
          x={Math.min(from.x, to.x)}
          y={Math.min(from.y, to.y)}
          width={Math.abs(to.x - from.x)}
          height={Math.abs(to.y - from.y)}
        />
      )}
    </svg>
  );
}

function choose(
  map: MapController,
  from: Corner,
  to: Corner,
  onSeats: (seats: number[]) => void,
  onTap: (seat: number) => void,
): void {
  const { grid, model } = map.scene;
  const [x1, y1] = toPlan(map.view, Math.min(from.x, to.x), Math.min(from.y, to.y));
  const [x2, y2] = toPlan(map.view, Math.max(from.x, to.x), Math.max(from.y, to.y));
  if (Math.hypot(to.x - from.x, to.y - from.y) < TAP_MAX) {
    const seat = grid.nearest(x2, y2, model.pitch);
    if (seat >= 0) onTap(seat);
    return;
  }
  const seats: number[] = [];
  grid.each({ left: x1, top: y1, right: x2, bottom: y2 }, (seat) => {
    const [x, y] = [model.x[seat]!, model.y[seat]!];
    if (x >= x1 && x <= x2 && y >= y1 && y <= y2) seats.push(seat);
  });
  onSeats(seats);
}
