// From the points of a sale to what a chart draws: bars of equal spans up to now, and the sum of the money along them.
import type { SalePoint } from "./api";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export interface Range {
  label: string;
  step: "minute" | "hour";
  /** null: from the first sale on. */
  lengthMs: number | null;
  spanMs: number;
}

export const RANGES = {
  hour: { label: "Last hour", step: "minute", lengthMs: HOUR, spanMs: MINUTE },
  day: { label: "Last day", step: "minute", lengthMs: 24 * HOUR, spanMs: 30 * MINUTE },
  all: { label: "All", step: "hour", lengthMs: null, spanMs: HOUR },
} as const satisfies Record<string, Range>;

export type RangeName = keyof typeof RANGES;

export interface Bar {
  fromMs: number;
  places: number;
  revenue: number;
  returned: number;
  refunded: number;
  /** Money of the sale up to the bar's end, that of before the chart included; what was given back taken off. */
  sum: number;
}

const BARS_MAX = 96;

/** Both oldest first; what is in `fresh` replaces what was known of the same time. */
export function mergePoints(known: SalePoint[], fresh: SalePoint[]): SalePoint[] {
  const first = fresh[0]?.from;
  if (first === undefined) return known;
  return [...known.filter((point) => point.from < first), ...fresh];
}

/** `total`: the money of the whole sale, without what was given back. */
export function barsOf(points: SalePoint[], range: Range, nowMs: number, total: number): Bar[] {
  const end = Math.floor(nowMs / range.spanMs) * range.spanMs;
  const earliest = points.length > 0 ? Date.parse(points[0]!.from) : nowMs;
  const length = range.lengthMs ?? Math.max(HOUR, end - earliest + range.spanMs);
  const times = Math.ceil(length / range.spanMs / BARS_MAX);
  const span = range.spanMs * Math.max(1, times);
  const count = Math.max(1, Math.ceil(length / span));
  const start = end + range.spanMs - count * span;
  const bars = Array.from({ length: count }, (_, index) => ({
    fromMs: start + index * span,
    places: 0,
    revenue: 0,
    returned: 0,
    refunded: 0,
    sum: 0,
  }));
  for (const point of points) {
    const bar = bars[Math.floor((Date.parse(point.from) - start) / span)];
    if (!bar) continue;
    bar.places += point.places;
    bar.revenue += point.revenue;
    bar.returned += point.returned;
    bar.refunded += point.refunded;
  }
  let sum = total - bars.reduce((all, bar) => all + bar.revenue - bar.refunded, 0);
  for (const bar of bars) bar.sum = sum += bar.revenue - bar.refunded;
  return bars;
}

/** A round number at or above it, for the top of an axis. */
export function roundUp(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value)!;
}
