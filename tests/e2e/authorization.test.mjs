/*
 * Who may do what: every route by every kind of caller, from one table. The routes are taken from /openapi.json, so a route
 * without a row fails. A cell says "ok" (the route's success) or the status of the refusal. 404 and 422 hide what is there: their
 * answers are those for an id of nothing. What refused calls leave behind is looked for in the tables they could have changed;
 * mail, search and what workers note for themselves (payment.next_at, callbacks that came) are not among them, since those move
 * at times of their own.
 *
 * The things: a fan's hold, confirmed booking and tickets, of the organizer's event in the organizer's venue.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { dump } from './lib/store.mjs';
import { newKey } from './lib/api.mjs';
import { bought, DAY, eventBody, held, makeEvent, makeUser, makeVenue, PASSWORD, plan, sale, ticketsOf, unique, venueBody } from './lib/seed.mjs';
import { codeAt } from './lib/totp.mjs';
import { until } from './lib/wait.mjs';

/*
 * bad: tokens that are none (any more), or of the hooks service, whose own table, with portal tokens that are known, is in
 * hooks_portal.test.mjs. fan: the buyer; org: the event's organizer; fan2, org2: others of the kind; sup, adm:
 * people with these roles; oper: the operator's key of the first start. Then keys of the fan, the organizer and the admin: "-"
 * without a scope, O organizer, C check-in, S support, A admin.
 */
const COLUMNS = 'nobody bad   fan fan2 org org2 sup adm oper   fan- org- orgO orgC   adm- admO admC admS admA'.split(/ +/);
const TABLE = `
get /healthz                                ok  ok    ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /readyz                                 ok  ok    ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /metrics                                ok  ok    ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /openapi.json                           ok  ok    ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/services                            ok  ok    ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok

post /v1/users                              ok  ok    ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/users                               401 401   403 403 403 403 403 ok  ok    403 403 403 403   403 403 403 403 ok
get /v1/users/lookup                        401 401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
put /v1/users/{id}/roles                    401 401   403 403 403 403 403 ok  ok    403 403 403 403   403 403 403 403 ok
post /v1/sessions                           ok  ok    ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
delete /v1/sessions/current                 401 401   ok  ok  ok  ok  ok  ok  403   403 403 403 403   403 403 403 403 403
get /v1/me                                  401 401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/me/totp                             401 401   ok  ok  ok  ok  ok  ok  403   403 403 403 403   403 403 403 403 403
post /v1/me/totp                            401 401   ok  ok  ok  ok  ok  ok  403   403 403 403 403   403 403 403 403 403
post /v1/me/totp/confirm                    401 401   ok  ok  ok  ok  ok  ok  403   403 403 403 403   403 403 403 403 403
delete /v1/me/totp                          401 401   ok  ok  ok  ok  ok  ok  403   403 403 403 403   403 403 403 403 403
delete /v1/users/{id}/totp                  401 401   403 403 403 403 403 ok  ok    403 403 403 403   403 403 403 403 ok
post /v1/api-keys                           401 401   ok  ok  ok  ok  ok  ok  ok    403 403 403 403   403 403 403 403 ok
get /v1/api-keys                            401 401   ok  ok  ok  ok  ok  ok  ok    403 403 403 403   403 403 403 403 ok
delete /v1/api-keys/{id}                    401 401   ok  404 404 404 404 ok  ok    403 403 403 403   403 403 403 403 ok

post /v1/venues                             401 401   403 403 ok  ok  403 ok  ok    403 403 ok  403   403 ok  403 403 ok
get /v1/venues                              401 401   403 403 ok  ok  403 ok  ok    403 403 ok  403   403 ok  403 403 ok
get /v1/venues/{id}                         401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
post /v1/events                             401 401   403 403 ok  422 403 ok  ok    403 403 ok  403   403 422 403 403 ok
get /v1/me/events                           401 401   403 403 ok  ok  403 ok  ok    403 403 ok  403   403 ok  403 403 ok
patch /v1/events/{id}                       401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
post /v1/events/{id}/publish                401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
post /v1/events/{id}/cancel                 401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
post /v1/events/{id}/blocks                 401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
delete /v1/events/{id}/blocks               401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
post /v1/events/{id}/areas                  401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
get /v1/events/{id}/report                  401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
get /v1/events/{id}/sales                   401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
get /v1/events/{id}/bookings                401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
get /v1/events/{id}/bookings.csv            401 401   403 403 ok  404 403 ok  ok    403 403 ok  403   403 404 403 403 ok
get /v1/events/{id}/check-in-bundle         401 401   403 403 ok  404 403 ok  ok    403 403 ok  ok    403 404 404 403 ok
post /v1/check-ins                          401 401   403 403 ok  404 403 ok  ok    403 403 ok  ok    403 404 404 403 ok
post /v1/events/{id}/check-ins              401 401   403 403 ok  404 403 ok  ok    403 403 ok  ok    403 404 404 403 ok

get /v1/events                              ok  ok    ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id}                         ok  401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id}/seatmap                 ok  401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id}/availability            ok  401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id}/challenge               401 401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id}/seats                   ok  401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id}/queue                   ok  401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id}/queue/fairness          ok  401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id}/queue/entries           ok  401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
post /v1/events/{id}/queue                  401 401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id}/queue/{que}             401 401   ok  404 404 404 404 404 404   ok  404 404 404   404 404 404 404 404
delete /v1/events/{id}/queue/{que}          401 401   ok  404 404 404 404 404 404   ok  404 404 404   404 404 404 404 404
get /v1/events/{id}/live                    ok  401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id}/journal-head            ok  401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/events/{id} (draft)                 404 401   404 404 ok  404 404 ok  ok    404 ok  ok  ok    404 404 404 404 ok
get /v1/events/{id}/seatmap (draft)         404 401   404 404 ok  404 404 ok  ok    404 ok  ok  ok    404 404 404 404 ok
get /v1/events/{id}/availability (draft)    404 401   404 404 ok  404 404 ok  ok    404 ok  ok  ok    404 404 404 404 ok
get /v1/events/{id}/seats (draft)           404 401   404 404 ok  404 404 ok  ok    404 ok  ok  ok    404 404 404 404 ok
get /v1/events/{id}/queue (draft)           404 401   404 404 ok  404 404 ok  ok    404 ok  ok  ok    404 404 404 404 ok
get /v1/events/{id}/live (draft)            404 401   404 404 ok  404 404 ok  ok    404 ok  ok  ok    404 404 404 404 ok
get /v1/events/{id}/journal-head (draft)    404 401   404 404 ok  404 404 ok  ok    404 ok  ok  ok    404 404 404 404 ok

post /v1/bookings                           401 401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
post /v1/bookings (draft)                   401 401   422 422 422 422 422 422 422   422 422 422 422   422 422 422 422 422
get /v1/me/bookings                         401 401   ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
get /v1/bookings/{id}                       401 401   ok  404 404 404 ok  ok  ok    ok  404 404 404   404 404 404 ok  ok
delete /v1/bookings/{id}                    401 401   ok  404 404 404 403 ok  ok    ok  404 404 404   404 404 404 403 ok
post /v1/bookings/{id}/checkout             401 401   ok  404 404 404 403 ok  ok    ok  404 404 404   404 404 404 403 ok
post /v1/bookings/{id}/refund               401 401   ok  404 ok  404 404 ok  ok    ok  404 ok  404   404 404 404 404 ok
get /v1/bookings/{id}/tickets               401 401   ok  404 404 404 ok  ok  ok    ok  404 404 404   404 404 404 ok  ok
get /v1/bookings/{id}/tickets.pdf           401 401   ok  404 404 404 ok  ok  ok    ok  404 404 404   404 404 404 ok  ok
get /v1/tickets/{id}/qr.svg                 401 401   ok  404 404 404 ok  ok  ok    ok  404 404 404   404 404 404 ok  ok
get /v1/tickets/{id}/qr.png                 401 401   ok  404 404 404 ok  ok  ok    ok  404 404 404   404 404 404 ok  ok
get /v1/tickets/{id}/ticket.pdf             401 401   ok  404 404 404 ok  ok  ok    ok  404 404 404   404 404 404 ok  ok

post /v1/payments/webhooks/{provider} (unsigned)  400 400   400 400 400 400 400 400 400   400 400 400 400   400 400 400 400 400
post /v1/payments/webhooks/{provider} (signed)    ok  ok    ok  ok  ok  ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok  ok  ok
`;

const ROWS = TABLE.split('\n').filter(Boolean).map((line) => {
    const [, name, cells] = /^(\S+ \S+(?: \(\w+\))?) +(.*)$/.exec(line);
    const [method, pattern] = name.split(' ');
    const expected = Object.fromEntries(cells.split(/ +/).map((cell, i) => [COLUMNS[i], cell === 'ok' ? cell : Number(cell)]));
    return { name, method, pattern, expected };
});

let server;
let callers; /* by column: {name: Api} */
let people; /* by column, those who log in */
let cookies; /* fan and org: "name=token" */
let world;
let seat = 0;
const fresh = (count = 1) => Array.from({ length: count }, () => `S1-R1-${++seat}`);

/* Each gives [path, body?, options?, api?] that would do it; of a fresh thing each time, where doing it changes the thing. */
const CALLS = {
    'post /v1/users': () => ['/v1/users', { email: `a-${unique()}@example.com`, password: PASSWORD, name: 'Ola' }],
    'get /v1/users/lookup': () => [`/v1/users/lookup?email=${world.spare.email}`],
    'put /v1/users/{id}/roles': () => [`/v1/users/${world.spare.id}/roles`, { roles: ['organizer'] }],
    'post /v1/sessions': () => ['/v1/sessions', { email: world.spare.email, password: PASSWORD }],
    'delete /v1/sessions/current': async (column) => ['/v1/sessions/current', undefined, {}, people[column] && (await logIn(people[column]))],
    'post /v1/me/totp': () => ['/v1/me/totp', { password: PASSWORD }],
    'post /v1/me/totp/confirm': async (column) => {
        const person = people[column] && (await makeUser(server)); /* the other sessions of an account end */
        const code = person ? codeAt((await person.post('/v1/me/totp', { password: PASSWORD })).json.secret, await server.now()) : '123456';
        return ['/v1/me/totp/confirm', { code }, {}, person];
    },
    'delete /v1/me/totp': () => ['/v1/me/totp', { password: PASSWORD, code: '123456' }], /* there is none: no code is asked for */
    'delete /v1/users/{id}/totp': () => [`/v1/users/${world.spare.id}/totp`],
    'post /v1/api-keys': () => ['/v1/api-keys', { name: 'k', scopes: [] }],
    'delete /v1/api-keys/{id}': async () => [`/v1/api-keys/${(await makeKey(people.fan, [])).id}`],
    'post /v1/venues': () => ['/v1/venues', venueBody(plan({ rows: 1, seats: 2 }))],
    'get /v1/venues/{id}': () => [`/v1/venues/${world.event.venueId}`],
    'post /v1/events': () => ['/v1/events', eventBody(world.event.venueId, world.now)],
    'patch /v1/events/{id}': () => [`/v1/events/${world.event.id}`, { description: unique() }],
    'post /v1/events/{id}/publish': async () => [`/v1/events/${(await draft()).id}/publish`],
    'post /v1/events/{id}/cancel': async () => [`/v1/events/${(await draft()).id}/cancel`],
    'post /v1/events/{id}/blocks': () => [`/v1/events/${world.event.id}/blocks`, { seat_ids: fresh() }],
    'delete /v1/events/{id}/blocks': async () => {
        const blocks = { seat_ids: fresh() };
        const answer = await people.org.post(`/v1/events/${world.event.id}/blocks`, blocks);
        assert.equal(answer.status, 200, answer.text);
        return [`/v1/events/${world.event.id}/blocks`, blocks];
    },
    'post /v1/events/{id}/areas': () => [`/v1/events/${world.event.id}/areas`, { areas: [{ name: `Terrace ${unique()}`, capacity: 5, category: 'back' }] }],
    'post /v1/check-ins': () => ['/v1/check-ins', { code: world.toCheckIn.pop().code, gate: 'A' }],
    'post /v1/events/{id}/check-ins': () => {
        const scans = [{ code: world.ticket.code, gate: 'B', scanned_at: new Date(world.now).toISOString() }];
        return [`/v1/events/${world.event.id}/check-ins`, { scans }];
    },
    'get /v1/events/{id}/queue/fairness': () => [`/v1/events/${world.queued.id}/queue/fairness`],
    'get /v1/events/{id}/queue/entries': () => [`/v1/events/${world.queued.id}/queue/entries`],
    'post /v1/events/{id}/queue': async (column) => {
        const path = `/v1/events/${world.queued.id}/queue`;
        for (const api of Object.values(callers[column])) await api.post(path); /* 201; whoever is in gets 200 */
        return [path];
    },
    'get /v1/events/{id}/queue/{que}': () => [`/v1/events/${world.queued.id}/queue/${world.entry.id}`],
    'delete /v1/events/{id}/queue/{que}': async () => [`/v1/events/${world.queued.id}/queue/${(await joined()).id}`],
    'post /v1/bookings': () => ['/v1/bookings', { event_id: world.event.id, seat_ids: fresh() }, { key: newKey() }],
    'post /v1/bookings (draft)': () => ['/v1/bookings', { event_id: world.draft.id, seat_ids: ['S1-R1-1'] }, { key: newKey() }],
    'get /v1/bookings/{id}': () => [`/v1/bookings/${world.booking.id}`],
    'delete /v1/bookings/{id}': async () => [`/v1/bookings/${(await held(people.fan, world.event.id, fresh())).id}`],
    'post /v1/bookings/{id}/checkout': async () => [`/v1/bookings/${(await held(people.fan, world.event.id, fresh())).id}/checkout`],
    'post /v1/bookings/{id}/refund': () => {
        const ticket = world.toRefund.pop();
        return [`/v1/bookings/${ticket.booking_id}/refund`, { ticket_ids: [ticket.id] }];
    },
    'post /v1/payments/webhooks/{provider} (unsigned)': () => ['/v1/payments/webhooks/sandbox', ...callback('sbe_forged', `t=${Math.floor(world.now / 1000)},v1=${'0'.repeat(64)}`)],
    'post /v1/payments/webhooks/{provider} (signed)': async () => {
        const [body] = callback(`sbe_${unique()}`);
        return ['/v1/payments/webhooks/sandbox', body, { headers: { 'sandbox-signature': server.bank.sign(body, await server.now()) } }];
    },
};
const callback = (id, signature) => [JSON.stringify({ id, type: 'session.open', data: {} }), { headers: { 'sandbox-signature': signature } }];
const joined = async () => (await people.fan.post(`/v1/events/${world.queued.id}/queue`)).json;
const draft = () => makeEvent(server, people.org, world.event.venueId);

function callOf(row, column) {
    if (CALLS[row.name]) return CALLS[row.name](column);
    assert.equal(row.method, 'get', `${row.name} has no call`);
    const event = row.name.endsWith('(draft)') ? world.draft : world.event;
    const id = row.pattern.includes('/events/') ? event.id : row.pattern.includes('/tickets/') ? world.ticket.id : world.booking.id;
    return [row.pattern.replace('{id}', id)];
}

async function logIn(person, body = {}) {
    const answer = await server.anonymous.post('/v1/sessions', { email: person.email, password: PASSWORD, ...body });
    assert.equal(answer.status, 201, answer.text);
    return body.cookie ? answer.headers['set-cookie'][0].split(';')[0] : server.as(answer.json.token);
}

async function makeKey(person, scopes) {
    const answer = await person.post('/v1/api-keys', { name: scopes.join() || 'none', scopes });
    assert.equal(answer.status, 201, answer.text);
    return Object.assign(server.as(answer.json.key), { id: answer.json.id });
}

async function makeCallers() {
    const gone = await makeUser(server);
    const deleted = await makeKey(gone, []);
    await gone.delete(`/v1/api-keys/${deleted.id}`);
    await server.advance(31 * DAY); /* gone's session ends with its time */
    const revoked = await logIn(gone);
    assert.equal((await revoked.delete('/v1/sessions/current')).status, 204);
    people = {};
    for (const [column, roles] of Object.entries({ fan: undefined, fan2: undefined, org: ['organizer'], org2: ['organizer'], sup: ['support'], adm: ['admin'] }))
        people[column] = await makeUser(server, { roles });
    const authorization = (value) => Object.assign(server.as(null), { headers: { authorization: value } });
    callers = {
        nobody: { nobody: server.anonymous, 'an old cookie': cookieApi('foyer_session=ses_gone') },
        bad: {
            'an expired session': gone, 'a revoked session': revoked, 'a deleted key': deleted, 'a made-up session': server.as('ses_of_nobody'),
            'a made-up key': server.as('sk_of_nobody_at_all_0000'), 'a portal token': server.as(`por_0000000000001_${'A'.repeat(43)}`), 'no Bearer': authorization('Basic YTpi'), 'an empty token': authorization('Bearer '),
        },
        oper: { oper: server.admin },
    };
    for (const [column, api] of Object.entries(people)) callers[column] = { [column]: api };
    const scopes = { '-': [], O: ['organizer'], C: ['check-in'], S: ['support'], A: ['admin'] };
    for (const column of COLUMNS.filter((name) => /[-OCSA]$/.test(name)))
        callers[column] = { [column]: await makeKey(people[column.slice(0, 3)], scopes[column[3]]) };
    cookies = { fan: await logIn(people.fan, { cookie: true }), org: await logIn(people.org, { cookie: true }) };
}

const cookieApi = (cookie, headers) => Object.assign(server.as(null), { headers: { cookie, ...headers } });

async function makeWorld() {
    const event = await sale(server, {
        api: people.org, plan: plan({ rows: 1, seats: 200 }), refund_until_s: 3600, hold_ttl_s: 3600, limits: { per_account: 100 },
    });
    world = { event, now: await server.now(), spare: await makeUser(server) };
    world.spare = { ...world.spare.user, email: world.spare.email };
    world.queued = await sale(server, { api: people.org, plan: plan({ rows: 1, seats: 2 }), waiting_room: 'on' });
    world.entry = await joined();
    await until(async () => (await people.fan.get(`/v1/events/${world.queued.id}/queue/fairness`)).json.revealed_seed, { what: 'the draw' });
    world.draft = await draft();
    world.hold = await held(people.fan, event.id, fresh());
    const bookings = await Promise.all([fresh(6), fresh(6), fresh(6)].map((seats) => bought(server, people.fan, event.id, seats)));
    const [first, second, third] = await Promise.all(bookings.map(async ({ id }) => (await ticketsOf(people.fan, id)).map((ticket) => ({ ...ticket, booking_id: id }))));
    [world.booking] = bookings;
    [world.ticket] = first;
    world.toCheckIn = [...first, third[0]];
    world.toRefund = [...second, ...third.slice(1)];
    world.other = await bought(server, people.fan2, event.id, fresh());
}

before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    await makeCallers();
    await makeWorld();
});
after(() => server.stop());

const PLATFORM_TABLES = ['account', 'session', 'api_key', 'totp', 'recovery_code', 'idempotency', 'journal', 'journal_head'];
const TICKETS_TABLES = [
    'venue', 'plan', 'plan_category', 'section', 'venue_seat', 'venue_area', 'event', 'event_price', 'event_area', 'event_cancel',
    'queue_settings', 'queue_room', 'queue_entry', 'queue_log',
    'seat_claim', 'booking', 'capture', 'ticket', 'ticket_scan', 'sale_sum', 'signing_key', 'idempotency', 'journal', 'journal_head',
];
const PAYMENTS = 'SELECT event_id, id, booking_id, provider, state, amount, currency, captured, refunded FROM payment ORDER BY 1, 2';
const REFUNDS = 'SELECT event_id, id, booking_id, amount, currency, reason, state FROM refund ORDER BY 1, 2';

/* Until no worker has anything left to change in those tables: sessions opened and closed, refunds paid, cancellations done. */
const quiet = () => until(async () => {
    const [[left]] = await server.sql(`SELECT (SELECT count(*) FROM refund WHERE state = 0) + (SELECT count(*) FROM event_cancel)
        + (SELECT count(*) FROM payment WHERE state = 1 OR (state = 2 AND is_close_wanted = 1))`);
    return left === '0';
}, { timeout: 60000, every: 100, what: 'the workers to be done' });

/* {table: its rows}, as text, of all that a refused call could have changed. */
async function contents() {
    const read = (service, tables) => Promise.all(tables.map(async (table) => [`${service}.${table}`, await dump(server.dir, service, [table])]));
    const found = Object.fromEntries([...(await read('platform', PLATFORM_TABLES)), ...(await read('tickets', TICKETS_TABLES))]);
    for (const table of ['platform.account', 'tickets.booking', 'tickets.journal']) assert.match(found[table], /^INSERT INTO/m, `${table} was read`);
    found.refund = (await server.sql(REFUNDS)).join('\n');
    found.payment = (await server.sql(PAYMENTS)).join('\n');
    found.forged = (await server.sql("SELECT * FROM provider_event WHERE provider_event_id LIKE '%forged%'")).join('\n');
    return found;
}

/* Runs what must be refused, and looks whether anything is different after it. */
async function unchanged(run) {
    await quiet();
    const earlier = await contents();
    await run();
    const later = await contents();
    for (const table of Object.keys(earlier)) assert.equal(later[table], earlier[table], `${table} has changed`);
}

const send = (api, method, [target, body, options]) =>
    api.call(method.toUpperCase(), target, body, { ...options, headers: { ...api.headers, ...options?.headers } });

const successOf = (row) => Object.keys(server.contract.operations.find((operation) => `${operation.method} ${operation.pattern}` === `${row.method} ${row.pattern}`).responses)
    .map(Number).find((status) => status < 400);

/* The same call about an id that nothing has. */
const ofNothing = (call) => JSON.parse(
    JSON.stringify(call).replace(/\b(usr|evt|ven|key)_[0-9a-z]{13}\b/g, '$1_0000000000000').replace(/\b(bkg|tkt|que)_[0-9a-z]{26}\b/g, `$1_${'0'.repeat(26)}`)
        .replace(/F1\.[\w.-]+/g, 'F1.x'),
);
const wordsOf = ({ status, json: { type, title, detail, errors } }) => ({ status, type, title, detail, errors });

/* The calls that are refused to somebody, each made ready once. */
async function refusable() {
    if (world.refusable) return world.refusable;
    world.refusable = new Map();
    for (const row of ROWS.filter((found) => COLUMNS.some((column) => isRefused(found, column)))) world.refusable.set(row, await callOf(row, 'nobody'));
    return world.refusable;
}

async function refusedCell(row, column, call) {
    for (const [who, api] of Object.entries(callers[column])) {
        const answer = await send(api, row.method, call);
        assert.equal(answer.status, row.expected[column], `${row.name} by ${who}: ${answer.text.slice(0, 300)}`);
        if (row.method === 'get') {
            const head = await api.call('HEAD', call[0], undefined, { headers: api.headers, unchecked: true });
            assert.deepEqual([head.status, head.buffer.length], [answer.status, 0], `HEAD of ${row.name} by ${who}`);
        }
        if (answer.status === 401) assert.match(answer.headers['www-authenticate'], /^Bearer/);
        if (answer.status !== 404 && answer.status !== 422) continue;
        const nothing = await send(api, row.method, ofNothing(call));
        assert.deepEqual(wordsOf(answer), wordsOf(nothing), `${row.name} by ${who} must say nothing of what is there`);
    }
}

const isRefused = (row, column) => row.expected[column] !== 'ok';

describe('authorization', () => {
    test('the table has every route of the document, and a status for every caller', () => {
        const routes = server.contract.operations.map(({ method, pattern }) => `${method} ${pattern}`);
        assert.deepEqual([...new Set(ROWS.map(({ method, pattern }) => `${method} ${pattern}`))].sort(), routes.sort());
        for (const row of ROWS) assert.deepEqual(Object.keys(row.expected), COLUMNS, row.name);
        assert.deepEqual(Object.keys(callers).sort(), [...COLUMNS].sort());
    });

    test('what is refused is refused as the table says, in the same words as for what is not there, and changes nothing', async () => {
        const calls = await refusable();
        await unchanged(async () => {
            for (const [row, call] of calls)
                await Promise.all(COLUMNS.filter((column) => isRefused(row, column)).map((column) => refusedCell(row, column, call)));
        });
    });

    test('a cookie counts for requests of the own site, and reads for all', async () => {
        const foreign = [{}, { origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site', origin: server.url }, { 'sec-fetch-site': 'same-site' }];
        const changing = [...(await refusable())].filter(([row]) => row.method !== 'get' && row.expected.bad === 401);
        assert.ok(changing.length > 15);
        await unchanged(async () => {
            for (const [row, call] of changing) {
                for (const headers of foreign) {
                    for (const cookie of Object.values(cookies)) {
                        const answer = await send(cookieApi(cookie, headers), row.method, call);
                        assert.deepEqual([answer.status, answer.json.type], [403, 'forbidden'], `${row.name} from ${JSON.stringify(headers)}: ${answer.text}`);
                    }
                }
                for (const [column, cookie] of Object.entries(cookies).filter(([name]) => isRefused(row, name))) {
                    const answer = await send(cookieApi(cookie, { origin: server.url }), row.method, call);
                    assert.equal(answer.status, row.expected[column], `${row.name} by the cookie of ${column}: ${answer.text}`);
                }
            }
            for (const row of ROWS.filter(({ method }) => method === 'get')) {
                for (const [column, cookie] of Object.entries(cookies)) {
                    const answer = await send(cookieApi(cookie, foreign[1]), 'get', await callOf(row, column));
                    assert.equal(answer.status, isRefused(row, column) ? row.expected[column] : successOf(row), `${row.name} by the cookie of ${column}`);
                }
            }
            const key = cookieApi(`foyer_session=${callers.orgO.orgO.token}`);
            assert.equal((await send(key, 'get', ['/v1/me'])).status, 401, 'a key is no cookie');
        });
    });
});

describe('other people\'s things', () => {
    /* What a body might try to set beside what its route takes. */
    const FORBIDDEN = ['id', 'account_id', 'owner', 'user_id', 'roles', 'scopes', 'is_admin', 'status', 'state', 'price', 'amount', 'revenue', 'created_at', 'expires_at', 'payment', 'captured', 'version', '__proto__'];

    test('no route with a body takes a field that is not its own: each is named with 422, and nothing is done', async () => {
        const bodies = server.contract.operations.filter((operation) => operation.requestBody?.content['application/json']);
        assert.ok(bodies.length > 10);
        const by = { '/v1/bookings': people.fan };
        const calls = [];
        for (const operation of bodies) {
            const row = ROWS.find((found) => found.method === operation.method && found.pattern === operation.pattern);
            const own = Object.keys(operation.requestBody.content['application/json'].schema.properties);
            calls.push([row, (await refusable()).get(row) ?? (await callOf(row, 'adm')), FORBIDDEN.filter((field) => !own.includes(field))]);
        }
        await unchanged(async () => {
            for (const [row, [target, body, options], fields] of calls) {
                const extra = `{${fields.map((field) => `"${field}":1`).join()}`;
                const answer = await send(by[row.pattern] ?? people.adm, row.method, [target, `${extra},${JSON.stringify(body).slice(1)}`, options]);
                assert.equal(answer.status, 422, `${row.name}: ${answer.text}`);
                assert.deepEqual(answer.json.errors.map((error) => error.field).sort(), [...fields].sort(), row.name);
            }
        });
    });

    test('nested objects take no more: limits, prices, areas', async () => {
        const event = await draft();
        const says = async (body, field, target = `/v1/events/${event.id}`, method = 'patch') => {
            const answer = await people.org.call(method.toUpperCase(), target, body);
            assert.equal(answer.status, 422, answer.text);
            assert.ok(answer.json.errors.some((error) => error.field === field), answer.text);
        };
        await unchanged(async () => {
            await says({ limits: { per_account: 5, account_id: 1 } }, 'limits.account_id');
            await says({ prices: { front: 1, account_id: 1 } }, 'prices.account_id');
            await says({ areas: [{ name: 'x', capacity: 1, category: 'back', price: 0 }] }, 'areas[0].price', `/v1/events/${event.id}/areas`, 'post');
        });
    });

    test('what a body names must be the caller\'s: tickets, places, bookings', async () => {
        const theirs = (await ticketsOf(people.fan2, world.other.id))[0].id;
        await unchanged(async () => {
            const [row, call] = [...(await refusable())].find(([found]) => found.name === 'post /v1/bookings/{id}/refund');
            for (const ids of [[theirs], [...call[1].ticket_ids, theirs]]) {
                const answer = await people.fan.post(call[0], { ticket_ids: ids });
                assert.equal(answer.status, 422, `${row.name}: ${answer.text}`);
                assert.ok(!answer.text.includes(theirs));
            }
            /* Somebody else's hold: neither taken over nor blocked from under him. */
            const taken = world.hold.seats[0].id;
            assert.equal((await people.fan2.hold(world.event.id, [taken])).json.type, 'seats-unavailable');
            const blocked = await people.org.post(`/v1/events/${world.event.id}/blocks`, { seat_ids: [taken] });
            assert.equal(blocked.status, 409, blocked.text);
            const freed = await people.org.delete(`/v1/events/${world.event.id}/blocks`, { seat_ids: [taken] });
            assert.ok(freed.status === 200 || freed.status === 409, freed.text);
        });
    });

    test('a cursor is a position only: with another\'s, a list has the caller\'s own rows', async () => {
        const first = (await people.fan.get('/v1/me/bookings?limit=1')).json;
        assert.ok(first.next_cursor);
        const [mine, theirs] = [await people.fan2.get(`/v1/me/bookings?cursor=${first.next_cursor}`), await people.fan.get('/v1/me/bookings?limit=200')];
        assert.equal(mine.status, 200);
        const ids = new Set(theirs.json.data.map((booking) => booking.id));
        assert.ok(mine.json.data.every((booking) => !ids.has(booking.id)));
        const lists = [['/v1/api-keys', 'fan', 'org'], ['/v1/venues', 'org', 'org2'], ['/v1/me/events', 'org', 'org2']];
        for (let i = 0; i < 2; i++) {
            await makeKey(people.fan, []);
            await makeVenue(people.org, plan({ rows: 1, seats: 1 }));
            await draft();
        }
        for (const [target, owner, other] of lists) {
            const { next_cursor: cursor, data } = (await people[owner].get(`${target}?limit=1`)).json;
            assert.ok(cursor, target);
            const all = (await people[owner].get(`${target}?limit=200`)).json.data.map(({ id }) => id);
            assert.ok(all.length > 1 && all.includes(data[0].id));
            const found = await people[other].get(`${target}?cursor=${cursor}`);
            assert.equal(found.status, 200);
            assert.ok(found.json.data.every(({ id }) => !all.includes(id)), target);
        }
        const elsewhere = await sale(server, { api: people.org2, plan: plan({ rows: 1, seats: 1 }) });
        const csv = await people.org2.get(`/v1/events/${elsewhere.id}/bookings.csv?cursor=${world.booking.id}`);
        assert.equal(csv.status, 422);
    });

    test('one key sent by two people is two requests, and nobody gets the other\'s answer', async () => {
        const key = newKey();
        const [seatOfOne, seatOfTwo] = [fresh(), fresh()];
        const one = await held(people.fan, world.event.id, seatOfOne, key);
        const two = await held(people.fan2, world.event.id, seatOfTwo, key);
        assert.notEqual(one.id, two.id);
        const same = await people.fan2.hold(world.event.id, seatOfOne, key);
        assert.equal(same.json.type, 'idempotency-conflict', 'the key is fan2\'s own, for another body');
        const stranger = await people.org2.hold(world.event.id, seatOfOne, key);
        assert.equal(stranger.json.type, 'seats-unavailable');

        const venue = venueBody(plan({ rows: 1, seats: 1 }));
        const [ours, others] = [await people.org.post('/v1/venues', venue, { key }), await people.org2.post('/v1/venues', venue, { key })];
        assert.deepEqual([ours.status, others.status], [201, 201]);
        assert.notEqual(ours.json.id, others.json.id);
        assert.equal(others.headers['idempotency-replayed'], undefined);

        const event = await draft();
        const published = await people.org.post(`/v1/events/${event.id}/publish`, undefined, { key: `p-${key}` });
        assert.equal(published.status, 200);
        for (const [column, status] of [['org2', 404], ['fan', 403], ['sup', 403]])
            assert.equal((await people[column].post(`/v1/events/${event.id}/publish`, undefined, { key: `p-${key}` })).status, status, column);
        assert.equal((await server.anonymous.post(`/v1/events/${event.id}/publish`, undefined, { key: `p-${key}` })).status, 401);
    });

    test('who is organizer no more gets no stored answer either, and the keys fall with the role', async () => {
        const person = await makeUser(server, { roles: ['organizer'] });
        const keys = await Promise.all([['organizer'], ['check-in']].map((scopes) => makeKey(person, scopes)));
        const [body, key] = [venueBody(plan({ rows: 1, seats: 1 })), newKey()];
        assert.equal((await person.post('/v1/venues', body, { key })).status, 201);
        assert.equal((await server.admin.put(`/v1/users/${person.user.id}/roles`, { roles: [] })).status, 200);
        await unchanged(async () => {
            assert.equal((await person.post('/v1/venues', body, { key })).status, 403);
            for (const api of keys) {
                assert.equal((await api.get('/v1/venues')).status, 403);
                assert.equal((await api.post('/v1/check-ins', { code: world.ticket.code })).status, 403);
            }
        });
    });

    test('tickets are for the organizer to refund only, when the event says so', async () => {
        const final = await sale(server, { api: people.org, plan: plan({ rows: 1, seats: 2 }), prices: { front: 100, back: 100 } });
        const booking = await bought(server, people.fan, final.id, ['S1-R1-1']);
        await unchanged(async () => {
            for (const [column, status] of [['fan', 403], ['fan-', 403], ['fan2', 404], ['org2', 404], ['sup', 404], ['org-', 404], ['orgC', 404]])
                assert.equal((await Object.values(callers[column])[0].post(`/v1/bookings/${booking.id}/refund`)).status, status, column);
        });
        assert.equal((await people.org.post(`/v1/bookings/${booking.id}/refund`)).status, 202);
    });
});

/* Hashing passwords takes long, and who is not looked up is nobody. */
const isEnough = (row, column) => !['post /v1/users', 'post /v1/sessions'].includes(row.name) || ['nobody', 'fan', 'admA'].includes(column);

/* Last: it leaves a busy world behind. */
test('what is allowed is done', async (t) => {
    for (const row of ROWS) {
        await t.test(row.name, async () => {
            const all = COLUMNS.filter((column) => !isRefused(row, column) && isEnough(row, column)).flatMap((column) => Object.entries(callers[column]).map((entry) => [column, ...entry]));
            await Promise.all(all.map(async ([column, who, caller]) => {
                const [target, body, options, own] = await callOf(row, column);
                const answer = await send(own ?? caller, row.method, [target, body, options]);
                assert.equal(answer.status, successOf(row), `${row.name} by ${who}: ${answer.text.slice(0, 300)}`);
            }));
        });
    }
});
