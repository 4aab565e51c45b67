// What stands around every page.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { messageOf } from "../api/client";
import { Link } from "../lib/router";
import { useServices } from "../lib/services";
import { isOrganizer, leave, useUser } from "../lib/session";

export function Header({ path }: { path: string }): JSX.Element {
  const user = useUser();
  const services = useServices();
  const [error, setError] = useState("");
  const out = (): void => {
    setError("");
    leave().catch((problem: unknown) => setError(messageOf(problem)));
  };
  const here = (href: string): "page" | undefined => (path === href ? "page" : undefined);
  const returning =
    path === "/" || path === "/login" || path === "/signup"
      ? ""
      : `?next=${encodeURIComponent(path)}`;
  return (
    <header class="site-head">
      <div class="site-head-inner">
        <Link href="/" class="logo" aria-label="Foyer, all events">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="9" class="logo-tile" />
            <path d="M10 24V8h13v4h-8v3h6v4h-6v5z" class="logo-letter" />
          </svg>
          <span>Foyer</span>
        </Link>
        <nav class="site-nav" aria-label="Main">
          {isOrganizer(user) && (
            <Link
              href="/organizer"
              aria-current={path.startsWith("/organizer") ? "page" : undefined}
            >
              Organizer
            </Link>
          )}
          {user && services?.includes("chat") && (
            <Link href="/chat" aria-current={path.startsWith("/chat") ? "page" : undefined}>
              Chat
            </Link>
          )}
          {user && services?.includes("tickets") && (
            <Link href="/me/bookings" aria-current={here("/me/bookings")}>
              My bookings
            </Link>
          )}
          {user && (
            <button
              type="button"
              class="link-button"
              onClick={out}
              title={`Signed in as ${user.name}`}
            >
              Log out
            </button>
          )}
          {user === null && (
            <>
              <Link href={`/login${returning}`} aria-current={here("/login")}>
                Log in
              </Link>
              <Link
                href={`/signup${returning}`}
                class="button button-small"
                aria-current={here("/signup")}
              >
                Sign up
              </Link>
            </>
          )}
        </nav>
      </div>
      {error && (
        <p class="site-error" role="alert">
          {error}
        </p>
      )}
    </header>
  );
}

export function Footer(): JSX.Element {
  return (
    <footer class="site-foot">
      <p>
        Foyer sells seats, fairly. Never the same one twice. <a href="/openapi.json">API</a>
      </p>
    </footer>
  );
}
