// The routes of the organizer's desk, by name.
import { call, get } from "../api/client";
import type { BookedArea, BookedSeat, BookingStatus, EventView, List } from "../api/types";

const id = encodeURIComponent;

export interface SalePoint {
  from: string;
  places: number;
  revenue: number;
  returned: number;
  refunded: number;
}

export interface Sales extends Omit<SalePoint, "from"> {
  at: string;
  held: number;
  booked: number;
  blocked: number;
  available: number;
  currency: string;
  points: SalePoint[];
}

export interface DeskTicket {
  id: string;
  status: "valid" | "used" | "revoked";
  price: number;
  seat: { label: string } | null;
  area: { name: string } | null;
}

export interface DeskBooking {
  id: string;
  status: BookingStatus;
  buyer: { name: string; email: string | null };
  places: number;
  seats: BookedSeat[];
  areas: BookedArea[];
  amount: number;
  refunded_amount: number;
  currency: string;
  created_at: string;
  tickets: DeskTicket[];
}

/** What an event says of its sale; what a server does not know yet is not there. */
export interface EventRules extends EventView {
  waiting_room?: "off" | "on" | "auto";
  late_payment?: "reclaim" | "refund";
  orphan_rule?: boolean;
  queue?: Record<string, number>;
  abuse?: Record<string, number | string>;
}

export const getSales = (event: string, step: "minute" | "hour", since?: string) =>
  get<Sales>(`/v1/events/${id(event)}/sales?step=${step}${since ? `&since=${id(since)}` : ""}`, {
    fresh: true,
  });

export interface BookingSearch {
  q: string;
  state: string;
}

export function listEventBookings(event: string, search: BookingSearch, cursor: string | null) {
  const query = new URLSearchParams({ limit: "50" });
  if (search.q) query.set("q", search.q);
  if (search.state) query.set("state", search.state);
  if (cursor) query.set("cursor", cursor);
  return get<List<DeskBooking>>(`/v1/events/${id(event)}/bookings?${query}`, { fresh: true });
}

/** No tickets: all that are left. */
export const refundTickets = (booking: string, tickets: string[], key: string) =>
  call<unknown>("POST", `/v1/bookings/${id(booking)}/refund`, {
    body: tickets.length > 0 ? { ticket_ids: tickets } : {},
    key,
  });

export const changeBlocks = (event: string, method: "POST" | "DELETE", seats: string[]) =>
  call<{ changed: number }>(method, `/v1/events/${id(event)}/blocks`, {
    body: { seat_ids: seats },
  });

export const changeEvent = (event: string, body: unknown) =>
  call<EventRules>("PATCH", `/v1/events/${id(event)}`, { body });
