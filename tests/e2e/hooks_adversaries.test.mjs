/*
 * H6, H8: receivers that do all they can to hold up, fill up or mislead the one who calls them, all at once, with neighbours who are served
 * meanwhile. Each attempt ends within its deadline as a failure that says what happened; what the sender itself does with each of them
 * is tested in tests/unit/net/sender_test.c.
 */
import test from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { Receiver, attemptsOf, makeApp, makeEndpoint, sendMessage, startHooks } from './lib/receivers.mjs';
import { until } from './lib/wait.mjs';

const SHORT_MS = 1000; /* the deadline for those who are to meet it */
const LONG_MS = 120000; /* and for those who must fail for another reason, on the slowest machine */
const MESSAGES = 5;
const RESIDENT_MAX = 1 << 30; /* an address sanitizer's own memory is in it */
const FAIL = 2;

/* Writes again and again, as fast as it is taken, or with pauses. */
function pour(socket, text, pause = 0) {
    const more = () => {
        if (socket.destroyed) return;
        const isTaken = socket.write(text);
        if (pause) setTimeout(more, pause);
        else if (isTaken) setImmediate(more);
        else socket.once('drain', more);
    };
    more();
}

const OK = 'HTTP/1.1 200 OK\r\n';
/* What each does once a request has begun to come in, and what is on record of it. */
const ADVERSARIES = {
    'says nothing': { act: () => {}, error: 'timeout' },
    'drips its head': { act: (socket) => (socket.write(`${OK}X-Drip: `), pour(socket, 'x', 20)), error: 'timeout' },
    'drips its body': { act: (socket) => (socket.write(`${OK}Content-Length: 100000\r\n\r\n`), pour(socket, 'x', 20)), error: 'timeout' },
    'drips 1xx': { act: (socket) => pour(socket, 'HTTP/1.1 102 Processing\r\n\r\n', 20), error: 'timeout' },
    'has an endless head': { act: (socket) => (socket.write(OK), pour(socket, 'X-Endless: head\r\n'.repeat(100))), error: 'head_too_large' },
    'has an endless line': { act: (socket) => (socket.write(`${OK}X-Endless: `), pour(socket, 'x'.repeat(4000))), error: 'head_too_large' },
    'floods with 1xx': { act: (socket) => pour(socket, 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(50)), error: 'head_too_large' },
    'breaks off': { act: (socket) => socket.resetAndDestroy(), error: 'broken' },
    'closes its half': { act: (socket) => socket.end(), error: 'broken' },
    'closes in the body': { act: (socket) => socket.end(`${OK}Content-Length: 1000\r\n\r\nhalf`), error: 'broken' },
    'has bad chunks': { act: (socket) => socket.end(`${OK}Transfer-Encoding: chunked\r\n\r\nzz\r\nno`), error: 'broken' },
    'is no web server': { act: (socket) => socket.end('220 mail.example ESMTP\r\n'), error: 'protocol' },
    'never greets back': { scheme: 'https', act: () => {}, error: 'timeout' },
    'speaks no TLS': { scheme: 'https', act: (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), error: 'tls' },
    'points to the metadata': { act: (socket) => socket.end('HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n'), status: 302, error: 'status' },
    'has an endless body of an error': { act: (socket) => (socket.write('HTTP/1.1 500 No\r\n\r\n'), pour(socket, 'e'.repeat(4000))), status: 500, error: 'status' },
    'has a bomb of an error': { act: (socket) => (socket.write('HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08'), pour(socket, '\0'.repeat(4000))), status: 500, error: 'status' },
};

const listeners = [];
const sockets = new Set();

async function listen(act) {
    const listener = net.createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => sockets.delete(socket));
        let text = '';
        let hasActed = false;
        socket.on('data', (data) => {
            text = (text + data.toString('latin1')).slice(0, 4096);
            const isTls = text.charCodeAt(0) === 0x16;
            if (hasActed || (!isTls && !text.includes('"n":'))) return;
            hasActed = true;
            act(socket);
        });
    });
    listener.listen(0, '127.0.0.1').unref();
    await once(listener, 'listening');
    listeners.push(listener);
    return listener.address().port;
}

async function suffer(t, adversaries, timeoutMs) {
    const server = await startHooks({ testClock: false, args: [`--hooks-timeout-ms=${timeoutMs}`] });
    const app = await makeApp(server);
    const endpoints = new Map();
    for (const [name, { act, scheme = 'http' }] of adversaries) {
        const port = await listen(act);
        const endpoint = await makeEndpoint(server, app, `${scheme}://127.0.0.1:${port}/`, { description: name });
        endpoints.set(endpoint.id, name);
    }
    const healthy = await Receiver.start();
    await makeEndpoint(server, app, healthy.url);
    const other = await makeApp(server);
    await makeEndpoint(server, other, healthy.url);

    const sent = [];
    for (let n = 0; n < MESSAGES; n++) {
        sent.push(await sendMessage(server, app, { n }));
        await sendMessage(server, other, { n });
    }
    await healthy.count(2 * MESSAGES);

    const seen = new Map();
    await until(async () => {
        for (const attempt of await attemptsOf(server, app, sent[0])) if (endpoints.has(attempt.endpointId)) seen.set(endpoints.get(attempt.endpointId), attempt);
        return seen.size === endpoints.size;
    }, { what: 'an attempt at each', every: 100 });
    for (const [name, { status = 0, error }] of adversaries) {
        const attempt = seen.get(name);
        assert.equal(attempt.status, FAIL, name);
        if (status) assert.equal(attempt.responseStatusCode, status, name);
        assert.ok(attempt.response.length <= 16 << 10, name);
        assert.equal(attempt.error.class, error, `${name}: ${attempt.error.text}`);
    }
    const resident = await server.metric('process_resident_memory_bytes');
    t.diagnostic(`${resident >> 20} MiB resident`);
    assert.ok(resident < RESIDENT_MAX);
    for (let n = 0; n < MESSAGES; n++) await sendMessage(server, other, { n });
    await healthy.count(3 * MESSAGES);
    await server.stop();
    healthy.stop();
    for (const socket of sockets) socket.destroy();
    for (const listener of listeners.splice(0)) listener.close();
}

const all = Object.entries(ADVERSARIES);
test('those who hang, all at once, and neighbours are served', (t) => suffer(t, all.filter(([, { error }]) => error === 'timeout'), SHORT_MS));
test('those who flood, break off and mislead, all at once, and neighbours are served', (t) => suffer(t, all.filter(([, { error }]) => error !== 'timeout'), LONG_MS));
