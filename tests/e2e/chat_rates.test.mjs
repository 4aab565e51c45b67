/*
 * C13: how much a user, a network and a chat may send, and who may make how many chats. Buckets fill by the clock, which goes on while a test
 * sends: each test sends until one is refused, and has more to send than the bucket gets back meanwhile.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { Foyer } from './lib/server.mjs';
import { makeManyUsers, unique } from './lib/seed.mjs';

const AT_ONCE = 50;
/* A header names all limits that were looked at; the last one is what it fell to. */
const ROOM = /"chat-room";q=500;w=10$/;
const USER = /"chat-send";q=100;w=20$/;
const NETWORK = /"chat-send-network";q=1000;w=20$/;
const CREATE = /"chat-create";q=30;w=600$/;
const CREATE_NETWORK = /"chat-create-network";q=300;w=600$/;

let server;
before(async () => {
    server = await Foyer.start({ args: ['--services=chat'] });
});
after(() => server.stop());

let networks = 0;
/* Connections of an address of their own. */
function networkOf(t) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE, localAddress: `127.0.1.${++networks}` });
    t.after(() => agent.destroy());
    return { agent };
}

/* Everybody's buckets are full again. */
const refill = () => server.advance(600 * 1000);

const users = (count) => makeManyUsers(server, count);

const made = (answer, status = 201) => {
    assert.equal(answer.status, status, answer.text);
    return answer.json;
};
const newGroup = (owner, options, others = []) => owner.post('/v1/chats', { type: 'group', title: 'x', member_ids: others.map(({ user }) => user.id) }, options);
const send = (api, chat, options, more = {}) => api.post(`/v1/chats/${chat.id}/messages`, { client_id: unique(), body: 'x', ...more }, options);

/* Runs until an answer is a 429 of that policy; all others are good. */
async function untilRefused(calls, policy) {
    for (let i = 0; i < calls.length; i += AT_ONCE) {
        const answers = await Promise.all(calls.slice(i, i + AT_ONCE).map((call) => call()));
        for (const answer of answers) {
            if (answer.status < 300) continue;
            isRefused(answer, policy);
            return answer;
        }
    }
    throw new Error(`none of ${calls.length} was refused`);
}

function isRefused(answer, policy) {
    assert.equal(answer.status, 429, answer.text);
    assert.equal(answer.json.type, 'rate-limited');
    assert.match(answer.headers['ratelimit-policy'], policy);
    assert.ok(Number(answer.headers['retry-after']) >= 1);
    assert.match(answer.headers.ratelimit, /;r=0;t=\d+$/);
}

const times = (count, call) => Array.from({ length: count }, () => call);

describe('sending', () => {
    test('a user: what changes messages counts as well, reading does not, and it passes after Retry-After', async (t) => {
        const [me, other] = await users(2);
        const chat = made(await newGroup(me, {}, [other]));
        const message = made(await send(me, chat));
        const refused = await untilRefused(times(2000, () => send(me, chat)), USER);
        const others = [
            () => me.patch(`/v1/messages/${message.id}`, { body: 'y' }),
            () => me.put(`/v1/messages/${message.id}/reactions/${encodeURIComponent('👍')}`),
            () => me.delete(`/v1/messages/${message.id}/reactions/${encodeURIComponent('👍')}`),
        ];
        for (const call of others) await untilRefused([...times(30, () => send(me, chat)), ...times(AT_ONCE, call)], USER);
        made(await me.get(`/v1/chats/${chat.id}/messages?limit=1`), 200);
        made(await me.post(`/v1/chats/${chat.id}/receipts`, { read_seq: 1 }), 200);
        made(await send(other, chat, networkOf(t)));
        await server.advance(Number(refused.headers['retry-after']) * 1000);
        made(await send(me, chat));
    });

    test('a chat: whoever sends, while other chats of theirs go on, and what was sent before is answered again', async (t) => {
        const senders = await users(20);
        const quiet = senders[0];
        const chat = made(await newGroup(quiet, {}, senders.slice(1)));
        const elsewhere = made(await newGroup(quiet));
        const first = unique();
        const { id } = made(await send(quiet, chat, {}, { client_id: first }));
        /* Each from a network of their own, so that none is in the way. */
        const calls = senders.slice(1).flatMap((sender) => {
            const network = networkOf(t);
            return times(95, () => send(sender, chat, network));
        });
        await untilRefused(calls, ROOM); /* none of them has used up what is theirs */
        const own = networkOf(t);
        assert.equal(made(await send(quiet, chat, own, { client_id: first }), 200).id, id, 'a retry takes nothing of the chat');
        made(await send(quiet, elsewhere, own));
        await server.advance(10000);
        made(await send(quiet, chat, own));
    });

    test('a network: whoever sends to whatever chat, while the same user passes from elsewhere', async (t) => {
        const senders = await users(30);
        const crowded = networkOf(t);
        const chats = [];
        for (const sender of senders) chats.push(made(await newGroup(sender, networkOf(t))));
        const calls = senders.flatMap((sender, i) => times(95, () => send(sender, chats[i], crowded)));
        await untilRefused(calls, NETWORK);
        const last = senders.at(-1);
        const chat = chats.at(-1);
        made(await send(last, chat, networkOf(t)));
        await refill();
        made(await send(last, chat, crowded));
    });
});

describe('making chats', () => {
    test('a user: reports count as well, and sending does not', async (t) => {
        const [me, other] = await users(2);
        const network = networkOf(t);
        const chat = made(await newGroup(me, network, [other]));
        const message = made(await send(other, chat, network));
        await untilRefused(times(200, () => newGroup(me, network)), CREATE);
        isRefused(await me.post('/v1/reports', { message_id: message.id, reason: 'rude' }, network), CREATE);
        made(await send(me, chat, network));
        made(await newGroup(other, network));
        await server.advance(20000);
        made(await newGroup(me, network));
    });

    test('a network: however many users it has, while the same user passes from elsewhere', async (t) => {
        const makers = await users(20);
        const crowded = networkOf(t);
        await untilRefused(makers.flatMap((maker) => times(28, () => newGroup(maker, crowded))), CREATE_NETWORK);
        made(await newGroup(makers.at(-1), networkOf(t)));
        await refill();
        made(await newGroup(makers.at(-1), crowded));
    });
});
