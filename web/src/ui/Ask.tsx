// A button that asks before it acts, and says when that failed.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { handledAsLogin } from "../lib/session";
import { Failure } from "./basics";

export interface AskProps {
  label: string;
  question: string;
  yes: string;
  no: string;
  act(): Promise<void>;
}

export function Ask({ label, question, yes, no, act }: AskProps): JSX.Element {
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
      if (!handledAsLogin(problem)) setError(problem);
    }
    setBusy(false);
  };
  if (!asked) {
    return (
      <button type="button" class="button button-quiet" onClick={() => setAsked(true)}>
        {label}
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
