/*
 * A PostgreSQL cluster of the test's own, by scripts/postgres.sh: 127.0.0.1, a free port, a directory of its own. It ends with the
 * test process, however that ends.
 */
import { execFile, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const SCRIPT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../scripts/postgres.sh');
const CONNECT_MS = 20000;

const directories = new Set();
process.on('exit', () => {
    for (const dir of directories) {
        if (fs.existsSync(path.join(dir, 'data'))) spawnSync(SCRIPT, ['kill', dir]);
        fs.rmSync(dir, { recursive: true, force: true });
    }
});

/* The directory must be open to the user that PostgreSQL runs as. */
function newDir() {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'foyer-pg-'));
    fs.chmodSync(dir, 0o755);
    directories.add(dir);
    return dir;
}

function script(...args) {
    return new Promise((resolve, reject) => {
        execFile(SCRIPT, args, (error, stdout, stderr) => {
            if (error) reject(new Error(`postgres.sh ${args.join(' ')}: ${stderr}`));
            else resolve(stdout.trim());
        });
    });
}

export class Postgres {
    constructor(dir) {
        this.dir = dir;
        this.databases = 0;
    }

    /* options: {fsync: false, icu: 'en-US' (text sorts as there), settings: {name: value}} */
    static start({ fsync = true, icu, settings = {} } = {}) {
        const args = [...(fsync ? [] : ['--no-fsync']), ...(icu ? ['--icu', icu] : [])];
        return new Postgres(newDir()).resume(...args, ...Object.entries(settings).map(([name, value]) => `${name}=${value}`));
    }

    /* One that somebody else started and stops. */
    static at(dir) {
        return new Postgres(dir);
    }

    #read(name) {
        return fs.readFileSync(path.join(this.dir, name), 'utf8').trim();
    }

    get host() {
        return `127.0.0.1:${this.#read('port')}`;
    }

    get log() {
        return this.#read('log');
    }

    /* For Foyer: a role that is no superuser. `standby` adds the host of another cluster; the one that is the primary is taken. */
    url(database = 'foyer', standby) {
        const hosts = standby ? `${this.host},${standby.host}` : this.host;
        return `postgres://foyer:${this.#read('foyer.password')}@${hosts}/${database}${standby ? '?target_session_attrs=read-write' : ''}`;
    }

    /* Makes an empty database. Returns its name. */
    async database() {
        const name = `t${process.pid}_${++this.databases}`;
        await this.query(`CREATE DATABASE ${name} OWNER foyer`);
        return name;
    }

    /* The rows, as the superuser. bigint columns are strings. */
    async query(sql, values = [], database = 'postgres') {
        const [host, port] = this.host.split(':');
        const client = new pg.Client({
            ...{ host, port: Number(port), database, user: 'postgres', password: this.#read('postgres.password') },
            connectionTimeoutMillis: CONNECT_MS,
        });
        /* The end of the server is told by the query that it breaks. */
        client.on('error', () => {});
        await client.connect();
        try {
            return (await client.query(sql, values)).rows;
        } finally {
            await client.end().catch(() => {});
        }
    }

    /* After stop() or kill(); recovery is over when it returns. */
    async resume(...args) {
        await script('start', this.dir, '--while', String(process.pid), ...args);
        return this;
    }

    /* In immediate mode: as after a crash of the database. */
    restart() {
        return script('restart', this.dir);
    }

    stop() {
        return script('stop', this.dir);
    }

    /* SIGKILL for all its processes. */
    kill() {
        return script('kill', this.dir);
    }

    /* A streaming copy; with sync no commit is answered before the copy has it. */
    async standby({ sync = true } = {}) {
        const standby = new Postgres(newDir());
        await script('standby', this.dir, standby.dir, '--while', String(process.pid), ...(sync ? ['--sync'] : []));
        return standby;
    }

    promote() {
        return script('promote', this.dir);
    }

    /* One of PostgreSQL's programs, as the superuser; what it prints. */
    run(program, ...args) {
        return script('run', this.dir, program, ...args);
    }

    /* A new cluster from a base backup of this one, recovered to what the settings say. */
    async restore(base, settings) {
        const copy = new Postgres(newDir());
        const pairs = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
        await script('restore', this.dir, copy.dir, base, '--while', String(process.pid), ...pairs);
        return copy;
    }
}
