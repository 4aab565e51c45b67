/* The peaceful end: SIGTERM in the middle of holds. What kill -9 does is in torture.test.mjs. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { newKey } from './lib/api.mjs';
import { until } from './lib/wait.mjs';
import { makeUser, plan, sale } from './lib/seed.mjs';

const BUYERS = 4;
const IN_FLIGHT = 16;

/* Does what it says until it gets an answer or the connection breaks: null then. */
const attempt = (promise) => promise.catch(() => null);

async function assertHeld(own, log) {
    for (const { token, id, seat } of log.held) {
        const { status, json } = await own.as(token).get(`/v1/bookings/${id}`);
        assert.equal(status, 200, `${id} was acknowledged`);
        assert.deepEqual(json.seats.map((entry) => entry.id), [seat]);
    }
    assert.equal(new Set(log.held.map((entry) => entry.id)).size, log.held.length);
}

test('SIGTERM in a burst answers everything it has taken', { timeout: 60000 }, async () => {
    const own = await Foyer.start({ args: ['--abuse=off'] });
    const users = await Promise.all(Array.from({ length: BUYERS }, () => makeUser(own)));
    const event = await sale(own, { plan: plan({ sections: 1, rows: 20, seats: 50 }), limits: { per_account: 100 } });
    const log = { held: [], unanswered: [] };
    let isOver = false;
    let next = 0;
    const workers = Array.from({ length: IN_FLIGHT }, async (_, i) => {
        const user = users[i % users.length];
        while (!isOver && next < 350) {
            const [key, seat] = [newKey(), `S1-R${1 + (next % 20)}-${1 + Math.floor(next++ / 20)}`];
            const answer = await attempt(user.hold(event.id, [seat], key));
            if (!answer) {
                log.unanswered.push({ token: user.token, key, seat });
                return;
            }
            if (answer.status === 201) log.held.push({ token: user.token, id: answer.json.id, seat });
            else assert.ok(answer.status === 503, answer.text);
        }
    });
    await until(() => log.held.length >= 30, { every: 1, what: 'work to be under way' });
    await own.stop();
    isOver = true;
    await Promise.all(workers);
    await own.start();
    await assertHeld(own, log);
    for (const { token, key, seat } of log.unanswered) assert.equal((await own.as(token).hold(event.id, [seat], key)).status, 201);
    assert.deepEqual((await own.audit()).findings, []);
    await own.stop();
});
