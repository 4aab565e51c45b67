import assert from "node:assert/strict";
import { mock, test } from "node:test";
import {
  fromBase64,
  HIDDEN_MS,
  LiveFeed,
  POLL_MS,
  RETRY_MS,
  SILENCE_MS,
  type FeedMode,
  type FeedOptions,
  type StreamLike,
} from "../src/event/feed";
import { BLOCKED, BOOKED, FREE, HELD } from "../src/lib/seatbits";
import { SeatBoard } from "../src/map/board";
import { buildModel } from "../src/map/model";

/** Two sections of two rows of three seats; the second section isn't for sale. */
function board(): SeatBoard {
  const seat = (s: number, r: number, c: number, category: string) => ({
    id: `${s}-${r}-${c}`,
    label: `${c}`,
    x: s * 100 + c * 10,
    y: r * 10,
    category,
  });
  return new SeatBoard(
    buildModel({
      categories: [
        { name: "A", color: "#aa0000", price: 1000 },
        { name: "B", color: "#00aa00", price: null },
      ],
      sections: [0, 1].map((s) => ({
        id: `s${s}`,
        name: `Block ${s}`,
        rows: [0, 1].map((r) => ({
          label: `${r}`,
          seats: [0, 1, 2].map((c) => seat(s, r, c, s === 0 ? "A" : "B")),
        })),
      })),
      areas: [{ id: "floor", name: "Floor", category: "A", capacity: 10 }],
    }),
  );
}

const free = (): Uint8Array => new Uint8Array(3);
const counts = (b: SeatBoard) => [[...b.sectionFree], [...b.rowFree], [...b.categoryFree], b.free];

test("a board counts what is free and for sale, from all states and from changes alike", () => {
  const one = board();
  assert.equal(one.free, 0, "nothing is free before anything is known");
  one.replace(free(), [[0, 10]]);
  assert.deepEqual(counts(one), [[6, 0], [3, 3, 0, 0], [6, 0], 6]);
  one.apply([
    [0, HELD],
    [1, BOOKED],
    [5, BLOCKED],
    [7, HELD],
  ]);
  assert.deepEqual(counts(one), [[3, 0], [1, 2, 0, 0], [3, 0], 3]);
  one.apply([[0, FREE]], [[0, 4]]);
  assert.deepEqual(counts(one), [[4, 0], [2, 2, 0, 0], [4, 0], 4]);
  assert.equal(one.areaFree[0], 4);
  const other = board();
  const bits = new Uint8Array(3);
  one.states.forEach((state, seat) => (bits[seat >> 2]! |= state << ((seat & 3) * 2)));
  other.replace(bits);
  assert.deepEqual(counts(other), counts(one), "the counts by steps are those of a recount");
});

test("a board tells what changed, once, and nothing when nothing did", () => {
  const one = board();
  one.replace(free());
  const told: (readonly number[] | null)[] = [];
  const leave = one.subscribe((changed) => told.push(changed));
  one.apply([
    [3, HELD],
    [3, HELD],
    [4, FREE],
    [99, HELD],
    [-1, HELD],
    [2, 9],
  ]);
  one.apply([[3, HELD]]);
  one.replace(free());
  one.replace(free());
  one.apply([], [[7, 1]]);
  assert.deepEqual(told, [[3], null], "seats that there aren't and states unknown are passed over");
  leave();
  one.apply([[3, HELD]]);
  assert.equal(told.length, 2);
});

test("counts by section alone make an overview", () => {
  const one = board();
  one.setSections(new Map([["s0", 5], ["else", 9]]));
  assert.deepEqual([...one.sectionFree], [5, 0]);
  assert.equal(one.free, 5);
});

class Stream implements StreamLike {
  closed = false;
  private listeners = new Map<string, (event: MessageEvent<string>) => void>();
  constructor(readonly lastId: string | null) {}
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, listener);
  }
  close(): void {
    this.closed = true;
  }
  say(type: string, data: object = {}, lastEventId = ""): void {
    const event = { data: JSON.stringify(data), lastEventId };
    this.listeners.get(type)?.(event as MessageEvent<string>);
  }
}

interface Stage {
  feed: LiveFeed;
  board: SeatBoard;
  streams: Stream[];
  modes: FeedMode[];
  polls: number;
  visible: boolean;
  pollFails: unknown;
  last(): Stream;
}

function stage(options: Partial<FeedOptions> = {}): Stage {
  const one: Stage = {
    board: board(),
    streams: [],
    modes: [],
    polls: 0,
    visible: true,
    pollFails: null,
    last: () => one.streams.at(-1)!,
    feed: null!,
  };
  one.feed = new LiveFeed({
    board: one.board,
    open: (lastId) => {
      one.streams.push(new Stream(lastId));
      return one.last();
    },
    poll: async () => {
      one.polls++;
      if (one.pollFails) throw one.pollFails;
    },
    isVisible: () => one.visible,
    onMode: (mode) => one.modes.push(mode),
    onRefused: () => true,
    random: () => 0.5,
    ...options,
  });
  one.feed.start();
  return one;
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

/** Lets time pass in small steps, with what is due in between. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    mock.timers.tick(Math.min(100, left));
    await settle();
  }
}

const SNAPSHOT = { version: 7, seats: Buffer.from(new Uint8Array(3)).toString("base64") };

function withClock(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      await run();
    } finally {
      mock.timers.reset();
    }
  });
}

test("base64 becomes bytes", () => {
  assert.deepEqual([...fromBase64("AAEC/w==")], [0, 1, 2, 255]);
});

withClock("a snapshot and deltas are taken in; the stream goes on behind the last version", async () => {
  const one = stage();
  assert.equal(one.last().lastId, null);
  one.last().say("open");
  assert.deepEqual(one.modes, [], "an open stream that says nothing is not live yet");
  one.last().say("snapshot", { ...SNAPSHOT, areas: [[0, 10]] }, "7");
  one.last().say("delta", { version: 9, changes: [[1, HELD]], areas: [[0, 8]] }, "9");
  assert.deepEqual([one.modes, one.polls], [["live"], 0]);
  assert.deepEqual([one.board.free, one.board.areaFree[0]], [5, 8]);
  one.last().say("error");
  assert.equal(one.streams[0]!.closed, true);
  await pass(RETRY_MS);
  assert.equal(one.streams.length, 2);
  assert.equal(one.last().lastId, "9");
  one.last().say("open");
  await pass(SILENCE_MS * 2);
  assert.equal(one.streams.length, 2, "behind a version there may be nothing to say");
  assert.deepEqual([one.modes, one.polls], [["live"], 0], "one hiccup is not worth a poll");
  one.streams[0]!.say("delta", { version: 10, changes: [[2, HELD]] }, "10");
  assert.equal(one.board.free, 5, "a stream that was given up is not listened to");
  one.feed.stop();
});

withClock("without a stream the states are asked for, until it is back", async () => {
  const one = stage();
  one.last().say("error");
  await settle();
  assert.deepEqual([one.modes, one.polls], [["polling"], 1], "at once: there is nothing to show yet");
  await pass(POLL_MS * 1.2);
  assert.equal(one.polls, 2);
  one.last().say("snapshot", SNAPSHOT, "7");
  const { polls } = one;
  await pass(POLL_MS * 3);
  assert.equal(one.polls, polls, "no polls beside a stream");
  assert.deepEqual(one.modes, ["polling", "live"]);
  one.feed.stop();
});

withClock("a stream that fails again and again is tried ever more rarely", async () => {
  const one = stage();
  for (let minute = 0; minute < 10; minute++) {
    await pass(60_000);
    one.last().say("error");
  }
  assert.ok(one.streams.length <= 25, `${one.streams.length} streams in ten minutes`);
  assert.ok(one.polls > 100);
  one.feed.stop();
});

withClock("a stream that opens and says nothing is held up on the way", async () => {
  const one = stage();
  one.last().say("open");
  await pass(SILENCE_MS);
  assert.equal(one.streams[0]!.closed, true);
  assert.equal(one.polls, 1);
  one.feed.stop();
});

withClock("who is too slow begins anew from a snapshot", async () => {
  const one = stage();
  one.last().say("snapshot", SNAPSHOT, "7");
  one.last().say("resync");
  assert.equal(one.streams[0]!.closed, true);
  await pass(RETRY_MS);
  assert.equal(one.last().lastId, null);
  assert.equal(one.polls, 0);
  one.feed.stop();
});

withClock("a frame that can't be read is a failure, not the end", async () => {
  const one = stage();
  one.last().say("snapshot", SNAPSHOT, "7");
  one.last().say("snapshot", { version: 8, seats: "%" }, "8");
  await pass(RETRY_MS);
  assert.equal(one.streams.length, 2);
  assert.equal(one.last().lastId, "7", "what was not understood was not seen");
  one.feed.stop();
});

withClock("a page that nobody looks at gives its stream back, and takes it up again", async () => {
  const one = stage();
  one.last().say("snapshot", SNAPSHOT, "7");
  one.visible = false;
  one.feed.wake();
  await pass(HIDDEN_MS - 1000);
  assert.equal(one.last().closed, false);
  await pass(2000);
  assert.equal(one.last().closed, true);
  await pass(HIDDEN_MS);
  assert.equal(one.streams.length, 1);
  one.visible = true;
  one.feed.wake();
  assert.equal(one.streams.length, 2);
  assert.equal(one.last().lastId, "7");
  one.feed.stop();
});

withClock("an event that is gone ends it; a refusal may, too", async () => {
  const gone = stage();
  gone.last().say("gone");
  assert.deepEqual(gone.modes, ["over"]);
  await pass(60_000);
  assert.deepEqual([gone.streams.length, gone.polls], [1, 0]);

  const refused = stage({ onRefused: () => false });
  refused.pollFails = new Error("queue first");
  refused.last().say("error");
  await pass(60_000);
  assert.deepEqual([refused.streams.length, refused.polls], [1, 1]);
  assert.deepEqual(refused.modes, ["stale"]);
});

withClock("a snapshot of another map is the end of this one", async () => {
  const one = stage({ mapVersion: "m1" });
  one.last().say("snapshot", { ...SNAPSHOT, map: "m1" }, "7");
  one.last().say("snapshot", { ...SNAPSHOT, map: "m2" }, "8");
  assert.deepEqual(one.modes, ["live", "over"]);
});

withClock("a poll that fails says so and is tried again", async () => {
  const one = stage();
  one.pollFails = new Error("line cut");
  one.last().say("error");
  await settle();
  assert.deepEqual(one.modes, ["stale"]);
  one.pollFails = null;
  await pass(12_000);
  assert.deepEqual(one.modes, ["stale", "polling"]);
  one.feed.stop();
});
