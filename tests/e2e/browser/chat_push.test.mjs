// The service worker of chat in a real browser: a push is shown, the next of a chat takes its place, what was read elsewhere goes, and who looks
// at the chat is not disturbed. The browser is told of pushes by its debugger: no push service is asked.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Foyer } from '../lib/server.mjs';
import { makeUser } from '../lib/seed.mjs';
import { until } from '../lib/wait.mjs';
import { startBrowser, visitor, WIDTHS } from './lib.mjs';

let server;
let browser;
before(async () => {
    server = await Foyer.start({ args: ['--services=tickets,chat', '--abuse=off'] });
    browser = await startBrowser();
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

const CHAT = 'cht_0000000000001';
const said = (more = {}) => JSON.stringify({ t: 'message', chat_id: CHAT, message_id: 'msg_1', seq: 1, type: 'text', sender_id: 'usr_1', sender: 'Ada', title: null,
    body: 'Gate 4?', unread: 1, badge: 1, created_at: '2027-03-01T18:30:00.000Z', ...more });

test('the worker is served as it must be', async () => {
    const answer = await server.anonymous.get('/chat-sw.js');
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'], /^text\/javascript/);
    assert.equal(answer.headers['cache-control'], 'no-cache');
    assert.match(answer.headers['content-security-policy'], /default-src 'self'/);
});

test('pushes are shown, replaced and taken back', async () => {
    await makeUser(server);
    const { page, context } = await visitor(browser, server, WIDTHS[0]);
    await context.grantPermissions(['notifications'], { origin: server.url });
    const cdp = await context.newCDPSession(page);
    let registration;
    cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
        registration = registrations.find(({ scopeURL, isDeleted }) => !isDeleted && scopeURL.endsWith('/chat')) ?? registration;
    });
    await cdp.send('ServiceWorker.enable');
    await page.goto('/login');
    await page.evaluate(async () => {
        const { installing, waiting, active } = await navigator.serviceWorker.register('/chat-sw.js', { scope: '/chat' });
        const worker = installing ?? waiting ?? active;
        if (worker.state !== 'activated')
            await new Promise((resolve) => worker.addEventListener('statechange', () => worker.state === 'activated' && resolve()));
    });
    await until(() => registration, { what: 'the registration' });
    const shown = () => page.evaluate(async () => {
        const found = await navigator.serviceWorker.getRegistration('/chat');
        return (await found.getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, url: data?.url }));
    });
    /* Chromium may drop what its debugger delivers while a worker stops: each is said again until it is shown, which changes nothing else. */
    const pushed = async (data, isThere, what) => {
        let next = 0;
        await until(async () => {
            if (Date.now() >= next) {
                await cdp.send('ServiceWorker.deliverPushMessage', { origin: server.url, registrationId: registration.registrationId, data });
                next = Date.now() + 5000;
            }
            return isThere(await shown());
        }, { what });
    };
    const are = (wanted) => (found) => JSON.stringify(found) === JSON.stringify(wanted);

    await pushed(said(), are([{ title: 'Ada', body: 'Gate 4?', tag: CHAT, url: `/chat/${CHAT}` }]), 'the notification');
    await pushed(said({ body: null, unread: 3 }), are([{ title: 'Ada', body: '3 new messages', tag: CHAT, url: `/chat/${CHAT}` }]), 'the next in its place');
    await pushed(said({ chat_id: 'cht_0000000000002', title: 'Row 1' }), (found) => found.length === 2, 'another chat beside it');
    const left = [{ title: 'Row 1', body: 'Ada: Gate 4?', tag: 'cht_0000000000002', url: '/chat/cht_0000000000002' }];
    await pushed(JSON.stringify({ t: 'clear', chat_id: CHAT, badge: 0 }), are(left), 'it to be taken back');
    await pushed('something of a later version', (found) => found.some(({ tag }) => tag === 'news'), 'something all the same');
    await context.close();
});
