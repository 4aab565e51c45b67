/*
 * Where the rows of a data directory are, and how a test looks at them and changes them, the same on both engines. Without
 * FOYER_TEST_POSTGRES they are SQLite files in the directory. With it (postgres://user@host:port/postgres, a running cluster) every
 * directory gets a database of its own on that cluster at its first use; they are dropped when the test process ends.
 *
 * SQL of the tests is one text: PostgreSQL has the few functions of SQLite that they use in the schema `shims`, which the program
 * under test never sees. Where that does not do, a test gives a text for each engine: {sqlite, postgres}.
 */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const CLUSTER = process.env.FOYER_TEST_POSTGRES || null;
export const isPostgres = CLUSTER !== null;
/* For `skip`: what is about the files of SQLite. */
export const sqliteOnly = (what) => isPostgres && `about SQLite's files: ${what}`;

const SHIMS = `CREATE SCHEMA shims;
    CREATE FUNCTION shims.hex(bytea) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT upper(encode($1, 'hex')) $$;
    CREATE FUNCTION shims.hex(text) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT upper(encode(convert_to($1, 'UTF8'), 'hex')) $$;
    CREATE FUNCTION shims.zeroblob(integer) RETURNS bytea IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT decode(repeat('00', $1), 'hex') $$;
    CREATE FUNCTION shims.json_extract(text, text) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT $1::jsonb ->> substr($2, 3) $$;`;
const SCRIPT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../scripts/postgres.sh');
const CLUSTER_TRIES = 400;
const CONNECT_MS = 60000;
const MAX_BUFFER = 1 << 28;

const stores = new Map(); /* directory: URL of its database */
const made = new Set(); /* names of the databases to be dropped at the end */

let bin;
/* A program of PostgreSQL's. */
function programOf(name) {
    bin ??= execFileSync(SCRIPT, ['bin'], { encoding: 'utf8' }).trim();
    return path.join(bin, name);
}

/* Runs psql commands on the cluster while everything else waits: for what cannot wait itself. */
function psqlSync(input) {
    execFileSync(programOf('psql'), ['-X', '-q', '-v', 'ON_ERROR_STOP=1', CLUSTER], { input, stdio: ['pipe', 'ignore', 'pipe'], timeout: 60000 });
}

process.on('exit', () => {
    if (made.size === 0) return;
    try {
        psqlSync([...made].map((name) => `DROP DATABASE IF EXISTS ${name} WITH (FORCE);`).join('\n'));
    } catch {
        /* The cluster may be gone already; it is thrown away as a whole. */
    }
});

function newName() {
    const name = `foyer_test_${process.pid}_${randomBytes(4).toString('hex')}`;
    made.add(name);
    return name;
}

function urlOf(name) {
    const url = new URL(CLUSTER);
    url.pathname = `/${name}`;
    return url.href;
}

const nameOf = (url) => new URL(url).pathname.slice(1);

/* The URL of the directory's database, made now if there is none yet; null: the directory itself is the store. */
export function storeOf(dir) {
    const key = path.resolve(dir);
    if (isPostgres && !stores.has(key)) {
        const name = newName();
        psqlSync(`CREATE DATABASE ${name} STRATEGY file_copy;\n\\connect ${name}\n${SHIMS}\n`);
        stores.set(key, urlOf(name));
    }
    return stores.get(key) ?? null;
}

/* From now on this directory's rows are in a database that somebody else has made, on any engine: one more node of it. */
export const joinStore = (dir, url) => void stores.set(path.resolve(dir), url);

/* What the program has to be told about a directory, for its environment. */
export function storeEnvironment(dir) {
    const store = dir ? storeOf(dir) : null;
    return store ? { FOYER_STORE: store } : {};
}

/* Runs use(ask) with a connection that finds one service's tables; ask(sql): the rows of all its statements, each a list of texts. */
async function withClient(url, service, use) {
    const options = `-c search_path=${service},shims`;
    const types = { getTypeParser: () => (text) => text };
    const client = new pg.Client({ connectionString: url, options, types, connectionTimeoutMillis: CONNECT_MS });
    client.on('error', () => {}); /* the end of the server is told by the query that it breaks */
    await client.connect();
    try {
        return await use(async (text) => [await client.query({ text, rowMode: 'array' })].flat().flatMap((result) => result.rows));
    } finally {
        await client.end().catch(() => {});
    }
}

function finish(program, args, input) {
    return new Promise((resolve, reject) => {
        const child = execFile(program, args, { maxBuffer: MAX_BUFFER }, (error, stdout, stderr) => {
            if (error) reject(new Error(`${program}: ${stderr.trim() || error.message}`));
            else resolve(stdout);
        });
        child.stdin.on('error', () => {}); /* it may end early: its message says why */
        child.stdin.end(input ?? '');
    });
}

const rowsOf = (text) => text.split('\n').filter(Boolean).map((line) => line.split('\t'));

/* What SQLite's own shell says about a file, as rows of text columns. */
export const sqlite = async (file, sql) =>
    rowsOf(await finish('sqlite3', ['-batch', '-bail', '-cmd', '.timeout 5000', '-separator', '\t', file, sql]));

/* What the engine says about a directory's tables, as rows of text columns. sql: see above. */
export async function query(dir, sql, service = 'tickets') {
    const store = storeOf(dir);
    if (!store) return sqlite(path.join(dir, `${service}.db`), sql.sqlite ?? sql);
    /* Several statements are one transaction: all of them or none. */
    const rows = await withClient(store, service, (ask) => ask(sql.postgres ?? sql));
    return rows.map((row) => row.map((text) => text ?? ''));
}

/* A SELECT that gives a table's rows as INSERT statements of SQLite, in an order of their own. */
const INSERTS = `SELECT format($q$SELECT 'INSERT INTO "%s" VALUES(' || concat_ws(',', %s) || ');' FROM %I ORDER BY 1$q$, c.table_name, string_agg(
        CASE c.data_type WHEN 'bytea' THEN format($q$coalesce('X''' || encode(%I, 'hex') || '''', 'NULL')$q$, c.column_name)
            WHEN 'text' THEN format($q$coalesce('''' || replace(%I, '''', '''''') || '''', 'NULL')$q$, c.column_name)
            ELSE format($q$coalesce(%I::text, 'NULL')$q$, c.column_name) END, ', ' ORDER BY c.ordinal_position), c.table_name)
    FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE t.table_schema = current_schema AND t.table_type = 'BASE TABLE'`;
/* The tables without their constraints, so that what broke them can be copied, too; with the columns of their keys indexed. */
const TABLES = `SELECT format('CREATE TABLE "%s" (%s);', c.table_name, string_agg(format('"%s" %s', c.column_name,
        CASE c.data_type WHEN 'bytea' THEN 'BLOB' WHEN 'text' THEN 'TEXT' WHEN 'double precision' THEN 'REAL' ELSE 'INTEGER' END), ', ' ORDER BY c.ordinal_position))
    FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE t.table_schema = current_schema AND t.table_type = 'BASE TABLE' GROUP BY c.table_name;
    SELECT format('CREATE INDEX "%s" ON "%s" (%s);', constraint_name, table_name, string_agg(format('"%s"', column_name), ', ' ORDER BY ordinal_position))
    FROM information_schema.key_column_usage WHERE table_schema = current_schema GROUP BY constraint_name, table_name;`;

async function dumpOfSqlite(file, tables) {
    const texts = await Promise.all((tables.length ? tables : ['']).map(async (table) => (await sqlite(file, `.dump ${table}`)).join('\n')));
    const missing = texts.findIndex((text) => !text.includes('CREATE TABLE'));
    if (missing >= 0) throw new Error(`${file} has no table ${tables[missing]}`);
    return texts.join('\n');
}

const lines = (rows) => rows.flat().join('\n');

/* The statements that fill these tables, of all if none is named. */
async function inserts(ask, tables = []) {
    const condition = tables.length ? `AND c.table_name IN (${tables.map((table) => `'${table}'`)})` : '';
    const texts = [];
    for (const [select] of await ask(`${INSERTS} ${condition} GROUP BY c.table_name ORDER BY c.table_name`)) texts.push(lines(await ask(select)));
    return texts.filter(Boolean).join('\n');
}

/* All that stands in a service's tables (or in those named), as text: what must not be in it can be looked for, and two of them compared. */
export async function dump(dir, service, tables = []) {
    const store = storeOf(dir);
    if (!store) return dumpOfSqlite(path.join(dir, `${service}.db`), tables);
    return withClient(store, service, async (ask) => {
        for (const table of tables) await ask(`SELECT '${table}'::regclass`); /* fails when there is none */
        return `${tables.length ? '' : lines(await ask(TABLES))}\n${await inserts(ask, tables)}`;
    });
}

/* The tables of a service as one snapshot shows them, copied from PostgreSQL into a new SQLite file. */
export async function exportTo(file, url, service = 'tickets') {
    const text = await withClient(url, service, async (ask) => {
        await ask('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
        return `${lines(await ask(TABLES))}\n${await inserts(ask)}`;
    });
    await finish('sqlite3', ['-batch', '-bail', file], `PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; BEGIN;\n${text}\nCOMMIT;\n`);
}

/* Runs look(file) with a SQLite file that has the rows of the store, which is the directory's own one where that is SQLite. */
export async function withFile(dir, look, url = storeOf(dir)) {
    if (!url) return look(path.join(dir, 'tickets.db'));
    const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'foyer-rows-'));
    try {
        const file = path.join(temporary, 'tickets.db');
        await exportTo(file, url);
        return await look(file);
    } finally {
        fs.rmSync(temporary, { recursive: true });
    }
}

/* FORCE ends sessions, but may not end a worker of autovacuum, which is a superuser's; a plain DROP has the server end those. */
async function dropDatabase(ask, name) {
    try {
        await ask(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    } catch (error) {
        if (!/pg_signal_backend/.test(error.message)) throw error;
        await ask(`DROP DATABASE IF EXISTS ${name}`);
    }
}

/* No session that is about to end holds it up for long. */
async function onCluster(use) {
    for (let tries = 1; ; tries++) {
        try {
            return await withClient(CLUSTER, 'public', use);
        } catch (error) {
            if (tries === CLUSTER_TRIES || !/being accessed by other users/.test(error.message)) throw error;
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
    }
}

const copyDatabase = (from, to) => onCluster(async (ask) => {
    await dropDatabase(ask, to);
    await ask(`CREATE DATABASE ${to} TEMPLATE ${from} STRATEGY file_copy`);
});

/* A directory and its rows, of a server that is stopped, in place of what `to` was. only: the files, if not all. */
export async function copyData(from, to, only = ['.']) {
    fs.rmSync(to, { recursive: true, force: true });
    for (const name of only) {
        const source = path.join(from, name);
        if (fs.existsSync(source)) fs.cpSync(source, path.join(to, name), { recursive: true });
    }
    fs.mkdirSync(to, { recursive: true });
    if (!isPostgres) return;
    const key = path.resolve(to);
    if (!stores.has(key)) stores.set(key, urlOf(newName()));
    await copyDatabase(nameOf(storeOf(from)), nameOf(stores.get(key)));
}

/* As an operator would copy PostgreSQL's rows, beside a running server, and put them where there are none yet. */
export const pgDump = (dir, file) => finish(programOf('pg_dump'), ['-Fc', '-N', 'shims', '-f', file, storeOf(dir)]);
export const pgRestore = (file, dir) =>
    finish(programOf('pg_restore'), ['--single-transaction', '--exit-on-error', '--no-owner', '-d', storeOf(dir), file]);

/* Both are gone now, as there may be many in one run. */
export async function removeData(dir) {
    fs.rmSync(dir, { recursive: true, force: true });
    const url = stores.get(path.resolve(dir));
    if (!url) return;
    stores.delete(path.resolve(dir));
    await onCluster((ask) => dropDatabase(ask, nameOf(url)));
    made.delete(nameOf(url));
}

/* Runs use(ask) with a connection that stays open, for a question that is asked again and again: ask(sql) is the first text of its answer. */
export const withSession = (dir, use) => withClient(storeOf(dir), 'tickets', (ask) => use(async (sql) => (await ask(sql))[0][0]));

/* The negative control of everything that counts on the primary key of seat_claim: whoever comes later takes the seat away. */
export const GUARD_OFF = {
    sqlite: `CREATE TRIGGER guard_off BEFORE INSERT ON seat_claim BEGIN
        DELETE FROM seat_claim WHERE event_id = NEW.event_id AND seat_no = NEW.seat_no; END`,
    postgres: `CREATE FUNCTION guard_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            DELETE FROM seat_claim WHERE event_id = NEW.event_id AND seat_no = NEW.seat_no; RETURN NEW; END $$;
        CREATE TRIGGER guard_off BEFORE INSERT ON seat_claim FOR EACH ROW EXECUTE FUNCTION guard_off()`,
};

/* Bytes as a literal of the engine's SQL. */
export const blob = (bytes) => (isPostgres ? `decode('${bytes.toString('hex')}', 'hex')` : `x'${bytes.toString('hex')}'`);
