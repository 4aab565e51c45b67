// Was the draw fair? This page computes it all again in the browser of who asks, and shows what came out.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../api/client";
import { getEvent, getFairness, getQueueEntries, getRoom } from "../api/endpoints";
import { formatMoment } from "../lib/dates";
import { Link, useLocation } from "../lib/router";
import { useUser } from "../lib/session";
import { NotFoundPage } from "../pages/NotFoundPage";
import { Failure, Notice, Spinner, useLoad, usePage } from "../ui/basics";
import { ALGORITHM, recompute, type Draw } from "./fairness";
import type { Fairness } from "./types";
import { count } from "./words";

export function FairnessPage({ id }: { id: string }): JSX.Element {
  const event = useLoad(`event ${id}`, () => getEvent(id));
  const fairness = useLoad(`fairness ${id}`, () => getFairness(id));
  const name = event.data?.name ?? "";
  const page = usePage(name === "" ? "Is the queue fair?" : `Is the queue fair? · ${name}`);
  const error = event.error ?? fairness.error;
  if (error instanceof Problem && error.status === 404)
    return <NotFoundPage what="waiting room" />;
  return (
    <article class="fairness">
      <header>
        <p class="eyebrow">
          <Link href={`/events/${id}`}>{name === "" ? "The event" : name}</Link>
        </p>
        <h1 {...page}>Is the queue fair?</h1>
        <p class="lead">
          Places were drawn by lot among all who came before the sale. Nobody has to believe that:
          your browser computes the draw again, here, from what was published.
        </p>
      </header>
      {Boolean(error) && <Failure error={error} onRetry={fairness.reload} />}
      {!error && !fairness.data && <Spinner label="Loading what was published" />}
      {fairness.data && <Proof event={id} fairness={fairness.data} onReload={fairness.reload} />}
    </article>
  );
}

interface ProofProps {
  event: string;
  fairness: Fairness;
  onReload(): void;
}

function Proof({ event, fairness, onReload }: ProofProps): JSX.Element {
  if (fairness.revealed_seed === null) return <Promised fairness={fairness} onReload={onReload} />;
  if (fairness.algorithm !== ALGORITHM)
    return (
      <Notice kind="warn" title="Another way of drawing">
        This page knows how to check “{ALGORITHM}”; this draw says “{fairness.algorithm}”.
      </Notice>
    );
  if (!globalThis.crypto?.subtle)
    return (
      <Notice kind="warn" title="Not over this connection">
        Browsers compute hashes only for pages that came over HTTPS. The command{" "}
        <code>foyer verify-queue</code> does the same.
      </Notice>
    );
  return <Recomputed event={event} fairness={fairness} />;
}

/** Before the sale there is only the promise. */
function Promised({ fairness, onReload }: Omit<ProofProps, "event">): JSX.Element {
  return (
    <>
      <ol class="proof">
        <Check mark="…" title="The promise is published">
          <p class="proof-text">
            This is the fingerprint of a number that is fixed already and still secret. When the sale
            opens, the number is revealed; it must have this fingerprint. Note it down, if you want to
            be sure that nobody exchanges it.
          </p>
          <Values values={[["Commitment", fairness.commitment]]} />
        </Check>
        <Check mark="2" title="The list of all who came is closed">
          <p class="proof-text">Its own fingerprint is mixed in, so that the number alone decides nothing.</p>
        </Check>
        <Check mark="3" title="The order follows, for everybody to compute">
          <p class="proof-text">Come back then: this page does it for you.</p>
        </Check>
      </ol>
      <p>
        <button type="button" class="button" onClick={onReload}>
          Look again
        </button>
      </p>
    </>
  );
}

function Recomputed({ event, fairness }: Omit<ProofProps, "onReload">): JSX.Element {
  const [draw, setDraw] = useState<Draw | null>(null);
  const [share, setShare] = useState(0);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    let gone = false;
    setError(null);
    getQueueEntries(event)
      .then((list) => recompute(fairness, list, (part) => !gone && setShare(part)))
      .then(
        (found) => !gone && setDraw(found),
        (problem: unknown) => !gone && setError(problem),
      );
    return () => void (gone = true);
  }, [event, fairness, round]);
  if (error !== null)
    return <Failure error={error} onRetry={() => setRound((value) => value + 1)} />;
  if (!draw)
    return (
      <section class="room-card" aria-label="Computing">
        <p>
          Computing {fairness.entry_count === null ? "" : count(fairness.entry_count)} places…
        </p>
        <progress class="room-bar" max={1} value={share} />
      </section>
    );
  return <Verdict event={event} fairness={fairness} draw={draw} />;
}

const isListGood = (draw: Draw): boolean => draw.isListSame && draw.isListWellFormed;
const isFair = (draw: Draw): boolean => draw.isSeedPromised && isListGood(draw);

function Verdict({
  event,
  fairness,
  draw,
}: {
  event: string;
  fairness: Fairness;
  draw: Draw;
}): JSX.Element {
  const fair = isFair(draw);
  return (
    <>
      <div data-verdict={fair ? "fair" : "unfair"}>
        <Notice
          kind={fair ? "good" : "bad"}
          title={fair ? "The draw is as promised" : "This does not add up"}
        >
          <p>
            {fair
              ? `Your browser has computed all ${count(draw.count)} places again. The number was fixed before anybody could know the list, and the order follows from both.`
              : "What was published does not fit together; see below what exactly. Reload the page once; if it stays so, ask the organizer, and keep a copy of what you see."}
          </p>
        </Notice>
      </div>
      <ol class="proof">
        <Check
          good={draw.isSeedPromised}
          title={`The number is ${draw.isSeedPromised ? "" : "not "}the one that was promised`}
        >
          <p class="proof-text">
            SHA-256 of the revealed number must be the commitment that was public before the sale.
          </p>
          <Values
            values={[
              ["Number", fairness.revealed_seed ?? ""],
              ["Commitment", fairness.commitment],
            ]}
          />
        </Check>
        <Check
          good={isListGood(draw)}
          title={`The list is ${isListGood(draw) ? "" : "not "}the one that was closed: ${count(draw.count)} ${draw.count === 1 ? "entry" : "entries"}`}
        >
          <p class="proof-text">
            {draw.isListSame
              ? "SHA-256 of the list must be the hash that went into the draw."
              : "The list that the server sends now has another hash than the one that went into the draw."}
            {draw.isListSame && !draw.isListWellFormed && " But it is not what was announced."}
          </p>
          <Values
            values={[
              ["Published", fairness.entries_hash ?? ""],
              ["Computed", draw.listHash],
              ["Closed", fairness.closed_at ? formatMoment(fairness.closed_at) : ""],
            ]}
          />
        </Check>
        <Check good={fair} title={fair ? "The order follows from both" : "So the order proves nothing"}>
          <p class="proof-text">
            Each entry’s rank is HMAC-SHA-256 with SHA-256(number, hash) as its key; the lowest rank
            is first. Nobody can choose a place without changing one of the two above.
          </p>
        </Check>
        <OwnPlace event={event} draw={draw} fair={fair} />
      </ol>
      <p class="field-hint">
        <a href={`/v1/events/${encodeURIComponent(event)}/queue/fairness`}>What was published</a> and{" "}
        <a href={`/v1/events/${encodeURIComponent(event)}/queue/entries`}>the list</a> are there for
        your own program, too; so is the command <code>foyer verify-queue</code>.
      </p>
    </>
  );
}

function OwnPlace({
  event,
  draw,
  fair,
}: {
  event: string;
  draw: Draw;
  fair: boolean;
}): JSX.Element {
  const asked = useLocation().query.get("entry") ?? "";
  const user = useUser();
  const [typed, setTyped] = useState(asked);
  const own = useLoad(`own ${event} ${user?.id}`, () => getRoom(event));
  const entry = own.data?.entry ?? null;
  useEffect(() => {
    if (entry) setTyped((text) => (text === "" ? entry.id : text));
  }, [entry?.id]);
  const place = draw.places.get(typed.trim());
  const isOwn = entry !== null && entry.id === typed.trim();
  const said = isOwn ? entry.ahead : null;
  // People before may have left or been let in: then fewer are ahead. More there can't be.
  const isLess = said === null || place === undefined || said < place;
  const hasAnswer = typed.trim() !== "";
  return (
    <Check
      good={hasAnswer && place !== undefined ? fair && isLess : undefined}
      title={isOwn ? "Your place" : "Any place"}
    >
      {hasAnswer && place !== undefined && (
        <p class="fairness-place" data-testid="own-place">
          {!fair ? "This list would give place" : isOwn ? "You drew place" : "This is place"}{" "}
          {count(place)} of {count(draw.count)}.
        </p>
      )}
      {hasAnswer && place === undefined && (
        <p class="proof-text">
          This entry is not in the list. Who came after the opening was not drawn, but stands behind
          all others in the order of arrival.
        </p>
      )}
      {said !== null && place !== undefined && (
        <p class="proof-text">
          {isLess
            ? `The queue says that ${count(said)} ${said === 1 ? "person is" : "people are"} ahead of you now.`
            : `But the queue says that ${count(said)} people are ahead of you now, which are too many.`}
        </p>
      )}
      <div class="proof-own">
        <label class="field">
          <span class="field-label">Entry</span>
          <input
            value={typed}
            placeholder="que_…"
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </label>
        {entry && !isOwn && (
          <button type="button" class="button" onClick={() => setTyped(entry.id)}>
            Mine
          </button>
        )}
      </div>
    </Check>
  );
}

interface CheckProps {
  /** undefined: nothing was checked. */
  good?: boolean | undefined;
  mark?: string;
  title: string;
  children: ComponentChildren;
}

function Check({ good, mark, title, children }: CheckProps): JSX.Element {
  const kind = good === undefined ? "" : good ? " proof-good" : " proof-bad";
  const sign = mark ?? (good === undefined ? "?" : good ? "✓" : "✗");
  return (
    <li class={`proof-step${kind}`}>
      <span class="proof-mark" aria-hidden="true">
        {sign}
      </span>
      <h2>
        {title}
        {good !== undefined && (
          <span class="visually-hidden">{good ? ": right" : ": wrong"}</span>
        )}
      </h2>
      <div>{children}</div>
    </li>
  );
}

function Values({ values }: { values: [string, string][] }): JSX.Element {
  return (
    <dl class="proof-values">
      {values.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <code>{value}</code>
          </dd>
        </div>
      ))}
    </dl>
  );
}
