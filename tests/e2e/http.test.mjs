/*
 * Bad input below and in the JSON: a clear answer or a closed connection, and a server that lives and has written nothing. Bytes are sent
 * by hand, because no client library would.
 */
import test, { after, afterEach, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { Foyer } from './lib/server.mjs';
import { newKey } from './lib/api.mjs';
import { makeUser, sale, seatStates, venueBody } from './lib/seed.mjs';

let server;
let fan;
let event;
before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    fan = await makeUser(server);
    event = await sale(server);
});
after(async () => {
    const states = Object.values(await seatStates(server.anonymous, event.id));
    assert.ok(states.every((state) => state === 'available'), 'nothing of all this has held a seat');
    assert.deepEqual(await server.sql('SELECT COUNT(*) FROM booking WHERE state <> 5'), [['0']]);
    assert.deepEqual((await server.audit()).findings, []);
    await server.stop();
});
afterEach(async () => {
    assert.ok(server.isRunning());
    assert.equal((await server.anonymous.get('/healthz')).status, 200);
});

const CRLF = '\r\n';

/* Sends pieces, one write each, and gives all that comes back until the server closes, or `enough` says so. */
function converse(pieces, { enough = () => false, timeout = 60000, end = false } = {}) {
    const { hostname, port } = new URL(server.url);
    return new Promise((resolve, reject) => {
        const socket = net.connect(Number(port), hostname);
        let received = '';
        const done = (isClosed) => {
            clearTimeout(timer);
            socket.destroy();
            resolve({ text: received, isClosed, statuses: [...received.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map((match) => Number(match[1])) });
        };
        const timer = setTimeout(() => reject(new Error(`no end after ${timeout} ms; so far: ${received.slice(0, 500)}`)), timeout);
        socket.setNoDelay(true).setEncoding('latin1');
        socket.on('data', (text) => {
            received += text;
            if (enough(received)) done(false);
        });
        socket.on('error', (error) => (['ECONNRESET', 'EPIPE'].includes(error.code) ? done(true) : reject(error)));
        socket.on('close', () => done(true));
        socket.on('connect', async () => {
            for (const piece of pieces) {
                if (socket.destroyed) return;
                socket.write(piece);
                await new Promise((next) => setImmediate(next));
            }
            if (end) socket.end();
        });
    });
}

const head = (...lines) => [...lines, '', ''].join(CRLF);
const answered = (count) => (text) => {
    const statuses = [...text.matchAll(/HTTP\/1\.1 \d{3}[^]*?\r\n\r\n/g)];
    if (statuses.length < count) return false;
    const last = statuses[count - 1];
    const length = Number(/content-length: (\d+)/i.exec(last[0])?.[1] ?? 0);
    return text.length >= last.index + last[0].length + length;
};
const bookingHead = (...lines) => [
    'POST /v1/bookings HTTP/1.1', 'Host: x', 'Content-Type: application/json', `Authorization: Bearer ${fan.token}`, `Idempotency-Key: ${newKey()}`, ...lines,
];
const validBody = () => JSON.stringify({ event_id: event.id, seat_ids: ['S1-R1-1'] });

describe('framing', () => {
    const refusedHeads = {
        'two lengths that differ': ['Content-Length: 5', 'Content-Length: 6'],
        'two lengths that agree': ['Content-Length: 5', 'Content-Length: 5'],
        'a list of lengths': ['Content-Length: 5, 5'],
        'a length with a sign': ['Content-Length: +5'],
        'a negative length': ['Content-Length: -1'],
        'a length that is no number': ['Content-Length: five'],
        'a length in hex': ['Content-Length: 0x5'],
        'a length beyond all numbers': ['Content-Length: 99999999999999999999999'],
        'a length and a coding': ['Content-Length: 5', 'Transfer-Encoding: chunked'],
        'a coding and a length': ['Transfer-Encoding: chunked', 'Content-Length: 5'],
        'an unknown coding': ['Transfer-Encoding: gzip'],
        'a coding twice': ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
        'a coding behind another': ['Transfer-Encoding: gzip, chunked'],
        'a coding in disguise': ['Transfer-Encoding: xchunked'],
        'a space before the colon': ['Content-Length : 5'],
        'a folded line': ['X-A: 1', ' 2'],
        'a name with a space': ['X A: 1'],
        'a line without a colon': ['nonsense'],
        'a control character in a value': ['X-A: a\u0001b'],
        'a NUL in a value': ['X-A: a\0b'],
        'a second Host': ['Host: y'],
    };
    for (const [name, lines] of Object.entries(refusedHeads)) {
        test(`${name}: 400 and the end of the connection`, async () => {
            const { statuses, isClosed } = await converse([head(...bookingHead(...lines)) + '5\r\nhello\r\n0\r\n\r\n']);
            assert.ok(isClosed);
            assert.deepEqual(statuses, [400]);
        });
    }

    const refusedLines = {
        'no Host': head('GET /healthz HTTP/1.1'),
        'a malformed Host': head('GET /healthz HTTP/1.1', 'Host: a b/c'),
        'a target that is no path': head('GET healthz HTTP/1.1', 'Host: x'),
        'a target with spaces': head('GET /health z HTTP/1.1', 'Host: x'),
        'a target with raw bytes': head('GET /h\u00e4lthz HTTP/1.1', 'Host: x'),
        'bare line feeds': 'GET /healthz HTTP/1.1\nHost: x\n\n',
        'a method that is no token': head('G@T /healthz HTTP/1.1', 'Host: x'),
        'an unknown version': head('GET /healthz HTTP/3.0', 'Host: x'),
        'no request at all': '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\r\n\r\n',
        'garbage': `${'\u00ff\u0000\u0001'.repeat(100)}\r\n\r\n`,
    };
    for (const [name, text] of Object.entries(refusedLines)) {
        test(`${name}: refused, and the connection ends`, async () => {
            const { statuses, isClosed } = await converse([Buffer.from(text, 'latin1')]);
            assert.ok(isClosed);
            assert.ok(statuses.length <= 1 && statuses.every((status) => status >= 400 && status < 500), statuses.join());
        });
    }

    test('a head over its limits is refused: bytes, fields, target', async () => {
        const big = await converse([head('GET /healthz HTTP/1.1', 'Host: x', `X-A: ${'a'.repeat(70 << 10)}`)]);
        assert.ok(big.isClosed && big.statuses.every((status) => status === 431 || status === 400), big.statuses.join());
        const many = await converse([head('GET /healthz HTTP/1.1', 'Host: x', ...Array.from({ length: 150 }, (_, i) => `X-${i}: 1`))]);
        assert.ok(many.isClosed && many.statuses.every((status) => status === 431 || status === 400), many.statuses.join());
        const long = await converse([head(`GET /${'a'.repeat(9000)} HTTP/1.1`, 'Host: x', 'Connection: close')]);
        assert.deepEqual(long.statuses, [414]);
    });

    test('what is smuggled behind a refused head is never run', async () => {
        const smuggled = head('POST /v1/bookings HTTP/1.1', 'Host: x', `Authorization: Bearer ${fan.token}`, 'Content-Type: application/json',
            `Idempotency-Key: ${newKey()}`, `Content-Length: ${validBody().length}`) + validBody();
        const { statuses } = await converse([head('POST /v1/users HTTP/1.1', 'Host: x', 'Content-Length: 4', 'Transfer-Encoding: chunked') + `0\r\n\r\n${smuggled}`]);
        assert.deepEqual(statuses, [400]);
    });

    test('pipelined requests are answered in order, garbage behind them is not', async () => {
        const get = (path) => head(`GET ${path} HTTP/1.1`, 'Host: x');
        const three = await converse([get('/healthz') + get('/v1/nothing') + get('/readyz')], { enough: answered(3) });
        assert.deepEqual(three.statuses, [200, 404, 200]);
        const garbage = await converse([`${get('/healthz')}\u0000\u0001nonsense nonsense\r\n\r\n`]);
        assert.equal(garbage.statuses[0], 200);
        assert.ok(garbage.isClosed);
        assert.ok(garbage.statuses.slice(1).every((status) => status === 400));
    });

    test('a chunked body is a body; a malformed chunk ends the connection', async () => {
        const chunks = (text) => [...text].map((letter) => `1\r\n${letter}\r\n`).join('') + '0\r\n\r\n';
        const body = '{"email":"x","password":"password1","name":"n"}';
        const start = head('POST /v1/users HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Transfer-Encoding: chunked');
        const good = await converse([start, chunks(body)], { enough: answered(1) });
        assert.deepEqual(good.statuses, [422]);
        assert.match(good.text, /"field":"email"/);
        const bad = await converse([start, 'zz\r\n{}\r\n0\r\n\r\n']);
        assert.ok(bad.isClosed);
        assert.ok(bad.statuses.every((status) => status === 400), bad.statuses.join());
    });

    test('a connection serves many requests, until it is asked to close', async () => {
        const get = (more = []) => head('GET /healthz HTTP/1.1', 'Host: x', ...more);
        const kept = await converse(Array(20).fill(get()), { enough: answered(20) });
        assert.equal(kept.statuses.length, 20);
        assert.equal(kept.isClosed, false);
        const closing = await converse([get(['Connection: close'])]);
        assert.deepEqual([closing.statuses, closing.isClosed], [[200], true]);
        const old = await converse([head('GET /healthz HTTP/1.0')]);
        assert.deepEqual([old.statuses, old.isClosed], [[200], true]);
    });

    test('a byte at a time is still a request', async () => {
        const text = head('POST /v1/users HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Length: 2', 'Connection: close') + '{}';
        const { statuses } = await converse([...text]);
        assert.deepEqual(statuses, [422]);
    });

    test('a client that goes away in the middle leaves nothing', async () => {
        const text = head(...bookingHead(`Content-Length: ${validBody().length}`)) + validBody();
        for (const cut of [5, 30, text.length - 20, text.length - 1]) await converse([text.slice(0, cut)], { end: true });
        assert.equal((await seatStates(server.anonymous, event.id))['S1-R1-1'], 'available');
    });

    test('many connections that say nothing keep nobody else waiting', async () => {
        const { hostname, port } = new URL(server.url);
        const sockets = Array.from({ length: 300 }, () => net.connect(Number(port), hostname).on('error', () => {}));
        sockets.forEach((socket, i) => socket.write(i % 2 ? 'GET /healthz HTT' : head(...bookingHead('Content-Length: 1000')) + '{"event_id'));
        for (let i = 0; i < 20; i++) assert.equal((await server.anonymous.get('/v1/events')).status, 200);
        sockets.forEach((socket) => socket.destroy());
    });
});

describe('bodies', () => {
    const raw = (body, headers = {}) => fan.call('POST', '/v1/bookings', body, { key: newKey(), headers });
    const problem = async (promise, status, type) => {
        const answer = await promise;
        assert.equal(answer.status, status, answer.text);
        assert.equal(answer.headers['content-type'], 'application/problem+json');
        if (type) assert.equal(answer.json.type, type);
        assert.equal(answer.json.status, status);
        assert.ok(answer.json.request_id);
        return answer;
    };

    const malformed = {
        'a cut object': '{"event_id":"evt_1"',
        'a comma too many': '{"event_id":"a",}',
        'single quotes': "{'event_id':'a'}",
        'text after the end': '{} {}',
        'a bare word': 'hello',
        'NaN': '{"event_id":NaN}',
        'a leading zero': '{"event_id":01}',
        'a control character in a string': '{"event_id":"a\u0001"}',
        'a NUL behind the document': '{}\0',
        'a lone surrogate': '{"event_id":"\\ud800"}',
        'bytes that are no UTF-8': Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
        'an overlong encoding': Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc0, 0xaf, 0x22, 0x7d]),
        'deep nesting': '['.repeat(100000),
        'deep nesting that is closed': `{"event_id":${'['.repeat(500)}${']'.repeat(500)}}`,
        'deep objects': '{"a":'.repeat(5000) + '1' + '}'.repeat(5000),
    };
    for (const [name, body] of Object.entries(malformed)) {
        test(`${name}: 400 malformed-json`, async () => {
            await problem(raw(body), 400, 'malformed-json');
        });
    }

    test('a number that does not fit is an error of its field', async () => {
        for (const number of ['1e400', '-1e400', '99999999999999999999', '1.5', '1e2', '-9223372036854775809']) {
            const answer = await raw(`{"event_id":"${event.id}","areas":[{"area_id":"a","quantity":${number}}]}`);
            assert.ok([400, 422].includes(answer.status), `${number}: ${answer.status} ${answer.text}`);
        }
        const venue = await server.admin.post('/v1/venues', JSON.stringify(venueBody()).replace('"lat":52.52', '"lat":1e999'));
        assert.ok([400, 422].includes(venue.status), venue.text);
    });

    test('values of the wrong kind, and fields nobody knows, are named', async () => {
        for (const [body, field] of [['{"event_id":null}', 'event_id'], ['{"event_id":{}}', 'event_id'], ['{"event_id":["a"]}', 'event_id'], ['{"event_id":true}', 'event_id'], ['{"event_id":"a","zzz":1}', 'zzz']]) {
            const answer = await problem(raw(body), 422, 'validation');
            assert.ok(answer.json.errors.some((error) => error.field === field), `${body}: ${answer.text}`);
        }
        for (const body of ['[]', '5', '"text"', 'null', 'true']) {
            const answer = await raw(body);
            assert.ok([400, 422].includes(answer.status), `${body}: ${answer.text}`);
        }
    });

    test('a field given twice is refused, or the last counts, but nothing is half taken', async () => {
        const answer = await raw(`{"event_id":"${event.id}","event_id":"evt_0000000000000","seat_ids":["S1-R1-1"]}`);
        assert.ok([400, 422].includes(answer.status), answer.text);
    });

    test('another content type is 415, JSON by any of its names is taken', async () => {
        for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonp', '']) {
            const answer = await problem(raw('{}', { 'content-type': type }), 415, 'unsupported-media-type');
            assert.ok(answer);
        }
        for (const type of ['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;x=y'])
            await problem(raw('{}', { 'content-type': type }), 422, 'validation');
        await problem(raw(undefined), 422, 'validation');
    });

    test('a body over the limit of its route is 413: 1 MiB, 10 MiB for plans', async () => {
        const filler = (size) => `{"event_id":"${'x'.repeat(size)}"}`;
        await problem(raw(filler(900 << 10)), 422, 'validation');
        await problem(raw(filler((1 << 20) + 100)), 413, 'too-large');
        const plan = (size) => JSON.stringify({ ...venueBody(), name: 'x'.repeat(size) });
        assert.equal((await server.admin.post('/v1/venues', plan(2 << 20))).status, 422);
        assert.equal((await server.admin.call('POST', '/v1/venues', plan(11 << 20), { unchecked: true })).status, 413);
        const announced = await converse([head(...bookingHead('Content-Length: 999999999'))]);
        assert.ok(announced.isClosed);
        assert.deepEqual(announced.statuses, [413]);
    });

    test('plain bytes of chance never bring it down', async () => {
        let seed = 12345;
        const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff);
        for (let i = 0; i < 200; i++) {
            const template = Buffer.from(validBody());
            for (let j = 0; j < 1 + (i % 4); j++) template[random() % template.length] = random() % 256;
            const answer = await raw(template);
            if (answer.status === 201) await fan.delete(`/v1/bookings/${answer.json.id}`);
            assert.ok([201, 400, 409, 422].includes(answer.status), `${template.toString('latin1')}: ${answer.status}`);
        }
    });
});

describe('methods and paths', () => {
    test('an unknown path is 404, another method 405 with what is allowed', async () => {
        const missing = await server.anonymous.get('/v1/nothing');
        assert.equal(missing.status, 404);
        assert.equal(missing.json.type, 'not-found');
        const wrong = await server.anonymous.call('PUT', '/v1/bookings', {});
        assert.equal(wrong.status, 405);
        assert.equal(wrong.json.type, 'method-not-allowed');
        assert.match(wrong.headers.allow, /\bPOST\b/);
        const both = await server.anonymous.call('DELETE', '/v1/events');
        assert.match(both.headers.allow, /GET/);
        assert.match(both.headers.allow, /POST/);
        const brew = await converse([head('BREW /v1/events HTTP/1.1', 'Host: x', 'Connection: close')]);
        assert.ok([405, 501].includes(brew.statuses[0]), brew.text);
        const trace = await converse([head('TRACE / HTTP/1.1', 'Host: x', 'Connection: close')]);
        assert.ok([405, 501].includes(trace.statuses[0]), trace.text);
    });

    test('HEAD is GET without the body', async () => {
        for (const path of ['/healthz', `/v1/events/${event.id}`, '/v1/nothing']) {
            const get = await server.anonymous.get(path);
            const only = await server.anonymous.call('HEAD', path);
            assert.equal(only.status, get.status);
            assert.equal(only.headers['content-type'], get.headers['content-type']);
            assert.equal(only.buffer.length, 0);
        }
    });

    test('tricks with paths find nothing', async () => {
        for (const path of ['/v1//events', '/v1/events/', '/v1/events/../me', '/..%2f..%2fetc/passwd', '/assets/../../etc/passwd', '/v1/events/%00', '/v1/events/%zz', '/%2e%2e/%2e%2e/etc/passwd', `/v1/events/${event.id}/%2e%2e/seats`]) {
            const { statuses, text } = await converse([head(`GET ${path} HTTP/1.1`, 'Host: x', 'Connection: close')]);
            assert.ok(!text.includes('root:'), path);
            assert.ok(statuses[0] === 404 || statuses[0] === 400 || statuses[0] === 200, `${path}: ${statuses}`);
            if (statuses[0] === 200) assert.match(text, /text\/html|text\/plain/, `${path} is only ever a page`);
        }
    });

    test('request ids are echoed or made, and never let anything in', async () => {
        assert.equal((await server.anonymous.get('/healthz', { headers: { 'x-request-id': 'abc-123' } })).headers['x-request-id'], 'abc-123');
        const made = await server.anonymous.get('/healthz');
        assert.match(made.headers['x-request-id'], /^[\w-]{8,64}$/);
        const odd = await server.anonymous.get('/healthz', { headers: { 'x-request-id': `x${'y'.repeat(500)}` } });
        assert.ok(odd.headers['x-request-id'].length <= 64);
    });
});
