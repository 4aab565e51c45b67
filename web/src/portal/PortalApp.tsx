// The customer's portal: what a link opens, without an account. The frame, the tabs, and which address shows what.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../api/client";
import { Link, matchPath, navigate } from "../lib/router";
import { Failure, Spinner, useLoad } from "../ui/basics";
import { getApplication, logOut } from "./api";
import { DeadLettersPage } from "./DeadLettersPage";
import { EndpointFormPage } from "./EndpointForm";
import { EndpointPage } from "./EndpointPage";
import { EndpointsPage } from "./EndpointsPage";
import { dropKey, onKey, portalKey, takeNewKey } from "./key";
import { MessagePage } from "./MessagePage";
import { MessagesPage } from "./MessagesPage";
import { Nothing } from "./Nothing";
import { ROOT } from "./paths";

const ROUTES: [string, (params: Record<string, string>) => JSX.Element][] = [
  ["", () => <EndpointsPage />],
  ["/endpoints/new", () => <EndpointFormPage />],
  ["/endpoints/:ep", ({ ep }) => <EndpointPage key={ep} ep={ep!} />],
  ["/endpoints/:ep/edit", ({ ep }) => <EndpointFormPage key={ep} ep={ep!} />],
  ["/messages", () => <MessagesPage />],
  ["/messages/:msg", ({ msg }) => <MessagePage key={msg} msg={msg!} />],
  ["/dead-letters", () => <DeadLettersPage />],
];

export function PortalApp({ path }: { path: string }): JSX.Element {
  const [key, setKey] = useState(portalKey);
  useEffect(() => {
    const off = onKey(() => setKey(portalKey()));
    window.addEventListener("hashchange", takeNewKey);
    return () => {
      off();
      window.removeEventListener("hashchange", takeNewKey);
    };
  }, []);
  return key === null ? <NoLink /> : <Opened key={key} path={path} />;
}

function Opened({ path }: { path: string }): JSX.Element {
  const app = useLoad("application", getApplication);
  const isGone = app.error instanceof Problem && app.error.status === 404;
  if (isGone) return <NoLink />;
  return (
    <>
      <PortalHead path={path} name={app.data?.name} />
      <main id="content" class="portal">
        {app.error !== undefined && <Failure error={app.error} onRetry={app.reload} />}
        {!app.data && app.error === undefined && <Spinner label="Opening the portal" />}
        {app.data && <Routed path={path} />}
      </main>
    </>
  );
}

function Routed({ path }: { path: string }): JSX.Element {
  for (const [pattern, show] of ROUTES) {
    const params = matchPath(ROOT + pattern, path);
    if (params) return show(params);
  }
  return (
    <Nothing title="No such page">
      <Link class="button button-main" href={ROOT}>
        To the endpoints
      </Link>
    </Nothing>
  );
}

function PortalHead({ path, name }: { path: string; name: string | undefined }): JSX.Element {
  const tab = (rest: string, label: string): JSX.Element => {
    const isHere =
      rest === ""
        ? path === ROOT || path.startsWith(`${ROOT}/endpoints`)
        : path.startsWith(ROOT + rest);
    return (
      <Link href={ROOT + rest} aria-current={isHere ? "page" : undefined}>
        {label}
      </Link>
    );
  };
  const leave = async (): Promise<void> => {
    await logOut().catch(() => undefined); /* the link ends here, whatever the server says */
    dropKey();
    navigate(ROOT);
  };
  return (
    <header class="site-head">
      <div class="site-head-inner portal-head">
        <p class="portal-name">
          <span class="portal-mark" aria-hidden="true" />
          <span>
            <span class="portal-kind">Webhooks</span>
            <strong>{name ?? "…"}</strong>
          </span>
        </p>
        <button type="button" class="link-button portal-leave" onClick={leave}>
          End this link
        </button>
        <nav class="tabs portal-tabs" aria-label="Portal">
          {tab("", "Endpoints")}
          {tab("/messages", "Messages")}
          {tab("/dead-letters", "Dead letters")}
        </nav>
      </div>
    </header>
  );
}

function NoLink(): JSX.Element {
  return (
    <main id="content" class="portal">
      <div data-testid="no-link">
        <Nothing title="This link doesn’t work any more">
          <p>
            Links to this page end after a while, when somebody ends them, or when the tab is
            closed. Open the page again from where you found the link.
          </p>
        </Nothing>
      </div>
    </main>
  );
}
