import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LocalStore, MemoryStore, Stopped } from "../src/index.js";
import { chat, entry, ME, OTHER, settle, World } from "./fakes.mjs";

const seqs = (world) => world.of("entry").map(({ entry: { seq } }) => seq);
const problem = (status, more = {}) => ({ type: "x", status, ...more });

describe("connecting", () => {
  test("says hello with token, device and the newest seqs, and is live", async () => {
    const world = new World({ device: { name: "Desk", platform: "web" } });
    world.routes["GET /v1/chats"] = ({ query }) =>
      query.cursor
        ? { data: [chat("cht_2", 9)], next_cursor: null }
        : { data: [chat("cht_1", 4)], next_cursor: "more" };
    world.routes["POST /v1/devices"] = { id: "dev_1" };
    const connected = world.client.connect();
    const socket = await world.live();
    await connected;
    assert.deepEqual([socket.url, socket.protocols], ["ws://foyer.test/v1/stream", ["foyer.chat.v1"]]);
    const cursors = { cht_1: [1, 4], cht_2: [1, 9] };
    assert.deepEqual(socket.sent[0], { t: "hello", token: "ses_1", device_id: "dev_1", cursors });
    assert.deepEqual(world.of("state").map(({ state }) => state), ["connecting", "catching-up", "live"]);
    assert.equal(world.client.userId, ME);
  });

  test("waits as it was told, longer after each try that fails, up to a minute", async () => {
    const world = new World();
    const socket = await world.live();
    socket.end();
    const waits = [];
    for (let i = 0; i < 8; i++) {
      const { retryInMs } = world.of("state").at(-1);
      waits.push(retryInMs);
      await world.clock.advance(retryInMs - 1);
      assert.equal(world.sockets.length, i + 1);
      await world.clock.advance(1);
      assert.equal(world.sockets.length, i + 2);
      world.socket.end();
    }
    assert.deepEqual(waits, [1100, 2200, 4400, 8800, 17600, 33200, 36400, 42800]);
    await world.clock.advance(60000);
    await world.live();
    world.socket.end();
    assert.equal(world.of("state").at(-1).retryInMs, 1100);
  });

  test("comes again when `bye` says, and is not heard of twice", async () => {
    const world = new World();
    const socket = await world.live();
    socket.say({ t: "bye", reason: "stop", reconnect_after_ms: 1830 });
    socket.end(1001);
    socket.end(1006);
    socket.say({ t: "message", ...entry(1) });
    assert.equal(world.of("state").at(-1).retryInMs, 1830);
    await world.clock.advance(1830);
    assert.deepEqual([world.sockets.length, seqs(world)], [2, []]);
  });

  for (const [reason, code] of [["replaced", 4409], ["unauthenticated", 4401]])
    for (const isSaid of [true, false])
      test(`${reason} ends it${isSaid ? "" : ", by the code alone"}`, async () => {
        const world = new World();
        const connected = world.client.connect();
        const socket = await world.open();
        if (isSaid) socket.say({ t: "bye", reason, reconnect_after_ms: 1 });
        socket.end(isSaid ? 1000 : code);
        await assert.rejects(connected, (error) => error instanceof Stopped && error.reason === reason);
        await world.clock.advance(600000);
        assert.deepEqual([world.sockets.length, world.client.state, world.client.stopReason], [1, "stopped", reason]);
        await world.live();
        assert.equal(world.client.state, "live");
      });

  test("too many streams or mistakes: not before long", async () => {
    const world = new World();
    (await world.live()).end(4429);
    assert.ok(world.of("state").at(-1).retryInMs >= 30000);
  });

  test("a session that has ended is told by HTTP, too", async () => {
    const world = new World();
    world.routes["GET /v1/chats"] = 401;
    await assert.rejects(world.client.connect(), { reason: "unauthenticated" });
    assert.equal(world.sockets.length, 0);
  });

  test("a list of chats that cannot be had is tried again", async () => {
    const world = new World();
    const list = world.routes["GET /v1/chats"];
    world.routes["GET /v1/chats"] = new TypeError("no network");
    void world.client.connect();
    await settle();
    assert.equal(world.client.state, "waiting");
    world.routes["GET /v1/chats"] = list;
    await world.clock.advance(1000);
    assert.equal(world.sockets.length, 1);
  });

  test("a stream that says nothing is asked, and given up", async () => {
    const world = new World();
    const socket = await world.live();
    await world.clock.advance(25000);
    assert.equal(socket.of("ping").length, 1);
    socket.say({ t: "pong" });
    await world.clock.advance(25000);
    assert.equal(socket.of("ping").length, 2);
    await world.clock.advance(9999);
    assert.equal(socket.isClosed, false);
    await world.clock.advance(1);
    assert.deepEqual([socket.isClosed, world.client.state], [true, "waiting"]);
  });

  test("a server that never answers the hello is given up", async () => {
    const world = new World();
    void world.client.connect();
    await settle();
    world.socket.open();
    await world.clock.advance(20000);
    assert.deepEqual([world.socket.isClosed, world.client.state], [true, "waiting"]);
  });

  test("kinds and bytes that are not known are passed over", async () => {
    const world = new World();
    const socket = await world.live();
    socket.onmessage({ data: "{" });
    socket.onmessage({ data: "null" });
    socket.say({ t: "news" }, { t: "message", ...entry(1), color: "red" });
    assert.deepEqual(seqs(world), [1]);
  });

  test("a device that was deleted is registered anew", async () => {
    const world = new World({ device: { name: "Desk", platform: "web" } });
    let count = 0;
    world.routes["POST /v1/devices"] = () => ({ id: `dev_${++count}` });
    void world.client.connect();
    await settle();
    world.socket.open();
    world.socket.say({ t: "error", problem: problem(422, { errors: [{ field: "device_id", message: "?" }] }) });
    world.socket.end(4408);
    await world.clock.advance(60000);
    world.socket.open();
    assert.equal(world.socket.sent[0].device_id, "dev_2");
  });
});

describe("the log", () => {
  test("a gap is read over HTTP, and what comes meanwhile is not lost", async () => {
    const world = new World({ history: "all" });
    let go;
    const asked = [];
    world.routes["GET /v1/chats/cht_1/messages"] = async ({ query }) => {
      asked.push(query.after);
      await new Promise((resolve) => (go = resolve));
      const after = Number(query.after);
      const data = [1, 2].map((i) => entry(after + i)).filter(({ seq }) => seq <= 7);
      return { data, epoch: 1, first_seq: 1, last_seq: 7, resync: false };
    };
    const socket = await world.live();
    socket.say({ t: "message", ...entry(1) }, { t: "message", ...entry(5) }, { t: "message", ...entry(6) });
    assert.deepEqual(seqs(world), [1]);
    await settle();
    socket.say({ t: "message", ...entry(7) });
    for (let i = 0; i < 3; i++) {
      go();
      await settle();
    }
    assert.deepEqual([seqs(world), asked], [[1, 2, 3, 4, 5, 6, 7], ["1", "3", "5"]]);
    socket.say({ t: "message", ...entry(8) });
    assert.equal(world.view().seq, 8);
  });

  test("a gap that cannot be read is tried again, and left to the next stream", async () => {
    const world = new World({ history: "all" });
    world.routes["GET /v1/chats/cht_1/messages"] = 503;
    const socket = await world.live();
    socket.say({ t: "message", ...entry(1) }, { t: "message", ...entry(3) });
    await world.clock.advance(3500);
    assert.equal(world.requests.filter(({ pathname }) => pathname.endsWith("/messages")).length, 4);
    socket.end();
    await world.clock.advance(1100);
    world.socket.open();
    assert.deepEqual(world.socket.sent[0].cursors, { cht_1: [1, 1] });
    assert.equal(world.requests.filter(({ pathname }) => pathname.endsWith("/messages")).length, 4);
  });

  test("resync drops what is there, and goes on where it says", async () => {
    const world = new World({ history: "all" });
    const socket = await world.live();
    socket.say({ t: "message", ...entry(1) });
    socket.say({ t: "resync", chat_id: "cht_1", epoch: 2, first_seq: 8, last_seq: 9, reason: "epoch" });
    assert.deepEqual(world.view().messages, []);
    socket.say({ t: "message", ...entry(8) }, { t: "message", ...entry(9) });
    assert.deepEqual([seqs(world), world.view().epoch], [[1, 8, 9], 2]);
    assert.deepEqual(world.of("resync"), [{ chatId: "cht_1", reason: "epoch", firstSeq: 8, lastSeq: 9 }]);
  });

  test("cursors outlive the client, and are told before what has arrived", async () => {
    const store = new MemoryStore();
    const first = new World({ history: "all", store });
    const socket = await first.live();
    for (const seq of [1, 2, 3]) socket.say({ t: "message", ...entry(seq) });
    assert.equal(socket.of("receipt").length, 0);
    await first.clock.advance(200);
    assert.deepEqual(socket.of("receipt"), [{ t: "receipt", chat_id: "cht_1", delivered_seq: 3 }]);
    await first.client.close();
    const second = new World({ history: "all", store });
    await second.live();
    assert.deepEqual(second.socket.sent[0].cursors, { cht_1: [1, 3] });
    second.socket.say({ t: "message", ...entry(3) }, { t: "message", ...entry(4) });
    assert.deepEqual(seqs(second), [4]);
  });

  test("a chat that was left is gone, and begins anew with the entry that says so", async () => {
    const world = new World({ history: "all" });
    const socket = await world.live();
    socket.say({ t: "message", ...entry(1) }, { t: "left", chat_id: "cht_1" });
    assert.deepEqual([world.view(), world.of("left").length], [undefined, 1]);
    world.routes["GET /v1/chats/cht_1"] = chat("cht_1", 12, { title: "Again" });
    socket.say({ t: "message", ...entry(12, { type: "system", body: { event: "added", user_id: ME } }) });
    await settle();
    assert.deepEqual([world.view().firstSeq, world.view().info.title], [12, "Again"]);
  });

  test("older messages are read page by page", async () => {
    const world = new World();
    world.routes["GET /v1/chats"] = { data: [chat("cht_1", 5)], next_cursor: null };
    world.routes["GET /v1/chats/cht_1/messages"] = ({ query }) => {
      const before = Number(query.before);
      const data = [before - 2, before - 1].filter((seq) => seq > 0);
      const entries = data.map((seq) => entry(seq, seq > 3 ? { type: "reaction", target: "x" } : {}));
      return { data: entries, epoch: 1, first_seq: 1, last_seq: 5, resync: false };
    };
    await world.live();
    assert.equal(await world.client.loadOlder("cht_1", 2), true, "a page without a message is not enough");
    assert.deepEqual(world.view().messages.map(({ seq }) => seq), [2, 3]);
    assert.equal(await world.client.loadOlder("cht_1", 2), false);
    assert.deepEqual(world.view().messages.map(({ seq }) => seq), [1, 2, 3]);
  });
});

describe("sending", () => {
  const text = (world) => world.socket.of("send").map(({ body }) => body);

  test("what is written without a stream goes out in order, one of a chat at a time", async () => {
    const world = new World();
    for (const body of ["a", "b"]) world.client.send("cht_1", { body });
    const last = world.client.send("cht_2", { body: "c", replyTo: "msg_1" });
    const socket = await world.live();
    assert.deepEqual(text(world), ["a", "c"]);
    assert.deepEqual(socket.of("send")[1].reply_to, "msg_1");
    const [a] = socket.of("send");
    socket.say({ t: "ack", id: a.id, chat_id: "cht_1", client_id: a.client_id, message_id: "m", seq: 1, created_at: "" });
    assert.deepEqual(text(world), ["a", "c", "b"]);
    assert.equal(last.state, "waiting");
    assert.equal(new Set(socket.of("send").map(({ client_id }) => client_id)).size, 3);
  });

  test("without an ack it is sent again with the same client id, also by the next client", async () => {
    const store = new MemoryStore();
    const world = new World({ store });
    const pending = world.client.send("cht_1", { body: "a" });
    (await world.live()).end();
    await world.clock.advance(1100);
    await world.live();
    assert.deepEqual(world.socket.of("send").map(({ client_id }) => client_id), [pending.clientId]);
    await world.client.close();
    const next = new World({ store });
    await next.live();
    const [frame] = next.socket.of("send");
    assert.deepEqual([frame.client_id, frame.body], [pending.clientId, "a"]);
    const acked = next.client.acknowledged(pending.clientId);
    next.socket.say({ t: "ack", id: frame.id, chat_id: "cht_1", client_id: frame.client_id, message_id: "m", seq: 7, created_at: "", repeated: true });
    assert.equal((await acked).seq, 7);
    await next.client.close();
    assert.deepEqual([...store.map.keys()].filter((key) => key.startsWith("out/")), []);
  });

  test("what the store has goes out before what was written since", async () => {
    const store = new MemoryStore();
    const first = new World({ store });
    for (const body of ["a", "b"]) first.client.send("cht_1", { body });
    await first.client.close();
    const second = new World({ store });
    second.client.send("cht_1", { body: "c" });
    await second.live();
    const kept = ["a", "b", "c"];
    for (const [i] of kept.entries()) {
      const frame = second.socket.of("send")[i];
      second.socket.say({ ...frame, t: "ack", message_id: "m", seq: i + 1, created_at: "" });
    }
    assert.deepEqual(text(second), kept);
  });

  test("it is pending until its entry is among the messages, whichever comes first", async () => {
    const world = new World({ history: "all" });
    const socket = await world.live();
    socket.say({ t: "message", ...entry(1) });
    const [one, two] = ["one", "two"].map((body) => world.client.send("cht_1", { body }));
    const own = (seq, { clientId, body }) => ({ t: "message", ...entry(seq, { sender_id: ME, client_id: clientId, body }) });
    const ack = (at, seq) => ({ t: "ack", ...socket.of("send")[at], t: "ack", message_id: "m", seq, created_at: "" });
    socket.say(ack(0, 2));
    assert.deepEqual(world.view().pending.map(({ state }) => state), ["sent", "waiting"]);
    socket.say(own(2, one));
    assert.deepEqual(world.view().pending, [two]);
    socket.say(own(3, two));
    assert.deepEqual([world.view().pending, two.state], [[], "sent"]);
    socket.say(ack(1, 3));
    assert.deepEqual(world.of("sent").map(({ ack: { seq } }) => seq), [2, 3]);
    assert.deepEqual(world.view().messages.map(({ body }) => body), ["m1", "one", "two"]);
  });

  test("what is refused for good has failed, and what may pass is sent again", async () => {
    const world = new World();
    const socket = await world.live();
    const pending = world.client.send("cht_1", { body: "a" });
    const refused = world.client.acknowledged(pending.clientId);
    socket.say({ t: "error", id: 1, problem: problem(429, { retry_after_s: 7 }) });
    await world.clock.advance(6999);
    assert.equal(text(world).length, 1);
    await world.clock.advance(1);
    assert.deepEqual(text(world), ["a", "a"]);
    socket.say({ t: "error", id: 2, problem: problem(403) });
    await assert.rejects(refused, { status: 403 });
    assert.deepEqual([pending.state, world.of("failed").length], ["failed", 1]);
    world.client.retry(pending.clientId);
    assert.deepEqual([text(world).length, pending.state], [3, "waiting"]);
    socket.say({ t: "error", id: 3, problem: problem(404) });
    world.client.discard(pending.clientId);
    await assert.rejects(world.client.acknowledged(pending.clientId), RangeError);
    socket.say({ t: "error", problem: problem(400) });
    assert.equal(world.of("error").length, 1);
  });

  test("no more than the server takes is under way", async () => {
    const world = new World();
    for (let i = 0; i < 100; i++) world.client.send(`cht_${i}`, { body: "x" });
    await world.live();
    assert.equal(text(world).length, 32);
  });
});

describe("receipts, typing, presence", () => {
  test("what was read is said, and said again until the server has it", async () => {
    const world = new World({ sendsDelivered: false });
    world.routes["GET /v1/chats"] = { data: [chat("cht_1", 4, { read_seq: 0, unread: 4 })], next_cursor: null };
    const socket = await world.live();
    world.client.markRead("cht_1", 99);
    world.client.markRead("cht_1", 3);
    assert.equal(world.view().unread, 0);
    await world.clock.advance(200);
    const read = { t: "receipt", chat_id: "cht_1", read_seq: 4 };
    assert.deepEqual(socket.of("receipt"), [read]);
    socket.end();
    await world.clock.advance(1100);
    await world.live();
    await world.clock.advance(200);
    assert.deepEqual(world.socket.of("receipt"), [read]);
    world.socket.say({ t: "receipts", chat_id: "cht_1", data: [{ user_id: ME, delivered_seq: 4, read_seq: 4 }] });
    world.socket.end();
    await world.clock.advance(1100);
    await world.live();
    await world.clock.advance(1000);
    assert.deepEqual(world.socket.of("receipt"), []);
  });

  test("others' watermarks are shown", async () => {
    const world = new World({ history: "all" });
    const socket = await world.live();
    socket.say({ t: "message", ...entry(1) });
    socket.say({ t: "receipts", chat_id: "cht_1", data: [{ user_id: OTHER, delivered_seq: 1, read_seq: 0 }] });
    socket.say({ t: "receipt", chat_id: "cht_1", user_id: OTHER, read_seq: 1 });
    assert.deepEqual(world.view().receipts.get(OTHER), { user_id: OTHER, delivered_seq: 1, read_seq: 1 });
    assert.equal(world.of("receipt").length, 2);
  });

  test("typing is said every three seconds at most, and ends by itself or with a message", async () => {
    const world = new World({ history: "all" });
    const socket = await world.live();
    socket.say({ t: "message", ...entry(1) });
    for (let i = 0; i < 5; i++) world.client.typing("cht_1");
    await world.clock.advance(3000);
    world.client.typing("cht_1");
    assert.equal(socket.of("typing").length, 2);
    const says = () => socket.say({ t: "typing", chat_id: "cht_1", user_id: OTHER });
    says();
    await world.clock.advance(4000);
    says();
    await world.clock.advance(4000);
    assert.deepEqual([...world.view().typing], [OTHER]);
    await world.clock.advance(1000);
    assert.deepEqual([...world.view().typing], []);
    says();
    socket.say({ t: "message", ...entry(2) });
    assert.deepEqual([...world.view().typing], []);
    assert.deepEqual(world.of("typing").map(({ isTyping }) => isTyping), [true, false, true, false]);
  });

  test("who is watched is asked for again by the next stream", async () => {
    const world = new World();
    const socket = await world.live();
    world.client.watch([OTHER, OTHER]);
    assert.deepEqual(socket.of("watch"), [{ t: "watch", user_ids: [OTHER] }]);
    socket.say({ t: "presence", user_id: OTHER, online: true, last_seen_at: null });
    assert.equal(world.client.presence.get(OTHER).online, true);
    socket.end();
    assert.equal(world.client.presence.size, 0);
    await world.clock.advance(1100);
    await world.live();
    assert.equal(world.socket.of("watch").length, 1);
    assert.throws(() => world.client.watch(Array.from({ length: 101 }, (_, i) => `usr_${i}`)), RangeError);
  });
});

describe("the store", () => {
  test("of somebody else is not used", async () => {
    const store = new MemoryStore();
    const first = new World({ store, history: "all" });
    await first.live();
    first.client.send("cht_1", { body: "secret" });
    first.socket.say({ t: "message", ...entry(1) });
    await first.client.close();
    const second = new World({ store, history: "all" });
    await second.open({ user_id: OTHER });
    assert.deepEqual(second.sockets[0].of("send"), []);
    assert.equal(second.sockets.length, 2);
    second.socket.open();
    assert.deepEqual(second.socket.sent[0].cursors, {});
    await second.live({ user_id: OTHER });
    assert.deepEqual(second.socket.of("send"), []);
  });

  test("in localStorage keeps to its prefix", () => {
    const map = new Map([["other", "x"]]);
    const storage = {
      get length() {
        return map.size;
      },
      key: (i) => [...map.keys()][i],
      getItem: (key) => map.get(key) ?? null,
      setItem: (key, value) => void map.set(key, value),
      removeItem: (key) => void map.delete(key),
    };
    const store = new LocalStore("chat", storage);
    store.set("a", "1");
    assert.deepEqual([[...store.entries()], map.get("chat:a")], [[["a", "1"]], "1"]);
    store.delete("a");
    assert.deepEqual([...map.keys()], ["other"]);
  });

  test("logging out forgets everything", async () => {
    const world = new World({ history: "all" });
    const socket = await world.live();
    socket.say({ t: "message", ...entry(1) });
    world.client.send("cht_1", { body: "x" });
    world.routes["DELETE /v1/sessions/current"] = 204;
    await world.client.logOut();
    assert.deepEqual([[...world.store.entries()], world.client.chats.size, world.client.state], [[], 0, "stopped"]);
  });
});
