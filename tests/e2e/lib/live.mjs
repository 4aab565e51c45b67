/*
 * A listener of a live map over a plain socket, so that a test sees what comes when, and may stop reading. It applies snapshots and
 * deltas to a copy of the map, as a page does.
 */
import net from 'node:net';
import tls from 'node:tls';
import { until } from './wait.mjs';

export const STATES = ['available', 'held', 'booked', 'blocked'];

/* Text of an event stream to events: {id, event, data, retry} or {comment}; what is left waits for more. */
export class EventParser {
    constructor() {
        this.rest = '';
    }

    take(text) {
        const parts = (this.rest + text).split('\n\n');
        this.rest = parts.pop();
        return parts.map((part) => {
            const event = {};
            for (const line of part.split('\n')) {
                if (line.startsWith(':')) event.comment = true;
                else event[line.slice(0, line.indexOf(':'))] = line.slice(line.indexOf(':') + 1).trimStart();
            }
            return event;
        });
    }
}

/* Two bits a seat as numbers. */
export function unpack(bits, seatCount) {
    return Array.from({ length: seatCount }, (_, i) => (bits[i >> 2] >> ((i & 3) * 2)) & 3);
}

export class Listener {
    /* options: {lastId (query), header (Last-Event-ID), token, onFrame(listener, event)} */
    constructor(server, eventId, { lastId, header, token, seatCount, onFrame, method = 'GET' } = {}) {
        const url = new URL(server.url);
        this.seatCount = seatCount;
        this.onFrame = onFrame;
        this.events = [];
        this.record = []; /* {event, id, data} */
        this.frames = 0;
        this.bytes = 0;
        this.comments = 0;
        this.head = null;
        this.isClosed = false;
        this.text = '';
        this.parser = new EventParser();
        const query = lastId === undefined ? '' : `?last_event_id=${encodeURIComponent(lastId)}`;
        const lines = [`${method} /v1/events/${eventId}/live${query} HTTP/1.1`, `host: ${url.host}`];
        if (header !== undefined) lines.push(`last-event-id: ${header}`);
        if (token) lines.push(`authorization: Bearer ${token}`);
        const options = { host: url.hostname, port: url.port };
        this.socket = url.protocol === 'https:' ? tls.connect({ ...options, ca: server.ca, servername: 'localhost' }) : net.connect(options);
        this.socket.write(`${lines.join('\r\n')}\r\n\r\n`);
        this.socket.on('data', (chunk) => this.#take(chunk));
        this.socket.on('error', () => {});
        this.socket.on('close', () => (this.isClosed = true));
        this.socket.unref();
    }

    get status() {
        return this.head && Number(this.head.split(' ')[1]);
    }

    #take(chunk) {
        this.bytes += chunk.length;
        let text = chunk.toString('latin1');
        if (!this.head) {
            this.text += text;
            const end = this.text.indexOf('\r\n\r\n');
            if (end < 0) return;
            this.head = this.text.slice(0, end);
            text = this.text.slice(end + 4);
        }
        if (this.status === 200) for (const event of this.parser.take(text)) this.#apply(event);
        else this.body = (this.body ?? '') + text;
    }

    #apply(event) {
        if (event.comment) {
            this.comments++;
            return;
        }
        if (event.retry) this.retry = Number(event.retry);
        if (!event.event) return;
        const data = JSON.parse(event.data);
        event.data = data;
        this.last = event.event;
        if (event.event === 'snapshot') {
            const bits = Buffer.from(data.seats, 'base64');
            this.seats = unpack(bits, this.seatCount ?? bits.length * 4);
            this.areas = new Map();
        }
        if (event.event === 'delta') for (const [seat, state] of data.changes) this.seats[seat] = state;
        for (const [area, free] of data.areas ?? []) this.areas.set(area, free);
        if (event.id) {
            this.id = event.id;
            this.version = data.version;
            this.frames++;
        }
        this.events.push(event.event);
        this.record.push(event);
        this.onFrame?.(this, event);
    }

    /* Goes on from another listener's state, as a page does that has lost its connection. */
    adopt(other) {
        this.seats = [...other.seats];
        this.areas = new Map(other.areas);
        return this;
    }

    pause() {
        this.socket.pause();
    }
    resume() {
        this.socket.resume();
    }

    until(probe, what) {
        return until(() => probe(this), { what: what ?? 'a frame' });
    }
    opened() {
        return this.until(() => this.frames > 0 || this.isClosed, 'the first frame');
    }
    closed() {
        return this.until(() => this.isClosed, 'the stream to end');
    }
    close() {
        this.socket.destroy();
    }
}

/* The truth of this moment, from the database by way of the API: {version, seats, areas}. */
export async function mapOf(api, eventId) {
    /* A stalled machine may be too busy for a large map. */
    const get = (path) => until(async () => {
        const answer = await api.get(path);
        return answer.status !== 503 && answer;
    }, { what: path });
    const seats = await get(`/v1/events/${eventId}/seats`);
    const availability = await get(`/v1/events/${eventId}/availability`);
    return {
        version: seats.json.version,
        seats: seats.json.seats.map(({ status }) => STATES.indexOf(status)),
        areas: availability.json.areas.map(({ available }) => available),
    };
}
