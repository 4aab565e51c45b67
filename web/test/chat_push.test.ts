import assert from "node:assert/strict";
import test from "node:test";
import { canClear } from "../src/chat/push";
import { read, shown, type MessageSaid } from "../src/chat/push_words";

const said: MessageSaid = {
  t: "message", chat_id: "cht_1", message_id: "msg_1", seq: 7, type: "text", sender_id: "usr_1", sender: "Ada", title: null,
  body: "Gate 4?", unread: 1, badge: 1, created_at: "2027-03-01T18:30:00.000Z",
};

test("a notification says who and what", () => {
  assert.deepEqual(shown(said), { title: "Ada", body: "Gate 4?", tag: "cht_1", url: "/chat/cht_1" });
  assert.deepEqual([shown({ ...said, title: "Row 1" })].map(({ title, body }) => [title, body]), [["Row 1", "Ada: Gate 4?"]]);
});

test("without texts it says how many", () => {
  assert.equal(shown({ ...said, body: null }).body, "New message");
  assert.equal(shown({ ...said, body: null, unread: 3 }).body, "3 new messages");
  assert.equal(shown({ ...said, body: null, unread: 3, title: "Row 1" }).body, "3 new messages");
  assert.equal(shown({ ...said, body: null, type: "media" }).body, "Sent a file");
  assert.equal(shown({ ...said, sender: "" }).title, "Somebody");
});

test("what is not understood is nothing", () => {
  assert.equal(read("{"), null);
  assert.equal(read("null"), null);
  assert.equal(read('{"t":"later","chat_id":"cht_1"}'), null);
  assert.equal(read('{"t":"clear"}'), null);
  assert.deepEqual(read('{"t":"clear","chat_id":"cht_1","badge":0}'), { t: "clear", chat_id: "cht_1", badge: 0 });
});

test("browsers that bear what shows nothing are told apart", () => {
  assert.equal(canClear("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"), true);
  assert.equal(canClear("Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"), true);
  assert.equal(canClear("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15"), false);
});
