import type { JSX } from "preact";
import { Link } from "../lib/router";
import { usePage } from "../ui/basics";

export function NotFoundPage({ what = "page" }: { what?: string }): JSX.Element {
  const page = usePage("Not found");
  return (
    <section class="empty">
      <p class="empty-mark" aria-hidden="true">
        404
      </p>
      <h1 {...page}>There is no such {what}</h1>
      <p>The address may be mistyped, or what it led to is gone.</p>
      <Link class="button button-main" href="/">
        See all events
      </Link>
    </section>
  );
}
