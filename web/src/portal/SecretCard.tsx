// The signing secret: revealed on demand, copied, replaced with a time in which both sign.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, Notice } from "../ui/basics";
import { getSecret, rotateSecret } from "./api";
import { CopyButton } from "./Copy";

const GRACE: [string, number][] = [
  ["24 hours", 86_400],
  ["1 hour", 3_600],
  ["7 days", 604_800],
  ["not at all", 0],
];

export function SecretCard({ ep }: { ep: string }): JSX.Element {
  const [secret, setSecret] = useState<string | null>(null);
  const [isAsking, setAsking] = useState(false);
  const [isRotated, setRotated] = useState(false);
  const [busy, setBusy] = useState(false);
  const [grace, setGrace] = useState(86_400);
  const [error, setError] = useState<unknown>(null);
  const run = async (act: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await act();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  const reveal = (): Promise<void> => run(async () => setSecret((await getSecret(ep)).key));
  const rotate = (): Promise<void> =>
    run(async () => {
      await rotateSecret(ep, grace);
      setSecret((await getSecret(ep).catch(() => ({ key: null }))).key);
      setAsking(false);
      setRotated(true);
    });
  return (
    <section class="portal-card" aria-label="Signing secret">
      <h2>Signing secret</h2>
      <p class="portal-note">Your system checks with it that an event really comes from here.</p>
      {error !== null && <Failure error={error} />}
      {isRotated && (
        <Notice kind="good" title="There is a new secret">
          <p>
            {grace > 0
              ? "Until the time is over, events are signed with both."
              : "The old one signs nothing more."}
          </p>
        </Notice>
      )}
      {secret !== null && (
        <p class="secret">
          <code data-testid="secret">{secret}</code>
          <CopyButton text={secret} label="Copy the secret" />
        </p>
      )}
      <div class="actions-row">
        {secret === null ? (
          <button type="button" class="button" disabled={busy} onClick={reveal}>
            Reveal
          </button>
        ) : (
          <button type="button" class="button" onClick={() => setSecret(null)}>
            Hide
          </button>
        )}
        {!isAsking && (
          <button type="button" class="button button-quiet" onClick={() => setAsking(true)}>
            Rotate…
          </button>
        )}
      </div>
      {isAsking && (
        <div class="confirm" role="group" aria-label="Rotate the secret">
          <label class="field">
            <span class="field-label">The old secret goes on signing for</span>
            <select value={grace} onChange={(event) => setGrace(Number(event.currentTarget.value))}>
              {GRACE.map(([word, seconds]) => (
                <option key={seconds} value={seconds}>
                  {word}
                </option>
              ))}
            </select>
          </label>
          <div class="confirm-buttons">
            <button type="button" class="button button-danger" disabled={busy} onClick={rotate}>
              Make a new secret
            </button>
            <button type="button" class="button" disabled={busy} onClick={() => setAsking(false)}>
              Keep it
            </button>
          </div>
        </div>
      )}
    </section>
  );
}
