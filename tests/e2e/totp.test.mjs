/* X1: the second factor. Codes are computed by the tests themselves (lib/totp.mjs). */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer, run } from './lib/server.mjs';
import { dump } from './lib/store.mjs';
import { makeManyUsers, makeUser, PASSWORD } from './lib/seed.mjs';
import { codeAt, STEP, wrongCode } from './lib/totp.mjs';

let server;
let people; /* who share the hash of one password: hashing it for each takes most of the time */
before(async () => {
    server = await Foyer.start({ args: ['--require-totp'] });
    people = await makeManyUsers(server, 16, { passwordOf: (await makeUser(server)).email });
});
after(() => server?.stop());

async function somebody(roles) {
    const user = people.pop();
    if (roles) assert.equal((await server.admin.put(`/v1/users/${user.user.id}/roles`, { roles })).status, 200);
    return user;
}

/* At the start of a step that is well after those of all codes before: its code counts for two steps, and the one before it for one, however slow this machine is. */
async function freshTime() {
    const now = await server.now();
    return server.advance(3 * STEP + 1000 - (now % STEP));
}
const logIn = (user, more = {}, api = server.anonymous) => api.post('/v1/sessions', { email: user.email, password: PASSWORD, ...more });
const createTotp = (user, password = PASSWORD) => user.post('/v1/me/totp', { password });
const deleteTotp = (user, proof, password = PASSWORD) => user.delete('/v1/me/totp', { password, ...proof });

/* A user with a factor: {secret, codes} besides. */
async function withFactor() {
    const user = await somebody();
    const created = await createTotp(user);
    assert.equal(created.status, 201, created.text);
    const now = await freshTime();
    const confirmed = await user.post('/v1/me/totp/confirm', { code: codeAt(created.json.secret, now) });
    assert.equal(confirmed.status, 200, confirmed.text);
    return Object.assign(user, { secret: created.json.secret, codes: confirmed.json.recovery_codes });
}

/* Guesses until the wait is longer than this machine may ever dawdle: the answer that says so. */
async function guess(user) {
    for (let i = 0; i < 20; i++) {
        const answer = await createTotp(user, `wrong ${i}`);
        const wait = Number(answer.headers['retry-after'] ?? 0);
        if (wait > 30) return answer;
        assert.deepEqual([answer.status, answer.json.type], wait ? [429, 'rate-limited'] : [403, 'forbidden']);
        if (wait) await server.advance(wait * 1000);
    }
    throw new Error('twenty wrong passwords must lock out');
}

describe('setting up', () => {
    test('takes a code of the app, shows the secret and the recovery codes once, and ends other sessions', async () => {
        const user = await somebody();
        const other = server.as((await logIn(user)).json.token);
        assert.deepEqual((await user.get('/v1/me/totp')).json, { state: 'off', required: false, recovery_codes_left: 0 });
        assert.equal((await user.post('/v1/me/totp/confirm', { code: '123456' })).status, 409);
        const dropped = (await createTotp(user)).json.secret;
        const created = await createTotp(user);
        assert.equal(created.status, 201);
        const { secret, otpauth_url: url, qr_svg: svg } = created.json;
        assert.match(secret, /^[A-Z2-7]{32}$/);
        assert.notEqual(secret, dropped);
        const said = new URL(url);
        assert.equal(said.protocol, 'otpauth:');
        assert.deepEqual(Object.fromEntries(said.searchParams), { secret, issuer: 'Foyer', algorithm: 'SHA1', digits: '6', period: '30' });
        assert.match(svg, /^<svg [^>]*viewBox="0 0 \d+ \d+"/);
        assert.equal((await user.get('/v1/me/totp')).json.state, 'pending');
        assert.equal((await logIn(user)).status, 201, 'what is not confirmed counts for nothing');

        const now = await freshTime();
        for (const code of [wrongCode(secret, now), codeAt(secret, now - 2 * STEP), codeAt(dropped, now)]) {
            const refused = await user.post('/v1/me/totp/confirm', { code });
            assert.equal(refused.status, 422);
            assert.equal(refused.json.errors[0].field, 'code');
        }
        const confirmed = await user.post('/v1/me/totp/confirm', { code: codeAt(secret, now) });
        assert.equal(confirmed.status, 200);
        assert.equal(new Set(confirmed.json.recovery_codes).size, 10);
        assert.equal((await user.post('/v1/me/totp/confirm', { code: codeAt(secret, now) })).status, 409);
        assert.equal((await createTotp(user)).status, 409);
        assert.deepEqual((await user.get('/v1/me/totp')).json, { state: 'on', required: false, recovery_codes_left: 10 });
        assert.equal((await user.get('/v1/me')).json.totp_enabled, true);
        assert.equal((await other.get('/v1/me')).status, 401, 'sessions that never proved it are over');

        const rows = (await dump(server.dir, 'platform', ['recovery_code'])).toLowerCase();
        for (const code of confirmed.json.recovery_codes) assert.ok(!rows.includes(code.replaceAll('-', '')));
    });

    test('asks for the password, as does taking away; wrong ones count as failed log-ins', async () => {
        const user = await somebody();
        for (const answer of [await user.post('/v1/me/totp', {}), await user.delete('/v1/me/totp', {})])
            assert.deepEqual([answer.status, answer.json.errors[0].field], [422, 'password']);
        const locked = await guess(user);
        assert.equal(locked.json.detail, 'Too many wrong passwords.');
        for (const answer of [await createTotp(user), await deleteTotp(user, {}), await logIn(user)]) assert.equal(answer.status, 429);
        await server.advance(Number(locked.headers['retry-after']) * 1000);
        assert.equal((await user.get('/v1/me/totp')).json.state, 'off');
        assert.equal((await createTotp(user)).status, 201);
    });

    test('is not for an account without a password', async () => {
        const user = await somebody();
        const text = `UPDATE account SET password_hash = '' WHERE email = '${user.email}'`;
        await server.sql({ sqlite: text, postgres: text }, 'platform');
        for (const answer of [await createTotp(user), await deleteTotp(user, {})])
            assert.deepEqual([answer.status, answer.json.detail], [403, 'This account has no password.']);
    });

    test('is a session’s business, and fields are named', async () => {
        const user = await somebody();
        const key = server.as((await user.post('/v1/api-keys', { name: 'k', scopes: [] })).json.key);
        for (const answer of [await key.get('/v1/me/totp'), await createTotp(key), await key.post('/v1/me/totp/confirm', { code: '123456' }), await deleteTotp(key, {})])
            assert.equal(answer.status, 403);
        const short = await user.post('/v1/me/totp/confirm', { code: 'abcdef' });
        assert.deepEqual([short.status, short.json.errors[0].field], [422, 'code']);
        assert.equal((await deleteTotp(user, {})).status, 204, 'nothing to take away is what was asked for');
    });
});

describe('logging in', () => {
    test('needs a code; each counts once, one step of drift is fine', async () => {
        const user = await withFactor();
        const without = await logIn(user);
        assert.deepEqual([without.status, without.json.type], [401, 'totp-required']);
        let now = await freshTime();
        const refused = await logIn({ email: user.email }, { password: 'wrong password', code: codeAt(user.secret, now) });
        assert.deepEqual([refused.status, refused.json.type], [401, 'unauthenticated'], 'the password comes first, and says nothing of the factor');
        assert.equal((await logIn(user, { code: codeAt(user.secret, now - 2 * STEP) })).status, 401);
        now = await freshTime();
        assert.equal((await logIn(user, { code: codeAt(user.secret, now + 2 * STEP) })).status, 401);
        now = await freshTime();
        assert.equal((await logIn(user, { code: codeAt(user.secret, now - STEP) })).status, 201);
        assert.equal((await logIn(user, { code: codeAt(user.secret, now - STEP) })).status, 401, 'used');
        assert.equal((await logIn(user, { code: codeAt(user.secret, now + STEP).replace(/(...)/, '$1 ') })).status, 201);
        const before = await logIn(user, { code: codeAt(user.secret, now) });
        assert.deepEqual([before.status, before.json.type], [401, 'totp-required'], 'a later one was used');
        now = await freshTime();
        const session = await logIn(user, { code: codeAt(user.secret, now) });
        assert.equal((await server.as(session.json.token).get('/v1/me')).json.totp_enabled, true);
        for (const body of [{ code: '12345' }, { recovery_code: 'x'.repeat(16) + '!' }, { code: '123456', recovery_code: user.codes[0] }])
            assert.equal((await logIn(user, body)).status, 422);
    });

    test('two log-ins with one code, or with one recovery code, at once: one gets in', async () => {
        const user = await withFactor();
        for (const make of [async () => ({ code: codeAt(user.secret, await freshTime()) }), async () => ({ recovery_code: user.codes[0] })]) {
            const proof = await make();
            const apis = [server.as(null), server.as(null), server.as(null)];
            const answers = await Promise.all(apis.map((api) => logIn(user, proof, api)));
            assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, 401, 401]);
        }
    });

    test('a recovery code does once, in any letter case', async () => {
        const user = await withFactor();
        const [first, second] = user.codes;
        assert.equal((await logIn(user, { recovery_code: first.toUpperCase().replaceAll('-', ' ') })).status, 201);
        assert.equal((await logIn(user, { recovery_code: first })).status, 401);
        assert.equal((await logIn(user, { recovery_code: second })).status, 201);
        assert.equal((await user.get('/v1/me/totp')).json.recovery_codes_left, 8);
    });

    test('wrong codes lock out for ever longer, whoever knows the password; recovery codes go on', async () => {
        const user = await withFactor();
        let now = await freshTime();
        const statuses = [];
        for (let i = 0; i < 6; i++) statuses.push((await logIn(user, { code: wrongCode(user.secret, now) })).status);
        assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429]);
        await server.advance(6000); /* beyond the wait of the password's guard, within the code's */
        now = await server.now();
        const locked = await logIn(user, { code: codeAt(user.secret, now) });
        assert.equal(locked.status, 429, 'also the right code');
        assert.ok(Number(locked.headers['retry-after']) > 5);
        assert.equal((await deleteTotp(user, { code: codeAt(user.secret, now) })).status, 429);
        assert.equal((await logIn(user, { recovery_code: user.codes[0] })).status, 201);
        now = await freshTime();
        assert.equal((await logIn(user, { code: codeAt(user.secret, now) })).status, 201);
    });
});

describe('taking away', () => {
    test('needs a code or a recovery code; then the password alone does again', async () => {
        for (const proofOf of [async (user) => ({ code: codeAt(user.secret, await freshTime()) }), (user) => ({ recovery_code: user.codes[3] })]) {
            const user = await withFactor();
            const missing = await deleteTotp(user, {});
            assert.deepEqual([missing.status, missing.json.errors[0].field], [422, 'code']);
            assert.equal((await deleteTotp(user, { code: wrongCode(user.secret, await freshTime()) })).status, 422);
            assert.equal((await deleteTotp(user, { recovery_code: '0'.repeat(16) })).status, 422);
            assert.equal((await deleteTotp(user, await proofOf(user), 'wrong password')).status, 403, 'whoever found the session and the phone');
            assert.equal((await deleteTotp(user, await proofOf(user))).status, 204);
            assert.equal((await logIn(user)).status, 201);
            assert.equal((await user.get('/v1/me/totp')).json.recovery_codes_left, 0);
        }
    });

    test('an admin takes away a lost one, and the sessions end with it', async () => {
        const user = await withFactor();
        assert.equal((await user.delete(`/v1/users/${user.user.id}/totp`)).status, 403);
        for (let i = 0; i < 2; i++) assert.equal((await server.admin.delete(`/v1/users/${user.user.id}/totp`)).status, 204);
        assert.equal((await user.get('/v1/me')).status, 401);
        assert.equal((await logIn(user)).status, 201);
        assert.equal((await server.admin.delete('/v1/users/usr_0000000000001/totp')).status, 404);
    });
});

describe('--require-totp', () => {
    test('makes an organizer’s session a fan’s until there is a factor; keys are as before', async () => {
        const user = await somebody(['organizer']);
        const me = await user.get('/v1/me');
        assert.deepEqual([me.json.roles, me.json.totp_required, me.json.totp_enabled], [['fan', 'organizer'], true, false]);
        assert.equal((await user.get('/v1/venues')).status, 403);
        assert.equal((await user.post('/v1/api-keys', { name: 'k', scopes: ['organizer'] })).status, 403, 'no way around it by a key');
        assert.deepEqual((await user.get('/v1/me/totp')).json, { state: 'off', required: true, recovery_codes_left: 0 });
        const { secret } = (await createTotp(user)).json;
        assert.equal((await user.get('/v1/venues')).status, 403);
        const confirmed = await user.post('/v1/me/totp/confirm', { code: codeAt(secret, await freshTime()) });
        assert.equal((await user.get('/v1/venues')).status, 200, 'at once');
        assert.equal((await user.get('/v1/me')).json.totp_required, false);
        const key = server.as((await user.post('/v1/api-keys', { name: 'k', scopes: ['organizer'] })).json.key);
        assert.equal((await deleteTotp(user, { recovery_code: confirmed.json.recovery_codes[0] })).status, 204);
        assert.equal((await user.get('/v1/venues')).status, 403);
        assert.equal((await key.get('/v1/venues')).status, 200);
        const [admin, support, fan] = [await somebody(['admin']), await somebody(['support']), await somebody()];
        assert.equal((await admin.get('/v1/users')).status, 403);
        assert.equal((await support.get('/v1/me')).json.totp_required, false);
        assert.equal((await fan.get('/v1/me')).json.totp_required, false);
        assert.equal((await server.admin.get('/v1/users')).status, 200);
    });

    test('`foyer admin reset-totp` and `reset-password` help who is locked out', async (t) => {
        const own = await Foyer.start();
        t.after(() => own.kill9());
        const user = await makeUser(own);
        const { secret } = (await createTotp(user)).json;
        assert.equal((await user.post('/v1/me/totp/confirm', { code: codeAt(secret, await own.now()) })).status, 200);
        const command = (name, email) => run(['admin', name, '--data', own.dir, '--email', email]);
        assert.equal((await command('reset-totp', user.email)).code, 1, 'the server runs');
        await own.stop();
        assert.match((await command('reset-totp', 'nobody@example.com')).stderr, /no account/);
        assert.equal((await command('reset-totp', user.email.toUpperCase())).code, 0);
        assert.match((await command('reset-totp', user.email)).stderr, /no second factor/);
        const reset = await command('reset-password', user.email);
        assert.equal(reset.code, 0, reset.stderr);
        const password = reset.stdout.trim();
        await own.start();
        assert.equal((await own.as(user.token).get('/v1/me')).status, 401);
        assert.equal((await own.anonymous.post('/v1/sessions', { email: user.email, password: PASSWORD })).status, 401);
        assert.equal((await own.anonymous.post('/v1/sessions', { email: user.email, password })).status, 201);
    });
});
