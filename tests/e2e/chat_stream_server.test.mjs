/*
 * The server's side of docs/chat-stream.md: hello, catching up, live messages, sending, receipts, membership, the ends. The measure of
 * everything is the ledger of a stream: the seqs of one chat come one by one.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { Nodes } from './lib/nodes.mjs';
import { Postgres } from './lib/postgres.mjs';
import { PASSWORD, makeUser, unique } from './lib/seed.mjs';
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

    test('a page of the site is known by the cookie of its handshake; other pages, and what is no page, are not', async () => {
        const own = await Foyer.start({ args: ['--services=chat', '--chat-origins=https://a.example'] });
        const { user, email } = await makeUser(own);
        const login = await own.anonymous.post('/v1/sessions', { email, password: PASSWORD, cookie: true });
        const cookie = login.headers['set-cookie'][0].split(';')[0];
        const greet = async (headers, more = {}) => {
            const stream = await ChatStream.open(own, { headers: { cookie, ...headers } });
            streams.push(stream);
            stream.say({ t: 'hello', ...more });
            return stream;
        };
        const host = own.url;
        for (const headers of [{ Origin: host }, { Origin: host, 'Sec-Fetch-Site': 'same-origin' }]) {
            const ready = await (await greet(headers)).next('ready');
            assert.equal(ready.user_id, user.id, JSON.stringify(headers));
        }
        for (const headers of [{ Origin: 'https://a.example' }, { Origin: 'https://a.example', 'Sec-Fetch-Site': 'cross-site' }, {}, { Origin: host, cookie: 'foyer_session=ses_x' }, { Origin: host, cookie: '' }]) {
            assert.equal((await (await greet(headers)).next('bye')).reason, 'unauthenticated', JSON.stringify(headers));
        }
        /* A token counts before the cookie, also when it is none. */
        const other = await makeUser(own);
        assert.equal((await (await greet({ Origin: host }, { token: other.token })).next('ready')).user_id, other.user.id);
        assert.equal((await (await greet({ Origin: host }, { token: 'ses_of_nobody' })).next('bye')).reason, 'unauthenticated');
        /* The stream ends with the session. */
        const stream = await greet({ Origin: host });
        await stream.next('ready');
        const out = await own.anonymous.delete('/v1/sessions/current', undefined, { headers: { cookie, origin: host } });
        assert.equal(out.status, 204, out.text);
        assert.equal((await stream.next('bye')).reason, 'unauthenticated');
        await own.stop();
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
        /* Who is told late is told how it is by then: changed, or without its text. */
        const told = ({ body, edited_at: edited, deleted_at: gone }) => (gone ? 'oops' : edited ? 'frist' : (body?.event ?? body));
        assert.deepEqual(stream.of('message', chat.id).map((entry) => [entry.type, told(entry)]),
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
        for (const one of [stream, owner]) await one.next(({ body }) => body === 'again');
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

    test('receipts of many at once come to all in one message', async () => {
        const people = await Promise.all(Array.from({ length: 8 }, () => makeUser(server)));
        const chat = await group(ada, people);
        const [a, ...streams] = await Promise.all([ada, ...people].map((api) => hello(api)));
        for (const stream of [a, ...streams]) await stream.next('live');
        const reached = (seq) => {
            const all = [...a.of('receipt', chat.id), ...a.of('receipts', chat.id).flatMap(({ data }) => data)];
            return people.every((one) => all.some(({ user_id, delivered_seq, read_seq }) => user_id === idOf(one) && delivered_seq === seq && read_seq === seq));
        };
        const isTogether = () => a.of('receipts', chat.id).slice(1).some(({ data }) => data.length >= 4);
        /* How many of them share a tick is a matter of time; that all come is not. */
        for (let i = 0; i < 100 && !(i > 0 && isTogether()); i++) {
            const { seq } = await sent(ada, chat.id, `${i}`);
            for (const stream of streams) stream.say({ t: 'receipt', chat_id: chat.id, read_seq: seq });
            await until(() => reached(seq), { what: 'all receipts' });
        }
        assert.ok(isTogether());
        [a, ...streams].forEach((stream) => stream.end());
    });

    test('many connect while many send: no gap, nothing twice', async () => {
        const people = await Promise.all(Array.from({ length: 4 }, () => makeUser(server)));
        const chats = [];
        for (let i = 0; i < 4; i++) chats.push((await group(people[0], people.slice(1))).id);
        for (const id of chats) for (const body of ['2', '3', '4', '5']) await sent(people[0], id, body);
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

describe('the end', () => {
    test('a session that is logged out loses its streams, others stay', async () => {
        const x = await makeUser(server);
        const login = await server.anonymous.post('/v1/sessions', { email: x.email, password: PASSWORD });
        const other = Object.assign(server.as(ok(login, 201).token), { user: x.user });
        const [stream, stays] = [await hello(x), await hello(other)];
        for (const one of [stream, stays]) await one.next('live');
        assert.equal((await x.delete('/v1/sessions/current')).status, 204);
        assert.equal((await stream.next('bye')).reason, 'unauthenticated');
        assert.equal(await stream.closed(), 4401);
        stays.say({ t: 'ping' });
        await stays.next('pong');
        const late = await ChatStream.open(server);
        late.say({ t: 'hello', token: x.token });
        assert.equal(await late.closed(), 4401);
        stays.end();
    });

    test('a device has one stream, a user forty', async () => {
        const x = await makeUser(server);
        const device = ok(await x.post('/v1/devices', { name: 'phone', platform: 'android' }), 201);
        const first = await hello(x, { device_id: device.id });
        const second = await hello(x, { device_id: device.id });
        assert.equal((await first.next('bye')).reason, 'replaced');
        assert.equal(await first.closed(), 4409);
        const more = [];
        for (let i = 0; i < 40; i++) more.push(await hello(x));
        assert.equal((await second.next('bye')).reason, 'limit');
        assert.equal(await second.closed(), 4429);
        more.at(-1).say({ t: 'ping' });
        await more.at(-1).next('pong');
        more.forEach((stream) => stream.end());
    });

    test('a device begins where its receipts say', async () => {
        const x = await makeUser(server);
        const device = ok(await x.post('/v1/devices', { name: 'phone', platform: 'android' }), 201);
        const chat = await group(ada, [x]);
        for (const body of ['one', 'two', 'three']) await sent(ada, chat.id, body);
        const first = await hello(x, { device_id: device.id });
        await first.next('live');
        assert.deepEqual(seqsOf(first, chat.id), [1, 2, 3, 4]);
        first.say({ t: 'receipt', chat_id: chat.id, delivered_seq: 3 });
        await first.next(({ t, delivered_seq, user_id }) => t === 'receipt' && user_id === idOf(x) && delivered_seq === 3);
        first.end();
        const second = await hello(x, { device_id: device.id });
        await second.next('live');
        assert.deepEqual(seqsOf(second, chat.id), [4]);
        second.end();
    });

    test('mistakes are answered, and too many of them end the stream', async () => {
        const stream = await hello(cleo);
        await stream.next('live');
        const wrong = async (message, status, field) => {
            stream.say(message);
            const { problem, id } = await stream.next('error');
            assert.deepEqual([problem.status, problem.errors?.[0].field, id], [status, field, message.id], JSON.stringify(message));
        };
        const chat = await group(cleo);
        await wrong('[]', 400);
        await wrong('{', 400);
        await wrong({ t: 'dance', id: 3 }, 422, 't');
        await wrong({ t: 'send', id: 4, chat_id: chat.id, body: 'x' }, 422, 'client_id');
        await wrong({ t: 'send', chat_id: chat.id, client_id: 'a', body: 'x' }, 422, 'id');
        await wrong({ t: 'send', id: 5, chat_id: chat.id, client_id: 'a b', body: 'x' }, 422, 'client_id');
        await wrong({ t: 'send', id: 6, chat_id: chat.id, client_id: 'a', body: 'x', color: 'red' }, 422, 'color');
        await wrong({ t: 'send', id: 10, chat_id: chat.id, client_id: 'a' }, 422, 'body');
        await wrong({ t: 'send', id: 11, chat_id: chat.id, client_id: 'a', media_id: 'med_0000000000001' }, 422, 'media_id');
        await wrong({ t: 'send', id: 7, chat_id: 'cht_x', client_id: 'a', body: 'x' }, 422, 'chat_id');
        await wrong({ t: 'send', id: 8, chat_id: chat.id, client_id: 'a', body: 'x', reply_to: 'msg_x' }, 422, 'reply_to');
        await wrong({ t: 'send', id: 9, chat_id: (await group(ada)).id, client_id: 'a', body: 'x' }, 404);
        await wrong({ t: 'receipt', chat_id: chat.id, read_seq: -1 }, 422, 'read_seq');
        for (let i = 0; i < 100; i++) stream.say({ t: 'dance' });
        assert.equal((await stream.next('bye')).reason, 'limit');
        assert.equal(await stream.closed(), 4429);
    });

    test('frames that may not be close it', async () => {
        const binary = await hello(cleo);
        binary.write(2, Buffer.from('x'));
        assert.equal(await binary.closed(), 1003);
        const large = await hello(cleo);
        large.say('x'.repeat(65537));
        assert.equal(await large.closed(), 1009);
    });

    test('who does not read is told to resync, and then has everything', async () => {
        const chat = await group(ada, [bob]);
        const slow = await hello(bob, { cursors: { [chat.id]: [1, 1] } });
        const talker = await hello(ada);
        for (const one of [slow, talker]) await one.next('live');
        slow.pause();
        const byes = await server.metric('foyer_chat_stream_byes_total');
        let last = 0;
        await until(async () => {
            for (let i = 0; i < 50; i++) talker.say({ t: 'send', id: ++last, chat_id: chat.id, client_id: unique(), body: 'x'.repeat(8000) });
            await until(() => talker.of('ack').length === last, { what: 'acks' });
            return (await server.metric('foyer_chat_stream_byes_total')) > byes;
        }, { what: 'the queue to be full' });
        slow.resume();
        assert.equal((await slow.next('bye')).reason, 'resync');
        assert.equal(await slow.closed(), 1013);
        const seqs = seqsOf(slow, chat.id);
        assert.deepEqual(seqs, range(2, seqs.at(-1)), 'what came was in order');
        const again = await hello(bob, { cursors: { [chat.id]: [1, seqs.at(-1)] } });
        await again.next('live');
        assert.deepEqual(seqsOf(again, chat.id), range(seqs.at(-1) + 1, last + 1));
        [again, talker].forEach((one) => one.end());
    });

    test('a client that reads slowly catches up at its speed', async () => {
        const chat = await group(ada, [bob]);
        const talker = await hello(ada);
        await talker.next('live');
        for (let i = 1; i <= 400; i += 50) {
            for (let n = i; n < i + 50; n++) talker.say({ t: 'send', id: n, chat_id: chat.id, client_id: unique(), body: `${n}${'y'.repeat(4000)}` });
            await until(() => talker.of('ack').length === i + 49, { what: 'acks' });
        }
        const slow = await hello(bob);
        for (let i = 0; i < 20; i++) { /* its kernel's buffers fill and empty */
            slow.pause();
            await new Promise((resolve) => setTimeout(resolve, 10));
            slow.resume();
            await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await slow.next('live');
        assert.deepEqual(seqsOf(slow, chat.id), range(1, 401));
        [slow, talker].forEach((one) => one.end());
    });

    test('a server that stops says when to come again', async () => {
        const own = await Foyer.start({ args: QUIET });
        const x = await makeUser(own);
        const stream = await ChatStream.hello(own, x);
        await stream.next('live');
        const [bye] = await Promise.all([stream.next('bye'), own.stop()]);
        assert.equal(bye.reason, 'stop');
        assert.ok(bye.reconnect_after_ms >= 0);
        assert.equal(await stream.closed(), 1001);
    });
});

describe('limits', () => {
    test('rates are those of HTTP, and allowed origins are allowed', async () => {
        const own = await Foyer.start({ args: ['--services=chat', '--chat-origins=https://a.example,https://b.example:8443'] });
        const x = await makeUser(own);
        const chat = ok(await x.post('/v1/chats', { type: 'group', title: 'x' }), 201);
        assert.equal((await ChatStream.open(own, { headers: { Origin: 'https://b.example:8443' } })).status, 101);
        assert.equal((await ChatStream.open(own, { headers: { Origin: 'https://b.example' } })).status, 403);
        const stream = await ChatStream.hello(own, x);
        await stream.next('live');
        for (let id = 1; id <= 450; id++) {
            stream.say({ t: 'send', id, chat_id: chat.id, client_id: unique(), body: 'x' });
            if (id % 50 === 0) await until(() => stream.of('ack').length + stream.of('error').length === id, { what: 'answers' });
        }
        const { problem } = stream.of('error')[0];
        assert.deepEqual([problem.type, problem.status], ['rate-limited', 429]);
        assert.ok(problem.retry_after_s >= 1);
        assert.ok(stream.of('ack').length >= 100);
        await own.stop();
    });

    test('not more than 64 sends are without an answer', async () => {
        const chat = await group(ada);
        const stream = await hello(ada);
        await stream.next('live');
        for (let id = 1; id <= 2000; id++) stream.say({ t: 'send', id, chat_id: chat.id, client_id: unique(), body: 'x' });
        await until(() => stream.of('ack').length + stream.of('error').length === 2000, { what: 'answers' });
        assert.ok(stream.of('error').every(({ problem }) => problem.status === 429));
        assert.ok(stream.of('ack').length >= 64);
        stream.end();
    });
});

describe('several nodes', () => {
    let cluster, nodes;
    before(async () => {
        cluster = await Postgres.start();
        nodes = await Nodes.start(cluster, { args: ['--services=tickets,chat'] });
    });
    after(async () => {
        await nodes?.stop();
        await cluster?.stop();
    });

    test('what one node writes the streams of the other hear, in order', async () => {
        const { a, b } = nodes;
        const [x, y] = [await makeUser(a), await makeUser(a)];
        const [y_b, x_b] = [Object.assign(b.as(y.token), { user: y.user }), Object.assign(b.as(x.token), { user: x.user })];
        const stream = await hello(y_b, {}, b);
        const own = await hello(x, {}, a);
        for (const one of [stream, own]) await one.next('live');
        const chat = ok(await x.post('/v1/chats', { type: 'group', title: 'Two nodes', member_ids: [idOf(y)] }), 201);
        const talk = ok(await x.post('/v1/chats', { type: 'direct', user_id: idOf(y) }), 201);
        for (let i = 0; i < 30; i++) {
            await sent(x, chat.id, `a${i}`);
            await sent(i % 2 ? y_b : x_b, chat.id, `b${i}`);
        }
        await sent(x, talk.id, 'the end');
        for (const one of [stream, own]) {
            await one.next(({ body }) => body === 'the end');
            await until(() => one.of('message', chat.id).length === 61, { what: '61 entries' });
            assert.deepEqual(seqsOf(one, chat.id), range(1, 61));
        }
        const first = stream.of('message', chat.id)[1];
        ok(await x.patch(`/v1/messages/${first.id}`, { body: 'edited' }), 200);
        assert.deepEqual((await stream.next(({ type }) => type === 'edit')).body, 'edited');
        stream.say({ t: 'receipt', chat_id: chat.id, read_seq: 62 });
        await own.next(({ t, user_id, read_seq }) => t === 'receipt' && user_id === idOf(y) && read_seq === 62);
        assert.equal((await x.delete(`/v1/chats/${chat.id}/members/${idOf(y)}`)).status, 204);
        assert.equal((await stream.next('left')).chat_id, chat.id);
        await sent(x, chat.id, 'alone');
        await sent(x, talk.id, 'still here');
        await stream.next(({ body }) => body === 'still here');
        assert.ok(!stream.of('message', chat.id).some(({ body }) => body === 'alone'));
        [stream, own].forEach((one) => one.end());
    });

    test('when all connections to the database are lost, streams go on where they were', async () => {
        const { a, b } = nodes;
        const [x, y] = [await makeUser(a), await makeUser(a)];
        const chat = ok(await x.post('/v1/chats', { type: 'group', title: 'Lost', member_ids: [idOf(y)] }), 201);
        const [own, other] = [await hello(x, {}, a), await hello(Object.assign(b.as(y.token), { user: y.user }), {}, b)];
        for (const one of [own, other]) await one.next('live');
        const insist = async (body) => {
            const client_id = unique();
            await until(async () => [200, 201].includes((await x.post(`/v1/chats/${chat.id}/messages`, { client_id, body })).status), { what: 'a commit' });
        };
        const database = new URL(nodes.store).pathname.slice(1);
        for (let round = 0; round < 3; round++) {
            for (let i = 0; i < 5; i++) await insist(`${round} ${i}`);
            await cluster.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database]);
            for (let i = 5; i < 10; i++) await insist(`${round} ${i}`);
        }
        await insist('the end');
        for (const one of [own, other]) {
            await one.next(({ body }) => body === 'the end');
            assert.deepEqual(seqsOf(one, chat.id), range(1, 32));
            one.end();
        }
    });

    test('many connect to both while many send by both: no gap, nothing twice', async () => {
        const people = await Promise.all(range(1, 3).map(() => makeUser(nodes.a)));
        const at = (api, node) => Object.assign(node.as(api.token), { user: api.user });
        const chats = [];
        for (let i = 0; i < 3; i++) chats.push(ok(await people[0].post('/v1/chats', { type: 'group', title: 'x', member_ids: people.slice(1).map(idOf) }), 201).id);
        let isOver = false;
        let count = 0;
        const talk = async (api, node) => {
            const stream = await hello(at(api, node), {}, node);
            while (!isOver) {
                const id = ++count;
                stream.say({ t: 'send', id, chat_id: chats[id % chats.length], client_id: unique(), body: `m${id}` });
                await stream.next(({ t, id: answered }) => (t === 'ack' || t === 'error') && answered === id);
            }
            return stream;
        };
        const listen = async (api, node) => {
            const all = [];
            for (let i = 0; i < 12; i++) all.push(await hello(at(api, node), {}, node));
            return all;
        };
        const talkers = people.flatMap((api) => nodes.all.map((node) => talk(api, node)));
        const listeners = (await Promise.all(people.flatMap((api) => nodes.all.map((node) => listen(api, node))))).flat();
        for (const stream of listeners) await until(() => stream.of('live').length || stream.isGone, { what: 'live' });
        isOver = true;
        listeners.push(...(await Promise.all(talkers)));
        for (const id of chats) {
            const head = ok(await people[0].get(`/v1/chats/${id}`), 200).last_seq;
            for (const stream of listeners) {
                await until(() => seqsOf(stream, id).at(-1) >= head || stream.isGone, { what: `entry ${head}` });
                assert.deepEqual(seqsOf(stream, id), range(1, head));
            }
        }
        listeners.forEach((stream) => stream.end());
    });
});
