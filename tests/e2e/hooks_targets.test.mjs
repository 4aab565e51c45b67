/*
 * Which endpoints a message is for is kept in memory between messages. A change of them counts for the very next message, whichever
 * node takes it, and one that was refused leaves nothing behind.
 */
import test from 'node:test';
import assert from 'node:assert/strict';
import { startHooks } from './lib/receivers.mjs';
import { Nodes } from './lib/nodes.mjs';
import { Postgres } from './lib/postgres.mjs';
import { makeUser } from './lib/seed.mjs';
import { isPostgres } from './lib/store.mjs';

const NOBODY = 'http://127.0.0.1:1/';

const ok = (answer, wanted = 200) => {
    assert.equal(answer.status, wanted, answer.text);
    return answer.json;
};

/* Two ways to the same application: changes go in by one, messages by the other, again and again. */
async function walk(changes, messages) {
    const app = ok(await changes.post('/api/v1/app', { name: 'Acme', uid: 'acme' }), 201).id;
    const path = `/api/v1/app/${app}`;
    const add = async (body = {}) => ok(await changes.post(`${path}/endpoint`, { url: NOBODY, ...body }), 201).id;
    const patch = async (id, body) => ok(await changes.patch(`${path}/endpoint/${id}`, body));
    const send = async () => ok(await messages.post(`${path}/msg`, { eventType: 'invoice.paid', payload: { n: 1 } }), 202).id;
    const targets = async () => {
        const message = await send();
        return ok(await messages.get(`${path}/msg/${message}/endpoint?limit=250`)).data.map(({ id }) => id).sort();
    };
    const wants = async (...ids) => {
        assert.deepEqual(await targets(), ids.sort());
        assert.deepEqual(await targets(), ids.sort());
    };

    await wants();
    const first = await add();
    await wants(first);
    const second = await add({ uid: 'two' });
    await wants(first, second);
    assert.equal((await changes.post(`${path}/endpoint`, { url: NOBODY, uid: 'two' })).status, 409);
    await wants(first, second);
    await patch(first, { disabled: true });
    await wants(second);
    await patch(first, { disabled: false });
    await wants(first, second);
    await patch(second, { eventTypes: ['refund.*'] });
    await wants(first);
    await patch(second, { eventTypes: ['invoice.*'] });
    await wants(first, second);
    await patch(second, { channels: ['blue'] });
    await wants(first);
    assert.equal((await changes.delete(`${path}/endpoint/${first}`)).status, 204);
    await wants();
    assert.equal((await changes.delete(path)).status, 204);
    for (let i = 0; i < 2; i++)
        assert.equal((await messages.post(`${path}/msg`, { eventType: 'invoice.paid', payload: { n: 1 } })).status, 404);
}

test('the next message goes to the endpoints that are there', async () => {
    const server = await startHooks();
    await walk(server.admin, server.admin);
    await server.stop();
});

test('large messages, which are read elsewhere, go the same way', async () => {
    const server = await startHooks();
    ok(await server.admin.post('/api/v1/app', { name: 'Acme', uid: 'acme' }), 201);
    const endpoint = ok(await server.admin.post('/api/v1/app/acme/endpoint', { url: NOBODY }), 201).id;
    for (const length of [10, 60_000, 70_000, 10]) {
        const message = ok(await server.admin.post('/api/v1/app/acme/msg', { eventType: 'a', payload: { text: 'x'.repeat(length) } }), 202);
        assert.equal(message.payload.text.length, length);
        const { data } = ok(await server.admin.get(`/api/v1/app/acme/msg/${message.id}/endpoint`));
        assert.deepEqual(data.map(({ id }) => id), [endpoint]);
    }
    await server.stop();
});

test("an application that is known is still nobody else's", async () => {
    const server = await startHooks();
    const app = ok(await server.admin.post('/api/v1/app', { name: 'Acme' }), 201).id;
    const message = { eventType: 'a', payload: {} };
    ok(await server.admin.post(`/api/v1/app/${app}/msg`, message), 202);
    ok(await server.admin.post(`/api/v1/app/${app}/msg`, message), 202);
    const other = await makeUser(server, { roles: ['organizer'] });
    for (let i = 0; i < 2; i++) assert.equal((await other.post(`/api/v1/app/${app}/msg`, message)).status, 404);
    await server.stop();
});

test('of two nodes, each sees what the other has changed', { skip: !isPostgres && 'nodes share PostgreSQL' }, async () => {
    const cluster = await Postgres.start();
    const options = { args: ['--services=tickets,hooks', '--hooks-allow-cidr=127.0.0.0/8'], env: { FOYER_HOOKS_KEY: '5a'.repeat(32) } };
    const nodes = await Nodes.start(cluster, options);
    await walk(nodes.a.admin, nodes.b.admin);
    await nodes.end();
    await cluster.kill();
});
