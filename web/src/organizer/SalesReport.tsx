// What has been sold: figures, by price category, by hour; asked for again every few seconds.
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { getReport } from "../api/endpoints";
import type { EventView, Report } from "../api/types";
import { formatMoney } from "../lib/money";
import { Failure, Spinner, useLoad } from "../ui/basics";
import { HourChart } from "./HourChart";

const REFRESH_MS = 5000;

export function SalesReport({ event }: { event: EventView }): JSX.Element {
  const report = useLoad(`report ${event.id}`, () => getReport(event.id));
  useEffect(() => {
    const timer = setInterval(
      () => document.visibilityState === "visible" && report.reload(),
      REFRESH_MS,
    );
    return () => clearInterval(timer);
  }, [event.id]);
  if (report.error && !report.data) return <Failure error={report.error} onRetry={report.reload} />;
  if (!report.data) return <Spinner label="Loading the sales" />;
  return <Figures event={event} report={report.data} />;
}

function Figures({ event, report }: { event: EventView; report: Report }): JSX.Element {
  const currency = report.currency ?? event.currency;
  const figure = (name: string, value: string): JSX.Element => (
    <div class="figure">
      <dt>{name}</dt>
      <dd data-figure={name.toLowerCase()}>{value}</dd>
    </div>
  );
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
      <dl class="figures">
        {figure("Booked", report.booked.toLocaleString())}
        {figure("Held", report.held.toLocaleString())}
        {figure("Available", report.available.toLocaleString())}
        {figure("Blocked", report.blocked.toLocaleString())}
        {figure("Revenue", formatMoney(report.revenue, currency))}
      </dl>
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
      <HourChart hours={report.by_hour} currency={currency} />
    </section>
  );
}
