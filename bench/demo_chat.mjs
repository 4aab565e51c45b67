/*
 * The demo's part of chat: six people with two devices each write to one group while the server is killed with kill -9, twice, and started again.
 * Then what each device has seen is held against the log: nothing that was acknowledged is lost, nothing is there twice, and the order is the same
 * for all. Usage: demo_chat.mjs DATA; the store is FOYER_STORE. Needs no packages.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { ChatClient, MemoryStore, logIn } from '../clients/js/src/index.js';
import { Ledger } from '../tests/e2e/lib/chat_ledger.mjs';
import { WebSocketClient } from '../tests/e2e/lib/websocket.mjs';

const PEOPLE = ['Ada', 'Bob', 'Cleo', 'Dan', 'Eva', 'Finn'];
const DEVICES = ['phone', 'laptop'];
const MESSAGES = 40; /* of each device */
const PASSWORD = 'foyer-demo-2026';
const WAIT_MS = 60000;
const [data] = process.argv.slice(2);
const probe = createServer().listen(0, '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address(); /* the same for each start */
probe.close();
await once(probe, 'close');
const url = `http://127.0.0.1:${port}`;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, what) {
    for (const end = Date.now() + WAIT_MS; !condition(); await pause(20)) if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
}

async function ask(path, { token, body } = {}) {
    const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body && { 'content-type': 'application/json' }) };
    const answer = await fetch(`${url}${path}`, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body) });
    if (!answer.ok && answer.status !== 409) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
}

async function start() {
    const child = spawn('build/foyer', ['serve', '--data', data, '--listen', `127.0.0.1:${port}`, '--services', 'tickets,hooks,chat', '--abuse=off', '--log-level=error'],
        { stdio: ['ignore', 'pipe', 'inherit'] });
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(([code]) => Promise.reject(new Error(`the server ended with ${code}`)))]);
    return child;
}

async function end(child, signal) {
    const isOver = once(child, 'exit');
    child.kill(signal);
    await isOver;
}

const ledger = new Ledger();
let server = await start();
const people = [];
for (const name of PEOPLE) {
    const email = `${name.toLowerCase()}@chat.example`;
    await ask('/v1/users', { body: { email, password: PASSWORD, name } });
    people.push({ name, ...(await logIn(email, PASSWORD, { url })) });
}
const [maker, ...others] = people;
const chat = await ask('/v1/chats', { token: maker.token, body: { type: 'group', title: 'Lanterns at Midnight', member_ids: others.map(({ user }) => user.id) } });
ledger.members[chat.id] = people.map(({ user }) => user.id);

const devices = people.flatMap(({ name, token, user }) => DEVICES.map((kind) => {
    const client = new ChatClient({ url, token, device: { name: kind, platform: 'demo' }, store: new MemoryStore(), history: 'all', WebSocket: WebSocketClient });
    const record = ledger.device(`${name}'s ${kind}`, user.id);
    const sends = new Map();
    client.on('entry', ({ chatId, entry }) => chatId === chat.id && Ledger.saw(record, chatId, entry));
    client.on('sent', ({ pending, ack }) => sends.get(pending.clientId).acks.push({ seq: ack.seq, id: ack.message_id }));
    void client.connect().catch(() => {});
    return { client, record, sends, user, name: `${name}'s ${kind}` };
}));
await until(() => devices.every(({ client }) => client.state === 'live'), 'all devices to connect');

const began = Date.now();
const writing = Promise.all(devices.map(async ({ client, sends, user, name }) => {
    for (let i = 1; i <= MESSAGES; i++) {
        const body = `${name}, ${i}`;
        const { clientId } = client.send(chat.id, { body });
        sends.set(clientId, ledger.send(chat.id, user.id, clientId, body));
        await pause(60 + Math.random() * 60);
    }
}));
const open = [];
for (let kill = 0; kill < 2; kill++) {
    await pause(1000);
    await end(server, 'SIGKILL');
    open.push(ledger.open.length);
    server = await start();
}
await writing;
await until(() => {
    for (const { client } of devices) client.reconnectNow();
    return ledger.open.length === 0;
}, 'all acknowledgements');
let log = [];
for (let page; !page || page.data.length > 0; log = log.concat(page.data))
    page = await ask(`/v1/chats/${chat.id}/messages?after=${log.at(-1)?.seq ?? 0}&limit=200`, { token: maker.token });
ledger.read(chat.id, log);
const hasAll = ({ record }) => (record.histories[chat.id]?.at(-1)?.seq ?? 0) >= log.length;
await until(() => devices.every(hasAll), 'all devices to have everything').catch(() => {}); /* the findings say what is missing */
for (const { client } of devices) void client.close();
await end(server, 'SIGTERM');

const findings = ledger.findings();
console.log(`chat: ${ledger.acked.length} messages of ${devices.length} devices in ${((Date.now() - began) / 1000).toFixed(1)} s; the server was killed twice meanwhile, with ${open.join(' and ')} without an answer`);
console.log(`chat: on every device ${log.length} entries in the same order; lost, doubled or out of order: ${findings.length}`);
for (const finding of findings.slice(0, 20)) console.log(`  ${finding}`);
process.exit(findings.length > 0 || ledger.acked.length !== devices.length * MESSAGES ? 1 : 0);
