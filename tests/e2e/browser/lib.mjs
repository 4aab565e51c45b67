// What the browser tests share: a small venue on sale, Chromium, and a way to click a seat where the map draws it.
// CHROMIUM names another browser.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { HOUR, iso, PASSWORD, sale, unique } from '../lib/seed.mjs';
import { REPO } from '../lib/server.mjs';

const output = join(REPO, 'tests/e2e/output');

export const WIDTHS = [1280, 390];

/** Six blocks of 8 rows with 12 seats around a floor with 100 places. */
export function smallPlan() {
    const zone = (block) => ({
        name: `Block ${block + 1}`,
        position: { x: (block % 3) * 420, y: block < 3 ? 0 : 560 },
        rows: Array.from({ length: 8 }, (_, row) => ({
            row_number: String(row + 1),
            position: { x: 0, y: row * 28 },
            seats: Array.from({ length: 12 }, (_, seat) => ({
                seat_guid: `${block + 1}-${row + 1}-${seat + 1}`,
                seat_number: String(seat + 1),
                position: { x: seat * 30, y: 0 },
                category: block < 3 ? 'Front' : 'Back',
            })),
        })),
    });
    const floor = {
        name: 'Floor',
        guid: 'floor',
        capacity: 100,
        position: { x: 300, y: 290 },
        size: { width: 600, height: 200 },
        category: 'Standing',
    };
    const zones = Array.from({ length: 6 }, (_, block) => zone(block));
    zones.push({ name: 'Floor', position: { x: 0, y: 0 }, rows: [], areas: [floor] });
    const categories = [
        { name: 'Front', color: '#c0392b' },
        { name: 'Back', color: '#2980b9' },
        { name: 'Standing', color: '#16825d' },
    ];
    return { name: 'Lantern Hall', size: { width: 1200, height: 800 }, categories, zones };
}

/** `more`: other fields of the event. */
export async function sellEvent(server, { name = 'Lanterns at Midnight', onsaleInMs = -HOUR, ...more } = {}) {
    const venue = { name: 'Lantern Hall', city: 'Lisbon', country: 'PT', lat: 38.72, lon: -9.14 };
    const prices = { Front: 8950, Back: 4500, Standing: 2500 };
    return sale(server, { plan: smallPlan(), venue, name, prices, onsale_at: iso((await server.now()) + onsaleInMs), ...more });
}

export function startBrowser(args = []) {
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
    return chromium.launch({ executablePath, headless: true, args: ['--no-sandbox', ...args] });
}

/** A fresh visitor; narrow ones have a phone. Errors of scripts and of the content policy fail the test at close(). */
export async function visitor(browser, server, width) {
    const isPhone = width < 600;
    const context = await browser.newContext({
        baseURL: server.url,
        viewport: { width, height: isPhone ? 844 : 900 },
        isMobile: isPhone,
        hasTouch: isPhone,
        locale: 'en-GB',
        acceptDownloads: true,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    const errors = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
        if (message.type() === 'error' && /Content.Security.Policy/i.test(message.text())) errors.push(message.text());
    });
    const close = async () => {
        await context.close();
        assert.deepEqual(errors, []);
    };
    return { page, context, width, isPhone, close };
}

/** Keeps a picture of the step and proves that nothing makes the page scroll sideways. */
export async function shot({ page, width }, name) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    const view = width; // not innerWidth: what is too wide makes the view of a phone grow
    assert.ok(wide <= view, `${name} is ${wide} px wide in ${view}`);
    await mkdir(output, { recursive: true });
    await page.screenshot({ path: join(output, `${name}-${width}.png`), fullPage: true });
}

export async function signUp(who, email = `fan-${unique()}@example.com`) {
    const { page } = who;
    await page.goto('/signup');
    await page.getByLabel('Name').fill('Fay Fan');
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByRole('link', { name: 'My bookings' }).waitFor();
    return email;
}

/** Opens the event's page and waits until its map is drawn. */
export async function openEvent({ page }, event) {
    await page.goto(`/events/${event.id}`);
    await page.locator('canvas[data-view]').waitFor();
}

/** The button of a seat in the list beside the map. */
export async function findSeat({ page }, section, row, number) {
    const list = page.locator('details.seat-list');
    if (!(await list.evaluate((element) => element.open))) await list.locator('summary').click();
    const choose = async (label, name) => {
        const select = list.getByRole('combobox', { name: new RegExp(`^${label}`) });
        const option = select.locator('option').filter({ hasText: new RegExp(`^${name} \\(`) });
        await option.waitFor({ state: 'attached' });
        await select.selectOption(await option.getAttribute('value'));
    };
    await choose('Section', section);
    await choose('Row', `Row ${row}`);
    return list.locator('button.seat-button').filter({ hasText: new RegExp(`^${number}$`) });
}

/** Where a seat is drawn on the canvas, in pixels of it. The list says where it is in the plan. */
export async function seatOnCanvas(who, section, row, number) {
    const { page } = who;
    const button = await findSeat(who, section, row, number);
    const seat = await button.evaluate(({ dataset }) => ({ x: Number(dataset.x), y: Number(dataset.y) }));
    const canvas = page.locator('canvas.map-canvas');
    await page.locator('canvas.map-canvas[data-moving="false"]').waitFor();
    const [scale, offsetX, offsetY] = (await canvas.getAttribute('data-view')).split(' ').map(Number);
    return { x: seat.x * scale + offsetX, y: seat.y * scale + offsetY };
}

/** Clicks (or taps) a seat on the canvas. */
export async function clickSeat(who, section, row, number) {
    const { page, isPhone } = who;
    const seat = await seatOnCanvas(who, section, row, number);
    const canvas = page.locator('canvas.map-canvas');
    await canvas.evaluate((element) => element.scrollIntoView({ block: 'start' }));
    const box = await canvas.boundingBox();
    const x = box.x + seat.x;
    const y = box.y + seat.y;
    if (isPhone) await page.touchscreen.tap(x, y);
    else await page.mouse.click(x, y);
}
