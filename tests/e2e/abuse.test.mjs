// The defence against bots: what is counted together, what a challenge is worth, and that honest people get through.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createHmac } from 'node:crypto';
import { solve } from './lib/altcha.mjs';
import { newKey } from './lib/api.mjs';
import { assertReconciled, eventBody, makeEvent, makeManyUsers, makeUser, makeVenue, plan, publish, sale, status } from './lib/seed.mjs';
import { FakeStripe, KEY } from './lib/fake-stripe.mjs';
import { Foyer } from './lib/server.mjs';
import { isPostgres, storeOf } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const ARGS = ['--trusted-proxies=127.0.0.0/8, 10.1.0.0/16, fd00::/8'];
const MINUTE = 60 * 1000;
const HALL = plan({ rows: 20, seats: 30 });
const MANY = 100000;

let server;
before(async () => (server = await Foyer.start({ args: ARGS })));
after(async () => {
    if (server) assert.deepEqual((await server.audit()).findings, []);
    await server?.stop();
});

const seats = (row, count) => Array.from({ length: count }, (_, i) => `S1-R${row}-${i + 1}`);
const headersOf = ({ device, from, solution }) => ({
    ...(device && { cookie: `foyer_device=${device}` }), ...(from && { 'x-forwarded-for': from }), ...(solution && { 'foyer-challenge': solution }),
});

/* A hold of one row's first places by somebody with this device, from this address. */
const hold = (person, event, row, { count = 2, key = newKey(), ...how } = {}) =>
    person.post('/v1/bookings', { event_id: event.id, seat_ids: seats(row, count) }, { key, headers: headersOf(how) });
const checkout = (person, booking, how = {}) => person.post(`/v1/bookings/${booking.id}/checkout`, undefined, { headers: headersOf(how) });

async function refused(answer, code, type) {
    const { status: got, json, text } = await answer;
    assert.equal(got, code, text);
    assert.equal(json.type, type, text);
    return json;
}

async function granted(answer, code = 201) {
    const { status: got, text, json } = await answer;
    assert.equal(got, code, text);
    return json;
}

/* What a browser has after its first answer. */
async function newDevice(own = server) {
    const answer = await own.anonymous.get('/v1/services', { headers: { 'sec-fetch-site': 'same-origin' } });
    const [cookie] = answer.headers['set-cookie'];
    assert.match(cookie, /^foyer_device=[\w-]{32}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
    return /=([\w-]+);/.exec(cookie)[1];
}

const devices = (count, own) => Promise.all(Array.from({ length: count }, () => newDevice(own)));
const ttlOf = (booking) => Date.parse(booking.expires_at) - Date.parse(booking.created_at);

describe('settings', () => {
    test('have defaults, follow the account up, and may change during a sale', async () => {
        const venue = await makeVenue(server.admin, HALL);
        const event = await makeEvent(server, server.admin, venue.id);
        assert.deepEqual(event.abuse, { per_device: 12, per_card: 12, per_network: 48, open_holds: 1, challenge: 'auto' });
        const large = await granted(server.admin.patch(`/v1/events/${event.id}`, { limits: { per_account: 40 } }), 200);
        assert.deepEqual(large.abuse, { per_device: 40, per_card: 40, per_network: 48, open_holds: 1, challenge: 'auto' });
        await publish(server.admin, event.id);
        const changed = await granted(server.admin.patch(`/v1/events/${event.id}`, { abuse: { challenge: 'on', per_network: 7 } }), 200);
        assert.deepEqual(changed.abuse, { per_device: 40, per_card: 40, per_network: 7, open_holds: 1, challenge: 'on' });
        assert.deepEqual((await server.anonymous.get(`/v1/events/${event.id}`)).json.abuse, changed.abuse);
    });

    test('that make no sense are named', async () => {
        const venue = await makeVenue(server.admin, HALL);
        const now = await server.now();
        for (const [abuse, field] of [
            [{ per_device: 0 }, 'abuse.per_device'], [{ per_card: 101 }, 'abuse.per_card'], [{ per_network: 0 }, 'abuse.per_network'],
            [{ open_holds: 0 }, 'abuse.open_holds'], [{ challenge: 'maybe' }, 'abuse.challenge'], [{ per_devices: 3 }, 'abuse.per_devices'],
            [{ per_device: 11 }, 'abuse.per_device'], ['on', 'abuse'],
        ]) {
            const problem = await refused(server.admin.post('/v1/events', eventBody(venue.id, now, { abuse })), 422, 'validation');
            assert.deepEqual(problem.errors.map((error) => error.field), [field]);
        }
    });
});

describe('an account', () => {
    test('has one open hold of an event, and may hold again once it is given back or paid', async () => {
        const event = await sale(server, { plan: HALL });
        const [fan] = await makeManyUsers(server, 1);
        const first = await granted(hold(fan, event, 1));
        const problem = await refused(hold(fan, event, 2), 422, 'limit-exceeded');
        assert.deepEqual(problem.bookings, [first.id]);
        await granted(hold(fan, await sale(server, { plan: HALL }), 2));
        await granted(fan.delete(`/v1/bookings/${first.id}`), 200);
        await granted(hold(fan, event, 2));
    });

    test('of two holds at once gets one, whichever comes first', async () => {
        const event = await sale(server, { plan: HALL });
        for (const person of await makeManyUsers(server, 5)) {
            const answers = await Promise.all([hold(person, event, 3), hold(person, event, 4), hold(person, event, 5)]);
            const won = answers.findIndex((answer) => answer.status === 201);
            assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, 422, 422]);
            await granted(person.delete(`/v1/bookings/${answers[won].json.id}`), 200);
        }
        /* The control: where more may be open, more are. */
        const open = await sale(server, { plan: HALL, abuse: { open_holds: 3 } });
        const [fan] = await makeManyUsers(server, 1);
        const answers = await Promise.all([hold(fan, open, 3), hold(fan, open, 4), hold(fan, open, 5)]);
        assert.deepEqual(answers.map((answer) => answer.status), [201, 201, 201]);
    });

    test('that lets holds end unpaid waits before the next, longer each time', async () => {
        const own = await Foyer.start({ args: ARGS });
        const event = await sale(own, { plan: HALL, hold_ttl_s: 30, abuse: { challenge: 'off' } });
        const [fan, other] = await makeManyUsers(own, 2);
        const lapse = async () => {
            const booking = await granted(hold(fan, event, 1));
            await own.advance(31 * 1000);
            await status(fan, booking.id, 'expired');
        };
        await lapse();
        await lapse();
        await lapse();
        const waits = await hold(fan, event, 1);
        await refused(waits, 429, 'rate-limited');
        const wait = Number(waits.headers['retry-after']);
        assert.ok(wait > 0 && wait <= 60, `${wait} s`);
        await granted(hold(other, event, 2));
        await own.advance(60 * 1000);
        await lapse();
        await own.advance(61 * 1000);
        await refused(hold(fan, event, 1), 429, 'rate-limited');
        await own.restart();
        await refused(hold(own.as(fan.token), event, 1), 429, 'rate-limited');
        await own.advance(30 * MINUTE);
        await granted(hold(own.as(fan.token), event, 1));
        await own.stop();
    });

    test('may think again: places given back at once are no churn, as long as it does not go on for ever', async () => {
        const event = await sale(server, { plan: HALL });
        const [fan] = await makeManyUsers(server, 1);
        for (let i = 0; i < 12; i++) {
            const booking = await granted(hold(fan, event, 1));
            await granted(fan.delete(`/v1/bookings/${booking.id}`), 200);
        }
        await refused(hold(fan, event, 1), 429, 'rate-limited');
    });
});

describe('a device', () => {
    test('is known by a signed cookie that browsers get, and nobody can make up', async () => {
        const event = await sale(server, { plan: HALL, abuse: { challenge: 'off' } });
        const device = await newDevice();
        const again = await server.anonymous.get('/v1/services', { headers: { 'sec-fetch-site': 'same-origin', cookie: `foyer_device=${device}` } });
        assert.equal(again.headers['set-cookie'], undefined);
        assert.equal((await server.anonymous.get('/v1/services')).headers['set-cookie'], undefined);
        const people = await makeManyUsers(server, 4);
        await granted(hold(people[0], event, 1, { count: 6, device }));
        await granted(hold(people[1], event, 2, { count: 6, device }));
        await refused(hold(people[2], event, 3, { count: 1, device }), 422, 'limit-exceeded');
        await granted(hold(people[2], event, 3, { count: 1, device: await newDevice() }));
        /* A cookie that is changed is none. */
        const forged = (device[0] === 'A' ? 'B' : 'A') + device.slice(1);
        await granted(hold(people[3], event, 4, { count: 6, device: forged }));
    });

    test('of two holds against its cap lets one pass, in either order', async () => {
        const event = await sale(server, { plan: HALL, abuse: { challenge: 'off' } });
        for (let i = 0; i < 4; i++) {
            const [a, b, c] = await makeManyUsers(server, 3);
            const device = await newDevice();
            await granted(hold(c, event, 1 + i, { count: 6, device }));
            const pair = [hold(a, event, 6 + i, { count: 4, device }), hold(b, event, 11 + i, { count: 4, device })];
            const answers = await Promise.all(i % 2 ? pair.reverse() : pair);
            assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, 422]);
        }
    });

    test('joins accounts, and accounts join devices, however long the chain is', async () => {
        const event = await sale(server, { plan: HALL, abuse: { challenge: 'off', open_holds: 10 } });
        const people = await makeManyUsers(server, 4);
        const [a, b, c] = await devices(3);
        await granted(hold(people[0], event, 1, { count: 4, device: a }));
        await granted(hold(people[0], event, 2, { count: 2, device: b }));
        await granted(hold(people[1], event, 3, { count: 3, device: b }));
        await granted(hold(people[1], event, 4, { count: 2, device: c }));
        await refused(hold(people[2], event, 5, { count: 2, device: c }), 422, 'limit-exceeded');
        await granted(hold(people[2], event, 5, { count: 1, device: c }));
        await refused(hold(people[3], event, 6, { count: 1, device: a }), 422, 'limit-exceeded');
        await granted(hold(people[3], event, 6, { count: 6, device: await newDevice() }));
    });

    test('that many accounts share is suspicious: it solves challenges, and its holds are short until they are paid', async () => {
        const event = await sale(server, { plan: HALL });
        const people = await makeManyUsers(server, 3);
        const device = await newDevice();
        assert.equal(ttlOf(await granted(hold(people[0], event, 1, { device }))), 600 * 1000);
        assert.equal(ttlOf(await granted(hold(people[1], event, 2, { device }))), 600 * 1000);
        const { challenge } = await refused(hold(people[2], event, 3, { device }), 403, 'challenge-required');
        const booking = await granted(hold(people[2], event, 3, { device, solution: solve(challenge) }));
        assert.equal(ttlOf(booking), 120 * 1000);
        assert.equal(ttlOf(await granted(checkout(people[2], booking, { device }), 202)), 600 * 1000);
    });
});

describe('a network', () => {
    test('is where the address is, by its /24 or /48; what untrusted peers say counts for nothing', async () => {
        const event = await sale(server, { plan: HALL, abuse: { per_network: 2, challenge: 'off' } });
        const people = await makeManyUsers(server, 12);
        let row = 0;
        /* Nobody can solve a challenge here, so two places are all. */
        await granted(hold(people[0], event, ++row, { from: '192.0.2.1' }));
        await refused(hold(people[1], event, ++row, { from: '192.0.2.200' }), 422, 'limit-exceeded');
        await refused(hold(people[1], event, row, { from: '198.51.100.7, 192.0.2.200, 10.1.2.3' }), 422, 'limit-exceeded');
        await refused(hold(people[1], event, row, { from: '::ffff:192.0.2.9' }), 422, 'limit-exceeded');
        await granted(hold(people[1], event, row, { from: '192.0.3.1' }));
        await granted(hold(people[2], event, ++row, { from: '192.0.2.1, 203.0.113.9' }));
        await granted(hold(people[3], event, ++row, { from: '2001:db8:1:ffff::1, fd00::1' }));
        await refused(hold(people[4], event, ++row, { from: '[2001:db8:1::2]:443' }), 422, 'limit-exceeded');
        await granted(hold(people[4], event, row, { from: '2001:db8:2::2' }));
    });

    test('without a trusted proxy the header is nobody’s word', async () => {
        const own = await Foyer.start();
        const event = await sale(own, { plan: HALL, abuse: { per_network: 2, challenge: 'off' } });
        const [a, b] = await makeManyUsers(own, 2);
        await granted(hold(a, event, 1, { from: '192.0.2.1' }));
        await refused(hold(b, event, 2, { from: '192.0.3.1' }), 422, 'limit-exceeded');
        await own.stop();
    });

    test('that is crowded asks for challenges, and gives four places to each who solves one, up to twenty times as many in all', async () => {
        const event = await sale(server, { plan: HALL, abuse: { per_network: 2 } });
        const people = await makeManyUsers(server, 13);
        const from = '192.0.2.77';
        const solved = async (person, row, count) => {
            const { json } = await person.get(`/v1/events/${event.id}/challenge`);
            return hold(person, event, row, { from, count, solution: solve(json) });
        };
        await granted(hold(people[0], event, 1, { from }));
        await refused(hold(people[1], event, 2, { from }), 403, 'challenge-required');
        const greedy = await refused(solved(people[1], 2, 5), 422, 'limit-exceeded');
        assert.match(greedy.detail, /four for each/);
        await granted(hold(people[1], event, 2, { from: '192.0.3.77' })); /* where there is no crowd */
        for (let i = 2; i < 11; i++) {
            const booking = await granted(solved(people[i], i + 1, 4));
            assert.equal(ttlOf(booking), 120 * 1000);
        }
        await refused(solved(people[11], 12, 4), 422, 'limit-exceeded');
        await granted(solved(people[11], 12, 2)); /* forty in all */
        await refused(solved(people[12], 13, 1), 422, 'limit-exceeded');
    });

    test('of families behind one address: all get their places', async () => {
        const event = await sale(server, { plan: HALL });
        const people = await makeManyUsers(server, 20);
        for (const [i, person] of people.entries()) {
            const device = await newDevice();
            const how = { count: 4, device, from: '203.0.113.5' };
            let answer = await hold(person, event, i + 1, how);
            if (answer.status === 403) answer = await hold(person, event, i + 1, { ...how, solution: solve(answer.json.challenge) });
            const booking = await granted(answer);
            await granted(checkout(person, booking, how), 202);
        }
    });
});

describe('a checkout', () => {
    test('counts the cluster again: sessions that were apart when they held are not when they pay', async () => {
        const event = await sale(server, { plan: HALL });
        const people = await makeManyUsers(server, 8);
        const bookings = [];
        for (const [i, person] of people.entries()) bookings.push(await granted(hold(person, event, i + 1, { count: 4, device: await newDevice(), from: `198.51.${i}.1` })));
        await server.advance(9 * MINUTE);
        /* Now one machine pays for all of them. */
        const machine = { device: await newDevice(), from: '203.0.113.200' };
        const answers = [];
        for (const [i, person] of people.entries()) answers.push(await checkout(person, bookings[i], machine));
        assert.deepEqual(answers.map((answer) => answer.status), [202, 202, 202, 422, 422, 422, 422, 422]);
        await granted(checkout(people[0], bookings[0], machine), 202);
        /* The control: on their own machines they could. */
        for (const i of [3, 4]) await granted(checkout(people[i], bookings[i], { from: `198.51.${i}.1` }), 202);
    });

    test('from a crowded network takes a challenge, too', async () => {
        const event = await sale(server, { plan: HALL, abuse: { per_network: 4 } });
        const people = await makeManyUsers(server, 3);
        const bookings = [];
        for (const [i, person] of people.entries()) bookings.push(await granted(hold(person, event, i + 1, { from: `198.51.${i}.1` })));
        const from = '203.0.113.201';
        await granted(checkout(people[0], bookings[0], { from }), 202);
        await granted(checkout(people[1], bookings[1], { from }), 202);
        const { challenge } = await refused(checkout(people[2], bookings[2], { from }), 403, 'challenge-required');
        await granted(checkout(people[2], bookings[2], { from, solution: solve(challenge) }), 202);
    });
});

describe('a card', () => {
    const pay = async (person, booking, card) => {
        await granted(checkout(person, booking), 202);
        const { payment } = await until(async () => {
            const now = await person.booking(booking.id);
            return now.payment?.url && now;
        }, { what: 'a payment URL' });
        assert.equal((await server.bank.pay(payment.url, 'succeeded', { count: 2 }, card && { card })).status, 200);
    };

    test('buys its share; beyond it the booking fails, the money goes back and the places are free', async () => {
        const event = await sale(server, { plan: HALL, abuse: { challenge: 'off', per_network: MANY } });
        const people = await makeManyUsers(server, 4);
        const bookings = [];
        for (const [i, person] of people.entries()) bookings.push(await granted(hold(person, event, i + 1, { count: 5 })));
        for (const i of [0, 1]) {
            await pay(people[i], bookings[i], 'gold');
            await status(people[i], bookings[i].id, 'confirmed');
        }
        await pay(people[2], bookings[2], 'gold');
        const failed = await status(people[2], bookings[2].id, 'refunded');
        assert.equal(await server.metric('foyer_abuse_refusals_total', 'rule="card"'), 1);
        await pay(people[3], bookings[3], 'silver');
        await status(people[3], bookings[3].id, 'confirmed');
        const rows = await server.sql(`SELECT r.reason, r.amount FROM refund r JOIN event e ON e.id = r.event_id WHERE r.reason = 'card_limit'`);
        assert.deepEqual(rows, [['card_limit', String(failed.amount)]]);
        await granted(hold(people[3], event, 3, { count: 1 }));
        await assertReconciled(server);
    });

    test('joins those who pay with it for what they hold next', async () => {
        const event = await sale(server, { plan: HALL, abuse: { challenge: 'off', per_network: MANY } });
        const people = await makeManyUsers(server, 3);
        for (const i of [0, 1]) {
            const booking = await granted(hold(people[i], event, i + 1, { count: 5 }));
            await pay(people[i], booking, 'bronze');
            await status(people[i], booking.id, 'confirmed');
        }
        await refused(hold(people[0], event, 5, { count: 3 }), 422, 'limit-exceeded');
        await granted(hold(people[2], event, 5, { count: 3 }));
    });

    test('of Stripe is asked for before the money counts', async () => {
        const stripe = await FakeStripe.start();
        const secret = 'whsec_abuse_0123456789';
        const own = await Foyer.start({
            args: ['--payments=stripe', `--stripe-api=${stripe.url}`], env: { FOYER_STRIPE_KEY: KEY, FOYER_STRIPE_WEBHOOK_SECRET: secret },
        });
        const event = await sale(own, { plan: HALL, abuse: { challenge: 'off', per_network: MANY } });
        const people = await makeManyUsers(own, 3);
        const outcomes = [];
        for (const [i, person] of people.entries()) {
            const booking = await granted(hold(person, event, i + 1, { count: 5 }));
            await granted(checkout(person, booking), 202);
            const { payment } = await until(async () => {
                const now = await person.booking(booking.id);
                return now.payment?.url && now;
            }, { what: 'a payment URL' });
            const session = stripe.pay(payment.url.split('/').pop(), 'fp_one');
            const body = JSON.stringify(stripe.event('checkout.session.completed', session));
            const at = Math.floor((await own.now()) / 1000);
            const mac = createHmac('sha256', secret).update(`${at}.${body}`).digest('hex');
            const told = await own.anonymous.post('/v1/payments/webhooks/stripe', body, { headers: { 'stripe-signature': `t=${at},v1=${mac}` } });
            assert.equal(told.status, 200, told.text);
            outcomes.push((await until(async () => {
                const now = await person.booking(booking.id);
                return ['confirmed', 'refunded'].includes(now.status) && now;
            }, { what: 'an outcome' })).status);
        }
        assert.deepEqual(outcomes, ['confirmed', 'confirmed', 'refunded']);
        await until(() => stripe.refunds.size === 1, { what: 'the refund' });
        await own.stop();
        stripe.stop();
    });
});

describe('a challenge', () => {
    test('of an event that asks for one lets a hold pass once, for its account and event', async () => {
        const event = await sale(server, { plan: HALL, abuse: { challenge: 'on', open_holds: 10 } });
        const other = await sale(server, { plan: HALL, abuse: { challenge: 'on' } });
        const [fan, friend] = await makeManyUsers(server, 2);
        const { challenge } = await refused(hold(fan, event, 1), 403, 'challenge-required');
        const solution = solve(challenge);
        await refused(hold(friend, event, 1, { solution }), 403, 'challenge-required');
        await refused(hold(fan, other, 1, { solution }), 403, 'challenge-required');
        const key = newKey();
        await granted(hold(fan, event, 1, { solution, key }));
        const again = await hold(fan, event, 1, { key });
        assert.equal(again.status, 201);
        assert.equal(again.headers['idempotency-replayed'], 'true');
        await refused(hold(fan, event, 2, { solution }), 403, 'challenge-required');
        const { json } = await fan.get(`/v1/events/${event.id}/challenge`);
        await granted(hold(fan, event, 2, { solution: solve(json) }));
    });

    test('is used once, whichever of two holds comes first, and not by a hold that got nothing', async () => {
        const event = await sale(server, { plan: HALL, abuse: { challenge: 'on', open_holds: 10 } });
        const [fan, friend] = await makeManyUsers(server, 2);
        const challengeFor = async (person) => solve((await person.get(`/v1/events/${event.id}/challenge`)).json);
        const solution = await challengeFor(fan);
        const answers = await Promise.all([1, 2, 3].map((row) => hold(fan, event, row, { solution })));
        assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, 403, 403]);
        const taken = 1 + answers.findIndex((answer) => answer.status === 201);
        const second = await challengeFor(friend);
        await refused(hold(friend, event, taken, { solution: second }), 409, 'seats-unavailable');
        await granted(hold(friend, event, 5, { solution: second }));
    });

    test('that is changed, unsolved, too old or garbage is none', async () => {
        const own = await Foyer.start();
        const event = await sale(own, { plan: HALL, abuse: { challenge: 'on' } });
        const [fan] = await makeManyUsers(own, 1);
        const { json } = await fan.get(`/v1/events/${event.id}/challenge`);
        const expires = /expires=(\d+)/.exec(json.salt)[1];
        const later = json.salt.replace(expires, String(Number(expires) + 600));
        const wrong = [
            solve(json, { number: 100001 }), solve(json, { number: -1 }), solve(json, { salt: later }), solve(json, { signature: json.signature.replace(/./, 'x') }),
            solve(json, { algorithm: 'SHA-1' }), solve(json, { salt: json.salt.slice(0, -1) }), 'garbage', Buffer.from('[]').toString('base64'), 'e30=',
        ];
        for (const solution of wrong) await refused(hold(fan, event, 1, { solution }), 403, 'challenge-required');
        const solution = solve(json);
        await own.advance(10 * MINUTE + 1000);
        assert.match((await refused(hold(fan, event, 1, { solution }), 403, 'challenge-required')).detail, /too late/);
        await own.stop();
    });
});

test('two nodes count as one', { skip: !isPostgres && 'two nodes need PostgreSQL' }, async () => {
    const event = await sale(server, { plan: HALL, abuse: { challenge: 'on', open_holds: 10 } });
    const second = await Foyer.start({ store: storeOf(server.dir), args: ARGS });
    try {
        const solutionFor = async (person) => solve((await person.get(`/v1/events/${event.id}/challenge`)).json);
        for (let i = 0; i < 4; i++) {
            const [a, b, c] = await makeManyUsers(server, 3);
            const there = second.as(b.token);
            const device = await newDevice();
            await granted(hold(c, event, 1 + i, { count: 6, device, from: `198.51.${i}.1`, solution: await solutionFor(c) }));
            const [one, two] = [await solutionFor(a), await solutionFor(there)];
            const answers = await Promise.all([
                hold(a, event, 6 + i, { count: 4, device, solution: one, from: `198.51.${i}.1` }), hold(there, event, 11 + i, { count: 4, device, solution: two, from: `198.51.${i}.1` }),
            ]);
            assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, 422], answers.map((answer) => answer.text).join());
            /* A solution that one node took is used up on the other. */
            const [loser, used] = answers[0].status === 201 ? [second.as(a.token), one] : [server.as(b.token), two];
            await refused(hold(loser, event, 16 + i, { count: 1, solution: used }), 403, 'challenge-required');
        }
    } finally {
        await second.stop();
    }
});

test('who sells the event is no bot', async () => {
    const organizer = await makeUser(server, { roles: ['organizer'] });
    const event = await sale(server, { plan: HALL, api: organizer, abuse: { challenge: 'on' } });
    for (let row = 1; row <= 4; row++) await granted(hold(organizer, event, row, { count: 6 }));
    await granted(hold(server.admin, event, 5));
    const other = await makeUser(server, { roles: ['organizer'] });
    await refused(hold(other, event, 6), 403, 'challenge-required');
});

test('--abuse=off lifts all of it', async () => {
    const own = await Foyer.start({ args: ['--abuse=off'] });
    const event = await sale(own, { plan: HALL, abuse: { challenge: 'on' } });
    const [fan] = await makeManyUsers(own, 1);
    for (let row = 1; row <= 4; row++) await granted(hold(fan, event, row, { count: 6 }));
    assert.equal((await own.anonymous.get('/v1/services', { headers: { 'sec-fetch-site': 'same-origin' } })).headers['set-cookie'], undefined);
    await own.stop();
});
