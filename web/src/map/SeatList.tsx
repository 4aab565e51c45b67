// The map as lists: section, then row, then seats. The same choice without a pointer, a canvas or eyes.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { FREE, stateName } from "../lib/seatbits";
import { formatMoney } from "../lib/money";
import type { SeatBoard } from "./board";
import { seatPrice } from "./model";
import { useBoardPulse } from "./useBoardPulse";

const PULSE_MS = 300;

export interface SeatListProps {
  board: SeatBoard;
  selected: ReadonlySet<number>;
  mine: ReadonlySet<number>;
  currency: string;
  onToggle(seat: number): void;
  onShowSection(section: number): void;
}

const places = (free: number): string => (free === 0 ? "sold out" : `${free} free`);

export function SeatList(props: SeatListProps): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const [section, setSection] = useState(-1);
  const [row, setRow] = useState(-1);
  const chooseSection = (index: number): void => {
    setSection(index);
    setRow(-1);
    if (index >= 0) props.onShowSection(index);
  };
  return (
    <details class="seat-list" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Choose from a list instead</summary>
      {isOpen && (
        <Fields {...props} section={section} row={row} onSection={chooseSection} onRow={setRow} />
      )}
    </details>
  );
}

interface FieldsProps extends SeatListProps {
  section: number;
  row: number;
  onSection(section: number): void;
  onRow(row: number): void;
}

function Fields(props: FieldsProps): JSX.Element {
  const { section, row, onSection, onRow } = props;
  const { model, sectionFree, rowFree } = props.board;
  useBoardPulse(props.board, PULSE_MS);
  const chosen = section >= 0 ? model.sections[section] : undefined;
  return (
    <>
      <div class="seat-list-fields">
        <label class="field">
          <span class="field-label">Section</span>
          <select
            value={String(section)}
            onChange={(event) => onSection(Number(event.currentTarget.value))}
          >
            <option value="-1">Choose a section</option>
            {model.sections.map((item, index) =>
              item.count === 0 ? null : (
                <option key={item.id} value={String(index)}>
                  {item.name} ({places(sectionFree[index]!)})
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
            onChange={(event) => onRow(Number(event.currentTarget.value))}
          >
            <option value="-1">Choose a row</option>
            {chosen &&
              model.rows
                .slice(chosen.rowFirst, chosen.rowFirst + chosen.rowCount)
                .map((item, index) => (
                  <option key={index} value={String(chosen.rowFirst + index)}>
                    Row {item.label} ({places(rowFree[chosen.rowFirst + index]!)})
                  </option>
                ))}
          </select>
        </label>
      </div>
      {row >= 0 && <SeatButtons {...props} row={row} />}
    </>
  );
}

function SeatButtons(props: SeatListProps & { row: number }): JSX.Element {
  const { selected, mine, currency, onToggle } = props;
  const { model, states } = props.board;
  const range = model.rows[props.row]!;
  const seats = Array.from({ length: range.count }, (_, i) => range.first + i);
  return (
    <ul class="seat-buttons" aria-label={`Seats of row ${range.label}`}>
      {seats.map((seat) => {
        const price = seatPrice(model, seat);
        const free = states[seat] === FREE && price !== null;
        const state = mine.has(seat)
          ? "yours"
          : price === null
            ? "not for sale"
            : stateName(states[seat] ?? FREE);
        const name = `Seat ${model.numbers[seat]}, ${price !== null && free ? formatMoney(price, currency) : state}`;
        return (
          <li key={seat}>
            <button
              type="button"
              class={`seat-button${mine.has(seat) ? " is-mine" : ""}`}
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
