/*
 * Streams of people who mean harm, or whose programs do: they do not read, do not say hello, say nonsense, say too much. What they cost is
 * bounded, they are ended by a rule that has a name, and a bystander in the same chat gets every message in order all the while.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { Foyer } from './lib/server.mjs';
import { DAY, HOUR, makeManyUsers, unique } from './lib/seed.mjs';
import { ChatStream } from './lib/chat_stream.mjs';
import { isPostgres, storeOf } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const QUIET = ['--services=chat', '--abuse=off'];
const isSanitized = /asan|tsan/.test(process.env.FOYER_BIN ?? '');
const MIB = 1 << 20;
/* A sanitizer keeps freed memory for a while, and shadows it. */
const GROWTH_MAX = (isSanitized ? 500 : 96) * MIB;
const QUEUE_BYTES = 256 << 10; /* STREAM_QUEUE_BYTES_MAX */
const MISTAKES = 100; /* STREAM_MISTAKES_MAX */

let server;
let talker, bystander, chat;
before(async () => {
    server = await Foyer.start({ args: QUIET });
    [talker, bystander] = await users(2);
    chat = await group(talker, [bystander]);
});
after(() => server.stop());

const ok = (answer, status) => {
    assert.equal(answer.status, status, answer.text);
    return answer.json;
};
const idOf = (api) => api.user.id;
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const users = (count, node = server) => makeManyUsers(node, count);
const group = async (owner, others = []) => ok(await owner.post('/v1/chats', { type: 'group', title: 'x', member_ids: others.map(idOf) }), 201);
const send = (api, chatId, body = 'x') => api.post(`/v1/chats/${chatId}/messages`, { client_id: unique(), body });
const seqsOf = (stream, chatId) => stream.of('message', chatId).map(({ seq }) => seq);
const memory = (node) => Number(fs.readFileSync(`/proc/${node.pid}/statm`, 'utf8').split(' ')[1]) * 4096;
const descriptors = (node) => fs.readdirSync(`/proc/${node.pid}/fd`).length;

async function live(t, api, { node = server, ...options } = {}) {
    const stream = await ChatStream.hello(node, api, options);
    t.after(() => stream.end());
    await stream.next('live');
    return stream;
}
async function settled(stream) {
    stream.say({ t: 'ping' });
    await stream.next('pong');
}

/* Runs work while messages are sent; the bystander gets each of them, in order. */
async function beside(t, work) {
    const stream = await live(t, bystander);
    let isOver = false;
    const sending = (async () => {
        while (!isOver) ok(await send(talker, chat.id), 201);
    })();
    try {
        await work();
    } finally {
        isOver = true;
        await sending;
    }
    const { seq } = ok(await send(talker, chat.id, 'last'), 201);
    await until(() => seqsOf(stream, chat.id).at(-1) === seq, { what: 'the last message' });
    const seqs = seqsOf(stream, chat.id);
    assert.deepEqual(seqs, range(seqs[0], seq));
    stream.end();
}

describe('who does not read', () => {
    test('is closed for a resync, costs no more than the queue, and has everything afterwards', { timeout: 300000 }, async (t) => {
        const COUNT = 30;
        const lazy = await users(COUNT);
        const crowd = await group(talker, lazy);
        const stopped = [];
        for (const api of lazy) {
            const stream = await live(t, api);
            stream.pause();
            stopped.push(stream);
        }
        const before = memory(server);
        let last = 0;
        await beside(t, async () => {
            /* The kernel's buffers take some of it first. */
            await until(async () => {
                for (let i = 0; i < 16; i++) last = ok(await send(talker, crowd.id, 'x'.repeat(8000)), 201).seq;
                return (await server.metric('foyer_websockets_closed_total', 'end="full"')) >= COUNT;
            }, { every: 1, timeout: 200000, what: 'all of them to be closed' });
        });
        const growth = memory(server) - before;
        assert.ok(growth < GROWTH_MAX + COUNT * QUEUE_BYTES, `${growth >> 20} MiB`);
        for (const [i, stream] of stopped.entries()) {
            stream.resume();
            /* It is told why, unless it has not taken that for so long that the connection was given up. */
            if ((await stream.closed()) !== 1006) assert.deepEqual([stream.close.code, stream.heard.at(-1).reason], [1013, 'resync']);
            const seqs = seqsOf(stream, crowd.id);
            assert.deepEqual(seqs, range(1, seqs.length), 'what came was in order');
            if (i % 10 !== 0) continue;
            const again = await live(t, lazy[i], { cursors: { [crowd.id]: [1, seqs.length] } });
            assert.deepEqual(seqsOf(again, crowd.id), range(seqs.length + 1, last), 'and the rest comes');
        }
    });

    test('does not hold up those who share its chat', async (t) => {
        const [x, lazy] = await users(2);
        const shared = await group(x, [lazy]);
        const stopped = await live(t, lazy);
        const reading = await live(t, lazy);
        stopped.pause();
        for (let i = 0; i < 60; i++) ok(await send(x, shared.id, 'y'.repeat(8000)), 201);
        await until(() => seqsOf(reading, shared.id).at(-1) === 61, { what: 'all messages' });
        assert.deepEqual(seqsOf(reading, shared.id), range(1, 61));
    });
});

describe('who says nothing', () => {
    test('is ended after ten seconds, and what it took comes back', { timeout: 120000 }, async (t) => {
        const COUNT = 400;
        const before = descriptors(server);
        const silent = [];
        await beside(t, async () => {
            for (let i = 0; i < COUNT; i += 50) silent.push(...(await Promise.all(range(1, 50).map(() => ChatStream.open(server)))));
            t.after(() => silent.forEach((stream) => stream.end()));
            assert.ok(silent.every(({ status }) => status === 101));
            await until(() => silent.every((stream) => stream.close), { what: 'the end of all' });
        });
        assert.ok(silent.every(({ close, heard }) => close.code === 4408 && heard.at(-1).reason === 'hello'));
        await until(() => descriptors(server) <= before + 10, { what: 'the descriptors' });
    });

    test('a handshake, half a frame, half a message: each has an end', { timeout: 120000 }, async (t) => {
        const frames = [Buffer.from([0x81]), Buffer.from([0x81, 0xfe, 0x10]), Buffer.from([0x01, 0x81, 1, 2, 3, 4, 5])];
        const streams = [];
        for (const bytes of frames) {
            const stream = await ChatStream.open(server);
            t.after(() => stream.end());
            stream.socket.write(bytes);
            streams.push(stream);
        }
        for (const stream of streams) assert.ok([4408, 1006, 1002, 1008].includes(await stream.closed()));
    });
});

/* A number from a text: each run breaks the same messages in the same way. */
function* numbers(seed) {
    for (let i = 0; ; i++) yield createHash('sha256').update(`${seed} ${i}`).digest().readUInt32LE(0);
}

describe('who says nonsense', () => {
    test('gets errors that are theirs, never ours, and is ended at the hundredth', async (t) => {
        const dice = numbers('nonsense');
        const pick = (list) => list[dice.next().value % list.length];
        const values = [null, true, 0, -1, 1e300, 9007199254740993, '', 'x', 'cht_', 'cht_0000000000001', [], {}, [[]], { t: 'send' }, '\u0000', '💥'.repeat(100), chat.id, idOf(bystander)];
        const good = [
            { t: 'send', id: 1, chat_id: chat.id, client_id: 'a', body: 'b' }, { t: 'receipt', chat_id: chat.id, read_seq: 1 }, { t: 'typing', chat_id: chat.id },
            { t: 'watch', user_ids: [idOf(bystander)] }, { t: 'ping' }, { t: 'hello', token: 'x' }, { t: 'message' }, { t: 'bye' },
        ];
        const mutate = () => {
            const message = structuredClone(pick(good));
            const names = Object.keys(message);
            const name = pick([...names, 'more', 't', 'id']);
            if (dice.next().value % 4 === 0) delete message[name];
            else message[name] = pick(values);
            let text = JSON.stringify(message);
            if (dice.next().value % 5 === 0) text = text.slice(0, dice.next().value % text.length);
            return text;
        };
        const [x] = await users(1);
        await beside(t, async () => {
            for (let round = 0; round < 8; round++) {
                const stream = await live(t, x);
                for (let i = 0; i < 400; i++) stream.say(mutate());
                assert.equal(await stream.closed(), 4429);
                const errors = stream.of('error');
                for (const { problem } of errors) assert.ok(problem.status >= 400 && problem.status < 500 && problem.type && problem.title, JSON.stringify(problem));
                assert.equal(errors.filter(({ problem }) => problem.status === 400 || problem.status === 422).length, MISTAKES + 1);
                assert.equal(stream.heard.at(-1).reason, 'limit');
            }
        });
    });

    test('deep, long and strange texts are refused, and frames that may not be', async (t) => {
        const [x] = await users(1);
        const texts = ['['.repeat(60000), `{"t":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`, '{"t":"ping","t":"ping"}', '"ping"', '[]', 'null', '', `{"t":"${'x'.repeat(65000)}"}`, '{"t":"ping"}{"t":"ping"}', '\ufeff{"t":"ping"}'];
        const stream = await live(t, x);
        for (const text of texts) {
            stream.say(text);
            const { problem } = await stream.next('error');
            assert.ok([400, 422].includes(problem.status), `${text.slice(0, 20)}: ${problem.status}`);
        }
        await settled(stream);
        for (const [opcode, payload, code] of [[1, Buffer.from([0xff, 0xfe]), 1007], [2, Buffer.from('{}'), 1003], [1, Buffer.alloc(65537, 0x20), 1009], [3, Buffer.from('x'), 1002], [8, Buffer.from([1]), 1002], [9, Buffer.alloc(126), 1002]]) {
            const own = await live(t, x);
            own.write(opcode, payload);
            assert.equal(await own.closed(), code, `opcode ${opcode}`);
        }
        const unmasked = await live(t, x);
        unmasked.socket.write(Buffer.from([0x81, 2, 0x7b, 0x7d]));
        assert.equal(await unmasked.closed(), 1002);
    });
});

describe('who says too much', () => {
    test('typing, receipts, watches and pings by the thousand hurt nobody', { timeout: 240000 }, async (t) => {
        const [x, y] = await users(2);
        const own = await group(x, [y]);
        const ROUNDS = 50;
        const before = memory(server);
        await beside(t, async () => {
            const streams = await Promise.all(range(1, 10).map(() => live(t, x)));
            const begun = performance.now();
            for (let round = 0; round < ROUNDS; round++) {
                for (const stream of streams) {
                    for (let i = 0; i < 50; i++) {
                        stream.say({ t: 'typing', chat_id: own.id });
                        stream.say({ t: 'receipt', chat_id: own.id, read_seq: 1 });
                        stream.say({ t: 'receipt', chat_id: own.id, read_seq: 2 ** 40, delivered_seq: 2 ** 40 });
                        stream.say({ t: 'ping' });
                    }
                    stream.say({ t: 'watch', user_ids: Array(100).fill(idOf(y)) });
                    stream.say({ t: 'ping' });
                }
                await until(() => streams.every((stream) => stream.of('pong').length === 51 * (round + 1)), { what: 'all pongs' });
            }
            const all = streams.flatMap((stream) => stream.of('error'));
            assert.ok(all.every(({ problem }) => problem.status === 429), JSON.stringify(all.find(({ problem }) => problem.status !== 429)));
            const windows = 2 + Math.floor((performance.now() - begun) / 10000);
            assert.ok(all.length >= 10 * (ROUNDS - 10 * windows), `watches have a rate: ${all.length} refused`);
        });
        const growth = memory(server) - before;
        assert.ok(growth < GROWTH_MAX, `${growth >> 20} MiB`);
        /* A receipt beyond the newest entry counts as that. */
        const { data } = ok(await y.get(`/v1/chats/${own.id}/receipts`), 200);
        assert.ok(data.every(({ delivered_seq }) => delivered_seq <= 1), JSON.stringify(data));
    });

    test('chats that are not theirs stay closed: nothing is sent, read or told', async (t) => {
        const [x, y] = await users(2);
        const secret = await group(x);
        ok(await send(x, secret.id, 'secret'), 201);
        const stream = await live(t, y, { cursors: { [secret.id]: [1, 0] } });
        for (const message of [{ t: 'send', id: 1, client_id: 'a', body: 'b' }, { t: 'receipt', read_seq: 1 }, { t: 'typing' }]) {
            stream.say({ ...message, chat_id: secret.id });
            assert.equal((await stream.next('error')).problem.status, 404);
        }
        assert.deepEqual(stream.of('message'), []);
        assert.equal(ok(await x.get(`/v1/chats/${secret.id}`), 200).last_seq, 2);
    });
});

describe('limits of what one may have', () => {
    test('a thousand chats are followed by one stream; more cursors are refused', { timeout: 300000 }, async (t) => {
        const [x] = await users(1);
        const ids = [];
        for (let i = 0; i < 1000; i += 25) ids.push(...(await Promise.all(range(1, 25).map(async () => (await group(x)).id))));
        const cursors = Object.fromEntries(ids.map((id, i) => [id, [1, i % 2]]));
        const stream = await live(t, x, { cursors });
        assert.equal(stream.of('message').length, 500);
        ok(await send(x, ids[999]), 201);
        await stream.next(({ t: kind, chat_id, seq }) => kind === 'message' && chat_id === ids[999] && seq === 2);
        const many = await ChatStream.open(server);
        t.after(() => many.end());
        many.say({ t: 'hello', token: x.token, cursors: { ...cursors, cht_0000000000001: [1, 1] } });
        const { problem } = await many.next('error');
        assert.deepEqual([problem.status, problem.errors.map(({ field }) => field)], [422, ['cursors']]);
        assert.equal((await x.post('/v1/chats', { type: 'group', title: 'x' })).status, 422);
    });

    test('a message to a hundred members reaches a hundred streams, once each', { timeout: 240000 }, async (t) => {
        const members = await users(100);
        const crowd = await group(members[0], members.slice(1));
        assert.equal((await members[0].post(`/v1/chats/${crowd.id}/members`, { user_id: idOf(talker) })).status, 422);
        const streams = [];
        for (let i = 0; i < 100; i += 20) streams.push(...(await Promise.all(members.slice(i, i + 20).map((api) => live(t, api)))));
        for (let i = 0; i < 20; i++) streams[i].say({ t: 'send', id: i, chat_id: crowd.id, client_id: `m${i}`, body: 'hello' });
        for (const stream of streams) {
            await until(() => seqsOf(stream, crowd.id).at(-1) === 21, { what: 'all messages' });
            assert.deepEqual(seqsOf(stream, crowd.id), range(1, 21));
        }
    });

    test('an idle stream costs little', { timeout: 240000, skip: isSanitized && 'about memory' }, async (t) => {
        const own = await Foyer.start({ args: QUIET });
        t.after(() => own.stop());
        const people = await users(10, own);
        for (const api of people) await group(api);
        const open = async () => {
            for (const api of people) for (let i = 0; i < 35; i += 7) await Promise.all(range(1, 7).map(() => live(t, api, { node: own })));
        };
        const before = memory(own);
        await open();
        const bytes = (memory(own) - before) / 350;
        assert.ok(bytes < 24 << 10, `${Math.round(bytes)} bytes each`);
    });
});

describe('time and membership', () => {
    test('a clock that jumps ends no stream and no order', { timeout: 120000 }, async (t) => {
        const own = await Foyer.start({ args: QUIET });
        t.after(() => own.stop());
        const [x, y] = await users(2, own);
        const { id } = await group(x, [y]);
        const stream = await live(t, y, { node: own });
        for (const jump of [HOUR, 0, DAY, 6 * HOUR]) {
            await own.advance(jump);
            ok(await send(x, id), 201);
        }
        await until(() => seqsOf(stream, id).at(-1) === 5, { what: 'all messages' });
        assert.deepEqual(seqsOf(stream, id), range(1, 5));
    });

    for (const count of isPostgres ? [1, 2] : [1]) {
        test(`who is removed hears nothing behind the removal, ${count} ${count === 1 ? 'node' : 'nodes'}`, { timeout: 240000 }, async (t) => {
            const nodes = [server];
            if (count === 2) {
                const second = await Foyer.start({ args: QUIET, store: storeOf(server.dir) });
                t.after(() => second.stop());
                nodes.push(second);
            }
            for (let round = 0; round < 5; round++) {
                const [x, y, z] = await users(3);
                const { id } = await group(x, [y, z]);
                const at = nodes.at(-1);
                const stream = await live(t, Object.assign(at.as(y.token), { user: y.user }), { node: at });
                let isOver = false;
                const sending = [x, z].map(async (api) => {
                    while (!isOver) assert.equal((await send(api, id)).status, 201);
                });
                await until(() => seqsOf(stream, id).length > 10, { what: 'messages' });
                ok(await x.delete(`/v1/chats/${id}/members/${idOf(y)}`), 204);
                await stream.next('left');
                const told = stream.of('message', id).length;
                for (let i = 0; i < 5; i++) ok(await send(x, id), 201);
                isOver = true;
                await Promise.all(sending);
                const log = ok(await x.get(`/v1/chats/${id}/messages?after=0&limit=200`), 200).data;
                const removal = log.find(({ type, body, seq }) => type === 'system' && seq > 1 && JSON.stringify(body ?? '').includes('removed'))
                    ?? log.find(({ type, seq }) => type === 'system' && seq > 1);
                await settled(stream);
                assert.equal(stream.of('message', id).length, told, 'nothing behind left');
                if (removal) assert.ok(seqsOf(stream, id).every((seq) => seq <= removal.seq), `${seqsOf(stream, id).at(-1)} of ${removal.seq}`);
                stream.end();
            }
        });
    }
});
