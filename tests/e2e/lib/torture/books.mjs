/*
 * What the clients of a torture run were told, request by request. A request that was answered is a fact; one that was not is asked
 * again with its key after the restart, twice, and must come to one and the same answer. Whether all facts are still true is for
 * checks.mjs to say.
 */
import assert from 'node:assert/strict';
import { newKey } from '../api.mjs';

const SUCCESS = {
    hold: 201,
    checkout: 202,
    cancel: 200,
    pay: 200,
    refund: 202,
    'check-in': 200,
    venue: 201,
    event: 201,
    publish: 200,
    'cancel-event': 200,
};

/* Runs fn over the items, so many at a time, to its results in order. */
export async function each(items, fn, width = 16) {
    const results = [];
    let next = 0;
    const work = async () => {
        while (next < items.length) {
            const index = next++;
            results[index] = await fn(items[index]);
        }
    };
    await Promise.all(Array.from({ length: Math.min(width, items.length) }, work));
    return results;
}

export class Books {
    constructor(world) {
        this.world = world;
        this.bookings = new Map();
        this.made = { venue: new Map(), event: new Map() };
        const byKind = Object.fromEntries(Object.keys(SUCCESS).map((kind) => [kind, 0]));
        this.totals = { answered: 0, unanswered: 0, doneUnanswered: 0, ...byKind };
        this.onAnswer = () => {};
        this.beginRound();
    }

    beginRound() {
        this.answered = [];
        this.unanswered = [];
        this.touched = new Set();
    }

    /* One write by `user`: its answer, or null when there was none. */
    async ask(request) {
        const answer = await this.perform(request).catch((error) => {
            if (error instanceof assert.AssertionError) throw error;
            return null;
        });
        if (answer) {
            this.note(request, answer);
            return answer;
        }
        this.unanswered.push(request);
        return null;
    }

    perform(request) {
        if (request.kind === 'pay') return this.world.server.bank.pay(request.url, request.outcome, request.callbacks, request.more);
        const { user, method = 'POST', path, body, key } = request;
        return user.call(method, path, body, { key });
    }

    /* Takes an answer for a fact. */
    note(request, answer) {
        const { kind, record } = request;
        if (answer.status !== SUCCESS[kind]) {
            assert.ok(request.mayBeRefused, `${kind} ${request.path ?? request.url}: ${answer.status} ${answer.text}`);
            assert.equal(answer.status, 409, answer.text);
            return;
        }
        this.totals[kind]++;
        this.totals.answered++;
        this.answered.push({ request, answer });
        const { json } = answer;
        if (record) this.touched.add(record.id);
        if (kind === 'hold') this.noteHold(request, json);
        else if (kind === 'checkout') this.noteCheckout(record, json);
        else if (kind === 'cancel') record.cancelled = true;
        else if (kind === 'pay') record.paid = request.outcome;
        else if (kind === 'refund' && !record.refunds.some((refund) => refund.id === json.id)) record.refunds.push(json);
        else if (kind === 'check-in') this.noteCheckIn(request, json);
        else if (kind === 'venue' || kind === 'event') this.noteMade(kind, json);
        this.onAnswer(kind);
    }

    noteHold(request, json) {
        const known = this.bookings.get(json.id);
        if (known) {
            assert.equal(known.key, request.key, `${json.id} is the answer to two keys`);
            return;
        }
        const { user, key, mayExpire = false, event } = request;
        const record = { id: json.id, user, key, event, mayExpire, hold: json, refunds: [], checkIns: [], tickets: null };
        this.bookings.set(json.id, record);
        this.touched.add(json.id);
        request.made = record;
    }

    noteCheckout(record, json) {
        assert.equal(json.id, record.id);
        if (json.payment) {
            record.paymentId ??= json.payment.id;
            assert.equal(json.payment.id, record.paymentId, `${record.id} has one payment`);
        }
        record.checkedOut = true;
        if (json.status === 'confirmed') record.confirmed = true;
    }

    noteCheckIn(request, json) {
        const { record, body } = request;
        if (record.checkIns.some((told) => told.code === body.code)) return;
        record.checkIns.push({ code: body.code, gate: body.gate, at: json.at, ticketId: json.ticket.id });
    }

    noteMade(kind, json) {
        const known = this.made[kind].get(json.name);
        assert.ok(known === undefined || known === json.id, `two ${kind}s came of one request: ${known} and ${json.id}`);
        this.made[kind].set(json.name, json.id);
    }

    /* --- The requests --- */

    /* more: {mayBeRefused, mayExpire}; the booking's record, or null. */
    async hold(user, event, what, more = {}) {
        const request = { kind: 'hold', user, event, path: '/v1/bookings', body: { event_id: event.id, ...what }, key: newKey(), ...more };
        await this.ask(request);
        return request.made ?? null;
    }

    about(kind, record, path, more = {}) {
        return this.ask({ kind, record, user: record.user, path: `/v1/bookings/${record.id}${path}`, key: newKey(), ...more });
    }

    checkout(record) {
        return this.about('checkout', record, '/checkout');
    }

    cancel(record) {
        return this.about('cancel', record, '', { method: 'DELETE', key: undefined });
    }

    /* ticketIds: none for all of it */
    refund(record, ticketIds) {
        return this.about('refund', record, '/refund', { user: this.world.organizer, body: ticketIds && { ticket_ids: ticketIds } });
    }

    checkIn(record, ticket, gate) {
        const body = { code: ticket.code, gate };
        return this.ask({ kind: 'check-in', record, user: this.world.organizer, path: '/v1/check-ins', body, key: newKey() });
    }

    pay(record, url, outcome, callbacks, more) {
        return this.ask({ kind: 'pay', record, url, outcome, callbacks, more });
    }

    organize(kind, path, body) {
        return this.ask({ kind, user: this.world.organizer, path, body, key: newKey() });
    }

    /* --- Asking again --- */

    /* again: it was answered with success before. */
    async repeat(request, again) {
        const answer = await this.perform(request);
        const isReplay = answer.headers['idempotency-replayed'] === 'true';
        const what = `${request.kind} ${request.path} was done before and is not known by its key`;
        if (again && request.key) assert.ok(isReplay, `${what}: ${answer.status} ${answer.text}`);
        return { answer, isReplay };
    }

    /* All that was never answered: twice, to the same answer. A refusal may turn into a success meanwhile, as places become free. */
    async retryUnanswered() {
        const requests = this.unanswered;
        this.unanswered = [];
        this.totals.unanswered += requests.length;
        await each(requests, async (request) => {
            const first = await this.repeat(request, false);
            if (first.isReplay) this.totals.doneUnanswered++;
            this.note(request, first.answer);
            const second = await this.repeat(request, first.answer.status < 300);
            if (first.answer.status >= 300) return this.note(request, second.answer);
            assert.equal(second.answer.status, first.answer.status, second.answer.text);
            return request.key && assert.deepEqual(second.answer.json, first.answer.json, `${request.kind} ${request.path}`);
        });
        return requests.length;
    }

    /* Some of what was answered: the same answer again, to the letter. */
    async repeatAnswered(random, count = 24) {
        const keyed = this.answered.filter(({ request }) => request.key);
        const chosen = Array.from({ length: Math.min(count, keyed.length) }, () => keyed[random.int(0, keyed.length - 1)]);
        await each(chosen, async ({ request, answer }) => {
            const again = await this.repeat(request, true);
            const told = [answer.status, answer.json];
            const said = [again.answer.status, again.answer.json];
            assert.deepEqual(said, told, `${request.kind} ${request.path}: the same key, another answer`);
        });
    }
}
