// Where the plan lies on the canvas: screen = plan * scale + offset, in CSS pixels. Immutable values.
import type { Box } from "./geometry";

export interface View {
  scale: number;
  x: number;
  y: number;
}

export interface Frame {
  width: number;
  height: number;
  bounds: Box;
  pitch: number;
}

const MARGIN = 20;
const SEAT_PX_MAX = 46;

export function fitBox(frame: Frame, box: Box, margin = MARGIN): View {
  const width = Math.max(box.right - box.left, 1e-6);
  const height = Math.max(box.bottom - box.top, 1e-6);
  const room = (side: number): number => Math.max(side - 2 * margin, side / 2, 1);
  const scale = Math.min(
    room(frame.width) / width,
    room(frame.height) / height,
    SEAT_PX_MAX / frame.pitch,
  );
  return {
    scale,
    x: frame.width / 2 - ((box.left + box.right) / 2) * scale,
    y: frame.height / 2 - ((box.top + box.bottom) / 2) * scale,
  };
}

export const fitAll = (frame: Frame): View => fitBox(frame, frame.bounds);

/** Keeps the scale between "all of it" and "seats as large as a thumb", and some of the plan in sight. */
export function clampView(frame: Frame, view: View): View {
  const least = fitAll(frame).scale * 0.8;
  const most = Math.max(SEAT_PX_MAX / frame.pitch, least);
  const scale = Math.min(most, Math.max(least, view.scale));
  const keep = (offset: number, side: number, low: number, high: number): number => {
    const visible = Math.min(side / 2, ((high - low) * scale) / 2);
    return Math.min(side - visible - low * scale, Math.max(visible - high * scale, offset));
  };
  return {
    scale,
    x: keep(view.x, frame.width, frame.bounds.left, frame.bounds.right),
    y: keep(view.y, frame.height, frame.bounds.top, frame.bounds.bottom),
  };
}

/** Zooms so that the plan's point under (px, py) stays there. */
export function zoomAt(frame: Frame, view: View, factor: number, px: number, py: number): View {
  const limited = clampView(frame, { ...view, scale: view.scale * factor }).scale;
  const ratio = limited / view.scale;
  return clampView(frame, {
    scale: limited,
    x: px - (px - view.x) * ratio,
    y: py - (py - view.y) * ratio,
  });
}

export const toPlan = (view: View, px: number, py: number): [number, number] => [
  (px - view.x) / view.scale,
  (py - view.y) / view.scale,
];

export const toScreen = (view: View, x: number, y: number): [number, number] => [
  x * view.scale + view.x,
  y * view.scale + view.y,
];

export function visibleBox(frame: Frame, view: View, margin: number): Box {
  const [left, top] = toPlan(view, 0, 0);
  const [right, bottom] = toPlan(view, frame.width, frame.height);
  return { left: left - margin, top: top - margin, right: right + margin, bottom: bottom + margin };
}

/** A view on the way from a to b, t from 0 to 1; scale moves geometrically. */
export function between(a: View, b: View, t: number): View {
  const ease = t * t * (3 - 2 * t);
  const scale = a.scale * (b.scale / a.scale) ** ease;
  const mix = Math.abs(b.scale - a.scale) < 1e-9 ? ease : (scale - a.scale) / (b.scale - a.scale);
  return { scale, x: a.x + (b.x - a.x) * mix, y: a.y + (b.y - a.y) * mix };
}
