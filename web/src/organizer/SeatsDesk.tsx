// Taking seats off sale and putting them back: chosen on the map one by one, by a rectangle, by row or by section.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { getSeatmap } from "../api/endpoints";
import type { SeatmapJson } from "../api/types";
import { modelOf } from "../event/SeatPicker";
import { useBoard, type LiveBoard } from "../event/useBoard";
import { BLOCKED, FREE } from "../lib/seatbits";
import { handledAsLogin } from "../lib/session";
import type { MapController } from "../map/controller";
import { seatText, type SeatModel } from "../map/model";
import { SeatMap } from "../map/SeatMap";
import { useBoardPulse } from "../map/useBoardPulse";
import { Failure, Notice, Spinner, useLoad } from "../ui/basics";
import { changeMany, type BlockProgress } from "./blocks";
import type { DeskProps } from "./EventManagePage";
import { Rectangle } from "./Rectangle";

const NONE: ReadonlySet<number> = new Set();
const PULSE_MS = 250;

export function SeatsDesk({ event, onChange }: DeskProps): JSX.Element {
  const map = useLoad(`map ${event.id}`, () => getSeatmap(event.id));
  if (map.error) return <Failure error={map.error} onRetry={map.reload} />;
  if (!map.data) return <Spinner label="Loading the map" />;
  if (!map.data.sections.some(({ rows }) => rows.length > 0))
    return <Notice kind="info">This event has areas only: there is no seat to block.</Notice>;
  const again = (): void => {
    onChange();
    map.reload();
  };
  return <Live event={event} seatmap={map.data} onGone={again} />;
}

interface LiveProps {
  event: DeskProps["event"];
  seatmap: SeatmapJson;
  onGone(): void;
}

function Live({ event, seatmap, onGone }: LiveProps): JSX.Element {
  const model = useMemo(() => modelOf(event, seatmap), [event.id, seatmap]);
  const live = useBoard(event.id, model, seatmap.version, async () => onGone());
  if (live.isKnown) return <Blocks event={event} live={live} />;
  if (live.error) return <Failure error={live.error} onRetry={live.refresh} />;
  return <Spinner label="Loading the seats" />;
}

function Blocks({ event, live }: { event: DeskProps["event"]; live: LiveBoard }): JSX.Element {
  const { board } = live;
  const { model, states } = board;
  useBoardPulse(board, PULSE_MS);
  const [selected, setSelected] = useState<ReadonlySet<number>>(NONE);
  const [isDrawing, setDrawing] = useState(false);
  const [said, setSaid] = useState("");
  const map = useRef<MapController | null>(null);
  const may = (seat: number): boolean => states[seat] === FREE || states[seat] === BLOCKED;

  /** A seat that somebody took is no longer chosen. */
  useEffect(
    () =>
      board.subscribe(() =>
        setSelected((old) => {
          const kept = [...old].filter(may);
          return kept.length === old.size ? old : new Set(kept);
        }),
      ),
    [board],
  );

  const toggle = (seat: number): void => {
    if (!may(seat)) return setSaid(`${seatText(model, seat)} is held or booked.`);
    setSelected((old) => {
      const next = new Set(old);
      if (!next.delete(seat)) next.add(seat);
      return next;
    });
  };
  const add = (seats: number[]): void => {
    const free = seats.filter(may);
    setSaid(`${free.length.toLocaleString()} seats chosen.`);
    setSelected((old) => new Set([...old, ...free]));
  };
  const range = (first: number, count: number): number[] =>
    Array.from({ length: count }, (_, index) => first + index);

  return (
    <section class="report" aria-label="Seats">
      <h2>Seats</h2>
      <p>
        Blocked seats are not sold. Choose seats one by one, draw a rectangle, or take a whole row
        or section; those that are held or booked stay out.
      </p>
      <div class="desk-map">
        <SeatMap
          board={board}
          selected={selected}
          conflicts={NONE}
          mine={NONE}
          only={-1}
          currency={event.currency}
          onToggle={toggle}
          onReady={(controller) => (map.current = controller)}
          label={`Seat map of ${event.venue.name}`}
        />
        {isDrawing && <Rectangle map={map.current} onSeats={add} onTap={toggle} />}
      </div>
      <div class="desk-tools">
        <button
          type="button"
          class="button"
          aria-pressed={isDrawing}
          onClick={() => setDrawing(!isDrawing)}
        >
          {isDrawing ? "Drawing: end" : "Draw a rectangle"}
        </button>
        <Rows model={model} onSeats={(first, count) => add(range(first, count))} />
      </div>
      <p class="visually-hidden" aria-live="polite">
        {said}
      </p>
      <Change
        event={event.id}
        model={model}
        states={states}
        selected={selected}
        onDone={async () => {
          setSelected(NONE);
          await live.refresh();
        }}
      />
    </section>
  );
}

interface RowsProps {
  model: SeatModel;
  onSeats(first: number, count: number): void;
}

function Rows({ model, onSeats }: RowsProps): JSX.Element {
  const [sectionNo, setSection] = useState(() => model.sections.findIndex(({ count }) => count > 0));
  const [rowNo, setRow] = useState(0);
  const section = model.sections[sectionNo]!;
  const rows = model.rows.slice(section.rowFirst, section.rowFirst + section.rowCount);
  const row = rows[rowNo] ?? rows[0]!;
  return (
    <div class="desk-rows" role="group" aria-label="By row or section">
      <select
        aria-label="Section"
        value={sectionNo}
        onChange={(event) => {
          setSection(Number(event.currentTarget.value));
          setRow(0);
        }}
      >
        {model.sections.map(
          ({ name, count }, index) =>
            count > 0 && (
              <option key={index} value={index}>
                {name}
              </option>
            ),
        )}
      </select>
      <select
        aria-label="Row"
        value={rowNo}
        onChange={(event) => setRow(Number(event.currentTarget.value))}
      >
        {rows.map(({ label, count }, index) => (
          <option key={index} value={index}>
            Row {label} ({count})
          </option>
        ))}
      </select>
      <button type="button" class="button" onClick={() => onSeats(row.first, row.count)}>
        Add the row
      </button>
      <button type="button" class="button" onClick={() => onSeats(section.first, section.count)}>
        Add the section
      </button>
    </div>
  );
}

interface ChangeProps {
  event: string;
  model: SeatModel;
  states: Uint8Array;
  selected: ReadonlySet<number>;
  onDone(): Promise<void>;
}

function Change({ event, model, states, selected, onDone }: ChangeProps): JSX.Element {
  const [progress, setProgress] = useState<BlockProgress | null>(null);
  const [result, setResult] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const free = [...selected].filter((seat) => states[seat] === FREE);
  const blocked = [...selected].filter((seat) => states[seat] === BLOCKED);

  const run = async (method: "POST" | "DELETE", seats: number[]): Promise<void> => {
    const ids = seats.sort((a, b) => a - b).map((seat) => model.ids[seat]!);
    stop.current = new AbortController();
    setError(null);
    setResult(null);
    setProgress({ done: 0, total: ids.length, taken: [] });
    try {
      const end = await changeMany(event, method, ids, setProgress, stop.current.signal);
      const what = method === "POST" ? "blocked" : "on sale again";
      const seatsAre = end.done === 1 ? "seat is" : "seats are";
      const taken = end.taken.length.toLocaleString();
      setResult(
        `${end.done.toLocaleString()} ${seatsAre} ${what}.` +
          (end.taken.length > 0 ? ` ${taken} were taken meanwhile.` : ""),
      );
    } catch (problem) {
      if (!handledAsLogin(problem)) setError(problem);
    }
    setProgress(null);
    await onDone().catch(() => undefined);
  };

  if (progress) {
    return (
      <div class="desk-progress" role="status">
        <progress max={progress.total} value={progress.done} aria-label="Seats done" />
        <p>
          {progress.done.toLocaleString()} of {progress.total.toLocaleString()} seats
        </p>
        <button type="button" class="button" onClick={() => stop.current?.abort()}>
          Stop
        </button>
      </div>
    );
  }
  return (
    <div class="desk-change">
      {error !== null && <Failure error={error} />}
      {result && (
        <p class="desk-result" role="status">
          {result}
        </p>
      )}
      <div class="actions-row">
        <button
          type="button"
          class="button button-main"
          disabled={free.length === 0}
          onClick={() => run("POST", free)}
        >
          Block {free.length.toLocaleString()} {free.length === 1 ? "seat" : "seats"}
        </button>
        <button
          type="button"
          class="button"
          disabled={blocked.length === 0}
          onClick={() => run("DELETE", blocked)}
        >
          Unblock {blocked.length.toLocaleString()}
        </button>
      </div>
    </div>
  );
}
