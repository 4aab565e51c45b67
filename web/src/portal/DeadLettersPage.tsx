// What was given up: filtered, sent again one by one, or all that the filter finds as one job.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { dayBoundary } from "../lib/dates";
import { Link } from "../lib/router";
import { Failure, Spinner, useLoad, usePage } from "../ui/basics";
import { listDead, listEndpoints, listEventTypes, replayOne, type DeadFilter } from "./api";
import { ROOT } from "./paths";
import { ReplayPanel } from "./ReplayPanel";
import { formatTime } from "./text";
import type { DeadLetter, Endpoint, EventType } from "./types";
import { usePoll } from "./usePoll";

export function DeadLettersPage(): JSX.Element {
  const page = usePage("Dead letters");
  const [filter, setFilter] = useState<DeadFilter>({});
  const known = useLoad("known", async () => {
    const [endpoints, types] = await Promise.all([listEndpoints(), listEventTypes()]);
    return { endpoints: endpoints.data, types: types.data };
  });
  const key = JSON.stringify(filter);
  const { data, error, reload } = usePoll(`dead ${key}`, () => listDead(filter));
  const endpoints = known.data?.endpoints ?? [];
  return (
    <>
      <h1 {...page}>Dead letters</h1>
      <p class="portal-note">
        What could not be delivered in 12 attempts or 24 hours, or whose endpoint was disabled.
      </p>
      <Filter
        filter={filter}
        endpoints={endpoints}
        types={known.data?.types ?? []}
        onChange={setFilter}
      />
      <ReplayPanel key={key} filter={filter} isEmpty={data?.data.length === 0} onDone={reload} />
      {error !== undefined && <Failure error={error} onRetry={reload} />}
      {!data && error === undefined && <Spinner label="Loading dead letters" />}
      {data?.data.length === 0 && (
        <section class="empty">
          <h2>No dead letters</h2>
          <p>
            {key === "{}"
              ? "Everything has arrived or is still being tried."
              : "Nothing fits the filter."}
          </p>
        </section>
      )}
      <ul class="rows">
        {data?.data.map((dead) => (
          <DeadRow
            key={dead.id}
            dead={dead}
            onSent={reload}
            endpoint={endpoints.find(({ id }) => id === dead.endpointId)}
          />
        ))}
      </ul>
      {data && !data.done && (
        <p class="portal-note">There are more. Filter, or send these again first.</p>
      )}
    </>
  );
}

interface FilterProps {
  filter: DeadFilter;
  endpoints: Endpoint[];
  types: EventType[];
  onChange(filter: DeadFilter): void;
}

function Filter({ filter, endpoints, types, onChange }: FilterProps): JSX.Element {
  const set = (change: DeadFilter): void => {
    const next = Object.entries({ ...filter, ...change }).filter(([, value]) => value);
    onChange(Object.fromEntries(next));
  };
  return (
    <div class="form-grid portal-filters" role="group" aria-label="Filter">
      <label class="field">
        <span class="field-label">Endpoint</span>
        <select
          value={filter.endpoint ?? ""}
          onChange={(event) => set({ endpoint: event.currentTarget.value })}
        >
          <option value="">All</option>
          {endpoints.map(({ id, url }) => (
            <option key={id} value={id}>
              {url}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span class="field-label">Event type</span>
        <select
          value={filter.event_types ?? ""}
          onChange={(event) => set({ event_types: event.currentTarget.value })}
        >
          <option value="">All</option>
          {types.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span class="field-label">From</span>
        <input
          type="date"
          onChange={(event) => set({ since: dayBoundary(event.currentTarget.value, false) })}
        />
      </label>
      <label class="field">
        <span class="field-label">To</span>
        <input
          type="date"
          onChange={(event) => set({ until: dayBoundary(event.currentTarget.value, true) })}
        />
      </label>
    </div>
  );
}

interface DeadProps {
  dead: DeadLetter;
  endpoint: Endpoint | undefined;
  onSent(): void;
}

function DeadRow({ dead, endpoint, onSent }: DeadProps): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const again = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await replayOne(dead.id);
      onSent();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  return (
    <li class="row portal-target">
      <Link href={`${ROOT}/messages/${dead.msgId}`} class="portal-row">
        <span class="portal-url">{dead.eventType}</span>
        <span class="portal-when">{formatTime(dead.timestamp)}</span>
        <span class="portal-note">
          {endpoint?.url ?? "an endpoint that is gone"} ·{" "}
          {dead.attempts === 1 ? "1 attempt" : `${dead.attempts} attempts`}
        </span>
      </Link>
      <div class="portal-target-act">
        {error !== null && <Failure error={error} />}
        <button
          type="button"
          class="button button-small"
          onClick={again}
          disabled={busy || !endpoint || endpoint.disabled}
          aria-label={`Replay ${dead.eventType} of ${formatTime(dead.timestamp)}`}
        >
          {busy ? "One moment…" : "Replay"}
        </button>
      </div>
    </li>
  );
}
