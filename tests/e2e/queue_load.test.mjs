/*
 * T11 under load: the cap is held at every moment that a look at the rows can see, through kill -9 and a lower cap, by many who come, go, hold and pay at
 * once; on PostgreSQL by two nodes. The control: with the count taken away, the same crowd is more than the cap.
 */
import test, { describe } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { newKey } from './lib/api.mjs';
import { isPostgres, storeOf } from './lib/store.mjs';
import { until } from './lib/wait.mjs';
import { iso, makeManyUsers, plan } from './lib/seed.mjs';
import { drawOf, join, numberOf, poll, roomedSale, withToken } from './lib/queue.mjs';

const CAP = 5;
const SALE = { plan: plan({ rows: 2, seats: 100 }), prices: { front: 0, back: 0 }, limits: { per_account: 100 } };
/* Those who count, as the database itself says it; nobody's own counter. */
const INSIDE = 'SELECT COUNT(*) FROM queue_entry WHERE state = 3 OR holds > 0';

/* Somebody who joins, waits, and when it is their turn leaves, pays, or holds and gives back; until they are done. What breaks on the way is tried again. */
async function visit(api, event, how, nodes) {
    const at = (i) => Object.assign(nodes[i % nodes.length].as(api.token), { entryId: api.entryId });
    const patiently = (call) => until(async () => {
        const answer = await call().catch(() => null);
        return answer && answer.status < 500 && answer.status !== 429 && answer;
    }, { what: 'an answer' });
    let turn = how;
    const joined = await patiently(() => at(turn++).post(event.queuePath));
    assert.ok([200, 201].includes(joined.status), joined.text);
    api.entryId = joined.json.id;
    const entry = await until(async () => {
        const answer = await patiently(() => at(turn++).get(`${event.queuePath}/${api.entryId}`));
        return answer.json.state !== 'pre' && answer.json.state !== 'waiting' && answer.json;
    }, { every: 80, timeout: 120000, what: 'a turn' });
    if (entry.state !== 'admitted') return;
    const leave = () => patiently(() => at(turn++).delete(`${event.queuePath}/${api.entryId}`));
    if (how % 3 === 0) return leave();
    const key = newKey();
    const seats = [`S1-R${1 + (how % 2)}-${1 + (how % 100)}`];
    const held = await patiently(() => at(turn++).call('POST', '/v1/bookings', { event_id: event.id, seat_ids: seats }, { key, ...withToken(entry.token), unchecked: true }));
    if (held.status !== 201) return leave();
    if (how % 3 === 1) return patiently(() => at(turn++).post(`/v1/bookings/${held.json.id}/checkout`));
    await patiently(() => at(turn++).delete(`/v1/bookings/${held.json.id}`));
    return leave();
}

/* Looks at the rows until told to stop: the most that were in at once. */
function sampled(server) {
    const seen = { most: 0, looks: 0, isOver: false };
    seen.done = (async () => {
        while (!seen.isOver) {
            const inside = await numberOf(server, INSIDE).catch(() => 0);
            seen.most = Math.max(seen.most, inside);
            seen.looks++;
            await new Promise((resolve) => setTimeout(resolve, 20)); /* the server has the same cores */
        }
    })();
    return seen;
}

async function crowd(server, event, nodes, between = async () => {}) {
    const people = await makeManyUsers(server, 27);
    const look = sampled(server);
    const visits = people.map((api, i) => visit(api, event, i, nodes));
    await between();
    await Promise.all(visits);
    look.isOver = true;
    await look.done;
    return look;
}

const openSale = async (server, settings) => roomedSale(server, { admit_per_minute: 6000, ...settings }, { ...SALE, onsale_at: iso((await server.now()) - 1000) });

describe('the cap', () => {
    test('is never exceeded, through kill -9 and a cap that is lowered', async (t) => {
        const server = await Foyer.start({ args: ['--abuse=off'] });
        t.after(() => server.stop());
        const event = await openSale(server, { admitted_max: CAP });
        const look = await crowd(server, event, [server], async () => {
            await until(async () => (await numberOf(server, 'SELECT COUNT(*) FROM queue_entry WHERE state > 3')) > 5, { what: 'some to have gone' });
            await server.kill9();
            await server.start();
            await until(async () => (await server.admin.patch(`/v1/events/${event.id}`, { queue: { admitted_max: CAP - 2 } }).catch(() => ({}))).status === 200, { what: 'the lower cap' });
        });
        assert.ok(look.most > 1 && look.most <= CAP, `${look.most} people were in at once`);
        assert.ok(look.looks > 10);
        const { code, findings } = await server.audit();
        assert.deepEqual([code, findings], [0, []]);
        const caps = (await server.sql('SELECT DISTINCT amount FROM queue_log WHERE kind = 2 ORDER BY amount')).map(([cap]) => Number(cap));
        assert.ok(caps.includes(CAP) && caps.every((cap) => cap === CAP || cap === CAP - 2), `${caps}`);
    });

    test('is what holds them back: control with rows that do not count', async (t) => {
        const server = await Foyer.start({ args: ['--abuse=off'] });
        t.after(() => server.stop());
        const event = await openSale(server, { admitted_max: CAP });
        /* What the guard counts is busy_until; without it everybody is let in as fast as the others are seen to leave memory's own count. */
        await server.sql({
            sqlite: 'CREATE TRIGGER guard_off AFTER UPDATE OF state ON queue_entry WHEN NEW.state = 3 BEGIN UPDATE queue_entry SET busy_until = 1 WHERE event_id = NEW.event_id AND id = NEW.id; END',
            postgres: `CREATE FUNCTION queue_guard_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.state = 3 THEN NEW.busy_until = 1; END IF; RETURN NEW; END $$;
                CREATE TRIGGER guard_off BEFORE UPDATE ON queue_entry FOR EACH ROW EXECUTE FUNCTION queue_guard_off()`,
        });
        const people = await makeManyUsers(server, 15);
        for (const api of people) await join(api, event);
        await until(async () => (await numberOf(server, INSIDE)) > CAP, { what: 'more than the cap' });
        assert.equal((await server.audit({ isAlone: true })).code, 1);
    });

    test('is one for two nodes, who see each other\'s people', { skip: !isPostgres && 'SQLite has one node' }, async (t) => {
        const a = await Foyer.start({ args: ['--abuse=off'] });
        t.after(() => a.stop());
        const b = await Foyer.start({ args: ['--abuse=off'], store: storeOf(a.dir) });
        t.after(() => b.stop());
        const now = await a.now();
        assert.ok(Math.abs(now - (await b.now())) < 5000);
        const event = await roomedSale(a, { admitted_max: CAP, admit_per_minute: 6000 }, { ...SALE, onsale_at: iso(now + 2500) });
        const early = await makeManyUsers(a, 10);
        for (const [i, api] of early.entries()) await join(Object.assign([a, b][i % 2].as(api.token)), event).then((joined) => (api.entryId = joined.entryId));
        const { order } = await drawOf(b, event);
        assert.equal(order.length, 10);
        /* Both nodes say the same of everybody, wherever they joined. */
        for (const api of early.slice(0, 10))
            await until(async () => {
                const [one, other] = await Promise.all([a, b].map((node) => poll(Object.assign(node.as(api.token), { entryId: api.entryId }), event)));
                return one.state === other.state && one.position === other.position && one.state !== 'pre';
            }, { what: 'both nodes to agree' });
        for (const api of early) await until(async () => (await b.as(api.token).delete(`${event.queuePath}/${api.entryId}`)).status === 204, { what: 'leaving' });
        const look = await crowd(a, event, [a, b], async () => {
            await until(async () => (await numberOf(a, 'SELECT COUNT(*) FROM queue_entry WHERE state > 3')) > 13, { what: 'some to have gone' });
            await a.kill9(); /* the steward, perhaps: the other one goes on */
            await a.start();
        });
        assert.ok(look.most > 1 && look.most <= CAP, `${look.most} people were in at once`);
        const { code, findings } = await a.audit();
        assert.deepEqual([code, findings], [0, []]);
    });
});
