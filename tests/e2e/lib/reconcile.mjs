/*
 * The second opinion on a data directory: tests/reconcile/*.sql in SQLite's own shell, and the hash chains recomputed with node's crypto. It shares
 * no line with `foyer audit`, so neither is its own witness. Reads one snapshot and changes nothing, also beside a running server. Rows that are in
 * PostgreSQL are copied into a file first, so that both engines have the same witness.
 */
import { execFile } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { storeOf, withFile } from './store.mjs';

const SQL = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../reconcile');
const MARK = '-- answer --';

/* {error, parts}: what the shell prints between marks. */
function shell(file, commands) {
    return new Promise((resolve) => {
        const child = execFile('sqlite3', ['-readonly', '-batch', '-bail', file], { maxBuffer: 1 << 30 }, (error, stdout, stderr) => {
            resolve({ error: error ? stderr.trim() || error.message : null, parts: stdout.split(`${MARK}\n`).slice(1) });
        });
        child.stdin.on('error', () => {}); /* the shell may end early: its message says why */
        child.stdin.end(commands);
    });
}

const list = (text) => (text?.trim() ? JSON.parse(text) : []);
const print = (query) => `.print '${MARK}'\n${query};\n`;

const JOURNAL = 'SELECT CAST(seq AS TEXT) seq, CAST(shard AS TEXT) shard, CAST(version AS TEXT) version, CAST(at_ms AS TEXT) at_ms, hex(type) type, hex(data) data, hex(hash) hash FROM main.journal ORDER BY journal.seq';

function big(number) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(BigInt(number));
    return bytes;
}

/* As src/store/journal.h describes it. */
export function rowHash(previous, row) {
    const [type, data] = [Buffer.from(row.type, 'hex'), Buffer.from(row.data, 'hex')];
    return createHash('sha256')
        .update(Buffer.concat([previous, big(row.shard), big(row.version), big(row.at_ms), Buffer.from([type.length & 0xff]), type, data]))
        .digest();
}

const ROOMS = 'SELECT CAST(event_id AS TEXT) event, hex(seed) seed, hex(commitment) commitment, hex(entries_hash) hash, closed_at, entry_count count, placed FROM main.queue_room ORDER BY 1';
const PEOPLE = 'SELECT CAST(event_id AS TEXT) event, CAST(id AS TEXT) id, place, ended_at FROM main.queue_entry WHERE is_early = 1 ORDER BY queue_entry.event_id, queue_entry.id';
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const digits = (number) => Array.from({ length: 13 }, (_, i) => DIGITS[Number((BigInt(number) >> BigInt(5 * (12 - i))) & 31n)]).join('');
const sha256 = (...pieces) => pieces.reduce((hash, piece) => hash.update(piece), createHash('sha256')).digest();

/* Draws again: docs/design/onsale.md, "Place". */
function draws(rooms, people) {
    const findings = [];
    const wrong = (room, what) => findings.push({ check: 'queue-draw', finding: `event ${room.event}: ${what}` });
    for (const room of rooms) {
        const seed = Buffer.from(room.seed, 'hex');
        if (sha256(seed).toString('hex') !== room.commitment.toLowerCase()) wrong(room, 'another seed than the one that was committed to');
        if (!room.hash) continue;
        const listed = people.filter((one) => one.event === room.event && (one.ended_at === null || one.ended_at > room.closed_at)).map((one) => ({ ...one, text: `que_${digits(one.event)}${digits(one.id)}` }));
        const hash = sha256(listed.map(({ text }) => `${text}\n`).join(''));
        if (hash.toString('hex') !== room.hash.toLowerCase() || listed.length !== room.count) wrong(room, 'another list than the one that was closed');
        const key = sha256(seed, Buffer.from(room.hash, 'hex'));
        const drawn = listed.map((one) => [createHmac('sha256', key).update(one.text).digest(), one]).sort(([a], [b]) => Buffer.compare(a, b));
        if (drawn.some(([, one], i) => one.place !== (i < room.placed ? i + 1 : null))) wrong(room, 'the places are not those of the draw');
    }
    return findings;
}

/* heads: [{shard, version, hash}] that somebody noted. */
function chains(rows, heads) {
    const findings = [];
    const last = new Map();
    const noted = new Map(heads.map((head) => [`${head.shard} ${head.version}`, head]));
    for (const row of rows) {
        const hash = rowHash(last.get(row.shard) ?? Buffer.alloc(32), row).toString('hex');
        if (hash !== row.hash.toLowerCase()) findings.push({ check: 'journal-hash', finding: `journal row ${row.seq}, version ${row.version} of ${row.shard}, does not hash to what it says` });
        const head = noted.get(`${row.shard} ${row.version}`);
        if (head && head.hash.toLowerCase() !== row.hash.toLowerCase())
            findings.push({ check: 'noted-head', finding: `version ${row.version} of ${row.shard} is not what was published` });
        noted.delete(`${row.shard} ${row.version}`);
        last.set(row.shard, Buffer.from(row.hash.padEnd(64, '0').slice(0, 64), 'hex'));
    }
    for (const head of noted.values()) findings.push({ check: 'noted-head', finding: `version ${head.version} of ${head.shard} was published, and is not there` });
    return findings;
}

/* On PostgreSQL the sequence of the journal has gaps by nature: what is missing shows in the versions. */
const NO_GAPS = "name <> 'journal-seq'";

/*
 * [{check, finding}], empty when all agree. options: {bank: directory of bank.db (default dir/sandbox; null: there is none), isAtRest: all
 * callbacks have come and all refunds are paid (default true), heads, store (postgres://..., where the rows are if not in the directory)}
 */
export async function reconcile(dir, options = {}) {
    const store = options.store ?? storeOf(dir);
    try {
        return await withFile(dir, (file) => reconcileFile(file, { bank: path.join(dir, 'sandbox'), ...options, hasGaps: store !== null }), store);
    } catch (error) {
        return [{ check: 'unreadable', finding: error.message }];
    }
}

async function reconcileFile(database, { bank, isAtRest = true, heads = [], hasGaps }) {
    const bankFile = bank && path.join(bank, 'bank.db');
    const hasBank = Boolean(bankFile) && fs.existsSync(bankFile);
    if (!fs.existsSync(database)) return [{ check: 'unreadable', finding: `there is no ${database}` }];
    const commands = [
        '.timeout 10000\nPRAGMA temp_store = MEMORY;',
        hasBank ? `ATTACH 'file:${bankFile}?mode=ro' AS bank;` : '',
        'BEGIN;',
        fs.readFileSync(path.join(SQL, 'tickets.sql'), 'utf8'),
        hasBank ? fs.readFileSync(path.join(SQL, 'bank.sql'), 'utf8') : '',
        '.mode json\n',
        print(`SELECT name AS 'check', coalesce(line, 'a row that says nothing') AS finding FROM finding WHERE ${hasGaps ? NO_GAPS : 'TRUE'} LIMIT 1000`),
        print(hasBank && isAtRest ? "SELECT name AS 'check', coalesce(line, 'a row that says nothing') AS finding FROM unsettled LIMIT 1000" : 'SELECT 1 WHERE 0'),
        print(JOURNAL),
        print(ROOMS),
        print(PEOPLE),
    ].join('\n');
    const { error, parts } = await shell(database, commands);
    if (error) return [{ check: 'unreadable', finding: error }];
    return [...list(parts[0]), ...list(parts[1]), ...chains(list(parts[2]), heads), ...draws(list(parts[3]), list(parts[4]))];
}
