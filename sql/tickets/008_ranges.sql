-- Ranges in place of lists. For a list of three or more SQLite makes a table each time a row is held against it: half of what a seat's claim costs.
-- The claims are carried away and back, so that the table and its key keep their names on both engines.
CREATE TABLE seat_claim_kept (event_id INTEGER NOT NULL, seat_no INTEGER NOT NULL, booking_id INTEGER NOT NULL, state INTEGER NOT NULL);
INSERT INTO seat_claim_kept (event_id, seat_no, booking_id, state) SELECT event_id, seat_no, booking_id, state FROM seat_claim ORDER BY event_id, seat_no;
DROP TABLE seat_claim;
CREATE TABLE seat_claim (
    event_id INTEGER NOT NULL,
    seat_no INTEGER NOT NULL,
    booking_id INTEGER NOT NULL, -- 0: blocked by the organizer
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3), -- 1 held, 2 booked, 3 blocked
    PRIMARY KEY (event_id, seat_no)
) WITHOUT ROWID;
INSERT INTO seat_claim (event_id, seat_no, booking_id, state) SELECT event_id, seat_no, booking_id, state FROM seat_claim_kept ORDER BY event_id, seat_no;
DROP TABLE seat_claim_kept;
-- The bookings that count (005): held, payment under way, confirmed.
DROP INDEX booking_by_device;
DROP INDEX booking_by_network;
DROP INDEX booking_by_pay_device;
DROP INDEX booking_by_pay_network;
DROP INDEX booking_by_card;
CREATE INDEX booking_by_device ON booking (event_id, device) WHERE device IS NOT NULL AND state BETWEEN 1 AND 3 AND given_back < places;
CREATE INDEX booking_by_network ON booking (event_id, network, places, given_back, state, solution)
    WHERE network IS NOT NULL AND state BETWEEN 1 AND 3 AND given_back < places;
CREATE INDEX booking_by_pay_device ON booking (event_id, pay_device) WHERE pay_device IS NOT NULL AND state BETWEEN 1 AND 3 AND given_back < places;
CREATE INDEX booking_by_pay_network ON booking (event_id, pay_network) WHERE pay_network IS NOT NULL AND state BETWEEN 1 AND 3 AND given_back < places;
CREATE INDEX booking_by_card ON booking (event_id, card) WHERE card IS NOT NULL AND state BETWEEN 1 AND 3 AND given_back < places;
