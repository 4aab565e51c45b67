/*
 * C1-C3, C5, C6, C8, C9, C12, C13 over HTTP: direct chats and groups, the log and its seqs, retries, receipts, blocks, reports, limits,
 * and what is left after 30 days. Every answer is held against the OpenAPI document, and each route must have succeeded at least once.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Nodes } from './lib/nodes.mjs';
import { Postgres } from './lib/postgres.mjs';
import { Foyer, run, tempDir } from './lib/server.mjs';
import { newKey } from './lib/api.mjs';
import { DAY, makeUser, unique } from './lib/seed.mjs';
import { isPostgres, sqliteOnly } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const ARGS = ['--services=chat'];
const QUIET = [...ARGS, '--abuse=off'];
const BOTH = ['--services=tickets,chat', '--abuse=off']; /* the audit behind a restore asks for tickets */

/* A browser's, as the specification has it (RFC 8291, 5). */
const SUBSCRIPTION = { endpoint: 'https://push.example/1', keys: {
    p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4', auth: 'BTBZMqHH6r4Tts7J_aSIgg' } };

let server;
let ada, bob, cleo, mod;
before(async () => {
    server = await Foyer.start({ args: QUIET });
    [ada, bob, cleo] = [await makeUser(server, { name: 'Ada' }), await makeUser(server, { name: 'Bob' }), await makeUser(server, { name: 'Cleo' })];
    mod = await makeUser(server, { name: 'Mod', roles: ['support'] });
});
after(() => server.stop());

const ok = (answer, status) => {
    assert.equal(answer.status, status, answer.text);
    return answer.json;
};
const invalid = (answer, field) => {
    assert.equal(answer.status, 422, answer.text);
    assert.deepEqual(answer.json.errors.map((error) => error.field), [field]);
};
const problem = (answer, status, type) => {
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.json.type, type);
};

const idOf = (api) => api.user.id;
const direct = async (a, b) => (await a.post('/v1/chats', { type: 'direct', user_id: idOf(b) })).json;
const group = async (owner, others = [], title = 'Row 1') =>
    ok(await owner.post('/v1/chats', { type: 'group', title, member_ids: others.map(idOf) }), 201);
const send = (api, chatId, body, more = {}) => api.post(`/v1/chats/${chatId}/messages`, { client_id: unique(), body, ...more });
const sent = async (api, chatId, body, more) => ok(await send(api, chatId, body, more), 201);
const log = async (api, chatId, query = '') => ok(await api.get(`/v1/chats/${chatId}/messages${query}`), 200);
const seqs = (page) => page.data.map(({ seq }) => seq);
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
/* The whole log, by pages. */
async function whole(api, chatId, limit = 200) {
    const all = [];
    for (;;) {
        const page = await log(api, chatId, `?after=${all.at(-1)?.seq ?? 0}&limit=${limit}`);
        all.push(...page.data);
        if (page.data.length === 0 || all.at(-1).seq === page.last_seq) return all;
    }
}

describe('chats', () => {
    test('a direct chat of two is one, also when both make it at once', async () => {
        const [x, y] = [await makeUser(server), await makeUser(server)];
        const answers = await Promise.all([x, y, x, y, x, y].map((api) => api.post('/v1/chats', { type: 'direct', user_id: idOf(api === x ? y : x) })));
        assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 200, 200, 200, 201]);
        assert.equal(new Set(answers.map(({ json }) => json.id)).size, 1);
        const chat = ok(await y.get(`/v1/chats/${answers[0].json.id}`), 200);
        assert.deepEqual([chat.type, chat.title, chat.last_seq, chat.unread, chat.last_message], ['direct', null, 0, 0, null]);
        assert.deepEqual(chat.members.map(({ user_id }) => user_id).sort(), [idOf(x), idOf(y)].sort());
        assert.equal((await server.sql(`SELECT COUNT(*) FROM chat_member m JOIN direct_chat d ON d.chat_id = m.chat_id WHERE m.chat_id IN
            (SELECT chat_id FROM direct_chat ORDER BY chat_id DESC LIMIT 1)`, 'chat')).toString(), '2');
    });

    test('bad input is named', async () => {
        const post = (body) => ada.post('/v1/chats', body);
        invalid(await post({ type: 'direct' }), 'user_id');
        invalid(await post({ type: 'direct', user_id: idOf(ada) }), 'user_id');
        invalid(await post({ type: 'direct', user_id: 'usr_0000000000001' }), 'user_id');
        invalid(await post({ type: 'direct', user_id: idOf(bob), title: 'x' }), 'title');
        invalid(await post({ type: 'group' }), 'title');
        invalid(await post({ type: 'group', title: 'x', user_id: idOf(bob) }), 'user_id');
        invalid(await post({ type: 'group', title: 'a\u0007b' }), 'title');
        invalid(await post({ type: 'group', title: 'x'.repeat(201) }), 'title');
        invalid(await post({ type: 'channel', title: 'x' }), 'type');
        invalid(await post({ type: 'group', title: 'x', color: 'red' }), 'color');
        invalid(await post({ type: 'group', title: 'x', member_ids: ['bob'] }), 'member_ids');
        invalid(await ada.get('/v1/chats?limit=0'), 'limit');
        assert.equal((await ada.get('/v1/chats/cht_zzz')).status, 404);
    });

    test('an Idempotency-Key makes one group', async () => {
        const key = newKey();
        const make = (title) => ada.post('/v1/chats', { type: 'group', title }, { key });
        const first = ok(await make('Once'), 201);
        const again = await make('Once');
        assert.deepEqual([ok(again, 201).id, again.headers['idempotency-replayed']], [first.id, 'true']);
        problem(await make('Twice'), 422, 'idempotency-conflict');
    });

    test('are listed by newest activity, by pages, with what is unread', async () => {
        const me = await makeUser(server);
        const chats = [];
        for (let i = 0; i < 5; i++) chats.push((await group(me, [bob], `G${i}`)).id);
        await sent(bob, chats[1], 'first');
        await sent(bob, chats[1], 'second');
        await sent(bob, chats[3], 'third');
        const listed = [];
        let query = '?limit=2';
        for (;;) {
            const page = ok(await me.get(`/v1/chats${query}`), 200);
            listed.push(...page.data);
            if (!page.next_cursor) break;
            query = `?limit=2&cursor=${page.next_cursor}`;
        }
        assert.deepEqual(listed.map(({ id }) => id), [chats[3], chats[1], chats[4], chats[2], chats[0]]);
        assert.deepEqual(listed.map(({ unread }) => unread), [1, 2, 0, 0, 0]);
        assert.deepEqual([listed[0].last_message.body, listed[1].last_message.body, listed[2].last_message.type], ['third', 'second', 'system']);
    });
});

describe('members', () => {
    test('join, see what comes from then on, get roles, are removed, leave', async () => {
        const chat = await group(ada, [bob]);
        await sent(ada, chat.id, 'before Cleo');
        assert.equal((await cleo.get(`/v1/chats/${chat.id}`)).status, 404);
        assert.equal((await bob.post(`/v1/chats/${chat.id}/members`, { user_id: idOf(cleo) })).status, 403);
        invalid(await ada.post(`/v1/chats/${chat.id}/members`, { user_id: 'usr_0000000000001' }), 'user_id');
        invalid(await ada.post(`/v1/chats/${chat.id}/members`, { user_id: idOf(cleo), role: 'king' }), 'role');
        const joined = ok(await ada.post(`/v1/chats/${chat.id}/members`, { user_id: idOf(cleo) }), 201);
        assert.deepEqual([joined.member_count, joined.members_version], [3, 2]);
        assert.equal(ok(await ada.post(`/v1/chats/${chat.id}/members`, { user_id: idOf(cleo) }), 200).members_version, 2);
        const page = await log(cleo, chat.id);
        assert.deepEqual([seqs(page), page.first_seq, page.resync], [[3], 3, false]);
        assert.deepEqual(page.data[0].body, { event: 'added', user_id: idOf(cleo) });
        const old = (await log(ada, chat.id)).data[1];
        for (const answer of [await cleo.put(`/v1/messages/${old.id}/reactions/👍`), await cleo.post('/v1/reports', { message_id: old.id, reason: 'x' })])
            assert.equal(answer.status, 404, answer.text);
        invalid(await send(cleo, chat.id, 'to what I cannot see', { reply_to: old.id }), 'reply_to');

        assert.equal((await bob.post(`/v1/chats/${chat.id}/members`, { user_id: idOf(cleo), role: 'admin' })).status, 403);
        ok(await ada.post(`/v1/chats/${chat.id}/members`, { user_id: idOf(bob), role: 'admin' }), 200);
        assert.equal((await cleo.delete(`/v1/chats/${chat.id}/members/${idOf(bob)}`)).status, 403);
        assert.equal((await bob.delete(`/v1/chats/${chat.id}/members/${idOf(ada)}`)).status, 403);
        assert.equal((await bob.delete(`/v1/chats/${chat.id}/members/${idOf(cleo)}`)).status, 204);
        assert.equal((await bob.delete(`/v1/chats/${chat.id}/members/${idOf(cleo)}`)).status, 404);
        assert.equal((await log2(cleo, chat.id)).status, 404);
        assert.equal((await send(cleo, chat.id, 'x')).status, 404);
        assert.equal((await ada.delete(`/v1/chats/${chat.id}/members/${idOf(ada)}`)).status, 204);
        const left = ok(await bob.get(`/v1/chats/${chat.id}`), 200);
        assert.deepEqual([left.role, left.member_count], ['owner', 1], 'who stays inherits');
        assert.deepEqual((await log(bob, chat.id)).data.slice(-2).map(({ body }) => body.event), ['role', 'left']);
        assert.equal((await bob.delete(`/v1/chats/${chat.id}/members/${idOf(bob)}`)).status, 204);
        assert.equal((await bob.get(`/v1/chats/${chat.id}`)).status, 404);
    });
    const log2 = (api, chatId) => api.get(`/v1/chats/${chatId}/messages`);

    test('a group is renamed by its owner and admins, a direct chat by nobody', async () => {
        const chat = await group(ada, [bob]);
        assert.equal(ok(await ada.patch(`/v1/chats/${chat.id}`, { title: 'Row 2' }), 200).title, 'Row 2');
        assert.equal((await bob.patch(`/v1/chats/${chat.id}`, { title: 'x' })).status, 403);
        invalid(await ada.patch(`/v1/chats/${chat.id}`, { title: '' }), 'title');
        assert.deepEqual((await log(bob, chat.id)).data.at(-1).body, { event: 'renamed', title: 'Row 2' });
        const two = await direct(ada, bob);
        problem(await ada.patch(`/v1/chats/${two.id}`, { title: 'x' }), 409, 'conflict');
        problem(await ada.post(`/v1/chats/${two.id}/members`, { user_id: idOf(cleo) }), 409, 'conflict');
        problem(await ada.delete(`/v1/chats/${two.id}/members/${idOf(ada)}`), 409, 'conflict');
    });

    test('are at most 100', async () => {
        const chat = await group(ada, []);
        /* Signing up is dear: rows stand for the members. */
        const number = (await server.sql('SELECT MAX(id) FROM chat', 'chat'))[0][0];
        for (let i = 1; i < 100; i++)
            await server.sql(`INSERT INTO chat_member (chat_id, user_id, role, name, joined_seq, joined_at, delivered_seq, read_seq, read_texts)
                VALUES (${number}, ${i}, 0, 'M${i}', 0, 0, 0, 0, 0)`, 'chat');
        await server.sql(`UPDATE chat SET member_count = 100 WHERE id = ${number}`, 'chat');
        problem(await ada.post(`/v1/chats/${chat.id}/members`, { user_id: idOf(bob) }), 422, 'limit-exceeded');
        const shown = ok(await ada.get(`/v1/chats/${chat.id}`), 200);
        assert.deepEqual([shown.members.length, shown.member_count], [100, 100]);
        assert.equal(ok(await ada.get('/v1/chats?limit=1'), 200).data[0].members.length, 10);
        invalid(await ada.post('/v1/chats', { type: 'group', title: 'x', member_ids: range(1, 101).map((i) => `usr_${i}`) }), 'member_ids');
    });
});

describe('messages', () => {
    test('concurrent senders get seqs without a gap, and the order is the same for all', async () => {
        const chat = await group(ada, [bob, cleo]);
        const people = [ada, bob, cleo];
        const answers = await Promise.all(range(1, 90).map((i) => send(people[i % 3], chat.id, `m${i}`)));
        for (const answer of answers) assert.equal(answer.status, 201, answer.text);
        assert.deepEqual(answers.map(({ json }) => json.seq).sort((a, b) => a - b), range(2, 91));
        const [a, b, c] = await Promise.all(people.map((api) => whole(api, chat.id, 37)));
        assert.deepEqual(a.map(({ seq }) => seq), range(1, 91));
        const bare = (entries) => entries.map(({ id, seq, body, created_at }) => [id, seq, body, created_at]);
        assert.deepEqual(bare(b), bare(a));
        assert.deepEqual(bare(c), bare(a));
        const times = a.map(({ created_at }) => created_at);
        assert.deepEqual(times, [...times].sort());
    });

    test('a client id is sent once', async () => {
        const chat = await group(ada, [bob]);
        const body = { client_id: unique(), body: 'once' };
        const answers = await Promise.all(range(1, 12).map(() => ada.post(`/v1/chats/${chat.id}/messages`, body)));
        assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(11).fill(200), 201]);
        assert.equal(new Set(answers.map(({ json }) => json.id)).size, 1);
        problem(await ada.post(`/v1/chats/${chat.id}/messages`, { ...body, body: 'twice' }), 422, 'idempotency-conflict');
        assert.equal(ok(await bob.post(`/v1/chats/${chat.id}/messages`, body), 201).seq, 3, 'it is the sender\'s own');
        /* Whatever became of the sender. */
        ok(await bob.post(`/v1/chats/${chat.id}/messages`, { ...body, client_id: 'last-words' }), 201);
        assert.equal((await ada.delete(`/v1/chats/${chat.id}/members/${idOf(bob)}`)).status, 204);
        assert.equal(ok(await bob.post(`/v1/chats/${chat.id}/messages`, { ...body, client_id: 'last-words' }), 200).seq, 4);
        assert.equal((await send(bob, chat.id, 'new')).status, 404);
    });

    test('without the rows of client ids the same retry is sent twice', async () => {
        const chat = await group(ada);
        const body = { client_id: unique(), body: 'once?' };
        const post = () => ada.post(`/v1/chats/${chat.id}/messages`, body);
        const first = ok(await post(), 201);
        assert.equal(ok(await post(), 200).seq, first.seq);
        for (let i = 0; i < 4; i++) await server.sql(`DELETE FROM sent_${i}`, 'chat');
        assert.equal(ok(await post(), 201).seq, first.seq + 1);
    });

    test('are read by pages, forwards, backwards and between', async () => {
        const chat = await group(ada, [bob]);
        for (let i = 2; i <= 12; i++) await sent(ada, chat.id, `m${i}`);
        const read = async (query) => seqs(await log(bob, chat.id, query));
        assert.deepEqual(await read(''), range(1, 12));
        assert.deepEqual(await read('?limit=3'), [10, 11, 12]);
        assert.deepEqual(await read('?limit=3&before=10'), [7, 8, 9]);
        assert.deepEqual(await read('?limit=3&after=0'), [1, 2, 3]);
        assert.deepEqual(await read('?limit=3&after=3'), [4, 5, 6]);
        assert.deepEqual(await read('?after=3&before=6'), [4, 5]);
        assert.deepEqual(await read('?after=12'), []);
        assert.deepEqual(await read('?before=1'), []);
        for (const [query, field] of [['?after=-1', 'after'], ['?before=0', 'before'], ['?limit=201', 'limit'], ['?before=x', 'before'], ['?page=2', 'page']])
            invalid(await bob.get(`/v1/chats/${chat.id}/messages${query}`), field);
    });

    test('bad input is named', async () => {
        const chat = await group(ada, [bob]);
        const other = await sent(ada, (await group(ada)).id, 'elsewhere');
        const post = (body) => ada.post(`/v1/chats/${chat.id}/messages`, body);
        invalid(await post({ body: 'x' }), 'client_id');
        invalid(await post({ client_id: 'a b', body: 'x' }), 'client_id');
        invalid(await post({ client_id: 'x'.repeat(65), body: 'x' }), 'client_id');
        invalid(await post({ client_id: 'a' }), 'body');
        invalid(await post({ client_id: 'a', body: '' }), 'body');
        invalid(await post({ client_id: 'a', body: 'x'.repeat(8193) }), 'body');
        invalid(await post({ client_id: 'a', body: 'a\u0007b' }), 'body');
        assert.equal((await post({ client_id: 'a', body: 'a\u0000b' })).status, 400);
        invalid(await post({ client_id: 'a', body: 'x', reply_to: other.id }), 'reply_to');
        invalid(await post({ client_id: 'a', body: 'x', reply_to: 'msg_1' }), 'reply_to');
        invalid(await post({ client_id: 'a', body: 'x', colour: 1 }), 'colour');
        assert.equal((await post(`{"client_id":"a","body":"${'x'.repeat(70000)}"}`)).status, 413);
        assert.equal(ok(await post({ client_id: 'a', body: 'x'.repeat(8192) }), 201).body.length, 8192);
        assert.equal(ok(await post({ client_id: 'b', body: 'two\nlines\t🎭' }), 201).body, 'two\nlines\t🎭');
    });

    test('are replied to, edited, reacted to and deleted, each an entry of the log', async () => {
        const chat = await group(ada, [bob, cleo]);
        const first = await sent(ada, chat.id, 'frist');
        const reply = await sent(bob, chat.id, 'you mean first', { reply_to: first.id });
        assert.equal(reply.reply_to, first.id);
        const edited = ok(await ada.patch(`/v1/messages/${first.id}`, { body: 'first' }), 200);
        assert.deepEqual([edited.id, edited.body], [first.id, 'first']);
        assert.ok(edited.edited_at);
        ok(await ada.patch(`/v1/messages/${first.id}`, { body: 'first' }), 200);
        assert.equal((await bob.patch(`/v1/messages/${first.id}`, { body: 'x' })).status, 403);
        const heart = encodeURIComponent('❤️');
        for (const api of [bob, cleo, bob]) ok(await api.put(`/v1/messages/${first.id}/reactions/${heart}`), 200);
        assert.deepEqual(ok(await bob.put(`/v1/messages/${first.id}/reactions/👍`), 200).reactions,
            [{ emoji: '❤️', count: 2, mine: true }, { emoji: '👍', count: 1, mine: true }]);
        ok(await cleo.delete(`/v1/messages/${first.id}/reactions/${heart}`), 200);
        ok(await cleo.delete(`/v1/messages/${first.id}/reactions/${heart}`), 200);
        invalid(await bob.put(`/v1/messages/${first.id}/reactions/${'x'.repeat(33)}`), 'emoji');
        invalid(await bob.put(`/v1/messages/${first.id}/reactions/%07`), 'emoji');
        for (let i = 0; i < 6; i++) ok(await bob.put(`/v1/messages/${first.id}/reactions/${i}`), 200);
        problem(await bob.put(`/v1/messages/${first.id}/reactions/9`), 422, 'limit-exceeded');
        ok(await bob.put(`/v1/messages/${first.id}/reactions/5`), 200);

        const page = await log(cleo, chat.id);
        assert.deepEqual(seqs(page), range(1, page.last_seq));
        assert.deepEqual(page.data.map(({ type }) => type), ['system', 'text', 'text', 'edit', ...Array(10).fill('reaction')]);
        assert.deepEqual(page.data.slice(3).map(({ target }) => target), Array(11).fill(first.id));
        assert.deepEqual([page.data[1].body, page.data[3].body, page.data[4].body, page.data[7].removed], ['first', 'first', '❤️', true]);
        assert.equal(page.data[1].reactions.length, 8);

        assert.equal((await cleo.delete(`/v1/messages/${reply.id}`)).status, 403);
        for (let i = 0; i < 2; i++) assert.equal((await ada.delete(`/v1/messages/${first.id}`)).status, 204);
        const gone = (await log(bob, chat.id)).data;
        assert.deepEqual([gone.at(-1).type, gone.at(-1).target, gone.length], ['delete', first.id, page.data.length + 1]);
        assert.deepEqual([gone[1].body, gone[3].body, gone[1].reactions, typeof gone[1].deleted_at], [null, null, [], 'string']);
        problem(await ada.patch(`/v1/messages/${first.id}`, { body: 'x' }), 409, 'conflict');
        problem(await bob.put(`/v1/messages/${first.id}/reactions/👍`), 409, 'conflict');
        const tables = range(0, 32).map((i) => `SELECT body FROM message_${String(i).padStart(2, '0')}`).join(' UNION ALL ');
        assert.equal((await server.sql(`SELECT COUNT(*) FROM (${tables}) AS t WHERE body IN ('frist')`, 'chat')).toString(), '0', 'no text is left');
    });

    test('unread counts messages of others, not what happens to them', async () => {
        const chat = await group(ada, [bob]);
        const unread = async (api) => ok(await api.get(`/v1/chats/${chat.id}`), 200).unread;
        const one = await sent(ada, chat.id, 'one');
        const two = await sent(ada, chat.id, 'two');
        ok(await ada.patch(`/v1/messages/${one.id}`, { body: 'ONE' }), 200);
        ok(await ada.put(`/v1/messages/${two.id}/reactions/👍`), 200);
        assert.deepEqual([await unread(ada), await unread(bob)], [0, 2]);
        ok(await bob.post(`/v1/chats/${chat.id}/receipts`, { read_seq: one.seq }), 200);
        assert.equal(await unread(bob), 1);
        await sent(bob, chat.id, 'an answer');
        assert.deepEqual([await unread(ada), await unread(bob)], [1, 0]);
    });
});

describe('receipts and devices', () => {
    test('watermarks only grow, on every device', async () => {
        const chat = await group(ada, [bob]);
        for (let i = 0; i < 9; i++) await sent(ada, chat.id, `m${i}`);
        const post = (body) => bob.post(`/v1/chats/${chat.id}/receipts`, body);
        const marks = async () => ok(await ada.get(`/v1/chats/${chat.id}/receipts`), 200).data.find(({ user_id }) => user_id === idOf(bob));
        assert.deepEqual(ok(await post({ delivered_seq: 8, read_seq: 5 }), 200), { user_id: idOf(bob), delivered_seq: 8, read_seq: 5 });
        assert.deepEqual(ok(await post({ delivered_seq: 3, read_seq: 2 }), 200), { user_id: idOf(bob), delivered_seq: 8, read_seq: 5 });
        await Promise.all(range(1, 9).map((seq) => post({ read_seq: seq })));
        assert.deepEqual(await marks(), { user_id: idOf(bob), delivered_seq: 9, read_seq: 9 });
        invalid(await post({ read_seq: 11 }), 'read_seq');
        invalid(await post({ delivered_seq: 11 }), 'delivered_seq');
        invalid(await post({ delivered_seq: -1 }), 'delivered_seq');
        assert.equal((await cleo.post(`/v1/chats/${chat.id}/receipts`, { read_seq: 1 })).status, 404);
        assert.equal((await cleo.get(`/v1/chats/${chat.id}/receipts`)).status, 404);
    });

    test('devices have cursors of their own', async () => {
        const me = await makeUser(server);
        const push = { token: 'f00d', environment: { of: 'the app' } };
        const phone = ok(await me.post('/v1/devices', { name: 'Phone', platform: 'ios', push }), 201);
        assert.deepEqual(phone.push, push);
        const desk = ok(await me.post('/v1/devices', { name: 'Desk', platform: 'web' }), 201);
        assert.deepEqual(ok(await me.get('/v1/devices'), 200).data, [phone, desk]);
        const chat = await group(me);
        for (let i = 0; i < 3; i++) await sent(me, chat.id, 'x');
        const move = (device, seq) => me.post(`/v1/chats/${chat.id}/receipts`, { delivered_seq: seq, device_id: device.id });
        for (const [device, seq] of [[phone, 2], [desk, 4], [phone, 1], [desk, 3]]) ok(await move(device, seq), 200);
        const cursors = () => server.sql('SELECT seq FROM device_cursor ORDER BY device_id', 'chat');
        assert.deepEqual((await cursors()).flat().map(Number).slice(-2), [2, 4]);
        invalid(await bob.post('/v1/devices', { name: 'x'.repeat(101), platform: 'web' }), 'name');
        invalid(await bob.post('/v1/devices', { name: 'x', platform: 'web', push: { token: 'x'.repeat(2048) } }), 'push');
        invalid(await move({ id: 'dev_0000000000001' }, 1), 'device_id');
        assert.equal((await me.put(`/v1/devices/${desk.id}/push`, SUBSCRIPTION)).status, 204);
        assert.deepEqual(ok(await me.get('/v1/devices'), 200).data[1].push, SUBSCRIPTION);
        assert.equal((await me.delete(`/v1/devices/${desk.id}/push`)).status, 204);
        assert.equal((await bob.delete(`/v1/devices/${phone.id}`)).status, 404);
        assert.equal((await me.delete(`/v1/devices/${phone.id}`)).status, 204);
        assert.deepEqual((await cursors()).flat().map(Number).slice(-1), [4]);
        for (let i = 1; i < 20; i++) ok(await me.post('/v1/devices', { name: `D${i}`, platform: 'web' }), 201);
        problem(await me.post('/v1/devices', { name: 'one more', platform: 'web' }), 422, 'limit-exceeded');
    });
});

describe('blocks and reports', () => {
    test('a block closes the direct chat for both, and groups stay what they are', async () => {
        const [x, y] = [await makeUser(server), await makeUser(server)];
        const chat = await direct(x, y);
        const client = { client_id: unique(), body: 'before' };
        const before = ok(await y.post(`/v1/chats/${chat.id}/messages`, client), 201);
        const both = await group(ada, [x, y]);
        assert.equal((await x.put(`/v1/blocks/${idOf(y)}`)).status, 204);
        assert.equal((await x.put(`/v1/blocks/${idOf(y)}`)).status, 204);
        assert.deepEqual(ok(await x.get('/v1/blocks'), 200).data.map(({ user_id }) => user_id), [idOf(y)]);
        assert.deepEqual(ok(await y.get('/v1/blocks'), 200).data, []);
        for (const api of [x, y]) problem(await send(api, chat.id, 'after'), 403, 'forbidden');
        assert.equal(ok(await y.post(`/v1/chats/${chat.id}/messages`, client), 200).id, before.id, 'what was accepted stays so');
        assert.equal((await y.patch(`/v1/messages/${before.id}`, { body: 'around it' })).status, 403);
        assert.equal((await x.put(`/v1/messages/${before.id}/reactions/👎`)).status, 403);
        assert.equal((await y.post('/v1/chats', { type: 'group', title: 'trap', member_ids: [idOf(x)] })).status, 403);
        await sent(y, both.id, 'in a group');
        assert.equal((await x.delete(`/v1/blocks/${idOf(y)}`)).status, 204);
        await sent(y, chat.id, 'again');
        invalid(await x.put(`/v1/blocks/${idOf(x)}`), 'user_id');
        assert.equal((await x.put('/v1/blocks/usr_0000000000001')).status, 404);
        const z = await makeUser(server);
        assert.equal((await x.put(`/v1/blocks/${idOf(z)}`)).status, 204);
        for (const [a, b] of [[x, z], [z, x]]) problem(await a.post('/v1/chats', { type: 'direct', user_id: idOf(b) }), 403, 'forbidden');
        assert.equal((await z.post(`/v1/chats/${(await group(z)).id}/members`, { user_id: idOf(x) })).status, 403);
    });

    test('a report keeps what was said, and moderators delete', async () => {
        const chat = await group(ada, [bob]);
        for (let i = 0; i < 12; i++) await sent(ada, chat.id, `m${i}`);
        const bad = await sent(ada, chat.id, 'bad words');
        const report = ok(await bob.post('/v1/reports', { message_id: bad.id, reason: 'rude' }), 201);
        assert.deepEqual([report.context.length, report.context.at(-1).body, report.message_id], [11, 'bad words', bad.id]);
        assert.equal(ok(await bob.post('/v1/reports', { message_id: bad.id, reason: 'again' }), 200).id, report.id);
        assert.equal((await cleo.post('/v1/reports', { message_id: bad.id, reason: 'x' })).status, 404);
        invalid(await bob.post('/v1/reports', { message_id: 'msg_1', reason: 'x' }), 'message_id');
        assert.equal((await ada.delete(`/v1/messages/${bad.id}`)).status, 204);
        const listed = ok(await mod.get('/v1/reports?limit=1'), 200).data[0];
        assert.deepEqual([listed.id, listed.context.at(-1).body], [report.id, 'bad words']);
        assert.equal((await bob.get('/v1/reports')).status, 403);
        const other = await sent(ada, chat.id, 'more');
        assert.equal((await mod.get(`/v1/chats/${chat.id}/messages`)).status, 404);
        assert.equal((await mod.patch(`/v1/messages/${other.id}`, { body: 'x' })).status, 404);
        assert.equal((await mod.delete(`/v1/messages/${other.id}`)).status, 204);
        assert.equal((await log(bob, chat.id)).data.at(-1).sender_id, mod.user.id);
    });
});

describe('authorization', () => {
    /* For each route, what it answers nobody, a stranger to the thing, and a plain member. */
    const TABLE = `
        post /v1/chats                               401 201 201
        get /v1/chats                                401 200 200
        get /v1/chats/{id}                           401 404 200
        patch /v1/chats/{id}                         401 404 403
        post /v1/chats/{id}/members                  401 404 403
        delete /v1/chats/{id}/members/{user_id}      401 404 403
        post /v1/chats/{id}/messages                 401 404 201
        get /v1/chats/{id}/messages                  401 404 200
        patch /v1/messages/{id}                      401 404 403
        delete /v1/messages/{id}                     401 404 403
        get /v1/messages/search                      401 200 200
        put /v1/messages/{id}/reactions/{emoji}      401 404 200
        delete /v1/messages/{id}/reactions/{emoji}   401 404 200
        post /v1/chats/{id}/receipts                 401 404 200
        get /v1/chats/{id}/receipts                  401 404 200
        post /v1/devices                             401 201 201
        get /v1/devices                              401 200 200
        delete /v1/devices/{id}                      401 404 404
        put /v1/devices/{id}/push                    401 404 404
        delete /v1/devices/{id}/push                 401 404 404
        get /v1/push/key                             401 200 200
        put /v1/chats/{id}/mute                      401 404 204
        delete /v1/chats/{id}/mute                   401 404 204
        put /v1/blocks/{user_id}                     401 204 204
        delete /v1/blocks/{user_id}                  401 204 204
        get /v1/blocks                               401 200 200
        post /v1/reports                             401 404 201
        get /v1/reports                              401 403 403
        get /v1/stream                               426 426 426`.trim().split('\n').map((line) => line.trim().split(/\s+/));
    const BODIES = {
        'post /v1/chats': () => ({ type: 'group', title: 'x' }),
        'patch /v1/chats/{id}': () => ({ title: 'x' }),
        'post /v1/chats/{id}/members': () => ({ user_id: idOf(cleo) }),
        'post /v1/chats/{id}/messages': () => ({ client_id: unique(), body: 'x' }),
        'patch /v1/messages/{id}': () => ({ body: 'x' }),
        'post /v1/chats/{id}/receipts': () => ({ read_seq: 1 }),
        'post /v1/devices': () => ({ name: 'x', platform: 'web' }),
        'put /v1/devices/{id}/push': () => SUBSCRIPTION,
        'put /v1/chats/{id}/mute': () => ({}),
        'post /v1/reports': (world) => ({ message_id: world.message.id, reason: 'x' }),
    };

    test('every route is in the table, and answers as it says', async () => {
        const routes = server.contract.operations.filter(({ tags }) => tags?.includes('chat')).map(({ method, pattern }) => `${method} ${pattern}`);
        assert.deepEqual(TABLE.map(([method, pattern]) => `${method} ${pattern}`).sort(), routes.sort());
        const chat = await group(ada, [bob]);
        const world = { chat, message: await sent(ada, chat.id, 'theirs') };
        const device = ok(await ada.post('/v1/devices', { name: 'x', platform: 'web' }), 201);
        const stranger = await makeUser(server);
        for (const [method, pattern, ...expected] of TABLE) {
            const path = pattern.replace('{emoji}', 'x').replace('/search', '/search?q=theirs').replace('{user_id}', pattern.includes('blocks') ? idOf(cleo) : idOf(ada))
                .replace('{id}', pattern.includes('/messages/{id}') ? world.message.id : pattern.includes('devices') ? device.id : chat.id);
            const body = BODIES[`${method} ${pattern}`]?.(world);
            const answers = [];
            for (const api of [server.anonymous, stranger, bob]) answers.push((await api.call(method.toUpperCase(), path, body)).status);
            assert.deepEqual(answers.map(String), expected, `${method} ${pattern}`);
        }
        assert.equal((await server.as('ses_none').get('/v1/chats')).status, 401);
        assert.equal((await log(ada, chat.id)).last_seq, 5, 'what was refused left nothing: a message and two reactions were not');
    });

    test('each route has succeeded in these tests', () => { /* but the stream, which has its own */
        const silent = server.contract.operations.filter(({ pattern, tags, statuses }) => pattern !== '/v1/stream' && tags?.includes('chat') && ![...statuses].some((status) => status < 300));
        assert.deepEqual(silent.map(({ method, pattern }) => `${method} ${pattern}`), []);
    });
});

describe('limits', () => {
    test('who sends too much is told to wait, and so is a network that makes chats', async () => {
        const own = await Foyer.start({ args: ARGS });
        const me = await makeUser(own);
        const chat = await group(me);
        /* More at once than a minute gives back. */
        let answer = (await Promise.all(range(1, 450).map(() => send(me, chat.id, 'x')))).find(({ status }) => status !== 201);
        problem(answer, 429, 'rate-limited');
        assert.match(answer.headers['ratelimit-policy'], /^"chat-send";q=100;w=20/);
        assert.ok(Number(answer.headers['retry-after']) >= 1);
        await own.advance(20000);
        await sent(me, chat.id, 'later');
        answer = (await Promise.all(range(1, 60).map(() => me.post('/v1/chats', { type: 'group', title: 'x' })))).find(({ status }) => status !== 201);
        problem(answer, 429, 'rate-limited');
        assert.match(answer.headers['ratelimit-policy'], /^"chat-create"/);
        await own.stop();
    });

    test('a user has at most 1000 chats', async () => {
        const me = await makeUser(server);
        const first = await group(me);
        const [[chatId, userId]] = await server.sql('SELECT MAX(chat_id), MAX(user_id) FROM chat_member WHERE chat_id = (SELECT MAX(id) FROM chat)', 'chat');
        assert.ok(first.id && chatId);
        const rows = range(1, 999).map((i) => `(${i}, ${userId}, 0, 'x', 0, 0, 0, 0, 0)`).join(', ');
        await server.sql(`INSERT INTO chat_member (chat_id, user_id, role, name, joined_seq, joined_at, delivered_seq, read_seq, read_texts) VALUES ${rows}`, 'chat');
        problem(await me.post('/v1/chats', { type: 'group', title: 'x' }), 422, 'limit-exceeded');
        problem(await ada.post('/v1/chats', { type: 'direct', user_id: idOf(me) }), 422, 'limit-exceeded');
        problem(await ada.post(`/v1/chats/${(await group(ada)).id}/members`, { user_id: idOf(me) }), 422, 'limit-exceeded');
    });
});

describe('time', () => {
    test('messages stay for 30 days; after that the log says where it begins', async () => {
        const own = await Foyer.start({ args: QUIET });
        const [x, y] = [await makeUser(own), await makeUser(own)];
        const chat = await direct(x, y);
        const client = { client_id: 'of-long-ago', body: 'day 0' };
        const first = ok(await x.post(`/v1/chats/${chat.id}/messages`, client), 201);
        const log0 = async (api) => {
            const page = await log(api, chat.id, '?after=0');
            return [seqs(page), page.first_seq, page.last_seq, page.resync];
        };
        for (let day = 1; day <= 29; day++) {
            await own.advance(DAY);
            if (day % 3 === 0) await sent(x, chat.id, `day ${day}`);
        }
        await own.advance(DAY - 60000);
        /* Sessions last a month at most: who was away logs in again. */
        const relog = async (api) => Object.assign(own.as((await own.anonymous.post('/v1/sessions', { email: api.email, password: 'correct horse battery' })).json.token), { user: api.user });
        const [x2, y2] = [await relog(x), await relog(y)];
        assert.deepEqual(await log0(y2), [range(1, 10), 1, 10, false], 'after 29 days and 23 hours all of it');
        assert.equal(ok(await x2.post(`/v1/chats/${chat.id}/messages`, client), 200).seq, first.seq, 'a retry of 30 days');
        const chatOf = async (api) => ok(await api.get('/v1/chats'), 200).data[0];
        assert.equal((await chatOf(y2)).unread, 10);
        await own.advance(DAY + DAY);
        assert.deepEqual(await log0(y2), [range(2, 10), 2, 10, true], 'the first day is gone');
        assert.equal((await chatOf(y2)).unread, 9);
        assert.equal((await x2.patch(`/v1/messages/${first.id}`, { body: 'x' })).status, 404);
        const again = ok(await x2.post(`/v1/chats/${chat.id}/messages`, client), 201);
        assert.equal(again.seq, 11, 'and so is its client id');
        const counts = () => own.sql(range(0, 32).map((i) => `SELECT COUNT(*) FROM message_${String(i).padStart(2, '0')}`).join(' UNION ALL '), 'chat');
        const total = async () => (await counts()).flat().map(Number).reduce((a, b) => a + b);
        await until(async () => (await total()) === 10, { what: 'the old table to be emptied' });
        await own.advance(31 * DAY);
        const [x3] = [await relog(x)];
        await own.advance(DAY);
        assert.deepEqual(await log0(x3), [[], 12, 11, true], 'nothing is kept');
        assert.deepEqual([(await chatOf(x3)).last_message, (await chatOf(await relog(y))).unread], [null, 0]);
        await until(async () => (await total()) === 0, { what: 'all tables to be empty' });
        assert.equal((await sent(x3, chat.id, 'on')).seq, 12, 'the count goes on');
        assert.deepEqual(await log0(x3), [[12], 12, 12, true]);
        await own.stop();
    });

    test('what was acknowledged is there after kill -9, and asking again gives the same', async () => {
        const own = await Foyer.start({ args: QUIET });
        const [x, y] = [await makeUser(own), await makeUser(own)];
        const chat = await direct(x, y);
        const acked = new Map();
        const bodies = range(1, 300).map((i) => ({ client_id: `c${i}`, body: `m${i}` }));
        const sending = bodies.map((body) => x.post(`/v1/chats/${chat.id}/messages`, body).then((answer) => answer.status === 201 && acked.set(body.client_id, answer.json), () => null));
        await until(() => acked.size >= 20, { every: 1, what: 'some acknowledgements' });
        await own.kill9();
        await Promise.all(sending);
        assert.ok(acked.size >= 20);
        await own.start();
        const known = new Map(acked);
        for (const body of bodies) {
            const answer = await own.as(x.token).post(`/v1/chats/${chat.id}/messages`, body);
            const before = known.get(body.client_id);
            assert.ok(before ? answer.status === 200 : [200, 201].includes(answer.status), answer.text);
            if (before) assert.deepEqual([answer.json.seq, answer.json.id], [before.seq, before.id]);
        }
        const all = await whole(own.as(y.token), chat.id);
        assert.deepEqual(all.map(({ seq }) => seq), range(1, 300));
        assert.deepEqual(new Set(all.map(({ client_id }) => client_id)), new Set(bodies.map(({ client_id }) => client_id)));
        await own.stop();
    });

    test('a restored backup begins a new epoch', { skip: sqliteOnly('backup') }, async () => {
        const own = await Foyer.start({ args: BOTH });
        const x = await makeUser(own);
        const chat = await group(x);
        const kept = await sent(x, chat.id, 'kept');
        const [copy, data] = [`${tempDir()}/copy`, `${tempDir()}/data`];
        assert.equal((await run(['backup', '--data', own.dir, '--to', copy])).code, 0);
        const lost = await sent(x, chat.id, 'lost');
        const { epoch } = await log(x, chat.id);
        await own.stop();
        const restored = await run(['restore', '--data', data, '--from', copy]);
        assert.equal(restored.code, 0, restored.stderr + restored.stdout);
        const other = await Foyer.start({ args: BOTH, dir: data });
        const api = other.as(x.token);
        const page = await log(api, chat.id);
        assert.ok(page.epoch > epoch);
        assert.deepEqual(page.data.map(({ id }) => id).slice(-1), [kept.id]);
        const next = await sent(api, chat.id, 'new');
        assert.equal(next.seq, lost.seq);
        assert.notEqual(next.id, lost.id);
        assert.equal((await api.patch(`/v1/messages/${lost.id}`, { body: 'x' })).status, 404);
        assert.equal((await api.patch(`/v1/messages/${next.id}`, { body: 'newer' })).status, 200);
        await other.stop();
    });
});

describe('the audit', () => {
    /* [what is done to the rows, what must be named]; all of it is taken back by a new server each time. */
    const DAMAGE = [
        ['DELETE FROM {log} WHERE seq = 3', 'chat-log'],
        ['UPDATE chat SET last_seq = last_seq + 1 WHERE type = 1', 'chat-log'],
        ['UPDATE chat SET texts = texts - 1 WHERE type = 1', 'chat-log'],
        ['UPDATE log_slot SET day = day + 1', 'chat-ring'],
        ['UPDATE chat SET day_bits = 0 WHERE type = 1', 'chat-row'],
        ['UPDATE chat SET member_count = 3 WHERE type = 1', 'chat-members'],
        ['UPDATE chat_member SET role = 0', 'chat-members'],
        ['DELETE FROM direct_chat', 'chat-direct'],
        ['UPDATE chat_member SET read_seq = read_seq + 1', 'chat-marks'],
        ['UPDATE chat_member SET delivered_seq = 100', 'chat-marks'],
        ['UPDATE chat SET event_id = 5 WHERE type = 1', 'chat-about'],
        ['INSERT INTO event_chat (event_id, user_id, chat_id) SELECT 5, 6, id FROM chat WHERE type = 1', 'chat-about'],
    ];

    test('is clean after all kinds of work, and names what is damaged', async () => {
        const own = await Foyer.start({ args: BOTH });
        const [x, y] = [await makeUser(own), await makeUser(own)];
        const two = await direct(x, y);
        const chat = await group(x, [y]);
        for (const id of [two.id, chat.id]) for (let i = 0; i < 4; i++) await sent(i % 2 ? x : y, id, `m${i}`);
        const message = await sent(x, chat.id, 'edited');
        ok(await x.patch(`/v1/messages/${message.id}`, { body: 'EDITED' }), 200);
        ok(await y.put(`/v1/messages/${message.id}/reactions/x`), 200);
        ok(await y.post(`/v1/chats/${chat.id}/receipts`, { read_seq: 5 }), 200);
        const audit = async () => {
            const { stdout } = await run(['audit', '--data', own.dir, '--json']);
            return JSON.parse(stdout);
        };
        const clean = await audit();
        assert.deepEqual(clean.findings, []);
        assert.deepEqual([clean.totals.chat_chats, clean.totals.chat_entries], [2, 12]);
        const day = Math.floor((await own.now()) / DAY);
        const tables = ['chat', 'direct_chat', 'chat_member', 'event_chat', 'log_slot', `message_${String(day % 33).padStart(2, '0')}`];
        for (const table of tables) await own.sql(`CREATE TABLE kept_${table} AS SELECT * FROM ${table}`, 'chat');
        for (const [damage, check] of DAMAGE) {
            await own.sql(damage.replace('{log}', tables.at(-1)), 'chat');
            const found = (await audit()).findings.map((finding) => finding.check);
            assert.ok(found.includes(check), `${damage}: ${found}`);
            for (const table of tables) {
                await own.sql(`DELETE FROM ${table}`, 'chat');
                await own.sql(`INSERT INTO ${table} SELECT * FROM kept_${table}`, 'chat');
            }
        }
        for (const table of tables) await own.sql(`DROP TABLE kept_${table}`, 'chat');
        assert.deepEqual((await audit()).findings, []);
        await own.stop();
    });
});

describe('two nodes', { skip: !isPostgres && 'nodes share PostgreSQL' }, () => {
    test('send into one chat: seqs have no gap, and the order is the same everywhere', async () => {
        const cluster = await Postgres.start();
        const nodes = await Nodes.start(cluster, { args: ['--services=tickets,chat'] });
        try {
            const [x, y] = [await makeUser(nodes.a), await makeUser(nodes.a)];
            const [a, b] = [nodes.a, nodes.b];
            const twins = await Promise.all([[a, x, y], [b, y, x], [b, x, y], [a, y, x]].map(([node, me, other]) =>
                node.as(me.token).post('/v1/chats', { type: 'direct', user_id: idOf(other) })));
            assert.equal(new Set(twins.map(({ json }) => json.id)).size, 1, 'one direct chat');
            const chatId = twins[0].json.id;
            const bodies = range(1, 120).map((i) => ({ client_id: `c${i}`, body: `m${i}` }));
            /* Each is sent through both nodes at once. */
            const answers = await Promise.all(bodies.flatMap((body) => [a, b].map((node) => node.as(x.token).post(`/v1/chats/${chatId}/messages`, body))));
            for (let i = 0; i < answers.length; i += 2) {
                assert.deepEqual([answers[i].status, answers[i + 1].status].sort(), [200, 201]);
                assert.equal(answers[i].json.id, answers[i + 1].json.id);
            }
            await Promise.all(range(1, 60).map((i) => send([a, b][i % 2].as([x, y][i % 3 % 2].token), chatId, `n${i}`)));
            const logs = await Promise.all([[a, x], [b, x], [a, y], [b, y]].map(([node, who]) => whole(node.as(who.token), chatId)));
            assert.deepEqual(logs[0].map(({ seq }) => seq), range(1, 180));
            for (const other of logs.slice(1)) assert.deepEqual(other.map(({ id, body }) => [id, body]), logs[0].map(({ id, body }) => [id, body]));
            const times = logs[0].map(({ created_at }) => created_at);
            assert.deepEqual(times, [...times].sort());
            await nodes.stop();
        } finally {
            await nodes.end();
            await cluster.kill();
        }
    });
});
