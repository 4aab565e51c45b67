// All conversations, the newest activity first.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ChatView } from "../../../clients/js/src/index.js";
import { Link } from "../lib/router";
import { Avatar } from "./Avatar";
import type { ChatClient } from "./client";
import {
  newestFirst,
  activityOf,
  otherOf,
  previewOf,
  shortWhen,
  titleOf,
  typingWords,
} from "./words";

export interface ChatListProps {
  client: ChatClient;
  me: string;
  openId: string | null;
  blocked: ReadonlySet<string>;
}

/** Rows at first, and more at each wish. */
const ROWS = 100;

export function ChatList({ client, me, openId, blocked }: ChatListProps): JSX.Element {
  const [limit, setLimit] = useState(ROWS);
  const views = [...client.chats.values()].filter(({ info }) => info !== null).sort(newestFirst);
  if (views.length === 0) {
    return (
      <div class="chat-list-empty">
        <p>No conversations yet.</p>
        <p>Start one with somebody whose email address you know.</p>
      </div>
    );
  }
  return (
    <ul class="chat-list" aria-label="Conversations">
      {views.slice(0, limit).map((view) => (
        <ChatRow
          key={view.id}
          view={view}
          me={me}
          isOpen={view.id === openId}
          isOnline={client.presence.get(otherOf(view, me)?.user_id ?? "")?.online}
          isBlocked={blocked.has(otherOf(view, me)?.user_id ?? "")}
        />
      ))}
      {views.length > limit && (
        <li class="more">
          <button type="button" class="button button-quiet" onClick={() => setLimit(limit + ROWS)}>
            Older conversations
          </button>
        </li>
      )}
    </ul>
  );
}

interface ChatRowProps {
  view: ChatView;
  me: string;
  isOpen: boolean;
  isOnline: boolean | undefined;
  isBlocked: boolean;
}

function ChatRow({ view, me, isOpen, isOnline, isBlocked }: ChatRowProps): JSX.Element {
  const title = titleOf(view, me);
  const typing = typingWords(view, me);
  return (
    <li>
      <Link
        href={`/chat/${view.id}`}
        class="chat-row"
        aria-current={isOpen ? "page" : undefined}
        data-unread={view.unread}
      >
        <Avatar
          id={otherOf(view, me)?.user_id ?? view.id}
          name={title}
          isGroup={view.info?.type === "group"}
          isOnline={isOnline}
        />
        <span class="chat-row-title">
          <bdi>{title}</bdi>
        </span>
        <span class="chat-row-when">{shortWhen(activityOf(view))}</span>
        <span class={`chat-row-last${typing ? " is-typing" : ""}`}>
          <bdi>{typing || (isBlocked ? "Blocked" : previewOf(view, me))}</bdi>
        </span>
        {view.unread > 0 && (
          <span class="chat-count">
            {view.unread > 99 ? "99+" : view.unread}
            <span class="visually-hidden"> unread</span>
          </span>
        )}
      </Link>
    </li>
  );
}
