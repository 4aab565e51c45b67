/*
 * The server's side of docs/chat-stream.md: hello, catching up, live messages, sending, receipts, membership, the ends. The measure of
 * everything is the ledger of a stream: the seqs of one chat come one by one.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { makeUser, unique } from './lib/seed.mjs';
import { ChatStream } from './lib/chat_stream.mjs';
import { until } from './lib/wait.mjs';

const QUIET = ['--services=chat', '--abuse=off'];

let server;
let ada, bob, cleo;
before(async () => {
    server = await Foyer.start({ args: QUIET });
    [ada, bob, cleo] = [await makeUser(server, { name: 'Ada' }), await makeUser(server, { name: 'Bob' }), await makeUser(server, { name: 'Cleo' })];
});
after(() => server.stop());

const ok = (answer, status) => {
    assert.equal(answer.status, status, answer.text);
    return answer.json;
};
const idOf = (api) => api.user.id;
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const group = async (owner, others = [], title = 'Row 1') =>
    ok(await owner.post('/v1/chats', { type: 'group', title, member_ids: others.map(idOf) }), 201);
const direct = async (a, b) => (await a.post('/v1/chats', { type: 'direct', user_id: idOf(b) })).json;
const sent = async (api, chatId, body, more = {}) => ok(await api.post(`/v1/chats/${chatId}/messages`, { client_id: unique(), body, ...more }), 201);
const seqsOf = (stream, chatId) => stream.of('message', chatId).map(({ seq }) => seq);
const streams = [];
const hello = async (api, options, node = server) => {
    const stream = await ChatStream.hello(node, api, options);
    streams.push(stream);
    return stream;
};
after(() => streams.forEach((stream) => stream.end()));

describe('hello and catching up', () => {
    test('who knows nothing gets all that is theirs, then receipts, then live', async () => {
        const [x, y] = [await makeUser(server), await makeUser(server)];
        const chat = await group(x, [y]);
        for (const body of ['one', 'two', 'three']) await sent(x, chat.id, body);
        const stream = await hello(y);
        assert.equal(stream.ready.user_id, idOf(y));
        assert.deepEqual([stream.ready.epoch, stream.ready.resume.after_ms], [1, 0]);
        assert.ok(stream.ready.resume.jitter_ms >= 2000);
        await stream.next('live');
        assert.deepEqual(stream.heard.map(({ t }) => t), ['ready', 'message', 'message', 'message', 'message', 'receipts', 'live']);
        assert.deepEqual(seqsOf(stream, chat.id), [1, 2, 3, 4]);
        const page = ok(await y.get(`/v1/chats/${chat.id}/messages?after=0`), 200);
        assert.deepEqual(stream.of('message').map(({ t, ...entry }) => entry), page.data, 'as HTTP shows them');
        assert.deepEqual(stream.of('receipts')[0].data.map(({ user_id }) => user_id).sort(), [idOf(x), idOf(y)].sort());
    });

    test('cursors are taken at their word; what cannot be served is said', async () => {
        const [x, y] = [await makeUser(server), await makeUser(server)];
        const chats = [await group(x, [y]), await group(x, [y]), await group(x, [y])];
        for (const { id } of chats) for (const body of ['one', 'two']) await sent(x, id, body);
        const strange = (await group(x)).id;
        const stream = await hello(y, { cursors: { [chats[0].id]: [1, 2], [chats[1].id]: [7, 2], [chats[2].id]: [1, 3], [strange]: [1, 1] } });
        await stream.next('live');
        assert.deepEqual(chats.map(({ id }) => seqsOf(stream, id)), [[3], [1, 2, 3], []]);
        assert.deepEqual(stream.of('resync').map(({ chat_id, epoch, first_seq, last_seq, reason }) => [chat_id, epoch, first_seq, last_seq, reason]),
            [[chats[1].id, 1, 1, 3, 'epoch']]);
        assert.deepEqual(stream.of('left').map(({ chat_id }) => chat_id), [strange], 'what is not theirs (any more)');
    });

    test('many chats and long logs arrive in order, page by page', async () => {
        const x = await makeUser(server);
        const chats = [];
        for (let i = 0; i < 12; i++) chats.push((await group(x)).id);
        const talker = await hello(x);
        await talker.next('live');
        for (const [i, id] of chats.entries())
            for (let n = 0; n < (i === 3 ? 700 : 15); n++) {
                await until(() => talker.of('ack').length > talker.asked - 60 || !talker.asked, { every: 1 });
                talker.asked = (talker.asked ?? 0) + 1;
                talker.say({ t: 'send', id: talker.asked, chat_id: id, client_id: unique(), body: `${n} ${'x'.repeat(400)}` });
            }
        await until(() => talker.of('ack').length === talker.asked, { what: 'all acks' });
        const stream = await hello(x);
        await stream.next('live');
        for (const [i, id] of chats.entries()) assert.deepEqual(seqsOf(stream, id), range(1, i === 3 ? 701 : 16));
    });

    test('bad tokens and strange devices are shown the door; mistakes are named', async () => {
        const bad = await ChatStream.open(server);
        bad.say({ t: 'hello', token: `ses_${'x'.repeat(39)}` });
        assert.equal((await bad.next('bye')).reason, 'unauthenticated');
        assert.equal(await bad.closed(), 4401);
        const early = await ChatStream.open(server);
        early.say({ t: 'send', id: 1 });
        assert.equal((await early.next('bye')).reason, 'hello');
        assert.equal(await early.closed(), 4408);
        const stranger = await ChatStream.open(server);
        stranger.say({ t: 'hello', token: ada.token, device_id: 'dev_0000000000001' });
        assert.deepEqual((await stranger.next('error')).problem.errors.map(({ field }) => field), ['device_id']);
        assert.equal(await stranger.closed(), 4408);
        const odd = await ChatStream.open(server);
        for (const [more, field] of [[{ cursors: { cht_1: [1, 2] } }, 'cursors'], [{ cursors: [] }, 'cursors'], [{ token: 5 }, 'token'], [{ device_id: 'x' }, 'device_id']]) {
            odd.say({ t: 'hello', token: ada.token, ...more });
            const { problem } = await odd.next('error');
            assert.deepEqual([problem.status, problem.errors.map((error) => error.field)], [422, [field]]);
        }
        odd.say({ t: 'hello', token: ada.token });
        await odd.next('ready');
        odd.say({ t: 'hello', token: ada.token });
        assert.equal((await odd.next('error')).problem.status, 409);
        odd.end();
    });

    test('the handshake is refused in words', async () => {
        const plain = await server.anonymous.get('/v1/stream');
        assert.deepEqual([plain.status, plain.json.type], [426, 'upgrade-required']);
        assert.equal((await ChatStream.open(server, { protocol: 'chat' })).status, 400);
        assert.equal((await ChatStream.open(server, { headers: { Origin: 'https://evil.example' } })).status, 403);
        assert.equal((await ChatStream.open(server, { headers: { Origin: server.url } })).status, 101);
    });
});

describe('live', () => {
    test('a message is acknowledged and comes to all streams of all members', async () => {
        const chat = await direct(ada, bob);
        const [a, a2, b] = [await hello(ada), await hello(ada), await hello(bob)];
        for (const stream of [a, a2, b]) await stream.next('live');
        const client_id = unique();
        a.say({ t: 'send', id: 7, chat_id: chat.id, client_id, body: 'hello' });
        const ack = await a.next('ack');
        assert.deepEqual([ack.id, ack.client_id, ack.chat_id, ack.repeated], [7, client_id, chat.id, undefined]);
        for (const stream of [a, a2, b]) {
            await until(() => stream.of('message', chat.id).some(({ id }) => id === ack.message_id), { what: 'the message' });
            const last = stream.of('message', chat.id).at(-1);
            assert.deepEqual([last.seq, last.body, last.sender_id, last.client_id], [ack.seq, 'hello', idOf(ada), client_id]);
        }
        a.say({ t: 'send', id: 8, chat_id: chat.id, client_id, body: 'hello' });
        const again = await a.next('ack');
        assert.deepEqual([again.id, again.seq, again.repeated], [8, ack.seq, true]);
        a.say({ t: 'send', id: 9, chat_id: chat.id, client_id, body: 'other' });
        assert.deepEqual([(await a.next('error')).problem.type], ['idempotency-conflict']);
        [a, a2, b].forEach((stream) => stream.end());
    });

    test('edits, deletes, reactions and system entries come as HTTP shows them', async () => {
        const chat = await group(ada, [bob]);
        const stream = await hello(bob, { cursors: { [chat.id]: [1, 1] } });
        await stream.next('live');
        const message = await sent(ada, chat.id, 'frist');
        ok(await ada.patch(`/v1/messages/${message.id}`, { body: 'first' }), 200);
        ok(await bob.put(`/v1/messages/${message.id}/reactions/👍`), 200);
        ok(await ada.patch(`/v1/chats/${chat.id}`, { title: 'Row 2' }), 200);
        const other = await sent(ada, chat.id, 'oops');
        assert.equal((await ada.delete(`/v1/messages/${other.id}`)).status, 204);
        await sent(ada, chat.id, 'the end');
        await stream.next(({ body }) => body === 'the end');
        assert.deepEqual(seqsOf(stream, chat.id), range(2, 8));
        assert.deepEqual(stream.of('message', chat.id).map(({ type, body }) => [type, body?.event ?? body]),
            [['text', 'frist'], ['edit', 'first'], ['reaction', '👍'], ['system', 'renamed'], ['text', 'oops'], ['delete', null], ['text', 'the end']]);
        stream.end();
    });

    test('who comes into a chat hears it from then on, who leaves hears nothing more', async () => {
        const x = await makeUser(server);
        const [stream, owner] = [await hello(x), await hello(ada)];
        for (const one of [stream, owner]) await one.next('live');
        const chat = await group(ada, [bob]);
        await sent(ada, chat.id, 'before');
        ok(await ada.post(`/v1/chats/${chat.id}/members`, { user_id: idOf(x) }), 201);
        await sent(ada, chat.id, 'with you');
        await stream.next(({ body }) => body === 'with you');
        assert.deepEqual(seqsOf(stream, chat.id), [3, 4]);
        assert.equal((await ada.delete(`/v1/chats/${chat.id}/members/${idOf(x)}`)).status, 204);
        assert.equal((await stream.next('left')).chat_id, chat.id);
        await sent(ada, chat.id, 'without you');
        await owner.next(({ body }) => body === 'without you');
        ok(await ada.post(`/v1/chats/${chat.id}/members`, { user_id: idOf(x) }), 201);
        await sent(ada, chat.id, 'again');
        await stream.next(({ body }) => body === 'again');
        assert.deepEqual(seqsOf(stream, chat.id), [3, 4, 7, 8]);
        assert.deepEqual(seqsOf(owner, chat.id), range(1, 8));
        const talk = await direct(bob, x);
        await sent(bob, talk.id, 'hi');
        assert.deepEqual([(await stream.next(({ body }) => body === 'hi')).seq], [1]);
        [stream, owner].forEach((one) => one.end());
    });

    test('receipts gather, and come to all', async () => {
        const chat = await group(ada, [bob, cleo]);
        const { seq } = await sent(ada, chat.id, 'read this');
        const [a, b] = [await hello(ada), await hello(bob)];
        for (const stream of [a, b]) await stream.next('live');
        b.say({ t: 'receipt', chat_id: chat.id, delivered_seq: seq });
        b.say({ t: 'receipt', chat_id: chat.id, read_seq: seq });
        const receipt = await a.next(({ t, user_id, read_seq }) => t === 'receipt' && user_id === idOf(bob) && read_seq === seq);
        assert.deepEqual(receipt, { t: 'receipt', chat_id: chat.id, user_id: idOf(bob), delivered_seq: seq, read_seq: seq });
        const late = await hello(cleo, { cursors: { [chat.id]: [1, seq] } });
        await late.next('live');
        assert.deepEqual(late.of('receipts', chat.id)[0].data.find(({ user_id }) => user_id === idOf(bob)).read_seq, seq);
        [a, b, late].forEach((stream) => stream.end());
    });

    test('many connect while many send: no gap, nothing twice', async () => {
        const people = await Promise.all(Array.from({ length: 4 }, () => makeUser(server)));
        const chats = [];
        for (let i = 0; i < 4; i++) chats.push((await group(people[0], people.slice(1))).id);
        let isOver = false;
        let count = 0;
        const talk = async (api) => {
            const stream = await hello(api);
            while (!isOver) {
                const id = ++count;
                stream.say({ t: 'send', id, chat_id: chats[id % chats.length], client_id: unique(), body: `m${id}` });
                await stream.next(({ t, id: answered }) => (t === 'ack' || t === 'error') && answered === id);
            }
            return stream;
        };
        const listen = async (api) => {
            const all = [];
            for (let i = 0; i < 25; i++) {
                const cursors = i % 2 ? Object.fromEntries(chats.map((id) => [id, [1, 1 + (i % 5)]])) : undefined;
                all.push([await hello(api, { cursors }), cursors]);
            }
            return all;
        };
        const talkers = people.map(talk);
        const listeners = (await Promise.all(people.map(listen))).flat();
        for (const [stream] of listeners) await until(() => stream.of('live').length || stream.isGone, { what: 'live' });
        isOver = true;
        listeners.push(...(await Promise.all(talkers)).map((stream) => [stream, undefined]));
        const heads = Object.fromEntries(await Promise.all(chats.map(async (id) => [id, ok(await people[0].get(`/v1/chats/${id}`), 200).last_seq])));
        assert.ok(Object.values(heads).every((head) => head > 10));
        for (const [stream, cursors] of listeners)
            for (const id of chats) {
                await until(() => seqsOf(stream, id).at(-1) >= heads[id] || stream.isGone, { what: `entry ${heads[id]}` });
                assert.deepEqual(seqsOf(stream, id), range((cursors?.[id][1] ?? 0) + 1, heads[id]));
            }
        listeners.forEach(([stream]) => stream.end());
    });
});
