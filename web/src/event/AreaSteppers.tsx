// General-admission areas: how many places of each.
import type { JSX } from "preact";
import { formatMoney } from "../lib/money";
import type { SeatBoard } from "../map/board";
import { Swatch } from "../map/Tooltip";
import { useBoardPulse } from "../map/useBoardPulse";
import type { Selection } from "./selection";

const PULSE_MS = 500;

export interface AreaSteppersProps {
  board: SeatBoard;
  currency: string;
  selection: Selection;
}

export function AreaSteppers({
  board,
  currency,
  selection,
}: AreaSteppersProps): JSX.Element | null {
  const { model, areaFree } = board;
  useBoardPulse(board, PULSE_MS);
  if (model.areas.length === 0) return null;
  return (
    <section class="areas" aria-label="Standing and free seating">
      <h3>Standing &amp; free seating</h3>
      <ul>
        {model.areas.map((area, index) => {
          const level = model.categories[area.category];
          const price = level?.price ?? null;
          const free = areaFree[index]!;
          const left = free < 0 ? undefined : free;
          const quantity = selection.areas.get(area.id) ?? 0;
          const more = price !== null && (left === undefined || quantity < left);
          return (
            <li key={area.id} class="area" data-area={area.id}>
              <div class="area-facts">
                <span class="area-name">
                  <Swatch color={level?.color ?? ""} /> {area.name}
                </span>
                <span class="area-price">
                  {price === null ? "not for sale" : formatMoney(price, currency)}
                  {left === 0
                    ? " · sold out"
                    : left !== undefined && left < 50
                      ? ` · ${left} left`
                      : ""}
                </span>
              </div>
              <div class="stepper" role="group" aria-label={`Places in ${area.name}`}>
                <button
                  type="button"
                  aria-label={`One fewer in ${area.name}`}
                  disabled={quantity === 0}
                  onClick={() => selection.setArea(area.id, quantity - 1)}
                >
                  −
                </button>
                <output aria-live="polite">{quantity}</output>
                <button
                  type="button"
                  aria-label={`One more in ${area.name}`}
                  disabled={!more}
                  onClick={() => selection.setArea(area.id, quantity + 1)}
                >
                  +
                </button>
              </div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
