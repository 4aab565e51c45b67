// What has been sold: figures and a chart that follow the sale every two seconds, and the price categories, which are
// counted ticket by ticket and therefore asked for less often.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { getReport } from "../api/endpoints";
import type { Report } from "../api/types";
import { formatMoney } from "../lib/money";
import { handledAsLogin } from "../lib/session";
import { Failure, Spinner } from "../ui/basics";
import { getSales, type Sales } from "./api";
import { mergePoints, RANGES, type RangeName } from "./chart";
import type { DeskProps } from "./EventManagePage";
import { SalesChart } from "./SalesChart";
import { useEvery } from "./useEvery";

const SALES_MS = 2000;
const CATEGORIES_MS = 5000;

export function SalesReport({ event }: DeskProps): JSX.Element {
  const [range, setRange] = useState<RangeName>("hour");
  const { sales, error } = useSales(event.id, RANGES[range].step);
  if (!sales) return error ? <Failure error={error} /> : <Spinner label="Loading the sales" />;
  return (
    <section class="report" aria-label="Sales">
      <div class="report-head">
        <h2>Sales</h2>
        <a
          class="button button-quiet"
          href={`/v1/events/${encodeURIComponent(event.id)}/bookings.csv`}
          download
        >
          Bookings as CSV
        </a>
      </div>
      <Figures sales={sales} />
      {error !== null && <p class="map-stale">Connection lost: these figures are old.</p>}
      <SalesChart sales={sales} range={range} onRange={setRange} />
      <Categories event={event.id} sales={sales} />
    </section>
  );
}

/** The newest figures with all points so far; after the first answer only what is new is asked for. */
function useSales(event: string, step: "minute" | "hour"): { sales: Sales | null; error: unknown } {
  const [sales, setSales] = useState<{ step: string; sales: Sales } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [known] = useState<{ step: string; points: Sales["points"] }>({ step: "", points: [] });
  useEvery(`${event} ${step}`, SALES_MS, async () => {
    try {
      if (known.step !== step) Object.assign(known, { step, points: [] });
      const fresh = await getSales(event, step, known.points.at(-1)?.from);
      if (known.step !== step) return;
      known.points = mergePoints(known.points, fresh.points);
      setSales({ step, sales: { ...fresh, points: known.points } });
      setError(null);
    } catch (problem) {
      if (!handledAsLogin(problem)) setError(problem);
    }
  });
  return { sales: sales?.sales ?? null, error };
}

function Figures({ sales }: { sales: Sales }): JSX.Element {
  const figure = (name: string, value: string): JSX.Element => (
    <div class="figure">
      <dt>{name}</dt>
      <dd data-figure={name.toLowerCase().replace(" ", "-")}>{value}</dd>
    </div>
  );
  return (
    <dl class="figures">
      {figure("Booked", sales.booked.toLocaleString())}
      {figure("Held", sales.held.toLocaleString())}
      {figure("Available", sales.available.toLocaleString())}
      {figure("Blocked", sales.blocked.toLocaleString())}
      {figure("Revenue", formatMoney(sales.revenue, sales.currency))}
      {sales.returned > 0 && figure("Given back", formatMoney(sales.refunded, sales.currency))}
    </dl>
  );
}

/** Asked for again only when something has changed: every ticket is counted for it. */
function Categories({ event, sales }: { event: string; sales: Sales }): JSX.Element | null {
  const [report, setReport] = useState<Report | null>(null);
  const { held, blocked, places, returned, currency } = sales;
  const wanted = useRef("");
  wanted.current = [held, blocked, places, returned].join();
  const known = useRef("");
  useEvery(event, CATEGORIES_MS, async () => {
    const asked = wanted.current;
    if (known.current === asked) return;
    setReport(await getReport(event));
    known.current = asked;
  });
  if (!report) return null;
  return (
    <div class="table-scroll">
      <table class="table">
        <caption>By category</caption>
        <thead>
          <tr>
            <th scope="col">Category</th>
            <th scope="col">Booked</th>
            <th scope="col">Held</th>
            <th scope="col">Available</th>
            <th scope="col">Revenue</th>
          </tr>
        </thead>
        <tbody>
          {report.by_category.map((row) => (
            <tr key={row.category}>
              <th scope="row">{row.category}</th>
              <td>{row.booked.toLocaleString()}</td>
              <td>{row.held.toLocaleString()}</td>
              <td>{row.available.toLocaleString()}</td>
              <td>{formatMoney(row.revenue, currency)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
