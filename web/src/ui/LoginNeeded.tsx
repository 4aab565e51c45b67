import type { JSX } from "preact";
import { Link } from "../lib/router";
import { usePage } from "./basics";

export function LoginNeeded({ what }: { what: string }): JSX.Element {
  const page = usePage("Log in");
  const here = encodeURIComponent(window.location.pathname + window.location.search);
  return (
    <section class="empty">
      <h1 {...page}>Please log in</h1>
      <p>Log in to see {what}.</p>
      <Link class="button button-main" href={`/login?next=${here}`}>
        Log in
      </Link>
    </section>
  );
}
