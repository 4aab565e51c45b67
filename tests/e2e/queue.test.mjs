/* T11: the waiting room: states, order and its proof, cap and rate, tokens, holds, restarts. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Foyer, run, tempDir } from './lib/server.mjs';
import { newKey } from './lib/api.mjs';
import { until } from './lib/wait.mjs';
import { bought, HOUR, iso, makeManyUsers, plan, sale } from './lib/seed.mjs';
import { drawOf, fairnessOf, join, numberOf, poll, pollUntil, roomedSale, withToken } from './lib/queue.mjs';

const PLAN = plan({ rows: 2, seats: 40 });
let seat = 0;
const fresh = () => `S1-R1-${++seat % 40 || 40}`;
const hold = (api, event, token, seats = [fresh()]) =>
    api.call('POST', '/v1/bookings', { event_id: event.id, seat_ids: seats }, { key: newKey(), headers: token ? { 'foyer-admission': token } : {} });
const refusedAs = (answer, status, type) => assert.deepEqual([answer.status, answer.json?.type], [status, type], answer.text);

describe('one room', () => {
    let server;
    before(async () => (server = await Foyer.start({ args: ['--abuse=off'] })));
    after(() => server.stop());

    test('is not filled by one person who leaves and comes again', async () => {
        const event = await roomedSale(server, { admitted_max: 1 }, { onsale_at: iso((await server.now()) + HOUR / 2) });
        const [fan] = await makeManyUsers(server, 1);
        const path = `/v1/events/${event.id}/queue`;
        for (let i = 0; i < 50; i++) {
            const { status, json } = await fan.post(path, {});
            assert.equal(status, 201);
            assert.equal((await fan.delete(`${path}/${json.id}`)).status, 204);
        }
        refusedAs(await fan.post(path, {}), 409, 'conflict');
        refusedAs(await fan.call('POST', path, {}, { key: newKey() }), 409, 'conflict');
    });


    test('an event says its settings; faults are named; a lower cap may come during the sale', async () => {
        const event = await roomedSale(server, { admitted_max: 7 });
        assert.deepEqual(event.queue, { admitted_max: 7, admit_per_minute: 600, opens_before_s: 3600, admission_s: 900, quiet_s: 120, auto_above: 1000 });
        for (const [field, value] of [['admitted_max', 0], ['admit_per_minute', 600001], ['opens_before_s', -1], ['admission_s', 59], ['quiet_s', 29], ['auto_above', 'x'], ['nonsense', 1]]) {
            const answer = await server.admin.patch(`/v1/events/${event.id}`, { queue: { [field]: value } });
            assert.equal(answer.status, 422, answer.text);
            assert.deepEqual(answer.json.errors.map((error) => error.field), [`queue.${field}`]);
        }
        const answer = await server.admin.patch(`/v1/events/${event.id}`, { queue: { admitted_max: 3 } });
        assert.deepEqual([answer.status, answer.json.queue.admitted_max, answer.json.queue.quiet_s], [200, 3, 120]);
        assert.equal((await server.admin.patch(`/v1/events/${event.id}`, { waiting_room: 'off' })).status, 422);
    });

    test('closed, pre, open, over; no room is no room', async () => {
        const [fan] = await makeManyUsers(server, 1);
        const now = await server.now();
        const state = async (event) => (await fan.get(`/v1/events/${event.id}/queue`)).json.state;
        const none = await sale(server, {});
        assert.equal(await state(none), 'off');
        refusedAs(await fan.post(`/v1/events/${none.id}/queue`), 409, 'conflict');
        assert.equal((await fan.get(`/v1/events/${none.id}/queue/fairness`)).status, 404);
        const event = await roomedSale(server, { opens_before_s: 60 }, { onsale_at: iso(now + 2 * HOUR), starts_at: iso(now + 3 * HOUR) });
        assert.equal(await state(event), 'closed');
        const looks = async () => (await fan.get(event.queuePath)).json.poll_after_ms;
        assert.ok((await looks()) >= 60e3, 'the opening is far');
        const early = await fan.post(event.queuePath);
        refusedAs(early, 409, 'conflict');
        assert.equal(early.json.opens_at, iso(now + 2 * HOUR - 60e3));
        const before = await fairnessOf(server, event);
        assert.match(before.commitment, /^[0-9a-f]{64}$/);
        assert.deepEqual([before.entries_hash, before.entry_count, before.revealed_seed, before.closed_at], [null, null, null, null]);
        assert.equal((await fan.get(`${event.queuePath}/entries`)).status, 404);
        await server.advance(2 * HOUR - 30e3);
        assert.equal(await state(event), 'pre');
        assert.ok((await looks()) <= 12500);
        await join(fan, event);
        assert.deepEqual([fan.entry.state, fan.entry.position, fan.entry.ahead, fan.entry.eta_seconds, fan.entry.token], ['pre', null, null, null, null]);
        const again = await fan.post(event.queuePath);
        assert.deepEqual([again.status, again.json.id], [200, fan.entryId]);
        assert.equal((await fan.get(event.queuePath)).json.entry.id, fan.entryId);
        assert.equal((await fan.get(`/v1/events/${event.id}/seats`)).status, 200, 'before the sale seats may be looked at');
        await server.advance(31e3);
        assert.equal(await state(event), 'open');
        await pollUntil(fan, event, 'admitted');
        assert.equal((await fairnessOf(server, event)).commitment, before.commitment);
        await server.advance(HOUR);
        assert.equal(await state(event), 'over');
        assert.equal(await looks(), null);
        refusedAs(await fan.post(event.queuePath), 409, 'sale-closed');
    });

    test('the order is the one that anybody recomputes; who comes later stands behind; who left is passed over', async () => {
        const event = await roomedSale(server, { admitted_max: 1, admit_per_minute: 60 });
        const people = await makeManyUsers(server, 40);
        const early = people.slice(0, 30);
        for (const api of early) await join(api, event);
        assert.equal((await early[3].delete(`${event.queuePath}/${early[3].entryId}`)).status, 204);
        await server.advance(61e3);
        for (const api of people.slice(30)) await join(api, event);
        const { order } = await drawOf(server, event);
        assert.equal(order.length, 29, 'who left before is not on the list');
        await until(async () => (await numberOf(server, `SELECT COUNT(*) FROM queue_entry WHERE state = 1 AND event_id = (SELECT MAX(id) FROM event)`)) === 0, { what: 'all to have places' });
        await until(async () => (await server.anonymous.get(event.queuePath)).json.admitted === 1, { what: 'the first to be let in' });
        const all = [...order, ...people.slice(30).map((api) => api.entryId)];
        const byId = new Map(people.map((api) => [api.entryId, api]));
        for (const [i, id] of all.entries()) {
            const entry = await poll(byId.get(id), event);
            if (i === 0) assert.equal(entry.state, 'admitted');
            else assert.deepEqual([entry.state, entry.position, entry.ahead], ['waiting', i, i - 1], `place ${i + 1}`);
        }
        /* One from the middle goes: those behind move up. */
        assert.equal((await byId.get(all[5]).delete(`${event.queuePath}/${all[5]}`)).status, 204);
        assert.equal((await poll(byId.get(all[5]), event)).state, 'left');
        assert.equal((await poll(byId.get(all[4]), event)).position, 4);
        assert.equal((await poll(byId.get(all[20]), event)).position, 19);
        await server.kill9();
        await server.start();
        for (const [i, id] of all.entries())
            if (i > 5) assert.equal((await poll(byId.get(id), event)).position, i - 1, `kill -9 keeps places: ${JSON.stringify(byId.get(id).entry)}`);
        assert.equal((await drawOf(server, event)).order.join(), order.join());
    });

    test('a token opens its event to its account for a minute; anything else is 403', async () => {
        const event = await roomedSale(server, {}, { plan: PLAN, onsale_at: iso((await server.now()) - 1000) });
        const other = await roomedSale(server, {}, { plan: PLAN, onsale_at: iso((await server.now()) - 1000) });
        const [fan, thief] = await makeManyUsers(server, 2);
        await join(fan, event);
        await join(thief, other);
        const { token, token_expires_at: end } = await pollUntil(fan, event, 'admitted');
        await pollUntil(thief, other, 'admitted');
        assert.ok(Date.parse(end) - (await server.now()) <= 60e3);
        const seats = (api, options) => api.call('GET', `/v1/events/${event.id}/seats`, undefined, options);
        const open = await seats(fan, withToken(token));
        assert.equal(open.status, 200);
        assert.match(open.headers['cache-control'], /private/);
        assert.equal((await fan.get(`/v1/events/${event.id}/seats?admission=${token}`)).status, 200);
        assert.equal((await fan.get(`/v1/events/${event.id}/seatmap`)).status, 200);
        assert.equal((await fan.get(`/v1/events/${event.id}/availability`)).status, 200);
        const flipped = token.slice(0, -3) + (token.at(-3) === 'A' ? 'B' : 'A') + token.slice(-2);
        const bad = { none: '', short: token.slice(1), flipped, long: `${token}A`, 'of another event': thief.entry.token };
        for (const [what, text] of Object.entries(bad)) {
            refusedAs(await seats(fan, withToken(text)), 403, 'waiting-room-required');
            refusedAs(await hold(fan, event, text), 403, 'waiting-room-required', what);
        }
        refusedAs(await hold(thief, event, token), 403, 'waiting-room-required');
        refusedAs(await seats(server.anonymous, withToken(token)), 403, 'waiting-room-required');
        refusedAs(await fan.call('GET', `/v1/events/${event.id}/live`), 403, 'waiting-room-required');
        assert.equal((await seats(server.admin)).status, 200, 'the organizer waits for nobody');
        const booking = await hold(fan, event, token);
        assert.equal(booking.status, 201, booking.text);
        await server.advance(60e3);
        refusedAs(await hold(fan, event, token), 403, 'waiting-room-required');
        const fresher = (await poll(fan, event)).token;
        assert.equal((await hold(fan, event, fresher)).status, 201);
        assert.equal(await numberOf(server, `SELECT COUNT(*) FROM booking WHERE admission_id IS NOT NULL`), 2);
    });

    test('cap and give-back: paid, left, run out, quiet; a hold carries its admission beyond its time', async () => {
        const event = await roomedSale(server, { admitted_max: 2, admission_s: 300, quiet_s: 120 }, { plan: PLAN, hold_ttl_s: 600, onsale_at: iso((await server.now()) - 1000) });
        const people = await makeManyUsers(server, 8);
        for (const api of people) await join(api, event);
        const [a, b, c, d, e, f, g] = people;
        await pollUntil(a, event, 'admitted');
        await pollUntil(b, event, 'admitted');
        assert.equal((await poll(c, event)).position, 1);
        await bought(server, Object.assign(a, { hold: (id, seats) => hold(a, event, a.entry.token, seats) }), event.id, ['S1-R2-1']);
        await pollUntil(a, event, 'done');
        await pollUntil(c, event, 'admitted');
        const held = await hold(b, event, (await poll(b, event)).token, ['S1-R2-2']);
        assert.equal(held.status, 201, held.text);
        refusedAs(await b.delete(`${event.queuePath}/${b.entryId}`), 409, 'conflict');
        assert.equal((await c.delete(`${event.queuePath}/${c.entryId}`)).status, 204);
        await pollUntil(d, event, 'admitted');
        /* d polls on, e waits, b says nothing but holds: after quiet_s, and after its 300 s, b is still in. */
        for (let i = 0; i < 4; i++) {
            await server.advance(70e3);
            assert.equal((await poll(d, event)).state, 'admitted');
        }
        await server.advance(25e3);
        await pollUntil(d, event, 'lapsed'); /* its 300 s are over */
        await pollUntil(e, event, 'admitted');
        assert.equal((await poll(b, event)).state, 'admitted');
        assert.equal((await b.delete(`/v1/bookings/${held.json.id}`)).status, 200);
        await pollUntil(b, event, 'lapsed'); /* given back beyond its time */
        await pollUntil(f, event, 'admitted');
        await server.advance(100e3);
        await poll(f, event);
        await server.advance(60e3); /* of e nothing was heard for 160 s, of f for 60 s */
        await until(async () => (await server.anonymous.get(event.queuePath)).json.waiting === 1, { what: 'the quiet one to give its place on' });
        await poll(f, event);
        assert.deepEqual([e, f, g].map((api) => api.entryId).length, 3);
        assert.deepEqual([(await poll(e, event)).state, f.entry.state, (await poll(g, event)).state], ['lapsed', 'admitted', 'admitted']);
        const again = await e.post(event.queuePath);
        assert.deepEqual([again.status, again.json.state], [201, 'waiting'], 'who lapsed may come again, at the end');
        /* Control: the same person who had polled in between is still admitted, so it is silence that counts. */
        const { code, findings } = await server.audit();
        assert.deepEqual([code, findings], [0, []]);
    });

    test('no minute has more admissions than the rate', async () => {
        const event = await roomedSale(server, { admitted_max: 100, admit_per_minute: 6 }, { onsale_at: iso((await server.now()) - 1000) });
        const people = await makeManyUsers(server, 14);
        for (const api of people) await join(api, event);
        const counted = () => numberOf(server, `SELECT COUNT(*) FROM queue_entry WHERE admitted_at IS NOT NULL AND event_id = (SELECT MAX(id) FROM event)`);
        for (let i = 0; i < 14; i++) {
            await server.advance(11e3);
            await until(async () => (await counted()) >= Math.min(i + 1, 12), { what: `admission ${i + 1}`, timeout: 3000 }).catch(() => null);
        }
        const times = (await server.sql(`SELECT admitted_at FROM queue_entry WHERE admitted_at IS NOT NULL AND event_id = (SELECT MAX(id) FROM event) ORDER BY admitted_at`)).map(([at]) => Number(at));
        assert.ok(times.length >= 10, `${times.length} admissions`);
        for (const [i, at] of times.entries()) assert.ok(times.filter((other) => other > at - 60e3 && other <= at).length <= 6, `admission ${i}`);
    });
});

describe('anybody checks the draw', () => {
    let server;
    before(async () => (server = await Foyer.start({ args: ['--abuse=off'] })));
    after(() => server.stop());

    test('foyer verify-queue says the place, online and from files, and names what was forged', async () => {
        const event = await roomedSale(server, { admitted_max: 1 });
        const people = await makeManyUsers(server, 12);
        for (const api of people) await join(api, event);
        const verify = (...args) => run(['verify-queue', ...args]);
        const online = (...args) => verify('--url', server.url, '--event', event.id, ...args);
        const early = await online();
        assert.equal(early.code, 2, 'before the draw there is no list');
        await server.advance(61e3);
        const { fairness, order } = await drawOf(server, event);
        for (const place of [1, 7, 12]) {
            const { code, stdout } = await online('--entry', order[place - 1]);
            assert.equal(code, 0, stdout);
            assert.match(stdout, new RegExp(`has place ${place}\n`));
        }
        const dir = tempDir();
        const list = (await server.anonymous.get(`${event.queuePath}/entries`)).text;
        const files = (evidence, text) => {
            fs.writeFileSync(path.join(dir, 'fairness.json'), typeof evidence === 'string' ? evidence : JSON.stringify(evidence));
            fs.writeFileSync(path.join(dir, 'entries.txt'), text);
            return verify('--fairness', path.join(dir, 'fairness.json'), '--entries', path.join(dir, 'entries.txt'), '--entry', order[2]);
        };
        const good = await files(fairness, list);
        assert.deepEqual([good.code, good.stdout.includes('has place 3')], [0, true], good.stdout);
        const lines = list.split('\n').slice(0, -1);
        const forgeries = [
            [{ ...fairness, revealed_seed: fairness.entries_hash }, list, /seed/],
            [{ ...fairness, commitment: fairness.entries_hash }, list, /seed/],
            [fairness, `${lines.slice(1).join('\n')}\n`, /hashed/],
            [fairness, `${[...lines].reverse().join('\n')}\n`, /hashed/],
            [{ ...fairness, entry_count: 3 }, list, /length/],
            [{ ...fairness, revealed_seed: null }, list, /revealed/],
            [{ ...fairness, algorithm: 'other' }, list, /algorithm/],
            ['[]', list, /JSON/],
        ];
        for (const [evidence, text, word] of forgeries) {
            const { code, stdout } = await files(evidence, text);
            assert.deepEqual([code, word.test(stdout)], [1, true], stdout);
        }
        assert.equal((await verify('--url', server.url)).code, 2);
    });

    test('guesses at the time left and positions hold against a simulated sale', async () => {
        const CAP = 5;
        const STAY_MS = 20e3;
        const event = await roomedSale(server, { admitted_max: CAP, admit_per_minute: 600 }, { onsale_at: iso((await server.now()) - 1000) });
        const people = await makeManyUsers(server, 60);
        for (const api of people) await join(api, event);
        const inside = [];
        const let_in = new Map();
        const guesses = new Map();
        const isIn = async (api) => (await poll(api, event)).state === 'admitted';
        let next = 0;
        /* Everybody stays 20 s: a place is given back every 4 s. */
        for (let now = 0; next < 45; now += 4e3) {
            while (inside.length < CAP) {
                const api = people[next++];
                await until(() => isIn(api), { what: `person ${next} to be let in` });
                let_in.set(api, await server.now());
                inside.push(api);
            }
            for (const [i, api] of people.entries()) {
                if (i < next) continue;
                const { position, ahead, eta_seconds: eta } = await poll(api, event);
                assert.deepEqual([position, ahead], [i - next + 1, i - next], 'who really stands before');
                if (eta !== null && now >= 100e3 && !guesses.has(api)) guesses.set(api, { at: await server.now(), eta: eta * 1000 });
                if (now === 0) assert.equal(eta, null, 'nobody has left yet: nothing can be said');
            }
            if (now >= STAY_MS - 4e3) {
                const first = inside.shift();
                assert.equal((await first.delete(`${event.queuePath}/${first.entryId}`)).status, 204);
            }
            await server.advance(4e3); /* with several nodes a place is given on two seconds after */
        }
        const checked = [...guesses].filter(([api]) => let_in.has(api));
        assert.ok(checked.length >= 8, `${checked.length} guesses`);
        /* By the server's own time, which a slow machine stretches: so half as much again, or 20 s. */
        for (const [api, { at, eta }] of checked) {
            const waited = let_in.get(api) - at;
            assert.ok(Math.abs(eta - waited) <= Math.max(20e3, 0.5 * waited), `guessed ${eta} ms, it was ${waited}`);
        }
        const last = Math.max(...checked.map(([api, { at }]) => let_in.get(api) - at));
        assert.ok(last > 45e3, `${last} ms: long enough that no constant fits all`);
    });
});

describe('auto', () => {
    let server;
    before(async () => (server = await Foyer.start({ args: ['--abuse=off'] })));
    after(() => server.stop());

    test('closes its doors when more people are there than it may have, and opens them again', async () => {
        const event = await roomedSale(server, { auto_above: 4 }, { plan: PLAN, waiting_room: 'auto', onsale_at: iso((await server.now()) - 1000) });
        const people = await makeManyUsers(server, 6);
        const seats = (api, token) => api.call('GET', `/v1/events/${event.id}/seats`, undefined, token ? withToken(token) : {});
        assert.equal((await people[0].get(event.queuePath)).json.state, 'off');
        refusedAs(await people[0].post(event.queuePath), 409, 'conflict');
        for (const api of people.slice(0, 4)) assert.equal((await seats(api)).status, 200);
        for (const api of people.slice(0, 4)) assert.equal((await seats(api)).status, 200, 'who comes again is counted once');
        assert.equal((await hold(people[0], event, null)).status, 201);
        await seats(people[4]);
        await until(async () => (await people[0].get(event.queuePath)).json.state === 'open', { what: 'the doors to close' });
        refusedAs(await seats(people[0]), 403, 'waiting-room-required');
        refusedAs(await hold(people[5], event, null), 403, 'waiting-room-required');
        await join(people[5], event);
        const { token } = await pollUntil(people[5], event, 'admitted');
        assert.equal((await seats(people[5], token)).status, 200);
        assert.equal((await hold(people[5], event, token, ['S1-R2-30'])).status, 201);
        await server.advance(301e3);
        await until(async () => (await people[0].get(event.queuePath)).json.state === 'off', { what: 'the doors to open again' });
        assert.equal((await seats(people[0])).status, 200);
    });
});
