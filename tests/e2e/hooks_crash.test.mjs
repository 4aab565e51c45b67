/*
 * Kill -9 of a server that takes and sends webhooks, again and again, at all kinds of points: every accepted message arrives or is still
 * there, what was not answered is one message when it is sent again with its key, and what comes twice was under way.
 *
 * HOOKS_ROUNDS: how many (30).
 */
import test, { describe } from 'node:test';
import assert from 'node:assert/strict';
import { startHooks } from './lib/receivers.mjs';
import { Ledger } from './lib/hooks_ledger.mjs';
import { until } from './lib/wait.mjs';

const ROUNDS = Number(process.env.HOOKS_ROUNDS ?? 30);
const KNOWN_MAX = 256; /* DISPATCH_KNOWN_MAX */
const APPS = 3;
const SENDERS = 6;
const MINUTE = 60000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const oneInTen = () => (Math.random() < 0.1 ? 503 : 200);

/* Until nothing waits any more; what failed is due when the clock is moved. */
async function finish(ledger) {
    for (let i = 0; i < 600 && (await ledger.waiting()) > 0; i++) {
        await ledger.server.advance(MINUTE + 1000);
        await pause(20);
    }
    assert.equal(await ledger.waiting(), 0, 'everything has ended');
}

/* Load from several senders until the server is killed at some point after a few messages. How many sends were in the middle. */
async function round(ledger) {
    let isKilled = false;
    const { server, apps } = ledger;
    const load = Array.from({ length: SENDERS }, async (_, i) => {
        for (let n = i; !isKilled; n++) {
            try {
                await ledger.send(apps[n % APPS], n % 7 === 0 ? 20000 : 0);
            } catch (error) {
                assert.ok(isKilled, String(error)); /* no answer: whether it was accepted is not known */
            }
        }
    });
    const goal = ledger.sends.length + 20 + Math.floor(Math.random() * 60);
    await until(() => ledger.sends.length >= goal, { every: 1, what: 'messages' });
    await pause(Math.random() * 30);
    isKilled = true;
    await Promise.all([server.kill9(), ...load]);
    await ledger.endLife();
    return ledger.unanswered.length;
}

/* Every one of them, and some that were answered. */
async function askAgain(ledger) {
    const answered = ledger.sends.filter(({ id }) => id);
    for (const record of [...ledger.unanswered, ...answered.slice(-5)]) await ledger.ask(record);
}

describe('crashes', () => {
    test(`nothing that was accepted is lost over ${ROUNDS} kills`, { timeout: 1200000 }, async (t) => {
        const ledger = new Ledger(await startHooks(), oneInTen);
        await ledger.begin(APPS);
        let hits = 0;
        let open = 0;
        for (let i = 0; i < ROUNDS; i++) {
            const unanswered = await round(ledger);
            hits += unanswered > 0;
            open += unanswered;
            await ledger.server.start();
            await askAgain(ledger);
            assert.deepEqual((await ledger.messageFindings()).slice(0, 20), [], `round ${i + 1}`);
        }
        await finish(ledger);
        assert.deepEqual((await ledger.findings(KNOWN_MAX)).slice(0, 20), []);
        const { total, most } = ledger.repeats(KNOWN_MAX);
        t.diagnostic(`${ledger.sends.length} messages, ${open} sends without an answer in ${hits} rounds`);
        t.diagnostic(`${ledger.requests.length} requests, ${total} taken twice, at most ${most} of one endpoint after one kill`);
        assert.ok(hits * 4 >= ROUNDS, `${hits} of ${ROUNDS} kills have hit sends: too few to show anything`);
        if (ROUNDS >= 20) assert.ok(total > 0, 'no kill has hit what was under way: too few to show anything');
        await ledger.server.stop();
        ledger.stop();
    });
});

/* Each of these does to the rows what a fault of the server would, and the ledger must see it. */
describe('the ledger finds', () => {
    const HOUR = 60 * MINUTE;
    const LOST = /lost: nobody took it/;
    const damages = {
        'a message that is gone': ['DELETE FROM message_NN WHERE id = (SELECT max(id) FROM message_NN)', /there is no such message/],
        'a delivery that is gone': ['DELETE FROM delivery_NN WHERE message_id = (SELECT max(message_id) FROM delivery_NN)', /accepted, and no delivery/],
        'a result that was never there': ['UPDATE delivery_NN SET state = 0, next_at = NULL, ended_at = 1', LOST],
        'other bytes': ["UPDATE message_NN SET payload = CAST('{\"n\":1}' AS BLOB)", /other bytes/, "UPDATE message_NN SET payload = convert_to('{\"n\":1}', 'UTF8')"],
        'something sent again without a crash': ['UPDATE delivery_NN SET state = 1, next_at = 1, ended_at = NULL', /twice, and no crash between/],
        'a key that is forgotten': ['DELETE FROM event_seen_N', /its key gave/],
    };

    for (const [what, [sqlite, wanted, postgres]] of Object.entries(damages))
        test(what, async () => {
            let isUp = what.startsWith('something') || what.startsWith('a key');
            const ledger = new Ledger(await startHooks(), () => (isUp ? 200 : 503));
            await ledger.begin(1);
            for (let i = 0; i < 3; i++) await ledger.send(ledger.apps[0]);
            await until(() => ledger.requests.length >= 6, { what: 'attempts' });
            if (isUp) await until(async () => (await ledger.waiting()) === 0, { what: 'the results' });
            await ledger.server.stop();
            const [[slot]] = await ledger.server.sql('SELECT slot FROM ring_slot ORDER BY day DESC LIMIT 1', 'hooks');
            const [[seen]] = await ledger.server.sql('SELECT slot FROM seen_slot ORDER BY period DESC LIMIT 1', 'hooks');
            const worded = (text) => text?.replaceAll('_NN', `_${slot.padStart(2, '0')}`).replaceAll('_N', `_${seen}`);
            const clean = /another|again|key|bytes/.test(what) ? [] : await afterStart(ledger, (l) => l.findings(KNOWN_MAX));
            assert.deepEqual(clean, []);
            await ledger.server.sql({ sqlite: worded(sqlite), postgres: worded(postgres ?? sqlite) }, 'hooks');
            await ledger.server.start();
            isUp = true;
            await ledger.server.advance(HOUR);
            if (/key/.test(what)) await askAgain(ledger);
            await finish(ledger);
            const findings = await ledger.findings(KNOWN_MAX);
            assert.ok(findings.some((text) => wanted.test(text)), `${what}: ${JSON.stringify(findings)}`);
            await ledger.server.stop();
            ledger.stop();
        });
});

async function afterStart(ledger, ask) {
    await ledger.server.start();
    const findings = await ask(ledger);
    await ledger.server.stop();
    return findings;
}
