// Search box and filters. Typing waits a moment before it asks the server.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

const DEBOUNCE_MS = 250;
export const CATEGORIES = [
  "concert",
  "theatre",
  "sport",
  "comedy",
  "festival",
  "family",
  "conference",
  "other",
];

export interface FiltersProps {
  query: URLSearchParams;
  onChange(name: string, value: string): void;
  onClear(): void;
}

export function Filters({ query, onChange, onClear }: FiltersProps): JSX.Element {
  const more = ["city", "category", "from", "to", "near"].filter((name) => query.has(name)).length;
  const category = query.get("category") ?? "";
  const known =
    category === "" || CATEGORIES.includes(category) ? CATEGORIES : [...CATEGORIES, category];
  return (
    <search class="filters">
      <div class="filters-top">
        <Typed
          name="q"
          label="Search events"
          type="search"
          placeholder="Artist, team, play…"
          query={query}
          onChange={onChange}
        />
        <NearMe query={query} onChange={onChange} />
      </div>
      <details class="filters-more" open={more > 0}>
        <summary>Filters{more > 0 ? ` (${more})` : ""}</summary>
        <div class="filters-fields">
          <Typed
            name="city"
            label="City"
            type="text"
            placeholder="Any city"
            query={query}
            onChange={onChange}
          />
          <label class="field">
            <span class="field-label">Category</span>
            <select
              value={category}
              onChange={(event) => onChange("category", event.currentTarget.value)}
            >
              <option value="">All categories</option>
              {known.map((name) => (
                <option key={name} value={name}>
                  {name[0]?.toUpperCase() + name.slice(1)}
                </option>
              ))}
            </select>
          </label>
          <DateField name="from" label="From" query={query} onChange={onChange} />
          <DateField name="to" label="Until" query={query} onChange={onChange} />
          <button
            type="button"
            class="button button-quiet"
            onClick={onClear}
            disabled={query.toString() === ""}
          >
            Clear all
          </button>
        </div>
      </details>
    </search>
  );
}

interface OneProps {
  name: string;
  label: string;
  query: URLSearchParams;
  onChange(name: string, value: string): void;
}

function Typed({
  name,
  label,
  query,
  onChange,
  ...input
}: OneProps & { type: string; placeholder: string }): JSX.Element {
  const given = query.get(name) ?? "";
  const [value, setValue] = useState(given);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const sent = useRef(given);
  useEffect(() => {
    if (given !== sent.current) {
      sent.current = given;
      setValue(given);
    }
  }, [given]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const send = (next: string): void => {
    clearTimeout(timer.current);
    sent.current = next.trim();
    onChange(name, next.trim());
  };
  const typed = (next: string): void => {
    setValue(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => send(next), DEBOUNCE_MS);
  };
  return (
    <label class={`field field-${name}`}>
      <span class="field-label">{label}</span>
      <input
        {...input}
        name={name}
        value={value}
        maxLength={100}
        autoComplete="off"
        onInput={(event) => typed(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Enter" && send(event.currentTarget.value)}
      />
    </label>
  );
}

function DateField({ name, label, query, onChange }: OneProps): JSX.Element {
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      <input
        type="date"
        value={query.get(name) ?? ""}
        onChange={(event) => onChange(name, event.currentTarget.value)}
      />
    </label>
  );
}

function NearMe({ query, onChange }: Pick<OneProps, "query" | "onChange">): JSX.Element {
  const [note, setNote] = useState("");
  const isOn = query.has("near");
  const press = (): void => {
    setNote("");
    if (isOn) return onChange("near", "");
    if (!("geolocation" in navigator)) return setNote("This browser can't tell where you are.");
    setNote("Finding you…");
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        setNote("");
        onChange("near", `${coords.latitude.toFixed(3)},${coords.longitude.toFixed(3)}`);
      },
      () => setNote("Your position is not available. Try a city."),
      { timeout: 10000, maximumAge: 600000 },
    );
  };
  return (
    <div class="near">
      <button type="button" class="button" aria-pressed={isOn} onClick={press}>
        Near me
      </button>
      <p class="near-note" role="status">
        {note}
      </p>
    </div>
  );
}
