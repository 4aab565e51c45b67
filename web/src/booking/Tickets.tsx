// The tickets of a confirmed booking: code to show at the door, PDF to print, entry for the calendar.
import type { JSX } from "preact";
import { listTickets } from "../api/endpoints";
import type { Booking, Ticket } from "../api/types";
import { calendarText } from "../lib/ics";
import { Failure, Spinner, useLoad } from "../ui/basics";

export function Tickets({ booking }: { booking: Booking }): JSX.Element {
  const tickets = useLoad(`tickets ${booking.id} ${booking.status}`, () => listTickets(booking.id));
  if (tickets.error) return <Failure error={tickets.error} onRetry={tickets.reload} />;
  if (!tickets.data) return <Spinner label="Loading your tickets" />;
  return (
    <section class="tickets" aria-label="Tickets">
      <div class="tickets-head">
        <h2>{tickets.data.data.length === 1 ? "Your ticket" : "Your tickets"}</h2>
        {booking.event && (
          <button type="button" class="button button-quiet" onClick={() => saveCalendar(booking)}>
            Add to calendar
          </button>
        )}
      </div>
      <ul class="tickets-list">
        {tickets.data.data.map((ticket) => (
          <TicketCard key={ticket.id} ticket={ticket} booking={booking} />
        ))}
      </ul>
    </section>
  );
}

function placeOf(ticket: Ticket): [string, string] {
  const { seat, area } = ticket;
  if (seat) return [seat.section, `Row ${seat.row} · Seat ${seat.number}`];
  return [area?.name ?? "Ticket", "Free seating"];
}

function TicketCard({ ticket, booking }: { ticket: Ticket; booking: Booking }): JSX.Element {
  const path = `/v1/tickets/${encodeURIComponent(ticket.id)}`;
  const [place, detail] = placeOf(ticket);
  const isValid = ticket.status === "valid";
  return (
    <li class={`ticket${isValid ? "" : " is-void"}`} data-ticket={ticket.id}>
      <div class="ticket-code">
        {isValid ? (
          <img
            src={`${path}/qr.svg`}
            width="200"
            height="200"
            alt={`QR code of the ticket for ${place}, ${detail}`}
          />
        ) : (
          <p class="ticket-void">{ticket.status}</p>
        )}
      </div>
      <div class="ticket-facts">
        <p class="eyebrow">{booking.event?.name ?? "Ticket"}</p>
        <h3>{place}</h3>
        <p>{detail}</p>
        {isValid && (
          <a class="button" href={`${path}/ticket.pdf`} download={`${ticket.id}.pdf`}>
            Download PDF
          </a>
        )}
      </div>
    </li>
  );
}

function saveCalendar(booking: Booking): void {
  const { event } = booking;
  if (!event) return;
  const venue = event.venue;
  const seats = booking.seats.map((seat) => seat.label);
  const areas = (booking.areas ?? []).map((area) => `${area.quantity} × ${area.name}`);
  const text = calendarText(
    {
      uid: booking.id,
      title: event.name,
      startsAt: event.starts_at,
      location: venue ? `${venue.name}, ${venue.city}` : "",
      description: [...seats, ...areas].join("\n"),
      url: window.location.href,
    },
    new Date(),
  );
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/calendar" }));
  link.download = "event.ics";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
