/*
 * The real program under ThreadSanitizer, with all that it does at once: holds that are granted, refused, cancelled, paid, paid late,
 * expired and repeated; checkouts, callbacks in swarms, refunds; maps, states, search and metrics meanwhile; listeners of the live map
 * that come, stop reading, vanish and go on where they were; log-ins and log-outs; events that are edited, blocked and cancelled under
 * their buyers; check-in, pictures, paper, mail. Each actor has a quota, so a run is a matter of work and not of time; when all are
 * done they go on, and SIGTERM comes in the middle. A report of the sanitizer ends the program and fails the test (see lib/server.mjs).
 * `make tsan` runs this; the name keeps it out of `make test`.
 */
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Foyer, FOYER } from '../lib/server.mjs';
import { newKey } from '../lib/api.mjs';
import { Listener, STATES } from '../lib/live.mjs';
import { until } from '../lib/wait.mjs';
import { assertReconciled, makeEvent, makeUser, makeVenue, PASSWORD, plan, publish, sale } from '../lib/seed.mjs';

const BUYERS = 4;
const ROWS_SOLD = 10;
/* The row behind those is blocked and unblocked, and seen to be. */
const HALL = { sections: 2, rows: ROWS_SOLD + 1, seats: 20, areas: [{ guid: 'floor', capacity: 200 }] };
const HOLD_TTL_S = 60;
/* What a program under the sanitizer may take: it is an order of magnitude slower, on a machine that may be busy. */
const PATIENCE = { timeout: 120000, every: 25 };

const pick = (list) => list[Math.floor(Math.random() * list.length)];
/* One in three wants the front row. */
const seat = () => `S${pick([1, 2])}-R${pick([1, 1 + Math.floor(Math.random() * ROWS_SOLD), 1 + Math.floor(Math.random() * ROWS_SOLD)])}-${1 + Math.floor(Math.random() * HALL.seats)}`;

let own;
let users;
let admin;
let hot;
let calm;
let order; /* of the hot event's seats, in its live map */
let resumed = 0;
let isStopping = false;

const spare = Array.from({ length: HALL.seats }, (_, i) => `S1-R${HALL.rows}-${i + 1}`);

/*
 * An answer with one of these statuses, or null: when the server goes away, which it may only do at the end, or when it is too busy
 * (a read that takes a second on a stalled machine is cut off with 503), which is an answer, too.
 */
async function ask(promise, ...statuses) {
    let answer;
    try {
        answer = await promise;
    } catch (error) {
        if (isStopping) return null;
        throw error;
    }
    const isBusy = answer.status === 503;
    assert.ok(isBusy || statuses.includes(answer.status), `${answer.status}, not ${statuses}: ${answer.text.slice(0, 300)}`);
    return isBusy ? null : answer;
}

const unanswered = [];

async function hold(user, eventId, what) {
    const key = newKey();
    const answer = await ask(user.hold(eventId, what, key), 201, 409);
    if (!answer) unanswered.push({ user, eventId, what, key });
    return answer?.status === 201 ? answer.json : null;
}

async function payableUrl(user, id) {
    return until(async () => {
        const booking = (await ask(user.get(`/v1/bookings/${id}`), 200))?.json;
        if (!booking || booking.status !== 'payment_pending') return 'none';
        return booking.payment?.url;
    }, { ...PATIENCE, what: `the address to pay ${id} at` });
}

/* --- Actors: each does one round; it says itself what may come of it. False: there was nothing to do yet --- */

async function buyer(index) {
    const user = users[index % users.length];
    const [first, second] = [seat(), seat()];
    const what = index % 5 === 4 ? { areas: [{ area_id: 'floor', quantity: 1 + (index % 3) }] } : first === second ? [first] : [first, second];
    const booking = await hold(user, hot.id, what);
    if (!booking) return;
    if (index % 4 === 0) return; /* left to expire */
    if (index % 4 === 1) {
        await ask(user.delete(`/v1/bookings/${booking.id}`), 200, 409);
        return;
    }
    if (!(await ask(user.post(`/v1/bookings/${booking.id}/checkout`), 202, 409))) return;
    const url = await payableUrl(user, booking.id);
    if (url === 'none') return;
    if (index % 8 === 2) await ask(user.delete(`/v1/bookings/${booking.id}`), 200, 409); /* against the money */
    const outcome = index % 7 === 6 ? 'failed' : 'succeeded';
    await own.bank.pay(url, outcome, { count: 1 + (index % 3), shuffle: index % 2 === 0, delay_ms: (index % 4) * 30 }).catch(() => null);
}

/* A card that fails, on an event that nobody else is after. */
async function unlucky(index) {
    const user = users[index % users.length];
    const booking = await hold(user, calm.id, [`S1-R1-${1 + (index % HALL.seats)}`]);
    if (!booking || !(await ask(user.post(`/v1/bookings/${booking.id}/checkout`), 202, 409))) return false;
    const url = await payableUrl(user, booking.id);
    if (url === 'none') return false;
    await own.bank.pay(url, 'failed').catch(() => null);
    return until(async () => {
        const shown = (await ask(user.get(`/v1/bookings/${booking.id}`), 200))?.json;
        return isStopping || (shown && shown.status !== 'payment_pending' && shown);
    }, { ...PATIENCE, what: `${booking.id} to fail` }).then((shown) => shown.status === 'failed');
}

/* One key, twice at once: one booking. */
async function twins(index) {
    const user = users[index % users.length];
    const [key, what] = [newKey(), { areas: [{ area_id: 'floor', quantity: 1 }] }];
    const answers = await Promise.all([1, 2].map(() => ask(user.hold(hot.id, what, key), 201, 409)));
    const ids = answers.filter((answer) => answer?.status === 201).map((answer) => answer.json.id);
    assert.ok(new Set(ids).size <= 1, `one key made ${ids}`);
    if (ids.length) await ask(user.delete(`/v1/bookings/${ids[0]}`), 200, 409);
}

async function watcher(index) {
    const bits = { headers: { accept: 'application/octet-stream' } };
    await ask(own.anonymous.get(`/v1/events/${hot.id}/seats`, index % 2 ? bits : undefined), 200);
    await ask(own.anonymous.get(`/v1/events/${hot.id}/availability`), 200);
    await ask(own.anonymous.get(`/v1/events/${hot.id}`), 200);
    if (index % 8 === 0) await ask(own.anonymous.get(`/v1/events/${hot.id}/seatmap`), 200);
}

/* A listener of the busy event's live map, until the place has this state; null: that is off, the server is too busy, or it stops. */
async function seesPlace(place, state, { before, isOff = () => false } = {}) {
    const one = new Listener(own, hot.id, { header: before?.id });
    if (before) one.adopt(before);
    const isOver = () => one.isClosed || isStopping || isOff();
    try {
        await until(() => isOver() || (one.frames > 0 && one.seats[place] === state), { ...PATIENCE, what: `place ${place} to be ${STATES[state]}` });
        if (one.isClosed && !isStopping) assert.equal(one.status, 503, `a live map ended: ${one.status} ${one.last ?? ''}`);
        if (before && one.events[0] === 'delta') resumed++;
        return isOver() ? null : one;
    } finally {
        one.close();
    }
}

/* Sees a seat blocked as it happens, vanishes, and sees it free when he goes on where he was, beside one who reads nothing. */
async function listener() {
    const seatId = spare.shift();
    const place = order.indexOf(seatId);
    const idle = new Listener(own, hot.id);
    idle.pause();
    try {
        let isRefused = false;
        const block = async () => (isRefused = !(await ask(admin.post(`/v1/events/${hot.id}/blocks`, { seat_ids: [seatId] }), 200, 409)));
        const [one] = await Promise.all([seesPlace(place, 3, { isOff: () => isRefused }), block()]);
        const isFree = await ask(admin.delete(`/v1/events/${hot.id}/blocks`, { seat_ids: [seatId] }), 200);
        return one !== null && isFree !== null && (await seesPlace(place, 0, { before: one })) !== null;
    } finally {
        idle.close();
        spare.push(seatId);
    }
}

async function browser(index) {
    const queries = ['q=evening', 'q=tests&city=Berlin', 'category=concert&limit=5', 'near=52.5,13.4&radius_km=20'];
    await ask(own.anonymous.get(`/v1/events?${queries[index % queries.length]}`), 200);
    await ask(users[index % users.length].get('/v1/me/bookings?limit=10'), 200);
    await ask(own.anonymous.get(index % 2 ? '/metrics' : '/openapi.json'), 200);
    await ask(own.anonymous.get(index % 2 ? '/healthz' : '/readyz'), 200, 503);
}

/* Somebody logs in, asks, and logs out while another request of his is on its way. */
async function visitor() {
    const { email } = pick(users);
    const login = await ask(own.anonymous.post('/v1/sessions', { email, password: PASSWORD }), 201);
    if (!login) return;
    const user = own.as(login.json.token);
    const [out] = await Promise.all([
        ask(user.delete('/v1/sessions/current'), 204),
        ...[1, 2, 3].map(() => ask(user.get('/v1/me'), 200, 401)),
    ]);
    if (out) await ask(user.get('/v1/me/bookings'), 401);
}

/* An event is sold, edited, blocked and cancelled under its buyers. */
async function organizer(index) {
    const event = await makeEvent(own, admin, hot.venueId, { name: `Short ${index}`, hold_ttl_s: HOLD_TTL_S });
    await publish(admin, event.id);
    const bought = await Promise.all(users.map((user, i) => hold(user, event.id, [`S1-R2-${i + 1}`])));
    const edits = [
        () => ask(admin.patch(`/v1/events/${event.id}`, { description: `Edited ${index}` }), 200, 409),
        () => ask(admin.post(`/v1/events/${event.id}/blocks`, { seat_ids: ['S1-R2-1', 'S1-R2-9'] }), 200, 409),
        () => ask(admin.post(`/v1/events/${event.id}/blocks`, { seat_ids: ['S1-R3-1'] }), 200),
        () => ask(admin.post(`/v1/events/${event.id}/areas`, { areas: [{ name: 'Terrace', capacity: 5, category: 'back' }] }), 201, 409),
        () => ask(admin.get(`/v1/events/${event.id}/report`), 200),
    ];
    await Promise.all([...edits.map((edit) => edit()), ...users.map((user, i) => hold(user, event.id, [`S2-R1-${i + 1}`]))]);
    const paying = bought.filter(Boolean).slice(0, 2).map(async (booking, i) => {
        if (!(await ask(users[i].post(`/v1/bookings/${booking.id}/checkout`), 202, 409, 404))) return;
        const url = await payableUrl(users[i], booking.id).catch(() => 'none');
        if (url !== 'none') await own.bank.pay(url).catch(() => null);
    });
    await Promise.all([ask(admin.post(`/v1/events/${event.id}/cancel`), 200), ...paying]);
}

/* What was confirmed: looked at, let in at two gates at once, given back twice at once. */
async function keeper(index) {
    const user = users[index % users.length];
    const list = await ask(user.get('/v1/me/bookings?limit=50'), 200);
    const booking = list && pick(list.json.data.filter((entry) => entry.status === 'confirmed' && entry.event_id === hot.id));
    if (!booking) return false;
    const tickets = (await ask(user.get(`/v1/bookings/${booking.id}/tickets`), 200))?.json.data.filter((ticket) => ticket.code);
    if (!tickets?.length) return false;
    await ask(user.get(`/v1/tickets/${tickets[0].id}/${index % 3 ? 'qr.svg' : 'ticket.pdf'}`), 200, 410);
    if (index % 2 === 0) {
        const seen = await Promise.all(['North', 'South'].map((gate) => ask(admin.post('/v1/check-ins', { code: tickets[0].code, gate }), 200, 409, 410)));
        assert.ok(seen.filter((answer) => answer?.status === 200).length <= 1, 'one ticket let two in');
        return true;
    }
    const back = await Promise.all([1, 2].map(() => ask(admin.post(`/v1/bookings/${booking.id}/refund`, { ticket_ids: [tickets[0].id] }), 202, 409)));
    assert.ok(back.filter((answer) => answer?.status === 202).length <= 1, 'one ticket was given back twice');
    return true;
}

async function architect() {
    await makeVenue(admin, plan({ sections: 1, rows: 3, seats: 20 }), { name: 'Another Hall' });
    await ask(admin.get(`/v1/events/${hot.id}/bookings.csv`), 200);
    await ask(admin.get(`/v1/events/${hot.id}/check-in-bundle`), 200);
}

/* Time goes on: what nobody paid for ends, in one moment. */
async function clock() {
    await ask(own.anonymous.post('/v1/test/clock', { advance_ms: (HOLD_TTL_S + 1) * 1000 }), 200);
    await until(async () => (await own.metric('foyer_holds_expired_total')) > 0, { ...PATIENCE, what: 'a hold to expire' });
}

/* --- The run --- */

const ACTORS = [
    { act: buyer, count: 16, quota: 15 },
    { act: unlucky, count: 1, quota: 2 },
    { act: twins, count: 2, quota: 20 },
    { act: watcher, count: 4, quota: 50 },
    { act: listener, count: 3, quota: 15 },
    { act: browser, count: 2, quota: 30 },
    { act: visitor, count: 2, quota: 10 },
    { act: organizer, count: 2, quota: 5 },
    { act: keeper, count: 2, quota: 10 },
    { act: architect, count: 1, quota: 3 },
    { act: clock, count: 1, quota: 5 },
];

/* What a run has to have done, by the journal. */
const DONE = [
    'booking.held', 'booking.payment_pending', 'booking.confirmed', 'booking.expired', 'booking.cancelled', 'booking.failed', 'payment.succeeded',
    'refund.requested', 'refund.succeeded', 'tickets.revoked', 'ticket.used', 'event.updated', 'event.cancelled', 'seats.blocked', 'areas.added',
];

/* Goes on after its quota until all have met theirs and the server stops. */
async function perform({ act, quota }, number, progress) {
    let rounds = 0;
    for (let i = 0; !isStopping; i++) {
        let isDone;
        try {
            isDone = (await act(number + i)) !== false;
        } catch (error) {
            if (error.actual === 503) continue; /* too busy to make things for this round */
            if (isStopping && !(error instanceof assert.AssertionError)) return;
            progress.failure ??= new Error(`${act.name}: ${error.message}`, { cause: error });
            return;
        }
        rounds += isDone;
        if (isDone && rounds === quota) progress.missing--;
    }
}

async function open() {
    own = await Foyer.start({ args: ['--abuse=off', '--loops=2', '--readers=2'], contract: false });
    admin = own.admin;
    users = await Promise.all(Array.from({ length: BUYERS }, () => makeUser(own)));
    hot = await sale(own, { plan: plan(HALL), hold_ttl_s: HOLD_TTL_S, limits: { per_account: 100 } });
    order = (await own.anonymous.get(`/v1/events/${hot.id}/seats`)).json.seats.map(({ id }) => id);
    calm = await makeEvent(own, admin, hot.venueId, { hold_ttl_s: HOLD_TTL_S, limits: { per_account: 100 } });
    await publish(admin, calm.id);
}

test('everything at once, and SIGTERM in the middle', { timeout: 600000 }, async () => {
    await open();
    const cast = ACTORS.flatMap((actor) => Array.from({ length: actor.count }, (_, i) => ({ actor, number: i })));
    const progress = { missing: cast.length, failure: null };
    const running = cast.map(({ actor, number }) => perform(actor, number, progress));
    await until(() => progress.missing === 0 || progress.failure || !own.isRunning(), { timeout: 540000, what: 'the actors' });
    isStopping = true;
    if (!own.isRunning() || (progress.failure && !(progress.failure.cause instanceof assert.AssertionError))) {
        await until(() => !own.isRunning() && own.stderr, { ...PATIENCE, what: 'a reason why the program hung up' });
        throw new Error(`the program ended by itself: ${own.stderr.slice(0, 8000)}`);
    }
    const ended = own.stop(); /* throws with the sanitizer's report */
    await Promise.all(running);
    await ended;
    if (progress.failure) throw progress.failure;
    assert.ok(resumed > 0, 'no listener went on where it was');

    isStopping = false;
    await own.start();
    for (const { user, eventId, what, key } of unanswered) {
        const answers = await Promise.all([1, 2].map(() => own.as(user.token).hold(eventId, what, key)));
        const [one, two] = answers.map((answer) => answer.json.id);
        assert.equal(one, two, 'two answers under one key');
    }
    /* The clock of the new process is the real one again: on to where the old one's was, and beyond. */
    const [[latest]] = await own.sql('SELECT MAX(expires_at) FROM booking');
    await own.advance(Math.max(0, Number(latest) - (await own.now())));
    await until(async () => {
        await own.advance(HOLD_TTL_S * 1000);
        const { totals } = await own.audit();
        return totals.bookings_open === 0 && totals.refunds_pending === 0;
    }, { ...PATIENCE, every: 100, what: 'holds and refunds to end' }).catch(async (error) => {
        const open = await own.sql(`SELECT 'booking', id, state, expires_at, extended_ms FROM booking WHERE state IN (1, 2) LIMIT 5;
            SELECT 'payment', p.id, p.state, p.attempts, p.next_at, p.is_close_wanted FROM payment p JOIN booking b ON b.id = p.booking_id AND b.state = 2 LIMIT 5;
            SELECT 'refund', id, reason, amount, attempts, next_at FROM refund WHERE state = 0 LIMIT 5`);
        throw new Error(`${error.message}: ${JSON.stringify(open)} at ${await own.now()}`);
    });
    await assertReconciled(own);
    await own.stop();
    const told = (await own.sql('SELECT DISTINCT type FROM journal')).flat();
    for (const type of DONE) assert.ok(told.includes(type), `${type} never happened: this run shows less than it says`);
    assert.ok(fs.readdirSync(path.join(own.dir, 'mail')).length > 0, 'no mail was sent');
});

/* The exit status and the standard error of a program. */
const finish = (program, args) => new Promise((resolve) => {
    execFile(program, args, { timeout: 60000 }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stderr }));
});

test('control: the same set-up reports a race, and only a race', async () => {
    const program = path.join(path.dirname(FOYER), 'tsan-control');
    const racing = await finish(program, []);
    assert.match(racing.stderr, /WARNING: ThreadSanitizer: data race[\s\S]*buf_append/);
    assert.notEqual(racing.code, 0);
    assert.deepEqual(await finish(program, ['ordered']), { code: 0, stderr: '' });
});
