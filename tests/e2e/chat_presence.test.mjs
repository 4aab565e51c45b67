/* C7: who types, who is online, who is told, across nodes, too; and that blocks and rates hold. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { makeManyUsers } from './lib/seed.mjs';
import { ChatStream } from './lib/chat_stream.mjs';
import { isPostgres, storeOf } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const QUIET = ['--services=chat', '--abuse=off'];
const GRACE_MS = 3000; /* PRESENCE_GRACE_MS */
const TRUST_MS = 30000; /* PRESENCE_TRUST_MS */
const AGAIN_MS = 20000; /* PRESENCE_AGAIN_MS */
const WRITE_MS = 180000; /* PRESENCE_WRITE_MS */
const LOST_MS = 10000; /* EPHEMERA_LOST_MS */

let server;
before(async () => {
    server = await Foyer.start({ args: QUIET });
});
after(() => server.stop());

const ok = (answer, status) => {
    assert.equal(answer.status, status, answer.text);
    return answer.json;
};
const idOf = (api) => api.user.id;
const group = async (owner, others = []) => ok(await owner.post('/v1/chats', { type: 'group', title: 'x', member_ids: others.map(idOf) }), 201);
const direct = async (a, b) => ok(await a.post('/v1/chats', { type: 'direct', user_id: idOf(b) }), 201);
const users = (count, node = server) => makeManyUsers(node, count);

/* Open and live; gone with the test. */
async function live(t, api, node = server) {
    const stream = await ChatStream.hello(node, api);
    t.after(() => stream.end());
    await stream.next('live');
    return stream;
}

const presence = (stream, api, online) => stream.next(({ t, user_id, online: is }) => t === 'presence' && user_id === idOf(api) && is === online, { what: `${online ? 'online' : 'offline'}` });
/* What was said before has been heard by the server, and what it said to that has come. */
async function settled(stream) {
    stream.say({ t: 'ping' });
    await stream.next('pong');
}
/* Watches until it is told: rows of a user who is new may not be there yet for another node. */
async function watch(stream, api, online) {
    stream.say({ t: 'watch', user_ids: [idOf(api)] });
    return presence(stream, api, online);
}

describe('typing', () => {
    test('comes to the others of the chat, and to nobody else', async (t) => {
        const [x, y, z, stranger] = await users(4);
        const chat = await group(x, [y, z]);
        await group(stranger, [y]);
        const [sx, sy, sz, other] = [await live(t, x), await live(t, y), await live(t, z), await live(t, stranger)];
        sx.say({ t: 'typing', chat_id: chat.id });
        for (const stream of [sy, sz]) assert.deepEqual(await stream.next('typing'), { t: 'typing', chat_id: chat.id, user_id: idOf(x) });
        for (const stream of [sx, other]) {
            await settled(stream);
            assert.equal(stream.of('typing').length, 0);
        }
    });

    test('in chats of others is an error, and so is what is no id', async (t) => {
        const [x, y] = await users(2);
        const chat = await group(x);
        const stream = await live(t, y);
        for (const [message, status] of [[{ chat_id: chat.id }, 404], [{ chat_id: 'x' }, 422], [{}, 422], [{ chat_id: chat.id, more: 1 }, 422]]) {
            stream.say({ t: 'typing', ...message });
            assert.equal((await stream.next('error')).problem.status, status);
        }
    });

    test('is not shown while one of two has blocked the other', async (t) => {
        const [x, y] = await users(2);
        const chat = await direct(x, y);
        const barriers = [await group(x, [y]), await group(x, [y])];
        const [sx, sy] = [await live(t, x), await live(t, y)];
        const types = (stream, { id }) => stream.say({ t: 'typing', chat_id: id });
        const hears = (stream, { id }) => stream.next(({ t: kind, chat_id }) => kind === 'typing' && chat_id === id);
        types(sx, chat);
        await hears(sy, chat); /* known as open from here on */
        ok(await y.put(`/v1/blocks/${idOf(x)}`), 204);
        for (const [i, [from, to]] of [[sx, sy], [sy, sx]].entries()) {
            types(from, chat);
            types(from, barriers[i]); /* looked up behind the other one */
            await hears(to, barriers[i]);
        }
        ok(await y.delete(`/v1/blocks/${idOf(x)}`), 204);
        assert.deepEqual([sx, sy].map((stream) => stream.of('typing', chat.id).length), [0, 1]);
        types(sy, chat);
        await hears(sx, chat);
    });

    test('more than a few chats at a time are not told', async (t) => {
        const [x, y] = await users(2);
        const chats = [];
        for (let i = 0; i < 8; i++) chats.push(await group(x, [y]));
        const [sx, sy] = [await live(t, x), await live(t, y)];
        const begun = performance.now();
        for (let i = 0; i < 30; i++) for (const { id } of chats) sx.say({ t: 'typing', chat_id: id });
        await settled(sx);
        const windows = 1 + Math.ceil((performance.now() - begun) / 3000);
        await sy.next('typing');
        await settled(sy);
        assert.ok(sy.of('typing').length <= 5 * windows, `${sy.of('typing').length} in ${windows} times 3 seconds`);
        assert.equal(sx.of('error').length, 0, 'no mistake: it is shed');
    });

    test('a member who was removed is not told', async (t) => {
        const [x, y, z] = await users(3);
        const chat = await group(x, [y, z]);
        const [sx, sy, sz] = [await live(t, x), await live(t, y), await live(t, z)];
        ok(await x.delete(`/v1/chats/${chat.id}/members/${idOf(y)}`), 204);
        await sy.next('left');
        sx.say({ t: 'typing', chat_id: chat.id });
        await sz.next('typing');
        await settled(sy);
        assert.equal(sy.of('typing').length, 0);
    });
});

describe('presence', () => {
    test('a watcher is told the state, and when it changes', async (t) => {
        const [x, y] = await users(2);
        await group(x, [y]);
        const sx = await live(t, x);
        assert.deepEqual(await watch(sx, y, false), { t: 'presence', user_id: idOf(y), online: false, last_seen_at: null });
        const sy = await live(t, y);
        assert.deepEqual(await presence(sx, y, true), { t: 'presence', user_id: idOf(y), online: true, last_seen_at: null });
        const second = await live(t, y);
        const before = await server.now();
        sy.end();
        second.end();
        const left = await presence(sx, y, false);
        assert.ok(Math.abs(Date.parse(left.last_seen_at) - before) < 30000, left.last_seen_at);
        assert.equal(sx.of('presence').length, 3);
    });

    test('who connects anew was never away', async (t) => {
        const [x, y] = await users(2);
        await group(x, [y]);
        const sx = await live(t, x);
        let sy = await live(t, y);
        await watch(sx, y, true);
        for (let i = 0; i < 5; i++) {
            /* The new one first: how long it takes is not for a test to say. */
            const next = await live(t, y);
            sy.end();
            sy = next;
        }
        /* And one that is away for a moment, unless this machine makes a long one of it. */
        const begun = performance.now();
        sy.end();
        sy = await live(t, y);
        if (performance.now() - begun > GRACE_MS / 2) return; /* it was away */
        await server.advance(2 * GRACE_MS);
        const [z] = await users(1);
        await group(x, [z]);
        await watch(sx, z, false); /* whatever was to be told before has been, or will not be */
        assert.deepEqual(sx.of('presence').filter(({ user_id }) => user_id === idOf(y)).map(({ online }) => online), [true]);
    });

    test('strangers, oneself and people with a block between are passed over', async (t) => {
        const [x, y, z, stranger] = await users(4);
        await group(x, [y, z]);
        ok(await z.put(`/v1/blocks/${idOf(x)}`), 204);
        const sx = await live(t, x);
        const sz = await live(t, z);
        sx.say({ t: 'watch', user_ids: [idOf(stranger), idOf(x), idOf(z), idOf(y), idOf(y)] });
        sz.say({ t: 'watch', user_ids: [idOf(x), idOf(y)] });
        await presence(sx, y, false);
        await presence(sz, y, false);
        await live(t, stranger);
        await live(t, y);
        await presence(sx, y, true);
        assert.deepEqual([...new Set(sx.of('presence').map(({ user_id }) => user_id))], [idOf(y)]);
        assert.deepEqual([...new Set(sz.of('presence').map(({ user_id }) => user_id))], [idOf(y)]);
    });

    test('a block ends it: who was shown is shown as gone, and not told of again', async (t) => {
        const [x, y, z] = await users(3);
        await group(x, [y, z]);
        const [sx, sz] = [await live(t, x), await live(t, z)];
        const sy = await live(t, y);
        await watch(sx, y, true);
        await watch(sz, y, true);
        ok(await x.put(`/v1/blocks/${idOf(y)}`), 204);
        assert.equal((await presence(sx, y, false)).last_seen_at, null);
        sy.end();
        await until(async () => {
            await server.advance(GRACE_MS);
            return sz.of('presence').length === 2;
        }, { what: 'the others to be told' });
        await live(t, y);
        await presence(sz, y, true);
        await settled(sx);
        assert.equal(sx.of('presence').length, 2);
    });

    test('who has left the last chat they shared is not told for long', async (t) => {
        const [x, y, z] = await users(3);
        const chat = await group(x, [y, z]);
        const [sy, sz] = [await live(t, y), await live(t, z)];
        await watch(sy, x, false);
        await watch(sz, x, false);
        ok(await y.delete(`/v1/chats/${chat.id}/members/${idOf(y)}`), 204);
        await server.advance(TRUST_MS);
        const sx = await live(t, x);
        await presence(sz, x, true);
        await settled(sy);
        assert.equal(sy.of('presence').filter(({ online }) => online).length, 0);
        sx.end();
    });

    test('another watch takes the place of the first; 100 are the most, ten in ten seconds', async (t) => {
        const [x, y, z] = await users(3);
        await group(x, [y, z]);
        const sx = await live(t, x);
        await watch(sx, y, false);
        await watch(sx, z, false);
        await live(t, y);
        await live(t, z);
        await presence(sx, z, true);
        assert.equal(sx.of('presence').filter(({ user_id }) => user_id === idOf(y)).length, 1);
        for (const [user_ids, status] of [[Array(101).fill(idOf(y)), 422], [['x'], 422], [[5], 422], ['x', 422], [undefined, 422]]) {
            sx.say({ t: 'watch', user_ids });
            assert.equal((await sx.next('error')).problem.status, status);
        }
        for (let i = 0; i < 11; i++) sx.say({ t: 'watch', user_ids: [] });
        const { problem } = await sx.next('error');
        assert.equal(problem.status, 429);
        assert.ok(problem.retry_after_s >= 1);
    });

    test('when somebody was seen last is kept over a restart, and written seldom', async (t) => {
        const own = await Foyer.start({ args: QUIET });
        t.after(() => own.stop());
        const [x, y] = await users(2, own);
        await group(x, [y]);
        let sx = await live(t, x, own);
        await watch(sx, y, false);
        const sy = await live(t, y, own);
        await presence(sx, y, true);
        for (let i = 0; i < 5; i++) (await live(t, y, own)).end();
        sy.end();
        const left = await presence(sx, y, false);
        const rows = async () => (await own.sql('SELECT user_id, at FROM last_seen', 'chat')).length;
        await until(async () => {
            await own.advance(AGAIN_MS);
            return (await rows()) === 2;
        }, { what: 'rows' });
        assert.equal(await own.metric('foyer_chat_last_seen_written_total'), 2);
        await own.advance(WRITE_MS);
        await own.restart();
        sx = await live(t, x, own);
        const { last_seen_at } = await watch(sx, y, false);
        assert.ok(Date.parse(last_seen_at) >= Date.parse(left.last_seen_at) - 30000, last_seen_at);
    });
});

describe('nodes', { skip: !isPostgres && 'about a shared database' }, () => {
    let first;
    let second;
    before(async () => {
        first = await Foyer.start({ args: QUIET });
        second = await Foyer.start({ args: QUIET, store: storeOf(first.dir) });
    });
    after(async () => {
        await first.stop();
        await second.stop();
    });

    test('typing crosses, and stops at a block', async (t) => {
        const [x, y] = await users(2, first);
        const chat = await direct(x, y);
        const [sx, sy] = [await live(t, x, first), await live(t, second.as(y.token), second)];
        const type = () => until(() => {
            sx.say({ t: 'typing', chat_id: chat.id }); /* more of them than told are shed */
            return sy.of('typing').length > 0;
        }, { every: 200, what: 'typing' });
        await type();
        const other = await group(x, [y]);
        ok(await second.as(y.token).put(`/v1/blocks/${idOf(x)}`), 204);
        /* The first node hears of it soon; what it says after that is nothing. */
        await until(() => {
            const count = sy.of('typing', chat.id).length;
            sx.say({ t: 'typing', chat_id: chat.id });
            return new Promise((resolve) => setTimeout(() => resolve(sy.of('typing', chat.id).length === count), 4000));
        }, { what: 'silence' });
        await sy.next(({ t: kind, chat_id }) => kind === 'message' && chat_id === other.id);
        await until(() => {
            sx.say({ t: 'typing', chat_id: other.id });
            return sy.of('typing', other.id).length > 0;
        }, { every: 1000, what: 'typing in the other chat' });
    });

    test('who is at one node is seen at the other; a node that is killed takes its people along', async (t) => {
        const third = await Foyer.start({ args: QUIET, store: storeOf(first.dir) });
        const [x, y] = await users(2, first);
        await group(x, [y]);
        const sx = await live(t, x, first);
        const at = third.as(y.token);
        at.user = y.user;
        await watch(sx, y, false);
        await live(t, at, third);
        await presence(sx, y, true);
        await third.kill9();
        const killed = performance.now();
        await presence(sx, y, false);
        assert.ok(performance.now() - killed >= LOST_MS - 3000, 'it might have been slow only');
    });

    test('a node that stops says so: nobody waits for its silence', async (t) => {
        const third = await Foyer.start({ args: QUIET, store: storeOf(first.dir) });
        const [x, y] = await users(2, first);
        await group(x, [y]);
        const sx = await live(t, x, first);
        await live(t, Object.assign(third.as(y.token), { user: y.user }), third);
        await watch(sx, y, true);
        await third.stop();
        await presence(sx, y, false);
        await until(async () => (await first.metric('foyer_chat_ephemera_nodes')) === 1, { what: 'it to be forgotten' });
    });

    test('a node that comes later knows who is there', async (t) => {
        const [x, y] = await users(2, first);
        await group(x, [y]);
        await live(t, y, first);
        const third = await Foyer.start({ args: QUIET, store: storeOf(first.dir) });
        t.after(() => third.stop());
        const sx = await live(t, Object.assign(third.as(x.token), { user: x.user }), third);
        sx.say({ t: 'watch', user_ids: [idOf(y)] });
        await until(async () => {
            await first.advance(AGAIN_MS);
            return sx.of('presence').some(({ online }) => online);
        }, { every: 200, what: 'it to be said again' });
    });
});
