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
    const push = (data) => cdp.send('ServiceWorker.deliverPushMessage', { origin: server.url, registrationId: registration.registrationId, data });
    const shown = () => page.evaluate(async () => {
        const found = await navigator.serviceWorker.getRegistration('/chat');
        return (await found.getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, url: data?.url }));
    });
    const become = (wanted, what) => until(async () => JSON.stringify(await shown()) === JSON.stringify(wanted), { what, timeout: 20000 });

    await push(said());
    await become([{ title: 'Ada', body: 'Gate 4?', tag: CHAT, url: `/chat/${CHAT}` }], 'the notification');
    await push(said({ body: null, unread: 3 }));
    await become([{ title: 'Ada', body: '3 new messages', tag: CHAT, url: `/chat/${CHAT}` }], 'the next in its place');
    await push(said({ chat_id: 'cht_0000000000002', title: 'Row 1' }));
    await until(async () => (await shown()).length === 2, { what: 'another chat beside it' });
    await push(JSON.stringify({ t: 'clear', chat_id: CHAT, badge: 0 }));
    await become([{ title: 'Row 1', body: 'Ada: Gate 4?', tag: 'cht_0000000000002', url: '/chat/cht_0000000000002' }], 'it to be taken back');
    await push('something of a later version');
    await until(async () => (await shown()).some(({ tag }) => tag === 'news'), { what: 'something all the same' });
    await context.close();
});
