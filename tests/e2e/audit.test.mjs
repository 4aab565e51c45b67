/*
 * T9, T16: the audit is not its own witness. A season's database is corrupted on purpose in every way we could think of; `foyer audit` must name
 * each, and so must the reconciliation (tests/reconcile), which shares no line with it. On the healthy one neither says a word.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { execFile } from 'node:child_process';
import { REPO, Foyer, run, tempDir } from './lib/server.mjs';
import { reconcile, rowHash } from './lib/reconcile.mjs';
import { newKey } from './lib/api.mjs';
import { drawOf, join, pollUntil, roomedSale, withToken } from './lib/queue.mjs';
import { held, makeManyUsers } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';
import { playSeason } from './lib/season.mjs';
import { blob, copyData, GUARD_OFF, isPostgres, query, removeData, sqlite, sqliteOnly, storeOf } from './lib/store.mjs';

let dir;
let season;
let notedHead; /* {shard, version, hash} of the concert, as anybody could read it while the sale went on */
before(async () => {
    const own = await Foyer.start({ args: ['--abuse=off'] });
    dir = own.dir;
    await playQueue(own);
    season = await playSeason(own);
    const head = (await own.anonymous.get(`/v1/events/${season.concert.id}/journal-head`)).json;
    const [[shard]] = await own.sql(`SELECT CAST(shard AS TEXT) FROM journal_head WHERE lower(hex(hash)) = '${head.hash}'`);
    notedHead = { shard, version: head.version, hash: head.hash };
    await held(season.user, season.concert.id, ['S1-R3-15']);
    await own.stop();
});

/* A waiting room with all there is: people of before and after the draw, admitted, waiting, left, one who holds and one who has paid. */
async function playQueue(server) {
    const event = await roomedSale(server, { admitted_max: 3, quiet_s: 3600, admission_s: 7200 }, { prices: { front: 0, back: 0 }, currency: 'NOK', hold_ttl_s: 3600 });
    const people = await makeManyUsers(server, 12);
    for (const api of people.slice(0, 9)) await join(api, event);
    assert.equal((await people[0].delete(`${event.queuePath}/${people[0].entryId}`)).status, 204);
    await server.advance(61e3);
    const { order } = await drawOf(server, event);
    for (const api of people.slice(9)) await join(api, event);
    const byId = new Map(people.map((api) => [api.entryId, api]));
    const [payer, holder] = order.map((id) => byId.get(id));
    const hold = async (api, seat) => {
        const { token } = await pollUntil(api, event, 'admitted');
        const answer = await api.call('POST', '/v1/bookings', { event_id: event.id, seat_ids: [seat] }, { key: newKey(), ...withToken(token) });
        assert.equal(answer.status, 201, answer.text);
        return answer.json.id;
    };
    assert.equal((await payer.post(`/v1/bookings/${await hold(payer, 'S1-R1-1')}/checkout`)).status, 202);
    await hold(holder, 'S1-R1-2');
    await pollUntil(payer, event, 'done');
    await until(async () => (await server.anonymous.get(event.queuePath)).json.admitted === 3, { what: 'the place that was given on' });
}

async function copy() {
    const target = path.join(tempDir(), 'data');
    await copyData(dir, target, ['tickets.db', 'sandbox/bank.db']);
    return target;
}

/* {code, findings, stderr}; findings is empty when it could not even open the file. */
async function audit(target) {
    const { code, stdout, stderr } = await run(['audit', '--data', target, '--json']);
    assert.ok([0, 1, 2].includes(code), `the audit ended with ${code}: ${stderr}`);
    assert.doesNotMatch(stderr, /Sanitizer|runtime error/);
    return { code, stderr, findings: stdout ? JSON.parse(stdout).findings : [] };
}

const names = (findings) => [...new Set(findings.map(({ check }) => check))].sort();

/* What the checks of the schema would refuse is done without them: the audit must name what is meant beside the check that is gone. */
const NO_CHECKS = `DO $$ DECLARE c record; BEGIN
    FOR c IN SELECT conrelid::regclass AS owner, conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'tickets'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.owner, c.conname);
    END LOOP; END $$;`;

async function corrupted(sql) {
    const target = await copy();
    if (!isPostgres) {
        await query(target, `PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; ${sql.sqlite ?? sql}`);
        return target;
    }
    await query(target, sql).catch((error) => {
        if (!/violates check constraint/.test(error.message)) throw error;
        return query(target, NO_CHECKS + sql);
    });
    return target;
}

/* Opens the schema for writing, which no API of the server does. */
const schema = (change) => `PRAGMA writable_schema = ON; ${change}; PRAGMA writable_schema = RESET;`;

/* Builds an index under another condition than its text says, so that it lacks rows. */
const indexWithout = (name, condition, other) => {
    const say = (from, to) => schema(`UPDATE sqlite_schema SET sql = replace(sql, '${from}', '${to}') WHERE name = '${name}'`);
    return `${say(condition, other)} REINDEX ${name}; ${say(other, condition)}`;
};

test('on the healthy database neither has a finding, and the audit counts what is there', async () => {
    assert.deepEqual(await audit(await copy()), { code: 0, stderr: '', findings: [] });
    assert.deepEqual(await reconcile(dir), []);
    const { stdout } = await run(['audit', '--data', await copy(), '--json']);
    const { totals } = JSON.parse(stdout);
    assert.equal(totals.refunds_pending, 0);
    const [[captured, refunded, valid]] = await query(dir,
        'SELECT (SELECT SUM(amount) FROM capture), (SELECT SUM(amount) FROM refund), (SELECT COUNT(*) FROM ticket WHERE state = 0)');
    assert.deepEqual([totals.captured, totals.refunded, totals.tickets_valid], [captured, refunded, valid].map(Number));
});

/* Rows that the table below speaks of. */
const BOOKING = 'event_id, id, account_id, state, created_at, expires_at, amount, currency, seats, areas, places, key_hash, body_hash, ended_at, extended_ms';
const PAID = "(SELECT MIN(id) FROM booking WHERE state = 3 AND seats = '[[0,5000],[1,5000]]' AND currency = 'EUR')";
const OPEN = '(SELECT id FROM booking WHERE state = 1 LIMIT 1)';
const EXPIRED = '(SELECT id FROM booking WHERE state = 4 LIMIT 1)';
const PAYMENT = `(SELECT MIN(id) FROM payment WHERE booking_id = ${PAID})`;
const TICKET = `(SELECT MIN(id) FROM ticket WHERE booking_id = ${PAID})`;
const LATE = "(SELECT MIN(id) FROM refund WHERE reason = 'late')";
const HELD = "(SELECT MIN(seq) FROM journal WHERE type = 'booking.held' AND data NOT LIKE '%NOK%')";
/* The first place behind those who are in. */
const PLACED = '(SELECT MAX(admitted_place) + 1 FROM queue_room)';
const FOR_EVER = '9223372036854775807';
const CHAIN = ['journal-chain', 'journal-hash'];


/* A row that is gone leaves a gap in SQLite's sequence; on PostgreSQL, where sequences have gaps, only in the versions. */
const GONE = isPostgres ? ['journal-chain', 'journal-versions'] : ['journal-gap', 'journal-seq'];

/* name: [what the audit must name, what the reconciliation must name, how it is done: SQL, or {sqlite, postgres}] */
const CORRUPTIONS = {
    /* Seats */
    'a seat in two bookings': ['seat-in-two-bookings', 'seat-owned-twice', `INSERT INTO booking (${BOOKING}) SELECT event_id, id + 1, account_id, 1, created_at, expires_at, amount, currency, seats, areas, places,
        key_hash, body_hash, NULL, 0 FROM booking WHERE id = ${PAID}`],
    'two good tickets for one seat': ['seat-in-two-bookings', 'seat-owned-twice', `DROP INDEX ticket_by_seat; INSERT INTO ticket SELECT event_id, id + 1000000, booking_id, seat_no, area_no, price, 0, NULL, NULL, NULL FROM ticket WHERE id = ${TICKET}`],
    'a booked seat without a claim': ['booking-without-claim', 'seats-by-owners', `DELETE FROM seat_claim WHERE booking_id = ${PAID} AND seat_no = 0`],
    'a claim of another booking': ['booking-without-claim', 'seats-by-owners', `UPDATE seat_claim SET booking_id = ${OPEN} WHERE booking_id = ${PAID} AND seat_no = 0`],
    'a claim without a booking': ['claim-without-booking', 'orphan', 'INSERT INTO seat_claim SELECT event_id, 30, booking_id + 1, 2 FROM seat_claim WHERE state = 2 LIMIT 1'],
    'a claim of a booking that has ended': ['claim-without-booking', 'seats-by-owners', `INSERT INTO seat_claim SELECT event_id, 55, id, 1 FROM booking WHERE id = ${EXPIRED}`],
    'a booked seat that is only held': ['booking-without-claim', 'seats-by-journal', `UPDATE seat_claim SET state = 1 WHERE booking_id = ${PAID} AND seat_no = 0`],
    'a claim outside of the hall': ['seat-outside-plan', 'seat-unknown', `UPDATE seat_claim SET seat_no = 5000 WHERE booking_id = ${PAID} AND seat_no = 0`],
    'a seat that is blocked and nobody blocked it': ['seat-by-journal', 'seats-by-journal', 'INSERT INTO seat_claim SELECT event_id, 57, 0, 3 FROM seat_claim WHERE state = 3 LIMIT 1'],
    'a blocked seat that is free': ['seat-by-journal', 'seats-by-journal', 'DELETE FROM seat_claim WHERE state = 3'],
    /* Areas */
    'an area counter that is off by one': ['area-counter', 'areas-by-owners', 'UPDATE event_area SET available = available + 1'],
    'an area with more places than were made': ['area-by-journal', 'area-capacity', 'UPDATE event_area SET capacity = capacity + 5, available = available + 5'],
    'an area that is gone': ['area-by-journal', 'area-capacity', 'DELETE FROM event_area WHERE capacity = 7'],
    /* Bookings */
    'a booking that is gone': ['journal-without-booking', 'bookings-by-journal', `DELETE FROM booking WHERE id = ${PAID}`],
    'a booking that nobody made': ['journal-of-bookings', 'bookings-by-journal', `INSERT INTO booking (${BOOKING}) SELECT event_id, id + 1, account_id, 4, created_at, expires_at, amount, currency, seats, areas, places,
        key_hash, body_hash, ended_at, 0 FROM booking WHERE id = ${EXPIRED}`],
    'a booking moved on without its journal': ['journal-of-bookings', 'bookings-by-journal', 'UPDATE booking SET state = 4 WHERE state = 1'],
    'a booking of another price': ['booking-amount', 'booking-total', `UPDATE booking SET amount = amount - 1 WHERE id = ${PAID}`],
    'a seat at another price, and the sum with it': ['booking-price', 'price-of-place', `UPDATE booking SET seats = '[[0,5000],[1,4000]]', amount = 9000 WHERE id = ${PAID}`],
    'a booking in another currency': ['booking-currency', 'currency', `UPDATE booking SET currency = 'USD' WHERE id = ${PAID}`],
    'a booking of another account': ['booking-since-hold', 'bookings-by-journal', `UPDATE booking SET account_id = account_id + 1 WHERE id = ${PAID}`],
    'a booking with more places than its seats': ['booking-amount', 'booking-total', `UPDATE booking SET places = places + 1 WHERE id = ${PAID}`],
    'a booking whose seats are no list': ['booking-amount', 'bookings-by-journal', `UPDATE booking SET seats = 'none' WHERE id = ${PAID}`],
    'a booking of more than six': ['too-many-places', 'too-many-places', `UPDATE booking SET places = 7 WHERE id = ${PAID}`],
    'an account with more than its cap': ['cap-of-account', 'cap-of-account', `UPDATE booking SET network = 1, places = 120 WHERE id = ${PAID}`],
    'a device with more than its cap': ['cap-of-device', 'cap-of-device', `UPDATE booking SET network = 1, device = 2, places = 120 WHERE id = ${PAID}`],
    'a device that paid for more than its cap': ['cap-of-device', 'cap-of-device', `UPDATE booking SET network = 1, pay_device = 2, places = 120 WHERE id = ${PAID}`],
    'a network with more than its cap': ['cap-of-network', 'cap-of-network', `UPDATE booking SET network = 1, places = 1000 WHERE id = ${PAID}`],
    'a card with more than its cap': ['cap-of-card', 'cap-of-card', `UPDATE booking SET network = 1, card = 2, places = 120 WHERE id = ${PAID}`],
    'places given back that nobody gave back': ['given-back', 'given-back', `UPDATE booking SET given_back = given_back + 1 WHERE id = ${PAID}`],
    'an event with another cap than was told': ['event-by-journal', 'event-by-journal', 'UPDATE event SET per_device = per_device + 1'],
    'a hold that was made longer by hand': ['booking-since-hold', 'hold-length', `UPDATE booking SET expires_at = expires_at + 60000 WHERE id = ${OPEN}`],
    'a booking of another time': ['booking-since-hold', 'bookings-by-journal', `UPDATE booking SET created_at = created_at - 60000 WHERE id = ${PAID}`],
    'a booking that ended at another time': ['journal-of-bookings', 'bookings-by-journal', `UPDATE booking SET ended_at = ended_at + 1 WHERE id = ${PAID}`],
    'an expired booking with tickets': ['ticket-without-booking', 'tickets-by-journal', `INSERT INTO ticket SELECT event_id, id + 1, id, 58, NULL, 3000, 0, NULL, NULL, NULL FROM booking WHERE id = ${EXPIRED}`],
    'a booking confirmed without a payment': ['confirmed-unpaid', 'money-against-tickets', `DELETE FROM payment WHERE booking_id = ${PAID}`],
    'a booking confirmed for less than its price': ['confirmed-unpaid', 'money-against-tickets', `UPDATE payment SET captured = amount - 100 WHERE id = ${PAYMENT}; UPDATE capture SET amount = amount - 100 WHERE payment_id = ${PAYMENT}`],
    /* Tickets */
    'a ticket without a booking': ['ticket-without-booking', 'orphan', `INSERT INTO ticket SELECT event_id, id + 1000000, booking_id + 1, 33, NULL, price, 0, NULL, NULL, NULL FROM ticket WHERE id = ${TICKET}`],
    'a booking without one of its tickets': ['ticket-count', 'tickets-by-journal', `DELETE FROM ticket WHERE id = ${TICKET}`],
    'a ticket for another seat': ['ticket-not-of-booking', 'tickets-by-journal', `UPDATE ticket SET seat_no = 17 WHERE id = ${TICKET}`],
    'a ticket of another price': ['ticket-not-of-booking', 'tickets-by-journal', `UPDATE ticket SET price = price - 1 WHERE id = ${TICKET}`],
    'a ticket for another area': ['area-tickets', 'tickets-by-journal', 'UPDATE ticket SET area_no = 9 WHERE id = (SELECT MIN(id) FROM ticket WHERE area_no IS NOT NULL)'],
    'a ticket of another booking': ['ticket-count', 'tickets-by-journal', `UPDATE ticket SET booking_id = (SELECT id FROM booking WHERE state = 3 AND id <> ${PAID} LIMIT 1) WHERE id = ${TICKET}`],
    'a ticket given back, and good again': ['revoked-unpaid', 'ticket-revoked', 'UPDATE ticket SET state = 0 WHERE state = 1'],
    'a ticket revoked and used': ['revoked-ticket-used', 'ticket-used-and-revoked', "UPDATE ticket SET used_at = 1795955757000, used_gate = 'north' WHERE state = 1"],
    'a ticket used that nobody let in': ['ticket-by-journal', 'ticket-used', `UPDATE ticket SET used_at = 1795955757000, used_gate = 'north' WHERE id = ${TICKET}`],
    'a used ticket that is fresh again': ['ticket-by-journal', 'ticket-used', 'UPDATE ticket SET used_at = NULL, used_gate = NULL'],
    'a scan that nobody made': ['scan-by-journal', 'ticket-scans', 'INSERT INTO ticket_scan SELECT event_id, ticket_id, at_ms + 5, gate FROM ticket_scan'],
    'a scan that is gone': ['scan-by-journal', 'ticket-scans', 'DELETE FROM ticket_scan'],
    'a used ticket that names the later scan': ['ticket-by-journal', 'ticket-used', `UPDATE ticket SET used_at = used_at + 1000, used_gate = 'south' WHERE used_gate = 'west'`],
    'sales that were never made': ['sale-sum', 'sale-sums', 'UPDATE sale_sum SET places = places + 1, revenue = revenue + 1 WHERE span_ms = 0'],
    'a minute of sales that is gone': ['sale-sum', 'sale-sums', 'DELETE FROM sale_sum WHERE span_ms = 60000'],
    'an hour that took nothing back': ['sale-sum', 'sale-sums', 'UPDATE sale_sum SET returned = 0, refunded = 0 WHERE span_ms = 3600000'],
    /* Money */
    'a payment of another amount': ['payment-amount', 'payment-of-booking', `UPDATE payment SET amount = amount - 1 WHERE id = ${PAYMENT}`],
    'a payment in another currency': ['payment-amount', 'payment-of-booking', `UPDATE payment SET currency = 'USD' WHERE id = ${PAYMENT}`],
    'a payment of another booking': ['payment-by-journal', 'payments-by-journal', `UPDATE payment SET booking_id = ${OPEN} WHERE id = ${PAYMENT}`],
    'a payment that was taken back to open': ['confirmed-unpaid', 'payment-state', `UPDATE payment SET state = 2 WHERE id = ${PAYMENT}`],
    'a payment that names another capture': ['payment-capture', 'capture-reference', `UPDATE payment SET provider_ref = 'sbp_unknown' WHERE id = ${PAYMENT}`],
    'a payment without its capture': ['captures', 'payment-sums', `DELETE FROM capture WHERE payment_id = ${PAYMENT}`],
    'a capture of another amount': ['captures', 'capture-not-at-bank', `UPDATE capture SET amount = amount + 1 WHERE payment_id = ${PAYMENT}`],
    'a capture in another currency': ['payment-capture', 'capture-not-at-bank', `UPDATE capture SET currency = 'USD' WHERE payment_id = ${PAYMENT}`],
    'a capture that never was': ['captures', 'capture-not-at-bank', `INSERT INTO capture SELECT provider, 'sbp_invented', event_id, payment_id, amount, currency, at_ms FROM capture WHERE payment_id = ${PAYMENT}`],
    'a capture at another time': ['capture-by-journal', 'captures-by-journal', `UPDATE capture SET at_ms = at_ms + 1 WHERE payment_id = ${PAYMENT}`],
    'a refund that is missing': ['missing-refund', 'payment-sums', `DELETE FROM refund WHERE id = ${LATE}`],
    'a refund that is missing, and the sum with it': ['missing-refund', 'money-against-tickets', `UPDATE payment SET refunded = 0 WHERE id = (SELECT payment_id FROM refund WHERE id = ${LATE}); DELETE FROM refund WHERE id = ${LATE}`],
    'a refund made twice': ['refund-above-capture', 'refunded-twice', `INSERT INTO refund SELECT event_id, id + 1, booking_id, payment_id, provider_ref, amount, currency, reason, state, 'sbr_x', 0, NULL, created_at, updated_at FROM refund WHERE id = ${LATE}`],
    'a refund of another amount': ['refunds', 'payment-sums', `UPDATE refund SET amount = amount - 1 WHERE id = ${LATE}`],
    'a refund in another currency': ['refund-capture', 'refund-of-capture', `UPDATE refund SET currency = 'USD' WHERE id = ${LATE}`],
    'a refund for another reason': ['refund-by-journal', 'refunds-by-journal', `UPDATE refund SET reason = 'cancelled' WHERE id = ${LATE}`],
    'a refund paid that nobody paid': ['refund-by-journal', 'refund-state', `UPDATE refund SET state = 2 WHERE id = ${LATE}`],
    'a refund of another payment': ['orphan-of-payment', 'orphan', `UPDATE refund SET payment_id = ${PAYMENT} WHERE id = ${LATE}`],
    /* Events */
    'an event in another currency': ['event-by-journal', 'event-by-journal', "UPDATE event SET currency = 'CHF' WHERE currency = 'USD'"],
    'a cancelled event that is on sale': ['event-by-journal', 'event-by-journal', 'UPDATE event SET status = 1 WHERE status = 2'],
    'another price of a category': ['price-by-journal', 'price-by-journal', 'UPDATE event_price SET price = price + 1'],
    'an event that is gone': ['event-by-journal', 'event-by-journal', "DELETE FROM event WHERE currency = 'USD'"],
    'a plan with a seat less': ['plan-count', 'plan-counts', 'DELETE FROM venue_seat WHERE seat_no = 9'],
    'a signing key that is no pair': ['signing-key', 'signing-key', 'UPDATE signing_key SET public_key = zeroblob(32)'],
    /* Children without a parent, one of each table */
    'a price of no event': ['orphan-of-event', 'orphan', 'INSERT INTO event_price VALUES (7, 0, 100)'],
    'an area of no event': ['orphan-of-event', 'orphan', "INSERT INTO event_area VALUES (7, 0, 'x', 'x', 0, 5, 5, 0)"],
    'a claim of no event': ['orphan-of-event', 'orphan', 'INSERT INTO seat_claim VALUES (7, 0, 0, 3)'],
    'a cancellation of no event': ['orphan-of-event', 'orphan', 'INSERT INTO event_cancel VALUES (7, 0)'],
    'a booking of no event': ['orphan-of-event', 'orphan', `INSERT INTO booking (${BOOKING}) SELECT 7, 8, account_id, 4, created_at, expires_at, amount, currency, seats, areas, places, key_hash, body_hash, ended_at, 0 FROM booking LIMIT 1`],
    'a payment of no booking': ['orphan-of-booking', 'orphan', `INSERT INTO payment SELECT event_id, id + 1, 8, provider, 5, amount, currency, NULL, NULL, NULL, 0, 0, 0, 0, NULL, created_at, updated_at FROM payment WHERE id = ${PAYMENT}`],
    'a ticket of no booking': ['orphan-of-booking', 'orphan', `INSERT INTO ticket SELECT event_id, id + 1000000, 8, 40, NULL, price, 1, NULL, NULL, NULL FROM ticket WHERE id = ${TICKET}`],
    'a capture of no payment': ['orphan-of-payment', 'orphan', "INSERT INTO capture VALUES ('sandbox', 'sbp_y', 7, 8, 100, 'EUR', 1)"],
    'a refund of no payment': ['orphan-of-payment', 'orphan', "INSERT INTO refund VALUES (7, 10, 8, 9, 'sbp_y', 100, 'EUR', 'late', 1, NULL, 0, NULL, 1, 1)"],
    'a provider\'s word on no payment': ['orphan-of-payment', 'orphan', "INSERT INTO provider_event VALUES ('sandbox', 'sbe_y', 'succeeded', 7, 8, 1)"],
    'a journal of nothing': ['journal-of-nothing', 'journal-of-nothing', "INSERT INTO journal SELECT MAX(seq) + 1, 7, 1, 1, 'x', '{}', zeroblob(32) FROM journal"],
    /* Ids */
    'an id given twice': ['id-twice', 'id-twice', 'UPDATE refund SET id = (SELECT MAX(id) FROM booking) WHERE id = (SELECT MAX(id) FROM refund)'],
    'a ticket older than its booking': ['id-order', 'id-order', `UPDATE ticket SET id = booking_id - 4194304 WHERE id = ${TICKET}`],
    /* The journal */
    'a journal row with other data': [...CHAIN, `UPDATE journal SET data = replace(data, '"amount":10000', '"amount":10001') WHERE seq = ${HELD}`],
    'a journal row of another time': [...CHAIN, "UPDATE journal SET at_ms = at_ms + 1 WHERE type = 'booking.confirmed'"],
    'a journal row of another type': [...CHAIN, "UPDATE journal SET type = 'booking.failed' WHERE type = 'booking.expired'"],
    'a journal row with another hash': [...CHAIN, `UPDATE journal SET hash = zeroblob(32) WHERE seq = ${HELD}`],
    'a journal row that is no JSON': ['journal-data', 'journal-not-json', `UPDATE journal SET data = substr(data, 2) WHERE seq = ${HELD}`],
    'a journal row taken out of the middle': [...GONE, "DELETE FROM journal WHERE seq = (SELECT MIN(seq) FROM journal WHERE type = 'booking.payment_pending')"],
    'a journal cut at its end': ['journal-chain', 'journal-heads', 'DELETE FROM journal WHERE seq = (SELECT MAX(seq) FROM journal)'],
    'two journal rows that changed places': ['journal-chain', 'journal-versions', `UPDATE journal SET seq = -seq WHERE seq IN (SELECT seq FROM journal ORDER BY seq LIMIT 2 OFFSET 9);
        UPDATE journal SET seq = seq - (SELECT SUM(seq) FROM journal WHERE seq < 0) WHERE seq < 0`],
    'a head that was turned back': ['journal-chain', 'journal-heads', 'UPDATE journal_head SET version = version - 1 WHERE version > 3'],
    'a journal row whose numbers and lists are words': ['journal-chain', 'unreadable', `UPDATE journal SET data = replace(replace(data, '"booking":', '"booking":"none","was":'), '"seats":', '"seats":"none","were":') WHERE seq = ${HELD}`],
    'a head that is missing': ['journal-chain', 'journal-heads', 'DELETE FROM journal_head WHERE version > 3'],
    /* What grants a seat. The reconciliation does not know which constraints there should be: it sees what they would have kept out, when it is there. */
    'a trigger that was put in': ['schema', null, GUARD_OFF],
    'a unique index that is gone': ['schema', null, 'DROP INDEX ticket_by_seat'],
    'a check that was taken out of the schema': ['schema', null, {
        sqlite: schema("UPDATE sqlite_schema SET sql = replace(sql, ' AND refunded <= captured', '') WHERE name = 'payment'"),
        postgres: 'ALTER TABLE payment DROP CONSTRAINT payment_check, ADD CONSTRAINT payment_check CHECK (captured >= 0 AND refunded >= 0)',
    }],
    'a primary key that is gone': ['schema', null, { postgres: 'ALTER TABLE seat_claim DROP CONSTRAINT seat_claim_pkey' }],
    'a check that old rows need not pass': ['schema', null, { postgres: 'ALTER TABLE booking DROP CONSTRAINT booking_places_check, ADD CONSTRAINT booking_places_check CHECK (places > 0) NOT VALID' }],
    'a rule that was put in': ['schema', null, { postgres: 'CREATE RULE guard_off AS ON DELETE TO seat_claim DO INSTEAD NOTHING' }],
    'a table that does not outlive a crash': ['schema', null, { postgres: 'ALTER TABLE seat_claim SET UNLOGGED' }],
    'a column that may be empty': ['schema', null, { postgres: 'ALTER TABLE booking ALTER COLUMN amount DROP NOT NULL' }],
    'a function of the audit that says something else': ['schema', null, { postgres: "CREATE OR REPLACE FUNCTION json_int(value jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1'" }],
    /* The waiting room */
    'an account that stands in line twice': ['queue-account-twice', 'queue-twice', `DROP INDEX queue_open; UPDATE queue_entry SET account_id = (SELECT MIN(account_id) FROM queue_entry WHERE state = 2) WHERE state = 2`],
    'a place of two': ['queue-place-twice', 'queue-twice', 'DROP INDEX queue_place; UPDATE queue_entry SET place = (SELECT MAX(place) FROM queue_entry) WHERE state = 2'],
    'two who changed places after the draw': ['queue-order', 'queue-draw', `UPDATE queue_entry SET place = 1000 WHERE place = ${PLACED}; UPDATE queue_entry SET place = ${PLACED} WHERE place = ${PLACED} + 1;
        UPDATE queue_entry SET place = ${PLACED} + 1 WHERE place = 1000`],
    'another seed than the one of the commitment': ['queue-order', 'queue-draw', 'UPDATE queue_room SET seed = commitment WHERE entry_count > 5'],
    'another list than the one that was hashed': ['queue-order', 'queue-draw', 'UPDATE queue_room SET entries_hash = commitment WHERE entry_count > 5'],
    'an entry that was put on the closed list': ['queue-order', 'queue-draw', 'UPDATE queue_entry SET is_early = 1 WHERE place = (SELECT MAX(place) FROM queue_entry)'],
    'an entry that was taken from the list': ['queue-order', 'queue-draw', `UPDATE queue_entry SET is_early = 0 WHERE place = ${PLACED}`],
    'another seed with its own commitment': ['queue-order', 'queue-journal', 'UPDATE queue_room SET seed = entries_hash WHERE entry_count > 5'],
    'someone who waits in front of those who are in': ['queue-place-line', 'queue-line', 'UPDATE queue_room SET admitted_place = places WHERE entry_count > 5'],
    'someone who was let in by hand': ['queue-entry-log', 'queue-life', `UPDATE queue_entry SET state = 3, admitted_at = joined_at, admitted_until = joined_at, seen_at = joined_at, busy_until = ${FOR_EVER} WHERE place = (SELECT MAX(place) FROM queue_entry)`],
    'someone whose entry is gone': ['queue-log-of-nothing', 'queue-log', 'DELETE FROM queue_entry WHERE place = (SELECT MAX(place) FROM queue_entry)'],
    'someone of whom the log knows nothing': ['queue-entry-log', 'queue-life', 'DELETE FROM queue_log WHERE entry_id = (SELECT id FROM queue_entry WHERE place = (SELECT MAX(place) FROM queue_entry))'],
    'a log with a gap': ['queue-log-gap', 'queue-log', 'DELETE FROM queue_log WHERE kind = 7'],
    'more people in than the cap': ['queue-cap', 'queue-cap', 'UPDATE queue_log SET amount = 2 WHERE kind = 2'],
    'an admission that does not count': ['queue-busy', 'queue-holds', 'UPDATE queue_entry SET busy_until = 1 WHERE state = 3'],
    'an end that counts for ever': ['queue-busy', 'queue-holds', `UPDATE queue_entry SET busy_until = ${FOR_EVER} WHERE state = 5`],
    'a hold that no admission knows of': ['queue-holds', 'queue-holds', 'UPDATE queue_entry SET holds = 0 WHERE holds = 1'],
    'a booking under an admission that there is not': ['booking-admission', 'queue-booking', 'UPDATE booking SET admission_id = admission_id + 1 WHERE admission_id IS NOT NULL'],
    'a booking under somebody else\'s admission': ['booking-admission', 'queue-booking', 'UPDATE booking SET admission_id = (SELECT MAX(id) FROM queue_entry WHERE state = 3 AND holds = 0) WHERE admission_id IS NOT NULL AND state = 1'],
    'someone who is done and has paid nothing': ['queue-done', 'queue-booking', 'UPDATE booking SET admission_id = NULL WHERE admission_id IS NOT NULL AND state = 3'],
    'a waiting room without its event': ['queue-orphan', 'orphan', `INSERT INTO queue_room (event_id, seed, commitment, created_at) SELECT 7, seed, commitment, created_at FROM queue_room WHERE entry_count > 5`],
    'settings of a room that nobody made': ['queue-settings', 'event-by-journal', 'UPDATE queue_settings SET admitted_max = admitted_max + 1'],
    'a table that is gone': ['schema', 'unreadable', 'DROP TABLE capture'],
    /* An index that no longer says what its table says: rows found through it are not all there are. */
    'an index without its entries': ['file', 'file-damaged', { sqlite: indexWithout('ticket_by_seat', 'WHERE state = 0', 'WHERE state = 5') }],
};

/* Questions that cannot be answered are named, too, but only where it must be so. */
const UNANSWERED = ['a table that is gone', ...(isPostgres ? [] : ['a place of two', 'a booking whose seats are no list', 'a journal row whose numbers and lists are words'])];

/* Why a corruption is not made here; false: it is. */
const notHere = (sql) => (isPostgres ? sql.sqlite && !sql.postgres && sqliteOnly('its pages') : sql.postgres && !sql.sqlite && 'SQLite has no such thing');

describe('names what is wrong:', { concurrency: 4 }, () => {
    for (const [name, [wanted, alsoWanted, sql]] of Object.entries(CORRUPTIONS)) {
        test(name, { skip: notHere(sql) }, async () => {
            const target = await corrupted(sql);
            const [found, other] = await Promise.all([audit(target), reconcile(target)]);
            assert.notEqual(found.code, 0);
            assert.ok(names(found.findings).includes(wanted), `audit: ${wanted} is not among ${JSON.stringify(found.findings.slice(0, 20))}`);
            assert.ok(found.findings.every(({ finding }) => finding.length > 5), JSON.stringify(found.findings));
            const unanswered = found.findings.filter(({ finding }) => finding.startsWith('could not be read'));
            assert.equal(unanswered.length > 0, UNANSWERED.includes(name), JSON.stringify(unanswered));
            if (alsoWanted) assert.ok(names(other).includes(alsoWanted), `reconciliation: ${alsoWanted} is not among ${JSON.stringify(other.slice(0, 20))}`);
            else assert.deepEqual(other, [], 'should the reconciliation see it, the table should say so');
            await removeData(target);
        });
    }
});

/* Writes the chain of a shard anew from `from` on, its head with it, as somebody would who wants to be believed. */
async function rewriteChain(target, shard, change) {
    const rows = (await query(target, `SELECT CAST(seq AS TEXT), CAST(shard AS TEXT), version, CAST(at_ms AS TEXT), hex(type), hex(data) FROM journal WHERE shard = ${shard} ORDER BY journal.seq`))
        .map(([seq, owner, version, at, type, data]) => ({ seq, shard: owner, version, at_ms: at, type, data: change(Buffer.from(data, 'hex').toString()) }));
    let hash = Buffer.alloc(32);
    const statements = [];
    for (const row of rows) {
        hash = rowHash(hash, { ...row, data: Buffer.from(row.data).toString('hex') });
        statements.push(`UPDATE journal SET data = '${row.data.replaceAll("'", "''")}', hash = ${blob(hash)} WHERE seq = ${row.seq};`);
    }
    statements.push(`UPDATE journal_head SET hash = ${blob(hash)} WHERE shard = ${shard};`);
    await query(target, statements.join('\n'));
}

describe('a chain that was written anew, its head with it', () => {
    test('is found where the rows of the tables still tell what was', async () => {
        const target = await copy();
        const [[account]] = await query(target, `SELECT CAST(account_id AS TEXT) FROM booking WHERE id = ${PAID}`);
        await rewriteChain(target, notedHead.shard, (data) => data.replaceAll(`"account":${account}`, '"account":77'));
        const { code, findings } = await audit(target);
        assert.equal(code, 1);
        assert.ok(!names(findings).includes('journal-chain'), 'the chain itself is in order');
        assert.ok(names(findings).includes('booking-since-hold'), JSON.stringify(findings));
        assert.ok(names(await reconcile(target)).includes('bookings-by-journal'));
    });

    /* By design: whoever can write everything can make everything agree. That is why heads are published. */
    test('together with the tables is found by a head that was noted before, and by nothing else', async () => {
        const target = await copy();
        const [[account]] = await query(target, `SELECT CAST(account_id AS TEXT) FROM booking WHERE id = ${PAID}`);
        assert.deepEqual(await reconcile(target, { heads: [notedHead] }), [], 'the noted head is in the chain');
        await rewriteChain(target, notedHead.shard, (data) => data.replaceAll(`"account":${account}`, '"account":77'));
        await query(target, `UPDATE booking SET account_id = 77 WHERE account_id = ${account} AND event_id = ${notedHead.shard}`);
        assert.deepEqual((await audit(target)).findings, []);
        assert.deepEqual(await reconcile(target), []);
        assert.deepEqual(names(await reconcile(target, { heads: [notedHead] })), ['noted-head']);
        const kept = await query(target, `SELECT COUNT(*) FROM journal WHERE shard = ${notedHead.shard} AND version = ${notedHead.version} AND lower(hex(hash)) = '${notedHead.hash}'`);
        assert.deepEqual(kept, [['0']], 'the query of the design document sees it too');
    });

    test('with a row less is found by the gap in the sequence', { skip: isPostgres && 'sequences of PostgreSQL have gaps by nature' }, async () => {
        const target = await copy();
        const [[seq]] = await query(target, `SELECT MAX(seq) - 1 FROM journal WHERE shard = ${notedHead.shard}`);
        await query(target, `DELETE FROM journal WHERE seq = ${seq}`);
        const found = await audit(target);
        assert.ok(names(found.findings).includes('journal-gap'), JSON.stringify(found.findings));
    });
});

test('a refund for the event\'s end of money that never bought a ticket is in order', async () => {
    /* What comes when a callback meets a booking between the event's cancellation and its own: only the journal says "late" here. */
    const target = await corrupted(`UPDATE refund SET reason = 'event_cancelled' WHERE id = ${LATE}`);
    assert.deepEqual(names((await audit(target)).findings), ['refund-by-journal']);
});

describe('a file that is damaged', { skip: sqliteOnly('its pages') }, () => {
    const SEED = 20261129;
    const ROUNDS = 24;
    const PAGE = 4096;
    const TABLES = ['seat_claim', 'booking', 'payment', 'capture', 'refund', 'ticket', 'event_area', 'event_price', 'journal', 'journal_head', 'ticket_by_seat', 'payment_by_booking', 'refund_by_booking', 'ticket_by_booking'];
    /* What the audit vouches for. The rest (addresses of pages, times of the last change, what callbacks were called) is told by nothing else. */
    const VOUCHED = `SELECT event_id, seat_no, booking_id, state FROM seat_claim; SELECT event_id, id, account_id, state, created_at, expires_at, amount, currency, seats, areas, places, hex(key_hash), ended_at, extended_ms FROM booking;
        SELECT event_id, id, booking_id, provider, state, amount, currency, provider_ref, captured, refunded, created_at FROM payment; SELECT * FROM capture; SELECT event_id, id, booking_id, payment_id, provider_ref, amount, currency, reason, state, created_at FROM refund;
        SELECT event_id, id, booking_id, seat_no, area_no, price, state, used_at, used_gate, refund_id FROM ticket; SELECT event_id, area_no, guid, name, capacity, available FROM event_area; SELECT * FROM event_price;
        SELECT seq, shard, version, at_ms, hex(type), hex(data), hex(hash) FROM journal; SELECT shard, version, hex(hash) FROM journal_head;`;

    /* The same numbers in every run. */
    function* numbers(seed) {
        for (let state = seed; ; ) {
            state = (Math.imul(state, 1103515245) + 12345) >>> 0;
            yield state >>> 8;
        }
    }

    const read = (file) => new Promise((resolve) => {
        execFile('sqlite3', ['-readonly', '-batch', '-bail', '-cmd', '.timeout 10000', file, VOUCHED], { maxBuffer: 1 << 26, encoding: 'buffer' }, (error, stdout) => resolve(error ? null : stdout.toString('latin1')));
    });

    test('by any flipped byte never crashes the audit, and is never called clean when a row is not what it was', async () => {
        const pages = await sqlite(path.join(dir, 'tickets.db'), `SELECT pageno FROM dbstat WHERE name IN (${TABLES.map((name) => `'${name}'`)})`);
        const healthy = await read(path.join(dir, 'tickets.db'));
        const next = numbers(SEED);
        const draw = (below) => next.next().value % below;
        const seen = { found: 0, harmless: 0, unreadable: 0 };
        for (let round = 0; round < ROUNDS; round++) {
            const target = await copy();
            const database = path.join(target, 'tickets.db');
            const bytes = fs.readFileSync(database);
            const page = Number(pages[draw(pages.length)][0]);
            /* A page has its header in front and its rows at the end. */
            const at = (page - 1) * PAGE + (draw(4) === 0 ? draw(100) : PAGE - 1 - draw(2000));
            bytes[at] ^= 1 << draw(8);
            fs.writeFileSync(database, bytes);
            const [{ code, findings }, rows, other] = await Promise.all([audit(target), read(database), reconcile(target)]);
            const what = `round ${round}: byte ${at % PAGE} of page ${page}`;
            if (rows !== healthy) {
                assert.notEqual(code, 0, `${what}: the audit sees nothing`);
                assert.ok(other.length > 0, `${what}: the reconciliation sees nothing`);
            }
            seen[code === 2 ? 'unreadable' : rows === healthy ? 'harmless' : 'found']++;
            if (code === 2) assert.ok(findings.length > 0, `${what}: says nothing`);
        }
        assert.ok(seen.found > ROUNDS / 4, JSON.stringify(seen));
    });

    for (const [name, damage] of Object.entries({
        'a page of zeroes': (bytes, page) => bytes.fill(0, (page - 1) * PAGE, page * PAGE),
        'a page of noise': (bytes, page) => bytes.fill(0xa5, (page - 1) * PAGE, page * PAGE),
        'another page in its place': (bytes, page) => void bytes.copy(bytes, (page - 1) * PAGE, PAGE, 2 * PAGE),
        'its end cut off': (bytes) => bytes.subarray(0, bytes.length - 20 * PAGE),
        'no header': (bytes) => bytes.fill(0, 0, 100),
        'nothing in it': (bytes) => bytes.subarray(0, 0),
    })) {
        test(`by ${name} is never clean`, async () => {
            const target = await copy();
            const database = path.join(target, 'tickets.db');
            const [[page]] = await sqlite(database, "SELECT MAX(pageno) FROM dbstat WHERE name = 'booking'");
            const bytes = fs.readFileSync(database);
            fs.writeFileSync(database, damage(bytes, Number(page)) ?? bytes);
            const { code, stderr, findings } = await audit(target);
            assert.notEqual(code, 0);
            assert.ok(findings.length > 0 || /^audit: cannot/.test(stderr), stderr);
            assert.notDeepEqual(await reconcile(target), []);
        });
    }
});

test('--quick leaves out the pages', { skip: sqliteOnly('its pages') }, async () => {
    /* An index that no other question uses. */
    const target = await corrupted(indexWithout('payment_by_session', 'session_ref IS NOT NULL', 'session_ref IS NULL'));
    assert.deepEqual(names((await audit(target)).findings), ['file']);
    assert.equal((await run(['audit', '--data', target, '--quick'])).code, 0);
});

test('--quick leaves out nothing else', async () => {
    assert.equal((await run(['audit', '--data', await copy(), '--quick'])).code, 0);
    assert.equal((await run(['audit', '--data', await corrupted(CORRUPTIONS['a booking of another price'][2]), '--quick'])).code, 1);
});

test('the reconciliation runs by hand, and its exit status says what it found', async () => {
    const byHand = (data, ...args) => new Promise((resolve) => {
        const store = isPostgres && data ? ['--store', storeOf(data)] : [];
        execFile(process.execPath, [path.join(REPO, 'tests/e2e/reconcile.mjs'), ...(data ? [data] : []), ...store, ...args], (error, stdout) => resolve({ code: error ? error.code : 0, stdout }));
    });
    const healthy = await byHand(dir);
    assert.deepEqual([healthy.code, healthy.stdout], [0, 'reconcile: everything agrees\n']);
    const broken = await byHand(await corrupted(CORRUPTIONS['a refund made twice'][2]));
    assert.equal(broken.code, 1);
    assert.match(broken.stdout, /refunded-twice: /);
    assert.equal((await byHand(tempDir())).code, 1);
    assert.equal((await byHand()).code, 2);
});
