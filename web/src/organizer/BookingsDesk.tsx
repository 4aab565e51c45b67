// Who bought what: found by the start of an email or a booking's id, given back whole or ticket by ticket.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { messageOf, newKey, Problem } from "../api/client";
import { formatShortMoment } from "../lib/dates";
import { formatMoney } from "../lib/money";
import { Ask } from "../ui/Ask";
import { Failure, Spinner } from "../ui/basics";
import { useList } from "../ui/useList";
import {
  listEventBookings,
  refundTickets,
  type BookingSearch,
  type DeskBooking,
  type DeskTicket,
} from "./api";
import type { DeskProps } from "./EventManagePage";

const STATES: [string, string][] = [
  ["", "All"],
  ["confirmed", "Paid"],
  ["held", "Held"],
  ["payment_pending", "Being paid"],
  ["expired", "Expired"],
  ["cancelled", "Cancelled"],
  ["failed", "Failed"],
];

const STATUS: Record<DeskBooking["status"], [string, string]> = {
  held: ["held", "info"],
  payment_pending: ["being paid", "info"],
  confirmed: ["paid", "good"],
  expired: ["expired", ""],
  cancelled: ["cancelled", ""],
  failed: ["failed", "bad"],
  refund_pending: ["money on its way back", "warn"],
  refunded: ["refunded", "warn"],
  partially_refunded: ["partly refunded", "warn"],
};

export function BookingsDesk({ event }: DeskProps): JSX.Element {
  const [search, setSearch] = useState<BookingSearch>({ q: "", state: "" });
  const [round, setRound] = useState(0);
  const typed = useRef<HTMLInputElement>(null);
  const submit = (submitted: Event): void => {
    submitted.preventDefault();
    setSearch({ ...search, q: typed.current!.value.trim() });
    setRound(round + 1);
  };
  return (
    <section class="report" aria-label="Bookings">
      <div class="report-head">
        <h2>Bookings</h2>
        <a
          class="button button-quiet"
          href={`/v1/events/${encodeURIComponent(event.id)}/bookings.csv`}
          download
        >
          Bookings as CSV
        </a>
      </div>
      <form class="desk-search" role="search" onSubmit={submit}>
        <label>
          <span class="field-label">Email begins with, or a booking’s id</span>
          <input ref={typed} type="search" name="q" autocomplete="off" spellcheck={false} />
        </label>
        <label>
          <span class="field-label">State</span>
          <select
            value={search.state}
            onChange={(changed) => setSearch({ ...search, state: changed.currentTarget.value })}
          >
            {STATES.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <button class="button">Search</button>
      </form>
      <Found key={`${search.state} ${search.q} ${round}`} event={event.id} search={search} />
    </section>
  );
}

function Found({ event, search }: { event: string; search: BookingSearch }): JSX.Element {
  const list = useList((cursor) => listEventBookings(event, search, cursor));
  const [renewed, setRenewed] = useState<ReadonlyMap<string, DeskBooking>>(new Map());
  const renew = async (id: string): Promise<void> => {
    const [fresh] = (await listEventBookings(event, { q: id, state: "" }, null)).data;
    if (fresh) setRenewed((old) => new Map(old).set(id, fresh));
  };
  if (list.error instanceof Problem && list.error.status === 422) {
    const [refused] = list.error.errors;
    return (
      <p class="field-error" role="alert">
        {refused ? `The search ${refused.message}.` : messageOf(list.error)}
      </p>
    );
  }
  return (
    <>
      {list.error !== null && <Failure error={list.error} onRetry={list.more} />}
      {list.items === null && list.error === null && <Spinner label="Looking for bookings" />}
      {list.items?.length === 0 && !list.hasMore && <p class="field-hint">No booking found.</p>}
      <ul class="desk-bookings">
        {list.items?.map((item) => (
          <li key={item.id}>
            <Row booking={renewed.get(item.id) ?? item} onChange={() => renew(item.id)} />
          </li>
        ))}
      </ul>
      {list.hasMore && (
        <p class="more">
          <button type="button" class="button" disabled={list.busy} onClick={list.more}>
            {list.busy ? "Loading…" : "Older bookings"}
          </button>
        </p>
      )}
    </>
  );
}

interface RowProps {
  booking: DeskBooking;
  onChange(): Promise<void>;
}

function Row({ booking, onChange }: RowProps): JSX.Element {
  const [label, kind] = STATUS[booking.status] ?? [booking.status, ""];
  const places = booking.places === 1 ? "1 place" : `${booking.places} places`;
  return (
    <details class="desk-booking" data-booking={booking.id} data-status={booking.status}>
      <summary>
        <span class="desk-buyer">
          <strong>{booking.buyer.name || "No name"}</strong>
          <span>{booking.buyer.email ?? "by an API key"}</span>
        </span>
        <span class="desk-facts">
          {places} · {formatMoney(booking.amount, booking.currency)} ·{" "}
          {formatShortMoment(booking.created_at)}
        </span>
        <span class={`badge${kind ? ` badge-${kind}` : ""}`}>{label}</span>
      </summary>
      <div class="desk-booking-body">
        <p class="desk-id">{booking.id}</p>
        {booking.tickets.length > 0 ? (
          <Refund booking={booking} onChange={onChange} />
        ) : (
          <ul class="desk-places">
            {booking.seats.map((seat) => (
              <li key={seat.id}>{seat.label}</li>
            ))}
            {booking.areas.map((area) => (
              <li key={area.area_id}>
                {area.quantity} × {area.name}
              </li>
            ))}
          </ul>
        )}
        {booking.refunded_amount > 0 && (
          <p>{formatMoney(booking.refunded_amount, booking.currency)} have been given back.</p>
        )}
      </div>
    </details>
  );
}

const placeOf = (ticket: DeskTicket): string => ticket.seat?.label ?? ticket.area?.name ?? "a place";
const TICKET_WORDS = { valid: "", used: "used at the door", revoked: "given back" };

function Refund({ booking, onChange }: RowProps): JSX.Element {
  const left = booking.tickets.filter((ticket) => ticket.status === "valid");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const key = useRef({ what: "", key: "" });
  const wanted = left.filter((ticket) => chosen.size === 0 || chosen.has(ticket.id));
  const amount = formatMoney(
    wanted.reduce((sum, ticket) => sum + ticket.price, 0),
    booking.currency,
  );
  const toggle = (id: string): void => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    setChosen(next);
  };
  const refund = async (): Promise<void> => {
    const tickets = wanted.map((ticket) => ticket.id);
    const what = tickets.join();
    if (key.current.what !== what) key.current = { what, key: newKey() };
    await refundTickets(booking.id, tickets, key.current.key);
    setChosen(new Set());
    await onChange();
  };
  const number = wanted.length === 1 ? "1 ticket" : `${wanted.length} tickets`;
  const isPart = chosen.size > 0 && wanted.length < left.length;
  return (
    <>
      <fieldset class="desk-tickets">
        <legend>Tickets</legend>
        {booking.tickets.map((ticket) => (
          <label key={ticket.id} data-ticket={ticket.status}>
            <input
              type="checkbox"
              disabled={ticket.status !== "valid"}
              checked={chosen.has(ticket.id)}
              onChange={() => toggle(ticket.id)}
            />
            <span>{placeOf(ticket)}</span>
            <span>{formatMoney(ticket.price, booking.currency)}</span>
            <span class="desk-ticket-state">{TICKET_WORDS[ticket.status]}</span>
          </label>
        ))}
      </fieldset>
      {left.length > 0 && booking.amount > 0 && (
        <Ask
          label={isPart ? `Refund ${number}…` : "Refund all that is left…"}
          about={`of ${booking.buyer.name}`}
          question={`Give ${amount} for ${number} back to ${booking.buyer.name}? The tickets are void at once and the places for sale again. It can't be undone.`}
          yes={`Refund ${amount}`}
          no="Keep them"
          act={refund}
        />
      )}
    </>
  );
}
