// What this server offers first: its events, or where it sells none, what else is here.
import type { JSX } from "preact";
import { Link } from "../lib/router";
import { useServices } from "../lib/services";
import { usePage } from "../ui/basics";
import { EventsPage } from "./EventsPage";

export function HomePage(): JSX.Element {
  const services = useServices();
  return !services || services.includes("tickets") ? <EventsPage /> : <Others services={services} />;
}

function Others({ services }: { services: readonly string[] }): JSX.Element {
  const page = usePage("Welcome");
  return (
    <section class="empty">
      <h1 {...page}>Welcome</h1>
      {services.includes("hooks") && (
        <p>Webhooks are sent from here. Customers open their portal by the link they were given.</p>
      )}
      {services.includes("chat") && (
        <Link class="button button-main" href="/chat">
          Open your chats
        </Link>
      )}
    </section>
  );
}
