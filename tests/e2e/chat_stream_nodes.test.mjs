/* The stream on two nodes of one PostgreSQL, whose clocks differ: what happens at one is heard at the other, and a device may change between them. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { idOf, makeDevice, makeDirect, makeGroup, ok, post, range, Talk, wholeLog } from './lib/chat_talk.mjs';
import { Nodes } from './lib/nodes.mjs';
import { Postgres } from './lib/postgres.mjs';
import { makeUser, PASSWORD } from './lib/seed.mjs';
import { isPostgres } from './lib/store.mjs';

describe('two nodes', { skip: !isPostgres && 'nodes share PostgreSQL' }, () => {
    let cluster, nodes, ada, bob;
    const open = new Set();
    const at = (node, api) => Object.assign(node.as(api.token), { user: api.user, email: api.email });
    const begin = async (node, api, hello) => {
        const talk = await Talk.begin(node, api, hello);
        open.add(talk);
        return talk;
    };
    before(async () => {
        cluster = await Postgres.start({ fsync: false });
        nodes = await Nodes.start(cluster, { args: ['--services=tickets,chat'] });
        [ada, bob] = [await makeUser(nodes.a), await makeUser(nodes.a)];
    });
    test.afterEach(() => {
        for (const talk of open) talk.end();
        open.clear();
    });
    after(async () => {
        await nodes.stop().finally(() => nodes.end());
        await cluster.kill();
    });

    test('everybody hears everything in one order, wherever it was sent', async () => {
        const chatId = await makeGroup(ada, [bob]);
        const talks = await Promise.all([[nodes.a, ada], [nodes.b, ada], [nodes.a, bob], [nodes.b, bob]].map(([node, api]) => begin(node, api)));
        await Promise.all(range(1, 200).map((i) => (i % 2 ? talks[i % 4].send(chatId, `s${i}`) : post(at(nodes.all[(i >> 1) % 2], [ada, bob][i % 3 % 2]), chatId, `h${i}`))));
        const log = await wholeLog(ada, chatId);
        assert.equal(log.length, 201);
        for (const talk of talks) {
            await talk.message(chatId, ({ seq }) => seq === 201);
            assert.deepEqual(talk.messages(chatId).map(({ t, ...entry }) => (assert.equal(t, 'message'), entry)), log);
        }
    });

    test('a device goes on at the other node, and its retry is the same message there', async () => {
        const chatId = await makeGroup(ada, [bob]);
        const deviceId = await makeDevice(bob);
        let talk = await begin(nodes.a, bob, { device_id: deviceId });
        const seen = [];
        for (let i = 0; i < 10; i++) {
            const client = { client_id: `c${i}` };
            const sent = await talk.send(chatId, `m${i}`, { id: 2 * i, ...client });
            await post(at(nodes.all[i % 2], ada), chatId, `n${i}`);
            talk.end();
            seen.push(...talk.seqs(chatId));
            talk = await begin(nodes.all[(i + 1) % 2], bob, { device_id: deviceId, cursors: { [chatId]: [1, seen.at(-1)] } });
            const again = await talk.send(chatId, `m${i}`, { id: 2 * i + 1, ...client });
            assert.deepEqual([again.seq, again.message_id, again.repeated], [sent.seq, sent.message_id, true]);
        }
        await talk.message(chatId, ({ seq }) => seq === 21).catch(() => null);
        seen.push(...talk.seqs(chatId));
        assert.deepEqual(seen, range(1, 21));
    });

    test('receipts, and chats that come and go, are heard at the other node', async () => {
        const me = await makeUser(nodes.a);
        const talk = await begin(nodes.b, me);
        const chatId = await makeGroup(ada, [me]);
        await talk.message(chatId);
        ok(await ada.post(`/v1/chats/${chatId}/receipts`, { read_seq: 1 }), 200);
        await talk.one('receipt', ({ chat_id, user_id, read_seq }) => chat_id === chatId && user_id === idOf(ada) && read_seq === 1);
        const direct = await makeDirect(me, ada);
        await post(ada, direct, 'hello');
        assert.equal((await talk.message(direct)).body, 'hello');
        assert.equal((await ada.delete(`/v1/chats/${chatId}/members/${idOf(me)}`)).status, 204);
        await talk.one('left', ({ chat_id }) => chat_id === chatId);
        await post(ada, chatId, 'not for you');
        await post(ada, direct, 'for you');
        await talk.message(direct, ({ body }) => body === 'for you');
        assert.deepEqual(talk.seqs(chatId), [1]);
    });

    test('typing and presence', async () => {
        const [x, y] = [await makeUser(nodes.a), await makeUser(nodes.a)];
        const chatId = await makeDirect(x, y);
        const a = await begin(nodes.a, x);
        a.say({ t: 'watch', user_ids: [idOf(y)] });
        assert.equal((await a.one('presence')).online, false);
        const b = await begin(nodes.b, y);
        await a.one('presence', ({ online }) => online);
        b.say({ t: 'typing', chat_id: chatId });
        assert.deepEqual(await a.one('typing'), { t: 'typing', chat_id: chatId, user_id: idOf(y) });
        b.end();
        await a.one('presence', ({ online }, i) => !online && i !== 0 && a.of('presence').length >= 3);
    });

    test('a node that stops loses nothing', async () => {
        const chatId = await makeGroup(ada, [bob]);
        const there = await begin(nodes.a, bob);
        const other = await begin(nodes.b, ada);
        let id = 0;
        let isOver = false;
        const sending = (async () => {
            while (!isOver) await other.send(chatId, `m${id}`, { id: ++id, client_id: `c${id}` });
        })();
        await there.message(chatId, ({ seq }) => seq > 20);
        await nodes.a.stop();
        assert.deepEqual(await there.closed(), { code: 1001, reason: 'stop' });
        const seen = there.seqs(chatId);
        const { token } = ok(await nodes.b.anonymous.post('/v1/sessions', { email: bob.email, password: PASSWORD }), 201);
        const next = await begin(nodes.b, { token }, { cursors: { [chatId]: [1, seen.at(-1)] } });
        await next.message(chatId, ({ seq }) => seq > seen.at(-1) + 20);
        isOver = true;
        await sending;
        seen.push(...next.seqs(chatId));
        assert.deepEqual(seen, range(1, seen.length));
        await nodes.a.start();
    });
});
