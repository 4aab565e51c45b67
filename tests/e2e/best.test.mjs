/*
 * T3: best available. Seats of a row side by side, nearest to the focal point; who is split, who needs places for wheelchairs, what is
 * left alone; what is refused, and with which words; and a herd that asks for the same at once and gets different seats.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { newKey } from './lib/api.mjs';
import { Nodes } from './lib/nodes.mjs';
import { Postgres } from './lib/postgres.mjs';
import { Foyer } from './lib/server.mjs';
import { held, makeManyUsers, plan, reconciled, sale, seatStates } from './lib/seed.mjs';
import { isPostgres } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const seats = (row, ...numbers) => numbers.map((number) => `S1-R${row}-${number}`);
const idsOf = (booking) => booking.seats.map((seat) => seat.id).sort();
const best = (count, more = {}) => ({ best_available: { count, ...more } });
const picked = async (api, eventId, count, more) => idsOf(await held(api, eventId, best(count, more)));

async function refused(promise, status, type) {
    const answer = await promise;
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.json.type, type, answer.text);
    return answer.json;
}

let server;
let fan;
before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    [fan] = await makeManyUsers(server, 1);
});
after(() => server.stop());

/* A hall of one section whose seats are made by draw(row, number): more members of the seat. */
function drawn(options, draw) {
    const made = plan(options);
    made.zones.forEach((zone) => zone.rows.forEach((row, r) => row.seats.forEach((seat, s) => Object.assign(seat, draw(r + 1, s + 1, seat)))));
    return made;
}

describe('a party', () => {
    test('sits in the middle of the first row, the next one beside it, and rows are filled one after the other', async () => {
        const event = await sale(server, { plan: drawn({ rows: 3, seats: 10 }, () => ({ category: 'front' })) });
        assert.deepEqual(await picked(fan, event.id, 2), seats(1, 5, 6));
        assert.deepEqual(await picked(fan, event.id, 2), seats(1, 3, 4));
        assert.deepEqual(await picked(fan, event.id, 2), seats(1, 7, 8));
        assert.deepEqual(await picked(fan, event.id, 4), seats(2, 3, 4, 5, 6), 'not quite the middle: another four shall fit beside them');
        assert.deepEqual(await picked(fan, event.id, 2), seats(1, 1, 2));
        assert.deepEqual(await picked(fan, event.id, 3), seats(3, 4, 5, 6), 'in the second row somebody would be left alone');
    });

    test('gets the category and the section that it asks for, at its price', async () => {
        const event = await sale(server, { plan: plan({ sections: 2, rows: 2, seats: 6 }) });
        const booking = await held(fan, event.id, best(2, { category: 'back', section: 'sec_0000000000001' }));
        assert.deepEqual(booking.seats.map((seat) => [seat.section, seat.row, seat.price]), [['Section 2', '2', 3000], ['Section 2', '2', 3000]]);
        assert.equal(booking.amount, 6000);
        const front = await held(fan, event.id, best(3, { category: 'front' }));
        assert.deepEqual(front.seats.map((seat) => [seat.row, seat.price]), Array(3).fill(['1', 5000]));
    });

    test('sits near the focal point that the plan or the category names', async () => {
        const mixed = drawn({ rows: 2, seats: 10 }, (row, number) => ({ category: number <= 5 ? 'front' : 'back' }));
        mixed.focal_point = { x: 90, y: 20 };
        mixed.categories[0].focal_point = { x: 0, y: 0 };
        const event = await sale(server, { plan: mixed });
        assert.deepEqual(await picked(fan, event.id, 2, { category: 'back' }), ['S1-R2-10', 'S1-R2-9']);
        assert.deepEqual(await picked(fan, event.id, 2, { category: 'front' }), seats(1, 1, 2));
    });

    test('does not sit across an aisle, and seats that are taken or blocked are none', async () => {
        const event = await sale(server, { plan: drawn({ rows: 1, seats: 8 }, (row, n) => ({ position: { x: n * 10 + (n > 4 ? 30 : 0), y: 0 } })) });
        await refused(fan.hold(event.id, best(5)), 409, 'seats-unavailable');
        assert.equal((await server.admin.post(`/v1/events/${event.id}/blocks`, { seat_ids: seats(1, 1, 2) })).status, 200);
        assert.deepEqual(await picked(fan, event.id, 4), seats(1, 5, 6, 7, 8));
        assert.deepEqual(await picked(fan, event.id, 2), seats(1, 3, 4));
    });

    test('is split only if it may be, into as few groups as possible and none of one', async () => {
        const event = await sale(server, { plan: drawn({ rows: 3, seats: 4 }, () => ({ category: 'front' })) });
        assert.equal((await refused(fan.hold(event.id, best(6)), 409, 'seats-unavailable')).largest_group, 4);
        /* Not three and three, which would leave somebody alone in two rows. */
        assert.deepEqual(await picked(fan, event.id, 6, { may_split: true }), [...seats(1, 1, 2, 3, 4), ...seats(2, 1, 2)]);
        assert.deepEqual(await picked(fan, event.id, 4, { may_split: true }), seats(3, 1, 2, 3, 4));
        assert.equal((await refused(fan.hold(event.id, best(3, { may_split: true })), 409, 'seats-unavailable')).largest_group, 2);
    });

    test('gets places of an area where its category has no seats', async () => {
        const event = await sale(server, { plan: plan({ rows: 1, areas: [{ guid: 'near', capacity: 3, position: { x: 0, y: 50 } }, { guid: 'far', capacity: 9, position: { x: 0, y: 500 } }] }) });
        const areas = async (count, more) => (await held(fan, event.id, best(count, { category: 'back', ...more }))).areas.map((area) => [area.area_id, area.quantity]);
        assert.deepEqual(await areas(2), [['near', 2]]);
        assert.deepEqual(await areas(4), [['far', 4]]);
        assert.deepEqual(await areas(1), [['near', 1]]);
        assert.equal((await refused(fan.hold(event.id, best(6, { category: 'back' })), 409, 'seats-unavailable')).largest_group, 5);
    });
});

describe('places for wheelchairs', () => {
    const hall = () => drawn({ rows: 2, seats: 10 }, (row, n) => ({ category: 'front', is_accessible: row === 1 && (n === 1 || n === 5 || n === 6) }));

    test('are for those who ask, with their companions beside them', async () => {
        const event = await sale(server, { plan: hall() });
        assert.deepEqual(await picked(fan, event.id, 2), seats(1, 3, 4), 'not the middle, which is for wheelchairs');
        assert.deepEqual(await picked(fan, event.id, 2, { accessible: 1 }), seats(1, 6, 7));
        assert.deepEqual(await picked(fan, event.id, 1, { accessible: 1 }), seats(1, 5));
        assert.deepEqual(await picked(fan, event.id, 2, { accessible: 1 }), seats(1, 1, 2));
        assert.equal((await refused(fan.hold(event.id, best(2, { accessible: 1, may_split: true })), 409, 'seats-unavailable')).largest_group, 0);
    });
});

describe('no seat is left alone', () => {
    const row = (count) => drawn({ rows: 1, seats: count }, () => ({ category: 'front' }));

    test('by the best available, while more than a tenth is free', async () => {
        const event = await sale(server, { plan: row(5), limits: { per_account: 100 } });
        /* Two in the middle, or two from the second on, would leave somebody alone. */
        assert.deepEqual(await picked(fan, event.id, 2), seats(1, 1, 2));
        assert.equal((await refused(fan.hold(event.id, best(2)), 409, 'seats-unavailable')).largest_group, 1);
        assert.deepEqual(await picked(fan, event.id, 3), seats(1, 3, 4, 5));
    });

    test('by choosing, where the event says so, and those seats are named', async () => {
        const strict = await sale(server, { plan: row(10), orphan_rule: true });
        assert.equal(strict.orphan_rule, true);
        const answer = await refused(fan.hold(strict.id, seats(1, 2, 4)), 422, 'limit-exceeded');
        assert.deepEqual(answer.errors, [{ field: 'seat_ids', message: 'would leave alone: S1-R1-1, S1-R1-3' }]);
        assert.deepEqual(Object.values(await seatStates(server.anonymous, strict.id)), Array(10).fill('available'));
        await held(fan, strict.id, seats(1, 3, 4));
        const lax = await sale(server, { plan: row(10) });
        await held(fan, lax.id, seats(1, 2, 4)); /* the control: without the rule it may be */
    });

    test('unless a tenth or less is free', async () => {
        const event = await sale(server, { plan: row(20), orphan_rule: true, limits: { per_account: 100 } });
        for (const first of [1, 7, 13]) await held(fan, event.id, seats(1, ...Array.from({ length: first === 13 ? 5 : 6 }, (_, i) => first + i)));
        await refused(fan.hold(event.id, seats(1, 19)), 422, 'limit-exceeded');
        assert.equal((await refused(fan.hold(event.id, best(2)), 409, 'seats-unavailable')).largest_group, 1);
        await held(fan, event.id, seats(1, 18));
        assert.deepEqual(await picked(fan, event.id, 1), seats(1, 19));
    });
});

describe('a request', () => {
    let event;
    before(async () => (event = await sale(server, { plan: plan({ rows: 2, seats: 8 }), prices: { front: 5000 }, limits: { per_booking: 4 } })));

    test('names every field that is wrong', async () => {
        const cases = [
            [{ best_available: {} }, 'best_available.count'],
            [{ best_available: { count: 0 } }, 'best_available.count'],
            [{ best_available: { count: '2' } }, 'best_available.count'],
            [{ best_available: 2 }, 'best_available'],
            [best(2, { category: 'nowhere' }), 'best_available.category'],
            [best(2, { category: 'back' }), 'best_available.category'],
            [best(2, { section: 'sec_0000000000009' }), 'best_available.section'],
            [best(2, { section: 'nonsense' }), 'best_available.section'],
            [best(2, { accessible: 3 }), 'best_available.accessible'],
            [best(2, { accessible: -1 }), 'best_available.accessible'],
            [best(2, { may_split: 'yes' }), 'best_available.may_split'],
            [best(2, { together: true }), 'best_available.together'],
            [{ ...best(2), seat_ids: seats(1, 1) }, 'best_available'],
        ];
        for (const [body, field] of cases) {
            const answer = await refused(fan.hold(event.id, body), 422, 'validation');
            assert.deepEqual(answer.errors.map((error) => error.field), [field], JSON.stringify(body));
        }
        for (const count of [5, 7, 50]) {
            const answer = await refused(fan.hold(event.id, best(count)), 422, 'limit-exceeded');
            assert.equal(answer.errors[0].field, 'best_available.count');
        }
    });

    test('that is repeated gets the same seats, also after a restart; another one with its key is refused', async () => {
        const key = newKey();
        const first = await held(fan, event.id, best(2), key);
        const again = await fan.hold(event.id, best(2), key);
        assert.equal(again.status, 201);
        assert.equal(again.headers['idempotency-replayed'], 'true');
        assert.deepEqual(idsOf(again.json), idsOf(first));
        await refused(fan.hold(event.id, best(3), key), 422, 'idempotency-conflict');
        await held(fan, event.id, best(4));
        await server.restart();
        const restarted = await server.as(fan.token).hold(event.id, best(2), key);
        assert.equal(restarted.status, 201, 'although nothing is left for who asks anew');
        assert.equal(restarted.json.id, first.id);
    });
});

/* For two. A database that is too busy is another matter: asked again. */
const ask = (api, eventId) => until(async () => {
    const answer = await api.hold(eventId, best(2));
    return answer.status === 503 ? null : answer;
}, { what: 'an answer' });

/* Everybody asks at once: all answers. */
const herd = (people, eventId) => Promise.all(people.map((api) => ask(api, eventId)));

function assertDifferent(answers, wanted) {
    const ids = answers.filter((answer) => answer.status === 201).flatMap((answer) => idsOf(answer.json));
    assert.equal(new Set(ids).size, ids.length, 'no seat twice');
    assert.equal(ids.length, wanted);
}

describe('a herd', () => {
    test('that asks for all there is gets it at the first try, and who comes too late is told', async () => {
        const event = await sale(server, { plan: plan({ sections: 3, rows: 10, seats: 20 }) });
        const people = await makeManyUsers(server, 320);
        const answers = await herd(people, event.id);
        assertDifferent(answers, 600);
        for (const answer of answers.filter(({ status }) => status !== 201)) {
            assert.equal(answer.status, 409, answer.text);
            assert.equal(answer.json.largest_group, 0);
        }
        assert.ok(Object.values(await seatStates(server.anonymous, event.id)).every((state) => state === 'held'));
        assert.deepEqual(await reconciled(server, { isAtRest: false }), []);
    });

    test('and others who choose on the map take each other nothing away', async () => {
        const event = await sale(server, { plan: plan({ rows: 10, seats: 20 }) });
        const people = await makeManyUsers(server, 100);
        const answers = await Promise.all(people.map((api, i) => api.hold(event.id, i % 2 ? best(2) : seats(1 + (i % 10), (i % 20) + 1))));
        for (const [i, answer] of answers.entries()) if (i % 2) assert.equal(answer.status, 201, answer.text);
        const ids = answers.filter(({ status }) => status === 201).flatMap(({ json }) => idsOf(json));
        assert.equal(new Set(ids).size, ids.length);
    });

    test('whose requests fail leaves nothing marked as asked for', async () => {
        const now = await server.now();
        const event = await sale(server, { plan: plan({ rows: 1, seats: 4 }), onsale_at: new Date(now + 60000).toISOString() });
        const people = await makeManyUsers(server, 30);
        for (const answer of await herd(people, event.id)) assert.ok(['sale-not-open', 'seats-unavailable'].includes(answer.json.type), answer.text);
        await server.advance(61000);
        await held(people[0], event.id, best(2));
        await held(people[1], event.id, best(2));
    });
});

const skip = !isPostgres && 'nodes share PostgreSQL';
describe('a herd at two nodes', { skip }, () => {
    let cluster;
    let nodes;
    before(async () => {
        cluster = await Postgres.start();
        nodes = await Nodes.start(cluster);
    });
    after(async () => {
        await nodes?.end();
        await cluster?.kill();
    });

    test('gets what it asks for while there is more than enough, whatever the other node has just sold', async () => {
        const event = await sale(nodes.a, { plan: plan({ sections: 2, rows: 12, seats: 20 }), limits: { per_account: 100 } });
        const people = await makeManyUsers(nodes.a, 20);
        const others = people.slice(0, 3).map((api) => nodes.b.as(api.token));
        const answers = [];
        for (let round = 0; round < 5; round++) {
            answers.push(...(await herd(people, event.id)));
            /* What is best there went at the first node, 20 times, and hardly any of it is known here. */
            answers.push(...(await herd(others, event.id)));
        }
        assert.deepEqual(answers.filter(({ status }) => status !== 201).map(({ text }) => text), []);
        assertDifferent(answers, 5 * 46);
    });

    test('sells the house without a seat twice; who is refused because the other node was faster gets others', async () => {
        const event = await sale(nodes.a, { plan: plan({ sections: 2, rows: 10, seats: 20 }) });
        const people = await makeManyUsers(nodes.a, 200);
        const at = people.map((api, i) => nodes.all[i % 2].as(api.token));
        const ids = [];
        await Promise.all(at.map(async (api) => {
            for (;;) {
                const answer = await ask(api, event.id);
                if (answer.status === 201) return ids.push(...idsOf(answer.json));
                assert.equal(answer.status, 409, answer.text);
            }
        }));
        assert.equal(ids.length, 400);
        assert.equal(new Set(ids).size, 400);
        for (const node of nodes.all)
            await until(async () => Object.values(await seatStates(node.anonymous, event.id)).every((state) => state === 'held'), { what: 'the map to be full' });
    });
});
