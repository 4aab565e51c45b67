/*
 * Chat under ThreadSanitizer: people with two devices each write, edit, react, type, watch, upload and search, while devices come and go, members
 * are added and removed, sessions end, and one client does not read. Each actor has a quota, so a run is a matter of work and not of time; SIGTERM
 * comes in the middle. Then the server is started again, and everybody's history is held against the log (lib/chat_ledger.mjs). A report of the
 * sanitizer ends the program and fails the test (see lib/server.mjs). `make tsan` runs this; the name keeps it out of `make test`.
 */
import test from 'node:test';
import assert from 'node:assert/strict';
import { ChatClient, MemoryStore } from '../../../clients/js/src/index.js';
import { Ledger } from '../lib/chat_ledger.mjs';
import { Talk, wholeLog } from '../lib/chat_talk.mjs';
import { png, upload } from '../lib/media.mjs';
import { makeUser } from '../lib/seed.mjs';
import { Foyer } from '../lib/server.mjs';
import { until } from '../lib/wait.mjs';
import { WebSocketClient } from '../lib/websocket.mjs';

const PEOPLE = 5;
const DEVICES = 2;
const PATIENCE = { timeout: 120000, every: 25 };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const pick = (list) => list[Math.floor(Math.random() * list.length)];

let own;
let people;
let guest;
let group;
let directs;
let isStopping = false;
const ledger = new Ledger();
const devices = [];

function begin(device) {
    const { person, record, sends, store } = device;
    const client = new ChatClient({ url: own.url, token: person.token, device: { name: 'x', platform: 'test' }, store, history: 'all', WebSocket: WebSocketClient });
    client.on('entry', ({ chatId, entry }) => client === device.client && ledger.members[chatId] && Ledger.saw(record, chatId, entry));
    client.on('sent', ({ pending, ack }) => sends.get(pending.clientId)?.acks.push({ seq: ack.seq, id: ack.message_id }));
    device.client = client;
    void client.connect().catch(() => {});
}

/* --- Actors: each does one round --- */

async function writer(index) {
    const device = devices[index % devices.length];
    const chatId = pick(device.person.chats);
    const body = `words ${index} ${'x'.repeat(index % 200)}`;
    const { clientId } = device.client.send(chatId, { body });
    device.sends.set(clientId, ledger.send(chatId, device.person.user.id, clientId, body));
    device.client.typing(chatId);
    await until(() => isStopping || device.sends.get(clientId).acks.length > 0, { ...PATIENCE, what: 'an acknowledgement' });
    device.client.markRead(chatId);
}

/* Changes of messages; what they are about may be gone. */
async function changer(index) {
    const { person, client } = devices[index % devices.length];
    const mine = client.chats.get(group)?.messages.findLast(({ sender_id, type, deleted_at }) => sender_id === person.user.id && type === 'text' && !deleted_at);
    if (!mine) return false;
    await client.react(mine.id, pick(['👍', '🎉']));
    if (index % 3 === 0) await client.unreact(mine.id, '👍');
    return true;
}

/* A device is switched off, and comes back with what it has. Two wanderers never have the same device: the streams of two clients of one would replace each other. */
async function wanderer(index) {
    const device = devices[index % devices.length];
    await device.client.close();
    await pause(20);
    begin(device);
    await until(() => isStopping || device.client.state === 'live', { ...PATIENCE, what: 'a device to be back' });
}

async function reader(index) {
    const { person, client } = devices[index % devices.length];
    await client.search('words');
    const api = own.as(person.token);
    await api.get(`/v1/chats?limit=5`);
    await api.get(`/v1/chats/${group}/receipts`);
    client.watch(people.map(({ user }) => user.id));
    if (index % 4 === 0) await own.anonymous.get('/metrics');
}

/* Comes into a group and goes, with a stream open. */
async function visitor() {
    const api = own.as(people[0].token);
    await api.post(`/v1/chats/${guest.chatId}/members`, { user_id: guest.user.id });
    const talk = await Talk.begin(own, own.as(guest.token), { isWaited: false });
    await api.post(`/v1/chats/${guest.chatId}/messages`, { client_id: `v${Math.random()}`, body: 'welcome' });
    await api.delete(`/v1/chats/${guest.chatId}/members/${guest.user.id}`);
    talk.socket.destroy();
}

/* Logs in, opens a stream, and logs out under it. */
async function leaver() {
    const login = await own.anonymous.post('/v1/sessions', { email: guest.user.email, password: 'correct horse battery' });
    const api = own.as(login.json.token);
    const talk = await Talk.begin(own, api, { isWaited: false });
    await api.delete('/v1/sessions/current');
    await until(() => isStopping || talk.socket.isClosed, { ...PATIENCE, what: 'a stream to end with its session' });
}

async function photographer(index) {
    const { person } = devices[index % devices.length];
    const api = own.as(person.token);
    const mediaPath = await upload({ ...api, server: own, token: person.token }, png(64, 64, { salt: index % 256 }), { name: 'a.png' });
    const sent = await api.post(`/v1/chats/${guest.chatId}/messages`, { client_id: `p${index}-${Math.random()}`, media_id: mediaPath.split('/').at(-1) });
    assert.ok([201, 404].includes(sent.status), sent.text);
    await api.get(mediaPath);
    await api.get(`${mediaPath}?size=thumb`);
}

const ACTORS = [
    { act: writer, count: 6, quota: 40 },
    { act: changer, count: 2, quota: 20 },
    { act: wanderer, count: 2, quota: 12, step: 2 },
    { act: reader, count: 2, quota: 20 },
    { act: visitor, count: 1, quota: 10 },
    { act: leaver, count: 1, quota: 5 },
    { act: photographer, count: 1, quota: 4 },
];

/* The round says which device: number + a multiple of the step. */
async function perform({ act, quota, step = 7 }, number, progress) {
    let rounds = 0;
    for (let i = 0; !isStopping; i++) {
        let isDone = false;
        try {
            isDone = (await act(number + i * step)) !== false;
        } catch (error) {
            if (isStopping) return;
            if (error.status === 503) continue; /* too busy for this round */
            progress.failure ??= new Error(`${act.name}: ${error.message}`, { cause: error });
            return;
        }
        if (!isDone) await pause(20);
        rounds += isDone;
        if (isDone && rounds === quota) progress.missing--;
    }
}

async function open() {
    own = await Foyer.start({ args: ['--services=tickets,hooks,chat', '--abuse=off', '--loops=2', '--readers=2'], contract: false });
    people = await Promise.all(Array.from({ length: PEOPLE }, async () => Object.assign(await makeUser(own), { chats: [] })));
    guest = await makeUser(own);
    const make = async (members, body) => {
        const { json } = await own.as(members[0].token).post('/v1/chats', body);
        return json.id;
    };
    const idsOf = (members) => members.map(({ user }) => user.id);
    group = await make(people, { type: 'group', title: 'All', member_ids: idsOf(people.slice(1)) });
    guest.chatId = await make(people, { type: 'group', title: 'Guests', member_ids: idsOf(people.slice(1)) });
    directs = await Promise.all(people.slice(1).map((other) => make([people[0], other], { type: 'direct', user_id: other.user.id })));
    ledger.members[group] = idsOf(people);
    for (const person of people) person.chats.push(group);
    for (const [i, id] of directs.entries()) {
        ledger.members[id] = idsOf([people[0], people[i + 1]]);
        for (const person of [people[0], people[i + 1]]) person.chats.push(id);
    }
    for (const person of people) {
        for (let n = 0; n < DEVICES; n++) {
            const name = `${person.user.id}.${n}`;
            devices.push({ person, name, store: new MemoryStore(), record: ledger.device(name, person.user.id), sends: new Map() });
        }
    }
    devices.forEach(begin);
    await until(() => devices.every(({ client }) => client.state === 'live'), { ...PATIENCE, what: 'all devices to be live' });
}

test('chat: everything at once, and SIGTERM in the middle', { timeout: 600000 }, async (t) => {
    t.after(() => Promise.all(devices.map(({ client }) => client?.close()))); /* or they would look for a server for ever, and the run not end */
    await open();
    const deaf = await Talk.begin(own, own.as(people[1].token));
    deaf.socket.pause?.();
    const cast = ACTORS.flatMap((actor) => Array.from({ length: actor.count }, (_, i) => ({ actor, number: i })));
    const progress = { missing: cast.length, failure: null };
    const running = cast.map(({ actor, number }) => perform(actor, number, progress));
    await until(() => progress.missing === 0 || progress.failure || !own.isRunning(), { timeout: 540000, what: 'the actors' });
    isStopping = true;
    if (!own.isRunning()) {
        await until(() => own.stderr, { ...PATIENCE, what: 'a reason why the program ended' });
        throw new Error(`the program ended by itself: ${own.stderr.slice(0, 8000)}`);
    }
    const ended = own.stop(); /* throws with the sanitizer's report */
    await Promise.all(running);
    await ended;
    if (progress.failure) throw progress.failure;
    deaf.socket.destroy();

    await own.start(); /* on another port */
    await Promise.all(devices.map(({ client }) => client.close()));
    devices.forEach(begin);
    await until(() => ledger.open.length === 0 && devices.every(({ client }) => client.state === 'live'), { ...PATIENCE, every: 200, what: 'all acknowledgements' });
    for (const chatId of Object.keys(ledger.members)) {
        const person = people.find(({ user }) => user.id === ledger.members[chatId][0]);
        ledger.read(chatId, await wholeLog(own.as(person.token), chatId));
    }
    const hasAll = ({ person, record }) => person.chats.every((id) => (record.histories[id]?.at(-1)?.seq ?? 0) >= ledger.logs[id].length);
    await until(() => devices.every(hasAll), PATIENCE).catch(() => {}); /* the findings say what is missing */
    await Promise.all(devices.map(({ client }) => client.close()));
    assert.deepEqual(ledger.findings().slice(0, 20), []);
    assert.ok(ledger.acked.length >= 240, `${ledger.acked.length} messages only`);
    await own.audit();
    await own.stop();
});
