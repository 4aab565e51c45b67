/*
 * H1, H4, H10: the official client library drives every route of the hooks service, unchanged; what it does not show (bytes, headers, statuses)
 * is asked by hand. Every answer is held against the OpenAPI document, and each route must have succeeded at least once.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Svix, ApiException } from 'svix';
import { Receiver } from './lib/receivers.mjs';
import { ADMIN_KEY, Foyer } from './lib/server.mjs';
import { DAY, makeUser, unique } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';

let server;
let svix;
const succeeded = new Set();
/* The library's own fetch, with its answers checked. */
async function checkedFetch(url, init) {
    const response = await fetch(url, init);
    const text = await response.clone().text();
    const answer = { status: response.status, headers: Object.fromEntries(response.headers), text, json: text ? JSON.parse(text) : undefined };
    server.contract.check(init.method, url.pathname, answer);
    if (response.ok) succeeded.add(server.contract.find(init.method, url.pathname));
    return response;
}
const clientOf = (token) => new Svix(token, { serverUrl: server.url, numRetries: 0, fetch: checkedFetch });

before(async () => {
    server = await Foyer.start({ args: ['--services', 'hooks', '--abuse=off', '--hooks-allow-cidr=127.0.0.0/8'] });
    svix = clientOf(ADMIN_KEY);
});
after(() => server.stop());

const refused = (promise, code, check = () => {}) =>
    assert.rejects(promise, (error) => {
        assert.ok(error instanceof ApiException, String(error));
        assert.equal(error.code, code, JSON.stringify(error.body));
        if (code === 422) assert.ok(Array.isArray(error.body.detail) && error.body.detail.every(({ loc, msg, type }) => Array.isArray(loc) && msg && type), JSON.stringify(error.body));
        else assert.ok(typeof error.body.code === 'string' && typeof error.body.detail === 'string', JSON.stringify(error.body));
        check(error.body);
        return true;
    });

const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
const newApp = (more = {}) => svix.application.create({ name: 'Customer', ...more });
const newEndpoint = (app, more = {}) => svix.endpoint.create(app.id, { url: 'http://127.0.0.1:9/hook', ...more });
const send = (app, more = {}, options) => svix.message.create(app.id, { eventType: 'invoice.paid', payload: { id: 1 }, ...more }, options);

describe('applications', () => {
    test('are created, read, changed and deleted by id and by uid', async () => {
        const uid = unique();
        const app = await newApp({ uid, metadata: { tier: 'gold' }, throttleRate: 50 });
        assert.match(app.id, /^app_/);
        assert.deepEqual([app.uid, app.name, app.metadata, app.throttleRate], [uid, 'Customer', { tier: 'gold' }, 50]);
        assert.ok(app.createdAt instanceof Date && !Number.isNaN(app.createdAt.getTime()));
        assert.deepEqual(await svix.application.get(app.id), app);
        assert.deepEqual(await svix.application.get(uid), app);
        const changed = await svix.application.update(uid, { name: 'Other', uid });
        assert.deepEqual([changed.id, changed.name, changed.metadata, changed.throttleRate], [app.id, 'Other', {}, null]);
        const patched = await svix.application.patch(uid, { metadata: { a: 'b' } });
        assert.deepEqual([patched.name, patched.uid, patched.metadata], ['Other', uid, { a: 'b' }]);
        const bare = await svix.application.patch(app.id, { uid: null });
        assert.equal(bare.uid, null);
        await refused(svix.application.get(uid), 404);
        await svix.application.delete(app.id);
        await refused(svix.application.get(app.id), 404);
        await refused(svix.application.delete(app.id), 404);
    });

    test('a uid is taken once, and getOrCreate finds it', async () => {
        const uid = unique();
        const app = await newApp({ uid });
        await refused(newApp({ uid }), 409);
        assert.deepEqual(await svix.application.getOrCreate({ name: 'Another name', uid }), app);
        const other = await svix.application.getOrCreate({ name: 'New', uid: unique() });
        assert.notEqual(other.id, app.id);
        await refused(svix.application.patch(other.id, { uid }), 409);
        assert.equal((await svix.application.get(other.id)).uid, other.uid);
        await svix.application.update(app.id, { name: 'Same uid again', uid });
    });

    test('PUT under a uid makes what is not there, and keeps the uid', async () => {
        const uid = unique();
        const made = await svix.application.update(uid, { name: 'Made' });
        assert.deepEqual([made.uid, made.name], [uid, 'Made']);
        const again = await svix.application.update(uid, { name: 'Again' });
        assert.deepEqual([again.id, again.uid, again.name], [made.id, uid, 'Again']);
        await refused(svix.application.update(unique(), { name: 'x', uid: 'another' }), 404);
        await refused(svix.application.update('app_0000000000000', { name: 'x' }), 404);
        await refused(svix.application.patch(unique(), { name: 'x' }), 404);
        const endpoint = await svix.endpoint.update(uid, 'books', { url: 'http://127.0.0.1:9/' });
        assert.equal((await svix.endpoint.update(uid, 'books', { url: 'http://127.0.0.1:9/2' })).id, endpoint.id);
        assert.equal((await svix.endpoint.get(made.id, 'books')).url, 'http://127.0.0.1:9/2');
        await refused(svix.endpoint.update(uid, endpoint.id.replace(/.$/, (last) => (last === '0' ? '1' : '0')), { url: 'http://127.0.0.1:9/' }), 404);
    });

    test('are listed newest first, by pages there and back', async () => {
        const key = (await server.admin.post('/v1/api-keys', { name: 'lists', scopes: ['organizer'] })).json.key;
        const mine = clientOf(key);
        const made = [];
        for (let i = 0; i < 5; i++) made.unshift((await mine.application.create({ name: `${i}` })).id);
        const ids = ({ data }) => data.map(({ id }) => id);
        const first = await mine.application.list({ limit: 2 });
        assert.deepEqual([ids(first).length, first.done], [2, false]);
        const seen = [...ids(first)];
        for (let page = first; !page.done; ) {
            page = await mine.application.list({ limit: 2, iterator: page.iterator });
            seen.push(...ids(page));
        }
        assert.deepEqual(seen.filter((id) => made.includes(id)), made);
        const second = await mine.application.list({ limit: 2, iterator: first.iterator });
        assert.deepEqual(ids(await mine.application.list({ limit: 2, iterator: second.prevIterator })), ids(first));
        const up = await mine.application.list({ limit: 250, order: 'ascending' });
        assert.deepEqual(ids(up).filter((id) => made.includes(id)), [...made].reverse());
        await refused(mine.application.list({ limit: 251 }), 422, ({ detail }) => assert.deepEqual(detail[0].loc, ['query', 'limit']));
        await refused(mine.application.list({ iterator: 'x' }), 422);
    });

    test('what is wrong with a body is said by field, and unknown fields do no harm', async () => {
        await refused(svix.application.create({}), 422, ({ detail }) => assert.deepEqual(detail[0].loc, ['body', 'name']));
        await refused(newApp({ uid: 'not a uid' }), 422, ({ detail }) => assert.deepEqual(detail[0].loc, ['body', 'uid']));
        await refused(newApp({ metadata: { a: 1 } }), 422);
        const answer = await server.admin.post('/api/v1/app', { name: 'x', no_such_field: { a: [1] } });
        assert.equal(answer.status, 201, answer.text);
        const broken = await server.admin.call('POST', '/api/v1/app', '{"name":');
        assert.deepEqual([broken.status, broken.json.code], [400, 'malformed_json']);
    });
});

describe('who may', () => {
    test('organizers see their own applications, administrators all, others none', async () => {
        const organizer = await makeUser(server, { roles: ['organizer'] });
        const other = await makeUser(server, { roles: ['organizer'] });
        const fan = await makeUser(server);
        const uid = unique();
        const app = (await organizer.post('/api/v1/app', { name: 'Mine', uid })).json;
        const path = `/api/v1/app/${app.id}`;
        assert.equal((await organizer.get(path)).status, 200);
        assert.equal((await organizer.get(`/api/v1/app/${uid}`)).status, 200);
        assert.equal((await server.admin.get(path)).status, 200);
        assert.equal((await other.get(path)).status, 404);
        assert.equal((await other.get(`/api/v1/app/${uid}`)).status, 404, 'a uid is of an account');
        assert.equal((await other.get(`${path}/endpoint`)).status, 404);
        assert.equal((await other.post(`${path}/msg`, { eventType: 'a', payload: {} })).status, 404);
        assert.equal((await other.delete(path)).status, 404);
        assert.ok(!(await other.get('/api/v1/app')).text.includes(app.id));
        assert.ok((await organizer.get('/api/v1/app')).text.includes(app.id));
        assert.equal((await fan.get('/api/v1/app')).status, 403);
        assert.equal((await server.anonymous.get('/api/v1/app')).status, 401);
        await refused(clientOf('sk_nobody_knows_this_key_0000').application.list(), 401);
        assert.equal((await other.post('/api/v1/app', { name: 'Theirs', uid })).status, 201, 'another account may use the uid');
        assert.equal((await server.anonymous.get('/api/v1/health')).status, 204);
        await svix.health.get();
    });
});

/* A path of the operation with what is of somebody else. */
const pathOf = (operation, ids) => operation.pattern.replace(/\{(\w+)\}/g, (_, name) => ids[name]);
/* A body that passes, so that a refusal is about the caller. */
const BODIES = {
    'post /api/v1/app': { name: 'x' },
    'put /api/v1/app/{app}': { name: 'x' },
    'post /api/v1/app/{app}/endpoint': { url: 'http://127.0.0.1/' },
    'put /api/v1/app/{app}/endpoint/{ep}': { url: 'http://127.0.0.1/' },
    'put /api/v1/app/{app}/endpoint/{ep}/headers': { headers: {} },
    'post /api/v1/app/{app}/endpoint/{ep}/send-example': { eventType: 'a' },
    'post /api/v1/app/{app}/endpoint/{ep}/recover': { since: '2025-01-01T00:00:00Z' },
    'post /api/v1/app/{app}/endpoint/{ep}/replay-missing': { since: '2025-01-01T00:00:00Z' },
    'post /api/v1/app/{app}/msg': { eventType: 'a', payload: {} },
    'post /api/v1/event-type': { name: 'a.b', description: 'x' },
    'put /api/v1/event-type/{name}': { description: 'x' },
};

describe('every route', () => {
    test('refuses who is nobody, has no scope, or owns something else, and leaves all as it was', async () => {
        const app = await newApp({ uid: unique() });
        const endpoint = await newEndpoint(app);
        const message = await send(app);
        const name = `type.${unique()}`;
        await svix.eventType.create({ name, description: 'Mine' });
        const ids = { app: app.id, ep: endpoint.id, msg: message.id, attempt: 'atmpt_00000000000000000000000000', name, id: 'nothing' };
        const state = async () => JSON.stringify([await svix.application.get(app.id), await svix.endpoint.list(app.id), await svix.endpoint.getSecret(app.id, endpoint.id), await svix.endpoint.getHeaders(app.id, endpoint.id),
            await svix.message.list(app.id), await svix.eventType.get(name)]);
        const before = await state();
        const fan = await makeUser(server);
        const support = server.as((await server.admin.post('/v1/api-keys', { name: 's', scopes: ['support', 'check-in'] })).json.key);
        const other = await makeUser(server, { roles: ['organizer'] });
        const routes = server.contract.operations.filter(({ pattern }) => pattern.startsWith('/api/v1/') && !pattern.endsWith('/health') && pattern !== '/api/v1/health');
        assert.ok(routes.length > 30);
        for (const operation of routes) {
            const what = `${operation.method} ${operation.pattern}`;
            const call = (api) => api.call(operation.method.toUpperCase(), pathOf(operation, ids), BODIES[what] ?? (operation.requestBody ? {} : undefined));
            for (const [api, status] of [[server.anonymous, 401], [server.as('ses_stale'), 401], [fan, 403], [support, 403]]) {
                const answer = await call(api);
                assert.equal(answer.status, status, `${what}: ${answer.text}`);
                assert.ok(answer.json.code && answer.json.detail, what);
            }
            const isOwn = !operation.pattern.includes('{app}'); /* lists and types of one's own account */
            const answer = await call(other);
            if (what === 'post /api/v1/auth/logout') { /* of those who have a link */
                assert.equal(answer.status, 403);
                continue;
            }
            if (isOwn) assert.ok(answer.status < 300 || answer.status === 404, `${what}: ${answer.text}`);
            else assert.equal(answer.status, 404, `${what}: ${answer.text}`);
        }
        assert.equal(await state(), before);
    });
});

describe('endpoints', () => {
    test('are created, read, changed and deleted by id and by uid', async () => {
        const app = await newApp();
        const uid = unique();
        const given = { uid, description: 'Books', filterTypes: ['invoice.*', 'a'], channels: ['vip'], metadata: { a: 'b' }, throttleRate: 3, disabled: true };
        const endpoint = await newEndpoint(app, given);
        assert.match(endpoint.id, /^ep_/);
        for (const [name, value] of Object.entries(given)) assert.deepEqual(endpoint[name], value, name);
        assert.deepEqual(await svix.endpoint.get(app.id, uid), endpoint);
        const patched = await svix.endpoint.patch(app.id, endpoint.id, { disabled: false, filterTypes: null, url: 'https://example.com/' });
        assert.deepEqual([patched.disabled, patched.filterTypes, patched.url, patched.channels, patched.uid], [false, null, 'https://example.com/', ['vip'], uid]);
        const put = await svix.endpoint.update(app.id, uid, { url: 'http://example.com/2' });
        assert.deepEqual([put.id, put.url, put.uid, put.channels, put.description, put.metadata], [endpoint.id, 'http://example.com/2', uid, null, '', {}]);
        await svix.endpoint.delete(app.id, endpoint.id);
        await refused(svix.endpoint.get(app.id, endpoint.id), 404);
        assert.deepEqual((await svix.endpoint.list(app.id)).data, []);
    });

    test('both names of the event types are taken and answered', async () => {
        const app = await newApp();
        const path = `/api/v1/app/${app.id}/endpoint`;
        const made = (await server.admin.post(path, { url: 'http://127.0.0.1:9/', eventTypes: ['a.*'], retrySchedule: [0, 5, 60], signatureFormat: 'standard' })).json;
        assert.deepEqual([made.eventTypes, made.filterTypes, made.retrySchedule, made.signatureFormat], [['a.*'], ['a.*'], [0, 5, 60], 'standard']);
        const patched = (await server.admin.patch(`${path}/${made.id}`, { retrySchedule: null })).json;
        assert.deepEqual([patched.eventTypes, patched.retrySchedule, patched.signatureFormat], [['a.*'], null, 'standard']);
    });

    test('are listed by pages', async () => {
        const app = await newApp();
        const made = [];
        for (let i = 0; i < 3; i++) made.unshift((await newEndpoint(app)).id);
        const first = await svix.endpoint.list(app.id, { limit: 2 });
        const second = await svix.endpoint.list(app.id, { limit: 2, iterator: first.iterator });
        assert.deepEqual([...first.data, ...second.data].map(({ id }) => id), made);
        assert.deepEqual([first.done, second.done], [false, true]);
        const up = await svix.endpoint.list(app.id, { order: 'ascending' });
        assert.deepEqual(up.data.map(({ id }) => id), made.reverse());
    });

    test('what is no endpoint is refused', async () => {
        const app = await newApp();
        for (const url of ['ftp://x/', 'http://', '/x', 'http://user@host/', 'http://host/#x', 'http://a b/', 'http://:80/', 'javascript:1'])
            await refused(newEndpoint(app, { url }), 422, ({ detail }) => assert.deepEqual(detail[0].loc, ['body', 'url'], url));
        for (const filterTypes of [['a b'], ['*.a'], ['a', 'a'], ['']]) await refused(newEndpoint(app, { filterTypes }), 422);
        for (const secret of ['x', 'whsec_', 'whsec_AAAA', `whsec_${Buffer.alloc(65).toString('base64')}`, 'whsec_!!!!'])
            await refused(newEndpoint(app, { secret }), 422);
        for (const headers of [{ 'a b': 'x' }, { Host: 'x' }, { 'webhook-id': 'x' }, { 'Content-Length': '1' }, { a: 'x\r\ny: z' }])
            await refused(newEndpoint(app, { headers }), 422);
        const path = `/api/v1/app/${app.id}/endpoint`;
        for (const retrySchedule of [[-1], [86401], [86400, 1], Array(13).fill(1), ['1'], []])
            assert.equal((await server.admin.post(path, { url: 'http://127.0.0.1/', retrySchedule })).status, 422, JSON.stringify(retrySchedule));
        await newEndpoint(app, { uid: 'same' });
        await refused(newEndpoint(app, { uid: 'same' }), 409);
        assert.equal((await svix.endpoint.list(app.id)).data.length, 1);
    });

    test('the secret is revealed, given, and rotated', async () => {
        const app = await newApp();
        const made = await newEndpoint(app);
        const { key } = await svix.endpoint.getSecret(app.id, made.id);
        assert.match(key, /^whsec_[A-Za-z0-9+/]{43}=$/);
        assert.ok(!JSON.stringify(made).includes(key.slice(6)));
        const given = await newEndpoint(app, { secret: SECRET });
        assert.equal((await svix.endpoint.getSecret(app.id, given.id)).key, SECRET);
        await svix.endpoint.rotateSecret(app.id, given.id, {});
        const next = (await svix.endpoint.getSecret(app.id, given.id)).key;
        assert.notEqual(next, SECRET);
        await svix.endpoint.rotateSecret(app.id, given.id, { key: SECRET });
        assert.equal((await svix.endpoint.getSecret(app.id, given.id)).key, SECRET);
        await refused(svix.endpoint.rotateSecret(app.id, given.id, { key: 'whsec_AAAA' }), 422);
        const rows = await server.sql("SELECT CAST(length(secret) AS TEXT) FROM endpoint_old_secret", 'hooks');
        assert.deepEqual(rows.flat().sort(), ['64', '72'], 'sealed: 24 and 32 bytes');
    });

    test('headers are replaced, merged and deleted, and what lets somebody in is not shown', async () => {
        const app = await newApp();
        const { id } = await newEndpoint(app, { headers: { 'X-One': '1' } });
        assert.deepEqual(await svix.endpoint.getHeaders(app.id, id), { headers: { 'X-One': '1' }, sensitive: [] });
        await svix.endpoint.updateHeaders(app.id, id, { headers: { 'X-Two': '2', Authorization: 'Bearer x' } });
        assert.deepEqual(await svix.endpoint.getHeaders(app.id, id), { headers: { 'X-Two': '2' }, sensitive: ['Authorization'] });
        await svix.endpoint.patchHeaders(app.id, id, { headers: { 'x-two': '3', 'X-Four': '4' }, deleteHeaders: ['authorization'] });
        assert.deepEqual(await svix.endpoint.getHeaders(app.id, id), { headers: { 'x-two': '3', 'X-Four': '4' }, sensitive: [] });
        await refused(svix.endpoint.updateHeaders(app.id, id, { headers: { host: 'x' } }), 422);
    });

    test('stats and health are there', async () => {
        const app = await newApp();
        const endpoint = await newEndpoint(app);
        const stats = await svix.endpoint.getStats(app.id, endpoint.id);
        assert.deepEqual(stats, { success: 0, pending: 0, fail: 0, sending: 0, canceled: 0 });
        const health = (await server.admin.get(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/health`)).json;
        assert.deepEqual([health.state, health.queued, health.in_flight], ['closed', 0, 0]);
    });
});

describe('event types', () => {
    test('are created, read, changed, archived and deleted', async () => {
        const name = `invoice.${unique()}`;
        const schemas = { 1: { title: 'Invoice', type: 'object' } };
        const made = await svix.eventType.create({ name, description: 'Paid', schemas, groupName: 'invoices' });
        assert.deepEqual([made.name, made.description, made.archived, made.groupName, made.schemas], [name, 'Paid', false, 'invoices', schemas]);
        assert.deepEqual(await svix.eventType.get(name), made);
        await refused(svix.eventType.create({ name, description: 'Again' }), 409);
        const patched = await svix.eventType.patch(name, { description: 'Other' });
        assert.deepEqual([patched.description, patched.schemas], ['Other', schemas]);
        const put = await svix.eventType.update(name, { description: 'Third' });
        assert.deepEqual([put.description, put.schemas, put.groupName], ['Third', null, null]);
        await svix.eventType.delete(name);
        assert.equal((await svix.eventType.get(name)).archived, true);
        const names = async (options) => (await svix.eventType.list({ limit: 250, ...options })).data.map((type) => type.name);
        assert.ok(!(await names()).includes(name));
        assert.ok((await names({ includeArchived: true })).includes(name));
        assert.equal((await svix.eventType.create({ name, description: 'Back' })).archived, false);
        await svix.eventType.delete(name, { expunge: true });
        await refused(svix.eventType.get(name), 404);
        await refused(svix.eventType.delete(name), 404);
        await refused(svix.eventType.create({ name: 'a b', description: '' }), 422);
    });

    test('are listed by name', async () => {
        const prefix = unique();
        for (const letter of ['c', 'a', 'b']) await svix.eventType.create({ name: `zz.${prefix}.${letter}`, description: letter });
        const all = (await svix.eventType.list({ limit: 250 })).data.map(({ name }) => name).filter((name) => name.includes(prefix));
        assert.deepEqual(all.map((name) => name.at(-1)), ['a', 'b', 'c']);
        const page = await svix.eventType.list({ limit: 1, iterator: `zz.${prefix}.a` });
        assert.deepEqual([page.data[0].name.at(-1), page.iterator, page.prevIterator], ['b', `zz.${prefix}.b`, `-zz.${prefix}.b`]);
    });
});

describe('messages', () => {
    test('are taken, read and listed', async () => {
        const app = await newApp();
        const eventId = unique();
        const message = await send(app, { eventId, channels: ['vip'] });
        assert.match(message.id, /^msg_/);
        assert.deepEqual([message.eventType, message.eventId, message.payload, message.channels], ['invoice.paid', eventId, { id: 1 }, ['vip']]);
        assert.deepEqual(await svix.message.get(app.id, message.id), message);
        assert.deepEqual((await svix.message.get(app.id, message.id, { withContent: false })).payload, {});
        const made = [message.id];
        for (let i = 0; i < 4; i++) made.unshift((await send(app, { eventType: `type.${i % 2}`, payload: { i } })).id);
        const ids = ({ data }) => data.map(({ id }) => id);
        assert.deepEqual(ids(await svix.message.list(app.id)), made);
        const first = await svix.message.list(app.id, { limit: 3 });
        const second = await svix.message.list(app.id, { limit: 3, iterator: first.iterator });
        assert.deepEqual([ids(first), ids(second), first.done, second.done], [made.slice(0, 3), made.slice(3), false, true]);
        assert.deepEqual(ids(await svix.message.list(app.id, { limit: 3, iterator: second.prevIterator })), made.slice(0, 3));
        assert.equal((await svix.message.list(app.id, { eventTypes: ['type.0', 'invoice.paid'] })).data.length, 3);
        assert.deepEqual(ids(await svix.message.list(app.id, { channel: 'vip' })), [message.id]);
        assert.deepEqual(ids(await svix.message.list(app.id, { after: new Date(Date.now() + 3600000) })), []);
        assert.deepEqual(ids(await svix.message.list(app.id, { before: new Date(Date.now() - 3600000) })), []);
        assert.equal((await svix.message.list(app.id, { before: new Date(Date.now() + 3600000), after: new Date(Date.now() - 3600000) })).data.length, 5);
        assert.deepEqual((await svix.message.list(app.id, { withContent: false })).data.map(({ payload }) => payload), Array(5).fill({}));
        await refused(svix.message.get(app.id, made[0].slice(0, -1) + 'z'), 404);
        await refused(svix.message.get((await newApp()).id, message.id), 404);
    });

    test('the payload comes back byte for byte', async () => {
        const app = await newApp();
        const payload = '{ "n" :12345678901234567890 ,\n"x":1.0, "x":\t1E400,"\\u0061":"\\/ä" , "deep":[[{}]]}';
        const path = `/api/v1/app/${app.id}/msg`;
        const made = await server.admin.call('POST', path, ` {"eventType":"a","payload"  : ${payload}\n, "other":[1]}`);
        assert.equal(made.status, 202, made.text);
        assert.ok(made.text.includes(payload));
        assert.ok((await server.admin.get(`${path}/${made.json.id}`)).text.includes(payload));
        assert.ok((await server.admin.get(path)).text.includes(payload));
    });

    test('an eventId counts once, and another body under it is refused', async () => {
        const app = await newApp();
        const eventId = unique();
        const first = await send(app, { eventId });
        assert.equal((await send(app, { eventId })).id, first.id);
        await refused(send(app, { eventId, payload: { id: 2 } }), 409);
        await refused(send(app, { eventId, eventType: 'other' }), 409);
        assert.equal((await svix.message.list(app.id)).data.length, 1);
        assert.notEqual((await send(await newApp(), { eventId })).id, first.id, 'applications share none');
    });

    test('an idempotency key counts once, also after a restart', async () => {
        const app = await newApp();
        const idempotencyKey = unique();
        const first = await send(app, {}, { idempotencyKey });
        assert.deepEqual(await send(app, {}, { idempotencyKey }), first);
        await refused(send(app, { payload: { id: 2 } }, { idempotencyKey }), 422);
        await server.restart();
        svix = clientOf(ADMIN_KEY);
        assert.deepEqual(await send(app, {}, { idempotencyKey }), first);
        assert.equal((await svix.message.list(app.id)).data.length, 1);
    });

    test('what is no message is refused', async () => {
        const app = await newApp();
        const path = `/api/v1/app/${app.id}/msg`;
        const say = (body) => server.admin.call('POST', path, body);
        const loc = async (body) => {
            const answer = await say(body);
            assert.equal(answer.status, 422, answer.text);
            return answer.json.detail[0].loc;
        };
        assert.deepEqual(await loc('{"payload":{}}'), ['body', 'eventType']);
        assert.deepEqual(await loc('{"eventType":"a"}'), ['body', 'payload']);
        assert.deepEqual(await loc('{"eventType":"a","payload":[1]}'), ['body', 'payload']);
        assert.deepEqual(await loc('{"eventType":"a","payload":null}'), ['body', 'payload']);
        assert.deepEqual(await loc('{"eventType":"a b","payload":{}}'), ['body', 'eventType']);
        assert.deepEqual(await loc('{"eventType":"a","payload":{},"channels":["a b"]}'), ['body', 'channels']);
        assert.deepEqual(await loc('{"eventType":"a","payload":{},"eventId":""}'), ['body', 'eventId']);
        for (const body of ['', '{', '[]', '{"eventType":"a","payload":{"x":01}}', '{"eventType":"a","payload":{},"payload":{}}', '{"eventType":"a","payload":{}}x'])
            assert.equal((await say(body)).status, body === '' ? 422 : 400, body);
        const large = (size) => `{"eventType":"a","payload":{"x":"${'x'.repeat(size)}"}}`;
        assert.equal((await say(large((1 << 20) - 8))).status, 202);
        assert.equal((await say(large((1 << 20) - 7))).status, 413);
        assert.equal((await say(large(2 << 20))).status, 413);
        assert.equal((await say(`{"eventType":"a","payload":{},"x":"${'x'.repeat(65536)}"}`)).status, 413);
        assert.equal((await svix.message.list(app.id, { withContent: false })).data.length, 1);
    });

    test('large messages make short pages that lead on', async () => {
        const app = await newApp();
        for (let i = 0; i < 8; i++) await send(app, { payload: { i, x: 'x'.repeat(1000000) } });
        const seen = [];
        let pages = 0;
        for (let page = { iterator: undefined }; !page.done; pages++) {
            page = await svix.message.list(app.id, { limit: 250, iterator: page.iterator });
            seen.push(...page.data.map(({ payload }) => payload.i));
        }
        assert.deepEqual(seen, [7, 6, 5, 4, 3, 2, 1, 0]);
        assert.ok(pages > 1);
    });
});

describe('deliveries', () => {
    test('go to the endpoints that want the message', async () => {
        const app = await newApp();
        const all = await newEndpoint(app);
        const paid = await newEndpoint(app, { filterTypes: ['invoice.*'] });
        const vip = await newEndpoint(app, { channels: ['vip'] });
        const off = await newEndpoint(app, { disabled: true });
        const where = async (message) => (await svix.messageAttempt.listAttemptedDestinations(app.id, message.id)).data.map(({ id }) => id).sort();
        assert.deepEqual(await where(await send(app)), [all.id, paid.id].sort());
        assert.deepEqual(await where(await send(app, { eventType: 'other' })), [all.id]);
        assert.deepEqual(await where(await send(app, { eventType: 'other', channels: ['vip', 'x'] })), [all.id, vip.id].sort());
        await svix.endpoint.patch(app.id, off.id, { disabled: false });
        assert.deepEqual(await where(await send(app)), [all.id, off.id, paid.id].sort());
        await svix.endpoint.delete(app.id, all.id);
        assert.deepEqual(await where(await send(app)), [off.id, paid.id].sort());
    });

    test('are shown by message and by endpoint, and sent again by hand', async () => {
        const app = await newApp();
        const endpoint = await newEndpoint(app, { filterTypes: ['wanted'] });
        const wanted = await send(app, { eventType: 'wanted', payload: { n: 1 } });
        const other = await send(app);
        const listed = async () => (await svix.messageAttempt.listAttemptedMessages(app.id, endpoint.id)).data;
        assert.deepEqual((await listed()).map(({ id, payload }) => [id, payload]), [[wanted.id, { n: 1 }]]);
        await svix.messageAttempt.resend(app.id, wanted.id, endpoint.id);
        await svix.messageAttempt.resend(app.id, other.id, endpoint.id);
        assert.deepEqual((await listed()).map(({ id }) => id), [other.id, wanted.id]);
        const [target] = (await svix.messageAttempt.listAttemptedDestinations(app.id, other.id)).data;
        assert.equal(target.id, endpoint.id);
        assert.ok([0, 1, 2, 3].includes(target.status) && ['success', 'pending', 'fail', 'sending'].includes(target.statusText));
        const example = await svix.endpoint.sendExample(app.id, endpoint.id, { eventType: 'not.wanted' });
        assert.deepEqual((await listed()).map(({ id }) => id), [example.id, other.id, wanted.id]);
        await svix.endpoint.patch(app.id, endpoint.id, { disabled: true });
        await refused(svix.messageAttempt.resend(app.id, wanted.id, endpoint.id), 409);
        await refused(svix.messageAttempt.resend(app.id, wanted.id, 'nothing'), 404);
        await refused(svix.messageAttempt.resend(app.id, 'nothing', endpoint.id), 404);
    });
});

describe('attempts', () => {
    let app;
    let endpoint;
    let message;
    let receiver;
    let status = 500;
    before(async () => {
        receiver = await Receiver.start((delivery, res) => res.writeHead(status, { 'x-answer': 'yes' }).end('what became of it'));
        app = await newApp();
        endpoint = await newEndpoint(app, { url: `${receiver.url}/hook` });
        message = await send(app);
    });
    after(() => receiver.stop());
    const ofMessage = async (options) => (await svix.messageAttempt.listByMsg(app.id, message.id, options)).data;
    const made = (count) => until(async () => ((await ofMessage()).length === count ? ofMessage() : false), { what: `${count} attempts` });

    test('show what came back, and one by hand is told from one by schedule', async () => {
        const [failed] = await made(1);
        assert.match(failed.id, /^atmpt_/);
        assert.deepEqual([failed.msgId, failed.endpointId, failed.status, failed.statusText, failed.responseStatusCode, failed.response, failed.triggerType, failed.url],
            [message.id, endpoint.id, 2, 'fail', 500, 'what became of it', 0, endpoint.url]);
        assert.ok(failed.responseDurationMs >= 0 && failed.timestamp instanceof Date);
        assert.deepEqual(await svix.messageAttempt.get(app.id, message.id, failed.id), failed);
        const [waiting] = (await svix.messageAttempt.listAttemptedDestinations(app.id, message.id)).data;
        assert.deepEqual([waiting.id, waiting.status, waiting.nextAttempt instanceof Date], [endpoint.id, 1, true]);
        status = 204;
        await svix.messageAttempt.resend(app.id, message.id, endpoint.id);
        const [done] = await made(2);
        assert.deepEqual([done.status, done.statusText, done.responseStatusCode, done.triggerType], [0, 'success', 204, 1]);
        const [ended] = (await svix.messageAttempt.listAttemptedDestinations(app.id, message.id)).data;
        assert.deepEqual([ended.status, ended.nextAttempt], [0, null]);
        const stats = await svix.endpoint.getStats(app.id, endpoint.id);
        assert.deepEqual([stats.success, stats.pending, stats.fail], [1, 0, 0]);
        const plain = (await server.admin.get(`/api/v1/app/${app.id}/msg/${message.id}/attempt/${failed.id}`)).json;
        assert.deepEqual([plain.error.class.length > 0, plain.responseHeaders['x-answer'], plain.timings.totalMs >= 0], [true, 'yes', true]);
    });

    test('are listed by message and by endpoint, with every filter', async () => {
        const all = await made(2);
        const hour = 3600000;
        const matching = async (options) => {
            const lists = [await svix.messageAttempt.listByMsg(app.id, message.id, options), await svix.messageAttempt.listByEndpoint(app.id, endpoint.id, options)];
            for (const list of lists) assert.deepEqual(list.data.map(({ id }) => id), lists[0].data.map(({ id }) => id));
            return lists[0].data.map(({ id }) => all.findIndex((attempt) => attempt.id === id));
        };
        assert.deepEqual(await matching(), [0, 1]);
        assert.deepEqual(await matching({ status: 2 }), [1]);
        assert.deepEqual(await matching({ status: 0 }), [0]);
        assert.deepEqual(await matching({ statusCodeClass: 500 }), [1]);
        assert.deepEqual(await matching({ statusCodeClass: 200 }), [0]);
        assert.deepEqual(await matching({ statusCodeClass: 400 }), []);
        assert.deepEqual(await matching({ before: new Date(Date.now() - hour) }), []);
        assert.deepEqual(await matching({ after: new Date(Date.now() + hour) }), []);
        assert.deepEqual(await matching({ before: new Date(Date.now() + hour), after: new Date(Date.now() - hour) }), [0, 1]);
        assert.deepEqual(await matching({ eventTypes: ['a', 'invoice.paid'] }), [0, 1]);
        assert.deepEqual(await matching({ eventTypes: ['invoice'] }), []);
        assert.deepEqual(await matching({ limit: 1 }), [0]);
        assert.deepEqual(await matching({ limit: 1, iterator: all[0].id }), [1]);
        assert.deepEqual(await matching({ limit: 1, iterator: `-${all[1].id}` }), [0]);
        assert.deepEqual((await ofMessage({ withContent: false })).map(({ response }) => response), ['', '']);
        assert.equal((await ofMessage({ endpointId: endpoint.id })).length, 2);
        assert.equal((await ofMessage({ endpointId: (await newEndpoint(app)).id })).length, 0);
        await refused(svix.messageAttempt.listByMsg(app.id, message.id, { endpointId: 'nothing' }), 422);
        await refused(svix.messageAttempt.listByMsg(app.id, 'nothing'), 404);
        await refused(svix.messageAttempt.listByEndpoint(app.id, 'nothing'), 404);
        await refused(svix.messageAttempt.get(app.id, message.id, 'nothing'), 404);
        await refused(svix.messageAttempt.get(app.id, message.id, 'atmpt_00000000000000000000000000'), 404);
    });

    test('what an endpoint gave up is a dead letter until it is sent again', async () => {
        const path = `/api/v1/app/${app.id}/dead-letter`;
        const dead = async (query = '') => (await server.admin.get(path + query)).json;
        const gone = await newEndpoint(app, { url: `${receiver.url}/gone` });
        status = 410;
        const lost = await send(app, { eventType: 'lost', payload: { n: 1.5 } });
        const [letter] = await until(async () => (await dead(`?endpoint=${gone.id}`)).data.length > 0 && (await dead(`?endpoint=${gone.id}`)).data, { what: 'a dead letter' });
        assert.deepEqual([letter.msgId, letter.endpointId, letter.status, letter.payload, letter.nextAttempt], [lost.id, gone.id, 2, { n: 1.5 }, null]);
        assert.equal((await svix.endpoint.get(app.id, gone.id)).disabled, true, '410 means never again');
        assert.deepEqual((await dead(`?endpoint=${gone.id}&since=${new Date(Date.now() + 3600000).toISOString()}`)).data, []);
        assert.equal((await server.admin.get(`${path}?endpoint=nothing`)).status, 422);
        status = 204;
        await svix.endpoint.patch(app.id, gone.id, { disabled: false });
        await svix.messageAttempt.resend(app.id, lost.id, gone.id);
        await until(async () => (await dead(`?endpoint=${gone.id}`)).data.length === 0, { what: 'no dead letter' });
    });

    test('what failed is recovered, and what was never tried is sent', async () => {
        const own = await newApp();
        const first = await newEndpoint(own, { url: `${receiver.url}/first` });
        const since = new Date(Date.now() - 3600000);
        status = 410;
        const lost = await send(own);
        await until(async () => (await svix.endpoint.getStats(own.id, first.id)).fail === 1, { what: 'a dead letter' });
        status = 204;
        await svix.endpoint.patch(own.id, first.id, { disabled: false });
        const recovery = await svix.endpoint.recover(own.id, first.id, { since });
        assert.match(recovery.id, /^rpl_/);
        assert.deepEqual([recovery.status, recovery.task], ['running', 'endpoint.recover']);
        assert.ok(recovery.updatedAt instanceof Date && !Number.isNaN(recovery.updatedAt.getTime()));
        await until(async () => (await svix.endpoint.getStats(own.id, first.id)).success === 1, { what: 'its recovery' });
        const second = await newEndpoint(own, { url: `${receiver.url}/second` });
        const missing = await svix.endpoint.replayMissing(own.id, second.id, { since, until: null });
        assert.deepEqual([missing.status, missing.task], ['running', 'endpoint.replay']);
        await receiver.delivery(({ id, url }) => id === lost.id && url === '/second');
        assert.equal((await svix.endpoint.replayMissing(own.id, second.id, { since: new Date(Date.now() + 3600000) })).status, 'finished');
        await refused(svix.endpoint.recover(own.id, 'nothing', { since }), 404);
        await refused(svix.endpoint.recover(own.id, first.id, {}), 422, ({ detail }) => assert.deepEqual(detail[0].loc, ['body', 'since']));
        await refused(svix.endpoint.replayMissing(own.id, first.id, { since, until: since }), 422, ({ detail }) => assert.deepEqual(detail[0].loc, ['body', 'until']));
    });
});

test('an old key reads nothing that is sealed with another', async () => {
    const own = await Foyer.start({ args: ['--services', 'hooks'], env: { FOYER_HOOKS_KEY: 'ab'.repeat(32) } });
    assert.equal((await own.admin.post('/api/v1/app', { name: 'x' })).status, 201);
    await own.stop();
    own.env.FOYER_HOOKS_KEY = 'cd'.repeat(32);
    await assert.rejects(own.start(), /sealed with another key/);
    own.env.FOYER_HOOKS_KEY = 'ab'.repeat(32);
    await own.start();
    assert.equal((await own.admin.get('/api/v1/app')).json.data.length, 1);
    await own.stop();
});

test('both services run in one process, and each answers as it does alone', async () => {
    const both = await Foyer.start({ args: ['--services', 'tickets,hooks'] });
    assert.equal((await both.anonymous.get('/v1/events')).status, 200);
    assert.equal((await both.admin.post('/api/v1/app', { name: 'x' })).status, 201);
    const patterns = new Set(both.contract.operations.map(({ pattern }) => pattern));
    assert.ok(patterns.has('/v1/bookings') && patterns.has('/api/v1/app'));
    const unknown = await both.admin.post('/v1/venues', { no_such_field: 1 });
    assert.deepEqual([unknown.status, unknown.headers['content-type']], [422, 'application/problem+json']);
    assert.equal((await both.anonymous.get('/metrics')).status, 200);
    await both.stop();
});

test('messages go after a month by the clock, with all that belongs to them', async () => {
    const old = await Foyer.start({ args: ['--services', 'hooks', '--abuse=off'] });
    const app = (await old.admin.post('/api/v1/app', { name: 'x' })).json;
    const path = `/api/v1/app/${app.id}`;
    await old.admin.post(`${path}/endpoint`, { url: 'http://127.0.0.1:9/', disabled: false });
    const say = async () => (await old.admin.post(`${path}/msg`, { eventType: 'a', payload: {}, eventId: 'e' })).json.id;
    const rows = async () => {
        const tables = await Promise.all(['message', 'delivery'].map((kind) => old.sql(Array.from({ length: 33 }, (_, i) => `SELECT CAST(count(*) AS TEXT) FROM ${kind}_${String(i).padStart(2, '0')}`).join(' UNION ALL '), 'hooks')));
        return tables.map((counts) => counts.flat().reduce((sum, count) => sum + Number(count), 0));
    };
    const first = await say();
    await old.advance(31 * DAY);
    assert.equal(await say(), first, 'the eventId is known as long as its message is');
    assert.equal((await old.admin.get(`${path}/msg/${first}`)).status, 200);
    await old.advance(1 * DAY);
    assert.equal((await old.admin.get(`${path}/msg/${first}`)).status, 404);
    assert.deepEqual((await old.admin.get(`${path}/msg`)).json.data, []);
    await until(async () => (await rows()).every((count) => count === 0), { what: 'the old day to be emptied' });
    assert.notEqual(await say(), first);
    assert.equal((await old.admin.get(`${path}/msg`)).json.data.length, 1);
    await old.stop();
});

/* The library has no call for these. */
const BY_HAND = ['get /api/v1/app/{app}/endpoint/{ep}/health', 'get /api/v1/app/{app}/dead-letter', 'post /api/v1/app/{app}/dead-letter/{id}/replay',
    'post /api/v1/app/{app}/replay', 'get /api/v1/app/{app}/replay', 'get /api/v1/app/{app}/replay/{id}', 'delete /api/v1/app/{app}/replay/{id}'];

test('portal links are made, used and ended', async () => {
    const app = await newApp({ uid: unique() });
    const { url, token } = await svix.authentication.appPortalAccess(app.uid, { expiry: 3600, readOnly: false });
    assert.ok(url.endsWith(`#key=${token}`));
    const portal = clientOf(token);
    const endpoint = await portal.endpoint.create(app.id, { url: 'http://127.0.0.1:9/' });
    assert.equal((await svix.endpoint.get(app.id, endpoint.id)).url, endpoint.url);
    await refused(portal.message.create(app.id, { eventType: 'a', payload: {} }), 403);
    await refused(portal.application.list(), 403);
    await portal.authentication.logout();
    await refused(portal.endpoint.list(app.id), 401);
    await svix.authentication.expireAll(app.id);
});

test('the library has succeeded on every route', () => {
    const routes = server.contract.operations.filter(({ pattern }) => pattern.startsWith('/api/v1/'));
    const missed = routes.filter((route) => !succeeded.has(route)).map(({ method, pattern }) => `${method} ${pattern}`);
    assert.deepEqual(missed.sort(), BY_HAND.sort());
});
