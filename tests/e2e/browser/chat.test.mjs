// The chat page on a desktop and on a phone: two people, and a second device of one. What others write is shown and never runs, and
// what is written without a connection arrives once when it is back.
import assert from 'node:assert/strict';
import { createECDH, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Foyer, tempDir } from '../lib/server.mjs';
import { crc32, deflateSync } from '../lib/png.mjs';
import { DAY, makeUser, PASSWORD, unique } from '../lib/seed.mjs';
import { until } from '../lib/wait.mjs';
import { Wire } from '../lib/wire.mjs';
import { shot, startBrowser, visitor, WIDTHS } from './lib.mjs';

const [DESK, PHONE] = WIDTHS;

let server;
let browser;
let bystander;

before(async () => {
    server = await Foyer.start({ args: ['--services=tickets,chat', '--abuse=off'] });
    browser = await startBrowser();
    bystander = await makeUser(server, { name: 'Mo Bystander' });
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

const people = (...names) => Promise.all(names.map((name) => makeUser(server, { name })));
const ok = (answer) => {
    assert.ok(answer.status < 300, answer.text);
    return answer.json;
};
const direct = async (a, b) => ok(await a.post('/v1/chats', { type: 'direct', user_id: b.user.id }));
const group = async (owner, others, title) =>
    ok(await owner.post('/v1/chats', { type: 'group', title, member_ids: others.map(({ user }) => user.id) }));
const say = async (who, chat, body, more = {}) => ok(await who.post(`/v1/chats/${chat.id}/messages`, { client_id: unique(), body, ...more }));
const logOf = async (who, chat) => ok(await who.get(`/v1/chats/${chat.id}/messages?after=0&limit=200`)).data;

/* A browser in which the person is logged in, at a page of the chat. `wire`: what lies between the two. */
async function device(person, width, { path = '/chat', wire } = {}) {
    const who = await visitor(browser, wire ?? server, width);
    const login = await who.context.request.post('/v1/sessions', { data: { email: person.email, password: PASSWORD, cookie: true } });
    assert.equal(login.status(), 201);
    who.page.on('dialog', (dialog) => {
        who.dialogs = [...(who.dialogs ?? []), dialog.message()];
        return dialog.dismiss();
    });
    await who.page.goto(path);
    return Object.assign(who, { person });
}

const row = ({ page }, name) => page.getByRole('list', { name: 'Conversations' }).getByRole('link', { name });
const box = ({ page }) => page.getByRole('textbox', { name: 'Message' });
const bubbles = ({ page }) => page.locator('article.chat-message');
const bubble = (who, text) => bubbles(who).filter({ hasText: text });
const opened = async (who, title) => {
    await who.page.getByRole('heading', { level: 1, name: title }).waitFor();
    await box(who).waitFor();
};
async function write(who, text) {
    await box(who).fill(text);
    await who.page.getByRole('button', { name: 'Send', exact: true }).click();
}
/* Opens what can be done with a message. */
async function act(who, text, name) {
    const one = bubble(who, text).last();
    await one.hover();
    await one.getByRole('button', { name: /^Actions/ }).click();
    const actions = who.page.getByRole('group', { name: 'Message actions' });
    if (name) await actions.getByRole('button', { name, exact: true }).click();
    return actions;
}
const marked = (who, text, mark) => bubble(who, text).last().locator(`[data-mark="${mark}"]`).waitFor();
/* Texts of the messages that are shown, in order. */
const texts = ({ page }) => page.locator('article.chat-message .chat-text').allTextContents();
const details = async (who) => {
    const panel = who.page.getByRole('region', { name: 'Details' });
    if (!(await panel.isVisible())) await who.page.getByRole('button', { name: 'Details', exact: true }).click();
    await panel.waitFor();
    return panel;
};

async function readAll(stream) {
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks);
}

/* A picture of stripes, as a file. */
function png(width, height) {
    const chunk = (type, data) => {
        const body = Buffer.concat([Buffer.from(type), data]);
        const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
        size.writeUInt32BE(data.length);
        sum.writeUInt32BE(crc32(body));
        return Buffer.concat([size, body, sum]);
    };
    const head = Buffer.alloc(13);
    head.writeUInt32BE(width, 0);
    head.writeUInt32BE(height, 4);
    head.set([8, 2, 0, 0, 0], 8);
    const row = (y) => Buffer.from([0, ...Array.from({ length: width }, (_, x) => [168, (x + y) % 120, 62 + (y % 90)]).flat()]);
    const pixels = deflateSync(Buffer.concat(Array.from({ length: height }, (_, y) => row(y))));
    return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

for (const width of WIDTHS) {
    describe(`at ${width} px`, () => {
        test('two people talk, and a second device of one sees the same', async () => {
            const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
            const a = await device(ada, width, { path: '/' });
            const second = await device(ada, width === DESK ? PHONE : DESK);
            const b = await device(bob, DESK);
            await b.page.getByText('No conversations yet.').waitFor();
            await second.page.getByText('No conversations yet.').waitFor();

            await a.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Chat' }).click();
            await a.page.getByRole('button', { name: 'New conversation' }).click();
            const find = a.page.getByLabel('Email address');
            await find.fill(`nobody-${unique()}@example.com`);
            await a.page.getByRole('button', { name: 'Start' }).click();
            await a.page.getByText(/Nobody here has the address/).waitFor();
            await find.fill(bob.email.toUpperCase());
            await shot(a, 'chat-1-new');
            await a.page.getByRole('button', { name: 'Start' }).click();
            await opened(a, 'Bob Marsh');

            await write(a, 'Shall we meet at gate 4?');
            await row(b, /Ada Lovelace/).getByText('Shall we meet at gate 4?').waitFor();
            assert.equal(await row(b, /Ada Lovelace/).getAttribute('data-unread'), '1');
            await marked(a, 'gate 4', 'delivered');
            await row(second, /Bob Marsh/).click();
            await bubble(second, 'gate 4').waitFor();
            await shot(b, 'chat-2-unread');

            await row(b, /Ada Lovelace/).click();
            await bubble(b, 'gate 4').waitFor();
            await marked(a, 'gate 4', 'read');
            await marked(second, 'gate 4', 'read');
            await until(async () => (await row(b, /Ada Lovelace/).getAttribute('data-unread')) === '0', { what: 'nothing unread' });

            await act(b, 'gate 4', 'Reply');
            await write(b, 'By the ticket desk, at six');
            const answer = bubble(a, 'By the ticket desk');
            await answer.locator('.chat-quote', { hasText: 'Shall we meet at gate 4?' }).waitFor();

            await act(b, 'By the ticket desk', 'Edit');
            await until(async () => (await box(b).inputValue()) === 'By the ticket desk, at six', { what: 'the text to change' });
            await box(b).fill('By the ticket desk, at half past six');
            await b.page.getByRole('button', { name: 'Save the change' }).click();
            for (const who of [a, second, b]) await bubble(who, 'half past six').getByText('edited').waitFor();

            await act(a, 'half past six', 'React with 👍');
            for (const who of [b, second]) await bubble(who, 'half past six').getByRole('button', { name: '👍, 1' }).waitFor();
            await bubble(a, 'half past six').locator('.chat-reaction[aria-pressed=true]').waitFor();
            await bubble(b, 'half past six').getByRole('button', { name: '👍, 1' }).click();
            await bubble(a, 'half past six').getByRole('button', { name: '👍, 2, yours too' }).click();
            await bubble(b, 'half past six').getByRole('button', { name: '👍, 1, yours too' }).waitFor();
            await shot(a, 'chat-3-talk');

            await write(b, 'Oh, wrong chat, sorry!');
            await bubble(a, 'wrong chat').waitFor();
            const confirm = await act(b, 'wrong chat', 'Delete');
            await confirm.getByRole('button', { name: 'Delete for all' }).click();
            for (const who of [a, second, b]) {
                await bubble(who, 'This message was deleted.').waitFor();
                assert.equal(await bubble(who, 'wrong chat').count(), 0);
            }

            await a.page.reload();
            await opened(a, 'Bob Marsh');
            await bubble(a, 'This message was deleted.').waitFor();
            assert.deepEqual(await texts(a), await texts(b));
            assert.deepEqual(await texts(second), await texts(b));
            await write(a, 'See you');
            await marked(a, 'See you', 'read');
            await bubble(second, 'See you').waitFor();

            for (const who of [a, b, second]) await who.close();
        });

        test('who is there and who is typing is shown, and ends', async () => {
            const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
            const chat = await direct(ada, bob);
            const a = await device(ada, width, { path: `/chat/${chat.id}` });
            await opened(a, 'Bob Marsh');
            const b = await device(bob, DESK, { path: `/chat/${chat.id}` });
            const presence = a.page.getByTestId('presence');
            await presence.getByText('Online').waitFor();
            const typing = a.page.getByTestId('typing');
            await box(b).pressSequentially('On my w');
            await typing.getByText('Bob Marsh is typing…').waitFor();
            await shot(a, 'chat-9-typing');
            await write(b, 'On my way');
            await bubble(a, 'On my way').waitFor();
            await until(async () => (await typing.textContent()) === '', { what: 'nobody to be typing' });
            await b.close();
            await presence.getByText(/^Last seen/).waitFor();
            await a.close();
        });

        test('pictures and files are sent, and a cut upload goes on where it was', async () => {
            const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
            const chat = await direct(ada, bob);
            await say(bob, chat, 'Send me the banner');
            const wire = await Wire.to(server.url);
            const a = await device(ada, width, { path: `/chat/${chat.id}`, wire });
            const b = await device(bob, DESK, { path: `/chat/${chat.id}` });
            await opened(a, 'Bob Marsh');
            const files = a.page.getByTestId('files');
            await files.waitFor({ state: 'attached' });
            await files.setInputFiles([
                { name: 'banner \u202egnp.png', mimeType: 'image/png', buffer: png(480, 300) },
                { name: 'empty.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) },
            ]);
            await a.page.getByText('“empty.txt” is empty.').waitFor();
            const picture = bubbles(b).locator('.chat-picture img');
            await picture.waitFor();
            await until(() => picture.evaluate(({ complete, naturalWidth }) => complete && naturalWidth), { what: 'the picture' });
            assert.equal(await picture.getAttribute('alt'), 'banner gnp.png');
            assert.match(await picture.getAttribute('src'), /size=thumb$/);
            await marked(a, '', 'read');

            /* Three pieces; the line breaks within the second. */
            const bytes = randomBytes(9 << 20);
            const file = path.join(tempDir(), 'seats.bin');
            await writeFile(file, bytes);
            const asked = [];
            a.page.on('request', (request) => /\/v1\/media/.test(request.url()) && asked.push(request.method()));
            wire.cutAfter(6 << 20);
            await files.setInputFiles(file);
            const upload = a.page.locator('[data-upload]', { hasText: 'seats.bin' });
            await until(() => asked.filter((method) => method === 'PATCH').length >= 2, { what: 'the second piece' });
            await a.page.getByText(/No connection/).waitFor();
            assert.ok((await upload.locator('progress').evaluate(({ value }) => value)) >= 4 << 20);
            await shot(a, 'chat-10-upload');
            wire.mend();
            await bubble(b, 'seats.bin').waitFor();
            assert.equal(asked.filter((method) => method === 'POST').length, 1);
            assert.ok(asked.includes('HEAD'), 'it asked how far it was');
            const download = b.page.waitForEvent('download');
            await bubble(b, 'seats.bin').getByRole('link').click();
            assert.deepEqual(await readAll(await (await download).createReadStream()), bytes);

            /* The same over a reload: the file has to be chosen again, and goes on. */
            const second = path.join(tempDir(), 'plan.bin');
            await writeFile(second, randomBytes(9 << 20));
            wire.cutAfter(6 << 20);
            await files.setInputFiles(second);
            await a.page.getByText(/No connection/).waitFor();
            wire.mend();
            await a.page.reload();
            await opened(a, 'Bob Marsh');
            await files.waitFor({ state: 'attached' });
            asked.length = 0;
            await files.setInputFiles(second);
            await bubble(b, 'plan.bin').waitFor();
            assert.deepEqual(asked.filter((method) => method === 'POST'), []);
            const media = (await logOf(bob, chat)).filter(({ type }) => type === 'media');
            assert.deepEqual(media.map((message) => message.media.name), ['banner \u202egnp.png', 'seats.bin', 'plan.bin']);
            await shot(b, 'chat-11-files');
            for (const who of [a, b]) await who.close();
            wire.stop();
        });

        test('what was said is found, and shown where it was said', async () => {
            const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
            const chat = await direct(ada, bob);
            await say(bob, chat, 'The lantern is in the car');
            for (let i = 1; i <= 150; i++) await say(bob, chat, `Message ${i}.`);
            const other = await group([bob, ada][width === DESK ? 0 : 1], [[ada, bob][width === DESK ? 0 : 1]], 'Row 12');
            await say(ada, other, 'Which lantern?');
            const a = await device(ada, width);
            await a.page.getByRole('button', { name: 'Search messages' }).click();
            const search = a.page.getByRole('searchbox', { name: 'Search in your messages' });
            await search.fill('nothing has this');
            await a.page.getByText('Nothing has “nothing has this”.').waitFor();
            await search.fill('lantern');
            const hits = a.page.getByRole('region', { name: 'Search messages' }).getByRole('link');
            await until(async () => (await hits.count()) === 2, { what: 'both messages' });
            assert.match(await hits.first().textContent(), /Row 12.*Which lantern\?/);
            await shot(a, 'chat-12-search');
            await hits.last().click();
            await opened(a, 'Bob Marsh');
            const found = bubble(a, 'The lantern is in the car');
            await until(() => found.evaluate((element) => {
                const { top, bottom } = element.getBoundingClientRect();
                return element.classList.contains('is-found') && top > 0 && bottom < innerHeight;
            }), { what: 'the message to be in view' });
            await a.close();
        });

        test('a group is made, renamed and managed', async () => {
            const [ada, bob, cleo] = await people('Ada Lovelace', 'Bob Marsh', 'Cleo Ortega');
            const a = await device(ada, width);
            const b = await device(bob, DESK);
            await a.page.getByRole('button', { name: 'New conversation' }).click();
            await a.page.getByRole('button', { name: 'A group' }).click();
            await a.page.getByLabel('Title of the group').fill('Row 12');
            await a.page.getByLabel('Email address').fill(bob.email);
            await a.page.getByRole('button', { name: 'Add', exact: true }).click();
            await a.page.getByRole('list', { name: 'In the group' }).getByText('Bob Marsh').waitFor();
            await a.page.getByRole('button', { name: 'Make the group' }).click();
            await opened(a, 'Row 12');
            await a.page.locator('.chat-system', { hasText: 'You made the group “Row 12”' }).waitFor();

            await row(b, /Row 12/).click();
            await opened(b, 'Row 12');
            assert.equal(await (await details(b)).getByLabel('Title').count(), 0, 'a plain member renames nothing');
            let panel = await details(a);
            await panel.getByLabel('Title').fill('Row 12 and friends');
            await panel.getByRole('button', { name: 'Rename' }).click();
            await b.page.getByRole('heading', { level: 1, name: 'Row 12 and friends' }).waitFor();

            await panel.getByLabel('Email address').fill(cleo.email);
            await panel.getByRole('button', { name: 'Add', exact: true }).click();
            await panel.getByRole('list', { name: 'Members' }).getByText('Cleo Ortega').first().waitFor();
            await b.page.locator('.chat-system', { hasText: 'Ada Lovelace added Cleo Ortega' }).waitFor({ state: 'attached' });
            await panel.getByLabel('Role of Bob Marsh').selectOption('admin');
            await (await details(b)).getByLabel('Title').waitFor();
            await shot(a, 'chat-4-group');

            const members = (await details(b)).getByRole('list', { name: 'Members' });
            await members.getByRole('button', { name: 'Remove Cleo Ortega' }).click();
            await members.getByRole('button', { name: 'Remove', exact: true }).click();
            await panel.getByText('2 members').waitFor();
            assert.equal((await cleo.get('/v1/chats')).json.data.length, 0);

            const me = panel.getByRole('list', { name: 'Members' });
            await me.getByRole('button', { name: 'Remove Bob Marsh' }).click();
            await me.getByRole('button', { name: 'Remove', exact: true }).click();
            await b.page.waitForURL('**/chat');
            await b.page.getByText('No conversations yet.').waitFor();
            await panel.getByRole('button', { name: 'Leave the group' }).click();
            await panel.getByRole('button', { name: 'Leave', exact: true }).click();
            await a.page.waitForURL('**/chat');
            await a.page.getByText('No conversations yet.').waitFor();
            await a.close();
            await b.close();
        });

        test('what is written without a connection waits, and arrives once', async () => {
            const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
            const chat = await direct(ada, bob);
            await say(bob, chat, 'Hello');
            const wire = await Wire.to(server.url);
            const a = await device(ada, width, { path: `/chat/${chat.id}`, wire });
            const b = await device(bob, DESK, { path: `/chat/${chat.id}` });
            await bubble(a, 'Hello').waitFor();
            await bubble(b, 'Hello').waitFor();
            await write(a, 'before');
            await marked(a, 'before', 'read');

            wire.cut();
            const banner = a.page.getByText(/No connection\. What you write is kept/);
            await banner.waitFor();
            for (const text of ['first of the night', 'second of the night']) {
                await write(a, text);
                await marked(a, text, 'pending');
            }
            await say(bob, chat, 'while you were away');
            await shot(a, 'chat-5-offline');
            assert.equal((await logOf(bob, chat)).filter(({ body }) => /of the night/.test(body)).length, 0);
            wire.mend();
            await marked(a, 'second of the night', 'read');
            await banner.waitFor({ state: 'hidden' });
            await bubble(a, 'while you were away').waitFor();

            /* The server gets it, and its answer is lost: asked again, it says the same. */
            wire.deafen();
            await write(a, 'the answer gets lost');
            await bubble(b, 'the answer gets lost').waitFor();
            await marked(a, 'the answer gets lost', 'pending');
            wire.cut();
            await banner.waitFor();
            await write(a, 'through a reload');
            await marked(a, 'through a reload', 'pending');
            wire.mend();
            await a.page.reload();
            await opened(a, 'Bob Marsh');
            await marked(a, 'through a reload', 'read');

            const sent = ['Hello', 'before', 'while you were away', 'first of the night', 'second of the night', 'the answer gets lost', 'through a reload'];
            const log = (await logOf(bob, chat)).filter(({ type }) => type === 'text').map(({ body }) => body);
            assert.deepEqual(log, sent);
            await until(async () => (await texts(a)).length === sent.length, { what: 'all to be shown' });
            assert.deepEqual(await texts(a), sent);
            assert.deepEqual(await texts(b), sent);
            await a.close();
            await b.close();
            wire.stop();
        });

        test('older messages come by scrolling, and what is read stays where it is', async () => {
            const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
            const chat = await direct(ada, bob);
            for (let i = 1; i <= 90; i++) await say(bob, chat, `Message ${i}.`);
            await server.advance(DAY);
            for (let i = 91; i <= 180; i++) await say(bob, chat, `Message ${i}.`);
            const a = await device(ada, width, { path: `/chat/${chat.id}` });
            await bubble(a, 'Message 180.').waitFor();
            const list = a.page.locator('.chat-messages');
            const first = () => bubbles(a).first().getAttribute('data-seq').then(Number);
            await until(async () => (await list.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight)) < 2
                || (await a.page.locator('.chat-new').count()) > 0, { what: 'the end, or what is new' });
            for (;;) {
                const seq = await first();
                if (seq === 1) break;
                const watched = bubbles(a).first();
                const [id] = await Promise.all([watched.getAttribute('data-message')]);
                /* Moves to the top; where the same message is, once older ones stand above it, is where it was. */
                await list.evaluate((element) => (element.scrollTop = 30));
                const place = () => list.evaluate((element, message) => /* in the list: a banner above may move all of it */
                    element.querySelector(`[data-message="${message}"]`).getBoundingClientRect().top - element.getBoundingClientRect().top, id);
                const earlier = await place();
                await until(async () => (await first()) < seq, { what: 'older messages' });
                assert.ok(Math.abs((await place()) - earlier) < 3, `${await place()} was ${earlier}`);
            }
            await a.page.getByText('This is the beginning.').waitFor();
            const seqs = await bubbles(a).evaluateAll((all) => all.map(({ dataset }) => Number(dataset.seq)));
            assert.deepEqual(seqs, Array.from({ length: 180 }, (_, i) => i + 1));
            assert.equal(await a.page.locator('.chat-day').count(), 2);

            /* News does not move who reads old messages; the button leads to it. */
            await list.evaluate((element) => (element.scrollTop = 100));
            await say(bob, chat, 'And one more.');
            const down = a.page.getByRole('button', { name: 'To the newest message' });
            await down.getByText('1').waitFor();
            assert.ok((await list.evaluate((element) => element.scrollTop)) < 200);
            await down.click();
            await until(async () => (await ok(await ada.get(`/v1/chats/${chat.id}`))).unread === 0, { what: 'it to be read' });
            await a.close();
        });

        test('markup, links that are none, and letters that turn the line around are harmless', async () => {
            const evil = '<img src=x onerror="window.ran=1;alert(1)">';
            const [ada, bob] = await people('Ada Lovelace', `${evil.slice(0, 60)}\u202eevil`);
            const chat = await group(bob, [ada], `<script>window.ran=2</script>\u202egroup ${'W'.repeat(100)}`);
            const hostile = [
                evil, '<script>window.ran=3</script>', '"><svg onload=window.ran=4>', '&lt;b&gt; &amp;amp;', '[x](javascript:window.ran=5)',
                'javascript:window.ran=6 data:text/html,<script>window.ran=7</script>', 'https://example.com/"onmouseover="window.ran=8',
                '\u202eright to left override', 'שלום לכולם (7:30) hello', 'مرحبا https://example.com/x', 'W'.repeat(2000),
                `https://example.com/${'a'.repeat(1500)}`, 'a\u0301'.repeat(300), `${'\n'.repeat(30)}end`, '{{constructor.constructor("window.ran=9")()}}',
            ];
            for (const text of hostile) await say(bob, chat, text);
            const last = await say(bob, chat, 'the last one');
            ok(await bob.put(`/v1/messages/${last.id}/reactions/${encodeURIComponent('<b>x')}`));
            await say(bob, chat, 'an answer', { reply_to: (await logOf(bob, chat)).find(({ body }) => body === evil).id });
            const a = await device(ada, width, { path: `/chat/${chat.id}` });
            await bubble(a, 'the last one').waitFor();
            assert.deepEqual((await texts(a)).slice(0, hostile.length), hostile);
            await a.page.locator('.chat-reaction', { hasText: '<b>x' }).waitFor();
            const inside = await a.page.evaluate(() => ({
                ran: window.ran,
                elements: [...new Set([...document.querySelectorAll('.chat *')].map(({ localName }) => localName))],
                links: [...document.querySelectorAll('.chat-text a')].map((link) => [link.protocol, link.rel, link.target]),
                handlers: [...document.querySelectorAll('.chat *')].filter((element) => [...element.attributes].some(({ name }) => name.startsWith('on'))).length,
                wide: [...document.querySelectorAll('.chat-bubble')].filter((element) => element.getBoundingClientRect().right > innerWidth).length,
            }));
            assert.equal(inside.ran, undefined);
            assert.deepEqual(inside.elements.filter((name) => ['img', 'script', 'b', 'iframe'].includes(name)), []);
            assert.equal(inside.links.length, 3);
            for (const link of inside.links) assert.deepEqual(link, ['https:', 'noopener noreferrer nofollow ugc', '_blank']);
            assert.deepEqual([inside.handlers, inside.wide], [0, 0]);
            await shot(a, 'chat-6-hostile');
            const b = await device(bob, width);
            await row(b, /group/).waitFor();
            await shot(b, 'chat-7-hostile-list');
            assert.equal(await b.page.evaluate(() => window.ran), undefined);
            assert.deepEqual([a.dialogs, b.dialogs], [undefined, undefined]);
            await a.close();
            await b.close();
        });

        test('blocks close the direct chat, hide in groups what is said, and reports reach moderators', async () => {
            const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
            const mod = await makeUser(server, { name: 'Mod', roles: ['support'] });
            const chat = await direct(ada, bob);
            const both = await group(ada, [bob], 'Both of us');
            await say(bob, chat, 'Buy cheap seats here');
            await say(bob, both, 'Buy them here, too');
            const a = await device(ada, width, { path: `/chat/${chat.id}` });
            const b = await device(bob, DESK, { path: `/chat/${chat.id}` });
            const actions = await act(a, 'cheap seats', 'Report');
            await actions.getByLabel('What is wrong with it?').fill('Spam');
            await actions.getByRole('button', { name: 'Send the report' }).click();
            await actions.getByText(/Our moderators will read/).waitFor();
            assert.equal((await mod.get('/v1/reports')).json.data.filter(({ chat_id }) => chat_id === chat.id)[0].reason, 'Spam');

            const panel = await details(a);
            await panel.getByRole('button', { name: 'Block Bob Marsh' }).click();
            await panel.getByRole('button', { name: 'Block', exact: true }).click();
            await panel.getByRole('button', { name: 'Unblock Bob Marsh' }).waitFor();
            await panel.getByRole('button', { name: 'Close the details' }).click();
            await a.page.getByText('You have blocked Bob Marsh.').waitFor();
            assert.equal(await box(a).count(), 0);
            await opened(b, 'Ada Lovelace');
            await write(b, 'Why not?');
            await bubble(b, 'Why not?').getByText(/^Not sent/).waitFor();
            await bubble(b, 'Why not?').getByRole('button', { name: 'Discard' }).click();
            await bubble(b, 'Why not?').waitFor({ state: 'detached' });
            await shot(a, 'chat-8-blocked');

            if (width === PHONE) await a.page.getByRole('link', { name: 'All conversations' }).click();
            await row(a, /Both of us/).click();
            await opened(a, 'Both of us');
            await bubble(a, 'From somebody you blocked.').getByRole('button', { name: 'Show' }).click();
            await bubble(a, 'Buy them here, too').waitFor();
            await a.page.goto(`/chat/${chat.id}`);
            await a.page.getByRole('button', { name: 'Unblock' }).click();
            await write(a, 'Back again');
            await bubble(b, 'Back again').waitFor();
            await a.close();
            await b.close();
        });
    });
}

test('on a phone the list and the conversation take turns', async () => {
    const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
    await say(bob, await direct(ada, bob), 'Hello');
    const a = await device(ada, PHONE);
    await row(a, /Bob Marsh/).click();
    await opened(a, 'Bob Marsh');
    assert.equal(await row(a, /Bob Marsh/).isVisible(), false);
    await a.page.getByRole('link', { name: 'All conversations' }).click();
    await row(a, /Bob Marsh/).waitFor();
    assert.equal(await box(a).count(), 0);
    await a.page.goBack();
    await opened(a, 'Bob Marsh');
    await a.close();
});

test('all of it can be done by keyboard, and news is said', async () => {
    const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
    const chat = await direct(ada, bob);
    await say(bob, chat, 'One');
    await say(bob, chat, 'Two');
    const a = await device(ada, DESK);
    const { keyboard } = a.page;
    const focus = () => a.page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);
    await row(a, /Bob Marsh/).focus();
    await keyboard.press('Enter');
    await opened(a, 'Bob Marsh');
    await until(async () => (await focus()) === 'Message', { what: 'the place to write' });
    await keyboard.type('By keyboard');
    await keyboard.press('Enter');
    await marked(a, 'By keyboard', 'sent');
    await bubbles(a).last().focus();
    await keyboard.press('ArrowUp');
    await keyboard.press('ArrowUp');
    assert.match(await focus(), /^Bob Marsh/);
    await keyboard.press('Enter');
    const actions = a.page.getByRole('group', { name: 'Message actions' });
    await actions.waitFor();
    await keyboard.press('Escape');
    await actions.waitFor({ state: 'detached' });
    assert.match(await focus(), /^Bob Marsh/);
    await keyboard.press('Enter');
    await until(async () => (await focus()) === 'React with 👍', { what: 'the first of the actions' });
    await keyboard.press('Enter');
    await bubble(a, 'One').getByRole('button', { name: '👍, 1, yours too' }).waitFor();

    assert.equal(await a.page.getByTestId('news').textContent(), '');
    await say(bob, chat, 'Three');
    const news = a.page.getByTestId('news').getByText('Bob Marsh: Three');
    await news.waitFor({ state: 'attached' });
    assert.equal(await a.page.getByTestId('news').getAttribute('aria-live'), 'polite');
    await a.close();
});

test('notifications are switched on, and off by logging out; a chat is muted', async () => {
    const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
    const chat = await direct(ada, bob);
    const a = await device(ada, DESK, { path: '/' });
    await a.context.grantPermissions(['notifications'], { origin: server.url });
    const ecdh = createECDH('prime256v1');
    ecdh.generateKeys();
    const keys = { p256dh: ecdh.getPublicKey('base64url'), auth: randomBytes(16).toString('base64url') };
    /* What a browser's push service would say: there is none here. */
    await a.page.addInitScript((theirs) => {
        const made = (key) => ({
            options: { applicationServerKey: key },
            toJSON: () => ({ endpoint: 'https://push.example/ada', keys: theirs }),
            unsubscribe: async () => (localStorage.removeItem('subscribed'), true),
        });
        const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0)).buffer;
        PushManager.prototype.getSubscription = async () => localStorage.getItem('subscribed') && made(bytes(localStorage.getItem('subscribed')));
        PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
            localStorage.setItem('subscribed', applicationServerKey);
            return made(bytes(applicationServerKey));
        };
    }, keys);
    await a.page.goto(`/chat/${chat.id}`);
    const bell = a.page.getByRole('button', { name: 'Notify me of messages' });
    await bell.click();
    const pushOf = async () => ok(await ada.get('/v1/devices')).data.map(({ push }) => push?.endpoint);
    await until(async () => (await bell.getAttribute('aria-pressed')) === 'true', { what: 'them to be on' });
    assert.deepEqual(await pushOf(), ['https://push.example/ada']);
    await a.page.reload();
    await until(async () => (await bell.getAttribute('aria-pressed')) === 'true', { what: 'them to be still on' });
    assert.equal((await pushOf()).length, 1);

    const panel = await details(a);
    await panel.getByRole('button', { name: 'Mute' }).click();
    await panel.getByRole('button', { name: 'Muted' }).waitFor();
    assert.ok(ok(await ada.get(`/v1/chats/${chat.id}`)).muted_until);
    await panel.getByRole('button', { name: 'Muted' }).click();
    await panel.getByRole('button', { name: 'Mute', exact: true }).waitFor();
    assert.equal(ok(await ada.get(`/v1/chats/${chat.id}`)).muted_until, null);

    await a.page.getByRole('button', { name: 'Log out' }).click();
    await a.page.getByRole('link', { name: 'Log in' }).waitFor();
    assert.deepEqual(await pushOf(), [undefined]);
    await a.close();
});

test('who is no member of a chat is told nothing of it, and who is not logged in logs in', async () => {
    const [ada, bob] = await people('Ada Lovelace', 'Bob Marsh');
    const chat = await direct(ada, bob);
    const other = await device(bystander, DESK, { path: `/chat/${chat.id}` });
    await other.page.getByText('Not one of your conversations').waitFor();
    await other.close();
    const nobody = await visitor(browser, server, DESK);
    await nobody.page.goto(`/chat/${chat.id}`);
    await nobody.page.getByText('Log in to see your conversations.').waitFor();
    assert.equal(await nobody.page.getByRole('link', { name: 'Chat' }).count(), 0);
    await nobody.close();
});

test('a server without chat has no way to it', async () => {
    const own = await Foyer.start();
    const ada = await makeUser(own, { name: 'Ada' });
    const who = await visitor(browser, own, DESK);
    await who.context.request.post('/v1/sessions', { data: { email: ada.email, password: PASSWORD, cookie: true } });
    await who.page.goto('/chat');
    await who.page.getByText('This server runs without the service “chat”.').waitFor();
    await who.page.getByRole('link', { name: 'My bookings' }).waitFor();
    assert.equal(await who.page.getByRole('link', { name: 'Chat' }).count(), 0);
    await who.close();
    await own.stop();
});

test('a server without tickets begins with what it has, and one that cannot say who you are has not logged you out', async (t) => {
    const own = await Foyer.start({ args: ['--services=chat'] });
    t.after(() => own.stop());
    const ada = await makeUser(own, { name: 'Ada' });
    const who = await visitor(browser, own, DESK);
    await who.context.request.post('/v1/sessions', { data: { email: ada.email, password: PASSWORD, cookie: true } });
    let refusals = 0;
    await who.page.route('**/v1/me', (route) => (++refusals > 2 ? route.continue() : route.fulfill({ status: 503, json: {} })));
    await who.page.goto('/');
    await who.page.getByRole('heading', { level: 1, name: 'Welcome' }).waitFor();
    await who.page.getByRole('button', { name: 'Log out' }).waitFor();
    assert.equal(refusals, 3);
    assert.equal(await who.page.getByRole('link', { name: 'My bookings' }).count(), 0);
    await who.page.getByRole('link', { name: 'Open your chats' }).click();
    await who.page.waitForURL('**/chat');
    await who.close();
});
