// One attempt: what it came to, where its time went, what was sent and what was answered.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, Spinner, useLoad } from "../ui/basics";
import { getAttempt } from "./api";
import { Body, Headers } from "./Body";
import { formatMs, formatTime, outcomeOf, phasesOf, STATUS_WORDS } from "./text";
import type { Attempt, Timings } from "./types";

const WIDTH = 1000;

export function TimingBar({ timings }: { timings: Timings }): JSX.Element {
  const phases = phasesOf(timings);
  const total = phases.reduce((sum, { ms }) => sum + ms, 0);
  let at = 0;
  return (
    <div class="timing">
      <svg
        viewBox={`0 0 ${WIDTH} 24`}
        preserveAspectRatio="none"
        role="img"
        aria-label={phases.map(({ word, ms }) => `${word} ${formatMs(ms)}`).join(", ")}
      >
        {phases.map(({ name, word, ms }) => {
          const width = total === 0 ? WIDTH / phases.length : (ms / total) * WIDTH;
          const x = at;
          at += width;
          return (
            <rect key={name} class={`phase phase-${name}`} x={x} y="0" width={width} height="24">
              <title>{`${word}: ${formatMs(ms)}`}</title>
            </rect>
          );
        })}
      </svg>
      <ul class="timing-key">
        {phases.map(({ name, word, ms }) => (
          <li key={name}>
            <i class={`phase-key phase-${name}`} aria-hidden="true" /> {word} {formatMs(ms)}
          </li>
        ))}
      </ul>
    </div>
  );
}

interface Props {
  attempt: Attempt;
  payload: string;
  url: string | undefined;
}

export function AttemptItem({ attempt, payload, url }: Props): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const { kind } = STATUS_WORDS[attempt.statusText];
  return (
    <li class="row attempt">
      <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary class="portal-row">
          <span class="portal-url">{url ?? attempt.url}</span>
          <span class={`badge badge-${kind}`}>{outcomeOf(attempt)}</span>
          <span class="portal-note">
            {formatTime(attempt.timestamp)} · {formatMs(attempt.responseDurationMs)}
            {attempt.triggerType === 1 && " · sent by hand"}
          </span>
        </summary>
        <div class="attempt-more">
          {attempt.error && attempt.error.text !== "" && (
            <p class="attempt-error">{attempt.error.text}</p>
          )}
          <TimingBar timings={attempt.timings} />
          {isOpen && <Request attempt={attempt} payload={payload} />}
          <h3>Response</h3>
          {attempt.responseStatusCode > 0 ? (
            <>
              <p>
                Status <strong>{attempt.responseStatusCode}</strong>
              </p>
              {attempt.responseHeaders && (
                <Headers headers={attempt.responseHeaders} label="Response headers" />
              )}
              <Body text={attempt.response} label="Response body" />
            </>
          ) : (
            <p class="portal-note">There was none.</p>
          )}
        </div>
      </details>
    </li>
  );
}

function Request({ attempt, payload }: { attempt: Attempt; payload: string }): JSX.Element {
  const full = useLoad(attempt.id, () => getAttempt(attempt.msgId, attempt.id));
  return (
    <>
      <h3>Request</h3>
      <p class="portal-url">POST {attempt.url}</p>
      {full.error !== undefined && <Failure error={full.error} onRetry={full.reload} />}
      {!full.data && full.error === undefined && <Spinner label="Loading the request" />}
      {full.data?.requestHeaders && (
        <Headers headers={full.data.requestHeaders} label="Request headers" />
      )}
      {full.data && !full.data.requestHeaders && (
        <p class="portal-note">
          The endpoint has changed since, so its signatures of then can’t be shown any more.
        </p>
      )}
      <Body text={payload} label="Request body" />
    </>
  );
}
