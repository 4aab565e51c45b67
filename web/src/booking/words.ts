// What each state of a booking means for the person who made it.
import type { Booking, BookingStatus } from "../api/types";
import { formatMoney } from "../lib/money";

export interface StatusWords {
  label: string;
  kind: "info" | "good" | "warn" | "bad";
  title: string;
  text: string;
}

export function statusWords(booking: Booking): StatusWords {
  const money = formatMoney(booking.amount, booking.currency);
  const back = formatMoney(booking.refunded_amount ?? 0, booking.currency);
  const words: Record<BookingStatus, StatusWords> = {
    held: {
      label: "Held for you",
      kind: "info",
      title: "These places are yours for now",
      text: "Nobody else can take them while the clock runs. Pay to keep them.",
    },
    payment_pending: {
      label: "Waiting for payment",
      kind: "warn",
      title: "Waiting for your payment",
      text: "As soon as the bank confirms it, your tickets appear here. You may leave this page open or come back later.",
    },
    confirmed: {
      label: "Confirmed",
      kind: "good",
      title: "You’re going!",
      text: "Your tickets are below, and on their way to your email.",
    },
    expired: {
      label: "Expired",
      kind: "bad",
      title: "The time ran out",
      text: "The places were given back. You have not been charged; should a payment still arrive, you get either your places or your money.",
    },
    cancelled: {
      label: "Cancelled",
      kind: "info",
      title: "You gave these places back",
      text: "Nothing was charged. Should a payment be on its way, it is returned to you.",
    },
    failed: {
      label: "Payment failed",
      kind: "bad",
      title: "The payment didn’t go through",
      text: "The bank declined it and you have not been charged. The places were given back; you can choose again.",
    },
    refund_pending: {
      label: "Refund on its way",
      kind: "info",
      title: "Your money is on its way back",
      text: "The bank has been asked to return it. That can take a few days to show on your account.",
    },
    refunded: {
      label: "Refunded",
      kind: "info",
      title: "Your money was returned",
      text: `${back} went back the way you paid. The tickets of this booking are no longer valid.`,
    },
    partially_refunded: {
      label: "Partly refunded",
      kind: "info",
      title: "Part of your money was returned",
      text: `${back} of ${money} went back the way you paid. Tickets marked as valid below still get you in.`,
    },
  };
  return words[booking.status];
}

export const isOpen = (status: BookingStatus): boolean =>
  status === "held" || status === "payment_pending";
export const hasTickets = (status: BookingStatus): boolean =>
  status === "confirmed" || status === "refund_pending" || status === "partially_refunded";
export const isOver = (status: BookingStatus): boolean =>
  status === "expired" || status === "cancelled" || status === "failed";
