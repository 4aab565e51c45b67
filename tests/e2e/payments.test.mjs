/* T4-T7: checkout, callbacks in every order or never, late money, refunds, and a provider or a server that dies in between. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer, startBank } from './lib/server.mjs';
import { dump } from './lib/store.mjs';
import { newKey } from './lib/api.mjs';
import { until } from './lib/wait.mjs';
import {
    assertReconciled, bought, checkedOut, DAY, held, HOUR, iso, makeUser, paymentUrl, plan, sale, seatStates, status, ticketsOf,
} from './lib/seed.mjs';

const MINUTE = 60 * 1000;
const HALL = { plan: plan({ rows: 2, seats: 99 }), limits: { per_account: 100 } };

let server;
let fan;
let other;
let event;
let next = 0;
/* Seats that no other test has. */
const fresh = (count = 1) => Array.from({ length: count }, () => `S1-R2-${++next}`);

before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    [fan, other] = [await makeUser(server), await makeUser(server)];
    event = await sale(server, HALL);
});
after(async () => {
    await assertReconciled(server);
    await server.stop();
});

const callback = (own, body, header, provider = 'sandbox') =>
    own.anonymous.post(`/v1/payments/webhooks/${provider}`, body, { headers: header === null ? {} : { 'sandbox-signature': header } });
const callbacks = (own) => own.metric('foyer_payment_callbacks_total');
const sessionOf = async (own, booking) => (await own.bank.sessions(booking.payment.id))[0];

describe('checkout', () => {
    test('answers at once, gives an address to pay at, and payment confirms the booking', async () => {
        const booking = await held(fan, event.id, fresh(2));
        const checkout = await fan.post(`/v1/bookings/${booking.id}/checkout`);
        assert.equal(checkout.status, 202);
        assert.equal(checkout.json.status, 'payment_pending');
        assert.ok(['creating', 'open'].includes(checkout.json.payment.status));
        const open = await paymentUrl(fan, booking.id);
        assert.ok(open.payment.url.startsWith(`${server.bank.url}/pay/`));
        const again = await fan.post(`/v1/bookings/${booking.id}/checkout`);
        assert.equal(again.json.payment.id, open.payment.id, 'a second checkout is the same payment');
        assert.equal((await ticketsOf(fan, booking.id)).length, 0);

        assert.equal((await server.bank.pay(open.payment.url)).status, 200);
        const confirmed = await status(fan, booking.id, 'confirmed');
        assert.equal(confirmed.payment.status, 'succeeded');
        assert.equal(confirmed.payment.url, null);
        assert.equal((await seatStates(server.anonymous, event.id))[booking.seats[0].id], 'booked');
        assert.equal((await ticketsOf(fan, booking.id)).length, 2);
        const session = await sessionOf(server, confirmed);
        assert.equal(session.captured, 6000);
        assert.equal((await server.bank.sessions(confirmed.payment.id)).length, 1);
        const late = await fan.delete(`/v1/bookings/${booking.id}`);
        assert.equal(late.status, 409, 'a confirmed booking is not cancelled');
    });

    test('is safe to repeat, with and without a key', async () => {
        const booking = await held(fan, event.id, fresh());
        const key = newKey();
        const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => fan.post(`/v1/bookings/${booking.id}/checkout`, undefined, i % 2 ? { key } : {})));
        assert.ok(answers.every((answer) => answer.status === 202));
        assert.equal(new Set(answers.map((answer) => answer.json.payment.id)).size, 1);
        await paymentUrl(fan, booking.id);
        assert.equal((await server.bank.sessions(answers[0].json.payment.id)).length, 1);
    });

    test('a failed payment ends the booking and frees its seats', async () => {
        const booking = await checkedOut(fan, event.id, fresh());
        await server.bank.pay(booking.payment.url, 'failed');
        const failed = await status(fan, booking.id, 'failed');
        assert.equal(failed.payment.status, 'failed');
        assert.equal((await seatStates(server.anonymous, event.id))[booking.seats[0].id], 'available');
        await held(other, event.id, [booking.seats[0].id]);
    });

    test('a place that costs nothing needs no money', async () => {
        const free = await sale(server, { ...HALL, prices: { front: 0, back: 0 } });
        const booking = await held(fan, free.id, ['S1-R1-1']);
        assert.equal(booking.amount, 0);
        const checkout = await fan.post(`/v1/bookings/${booking.id}/checkout`);
        assert.equal(checkout.status, 202);
        await status(fan, booking.id, 'confirmed');
        assert.equal((await ticketsOf(fan, booking.id)).length, 1);
    });

    test('card data is no field of ours', async () => {
        const booking = await held(fan, event.id, fresh());
        const answer = await fan.post(`/v1/bookings/${booking.id}/checkout`, { card: '4242424242424242' });
        assert.equal(answer.status, 422);
        assert.deepEqual(answer.json.errors.map((error) => error.field), ['card']);
        const text = await dump(server.dir, 'tickets');
        assert.match(text, /INSERT INTO "?booking"? /);
        assert.ok(!text.includes('4242424242424242'));
    });
});

describe('callbacks', () => {
    test('doubled, shuffled and forged ones confirm once', async () => {
        const booking = await checkedOut(fan, event.id, fresh());
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 5, shuffle: true, forge: true });
        await status(fan, booking.id, 'confirmed');
        await until(async () => (await server.bank.summary()).callbacks_waiting === 0, { what: 'the bank to have told all' });
        const after = await fan.booking(booking.id);
        assert.equal(after.status, 'confirmed');
        assert.equal((await sessionOf(server, booking)).captured, 3000);
        assert.deepEqual(await server.sql(`SELECT COUNT(*) FROM capture WHERE provider_ref = 'sbp_forged'`), [['0']]);
    });

    test('many bookings paid in a swarm of callbacks are all right in the end', async () => {
        const own = await sale(server, { ...HALL, plan: plan({ rows: 2, seats: 20 }) });
        const bookings = await Promise.all(Array.from({ length: 20 }, (_, i) => checkedOut(i % 2 ? fan : other, own.id, [`S1-R1-${i + 1}`])));
        await Promise.all(bookings.map((booking, i) =>
            server.bank.pay(booking.payment.url, i % 4 === 3 ? 'failed' : 'succeeded', { count: 1 + (i % 4), shuffle: i % 3 === 0, forge: i % 5 === 0, delay_ms: (i % 5) * 40 })));
        for (const [i, booking] of bookings.entries()) await status(i % 2 ? fan : other, booking.id, i % 4 === 3 ? 'failed' : 'confirmed');
        assert.equal((await server.admin.get(`/v1/events/${own.id}/report`)).json.booked, 15);
    });

    test('one that comes late still counts while the booking waits', async () => {
        const booking = await checkedOut(fan, event.id, fresh());
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 1, delay_ms: 700 });
        assert.equal((await fan.booking(booking.id)).status, 'payment_pending');
        await status(fan, booking.id, 'confirmed');
    });

    test('the signature decides: missing, foreign, old and from the future are refused, with nothing written', async () => {
        const booking = await checkedOut(fan, event.id, fresh());
        const session = await sessionOf(server, booking);
        const now = await server.now();
        const body = JSON.stringify({
            id: 'sbe_test_1', type: 'payment.succeeded', created_at: iso(now),
            data: { session: session.id, reference: booking.payment.id, payment_ref: 'sbp_test_1', amount: 3000, currency: 'EUR' },
        });
        const { bank } = server;
        const good = bank.sign(body, now);
        const refused = [
            null, '', 'nonsense', 't=,v1=', good.replace(/v1=../, 'v1=00'), good.replace('v1=', 'v0='),
            bank.sign(body, now, 'another secret'), bank.sign(`${body} `, now),
            bank.sign(body, now - 5 * MINUTE - 3000), bank.sign(body, now + 5 * MINUTE + 3000),
            `t=9999999999999999999,${good.split(',')[1]}`, `${good},t=1`,
        ];
        for (const header of refused) {
            const answer = await callback(server, body, header);
            assert.equal(answer.status, 400, `${header}: ${answer.text}`);
            assert.equal(answer.json.type, 'bad-signature');
        }
        assert.equal((await callback(server, `${body} `, good)).status, 400, 'the body is signed, too');
        assert.equal((await fan.booking(booking.id)).status, 'payment_pending');
        assert.deepEqual(await server.sql(`SELECT COUNT(*) FROM provider_event WHERE provider_event_id = 'sbe_test_1'`), [['0']]);
        await fan.delete(`/v1/bookings/${booking.id}`);
    });

    test('within five minutes a well signed one is taken, again and again, to the same effect', async () => {
        const booking = await checkedOut(fan, event.id, fresh());
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 0 });
        const session = await sessionOf(server, booking);
        const now = await server.now();
        const body = (id, type) => JSON.stringify({
            id, type, created_at: iso(now),
            data: { session: session.id, reference: booking.payment.id, payment_ref: session.payment_ref, amount: 3000, currency: 'EUR' },
        });
        const say = async (text, age = 0) => callback(server, text, server.bank.sign(text, (await server.now()) - age));
        for (const [text, age] of [
            [body('sbe_t_fail', 'payment.failed'), 0], [body('sbe_t_ok', 'payment.succeeded'), 4 * MINUTE + 50e3],
            [body('sbe_t_ok', 'payment.succeeded'), 0], [body('sbe_t_fail2', 'payment.failed'), 0], [body('sbe_t_open', 'session.open'), 0],
        ]) {
            const answer = await say(text, age);
            assert.equal(answer.status, 200, answer.text);
        }
        const confirmed = await status(fan, booking.id, 'confirmed');
        assert.equal(confirmed.payment.status, 'succeeded', 'succeeded beats failed, whatever came first');
        assert.equal((await ticketsOf(fan, booking.id)).length, 1);
    });

    test('what is not understood is refused, what means nothing is taken', async () => {
        const say = async (text, provider) => callback(server, text, server.bank.sign(text, await server.now()), provider);
        assert.equal((await say('{"id":')).status, 400);
        assert.equal((await say('[]')).status, 400);
        assert.equal((await say('{"type":"payment.succeeded"}')).status, 400);
        assert.equal((await say('{"id":"sbe_x1","type":"payment.succeeded","data":{}}')).status, 400);
        assert.equal((await say('{"id":"sbe_x2","type":"weather.changed","data":{}}')).status, 200);
        const foreign = { session: 'sbs_none', reference: 'pay_0000000000000000000000000', payment_ref: 'sbp_z', amount: 1, currency: 'EUR' };
        const answer = await say(JSON.stringify({ id: 'sbe_x3', type: 'payment.succeeded', data: foreign }));
        assert.ok([200, 404].includes(answer.status), answer.text);
        assert.equal((await say('{"id":"sbe_x4","type":"session.open","data":{}}', 'stripe')).status, 404);
        assert.equal((await say('{"id":"sbe_x4","type":"session.open","data":{}}', 'paypal')).status, 404);
        assert.equal((await callback(server, 'x'.repeat(300 << 10), 't=1,v1=00')).status, 413);
    });

    test('one that never comes is found by asking, before the booking ends', async () => {
        const booking = await checkedOut(fan, event.id, fresh());
        const before = await callbacks(server);
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 0 });
        assert.equal((await fan.booking(booking.id)).status, 'payment_pending');
        await server.advance(10 * MINUTE + 1000);
        await status(fan, booking.id, 'confirmed');
        assert.equal(await callbacks(server), before, 'nobody called');
    });

    test('a failure that was never told is found too, and a silent buyer just expires and can pay no more', async () => {
        const failed = await checkedOut(fan, event.id, fresh());
        const silent = await checkedOut(fan, event.id, fresh());
        await server.bank.pay(failed.payment.url, 'failed', { count: 0 });
        await server.advance(10 * MINUTE + 1000);
        await status(fan, failed.id, 'failed');
        await status(fan, silent.id, 'expired');
        await until(async () => (await sessionOf(server, silent)).status === 'closed', { what: 'the session to be closed at the bank' });
        assert.equal((await server.bank.pay(silent.payment.url)).status, 409);
    });
});

describe('money of the wrong kind', () => {
    for (const [name, more] of [['too little', { amount: 2999 }], ['too much', { amount: 3001 }], ['in another currency', { currency: 'USD' }]]) {
        test(`${name} goes back, and no seat is sold for it`, async () => {
            const booking = await checkedOut(fan, event.id, fresh());
            await server.bank.pay(booking.payment.url, 'succeeded', { count: 2 }, more);
            await until(async () => {
                const session = await sessionOf(server, booking);
                return session.captured > 0 && session.refunded === session.captured;
            }, { what: 'the money to go back' });
            const ended = await status(fan, booking.id, 'refunded');
            assert.equal((await ticketsOf(fan, ended.id)).length, 0);
            assert.equal((await seatStates(server.anonymous, event.id))[booking.seats[0].id], 'available');
        });
    }
});

describe('late money', () => {
    /* Expired, and then the bank has money after all. */
    async function expired(api, eventId, what) {
        const booking = await checkedOut(api, eventId, what);
        await server.advance(10 * MINUTE + 1000);
        await status(api, booking.id, 'expired');
        return booking;
    }

    test('takes the seats back when all are free', async () => {
        const booking = await expired(fan, event.id, fresh(2));
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 3, shuffle: true }, { late: true });
        await status(fan, booking.id, 'confirmed');
        assert.equal((await ticketsOf(fan, booking.id)).length, 2);
        assert.equal((await sessionOf(server, booking)).refunded, 0);
    });

    test('goes back, once, when one of them is taken', async () => {
        const what = fresh(2);
        const booking = await expired(fan, event.id, what);
        const winner = await bought(server, other, event.id, [what[1]]);
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 4, shuffle: true }, { late: true });
        await status(fan, booking.id, 'refunded');
        await until(async () => (await server.bank.summary()).callbacks_waiting === 0, { what: 'all callbacks' });
        const session = await sessionOf(server, booking);
        assert.deepEqual([session.captured, session.refunded], [6000, 6000]);
        assert.equal((await seatStates(server.anonymous, event.id))[what[0]], 'available');
        assert.equal((await other.booking(winner.id)).status, 'confirmed');
        assert.deepEqual(await server.sql(`SELECT reason, COUNT(*) FROM refund WHERE provider_ref = '${session.payment_ref}' GROUP BY 1`), [['late', '1']]);
    });

    test('goes back when the event wants it so, although the seats are free', async () => {
        const strict = await sale(server, { ...HALL, late_payment: 'refund' });
        const booking = await expired(fan, strict.id, ['S1-R1-1']);
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 2 }, { late: true });
        await status(fan, booking.id, 'refunded');
        assert.equal((await seatStates(server.anonymous, strict.id))['S1-R1-1'], 'available');
    });

    test('of a booking that its owner cancelled goes back, always', async () => {
        const booking = await checkedOut(fan, event.id, fresh());
        assert.equal((await fan.delete(`/v1/bookings/${booking.id}`)).json.status, 'cancelled');
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 3 }, { late: true });
        await status(fan, booking.id, 'refunded');
        const session = await sessionOf(server, booking);
        assert.deepEqual([session.captured, session.refunded], [3000, 3000]);
        assert.equal((await seatStates(server.anonymous, event.id))[booking.seats[0].id], 'available');
    });

    test('after a failure is money all the same: success beats failure', async () => {
        const booking = await checkedOut(fan, event.id, fresh());
        await server.bank.pay(booking.payment.url, 'failed');
        await status(fan, booking.id, 'failed');
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 1 }, { late: true });
        await status(fan, booking.id, 'confirmed');
    });

    test('that nobody told of is found by asking again later', async () => {
        const booking = await expired(fan, event.id, fresh());
        await until(async () => (await sessionOf(server, booking)).status === 'closed', { what: 'the session to be closed' });
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 0 }, { late: true });
        await until(async () => {
            await server.advance(11 * MINUTE);
            return (await fan.booking(booking.id)).status === 'confirmed';
        }, { every: 100, what: 'the money to be found' });
    });

    test('for an event that was cancelled goes back', async () => {
        const gone = await sale(server, HALL);
        const booking = await checkedOut(fan, gone.id, ['S1-R1-1']);
        await server.admin.post(`/v1/events/${gone.id}/cancel`);
        await status(fan, booking.id, 'cancelled');
        await server.bank.pay(booking.payment.url, 'succeeded', { count: 1 }, { late: true });
        await status(fan, booking.id, 'refunded');
    });
});

describe('refunds', () => {
    const refund = (api, booking, body, options) => api.post(`/v1/bookings/${booking.id}/refund`, body, options);

    test('of a part, of the rest, and never more', async () => {
        const booking = await bought(server, fan, event.id, fresh(3));
        const tickets = await ticketsOf(fan, booking.id);
        const part = await refund(server.admin, booking, { ticket_ids: [tickets[0].id] });
        assert.equal(part.status, 202);
        assert.equal(part.json.amount, 3000);
        const after = await status(fan, booking.id, 'partially_refunded');
        assert.equal(after.refunded_amount, 3000);
        assert.equal(after.amount, 9000, 'the booking itself never changes');
        assert.deepEqual(after.seats, booking.seats);
        assert.deepEqual((await ticketsOf(fan, booking.id)).map((ticket) => ticket.status), ['revoked', 'valid', 'valid']);
        const states = await seatStates(server.anonymous, event.id);
        assert.deepEqual(booking.seats.map((seat) => states[seat.id]), ['available', 'booked', 'booked']);
        await held(other, event.id, [booking.seats[0].id]);

        assert.equal((await refund(server.admin, booking, { ticket_ids: [tickets[0].id] })).status, 409);
        const rest = await refund(server.admin, booking);
        assert.equal(rest.json.amount, 6000);
        await status(fan, booking.id, 'refunded');
        assert.equal((await refund(server.admin, booking)).status, 409);
        const session = await sessionOf(server, booking);
        assert.deepEqual([session.captured, session.refunded], [9000, 9000]);
    });

    test('by its key is one refund, and parallel ones are not two', async () => {
        const booking = await bought(server, fan, event.id, fresh());
        const key = newKey();
        const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => refund(server.admin, booking, {}, { key: i < 3 ? key : newKey() })));
        assert.ok(answers.some((answer) => answer.status === 202));
        assert.ok(answers.every((answer) => [202, 409].includes(answer.status)), answers.map((answer) => answer.text).join());
        assert.equal(new Set(answers.filter((answer) => answer.status === 202).map((answer) => answer.json.id)).size, 1);
        await status(fan, booking.id, 'refunded');
        assert.equal((await sessionOf(server, booking)).refunded, 3000);
    });

    test('are the organizer\'s to give; the owner\'s within the event\'s time', async () => {
        const booking = await bought(server, fan, event.id, fresh());
        assert.equal((await refund(fan, booking)).status, 403);
        assert.equal((await refund(other, booking)).status, 404);
        const organizer = await makeUser(server, { roles: ['organizer'] });
        assert.equal((await refund(organizer, booking)).status, 404, 'not their event');
        const now = await server.now();
        const kind = await sale(server, { ...HALL, refund_until_s: 3600, starts_at: iso(now + 5 * HOUR), onsale_at: iso(now - HOUR) });
        const [first, second] = [await bought(server, fan, kind.id, ['S1-R1-1']), await bought(server, fan, kind.id, ['S1-R1-2'])];
        assert.equal((await refund(fan, first)).status, 202);
        await status(fan, first.id, 'refunded');
        await server.advance(4 * HOUR + MINUTE);
        assert.equal((await refund(fan, second)).status, 403);
        assert.equal((await refund(server.admin, second)).status, 202);
        await status(fan, second.id, 'refunded');
    });

    test('of what is not confirmed, or of foreign tickets, are refused', async () => {
        const open = await held(fan, event.id, fresh());
        assert.equal((await refund(server.admin, open)).status, 409);
        const [one, two] = [await bought(server, fan, event.id, fresh()), await bought(server, fan, event.id, fresh())];
        const [foreign] = await ticketsOf(fan, two.id);
        const wrong = await refund(server.admin, one, { ticket_ids: [foreign.id] });
        assert.equal(wrong.status, 422);
        for (const body of [{ ticket_ids: ['nonsense'] }, { ticket_ids: [] }, { ticket_ids: 'all' }, { amount: 1 }])
            assert.equal((await refund(server.admin, one, body)).status, 422, JSON.stringify(body));
        assert.equal((await fan.booking(one.id)).status, 'confirmed');
    });

    test('wait for a bank that refuses them, and are paid once it is back', async () => {
        const booking = await bought(server, fan, event.id, fresh());
        await server.bank.control({ refunds: 'refuse' });
        assert.equal((await refund(server.admin, booking)).status, 202);
        assert.equal((await fan.booking(booking.id)).status, 'refund_pending');
        await server.bank.behave();
        await until(async () => {
            await server.advance(5000);
            return (await fan.booking(booking.id)).status === 'refunded';
        }, { every: 50, what: 'the refund to be paid' });
        assert.equal((await sessionOf(server, booking)).refunded, 3000);
    });
});

describe('a provider in trouble', () => {
    for (const trouble of ['refuse', 'hang']) {
        test(`that ${trouble}s: checkouts wait, holds go on, and all is done once it is back`, async () => {
            const own = await Foyer.start({ args: ['--abuse=off'] });
            const user = await makeUser(own);
            const hall = await sale(own, HALL);
            await own.bank.control({ sessions: trouble });
            const bookings = [];
            for (let i = 1; i <= 8; i++) {
                const booking = await held(user, hall.id, [`S1-R1-${i}`]);
                const began = performance.now();
                const checkout = await user.post(`/v1/bookings/${booking.id}/checkout`);
                assert.equal(checkout.status, 202);
                assert.ok(performance.now() - began < 1000, 'the buyer does not wait for the bank');
                bookings.push(booking);
            }
            const waiting = await user.booking(bookings[0].id);
            assert.deepEqual([waiting.status, waiting.payment.status, waiting.payment.url], ['payment_pending', 'creating', null]);
            if (trouble === 'refuse')
                await until(async () => (await own.metric('foyer_payment_calls_failed_total')) >= 5, { what: 'calls to have failed' });
            await own.bank.behave();
            for (const booking of bookings) {
                const open = await until(async () => {
                    await own.advance(1000);
                    const found = await user.booking(booking.id);
                    return found.payment?.url && found;
                }, { every: 30, what: 'a payment URL' });
                await own.bank.pay(open.payment.url);
                await status(user, booking.id, 'confirmed');
            }
            assert.equal((await own.bank.sessions()).length, 8, 'no session was made twice');
            await assertReconciled(own);
            await own.stop();
        });
    }

    test('while it is proven down holds that wait for it live longer, once', async () => {
        const own = await Foyer.start({ args: ['--abuse=off'] });
        const user = await makeUser(own);
        const hall = await sale(own, HALL);
        await own.bank.control({ sessions: 'refuse', status: 'refuse' });
        const bookings = [];
        for (let i = 1; i <= 6; i++) {
            bookings.push(await held(user, hall.id, [`S1-R1-${i}`]));
            await user.post(`/v1/bookings/${bookings.at(-1).id}/checkout`);
        }
        await until(async () => {
            await own.advance(300);
            return (await own.metric('foyer_payment_calls_failed_total')) >= 6;
        }, { every: 20, what: 'the breaker to open' });
        const first = await user.booking(bookings[0].id);
        await own.advance(Date.parse(first.expires_at) - (await own.now()) + 500);
        const extended = await until(async () => {
            const found = await user.booking(first.id);
            return found.expires_at !== first.expires_at && found;
        }, { what: 'the hold to be extended' });
        assert.equal(extended.status, 'payment_pending');
        const longer = Date.parse(extended.expires_at) - Date.parse(first.expires_at);
        assert.ok(longer > 0 && longer <= 11 * MINUTE, `${longer} ms`);
        await own.advance(longer + MINUTE);
        await until(async () => {
            await own.advance(1000);
            return (await user.booking(first.id)).status === 'expired';
        }, { every: 30, what: 'the second end to be the last' });
        await own.bank.behave();
        await own.stop();
    });

    test('a bank that dies comes back by itself at the same address with its ledger', async () => {
        const own = await Foyer.start({ args: ['--abuse=off'] });
        const user = await makeUser(own);
        const hall = await sale(own, HALL);
        const booking = await checkedOut(user, hall.id, ['S1-R1-1']);
        const url = own.bank.url;
        const children = own.childPids();
        assert.equal(children.length, 1);
        process.kill(children[0], 'SIGKILL');
        const second = await held(user, hall.id, ['S1-R1-2']);
        await user.post(`/v1/bookings/${second.id}/checkout`);
        const paid = await until(async () => {
            await own.advance(500);
            return own.bank.pay(booking.payment.url).catch(() => null);
        }, { every: 50, what: 'the bank to be back' });
        assert.equal(paid.status, 200);
        assert.equal(own.bank.url, url);
        await status(user, booking.id, 'confirmed');
        const open = await until(async () => {
            await own.advance(500);
            const found = await user.booking(second.id);
            return found.payment.url && found;
        }, { every: 50, what: 'the second checkout' });
        await own.bank.pay(open.payment.url);
        await status(user, second.id, 'confirmed');
        await assertReconciled(own);
        await own.stop();
    });
});

describe('a server that dies', () => {
    test('between checkout and payment, and between payment and callback, forgets nothing', async () => {
        const bank = await startBank();
        const own = await Foyer.start({ bank, args: ['--abuse=off'] });
        let user = await makeUser(own);
        const hall = await sale(own, HALL);
        const waiting = await held(user, hall.id, ['S1-R1-1']);
        const open = await checkedOut(user, hall.id, ['S1-R1-2']);
        const told = await checkedOut(user, hall.id, ['S1-R1-3']);
        const untold = await checkedOut(user, hall.id, ['S1-R1-4']);
        const refunded = await bought(own, user, hall.id, ['S1-R1-5']);
        /* Asked for in the moment of death. */
        await own.bank.control({ sessions: 'hang', refunds: 'hang' });
        await user.post(`/v1/bookings/${waiting.id}/checkout`);
        await own.admin.post(`/v1/bookings/${refunded.id}/refund`);
        await own.kill9();
        await own.bank.behave();
        /* Paid while nobody listens: one callback is repeated until it is heard, one never comes. */
        await own.bank.pay(told.payment.url, 'succeeded', { count: 3 });
        await own.bank.pay(untold.payment.url, 'succeeded', { count: 0 });
        await own.start();
        user = own.as(user.token);
        await status(user, told.id, 'confirmed');
        await status(user, untold.id, 'confirmed');
        await own.bank.pay(open.payment.url);
        await status(user, open.id, 'confirmed');
        await own.bank.pay((await paymentUrl(user, waiting.id)).payment.url);
        await status(user, waiting.id, 'confirmed');
        await status(user, refunded.id, 'refunded');
        assert.equal((await own.bank.sessions()).length, 5);
        await assertReconciled(own);
        await own.stop();
        await bank.program.stop();
    });

    test('and a bank that dies between payment and callback tells it when it is back', async () => {
        const bank = await startBank();
        const own = await Foyer.start({ bank, args: ['--abuse=off'] });
        const user = await makeUser(own);
        const hall = await sale(own, HALL);
        const booking = await checkedOut(user, hall.id, ['S1-R1-1']);
        await own.bank.pay(booking.payment.url, 'succeeded', { count: 2, delay_ms: 400 });
        await bank.program.kill9();
        assert.equal((await user.booking(booking.id)).status, 'payment_pending');
        const again = await startBank(bank.dir, new URL(bank.url).host);
        await status(user, booking.id, 'confirmed');
        assert.equal((await sessionOf(own, booking)).captured, 5000);
        await assertReconciled(own);
        await own.stop();
        await again.program.stop();
    });
});

test('the report, the bank and the audit name the same sum', async () => {
    const own = await Foyer.start({ args: ['--abuse=off'] });
    const user = await makeUser(own);
    const hall = await sale(own, HALL);
    for (let i = 1; i <= 5; i++) await bought(own, user, hall.id, [`S1-R1-${i}`, `S1-R2-${i}`]);
    const last = (await user.get('/v1/me/bookings?limit=1')).json.data[0];
    const [ticket] = await ticketsOf(user, last.id);
    await own.admin.post(`/v1/bookings/${last.id}/refund`, { ticket_ids: [ticket.id] });
    await status(user, last.id, 'partially_refunded');
    const { ledger, audit } = await assertReconciled(own);
    const report = (await own.admin.get(`/v1/events/${hall.id}/report`)).json;
    assert.equal(ledger.captured - ledger.refunded, 5 * 8000 - ticket.price);
    assert.equal(report.revenue - (report.revenue === 5 * 8000 ? report.refunded : 0), ledger.captured - ledger.refunded);
    assert.equal(report.booked, 9);
    assert.equal(audit.totals.seats_booked, 9);
    await own.stop();
});
