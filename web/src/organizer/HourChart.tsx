// Places sold per hour as bars. The same numbers are in the bars' titles and in the chart's description.
import type { JSX } from "preact";
import type { Report } from "../api/types";
import { formatShortMoment } from "../lib/dates";
import { formatMoney } from "../lib/money";

const WIDTH = 640;
const HEIGHT = 180;
const FLOOR = 154;
const HOURS_MAX = 72;

export function HourChart({
  hours,
  currency,
}: {
  hours: Report["by_hour"];
  currency: string;
}): JSX.Element {
  const shown = hours.slice(-HOURS_MAX);
  if (shown.length === 0)
    return <p class="field-hint">The first sale will start a chart by the hour here.</p>;
  const most = Math.max(1, ...shown.map((hour) => hour.places));
  const step = Math.min(48, (WIDTH - 44) / shown.length);
  const first = shown[0]!;
  const last = shown[shown.length - 1]!;
  const total = shown.reduce((sum, hour) => sum + hour.places, 0);
  return (
    <figure class="chart">
      <figcaption>Places sold per hour</figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${total} places sold from ${formatShortMoment(first.hour)} to ${formatShortMoment(last.hour)}, at most ${most} in an hour`}
      >
        <line class="chart-line" x1="40" y1={FLOOR} x2={WIDTH} y2={FLOOR} />
        <line class="chart-line chart-top" x1="40" y1="14" x2={WIDTH} y2="14" />
        <text class="chart-text" x="34" y="18" text-anchor="end">
          {most.toLocaleString()}
        </text>
        <text class="chart-text" x="34" y={FLOOR + 4} text-anchor="end">
          0
        </text>
        {shown.map((hour, index) => {
          const height = (hour.places / most) * (FLOOR - 14);
          return (
            <rect
              key={hour.hour}
              class="chart-bar"
              x={44 + index * step}
              y={FLOOR - height}
              width={Math.max(1, step - 3)}
              height={height}
              rx={Math.min(4, step / 4)}
            >
              <title>
                {formatShortMoment(hour.hour)}: {hour.places}
                {`, ${formatMoney(hour.revenue, currency)}`}
              </title>
            </rect>
          );
        })}
        <text class="chart-text" x="44" y={FLOOR + 19}>
          {formatShortMoment(first.hour)}
        </text>
        {shown.length > 1 && (
          <text class="chart-text" x={WIDTH} y={FLOOR + 19} text-anchor="end">
            {formatShortMoment(last.hour)}
          </text>
        )}
      </svg>
    </figure>
  );
}
