/* T6, T14, T15: tickets and their codes, pictures and PDFs, check-in, reports and mail. */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Foyer } from './lib/server.mjs';
import { until } from './lib/wait.mjs';
import { headerText, MailServer, parseMail, pdfCodes, pdfText, readQr, svgToPgm, TOOLS } from './lib/paper.mjs';
import { bought, held, makeUser, plan, sale, status, ticketsOf } from './lib/seed.mjs';

const HALL = { plan: plan({ rows: 2, seats: 60, areas: [{ guid: 'floor', name: 'Floor', capacity: 50 }] }), limits: { per_account: 100 } };

let server;
let fan;
let other;
let event;
let next = 0;
const fresh = (count = 1) => Array.from({ length: count }, () => `S1-R2-${++next}`);
before(async () => {
    server = await Foyer.start({ args: ['--abuse=off'] });
    [fan, other] = [await makeUser(server, { name: 'Zoë "Zo" Fän' }), await makeUser(server)];
    event = await sale(server, { ...HALL, name: 'Nacht der Töne' });
});
after(async () => {
    assert.deepEqual((await server.audit()).findings, []);
    await server.stop();
});

const bundleOf = async (id = event.id) => (await server.admin.get(`/v1/events/${id}/check-in-bundle`)).json;

/* As a scanner without a network does it. */
function verifyOffline(code, bundle) {
    const [format, payload, signature] = code.split('.');
    const key = crypto.createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: bundle.public_key }, format: 'jwk' });
    const bytes = Buffer.from(payload, 'base64url');
    const isSigned = crypto.verify(null, Buffer.from(`${format}.${payload}`), key, Buffer.from(signature, 'base64url'));
    return { isSigned, keyId: bytes.readUInt32BE(0), eventNumber: bytes.readBigUInt64BE(4), ticketNumber: bytes.readBigUInt64BE(12), place: bytes.readUInt32BE(20) };
}

describe('tickets', () => {
    test('are one a place, seats and areas, and only once the booking is confirmed', async () => {
        const open = await held(fan, event.id, fresh());
        assert.deepEqual(await ticketsOf(fan, open.id), []);
        const booking = await bought(server, fan, event.id, { seat_ids: fresh(2), areas: [{ area_id: 'floor', quantity: 2 }] });
        const tickets = await ticketsOf(fan, booking.id);
        assert.deepEqual(tickets.map((ticket) => ticket.status), Array(4).fill('valid'));
        assert.deepEqual(tickets.filter((ticket) => ticket.seat).map((ticket) => ticket.seat.id), booking.seats.map((seat) => seat.id));
        assert.deepEqual(tickets.filter((ticket) => ticket.area).map((ticket) => ticket.area), Array(2).fill({ id: 'floor', name: 'Floor' }));
        assert.equal(new Set(tickets.map((ticket) => ticket.code)).size, 4);
        assert.deepEqual(await ticketsOf(fan, booking.id), tickets, 'the same ones each time');
        assert.equal((await other.get(`/v1/bookings/${booking.id}/tickets`)).status, 404);
        for (const file of ['qr.svg', 'qr.png', 'ticket.pdf']) {
            assert.equal((await other.get(`/v1/tickets/${tickets[0].id}/${file}`)).status, 404);
            assert.equal((await server.anonymous.get(`/v1/tickets/${tickets[0].id}/${file}`)).status, 401);
            assert.equal((await fan.get(`/v1/tickets/tkt_0/${file}`)).status, 404);
        }
    });

    test('are verified offline with the public key alone', async () => {
        const booking = await bought(server, fan, event.id, { seat_ids: fresh(), areas: [{ area_id: 'floor', quantity: 1 }] });
        const bundle = await bundleOf();
        assert.equal(bundle.code_format, 'F1');
        assert.deepEqual(bundle.revoked, []);
        for (const ticket of await ticketsOf(fan, booking.id)) {
            const proof = verifyOffline(ticket.code, bundle);
            assert.equal(proof.isSigned, true);
            assert.equal(proof.keyId, bundle.key_id);
            assert.equal(proof.place >= 2 ** 31, ticket.area !== null);
            for (const at of [5, 20, 60, 110]) {
                const flipped = ticket.code[at] === 'A' ? 'B' : 'A';
                assert.equal(verifyOffline(ticket.code.slice(0, at) + flipped + ticket.code.slice(at + 1), bundle).isSigned, false);
            }
        }
    });

    test('QR pictures and PDFs show the code', { skip: !(TOOLS.zbarimg && TOOLS.pdftotext && TOOLS.pdftoppm) }, async () => {
        const booking = await bought(server, fan, event.id, fresh(2));
        const tickets = await ticketsOf(fan, booking.id);
        const png = await fan.get(`/v1/tickets/${tickets[0].id}/qr.png`);
        assert.equal(png.headers['content-type'], 'image/png');
        assert.deepEqual(readQr(png.buffer, 'png'), [tickets[0].code]);
        const svg = await fan.get(`/v1/tickets/${tickets[0].id}/qr.svg`);
        assert.equal(svg.headers['content-type'], 'image/svg+xml');
        assert.deepEqual(readQr(svgToPgm(svg.text), 'pgm'), [tickets[0].code]);

        const pdf = await fan.get(`/v1/tickets/${tickets[1].id}/ticket.pdf`);
        assert.equal(pdf.headers['content-type'], 'application/pdf');
        assert.match(pdf.headers['content-disposition'], /attachment; filename="tkt_/);
        const text = pdfText(pdf.buffer);
        for (const wanted of ['Nacht der Töne', 'Concert Hall', 'Berlin', 'Section 1', tickets[1].id, booking.id, '30.00'])
            assert.ok(text.includes(wanted), `${wanted} in ${text}`);
        assert.match(text, /Zo(ë|e) "?Zo"? F(ä|a)n/);
        assert.deepEqual(pdfCodes(pdf.buffer), [tickets[1].code]);
        const all = await fan.get(`/v1/bookings/${booking.id}/tickets.pdf`);
        assert.deepEqual(pdfCodes(all.buffer), tickets.map((ticket) => ticket.code));
    });

    test('outlive a restart: the same code by the same key', async () => {
        const own = await Foyer.start();
        const user = await makeUser(own);
        const hall = await sale(own, HALL);
        const booking = await bought(own, user, hall.id, ['S1-R1-1']);
        const before = await ticketsOf(user, booking.id);
        await own.restart();
        assert.deepEqual(await ticketsOf(own.as(user.token), booking.id), before);
        await own.stop();
    });

    test('that were given back have no picture any more', async () => {
        const booking = await bought(server, fan, event.id, fresh(2));
        const [ticket, kept] = await ticketsOf(fan, booking.id);
        await server.admin.post(`/v1/bookings/${booking.id}/refund`, { ticket_ids: [ticket.id] });
        for (const file of ['qr.svg', 'qr.png', 'ticket.pdf']) assert.equal((await fan.get(`/v1/tickets/${ticket.id}/${file}`)).status, 410, file);
        assert.equal((await fan.get(`/v1/tickets/${kept.id}/qr.svg`)).status, 200);
        assert.deepEqual((await bundleOf()).revoked.filter((id) => id === ticket.id), [ticket.id]);
        await server.admin.post(`/v1/bookings/${booking.id}/refund`);
        assert.equal((await fan.get(`/v1/bookings/${booking.id}/tickets.pdf`)).status, 404);
    });
});

describe('check-in', () => {
    const scan = (api, code, gate) => api.post('/v1/check-ins', gate === undefined ? { code } : { code, gate });

    test('lets in once, and says when and where it did', async () => {
        const booking = await bought(server, fan, event.id, fresh());
        const [ticket] = await ticketsOf(fan, booking.id);
        const first = await scan(server.admin, ticket.code, 'North');
        assert.equal(first.status, 200);
        assert.equal(first.json.ticket.id, ticket.id);
        assert.equal(first.json.seat.id, ticket.seat.id);
        const second = await scan(server.admin, ticket.code, 'South');
        assert.equal(second.status, 409);
        assert.equal(second.json.type, 'already-used');
        assert.equal(second.json.gate, 'North');
        assert.equal(second.json.first_at, first.json.at);
        assert.equal((await ticketsOf(fan, booking.id))[0].status, 'used');
        assert.equal((await server.admin.post(`/v1/bookings/${booking.id}/refund`)).status, 409, 'a used ticket is not given back');
    });

    test('at two gates in the same moment lets one in', async () => {
        const booking = await bought(server, fan, event.id, fresh(4));
        for (const ticket of await ticketsOf(fan, booking.id)) {
            const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => scan(server.admin, ticket.code, `G${i}`)));
            assert.equal(answers.filter((answer) => answer.status === 200).length, 1);
            assert.equal(answers.filter((answer) => answer.status === 409).length, 9);
        }
    });

    test('refuses what was given back, and what nobody signed', async () => {
        const booking = await bought(server, fan, event.id, fresh());
        const [ticket] = await ticketsOf(fan, booking.id);
        const forged = crypto.generateKeyPairSync('ed25519').privateKey;
        const body = ticket.code.split('.').slice(0, 2).join('.');
        const codes = ['nonsense', 'F1.', ticket.code.slice(0, -1), `${ticket.code}A`, ticket.code.replace('F1', 'F2'),
            `${body}.${crypto.sign(null, Buffer.from(body), forged).toString('base64url')}`];
        for (const code of codes) assert.equal((await scan(server.admin, code)).status, 404, code);
        await server.admin.post(`/v1/bookings/${booking.id}/refund`);
        const revoked = await scan(server.admin, ticket.code);
        assert.equal(revoked.status, 410);
        assert.equal(revoked.json.type, 'revoked');
        assert.equal((await scan(server.admin, 5)).status, 422);
        assert.equal((await server.admin.post('/v1/check-ins', { gate: 'x' })).status, 422);
        assert.equal((await scan(server.admin, 'x', 'G'.repeat(65))).status, 422);
        assert.equal((await scan(server.admin, 'x', '\u0007')).status, 422);
    });

    test('is for the event\'s own people: by key with the scope check-in, not by strangers', async () => {
        const organizer = await makeUser(server, { roles: ['organizer'] });
        const own = await sale(server, { ...HALL, api: organizer });
        const booking = await bought(server, fan, own.id, ['S1-R1-1', 'S1-R1-2']);
        const [one, two] = await ticketsOf(fan, booking.id);
        const stranger = await makeUser(server, { roles: ['organizer'] });
        assert.equal((await scan(stranger, one.code)).status, 404);
        assert.equal((await scan(fan, one.code)).status, 403);
        const made = await organizer.post('/v1/api-keys', { name: 'door', scopes: ['check-in'] });
        assert.equal(made.status, 201, made.text);
        const door = server.as(made.json.key);
        assert.equal((await scan(door, one.code)).status, 200);
        assert.equal((await door.get(`/v1/events/${own.id}/check-in-bundle`)).json.valid_count, 2);
        assert.equal((await door.get(`/v1/events/${own.id}/report`)).status, 403);
        assert.equal((await stranger.get(`/v1/events/${own.id}/check-in-bundle`)).status, 404);
        assert.equal((await scan(organizer, two.code)).status, 200);
    });
});

describe('reports', () => {
    /* RFC 4180. */
    const parseCsv = (text) => {
        const rows = [[]];
        for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r\n|$)/g)) {
            if (end === '' && quoted === undefined && plain === '') break;
            rows.at(-1).push(quoted === undefined ? plain : quoted.replace(/""/g, '"'));
            if (end === '\r\n') rows.push([]);
        }
        if (rows.at(-1).length === 0) rows.pop();
        const [head, ...data] = rows;
        return data.map((row) => Object.fromEntries(head.map((name, i) => [name, row[i]])));
    };

    test('count what is held, booked, blocked and free, by category and hour', async () => {
        const own = await sale(server, HALL);
        await held(other, own.id, ['S1-R1-1']);
        await bought(server, fan, own.id, { seat_ids: ['S1-R1-2', 'S1-R2-2'], areas: [{ area_id: 'floor', quantity: 3 }] });
        await server.admin.post(`/v1/events/${own.id}/blocks`, { seat_ids: ['S1-R1-9', 'S1-R1-10'] });
        const report = (await server.admin.get(`/v1/events/${own.id}/report`)).json;
        assert.deepEqual([report.held, report.booked, report.blocked, report.available], [1, 5, 2, 120 + 50 - 8]);
        assert.equal(report.revenue, 5000 + 3000 + 3 * 3000);
        const byName = Object.fromEntries(report.by_category.map((entry) => [entry.category, entry]));
        assert.deepEqual([byName.front.booked, byName.front.revenue, byName.front.blocked], [1, 5000, 2]);
        assert.deepEqual([byName.back.booked, byName.back.revenue], [4, 12000]);
        assert.equal(report.by_hour.reduce((sum, hour) => sum + hour.places, 0), 5);
    });

    test('as CSV have one line a booking, and run no formula of a stranger', async () => {
        const own = await sale(server, HALL);
        const evil = await makeUser(server, { name: '=HYPERLINK("http://evil","x")' });
        const first = await bought(server, fan, own.id, ['S1-R1-1', 'S1-R1-2']);
        const second = await bought(server, evil, own.id, { areas: [{ area_id: 'floor', quantity: 2 }] });
        await held(other, own.id, ['S1-R1-5']);
        const answer = await server.admin.get(`/v1/events/${own.id}/bookings.csv`);
        assert.match(answer.headers['content-type'], /^text\/csv/);
        assert.match(answer.headers['content-disposition'], /attachment/);
        const rows = parseCsv(answer.text);
        assert.deepEqual(rows.map((row) => row.booking_id), [first.id, second.id]);
        assert.equal(rows[0].name, 'Zoë "Zo" Fän');
        assert.equal(rows[0].email, fan.email);
        assert.equal(rows[0].count, '2');
        assert.equal(rows[0].amount, '100.00');
        assert.equal(rows[1].name, '\'=HYPERLINK("http://evil","x")');
        assert.equal(rows[1].places, 'Floor x2');
        assert.equal((await server.admin.get(`/v1/events/${own.id}/bookings.csv?cursor=${first.id}`)).text.split('\r\n').length, 3);
        assert.equal((await server.admin.get(`/v1/events/${own.id}/bookings.csv?cursor=x`)).status, 422);
    });
});

describe('mail', () => {
    const mails = (dir) => {
        const files = fs.existsSync(path.join(dir, 'mail')) ? fs.readdirSync(path.join(dir, 'mail')) : [];
        return files.filter((name) => name.endsWith('.eml')).sort().map((name) => parseMail(fs.readFileSync(path.join(dir, 'mail', name))));
    };
    const to = (mail, api) => mail.headers.to.includes(api.email);
    const attachments = (mail) => mail.parts.filter((part) => part.headers['content-type'].startsWith('application/pdf'));

    test('comes with the tickets after a confirmation, and with the sum after a refund', async () => {
        const user = await makeUser(server, { name: 'Ünal' });
        const booking = await bought(server, user, event.id, fresh(2));
        const tickets = await ticketsOf(user, booking.id);
        const mail = await until(() => mails(server.dir).find((found) => to(found, user)), { what: 'the confirmation' });
        assert.ok(headerText(mail.headers.subject).includes('Nacht der Töne'), mail.headers.subject);
        assert.ok(mail.headers['message-id'] && mail.headers.date);
        const text = mail.parts.find((part) => part.headers['content-type'].startsWith('text/plain')).body.toString();
        assert.ok(text.includes(booking.id) || text.includes('Nacht der Töne'), text);
        const [pdf] = attachments(mail);
        assert.match(pdf.headers['content-disposition'], /attachment/);
        if (TOOLS.pdftoppm && TOOLS.zbarimg) assert.deepEqual(pdfCodes(pdf.body), tickets.map((ticket) => ticket.code));
        await server.admin.post(`/v1/bookings/${booking.id}/refund`);
        await status(user, booking.id, 'refunded');
        const refund = await until(() => mails(server.dir).filter((found) => to(found, user))[1], { what: 'the mail about the refund' });
        const body = refund.parts.find((part) => part.headers['content-type'].startsWith('text/plain')).body.toString();
        assert.match(body, /60\.00/);
        assert.equal(attachments(refund).length, 0);
    });

    test('comes once, whatever happens to the server', async () => {
        const own = await Foyer.start();
        const user = await makeUser(own);
        const hall = await sale(own, HALL);
        const booking = await bought(own, user, hall.id, ['S1-R1-1']);
        await own.kill9();
        await own.start();
        await until(() => mails(own.dir).some((mail) => to(mail, user)), { what: 'the mail after the crash' });
        await own.restart();
        const second = await bought(own, own.as(user.token), hall.id, ['S1-R1-2']);
        await until(() => mails(own.dir).length >= 2, { what: 'the second mail' });
        const all = mails(own.dir).map((mail) => mail.parts.map((part) => part.body.toString('latin1')).join());
        for (const id of [booking.id, second.id]) assert.equal(all.filter((text) => text.includes(id)).length, 1, id);
        await own.stop();
    });

    test('goes by SMTP, again after the server there refused it for now', async () => {
        const mailServer = await MailServer.start({ refuse: 2 });
        const own = await Foyer.start({ args: [`--mail=${mailServer.url}`, '--mail-from', 'Box Office <office@example.org>'] });
        const user = await makeUser(own);
        const hall = await sale(own, HALL);
        await bought(own, user, hall.id, ['S1-R1-1']);
        const message = await until(async () => {
            await own.advance(20000);
            return mailServer.messages[0];
        }, { every: 50, what: 'the mail at the mail server' });
        assert.equal(mailServer.refused, 2);
        assert.deepEqual(message.to, [user.email]);
        assert.match(message.from, /office@example\.org/);
        const mail = parseMail(message.raw);
        assert.match(mail.headers.from, /Box Office/);
        assert.equal(attachments(mail).length, 1);
        await own.stop();
        mailServer.stop();
    });
});
