// A person buys two seats from the map, on a desk and on a phone.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { sale } from '../lib/seed.mjs';
import { Foyer } from '../lib/server.mjs';
import { clickSeat, sellEvent, shot, signUp, startBrowser, visitor, WIDTHS } from './lib.mjs';

let server;
let browser;
let event;

before(async () => {
    server = await Foyer.start();
    browser = await startBrowser();
    event = await sellEvent(server);
});

after(async () => {
    await browser?.close();
    if (server) assert.deepEqual((await server.audit()).findings, []);
    await server?.stop();
});

/** The index follows the sale's journal: the front page finds the event within moments. */
async function findBySearch(who) {
    const { page } = who;
    await page.goto('/');
    const box = page.getByRole('searchbox', { name: 'Search events' });
    const card = page.getByRole('link', { name: /Lanterns at Midnight/ });
    const deadline = Date.now() + 60_000;
    for (;;) {
        await box.fill('');
        await box.pressSequentially('lanterns');
        if (
            await card.waitFor({ timeout: 3000 }).then(
                () => true,
                () => false,
            )
        )
            break;
        assert.ok(Date.now() < deadline, "the event can't be found");
        await page.reload();
    }
    await page.waitForURL(/[?]q=lanterns$/);
    await shot(who, '1-search');
    await card.click();
    await page.locator('canvas[data-view]').waitFor();
}

for (const [index, width] of WIDTHS.entries()) {
    test(`two seats are chosen on the map, paid and delivered at ${width} px`, async () => {
        const who = await visitor(browser, server, width);
        const { page } = who;
        const row = String(index + 2);
        await signUp(who);
        await findBySearch(who);
        await shot(who, '2-event');

        await clickSeat(who, 'Block 2', row, '5');
        await clickSeat(who, 'Block 2', row, '6');
        const bar = page.getByRole('region', { name: 'Your choice' });
        await bar.getByText('2 seats').waitFor();
        assert.equal(await bar.locator('.bar-total').textContent(), '€179.00');
        await shot(who, '3-seats');

        await bar.getByRole('button', { name: 'Hold seats' }).click();
        await page.waitForURL(/\/bookings\/bkg_/);
        const clock = page.getByTestId('countdown');
        await clock.waitFor();
        assert.match(await clock.textContent(), /^(10:00|9:5\d)$/);
        await page.getByText(`Row ${row} · Seat 5 · Front`).waitFor();
        await shot(who, '4-held');

        await page.getByRole('button', { name: 'Pay €179.00' }).click();
        await page.waitForURL((url) => url.origin !== server.url);
        await shot(who, '5-bank');
        await page.locator('#pay').click();
        await page.waitForURL((url) => url.origin === server.url);
        await page.locator('[data-status="confirmed"]').waitFor();

        const codes = page.locator('.ticket img');
        await codes.nth(1).waitFor();
        assert.equal(await codes.count(), 2);
        await page.waitForFunction(() =>
            [...document.querySelectorAll('.ticket img')].every((image) => image.naturalWidth > 0),
        );
        await shot(who, '6-confirmed');

        const [download] = await Promise.all([
            page.waitForEvent('download'),
            page.getByRole('link', { name: 'Download PDF' }).first().click(),
        ]);
        const pdf = await readFile(await download.path());
        assert.equal(pdf.subarray(0, 5).toString(), '%PDF-');

        await page.getByRole('link', { name: 'My bookings' }).click();
        await page.getByRole('heading', { name: 'My bookings' }).waitFor();
        await page.locator('.row', { hasText: 'Lanterns at Midnight' }).getByText('Confirmed').waitFor();
        await shot(who, '7-my-bookings');
        await who.close();
    });
}

test('somebody who is not signed in goes to the login and comes back to their held seats', async () => {
    const who = await visitor(browser, server, 1280);
    const { page } = who;
    await page.goto(`/events/${event.id}`);
    await clickSeat(who, 'Block 4', '1', '1');
    await page.getByRole('button', { name: 'Hold seats' }).click();
    await page.waitForURL(/\/login\?next=/);
    await page.getByRole('link', { name: 'Create an account' }).click();
    await page.getByLabel('Name').fill('Late Comer');
    await page.getByLabel('Email').fill('late@example.com');
    await page.getByLabel('Password').fill('short');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.locator('.field.has-error', { hasText: 'Password' }).waitFor();
    await page.getByLabel('Password').fill('a much longer password');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.waitForURL(/\/bookings\/bkg_/);
    await page.getByText('Row 1 · Seat 1 · Back').waitFor();

    await page.getByRole('button', { name: 'Cancel and give back' }).click();
    await page.getByRole('button', { name: 'Give them back' }).click();
    await page.locator('[data-status="cancelled"]').waitFor();
    await shot(who, '8-cancelled');
    await who.close();
});

test('places in an area are chosen by number; a payment that fails says so', async () => {
    const who = await visitor(browser, server, 390);
    const { page } = who;
    await signUp(who);
    await page.goto(`/events/${event.id}`);
    await page.getByRole('button', { name: 'One more in Floor' }).click();
    await page.getByRole('button', { name: 'One more in Floor' }).click();
    await page.getByText('2 places', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Hold places' }).click();
    await page.getByText('2 × €25.00').waitFor();
    await page.getByRole('button', { name: 'Pay €50.00' }).click();
    await page.waitForURL((url) => url.origin !== server.url);
    await page.locator('#card').fill('4000 0000 0000 0341');
    await page.locator('#pay').click();
    await page.waitForURL((url) => url.origin === server.url);
    await page.locator('[data-status="failed"]').waitFor();
    await page.getByRole('link', { name: 'Choose seats again' }).waitFor();
    await shot(who, '9-failed');
    await who.close();
});

test('the keyboard alone chooses a seat, and the limit per booking is explained', async () => {
    const who = await visitor(browser, server, 1280);
    const { page } = who;
    await page.goto(`/events/${event.id}`);
    const canvas = page.locator('canvas[data-view]');
    await canvas.waitFor();
    await canvas.focus();
    await page.keyboard.press('ArrowRight');
    const message = page.getByRole('region', { name: 'Your choice' }).getByRole('status');
    for (let i = 0; i < 7; i++) {
        await page.keyboard.press('Enter');
        await page.waitForTimeout(30);
        await page.keyboard.press('ArrowRight');
    }
    await page.getByText('6 seats', { exact: true }).waitFor();
    assert.match(await message.textContent(), /up to 6 places/);
    await who.close();
});

test('a buyer finds the way to the organizer, where the event has it', async () => {
    const own = await Foyer.start({ args: ['--services=tickets,chat'] });
    const events = [];
    for (const buyer_chat of [true, false]) events.push(await sale(own, { prices: { front: 0, back: 0 }, buyer_chat }));
    const who = await visitor(browser, own, WIDTHS[0]);
    const { page } = who;
    await signUp(who);
    const [talks, silent] = await page.evaluate(async (ids) => {
        const post = async (path, body) => {
            const headers = { 'idempotency-key': crypto.randomUUID(), ...(body && { 'content-type': 'application/json' }) };
            const answer = await fetch(path, { method: 'POST', headers, body: body && JSON.stringify(body) });
            if (!answer.ok) throw new Error(await answer.text());
            return answer.json();
        };
        const bookings = [];
        for (const event_id of ids) {
            const { id } = await post('/v1/bookings', { event_id, seat_ids: ['S1-R1-1'] });
            await post(`/v1/bookings/${id}/checkout`);
            bookings.push(id);
        }
        return bookings;
    }, events.map(({ id }) => id));
    await page.goto(`/bookings/${talks}`);
    const link = page.getByRole('link', { name: 'Write to the organizer' });
    await link.waitFor();
    assert.match(await link.getAttribute('href'), /^\/chat\/cht_/);
    await page.goto(`/bookings/${silent}`);
    await page.locator('.ticket img').first().waitFor();
    assert.equal(await link.count(), 0);
    await who.close();
    await own.stop();
});
