-- What was sold and given back, summed as it happens: a sales chart reads a row a minute, not the tickets.
CREATE TABLE sale_sum (
    event_id INTEGER NOT NULL,
    span_ms INTEGER NOT NULL, -- 60000 a minute, 3600000 an hour, 0 all there is
    from_ms INTEGER NOT NULL, -- begin of the span; 0 with span 0
    places INTEGER NOT NULL,
    revenue INTEGER NOT NULL, -- price of the places sold, those given back later too
    returned INTEGER NOT NULL,
    refunded INTEGER NOT NULL, -- price of the places given back
    PRIMARY KEY (event_id, span_ms, from_ms)
) WITHOUT ROWID;
INSERT INTO sale_sum (event_id, span_ms, from_ms, places, revenue, returned, refunded)
SELECT f.event_id, s.span_ms, CASE s.span_ms WHEN 0 THEN 0 ELSE f.at_ms - f.at_ms % s.span_ms END,
    SUM(f.places), SUM(f.revenue), SUM(f.returned), SUM(f.refunded)
FROM (
    SELECT event_id, ended_at AS at_ms, places, amount AS revenue, 0 AS returned, 0 AS refunded
    FROM booking WHERE state = 3
    UNION ALL
    SELECT t.event_id, COALESCE(r.created_at, b.ended_at), 0, 0, 1, t.price
    FROM ticket t
    JOIN booking b ON b.event_id = t.event_id AND b.id = t.booking_id
    LEFT JOIN refund r ON r.event_id = t.event_id AND r.id = t.refund_id
    WHERE t.state = 1
) f
CROSS JOIN (SELECT 0 AS span_ms UNION ALL SELECT 60000 UNION ALL SELECT 3600000) s
GROUP BY 1, 2, 3;

-- Scans that let somebody in with a ticket beside the one that its row names (the earliest): doors without a network do that.
CREATE TABLE ticket_scan (
    event_id INTEGER NOT NULL,
    ticket_id INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    gate TEXT NOT NULL,
    PRIMARY KEY (event_id, ticket_id, at_ms, gate)
) WITHOUT ROWID;
