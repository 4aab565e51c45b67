/*
 * Limits at their exact boundaries, ambiguous paths, compressed bodies, and JSON that is none: the last value that passes, the first that does
 * not, and what the refusal says.
 */
import test, { after, afterEach, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { Foyer, REPO } from './lib/server.mjs';
import { newKey } from './lib/api.mjs';
import { until } from './lib/wait.mjs';
import { makeUser, sale, seatStates, venueBody } from './lib/seed.mjs';
import { Wire, get, head, latin1, talk } from './lib/raw.mjs';

let server;
let fan;
let event;
let descriptors;
before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    fan = await makeUser(server);
    event = await sale(server);
    descriptors = await server.metric('process_open_fds');
});
after(async () => {
    const states = Object.values(await seatStates(server.anonymous, event.id));
    assert.ok(states.every((state) => state === 'available'), 'nothing of all this has held a seat');
    await until(async () => (await server.metric('process_open_fds')) <= descriptors + 8, { timeout: 30000, every: 100, what: 'the descriptors to come back' });
    await server.stop();
});
afterEach(async () => {
    assert.ok(server.isRunning());
    assert.equal((await server.anonymous.get('/healthz')).status, 200);
});

const LAST = get('/healthz', 'X-Request-Id: last', 'Connection: close');
/* The statuses, and whether the connection was kept for the last request. */
async function ask(bytes) {
    const { answers, text } = await talk(server, [Buffer.concat([latin1(bytes), latin1(LAST)])]);
    const isKept = answers.at(-1)?.id === 'last';
    return { status: answers[0]?.status, isKept, count: answers.length, answer: answers[0], text };
}
async function expect(bytes, status, isKept) {
    const got = await ask(bytes);
    assert.deepEqual([got.status, got.isKept, got.count], [status, isKept, isKept ? 2 : 1], got.text.slice(0, 500));
    return got.answer;
}

describe('the head', () => {
    test('a target of 8,192 bytes is looked up, one of 8,193 is 414', async () => {
        await expect(get(`/v1/${'a'.repeat(8192 - 4)}`), 404, true);
        const answer = await expect(get(`/v1/${'a'.repeat(8193 - 4)}`), 414, false);
        assert.equal(answer.json.type, 'uri-too-long');
        await expect(get(`/healthz?${'a'.repeat(8192 - 9)}`), 200, true);
        await expect(get(`/healthz?${'a'.repeat(8193 - 9)}`), 414, false);
    });

    /* A head of exactly that many bytes. */
    const sized = (bytes, name = 'X-A') => {
        const empty = get('/healthz', `${name}: `).length;
        return get('/healthz', `${name}: ${'a'.repeat(bytes - empty)}`);
    };

    test('a head of 64 KiB is taken, one byte more is 431', async () => {
        await expect(sized(64 << 10), 200, true);
        const answer = await expect(sized((64 << 10) + 1), 431, false);
        assert.equal(answer.json.type, 'head-too-large');
        assert.match(answer.json.detail, /64 KiB/);
        await expect(sized(200 << 10), 431, false);
    });

    test('a head that never ends is refused at a limit, whatever is still sent', async () => {
        const wire = new Wire(server);
        await wire.opened;
        const piece = `X-A: ${'a'.repeat(8000)}\r\n`;
        wire.send('GET /healthz HTTP/1.1\r\nHost: x\r\n');
        for (let sent = 0; sent < 1 << 20 && !wire.isClosed; sent += piece.length) {
            wire.send(piece);
            await new Promise((resolve) => setImmediate(resolve));
        }
        await wire.closed();
        assert.ok(!wire.received || wire.answers()[0].status === 400, wire.received);
    });

    test('99 fields beside Host are taken, one more is refused', async () => {
        const fields = (count) => get('/healthz', ...Array.from({ length: count }, (_, i) => `X-${i}: 1`));
        await expect(fields(99), 200, true);
        await expect(fields(100), 400, false);
        await expect(fields(5000), 400, false);
    });

    test('a name or a value may fill the head, and is never looked at twice', async () => {
        await expect(sized(60000, 'X'.repeat(30000)), 200, true);
        await expect(get('/healthz', `Cookie: foyer_session=${'a'.repeat(60000)}`), 200, true);
        await expect(get('/v1/me/bookings', `Cookie: foyer_session=${'a'.repeat(60000)}`), 401, true);
        await expect(get('/v1/me/bookings', `Cookie: ${'a=b; '.repeat(12000)}`), 401, true);
        await expect(get('/v1/me/bookings', `Authorization: Bearer ${'a'.repeat(60000)}`), 401, true);
        await expect(get('/openapi.json', `If-None-Match: ${'"a", '.repeat(12000)}`), 200, true);
    });
});

const json = (lines, body, target = 'POST /v1/bookings') =>
    Buffer.concat([latin1(head(`${target} HTTP/1.1`, 'Host: x', 'Content-Type: application/json', `Authorization: Bearer ${fan.token}`, `Idempotency-Key: ${newKey()}`,
        `Content-Length: ${latin1(body).length}`, ...lines)), latin1(body)]);
const padded = (bytes) => `{}${' '.repeat(bytes - 2)}`;

describe('the body', () => {
    test('1 MiB is read, one byte more is 413, and the connection goes on: the body was read', async () => {
        await expect(json([], padded(1 << 20)), 422, true);
        const answer = await expect(json([], padded((1 << 20) + 1)), 413, true);
        assert.equal(answer.json.type, 'too-large');
        assert.match(answer.json.detail, /1048576/);
    });

    test('a seating plan has 10 MiB, a callback 256 KiB', async () => {
        const admin = `Authorization: Bearer ${server.admin.token}`;
        const plan = (bytes) => Buffer.concat([latin1(head('POST /v1/venues HTTP/1.1', 'Host: x', 'Content-Type: application/json', admin, `Content-Length: ${bytes}`)), latin1(padded(bytes))]);
        await expect(plan(10 << 20), 422, true);
        await expect(plan((10 << 20) + 1), 413, true);
        const callback = (bytes) => Buffer.concat([latin1(head('POST /v1/payments/webhooks/sandbox HTTP/1.1', 'Host: x', 'Content-Type: application/json', `Content-Length: ${bytes}`)), latin1(padded(bytes))]);
        await expect(callback(256 << 10), 400, true);
        await expect(callback((256 << 10) + 1), 413, true);
    });

    test('over what any route takes is 413 before it is sent, and sending it all the same ends in order', async () => {
        const bytes = 30 << 20;
        const announced = head('POST /v1/venues HTTP/1.1', 'Host: x', 'Content-Type: application/json', `Content-Length: ${bytes}`);
        const silent = await talk(server, [announced]);
        assert.deepEqual(silent.statuses, [413]);
        assert.equal(silent.answers[0].json.type, 'too-large');
        const sent = await talk(server, [Buffer.concat([latin1(announced), latin1(padded(12 << 20))])]);
        assert.deepEqual(sent.statuses, [413]);
        assert.equal(sent.error, null, 'no reset takes the answer away');
    });

    test('compressed bodies are 415 by name, bombs too, and nothing is unpacked', async () => {
        const before = await server.metric('process_resident_memory_bytes');
        const bomb = zlib.gzipSync(Buffer.alloc(64 << 20), { level: 1 });
        const small = Buffer.from(JSON.stringify({ event_id: event.id, seat_ids: ['S1-R1-1'] }));
        const bodies = { gzip: [bomb, zlib.gzipSync(small)], 'x-gzip': [zlib.gzipSync(small)], deflate: [zlib.deflateSync(small)], br: [zlib.brotliCompressSync(small)], 'gzip, gzip': [zlib.gzipSync(zlib.gzipSync(small))], GZIP: [zlib.gzipSync(small)], zstd: [small], 'identity, gzip': [zlib.gzipSync(small)] };
        for (const [coding, list] of Object.entries(bodies)) {
            for (const body of list) {
                const answer = await expect(json([`Content-Encoding: ${coding}`], body), 415, true);
                assert.equal(answer.json.type, 'unsupported-media-type');
                assert.match(answer.json.detail, /Content-Encoding/);
                assert.equal(answer.headers['accept-encoding'], 'identity');
            }
        }
        const callback = head('POST /v1/payments/webhooks/sandbox HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Encoding: gzip', `Content-Length: ${small.length}`);
        await expect(callback + small.toString('latin1'), 415, true);
        await expect(json(['Content-Encoding: identity'], '{}'), 422, true);
        /* Compressed without saying so is just no JSON. */
        const unsaid = await expect(json([], zlib.gzipSync(small)), 400, true);
        assert.equal(unsaid.json.type, 'malformed-json');
        assert.ok((await server.metric('process_resident_memory_bytes')) - before < 48 << 20);
    });

    test('other media types are 415; parameters of the right one do not matter, and its text is UTF-8 whatever they say', async () => {
        const typed = (type, body = '{}') => head('POST /v1/users HTTP/1.1', 'Host: x', ...(type === null ? [] : [`Content-Type: ${type}`]), `Content-Length: ${latin1(body).length}`) + body;
        for (const type of [null, '', 'text/json', 'application/json2', 'application/x-json', 'application', 'text/plain;application/json', 'multipart/form-data; boundary=x', '*/*', 'application/*', 'application/json, text/plain'])
            assert.equal((await expect(typed(type), 415, true)).json.type, 'unsupported-media-type');
        for (const type of ['application/json', 'Application/JSON', 'application/json ; charset=UTF-8', 'application/json;charset=iso-8859-1', 'application/json; charset="utf-16"'])
            await expect(typed(type), 422, true);
        const utf16 = Buffer.from('{"name":"x"}', 'utf16le').toString('latin1');
        assert.equal((await expect(typed('application/json; charset=utf-16', utf16), 400, true)).json.type, 'malformed-json');
        assert.equal((await expect(typed('application/json; charset=iso-8859-1', '{"name":"\u00e9"}'), 400, true)).json.type, 'malformed-json');
    });
});

describe('JSON', () => {
    const ask422 = async (body) => {
        const { status, answer, isKept } = await ask(json([], body));
        assert.ok(isKept, 'the body was read whole');
        return { status, json: answer.json };
    };
    const nested = (depth) => `{"event_id":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const malformed = {
        'nesting over the limit': nested(32),
        'nesting of objects over the limit': '{"a":'.repeat(33) + '1' + '}'.repeat(33),
        'nesting that is not even closed': '['.repeat(500000),
        'a name twice': '{"event_id":"a","event_id":"b"}',
        'a name twice, once escaped': '{"event_id":"a","event\\u005fid":"b"}',
        'a name twice, deep inside': '{"areas":[{"area_id":"a","area_id":"b"}]}',
        'a byte order mark': '\u00ef\u00bb\u00bf{}',
        'bytes that are no UTF-8': '{"event_id":"\u00ff\u00fe"}',
        'an overlong encoding': '{"event_id":"\u00c0\u00af"}',
        'a surrogate as UTF-8': '{"event_id":"\u00ed\u00a0\u0080"}',
        'a code point beyond the last': '{"event_id":"\u00f4\u0090\u0080\u0080"}',
        'a high surrogate alone': '{"event_id":"\\ud800"}',
        'a low surrogate alone': '{"event_id":"\\udc00"}',
        'surrogates the wrong way round': '{"event_id":"\\udc00\\ud800"}',
        'a NUL in a string': '{"event_id":"a\0b"}',
        'an escaped NUL in a string': '{"event_id":"a\\u0000b"}',
        'an escaped NUL in a name': '{"event\\u0000_id":"a"}',
        'a NUL behind the document': '{}\0',
        'bytes behind the document': '{}x',
        'a second document': '{}{}',
        'a comment': '{/* a */}',
        'a trailing comma': '{"event_id":"a",}',
        'single quotes': "{'event_id':'a'}",
        'a name without quotes': '{event_id:"a"}',
        NaN: '{"event_id":NaN}',
        Infinity: '{"event_id":-Infinity}',
        'a leading zero': '{"event_id":01}',
        'a leading plus': '{"event_id":+1}',
        'a bare point': '{"event_id":1.}',
        'hexadecimal': '{"event_id":0x1}',
        'a line end in a string': '{"event_id":"a\nb"}',
        'an unknown escape': '{"event_id":"\\x41"}',
        'half an escape': '{"event_id":"\\u00"}',
        'a vertical tab as blank': '{\v}',
        'nothing but blanks': '   ',
        'an end in the middle': '{"event_id":"a"',
        'a number beyond all numbers': `{"event_id":1e${'9'.repeat(400)}}`,
        'an integer beyond 64 bits': '{"event_id":123456789012345678901234567890}',
        'an integer of 100,000 digits': `{"event_id":${'9'.repeat(100000)}}`,
    };
    for (const [name, body] of Object.entries(malformed)) {
        test(`${name}: 400, and the place is named`, async () => {
            const { status, json: problem } = await ask422(body);
            assert.equal(status, 400, JSON.stringify(problem));
            assert.equal(problem.type, 'malformed-json');
            assert.ok(problem.detail?.length > 0, JSON.stringify(problem));
        });
    }

    test('a malformed place is given by line and column', async () => {
        const { json: problem } = await ask422('{\n  "event_id": "a",\n  "seat_ids": [1,, 2]\n}');
        assert.match(problem.detail, /line 3\b.*column \d+/);
    });

    test('what is JSON but not what was asked for is 422, with the field', async () => {
        const seats = (value) => `{"event_id":"${event.id}","seat_ids":${value}}`;
        const area = (value) => `{"event_id":"${event.id}","areas":[{"area_id":"a","quantity":${value}}]}`;
        const wrong = {
            [seats('"S1-R1-1"')]: 'seat_ids', [seats('{}')]: 'seat_ids', [seats('[1]')]: 'seat_ids', [seats('[null]')]: 'seat_ids', [seats('[[]]')]: 'seat_ids',
            [seats('["S1-R1-1","S1-R1-1"]')]: 'seat_ids', [seats('[""]')]: 'seat_ids', [seats(`["${'x'.repeat(257)}"]`)]: 'seat_ids',
            [area('1.5')]: 'areas', [area('1e2')]: 'areas', [area('-1')]: 'areas', [area('0')]: 'areas', [area('9223372036854775807')]: 'areas', [area('"1"')]: 'areas', [area('true')]: 'areas',
            '{"event_id":null}': 'event_id', '{"event_id":1}': 'event_id', '{"event_id":[]}': 'event_id', '{"event_id":"a","\u00c3\u00a9":1}': '\u00c3\u00a9', '{"event_id":"a","__proto__":{}}': '__proto__',
            [nested(8)]: 'event_id', [nested(31)]: 'event_id',
        };
        for (const [body, field] of Object.entries(wrong)) {
            const { status, json: problem } = await ask422(body);
            assert.equal(status, 422, `${body.slice(0, 200)}: ${JSON.stringify(problem)}`);
            assert.ok(problem.errors?.some((error) => error.field.startsWith(field)), `${body.slice(0, 200)}: ${JSON.stringify(problem)}`);
        }
    });

    test('a body of many errors names some of them, and is not answered with more than it was', async () => {
        const fields = Array.from({ length: 50000 }, (_, i) => `"f${i}":1`).join();
        const { status, json: problem } = await ask422(`{${fields}}`);
        assert.equal(status, 422);
        assert.ok(problem.errors.length > 0 && problem.errors.length <= 100, String(problem.errors.length));
    });
});

describe('paths', () => {
    const file = fs.readdirSync(path.join(REPO, 'web/dist/assets')).find((name) => name.endsWith('.js'));
    const plain = async (target, ...lines) => (await ask(get(target, ...lines))).answer;

    test('every ambiguous spelling of a route is 404, and never that route', async () => {
        const spellings = ['//v1/events', '/v1//events', '/v1/./events', '/v1/x/../events', '/v1/../v1/events', '/./v1/events', '/v1/%2e/events', '/v1/x/%2e%2e/events', '/v1/x/%2E%2e/events', '/v1/x/.%2e/events', '/v1%2fevents', '/v1%2Fevents', '/v1%5cevents', '/v1\\events', '/v1/events/', '/v1/events//', '/v1/events%00', '/v1/events%', '/v1/events%2', '/v1/events%zz', '/v1/events;a=b', '/v1/events%20', '/v1/%65vents', '/v1/events%3fa', '/v1/events%23a', '/v1/events.json', '/v1/Events', '/v1/%c0%ae%c0%ae/events', '/v1/x/..%c0%afevents', '/v1/x/%252e%252e/events', '/v1/%u002e/events', '/v1/events/%0a'];
        for (const target of spellings) {
            const answer = await plain(target);
            assert.equal(answer.status, 404, `${target}: ${answer.status}`);
            assert.equal(answer.headers['content-type'], 'application/problem+json', target);
        }
    });

    test('a spelling that only some servers read as a route is the page at most', async () => {
        for (const target of ['/..;/v1/events', '/x;/..;/v1/events', '/V1/events', '/%76%31/events', '/v1%20/events', '/%c2%b5/events', '/v1;a=b/events']) {
            const answer = await plain(target);
            assert.ok(answer.status === 404 || answer.headers['content-type'].startsWith('text/html'), target);
        }
    });

    test('a spelling that is no route asks for no secret either: without a login it says the same', async () => {
        for (const target of ['/v1/me/bookings', '/v1/me/events', '/v1/venues']) {
            assert.ok([401, 200].includes((await plain(target)).status));
            for (const spelling of [`/${target}`, `${target}/`, target.replace('/v1/', '/v1/./'), target.replace('/v1/', '/v1/x/../'), target.replace('/v1', '/v1%2f..%2fv1'), target.replace(/(.)$/, (letter) => `%${letter.charCodeAt(0).toString(16)}`)])
                assert.equal((await plain(spelling, `Authorization: Bearer ${server.admin.token}`)).status, 404, spelling);
        }
    });

    test('files are found by their one name', async () => {
        const good = await plain(`/assets/${file}`);
        assert.equal(good.status, 200);
        assert.match(good.headers['content-type'], /javascript/);
        for (const target of [`/assets//${file}`, `//assets/${file}`, `/assets/./${file}`, `/assets/x/../${file}`, `/assets/%2e/${file}`, `/assets%2f${file}`, `/assets%5c${file}`, `/assets\\${file}`, `/assets/${file}/`, `/assets/${file}%00`, `/assets/${file}%00.css`, `/assets/${file}.gz`, `/assets/${file};a`, `/ASSETS/${file}`, `/assets/${file.toUpperCase()}`, `/assets/${file.replace('.', '%2e')}`, `/assets/${file}%20`, `/x/assets/${file}`]) {
            const answer = await plain(target);
            const isIndex = answer.status === 200 && answer.headers['content-type'].startsWith('text/html');
            assert.ok(answer.status === 404 || isIndex, `${target}: ${answer.status}`);
        }
    });

    test('nothing outside of the pages is ever sent', async () => {
        const targets = ['etc/passwd', 'proc/self/environ', 'proc/self/maps', 'data/tickets.db', 'tickets.db', 'platform.db', 'src/main.c', 'sql/tickets/001_start.sql', 'docs/api/schemas.json', '.env', '.git/config', 'web/dist/index.html', 'index.html.gz'];
        const climbs = ['/', '//', '/../', '/../../../../../../', '/assets/../../', '/assets/..%2f..%2f', '/%2e%2e/%2e%2e/%2e%2e/', '/..%5c..%5c', '/..\\..\\', '/assets/%2e%2e%2f%2e%2e%2f', '/%c0%ae%c0%ae/', '/....//....//', '/%252e%252e/', '/./././', '/assets/\u0000/', '/file:///', '/~root/', '/@fs/'];
        for (const climb of climbs) {
            for (const target of targets) {
                const { status, answer, text } = await ask(get(`${climb}${target}`));
                assert.ok([200, 400, 404].includes(status), `${climb}${target}: ${status}`);
                if (status === 200) assert.match(answer.body, /^<!doctype html>/i, `${climb}${target} is only ever the page`);
                assert.doesNotMatch(text, /root:x:|SQLite format|FOYER_|-----BEGIN|CREATE TABLE|include </);
            }
        }
    });

    test('queries in odd forms are read one way or refused', async () => {
        const ok = ['', '?', '?&', '?&&&', '?limit=5', '?limit=%35', '?limit=5&', '?%6cimit=5', '?q=a+b', '?q=%F0%9F%8E%AB', '?q=?', '?q=/../', '?q='];
        for (const query of ok) assert.equal((await plain(`/v1/events${query}`)).status, 200, query);
        const bad = ['?limit', '?limit=', '?limit=5&limit=5', '?limit=5&%6cimit=6', '?limit=0', '?limit=201', '?limit=+5', '?limit=5%20', '?limit=5.0', '?limit=0x5', '?limit=1e1', '?limit=99999999999999999999', '?limit=%', '?limit=%zz', '?limit=%00', '?q=%ff', '?q=%c0%af', '?q=%ed%a0%80', '?q=a%00b', '?nothing=1', '?=1', '?limit[]=5', '?Limit=5', '?limit;=5', '?a&b&c', '?cursor=x', '?cursor=%2e%2e'];
        for (const query of bad) {
            const answer = await plain(`/v1/events${query}`);
            assert.equal(answer.status, 422, `${query}: ${answer.status} ${answer.body}`);
            assert.ok(answer.json.errors.length > 0, query);
        }
        for (const target of ['/v1/events#a', '/v1/events?q=a#b', '/v1/events?q="a b"']) assert.equal((await plain(target)).status, 400, target);
    });

    test('ids in paths are ids or nothing', async () => {
        for (const id of ['0', '-1', 'evt_', 'evt_%00', 'evt_..', `${event.id}%20`, `${event.id}%00`, ` ${event.id}`.replace(' ', '%20'), event.id.toUpperCase(), `${event.id}x`, `${event.id}'--`, '%27%20OR%201=1--', 'x'.repeat(7000), '%F0%9F%8E%AB', event.id.replace('evt_', 'bkg_')]) {
            const answer = await plain(`/v1/events/${id}`);
            assert.equal(answer.status, 404, `${id}: ${answer.status}`);
        }
        assert.equal((await plain(`/v1/events/${event.id}`)).status, 200);
    });
});
