/* Both ends of a stream of chat by hand: what a test says, and all that it has heard. */
import assert from 'node:assert/strict';
import { WebSocketClient } from './websocket.mjs';
import { until } from './wait.mjs';

export const PROTOCOL = 'foyer.chat.v1';

export class Talk {
    heard = [];
    pongs = [];
    code = null;

    /* Not greeted yet. options: {headers, protocols} */
    static async open(server, { protocols = [PROTOCOL], ...options } = {}) {
        const talk = new Talk();
        talk.socket = new WebSocketClient(`${server.url.replace(/^http/, 'ws')}/v1/stream`, protocols, { ca: server.ca, ...options });
        talk.socket.onmessage = ({ data }) => talk.heard.push(JSON.parse(data));
        talk.openedAt = performance.now();
        talk.socket.onclose = ({ code }) => {
            talk.code = code;
            talk.endedAt = performance.now();
        };
        talk.socket.onpong = (payload) => talk.pongs.push(payload);
        await until(() => talk.socket.isOpen || talk.socket.isClosed, { every: 2, what: 'the handshake' });
        return talk;
    }

    /* Greeted, and caught up unless `isWaited` is false. */
    static async begin(server, api, { isWaited = true, ...hello } = {}) {
        const talk = await Talk.open(server);
        assert.equal(talk.socket.answer?.status, 101, JSON.stringify(talk.socket.answer));
        talk.say({ t: 'hello', token: api.token, ...hello });
        talk.ready = await talk.one('ready');
        if (isWaited) await talk.one('live');
        return talk;
    }

    say(frame) {
        this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
    }

    of(t) {
        return this.heard.filter((frame) => frame.t === t);
    }

    messages(chatId) {
        return this.heard.filter(({ t, chat_id }) => t === 'message' && (!chatId || chat_id === chatId));
    }

    seqs(chatId) {
        return this.messages(chatId).map(({ seq }) => seq);
    }

    /* The first of its kind that the probe takes, heard or yet to be heard. */
    async one(t, probe = () => true, what = t) {
        const found = () => this.heard.find((frame) => frame.t === t && probe(frame));
        await this.until(() => found(), what);
        const frame = found();
        if (!frame) throw new Error(`the stream ended with ${this.code} before ${what}: heard ${this.#told()}`);
        return frame;
    }

    #told() {
        return JSON.stringify(this.heard.slice(-5)).slice(0, 1500);
    }

    /* The probe is true, or the stream has ended. */
    async until(probe, what) {
        await until(() => probe() || this.code !== null, { every: 2, what }).catch((error) => {
            throw new Error(`${error.message}: heard ${this.#told()}`);
        });
    }

    /* Everything that was said before has been heard. */
    async settled() {
        const count = this.of('pong').length;
        this.say({ t: 'ping' });
        await this.until(() => this.of('pong').length > count, 'a pong');
    }

    async message(chatId, probe = () => true) {
        return this.one('message', (frame) => frame.chat_id === chatId && probe(frame));
    }

    /* The whole answer to a send: ack or error. */
    async answer(id) {
        const found = () => this.heard.find((frame) => (frame.t === 'ack' || frame.t === 'error') && frame.id === id);
        await this.until(found, `an answer to ${id}`);
        return found();
    }

    #next = 0;
    async send(chatId, body, more = {}) {
        const id = more.id ?? ++this.#next;
        this.say({ t: 'send', id, chat_id: chatId, client_id: `${id}-${Math.random().toString(36).slice(2)}`, body, ...more });
        return this.answer(id);
    }

    /* How it ended: {code, reason of the bye or undefined}. */
    async closed() {
        await this.until(() => false, 'the end of the stream');
        return { code: this.code, reason: this.of('bye')[0]?.reason };
    }

    end() {
        this.socket.destroy();
    }
}

export const idOf = (api) => api.user.id;
export const range = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

export function ok(answer, ...statuses) {
    assert.ok(statuses.includes(answer.status), `${answer.status} ${answer.text}`);
    return answer.json;
}

export const makeDirect = async (a, b) => ok(await a.post('/v1/chats', { type: 'direct', user_id: idOf(b) }), 200, 201).id;
export const makeGroup = async (owner, others = [], title = 'Row 1') =>
    ok(await owner.post('/v1/chats', { type: 'group', title, member_ids: others.map(idOf) }), 201).id;
export const makeDevice = async (api, name = 'Phone') => ok(await api.post('/v1/devices', { name, platform: 'web' }), 201).id;

let count = 0;
/* By HTTP. */
export const post = async (api, chatId, body, more = {}) =>
    ok(await api.post(`/v1/chats/${chatId}/messages`, { client_id: `http-${process.pid}-${++count}`, body, ...more }), 200, 201);

/* The whole log over HTTP, by pages. */
export async function wholeLog(api, chatId) {
    const all = [];
    for (;;) {
        const page = ok(await api.get(`/v1/chats/${chatId}/messages?after=${all.at(-1)?.seq ?? 0}&limit=200`), 200);
        all.push(...page.data);
        if (page.data.length === 0 || all.at(-1).seq === page.last_seq) return all;
    }
}
