/*
 * Two nodes on one database, the second with a machine's clock that is 30 s off, and buyers who ask either of them. A buyer whose
 * request had no definite answer asks again with the same key, on the other node if it is another's turn, until there is one.
 */
import fs from 'node:fs';
import pg from 'pg';
import { newKey } from './api.mjs';
import { Foyer, startBank } from './server.mjs';
import { makeUser } from './seed.mjs';
import { until } from './wait.mjs';

export const SKEW_MS = 30000;
const FAKETIME = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib']
    .map((dir) => `${dir}/faketime/libfaketimeMT.so.1`)
    .find((file) => fs.existsSync(file));

/* For a program's environment: the wall clock of its machine is off by so much; the monotonic one is never set by anybody. */
export function clockOffBy(ms) {
    if (ms === 0) return {};
    if (!FAKETIME) throw new Error('libfaketime is not installed; scripts/setup.sh --test does it');
    return {
        LD_PRELOAD: FAKETIME,
        FAKETIME: `${ms < 0 ? '-' : '+'}${Math.abs(ms) / 1000}s`,
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        DONT_FAKE_MONOTONIC: '1',
        ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:exitcode=99:verify_asan_link_order=0',
    };
}

export class Nodes {
    /* cluster: a Postgres; skewMs: of the second node's clock. FOYER_TEST_SKEW_MS=0 is for ThreadSanitizer, which does not see through the
     * waits that libfaketime wraps. */
    static async start(cluster, { skewMs = Number(process.env.FOYER_TEST_SKEW_MS ?? SKEW_MS), args = [], env = {} } = {}) {
        const nodes = new Nodes();
        nodes.cluster = cluster;
        nodes.store = cluster.url(await cluster.database());
        nodes.bank = await startBank();
        const options = { store: nodes.store, bank: nodes.bank, args: ['--abuse=off', ...args], env };
        nodes.a = await Foyer.start(options);
        nodes.b = await Foyer.start({ ...options, env: { ...env, ...clockOffBy(skewMs) } });
        return nodes;
    }

    get all() {
        return [this.a, this.b];
    }

    other(node) {
        return node === this.a ? this.b : this.a;
    }

    /* The one that acts for both, in a service. */
    steward(service = 'tickets') {
        return until(async () => {
            for (const node of this.all) if (node.isRunning() && (await node.metric('foyer_steward', `service="${service}"`)) === 1) return node;
            return null;
        }, { what: 'a steward' });
    }

    /* Somebody else's transaction in the same cluster, older than all that is to come: {end}. */
    async openTransaction() {
        const client = new pg.Client({ connectionString: this.store });
        client.on('error', () => {});
        await client.connect();
        await client.query('BEGIN');
        await client.query('SELECT pg_current_xact_id()');
        return { end: () => client.end() };
    }

    async advance(ms) {
        for (const node of this.all) if (node.isRunning()) await node.advance(ms);
    }

    async stop() {
        for (const node of this.all) await node.stop();
        await this.bank.program.stop();
    }

    /* After a test that may have failed. */
    async end() {
        for (const program of [...this.all, this.bank.program]) if (program?.isRunning()) await program.kill9().catch(() => null);
    }
}

/* Answers that say nothing about what became of the request. */
const isOpen = (answer) => answer === null || answer.status >= 500;

/* People with one account each, known on both nodes. */
export class Buyers {
    static async make(nodes, count) {
        const buyers = new Buyers();
        buyers.nodes = nodes;
        buyers.repeats = 0;
        buyers.people = [];
        for (let i = 0; i < count; i++) buyers.people.push({ token: (await makeUser(nodes.a)).token, node: nodes.all[i % 2] });
        return buyers;
    }

    async #once(node, token, send) {
        try {
            return await send(node.as(token));
        } catch {
            return null; /* the connection broke, or nobody listens */
        }
    }

    /* The definite answer. send(api) repeats the same request with the same key. */
    definite(person, send) {
        let { node } = person;
        return until(async () => {
            const answer = await this.#once(node, person.token, send);
            if (!isOpen(answer)) return answer;
            this.repeats++;
            node = this.nodes.other(node);
            return null;
        }, { what: 'a definite answer' });
    }

    /* Everybody wants these seats at the same moment: [{person, key, answer}]. */
    race(eventId, seats) {
        return Promise.all(this.people.map(async (person) => {
            const key = newKey();
            return { person, key, answer: await this.definite(person, (api) => api.hold(eventId, seats, key)) };
        }));
    }

    checkOut(person, bookingId) {
        return this.definite(person, (api) => api.post(`/v1/bookings/${bookingId}/checkout`));
    }
}
