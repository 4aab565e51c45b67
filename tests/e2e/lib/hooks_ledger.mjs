/*
 * What a loop of kills has asked for and what receivers got, kept outside of the server, and the questions to both. A ledger
 * survives the server; `lifetime` counts its starts.
 */
import { createHmac } from 'node:crypto';
import { VERIFIERS, Receiver, makeApp, makeEndpoint, secretOf } from './receivers.mjs';
import { newKey } from './api.mjs';
import { until } from './wait.mjs';

const SUCCESS = 0;
const PENDING = 1;
const FAIL = 2;
const PAGE = 100;

/* The bytes of a payload that nobody would write like this, so that a writer of JSON in between would be noticed. */
const payloadOf = (n, size) => `{ "n" : ${n},\t"big":12345678901234567890 , "real":1.0,"text":"\\u00e9\\/é${'x'.repeat(size)}" }`;

/* The verifiers compare a delivery's time with theirs, and the server's clock is moved. */
function verifyAll(request, secret) {
    const now = Date.now;
    try {
        Date.now = () => Number(request.headers['webhook-timestamp']) * 1000;
        for (const verify of Object.values(VERIFIERS)) verify(request, secret);
        return true;
    } catch {
        return false;
    } finally {
        Date.now = now;
    }
}

/* As the three do, for those of which there are thousands. */
function isSigned(request, secret) {
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signatures = '' } = request.headers;
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const wanted = `v1,${createHmac('sha256', key).update(`${id}.${at}.`).update(request.body).digest('base64')}`;
    return signatures.split(' ').includes(wanted);
}

async function listAll(server, path) {
    const items = [];
    for (let iterator = ''; ; ) {
        const { status, text, json } = await server.admin.get(`${path}?limit=${PAGE}${iterator}`);
        if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
        items.push(...json.data);
        if (json.done) return items;
        iterator = `&iterator=${encodeURIComponent(json.iterator)}`;
    }
}

export class Ledger {
    constructor(server, answer) {
        this.server = server;
        this.answer = answer; /* (request, is it the endpoint's first?) => status */
        this.apps = [];
        this.endpoints = new Map(); /* path of its URL: {id, app, secret, doesWant} */
        this.sends = []; /* {app, key, text, id: null until it was answered} */
        this.requests = []; /* {path, id, headers, body, lifetime, status: null until it was answered} */
        this.lifetime = 0;
    }

    async begin(appCount) {
        this.receiver = await Receiver.start((delivery, res) => this.take(delivery, res));
        for (let i = 0; i < appCount; i++) {
            const app = await makeApp(this.server);
            this.apps.push(app);
            for (const name of ['one', 'two']) await this.addEndpoint(app, `/${i}/${name}`, true);
            await this.addEndpoint(app, `/${i}/none`, false, { eventTypes: ['other.event'] });
        }
    }

    async addEndpoint(app, path, doesWant, body = {}) {
        const endpoint = await makeEndpoint(this.server, app, `${this.receiver.url}${path}`, body);
        this.endpoints.set(path, { id: endpoint.id, app, secret: await secretOf(this.server, app, endpoint), doesWant });
    }

    take({ url, headers, body, id }, res) {
        const request = { path: url, id, headers, body, lifetime: this.lifetime, status: null };
        this.requests.push(request);
        const status = this.answer(request);
        const end = () => {
            if (res.destroyed || res.socket?.destroyed) return; /* whoever asked is gone, and does not know */
            request.status = status;
            res.writeHead(status).end();
        };
        if (Math.random() < 0.5) end();
        else setTimeout(end, Math.random() * 20);
    }

    /* A new message; throws when there is no answer. */
    send(app, size = 0) {
        const record = { app, key: newKey(), text: payloadOf(this.sends.length, size), id: null };
        this.sends.push(record);
        return this.ask(record);
    }

    async ask(record) {
        const body = `{"eventType":"test.event","payload":${record.text}}`;
        const { status, text, json } = await this.server.admin.post(`/api/v1/app/${record.app.id}/msg`, body, { key: record.key });
        if (status !== 202) throw new Error(`${status} ${text}`);
        if (record.id && record.id !== json.id) record.other = json.id;
        record.id ??= json.id;
        record.answered = this.lifetime;
    }

    get unanswered() {
        return this.sends.filter(({ id }) => !id);
    }

    /* Rows of the database that wait. */
    async waiting() {
        const slots = await this.server.sql('SELECT slot FROM ring_slot', 'hooks');
        const select = ([slot]) => `SELECT 1 FROM delivery_${slot.padStart(2, '0')} WHERE next_at IS NOT NULL`;
        const [[count]] = await this.server.sql(`SELECT count(*) FROM (${slots.map(select).join(' UNION ALL ')}) AS w`, 'hooks');
        return Number(count);
    }

    /* Sends that were answered at all, held against the messages there are. */
    async messageFindings() {
        const findings = [];
        const known = new Set(this.sends.map(({ id }) => id).filter(Boolean));
        if (known.size < this.sends.filter(({ id }) => id).length) findings.push('two sends have one message');
        for (const { other, id } of this.sends) if (other) findings.push(`${id}: its key gave ${other}, too`);
        const listed = new Set();
        for (const app of this.apps) for (const { id } of await listAll(this.server, `/api/v1/app/${app.id}/msg`)) listed.add(id);
        for (const id of known) if (!listed.has(id)) findings.push(`${id}: accepted, and there is no such message`);
        for (const id of listed) if (!known.has(id)) findings.push(`${id}: a message that nobody knows`);
        return findings;
    }

    /* Of one endpoint: everything accepted was taken, or waits, or is a dead letter. */
    async endpointFindings(path) {
        const { id, app, doesWant } = this.endpoints.get(path);
        const findings = [];
        const rows = new Map((await listAll(this.server, `/api/v1/app/${app.id}/endpoint/${id}/msg`)).map((row) => [row.id, row.status]));
        const taken = new Set(this.requests.filter((r) => r.path === path && r.status === 200).map((r) => r.id));
        if (!doesWant) return rows.size ? [`${path}: has deliveries that it does not want`] : [];
        for (const send of this.sends.filter((s) => s.app === app && s.id)) {
            const status = rows.get(send.id);
            if (status === undefined) findings.push(`${path} ${send.id}: accepted, and no delivery`);
            else if (status === SUCCESS && !taken.has(send.id)) findings.push(`${path} ${send.id}: lost: nobody took it, and nothing will send it`);
            else if (![SUCCESS, PENDING, FAIL].includes(status)) findings.push(`${path} ${send.id}: status ${status}`);
        }
        return findings;
    }

    requestFindings() {
        const findings = [];
        const texts = new Map(this.sends.filter(({ id }) => id).map((send) => [send.id, send.text]));
        for (const [at, request] of this.requests.entries()) {
            const endpoint = this.endpoints.get(request.path);
            const name = `${request.path} ${request.id}`;
            if (!endpoint?.doesWant) findings.push(`${name}: nobody wanted it`);
            else if (texts.get(request.id) !== request.body.toString()) findings.push(`${name}: other bytes`);
            else if (!isSigned(request, endpoint.secret) || (at % 50 === 0 && !verifyAll(request, endpoint.secret))) findings.push(`${name}: not signed`);
        }
        return findings;
    }

    /*
     * What was taken more than once: {findings, total, most}. A second time may only be in a later life of the server than the first, and
     * of each endpoint and life there are no more than were under way when it ended: `bound`. most: of one endpoint and life.
     */
    repeats(bound) {
        const findings = [];
        const first = new Map(); /* the life in which it was taken last */
        const counts = new Map();
        for (const { path, id, lifetime, status } of this.requests) {
            if (status !== 200) continue;
            const name = `${path} ${id}`;
            if (first.get(name) === lifetime) findings.push(`${name}: twice, and no crash between them`);
            else if (first.has(name)) counts.set(`${path} ${first.get(name)}`, (counts.get(`${path} ${first.get(name)}`) ?? 0) + 1);
            first.set(name, lifetime);
        }
        const most = Math.max(0, ...counts.values());
        if (most > bound) findings.push(`${most} were repeated of one endpoint after one crash`);
        return { findings, most, total: [...counts.values()].reduce((a, b) => a + b, 0) };
    }

    async findings(bound) {
        const findings = await this.messageFindings();
        if (findings.length) return findings; /* lists of deliveries need the messages */
        for (const path of this.endpoints.keys()) findings.push(...(await this.endpointFindings(path)));
        return [...findings, ...this.requestFindings(), ...this.repeats(bound).findings];
    }

    /* The server was killed. What it had sent may be read only now, and belongs to the life that is over. */
    async endLife() {
        const { server } = this.receiver;
        const count = () => new Promise((resolve) => server.getConnections((error, n) => resolve(n)));
        let quiet = 0;
        await until(async () => (quiet = (await count()) === 0 ? quiet + 1 : 0) === 3, { what: 'the end of the connections' });
        this.lifetime++;
    }

    stop() {
        this.receiver.stop();
    }
}
