/* T3, T8, T9, T10, T13: holds, their limits, their end, replay by key, my bookings, and two clients for one seat. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { GUARD_OFF } from './lib/store.mjs';
import { newKey } from './lib/api.mjs';
import { until } from './lib/wait.mjs';
import { checkedOut, DAY, held, HOUR, iso, makeEvent, makeUser, plan, publish, sale, seatStates, status } from './lib/seed.mjs';

let server;
let fan;
let other;
before(async () => {
    server = await Foyer.start();
    [fan, other] = [await makeUser(server), await makeUser(server)];
});
after(() => server.stop());

const MINUTE = 60 * 1000;
const MANY = { open_holds: 100 }; /* one account plays several here */
const seat = (row, number) => `S1-R${row}-${number}`;
const seats = (row, ...numbers) => numbers.map((number) => seat(row, number));
const available = async (eventId) => (await server.anonymous.get(`/v1/events/${eventId}`)).json.availability.available;

async function refused(promise, status, type) {
    const answer = await promise;
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.json.type, type);
    return answer;
}

describe('a hold', () => {
    let event;
    before(async () => (event = await sale(server, { plan: plan({ rows: 4, seats: 20, areas: [{ guid: 'floor', capacity: 5 }] }), limits: { per_account: 100 }, abuse: MANY })));

    test('has its seats, its price and its time', async () => {
        const booking = await held(fan, event.id, { seat_ids: seats(1, 2, 1), areas: [{ area_id: 'floor', quantity: 2 }] });
        assert.equal(booking.status, 'held');
        assert.equal(booking.payment, null);
        assert.equal(booking.amount, 2 * 5000 + 2 * 3000);
        assert.equal(booking.currency, 'EUR');
        assert.deepEqual(booking.seats.map(({ id, section, row, number, price }) => [id, section, row, number, price]), [
            ['S1-R1-1', 'Section 1', '1', '1', 5000],
            ['S1-R1-2', 'Section 1', '1', '2', 5000],
        ]);
        assert.deepEqual(booking.areas, [{ area_id: 'floor', name: 'floor', category: 'back', quantity: 2, price: 3000 }]);
        const left = Date.parse(booking.expires_at) - (await server.now());
        assert.ok(left > 595e3 && left <= 600e3, `${left} ms`);
        assert.deepEqual((await fan.booking(booking.id)).seats, booking.seats);
    });

    test('is all or nothing, and the loser is told which seats are gone', async () => {
        const before = await available(event.id);
        const answer = await refused(other.hold(event.id, seats(1, 1, 2, 3, 4)), 409, 'seats-unavailable');
        assert.deepEqual(answer.json.conflicts, seats(1, 1, 2));
        assert.equal((await seatStates(server.anonymous, event.id))[seat(1, 3)], 'available');
        const area = await refused(other.hold(event.id, { seat_ids: seats(1, 5), areas: [{ area_id: 'floor', quantity: 4 }] }), 409, 'seats-unavailable');
        assert.deepEqual(area.json.conflicts, ['floor']);
        assert.equal(await available(event.id), before);
        await held(other, event.id, seats(1, 3, 4));
    });

    test('has at most six places, seats and areas together', async () => {
        await refused(fan.hold(event.id, seats(2, 1, 2, 3, 4, 5, 6, 7)), 422, 'limit-exceeded');
        await refused(fan.hold(event.id, { seat_ids: seats(2, 1, 2, 3, 4), areas: [{ area_id: 'floor', quantity: 3 }] }), 422, 'limit-exceeded');
        await refused(fan.hold(event.id, { areas: [{ area_id: 'floor', quantity: 7 }] }), 422, 'limit-exceeded');
        assert.equal((await held(fan, event.id, seats(2, 1, 2, 3, 4, 5, 6))).seats.length, 6);
        const small = await sale(server, { limits: { per_booking: 2 } });
        await refused(fan.hold(small.id, seats(1, 1, 2, 3)), 422, 'limit-exceeded');
        await held(fan, small.id, seats(1, 1, 2));
    });

    test('names every field that is wrong', async () => {
        const post = (body) => fan.post('/v1/bookings', body, { key: newKey() });
        const cases = [
            [{}, 'event_id'],
            [{ event_id: 'evt_0000000000000', seat_ids: ['x'] }, 'event_id'],
            [{ event_id: 'nonsense', seat_ids: ['x'] }, 'event_id'],
            [{ event_id: 5, seat_ids: ['x'] }, 'event_id'],
            [{ event_id: event.id }, 'seat_ids'],
            [{ event_id: event.id, seat_ids: [] }, 'seat_ids'],
            [{ event_id: event.id, seat_ids: 'S1-R1-1' }, 'seat_ids'],
            [{ event_id: event.id, seat_ids: [seat(3, 1), 'nowhere'] }, 'seat_ids[1]'],
            [{ event_id: event.id, seat_ids: [seat(3, 1), seat(3, 1)] }, 'seat_ids'],
            [{ event_id: event.id, seat_ids: [7] }, 'seat_ids[0]'],
            [{ event_id: event.id, areas: [{ area_id: 'nowhere', quantity: 1 }] }, 'areas[0].area_id'],
            [{ event_id: event.id, areas: [{ area_id: 'floor', quantity: 0 }] }, 'areas[0].quantity'],
            [{ event_id: event.id, areas: [{ area_id: 'floor', quantity: 1.5 }] }, 'areas[0].quantity'],
            [{ event_id: event.id, areas: [{ area_id: 'floor', quantity: 1 }, { area_id: 'floor', quantity: 1 }] }, 'areas[1].area_id'],
            [{ event_id: event.id, areas: [{ area_id: 'floor', quantity: 1, note: '' }] }, 'areas[0].note'],
            [{ event_id: event.id, areas: ['floor'] }, 'areas[0]'],
            [{ event_id: event.id, seat_ids: [seat(3, 1)], price: 1 }, 'price'],
        ];
        for (const [body, field] of cases) {
            const answer = await refused(post(body), 422, 'validation');
            assert.ok(answer.json.errors.some((error) => error.field === field), `${field} in ${answer.text}`);
        }
        assert.equal((await seatStates(server.anonymous, event.id))[seat(3, 1)], 'available');
    });

    test('is for people who are logged in, and for events that are on sale', async () => {
        await refused(server.anonymous.hold(event.id, seats(3, 1)), 401, 'unauthenticated');
        const venueId = event.venueId;
        const draft = await makeEvent(server, server.admin, venueId);
        await refused(fan.hold(draft.id, seats(3, 1)), 422, 'validation');
        const unpriced = await sale(server, { prices: { front: 5000 } });
        await refused(fan.hold(unpriced.id, seats(2, 1)), 422, 'validation');
        await held(fan, unpriced.id, seats(1, 1));
    });

    test('frees its places when it is cancelled, once', async () => {
        const before = await available(event.id);
        const booking = await held(fan, event.id, seats(4, 1, 2));
        assert.equal(await available(event.id), before - 2);
        await refused(other.delete(`/v1/bookings/${booking.id}`), 404, 'not-found');
        const cancelled = await fan.delete(`/v1/bookings/${booking.id}`);
        assert.equal(cancelled.json.status, 'cancelled');
        assert.equal(await available(event.id), before);
        await held(other, event.id, seats(4, 1, 2));
        const again = await fan.delete(`/v1/bookings/${booking.id}`);
        assert.equal(again.json.status, 'cancelled', 'asked again, the same answer');
        assert.equal((await seatStates(server.anonymous, event.id))[seat(4, 1)], 'held', 'a second cancellation frees nothing of others');
        assert.equal((await fan.post(`/v1/bookings/${booking.id}/checkout`)).status, 409);
    });

    test('somebody else\'s booking does not exist', async () => {
        const booking = await held(fan, event.id, seats(4, 10));
        for (const [method, target] of [['GET', ''], ['DELETE', ''], ['POST', '/checkout'], ['GET', '/tickets'], ['POST', '/refund']]) {
            const answer = await other.call(method, `/v1/bookings/${booking.id}${target}`);
            assert.equal(answer.status, 404, `${method} ${target}`);
        }
        for (const id of ['bkg_0', 'nonsense', 'bkg_00000000000000000000000000', `${booking.id.slice(0, -1)}z`])
            assert.equal((await fan.get(`/v1/bookings/${id}`)).status, 404, id);
        assert.equal((await fan.booking(booking.id)).status, 'held');
        const support = await makeUser(server, { roles: ['support'] });
        assert.equal((await support.get(`/v1/bookings/${booking.id}`)).status, 200);
    });
});

describe('caps', () => {
    test('an account has so many places of an event, and gets them back when they end', async () => {
        const event = await sale(server, { plan: plan({ rows: 4, seats: 20 }), limits: { per_booking: 6, per_account: 8 }, abuse: MANY });
        const first = await held(fan, event.id, seats(1, 1, 2, 3, 4, 5, 6));
        await refused(fan.hold(event.id, seats(2, 1, 2, 3)), 422, 'limit-exceeded');
        const second = await held(fan, event.id, seats(2, 1, 2));
        await refused(fan.hold(event.id, seats(2, 3)), 422, 'limit-exceeded');
        await held(other, event.id, seats(2, 3));
        await fan.delete(`/v1/bookings/${second.id}`);
        await held(fan, event.id, seats(2, 1, 2));
        await server.advance(11 * MINUTE);
        await status(fan, first.id, 'expired');
        await held(fan, event.id, seats(1, 1, 2, 3, 4, 5, 6));
    });

    test('parallel holds of one account do not pass its cap together', async () => {
        const event = await sale(server, { plan: plan({ rows: 1, seats: 30 }), limits: { per_booking: 1, per_account: 5 }, abuse: MANY });
        const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => fan.hold(event.id, seats(1, i + 1))));
        const won = answers.filter((answer) => answer.status === 201).length;
        assert.equal(won, 5);
        assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([201, 422]));
    });

    test('the selling rate limit refuses with a time to wait', async () => {
        const eager = await makeUser(server);
        const event = await sale(server);
        const answers = await Promise.all(Array.from({ length: 90 }, () => eager.hold(event.id, seats(1, 1))));
        const limited = answers.filter((answer) => answer.status === 429);
        assert.ok(limited.length >= 20, `${limited.length} of 90`);
        assert.ok(Number(limited[0].headers['retry-after']) >= 1);
        assert.equal(answers.filter((answer) => answer.status === 201).length, 1);
    });
});

describe('the time of the sale', () => {
    test('holds are refused before it opens and after the event began', async () => {
        const now = await server.now();
        const event = await sale(server, { onsale_at: iso(now + HOUR), starts_at: iso(now + 2 * HOUR) });
        const key = newKey();
        await refused(fan.hold(event.id, seats(1, 1), key), 409, 'sale-not-open');
        await server.advance(HOUR + 1000);
        const booking = await held(fan, event.id, seats(1, 1), key);
        assert.equal(booking.status, 'held', 'the same key: a refusal is evaluated anew');
        await server.advance(HOUR);
        await refused(fan.hold(event.id, seats(1, 2)), 409, 'sale-closed');
    });
});

describe('the end of a hold', () => {
    test('comes with its time: seats are free, the booking says so, checkout is refused', async () => {
        const event = await sale(server, { hold_ttl_s: 60, plan: plan({ areas: [{ guid: 'floor', capacity: 4 }] }) });
        const booking = await held(fan, event.id, { seat_ids: seats(1, 1, 2), areas: [{ area_id: 'floor', quantity: 3 }] });
        await server.advance(58e3);
        assert.equal((await fan.booking(booking.id)).status, 'held');
        await server.advance(3e3);
        await status(fan, booking.id, 'expired');
        assert.equal((await seatStates(server.anonymous, event.id))[seat(1, 1)], 'available');
        const checkout = await fan.post(`/v1/bookings/${booking.id}/checkout`);
        assert.equal(checkout.status, 409);
        assert.equal(checkout.json.type, 'hold-expired');
        await held(other, event.id, { seat_ids: seats(1, 1, 2), areas: [{ area_id: 'floor', quantity: 4 }] });
    });

    test('comes for hundreds at once without keeping others waiting, and the backstop has nothing to find', async () => {
        const own = await Foyer.start({ args: ['--abuse=off'] });
        const user = await makeUser(own);
        const event = await sale(own, { plan: plan({ sections: 4, rows: 10, seats: 25 }), hold_ttl_s: 300 });
        const all = Object.keys(await seatStates(own.anonymous, event.id));
        const answers = await Promise.all(all.slice(0, 900).map((id) => user.hold(event.id, [id])));
        assert.ok(answers.every((answer) => answer.status === 201));
        await own.advance(301e3);
        const late = await user.hold(event.id, [all[950]]);
        assert.equal(late.status, 201);
        await until(async () => (await own.anonymous.get(`/v1/events/${event.id}`)).json.availability.available === 999, { what: '900 seats to be free' });
        const ends = await Promise.all(answers.slice(0, 20).map((answer) => user.booking(answer.json.id)));
        assert.ok(ends.every((booking) => booking.status === 'expired'));
        await own.advance(90e3);
        assert.equal(await own.metric('foyer_holds_backstop_total'), 0);
        assert.deepEqual((await own.audit()).findings, []);
        await own.stop();
    });

    test('comes after a restart too, and when it passed while nobody ran', async () => {
        const own = await Foyer.start();
        const user = await makeUser(own);
        const event = await sale(own, { hold_ttl_s: 30 });
        const booking = await held(user, event.id, seats(1, 1));
        await own.restart();
        assert.equal((await user.booking(booking.id)).status, 'held');
        await own.advance(31e3);
        await status(own.as(user.token), booking.id, 'expired');
        await own.stop();

        const second = new Foyer({ dir: own.dir });
        await own.sql("UPDATE event SET hold_ttl_s = 30");
        await second.start();
        const again = await held(second.as(user.token), event.id, seats(1, 1));
        await second.kill9();
        /* The clock of a new process is the machine's again: make the hold old instead. */
        await own.sql('UPDATE booking SET expires_at = expires_at - 100000 WHERE state = 1');
        await second.start();
        await status(second.as(user.token), again.id, 'expired');
        assert.equal((await seatStates(second.anonymous, event.id))[seat(1, 1)], 'available');
        await second.stop();
    });
});

describe('Idempotency-Key', () => {
    let event;
    before(async () => (event = await sale(server, { plan: plan({ rows: 6, seats: 20 }), limits: { per_account: 100 }, abuse: MANY })));

    test('is demanded', async () => {
        const answer = await fan.post('/v1/bookings', { event_id: event.id, seat_ids: seats(1, 1) });
        assert.equal(answer.status, 400);
        assert.equal(answer.json.type, 'idempotency-key-required');
        for (const key of ['', 'with space', 'ü', 'x'.repeat(256)]) {
            const bad = await fan.post('/v1/bookings', { event_id: event.id, seat_ids: seats(1, 1) }, { headers: { 'idempotency-key': Buffer.from(key).toString('latin1') } });
            assert.equal(bad.status, 400, JSON.stringify(key));
        }
    });

    test('gives the first success again, byte for byte, after the seats are booked too', async () => {
        const key = newKey();
        const first = await fan.hold(event.id, seats(1, 1), key);
        const second = await fan.hold(event.id, seats(1, 1), key);
        assert.equal(second.status, 201);
        assert.equal(second.text, first.text);
        assert.equal(second.headers['idempotency-replayed'], 'true');
        assert.equal(first.headers['idempotency-replayed'], undefined);
        await checkedOut(fan, event.id, first.json);
        const third = await fan.hold(event.id, seats(1, 1), key);
        assert.equal(third.text, first.text);
    });

    test('is good for one body, but each caller has keys of their own', async () => {
        const key = newKey();
        await held(fan, event.id, seats(1, 2), key);
        const conflict = await fan.hold(event.id, seats(1, 3), key);
        assert.equal(conflict.status, 422);
        assert.equal(conflict.json.type, 'idempotency-conflict');
        await held(other, event.id, seats(1, 3), key);
    });

    test('does not keep a refusal', async () => {
        const key = newKey();
        const booking = await held(other, event.id, seats(1, 5));
        assert.equal((await fan.hold(event.id, seats(1, 5), key)).status, 409);
        assert.equal((await fan.hold(event.id, seats(1, 5), key)).status, 409);
        await other.delete(`/v1/bookings/${booking.id}`);
        assert.equal((await fan.hold(event.id, seats(1, 5), key)).status, 201);
    });

    test('of twins in flight at once, both get the same booking', async () => {
        for (let i = 1; i <= 10; i++) {
            const key = newKey();
            const answers = await Promise.all(Array.from({ length: 4 }, () => fan.hold(event.id, seats(3, i), key)));
            const good = answers.filter((answer) => answer.status === 201);
            assert.equal(new Set(good.map((answer) => answer.json.id)).size, 1);
            assert.ok(answers.every((answer) => answer.status === 201 || answer.status === 409), JSON.stringify(answers.map((a) => a.status)));
            assert.ok(good.length >= 1);
        }
    });

    test('is remembered after a restart, and for a day', async () => {
        const own = await Foyer.start();
        const user = await makeUser(own);
        const concert = await sale(own, { limits: { per_account: 100 }, abuse: MANY });
        const [key, checkoutKey] = [newKey(), newKey()];
        const first = await user.hold(concert.id, seats(1, 1), key);
        const checkout = await user.post(`/v1/bookings/${first.json.id}/checkout`, undefined, { key: checkoutKey });
        assert.equal(checkout.status, 202);
        await own.kill9();
        await own.start();
        const back = own.as(user.token);
        /* Nothing is in memory yet: on a machine that does much else the first read may outlast its second and be told to come again. */
        const second = await until(async () => {
            const answer = await back.hold(concert.id, seats(1, 1), key);
            return answer.status !== 503 && answer;
        }, { what: 'the first read to be in time' });
        assert.equal(second.status, 201);
        assert.equal(second.text, first.text);
        assert.equal(second.headers['idempotency-replayed'], 'true');
        const replayed = await back.post(`/v1/bookings/${first.json.id}/checkout`, undefined, { key: checkoutKey });
        assert.equal(replayed.status, 202);
        assert.equal(replayed.text, checkout.text);
        assert.equal((await back.hold(concert.id, seats(1, 2), key)).json.type, 'idempotency-conflict');
        await own.advance(DAY - HOUR);
        assert.equal((await back.hold(concert.id, seats(1, 1), key)).text, first.text);
        await own.stop();
    });
});

describe('my bookings', () => {
    test('are mine, newest first, page by page, and read what was just written', async () => {
        const user = await makeUser(server);
        const event = await sale(server, { plan: plan({ rows: 2, seats: 20 }), abuse: MANY });
        const made = [];
        for (let i = 1; i <= 7; i++) {
            made.unshift((await held(user, event.id, seats(1, i))).id);
            assert.equal((await user.get('/v1/me/bookings?limit=1')).json.data[0].id, made[0]);
        }
        const seen = [];
        for (let cursor = ''; cursor !== null; ) {
            const { json } = await user.get(`/v1/me/bookings?limit=3${cursor && `&cursor=${cursor}`}`);
            seen.push(...json.data.map((booking) => booking.id));
            cursor = json.next_cursor;
        }
        assert.deepEqual(seen, made);
        assert.deepEqual((await other.get('/v1/me/bookings')).json.data.filter(({ id }) => made.includes(id)), []);
        assert.equal((await server.anonymous.get('/v1/me/bookings')).status, 401);
        for (const query of ['limit=0', 'limit=201', 'limit=x', 'cursor=x', 'order=asc'])
            assert.equal((await user.get(`/v1/me/bookings?${query}`)).status, 422, query);
    });
});

describe('many clients for one seat', () => {
    const CLIENTS = 50;
    const ROUNDS = 6;
    const winners = (answers) => answers.filter((answer) => answer.status === 201).length;

    async function race(own, users, eventId) {
        const counts = [];
        for (let round = 1; round <= ROUNDS; round++) {
            const answers = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => users[i % users.length].hold(eventId, seats(1, round))));
            const strange = answers.filter(({ status, json }) => status !== 201 && !(status === 409 && json.type === 'seats-unavailable'));
            assert.deepEqual(strange.map(({ text }) => text), []);
            counts.push(winners(answers));
        }
        return counts;
    }

    test('one wins; without the guard of the database several do, and the audit says so', async () => {
        const own = await Foyer.start({ args: ['--abuse=off'] });
        const users = await Promise.all(Array.from({ length: 8 }, () => makeUser(own)));
        const event = await sale(own, { limits: { per_account: 100 } });
        assert.deepEqual(await race(own, users, event.id), Array(ROUNDS).fill(1));
        assert.deepEqual((await own.audit()).findings, []);

        /* The negative control: the guard is off, so the same race must be lost. */
        const second = await sale(own, { limits: { per_account: 100 } });
        await own.stop();
        await own.sql(GUARD_OFF);
        await own.start();
        const counts = await race(own, users.map((user) => own.as(user.token)), second.id);
        assert.ok(counts.some((count) => count > 1), `winners without the guard: ${counts}`);
        const audit = await own.audit();
        assert.equal(audit.code, 1);
        assert.ok(audit.findings.some((finding) => finding.check === 'seat-in-two-bookings'), JSON.stringify(audit.findings.slice(0, 5)));
        await own.stop();
    });

    test('overlapping choices never share a seat', async () => {
        const own = await Foyer.start({ args: ['--abuse=off'] });
        const users = await Promise.all(Array.from({ length: 4 }, () => makeUser(own)));
        const event = await sale(own, { plan: plan({ rows: 1, seats: 30 }), limits: { per_account: 100 } });
        const answers = await Promise.all(Array.from({ length: 80 }, (_, i) => users[i % 4].hold(event.id, seats(1, 1 + (i % 28), 2 + (i % 28), 3 + (i % 28)))));
        const taken = answers.filter((answer) => answer.status === 201).flatMap((answer) => answer.json.seats.map(({ id }) => id));
        assert.equal(new Set(taken).size, taken.length);
        for (const answer of answers.filter(({ status }) => status === 409)) assert.ok(answer.json.conflicts.length > 0);
        assert.deepEqual((await own.audit()).findings, []);
        await own.stop();
    });
});
