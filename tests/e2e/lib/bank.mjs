/* The sandbox bank from outside: as the merchant (with its secret) to read the ledger and to misbehave, as a buyer to pay. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { send } from './api.mjs';

export class Bank {
    /* fixed: {url, secret} of a bank that is no child of the server */
    constructor(dir, fixed) {
        this.dir = path.join(dir, 'sandbox');
        this.fixed = fixed;
    }

    get url() {
        return this.fixed?.url ?? fs.readFileSync(path.join(this.dir, 'url'), 'utf8').trim();
    }

    get secret() {
        return this.fixed?.secret ?? fs.readFileSync(path.join(this.dir, 'secret'), 'utf8').trim();
    }

    async call(method, target, body, headers = {}) {
        const data = body === undefined ? undefined : JSON.stringify(body);
        return send(this.url + target, {
            method,
            headers: { authorization: `Bearer ${this.secret}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(data ?? ''), ...headers },
            body: data,
        });
    }

    /* {sessions, status, refunds, callbacks}: "ok", "refuse" or "hang" */
    async control(behaviour) {
        const answer = await this.call('POST', '/control', behaviour);
        assert.equal(answer.status, 200, answer.text);
        return answer.json;
    }

    behave() {
        return this.control({ sessions: 'ok', status: 'ok', refunds: 'ok', callbacks: 'ok' });
    }

    async summary() {
        const answer = await this.call('GET', '/ledger/summary');
        assert.equal(answer.status, 200, answer.text);
        return answer.json;
    }

    /* All sessions, or those of one payment. */
    async sessions(reference) {
        const sessions = [];
        for (let cursor = ''; cursor !== null; ) {
            const query = new URLSearchParams({ limit: '1000', ...(cursor && { cursor }), ...(reference && { reference }) });
            const { json } = await this.call('GET', `/ledger?${query}`);
            sessions.push(...json.data);
            cursor = json.next_cursor ?? null;
        }
        return sessions;
    }

    /* Pays, or fails to, at a payment's URL. */
    async pay(url, outcome = 'succeeded', callbacks = { count: 1 }, more = {}) {
        const body = JSON.stringify({ outcome, callbacks, ...more });
        const answer = await send(`${url}/complete`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
            body,
        });
        return answer;
    }

    sign(body, atMs, secret = this.secret) {
        const seconds = Math.floor(atMs / 1000);
        const mac = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
        return `t=${seconds},v1=${mac}`;
    }
}
