/*
 * H11: portal links. The official client makes and ends them; a token opens one application, to do what its capabilities say, and nothing
 * else: one table says what every route of the document answers it. What is refused leaves everything as it was.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Svix, ApiException } from 'svix';
import { Svix as Svix2 } from 'svix2';
import { Receiver } from './lib/receivers.mjs';
import { ADMIN_KEY, Foyer } from './lib/server.mjs';
import { DAY, HOUR, makeUser, unique } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';
import { newKey } from './lib/api.mjs';

let server;
let receiver;
let owner; /* an organizer */
let svix;
let world; /* an application with an endpoint, and a message that has been tried there */
let other; /* the same of another application, of the same owner */

async function checkedFetch(url, init) {
    const response = await fetch(url, init);
    const text = await response.clone().text();
    const answer = { status: response.status, headers: Object.fromEntries(response.headers), text, json: text ? JSON.parse(text) : undefined };
    server.contract.check(init.method, url.pathname, answer);
    return response;
}
const clientOf = (token) => new Svix(token, { serverUrl: server.url, numRetries: 0, fetch: checkedFetch });
const refused = (promise, code) => assert.rejects(promise, (error) => error instanceof ApiException && error.code === code);
const portalOf = async (app, body = {}) => server.as((await svix.authentication.appPortalAccess(app.id, body)).token);

async function makeWorld() {
    const app = await svix.application.create({ name: `Customer ${unique()}`, uid: unique(), metadata: { note: 'the owner\'s own' } });
    const endpoint = await svix.endpoint.create(app.id, { url: `${receiver.url}/in`, uid: unique() });
    const message = await svix.message.create(app.id, { eventType: 'invoice.paid', payload: { id: 1 } });
    const attempt = await until(async () => (await svix.messageAttempt.listByMsg(app.id, message.id)).data[0], { what: 'an attempt' });
    return { app, endpoint, message, attempt };
}

before(async () => {
    server = await Foyer.start({ args: ['--services', 'tickets,hooks', '--abuse=off', '--hooks-allow-cidr=127.0.0.0/8'] });
    receiver = await Receiver.start();
    owner = await makeUser(server, { roles: ['organizer'] });
    svix = clientOf(owner.token);
    world = await makeWorld();
    other = await makeWorld();
    await svix.eventType.create({ name: 'invoice.paid', description: 'Paid', groupName: 'invoice' });
});
after(async () => {
    receiver?.stop();
    await server?.stop();
});

describe('links', () => {
    test('both versions of the client make them, and the token stands behind #', async () => {
        const second = new Svix2(owner.token, { serverUrl: server.url, numRetries: 0, fetch: checkedFetch });
        for (const client of [svix, second]) {
            const { url, token } = await client.authentication.appPortalAccess(world.app.id, { featureFlags: [] });
            assert.equal(url, `${server.url}/hooks/portal#key=${token}`);
            assert.match(token, /^por_[0-9a-z]{13}_[\w-]{43}$/);
            assert.equal((await clientOf(token).application.get(world.app.id)).name, world.app.name);
        }
        const byUid = await svix.authentication.appPortalAccess(world.app.uid);
        assert.equal((await clientOf(byUid.token).endpoint.list(world.app.uid)).data.length, 1);
        const page = await server.anonymous.get('/hooks/portal');
        assert.equal(page.status, 200);
        assert.match(page.headers['content-security-policy'], /default-src 'self'/);
    });

    test('a repetition with the same key makes another link: the answer is not kept', async () => {
        const key = newKey();
        const [first, second] = [await svix.authentication.appPortalAccess(world.app.id, {}, { idempotencyKey: key }), await svix.authentication.appPortalAccess(world.app.id, {}, { idempotencyKey: key })];
        assert.notEqual(first.token, second.token);
        for (const table of ['portal_token', 'idempotency']) {
            const rows = JSON.stringify(await server.sql(`SELECT * FROM ${table}`, 'hooks'));
            assert.ok(!rows.includes(first.token.slice(18)) && !rows.includes(Buffer.from(first.token).toString('hex')), `${table} has the token`);
        }
    });

    test('bad bodies are refused by field', async () => {
        for (const [body, field] of [
            [{ expiry: 3599 }, 'expiry'], [{ expiry: 7 * 86400 + 1 }, 'expiry'], [{ expiry: 'x' }, 'expiry'],
            [{ capabilities: ['ViewBase', 'Everything'] }, 'capabilities'], [{ sessionId: '' }, 'sessionId'], [{ readOnly: 1 }, 'readOnly'],
        ]) {
            const answer = await owner.post(`/api/v1/auth/app-portal-access/${world.app.id}`, body);
            assert.equal(answer.status, 422, answer.text);
            assert.ok(answer.json.detail[0].loc.includes(field), answer.text);
        }
        assert.equal((await owner.post(`/api/v1/auth/app-portal-access/${unique()}`, {})).status, 404);
        assert.equal((await owner.post(`/api/v1/auth/app/${world.app.id}/expire-all`, { expiry: -1 })).status, 422);
    });

    test('what looks nearly like one is nobody', async () => {
        const { token } = await svix.authentication.appPortalAccess(world.app.id);
        const path = `/api/v1/app/${world.app.id}`;
        assert.equal((await server.as(token).get(path)).status, 200);
        const swapped = token.replace(token.slice(4, 17), other.app.id.slice(4));
        const wrong = [`${token}A`, token.slice(0, -1), token.replace('por_', 'ses_'), swapped, `${token.slice(0, 18)}${'A'.repeat(43)}`, 'por_', `por_${'0'.repeat(80)}`];
        for (const bad of wrong) assert.equal((await server.as(bad).get(path)).status, 401, bad);
        const cookie = await server.anonymous.call('GET', path, undefined, { headers: { cookie: `foyer_session=${token}` } });
        assert.equal(cookie.status, 401, 'only as a bearer');
    });
});

/*
 * What each route answers: the token of everything, then of one capability each: V ViewBase, S ViewEndpointSecret, R ManageEndpointSecret,
 * A CreateAttempts, E ManageEndpoint. "ok" for a token of the application is 404 for one of another.
 */
const COLUMNS = ['all', 'V', 'S', 'R', 'A', 'E'];
const CAPABILITIES = { V: 'ViewBase', S: 'ViewEndpointSecret', R: 'ManageEndpointSecret', A: 'CreateAttempts', E: 'ManageEndpoint' };
const TABLE = `
get /api/v1/app/{app}                                   ok  ok  ok  ok  ok  ok
get /api/v1/app/{app}/endpoint                          ok  ok  ok  ok  ok  ok
post /api/v1/app/{app}/endpoint                         ok  403 403 403 403 ok
get /api/v1/app/{app}/endpoint/{ep}                     ok  ok  ok  ok  ok  ok
put /api/v1/app/{app}/endpoint/{ep}                     ok  403 403 403 403 ok
patch /api/v1/app/{app}/endpoint/{ep}                   ok  403 403 403 403 ok
delete /api/v1/app/{app}/endpoint/{ep}                  ok  403 403 403 403 ok
get /api/v1/app/{app}/endpoint/{ep}/headers             ok  ok  ok  ok  ok  ok
put /api/v1/app/{app}/endpoint/{ep}/headers             ok  403 403 403 403 ok
patch /api/v1/app/{app}/endpoint/{ep}/headers           ok  403 403 403 403 ok
get /api/v1/app/{app}/endpoint/{ep}/secret              ok  403 ok  403 403 403
post /api/v1/app/{app}/endpoint/{ep}/secret/rotate      ok  403 403 ok  403 403
get /api/v1/app/{app}/endpoint/{ep}/stats               ok  ok  ok  ok  ok  ok
get /api/v1/app/{app}/endpoint/{ep}/health              ok  ok  ok  ok  ok  ok
post /api/v1/app/{app}/endpoint/{ep}/send-example       ok  403 403 403 ok  403
post /api/v1/app/{app}/endpoint/{ep}/recover            ok  403 403 403 ok  403
post /api/v1/app/{app}/endpoint/{ep}/replay-missing     ok  403 403 403 ok  403
get /api/v1/app/{app}/endpoint/{ep}/msg                 ok  ok  ok  ok  ok  ok
get /api/v1/app/{app}/msg                               ok  ok  ok  ok  ok  ok
get /api/v1/app/{app}/msg/{msg}                         ok  ok  ok  ok  ok  ok
get /api/v1/app/{app}/msg/{msg}/endpoint                ok  ok  ok  ok  ok  ok
get /api/v1/app/{app}/msg/{msg}/attempt/{attempt}       ok  ok  ok  ok  ok  ok
post /api/v1/app/{app}/msg/{msg}/endpoint/{ep}/resend   ok  403 403 403 ok  403
get /api/v1/app/{app}/attempt/msg/{msg}                 ok  ok  ok  ok  ok  ok
get /api/v1/app/{app}/attempt/endpoint/{ep}             ok  ok  ok  ok  ok  ok
get /api/v1/app/{app}/dead-letter                       ok  ok  ok  ok  ok  ok
post /api/v1/app/{app}/dead-letter/{id}/replay          ok  403 403 403 ok  403
post /api/v1/app/{app}/replay                           ok  403 403 403 ok  403
get /api/v1/app/{app}/replay                            ok  ok  ok  ok  ok  ok
get /api/v1/app/{app}/replay/{id}                       ok  ok  ok  ok  ok  ok
delete /api/v1/app/{app}/replay/{id}                    ok  403 403 403 ok  403
get /api/v1/event-type                                  ok  ok  ok  ok  ok  ok
get /api/v1/event-type/{name}                           ok  ok  ok  ok  ok  ok
post /api/v1/auth/logout                                ok  ok  ok  ok  ok  ok
`;
const ROWS = Object.fromEntries(TABLE.split('\n').filter(Boolean).map((line) => {
    const [method, pattern, ...cells] = line.split(/ +/);
    return [`${method} ${pattern}`, Object.fromEntries(cells.map((cell, i) => [COLUMNS[i], cell === 'ok' ? cell : Number(cell)]))];
}));
/* Open to everybody: the token is not looked at. */
const OPEN = new Set(['get /healthz', 'get /readyz', 'get /metrics', 'get /openapi.json', 'get /v1/services', 'post /v1/users', 'post /v1/sessions', 'get /api/v1/health',
    'get /v1/events', 'post /v1/payments/webhooks/{provider}']);

const BODIES = {
    'post /api/v1/app/{app}/endpoint': () => ({ url: `${receiver.url}/more` }),
    'put /api/v1/app/{app}/endpoint/{ep}': () => ({ url: `${receiver.url}/in` }),
    'patch /api/v1/app/{app}/endpoint/{ep}': () => ({ description: unique() }),
    'put /api/v1/app/{app}/endpoint/{ep}/headers': () => ({ headers: {} }),
    'post /api/v1/app/{app}/endpoint/{ep}/send-example': () => ({ eventType: 'invoice.paid' }),
    'post /api/v1/app/{app}/endpoint/{ep}/recover': () => ({ since: new Date(0).toISOString() }),
    'post /api/v1/app/{app}/endpoint/{ep}/replay-missing': () => ({ since: new Date(0).toISOString() }),
    'post /api/v1/app/{app}/replay': () => ({ preview: true }),
};
const asks = (operation, things, ep = things.endpoint.id) => {
    const ids = { app: things.app.id, ep, msg: things.message.id, attempt: things.attempt.id, name: 'invoice.paid', id: 'nothing', provider: 'sandbox' };
    const what = `${operation.method} ${operation.pattern}`;
    const body = BODIES[what]?.() ?? (operation.requestBody ? {} : undefined);
    return [operation.method.toUpperCase(), operation.pattern.replace(/\{(\w+)\}/g, (_, name) => ids[name]), body];
};
const nameOf = ({ method, pattern }) => `${method} ${pattern}`;

describe('authorization', () => {
    const state = async ({ app, endpoint }) => JSON.stringify([await svix.application.get(app.id), await svix.endpoint.list(app.id), await svix.endpoint.getSecret(app.id, endpoint.id),
        await svix.endpoint.getHeaders(app.id, endpoint.id), (await svix.message.list(app.id)).data.map(({ id }) => id), await svix.eventType.list()]);

    test('what the table does not open is 403, and 401 in other services, and changes nothing', async () => {
        const earlier = await state(world);
        const tokens = { all: await portalOf(world.app), none: await portalOf(world.app, { readOnly: true }) };
        let closed = 0;
        for (const operation of server.contract.operations.filter((found) => !ROWS[nameOf(found)] && !OPEN.has(nameOf(found)))) {
            for (const [who, api] of Object.entries(tokens)) {
                const answer = await api.call(...asks(operation, world));
                assert.equal(answer.status, operation.pattern.startsWith('/api/v1/') ? 403 : 401, `${nameOf(operation)} by ${who}: ${answer.text}`);
                closed++;
            }
        }
        assert.ok(closed > 80, `${closed} calls`);
        assert.equal(await state(world), earlier);
    });

    test('what a capability does not open is 403, and what it opens succeeds', async () => {
        const tokens = { all: {} };
        for (const [column, name] of Object.entries(CAPABILITIES)) tokens[column] = { capabilities: [name] };
        const known = server.contract.operations.filter((found) => ROWS[nameOf(found)]);
        assert.ok(known.length >= 27);
        for (const operation of known) {
            for (const column of COLUMNS) {
                const api = await portalOf(world.app, tokens[column]);
                const expected = ROWS[nameOf(operation)][column];
                const needsNew = operation.method === 'delete' && expected === 'ok';
                const ep = needsNew ? (await svix.endpoint.create(world.app.id, { url: `${receiver.url}/gone`, disabled: true })).id : undefined;
                const answer = await api.call(...asks(operation, world, ep));
                const isMade = answer.status < 300 || (operation.pattern.includes('{id}') && answer.status === 404);
                if (expected === 'ok') assert.ok(isMade, `${nameOf(operation)} by ${column}: ${answer.status} ${answer.text}`);
                else assert.equal(answer.status, expected, `${nameOf(operation)} by ${column}: ${answer.text}`);
            }
        }
    });

    test('another application, of the same owner too, is not there, by id and by uid, and stays as it is', async () => {
        const earlier = await state(other);
        const api = await portalOf(world.app);
        for (const operation of server.contract.operations.filter((found) => ROWS[nameOf(found)] && found.pattern.includes('{app}'))) {
            for (const app of [other.app.id, other.app.uid, 'app_0000000000000']) {
                const answer = await api.call(...asks(operation, { ...other, app: { id: app } }));
                assert.deepEqual([answer.status, answer.json?.detail], [404, 'There is no such application.'], `${nameOf(operation)}: ${answer.text}`);
            }
            if (!/\{(ep|msg)\}/.test(operation.pattern)) continue;
            const mixed = await api.call(...asks(operation, { ...other, app: world.app }));
            assert.equal(mixed.status, 404, `${nameOf(operation)} with another's endpoint or message: ${mixed.text}`);
        }
        assert.equal(await state(other), earlier);
    });

    test('the owner\'s notes are not shown, and its answers under the same key are its own', async () => {
        const { token } = await svix.authentication.appPortalAccess(world.app.id);
        assert.deepEqual((await clientOf(token).application.get(world.app.id)).metadata, {});
        assert.deepEqual((await svix.application.get(world.app.id)).metadata, { note: 'the owner\'s own' });
        const key = newKey();
        const path = `/api/v1/app/${world.app.id}/endpoint`;
        const mine = await owner.post(path, { url: `${receiver.url}/same`, disabled: true }, { key });
        const theirs = await server.as(token).post(path, { url: `${receiver.url}/same`, disabled: true }, { key });
        assert.deepEqual([mine.status, theirs.status], [201, 201]);
        assert.notEqual(mine.json.id, theirs.json.id);
    });
});

describe('ending', () => {
    test('logging out ends one link, at once', async () => {
        const [first, second] = [await portalOf(world.app), await portalOf(world.app)];
        const path = `/api/v1/app/${world.app.id}`;
        assert.equal((await first.get(path)).status, 200);
        await clientOf(first.token).authentication.logout();
        assert.equal((await first.get(path)).status, 401);
        assert.equal((await second.get(path)).status, 200);
        await refused(clientOf(first.token).authentication.logout(), 401);
    });

    test('expire-all ends them all, or those of a session, now or later', async () => {
        const path = (app) => `/api/v1/app/${app.id}`;
        const [plain, named, theirs] = [await portalOf(world.app), await portalOf(world.app, { sessionId: 'ann' }), await portalOf(other.app)];
        await svix.authentication.expireAll(world.app.id, { sessionIds: ['ann', 'bob'] });
        assert.deepEqual([(await plain.get(path(world.app))).status, (await named.get(path(world.app))).status], [200, 401]);
        await svix.authentication.expireAll(world.app.id, { expiry: 3600 });
        assert.equal((await plain.get(path(world.app))).status, 200);
        await svix.authentication.expireAll(world.app.id);
        assert.equal((await plain.get(path(world.app))).status, 401);
        assert.equal((await theirs.get(path(other.app))).status, 200);
        await refused(clientOf(theirs.token).authentication.expireAll(other.app.id), 403);
    });

    test('a link ends with its time, and with its application', async () => {
        const app = await svix.application.create({ name: 'Short' });
        const path = `/api/v1/app/${app.id}`;
        const [hour, week] = [await portalOf(app, { expiry: 3600 }), await portalOf(app)];
        const start = await server.now();
        await server.advance(HOUR - 60000);
        assert.deepEqual([(await hour.get(path)).status, (await week.get(path)).status], [200, 200]);
        await server.advance(60000);
        assert.deepEqual([(await hour.get(path)).status, (await week.get(path)).status], [401, 200]);
        await server.advance(start + 7 * DAY + 60000 - (await server.now()));
        assert.equal((await week.get(path)).status, 401);
        const last = await portalOf(app);
        assert.equal((await last.get('/api/v1/event-type')).status, 200);
        assert.equal((await server.sql(`SELECT count(*) FROM portal_token WHERE app_id = (SELECT max(id) FROM application)`, 'hooks'))[0][0], '1', 'those that are over are deleted');
        await server.admin.delete(path);
        assert.equal((await last.get('/api/v1/event-type')).status, 401);
        assert.equal((await last.get(path)).status, 401);
    });
});

describe('the headers of an attempt', () => {
    const attemptOf = async (app, message, id) => (await server.admin.get(`/api/v1/app/${app.id}/msg/${message.id}/attempt/${id}`)).json;
    const tried = (app, message, count) =>
        until(async () => {
            const { data } = await svix.messageAttempt.listByMsg(app.id, message.id);
            return data.length >= count && data[0];
        }, { what: `${count} attempts` });
    const shownAre = (shown, delivery, hidden = []) => {
        for (const [name, value] of Object.entries(shown)) assert.equal(value, hidden.includes(name) ? '(not shown)' : delivery.headers[name], name);
    };

    test('are those that arrived, also while two secrets sign, and null when the endpoint has changed since', async () => {
        const app = await svix.application.create({ name: 'Headers' });
        const path = `/headers-${unique()}`;
        const endpoint = await svix.endpoint.create(app.id, { url: `${receiver.url}${path}`, headers: { 'x-tenant': 'a', authorization: 'Bearer of-theirs' } });
        const message = await svix.message.create(app.id, { eventType: 'a', payload: { n: [1, 2] } });
        const first = await tried(app, message, 1);
        const arrived = () => receiver.deliveries.filter(({ url }) => url === path);
        const shown = (await attemptOf(app, message, first.id)).requestHeaders;
        assert.deepEqual(Object.keys(shown).sort(), ['authorization', 'content-type', 'foyer-signature', 'svix-id', 'svix-signature', 'svix-timestamp', 'webhook-id',
            'webhook-signature', 'webhook-timestamp', 'x-tenant']);
        shownAre(shown, arrived()[0], ['authorization']);
        assert.ok(!('requestHeaders' in (await server.admin.get(`/api/v1/app/${app.id}/attempt/msg/${message.id}`)).json.data[0]), 'only of one');

        await svix.endpoint.rotateSecret(app.id, endpoint.id, {});
        assert.equal((await attemptOf(app, message, first.id)).requestHeaders, null);
        await server.advance(10000);
        await svix.messageAttempt.resend(app.id, message.id, endpoint.id);
        const second = await tried(app, message, 2);
        const both = (await attemptOf(app, message, second.id)).requestHeaders;
        assert.equal(both['webhook-signature'].split(' ').length, 2);
        shownAre(both, arrived()[1], ['authorization']);
        await server.advance(2 * DAY); /* the old secret's time is over: what was sent is what it was */
        shownAre((await attemptOf(app, message, second.id)).requestHeaders, arrived()[1], ['authorization']);
        await svix.endpoint.delete(app.id, endpoint.id);
        assert.equal((await attemptOf(app, message, second.id)).requestHeaders, null);
    });
});

test('a test sends the example that the owner has given for the type', async () => {
    const app = await svix.application.create({ name: 'Examples' });
    const path = `/example-${unique()}`;
    const endpoint = await svix.endpoint.create(app.id, { url: `${receiver.url}${path}`, filterTypes: ['else'] });
    const name = `order.${unique()}`;
    const schemas = '{"1":{"examples":[{"old":true}]},"2":{"type":"object","examples":[{"id":123,"total":1.50}]}}';
    assert.equal((await owner.post('/api/v1/event-type', `{"name":"${name}","description":"Order","schemas":${schemas}}`)).status, 201);
    const portal = await portalOf(app);
    for (const eventType of [name, 'nobody.knows']) assert.equal((await portal.post(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/send-example`, { eventType })).status, 202);
    const bodies = ['{"id":123,"total":1.50}', '{"type":"nobody.knows","example":true}'];
    for (const body of bodies) await receiver.delivery((delivery) => delivery.url === path && delivery.body.toString() === body);
});

test('a restart forgets none', async () => {
    const portal = await portalOf(world.app);
    await server.kill9();
    await server.start();
    assert.equal((await server.as(portal.token).get(`/api/v1/app/${world.app.id}`)).status, 200);
});
