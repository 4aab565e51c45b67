/*
 * The rounds of a torture run. Each begins with load, kills a process at some point with SIGKILL, starts it again, asks again what was
 * not answered and looks at everything. What a round does comes from its number; the points of time in it from its random numbers.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { paymentUrl, plan, venueBody, unique } from '../seed.mjs';
import { until } from '../wait.mjs';
import { each } from './books.mjs';
import { checkAll, untilCancelled } from './checks.mjs';
import { Load, seatsOfHall } from './load.mjs';
import { isPostgres, withSession } from '../store.mjs';
import { sleep } from './world.mjs';

const ORPHANS = 'SELECT COUNT(DISTINCT venue_id) FROM section WHERE venue_id NOT IN (SELECT id FROM venue)';
/* What the writes of an import, an expiry and a cancellation change: the answer is another one after each. */
const WRITTEN = "SELECT (SELECT coalesce(MAX(seq), 0) FROM journal) || ' ' || (SELECT COUNT(*) FROM venue_seat)";
const TTL_S = 600;
const QUIET_MS = 200;
const UNDER_WAY = { timeout: 120000, every: 1 };

/* One cycle; at: what the point of the kill depends on. */
export const KINDS = [
    { name: 'load', victims: ['server'], at: 'answers' },
    { name: 'load', victims: ['bank'], at: 'answers' },
    { name: 'load', victims: ['server'], at: 'payment' },
    { name: 'load', victims: ['server', 'bank'], at: 'delay' },
    { name: 'expiry', victims: ['server'] },
    { name: 'load', victims: ['server'], at: 'answers', killsInStart: 2 },
    { name: 'load', victims: ['bank'], at: 'payment' },
    { name: 'import', victims: ['server'] },
    { name: 'load', victims: ['server'], at: 'delay' },
    { name: 'load', victims: ['server', 'bank'], at: 'payment', killsInStart: 1 },
    { name: 'cancel', victims: ['server'] },
    { name: 'load', victims: ['server'], at: 'answers' },
    { name: 'load', victims: ['bank'], at: 'delay', killsInStart: 1 },
    ...(isPostgres ? [] : [{ name: 'checkpoint', victims: ['server'], at: 'answers' }]), /* the server's own matter on SQLite only */
    { name: 'load', victims: ['server'], at: 'payment' },
];

export const kindOf = (round) => KINDS[(round - 1) % KINDS.length];

export function titleOf(round, seed) {
    const { name, victims, at, killsInStart } = kindOf(round);
    const starts = killsInStart ? `, ${killsInStart} more while it starts` : '';
    return `round ${round} of seed ${seed}: ${name}, ${victims.join(' and ')} killed${at ? ` by ${at}` : ''}${starts}`;
}

/* The books and the figures of one world's rounds. */
export class Rounds {
    constructor(world, books, figures) {
        Object.assign(this, { world, books, figures });
    }

    async run(round, random) {
        const kind = kindOf(round);
        this.books.beginRound();
        this.event = await this.world.newEvent();
        const events = [this.event];
        await this[`${kind.name}Round`](random, events, kind);
        const unanswered = await this.books.retryUnanswered();
        await this.books.repeatAnswered(random);
        await checkAll(this.world, this.books, events);
        this.figures.rounds++;
        this.figures.kills += kind.victims.length + kind.victims.length * (kind.killsInStart ?? 0);
        if (kind.at && kind.victims.includes('server')) {
            this.figures.serverRounds++;
            this.figures.hits += unanswered > 0;
        }
    }

    /* --- The point of the kill --- */

    /* Resolves in the very turn in which it has come. */
    momentOf(at, random) {
        const target = at === 'payment' ? random.int(1, 12) : random.int(5, 120);
        let count = 0;
        return new Promise((resolve) => {
            this.books.onAnswer = (kind) => {
                if (at === 'delay' && ++count === 1) setTimeout(resolve, random.int(0, 120));
                else if (at === 'answers' && ++count === target) resolve();
                else if (at === 'payment' && kind === 'pay' && ++count === target) resolve();
            };
        });
    }

    /* Fails when the load has failed before the moment comes, instead of waiting for it. */
    async untilMoment(load, moment) {
        let hasCome = false;
        moment.then(() => (hasCome = true));
        const failure = load.done.then(() => assert.ok(load.isOver, 'the load has ended by itself'));
        await Promise.race([moment, failure, until(() => hasCome, { ...UNDER_WAY, every: 100, what: 'work to be under way' })]);
        this.books.onAnswer = () => {};
    }

    /* With the server the load ends; without the bank selling goes on, and when the bank is back, paying does. */
    async killUnder(load, kind, random) {
        const gone = this.world.kill(kind.victims);
        if (kind.victims.includes('server')) await load.stop();
        await gone;
        if (!load.isOver) await this.moreAnswers(load, 5);
        await this.world.startAgain(kind.victims, random, kind.killsInStart);
        if (!load.isOver) await this.moreAnswers(load, 10);
        await load.stop();
    }

    /* whenDead: looks at what the server has left behind. */
    async killServer(whenDead) {
        await this.world.kill(['server']);
        await whenDead();
        await this.world.startOne('server');
    }

    async moreAnswers(load, count) {
        const wanted = this.books.totals.answered + count;
        const failure = load.done.then(() => assert.ok(load.isOver, 'the load has ended by itself'));
        await Promise.race([failure, until(() => this.books.totals.answered >= wanted, { ...UNDER_WAY, every: 5, what: 'more answers' })]);
    }

    /* --- The kinds --- */

    async loadRound(random, _events, kind) {
        const moment = this.momentOf(kind.at, random);
        this.load = new Load(this.world, this.books, this.event, random).start();
        await this.untilMoment(this.load, moment);
        await this.killUnder(this.load, kind, random);
    }

    /* After a failure: nothing of a round goes on. */
    abandon() {
        return this.load?.stop().catch(() => null);
    }

    /* Holds of that many seats, one each. */
    async holdMany(event, count, more) {
        const seats = seatsOfHall().slice(0, count);
        const { users } = this.world;
        return each(seats, (seat) => this.books.hold(users[seat.length % users.length], event, { seat_ids: [seat] }, more), 32);
    }

    /* Where they are to be paid. */
    async checkOutMany(records) {
        await each(records, (record) => this.books.checkout(record));
        const bookings = await each(records, (record) => paymentUrl(record.user, record.id, UNDER_WAY.timeout));
        return bookings.map((booking) => booking.payment.url);
    }

    /* Resolves in the turn in which the server is seen to have written for the count-th time since the request left, or, as two
     * writes may look like one, when it has not written for a while. */
    untilWrites(count, request) {
        if (isPostgres) return withSession(this.world.server.dir, (ask) => this.untilChanges(count, request, () => ask(WRITTEN)));
        return this.untilChanges(count, request, () => fs.statSync(`${this.world.database}-wal`).mtimeMs);
    }

    async untilChanges(count, request, look) {
        let isAnswered = false;
        request.then(() => (isAnswered = true));
        const begun = performance.now();
        let last = begun;
        let state = await look();
        for (let seen = 0; seen < count && !((seen > 0 || isAnswered) && performance.now() - last > QUIET_MS); ) {
            assert.ok(performance.now() - begun < UNDER_WAY.timeout, 'waited in vain for the server to write');
            await new Promise(setImmediate);
            const now = await look();
            if (now === state) continue;
            [state, last] = [now, performance.now()];
            seen++;
        }
    }

    async expiryRound(random, events) {
        const { world, books } = this;
        const count = 260;
        const event = await world.newEvent({ ttl: TTL_S });
        events.push(event);
        const records = await this.holdMany(event, count, { mayExpire: true });
        const late = records.slice(0, 8);
        const urls = await this.checkOutMany(late);
        const before = await world.peek('SELECT COUNT(*) FROM booking WHERE state = 4');
        const moved = world.advance((TTL_S + 1) * 1000).catch(() => null);
        await this.untilWrites(random.int(1, 3), moved);
        await this.killServer(async () => {
            const expired = (await world.peek('SELECT COUNT(*) FROM booking WHERE state = 4')) - before;
            this.figures.halfExpired += expired > 0 && expired < count - late.length;
        });
        await moved;
        await world.untilMoving(async () => {
            const shown = await each(records, (record) => record.user.booking(record.id));
            return shown.every((booking) => booking.status === 'expired');
        }, 'all of them to expire');
        await this.payLate(event, late, urls);
    }

    /* Two of the seats have been sold to others meanwhile: that money goes back. */
    async payLate(event, late, urls) {
        await each(late.slice(0, 2), async ({ hold }) => {
            const record = await this.books.hold(this.world.users[0], event, { seat_ids: [hold.seats[0].id] }, { mayExpire: true });
            const [url] = await this.checkOutMany([record]);
            await this.books.pay(record, url, 'succeeded', { count: 1 });
        });
        const callbacks = { count: 2, shuffle: true };
        await each(late, (record) => this.books.pay(record, urls[late.indexOf(record)], 'succeeded', callbacks, { late: true }));
    }

    async cancelRound(random, events) {
        const { world, books } = this;
        const count = 200;
        const event = await world.newEvent();
        events.push(event);
        const records = await this.holdMany(event, count);
        const load = new Load(world, books, event, random);
        const open = records.slice(0, 24);
        const urls = await this.checkOutMany(open);
        const paid = open.slice(0, 16);
        await each(paid, (record) => books.pay(record, urls[open.indexOf(record)], 'succeeded', { count: 1 }));
        await each(paid.slice(0, 12), (record) => load.seeTickets(record));
        event.isCancelled = true;
        const cancelled = books.organize('cancel-event', `/v1/events/${event.id}/cancel`, undefined);
        await this.untilWrites(random.int(1, 4), cancelled);
        await this.killServer(async () => {
            this.figures.halfCancelled += await world.peek('SELECT COUNT(*) FROM event_cancel WHERE after_booking_id > 0');
        });
        await cancelled;
        await books.retryUnanswered();
        await untilCancelled(world);
    }

    async importRound(random) {
        const { world, books } = this;
        const wanted = { ...venueBody(plan({ sections: 4, rows: 50, seats: 50 })), name: `Arena ${unique()}` };
        const before = await world.peek(ORPHANS);
        const imported = books.organize('venue', '/v1/venues', wanted);
        await this.untilWrites(random.int(1, 20), imported);
        await this.killServer(async () => {
            this.figures.halfImported += (await world.peek(ORPHANS)) > before;
        });
        await imported;
        await books.retryUnanswered();
        const venue = await world.organizer.get(`/v1/venues/${books.made.venue.get(wanted.name)}`);
        assert.equal(venue.json.seat_count, 10000, 'the plan is whole');
        const sections = `SELECT COUNT(*) FROM section s JOIN venue v ON v.id = s.venue_id WHERE v.name = '${wanted.name}'`;
        assert.equal(await world.peek(sections), 4);
    }

    /* The first commit of a start with a long log has the log moved into the database: the kill comes in the middle of that, and
     * another one under load when it has been done again. */
    async checkpointRound(random, events, kind) {
        const { world } = this;
        await world.server.stop();
        const bytes = await world.growLog();
        assert.ok(bytes > 64 << 20, 'the log is longer than what is left alone');
        const { mtimeMs } = fs.statSync(world.database);
        const starting = world.startOne('server').catch(() => null);
        await until(() => fs.statSync(world.database).mtimeMs !== mtimeMs, { ...UNDER_WAY, what: 'the checkpoint to begin' });
        await sleep(random.int(0, 20));
        await world.kill(['server']);
        await starting;
        this.figures.kills++;
        this.figures.halfCheckpointed += world.isLogLeft();
        await world.startOne('server');
        await this.loadRound(random, events, kind);
    }
}
