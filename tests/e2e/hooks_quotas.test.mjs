/* Quotas of those who send: refused with 429 before anything is stored, and taken again when there is room. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Receiver, makeApp, makeEndpoint, startHooks } from './lib/receivers.mjs';
import { held, makeUser, sale } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';

const BURST_S = 10; /* QUOTA_BURST_S */
const DAYS = Array.from({ length: 33 }, (_, i) => String(i).padStart(2, '0'));
const ok = (answer, wanted = 200) => {
    assert.equal(answer.status, wanted, answer.text);
    return answer.json;
};
const send = (server, app, body = {}) => server.admin.post(`/api/v1/app/${app.id}/msg`, { eventType: 'test.event', payload: {}, ...body });
const messages = async (server, app) => ok(await server.admin.get(`/api/v1/app/${app.id}/msg?limit=250`)).data;

function assertRefused(answer, word) {
    assert.equal(answer.status, 429, answer.text);
    assert.equal(answer.json.code, 'rate_limited');
    assert.match(answer.json.detail, word);
    const seconds = Number(answer.headers['retry-after']);
    assert.ok(Number.isInteger(seconds) && seconds >= 1, `${seconds}`);
    return seconds;
}

describe('the rate', () => {
    let server;
    before(async () => {
        server = await startHooks({ args: ['--abuse=on', '--hooks-ingest-rate=1'] });
    });
    after(() => server.stop());

    test('a burst is taken, then no more until the time is over', async () => {
        const [app, other] = [await makeApp(server), await makeApp(server)];
        const begun = await server.now();
        const answers = await Promise.all(Array.from({ length: 60 }, () => send(server, app)));
        const seconds = Math.ceil(((await server.now()) - begun) / 1000);
        const taken = answers.filter(({ status }) => status === 202).length;
        assert.ok(taken >= BURST_S && taken <= BURST_S + seconds, `${taken} in ${seconds} s`);
        for (const answer of answers.filter(({ status }) => status !== 202)) assertRefused(answer, /too many messages/);
        assert.equal((await messages(server, app)).length, taken);
        ok(await send(server, other), 202);
        assert.ok((await server.metric('foyer_hooks_messages_refused_total', 'rate')) >= 60 - taken);
        await server.advance(1000);
        ok(await send(server, app), 202);
    });
});

test('control: where caps are off all are taken', async () => {
    const server = await startHooks({ args: ['--hooks-ingest-rate=1', '--hooks-backlog-max=1'] });
    const app = await makeApp(server);
    await makeEndpoint(server, app, 'http://127.0.0.1:1/', { retrySchedule: [0, 36000] });
    for (const answer of await Promise.all(Array.from({ length: 60 }, () => send(server, app)))) ok(answer, 202);
    await server.stop();
});

describe('the backlog', () => {
    const MAX = 5;
    let server, receiver, refuses;
    before(async () => {
        server = await startHooks({ args: ['--abuse=on', `--hooks-backlog-max=${MAX}`] });
        receiver = await Receiver.start((delivery, res) => res.writeHead(refuses ? 500 : 204).end());
    });
    after(async () => {
        await server.stop();
        receiver.stop();
    });
    const LATER = { retrySchedule: [0, 36000] };

    /* What is counted is what waits. */
    async function assertCounted() {
        const both = [...DAYS.map((day) => `SELECT app_id, 1 AS n FROM delivery_${day} WHERE next_at IS NOT NULL`), 'SELECT app_id, -pending AS n FROM application_backlog'];
        /* One statement sees one moment. */
        const differences = await server.sql(`SELECT app_id, sum(n) FROM (${both.join(' UNION ALL ')}) AS w GROUP BY app_id HAVING sum(n) <> 0`, 'hooks');
        assert.deepEqual(differences, []);
    }
    const unended = async () => (await server.sql(`SELECT count(*) FROM (${DAYS.map((day) => `SELECT 1 FROM delivery_${day} WHERE next_at IS NOT NULL`).join(' UNION ALL ')}) AS w`, 'hooks'))[0][0];
    const waiting = async () => Number((await server.sql('SELECT sum(pending) FROM application_backlog', 'hooks'))[0][0] || 0);
    const waits = (count) => until(async () => (await waiting()) === count, { what: `${count} that wait` });

    async function filled(body = {}) {
        refuses = true;
        const app = await makeApp(server, body);
        const endpoint = await makeEndpoint(server, app, receiver.url, LATER);
        for (let n = 0; n < MAX; n++) ok(await send(server, app, { eventId: `e${n}` }), 202);
        return { app, endpoint };
    }

    test('when too much waits nothing is taken, and nothing is stored', async () => {
        const { app, endpoint } = await filled();
        assert.equal(assertRefused(await send(server, app, { eventId: 'more' }), /wait/), 30);
        assertRefused(await server.admin.post(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/send-example`, { eventType: 'x' }), /wait/);
        assert.equal((await messages(server, app)).length, MAX);
        /* What was taken is answered as it was; others are not concerned. */
        assert.equal(ok(await send(server, app, { eventId: 'e0' }), 202).eventId, 'e0');
        ok(await send(server, await makeApp(server)), 202);
        await assertCounted();
        /* Neither a crash nor a start changes that. */
        await server.kill9();
        await server.start();
        assertRefused(await send(server, app), /wait/);
        await assertCounted();
        /* The endpoint ends, and with it what waits. */
        ok(await server.admin.patch(`/api/v1/app/${app.id}/endpoint/${endpoint.id}`, { disabled: true }));
        await waits(0);
        ok(await send(server, app, { eventId: 'more' }), 202);
        await assertCounted();
        ok(await server.admin.delete(`/api/v1/app/${app.id}`), 204);
    });

    test('room comes with each delivery', async () => {
        const { app, endpoint } = await filled();
        const [{ id }] = await messages(server, app);
        refuses = false;
        await until(async () => (await server.admin.get(`/api/v1/app/${app.id}/attempt/msg/${id}`)).json.data.length > 0, { what: 'the first attempt' });
        ok(await server.admin.post(`/api/v1/app/${app.id}/msg/${id}/endpoint/${endpoint.id}/resend`), 202);
        await waits(MAX - 1);
        refuses = true;
        ok(await send(server, app), 202);
        assertRefused(await send(server, app), /wait/);
        await assertCounted();
        ok(await server.admin.delete(`/api/v1/app/${app.id}`), 204);
        await until(async () => (await unended()) === '0', { what: 'what waited to end' });
        await assertCounted();
    });

    test('what has happened is told all the same', async () => {
        const { app } = await filled({ uid: 'tickets' });
        const event = await sale(server);
        await held(await makeUser(server), event.id, ['S1-R1-1']);
        await until(async () => (await messages(server, app)).some(({ eventType }) => eventType === 'booking.held'), { what: 'the message' });
        assertRefused(await send(server, app), /wait/);
        await assertCounted();
    });
});
