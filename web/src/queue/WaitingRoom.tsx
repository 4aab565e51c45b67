// The waiting room: where one stands, how long it takes, what comes next. Figures change in place; what is read aloud is
// one line that changes rarely.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { serverNow } from "../api/clock";
import type { EventView } from "../api/types";
import { formatRemaining, remainingMs } from "../lib/countdown";
import { formatClock, formatMoment } from "../lib/dates";
import { Link } from "../lib/router";
import { Ask } from "../ui/Ask";
import { Failure } from "../ui/basics";
import { askForNotice, wantsNotice } from "./notify";
import type { QueueEntry, Room } from "./types";
import type { Queue } from "./useQueue";
import {
  aheadText,
  count,
  etaText,
  shouldSpeak,
  spokenText,
  type Phase,
  type Spoken,
} from "./words";

export interface WaitingRoomProps {
  event: EventView;
  queue: Queue;
}

export function WaitingRoom({ event, queue }: WaitingRoomProps): JSX.Element {
  const { phase, view } = queue;
  return (
    <section class="room" aria-label="Waiting room" data-phase={phase}>
      <Aloud queue={queue} />
      <div class="room-card">
        <Body event={event} queue={queue} />
        {view.isOffline && (
          <p class="room-offline" role="status">
            No connection right now. Your place is kept; this page goes on by itself.
          </p>
        )}
        {view.error !== null && <Failure error={view.error} onRetry={() => void queue.refresh()} />}
      </div>
      {phase !== "over" && phase !== "done" && <Steps phase={phase} room={view.room} />}
    </section>
  );
}

function Body({ event, queue }: WaitingRoomProps): JSX.Element {
  const { view, phase } = queue;
  const room = view.room;
  switch (phase) {
    case "closed":
      return (
        <Head title="The waiting room opens in" until={room?.opens_at ?? null}>
          <p>
            Come in any time before the sale, which begins {momentOf(room, event)}. Being early gives
            no advantage: everybody who is in the room then gets a place by lot.
          </p>
        </Head>
      );
    case "door":
      return <Door room={room} event={event} queue={queue} />;
    case "pre":
      return <Pre entry={view.entry!} queue={queue} />;
    case "waiting":
      return <Waiting entry={view.entry!} queue={queue} />;
    case "done":
      return (
        <Ended title="You have your tickets" text="Your place was given to the next person.">
          <Link class="button button-main" href="/me/bookings">
            My bookings
          </Link>
          <JoinButton queue={queue} label="Queue again" quiet />
        </Ended>
      );
    case "left":
      return (
        <Ended title="You have left the queue" text="Your place was given to the next person.">
          <JoinButton queue={queue} label="Queue again" />
        </Ended>
      );
    case "lapsed":
      return (
        <Ended
          title="Your turn is over"
          text="Its time ran out without a hold, so somebody else got it. You can queue again, at the end."
        >
          <JoinButton queue={queue} label="Queue again" />
        </Ended>
      );
    default:
      return <Ended title="The sale is over" text="Nobody is let in any more." />;
  }
}

const momentOf = (room: Room | null, event: EventView): string =>
  formatMoment(room?.sale_at ?? event.onsale_at);

function Door({ room, event, queue }: WaitingRoomProps & { room: Room | null }): JSX.Element {
  const isEarly = room?.state === "pre";
  const waiting = room?.waiting ?? 0;
  return (
    <>
      <h2>{isEarly ? "The waiting room is open" : "There is a queue"}</h2>
      {isEarly ? (
        <p>
          The sale begins {momentOf(room, event)}. Everybody who is here by then gets a place in the
          queue by lot, whenever they came.
        </p>
      ) : (
        <p>
          Many people want these seats. Take a place in the queue, and you are let in as soon as it
          is your turn.
        </p>
      )}
      {waiting > 0 && (
        <p class="room-note">
          {count(waiting)} {waiting === 1 ? "person is" : "people are"}{" "}
          {isEarly ? "here already." : "waiting."}
        </p>
      )}
      <JoinButton queue={queue} label={isEarly ? "Enter the waiting room" : "Take a place"} />
    </>
  );
}

function Pre({ entry, queue }: { entry: QueueEntry; queue: Queue }): JSX.Element {
  return (
    <Head title="You’re in. The sale opens in" until={entry.sale_at}>
      <p>
        Then everybody here gets a place by lot. You may close this page and come back: your place
        belongs to your account.
      </p>
      <Actions queue={queue} />
    </Head>
  );
}

function Waiting({ entry, queue }: { entry: QueueEntry; queue: Queue }): JSX.Element {
  const eta = etaText(entry.eta_seconds);
  const total = usePeak(entry.ahead);
  return (
    <>
      <h2>You’re in the queue</h2>
      <dl class="room-figures">
        <div>
          <dt>Your place</dt>
          <dd data-testid="position">{entry.position === null ? "–" : count(entry.position)}</dd>
        </div>
        <div>
          <dt>Ahead of you</dt>
          <dd data-testid="ahead">{entry.ahead === null ? "–" : count(entry.ahead)}</dd>
        </div>
        <div>
          <dt>Your turn</dt>
          <dd class="room-eta" data-testid="eta">
            {eta ? `in ${eta}` : "too early to say"}
          </dd>
        </div>
      </dl>
      {total > 0 && entry.ahead !== null && (
        <progress class="room-bar" max={total} value={total - entry.ahead} aria-hidden="true" />
      )}
      <p>
        {entry.ahead === null ? "" : `${aheadText(entry.ahead)} `}
        This page keeps itself up to date. You may reload or close it: your place belongs to your
        account. When it is your turn, be here within a minute or two.
      </p>
      <Actions queue={queue} />
    </>
  );
}

/** The most that were ahead while this page was open: what the bar runs down from. */
function usePeak(ahead: number | null): number {
  const peak = useRef(0);
  peak.current = Math.max(peak.current, ahead ?? 0);
  return peak.current;
}

interface HeadProps {
  title: string;
  until: string | null;
  children: ComponentChildren;
}

/** A heading with a clock that runs down. What comes then is asked for as the server says, lest all ask at once. */
function Head({ title, until, children }: HeadProps): JSX.Element {
  const left = useRemaining(until);
  const isOver = until !== null && left === 0;
  return (
    <>
      <h2>{isOver ? "One moment…" : title}</h2>
      {until !== null && (
        <>
          <p class="room-clock" role="timer">
            {formatRemaining(left)}
          </p>
          <p class="room-note">
            <time dateTime={until}>{formatMoment(until)}</time>
          </p>
        </>
      )}
      {children}
    </>
  );
}

function Ended({
  title,
  text,
  children,
}: {
  title: string;
  text: string;
  children?: ComponentChildren;
}): JSX.Element {
  return (
    <>
      <h2>{title}</h2>
      <p>{text}</p>
      <div class="room-actions">{children}</div>
    </>
  );
}

function JoinButton({
  queue,
  label,
  quiet = false,
}: {
  queue: Queue;
  label: string;
  quiet?: boolean;
}): JSX.Element {
  return (
    <p>
      <button
        type="button"
        class={`button${quiet ? "" : " button-main"}`}
        disabled={queue.view.busy}
        onClick={queue.join}
      >
        {queue.view.busy ? "One moment…" : label}
      </button>
    </p>
  );
}

function Actions({ queue }: { queue: Queue }): JSX.Element {
  const [wanted, setWanted] = useState(wantsNotice);
  const change = (on: boolean): void => {
    setWanted(on);
    void askForNotice(on);
  };
  const { entry } = queue.view;
  return (
    <>
      <label class="check room-notify">
        <input
          type="checkbox"
          checked={wanted}
          onChange={(event) => change(event.currentTarget.checked)}
        />
        <span>Tell me with a sound and a notification when it’s my turn</span>
      </label>
      <div class="room-actions">
        {entry && (
          <Link
            class="button button-small"
            href={`/events/${entry.event_id}/fairness?entry=${entry.id}`}
          >
            Is this fair? Check it
          </Link>
        )}
        <Ask
          label="Leave the queue"
          question="Give up your place? It goes to the next person, and you can’t get it back."
          yes="Leave"
          no="Stay"
          act={queue.leave}
        />
      </div>
    </>
  );
}

interface Step {
  title: string;
  text: string;
  phases: Phase[];
}

const TURN: Step[] = [
  {
    title: "Wait for your turn",
    text: "People are let in one after another, so that the page stays quick for those inside.",
    phases: ["waiting"],
  },
  {
    title: "Choose and pay",
    text: "You have some minutes to choose. Seats that you hold are yours while you pay.",
    phases: [],
  },
];

const BEFORE_SALE: Step[] = [
  {
    title: "Enter the waiting room",
    text: "Any time before the sale. Early or late in it makes no difference.",
    phases: ["closed", "door"],
  },
  {
    title: "Places are drawn",
    text: "When the sale opens, by a lot that anybody can check. Who comes later queues behind.",
    phases: ["pre"],
  },
  ...TURN,
];

const DURING_SALE: Step[] = [
  {
    title: "Take a place in the queue",
    text: "Behind those who are there already, in the order of arrival.",
    phases: ["door", "left", "lapsed"],
  },
  ...TURN,
];

function Steps({ phase, room }: { phase: Phase; room: Room | null }): JSX.Element {
  const isOpen = phase === "waiting" || room?.state === "open";
  return (
    <section class="room-steps" aria-label="What happens next">
      <h3>What happens next</h3>
      <ol>
        {(isOpen ? DURING_SALE : BEFORE_SALE).map((step) => (
          <li key={step.title} aria-current={step.phases.includes(phase) ? "step" : undefined}>
            <strong>{step.title}</strong>
            <span>{step.text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** Milliseconds left, ticking by the server's clock. */
export function useRemaining(until: string | null): number {
  const read = (): number => (until === null ? 0 : remainingMs(until, serverNow()));
  const [left, setLeft] = useState(read);
  useEffect(() => {
    setLeft(read());
    if (until === null) return;
    const timer = setInterval(() => setLeft(read()), 500);
    return () => clearInterval(timer);
  }, [until]);
  return left;
}

function Aloud({ queue }: { queue: Queue }): JSX.Element {
  const { phase, view } = queue;
  const last = useRef<Spoken | null>(null);
  const words = useRef("");
  const now = { phase, ahead: view.entry?.ahead ?? null, atMs: Date.now() };
  if (shouldSpeak(last.current, now)) {
    last.current = now;
    words.current = spokenText(phase, view.entry);
  }
  return (
    <p class="visually-hidden" role="status" aria-live="polite">
      {words.current}
    </p>
  );
}

/** While one is let in: how long it lasts, and the way out. */
export function AdmittedBar({ queue }: { queue: Queue }): JSX.Element {
  const { entry } = queue.view;
  const until = entry?.admitted_until ?? null;
  const left = useRemaining(until);
  const isOver = until !== null && left === 0;
  useEffect(() => {
    if (!isOver) return;
    void queue.refresh();
    const timer = setInterval(() => void queue.refresh(), 2000);
    return () => clearInterval(timer);
  }, [isOver]);
  return (
    <section class={`admitted${left < 60_000 && until ? " is-short" : ""}`} aria-label="Your turn">
      <Aloud queue={queue} />
      <div class="admitted-words">
        <h2>It’s your turn</h2>
        {until === null ? (
          <p>Choose your seats. What you hold stays yours while you pay.</p>
        ) : (
          <p>
            Choose your seats until{" "}
            <time dateTime={until}>{formatClock(until)}</time>. What you hold stays yours while you
            pay. Keep this page open.
          </p>
        )}
      </div>
      {until !== null && (
        <p class="admitted-clock" role="timer" data-testid="admission">
          {formatRemaining(left)}
        </p>
      )}
      <Ask
        label="Leave"
        question="Give up your turn? You would have to queue again."
        yes="Leave"
        no="Stay"
        act={queue.leave}
      />
    </section>
  );
}
