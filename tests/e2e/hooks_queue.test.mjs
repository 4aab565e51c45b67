/* What is said of deliveries that wait, what memory keeps of endpoints, and whom a write holds up. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import pg from 'pg';
import { Receiver, attemptsOf, makeApp, makeEndpoint, messageEndpoint, sendMessage, startHooks } from './lib/receivers.mjs';
import { isPostgres, storeOf } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const MINUTE = 60000;
const HOUR = 60 * MINUTE;
const SUCCESS = 0;
const PENDING = 1;
const DEAD = 2;
const SENDING = 3;
const TWICE = { retrySchedule: [0, 36000] };

/* pg_lock_key() of the whole service. */
function lockOf(schema) {
    let hash = 0xcbf29ce484222325n;
    for (const byte of [...Buffer.from(`foyer\0${schema}\0service\0`), ...new Uint8Array(8)]) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    return BigInt.asIntN(64, hash).toString();
}

const pathOf = (app, endpoint) => `/api/v1/app/${app.id}/endpoint/${endpoint.id}`;
const has = (server, app, message, status) =>
    until(async () => (await messageEndpoint(server, app, message)).status === status, { what: `status ${status}` });

describe('what waits', () => {
    let server;
    let receiver;
    before(async () => {
        server = await startHooks();
        receiver = await Receiver.start(({ body }, res) => res.writeHead(JSON.parse(body).isGood ? 204 : 503).end());
    });
    after(async () => {
        await server.stop();
        receiver.stop();
    });

    test('health counts all of it, not only what is in memory', async () => {
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url, TWICE);
        const other = await makeEndpoint(server, app, receiver.url, { eventTypes: ['other.event'] });
        for (let i = 0; i < 60; i++) await sendMessage(server, app);
        const health = async (which) => (await server.admin.get(`${pathOf(app, which)}/health`)).json;
        await until(async () => (await health(endpoint)).state === 'open', { what: 'the breaker to open' });
        await until(async () => {
            const { queued, in_flight } = await health(endpoint);
            return in_flight === 0 && queued === 60;
        }, { what: 'all sixty to be queued' });
        assert.equal((await health(other)).queued, 0);
        assert.equal((await server.admin.get(`${pathOf(app, endpoint)}/stats`)).json.pending, 60);
    });

    test('messages to an endpoint are listed by each state', async () => {
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url, TWICE);
        const dead = [];
        for (let i = 0; i < 3; i++) dead.push(await sendMessage(server, app, { isGood: false }));
        for (const message of dead) await until(async () => (await attemptsOf(server, app, message)).length === 1, { what: 'the first attempt' });
        await server.advance(12 * HOUR);
        for (const message of dead) await has(server, app, message, DEAD);
        const good = [];
        for (let i = 0; i < 3; i++) good.push(await sendMessage(server, app, { isGood: true }));
        for (const message of good) await has(server, app, message, SUCCESS);
        const waiting = await sendMessage(server, app, { isGood: false });
        await until(async () => (await attemptsOf(server, app, waiting)).length === 1, { what: 'its first attempt' });
        const list = async (query) => {
            const ids = [];
            for (let iterator = ''; ; ) {
                const { status, text, json } = await server.admin.get(`${pathOf(app, endpoint)}/msg?limit=2${query}${iterator}`);
                assert.equal(status, 200, text);
                ids.push(...json.data.map(({ id }) => id));
                if (json.done) return ids;
                iterator = `&iterator=${json.iterator}`;
            }
        };
        const ids = (messages) => messages.map(({ id }) => id).reverse();
        assert.deepEqual(await list(''), ids([...dead, ...good, waiting]));
        assert.deepEqual(await list(`&status=${SUCCESS}`), ids(good));
        assert.deepEqual(await list(`&status=${PENDING}`), ids([waiting]));
        assert.deepEqual(await list(`&status=${DEAD}`), ids(dead));
        assert.deepEqual(await list(`&status=${SENDING}`), []);
        assert.equal((await server.admin.get(`${pathOf(app, endpoint)}/msg?status=4`)).status, 422);
    });

    test('a uid is no id', async () => {
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url);
        assert.equal((await server.admin.post('/api/v1/app', { name: 'x', uid: app.id })).status, 422);
        assert.equal((await server.admin.post(`/api/v1/app/${app.id}/endpoint`, { url: receiver.url, uid: endpoint.id })).status, 422);
        await makeApp(server, { uid: `${app.id}x` });
    });
});

describe('memory', () => {
    test('endpoints that have nothing to do are forgotten, and found again', async () => {
        const server = await startHooks();
        let code = 503;
        const receiver = await Receiver.start(({ url }, res) => res.writeHead(url === '/good' ? 204 : code).end());
        const inMemory = (count) => until(async () => (await server.metric('foyer_hooks_endpoints_in_memory')) === count, { what: `${count} endpoints in memory` });
        const apps = [];
        for (let i = 0; i < 3; i++) {
            apps.push(await makeApp(server));
            await makeEndpoint(server, apps[i], `${receiver.url}/good`);
        }
        const ill = await makeApp(server);
        await makeEndpoint(server, ill, `${receiver.url}/ill`, TWICE);
        for (const app of apps) await has(server, app, await sendMessage(server, app), SUCCESS);
        const waiting = await sendMessage(server, ill);
        await until(async () => (await attemptsOf(server, ill, waiting)).length === 1, { what: 'the first attempt' });
        await inMemory(4);
        await server.advance(29 * MINUTE);
        await sendMessage(server, apps[0]);
        await inMemory(4);
        await server.advance(2 * MINUTE);
        await inMemory(2); /* the one that has just had something, and the one that will */
        await server.advance(31 * MINUTE);
        await inMemory(1);
        for (const app of apps) await has(server, app, await sendMessage(server, app), SUCCESS);
        await inMemory(4);
        code = 204;
        await server.advance(12 * HOUR);
        await has(server, ill, waiting, SUCCESS);
        await server.advance(31 * MINUTE);
        await inMemory(0);
        assert.equal(receiver.deliveries.length, 9);
        await server.stop();
        receiver.stop();
    });
});

/* Somebody else, another node say, works for another application: it holds the lock of the service, shared, as every such job does. */
describe('locks', { skip: !isPostgres && 'about a shared database' }, () => {
    test('what is written for one application waits for no other', async () => {
        const server = await startHooks();
        const receiver = await Receiver.start();
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url);
        const message = await sendMessage(server, app);
        const busy = new pg.Client({ connectionString: storeOf(server.dir) });
        await busy.connect();
        await busy.query('BEGIN');
        await busy.query('SELECT pg_advisory_xact_lock_shared($1)', [lockOf('hooks')]);

        const base = pathOf(app, endpoint);
        const own = [
            () => sendMessage(server, app),
            () => server.admin.post(`/api/v1/app/${app.id}/endpoint`, { url: receiver.url }),
            () => server.admin.patch(base, { description: 'x' }),
            () => server.admin.put(base, { url: receiver.url }),
            () => server.admin.put(`${base}/headers`, { headers: { 'X-A': '1' } }),
            () => server.admin.patch(`${base}/headers`, { headers: { 'X-B': '1' } }),
            () => server.admin.post(`${base}/secret/rotate`, {}),
            () => server.admin.post(`${base}/send-example`, { eventType: 'test.event' }),
            () => server.admin.post(`/api/v1/app/${app.id}/msg/${message.id}/endpoint/${endpoint.id}/resend`, {}),
            () => server.admin.delete(base),
        ];
        for (const [i, write] of own.entries()) assert.ok(((await write()).status ?? 202) < 300, `write ${i}`);

        /* A new application is everybody's business: this shows that the lock is the right one. */
        let isMade = false;
        const making = makeApp(server).then(() => (isMade = true));
        await until(async () => (await busy.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")).rowCount > 0, { what: 'it to wait' });
        assert.equal(isMade, false);
        await busy.query('COMMIT');
        await making;
        await busy.end();
        await server.stop();
        receiver.stop();
    });
});
