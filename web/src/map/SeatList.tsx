// The map as lists: section, then row, then seats. The same choice without a pointer, a canvas or eyes.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { FREE, stateName } from "../lib/seatbits";
import { formatMoney } from "../lib/money";
import { seatPrice, type SeatModel } from "./model";

export interface SeatListProps {
  model: SeatModel;
  states: Uint8Array;
  statesVersion: number;
  selected: ReadonlySet<number>;
  currency: string;
  onToggle(seat: number): void;
  onShowSection(section: number): void;
}

function freeIn(props: SeatListProps, first: number, count: number): number {
  let free = 0;
  for (let seat = first; seat < first + count; seat++) {
    if (props.states[seat] === FREE && seatPrice(props.model, seat) !== null) free++;
  }
  return free;
}

const places = (free: number): string => (free === 0 ? "sold out" : `${free} free`);

export function SeatList(props: SeatListProps): JSX.Element {
  const { model } = props;
  const [section, setSection] = useState(-1);
  const [row, setRow] = useState(-1);
  const chosen = section >= 0 ? model.sections[section] : undefined;
  const chooseSection = (index: number): void => {
    setSection(index);
    setRow(-1);
    if (index >= 0) props.onShowSection(index);
  };
  return (
    <details class="seat-list">
      <summary>Choose from a list instead</summary>
      <div class="seat-list-fields">
        <label class="field">
          <span class="field-label">Section</span>
          <select
            value={String(section)}
            onChange={(event) => chooseSection(Number(event.currentTarget.value))}
          >
            <option value="-1">Choose a section</option>
            {model.sections.map((item, index) =>
              item.count === 0 ? null : (
                <option key={item.id} value={String(index)}>
                  {item.name} ({places(freeIn(props, item.first, item.count))})
                </option>
              ),
            )}
          </select>
        </label>
        <label class="field">
          <span class="field-label">Row</span>
          <select
            value={String(row)}
            disabled={!chosen}
            onChange={(event) => setRow(Number(event.currentTarget.value))}
          >
            <option value="-1">Choose a row</option>
            {chosen &&
              model.rows
                .slice(chosen.rowFirst, chosen.rowFirst + chosen.rowCount)
                .map((item, index) => (
                  <option key={index} value={String(chosen.rowFirst + index)}>
                    Row {item.label} ({places(freeIn(props, item.first, item.count))})
                  </option>
                ))}
          </select>
        </label>
      </div>
      {row >= 0 && <SeatButtons {...props} row={row} />}
    </details>
  );
}

function SeatButtons(props: SeatListProps & { row: number }): JSX.Element {
  const { model, states, selected, currency, onToggle } = props;
  const range = model.rows[props.row]!;
  const seats = Array.from({ length: range.count }, (_, i) => range.first + i);
  return (
    <ul class="seat-buttons" aria-label={`Seats of row ${range.label}`}>
      {seats.map((seat) => {
        const price = seatPrice(model, seat);
        const free = states[seat] === FREE && price !== null;
        const state = price === null ? "not for sale" : stateName(states[seat] ?? FREE);
        const name = `Seat ${model.numbers[seat]}, ${price !== null && free ? formatMoney(price, currency) : state}`;
        return (
          <li key={seat}>
            <button
              type="button"
              class="seat-button"
              aria-pressed={selected.has(seat)}
              aria-label={name}
              disabled={!free && !selected.has(seat)}
              data-seat={model.ids[seat]}
              data-x={model.x[seat]}
              data-y={model.y[seat]}
              onClick={() => onToggle(seat)}
            >
              {model.numbers[seat]}
            </button>
          </li>
        );
      })}
    </ul>
  );
}
