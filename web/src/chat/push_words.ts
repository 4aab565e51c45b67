// What a notification of the server says, and how it is shown. Pure: the service worker (worker.ts) and tests use it.

export interface MessageSaid {
  t: "message";
  chat_id: string;
  message_id: string;
  seq: number;
  type: "text" | "media";
  sender_id: string;
  sender: string;
  /** Of a group; null: a direct chat. */
  title: string | null;
  /** null: the user, or the operator, does not want texts in notifications. */
  body: string | null;
  unread: number;
  badge: number;
  created_at: string;
}

export interface ClearSaid {
  t: "clear";
  chat_id: string;
  badge: number;
}

export type Said = MessageSaid | ClearSaid;

/** null: nothing that this version understands. */
export function read(text: string): Said | null {
  try {
    const said = JSON.parse(text) as Partial<Said>;
    const known = said.t === "message" || said.t === "clear";
    return known && typeof said.chat_id === "string" ? (said as Said) : null;
  } catch {
    return null;
  }
}

export interface Shown {
  title: string;
  body: string;
  /** One notification a chat: the next takes its place. */
  tag: string;
  url: string;
}

function textOf(said: MessageSaid): string {
  if (said.body) return said.body;
  if (said.type === "media" && said.unread <= 1) return "Sent a file";
  return said.unread > 1 ? `${said.unread} new messages` : "New message";
}

export function shown(said: MessageSaid): Shown {
  const sender = said.sender || "Somebody";
  const text = textOf(said);
  return {
    title: said.title ?? sender,
    body: said.title === null || said.unread > 1 && !said.body ? text : `${sender}: ${text}`,
    tag: said.chat_id,
    url: `/chat/${said.chat_id}`,
  };
}
