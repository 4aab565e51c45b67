// A new endpoint, or changes to one.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Link, navigate } from "../lib/router";
import { Failure, Notice, Spinner, useLoad, usePage } from "../ui/basics";
import { errorOf, text, TextField, useSubmit } from "../ui/forms";
import {
  createEndpoint,
  getEndpoint,
  getHeaders,
  listEventTypes,
  patchEndpoint,
  patchHeaders,
} from "./api";
import { EventTypePicker } from "./EventTypePicker";
import { ROOT } from "./paths";
import type { Endpoint, EndpointHeaders, EventType } from "./types";

interface Known {
  types: EventType[];
  endpoint?: Endpoint;
  headers?: EndpointHeaders;
}

async function load(ep: string | undefined): Promise<Known> {
  const [types, endpoint, headers] = await Promise.all([
    listEventTypes().then(({ data }) => data),
    ep === undefined ? undefined : getEndpoint(ep),
    ep === undefined ? undefined : getHeaders(ep),
  ]);
  return { types, ...(endpoint ? { endpoint } : {}), ...(headers ? { headers } : {}) };
}

export function EndpointFormPage({ ep }: { ep?: string }): JSX.Element {
  const title = ep === undefined ? "New endpoint" : "Edit endpoint";
  const page = usePage(title);
  const { data, error, reload } = useLoad(`form ${ep ?? ""}`, () => load(ep));
  return (
    <>
      <h1 {...page}>{title}</h1>
      {error !== undefined && <Failure error={error} onRetry={reload} />}
      {!data && error === undefined && <Spinner />}
      {data && <Form known={data} />}
    </>
  );
}

interface HeaderRow {
  id: number;
  name: string;
  value: string;
  /** There already: its value is not shown, and stays when it is left empty. */
  isHidden: boolean;
}

const rowsOf = (headers: EndpointHeaders | undefined): HeaderRow[] =>
  [
    ...Object.entries(headers?.headers ?? {}).map(([name, value]) => ({
      name,
      value,
      isHidden: false,
    })),
    ...(headers?.sensitive ?? []).map((name) => ({ name, value: "", isHidden: true })),
  ].map((row, id) => ({ ...row, id }));

/** What PATCH …/headers takes: those that are given, and the names of those that are gone. */
export function headerChange(
  before: string[],
  rows: Pick<HeaderRow, "name" | "value" | "isHidden">[],
): { headers: Record<string, string>; deleteHeaders: string[] } {
  const named = rows.filter(({ name }) => name.trim() !== "");
  const kept = new Set(named.map(({ name }) => name.trim().toLowerCase()));
  return {
    headers: Object.fromEntries(
      named
        .filter(({ value, isHidden }) => !isHidden || value !== "")
        .map(({ name, value }) => [name.trim(), value]),
    ),
    deleteHeaders: before.filter((name) => !kept.has(name.toLowerCase())),
  };
}

const FIELDS = ["url", "description", "eventTypes", "throttleRate", "headers", "deleteHeaders"];

function Form({ known }: { known: Known }): JSX.Element {
  const { endpoint } = known;
  const [chosen, setChosen] = useState(endpoint?.eventTypes ?? []);
  const [rows, setRows] = useState(() => rowsOf(known.headers));
  const { form, busy, errors, onSubmit } = useSubmit(FIELDS, async (data) => {
    const rate = text(data, "throttleRate");
    const body = {
      url: text(data, "url"),
      description: text(data, "description"),
      eventTypes: chosen.length > 0 ? chosen : endpoint ? null : undefined,
      throttleRate: rate === "" ? (endpoint ? null : undefined) : Number(rate),
      disabled: data.get("enabled") === null,
    };
    const before = [
      ...Object.keys(known.headers?.headers ?? {}),
      ...(known.headers?.sensitive ?? []),
    ];
    const change = headerChange(before, rows);
    if (!endpoint) {
      const made = await createEndpoint({ ...body, headers: change.headers });
      navigate(`${ROOT}/endpoints/${made.id}`);
      return;
    }
    await patchEndpoint(endpoint.id, body);
    if (Object.keys(change.headers).length > 0 || change.deleteHeaders.length > 0)
      await patchHeaders(endpoint.id, change);
    navigate(`${ROOT}/endpoints/${endpoint.id}`);
  });
  const back = endpoint ? `${ROOT}/endpoints/${endpoint.id}` : ROOT;
  return (
    <form class="form" ref={form} onSubmit={onSubmit} noValidate>
      {errors.general && (
        <Notice kind="bad" title="Not saved">
          <p>{errors.general}</p>
        </Notice>
      )}
      <TextField
        name="url"
        label="Address (URL)"
        type="url"
        inputMode="url"
        autocomplete="off"
        placeholder="https://example.com/webhooks"
        defaultValue={endpoint?.url ?? ""}
        hint="https:// or http://. Events are sent there as POST."
        error={errorOf(errors, "url")}
      />
      <TextField
        name="description"
        label="Description"
        autocomplete="off"
        defaultValue={endpoint?.description ?? ""}
        error={errorOf(errors, "description")}
      />
      <EventTypePicker
        types={known.types}
        chosen={chosen}
        onChange={setChosen}
        error={errorOf(errors, "eventTypes")}
      />
      <HeaderFields
        rows={rows}
        onChange={setRows}
        error={errorOf(errors, "headers") ?? errorOf(errors, "deleteHeaders")}
      />
      <TextField
        name="throttleRate"
        label="At most so many a second"
        type="number"
        min="1"
        inputMode="numeric"
        defaultValue={endpoint?.throttleRate ?? ""}
        hint="Empty: no limit."
        error={errorOf(errors, "throttleRate")}
      />
      <label class="check">
        <input type="checkbox" name="enabled" defaultChecked={!endpoint?.disabled} /> Send events to
        this endpoint
      </label>
      <div class="actions-row">
        <button class="button button-main" disabled={busy}>
          {busy ? "Saving…" : endpoint ? "Save" : "Create endpoint"}
        </button>
        <Link class="button button-quiet" href={back}>
          Cancel
        </Link>
      </div>
    </form>
  );
}

interface HeaderFieldsProps {
  rows: HeaderRow[];
  error: string | undefined;
  onChange(rows: HeaderRow[]): void;
}

function HeaderFields({ rows, error, onChange }: HeaderFieldsProps): JSX.Element {
  const set = (id: number, change: Partial<HeaderRow>): void =>
    onChange(rows.map((row) => (row.id === id ? { ...row, ...change } : row)));
  const add = (): void =>
    onChange([
      ...rows,
      { id: Math.max(-1, ...rows.map((row) => row.id)) + 1, name: "", value: "", isHidden: false },
    ]);
  return (
    <fieldset class={`type-picker${error ? " has-error" : ""}`}>
      <legend>Headers of every delivery</legend>
      {rows.map((row, i) => (
        <div key={row.id} class="header-row">
          <input
            aria-label={`Name of header ${i + 1}`}
            placeholder="X-Api-Key"
            value={row.name}
            autocomplete="off"
            readOnly={row.isHidden}
            onInput={(event) => set(row.id, { name: event.currentTarget.value })}
          />
          <input
            aria-label={`Value of header ${i + 1}`}
            value={row.value}
            autocomplete="off"
            placeholder={row.isHidden ? "Not shown; stays as it is" : "Value"}
            onInput={(event) => set(row.id, { value: event.currentTarget.value })}
          />
          <button
            type="button"
            class="button button-quiet"
            aria-label={`Remove header ${i + 1}`}
            onClick={() => onChange(rows.filter(({ id }) => id !== row.id))}
          >
            Remove
          </button>
        </div>
      ))}
      <button type="button" class="button button-small" onClick={add}>
        Add a header
      </button>
      <p class={error ? "field-error" : "field-hint"} role={error ? "alert" : undefined}>
        {error ?? ""}
      </p>
    </fieldset>
  );
}
