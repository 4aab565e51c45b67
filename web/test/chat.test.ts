// The chat page's words: what is a link, what stands in the list, how far a message has come.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { VNode } from "preact";
import type { ChatView, Entry, Message, Receipt } from "../../clients/js/src/index.js";
import { bytesOf, linked, oneLine } from "../src/chat/text";
import {
  formatBytes,
  initialsOf,
  lastOf,
  markOf,
  nameToSend,
  newestFirst,
  noteNames,
  previewOf,
  systemWords,
  titleOf,
  typingWords,
} from "../src/chat/words";

const ME = "usr_me";
const entry = (more: Partial<Message> = {}): Message => ({
  id: `msg_${more.seq ?? 1}`,
  chat_id: "cht_1",
  seq: 1,
  sender_id: "usr_bob",
  client_id: null,
  type: "text",
  body: "hello",
  media: null,
  reply_to: null,
  target: null,
  removed: false,
  edited_at: null,
  deleted_at: null,
  reactions: [],
  created_at: "2026-11-29T10:00:00.000Z",
  ...more,
});
const member = (id: string, name: string) => ({
  user_id: id,
  name,
  role: "member" as const,
  joined_at: "2026-11-01T00:00:00.000Z",
});
const view = (more: Partial<ChatView> = {}, info: Partial<ChatView["info"]> = {}): ChatView =>
  ({
    id: "cht_1",
    info: {
      id: "cht_1",
      type: "direct",
      title: null,
      members: [member(ME, "Ada"), member("usr_bob", "Bob")],
      created_at: "2026-11-01T00:00:00.000Z",
      last_message: null,
      ...info,
    },
    messages: [],
    pending: [],
    receipts: new Map<string, Receipt>(),
    typing: new Set<string>(),
    unread: 0,
    ...more,
  }) as unknown as ChatView;
noteNames(view().info!.members);

const links = (text: string): [string, string][] =>
  linked(text)
    .filter((part): part is VNode<{ href: string; children: string }> => typeof part === "object")
    .map(({ props }) => [props.href, props.children]);
const read = (text: string): string =>
  linked(text)
    .map((part) =>
      typeof part === "string" ? part : (part as VNode<{ children: string }>).props.children,
    )
    .join("");

test("only http and https become links, and the text stays what it was", () => {
  const hostile = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "<a href='javascript:alert(1)'>x</a>",
    "http:\\\\example.com",
    "https://",
    "xhttps:evil",
  ];
  for (const text of hostile) assert.deepEqual([links(text), read(text)], [[], text], text);
  const text = 'See (https://example.com/a_(b)), "http://x.org/?q=1&r=<b>". https://y.org!';
  assert.deepEqual(links(text), [
    ["https://example.com/a_(b)", "https://example.com/a_(b)"],
    ["http://x.org/?q=1&r=", "http://x.org/?q=1&r="],
    ["https://y.org/", "https://y.org"],
  ]);
  assert.equal(read(text), text);
});

test("a link goes where its letters say, and tells nobody where it stood", () => {
  const [link] = linked("https://example.com/\u202egnp.exe").filter(
    (part) => typeof part === "object",
  );
  const { props } = link as VNode<{ href: string; rel: string; target: string; children: string }>;
  assert.equal(props.href, "https://example.com/");
  assert.match(props.rel, /noopener/);
  assert.match(props.rel, /noreferrer/);
  assert.equal(props.target, "_blank");
});

test("a text of many addresses is read in one pass", () => {
  const text = "https://a.example/".repeat(400) + "((((".repeat(400);
  assert.equal(read(text), text);
});

test("one line has no breaks, and nothing that turns it around", () => {
  assert.equal(oneLine(" a\n\tb  \u202etxt.exe\u2066 "), "a b txt.exe");
  assert.equal(bytesOf("aé€😀"), 1 + 2 + 3 + 4);
});

test("the list shows the newest of what was listed, what came and what waits", () => {
  const listed = entry({ seq: 5, body: "listed" });
  const came = entry({ seq: 6, body: "came", sender_id: ME });
  assert.equal(previewOf(view({}, { last_message: listed }), ME), "listed");
  assert.equal(previewOf(view({ messages: [came] }, { last_message: listed }), ME), "You: came");
  assert.equal(lastOf(view({ messages: [entry({ seq: 4 })] }, { last_message: listed }))?.seq, 5);
  assert.equal(previewOf(view(), ME), "No messages yet");
  const gone = entry({ body: null, deleted_at: "2026-11-29T10:00:00.000Z" });
  assert.equal(previewOf(view({ messages: [gone] }), ME), "Deleted message");
  const group = { type: "group" as const, title: "Row 1" };
  assert.equal(previewOf(view({ messages: [entry()] }, group), ME), "Bob: hello");
  const waiting = { clientId: "c", body: "later", queuedAt: "2026-11-29T11:00:00.000Z" };
  const pending = [waiting] as unknown as ChatView["pending"];
  assert.equal(previewOf(view({ messages: [came], pending }), ME), "You: later");
});

test("the newest activity stands first, also what is not sent yet", () => {
  const old = view({ id: "cht_a", messages: [entry({ created_at: "2026-11-29T10:00:00.000Z" })] });
  const fresh = view({
    id: "cht_b",
    messages: [entry({ created_at: "2026-11-29T10:01:00.000Z" })],
  });
  const order = (list: ChatView[]) => list.sort(newestFirst).map(({ id }) => id);
  assert.deepEqual(order([old, fresh]), ["cht_b", "cht_a"]);
  const pending = [
    { queuedAt: "2026-11-29T10:02:00.000Z", body: "x" },
  ] as unknown as ChatView["pending"];
  assert.deepEqual(order([fresh, { ...old, pending }]), ["cht_a", "cht_b"]);
});

test("titles and sentences name people, and who is unknown is no hole", () => {
  assert.equal(titleOf(view(), ME), "Bob");
  assert.equal(titleOf(view({}, { members: [member(ME, "Ada")] }), ME), "Former member");
  assert.equal(titleOf(view({}, { type: "group", title: "\u202eRow\n1" }), ME), "Row 1");
  const said = (body: object, sender_id = "usr_bob") =>
    systemWords(entry({ type: "system", body: body as Entry["body"], sender_id }), ME);
  assert.equal(said({ event: "created", title: "Row 1" }), "Bob made the group “Row 1”");
  assert.equal(said({ event: "added", user_id: ME }), "Bob added you");
  assert.equal(said({ event: "removed", user_id: "usr_bob" }, ME), "You removed Bob");
  assert.equal(said({ event: "left", user_id: "usr_bob" }), "Bob left");
  assert.equal(said({ event: "role", user_id: ME, role: "admin" }), "Bob made you an admin");
  assert.equal(said({ event: "renamed", title: "Row 2" }), "Bob renamed the group to “Row 2”");
  assert.equal(said({ event: "something new" }), "Something changed");
  const paid = { event: "payment.refunded", data: { amount: 4500, currency: "EUR" } };
  assert.match(said(paid), /45.00 paid back/);
  assert.equal(said({ event: "added", user_id: "usr_gone" }), "Bob added Former member");
});

test("a message is delivered or read when all others have it or have read it", () => {
  const marks = (...receipts: [string, number, number][]) =>
    markOf(
      view({
        receipts: new Map(
          receipts.map(([user_id, delivered_seq, read_seq]) => [
            user_id,
            { user_id, delivered_seq, read_seq },
          ]),
        ),
      }),
      5,
      ME,
    );
  assert.deepEqual(marks([ME, 5, 5]), { mark: "sent", readers: 0 });
  assert.deepEqual(marks([ME, 5, 5], ["b", 4, 4]), { mark: "sent", readers: 0 });
  assert.deepEqual(marks([ME, 5, 5], ["b", 5, 4]), { mark: "delivered", readers: 0 });
  assert.deepEqual(marks([ME, 5, 5], ["b", 9, 5]), { mark: "read", readers: 1 });
  assert.deepEqual(marks(["b", 9, 5], ["c", 4, 4]), { mark: "sent", readers: 1 });
  assert.deepEqual(marks(["b", 9, 5], ["c", 5, 4]), { mark: "delivered", readers: 1 });
});

test("who is typing, and short forms", () => {
  assert.equal(typingWords(view({ typing: new Set([ME]) }), ME), "");
  assert.equal(typingWords(view({ typing: new Set([ME, "usr_bob"]) }), ME), "Bob is typing…");
  assert.equal(typingWords(view({ typing: new Set(["a", "b", "c"]) }), ME), "3 people are typing…");
  assert.deepEqual(
    ["Ada Lovelace", "bob", "  ", "<script>", "李 小龙", "Ana de la Cruz"].map(initialsOf),
    ["AL", "B", "?", "S", "李小", "AC"],
  );
  assert.deepEqual([999, 1000, 4_200_000].map(formatBytes), ["999 B", "1 kB", "4.2 MB"]);
});

test("a file's name fits the server, with its ending", () => {
  assert.equal(nameToSend("a/b\\c.png"), "a_b_c.png");
  assert.equal(nameToSend(""), "file");
  const long = nameToSend(`${"\u{1f600}".repeat(100)}.jpeg`);
  assert.ok(bytesOf(long) <= 255 && long.endsWith("\u{1f600}.jpeg"), long);
});
