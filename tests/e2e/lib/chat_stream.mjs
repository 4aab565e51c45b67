/*
 * A client of the chat stream with nothing between it and the socket: it can stop reading, say what no client says, and
 * remembers all that it heard. For the tests of the server; the client that people use is in clients/js.
 */
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { until } from './wait.mjs';
import { Decoder, OP, encode } from './websocket.mjs';

export class ChatStream {
    /* Opens and shakes hands; ends as {status, headers} when the server does not. */
    static async open(server, { headers = {}, protocol = 'foyer.chat.v1', path = '/v1/stream' } = {}) {
        const stream = new ChatStream();
        const url = new URL(server.url);
        stream.socket = url.protocol === 'https:' ? tls.connect(url.port, url.hostname, { rejectUnauthorized: false }) : net.connect(url.port, url.hostname);
        stream.heard = [];
        stream.taken = 0;
        stream.close = null; /* {code} once the server has said it, {code: 1006} when it is only gone */
        stream.bytes = Buffer.alloc(0); /* of the handshake, or of a refusal */
        stream.decoder = new Decoder((frame) => stream.#takeFrame(frame));
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
        if (this.status === 101) return this.decoder.push(data);
        this.bytes = Buffer.concat([this.bytes, data]);
        if (!this.status) {
            const end = this.bytes.indexOf('\r\n\r\n');
            if (end < 0) return;
            const lines = this.bytes.subarray(0, end).toString().split('\r\n');
            this.headers = Object.fromEntries(lines.slice(1).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
            this.bytes = this.bytes.subarray(end + 4);
            this.status = Number(lines[0].split(' ')[1]);
        }
        if (this.status === 101) this.decoder.push(this.bytes);
        else this.rest = this.bytes.toString();
    }

    #takeFrame({ opcode, payload }) {
        if (opcode === OP.text) this.heard.push(JSON.parse(payload.toString()));
        else if (opcode === OP.ping) this.write(OP.pong, payload);
        else if (opcode === OP.close) {
            this.close ??= { code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005 };
            this.socket.end(encode(OP.close, payload.subarray(0, 2)));
        }
    }

    say(message) {
        this.write(OP.text, Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)));
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
