/* H1-H3, H6, H8: what is accepted is delivered, byte for byte and signed, by the schedule, fairly, across crashes. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Receiver, VERIFIERS, attemptsOf, makeApp, makeEndpoint, messageEndpoint, secretOf, sendMessage, sendRaw, startHooks } from './lib/receivers.mjs';
import { isPostgres, storeOf } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const NARROW = 32; /* DISPATCH_WINDOW_NARROW */
const WIDE = 128; /* DISPATCH_WINDOW_WIDE */
const SUCCESS = 0;
const FAIL = 2;
/* Time goes on while a test looks: no second attempt comes in between. */
const ONCE_A_DAY = { retrySchedule: [0, 36000] };
const DELAYS_S = [5, 30, 120, 600, 1800, 3600, 7200, 10800, 14400, 18000, 28800];

/* Of one test, and gone with it, however it ends. */
async function serverOf(t, options) {
    const server = await startHooks(options);
    t.after(() => server.stop());
    return server;
}
async function receiverOf(t, answer) {
    const receiver = await Receiver.start(answer);
    t.after(() => receiver.stop());
    return receiver;
}

const attempts = (server, app, message, count) =>
    until(async () => {
        const list = await attemptsOf(server, app, message);
        return list.length >= count && list;
    }, { what: `${count} attempts` });

describe('signatures and bytes', () => {
    let server;
    let receiver;
    let app;
    let endpoint;
    let secret;
    before(async () => {
        server = await startHooks();
        receiver = await Receiver.start();
        app = await makeApp(server);
        endpoint = await makeEndpoint(server, app, `${receiver.url}/in?x=1`, { headers: { 'X-Own': 'yes' } });
        secret = await secretOf(server, app, endpoint);
    });
    after(async () => {
        await server.stop();
        receiver.stop();
    });

    test('the official verifiers take a delivery as it comes', async () => {
        const message = await sendMessage(server, app, { hello: 'wörld' });
        const delivery = await receiver.delivery(({ id }) => id === message.id);
        for (const verify of Object.values(VERIFIERS)) assert.deepEqual(verify(delivery, secret), { hello: 'wörld' });
        assert.equal(delivery.url, '/in?x=1');
        assert.equal(delivery.headers['content-type'], 'application/json');
        assert.equal(delivery.headers['x-own'], 'yes');
        const [attempt] = await attempts(server, app, message, 1);
        assert.equal(attempt.status, SUCCESS);
        assert.equal(attempt.responseStatusCode, 204);
    });

    test('they refuse another body, another secret, another time', async () => {
        const message = await sendMessage(server, app, { amount: 1 });
        const delivery = await receiver.delivery(({ id }) => id === message.id);
        const body = Buffer.from(delivery.body.toString().replace('1', '2'));
        const now = Date.now;
        for (const [name, verify] of Object.entries(VERIFIERS)) {
            assert.throws(() => verify({ ...delivery, body }, secret), `${name}: body`);
            assert.throws(() => verify(delivery, `whsec_${Buffer.alloc(32, 7).toString('base64')}`), `${name}: secret`);
            try {
                Date.now = () => now() + 10 * 60 * SECOND;
                assert.throws(() => verify(delivery, secret), `${name}: old`);
            } finally {
                Date.now = now;
            }
            verify(delivery, secret);
        }
    });

    test('bytes are delivered as they were sent', async () => {
        const payloads = [
            '{ "b" : 1.0,\n\t"a":12345678901234567890 , "a2":1e400}',
            '{"u":"\\u00e9\\/é","z":-0.0,"e":[ ],"o":{ }}',
            `{"big":"${'x'.repeat(1000000)}"}`,
        ];
        for (const payload of payloads) {
            const message = await sendRaw(server, app, payload);
            const delivery = await receiver.delivery(({ id }) => id === message.id);
            assert.equal(delivery.body.toString(), payload);
        }
    });

    test('each format has its headers', async () => {
        for (const [signatureFormat, standard, timestamped] of [['standard', true, false], ['timestamped', false, true], ['both', true, true]]) {
            const own = await makeApp(server);
            await makeEndpoint(server, own, `${receiver.url}/${signatureFormat}`, { signatureFormat });
            await sendMessage(server, own);
            const { headers } = await receiver.delivery(({ url }) => url === `/${signatureFormat}`);
            assert.equal('webhook-signature' in headers, standard, signatureFormat);
            assert.equal('foyer-signature' in headers, timestamped, signatureFormat);
        }
    });

    test('both secrets sign while one is rotated', async () => {
        const answer = await server.admin.post(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/secret/rotate`, {});
        assert.equal(answer.status, 204);
        const next = await secretOf(server, app, endpoint);
        assert.notEqual(next, secret);
        const message = await sendMessage(server, app);
        const delivery = await receiver.delivery(({ id }) => id === message.id);
        for (const verify of Object.values(VERIFIERS)) {
            verify(delivery, next);
            verify(delivery, secret);
        }
        secret = next;
    });
});

describe('the schedule', () => {
    let server;
    let receiver;
    let app;
    before(async () => {
        server = await startHooks();
        receiver = await Receiver.start((delivery, res) => res.writeHead(500).end('no'));
        app = await makeApp(server);
    });
    after(async () => {
        await server.stop();
        receiver.stop();
    });

    test('twelve attempts in a day, then a dead letter', async () => {
        await makeEndpoint(server, app, receiver.url);
        const message = await sendMessage(server, app);
        for (const [index, delay] of DELAYS_S.entries()) {
            await attempts(server, app, message, index + 1);
            const { nextAttempt } = await messageEndpoint(server, app, message);
            const due = Date.parse(nextAttempt);
            const wait = due - (await server.now());
            assert.ok(wait <= delay * 1.1 * SECOND, `attempt ${index + 2}: not later than ${delay} s and its jitter: ${wait}`);
            await server.advance(Math.max(0, wait - 2 * SECOND));
            const { length } = await attemptsOf(server, app, message);
            if ((await server.now()) < due) assert.equal(length, index + 1, 'not too early');
            await server.advance(2 * SECOND + 61 * SECOND); /* a breaker's pause, too */
        }
        const list = await attempts(server, app, message, 12);
        assert.ok(list.every(({ status, responseStatusCode, response }) => status === FAIL && responseStatusCode === 500 && response === 'no'));
        await until(async () => (await messageEndpoint(server, app, message)).status === FAIL, { what: 'the dead letter' });
        await server.advance(48 * HOUR);
        assert.equal(receiver.deliveries.length, 12);
        assert.deepEqual(await server.sql(`SELECT count(*) FROM delivery_${await slotOf(server)} WHERE next_at IS NOT NULL`, 'hooks'), [['0']]);
    });

    test('a new signature for each attempt', () => {
        const stamps = new Set(receiver.deliveries.map(({ headers }) => headers['webhook-signature']));
        assert.equal(stamps.size, 12);
        assert.equal(receiver.ids.size, 1);
    });
});

/* The slot that messages of now go to. */
async function slotOf(server) {
    const [[slot]] = await server.sql('SELECT slot FROM ring_slot ORDER BY day DESC LIMIT 1', 'hooks');
    return slot.padStart(2, '0');
}

describe('what receivers say', () => {
    let server;
    before(async () => {
        server = await startHooks();
    });
    after(() => server.stop());

    test('410 disables the endpoint, and what waited for it is dead', async (t) => {
        let isGone = false;
        const receiver = await receiverOf(t, (delivery, res) => res.writeHead(isGone ? 410 : 500).end());
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url, ONCE_A_DAY);
        const first = await sendMessage(server, app);
        await attempts(server, app, first, 1);
        isGone = true;
        const second = await sendMessage(server, app);
        await attempts(server, app, second, 1);
        for (const message of [first, second]) await until(async () => (await messageEndpoint(server, app, message)).status === FAIL, { what: 'the dead letters' });
        const { json } = await server.admin.get(`/api/v1/app/${app.id}/endpoint/${endpoint.id}`);
        assert.equal(json.disabled, true);
        assert.equal(receiver.deliveries.length, 2);
    });

    test('Retry-After is waited for', async (t) => {
        const receiver = await receiverOf(t, (delivery, res) => res.writeHead(429, { 'retry-after': '1000' }).end());
        const app = await makeApp(server);
        await makeEndpoint(server, app, receiver.url);
        const message = await sendMessage(server, app);
        await attempts(server, app, message, 1);
        const wait = Date.parse((await messageEndpoint(server, app, message)).nextAttempt) - (await server.now());
        assert.ok(wait > 900 * SECOND && wait <= 1000 * SECOND, String(wait));
    });

    test('a redirect to the metadata address is an answer like any other', async (t) => {
        const receiver = await receiverOf(t, (delivery, res) => res.writeHead(302, { location: 'http://169.254.169.254/latest/' }).end());
        const app = await makeApp(server);
        await makeEndpoint(server, app, receiver.url);
        const message = await sendMessage(server, app);
        const [attempt] = await attempts(server, app, message, 1);
        assert.equal(attempt.status, FAIL);
        assert.equal(attempt.responseStatusCode, 302);
    });

    test('addresses that are not to be called are not', async () => {
        const app = await makeApp(server);
        await makeEndpoint(server, app, 'http://169.254.169.254/latest/meta-data/');
        const message = await sendMessage(server, app);
        const [attempt] = await attempts(server, app, message, 1);
        assert.equal(attempt.status, FAIL);
        assert.equal(attempt.responseStatusCode, 0);
    });

    test('disabling or deleting an endpoint ends what waits for it', async (t) => {
        for (const end of ['disable', 'delete']) {
            const receiver = await receiverOf(t, (delivery, res) => res.writeHead(500).end());
            const app = await makeApp(server);
            const endpoint = await makeEndpoint(server, app, receiver.url, ONCE_A_DAY);
            const message = await sendMessage(server, app);
            await attempts(server, app, message, 1);
            const path = `/api/v1/app/${app.id}/endpoint/${endpoint.id}`;
            const answer = end === 'delete' ? await server.admin.delete(path) : await server.admin.patch(path, { disabled: true });
            assert.ok(answer.status < 300, answer.text);
            const table = `delivery_${await slotOf(server)}`;
            const newest = () => server.sql(`SELECT attempts, state FROM ${table} ORDER BY message_id DESC LIMIT 1`, 'hooks');
            await until(async () => (await newest()).join() === '1,2', { what: `the dead letter of ${end}` });
        }
    });
});

describe('neighbours', () => {
    test('endpoints that hang hold up nobody else', async (t) => {
        const server = await serverOf(t, { args: ['--hooks-timeout-ms=120000'] });
        const hanging = await receiverOf(t, () => {});
        const healthy = await receiverOf(t);
        const app = await makeApp(server);
        for (let i = 0; i < 5; i++) await makeEndpoint(server, app, `${hanging.url}/${i}`);
        await makeEndpoint(server, app, healthy.url);
        const other = await makeApp(server);
        await makeEndpoint(server, other, healthy.url);
        const sent = [];
        for (let i = 0; i < 40; i++) sent.push(await sendMessage(server, i % 2 ? app : other, { i }));
        await healthy.count(40);
        assert.deepEqual(healthy.ids, new Set(sent.map(({ id }) => id)));
        assert.equal(healthy.deliveries.length, 40, 'none twice');
        assert.ok(hanging.deliveries.length <= 5 * NARROW);
    });

    test('ninety-nine that hang leave places of their application to the one that answers', async (t) => {
        const server = await serverOf(t, { args: ['--hooks-timeout-ms=120000'] });
        let isHanging = false;
        const hanging = await receiverOf(t, (delivery, res) => isHanging || res.writeHead(204).end());
        const healthy = await receiverOf(t);
        const app = await makeApp(server);
        for (let i = 0; i < 99; i++) await makeEndpoint(server, app, `${hanging.url}/${i}`);
        await makeEndpoint(server, app, healthy.url);
        for (let n = 0; n < 6; n++) await sendMessage(server, app, { n });
        await hanging.count(99 * 6); /* now each could have more than four at once */
        await healthy.count(6);
        isHanging = true;
        for (let n = 0; n < 6; n++) await sendMessage(server, app, { n });
        await until(() => hanging.deliveries.length >= 99 * 7, { what: 'each of them to hang' });
        for (let n = 0; n < 6; n++) await sendMessage(server, app, { n });
        await healthy.count(18);
        assert.equal(healthy.ids.size, 18, 'none twice');
    });

    test('an endpoint that is slow and can do much at once gets more than the narrow window', async (t) => {
        const server = await serverOf(t, { args: ['--hooks-timeout-ms=120000'] });
        const COUNT = 200;
        let held = 0;
        let most = 0;
        let waiting = [];
        const answer = (res) => setTimeout(() => (held--, res.writeHead(204).end()), 300);
        const receiver = await receiverOf(t, (delivery, res) => {
            most = Math.max(most, ++held);
            if (waiting) waiting.push(res);
            else answer(res);
        });
        const app = await makeApp(server);
        await makeEndpoint(server, app, receiver.url);
        for (let n = 0; n < COUNT; n += 20) await Promise.all(Array.from({ length: 20 }, (_, i) => sendMessage(server, app, { n: n + i })));
        for (const res of waiting) answer(res);
        waiting = undefined;
        await receiver.count(COUNT);
        assert.ok(most > NARROW && most <= WIDE, `${most} at once`);
        assert.equal(receiver.ids.size, COUNT);
    });

    test('while a breaker is open no attempt is made and none is counted', async (t) => {
        const server = await serverOf(t);
        let isDown = true;
        const receiver = await receiverOf(t, (delivery, res) => res.writeHead(isDown ? 503 : 200).end());
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url);
        const sent = [];
        for (let i = 0; i < 60; i++) sent.push(await sendMessage(server, app, { i }));
        const health = async () => (await server.admin.get(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/health`)).json;
        await until(async () => (await health()).state !== 'closed', { what: 'the breaker to open' });
        const total = async () => (await Promise.all(sent.map((message) => attemptsOf(server, app, message)))).reduce((sum, list) => sum + list.length, 0);
        assert.ok((await total()) < 60, 'some wait without an attempt');
        isDown = false;
        for (let i = 0; receiver.ids.size < 60 && i < 200; i++) {
            await server.advance(61 * SECOND);
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        assert.equal(receiver.ids.size, 60);
        await until(async () => (await health()).state === 'closed', { what: 'the breaker to close' });
    });
});

describe('an end to everything', () => {
    let server;
    before(async () => {
        server = await startHooks();
    });
    after(() => server.stop());
    const waiting = async () => {
        const slots = await server.sql('SELECT slot FROM ring_slot', 'hooks');
        const counts = await Promise.all(slots.map(([slot]) => server.sql(`SELECT count(*) FROM delivery_${slot.padStart(2, '0')} WHERE next_at IS NOT NULL`, 'hooks')));
        return counts.reduce((sum, [[count]]) => sum + Number(count), 0);
    };

    test('a day makes a dead letter of what waits for a breaker, too', async (t) => {
        const receiver = await receiverOf(t, (delivery, res) => res.writeHead(503).end());
        const app = await makeApp(server);
        await makeEndpoint(server, app, receiver.url);
        const sent = [];
        for (let i = 0; i < 80; i++) sent.push(await sendMessage(server, app, { i }));
        await until(async () => (await waiting()) === 80, { what: 'all to wait' });
        await server.advance(23 * HOUR);
        const late = await sendMessage(server, app, { late: true });
        assert.ok((await waiting()) > 0);
        for (let i = 0; (await waiting()) > 1 && i < 300; i++) {
            await server.advance(61 * SECOND);
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        assert.equal(await waiting(), 1, 'the new one still waits');
        for (const message of sent) assert.ok((await attemptsOf(server, app, message)).length < 12);
        assert.equal((await messageEndpoint(server, app, sent[79])).status, FAIL);
        assert.notEqual((await messageEndpoint(server, app, late)).status, FAIL);
    });

    test('an endpoint that has failed for five days is disabled', async (t) => {
        let status = 500;
        const receiver = await receiverOf(t, (delivery, res) => res.writeHead(status).end());
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url);
        const isDisabled = async () => (await server.admin.get(`/api/v1/app/${app.id}/endpoint/${endpoint.id}`)).json.disabled;
        const day = async () => {
            const message = await sendMessage(server, app);
            await attempts(server, app, message, 1);
            assert.equal(await isDisabled(), false);
            await server.advance(25 * HOUR);
        };
        for (let i = 0; i < 3; i++) await day();
        status = 200;
        await day(); /* a success, and the five days begin anew */
        status = 500;
        for (let i = 0; i < 5; i++) await day();
        const last = await sendMessage(server, app);
        await attempts(server, app, last, 1);
        await until(isDisabled, { what: 'the endpoint to be disabled' });
    });

    test('a peaceful restart repeats nothing and loses nothing', async (t) => {
        const receiver = await receiverOf(t, (delivery, res) => res.writeHead(receiver.deliveries.length > 30 ? 200 : 500).end());
        const own = await serverOf(t);
        const app = await makeApp(own);
        await makeEndpoint(own, app, receiver.url);
        const sent = [];
        for (let i = 0; i < 30; i++) sent.push(await sendMessage(own, app, { i }));
        await own.restart();
        for (let i = 0; i < 200; i++) {
            const list = await Promise.all(sent.map((message) => messageEndpoint(own, app, message)));
            if (list.every(({ status }) => status === SUCCESS)) break;
            await own.advance(61 * SECOND);
        }
        const counts = await Promise.all(sent.map(async (message) => (await attemptsOf(own, app, message)).length));
        assert.equal(counts.reduce((a, b) => a + b, 0), receiver.deliveries.length, 'each request is an attempt that is on record');
        assert.equal(receiver.ids.size, 30);
    });
});

describe('nodes', { skip: !isPostgres && 'about a shared database' }, () => {
    test('the steward sends what another node has accepted, and another goes on when it is gone', async (t) => {
        const env = { FOYER_HOOKS_KEY: '5a'.repeat(32) };
        const receiver = await receiverOf(t);
        const first = await serverOf(t, { env });
        const second = await serverOf(t, { env, store: storeOf(first.dir) });
        const app = await makeApp(second);
        await makeEndpoint(second, app, receiver.url);
        const sent = [];
        for (let i = 0; i < 20; i++) sent.push(await sendMessage(i % 2 ? first : second, app, { i }));
        await receiver.count(20);
        await first.kill9();
        for (let i = 0; i < 20; i++) sent.push(await sendMessage(second, app, { i }));
        await until(() => receiver.ids.size === 40, { what: 'the others' });
        assert.deepEqual(receiver.ids, new Set(sent.map(({ id }) => id)));
    });
});
