import assert from "node:assert/strict";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { mock, test } from "node:test";
import { NetworkError, Problem } from "../src/api/client";
import { livePath } from "../src/api/endpoints";
import { noGroupText } from "../src/event/BestForm";
import { readRefusal, sentence } from "../src/event/refusals";
import { admissionOf, isAdmissionOld, setAdmission } from "../src/queue/admission";
import { RoomClient, roomPollMs, SPREAD_MS, type RoomView } from "../src/queue/client";
import { idsOf, recompute } from "../src/queue/fairness";
import type { Fairness, QueueEntry, Room } from "../src/queue/types";
import { aheadText, etaText, phaseOf, shouldSpeak, spokenText, titleOf } from "../src/queue/words";

const NOW = Date.parse("2030-01-01T12:00:00.000Z");
const at = (ms: number): string => new Date(NOW + ms).toISOString();

const entry = (more: Partial<QueueEntry> = {}): QueueEntry => ({
  id: "que_1",
  event_id: "evt_1",
  state: "waiting",
  position: 5,
  ahead: 4,
  eta_seconds: 60,
  poll_after_ms: 3000,
  sale_at: at(0),
  token: null,
  token_expires_at: null,
  admitted_until: null,
  ...more,
});

const room = (more: Partial<Room> = {}): Room => ({
  state: "open",
  opens_at: at(-3600_000),
  sale_at: at(0),
  waiting: 10,
  admitted: 2,
  entry: null,
  ...more,
});

const problem = (
  status: number,
  type: string,
  body: Record<string, unknown> = {},
  retryAfterS: number | null = null,
): Problem =>
  new Problem(
    status,
    type,
    "A detail.",
    (body["errors"] as { field: string; message: string }[]) ?? [],
    body,
    retryAfterS,
  );

test("one phase at a time: the own place first, then the room", () => {
  assert.equal(phaseOf(null, null), "none");
  assert.equal(phaseOf(room({ state: "off" }), null), "none");
  assert.equal(phaseOf(room({ state: "closed" }), null), "closed");
  assert.equal(phaseOf(room({ state: "pre" }), null), "door");
  assert.equal(phaseOf(room(), null), "door");
  assert.equal(phaseOf(room({ state: "over" }), entry({ state: "left" })), "over");
  assert.equal(phaseOf(room(), entry({ state: "lapsed" })), "lapsed");
  assert.equal(phaseOf(room({ state: "off" }), entry({ state: "lapsed" })), "none");
  for (const state of ["pre", "waiting", "admitted"] as const)
    assert.equal(phaseOf(null, entry({ state })), state);
});

test("who has no place asks rarely, and when the room opens, not all at once", () => {
  assert.equal(roomPollMs(room({ state: "over" }), NOW, 0), null);
  assert.equal(roomPollMs(room({ state: "closed", opens_at: at(5000) }), NOW, 0), 5000);
  assert.equal(roomPollMs(room({ state: "closed", opens_at: at(5000) }), NOW, 1), 5000 + SPREAD_MS);
  assert.equal(roomPollMs(room({ state: "closed", opens_at: at(9e8) }), NOW, 0), 60_000);
  assert.equal(roomPollMs(room({ state: "closed", opens_at: null }), NOW, 0), 60_000);
  assert.equal(roomPollMs(room({ state: "closed", opens_at: at(-5000) }), NOW, 0), 500);
  assert.equal(roomPollMs(room(), NOW, 0), 10_000);
  // What the server says counts, as it knows the crowd.
  assert.equal(roomPollMs(room({ poll_after_ms: 41_000 }), NOW, 0), 41_000);
  assert.equal(roomPollMs(room({ state: "closed", opens_at: at(5000), poll_after_ms: 33_000 }), NOW, 1), 33_000);
  assert.equal(roomPollMs(room({ poll_after_ms: 0 }), NOW, 0), 500);
  assert.equal(roomPollMs(room({ state: "over", poll_after_ms: null }), NOW, 0), null);
});

interface Stage {
  client: RoomClient;
  views: RoomView[];
  asked: string[];
  answers: (Room | QueueEntry | Error)[];
}

function stage(answers: (Room | QueueEntry | Error)[]): Stage {
  const one: Stage = { client: null!, views: [], asked: [], answers };
  const next = async <T>(what: string): Promise<T> => {
    one.asked.push(what);
    const answer = one.answers.shift() ?? new NetworkError();
    if (answer instanceof Error) throw answer;
    return answer as T;
  };
  one.client = new RoomClient(
    "evt_1",
    {
      room: () => next<Room>("room"),
      join: () => next<QueueEntry>("join"),
      entry: (id) => next<QueueEntry>(id),
      leave: (id) => next<void>(`leave ${id}`),
    },
    () => NOW,
    (view) => one.views.push(view),
    () => 0,
  );
  return one;
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 30; i++) await Promise.resolve();
};

function withClock(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      await run();
    } finally {
      mock.timers.reset();
      setAdmission("evt_1", null, null);
    }
  });
}

withClock("from the door to the turn, with the token kept and renewed", async () => {
  const one = stage([room(), entry(), entry({ ahead: 2 })]);
  one.client.start();
  await settle();
  assert.deepEqual(one.asked, ["room"]);
  await one.client.join();
  await settle();
  assert.deepEqual(one.asked, ["room", "join", "que_1"]);
  assert.equal(one.client.view.entry?.ahead, 2);
  assert.equal(admissionOf("evt_1"), undefined);

  const turn = { state: "admitted", poll_after_ms: 20_000, token_expires_at: at(60_000) } as const;
  one.answers.push(entry({ ...turn, token: "first" }), entry({ ...turn, token: "second" }));
  mock.timers.tick(3000);
  await settle();
  assert.equal(admissionOf("evt_1"), "first");
  assert.match(livePath("evt_1", "7"), /live\?admission=first&last_event_id=7$/);
  mock.timers.tick(20_000);
  await settle();
  assert.equal(admissionOf("evt_1"), "second");

  one.answers.push(entry({ state: "lapsed" }), room());
  mock.timers.tick(20_000);
  await settle();
  assert.equal(admissionOf("evt_1"), undefined, "an admission that is over is not shown any more");
  assert.equal(one.client.view.entry?.state, "lapsed", "how it ended can be read");
  assert.equal(one.asked.at(-1), "room");
  one.client.end();
});

withClock("after a reload the room knows the place", async () => {
  const one = stage([room({ entry: entry({ ahead: 3 }) })]);
  one.client.start();
  await settle();
  assert.equal(one.client.view.entry?.ahead, 3);
  one.answers.push(entry({ ahead: 1 }));
  mock.timers.tick(3000);
  await settle();
  assert.deepEqual(one.asked, ["room", "que_1"]);
  assert.equal(one.client.view.entry?.ahead, 1);
  one.client.end();
});

withClock("a cut line keeps the place and is tried again, ever more slowly", async () => {
  const one = stage([room({ entry: entry() })]);
  one.client.start();
  await settle();
  for (let i = 0; i < 12; i++) {
    mock.timers.tick(30_000);
    await settle();
  }
  assert.equal(one.client.view.isOffline, true);
  assert.equal(one.client.view.entry?.ahead, 4);
  assert.ok(one.asked.length <= 14, `${one.asked.length} questions`);
  one.answers.push(entry({ ahead: 0 }));
  mock.timers.tick(30_000);
  await settle();
  assert.equal(one.client.view.isOffline, false);
  assert.equal(one.client.view.entry?.ahead, 0);
  one.client.end();
});

withClock("a busy server says when to come again; a place that is not known is looked for", async () => {
  const one = stage([
    room({ entry: entry() }),
    problem(503, "overloaded", {}, 7),
    problem(404, "not-found"),
    room(),
  ]);
  one.client.start();
  await settle();
  mock.timers.tick(3000);
  await settle();
  mock.timers.tick(6900);
  await settle();
  assert.equal(one.asked.length, 2);
  mock.timers.tick(200);
  await settle();
  assert.deepEqual(one.asked, ["room", "que_1", "que_1", "room"]);
  assert.equal(one.client.view.entry, null);
  one.client.end();
});

withClock("leaving gives the token up; a refusal is told to who asked", async () => {
  const one = stage([room({ entry: entry({ state: "admitted", token: "t" }) })]);
  one.client.start();
  await settle();
  assert.equal(admissionOf("evt_1"), "t");
  one.answers.push(problem(409, "conflict"), entry({ state: "admitted", token: "t" }));
  await assert.rejects(one.client.leave(), Problem);
  await settle();
  assert.equal(one.client.view.entry?.state, "admitted");
  one.answers.push(room(), room());
  await one.client.leave();
  await settle();
  assert.equal(one.client.view.entry?.state, "left");
  assert.equal(admissionOf("evt_1"), undefined);
  one.client.end();
});

withClock("one question at a time, and none after the end", async () => {
  const one = stage([room(), room(), room()]);
  one.client.start();
  void one.client.poll();
  await one.client.poll();
  assert.equal(one.asked.length, 1);
  one.client.end();
  mock.timers.tick(60_000);
  await settle();
  assert.equal(one.asked.length, 1);
});

test("an admission is old a little before its end", () => {
  setAdmission("evt_2", "t", at(10_000));
  assert.equal(isAdmissionOld("evt_2", NOW), false);
  assert.equal(isAdmissionOld("evt_2", NOW + 8000), true);
  setAdmission("evt_2", null, null);
  assert.equal(isAdmissionOld("evt_2", NOW + 8000), false);
});

test("figures are no more exact than anybody can know", () => {
  assert.equal(aheadText(0), "Nobody is ahead of you: you are next.");
  assert.equal(aheadText(1), "1 person is ahead of you.");
  assert.equal(aheadText(12345), "12,345 people are ahead of you.");
  assert.equal(etaText(null), null);
  const words: [number, string][] = [
    [0, "less than a minute"],
    [60, "about a minute"],
    [260, "about 4 minutes"],
    [23 * 60, "about 25 minutes"],
    [58 * 60, "about an hour"],
    [95 * 60, "about 1½ hours"],
    [4 * 3600, "about 4 hours"],
  ];
  for (const [seconds, text] of words) assert.equal(etaText(seconds), text);
  assert.equal(titleOf("waiting", entry({ ahead: 1200 }), "Show"), "1,200 ahead · Show");
  assert.equal(titleOf("waiting", entry({ ahead: 0 }), "Show"), "You are next · Show");
  assert.equal(titleOf("admitted", entry(), "Show"), "It’s your turn · Show");
  assert.equal(titleOf("none", null, "Show"), "Show");
});

test("the place is read aloud at marks and changes, not at each tick", () => {
  let last = { phase: "waiting" as const, ahead: 9000, atMs: 0 };
  assert.equal(shouldSpeak(null, last), true);
  let spoken = 0;
  // Two hours from 9,000 to 0, a figure every two seconds.
  for (let tick = 1; tick <= 3600; tick++) {
    const now = { ...last, ahead: Math.round(9000 * (1 - tick / 3600)), atMs: tick * 2000 };
    if (shouldSpeak(last, now)) {
      spoken++;
      last = now;
    }
  }
  assert.ok(spoken > 12 && spoken < 80, `${spoken} times in two hours`);
  assert.equal(shouldSpeak(last, { ...last, atMs: 1e9 }), false, "nothing new");
  assert.equal(shouldSpeak(last, { phase: "admitted", ahead: null, atMs: 1e9 }), true);
  assert.match(spokenText("waiting", entry()), /4 people.*about a minute/);
});

test("refusals of a hold say where to go, or what to do", () => {
  const kind = (error: unknown): string => readRefusal(error).kind;
  assert.equal(kind(new NetworkError()), "failure");
  assert.equal(kind(problem(401, "unauthenticated")), "login");
  assert.equal(kind(problem(403, "waiting-room-required")), "queue");
  assert.equal(kind(problem(403, "forbidden")), "failure");
  assert.equal(kind(problem(500, "internal")), "failure");
  assert.equal(kind(problem(403, "challenge-required")), "failure", "without a challenge");
  const challenge = { salt: "s" };
  assert.deepEqual(readRefusal(problem(403, "challenge-required", { challenge })), {
    kind: "challenge",
    challenge,
  });
  assert.deepEqual(readRefusal(problem(409, "seats-unavailable", { conflicts: ["a", 1] })), {
    kind: "taken",
    ids: ["a"],
  });
  assert.deepEqual(readRefusal(problem(409, "seats-unavailable", { largest_group: 3 })), {
    kind: "no-group",
    largest: 3,
  });
  const pause = readRefusal(problem(429, "rate-limited", {}, 30));
  assert.ok(pause.kind === "notice" && pause.notice.waitS === 30);
  const open = readRefusal(problem(422, "limit-exceeded", { bookings: ["bkg_1"] }));
  assert.ok(open.kind === "notice" && open.notice.toBookings && open.notice.text === "A detail.");
  const other = readRefusal(
    problem(422, "limit-exceeded", { errors: [{ field: "seat_ids", message: "leaves 4-7 alone" }] }),
  );
  assert.ok(other.kind === "notice" && other.notice.text === "Leaves 4-7 alone.");
  assert.equal(sentence("is it?"), "Is it?");
  assert.equal(noGroupText(4, 2), "4 seats together can’t be had any more; 2 can.");
  assert.equal(noGroupText(4, 0), "There are no such seats left.");
});

/** A draw as a server would publish it, by other means than the page's. */
function drawn(size: number): { fairness: Fairness; list: Uint8Array<ArrayBuffer>; order: string[] } {
  const ids = Array.from({ length: size }, (_, i) => `que_${String(i).padStart(6, "0")}`);
  const list = new TextEncoder().encode(ids.map((id) => `${id}\n`).join(""));
  const sha = (...parts: Uint8Array[]): Buffer => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const seed = randomBytes(32);
  const entriesHash = sha(list);
  const key = sha(seed, entriesHash);
  const rank = (id: string): string => createHmac("sha256", key).update(id).digest("hex");
  const order = [...ids].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  const fairness: Fairness = {
    algorithm: "foyer-queue-1",
    commitment: sha(seed).toString("hex"),
    entries_hash: entriesHash.toString("hex"),
    entry_count: size,
    revealed_seed: seed.toString("hex"),
    closed_at: at(0),
  };
  return { fairness, list, order };
}

test("the draw is recomputed place by place", async () => {
  const { fairness, list, order } = drawn(4321);
  const shares: number[] = [];
  const draw = await recompute(fairness, list, (share) => shares.push(share));
  assert.deepEqual(
    [draw.isSeedPromised, draw.isListSame, draw.isListWellFormed, draw.count],
    [true, true, true, 4321],
  );
  for (const [index, id] of order.entries()) assert.equal(draw.places.get(id), index + 1);
  assert.deepEqual([shares.length, shares.at(-1)], [3, 1]);
});

test("whatever was exchanged is found", async () => {
  const { fairness, list } = drawn(50);
  const fair = async (more: Partial<Fairness>, text = list): Promise<boolean[]> => {
    const draw = await recompute({ ...fairness, ...more }, text);
    return [draw.isSeedPromised, draw.isListSame, draw.isListWellFormed];
  };
  const edit = (change: (text: string) => string): Uint8Array<ArrayBuffer> =>
    new TextEncoder().encode(change(new TextDecoder().decode(list)));
  const seed = randomBytes(32).toString("hex");
  assert.deepEqual(await fair({ revealed_seed: seed }), [false, true, true]);
  assert.deepEqual(await fair({ entry_count: 51 }), [true, true, false]);
  assert.deepEqual(
    await fair({}, edit((text) => text.replace("que_000007", "que_999999"))),
    [true, false, true],
  );
  assert.deepEqual(await fair({}, edit((text) => `${text}que_7\n`)), [true, false, false]);
  assert.deepEqual(await fair({}, edit((text) => text.slice(0, -1))), [true, false, false]);
  assert.deepEqual(
    await fair({}, edit((text) => text.replace("que_000007", "que_000008"))),
    [true, false, false],
    "nobody has two places",
  );
  await assert.rejects(recompute({ ...fairness, revealed_seed: null }, list), /not revealed/);
  await assert.rejects(recompute({ ...fairness, revealed_seed: "xyz" }, list));
});

test("a list of nobody is a list", async () => {
  const { fairness, list } = drawn(0);
  const draw = await recompute(fairness, list);
  assert.deepEqual([draw.isListSame, draw.isListWellFormed, draw.count], [true, true, 0]);
  assert.equal(idsOf(new TextEncoder().encode("a\nb")), null);
});
