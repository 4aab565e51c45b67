/*
 * The negative controls of torture.test.mjs: its checks see what they are there for. Each test damages one thing in the files of a
 * stopped server or bank, and the check that is meant for it must name it.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { createHash, randomInt } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { tempDir } from './lib/server.mjs';
import { blob, copyData, sqlite } from './lib/store.mjs';
import { Books } from './lib/torture/books.mjs';
import { checkAll, checkSeats } from './lib/torture/checks.mjs';
import { Load } from './lib/torture/load.mjs';
import { Random } from './lib/torture/random.mjs';
import { World } from './lib/torture/world.mjs';

const BOTH = ['bank', 'server'];

let world;
let books;
let event;
let untouched;
let answered;
const records = {};

async function sell(seat) {
    const [user] = world.users;
    const load = new Load(world, books, event, new Random(1));
    const record = await books.hold(user, event, { seat_ids: [seat] });
    await books.checkout(record);
    await books.pay(record, await load.paymentUrl(record), 'succeeded', { count: 1 });
    await world.untilMoving(async () => {
        await load.seeTickets(record);
        return record.tickets;
    }, 'the sale');
    return record;
}

const startAll = async () => {
    for (const name of BOTH) await world.startOne(name);
};

before(async () => {
    world = await World.start(new Random(randomInt(1, 1e9)));
    books = new Books(world);
    event = await world.newEvent();
    const hold = (seat) => books.hold(world.users[0], event, { seat_ids: [seat] });
    [records.held, records.cancelled] = [await hold('S1-R1-1'), await hold('S1-R1-2')];
    await books.cancel(records.cancelled);
    for (const [name, seat] of [['sold', 'S1-R1-3'], ['used', 'S1-R1-4'], ['refunded', 'S1-R1-5']]) records[name] = await sell(seat);
    await books.checkIn(records.used, records.used.tickets[0], 'north');
    await books.refund(records.refunded);
    await checkAll(world, books, [event], true);
    await world.stop();
    ({ answered } = books);
    untouched = tempDir();
    await copyData(world.server.dir, path.join(untouched, 'server'));
    fs.cpSync(world.bank.dir, path.join(untouched, 'bank'), { recursive: true });
});

async function withDamage(damage, look) {
    await copyData(path.join(untouched, 'server'), world.server.dir);
    fs.rmSync(world.bank.dir, { recursive: true });
    fs.cpSync(path.join(untouched, 'bank'), world.bank.dir, { recursive: true });
    await damage();
    await startAll();
    books.beginRound();
    try {
        await look();
    } finally {
        await world.kill(BOTH);
    }
}

after(() => world.kill(BOTH).catch(() => null));

/* The condition that finds a record's row in the table booking. */
const rowOf = (record) => `key_hash = ${blob(createHash('sha256').update(record.key).digest().subarray(0, 16))}`;
const ticketOf = (record) => `(event_id, booking_id) IN (SELECT event_id, id FROM booking WHERE ${rowOf(record)})`;
const inServer = (sql) => () => world.server.sql(sql());
const inBank = (sql) => () => sqlite(path.join(world.bank.dir, 'bank.db'), sql());

const LOSSES = {
    'a hold that is gone': [
        inServer(() => `DELETE FROM seat_claim WHERE ${ticketOf(records.held)}; DELETE FROM booking WHERE ${rowOf(records.held)}`),
        () => `${records.held.id} was acknowledged and is gone`,
    ],
    'a confirmation that is gone': [
        inServer(() => `UPDATE booking SET state = 1 WHERE ${rowOf(records.sold)}`),
        () => `${records.sold.id} is held, by what was acknowledged it can only be confirmed`,
    ],
    'a cancellation that is gone': [
        inServer(() => `UPDATE booking SET state = 1 WHERE ${rowOf(records.cancelled)}`),
        () => `${records.cancelled.id} is held, by what was acknowledged it can only be cancelled`,
    ],
    'a refund that is gone': [
        inServer(() => `DELETE FROM refund WHERE ${ticketOf(records.refunded)}`),
        () => `${records.refunded.id} is confirmed, by what was acknowledged it can only be refund_pending`,
    ],
    'another seat than was held': [
        inServer(() => `UPDATE booking SET seats = replace(seats, '[[', '[[1') WHERE ${rowOf(records.held)}`),
        () => `${records.held.id}: seats is not what was acknowledged`,
    ],
    'another ticket than was issued': [
        inServer(() => `UPDATE ticket SET id = id + 1 WHERE ${ticketOf(records.sold)}`),
        () => `${records.sold.id}: its tickets are not those that were acknowledged`,
    ],
    'a check-in that is gone': [
        inServer(() => `UPDATE ticket SET used_at = NULL WHERE ${ticketOf(records.used)}`),
        () => `${records.used.tickets[0].id} of ${records.used.id}`,
    ],
    'a claim that is gone': [
        inServer(() => `DELETE FROM seat_claim WHERE ${ticketOf(records.sold)}`),
        () => `${event.id} S1-R1-3, owned by ${records.sold.id}`,
    ],
    'a booking that nobody was told of': [
        inServer(() => `INSERT INTO booking (event_id, id, account_id, state, created_at, expires_at, amount, currency, seats, areas, places, key_hash, body_hash, ended_at, extended_ms)
            SELECT event_id, id + 1, account_id, state, created_at, expires_at, amount, currency,
            seats, areas, places, zeroblob(16), body_hash, ended_at, extended_ms FROM booking WHERE ${rowOf(records.held)}`),
        () => 'is there, but nobody was ever told of it',
    ],
    'a thing that happened twice': [
        inServer(() => `INSERT INTO journal SELECT seq + 10000, shard, version + 10000, at_ms, type, data, hash FROM journal
            WHERE type = 'booking.confirmed' LIMIT 1`),
        () => 'happened more than once',
    ],
    'a movement that is gone from the bank': [
        inBank(() => "DELETE FROM entry WHERE kind = 'capture' AND seq = (SELECT MIN(seq) FROM entry)"),
        () => 'captured and refunded: bank against database',
    ],
    'money that the bank has forgotten': [
        inBank(() => `UPDATE session SET captured = 0 WHERE reference = '${records.sold.paymentId}'`),
        () => `the bank has forgotten the money for ${records.sold.id}`,
    ],
};

describe('the checks of the torture rounds find', () => {
    for (const [what, [damage, message]] of Object.entries(LOSSES)) {
        test(what, () => withDamage(damage, () => assert.rejects(checkAll(world, books, [event], true), (error) => {
            assert.ok(error.message.includes(message()), `"${message()}" was expected, not: ${error.message}`);
            return true;
        })));
    }

    test('nothing where there is no damage', () => withDamage(() => null, () => checkAll(world, books, [event], true)));

    test('a seat with two owners', async () => {
        const twin = { ...records.sold, id: 'bkg_twin' };
        const shown = new Map([records.sold, twin].map((record) => [record.id, { ...record.hold, status: 'confirmed' }]));
        const both = { bookings: new Map([[records.sold.id, records.sold], [twin.id, twin]]) };
        await assert.rejects(checkSeats(world, both, shown, []), /S1-R1-3 is sold to bkg_\w+ and to bkg_twin/);
    });
});

describe('asking again finds', () => {
    const KEYS = {
        hold: 'UPDATE booking SET key_hash = zeroblob(16)',
        'check-in': 'DELETE FROM idempotency',
        refund: 'DELETE FROM idempotency',
    };
    for (const [kind, sql] of Object.entries(KEYS)) {
        test(`that the key of a ${kind} was forgotten`, async () => {
            await withDamage(inServer(() => sql), async () => {
                books.answered = answered.filter(({ request }) => request.kind === kind);
                assert.ok(books.answered.length > 0);
                await assert.rejects(books.repeatAnswered(new Random(1)), assert.AssertionError);
            });
        });
    }
});
