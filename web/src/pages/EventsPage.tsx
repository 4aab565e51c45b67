// The front page: what is on, searched and filtered. The filters live in the address, so a search can be shared and the
// back button works.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { listEvents, type EventSearch } from "../api/endpoints";
import type { EventView, List } from "../api/types";
import { dayBoundary } from "../lib/dates";
import { navigate, useLocation } from "../lib/router";
import { EventCard } from "../ui/EventCard";
import { Failure, usePage } from "../ui/basics";
import { Filters } from "./Filters";

interface Results {
  events: EventView[];
  cursor: string | null;
  state: "loading" | "ready" | "failed";
  error?: unknown;
}

const NEAR_KM = 100;

export function toSearch(query: URLSearchParams): EventSearch {
  const near = query.get("near") ?? undefined;
  return {
    q: query.get("q") ?? undefined,
    city: query.get("city") ?? undefined,
    category: query.get("category") ?? undefined,
    from: dayBoundary(query.get("from") ?? "", false),
    to: dayBoundary(query.get("to") ?? "", true),
    near,
    radius_km: near ? NEAR_KM : undefined,
  };
}

export function EventsPage(): JSX.Element {
  const page = usePage("");
  const { query } = useLocation();
  const address = query.toString();
  const [results, setResults] = useState<Results>({ events: [], cursor: null, state: "loading" });
  const [round, setRound] = useState(0);
  const running = useRef<AbortController | null>(null);

  const load = async (cursor: string | null): Promise<void> => {
    running.current?.abort();
    const stop = new AbortController();
    running.current = stop;
    setResults((old) => ({ ...old, state: "loading" }));
    try {
      const list: List<EventView> = await listEvents(toSearch(query), cursor, stop.signal);
      setResults((old) => ({
        events: cursor === null ? list.data : [...old.events, ...list.data],
        cursor: list.next_cursor,
        state: "ready",
      }));
    } catch (error) {
      if (!stop.signal.aborted) setResults((old) => ({ ...old, state: "failed", error }));
    }
  };

  useEffect(() => {
    void load(null);
    return () => running.current?.abort();
  }, [address, round]);

  const change = (name: string, value: string): void => {
    const next = new URLSearchParams(window.location.search);
    if (value === "") next.delete(name);
    else next.set(name, value);
    const text = next.toString();
    navigate(text === "" ? "/" : `/?${text}`, { replace: true, keepScroll: true });
  };

  const { events, cursor, state, error } = results;
  return (
    <>
      <header class="hero">
        <h1 {...page}>
          What’s on<span class="hero-dot">.</span>
        </h1>
        <p class="hero-text">
          Find an event, choose your own seats on the map, and have your tickets in a minute.
        </p>
      </header>
      <Filters
        query={query}
        onChange={change}
        onClear={() => navigate("/", { replace: true, keepScroll: true })}
      />
      <p class="visually-hidden" role="status">
        {state === "ready" ? `${events.length} events shown` : ""}
      </p>
      {state === "failed" && (
        <Failure error={error} onRetry={() => setRound((value) => value + 1)} />
      )}
      {state === "ready" && events.length === 0 && <NothingFound filtered={address !== ""} />}
      <ul class={`cards${state === "loading" && events.length > 0 ? " is-loading" : ""}`}>
        {events.map((event) => (
          <EventCard key={event.id} event={event} />
        ))}
        {state === "loading" &&
          events.length === 0 &&
          Array.from({ length: 6 }, (_, i) => <li key={i} class="card card-ghost" />)}
      </ul>
      {cursor !== null && (
        <p class="more">
          <button
            type="button"
            class="button"
            disabled={state === "loading"}
            onClick={() => load(cursor)}
          >
            {state === "loading" ? "Loading…" : "More events"}
          </button>
        </p>
      )}
    </>
  );
}

function NothingFound({ filtered }: { filtered: boolean }): JSX.Element {
  return (
    <section class="empty">
      <h2>{filtered ? "Nothing matches" : "No events yet"}</h2>
      <p>
        {filtered
          ? "Try fewer words, another city or other dates."
          : "Come back soon: the programme is being made."}
      </p>
      {filtered && (
        <button type="button" class="button" onClick={() => navigate("/", { replace: true })}>
          Show everything
        </button>
      )}
    </section>
  );
}
