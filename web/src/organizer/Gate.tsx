// Organizer pages are for organizers: everybody else is told so.
import type { ComponentChildren, JSX } from "preact";
import { isOrganizer, useUser } from "../lib/session";
import { Link, useLocation } from "../lib/router";
import { Notice, Spinner } from "../ui/basics";
import { LoginNeeded } from "../ui/LoginNeeded";

export function Gate({ children }: { children: ComponentChildren }): JSX.Element {
  const user = useUser();
  const { path } = useLocation();
  if (user === undefined) return <Spinner />;
  if (user === null) return <LoginNeeded what="the organizer’s console" />;
  if (!isOrganizer(user)) {
    return (
      <Notice kind="warn" title="For organizers">
        <p>
          Your account may buy tickets but not sell them. An administrator can give it the role
          “organizer”.
        </p>
      </Notice>
    );
  }
  if (user.totp_required) {
    return (
      <Notice kind="warn" title="A second factor is needed">
        <p>
          Whoever sells here logs in with a code besides the password. Set it up, and these pages
          open.
        </p>
        <Link class="button button-main" href="/me/security">
          Set it up
        </Link>
      </Notice>
    );
  }
  const tab = (href: string, label: string): JSX.Element => (
    <Link href={href} aria-current={path === href ? "page" : undefined}>
      {label}
    </Link>
  );
  return (
    <div class="console">
      <nav class="tabs" aria-label="Organizer">
        {tab("/organizer", "Events")}
        {tab("/organizer/venues", "Venues")}
        {tab("/organizer/events/new", "New event")}
        {tab("/organizer/venues/new", "Import a venue")}
        {tab("/organizer/webhooks", "Webhooks")}
      </nav>
      {children}
    </div>
  );
}
