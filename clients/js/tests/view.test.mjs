import assert from "node:assert/strict";
import { test } from "node:test";
import { View } from "../src/view.js";
import { chat, entry, ME, OTHER } from "./fakes.mjs";

const makeView = (seq = 0) => {
  const view = new View("cht_1", { me: () => ME, pending: () => [] });
  view.reset(1, seq);
  return view;
};
const page = (entries, more = {}) => ({
  data: entries,
  epoch: 1,
  first_seq: 1,
  last_seq: entries.at(-1)?.seq ?? 0,
  resync: false,
  ...more,
});

test("entries are taken once and in order; a gap changes nothing", () => {
  const view = makeView(4);
  assert.deepEqual([5, 5, 4, 7, 6, 7].map((seq) => view.receive(entry(seq))), [
    "applied",
    "known",
    "known",
    "gap",
    "applied",
    "applied",
  ]);
  assert.deepEqual(view.messages.map(({ seq }) => seq), [5, 6, 7]);
  assert.deepEqual([view.seq, view.firstSeq], [7, 5]);
});

test("the first entry of a chat that is not known begins it", () => {
  const view = new View("cht_1", { me: () => ME, pending: () => [] });
  assert.equal(view.receive(entry(40)), "applied");
  assert.deepEqual([view.seq, view.firstSeq], [40, 40]);
});

test("edits, deletes and reactions change their message into another object", () => {
  const view = makeView();
  const [target, other] = [entry(1), entry(2)];
  for (const next of [target, other]) view.receive(next);
  const [before, untouched] = view.messages;
  view.receive(entry(3, { type: "edit", target: target.id, body: "better" }));
  view.receive(entry(4, { type: "reaction", target: target.id, body: "👍" }));
  view.receive(entry(5, { type: "reaction", target: target.id, body: "👍", sender_id: ME }));
  view.receive(entry(6, { type: "reaction", target: target.id, body: "❤️" }));
  view.receive(entry(7, { type: "reaction", target: target.id, body: "❤️", removed: true }));
  assert.equal(view.messages.length, 2);
  assert.notEqual(view.messages[0], before);
  assert.equal(view.messages[1], untouched);
  assert.equal(view.messages[0].body, "better");
  assert.ok(view.messages[0].edited_at);
  assert.deepEqual(view.messages[0].reactions, [{ emoji: "👍", count: 2, mine: true }]);
  view.receive(entry(8, { type: "reaction", target: target.id, body: "👍", removed: true, sender_id: ME }));
  assert.deepEqual(view.messages[0].reactions, [{ emoji: "👍", count: 1, mine: false }]);
  view.receive(entry(9, { type: "delete", target: target.id, body: null }));
  const gone = view.messages[0];
  assert.deepEqual([gone.body, gone.reactions, typeof gone.deleted_at], [null, [], "string"]);
  view.receive(entry(10, { type: "edit", target: "msg_unknown", body: "x" }));
  assert.equal(view.seq, 10);
});

test("what a page shows already is not counted twice", () => {
  const view = makeView(4);
  const reactions = [{ emoji: "👍", count: 2, mine: false }];
  // The page was read when entry 6 was there: the reactions 5 and 6 are in it.
  view.prepend(page([entry(3, { reactions }), entry(4)], { last_seq: 6 }));
  for (const seq of [5, 6]) view.receive(entry(seq, { type: "reaction", target: entry(3).id, body: "👍" }));
  assert.deepEqual(view.messages[0].reactions, reactions);
  view.receive(entry(7, { type: "reaction", target: entry(3).id, body: "👍", sender_id: ME }));
  assert.deepEqual(view.messages[0].reactions, [{ emoji: "👍", count: 3, mine: true }]);
});

test("what the stream shows late is not counted twice either", () => {
  const view = makeView();
  view.receive(entry(1, { reactions: [{ emoji: "👍", count: 1, mine: false }] }));
  view.receive(entry(2, { type: "reaction", target: entry(1).id, body: "👍" }));
  assert.equal(view.messages[0].reactions[0].count, 1);
});

test("older pages join what is there, and others do not", () => {
  const view = makeView(10);
  assert.equal(view.prepend(page([entry(8), entry(9)])), false, "10 is missing");
  assert.equal(view.prepend(page([entry(9), entry(10)], { epoch: 2 })), false, "of another epoch");
  assert.equal(view.prepend(page([entry(9, { type: "edit", target: "x" }), entry(10)])), true);
  assert.deepEqual([view.messages.map(({ seq }) => seq), view.firstSeq, view.hasOlder], [[10], 9, true]);
  assert.equal(view.prepend(page([entry(7), entry(8)], { first_seq: 7 })), true);
  assert.deepEqual([view.messages.map(({ seq }) => seq), view.hasOlder], [[7, 8, 10], false]);
});

test("watermarks only rise, and reading includes arriving", () => {
  const view = makeView();
  assert.equal(view.raise({ user_id: OTHER, delivered_seq: 3, read_seq: 5 }), true);
  assert.deepEqual(view.receipts.get(OTHER), { user_id: OTHER, delivered_seq: 5, read_seq: 5 });
  assert.equal(view.raise({ user_id: OTHER, delivered_seq: 4, read_seq: 2 }), false);
});

test("unread follows from what is there and what the server said", () => {
  const view = makeView(10);
  view.setInfo(chat("cht_1", 10, { unread: 3, read_seq: 6 }));
  assert.deepEqual([view.unread, view.isUnreadKnown], [3, true]);
  view.receive(entry(11));
  view.receive(entry(12, { type: "reaction", target: "x" }));
  assert.equal(view.unread, 4);
  view.raise({ user_id: ME, delivered_seq: 8, read_seq: 8 });
  assert.equal(view.isUnreadKnown, false, "what is between is not here");
  view.setInfo(chat("cht_1", 12, { unread: 2, read_seq: 8 }));
  assert.deepEqual([view.unread, view.isUnreadKnown], [2, true]);
  view.prepend(page([8, 9, 10].map((seq) => entry(seq)), { last_seq: 12 }));
  assert.equal(view.unread, 3, "all of it is here: it is counted");
  view.receive(entry(13, { sender_id: ME, client_id: "a" }));
  assert.equal(view.unread, 0, "who writes has read");
});

test("a renamed group has its new title, and the newest message is the newest", () => {
  const view = makeView(1);
  view.setInfo(chat("cht_1", 1));
  view.receive(entry(2, { type: "system", body: { event: "renamed", title: "Row 2" } }));
  view.receive(entry(3));
  view.receive(entry(4, { type: "edit", target: entry(3).id, body: "better" }));
  assert.deepEqual([view.info.title, view.info.last_seq, view.info.last_message.body], ["Row 2", 4, "better"]);
});
