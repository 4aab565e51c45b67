/*
 * Clients that waste what a server has: time (senders and readers that dawdle), memory (pipelines), connections (floods), descriptors. Somebody
 * else is served all the while, what they took comes back, and they are ended by a rule that has a name. Deadlines are set short here, so
 * nothing waits for a minute; nothing is measured in time but that it ends.
 */
import test, { after, afterEach, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { Foyer, tempDir } from './lib/server.mjs';
import { newKey } from './lib/api.mjs';
import { until } from './lib/wait.mjs';
import { plan, sale } from './lib/seed.mjs';
import { Wire, get, head } from './lib/raw.mjs';

const isSanitized = /asan|tsan/.test(process.env.FOYER_BIN ?? '');
const MIB = 1 << 20;
/* What the clients below may cost at their worst. A sanitizer keeps freed memory for a while, and shadows it. */
const GROWTH_MAX = (isSanitized ? 400 : 64) * MIB;

const memory = (server) => {
    const pages = fs.readFileSync(`/proc/${server.pid}/statm`, 'utf8').split(' ')[1];
    return Number(pages) * 4096;
};
/* Processor time of the server in milliseconds, user and system. */
const cpuMs = (server) => {
    const fields = fs.readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
};
/* Measured: see bench/idle.c. */
const IDLE_BYTES_MAX = isSanitized ? 60000 : 16384;
const descriptors = (server) => fs.readdirSync(`/proc/${server.pid}/fd`).length;

/* The bystander: what everybody else sees meanwhile. A connection of its own each time. */
async function assertServes(server, times = 5) {
    for (let i = 0; i < times; i++) {
        const wire = new Wire(server, { ca: server.ca });
        wire.send(get('/v1/events', 'Connection: close'));
        await wire.closed({ timeout: 30000 });
        assert.equal(wire.answers()[0].status, 200);
    }
}

const opened = (count, server, options) => {
    const wires = Array.from({ length: count }, () => new Wire(server, options));
    return Promise.all(wires.map((wire) => wire.opened)).then(() => wires);
};
const allClosed = (wires, what) => until(() => wires.every((wire) => wire.isClosed), { timeout: 60000, every: 20, what });

/* While it has nothing to do it uses less than a quarter of the time; spinning would be all of it, or its share of a busy machine. */
async function assertIdle(server) {
    const began = [cpuMs(server), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const [cpu, elapsed] = [cpuMs(server) - began[0], performance.now() - began[1]];
    assert.ok(cpu < elapsed / 4, `${cpu} ms of processor time in ${Math.round(elapsed)} ms`);
}

/* The server's short deadlines would close a kept connection under the client's hands: each request has its own. */
async function start(args, options) {
    const server = await Foyer.start({ args: ['--abuse=off', ...args], ...options });
    server.agent.destroy();
    server.agent = undefined;
    return server;
}

/* As it sees itself: how many connections, the asking one among them. */
const connections = (server) => server.metric('foyer_connections_open');
const givenBack = (server, before) => until(() => descriptors(server) <= before + 4, { timeout: 60000, every: 50, what: 'the descriptors to come back' });

/* Each has a server of its own, and most of their time is waiting for a deadline: side by side. */
describe('deadlines', { concurrency: 2 }, () => {
    describe('slow clients', () => {
        let server;
        let map;
        before(async () => {
            server = await start(['--request-timeout-ms=5000', '--send-timeout-ms=2500', '--send-rate-min=100000000']);
            const event = await sale(server, { plan: plan({ sections: 10, rows: 50, seats: 20 }) });
            map = `/v1/events/${event.id}/seatmap`;
        });
        after(() => server.stop());

        const starts = {
            'silence': '',
            'half a request line': 'GET /healthz HT',
            'half a head': 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ',
            'a body that does not come': head('POST /v1/bookings HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Length: 1000'),
            'half a body': head('POST /v1/bookings HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Length: 1000') + '{"event_id',
            'half a chunk': head('POST /v1/bookings HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Transfer-Encoding: chunked') + '10\r\n{"eve',
            'a chunk extension': head('POST /v1/bookings HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Transfer-Encoding: chunked') + '10;',
            'a trailer': head('POST /v1/bookings HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Transfer-Encoding: chunked') + '0\r\nX-A: ',
            '100 Continue, and then nothing': head('POST /v1/bookings HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Expect: 100-continue', 'Content-Length: 1000'),
        };

        test('senders that dawdle at any place are closed at the deadline, dripping or silent, and others are served', async () => {
            const before = descriptors(server);
            const wires = [];
            for (const text of Object.values(starts)) wires.push(...(await opened(30, server)).map((wire) => wire.send(text)));
            const idle = (await opened(30, server)).map((wire) => wire.send(get('/healthz')));
            await Promise.all(idle.map((wire) => wire.answered(1)));
            const drip = setInterval(() => wires.forEach((wire, i) => i % 2 && !wire.isClosed && wire.send('a')), 200);
            await assertServes(server, 10);
            await allClosed([...wires, ...idle], 'the senders and the silent ones to be closed');
            clearInterval(drip);
            for (const wire of wires) assert.ok(wire.received === '' || /^HTTP\/1.1 (100 Continue|400)/.test(wire.received), wire.received);
            assert.ok(idle.every((wire) => wire.answers().length === 1 && !wire.error));
            await givenBack(server, before);
        });

        /* A client that asks and does not read: its socket is paused before anything comes. */
        const deaf = async (count) => {
            const wires = await opened(count, server);
            wires.forEach((wire) => wire.socket.pause());
            wires.forEach((wire) => wire.send(get(map).repeat(20)));
            return wires;
        };

        test('clients that never read a large answer, or in drips, are cut off, in bounded memory, and others are served', async () => {
            const size = Number((await server.anonymous.call('HEAD', map)).headers['content-length']);
            assert.ok(size > 200000, `the map is large: ${size}`);
            const [fds, base] = [descriptors(server), memory(server)];
            const wires = await deaf(120);
            const dripping = await deaf(10);
            dripping.forEach((wire) => wire.socket.removeAllListeners('data'));
            const drip = setInterval(() => dripping.forEach((wire) => wire.socket.read(2048)), 200);
            let growth = 0;
            await assertServes(server, 10);
            await until(async () => {
                growth = Math.max(growth, memory(server) - base);
                return (await connections(server)) <= 1;
            }, { timeout: 60000, every: 50, what: 'the deaf clients to be cut off' });
            clearInterval(drip);
            assert.ok(growth < GROWTH_MAX, `${wires.length} deaf clients took ${growth >> 20} MiB`);
            [...wires, ...dripping].forEach((wire) => wire.destroy());
            await givenBack(server, fds);
        });
    });

    describe('TLS', () => {
        let server;
        before(async () => {
            const dir = tempDir();
            const [cert, key] = [path.join(dir, 'cert.pem'), path.join(dir, 'key.pem')];
            execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
            server = await start(['--tls-cert', cert, '--tls-key', key, '--request-timeout-ms=5000'], { ca: fs.readFileSync(cert) });
        });
        after(() => server.stop());

        /* Bytes on the bare socket, below TLS: what comes back until it ends. */
        const bare = (bytes, { end = false } = {}) =>
            new Promise((resolve, reject) => {
                const { hostname, port } = new URL(server.url);
                const socket = net.connect(Number(port), hostname);
                const chunks = [];
                const timer = setTimeout(() => reject(new Error('the connection did not end')), 30000);
                socket.on('data', (data) => chunks.push(data)).on('error', () => {});
                socket.on('close', () => {
                    clearTimeout(timer);
                    resolve(Buffer.concat(chunks));
                });
                socket.on('connect', () => {
                    socket.write(bytes);
                    if (end) socket.end();
                });
            });

        test('what is no ClientHello ends the connection, without a word of HTTP', async () => {
            const before = descriptors(server);
            const hello = Buffer.from('16030100f8010000f40303', 'hex');
            const pieces = [get('/healthz'), '\0'.repeat(100), Buffer.alloc(20000, 0xff), Buffer.from('16030100050100000100', 'hex'), Buffer.from('15030100020228', 'hex'), Buffer.from('170303001000112233445566778899aabbccddeeff', 'hex'), Buffer.concat([hello, Buffer.alloc(242, 0xaa)]), 'SSH-2.0-OpenSSH_9.2\r\n'];
            for (const bytes of pieces) {
                const received = await bare(bytes);
                assert.ok(!received.includes('HTTP/'), received.toString('latin1'));
                assert.ok(received.length < 100, 'an alert at most');
            }
            await assertServes(server, 2);
            await givenBack(server, before);
        });

        test('requests of every kind are framed as on a plain port', async () => {
            const wire = new Wire(server, { ca: server.ca });
            wire.send(head('POST /v1/users HTTP/1.1', 'Host: x', 'Content-Length: 4', 'Transfer-Encoding: chunked') + `0\r\n\r\n${get('/healthz', 'X-Request-Id: hidden')}`);
            await wire.closed();
            assert.deepEqual(wire.answers().map((answer) => answer.status), [400]);
        });

        test('stalls, in the handshake or behind it, are cut off at the deadline, many at once, and others are served', async () => {
            const hello = Buffer.from('16030100f8010000f40303', 'hex');
            const stalls = Array.from({ length: 60 }, (_, i) => bare([Buffer.alloc(0), hello, Buffer.from('16', 'hex'), Buffer.from('80', 'hex')][i % 4]));
            const slow = new Wire(server, { ca: server.ca });
            slow.send('GET /healthz HT');
            await assertServes(server, 5);
            await slow.closed();
            assert.equal(slow.received, '');
            const received = await Promise.all(stalls);
            assert.ok(received.every((bytes) => !bytes.includes('HTTP/')));
        });
    });
});

describe('crowds', () => {
    let server;
    let fds;
    before(async () => {
        server = await start(['--loops=2', '--request-timeout-ms=600000', '--send-timeout-ms=2500']);
        await assertServes(server, 20);
        fds = descriptors(server);
    });
    after(() => server.stop());
    afterEach(async () => {
        await givenBack(server, fds);
        await assertServes(server, 1);
    });

    const PIPELINED = isSanitized ? 20000 : 100000;
    test(`${PIPELINED} requests on one connection are answered in order, in bounded memory`, async () => {
        const base = memory(server);
        const wire = new Wire(server);
        await wire.opened;
        let sent = 0;
        let seen = 0;
        let rest = '';
        let most = 0;
        const done = new Promise((resolve, reject) => {
            wire.socket.removeAllListeners('data').on('data', (data) => {
                const texts = (rest + data.toString('latin1')).split('{"status":"ok"}');
                rest = texts.pop();
                for (const text of texts) {
                    if (!text.startsWith('HTTP/1.1 200 OK\r\n') || !text.endsWith(`\r\nx-request-id: n-${seen}\r\n\r\n`)) reject(new Error(`answer ${seen} is ${text}`));
                    if (++seen % 5000 === 0) most = Math.max(most, memory(server));
                    if (seen === PIPELINED) resolve();
                }
            });
            wire.socket.on('close', () => reject(new Error(`closed after ${seen}`)));
        });
        done.catch(() => {});
        while (sent < PIPELINED) {
            let text = '';
            for (let i = 0; i < 1000; i++, sent++) text += get('/healthz', `X-Request-Id: n-${sent}`);
            if (!wire.socket.write(text)) await Promise.race([once(wire.socket, 'drain'), done]);
        }
        await done;
        assert.equal(rest, '');
        assert.ok(most - base < GROWTH_MAX, `it took ${(most - base) >> 20} MiB`);
        wire.destroy();
    });

    test('clients that pipeline and never read are stopped by back pressure, then by the deadline', async () => {
        const base = memory(server);
        const wires = await opened(30, server);
        const block = Buffer.from(get('/openapi.json').repeat(2500));
        let taken = 0;
        for (const wire of wires) {
            wire.socket.pause();
            for (let i = 0; i < 20; i++) wire.socket.write(block); /* 2 MB each; most of it never leaves this process */
        }
        await assertServes(server, 5);
        await until(async () => {
            taken = Math.max(taken, memory(server) - base);
            return (await connections(server)) <= 1;
        }, { timeout: 60000, every: 50, what: 'the deaf pipelines to be cut off' });
        assert.ok(taken < GROWTH_MAX, `30 deaf pipelines took ${taken >> 20} MiB`);
        wires.forEach((wire) => wire.destroy());
    });

    test('a hold in the middle of a pipeline is made once, in its place', async () => {
        const event = await sale(server);
        const body = JSON.stringify({ event_id: event.id, seat_ids: ['S1-R1-1'] });
        const hold = head('POST /v1/bookings HTTP/1.1', 'Host: x', 'Content-Type: application/json', `Authorization: Bearer ${server.admin.token}`, `Idempotency-Key: ${newKey()}`, `Content-Length: ${body.length}`) + body;
        const wire = new Wire(server);
        wire.send(get('/healthz') + hold + get('/healthz') + hold + get('/healthz', 'Connection: close'));
        await wire.closed();
        const answers = wire.answers();
        assert.deepEqual(answers.map((answer) => answer.status), [200, 201, 200, 201, 200]);
        assert.equal(answers[1].json.id, answers[3].json.id);
        assert.equal(answers[3].headers['idempotency-replayed'], 'true');
    });

    test('2,000 connections that open and end at once leave nothing', async () => {
        const base = memory(server);
        for (let round = 0; round < 20; round++) {
            const wires = await opened(100, server);
            wires.forEach((wire, i) => {
                if (i % 4 === 0) wire.socket.resetAndDestroy?.();
                else if (i % 4 === 1) wire.send('GET /v1/ev').socket.end();
                else if (i % 4 === 2) wire.send(get('/v1/events')).destroy();
                else wire.destroy();
            });
        }
        await until(async () => (await connections(server)) <= 1, { timeout: 60000, every: 50, what: 'all of them to be gone' });
        assert.equal(await server.metric('foyer_requests_open'), 1, 'but for the one that asks');
        assert.ok(memory(server) - base < GROWTH_MAX);
    });

    test('2,000 idle connections cost little, and others are served beside them', async () => {
        const base = memory(server);
        const wires = [];
        while (wires.length < 2000) {
            const more = await opened(200, server);
            more.forEach((wire) => wire.send(get('/healthz')));
            await Promise.all(more.map((wire) => wire.answered(1, { timeout: 60000 })));
            wires.push(...more);
        }
        assert.ok((await connections(server)) >= 2000);
        const each = (memory(server) - base) / wires.length;
        await assertServes(server, 20);
        assert.ok(each < IDLE_BYTES_MAX, `an idle connection takes ${Math.round(each)} bytes`);
        /* They are all still good. */
        wires.forEach((wire) => wire.send(get('/healthz')));
        await Promise.all(wires.map((wire) => wire.answered(2, { timeout: 60000 })));
        wires.forEach((wire) => wire.destroy());
    });

    test('without descriptors it does not spin, lives, and goes on when there are some again', async () => {
        const limit = (soft) => promisify(execFile)('prlimit', ['--pid', String(server.pid), `--nofile=${soft}:`]);
        const kept = await opened(4, server);
        kept.forEach((wire) => wire.send(get('/healthz')));
        await Promise.all(kept.map((wire) => wire.answered(1)));
        const most = descriptors(server) + 4;
        await limit(most);
        const wires = await opened(60, server);
        wires.forEach((wire) => wire.send(get('/healthz')));
        await until(() => descriptors(server) >= most - 1, { timeout: 30000, every: 20, what: 'the descriptors to be used up' });
        await assertIdle(server);
        assert.ok(wires.some((wire) => !wire.received), 'some wait');
        /* Whoever is in is served all the same, from memory and from the database. */
        kept.forEach((wire) => wire.send(get('/v1/events') + get('/v1/venues', `Authorization: Bearer ${server.admin.token}`)));
        await Promise.all(kept.map((wire) => wire.answered(3)));
        assert.ok(kept.every((wire) => wire.answers().every((answer) => answer.status === 200)), kept[0].received);
        await limit(4096);
        await Promise.all(wires.map((wire) => wire.answered(1, { timeout: 60000 })));
        [...kept, ...wires].forEach((wire) => wire.destroy());
    });
});

test('at the cap nobody new is taken in, who is there is served, nothing spins, and who waits is served when others leave', async () => {
    const server = await start(['--connections-max=32', '--loops=2', '--request-timeout-ms=600000']);
    try {
        const before = descriptors(server);
        const wires = await opened(120, server); /* those over the cap wait in the backlog */
        wires.forEach((wire) => wire.send(get('/healthz')));
        const answered = () => wires.filter((wire) => wire.received).length;
        await until(() => answered() >= 32, { timeout: 30000, what: 'the first 32 to be answered' });
        await assertIdle(server);
        const inside = wires.filter((wire) => wire.received);
        for (let round = 2; round <= 5; round++) {
            inside.forEach((wire) => wire.send(get('/healthz')));
            await Promise.all(inside.map((wire) => wire.answered(round)));
        }
        assert.equal(answered(), 32, 'no more than the cap, however long');
        let left = wires;
        while (left.length > 0) {
            await until(() => left.some((wire) => wire.received), { timeout: 30000, what: 'one that waited to be answered' });
            left.filter((wire) => wire.received).forEach((wire) => wire.destroy());
            left = left.filter((wire) => !wire.received);
        }
        await givenBack(server, before);
        await assertServes(server, 2);
    } finally {
        await server.stop();
    }
});
