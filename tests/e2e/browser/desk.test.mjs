// The organizer's desk: the sale as it happens, seats taken off sale on the map, bookings found and given back, settings
// that are refused by field, and the door: by camera, by typing, twice, and without a network.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fs from 'node:fs';
import path from 'node:path';
import { Foyer, tempDir } from '../lib/server.mjs';
import { bought, makeEvent, makeManyUsers, makeUser, makeVenue, PASSWORD, plan, publish, seatStates, ticketsOf, unique } from '../lib/seed.mjs';
import { svgToPgm } from '../lib/paper.mjs';
import { until } from '../lib/wait.mjs';
import { sellEvent, shot, startBrowser, visitor, WIDTHS } from './lib.mjs';

let server;
let browser;
let fan;

before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    browser = await startBrowser();
    fan = await makeUser(server, { name: 'Fay Fan' });
});

after(async () => {
    await browser?.close();
    if (server) assert.deepEqual((await server.audit()).findings, []);
    await server?.stop();
});

/** Logged in as an admin, who owns every event. */
async function desk(width, from = browser) {
    const who = await visitor(from, server, width);
    const boss = await makeUser(server, { name: 'Olga Organizer', email: `desk-${unique()}@example.com`, roles: ['admin'] });
    const answer = await who.page.request.post('/v1/sessions', { data: { email: boss.email, password: PASSWORD, cookie: true }, headers: { origin: server.url } });
    assert.equal(answer.status(), 201, await answer.text());
    return who;
}

const event = (more) => sellEvent(server, { name: 'Lanterns at Midnight', ...more });
const manage = ({ page }, { id }, part = '') => page.goto(`/organizer/events/${id}${part && `/${part}`}`);
const figure = ({ page }, name, text) => page.locator(`[data-figure="${name}"]`, { hasText: text }).first().waitFor();
const seats = (block, row, ...numbers) => numbers.map((number) => `${block}-${row}-${number}`);

for (const width of WIDTHS) {
    test(`the chart moves while somebody buys at ${width} px`, async (t) => {
        const sale = await event();
        const who = await desk(width);
        t.after(() => who.close());
        await bought(server, fan, sale.id, seats(1, 1, 1, 2));
        await manage(who, sale);
        await figure(who, 'booked', /^2$/);
        assert.equal(await who.page.locator('[data-figure="revenue"]').textContent(), '€179.00');
        await who.page.locator('.chart-bar').first().waitFor();
        await bought(server, fan, sale.id, { seat_ids: seats(4, 1, 1), areas: [{ area_id: 'floor', quantity: 3 }] });
        await figure(who, 'booked', /^6$/);
        await who.page.locator('.sales-chart[data-places="6"]').waitFor();
        await bought(server, fan, sale.id, seats(4, 2, 1, 2));
        await who.page.locator('.sales-chart[data-places="8"]').waitFor();
        await who.page.getByText('The same as a table').click();
        const sold = async () => (await who.page.locator('.chart-numbers tbody td:nth-child(2)').allTextContents()).reduce((sum, places) => sum + Number(places), 0);
        await until(async () => (await sold()) === 8, { what: 'eight places in the table' });
        await who.page.locator('tr', { hasText: 'Standing' }).locator('td', { hasText: /^3$/ }).waitFor();
        await shot(who, 'desk-1-sales');
        await who.page.getByRole('button', { name: 'All', exact: true }).click();
        await who.page.locator('.chart-bar').first().waitFor();
    });

    test(`seats are blocked on the map by rectangle, row and key at ${width} px`, async (t) => {
        const sale = await event();
        const who = await desk(width);
        t.after(() => who.close());
        const { page } = who;
        await bought(server, fan, sale.id, seats(1, 1, 1));
        await manage(who, sale, 'seats');
        const canvas = page.locator('canvas.map-canvas[data-view]');
        await canvas.waitFor();
        await page.locator('canvas.map-canvas[data-moving="false"]').waitFor();
        await page.getByRole('button', { name: 'Draw a rectangle' }).click();
        const [scale, x, y] = (await canvas.getAttribute('data-view')).split(' ').map(Number);
        await canvas.evaluate((element) => element.scrollIntoView({ block: 'start' }));
        const box = await canvas.boundingBox();
        const at = (planX, planY) => [box.x + planX * scale + x, box.y + planY * scale + y];
        await page.mouse.move(...at(-12, -12)); // the first three seats of the first two rows
        await page.mouse.down();
        await page.mouse.move(...at(72, 40), { steps: 4 });
        await page.mouse.up();
        await page.getByRole('button', { name: 'Block 5 seats' }).waitFor(); // one of the six is booked
        await page.getByRole('button', { name: 'Drawing: end' }).click();
        await page.getByLabel('Section', { exact: true }).selectOption({ label: 'Block 2' });
        await page.getByLabel('Row', { exact: true }).selectOption({ label: 'Row 3 (12)' });
        await page.getByRole('button', { name: 'Add the row' }).click();
        await page.getByRole('button', { name: 'Block 17 seats' }).waitFor();
        await canvas.focus();
        await page.keyboard.press('ArrowRight');
        await page.keyboard.press('Enter');
        await page.getByRole('button', { name: 'Block 18 seats' }).waitFor();
        await page.keyboard.press('Enter');
        await page.getByRole('button', { name: 'Block 17 seats' }).waitFor();
        await shot(who, 'desk-2-seats');
        await page.getByRole('button', { name: 'Block 17 seats' }).click();
        await page.getByText('17 seats are blocked.').waitFor();
        const states = await seatStates(server.admin, sale.id);
        const blocked = Object.keys(states).filter((id) => states[id] === 'blocked');
        assert.deepEqual(blocked.sort(), [...seats(1, 1, 2, 3), ...seats(1, 2, 1, 2, 3), ...seats(2, 3, ...Array.from({ length: 12 }, (_, i) => i + 1))].sort());
        await page.getByRole('button', { name: 'Add the row' }).click();
        await page.getByRole('button', { name: 'Unblock 12' }).click();
        await page.getByText('12 seats are on sale again.').waitFor();
        assert.equal((await seatStates(server.admin, sale.id))['2-3-1'], 'available');
    });

    test(`bookings are found, and given back in part, at ${width} px`, async (t) => {
        const sale = await event();
        const who = await desk(width);
        t.after(() => who.close());
        const { page } = who;
        const buyer = await makeUser(server, { name: 'Bo Buyer', email: `bo-${unique()}@example.com` });
        const booking = await bought(server, buyer, sale.id, { seat_ids: seats(1, 4, 5, 6), areas: [{ area_id: 'floor', quantity: 1 }] });
        await bought(server, fan, sale.id, seats(2, 1, 1));
        await manage(who, sale, 'bookings');
        await page.locator('.desk-booking').nth(1).waitFor();
        await page.getByLabel('Email begins with').fill('bo');
        await page.getByRole('button', { name: 'Search' }).click();
        await page.getByText(/at least/).waitFor();
        await page.getByLabel('Email begins with').fill(buyer.email.slice(0, 8));
        await page.getByRole('button', { name: 'Search' }).click();
        const found = page.locator(`[data-booking="${booking.id}"]`);
        await until(async () => (await page.locator('.desk-booking').count()) === 1, { what: 'one booking alone' });
        await found.locator('summary').click();
        await found.getByLabel('Block 1, 4-5').check();
        await found.getByRole('button', { name: /^Refund 1 ticket…/ }).click();
        await found.getByText('Give €89.50 for 1 ticket back to Bo Buyer?').waitFor();
        await shot(who, 'desk-3-refund');
        await found.getByRole('button', { name: 'Refund €89.50' }).click();
        await found.locator('[data-ticket="revoked"]').waitFor();
        assert.deepEqual((await ticketsOf(buyer, booking.id)).map(({ status }) => status).sort(), ['revoked', 'valid', 'valid']);
        await found.getByRole('button', { name: /^Refund all that is left/ }).click();
        await found.getByRole('button', { name: 'Refund €114.50' }).click();
        await until(async () => (await found.locator('[data-ticket="revoked"]').count()) === 3, { what: 'all tickets given back' });
        const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Bookings as CSV' }).click()]);
        assert.match(fs.readFileSync(await download.path(), 'utf8'), new RegExp(buyer.email));
    });

    test(`the waiting room is watched, and its cap raised, at ${width} px`, async (t) => {
        const sale = await event({ waiting_room: 'on', queue: { admitted_max: 1 } });
        const who = await desk(width);
        t.after(() => who.close());
        const { page } = who;
        for (const person of await makeManyUsers(server, 3))
            assert.equal((await person.post(`/v1/events/${sale.id}/queue`)).status, 201);
        await manage(who, sale, 'room');
        await page.locator('[data-room="open"]').waitFor();
        await figure(who, 'admitted', /^1$/);
        await figure(who, 'waiting', /^2$/);
        await page.getByLabel('People admitted at once').fill('0');
        await page.getByRole('button', { name: 'Change', exact: true }).click();
        await page.locator('.has-error', { hasText: 'People admitted at once' }).locator('.field-error').waitFor();
        await page.getByLabel('People admitted at once').fill('2');
        await page.getByRole('button', { name: 'Change', exact: true }).click();
        await figure(who, 'admitted', /^2$/);
        await figure(who, 'waiting', /^1$/);
        await figure(who, 'cap', /^2$/);
        await shot(who, 'desk-a-room');
    });

    test(`settings are saved, and refused by field, at ${width} px`, async (t) => {
        const venue = await makeVenue(server.admin, plan());
        const draft = await makeEvent(server, server.admin, venue.id, { waiting_room: 'auto', late_payment: 'refund' });
        const who = await desk(width);
        t.after(() => who.close());
        const { page } = who;
        await manage(who, draft, 'settings');
        await page.getByLabel('Hold lasts (minutes)').fill('900');
        await page.getByLabel('Places per account').fill('many');
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText('must be a number').first().waitFor();
        await page.getByLabel('Places per account').fill('8');
        await page.getByRole('button', { name: 'Save' }).click();
        await page.locator('.has-error', { hasText: 'Hold lasts' }).locator('.field-error').waitFor();
        await shot(who, 'desk-4-settings');
        await page.getByLabel('Hold lasts (minutes)').fill('15');
        await page.getByLabel('Buyers may give back until').fill('48');
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText('Saved').waitFor();
        const { json } = await server.admin.get(`/v1/events/${draft.id}`);
        assert.deepEqual([json.hold_ttl_s, json.limits.per_account, json.refund_until_s], [900, 8, 48 * 3600]);
        for (const same of ['waiting_room', 'late_payment', 'orphan_rule', 'queue', 'abuse']) assert.deepEqual(json[same], draft[same], `${same} was not touched`);
        await publish(server.admin, draft.id);
        await page.reload();
        await page.getByText('settled since the publication').waitFor();
        assert.equal(await page.getByLabel('Places per account').isDisabled(), true);
        await page.getByLabel('Single seats').selectOption('on');
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText('Saved').waitFor();
        assert.equal((await server.admin.get(`/v1/events/${draft.id}`)).json.orphan_rule, true);
        await page.reload();
        assert.equal(await page.getByLabel('Single seats').inputValue(), 'on');
    });

    test(`the door lets in by typing, once, and works without the network, at ${width} px`, async (t) => {
        const [sale, other] = [await event(), await event()];
        const who = await desk(width);
        t.after(() => who.close());
        const { page, context } = who;
        const booking = await bought(server, fan, sale.id, seats(3, 2, 1, 2, 3, 4, 5, 6));
        const tickets = await ticketsOf(fan, booking.id);
        const [foreign] = await ticketsOf(fan, (await bought(server, fan, other.id, seats(3, 2, 1))).id);
        const back = tickets.at(-1);
        assert.equal((await server.admin.post(`/v1/bookings/${booking.id}/refund`, { ticket_ids: [back.id] })).status, 202);
        const answered = { count: 0 };
        const show = async (code, wanted) => {
            await page.getByLabel('The ticket’s code').fill(code);
            await page.getByRole('button', { name: 'Check', exact: true }).click();
            await page.locator(`[data-result="${wanted}"][data-number="${++answered.count}"]`).waitFor();
        };
        await manage(who, sale, 'check-in');
        await page.getByLabel('Gate').fill('North');
        await page.getByText(/List of refunds as of/).waitFor();
        await show(tickets[0].code, 'in');
        await page.getByText('Block 3, 2-1').first().waitFor();
        await shot(who, 'desk-5-in');
        await show(tickets[0].code, 'used');
        await page.locator('.door-answer', { hasText: 'at North' }).waitFor();
        await shot(who, 'desk-6-used');
        await show(back.code, 'revoked');
        await show(foreign.code, 'wrong-event');
        await show('somebody wrote this', 'unknown');

        await context.setOffline(true);
        await show(tickets[1].code, 'in');
        await page.locator('.door[data-offline="true"]').waitFor();
        await show(tickets[1].code, 'used');
        await page.locator('.door-answer', { hasText: 'by this device' }).waitFor();
        await show(back.code, 'revoked');
        const forged = tickets[2].code.slice(0, 20) + (tickets[2].code[20] === 'A' ? 'B' : 'A') + tickets[2].code.slice(21);
        await show(forged, 'unknown');
        await show(tickets[2].code, 'in');
        await show(tickets[0].code, 'used'); // let in online before, by this device
        await figure(who, 'pending', /^2$/);
        await shot(who, 'desk-7-offline');

        // Meanwhile another gate, which has a network, lets one of them in.
        const online = await server.admin.post('/v1/check-ins', { code: tickets[2].code, gate: 'South' });
        assert.equal(online.status, 200, online.text);
        await context.setOffline(false);
        await page.locator('[data-conflict]').waitFor();
        await page.locator('[data-conflict]', { hasText: 'at South' }).waitFor();
        await until(async () => (await page.locator('[data-figure="pending"]').count()) === 0, { what: 'nothing to be pending' });
        const used = await server.admin.post('/v1/check-ins', { code: tickets[1].code, gate: 'South' });
        assert.deepEqual([used.status, used.json.gate], [409, 'North']);
        await shot(who, 'desk-8-conflict');

        await page.reload();
        await figure(who, 'let-in', /^3$/);
        assert.equal(await page.getByLabel('Gate').inputValue(), 'North');
        await page.locator('[data-conflict]').waitFor();
    });
}

/** A camera's picture in which there is nothing but this code, as a film of one frame. */
function film(svg) {
    const [width, height] = [640, 480];
    const pgm = svgToPgm(svg, 8);
    const head = /^P5 (\d+) \d+ 255\n/.exec(pgm.subarray(0, 32).toString('latin1'));
    const side = Number(head[1]);
    const factor = Math.max(1, Math.ceil(side / (height - 40)));
    const shown = Math.floor(side / factor);
    const luma = Buffer.alloc(width * height, 235);
    for (let y = 0; y < shown; y++)
        for (let x = 0; x < shown; x++)
            luma[(y + ((height - shown) >> 1)) * width + x + ((width - shown) >> 1)] = pgm[head[0].length + y * factor * side + x * factor] ? 235 : 16;
    const file = path.join(tempDir(), 'ticket.y4m');
    const frame = Buffer.concat([Buffer.from('FRAME\n'), luma, Buffer.alloc((width * height) / 2, 128)]);
    fs.writeFileSync(file, Buffer.concat([Buffer.from(`YUV4MPEG2 W${width} H${height} F10:1 Ip A1:1 C420jpeg\n`), frame, frame]));
    return file;
}

test('the door reads a ticket by the camera, once as long as it is shown', async (t) => {
    const sale = await event();
    const [ticket] = await ticketsOf(fan, (await bought(server, fan, sale.id, seats(3, 5, 1))).id);
    const file = film((await fan.get(`/v1/tickets/${ticket.id}/qr.svg`)).text);
    const seeing = await startBrowser(['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${file}`]);
    t.after(() => seeing.close());
    for (const width of WIDTHS) {
        const who = await desk(width, seeing);
        await who.context.grantPermissions(['camera']);
        await manage(who, sale, 'check-in');
        await who.page.getByRole('button', { name: 'Start the camera' }).click();
        await who.page.locator(`[data-result="${width === WIDTHS[0] ? 'in' : 'used'}"]`).waitFor();
        await shot(who, 'desk-9-camera');
        assert.equal(await who.page.locator('[data-number]').getAttribute('data-number'), '1');
        await who.page.getByRole('button', { name: 'Stop the camera' }).click();
        await who.close();
    }
});
