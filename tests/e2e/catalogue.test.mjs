/* T1, T2 and the organizer's half of T14: venues and their plans, events, search, maps, states, blocks and areas. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Foyer, REPO, run } from './lib/server.mjs';
import { newKey } from './lib/api.mjs';
import { isPostgres } from './lib/store.mjs';
import { until } from './lib/wait.mjs';
import {
    bought, DAY, eventBody, held, HOUR, iso, makeEvent, makeUser, makeVenue, plan, publish, sale, seatStates, status, unique, venueBody,
} from './lib/seed.mjs';

let server;
before(async () => (server = await Foyer.start({ args: ['--abuse=off'] })));
after(() => server.stop());

const errorsOf = (answer) => Object.fromEntries(answer.json.errors.map(({ field, message }) => [field, message]));
const fields = (answer) => Object.keys(errorsOf(answer));
const search = (query = {}) => server.anonymous.get(`/v1/events?${new URLSearchParams(query)}`);

async function refused(answerPromise, ...wanted) {
    const answer = await answerPromise;
    assert.equal(answer.status, 422, answer.text);
    assert.equal(answer.json.type, 'validation');
    for (const field of wanted) assert.ok(fields(answer).includes(field), `${field} in ${answer.text}`);
    return answer;
}

describe('venues', () => {
    test('a plan becomes a venue', async () => {
        const venue = await makeVenue(server.admin, plan({ sections: 2, rows: 2, seats: 5, areas: [{ guid: 'floor', capacity: 50 }] }));
        assert.match(venue.id, /^ven_/);
        const read = (await server.admin.get(`/v1/venues/${venue.id}`)).json;
        assert.equal(read.name, 'Concert Hall');
        assert.equal(read.city, 'Berlin');
        assert.ok((await server.admin.get('/v1/venues')).json.data.some((entry) => entry.id === venue.id));
        assert.equal((await server.admin.get('/v1/venues/ven_0000000000000')).status, 404);
    });

    test('a duplicate seat is named by both paths', async () => {
        const seatingPlan = plan({ sections: 4, rows: 3, seats: 4 });
        seatingPlan.zones[3].rows[1].seats[2].seat_guid = seatingPlan.zones[0].rows[2].seats[1].seat_guid;
        const answer = await refused(server.admin.post('/v1/venues', venueBody(seatingPlan)));
        assert.deepEqual(errorsOf(answer), {
            'seating_plan.zones[3].rows[1].seats[2].seat_guid': 'duplicate of zones[0].rows[2].seats[1].seat_guid',
        });
    });

    test('every mistake of a plan is named where it is', async () => {
        const breakages = [
            ['seating_plan', (p) => 17],
            ['seating_plan.size', (p) => delete p.size],
            ['seating_plan.size.width', (p) => (p.size.width = 'wide')],
            ['seating_plan.categories', (p) => (p.categories = [])],
            ['seating_plan.categories[1].name', (p) => (p.categories[1].name = 'front')],
            ['seating_plan.categories[0].color', (p) => (p.categories[0].color = 'red')],
            ['seating_plan.zones', (p) => delete p.zones],
            ['seating_plan.zones[0].rows[1].seats[0].category', (p) => (p.zones[0].rows[1].seats[0].category = 'gold')],
            ['seating_plan.zones[0].rows[0].seats[3].seat_guid', (p) => delete p.zones[0].rows[0].seats[3].seat_guid],
            ['seating_plan.zones[0].rows[0].seats[3].position.x', (p) => (p.zones[0].rows[0].seats[3].position.x = 1e12)],
            ['seating_plan.zones[0].rows[0].position', (p) => delete p.zones[0].rows[0].position],
            ['seating_plan.zones[0].areas[0].capacity', (p) => (p.zones[0].areas[0].capacity = -1)],
            ['seating_plan.zones[0].areas[0].capacity', (p) => (p.zones[0].areas[0].capacity = 1.5)],
        ];
        for (const [field, breakIt] of breakages) {
            const seatingPlan = plan({ areas: [{ guid: 'floor', capacity: 10 }] });
            const replaced = breakIt(seatingPlan) === 17 ? 17 : seatingPlan;
            await refused(server.admin.post('/v1/venues', venueBody(replaced)), field);
        }
    });

    test('every mistake of the venue itself is named', async () => {
        await refused(server.admin.post('/v1/venues', {}), 'name', 'city', 'country', 'lat', 'lon', 'seating_plan');
        await refused(server.admin.post('/v1/venues', venueBody(plan(), { lat: 91 })), 'lat');
        await refused(server.admin.post('/v1/venues', venueBody(plan(), { lon: '13' })), 'lon');
        await refused(server.admin.post('/v1/venues', venueBody(plan(), { name: ' \t' })), 'name');
        await refused(server.admin.post('/v1/venues', venueBody(plan(), { colour: 'red' })), 'colour');
    });

    test('a refused plan leaves nothing behind, and the key is free for the right one', async () => {
        const count = async () => (await server.admin.get('/v1/venues?limit=200')).json.data.length;
        const [key, before] = [newKey(), await count()];
        const wrong = plan();
        wrong.zones[0].rows[0].seats[0].category = 'gold';
        await refused(server.admin.post('/v1/venues', venueBody(wrong), { key }));
        assert.equal(await count(), before);
        const right = await server.admin.post('/v1/venues', venueBody(), { key });
        assert.equal(right.status, 201);
        const again = await server.admin.post('/v1/venues', venueBody(), { key });
        assert.equal(again.json.id, right.json.id);
        assert.equal(again.headers['idempotency-replayed'], 'true');
        assert.equal(await count(), before + 1);
    });
});

describe('events', () => {
    let venue;
    before(async () => (venue = await makeVenue(server.admin)));
    const create = async (more) => server.admin.post('/v1/events', eventBody(venue.id, await server.now(), more));

    test('a draft is seen by its owner alone, a published event by all, a cancelled one still', async () => {
        const event = await makeEvent(server, server.admin, venue.id);
        assert.equal(event.status, 'draft');
        assert.deepEqual(event.availability, { available: 20, total: 20 });
        for (const target of ['', '/seatmap', '/availability', '/seats'])
            assert.equal((await server.anonymous.get(`/v1/events/${event.id}${target}`)).status, 404, target);
        assert.equal((await server.admin.get(`/v1/events/${event.id}`)).status, 200);
        assert.equal((await publish(server.admin, event.id)).status, 'published');
        assert.equal((await publish(server.admin, event.id)).status, 'published', 'again is harmless');
        const seen = await server.anonymous.get(`/v1/events/${event.id}`);
        assert.equal(seen.json.venue.city, 'Berlin');
        assert.deepEqual(seen.json.price_range, { min: 3000, max: 5000 });
        const cancelled = await server.admin.post(`/v1/events/${event.id}/cancel`);
        assert.equal(cancelled.json.status, 'cancelled');
        assert.equal((await server.anonymous.get(`/v1/events/${event.id}`)).json.status, 'cancelled');
        assert.equal((await server.admin.post(`/v1/events/${event.id}/publish`)).status, 409);
    });

    test('every field that is wrong is named', async () => {
        const now = await server.now();
        await refused(server.admin.post('/v1/events', {}), 'venue_id', 'name', 'category', 'starts_at', 'onsale_at', 'currency', 'prices');
        const cases = {
            venue_id: 'ven_0000000000000',
            name: '\u0001',
            category: 'Rock & Roll',
            starts_at: iso(now - 1000),
            onsale_at: 'tomorrow',
            currency: 'XXY',
            prices: 'cheap',
            hold_ttl_s: 5,
            waiting_room: 'maybe',
            late_payment: 'keep',
            refund_until_s: -1,
            limits: 7,
            description: 5,
            ticket_fee: 1,
        };
        for (const [field, value] of Object.entries(cases)) await refused(create({ [field]: value }), field);
        await refused(create({ prices: { gold: 100 } }), 'prices.gold');
        await refused(create({ prices: { front: -1 } }), 'prices.front');
        await refused(create({ prices: { front: 1.5 } }), 'prices.front');
        await refused(create({ prices: { front: 1e15 } }), 'prices.front');
        await refused(create({ limits: { per_booking: 7 } }), 'limits.per_booking');
        await refused(create({ limits: { per_booking: 4, per_account: 2 } }), 'limits.per_account');
        await refused(create({ limits: { per_day: 2 } }), 'limits.per_day');
        await refused(create({ onsale_at: iso(now + 40 * DAY) }), 'onsale_at');
    });

    test('a draft without prices cannot be published, one with them can', async () => {
        const event = await makeEvent(server, server.admin, venue.id, { prices: {} });
        await refused(server.admin.post(`/v1/events/${event.id}/publish`), 'prices');
        const patched = await server.admin.patch(`/v1/events/${event.id}`, { prices: { front: 100 } });
        assert.deepEqual(patched.json.availability, { available: 10, total: 10 });
        await publish(server.admin, event.id);
    });

    test('what people may have bought is settled once it is published', async () => {
        const now = await server.now();
        const event = await makeEvent(server, server.admin, venue.id, { onsale_at: iso(now + DAY) });
        const patch = (body) => server.admin.patch(`/v1/events/${event.id}`, body);
        assert.equal((await patch({ prices: { front: 100, back: 50 } })).json.prices.back, 50);
        await publish(server.admin, event.id);
        assert.equal((await patch({ name: 'New Name' })).json.name, 'New Name');
        assert.equal((await patch({ onsale_at: iso(now + 2 * DAY) })).status, 200);
        await refused(patch({ onsale_at: iso(now + DAY) }), 'onsale_at');
        for (const [field, value] of Object.entries({ prices: { front: 1 }, currency: 'USD', limits: { per_booking: 1 }, late_payment: 'refund' }))
            await refused(patch({ [field]: value }), field);
        await refused(patch({ shoe_size: 44 }), 'shoe_size');
        await server.admin.post(`/v1/events/${event.id}/cancel`);
        assert.equal((await patch({ name: 'Too late' })).status, 409);
    });

    test('my events lists drafts too, page by page', async () => {
        const organizer = await makeUser(server, { roles: ['organizer'] });
        const own = await makeVenue(organizer);
        const made = [];
        for (let i = 0; i < 5; i++) made.push((await makeEvent(server, organizer, own.id, { name: `Event ${i}` })).id);
        const seen = [];
        for (let cursor = ''; cursor !== null; ) {
            const { json } = await organizer.get(`/v1/me/events?limit=2${cursor && `&cursor=${cursor}`}`);
            assert.ok(json.data.length <= 2);
            seen.push(...json.data.map((event) => event.id));
            cursor = json.next_cursor;
        }
        assert.deepEqual(seen, made.reverse());
    });

    test('cancelling gives holds and money back', async () => {
        const event = await sale(server);
        const fan = await makeUser(server);
        const paid = await bought(server, fan, event.id, ['S1-R1-1']);
        const open = await held(fan, event.id, ['S1-R1-2']);
        assert.equal((await server.admin.post(`/v1/events/${event.id}/cancel`)).status, 200);
        await status(fan, open.id, 'cancelled');
        const refunded = await status(fan, paid.id, 'refunded');
        assert.equal(refunded.refunded_amount, 5000);
        const late = await fan.hold(event.id, ['S1-R1-3']);
        assert.equal(late.status, 409);
        assert.equal(late.json.type, 'sale-closed');
    });
});

describe('search', () => {
    const mark = `z${unique()}`; /* a word that only these events have */
    const ids = {};
    let now;
    const idsOf = (answer) => answer.json.data.map((event) => event.id);

    before(async () => {
        now = await server.now();
        const cities = { Berlin: [52.52, 13.405], Potsdam: [52.39, 13.06], München: [48.137, 11.575] };
        const venues = {};
        for (const [city, [lat, lon]] of Object.entries(cities)) venues[city] = await makeVenue(server.admin, plan(), { city: `${city}${mark}`, lat, lon, name: `Halle ${mark}` });
        const add = async (name, city, category, days, more) => {
            ids[name] = (await makeEvent(server, server.admin, venues[city].id, {
                name: `${name} ${mark}`, category, starts_at: iso(now + days * DAY), ...more,
            })).id;
            await publish(server.admin, ids[name]);
        };
        await add('Wagner', 'Berlin', 'opera', 40);
        await add('Beatles Revival', 'Potsdam', 'rock', 20);
        await add('Öffentliche Probe', 'München', 'opera', 30, { description: 'With Wagner in the second half.' });
        await add('Revival Night', 'Berlin', 'rock', 10);
        await until(async () => idsOf(await search({ q: mark, limit: 200 })).length === 4, { what: 'four events to be found' });
    });

    test('by date when nothing is asked for', async () => {
        const found = idsOf(await search({ from: iso(now), to: iso(now + 60 * DAY), limit: '200' }));
        const mine = found.filter((id) => Object.values(ids).includes(id));
        assert.deepEqual(mine, [ids['Revival Night'], ids['Beatles Revival'], ids['Öffentliche Probe'], ids.Wagner]);
    });

    test('by words: names before descriptions, accents and case do not matter, the last word may be a beginning', async () => {
        assert.deepEqual(idsOf(await search({ q: `wagner ${mark}` })), [ids.Wagner, ids['Öffentliche Probe']]);
        assert.deepEqual(idsOf(await search({ q: `${mark} OFFENTLICHE` })), [ids['Öffentliche Probe']]);
        assert.deepEqual(idsOf(await search({ q: `${mark} beat` })), [ids['Beatles Revival']]);
        assert.deepEqual(idsOf(await search({ q: `${mark} polka` })), []);
    });

    test('what a user types is never syntax', async () => {
        for (const q of ['"', 'a"b', 'NEAR(', '* OR *', "'; DROP TABLE doc; --", 'name:x', '-', '((((', '\u0000'.slice(1), '%', 'ÿ', '🎭']) {
            const answer = await search({ q });
            assert.equal(answer.status, 200, `${q}: ${answer.text}`);
        }
    });

    test('filters are ANDed', async () => {
        assert.deepEqual(idsOf(await search({ q: mark, category: 'opera' })), [ids['Öffentliche Probe'], ids.Wagner]);
        assert.deepEqual(idsOf(await search({ city: `munchen${mark}` })), [ids['Öffentliche Probe']]);
        assert.deepEqual(idsOf(await search({ city: `BERLIN${mark}`, category: 'rock' })), [ids['Revival Night']]);
        assert.deepEqual(idsOf(await search({ q: mark, from: iso(now + 15 * DAY), to: iso(now + 35 * DAY) })), [ids['Beatles Revival'], ids['Öffentliche Probe']]);
        assert.deepEqual(idsOf(await search({ q: mark, city: 'Paris' })), []);
    });

    test('by distance', async () => {
        const near = await search({ q: mark, near: '52.52,13.40', radius_km: '60' });
        const found = near.json.data.map((event) => [event.id, event.distance_km]);
        assert.deepEqual(found.map(([id]) => id), [ids['Revival Night'], ids.Wagner, ids['Beatles Revival']]);
        assert.ok(found[0][1] < 1);
        assert.ok(found[2][1] > 20 && found[2][1] < 40, `Potsdam is ${found[2][1]} km away`);
        assert.deepEqual(idsOf(await search({ q: mark, near: '52.52,13.40', radius_km: '5' })), [ids['Revival Night'], ids.Wagner]);
    });

    test('page by page, nothing twice, nothing left out', async () => {
        for (const query of [{ q: mark }, { q: mark, near: '50,12', radius_km: '1000' }, { q: `revival ${mark}` }]) {
            const whole = idsOf(await search({ ...query, limit: '200' }));
            const paged = [];
            for (let cursor = ''; cursor !== null; ) {
                const page = await search({ ...query, limit: '1', ...(cursor && { cursor }) });
                assert.equal(page.status, 200, page.text);
                paged.push(...idsOf(page));
                cursor = page.json.next_cursor;
            }
            assert.deepEqual(paged, whole, JSON.stringify(query));
        }
    });

    test('bad combinations and values are named', async () => {
        await refused(search({ near: '52,13' }), 'radius_km');
        await refused(search({ radius_km: '10' }), 'near');
        await refused(search({ near: 'Berlin', radius_km: '10' }), 'near');
        await refused(search({ near: '91,0', radius_km: '10' }), 'near');
        await refused(search({ near: '52,13', radius_km: 'far' }), 'radius_km');
        await refused(search({ from: 'today' }), 'from');
        await refused(search({ from: iso(now + DAY), to: iso(now) }), 'to');
        await refused(search({ limit: '201' }), 'limit');
        await refused(search({ cursor: 'x' }), 'cursor');
        await refused(search({ colour: 'red' }), 'colour');
        await refused(search({ q: 'x'.repeat(300) }), 'q');
        await refused(server.anonymous.get('/v1/events?q=%ff'), 'q');
        await refused(server.anonymous.get('/v1/events?q=a&q=b'), 'q');
    });

    test('drafts are not found, changes and cancellations are', async () => {
        const word = `y${unique()}`;
        const venue = await makeVenue(server.admin);
        const event = await makeEvent(server, server.admin, venue.id, { name: `First ${word}` });
        await publish(server.admin, event.id);
        const draft = await makeEvent(server, server.admin, venue.id, { name: `Draft ${word}` });
        await until(async () => idsOf(await search({ q: word })).includes(event.id), { what: 'the published event to be found' });
        assert.ok(!idsOf(await search({ q: word })).includes(draft.id));
        await server.admin.patch(`/v1/events/${event.id}`, { name: `Renamed ${word}` });
        await until(async () => (await search({ q: `renamed ${word}` })).json.data.length === 1, { what: 'the new name' });
        await server.admin.post(`/v1/events/${event.id}/cancel`);
        await until(async () => (await search({ q: word })).json.data.every((found) => found.status === 'cancelled'), { what: 'the cancellation' });
    });

    test('lists may be kept for half a minute', async () => {
        assert.match((await search({ q: mark })).headers['cache-control'], /max-age=30/);
    });
});

describe('maps and states', () => {
    let event;
    let fan;
    before(async () => {
        event = await sale(server, { plan: plan({ sections: 2, rows: 2, seats: 5, areas: [{ guid: 'floor', capacity: 50 }] }) });
        fan = await makeUser(server);
    });
    const get = (target, headers) => server.anonymous.get(`/v1/events/${event.id}${target}`, { headers });
    /* Where nodes share a database, rows that change no place move the version when they come by the journal. */
    const settled = () => until(async () => !isPostgres || (await get('/seats')).json.version === (await get('/journal-head')).json.version);

    test('the map has every seat at its place, and stays the same under its ETag', async () => {
        const map = await get('/seatmap');
        assert.equal(map.json.seat_count, 20);
        assert.deepEqual(map.json.sections.map((section) => section.name), ['Section 1', 'Section 2']);
        const seat = map.json.sections[1].rows[1].seats[4];
        assert.deepEqual(seat, { id: 'S2-R2-5', label: '5', x: 340, y: 20, category: 'back' });
        assert.deepEqual(map.json.areas.map((area) => [area.id, area.capacity]), [['floor', 50]]);
        const again = await get('/seatmap', { 'if-none-match': map.headers.etag });
        assert.equal(again.status, 304);
        assert.equal(again.buffer.length, 0);
        const pinned = await get(`/seatmap?version=${map.json.version}`);
        assert.match(pinned.headers['cache-control'], /immutable/);
        assert.equal((await get('/seatmap', { 'if-none-match': '"other"' })).status, 200);
    });

    test('the map is compressed for who takes it', async () => {
        const plain = await get('/seatmap');
        assert.equal(plain.headers['content-encoding'], undefined);
        const packed = await get('/seatmap', { 'accept-encoding': 'br, gzip;q=0.5' });
        assert.equal(packed.headers['content-encoding'], 'gzip');
        assert.match(packed.headers.vary, /accept-encoding/i);
        assert.deepEqual(packed.json, plain.json);
        assert.equal((await get('/seatmap', { 'accept-encoding': 'gzip;q=0' })).headers['content-encoding'], undefined);
    });

    test('states and counts follow a hold and its end', async () => {
        await settled();
        const before = await get('/availability');
        assert.equal((await get('/availability', { 'if-none-match': before.headers.etag })).status, 304);
        const booking = await held(fan, event.id, { seat_ids: ['S1-R1-1', 'S2-R1-2'], areas: [{ area_id: 'floor', quantity: 2 }] });
        const after = await get('/availability', { 'if-none-match': before.headers.etag });
        assert.equal(after.status, 200);
        assert.ok(after.json.version > before.json.version);
        assert.deepEqual(after.json.sections.map((section) => section.available), [9, 9]);
        assert.deepEqual(after.json.areas, [{ id: 'floor', available: 48, total: 50 }]);
        const states = await seatStates(server.anonymous, event.id);
        assert.equal(states['S1-R1-1'], 'held');
        assert.equal(states['S1-R1-2'], 'available');
        assert.equal((await fan.delete(`/v1/bookings/${booking.id}`)).status, 200);
        const freed = (await get('/availability')).json;
        assert.deepEqual(freed.sections.map((section) => section.available), [10, 10]);
        assert.equal(freed.areas[0].available, 50);
    });

    test('two bits a seat say the same as JSON', async () => {
        await held(fan, event.id, ['S1-R2-3']);
        await bought(server, fan, event.id, ['S2-R1-1']);
        await settled();
        const json = (await get('/seats')).json;
        const bits = await get('/seats', { accept: 'application/octet-stream' });
        assert.equal(bits.headers['content-type'], 'application/octet-stream');
        assert.equal(bits.buffer.length, 5);
        assert.equal(Number(bits.headers['foyer-version']), json.version);
        const names = { 0: 'available', 1: 'held', 2: 'booked', 3: 'blocked' };
        const decoded = json.seats.map((_, i) => names[(bits.buffer[i >> 2] >> ((i & 3) * 2)) & 3]);
        assert.deepEqual(decoded, json.seats.map((seat) => seat.status));
        const { sections } = (await get('/seatmap')).json;
        const section = await get(`/seats?section=${sections[1].id}`);
        assert.deepEqual(section.json.seats, json.seats.slice(10));
        await refused(get('/seats?section=sec_9'), 'section');
        assert.equal((await get('/seats', { 'if-none-match': (await get('/seats')).headers.etag })).status, 304);
    });

    test('an unknown event is 404 everywhere', async () => {
        for (const id of ['evt_0000000000000', 'nonsense', event.venueId])
            for (const target of ['', '/seatmap', '/availability', '/seats'])
                assert.equal((await server.anonymous.get(`/v1/events/${id}${target}`)).status, 404, id + target);
    });

    test('blocked seats cannot be held until they are given back, and held ones not blocked', async () => {
        const own = await sale(server);
        const blocks = (method, seatIds) => server.admin.call(method, `/v1/events/${own.id}/blocks`, { seat_ids: seatIds });
        assert.equal((await blocks('POST', ['S1-R1-1', 'S1-R1-2'])).json.changed, 2);
        assert.equal((await blocks('POST', ['S1-R1-1'])).json.changed, 0);
        assert.equal((await seatStates(server.anonymous, own.id))['S1-R1-1'], 'blocked');
        const refusedHold = await fan.hold(own.id, ['S1-R1-1', 'S1-R1-3']);
        assert.equal(refusedHold.status, 409);
        assert.deepEqual(refusedHold.json.conflicts, ['S1-R1-1']);
        await held(fan, own.id, ['S1-R1-3']);
        const taken = await blocks('POST', ['S1-R1-3', 'S1-R1-4']);
        assert.equal(taken.status, 409);
        assert.deepEqual(taken.json.conflicts, ['S1-R1-3']);
        assert.equal((await seatStates(server.anonymous, own.id))['S1-R1-4'], 'available', 'all or none');
        assert.equal((await blocks('DELETE', ['S1-R1-1'])).json.changed, 1);
        await held(fan, own.id, ['S1-R1-1']);
        await refused(blocks('POST', ['nowhere']), 'seat_ids[0]');
        await refused(blocks('POST', []), 'seat_ids');
        assert.equal((await fan.post(`/v1/events/${own.id}/blocks`, { seat_ids: ['S1-R1-4'] })).status, 403);
        assert.equal((await server.admin.get(`/v1/events/${own.id}/report`)).json.blocked, 1);
    });

    test('areas can be added to an event and are sold at once', async () => {
        const own = await sale(server);
        const add = (areas) => server.admin.post(`/v1/events/${own.id}/areas`, { areas });
        const answer = await add([{ name: 'Terrace', capacity: 3, category: 'back' }]);
        assert.equal(answer.status, 201);
        const [area] = answer.json.areas;
        const booking = await held(fan, own.id, { areas: [{ area_id: area.id, quantity: 2 }] });
        assert.equal(booking.amount, 6000);
        assert.deepEqual((await server.anonymous.get(`/v1/events/${own.id}/availability`)).json.areas, [{ id: area.id, available: 1, total: 3 }]);
        assert.ok((await server.anonymous.get(`/v1/events/${own.id}/seatmap`)).json.areas.some((entry) => entry.id === area.id));
        await refused(add([{ name: 'x', capacity: 0, category: 'back' }]), 'areas[0].capacity');
        await refused(add([{ name: 'x', capacity: 1, category: 'gold' }]), 'areas[0].category');
        await refused(add([{ name: 'x', capacity: 1, category: 'back', section: 'sec_99' }]), 'areas[0].section');
        await refused(add([5]), 'areas[0]');
    });

    test('all of it is the same after a restart', async () => {
        const own = await Foyer.start();
        const sold = await sale(own, { plan: plan({ areas: [{ guid: 'floor', capacity: 9 }] }) });
        const buyer = await makeUser(own);
        await held(buyer, sold.id, { seat_ids: ['S1-R1-1'], areas: [{ area_id: 'floor', quantity: 3 }] });
        const read = async () => {
            const parts = [];
            for (const target of ['', '/seatmap', '/availability', '/seats']) parts.push((await own.anonymous.get(`/v1/events/${sold.id}${target}`)).json);
            return parts;
        };
        const before = await read();
        await own.restart();
        assert.deepEqual(await read(), before);
        await own.stop();
    });
});

describe('large plans', () => {
    test('a generated arena is imported', async () => {
        const file = path.join(server.dir, 'arena.json');
        const made = await run(['venue', 'generate', '--seats', '5000', '--out', file]);
        assert.equal(made.code, 0, made.stderr);
        const venue = await server.admin.post('/v1/venues', venueBody(JSON.parse(fs.readFileSync(file))));
        assert.equal(venue.status, 201, venue.text);
        assert.equal((await run(['venue', 'generate', '--seats', '-1', '--out', file])).code, 2);
    });

    const stadium = path.join(REPO, '../shared/data/stadium.seating-plan.json');
    test('the stadium is imported, mapped and sold', { skip: !fs.existsSync(stadium) }, async () => {
        const venue = await server.admin.post('/v1/venues', venueBody(JSON.parse(fs.readFileSync(stadium)), { name: 'Stadium' }));
        assert.equal(venue.status, 201, venue.text);
        const prices = Object.fromEntries(venue.json.categories.map(({ name }) => [name, 4200]));
        const event = await makeEvent(server, server.admin, venue.json.id, { prices });
        await publish(server.admin, event.id);
        const map = (await server.anonymous.get(`/v1/events/${event.id}/seatmap`)).json;
        assert.equal(map.seat_count, 16054);
        assert.equal(map.sections.length, 60);
        assert.equal(map.sections.flatMap((section) => section.rows).length, 1462);
        const bits = await server.anonymous.get(`/v1/events/${event.id}/seats`, { headers: { accept: 'application/octet-stream' } });
        assert.equal(bits.buffer.length, Math.ceil(16054 / 4));
        const row = map.sections[30].rows[0].seats.slice(0, 6).map((seat) => seat.id);
        const fan = await makeUser(server);
        const booking = await held(fan, event.id, row);
        assert.equal(booking.amount, row.length * 4200);
        assert.equal((await server.anonymous.get(`/v1/events/${event.id}`)).json.availability.available, 16054 - row.length);
    });
});
