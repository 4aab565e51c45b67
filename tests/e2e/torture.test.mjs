/*
 * Kill -9, again and again, at all kinds of points, of the server, of the bank, of both: nothing that was acknowledged is lost, what
 * was not answered is done once when it is asked for again, no place is sold twice, and the money adds up, each time.
 *
 * TORTURE_ROUNDS: how many (30; `make torture` does 1,000). TORTURE_SEED: what a run printed, to have the same choices again.
 * TORTURE_FIRST: the round to begin with. When a round fails, its files are in tests/e2e/output.
 */
import test from 'node:test';
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { Books } from './lib/torture/books.mjs';
import { checkAll } from './lib/torture/checks.mjs';
import { Random } from './lib/torture/random.mjs';
import { KINDS, Rounds, titleOf } from './lib/torture/rounds.mjs';
import { World } from './lib/torture/world.mjs';
import { isPostgres } from './lib/store.mjs';

const ROUNDS = Number(process.env.TORTURE_ROUNDS ?? 30);
const FIRST = Number(process.env.TORTURE_FIRST ?? 1);
const SEED = Number(process.env.TORTURE_SEED ?? randomInt(1, 1e6));
const WORLD_ROUNDS = KINDS.length; /* then the files are looked at as a whole, and new ones begun */
const LONG_RUN = 150; /* from here on, each kind of work must have been met in the middle */
const ROUND_MS = 300000;

/* The rounds of one world, until one fails or its clock has been moved so far that ordinary holds would end; the last round done. */
async function runWorld(t, from, to, figures) {
    const world = await World.start(new Random(randomInt(1, 1e9)));
    const books = new Books(world);
    const rounds = new Rounds(world, books, figures);
    let round = from - 1;
    while (round < to && !world.isOld()) {
        let isDone = false;
        round++;
        await t.test(titleOf(round, SEED), { timeout: ROUND_MS }, async () => {
            await rounds.run(round, new Random(SEED, round));
            isDone = true;
        });
        if (!isDone) {
            const kept = world.keep(`torture-${SEED}-${round}`);
            await rounds.abandon();
            t.diagnostic(`its files: ${await kept}`);
            return round;
        }
    }
    const title = `rounds ${from} to ${round}: all that was acknowledged, after a peaceful restart`;
    await t.test(title, { timeout: ROUND_MS }, () => finish(world, books));
    for (const [name, count] of Object.entries(books.totals)) figures[name] = (figures[name] ?? 0) + count;
    return round;
}

/* Everything once more, event by event and ticket by ticket. */
async function finish(world, books) {
    await world.server.stop();
    await world.startOne('server');
    const events = [...new Set([...books.bookings.values()].map((record) => record.event))];
    await checkAll(world, books, events, true);
    await world.stop();
    await world.remove();
}

test(`${ROUNDS} rounds of kill -9 lose nothing and sell nothing twice`, { timeout: (ROUNDS + 2) * ROUND_MS }, async (t) => {
    t.diagnostic(`TORTURE_SEED=${SEED} TORTURE_FIRST=${FIRST} TORTURE_ROUNDS=${ROUNDS}`);
    const halves = { halfExpired: 0, halfCancelled: 0, halfImported: 0, ...(isPostgres ? {} : { halfCheckpointed: 0 }) };
    const figures = { rounds: 0, kills: 0, serverRounds: 0, hits: 0, ...halves };
    const last = FIRST + ROUNDS - 1;
    for (let round = FIRST; round <= last; ) round = 1 + (await runWorld(t, round, Math.min(last, round + WORLD_ROUNDS - 1), figures));
    t.diagnostic(`figures: ${JSON.stringify(figures)}`);
    const missed = Object.keys(halves).filter((name) => figures[name] === 0);
    if (figures.rounds >= LONG_RUN) assert.deepEqual(missed, [], 'no kill has come in the middle of it');
    if (figures.serverRounds < 8) return; /* some rounds of a run once more */
    const { hits, serverRounds } = figures;
    assert.ok(hits * 4 >= serverRounds, `${hits} of ${serverRounds} kills have hit requests in flight: too few to show anything`);
});
