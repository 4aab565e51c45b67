// One message: what it says, its state at each endpoint, and every attempt.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { serverNow } from "../api/clock";
import { Problem } from "../api/client";
import { Link } from "../lib/router";
import { Failure, Spinner, useLoad, usePage } from "../ui/basics";
import { getMessage, getTargets, listAttemptsOf, resend } from "./api";
import { AttemptItem } from "./Attempt";
import { Body } from "./Body";
import { StatusBadge } from "./EndpointPage";
import { ROOT } from "./paths";
import { Nothing } from "./Nothing";
import { formatTime, fromNow } from "./text";
import type { Target } from "./types";
import { usePoll } from "./usePoll";

async function loadTimeline(msg: string) {
  const [targets, attempts] = await Promise.all([getTargets(msg), listAttemptsOf(msg)]);
  return { targets: targets.data, attempts: attempts.data, hasMore: !attempts.done };
}

export function MessagePage({ msg }: { msg: string }): JSX.Element {
  const { data, error, reload } = useLoad(`message ${msg}`, () => getMessage(msg));
  if (error instanceof Problem && error.status === 404)
    return (
      <Nothing title="No such message">
        <p>Messages are kept for 31 days.</p>
        <Link class="button button-main" href={`${ROOT}/messages`}>
          To the messages
        </Link>
      </Nothing>
    );
  return (
    <>
      {error !== undefined && <Failure error={error} onRetry={reload} />}
      {!data && error === undefined && <Spinner label="Loading the message" />}
      {data && <Loaded {...data} />}
    </>
  );
}

function Loaded({ message, payload }: Awaited<ReturnType<typeof getMessage>>): JSX.Element {
  const page = usePage("Message");
  const line = usePoll(`timeline ${message.id}`, () => loadTimeline(message.id));
  const attempts = line.data?.attempts ?? [];
  return (
    <>
      <div class="portal-head-block">
        <p class="crumb">
          <Link href={`${ROOT}/messages`}>Messages</Link>
        </p>
        <h1 {...page} class="portal-h1">
          {message.eventType}
        </h1>
        <p class="portal-facts">
          <span>{formatTime(message.timestamp)}</span>
          <code>{message.id}</code>
          {message.eventId && <code>{message.eventId}</code>}
          {message.channels && <span>channels: {message.channels.join(", ")}</span>}
        </p>
      </div>
      <Body text={payload} label="Payload" />
      {line.error !== undefined && <Failure error={line.error} onRetry={line.reload} />}
      {!line.data && line.error === undefined && <Spinner label="Loading attempts" />}
      {line.data && (
        <>
          <section aria-label="Endpoints">
            <h2>Where it goes</h2>
            {line.data.targets.length === 0 && <p class="portal-note">No endpoint wanted it.</p>}
            <ul class="rows">
              {line.data.targets.map((target) => (
                <TargetRow key={target.id} msg={message.id} target={target} onSent={line.reload} />
              ))}
            </ul>
          </section>
          <section aria-label="Attempts">
            <h2>Attempts</h2>
            {attempts.length === 0 && <p class="portal-note">None yet.</p>}
            <ul class="rows" data-testid="attempts">
              {attempts.map((attempt) => (
                <AttemptItem
                  key={attempt.id}
                  attempt={attempt}
                  payload={payload}
                  url={line.data?.targets.find(({ id }) => id === attempt.endpointId)?.url}
                />
              ))}
            </ul>
            {line.data.hasMore && <p class="portal-note">Older attempts are not shown.</p>}
          </section>
        </>
      )}
    </>
  );
}

interface TargetProps {
  msg: string;
  target: Target;
  onSent(): void;
}

function TargetRow({ msg, target, onSent }: TargetProps): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const again = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await resend(msg, target.id);
      onSent();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  return (
    <li class="row portal-target">
      <div class="portal-row">
        <Link class="portal-url" href={`${ROOT}/endpoints/${target.id}`}>
          {target.url}
        </Link>
        <StatusBadge status={target.statusText} />
        <span class="portal-note">
          {target.nextAttempt
            ? `Next attempt ${fromNow(target.nextAttempt, serverNow())}, ${formatTime(target.nextAttempt)}`
            : target.statusText === "fail"
              ? "Given up: a dead letter"
              : ""}
        </span>
      </div>
      <div class="portal-target-act">
        {error !== null && <Failure error={error} />}
        <button
          type="button"
          class="button button-small"
          disabled={busy || target.disabled}
          onClick={again}
          aria-label={`Send again to ${target.url}`}
        >
          {busy ? "One moment…" : "Send again"}
        </button>
      </div>
    </li>
  );
}
