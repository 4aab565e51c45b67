/* T14: an event's sale is played through beside the real one: the report says what happened, the event stays as it was, and nothing is left behind. */
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { environment, FOYER, Foyer, run, tempDir } from './lib/server.mjs';
import { held, makeManyUsers, plan, sale, seatStates } from './lib/seed.mjs';
import { dump, storeEnvironment } from './lib/store.mjs';
import { until } from './lib/wait.mjs';

let server;
let fan;
before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    [fan] = await makeManyUsers(server, 1);
});
after(() => server.stop());

const small = ['--people', '60', '--arrivals', '60', '--ramp', '0', '--seconds', '60'];

/* Runs it in a temporary directory of its own: {code, stdout, stderr, report, left: what it left there}. */
async function rehearse(event, more = []) {
    const tmp = tempDir();
    const file = path.join(tempDir(), 'report.json');
    const result = await run(['rehearse', '--data', server.dir, '--event', event.id, ...small, '--json', file, ...more], { env: { TMPDIR: tmp } });
    return { ...result, report: fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : null, left: fs.readdirSync(tmp) };
}

test('a sale is played through to the last seat beside a running server, whose own one stays as it is', async () => {
    const event = await sale(server, { plan: plan({ rows: 5, seats: 10, areas: [{ guid: 'floor', capacity: 10 }] }) });
    assert.equal((await server.admin.post(`/v1/events/${event.id}/blocks`, { seat_ids: ['S1-R1-1', 'S1-R1-2'] })).status, 200);
    await held(fan, event.id, ['S1-R2-1', 'S1-R2-2']);
    const states = await seatStates(server.anonymous, event.id);
    const before = await dump(server.dir, 'tickets', ['event', 'booking', 'seat_claim', 'venue']);
    const { code, stdout, stderr, report, left } = await rehearse(event);
    assert.equal(code, 0, stderr + stdout);
    assert.equal(report.event_id, event.id);
    assert.equal(report.places, 58, 'what is blocked is so in the rehearsal, what is held is not');
    assert.equal(report.places_taken, 58);
    assert.equal(report.granted, 29);
    assert.equal(report.bought, 29);
    assert.equal(report.arrived, 60);
    assert.equal(report.sold_twice, 0);
    assert.deepEqual(report.refusals, { 'seats-unavailable': 31 });
    assert.ok(report.sold_out_seconds > 0);
    assert.equal(report.hold_ms.count, 60);
    assert.ok(report.hold_ms.p50 > 0 && report.hold_ms.p50 <= report.hold_ms.p99);
    assert.match(stdout, /safe admission rate/);
    assert.match(stdout, /sold twice +0/);
    assert.deepEqual(left, []);
    assert.deepEqual(await seatStates(server.anonymous, event.id), states);
    assert.equal(await dump(server.dir, 'tickets', ['event', 'booking', 'seat_claim', 'venue']), before);
});

test('where the event has a waiting room, people come through it', async () => {
    const event = await sale(server, { plan: plan({ rows: 4, seats: 10 }), waiting_room: 'on', queue: { admit_per_minute: 6000, admitted_max: 50 } });
    const { code, stdout, stderr, report, left } = await rehearse(event, ['--people', '20', '--arrivals', '20']);
    assert.equal(code, 0, stderr + stdout);
    assert.equal(report.waiting_room, true);
    assert.equal(report.admitted, 20, JSON.stringify(report));
    assert.equal(report.drawn, 0, 'nobody came before the sale');
    assert.equal(report.granted, 20);
    assert.equal(report.places_taken, 40);
    assert.deepEqual(left, []);
});

test('who comes early is drawn a place; a room that closes its doors by itself has them closed', async () => {
    const event = await sale(server, { plan: plan({ rows: 4, seats: 10 }), waiting_room: 'auto', queue: { admit_per_minute: 6000, admitted_max: 50 } });
    const roomless = await sale(server, { plan: plan({ rows: 1, seats: 2 }) });
    assert.match((await rehearse(roomless, ['--early', '1'])).stderr, /--early needs an event that has a waiting room/);
    assert.match((await rehearse(event, ['--people', '50000', '--arrivals', '1', '--early', '50000'])).stderr, /opens_before_s/);
    const { code, stdout, stderr, report } = await rehearse(event, ['--people', '20', '--arrivals', '20', '--early', '12']);
    assert.equal(code, 0, stderr + stdout);
    assert.equal(report.early, 12);
    assert.ok(report.drawn > 0 && report.drawn <= 12, JSON.stringify(report)); /* a slow machine's last ones are late */
    assert.equal(report.arrived, 20);
    assert.equal(report.admitted, 20, JSON.stringify(report));
    assert.equal(report.places_taken, 40);
});

/* So many people that it comes while their accounts are being made, by a process of their own. */
async function interrupted(t, event, delayMs) {
    const tmp = tempDir();
    const child = spawn(FOYER, ['rehearse', '--data', server.dir, '--event', event.id, ...small, '--people', '20000'], {
        env: environment({ ...storeEnvironment(server.dir), TMPDIR: tmp }), stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.after(() => child.kill('SIGKILL'));
    let isClosed = false;
    child.on('close', () => (isClosed = true));
    let output = '';
    let complaint = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (complaint += text));
    await until(() => fs.readdirSync(tmp).length > 0, { what: 'the rehearsal to begin', every: 1 });
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    child.kill('SIGINT');
    await until(() => isClosed, { what: 'its end, and all it has said' });
    assert.equal(child.exitCode, 1, complaint + output);
    assert.match(complaint, /interrupted/);
    assert.deepEqual(fs.readdirSync(tmp), [], `interrupted after ${delayMs} ms`);
}

test('an interruption ends it and leaves nothing, whenever it comes', async (t) => {
    const event = await sale(server, { plan: plan({ rows: 2, seats: 10 }) });
    for (let delayMs = 0; delayMs < 40; delayMs += 2) await interrupted(t, event, delayMs);
});

test('wrong arguments are named, and so is an event that is not there', async () => {
    const cases = [
        [['--people', '0'], 2, /--people/],
        [['--arrivals', 'many'], 2, /--arrivals/],
        [['--people', '5', '--early', '6'], 2, /--early/],
        [['--event', 'nonsense'], 2, /--event/],
        [['--event', 'evt_0000000000001'], 1, /none of that id/],
    ];
    for (const [more, status, message] of cases) {
        const { code, stderr } = await run(['rehearse', '--data', server.dir, '--event', 'evt_0000000000001', ...more]);
        assert.equal(code, status, stderr);
        assert.match(stderr, message);
    }
});
