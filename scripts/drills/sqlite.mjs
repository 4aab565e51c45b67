/*
 * Drill: the machine of an embedded (SQLite) Foyer is lost under load. What is on the other machine is either the last of the backups
 * that `foyer backup` made in an interval, or what Litestream has shipped of the write-ahead logs. Restores it, serves from it, and
 * says what is lost.
 *
 * node scripts/drills/sqlite.mjs [--seconds N] [--interval S] [--litestream PROGRAM]
 * Litestream: GOBIN=$PWD go install github.com/benbjohnson/litestream/cmd/litestream@v0.5.18 (0.3.13 does, too). docs/operations.md,
 * "Shipping the write-ahead log", says what speaks against it.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { Foyer, run, startBank, tempDir } from '../../tests/e2e/lib/server.mjs';
import { bought } from '../../tests/e2e/lib/seed.mjs';
import { until } from '../../tests/e2e/lib/wait.mjs';
import { Witness } from '../../tests/e2e/lib/witness.mjs';
import { Drill, sleep } from './common.mjs';

const { values: options } = parseArgs({
    options: { seconds: { type: 'string', default: '20' }, interval: { type: 'string', default: '5' }, litestream: { type: 'string' } },
});
const drill = new Drill('sqlite');
const exec = promisify(execFile);
/* Search is built again. */
const SHIPPED = ['platform', 'tickets', 'mail'];
const SYNC_MS = 1000;
/* Mail must not know more than the journal it follows, or it would pass over what comes next: a mail twice is better than none. */
const MAIL_BEHIND_MS = 5000;

const serve = (bank, dir) => new Foyer({ bank, dir, args: ['--abuse=off'], contract: false }).start();

/* `foyer backup` again and again; the newest whole one counts. */
class Backups {
    constructor(server) {
        this.to = tempDir();
        this.seconds = [];
        this.isOver = false;
        this.done = this.#work(server.dir);
    }

    async #work(data) {
        for (let n = 1; !this.isOver; n++) {
            const begun = performance.now();
            const to = path.join(this.to, `${n}`);
            const { code } = await run(['backup', '--data', data, '--to', to]);
            if (code === 0) {
                this.newest = to;
                this.seconds.push((performance.now() - begun) / 1000);
            }
            for (const end = begun + Number(options.interval) * 1000; !this.isOver && performance.now() < end; ) await sleep(20);
        }
    }

    isReady() {
        return this.newest !== undefined;
    }

    async lose() {
        this.kept = this.newest;
        this.isOver = true;
        await this.done;
        drill.figure('backups: longest one, seconds', Math.max(...this.seconds));
    }

    async restore(data) {
        const { code, stderr } = await run(['restore', '--from', this.kept, '--data', data]);
        drill.expect(code === 0, `restore: ${stderr}`);
    }
}

/* Litestream beside the server, with a directory for its replica. */
class Shipping {
    constructor(server) {
        this.data = server.dir;
        const dir = tempDir();
        this.config = path.join(dir, 'litestream.yml');
        const dbs = SHIPPED.map((name) => `  - path: ${path.join(this.data, `${name}.db`)}
    replicas:
      - type: file
        path: ${path.join(dir, 'replica', name)}
        sync-interval: ${SYNC_MS}ms`);
        fs.writeFileSync(this.config, `dbs:\n${dbs.join('\n')}\n`);
        this.replica = path.join(dir, 'replica');
        this.log = '';
        this.child = spawn(options.litestream, ['replicate', '-config', this.config], { stdio: ['ignore', 'pipe', 'pipe'] });
        process.on('exit', () => this.child.kill('SIGKILL'));
        for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (text) => (this.log += text));
    }

    isReady() {
        const isThere = (name, what) => fs.existsSync(path.join(this.replica, name, what));
        return SHIPPED.every((name) => isThere(name, 'generations') || isThere(name, 'ltx')); /* 0.3, 0.5 */
    }

    async lose() {
        const ended = once(this.child, 'exit');
        this.child.kill('SIGKILL');
        await ended;
        const errors = this.log.split('\n').filter((line) => /level=ERROR|error/i.test(line));
        drill.figure('litestream: lines of errors in its log', errors.length);
        for (const line of errors.slice(0, 5)) console.log(line);
    }

    async restore(data, lostMs) {
        for (const name of SHIPPED) {
            const to = path.join(data, `${name}.db`);
            const until = name === 'mail' ? ['-timestamp', new Date(lostMs - MAIL_BEHIND_MS).toISOString()] : [];
            await exec(options.litestream, ['restore', '-config', this.config, ...until, '-o', to, path.join(this.data, `${name}.db`)]);
        }
        const ask = async (name, sql) => (await exec('sqlite3', ['-readonly', path.join(data, `${name}.db`), sql])).stdout.trim();
        const cursor = await ask('mail', 'SELECT max(seq) FROM cursor');
        const last = await ask('tickets', 'SELECT max(seq) FROM journal');
        drill.expect(Number(cursor) > 0 && Number(cursor) <= Number(last), `mail has read up to ${cursor}, the journal ends at ${last}`);
    }
}

async function lose(label, safeSeconds, make) {
    const bank = await startBank();
    const server = await serve(bank);
    const witness = await Witness.start([server]);
    const copies = make(server);
    await until(() => copies.isReady(), { what: `${label} to begin` });
    await sleep(Number(options.seconds) * 1000);
    const lostMs = Date.now();
    const killed = server.kill9();
    await copies.lose();
    await killed;
    await witness.stop();

    const data = tempDir();
    const begun = performance.now();
    await drill.timed(`${label}: seconds to restore`, () => copies.restore(data, lostMs));
    const again = await serve(bank, data);
    drill.figure(`${label}: RTO, seconds until Foyer is ready on it`, (performance.now() - begun) / 1000);
    const lost = (await witness.lost(again)).filter((fact) => fact.atMs <= lostMs);
    drill.figure(`${label}: RPO, seconds`, drill.rpo(witness, lost, lostMs));
    drill.figure(`${label}: answers acknowledged`, witness.facts.length);
    drill.figure(`${label}: answers lost`, lost.length);
    const early = lost.filter((fact) => fact.atMs < lostMs - safeSeconds * 1000);
    drill.expect(early.length === 0, `${label}: ${early.length} answers are lost that are older than allowed`);
    await bought(again, again.as(witness.buyers[0].token), witness.event.id, ['S20-R25-49', 'S20-R25-50']);
    await again.stop();
    await drill.audit(data);
    await bank.program.stop();
}

await lose('backups', 2 * Number(options.interval) + 10, (server) => new Backups(server));
if (options.litestream) await lose('litestream', 10, (server) => new Shipping(server));
else drill.step('without --litestream PROGRAM this is all');
drill.end();
