/* H4: event types that nobody has described are taken, or refused where the setting says so. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { Receiver, makeApp, makeEndpoint, startHooks } from './lib/receivers.mjs';
import { run } from './lib/server.mjs';
import { held, makeUser, sale } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';

const ok = (answer, wanted = 200) => {
    assert.equal(answer.status, wanted, answer.text);
    return answer.json;
};
const send = (api, app, eventType) => api.post(`/api/v1/app/${app.id}/msg`, { eventType, payload: {} });
const refused = (answer) => {
    assert.equal(answer.status, 422, answer.text);
    assert.deepEqual(answer.json.detail.map(({ loc }) => loc), [['body', 'eventType']]);
};

test('refused, until somebody describes them', async () => {
    const server = await startHooks({ args: ['--hooks-unknown-types=refuse'] });
    const receiver = await Receiver.start();
    const app = await makeApp(server);
    const endpoint = await makeEndpoint(server, app, receiver.url);
    const example = () => server.admin.post(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/send-example`, { eventType: 'invoice.paid' });
    refused(await send(server.admin, app, 'invoice.paid'));
    refused(await example());
    const type = ok(await server.admin.post('/api/v1/event-type', { name: 'invoice.paid', description: 'Paid.' }), 201);
    ok(await send(server.admin, app, 'invoice.paid'), 202);
    ok(await example(), 202);
    refused(await send(server.admin, app, 'invoice.piad'));
    /* Of whose account the application is, not of who asks. */
    const owner = await makeUser(server, { roles: ['organizer'] });
    const theirs = ok(await owner.post('/api/v1/app', { name: 'theirs' }), 201);
    refused(await send(owner, theirs, 'invoice.paid'));
    refused(await send(server.admin, theirs, 'invoice.paid'));
    ok(await owner.post('/api/v1/event-type', { name: 'other', description: 'Other.' }), 201);
    ok(await send(server.admin, theirs, 'other'), 202);
    ok(await server.admin.delete(`/api/v1/event-type/${type.name}`), 204);
    refused(await send(server.admin, app, 'invoice.paid'));
    assert.equal(ok(await server.admin.get(`/api/v1/app/${app.id}/msg`)).data.length, 2);
    /* What Foyer says itself is taken. */
    ok(await owner.post('/api/v1/app', { name: 'o', uid: 'operational' }), 201);
    ok(await owner.post(`/api/v1/app/${theirs.id}/endpoint`, { url: receiver.url }), 201);
    assert.deepEqual(ok(await owner.get('/api/v1/app/operational/msg')).data.map(({ eventType }) => eventType), ['endpoint.created']);
    const tickets = await makeApp(server, { uid: 'tickets' });
    await makeEndpoint(server, tickets, receiver.url);
    const event = await sale(server);
    await held(await makeUser(server), event.id, ['S1-R1-1']);
    await until(async () => ok(await server.admin.get(`/api/v1/app/${tickets.id}/msg`)).data.length === 3, { what: 'messages of tickets' });
    await server.stop();
    receiver.stop();
});

test('control: taken where nothing else is said', async () => {
    const server = await startHooks();
    ok(await send(server.admin, await makeApp(server), 'invoice.paid'), 202);
    await server.stop();
});

test('nothing else may be said', async () => {
    const { code, stderr } = await run(['config', '--hooks-unknown-types', 'maybe']);
    assert.equal(code, 2);
    assert.match(stderr, /hooks-unknown-types/);
});
