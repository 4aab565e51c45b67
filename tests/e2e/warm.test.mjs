/* Before the sale: what is about to be sold is in memory, also after a restart, and /readyz says when it is not. */
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { Foyer } from './lib/server.mjs';
import { DAY, iso, sale } from './lib/seed.mjs';
import { until } from './lib/wait.mjs';

const MINUTE = 60 * 1000;
let server;
before(async () => (server = await Foyer.start()));
after(() => server.stop());

const isWarm = (count) => until(async () => (await server.metric('foyer_warm_events')) === count, { what: `${count} events to be ready` });
const ready = () => server.anonymous.get('/readyz', { unchecked: true });
const patch = async (event, more) => {
    const answer = await server.admin.patch(`/v1/events/${event.id}`, more);
    assert.equal(answer.status, 200, answer.text);
};

test('an event is ready a quarter of an hour before its sale, after a restart too, and no longer when the sale moves away', async () => {
    const now = await server.now();
    const event = await sale(server, { onsale_at: iso(now + 20 * MINUTE) });
    await sale(server, { onsale_at: iso(now + 5 * DAY) });
    await sale(server, { onsale_at: iso(now - 2 * DAY) });
    await server.advance(4 * MINUTE);
    assert.equal(await server.metric('foyer_warm_events'), 0);
    await server.advance(2 * MINUTE);
    await isWarm(1);
    assert.equal((await ready()).status, 200);
    await patch(event, { name: 'Another name' }); /* takes the model away, which is made anew */
    await isWarm(1);
    await patch(event, { onsale_at: iso(now + 3 * DAY) });
    await isWarm(0);
    /* A restart takes the jumps of the clock back: this one is due by the machine's own time. */
    await sale(server, { onsale_at: iso(Date.now() + 10 * MINUTE) });
    await server.restart();
    await isWarm(1);
    assert.equal((await ready()).status, 200);
});

test('a node is not ready while one is not there, but a damaged one does not keep it so for ever', async () => {
    const event = await sale(server, { onsale_at: iso((await server.now()) + 60 * MINUTE) });
    await server.restart(); /* forgets what publishing has loaded */
    const [[venue]] = await server.sql('SELECT MAX(venue_id) FROM event');
    await server.sql(`DELETE FROM venue_seat WHERE venue_id = ${venue} AND seat_no = 3`);
    await server.advance(46 * MINUTE);
    const answer = await until(async () => {
        const one = await ready();
        return one.status === 503 && one;
    }, { what: 'the node not to be ready' });
    assert.match(answer.text, new RegExp(`warm: ${event.id}`));
    await server.advance(MINUTE);
    await until(async () => (await ready()).status === 200, { what: 'the node to be ready without it' });
});
