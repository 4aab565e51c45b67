// The routes that the pages use, by name.
import { admissionOf } from "../queue/admission";
import type { Fairness, QueueEntry, Room } from "../queue/types";
import { call, get, send } from "./client";
import type {
  Availability,
  Booking,
  EventView,
  List,
  Proof,
  Report,
  SeatmapJson,
  Ticket,
  Totp,
  TotpCreated,
  User,
  Venue,
} from "./types";

const id = encodeURIComponent;

export interface EventSearch {
  q?: string | undefined;
  city?: string | undefined;
  category?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  near?: string | undefined;
  radius_km?: number | undefined;
}

export function searchPath(search: EventSearch, cursor?: string | null): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(search))
    if (value !== undefined && value !== "") query.set(name, `${value}`);
  query.set("limit", "24");
  if (cursor) query.set("cursor", cursor);
  return `/v1/events?${query}`;
}

export const listEvents = (search: EventSearch, cursor: string | null, signal?: AbortSignal) =>
  get<List<EventView>>(searchPath(search, cursor), { signal });
export const getEvent = (event: string, fresh = false) =>
  get<EventView>(`/v1/events/${id(event)}`, { fresh });
/** Under its version, which the event names, a map never changes. */
export const getSeatmap = (event: string, version?: string) =>
  get<SeatmapJson>(
    `/v1/events/${id(event)}/seatmap${version === undefined ? "" : `?version=${id(version)}`}`,
  );
export const getAvailability = (event: string, signal?: AbortSignal) =>
  get<Availability>(`/v1/events/${id(event)}/availability`, { signal });

export async function getSeatBits(event: string, signal?: AbortSignal): Promise<Uint8Array> {
  const response = await send("GET", `/v1/events/${id(event)}/seats`, {
    accept: "application/octet-stream",
    signal,
    headers: admission(event),
  });
  return new Uint8Array(await response.arrayBuffer());
}

function admission(event: string): Record<string, string> {
  const token = admissionOf(event);
  return token === undefined ? {} : { "foyer-admission": token };
}

/** Where the stream of the event's map is, behind the version `lastId`. A browser's EventSource sends no headers. */
export function livePath(event: string, lastId: string | null): string {
  const query = new URLSearchParams();
  const token = admissionOf(event);
  if (token !== undefined) query.set("admission", token);
  if (lastId !== null) query.set("last_event_id", lastId);
  return `/v1/events/${id(event)}/live${query.size > 0 ? `?${query}` : ""}`;
}

export const getRoom = (event: string, signal?: AbortSignal) =>
  get<Room>(`/v1/events/${id(event)}/queue`, { fresh: true, signal });
export const joinQueue = (event: string, key: string) =>
  call<QueueEntry>("POST", `/v1/events/${id(event)}/queue`, { key });
export const getQueueEntry = (event: string, entry: string, signal?: AbortSignal) =>
  get<QueueEntry>(`/v1/events/${id(event)}/queue/${id(entry)}`, { fresh: true, signal });
export const leaveQueue = (event: string, entry: string) =>
  call<void>("DELETE", `/v1/events/${id(event)}/queue/${id(entry)}`);
export const getFairness = (event: string) =>
  get<Fairness>(`/v1/events/${id(event)}/queue/fairness`, { fresh: true });
/** The closed list as it is hashed: its bytes, not its lines. */
export async function getQueueEntries(event: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await send("GET", `/v1/events/${id(event)}/queue/entries`, {
    accept: "text/plain",
    fresh: true,
  });
  return new Uint8Array(await response.arrayBuffer());
}
export const getChallenge = (event: string) =>
  get<Record<string, unknown>>(`/v1/events/${id(event)}/challenge`, { fresh: true });

export interface BestWish {
  count: number;
  category?: string;
  section?: string;
  accessible?: number;
  may_split?: boolean;
}

export interface HoldWish {
  event_id: string;
  seat_ids?: string[];
  areas?: { area_id: string; quantity: number }[];
  best_available?: BestWish;
}

/** `solution`: of a challenge that the server has asked for. */
export const hold = (wish: HoldWish, key: string, solution?: string) =>
  call<Booking>("POST", "/v1/bookings", {
    body: wish,
    key,
    headers: {
      ...admission(wish.event_id),
      ...(solution === undefined ? {} : { "foyer-challenge": solution }),
    },
  });
export const getBooking = (booking: string) =>
  get<Booking>(`/v1/bookings/${id(booking)}`, { fresh: true });
export const checkout = (booking: string, key: string, solution?: string) =>
  call<Booking>("POST", `/v1/bookings/${id(booking)}/checkout`, {
    key,
    headers: solution === undefined ? {} : { "foyer-challenge": solution },
  });
export const cancelBooking = (booking: string) =>
  call<unknown>("DELETE", `/v1/bookings/${id(booking)}`);
export const refundBooking = (booking: string, key: string) =>
  call<unknown>("POST", `/v1/bookings/${id(booking)}/refund`, { body: {}, key });
export const listTickets = (booking: string) =>
  get<List<Ticket>>(`/v1/bookings/${id(booking)}/tickets`, { fresh: true });
export const listBookings = (cursor: string | null) =>
  get<List<Booking>>(`/v1/me/bookings?limit=20${cursor ? `&cursor=${id(cursor)}` : ""}`, {
    fresh: true,
  });

/** The caller's conversation about the event; null: there is none. */
export const findConversation = async (event: string): Promise<string | null> => {
  const chats = await get<List<{ id: string }>>(`/v1/chats?event_id=${id(event)}&limit=1`, {
    fresh: true,
  });
  return chats.data[0]?.id ?? null;
};

export const getMe = () => get<User>("/v1/me", { fresh: true });
export const signUp = (email: string, password: string, name: string) =>
  call<User>("POST", "/v1/users", { body: { email, password, name } });
export const logIn = (email: string, password: string, proof?: Proof) =>
  call<{ user: User }>("POST", "/v1/sessions", {
    body: { email, password, cookie: true, ...proof },
  });
export const logOut = () => call<void>("DELETE", "/v1/sessions/current");

export const getTotp = () => get<Totp>("/v1/me/totp", { fresh: true });
export const createTotp = (password: string) =>
  call<TotpCreated>("POST", "/v1/me/totp", { body: { password } });
export const confirmTotp = (code: string) =>
  call<{ recovery_codes: string[] }>("POST", "/v1/me/totp/confirm", { body: { code } });
export const removeTotp = (password: string, proof: Proof) =>
  call<void>("DELETE", "/v1/me/totp", { body: { password, ...proof } });

export const listVenues = () => get<List<Venue>>("/v1/venues?limit=200", { fresh: true });
export const getVenue = (venue: string) => get<Venue>(`/v1/venues/${id(venue)}`, { fresh: true });
export const createVenue = (body: unknown, key: string) =>
  call<Venue>("POST", "/v1/venues", { body, key });
export const createEvent = (body: unknown, key: string) =>
  call<EventView>("POST", "/v1/events", { body, key });
export const publishEvent = (event: string, key: string) =>
  call<EventView>("POST", `/v1/events/${id(event)}/publish`, { key });
export const cancelEvent = (event: string, key: string) =>
  call<EventView>("POST", `/v1/events/${id(event)}/cancel`, { key });
export const listMyEvents = (cursor: string | null) =>
  get<List<EventView>>(`/v1/me/events?limit=50${cursor ? `&cursor=${id(cursor)}` : ""}`, {
    fresh: true,
  });
export const getReport = (event: string) =>
  get<Report>(`/v1/events/${id(event)}/report`, { fresh: true });
