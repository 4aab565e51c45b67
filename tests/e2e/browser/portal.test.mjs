// The customer's portal of webhooks, from a tokened link to a replay, on a desktop and on a phone. What others have written into
// payloads, answers and addresses is shown and never runs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeApp, makeEndpoint, Receiver, secretOf, sendMessage, startHooks, VERIFIERS } from '../lib/receivers.mjs';
import { HOUR, makeUser, unique } from '../lib/seed.mjs';
import { until } from '../lib/wait.mjs';
import { shot, startBrowser, visitor, WIDTHS } from './lib.mjs';

let server;
let browser;
let receiver;
/** By path: what the receiver answers there; 204 otherwise. */
const answers = new Map();

before(async () => {
    server = await startHooks();
    receiver = await Receiver.start((delivery, res) => {
        const answer = answers.get(delivery.url) ?? { status: 204 };
        res.writeHead(answer.status, answer.headers ?? {}).end(answer.body ?? '');
    });
    browser = await startBrowser();
    for (const [name, description] of [
        ['invoice.paid', 'An invoice was paid in full'],
        ['invoice.voided', 'An invoice was withdrawn'],
        ['customer.created', 'Somebody signed up'],
    ]) await server.admin.post('/api/v1/event-type', { name, description });
});

after(async () => {
    await browser?.close();
    receiver?.stop();
    await server?.stop();
});

async function linkTo(app, body = {}) {
    const answer = await server.admin.post(`/api/v1/auth/app-portal-access/${app.id}`, body);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
}

/** A visitor with the link of a new application open. */
async function customer(width, { name = 'Northwind Books', ...link } = {}) {
    const app = await makeApp(server, { name, metadata: {} });
    const who = await visitor(browser, server, width);
    const { url, token } = await linkTo(app, link);
    await who.page.goto(url);
    await who.page.getByRole('heading', { name: 'Endpoints' }).waitFor();
    return { ...who, app, token };
}

const tab = ({ page }, name) => page.getByRole('navigation', { name: 'Portal' }).getByRole('link', { name, exact: true }).click();

for (const width of WIDTHS) {
    test(`a customer makes an endpoint, sees what is sent, and sends it again, at ${width} px`, async () => {
        const who = await customer(width);
        const { page, app } = who;
        assert.equal(new URL(page.url()).hash, '', 'the token leaves the address');
        await page.getByText('No endpoint yet').waitFor();
        await shot(who, 'portal-1-empty');

        await page.getByRole('link', { name: 'New endpoint' }).click();
        await page.getByLabel('Address (URL)').fill('nowhere');
        await page.getByRole('button', { name: 'Create endpoint' }).click();
        await page.getByText('must be http:// or https://').waitFor();
        const path = `/books-${unique()}`;
        await page.getByLabel('Address (URL)').fill(`${receiver.url}${path}`);
        await page.getByLabel('Description').fill('Bookkeeping');
        await page.getByLabel('Only these').check();
        await page.getByLabel('invoice.*', { exact: true }).check();
        await page.getByRole('button', { name: 'Add a header' }).click();
        await page.getByLabel('Name of header 1').fill('X-Tenant');
        await page.getByLabel('Value of header 1').fill('northwind');
        await shot(who, 'portal-2-form');
        await page.getByRole('button', { name: 'Create endpoint' }).click();
        await page.getByRole('heading', { name: `${receiver.url}${path}` }).waitFor();
        const [endpoint] = (await server.admin.get(`/api/v1/app/${app.id}/endpoint`)).json.data;
        assert.deepEqual(endpoint.eventTypes, ['invoice.*']);

        answers.set(path, { status: 500, headers: { 'content-type': 'application/json' }, body: '{"error":"database is locked"}' });
        const message = await sendMessage(server, app, { invoice: 1 }, { eventType: 'invoice.paid', eventId: `inv-${width}` });
        await sendMessage(server, app, { nobody: 'wants it' }, { eventType: 'customer.created' });
        const list = page.getByRole('region', { name: 'Recent messages' });
        await list.getByText('1 attempt').waitFor(); /* by itself: the page asks again */
        await list.getByRole('link', { name: /invoice\.paid/ }).click();
        const where = page.getByRole('region', { name: 'Endpoints' });
        await where.getByText(/Next attempt in/).waitFor();
        const attempts = page.getByTestId('attempts');
        await attempts.locator('summary').first().click();
        await attempts.getByText('"error": "database is locked"').waitFor();
        await attempts.getByText('webhook-signature', { exact: true }).waitFor();
        const delivery = await receiver.delivery(({ url }) => url === path);
        await attempts.getByText(delivery.headers['webhook-signature']).first().waitFor();
        await attempts.getByText('northwind').waitFor();
        assert.match(await attempts.locator('.timing svg').first().getAttribute('aria-label'), /Queued .*First byte .*Body/);
        await shot(who, 'portal-3-message');

        answers.set(path, { status: 200, body: 'ok' });
        await page.getByRole('button', { name: /Send again to/ }).click();
        await where.getByText('Delivered').waitFor();
        await until(async () => (await attempts.locator('> li').count()) === 2, { what: 'the second attempt to be shown' });
        assert.ok(receiver.deliveries.filter(({ url }) => url === path).every(({ id }) => id === message.id));
        await shot(who, 'portal-4-resent');

        await tab(who, 'Messages');
        await page.getByText(`inv-${width}`).waitFor();
        await page.getByText('customer.created').first().waitFor({ state: 'attached' });
        await shot(who, 'portal-5-messages');
        await who.close();
    });

    test(`health, test, secret and rotation at ${width} px`, async () => {
        const who = await customer(width);
        const { page, app } = who;
        const path = `/shop-${unique()}`;
        const endpoint = await makeEndpoint(server, app, `${receiver.url}${path}`);
        for (let i = 0; i < 30; i++) await sendMessage(server, app, { i }, { eventType: i % 3 ? 'invoice.paid' : 'customer.created' });
        await until(async () => (await server.admin.get(`/api/v1/app/${app.id}/endpoint/${endpoint.id}/stats`)).json.success === 30, { what: '30 deliveries' });
        await page.getByRole('link', { name: /\/shop-/ }).click();
        const health = page.getByRole('region', { name: 'Health' });
        await health.locator('[data-health=success]', { hasText: /^30$/ }).waitFor();
        assert.match(await health.locator('[data-health=p50]').textContent(), /ms|s/);
        assert.match(await health.getByRole('img', { name: /^Latency from/ }).getAttribute('aria-label'), /p99/);

        const test_ = page.getByRole('region', { name: 'Send a test' });
        await test_.getByLabel('Event type').selectOption('customer.created');
        await test_.getByRole('button', { name: 'Send example' }).click();
        await test_.getByRole('link', { name: 'see what became of it' }).waitFor();
        await receiver.delivery(({ url, body }) => url === path && body.includes('"example":true'));

        const secret = page.getByRole('region', { name: 'Signing secret' });
        const old = await secretOf(server, app, endpoint);
        assert.equal(await secret.getByTestId('secret').count(), 0, 'not shown unasked');
        await secret.getByRole('button', { name: 'Reveal' }).click();
        await secret.getByTestId('secret').getByText(old).waitFor();
        await shot(who, 'portal-6-endpoint');
        await secret.getByRole('button', { name: 'Rotate…' }).click();
        await secret.getByRole('button', { name: 'Make a new secret' }).click();
        await secret.getByText('There is a new secret').waitFor();
        const fresh = await secretOf(server, app, endpoint);
        assert.notEqual(fresh, old);
        await secret.getByTestId('secret').getByText(fresh).waitFor();
        await sendMessage(server, app, { rotated: true });
        const both = await receiver.delivery(({ url, body }) => url === path && body.includes('rotated'));
        VERIFIERS.standardwebhooks(both, old);
        VERIFIERS.standardwebhooks(both, fresh);
        await who.close();
    });

    test(`a disabled endpoint, its dead letters, and sending one again at ${width} px`, async () => {
        const who = await customer(width);
        const { page, app } = who;
        const path = `/gone-${unique()}`;
        const endpoint = await makeEndpoint(server, app, `${receiver.url}${path}`);
        answers.set(path, { status: 410, body: 'gone' });
        await sendMessage(server, app, { n: 1 }, { eventType: 'invoice.paid' });
        await page.getByRole('link', { name: /\/gone-/ }).click();
        await page.getByText('This endpoint is disabled: it answered 410 Gone.').waitFor();
        await shot(who, 'portal-7-disabled');
        answers.set(path, { status: 200 });
        await page.getByRole('button', { name: 'Enable it' }).click();
        await page.getByText('Active').waitFor();
        await tab(who, 'Dead letters');
        await page.getByRole('button', { name: /^Replay invoice\.paid/ }).waitFor();
        await page.getByLabel('Endpoint').selectOption(endpoint.id);
        await shot(who, 'portal-8-dead');
        await page.getByRole('button', { name: /^Replay invoice\.paid/ }).click();
        await page.getByText('No dead letters').waitFor();
        await receiver.delivery(({ url }) => url === path);
        await who.close();
    });

    test(`all dead letters again: preview, progress and cancelling at ${width} px`, async () => {
        const who = await customer(width);
        const { page, app } = who;
        const path = `/many-${unique()}`;
        const endpoint = await makeEndpoint(server, app, `${receiver.url}${path}`, { disabled: false });
        const one = `/api/v1/app/${app.id}/endpoint/${endpoint.id}`;
        const die = async (count) => {
            answers.set(path, { status: 500 });
            for (let i = 0; i < count; i++) await sendMessage(server, app, { i }, { eventType: i % 2 ? 'invoice.paid' : 'customer.created' });
            await server.admin.patch(one, { disabled: true }); /* what waits is given up */
            await until(async () => (await server.admin.get(`${one}/stats`)).json.fail === count, { what: `${count} dead letters` });
            answers.set(path, { status: 200 });
            await server.admin.patch(one, { disabled: false });
        };
        await die(8);
        const earlier = receiver.deliveries.length;
        await tab(who, 'Dead letters');
        await page.getByLabel('Event type').selectOption('invoice.paid');
        await until(async () => (await page.getByRole('button', { name: /^Replay (invoice|customer)/ }).count()) === 4, { what: 'the filtered list' });
        await page.getByRole('button', { name: 'Replay all…' }).click();
        await page.getByTestId('preview').getByText('4 messages are sent again').waitFor();
        await shot(who, 'portal-a-preview');
        await page.getByRole('button', { name: 'Not now' }).click();
        assert.equal(receiver.deliveries.slice(earlier).filter(({ url }) => url === path).length, 0, 'a preview sends nothing');
        await page.getByLabel('Event type').selectOption('');
        await page.getByRole('button', { name: /^Replay customer/ }).first().waitFor();
        await page.getByRole('button', { name: 'Replay all…' }).click();
        await page.getByRole('button', { name: 'Replay 8', exact: true }).click();
        await page.locator('[data-testid=progress][data-state=done]').waitFor();
        await page.getByText('8 of 8').waitFor();
        await shot(who, 'portal-b-replayed');
        await page.getByRole('button', { name: 'Close' }).click();
        await page.getByText('No dead letters').waitFor();
        assert.equal(new Set(receiver.deliveries.slice(earlier).filter(({ url }) => url === path).map(({ id }) => id)).size, 8);

        /* One a second at most, so that it can be cancelled; the page finds it again after a reload. */
        await die(20);
        await server.admin.patch(one, { throttleRate: 1 });
        await page.getByRole('button', { name: /^Replay customer/ }).first().waitFor();
        await page.getByRole('button', { name: 'Replay all…' }).click();
        await page.getByRole('button', { name: 'Replay 20', exact: true }).click();
        await page.getByText('Replay is running').waitFor();
        await page.reload();
        await page.getByText('Replay is running').waitFor();
        await shot(who, 'portal-c-running');
        await page.getByRole('button', { name: 'Cancel the replay' }).click();
        await page.locator('[data-testid=progress][data-state=cancelled]').waitFor();
        await who.close();
    });
}

test('what others have written never runs, and no address becomes a link', async () => {
    const who = await customer(1280);
    const { page, app } = who;
    const evil = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>';
    const path = `/evil-${unique()}`;
    answers.set(path, { status: 400, headers: { 'content-type': 'text/html', 'x-evil': evil }, body: `${evil}</pre>${evil}` });
    const endpoint = await makeEndpoint(server, app, `${receiver.url}${path}`, { description: evil, headers: { 'x-mine': evil } });
    const message = await sendMessage(server, app, { [evil]: evil, html: '</script><script>window.pwned=1</script>' }, { eventType: 'a.b', eventId: evil });
    for (const bad of ['javascript:window.pwned=1', 'data:text/html,x', ' javascript:alert(1)', 'http://a/\n<script>']) {
        const answer = await server.admin.post(`/api/v1/app/${app.id}/endpoint`, { url: bad });
        assert.equal(answer.status, 422, bad);
    }
    await page.reload();
    await page.getByText(evil).first().waitFor();
    await page.getByRole('link', { name: /\/evil-/ }).click();
    await page.getByRole('region', { name: 'Recent messages' }).getByText('1 attempt').waitFor();
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.getByRole('heading', { name: 'Edit endpoint' }).waitFor();
    assert.equal(await page.getByLabel('Value of header 1').inputValue(), evil);
    await page.goto(`/hooks/portal/messages/${message.id}`);
    await page.getByTestId('attempts').locator('summary').first().click();
    await page.getByTestId('attempts').getByText('x-evil', { exact: true }).waitFor();
    await page.getByTestId('attempts').getByText('x-mine', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Raw' }).first().click();
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.locator('main img, main script, main iframe').count(), 0);
    const links = await page.locator('a[href]').evaluateAll((found) => found.map(({ href }) => new URL(href)));
    for (const { protocol, origin } of links) assert.deepEqual([protocol, origin], ['http:', new URL(server.url).origin]);
    await page.goto(`/hooks/portal/endpoints/${encodeURIComponent(endpoint.id)}`);
    await page.getByRole('heading', { name: new RegExp(path) }).waitFor();
    assert.equal(await page.evaluate(() => window.pwned), undefined);

    /* The policy would stop what slipped through; that it is there is tried with a script of our own. */
    const violations = await page.evaluate(() => new Promise((resolve) => {
        document.addEventListener('securitypolicyviolation', ({ violatedDirective }) => resolve(violatedDirective));
        const script = document.createElement('script');
        script.textContent = 'window.pwned = 1';
        document.body.append(script);
    }));
    assert.match(violations, /script-src|default-src/);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    await who.context.close(); /* close() would count that violation */
});

test('numbers of a payload keep their digits', async () => {
    const who = await customer(1280);
    const { page, app } = who;
    await makeEndpoint(server, app, `${receiver.url}/digits`);
    const raw = '{"big": 12345678901234567890123, "price":12.50,"text":"\\"payload\\": {}"}';
    const answer = await server.admin.post(`/api/v1/app/${app.id}/msg`, `{"eventType":"a","payload":${raw}}`);
    await page.goto(`/hooks/portal/messages/${answer.json.id}`);
    await page.getByText('"big": 12345678901234567890123,').first().waitFor();
    await page.getByText('"price": 12.50').first().waitFor();
    await page.getByRole('button', { name: 'Raw' }).first().click();
    assert.equal(await page.locator('pre').first().textContent(), raw);
    await who.close();
});

test('a link that has ended says so, wherever that is noticed', async () => {
    for (const end of ['expire', 'leave', 'time']) {
        const who = await customer(end === 'time' ? 390 : 1280, { expiry: 3600 });
        const { page, app } = who;
        await makeEndpoint(server, app, `${receiver.url}/x`);
        await page.getByRole('link', { name: /\/x/ }).waitFor();
        if (end === 'expire') {
            assert.equal((await server.admin.post(`/api/v1/auth/app/${app.id}/expire-all`, {})).status, 204);
            await page.getByRole('link', { name: /\/x/ }).click();
        } else if (end === 'time') await server.advance(2 * HOUR);
        else await page.getByRole('button', { name: 'End this link' }).click();
        await page.getByTestId('no-link').waitFor();
        await shot(who, `portal-9-ended-${end}`);
        await page.reload();
        await page.getByTestId('no-link').waitFor();
        assert.equal((await server.as(who.token).get(`/api/v1/app/${app.id}`)).status, 401);
        assert.equal(await page.evaluate(() => Object.keys(sessionStorage).filter((name) => name.includes('key')).length), 0);
        await who.close();
    }
    const nobody = await visitor(browser, server, 390);
    await nobody.page.goto('/hooks/portal#key=por_nonsense');
    await nobody.page.getByTestId('no-link').waitFor();
    await nobody.close();
});

test('a link that may only look is told what it may not', async () => {
    const who = await customer(1280, { readOnly: true });
    const { page, app } = who;
    await makeEndpoint(server, app, `${receiver.url}/look`);
    await page.getByRole('link', { name: /\/look/ }).click();
    await page.getByRole('button', { name: 'Reveal' }).click();
    await page.getByRole('alert').getByText(/not allowed/i).waitFor();
    await who.close();
});

test('an organizer opens the portal of an application', async () => {
    const organizer = await makeUser(server, { roles: ['organizer'] });
    const app = (await organizer.post('/api/v1/app', { name: 'Fourth Coffee' })).json;
    const who = await visitor(browser, server, 1280);
    const { page } = who;
    await page.goto('/login?next=/organizer/webhooks');
    await page.getByLabel('Email').fill(organizer.email);
    await page.getByLabel('Password').fill('correct horse battery');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('button', { name: 'Open the portal of Fourth Coffee' }).waitFor();
    await shot(who, 'portal-organizer');
    await page.getByRole('button', { name: 'Open the portal of Fourth Coffee' }).click();
    await page.getByRole('heading', { name: 'Endpoints' }).waitFor();
    await page.getByText('Fourth Coffee').waitFor();
    await page.getByText('No endpoint yet').waitFor();
    assert.ok(!page.url().includes('key='));
    assert.ok(app.id);
    await who.close();
});

test('what fails is said, and the page comes back by itself; older messages come on demand', async () => {
    const who = await customer(390);
    const { page, app } = who;
    await makeEndpoint(server, app, `${receiver.url}/back`);
    for (let i = 0; i < 30; i++) await sendMessage(server, app, { i }, { eventId: `event-${String(i).padStart(2, '0')}` });
    await tab(who, 'Messages');
    await page.getByText('event-29').waitFor();
    assert.equal(await page.getByText('event-04').count(), 0);
    await page.getByRole('button', { name: 'Older messages' }).click();
    await page.getByText('event-04').waitFor();
    await page.getByText('event-00').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Older messages' }).count(), 0);

    await page.route('**/api/v1/**', (route) => route.abort());
    await page.getByText('No connection').first().waitFor();
    await page.getByText('event-29').waitFor(); /* what was there stays */
    await shot(who, 'portal-d-offline');
    await sendMessage(server, app, { i: 30 }, { eventId: 'event-30' });
    await page.unroute('**/api/v1/**');
    await page.getByText('event-30').waitFor();
    await page.getByText('No connection').waitFor({ state: 'detached' });

    await page.goto('/hooks/portal/messages/msg_nothing');
    await page.getByRole('heading', { name: 'No such message' }).waitFor();
    await page.goto('/hooks/portal/endpoints/ep_nothing');
    await page.getByRole('heading', { name: 'No such endpoint' }).waitFor();
    await page.goto('/hooks/portal/nowhere');
    await page.getByRole('heading', { name: 'No such page' }).waitFor();
    await who.close();
});

test('by keyboard alone: to an endpoint, its secret, and an attempt', async () => {
    const who = await customer(1280);
    const { page, app } = who;
    await makeEndpoint(server, app, `${receiver.url}/keys`);
    await page.getByRole('link', { name: /\/keys/ }).waitFor();
    const tabTo = async (target) => {
        for (let i = 0; i < 40; i++) {
            await page.keyboard.press('Tab');
            if (await target.evaluate((element) => element === document.activeElement)) return;
        }
        assert.fail(`the focus does not reach ${target}`);
    };
    await tabTo(page.getByRole('link', { name: /\/keys/ }));
    await page.keyboard.press('Enter');
    const reveal = page.getByRole('button', { name: 'Reveal' });
    await reveal.waitFor();
    await tabTo(reveal);
    await page.keyboard.press('Enter');
    await page.getByTestId('secret').waitFor();
    const { id } = await sendMessage(server, app);
    await page.getByRole('region', { name: 'Recent messages' }).getByText('1 attempt').waitFor();
    await tabTo(page.getByRole('region', { name: 'Recent messages' }).getByRole('link').first());
    await page.keyboard.press('Enter');
    await page.waitForURL(new RegExp(`/messages/${id}`));
    await page.getByTestId('attempts').locator('summary').first().waitFor();
    await tabTo(page.getByTestId('attempts').locator('summary').first());
    await page.keyboard.press('Enter');
    await page.getByText('Request headers').waitFor();
    await who.close();
});
