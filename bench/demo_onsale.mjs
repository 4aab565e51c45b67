/*
 * The demo's part of the on-sale: people come to a waiting room before the sale, are drawn at its opening, and buy the best available seats when it is
 * their turn, with the defence against bots on and a listener of the live map beside them. Then `foyer verify-queue` draws again, the list of who was
 * admitted when is held against the draw and the cap, and the map that the listener was told is held against the seats. Usage: demo_onsale.mjs DATA; the store
 * is FOYER_STORE. Needs no packages.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const PEOPLE = 60;
const CAP = 8;
const SALE_IN_MS = 6000;
const WAIT_MS = 120000;
const KEY = 'sk_bench_0123456789abcdefghijklmnop'; /* of the demo's data, see bench/demo.c */
const [data] = process.argv.slice(2);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const failures = [];
const check = (isTrue, words) => void (isTrue || failures.push(words));

function foyer(...args) {
    return execFileSync('build/foyer', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/* Accounts with sessions, without a password each. */
const sessions = path.join(data, 'demo-sessions');
fs.rmSync(sessions, { force: true });
foyer('admin', 'import-users', '--data', data, '--count', String(PEOPLE), '--prefix', 'onsale', '--sessions', sessions);
const tokens = fs.readFileSync(sessions, 'utf8').match(/ses_[0-9A-Za-z_-]+/g) ?? [];
fs.rmSync(sessions);
if (tokens.length !== PEOPLE) throw new Error(`${tokens.length} sessions of ${PEOPLE}`);

const server = spawn('build/foyer', ['serve', '--data', data, '--listen', '127.0.0.1:0', '--trusted-proxies', '127.0.0.0/8', '--log-level=error'], { stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => server.kill('SIGKILL'));
const [line] = await once(server.stdout.setEncoding('utf8'), 'data');
const url = /^ready (\S+)/m.exec(line)?.[1];
if (!url) throw new Error('the server did not start');

async function ask(method, at, { token = KEY, address, body, headers = {} } = {}) {
    const answer = await fetch(`${url}${at}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(address && { 'x-forwarded-for': address }), ...(body && { 'content-type': 'application/json' }), ...headers },
        body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, json: text.startsWith('{') ? JSON.parse(text) : null, text };
}
async function ok(...args) {
    const answer = await ask(...args);
    if (answer.status >= 300) throw new Error(`${args[0]} ${args[1]}: ${answer.status} ${answer.text}`);
    return answer.json;
}

/* --- The event: the arena's plan, a room for a few at a time --- */

const { data: venues } = await ok('GET', '/v1/venues');
const venue = await ok('GET', `/v1/venues/${venues[0].id}`);
const opensAt = Date.now() + SALE_IN_MS;
const event = await ok('POST', '/v1/events', {
    body: {
        venue_id: venue.id, name: 'Lanterns at Midnight, the on-sale', description: 'Sold through a waiting room.', category: 'music', currency: 'EUR',
        onsale_at: new Date(opensAt).toISOString(), starts_at: new Date(opensAt + 30 * 86400e3).toISOString(),
        prices: Object.fromEntries(venue.categories.map(({ name }) => [name, 4500])),
        waiting_room: 'on', queue: { admitted_max: CAP, admit_per_minute: 600000 },
    },
});
await ok('POST', `/v1/events/${event.id}/publish`);
const room = `/v1/events/${event.id}/queue`;

/* --- Who listens to the map --- */

const heard = { seats: null, frames: 0 };
function listen(admission, token) {
    http.get(`${url}/v1/events/${event.id}/live?admission=${admission}`, { headers: { authorization: `Bearer ${token}` } }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece) => {
            text += piece;
            for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
                const [, name, frame] = /^event: (\w+)\ndata: (.*)$/m.exec(text.slice(0, end)) ?? [];
                if (name === 'snapshot') heard.seats = Buffer.from(JSON.parse(frame).seats, 'base64');
                if (name !== 'delta') continue;
                heard.frames++;
                for (const [seat, state] of JSON.parse(frame).changes) {
                    const shift = (seat % 4) * 2;
                    heard.seats[seat >> 2] = (heard.seats[seat >> 2] & ~(3 << shift)) | (state << shift);
                }
            }
        });
    }).on('error', () => {});
}

/* --- People --- */

const admitted = []; /* ids in the order of their turn, as the clients saw it */
let inside = 0;
let insideMax = 0;
let challenged = 0;
let seatsSold = 0;

async function buy(person, admission) {
    const headers = { 'foyer-admission': admission, 'idempotency-key': `demo-${person.id}` };
    const hold = await ask('POST', '/v1/bookings', { ...person, headers, body: { event_id: event.id, best_available: { count: 2 } } });
    if (hold.json?.type === 'challenge-required') challenged++;
    if (hold.status !== 201) return void failures.push(`a hold: ${hold.status} ${hold.text}`);
    await ok('POST', `/v1/bookings/${hold.json.id}/checkout`, person);
    let booking;
    do {
        await pause(30);
        booking = await ok('GET', `/v1/bookings/${hold.json.id}`, person);
    } while (!booking.payment?.url);
    inside--; /* once it is paid the place is somebody else's, perhaps before this client hears of it */
    await fetch(`${booking.payment.url}/complete`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"outcome":"succeeded"}' });
    while (booking.status !== 'confirmed') {
        await pause(30);
        booking = await ok('GET', `/v1/bookings/${hold.json.id}`, person);
    }
    seatsSold += 2;
}

async function attend(token, index) {
    const person = { token, address: `198.51.${index}.7` };
    let entry = await ok('POST', room, person);
    person.id = entry.id;
    for (const end = Date.now() + WAIT_MS; entry.state === 'pre' || entry.state === 'waiting'; entry = await ok('GET', `${room}/${entry.id}`, person)) {
        if (Date.now() > end) throw new Error('waited in vain for a turn');
        await pause(Math.min(entry.poll_after_ms, 500));
    }
    check(entry.state === 'admitted', `an entry became ${entry.state}`);
    insideMax = Math.max(insideMax, ++inside);
    if (admitted.push(entry.id) === 1) listen(entry.token, token);
    await buy(person, entry.token);
}

const began = Date.now();
await Promise.all(tokens.map(attend));

/* --- What came of it --- */

const fairness = await ok('GET', `${room}/fairness`);
const { text: list } = await ask('GET', `${room}/entries`);
check(list.trim().split('\n').length === PEOPLE && fairness.entry_count === PEOPLE, 'somebody is missing in the list');
const verdict = foyer('verify-queue', '--url', url, '--event', event.id, '--entry', admitted[0]);
check(Number(/has place (\d+)/.exec(verdict)?.[1]) <= CAP, `the first who was admitted: ${verdict}`);
check(insideMax <= CAP, `${insideMax} people were in, and the cap is ${CAP}`);
check(seatsSold === 2 * PEOPLE, `${seatsSold} seats were sold to ${PEOPLE} people`);
const seats = await fetch(`${url}/v1/events/${event.id}/seats`, { headers: { authorization: `Bearer ${KEY}`, accept: 'application/octet-stream' } });
const bits = Buffer.from(await seats.arrayBuffer());
for (const end = Date.now() + 5000; !heard.seats?.equals(bits) && Date.now() < end;) await pause(50);
check(heard.seats?.equals(bits), 'the live map shows other seats than there are');

console.log(`on-sale: ${PEOPLE} people drew their places at the opening; at most ${insideMax} were in at once (cap ${CAP}); ${seatsSold} seats in ${((Date.now() - began - SALE_IN_MS) / 1000).toFixed(1)} s, ${challenged} challenges`);
console.log(`on-sale: ${verdict.trim().split('\n').at(-1)}`);
console.log(`on-sale: a listener of the map was told of ${heard.frames} changes, and shows the seats as they are: ${heard.seats?.equals(bits) ?? false}`);
for (const failure of failures) console.log(`  ${failure}`);
server.kill('SIGTERM');
await once(server, 'exit');
process.exit(failures.length > 0 ? 1 : 0);
