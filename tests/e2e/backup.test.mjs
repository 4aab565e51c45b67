/* X5: `foyer backup` beside a running server under load, `foyer restore`, and what both refuse; on PostgreSQL pg_dump in their place. */
import test, { before, describe } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Foyer, run, startBank, tempDir } from './lib/server.mjs';
import { isPostgres, pgDump, pgRestore, sqliteOnly } from './lib/store.mjs';
import { bought, held, makeUser, plan, sale } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';

const HALL = { plan: plan({ sections: 4, rows: 10, seats: 50 }), limits: { per_account: 100 }, hold_ttl_s: 3600 };
const fresh = () => path.join(tempDir(), 'fresh');
const backup = (data, to = fresh()) => run(['backup', '--data', data, '--to', to]).then((ended) => ({ ...ended, to }));
const restore = (from, data = fresh()) => run(['restore', '--from', from, '--data', data]).then((ended) => ({ ...ended, data }));

/* Under load: what is acknowledged while the copies are made may be in them or not, but whole. Returns what copy() gives. */
async function underLoad(server, event, copy) {
    const users = await Promise.all(Array.from({ length: 8 }, () => makeUser(server)));
    let isOver = false;
    let count = 0;
    const load = users.map(async (user, i) => {
        for (let n = 0; !isOver && n < 20; n++) {
            const seat = `S${1 + (i % 4)}-R${2 + n % 9}-${1 + i + 8 * Math.floor(n / 9)}`;
            const answer = await user.hold(event.id, [seat]);
            assert.equal(answer.status, 201, answer.text);
            count++;
        }
    });
    await until(() => count > 10, { every: 1, what: 'work to be under way' });
    const made = await copy();
    isOver = true;
    await Promise.all(load);
    return made;
}

/* A server on the copy has what was acknowledged before it was made, and goes on from there. kept: {first: bookings, token: whose, event} */
async function assertKept(server, kept) {
    const again = server.as(kept.token);
    for (const booking of kept.first) {
        const { status, json } = await again.get(`/v1/bookings/${booking.id}`);
        assert.equal(status, 200, 'what was acknowledged before the backup is in it');
        assert.deepEqual([json.status, json.seats], [booking.status, booking.seats]);
    }
    assert.equal((await again.hold(kept.event.id, ['S1-R1-1'])).status, 409, 'sold before the backup, and so now');
    await bought(server, again, kept.event.id, ['S4-R10-50']);
}

describe('backup and restore', { skip: sqliteOnly('copies of them') }, () => {
    let bank, kept, copy, user;

    before(async () => {
        bank = await startBank();
        const server = await Foyer.start({ bank, args: ['--abuse=off'] });
        user = await makeUser(server);
        const event = await sale(server, HALL);
        const first = [await bought(server, user, event.id, ['S1-R1-1', 'S1-R1-2']), await held(user, event.id, ['S1-R1-3'])];
        copy = await underLoad(server, event, () => backup(server.dir));
        kept = { first, token: user.token, event };
        await server.stop();
    });

    test('a copy taken under load restores to a clean audit, and a server goes on from it', async () => {
        assert.equal(copy.code, 0, copy.stderr);
        const manifest = JSON.parse(fs.readFileSync(path.join(copy.to, 'backup.json'), 'utf8'));
        assert.deepEqual(manifest.files.map((file) => file.name), ['mail.db', 'search.db', 'tickets.db', 'platform.db']);
        assert.equal(fs.statSync(path.join(copy.to, 'tickets.db')).mode & 0o077, 0, 'copies are for their owner only');
        const { code, stdout, stderr, data } = await restore(copy.to);
        assert.equal(code, 0, stderr);
        assert.match(stdout, /clean/);
        const server = await Foyer.start({ dir: data, bank, args: ['--abuse=off'] });
        await assertKept(server, kept);
        assert.deepEqual((await server.audit()).findings, []);
        await server.stop();
    });

    test('a backup needs a new directory and a database', async () => {
        const there = await backup(copy.to, tempDir());
        assert.equal(there.code, 1);
        assert.match(there.stderr, /exists/);
        const nothing = await backup(tempDir());
        assert.equal(nothing.code, 1);
        assert.match(nothing.stderr, /no database/);
        assert.ok(!fs.existsSync(path.join(nothing.to, 'backup.json')));
        assert.equal((await run(['backup', '--data', copy.to])).code, 2, 'without --to');
        assert.equal((await run(['restore', '--data', copy.to])).code, 2, 'without --from');
    });

    const damages = {
        'a flipped bit': (dir) => {
            const file = path.join(dir, 'tickets.db');
            const bytes = fs.readFileSync(file);
            bytes[bytes.length >> 1] ^= 1;
            fs.writeFileSync(file, bytes);
        },
        'a file cut short': (dir) => fs.truncateSync(path.join(dir, 'platform.db'), 4096),
        'a missing file': (dir) => fs.rmSync(path.join(dir, 'tickets.db')),
        'no manifest': (dir) => fs.rmSync(path.join(dir, 'backup.json')),
        'half a manifest': (dir) => fs.truncateSync(path.join(dir, 'backup.json'), 40),
        'a manifest that names another file': (dir) => {
            const file = path.join(dir, 'backup.json');
            fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('tickets.db', '../lurk.db'));
        },
        'a manifest that names a file twice': (dir) => {
            const file = path.join(dir, 'backup.json');
            fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('mail.db', 'tickets.db'));
        },
    };
    for (const [name, damage] of Object.entries(damages)) {
        test(`a backup with ${name} is refused, and no server starts on what came of it`, async () => {
            const dir = path.join(tempDir(), 'copy');
            fs.cpSync(copy.to, dir, { recursive: true });
            damage(dir);
            const { code, stderr, data } = await restore(dir);
            assert.equal(code, 1);
            assert.match(stderr, /^foyer: /);
            const isEmpty = !fs.existsSync(path.join(data, 'tickets.db')) && !fs.existsSync(path.join(data, 'platform.db'));
            if (!isEmpty) {
                await assert.rejects(new Foyer({ dir: data, bank }).start(), /did not finish/);
                /* With a good copy the same directory can be restored. */
                assert.equal((await restore(copy.to, data)).code, 0);
                const server = await Foyer.start({ dir: data, bank });
                await server.stop();
            }
        });
    }

    test('what an interrupted restore of another backup left behind is gone after the next', async () => {
        const dir = path.join(tempDir(), 'copy');
        fs.cpSync(copy.to, dir, { recursive: true });
        const manifest = JSON.parse(fs.readFileSync(path.join(dir, 'backup.json'), 'utf8'));
        manifest.files = manifest.files.filter((file) => file.name !== 'mail.db');
        fs.writeFileSync(path.join(dir, 'backup.json'), JSON.stringify(manifest));
        const data = tempDir();
        fs.writeFileSync(path.join(data, 'restoring'), '');
        for (const name of ['mail.db', 'mail.db-wal', 'tickets.db-wal']) fs.writeFileSync(path.join(data, name), 'of another backup');
        const { code, stderr } = await restore(dir, data);
        assert.equal(code, 0, stderr);
        for (const name of ['mail.db', 'mail.db-wal', 'restoring']) assert.ok(!fs.existsSync(path.join(data, name)), name);
    });

    test('a restore overwrites nothing, and not beside a running server', async () => {
        const server = await Foyer.start({ bank });
        assert.match((await restore(copy.to, server.dir)).stderr, /in use/);
        await server.stop();
        const before = fs.readFileSync(path.join(server.dir, 'tickets.db'));
        const { code, stderr } = await restore(copy.to, server.dir);
        assert.equal(code, 1);
        assert.match(stderr, /databases already/);
        assert.deepEqual(fs.readFileSync(path.join(server.dir, 'tickets.db')), before);
        await server.start();
        await server.stop();
    });
});

describe('on PostgreSQL', { skip: !isPostgres && 'about PostgreSQL' }, () => {
    test('a dump taken under load restores to a clean audit, and a server goes on from it', async () => {
        const bank = await startBank();
        const first = await Foyer.start({ bank, args: ['--abuse=off'] });
        const user = await makeUser(first);
        const event = await sale(first, HALL);
        const kept = { first: [await bought(first, user, event.id, ['S1-R1-1', 'S1-R1-2']), await held(user, event.id, ['S1-R1-3'])], token: user.token, event };
        const file = path.join(tempDir(), 'dump');
        await underLoad(first, event, () => pgDump(first.dir, file));
        await first.stop();
        const dir = tempDir();
        await pgRestore(file, dir);
        const server = await Foyer.start({ dir, bank, args: ['--abuse=off'] });
        assert.deepEqual((await server.audit()).findings, []);
        await assertKept(server, kept);
        assert.deepEqual((await server.audit()).findings, []);
        await server.stop();
    });

    test('`foyer backup` and `foyer restore` say that this is not their work', async () => {
        for (const ended of [await backup(tempDir()), await restore(tempDir())]) {
            assert.equal(ended.code, 2, ended.stderr);
            assert.match(ended.stderr, /pg_dump/);
        }
    });
});
