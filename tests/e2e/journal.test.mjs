/* T16: the published head of an event's journal, recomputed from the rows by other means than the server's own. */
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { Foyer } from './lib/server.mjs';
import { bought, held, makeUser, plan, sale } from './lib/seed.mjs';

let server;
let fan;
let event;
before(async () => {
    server = await Foyer.start();
    fan = await makeUser(server);
    event = await sale(server, { plan: plan({ rows: 1, seats: 20 }) });
});
after(() => server.stop());

const headOf = async () => (await server.anonymous.get(`/v1/events/${event.id}/journal-head`)).json;

function big(number) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(number));
    return bytes;
}

/* As src/store/journal.h describes it. */
function recompute(rows) {
    let hash = Buffer.alloc(32);
    for (const row of rows) {
        const type = Buffer.from(row.type);
        hash = crypto.createHash('sha256')
            .update(Buffer.concat([hash, big(row.shard), big(row.version), big(row.at_ms), Buffer.from([type.length]), type, Buffer.from(row.data)]))
            .digest();
        assert.equal(hash.toString('hex').toUpperCase(), row.hash, `row ${row.seq}`);
    }
    return hash.toString('hex');
}

async function rowsOfEvent() {
    const rows = await server.sql(`SELECT seq, shard, version, at_ms, type, data, hex(hash) FROM journal
        WHERE shard = (SELECT shard FROM journal WHERE type = 'event.published') ORDER BY seq`);
    return rows.map(([seq, shard, version, at, type, data, hash]) => ({ seq, shard, version: Number(version), at_ms: at, type, data, hash }));
}

test('the head is what the rows give, and every change moves it', async () => {
    const before = await headOf();
    await bought(server, fan, event.id, ['S1-R1-1', 'S1-R1-2']);
    await held(fan, event.id, ['S1-R1-3']);
    const rows = await rowsOfEvent();
    const head = await headOf();
    assert.ok(head.version > before.version);
    assert.notEqual(head.hash, before.hash);
    assert.deepEqual(rows.map((row) => row.version), rows.map((_, index) => index + 1), 'versions have no gap');
    assert.equal(head.version, rows.length);
    assert.equal(recompute(rows), head.hash);
    /* What was published before is still in the chain. */
    assert.equal(rows[before.version - 1].hash.toLowerCase(), before.hash);
});

test('a changed row no longer gives the head', async () => {
    const rows = await rowsOfEvent();
    const forged = rows.map((row) => (row.type === 'booking.held' ? { ...row, data: row.data.replace('"seats":', '"seats": ') } : row));
    assert.throws(() => recompute(forged));
});

test('nobody sees the head of a draft or of an event that is not there', async () => {
    assert.equal((await server.anonymous.get('/v1/events/evt_0000000000001/journal-head')).status, 404);
});
