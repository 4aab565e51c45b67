// The waiting room while people are in it: who waits, who is in, and the two numbers that may be turned during a sale.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Problem } from "../api/client";
import { getRoom } from "../api/endpoints";
import { formatMoment } from "../lib/dates";
import { Link } from "../lib/router";
import { handledAsLogin } from "../lib/session";
import type { Room } from "../queue/types";
import { Failure, Notice, Spinner } from "../ui/basics";
import { errorOf, number, TextField, useSubmit } from "../ui/forms";
import { changeEvent } from "./api";
import type { DeskProps } from "./EventManagePage";
import { useEvery } from "./useEvery";

const ROOM_MS = 2000;
const FIELDS = ["queue.admitted_max", "queue.admit_per_minute"];

const STATES: Record<Room["state"], string> = {
  off: "Off: everybody goes straight in.",
  closed: "Closed: it has not opened yet.",
  pre: "Open before the sale: people come, and nobody has a place yet.",
  open: "Open: people are let in one after the other.",
  over: "Over: the sale has ended.",
};

export function RoomDesk({ event, onChange }: DeskProps): JSX.Element {
  const [room, setRoom] = useState<Room | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEvery(event.id, ROOM_MS, async () => {
    try {
      setRoom(await getRoom(event.id));
      setError(null);
    } catch (problem) {
      if (!handledAsLogin(problem)) setError(problem);
    }
  });
  if (error instanceof Problem && error.status === 404) {
    return (
      <Notice kind="info" title="No waiting room">
        <p>This event has none: a draft gets one when it is published.</p>
      </Notice>
    );
  }
  if (!room) return error ? <Failure error={error} /> : <Spinner label="Looking into the room" />;
  return (
    <section class="report" aria-label="Waiting room" data-room={room.state}>
      <h2>Waiting room</h2>
      <p>{STATES[room.state]}</p>
      {error !== null && <p class="map-stale">Connection lost: these figures are old.</p>}
      <RoomFigures room={room} event={event} />
      {room.state === "off" ? (
        <p>
          <Link href={`/organizer/events/${event.id}/settings`}>
            A draft’s settings switch it on.
          </Link>
        </p>
      ) : (
        <Valves event={event} onChange={onChange} />
      )}
    </section>
  );
}

function RoomFigures({ room, event }: { room: Room; event: DeskProps["event"] }): JSX.Element {
  const cap = event.queue?.["admitted_max"];
  const share = cap ? Math.min(1, room.admitted / cap) : 0;
  return (
    <>
      <dl class="figures">
        <div class="figure">
          <dt>Waiting</dt>
          <dd data-figure="waiting">{room.waiting.toLocaleString()}</dd>
        </div>
        <div class="figure">
          <dt>Admitted</dt>
          <dd data-figure="admitted">{room.admitted.toLocaleString()}</dd>
        </div>
        {cap !== undefined && (
          <div class="figure">
            <dt>At most</dt>
            <dd data-figure="cap">{cap.toLocaleString()}</dd>
          </div>
        )}
        {event.queue?.["admit_per_minute"] !== undefined && (
          <div class="figure">
            <dt>A minute</dt>
            <dd data-figure="rate">{event.queue["admit_per_minute"].toLocaleString()}</dd>
          </div>
        )}
      </dl>
      {cap !== undefined && (
        <meter class="room-meter" min={0} max={1} value={share} aria-label="Places inside taken">
          {Math.round(share * 100)} %
        </meter>
      )}
      {room.state === "closed" && room.opens_at && <p>It opens {formatMoment(room.opens_at)}.</p>}
      {room.state === "pre" && room.sale_at && <p>The sale opens {formatMoment(room.sale_at)}.</p>}
    </>
  );
}

function Valves({ event, onChange }: DeskProps): JSX.Element | null {
  const [isSaved, setSaved] = useState(false);
  const { form, busy, errors, setErrors, onSubmit } = useSubmit(FIELDS, async (data) => {
    setSaved(false);
    const queue = {
      admitted_max: number(data, "queue.admitted_max"),
      admit_per_minute: number(data, "queue.admit_per_minute"),
    };
    const fields = Object.entries(queue)
      .filter(([, value]) => value === null)
      .map(([name]) => ({ field: `queue.${name}`, message: "must be a number" }));
    if (fields.length > 0) return setErrors({ general: null, fields });
    await changeEvent(event.id, { queue });
    setSaved(true);
    onChange();
  });
  if (!event.queue) return null;
  return (
    <form ref={form} class="form" onSubmit={onSubmit} onInput={() => setSaved(false)} noValidate>
      <fieldset>
        <legend>Change it now</legend>
        <div class="form-grid">
          <TextField
            name="queue.admitted_max"
            label="People admitted at once"
            inputMode="numeric"
            defaultValue={String(event.queue["admitted_max"] ?? "")}
            hint="A lower number lets nobody in until enough have left"
            error={errorOf(errors, "queue.admitted_max")}
          />
          <TextField
            name="queue.admit_per_minute"
            label="Admissions a minute"
            inputMode="numeric"
            defaultValue={String(event.queue["admit_per_minute"] ?? "")}
            error={errorOf(errors, "queue.admit_per_minute")}
          />
        </div>
      </fieldset>
      {errors.general && <Notice kind="bad">{errors.general}</Notice>}
      {isSaved && <Notice kind="good" title="Changed" />}
      <button class="button button-main" disabled={busy}>
        {busy ? "Changing…" : "Change"}
      </button>
    </form>
  );
}
