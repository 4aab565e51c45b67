/*
 * A WebSocket for Node (RFC 6455), which has none before 22: as much of the browsers' as clients use, and besides what only tests do:
 * frames by hand, reading nothing, breaking off.
 */
import http from 'node:http';
import https from 'node:https';
import { createHash, randomBytes } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const CLOSE_MS = 5000;
export const OP = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/* A frame of a client: masked. */
export function encode(opcode, payload = Buffer.alloc(0), { fin = true, isMasked = true, rsv = 0 } = {}) {
    const data = Buffer.from(payload);
    const size = data.length < 126 ? 0 : data.length < 65536 ? 2 : 8;
    const head = Buffer.alloc(2 + size);
    head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
    head[1] = (isMasked ? 0x80 : 0) | (size === 0 ? data.length : size === 2 ? 126 : 127);
    if (size === 2) head.writeUInt16BE(data.length, 2);
    if (size === 8) head.writeBigUInt64BE(BigInt(data.length), 2);
    if (!isMasked) return Buffer.concat([head, data]);
    const mask = randomBytes(4);
    const masked = Buffer.allocUnsafe(data.length);
    for (let i = 0; i < data.length; i++) masked[i] = data[i] ^ mask[i & 3];
    return Buffer.concat([head, mask, masked]);
}

/* Takes frames out of a stream of bytes; strict, as a client must be. */
export class Decoder {
    constructor(onFrame) {
        this.onFrame = onFrame;
        this.rest = Buffer.alloc(0);
    }

    push(bytes) {
        this.rest = this.rest.length ? Buffer.concat([this.rest, bytes]) : bytes;
        let at = 0;
        for (;;) {
            const frame = this.#take(at);
            if (!frame) break;
            at = frame.end;
            this.onFrame(frame);
        }
        this.rest = this.rest.subarray(at);
    }

    #take(at) {
        const left = this.rest.length - at;
        if (left < 2) return null;
        const [first, second] = [this.rest[at], this.rest[at + 1]];
        if (first & 0x70 || second & 0x80) throw new Error(`a server's frame begins with ${first} ${second}`);
        const short = second & 0x7f;
        const size = short < 126 ? 0 : short === 126 ? 2 : 8;
        if (left < 2 + size) return null;
        const length = size === 0 ? short : size === 2 ? this.rest.readUInt16BE(at + 2) : Number(this.rest.readBigUInt64BE(at + 2));
        const begin = at + 2 + size;
        if (this.rest.length < begin + length) return null;
        return { opcode: first & 15, fin: (first & 0x80) !== 0, payload: this.rest.subarray(begin, begin + length), end: begin + length };
    }
}

export class WebSocketClient {
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror = null;
    isOpen = false;
    isClosed = false;
    answer = null; /* {status, headers} of the handshake */
    code = null; /* of the server's close frame */
    #parts = [];
    #socket = null;

    /* options: {headers (a null one is left out), ca} */
    constructor(url, protocols = [], { headers = {}, ca } = {}) {
        const key = randomBytes(16).toString('base64');
        const wanted = {
            connection: 'Upgrade',
            upgrade: 'websocket',
            'sec-websocket-version': '13',
            'sec-websocket-key': key,
            ...(protocols.length && { 'sec-websocket-protocol': protocols.join(', ') }),
            ...headers,
        };
        const kept = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== null));
        const { request } = url.startsWith('wss:') ? https : http;
        this.request = request(url.replace(/^ws/, 'http'), { headers: kept, agent: false, ca });
        this.request.on('upgrade', (res, socket, head) => this.#upgraded(res, socket, head, key));
        this.request.on('response', (res) => {
            this.answer = { status: res.statusCode, headers: res.headers };
            res.resume();
            this.#ended(1006);
        });
        this.request.on('error', () => this.#ended(1006));
        this.request.end();
    }

    #upgraded(res, socket, head, key) {
        this.answer = { status: res.statusCode, headers: res.headers };
        if (res.headers['sec-websocket-accept'] !== createHash('sha1').update(key + GUID).digest('base64')) throw new Error('Sec-WebSocket-Accept');
        this.#socket = socket;
        socket.setNoDelay(true);
        const decoder = new Decoder((frame) => this.#took(frame));
        socket.on('data', (bytes) => decoder.push(bytes));
        socket.on('error', () => {});
        socket.on('close', () => this.#ended(this.code ?? 1006));
        if (this.isClosed) return socket.destroy();
        this.isOpen = true;
        this.onopen?.({});
        if (head.length) decoder.push(head);
    }

    #took({ opcode, fin, payload }) {
        if (opcode === OP.ping) this.frame(OP.pong, payload);
        else if (opcode === OP.pong) this.onpong?.(payload.toString());
        else if (opcode === OP.close) this.#closing(payload);
        else {
            this.#parts.push(Buffer.from(payload));
            if (!fin) return;
            const data = Buffer.concat(this.#parts).toString('utf8');
            this.#parts = [];
            this.deliver({ data });
        }
    }

    /* For those who want to hear what comes before the listener does. */
    deliver(event) {
        this.onmessage?.(event);
    }

    #closing(payload) {
        this.code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
        if (this.#socket.writable) this.#socket.end(encode(OP.close, payload.subarray(0, 2)));
    }

    #ended(code) {
        if (this.isClosed) return;
        this.isClosed = true;
        this.isOpen = false;
        this.onclose?.({ code, reason: '' });
    }

    /* Any frame; whether it was written says nothing. */
    frame(opcode, payload, options) {
        this.raw(encode(opcode, payload, options));
    }

    raw(bytes) {
        if (this.#socket?.writable) this.#socket.write(bytes);
    }

    send(text) {
        this.frame(OP.text, text);
    }

    close(code = 1000, reason = '') {
        const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
        payload.writeUInt16BE(code);
        payload.write(reason, 2);
        if (!this.#socket) return this.destroy();
        this.frame(OP.close, payload);
        const timer = setTimeout(() => this.destroy(), CLOSE_MS);
        timer.unref();
        this.#socket.once('close', () => clearTimeout(timer));
    }

    /* Nothing is read any more: the server's bytes stay where they are. */
    pause() {
        this.#socket?.pause();
    }

    resume() {
        this.#socket?.resume();
    }

    destroy() {
        this.request.destroy();
        this.#socket?.destroy();
    }
}
