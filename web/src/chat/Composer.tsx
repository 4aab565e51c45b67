// Where a message is written, answered, changed, and gets its files.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Message } from "../../../clients/js/src/index.js";
import { messageOf } from "../api/client";
import type { ChatClient } from "./client";
import { Icon } from "./icons";
import { bytesOf } from "./text";
import { BODY_BYTES_MAX, contentOf, nameOf } from "./words";

const HEIGHT_MAX = 180;
const WARN_BYTES = 7000;

export type Writing =
  { kind: "new" } | { kind: "reply"; message: Message } | { kind: "edit"; message: Message };

export interface ComposerProps {
  client: ChatClient;
  chatId: string;
  me: string;
  writing: Writing;
  takesFiles: boolean;
  onWriting(writing: Writing): void;
  onSent(): void;
  onFiles(files: File[]): void;
}

const draftKey = (chatId: string): string => `foyer-chat-draft.${chatId}`;

/** Enter ends a line where there is no keyboard beside the screen. */
const isTouch = (): boolean => window.matchMedia("(pointer: coarse)").matches;

export function Composer(props: ComposerProps): JSX.Element {
  const { client, chatId, me, writing, onWriting, onSent, onFiles } = props;
  const [text, setText] = useState(() => sessionStorage.getItem(draftKey(chatId)) ?? "");
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const bytes = bytesOf(text.trim());

  useLayoutEffect(() => {
    const element = input.current!;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight + 2, HEIGHT_MAX)}px`;
  }, [text]);
  useEffect(() => {
    if (writing.kind === "new" && isTouch()) return; // the screen's keyboard stays away until it is asked for
    input.current?.focus({ preventScroll: true });
  }, [writing]);
  useEffect(() => {
    if (writing.kind === "edit") setText(String(writing.message.body ?? ""));
  }, [writing]);

  const change = (value: string): void => {
    setText(value);
    setError("");
    if (writing.kind === "edit") return;
    if (value === "") sessionStorage.removeItem(draftKey(chatId));
    else sessionStorage.setItem(draftKey(chatId), value);
    if (value.trim() !== "") client.typing(chatId);
  };
  const stop = (): void => {
    setText(writing.kind === "edit" ? (sessionStorage.getItem(draftKey(chatId)) ?? "") : text);
    setError("");
    onWriting({ kind: "new" });
  };
  const edit = async (message: Message, body: string): Promise<void> => {
    setBusy(true);
    try {
      if (body !== message.body) await client.edit(message.id, body);
      stop();
    } catch (problem) {
      setError(messageOf(problem));
    }
    setBusy(false);
  };
  const submit = (): void => {
    const body = text.trim();
    if (body === "" || bytes > BODY_BYTES_MAX || busy) return;
    if (writing.kind === "edit") return void edit(writing.message, body);
    client.send(chatId, {
      body,
      ...(writing.kind === "reply" ? { replyTo: writing.message.id } : {}),
    });
    change("");
    onWriting({ kind: "new" });
    onSent();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (event.key === "Escape" && writing.kind !== "new") stop();
    if (event.key !== "Enter" || event.shiftKey || isTouch()) return;
    event.preventDefault();
    submit();
  };
  const take = (files: FileList | null | undefined): void => {
    if (files && files.length > 0) onFiles([...files]);
  };
  return (
    <form
      class="chat-composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {writing.kind !== "new" && <Above writing={writing} me={me} onStop={stop} />}
      {error !== "" && (
        <p class="chat-failed" role="alert">
          {error}
        </p>
      )}
      <div class="chat-composer-row">
        {props.takesFiles && (
          <>
            <button
              type="button"
              class="chat-button"
              aria-label="Attach files"
              onClick={() => picker.current?.click()}
            >
              <Icon name="clip" />
            </button>
            <input
              ref={picker}
              type="file"
              multiple
              hidden
              data-testid="files"
              onChange={(event) => {
                take(event.currentTarget.files);
                event.currentTarget.value = "";
              }}
            />
          </>
        )}
        <textarea
          ref={input}
          rows={1}
          dir="auto"
          aria-label="Message"
          placeholder="Write a message"
          value={text}
          onInput={(event) => change(event.currentTarget.value)}
          onKeyDown={key}
          onPaste={(event) => {
            const files = event.clipboardData?.files;
            if (!props.takesFiles || !files?.length) return;
            event.preventDefault();
            take(files);
          }}
        />
        <button
          class="chat-button chat-send"
          aria-label={writing.kind === "edit" ? "Save the change" : "Send"}
          disabled={text.trim() === "" || bytes > BODY_BYTES_MAX || busy}
        >
          <Icon name="send" />
        </button>
      </div>
      {bytes > WARN_BYTES && (
        <p class={bytes > BODY_BYTES_MAX ? "field-error" : "field-hint"} role="status">
          {bytes > BODY_BYTES_MAX
            ? `Too long: ${bytes} of ${BODY_BYTES_MAX} bytes.`
            : `${BODY_BYTES_MAX - bytes} bytes left.`}
        </p>
      )}
    </form>
  );
}

interface AboveProps {
  writing: Exclude<Writing, { kind: "new" }>;
  me: string;
  onStop(): void;
}

function Above({ writing, me, onStop }: AboveProps): JSX.Element {
  const { message, kind } = writing;
  const sender = message.sender_id === me ? "yourself" : nameOf(message.sender_id);
  return (
    <div class="chat-above">
      <p class="chat-quote">
        <strong>{kind === "edit" ? "Changing your message" : <bdi>Answering {sender}</bdi>}</strong>
        <span dir="auto">{contentOf(message)}</span>
      </p>
      <button type="button" class="chat-button" aria-label="Cancel" onClick={onStop}>
        <Icon name="close" />
      </button>
    </div>
  );
}
