/*
 * From tickets into chats: where an event gives its buyers a conversation with the organizer, each has one, and it says once what was bought and
 * what became of it, whoever crashes in between.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { Nodes } from './lib/nodes.mjs';
import { Postgres } from './lib/postgres.mjs';
import { Foyer } from './lib/server.mjs';
import { bought, held, makeUser, plan, sale, status, ticketsOf, unique } from './lib/seed.mjs';
import { isPostgres } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const SERVICES = '--services=tickets,chat';
const FREE = { prices: { front: 0, back: 0 }, limits: { per_account: 100 }, buyer_chat: true };
/* The rows of the journal that conversations are told, by the names that they have there. */
const TOLD = { 'booking.confirmed': 'booking.confirmed', 'tickets.revoked': 'tickets.revoked', 'refund.succeeded': 'payment.refunded', 'event.cancelled': 'event.cancelled' };

const start = (args = []) => Foyer.start({ args: [SERVICES, '--abuse=off', ...args] });
const ok = (answer, wanted = 200) => {
    assert.equal(answer.status, wanted, answer.text);
    return answer.json;
};
const organizer = (server) => makeUser(server, { name: 'Hall', roles: ['organizer'] });
/* A machine that is busy with much else may say so. */
const read = async (api, path) => ok(await until(async () => { const answer = await api.get(path); return answer.status !== 503 && answer; }, { what: path })).data;
const chatsOf = (api, eventId) => read(api, `/v1/chats?event_id=${eventId}`);
const entriesOf = (api, chatId) => read(api, `/v1/chats/${chatId}/messages?after=0&limit=200`);
const told = (entries) => entries.filter(({ type, body }) => type === 'system' && body.data).map(({ body }) => body);

/* Free of charge: confirmed at once. */
async function booked(api, eventId, seats) {
    const booking = await held(api, eventId, seats);
    const answer = await api.post(`/v1/bookings/${booking.id}/checkout`);
    assert.ok(answer.status < 300, answer.text);
    return status(api, booking.id, 'confirmed');
}

/* The bridge has read all that there is. */
const isRead = (server) => until(async () => {
    const last = Number((await server.sql('SELECT max(seq) FROM journal'))[0][0]);
    return (await server.metric('foyer_consumer_cursor', 'chat-bridge')) >= last;
}, { what: 'the journal to be read' });

const conversation = (api, eventId) => until(async () => (await chatsOf(api, eventId))[0], { what: 'the conversation' });

async function assertSound(server) {
    const audit = await server.audit();
    assert.equal(audit.code, 0, audit.stdout);
}

describe('conversations', () => {
    let server, hall, ada;
    before(async () => {
        server = await start();
        [hall, ada] = [await organizer(server), await makeUser(server, { name: 'Ada' })];
    });
    after(() => server.stop());

    test('a confirmed booking begins one, which says what was bought', async () => {
        const event = await sale(server, { api: hall, buyer_chat: true, name: 'Night of Strings' });
        assert.equal(event.buyer_chat, true);
        const hold = await held(ada, event.id, ['S1-R2-9']);
        await isRead(server);
        assert.deepEqual(await chatsOf(ada, event.id), [], 'a hold is none');
        const booking = await bought(server, ada, event.id, ['S1-R1-1', 'S1-R1-2']);
        const chat = await conversation(ada, event.id);
        assert.deepEqual([chat.type, chat.title, chat.event_id, chat.member_count, chat.role], ['group', 'Night of Strings', event.id, 2, 'member']);
        assert.deepEqual(chat.members.map(({ user_id: id, name, role }) => [id, name, role]).sort(), [[hall.user.id, 'Hall', 'owner'], [ada.user.id, 'Ada', 'member']].sort());
        const [entry, ...rest] = await entriesOf(ada, chat.id);
        assert.deepEqual([rest, entry.type, entry.sender_id, entry.body.event, chat.unread], [[], 'system', hall.user.id, 'booking.confirmed', 0]);
        const { booking_id: id, seats, amount, currency, event: about } = entry.body.data;
        assert.deepEqual([id, seats, amount, currency], [booking.id, booking.seats, booking.amount, booking.currency]);
        assert.deepEqual([about.id, about.name], [event.id, 'Night of Strings']);
        /* Both write there. */
        ok(await ada.post(`/v1/chats/${chat.id}/messages`, { client_id: unique(), body: 'Is there a cloakroom?' }), 201);
        const theirs = await conversation(hall, event.id);
        assert.deepEqual([theirs.id, theirs.unread, theirs.role], [chat.id, 1, 'owner']);
        ok(await hall.post(`/v1/chats/${chat.id}/messages`, { client_id: unique(), body: 'At the entrance.' }), 201);
        /* Another booking is told in the same one. */
        const again = await bought(server, ada, event.id, hold);
        await until(async () => told(await entriesOf(ada, chat.id)).length === 2, { what: 'the second booking' });
        assert.deepEqual((await entriesOf(ada, chat.id)).map(({ type }) => type), ['system', 'text', 'text', 'system']);
        assert.equal(told(await entriesOf(ada, chat.id))[1].data.booking_id, again.id);
        assert.deepEqual([(await chatsOf(ada, event.id)).length, (await chatsOf(hall, event.id)).length], [1, 1]);
    });

    test('each buyer has one of their own; events without them have none', async () => {
        const [one, other] = [await sale(server, { api: hall, ...FREE }), await sale(server, { api: hall, ...FREE })];
        const silent = await sale(server, { api: hall, ...FREE, buyer_chat: undefined });
        assert.equal(silent.buyer_chat, false, 'off by default');
        const bob = await makeUser(server, { name: 'Bob' });
        for (const [i, api] of [ada, bob].entries()) for (const event of [one, other, silent]) await booked(api, event.id, [`S1-R1-${1 + i}`]);
        await isRead(server);
        const [mine, his] = [await conversation(ada, one.id), await conversation(bob, one.id)];
        assert.notEqual(mine.id, his.id);
        assert.notEqual(mine.id, (await conversation(ada, other.id)).id);
        assert.deepEqual(await chatsOf(ada, silent.id), []);
        assert.deepEqual((await chatsOf(hall, one.id)).map(({ id }) => id).sort(), [mine.id, his.id].sort());
        assert.deepEqual(await chatsOf(await makeUser(server), one.id), []);
        assert.equal((await bob.get(`/v1/chats/${mine.id}`)).status, 404);
        /* Switched on later: for what is confirmed from then on. */
        ok(await hall.patch(`/v1/events/${silent.id}`, { buyer_chat: true }));
        await booked(bob, silent.id, ['S1-R2-1']);
        assert.equal(told(await entriesOf(bob, (await conversation(bob, silent.id)).id)).length, 1);
        await isRead(server);
        assert.deepEqual(await chatsOf(ada, silent.id), []);
        /* Nobody talks to oneself. */
        await booked(hall, one.id, ['S1-R2-2']);
        await isRead(server);
        assert.equal((await chatsOf(hall, one.id)).length, 2);
    });

    test('what becomes of a booking is told, and that the event is off', async () => {
        const event = await sale(server, { api: hall, buyer_chat: true, limits: { per_account: 100 } });
        const bob = await makeUser(server, { name: 'Bob' });
        const booking = await bought(server, ada, event.id, ['S1-R1-1', 'S1-R1-2']);
        await bought(server, bob, event.id, ['S1-R1-3']);
        const tickets = await ticketsOf(ada, booking.id);
        ok(await hall.post(`/v1/bookings/${booking.id}/refund`, { ticket_ids: [tickets[0].id] }), 202);
        const chat = await conversation(ada, event.id);
        await until(async () => told(await entriesOf(ada, chat.id)).length === 3, { what: 'the refund' });
        const [, revoked, refunded] = told(await entriesOf(ada, chat.id));
        assert.deepEqual([revoked.event, revoked.data.ticket_ids, revoked.data.booking_id], ['tickets.revoked', [tickets[0].id], booking.id]);
        assert.deepEqual([refunded.event, refunded.data.amount, refunded.data.booking_id], ['payment.refunded', tickets[0].price ?? revoked.data.amount, booking.id]);
        ok(await hall.post(`/v1/events/${event.id}/cancel`));
        const his = await conversation(bob, event.id);
        for (const [api, id] of [[ada, chat.id], [bob, his.id]])
            await until(async () => { const all = told(await entriesOf(api, id)).map(({ event: name }) => name); return all.includes('event.cancelled') && all.at(-1) === 'payment.refunded'; }, { what: 'the end of the event' });
        await isRead(server);
        assert.deepEqual(told(await entriesOf(bob, his.id)).map(({ event: name }) => name).sort(), ['booking.confirmed', 'event.cancelled', 'payment.refunded', 'tickets.revoked']);
        assert.deepEqual(told(await entriesOf(ada, chat.id)).map(({ event: name }) => name).sort(),
            ['booking.confirmed', 'event.cancelled', 'payment.refunded', 'payment.refunded', 'tickets.revoked', 'tickets.revoked']);
    });

    test('who has left comes back with the next booking, and sees what is told from then on', async () => {
        const event = await sale(server, { api: hall, ...FREE });
        await booked(ada, event.id, ['S1-R1-1']);
        const chat = await conversation(ada, event.id);
        assert.equal((await ada.delete(`/v1/chats/${chat.id}/members/${ada.user.id}`)).status, 204);
        assert.deepEqual(await chatsOf(ada, event.id), []);
        const booking = await booked(ada, event.id, ['S1-R1-2']);
        assert.equal((await conversation(ada, event.id)).id, chat.id);
        const entries = await entriesOf(ada, chat.id);
        assert.deepEqual(entries.map(({ body }) => body.event), ['added', 'booking.confirmed']);
        assert.equal(entries[1].body.data.booking_id, booking.id);
        /* All have left: the next one is new. */
        for (const api of [ada, hall]) assert.equal((await api.delete(`/v1/chats/${chat.id}/members/${api.user.id}`)).status, 204);
        await booked(ada, event.id, ['S1-R1-3']);
        const next = await conversation(ada, event.id);
        assert.notEqual(next.id, chat.id);
        assert.equal(told(await entriesOf(hall, next.id)).length, 1);
        await assertSound(server);
    });

    test('none is made between two who do not talk, or beyond the most that one may have; nothing stops for that', async () => {
        const event = await sale(server, { api: hall, ...FREE });
        const [bob, cleo, dan] = [await makeUser(server), await makeUser(server), await makeUser(server)];
        assert.equal((await bob.put(`/v1/blocks/${hall.user.id}`)).status, 204);
        const first = ok(await cleo.post('/v1/chats', { type: 'group', title: 'x' }), 201);
        const [[userId]] = await server.sql('SELECT MAX(user_id) FROM chat_member WHERE chat_id = (SELECT MAX(id) FROM chat)', 'chat');
        const rows = Array.from({ length: 999 }, (_, i) => `(${i + 1}, ${userId}, 0, 'x', 0, 0, 0, 0, 0)`).join(', ');
        assert.ok(first.id);
        await server.sql(`INSERT INTO chat_member (chat_id, user_id, role, name, joined_seq, joined_at, delivered_seq, read_seq, read_texts) VALUES ${rows}`, 'chat');
        const refused = await server.metric('foyer_chat_told_refused_total');
        for (const [i, api] of [bob, cleo, dan].entries()) await booked(api, event.id, [`S1-R1-${1 + i}`]);
        await conversation(dan, event.id);
        await isRead(server);
        assert.deepEqual([await chatsOf(bob, event.id), await chatsOf(cleo, event.id)], [[], []]);
        assert.equal(await server.metric('foyer_chat_told_refused_total'), refused + 2);
    });

    test('lists are told which field is wrong', async () => {
        const answer = await ada.get('/v1/chats?event_id=evt_1');
        assert.equal(answer.status, 422);
        assert.deepEqual(answer.json.errors.map(({ field }) => field), ['event_id']);
        assert.deepEqual(await chatsOf(ada, 'evt_0000000000001'), []);
        const event = await sale(server, { api: hall });
        assert.equal((await hall.patch(`/v1/events/${event.id}`, { buyer_chat: 'yes' })).status, 422);
    });
});

/* Each row that is to be told is there once, in the order of the journal, and nothing else is; for events whose buyers are all api. */
async function assertOneEach(server, api, eventId, minimum) {
    const rows = async () => (await server.sql('SELECT seq, type, shard FROM journal ORDER BY seq')).filter(([, type]) => TOLD[type]).map(([, type]) => TOLD[type]);
    const entries = async () => {
        const [chat] = await chatsOf(api, eventId);
        return chat ? told(await entriesOf(api, chat.id)) : [];
    };
    await until(async () => (await entries()).length >= (await rows()).length, { what: 'an entry for every row' });
    await isRead(server);
    const [all, wanted] = [await entries(), await rows()];
    assert.deepEqual(all.map(({ event }) => event), wanted);
    assert.ok(all.length >= minimum, `${all.length}`);
    assert.equal(new Set(all.map((body) => JSON.stringify(body))).size, all.length);
    assert.equal((await chatsOf(api, eventId)).length, 1);
    return all;
}

describe('crashes', () => {
    let server, hall, ada, event;
    before(async () => {
        server = await start();
        hall = await organizer(server);
        ada = await makeUser(server);
        event = await sale(server, { api: hall, plan: plan({ rows: 4, seats: 30 }), ...FREE });
    });
    after(() => server.stop());

    test('killed again and again, each fact is one entry', async () => {
        let seats = 0, sure = 0;
        for (let round = 0; round < 5; round++) {
            const bookings = Array.from({ length: 10 }, () => {
                const seat = `S1-R${1 + Math.floor(seats / 30)}-${1 + seats++ % 30}`;
                return booked(ada, event.id, [seat]).then(() => { sure++; }).catch(() => {});
            });
            const wanted = sure + 1 + Math.floor(Math.random() * 8);
            await until(async () => sure >= wanted, { what: 'some bookings' });
            await server.kill9();
            await Promise.all(bookings);
            await server.start();
        }
        await assertOneEach(server, ada, event.id, sure);
        await assertSound(server);
    });

    /* As after a crash between the commit of the entries and that of the cursor. */
    test('what is read twice is not told twice, as long as it is remembered', async () => {
        const chat = await conversation(ada, event.id);
        const before = await entriesOf(ada, chat.id);
        const back = async (forgets) => {
            await server.stop();
            const last = (await server.sql('SELECT max(seq) FROM journal'))[0][0];
            await server.sql("UPDATE bridge_cursor SET seq = 0 WHERE name = 'tickets'", 'chat');
            if (forgets) for (const slot of [0, 1, 2, 3]) await server.sql(`DELETE FROM sent_${slot}`, 'chat');
            await server.start();
            await until(async () => (await server.sql("SELECT seq FROM bridge_cursor WHERE name = 'tickets'", 'chat'))[0][0] === last, { what: 'the cursor at the end' });
        };
        await back(false);
        assert.deepEqual((await entriesOf(ada, chat.id)).map(({ id }) => id), before.map(({ id }) => id));
        /* Control: without that memory all of it is told again. */
        await back(true);
        assert.equal((await entriesOf(ada, chat.id)).length, 2 * before.length);
    });

    test('what happens while chat does not run is told later, also of conversations that begin then', async () => {
        const args = server.args;
        const bob = await makeUser(server);
        await server.stop();
        server.args = args.map((arg) => (arg === SERVICES ? '--services=tickets' : arg));
        await server.start();
        const other = await sale(server, { api: hall, buyer_chat: true });
        const bookings = [await bought(server, bob, other.id, ['S1-R1-1']), await bought(server, bob, other.id, ['S1-R1-2'])];
        ok(await hall.post(`/v1/bookings/${bookings[0].id}/refund`, {}), 202);
        await status(bob, bookings[0].id, 'refunded');
        ok(await hall.post(`/v1/events/${other.id}/cancel`));
        await status(bob, bookings[1].id, 'refunded');
        await server.stop();
        server.args = args;
        await server.start();
        const chat = await conversation(bob, other.id);
        await isRead(server);
        const all = told(await entriesOf(bob, chat.id));
        const [one, two] = bookings.map(({ id }) => id);
        assert.deepEqual(all.map(({ event, data }) => [event, data.booking_id]), [
            ['booking.confirmed', one], ['booking.confirmed', two], ['tickets.revoked', one], ['payment.refunded', one], ['event.cancelled', undefined], ['tickets.revoked', two], ['payment.refunded', two],
        ]);
    });
});

test('of two nodes one tells; when it dies the other goes on, and nothing is told twice', { skip: !isPostgres && 'nodes share PostgreSQL' }, async () => {
    const cluster = await Postgres.start();
    const nodes = await Nodes.start(cluster, { args: [SERVICES] });
    const hall = await organizer(nodes.a);
    const ada = await makeUser(nodes.a);
    const event = await sale(nodes.a, { api: hall, plan: plan({ rows: 4, seats: 30 }), ...FREE });
    const steward = await nodes.steward('chat');
    const other = nodes.other(steward);
    const sell = async (node, row) => {
        for (let seat = 1; seat <= 15; seat++) await booked(node.as(ada.token), event.id, [`S1-R${row}-${seat}`]);
    };
    await Promise.all([sell(steward, 1), sell(other, 2)]);
    await steward.kill9();
    await sell(other, 3);
    await until(async () => (await nodes.steward('chat')) === other, { timeout: 120000, what: 'another steward' });
    const all = await assertOneEach(other, other.as(ada.token), event.id, 45);
    assert.equal(all.length, 45);
    await nodes.end();
    await cluster.kill();
});
