/* What takes days in life, in seconds: retention, the end of a rotated secret, and a breaker's pauses. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Receiver, VERIFIERS, attemptsOf, makeApp, makeEndpoint, messageEndpoint, secretOf, sendMessage, startHooks } from './lib/receivers.mjs';
import { until } from './lib/wait.mjs';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const KEPT_DAYS = 31; /* RETENTION_DAYS: these, and the one that runs */
const SLOTS = 33; /* RING_SLOTS */
const BREAKER_FAILURES = 10;
const PAUSES_S = [1, 2, 4, 8, 16, 32, 60, 60];
const SUCCESS = 0;

/* No test is disturbed by the end of a day that it has not asked for. */
async function toNoon(server) {
    const now = await server.now();
    await server.advance(DAY - (now % DAY) + DAY / 2);
}

describe('retention', () => {
    let server;
    let receiver;
    let app;
    let endpoint;
    before(async () => {
        server = await startHooks();
        receiver = await Receiver.start();
        app = await makeApp(server);
        endpoint = await makeEndpoint(server, app, receiver.url);
        await toNoon(server);
    });
    after(async () => {
        await server.stop();
        receiver.stop();
    });

    const rowsOf = async (slot) => {
        const name = String(slot).padStart(2, '0');
        const counts = ['message', 'delivery', 'attempt'].map((table) => `SELECT count(*) FROM ${table}_${name}`);
        return (await server.sql(counts.join(' UNION ALL '), 'hooks')).map(([count]) => Number(count));
    };
    const slotOfNow = async () => Math.floor((await server.now()) / DAY) % SLOTS;
    const send = async (eventId) => {
        const message = await sendMessage(server, app, { eventId }, { eventId });
        await until(async () => (await messageEndpoint(server, app, message)).status === SUCCESS, { what: 'the delivery' });
        return message;
    };
    const listed = async (path) => {
        const { status, json, text } = await server.admin.get(`/api/v1/app/${app.id}${path}`);
        assert.equal(status, 200, text);
        return json.data;
    };
    const status = async (path) => (await server.admin.get(`/api/v1/app/${app.id}${path}`)).status;

    test('a message is there for 31 days after its own, with all that belongs to it', async () => {
        const slot = await slotOfNow();
        const message = await send('first');
        const [attempt] = await attemptsOf(server, app, message);
        assert.deepEqual(await rowsOf(slot), [1, 1, 1]);
        const paths = [`/msg/${message.id}`, `/msg/${message.id}/attempt/${attempt.id}`, `/msg/${message.id}/endpoint`, `/attempt/msg/${message.id}`];
        const lists = ['/msg', `/endpoint/${endpoint.id}/msg`, `/attempt/endpoint/${endpoint.id}`];
        for (const days of [30, 1]) {
            await server.advance(days * DAY);
            for (const path of paths) assert.equal(await status(path), 200, `${path} is there`);
            for (const path of lists) assert.equal((await listed(path)).length, 1, `${path} has it`);
            assert.equal((await sendMessage(server, app, { eventId: 'first' }, { eventId: 'first' })).id, message.id, 'and its eventId is known');
        }
        await server.advance(DAY);
        for (const path of paths) assert.equal(await status(path), 404, `${path} is gone`);
        for (const path of lists) assert.deepEqual(await listed(path), [], `${path} is empty`);
        assert.equal(await status(`/msg/${message.id}/endpoint/${endpoint.id}/resend`), 405, 'only a POST is a resend');
        const again = await server.admin.post(`/api/v1/app/${app.id}/msg/${message.id}/endpoint/${endpoint.id}/resend`, {});
        assert.equal(again.status, 404, 'what is gone is not sent again');
        await until(async () => (await rowsOf(slot)).every((count) => count === 0), { what: 'the tables to be emptied' });
        assert.equal(receiver.deliveries.length, 1);
        assert.notEqual((await send('first')).id, message.id, 'the eventId may be a new message now');
    });

    test('day after day there are those of the last 32 days, in 33 sets of tables', async () => {
        const known = new Set((await listed('/msg')).map(({ id }) => id));
        const sent = [];
        for (let day = 0; day < SLOTS + 3; day++) {
            const slot = await slotOfNow();
            sent.push(await send(`day ${day}`));
            const ids = (await listed('/msg?limit=50')).map(({ id }) => id).filter((id) => !known.has(id));
            assert.deepEqual(ids, sent.slice(-KEPT_DAYS - 1).map(({ id }) => id).reverse(), `day ${day}`);
            if (day > 0) assert.deepEqual(await rowsOf(slot), [1, 1, 1], 'nothing of the day that had these tables before');
            await server.advance(DAY);
        }
        const { json } = await server.admin.get(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/stats`);
        assert.deepEqual([json.success, json.pending, json.fail], [KEPT_DAYS, 0, 0]);
    });
});

describe('rotation', () => {
    test('each old secret signs until its own end, and not beyond', async () => {
        const server = await startHooks();
        const receiver = await Receiver.start();
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url);
        const path = `/api/v1/app/${app.id}/endpoint/${endpoint.id}/secret/rotate`;
        const secrets = [await secretOf(server, app, endpoint)];
        const rotate = async (body) => {
            assert.equal((await server.admin.post(path, body)).status, 204);
            secrets.push(await secretOf(server, app, endpoint));
        };
        /* Which of the secrets a delivery of now is signed with; all three verifiers agree. */
        const signing = async () => {
            const message = await sendMessage(server, app);
            const delivery = await receiver.delivery(({ id }) => id === message.id);
            const now = Date.now;
            const signs = (verify, secret) => {
                try {
                    Date.now = () => Number(delivery.headers['webhook-timestamp']) * SECOND;
                    return Boolean(verify(delivery, secret));
                } catch {
                    return false;
                } finally {
                    Date.now = now;
                }
            };
            const by = Object.values(VERIFIERS).map((verify) => secrets.map((secret) => signs(verify, secret)));
            for (const one of by) assert.deepEqual(one, by[0]);
            return by[0].map((does, i) => (does ? i : null)).filter((i) => i !== null);
        };
        assert.deepEqual(await signing(), [0]);
        await rotate({}); /* 24 hours */
        assert.deepEqual(await signing(), [0, 1]);
        await server.advance(12 * HOUR);
        await rotate({ gracePeriodSeconds: 3600 });
        assert.deepEqual(await signing(), [0, 1, 2]);
        await server.advance(HOUR);
        assert.deepEqual(await signing(), [0, 2], 'an hour is over');
        await server.restart(); /* its clock is that of the machine again */
        await server.advance(23 * HOUR);
        assert.deepEqual(await signing(), [0, 2], 'not yet');
        await server.advance(HOUR);
        assert.deepEqual(await signing(), [2], 'a day is over');
        await rotate({ gracePeriodSeconds: 0 });
        assert.deepEqual(await signing(), [3], 'at once');
        await server.stop();
        receiver.stop();
    });
});

describe('the breaker', () => {
    test('opens, asks with one probe after pauses that grow, and closes', async () => {
        const server = await startHooks();
        let held = null;
        let isHolding = false;
        let code = 503;
        const receiver = await Receiver.start((delivery, res) => {
            if (isHolding) held = res;
            else res.writeHead(code).end();
        });
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url, { retrySchedule: [0, 36000] });
        const health = async () => (await server.admin.get(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/health`)).json;
        const states = (wanted) =>
            until(async () => {
                const is = await health();
                return is.state === wanted && is;
            }, { what: wanted });
        const sent = [];
        const send = async (count) => {
            for (let i = 0; i < count; i++) sent.push(await sendMessage(server, app, { i }));
        };

        await send(BREAKER_FAILURES - 1);
        await until(async () => (await outcomes(server, app, sent)).every(({ attempts }) => attempts === 1), { what: 'failures' });
        assert.equal((await health()).state, 'closed', 'nine failures are not enough');
        await send(1);
        await states('open');
        assert.equal(receiver.deliveries.length, BREAKER_FAILURES);

        isHolding = true;
        await send(20);
        let failedAt = await server.now(); /* or a little before */
        for (const [i, pause] of PAUSES_S.entries()) {
            const count = BREAKER_FAILURES + i;
            await server.advance((pause + 1) * SECOND);
            await receiver.count(count + 1);
            const at = Number(receiver.deliveries.at(-1).headers['webhook-timestamp']) * SECOND; /* rounded down */
            if (i > 0) assert.ok(at + SECOND > failedAt + pause * SECOND, `pause ${i}: ${at - failedAt} ms of ${pause} s`);
            assert.equal((await states('half_open')).in_flight, 1, 'one probe');
            await server.advance(30 * SECOND); /* however long it takes */
            assert.equal(receiver.deliveries.length, count + 1, 'and no second one');
            failedAt = await server.now();
            held.writeHead(503).end();
            const { state, next_probe_at } = await until(async () => {
                const is = await health();
                return (is.state === 'open' || receiver.deliveries.length > count + 1) && is;
            }, { what: 'the next pause' });
            const next = PAUSES_S[i + 1] ?? PAUSES_S[i];
            if (state === 'open') assert.ok(Date.parse(next_probe_at) - (await server.now()) <= next * SECOND, `pause ${i + 1}: until ${next_probe_at}`);
        }
        isHolding = false;
        code = 200;
        await server.advance(61 * SECOND);
        await states('closed');
        /* The waits count from when a result is written: the clock is not moved before that. */
        await until(async () => (await outcomes(server, app, sent)).every(({ attempts }) => attempts > 0), { what: 'the results' });
        await server.advance(12 * HOUR); /* when those that failed are due */
        await until(async () => (await outcomes(server, app, sent)).every(({ status }) => status === SUCCESS), { what: 'all of them' });
        assert.equal((await health()).next_probe_at, null);
        await server.stop();
        receiver.stop();
    });
});

const outcomes = async (server, app, sent) =>
    Promise.all(sent.map(async (message) => ({ status: (await messageEndpoint(server, app, message)).status, attempts: (await attemptsOf(server, app, message)).length })));
