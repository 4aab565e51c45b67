/*
 * T4, T9, T10: kill -9 in the middle of holds, payments and confirmations. What was acknowledged is there afterwards; what was not,
 * asked again with its key, is there exactly once; the audit is clean, and the bank, which outlives the server, agrees.
 */
import test from 'node:test';
import assert from 'node:assert/strict';
import { Foyer, startBank } from './lib/server.mjs';
import { newKey } from './lib/api.mjs';
import { until } from './lib/wait.mjs';
import { assertReconciled, makeUser, plan, sale } from './lib/seed.mjs';

const ROUNDS = 4;
const BUYERS = 4;
const IN_FLIGHT = 16;
const ENDS = ['confirmed', 'failed', 'expired', 'cancelled', 'refunded'];

/* Does what it says until it gets an answer or the connection breaks: null then. */
const attempt = (promise) => promise.catch(() => null);

/* One seat, from hold to payment, as far as the server lives. Notes what was acknowledged, and what was never answered. */
async function buy(own, user, eventId, seat, log) {
    const key = newKey();
    const hold = await attempt(user.hold(eventId, [seat], key));
    if (!hold) {
        log.unanswered.push({ token: user.token, key, seat });
        return;
    }
    assert.equal(hold.status, 201, hold.text);
    const { id } = hold.json;
    log.held.push({ token: user.token, id, seat });
    const checkoutKey = newKey();
    const checkout = await attempt(user.post(`/v1/bookings/${id}/checkout`, undefined, { key: checkoutKey }));
    if (!checkout) {
        log.checkouts.push({ token: user.token, id, key: checkoutKey });
        return;
    }
    assert.equal(checkout.status, 202, checkout.text);
    for (let i = 0; i < 200; i++) {
        const booking = await attempt(user.get(`/v1/bookings/${id}`));
        if (!booking) return;
        const url = booking.json.payment?.url;
        if (!url) {
            await new Promise((resolve) => setTimeout(resolve, 5));
            continue;
        }
        await attempt(own.bank.pay(url, 'succeeded', { count: 2 }));
        log.paid.push({ token: user.token, id });
        return;
    }
}

/* Buys seat after seat with IN_FLIGHT buyers until `stop` says so. */
async function burst(own, users, eventId, seats, log, isOver) {
    const workers = Array.from({ length: IN_FLIGHT }, async (_, i) => {
        while (!isOver() && seats.length > 0) await buy(own, users[i % users.length], eventId, seats.shift(), log);
    });
    await Promise.all(workers);
}

async function retryUnanswered(own, eventId, log) {
    for (const { token, key, seat } of log.unanswered) {
        const answers = [];
        for (let i = 0; i < 2; i++) answers.push(await own.as(token).hold(eventId, [seat], key));
        assert.deepEqual(answers.map((answer) => answer.status), [201, 201], answers[0].text);
        assert.equal(answers[0].json.id, answers[1].json.id);
        assert.equal(answers[1].headers['idempotency-replayed'], 'true');
        log.held.push({ token, id: answers[0].json.id, seat });
    }
    for (const { token, id, key } of log.checkouts) {
        const answer = await own.as(token).post(`/v1/bookings/${id}/checkout`, undefined, { key });
        assert.equal(answer.status, 202, answer.text);
    }
}

async function assertHeld(own, log) {
    for (const { token, id, seat } of log.held) {
        const { status, json } = await own.as(token).get(`/v1/bookings/${id}`);
        assert.equal(status, 200, `${id} was acknowledged`);
        assert.deepEqual(json.seats.map((entry) => entry.id), [seat]);
    }
    assert.equal(new Set(log.held.map((entry) => entry.id)).size, log.held.length);
}

test('kill -9 in a burst of holds, payments and confirmations loses nothing and sells nothing twice', { timeout: 120000 }, async () => {
    const bank = await startBank();
    const own = await Foyer.start({ bank, args: ['--abuse=off'] });
    const users = await Promise.all(Array.from({ length: BUYERS }, () => makeUser(own)));
    const event = await sale(own, { plan: plan({ sections: 4, rows: 10, seats: 50 }), limits: { per_account: 100 } });
    const seats = Array.from({ length: 2000 }, (_, i) => `S${1 + (i % 4)}-R${1 + (Math.floor(i / 4) % 10)}-${1 + Math.floor(i / 40)}`);
    const log = { held: [], unanswered: [], checkouts: [], paid: [] };
    let killsWithWork = 0;

    for (let round = 1; round <= ROUNDS; round++) {
        const roundLog = { held: [], unanswered: [], checkouts: [], paid: [] };
        let isOver = false;
        const running = burst(own, users.map((user) => own.as(user.token)), event.id, seats, roundLog, () => isOver);
        /* The moment differs from round to round by how much was done, not by a time. */
        await until(() => roundLog.held.length >= 20 * round, { every: 1, what: 'work to be under way' });
        isOver = true;
        const killed = own.kill9();
        await Promise.all([killed, running]);
        killsWithWork += roundLog.unanswered.length + roundLog.checkouts.length > 0;
        await own.start();
        await retryUnanswered(own, event.id, roundLog);
        await assertHeld(own, roundLog);
        for (const name of Object.keys(log)) log[name].push(...roundLog[name]);
    }
    assert.ok(killsWithWork > 0, 'at least one kill must have hit requests in flight, or this test shows nothing');

    await assertHeld(own, log);
    for (const { token, id } of log.paid) {
        await until(async () => {
            await own.advance(500);
            return ENDS.includes((await own.as(token).booking(id)).status);
        }, { every: 20, timeout: 30000, what: `${id}, which was paid, to end` });
        assert.equal((await own.as(token).booking(id)).status, 'confirmed', `${id} was paid in time`);
    }
    await assertReconciled(own);
    await own.advance(11 * 60 * 1000);
    await until(async () => (await own.audit()).totals.bookings_open === 0, { every: 100, timeout: 20000, what: 'the unpaid holds to end' });
    const { audit } = await assertReconciled(own);
    const report = (await own.admin.get(`/v1/events/${event.id}/report`)).json;
    assert.equal(audit.totals.seats_booked, report.booked);
    assert.equal(report.held, 0);
    assert.ok(report.booked >= log.paid.length);
    await own.stop();
    await bank.program.stop();
});

test('SIGTERM in a burst answers everything it has taken', { timeout: 60000 }, async () => {
    const own = await Foyer.start({ args: ['--abuse=off'] });
    const users = await Promise.all(Array.from({ length: BUYERS }, () => makeUser(own)));
    const event = await sale(own, { plan: plan({ sections: 1, rows: 20, seats: 50 }), limits: { per_account: 100 } });
    const log = { held: [], unanswered: [] };
    let isOver = false;
    let next = 0;
    const workers = Array.from({ length: IN_FLIGHT }, async (_, i) => {
        const user = users[i % users.length];
        while (!isOver && next < 350) {
            const [key, seat] = [newKey(), `S1-R${1 + (next % 20)}-${1 + Math.floor(next++ / 20)}`];
            const answer = await attempt(user.hold(event.id, [seat], key));
            if (!answer) {
                log.unanswered.push({ token: user.token, key, seat });
                return;
            }
            if (answer.status === 201) log.held.push({ token: user.token, id: answer.json.id, seat });
            else assert.ok(answer.status === 503, answer.text);
        }
    });
    await until(() => log.held.length >= 30, { every: 1, what: 'work to be under way' });
    await own.stop();
    isOver = true;
    await Promise.all(workers);
    await own.start();
    await assertHeld(own, log);
    for (const { token, key, seat } of log.unanswered) assert.equal((await own.as(token).hold(event.id, [seat], key)).status, 201);
    assert.deepEqual((await own.audit()).findings, []);
    await own.stop();
});
