// An organizer imports a seating plan, makes an event of it, publishes it and looks at the sales.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Foyer } from '../lib/server.mjs';
import { clickSeat, shot, signUp, smallPlan, startBrowser, visitor, WIDTHS } from './lib.mjs';

let server;
let browser;

before(async () => {
    server = await Foyer.start();
    browser = await startBrowser();
});

after(async () => {
    await browser?.close();
    if (server) assert.deepEqual((await server.audit()).findings, []);
    await server?.stop();
});

const asFile = (plan) => ({
    name: 'plan.json',
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify(plan)),
});

async function organizer(width) {
    const who = await visitor(browser, server, width);
    await signUp(who, `organizer-${width}@example.com`);
    const me = await who.page.evaluate(async () => (await fetch('/v1/me')).json());
    const answer = await server.admin.put(`/v1/users/${me.id}/roles`, { roles: ['organizer'] });
    assert.equal(answer.status, 200, answer.text);
    return who;
}

async function importVenue({ page, width }) {
    await page.getByLabel('Venue’s name').fill(`Lantern Hall ${width}`);
    await page.getByLabel('City').fill('Lisbon');
    await page.getByLabel('Country').fill('PT');
    await page.getByLabel('Latitude').fill('38.72');
    await page.getByLabel('Longitude').fill('-9.14');
    await page.getByRole('button', { name: 'Import', exact: true }).click();
}

for (const width of WIDTHS) {
    test(`plan, event, publication and report at ${width} px`, async () => {
        const who = await organizer(width);
        const { page } = who;
        await page.goto('/organizer/venues/new');

        const broken = smallPlan();
        broken.zones[0].rows[0].seats[1].seat_guid = broken.zones[0].rows[0].seats[0].seat_guid;
        await page.getByLabel('Seating plan (.json)').setInputFiles(asFile(broken));
        await page.getByTestId('plan-facts').waitFor();
        await importVenue(who);
        await page.getByText('zones[0].rows[0].seats[1].seat_guid').first().waitFor();
        await shot(who, 'organizer-1-refused');

        await page.getByLabel('Seating plan (.json)').setInputFiles(asFile(smallPlan()));
        await page.getByTestId('plan-facts').getByText('576').waitFor();
        await page.locator('canvas[data-view]').waitFor();
        await shot(who, 'organizer-2-preview');
        await page.getByRole('button', { name: 'Import', exact: true }).click();

        await page.waitForURL(/\/organizer\/events\/new\?venue=ven_/);
        await page.getByLabel('Name').fill(`Organized Night ${width}`);
        await page.getByLabel('Description').fill('Made in the console.');
        await page.getByLabel('Front').fill('59.00');
        await page.getByLabel('Back').fill('not a price');
        await page.getByRole('button', { name: 'Save as draft' }).click();
        await page.getByText('This is not an amount in EUR.').waitFor();
        await page.getByLabel('Back').fill('29');
        await page.getByLabel('Standing').fill('19,50');
        await shot(who, 'organizer-3-event');
        await page.getByRole('button', { name: 'Save as draft' }).click();

        await page.locator('[data-status="draft"]').waitFor();
        await page.getByRole('button', { name: 'Publish' }).click();
        await page.locator('[data-status="published"]').waitFor();
        await page.locator('[data-figure="available"]', { hasText: '676' }).waitFor();

        await buyOne(who);
        await page.locator('[data-figure="booked"]', { hasText: /^1$/ }).waitFor();
        assert.equal(await page.locator('[data-figure="revenue"]').textContent(), '€59.00');
        await page.locator('.chart-bar').first().waitFor();
        await shot(who, 'organizer-4-report');

        await page.getByRole('link', { name: 'Events', exact: true }).click();
        await page.getByRole('link', { name: new RegExp(`Organized Night ${width}`) }).waitFor();
        await who.close();
    });
}

/** The organizer's own page of the event sells a seat, then leads back to the report. */
async function buyOne(who) {
    const { page } = who;
    const report = page.url();
    await page.getByRole('link', { name: 'Open its page' }).click();
    await page.locator('canvas[data-view]').waitFor();
    await clickSeat(who, 'Block 1', '1', '1');
    await page.getByRole('button', { name: 'Hold seats' }).click();
    await page.getByRole('button', { name: /^Pay/ }).click();
    await page.waitForURL((url) => url.origin !== server.url);
    await page.locator('#pay').click();
    await page.locator('[data-status="confirmed"]').waitFor();
    await page.goto(report);
}

test('somebody without the role is told so', async () => {
    const who = await visitor(browser, server, 1280);
    await signUp(who, 'fan@example.com');
    await who.page.goto('/organizer');
    await who.page.getByText('Your account may buy tickets but not sell them').waitFor();
    await who.close();
});
