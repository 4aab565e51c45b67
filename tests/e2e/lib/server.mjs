/*
 * The program under test, as a process: `foyer serve` on a free port and a directory of its own. FOYER_BIN names another
 * program, such as one built with sanitizers. Processes are ended by their id; what is left of them when the test process ends is
 * killed then.
 */
import { spawn, spawnSync, execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Api } from './api.mjs';
import { Bank } from './bank.mjs';
import { Contract } from './contract.mjs';
import { reconcile } from './reconcile.mjs';
import { joinStore, query, storeEnvironment } from './store.mjs';
import { until } from './wait.mjs';

export const REPO = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const FOYER = path.resolve(process.env.FOYER_BIN ?? path.join(REPO, 'build/foyer'));
export const ADMIN_KEY = 'sk_e2e_admin_key_0123456789';
const SANITIZER_REPORT = /(ERROR|WARNING): \w+Sanitizer[\s\S]*|runtime error:.*/;
const READY_MS = 60000;
const STOP_MS = 60000;
const FILE_MS = 15 * 60000; /* the most that one file of tests may take */

const children = new Set();
const directories = new Set();
process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL');
    for (const dir of directories) fs.rmSync(dir, { recursive: true, force: true });
});

/* What a failed test leaves behind, such as a client that looks for its server, may keep this process alive: then it ends here, failed and by name. */
setTimeout(() => {
    console.error(`${process.argv[1]} is not done after ${FILE_MS / 60000} minutes: ${process.getActiveResourcesInfo().join(' ')}`);
    process.exit(1);
}, FILE_MS).unref();

export function tempDir() {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'foyer-e2e-'));
    directories.add(dir);
    return dir;
}

/* Nothing of the caller's configuration leaks into a test. */
export function environment(extra = {}) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FOYER_')));
    return { ...env, ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:exitcode=99', ...extra };
}

/* The environment of a subcommand: where its data are rows of PostgreSQL, it is told which. */
function environmentOf(args, extra) {
    const at = args.indexOf('--data');
    return environment({ ...storeEnvironment(at < 0 || args[0] === 'sandbox' ? null : args[at + 1]), ...extra });
}

/* Runs a subcommand to its end: {code, stdout, stderr}. */
export function run(args, { env = {}, timeout = 120000, cwd } = {}) {
    return new Promise((resolve) => {
        execFile(FOYER, args, { env: environmentOf(args, env), timeout, maxBuffer: 64 << 20, cwd }, (error, stdout, stderr) => {
            resolve({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr });
        });
    });
}

/* The same, and nothing else happens meanwhile: {status, stdout, stderr}. */
export const runSync = (args) => spawnSync(FOYER, args, { env: environmentOf(args, {}), encoding: 'utf8', timeout: 60000 });

/* A process that says "ready URL" on standard output. */
export class Program {
    constructor(args, env) {
        this.args = args;
        this.env = env;
        this.stderr = '';
        this.stdout = '';
    }

    async start() {
        const child = spawn(FOYER, this.args, { env: environmentOf(this.args, this.env), stdio: ['ignore', 'pipe', 'pipe'] });
        this.child = child;
        this.ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
        children.add(child);
        this.ended.then(() => children.delete(child));
        child.stdout.setEncoding('utf8').on('data', (text) => (this.stdout += text));
        child.stderr.setEncoding('utf8').on('data', (text) => (this.stderr += text));
        this.stdout = '';
        /* A test that fails may leave it running: that must not keep the test process alive. */
        for (const handle of [child, child.stdout, child.stderr]) handle.unref();
        await until(() => this.stdout.includes('\n') || child.exitCode !== null || child.signalCode !== null, {
            timeout: READY_MS,
            what: `${this.args[0]} to be ready`,
        });
        const ready = /^ready (\S+)$/m.exec(this.stdout);
        if (!ready) throw new Error(`no ready line: ${this.stdout}${this.stderr}`);
        this.url = ready[1];
        return this;
    }

    get pid() {
        return this.child.pid;
    }

    childPids() {
        const tasks = fs.readdirSync(`/proc/${this.pid}/task`);
        const read = (task) => fs.readFileSync(`/proc/${this.pid}/task/${task}/children`, 'utf8');
        return tasks.flatMap((task) => read(task).trim().split(' ').filter(Boolean).map(Number));
    }

    /* Asks it to end; throws when it does not end in peace. */
    async stop() {
        if (!this.isRunning()) return this.ended;
        this.child.kill('SIGTERM');
        const ended = await this.end();
        const report = SANITIZER_REPORT.exec(this.stderr);
        if (ended.code !== 0 || report)
            throw new Error(`ended with ${ended.code ?? ended.signal}: ${(report?.[0] ?? this.stderr).slice(0, 6000)}`);
        return ended;
    }

    async kill9() {
        this.child.kill('SIGKILL');
        await this.end();
        const report = SANITIZER_REPORT.exec(this.stderr);
        if (report) throw new Error(report[0].slice(0, 6000));
    }

    end() {
        return until(() => this.isRunning() === false && this.ended, { timeout: STOP_MS, what: 'the end of the process' });
    }

    isRunning() {
        return this.child.exitCode === null && this.child.signalCode === null;
    }
}

/* A bank of its own, which outlives the server: {program, url, secret, args: what the server is started with}. */
export async function startBank(dir = tempDir(), listen = '127.0.0.1:0') {
    const secret = 'e2e-bank-secret';
    const program = await new Program(['sandbox', '--data', dir, '--listen', listen, '--secret', secret], {}).start();
    const args = [`--payments=sandbox=${program.url.replace('http://', `http://${secret}@`)}`];
    return { program, dir, url: program.url, secret, args };
}

/* options: {args, env, dir, store (URL of a database that is there already, as another node's), bank, ca (of the certificate that args name), testClock (default true), contract (default true)} */
export class Foyer extends Program {
    constructor(options = {}) {
        const dir = options.dir ?? tempDir();
        const clock = options.testClock === false ? [] : ['--test-clock'];
        const listen = options.listen ?? '127.0.0.1:0';
        const more = [...clock, ...(options.bank?.args ?? []), ...(options.args ?? [])];
        const args = ['serve', '--data', dir, '--listen', listen, '--log-level', 'warn', ...more];
        super(args, { FOYER_ADMIN_KEY: ADMIN_KEY, ...options.env });
        if (options.store) joinStore(dir, options.store);
        this.dir = dir;
        this.ownBank = options.bank;
        this.ca = options.ca;
        this.hasContract = options.contract !== false;
    }

    static async start(options) {
        return new Foyer(options).start();
    }

    async start() {
        await super.start();
        this.contract ??= this.hasContract ? await Contract.load(this.url, this.ca) : null;
        this.anonymous = new Api(this, null);
        this.admin = new Api(this, ADMIN_KEY);
        return this;
    }

    async restart() {
        await this.stop();
        return this.start();
    }

    as(token) {
        return new Api(this, token);
    }

    get bank() {
        return new Bank(this.dir, this.ownBank);
    }

    /* Rows of text columns, of a service's tables. */
    sql(text, service = 'tickets') {
        return query(this.dir, text, service);
    }

    /* Moves every timer and timestamp of the server. Returns its time in milliseconds. */
    async advance(ms) {
        const answer = await this.anonymous.post('/v1/test/clock', { advance_ms: ms });
        if (answer.status !== 200) throw new Error(`clock: ${answer.status} ${answer.text}`);
        return Date.parse(answer.json.now);
    }

    now() {
        return this.advance(0);
    }

    /*
     * {code, findings: [{check, finding}], totals, clean}. Where it is clean the reconciliation must be so too, in every test; `isAlone` leaves
     * that out, for asking again and again.
     */
    async audit({ isAlone = false } = {}) {
        const { code, stdout, stderr } = await run(['audit', '--data', this.dir, '--json']);
        if (code !== 0 && code !== 1) throw new Error(`audit ended with ${code}: ${stderr}${stdout}`);
        if (code === 0 && !isAlone) {
            const others = await reconcile(this.dir, { bank: this.ownBank?.dir ?? path.join(this.dir, 'sandbox'), isAtRest: false });
            if (others.length > 0) throw new Error(`the audit is clean, the reconciliation is not: ${JSON.stringify(others.slice(0, 20))}`);
        }
        return { code, ...JSON.parse(stdout) };
    }

    /* The metric's value, summed over its labels that contain `labels`. */
    async metric(name, labels = '') {
        const { text } = await this.anonymous.get('/metrics');
        let sum = 0;
        if (!text.includes(`# TYPE ${name} `)) throw new Error(`there is no metric ${name}`);
        for (const line of text.split('\n')) {
            if ((line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(labels))
                sum += Number(line.slice(line.lastIndexOf(' ') + 1));
        }
        return sum;
    }
}
