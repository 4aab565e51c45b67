/*
 * Drill: pg_dump under load, pg_restore into another cluster, Foyer on it: with the data directory of the old node, as one has it after
 * moving to another server, and with a new one. A new cluster counts its transactions from the beginning; the followers of the journal
 * (search, mail) must see what is written there all the same.
 *
 * node scripts/drills/dump.mjs     docs/operations.md, "pg_dump" says what to do with the outcome
 */
import fs from 'node:fs';
import path from 'node:path';
import { Foyer, startBank } from '../../tests/e2e/lib/server.mjs';
import { Postgres } from '../../tests/e2e/lib/postgres.mjs';
import { bought, sale, unique } from '../../tests/e2e/lib/seed.mjs';
import { until } from '../../tests/e2e/lib/wait.mjs';
import { Witness } from '../../tests/e2e/lib/witness.mjs';
import { Drill, sleep } from './common.mjs';

const BEFORE_MS = 5000;
const drill = new Drill('dump');
const serve = (bank, store, dir) => new Foyer({ bank, dir, args: ['--abuse=off'], env: { FOYER_STORE: store }, contract: false }).start();

/* Search finds a new event, mail goes out for a new booking, and nobody's journal goes back. */
async function followersSee(server, witness, label) {
    const name = `Evening ${unique()}`;
    const event = await sale(server, { name });
    const isFound = async () => (await server.anonymous.get(`/v1/events?q=${encodeURIComponent(name)}`)).json?.data?.some(({ id }) => id === event.id);
    await until(isFound, { what: `${label}: search to find a new event` });
    const buyer = server.as(witness.buyers[0].token);
    const booking = await bought(server, buyer, event.id, ['S1-R1-1']);
    const mails = path.join(server.dir, 'mail');
    const listMails = () => (fs.existsSync(mails) ? fs.readdirSync(mails) : []).filter((file) => file.endsWith('.eml'));
    const isMailed = () => listMails().some((file) => fs.readFileSync(path.join(mails, file), 'utf8').includes(booking.id));
    await until(isMailed, { what: `${label}: the mail for a new booking` });
    drill.step(`${label}: search and mail follow`);
}

async function main() {
    const bank = await startBank();
    const from = await Postgres.start();
    const to = await Postgres.start();
    const server = await serve(bank, from.url());
    const witness = await Witness.start([server]);
    await sleep(BEFORE_MS);
    const begunMs = Date.now();
    const file = path.join(from.dir, 'data', 'foyer.dump');
    await drill.timed('seconds of pg_dump, under load', () => from.run('pg_dump', '-Fc', '-d', 'foyer', '-f', file));
    await sleep(BEFORE_MS);
    await witness.stop();
    await server.stop();

    const begun = performance.now();
    await drill.timed('seconds of pg_restore', () => to.run('pg_restore', '--exit-on-error', '-j', '2', '-d', 'foyer', file));
    const [{ seq }] = await to.query('SELECT max(seq) AS seq FROM tickets.journal', [], 'foyer');
    const fresh = await serve(bank, to.url());
    drill.figure('RTO, seconds until Foyer is ready on it', (performance.now() - begun) / 1000);
    const lost = await witness.lost(fresh);
    const early = lost.filter((fact) => fact.atMs < begunMs);
    drill.figure('answers acknowledged before the dump began', witness.facts.filter((fact) => fact.atMs < begunMs).length);
    drill.figure('answers lost of those', early.length);
    drill.figure('answers acknowledged after it, and lost', lost.length - early.length);
    drill.expect(early.length === 0, `${early.length} answers from before the dump are lost`);
    drill.expect(lost.length > 0, 'nothing was written after the dump: this could not tell a dump from the database');
    const [old] = await from.query('SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid');
    const [young] = await to.query('SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid');
    drill.figure('transaction id of the old cluster', Number(old.xid));
    drill.figure('transaction id of the new cluster', Number(young.xid));
    await followersSee(fresh, witness, 'a new data directory');
    await fresh.stop();
    const again = await serve(bank, to.url(), server.dir);
    await followersSee(again, witness, 'the old data directory');
    await again.stop();
    const [{ later }] = await to.query('SELECT max(seq) AS later FROM tickets.journal', [], 'foyer');
    drill.expect(BigInt(later) > BigInt(seq), `the journal went back: ${later} after ${seq}`);
    await drill.audit(fresh.dir, to.url());
    await bank.program.stop();
}

await main();
drill.end();
