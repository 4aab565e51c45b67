/*
 * Bytes by hand, for what no client library would send. What comes back is taken apart strictly: an answer is a status, headers and a body of
 * exactly its length, and bytes that belong to none are an error.
 */
import net from 'node:net';
import tls from 'node:tls';
import assert from 'node:assert/strict';

export const CRLF = '\r\n';
export const head = (...lines) => [...lines, '', ''].join(CRLF);
export const get = (path, ...lines) => head(`GET ${path} HTTP/1.1`, 'Host: x', ...lines);
export const latin1 = (text) => (Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1'));

/* The answers in a text, in order; the last may be cut when `isWhole` is false. */
export function answersOf(text, isWhole = true) {
    const answers = [];
    while (text) {
        const end = text.indexOf('\r\n\r\n');
        const line = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/.exec(text);
        if (end < 0 || !line) {
            assert.ok(!isWhole, `no answer: ${JSON.stringify(text.slice(0, 300))}`);
            break;
        }
        const lines = text.slice(line[0].length - 2, end).split(CRLF).filter(Boolean);
        const pairs = lines.map((entry) => /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?(.*)$/s.exec(entry));
        assert.ok(pairs.every(Boolean), `a header of the answer is malformed: ${lines.join(' | ')}`);
        const headers = Object.fromEntries(pairs.map((pair) => [pair[1].toLowerCase(), pair[2]]));
        assert.equal(Object.keys(headers).length, pairs.length, `a header is there twice: ${lines.join(' | ')}`);
        const hasBody = !['1', '204', '304'].some((prefix) => line[1].startsWith(prefix));
        const length = hasBody ? Number(headers['content-length']) : 0;
        assert.ok(Number.isInteger(length), 'every answer has a length');
        const body = text.slice(end + 4, end + 4 + length);
        if (isWhole) assert.equal(body.length, length, 'the body is whole');
        else if (body.length < length) break;
        answers.push({ status: Number(line[1]), headers, body, id: headers['x-request-id'], json: headers['content-type']?.includes('json') ? JSON.parse(body) : undefined });
        text = text.slice(end + 4 + length);
    }
    return answers;
}

/* A connection: what it received so far, and whether it has ended. */
export class Wire {
    constructor(server, { ca, rcvbuf } = {}) {
        const { hostname, port, protocol } = new URL(server.url);
        const options = { host: hostname, port: Number(port), ca, ...(rcvbuf ? { readableHighWaterMark: rcvbuf } : {}) };
        this.received = '';
        this.bytes = 0;
        this.isClosed = false;
        this.error = null;
        this.wakers = new Set();
        this.socket = protocol === 'https:' ? tls.connect(options) : net.connect(options);
        this.socket.setNoDelay(true);
        this.socket.on('data', (data) => {
            this.bytes += data.length;
            this.received += data.toString('latin1');
            this.wake();
        });
        this.socket.on('error', (error) => (this.error = error));
        this.socket.on('close', () => {
            this.isClosed = true;
            this.wake();
        });
        this.opened = new Promise((resolve) => {
            this.socket.once('connect', resolve);
            this.socket.once('close', resolve);
        });
    }

    wake() {
        for (const waker of this.wakers) waker();
    }

    send(...pieces) {
        for (const piece of pieces) this.socket.write(latin1(piece));
        return this;
    }

    /* Resolves when the probe says so; a connection that ends first is an error, unless that is what was waited for. */
    async until(probe, { timeout = 30000, what = 'it' } = {}) {
        const deadline = performance.now() + timeout;
        while (!probe(this)) {
            if (this.isClosed) throw new Error(`the connection ended before ${what}: ${this.error?.code ?? ''} ${this.received.slice(0, 300)}`);
            const left = deadline - performance.now();
            if (left <= 0) throw new Error(`waited ${timeout} ms in vain for ${what}; received ${JSON.stringify(this.received.slice(0, 300))}`);
            await new Promise((resolve) => {
                const timer = setTimeout(done, left);
                const wakers = this.wakers;
                wakers.add(done);
                function done() {
                    clearTimeout(timer);
                    wakers.delete(done);
                    resolve();
                }
            });
        }
        return this;
    }

    closed(options) {
        return this.until((wire) => wire.isClosed, { what: 'the end of the connection', ...options });
    }

    answered(count, options) {
        return this.until((wire) => answersOf(wire.received, false).length >= count, { what: `${count} answers`, ...options });
    }

    answers() {
        return answersOf(this.received);
    }

    destroy() {
        this.socket.destroy();
    }
}

/* Sends the pieces, waits for the end of the connection, and gives the answers: {answers, statuses, text, error}. */
export async function talk(server, pieces, { end = false, timeout, ca } = {}) {
    const wire = new Wire(server, { ca });
    try {
        for (const piece of [pieces].flat()) {
            wire.send(piece);
            await new Promise((resolve) => setImmediate(resolve));
        }
        if (end) wire.socket.end();
        await wire.closed({ timeout });
        const answers = wire.answers();
        return { answers, statuses: answers.map((answer) => answer.status), text: wire.received, error: wire.error };
    } finally {
        wire.destroy();
    }
}
