// The organizer's webhook applications, and the way into the portal of each.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, get, Problem } from "../api/client";
import { navigate } from "../lib/router";
import { takeNewKey } from "../portal/key";
import type { Application, Page } from "../portal/types";
import { Failure, Notice, Spinner, useLoad, usePage } from "../ui/basics";

const LIMIT = 250;

export function WebhooksPage(): JSX.Element {
  const page = usePage("Webhooks");
  const { data, error, reload } = useLoad("applications", () =>
    get<Page<Application>>(`/api/v1/app?limit=${LIMIT}`, { fresh: true }),
  );
  const isOff = error instanceof Problem && error.status === 404;
  return (
    <>
      <h1 {...page}>Webhooks</h1>
      {isOff && (
        <Notice kind="info" title="Not switched on">
          <p>This server runs without the service “hooks”.</p>
        </Notice>
      )}
      {error !== undefined && !isOff && <Failure error={error} onRetry={reload} />}
      {!data && error === undefined && <Spinner label="Loading applications" />}
      {data?.data.length === 0 && (
        <section class="empty">
          <h2>No application yet</h2>
          <p>Applications are made by the API: each is a customer who gets your events.</p>
        </section>
      )}
      <ul class="rows">
        {data?.data.map((app) => (
          <ApplicationRow key={app.id} app={app} />
        ))}
      </ul>
      {data && !data.done && <p class="field-hint">The newest {LIMIT} are shown.</p>}
    </>
  );
}

function ApplicationRow({ app }: { app: Application }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const open = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const path = `/api/v1/auth/app-portal-access/${encodeURIComponent(app.id)}`;
      const { token } = await call<{ token: string }>("POST", path, { body: { expiry: 3600 } });
      navigate(`/hooks/portal#key=${token}`);
      takeNewKey();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <li class="row row-plain">
      <div class="row-facts">
        <h2>{app.name}</h2>
        <p>{app.uid ?? app.id}</p>
        {error !== null && <Failure error={error} />}
      </div>
      <button
        type="button"
        class="button"
        disabled={busy}
        onClick={open}
        aria-label={`Open the portal of ${app.name}`}
      >
        Open portal
      </button>
    </li>
  );
}
