// Sticks to the bottom of the window: what is chosen, what it costs, and the button that holds it.
import type { JSX } from "preact";
import { formatMoney } from "../lib/money";
import { seatNames, seatPrice, seatText, type SeatModel } from "../map/model";
import type { Selection } from "./selection";

export interface SelectionBarProps {
  model: SeatModel;
  selection: Selection;
  currency: string;
  limit: number;
  busy: boolean;
  closed: boolean;
  onHold(): void;
  onShow(seat: number): void;
}

export function SelectionBar(props: SelectionBarProps): JSX.Element {
  const { selection, currency, limit, busy, closed } = props;
  const onlySeats = selection.areas.size === 0;
  const noun = onlySeats ? "seat" : "place";
  const count = `${selection.places} ${noun}${selection.places === 1 ? "" : "s"}`;
  return (
    <section class="bar" aria-label="Your choice">
      <p class={`bar-message${selection.message ? " is-shown" : ""}`} role="status">
        {selection.message}
      </p>
      {selection.seats.size + selection.conflicts.size > 0 && (
        <ul class="chips">
          {[...selection.conflicts].map((seat) => (
            <GoneChip key={`gone ${seat}`} {...props} seat={seat} />
          ))}
          {[...selection.seats].map((seat) => (
            <Chip key={seat} {...props} seat={seat} />
          ))}
        </ul>
      )}
      <div class="bar-row">
        <p class="bar-sum">
          {selection.places === 0 ? (
            <span class="bar-hint">
              {closed ? "Not on sale right now" : `Choose up to ${limit} on the map`}
            </span>
          ) : (
            <>
              <span class="bar-count">{count}</span>
              <strong class="bar-total">{formatMoney(selection.total, currency)}</strong>
            </>
          )}
        </p>
        <button
          type="button"
          class="button button-main"
          disabled={closed || busy || selection.places === 0}
          onClick={props.onHold}
        >
          {busy ? "Holding…" : onlySeats ? "Hold seats" : "Hold places"}
        </button>
      </div>
    </section>
  );
}

function Chip({
  model,
  selection,
  currency,
  seat,
  onShow,
}: SelectionBarProps & { seat: number }): JSX.Element {
  const names = seatNames(model, seat);
  return (
    <li class="chip">
      <button type="button" class="chip-name" onClick={() => onShow(seat)} title="Show on the map">
        {names.section} · {names.row}-{names.number}
        <span class="chip-price">{formatMoney(seatPrice(model, seat) ?? 0, currency)}</span>
      </button>
      <button
        type="button"
        class="chip-remove"
        aria-label={`Remove ${seatText(model, seat)}`}
        onClick={() => selection.toggle(seat)}
      >
        ×
      </button>
    </li>
  );
}

/** A seat that was chosen and is somebody else's now. */
function GoneChip({ model, seat, onShow }: SelectionBarProps & { seat: number }): JSX.Element {
  const names = seatNames(model, seat);
  return (
    <li class="chip chip-gone">
      <button type="button" class="chip-name" onClick={() => onShow(seat)} title="Show on the map">
        <s>
          {names.section} · {names.row}-{names.number}
        </s>
        <strong class="chip-word">Gone</strong>
      </button>
    </li>
  );
}
