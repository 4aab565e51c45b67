/*
 * Judges what a listener of a live map was told by the event's journal, and knows nothing of the server's memory. The promise: after a
 * frame of version V each seat is shown in the state that it had at version V or at a later one; and when nothing more happens, in its last.
 */
import { unpack } from './live.mjs';

const FREE = 0, HELD = 1, BOOKED = 2, BLOCKED = 3;
const KINDS = {
    'booking.held': HELD,
    'booking.confirmed': BOOKED,
    'booking.expired': FREE,
    'booking.cancelled': FREE,
    'booking.failed': FREE,
    'tickets.revoked': FREE,
    'seats.blocked': BLOCKED,
    'seats.unblocked': FREE,
};

/* What became of each place of the event, by version. capacities: of its areas, by number. */
export class Timeline {
    static async read(server, eventId, seatCount, capacities = []) {
        const timeline = new Timeline(seatCount, capacities);
        const digits = '0123456789abcdefghjkmnpqrstvwxyz';
        const id = [...eventId.split('_')[1]].reduce((sum, digit) => sum * 32n + BigInt(digits.indexOf(digit)), 0n);
        const rows = await server.sql(`SELECT version, type, data FROM journal WHERE shard = ${id} ORDER BY version`);
        for (const [version, type, data] of rows) timeline.take(Number(version), type, JSON.parse(data));
        return timeline;
    }

    constructor(seatCount, capacities) {
        this.seats = Array.from({ length: seatCount }, () => [[0, FREE]]);
        this.areas = capacities.map((free) => [[0, free]]);
        this.version = 0;
        this.changes = 0;
    }

    take(version, type, data) {
        this.version = version;
        if (!(type in KINDS)) return;
        for (const seat of data.seats ?? []) this.seats[Array.isArray(seat) ? seat[0] : seat].push([version, KINDS[type]]);
        for (const [area, free] of data.areas_free ?? []) this.areas[area].push([version, free]);
        this.changes++;
    }

    /* Whether the place had the state at this version or has had it since. */
    static allows(history, version, state) {
        for (let i = history.length - 1; i >= 0; i--) {
            if (history[i][1] === state) return true;
            if (history[i][0] <= version) return false;
        }
        return false;
    }

    /* The faults of a whole stream, as recorded: [{event, id, data}]; from: {seats, areas} that it went on from; isAtRest: nothing more happens. */
    faults(frames, { from, isAtRest = true } = {}) {
        const faults = [];
        let seats = from?.seats && [...from.seats];
        const areas = new Map(from?.areas ?? []);
        let last = 0;
        const look = (what, version) => {
            seats.forEach((state, seat) => {
                if (!Timeline.allows(this.seats[seat], version, state)) faults.push(`${what}: seat ${seat} is ${state} at ${version}`);
            });
            for (const [area, free] of areas)
                if (!Timeline.allows(this.areas[area], version, free)) faults.push(`${what}: area ${area} has ${free} at ${version}`);
        };
        for (const { event, data } of frames) {
            if (event !== 'snapshot' && event !== 'delta') continue;
            if (event === 'snapshot') {
                seats = unpack(Buffer.from(data.seats, 'base64'), this.seats.length);
                if ((data.areas ?? []).length !== this.areas.length) faults.push('a snapshot without all areas');
            } else if (!seats) {
                faults.push('a delta before a snapshot');
                break;
            }
            for (const [seat, state] of data.changes ?? []) seats[seat] = state;
            for (const [area, free] of data.areas ?? []) areas.set(area, free);
            if (data.version < last) faults.push(`version ${data.version} after ${last}`);
            last = data.version;
            look(`${event} ${last}`, last);
        }
        if (!seats) faults.push('no snapshot');
        else if (isAtRest) look('the end', this.version);
        return faults;
    }
}
