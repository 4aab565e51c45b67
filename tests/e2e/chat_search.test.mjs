/*
 * C15: search in one's own messages. What is found is what a model of the log says, in the same order, whatever the pages' size; one finds only
 * what the log would show; each request looks at so many entries and says where to go on.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { DAY, makeUser, unique } from './lib/seed.mjs';

const ARGS = ['--services=chat'];
const ENTRIES_MAX = 20000; /* SEARCH_ENTRIES_MAX */

let server;
let ada, bob, cleo;
before(async () => {
    server = await Foyer.start({ args: [...ARGS, '--abuse=off'] });
    [ada, bob, cleo] = [await makeUser(server, { name: 'Ada' }), await makeUser(server, { name: 'Bob' }), await makeUser(server, { name: 'Cleo' })];
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
const group = async (owner, others = []) => ok(await owner.post('/v1/chats', { type: 'group', title: 'Row 1', member_ids: others.map((api) => api.user.id) }), 201);
const sent = async (api, chatId, body) => ok(await api.post(`/v1/chats/${chatId}/messages`, { client_id: unique(), body }), 201);
const search = (api, query) => api.get(`/v1/messages/search?${new URLSearchParams(query)}`);
const bodies = async (api, query) => ok(await search(api, query), 200).data.map(({ body }) => body);

/* All pages; and how many there were. */
async function whole(api, query) {
    const all = [];
    let cursor = null;
    for (let pages = 1; ; pages++) {
        const page = ok(await search(api, { ...query, ...(cursor && { cursor }) }), 200);
        assert.ok(page.data.length <= (query.limit ?? 50));
        all.push(...page.data);
        cursor = page.next_cursor;
        if (!cursor) return { all, pages };
    }
}

/* Newest first; chats of one millisecond by their ids. */
const inOrder = (messages) => [...messages].sort((a, b) =>
    (a.created_at === b.created_at ? (a.chat_id === b.chat_id ? b.seq - a.seq : a.chat_id < b.chat_id ? 1 : -1) : a.created_at < b.created_at ? 1 : -1));
const ids = (messages) => messages.map(({ id }) => id);

describe('what is found', () => {
    test('words anywhere in a text, whatever their case and accents', async () => {
        const chat = await group(ada);
        const texts = ['Die Straße nach ZÜRICH', 'zurich by night', 'Œuvre complète', 'Москва, ЁЛКА', 'ΑΘΗΝΑ', '東京で会いましょう', 'one\n  two\tthree', '100% _safe_ "quoted"'];
        for (const text of texts) await sent(ada, chat.id, text);
        const found = async (q) => bodies(ada, { q, chat_id: chat.id });
        assert.deepEqual(await found('Zürich'), [texts[1], texts[0]]);
        assert.deepEqual(await found('zu\u0308rich'), [texts[1], texts[0]], 'decomposed');
        assert.deepEqual(await found('NIGHT zur'), [texts[1]], 'every word, in any order, also a part of one');
        assert.deepEqual(await found('COMPLETE'), [texts[2]]);
        assert.deepEqual(await found('москва ёлка'), [texts[3]]);
        assert.deepEqual(await found('αθηνα'), [texts[4]]);
        assert.deepEqual(await found('会い'), [texts[5]]);
        assert.deepEqual(await found('two three'), [texts[6]]);
        for (const q of ['%', '_', '"', '100%', '_safe_ "']) assert.deepEqual(await found(q), [texts[7]], `${q} means itself`);
        assert.deepEqual(await found('*'), []);
        assert.deepEqual(await found('paris'), []);
    });

    test('what the log shows, as it is now', async () => {
        const chat = await group(ada, [bob]);
        const other = await group(ada);
        const word = unique();
        const early = await sent(ada, chat.id, `${word} early`);
        const edited = await sent(bob, chat.id, `${word} before`);
        const deleted = await sent(bob, chat.id, `${word} deleted`);
        await sent(ada, other.id, `${word} of another chat`);
        ok(await bob.patch(`/v1/messages/${edited.id}`, { body: `${word} edited` }), 200);
        assert.equal((await bob.delete(`/v1/messages/${deleted.id}`)).status, 204);
        ok(await ada.put(`/v1/messages/${early.id}/reactions/${word}`), 200);
        ok(await ada.patch(`/v1/chats/${chat.id}`, { title: word }), 200);
        assert.deepEqual(await bodies(bob, { q: word }), [`${word} edited`, `${word} early`], 'neither deleted, nor a title, a reaction, an edit\'s own entry');
        assert.deepEqual(await bodies(bob, { q: `${word} before` }), []);
        assert.deepEqual(await bodies(ada, { q: word }), [`${word} of another chat`, `${word} edited`, `${word} early`]);
        assert.deepEqual(await bodies(ada, { q: word, chat_id: other.id }), [`${word} of another chat`]);
        const [hit] = ok(await search(bob, { q: `${word} early` }), 200).data;
        assert.deepEqual(hit, ok(await bob.get(`/v1/chats/${chat.id}/messages?after=${early.seq - 1}&limit=1`), 200).data[0], 'shown as in the log');

        assert.deepEqual(await bodies(cleo, { q: word }), []);
        ok(await ada.post(`/v1/chats/${chat.id}/members`, { user_id: cleo.user.id }), 201);
        assert.deepEqual(await bodies(cleo, { q: word }), [], 'nothing from before one joined');
        await sent(ada, chat.id, `${word} late`);
        assert.deepEqual(await bodies(cleo, { q: word }), [`${word} late`]);
        assert.equal((await cleo.delete(`/v1/chats/${chat.id}/members/${cleo.user.id}`)).status, 204);
        assert.deepEqual(await bodies(cleo, { q: word }), [], 'nothing from where one has left');
        assert.equal((await search(cleo, { q: word, chat_id: chat.id })).status, 404);

        /* A block ends writing, not reading: what the log shows is found. */
        const direct = ok(await ada.post('/v1/chats', { type: 'direct', user_id: cleo.user.id }), 201);
        await sent(cleo, direct.id, `${word} direct`);
        assert.equal((await ada.put(`/v1/blocks/${cleo.user.id}`)).status, 204);
        assert.deepEqual(await bodies(ada, { q: `${word} direct` }), [`${word} direct`]);
    });

    test('queries that are wrong are told which field', async () => {
        invalid(await ada.get('/v1/messages/search'), 'q');
        for (const q of ['', ' ', '\u0301', 'x'.repeat(201)]) invalid(await search(ada, { q }), 'q');
        assert.equal((await search(ada, { q: 'x'.repeat(200) })).status, 200);
        invalid(await ada.get('/v1/messages/search?q=%ff'), 'q');
        invalid(await search(ada, { q: 'x', chat_id: 'cht_1' }), 'chat_id');
        invalid(await search(ada, { q: 'x', chat_id: ada.user.id }), 'chat_id');
        for (const limit of ['0', '201', 'x']) invalid(await search(ada, { q: 'x', limit }), 'limit');
        for (const cursor of ['', 'x', 'A'.repeat(31), 'A'.repeat(33)]) invalid(await search(ada, { q: 'x', cursor }), 'cursor');
        /* A position that nobody gave out is one all the same. */
        for (const cursor of ['A'.repeat(32), '_'.repeat(32), `${'f'.repeat(31)}0`, `${'_'.repeat(11)}${'A'.repeat(21)}`, 'A'.repeat(22)]) assert.equal((await search(ada, { q: 'x', cursor })).status, 200);
        assert.equal((await search(ada, { q: 'x', chat_id: 'cht_0000000000001' })).status, 404);
        invalid(await search(ada, { q: 'x', order: 'asc' }), 'order');
    });

    test('who searches too often is told to wait', async () => {
        const own = await Foyer.start({ args: ARGS });
        const me = await makeUser(own);
        const answers = await Promise.all(Array.from({ length: 120 }, () => search(me, { q: 'x' })));
        const refused = answers.find(({ status }) => status === 429);
        assert.match(refused.headers['ratelimit-policy'], /^"chat-search";q=30;w=30/);
        await own.stop();
    });
});

describe('pages', () => {
    /* Days with many chats that are written to in turn, a few of them much more than others, so that a page begins in the middle of all of them. */
    test('hold what a model says, in its order, whatever their size', async () => {
        const own = await Foyer.start({ args: [...ARGS, '--abuse=off'] });
        const [me, other] = [await makeUser(own), await makeUser(own)];
        const chats = [];
        for (let i = 0; i < 7; i++) chats.push(await group(other, [me]));
        const model = [];
        let random = 7;
        const below = (n) => (random = (random * 1103515245 + 12345) % 2147483648) % n;
        for (let day = 0; day < 4; day++) {
            for (let round = 0; round < 12; round++) {
                /* In one go: several have the same time. */
                const burst = Array.from({ length: 40 }, () => [chats[below(3) === 0 ? below(chats.length) : 0], below(4) ? 'hay' : 'needle']);
                model.push(...await Promise.all(burst.map(([chat, text]) => sent(other, chat.id, `${text} ${day}`))));
            }
            if (day < 3) await own.advance(DAY);
        }
        const expected = inOrder(model.filter(({ body }) => body.startsWith('needle')));
        assert.ok(expected.length > 300, `${expected.length}`);
        for (const limit of [1, 7, 50, 200]) {
            const { all, pages } = await whole(me, { q: 'NEEDLE', limit });
            assert.deepEqual(ids(all), ids(expected), `limit ${limit}`);
            assert.ok(pages <= Math.ceil(expected.length / limit) + 1, `${pages} pages of ${limit}`);
        }
        const one = expected.filter(({ chat_id: id }) => id === chats[0].id);
        assert.deepEqual(ids((await whole(me, { q: 'needle', chat_id: chats[0].id, limit: 9 })).all), ids(one));
        assert.deepEqual(ids((await whole(me, { q: '1 needle', limit: 9 })).all), ids(expected.filter(({ body }) => body.endsWith('1'))));
        /* What comes meanwhile is no part of the pages that follow. */
        const first = ok(await search(me, { q: 'needle', limit: 10 }), 200);
        for (const chat of chats) await sent(other, chat.id, 'needle of later');
        const second = ok(await search(me, { q: 'needle', limit: 10, cursor: first.next_cursor }), 200);
        assert.deepEqual(ids([...first.data, ...second.data]), ids(expected.slice(0, 20)));
        await own.stop();
    });

    test('end after so many entries, also when nothing was found', async () => {
        const own = await Foyer.start({ args: [...ARGS, '--abuse=off'] });
        const me = await makeUser(own);
        const chat = await group(me);
        const needle = await sent(me, chat.id, 'the needle');
        const count = 2 * ENTRIES_MAX + 5000;
        const [[id, userId, day, at]] = await own.sql('SELECT id, created_by, last_day, last_at FROM chat', 'chat');
        const table = `message_${String(Number(day) % 33).padStart(2, '0')}`;
        /* Behind the needle; the log goes on from there. */
        await own.sql(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
            INSERT INTO ${table} (chat_id, seq, epoch, type, sender_id, client_id, body, media_id, reply_to, target, texts, reactions, edited_at, deleted_at, created_at)
            SELECT ${id}, ${needle.seq} + i, 1, 0, ${userId}, '', 'hay', 0, 0, 0, ${needle.seq} + i, 0, 0, 0, ${at} FROM n`, 'chat');
        await own.sql(`UPDATE chat SET last_seq = last_seq + ${count}, shown_seq = shown_seq + ${count}, texts = texts + ${count}`, 'chat');
        const first = ok(await search(me, { q: 'needle' }), 200);
        assert.deepEqual(first.data, []);
        assert.ok(first.next_cursor, 'more to look at');
        const { all, pages } = await whole(me, { q: 'needle' });
        assert.deepEqual(ids(all), [needle.id]);
        assert.ok(pages >= 3, `${pages}`);
        assert.deepEqual(ids((await whole(me, { q: 'needle', chat_id: chat.id })).all), [needle.id]);
        await own.stop();
    });

    test('hold nothing of days that are not kept', async () => {
        const own = await Foyer.start({ args: [...ARGS, '--abuse=off'] });
        const me = await makeUser(own);
        const chat = await group(me);
        const relog = async () => own.as((await own.anonymous.post('/v1/sessions', { email: me.email, password: 'correct horse battery' })).json.token);
        await sent(me, chat.id, 'day 0');
        await own.advance(20 * DAY);
        await sent(me, chat.id, 'day 20');
        assert.deepEqual(await bodies(me, { q: 'day' }), ['day 20', 'day 0']);
        await own.advance(11 * DAY);
        assert.deepEqual(await bodies(await relog(), { q: 'day' }), ['day 20']);
        await own.advance(20 * DAY);
        assert.deepEqual(await bodies(await relog(), { q: 'day' }), []);
        await own.stop();
    });
});
