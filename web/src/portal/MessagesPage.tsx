// Messages of the application, newest first; new ones appear by themselves.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Link } from "../lib/router";
import { Failure, Spinner, useLoad, usePage } from "../ui/basics";
import { listEventTypes, listMessages } from "./api";
import { ROOT } from "./paths";
import { formatTime } from "./text";
import type { Message } from "./types";
import { usePoll } from "./usePoll";

export function MessagesPage(): JSX.Element {
  const page = usePage("Messages");
  const types = useLoad("types", async () => (await listEventTypes()).data);
  const [type, setType] = useState("");
  const filter = { event_types: type || undefined };
  const { data, error, reload } = usePoll(`messages ${type}`, () => listMessages(filter));
  return (
    <>
      <div class="portal-title">
        <h1 {...page}>Messages</h1>
        {(types.data?.length ?? 0) > 0 && (
          <label class="field portal-filter">
            <span class="field-label">Event type</span>
            <select value={type} onChange={(event) => setType(event.currentTarget.value)}>
              <option value="">All</option>
              {types.data?.map(({ name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {error !== undefined && <Failure error={error} onRetry={reload} />}
      {!data && error === undefined && <Spinner label="Loading messages" />}
      {data?.data.length === 0 && (
        <section class="empty">
          <h2>No message yet</h2>
          <p>What is sent to you is listed here for 31 days.</p>
        </section>
      )}
      <ul class="rows" aria-live="off">
        {data?.data.map((message) => (
          <MessageRow key={message.id} message={message} />
        ))}
      </ul>
      {data && !data.done && data.iterator && (
        <Older key={`${type} ${data.iterator}`} from={data.iterator} type={filter.event_types} />
      )}
    </>
  );
}

function MessageRow({ message }: { message: Message }): JSX.Element {
  return (
    <li class="row">
      <Link href={`${ROOT}/messages/${message.id}`} class="portal-row">
        <span class="portal-url">{message.eventType}</span>
        <span class="portal-when">{formatTime(message.timestamp)}</span>
        <span class="portal-note">{message.eventId ?? message.id}</span>
      </Link>
    </li>
  );
}

/** The pages behind the first, which stay as they are. */
function Older({ from, type }: { from: string; type: string | undefined }): JSX.Element {
  const [older, setOlder] = useState<Message[]>([]);
  const [next, setNext] = useState<string | null>(from);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const more = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const list = await listMessages({ event_types: type, iterator: next ?? undefined });
      setOlder([...older, ...list.data]);
      setNext(list.done ? null : list.iterator);
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  return (
    <>
      <ul class="rows">
        {older.map((message) => (
          <MessageRow key={message.id} message={message} />
        ))}
      </ul>
      {error !== null && <Failure error={error} />}
      {next !== null && (
        <p class="more">
          <button type="button" class="button" disabled={busy} onClick={more}>
            {busy ? "Loading…" : "Older messages"}
          </button>
        </p>
      )}
    </>
  );
}
