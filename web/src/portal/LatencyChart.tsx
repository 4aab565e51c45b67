// How long the last attempts took: median and 99th percentile, old to new. The same numbers are in the points' titles.
import type { JSX } from "preact";
import { formatMs, formatTime, type LatencyPoint } from "./text";

const WIDTH = 640;
const HEIGHT = 154;
const FLOOR = 122;
const TOP = 14;
const LEFT = 98;

export function LatencyChart({ points }: { points: LatencyPoint[] }): JSX.Element {
  if (points.length === 0)
    return <p class="field-hint">The first attempt will start a chart of latency here.</p>;
  const most = Math.max(1, ...points.map(({ p99 }) => p99));
  const total = points.reduce((sum, { count }) => sum + count, 0);
  const step = points.length > 1 ? (WIDTH - LEFT - 10) / (points.length - 1) : 0;
  const x = (i: number): number => LEFT + 4 + i * step;
  const y = (ms: number): number => FLOOR - (ms / most) * (FLOOR - TOP);
  const line = (name: "p50" | "p99"): string =>
    points.map((point, i) => `${x(i).toFixed(1)},${y(point[name]).toFixed(1)}`).join(" ");
  const first = points[0]!;
  const last = points[points.length - 1]!;
  return (
    <figure class="chart latency">
      <figcaption>
        Latency of the last {total === 1 ? "attempt" : `${total} attempts`}
        <span class="latency-key">
          <i class="key-p50" aria-hidden="true" /> p50
          <i class="key-p99" aria-hidden="true" /> p99
        </span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`Latency from ${formatTime(first.from)} to ${formatTime(last.to)}: p50 last ${formatMs(last.p50)}, p99 last ${formatMs(last.p99)}, at most ${formatMs(most)}`}
      >
        <line class="chart-line" x1={LEFT} y1={FLOOR} x2={WIDTH} y2={FLOOR} />
        <line class="chart-line chart-top" x1={LEFT} y1={TOP} x2={WIDTH} y2={TOP} />
        <text class="chart-text" x={LEFT - 8} y={TOP + 5} text-anchor="end">
          {formatMs(most)}
        </text>
        <text class="chart-text" x={LEFT - 8} y={FLOOR + 4} text-anchor="end">
          0
        </text>
        <polyline class="latency-p99" points={line("p99")} />
        <polyline class="latency-p50" points={line("p50")} />
        {points.map((point, i) => (
          <g key={point.from + i}>
            <circle class="dot-p99" cx={x(i)} cy={y(point.p99)} r="3.5" />
            <circle class="dot-p50" cx={x(i)} cy={y(point.p50)} r="3.5" />
            <rect
              class="latency-hit"
              x={x(i) - step / 2}
              y={TOP}
              width={Math.max(8, step)}
              height={FLOOR - TOP}
            >
              <title>
                {`${formatTime(point.to)}: p50 ${formatMs(point.p50)}, p99 ${formatMs(point.p99)}, ${point.count} attempts`}
              </title>
            </rect>
          </g>
        ))}
        <text class="chart-text" x={LEFT} y={FLOOR + 25}>
          {formatTime(first.from)}
        </text>
        {points.length > 1 && (
          <text class="chart-text" x={WIDTH} y={FLOOR + 25} text-anchor="end">
            {formatTime(last.to)}
          </text>
        )}
      </svg>
    </figure>
  );
}
