// The pages: which address shows what, and the frame around it.
import "altcha/altcha.css";
import "./styles/app.css";
import { render, type JSX } from "preact";
import { useEffect } from "preact/hooks";
import { matchPath, useLocation } from "./lib/router";
import { loadUser } from "./lib/session";
import { EventManagePage } from "./organizer/EventManagePage";
import { Gate } from "./organizer/Gate";
import { NewEventPage } from "./organizer/NewEventPage";
import { NewVenuePage } from "./organizer/NewVenuePage";
import { OrganizerPage } from "./organizer/OrganizerPage";
import { VenuesPage } from "./organizer/VenuesPage";
import { WebhooksPage } from "./organizer/WebhooksPage";
import { LoginPage, SignupPage } from "./pages/AuthPages";
import { BookingPage } from "./pages/BookingPage";
import { EventPage } from "./pages/EventPage";
import { HomePage } from "./pages/HomePage";
import { MyBookingsPage } from "./pages/MyBookingsPage";
import { NotFoundPage } from "./pages/NotFoundPage";
import { SecurityPage } from "./pages/SecurityPage";
import { ROOT as PORTAL } from "./portal/paths";
import { PortalApp } from "./portal/PortalApp";
import { Footer, Header } from "./ui/Frame";
import { lazy } from "./ui/Lazy";

const ChatPage = lazy(async () => (await import("./chat/ChatPage")).ChatPage);

const FairnessPage = lazy(async () => (await import("./queue/FairnessPage")).FairnessPage);

type Show = (params: Record<string, string>) => JSX.Element;

/** First match wins. A key makes another event another page rather than the same one with other data. */
const ROUTES: [string, Show][] = [
  ["/", () => <HomePage />],
  ["/events/:id", ({ id }) => <EventPage key={id} id={id!} />],
  ["/events/:id/fairness", ({ id }) => <FairnessPage key={id} id={id!} />],
  ["/bookings/:id", ({ id }) => <BookingPage key={id} id={id!} />],
  ["/me/bookings", () => <MyBookingsPage />],
  ["/me/security", () => <SecurityPage />],
  ["/chat", () => <ChatPage chatId={null} />],
  ["/chat/:id", ({ id }) => <ChatPage chatId={id!} />],
  ["/login", () => <LoginPage />],
  ["/signup", () => <SignupPage />],
  [
    "/organizer",
    () => (
      <Gate>
        <OrganizerPage />
      </Gate>
    ),
  ],
  [
    "/organizer/venues",
    () => (
      <Gate>
        <VenuesPage />
      </Gate>
    ),
  ],
  [
    "/organizer/venues/new",
    () => (
      <Gate>
        <NewVenuePage />
      </Gate>
    ),
  ],
  [
    "/organizer/events/new",
    () => (
      <Gate>
        <NewEventPage />
      </Gate>
    ),
  ],
  [
    "/organizer/events/:id",
    ({ id }) => (
      <Gate>
        <EventManagePage key={id} id={id!} />
      </Gate>
    ),
  ],
  [
    "/organizer/events/:id/:part",
    ({ id, part }) => (
      <Gate>
        <EventManagePage key={id} id={id!} part={part!} />
      </Gate>
    ),
  ],
  [
    "/organizer/webhooks",
    () => (
      <Gate>
        <WebhooksPage />
      </Gate>
    ),
  ],
];

/** A link's portal is a page of its own: whoever opens it has no account and no business with tickets. */
function App(): JSX.Element {
  const { path } = useLocation();
  if (path !== PORTAL && !path.startsWith(`${PORTAL}/`)) return <Site path={path} />;
  return (
    <>
      <Skip />
      <PortalApp path={path} />
    </>
  );
}

const Skip = (): JSX.Element => (
  <a class="skip" href="#content">
    Skip to the content
  </a>
);

function Site({ path }: { path: string }): JSX.Element {
  useEffect(() => void loadUser(), []);
  let page: JSX.Element = <NotFoundPage />;
  for (const [pattern, show] of ROUTES) {
    const params = matchPath(pattern, path);
    if (params) {
      page = show(params);
      break;
    }
  }
  // The chat fills the window: what scrolls is inside of it.
  const isChat = path === "/chat" || path.startsWith("/chat/");
  return (
    <>
      <Skip />
      <Header path={path} />
      <main id="content" class={isChat ? "chat-main" : undefined}>
        {page}
      </main>
      {!isChat && <Footer />}
    </>
  );
}

render(<App />, document.getElementById("app")!);
