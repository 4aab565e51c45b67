// One endpoint: how it does, what was sent there, its secret, a test, and switching it off.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { serverNow } from "../api/clock";
import { Problem } from "../api/client";
import { Link, navigate } from "../lib/router";
import { Ask } from "../ui/Ask";
import { Failure, Notice, Spinner, usePage } from "../ui/basics";
import {
  deleteEndpoint,
  getEndpoint,
  getHealth,
  getStats,
  listDeliveries,
  listLatencies,
  patchEndpoint,
} from "./api";
import { Condition } from "./EndpointsPage";
import { LatencyChart } from "./LatencyChart";
import { ROOT } from "./paths";
import { Nothing } from "./Nothing";
import { SecretCard } from "./SecretCard";
import { TestSend } from "./TestSend";
import {
  DISABLED_WORDS,
  formatMs,
  formatTime,
  fromNow,
  latencyPoints,
  STATUS_WORDS,
  typesOf,
  type LatencyPoint,
} from "./text";
import type { Delivery, Endpoint, Health, Stats } from "./types";
import { usePoll } from "./usePoll";

interface Shown {
  endpoint: Endpoint;
  health: Health;
  stats: Stats;
  points: LatencyPoint[];
  deliveries: Delivery[];
}

async function loadAll(ep: string): Promise<Shown> {
  const [endpoint, health, stats, attempts, deliveries] = await Promise.all([
    getEndpoint(ep),
    getHealth(ep),
    getStats(ep),
    listLatencies(ep),
    listDeliveries(ep, {}),
  ]);
  return {
    endpoint,
    health,
    stats,
    points: latencyPoints(attempts.data),
    deliveries: deliveries.data,
  };
}

export function EndpointPage({ ep }: { ep: string }): JSX.Element {
  const { data, error, reload } = usePoll(`endpoint ${ep}`, () => loadAll(ep));
  if (error instanceof Problem && error.status === 404)
    return (
      <Nothing title="No such endpoint">
        <Link class="button button-main" href={ROOT}>
          To the endpoints
        </Link>
      </Nothing>
    );
  return (
    <>
      {error !== undefined && <Failure error={error} onRetry={reload} />}
      {!data && error === undefined && <Spinner label="Loading the endpoint" />}
      {data && <Loaded shown={data} reload={reload} />}
    </>
  );
}

function Loaded({ shown, reload }: { shown: Shown; reload(): void }): JSX.Element {
  const { endpoint, health } = shown;
  const page = usePage("Endpoint");
  const remove = async (): Promise<void> => {
    await deleteEndpoint(endpoint.id);
    navigate(ROOT);
  };
  return (
    <>
      <div class="portal-head-block">
        <p class="crumb">
          <Link href={ROOT}>Endpoints</Link>
        </p>
        <h1 {...page} class="portal-h1">
          {endpoint.url}
        </h1>
        <p class="portal-facts">
          <Condition endpoint={endpoint} isOpen={health.state !== "closed"} />
          <span>{typesOf(endpoint)}</span>
          {endpoint.description !== "" && <span>{endpoint.description}</span>}
        </p>
      </div>
      <section class="actions" aria-label="Change this endpoint">
        <div class="actions-row">
          <Link class="button" href={`${ROOT}/endpoints/${endpoint.id}/edit`}>
            Edit
          </Link>
          <Ask
            label="Delete…"
            question="Delete this endpoint? What waits for it becomes dead letters."
            yes="Delete it"
            no="Keep it"
            act={remove}
            handled={() => false}
          />
        </div>
      </section>
      {endpoint.disabled && <Disabled endpoint={endpoint} reload={reload} />}
      <HealthCard shown={shown} />
      <div class="portal-columns">
        <TestSend ep={endpoint.id} onSent={reload} />
        <SecretCard ep={endpoint.id} />
      </div>
      <Deliveries deliveries={shown.deliveries} />
    </>
  );
}

function Disabled({ endpoint, reload }: { endpoint: Endpoint; reload(): void }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const enable = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await patchEndpoint(endpoint.id, { disabled: false });
      reload();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  return (
    <Notice kind="warn" title="Nothing is sent here">
      <p>This endpoint is disabled: {DISABLED_WORDS[endpoint.disabledBy ?? "caller"]}.</p>
      {error !== null && <Failure error={error} />}
      <button type="button" class="button" disabled={busy} onClick={enable}>
        Enable it
      </button>
    </Notice>
  );
}

const BREAKER: Record<Health["state"], string> = {
  closed: "Reachable",
  open: "Paused after failures",
  half_open: "Trying again",
};

function HealthCard({ shown: { health, stats, points } }: { shown: Shown }): JSX.Element {
  const figure = (name: string, label: string, value: string): JSX.Element => (
    <div class="figure">
      <dt>{label}</dt>
      <dd data-health={name}>{value}</dd>
    </div>
  );
  const ms = (value: number | null): string => (value === null ? "–" : formatMs(value));
  return (
    <section class="report" aria-label="Health">
      <div class="report-head">
        <h2>Health</h2>
        <span
          class={`badge badge-${health.state === "closed" ? "good" : "bad"}`}
          data-health="state"
        >
          {BREAKER[health.state]}
          {health.next_probe_at && `, next try ${fromNow(health.next_probe_at, serverNow())}`}
        </span>
      </div>
      <dl class="figures">
        {figure("pending", "Waiting", stats.pending.toLocaleString())}
        {figure("in_flight", "On the way", health.in_flight.toLocaleString())}
        {figure("success", "Delivered", stats.success.toLocaleString())}
        {figure("fail", "Dead letters", stats.fail.toLocaleString())}
        {figure("p50", "p50", ms(health.p50_ms))}
        {figure("p99", "p99", ms(health.p99_ms))}
      </dl>
      <LatencyChart points={points} />
    </section>
  );
}

function Deliveries({ deliveries }: { deliveries: Delivery[] }): JSX.Element {
  return (
    <section aria-label="Recent messages">
      <h2>Recent messages</h2>
      {deliveries.length === 0 && <p class="portal-note">Nothing has been sent here yet.</p>}
      <ul class="rows">
        {deliveries.map((delivery) => (
          <li key={delivery.id} class="row">
            <Link href={`${ROOT}/messages/${delivery.id}`} class="portal-row">
              <span class="portal-url">{delivery.eventType}</span>
              <StatusBadge status={delivery.statusText} />
              <span class="portal-note">
                {formatTime(delivery.timestamp)} ·{" "}
                {delivery.attempts === 1 ? "1 attempt" : `${delivery.attempts} attempts`}
                {delivery.nextAttempt && ` · next ${fromNow(delivery.nextAttempt, serverNow())}`}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function StatusBadge({ status }: { status: Delivery["statusText"] }): JSX.Element {
  const { word, kind } = STATUS_WORDS[status];
  return <span class={`badge badge-${kind}`}>{word}</span>;
}
