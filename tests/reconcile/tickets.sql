-- An independent reconciliation of tickets.db: what docs/design/tickets.md promises, asked of the rows by SQLite's own shell. Written from the
-- requirements and the schema, not from src/tickets/audit*.c, and in another way: it replays the journal from its first row and holds every
-- table against what the replay gives. tests/e2e/lib/reconcile.mjs runs it, adds the hash chains (the shell has no SHA-256), and reads `finding`.
--
-- Each question inserts (name, line) per contradiction. What a row of the journal cannot say is left out of the comparison, with the reason.
CREATE TEMP TABLE finding (name TEXT NOT NULL, line TEXT); -- a line may be nothing where the row itself says nothing
INSERT INTO finding SELECT 'file-damaged', integrity_check FROM main.pragma_integrity_check WHERE integrity_check <> 'ok';

-- Rows are read from the tables themselves, never through an index of the file, which could be the part that is wrong.
CREATE TEMP TABLE ticket AS SELECT * FROM main.ticket NOT INDEXED;
CREATE INDEX temp.own_ticket ON ticket (event_id, booking_id);
CREATE INDEX temp.own_ticket_area ON ticket (event_id, area_no);
CREATE TEMP TABLE payment AS SELECT * FROM main.payment NOT INDEXED;
CREATE INDEX temp.own_payment ON payment (event_id, booking_id);
CREATE INDEX temp.own_payment_id ON payment (id);
CREATE TEMP TABLE refund AS SELECT * FROM main.refund NOT INDEXED;
CREATE INDEX temp.own_refund ON refund (payment_id);

-- ---- The journal, as told ----
CREATE TEMP TABLE told AS
    SELECT seq, shard AS event, version, at_ms, type, CASE WHEN json_valid(data) THEN data ELSE '{}' END AS data FROM main.journal;
CREATE INDEX temp.told_by_event ON told (event, version);
INSERT INTO finding SELECT 'journal-not-json', 'journal row ' || seq FROM main.journal WHERE NOT json_valid(data);
INSERT INTO finding SELECT 'journal-seq', 'journal row ' || seq || ' comes after ' || before
    FROM (SELECT seq, lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM told) WHERE seq <> before + 1;
INSERT INTO finding SELECT 'journal-versions', 'journal row ' || seq || ' of ' || event || ' has version ' || version || ' at place ' || place
    FROM (SELECT seq, event, version, row_number() OVER (PARTITION BY event ORDER BY seq) AS place FROM told) WHERE version <> place;
INSERT INTO finding SELECT 'journal-heads', 'head of ' || h.shard || ' is at ' || h.version || ', its rows end at ' ||
        coalesce(t.last, 'nothing')
    FROM main.journal_head h LEFT JOIN (SELECT event, max(version) AS last FROM told GROUP BY event) t ON t.event = h.shard
    WHERE h.version IS NOT t.last;
INSERT INTO finding SELECT 'journal-heads', 'head of ' || event || ' is missing' FROM told WHERE event NOT IN (SELECT shard FROM main.journal_head) GROUP BY event;
INSERT INTO finding SELECT 'journal-heads', 'head of ' || h.shard || ' is not the hash of its last row'
    FROM main.journal_head h JOIN main.journal j ON j.shard = h.shard AND j.version = h.version WHERE j.hash IS NOT h.hash OR length(h.hash) <> 32;
INSERT INTO finding SELECT 'journal-of-nothing', 'journal row ' || seq || ' is about ' || event || ', which is neither an event nor a venue'
    FROM told WHERE event NOT IN (SELECT id FROM main.event UNION ALL SELECT id FROM main.venue);

-- ---- Bookings: the life of each, step by step ----
CREATE TEMP TABLE step AS
    SELECT seq, event, version, at_ms, substr(type, 9) AS what, data ->> '$.booking' AS booking, data ->> '$.account' AS account,
        data ->> '$.seats' AS seats, data ->> '$.areas' AS areas, data ->> '$.amount' AS amount, data ->> '$.currency' AS currency,
        data ->> '$.expires_at' AS expires_at, data ->> '$.key' AS key
    FROM told WHERE type IN ('booking.held', 'booking.payment_pending', 'booking.confirmed', 'booking.expired', 'booking.cancelled',
        'booking.failed', 'booking.extended');
CREATE INDEX temp.step_by_booking ON step (event, booking, version);
CREATE TEMP TABLE path AS SELECT *, lag(what, 1, 'nothing') OVER (PARTITION BY event, booking ORDER BY version) AS before FROM step WHERE what <> 'extended';
INSERT INTO finding SELECT 'booking-life', 'booking ' || booking || ' of ' || event || ' went from ' || before || ' to ' || what
    FROM path WHERE before || ' ' || what NOT IN ('nothing held', 'held payment_pending', 'held confirmed', 'held expired', 'held cancelled', 'held failed',
        'payment_pending confirmed', 'payment_pending expired', 'payment_pending cancelled', 'payment_pending failed', 'expired confirmed', 'failed confirmed');
CREATE TEMP TABLE replayed AS
    SELECT h.event, h.booking AS id, h.account, h.amount, h.currency, h.seats, h.areas, lower(h.key) AS key, h.at_ms AS created_at,
        l.what, CASE WHEN l.what IN ('held', 'payment_pending') THEN NULL ELSE l.at_ms END AS ended_at, h.expires_at,
        (SELECT count(*) FROM step x WHERE x.event = h.event AND x.booking = h.booking AND x.what = 'extended') AS extensions
    FROM path h JOIN (SELECT event, booking, what, at_ms, row_number() OVER (PARTITION BY event, booking ORDER BY version DESC) AS nth FROM path) l
        ON l.event = h.event AND l.booking = h.booking AND l.nth = 1
    WHERE h.what = 'held';
CREATE INDEX temp.replayed_by_id ON replayed (event, id);
CREATE TEMP TABLE found AS
    SELECT event_id AS event, id, account_id AS account, amount, currency, seats, areas, lower(hex(key_hash)) AS key, created_at,
        CASE state WHEN 1 THEN 'held' WHEN 2 THEN 'payment_pending' WHEN 3 THEN 'confirmed' WHEN 4 THEN 'expired' WHEN 5 THEN 'cancelled'
            WHEN 6 THEN 'failed' ELSE 'state ' || state END AS what, ended_at
    FROM main.booking;
INSERT INTO finding SELECT 'bookings-by-journal', 'booking ' || id || ' of ' || event || ' stands as ' || what || ', the journal does not tell it so'
    FROM (SELECT event, id, account, amount, currency, seats, areas, key, created_at, what, ended_at FROM found EXCEPT
          SELECT event, id, account, amount, currency, seats, areas, key, created_at, what, ended_at FROM replayed);
INSERT INTO finding SELECT 'bookings-by-journal', 'booking ' || id || ' of ' || event || ' should be ' || what || ' and is not there like that'
    FROM (SELECT event, id, account, amount, currency, seats, areas, key, created_at, what, ended_at FROM replayed EXCEPT
          SELECT event, id, account, amount, currency, seats, areas, key, created_at, what, ended_at FROM found);
INSERT INTO finding SELECT 'booking-changed', 'booking ' || s.booking || ' of ' || s.event || ' is another at ' || s.what || ' than when it was held'
    FROM step s JOIN replayed r ON r.event = s.event AND r.id = s.booking
    WHERE (s.account, s.amount, s.currency, s.seats, s.areas) IS NOT (r.account, r.amount, r.currency, r.seats, r.areas);
INSERT INTO finding SELECT 'hold-length', 'booking ' || b.id || ' of ' || b.event_id || ' ends at ' || b.expires_at || ', it was held until ' || r.expires_at
    FROM main.booking b JOIN replayed r ON r.event = b.event_id AND r.id = b.id
    WHERE b.expires_at <> r.expires_at + b.extended_ms OR (b.extended_ms > 0) <> (r.extensions > 0) OR r.extensions > 1 OR b.extended_ms NOT BETWEEN 0 AND 600000;
INSERT INTO finding SELECT 'too-many-places', 'booking ' || b.id || ' of ' || b.event_id || ' has ' || b.places || ' places'
    FROM main.booking b JOIN main.event e ON e.id = b.event_id WHERE b.places > min(6, e.per_booking) OR b.places < 1;

-- ---- Caps against bots: nobody has more than the event's highest cap let them have. A booking without a network was not counted. ----
INSERT INTO finding SELECT 'given-back', 'booking ' || b.id || ' of ' || b.event_id || ' counts ' || b.given_back || ' as given back'
    FROM main.booking b WHERE b.given_back <> (SELECT count(*) FROM temp.ticket t WHERE t.event_id = b.event_id AND t.booking_id = b.id AND t.state = 1);
CREATE TEMP TABLE cap AS
    SELECT e.id AS event, e.per_account AS account,
        max(e.per_device, e.per_card, coalesce((SELECT max(max(data ->> '$.abuse.per_device', data ->> '$.abuse.per_card')) FROM told WHERE event = e.id AND type LIKE 'event.%'), 0)) AS device,
        max(e.per_card, coalesce((SELECT max(data ->> '$.abuse.per_card') FROM told WHERE event = e.id AND type LIKE 'event.%'), 0)) AS card,
        20 * max(e.per_network, coalesce((SELECT max(data ->> '$.abuse.per_network') FROM told WHERE event = e.id AND type LIKE 'event.%'), 0)) AS network
    FROM main.event e;
CREATE TEMP TABLE counted AS
    SELECT 'account' AS kind, event_id AS event, id, account_id AS name, places - given_back AS places FROM main.booking WHERE network NOTNULL AND +state BETWEEN 1 AND 3
    UNION SELECT 'device', event_id, id, device, places - given_back FROM main.booking WHERE network NOTNULL AND device NOTNULL AND +state BETWEEN 2 AND 3
    UNION SELECT 'device', event_id, id, pay_device, places - given_back FROM main.booking WHERE network NOTNULL AND pay_device NOTNULL AND +state BETWEEN 2 AND 3
    UNION SELECT 'network', event_id, id, network, places - given_back FROM main.booking WHERE network NOTNULL AND +state BETWEEN 1 AND 3
    UNION SELECT 'network', event_id, id, pay_network, places - given_back FROM main.booking WHERE network NOTNULL AND pay_network NOTNULL AND +state BETWEEN 1 AND 3
    UNION SELECT 'card', event_id, id, card, places - given_back FROM main.booking WHERE card NOTNULL AND +state = 3;
INSERT INTO finding SELECT 'cap-of-' || n.kind, n.kind || ' ' || n.name || ' has ' || sum(n.places) || ' places of ' || n.event
    FROM counted n JOIN cap c ON c.event = n.event GROUP BY n.kind, n.event, n.name
    HAVING sum(n.places) > CASE n.kind WHEN 'account' THEN c.account WHEN 'device' THEN c.device WHEN 'card' THEN c.card ELSE c.network END;

-- ---- Prices: a place costs what its category cost ----
CREATE TEMP TABLE place AS
    SELECT b.event_id AS event, b.id AS booking, s.value ->> '$[0]' AS seat, NULL AS area, 1 AS quantity, s.value ->> '$[1]' AS price
        FROM main.booking b, json_each(CASE WHEN json_valid(b.seats) THEN b.seats ELSE '[]' END) s
    UNION ALL SELECT b.event_id, b.id, NULL, a.value ->> '$[0]', a.value ->> '$[1]', a.value ->> '$[2]'
        FROM main.booking b, json_each(CASE WHEN json_valid(b.areas) THEN b.areas ELSE '[]' END) a;
CREATE INDEX temp.place_by_booking ON place (event, booking);
INSERT INTO finding SELECT 'price-of-place', 'booking ' || p.booking || ' of ' || p.event || ': seat ' || p.seat || ' for ' || p.price
    FROM place p WHERE p.seat IS NOT NULL AND NOT EXISTS (SELECT 1 FROM main.event e
        JOIN main.venue_seat v ON v.venue_id = e.venue_id AND v.plan_version = e.plan_version AND v.seat_no = p.seat
        JOIN main.event_price c ON c.event_id = e.id AND c.category_no = v.category_no WHERE e.id = p.event AND c.price = p.price);
INSERT INTO finding SELECT 'price-of-place', 'booking ' || p.booking || ' of ' || p.event || ': area ' || p.area || ' for ' || p.price
    FROM place p WHERE p.area IS NOT NULL AND NOT EXISTS (SELECT 1 FROM main.event_area a
        JOIN main.event_price c ON c.event_id = a.event_id AND c.category_no = a.category_no WHERE a.event_id = p.event AND a.area_no = p.area AND c.price = p.price);
INSERT INTO finding SELECT 'booking-total', 'booking ' || b.id || ' of ' || b.event_id || ': ' || b.amount || ' for ' || b.places || ' places, which are ' || p.n || ' at ' || p.total
    FROM main.booking b LEFT JOIN (SELECT event, booking, sum(quantity) AS n, sum(quantity * price) AS total FROM place GROUP BY event, booking) p
        ON p.event = b.event_id AND p.booking = b.id WHERE b.amount IS NOT p.total OR b.places IS NOT p.n;

-- ---- Seats: whose each one was at every moment ----
CREATE TEMP TABLE move AS
    SELECT s.event, s.version, v.value ->> '$[0]' AS seat, s.booking, CASE s.what WHEN 'held' THEN 1 WHEN 'confirmed' THEN 2 ELSE 0 END AS becomes
        FROM step s, json_each(s.seats) v WHERE s.what IN ('held', 'confirmed', 'expired', 'cancelled', 'failed')
    UNION ALL SELECT t.event, t.version, v.value ->> '$[0]', t.data ->> '$.booking', 0 FROM told t, json_each(t.data, '$.seats') v WHERE t.type = 'tickets.revoked'
    UNION ALL SELECT t.event, t.version, v.value, 0, CASE t.type WHEN 'seats.blocked' THEN 3 ELSE 0 END FROM told t, json_each(t.data, '$.seats') v
        WHERE t.type IN ('seats.blocked', 'seats.unblocked');
CREATE TEMP TABLE seat_history AS
    SELECT event, version, seat, booking, becomes, lag(becomes, 1, 0) OVER w AS was, lag(booking, 1, 0) OVER w AS owner,
        row_number() OVER (PARTITION BY event, seat ORDER BY version DESC) AS nth
    FROM move WINDOW w AS (PARTITION BY event, seat ORDER BY version);
INSERT INTO finding SELECT 'seat-granted-twice', 'seat ' || seat || ' of ' || event || ' went to booking ' || booking || ' at version ' || version || ' while ' || owner || ' had it'
    FROM seat_history WHERE becomes > 0 AND was > 0 AND NOT (becomes = 2 AND was = 1 AND owner = booking);
INSERT INTO finding SELECT 'seat-freed-by-another', 'seat ' || seat || ' of ' || event || ' was freed at version ' || version || ' for ' || booking || ', owner ' || owner
    FROM seat_history WHERE becomes = 0 AND (was = 0 OR owner IS NOT booking);
CREATE TEMP TABLE seat_now AS SELECT event, seat, booking, becomes AS state FROM seat_history WHERE nth = 1 AND becomes > 0;
INSERT INTO finding SELECT 'seats-by-journal', 'seat ' || seat_no || ' of ' || event_id || ' is claimed for ' || booking_id || ', the journal has it otherwise'
    FROM (SELECT event_id, seat_no, booking_id, state FROM main.seat_claim EXCEPT SELECT event, seat, booking, state FROM seat_now);
INSERT INTO finding SELECT 'seats-by-journal', 'seat ' || seat || ' of ' || event || ' is not claimed for ' || booking || ', as the journal has it'
    FROM (SELECT event, seat, booking, state FROM seat_now EXCEPT SELECT event_id, seat_no, booking_id, state FROM main.seat_claim);

-- The same without the journal: who says it owns a seat, by bookings that are open and tickets that are good.
CREATE TEMP TABLE owner AS
    SELECT p.event, p.seat, p.booking, 1 AS state FROM place p JOIN main.booking b ON b.event_id = p.event AND b.id = p.booking WHERE p.seat IS NOT NULL AND b.state IN (1, 2)
    UNION ALL SELECT event_id, seat_no, booking_id, 2 FROM temp.ticket WHERE state = 0 AND seat_no IS NOT NULL;
INSERT INTO finding SELECT 'seat-owned-twice', 'seat ' || seat || ' of ' || event || ' belongs to ' || group_concat(booking, ' and ')
    FROM owner GROUP BY event, seat HAVING count(*) > 1;
INSERT INTO finding SELECT 'seats-by-owners', 'seat ' || seat_no || ' of ' || event_id || ' is claimed for ' || booking_id || ', who does not own it'
    FROM (SELECT event_id, seat_no, booking_id, state FROM main.seat_claim WHERE state <> 3 EXCEPT SELECT event, seat, booking, state FROM owner);
INSERT INTO finding SELECT 'seats-by-owners', 'seat ' || seat || ' of ' || event || ' is owned by ' || booking || ' without a claim'
    FROM (SELECT event, seat, booking, state FROM owner EXCEPT SELECT event_id, seat_no, booking_id, state FROM main.seat_claim);
INSERT INTO finding SELECT 'seat-unknown', 'seat ' || seat_no || ' of ' || event_id || ' is claimed and is in no plan'
    FROM main.seat_claim c WHERE NOT EXISTS (SELECT 1 FROM main.event e JOIN main.venue_seat v
        ON v.venue_id = e.venue_id AND v.plan_version = e.plan_version AND v.seat_no = c.seat_no WHERE e.id = c.event_id);

-- ---- Areas ----
CREATE TEMP TABLE area_told AS
    SELECT e.id AS event, a.guid, a.name, a.capacity FROM main.event e JOIN main.venue_area a ON a.venue_id = e.venue_id AND a.plan_version = e.plan_version
    UNION ALL SELECT t.event, a.value ->> '$.id', a.value ->> '$.name', a.value ->> '$.capacity' FROM told t, json_each(t.data, '$.areas') a WHERE t.type = 'areas.added';
INSERT INTO finding SELECT 'area-capacity', 'area ' || guid || ' of ' || event_id || ' has ' || capacity || ' places, nobody made it so'
    FROM (SELECT event_id, guid, name, capacity FROM main.event_area EXCEPT SELECT event, guid, name, capacity FROM area_told);
INSERT INTO finding SELECT 'area-capacity', 'area ' || guid || ' of ' || event || ' was made with ' || capacity || ' places, and is not there'
    FROM (SELECT event, guid, name, capacity FROM area_told EXCEPT SELECT event_id, guid, name, capacity FROM main.event_area);
CREATE TEMP TABLE area_move AS
    SELECT p.event, p.version, a.value ->> '$[0]' AS area, CASE WHEN p.what IN ('held', 'confirmed') THEN 1 ELSE -1 END * (a.value ->> '$[1]') AS taken
        FROM path p, json_each(p.areas) a
        WHERE p.what IN ('held', 'expired', 'cancelled', 'failed') OR (p.what = 'confirmed' AND p.before IN ('expired', 'failed'))
    UNION ALL SELECT t.event, t.version, a.value ->> '$[0]', -(a.value ->> '$[1]') FROM told t, json_each(t.data, '$.areas') a WHERE t.type = 'tickets.revoked';
INSERT INTO finding SELECT 'area-oversold', 'area ' || m.area || ' of ' || m.event || ' had ' || m.taken || ' of ' || a.capacity || ' places taken at version ' || m.version
    FROM (SELECT event, area, version, sum(taken) OVER (PARTITION BY event, area ORDER BY version) AS taken FROM area_move) m
    JOIN main.event_area a ON a.event_id = m.event AND a.area_no = m.area WHERE m.taken > a.capacity OR m.taken < 0;
INSERT INTO finding SELECT 'areas-by-journal', 'area ' || a.area_no || ' of ' || a.event_id || ' has ' || a.available || ' free, by the journal ' || (a.capacity - coalesce(m.taken, 0))
    FROM main.event_area a LEFT JOIN (SELECT event, area, sum(taken) AS taken FROM area_move GROUP BY event, area) m ON m.event = a.event_id AND m.area = a.area_no
    WHERE a.available <> a.capacity - coalesce(m.taken, 0);
INSERT INTO finding SELECT 'areas-by-owners', 'area ' || a.area_no || ' of ' || a.event_id || ' has ' || a.available || ' free of ' || a.capacity || ', taken are ' || taken
    FROM (SELECT *, (SELECT count(*) FROM temp.ticket t WHERE t.event_id = x.event_id AND t.area_no = x.area_no AND t.state = 0) +
        (SELECT coalesce(sum(p.quantity), 0) FROM place p JOIN main.booking b ON b.event_id = p.event AND b.id = p.booking
            WHERE p.event = x.event_id AND p.area = x.area_no AND b.state IN (1, 2)) AS taken FROM main.event_area x) a
    WHERE a.available + a.taken <> a.capacity;

-- ---- Tickets ----
CREATE TEMP TABLE due_ticket AS -- one row a kind of place of a booking that the journal says is confirmed
    SELECT r.event, r.id AS booking, v.value ->> '$[0]' AS seat, NULL AS area, v.value ->> '$[1]' AS price, 1 AS n FROM replayed r, json_each(r.seats) v WHERE r.what = 'confirmed'
    UNION ALL SELECT r.event, r.id, NULL, v.value ->> '$[0]', v.value ->> '$[2]', v.value ->> '$[1]' FROM replayed r, json_each(r.areas) v WHERE r.what = 'confirmed';
CREATE TEMP TABLE real_ticket AS
    SELECT event_id AS event, booking_id AS booking, seat_no AS seat, area_no AS area, price, count(*) AS n FROM temp.ticket GROUP BY 1, 2, 3, 4, 5;
INSERT INTO finding SELECT 'tickets-by-journal', 'booking ' || booking || ' of ' || event || ' has ' || n || ' tickets for seat ' || coalesce(seat, '-') || ' area ' || coalesce(area, '-') || ' that are not due'
    FROM (SELECT * FROM real_ticket EXCEPT SELECT * FROM due_ticket);
INSERT INTO finding SELECT 'tickets-by-journal', 'booking ' || booking || ' of ' || event || ' lacks ' || n || ' tickets for seat ' || coalesce(seat, '-') || ' area ' || coalesce(area, '-')
    FROM (SELECT * FROM due_ticket EXCEPT SELECT * FROM real_ticket);
CREATE TEMP TABLE revoked AS
    SELECT t.event, v.value AS ticket, t.data ->> '$.booking' AS booking, t.data ->> '$.refund' AS refund FROM told t, json_each(t.data, '$.tickets') v WHERE t.type = 'tickets.revoked';
-- Doors without a network tell later: the time of a scan is in the row. The earliest of a ticket is the one that its row names.
CREATE TEMP TABLE scan AS
    SELECT event, data ->> '$.ticket' AS ticket, data ->> '$.booking' AS booking, coalesce(data ->> '$.at', at_ms) AS at_ms, coalesce(data ->> '$.gate', '') AS gate, type, version
    FROM told WHERE type IN ('ticket.used', 'ticket.scanned');
CREATE TEMP TABLE used AS
    SELECT event, ticket, booking, at_ms, gate FROM (SELECT *, row_number() OVER (PARTITION BY event, ticket ORDER BY at_ms, version) AS nth FROM scan) WHERE nth = 1;
INSERT INTO finding SELECT 'ticket-revoked', 'ticket ' || id || ' of ' || event_id || ' is given back by refund ' || coalesce(refund_id, 'none') || ', the journal does not say so'
    FROM (SELECT event_id, id, booking_id, refund_id FROM temp.ticket WHERE state <> 0 OR refund_id IS NOT NULL EXCEPT SELECT event, ticket, booking, refund FROM revoked);
INSERT INTO finding SELECT 'ticket-revoked', 'ticket ' || ticket || ' of ' || event || ' was given back by refund ' || refund || ' and is good still'
    FROM (SELECT event, ticket, booking, refund FROM revoked EXCEPT SELECT event_id, id, booking_id, refund_id FROM temp.ticket WHERE state = 1);
INSERT INTO finding SELECT 'ticket-used', 'ticket ' || id || ' of ' || event_id || ' was let in, the journal does not say so'
    FROM (SELECT event_id, id, booking_id, used_at, coalesce(used_gate, '') FROM temp.ticket WHERE used_at IS NOT NULL OR used_gate IS NOT NULL
          EXCEPT SELECT event, ticket, booking, at_ms, gate FROM used);
INSERT INTO finding SELECT 'ticket-used', 'ticket ' || ticket || ' of ' || event || ' was let in, its row does not say so'
    FROM (SELECT event, ticket, booking, at_ms, gate FROM used EXCEPT SELECT event_id, id, booking_id, used_at, coalesce(used_gate, '') FROM temp.ticket);
INSERT INTO finding SELECT 'ticket-used-and-revoked', 'ticket ' || id || ' of ' || event_id FROM temp.ticket WHERE state = 1 AND used_at IS NOT NULL;
INSERT INTO finding SELECT 'ticket-used-twice', 'ticket ' || ticket || ' of ' || event FROM scan WHERE type = 'ticket.used' GROUP BY event, ticket HAVING count(*) > 1;
INSERT INTO finding SELECT 'ticket-scans', 'ticket ' || ticket_id || ' of ' || event_id || ' was scanned at ' || at_ms || ', the journal does not say so'
    FROM (SELECT event_id, ticket_id, at_ms, gate FROM main.ticket_scan EXCEPT SELECT event, ticket, at_ms, gate FROM scan);
INSERT INTO finding SELECT 'ticket-scans', 'ticket ' || ticket || ' of ' || event || ' was scanned at ' || at_ms || ', no row says so'
    FROM (SELECT event, ticket, at_ms, gate FROM scan EXCEPT SELECT event, ticket, at_ms, gate FROM used EXCEPT SELECT event_id, ticket_id, at_ms, gate FROM main.ticket_scan);

-- ---- Sums of the sale, from the rows that sell and take back ----
CREATE TEMP TABLE sale AS
    SELECT s.event, s.at_ms, json_array_length(r.seats) + (SELECT coalesce(sum(a.value ->> '$[1]'), 0) FROM json_each(r.areas) a) AS places, r.amount AS revenue, 0 AS returned, 0 AS refunded
        FROM step s JOIN replayed r ON r.event = s.event AND r.id = s.booking WHERE s.what = 'confirmed'
    UNION ALL SELECT j.event, j.at_ms, 0, 0, 1, t.price
        FROM told j, json_each(j.data, '$.tickets') v JOIN temp.ticket t ON t.event_id = j.event AND t.id = v.value WHERE j.type = 'tickets.revoked';
CREATE TEMP TABLE due_sum AS
    SELECT event AS event_id, span.ms AS span_ms, CASE span.ms WHEN 0 THEN 0 ELSE at_ms - at_ms % span.ms END AS from_ms, sum(places) AS places, sum(revenue) AS revenue, sum(returned) AS returned, sum(refunded) AS refunded
    FROM sale, (SELECT 0 AS ms UNION ALL SELECT 60000 UNION ALL SELECT 3600000) AS span GROUP BY 1, 2, 3;
INSERT INTO finding SELECT 'sale-sums', 'event ' || event_id || ' by ' || span_ms || ' ms from ' || from_ms || ' was summed otherwise than it was sold'
    FROM (SELECT * FROM main.sale_sum EXCEPT SELECT * FROM due_sum);
INSERT INTO finding SELECT 'sale-sums', 'event ' || event_id || ' by ' || span_ms || ' ms from ' || from_ms || ' was sold and not summed'
    FROM (SELECT * FROM due_sum EXCEPT SELECT * FROM main.sale_sum);

-- ---- Money ----
INSERT INTO finding SELECT 'payments-by-journal', 'payment ' || id || ' of ' || event_id || ' is not as it was made'
    FROM (SELECT event_id, id, booking_id, provider, amount, currency, created_at FROM temp.payment EXCEPT
          SELECT event, data ->> '$.payment', data ->> '$.booking', data ->> '$.provider', data ->> '$.amount', data ->> '$.currency', at_ms FROM told WHERE type = 'payment.created');
INSERT INTO finding SELECT 'payments-by-journal', 'payment ' || payment || ' of ' || event || ' was made and is not there like that'
    FROM (SELECT event, data ->> '$.payment' AS payment, data ->> '$.booking', data ->> '$.provider', data ->> '$.amount', data ->> '$.currency', at_ms FROM told WHERE type = 'payment.created' EXCEPT
          SELECT event_id, id, booking_id, provider, amount, currency, created_at FROM temp.payment);
-- That a session was opened or closed is not journalled, so 1, 2 and 5 are one to it.
CREATE TEMP TABLE payment_end AS
    SELECT event, data ->> '$.payment' AS payment, max(type = 'payment.succeeded') AS is_paid, max(type = 'payment.failed') AS is_failed FROM told
    WHERE type IN ('payment.succeeded', 'payment.failed') GROUP BY 1, 2;
INSERT INTO finding SELECT 'payment-state', 'payment ' || p.id || ' of ' || p.event_id || ' is in state ' || p.state
    FROM temp.payment p LEFT JOIN payment_end e ON e.event = p.event_id AND e.payment = p.id
    WHERE CASE WHEN e.is_paid THEN p.state <> 3 WHEN e.is_failed THEN p.state <> 4 ELSE p.state NOT IN (1, 2, 5) END;
INSERT INTO finding SELECT 'payment-of-booking', 'payment ' || p.id || ' of ' || p.event_id || ' asks ' || p.amount || ' ' || p.currency || ' for a booking of ' || coalesce(b.amount || ' ' || b.currency, 'nobody')
    FROM temp.payment p LEFT JOIN main.booking b ON b.event_id = p.event_id AND b.id = p.booking_id WHERE b.amount IS NOT p.amount OR b.currency IS NOT p.currency;
-- A capture is told as the payment's success, as a mismatch, or by the refund of a second one.
CREATE TEMP TABLE money_told AS
    SELECT event, data ->> '$.payment' AS payment, data ->> '$.amount' AS amount, data ->> '$.currency' AS currency, at_ms FROM told WHERE type IN ('payment.succeeded', 'payment.mismatch')
    UNION ALL SELECT t.event, t.data ->> '$.payment', t.data ->> '$.amount', t.data ->> '$.currency', t.at_ms FROM told t
        WHERE t.type = 'refund.requested' AND t.data ->> '$.reason' = 'already_paid' AND NOT EXISTS (SELECT 1 FROM told f WHERE f.event = t.event
            AND f.type = 'booking.confirmation_failed' AND f.data ->> '$.payment' = t.data ->> '$.payment' AND f.data ->> '$.reason' = 'already_paid');
CREATE INDEX temp.told_by_type ON told (type, event);
CREATE TEMP TABLE money AS SELECT event_id AS event, payment_id AS payment, amount, currency, at_ms FROM main.capture;
CREATE INDEX temp.money_by_payment ON money (payment);
INSERT INTO finding SELECT 'captures-by-journal', 'payment ' || payment || ' of ' || event || ' took ' || amount || ' ' || currency || ' ' || n || ' times, the journal does not say so'
    FROM (SELECT event, payment, amount, currency, at_ms, count(*) AS n FROM money GROUP BY 1, 2, 3, 4, 5 EXCEPT SELECT event, payment, amount, currency, at_ms, count(*) FROM money_told GROUP BY 1, 2, 3, 4, 5);
INSERT INTO finding SELECT 'captures-by-journal', 'payment ' || payment || ' of ' || event || ' took ' || amount || ' ' || currency || ' ' || n || ' times by the journal, not by its captures'
    FROM (SELECT event, payment, amount, currency, at_ms, count(*) AS n FROM money_told GROUP BY 1, 2, 3, 4, 5 EXCEPT SELECT event, payment, amount, currency, at_ms, count(*) FROM money GROUP BY 1, 2, 3, 4, 5);
INSERT INTO finding SELECT 'capture-reference', 'payment ' || p.id || ' of ' || p.event_id || ' names ' || coalesce(p.provider_ref, 'no capture') || ', which is not what paid it'
    FROM temp.payment p WHERE (p.state = 3) <> (p.provider_ref IS NOT NULL)
        OR (p.state = 3 AND NOT EXISTS (SELECT 1 FROM main.capture c WHERE c.provider = p.provider AND c.provider_ref = p.provider_ref AND c.payment_id = p.id AND c.amount = p.amount AND c.currency = p.currency));
INSERT INTO finding SELECT 'payment-sums', 'payment ' || id || ' of ' || event_id || ' says ' || captured || ' in and ' || refunded || ' out, its rows ' || ins || ' and ' || outs
    FROM (SELECT p.event_id, p.id, p.captured, p.refunded, (SELECT coalesce(sum(c.amount), 0) FROM money c WHERE c.event = p.event_id AND c.payment = p.id) AS ins,
        (SELECT coalesce(sum(r.amount), 0) FROM temp.refund r WHERE r.event_id = p.event_id AND r.payment_id = p.id) AS outs FROM temp.payment p)
    WHERE captured <> ins OR refunded <> outs OR outs > ins;
INSERT INTO finding SELECT 'refunds-by-journal', 'refund ' || id || ' of ' || event_id || ' is not as it was asked for'
    FROM (SELECT event_id, id, booking_id, payment_id, amount, currency, reason, created_at FROM temp.refund EXCEPT
          SELECT event, data ->> '$.refund', data ->> '$.booking', data ->> '$.payment', data ->> '$.amount', data ->> '$.currency', data ->> '$.reason', at_ms FROM told WHERE type = 'refund.requested');
INSERT INTO finding SELECT 'refunds-by-journal', 'refund ' || refund || ' of ' || event || ' was asked for and is not there like that'
    FROM (SELECT event, data ->> '$.refund' AS refund, data ->> '$.booking', data ->> '$.payment', data ->> '$.amount', data ->> '$.currency', data ->> '$.reason', at_ms FROM told WHERE type = 'refund.requested' EXCEPT
          SELECT event_id, id, booking_id, payment_id, amount, currency, reason, created_at FROM temp.refund);
INSERT INTO finding SELECT 'refund-state', 'refund ' || r.id || ' of ' || r.event_id || ' is in state ' || r.state || ', its last word is ' || coalesce(t.type, 'none')
    FROM temp.refund r LEFT JOIN (SELECT event, data ->> '$.refund' AS refund, type, row_number() OVER (PARTITION BY event, data ->> '$.refund' ORDER BY version DESC) AS nth
        FROM told WHERE type IN ('refund.requested', 'refund.succeeded', 'refund.failed')) t ON t.event = r.event_id AND t.refund = r.id AND t.nth = 1
    WHERE r.state IS NOT CASE t.type WHEN 'refund.requested' THEN 0 WHEN 'refund.succeeded' THEN 1 WHEN 'refund.failed' THEN 2 END;
INSERT INTO finding SELECT 'refund-of-capture', 'refund ' || r.id || ' of ' || r.event_id || ' gives ' || r.amount || ' ' || r.currency || ' of ' || r.provider_ref || ' back, which its payment never took'
    FROM temp.refund r WHERE NOT EXISTS (SELECT 1 FROM main.capture c WHERE c.provider_ref = r.provider_ref AND c.event_id = r.event_id AND c.payment_id = r.payment_id AND c.currency = r.currency);
INSERT INTO finding SELECT 'refunded-twice', 'of ' || c.amount || ' that ' || c.provider_ref || ' took, ' || sum(r.amount) || ' went back'
    FROM main.capture c JOIN temp.refund r ON r.event_id = c.event_id AND r.payment_id = c.payment_id AND r.provider_ref = c.provider_ref GROUP BY c.provider, c.provider_ref HAVING sum(r.amount) > c.amount;
-- Money that stays with us has bought something, and what was bought was paid: whatever the reason of a refund, for each booking alike.
INSERT INTO finding SELECT 'money-against-tickets', 'booking ' || id || ' of ' || event_id || ' has left ' || kept || ' with us and holds tickets for ' || worth
    FROM (SELECT b.event_id, b.id, (SELECT coalesce(sum(p.captured - p.refunded), 0) FROM temp.payment p WHERE p.event_id = b.event_id AND p.booking_id = b.id) AS kept,
        (SELECT coalesce(sum(t.price), 0) FROM temp.ticket t WHERE t.event_id = b.event_id AND t.booking_id = b.id AND t.state = 0) AS worth FROM main.booking b)
    WHERE kept <> worth;
INSERT INTO finding SELECT 'refund-against-tickets', 'refund ' || r.id || ' of ' || r.event_id || ' gives ' || r.amount || ' back for tickets of ' || coalesce(t.total, 0)
    FROM temp.refund r LEFT JOIN (SELECT event_id, refund_id, sum(price) AS total FROM temp.ticket WHERE refund_id IS NOT NULL GROUP BY 1, 2) t
        ON t.event_id = r.event_id AND t.refund_id = r.id WHERE t.total IS NOT NULL AND t.total <> r.amount;
INSERT INTO finding SELECT 'currency', 'booking ' || b.id || ' of ' || b.event_id || ' is in ' || b.currency || ', the event sells in ' || e.currency
    FROM main.booking b JOIN main.event e ON e.id = b.event_id WHERE b.currency <> e.currency;

-- ---- Events, as the last row about each tells it ----
CREATE TEMP TABLE event_told AS
    SELECT event, data FROM (SELECT event, data, row_number() OVER (PARTITION BY event ORDER BY version DESC) AS nth FROM told WHERE type IN ('event.created', 'event.updated', 'event.published', 'event.cancelled')) WHERE nth = 1;
INSERT INTO finding SELECT 'event-by-journal', 'event ' || e.id || ' is not what was last told of it'
    FROM main.event e LEFT JOIN event_told t ON t.event = e.id
    WHERE (e.name, e.description, e.category, e.currency, e.hold_ttl_s, e.per_booking, e.per_account, e.waiting_room, e.refund_until_s) IS NOT
        (t.data ->> '$.name', t.data ->> '$.description', t.data ->> '$.category', t.data ->> '$.currency', t.data ->> '$.hold_ttl_s', t.data ->> '$.limits.per_booking',
         t.data ->> '$.limits.per_account', t.data ->> '$.waiting_room', t.data ->> '$.refund_until_s')
    OR t.data ->> '$.abuse' IS NOT NULL AND (e.per_device, e.per_card, e.per_network, e.open_holds, (SELECT value FROM json_each('["off","auto","on"]') WHERE key = e.challenge)) IS NOT
        (t.data ->> '$.abuse.per_device', t.data ->> '$.abuse.per_card', t.data ->> '$.abuse.per_network', t.data ->> '$.abuse.open_holds', t.data ->> '$.abuse.challenge')
    OR (SELECT value FROM json_each('["draft","published","cancelled"]') WHERE key = e.status) IS NOT t.data ->> '$.status'
    OR (SELECT value FROM json_each('["reclaim","refund"]') WHERE key = e.late_payment) IS NOT t.data ->> '$.late_payment'
    OR strftime('%Y-%m-%dT%H:%M:%S', e.starts_at / 1000, 'unixepoch') || printf('.%03dZ', e.starts_at % 1000) IS NOT t.data ->> '$.starts_at'
    OR strftime('%Y-%m-%dT%H:%M:%S', e.onsale_at / 1000, 'unixepoch') || printf('.%03dZ', e.onsale_at % 1000) IS NOT t.data ->> '$.onsale_at';
INSERT INTO finding SELECT 'event-by-journal', 'event ' || event || ' was made and is gone' FROM event_told WHERE event NOT IN (SELECT id FROM main.event);
CREATE TEMP TABLE price AS
    SELECT p.event_id AS event, c.name, p.price FROM main.event_price p JOIN main.event e ON e.id = p.event_id
        LEFT JOIN main.plan_category c ON c.venue_id = e.venue_id AND c.plan_version = e.plan_version AND c.category_no = p.category_no;
CREATE TEMP TABLE price_told AS SELECT t.event, p.key AS name, p.value AS price FROM event_told t, json_each(t.data, '$.prices') p;
INSERT INTO finding SELECT 'price-by-journal', 'event ' || event || ': ' || coalesce(name, 'no category') || ' for ' || price FROM (SELECT * FROM price EXCEPT SELECT * FROM price_told);
INSERT INTO finding SELECT 'price-by-journal', 'event ' || event || ': ' || name || ' was told to cost ' || price FROM (SELECT * FROM price_told EXCEPT SELECT * FROM price);

-- ---- Children without a parent. Plans may be without their venue while they are imported; whoever starts next removes them. ----
INSERT INTO finding SELECT 'orphan', 'event ' || id || ' without its venue' FROM main.event e WHERE NOT EXISTS (SELECT 1 FROM main.plan p JOIN main.venue v ON v.id = p.venue_id WHERE p.venue_id = e.venue_id AND p.plan_version = e.plan_version);
INSERT INTO finding SELECT 'orphan', 'event_price of ' || event_id FROM main.event_price WHERE event_id NOT IN (SELECT id FROM main.event);
INSERT INTO finding SELECT 'orphan', 'event_area of ' || event_id FROM main.event_area WHERE event_id NOT IN (SELECT id FROM main.event);
INSERT INTO finding SELECT 'orphan', 'event_cancel of ' || event_id FROM main.event_cancel WHERE event_id NOT IN (SELECT id FROM main.event WHERE status = 2);
INSERT INTO finding SELECT 'orphan', 'seat_claim of ' || event_id FROM main.seat_claim WHERE event_id NOT IN (SELECT id FROM main.event);
INSERT INTO finding SELECT 'orphan', 'seat_claim ' || seat_no || ' of booking ' || booking_id FROM main.seat_claim c WHERE booking_id <> 0 AND NOT EXISTS (SELECT 1 FROM main.booking b WHERE b.event_id = c.event_id AND b.id = c.booking_id);
INSERT INTO finding SELECT 'orphan', 'booking ' || id || ' of ' || event_id FROM main.booking WHERE event_id NOT IN (SELECT id FROM main.event);
INSERT INTO finding SELECT 'orphan', 'payment ' || id || ' of booking ' || booking_id FROM temp.payment p WHERE NOT EXISTS (SELECT 1 FROM main.booking b WHERE b.event_id = p.event_id AND b.id = p.booking_id);
INSERT INTO finding SELECT 'orphan', 'capture ' || provider_ref || ' of payment ' || payment_id FROM main.capture c WHERE NOT EXISTS (SELECT 1 FROM main.payment p WHERE p.event_id = c.event_id AND p.id = c.payment_id AND p.provider = c.provider);
INSERT INTO finding SELECT 'orphan', 'refund ' || id || ' of payment ' || payment_id FROM temp.refund r WHERE NOT EXISTS (SELECT 1 FROM main.payment p WHERE p.event_id = r.event_id AND p.id = r.payment_id AND p.booking_id = r.booking_id);
INSERT INTO finding SELECT 'orphan', 'ticket ' || id || ' of booking ' || booking_id FROM temp.ticket t WHERE NOT EXISTS (SELECT 1 FROM main.booking b WHERE b.event_id = t.event_id AND b.id = t.booking_id);
INSERT INTO finding SELECT 'orphan', 'ticket ' || id || ' of area ' || area_no FROM temp.ticket t WHERE area_no IS NOT NULL AND NOT EXISTS (SELECT 1 FROM main.event_area a WHERE a.event_id = t.event_id AND a.area_no = t.area_no);
INSERT INTO finding SELECT 'orphan', 'what ' || provider || ' told in ' || provider_event_id || ' about payment ' || payment_id FROM main.provider_event x
    WHERE kind IN ('open', 'succeeded', 'failed') AND NOT EXISTS (SELECT 1 FROM main.payment p WHERE p.event_id = x.event_id AND p.id = x.payment_id);
INSERT INTO finding SELECT 'plan-counts', 'plan ' || p.plan_version || ' of ' || p.venue_id FROM main.plan p JOIN main.venue v ON v.id = p.venue_id
    WHERE p.section_count <> (SELECT count(*) FROM main.section s WHERE s.venue_id = p.venue_id AND s.plan_version = p.plan_version)
    OR p.area_count <> (SELECT count(*) FROM main.venue_area a WHERE a.venue_id = p.venue_id AND a.plan_version = p.plan_version)
    OR (p.seat_count, p.seat_count - 1) IS NOT (SELECT count(*), coalesce(max(seat_no), -1) FROM main.venue_seat s WHERE s.venue_id = p.venue_id AND s.plan_version = p.plan_version);
INSERT INTO finding SELECT 'signing-key', 'key ' || id FROM main.signing_key WHERE length(public_key) <> 32 OR length(secret_key) <> 64 OR substr(secret_key, 33) <> public_key;
INSERT INTO finding SELECT 'signing-key', 'tickets without a key' WHERE EXISTS (SELECT 1 FROM main.ticket) AND NOT EXISTS (SELECT 1 FROM main.signing_key);

-- ---- Waiting rooms: the log replayed, and what it gives held against entries, rooms, bookings ----
-- The order of the draw is recomputed in tests/e2e/lib/reconcile.mjs, because the shell has no SHA-256.
CREATE TEMP TABLE person AS SELECT * FROM main.queue_entry NOT INDEXED;
CREATE INDEX temp.own_person ON person (event_id, id);
INSERT INTO finding SELECT 'queue-twice', 'account ' || account_id || ' stands ' || count(*) || ' times in line for ' || event_id FROM temp.person WHERE ended_at IS NULL GROUP BY event_id, account_id HAVING count(*) > 1;
INSERT INTO finding SELECT 'queue-twice', 'place ' || place || ' of ' || event_id || ' belongs to ' || count(*) FROM temp.person WHERE place IS NOT NULL GROUP BY event_id, place HAVING count(*) > 1;
INSERT INTO finding SELECT 'queue-log', 'the log of ' || event_id || ' has ' || count(*) || ' rows and ends at ' || max(no) FROM main.queue_log GROUP BY event_id HAVING count(*) <> max(no) OR min(no) <> 1;
INSERT INTO finding SELECT 'queue-log', 'row ' || no || ' of ' || event_id || ' is about nobody' FROM main.queue_log l
    WHERE (kind BETWEEN 1 AND 5) <> EXISTS (SELECT 1 FROM temp.person p WHERE p.event_id = l.event_id AND p.id = l.entry_id) OR NOT EXISTS (SELECT 1 FROM main.queue_room r WHERE r.event_id = l.event_id);
CREATE TEMP TABLE walked AS
    SELECT event_id, entry_id, group_concat(CASE kind WHEN 1 THEN iif(amount = 0, 'early', 'late') WHEN 2 THEN 'in' WHEN 3 THEN 'paid' WHEN 4 THEN 'left' WHEN 5 THEN 'lapsed' END, ' ') AS way,
        max(iif(kind = 2, at_ms, NULL)) AS in_at FROM (SELECT * FROM main.queue_log WHERE entry_id <> 0 ORDER BY event_id, no) GROUP BY event_id, entry_id;
CREATE INDEX temp.walked_by_person ON walked (event_id, entry_id);
INSERT INTO finding SELECT 'queue-life', 'entry ' || p.id || ' of ' || p.event_id || ' is in state ' || p.state || ', its way was ' || coalesce(w.way, 'none')
    FROM temp.person p LEFT JOIN temp.walked w ON w.event_id = p.event_id AND w.entry_id = p.id
    WHERE coalesce(p.admitted_at, 0) <> coalesce(w.in_at, 0) OR p.is_early <> (coalesce(w.way, '') LIKE 'early%') OR coalesce(w.way, '') NOT IN (SELECT iif(s.value = 'early', 'early', 'late') || r.value FROM json_each('["early","late"]') s, json_each(
        CASE p.state WHEN 1 THEN '[""]' WHEN 2 THEN '[""]' WHEN 3 THEN '[" in"]' WHEN 4 THEN '[" in paid"]' WHEN 5 THEN '[" left"," in left"]' WHEN 6 THEN '[" in lapsed"]' ELSE '[]' END) r)
    OR (p.state = 1 AND p.place IS NOT NULL) OR (p.state = 2 AND p.place IS NULL) OR (p.state > 3) <> (p.ended_at IS NOT NULL);
INSERT INTO finding SELECT 'queue-line', 'entry ' || p.id || ' of ' || p.event_id || ' with place ' || coalesce(p.place, 'none') || ' does not fit its room'
    FROM temp.person p LEFT JOIN main.queue_room r ON r.event_id = p.event_id
    WHERE r.event_id IS NULL OR p.place NOT BETWEEN 1 AND r.places OR (p.place IS NOT NULL AND p.is_early <> (p.place <= r.entry_count)) OR (p.state = 2 AND p.place <= r.admitted_place)
    OR (p.admitted_at IS NOT NULL AND coalesce(p.place, r.places + 1) > r.admitted_place) OR (p.is_early AND p.joined_at > coalesce(r.closed_at, p.joined_at)) OR (p.place IS NOT NULL AND r.closed_at IS NULL);
-- As far as the log tells when admissions ended, which for holds that outlast them is too early: so this is the least that were in.
INSERT INTO finding SELECT 'queue-cap', 'event ' || event_id || ' let ' || inside || ' in under a cap of ' || amount FROM (
    SELECT l.event_id, l.kind, l.amount, (SELECT count(*) FROM main.queue_log i WHERE i.event_id = l.event_id AND i.no <= l.no AND i.kind = 2)
        - (SELECT count(*) FROM main.queue_log o JOIN temp.person p ON p.event_id = o.event_id AND p.id = o.entry_id WHERE o.event_id = l.event_id AND o.no <= l.no AND o.kind BETWEEN 3 AND 5 AND p.admitted_at IS NOT NULL) AS inside
    FROM main.queue_log l WHERE l.kind = 2) WHERE inside > amount;
INSERT INTO finding SELECT 'queue-holds', 'entry ' || p.id || ' of ' || p.event_id || ' in state ' || p.state || ' says ' || p.holds || ' holds, counted until ' || coalesce(p.busy_until, 'never')
    FROM temp.person p WHERE p.holds <> (SELECT count(*) FROM main.booking b WHERE b.event_id = p.event_id AND b.admission_id = p.id AND b.state < 3)
    OR (p.state = 3 OR p.holds > 0) <> (coalesce(p.busy_until, 0) = 9223372036854775807) OR (p.state < 3 AND p.busy_until IS NOT NULL);
INSERT INTO finding SELECT 'queue-booking', 'booking ' || b.id || ' of ' || b.event_id || ' was not made under admission ' || b.admission_id
    FROM main.booking b LEFT JOIN temp.person p ON p.event_id = b.event_id AND p.id = b.admission_id
    WHERE b.admission_id IS NOT NULL AND (p.account_id IS NOT b.account_id OR NOT b.created_at BETWEEN coalesce(p.admitted_at, b.created_at + 1) AND coalesce(p.ended_at, b.created_at));
INSERT INTO finding SELECT 'queue-booking', 'entry ' || id || ' of ' || event_id || ' is said to have paid' FROM temp.person p
    WHERE state = 4 AND NOT EXISTS (SELECT 1 FROM main.booking b WHERE b.event_id = p.event_id AND b.admission_id = p.id AND b.state = 3);
INSERT INTO finding SELECT 'orphan', 'queue_room of ' || event_id FROM main.queue_room WHERE event_id NOT IN (SELECT id FROM main.event);
INSERT INTO finding SELECT 'orphan', 'queue_settings of ' || event_id FROM main.queue_settings WHERE event_id NOT IN (SELECT id FROM main.event);
INSERT INTO finding SELECT 'event-by-journal', 'the waiting room of ' || s.event_id || ' is not set as was last told' FROM main.queue_settings s LEFT JOIN event_told t ON t.event = s.event_id
    WHERE (s.admitted_max, s.admit_per_minute, s.opens_before_s, s.admission_s, s.quiet_s, s.auto_above) IS NOT (t.data ->> '$.queue.admitted_max', t.data ->> '$.queue.admit_per_minute',
        t.data ->> '$.queue.opens_before_s', t.data ->> '$.queue.admission_s', t.data ->> '$.queue.quiet_s', t.data ->> '$.queue.auto_above');
-- What was told of the draw when it happened.
INSERT INTO finding SELECT 'queue-journal', 'the draw of ' || r.event_id || ' is not what was told' FROM main.queue_room r
    LEFT JOIN told o ON o.event = r.event_id AND o.type = 'queue.opened' LEFT JOIN told c ON c.event = r.event_id AND c.type = 'queue.closed'
    WHERE (r.entries_hash IS NOT NULL) <> (c.seq IS NOT NULL) OR lower(hex(r.commitment)) IS NOT o.data ->> '$.commitment'
    OR (c.seq IS NOT NULL AND (lower(hex(r.commitment)), lower(hex(r.entries_hash)), lower(hex(r.seed))) IS NOT (c.data ->> '$.commitment', c.data ->> '$.entries_hash', c.data ->> '$.seed'));

-- ---- Ids: made once, and by each node (bits 13 to 21) in the order of what they name, whatever the clocks did ----
INSERT INTO finding SELECT 'id-twice', 'id ' || id || ' names ' || group_concat(what, ' and ') FROM (SELECT 'event' AS what, id FROM main.event UNION ALL SELECT 'venue', id FROM main.venue
    UNION ALL SELECT 'booking', id FROM main.booking UNION ALL SELECT 'payment', id FROM main.payment UNION ALL SELECT 'refund', id FROM main.refund UNION ALL SELECT 'ticket', id FROM main.ticket) GROUP BY id HAVING count(*) > 1;
INSERT INTO finding SELECT 'id-order', 'booking ' || booking || ' was held after ' || before FROM (SELECT booking, lag(booking, 1, 0) OVER (PARTITION BY booking / 8192 % 512 ORDER BY seq) AS before FROM step WHERE what = 'held') WHERE booking <= before;
INSERT INTO finding SELECT 'id-order', 'booking ' || id || ' is older than its event' FROM main.booking WHERE id <= event_id AND id / 8192 % 512 = event_id / 8192 % 512;
INSERT INTO finding SELECT 'id-order', 'payment ' || id || ' is older than its booking' FROM temp.payment WHERE id <= booking_id AND id / 8192 % 512 = booking_id / 8192 % 512;
INSERT INTO finding SELECT 'id-order', 'refund ' || id || ' is older than its payment' FROM temp.refund WHERE id <= payment_id AND id / 8192 % 512 = payment_id / 8192 % 512;
INSERT INTO finding SELECT 'id-order', 'ticket ' || id || ' is older than its booking' FROM temp.ticket WHERE id <= booking_id AND id / 8192 % 512 = booking_id / 8192 % 512;
