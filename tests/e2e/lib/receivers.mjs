/* Receivers of deliveries, and the few calls of the hooks API that tests of delivery need. */
import http from 'node:http';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { until } from './wait.mjs';
import { Foyer } from './server.mjs';

const require = createRequire(import.meta.url);
const { Webhook } = require('standardwebhooks');
const { Webhook: SvixWebhook } = require('svix');
const { default: Stripe } = await import('stripe');
const stripe = new Stripe('sk_test_unused');

/* The three official readers; each throws when it does not believe a delivery. */
export const VERIFIERS = {
    standardwebhooks: (delivery, secret) => new Webhook(secret).verify(delivery.body.toString(), delivery.headers),
    svix: (delivery, secret) => new SvixWebhook(secret).verify(delivery.body.toString(), delivery.headers),
    stripe: (delivery, secret) => stripe.webhooks.constructEvent(delivery.body, delivery.headers['foyer-signature'], secret, 300),
};

/* Listens on the loopback and keeps what it gets; `answer(delivery, res)` decides, 204 unless told. */
export class Receiver {
    constructor(answer) {
        this.answer = answer ?? ((delivery, res) => res.writeHead(204).end());
        this.deliveries = [];
        this.server = http.createServer((req, res) => {
            const chunks = [];
            req.on('data', (chunk) => chunks.push(chunk));
            req.on('error', () => {});
            res.on('error', () => {});
            req.on('end', () => {
                const delivery = { headers: req.headers, url: req.url, body: Buffer.concat(chunks), id: req.headers['webhook-id'] };
                this.deliveries.push(delivery);
                this.answer(delivery, res);
            });
        });
        this.server.keepAliveTimeout = 60000;
    }

    static async start(answer) {
        const receiver = new Receiver(answer);
        receiver.server.listen(0, '127.0.0.1').unref();
        await once(receiver.server, 'listening');
        receiver.url = `http://127.0.0.1:${receiver.server.address().port}`;
        return receiver;
    }

    stop() {
        this.server.closeAllConnections();
        this.server.close();
    }

    /* The first that fits; waits for it. */
    delivery(fits = () => true) {
        return until(() => this.deliveries.find(fits), { what: 'a delivery' });
    }

    count(n) {
        return until(() => this.deliveries.length >= n, { what: `${n} deliveries (there are ${this.deliveries.length})` });
    }

    get ids() {
        return new Set(this.deliveries.map(({ id }) => id));
    }
}

export const startHooks = (options = {}) =>
    Foyer.start({ contract: false, ...options, args: ['--services=tickets,hooks', '--hooks-allow-cidr=127.0.0.0/8', '--abuse=off', ...(options.args ?? [])] });

async function made(answer) {
    if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`);
    return answer.json;
}

let names = 0;
export const makeApp = async (server, body = {}) => made(await server.admin.post('/api/v1/app', { name: `app ${++names}`, ...body }));
export const makeEndpoint = async (server, app, url, body = {}) => made(await server.admin.post(`/api/v1/app/${app.id}/endpoint`, { url, ...body }));
export const secretOf = async (server, app, endpoint) => (await made(await server.admin.get(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/secret`))).key;
export const sendMessage = async (server, app, payload = { n: 1 }, body = {}) =>
    made(await server.admin.post(`/api/v1/app/${app.id}/msg`, { eventType: 'test.event', payload, ...body }));
/* The body as text, with the payload's bytes in it as they are. */
export const sendRaw = async (server, app, payload) => made(await server.admin.post(`/api/v1/app/${app.id}/msg`, `{"eventType":"test.event","payload":${payload}}`));
export const attemptsOf = async (server, app, message) =>
    (await made(await server.admin.get(`/api/v1/app/${app.id}/attempt/msg/${message.id}?limit=50`))).data;
export const messageEndpoint = async (server, app, message) =>
    (await made(await server.admin.get(`/api/v1/app/${app.id}/msg/${message.id}/endpoint`))).data[0];
