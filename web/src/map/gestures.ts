// Pointers, wheel and pinch on an element, told as pan, zoom, tap, double tap and hover.
export interface GestureTarget {
  pan(dx: number, dy: number): void;
  zoom(factor: number, x: number, y: number): void;
  tap(x: number, y: number): void;
  /** A second tap at the same place, in place of its tap(). */
  doubleTap(x: number, y: number): void;
  hover(x: number, y: number): void;
  leave(): void;
}

const TAP_MOVE_MAX = 7;
const DOUBLE_TAP_MS = 320;

interface Point {
  x: number;
  y: number;
}

export function attachGestures(element: HTMLElement, target: GestureTarget): () => void {
  const pointers = new Map<number, Point>();
  let moved = 0;
  let wasPinch = false;
  let lastTap = { x: 0, y: 0, at: -Infinity };

  const at = (event: PointerEvent | WheelEvent): Point => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  const down = (event: PointerEvent): void => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    if (pointers.size === 0) {
      moved = 0;
      wasPinch = false;
    }
    pointers.set(event.pointerId, at(event));
    if (pointers.size > 1) wasPinch = true;
  };

  const pinch = (id: number, from: Point, to: Point): void => {
    let other: Point | undefined;
    for (const [key, point] of pointers) if (key !== id) other = point;
    if (!other) return;
    const before = Math.hypot(from.x - other.x, from.y - other.y);
    const after = Math.hypot(to.x - other.x, to.y - other.y);
    if (before > 4 && after > 4)
      target.zoom(after / before, (to.x + other.x) / 2, (to.y + other.y) / 2);
    target.pan((to.x - from.x) / 2, (to.y - from.y) / 2);
  };

  const move = (event: PointerEvent): void => {
    const to = at(event);
    const from = pointers.get(event.pointerId);
    if (!from) {
      if (event.pointerType === "mouse") target.hover(to.x, to.y);
      return;
    }
    moved = Math.max(moved, Math.hypot(to.x - from.x, to.y - from.y));
    if (pointers.size === 2) pinch(event.pointerId, from, to);
    else if (moved > TAP_MOVE_MAX && pointers.size === 1) target.pan(to.x - from.x, to.y - from.y);
    else return;
    pointers.set(event.pointerId, to);
  };

  const up = (event: PointerEvent): void => {
    const point = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (
      !point ||
      pointers.size > 0 ||
      wasPinch ||
      moved > TAP_MOVE_MAX ||
      event.type === "pointercancel"
    )
      return;
    const isDouble =
      event.timeStamp - lastTap.at < DOUBLE_TAP_MS &&
      Math.hypot(point.x - lastTap.x, point.y - lastTap.y) < 24;
    lastTap = { ...point, at: isDouble ? -Infinity : event.timeStamp };
    if (isDouble) target.doubleTap(point.x, point.y);
    else target.tap(point.x, point.y);
  };

  const wheel = (event: WheelEvent): void => {
    event.preventDefault();
    const point = at(event);
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0022;
    target.zoom(
      Math.exp(-Math.max(-120, Math.min(120, event.deltaY * lines)) * speed),
      point.x,
      point.y,
    );
  };

  const leave = (): void => target.leave();
  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointerleave", leave);
  element.addEventListener("wheel", wheel, { passive: false });
  return () => {
    element.removeEventListener("pointerdown", down);
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", up);
    element.removeEventListener("pointercancel", up);
    element.removeEventListener("pointerleave", leave);
    element.removeEventListener("wheel", wheel);
  };
}
