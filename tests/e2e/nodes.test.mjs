/*
 * Several nodes on one PostgreSQL database: what one sells the other shows, nobody gets a seat twice, whoever lost an answer gets it
 * from the other node, and what one node does for all goes on when it dies. One node's clock is 30 s off in all of it.
 */
import test, { after, afterEach, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { newKey } from './lib/api.mjs';
import { follow, hall as mapHall, listen, settled, some, stubborn, timelineOf, traffic } from './lib/live_traffic.mjs';
import { Buyers, Nodes, SKEW_MS } from './lib/nodes.mjs';
import { Foyer } from './lib/server.mjs';
import { Postgres } from './lib/postgres.mjs';
import { reconciled, checkedOut, held, makeManyUsers, makeUser, plan, sale, seatStates, status } from './lib/seed.mjs';
import { GUARD_OFF, isPostgres } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const skip = !isPostgres && 'nodes share PostgreSQL';
const FREE = { front: 0, back: 0 };
const SEATS = 30;
const BUYERS = 6;
const seatsOf = (count) => Array.from({ length: count }, (_, i) => `S1-R${Math.floor(i / 15) + 1}-${(i % 15) + 1}`);
const hall = () => plan({ rows: 2, seats: 15, areas: [{ guid: 'floor', capacity: 50 }] });

let cluster;
let nodes;

if (!skip) {
    before(async () => {
        cluster = await Postgres.start();
    });
    after(async () => {
        await cluster.kill();
    });
    afterEach(async () => {
        await nodes?.end();
        nodes = null;
    });
}

const start = async (options) => {
    nodes = await Nodes.start(cluster, options);
    return nodes;
};

const states = (node, eventId) => seatStates(node.anonymous, eventId);
const shows = (node, eventId, seat, wanted) =>
    until(async () => (await states(node, eventId))[seat] === wanted, { what: `${seat} to be ${wanted} on the other node` });

/* Rows of the one database, whoever runs. */
const rows = (sql) => nodes.a.sql(sql);
const keyHash = (key) => createHash('sha256').update(key).digest().subarray(0, 16).toString('hex');

/* All seats are asked for by all buyers, one after the other; `during(i)` may break something before the i-th. Each has one winner. */
async function sellOut(event, buyers, during = () => {}) {
    const winners = [];
    for (const [i, seat] of seatsOf(SEATS).entries()) {
        await during(i);
        const answers = await buyers.race(event.id, [seat]);
        const won = answers.filter(({ answer }) => answer.status === 201);
        assert.equal(won.length, 1, `${seat}: ${answers.map(({ answer }) => `${answer.status} ${answer.text}`).join('\n')}`);
        winners.push({ ...won[0], seat });
        for (const { answer } of answers) assert.ok([201, 409].includes(answer.status), `${answer.status} ${answer.text}`);
    }
    return winners;
}

/* Every acknowledged hold is a booking of its own, and what its owner pays for is his. */
async function checkSold(event, buyers, winners) {
    for (const winner of winners) {
        const answer = await buyers.checkOut(winner.person, winner.answer.json.id);
        assert.equal(answer.status, 202, `${winner.seat}: ${answer.text}`);
        assert.equal(answer.json.status, 'confirmed', winner.seat);
    }
    const found = await rows('SELECT encode(key_hash, \'hex\'), state, COUNT(*) FROM booking GROUP BY 1, 2');
    assert.deepEqual(new Set(found.map(String)), new Set(winners.map(({ key }) => `${keyHash(key)},3,1`)), 'one booking a winner, and no other');
    for (const node of nodes.all.filter((one) => one.isRunning()))
        await until(async () => Object.values(await states(node, event.id)).every((state) => state === 'booked'), { what: 'the house to be full' });
    assert.equal((await rows('SELECT COUNT(*) FROM seat_claim WHERE state = 2'))[0][0], String(SEATS));
    const audit = await nodes.a.audit({ isAlone: true });
    assert.deepEqual(audit.findings, []);
    assert.deepEqual(await reconciled(nodes.a, { isAtRest: false }), []);
}

describe('the first start', { skip }, () => {
    test('nodes that start at once on an empty database make one schema, one admin key, one signing key', async () => {
        const store = cluster.url(await cluster.database());
        const made = await Promise.all([1, 2, 3].map(() => Foyer.start({ store })));
        try {
            const [one, other] = made;
            const count = async (sql, service) => (await one.sql(sql, service))[0][0];
            assert.equal(await count('SELECT COUNT(*) FROM api_key', 'platform'), '1');
            assert.equal(await count('SELECT COUNT(*) FROM signing_key'), '1');
            const event = await sale(one, { plan: hall(), prices: FREE });
            const user = await makeUser(other);
            const booking = await held(one.as(user.token), event.id, seatsOf(1));
            assert.equal((await other.as(user.token).post(`/v1/bookings/${booking.id}/checkout`)).json.status, 'confirmed');
        } finally {
            for (const node of made) await node.stop();
        }
    });
});

describe('selling', { skip }, () => {
    test('buyers on both nodes want the same seats: sold out, none twice', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall(), prices: FREE });
        const buyers = await Buyers.make(nodes, BUYERS);
        await checkSold(event, buyers, await sellOut(event, buyers));
        await nodes.stop();
    });

    test('the control: without the guard the same buyers are sold the same seats', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall(), prices: FREE });
        const buyers = await Buyers.make(nodes, BUYERS);
        await rows(GUARD_OFF.postgres);
        let oversold = 0;
        for (const seat of seatsOf(SEATS)) {
            const answers = await buyers.race(event.id, [seat]);
            if (answers.filter(({ answer }) => answer.status === 201).length > 1) oversold++;
        }
        assert.ok(oversold > 0, 'nothing was sold twice');
        assert.notDeepEqual((await nodes.a.audit({ isAlone: true })).findings, []);
    });

    test('a node dies in the middle: nothing that was acknowledged is lost', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall(), prices: FREE });
        const buyers = await Buyers.make(nodes, BUYERS);
        const during = async (i) => {
            if (i === 10) setTimeout(() => nodes.b.kill9(), 5);
            if (i === 20) await nodes.b.start();
        };
        const winners = await sellOut(event, buyers, during);
        assert.ok(buyers.repeats > 0, 'nobody had to ask again');
        await checkSold(event, buyers, winners);
    });

    test('PostgreSQL crashes in the middle: nothing that was acknowledged is lost', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall(), prices: FREE });
        const buyers = await Buyers.make(nodes, BUYERS);
        let crash;
        const winners = await sellOut(event, buyers, (i) => {
            if (i === 15) setTimeout(() => (crash = cluster.restart()), 5);
        });
        await crash;
        assert.ok(buyers.repeats > 0, 'nobody had to ask again');
        await checkSold(event, buyers, winners);
        await nodes.stop();
    });
});

describe('idempotency', { skip }, () => {
    test('a winner who lost the reply gets it from the other node, never a refusal', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall() });
        const user = await makeUser(nodes.a);
        for (const [i, seat] of seatsOf(20).entries()) {
            const [first, second] = i % 2 ? nodes.all : [nodes.b, nodes.a];
            const key = newKey();
            const won = await first.as(user.token).hold(event.id, [seat], key);
            assert.equal(won.status, 201, won.text);
            const again = await second.as(user.token).hold(event.id, [seat], key);
            assert.equal(again.status, 201, again.text);
            assert.equal(again.json.id, won.json.id);
            assert.equal(again.headers['idempotency-replayed'], 'true');
        }
        await nodes.stop();
    });

    test('both nodes are asked at once with the same key: one booking', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall() });
        const user = await makeUser(nodes.a);
        for (const seat of seatsOf(20)) {
            const key = newKey();
            const answers = await Promise.all(nodes.all.map((node) => node.as(user.token).hold(event.id, [seat], key)));
            for (const answer of answers) assert.equal(answer.status, 201, answer.text);
            assert.equal(answers[0].json.id, answers[1].json.id);
        }
        assert.equal((await rows('SELECT COUNT(*) FROM booking'))[0][0], '20');
        await nodes.stop();
    });

    /* An older transaction that stays open keeps the journal's news back. The node's picture of the event comes from the database and knows
     * of the seat; of the key the node knows nothing. */
    test('a node that knows of the seat and not of the key does not refuse the winner either', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall() });
        const user = await makeUser(nodes.a);
        const old = await nodes.openTransaction();
        const key = newKey();
        const won = await held(nodes.a.as(user.token), event.id, seatsOf(1), key);
        assert.equal((await states(nodes.b, event.id))[seatsOf(1)[0]], 'held');
        const again = await nodes.b.as(user.token).hold(event.id, seatsOf(1), key);
        assert.equal(again.status, 201, again.text);
        assert.equal(again.json.id, won.id);
        assert.equal((await nodes.b.as(user.token).hold(event.id, seatsOf(1))).status, 409, 'others are refused');
        await old.end();
        await nodes.stop();
    });

    test('a node that has just started knows the keys of the other', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall() });
        const user = await makeUser(nodes.a);
        for (const seat of seatsOf(5)) {
            const key = newKey();
            const won = await held(nodes.a.as(user.token), event.id, [seat], key);
            await nodes.b.restart();
            const again = await nodes.b.as(user.token).hold(event.id, [seat], key);
            assert.equal(again.status, 201, again.text);
            assert.equal(again.json.id, won.id);
        }
        await nodes.stop();
    });

    test('other requests with a key are answered once, whichever node is asked', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall(), prices: FREE });
        const user = await makeUser(nodes.a);
        for (const seat of seatsOf(10)) {
            const booking = await held(nodes.a.as(user.token), event.id, [seat]);
            const key = newKey();
            const answers = await Promise.all(nodes.all.map((node) => node.as(user.token).post(`/v1/bookings/${booking.id}/checkout`, undefined, { key })));
            for (const answer of answers) assert.equal(answer.status, 202, answer.text);
            assert.equal(answers.filter(({ headers }) => headers['idempotency-replayed']).length, 1);
        }
        await nodes.stop();
    });
});

describe('money', { skip }, () => {
    /* With an id of its own and with the same one: the provider repeats itself, and a balancer sends it anywhere. */
    test('callbacks that reach both nodes at once count once', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall() });
        const user = await makeUser(nodes.a);
        for (const [i, seat] of seatsOf(6).entries()) {
            const booking = await checkedOut(nodes.all[i % 2].as(user.token), event.id, [seat]);
            assert.equal((await nodes.a.bank.pay(booking.payment.url, 'succeeded', { count: 0 })).status, 200);
            const [session] = await nodes.a.bank.sessions(booking.payment.id);
            const now = await nodes.a.now();
            const say = (node, id) => {
                const data = { session: session.id, reference: booking.payment.id, payment_ref: session.payment_ref, amount: booking.amount, currency: 'EUR' };
                const body = JSON.stringify({ id, type: 'payment.succeeded', created_at: new Date(now).toISOString(), data });
                return node.anonymous.post('/v1/payments/webhooks/sandbox', body, { headers: { 'sandbox-signature': nodes.a.bank.sign(body, now) } });
            };
            const answers = await Promise.all([say(nodes.a, `sbe_${i}`), say(nodes.b, `sbe_${i}`), say(nodes.a, `sbe_${i}a`), say(nodes.b, `sbe_${i}b`)]);
            for (const answer of answers) assert.equal(answer.status, 200, answer.text);
            for (const node of nodes.all) await status(node.as(user.token), booking.id, 'confirmed');
        }
        const counts = await rows('SELECT (SELECT COUNT(*) FROM capture), (SELECT COUNT(*) FROM ticket), (SELECT COUNT(*) FROM refund)');
        assert.deepEqual(counts, [['6', '6', '0']]);
        assert.equal((await nodes.a.audit()).clean, true);
        await nodes.stop();
    });
});

describe('memory', { skip }, () => {
    test('the other node shows what happens to seats, areas and the event', async () => {
        await start();
        const { a, b } = nodes;
        const event = await sale(a, { plan: hall() });
        const user = await makeUser(a);
        const [seat, blocked] = seatsOf(2);
        await states(b, event.id); /* both have it in memory from here on */
        const booking = await held(a.as(user.token), event.id, { seat_ids: [seat], areas: [{ area_id: 'floor', quantity: 2 }] });
        await shows(b, event.id, seat, 'held');
        const free = async (node) => (await node.anonymous.get(`/v1/events/${event.id}/availability`)).json.areas[0].available;
        await until(async () => (await free(b)) === 48, { what: 'the area to follow' });
        const answer = await b.as(user.token).delete(`/v1/bookings/${booking.id}`);
        assert.equal(answer.status, 200, answer.text);
        await shows(a, event.id, seat, 'available');
        await until(async () => (await free(a)) === 50, { what: 'the area to be whole again' });
        assert.equal((await b.admin.post(`/v1/events/${event.id}/blocks`, { seat_ids: [blocked] })).status, 200);
        await shows(a, event.id, blocked, 'blocked');
        assert.equal((await a.admin.patch(`/v1/events/${event.id}`, { name: 'Another Name' })).status, 200);
        const name = async (node) => (await node.anonymous.get(`/v1/events/${event.id}`)).json.name;
        await until(async () => (await name(b)) === 'Another Name', { what: 'the name to follow' });
        const found = async (node) => (await node.anonymous.get('/v1/events?q=Another')).json.data.length;
        for (const node of nodes.all) await until(async () => (await found(node)) === 1, { what: 'the search to find it' });
        await nodes.stop();
    });

    test('a transaction that stays open while later ones commit is not missed', async () => {
        await start();
        const { a, b } = nodes;
        const [slow, fast] = [await sale(a, { plan: hall() }), await sale(a, { plan: hall() })];
        const user = await makeUser(a);
        const seats = seatsOf(SEATS);
        for (const node of nodes.all) for (const event of [slow, fast]) await states(node, event.id);
        const id = (await rows('SELECT id FROM event ORDER BY id LIMIT 1'))[0][0];
        /* Somebody else's transaction has the seat for 2 s and gives it back: so long waits the hold's own, with its shard locked. */
        const block = cluster.query(`BEGIN; INSERT INTO tickets.seat_claim VALUES (${id}, 0, 1, 1); SELECT pg_sleep(2); ROLLBACK`, [], new URL(nodes.store).pathname.slice(1));
        await until(async () => (await cluster.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")).length === 1, { what: 'the seat to be taken' });
        const late = a.as(user.token).hold(slow.id, [seats[0]]);
        await until(async () => (await cluster.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'transactionid'")).length === 1, { what: 'the hold to wait' });
        const early = await held(b.as(user.token), fast.id, [seats[0]]);
        const answer = await late;
        await block;
        assert.equal(answer.status, 201, answer.text);
        const [[lateSeq, lateAt], [earlySeq, earlyAt]] = await rows("SELECT seq, at_ms FROM journal WHERE type = 'booking.held' ORDER BY shard");
        assert.ok(BigInt(lateSeq) < BigInt(earlySeq) && Number(lateAt) <= Number(earlyAt), 'it was numbered first and committed last');
        await shows(b, slow.id, seats[0], 'held');
        await shows(a, fast.id, seats[0], 'held');
        assert.ok(early.id);
        await nodes.stop();
    });

    test('a session that ends on one node ends on the other', async () => {
        await start();
        const { a, b } = nodes;
        const user = await makeUser(a);
        assert.equal((await b.as(user.token).get('/v1/me')).status, 200);
        assert.equal((await a.as(user.token).delete('/v1/sessions/current')).status, 204);
        assert.equal((await a.as(user.token).get('/v1/me')).status, 401);
        await until(async () => (await b.as(user.token).get('/v1/me')).status === 401, { what: 'the session to end' });
        await nodes.stop();
    });
});

describe('what one node does for all', { skip }, () => {
    test('the database\'s clock counts on both nodes', async () => {
        await start();
        const [[database]] = (await cluster.query('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now')).map(({ now }) => [Number(now)]);
        for (const node of nodes.all) assert.ok(Math.abs((await node.now()) - database) < SKEW_MS / 2, 'the clock is off');
        const user = await makeUser(nodes.a);
        const event = await sale(nodes.b, { plan: hall(), onsale_at: new Date(database - 5000).toISOString() });
        for (const [i, node] of nodes.all.entries()) {
            const booking = await held(node.as(user.token), event.id, [seatsOf(2)[i]]);
            assert.ok(Math.abs(Date.parse(booking.expires_at) - database - 600000) < SKEW_MS / 2, booking.expires_at);
        }
        await nodes.stop();
    });

    test('a steward that dies is replaced: holds end, money comes, mail goes out once', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall() });
        const user = await makeUser(nodes.a);
        const [lost, paid] = seatsOf(2);
        const first = await nodes.steward();
        const second = nodes.other(first);
        const booking = await held(first.as(user.token), event.id, [lost]);
        const other = await held(second.as(user.token), event.id, [paid]);
        await first.kill9();
        assert.equal(await nodes.steward(), second);
        const ready = await checkedOut(second.as(user.token), event.id, other);
        assert.equal((await second.bank.pay(ready.payment.url)).status, 200);
        await status(second.as(user.token), other.id, 'confirmed');
        await second.advance(11 * 60 * 1000);
        await status(second.as(user.token), booking.id, 'expired');
        await shows(second, event.id, lost, 'available');
        await first.start();
        await shows(first, event.id, paid, 'booked');
        const mails = () => nodes.all.flatMap((node) => {
            const dir = path.join(node.dir, 'mail');
            return fs.existsSync(dir) ? fs.readdirSync(dir).filter((name) => name.endsWith('.eml')) : [];
        });
        await until(() => mails().length > 0, { what: 'the mail' });
        assert.deepEqual((await nodes.a.sql('SELECT kind, COUNT(*) FROM mail GROUP BY 1', 'mail')).map(([, count]) => count), ['1']);
        await nodes.stop();
    });

    test('a node that loses its connection in the middle of writing a mail goes on', async () => {
        await start();
        await nodes.b.kill9(); /* nobody else takes the mail over */
        const event = await sale(nodes.a, { plan: hall() });
        const user = await makeUser(nodes.a);
        await until(async () => (await rows("SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'foyer mail writer'"))[0][0] === '1', { what: 'the dead to be gone' });
        for (const text of [
            'CREATE SEQUENCE mail.tries',
            `CREATE FUNCTION mail.die_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('mail.tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); END IF;
                RETURN NEW;
            END $$`,
            'CREATE TRIGGER die_once BEFORE INSERT ON mail.mail FOR EACH ROW EXECUTE FUNCTION mail.die_once()',
        ]) await rows(text);
        const booking = await held(nodes.a.as(user.token), event.id, seatsOf(1));
        const ready = await checkedOut(nodes.a.as(user.token), event.id, booking);
        assert.equal((await nodes.a.bank.pay(ready.payment.url)).status, 200);
        await status(nodes.a.as(user.token), booking.id, 'confirmed');
        await until(async () => (await rows('SELECT COUNT(*) FROM mail.mail WHERE state = 1'))[0][0] === '1', { what: 'the mail' });
        assert.ok(Number((await rows('SELECT last_value FROM mail.tries'))[0][0]) > 1, 'the connection was never lost');
    });

    test('a node that has lost the office of mail sends nothing more', async () => {
        const MAILS = 3;
        await start();
        await nodes.b.kill9();
        const { a } = nodes;
        const event = await sale(a, { plan: hall() });
        const user = await makeUser(a);
        const writers = "SELECT pid FROM pg_stat_activity WHERE application_name = 'foyer mail writer'";
        await until(async () => (await rows(writers)).length === 1, { what: 'the dead to be gone' });
        /* All mails become due at once. */
        await rows('CREATE FUNCTION mail.put_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.next_at = 9000000000000; RETURN NEW; END $$');
        await rows('CREATE TRIGGER put_off BEFORE INSERT ON mail.mail FOR EACH ROW EXECUTE FUNCTION mail.put_off()');
        for (const seat of seatsOf(MAILS)) {
            const booking = await held(a.as(user.token), event.id, [seat]);
            const ready = await checkedOut(a.as(user.token), event.id, booking);
            assert.equal((await a.bank.pay(ready.payment.url)).status, 200);
            await status(a.as(user.token), booking.id, 'confirmed');
        }
        await until(async () => (await rows('SELECT COUNT(*) FROM mail.mail'))[0][0] === String(MAILS), { what: 'the mails to wait' });
        await rows('CREATE FUNCTION mail.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NEW; END $$');
        await rows('CREATE TRIGGER die BEFORE UPDATE OF attempts ON mail.mail FOR EACH ROW EXECUTE FUNCTION mail.die()');
        /* Somebody else waits for the office, and has it when the connection is lost in recording the first. */
        const office = new pg.Client({ connectionString: nodes.store });
        office.on('error', () => {});
        await office.connect();
        const [[key]] = await rows(`SELECT CAST(CAST(classid AS BIGINT)::bit(32) || CAST(objid AS BIGINT)::bit(32) AS bit(64))::bigint
            FROM pg_locks WHERE locktype = 'advisory' AND pid IN (${writers}) AND objsubid = 1`);
        let isTaken = false;
        const taking = office.query('SELECT pg_advisory_lock($1)', [key]).then(() => { isTaken = true; });
        await until(async () => (await rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")).length > 0, { what: 'the office to be wanted' });
        await rows('UPDATE mail.mail SET next_at = 0');
        await until(async () => { await a.advance(1); return isTaken; }, { what: 'the office to be lost' });
        await taking;
        await rows('DROP TRIGGER die ON mail.mail');
        /* It asks for the office every now and then: the worker, too, has by the fifth time. */
        const asked = new Set();
        await until(async () => {
            for (const [at] of await rows(writers.replace('pid', 'query_start'))) asked.add(at);
            return asked.size >= 5;
        }, { what: 'the office to be asked for' });
        await office.end();
        await until(async () => { await a.advance(1); return (await rows('SELECT COUNT(*) FROM mail.mail WHERE state = 1'))[0][0] === String(MAILS); }, { what: 'the mails' });
        /* The first may have gone out twice; the others did not. */
        assert.ok((await a.metric('foyer_mails_total', 'result="sent"')) <= MAILS + 1, 'mails were sent that could not be recorded');
    });

    test('an event that is cancelled on any node is undone by the steward', async () => {
        await start();
        const event = await sale(nodes.a, { plan: hall() });
        const user = await makeUser(nodes.a);
        const booking = await held(nodes.b.as(user.token), event.id, seatsOf(2));
        const steward = await nodes.steward();
        const answer = await nodes.other(steward).admin.post(`/v1/events/${event.id}/cancel`);
        assert.equal(answer.status, 200, answer.text);
        for (const node of nodes.all) await status(node.as(user.token), booking.id, 'cancelled');
        await until(async () => (await rows('SELECT COUNT(*) FROM event_cancel'))[0][0] === '0', { what: 'the end of the walk' });
        await nodes.stop();
    });
});

describe('the live map', { skip }, () => {
    test('listeners of both nodes are told of what both sell, also when connections to the database break', async (t) => {
        await start();
        const event = await sale(nodes.a, { plan: mapHall(), prices: FREE });
        const users = await makeManyUsers(nodes.a, 6);
        const asks = users.map(({ token }, i) => stubborn(() => [nodes.all[i % 2], nodes.all[(i + 1) % 2]], token));
        const followers = [nodes.a, nodes.b, nodes.a, nodes.b].map((node) => follow(t, () => node, event));
        const others = [];
        const between = async (step) => {
            if (step % 40 === 0) { /* from one node to the other */
                const one = followers[some(followers.length)].last;
                if (one.frames > 0) others.push({ listener: listen(t, nodes.all[others.length % 2], event.id, { header: one.id }).adopt(one), from: { seats: [...one.seats], areas: new Map(one.areas) } });
            }
            if (step === 80) await rows('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()');
        };
        for (const follower of followers) await follower.last.opened();
        await traffic({ event, asks, organizer: stubborn(() => nodes.all, nodes.a.admin.token), steps: 160, between });
        for (const [i, follower] of followers.entries()) await settled(nodes.all[i % 2], event, () => follower.last);
        const timeline = await timelineOf(nodes.a, event);
        assert.ok(timeline.changes > 50, `only ${timeline.changes} changes`);
        for (const follower of followers) assert.deepEqual(follower.faults(timeline), []);
        assert.ok(others.length > 0);
        for (const { listener, from } of others) {
            await settled(nodes.a, event, listener);
            assert.deepEqual(timeline.faults(listener.record, { from }), []);
        }
        await nodes.stop();
    });
});
