/* T4, T5: the stripe provider against a server of Stripe's shapes, and callbacks signed by Stripe's own package. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { Foyer } from './lib/server.mjs';
import { FakeStripe, KEY } from './lib/fake-stripe.mjs';
import { until } from './lib/wait.mjs';
import { checkedOut, held, makeUser, plan, sale, status, ticketsOf } from './lib/seed.mjs';

const SECRET = 'whsec_e2e_test_secret';
const MINUTE = 60 * 1000;
const webhooks = new Stripe('sk_test_unused').webhooks;

let stripe;
let server;
let fan;
let event;
let next = 0;
const fresh = (count = 1) => Array.from({ length: count }, () => `S1-R1-${++next}`);
before(async () => {
    stripe = await FakeStripe.start();
    server = await Foyer.start({
        args: ['--abuse=off', '--payments=stripe', `--stripe-api=${stripe.url}`],
        env: { FOYER_STRIPE_KEY: KEY, FOYER_STRIPE_WEBHOOK_SECRET: SECRET },
    });
    fan = await makeUser(server);
    event = await sale(server, { plan: plan({ rows: 1, seats: 60 }), limits: { per_account: 100 } });
});
after(async () => {
    assert.deepEqual((await server.audit()).findings, []);
    await server.stop();
    stripe.stop();
});

async function say(object, { secret = SECRET, timestamp, header } = {}) {
    const payload = JSON.stringify(object);
    const seconds = timestamp ?? Math.floor((await server.now()) / 1000);
    const signature = header ?? webhooks.generateTestHeaderString({ payload, secret, timestamp: seconds });
    return server.anonymous.post('/v1/payments/webhooks/stripe', payload, { headers: { 'stripe-signature': signature } });
}

const idOf = (booking) => booking.payment.url.split('/').at(-1);

test('a checkout session is asked for as Stripe wants it', async () => {
    const booking = await checkedOut(fan, event.id, fresh(2));
    const request = stripe.requests.find(({ form }) => form.get('client_reference_id') === booking.payment.id);
    assert.equal(request.method, 'POST');
    assert.equal(request.path, '/v1/checkout/sessions');
    assert.equal(request.headers['content-type'], 'application/x-www-form-urlencoded');
    assert.equal(Buffer.from(request.headers.authorization.replace('Basic ', ''), 'base64').toString(), `${KEY}:`);
    assert.equal(request.headers['idempotency-key'], booking.payment.id);
    assert.match(request.headers['stripe-version'], /^\d{4}-\d\d-\d\d/);
    const form = Object.fromEntries(request.form);
    assert.equal(form.mode, 'payment');
    assert.equal(form['line_items[0][quantity]'], '1');
    assert.equal(form['line_items[0][price_data][currency]'], 'eur');
    assert.equal(form['line_items[0][price_data][unit_amount]'], '10000');
    assert.ok(form['line_items[0][price_data][product_data][name]'].length > 0);
    assert.equal(form['metadata[payment]'], booking.payment.id);
    assert.equal(form['payment_intent_data[metadata][payment]'], booking.payment.id);
    assert.match(form.success_url, /^http/);
    assert.match(form.cancel_url, /^http/);
    const life = Number(form.expires_at) * 1000 - (await server.now());
    assert.ok(life >= 29.9 * MINUTE && life <= 24 * 60 * MINUTE, `Stripe takes 30 minutes to 24 hours, not ${life} ms`);
    assert.equal(booking.payment.url, `https://checkout.stripe.test/c/pay/${idOf(booking)}`);
});

test('a callback signed by the official package confirms the booking, however often', async () => {
    const booking = await checkedOut(fan, event.id, fresh());
    const message = stripe.event('checkout.session.completed', stripe.pay(idOf(booking)));
    for (let i = 0; i < 3; i++) assert.equal((await say(message)).status, 200);
    const confirmed = await status(fan, booking.id, 'confirmed');
    assert.equal(confirmed.payment.status, 'succeeded');
    assert.equal((await ticketsOf(fan, booking.id)).length, 1);
    assert.equal((await say(stripe.event('checkout.session.expired', { ...stripe.sessions.get(idOf(booking)), status: 'expired', payment_status: 'unpaid' }))).status, 200);
    assert.equal((await fan.booking(booking.id)).status, 'confirmed', 'an expiry that comes after changes nothing');
});

test('a wrong secret, an old time and a changed body are refused', async () => {
    const booking = await checkedOut(fan, event.id, fresh());
    const paid = { ...stripe.sessions.get(idOf(booking)), payment_status: 'paid', status: 'complete', payment_intent: 'pi_forged' };
    const message = stripe.event('checkout.session.completed', paid);
    const now = Math.floor((await server.now()) / 1000);
    const good = webhooks.generateTestHeaderString({ payload: JSON.stringify(message), secret: SECRET, timestamp: now });
    assert.equal((await say(message, { secret: 'whsec_other' })).status, 400);
    assert.equal((await say(message, { timestamp: now - 303 })).status, 400);
    assert.equal((await say(message, { timestamp: now + 303 })).status, 400);
    assert.equal((await say(message, { header: '' })).status, 400);
    assert.equal((await say({ ...message, id: 'evt_x' }, { header: good })).status, 400);
    assert.equal((await say(message, { header: good.replace('v1=', 'v0=') })).status, 400);
    assert.equal((await fan.booking(booking.id)).status, 'payment_pending');
});

test('a second signature in the header, as while a secret is rolled, is enough', async () => {
    const booking = await checkedOut(fan, event.id, fresh());
    const message = stripe.event('checkout.session.completed', stripe.pay(idOf(booking)));
    const timestamp = Math.floor((await server.now()) / 1000);
    const payload = JSON.stringify(message);
    const other = webhooks.generateTestHeaderString({ payload, secret: 'whsec_old', timestamp });
    const mine = webhooks.generateTestHeaderString({ payload, secret: SECRET, timestamp });
    assert.equal((await say(message, { header: `${other},${mine.split(',')[1]}` })).status, 200);
    await status(fan, booking.id, 'confirmed');
});

test('a slow payment method: complete is not paid, async_payment_succeeded is', async () => {
    const booking = await checkedOut(fan, event.id, fresh());
    const session = stripe.sessions.get(idOf(booking));
    Object.assign(session, { status: 'complete', url: null, payment_intent: `pi_${session.id}` });
    assert.equal((await say(stripe.event('checkout.session.completed', session))).status, 200);
    assert.equal((await fan.booking(booking.id)).status, 'payment_pending');
    assert.equal((await say(stripe.event('checkout.session.async_payment_succeeded', { ...session, payment_status: 'paid' }))).status, 200);
    session.payment_status = 'paid';
    await status(fan, booking.id, 'confirmed');
    const failing = await checkedOut(fan, event.id, fresh());
    assert.equal((await say(stripe.event('checkout.session.async_payment_failed', stripe.sessions.get(idOf(failing))))).status, 200);
    await status(fan, failing.id, 'failed');
});

test('without a callback the session is asked about before the booking ends', async () => {
    const booking = await checkedOut(fan, event.id, fresh());
    stripe.pay(idOf(booking));
    await server.advance(10 * MINUTE + 1000);
    await status(fan, booking.id, 'confirmed');
    assert.ok(stripe.requests.some(({ method, path }) => method === 'GET' && path.startsWith(`/v1/checkout/sessions/${idOf(booking)}`)));
});

test('an unpaid booking ends, and its session is expired at Stripe', async () => {
    const booking = await checkedOut(fan, event.id, fresh());
    await server.advance(10 * MINUTE + 1000);
    await status(fan, booking.id, 'expired');
    await until(() => stripe.sessions.get(idOf(booking)).status === 'expired', { what: 'the session to be expired' });
    const expire = stripe.requests.find(({ path }) => path === `/v1/checkout/sessions/${idOf(booking)}/expire`);
    assert.equal(expire.method, 'POST');
});

test('a refund names the payment intent and carries its own key; a pending one is asked about', async () => {
    const booking = await checkedOut(fan, event.id, fresh(2));
    await say(stripe.event('checkout.session.completed', stripe.pay(idOf(booking))));
    await status(fan, booking.id, 'confirmed');
    const [ticket] = await ticketsOf(fan, booking.id);
    stripe.refundStatus = 'pending';
    const answer = await server.admin.post(`/v1/bookings/${booking.id}/refund`, { ticket_ids: [ticket.id] });
    assert.equal(answer.status, 202);
    const request = await until(() => stripe.requests.find(({ path, method }) => path === '/v1/refunds' && method === 'POST'), { what: 'the refund request' });
    assert.equal(request.form.get('payment_intent'), `pi_test_${idOf(booking)}`);
    assert.equal(request.form.get('amount'), '5000');
    assert.equal(request.form.get('metadata[refund]'), answer.json.id);
    assert.equal(request.headers['idempotency-key'], answer.json.id);
    assert.equal((await fan.booking(booking.id)).status, 'refund_pending');
    const refund = await until(() => [...stripe.refunds.values()][0], { what: 'the refund' });
    refund.status = 'succeeded';
    await say(stripe.event('refund.updated', refund));
    const after = await status(fan, booking.id, 'partially_refunded');
    assert.equal(after.refunded_amount, 5000);
    stripe.refundStatus = undefined;
    await server.admin.post(`/v1/bookings/${booking.id}/refund`);
    await status(fan, booking.id, 'refunded');
});

describe('errors of the API', () => {
    after(() => (stripe.fail = null));
    const waitFor = (booking, probe, what) => until(async () => {
        await server.advance(1000);
        const found = await fan.booking(booking.id);
        return probe(found) && found;
    }, { every: 30, what });

    test('that may pass are tried again with the same key', async () => {
        let left = 3;
        stripe.fail = () => (left-- > 0 ? { status: 500, body: { error: { type: 'api_error', message: 'oops' } } } : undefined);
        const booking = await held(fan, event.id, fresh());
        await fan.post(`/v1/bookings/${booking.id}/checkout`);
        const open = await waitFor(booking, (found) => found.payment?.url, 'the session after three failures');
        const tries = stripe.requests.filter(({ headers }) => headers['idempotency-key'] === open.payment.id);
        assert.ok(tries.length >= 3);
        assert.ok(tries.every(({ text }) => text === tries[0].text), 'the same key means the same body');
    });

    test('that are final end the booking', async () => {
        stripe.fail = () => ({ status: 400, body: { error: { type: 'invalid_request_error', message: 'Amount too small' } } });
        const booking = await held(fan, event.id, fresh());
        await fan.post(`/v1/bookings/${booking.id}/checkout`);
        await waitFor(booking, (found) => found.status === 'failed', 'the booking to fail');
    });

    test('an answer that is no JSON, or of another shape, is no payment', async () => {
        let left = 4;
        stripe.fail = () => (left-- > 0 ? { status: 200, body: left % 2 ? [] : { id: 'cs_x', object: 'checkout.session', status: 'weird' } } : undefined);
        const booking = await held(fan, event.id, fresh());
        await fan.post(`/v1/bookings/${booking.id}/checkout`);
        await waitFor(booking, (found) => found.payment?.url?.includes('/cs_test_'), 'a session of the right shape');
    });
});

test('events that are not ours are taken and mean nothing', async () => {
    assert.equal((await say(stripe.event('customer.created', { id: 'cus_1', object: 'customer' }))).status, 200);
    const foreign = { id: 'cs_foreign', object: 'checkout.session', status: 'complete', payment_status: 'paid', payment_intent: 'pi_f', amount_total: 1, currency: 'eur', client_reference_id: 'order-7', metadata: {} };
    assert.equal((await say(stripe.event('checkout.session.completed', foreign))).status, 200);
    assert.equal((await say({ nonsense: true })).status, 400);
    const sandbox = await server.anonymous.post('/v1/payments/webhooks/sandbox', '{}');
    assert.equal(sandbox.status, 404, 'only the provider in use has callbacks');
});
