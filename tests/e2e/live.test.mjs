/*
 * The live map. A judge that knows nothing but the event's journal (lib/live_judge.mjs) looks at every frame of many listeners while people hold,
 * pay, cancel, run out of time and are blocked, while listeners come, vanish and go on where they were, while the server is killed
 * (nodes.test.mjs has two of them). Then listeners that do not read, say nonsense, or are too many.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { mapOf } from './lib/live.mjs';
import { askOf, CAPACITIES, COUNT, follow, FREE, hall, listen, seatId, SEATS, settled, some, stubborn, timelineOf, traffic } from './lib/live_traffic.mjs';
import { Foyer, tempDir } from './lib/server.mjs';
import { held, makeManyUsers, makeEvent, makeVenue, plan, publish, sale } from './lib/seed.mjs';
import { isPostgres } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const TTL_S = 30;
let server;
before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
});
after(() => server.stop());

describe('what is shown', () => {
    let event, timeline, record;

    test('many listeners of a busy event see each place as it was at the version they are told, or later', async (t) => {
        event = await sale(server, { plan: hall(), prices: FREE, hold_ttl_s: TTL_S });
        const listeners = [0, 1, 2].map(() => ({ listener: listen(t, server, event.id), from: undefined }));
        await listeners[0].listener.opened();
        const between = async (step) => {
            if (step % 60 === 0) await server.advance((TTL_S + 5) * 1000); /* open holds end */
            if (step % 25 !== 0) return;
            const one = listeners[some(listeners.length)].listener;
            if (one.id && step % 50 === 0) {
                one.close(); /* it vanishes, and goes on where it was */
                const goesOn = { seats: one.seats, areas: one.areas };
                listeners.push({ listener: listen(t, server, event.id, { header: one.id }).adopt(one), from: goesOn });
            } else {
                listeners.push({ listener: listen(t, server, event.id), from: undefined });
            }
        };
        await traffic({ event, asks: (await makeManyUsers(server, 6)).map(askOf), organizer: askOf(server.admin), steps: 600, between });
        /* Two deltas at the end, for the control. */
        const [user] = await makeManyUsers(server, 1);
        const isFree = (await mapOf(user, event.id)).seats.findIndex((state) => state === 0);
        await held(user, event.id, [seatId(isFree)]);
        const witness = listen(t, server, event.id);
        await witness.opened();
        await held(user, event.id, { areas: [{ area_id: 'floor-0', quantity: 1 }] });
        listeners.push({ listener: witness, from: undefined });
        timeline = await timelineOf(server, event);
        assert.ok(timeline.changes > 100, `only ${timeline.changes} changes`);
        for (const { listener, from } of listeners) {
            const isAtRest = !listener.socket.destroyed;
            if (isAtRest) await settled(server, event, listener);
            if (listener.frames > 0) assert.deepEqual(timeline.faults(listener.record, { from, isAtRest }), []);
        }
        ({ listener: { record } } = listeners.find(({ listener, from }) => !from && !listener.socket.destroyed));
        assert.ok(await server.metric('foyer_live_joined_total', 'resume') > 0, 'nobody went on where he was');
    });

    test('the control: each damage to what a listener was told is found', () => {
        const damaged = (change) => {
            const frames = structuredClone(record);
            change(frames);
            return timeline.faults(frames);
        };
        assert.deepEqual(damaged(() => {}), []);
        const snapshot = record.find(({ event: name }) => name === 'snapshot');
        const lastWith = (name) => record.findLastIndex(({ data }) => data?.[name]?.length > 0);
        const flip = (list) => (list[0][1] = (list[0][1] + 1) % 4);
        assert.notDeepEqual(damaged((frames) => (frames[lastWith('changes')].data.changes.length = 0)), [], 'lost changes');
        assert.notDeepEqual(damaged((frames) => frames[lastWith('changes')].data.changes.shift()), [], 'a lost change');
        assert.notDeepEqual(damaged((frames) => flip(frames[lastWith('changes')].data.changes)), [], 'another state');
        assert.notDeepEqual(damaged((frames) => (frames[lastWith('changes')].data.changes[0][0] += 1)), [], 'another seat');
        assert.notDeepEqual(damaged((frames) => frames.splice(lastWith('areas'), 1)), [], 'a lost frame');
        assert.notDeepEqual(damaged((frames) => (frames[lastWith('areas')].data.areas[0][1] -= 1)), [], 'another count');
        assert.notDeepEqual(damaged((frames) => (frames[0].data.version = timeline.version)), [], 'a version that is too high');
        assert.notDeepEqual(damaged((frames) => frames.splice(0, frames.findLastIndex(({ event: name }) => name === 'snapshot') + 1)), [], 'no snapshot');
        assert.notDeepEqual(damaged((frames) => frames.push(snapshot)), [], 'the snapshot of the beginning, again');
        assert.notDeepEqual(damaged((frames) => frames.reverse()), [], 'the wrong order');
    });

    test('a price that goes blocks its seats; a cancelled event and another map end the stream', async (t) => {
        const own = await makeEvent(server, server.admin, (await sale(server, { plan: hall() })).venueId, { prices: FREE });
        const token = server.admin.token;
        const [one, two] = [listen(t, server, own.id, { token }), listen(t, server, own.id, { token })];
        await one.opened();
        await two.opened();
        const patch = await server.admin.patch(`/v1/events/${own.id}`, { prices: { front: 0 } });
        assert.equal(patch.status, 200, patch.text);
        await one.until(() => one.seats[SEATS] === 3, 'the back to be blocked');
        assert.deepEqual((await mapOf(server.admin, own.id)).seats, one.seats);
        assert.equal(one.isClosed, false);
        await publish(server.admin, own.id);
        const added = await server.admin.post(`/v1/events/${own.id}/areas`, { areas: [{ name: 'Terrace', capacity: 5, category: 'front' }] });
        assert.ok(added.status < 300, added.text);
        for (const listener of [one, two]) {
            await listener.closed();
            assert.equal(listener.last, 'gone');
        }
        const three = listen(t, server, own.id, { header: one.id });
        await three.opened();
        assert.equal(three.events[0], 'snapshot');
        assert.equal(three.areas.size, CAPACITIES.length + 1);
        assert.equal((await server.admin.post(`/v1/events/${own.id}/cancel`)).status, 200);
        await three.closed();
        assert.equal(three.last, 'gone');
        const late = listen(t, server, own.id);
        await late.closed();
        assert.equal(late.last, 'gone');
    });

    test('it goes on with one delta where it was, if that is known, and with a snapshot otherwise', async (t) => {
        const own = await sale(server, { plan: hall(), prices: FREE });
        const [user] = await makeManyUsers(server, 1);
        const one = listen(t, server, own.id);
        await one.opened();
        one.close();
        const booking = await held(user, own.id, [seatId(3)]);
        await held(user, own.id, [seatId(5), seatId(6)]);
        assert.equal((await user.delete(`/v1/bookings/${booking.id}`)).status, 200);
        const two = listen(t, server, own.id, { lastId: one.id }).adopt(one);
        await two.until(() => two.seats[5] === 1 && two.seats[6] === 1);
        await settled(server, own, two);
        assert.ok(two.events.every((name) => name === 'delta'), two.events.join());
        for (const options of [{ header: '1.00000000.0' }, { header: 'nonsense' }, { header: `${one.id}9` }, { lastId: '..' }, { lastId: '-1.-1.-1' }, { header: one.id.replace(/\d+$/, '4294967295') }]) {
            const other = listen(t, server, own.id, options);
            await other.opened();
            assert.equal(other.events[0], 'snapshot', JSON.stringify(options));
            other.close();
        }
    });
});

describe('the way there', () => {
    test('drafts are for those who may see them; HEAD has the head; what is wrong is named', async (t) => {
        const draft = await makeEvent(server, server.admin, (await sale(server, { plan: hall() })).venueId);
        const strange = listen(t, server, draft.id);
        await until(() => strange.status, { what: 'an answer' });
        assert.equal(strange.status, 404);
        const own = listen(t, server, draft.id, { token: server.admin.token });
        await own.opened();
        assert.equal(own.status, 200);
        assert.match(own.head, /content-type: text\/event-stream/i);
        assert.match(own.head, /cache-control: no-store/i);
        await publish(server.admin, draft.id);
        const [user] = await makeManyUsers(server, 1);
        await held(user, draft.id, [seatId(0)]);
        await own.until(() => own.seats[0] === 1); /* the same stream, although the event was edited */

        const head = await server.anonymous.call('HEAD', `/v1/events/${draft.id}/live`, undefined, { unchecked: true });
        assert.equal(head.status, 200);
        assert.equal(head.headers['content-type'], 'text/event-stream');
        const post = await server.anonymous.post(`/v1/events/${draft.id}/live`, {}, { unchecked: true });
        assert.equal(post.status, 405);
        assert.equal((await server.anonymous.get('/v1/events/evt_nonsense/live')).status, 404);
        const long = await server.anonymous.get(`/v1/events/${draft.id}/live?last_event_id=${'1'.repeat(65)}`);
        assert.equal(long.status, 422);
        assert.equal(long.json.errors[0].field, 'last_event_id');
        assert.equal((await server.anonymous.get(`/v1/events/${draft.id}/live?since=1`)).status, 422);
    });

    test('who talks into the stream is cut off; who stands beside it is not', async (t) => {
        const own = await sale(server, { plan: hall(), prices: FREE });
        const [user] = await makeManyUsers(server, 1);
        const beside = listen(t, server, own.id);
        const polite = listen(t, server, own.id);
        const loud = listen(t, server, own.id);
        for (const listener of [beside, polite, loud]) await listener.opened();
        polite.socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n'); /* is not read as a request */
        loud.socket.write(Buffer.alloc(64 << 10, 'x'));
        await loud.closed();
        await held(user, own.id, [seatId(0)]);
        await beside.until(() => beside.seats[0] === 1);
        await polite.until(() => polite.seats[0] === 1);
        assert.equal(polite.record.filter(({ event }) => event).length, 2);
    });

    test('with curl, and over TLS', { skip: spawnSync('openssl', ['version']).status !== 0 }, async (t) => {
        const dir = tempDir();
        const [key, cert] = [path.join(dir, 'key.pem'), path.join(dir, 'cert.pem')];
        execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', key, '-out', cert,
            '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'], { stdio: 'ignore' });
        const own = await Foyer.start({ args: ['--abuse=off', '--tls-cert', cert, '--tls-key', key], ca: fs.readFileSync(cert) });
        t.after(() => own.isRunning() && own.kill9());
        const event = await sale(own, { plan: hall(), prices: FREE });
        const [user] = await makeManyUsers(own, 1);
        const listener = listen(t, own, event.id);
        await listener.opened();
        await held(user, event.id, [seatId(0), seatId(COUNT - 1)]);
        await listener.until(() => listener.seats[0] === 1 && listener.seats[COUNT - 1] === 1);
        const curl = spawn('curl', ['-sN', '--cacert', cert, `${own.url}/v1/events/${event.id}/live`], { stdio: ['ignore', 'pipe', 'ignore'] });
        t.after(() => curl.kill());
        let text = '';
        curl.stdout.on('data', (chunk) => (text += chunk));
        await until(() => text.includes('\n\n') || curl.exitCode !== null, { what: 'an event' });
        assert.match(text, /^id: \S+\nevent: snapshot\ndata: \{"version":\d+,/);
        await own.stop();
        await listener.closed();
        assert.ok(listener.retry >= 0, 'it is told when to come again');
    });

    test('listeners have a part of the connections and no more', async (t) => {
        const own = await Foyer.start({ args: ['--abuse=off', '--connections-max=20', '--loops=1'] });
        t.after(() => own.isRunning() && own.kill9());
        const event = await sale(own, { plan: hall() });
        own.agent.destroy();
        const listeners = [];
        for (let i = 0; i < 16; i++) {
            listeners.push(listen(t, own, event.id));
            await listeners[i].opened();
            assert.equal(listeners[i].status, 200, listeners[i].body);
        }
        const late = listen(t, own, event.id);
        await until(() => late.status, { what: 'an answer' });
        assert.equal(late.status, 503);
        assert.match(late.head, /retry-after: \d+/i);
        late.close();
        listeners[0].close();
        const next = await until(async () => { /* when the server has seen that it is gone */
            const listener = listen(t, own, event.id);
            await until(() => listener.status, { what: 'an answer' });
            return listener.status === 200 && listener;
        }, { what: 'a place that has become free', every: 50 });
        await next.opened();
        next.close();
        await own.kill9();
    });
});

describe('when things break', () => {
    test('the server is killed and started again: who listens comes again and misses nothing', async (t) => {
        const own = await Foyer.start({ args: ['--abuse=off'] });
        t.after(() => own.isRunning() && own.kill9());
        const event = await sale(own, { plan: hall(), prices: FREE });
        const users = await makeManyUsers(own, 4);
        const followers = [0, 1, 2].map(() => follow(t, () => own, event));
        const asks = users.map(({ token }) => stubborn(() => [own], token));
        const between = async (step) => {
            if (step !== 100) return;
            await own.kill9();
            await own.start();
        };
        await followers[0].last.opened();
        await traffic({ event, asks, organizer: stubborn(() => [own], own.admin.token), steps: 200, between });
        for (const follower of followers) await settled(own, event, () => follower.last);
        const timeline = await timelineOf(own, event);
        for (const follower of followers) {
            assert.deepEqual(follower.faults(timeline), []);
            assert.ok(follower.parts.length > 1, 'it was not cut off');
            assert.equal(follower.parts.find(({ from, listener }) => from && listener.frames > 0).listener.events[0], 'snapshot');
        }
        await own.stop();
    });

    test('who does not read is told to come again and is not kept; who reads beside it gets everything', { skip: isPostgres && 'is about connections, not about rows' }, async (t) => {
        const [rows, seats] = [75, 400];
        const count = rows * seats;
        const event = await makeEvent(server, server.admin, (await makeVenue(server.admin, plan({ rows, seats }))).id, { prices: FREE });
        await until(async () => (await server.admin.post(`/v1/events/${event.id}/publish`)).status === 200, { what: 'the event on sale' });
        const ids = Array.from({ length: count }, (_, i) => `S1-R${Math.floor(i / seats) + 1}-${(i % seats) + 1}`);
        const before = await server.metric('foyer_live_resyncs_total');
        const slow = listen(t, server, event.id, { seatCount: count });
        const beside = listen(t, server, event.id, { seatCount: count });
        await slow.opened();
        await beside.opened();
        slow.pause();
        const blocks = (method, at) => server.admin[method](`/v1/events/${event.id}/blocks`, { seat_ids: ids.slice(at * 1000, (at + 1) * 1000) });
        let turn = 0;
        await until(async () => {
            const method = Math.floor(turn / (count / 1000)) % 2 === 0 ? 'post' : 'delete';
            const answer = await blocks(method, turn % (count / 1000));
            assert.ok(answer.status < 300 || answer.status === 503, answer.text);
            turn += answer.status < 300;
            return (await server.metric('foyer_live_resyncs_total')) > before;
        }, { what: 'the slow one to be given up' });
        slow.resume();
        await slow.closed();
        assert.equal(slow.last, 'resync');
        await until(async () => JSON.stringify((await mapOf(server.anonymous, event.id)).seats) === JSON.stringify(beside.seats), { every: 100, what: 'the other to show all of it' });
        assert.equal(beside.isClosed, false);
        assert.ok(!beside.events.includes('resync'));
        const again = listen(t, server, event.id, { header: slow.id, seatCount: count }).adopt({ seats: slow.seats, areas: [] });
        await again.opened();
        assert.deepEqual(again.seats, beside.seats);
    });
});
