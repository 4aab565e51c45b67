// What can be done with one message.
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ChatView, Message } from "../../../clients/js/src/index.js";
import { Ask } from "../ui/Ask";
import { Failure } from "../ui/basics";
import type { ChatClient } from "./client";
import { QUICK_REACTIONS } from "./words";

export interface ActionsProps {
  client: ChatClient;
  view: ChatView;
  message: Message;
  me: string;
  isBlocked: boolean;
  onReact(message: Message, emoji: string, mine: boolean): void;
  onReply(message: Message): void;
  onEdit(message: Message): void;
  onClose(): void;
}

export function Actions(props: ActionsProps): JSX.Element {
  const { client, view, message, me, isBlocked, onReact, onReply, onEdit, onClose } = props;
  const [isReporting, setIsReporting] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const isMine = message.sender_id === me;
  const mayDelete = isMine || (view.info?.type === "group" && view.info.role !== "member");
  useLayoutEffect(() => {
    box.current?.scrollIntoView({ block: "nearest" });
    box.current?.querySelector("button")?.focus({ preventScroll: true });
  }, []);
  const isMade = (emoji: string): boolean =>
    message.reactions.some((reaction) => reaction.emoji === emoji && reaction.mine);
  const copy = async (): Promise<void> => {
    await navigator.clipboard?.writeText(String(message.body)).catch(() => undefined);
    onClose();
  };
  return (
    <div
      ref={box}
      class={`chat-actions${isMine ? " is-mine" : ""}`}
      role="group"
      aria-label="Message actions"
    >
      {!isBlocked && (
        <div class="chat-quick">
          {QUICK_REACTIONS.map((emoji) => (
            <button
              key={emoji}
              type="button"
              class="chat-emoji"
              aria-pressed={isMade(emoji)}
              aria-label={`React with ${emoji}`}
              onClick={() => {
                onReact(message, emoji, isMade(emoji));
                onClose();
              }}
            >
              {emoji}
            </button>
          ))}
        </div>
      )}
      <div class="chat-action-row">
        {!isBlocked && <Act label="Reply" onClick={() => onReply(message)} />}
        {isMine && message.type === "text" && !isBlocked && (
          <Act label="Edit" onClick={() => onEdit(message)} />
        )}
        {message.type === "text" && <Act label="Copy" onClick={() => void copy()} />}
        {!isMine && <Act label="Report" onClick={() => setIsReporting(true)} />}
        {mayDelete && (
          <Ask
            label="Delete"
            question="Delete this message for everybody?"
            yes="Delete for all"
            no="Keep it"
            act={async () => {
              await client.delete(message.id);
              onClose();
            }}
          />
        )}
      </div>
      {isReporting && <Report client={client} message={message} onClose={onClose} />}
    </div>
  );
}

const Act = ({ label, onClick }: { label: string; onClick(): void }): JSX.Element => (
  <button type="button" class="button button-quiet button-small" onClick={onClick}>
    {label}
  </button>
);

interface ReportProps {
  client: ChatClient;
  message: Message;
  onClose(): void;
}

function Report({ client, message, onClose }: ReportProps): JSX.Element {
  const [reason, setReason] = useState("");
  const [state, setState] = useState<"asked" | "busy" | "done">("asked");
  const [error, setError] = useState<unknown>(null);
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    setState("busy");
    setError(null);
    try {
      await client.report(message.id, reason.trim());
      setState("done");
    } catch (problem) {
      setError(problem);
      setState("asked");
    }
  };
  if (state === "done") {
    return (
      <div class="chat-report" role="status">
        <p>Thank you. Our moderators will read this message and what was said before it.</p>
        <Act label="Close" onClick={onClose} />
      </div>
    );
  }
  return (
    <form class="chat-report" onSubmit={send}>
      <label class="field">
        <span class="field-label">What is wrong with it?</span>
        <textarea
          rows={2}
          maxLength={250}
          value={reason}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      <p class="chat-note">Moderators see it with the ten messages before it.</p>
      {error !== null && <Failure error={error} />}
      <button class="button button-small" disabled={state === "busy" || reason.trim() === ""}>
        Send the report
      </button>
    </form>
  );
}
