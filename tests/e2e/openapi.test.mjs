/*
 * X2: the document at /openapi.json is OpenAPI 3.1, has every route, and every route does as it says: each is called so that it
 * succeeds, and its answer and request fit the schemas; each refusal that follows from the document is provoked. The routes are
 * taken from the document, which the server makes from its route tables, so a route without a row in EXERCISES fails the test.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Foyer } from './lib/server.mjs';
import { newKey } from './lib/api.mjs';
import { bought, eventBody, held, makeEvent, makeUser, makeVenue, PASSWORD, plan, publish, sale, ticketsOf, unique, venueBody } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';
import { codeAt } from './lib/totp.mjs';

let server;
let document;
let fan;
let event;
let queued; /* an event with a waiting room */
let now;
let next = 0;
const fresh = (count = 1) => Array.from({ length: count }, () => `S1-R1-${++next}`);
const SEATS = { plan: plan({ rows: 1, seats: 80 }), limits: { per_account: 100 } };

/* Each gives [api, path, body?, options?], ready to succeed. */
const EXERCISES = {
    'get /healthz': () => [server.anonymous, '/healthz'],
    'get /readyz': () => [server.anonymous, '/readyz'],
    'get /metrics': () => [server.anonymous, '/metrics'],
    'get /openapi.json': () => [server.anonymous, '/openapi.json'],
    'get /v1/services': () => [server.anonymous, '/v1/services'],
    'get /v1/users/lookup': () => [fan, `/v1/users/lookup?email=${fan.email}`],
    'post /v1/users': () => [server.anonymous, '/v1/users', { email: `o-${unique()}@example.com`, password: PASSWORD, name: 'Ola' }],
    'get /v1/users': () => [server.admin, '/v1/users?limit=2'],
    'put /v1/users/{id}/roles': () => [server.admin, `/v1/users/${fan.user.id}/roles`, { roles: [] }],
    'post /v1/sessions': () => [server.anonymous, '/v1/sessions', { email: fan.email, password: PASSWORD }],
    'delete /v1/sessions/current': async () => [await makeUser(server), '/v1/sessions/current'],
    'get /v1/me': () => [fan, '/v1/me'],
    'get /v1/me/totp': () => [fan, '/v1/me/totp'],
    'post /v1/me/totp': () => [fan, '/v1/me/totp', { password: PASSWORD }],
    'post /v1/me/totp/confirm': async () => {
        const user = await makeUser(server);
        return [user, '/v1/me/totp/confirm', { code: codeAt((await user.post('/v1/me/totp', { password: PASSWORD })).json.secret, await server.now()) }];
    },
    'delete /v1/me/totp': () => [fan, '/v1/me/totp', { password: PASSWORD, code: '123456' }],
    'delete /v1/users/{id}/totp': async () => [server.admin, `/v1/users/${(await makeUser(server)).user.id}/totp`],
    'post /v1/api-keys': () => [server.admin, '/v1/api-keys', { name: 'k', scopes: ['check-in'] }],
    'get /v1/api-keys': () => [server.admin, '/v1/api-keys'],
    'delete /v1/api-keys/{id}': async () => [server.admin, `/v1/api-keys/${(await server.admin.post('/v1/api-keys', { name: 'k', scopes: [] })).json.id}`],
    'post /v1/venues': () => [server.admin, '/v1/venues', venueBody()],
    'get /v1/venues': () => [server.admin, '/v1/venues'],
    'get /v1/venues/{id}': () => [server.admin, `/v1/venues/${event.venueId}`],
    'get /v1/events': () => [server.anonymous, '/v1/events'],
    'post /v1/events': () => [server.admin, '/v1/events', eventBody(event.venueId, now, { hold_ttl_s: 60, waiting_room: 'off' })],
    'get /v1/events/{id}': () => [server.anonymous, `/v1/events/${event.id}`],
    'patch /v1/events/{id}': () => [server.admin, `/v1/events/${event.id}`, { name: 'Another name' }],
    'post /v1/events/{id}/publish': async () => [server.admin, `/v1/events/${(await makeEvent(server, server.admin, event.venueId)).id}/publish`],
    'post /v1/events/{id}/cancel': async () => [server.admin, `/v1/events/${(await makeEvent(server, server.admin, event.venueId)).id}/cancel`],
    'post /v1/events/{id}/blocks': () => [server.admin, `/v1/events/${event.id}/blocks`, { seat_ids: ['S1-R1-80'] }],
    'delete /v1/events/{id}/blocks': () => [server.admin, `/v1/events/${event.id}/blocks`, { seat_ids: ['S1-R1-80'] }],
    'post /v1/events/{id}/areas': () => [server.admin, `/v1/events/${event.id}/areas`, { areas: [{ name: 'Terrace', capacity: 5, category: 'back' }] }],
    'get /v1/events/{id}/seatmap': () => [server.anonymous, `/v1/events/${event.id}/seatmap`],
    'get /v1/events/{id}/availability': () => [server.anonymous, `/v1/events/${event.id}/availability`],
    'get /v1/events/{id}/live': () => [server.anonymous, `/v1/events/${event.id}/live`],
    'get /v1/events/{id}/challenge': () => [fan, `/v1/events/${event.id}/challenge`],
    'get /v1/events/{id}/seats': () => [server.anonymous, `/v1/events/${event.id}/seats`],
    'get /v1/events/{id}/queue': () => [fan, `/v1/events/${queued.id}/queue`],
    'post /v1/events/{id}/queue': async () => {
        await fan.post(`/v1/events/${queued.id}/queue`); /* 201; whoever is in gets 200 */
        return [fan, `/v1/events/${queued.id}/queue`];
    },
    'get /v1/events/{id}/queue/{que}': async () => [fan, `/v1/events/${queued.id}/queue/${(await fan.post(`/v1/events/${queued.id}/queue`)).json.id}`],
    'delete /v1/events/{id}/queue/{que}': async () => [fan, `/v1/events/${queued.id}/queue/${(await fan.post(`/v1/events/${queued.id}/queue`)).json.id}`],
    'get /v1/events/{id}/queue/fairness': () => [server.anonymous, `/v1/events/${queued.id}/queue/fairness`],
    'get /v1/events/{id}/queue/entries': async () => [server.anonymous, `/v1/events/${await drawn()}/queue/entries`],
    'get /v1/events/{id}/journal-head': () => [server.anonymous, `/v1/events/${event.id}/journal-head`],
    'get /v1/events/{id}/report': () => [server.admin, `/v1/events/${event.id}/report`],
    'get /v1/events/{id}/bookings.csv': () => [server.admin, `/v1/events/${event.id}/bookings.csv`],
    'get /v1/events/{id}/sales': () => [server.admin, `/v1/events/${event.id}/sales`],
    'get /v1/events/{id}/bookings': () => [server.admin, `/v1/events/${event.id}/bookings`],
    'post /v1/events/{id}/check-ins': async () => [server.admin, `/v1/events/${event.id}/check-ins`, { scans: [{ code: (await oneTicket()).code, scanned_at: new Date(now).toISOString() }] }],
    'get /v1/events/{id}/check-in-bundle': () => [server.admin, `/v1/events/${event.id}/check-in-bundle`],
    'get /v1/me/events': () => [server.admin, '/v1/me/events'],
    'post /v1/bookings': () => [fan, '/v1/bookings', { event_id: event.id, seat_ids: fresh(2) }, { key: newKey() }],
    'get /v1/bookings/{id}': async () => [fan, `/v1/bookings/${(await held(fan, event.id, fresh())).id}`],
    'delete /v1/bookings/{id}': async () => [fan, `/v1/bookings/${(await held(fan, event.id, fresh())).id}`],
    'post /v1/bookings/{id}/checkout': async () => [fan, `/v1/bookings/${(await held(fan, event.id, fresh())).id}/checkout`],
    'post /v1/bookings/{id}/refund': async () => [server.admin, `/v1/bookings/${(await bought(server, fan, event.id, fresh())).id}/refund`],
    'get /v1/me/bookings': () => [fan, '/v1/me/bookings'],
    'get /v1/bookings/{id}/tickets': async () => [fan, `/v1/bookings/${(await bought(server, fan, event.id, fresh())).id}/tickets`],
    'get /v1/bookings/{id}/tickets.pdf': async () => [fan, `/v1/bookings/${(await bought(server, fan, event.id, fresh())).id}/tickets.pdf`],
    'get /v1/tickets/{id}/qr.svg': async () => [fan, `/v1/tickets/${(await oneTicket()).id}/qr.svg`],
    'get /v1/tickets/{id}/qr.png': async () => [fan, `/v1/tickets/${(await oneTicket()).id}/qr.png`],
    'get /v1/tickets/{id}/ticket.pdf': async () => [fan, `/v1/tickets/${(await oneTicket()).id}/ticket.pdf`],
    'post /v1/check-ins': async () => [server.admin, '/v1/check-ins', { code: (await oneTicket()).code, gate: 'A' }],
    'post /v1/payments/webhooks/{provider}': async () => {
        const body = JSON.stringify({ id: `sbe_${unique()}`, type: 'session.open', data: {} });
        return [server.anonymous, '/v1/payments/webhooks/sandbox', body, { headers: { 'sandbox-signature': server.bank.sign(body, await server.now()) } }];
    },
};

/* Whose list is closed: that is when the first one comes after the sale began. */
async function drawn() {
    await fan.post(`/v1/events/${queued.id}/queue`);
    await until(async () => (await fan.get(`/v1/events/${queued.id}/queue/fairness`)).json.revealed_seed, { what: 'the draw' });
    return queued.id;
}

async function oneTicket() {
    const booking = await bought(server, fan, event.id, fresh());
    return (await ticketsOf(fan, booking.id))[0];
}

before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    document = server.contract.document;
    fan = await makeUser(server);
    event = await sale(server, SEATS);
    queued = await sale(server, { ...SEATS, waiting_room: 'on' });
    now = await server.now();
});
after(() => server.stop());

const name = (operation) => `${operation.method} ${operation.pattern}`;
const operations = () => server.contract.operations;
/* A path of the operation whose ids are of nothing. */
const nowhere = (operation) => operation.pattern.replace('{provider}', 'sandbox').replace(/\{[^}]+\}/g, 'nothing');
const needsAuth = (operation) => operation.security.length > 0 && !operation.security.some((scheme) => Object.keys(scheme).length === 0);
const jsonOf = (operation) => operation.requestBody?.content['application/json'].schema;

test('the document is valid OpenAPI 3.1 with an operation id each', async () => {
    assert.match(document.openapi, /^3\.1\./);
    const result = await new Validator().validate(document);
    assert.ok(result.valid, JSON.stringify(result.errors, null, 1));
    const ids = operations().map((operation) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length);
    for (const operation of operations()) {
        assert.ok(operation.summary?.length > 5, name(operation));
        const named = operation.parameters.filter((parameter) => parameter.in === 'path').map((parameter) => `{${parameter.name}}`);
        assert.deepEqual(named, operation.pattern.match(/\{[^}]+\}/g) ?? [], name(operation));
    }
});

test('the document and the exercises have the same routes', () => {
    assert.deepEqual(operations().map(name).sort(), Object.keys(EXERCISES).sort());
});

test('the test clock is there only with its flag, and in no document', async () => {
    assert.ok(!JSON.stringify(document).includes('test/clock'));
    const plain = await Foyer.start({ testClock: false });
    assert.equal((await plain.anonymous.post('/v1/test/clock', { advance_ms: 1 })).status, 404);
    await plain.stop();
});

test('every route succeeds with its declared status, and the bodies fit their schemas', async (t) => {
    for (const operation of operations()) {
        await t.test(name(operation), async () => {
            const [api, path, body, options] = await EXERCISES[name(operation)]();
            const answer = await api.call(operation.method.toUpperCase(), path, body, options);
            const declared = Object.keys(operation.responses).map(Number).filter((status) => status < 400);
            assert.ok(declared.includes(answer.status), `${answer.status}, not ${declared}: ${answer.text.slice(0, 500)}`);
            assert.equal(server.contract.find(operation.method, path), operation, 'the path is of this operation');
            if (answer.status === 204) assert.equal(answer.buffer.length, 0);
            else assert.ok(operation.responses[answer.status].content, 'a body has a media type in the document');
            if (jsonOf(operation) && body) server.contract.checkSchema(jsonOf(operation), body, `${name(operation)} request`);
        });
    }
});

test('routes for people who are logged in are 401 for others, before all else', async () => {
    for (const operation of operations().filter(needsAuth)) {
        for (const [api, what] of [[server.anonymous, 'nobody'], [server.as('ses_of_nobody'), 'a stale session'], [server.as('sk_of_nobody_at_all_0000'), 'a made-up key']]) {
            const answer = await api.call(operation.method.toUpperCase(), nowhere(operation), jsonOf(operation) ? {} : undefined);
            assert.equal(answer.status, 401, `${name(operation)} for ${what}: ${answer.text}`);
            assert.equal(answer.json.type, 'unauthenticated');
            assert.match(answer.headers['www-authenticate'], /Bearer/);
        }
    }
    const open = operations().filter((operation) => !needsAuth(operation)).map(name);
    assert.deepEqual(open.sort(), [
        'get /healthz', 'get /metrics', 'get /openapi.json', 'get /readyz', 'get /v1/events', 'get /v1/events/{id}', 'get /v1/events/{id}/availability',
        'get /v1/events/{id}/journal-head',
        'get /v1/events/{id}/live', 'get /v1/events/{id}/queue', 'get /v1/events/{id}/queue/entries', 'get /v1/events/{id}/queue/fairness', 'get /v1/events/{id}/seatmap', 'get /v1/events/{id}/seats', 'get /v1/services', 'post /v1/payments/webhooks/{provider}', 'post /v1/sessions', 'post /v1/users',
    ], 'a new public route must be meant');
});

test('routes with scopes are 403 for those who have none of them', async () => {
    const scopes = ['organizer', 'check-in', 'support'];
    const keys = {};
    for (const scope of scopes) keys[scope] = server.as((await server.admin.post('/v1/api-keys', { name: scope, scopes: [scope] })).json.key);
    /* An organizer may check in. */
    const implied = { organizer: ['organizer', 'check-in'], 'check-in': ['check-in'], support: ['support'] };
    for (const operation of operations().filter((found) => found['x-scopes'])) {
        const call = (api) => api.call(operation.method.toUpperCase(), nowhere(operation), jsonOf(operation) ? {} : undefined);
        assert.equal((await call(fan)).status, 403, name(operation));
        for (const scope of scopes) {
            const answer = await call(keys[scope]);
            const isAllowed = implied[scope].some((one) => operation['x-scopes'].includes(one));
            assert.equal(answer.status === 403, !isAllowed, `${name(operation)} with ${scope}: ${answer.status}`);
        }
    }
});

test('what is nowhere is 404 where there is a path parameter', async () => {
    for (const operation of operations().filter((found) => found.pattern.includes('{id}'))) {
        const unknown = operation.pattern.includes('/users/') ? 'usr_0000000000000' : 'nothing';
        const path = operation.pattern.replace('{id}', unknown);
        const minimal = { 'put /v1/users/{id}/roles': { roles: [] }, 'post /v1/events/{id}/areas': { areas: [{}] } }[name(operation)];
        const body = minimal ?? (operation.pattern.endsWith('/blocks') ? { seat_ids: ['x'] } : jsonOf(operation) ? {} : undefined);
        const answer = await server.admin.call(operation.method.toUpperCase(), path, body);
        assert.equal(answer.status, 404, `${name(operation)}: ${answer.status} ${answer.text}`);
        assert.equal(answer.json.type, 'not-found');
    }
});

test('methods that a path has not are 405 with those it has', async () => {
    for (const pattern of Object.keys(document.paths)) {
        const path = pattern.replace('{provider}', 'sandbox').replace(/\{[^}]+\}/g, 'nothing');
        const answer = await server.admin.call('PURGE', path, undefined, { unchecked: true });
        assert.ok([405, 501].includes(answer.status), `${pattern}: ${answer.status}`);
        /* A literal segment may be a parameter of another path, which has its methods. */
        const fits = (other) => new RegExp(`^${other.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(path);
        const has = Object.entries(document.paths).filter(([other]) => other === pattern || fits(other)).flatMap(([, { ...methods }]) => Object.keys(methods));
        const unused = ['PUT', 'DELETE', 'PATCH', 'POST'].find((method) => !has.includes(method.toLowerCase()));
        if (!unused) continue;
        const wrong = await server.admin.call(unused, path, undefined, { unchecked: true });
        assert.equal(wrong.status, 405, `${unused} ${pattern}`);
        const allowed = wrong.headers.allow.split(/, */).filter((method) => !['HEAD', 'OPTIONS'].includes(method));
        assert.deepEqual(allowed.sort(), [...new Set(has.map((method) => method.toUpperCase()))].sort(), pattern);
    }
});

test('JSON routes refuse what is no JSON, no object, of another type, too large, or has a field nobody knows', async () => {
    for (const operation of operations().filter((found) => jsonOf(found) && !['post /v1/sessions', 'post /v1/api-keys'].includes(name(found)))) {
        const [api, path, , options] = await EXERCISES[name(operation)]();
        const say = (body, type = 'application/json') => api.call(operation.method.toUpperCase(), path, body, { ...options, ...(options?.key && { key: newKey() }), headers: { 'content-type': type } });
        assert.equal((await say('{"a":')).status, 400, `${name(operation)}: cut JSON`);
        assert.equal((await say('{}', 'text/plain')).status, 415, `${name(operation)}: text`);
        const unknown = await say('{"no_such_field":1}');
        assert.equal(unknown.status, 422, `${name(operation)}: ${unknown.text}`);
        assert.ok(unknown.json.errors.some((error) => error.field === 'no_such_field'), unknown.text);
        for (const field of jsonOf(operation).required ?? []) {
            const missing = await say('{}');
            assert.ok(missing.json.errors.some((error) => error.field === field), `${name(operation)}: ${field} in ${missing.text}`);
        }
        const size = operation.pattern === '/v1/venues' ? (10 << 20) + 1000 : (1 << 20) + 1000;
        assert.equal((await say(`{"x":"${'x'.repeat(size)}"}`)).status, 413, `${name(operation)}: ${size} bytes`);
    }
});

test('routes without a body take an empty object for none, and nothing in it', async () => {
    const bare = operations().filter((found) => !jsonOf(found) && !['get'].includes(found.method) && !found.pattern.includes('/webhooks/'));
    assert.ok(bare.length >= 5);
    for (const operation of bare) {
        const [api, path] = await EXERCISES[name(operation)]();
        const unknown = await api.call(operation.method.toUpperCase(), path, { no_such_field: 1 });
        assert.equal(unknown.status, 422, `${name(operation)}: ${unknown.text}`);
        assert.deepEqual(unknown.json.errors.map((error) => error.field), ['no_such_field']);
        assert.equal((await api.call(operation.method.toUpperCase(), path, '{"a":')).status, 400, name(operation));
        const empty = await api.call(operation.method.toUpperCase(), path, {});
        assert.ok(empty.status < 300, `${name(operation)}: ${empty.text}`);
    }
});

test('query parameters that a route has not are 422 with their name', async () => {
    const strict = operations().filter((found) => found.method === 'get' && found.responses[422]);
    for (const operation of strict) {
        const [api, path] = await EXERCISES[name(operation)]();
        const answer = await api.get(`${path.split('?')[0]}?no_such_parameter=1`);
        assert.equal(answer.status, 422, name(operation));
        assert.deepEqual(answer.json.errors.map((error) => error.field), ['no_such_parameter']);
        for (const parameter of operation.parameters.filter((found) => found.name === 'limit')) {
            for (const value of [parameter.schema.minimum - 1, parameter.schema.maximum + 1, 'x'])
                assert.equal((await api.get(`${path.split('?')[0]}?limit=${value}`)).status, 422, name(operation));
            assert.equal((await api.get(`${path.split('?')[0]}?limit=${parameter.schema.maximum}`)).status, 200, name(operation));
        }
    }
});

test('every POST replays by Idempotency-Key, demands it, or refuses it, as the document says', async () => {
    for (const operation of operations().filter((found) => found.method === 'post' && !found.pattern.includes('/webhooks/'))) {
        const parameter = operation.parameters.find((found) => found.name === 'Idempotency-Key');
        const [api, path, body] = await EXERCISES[name(operation)]();
        const key = newKey();
        const first = await api.call('POST', path, body, { key });
        if (!parameter) {
            assert.equal(first.json.type, 'idempotency-key-refused', name(operation));
            continue;
        }
        assert.ok(first.status < 300, `${name(operation)}: ${first.text}`);
        const second = await api.call('POST', path, body, { key });
        assert.equal(second.status, first.status, name(operation));
        assert.equal(second.text, first.text, name(operation));
        assert.equal(second.headers['idempotency-replayed'], 'true', name(operation));
        const other = await api.call('POST', path, { ...body, other: 1 }, { key });
        assert.ok([422].includes(other.status), `${name(operation)}: ${other.status} ${other.text}`);
        if (parameter.required) {
            const none = await api.call('POST', path, body);
            assert.equal(none.json.type, 'idempotency-key-required', name(operation));
        }
    }
});

test('every answer says not to sniff, and errors are problem documents of the table', async () => {
    const seen = new Set();
    for (const path of ['/healthz', '/v1/nothing', '/v1/me', '/', `/v1/events/${event.id}`]) {
        const answer = await server.anonymous.get(path);
        assert.equal(answer.headers['x-content-type-options'], 'nosniff', path);
        assert.ok(answer.headers['x-request-id'], path);
        if (answer.status >= 400) {
            assert.equal(answer.headers['content-type'], 'application/problem+json');
            assert.equal(answer.json.request_id, answer.headers['x-request-id']);
            seen.add(answer.json.type);
        }
    }
    assert.deepEqual(seen, new Set(['not-found', 'unauthenticated']));
});
