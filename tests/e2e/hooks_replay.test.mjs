/* H5, H7, P4: many deliveries are sent again by a job that survives, can be looked at and cancelled, and never stands before live traffic. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Receiver, attemptsOf, makeApp, makeEndpoint, messageEndpoint, sendMessage, startHooks } from './lib/receivers.mjs';
import { DAY } from './lib/seed.mjs';
import { isPostgres, storeOf } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const SUCCESS = 0;
const FAIL = 2;
const MANUAL = 1; /* triggerType */
const WAITING_MAX = 64; /* REPLAY_WAITING_MAX: no more of a job is under way at one endpoint either */
const HOUR = 3600 * 1000;
/* Nothing is tried a second time while a test looks. */
const ONCE_A_DAY = { retrySchedule: [0, 36000] };

const pathOf = (app, rest = '') => `/api/v1/app/${app.id}${rest}`;
const ok = (answer, status) => {
    assert.equal(answer.status, status, answer.text);
    return answer.json;
};
const replay = async (server, app, body = {}) => ok(await server.admin.post(pathOf(app, '/replay'), body), 202);
const progress = async (server, app, { id }) => ok(await server.admin.get(pathOf(app, `/replay/${id}`)), 200);
const cancel = async (server, app, { id }) => ok(await server.admin.delete(pathOf(app, `/replay/${id}`)), 200);
const ended = (server, app, job) =>
    until(async () => {
        const now = await progress(server, app, job);
        return now.state !== 'running' && now;
    }, { what: 'the end of the replay' });
const stats = async (server, app, { id }) => ok(await server.admin.get(pathOf(app, `/endpoint/${id}/stats`)), 200);
const patch = async (server, app, { id }, body) => ok(await server.admin.patch(pathOf(app, `/endpoint/${id}`), body), 200);
const letters = async (server, app, query = '') => ok(await server.admin.get(pathOf(app, `/dead-letter?limit=250${query}`)), 200).data;
/* Those that are there more than once. */
const repeated = (ids) => [...new Set(ids.filter((id, at) => ids.indexOf(id) !== at))];

/* Answers 503 while it is down, and not at all while it holds. */
async function startReceiver() {
    const receiver = await Receiver.start((delivery, res) => {
        if (receiver.holds) return void receiver.held.push(res);
        res.writeHead(receiver.isDown ? 503 : 204).end();
    });
    receiver.isDown = true;
    receiver.held = [];
    receiver.release = () => {
        receiver.holds = false;
        for (const res of receiver.held.splice(0)) res.writeHead(204).end();
    };
    /* Forgets what was tried in vain. */
    receiver.goesUp = () => {
        receiver.isDown = false;
        receiver.deliveries.length = 0;
    };
    return receiver;
}

/* Sends messages that become dead letters because the endpoint is disabled, and enables it. Oldest first. */
async function makeLetters(server, app, endpoint, count, body = {}) {
    const before = (await stats(server, app, endpoint)).fail;
    const sent = [];
    for (let i = 0; i < count; i++) sent.push(await sendMessage(server, app, { i }, body));
    await patch(server, app, endpoint, { disabled: true });
    await until(async () => (await stats(server, app, endpoint)).fail === before + count, { what: `${count} dead letters` });
    await patch(server, app, endpoint, { disabled: false });
    return sent;
}

/* Of all messages: how often each was sent again, by the table of attempts. */
async function replayedTwice(server) {
    const tables = Array.from({ length: 33 }, (_, i) => `attempt_${String(i).padStart(2, '0')}`);
    const rows = await server.sql(tables.map((table) => `SELECT message_id, endpoint_id, count(*) FROM ${table} WHERE trigger_type = ${MANUAL} GROUP BY message_id, endpoint_id HAVING count(*) > 1`).join(' UNION ALL '), 'hooks');
    return rows.length;
}
const links = async (server) => Number((await server.sql('SELECT count(*) FROM replay_delivery', 'hooks'))[0][0]);

describe('a replay', () => {
    let server;
    let receiver;
    before(async () => {
        server = await startHooks({ contract: true });
    });
    after(() => server.stop());

    /* An application with one endpoint and its dead letters. */
    async function world(count, more = {}) {
        receiver?.stop();
        receiver = await startReceiver();
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url, { ...ONCE_A_DAY, ...more });
        const sent = await makeLetters(server, app, endpoint, count);
        receiver.goesUp();
        return { app, endpoint, sent };
    }

    test('counts in a preview and starts nothing', async () => {
        const { app, endpoint } = await world(7);
        const seen = await replay(server, app, { preview: true });
        assert.deepEqual([seen.id, seen.state, seen.total, seen.queued, seen.kind], [null, 'preview', 7, 0, 'dead']);
        assert.ok(Number.isInteger(seen.eta_seconds) && seen.eta_seconds > 0);
        assert.equal((await replay(server, app, { preview: true, event_types: ['other'] })).total, 0);
        assert.equal((await replay(server, app, { preview: true, event_types: ['other', 'test.event'] })).total, 7);
        assert.equal((await replay(server, app, { preview: true, endpoint: endpoint.id })).endpoint, endpoint.id);
        assert.equal((await replay(server, app, { preview: true, until: '2025-01-01T00:00:00Z' })).total, 0);
        assert.deepEqual(ok(await server.admin.get(pathOf(app, '/replay')), 200).data, []);
        assert.equal((await stats(server, app, endpoint)).fail, 7);
        assert.equal(receiver.deliveries.length, 0);
    });

    test('delivers all, the oldest first, says how far it is, and leaves nothing behind', async () => {
        const count = 3 * WAITING_MAX + 5;
        const { app, endpoint, sent } = await world(count);
        const job = await replay(server, app);
        assert.deepEqual([job.state, job.total, job.failed], ['running', count, 0]);
        assert.match(job.id, /^rpl_/);
        let last = 0;
        const end = await until(async () => {
            const now = await progress(server, app, job);
            assert.equal(now.total, count);
            assert.ok(now.done >= last && now.queued >= now.done && now.queued - now.done <= WAITING_MAX, JSON.stringify(now));
            last = now.done;
            return now.state !== 'running' && now;
        }, { what: 'the end' });
        assert.deepEqual([end.state, end.done, end.failed, end.queued, end.skipped, end.eta_seconds], ['done', count, 0, count, 0, 0]);
        assert.ok(end.ended_at);
        const order = receiver.deliveries.map(({ id }) => id);
        assert.equal(order.length, count);
        /* None before all but the last of those that went before it; one whose answer is slow may come as late as it likes. */
        for (const [i, { id }] of sent.entries()) assert.ok(order.indexOf(id) >= i - WAITING_MAX, `message ${i} came as number ${order.indexOf(id)}`);
        assert.deepEqual(await letters(server, app), []);
        assert.equal((await stats(server, app, endpoint)).success, count);
        assert.equal(await links(server), 0);
        assert.deepEqual(ok(await server.admin.get(pathOf(app, '/replay')), 200).data, [end]);
        assert.equal((await cancel(server, app, job)).state, 'done', 'nothing to cancel any more');
    });

    test('takes the types, times and endpoints it was told', async () => {
        const { app, endpoint, sent } = await world(4);
        const other = await makeEndpoint(server, app, `${receiver.url}/other`, ONCE_A_DAY);
        receiver.isDown = true;
        const more = await makeLetters(server, app, endpoint, 3, { eventType: 'invoice.paid' });
        await until(async () => (await stats(server, app, other)).pending === 3, { what: 'the other endpoint' });
        receiver.goesUp();
        const since = more[0].timestamp;
        assert.equal((await replay(server, app, { preview: true, since })).total, 3);
        assert.equal((await replay(server, app, { preview: true, until: since })).total, 4);
        const typed = await replay(server, app, { event_types: ['invoice.paid'] });
        assert.equal((await ended(server, app, typed)).done, 3);
        assert.deepEqual(new Set(receiver.deliveries.map(({ id }) => id)), new Set(more.map(({ id }) => id)));
        const rest = await replay(server, app, { endpoint: endpoint.id, until: since });
        assert.equal((await ended(server, app, rest)).done, 4);
        assert.ok(sent.every(({ id }) => receiver.ids.has(id)));
        assert.equal((await stats(server, app, other)).pending, 3, 'what waits is nobody’s business');
        const all = ok(await server.admin.get(pathOf(app, '/replay?limit=1')), 200);
        assert.deepEqual([all.data.map(({ id }) => id), all.done], [[rest.id], false]);
        assert.deepEqual(ok(await server.admin.get(pathOf(app, `/replay?limit=1&iterator=${all.iterator}`)), 200).data.map(({ id }) => id), [typed.id]);
    });

    test('sends what was delivered, too, when it is told to', async () => {
        const { app, sent } = await world(3);
        await ended(server, app, await replay(server, app));
        assert.equal((await replay(server, app)).state, 'done', 'there is no dead letter left');
        const again = await ended(server, app, await replay(server, app, { dead_only: false }));
        assert.deepEqual([again.kind, again.done], ['all', 3]);
        assert.deepEqual(repeated(receiver.deliveries.map(({ id }) => id)).sort(), sent.map(({ id }) => id).sort(), 'twice is seen as twice');
    });

    test('asked for twice is one, and two over the same letters queue none twice', async () => {
        const { app, endpoint, sent } = await world(150, { throttleRate: 200 });
        const [first, second] = await Promise.all([replay(server, app), replay(server, app)]);
        assert.equal(first.id, second.id);
        const other = await replay(server, app, { endpoint: endpoint.id });
        assert.notEqual(other.id, first.id);
        const [one, two] = [await ended(server, app, first), await ended(server, app, other)];
        assert.equal(one.queued + two.queued, 150, JSON.stringify([one, two]));
        assert.equal(one.done + two.done, 150);
        assert.deepEqual(receiver.deliveries.map(({ id }) => id).sort(), sent.map(({ id }) => id).sort());
    });

    test('cancelled, stops at once and gives back what it has not begun', async () => {
        const count = 200;
        const { app, endpoint, sent } = await world(count, { throttleRate: 10 });
        const job = await replay(server, app);
        await receiver.count(10);
        const at = await cancel(server, app, job);
        assert.equal(at.state, 'cancelled');
        assert.equal((await cancel(server, app, job)).state, 'cancelled', 'once more changes nothing');
        /* What was under way has its end; then nothing comes any more. */
        await until(async () => {
            const { success, fail, pending } = await stats(server, app, endpoint);
            assert.equal(pending, 0, 'none of them waits');
            return success === receiver.deliveries.length && success + fail === count;
        }, { what: 'what was under way' });
        const taken = receiver.deliveries.length;
        assert.ok(taken >= 10 && taken < count, String(taken));
        assert.ok(taken - at.done <= WAITING_MAX, `${taken} came, ${at.done} had been counted`);
        await patch(server, app, endpoint, { throttleRate: null });
        const dead = await letters(server, app);
        assert.equal(dead.length, count - taken);
        assert.ok(dead.every(({ status, attempts }) => status === FAIL && attempts <= 1));
        assert.equal(await links(server), 0);
        const rest = await ended(server, app, await replay(server, app));
        assert.deepEqual([rest.done, rest.total], [count - taken, count - taken]);
        assert.deepEqual(receiver.deliveries.map(({ id }) => id).sort(), sent.map(({ id }) => id).sort(), 'each came once');
    });

    test('cancelled, leaves what was delivered before as delivered', async () => {
        const { app, endpoint } = await world(100);
        await ended(server, app, await replay(server, app));
        await patch(server, app, endpoint, { throttleRate: 20 });
        const job = await replay(server, app, { dead_only: false });
        await receiver.count(103);
        await cancel(server, app, job);
        await until(async () => (await stats(server, app, endpoint)).success === 100, { what: 'all to be what they were' });
        assert.deepEqual(await letters(server, app), []);
    });

    test('goes below live traffic: what comes later goes out first', async () => {
        const { app } = await world(100);
        receiver.holds = true;
        await replay(server, app);
        await receiver.count(1);
        const live = await sendMessage(server, app, { live: true });
        const letOne = setInterval(() => receiver.held.shift()?.writeHead(204).end(), 100);
        await receiver.delivery(({ id }) => id === live.id);
        clearInterval(letOne);
        const before = receiver.deliveries.findIndex(({ id }) => id === live.id);
        assert.ok(before <= WAITING_MAX / 2, `${before} of 100 went before it`);
        receiver.release();
        await receiver.count(101);
    });

    test('what fails is retried by the schedule, and counted until it arrives', async () => {
        const { app, sent } = await world(6, { retrySchedule: [0, 600] });
        receiver.isDown = true;
        const job = await replay(server, app);
        const end = await ended(server, app, job);
        assert.deepEqual([end.state, end.done, end.failed], ['done', 0, 6]);
        const { status, nextAttempt } = await messageEndpoint(server, app, sent[0]);
        assert.equal(status, 1);
        assert.ok(Date.parse(nextAttempt) > (await server.now()) + 500000);
        receiver.isDown = false;
        await server.advance(700 * 1000);
        const later = await until(async () => {
            const now = await progress(server, app, job);
            return now.done === 6 && now;
        }, { what: 'the second attempts' });
        assert.deepEqual([later.failed, later.state], [0, 'done']);
        assert.equal(await links(server), 0);
        const attempts = await attemptsOf(server, app, sent[0]);
        assert.deepEqual(attempts.slice(0, 2).map(({ triggerType, status: each }) => [triggerType, each]), [[0, SUCCESS], [MANUAL, FAIL]]);
    });

    test('fails when its endpoint is disabled, and refuses one that is', async () => {
        const { app, endpoint } = await world(100, { throttleRate: 20 });
        const job = await replay(server, app);
        await receiver.count(2);
        await patch(server, app, endpoint, { disabled: true });
        const end = await ended(server, app, job);
        assert.equal(end.state, 'failed');
        await until(async () => (await stats(server, app, endpoint)).pending === 0, { what: 'the end of what waited' });
        await until(async () => (await links(server)) === 0, { what: 'the end of what it had queued' });
        assert.equal((await server.admin.post(pathOf(app, '/replay'), { endpoint: endpoint.id })).status, 409);
        assert.equal((await server.admin.post(pathOf(app, `/endpoint/${endpoint.id}/recover`), { since: '2025-01-01T00:00:00Z' })).status, 409);
        assert.equal((await replay(server, app)).total, 0, 'of all, those that take something');
        assert.equal((await server.admin.delete(pathOf(app, `/endpoint/${endpoint.id}`))).status, 204);
        assert.equal((await progress(server, app, job)).state, 'failed');
    });

    test('says by field what is wrong', async () => {
        const { app, endpoint } = await world(1);
        const at = '2025-01-01T00:00:00Z';
        for (const [body, field] of [
            [{ endpoint: 'nothing' }, 'endpoint'],
            [{ endpoint: 7 }, 'endpoint'],
            [{ since: 'yesterday' }, 'since'],
            [{ since: at, until: at }, 'until'],
            [{ event_types: 'a' }, 'event_types'],
            [{ event_types: ['a b'] }, 'event_types'],
            [{ dead_only: 1 }, 'dead_only'],
            [{ preview: 'yes' }, 'preview'],
        ]) {
            const { detail } = ok(await server.admin.post(pathOf(app, '/replay'), body), 422);
            assert.deepEqual(detail[0].loc, ['body', field], JSON.stringify(body));
        }
        for (const name of ['recover', 'replay-missing']) {
            const path = pathOf(app, `/endpoint/${endpoint.id}/${name}`);
            assert.deepEqual(ok(await server.admin.post(path, {}), 422).detail[0].loc, ['body', 'since']);
            assert.deepEqual(ok(await server.admin.post(path, { since: at, until: 'x' }), 422).detail[0].loc, ['body', 'until']);
            assert.equal((await server.admin.post(pathOf(app, `/endpoint/nothing/${name}`), { since: at })).status, 404);
        }
        assert.equal((await server.admin.call('POST', pathOf(app, '/replay'), '{')).status, 400);
        for (const id of ['nothing', 'rpl_00000000000000000000000000', app.id]) {
            assert.equal((await server.admin.get(pathOf(app, `/replay/${id}`))).status, 404);
            assert.equal((await server.admin.delete(pathOf(app, `/replay/${id}`))).status, 404);
            assert.equal((await server.admin.post(pathOf(app, `/dead-letter/${id}/replay`))).status, 404);
        }
        assert.equal((await server.admin.get(pathOf(app, '/replay?iterator=x'))).status, 422);
        const stranger = await makeApp(server);
        const job = await replay(server, app);
        assert.equal((await server.admin.get(pathOf(stranger, `/replay/${job.id}`))).status, 404);
        assert.equal((await server.admin.delete(pathOf(stranger, `/replay/${job.id}`))).status, 404);
        await ended(server, app, job);
    });

    test('of one dead letter, by its id', async () => {
        const { app, endpoint, sent } = await world(2);
        const [letter] = await letters(server, app);
        assert.match(letter.id, /^dl_/);
        assert.deepEqual([letter.msgId, letter.endpointId], [sent[1].id, endpoint.id]);
        assert.deepEqual(await letters(server, app, '&event_types=other'), []);
        assert.equal((await letters(server, app, '&event_types=test.event,other')).length, 2);
        assert.equal((await letters(server, app, `&event_types=test.event&endpoint=${endpoint.id}`)).length, 2);
        const stranger = await makeApp(server);
        assert.equal((await server.admin.post(pathOf(stranger, `/dead-letter/${letter.id}/replay`))).status, 404);
        receiver.holds = true;
        assert.deepEqual(ok(await server.admin.post(pathOf(app, `/dead-letter/${letter.id}/replay`)), 202), {});
        ok(await server.admin.post(pathOf(app, `/dead-letter/${letter.id}/replay`)), 202);
        await receiver.count(1);
        receiver.release();
        await until(async () => (await letters(server, app)).length === 1, { what: 'its end' });
        await until(async () => (await stats(server, app, endpoint)).success === 1, { what: 'its success' });
        assert.deepEqual(receiver.deliveries.map(({ id }) => id), [sent[1].id], 'two clicks are one');
        assert.equal((await server.admin.post(pathOf(app, `/dead-letter/${letter.id}/replay`))).status, 409);
        const [other] = await letters(server, app);
        await patch(server, app, endpoint, { disabled: true });
        assert.equal((await server.admin.post(pathOf(app, `/dead-letter/${other.id}/replay`))).status, 409);
    });

    test('of what was never tried takes what the endpoint wants, and nothing else', async () => {
        const { app, endpoint } = await world(1);
        const late = await makeEndpoint(server, app, `${receiver.url}/late`, { ...ONCE_A_DAY, eventTypes: ['test.*'], uid: 'late' });
        const since = '2025-01-01T00:00:00Z';
        await sendMessage(server, app, {}, { eventType: 'other' });
        const both = await sendMessage(server, app, {});
        await receiver.delivery(({ id, url }) => id === both.id && url === '/late');
        await until(async () => (await stats(server, app, late)).success === 1, { what: 'what came live' });
        const task = ok(await server.admin.post(pathOf(app, '/endpoint/late/replay-missing'), { since }), 202);
        assert.equal(task.task, 'endpoint.replay');
        const end = await ended(server, app, task);
        assert.deepEqual([end.kind, end.total, end.done, end.endpoint], ['missing', 1, 1, late.id]);
        assert.equal(receiver.deliveries.filter(({ url }) => url === '/late').length, 2);
        const nothing = ok(await server.admin.post(pathOf(app, '/endpoint/late/replay-missing'), { since }), 202);
        assert.equal(nothing.status, 'finished');
        const recovered = ok(await server.admin.post(pathOf(app, `/endpoint/${endpoint.id}/recover`), { since }), 202);
        assert.equal(recovered.task, 'endpoint.recover');
        assert.equal((await ended(server, app, recovered)).done, 1);
    });

    test('of what was never tried gives it back when it is cancelled', async () => {
        const { app } = await world(60);
        const late = await makeEndpoint(server, app, `${receiver.url}/late`, { ...ONCE_A_DAY, throttleRate: 10 });
        const task = ok(await server.admin.post(pathOf(app, `/endpoint/${late.id}/replay-missing`), { since: '2025-01-01T00:00:00Z' }), 202);
        await receiver.count(2);
        await cancel(server, app, task);
        const came = () => receiver.deliveries.filter(({ url }) => url === '/late').length;
        await until(async () => {
            const { success, pending, fail } = await stats(server, app, late);
            return pending === 0 && fail === 0 && success === came();
        }, { what: 'what was under way' });
        assert.ok(came() < 60);
        assert.equal((await replay(server, app, { endpoint: late.id, preview: true, dead_only: false })).total, came());
    });
});

describe('across a crash', () => {
    for (const kills of [1, 3])
        test(`a replay goes on exactly where it was: ${kills} kills`, async (t) => {
            const count = 400;
            const server = await startHooks();
            const receiver = await startReceiver();
            const app = await makeApp(server);
            const endpoint = await makeEndpoint(server, app, receiver.url, ONCE_A_DAY);
            const sent = await makeLetters(server, app, endpoint, count);
            await patch(server, app, endpoint, { throttleRate: 300 });
            receiver.goesUp();
            const job = await replay(server, app);
            for (let i = 1; i <= kills; i++) {
                await receiver.count(50 * i);
                await server.kill9();
                await server.start();
                const now = await progress(server, app, job);
                assert.ok(now.queued <= count && now.done <= now.queued, JSON.stringify(now));
            }
            const end = await ended(server, app, job);
            assert.deepEqual([end.state, end.queued, end.done, end.failed], ['done', count, count, 0]);
            const ids = receiver.deliveries.map(({ id }) => id);
            assert.deepEqual([...new Set(ids)].sort(), sent.map(({ id }) => id).sort());
            t.diagnostic(`${ids.length - count} came twice`);
            assert.ok(ids.length - count <= kills * WAITING_MAX, 'no more is repeated than was under way');
            assert.equal(await replayedTwice(server), 0, 'none was queued twice');
            assert.equal(await links(server), 0);
            await server.stop();
            receiver.stop();
        });

    /* Ids go on above all that may have been given out before, so for some seconds they are ahead of the clock. */
    test('what came right after the new start counts, too', async () => {
        const server = await startHooks();
        const receiver = await startReceiver();
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url, ONCE_A_DAY);
        await server.kill9();
        await server.start();
        await makeLetters(server, app, endpoint, 5);
        const all = (await letters(server, app)).length;
        assert.equal((await replay(server, app, { preview: true })).total, all);
        const job = await replay(server, app);
        assert.ok(all >= 5 && job.total === all, JSON.stringify(job));
        receiver.goesUp();
        const end = await ended(server, app, job);
        assert.deepEqual([end.queued, end.total], [all, all]);
        await server.stop();
        receiver.stop();
    });

    test('what a cancelled replay had under way is no more after it', async () => {
        const server = await startHooks();
        const receiver = await startReceiver();
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url, ONCE_A_DAY);
        await makeLetters(server, app, endpoint, 100);
        receiver.goesUp();
        receiver.holds = true;
        const job = await replay(server, app);
        await receiver.count(1);
        await cancel(server, app, job);
        await server.kill9();
        await server.start();
        assert.equal((await progress(server, app, job)).state, 'cancelled');
        assert.equal((await stats(server, app, endpoint)).fail, 100, 'all are dead letters again');
        await server.stop();
        receiver.stop();
    });
});

describe('retention', () => {
    const rowsOf = async (server) => {
        const tables = Array.from({ length: 33 }, (_, i) => `SELECT count(*) FROM message_${String(i).padStart(2, '0')}`);
        return (await server.sql(tables.join(' UNION ALL '), 'hooks')).reduce((sum, [count]) => sum + Number(count), 0);
    };

    for (const isReplayed of [true, false])
        test(isReplayed ? 'a day that a running replay reads is not dropped' : 'without one it is', async () => {
            const server = await startHooks({ args: ['--hooks-timeout-ms=60000'] });
            const receiver = await startReceiver();
            const app = await makeApp(server);
            const endpoint = await makeEndpoint(server, app, receiver.url, ONCE_A_DAY);
            const now = await server.now();
            if (DAY - (now % DAY) < 5 * HOUR) await server.advance(6 * HOUR); /* all on one day */
            const count = WAITING_MAX + 20;
            await makeLetters(server, app, endpoint, count);
            receiver.goesUp();
            /* An hour before the end of the last day on which they are shown. */
            const made = await server.now();
            await server.advance(32 * DAY - (made % DAY) - HOUR);
            receiver.holds = true;
            if (isReplayed) {
                const job = await replay(server, app);
                assert.equal(job.total, count);
                await receiver.count(1);
                await server.advance(2 * HOUR);
                assert.equal((await letters(server, app)).length, 0, 'nobody else sees them');
                receiver.release();
                const end = await ended(server, app, job);
                assert.deepEqual([end.state, end.done, end.failed], ['done', count, 0]);
                await server.advance(DAY);
            } else {
                await server.advance(2 * HOUR);
            }
            await until(async () => (await rowsOf(server)) === 0, { what: 'the day to be dropped' });
            await server.stop();
            receiver.stop();
        });
});

describe('nodes', { skip: !isPostgres && 'about a shared database' }, () => {
    test('the steward does what another node was asked for, and another goes on when it is gone', async () => {
        const env = { FOYER_HOOKS_KEY: '5a'.repeat(32) };
        const count = 300;
        const receiver = await startReceiver();
        const first = await startHooks({ env });
        const second = await startHooks({ env, store: storeOf(first.dir) });
        const app = await makeApp(second);
        const endpoint = await makeEndpoint(second, app, receiver.url, ONCE_A_DAY);
        const sent = await makeLetters(second, app, endpoint, count);
        await patch(second, app, endpoint, { throttleRate: 200 });
        receiver.goesUp();
        const [job, same] = await Promise.all([replay(second, app), replay(first, app)]);
        assert.equal(job.id, same.id, 'two nodes, one job');
        await receiver.count(60);
        await first.kill9();
        const end = await ended(second, app, job);
        assert.deepEqual([end.state, end.queued, end.done], ['done', count, count]);
        assert.deepEqual([...receiver.ids].sort(), sent.map(({ id }) => id).sort());
        assert.equal(await replayedTwice(second), 0);
        await second.stop();
        receiver.stop();
    });
});

test('a replay that is cancelled at another node ends at the one that sends, too', { skip: !isPostgres && 'nodes share PostgreSQL' }, async () => {
    const env = { FOYER_HOOKS_KEY: '5a'.repeat(32) };
    const steward = await startHooks({ env });
    const other = await startHooks({ env, store: storeOf(steward.dir) });
    const receiver = await startReceiver();
    const app = await makeApp(steward);
    const endpoint = await makeEndpoint(steward, app, receiver.url, ONCE_A_DAY);
    await makeLetters(steward, app, endpoint, 40);
    receiver.goesUp();
    receiver.holds = true;
    const job = await replay(steward, app);
    await until(() => receiver.held.length > 0, { what: 'one to be under way' });
    assert.equal((await cancel(other, app, job)).state, 'cancelled');
    await new Promise((resolve) => setTimeout(resolve, 1500)); /* longer than what waits in memory is believed */
    const before = receiver.deliveries.length;
    receiver.release();
    await until(async () => (await letters(steward, app)).length <= 40 - before, { what: 'what was under way to arrive' });
    await new Promise((resolve) => setTimeout(resolve, 500)); /* others would come now */
    assert.equal(receiver.deliveries.length, before);
    await other.stop();
    await steward.stop();
    receiver.stop();
});
