// One conversation: who it is with, its messages, and where one writes.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ChatView } from "../../../clients/js/src/index.js";
import { Link } from "../lib/router";
import { Failure, Spinner } from "../ui/basics";
import { Avatar } from "./Avatar";
import type { Blocks } from "./blocks";
import { useEvents, type ChatClient } from "./client";
import { Composer, type Writing } from "./Composer";
import { Details } from "./Details";
import { Icon } from "./icons";
import { MessageList } from "./MessageList";
import { useFileBytesMax, useUploads, type Uploads } from "./uploads";
import { lastSeenWords, nameOf, noteNames, otherOf, titleOf, typingWords } from "./words";

export interface ConversationProps {
  client: ChatClient;
  chatId: string;
  me: string;
  at: number | null;
  blocks: Blocks;
  uploads: Uploads;
}

export function Conversation(props: ConversationProps): JSX.Element {
  const { client, chatId } = props;
  const [error, setError] = useState<unknown>(null);
  useEvents(client, ["change"], (event) => "chatIds" in event && event.chatIds.has(chatId));
  const view = client.chats.get(chatId);
  const isKnown = view !== undefined && view.info !== null;
  const lacksMembers = isKnown && view.info!.members.length < view.info!.member_count;
  const load = (): void => {
    setError(null);
    client.loadChat(chatId).catch(setError);
  };
  useEffect(() => {
    if (!isKnown || lacksMembers) load();
  }, [isKnown, lacksMembers]);
  if (isKnown) {
    noteNames(view.info!.members);
    return <Open {...props} view={view} />;
  }
  return (
    <div class="chat-nothing">
      {error === null ? (
        <Spinner label="Opening the conversation" />
      ) : (error as { status?: number }).status === 404 ? (
        <>
          <h2>Not one of your conversations</h2>
          <p>You may have left it, or been removed.</p>
          <Link class="button" href="/chat">
            All conversations
          </Link>
        </>
      ) : (
        <Failure error={error} onRetry={load} />
      )}
    </div>
  );
}

type OpenProps = ConversationProps & { view: ChatView };

function Open(props: OpenProps): JSX.Element {
  const { client, view, me, at, blocks, uploads } = props;
  const [writing, setWriting] = useState<Writing>({ kind: "new" });
  const [hasDetails, setHasDetails] = useState(false);
  const [sentCount, setSentCount] = useState(0);
  const [note, setNote] = useState("");
  const [isOver, setIsOver] = useState(false);
  const fileBytesMax = useFileBytesMax();
  useUploads(uploads);
  const other = otherOf(view, me);
  const isBlocked = other !== undefined && blocks.ids.has(other.user_id);
  const sent = (): void => setSentCount((count) => count + 1);
  const files = (list: File[]): void => {
    const refused = list.map((file) => uploads.add(view.id, file, fileBytesMax));
    setNote(refused.find((words) => words !== null) ?? "");
    sent();
  };
  const mayDrop = (event: DragEvent): boolean =>
    fileBytesMax > 0 && !isBlocked && (event.dataTransfer?.types.includes("Files") ?? false);
  return (
    <div
      class={`chat-open${hasDetails ? " has-details" : ""}${isOver ? " is-over" : ""}`}
      onDragOver={(event) => {
        if (!mayDrop(event)) return;
        event.preventDefault();
        setIsOver(true);
      }}
      onDragLeave={() => setIsOver(false)}
      onDrop={(event) => {
        setIsOver(false);
        if (!mayDrop(event)) return;
        event.preventDefault();
        files([...(event.dataTransfer?.files ?? [])]);
      }}
    >
      <section class="chat-conversation" aria-label="Conversation">
        <Head {...props} isOpen={hasDetails} onDetails={() => setHasDetails(!hasDetails)} />
        <MessageList
          client={client}
          view={view}
          me={me}
          blocked={blocks.ids}
          isBlocked={isBlocked}
          uploads={uploads}
          at={at}
          sentCount={sentCount}
          onReply={(message) => setWriting({ kind: "reply", message })}
          onEdit={(message) => setWriting({ kind: "edit", message })}
        />
        <p class="chat-typing" data-testid="typing">
          {note || (isBlocked ? "" : typingWords(view, me))}
        </p>
        {isBlocked ? (
          <div class="chat-blocked">
            <p>
              You have blocked <bdi>{nameOf(other.user_id)}</bdi>.
            </p>
            <Unblock onClick={() => blocks.unblock(other.user_id)} />
          </div>
        ) : (
          <Composer
            client={client}
            chatId={view.id}
            me={me}
            writing={writing}
            takesFiles={fileBytesMax > 0}
            onWriting={setWriting}
            onSent={sent}
            onFiles={files}
          />
        )}
      </section>
      {hasDetails && (
        <Details
          client={client}
          view={view}
          me={me}
          blocks={blocks}
          onClose={() => setHasDetails(false)}
        />
      )}
    </div>
  );
}

function Unblock({ onClick }: { onClick(): Promise<void> }): JSX.Element {
  const [error, setError] = useState<unknown>(null);
  return (
    <>
      <button
        type="button"
        class="button button-small"
        onClick={() => void onClick().catch(setError)}
      >
        Unblock
      </button>
      {error !== null && <Failure error={error} />}
    </>
  );
}

type HeadProps = OpenProps & { isOpen: boolean; onDetails(): void };

function Head({ client, view, me, isOpen, onDetails }: HeadProps): JSX.Element {
  const title = titleOf(view, me);
  const other = otherOf(view, me);
  useEvents(client, ["presence"]);
  const presence = client.presence.get(other?.user_id ?? "");
  return (
    <header class="chat-head">
      <Link href="/chat" class="chat-button chat-back" aria-label="All conversations">
        <Icon name="back" />
      </Link>
      <Avatar
        id={other?.user_id ?? view.id}
        name={title}
        isGroup={view.info?.type === "group"}
        isOnline={presence?.online}
        isSmall
      />
      <div class="chat-head-words">
        <h1>
          <bdi>{title}</bdi>
        </h1>
        <p class="chat-note" data-testid="presence">
          {view.info?.type === "group" ? groupWords(client, view, me) : personWords(presence)}
        </p>
      </div>
      <button
        type="button"
        class="chat-button"
        aria-label="Details"
        aria-expanded={isOpen}
        onClick={onDetails}
      >
        <Icon name="info" />
      </button>
    </header>
  );
}

const personWords = (presence: { online: boolean; last_seen_at: string | null } | undefined) =>
  presence ? (presence.online ? "Online" : lastSeenWords(presence.last_seen_at)) : "";

function groupWords(client: ChatClient, view: ChatView, me: string): string {
  const info = view.info!;
  const online = info.members.filter(
    ({ user_id }) => user_id !== me && client.presence.get(user_id)?.online,
  ).length;
  const count = info.member_count === 1 ? "1 member" : `${info.member_count} members`;
  return online > 0 ? `${count}, ${online + 1} online` : count;
}
