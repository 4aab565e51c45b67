/*
 * X3, X8: alert rules that promtool tests pass on, and a dashboard. Every name they ask for is one that the program really shows, with the labels
 * and values they select by, so neither can rot when a metric is renamed.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { execFile, execFileSync } from 'node:child_process';
import { isPostgres } from './lib/store.mjs';
import { REPO, Foyer, FOYER, run, tempDir } from './lib/server.mjs';
import { until } from './lib/wait.mjs';
import { bought, checkedOut, held, makeUser, plan, sale, status } from './lib/seed.mjs';

const RULES_DIR = path.join(REPO, 'packaging/prometheus');
const RULES = fs.readFileSync(path.join(RULES_DIR, 'foyer.rules.yml'), 'utf8');
const DASHBOARD = JSON.parse(fs.readFileSync(path.join(REPO, 'packaging/grafana/foyer.json'), 'utf8'));
const UNITS = /^(?:__name__|up)$/;

let promtool;
let server;
let text; /* /metrics and the audit's file, as one scrape */
before(async () => {
    promtool = execFileSync(path.join(REPO, 'scripts/promtool.sh'), { encoding: 'utf8' }).trim();
    server = await Foyer.start({ args: ['--services=tickets,hooks,chat', '--abuse=off'] });
    const user = await makeUser(server);
    const event = await sale(server, { plan: plan({ rows: 2, seats: 10 }) });
    await bought(server, user, event.id, ['S1-R1-1']);
    const failed = await checkedOut(user, event.id, ['S1-R1-2']);
    await server.bank.pay(failed.payment.url, 'failed');
    await status(user, failed.id, 'failed');
    await server.anonymous.post('/v1/sessions', { email: user.email, password: 'wrong' + 'x'.repeat(12) });
    const file = path.join(tempDir(), 'foyer_audit.prom');
    const audit = await run(['audit', '--data', server.dir, '--textfile', file]);
    assert.equal(audit.code, 0, audit.stdout + audit.stderr);
    assert.equal(fs.statSync(file).mode & 0o777, 0o644, 'another program reads it');
    await until(async () => (await server.metric('foyer_journal_rows_total', 'type="booking.failed"')) === 1, { timeout: 60000, what: 'the journal to be counted' });
    text = (await server.anonymous.get('/metrics')).text + fs.readFileSync(file, 'utf8');
});
after(() => server.stop());

const tool = (args, options = {}) => new Promise((resolve) => {
    execFile(promtool, args, { cwd: RULES_DIR, timeout: 300000, ...options }, (error, stdout, stderr) => resolve({ code: error ? (error.code ?? error.signal) : 0, output: stdout + stderr }))
        .stdin.end(options.input ?? '');
});

/* Every PromQL expression of the rules: {name, expr, isAlert}. One line each, as the file is written. */
function ruleExpressions() {
    const rules = [...RULES.matchAll(/^ {6}- (alert|record): (\S+)\n(?: {8}labels: .*\n)?(?: {8}for: .*\n)? {8}expr: (.+)$/gm)];
    return rules.map(([, kind, name, expr]) => ({ name, expr, isAlert: kind === 'alert' }));
}

const panels = () => DASHBOARD.panels.filter((panel) => panel.type !== 'row');
const dashboardExpressions = () => panels().flatMap((panel) => panel.targets.map(({ expr }) => ({ name: `panel "${panel.title}"`, expr })));

/* {name: [[label, operator, value], ...]} of each selector in an expression. */
function selectors(expr) {
    const found = [];
    const plain = expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*');
    for (const [, name, , matchers] of plain.matchAll(/\b((?:foyer|process)[_:][a-z_0-9:]+)\b(\{([^}]*(?:\{[a-z]+\}[^}]*)*)\})?/g))
        found.push({ name, matchers: [...(matchers ?? '').matchAll(/(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"/g)].map(([, label, operator, value]) => ({ label, operator, value })) });
    return found;
}

/* name: [{label: value}, ...] of a scrape. */
function series(scrape) {
    const all = new Map();
    for (const line of scrape.split('\n').filter((candidate) => candidate && !candidate.startsWith('#'))) {
        const [, name, labels] = /^([a-z_0-9]+)(?:\{(.*)\})? \S+$/.exec(line);
        if (!all.has(name)) all.set(name, []);
        all.get(name).push(Object.fromEntries([...(labels ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, value]) => [label, value])));
    }
    return all;
}

const ADDED = ['instance', 'job', 'level']; /* by Prometheus, or by our own rules */
const isMatch = ({ operator, value }, actual = '') =>
    operator === '=' ? actual === value : operator === '!=' ? actual !== value : operator === '=~' ? new RegExp(`^(?:${value})$`).test(actual) : !new RegExp(`^(?:${value})$`).test(actual);

/* Shown only by a node that may share its database. */
const OF_SHARED = /^foyer_tail_/;

/* What an expression asks for and nobody shows. */
function missing(expressions, scrape) {
    const shown = series(scrape);
    const recorded = new Set(ruleExpressions().filter(({ isAlert }) => !isAlert).map(({ name }) => name));
    return expressions.flatMap(({ name: owner, expr }) => selectors(expr).flatMap(({ name, matchers }) => {
        if (name.includes(':')) return recorded.has(name) ? [] : [`${owner}: nothing records ${name}`];
        const candidates = shown.get(name);
        if (!candidates && !isPostgres && OF_SHARED.test(name)) return [];
        if (!candidates) return [`${owner}: there is no metric ${name}`];
        const ours = matchers.filter(({ label }) => !ADDED.includes(label));
        return candidates.some((labels) => ours.every((matcher) => isMatch(matcher, labels[matcher.label]))) ? [] : [`${owner}: no series of ${name} has ${JSON.stringify(ours)}`];
    }));
}

describe('alert rules', () => {
    test('promtool takes them', async () => {
        const { code, output } = await tool(['check', 'rules', 'foyer.rules.yml']);
        assert.equal(code, 0, output);
        assert.equal(Number(/(\d+) rules found/.exec(output)[1]), ruleExpressions().length, 'this test sees all of them');
    });

    /* Takes promtool seconds, and is the same whatever program is tested. */
    test('each fires on what it must fire on, and is silent on what it must not', { timeout: 300000, skip: /asan|tsan/.test(FOYER) && 'no matter of the program' }, async () => {
        const { code, output } = await tool(['test', 'rules', 'foyer.rules.test.yml']);
        assert.equal(code, 0, output);
        const tests = fs.readFileSync(path.join(RULES_DIR, 'foyer.rules.test.yml'), 'utf8');
        for (const { name } of ruleExpressions().filter(({ isAlert }) => isAlert)) {
            assert.ok(tests.includes(`- name: ${name} fires\n`), `${name} is not seen firing`);
            assert.ok(tests.includes(`- name: ${name} is silent\n`), `${name} is not seen silent`);
        }
    });

    test('a rule that is wrong fails them', { timeout: 300000 }, async () => {
        const dir = tempDir();
        const only = fs.readFileSync(path.join(RULES_DIR, 'foyer.rules.test.yml'), 'utf8').split(/^(?= {2}- name: )/m);
        fs.writeFileSync(path.join(dir, 'foyer.rules.test.yml'), only[0] + only.filter((part) => part.startsWith('  - name: FoyerOversold ')).join(''));
        for (const [change, isGood] of [['foyer_audit_oversold > 0', true], ['foyer_audit_oversold > 1', false], ['foyer_audit_oversold >= 0', false]]) {
            fs.writeFileSync(path.join(dir, 'foyer.rules.yml'), RULES.replace('foyer_audit_oversold > 0', change));
            assert.equal((await tool(['test', 'rules', 'foyer.rules.test.yml'], { cwd: dir })).code === 0, isGood, change);
        }
    });

    test('ask for nothing that the program does not show', () => {
        assert.deepEqual(missing(ruleExpressions(), text), []);
        /* The question can be answered with no. */
        assert.equal(missing([{ name: 'x', expr: 'foyer_no_such_metric > 0' }], text).length, 1);
        assert.equal(missing([{ name: 'x', expr: 'foyer_mails_total{result="eaten"}' }], text).length, 1);
        assert.equal(missing([{ name: 'x', expr: 'rate(foyer_http_requests_total{route="/v1/bookings",method="PUT"}[5m])' }], text).length, 1);
        assert.equal(missing([{ name: 'x', expr: 'foyer:nothing:ratio' }], text).length, 1);
    });

    test('the scrape is one that promtool takes, too', async () => {
        const { code, output } = await tool(['check', 'metrics'], { input: text });
        assert.ok(code === 0 || code === 3, output); /* 3: remarks of style, such as a unit */
        assert.doesNotMatch(output, /error while linting|parse/i);
    });

    test('the service levels quote them word for word', () => {
        const levels = fs.readFileSync(path.join(REPO, 'docs/service-levels.md'), 'utf8');
        for (const { name, isAlert } of ruleExpressions()) assert.ok(levels.includes(name), `docs/service-levels.md does not speak of ${isAlert ? 'alert' : 'record'} ${name}`);
        const quoted = [...levels.matchAll(/```promql\n([\s\S]*?)```/g)].map(([, expr]) => ({ name: 'docs/service-levels.md', expr }));
        assert.ok(quoted.length >= 5);
        assert.deepEqual(missing(quoted, text), []);
    });
});

describe('the dashboard', () => {
    test('has the form that Grafana reads: panels with ids of their own, on a grid, with queries', () => {
        assert.equal(DASHBOARD.uid, 'foyer');
        assert.ok(DASHBOARD.schemaVersion >= 36 && DASHBOARD.title && Array.isArray(DASHBOARD.templating.list));
        assert.equal(new Set(DASHBOARD.panels.map(({ id }) => id)).size, DASHBOARD.panels.length);
        const taken = new Set();
        for (const { gridPos: { x, y, w, h }, title } of DASHBOARD.panels) {
            assert.ok(x >= 0 && x + w <= 24 && h > 0, title);
            for (let i = x; i < x + w; i++) {
                for (let j = y; j < y + h; j++) {
                    assert.ok(!taken.has(`${i} ${j}`), `${title} lies on another panel`);
                    taken.add(`${i} ${j}`);
                }
            }
        }
        for (const panel of panels()) {
            assert.ok(['timeseries', 'stat'].includes(panel.type) && panel.title && panel.targets.length > 0, panel.title);
            for (const target of panel.targets) assert.ok(target.expr && target.refId && target.datasource.uid === '${datasource}', panel.title);
        }
        for (const row of ['Traffic and latency', 'Writer', 'Sales', 'Payments', 'Mail and followers', 'Webhooks', 'Chat', 'Process and disk', 'Service levels'])
            assert.ok(DASHBOARD.panels.some(({ type, title }) => type === 'row' && title === row), row);
    });

    test('asks for nothing that the program does not show, in PromQL that parses', async () => {
        assert.deepEqual(missing(dashboardExpressions(), text), []);
        const rules = dashboardExpressions().map(({ expr }, i) => `      - {record: 'x:${i}', expr: ${JSON.stringify(expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'))}}`);
        const file = path.join(tempDir(), 'panels.yml');
        fs.writeFileSync(file, `groups:\n  - name: panels\n    rules:\n${rules.join('\n')}\n`);
        const { code, output } = await tool(['check', 'rules', file]);
        assert.equal(code, 0, output);
    });

    test('and the rules leave no metric of the program unseen but those that are for looking things up', () => {
        const asked = new Set([...ruleExpressions(), ...dashboardExpressions()].flatMap(({ expr }) => selectors(expr).map(({ name }) => name)));
        const unseen = [...series(text).keys()].filter((name) => !asked.has(name) && !asked.has(name.replace(/_(sum|count)$/, '_bucket')) && !UNITS.test(name));
        assert.deepEqual(unseen.sort(), ['foyer_audit_duration_seconds', 'foyer_connections_accepted_total', ...(isPostgres ? ['foyer_tail_rows_total'] : []), 'foyer_warm_events', 'process_start_time_seconds']);
    });
});

describe('figures', () => {
    test('the journal is counted by kind: each thing that happened once, the rest at zero', async () => {
        const count = (type) => server.metric('foyer_journal_rows_total', `type="${type}"`);
        const user = await makeUser(server);
        const event = await sale(server, { plan: plan({ rows: 1, seats: 10 }) });
        const before = await count('booking.cancelled');
        const { id } = await held(user, event.id, ['S1-R1-1']);
        assert.equal((await user.delete(`/v1/bookings/${id}`)).status, 200);
        await until(async () => (await count('booking.cancelled')) === before + 1, { timeout: 60000, what: 'the cancellation to be counted' });
        assert.equal(await count('refund.failed'), 0);
    });

    test('a provider that is away shows as work that waits, and no more when it is back', async () => {
        const user = await makeUser(server);
        const event = await sale(server, { plan: plan({ rows: 1, seats: 10 }), hold_ttl_s: 3600 });
        const backlog = (work) => server.metric('foyer_payment_backlog_seconds', `work="${work}"`);
        await server.bank.control({ sessions: 'refuse' });
        const { id } = await held(user, event.id, ['S1-R1-1']);
        assert.equal((await user.post(`/v1/bookings/${id}/checkout`)).status, 202);
        await until(async () => {
            await server.advance(1000);
            return (await backlog('session')) > 0;
        }, { every: 50, timeout: 60000, what: 'the checkout to wait' });
        await server.bank.behave();
        await until(async () => {
            await server.advance(1000);
            return (await backlog('session')) === 0 && (await user.booking(id)).payment?.url;
        }, { every: 50, timeout: 60000, what: 'the checkout to go through' });
    });

    test('the audit leaves its outcome for Prometheus, also when it could not look', async () => {
        const file = path.join(tempDir(), 'foyer_audit.prom');
        const value = (name) => Number(new RegExp(`^foyer_audit_${name} (\\d+)$`, 'm').exec(fs.readFileSync(file, 'utf8'))[1]);
        assert.equal((await run(['audit', '--data', tempDir(), '--textfile', file])).code, 2);
        assert.deepEqual([value('unanswered'), value('contradictions')], [1, 0]);
        assert.equal((await run(['audit', '--data', server.dir, '--textfile', file])).code, 0);
        assert.deepEqual([value('unanswered'), value('contradictions'), value('oversold')], [0, 0, 0]);
        assert.ok(value('last_run_timestamp_seconds') > 1.7e9);
        assert.equal((await run(['audit', '--data', server.dir, '--textfile', '/no/such/directory/x'])).code, 2);
        assert.deepEqual(fs.readdirSync(path.dirname(file)), ['foyer_audit.prom'], 'nothing is left beside it');
    });

    test('disk and followers are there, with values that can be', async () => {
        const [free, size] = [await server.metric('foyer_disk_free_bytes'), await server.metric('foyer_disk_size_bytes')];
        assert.ok(free > 0 && size >= free, `${free} of ${size}`);
        for (const consumer of ['mail', 'search']) assert.ok((await server.metric('foyer_consumer_behind_seconds', `consumer="${consumer}"`)) >= 0);
    });
});
