// The application's endpoints, with how each does.
import type { JSX } from "preact";
import { Link } from "../lib/router";
import { Failure, Spinner, usePage } from "../ui/basics";
import { getHealth, listEndpoints } from "./api";
import { ROOT } from "./paths";
import { typesOf } from "./text";
import type { Endpoint } from "./types";
import { usePoll } from "./usePoll";

const HEALTH_SHOWN_MAX = 20;

async function loadAll(): Promise<{ endpoints: Endpoint[]; open: string[] }> {
  const endpoints = (await listEndpoints()).data;
  const asked = endpoints.filter(({ disabled }) => !disabled).slice(0, HEALTH_SHOWN_MAX);
  const states = await Promise.all(
    asked.map((endpoint) =>
      getHealth(endpoint.id).then(
        ({ state }) => state,
        () => "closed",
      ),
    ),
  );
  const open = asked.filter((_, i) => states[i] !== "closed").map(({ id }) => id);
  return { endpoints, open };
}

export function EndpointsPage(): JSX.Element {
  const page = usePage("Endpoints");
  const { data, error, reload } = usePoll("endpoints", loadAll);
  return (
    <>
      <div class="portal-title">
        <h1 {...page}>Endpoints</h1>
        <Link class="button button-main" href={`${ROOT}/endpoints/new`}>
          New endpoint
        </Link>
      </div>
      {error !== undefined && <Failure error={error} onRetry={reload} />}
      {!data && error === undefined && <Spinner label="Loading endpoints" />}
      {data?.endpoints.length === 0 && (
        <section class="empty">
          <h2>No endpoint yet</h2>
          <p>An endpoint is an address of yours that events are sent to.</p>
        </section>
      )}
      <ul class="rows">
        {data?.endpoints.map((endpoint) => (
          <li key={endpoint.id} class="row">
            <Link href={`${ROOT}/endpoints/${endpoint.id}`} class="portal-row">
              <span class="portal-url">{endpoint.url}</span>
              <Condition endpoint={endpoint} isOpen={data.open.includes(endpoint.id)} />
              <span class="portal-note">
                {endpoint.description !== "" && `${endpoint.description} · `}
                {typesOf(endpoint)}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}

export function Condition({
  endpoint,
  isOpen,
}: {
  endpoint: Endpoint;
  isOpen: boolean;
}): JSX.Element {
  if (endpoint.disabled) return <span class="badge">Disabled</span>;
  return isOpen ? (
    <span class="badge badge-bad">Failing</span>
  ) : (
    <span class="badge badge-good">Active</span>
  );
}
