// Sends an example of an event type to one endpoint.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Link } from "../lib/router";
import { Failure, Notice, useLoad } from "../ui/basics";
import { listEventTypes, sendExample } from "./api";
import { ROOT } from "./paths";

export function TestSend({ ep, onSent }: { ep: string; onSent(): void }): JSX.Element {
  const types = useLoad("types", async () => (await listEventTypes()).data);
  const [name, setName] = useState("");
  const [sent, setSent] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const chosen = name || types.data?.[0]?.name || "";
  /* While they are coming, no other field stands in their place. */
  const hasTypes = types.error === undefined && types.data?.length !== 0;
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    setSent(null);
    try {
      setSent((await sendExample(ep, chosen)).id);
      onSent();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  return (
    <section class="portal-card" aria-label="Send a test">
      <h2>Send a test</h2>
      <p class="portal-note">An example goes to this endpoint alone, whatever events it takes.</p>
      <form class="inline-form" onSubmit={send}>
        <label class="field">
          <span class="field-label">Event type</span>
          {hasTypes ? (
            <select
              value={chosen}
              disabled={!types.data}
              onChange={(event) => setName(event.currentTarget.value)}
            >
              {types.data?.map((type) => (
                <option key={type.name} value={type.name}>
                  {type.name}
                </option>
              ))}
            </select>
          ) : (
            <input
              value={name}
              placeholder="invoice.paid"
              onInput={(event) => setName(event.currentTarget.value)}
            />
          )}
        </label>
        <button class="button" disabled={busy || chosen === ""}>
          {busy ? "Sending…" : "Send example"}
        </button>
      </form>
      {error !== null && <Failure error={error} />}
      {sent !== null && (
        <Notice kind="good">
          <p>
            It is on its way: <Link href={`${ROOT}/messages/${sent}`}>see what became of it</Link>.
          </p>
        </Notice>
      )}
    </section>
  );
}
