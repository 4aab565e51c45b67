/*
 * H3: Ed25519 (`v1a`), verified by a verifier of its own kind: node's crypto, which shares nothing with the library that signs. It
 * is checked by controls that it refuses another body, key, time and id.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { Receiver, VERIFIERS, makeApp, makeEndpoint, secretOf, sendMessage, startHooks } from './lib/receivers.mjs';
import { dump } from './lib/store.mjs';

const SPKI = Buffer.from('302a300506032b6570032100', 'hex'); /* what stands before the 32 bytes of a public key */
const publicOf = (whpk) => {
    assert.match(whpk, /^whpk_/);
    const raw = Buffer.from(whpk.slice('whpk_'.length), 'base64');
    assert.equal(raw.length, 32);
    return createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' });
};
const signatures = (delivery, name = 'webhook-signature') => delivery.headers[name].split(' ');

/* Whether one of the delivery's signatures is this key's. */
function isSigned(delivery, whpk, { body = delivery.body, id = delivery.headers['webhook-id'], time = delivery.headers['webhook-timestamp'] } = {}) {
    const text = Buffer.concat([Buffer.from(`${id}.${time}.`), body]);
    const own = signatures(delivery).filter((one) => one.startsWith('v1a,')).map((one) => Buffer.from(one.slice(4), 'base64'));
    return own.some((signature) => verify(null, text, publicOf(whpk), signature));
}

/* {seed, whpk, forms: the private key as its owner may bring it} */
function newPair() {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI.length);
    const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
    assert.ok(createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' })));
    const whsk = (bytes) => `whsk_${bytes.toString('base64')}`;
    return { seed, raw, whpk: `whpk_${raw.toString('base64')}`, forms: [whsk(seed), whsk(Buffer.concat([seed, raw]))] };
}

const ok = (answer, wanted = 200) => {
    assert.equal(answer.status, wanted, answer.text);
    return answer.json;
};
const refused = (answer, field) => {
    assert.equal(answer.status, 422, answer.text);
    assert.deepEqual(answer.json.detail.map(({ loc }) => loc), [['body', field]]);
};

describe('Ed25519', () => {
    let server, receiver, app;
    before(async () => {
        server = await startHooks();
        receiver = await Receiver.start();
        app = await makeApp(server);
    });
    after(async () => {
        await server.stop();
        receiver.stop();
    });
    let urls = 0;
    const make = (body) => makeEndpoint(server, app, `${receiver.url}/${++urls}`, body);
    const path = (endpoint) => `/api/v1/app/${app.id}/endpoint/${endpoint.id}`;
    /* A delivery of a new message to this endpoint. */
    async function deliver(endpoint, payload = { amount: 1 }) {
        const message = await sendMessage(server, app, payload);
        return receiver.delivery(({ id, url }) => id === message.id && endpoint.url.endsWith(url));
    }

    test('deliveries are signed with a key whose public half is shown', async () => {
        const endpoint = await make({ signatureAlgorithm: 'ed25519' });
        assert.equal(endpoint.signatureAlgorithm, 'ed25519');
        const key = await secretOf(server, app, endpoint);
        const delivery = await deliver(endpoint);
        assert.ok(isSigned(delivery, key));
        assert.deepEqual(signatures(delivery), signatures(delivery, 'svix-signature'));
        assert.equal(signatures(delivery).length, 1);
        assert.ok(!('foyer-signature' in delivery.headers), 'that form has no public keys');
        /* Controls. */
        const other = newPair().whpk;
        assert.ok(!isSigned(delivery, other));
        assert.ok(!isSigned(delivery, key, { body: Buffer.from(delivery.body.toString().replace('1', '2')) }));
        assert.ok(!isSigned(delivery, key, { id: 'msg_other' }));
        assert.ok(!isSigned(delivery, key, { time: String(Number(delivery.headers['webhook-timestamp']) + 1) }));
        assert.throws(() => VERIFIERS.standardwebhooks(delivery, `whsec_${key.slice(5)}`), 'a public key is no secret');
    });

    test('bytes count, and endpoints have keys of their own', async () => {
        const [one, other] = [await make({ signatureAlgorithm: 'ed25519' }), await make({ signatureAlgorithm: 'ed25519' })];
        const keys = [await secretOf(server, app, one), await secretOf(server, app, other)];
        assert.notEqual(keys[0], keys[1]);
        const delivery = await deliver(one, { text: 'wörld', big: 'x'.repeat(100000) });
        assert.ok(isSigned(delivery, keys[0]));
        assert.ok(!isSigned(delivery, keys[1]));
    });

    test('a key of one\'s own, as seed or whole', async () => {
        for (const index of [0, 1]) {
            const pair = newPair();
            const endpoint = await make({ secret: pair.forms[index] });
            assert.equal(endpoint.signatureAlgorithm, 'ed25519');
            assert.equal(await secretOf(server, app, endpoint), pair.whpk);
            assert.ok(isSigned(await deliver(endpoint), pair.whpk));
        }
    });

    test('rotation signs with both keys, of whatever kind, and ends', async () => {
        const endpoint = await make({});
        const secret = await secretOf(server, app, endpoint);
        ok(await server.admin.post(`${path(endpoint)}/secret/rotate`, { signatureAlgorithm: 'ed25519' }), 204);
        const first = await secretOf(server, app, endpoint);
        const both = await deliver(endpoint);
        assert.deepEqual(signatures(both).map((one) => one.split(',')[0]), ['v1a', 'v1']);
        assert.ok(isSigned(both, first));
        for (const verifier of Object.values(VERIFIERS)) verifier(both, secret);
        /* It stays of its kind. */
        ok(await server.admin.post(`${path(endpoint)}/secret/rotate`, {}), 204);
        const second = await secretOf(server, app, endpoint);
        assert.notEqual(first, second);
        const three = await deliver(endpoint);
        assert.ok(isSigned(three, first) && isSigned(three, second));
        VERIFIERS.standardwebhooks(three, secret);
        const pair = newPair();
        ok(await server.admin.post(`${path(endpoint)}/secret/rotate`, { key: pair.forms[1], gracePeriodSeconds: 0 }), 204);
        await server.advance(25 * 3600 * 1000);
        const last = await deliver(endpoint);
        assert.deepEqual(signatures(last).length, 1);
        assert.ok(isSigned(last, pair.whpk));
        assert.ok(!isSigned(last, second));
        /* And back. */
        ok(await server.admin.post(`${path(endpoint)}/secret/rotate`, { signatureAlgorithm: 'hmac', gracePeriodSeconds: 0 }), 204);
        assert.match(await secretOf(server, app, endpoint), /^whsec_/);
        assert.deepEqual(signatures(await deliver(endpoint)).map((one) => one.split(',')[0]), ['v1']);
    });

    test('a change of the algorithm makes a new key; other changes keep it', async () => {
        const endpoint = await make({});
        const changed = ok(await server.admin.patch(path(endpoint), { signatureAlgorithm: 'ed25519' }));
        assert.equal(changed.signatureAlgorithm, 'ed25519');
        const key = await secretOf(server, app, endpoint);
        ok(await server.admin.patch(path(endpoint), { signatureAlgorithm: 'ed25519', description: 'x' }));
        ok(await server.admin.put(path(endpoint), { url: endpoint.url }));
        assert.equal(await secretOf(server, app, endpoint), key);
        assert.equal(ok(await server.admin.get(path(endpoint))).signatureAlgorithm, 'ed25519');
        await server.restart();
        assert.ok(isSigned(await deliver(endpoint), key));
    });

    test('what does not go together is refused', async () => {
        const { seed, forms } = newPair();
        const create = (body) => server.admin.post(`/api/v1/app/${app.id}/endpoint`, { url: receiver.url, ...body });
        const whsk = (bytes) => `whsk_${bytes.toString('base64')}`;
        for (const secret of ['whsk_', 'whsk_!', whsk(seed.subarray(1)), whsk(Buffer.concat([seed, seed])), whsk(Buffer.alloc(65)), 'whpk_' + seed.toString('base64')])
            refused(await create({ secret }), 'secret');
        refused(await create({ signatureAlgorithm: 'rsa' }), 'signatureAlgorithm');
        refused(await create({ secret: forms[0], signatureAlgorithm: 'hmac' }), 'signatureAlgorithm');
        refused(await create({ signatureAlgorithm: 'ed25519', signatureFormat: 'timestamped' }), 'signatureFormat');
        const timestamped = await make({ signatureFormat: 'timestamped' });
        refused(await server.admin.patch(path(timestamped), { signatureAlgorithm: 'ed25519' }), 'signatureFormat');
        refused(await server.admin.post(`${path(timestamped)}/secret/rotate`, { signatureAlgorithm: 'ed25519' }), 'signatureAlgorithm');
        refused(await server.admin.post(`${path(timestamped)}/secret/rotate`, { key: whsk(seed.subarray(1)) }), 'key');
        refused(await server.admin.post(`${path(timestamped)}/secret/rotate`, { key: forms[0], signatureAlgorithm: 'hmac' }), 'signatureAlgorithm');
        assert.match(await secretOf(server, app, timestamped), /^whsec_/);
        const asymmetric = await make({ signatureAlgorithm: 'ed25519' });
        refused(await server.admin.patch(path(asymmetric), { signatureFormat: 'timestamped' }), 'signatureFormat');
    });

    test('at rest the private key is sealed', async () => {
        const pair = newPair();
        const endpoint = await make({ secret: pair.forms[0] });
        ok(await server.admin.post(`${path(endpoint)}/secret/rotate`, {}), 204);
        const text = (await dump(server.dir, 'hooks', ['endpoint', 'endpoint_old_secret'])).toLowerCase();
        assert.ok(text.includes(Buffer.from(endpoint.url).toString('hex')) || text.includes(endpoint.url));
        for (const bytes of [pair.seed, pair.raw]) assert.ok(!text.includes(bytes.toString('hex')));
    });
});
