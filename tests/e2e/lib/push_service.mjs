/*
 * A push service and its browsers: subscriptions with keys of their own, and what is sent to them, decrypted and verified by others' code
 * (http_ece for RFC 8291, node's crypto for VAPID).
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import { until } from './wait.mjs';

const ece = createRequire(import.meta.url)('http_ece');

/* Throws when the header does not hold. */
export function verifyVapid(authorization, origin, publicKey, nowMs) {
    const [, token, key] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(authorization);
    assert.equal(key, publicKey);
    const [head, claims, signature] = token.split('.');
    const point = Buffer.from(key, 'base64url');
    const jwk = { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') };
    const verified = crypto.verify('sha256', Buffer.from(`${head}.${claims}`), { key: crypto.createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
        Buffer.from(signature, 'base64url'));
    assert.ok(verified, 'the signature holds');
    assert.deepEqual(JSON.parse(Buffer.from(head, 'base64url')), { typ: 'JWT', alg: 'ES256' });
    const { aud, exp, sub } = JSON.parse(Buffer.from(claims, 'base64url'));
    assert.equal(aud, origin);
    assert.ok(exp * 1000 > nowMs && exp * 1000 <= nowMs + 24 * 3600 * 1000, `exp ${exp}`);
    assert.match(sub, /^(mailto:|https:\/\/)/);
    return { aud, exp, sub };
}

/* A browser's subscription, and what has come for it. */
class Subscription {
    constructor(service, name) {
        this.service = service;
        this.ecdh = crypto.createECDH('prime256v1');
        this.ecdh.generateKeys();
        this.auth = crypto.randomBytes(16);
        this.path = `/push/${name}-${crypto.randomBytes(4).toString('hex')}`;
    }

    toJSON() {
        return {
            endpoint: `${this.service.url}${this.path}`,
            expirationTime: null,
            keys: { p256dh: this.ecdh.getPublicKey('base64url'), auth: this.auth.toString('base64url') },
        };
    }

    get requests() {
        return this.service.requests.filter(({ path }) => path === this.path);
    }

    /* What those that were taken say, oldest first. */
    get messages() {
        return this.requests.filter(({ status }) => status >= 200 && status < 300).map((request) => this.open(request));
    }

    open({ body }) {
        return JSON.parse(ece.decrypt(body, { version: 'aes128gcm', privateKey: this.ecdh, authSecret: this.auth.toString('base64url') }));
    }

    message(fits = () => true) {
        return until(() => this.messages.find(fits), { what: 'a notification' });
    }

    count(n) {
        return until(() => this.requests.length >= n && this.requests, { what: `${n} requests of the push service` });
    }
}

export class PushService {
    constructor(answer) {
        this.answer = answer ?? (() => 201);
        this.requests = [];
        this.held = [];
        this.server = http.createServer((req, res) => {
            const chunks = [];
            req.on('data', (chunk) => chunks.push(chunk));
            req.on('error', () => {});
            res.on('error', () => {});
            req.on('end', () => {
                const request = { method: req.method, path: req.url, headers: req.headers, body: Buffer.concat(chunks) };
                const answered = this.answer(request);
                const { status, headers = {} } = typeof answered === 'object' ? answered : { status: answered };
                request.status = status;
                this.requests.push(request);
                if (status === 0) this.held.push(res);
                else res.writeHead(status, headers).end();
            });
        });
        this.server.keepAliveTimeout = 60000;
    }

    /* answer(request): a status, {status, headers}, or 0: none ever. */
    static async start(answer) {
        const service = new PushService(answer);
        service.server.listen(0, '127.0.0.1').unref();
        await once(service.server, 'listening');
        service.url = `http://127.0.0.1:${service.server.address().port}`;
        return service;
    }

    subscription(name = 'browser') {
        return new Subscription(this, name);
    }

    stop() {
        this.server.closeAllConnections();
        this.server.close();
    }
}
