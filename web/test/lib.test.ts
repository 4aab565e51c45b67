import assert from "node:assert/strict";
import { test } from "node:test";
import { observeServerDate, serverNow } from "../src/api/clock";
import { factWords } from "../src/booking/facts";
import { formatRemaining, remainingMs, spokenRemaining } from "../src/lib/countdown";
import { calendarText } from "../src/lib/ics";
import { formatMoney, formatPriceRange, minorDigits, parseMoney } from "../src/lib/money";
import { matchPath, safeReturn } from "../src/lib/router";
import { BLOCKED, BOOKED, decodeSeatBits, FREE, HELD } from "../src/lib/seatbits";

test("money has the digits of its currency", () => {
  assert.equal(minorDigits("EUR"), 2);
  assert.equal(minorDigits("JPY"), 0);
  assert.equal(minorDigits("KWD"), 3);
  assert.match(formatMoney(1250, "EUR"), /12[.,]50/);
  assert.match(formatMoney(1250, "JPY"), /1[.,\s]?250/);
  assert.match(formatMoney(1250, "KWD"), /1[.,]250/);
  assert.match(formatMoney(5, "not a currency"), /0\.05/);
});

test("a price range of one price is one price, and nothing is free", () => {
  assert.equal(formatPriceRange(500, 500, "EUR"), formatMoney(500, "EUR"));
  assert.equal(formatPriceRange(0, 0, "EUR"), "Free");
  assert.match(formatPriceRange(500, 900, "EUR"), / – /);
});

test("typed amounts become minor units exactly, or are refused", () => {
  assert.equal(parseMoney("12.50", "EUR"), 1250);
  assert.equal(parseMoney("12,5", "EUR"), 1250);
  assert.equal(parseMoney(" 12 ", "EUR"), 1200);
  assert.equal(parseMoney("0.29", "EUR"), 29);
  assert.equal(parseMoney("1200", "JPY"), 1200);
  assert.equal(parseMoney("1.234", "KWD"), 1234);
  for (const bad of ["", "-1", "1.234", "abc", "1e3", "1.2.3", "1 000", "9".repeat(10)])
    assert.equal(parseMoney(bad, "EUR"), null, bad);
  assert.equal(parseMoney("1.5", "JPY"), null);
});

test("the countdown rounds up and ends at zero", () => {
  const until = "2030-01-01T00:10:00.000Z";
  const start = Date.parse("2030-01-01T00:00:00.000Z");
  assert.equal(formatRemaining(remainingMs(until, start)), "10:00");
  assert.equal(formatRemaining(remainingMs(until, start + 1)), "10:00");
  assert.equal(formatRemaining(remainingMs(until, start + 599_001)), "0:01");
  assert.equal(formatRemaining(remainingMs(until, start + 600_000)), "0:00");
  assert.equal(remainingMs(until, start + 700_000), 0);
  assert.equal(remainingMs("no date", start), 0);
  assert.equal(formatRemaining(3_723_000), "1:02:03");
  assert.equal(formatRemaining(25 * 3600_000), "1 day 1 h");
});

test("the countdown speaks at whole minutes and near the end only", () => {
  assert.equal(spokenRemaining(120_000), "2 minutes left");
  assert.equal(spokenRemaining(60_000), "1 minute left");
  assert.equal(spokenRemaining(119_000), null);
  assert.equal(spokenRemaining(10_000), "10 seconds left");
  assert.equal(spokenRemaining(0), "Time is up");
});

test("the server's clock is found between the bounds of its Date headers", () => {
  const now = Date.now();
  const ahead = 3600_000;
  observeServerDate(new Date(Math.floor((now + ahead) / 1000) * 1000).toUTCString(), now - 20, now);
  assert.ok(Math.abs(serverNow() - (Date.now() + ahead)) <= 1100);
  observeServerDate(null, now, now);
  observeServerDate("nonsense", now, now);
  assert.ok(
    Math.abs(serverNow() - (Date.now() + ahead)) <= 1100,
    "what is no date changes nothing",
  );
  observeServerDate(new Date(now).toUTCString(), now, now);
  assert.ok(Math.abs(serverNow() - Date.now()) <= 1100, "a clock that was set back is believed");
});

test("two bits a seat, lowest first, missing bytes blocked", () => {
  const states = new Uint8Array(6);
  assert.equal(decodeSeatBits(Uint8Array.of(0b11_10_01_00), 6, states), true);
  assert.deepEqual([...states], [FREE, HELD, BOOKED, BLOCKED, BLOCKED, BLOCKED]);
  assert.equal(decodeSeatBits(Uint8Array.of(0b11_10_01_00), 6, states), false);
  assert.equal(decodeSeatBits(Uint8Array.of(0b11_10_01_00, 0), 6, states), true);
  assert.deepEqual([...states], [FREE, HELD, BOOKED, BLOCKED, FREE, FREE]);
});

test("paths match by segment", () => {
  assert.deepEqual(matchPath("/events/:id", "/events/evt_1"), { id: "evt_1" });
  assert.deepEqual(matchPath("/events/:id", "/events/evt_1/"), { id: "evt_1" });
  assert.deepEqual(matchPath("/", "/"), {});
  assert.equal(matchPath("/events/:id", "/events/"), null);
  assert.equal(matchPath("/events/:id", "/events/a/b"), null);
  assert.equal(matchPath("/events/:id", "/events/%zz"), null);
});

test("a login returns only to pages of this site", () => {
  assert.equal(safeReturn("/events/evt_1?x=1"), "/events/evt_1?x=1");
  for (const bad of [
    null,
    "",
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "javascript:alert(1)",
  ]) {
    assert.equal(safeReturn(bad), "/", String(bad));
  }
});

test("a calendar entry escapes text and folds long lines", () => {
  const text = calendarText(
    {
      uid: "bkg_1",
      title: "Winter; Summer, and more",
      startsAt: "2030-05-01T19:30:00.000Z",
      location: "Hall",
      description: `${"é".repeat(80)}\nsecond`,
      url: "http://127.0.0.1/bookings/bkg_1",
    },
    new Date("2030-01-01T00:00:00Z"),
  );
  assert.match(text, /SUMMARY:Winter\\; Summer\\, and more\r\n/);
  assert.match(text, /DTSTART:20300501T193000Z\r\n/);
  for (const line of text.split("\r\n")) assert.ok(Buffer.byteLength(line) <= 75, line);
  assert.ok(text.replace(/\r\n /g, "").includes("\\nsecond"));
});

test("what became of a booking is told in words, and nothing else is", () => {
  const words = (event: string, data?: object): string | null => factWords({ event, data });
  const money = { amount: 1250, currency: "EUR" };
  assert.match(
    words("booking.confirmed", { seats: [{}, {}], areas: [{ quantity: 3 }], ...money }) ?? "",
    /^5 tickets bought for .*12[.,]50/,
  );
  assert.equal(words("tickets.revoked", { ticket_ids: ["t"], ...money }), "1 ticket given back");
  assert.match(words("payment.refunded", money) ?? "", /12[.,]50.* paid back$/);
  assert.equal(words("event.cancelled", { event: { name: "Gala" } }), "Gala was cancelled");
  for (const other of [words("renamed"), words("added", {}), factWords(null), factWords("x")])
    assert.equal(other, null);
});
