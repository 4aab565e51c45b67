// A button that asks before it acts, and says when that failed.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { handledAsLogin } from "../lib/session";
import { Failure } from "./basics";

export interface AskProps {
  label: string;
  /** What it is about, for those who hear one of several alike. */
  about?: string;
  question: string;
  yes: string;
  no: string;
  act(): Promise<void>;
  /** True when a failure has been dealt with; by default a missing session leads to the login. */
  handled?(error: unknown): boolean;
}

export function Ask(props: AskProps): JSX.Element {
  const { label, about, question, yes, no, act, handled = handledAsLogin } = props;
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const go = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await act();
      setAsked(false);
    } catch (problem) {
      if (!handled(problem)) setError(problem);
    }
    setBusy(false);
  };
  if (!asked) {
    return (
      <button type="button" class="button button-quiet" onClick={() => setAsked(true)}>
        {label}
        {about && <span class="visually-hidden"> {about}</span>}
      </button>
    );
  }
  return (
    <div class="confirm" role="group" aria-label={label}>
      <p>{question}</p>
      {error !== null && <Failure error={error} />}
      <div class="confirm-buttons">
        <button type="button" class="button button-danger" disabled={busy} onClick={go}>
          {busy ? "One moment…" : yes}
        </button>
        <button type="button" class="button" disabled={busy} onClick={() => setAsked(false)}>
          {no}
        </button>
      </div>
    </div>
  );
}
