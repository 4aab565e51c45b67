/* A server that behaves like Stripe's API, as far as Foyer uses it: form-encoded requests in, objects of Stripe's shapes out. */
import http from 'node:http';
import { once } from 'node:events';

export const KEY = 'sk_test_e2e_0123456789';

export class FakeStripe {
    constructor() {
        this.requests = [];
        this.sessions = new Map();
        this.refunds = new Map();
        this.byKey = new Map();
        this.cards = new Map(); /* session: fingerprint */
        this.fail = null; /* (request) => {status, body} */
        this.count = 0;
    }

    static async start() {
        const stripe = new FakeStripe();
        stripe.http = http.createServer((req, res) => stripe.answer(req, res)).listen(0, '127.0.0.1');
        await once(stripe.http, 'listening');
        stripe.http.unref();
        stripe.url = `http://127.0.0.1:${stripe.http.address().port}`;
        return stripe;
    }

    stop() {
        this.http.closeAllConnections();
        this.http.close();
    }

    async answer(req, res) {
        const chunks = [];
        for await (const chunk of req) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString();
        const request = { method: req.method, path: req.url, headers: req.headers, text, form: new URLSearchParams(text) };
        this.requests.push(request);
        const { status, body } = this.fail?.(request) ?? this.route(request);
        res.writeHead(status, { 'content-type': 'application/json' });
        res.end(JSON.stringify(body));
    }

    route(request) {
        const user = Buffer.from((request.headers.authorization ?? '').replace('Basic ', ''), 'base64').toString();
        if (user !== `${KEY}:` && request.headers.authorization !== `Bearer ${KEY}`)
            return { status: 401, body: { error: { type: 'invalid_request_error', message: 'Invalid API Key provided' } } };
        const key = request.headers['idempotency-key'];
        if (key && this.byKey.has(key)) return { status: 200, body: this.byKey.get(key) };
        const { pathname, searchParams } = new URL(request.path, this.url);
        const [, , what, id, verb] = pathname.replace('/checkout/', '/checkout-').split('/');
        const made = this.handle(request.method, what, id, verb, request.form);
        if (searchParams.get('expand[]') === 'payment_intent.latest_charge' && made?.payment_intent)
            return { status: 200, body: { ...made, payment_intent: this.intent(made) } };
        if (!made) return { status: 404, body: { error: { type: 'invalid_request_error', message: `No such object: ${id}` } } };
        if (key) this.byKey.set(key, made);
        return { status: 200, body: made };
    }

    handle(method, what, id, verb, form) {
        if (what === 'checkout-sessions') {
            if (method === 'POST' && !id) return this.openSession(form);
            const session = this.sessions.get(id);
            if (session && verb === 'expire') Object.assign(session, { status: 'expired', url: null });
            return session;
        }
        if (what === 'refunds') return method === 'POST' && !id ? this.refund(form) : this.refunds.get(id);
        return undefined;
    }

    openSession(form) {
        const id = `cs_test_${++this.count}`;
        const session = {
            id,
            object: 'checkout.session',
            mode: form.get('mode'),
            amount_total: Number(form.get('line_items[0][price_data][unit_amount]')),
            currency: form.get('line_items[0][price_data][currency]'),
            client_reference_id: form.get('client_reference_id'),
            metadata: { payment: form.get('metadata[payment]') },
            expires_at: Number(form.get('expires_at')),
            payment_intent: null,
            payment_status: 'unpaid',
            status: 'open',
            url: `https://checkout.stripe.test/c/pay/${id}`,
        };
        this.sessions.set(id, session);
        return session;
    }

    refund(form) {
        const refund = {
            id: `re_test_${++this.count}`,
            object: 'refund',
            amount: Number(form.get('amount')),
            currency: 'eur',
            payment_intent: form.get('payment_intent'),
            metadata: { refund: form.get('metadata[refund]'), payment: form.get('metadata[payment]') },
            status: this.refundStatus ?? 'succeeded',
        };
        this.refunds.set(refund.id, refund);
        return refund;
    }

    intent(session) {
        const fingerprint = this.cards.get(session.id) ?? `card of ${session.id}`;
        const latest_charge = { id: `ch_test_${session.id}`, object: 'charge', payment_method_details: { type: 'card', card: { last4: '4242', fingerprint } } };
        return { id: session.payment_intent, object: 'payment_intent', latest_charge };
    }

    /* The buyer has paid; only the charge says with which card. */
    pay(sessionId, card) {
        const session = this.sessions.get(sessionId);
        if (card) this.cards.set(sessionId, card);
        return Object.assign(session, { payment_status: 'paid', status: 'complete', url: null, payment_intent: `pi_test_${sessionId}` });
    }

    event(type, object) {
        return { id: `evt_test_${++this.count}`, object: 'event', api_version: '2024-06-20', type, data: { object } };
    }
}
