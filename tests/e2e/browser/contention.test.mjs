// Two people and one seat; a hold whose time runs out; a sale that has not opened.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Foyer } from '../lib/server.mjs';
import { clickSeat, openEvent, sellEvent, shot, signUp, startBrowser, visitor, WIDTHS } from './lib.mjs';

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

test('the second of two people is told which seat is gone', async () => {
    const first = await visitor(browser, server, 1280);
    const second = await visitor(browser, server, 390);
    await signUp(first);
    await signUp(second);
    await openEvent(first, event);
    // The stream, or asking, would show the seat as taken before the second person asks for it: only the answer to the hold may tell.
    await second.page.route(/\/live/, (route) => route.abort());
    await openEvent(second, event);
    await second.page.route(/\/seats$/, (route) => route.abort());
    await clickSeat(second, 'Block 1', '4', '7');
    await clickSeat(second, 'Block 1', '4', '8');
    await second.page.getByText('2 seats', { exact: true }).waitFor();
    await clickSeat(first, 'Block 1', '4', '7');
    await first.page.getByRole('button', { name: 'Hold seats' }).click();
    await first.page.waitForURL(/\/bookings\/bkg_/);

    await second.page.getByRole('button', { name: 'Hold seats' }).click();
    const message = second.page.getByRole('region', { name: 'Your choice' }).getByRole('status').first();
    await message.getByText('Block 1, row 4, seat 7').waitFor();
    await second.page.getByText('1 seat', { exact: true }).waitFor();
    await shot(second, 'taken');

    await second.page.getByRole('button', { name: 'Hold seats' }).click();
    await second.page.waitForURL(/\/bookings\/bkg_/);
    await second.page.getByText('Row 4 · Seat 8 · Front').waitFor();
    await first.close();
    await second.close();
});

test('an open map shows a seat that somebody else has taken meanwhile', async () => {
    const watcher = await visitor(browser, server, 1280);
    const buyer = await visitor(browser, server, 1280);
    await openEvent(watcher, event);
    await clickSeat(watcher, 'Block 3', '2', '2');
    await watcher.page.getByText('1 seat', { exact: true }).waitFor();
    await signUp(buyer);
    await openEvent(buyer, event);
    await clickSeat(buyer, 'Block 3', '2', '2');
    await buyer.page.getByRole('button', { name: 'Hold seats' }).click();
    await buyer.page.waitForURL(/\/bookings\/bkg_/);
    await watcher.page.getByText('Block 3, row 2, seat 2 is no longer available').waitFor();
    assert.equal(await watcher.page.getByRole('button', { name: 'Hold seats' }).isDisabled(), true);
    await watcher.close();
    await buyer.close();
});

for (const width of WIDTHS) {
    test(`a hold whose time ran out says so and leads back at ${width} px`, async () => {
        const who = await visitor(browser, server, width);
        const { page } = who;
        await signUp(who);
        await openEvent(who, event);
        await clickSeat(who, 'Block 5', '3', width === 390 ? '3' : '4');
        await page.getByRole('button', { name: 'Hold seats' }).click();
        await page.getByTestId('countdown').waitFor();
        await server.advance(10 * 60 * 1000 + 1000);
        await page.locator('[data-status="expired"]').waitFor();
        await page.getByText('The time ran out').waitFor();
        await shot(who, 'expired');
        await page.getByRole('link', { name: 'Choose seats again' }).click();
        await page.locator('canvas[data-view]').waitFor();
        await who.close();
    });
}

test('a sale that has not opened counts down and holds nothing', async () => {
    const later = await sellEvent(server, { name: 'Later', onsaleInMs: 48 * 3600 * 1000 });
    const who = await visitor(browser, server, 1280);
    await openEvent(who, later);
    await who.page.getByRole('region', { name: 'Sale opens' }).getByRole('timer').waitFor();
    await clickSeat(who, 'Block 1', '1', '1');
    await who.page.getByText('1 seat', { exact: true }).waitFor();
    assert.equal(await who.page.getByRole('button', { name: 'Hold seats' }).isDisabled(), true);
    await shot(who, 'not-open');
    await who.close();
});

test('an address that leads nowhere says so', async () => {
    const who = await visitor(browser, server, 390);
    for (const path of ['/nowhere', '/events/evt_nothing']) {
        await who.page.goto(path);
        await who.page.getByRole('heading', { name: /There is no such (page|event)/ }).waitFor();
    }
    await shot(who, 'not-found');
    await who.close();
});
