/*
 * A caller of the API. Connections are kept alive; an answer has {status, headers, buffer, text, json}. Every answer is held
 * against the OpenAPI document, so all tests together are a test of it, unless a call says `unchecked`.
 */
import http from 'node:http';
import https from 'node:https';
import { randomUUID } from 'node:crypto';
import { gunzipSync } from 'node:zlib';

export const newKey = () => randomUUID();

/* One request; resolves with the answer, rejects when the connection breaks. Of an event stream, which does not end, the answer has the
 * first event. */
export function send(url, { method = 'GET', headers = {}, body, agent, ca } = {}) {
    return new Promise((resolve, reject) => {
        const { request } = url.startsWith('https:') ? https : http;
        const req = request(url, { method, headers, agent, ca }, (res) => {
            const chunks = [];
            const isStream = res.headers['content-type'] === 'text/event-stream';
            res.on('data', (chunk) => {
                chunks.push(chunk);
                if (!isStream || !Buffer.concat(chunks).includes('\n\n')) return;
                resolve(answerOf(res, Buffer.concat(chunks)));
                req.destroy();
            });
            res.on('error', reject);
            res.on('end', () => resolve(answerOf(res, Buffer.concat(chunks))));
            res.on('close', () => res.complete || reject(new Error('the answer was cut off')));
        });
        req.on('error', reject);
        req.setTimeout(60000, () => req.destroy(new Error('no answer in 60 s')));
        req.end(body);
    });
}

function answerOf(res, buffer) {
    const answer = { status: res.statusCode, headers: res.headers };
    if (res.headers['content-encoding'] === 'gzip') buffer = gunzipSync(buffer);
    answer.buffer = buffer;
    Object.defineProperty(answer, 'text', { get: () => buffer.toString('utf8'), enumerable: false });
    const isJson = /^application\/(\w+\+)?json\b/.test(res.headers['content-type'] ?? '');
    answer.json = isJson && buffer.length > 0 ? JSON.parse(buffer.toString('utf8')) : undefined;
    return answer;
}

export class Api {
    constructor(server, token) {
        this.server = server;
        this.token = token;
        if (server.agentUrl !== server.url) {
            server.agent?.destroy();
            const { Agent } = server.url.startsWith('https:') ? https : http;
            server.agent = new Agent({ keepAlive: true, maxSockets: 128, ca: server.ca });
            server.agentUrl = server.url;
        }
    }

    /* options: {key, headers, unchecked, agent}; key: an Idempotency-Key */
    async call(method, path, body, options = {}) {
        const headers = { ...options.headers };
        if (this.token) headers.authorization ??= `Bearer ${this.token}`;
        if (options.key) headers['idempotency-key'] = options.key;
        const isText = typeof body === 'string' || Buffer.isBuffer(body);
        const data = body === undefined ? undefined : isText ? body : JSON.stringify(body);
        if (data !== undefined) {
            headers['content-type'] ??= 'application/json';
            headers['content-length'] ??= Buffer.byteLength(data);
        }
        const answer = await send(this.server.url + path, { method, headers, body: data, agent: options.agent ?? this.server.agent });
        if (!options.unchecked) this.server.contract?.check(method, path, answer);
        return answer;
    }

    get(path, options) {
        return this.call('GET', path, undefined, options);
    }
    post(path, body, options) {
        return this.call('POST', path, body, options);
    }
    put(path, body, options) {
        return this.call('PUT', path, body, options);
    }
    patch(path, body, options) {
        return this.call('PATCH', path, body, options);
    }
    delete(path, body, options) {
        return this.call('DELETE', path, body, options);
    }

    /* POST /v1/bookings; what: {seat_ids} | {areas} */
    hold(eventId, what, key = newKey()) {
        const wanted = Array.isArray(what) ? { seat_ids: what } : what;
        return this.post('/v1/bookings', { event_id: eventId, ...wanted }, { key });
    }

    booking(id) {
        return this.get(`/v1/bookings/${id}`).then((answer) => answer.json);
    }
}
