// Who is in a conversation, and what may be changed about it.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ChatView, Member, Role } from "../../../clients/js/src/index.js";
import { Link } from "../lib/router";
import { Ask } from "../ui/Ask";
import { Failure } from "../ui/basics";
import { Avatar } from "./Avatar";
import type { Blocks } from "./blocks";
import { useEvents, type ChatClient } from "./client";
import { Icon } from "./icons";
import { FindPerson } from "./NewChat";
import { mute, unmute } from "./push";
import { isMuted, lastSeenWords, nameOf, otherOf } from "./words";

const ROLE_WORDS: Record<Role, string> = { owner: "Owner", admin: "Admin", member: "Member" };
const TITLE_MAX = 200;

export interface DetailsProps {
  client: ChatClient;
  view: ChatView;
  me: string;
  blocks: Blocks;
  onClose(): void;
}

export function Details(props: DetailsProps): JSX.Element {
  const { view, onClose } = props;
  const isGroup = view.info?.type === "group";
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <section
      class="chat-details"
      aria-label="Details"
      onKeyDown={(event) => event.key === "Escape" && onClose()}
    >
      <div class="chat-side-head">
        <h2 ref={heading} tabIndex={-1}>
          {isGroup ? "Group" : "Details"}
        </h2>
        <button type="button" class="chat-button" aria-label="Close the details" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <About {...props} />
      {isGroup ? <GroupDetails {...props} /> : <DirectDetails {...props} />}
    </section>
  );
}

/** What concerns the user alone, and the event that it is about. */
function About({ client, view }: DetailsProps): JSX.Element {
  const [error, setError] = useState<unknown>(null);
  const eventId = view.info?.["event_id"];
  const isQuiet = isMuted(view);
  const change = async (): Promise<void> => {
    setError(null);
    await (isQuiet ? unmute(view.id) : mute(view.id));
    await client.loadChat(view.id);
  };
  return (
    <div class="chat-about">
      {typeof eventId === "string" && (
        <Link class="button button-small" href={`/events/${eventId}`}>
          To the event
        </Link>
      )}
      <button
        type="button"
        class="button button-small"
        aria-pressed={isQuiet}
        onClick={() => void change().catch(setError)}
      >
        {isQuiet ? "Muted" : "Mute"}
      </button>
      {error !== null && <Failure error={error} />}
    </div>
  );
}

function DirectDetails({ client, view, me, blocks }: DetailsProps): JSX.Element {
  const other = otherOf(view, me);
  useEvents(client, ["presence"]);
  if (!other) return <p class="chat-note">The other one has left.</p>;
  const name = nameOf(other.user_id);
  const isBlocked = blocks.ids.has(other.user_id);
  return (
    <>
      <MemberRow client={client} member={other} />
      {isBlocked ? (
        <Ask
          label={`Unblock ${name}`}
          question={`Let ${name} write to you again?`}
          yes="Unblock"
          no="Not now"
          act={() => blocks.unblock(other.user_id)}
        />
      ) : (
        <Ask
          label={`Block ${name}`}
          question={`Neither of you can write here while ${name} is blocked. In groups you see their messages only when you ask for them.`}
          yes="Block"
          no="Cancel"
          act={() => blocks.block(other.user_id)}
        />
      )}
    </>
  );
}

function GroupDetails({ client, view, me, onClose }: DetailsProps): JSX.Element {
  const info = view.info!;
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const isManager = info.role !== "member";
  useEvents(client, ["presence"]);
  useEffect(() => {
    client.loadChat(view.id).catch(setError);
  }, [view.id]);
  const run = async (act: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setError(null);
    await act().catch(setError);
    setBusy(false);
  };
  return (
    <>
      {isManager && <Rename key={info.title} client={client} view={view} />}
      {error !== null && <Failure error={error} />}
      <h3>{info.member_count === 1 ? "1 member" : `${info.member_count} members`}</h3>
      <ul class="chat-people" aria-label="Members">
        {info.members.map((member) => (
          <li key={member.user_id}>
            <MemberRow client={client} member={member} isMe={member.user_id === me} />
            {member.user_id !== me && <Manage {...{ client, view, member, busy, run }} />}
          </li>
        ))}
      </ul>
      {isManager && (
        <div class="chat-add">
          <h3>Add somebody</h3>
          <FindPerson
            busy={busy}
            label="Add"
            onError={setError}
            onFound={async ({ id }) => {
              await client.addMember(view.id, id);
              await client.loadChat(view.id);
            }}
          />
        </div>
      )}
      <Ask
        label="Leave the group"
        question="Leave? You will not see what was written here any more."
        yes="Leave"
        no="Stay"
        act={async () => {
          await client.leave(view.id);
          onClose();
        }}
      />
    </>
  );
}

interface MemberRowProps {
  client: ChatClient;
  member: Member;
  isMe?: boolean;
}

function MemberRow({ client, member, isMe }: MemberRowProps): JSX.Element {
  const presence = client.presence.get(member.user_id);
  const name = nameOf(member.user_id);
  const state = presence && (presence.online ? "Online" : lastSeenWords(presence.last_seen_at));
  return (
    <div class="chat-person">
      <Avatar id={member.user_id} name={name} isOnline={presence?.online} isSmall />
      <span class="chat-person-name">
        <bdi>{name}</bdi>
        {isMe && " (you)"}
        {state && !isMe && <span class="chat-note">{state}</span>}
      </span>
      {member.role !== "member" && <span class="badge">{ROLE_WORDS[member.role]}</span>}
    </div>
  );
}

interface ManageProps {
  client: ChatClient;
  view: ChatView;
  member: Member;
  busy: boolean;
  run(act: () => Promise<void>): Promise<void>;
}

/** Owners give roles and remove anybody, admins remove plain members. */
function Manage({ client, view, member, busy, run }: ManageProps): JSX.Element | null {
  const role = view.info!.role;
  const isOwner = role === "owner";
  if (!isOwner && !(role === "admin" && member.role === "member")) return null;
  const name = nameOf(member.user_id);
  return (
    <div class="chat-manage">
      {isOwner && (
        <select
          aria-label={`Role of ${name}`}
          value={member.role}
          disabled={busy}
          onChange={(event) => {
            const wanted = event.currentTarget.value as Role;
            void run(async () => {
              await client.addMember(view.id, member.user_id, wanted);
              await client.loadChat(view.id);
            });
          }}
        >
          {(Object.keys(ROLE_WORDS) as Role[]).reverse().map((name) => (
            <option key={name} value={name}>
              {ROLE_WORDS[name]}
            </option>
          ))}
        </select>
      )}
      <Ask
        label="Remove"
        about={name}
        question={`Remove ${name} from the group?`}
        yes="Remove"
        no="Cancel"
        act={() => client.removeMember(view.id, member.user_id)}
      />
    </div>
  );
}

function Rename({ client, view }: { client: ChatClient; view: ChatView }): JSX.Element {
  const title = view.info?.title ?? "";
  const [wanted, setWanted] = useState(title);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const rename = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    await client.rename(view.id, wanted.trim()).catch(setError);
    setBusy(false);
  };
  return (
    <form class="chat-rename" onSubmit={rename}>
      <label class="field">
        <span class="field-label">Title</span>
        <input
          dir="auto"
          value={wanted}
          maxLength={TITLE_MAX}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
      </label>
      <button class="button" disabled={busy || wanted.trim() === "" || wanted.trim() === title}>
        Rename
      </button>
      {error !== null && <Failure error={error} />}
    </form>
  );
}
