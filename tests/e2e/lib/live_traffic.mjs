/*
 * A busy event and those who listen to its live map: people on one server or several take steps at the same time, listeners come again
 * when their stream ends, and every request gets its definite answer, whatever happens to the servers meanwhile.
 */
import { newKey } from './api.mjs';
import { Listener, mapOf } from './live.mjs';
import { Timeline } from './live_judge.mjs';
import { plan } from './seed.mjs';
import { until } from './wait.mjs';

export const ROWS = 40, SEATS = 40, COUNT = ROWS * SEATS;
export const CAPACITIES = [60, 40];
export const hall = () => plan({ rows: ROWS, seats: SEATS, areas: CAPACITIES.map((capacity, i) => ({ guid: `floor-${i}`, capacity })) });
export const FREE = { front: 0, back: 0 };
export const some = (count) => Math.floor(Math.random() * count);
export const seatId = (index) => `S1-R${Math.floor(index / SEATS) + 1}-${(index % SEATS) + 1}`;

export const listen = (t, where, eventId, options = {}) => {
    const listener = new Listener(where, eventId, { seatCount: COUNT, ...options });
    t.after(() => listener.close());
    return listener;
};

/* One person's next step; refusals are part of it. ask(api => answer) is how a request gets its definite answer. */
const STEPS = [
    ({ ask, event }) => ask((api, key) => api.hold(event.id, [...new Set([0, 1, 2].map(() => seatId(some(COUNT))))], key)),
    ({ ask, event }) => ask((api, key) => api.hold(event.id, { areas: [{ area_id: `floor-${some(2)}`, quantity: 1 + some(3) }] }, key)),
    ({ ask, mine }) => mine.length > 0 && ask((api) => api.delete(`/v1/bookings/${mine[some(mine.length)]}`)),
    ({ ask, mine }) => mine.length > 0 && ask((api) => api.post(`/v1/bookings/${mine[some(mine.length)]}/checkout`)),
];
const ORGANIZER_STEPS = [
    ({ ask, event }) => ask((api) => api.post(`/v1/events/${event.id}/blocks`, { seat_ids: [seatId(some(COUNT)), seatId(some(COUNT))].filter((id, i, all) => all.indexOf(id) === i) })),
    ({ ask, event }) => ask((api) => api.delete(`/v1/events/${event.id}/blocks`, { seat_ids: [seatId(some(COUNT))] })),
    ({ ask, mine }) => mine.length > 0 && ask((api) => api.post(`/v1/bookings/${mine[some(mine.length)]}/refund`, {})),
];

/* Many people take so many steps at the same time. between(step): what else happens. */
export async function traffic({ event, asks, organizer, steps, between = async () => {} }) {
    const all = [];
    let done = 0;
    const walk = async (ask, kinds, mine) => {
        while (done < steps) {
            const step = ++done;
            const answer = await kinds[some(kinds.length)]({ ask, event, mine });
            if (answer && answer.status === 201) mine.push(answer.json.id) && all.push(answer.json.id);
            await between(step);
        }
    };
    await Promise.all([...asks.map((ask) => walk(ask, STEPS, [])), walk(organizer, ORGANIZER_STEPS, all)]);
}

export const askOf = (api) => (send) => send(api);

/* Until the listener, or the one that a function says it is now, shows what /seats does. */
export async function settled(where, event, one) {
    await until(async () => {
        const map = await mapOf(where.anonymous, event.id);
        const listener = typeof one === 'function' ? one() : one;
        return listener.seats?.every((state, i) => state === map.seats[i]) && map.areas.every((free, i) => listener.areas.get(i) === free);
    }, { what: 'the live map to show what /seats shows' });
}

export const timelineOf = (where, event) => Timeline.read(where, event.id, COUNT, CAPACITIES);

/* A listener that comes again whenever its stream ends, with its last id, at whatever server() is then: {parts, stop}. */
export function follow(t, where, event) {
    const parts = []; /* {listener, from} */
    let isStopped = false;
    const open = () => {
        const before = parts.at(-1)?.listener;
        const hasState = before?.frames > 0;
        const from = hasState ? { seats: before.seats, areas: before.areas } : parts.at(-1)?.from;
        const listener = listen(t, where(), event.id, { header: hasState ? before.id : undefined });
        if (from) listener.adopt(from);
        parts.push({ listener, from });
    };
    open();
    const timer = setInterval(() => {
        const { listener } = parts.at(-1);
        if (!isStopped && listener.isClosed && where().isRunning()) open();
    }, 20);
    t.after(() => clearInterval(timer));
    return {
        parts,
        get last() {
            return parts.at(-1).listener;
        },
        /* What each part was told is right; the last one ends at rest. */
        faults(timeline) {
            isStopped = true;
            return parts.flatMap(({ listener, from }, i) =>
                listener.frames > 0 ? timeline.faults(listener.record, { from, isAtRest: i === parts.length - 1 }) : []);
        },
    };
}

/* A request's definite answer from one of these servers, whatever happens to them meanwhile. */
export const stubborn = (servers, token) => (send) => {
    const key = newKey();
    let turn = 0;
    return until(async () => {
        const one = servers()[turn++ % servers().length];
        try {
            const answer = await send(one.as(token), key);
            return answer.status < 500 && answer;
        } catch {
            return null;
        }
    }, { what: 'a definite answer' });
};
