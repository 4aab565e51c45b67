/* X1: accounts, sessions, API keys, roles and scopes, the cookie and its protection, lock-out. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Foyer, run } from './lib/server.mjs';
import { dump } from './lib/store.mjs';
import { newKey } from './lib/api.mjs';
import { eventBody, makeUser, makeVenue, PASSWORD, unique } from './lib/seed.mjs';

let server;
before(async () => (server = await Foyer.start()));
after(() => server.stop());

const email = () => `p-${unique()}@example.com`;
const fields = (answer) => answer.json.errors.map((error) => error.field);

describe('sign-up', () => {
    test('makes an account that can log in, look at itself and log out', async () => {
        const address = email();
        const signUp = await server.anonymous.post('/v1/users', { email: address.toUpperCase(), password: PASSWORD, name: 'Ada' });
        assert.equal(signUp.status, 201);
        assert.deepEqual(signUp.json.roles, ['fan']);
        assert.equal(signUp.json.email, address);
        assert.ok(signUp.json.id.startsWith('usr_'));
        assert.ok(!signUp.text.includes(PASSWORD));

        const login = await server.anonymous.post('/v1/sessions', { email: address, password: PASSWORD });
        assert.equal(login.status, 201);
        assert.equal(login.json.user.id, signUp.json.id);
        assert.ok(Date.parse(login.json.expires_at) > (await server.now()));

        const user = server.as(login.json.token);
        assert.equal((await user.get('/v1/me')).json.id, signUp.json.id);
        assert.equal((await user.delete('/v1/sessions/current')).status, 204);
        assert.equal((await user.get('/v1/me')).status, 401);
    });

    test('names every field that is wrong', async () => {
        const answer = await server.anonymous.post('/v1/users', { email: 'no address', password: 'password123', name: '\u0007' });
        assert.equal(answer.status, 422);
        assert.equal(answer.json.type, 'validation');
        assert.deepEqual(new Set(fields(answer)), new Set(['email', 'password', 'name']));
    });

    test('names missing and unknown fields', async () => {
        const missing = await server.anonymous.post('/v1/users', {});
        assert.deepEqual(new Set(fields(missing)), new Set(['email', 'password', 'name']));
        const unknown = await server.anonymous.post('/v1/users', { email: email(), password: PASSWORD, name: 'A', roles: ['admin'] });
        assert.equal(unknown.status, 422);
        assert.deepEqual(fields(unknown), ['roles']);
    });

    test('refuses common passwords and the address as one', async () => {
        const address = email();
        for (const password of ['password123', address]) {
            const answer = await server.anonymous.post('/v1/users', { email: address, password, name: 'Ada' });
            assert.equal(answer.status, 422, password);
            assert.deepEqual(fields(answer), ['password']);
        }
    });

    test('refuses an address that is taken, in any letter case', async () => {
        const { email: address } = await makeUser(server);
        const again = await server.anonymous.post('/v1/users', { email: address.toUpperCase(), password: PASSWORD, name: 'Eve' });
        assert.equal(again.status, 409);
        assert.equal(again.json.type, 'email-taken');
    });

    test('is replayed by its key, and the key is good for one body only', async () => {
        const key = newKey();
        const body = { email: email(), password: PASSWORD, name: 'Ada' };
        const first = await server.anonymous.post('/v1/users', body, { key });
        const second = await server.anonymous.post('/v1/users', body, { key });
        assert.equal(second.status, 201);
        assert.equal(second.json.id, first.json.id);
        assert.equal(second.headers['idempotency-replayed'], 'true');
        const other = await server.anonymous.post('/v1/users', { ...body, name: 'Eve' }, { key });
        assert.equal(other.status, 422);
        assert.equal(other.json.type, 'idempotency-conflict');
    });

    test('keeps neither the password nor the token in the database', async () => {
        const user = await makeUser(server);
        const text = await dump(server.dir, 'platform');
        assert.ok(!text.includes(PASSWORD));
        assert.ok(!text.includes(user.token));
        assert.match(text, /argon2id/);
    });
});

describe('sessions', () => {
    test('a wrong password and an unknown address look the same', async () => {
        const { email: address } = await makeUser(server);
        const wrong = await server.anonymous.post('/v1/sessions', { email: address, password: 'not this one' });
        const unknown = await server.anonymous.post('/v1/sessions', { email: email(), password: 'not this one' });
        assert.equal(wrong.status, 401);
        assert.equal(unknown.status, 401);
        assert.equal(wrong.json.detail, unknown.json.detail);
        assert.match(wrong.headers['www-authenticate'], /^Bearer/);
    });

    test('a token that is not one is refused', async () => {
        for (const token of ['ses_nonsense', 'sk_nonsense_nonsense_nonsense', 'x']) {
            const answer = await server.as(token).get('/v1/me');
            assert.equal(answer.status, 401, token);
        }
        const basic = await server.anonymous.get('/v1/me', { headers: { authorization: 'Basic YTpi' } });
        assert.equal(basic.status, 401);
    });

    test('a login refuses an Idempotency-Key, for it reveals a secret', async () => {
        const { email: address } = await makeUser(server);
        const answer = await server.anonymous.post('/v1/sessions', { email: address, password: PASSWORD }, { key: newKey() });
        assert.equal(answer.status, 400);
        assert.equal(answer.json.type, 'idempotency-key-refused');
    });

    test('a revoked session counts for nothing at once, other sessions go on', async () => {
        const first = await makeUser(server);
        const login = await server.anonymous.post('/v1/sessions', { email: first.email, password: PASSWORD });
        const second = server.as(login.json.token);
        const both = await Promise.all([first.get('/v1/me'), second.get('/v1/me')]);
        assert.deepEqual(both.map((answer) => answer.status), [200, 200]);
        assert.equal((await first.delete('/v1/sessions/current')).status, 204);
        const answers = await Promise.all(Array.from({ length: 20 }, () => first.get('/v1/me')));
        assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([401]));
        assert.equal((await second.get('/v1/me')).status, 200);
    });

    test('a session ends with its time', async () => {
        const own = await Foyer.start();
        const user = await makeUser(own);
        const login = await own.anonymous.post('/v1/sessions', { email: user.email, password: PASSWORD });
        const lifetime = Date.parse(login.json.expires_at) - (await own.now());
        assert.equal((await user.get('/v1/me')).status, 200);
        await own.advance(lifetime + 2000);
        assert.equal((await user.get('/v1/me')).status, 401);
        await own.stop();
    });

    test('failed logins lock out for a while, and only that address', async () => {
        const own = await Foyer.start();
        const user = await makeUser(own);
        const other = await makeUser(own);
        const attempt = (address, password) => own.anonymous.post('/v1/sessions', { email: address, password });
        let locked;
        for (let i = 0; i < 10 && !locked; i++) {
            const answer = await attempt(user.email, `wrong ${i}`);
            assert.ok([401, 429].includes(answer.status), answer.text);
            locked = answer.status === 429 && answer;
        }
        assert.ok(locked, 'ten wrong passwords must lock out');
        assert.equal(locked.json.type, 'rate-limited');
        assert.ok(Number(locked.headers['retry-after']) >= 1);
        assert.equal((await attempt(user.email, PASSWORD)).status, 429, 'the right password waits too');
        assert.equal((await attempt(other.email, PASSWORD)).status, 201, 'others do not');
        await own.advance(20 * 60 * 1000);
        assert.equal((await attempt(user.email, PASSWORD)).status, 201);

        const apis = Array.from({ length: 8 }, () => own.as(null));
        const answers = await Promise.all(apis.map((api) => api.post('/v1/sessions', { email: other.email, password: 'wrong password' })));
        const tried = answers.filter((answer) => answer.status === 401).length;
        assert.ok(tried >= 1 && tried <= 5, `${tried} were tried at once`);
        assert.ok(answers.every((answer) => answer.status === 401 || answer.status === 429));
        await own.stop();
    });
});

describe('cookie', () => {
    const login = async (headers = {}) => {
        const user = await makeUser(server);
        const answer = await server.anonymous.post('/v1/sessions', { email: user.email, password: PASSWORD, cookie: true }, { headers });
        assert.equal(answer.status, 201);
        return { user, answer, cookie: answer.headers['set-cookie'][0].split(';')[0] };
    };

    test('is HttpOnly and SameSite, and the token is not in the body', async () => {
        const { answer } = await login();
        assert.equal(answer.json.token, null);
        const set = answer.headers['set-cookie'][0];
        assert.match(set, /^foyer_session=ses_/);
        assert.match(set, /; HttpOnly/);
        assert.match(set, /; SameSite=Lax/);
        assert.match(set, /; Path=\//);
    });

    test('reads by itself; changes state for the own site only', async () => {
        const { user, cookie } = await login();
        const call = (method, target, headers) => server.anonymous.call(method, target, undefined, { headers: { cookie, ...headers } });
        assert.equal((await call('GET', '/v1/me')).json.id, user.user.id);
        for (const headers of [{}, { origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'null' }]) {
            const answer = await call('DELETE', '/v1/sessions/current', headers);
            assert.equal(answer.status, 403, JSON.stringify(headers));
        }
        assert.equal((await call('GET', '/v1/me')).status, 200, 'the session is still there');
        const own = await call('DELETE', '/v1/sessions/current', { origin: server.url });
        assert.equal(own.status, 204);
        assert.match(own.headers['set-cookie'][0], /Max-Age=0/);
        assert.equal((await call('GET', '/v1/me')).status, 401);
    });

    test('Sec-Fetch-Site of a browser is enough', async () => {
        const { cookie } = await login();
        const answer = await server.anonymous.delete('/v1/sessions/current', undefined, { headers: { cookie, 'sec-fetch-site': 'same-origin' } });
        assert.equal(answer.status, 204);
    });

    test('an old cookie is nobody: public pages stay readable', async () => {
        const headers = { cookie: 'foyer_session=ses_gone' };
        assert.equal((await server.anonymous.get('/v1/events', { headers })).status, 200);
        assert.equal((await server.anonymous.get('/v1/me', { headers })).status, 401);
    });
});

describe('API keys', () => {
    test('are shown once, work, and are refused as soon as they are deleted', async () => {
        const made = await server.admin.post('/v1/api-keys', { name: 'box office', scopes: ['organizer'] });
        assert.equal(made.status, 201);
        assert.match(made.json.key, /^sk_/);
        const key = server.as(made.json.key);
        assert.equal((await key.get('/v1/venues')).status, 200);
        const listed = (await server.admin.get('/v1/api-keys')).json.data.find((entry) => entry.id === made.json.id);
        assert.deepEqual(listed.scopes, ['organizer']);
        assert.equal(listed.key, undefined);
        assert.equal((await server.admin.delete(`/v1/api-keys/${made.json.id}`)).status, 204);
        const answers = await Promise.all(Array.from({ length: 10 }, () => key.get('/v1/venues')));
        assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([401]));
        assert.equal((await server.admin.delete(`/v1/api-keys/${made.json.id}`)).status, 404);
    });

    test('a scope opens its routes and no others', async () => {
        const make = async (scopes) => server.as((await server.admin.post('/v1/api-keys', { name: 'k', scopes })).json.key);
        const [none, checkIn, organizer] = [await make([]), await make(['check-in']), await make(['organizer'])];
        assert.equal((await none.get('/v1/me')).status, 200);
        assert.equal((await none.get('/v1/venues')).status, 403);
        assert.equal((await none.get('/v1/venues')).json.type, 'forbidden');
        assert.equal((await checkIn.get('/v1/venues')).status, 403);
        assert.equal((await checkIn.post('/v1/check-ins', { code: 'F1.x' })).status, 404);
        assert.equal((await none.post('/v1/check-ins', { code: 'F1.x' })).status, 403);
        assert.equal((await organizer.get('/v1/venues')).status, 200);
        assert.equal((await organizer.post('/v1/check-ins', { code: 'F1.x' })).status, 404);
        assert.equal((await organizer.get('/v1/users')).status, 403);
        assert.equal((await server.admin.get('/v1/users')).status, 200);
    });

    test('a key makes no keys, and nobody gives more than they have', async () => {
        const made = await server.admin.post('/v1/api-keys', { name: 'k', scopes: ['organizer'] });
        const key = server.as(made.json.key);
        assert.equal((await key.post('/v1/api-keys', { name: 'child', scopes: [] })).status, 403);
        assert.equal((await key.get('/v1/api-keys')).status, 403);
        const fan = await makeUser(server);
        assert.equal((await fan.post('/v1/api-keys', { name: 'k', scopes: ['organizer'] })).status, 403);
        const own = await fan.post('/v1/api-keys', { name: 'k', scopes: [] });
        assert.equal(own.status, 201);
        assert.equal((await server.as(own.json.key).get('/v1/me')).json.id, fan.user.id);
        const stranger = await makeUser(server);
        assert.equal((await stranger.delete(`/v1/api-keys/${own.json.id}`)).status, 404);
    });

    test('bad names and scopes are named', async () => {
        const answer = await server.admin.post('/v1/api-keys', { name: 'k', scopes: ['everything'] });
        assert.equal(answer.status, 422);
        assert.deepEqual(fields(answer), ['scopes']);
        assert.equal((await server.admin.post('/v1/api-keys', { name: ' ', scopes: [] })).status, 422);
        assert.equal((await server.admin.post('/v1/api-keys', { name: 'k', scopes: [] }, { key: newKey() })).status, 400);
    });

    test('`foyer admin create-key` makes one offline, and not beside a running server', async () => {
        const own = await Foyer.start();
        const beside = await run(['admin', 'create-key', '--data', own.dir, '--name', 'cli']);
        assert.equal(beside.code, 1);
        assert.match(beside.stderr, /\S/);
        await own.stop();
        const made = await run(['admin', 'create-key', '--data', own.dir, '--name', 'cli', '--scopes', 'check-in']);
        assert.equal(made.code, 0, made.stderr);
        const wrong = await run(['admin', 'create-key', '--data', own.dir, '--name', 'cli', '--scopes', 'all']);
        assert.equal(wrong.code, 2);
        await own.start();
        const key = own.as(made.stdout.trim());
        assert.equal((await key.post('/v1/check-ins', { code: 'F1.x' })).status, 404);
        assert.equal((await key.get('/v1/venues')).status, 403);
        await own.stop();
    });
});

describe('`foyer admin import-users`', () => {
    test('makes accounts and sessions beside those that people have', async (t) => {
        const own = await Foyer.start();
        t.after(() => own.kill9());
        const person = await makeUser(own);
        const list = path.join(own.dir, 'list.csv');
        const tokens = path.join(own.dir, 'tokens');
        const command = ['admin', 'import-users', '--data', own.dir, '--csv', list, '--sessions', tokens];
        fs.writeFileSync(list, `new@example.com,"Neu, N."\n${person.user.email},Somebody Else\n`);
        assert.equal((await run(command)).code, 1, 'the server runs');
        await own.stop();
        const first = await run(command);
        assert.equal(first.code, 0, first.stderr);
        assert.match(first.stdout, /^1 accounts made, 1 kept as they were; 1 sessions in /);
        assert.match(first.stdout, /1 of the kept accounts have a password or a role/);
        assert.equal(fs.statSync(tokens).mode & 0o777, 0o600);
        const written = fs.readFileSync(tokens, 'utf8');
        const again = await run(command);
        assert.match(again.stdout, /^0 accounts made, 2 kept as they were; 1 sessions in /);
        assert.equal(fs.readFileSync(tokens, 'utf8'), written);
        await own.start();

        const tokenOf = Object.fromEntries(written.trim().split('\n').map((line) => line.split(',')));
        const me = await own.as(tokenOf['new@example.com']).get('/v1/me');
        assert.deepEqual([me.status, me.json.email, me.json.name, me.json.roles], [200, 'new@example.com', 'Neu, N.', ['fan']]);
        assert.equal((await own.as(tokenOf[person.user.email]).get('/v1/me')).status, 401, 'nobody gets into an account that a person has');
        const kept = await own.as(person.token).get('/v1/me');
        assert.equal(kept.json.name, person.user.name);
        assert.equal((await own.anonymous.post('/v1/sessions', { email: person.user.email, password: PASSWORD })).status, 201);
        for (const password of [PASSWORD, ' ']) {
            const refused = await own.anonymous.post('/v1/sessions', { email: 'new@example.com', password });
            assert.equal(refused.status, 401);
            assert.equal(refused.json.detail, 'Email or password is wrong.');
        }
        assert.equal((await own.anonymous.post('/v1/users', { email: 'new@example.com', password: PASSWORD, name: 'N' })).status, 409);
    });
});

describe('roles', () => {
    test('an admin makes an organizer, who is one at once and until it is taken back', async () => {
        const user = await makeUser(server);
        assert.equal((await user.get('/v1/venues')).status, 403);
        const given = await server.admin.put(`/v1/users/${user.user.id}/roles`, { roles: ['organizer'] });
        assert.deepEqual(given.json.roles, ['fan', 'organizer']);
        assert.equal((await user.get('/v1/venues')).status, 200);
        await server.admin.put(`/v1/users/${user.user.id}/roles`, { roles: ['fan'] });
        assert.equal((await user.get('/v1/venues')).status, 403);
    });

    test('only an admin may, and only known roles for known accounts', async () => {
        const user = await makeUser(server);
        const mine = `/v1/users/${user.user.id}/roles`;
        assert.equal((await user.put(mine, { roles: ['admin'] })).status, 403);
        assert.equal((await server.anonymous.put(mine, { roles: ['admin'] })).status, 401);
        assert.equal((await server.admin.put(mine, { roles: ['king'] })).status, 422);
        assert.equal((await server.admin.put('/v1/users/usr_0000000000000/roles', { roles: [] })).status, 404);
        assert.equal((await server.admin.put('/v1/users/nonsense/roles', { roles: [] })).status, 404);
    });

    test('organizers do not see each other\'s venues and events', async () => {
        const [one, other] = [await makeUser(server, { roles: ['organizer'] }), await makeUser(server, { roles: ['organizer'] })];
        const venue = await makeVenue(one);
        assert.equal((await other.get(`/v1/venues/${venue.id}`)).status, 404);
        const stolen = await other.post('/v1/events', eventBody(venue.id, await server.now()));
        assert.equal(stolen.status, 422);
        assert.deepEqual(fields(stolen), ['venue_id']);
        const event = (await one.post('/v1/events', eventBody(venue.id, await server.now()))).json;
        for (const [method, target] of [
            ['GET', ''], ['GET', '/report'], ['GET', '/bookings.csv'], ['GET', '/check-in-bundle'], ['POST', '/publish'], ['POST', '/cancel'],
        ]) {
            const answer = await other.call(method, `/v1/events/${event.id}${target}`);
            assert.equal(answer.status, 404, `${method} ${target}`);
        }
        assert.equal((await server.admin.get(`/v1/events/${event.id}`)).status, 200);
    });

    test('accounts are listed newest first, page by page, or found by address', async () => {
        const user = await makeUser(server);
        const found = await server.admin.get(`/v1/users?email=${encodeURIComponent(user.email)}`);
        assert.deepEqual(found.json.data.map((entry) => entry.id), [user.user.id]);
        const ids = [];
        for (let cursor = ''; cursor !== null; ) {
            const page = (await server.admin.get(`/v1/users?limit=5${cursor && `&cursor=${cursor}`}`)).json;
            ids.push(...page.data.map((entry) => entry.id));
            cursor = page.next_cursor;
        }
        assert.equal(new Set(ids).size, ids.length);
        assert.deepEqual(ids, [...ids].sort().reverse());
        assert.equal((await server.admin.get('/v1/users?cursor=!!')).status, 422);
        assert.equal((await server.admin.get('/v1/users?limit=0')).status, 422);
        assert.equal((await server.admin.get('/v1/users?colour=red')).status, 422);
    });
});

test('the rate limit of sign-ups says when to come back, and --abuse=off lifts it', async () => {
    const own = await Foyer.start();
    const wrong = { email: 'x', password: 'y', name: 'z' };
    let refused;
    for (let i = 0; i < 80 && !refused; i++) {
        const answer = await own.anonymous.post('/v1/users', wrong);
        if (answer.status === 429) refused = answer;
    }
    assert.ok(refused, '80 sign-ups at once must be limited');
    assert.ok(Number(refused.headers['retry-after']) >= 1);
    assert.match(refused.headers['ratelimit-policy'], /q=\d+/);
    await own.advance(Number(refused.headers['retry-after']) * 1000);
    assert.equal((await own.anonymous.post('/v1/users', wrong)).status, 422);
    await own.stop();

    const open = await Foyer.start({ args: ['--abuse=off'] });
    for (let i = 0; i < 100; i++) assert.equal((await open.anonymous.post('/v1/users', wrong)).status, 422);
    await open.stop();
});

describe('a person is found', () => {
    const find = (api, email) => api.get(`/v1/users/lookup?email=${encodeURIComponent(email)}`);

    test('by the exact address, in any letter case, and nothing but id and name is told', async () => {
        const [asks, found] = [await makeUser(server), await makeUser(server, { name: 'Bob' })];
        const answer = await find(asks, found.email.toUpperCase());
        assert.deepEqual([answer.status, answer.json], [200, { id: found.user.id, name: 'Bob' }]);
        assert.equal((await find(asks, found.email.slice(0, -1))).status, 404);
        assert.equal((await find(asks, `%${found.email.slice(1)}`)).status, 404, 'no pattern');
        assert.equal((await find(server.anonymous, found.email)).status, 401);
        for (const wrong of ['?email=', '?email=bob', '', '?name=Bob']) {
            const refused = await asks.get(`/v1/users/lookup${wrong}`);
            assert.deepEqual([refused.status, fields(refused)], [422, [wrong.startsWith('?n') ? 'name' : 'email']], wrong);
        }
    });

    test('twenty times, then one each half minute; a network two hundred times', async () => {
        const own = await Foyer.start();
        const people = [];
        for (let i = 0; i < 11; i++) people.push(await makeUser(own));
        let answer;
        for (let i = 0; i < 20; i++) assert.equal((await find(people[0], `n${i}@example.com`)).status, 404);
        answer = await find(people[0], people[1].email);
        assert.deepEqual([answer.status, answer.json.type], [429, 'rate-limited']);
        assert.match(answer.headers['ratelimit-policy'], /^"lookup";/);
        const [first] = people;
        await own.advance(30_000);
        assert.equal((await find(first, people[1].email)).status, 200);
        assert.equal((await find(first, people[1].email)).status, 429);

        let count = 0;
        for (const person of people.slice(1)) {
            for (let i = 0; i < 20; i++) {
                answer = await find(person, 'nobody@example.com');
                count += answer.status === 404 ? 1 : 0;
            }
        }
        assert.match(answer.headers['ratelimit-policy'], /"lookup-network";/);
        assert.ok(count >= 189 && count < 200, `${count} of 200: what was asked before counts, what has come back since too`);
        await own.stop();
    });
});

test('the list of services is what --services says', async () => {
    assert.deepEqual((await server.anonymous.get('/v1/services')).json, { data: ['tickets'] });
    const own = await Foyer.start({ args: ['--services=chat, tickets'] });
    assert.deepEqual((await own.anonymous.get('/v1/services')).json, { data: ['chat', 'tickets'] });
    await own.stop();
});
