/*
 * A client of the chat stream with nothing between it and the socket: it can stop reading, say what no client says, and
 * remembers all that it heard. For the tests of the server; the client that people use is in clients/js.
 */
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { until } from './wait.mjs';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

function encode(opcode, payload) {
    const mask = randomBytes(4);
    const size = payload.length;
    const head = size < 126 ? Buffer.from([0x80 | opcode, 0x80 | size]) : Buffer.alloc(size < 65536 ? 4 : 10);
    if (size >= 126) {
        head[0] = 0x80 | opcode;
        head[1] = 0x80 | (size < 65536 ? 126 : 127);
        if (size < 65536) head.writeUInt16BE(size, 2);
        else head.writeBigUInt64BE(BigInt(size), 2);
    }
    const masked = Buffer.from(payload);
    for (let i = 0; i < size; i++) masked[i] ^= mask[i & 3];
    return Buffer.concat([head, mask, masked]);
}

export class ChatStream {
    /* Opens and shakes hands; ends as {status, headers} when the server does not. */
    static async open(server, { headers = {}, protocol = 'foyer.chat.v1', path = '/v1/stream' } = {}) {
        const stream = new ChatStream();
        const url = new URL(server.url);
        stream.socket = url.protocol === 'https:' ? tls.connect(url.port, url.hostname, { rejectUnauthorized: false }) : net.connect(url.port, url.hostname);
        stream.heard = [];
        stream.taken = 0;
        stream.close = null; /* {code} once the server has said it, {code: 1006} when it is only gone */
        stream.bytes = Buffer.alloc(0);
        const fields = {
            Host: url.host, Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13',
            'Sec-WebSocket-Key': randomBytes(16).toString('base64'), ...(protocol ? { 'Sec-WebSocket-Protocol': protocol } : {}), ...headers,
        };
        const head = Object.entries(fields).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}\r\n`).join('');
        stream.socket.on('error', () => {});
        stream.socket.on('close', () => {
            stream.isGone = true;
            stream.close ??= { code: 1006 };
        });
        stream.socket.on('data', (data) => stream.#take(data));
        stream.socket.write(`GET ${path} HTTP/1.1\r\n${head}\r\n`);
        await until(() => stream.status || stream.isGone, { what: 'an answer to the handshake' });
        return stream;
    }

    /* Opens and says hello; waits for ready. */
    static async hello(server, api, { cursors, device_id, ...options } = {}) {
        const stream = await ChatStream.open(server, options);
        if (stream.status !== 101) throw new Error(`not open: ${stream.status} ${stream.rest}`);
        stream.say({ t: 'hello', token: api.token, ...(cursors && { cursors }), ...(device_id && { device_id }) });
        stream.ready = await stream.next('ready');
        return stream;
    }

    #take(data) {
        this.bytes = Buffer.concat([this.bytes, data]);
        if (!this.status) {
            const end = this.bytes.indexOf('\r\n\r\n');
            if (end < 0) return;
            const lines = this.bytes.subarray(0, end).toString().split('\r\n');
            this.headers = Object.fromEntries(lines.slice(1).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
            this.bytes = this.bytes.subarray(end + 4);
            this.status = Number(lines[0].split(' ')[1]);
        }
        if (this.status !== 101) {
            this.rest = this.bytes.toString();
            return;
        }
        while (this.#takeFrame());
    }

    #takeFrame() {
        const bytes = this.bytes;
        if (bytes.length < 2) return false;
        let size = bytes[1] & 127;
        let at = 2;
        if (size === 126) [size, at] = [bytes.length < 4 ? Infinity : bytes.readUInt16BE(2), 4];
        else if (size === 127) [size, at] = [bytes.length < 10 ? Infinity : Number(bytes.readBigUInt64BE(2)), 10];
        if (bytes.length < at + size) return false;
        const payload = bytes.subarray(at, at + size);
        this.bytes = bytes.subarray(at + size);
        const opcode = bytes[0] & 15;
        if (opcode === TEXT) this.heard.push(JSON.parse(payload.toString()));
        else if (opcode === PING) this.socket.write(encode(PONG, payload));
        else if (opcode === CLOSE) {
            this.close ??= { code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005 };
            this.socket.end(encode(CLOSE, payload.subarray(0, 2)));
        }
        return true;
    }

    say(message) {
        this.write(TEXT, Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)));
    }

    write(opcode, payload) {
        this.socket.write(encode(opcode, payload));
    }

    /* The next of that kind (or for which test says yes), behind the one that next gave before. */
    async next(what, options = {}) {
        const test = typeof what === 'string' ? ({ t }) => t === what : what;
        return until(() => {
            while (this.taken < this.heard.length) {
                const message = this.heard[this.taken++];
                if (test(message)) return message;
            }
            if (this.isGone) throw new Error(`gone (${this.close.code}) while waiting for ${what}; heard ${JSON.stringify(this.heard.slice(-3)).slice(0, 500)}`);
            return null;
        }, { every: 5, what: `${what}`, ...options });
    }

    /* The close code. */
    async closed() {
        await until(() => this.close, { what: 'the end of the stream' });
        return this.close.code;
    }

    of(t, chatId) {
        return this.heard.filter((message) => message.t === t && (!chatId || message.chat_id === chatId));
    }

    pause() {
        this.socket.pause();
    }

    resume() {
        this.socket.resume();
    }

    end() {
        this.socket.destroy();
    }
}
