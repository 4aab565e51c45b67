/*
 * A small season with everything in it that a real one has: bookings that were confirmed, given back in part and whole, cancelled, expired,
 * failed and paid late, areas, blocked seats, people who went in, an event that was called off, one free of charge, two currencies. What the
 * audit and the reconciliation are tried on.
 */
import assert from 'node:assert/strict';
import { until } from './wait.mjs';
import { bought, checkedOut, held, iso, makeUser, plan, sale, status, ticketsOf } from './seed.mjs';

const MINUTE = 60 * 1000;
const HALL = plan({ rows: 3, seats: 20, areas: [{ guid: 'floor', capacity: 20 }] });
const row = (number, ...seats) => seats.map((seat) => `S1-R${number}-${seat}`);

async function refund(server, booking, ticketIds, wanted) {
    const answer = await server.admin.post(`/v1/bookings/${booking.id}/refund`, ticketIds ? { ticket_ids: ticketIds } : {});
    assert.equal(answer.status, 202, answer.text);
    await status(server.admin, booking.id, wanted, 60000);
}

async function checkIn(server, ticket) {
    const answer = await server.admin.post('/v1/check-ins', { code: ticket.code, gate: 'north' });
    assert.equal(answer.status, 200, answer.text);
}

/* Doors without a network: the later scan comes first, then the earlier one of another gate. */
async function checkInOffline(server, eventId, ticket) {
    const now = await server.now();
    for (const [gate, later] of [['south', 2000], ['west', 1000]]) {
        const scans = [{ code: ticket.code, gate, scanned_at: iso(now + later) }];
        const answer = await server.admin.post(`/v1/events/${eventId}/check-ins`, { scans });
        assert.equal(answer.json?.results[0].result, 'in', answer.text);
    }
}

/* Money that comes after the booking's time: for places that are free still, and for places that are not. */
async function payLate(server, user, other, eventId) {
    const reclaimed = await checkedOut(user, eventId, row(2, 1, 2));
    const refunded = await checkedOut(user, eventId, row(2, 3));
    await server.advance(11 * MINUTE);
    for (const { id } of [reclaimed, refunded]) await status(user, id, 'expired', 60000);
    await bought(server, other, eventId, row(2, 3));
    for (const { payment } of [reclaimed, refunded]) {
        const paid = await server.bank.pay(payment.url, 'succeeded', { count: 2 }, { late: true });
        assert.equal(paid.status, 200, paid.text);
    }
    await status(user, reclaimed.id, 'confirmed', 60000);
    await status(user, refunded.id, 'refunded', 60000);
}

async function sellConcert(server, user, other) {
    const concert = await sale(server, { plan: HALL, limits: { per_account: 100 } });
    await bought(server, user, concert.id, row(1, 1, 2));
    const mixed = await bought(server, user, concert.id, { seat_ids: row(1, 3, 4), areas: [{ area_id: 'floor', quantity: 3 }] });
    const tickets = await ticketsOf(user, mixed.id);
    await checkIn(server, tickets[0]);
    await checkInOffline(server, concert.id, tickets[2]);
    await refund(server, mixed, [tickets[1].id, tickets[4].id], 'partially_refunded');
    await refund(server, await bought(server, other, concert.id, row(1, 5, 6)), null, 'refunded');
    await payLate(server, user, other, concert.id);
    const cancelled = await checkedOut(user, concert.id, row(2, 10));
    assert.equal((await user.delete(`/v1/bookings/${cancelled.id}`)).status, 200);
    await server.bank.pay(cancelled.payment.url, 'succeeded', { count: 1 }, { late: true });
    await status(user, cancelled.id, 'refunded', 60000);
    const other2 = await held(other, concert.id, { areas: [{ area_id: 'floor', quantity: 2 }] });
    assert.equal((await other.delete(`/v1/bookings/${other2.id}`)).status, 200);
    const failed = await checkedOut(other, concert.id, row(2, 11));
    await server.bank.pay(failed.payment.url, 'failed');
    await status(other, failed.id, 'failed', 60000);
    const wrong = await checkedOut(other, concert.id, row(2, 12));
    await server.bank.pay(wrong.payment.url, 'succeeded', { count: 1 }, { amount: 1234 });
    await status(other, wrong.id, 'refunded', 60000);
    assert.equal((await server.admin.post(`/v1/events/${concert.id}/blocks`, { seat_ids: row(3, 1, 2, 3) })).status, 200);
    assert.equal((await server.admin.delete(`/v1/events/${concert.id}/blocks`, { seat_ids: row(3, 2) })).status, 200);
    return concert;
}

/* Called off with bookings in it; a second one in dollars, and one that costs nothing. */
async function sellOthers(server, user, other) {
    const off = await sale(server, { plan: plan({ rows: 1, seats: 10 }), limits: { per_account: 100 } });
    const lost = [await bought(server, user, off.id, row(1, 1)), await bought(server, other, off.id, row(1, 2, 3))];
    await held(other, off.id, row(1, 4));
    assert.equal((await server.admin.post(`/v1/events/${off.id}/cancel`)).status, 200);
    for (const booking of lost) await status(server.admin, booking.id, 'refunded', 60000);
    const dollars = await sale(server, { plan: plan({ rows: 1, seats: 10 }), currency: 'USD', limits: { per_account: 100 } });
    const [ticket] = await ticketsOf(user, (await bought(server, user, dollars.id, row(1, 1, 2))).id);
    await checkIn(server, ticket);
    const area = await server.admin.post(`/v1/events/${dollars.id}/areas`, { areas: [{ name: 'Terrace', category: 'back', capacity: 7 }] });
    assert.equal(area.status, 201, area.text);
    await bought(server, other, dollars.id, { areas: [{ area_id: area.json.areas[0].id, quantity: 2 }] });
    const free = await sale(server, { plan: plan({ rows: 1, seats: 10 }), prices: { front: 0, back: 0 } });
    const gift = await held(user, free.id, row(1, 1));
    await user.post(`/v1/bookings/${gift.id}/checkout`);
    await status(user, gift.id, 'confirmed');
}

/* Returns {concert, user} when everything is done that was begun; what is open then is open on purpose. */
export async function playSeason(server) {
    const [user, other] = [await makeUser(server), await makeUser(server)];
    const concert = await sellConcert(server, user, other);
    await sellOthers(server, user, other);
    const expired = await held(user, concert.id, row(3, 10));
    await server.advance(11 * MINUTE);
    await status(user, expired.id, 'expired', 60000);
    await held(user, concert.id, { seat_ids: row(3, 11), areas: [{ area_id: 'floor', quantity: 1 }] });
    await checkedOut(user, concert.id, row(3, 12));
    await until(async () => (await server.audit({ isAlone: true })).totals.refunds_pending === 0, { timeout: 60000, every: 50, what: 'all refunds to be paid' });
    return { concert, user };
}
