// Places and money over time: bars and a line of one drawing, and the same numbers as a table.
import type { JSX } from "preact";
import { formatShortMoment } from "../lib/dates";
import { formatMoney } from "../lib/money";
import type { Sales } from "./api";
import { barsOf, RANGES, roundUp, type Bar, type RangeName } from "./chart";

const TOP = 16;
const FLOOR = 216;
const LEFT = 44;
const MONEY = 96;
/** In units of the drawing, which are about pixels: text stays readable on a phone. */
const widthOf = (): number => Math.max(340, Math.min(1100, window.innerWidth - 40));

export interface SalesChartProps {
  sales: Sales;
  range: RangeName;
  onRange(range: RangeName): void;
}

export function SalesChart({ sales, range, onRange }: SalesChartProps): JSX.Element {
  const total = sales.revenue - sales.refunded;
  const bars = barsOf(sales.points, RANGES[range], Date.parse(sales.at), total);
  return (
    <figure class="chart sales-chart" data-places={sales.places}>
      <figcaption>Places sold and money taken</figcaption>
      <div class="chart-ranges" role="group" aria-label="Time shown">
        {Object.entries(RANGES).map(([name, { label }]) => (
          <button
            key={name}
            type="button"
            class="button button-small"
            aria-pressed={name === range}
            onClick={() => onRange(name as RangeName)}
          >
            {label}
          </button>
        ))}
      </div>
      <Drawing bars={bars} currency={sales.currency} />
      <p class="chart-legend">
        <span class="chart-key chart-key-bar" aria-hidden="true" /> places sold
        <span class="chart-key chart-key-line" aria-hidden="true" /> money taken in all
      </p>
      <Numbers bars={bars} currency={sales.currency} />
    </figure>
  );
}

const momentOf = (bar: Bar): string => formatShortMoment(new Date(bar.fromMs).toISOString());

function Drawing({ bars, currency }: { bars: Bar[]; currency: string }): JSX.Element {
  const width = widthOf();
  const right = width - MONEY;
  const most = roundUp(Math.max(1, ...bars.map((bar) => bar.places)));
  const money = roundUp(Math.max(1, ...bars.map((bar) => bar.sum)));
  const step = (right - LEFT) / bars.length;
  const x = (index: number): number => LEFT + index * step;
  const sold = bars.reduce((sum, bar) => sum + bar.places, 0);
  const first = momentOf(bars[0]!);
  const line = bars
    .map((bar, index) => `${x(index) + step / 2},${FLOOR - (bar.sum / money) * (FLOOR - TOP)}`)
    .join(" ");
  const text = (at: [number, number], anchor: "start" | "end", value: string): JSX.Element => (
    <text class="chart-text" x={at[0]} y={at[1]} text-anchor={anchor}>
      {value}
    </text>
  );
  return (
    <svg
      viewBox={`0 0 ${width} ${FLOOR + 26}`}
      role="img"
      aria-label={`${sold} places sold since ${first}; ${formatMoney(bars.at(-1)!.sum, currency)} taken in all. The table below has the numbers.`}
    >
      <line class="chart-line" x1={LEFT} y1={FLOOR} x2={right} y2={FLOOR} />
      <line class="chart-line chart-top" x1={LEFT} y1={TOP} x2={right} y2={TOP} />
      {text([LEFT - 6, TOP + 4], "end", most.toLocaleString())}
      {text([LEFT - 6, FLOOR + 4], "end", "0")}
      {text([right + 6, TOP + 4], "start", formatMoney(money, currency))}
      {bars.map((bar, index) => {
        const height = (bar.places / most) * (FLOOR - TOP);
        return (
          bar.places > 0 && (
            <rect
              key={bar.fromMs}
              class="chart-bar"
              x={x(index) + 0.5}
              y={FLOOR - height}
              width={Math.max(1, step - 1.5)}
              height={height}
              rx={Math.min(3, step / 4)}
            >
              <title>{`${momentOf(bar)}: ${bar.places}, ${formatMoney(bar.revenue, currency)}`}</title>
            </rect>
          )
        );
      })}
      <polyline class="chart-curve" points={line} />
      {text([LEFT, FLOOR + 20], "start", first)}
      {text([right, FLOOR + 20], "end", "now")}
    </svg>
  );
}

function Numbers({ bars, currency }: { bars: Bar[]; currency: string }): JSX.Element {
  const rows = bars.filter((bar) => bar.places > 0 || bar.returned > 0).reverse();
  return (
    <details class="chart-numbers">
      <summary>The same as a table</summary>
      {rows.length === 0 ? (
        <p class="field-hint">Nothing was sold in this time.</p>
      ) : (
        <div class="table-scroll">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">From</th>
                <th scope="col">Places</th>
                <th scope="col">Revenue</th>
                <th scope="col">Given back</th>
                <th scope="col">Taken in all</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((bar) => (
                <tr key={bar.fromMs}>
                  <th scope="row">{momentOf(bar)}</th>
                  <td>{bar.places.toLocaleString()}</td>
                  <td>{formatMoney(bar.revenue, currency)}</td>
                  <td>{formatMoney(bar.refunded, currency)}</td>
                  <td>{formatMoney(bar.sum, currency)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
