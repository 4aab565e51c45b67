/*
 * The bridge: what happens in tickets reaches the organizer's endpoints, exactly one message a row of the journal, worded as the
 * event types say, whoever crashes in between.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { Receiver, VERIFIERS, startHooks } from './lib/receivers.mjs';
import { Nodes } from './lib/nodes.mjs';
import { Postgres } from './lib/postgres.mjs';
import { playSeason } from './lib/season.mjs';
import { bought, held, makeUser, plan, sale, ticketsOf } from './lib/seed.mjs';
import { isPostgres } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

/* The journal's name of what has another one here. */
const RENAMED = {
    'ticket.used': 'ticket.checked_in',
    'refund.requested': 'payment.refund_requested',
    'refund.succeeded': 'payment.refunded',
    'refund.failed': 'payment.refund_failed',
};
/* Rows that organizers are not told. */
const SILENT = new Set(['payment.created', 'payment.mismatch', 'booking.confirmation_failed', 'seats.blocked', 'seats.unblocked', 'areas.added', 'venue.created',
    'ticket.scanned', 'queue.opened', 'queue.closed']);

const ok = (answer, wanted = 200) => {
    assert.equal(answer.status, wanted, answer.text);
    return answer.json;
};

/* All messages of the application, through every page. */
async function messagesOf(api, app = 'tickets') {
    const all = [];
    for (let iterator = ''; ; ) {
        const page = ok(await api.get(`/api/v1/app/${app}/msg?limit=250${iterator && `&iterator=${iterator}`}`));
        all.push(...page.data);
        if (page.done) return all;
        iterator = page.iterator;
    }
}

/* seq, type and event of the rows that are told. */
const rowsOf = async (server, after = 0) =>
    (await server.sql(`SELECT seq, type FROM journal WHERE seq > ${after} ORDER BY seq`))
        .map(([seq, type]) => ({ seq, type: RENAMED[type] ?? type }))
        .filter(({ type }) => !SILENT.has(type));

const seqOf = (message) => message.eventId.split('-')[1];
const byText = (a, b) => (a < b ? -1 : a > b);
const lines = (list, seq) => list.map((item) => `${seq(item)} ${item.type ?? item.eventType}`).sort(byText);

/* Every row has its message, and no message is left over. */
async function assertOneEach(server, api = server.admin, after = 0) {
    await until(async () => (await messagesOf(api)).length >= (await rowsOf(server, after)).length, { what: 'a message for every row' });
    await server.restart();
    const messages = await messagesOf(api);
    assert.deepEqual(lines(messages, seqOf), lines(await rowsOf(server, after), ({ seq }) => seq));
    assert.equal(new Set(messages.map(({ eventId }) => eventId)).size, messages.length);
    return messages;
}

/* The bridge has read all that there is. */
const isRead = (server) => until(async () => {
    const last = Number((await server.sql('SELECT max(seq) FROM journal'))[0][0]);
    return (await server.metric('foyer_consumer_cursor', 'bridge')) >= last;
}, { what: 'the journal to be read' });

const endpoint = async (api, url, body = {}) => ok(await api.post('/api/v1/app/tickets/endpoint', { url, ...body }), 201);
const listening = async (server, receiver) => {
    ok(await server.admin.post('/api/v1/app', { name: 'Tickets', uid: 'tickets' }), 201);
    return endpoint(server.admin, receiver.url);
};

describe('a season', () => {
    let server, receiver, messages, user;
    before(async () => {
        server = await startHooks();
        receiver = await Receiver.start();
        await listening(server, receiver);
        ({ user } = await playSeason(server));
        messages = await assertOneEach(server);
    });
    after(async () => {
        await server.stop();
        receiver.stop();
    });

    test('payloads are as the event types say', async () => {
        const types = ok(await server.admin.get('/api/v1/event-type?limit=250&with_content=true')).data;
        const ajv = addFormats(new Ajv({ strict: true, allErrors: true, allowUnionTypes: true }));
        const checks = new Map(types.map(({ name, description, schemas }) => {
            assert.ok(description.length > 10, name);
            const check = ajv.compile(schemas[1]);
            for (const example of schemas[1].examples) assert.ok(check(example), `${name}: ${JSON.stringify(check.errors)}`);
            return [name, check];
        }));
        for (const { eventType, payload } of messages)
            assert.ok(checks.get(eventType)?.(payload), `${eventType}: ${JSON.stringify(checks.get(eventType)?.errors)} ${JSON.stringify(payload)}`);
        /* Control: another type's payload is refused. */
        const some = messages.find(({ eventType }) => eventType === 'booking.held').payload;
        assert.equal(checks.get('booking.confirmed')(some), false);
        const seen = new Set(messages.map(({ eventType }) => eventType));
        assert.deepEqual([...checks.keys()].filter((name) => !seen.has(name)), ['booking.extended', 'event.updated', 'payment.refund_failed'].filter((name) => !seen.has(name)));
    });

    test('they say what the API says', async () => {
        const { payload } = messages.find(({ eventType, payload: { data } }) => eventType === 'booking.confirmed' && data.areas.length > 0 && data.seats.length > 0);
        const booking = ok(await server.admin.get(`/v1/bookings/${payload.data.booking_id}`));
        const { seats, areas, amount, currency, event } = booking;
        assert.deepEqual({ ...payload.data, sequence: 0 }, { booking_id: booking.id, status: 'confirmed', seats, areas, amount, currency,
            payment_id: booking.payment.id, event: { id: event.id, name: event.name, starts_at: event.starts_at }, sequence: 0 });
        const used = messages.find(({ eventType }) => eventType === 'ticket.checked_in').payload.data;
        const [ticket] = (await ticketsOf(server.admin, used.booking_id)).filter(({ id }) => id === used.ticket_id);
        assert.deepEqual([used.seat, used.area, used.gate], [ticket.seat, ticket.area, 'north']);
    });

    test('what happened to one event is numbered in its order', () => {
        const last = new Map();
        for (const { payload: { data } } of [...messages].sort((a, b) => Number(BigInt(seqOf(a)) - BigInt(seqOf(b))))) {
            assert.ok(data.sequence > (last.get(data.event.id) ?? 0));
            last.set(data.event.id, data.sequence);
        }
        assert.ok(last.size >= 4);
    });

    test('nobody is named', () => {
        const text = JSON.stringify(messages);
        for (const secret of [user.email, user.user.id, user.user.name, '"account', 'provider_ref']) assert.ok(!text.includes(secret), secret);
    });

    test('all of it is delivered and signed', async () => {
        await until(() => messages.every(({ id }) => receiver.ids.has(id)), { what: 'all messages to be delivered' });
        const { data: [{ id }] } = ok(await server.admin.get('/api/v1/app/tickets/endpoint'));
        const { key } = ok(await server.admin.get(`/api/v1/app/tickets/endpoint/${id}/secret`));
        const message = messages.find(({ eventType }) => eventType === 'payment.refunded');
        const delivery = receiver.deliveries.find((one) => one.id === message.id);
        const clock = Date.now;
        try {
            Date.now = () => Number(delivery.headers['webhook-timestamp']) * 1000; /* the server's clock was moved */
            assert.deepEqual(VERIFIERS.standardwebhooks(delivery, key), message.payload);
        } finally {
            Date.now = clock;
        }
    });
});

describe('organizers', () => {
    let server, receiver;
    before(async () => {
        server = await startHooks();
        receiver = await Receiver.start();
    });
    after(async () => {
        await server.stop();
        receiver.stop();
    });
    const organizer = () => makeUser(server, { roles: ['organizer'] });
    const appOf = (api) => until(async () => ok(await api.get('/api/v1/app')).data.find(({ uid }) => uid === 'tickets'), { what: 'the application' });

    test('each finds an application of its own, and hears of its own events alone, from the time it listens', async () => {
        const [one, other] = [await organizer(), await organizer()];
        const event = await sale(server, { api: one });
        const app = await appOf(one);
        await isRead(server);
        assert.equal((await other.get(`/api/v1/app/${app.id}`)).status, 404);
        assert.deepEqual(ok(await other.get('/api/v1/app')).data, []);
        assert.deepEqual(await messagesOf(one), [], 'nobody listened');
        const types = ok(await one.get('/api/v1/event-type?limit=250')).data.map(({ name }) => name);
        assert.ok(types.includes('booking.held') && types.includes('ticket.checked_in'));
        await endpoint(one, receiver.url);
        const foreign = await sale(server, { api: other });
        await appOf(other);
        await isRead(server);
        assert.deepEqual(await messagesOf(one), [], 'about others');
        await endpoint(other, receiver.url);
        const buyer = await makeUser(server);
        const bookings = [await held(buyer, event.id, ['S1-R1-1']), await held(buyer, foreign.id, ['S1-R1-1'])];
        for (const [i, api] of [one, other].entries()) {
            const [message, ...rest] = await until(async () => { const list = await messagesOf(api); return list.length > 0 && list; }, { what: 'a message' });
            assert.deepEqual([message.eventType, message.payload.data.booking_id, rest], ['booking.held', bookings[i].id, []]);
        }
    });

    test('an endpoint may listen to one event', async () => {
        const one = await organizer();
        const events = [await sale(server, { api: one }), await sale(server, { api: one })];
        await appOf(one);
        await isRead(server);
        const [all, single] = [await Receiver.start(), await Receiver.start()];
        await endpoint(one, all.url, { eventTypes: ['booking.*'] });
        await endpoint(one, single.url, { channels: [events[1].id] });
        const buyer = await makeUser(server);
        for (const { id } of events) await bought(server, buyer, id, ['S1-R1-1']);
        await all.count(6);
        await until(() => single.deliveries.some(({ body }) => JSON.parse(body).type === 'booking.confirmed'), { what: 'the single event' });
        const heard = new Set(single.deliveries.map(({ body }) => JSON.parse(body).data.event.id));
        assert.deepEqual([...heard], [events[1].id]);
        assert.deepEqual(new Set(all.deliveries.map(({ body }) => JSON.parse(body).type.split('.')[0])), new Set(['booking']));
        [all, single].forEach((each) => each.stop());
    });

    test('an application that was deleted is made again at need', async () => {
        const one = await organizer();
        const event = await sale(server, { api: one });
        const app = await appOf(one);
        await isRead(server);
        ok(await one.delete(`/api/v1/app/${app.id}`), 204);
        await held(await makeUser(server), event.id, ['S1-R1-1']);
        assert.notEqual((await appOf(one)).id, app.id);
    });
});

describe('crashes', () => {
    let server, receiver;
    before(async () => {
        server = await startHooks();
        receiver = await Receiver.start();
        await listening(server, receiver);
    });
    after(async () => {
        await server.stop();
        receiver.stop();
    });

    test('killed again and again, each row is one message', async () => {
        const event = await sale(server, { plan: plan({ rows: 4, seats: 30 }), limits: { per_account: 100 } });
        const buyer = await makeUser(server);
        for (let round = 0; round < 6; round++) {
            const holds = Array.from({ length: 12 }, (_, i) => buyer.hold(event.id, [`S1-R${1 + (round % 4)}-${1 + 12 * Math.floor(round / 4) + i}`]).catch(() => {}));
            const wanted = 1 + Math.floor(Math.random() * 12);
            await until(async () => (await messagesOf(server.admin).catch(() => [])).length >= wanted, { what: 'some messages' });
            await server.kill9();
            await Promise.all(holds);
            await server.start();
        }
        const messages = await assertOneEach(server);
        assert.ok(messages.length > 12);
        await until(() => messages.every(({ id }) => receiver.ids.has(id)), { what: 'all messages to be delivered' });
    });

    /* As after a crash between the commit of the messages and that of the cursor. */
    test('what is read twice is not told twice, as long as it is remembered', async () => {
        const before = await messagesOf(server.admin);
        const back = async (forgets) => {
            await server.stop();
            const last = (await server.sql('SELECT max(seq) FROM journal'))[0][0];
            await server.sql("UPDATE bridge_cursor SET seq = 0 WHERE name = 'tickets'", 'hooks');
            if (forgets) for (const slot of [0, 1, 2, 3]) await server.sql(`DELETE FROM event_seen_${slot}`, 'hooks');
            await server.start();
            await until(async () => (await server.sql("SELECT seq FROM bridge_cursor WHERE name = 'tickets'", 'hooks'))[0][0] === last, { what: 'the cursor at the end' });
        };
        await back(false);
        assert.deepEqual((await messagesOf(server.admin)).map(({ id }) => id), before.map(({ id }) => id));
        /* Control: without that memory all of it is told again. */
        await back(true);
        assert.equal((await messagesOf(server.admin)).length, 2 * before.length);
    });

    test('what happens while webhooks do not run is told later', async () => {
        const rows = await rowsOf(server);
        const after = rows.at(-1).seq;
        const args = server.args;
        const count = (await messagesOf(server.admin)).length;
        await server.stop();
        server.args = args.map((arg) => (arg === '--services=tickets,hooks' ? '--services=tickets' : arg));
        await server.start();
        await sale(server);
        await server.stop();
        server.args = args;
        await server.start();
        const more = (await rowsOf(server, after)).length;
        assert.equal(more, 2);
        await until(async () => (await messagesOf(server.admin)).length === count + more, { what: 'the messages' });
    });
});

test('the journal of a time before webhooks is not told', async () => {
    const server = await startHooks();
    const args = server.args;
    await server.stop();
    await server.sql('DELETE FROM bridge_cursor', 'hooks');
    server.args = args.map((arg) => (arg === '--services=tickets,hooks' ? '--services=tickets' : arg));
    await server.start();
    const event = await sale(server);
    await server.stop();
    server.args = args;
    await server.start();
    ok(await server.admin.post('/api/v1/app', { name: 'Tickets', uid: 'tickets' }), 201);
    await endpoint(server.admin, 'http://127.0.0.1:1/');
    await held(await makeUser(server), event.id, ['S1-R1-1']);
    const [message, ...rest] = await until(async () => { const list = await messagesOf(server.admin); return list.length > 0 && list; }, { what: 'a message' });
    assert.deepEqual([message.eventType, rest], ['booking.held', []]);
    await server.stop();
});

test('of two nodes one tells; when it dies the other goes on, and nothing is told twice', { skip: !isPostgres && 'nodes share PostgreSQL' }, async () => {
    const cluster = await Postgres.start();
    const options = { args: ['--services=tickets,hooks', '--hooks-allow-cidr=127.0.0.0/8'], env: { FOYER_HOOKS_KEY: '5a'.repeat(32) } };
    const nodes = await Nodes.start(cluster, options);
    const receiver = await Receiver.start();
    await listening(nodes.a, receiver);
    const event = await sale(nodes.a, { plan: plan({ rows: 4, seats: 30 }), limits: { per_account: 100 } });
    const buyer = await makeUser(nodes.a);
    const token = buyer.token;
    const steward = await nodes.steward();
    const other = nodes.other(steward);
    const sell = async (node, row) => {
        for (let seat = 1; seat <= 20; seat++) await held(node.as(token), event.id, [`S1-R${row}-${seat}`]);
    };
    await Promise.all([sell(steward, 1), sell(other, 2)]);
    await steward.kill9();
    await sell(other, 3);
    await until(async () => (await messagesOf(other.admin)).length >= (await rowsOf(other)).length, { timeout: 120000, what: 'a message for every row' });
    const messages = await messagesOf(other.admin);
    assert.deepEqual(lines(messages, seqOf), lines(await rowsOf(other), ({ seq }) => seq));
    assert.equal(messages.filter(({ eventType }) => eventType === 'booking.held').length, 60);
    receiver.stop();
    await nodes.end();
    await cluster.kill();
});

