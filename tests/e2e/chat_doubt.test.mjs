/*
 * A commit of which nobody knows whether it happened: it did, and its effects did not run. Streams hear of it all the same, also of a chat that
 * none of them has followed before.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { makeManyUsers, unique } from './lib/seed.mjs';
import { ChatStream } from './lib/chat_stream.mjs';
import { Postgres } from './lib/postgres.mjs';
import { isPostgres } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

describe('a commit without an answer', { skip: !isPostgres && 'about PostgreSQL', timeout: 240000 }, () => {
    let cluster;
    let server;
    before(async () => {
        cluster = await Postgres.start({ fsync: false });
        server = await Foyer.start({ args: ['--services=chat', '--abuse=off'], store: cluster.url(await cluster.database()) });
    });
    after(async () => {
        await server?.stop();
        await cluster?.stop();
    });

    /* What is committed while this lasts waits for a standby that there is not, and then is told that it waits in vain. */
    async function withoutAnswer(work) {
        await cluster.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        await cluster.query('SELECT pg_reload_conf()');
        const waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        const answer = work();
        await until(async () => (await cluster.query(waiting)).length > 0, { what: 'the commit to wait' });
        await cluster.query('ALTER SYSTEM RESET synchronous_standby_names');
        await cluster.query(`SELECT pg_cancel_backend(pid) FROM (${waiting}) w`);
        await cluster.query('SELECT pg_reload_conf()');
        return answer;
    }

    test('a chat that it made, and a message that it sent, come to the streams of its members', async () => {
        const [x, y] = await makeManyUsers(server, 2);
        const known = (await x.post('/v1/chats', { type: 'group', title: 'known', member_ids: [y.user.id] })).json;
        const stream = await ChatStream.hello(server, y);
        await stream.next('live');
        const sent = await withoutAnswer(() => x.post(`/v1/chats/${known.id}/messages`, { client_id: unique(), body: 'hello' }));
        assert.equal(sent.status, 503, sent.text);
        await stream.next(({ t, chat_id, seq }) => t === 'message' && chat_id === known.id && seq === 2);
        const made = await withoutAnswer(() => x.post('/v1/chats', { type: 'group', title: 'unheard of', member_ids: [y.user.id] }));
        assert.equal(made.status, 503, made.text);
        const [chat] = await until(async () => {
            const { data } = (await y.get('/v1/chats')).json;
            const chats = data.filter(({ title }) => title === 'unheard of');
            return chats.length > 0 && chats;
        }, { what: 'the chat' });
        await stream.next(({ t, chat_id, seq }) => t === 'message' && chat_id === chat.id && seq === 1);
        stream.end();
    });
});
