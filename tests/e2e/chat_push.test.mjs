/*
 * C14: devices with a Web Push subscription are notified of what their users have not read, by a push service that is this test's own; and
 * the operator's webhooks are told what happens in chats. What must not come is waited for by the queue being empty, never by time.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { Nodes } from './lib/nodes.mjs';
import { Postgres } from './lib/postgres.mjs';
import { PushService, verifyVapid } from './lib/push_service.mjs';
import { Receiver } from './lib/receivers.mjs';
import { Foyer } from './lib/server.mjs';
import { DAY, HOUR, iso, makeUser, unique } from './lib/seed.mjs';
import { isPostgres } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const ARGS = ['--services=chat', '--abuse=off', '--push-allow-cidr=127.0.0.0/8'];
const DELAY = 2500; /* more than a message waits to be looked at */
const AGAIN = 10500; /* more than lies between two notifications of one chat */

const ok = (answer, status = 200) => {
    assert.equal(answer.status, status, answer.text);
    return answer.json;
};
const invalid = (answer, field) => {
    assert.equal(answer.status, 422, answer.text);
    assert.deepEqual(answer.json.errors.map((error) => error.field), [field]);
};
const idOf = (api) => api.user.id;
const direct = async (a, b) => (await a.post('/v1/chats', { type: 'direct', user_id: idOf(b) })).json;
const group = async (owner, others, title = 'Row 1') => ok(await owner.post('/v1/chats', { type: 'group', title, member_ids: others.map(idOf) }), 201);
const sent = async (api, chatId, body) => ok(await api.post(`/v1/chats/${chatId}/messages`, { client_id: unique(), body }), 201);
const read = async (api, chatId, seq, more = {}) => ok(await api.post(`/v1/chats/${chatId}/receipts`, { read_seq: seq, ...more }));
const device = async (api, push, more = {}) => ok(await api.post('/v1/devices', { name: 'Browser', platform: 'web', push: { ...push.toJSON(), ...more } }), 201);

/* All that is due has been done. */
async function settled(server) {
    await until(async () => {
        const [[chats]] = await server.sql(`SELECT COUNT(*) FROM push_chat WHERE due_at <= ${await server.now()}`, 'chat');
        /* The time anew: what came of the chats is due at the time of that. */
        const [[jobs]] = await server.sql(`SELECT COUNT(*) FROM push_job WHERE next_at <= ${await server.now()}`, 'chat');
        return Number(chats) === 0 && Number(jobs) === 0;
    }, { what: 'nothing to be due' });
}
const pass = async (server, ms = DELAY) => {
    await server.advance(ms);
    await settled(server);
};

let server, service;
let ada, bob, cleo;
before(async () => {
    service = await PushService.start();
    server = await Foyer.start({ args: ARGS });
    [ada, bob, cleo] = [await makeUser(server, { name: 'Ada' }), await makeUser(server, { name: 'Bob' }), await makeUser(server, { name: 'Cleo' })];
});
after(async () => {
    await server.stop();
    service.stop();
});

describe('a notification', () => {
    test('is encrypted for the browser, signed, and says what was written', async () => {
        const key = ok(await bob.get('/v1/push/key')).public_key;
        assert.equal(Buffer.from(key, 'base64url').length, 65);
        const browser = service.subscription();
        await device(bob, browser);
        const chat = await direct(ada, bob);
        const message = await sent(ada, chat.id, 'Shall we meet at gate 4?');
        await pass(server);
        const [request] = browser.requests;
        assert.equal(browser.requests.length, 1);
        const said = browser.open(request);
        assert.deepEqual({ ...said, badge: 0 }, { t: 'message', chat_id: chat.id, message_id: message.id, seq: message.seq, type: 'text', sender_id: idOf(ada),
            sender: 'Ada', title: null, body: 'Shall we meet at gate 4?', unread: 1, created_at: message.created_at, badge: 0 });
        assert.equal(said.badge, 1);
        const { headers, body, method } = request;
        assert.deepEqual([method, headers['content-encoding'], headers.urgency], ['POST', 'aes128gcm', 'high']);
        assert.ok(Number(headers.ttl) > 0);
        assert.match(headers.topic, /^[\w-]{1,32}$/);
        verifyVapid(headers.authorization, service.url, key, await server.now());
        /* Controls: neither another key nor another origin would do, and the text is nowhere in the clear. */
        assert.throws(() => verifyVapid(headers.authorization, service.url, service.subscription().ecdh.getPublicKey('base64url')));
        assert.throws(() => verifyVapid(headers.authorization, 'https://elsewhere.example', key, 0));
        assert.throws(() => service.subscription().open(request));
        assert.ok(!body.includes('gate 4') && !JSON.stringify(headers).includes(chat.id));
        /* Its length says little about the text. */
        assert.equal((body.length - 86 - 16 - 1) % 256, 0);
    });

    test('does not come to who wrote, nor where it has arrived or was read', async () => {
        const [x, y] = [await makeUser(server), await makeUser(server)];
        const [own, here, there] = [service.subscription('own'), service.subscription('here'), service.subscription('there')];
        await device(x, own);
        const open = await device(y, here);
        await device(y, there);
        const chat = await direct(x, y);
        const message = await sent(x, chat.id, 'hello');
        ok(await y.post(`/v1/chats/${chat.id}/receipts`, { delivered_seq: message.seq, device_id: open.id }));
        await pass(server);
        assert.deepEqual([own.requests.length, here.requests.length, there.messages.map(({ body }) => body)], [0, 0, ['hello']]);
        const second = await sent(x, chat.id, 'again');
        await read(y, chat.id, second.seq);
        await pass(server, AGAIN);
        assert.equal(there.requests.length, 1, 'it was read');
    });

    test('is one for all that comes at once, and the next of a chat takes its place', async () => {
        const browser = service.subscription();
        const me = await makeUser(server);
        await device(me, browser);
        const chat = await group(ada, [me, bob], 'Many');
        for (let i = 1; i <= 5; i++) await sent(i % 2 ? ada : bob, chat.id, `m${i}`);
        await pass(server);
        assert.deepEqual(browser.messages.map(({ title, body, unread, badge }) => [title, body, unread, badge]), [['Many', 'm5', 5, 1]]);
        await sent(ada, chat.id, 'm6');
        await pass(server);
        assert.equal(browser.requests.length, 1, 'not at once');
        await pass(server, AGAIN);
        assert.deepEqual(browser.messages.at(-1).body, 'm6');
        const other = await direct(bob, me);
        await sent(bob, other.id, 'elsewhere');
        await pass(server);
        const topics = browser.requests.map(({ headers }) => headers.topic);
        assert.equal(topics.length, 3);
        assert.equal(topics[0], topics[1]);
        assert.notEqual(topics[0], topics[2]);
        assert.equal(browser.messages.at(-1).badge, 2);
    });

    test('says no texts where the device does not want it, long ones in part, and nothing of what was deleted or is from blocked people', async () => {
        const [quiet, loud] = [service.subscription('quiet'), service.subscription('loud')];
        const me = await makeUser(server);
        await device(me, quiet, { text: false });
        await device(me, loud);
        const chat = await group(ada, [me, bob]);
        await sent(ada, chat.id, 'ä'.repeat(2000));
        await pass(server);
        assert.equal(quiet.messages[0].body, null);
        assert.deepEqual([quiet.messages[0].sender, quiet.messages[0].unread], ['Ada', 1]);
        assert.equal(loud.messages[0].body, 'ä'.repeat(120));
        assert.equal((await me.put(`/v1/blocks/${idOf(bob)}`)).status, 204);
        await read(me, chat.id, ok(await me.get(`/v1/chats/${chat.id}`)).last_seq);
        await sent(bob, chat.id, 'from the blocked');
        const gone = await sent(ada, chat.id, 'oops');
        assert.equal((await ada.delete(`/v1/messages/${gone.id}`)).status, 204);
        await pass(server, AGAIN);
        assert.equal(loud.requests.length, 1);
        await sent(ada, chat.id, 'kept');
        await sent(bob, chat.id, 'and the blocked again');
        await pass(server, AGAIN);
        assert.equal(loud.messages.at(-1).body, 'kept');
    });

    test('does not come from a muted chat until it is over', async () => {
        const browser = service.subscription();
        const me = await makeUser(server);
        await device(me, browser);
        const chat = await group(ada, [me]);
        const other = await direct(bob, me);
        const until_ = (await server.now()) + HOUR;
        ok(await me.put(`/v1/chats/${chat.id}/mute`, { until: iso(until_) }), 204);
        assert.equal(Date.parse(ok(await me.get(`/v1/chats/${chat.id}`)).muted_until), until_);
        assert.equal(ok(await ada.get(`/v1/chats/${chat.id}`)).muted_until, null);
        await sent(ada, chat.id, 'quiet');
        await sent(bob, other.id, 'loud');
        await pass(server);
        assert.deepEqual(browser.messages.map(({ body, badge }) => [body, badge]), [['loud', 1]]);
        await server.advance(HOUR);
        await sent(ada, chat.id, 'heard');
        await pass(server);
        assert.deepEqual(browser.messages.at(-1).body, 'heard');
        ok(await me.put(`/v1/chats/${chat.id}/mute`, {}), 204);
        await sent(ada, chat.id, 'quiet again');
        await pass(server, AGAIN);
        assert.equal(browser.requests.length, 2);
        ok(await me.delete(`/v1/chats/${chat.id}/mute`), 204);
        await sent(ada, chat.id, 'and heard');
        await pass(server, AGAIN);
        assert.equal(browser.messages.at(-1).body, 'and heard');
        invalid(await me.put(`/v1/chats/${chat.id}/mute`, { until: 'tomorrow' }), 'until');
        assert.equal((await cleo.put(`/v1/chats/${chat.id}/mute`, {})).status, 404);
    });

    test('is taken back when it was read elsewhere, from those who said that they can', async () => {
        const [able, plain] = [service.subscription('able'), service.subscription('plain')];
        const me = await makeUser(server);
        await device(me, able, { clear: true });
        await device(me, plain);
        const [chat, other] = [await direct(ada, me), await direct(bob, me)];
        await sent(ada, chat.id, 'one');
        const last = await sent(ada, chat.id, 'two');
        await sent(bob, other.id, 'three');
        await pass(server);
        assert.equal(able.requests.length, 2);
        await read(me, chat.id, last.seq - 1);
        await settled(server);
        assert.equal(able.requests.length, 2, 'one of two is unread still');
        await read(me, chat.id, last.seq);
        await settled(server);
        assert.deepEqual(able.messages.at(-1), { t: 'clear', chat_id: chat.id, badge: 1 });
        assert.equal(able.requests.at(-1).headers.urgency, 'low');
        assert.equal(able.requests.at(-1).headers.topic, able.requests.find((request) => able.open(request).chat_id === chat.id).headers.topic);
        /* Who answers has read. */
        await sent(me, other.id, 'an answer');
        await settled(server);
        assert.deepEqual(able.messages.at(-1), { t: 'clear', chat_id: other.id, badge: 0 });
        assert.deepEqual([able.requests.length, plain.requests.length], [4, 2]);
    });
});

describe('a subscription', () => {
    test('is checked when it is given, and calls no address of this network', async () => {
        const me = await makeUser(server);
        const good = service.subscription().toJSON();
        const post = (push) => me.post('/v1/devices', { name: 'x', platform: 'web', push });
        invalid(await post({ ...good, keys: { ...good.keys, p256dh: 'BAAA' } }), 'push');
        invalid(await post({ ...good, keys: { ...good.keys, p256dh: Buffer.concat([Buffer.from([4]), crypto.randomBytes(64)]).toString('base64url') } }), 'push');
        invalid(await post({ ...good, keys: { ...good.keys, auth: 'AAAA' } }), 'push');
        invalid(await post({ ...good, keys: undefined }), 'push');
        invalid(await post({ ...good, text: 'yes' }), 'push');
        for (const endpoint of ['http://push.example/1', 'ftp://push.example/1', 'https://', 'https://u@push.example/', 'https://push.example/#x', 'https://10.0.0.1/x',
            'https://169.254.169.254/x', 'http://10.0.0.1/x', 'https://[::ffff:10.0.0.1]/x', 'https://[fd00::1]/', 'https://a b/', 7]) {
            invalid(await post({ ...good, endpoint }), 'push');
        }
        ok(await post({ ...good, endpoint: 'https://push.example/1' }), 201);
        const plain = ok(await me.post('/v1/devices', { name: 'x', platform: 'web' }), 201);
        const put = (body) => me.put(`/v1/devices/${plain.id}/push`, body);
        invalid(await put({ ...good, keys: { ...good.keys, auth: 'AAAA' } }), 'keys');
        invalid(await put({ keys: good.keys }), 'endpoint');
        assert.equal((await put(good)).status, 204);
        assert.equal((await put(good)).status, 204);
        assert.deepEqual(ok(await me.get('/v1/devices')).data.at(-1).push, good);
        assert.equal((await bob.put(`/v1/devices/${plain.id}/push`, good)).status, 404);
        assert.equal((await bob.delete(`/v1/devices/${plain.id}/push`)).status, 404);
        assert.equal((await me.delete(`/v1/devices/${plain.id}/push`)).status, 204);
        assert.equal(ok(await me.get('/v1/devices')).data.at(-1).push, null);
        /* What is no Web Push is the operator's own. */
        ok(await post({ token: 'f00d' }), 201);
    });

    test('without the allowance no address and no name of this machine is called', async () => {
        const own = await Foyer.start({ args: ['--services=chat', '--abuse=off'] });
        const [x, y] = [await makeUser(own), await makeUser(own)];
        const browser = service.subscription();
        const named = { ...browser.toJSON(), endpoint: `https://localhost:${new URL(service.url).port}${browser.path}` };
        invalid(await y.post('/v1/devices', { name: 'x', platform: 'web', push: browser.toJSON() }), 'push');
        ok(await y.post('/v1/devices', { name: 'x', platform: 'web', push: named }), 201);
        const connections = [];
        const note = (socket) => connections.push(socket);
        service.server.on('connection', note);
        const chat = await direct(x, y);
        await sent(x, chat.id, 'hello');
        await own.advance(DELAY);
        await until(async () => (await own.metric('foyer_push_total', 'retried')) >= 1, { what: 'it to be tried' });
        service.server.off('connection', note);
        assert.equal(connections.length, 0, 'nobody called');
        await own.stop();
    });

    test('ends when the push service says that it is gone', async () => {
        const browser = service.subscription();
        const me = await makeUser(server);
        const { id } = await device(me, browser);
        const chat = await direct(ada, me);
        service.answer = ({ path }) => (path === browser.path ? 410 : 201);
        await sent(ada, chat.id, 'one');
        await pass(server);
        assert.deepEqual(ok(await me.get('/v1/devices')).data.map(({ id: own, push }) => [own, push]), [[id, null]]);
        service.answer = () => 201;
        await sent(ada, chat.id, 'two');
        await pass(server, AGAIN);
        assert.equal(browser.requests.length, 1);
        /* And begins again when the browser subscribes anew. */
        ok(await me.put(`/v1/devices/${id}/push`, browser.toJSON()), 204);
        await sent(ada, chat.id, 'three');
        await pass(server, AGAIN);
        assert.equal(browser.messages.at(-1).body, 'three');
    });

    test('is not given all the time: each locks everything', async () => {
        const own = await Foyer.start({ args: ['--services=chat'] });
        try {
            const me = await makeUser(own);
            const push = (name) => ({ ...service.subscription().toJSON(), endpoint: `https://push.example/${name}` });
            const first = push('first');
            const { id } = ok(await me.post('/v1/devices', { name: 'x', platform: 'web', push: first }), 201);
            /* What is so already locks nothing, nor does what is not there. */
            for (let i = 0; i < 60; i++) ok(await me.put(`/v1/devices/${id}/push`, first), 204);
            for (let i = 0; i < 60; i++) assert.equal((await me.put(`/v1/devices/dev_1111111111111/push`, push(i))).status, 404);
            const answers = [];
            while (answers.length < 100 && answers.at(-1)?.status !== 429) answers.push(await me.put(`/v1/devices/${id}/push`, push(`next${answers.length}`)));
            assert.equal(answers[0].status, 204);
            assert.equal(answers.at(-1).status, 429);
            assert.match(answers.at(-1).headers['ratelimit-policy'], /chat-push/);
        } finally {
            await own.stop();
        }
    });

    test('that is gone takes none along that the browser has given since', async () => {
        const slow = await PushService.start(() => 0);
        const [before_, now] = [slow.subscription(), service.subscription()];
        const me = await makeUser(server);
        const { id } = await device(me, before_);
        const chat = await direct(ada, me);
        await sent(ada, chat.id, 'one');
        await server.advance(DELAY);
        await until(() => slow.held.length === 1, { what: 'the first to be asked' });
        ok(await me.put(`/v1/devices/${id}/push`, now.toJSON()), 204);
        const gone = await server.metric('foyer_push_total', 'gone');
        slow.held[0].writeHead(410).end();
        await until(async () => (await server.metric('foyer_push_total', 'gone')) > gone, { what: 'the answer to be written' });
        assert.deepEqual(ok(await me.get('/v1/devices')).data[0].push, now.toJSON());
        await sent(ada, chat.id, 'two');
        await pass(server, AGAIN);
        assert.equal(now.messages.at(-1).body, 'two');
        slow.stop();
    });

    test('belongs to the device that had it last', async () => {
        const browser = service.subscription();
        const [first, second] = [await makeUser(server), await makeUser(server)];
        await device(first, browser);
        await device(second, browser);
        assert.equal(ok(await first.get('/v1/devices')).data[0].push, null);
        const [a, b] = [await direct(ada, first), await direct(ada, second)];
        await sent(ada, a.id, 'for the first');
        await sent(ada, b.id, 'for the second');
        await pass(server);
        assert.deepEqual(browser.messages.map(({ body }) => body), ['for the second']);
    });

    test('that comes late is found by chats that had given up looking', async () => {
        const me = await makeUser(server);
        const chat = await direct(ada, me);
        await sent(ada, chat.id, 'nobody hears this');
        await pass(server);
        await sent(ada, chat.id, 'nor this');
        const [[waiting]] = await server.sql('SELECT COUNT(*) FROM push_chat', 'chat');
        assert.equal(Number(waiting), 0, 'no row where there is nobody to notify');
        const browser = service.subscription();
        await device(me, browser);
        await sent(ada, chat.id, 'but this');
        await pass(server);
        assert.deepEqual(browser.messages.map(({ body, unread }) => [body, unread]), [['but this', 3]]);
    });
});

describe('a push service that fails', () => {
    test('keeps nobody else waiting, however much is to be sent to it', async () => {
        const slow = await PushService.start(() => 0);
        const [victim, me] = [await makeUser(server), await makeUser(server)];
        const devices = 20, chats = 15; /* more notifications than one look reads */
        for (let i = 0; i < devices; i++) await device(victim, slow.subscription(`slow${i}`));
        for (let i = 0; i < chats; i++) await sent(ada, (await group(ada, [victim], `Slow ${i}`)).id, 'never read');
        await server.advance(DELAY);
        await until(async () => {
            const [[due]] = await server.sql(`SELECT COUNT(*) FROM push_job WHERE user_id = (SELECT user_id FROM push_job GROUP BY user_id ORDER BY COUNT(*) DESC LIMIT 1)`, 'chat');
            return Number(due) === devices * chats && slow.held.length > 0;
        }, { what: 'all of the slow ones to be due' });
        const browser = service.subscription();
        await device(me, browser);
        await sent(ada, (await direct(ada, me)).id, 'at once');
        await server.advance(DELAY);
        await browser.message(({ body }) => body === 'at once');
        /* Control: it was not their turn. */
        assert.ok(slow.requests.length < devices * chats - 256, `${slow.requests.length} slow ones came before`);
        for (const { id } of ok(await victim.get('/v1/devices')).data) assert.equal((await victim.delete(`/v1/devices/${id}`)).status, 204);
        slow.stop();
        await pass(server, HOUR);
    });

    test('is asked again, later and later, as long as it may ask', async () => {
        const browser = service.subscription();
        const me = await makeUser(server);
        await device(me, browser);
        const chat = await direct(ada, me);
        const answers = [{ status: 503 }, { status: 429, headers: { 'retry-after': '60' } }, { status: 201 }];
        service.answer = ({ path }) => (path === browser.path ? answers[browser.requests.length] ?? 201 : 201);
        await sent(ada, chat.id, 'patience');
        await pass(server);
        assert.equal(browser.requests.length, 1);
        await pass(server, 5500);
        assert.equal(browser.requests.length, 2);
        await pass(server, 15000);
        assert.equal(browser.requests.length, 2, 'it asked for a minute');
        await pass(server, 50000);
        assert.deepEqual(browser.messages.map(({ body }) => body), ['patience']);
        await pass(server, HOUR);
        assert.equal(browser.requests.length, 3, 'and not once more');
        service.answer = () => 201;
    });

    test('is given up after six attempts, and its subscription after three such messages', async () => {
        const browser = service.subscription();
        const me = await makeUser(server);
        await device(me, browser);
        const chat = await direct(ada, me);
        service.answer = ({ path }) => (path === browser.path ? 500 : 201);
        for (let message = 1; message <= 3; message++) {
            assert.notEqual(ok(await me.get('/v1/devices')).data[0].push, null);
            await sent(ada, chat.id, `m${message}`);
            for (let i = 0; i < 8; i++) await pass(server, HOUR);
            assert.equal(browser.requests.length, 6 * message);
        }
        assert.equal(ok(await me.get('/v1/devices')).data[0].push, null);
        service.answer = () => 201;
    });

    test('that refuses is not asked again', async () => {
        const browser = service.subscription();
        const me = await makeUser(server);
        await device(me, browser);
        const chat = await direct(ada, me);
        service.answer = ({ path }) => (path === browser.path ? 403 : 201);
        await sent(ada, chat.id, 'one');
        await pass(server);
        await pass(server, HOUR);
        assert.equal(browser.requests.length, 1);
        service.answer = () => 201;
        await sent(ada, chat.id, 'two');
        await pass(server);
        assert.equal(browser.messages.at(-1).body, 'two');
    });
});

describe('kill -9', () => {
    test('loses no notification: before it is looked at, and while it is sent', async () => {
        const own = await Foyer.start({ args: ARGS });
        const [x, y] = [await makeUser(own), await makeUser(own)];
        const browser = service.subscription();
        await device(y, browser);
        const key = ok(await y.get('/v1/push/key')).public_key;
        const chat = await direct(x, y);
        await sent(x, chat.id, 'before');
        await own.kill9();
        await own.start();
        await own.advance(DELAY);
        assert.equal((await browser.message()).body, 'before');
        await settled(own);
        /* The push service has it, and the server does not hear so. */
        service.answer = ({ path }) => (path === browser.path ? 0 : 201);
        await sent(x, chat.id, 'during');
        await own.advance(AGAIN);
        const seen = browser.requests.length;
        await browser.count(seen + 1);
        await own.kill9();
        service.answer = () => 201;
        await own.start();
        await own.advance(AGAIN);
        assert.equal((await browser.message(({ body }) => body === 'during')).badge, 1);
        await settled(own);
        const [first, second] = browser.requests.slice(-2);
        assert.equal(first.headers.topic, second.headers.topic, 'twice, and one for the push service');
        assert.equal(ok(await y.get('/v1/push/key')).public_key, key, 'the key stays');
        await own.stop();
    });
});

describe('webhooks', () => {
    const HOOKS = ['--services=tickets,hooks,chat', '--hooks-allow-cidr=127.0.0.0/8', '--push-allow-cidr=127.0.0.0/8', '--abuse=off'];
    let own, receiver, operator, x, y, z;

    async function begin(more = []) {
        own = await Foyer.start({ args: HOOKS, contract: false });
        operator = await makeUser(own, { roles: ['admin'] });
        own.args.push(`--chat-hooks-account=${idOf(operator)}`, ...more);
        await own.restart();
        operator = Object.assign(own.as(operator.token), { user: operator.user });
        [x, y, z] = [await makeUser(own), await makeUser(own), await makeUser(own)];
    }

    async function listen() {
        receiver = await Receiver.start();
        assert.ok([201, 409].includes((await operator.post('/api/v1/app', { name: 'Chat', uid: 'chat' })).status), 'the bridge may have made it');
        ok(await operator.post('/api/v1/app/chat/endpoint', { url: receiver.url }), 201);
    }

    async function messages() {
        const all = [];
        for (let iterator = ''; ; ) {
            const page = ok(await operator.get(`/api/v1/app/chat/msg?limit=250${iterator && `&iterator=${iterator}`}`));
            all.push(...page.data);
            if (page.done) return all.reverse();
            iterator = page.iterator;
        }
    }

    /* Everything was told. */
    const told = (server_ = own) => until(async () => Number((await server_.sql('SELECT COUNT(*) FROM fact', 'chat'))[0][0]) === 0, { what: 'all facts to be told' });

    after(async () => {
        receiver?.stop();
        if (own?.isRunning()) await own.stop();
    });

    test('are told what happens, as the event types say, and no text', async () => {
        await begin();
        await listen();
        const chat = await group(x, [y], 'Secret title');
        ok(await x.post(`/v1/chats/${chat.id}/members`, { user_id: idOf(z) }), 201);
        const message = await sent(x, chat.id, 'secret text');
        ok(await x.patch(`/v1/messages/${message.id}`, { body: 'secret edit' }));
        ok(await y.put(`/v1/messages/${message.id}/reactions/👍`));
        ok(await y.post('/v1/reports', { message_id: message.id, reason: 'secret reason' }), 201);
        ok(await y.post('/v1/devices', { name: 'Phone', platform: 'ios', push: { token: 'f00d' } }), 201);
        const last = await sent(x, chat.id, 'undelivered');
        await read(z, chat.id, last.seq);
        await own.advance(DELAY);
        await settled(own);
        assert.equal((await x.delete(`/v1/messages/${message.id}`)).status, 204);
        assert.equal((await z.delete(`/v1/chats/${chat.id}/members/${idOf(z)}`)).status, 204);
        await told();
        const all = await messages();
        assert.deepEqual(all.map(({ eventType }) => eventType), ['chat.created', 'chat.member.added', 'chat.message.created', 'chat.message.edited', 'chat.reported',
            'chat.message.created', 'chat.message.undelivered', 'chat.message.deleted', 'chat.member.removed']);
        const types = ok(await operator.get('/api/v1/event-type?limit=250&with_content=true')).data.filter(({ name }) => name.startsWith('chat.'));
        assert.equal(types.length, 8);
        const ajv = addFormats(new Ajv({ strict: true, allErrors: true }));
        const checks = new Map(types.map(({ name, schemas }) => [name, ajv.compile(schemas[1])]));
        for (const { name, schemas } of types) for (const example of schemas[1].examples) assert.ok(checks.get(name)(example), JSON.stringify(checks.get(name).errors));
        for (const { eventType, payload, channels } of all) {
            assert.ok(checks.get(eventType)(payload), `${eventType} ${JSON.stringify(payload)} ${JSON.stringify(checks.get(eventType).errors)}`);
            assert.deepEqual(channels, [chat.id]);
        }
        assert.ok(!/secret|undelivered"?:? ?text/i.test(JSON.stringify(all.map(({ payload }) => payload))));
        const { data } = all[6].payload;
        assert.deepEqual([data.message_id, data.sender_id], [last.id, idOf(x)]);
        assert.deepEqual(data.recipients.map(({ user_id, devices }) => [user_id, devices.map(({ platform, push }) => [platform, push])]), [[idOf(y), [['ios', { token: 'f00d' }]]]]);
        assert.deepEqual(all[3].payload.data.message_id, message.id);
        await until(() => receiver.ids.size === all.length, { what: 'all deliveries' });
        /* Control: a message that nobody lacks is not undelivered. */
        const seen = await sent(x, chat.id, 'seen');
        await read(y, chat.id, seen.seq);
        await own.advance(DELAY);
        await settled(own);
        await told();
        assert.deepEqual((await messages()).slice(9).map(({ eventType }) => eventType), ['chat.message.created']);
    });

    test('are told each once, whoever is killed when', async () => {
        const chat = await direct(x, y);
        const before_ = (await messages()).length;
        const ids = [];
        for (let round = 0; round < 4; round++) {
            for (let i = 0; i < 25; i++) ids.push((await sent(x, chat.id, `m${i}`)).id);
            await own.kill9();
            await own.start();
        }
        await told();
        const created = (await messages()).slice(before_).filter(({ eventType }) => eventType === 'chat.message.created');
        assert.deepEqual(created.map(({ payload }) => payload.data.message_id).sort(), ids.sort());
        /* Told again, as after a crash between the two databases, it is the same message. */
        const [{ eventId, payload }] = created;
        assert.match(eventId, /^fct_/);
        const [[rowId]] = await own.sql('SELECT MAX(id) FROM chat', 'chat');
        const insert = (id) => own.sql(`INSERT INTO fact (id, chat_id, type, payload, created_at) VALUES (${id}, ${rowId}, 'chat.message.created',
            '${JSON.stringify(payload)}', 0)`, 'chat');
        const next = BigInt(rowId) + 1n;
        const total = (await messages()).length;
        await insert(next);
        await told();
        assert.equal((await messages()).length, total + 1);
        await insert(next);
        await told();
        assert.equal((await messages()).length, total + 1);
        await own.stop();
    });

    test('are told texts where the operator wants it; nobody listens, nothing is kept', async () => {
        receiver.stop();
        await begin(['--chat-hooks-text=on']);
        const chat = await direct(x, y);
        await sent(x, chat.id, 'unheard');
        await told();
        await listen();
        await sent(x, chat.id, 'heard');
        await told();
        assert.deepEqual((await messages()).map(({ payload }) => payload.data.body), ['heard']);
        await own.stop();
    });

    test('a setting that makes no sense is refused', async () => {
        for (const args of [['--services=chat', '--chat-hooks-account=usr_0000000000001'], ['--services=hooks,chat', '--chat-hooks-account=ada'], ['--push-contact=ada']])
            await assert.rejects(Foyer.start({ args }), /chat-hooks-account|push-contact/);
    });
});

describe('two nodes', { skip: !isPostgres && 'nodes share PostgreSQL' }, () => {
    test('have one key and send one notification, whoever took the message', async () => {
        const cluster = await Postgres.start();
        const nodes = await Nodes.start(cluster, { args: ['--services=tickets,chat', '--push-allow-cidr=127.0.0.0/8'] });
        const [a, b] = nodes.all;
        try {
            const [x, y] = [await makeUser(a), await makeUser(a)];
            const keys = await Promise.all([a, b].map(async (node) => ok(await node.as(y.token).get('/v1/push/key')).public_key));
            assert.equal(keys[0], keys[1]);
            const browser = service.subscription();
            await device(Object.assign(b.as(y.token), { user: y.user }), browser);
            for (const [i, node] of [a, b, a, b].entries()) {
                const chat = await group(Object.assign(node.as(x.token), { user: x.user }), [y], `on ${i}`);
                await sent(node.as(x.token), chat.id, `m${i}`);
                await nodes.advance(DELAY);
                await browser.message(({ body }) => body === `m${i}`);
            }
            await until(async () => Number((await a.sql('SELECT COUNT(*) FROM push_job WHERE sent_seq = 0', 'chat'))[0][0]) === 0, { what: 'results' });
            assert.equal(browser.requests.length, 4);
            /* The other one takes over. */
            const steward = await nodes.steward();
            await steward.kill9();
            const rest = nodes.other(steward);
            const chat = await group(Object.assign(rest.as(x.token), { user: x.user }), [y], 'later');
            await sent(rest.as(x.token), chat.id, 'after the kill');
            await until(async () => {
                await rest.advance(DELAY);
                return browser.messages.some(({ body }) => body === 'after the kill');
            }, { every: 200, what: 'the other node to notify' });
            await nodes.stop();
        } finally {
            await nodes.end();
            await cluster.kill();
        }
    });
});
