// A challenge of the server before a hold: the ALTCHA widget computes for a second or two. Its code comes only when it is
// needed, from this server; nothing is asked of another.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { getChallenge } from "../api/endpoints";
import { Failure, Spinner } from "../ui/basics";

interface AltchaElement extends HTMLElement {
  configure?(options: Record<string, unknown>): void;
}

/** Beside the pages, because a worker is a file of its own; build.mjs puts it there. */
const WORKER_URL = "/altcha-worker.js";

const STRINGS = {
  label: "I’m a person, not a bot",
  verifying: "Checking…",
  verified: "Checked",
  error: "The check didn’t work. Please try again.",
  expired: "The check has expired. Please try again.",
};

export interface ChallengeProps {
  event: string;
  challenge: Record<string, unknown>;
  onSolved(solution: string): void;
  onCancel(): void;
}

export function Challenge({ event, challenge, onSolved, onCancel }: ChallengeProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const title = useRef<HTMLHeadingElement>(null);
  const solved = useRef(onSolved);
  solved.current = onSolved;
  const [current, setCurrent] = useState(challenge);
  const [error, setError] = useState<unknown>(null);
  const [isReady, setReady] = useState(false);

  useEffect(() => setCurrent(challenge), [challenge]);
  useEffect(() => title.current?.focus(), []);
  useEffect(() => {
    let gone = false;
    let widget: AltchaElement | null = null;
    import("altcha/external").then(() => {
      if (gone || !box.current) return;
      widget = makeWidget(current, (solution) => solved.current(solution));
      box.current.replaceChildren(widget);
      setReady(true);
    }, setError);
    return () => {
      gone = true;
      widget?.remove();
    };
  }, [current]);

  const again = (): void => {
    setError(null);
    getChallenge(event).then(setCurrent, setError);
  };

  return (
    <section class="challenge" aria-labelledby="challenge-title">
      <h3 id="challenge-title" ref={title} tabIndex={-1}>
        A quick check before we go on
      </h3>
      <p>
        This sale is busy, and we want seats to go to people. Your browser solves a small puzzle by
        itself: there is nothing to read, click on pictures of, or type.
      </p>
      {!isReady && error === null && <Spinner label="Preparing the check" />}
      <div ref={box} class="challenge-widget" />
      {error !== null && <Failure error={error} onRetry={again} />}
      <p class="challenge-actions">
        <button type="button" class="button button-quiet" onClick={again}>
          Start the check again
        </button>
        <button type="button" class="button button-quiet" onClick={onCancel}>
          Not now
        </button>
      </p>
    </section>
  );
}

function makeWidget(
  challenge: Record<string, unknown>,
  onSolved: (solution: string) => void,
): AltchaElement {
  const widget = document.createElement("altcha-widget") as AltchaElement;
  const attributes: Record<string, string> = {
    challengejson: JSON.stringify(challenge),
    workerurl: WORKER_URL,
    strings: JSON.stringify(STRINGS),
    auto: "onload",
    hidelogo: "true",
    hidefooter: "true",
    disableautofocus: "true",
  };
  for (const [name, value] of Object.entries(attributes)) widget.setAttribute(name, value);
  widget.addEventListener("statechange", (event) => {
    const { detail } = event as AltchaStateChangeEvent;
    if (detail.state === "verified" && detail.payload) onSolved(detail.payload);
  });
  return widget;
}
