// One message: what it says, what it answers, reactions, how far it has come, and what may be done with it.
import { Component, type JSX } from "preact";
import type { Message, Pending } from "../../../clients/js/src/index.js";
import { Icon } from "./icons";
import { MediaView } from "./MediaView";
import { Written } from "./text";
import { contentOf, formatTime, nameOf, type Mark } from "./words";

export interface Quote {
  id: string;
  sender: string;
  text: string;
}

export interface BubbleProps {
  message: Message;
  isMine: boolean;
  sender: string;
  /** The first of several by one sender, which shows the name. */
  isFirst: boolean;
  showsName: boolean;
  mark: Mark | null;
  readers: number;
  isGroup: boolean;
  quote: Quote | null;
  /** Sent by somebody who is blocked: shown only when asked for. */
  isHidden: boolean;
  /** The one message that Tab leads to, and into. */
  isActive: boolean;
  isOpen: boolean;
  isFound: boolean;
  /** Stays the same function while the conversation is shown. */
  on: BubbleEvents;
}

export interface BubbleEvents {
  toggle(message: Message): void;
  react(message: Message, emoji: string, mine: boolean): void;
  jump(id: string): void;
  show(message: Message): void;
}

/** A chat of hundreds of messages draws those that have changed. */
export class Bubble extends Component<BubbleProps> {
  override shouldComponentUpdate(next: BubbleProps): boolean {
    const [a, b] = [this.props, next] as unknown as [
      Record<string, unknown>,
      Record<string, unknown>,
    ];
    return Object.keys(b).some((name) =>
      name === "quote" ? JSON.stringify(a[name]) !== JSON.stringify(b[name]) : a[name] !== b[name],
    );
  }

  override render(props: BubbleProps): JSX.Element {
    const { message, isMine, sender, isActive, isOpen, on } = props;
    const isGone = message.deleted_at !== null;
    return (
      <article
        class={`chat-message${isMine ? " is-mine" : ""}${props.isFirst ? " is-first" : ""}${
          props.isFound ? " is-found" : ""
        }`}
        data-seq={message.seq}
        data-message={message.id}
        tabIndex={isActive ? 0 : -1}
        aria-label={`${sender}, ${formatTime(message.created_at)}`}
      >
        {props.isFirst && props.showsName && (
          <p class="chat-sender">
            <bdi>{sender}</bdi>
          </p>
        )}
        <div class="chat-bubble-row">
          <div class={`chat-bubble${isGone ? " is-gone" : ""}`}>
            {props.quote && !isGone && <QuoteView {...props} quote={props.quote} />}
            <Content {...props} isGone={isGone} />
            <p class="chat-facts">
              {message.edited_at && !isGone && <span>edited</span>}
              <time dateTime={message.created_at}>{formatTime(message.created_at)}</time>
              {props.mark && !isGone && <MarkView {...props} mark={props.mark} />}
            </p>
          </div>
          {!isGone && (
            <button
              type="button"
              class="chat-button chat-more"
              tabIndex={isActive ? 0 : -1}
              aria-label={`Actions for the message of ${sender}`}
              aria-expanded={isOpen}
              onClick={() => on.toggle(message)}
            >
              <Icon name="more" />
            </button>
          )}
        </div>
        {message.reactions.length > 0 && !isGone && <Reactions {...props} />}
      </article>
    );
  }
}

function Content(props: BubbleProps & { isGone: boolean }): JSX.Element {
  const { message, isGone, isHidden, isActive, on } = props;
  if (isGone) return <p class="chat-text">This message was deleted.</p>;
  if (isHidden) {
    return (
      <p class="chat-text">
        From somebody you blocked.{" "}
        <button type="button" class="chat-link" onClick={() => on.show(message)}>
          Show
        </button>
      </p>
    );
  }
  if (message.media) return <MediaView media={message.media} isActive={isActive} />;
  return <Written text={typeof message.body === "string" ? message.body : ""} />;
}

function QuoteView({ quote, isActive, on }: BubbleProps & { quote: Quote }): JSX.Element {
  return (
    <button
      type="button"
      class="chat-quote"
      tabIndex={isActive ? 0 : -1}
      onClick={() => on.jump(quote.id)}
    >
      <strong>
        <bdi>{quote.sender}</bdi>
      </strong>
      <span dir="auto">{quote.text}</span>
    </button>
  );
}

const MARK_WORDS: Record<Mark, string> = { sent: "Sent", delivered: "Delivered", read: "Read" };

function MarkView(props: BubbleProps & { mark: Mark }): JSX.Element {
  const { mark, readers, isGroup } = props;
  const words = isGroup && mark !== "read" && readers > 0 ? `Read by ${readers}` : MARK_WORDS[mark];
  return (
    <span class={`chat-mark is-${mark}`} data-mark={mark} title={words}>
      <Icon name={mark === "sent" ? "sent" : "delivered"} />
      <span class="visually-hidden">{words}</span>
    </span>
  );
}

function Reactions({ message, isActive, on }: BubbleProps): JSX.Element {
  return (
    <p class="chat-reactions">
      {message.reactions.map(({ emoji, count, mine }) => (
        <button
          key={emoji}
          type="button"
          class="chat-reaction"
          tabIndex={isActive ? 0 : -1}
          aria-pressed={mine}
          aria-label={`${emoji}, ${count}${mine ? ", yours too" : ""}`}
          onClick={() => on.react(message, emoji, mine)}
        >
          <span class="chat-emoji">{emoji}</span> {count}
        </button>
      ))}
    </p>
  );
}

export interface PendingBubbleProps {
  pending: Pending;
  quote: Quote | null;
  onRetry(): void;
  onDiscard(): void;
}

/** What has no place in the log yet. */
export function PendingBubble({
  pending,
  quote,
  onRetry,
  onDiscard,
}: PendingBubbleProps): JSX.Element {
  const isFailed = pending.state === "failed";
  return (
    <article
      class={`chat-message is-mine is-first is-${isFailed ? "failed" : "pending"}`}
      data-pending={pending.clientId}
      aria-label="You, not sent yet"
    >
      <div class="chat-bubble-row">
        <div class="chat-bubble">
          {quote && (
            <p class="chat-quote">
              <strong>
                <bdi>{quote.sender}</bdi>
              </strong>
              <span dir="auto">{quote.text}</span>
            </p>
          )}
          {pending.body !== null ? (
            <Written text={pending.body} />
          ) : (
            <p class="chat-text">A file is being sent.</p>
          )}
          <p class="chat-facts">
            <time dateTime={pending.queuedAt}>{formatTime(pending.queuedAt)}</time>
            {!isFailed && (
              <span class="chat-mark" data-mark="pending" title="Waiting to be sent">
                <Icon name="waiting" />
                <span class="visually-hidden">Waiting to be sent</span>
              </span>
            )}
          </p>
        </div>
      </div>
      {isFailed && (
        <p class="chat-failed" role="alert">
          Not sent: {pending.problem?.detail ?? pending.problem?.title ?? "it was refused"}{" "}
          <button type="button" class="chat-link" onClick={onRetry}>
            Try again
          </button>{" "}
          <button type="button" class="chat-link" onClick={onDiscard}>
            Discard
          </button>
        </p>
      )}
    </article>
  );
}

export const quoteOf = (message: Message, me: string): Quote => ({
  id: message.id,
  sender: message.sender_id === me ? "You" : nameOf(message.sender_id),
  text: contentOf(message),
});
