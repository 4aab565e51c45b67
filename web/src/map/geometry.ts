// Plain geometry, no canvas: boxes, hulls, point in polygon.
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const cross = (ax: number, ay: number, bx: number, by: number, cx: number, cy: number): number =>
  (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);

/** One side of Andrew's monotone chain, over indexes already in order. */
function chain(order: Iterable<number>, x: ArrayLike<number>, y: ArrayLike<number>): number[] {
  const hull: number[] = [];
  for (const i of order) {
    while (hull.length >= 2) {
      const a = hull[hull.length - 2]!;
      const b = hull[hull.length - 1]!;
      if (cross(x[a]!, y[a]!, x[b]!, y[b]!, x[i]!, y[i]!) > 0) break;
      hull.pop();
    }
    hull.push(i);
  }
  hull.pop();
  return hull;
}

/** Convex hull of points [first, first+count), pushed outwards by `margin`, as x,y pairs. */
export function convexHull(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  first: number,
  count: number,
  margin: number,
): Float32Array {
  const order = Array.from({ length: count }, (_, i) => first + i);
  order.sort((a, b) => x[a]! - x[b]! || y[a]! - y[b]!);
  const around = [...chain(order, x, y), ...chain(order.slice().reverse(), x, y)];
  const corners = around.length > 0 ? around : order.slice(0, 1);
  return inflate(corners, x, y, margin);
}

/** Replaces each corner by the corners of a small octagon around it and takes the hull of those. */
function inflate(
  corners: number[],
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  margin: number,
): Float32Array {
  const px: number[] = [];
  const py: number[] = [];
  for (const corner of corners) {
    for (let k = 0; k < 8; k++) {
      const angle = (k + 0.5) * (Math.PI / 4);
      px.push(x[corner]! + Math.cos(angle) * margin);
      py.push(y[corner]! + Math.sin(angle) * margin);
    }
  }
  const order = px.map((_, i) => i).sort((a, b) => px[a]! - px[b]! || py[a]! - py[b]!);
  const around = [...chain(order, px, py), ...chain(order.slice().reverse(), px, py)];
  const hull = new Float32Array(around.length * 2);
  around.forEach((i, k) => {
    hull[2 * k] = px[i]!;
    hull[2 * k + 1] = py[i]!;
  });
  return hull;
}

/** Centre of mass; the mean of the corners for degenerate outlines. */
export function polygonCentre(points: ArrayLike<number>): [number, number] {
  let area = 0;
  let cx = 0;
  let cy = 0;
  let sumX = 0;
  let sumY = 0;
  const n = points.length / 2;
  for (let i = 0; i < n; i++) {
    const j = (i + 1) % n;
    const [xi, yi, xj, yj] = [
      points[2 * i]!,
      points[2 * i + 1]!,
      points[2 * j]!,
      points[2 * j + 1]!,
    ];
    const part = xi * yj - xj * yi;
    area += part;
    cx += (xi + xj) * part;
    cy += (yi + yj) * part;
    sumX += xi;
    sumY += yi;
  }
  return Math.abs(area) < 1e-9
    ? [sumX / Math.max(1, n), sumY / Math.max(1, n)]
    : [cx / (3 * area), cy / (3 * area)];
}

export function pointInPolygon(points: ArrayLike<number>, px: number, py: number): boolean {
  let inside = false;
  const n = points.length / 2;
  for (let i = 0, j = n - 1; i < n; j = i++) {
    const [xi, yi, xj, yj] = [
      points[2 * i]!,
      points[2 * i + 1]!,
      points[2 * j]!,
      points[2 * j + 1]!,
    ];
    if (yi > py !== yj > py && px < ((xj - xi) * (py - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

export const overlaps = (a: Box, b: Box): boolean =>
  a.left <= b.right && a.right >= b.left && a.top <= b.bottom && a.bottom >= b.top;
