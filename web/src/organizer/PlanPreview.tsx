// The plan as buyers will see it, on the very same map.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { SeatBoard } from "../map/board";
import { buildModel, seatText } from "../map/model";
import { SeatMap } from "../map/SeatMap";
import { Swatch } from "../map/Tooltip";
import { Notice } from "../ui/basics";
import { planToSeatmap, summarize, type Plan } from "./plan";

const NO_SEATS: ReadonlySet<number> = new Set();

function build(plan: Plan): SeatBoard | string {
  try {
    const board = new SeatBoard(buildModel(planToSeatmap(plan)));
    board.replace(new Uint8Array(Math.ceil(board.model.count / 4)));
    return board;
  } catch {
    return "The plan can't be drawn; the import will say what is wrong with it.";
  }
}

export function PlanPreview({ plan }: { plan: Plan }): JSX.Element {
  const board = useMemo(() => build(plan), [plan]);
  const facts = useMemo(() => summarize(plan), [plan]);
  const [said, setSaid] = useState("");
  if (typeof board === "string") return <Notice kind="warn">{board}</Notice>;
  const { model } = board;
  return (
    <section class="preview" aria-label="Preview">
      <p class="preview-facts" data-testid="plan-facts">
        <strong>{facts.seats.toLocaleString()}</strong> seats in{" "}
        <strong>{facts.rows.toLocaleString()}</strong> rows and{" "}
        <strong>{facts.sections.toLocaleString()}</strong> sections
        {facts.areas > 0 &&
          `, ${facts.areas} ${facts.areas === 1 ? "area" : "areas"} with ${facts.places.toLocaleString()} places`}
      </p>
      <SeatMap
        board={board}
        selected={NO_SEATS}
        conflicts={NO_SEATS}
        mine={NO_SEATS}
        only={-1}
        currency="EUR"
        onToggle={(seat) => setSaid(`${seatText(model, seat)} (${model.ids[seat]})`)}
        label="Preview of the seating plan"
      />
      <p class="preview-said" role="status">
        {said}
      </p>
      <ul class="preview-levels">
        {facts.categories.map((level) => (
          <li key={level.name}>
            <Swatch color={level.color} /> {level.name}: {level.places.toLocaleString()}
          </li>
        ))}
      </ul>
    </section>
  );
}
