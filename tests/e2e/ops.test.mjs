/* X1, X3, X4, X6, T9, T16: configuration, health, metrics, stopping, TLS, pages, logs, a full disk, and what the audit finds. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { ADMIN_KEY, Foyer, FOYER, run, runSync, tempDir } from './lib/server.mjs';
import { dump, isPostgres, query, sqliteOnly } from './lib/store.mjs';
import { send } from './lib/api.mjs';
import { until } from './lib/wait.mjs';
import { bought, held, makeUser, PASSWORD, plan, sale, unique } from './lib/seed.mjs';

const HALL = { plan: plan({ rows: 2, seats: 20, areas: [{ guid: 'floor', capacity: 20 }] }), limits: { per_account: 100 } };
const isInstrumented = /asan|tsan|fuzz/.test(FOYER);

describe('configuration', () => {
    const valuesOf = (text) => Object.fromEntries([...text.matchAll(/^(?:; )?([\w-]+) = (.*?) ; (\w+)$/gm)].map(([, key, value, source]) => [key, [value, source]]));

    test('a flag beats the environment, it the file, that the default; `foyer config` says which', async () => {
        const file = path.join(tempDir(), 'foyer.ini');
        fs.writeFileSync(file, 'loops = 2\nreaders = 5\ndrain-ms = 1234\nlog-level = warn\nstripe-key = sk_file_secret\n');
        const { code, stdout, stderr } = await run(['config', '--config', file, '--loops', '7'], { env: { FOYER_READERS: '9', FOYER_LOOPS: '3', FOYER_MAIL: 'smtp://me:hush@mail.example:25' } });
        assert.equal(code, 0, stderr);
        const values = valuesOf(stdout);
        assert.deepEqual(values.loops, ['7', 'flag']);
        assert.deepEqual(values.readers, ['9', 'environment']);
        assert.deepEqual(values['drain-ms'], ['1234', 'file']);
        assert.deepEqual(values['connections-max'], ['65536', 'default']);
        assert.ok(!/sk_file_secret|hush/.test(stdout), 'secrets are masked');
        /* What it prints is a file it reads. */
        const again = path.join(tempDir(), 'again.ini');
        fs.writeFileSync(again, stdout.replace(/^(stripe-key|stripe-webhook-secret|mail) = .*$/gm, ''));
        assert.deepEqual(valuesOf((await run(['config', '--config', again])).stdout).readers, ['9', 'file']);
    });

    test('mistakes are one line that names the key and the place', async () => {
        const file = path.join(tempDir(), 'foyer.ini');
        const cases = [
            [['--loops', 'many'], {}, '', /loops/],
            [['--loops', '65'], {}, '', /loops/],
            [['--no-such'], {}, '', /--no-such/],
            [['--read', '3'], {}, '', /--read/],
            [['--loops'], {}, '', /--loops/],
            [['stray'], {}, '', /stray/],
            [['--stripe-key', 'sk_live'], {}, '', /FOYER_STRIPE_KEY/],
            [['--payments', 'cash'], {}, '', /payments/],
            [['--payments', 'stripe'], {}, '', /stripe-key/i],
            [['--listen', 'nowhere'], {}, '', /listen/],
            [['--tls-cert', '/x'], {}, '', /tls-key/],
            [['--services', 'poker'], {}, '', /poker/],
            [['--abuse', 'maybe'], {}, '', /abuse/],
            [[], { FOYER_READERS: '-1' }, '', /readers/],
            [[], { FOYER_ADMIN_KEY: 'short' }, '', /admin-key/],
            [['--config', file], {}, 'loops = 1\ncolour = red\n', /line 2.*colour/],
            [['--config', file], {}, 'loops\n', /line 1/],
            [['--config', '/no/such/file'], {}, '', /no\/such\/file/],
        ];
        for (const [args, env, text, wanted] of cases) {
            fs.writeFileSync(file, text);
            const { code, stderr } = await run(['config', ...args], { env });
            assert.equal(code, 2, `${args} ${JSON.stringify(env)}: ${stderr}`);
            assert.match(stderr.trim(), wanted);
            assert.equal(stderr.trim().split('\n').length, 1, stderr);
        }
    });

    test('version, help and nonsense', async () => {
        assert.match((await run(['version'])).stdout, /^foyer \d+\.\d+/);
        const help = await run(['help']);
        for (const word of ['serve', 'audit', 'config', '--listen', 'FOYER_']) assert.ok(help.stdout.includes(word), word);
        assert.equal((await run(['dance'])).code, 2);
        assert.match((await run(['dance'])).stderr, /dance/);
    });

    test('the first start makes an admin key and prints it once; the given one is kept as a hash', async () => {
        const own = await Foyer.start({ env: { FOYER_ADMIN_KEY: '' }, contract: false }).catch(() => null);
        if (own) {
            const key = /sk_[\w-]{20,}/.exec(own.stdout + own.stderr)?.[0];
            assert.ok(key, `a key in ${own.stdout}${own.stderr}`);
            assert.equal((await own.as(key).get('/v1/users')).status, 200);
            await own.stop();
            await own.start();
            assert.ok(!/sk_[\w-]{20,}/.test(own.stdout), 'not again');
            await own.stop();
        }
        const given = await Foyer.start();
        await given.stop();
        const text = await dump(given.dir, 'platform');
        assert.match(text, /INSERT INTO "?api_key"? /);
        assert.ok(!text.includes(ADMIN_KEY));
    });

    test('`foyer migrate` makes the databases, and again does nothing', async () => {
        const dir = tempDir();
        assert.equal((await run(['migrate', '--data', dir])).code, 0);
        assert.deepEqual(await query(dir, 'SELECT COUNT(*) FROM booking'), [['0']]);
        const again = await run(['migrate', '--data', dir]);
        assert.equal(again.code, 0);
        assert.match(again.stdout, /: 0 applied/);
        if (!isPostgres) assert.equal(fs.statSync(path.join(dir, 'tickets.db')).mode & 0o077, 0, 'databases are for their owner only');
    });
});

describe('health and metrics', () => {
    let server;
    before(async () => (server = await Foyer.start({ args: ['--abuse=off'] })));
    after(() => server.stop());

    test('healthz and readyz are green, and readyz names its checks', async () => {
        assert.deepEqual((await server.anonymous.get('/healthz')).json, { status: 'ok' });
        const ready = (await server.anonymous.get('/readyz')).json;
        assert.equal(ready.status, 'ready');
        assert.ok(ready.checks.length >= 2);
        assert.ok(ready.checks.every((check) => check.ok));
    });

    test('metrics are Prometheus text: typed, helped, no series twice, buckets that add up', async () => {
        const user = await makeUser(server);
        const event = await sale(server, HALL);
        await bought(server, user, event.id, ['S1-R1-1']);
        const { text, headers } = await server.anonymous.get('/metrics');
        assert.match(headers['content-type'], /^text\/plain; version=0\.0\.4/);
        assert.ok(text.endsWith('\n'));
        const types = {};
        const helped = new Set();
        const series = new Map();
        for (const line of text.trimEnd().split('\n')) {
            const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
            const help = /^# HELP (\S+) \S/.exec(line);
            if (type) {
                assert.ok(!(type[1] in types), `${type[1]} is typed twice`);
                types[type[1]] = type[2];
            } else if (help) helped.add(help[1]);
            else {
                const sample = /^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})? (-?[\d.e+]+|\+Inf|NaN)$/.exec(line);
                assert.ok(sample, `not a sample: ${line}`);
                const family = sample[1] in types ? sample[1] : sample[1].replace(/_(bucket|sum|count)$/, '');
                assert.ok(family in types && helped.has(family), `${sample[1]} has a type and a help`);
                const id = sample[1] + (sample[2] ?? '');
                assert.ok(!series.has(id), `${id} twice`);
                series.set(id, Number(sample[3].replace('+Inf', 'Infinity')));
            }
        }
        for (const [id, count] of [...series].filter(([name]) => /_count(\{|$)/.test(name))) {
            const labels = /\{(.*)\}/.exec(id)?.[1] ?? '';
            const prefix = id.replace(/_count.*/, '_bucket');
            const buckets = [...series].filter(([name]) => name.startsWith(`${prefix}{`) && name.includes(labels));
            const values = buckets.map(([, value]) => value);
            assert.deepEqual(values, [...values].sort((a, b) => a - b), `${prefix} is cumulative`);
            assert.equal(values.at(-1), count, `${id} is the last bucket`);
        }
        assert.equal(await server.metric('foyer_payment_callbacks_total'), 1);
        assert.ok((await server.metric('foyer_connections_open')) >= 1);
        assert.ok((await server.metric('foyer_http_requests_total')) > 5);
    });
});

describe('stopping', () => {
    test('an idle server is gone within a second, with exit code 0 and its bank', async () => {
        const own = await Foyer.start();
        await own.anonymous.get('/healthz');
        const times = [];
        for (let i = 0; i < 3; i++) {
            const children = own.childPids();
            const began = performance.now();
            const ended = await own.stop();
            times.push(performance.now() - began);
            assert.equal(ended.code, 0);
            for (const pid of children) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
            await own.start();
        }
        assert.ok(Math.min(...times) < (isInstrumented ? 5000 : 1000), `${times} ms`);
        await own.stop();
    });

    test('SIGTERM answers the requests that are there', async () => {
        /* Twelve passwords to hash may take longer than the usual drain on a machine that does other things. */
        const own = await Foyer.start({ args: ['--abuse=off', '--drain-ms', '600000'] });
        const bodies = Array.from({ length: 12 }, () => ({ email: `d-${unique()}@example.com`, password: PASSWORD, name: 'D' }));
        const signUps = bodies.map((body) => own.anonymous.post('/v1/users', body));
        const settled = Promise.allSettled(signUps);
        await until(async () => (await own.metric('foyer_requests_open')) >= 6, { every: 1, what: 'requests to be open' });
        own.child.kill('SIGTERM');
        const answers = await settled;
        assert.equal((await own.stop()).code, 0);
        /* One of the six was the question itself. A request that had not arrived yet may find the connection closed. */
        const answered = answers.filter((answer) => answer.status === 'fulfilled');
        assert.ok(answered.length >= 5, `${answered.length} answers`);
        assert.deepEqual(new Set(answered.map((answer) => answer.value.status)), new Set([201]));
        await own.start();
        for (const [index, answer] of answers.entries())
            if (answer.status === 'rejected') assert.equal((await own.anonymous.post('/v1/users', bodies[index])).status, 201, 'no answer, and nothing done');
        await own.stop();
    });

    test('readyz is red while it drains, and nobody new is let in', async () => {
        const own = await Foyer.start({ args: ['--drain-ms', '8000'] });
        const { hostname, port } = new URL(own.url);
        const socket = net.connect(Number(port), hostname).setEncoding('utf8');
        let text = '';
        socket.on('data', (more) => (text += more)).on('error', () => {});
        /* Half a request is a connection at work. */
        socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n');
        await until(() => text.includes('200'), { what: 'the first answer' });
        own.child.kill('SIGTERM');
        await until(() => send(`${own.url}/healthz`).then(() => false, (error) => error.code === 'ECONNREFUSED'), { what: 'the listener to close' });
        text = '';
        socket.write('\r\n');
        await until(() => text.includes('\r\n\r\n') && text.includes('}'), { what: 'the answer' });
        assert.match(text, /^HTTP\/1\.1 503/);
        assert.match(text, /connection: close/i);
        assert.match(text, /"stopping"/);
        assert.equal((await own.stop()).code, 0);
    });

    test('a directory has one server at a time, and is free at once after kill -9', async () => {
        const own = await Foyer.start();
        const second = runSync(['serve', '--data', own.dir, '--listen', '127.0.0.1:0']);
        assert.equal(second.status, 1);
        assert.match(second.stderr, /in use/);
        assert.ok(second.stderr.includes(String(own.pid)), second.stderr);
        assert.equal((await own.anonymous.get('/healthz')).status, 200);
        await own.kill9();
        await own.start();
        await own.stop();
    });

    test('what cannot work is said at the start', async () => {
        const dir = tempDir();
        const busy = net.createServer().listen(0, '127.0.0.1');
        await new Promise((resolve) => busy.once('listening', resolve));
        const serve = (...args) => runSync(['serve', '--data', dir, ...args]);
        const taken = serve('--listen', `127.0.0.1:${busy.address().port}`);
        assert.notEqual(taken.status, 0);
        assert.match(taken.stderr, /listen|address/i);
        busy.close();
        const file = path.join(dir, 'plain-file');
        fs.writeFileSync(file, '');
        const noDir = runSync(['serve', '--data', file, '--listen', '127.0.0.1:0']);
        assert.notEqual(noDir.status, 0);
        const bad = tempDir();
        if (isPostgres) await query(bad, 'CREATE SCHEMA tickets; CREATE TABLE tickets.journal (nothing text)');
        else fs.writeFileSync(path.join(bad, 'tickets.db'), 'this is no database, whatever its name says'.repeat(100));
        const broken = runSync(['serve', '--data', bad, '--listen', '127.0.0.1:0']);
        assert.notEqual(broken.status, 0);
        assert.match(broken.stderr, /cannot start/);
    });

    test('at the cap of connections others wait, and are served when one closes', async () => {
        const own = await Foyer.start({ args: ['--connections-max', '16', '--loops', '1'] });
        const { hostname, port } = new URL(own.url);
        const idle = Array.from({ length: 40 }, () => net.connect(Number(port), hostname).on('error', () => {}));
        idle.forEach((socket) => socket.write('GET /heal'));
        await until(() => idle.every((socket) => !socket.connecting), { what: 'connections' });
        idle.forEach((socket) => socket.destroy());
        assert.equal((await send(`${own.url}/healthz`)).status, 200);
        await own.stop();
    });
});

describe('TLS', () => {
    const dir = tempDir();
    const [key, cert] = [path.join(dir, 'key.pem'), path.join(dir, 'cert.pem')];
    const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
    const make = () => execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', key, '-out', cert,
        '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'], { stdio: 'ignore' });

    test('everything works over https, callbacks too; the cookie is Secure', { skip: !hasOpenssl }, async () => {
        make();
        const own = await Foyer.start({ args: ['--tls-cert', cert, '--tls-key', key], ca: fs.readFileSync(cert) });
        assert.match(own.url, /^https:/);
        const user = await makeUser(own);
        const event = await sale(own, HALL);
        await bought(own, user, event.id, ['S1-R1-1']);
        assert.match((await own.anonymous.get('/')).headers['strict-transport-security'], /max-age=\d{7,}/);
        const login = await own.anonymous.post('/v1/sessions', { email: user.email, password: PASSWORD, cookie: true });
        assert.match(login.headers['set-cookie'][0], /^__Host-foyer_session=.*; Secure/);
        const cookie = login.headers['set-cookie'][0].split(';')[0];
        assert.equal((await own.anonymous.get('/v1/me', { headers: { cookie } })).json.id, user.user.id);
        /* Plain text to a port that speaks TLS, and a handshake that never goes on. */
        await assert.rejects(send(own.url.replace('https:', 'http:') + '/healthz'));
        const { hostname, port } = new URL(own.url);
        const sockets = Array.from({ length: 20 }, () => net.connect(Number(port), hostname).on('error', () => {}));
        sockets.forEach((socket) => socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1])));
        assert.equal((await own.anonymous.get('/healthz')).status, 200);
        sockets.forEach((socket) => socket.destroy());
        await own.stop();
    });

    test('a certificate that is none is said at the start', { skip: !hasOpenssl }, async () => {
        make();
        const bad = path.join(dir, 'bad.pem');
        fs.writeFileSync(bad, 'nonsense');
        for (const [c, k] of [[bad, key], [cert, bad], ['/no/such.pem', key]]) {
            const ended = runSync(['serve', '--data', tempDir(), '--listen', '127.0.0.1:0', '--tls-cert', c, '--tls-key', k]);
            assert.notEqual(ended.status, 0);
            assert.match(ended.stderr, /foyer: /);
        }
    });
});

describe('pages', () => {
    let server;
    before(async () => (server = await Foyer.start()));
    after(() => server.stop());

    test('carry a strict policy, and nothing inline that it would have to allow', async () => {
        for (const target of ['/', '/events/evt_1', '/login', '/organizer']) {
            const page = await server.anonymous.get(target);
            assert.equal(page.status, 200, target);
            const policy = page.headers['content-security-policy'];
            assert.match(policy, /default-src 'self'/);
            assert.match(policy, /object-src 'none'/);
            assert.match(policy, /frame-ancestors 'none'/);
            assert.ok(!/unsafe|\*/.test(policy), policy);
            assert.equal(page.headers['x-content-type-options'], 'nosniff');
            assert.equal(page.headers['x-frame-options'], 'DENY');
            assert.ok(page.headers['referrer-policy']);
            assert.ok(!/<script(?![^>]*\bsrc=)[^>]*>|\son\w+=|<style|\sstyle=/i.test(page.text), `${target} has something inline`);
        }
    });

    test('come from memory with their ETag; assets never change', async () => {
        const page = await server.anonymous.get('/');
        assert.equal((await server.anonymous.get('/', { headers: { 'if-none-match': page.headers.etag } })).status, 304);
        const asset = /(?:src|href)="(\/assets\/[^"]+)"/.exec(page.text)?.[1];
        assert.ok(asset, page.text);
        const file = await server.anonymous.get(asset, { headers: { 'accept-encoding': 'gzip' } });
        assert.equal(file.status, 200);
        assert.match(file.headers['cache-control'], /immutable/);
        assert.equal((await server.anonymous.get('/assets/none.js')).status, 404);
        assert.equal((await server.anonymous.post('/login')).status, 405);
    });
});

test('logs are JSON lines with the request\'s id, and know no secret', async () => {
    const own = await Foyer.start({ args: ['--log-level', 'debug'] });
    const user = await makeUser(own);
    await user.get('/v1/me', { headers: { 'x-request-id': 'find-me-123', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' } });
    await own.anonymous.get('/v1/events?q=%22');
    await own.stop();
    const lines = own.stderr.trim().split('\n').map((line) => JSON.parse(line));
    assert.ok(lines.every((line) => line.at && line.level && line.msg));
    const mine = lines.find((line) => Object.values(line).includes('find-me-123'));
    assert.ok(mine, 'the request is in the log by its id');
    assert.ok(JSON.stringify(mine).includes('4bf92f3577b34da6a3ce929d0e0e4736'), 'with its trace');
    for (const secret of [PASSWORD, user.token, ADMIN_KEY, own.bank.secret]) assert.ok(!own.stderr.includes(secret));
});

describe('a full disk', { skip: sqliteOnly('the disk under them') }, () => {
    test('refuses writes cleanly, reads on, is red, and goes on when there is room again', async (t) => {
        const dir = tempDir();
        if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', dir], { stdio: 'ignore' }).status !== 0) {
            t.skip('needs the right to mount');
            return;
        }
        try {
            const own = await Foyer.start({ dir, args: ['--abuse=off'] });
            const user = await makeUser(own);
            const event = await sale(own, { plan: plan({ rows: 20, seats: 50 }), limits: { per_account: 100 }, hold_ttl_s: 3600 });
            const kept = await held(user, event.id, ['S1-R1-1']);
            const filler = fs.openSync(path.join(dir, 'filler'), 'w');
            const block = Buffer.alloc(64 << 10);
            for (let size = block.length; size >= 512; ) {
                try {
                    fs.writeSync(filler, block, 0, size);
                } catch {
                    size /= 2;
                }
            }
            const results = [];
            let seat = 1;
            await until(async () => {
                const answer = await user.hold(event.id, [`S1-R2-${seat++}`]);
                results.push(answer.status);
                return answer.status === 503;
            }, { every: 1, what: 'a write to be refused' });
            const refused = await user.hold(event.id, ['S1-R3-1']);
            assert.equal(refused.status, 503);
            assert.equal(refused.json.type, 'overloaded');
            assert.ok(refused.headers['retry-after']);
            assert.equal((await own.anonymous.get('/readyz')).status, 503);
            assert.equal((await own.anonymous.get('/healthz')).status, 200);
            assert.equal((await user.get(`/v1/bookings/${kept.id}`)).status, 200);
            assert.equal((await own.anonymous.get(`/v1/events/${event.id}/seats`)).status, 200);
            fs.closeSync(filler);
            fs.rmSync(path.join(dir, 'filler'));
            await until(async () => (await user.hold(event.id, ['S1-R3-1'])).status === 201, { what: 'writes to work again' });
            await own.advance(11000);
            await until(async () => (await own.anonymous.get('/readyz')).status === 200, { what: 'readyz to be green' });
            assert.equal((await user.get('/v1/me/bookings?limit=200')).json.data.length, results.filter((code) => code === 201).length + 2);
            assert.deepEqual((await own.audit()).findings, []);
            await own.stop();
        } finally {
            spawnSync('umount', ['-l', dir]);
        }
    });
});

/* What it finds is in audit.test.mjs. */
describe('audit', () => {
    test('has a published head to compare with: it moves with every row, and is what stands in the database', async () => {
        const own = await Foyer.start();
        const user = await makeUser(own);
        const event = await sale(own, HALL);
        const head = async () => (await own.anonymous.get(`/v1/events/${event.id}/journal-head`)).json;
        const before = await head();
        await held(user, event.id, ['S1-R1-1']);
        const after = await head();
        assert.ok(after.version > before.version);
        assert.notEqual(after.hash, before.hash);
        const stored = await own.sql(`SELECT lower(hex(hash)) FROM journal_head WHERE version = ${after.version} AND lower(hex(hash)) = '${after.hash}'`);
        assert.deepEqual(stored, [[after.hash]]);
        await own.stop();
    });

    test('ends with 2 when it cannot look', async () => {
        const { code, stderr } = await run(['audit', '--data', tempDir()]);
        assert.equal(code, 2);
        assert.match(stderr, /audit: /);
    });
});
