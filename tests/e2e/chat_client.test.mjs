/*
 * clients/js against the real server: what people and their devices see, with lost connections, stopped servers, sessions that end, and
 * chats that change under them.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { ChatClient, logIn, MemoryStore, Problem } from '../../clients/js/src/index.js';
import { ChaosProxy } from './lib/chaos_proxy.mjs';
import { idOf, makeDirect, makeGroup, ok, post, range, wholeLog } from './lib/chat_talk.mjs';
import { Foyer } from './lib/server.mjs';
import { DAY, makeUser, PASSWORD } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';
import { WebSocketClient } from './lib/websocket.mjs';

const ARGS = ['--services=chat', '--abuse=off'];
const PEOPLE = 3;
const heart = encodeURIComponent('❤️');

let server;
let ada, bob, cleo;
const clients = new Set();
before(async () => {
    server = await Foyer.start({ args: ARGS });
    [ada, bob, cleo] = await Promise.all(range(1, PEOPLE).map((i) => makeUser(server, { name: `Person ${i}` })));
});
after(() => server.stop());
test.afterEach(async () => {
    await Promise.all([...clients].map((client) => client.close()));
    clients.clear();
});

function makeClient(api, options = {}, at = server) {
    const client = new ChatClient({ url: at.url, token: api.token, WebSocket: WebSocketClient, random: () => 0.01, ...options });
    client.heard = [];
    for (const event of ['entry', 'resync', 'left', 'state', 'failed', 'error']) client.on(event, (value) => client.heard.push([event, value]));
    client.of = (event) => client.heard.filter(([name]) => name === event).map(([, value]) => value);
    clients.add(client);
    return client;
}
async function connected(api, options, at) {
    const client = makeClient(api, options, at);
    await client.connect();
    return client;
}
const device = (name) => ({ device: { name, platform: 'test' }, store: new MemoryStore(), history: 'all' });
const bodies = (client, chatId) => client.chats.get(chatId).messages.filter(({ type }) => type === 'text').map(({ body }) => body);
const sees = (client, chatId, body) => until(() => client.chats.get(chatId)?.messages.some((message) => message.body === body), { what: `${body} to be seen` });

describe('what people see', () => {
    test('messages of all, on all of their devices, in one order', async () => {
        const chatId = await makeGroup(ada, [bob, cleo]);
        const devices = [];
        for (const api of [ada, bob, cleo]) for (const name of ['Phone', 'Desk']) devices.push(await connected(api, device(name)));
        const acks = await Promise.all(range(1, 60).map((i) => {
            const client = devices[i % devices.length];
            return client.acknowledged(client.send(chatId, { body: `m${i}` }).clientId);
        }));
        assert.deepEqual(acks.map(({ seq }) => seq).sort((a, b) => a - b), range(2, 61));
        const log = await wholeLog(ada, chatId);
        for (const client of devices) {
            await until(() => client.chats.get(chatId).seq === 61, { what: 'everything' });
            const { messages, pending } = client.chats.get(chatId);
            assert.deepEqual([messages, pending], [log.map((entry) => ({ reactions: [], ...entry })), []]);
        }
        assert.equal(ok(await ada.get('/v1/devices'), 200).data.length, 2);
    });

    test('edits, deletes and reactions, the same to who was there and who comes later', async () => {
        const chatId = await makeGroup(ada, [bob, cleo]);
        const [live, away] = [await connected(ada, device('Phone')), await connected(ada, device('Desk'))];
        const people = [ada, bob, cleo];
        const mine = [];
        for (let i = 0; i < 12; i++) mine.push([people[i % 3], await post(people[i % 3], chatId, `m${i}`)]);
        await until(() => away.chats.get(chatId)?.seq === 13, { what: 'the messages' });
        await away.close();
        for (const [i, [owner, { id }]] of mine.entries()) {
            if (i % 3 === 0) ok(await owner.patch(`/v1/messages/${id}`, { body: `edited ${i}` }), 200);
            for (const [n, api] of people.entries()) if ((i + n) % 2) ok(await api.put(`/v1/messages/${id}/reactions/${heart}`), 200);
            if (i % 4 === 0) ok(await cleo.put(`/v1/messages/${id}/reactions/x`), 200);
            if (i % 2) ok(await bob.delete(`/v1/messages/${id}/reactions/${heart}`), 200);
            if (i % 5 === 0) assert.equal((await owner.delete(`/v1/messages/${id}`)).status, 204);
        }
        await away.connect();
        const page = await connected(ada);
        await page.loadOlder(chatId, 200);
        const late = await connected(ada, device('Tablet'));
        const log = await wholeLog(ada, chatId);
        const shown = log.filter(({ type }) => type === 'text' || type === 'system');
        const bare = ({ id, seq, body, reactions = [], edited_at, deleted_at }) => ({ id, seq, body, reactions: [...reactions].sort((a, b) => (a.emoji < b.emoji ? -1 : 1)), edited: !!edited_at, deleted: !!deleted_at });
        for (const client of [live, away, page, late]) {
            await until(() => client.chats.get(chatId).seq === log.length, { what: 'everything' });
            assert.deepEqual(client.chats.get(chatId).messages.map(bare), shown.map(bare));
        }
        ok(await bob.put(`/v1/messages/${mine[1][1].id}/reactions/late`), 200);
        for (const client of [live, away, page, late])
            await until(() => client.chats.get(chatId).messages.find(({ id }) => id === mine[1][1].id).reactions.some(({ emoji, count }) => emoji === 'late' && count === 1), { what: 'a reaction' });
    });

    test('receipts, unread, typing and presence', async () => {
        const [x, y] = [await makeUser(server), await makeUser(server)];
        const chatId = await makeDirect(x, y);
        const [a, b, desk] = [await connected(x), await connected(y), await connected(y)];
        a.watch([idOf(y)]);
        await until(() => a.presence.get(idOf(y))?.online, { what: 'presence' });
        a.typing(chatId);
        await until(() => b.chats.get(chatId).typing.has(idOf(x)), { what: 'typing' });
        for (const body of ['one', 'two', 'three']) a.send(chatId, { body });
        await sees(b, chatId, 'three');
        await until(() => !b.chats.get(chatId).typing.has(idOf(x)), { what: 'the end of typing' });
        await until(() => a.chats.get(chatId).receipts.get(idOf(y))?.delivered_seq === 3, { what: 'what has arrived' });
        assert.deepEqual([b.chats.get(chatId).unread, a.chats.get(chatId).receipts.get(idOf(y)).read_seq], [3, 0]);
        b.markRead(chatId, 2);
        await until(() => desk.chats.get(chatId).unread === 1, { what: 'the other device to know' });
        await until(() => a.chats.get(chatId).receipts.get(idOf(y)).read_seq === 2, { what: 'what was read' });
        b.markRead(chatId);
        await until(async () => ok(await y.get(`/v1/chats/${chatId}`), 200).unread === 0, { what: 'nothing unread' });
        await Promise.all([b.close(), desk.close()]);
        await until(() => a.presence.get(idOf(y))?.online === false, { what: 'absence' });
    });

    test('chats come, change and go', async () => {
        const [x, y] = [await makeUser(server, { name: 'Xenia' }), await makeUser(server, { name: 'Yves' })];
        const [a, b] = [await connected(x), await connected(y)];
        const { id } = await a.createGroup('Row 1', []);
        await a.addMember(id, idOf(y));
        await until(() => b.chats.get(id)?.info?.members.length === 2, { what: 'the group' });
        assert.deepEqual(b.chats.get(id).info.members.map(({ name }) => name).sort(), ['Xenia', 'Yves']);
        await a.rename(id, 'Row 2');
        await until(() => b.chats.get(id).info.title === 'Row 2', { what: 'the title' });
        await a.addMember(id, idOf(y), 'admin');
        await until(() => b.chats.get(id).info.role === 'admin', { what: 'the role' });
        await b.leave(id);
        await until(() => !b.chats.has(id) && a.chats.get(id).info.members.length === 1, { what: 'the end' });
        assert.deepEqual(b.of('left'), [{ chatId: id }]);
        const direct = await b.createDirect(idOf(x));
        await a.acknowledged(a.send((await a.createDirect(idOf(y))).id, { body: 'hello' }).clientId);
        await Promise.all([a, b].map((client) => sees(client, direct.id, 'hello')));
        await b.block(idOf(x));
        assert.deepEqual((await b.blocks()).data.map(({ user_id }) => user_id), [idOf(x)]);
        const refused = a.send(direct.id, { body: 'hello?' });
        await assert.rejects(a.acknowledged(refused.clientId), (error) => error instanceof Problem && error.status === 403);
        assert.deepEqual(a.chats.get(direct.id).pending.map(({ state }) => state), ['failed']);
        await b.unblock(idOf(x));
        a.retry(refused.clientId);
        await sees(b, direct.id, 'hello?');
        const [message] = b.chats.get(direct.id).messages;
        assert.equal((await b.report(message.id, 'rude')).message_id, message.id);
        assert.deepEqual([(await a.edit(message.id, 'hi')).body, (await b.react(message.id, '👍')).reactions.length, (await b.unreact(message.id, '👍')).reactions.length], ['hi', 1, 0]);
        await a.delete(message.id);
        await until(() => b.chats.get(direct.id).messages[0].deleted_at, { what: 'the delete' });
    });
});

describe('what goes wrong', () => {
    test('without a server messages wait, in order, and a new client sends those of the old one', async () => {
        const own = await Foyer.start({ args: ARGS });
        const proxy = await ChaosProxy.start();
        proxy.targets = [own.url];
        const [x, y] = [await makeUser(own), await makeUser(own)];
        const chatId = await makeDirect(x, y);
        const store = new MemoryStore();
        const options = { ...device('Phone'), store };
        const first = await connected(x, options, proxy);
        const other = await connected(y, device('Desk'), proxy);
        await own.stop();
        await until(() => first.state === 'waiting' || first.state === 'connecting', { what: 'the loss' });
        for (const body of ['a', 'b']) first.send(chatId, { body });
        await first.close();
        const second = makeClient(x, options, proxy);
        void second.connect();
        for (const body of ['c', 'd']) second.send(chatId, { body });
        await own.start();
        proxy.targets = [own.url];
        await until(() => {
            for (const client of [second, other]) client.reconnectNow();
            return other.chats.get(chatId)?.messages.length === 4 && second.chats.get(chatId)?.pending.length === 0;
        }, { what: 'four messages' });
        for (const client of [second, other]) assert.deepEqual(bodies(client, chatId), ['a', 'b', 'c', 'd']);
        await Promise.all([second.close(), other.close()]);
        assert.deepEqual([...store.map.keys()].filter((key) => key.startsWith('out/')), []);
        await own.stop();
        proxy.stop();
    });

    test('an ack that is lost is asked for again, and the message is there once', async () => {
        const chatId = await makeGroup(ada, [bob]);
        let isDeaf = true;
        class Deaf extends WebSocketClient {
            deliver(event) {
                const { t, chat_id, type } = JSON.parse(event.data);
                const isLost = isDeaf && (t === 'ack' || (t === 'message' && chat_id === chatId && type === 'text'));
                if (!isLost) super.deliver(event);
            }
        }
        const sockets = [];
        class Kept extends Deaf {
            constructor(...args) {
                super(...args);
                sockets.push(this);
            }
        }
        const client = await connected(ada, { WebSocket: Kept });
        const { clientId } = client.send(chatId, { body: 'once' });
        const acked = client.acknowledged(clientId);
        await until(async () => (await wholeLog(bob, chatId)).length === 2, { what: 'the message' });
        isDeaf = false;
        sockets[0].destroy();
        assert.equal((await acked).seq, 2);
        await sees(client, chatId, 'once');
        assert.equal((await wholeLog(bob, chatId)).length, 2);
    });

    test('a device that starts again has everything once', async () => {
        const chatId = await makeGroup(ada, [bob]);
        const options = device('Phone');
        const seen = [];
        for (let i = 0; i < 4; i++) {
            await post(ada, chatId, `before ${i}`);
            const client = makeClient(bob, options);
            client.on('entry', ({ chatId: id, entry }) => id === chatId && seen.push(entry.seq));
            await client.connect();
            await post(ada, chatId, `during ${i}`);
            await until(() => seen.at(-1) === 2 * i + 3, { what: 'the news' });
            await client.close();
        }
        assert.deepEqual(seen, range(1, 9));
        assert.equal(ok(await bob.get('/v1/devices'), 200).data.filter(({ name }) => name === 'Phone').length, 2, 'it is registered once; the other is of a test before');
    });

    test('a second client of one device ends the first, which stays ended', async () => {
        const [x] = [await makeUser(server)];
        const options = device('Phone');
        const first = await connected(x, options);
        const second = await connected(x, options);
        await until(() => first.state === 'stopped', { what: 'the end' });
        assert.deepEqual([first.stopReason, second.state], ['replaced', 'live']);
    });

    test('a session that ends stops the client, and the next one goes on', async () => {
        const [x] = [await makeUser(server)];
        const chatId = await makeGroup(x);
        const session = await logIn(x.email, PASSWORD, { url: server.url });
        let { token } = session;
        const client = await connected(x, { ...device('Phone'), token: () => token });
        await client.http.call('DELETE', '/v1/sessions/current');
        await until(() => client.state === 'stopped', { what: 'the end' });
        assert.equal(client.stopReason, 'unauthenticated');
        const { clientId } = client.send(chatId, { body: 'later' });
        await assert.rejects(client.connect(), { reason: 'unauthenticated' });
        token = x.token;
        const acked = client.acknowledged(clientId);
        await client.connect();
        assert.equal((await acked).seq, 2);
    });

    test('after 31 days a device is told what it has missed', async () => {
        const own = await Foyer.start({ args: ARGS });
        const x = await makeUser(own);
        const chatId = await makeGroup(x);
        const options = device('Phone');
        const first = await connected(x, options, own);
        await first.acknowledged(first.send(chatId, { body: 'old' }).clientId);
        await until(() => first.chats.get(chatId)?.seq === 2, { what: 'the message' });
        await first.close();
        await post(x, chatId, 'missed');
        await own.advance(20 * DAY);
        const { token } = await logIn(x.email, PASSWORD, { url: own.url });
        await post(own.as(token), chatId, 'kept');
        await own.advance(12 * DAY);
        const again = await logIn(x.email, PASSWORD, { url: own.url });
        const second = await connected(x, { ...options, token: again.token }, own);
        assert.deepEqual(second.of('resync'), [{ chatId, reason: 'expired', firstSeq: 4, lastSeq: 4 }]);
        assert.deepEqual(second.of('entry').map(({ entry }) => entry.body), ['kept']);
        await second.close();
        await own.stop();
    });
});
