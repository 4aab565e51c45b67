// The portal's pure parts: texts that keep every digit, phases, percentiles, headers that change, pauses between questions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { payloadText, query } from "../src/portal/api";
import { headerChange } from "../src/portal/EndpointForm";
import { groupsOf } from "../src/portal/EventTypePicker";
import {
  fromNow,
  isJson,
  latencyPoints,
  outcomeOf,
  percentile,
  phasesOf,
  prettyJson,
  typesOf,
} from "../src/portal/text";
import type { Attempt, Timings } from "../src/portal/types";
import { nextPause } from "../src/portal/usePoll";

const timings = (more: Partial<Timings> = {}): Timings => ({
  queuedMs: 1,
  dnsMs: null,
  connectMs: 2,
  tlsMs: null,
  firstByteMs: 3,
  totalMs: 10,
  ...more,
});
const attempt = (more: Partial<Attempt> = {}): Attempt => ({
  id: "atmpt_1",
  msgId: "msg_1",
  endpointId: "ep_1",
  timestamp: "2030-01-01T00:00:00.000Z",
  statusText: "success",
  triggerType: 0,
  url: "http://a/",
  responseStatusCode: 200,
  responseDurationMs: 10,
  response: "",
  responseHeaders: null,
  error: null,
  timings: timings(),
  ...more,
});

test("pretty JSON keeps digits, order and what is inside of texts", () => {
  const raw =
    '{"b":12345678901234567890,"a":1.50,"t":"{\\"x\\":[1,2]} , :","e":[],"o":{ },"l":[1,[2]]}';
  const pretty = prettyJson(raw);
  assert.match(pretty, /^\{\n {2}"b": 12345678901234567890,\n {2}"a": 1\.50,\n/);
  assert.ok(pretty.includes('"t": "{\\"x\\":[1,2]} , :"'));
  assert.ok(pretty.includes('"e": []') && pretty.includes('"o": {}'));
  assert.deepEqual(JSON.parse(pretty), JSON.parse(raw));
  assert.equal(prettyJson(pretty), pretty);
  for (const broken of ["{", '"', '{"a', "}}}]", "[,"]) assert.ok(prettyJson(broken).length > 0);
});

test("only objects and lists count as JSON to be laid out", () => {
  for (const text of ["{}", " [1]"]) assert.ok(isJson(text));
  for (const text of ["", "1", '"a"', "<p>", "{", "{}x"]) assert.ok(!isJson(text));
});

test("the payload is cut out of the answer as its bytes stand", () => {
  const answer = '{"id":"m","eventId":"x\\",\\"payload\\":1","payload":{"n": 1.0,"payload":2}}';
  assert.equal(payloadText(answer, {}), '{"n": 1.0,"payload":2}');
  assert.equal(payloadText('{"payload":1,"later":2}', 1), "1");
});

test("phases add up to what was waited for, and the rest is the body", () => {
  const names = (given: Timings): string =>
    phasesOf(given)
      .map(({ word, ms }) => `${word} ${ms}`)
      .join(", ");
  assert.equal(names(timings()), "Queued 1, Connect 2, First byte 3, Body 5");
  const stuck = timings({ connectMs: null, firstByteMs: null, totalMs: 15_000 });
  assert.equal(names(stuck), "Queued 1, Waited 15000");
  assert.equal(names(timings({ totalMs: null })), "Queued 1, Connect 2, First byte 3");
  assert.equal(names(timings({ totalMs: 1 })), "Queued 1, Connect 2, First byte 3, Body 0");
});

test("latency: groups of equal count, from old to new", () => {
  assert.deepEqual(latencyPoints([]), []);
  assert.equal(latencyPoints([attempt({ timings: timings({ totalMs: null }) })]).length, 0);
  const many = Array.from({ length: 250 }, (_, i) =>
    attempt({ timestamp: `${999 - i}`, timings: timings({ totalMs: i }) }),
  );
  const points = latencyPoints(many);
  assert.ok(points.length <= 24);
  assert.equal(
    points.reduce((sum, { count }) => sum + count, 0),
    250,
  );
  assert.equal(points[0]!.from, "750");
  assert.equal(points.at(-1)!.to, "999");
  assert.ok(points.every(({ p50, p99 }) => p50 <= p99));
  assert.equal(percentile([1, 2, 3, 4], 0.5), 2);
  assert.equal(percentile([7], 0.99), 7);
  assert.equal(percentile([], 0.5), 0);
});

test("words for outcomes, filters and times", () => {
  assert.equal(outcomeOf(attempt()), "200");
  const failed = { statusText: "fail" as const, responseStatusCode: 0 };
  assert.equal(
    outcomeOf(attempt({ ...failed, error: { class: "head_too_large", text: "" } })),
    "head too large",
  );
  assert.equal(typesOf({ eventTypes: null }), "all events");
  assert.equal(typesOf({ eventTypes: ["a", "b", "c", "d"] }), "a, b and 2 more");
  assert.equal(fromNow("2030-01-01T00:00:05.000Z", Date.parse("2030-01-01T00:00:00Z")), "in 5.0 s");
  assert.equal(fromNow("2030-01-01T00:00:05.000Z", Date.parse("2030-01-01T01:00:00Z")), "now");
});

test("headers: given ones are set, missing ones deleted, hidden ones stay", () => {
  const change = headerChange(
    ["X-A", "Authorization", "X-Gone"],
    [
      { name: "x-a", value: "2", isHidden: false },
      { name: "Authorization", value: "", isHidden: true },
      { name: " X-New ", value: "3", isHidden: false },
      { name: "", value: "nothing", isHidden: false },
    ],
  );
  assert.deepEqual(change, { headers: { "x-a": "2", "X-New": "3" }, deleteHeaders: ["X-Gone"] });
});

test("event types come in groups by what stands before the dot", () => {
  const types = ["b.two", "plain", "a.x", "b.one"].map((name) => ({
    name,
    description: "",
    groupName: null,
    deprecated: false,
  }));
  const groups = groupsOf(types).map(([group, members]) => [
    group,
    members.map(({ name }) => name),
  ]);
  assert.deepEqual(groups, [
    ["", ["plain"]],
    ["a", ["a.x"]],
    ["b", ["b.two", "b.one"]],
  ]);
});

test("questions come soon after a change, ever later without one, and within bounds", () => {
  let pause = nextPause(9000, "changed");
  assert.ok(pause <= 2000);
  for (let i = 0; i < 50; i++) pause = nextPause(pause, "same");
  assert.equal(pause, 15_000);
  for (let i = 0; i < 50; i++) pause = nextPause(pause, "failed");
  assert.equal(pause, 60_000);
});

test("a query leaves out what is not asked for", () => {
  assert.equal(query({}), "");
  assert.equal(query({ a: "x y", b: undefined, c: "", limit: 5 }), "?a=x+y&limit=5");
});
