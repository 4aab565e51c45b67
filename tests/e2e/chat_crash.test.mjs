/*
 * Chaos: people with one to three devices write to groups and to each other while connections are cut and stand still, devices start again from
 * what their store has, and servers are killed with kill -9 and started again. Then everybody's history is held against the log.
 *
 * CHAT_ROUNDS: how many kills (10, fewer on a slow machine). CHAT_MS: how long everybody writes before each, at most (1200).
 */
import test, { describe } from 'node:test';
import assert from 'node:assert/strict';
import { ChatClient, MemoryStore } from '../../clients/js/src/index.js';
import { ChaosProxy } from './lib/chaos_proxy.mjs';
import { Ledger, Tap } from './lib/chat_ledger.mjs';
import { ok, wholeLog } from './lib/chat_talk.mjs';
import { Nodes } from './lib/nodes.mjs';
import { Postgres } from './lib/postgres.mjs';
import { Foyer } from './lib/server.mjs';
import { makeUser } from './lib/seed.mjs';
import { isPostgres } from './lib/store.mjs';
import { until } from './lib/wait.mjs';
import { WebSocketClient } from './lib/websocket.mjs';

const ROUNDS = Number(process.env.CHAT_ROUNDS ?? 10);
const ROUND_MS = Number(process.env.CHAT_MS ?? 1200);
const ROUNDS_MIN = 3; /* on a machine that is too slow for more in this time */
const BUDGET_MS = ROUNDS * 3 * ROUND_MS;
const PEOPLE = [3, 2, 2, 1, 1, 1]; /* devices of each */
const WAITING_MAX = 40; /* of one device: more are not written until some are acknowledged */
const SETTLE_MS = 120000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const pick = (list) => list[Math.floor(Math.random() * list.length)];

/* A store that a crash of the device leaves as it is. */
class DeviceStore extends MemoryStore {
    isDead = false;
    set(key, value) {
        if (!this.isDead) super.set(key, value);
    }
    delete(key) {
        if (!this.isDead) super.delete(key);
    }
    after() {
        this.isDead = true;
        const next = new DeviceStore();
        next.map = new Map(this.map);
        return next;
    }
    cursor(chatId) {
        const kept = this.map.get(`cursor/${chatId}`);
        return kept ? JSON.parse(kept)[1] : 0;
    }
}

/* A device of somebody: its client, and what it has seen. */
class Device {
    constructor(world, person, name) {
        Object.assign(this, { world, person, name, store: new DeviceStore(), restarts: 0, resyncs: 0 });
        this.record = world.ledger.device(name, person.user.id);
        this.sends = new Map(); /* clientId: send */
    }

    start() {
        const { world, name } = this;
        const { ledger } = world;
        const power = (this.power = { isOn: true, sockets: new Set() });
        class Socket extends WebSocketClient {
            constructor(...args) {
                super(...args);
                this.tap = new Tap(name);
                ledger.taps.push(this.tap);
                power.sockets.add(this);
            }
            send(text) {
                if (!power.isOn) return;
                this.tap.said(text);
                super.send(text);
            }
            deliver(event) {
                this.tap.heard(event.data);
                if (event.data.includes('"repeated":true')) world.repeats++;
                super.deliver(event);
            }
        }
        this.client = new ChatClient({
            url: world.proxy.url,
            token: this.person.token,
            device: { name, platform: 'test' },
            store: this.store,
            history: 'all',
            random: () => Math.random() * 0.2,
            WebSocket: Socket,
        });
        const { client } = this;
        /* What an old client still says is nobody's. */
        const listen = (event, act) => client.on(event, (value) => client === this.client && act(value));
        listen('entry', ({ chatId, entry }) => Ledger.saw(this.record, chatId, entry));
        listen('resync', () => this.resyncs++);
        listen('sent', ({ pending, ack }) => this.sends.get(pending.clientId).acks.push({ seq: ack.seq, id: ack.message_id }));
        listen('failed', ({ problem }) => world.faults.push(`${name}: refused with ${JSON.stringify(problem)}`));
        listen('error', ({ problem }) => world.faults.push(`${name}: ${JSON.stringify(problem)}`));
        listen('state', ({ state, reason }) => state === 'stopped' && world.faults.push(`${name}: stopped, ${reason}`));
        void client.connect().catch(() => {});
    }

    get waiting() {
        return [...this.sends.values()].filter(({ acks, isGivenUp }) => acks.length === 0 && !isGivenUp).length;
    }

    write() {
        if (this.waiting >= WAITING_MAX) return;
        const chatId = pick(this.person.chats);
        const text = `${this.name} ${this.world.count++}`;
        const { clientId } = this.client.send(chatId, { body: text });
        this.sends.set(clientId, this.world.ledger.send(chatId, this.person.user.id, clientId, text));
    }

    /* It loses power: what the store has is all that is left. What it has shown is as durable as its cursor, as with those who write both at once. */
    crash() {
        const old = this.client;
        this.client = null;
        this.store = this.store.after();
        this.power.isOn = false;
        for (const socket of this.power.sockets) socket.destroy();
        void old.close();
        for (const [chatId, history] of Object.entries(this.record.histories)) {
            const cursor = this.store.cursor(chatId);
            this.record.histories[chatId] = history.filter(({ seq }) => seq <= cursor);
        }
        for (const [clientId, send] of this.sends) if (send.acks.length === 0 && !this.store.map.has(`out/${clientId}`)) send.isGivenUp = true;
        this.restarts++;
        this.start();
    }
}

class World {
    ledger = new Ledger();
    devices = [];
    faults = [];
    count = 0;
    kills = 0;
    hits = 0; /* kills that met messages without an answer */
    open = 0;
    repeats = 0; /* acknowledgements of what was sent before */

    static async start(servers) {
        const world = new World();
        world.servers = servers;
        world.proxy = await ChaosProxy.start();
        world.route();
        await world.#settle();
        return world;
    }

    route() {
        this.proxy.targets = this.servers.filter((server) => server.isRunning()).map(({ url }) => url);
    }

    async #settle() {
        const [server] = this.servers;
        this.people = [];
        for (const [i] of PEOPLE.entries()) this.people.push(Object.assign(await makeUser(server, { name: `P${i}` }), { chats: [] }));
        const make = async (body, members) => {
            const { id } = ok(await members[0].post('/v1/chats', body), 201);
            this.ledger.members[id] = members.map(({ user }) => user.id);
            for (const person of members) person.chats.push(id);
        };
        const group = (members) => make({ type: 'group', title: 'x', member_ids: members.slice(1).map(({ user }) => user.id) }, members);
        const [a, b, c, d, e, f] = this.people;
        await group(this.people);
        await group([b, a, d]);
        await group([c, e, f, a]);
        for (const [x, y] of [[a, b], [a, c], [d, e]]) await make({ type: 'direct', user_id: y.user.id }, [x, y]);
        for (const [i, person] of this.people.entries())
            for (let n = 0; n < PEOPLE[i]; n++) this.devices.push(new Device(this, person, `P${i}.${n}`));
        for (const device of this.devices) device.start();
        await this.live();
    }

    live() {
        return until(() => {
            for (const { client } of this.devices) client.reconnectNow();
            return this.devices.every(({ client }) => client.state === 'live');
        }, { timeout: SETTLE_MS, every: 100, what: 'all devices to be live' });
    }

    /* Everybody writes, and things go wrong, until a server is killed. */
    async round(victim) {
        let isOver = false;
        const writing = Promise.all(this.devices.map(async (device) => {
            while (!isOver) {
                device.write();
                await pause(5 + Math.random() * 40);
            }
        }));
        const trouble = (async () => {
            while (!isOver) {
                await pause(50 + Math.random() * 200);
                const dice = Math.random();
                if (dice < 0.3) this.proxy.cut(0.3);
                else if (dice < 0.5) this.proxy.stall(0.3);
                else if (dice < 0.7) this.proxy.free();
                else pick(this.devices).crash();
            }
        })();
        const before = this.ledger.acked.length;
        await pause(ROUND_MS * (0.5 + Math.random() * 0.5));
        await until(() => this.ledger.acked.length > before + 20, { timeout: SETTLE_MS, every: 1, what: 'acknowledgements' });
        this.proxy.targets = this.proxy.targets.filter((url) => url !== victim.url);
        const open = this.ledger.open.length;
        await victim.kill9();
        this.proxy.cut(1, victim.url);
        this.kills++;
        this.hits += open > 0 ? 1 : 0;
        this.open += open;
        await victim.start();
        this.route();
        await pause(Math.random() * 300);
        isOver = true;
        await Promise.all([writing, trouble]);
        this.proxy.free();
    }

    /* Everything that was written is acknowledged, and everybody has everything. */
    async finish() {
        this.proxy.free();
        await this.live();
        await until(() => this.ledger.open.length === 0 && this.devices.every(({ client }) => client.state === 'live'), { timeout: SETTLE_MS, what: 'all acknowledgements' }).catch((error) => {
            throw new Error(`${error.message}: ${JSON.stringify(this.ledger.open.slice(0, 5))} ${this.devices.map(({ client }) => client.state)}`);
        });
        for (const [chatId, [userId]] of Object.entries(this.ledger.members)) {
            const person = this.people.find(({ user }) => user.id === userId);
            this.ledger.read(chatId, await wholeLog(this.servers[0].as(person.token), chatId));
        }
        const isThere = ({ record, person }) => person.chats.every((chatId) => (record.histories[chatId]?.at(-1)?.seq ?? 0) >= this.ledger.logs[chatId].length);
        await until(() => this.devices.every(isThere), { timeout: SETTLE_MS, what: 'all devices to have everything' }).catch(() => {}); /* the checker says what is missing */
    }

    async stop() {
        await Promise.all(this.devices.map(({ client }) => client.close()));
        this.faults = this.faults.filter((text) => !/stopped, closed/.test(text));
        this.proxy.stop();
    }

    report(t) {
        const sum = (name) => this.devices.reduce((total, device) => total + device[name], 0);
        t.diagnostic(`${this.ledger.sends.length} messages, ${this.ledger.acked.length} acknowledged, ${this.repeats} times again`);
        t.diagnostic(`${this.kills} kills, ${this.hits} met ${this.open} without an answer; ${this.proxy.cuts} connections cut, ${this.proxy.stalls} stalled, ${sum('restarts')} devices started again, ${sum('resyncs')} resyncs`);
    }
}

/* What each of these does to the records, a fault of the server or the client could do to the truth. */
const DAMAGES = {
    'a device that misses one': [(l) => long(l).splice(5, 1), /saw nothing between/],
    'a device that misses the last': [(l) => long(l).pop(), /the log ends at/],
    'a device that saw one twice': [(l) => long(l).splice(5, 0, long(l)[4]), /twice/],
    'a device that saw two in another order': [(l) => long(l).splice(5, 2, long(l)[6], long(l)[5]), /behind/],
    'a device that saw what nobody sent': [(l) => (long(l)[5] = { ...long(l)[5], id: 'msg_foreign' }), /saw another 6/],
    'a device that saw another text': [(l) => (long(l)[5] = { ...long(l)[5], text: 'other' }), /saw another 6/],
    'a device that saw more than there is': [(l) => long(l).push({ ...long(l).at(-1), seq: long(l).length + 1 }), /not in the log/],
    'a device that saw a chat of others': [(l) => {
        const [chatId, members] = Object.entries(l.members).find(([, ids]) => ids.length === 2);
        const device = l.devices.find(({ userId }) => !members.includes(userId));
        device.histories[chatId] = l.logs[chatId].slice(0, 1);
    }, /a chat of others/],
    'a message that is acknowledged and gone, for everybody': [(l) => {
        const { chatId, acks: [{ seq }] } = l.acked[3];
        const without = (list) => list.filter((entry) => entry.seq !== seq).map((entry) => (entry.seq > seq ? { ...entry, seq: entry.seq - 1 } : entry));
        l.logs[chatId] = without(l.logs[chatId]);
        for (const { histories } of l.devices) if (histories[chatId]) histories[chatId] = without(histories[chatId]);
    }, /and lost/],
    'a message that is there twice, for everybody': [(l) => {
        const { chatId } = l.acked[3];
        const last = l.logs[chatId].findLast(({ type }) => type === 'text');
        const again = { ...last, seq: l.logs[chatId].length + 1, id: 'msg_again' };
        l.logs[chatId].push(again);
        for (const { histories } of l.devices) histories[chatId]?.push(again);
    }, /in the log twice/],
    'a message from nowhere, for everybody': [(l) => {
        const { chatId } = l.acked[3];
        const foreign = { ...l.logs[chatId].at(-1), type: 'text', seq: l.logs[chatId].length + 1, id: 'msg_x', client_id: 'nobody' };
        l.logs[chatId].push(foreign);
        for (const { histories } of l.devices) histories[chatId]?.push(foreign);
    }, /nobody has sent it/],
    'a text that is not what was sent, for everybody': [(l) => {
        const { chatId, acks: [{ seq }] } = l.acked[3];
        l.logs[chatId][seq - 1].text = 'other';
        for (const { histories } of l.devices) if (histories[chatId]) histories[chatId][seq - 1].text = 'other';
    }, /another text than was sent/],
    'a log with a gap': [(l) => Object.values(l.logs)[0].splice(4, 1), /stands in place 5/],
    'a retry that got another seq': [(l) => l.acked[3].acks.push({ ...l.acked[3].acks[0], seq: l.acked[3].acks[0].seq + 1 }), /acknowledged as \[/],
    'a message that was never answered': [(l) => (l.acked[3].acks = []), /never answered/],
    'a stream that repeats itself': [(l) => l.taps.push(tapOf([1, 2, 2])), /the stream has 2 where 3/],
    'a stream with a gap behind its cursor': [(l) => l.taps.push(tapOf([2])), /the stream has 2 where 1/],
};
const long = ({ devices }) => Object.values(devices[0].histories)[0];
function tapOf(seqs) {
    const tap = new Tap('tap');
    tap.said(JSON.stringify({ t: 'hello', cursors: { cht_1: [1, 0] } }));
    for (const seq of seqs) tap.heard(JSON.stringify({ t: 'message', chat_id: 'cht_1', seq }));
    return tap;
}

function controls(ledger) {
    for (const [what, [damage, wanted]] of Object.entries(DAMAGES)) {
        const copy = ledger.copy();
        damage(copy);
        const findings = copy.findings();
        assert.ok(findings.some((text) => wanted.test(text)), `${what} was not found: ${JSON.stringify(findings.slice(0, 5))}`);
    }
}

async function chaos(t, servers, victims) {
    const world = await World.start(servers);
    try {
        const end = performance.now() + BUDGET_MS;
        for (let i = 0; i < ROUNDS && (i < ROUNDS_MIN || performance.now() < end); i++) await world.round(victims(i));
        await world.finish();
        world.report(t);
    } finally {
        await world.stop();
    }
    assert.deepEqual(world.ledger.findings().slice(0, 20), []);
    controls(world.ledger);
    assert.deepEqual(world.faults.slice(0, 20), []);
    if (world.kills >= 10) assert.ok(world.repeats > 0, 'no acknowledgement was lost: too few kills to show anything');
    const heard = world.ledger.taps.reduce((total, tap) => total + tap.count, 0);
    assert.ok(heard > world.ledger.acked.length, 'what comes by the connections is looked at');
    assert.ok(world.hits * 4 >= world.kills, `${world.hits} of ${world.kills} kills have met messages without an answer: too few to show anything`);
}

describe('chaos', () => {
    const ARGS = ['--services=chat', '--abuse=off'];

    test('one server that is killed again and again', { timeout: 600000 }, async (t) => {
        const server = await Foyer.start({ args: ARGS });
        t.after(() => server.isRunning() && server.kill9().catch(() => null));
        await chaos(t, [server], () => server);
        await server.stop();
    });

    test('two nodes, of which one is killed again and again', { skip: !isPostgres && 'nodes share PostgreSQL', timeout: 600000 }, async (t) => {
        const cluster = await Postgres.start({ fsync: false });
        const nodes = await Nodes.start(cluster, { args: ['--services=tickets,chat'] });
        try {
            await chaos(t, nodes.all, (i) => nodes.all[i % 2]);
            await nodes.stop();
        } finally {
            await nodes.end();
            await cluster.kill();
        }
    });
});
