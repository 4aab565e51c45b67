/*
 * Framing tricks and smuggling forms (RFC 9112). Each row sends a request that may be ambiguous, in it or behind it a hidden one, and last a
 * plain one that asks to close. So an answer to the hidden request would show by its id, and whether the connection was kept shows by the
 * answer to the last. The connection always ends, so nothing here waits for a time.
 */
import test, { after, afterEach, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { until } from './lib/wait.mjs';
import { CRLF, get, head, talk } from './lib/raw.mjs';

let server;
let descriptors;
before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    await server.anonymous.get('/healthz');
    descriptors = await server.metric('process_open_fds');
});
after(async () => {
    await until(async () => (await server.metric('process_open_fds')) <= descriptors + 2, { timeout: 30000, every: 100, what: 'all descriptors to come back' });
    await server.stop();
});
afterEach(async () => {
    assert.ok(server.isRunning());
    assert.equal((await server.anonymous.get('/healthz')).status, 200);
});

const HIDDEN = get('/healthz', 'X-Request-Id: hidden');
const LAST = get('/healthz', 'X-Request-Id: last', 'Connection: close');
const JSON_BODY = '{"email":1}';
const chunk = (text) => `${text.length.toString(16)}${CRLF}${text}${CRLF}`;
const END = `0${CRLF}${CRLF}`;
const CHUNKED = 'Transfer-Encoding: chunked';

const post = (lines, body) => head('POST /v1/users HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'X-Request-Id: first', ...lines) + body;

/* What the parser below the guard says to a head that is none. */
const isPlainRefusal = ({ status, headers, body }) => status === 400 && headers['content-type'] === 'text/plain; charset=utf-8' && body === 'Bad Request';

/* What one connection says: statuses in order, and the last answered only when the connection was to be kept. */
async function check(bytes, statuses, { kept = false } = {}) {
    const result = await talk(server, [bytes + LAST]);
    assert.ok(!result.text.includes('hidden'), `the hidden request was answered: ${result.text}`);
    const wanted = kept ? [...statuses, 200] : statuses;
    assert.deepEqual(result.statuses, wanted, result.text);
    assert.equal(result.answers.some((answer) => answer.id === 'last'), kept, `kept: ${kept}; ${result.text}`);
    for (const answer of result.answers.slice(0, statuses.length)) {
        if (answer.status < 400 || isPlainRefusal(answer)) continue;
        assert.equal(answer.headers['content-type'], 'application/problem+json', result.text);
        assert.equal(answer.json.status, answer.status);
        assert.ok(answer.json.type && answer.json.request_id);
    }
    const last = result.answers[statuses.length - 1];
    if (!kept && last) assert.equal(last.headers.connection, 'close', 'the answer says that it is the last');
    return result;
}

/* name: [lines, body, status, options]; 422 means that the body was read as JSON with a wrong field, so the framing was understood. */
const rows = {
    /* A length and a coding: a front server may go by the one, a back server by the other. */
    'CL.TE: a length over all, chunks that end early': [[`Content-Length: ${END.length + HIDDEN.length}`, CHUNKED], END + HIDDEN, 400],
    'TE.CL: chunks over all, a length that ends early': [[CHUNKED, 'Content-Length: 4'], chunk(HIDDEN) + END, 400],
    'a length of zero and chunks': [['Content-Length: 0', CHUNKED], END + HIDDEN, 400],
    'chunks and a length that fits': [[CHUNKED, `Content-Length: ${JSON_BODY.length}`], chunk(JSON_BODY) + END, 400],

    /* One coding in two spellings: who does not understand one of them goes by something else. */
    'chunked in capitals': [['Transfer-Encoding: CHUNKED'], chunk(JSON_BODY) + END, 422, { kept: true }],
    'the name of the header in odd case': [['tRANSFER-eNCODING: chunked'], chunk(JSON_BODY) + END, 422, { kept: true }],
    'blanks before the coding': [['Transfer-Encoding: \t chunked'], chunk(JSON_BODY) + END, 422, { kept: true }],
    'blanks behind the coding': [['Transfer-Encoding: chunked\t '], END + HIDDEN, 400],
    'chunked, identity': [['Transfer-Encoding: chunked, identity'], END + HIDDEN, 400],
    'identity, chunked': [['Transfer-Encoding: identity, chunked'], END + HIDDEN, 400],
    'gzip, chunked': [['Transfer-Encoding: gzip, chunked'], END + HIDDEN, 400],
    'chunked twice in one line': [['Transfer-Encoding: chunked, chunked'], END + HIDDEN, 400],
    'chunked in two lines': [[CHUNKED, CHUNKED], END + HIDDEN, 400],
    'chunked, and identity in another line': [[CHUNKED, 'Transfer-Encoding: identity'], END + HIDDEN, 400],
    'identity in another line, and chunked': [['Transfer-Encoding: identity', CHUNKED], END + HIDDEN, 400],
    identity: [['Transfer-Encoding: identity'], END + HIDDEN, 400],
    'an empty coding': [['Transfer-Encoding:'], END + HIDDEN, 400],
    'a comma before chunked': [['Transfer-Encoding: ,chunked'], END + HIDDEN, 400],
    'a comma behind chunked': [['Transfer-Encoding: chunked,'], END + HIDDEN, 400],
    'chunked with a parameter': [['Transfer-Encoding: chunked;q=1'], END + HIDDEN, 400],
    'chunked in quotes': [['Transfer-Encoding: "chunked"'], END + HIDDEN, 400],
    xchunked: [['Transfer-Encoding: xchunked'], END + HIDDEN, 400],
    'a vertical tab before chunked': [['Transfer-Encoding: \vchunked'], END + HIDDEN, 400],
    'a NUL behind chunked': [['Transfer-Encoding: chunked\0'], END + HIDDEN, 400],
    'a byte of another alphabet in chunked': [['Transfer-Encoding: chun\u00e2\u0084\u00aaed'], END + HIDDEN, 400],
    'a folded coding': [['Transfer-Encoding:', ' chunked'], END + HIDDEN, 400],
    'a coding folded into the line before': [['X-A: b', ` ${CHUNKED}`], END + HIDDEN, 400],
    'a space before the colon of the coding': [['Transfer-Encoding : chunked'], END + HIDDEN, 400],
    'a tab before the colon of the coding': [['Transfer-Encoding\t: chunked'], END + HIDDEN, 400],
    'a space before the name of the coding': [[` ${CHUNKED}`], END + HIDDEN, 400],
    'a control character in the name': [['Transfer\x01-Encoding: chunked'], END + HIDDEN, 400],
    'an underscore instead of the hyphen is another header': [['Transfer_Encoding: chunked', `Content-Length: ${JSON_BODY.length}`], JSON_BODY, 422, { kept: true }],

    /* Lengths that are numbers to one parser only. */
    'two lengths that differ': [['Content-Length: 0', `Content-Length: ${HIDDEN.length}`], HIDDEN, 400],
    'two lengths that differ, the other way round': [[`Content-Length: ${HIDDEN.length}`, 'Content-Length: 0'], HIDDEN, 400],
    'two lengths that agree': [[`Content-Length: ${JSON_BODY.length}`, `Content-Length: ${JSON_BODY.length}`], JSON_BODY, 400],
    'a list of equal lengths': [['Content-Length: 5, 5'], 'hello', 400],
    'a list of lengths': [['Content-Length: 5, 6'], 'hello', 400],
    'a plus sign': [['Content-Length: +5'], 'hello', 400],
    'a minus sign': [['Content-Length: -5'], 'hello', 400],
    'minus nought': [['Content-Length: -0'], '', 400],
    hexadecimal: [['Content-Length: 0x5'], 'hello', 400],
    'an exponent': [['Content-Length: 5e0'], 'hello', 400],
    'a decimal point': [['Content-Length: 5.0'], 'hello', 400],
    'a space within': [['Content-Length: 1 1'], 'hello', 400],
    'an underscore within': [['Content-Length: 1_1'], 'hello', 400],
    'a letter behind': [['Content-Length: 5x'], 'hello', 400],
    'an empty length': [['Content-Length:'], 'hello', 400],
    'a length in full-width digits': [['Content-Length: \u00ef\u00bc\u0095'], 'hello', 400],
    '2^64 + 5, which wraps to 5': [['Content-Length: 18446744073709551621'], 'hello', 400],
    '2^64': [['Content-Length: 18446744073709551616'], 'hello', 400],
    '2^63': [['Content-Length: 9223372036854775808'], 'hello', 413],
    '2^32 + 5': [['Content-Length: 4294967301'], 'hello', 413],
    'leading zeros are digits': [[`Content-Length: 000${JSON_BODY.length}`], JSON_BODY, 422, { kept: true }],
    'blanks before the length': [[`Content-Length: \t${JSON_BODY.length}`], JSON_BODY, 422, { kept: true }],
    'blanks behind the length': [[`Content-Length: ${HIDDEN.length} `], HIDDEN, 400],
    'a space before the colon of the length': [['Content-Length : 5'], 'hello', 400],
    'a folded length': [['Content-Length:', ' 5'], 'hello', 400],
};

describe('a length, a coding, and both', () => {
    for (const [name, [lines, body, status, options = {}]] of Object.entries(rows)) {
        test(`${name}: ${status}`, async () => {
            await check(post(lines, body), [status], options);
        });
    }
});

const chunkRows = {
    'chunks and an empty one': [chunk('{"email"') + chunk(':1}') + END, 422, { kept: true }],
    'sizes in capitals and with leading zeros': ['00B\r\n{"email":1}\r\n000\r\n\r\n', 422, { kept: true }],
    'an extension': ['b;name=value;other="x y"\r\n{"email":1}\r\n0;last\r\n\r\n', 422, { kept: true }],
    'a trailer': [`${chunk(JSON_BODY)}0\r\nX-Trailer: a\r\n\r\n`, 422, { kept: true }],
    'trailers that no trailer may be are dropped': [`${chunk(JSON_BODY)}0\r\nContent-Length: 500\r\nTransfer-Encoding: gzip\r\nHost: y\r\nAuthorization: Bearer x\r\nX-Request-Id: hidden\r\n\r\n`, 422, { kept: true }],
    'a size that overflows to 5': ['10000000000000005\r\nhello\r\n0\r\n\r\n', 400],
    'a size of 2^64 - 1': [`ffffffffffffffff\r\n${HIDDEN}`, 400],
    'a size of 2^63': [`8000000000000000\r\n${HIDDEN}`, 400],
    'a negative size': ['-5\r\nhello\r\n0\r\n\r\n', 400],
    'a size with a plus': ['+5\r\nhello\r\n0\r\n\r\n', 400],
    'a size with 0x': ['0x5\r\nhello\r\n0\r\n\r\n', 400],
    'no size': ['\r\nhello\r\n0\r\n\r\n', 400],
    'an extension without a size': [';a=b\r\n\r\n', 400],
    'a size that is a word': ['five\r\nhello\r\n0\r\n\r\n', 400],
    'a space before the size': [' 5\r\nhello\r\n0\r\n\r\n', 400],
    'a space behind the size': ['5 \r\nhello\r\n0\r\n\r\n', 400],
    'two sizes': ['5 5\r\nhello\r\n0\r\n\r\n', 400],
    'junk behind the size': ['5junk\r\nhello\r\n0\r\n\r\n', 400],
    'a bare line feed behind the size': [`b\n${JSON_BODY}\r\n0\r\n\r\n`, 400],
    'a bare line feed behind the data': [`b\r\n${JSON_BODY}\n0\r\n\r\n`, 400],
    'a bare line feed behind the last size': [`${chunk(JSON_BODY)}0\n\r\n`, 400],
    'a bare line feed as the end': [`${chunk(JSON_BODY)}0\r\n\n`, 400],
    'a bare carriage return behind the size': [`b\r${JSON_BODY}\r\n0\r\n\r\n`, 400],
    'two carriage returns': [`b\r\r\n${JSON_BODY}\r\n0\r\n\r\n`, 400],
    'a line feed in an extension': [`b;a\n${JSON_BODY}\r\n0\r\n\r\n`, 400],
    'a carriage return in an extension': [`b;a\rb\r\n${JSON_BODY}\r\n0\r\n\r\n`, 400],
    'a NUL in an extension': [`b;\0\r\n${JSON_BODY}\r\n0\r\n\r\n`, 400],
    'more data than the size says': [`5\r\n${JSON_BODY}\r\n0\r\n\r\n`, 400],
    'less data than the size says': [`c\r\n${JSON_BODY}\r\n0\r\n\r\n`, 400],
    'no line end behind the data': [`b\r\n${JSON_BODY}0\r\n\r\n`, 400],
    'the next request instead of the final line end': [`${chunk(JSON_BODY)}0\r\n${HIDDEN}`, 400],
    'a folded trailer': [`${chunk(JSON_BODY)}0\r\nX-A: b\r\n c\r\n\r\n`, 400],
    'a trailer with a space before the colon': [`${chunk(JSON_BODY)}0\r\nX-A : b\r\n\r\n`, 400],
    'an extension over its limit': [`b;${'x'.repeat(300)}\r\n${JSON_BODY}\r\n0\r\n\r\n`, 400],
    'trailers over their limit': [`${chunk(JSON_BODY)}0\r\nX-A: ${'x'.repeat(9000)}\r\n\r\n`, 400],
    'a body over the limit in chunks of one byte each': [`1\r\nx\r\n`.repeat(1100000) + END, 413, { kept: true }],
};

describe('chunks', () => {
    for (const [name, [body, status, options = {}]] of Object.entries(chunkRows)) {
        test(`${name}: ${status}`, async () => {
            await check(post([CHUNKED], body), [status], options);
        });
    }

    test('a body that never ends is no request', async () => {
        for (const body of [chunk(JSON_BODY), `${chunk(JSON_BODY)}0\r\n`, 'b\r\n{"ema']) {
            const { statuses } = await talk(server, [post([CHUNKED], body)], { end: true });
            assert.deepEqual(statuses, []);
        }
        const { statuses } = await talk(server, [post(['Content-Length: 12'], JSON_BODY)], { end: true });
        assert.deepEqual(statuses, []);
    });

    test('however it is cut into packets, it is the same', async () => {
        const bytes = post([CHUNKED], chunk(JSON_BODY) + END) + LAST;
        for (const size of [1, 2, 7]) {
            const pieces = bytes.match(new RegExp(`[^]{1,${size}}`, 'g'));
            const { answers } = await talk(server, pieces);
            assert.deepEqual(answers.map((answer) => [answer.status, answer.id]), [[422, 'first'], [200, 'last']]);
        }
    });
});

describe('heads', () => {
    const X = 'X-Request-Id: hidden';
    const plain = (line, ...lines) => head(line, ...(lines.length > 0 ? lines : ['Host: x']));
    const headRows = {
        /* Line ends */
        'bare line feeds': ['GET /healthz HTTP/1.1\nHost: x\n\n', 400],
        'one bare line feed': ['GET /healthz HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n', 400],
        'a bare line feed in a value, with a header behind it': [`GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\n${X}\r\n\r\n`, 400],
        'a bare carriage return in a value': [`GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r${X}\r\n\r\n`, 400],
        'a carriage return instead of every line end': [`GET /healthz HTTP/1.1\rHost: x\r\r`, 400],
        'two carriage returns': ['GET /healthz HTTP/1.1\r\r\nHost: x\r\n\r\n', 400],
        'a NUL in the target': ['GET /health\0z HTTP/1.1\r\nHost: x\r\n\r\n', 400],
        'a NUL in a name': ['GET /healthz HTTP/1.1\r\nHost: x\r\nX\0A: b\r\n\r\n', 400],
        'a NUL in a value': ['GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n', 400],
        'a DEL in a value': ['GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\x7fc\r\n\r\n', 400],
        'a form feed in a value': ['GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\fc\r\n\r\n', 400],
        'a folded header': ['GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n', 400],
        'a folded header by a tab': ['GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\tc\r\n\r\n', 400],
        'the first header is folded': ['GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n', 400],
        'a header without a name': ['GET /healthz HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n', 400],
        'a header without a colon': ['GET /healthz HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n', 400],
        'a name in brackets': ['GET /healthz HTTP/1.1\r\nHost: x\r\n[X]: b\r\n\r\n', 400],
        'an empty line before the request is forgiven': ['\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 200, true],
        /* Host and target */
        'no Host': ['GET /healthz HTTP/1.1\r\n\r\n', 400],
        'two Hosts': [plain('GET /healthz HTTP/1.1', 'Host: x', 'Host: y'), 400],
        'two equal Hosts': [plain('GET /healthz HTTP/1.1', 'Host: x', 'Host: x'), 400],
        'an empty Host': [plain('GET /healthz HTTP/1.1', 'Host:'), 400],
        'a list of Hosts': [plain('GET /healthz HTTP/1.1', 'Host: x, y'), 400],
        'a Host with a user': [plain('GET /healthz HTTP/1.1', 'Host: a@x'), 400],
        'a Host with a path': [plain('GET /healthz HTTP/1.1', 'Host: x/y'), 400],
        'a space before the colon of Host': [plain('GET /healthz HTTP/1.1', 'Host : x'), 400],
        'absolute form of the same host': [plain('GET http://x/healthz HTTP/1.1'), 200, true],
        'absolute form of another host': [plain('GET http://y/healthz HTTP/1.1'), 400],
        'absolute form with a user': [plain('GET http://x@y/healthz HTTP/1.1'), 400],
        'absolute form where the host goes on': [plain('GET http://xy/healthz HTTP/1.1'), 400],
        'absolute form without a path': [plain('GET http://x HTTP/1.1'), 400],
        'absolute form of another scheme': [plain('GET ftp://x/healthz HTTP/1.1'), 400],
        'two slashes are a path, not a host': [plain('GET //y/healthz HTTP/1.1'), 404, true],
        'authority form': [plain('GET x:80 HTTP/1.1'), 400],
        'a backslash as the target': [plain('GET \\healthz HTTP/1.1'), 400],
        'an asterisk': [plain('GET * HTTP/1.1'), 400],
        'an asterisk with OPTIONS': [plain('OPTIONS * HTTP/1.1'), 400],
        'a fragment': [plain('GET /healthz#a HTTP/1.1'), 400],
        'raw bytes in the target': [plain('GET /h\u00e4lthz HTTP/1.1'), 400],
        'an empty target': [plain('GET  HTTP/1.1'), 400],
        'a tab between method and target': [plain('GET\t/healthz HTTP/1.1'), 400],
        'two spaces between method and target': [plain('GET  /healthz HTTP/1.1'), 400],
        'two spaces before the version': [plain('GET /healthz  HTTP/1.1'), 400],
        'a space in the target': [plain('GET /health z HTTP/1.1'), 400],
        'a space before the method': [plain(' GET /healthz HTTP/1.1'), 400],
        'a space behind the version': [plain('GET /healthz HTTP/1.1 '), 400],
        /* Versions */
        'HTTP/0.9': ['GET /healthz\r\n\r\n', 400],
        'HTTP/1.9 is answered as 1.1': [plain('GET /healthz HTTP/1.9'), 200, true],
        'HTTP/1.10': [plain('GET /healthz HTTP/1.10'), 400],
        'HTTP/01.1': [plain('GET /healthz HTTP/01.1'), 400],
        'HTTP/2.0': [plain('GET /healthz HTTP/2.0'), 400],
        'HTTP/3': [plain('GET /healthz HTTP/3'), 400],
        'http/1.1 in small letters': [plain('GET /healthz http/1.1'), 400],
        'no version': [plain('GET /healthz'), 400],
        'another protocol': [plain('GET /healthz RTSP/1.0'), 400],
        'the preface of HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
        /* Methods */
        'an unknown method on a route': [plain('BREW /v1/events HTTP/1.1'), 405, true],
        'a method in small letters': [plain('get /v1/events HTTP/1.1'), 405, true],
        'TRACE': [plain('TRACE /v1/events HTTP/1.1'), 405, true],
        'TRACE of a page echoes nothing': [plain('TRACE / HTTP/1.1', 'Host: x', 'X-Secret: hidden'), 405, true],
        'CONNECT with an authority': [plain('CONNECT x:443 HTTP/1.1'), 400],
        'CONNECT with a path': [plain('CONNECT /v1/events HTTP/1.1'), 405, true],
        'a method that is no token': [plain('G@T /healthz HTTP/1.1'), 400],
        'an empty method': [plain(' /healthz HTTP/1.1'), 400],
        'a very long method': [plain(`${'A'.repeat(5000)} /v1/events HTTP/1.1`), 405, true],
        /* Upgrades are not taken, and the connection ends with the plain answer. */
        'an upgrade to h2c': [plain('GET /healthz HTTP/1.1', 'Host: x', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'), 200],
        'an upgrade to h2c-14': [plain('GET /healthz HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: h2c-14', 'HTTP2-Settings: AAMAAABk'), 200],
        'an upgrade to websocket': [plain('GET /healthz HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'), 200],
        /* Others */
        'TLS on the plain port': ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
        'garbage': [`${'\xff\x00\x01'.repeat(100)}\r\n\r\n`, 400],
        'a body on GET is read, and refused for what it is': [plain('GET /healthz HTTP/1.1', 'Host: x', `Content-Length: ${HIDDEN.length}`) + HIDDEN, 415, true],
        'a body on DELETE that is not JSON': [plain('DELETE /v1/bookings/bkg_1 HTTP/1.1', 'Host: x', `Content-Length: ${HIDDEN.length}`) + HIDDEN, 415, true],
    };
    for (const [name, [bytes, status, kept = false]] of Object.entries(headRows)) {
        test(`${name}: ${status}`, async () => {
            const result = await talk(server, [bytes + LAST]);
            assert.ok(!result.text.includes('hidden'), result.text);
            assert.equal(result.statuses[0], status, result.text);
            assert.deepEqual(result.statuses.slice(1), kept ? [200] : [], result.text);
            assert.equal(result.answers.at(-1).id === 'last', kept);
            assert.equal(result.answers.at(-1).headers.connection, 'close');
            assert.equal(result.error, null, 'it ends in order, without a reset');
        });
    }

    test('HTTP/1.0 has no chunks, no connection of its own accord, and needs no Host', async () => {
        const old = await talk(server, [head('GET /healthz HTTP/1.0') + LAST]);
        assert.deepEqual(old.statuses, [200]);
        const kept = await talk(server, [head('GET /healthz HTTP/1.0', 'Connection: keep-alive') + LAST]);
        assert.deepEqual(kept.statuses, [200, 200]);
        const chunked = await talk(server, [head('POST /v1/users HTTP/1.0', 'Host: x', 'Connection: keep-alive', CHUNKED) + END + HIDDEN + LAST]);
        assert.deepEqual(chunked.statuses, [400]);
        assert.ok(!chunked.text.includes('hidden'));
    });

    test('Expect: 100-continue is asked for the body, and 417 or 413 refuse it before it is sent', async () => {
        const good = await talk(server, [post(['Expect: 100-continue', `Content-Length: ${JSON_BODY.length}`], JSON_BODY) + LAST]);
        assert.deepEqual(good.statuses, [100, 422, 200]);
        const large = await talk(server, [post(['Expect: 100-continue', 'Content-Length: 99999999'], '')]);
        assert.deepEqual(large.statuses, [413]);
        const other = await talk(server, [post(['Expect: miracles', `Content-Length: ${HIDDEN.length}`], HIDDEN) + LAST]);
        assert.deepEqual(other.statuses, [417]);
        assert.ok(!other.text.includes('hidden'));
        const both = await talk(server, [post(['Expect: 100-continue', CHUNKED, 'Content-Length: 4'], chunk(HIDDEN) + END) + LAST]);
        assert.deepEqual(both.statuses, [100, 400]);
        assert.ok(!both.text.includes('hidden'));
        const none = await talk(server, [head('GET /healthz HTTP/1.1', 'Host: x', 'Expect: 100-continue') + LAST]);
        assert.deepEqual(none.statuses, [200, 200]);
    });

    test('Connection can not name away what frames a message', async () => {
        for (const option of ['Content-Length', 'Transfer-Encoding', 'Host', 'Content-Length, close']) {
            const { statuses, text } = await talk(server, [post([`Connection: ${option}`, `Content-Length: ${JSON_BODY.length}`], JSON_BODY) + LAST]);
            assert.equal(statuses[0], 422, text);
        }
    });

    test('garbage behind a request does not harm it', async () => {
        const { answers, text } = await talk(server, [`${get('/healthz', 'X-Request-Id: first')}\0\x01nonsense\r\n\r\n${HIDDEN}${LAST}`]);
        assert.deepEqual(answers.map((answer) => answer.status), [200, 400], text);
        assert.equal(answers[0].id, 'first');
    });
});

describe('nothing that was sent becomes a header', () => {
    const injections = ['x\r\nX-Evil: 1', 'x\nX-Evil: 1', 'x\rX-Evil: 1', 'x\0X-Evil: 1', 'x%0d%0aX-Evil: 1', 'x%0aX-Evil:1', 'x\u560d\u560aX-Evil: 1', 'x%E5%98%8D%E5%98%8AX-Evil:1'];
    const isSplit = (text) => /^x-evil\s*:/im.test(text.split('\r\n\r\n')[0]) || /\nX-Evil/i.test(text);

    test('in X-Request-Id', async () => {
        for (const value of injections) {
            const { text } = await talk(server, [get('/healthz', `X-Request-Id: ${value}`, 'Connection: close') + LAST]);
            assert.ok(!isSplit(text), JSON.stringify(text));
        }
        for (const value of ['a b', 'a"b', '<script>', 'x'.repeat(65), '%0d', '\u00e9']) {
            const { answers } = await talk(server, [get('/healthz', `X-Request-Id: ${value}`, 'Connection: close')]);
            assert.match(answers[0].id, /^[0-9a-f]{16}$/, 'it gets one that was made here');
        }
    });

    test('in path, query, key and conditions', async () => {
        for (const value of injections) {
            const forms = [
                get(`/v1/events/${value}`, 'Connection: close'), get(`/${value}`, 'Connection: close'), get(`/v1/events?${value}=${value}`, 'Connection: close'),
                get('/openapi.json', `If-None-Match: "${value}"`, 'Connection: close'), get('/v1/events', `Authorization: Bearer ${value}`, 'Connection: close'),
                post([`Idempotency-Key: ${value}`, 'Content-Length: 2', 'Connection: close'], '{}'), get('/', `Accept-Encoding: ${value}`, `Origin: ${value}`, 'Connection: close'),
                get('/v1/events', `Cookie: foyer_session=${value}`, 'Connection: close'),
            ];
            for (const bytes of forms) {
                const { text, statuses } = await talk(server, [bytes]);
                assert.ok(!isSplit(text), JSON.stringify(text));
                assert.equal(statuses.length, 1, JSON.stringify(text));
            }
        }
    });
});
