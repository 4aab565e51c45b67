// The places of a booking and their sum, like a receipt.
import type { JSX } from "preact";
import type { Booking } from "../api/types";
import { formatMoney } from "../lib/money";

export function Places({ booking }: { booking: Booking }): JSX.Element {
  const { currency } = booking;
  return (
    <table class="places">
      <caption class="visually-hidden">Your places</caption>
      <tbody>
        {booking.seats.map((seat) => (
          <tr key={seat.id}>
            <th scope="row">
              <span class="places-name">{seat.section}</span>
              <span class="places-more">
                Row {seat.row} · Seat {seat.number} · {seat.category}
              </span>
            </th>
            <td>{formatMoney(seat.price, currency)}</td>
          </tr>
        ))}
        {(booking.areas ?? []).map((area) => (
          <tr key={area.area_id}>
            <th scope="row">
              <span class="places-name">{area.name}</span>
              <span class="places-more">
                {area.quantity} × {formatMoney(area.price, currency)}
                {area.category ? ` · ${area.category}` : ""}
              </span>
            </th>
            <td>{formatMoney(area.price * area.quantity, currency)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">Total</th>
          <td>
            <strong>{formatMoney(booking.amount, currency)}</strong>
          </td>
        </tr>
      </tfoot>
    </table>
  );
}
