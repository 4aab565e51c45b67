import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { call, get, messageOf, NetworkError, Problem } from "../src/api/client";
import { errorOf, toFormErrors } from "../src/ui/forms";

const realFetch = globalThis.fetch;
afterEach(() => void (globalThis.fetch = realFetch));

interface Sent {
  method: string;
  key: string | null;
}

/** Answers one after the other; an Error breaks the line. */
function answers(list: (Response | Error)[]): Sent[] {
  const sent: Sent[] = [];
  globalThis.fetch = async (_path, init) => {
    sent.push({
      method: init?.method ?? "GET",
      key: new Headers(init?.headers).get("idempotency-key"),
    });
    const next = list.shift();
    if (!next || next instanceof Error) throw next ?? new TypeError("no more answers");
    return next;
  };
  return sent;
}

const problem = (status: number, body: object, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });

test("a busy server is asked again after Retry-After, with the same key", async () => {
  const sent = answers([
    problem(503, { type: "overloaded" }, { "retry-after": "0.05" }),
    new TypeError("line cut"),
    new Response('{"id":"bkg_1"}', { status: 201 }),
  ]);
  assert.deepEqual(await call("POST", "/v1/bookings", { body: {}, key: "k1" }), { id: "bkg_1" });
  assert.deepEqual(
    sent.map((item) => item.key),
    ["k1", "k1", "k1"],
  );
});

test("a write without a key is never repeated", async () => {
  const sent = answers([new TypeError("line cut"), new Response("{}")]);
  await assert.rejects(call("POST", "/v1/sessions", { body: {} }), NetworkError);
  assert.equal(sent.length, 1);
});

test("a long Retry-After is left to the person", async () => {
  const sent = answers([
    problem(429, { type: "rate-limited", detail: "Slow down." }, { "retry-after": "60" }),
  ]);
  await assert.rejects(get("/v1/events"), (error: unknown) => {
    assert.ok(error instanceof Problem);
    assert.equal(error.retryAfterS, 60);
    assert.equal(messageOf(error), "Slow down.");
    return true;
  });
  assert.equal(sent.length, 1);
});

test("refusals are problems with their fields, and 5xx texts stay inside", async () => {
  answers([
    problem(422, {
      type: "validation",
      errors: [
        { field: "seating_plan.zones[1].name", message: "is required" },
        { field: "city", message: "is required" },
      ],
    }),
  ]);
  const refusal = await get("/x").catch((error: unknown) => error);
  const errors = toFormErrors(refusal, ["city", "name"]);
  assert.equal(errorOf(errors, "city"), "is required");
  assert.equal(errorOf(errors, "name"), undefined);
  assert.equal(errors.general, "seating_plan.zones[1].name: is required");
  answers([new Response("<html>stack trace</html>", { status: 500 })]);
  const failure = await get("/x").catch((error: unknown) => error);
  assert.doesNotMatch(messageOf(failure), /stack|500/);
});

test("204 has no body", async () => {
  answers([new Response(null, { status: 204 })]);
  assert.equal(await call("DELETE", "/v1/sessions/current"), undefined);
});
