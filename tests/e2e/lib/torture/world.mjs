/*
 * A server and a bank, each a process of its own, with users and a hall: what the torture rounds kill and start again. The bank
 * keeps its address over its deaths, the server gets another port each time. The test clock is put forward again after each start,
 * so that what has expired for the clients stays expired.
 */
import fs from 'node:fs';
import path from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Foyer, REPO, startBank, tempDir } from '../server.mjs';
import { dump, isPostgres, query, removeData, sqlite } from '../store.mjs';
import { makeUser, makeVenue, makeEvent, plan, publish, unique } from '../seed.mjs';
import { until } from '../wait.mjs';

const BUYERS = 3;
export const HALL = { sections: 4, rows: 10, seats: 50, areas: [{ guid: 'floor', capacity: 40 }] };
const HOLD_TTL_S = 3600;

/* Below the range from which the system gives ports away, or somebody could have it while the bank is dead. */
async function bankAtFixedPort(random) {
    for (let tries = 0; ; tries++) {
        const port = random.int(20000, 32000);
        try {
            return await startBank(tempDir(), `127.0.0.1:${port}`);
        } catch (error) {
            if (tries === 20) throw error;
        }
    }
}

/* For points in time only; nothing is expected to have happened after it. */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class World {
    constructor() {
        this.offset = 0;
        this.readyMs = {};
    }

    /* portRandom is not of the seed: two runs of one seed at once must not meet. */
    static async start(portRandom) {
        const world = new World();
        world.bank = await bankAtFixedPort(portRandom);
        world.server = await new Foyer({ bank: world.bank, args: ['--abuse=off'] }).start();
        world.users = await Promise.all(Array.from({ length: BUYERS }, () => makeUser(world.server)));
        world.organizer = await makeUser(world.server, { roles: ['organizer'] });
        world.venue = await makeVenue(world.organizer, plan(HALL));
        return world;
    }

    async newEvent(more = {}) {
        const { ttl = HOLD_TTL_S, ...rest } = more;
        const fields = { name: `Show ${unique()}`, hold_ttl_s: ttl, limits: { per_account: 100 }, ...rest };
        const event = await makeEvent(this.server, this.organizer, this.venue.id, fields);
        return publish(this.organizer, event.id);
    }

    programs(victims) {
        return victims.map((name) => (name === 'bank' ? this.bank.program : this.server));
    }

    /* Sends the signals in this very turn of the event loop; resolves when the processes are gone. */
    kill(victims) {
        return Promise.all(this.programs(victims).map((program) => program.kill9()));
    }

    async startOne(name) {
        const begun = performance.now();
        if (name === 'bank') {
            await this.bank.program.start();
        } else {
            await this.server.start();
            if (this.offset > 0) await this.server.advance(this.offset);
        }
        this.readyMs[name] = performance.now() - begun;
    }

    /* Kills it while it starts: somewhere between its birth and the time at which it should be ready. */
    async killInStart(name, random) {
        const [program] = this.programs([name]);
        const starting = this.startOne(name).catch(() => null);
        await sleep(random.next() * 1.2 * (this.readyMs[name] ?? 100));
        await program.kill9();
        await starting;
    }

    async startAgain(victims, random, killsInStart = 0) {
        const names = random.chance(0.5) ? [...victims].reverse() : victims;
        for (const name of names) {
            for (let i = 0; i < killsInStart; i++) await this.killInStart(name, random);
            await this.startOne(name);
        }
    }

    /* The offset is noted first: when the server dies before it answers, its next life is set to it. */
    async advance(ms) {
        this.offset += ms;
        return this.server.advance(ms);
    }

    /* Waits like until(), and moves the clock meanwhile: in steps of a second, and after a while in larger ones, for what waits
     * longer, but not without end, as holds would expire. */
    async untilMoving(probe, what) {
        let polls = 0;
        let moved = 0;
        return until(async () => {
            const found = await probe();
            if (found) return found;
            const step = ++polls < 60 ? 1000 : 5000;
            if (moved < 240000 || polls % 50 === 0) {
                moved += step;
                await this.advance(step);
            }
            return false;
        }, { every: 10, timeout: 120000, what });
    }

    /* The number that a query finds, in a copy of the server's database where it is files, which themselves stay as they are. */
    async peek(sql) {
        if (isPostgres) return Number((await query(this.server.dir, sql))[0][0]);
        const dir = fs.mkdtempSync(path.join(this.server.dir, 'copy-'));
        const copy = path.join(dir, 'tickets.db');
        for (const suffix of ['', '-wal']) fs.copyFileSync(this.database + suffix, copy + suffix);
        const [[count]] = await sqlite(copy, sql);
        fs.rmSync(dir, { recursive: true });
        return Number(count);
    }

    /* Where it is a file. */
    get database() {
        return path.join(this.server.dir, 'tickets.db');
    }

    /* By the index of the dead server's log: frames are written that no checkpoint has finished with (walindex format, 2.2 and 2.3). */
    isLogLeft() {
        const index = fs.readFileSync(`${this.database}-shm`);
        const [frames, finished] = [index.readUInt32LE(16), index.readUInt32LE(96)];
        return finished < frames;
    }

    /* One more round might move the clock beyond the end of holds that are meant to stay. */
    isOld() {
        return this.offset > (HOLD_TTL_S * 1000) / 2;
    }

    async stop() {
        await this.server.stop();
        await this.bank.program.stop();
    }

    /* Now, as there may be many in one run. */
    async remove() {
        for (const { dir } of [this.server, this.bank]) await removeData(dir);
    }

    /* What is left of it after a failure, for study. */
    async keep(name) {
        await this.kill(['server', 'bank']).catch(() => null);
        const dir = path.join(REPO, 'tests/e2e/output', name);
        fs.rmSync(dir, { recursive: true, force: true });
        fs.mkdirSync(dir, { recursive: true });
        fs.cpSync(this.server.dir, path.join(dir, 'server'), { recursive: true });
        if (isPostgres) fs.writeFileSync(path.join(dir, 'server/tickets.sql'), await dump(this.server.dir, 'tickets'));
        fs.cpSync(this.bank.dir, path.join(dir, 'bank'), { recursive: true });
        fs.writeFileSync(path.join(dir, 'server.log'), this.server.stderr);
        fs.writeFileSync(path.join(dir, 'bank.log'), this.bank.program.stderr);
        return dir;
    }

    /* Fills the write-ahead log of a stopped server beyond the size at which it is checkpointed. */
    async growLog() {
        const sql = `PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0;
            CREATE TABLE ballast (bytes BLOB);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 17000)
            INSERT INTO ballast SELECT zeroblob(4050) FROM n;
            DROP TABLE ballast;`;
        await promisify(execFile)('sqlite3', ['-batch', '-bail', '-cmd', '.dbconfig no_ckpt_on_close on', this.database, sql]);
        return fs.statSync(`${this.database}-wal`).size;
    }
}
