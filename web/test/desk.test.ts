import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { barsOf, mergePoints, RANGES, roundUp } from "../src/organizer/chart";
import { changeMany } from "../src/organizer/blocks";
import { fromBase64url, isSignedBy, parseCode } from "../src/organizer/door/code";

const MINUTE = 60_000;
const NOW = Date.parse("2030-01-01T12:34:56.000Z");
const point = (minutesAgo: number, places: number, revenue: number, refunded = 0) => ({
  from: new Date(Math.floor(NOW / MINUTE) * MINUTE - minutesAgo * MINUTE).toISOString(),
  places,
  revenue,
  returned: refunded > 0 ? 1 : 0,
  refunded,
});

test("bars end now, keep the money of before, and add up to the whole", () => {
  const points = [point(200, 9, 900), point(10, 2, 200), point(1, 0, 0, 50), point(0, 1, 100)];
  const bars = barsOf(points, RANGES.hour, NOW, 1150);
  assert.equal(bars.length, 60);
  assert.equal(bars.at(-1)!.places, 1);
  assert.equal(bars.at(-11)!.places, 2);
  assert.equal(bars[0]!.sum, 900, "what was sold before the first bar");
  assert.deepEqual(
    bars.slice(-3).map((bar) => bar.sum),
    [1100, 1050, 1150],
  );
  const all = barsOf(points, RANGES.all, NOW, 1150);
  assert.equal(
    all.reduce((sum, bar) => sum + bar.places, 0),
    12,
  );
  assert.equal(all.at(-1)!.sum, 1150);
  assert.ok(barsOf([], RANGES.all, NOW, 0).length >= 1);
  assert.ok(barsOf([point(60 * 24 * 400, 1, 1)], RANGES.all, NOW, 1).length <= 97);
});

test("fresh points replace those of the same time and go on behind them", () => {
  const known = [point(2, 1, 1), point(1, 1, 1)];
  const fresh = [point(1, 5, 5), point(0, 1, 1)];
  assert.deepEqual(
    mergePoints(known, fresh).map((item) => item.places),
    [1, 5, 1],
  );
  assert.equal(mergePoints(known, []), known);
});

test("an axis ends at a round number that is not below the highest bar", () => {
  for (const [value, top] of [[0, 1], [1, 1], [3, 5], [21, 25], [100, 100], [101, 200], [9999, 10000]])
    assert.equal(roundUp(value!), top);
});

function signedCode(event: bigint, ticket: bigint, secret: Parameters<typeof sign>[2]): string {
  const payload = Buffer.alloc(24);
  payload.writeUInt32BE(7, 0);
  payload.writeBigUInt64BE(event, 4);
  payload.writeBigUInt64BE(ticket, 12);
  const text = `F1.${payload.toString("base64url")}`;
  return `${text}.${sign(null, Buffer.from(text), secret).toString("base64url")}`;
}

test("a code names its event and ticket, and only its own key has signed it", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const other = generateKeyPairSync("ed25519").publicKey;
  const raw = (key: typeof publicKey) => fromBase64url(key.export({ format: "jwk" }).x!);
  const text = signedCode(1n, 33n, privateKey);
  const code = parseCode(` ${text}\n`)!;
  assert.equal(code.keyId, 7);
  assert.equal(code.eventId, "evt_0000000000001");
  assert.equal(code.ticketId, "tkt_00000000000010000000000011");
  assert.equal(await isSignedBy(code, raw(publicKey)), true);
  assert.equal(await isSignedBy(code, raw(other)), false);
  const forged = parseCode(signedCode(1n, 34n, privateKey).slice(0, 36) + text.slice(36))!;
  assert.equal(await isSignedBy(forged, raw(publicKey)), false);
  for (const bad of ["", "F2" + text.slice(2), text.slice(0, -1), `${text}A`, "https://example.com"])
    assert.equal(parseCode(bad), null, bad);
});

test("where the browser knows no Ed25519, the library says the same", async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const key = fromBase64url(publicKey.export({ format: "jwk" }).x!);
  const code = parseCode(signedCode(1n, 33n, privateKey))!;
  const refuse = t.mock.method(crypto.subtle, "importKey", async () => {
    throw new DOMException("no such algorithm", "NotSupportedError");
  });
  assert.equal(await isSignedBy(code, key), true);
  code.signature[3]! ^= 1;
  assert.equal(await isSignedBy(code, key), false);
  assert.ok(refuse.mock.callCount() >= 2);
});

function blocksServer(taken: string[]): { sizes: number[] } {
  const seen = { sizes: [] as number[] };
  globalThis.fetch = (async (_path: string, init: RequestInit) => {
    const ids = (JSON.parse(init.body as string) as { seat_ids: string[] }).seat_ids;
    seen.sizes.push(ids.length);
    const conflicts = ids.filter((id) => taken.includes(id));
    const body = conflicts.length > 0 ? { type: "seats-unavailable", conflicts } : { changed: ids.length };
    return new Response(JSON.stringify(body), { status: conflicts.length > 0 ? 409 : 200 });
  }) as typeof fetch;
  return seen;
}

test("many seats go in requests of a thousand, without those that were taken meanwhile", async () => {
  const ids = Array.from({ length: 2500 }, (_, index) => `s${index}`);
  const seen = blocksServer(["s3", "s2400"]);
  const steps: number[] = [];
  const end = await changeMany("evt_1", "POST", ids, ({ done }) => steps.push(done), new AbortController().signal);
  assert.deepEqual(seen.sizes, [1000, 999, 1000, 500, 499]);
  assert.deepEqual(steps, [999, 1999, 2498]);
  assert.deepEqual([end.done, end.taken], [2498, ["s3", "s2400"]]);
});

test("blocking stops where it is told to, and at a refusal that names no seat", async () => {
  const ids = Array.from({ length: 2500 }, (_, index) => `s${index}`);
  const seen = blocksServer([]);
  const stop = new AbortController();
  const end = await changeMany("evt_1", "POST", ids, () => stop.abort(), stop.signal);
  assert.deepEqual([seen.sizes, end.done], [[1000], 1000]);
  globalThis.fetch = (async () =>
    new Response('{"type":"conflict","title":"no"}', { status: 409 })) as typeof fetch;
  await assert.rejects(changeMany("evt_1", "POST", ids, () => undefined, new AbortController().signal));
});
