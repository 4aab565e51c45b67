/* Operational events: the owner is told what becomes of endpoints and deliveries, in the commit that makes it so. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Receiver, attemptsOf, makeApp, makeEndpoint, sendMessage, startHooks } from './lib/receivers.mjs';
import { makeUser } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';

const COUNT = 4; /* so many are sent at once to an endpoint that is new */
const DAY = 24 * 3600 * 1000;
const ok = (answer, wanted = 200) => {
    assert.equal(answer.status, wanted, answer.text);
    return answer.json;
};

describe('operational events', () => {
    let server, ears, own, asked;
    /* What has been told so far, oldest first. */
    const told = async (type) =>
        ok(await server.admin.get(`/api/v1/app/operational/msg?limit=250${type ? `&event_types=${type}` : ''}`)).data.reverse();
    const tell = async (type, about) =>
        until(async () => (await told(type)).find(({ payload }) => payload.data.endpointId === about.id), { what: `${type} of ${about.id}` });
    const status = (code) => Receiver.start((delivery, res) => res.writeHead(code).end());

    before(async () => {
        server = await startHooks();
        ears = await Receiver.start();
        asked = await makeApp(server); /* nobody listens yet */
        await makeEndpoint(server, asked, 'http://127.0.0.1:1/');
        own = await makeApp(server, { uid: 'operational' });
        await makeEndpoint(server, own, ears.url);
    });
    after(async () => {
        await server.stop();
        ears.stop();
    });

    test('of the time before and about itself nothing is told', async () => {
        assert.deepEqual(await told(), []);
    });

    test('made, changed, disabled by its owner, deleted', async () => {
        const app = await makeApp(server, { uid: 'customer' });
        const endpoint = await makeEndpoint(server, app, 'http://127.0.0.1:1/', { uid: 'books' });
        const path = `/api/v1/app/customer/endpoint/books`;
        ok(await server.admin.patch(path, { description: 'new' }));
        ok(await server.admin.post(`${path}/secret/rotate`, {}), 204);
        ok(await server.admin.put(`${path}/headers`, { headers: { a: 'b' } }), 204);
        ok(await server.admin.patch(path, { disabled: true }));
        ok(await server.admin.patch(path, { disabled: true }));
        ok(await server.admin.delete(path), 204);
        const data = { appId: app.id, appUid: 'customer', endpointId: endpoint.id, endpointUid: 'books' };
        const messages = await told();
        assert.deepEqual(messages.map(({ eventType }) => eventType), ['endpoint.created', 'endpoint.updated', 'endpoint.updated', 'endpoint.updated',
            'endpoint.updated', 'endpoint.disabled', 'endpoint.updated', 'endpoint.deleted']);
        for (const { eventType, payload } of messages)
            assert.deepEqual(payload, { type: eventType, data: eventType === 'endpoint.disabled' ? { ...data, trigger: 'manual' } : data });
        await until(() => messages.every(({ id }) => ears.ids.has(id)), { what: 'all of it to be delivered' });
    });

    test('refused changes tell nothing', async () => {
        const before = (await told()).length;
        const app = await makeApp(server);
        assert.equal((await server.admin.post(`/api/v1/app/${app.id}/endpoint`, { url: 'ftp://x' })).status, 422);
        assert.equal((await server.admin.delete(`/api/v1/app/${app.id}/endpoint/none`)).status, 404);
        assert.equal((await told()).length, before);
    });

    test('an endpoint that is gone is disabled, and that is told once', async () => {
        /* All of them are under way when the first is answered. */
        const waiting = [];
        const receiver = await Receiver.start((delivery, res) => {
            waiting.push(res);
            if (waiting.length === COUNT) waiting.forEach((each) => each.writeHead(410).end());
        });
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url);
        for (let n = 0; n < COUNT; n++) await sendMessage(server, app, { n });
        const { payload } = await tell('endpoint.disabled', endpoint);
        const { failSince, ...data } = payload.data;
        assert.deepEqual(data, { appId: app.id, endpointId: endpoint.id, trigger: 'automatic' });
        assert.ok(failSince === undefined || Date.parse(failSince) > 0);
        await until(async () => ok(await server.admin.get(`/api/v1/app/${app.id}/dead-letter`)).data.length === COUNT, { what: 'the dead letters' });
        assert.equal((await told('endpoint.disabled')).filter((one) => one.payload.data.endpointId === endpoint.id).length, 1);
        /* They ended with the endpoint: that one has told of all of them. */
        assert.deepEqual((await told('message.attempt.exhausted')).filter((one) => one.payload.data.endpointId === endpoint.id), []);
        receiver.stop();
    });

    test('a delivery whose attempts are exhausted is told with the last of them', async () => {
        const receiver = await status(503);
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url, { retrySchedule: [0, 0] });
        const message = await sendMessage(server, app, { n: 1 }, { eventId: 'one' });
        const { payload } = await tell('message.attempt.exhausted', endpoint);
        const [last, ...earlier] = await attemptsOf(server, app, message);
        assert.equal(earlier.length, 1);
        assert.deepEqual(payload.data, { appId: app.id, endpointId: endpoint.id, msgId: message.id, msgEventId: 'one',
            lastAttempt: { id: last.id, responseStatusCode: 503, timestamp: last.timestamp } });
        assert.equal((await told('message.attempt.exhausted')).length, 1);
        receiver.stop();
    });

    test('an endpoint that fails for five days is disabled, since when it failed is told', async () => {
        const receiver = await status(500);
        const app = await makeApp(server);
        const endpoint = await makeEndpoint(server, app, receiver.url, { retrySchedule: [0] });
        const begun = await server.now();
        await sendMessage(server, app);
        await tell('message.attempt.exhausted', endpoint);
        await server.advance(5 * DAY + 3600 * 1000);
        await sendMessage(server, app);
        const { payload } = await tell('endpoint.disabled', endpoint);
        assert.equal(payload.data.trigger, 'automatic');
        assert.ok(Date.parse(payload.data.failSince) >= begun && Date.parse(payload.data.failSince) < begun + DAY);
        receiver.stop();
    });

    test('it does not run after itself', async () => {
        const deaf = await status(500);
        const endpoint = await makeEndpoint(server, own, deaf.url, { retrySchedule: [0] });
        const app = await makeApp(server);
        await makeEndpoint(server, app, 'http://127.0.0.1:1/');
        await until(async () => ok(await server.admin.get('/api/v1/app/operational/dead-letter')).data.length > 0, { what: 'a dead letter about an endpoint' });
        const about = (await told()).filter(({ payload }) => payload.data.appId === own.id || payload.data.endpointId === endpoint.id);
        assert.deepEqual(about, []);
        deaf.stop();
    });

    test('each owner is told of his own', async () => {
        const other = await makeUser(server, { roles: ['organizer'] });
        const before = (await told()).length;
        ok(await other.post('/api/v1/app', { name: 'x', uid: 'operational' }), 201);
        ok(await other.post('/api/v1/app', { name: 'x', uid: 'x' }), 201);
        ok(await other.post('/api/v1/app/x/endpoint', { url: 'http://127.0.0.1:1/' }), 201);
        assert.equal((await told()).length, before);
        assert.equal(ok(await other.get('/api/v1/app/operational/msg')).data.length, 1);
    });
});
