-- The defence against bots (docs/design/onsale.md). Caps of an event; they count places.
ALTER TABLE event ADD COLUMN per_device INTEGER NOT NULL DEFAULT 12;
ALTER TABLE event ADD COLUMN per_card INTEGER NOT NULL DEFAULT 12;
ALTER TABLE event ADD COLUMN per_network INTEGER NOT NULL DEFAULT 48;
ALTER TABLE event ADD COLUMN open_holds INTEGER NOT NULL DEFAULT 1;
ALTER TABLE event ADD COLUMN challenge INTEGER NOT NULL DEFAULT 1; -- 0 off, 1 auto, 2 on
-- One account alone may have its own cap on one device and with one card.
UPDATE event SET per_device = per_account, per_card = per_account WHERE per_account > 12;

-- What a booking came from. network is NULL where nobody counts: made by the event's organizer or with the defence switched off.
-- Numbers are keyed hashes; neither an address nor a card can be read from them.
ALTER TABLE booking ADD COLUMN device INTEGER;      -- of the hold; NULL: no cookie
ALTER TABLE booking ADD COLUMN network INTEGER;     -- of the hold
ALTER TABLE booking ADD COLUMN solution INTEGER;    -- of the challenge that was solved for it
ALTER TABLE booking ADD COLUMN pay_device INTEGER;  -- of the checkout, when it is another one
ALTER TABLE booking ADD COLUMN pay_network INTEGER; -- the same
ALTER TABLE booking ADD COLUMN card INTEGER;        -- fingerprint that the provider reported
ALTER TABLE booking ADD COLUMN given_back INTEGER NOT NULL DEFAULT 0; -- of places: tickets that were refunded
UPDATE booking SET given_back = (SELECT COUNT(*) FROM ticket t WHERE t.event_id = booking.event_id AND t.booking_id = booking.id AND t.state = 1)
    WHERE state = 3;
-- In these are only the bookings that count, so counting costs no more than a cap has places.
CREATE INDEX booking_by_device ON booking (event_id, device) WHERE device IS NOT NULL AND state IN (1, 2, 3) AND given_back < places;
CREATE INDEX booking_by_network ON booking (event_id, network, places, given_back, state, solution)
    WHERE network IS NOT NULL AND state IN (1, 2, 3) AND given_back < places;
CREATE INDEX booking_by_pay_device ON booking (event_id, pay_device) WHERE pay_device IS NOT NULL AND state IN (1, 2, 3) AND given_back < places;
CREATE INDEX booking_by_pay_network ON booking (event_id, pay_network) WHERE pay_network IS NOT NULL AND state IN (1, 2, 3) AND given_back < places;
CREATE INDEX booking_by_card ON booking (event_id, card) WHERE card IS NOT NULL AND state IN (1, 2, 3) AND given_back < places;
-- A solution is good once, whatever becomes of the hold.
CREATE UNIQUE INDEX booking_by_solution ON booking (event_id, solution) WHERE solution IS NOT NULL;
