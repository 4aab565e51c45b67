// Looking for words in one's own conversations.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Entry } from "../../../clients/js/src/index.js";
import { Link } from "../lib/router";
import { Failure, Notice, Spinner } from "../ui/basics";
import type { ChatClient } from "./client";
import { Icon } from "./icons";
import { contentOf, nameOf, shortWhen, titleOf } from "./words";

const WAIT_MS = 250;
const LETTERS_MIN = 2;
/** A page looks at so many messages, and may find none among them. */
const EMPTY_PAGES_MAX = 20;

interface Found {
  query: string;
  entries: Entry[];
  next: string | null;
}

export interface SearchProps {
  client: ChatClient;
  me: string;
  onClose(): void;
}

const isGone = (error: unknown): boolean =>
  typeof error === "object" && error !== null && (error as { status?: number }).status === 404;

export function Search({ client, me, onClose }: SearchProps): JSX.Element {
  const [query, setQuery] = useState("");
  const [found, setFound] = useState<Found | null>(null);
  const [error, setError] = useState<unknown>(null);
  const input = useRef<HTMLInputElement>(null);
  const newest = useRef("");
  const ask = async (words: string, cursor?: string): Promise<void> => {
    setError(null);
    try {
      let page = await client.search(words, cursor);
      for (let i = 0; i < EMPTY_PAGES_MAX && page.data.length === 0 && page.next_cursor; i++) {
        if (newest.current !== words) return;
        page = await client.search(words, page.next_cursor);
      }
      if (newest.current !== words) return;
      setFound((old) => ({
        query: words,
        entries: cursor && old ? [...old.entries, ...page.data] : page.data,
        next: page.next_cursor,
      }));
    } catch (problem) {
      if (newest.current === words) setError(problem);
    }
  };
  useEffect(() => input.current?.focus({ preventScroll: true }), []);
  useEffect(() => {
    newest.current = query.trim();
    if (newest.current.length < LETTERS_MIN) return setFound(null);
    const timer = setTimeout(() => void ask(newest.current), WAIT_MS);
    return () => clearTimeout(timer);
  }, [query]);
  const isBusy = query.trim().length >= LETTERS_MIN && found?.query !== query.trim();
  return (
    <section class="chat-search" aria-label="Search messages">
      <div class="chat-side-head">
        <input
          ref={input}
          type="search"
          aria-label="Search in your messages"
          placeholder="Search messages"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Escape" && onClose()}
        />
        <button type="button" class="chat-button" aria-label="Close the search" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {error !== null && isGone(error) && (
        <Notice kind="info">This server has no search for messages.</Notice>
      )}
      {error !== null && !isGone(error) && (
        <Failure error={error} onRetry={() => void ask(query.trim())} />
      )}
      {isBusy && error === null && <Spinner label="Searching" />}
      {found && !isBusy && (
        <p class="chat-note" role="status">
          {found.entries.length === 0 && !found.next ? `Nothing has “${found.query}”.` : ""}
        </p>
      )}
      <ul class="chat-list">
        {found?.entries.map((entry) => (
          <Hit key={entry.id} entry={entry} client={client} me={me} />
        ))}
      </ul>
      {found?.next && (
        <button
          type="button"
          class="button button-quiet"
          onClick={() => void ask(found.query, found.next ?? undefined)}
        >
          More
        </button>
      )}
    </section>
  );
}

function Hit(props: { entry: Entry; client: ChatClient; me: string }): JSX.Element {
  const { entry, client, me } = props;
  const view = client.chats.get(entry.chat_id);
  return (
    <li>
      <Link href={`/chat/${entry.chat_id}?at=${entry.seq}`} class="chat-row chat-hit">
        <span class="chat-row-title">
          <bdi>{view ? titleOf(view, me) : "Conversation"}</bdi>
        </span>
        <span class="chat-row-when">{shortWhen(entry.created_at)}</span>
        <span class="chat-row-last">
          <bdi>{entry.sender_id === me ? "You" : nameOf(entry.sender_id)}</bdi>:{" "}
          <bdi>{contentOf(entry)}</bdi>
        </span>
      </Link>
    </li>
  );
}
