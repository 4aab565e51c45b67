/* T14: what the organizer's desk asks the server: sales as they happen, bookings with their buyers, scans of doors without a network. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { bought, held, HOUR, iso, makeManyUsers, makeUser, plan, reconciled, sale, status, ticketsOf, unique } from './lib/seed.mjs';

const HALL = { plan: plan({ rows: 2, seats: 60, areas: [{ guid: 'floor', name: 'Floor', capacity: 50 }] }), limits: { per_account: 100 } };
const MINUTE = 60 * 1000;

let server;
let organizer;
let fan;
before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    [organizer, fan] = [await makeUser(server, { roles: ['organizer'] }), await makeUser(server, { name: 'Zoë Fän' })];
});
after(async () => {
    assert.deepEqual((await server.audit()).findings, []);
    assert.deepEqual(await reconciled(server, { isAtRest: false }), []);
    await server.stop();
});

const ok = (answer, wanted = 200) => {
    assert.equal(answer.status, wanted, answer.text);
    return answer.json;
};
const refusedField = (answer, field) => {
    assert.equal(answer.status, 422, answer.text);
    assert.deepEqual(answer.json.errors.map((error) => error.field), [field]);
};
const hall = (more) => sale(server, { ...HALL, api: organizer, ...more });
const row = (number, ...seats) => seats.map((seat) => `S1-R${number}-${seat}`);

describe('sales', () => {
    const salesOf = async (event, query = '') => ok(await organizer.get(`/v1/events/${event.id}/sales${query}`));
    const sums = ({ places, revenue, returned, refunded }) => [places, revenue, returned, refunded];

    test('are told as they happen: held, booked, blocked, and given back', async () => {
        const event = await hall();
        const fresh = await salesOf(event);
        assert.deepEqual([fresh.held, fresh.booked, fresh.blocked, fresh.available, ...sums(fresh), fresh.points], [0, 0, 0, 170, 0, 0, 0, 0, []]);
        await held(fan, event.id, { seat_ids: row(1, 1, 2), areas: [{ area_id: 'floor', quantity: 3 }] });
        ok(await organizer.post(`/v1/events/${event.id}/blocks`, { seat_ids: row(2, 1, 2, 3, 4) }));
        const open = await salesOf(event);
        assert.deepEqual([open.held, open.booked, open.blocked, open.available], [5, 0, 4, 161]);
        const booking = await bought(server, fan, event.id, { seat_ids: row(1, 3, 4), areas: [{ area_id: 'floor', quantity: 1 }] });
        const sold = await salesOf(event);
        assert.deepEqual([sold.held, sold.booked, sold.available, ...sums(sold)], [5, 3, 158, 3, 13000, 0, 0]);
        const [ticket] = (await ticketsOf(fan, booking.id)).filter(({ seat }) => seat);
        ok(await organizer.post(`/v1/bookings/${booking.id}/refund`, { ticket_ids: [ticket.id] }), 202);
        const returned = await salesOf(event);
        assert.deepEqual([returned.held, returned.booked, returned.available, ...sums(returned)], [5, 2, 159, 3, 13000, 1, 5000]);
        assert.equal(returned.currency, 'EUR');
        const total = returned.points.map(sums).reduce((sum, point) => sum.map((value, i) => value + point[i]), [0, 0, 0, 0]);
        assert.deepEqual(total, sums(returned), 'the points add up to the whole');
    });

    test('by minute and hour: since a time, and the same after a restart', async () => {
        const event = await hall();
        await bought(server, fan, event.id, row(1, 1));
        await server.advance(2 * MINUTE);
        await bought(server, fan, event.id, row(1, 2, 3));
        const all = await salesOf(event);
        assert.deepEqual(all.points.map(({ places }) => places), [1, 2]);
        for (const { from } of all.points) assert.equal(Date.parse(from) % MINUTE, 0);
        const last = all.points[1];
        const later = iso(Date.parse(last.from) + 30 * 1000);
        assert.deepEqual((await salesOf(event, `?since=${later}`)).points, [last], 'the minute that the time is in is told whole');
        assert.deepEqual((await salesOf(event, `?since=${iso(Date.parse(last.from) + MINUTE)}`)).points, []);
        await server.advance(HOUR);
        await bought(server, fan, event.id, row(1, 4));
        const hours = await salesOf(event, '?step=hour');
        assert.equal(hours.points.reduce((sum, point) => sum + point.places, 0), 4);
        assert.ok(hours.points.length >= 2 && hours.points.every(({ from }) => Date.parse(from) % HOUR === 0), JSON.stringify(hours.points));
        const before = await salesOf(event);
        await server.restart();
        const { at, ...same } = await salesOf(event);
        assert.deepEqual({ at: before.at, ...same }, before);
        assert.match(at, /Z$/);
        refusedField(await organizer.get(`/v1/events/${event.id}/sales?step=year`), 'step');
        refusedField(await organizer.get(`/v1/events/${event.id}/sales?since=yesterday`), 'since');
    });

    test('of another organizer\'s event are not told, nor are its bookings', async () => {
        const other = await makeUser(server, { roles: ['organizer'] });
        const event = await hall();
        for (const what of ['sales', 'bookings']) {
            assert.equal((await other.get(`/v1/events/${event.id}/${what}`)).status, 404);
            assert.equal((await fan.get(`/v1/events/${event.id}/${what}`)).status, 403);
            ok(await server.admin.get(`/v1/events/${event.id}/${what}`));
        }
    });
});

describe('bookings', () => {
    const listOf = async (event, query = '') => ok(await organizer.get(`/v1/events/${event.id}/bookings${query}`));

    test('are listed newest first with buyer, places and tickets, and never a code', async () => {
        const event = await hall();
        const hold = await held(fan, event.id, row(1, 1));
        const booking = await bought(server, fan, event.id, { seat_ids: row(1, 2, 3), areas: [{ area_id: 'floor', quantity: 1 }] });
        const { data, next_cursor: cursor } = await listOf(event);
        assert.equal(cursor, null);
        assert.deepEqual(data.map(({ id, status: state, places }) => [id, state, places]), [[booking.id, 'confirmed', 3], [hold.id, 'held', 1]]);
        assert.deepEqual(data[0].buyer, { name: 'Zoë Fän', email: fan.email });
        assert.deepEqual([data[0].seats.length, data[0].areas[0].quantity, data[0].amount], [2, 1, 13000]);
        const tickets = await ticketsOf(fan, booking.id);
        assert.deepEqual(data[0].tickets.map(({ id, status: state }) => [id, state]), tickets.map(({ id }) => [id, 'valid']));
        assert.deepEqual(data[0].tickets.map(({ seat, area }) => [seat, area]), tickets.map(({ seat, area }) => [seat, area]));
        assert.deepEqual(data[1].tickets, []);
        for (const { code } of tickets) assert.ok(!JSON.stringify(data).includes(code));
        ok(await organizer.post(`/v1/bookings/${booking.id}/refund`, { ticket_ids: [tickets[0].id] }), 202);
        await status(fan, booking.id, 'partially_refunded');
        const [after] = (await listOf(event, '?state=confirmed')).data;
        assert.deepEqual([after.status, after.refunded_amount, after.tickets[0].status], ['partially_refunded', tickets[0].price, 'revoked']);
    });

    test('page by page, by state, each once', async () => {
        const event = await hall();
        const made = [];
        for (let seat = 1; seat <= 7; seat++) made.unshift((await held(fan, event.id, row(1, seat))).id);
        for (const id of [made[1], made[4]]) ok(await fan.delete(`/v1/bookings/${id}`));
        for (const [query, wanted] of [['', made], ['state=cancelled&', [made[1], made[4]]], ['state=held&', made.filter((_, i) => i !== 1 && i !== 4)], [`q=${fan.email}&`, made], [`q=${fan.email}&state=cancelled&`, [made[1], made[4]]]]) {
            const seen = [];
            for (let cursor = '', pages = 0; cursor !== null && pages < 10; pages++) {
                const page = await listOf(event, `?${query}limit=2${cursor && `&cursor=${cursor}`}`);
                assert.ok(page.data.length <= 2);
                seen.push(...page.data.map(({ id }) => id));
                cursor = page.next_cursor;
            }
            assert.deepEqual(seen, wanted, query);
        }
        refusedField(await organizer.get(`/v1/events/${event.id}/bookings?state=lost`), 'state');
    });

    test('are found by id and by the start of an email, in this event only', async () => {
        const [event, other] = [await hall(), await hall()];
        const start = `q${unique()}`;
        const [ada, bob] = [await makeUser(server, { email: `${start}-ada@example.com` }), await makeUser(server, { email: `${start}-bob@example.com` })];
        const first = await held(ada, event.id, row(1, 1));
        const second = await held(bob, event.id, row(1, 2));
        const elsewhere = await held(ada, other.id, row(1, 1));
        const find = async (text) => (await listOf(event, `?q=${encodeURIComponent(text)}`)).data.map(({ id }) => id);
        assert.deepEqual(await find(first.id), [first.id]);
        assert.deepEqual(await find(elsewhere.id), [], 'a booking of another event');
        assert.deepEqual(await find(start), [second.id, first.id]);
        assert.deepEqual(await find(` ${start.toUpperCase()}-ADA@Ex `), [first.id]);
        assert.deepEqual(await find(`${start}-bob@example.com`), [second.id]);
        assert.deepEqual(await find(`${start}%`), []);
        assert.deepEqual(await find('ä@example.com'), []);
        refusedField(await organizer.get(`/v1/events/${event.id}/bookings?q=ab`), 'q');
    });

    test('of more people than a search may look at are refused by name', async () => {
        const event = await hall();
        await makeManyUsers(server, 101); /* m-...@example.com */
        refusedField(await organizer.get(`/v1/events/${event.id}/bookings?q=m-`), 'q');
        await makeManyUsers(server, 1);
        const [one] = await makeManyUsers(server, 1);
        assert.deepEqual((await listOf(event, `?q=${one.email}`)).data, []);
    });
});

describe('scans that come later', () => {
    let event;
    let now;
    let next = 0;
    before(async () => {
        event = await hall();
        await server.advance(3 * MINUTE);
        now = await server.now();
    });
    const aTicket = async () => (await ticketsOf(fan, (await bought(server, fan, event.id, row(2, ++next))).id))[0];
    const scan = (ticket, gate, ago) => ({ code: ticket.code, gate, scanned_at: iso(now - ago) });
    const tell = async (...scans) => ok(await organizer.post(`/v1/events/${event.id}/check-ins`, { scans })).results;

    test('let in once, with their own time and gate', async () => {
        const ticket = await aTicket();
        const [told] = await tell(scan(ticket, 'North', 5000));
        assert.deepEqual(told, { result: 'in', ticket_id: ticket.id, first_at: iso(now - 5000), gate: 'North', others: [] });
        const online = await organizer.post('/v1/check-ins', { code: ticket.code, gate: 'South' });
        assert.equal(online.status, 409);
        assert.deepEqual([online.json.first_at, online.json.gate], [iso(now - 5000), 'North']);
        assert.deepEqual((await tell(scan(ticket, 'North', 5000)))[0], told, 'told again, the same');
    });

    test('the earliest stays, in whatever order they come, and each is told of the others', async () => {
        const ticket = await aTicket();
        ok(await organizer.post('/v1/check-ins', { code: ticket.code, gate: 'Online' }));
        const [earlier] = await tell(scan(ticket, 'B', 60000));
        assert.deepEqual([earlier.result, earlier.first_at, earlier.gate, earlier.others.map(({ gate }) => gate)], ['in', iso(now - 60000), 'B', ['Online']]);
        const [between] = await tell(scan(ticket, 'C', 30000));
        assert.deepEqual([between.result, between.gate, between.others.map(({ gate }) => gate).sort()], ['duplicate', 'B', ['C', 'Online']]);
        const [earliest] = await tell(scan(ticket, 'A', 90000));
        assert.deepEqual([earliest.result, earliest.gate, earliest.others.map(({ gate }) => gate).sort()], ['in', 'A', ['B', 'C', 'Online']]);
        for (const [gate, ago, wanted] of [['A', 90000, 'in'], ['B', 60000, 'duplicate'], ['C', 30000, 'duplicate']])
            assert.equal((await tell(scan(ticket, gate, ago)))[0].result, wanted, 'told again, nothing moves');
        const [[used, scanned, kept]] = await server.sql(`SELECT (SELECT COUNT(*) FROM journal WHERE type = 'ticket.used' AND shard = t.event_id AND data LIKE '%"ticket":' || t.id || ',%'),
            (SELECT COUNT(*) FROM journal WHERE type = 'ticket.scanned' AND shard = t.event_id AND data LIKE '%"ticket":' || t.id || ',%'),
            (SELECT COUNT(*) FROM ticket_scan s WHERE s.event_id = t.event_id AND s.ticket_id = t.id) FROM ticket t WHERE t.used_gate = 'A'`);
        assert.deepEqual([used, scanned, kept].map(Number), [1, 3, 3]);
    });

    test('two of the same time at two gates: the first that came stays, the other is a duplicate', async () => {
        const ticket = await aTicket();
        const [first, second] = await tell(scan(ticket, 'A', 1000), scan(ticket, 'B', 1000));
        assert.deepEqual([first.result, second.result, second.gate], ['in', 'duplicate', 'A']);
    });

    test('two doors that tell at the same time: one is in, one is a duplicate', async () => {
        const ticket = await aTicket();
        const told = (await Promise.all([['A', 2000], ['B', 1000], ['C', 3000]].map(([gate, ago]) => tell(scan(ticket, gate, ago))))).flat();
        assert.ok(told.every(({ result }) => result === 'in' || result === 'duplicate'));
        const again = await tell(scan(ticket, 'A', 2000), scan(ticket, 'B', 1000), scan(ticket, 'C', 3000));
        assert.deepEqual(again.map(({ result }) => result), ['duplicate', 'duplicate', 'in']);
    });

    test('of tickets given back, of other events and of nobody are told, and change nothing', async () => {
        const booking = await bought(server, fan, event.id, row(1, 1, 2));
        const [back, kept] = await ticketsOf(fan, booking.id);
        ok(await organizer.post(`/v1/bookings/${booking.id}/refund`, { ticket_ids: [back.id] }), 202);
        const other = await hall();
        const [foreign] = await ticketsOf(fan, (await bought(server, fan, other.id, row(1, 1))).id);
        const forged = { code: kept.code.slice(0, 50) + (kept.code[50] === 'A' ? 'B' : 'A') + kept.code.slice(51) };
        const results = await tell(scan(back, 'A', 1000), scan(foreign, 'A', 1000), scan(forged, 'A', 1000), scan({ code: 'nonsense' }, 'A', 1000), scan(kept, 'A', 1000));
        assert.deepEqual(results.map(({ result }) => result), ['revoked', 'unknown', 'unknown', 'unknown', 'in']);
        assert.equal(results[1].ticket_id, null);
        assert.equal((await organizer.post('/v1/check-ins', { code: foreign.code })).status, 200, 'the other event\'s ticket is fresh');
    });

    test('that cannot be are refused by field, all of them', async () => {
        const ticket = await aTicket();
        const refused = async (scans, field) => refusedField(await organizer.post(`/v1/events/${event.id}/check-ins`, { scans }), field);
        await refused([], 'scans');
        await refused(Array(101).fill(scan(ticket, 'A', 0)), 'scans');
        await refused([scan(ticket, 'A', 1000), { code: ticket.code }], 'scans[1].scanned_at');
        await refused([{ ...scan(ticket, 'A', 0), scanned_at: iso(await server.now() + HOUR) }], 'scans[0].scanned_at');
        await refused([scan(ticket, 'A', 24 * HOUR)], 'scans[0].scanned_at');
        await refused([scan(ticket, 'A\u0007', 0)], 'scans[0].gate');
        await refused([scan(ticket, 'x'.repeat(65), 0)], 'scans[0].gate');
        assert.equal((await tell(scan(ticket, 'A', 0)))[0].result, 'in', 'none of these had let in');
    });

    test('survive a crash', async () => {
        const ticket = await aTicket();
        await tell(scan(ticket, 'A', 2000), scan(ticket, 'B', 1000));
        await server.kill9();
        await server.start();
        const results = await tell(scan(ticket, 'B', 1000), scan(ticket, 'A', 2000));
        assert.deepEqual(results.map(({ result, others }) => [result, others.length]), [['duplicate', 1], ['in', 1]]);
    });
});
