// Price levels with their colours; pressing one shows only its seats.
import type { JSX } from "preact";
import { formatMoney } from "../lib/money";
import type { SeatModel } from "./model";
import { Swatch } from "./Tooltip";

export interface LegendProps {
  model: SeatModel;
  currency: string;
  only: number;
  /** Some seats are the person's own. */
  hasMine: boolean;
  /** Seats are not shown, only sections. */
  isOverview?: boolean;
  onOnly(category: number): void;
}

export function Legend({
  model,
  currency,
  only,
  hasMine,
  isOverview = false,
  onOnly,
}: LegendProps): JSX.Element {
  return (
    <section class="legend" aria-label="Prices">
      <ul class="legend-levels">
        {model.categories.map((level, index) => (
          <li key={level.name}>
            <button
              type="button"
              class="legend-level"
              aria-pressed={only === index}
              disabled={level.price === null}
              onClick={() => onOnly(only === index ? -1 : index)}
            >
              <Swatch color={level.color} />
              <span class="legend-name">{level.name}</span>
              <span class="legend-price">
                {level.price === null ? "not for sale" : formatMoney(level.price, currency)}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {!isOverview && <States hasMine={hasMine} />}
    </section>
  );
}

function States({ hasMine }: { hasMine: boolean }): JSX.Element {
  return (
    <ul class="legend-states">
      <li>
        <svg class="swatch" viewBox="0 0 12 12" aria-hidden="true">
          <circle class="mark-selected" cx="6" cy="6" r="4.5" />
        </svg>
        Your choice
      </li>
      {hasMine && (
        <li>
          <svg class="swatch" viewBox="0 0 12 12" aria-hidden="true">
            <circle class="mark-mine" cx="6" cy="6" r="5" />
          </svg>
          Yours
        </li>
      )}
      <li>
        <svg class="swatch" viewBox="0 0 12 12" aria-hidden="true">
          <circle class="mark-taken" cx="6" cy="6" r="3.6" />
        </svg>
        Taken or held
      </li>
      <li>
        <svg class="swatch" viewBox="0 0 12 12" aria-hidden="true">
          <circle class="mark-blocked" cx="6" cy="6" r="2.4" />
        </svg>
        Not for sale
      </li>
    </ul>
  );
}
