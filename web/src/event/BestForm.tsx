// "Just give me good seats": how many, and what matters; the server picks them next to each other and holds them.
import type { ComponentChildren, JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { BestWish } from "../api/endpoints";
import { formatMoney } from "../lib/money";
import type { SeatBoard } from "../map/board";
import { useBoardPulse } from "../map/useBoardPulse";

const PULSE_MS = 1000;

export interface BestFormProps {
  board: SeatBoard;
  currency: string;
  limit: number;
  busy: boolean;
  closed: boolean;
  /** The largest group there is, after there was none as wished. */
  largestGroup: number | null;
  onWish(wish: BestWish): void;
}

const people = (count: number): string => `${count} ${count === 1 ? "seat" : "seats"}`;
const numbers = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

export function BestForm(props: BestFormProps): JSX.Element | null {
  const { board, currency, limit, busy, closed, largestGroup } = props;
  useBoardPulse(board, PULSE_MS);
  const { model } = board;
  const [count, setCount] = useState(Math.min(2, limit));
  const [category, setCategory] = useState("");
  const [section, setSection] = useState("");
  const [accessible, setAccessible] = useState(0);
  const [maySplit, setSplit] = useState(false);

  const choose = (places: number): void => {
    setCount(places);
    setAccessible(Math.min(accessible, places));
  };
  const wish = (places = count, split = maySplit): void => {
    choose(places);
    setSplit(split);
    const asked: BestWish = { count: places };
    if (category !== "") asked.category = category;
    if (section !== "") asked.section = section;
    if (accessible > 0) asked.accessible = Math.min(accessible, places);
    if (split) asked.may_split = true;
    props.onWish(asked);
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    wish();
  };

  const levels = useMemo(
    () =>
      model.categories
        .map((level, index) => ({ level, index }))
        .filter(({ level, index }) => level.price !== null && model.category.includes(index)),
    [model],
  );
  return (
    <form class="best" aria-label="Best available seats" onSubmit={submit}>
      <h3>Best available</h3>
      <p class="best-lead">Seats next to each other, as good as they come.</p>
      <div class="best-fields">
        <Choice label="How many" value={String(count)} onChange={(v) => choose(Number(v))}>
          {numbers(1, limit).map((n) => (
            <option key={n} value={String(n)}>
              {n}
            </option>
          ))}
        </Choice>
        <Choice label="Price" value={category} onChange={setCategory}>
          <option value="">Any</option>
          {levels.map(({ level, index }) => (
            <option key={level.name} value={level.name}>
              {level.name} · {formatMoney(level.price ?? 0, currency)}
              {board.categoryFree[index] === 0 ? " (sold out)" : ""}
            </option>
          ))}
        </Choice>
      </div>
      <details class="best-more">
        <summary>More wishes</summary>
        <div class="best-fields">
          <Choice label="Where" value={section} onChange={setSection}>
            <option value="">Anywhere</option>
            {model.sections.map((item, index) =>
              item.count === 0 ? null : (
                <option key={item.id} value={item.id}>
                  {item.name}
                  {board.sectionFree[index] === 0 ? " (sold out)" : ""}
                </option>
              ),
            )}
          </Choice>
          <Choice
            label="Wheelchair places"
            value={String(accessible)}
            onChange={(v) => setAccessible(Number(v))}
          >
            {numbers(0, count).map((n) => (
              <option key={n} value={String(n)}>
                {n === 0 ? "None" : n}
              </option>
            ))}
          </Choice>
        </div>
        {accessible > 0 && accessible < count && (
          <p class="field-hint">The others sit beside them, as companions.</p>
        )}
        <label class="check">
          <input
            type="checkbox"
            checked={maySplit}
            onChange={(event) => setSplit(event.currentTarget.checked)}
          />
          <span>We may sit apart, if there is no other way</span>
        </label>
      </details>
      {largestGroup !== null && (
        <div class="best-none" role="alert">
          <p>{noGroupText(count, largestGroup)}</p>
          <p class="best-ways">
            {largestGroup > 0 && largestGroup < count && (
              <button
                type="button"
                class="button button-small"
                disabled={busy}
                onClick={() => wish(largestGroup)}
              >
                Hold {people(largestGroup)}
              </button>
            )}
            {!maySplit && count > 1 && (
              <button
                type="button"
                class="button button-small"
                disabled={busy}
                onClick={() => wish(count, true)}
              >
                Sit apart
              </button>
            )}
          </p>
        </div>
      )}
      <button type="submit" class="button button-wide" disabled={busy || closed}>
        {busy ? "Looking…" : `Hold the best ${people(count).replace(/^1 /, "")}`}
      </button>
    </form>
  );
}

export function noGroupText(count: number, largest: number): string {
  if (largest === 0) return "There are no such seats left.";
  if (count === 1) return "There is no such seat left.";
  return largest === 1
    ? `${count} seats together can’t be had any more, only single ones.`
    : `${count} seats together can’t be had any more; ${largest} can.`;
}

interface ChoiceProps {
  label: string;
  value: string;
  onChange(value: string): void;
  children: ComponentChildren;
}

function Choice({ label, value, onChange, children }: ChoiceProps): JSX.Element {
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {children}
      </select>
    </label>
  );
}
