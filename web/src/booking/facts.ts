// What a conversation about an event is told of a booking, in words: system entries whose body has `data`.
import { formatMoney } from "../lib/money";

interface Fact {
  event?: string;
  data?: {
    amount?: number;
    currency?: string;
    seats?: unknown[];
    areas?: { quantity?: number }[];
    ticket_ids?: unknown[];
    event?: { name?: string };
  };
}

const count = (number: number, what: string): string =>
  `${number} ${what}${number === 1 ? "" : "s"}`;

/** null: it is something else. */
export function factWords(body: unknown): string | null {
  const { event, data } = (body ?? {}) as Fact;
  if (!data) return null;
  const money = formatMoney(data.amount ?? 0, data.currency ?? "EUR");
  const places =
    (data.seats?.length ?? 0) +
    (data.areas ?? []).reduce((sum, { quantity }) => sum + (quantity ?? 0), 0);
  switch (event) {
    case "booking.confirmed":
      return `${count(places, "ticket")} bought for ${money}`;
    case "tickets.revoked":
      return `${count(data.ticket_ids?.length ?? 0, "ticket")} given back`;
    case "payment.refunded":
      return `${money} paid back`;
    case "event.cancelled":
      return `${data.event?.name ?? "The event"} was cancelled`;
    default:
      return null;
  }
}
