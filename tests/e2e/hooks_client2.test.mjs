/*
 * H10 once more, with the second major version of the official client: its names differ (upsert for update, eventTypes for filterTypes), the
 * wire does not. Every answer is held against the OpenAPI document.
 */
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { ApiException, Svix } from 'svix2';
import { Receiver } from './lib/receivers.mjs';
import { ADMIN_KEY, Foyer } from './lib/server.mjs';
import { unique } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';

let server;
let svix;
let receiver;
before(async () => {
    server = await Foyer.start({ args: ['--services', 'hooks', '--abuse=off', '--hooks-allow-cidr=127.0.0.0/8'] });
    receiver = await Receiver.start();
    svix = new Svix(ADMIN_KEY, { serverUrl: server.url, numRetries: 0, fetch: checkedFetch });
});
after(async () => {
    receiver.stop();
    await server.stop();
});

async function checkedFetch(url, init) {
    const response = await fetch(url, init);
    const text = await response.clone().text();
    const answer = { status: response.status, headers: Object.fromEntries(response.headers), text, json: text ? JSON.parse(text) : undefined };
    server.contract.check(init.method, url.pathname, answer);
    return response;
}

test('from the application to the attempt', async () => {
    const uid = unique();
    const app = await svix.application.upsert(uid, { name: 'Customer' });
    assert.deepEqual(await svix.application.get(uid), app);
    assert.equal((await svix.application.upsert(uid, { name: 'Other' })).id, app.id);
    assert.equal((await svix.application.patch(app.id, { metadata: { a: 'b' } })).metadata.a, 'b');
    assert.ok((await svix.application.list({ limit: 250 })).data.some(({ id }) => id === app.id));
    const type = `invoice.${unique()}`;
    await svix.eventType.create({ name: type, description: 'Paid' });
    assert.equal((await svix.eventType.upsert(type, { description: 'Was paid' })).description, 'Was paid');
    assert.ok((await svix.eventType.list({ limit: 250 })).data.some(({ name }) => name === type));

    const endpoint = await svix.endpoint.create(uid, { url: `${receiver.url}/in`, eventTypes: ['invoice.*'], metadata: { a: 'b' } });
    assert.deepEqual(endpoint.eventTypes, ['invoice.*']);
    assert.deepEqual(await svix.endpoint.get(uid, endpoint.id), endpoint);
    assert.equal((await svix.endpoint.upsert(uid, 'second', { url: `${receiver.url}/second`, disabled: true })).uid, 'second');
    assert.deepEqual((await svix.endpoint.patch(uid, 'second', { channels: ['vip'] })).channels, ['vip']);
    assert.equal((await svix.endpoint.list(uid)).data.length, 2);
    assert.match((await svix.endpoint.getSecret(uid, endpoint.id)).key, /^whsec_/);
    await svix.endpoint.rotateSecret(uid, endpoint.id);
    await svix.endpoint.setHeaders(uid, endpoint.id, { headers: { 'X-A': '1' } });
    await svix.endpoint.patchHeaders(uid, endpoint.id, { headers: { 'X-B': '2' } });
    assert.deepEqual((await svix.endpoint.getHeaders(uid, endpoint.id)).headers, { 'X-A': '1', 'X-B': '2' });

    const message = await svix.message.create(uid, { eventType: type, eventId: unique(), payload: { n: 1 } });
    assert.deepEqual(await svix.message.get(uid, message.id), message);
    assert.deepEqual((await svix.message.list(uid)).data.map(({ id }) => id), [message.id]);
    const delivery = await receiver.delivery(({ id }) => id === message.id);
    assert.deepEqual([delivery.body.toString(), delivery.headers['x-a'], delivery.headers['x-b']], ['{"n":1}', '1', '2']);
    const [attempt] = await until(async () => {
        const { data } = await svix.messageAttempt.listByMsg(uid, message.id);
        return data.length > 0 && data;
    }, { what: 'the attempt' });
    assert.deepEqual([attempt.status, attempt.responseStatusCode, attempt.endpointId], [0, 204, endpoint.id]);
    assert.deepEqual(await svix.messageAttempt.get(uid, message.id, attempt.id), attempt);
    assert.deepEqual((await svix.messageAttempt.listByEndpoint(uid, endpoint.id)).data.map(({ id }) => id), [attempt.id]);
    assert.equal((await svix.messageAttempt.listAttemptedDestinations(uid, message.id)).data[0].id, endpoint.id);
    assert.equal((await svix.messageAttempt.listAttemptedMessages(uid, endpoint.id)).data[0].id, message.id);
    assert.equal((await svix.endpoint.getStats(uid, endpoint.id)).success, 1);
    await svix.messageAttempt.resend(uid, message.id, endpoint.id);
    await receiver.count(2);
    await svix.endpoint.sendExample(uid, endpoint.id, { eventType: 'x' });
    await receiver.count(3);
    const since = new Date(Date.now() - 3600000);
    assert.deepEqual(Object.keys(await svix.endpoint.recover(uid, endpoint.id, { since })).sort(), ['id', 'status', 'task', 'updatedAt']);
    const late = await svix.endpoint.create(uid, { url: `${receiver.url}/late`, eventTypes: [type] });
    assert.equal((await svix.endpoint.replayMissing(uid, late.id, { since, until: new Date(Date.now() + 3600000) })).task, 'endpoint.replay');
    await receiver.delivery(({ id, url }) => id === message.id && url === '/late');
    await svix.endpoint.delete(uid, late.id);

    await svix.endpoint.delete(uid, 'second');
    await svix.eventType.delete(type);
    await svix.application.delete(uid);
    await assert.rejects(svix.application.get(uid), (error) => error instanceof ApiException && error.code === 404 && error.body.code === 'not_found');
    await svix.health.get();
});
