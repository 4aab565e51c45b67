/*
 * Is everything that clients were told still true? Looked at from outside, through the API, as the clients would; the bank's
 * ledger, the audit and a count in the journal are further witnesses. What is wrong is named.
 */
import assert from 'node:assert/strict';
import { until } from '../wait.mjs';
import { reconciled, seatStates } from '../seed.mjs';
import { isPostgres } from '../store.mjs';
import { each } from './books.mjs';

const OWNING = ['held', 'payment_pending', 'confirmed', 'partially_refunded', 'refund_pending'];
const AFTER_SALE = ['refund_pending', 'partially_refunded', 'refunded'];

async function pages(user, path) {
    const rows = [];
    for (let cursor = ''; cursor !== null; ) {
        const answer = await user.get(`${path}?limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
        assert.equal(answer.status, 200, answer.text);
        rows.push(...answer.json.data);
        cursor = answer.json.next_cursor ?? null;
    }
    return rows;
}

/* --- Bookings --- */

/* The states that a booking may be in by what was told of it. */
function statesOf(record, nowMs) {
    const isOver = record.mayExpire || Date.parse(record.hold.expires_at) <= nowMs;
    if (record.cancelled) return ['cancelled', 'refund_pending', 'refunded'];
    if (record.event.isCancelled) return record.confirmed ? ['confirmed', ...AFTER_SALE] : ['cancelled', 'refund_pending', 'refunded'];
    if (record.confirmed) return record.refunds.length > 0 ? AFTER_SALE : ['confirmed'];
    const expired = isOver ? ['expired'] : [];
    if (record.paid === 'succeeded') return ['payment_pending', 'confirmed', ...(isOver ? ['expired', 'refund_pending', 'refunded'] : [])];
    if (record.paid) return ['payment_pending', 'failed', ...expired];
    if (record.checkedOut) return ['payment_pending', ...expired];
    return ['held', ...expired];
}

function checkBooking(record, shown, nowMs) {
    const { id, hold } = record;
    assert.ok(shown, `${id} was acknowledged and is gone`);
    for (const name of ['event_id', 'seats', 'areas', 'amount', 'currency', 'created_at'])
        assert.deepEqual(shown[name], hold[name], `${id}: ${name} is not what was acknowledged`);
    assert.ok(Date.parse(shown.expires_at) >= Date.parse(hold.expires_at), `${id} ends earlier than acknowledged`);
    const states = statesOf(record, nowMs);
    assert.ok(states.includes(shown.status), `${id} is ${shown.status}, by what was acknowledged it can only be ${states.join(' or ')}`);
    if (record.paymentId) assert.equal(shown.payment?.id, record.paymentId, `${id} has lost its payment`);
    if (shown.status === 'confirmed') record.confirmed = true;
}

async function listBookings(world) {
    const lists = await Promise.all(world.users.map((user) => pages(user, '/v1/me/bookings')));
    return new Map(lists.flat().map((booking) => [booking.id, booking]));
}

/* Every booking that was acknowledged is there as it was told, and there is none that nobody was told of. */
export async function checkBookings(world, books) {
    const shown = await listBookings(world);
    const nowMs = await world.server.now();
    for (const record of books.bookings.values()) checkBooking(record, shown.get(record.id), nowMs);
    for (const id of shown.keys()) assert.ok(books.bookings.has(id), `${id} is there, but nobody was ever told of it`);
    return shown;
}

/* --- Seats --- */

const refundedTickets = (record) => new Set(record.refunds.flatMap((refund) => refund.ticket_ids));

/* What a booking still owns: {seats: [id], floor: places}. */
function placesOf(record, booking) {
    const quantity = booking.areas.reduce((sum, area) => sum + area.quantity, 0);
    const seats = booking.seats.map((seat) => seat.id);
    if (record.refunds.length === 0) return { seats, floor: quantity };
    const gone = refundedTickets(record);
    const left = record.tickets.filter((ticket) => !gone.has(ticket.id));
    const seated = left.filter((ticket) => ticket.seat);
    return { seats: seated.map((ticket) => ticket.seat.id), floor: left.length - seated.length };
}

/* By what clients were told, each place has one owner; and the map that buyers see says the same. */
export async function checkSeats(world, books, shown, events) {
    const owners = new Map();
    const floors = new Map();
    for (const record of books.bookings.values()) {
        const booking = shown.get(record.id);
        if (!OWNING.includes(booking.status) || record.event.isCancelled) continue;
        const { seats, floor } = placesOf(record, booking);
        floors.set(booking.event_id, (floors.get(booking.event_id) ?? 0) + floor);
        for (const seat of seats) {
            const place = `${booking.event_id} ${seat}`;
            assert.ok(!owners.has(place), `${place} is sold to ${owners.get(place)?.id} and to ${record.id}`);
            owners.set(place, { id: record.id, state: record.confirmed ? 'booked' : 'held' });
        }
    }
    await each(events.filter((event) => !event.isCancelled), async (event) => {
        const states = await seatStates(world.server.anonymous, event.id);
        for (const [seat, state] of Object.entries(states)) {
            const owner = owners.get(`${event.id} ${seat}`);
            assert.equal(state, owner?.state ?? 'available', `${event.id} ${seat}, owned by ${owner?.id ?? 'nobody'}`);
        }
        const { json } = await world.server.anonymous.get(`/v1/events/${event.id}/availability`);
        const [area] = json.areas;
        assert.equal(area.total - area.available, floors.get(event.id) ?? 0, `${event.id}: places taken on the floor`);
    });
}

/* --- Tickets, refunds, the door --- */

async function checkAfterSale(world, record) {
    const answer = await record.user.get(`/v1/bookings/${record.id}/tickets`);
    assert.equal(answer.status, 200, answer.text);
    const tickets = answer.json.data;
    const places = record.hold.seats.length + record.hold.areas.reduce((sum, area) => sum + area.quantity, 0);
    assert.equal(tickets.length, places, `${record.id}: tickets`);
    const stable = (list) => list.map(({ id, code, seat, price }) => ({ id, code, seat, price }));
    record.tickets ??= tickets;
    assert.deepEqual(stable(tickets), stable(record.tickets), `${record.id}: its tickets are not those that were acknowledged`);
    const gone = refundedTickets(record);
    for (const ticket of tickets) {
        const isUsed = record.checkIns.some((told) => told.ticketId === ticket.id);
        const isRevoked = gone.has(ticket.id) || record.event.isCancelled;
        const wanted = isUsed ? 'used' : isRevoked ? 'revoked' : 'valid';
        assert.equal(ticket.status, wanted, `${ticket.id} of ${record.id}`);
    }
    for (const { code, gate, at } of record.checkIns) {
        const again = await world.organizer.post('/v1/check-ins', { code, gate: 'again' });
        assert.equal(again.status, 409, `${record.id}: a ticket that was used lets in again: ${again.text}`);
        assert.deepEqual([again.json.gate, again.json.first_at], [gate, at], `${record.id}: the check-in that was acknowledged`);
    }
}

export const checkTickets = (world, records) =>
    each(records.filter((record) => record.confirmed), (record) => checkAfterSale(world, record));

/* --- Organizers --- */

export async function checkMade(world, books) {
    const found = { venue: await pages(world.organizer, '/v1/venues'), event: await pages(world.organizer, '/v1/me/events') };
    for (const kind of ['venue', 'event']) {
        const ids = new Map();
        for (const { name, id } of found[kind]) {
            assert.ok(!ids.has(name), `${kind} "${name}" is there twice: ${ids.get(name)} and ${id}`);
            ids.set(name, id);
        }
        for (const [name, id] of books.made[kind]) assert.equal(ids.get(name), id, `${kind} "${name}" was acknowledged as ${id}`);
    }
}

/* --- Money --- */

function isAtRest(record, { status }) {
    if (status === 'refund_pending') return false;
    if (record.paid === 'succeeded') return ['confirmed', 'partially_refunded', 'refunded'].includes(status);
    return record.paid !== 'failed' || status !== 'payment_pending';
}

/* Waits, with the clock, until what was paid is sold or given back and what was asked back is refunded. */
export async function settle(world, books) {
    let waiting = [...books.touched].map((id) => books.bookings.get(id)).filter((record) => record.checkedOut);
    await world.untilMoving(async () => {
        const shown = await each(waiting, (record) => record.user.booking(record.id));
        waiting = waiting.filter((record, index) => !isAtRest(record, shown[index]));
        return waiting.length === 0;
    }, `the money of ${waiting.map((record) => record.id).slice(0, 4)}... to come to rest`);
}

/* Captured minus refunded is what confirmed sales are worth: by the bank, by the audit, and by what buyers see. */
export async function checkMoney(world, books, shown) {
    let audit;
    let ledger;
    await world.untilMoving(async () => {
        audit = await world.server.audit({ isAlone: true });
        ledger = await world.server.bank.summary();
        return audit.totals.refunds_pending === 0;
    }, 'all refunds to be paid');
    assert.deepEqual(audit.findings, []);
    assert.equal(audit.clean, true);
    const { captured, refunded } = audit.totals;
    assert.deepEqual([ledger.captured, ledger.refunded], [captured, refunded], 'captured and refunded: bank against database');
    let worth = 0;
    for (const record of books.bookings.values()) {
        const booking = shown.get(record.id);
        if (record.confirmed) worth += booking.amount - booking.refunded_amount;
        const told = record.refunds.reduce((sum, refund) => sum + refund.amount, 0);
        if (!record.event.isCancelled && record.confirmed) assert.equal(booking.refunded_amount, told, `${record.id}: refunded`);
    }
    assert.equal(ledger.captured - ledger.refunded, worth, 'the bank has what confirmed sales are worth');
    await checkSessions(world, books);
    assert.deepEqual(await reconciled(world.server, { isAtRest: false }), []);
    return audit;
}

/* The bank took money once for a payment, and forgot none that it has acknowledged. */
async function checkSessions(world, books) {
    const sessions = new Map();
    for (const session of await world.server.bank.sessions()) {
        assert.ok(!sessions.has(session.reference), `the bank has two sessions for ${session.reference}`);
        sessions.set(session.reference, session);
    }
    for (const record of books.bookings.values()) {
        if (record.paid === 'succeeded')
            assert.equal(sessions.get(record.paymentId)?.captured, record.hold.amount, `the bank has forgotten the money for ${record.id}`);
    }
}

/* No cancelled event has bookings left to be undone. */
export const untilCancelled = (world) =>
    until(async () => {
        const [[count]] = await world.server.sql('SELECT COUNT(*) FROM event_cancel');
        return count === '0';
    }, { timeout: 120000, every: 20, what: 'cancellations to be done' });

/* Each thing happened to a booking at most once, by the journal; nobody is left halfway through an import or a cancellation. */
export async function checkJournal(world) {
    const steps = ['held', 'payment_pending', 'confirmed', 'expired', 'cancelled', 'failed'];
    const types = steps.map((step) => `'booking.${step}'`).join(', ');
    const twice = await world.server.sql(`SELECT shard, json_extract(data, '$.booking') AS booking, type, COUNT(*) FROM journal
        WHERE type IN (${types}) GROUP BY 1, 2, 3 HAVING COUNT(*) > 1`);
    assert.deepEqual(twice, [], 'happened more than once');
    /* On PostgreSQL another node may be importing them: they stay for an hour. */
    if (!isPostgres) {
        const orphans = await world.server.sql('SELECT COUNT(*) FROM section WHERE venue_id NOT IN (SELECT id FROM venue)');
        assert.deepEqual(orphans, [['0']], 'sections of venues that nobody has');
    }
    await untilCancelled(world);
}

/* All of it. events: whose seats are looked at one by one; everything: not only what this round has touched. */
export async function checkAll(world, books, events, everything = false) {
    await settle(world, books);
    const shown = await checkBookings(world, books);
    const records = everything ? [...books.bookings.values()] : [...books.touched].map((id) => books.bookings.get(id));
    await checkTickets(world, records);
    await checkSeats(world, books, shown, events);
    await checkMade(world, books);
    await checkJournal(world);
    return checkMoney(world, books, shown);
}
