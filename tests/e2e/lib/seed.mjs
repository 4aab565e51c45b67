/* Things to sell and people to sell them to. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import path from 'node:path';
import { newKey } from './api.mjs';
import { reconcile } from './reconcile.mjs';
import { until } from './wait.mjs';

export const HOUR = 3600 * 1000;
export const DAY = 24 * HOUR;
export const iso = (ms) => new Date(ms).toISOString();
export const unique = () => randomBytes(5).toString('hex');
export const PASSWORD = 'correct horse battery';

/* A hall of `sections` × `rows` × `seats`; seats are named S1-R1-1. `areas` are [{guid, capacity}]. */
export function plan({ sections = 1, rows = 2, seats = 10, areas = [], name = 'Hall' } = {}) {
    const range = (count) => Array.from({ length: count }, (_, i) => i);
    return {
        name,
        size: { width: 1000, height: 800 },
        categories: [
            { name: 'front', color: '#2980b9' },
            { name: 'back', color: '#27ae60' },
        ],
        zones: range(sections).map((z) => ({
            name: `Section ${z + 1}`,
            position: { x: z * 300, y: 0 },
            rows: range(rows).map((r) => ({
                row_number: String(r + 1),
                position: { x: 0, y: r * 20 },
                seats: range(seats).map((s) => ({
                    seat_guid: `S${z + 1}-R${r + 1}-${s + 1}`,
                    seat_number: String(s + 1),
                    position: { x: s * 10, y: 0 },
                    category: r === 0 ? 'front' : 'back',
                })),
            })),
            areas: (z === 0 ? areas : []).map((area) => ({
                name: area.guid,
                category: 'back',
                position: { x: 0, y: 500 },
                rectangle: { width: 100, height: 50 },
                ...area,
            })),
        })),
    };
}

export const venueBody = (seatingPlan = plan(), more = {}) => ({
    name: 'Concert Hall',
    city: 'Berlin',
    country: 'DE',
    lat: 52.52,
    lon: 13.405,
    seating_plan: seatingPlan,
    ...more,
});

export async function makeVenue(api, seatingPlan, more) {
    const answer = await api.post('/v1/venues', venueBody(seatingPlan, more));
    assert.equal(answer.status, 201, answer.text);
    return answer.json;
}

export const eventBody = (venueId, nowMs, more = {}) => ({
    venue_id: venueId,
    name: 'An Evening of Tests',
    description: 'With applause.',
    category: 'concert',
    starts_at: iso(nowMs + 30 * DAY),
    onsale_at: iso(nowMs - HOUR),
    currency: 'EUR',
    prices: { front: 5000, back: 3000 },
    ...more,
});

export async function makeEvent(server, api, venueId, more) {
    const answer = await api.post('/v1/events', eventBody(venueId, await server.now(), more));
    assert.equal(answer.status, 201, answer.text);
    return answer.json;
}

export async function publish(api, eventId) {
    const answer = await api.post(`/v1/events/${eventId}/publish`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
}

/* A published event in a venue of its own; {venue, ...event}. */
export async function sale(server, { plan: seatingPlan, venue: venueMore, api = server.admin, ...more } = {}) {
    const venue = await makeVenue(api, seatingPlan, venueMore);
    const event = await makeEvent(server, api, venue.id, more);
    return { ...(await publish(api, event.id)), venueId: venue.id };
}

/* Signs up and logs in; an Api with {user, email}. */
export async function makeUser(server, { name = 'Ada Fan', email = `u-${unique()}@example.com`, roles } = {}) {
    const signUp = await server.anonymous.post('/v1/users', { email, password: PASSWORD, name });
    assert.equal(signUp.status, 201, signUp.text);
    if (roles) {
        const answer = await server.admin.put(`/v1/users/${signUp.json.id}/roles`, { roles });
        assert.equal(answer.status, 200, answer.text);
    }
    const login = await server.anonymous.post('/v1/sessions', { email, password: PASSWORD });
    assert.equal(login.status, 201, login.text);
    return Object.assign(server.as(login.json.token), { user: signUp.json, email });
}

const ID_DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const idText = (prefix, id) => `${prefix}_${Array.from({ length: 13 }, (_, i) => ID_DIGITS[Number((id >> BigInt(5 * (12 - i))) & 31n)]).join('')}`;

/* Many users who are logged in, without the time that a password takes, or with that of the account with this address: written to the database, with ids of a node that there is not. */
let manyUsers = 0;
export async function makeManyUsers(server, count, { passwordOf } = {}) {
    const now = await server.now();
    const id = (i) => (BigInt(now) << 22n) | (511n << 13n) | BigInt((manyUsers + i) % 8192);
    const people = Array.from({ length: count }, (_, i) => ({
        id: id(i), name: `Fan ${i}`, email: `m-${unique()}@example.com`, token: `ses_${randomBytes(22).toString('hex').slice(0, 43)}`,
    }));
    manyUsers += count;
    const hash = passwordOf ? `(SELECT password_hash FROM account WHERE email = '${passwordOf}')` : "'x'";
    const bytes = (token) => createHash('sha256').update(token).digest('hex');
    const statements = (blob) => [
        `INSERT INTO account (id, email, name, password_hash, roles, created_at) VALUES ${people.map(({ id, email, name }) => `(${id}, '${email}', '${name}', ${hash}, 0, ${now})`)}`,
        `INSERT INTO session (token_hash, id, account_id, created_at, expires_at) VALUES ${people.map(({ id, token }) => `(${blob(bytes(token))}, ${id}, ${id}, ${now}, ${now + 30 * DAY})`)}`,
    ].join(';');
    await server.sql({ sqlite: statements((hex) => `x'${hex}'`), postgres: statements((hex) => `'\\x${hex}'`) }, 'platform');
    return people.map(({ id, email, name, token }) => Object.assign(server.as(token), { user: { id: idText('usr', id), name, email }, email }));
}

export async function held(api, eventId, what, key = newKey()) {
    const answer = await api.hold(eventId, what, key);
    assert.equal(answer.status, 201, answer.text);
    return answer.json;
}

/* Held, and the bank's page is there: the booking with payment.url. */
export async function checkedOut(api, eventId, what) {
    const booking = typeof what === 'object' && what.id ? what : await held(api, eventId, what);
    const answer = await api.post(`/v1/bookings/${booking.id}/checkout`);
    assert.equal(answer.status, 202, answer.text);
    return paymentUrl(api, booking.id);
}

export const paymentUrl = (api, bookingId, timeout = 60000) =>
    until(async () => {
        const booking = await api.booking(bookingId);
        return booking.payment?.url && booking;
    }, { timeout, what: `the payment URL of ${bookingId}` });

export const status = (api, bookingId, wanted, timeout = 60000) =>
    until(async () => {
        const booking = await api.booking(bookingId);
        return booking.status === wanted && booking;
    }, { timeout, what: `${bookingId} to be ${wanted}` }).catch(async (error) => {
        throw new Error(`${error.message}; it is ${JSON.stringify(await api.booking(bookingId))}`);
    });

/* The whole way: a confirmed booking. */
export async function bought(server, api, eventId, what) {
    const booking = await checkedOut(api, eventId, what);
    const paid = await server.bank.pay(booking.payment.url);
    assert.equal(paid.status, 200, paid.text);
    return status(api, booking.id, 'confirmed');
}

export async function seatStates(api, eventId) {
    const { json } = await api.get(`/v1/events/${eventId}/seats`);
    return Object.fromEntries(json.seats.map((seat) => [seat.id, seat.status]));
}

export async function ticketsOf(api, bookingId) {
    const answer = await api.get(`/v1/bookings/${bookingId}/tickets`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json.data;
}

/* What the reconciliation says of a server's directory; options as in reconcile.mjs. */
export const reconciled = (server, options = {}) =>
    reconcile(server.dir, { bank: server.ownBank?.dir ?? path.join(server.dir, 'sandbox'), ...options });

/*
 * After money has come to rest: what the bank has kept is what confirmed bookings are worth, by the audit, by its ledger, and by the
 * reconciliation, which shares nothing with the audit.
 */
export async function assertReconciled(server) {
    let audit, ledger;
    const isAtRest = () => audit.totals.refunds_pending === 0 && ledger.captured === audit.totals.captured && ledger.refunded === audit.totals.refunded;
    await until(async () => {
        audit = await server.audit({ isAlone: true });
        ledger = await server.bank.summary();
        return isAtRest();
    }, { every: 100, what: 'all money to come to rest' }).catch((error) => { if (!ledger) throw error; }); /* what follows says why not */
    assert.equal(audit.totals.refunds_pending, 0, 'refunds that wait');
    assert.deepEqual(audit.findings, []);
    assert.equal(audit.clean, true);
    assert.equal(ledger.captured, audit.totals.captured, 'captured: bank against database');
    assert.equal(ledger.refunded, audit.totals.refunded, 'refunded: bank against database');
    assert.deepEqual(await reconciled(server), []);
    return { audit, ledger };
}
