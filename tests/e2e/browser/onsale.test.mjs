// The on-sale as a buyer sees it: the waiting room and its proof, the live map, best available, the challenge.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newKey } from '../lib/api.mjs';
import { held, makeManyUsers, makeUser, plan, sale } from '../lib/seed.mjs';
import { Foyer } from '../lib/server.mjs';
import { until } from '../lib/wait.mjs';
import { clickSeat, findSeat, openEvent, seatOnCanvas, sellEvent, shot, signUp, startBrowser, visitor, WIDTHS } from './lib.mjs';

let server;
let browser;

before(async () => {
    // What comes with no X-Forwarded-For comes from this machine, as ever.
    server = await Foyer.start({ args: ['--trusted-proxies=127.0.0.0/8'] });
    browser = await startBrowser();
});

after(async () => {
    await browser?.close();
    if (server) assert.deepEqual((await server.audit()).findings, []);
    await server?.stop();
});

/** A visitor whose window is closed when the test ends, however it does. */
async function guest(t, width) {
    const who = await visitor(browser, server, width);
    t.after(() => who.context.close());
    return who;
}

const roomPath = (event) => `/v1/events/${event.id}/queue`;

const MINUTE = 60 * 1000;

/** Something has happened: the page asks now rather than when it would have. */
const nudge = (page) => page.evaluate(() => window.dispatchEvent(new Event('online')));

async function untilPhase({ page }, ...phases) {
    const room = page.locator('[data-phase]');
    const phase = async () => {
        if (await page.getByRole('region', { name: 'Your turn' }).isVisible()) return 'admitted';
        return (await room.count()) > 0 ? room.getAttribute('data-phase', { timeout: 1000 }).catch(() => null) : null;
    };
    await until(
        async () => {
            const now = await phase();
            if (!phases.includes(now)) await nudge(page);
            return phases.includes(now);
        },
        { every: 200, what: `the waiting room to be ${phases}` },
    );
}

async function holdSeat(who, ...seat) {
    await clickSeat(who, ...seat);
    await who.page.getByRole('button', { name: 'Hold seats' }).click();
    await who.page.waitForURL(/\/bookings\/bkg_/);
}

test('from before the room opens to a hold: a reload and a second tab keep the place, and the turn is told', async (t) => {
    const event = await sellEvent(server, { name: 'Waited for', onsaleInMs: 10 * MINUTE, waiting_room: 'on', queue: { opens_before_s: 60 } });
    const who = await guest(t, 1280);
    const { page } = who;
    await signUp(who);
    await page.goto(`/events/${event.id}`);
    await page.getByRole('heading', { name: 'The waiting room opens in' }).waitFor();
    assert.match(await page.getByRole('timer').textContent(), /^[89]:\d\d$/);

    const earlier = await server.admin.patch(`/v1/events/${event.id}`, { queue: { opens_before_s: 3600 } });
    assert.equal(earlier.status, 200, earlier.text);
    await untilPhase(who, 'door');
    await page.getByRole('button', { name: 'Enter the waiting room' }).click();
    await untilPhase(who, 'pre');
    await page.getByRole('heading', { name: 'The sale opens in' }).waitFor();
    await shot(who, 'room-1-pre');
    await page.reload();
    await untilPhase(who, 'pre');
    const second = { page: await who.context.newPage() };
    await second.page.goto(`/events/${event.id}`);
    await untilPhase(second, 'pre');
    assert.equal((await server.anonymous.get(roomPath(event))).json.waiting, 1, 'two tabs are one place');
    await second.page.close();

    await server.advance(10 * MINUTE);
    await untilPhase(who, 'admitted');
    await until(async () => /^It’s your turn/.test(await page.title()), { what: 'the title to tell it' });
    assert.match(await page.getByTestId('admission').textContent(), /^\d\d:\d\d$/);
    await page.locator('.picker-map[data-feed="live"]').waitFor();
    await shot(who, 'room-2-admitted');
    await holdSeat(who, 'Block 2', '3', '4');
    await page.getByText('Row 3 · Seat 4 · Front').waitFor();
    await page.goto(`/events/${event.id}`);
    await page.getByText('You are holding places').waitFor();
    await until(async () => (await (await findSeat(who, 'Block 2', '3', '4')).getAttribute('aria-label')) === 'Seat 4, yours', { what: 'the seat to be shown as theirs' });
    await shot(who, 'room-3-mine');
    await who.close();
});

test('who comes late waits behind the others, sees the queue move, and may leave', async (t) => {
    const event = await sellEvent(server, { name: 'Crowded', waiting_room: 'on', queue: { admitted_max: 1, admission_s: 300 } });
    const rivals = await makeManyUsers(server, 2);
    for (const rival of rivals) rival.entry = (await rival.post(roomPath(event))).json;
    const leave = async (rival) => assert.equal((await rival.delete(`${roomPath(event)}/${rival.entry.id}`)).status, 204);
    await until(async () => (await server.anonymous.get(roomPath(event))).json.admitted === 1, { what: 'the first to be let in' });

    const who = await guest(t, 390);
    const { page } = who;
    await page.goto(`/events/${event.id}`);
    await page.getByRole('button', { name: 'Take a place' }).click();
    // Not signed in: the way leads over the login, and into the queue without another press.
    await page.waitForURL(/\/login\?next=/);
    await page.getByRole('link', { name: 'Create an account' }).click();
    await page.getByLabel('Name').fill('Late Comer');
    await page.getByLabel('Email').fill(`late-${event.id}@example.com`);
    await page.getByLabel('Password').fill('a much longer password');
    await page.getByRole('button', { name: 'Create account' }).click();
    await untilPhase(who, 'waiting');
    const ahead = page.getByTestId('ahead');
    await ahead.getByText('1', { exact: true }).waitFor();
    assert.equal(await page.getByTestId('position').textContent(), '2');
    await until(async () => (await page.title()).startsWith('1 ahead'), { what: 'the title to say it' });
    const spoken = page.getByRole('status').getByText('1 person is ahead of you.');
    await spoken.waitFor({ state: 'attached' });
    await page.getByText('Look at the map meanwhile').click();
    await page.locator('canvas[data-view]').waitFor();
    await shot(who, 'room-4-waiting');
    assert.equal((await page.evaluate((path) => fetch(path).then((answer) => answer.status), `/v1/events/${event.id}/seats`)), 403, 'the queue is not only on the page');

    await leave(rivals[0]);
    await until(async () => (await nudge(page), (await ahead.textContent()) === '0'), { every: 200, what: 'the queue to move' });
    await page.reload();
    await untilPhase(who, 'waiting');
    await leave(rivals[1]);
    await untilPhase(who, 'admitted');
    await page.locator('.picker-map[data-feed="live"]').waitFor();
    await page.getByRole('region', { name: 'Your turn' }).getByRole('button', { name: 'Leave' }).click();
    await page.getByRole('group', { name: 'Leave' }).getByRole('button', { name: 'Leave' }).click();
    await untilPhase(who, 'left');
    assert.equal(await page.locator('canvas').count(), 0, 'outside there are no seats');
    await page.getByRole('button', { name: 'Queue again' }).click();
    await untilPhase(who, 'admitted');
    // Nobody holds anything in time: the turn ends by itself.
    await server.advance(5 * MINUTE + 1000);
    await untilPhase(who, 'lapsed');
    await shot(who, 'room-5-lapsed');
    await who.close();
});

/** The colour of the map where a seat is drawn. */
const pixelOf = ({ page }, { x, y }) =>
    page.locator('canvas.map-canvas').evaluate(
        (canvas, [px, py]) => {
            const ratio = canvas.width / canvas.clientWidth;
            // A little aside: the number in the middle is not the seat's colour.
            return [...canvas.getContext('2d').getImageData(Math.round((px - 7) * ratio), Math.round(py * ratio), 1, 1).data].join();
        },
        [x, y],
    );

for (const width of WIDTHS) {
    test(`the map changes while another buys at ${width} px`, async (t) => {
        const event = await sellEvent(server, { name: 'Watched' });
        const watcher = await guest(t, width);
        // Only the stream can tell: states are not to be had by asking.
        await watcher.page.route(/\/seats$/, (route) => route.abort());
        await openEvent(watcher, event);
        await watcher.page.locator('.picker-map[data-feed="live"]').waitFor();
        const place = await seatOnCanvas(watcher, 'Block 3', '2', '2');
        const fresh = await pixelOf(watcher, place);
        const other = await seatOnCanvas(watcher, 'Block 3', '2', '9');
        assert.equal(await pixelOf(watcher, other), fresh, 'free seats of one price look alike');
        await clickSeat(watcher, 'Block 3', '2', '3');
        await watcher.page.getByText('1 seat', { exact: true }).waitFor();

        const buyer = await guest(t, 1280);
        await signUp(buyer);
        await openEvent(buyer, event);
        await clickSeat(buyer, 'Block 3', '2', '2');
        await holdSeat(buyer, 'Block 3', '2', '3');

        await until(async () => (await pixelOf(watcher, place)) !== fresh, { what: 'the seat to look taken' });
        assert.equal(await pixelOf(watcher, other), fresh, 'and the others not');
        const taken = await findSeat(watcher, 'Block 3', '2', '2');
        assert.equal(await taken.getAttribute('aria-label'), 'Seat 2, held by someone');
        await watcher.page.getByText('Block 3, row 2, seat 3 is no longer available').waitFor();
        await watcher.page.locator('.chip-gone', { hasText: 'Gone' }).waitFor();
        await watcher.page.getByRole('option', { name: 'Block 3 (94 free)' }).waitFor({ state: 'attached' });
        await watcher.page.getByText('674 of 676 available').waitFor();
        await shot(watcher, 'live');

        await buyer.page.getByRole('button', { name: 'Cancel and give back' }).click();
        await buyer.page.getByRole('button', { name: 'Give them back' }).click();
        await until(async () => (await pixelOf(watcher, place)) === fresh, { what: 'the seat to look free again' });
        await watcher.close();
        await buyer.close();
    });
}

test('without the stream the map is asked for, and says so; with it again it is live', async (t) => {
    const event = await sellEvent(server, { name: 'Cut off' });
    const who = await guest(t, 390);
    const { page } = who;
    await page.route(/\/live/, (route) => route.abort());
    await openEvent(who, event);
    await page.locator('.picker-map[data-feed="polling"]').waitFor();
    const seat = await findSeat(who, 'Block 1', '1', '1');
    const fan = await makeUser(server);
    await held(fan, event.id, { seat_ids: ['1-1-1'] });
    await until(async () => (await seat.getAttribute('aria-label')) === 'Seat 1, held by someone', { what: 'the next poll' });
    await page.unroute(/\/live/);
    await nudge(page);
    await page.locator('.picker-map[data-feed="live"]').waitFor();
    await who.close();
});

test('best available: together, in one row; where there is no such group the page says what there is', async (t) => {
    const event = await sale(server, { plan: plan({ rows: 4, seats: 3 }), name: 'Small rows', prices: { front: 5000, back: 3000 } });
    const who = await guest(t, 390);
    const { page } = who;
    await signUp(who);
    await openEvent(who, event);
    const form = page.getByRole('form', { name: 'Best available seats' });
    await form.getByLabel('How many').selectOption('4');
    await form.getByRole('button', { name: 'Hold the best 4 seats' }).click();
    await form.getByText('4 seats together can’t be had any more; 3 can.').waitFor();
    await shot(who, 'best-none');
    await form.getByRole('button', { name: 'Hold 3 seats' }).click();
    await page.waitForURL(/\/bookings\/bkg_/);
    await page.locator('.places-more').nth(2).waitFor();
    const rows = await page.locator('.places-more').allTextContents();
    const [row] = /^Row \d/.exec(rows[0]);
    assert.deepEqual(rows.map((text) => text.replace(/ · [^·]*$/, '')), [1, 2, 3].map((seat) => `${row} · Seat ${seat}`));

    // One account has one open hold: the page says so and leads back to it.
    await page.goto(`/events/${event.id}`);
    await form.getByLabel('How many').selectOption('3');
    await form.getByRole('button', { name: 'Hold the best 3 seats' }).click();
    await page.getByText('You are holding places already').waitFor();
    await shot(who, 'best-second');
    await page.getByRole('link', { name: 'Go on to payment' }).click();
    await page.waitForURL(/\/bookings\/bkg_/);
    await who.close();
});

for (const width of WIDTHS) {
    test(`a challenge is solved by the widget, without another host at ${width} px`, async (t) => {
        const event = await sellEvent(server, { name: 'Guarded', abuse: { challenge: 'on' } });
        const who = await guest(t, width);
        const { page } = who;
        const hosts = new Set();
        page.on('request', (request) => hosts.add(new URL(request.url()).origin));
        const solutions = [];
        page.on('request', (request) => request.headers()['foyer-challenge'] && solutions.push(request.headers()['foyer-challenge']));
        let release;
        const shown = new Promise((resolve) => (release = resolve));
        // What solves it waits until the picture is taken.
        await page.route(/altcha-worker/, async (route) => (await shown, route.continue()));
        await signUp(who);
        await openEvent(who, event);
        await clickSeat(who, 'Block 4', '1', '6');
        await page.getByRole('button', { name: 'Hold seats' }).click();
        await page.getByRole('heading', { name: 'A quick check before we go on' }).waitFor();
        await page.locator('altcha-widget .altcha[data-state="verifying"]').waitFor();
        await shot(who, 'challenge');
        release();
        await page.waitForURL(/\/bookings\/bkg_/);
        await page.getByText('Row 1 · Seat 6 · Back').waitFor();
        assert.equal(solutions.length, 1);
        assert.deepEqual([...hosts], [server.url]);
        await who.close();
    });
}

for (const width of WIDTHS) {
    test(`a challenge at the checkout is solved, and the bank is next; nobody gets there without a solution at ${width} px`, async (t) => {
        const event = await sellEvent(server, { name: 'Crowded network', abuse: { per_network: 4 } });
        for (const [i, fan] of (await makeManyUsers(server, 2)).entries()) {
            const answer = await fan.post('/v1/bookings', { event_id: event.id, seat_ids: [`5-${i + 1}-1`, `5-${i + 1}-2`] }, { key: newKey(), headers: { 'x-forwarded-for': '203.0.113.5' } });
            assert.equal(answer.status, 201, answer.text);
        }
        const who = await guest(t, width);
        const { page } = who;
        await signUp(who);
        await openEvent(who, event);
        await holdSeat(who, 'Block 4', '2', '6');
        // Held where nobody else is, paid where the others are.
        await page.setExtraHTTPHeaders({ 'x-forwarded-for': '203.0.113.77' });
        const path = `/v1/bookings/${page.url().split('/').at(-1)}`;
        const checkout = (more) =>
            page.evaluate(
                async ([url, headers]) => {
                    const answer = await fetch(url, { method: 'POST', headers: { 'idempotency-key': crypto.randomUUID(), ...headers } });
                    return { status: answer.status, ...(await answer.json()) };
                },
                [`${path}/checkout`, more],
            ).then(({ status, type, challenge }) => (assert.deepEqual([status, type], [403, 'challenge-required']), challenge));
        const { algorithm, challenge, salt, signature } = await checkout({});
        const guess = Buffer.from(JSON.stringify({ algorithm, challenge, number: -1, salt, signature })).toString('base64');
        await checkout({ 'foyer-challenge': guess });
        assert.equal((await page.evaluate((url) => fetch(url).then((answer) => answer.json()), path)).status, 'held');

        const checkouts = [];
        page.on('response', (answer) => answer.url().endsWith('/checkout') && answer.request().method() === 'POST' && checkouts.push(answer));
        let release;
        const shown = new Promise((resolve) => (release = resolve));
        await page.route(/altcha-worker/, async (route) => (await shown, route.continue()));
        await page.getByRole('button', { name: 'Pay €45.00' }).click();
        await page.getByRole('heading', { name: 'A quick check before we go on' }).waitFor();
        await page.locator('altcha-widget .altcha[data-state="verifying"]').waitFor();
        await shot(who, 'challenge-checkout');
        release();
        await page.waitForURL((url) => url.origin !== server.url);
        assert.deepEqual(checkouts.map((answer) => [answer.status(), 'foyer-challenge' in answer.request().headers()]), [[403, false], [202, true]]);
        await page.locator('#pay').click();
        await page.waitForURL((url) => url.origin === server.url);
        await page.locator('[data-status="confirmed"]').waitFor();
        await who.close();
    });
}

test('the draw is recomputed in the browser, the own place with it; an exchanged list is found out', async (t) => {
    const event = await sellEvent(server, { name: 'Drawn', onsaleInMs: 5 * MINUTE, waiting_room: 'on', queue: { admitted_max: 1 } });
    const who = await guest(t, 1280);
    const { page } = who;
    await signUp(who);
    await page.goto(`/events/${event.id}/fairness`);
    await page.getByText('The promise is published').waitFor();
    await page.goto(`/events/${event.id}`);
    await page.getByRole('button', { name: 'Enter the waiting room' }).click();
    await untilPhase(who, 'pre');
    for (const fan of await makeManyUsers(server, 30)) assert.equal((await fan.post(roomPath(event))).status, 201);
    await server.advance(5 * MINUTE);
    await untilPhase(who, 'waiting', 'admitted');
    const { entry } = await page.evaluate((path) => fetch(path).then((answer) => answer.json()), roomPath(event));
    await page.goto(`/events/${event.id}/fairness`);
    await page.locator('[data-verdict="fair"]').waitFor();
    const place = page.getByTestId('own-place');
    await place.getByText('of 31.').waitFor();
    // Nobody has left: who waits stands one behind each that is ahead, and the one who was let in.
    const expected = entry.state === 'admitted' ? 1 : entry.position + 1;
    assert.equal(await place.textContent(), `You drew place ${expected} of 31.`);
    await shot(who, 'fairness');

    await page.route(/\/queue\/entries$/, async (route) => {
        const answer = await route.fetch();
        const lines = (await answer.text()).split('\n');
        await route.fulfill({ response: answer, body: [...lines.slice(1), ''].join('\n').replace(/\n\n$/, '\n') });
    });
    await page.reload();
    await page.locator('[data-verdict="unfair"]').waitFor();
    await page.getByText('The list is not the one that was closed').waitFor();
    await shot(who, 'fairness-unfair');
    await page.unroute(/\/queue\/entries$/);
    await page.route(/\/queue\/fairness$/, async (route) => {
        if (route.request().resourceType() !== 'fetch') return route.continue();
        const answer = await route.fetch();
        await route.fulfill({ response: answer, json: { ...(await answer.json()), commitment: '0'.repeat(64) } });
    });
    await page.reload();
    await page.getByText('The number is not the one that was promised').waitFor();
    await who.close();
});
