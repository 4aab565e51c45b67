// Somebody sets up a second factor, logs in with the app's code and with a recovery code, and takes it away; an organizer who must have one is led there.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD } from '../lib/seed.mjs';
import { Foyer } from '../lib/server.mjs';
import { codeAt, STEP, wrongCode } from '../lib/totp.mjs';
import { shot, signUp, startBrowser, visitor, WIDTHS } from './lib.mjs';

let server;
let browser;

before(async () => {
    server = await Foyer.start({ args: ['--require-totp', '--abuse=off'] });
    browser = await startBrowser();
});

after(async () => {
    await browser?.close();
    await server?.stop();
});

/* Past what was used, in the middle of a step. */
async function freshTime() {
    const now = await server.now();
    return server.advance(3 * STEP + STEP / 2 - (now % STEP));
}

async function logOut({ page }) {
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('link', { name: 'Sign up' }).waitFor();
}

async function typePassword({ page }, email) {
    await page.goto('/login?next=%2Fme%2Fsecurity');
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

for (const width of WIDTHS) {
    test(`set up, log in with it, take it away at ${width} px`, async (t) => {
        const who = await visitor(browser, server, width);
        t.after(() => who.context.close());
        const { page } = who;
        const email = await signUp(who);
        const me = await page.evaluate(async () => (await fetch('/v1/me')).json());
        assert.equal((await server.admin.put(`/v1/users/${me.id}/roles`, { roles: ['organizer'] })).status, 200);

        await page.goto('/organizer');
        await page.getByText('A second factor is needed').waitFor();
        await page.getByRole('link', { name: 'Set it up' }).click();
        await page.getByLabel('Password').fill('wrong password');
        await page.getByRole('button', { name: 'Set it up' }).click();
        await page.getByText('The password is wrong.').waitFor();
        await page.getByLabel('Password').fill(PASSWORD);
        await page.getByRole('button', { name: 'Set it up' }).click();
        const secret = await page.getByTestId('totp-secret').textContent();
        const picture = page.getByRole('img', { name: 'QR code for your authenticator app' });
        assert.ok(await picture.evaluate(async (image) => (await image.decode(), image.naturalWidth > 0)));
        await shot(who, 'security-1-setup');
        const now = await freshTime();
        await page.getByLabel('Code from your app').fill(wrongCode(secret, now));
        await page.getByRole('button', { name: 'Turn it on' }).click();
        await page.getByText('is wrong; is the clock of your device right?').waitFor();
        await page.getByLabel('Code from your app').fill(codeAt(secret, now));
        await page.getByRole('button', { name: 'Turn it on' }).click();
        await page.getByTestId('recovery-codes').waitFor();
        const codes = await page.getByTestId('recovery-codes').getByRole('listitem').allTextContents();
        assert.equal(codes.length, 10);
        await shot(who, 'security-2-codes');
        await page.goto('/organizer');
        await page.getByRole('link', { name: 'Import a venue' }).waitFor();

        await logOut(who);
        await typePassword(who, email);
        const field = page.getByLabel('Code from your app');
        await field.waitFor();
        assert.equal(await field.evaluate((element) => element === document.activeElement), true);
        await field.fill(codeAt(secret, now));
        await page.getByRole('button', { name: 'Log in', exact: true }).click();
        await page.getByText('The code is wrong, or was used already.').waitFor();
        await shot(who, 'security-3-login');
        await field.fill(codeAt(secret, await freshTime()));
        await page.getByRole('button', { name: 'Log in', exact: true }).click();
        await page.getByText('10 recovery codes are left').waitFor();

        await logOut(who);
        await typePassword(who, email);
        await page.getByRole('button', { name: 'Use a recovery code' }).click();
        await page.getByLabel('Recovery code').fill(codes[0]);
        await page.getByRole('button', { name: 'Log in', exact: true }).click();
        await page.getByText('9 recovery codes are left').waitFor();

        await page.getByRole('button', { name: 'Take it away…' }).click();
        await page.getByLabel('Password').fill(PASSWORD);
        await page.getByRole('button', { name: 'Use a recovery code' }).click();
        await page.getByLabel('Recovery code').fill(codes[1]);
        await page.getByRole('button', { name: 'Take it away', exact: true }).click();
        await page.getByText('Needed for what you do here').waitFor();
        await logOut(who);
        await typePassword(who, email);
        await page.getByText('Needed for what you do here').waitFor();
        await who.close();
    });
}
