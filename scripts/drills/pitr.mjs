/*
 * Drill: point-in-time recovery of PostgreSQL. WAL is archived, a base backup is made under load, then somebody drops a table. The
 * database is restored to the moment before, as the server's log names it; Foyer goes on with it. Then the other case: the machine is
 * lost, and all there is is what was archived.
 *
 * node scripts/drills/pitr.mjs [--archive-timeout S]     docs/operations.md, "Point in time" has the runbook
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Foyer, startBank } from '../../tests/e2e/lib/server.mjs';
import { Postgres } from '../../tests/e2e/lib/postgres.mjs';
import { bought } from '../../tests/e2e/lib/seed.mjs';
import { until } from '../../tests/e2e/lib/wait.mjs';
import { Witness } from '../../tests/e2e/lib/witness.mjs';
import { Drill, sleep } from './common.mjs';

const { values: options } = parseArgs({
    options: { 'archive-timeout': { type: 'string', default: '10' } },
});
const ARCHIVING_S = 10;
/* Under its final name only when it is whole and on disk. The archive of a real site is on another machine. */
const ARCHIVE = 'mkdir -p ../archive && test ! -f ../archive/%f && cp %p ../archive/%f.part && sync ../archive/%f.part && mv ../archive/%f.part ../archive/%f';

const drill = new Drill('pitr');
const serve = (bank, store) => new Foyer({ bank, args: ['--abuse=off'], env: { FOYER_STORE: store }, contract: false }).start();

/* When the statement came, by the server's log (log_statement = ddl): all that was committed before it is to be kept. */
function droppedAt(primary) {
    const line = primary.log.split('\n').find((text) => text.includes('statement: DROP TABLE tickets.seat_claim'));
    return line.slice(0, line.indexOf(' ['));
}

async function allArchived(primary) {
    const [{ name }] = await primary.query('SELECT pg_walfile_name(pg_switch_wal()) AS name');
    await until(async () => (await primary.query('SELECT last_archived_wal >= $1 AS is_there FROM pg_stat_archiver', [name]))[0].is_there, {
        what: 'the archive to have everything',
    });
}

/* Restores, serves from it, and finds out what is lost of what was told. What was told before `safeMs` must be there. */
async function restoreTo(label, { primary, base, bank, witness, archive, settings, toldMs, safeMs }) {
    const begun = performance.now();
    const copy = await primary.restore(base, { restore_command: `cp ${archive}/%f %p`, recovery_target_action: 'promote', ...settings });
    const server = await serve(bank, copy.url());
    drill.figure(`${label}: RTO, seconds until Foyer is ready on it`, (performance.now() - begun) / 1000);
    const lost = (await witness.lost(server)).filter((fact) => fact.atMs <= toldMs);
    drill.figure(`${label}: RPO, seconds`, drill.rpo(witness, lost, toldMs));
    drill.figure(`${label}: answers acknowledged`, witness.facts.filter((fact) => fact.atMs <= toldMs).length);
    drill.figure(`${label}: answers lost`, lost.length);
    const early = lost.filter((fact) => fact.atMs < safeMs);
    drill.expect(early.length === 0, `${label}: ${early.length} answers are lost that are older than allowed`);
    /* Life goes on, with a whole purchase. */
    await bought(server, server.as(witness.buyers[0].token), witness.event.id, ['S20-R25-49', 'S20-R25-50']);
    await server.stop();
    await drill.audit(server.dir, copy.url());
    await copy.stop();
}

/* As another machine has it at this moment. */
function copyArchive(primary) {
    const copy = path.join(primary.dir, 'archive-elsewhere');
    fs.cpSync(path.join(primary.dir, 'archive'), copy, { recursive: true, filter: (name) => !name.endsWith('.part') });
    fs.chmodSync(copy, 0o755);
    for (const name of fs.readdirSync(copy)) fs.chmodSync(path.join(copy, name), 0o644);
    return copy;
}

async function main() {
    const bank = await startBank();
    const timeout = Number(options['archive-timeout']);
    const primary = await Postgres.start({
        settings: { archive_mode: 'on', archive_command: ARCHIVE, archive_timeout: `${timeout}`, log_statement: 'ddl', log_timezone: 'UTC' },
    });
    const server = await serve(bank, primary.url());
    const witness = await Witness.start([server]);
    const base = path.join(primary.dir, 'base');
    await drill.timed('seconds of the base backup, under load', () => primary.run('pg_basebackup', '-D', base, '-X', 'none', '-c', 'fast'));
    drill.step('the base backup is made; buying on');
    await sleep(2 * timeout * 1000);
    const lostMs = Date.now();
    const elsewhere = copyArchive(primary);

    drill.step('a table is dropped');
    await primary.query('DROP TABLE tickets.seat_claim CASCADE', [], 'foyer');
    const target = droppedAt(primary);
    const targetMs = Date.parse(target.replace(' UTC', 'Z').replace(' ', 'T'));
    drill.expect(Number.isFinite(targetMs), `no time is read from ${target}`);
    await until(() => witness.refusals.some(({ atMs }) => atMs > targetMs), { what: 'a hold to be refused' });
    await witness.stop();
    await server.kill9();
    await allArchived(primary);
    await primary.stop();

    drill.step(`the log says ${target}: restoring to that moment`);
    const common = { primary, base, bank, witness };
    const settings = { recovery_target_time: target };
    const archive = path.join(primary.dir, 'archive');
    await restoreTo('dropped table', { ...common, archive, settings, toldMs: Date.now(), safeMs: targetMs });
    drill.step('the machine is lost: restoring what the archive had');
    /* A segment is closed after the time-out, and has some seconds to get there. */
    const safeMs = lostMs - (timeout + ARCHIVING_S) * 1000;
    await restoreTo('lost machine', { ...common, archive: elsewhere, settings: {}, toldMs: lostMs, safeMs });
    await bank.program.stop();
}

await main();
drill.end();
