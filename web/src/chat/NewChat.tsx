// Beginning a conversation: with one person, or a group with a title.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { newKey } from "../api/client";
import { navigate } from "../lib/router";
import { Failure } from "../ui/basics";
import { Avatar } from "./Avatar";
import type { ChatClient } from "./client";
import { Icon } from "./icons";
import { findPerson, type Person } from "./people";

const TITLE_MAX = 200;

export interface NewChatProps {
  client: ChatClient;
  me: string;
  onClose(): void;
}

export function NewChat({ client, me, onClose }: NewChatProps): JSX.Element {
  const [isGroup, setIsGroup] = useState(false);
  const [title, setTitle] = useState("");
  const [people, setPeople] = useState<Person[]>([]);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const run = async (act: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setError(null);
    await act().catch(setError);
    setBusy(false);
  };
  const open = (id: string): void => {
    onClose();
    navigate(`/chat/${id}`);
  };
  const add = (person: Person): Promise<void> =>
    run(async () => {
      if (person.id === me) throw new Error("That is your own address.");
      if (!isGroup) return open((await client.createDirect(person.id)).id);
      setPeople((old) => (old.some(({ id }) => id === person.id) ? old : [...old, person]));
    });
  const make = (): Promise<void> =>
    run(async () =>
      open(
        (
          await client.createGroup(
            title.trim(),
            people.map(({ id }) => id),
          )
        ).id,
      ),
    );
  return (
    <section class="chat-form" aria-label="New conversation">
      <div class="chat-side-head">
        <h2>New conversation</h2>
        <button type="button" class="chat-button" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <div class="chat-choice" role="group" aria-label="With">
        <Choice isOn={!isGroup} label="One person" onClick={() => setIsGroup(false)} />
        <Choice isOn={isGroup} label="A group" onClick={() => setIsGroup(true)} />
      </div>
      {isGroup && (
        <label class="field">
          <span class="field-label">Title of the group</span>
          <input
            value={title}
            maxLength={TITLE_MAX}
            onInput={(event) => setTitle(event.currentTarget.value)}
          />
        </label>
      )}
      <FindPerson
        takesFocus
        busy={busy}
        label={isGroup ? "Add" : "Start"}
        onFound={add}
        onError={setError}
      />
      {error !== null && <Failure error={error} />}
      {isGroup && (
        <>
          <ul class="chat-people" aria-label="In the group">
            {people.map((person) => (
              <li key={person.id}>
                <Avatar id={person.id} name={person.name} isSmall />
                <bdi>{person.name}</bdi>
                <button
                  type="button"
                  class="chat-button"
                  aria-label={`Leave out ${person.name}`}
                  onClick={() => setPeople((old) => old.filter(({ id }) => id !== person.id))}
                >
                  <Icon name="close" />
                </button>
              </li>
            ))}
          </ul>
          <button
            type="button"
            class="button button-main"
            disabled={busy || title.trim() === ""}
            onClick={make}
          >
            Make the group
          </button>
        </>
      )}
    </section>
  );
}

function Choice(props: { isOn: boolean; label: string; onClick(): void }): JSX.Element {
  return (
    <button
      type="button"
      class="button button-small"
      aria-pressed={props.isOn}
      onClick={props.onClick}
    >
      {props.label}
    </button>
  );
}

export interface FindPersonProps {
  busy: boolean;
  takesFocus?: boolean;
  label: string;
  onFound(person: Person): Promise<void>;
  onError(error: unknown): void;
}

/** An address, and what is to happen with who has it. */
export function FindPerson(props: FindPersonProps): JSX.Element {
  const { busy, takesFocus, label, onFound, onError } = props;
  const [email, setEmail] = useState("");
  const [asks, setAsks] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const id = useRef(`find-${newKey()}`).current;
  useEffect(() => {
    if (takesFocus) input.current?.focus({ preventScroll: true });
  }, []);
  const find = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (email.trim() === "" || asks || busy) return;
    onError(null);
    setAsks(true);
    try {
      const person = await findPerson(email);
      await onFound(person);
      setEmail("");
    } catch (error) {
      onError(error);
    }
    setAsks(false);
    input.current?.focus({ preventScroll: true });
  };
  return (
    <form class="chat-find" onSubmit={find} noValidate>
      <label class="field-label" for={id}>
        Email address
      </label>
      <input
        ref={input}
        id={id}
        type="email"
        autoComplete="off"
        value={email}
        onInput={(event) => setEmail(event.currentTarget.value)}
      />
      <button class="button" disabled={asks || busy || email.trim() === ""}>
        {label}
      </button>
    </form>
  );
}
