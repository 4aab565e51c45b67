-- Sales that are about to begin (src/tickets/warm.h).
CREATE INDEX event_by_onsale ON event (onsale_at) WHERE status = 1;
