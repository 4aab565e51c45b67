/*
 * Buyers who keep what they were told, and when: after a failover or a restore they say what of it is lost. They do not give up: what is
 * refused with 503, or not answered at all, is asked again under its key. Any other answer is a mistake of the server's.
 */
import assert from 'node:assert/strict';
import { newKey } from './api.mjs';
import { makeUser, plan, sale } from './seed.mjs';

const HALL = { sections: 20, rows: 25, seats: 50 };
const OWNING = ['held', 'payment_pending', 'confirmed'];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* All bookings of a user, by id. */
async function bookingsOf(user) {
    const shown = new Map();
    for (let cursor = ''; cursor !== null; ) {
        const answer = await user.get(`/v1/me/bookings?limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
        assert.equal(answer.status, 200, answer.text);
        for (const booking of answer.json.data) shown.set(booking.id, booking);
        cursor = answer.json.next_cursor ?? null;
    }
    return shown;
}

export class Witness {
    constructor(servers, options) {
        Object.assign(this, { pauseMs: 20, payEvery: 4, ...options, servers, isOver: false });
        this.facts = []; /* {kind: 'held' | 'confirmed', id, seats, buyer, atMs} */
        this.refusals = []; /* {status (0: no answer), atMs} */
        this.nextSeat = 0;
    }

    /* servers: of one database. options: {buyers, pauseMs between two purchases of a buyer, payEvery: one hold in so many is paid for} */
    static async start(servers, { buyers = 8, ...options } = {}) {
        const witness = new Witness(servers, options);
        witness.event = await sale(servers[0], { plan: plan(HALL), limits: { per_account: 100 }, hold_ttl_s: 3600 });
        witness.buyers = await Promise.all(Array.from({ length: buyers }, () => makeUser(servers[0])));
        witness.done = Promise.all(witness.buyers.map((_, buyer) => witness.#work(buyer)));
        witness.done.catch(() => {}); /* told to whoever stops it */
        return witness;
    }

    /* Throws what a buyer met that should not be. */
    stop() {
        this.isOver = true;
        return this.done;
    }

    async #work(buyer) {
        const user = this.#userOn(this.servers[buyer % this.servers.length], buyer);
        for (let n = 1; !this.isOver && this.nextSeat < HALL.sections * HALL.rows * HALL.seats - 1; n++) {
            await this.#buy(buyer, user, n % this.payEvery === 0);
            await sleep(this.pauseMs);
        }
    }

    #userOn(server, buyer) {
        return server.as(this.buyers[buyer].token);
    }

    #takeSeats() {
        return [0, 1].map(() => {
            const n = this.nextSeat++;
            const row = Math.floor(n / HALL.seats);
            return `S${1 + Math.floor(row / HALL.rows)}-R${1 + (row % HALL.rows)}-${1 + (n % HALL.seats)}`;
        });
    }

    /* The answer that came at last; null when it is over before. */
    async #insist(call, wanted) {
        while (!this.isOver) {
            const answer = await call().catch((error) => {
                if (error instanceof assert.AssertionError) throw error;
                return { status: 0 };
            });
            if (answer.status === wanted) return answer.json;
            assert.ok([0, 503].includes(answer.status), `${answer.status} ${answer.text}`);
            this.refusals.push({ status: answer.status, atMs: Date.now() });
            await sleep(this.pauseMs);
        }
        return null;
    }

    async #buy(buyer, user, isPaid) {
        const seats = this.#takeSeats();
        const key = newKey();
        const booking = await this.#insist(() => user.hold(this.event.id, seats, key), 201);
        if (!booking) return;
        const note = (kind) => this.facts.push({ kind, id: booking.id, seats, buyer, atMs: Date.now() });
        note('held');
        if (!isPaid || !(await this.#insist(() => user.post(`/v1/bookings/${booking.id}/checkout`, undefined, { key: `${key}-c` }), 202))) return;
        const shown = async (isIt) => {
            while (!this.isOver) {
                const answer = await this.#insist(() => user.get(`/v1/bookings/${booking.id}`), 200);
                if (answer && isIt(answer)) return answer;
                await sleep(this.pauseMs);
            }
            return null;
        };
        const payable = await shown((answer) => answer.payment?.url);
        if (!payable) return;
        await this.servers[0].bank.pay(payable.payment.url);
        if (await shown((answer) => answer.status === 'confirmed')) note('confirmed');
    }

    /* Milliseconds without any granted hold, after `fromMs`: {gapMs, firstAtMs}. */
    gap(fromMs) {
        const grants = this.facts.filter((fact) => fact.kind === 'held').map((fact) => fact.atMs).sort((a, b) => a - b);
        const before = grants.filter((at) => at <= fromMs).at(-1) ?? fromMs;
        const firstAtMs = grants.find((at) => at > fromMs);
        let gapMs = 0;
        let last = before;
        for (const at of grants.filter((grant) => grant > fromMs)) {
            gapMs = Math.max(gapMs, at - last);
            last = at;
        }
        return { gapMs, firstAtMs };
    }

    /* The facts that this server does not know of, or knows otherwise. */
    async lost(server) {
        const shown = [];
        for (let buyer = 0; buyer < this.buyers.length; buyer++) shown.push(await bookingsOf(this.#userOn(server, buyer)));
        return this.facts.filter((fact) => {
            const booking = shown[fact.buyer].get(fact.id);
            const states = fact.kind === 'confirmed' ? ['confirmed'] : OWNING;
            const seats = booking?.seats.map((seat) => seat.id).sort().join();
            return !booking || !states.includes(booking.status) || seats !== [...fact.seats].sort().join();
        });
    }
}
