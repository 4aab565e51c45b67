// The rules of an event's sale. Only what the server tells of an event is asked for, and what it refuses stands beside
// the field that it names.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Notice } from "../ui/basics";
import { errorOf, Field, number, text, TextField, useSubmit, type FormErrors } from "../ui/forms";
import { changeEvent, type EventRules } from "./api";
import type { DeskProps } from "./EventManagePage";

type Rules = Record<string, number | string | boolean | null | Record<string, number | string | null>>;

const FIELDS = [
  "hold_ttl_s",
  "limits.per_booking",
  "limits.per_account",
  "late_payment",
  "refund_until_s",
  "orphan_rule",
  "waiting_room",
  "queue.admitted_max",
  "queue.admit_per_minute",
  "queue.opens_before_s",
  "queue.admission_s",
  "queue.quiet_s",
  "queue.auto_above",
  "abuse.per_device",
  "abuse.per_card",
  "abuse.per_network",
  "abuse.open_holds",
  "abuse.challenge",
];

/** Fields in whole seconds that people think of in other units. */
const SECONDS: Record<string, number> = { hold_ttl_s: 60, refund_until_s: 3600 };

interface NumberField {
  name: string;
  label: string;
  hint?: string;
}

const QUEUE: NumberField[] = [
  { name: "admitted_max", label: "People admitted at once", hint: "1 to 100,000" },
  { name: "admit_per_minute", label: "Admissions a minute", hint: "1 to 600,000" },
  { name: "opens_before_s", label: "Opens before the sale (seconds)", hint: "0 to 86,400" },
  { name: "admission_s", label: "An admission lasts (seconds)", hint: "60 to 7,200, without a hold" },
  { name: "quiet_s", label: "May be quiet for (seconds)", hint: "30 to 3,600" },
  { name: "auto_above", label: "“Auto” closes the doors above", hint: "people there at once" },
];

const ABUSE: NumberField[] = [
  { name: "per_device", label: "Places per device" },
  { name: "per_card", label: "Places per card" },
  { name: "per_network", label: "Places per network", hint: "of people without a challenge" },
  { name: "open_holds", label: "Open holds per account" },
];

/** Of what the form has: fields that are settled or that the server does not know are not in it. */
function bodyOf(data: FormData): Rules {
  const body: Rules = {};
  const group = (prefix: string, names: string[]): void => {
    const found = names.filter((name) => data.has(`${prefix}.${name}`));
    if (found.length === 0) return;
    body[prefix] = Object.fromEntries(
      found.map((name) => [name, number(data, `${prefix}.${name}`)]),
    );
  };
  for (const [name, unit] of Object.entries(SECONDS)) {
    if (!data.has(name)) continue;
    const value = number(data, name);
    const isNever = name === "refund_until_s" && text(data, name) === "";
    body[name] = isNever ? 0 : value === null ? null : Math.round(value * unit);
  }
  for (const name of ["late_payment", "waiting_room"])
    if (data.has(name)) body[name] = text(data, name);
  if (data.has("orphan_rule")) body["orphan_rule"] = text(data, "orphan_rule") === "on";
  group("limits", ["per_booking", "per_account"]);
  group("queue", QUEUE.map(({ name }) => name));
  group("abuse", ABUSE.map(({ name }) => name));
  if (data.has("abuse.challenge"))
    body["abuse"] = { ...(body["abuse"] as object), challenge: text(data, "abuse.challenge") };
  return body;
}

/** What was typed and is no number: the server would only say that something is missing. */
function missing(body: Rules): { field: string; message: string }[] {
  return Object.entries(body).flatMap(([name, value]) => {
    if (value === null) return [{ field: name, message: "must be a number" }];
    if (typeof value !== "object") return [];
    return missing(value as Rules).map((item) => ({ ...item, field: `${name}.${item.field}` }));
  });
}

export function SettingsDesk({ event, onChange }: DeskProps): JSX.Element {
  const [isSaved, setSaved] = useState(false);
  const { form, busy, errors, setErrors, onSubmit } = useSubmit(FIELDS, async (data) => {
    setSaved(false);
    const body = bodyOf(data);
    const fields = missing(body);
    if (fields.length > 0) return setErrors({ general: null, fields });
    await changeEvent(event.id, body);
    setSaved(true);
    onChange();
  });
  return (
    <form ref={form} onSubmit={onSubmit} onInput={() => setSaved(false)} noValidate class="form">
      <h2>Settings</h2>
      {isSettled(event) && (
        <p class="field-hint">What cannot be changed here is settled since the publication.</p>
      )}
      <SaleFields event={event} errors={errors} />
      <RoomFields event={event} errors={errors} />
      {event.abuse && <AbuseFields event={event} errors={errors} />}
      {errors.general && (
        <Notice kind="bad" title="The server refused this">
          <p>{errors.general}</p>
        </Notice>
      )}
      {isSaved && <Notice kind="good" title="Saved" />}
      <button class="button button-main" disabled={busy || event.status === "cancelled"}>
        {busy ? "Saving…" : "Save"}
      </button>
    </form>
  );
}

interface FieldsProps {
  event: EventRules;
  errors: FormErrors;
}

/** Who bought under a rule keeps it: the server changes these in drafts only. */
const isSettled = (event: EventRules): boolean => event.status !== "draft";

interface ChoiceProps {
  name: string;
  label: string;
  value: string;
  options: [string, string][];
  isDisabled?: boolean;
  error: string | undefined;
}

/** `value` is what it begins with. */
function Choice({ name, label, value, options, isDisabled, error }: ChoiceProps): JSX.Element {
  return (
    <Field name={name} label={label} error={error}>
      {(attributes) => (
        <select {...attributes} disabled={isDisabled}>
          {options.map(([option, text]) => (
            <option key={option} value={option} selected={option === value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function SaleFields({ event, errors }: FieldsProps): JSX.Element {
  const hours = (event.refund_until_s ?? 0) / SECONDS["refund_until_s"]!;
  return (
    <fieldset>
      <legend>Sale</legend>
      <div class="form-grid">
        <TextField
          name="hold_ttl_s"
          disabled={isSettled(event)}
          label="Hold lasts (minutes)"
          inputMode="decimal"
          defaultValue={String((event.hold_ttl_s ?? 600) / 60)}
          error={errorOf(errors, "hold_ttl_s") && "must be 0.5 to 60 minutes"}
        />
        <TextField
          name="limits.per_booking"
          disabled={isSettled(event)}
          label="Places per booking"
          inputMode="numeric"
          defaultValue={String(event.limits?.per_booking ?? 6)}
          error={errorOf(errors, "limits.per_booking")}
        />
        <TextField
          name="limits.per_account"
          disabled={isSettled(event)}
          label="Places per account"
          inputMode="numeric"
          defaultValue={String(event.limits?.per_account ?? 12)}
          error={errorOf(errors, "limits.per_account")}
        />
        <TextField
          name="refund_until_s"
          disabled={isSettled(event)}
          label="Buyers may give back until (hours before the start)"
          inputMode="decimal"
          placeholder="never"
          defaultValue={hours > 0 ? String(hours) : ""}
          hint="Empty: only you refund"
          error={errorOf(errors, "refund_until_s")}
        />
        <Choice
          name="late_payment"
          label="When money comes too late"
          isDisabled={isSettled(event)}
          value={event.late_payment ?? "reclaim"}
          error={errorOf(errors, "late_payment")}
          options={[
            ["reclaim", "Confirm if the seats are still free"],
            ["refund", "Always refund"],
          ]}
        />
        {event.orphan_rule !== undefined && (
          <Choice
          name="orphan_rule"
          label="Single seats"
          value={event.orphan_rule ? "on" : "off"}
          error={errorOf(errors, "orphan_rule")}
          options={[
            ["off", "May be left over"],
            ["on", "May not be left alone on the map"],
          ]}
        />
        )}
      </div>
    </fieldset>
  );
}

function numbers(prefix: string, fields: NumberField[], event: EventRules, errors: FormErrors) {
  const values = event[prefix as "queue" | "abuse"] ?? {};
  return fields.map(({ name, label, hint }) => (
    <TextField
      key={name}
      name={`${prefix}.${name}`}
      label={label}
      hint={hint}
      inputMode="numeric"
      defaultValue={String(values[name] ?? "")}
      error={errorOf(errors, `${prefix}.${name}`)}
    />
  ));
}

function RoomFields({ event, errors }: FieldsProps): JSX.Element {
  return (
    <fieldset>
      <legend>Waiting room</legend>
      <div class="form-grid">
        <Choice
          name="waiting_room"
          label="Waiting room"
          isDisabled={isSettled(event)}
          value={event.waiting_room ?? "off"}
          error={errorOf(errors, "waiting_room")}
          options={[
            ["off", "Off: everybody goes straight in"],
            ["on", "On: it opens before the sale"],
            ["auto", "Auto: when too many come at once"],
          ]}
        />
        {event.queue && numbers("queue", QUEUE, event, errors)}
      </div>
    </fieldset>
  );
}

function AbuseFields({ event, errors }: FieldsProps): JSX.Element {
  return (
    <fieldset>
      <legend>Defence against bots</legend>
      <div class="form-grid">
        {numbers("abuse", ABUSE, event, errors)}
        <Choice
          name="abuse.challenge"
          label="Challenge"
          value={String(event.abuse?.["challenge"] ?? "auto")}
          error={errorOf(errors, "abuse.challenge")}
          options={[
            ["off", "Never"],
            ["auto", "For suspicious crowds"],
            ["on", "For every hold"],
          ]}
        />
      </div>
    </fieldset>
  );
}
