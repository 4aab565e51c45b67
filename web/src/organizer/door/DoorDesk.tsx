// The door: a camera or a field for codes, and an answer that is read from two metres away.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf } from "../../api/client";
import { formatShortMoment } from "../../lib/dates";
import { handledAsLogin } from "../../lib/session";
import { Failure, Notice, Spinner } from "../../ui/basics";
import type { DeskProps } from "../EventManagePage";
import { startCamera } from "./camera";
import { isConflict, type Verdict } from "./door";
import { signal } from "./signals";
import type { Scan } from "./store";
import { useDoor, type Door } from "./useDoor";

const SOUND_KEY = "foyer-door.silent";
const SHOWN_MAX = 12;

interface Shown {
  verdict: Verdict;
  /** Grows, so that the same answer twice is seen to be another one. */
  number: number;
}

export function DoorDesk({ event }: DeskProps): JSX.Element {
  const door = useDoor(event.id);
  const [shown, setShown] = useState<Shown | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [isSilent, setSilent] = useState(localStorage.getItem(SOUND_KEY) !== null);
  const current = useRef({ busy: false, isSilent });
  current.current.isSilent = isSilent;

  const scan = async (code: string): Promise<void> => {
    if (current.current.busy) return;
    current.current.busy = true;
    setBusy(true);
    setError(null);
    try {
      const verdict = await door.scan(code);
      signal(verdict.kind === "in", !current.current.isSilent);
      setShown((old) => ({ verdict, number: (old?.number ?? 0) + 1 }));
    } catch (problem) {
      signal(false, !current.current.isSilent);
      setShown(null);
      if (!handledAsLogin(problem)) setError(problem);
    }
    current.current.busy = false;
    setBusy(false);
  };
  const mute = (): void => {
    if (isSilent) localStorage.removeItem(SOUND_KEY);
    else localStorage.setItem(SOUND_KEY, "1");
    setSilent(!isSilent);
  };

  if (!door.isReady && door.error) return <Failure error={door.error} />;
  if (!door.isReady) return <Spinner label="Opening the door" />;
  return (
    <section class="door" aria-label="Check-in" data-offline={door.isOffline}>
      <Answer shown={shown} error={error} />
      <div class="door-tools">
        <Camera onCode={scan} />
        <Typed busy={busy} onCode={scan} />
        <Setup door={door} isSilent={isSilent} onMute={mute} />
      </div>
      {door.error !== null && <Failure error={door.error} />}
      <Record scans={door.scans} ticketCount={door.ticketCount} />
    </section>
  );
}

function words(verdict: Verdict): { title: string; text: string } {
  switch (verdict.kind) {
    case "in":
      return {
        title: "Come in",
        text: verdict.place || (verdict.isOffline ? "Checked without the network" : ""),
      };
    case "used":
      return {
        title: "Already used",
        text:
          `${formatShortMoment(verdict.at)}, ${verdict.gate ? `at ${verdict.gate}` : "gate not named"}` +
          (verdict.isHere ? ", by this device" : ""),
      };
    case "revoked":
      return { title: "Given back", text: "This ticket was refunded: it lets nobody in." };
    case "wrong-event":
      return { title: "Another event", text: "This ticket is for something else." };
    case "no-bundle":
      return { title: "Can't tell", text: "No network, and nothing was downloaded to check with." };
    case "unknown":
      return { title: "Unknown", text: "This is no ticket of this event." };
  }
}

function Answer({ shown, error }: { shown: Shown | null; error: unknown }): JSX.Element {
  if (error !== null) {
    return (
      <div class="door-answer door-bad" role="alert" data-result="error">
        <strong>That didn’t work</strong>
        <span>{messageOf(error)}</span>
      </div>
    );
  }
  if (!shown) {
    return (
      <div class="door-answer" role="status" data-result="">
        <strong>Ready</strong>
        <span>Show a ticket to the camera, or type its code.</span>
      </div>
    );
  }
  const { title, text } = words(shown.verdict);
  const isIn = shown.verdict.kind === "in";
  return (
    <div
      key={shown.number}
      class={`door-answer ${isIn ? "door-good" : "door-bad"}`}
      role="alert"
      data-result={shown.verdict.kind}
      data-number={shown.number}
    >
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d={isIn ? "M4 13l5 5L20 6" : "M5 5l14 14M19 5L5 19"} />
      </svg>
      <strong>{title}</strong>
      <span>{text}</span>
    </div>
  );
}

function Camera({ onCode }: { onCode(code: string): Promise<void> }): JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  const [isOn, setOn] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const latest = useRef(onCode);
  latest.current = onCode;
  useEffect(() => {
    if (!isOn) return;
    let stop: (() => void) | null = null;
    let isOver = false;
    startCamera(video.current!, (code) => void latest.current(code)).then(
      (end) => (isOver ? end() : (stop = end)),
      (problem: unknown) => {
        setOn(false);
        setError(
          problem instanceof DOMException && problem.name === "NotAllowedError"
            ? "The browser may not use the camera: allow it beside the address."
            : "There is no camera to be had here. Type the code instead.",
        );
      },
    );
    return () => {
      isOver = true;
      stop?.();
    };
  }, [isOn]);
  return (
    <div class="door-camera" data-on={isOn}>
      <video ref={video} muted playsInline hidden={!isOn} aria-label="What the camera sees" />
      {error && (
        <p class="field-error" role="alert">
          {error}
        </p>
      )}
      <button
        type="button"
        class={`button button-wide${isOn ? "" : " button-main"}`}
        onClick={() => {
          setError(null);
          setOn(!isOn);
        }}
      >
        {isOn ? "Stop the camera" : "Start the camera"}
      </button>
    </div>
  );
}

interface TypedProps {
  busy: boolean;
  onCode(code: string): Promise<void>;
}

function Typed({ busy, onCode }: TypedProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    const code = input.current!.value.trim();
    if (code === "" || busy) return;
    input.current!.value = "";
    void onCode(code);
  };
  return (
    <form class="door-typed" onSubmit={submit}>
      <label>
        <span class="field-label">The ticket’s code</span>
        <input
          ref={input}
          name="code"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          placeholder="F1.…"
        />
      </label>
      <button class="button" aria-disabled={busy}>
        Check
      </button>
    </form>
  );
}

interface SetupProps {
  door: Door;
  isSilent: boolean;
  onMute(): void;
}

function Setup({ door, isSilent, onMute }: SetupProps): JSX.Element {
  return (
    <div class="door-setup">
      <label>
        <span class="field-label">Gate</span>
        <input
          name="gate"
          maxLength={60}
          value={door.gate}
          placeholder="North entrance"
          onInput={(event) => door.setGate(event.currentTarget.value)}
        />
      </label>
      <label class="door-check">
        <input type="checkbox" checked={!isSilent} onChange={onMute} /> Sound
      </label>
      <label class="door-check">
        <input
          type="checkbox"
          checked={door.isForced}
          onChange={(event) => door.force(event.currentTarget.checked)}
        />{" "}
        Work offline
      </label>
      <p class="door-network" role="status">
        {door.isOffline ? "Offline: tickets are checked by this device." : "Online."}
        {door.bundleAt
          ? ` List of refunds as of ${formatShortMoment(door.bundleAt)}.`
          : " Nothing downloaded yet for working offline."}
      </p>
    </div>
  );
}

interface RecordProps {
  scans: Scan[];
  ticketCount: number | null;
}

function Record({ scans, ticketCount }: RecordProps): JSX.Element {
  const pending = scans.filter((scan) => scan.state === "pending").length;
  const conflicts = scans.filter((scan) => isConflict(scan.result));
  const newest = [...scans].sort((a, b) => (a.scannedAt < b.scannedAt ? 1 : -1)).slice(0, SHOWN_MAX);
  const tickets = ticketCount === 1 ? "ticket" : "tickets";
  const of = ticketCount === null ? "" : ` of ${ticketCount.toLocaleString()} valid ${tickets}`;
  return (
    <div class="door-record">
      <p>
        <strong data-figure="let-in">{scans.length.toLocaleString()}</strong> let in here{of}
        {pending > 0 && (
          <>
            {" "}
            · <strong data-figure="pending">{pending.toLocaleString()}</strong> to be told to the
            server
          </>
        )}
      </p>
      {conflicts.length > 0 && <Conflicts scans={conflicts} />}
      {newest.length > 0 && (
        <details>
          <summary>The latest here</summary>
          <ul>
            {newest.map((scan) => (
              <li key={scan.id}>
                {formatShortMoment(scan.scannedAt)} · {scan.place || scan.ticketId} ·{" "}
                {scan.state === "pending" ? "not told yet" : scan.state}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

function Conflicts({ scans }: { scans: Scan[] }): JSX.Element {
  const at = (moment: string | null, gate: string | null): string =>
    `${moment ? formatShortMoment(moment) : "unknown time"}${gate ? ` at ${gate}` : ""}`;
  return (
    <Notice kind="warn" title={scans.length === 1 ? "1 conflict" : `${scans.length} conflicts`}>
      <ul class="door-conflicts">
        {scans.map(({ id, ticketId, scannedAt, gate, result }) => (
          <li key={id} data-conflict={result!.result}>
            <code>{ticketId}</code>: let in here {at(scannedAt, gate || null)}.{" "}
            {result!.result === "revoked" && "It had been given back."}
            {result!.result === "unknown" && "The server knows no such ticket."}
            {result!.result === "duplicate" &&
              `Somebody came in with it before: ${at(result!.first_at, result!.gate)}.`}
            {result!.result === "in" &&
              `Somebody came in with it later: ${result!.others.map((other) => at(other.at, other.gate)).join(", ")}.`}
          </li>
        ))}
      </ul>
    </Notice>
  );
}
