// The messages between their days, with what belongs to each.
import { Fragment, type JSX } from "preact";
import type { ChatView, Message } from "../../../clients/js/src/index.js";
import { Actions } from "./Actions";
import { Bubble, quoteOf, type BubbleEvents, type Quote } from "./Bubble";
import type { ChatClient } from "./client";
import { dayOf, dayWords, markOf, nameOf, systemWords } from "./words";

const TOGETHER_MS = 5 * 60 * 1000;

export interface RowsProps {
  client: ChatClient;
  view: ChatView;
  me: string;
  /** Those of the view's that are shown. */
  messages: readonly Message[];
  /** The seq behind which all was new when the conversation was opened; null: nothing was. */
  news: number | null;
  blocked: ReadonlySet<string>;
  /** Of blocked people, and asked for. */
  shown: ReadonlySet<string>;
  isBlocked: boolean;
  activeId: string | null;
  openId: string | null;
  foundId: string | null;
  on: BubbleEvents;
  onReply(message: Message): void;
  onEdit(message: Message): void;
  onClose(): void;
}

export function Rows(props: RowsProps): JSX.Element {
  const { messages, news, me } = props;
  const rows: JSX.Element[] = [];
  let before: Message | null = null;
  for (const message of messages) {
    const isNewDay = before === null || dayOf(before.created_at) !== dayOf(message.created_at);
    if (isNewDay) rows.push(<DayLine key={`day-${message.id}`} iso={message.created_at} />);
    const isFirstNew =
      news !== null && message.seq > news && (before === null || before.seq <= news);
    if (isFirstNew) rows.push(<NewLine key="new" />);
    if (message.type === "system") {
      rows.push(<SystemLine key={message.id} message={message} me={me} />);
    } else {
      const isFirst = isNewDay || isFirstNew || !isTogether(before, message);
      rows.push(<Row key={keyOf(message, me)} {...props} message={message} isFirst={isFirst} />);
    }
    before = message;
  }
  return <>{rows}</>;
}

/** An own message keeps its element when it comes back from the server. */
const keyOf = (message: Message, me: string): string =>
  message.sender_id === me ? (message.client_id ?? message.id) : message.id;

const isTogether = (before: Message | null, message: Message): boolean =>
  before !== null &&
  before.type !== "system" &&
  before.sender_id === message.sender_id &&
  Date.parse(message.created_at) - Date.parse(before.created_at) < TOGETHER_MS;

export function quoteIn(view: ChatView, id: string | null, me: string): Quote | null {
  if (id === null) return null;
  const original = view.messages.find((message) => message.id === id);
  return original ? quoteOf(original, me) : { id, sender: "Earlier message", text: "" };
}

function Row(props: RowsProps & { message: Message; isFirst: boolean }): JSX.Element {
  const { view, me, message, on, onClose } = props;
  const isMine = message.sender_id === me;
  const isGroup = view.info?.type === "group";
  const far = isMine ? markOf(view, message.seq, me) : null;
  const isOpen = message.id === props.openId && message.deleted_at === null;
  const closing = (then: (message: Message) => void) => (it: Message) => {
    onClose();
    then(it);
  };
  return (
    <Fragment>
      <Bubble
        message={message}
        isMine={isMine}
        sender={isMine ? "You" : nameOf(message.sender_id)}
        isFirst={props.isFirst}
        showsName={!isMine && isGroup}
        mark={far?.mark ?? null}
        readers={far?.readers ?? 0}
        isGroup={isGroup}
        quote={quoteIn(view, message.reply_to, me)}
        isHidden={isGroup && props.blocked.has(message.sender_id) && !props.shown.has(message.id)}
        isActive={message.id === props.activeId}
        isOpen={isOpen}
        isFound={message.id === props.foundId}
        on={on}
      />
      {isOpen && (
        <Actions
          client={props.client}
          view={view}
          message={message}
          me={me}
          isBlocked={props.isBlocked}
          onReact={on.react}
          onReply={closing(props.onReply)}
          onEdit={closing(props.onEdit)}
          onClose={onClose}
        />
      )}
    </Fragment>
  );
}

const DayLine = ({ iso }: { iso: string }): JSX.Element => (
  <h3 class="chat-day">
    <time dateTime={iso.slice(0, 10)}>{dayWords(iso)}</time>
  </h3>
);

const NewLine = (): JSX.Element => (
  <p class="chat-new">
    <span>New</span>
  </p>
);

const SystemLine = ({ message, me }: { message: Message; me: string }): JSX.Element => (
  <p class="chat-system" data-seq={message.seq}>
    <bdi>{systemWords(message, me)}</bdi>
  </p>
);
