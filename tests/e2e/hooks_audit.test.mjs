/* The audit of webhooks: a database with all that can have become of messages is clean; each corruption on purpose is named. */
import test, { before } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { run, tempDir } from './lib/server.mjs';
import { Receiver, attemptsOf, makeApp, makeEndpoint, messageEndpoint, sendMessage, startHooks } from './lib/receivers.mjs';
import { blob, copyData, isPostgres, query, removeData, sqliteOnly } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

const HOUR = 3600000;
const SUCCESS = 0;
const DEAD = 2;
const TWICE = { retrySchedule: [0, 36000] };

let dir;
let nn; /* of the day's tables */
before(async () => {
    const server = await startHooks();
    const receiver = await Receiver.start(({ body }, res) => res.writeHead(JSON.parse(body).isGood ? 204 : 503).end());
    const has = (app, message, status) => until(async () => (await messageEndpoint(server, app, message)).status === status, { what: `status ${status}` });
    const tried = (app, message) => until(async () => (await attemptsOf(server, app, message)).length > 0, { what: 'an attempt' });
    const app = await makeApp(server);
    const endpoint = await makeEndpoint(server, app, receiver.url, TWICE);
    const gone = await makeApp(server);
    const gonePoint = await makeEndpoint(server, gone, receiver.url, TWICE);
    const now = await server.now();
    await server.advance(24 * HOUR - (now % (24 * HOUR)) + 5 * HOUR); /* so that all is of one day */
    const dead = await sendMessage(server, app, { isGood: false }, { eventId: 'dead' });
    await tried(app, dead);
    await server.advance(12 * HOUR);
    await has(app, dead, DEAD);
    for (let i = 0; i < 3; i++) await has(app, await sendMessage(server, app, { isGood: true }), SUCCESS);
    await tried(app, await sendMessage(server, app, { isGood: false })); /* waits */
    const again = await sendMessage(server, app, { isGood: true });
    await has(app, again, SUCCESS);
    await server.admin.post(`/api/v1/app/${app.id}/msg/${again.id}/endpoint/${endpoint.id}/resend`, {});
    await until(async () => (await attemptsOf(server, app, again)).length === 2, { what: 'the second attempt' });
    await has(app, again, SUCCESS);
    /* What is given up when its endpoint goes, and what is kept of it. */
    await tried(gone, await sendMessage(server, gone, { isGood: false }));
    await server.admin.delete(`/api/v1/app/${gone.id}/endpoint/${gonePoint.id}`);
    await server.admin.post(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/secret/rotate`, {});
    dir = server.dir;
    const [[slot]] = await server.sql('SELECT slot FROM ring_slot ORDER BY day DESC LIMIT 1', 'hooks');
    nn = slot.padStart(2, '0');
    await until(async () => (await server.sql(`SELECT count(*) FROM delivery_${nn} WHERE next_at IS NOT NULL`, 'hooks')).join() === '1', { what: 'one to wait' });
    await server.stop();
    receiver.stop();
});

async function copy() {
    const target = path.join(tempDir(), 'data');
    await copyData(dir, target, ['tickets.db', 'hooks.db', 'hooks.key', 'sandbox']);
    return target;
}

async function audit(target, env = {}) {
    const { code, stdout, stderr } = await run(['audit', '--data', target, '--json'], { env });
    assert.doesNotMatch(stderr, /Sanitizer|runtime error/);
    const { findings = [], totals } = stdout ? JSON.parse(stdout) : {};
    return { code, stderr, findings, totals };
}

const names = (findings) => [...new Set(findings.map(({ check }) => check))].sort();

test('what has become of messages is no contradiction', async () => {
    const target = await copy();
    const { code, stderr, findings, totals } = await audit(target);
    assert.deepEqual({ code, stderr, findings }, { code: 0, stderr: '', findings: [] });
    assert.deepEqual([totals.hooks_messages, totals.hooks_waiting, totals.hooks_dead], [7, 1, 2]);
    await removeData(target);
});

const one = (table, column, where = '1 = 1') => `(SELECT min(${column}) FROM ${table}_NN WHERE ${where})`;
const WAITING = one('delivery', 'message_id', 'state = 1');
const TAKEN = one('delivery', 'message_id', 'state = 0 AND lane = 0');
const damages = {
    'a day in a slot that is not its own': ['UPDATE ring_slot SET day = day + 1 WHERE slot = (SELECT max(slot) FROM ring_slot)', ['hooks-day', 'hooks-ring']],
    'a period in a slot that is not its own': ['UPDATE seen_slot SET period = period + 1', ['hooks-ring']],
    'a message of another day': [`UPDATE message_NN SET id = id + 724775731200000 WHERE id = ${TAKEN}`, ['hooks-day', 'hooks-delivery-message']],
    'an attempt of another day': [`UPDATE attempt_NN SET message_id = message_id - 724775731200000 WHERE message_id = ${TAKEN}`, ['hooks-attempt', 'hooks-attempt-count', 'hooks-day', 'hooks-delivery-taken']],
    'a message that is gone': [`DELETE FROM message_NN WHERE id = ${WAITING}`, ['hooks-delivery-message']],
    'a delivery that is gone': [`DELETE FROM delivery_NN WHERE message_id = ${WAITING}`, ['hooks-attempt', 'hooks-backlog']],
    'a delivery to an endpoint of others': [
        `INSERT INTO endpoint SELECT 5, 77, version, NULL, url, description, disabled_by, failing_since, event_types, channels, metadata, headers, secret, throttle_rate, retry_schedule, signature_format, created_at, updated_at FROM endpoint LIMIT 1;
         INSERT INTO delivery_NN SELECT app_id, 77, message_id, 2, 0, NULL, 0, created_at, created_at FROM delivery_NN WHERE message_id = ${TAKEN}`,
        ['hooks-delivery-endpoint', 'hooks-orphan'],
    ],
    'a state that there is not': [`UPDATE delivery_NN SET state = 3 WHERE message_id = ${TAKEN}`, ['hooks-delivery-state']],
    'a lane that there is not': [`UPDATE delivery_NN SET lane = 3 WHERE message_id = ${TAKEN}`, ['hooks-delivery-state']],
    'a next attempt of what has ended': [`UPDATE delivery_NN SET next_at = 1 WHERE message_id = ${TAKEN}`, ['hooks-backlog', 'hooks-delivery-state']],
    'none of what waits': [`UPDATE delivery_NN SET next_at = NULL WHERE message_id = ${WAITING}`, ['hooks-backlog', 'hooks-delivery-state']],
    'an end of what waits': [`UPDATE delivery_NN SET ended_at = 1 WHERE message_id = ${WAITING}`, ['hooks-delivery-state']],
    'an attempt that is gone': [`DELETE FROM attempt_NN WHERE message_id = ${WAITING}`, ['hooks-attempt-count']],
    'one attempt too few that is counted': [`UPDATE delivery_NN SET attempts = 0 WHERE message_id = ${WAITING}`, ['hooks-attempt-count']],
    'one too many': [`UPDATE delivery_NN SET attempts = attempts + 1 WHERE message_id = ${one('delivery', 'message_id', 'state = 2')}`, ['hooks-attempt-count']],
    'a success that no attempt had': [`UPDATE delivery_NN SET state = 0, next_at = NULL, ended_at = 1 WHERE message_id = ${WAITING}`, ['hooks-backlog', 'hooks-delivery-taken']],
    'a success with status 500': [`UPDATE attempt_NN SET code = 500 WHERE message_id = ${TAKEN}`, ['hooks-attempt']],
    'an attempt of no kind': [`UPDATE attempt_NN SET trigger_type = 7 WHERE message_id = ${TAKEN}`, ['hooks-attempt']],
    'a count of what waits that is not so': ['UPDATE application_backlog SET pending = pending + 1 WHERE app_id = (SELECT min(app_id) FROM application_backlog)', ['hooks-backlog']],
    'no count of what waits': ['DELETE FROM application_backlog', ['hooks-backlog']],
    'an endpoint without its application': ['DELETE FROM application WHERE id IN (SELECT app_id FROM endpoint)', ['hooks-orphan']],
    'an old secret without its endpoint': ['UPDATE endpoint_old_secret SET endpoint_id = 1', ['hooks-orphan']],
    'an endpoint that can not be': ['UPDATE endpoint SET disabled_by = 9', ['hooks-endpoint']],
    'an endpoint twice': [
        'INSERT INTO endpoint SELECT (SELECT min(id) FROM application WHERE id NOT IN (SELECT app_id FROM endpoint)), id, version, NULL, url, description, disabled_by, failing_since, event_types, channels, metadata, headers, secret, throttle_rate, retry_schedule, signature_format, created_at, updated_at FROM endpoint',
        ['hooks-delivery-endpoint', 'hooks-endpoint-twice'],
    ],
    'a secret that was changed': [`UPDATE endpoint SET secret = ${blob(Buffer.alloc(72, 1))}`, ['hooks-sealed']],
    'an old secret that was changed': [`UPDATE endpoint_old_secret SET secret = ${blob(Buffer.alloc(72, 1))}`, ['hooks-sealed']],
    'headers that were changed': [`UPDATE endpoint SET headers = ${blob(Buffer.alloc(5, 1))}`, ['hooks-sealed']],
    'the index of what waits is gone': ['DROP INDEX delivery_NN_due', ['schema']],
    'a trigger': [
        { sqlite: 'CREATE TRIGGER other AFTER INSERT ON endpoint BEGIN DELETE FROM endpoint; END', postgres: 'CREATE TRIGGER other BEFORE UPDATE ON endpoint FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()' },
        ['schema'],
    ],
    'a table that is gone': ['DROP TABLE attempt_NN', ['hooks-attempt', 'hooks-attempt-count', 'hooks-day', 'hooks-delivery-taken', 'schema'], 2],
};

/* An audit on PostgreSQL makes a model of the schema first, which takes its time: there each question is answered once. */
const isAsked = (wanted, i, all) => !isPostgres || all.findIndex(([, [, other]]) => other.join() === wanted.join()) === i;

for (const [i, [what, [sql, wanted, code = 1]]] of Object.entries(damages).entries())
    test(what, { skip: !isAsked(wanted, i, Object.entries(damages)) && 'the same question' }, async () => {
        const target = await copy();
        const text = (isPostgres ? sql.postgres : sql.sqlite) ?? sql;
        await query(target, text.replaceAll('_NN', `_${nn}`), 'hooks');
        const outcome = await audit(target);
        /* On PostgreSQL a question that fails takes the snapshot with it, and with that the questions after it. */
        const found = names(outcome.findings).filter((name) => code === 1 || !isPostgres || wanted.includes(name));
        assert.deepEqual([found, outcome.code], [wanted, code], JSON.stringify(outcome.findings.slice(0, 5)));
        await removeData(target);
    });

test('without the key, and with another, it says so', async () => {
    const target = await copy();
    fs.rmSync(path.join(target, 'hooks.key'));
    const without = await audit(target);
    assert.equal(without.code, 1);
    assert.match(without.findings[0].finding, /there is no key/);
    assert.equal(fs.existsSync(path.join(target, 'hooks.key')), false, 'and makes none');
    const other = await audit(target, { FOYER_HOOKS_KEY: '5a'.repeat(32) });
    assert.deepEqual(names(other.findings), ['hooks-sealed']);
    assert.match(other.findings[0].finding, /does not open/);
    await removeData(target);
});

test('a damaged page is found', { skip: sqliteOnly('its pages') }, async () => {
    const target = await copy();
    const file = path.join(target, 'hooks.db');
    await query(target, 'PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE', 'hooks');
    const [[page]] = await query(target, `SELECT rootpage FROM sqlite_schema WHERE name = 'delivery_${nn}_due'`, 'hooks');
    const handle = fs.openSync(file, 'r+');
    fs.writeSync(handle, Buffer.alloc(512, 0xff), 0, 512, (Number(page) - 1) * 4096);
    fs.closeSync(handle);
    const { code, findings } = await audit(target);
    assert.ok(code > 0 && findings.length > 0);
});

test('where there are no webhooks nothing is asked', { skip: isPostgres && 'its schema is made by copying' }, async () => {
    const target = await copy();
    fs.rmSync(path.join(target, 'hooks.db'));
    const { code, totals } = await audit(target);
    assert.equal(code, 0);
    assert.equal('hooks_messages' in totals, false);
});
