// Making an event at a venue: a draft first, published from its own page.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { newKey } from "../api/client";
import { createEvent, getVenue, listVenues } from "../api/endpoints";
import type { Venue } from "../api/types";
import { fromLocalInput, toLocalInput } from "../lib/dates";
import { parseMoney } from "../lib/money";
import { Link, navigate, useLocation } from "../lib/router";
import { Swatch } from "../map/Tooltip";
import { CATEGORIES } from "../pages/Filters";
import { Failure, Notice, Spinner, useLoad, usePage } from "../ui/basics";
import { errorOf, Field, number, text, TextField, useSubmit, type FormErrors } from "../ui/forms";

const FIELDS = [
  "venue_id",
  "name",
  "description",
  "category",
  "starts_at",
  "onsale_at",
  "currency",
  "prices",
  "hold_ttl_s",
  "limits",
  "late_payment",
  "buyer_chat",
];
const CURRENCIES = ["EUR", "USD", "GBP", "CHF", "SEK", "PLN", "JPY", "KWD"];
const HOUR_MS = 3600 * 1000;

function pricesFrom(
  data: FormData,
  venue: Venue,
  currency: string,
  onBad: (name: string) => void,
): Record<string, number> {
  const prices: Record<string, number> = {};
  for (const level of venue.categories ?? []) {
    const value = text(data, `prices.${level.name}`);
    if (value === "") continue;
    const minor = parseMoney(value, currency);
    if (minor === null) onBad(`prices.${level.name}`);
    else prices[level.name] = minor;
  }
  return prices;
}

export function NewEventPage(): JSX.Element {
  const page = usePage("New event");
  const { query } = useLocation();
  const [venueId, setVenueId] = useState(query.get("venue") ?? "");
  const [currency, setCurrency] = useState("EUR");
  const venues = useLoad("venues", listVenues);
  const venue = useLoad(`venue ${venueId}`, async () =>
    venueId === "" ? null : getVenue(venueId),
  );
  const key = useRef({ body: "", key: "" });

  const { form, busy, errors, onSubmit, setErrors } = useSubmit(FIELDS, async (data) => {
    const bad: string[] = [];
    const prices = venue.data
      ? pricesFrom(data, venue.data, currency, (name) => bad.push(name))
      : {};
    if (bad.length > 0) {
      const fields = bad.map((field) => ({
        field,
        message: `This is not an amount in ${currency}.`,
      }));
      return setErrors({ general: null, fields });
    }
    const minutes = number(data, "hold_minutes");
    const body = {
      venue_id: venueId,
      name: text(data, "name"),
      description: text(data, "description"),
      category: text(data, "category"),
      starts_at: fromLocalInput(text(data, "starts_at")) ?? "",
      onsale_at: fromLocalInput(text(data, "onsale_at")) ?? "",
      currency,
      prices,
      hold_ttl_s: minutes === null ? null : Math.round(minutes * 60),
      limits: {
        per_booking: number(data, "limits.per_booking"),
        per_account: number(data, "limits.per_account"),
      },
      late_payment: text(data, "late_payment"),
      buyer_chat: text(data, "buyer_chat") === "on",
    };
    const same = JSON.stringify(body);
    if (key.current.body !== same) key.current = { body: same, key: newKey() };
    const event = await createEvent(body, key.current.key);
    navigate(`/organizer/events/${event.id}`);
  });

  if (venues.error) return <Failure error={venues.error} onRetry={venues.reload} />;
  if (!venues.data) return <Spinner label="Loading your venues" />;
  if (venues.data.data.length === 0) {
    return (
      <Notice kind="info" title="First a venue">
        <Link class="button button-main" href="/organizer/venues/new">
          Import a seating plan
        </Link>
      </Notice>
    );
  }
  return (
    <>
      <h1 {...page}>New event</h1>
      <form ref={form} onSubmit={onSubmit} noValidate class="form">
        <Field name="venue_id" label="Venue" error={errorOf(errors, "venue_id")}>
          {(attributes) => (
            <select
              {...attributes}
              value={venueId}
              onChange={(event) => setVenueId(event.currentTarget.value)}
            >
              <option value="">Choose a venue</option>
              {venues.data?.data.map((item) => (
                <option key={item.id} value={item.id}>
                  {item.name}, {item.city}
                </option>
              ))}
            </select>
          )}
        </Field>
        <AboutFields errors={errors} />
        <TimeFields errors={errors} />
        <PriceFields
          errors={errors}
          venue={venue.data ?? null}
          currency={currency}
          onCurrency={setCurrency}
        />
        <RuleFields errors={errors} />
        {errors.general && (
          <Notice kind="bad" title="The server refused this">
            <p>{errors.general}</p>
          </Notice>
        )}
        <button class="button button-main" disabled={busy || venueId === ""}>
          {busy ? "Saving…" : "Save as draft"}
        </button>
      </form>
    </>
  );
}

function AboutFields({ errors }: { errors: FormErrors }): JSX.Element {
  return (
    <>
      <TextField
        name="name"
        label="Name"
        maxLength={200}
        required
        error={errorOf(errors, "name")}
      />
      <Field name="description" label="Description" error={errorOf(errors, "description")}>
        {(attributes) => <textarea {...attributes} rows={4} maxLength={4000} />}
      </Field>
      <Field name="category" label="Category" error={errorOf(errors, "category")}>
        {(attributes) => (
          <select {...attributes}>
            {CATEGORIES.map((name) => (
              <option key={name} value={name}>
                {name[0]?.toUpperCase() + name.slice(1)}
              </option>
            ))}
          </select>
        )}
      </Field>
    </>
  );
}

function TimeFields({ errors }: { errors: FormErrors }): JSX.Element {
  const now = Date.now();
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <div class="form-grid">
      <TextField
        name="starts_at"
        label="Starts"
        type="datetime-local"
        defaultValue={toLocalInput(new Date(now + 30 * 24 * HOUR_MS))}
        hint={`Your time zone, ${zone}`}
        error={errorOf(errors, "starts_at")}
      />
      <TextField
        name="onsale_at"
        label="Sale opens"
        type="datetime-local"
        defaultValue={toLocalInput(new Date(now))}
        hint={`Your time zone, ${zone}`}
        error={errorOf(errors, "onsale_at")}
      />
    </div>
  );
}

interface PriceFieldsProps {
  errors: FormErrors;
  venue: Venue | null;
  currency: string;
  onCurrency(currency: string): void;
}

function PriceFields({ errors, venue, currency, onCurrency }: PriceFieldsProps): JSX.Element {
  return (
    <fieldset>
      <legend>Prices</legend>
      <Field name="currency" label="Currency" error={errorOf(errors, "currency")}>
        {(attributes) => (
          <select
            {...attributes}
            value={currency}
            onChange={(event) => onCurrency(event.currentTarget.value)}
          >
            {CURRENCIES.map((code) => (
              <option key={code}>{code}</option>
            ))}
          </select>
        )}
      </Field>
      {!venue && <p class="field-hint">Choose a venue to see its price categories.</p>}
      <div class="form-grid">
        {(venue?.categories ?? []).map((level) => (
          <div key={level.name} class="price-field">
            <Swatch color={level.color} />
            <TextField
              name={`prices.${level.name}`}
              label={level.name}
              inputMode="decimal"
              placeholder="not for sale"
              error={errorOf(errors, `prices.${level.name}`)}
            />
          </div>
        ))}
      </div>
      {errors.fields.some((item) => item.field === "prices") && (
        <p class="field-error">{errorOf(errors, "prices")}</p>
      )}
    </fieldset>
  );
}

function RuleFields({ errors }: { errors: FormErrors }): JSX.Element {
  return (
    <fieldset>
      <legend>Rules of the sale</legend>
      <div class="form-grid">
        <TextField
          name="hold_minutes"
          label="Hold lasts (minutes)"
          type="number"
          min={1}
          max={60}
          defaultValue="10"
          error={errorOf(errors, "hold_ttl_s")}
        />
        <TextField
          name="limits.per_booking"
          label="Places per booking"
          type="number"
          min={1}
          max={6}
          defaultValue="6"
          error={errorOf(errors, "limits.per_booking")}
        />
        <TextField
          name="limits.per_account"
          label="Places per account"
          type="number"
          min={1}
          max={100}
          defaultValue="12"
          error={errorOf(errors, "limits.per_account")}
        />
        <Field
          name="late_payment"
          label="When money comes too late"
          error={errorOf(errors, "late_payment")}
        >
          {(attributes) => (
            <select {...attributes}>
              <option value="reclaim">Confirm if the seats are still free</option>
              <option value="refund">Always refund</option>
            </select>
          )}
        </Field>
        <Field
          name="buyer_chat"
          label="Conversations with buyers"
          error={errorOf(errors, "buyer_chat")}
        >
          {(attributes) => (
            <select {...attributes}>
              <option value="off">None</option>
              <option value="on">One with each, where the chat runs</option>
            </select>
          )}
        </Field>
      </div>
    </fieldset>
  );
}
