// The defence against bots: what is counted together, what a challenge is worth, and that honest people get through.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { solve } from './lib/altcha.mjs';
import { newKey } from './lib/api.mjs';
import { held, makeManyUsers, makeUser, plan, sale } from './lib/seed.mjs';
import { Foyer } from './lib/server.mjs';

let server;
before(async () => (server = await Foyer.start({ args: [] })));
after(() => server.stop());

const HALL = plan({ rows: 20, seats: 30 });
const seats = (row, ...numbers) => numbers.map((number) => `S1-R${row}-${number}`);

/* A hold of one row's first places by somebody with this device and from this address. */
function hold(person, event, row, { count = 2, device, from, solution, key = newKey() } = {}) {
    const headers = { ...(device && { cookie: `foyer_device=${device}` }), ...(from && { 'x-forwarded-for': from }), ...(solution && { 'foyer-challenge': solution }) };
    const seat_ids = seats(row, ...Array.from({ length: count }, (_, i) => i + 1));
    return person.post('/v1/bookings', { event_id: event.id, seat_ids }, { key, headers });
}

async function refused(answer, status, type) {
    const { status: got, json, text } = await answer;
    assert.equal(got, status, text);
    assert.equal(json.type, type);
    return json;
}

async function granted(answer) {
    const { status, text, json } = await answer;
    assert.equal(status, 201, text);
    return json;
}

describe('an account', () => {
    test('has one open hold of an event, and may hold again once it is given back', async () => {
        const event = await sale(server, { plan: HALL });
        const [fan] = await makeManyUsers(server, 1);
        const first = await granted(hold(fan, event, 1));
        const problem = await refused(hold(fan, event, 2), 422, 'limit-exceeded');
        assert.deepEqual(problem.bookings, [first.id]);
        await fan.delete(`/v1/bookings/${first.id}`);
        await granted(hold(fan, event, 2));
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
        const again = await hold(fan, event, 1, { solution, key });
        assert.equal(again.status, 201);
        assert.equal(again.headers['idempotency-replayed'], 'true');
        await refused(hold(fan, event, 2, { solution }), 403, 'challenge-required');
        const { json } = await fan.get(`/v1/events/${event.id}/challenge`);
        await granted(hold(fan, event, 2, { solution: solve(json) }));
    });
});
