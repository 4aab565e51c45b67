/*
 * A waiting room as its people see it, and the proof of its order by a few lines that share nothing with the program:
 * commitment = SHA-256(seed), entries_hash = SHA-256(list), key = SHA-256(seed || entries_hash), rank = HMAC-SHA-256(key, id).
 */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { until } from './wait.mjs';
import { iso, sale } from './seed.mjs';

const sha256 = (...pieces) => pieces.reduce((hash, piece) => hash.update(piece), createHash('sha256')).digest();

/* The ids in their order, after the evidence was checked. */
export function recomputedOrder(fairness, list) {
    assert.equal(fairness.algorithm, 'foyer-queue-1');
    const seed = Buffer.from(fairness.revealed_seed, 'hex');
    assert.equal(sha256(seed).toString('hex'), fairness.commitment, 'the commitment is of this seed');
    assert.equal(sha256(list).toString('hex'), fairness.entries_hash, 'the hash is of this list');
    const ids = list.split('\n').slice(0, -1);
    assert.equal(ids.length, fairness.entry_count);
    const key = sha256(seed, Buffer.from(fairness.entries_hash, 'hex'));
    const ranked = ids.map((id) => [createHmac('sha256', key).update(id).digest(), id]);
    return ranked.sort(([a], [b]) => Buffer.compare(a, b)).map(([, id]) => id);
}

/* An event whose sale opens in a minute, with its room; settings: of the room. */
export async function roomedSale(server, settings = {}, more = {}) {
    const now = await server.now();
    const event = await sale(server, { waiting_room: 'on', onsale_at: iso(now + 60e3), queue: settings, ...more });
    return { ...event, queuePath: `/v1/events/${event.id}/queue` };
}

export async function join(api, event) {
    const answer = await api.post(event.queuePath);
    assert.equal(answer.status, 201, answer.text);
    return Object.assign(api, { entryId: answer.json.id, entry: answer.json });
}

export async function poll(api, event) {
    const answer = await api.get(`${event.queuePath}/${api.entryId}`);
    assert.equal(answer.status, 200, answer.text);
    return Object.assign(api, { entry: answer.json }).entry;
}

export const pollUntil = (api, event, state) =>
    until(async () => ((await poll(api, event)).state === state ? api.entry : null), { what: `${api.entryId} to be ${state}` });

export const withToken = (token) => ({ headers: { 'foyer-admission': token } });

export async function fairnessOf(server, event) {
    return (await server.anonymous.get(`${event.queuePath}/fairness`)).json;
}

/* Once the draw is public: {fairness, order}. */
export async function drawOf(server, event) {
    const fairness = await until(async () => {
        const found = await fairnessOf(server, event);
        return found.revealed_seed && found;
    }, { what: 'the seed to be revealed' });
    const list = (await server.anonymous.get(`${event.queuePath}/entries`)).text;
    return { fairness, order: recomputedOrder(fairness, list) };
}

export const numberOf = async (server, text) => Number((await server.sql(text))[0][0]);
export const busy = (server) => numberOf(server, 'SELECT COUNT(*) FROM queue_entry WHERE state = 3 OR holds > 0');
