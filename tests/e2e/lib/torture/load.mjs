/*
 * Buyers, a refund desk with a door, and an organizer, all at once, until somebody says stop: every step of a purchase with every
 * bad manner of a bank. Which steps they take comes from the round's random numbers; in which order they meet is up to the machine.
 */
import assert from 'node:assert/strict';
import { plan, unique, venueBody, eventBody } from '../seed.mjs';
import { HALL, sleep } from './world.mjs';

const BUYERS = 16;
const DESKS = 2;
const HOT_SEATS = 12;
const PAUSE_MS = 4;

/* Seats of the hall in a fixed order; the first few are those that everybody wants. */
export function seatsOfHall() {
    const seats = [];
    for (let r = 1; r <= HALL.rows; r++)
        for (let s = 1; s <= HALL.seats; s++) for (let z = 1; z <= HALL.sections; z++) seats.push(`S${z}-R${r}-${s}`);
    return seats;
}

export class Load {
    constructor(world, books, event, random) {
        Object.assign(this, { world, books, event, random, isOver: false });
        const seats = seatsOfHall();
        this.hot = seats.slice(0, HOT_SEATS);
        this.fresh = seats.slice(HOT_SEATS);
    }

    start() {
        const { users } = this.world;
        const buyers = Array.from({ length: BUYERS }, (_, i) => this.whileOpen(() => this.buy(users[i % users.length])));
        const desks = Array.from({ length: DESKS }, () => this.whileOpen(() => this.serve()));
        this.done = Promise.all([...buyers, ...desks, this.whileOpen(() => this.organize())]);
        this.done.catch(() => null); /* told to whoever stops it */
        return this;
    }

    stop() {
        this.isOver = true;
        return this.done;
    }

    async whileOpen(step) {
        while (!this.isOver) await step();
    }

    /* --- Buying --- */

    /* {body, isContested}; one place in four is one that others want, too. */
    wish() {
        const { random } = this;
        if (random.chance(0.12)) return { body: { areas: [{ area_id: 'floor', quantity: random.int(1, 3) }] }, isContested: true };
        if (random.chance(0.15) || this.fresh.length < 4) return { body: { seat_ids: [random.pick(this.hot)] }, isContested: true };
        return { body: { seat_ids: this.fresh.splice(0, random.int(1, 3)) }, isContested: false };
    }

    async buy(user) {
        const { books, random } = this;
        const { body, isContested } = this.wish();
        const fate = random.next();
        const outcome = random.chance(0.88) ? 'succeeded' : 'failed';
        const callbacks = {
            count: random.int(0, 3),
            delay_ms: random.pick([0, 0, 20, 150]),
            shuffle: random.chance(0.3),
            forge: random.chance(0.2),
        };
        const record = await books.hold(user, this.event, body, { mayBeRefused: isContested });
        if (!record) return this.isOver || sleep(PAUSE_MS);
        if (fate < 0.12 || this.isOver) return undefined;
        if (fate < 0.25) return books.cancel(record);
        if (!(await books.checkout(record)) || fate < 0.3) return undefined;
        const url = await this.paymentUrl(record);
        if (!url || !(await books.pay(record, url, outcome, callbacks)) || outcome === 'failed') return undefined;
        return fate < 0.7 && this.seeTickets(record);
    }

    /* A read's answer, or null: nothing hangs on it. */
    read(user, path) {
        return user.get(path).then((answer) => answer.json, (error) => {
            if (error instanceof assert.AssertionError) throw error;
            return null;
        });
    }

    async paymentUrl(record) {
        while (!this.isOver) {
            const booking = await this.read(record.user, `/v1/bookings/${record.id}`);
            if (booking?.payment?.url) return booking.payment.url;
            await sleep(PAUSE_MS);
        }
        return null;
    }

    /* Looks now and then, a few times; being told "confirmed" is a fact, and so are the tickets. */
    async seeTickets(record) {
        for (let looks = 0; looks < 10 && !this.isOver; looks++) {
            const booking = await this.read(record.user, `/v1/bookings/${record.id}`);
            if (booking?.status === 'confirmed') {
                record.confirmed = true;
                const tickets = await this.read(record.user, `/v1/bookings/${record.id}/tickets`);
                record.tickets = tickets?.data ?? null;
                return;
            }
            await sleep(PAUSE_MS);
        }
    }

    /* --- The desk and the door --- */

    /* A confirmed booking that nobody else is serving. */
    takeSold() {
        const isFree = (record) => record.confirmed && !record.isServed && !record.event.isCancelled;
        const sold = [...this.books.bookings.values()].filter(isFree);
        if (sold.length === 0) return null;
        const record = this.random.pick(sold);
        record.isServed = true;
        return record;
    }

    async serve() {
        const { books, random } = this;
        const record = random.chance(0.4) && this.takeSold(); /* at leisure: most of what is sold stays sold */
        if (!record) return sleep(PAUSE_MS);
        record.tickets ??= (await this.read(record.user, `/v1/bookings/${record.id}/tickets`))?.data ?? null;
        if (!record.tickets) {
            record.isServed = false;
            return undefined;
        }
        const [first] = record.tickets;
        const fate = random.next();
        if (fate < 0.5) return books.checkIn(record, first, `gate ${random.int(1, 9)}`);
        return books.refund(record, fate < 0.75 ? undefined : [first.id]);
    }

    /* --- Organizing --- */

    async organize() {
        const { books, world } = this;
        const name = unique();
        await books.organize('venue', '/v1/venues', { ...venueBody(plan({ rows: 2, seats: 5 })), name: `Venue ${name}` });
        if (this.isOver) return;
        const made = await books.organize('event', '/v1/events', { ...eventBody(world.venue.id, Date.now()), name: `Draft ${name}` });
        if (this.isOver || !made) return;
        await books.organize('publish', `/v1/events/${made.json.id}/publish`, undefined);
        await sleep(5 * PAUSE_MS);
    }
}
