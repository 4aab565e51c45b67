/*
 * The audit's questions to rows by themselves: has each child its parent, each number its bounds,
 * each place the price of its category. The database keeps no foreign keys (see db_sqlite.c).
 *
 * A plan without its venue is no finding: it is being imported, or is removed at the next start.
 */
#include "tickets/audit_store.h"

#include "tickets/audit_relations.h"

struct audit_check audit_row_checks[AUDIT_ROW_CHECKS] = {
    {"orphan-of-event",
     ASK("SELECT 'event_price of ' || c.event_id || ' has no event' FROM event_price c WHERE NOT "
         "EXISTS (SELECT 1 FROM event p WHERE p.id = c.event_id) UNION ALL SELECT 'event_area of ' "
         "|| c.event_id || ' has no event' FROM event_area c WHERE NOT EXISTS (SELECT 1 FROM event "
         "p WHERE p.id = c.event_id) UNION ALL SELECT 'seat_claim of ' || c.event_id || ' has no "
         "event' FROM seat_claim c WHERE NOT EXISTS (SELECT 1 FROM event p WHERE p.id = "
         "c.event_id) UNION ALL SELECT 'booking of ' || c.event_id || ' has no event' FROM booking "
         "c WHERE NOT EXISTS (SELECT 1 FROM event p WHERE p.id = c.event_id) UNION ALL SELECT "
         "'event_cancel of ' || c.event_id || ' has no event' FROM event_cancel c WHERE NOT EXISTS "
         "(SELECT 1 FROM event p WHERE p.id = c.event_id AND p.status = 2) UNION ALL SELECT 'event "
         "' || e.id || ' has no venue with its plan' FROM event e WHERE NOT EXISTS (SELECT 1 FROM "
         "plan p JOIN venue v ON v.id = p.venue_id WHERE p.venue_id = e.venue_id AND "
         "p.plan_version = e.plan_version) LIMIT $1")},
    {"orphan-of-booking",
     ASK("SELECT 'payment of ' || c.id || ' has no booking' FROM payment c WHERE NOT EXISTS "
         "(SELECT 1 FROM booking p WHERE p.event_id = c.event_id AND p.id = c.booking_id) UNION "
         "ALL SELECT 'ticket of ' || c.id || ' has no booking' FROM ticket c WHERE NOT EXISTS "
         "(SELECT 1 FROM booking p WHERE p.event_id = c.event_id AND p.id = c.booking_id) UNION "
         "ALL SELECT 'seat_claim of ' || c.booking_id || ' has no booking' FROM seat_claim c WHERE "
         "c.booking_id <> 0 AND NOT EXISTS (SELECT 1 FROM booking p WHERE p.event_id = c.event_id "
         "AND p.id = c.booking_id) UNION ALL SELECT 'ticket of ' || c.id || ' has no event_area' "
         "FROM ticket c WHERE c.area_no IS NOT NULL AND NOT EXISTS (SELECT 1 FROM event_area p "
         "WHERE p.event_id = c.event_id AND p.area_no = c.area_no) LIMIT $1")},
    {"orphan-of-payment",
     ASK("SELECT 'capture of ' || c.provider_ref || ' has no payment' FROM capture c WHERE NOT "
         "EXISTS (SELECT 1 FROM payment p WHERE p.event_id = c.event_id AND p.id = c.payment_id "
         "AND p.provider = c.provider) UNION ALL SELECT 'refund of ' || c.id || ' has no payment' "
         "FROM refund c WHERE NOT EXISTS (SELECT 1 FROM payment p WHERE p.event_id = c.event_id "
         "AND p.id = c.payment_id AND p.booking_id = c.booking_id) UNION ALL SELECT "
         "'provider_event of ' || c.provider_event_id || ' has no payment' FROM provider_event c "
         "WHERE c.kind IN ('open', 'succeeded', 'failed') AND NOT EXISTS (SELECT 1 FROM payment p "
         "WHERE p.event_id = c.event_id AND p.id = c.payment_id) LIMIT $1")},
    {"plan-count",
     ASK("SELECT 'plan ' || p.plan_version || ' of venue ' || p.venue_id || ' is not complete' "
         "FROM plan p JOIN venue v ON v.id = p.venue_id WHERE p.section_count <> (SELECT COUNT(*) "
         "FROM section s WHERE s.venue_id = p.venue_id AND s.plan_version = p.plan_version) OR "
         "p.seat_count <> (SELECT COUNT(*) FROM venue_seat s WHERE s.venue_id = p.venue_id AND "
         "s.plan_version = p.plan_version) OR p.seat_count <> (SELECT COUNT(*) FROM venue_seat s "
         "WHERE s.venue_id = p.venue_id AND s.plan_version = p.plan_version AND s.seat_no BETWEEN "
         "0 AND p.seat_count - 1) OR p.area_count <> (SELECT COUNT(*) FROM venue_area a WHERE "
         "a.venue_id = p.venue_id AND a.plan_version = p.plan_version) LIMIT $1")},
    {"signing-key",
     ASK("SELECT 'signing key ' || id || ' is no pair' FROM signing_key WHERE length(public_key) "
         "<> 32 OR length(secret_key) <> 64 OR substr(secret_key, 33) <> public_key UNION ALL "
         "SELECT 'there are tickets and no key that signs them' WHERE EXISTS (SELECT 1 FROM "
         "ticket) AND NOT EXISTS (SELECT 1 FROM signing_key) LIMIT $1")},
    {"too-many-places",
     ASK("SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' has ' || b.places || ' "
         "places and ' || b.extended_ms || ' ms more' FROM booking b LEFT JOIN event e ON e.id = "
         "b.event_id WHERE b.places NOT BETWEEN 1 AND 6 OR b.places > e.per_booking OR "
         "b.extended_ms NOT BETWEEN 0 AND 600000 LIMIT $1")},
    {"booking-price",
     ASK_OF(PLACES,
            "SELECT 'booking ' || s.booking_id || ' of event ' || s.event_id || ' pays ' || "
            "s.price || ' for seat ' || s.seat_no || ', which costs ' || COALESCE(CAST(c.price AS "
            "TEXT), 'nothing') FROM booking_seat s LEFT JOIN event e ON e.id = s.event_id LEFT "
            "JOIN venue_seat v ON v.venue_id = e.venue_id AND v.plan_version = e.plan_version AND "
            "v.seat_no = s.seat_no LEFT JOIN event_price c ON c.event_id = s.event_id AND "
            "c.category_no = v.category_no WHERE c.price IS DISTINCT FROM s.price UNION ALL SELECT "
            "'booking ' || s.booking_id || ' of event ' || s.event_id || ' pays ' || s.price || ' "
            "for area ' || s.area_no || ', which costs ' || COALESCE(CAST(c.price AS TEXT), "
            "'nothing') FROM booking_area s LEFT JOIN event_area a ON a.event_id = s.event_id AND "
            "a.area_no = s.area_no LEFT JOIN event_price c ON c.event_id = s.event_id AND "
            "c.category_no = a.category_no WHERE c.price IS DISTINCT FROM s.price LIMIT $1")},
    {"booking-currency",
     ASK("SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' is in ' || b.currency || ', "
         "the event sells in ' || e.currency FROM booking b JOIN event e ON e.id = b.event_id "
         "WHERE b.currency <> e.currency LIMIT $1")},
    {"area-tickets",
     ASK_OF(AREAS, "SELECT 'booking ' || a.booking_id || ' of event ' || a.event_id || ' has ' || "
                   "a.quantity || ' places in area ' || a.area_no || ' and other tickets' FROM "
                   "booking_area a WHERE a.state = 3 AND a.quantity <> (SELECT COUNT(*) FROM "
                   "ticket t WHERE t.event_id = a.event_id AND t.booking_id = a.booking_id AND "
                   "t.area_no = a.area_no AND t.price = a.price) LIMIT $1")},
    {"revoked-ticket-used",
     ASK("SELECT 'ticket ' || id || ' of event ' || event_id || ' was given back and let in' FROM "
         "ticket WHERE state <> 0 AND used_at IS NOT NULL LIMIT $1")},
    {"payment-capture",
     ASK("SELECT 'payment ' || p.id || ' of event ' || p.event_id || ' says it was paid by ' || "
         "COALESCE(p.provider_ref, 'nothing') FROM payment p LEFT JOIN capture c ON c.provider = "
         "p.provider AND c.provider_ref = p.provider_ref AND c.event_id = p.event_id AND "
         "c.payment_id = p.id WHERE CASE p.state WHEN 3 THEN c.amount IS DISTINCT FROM p.amount OR "
         "c.currency IS DISTINCT FROM p.currency ELSE p.provider_ref IS NOT NULL END LIMIT $1")},
    {"refund-capture",
     ASK("SELECT 'refund ' || r.id || ' of event ' || r.event_id || ' gives ' || r.currency || ' "
         "of ' || r.provider_ref || ' back, which its payment never took' FROM refund r LEFT JOIN "
         "payment p ON p.event_id = r.event_id AND p.id = r.payment_id LEFT JOIN capture c ON "
         "c.provider = p.provider AND c.provider_ref = r.provider_ref AND c.payment_id = p.id AND "
         "c.currency = r.currency WHERE c.provider_ref IS NULL LIMIT $1")},
    /* Ids order what they name, whatever the clock did: each node's generator only goes up. Nodes
     * that share a database have a generator and a clock each, so only ids of one node are compared
     * (base/ids.h says which bits these are). */
    {"id-order",
     ASK_OF(
         TOLD,
         ", made (what, id, whose, owner) AS (SELECT 'booking', id, 'event', event_id FROM booking "
         "UNION ALL SELECT 'payment', id, 'booking', booking_id FROM payment UNION ALL SELECT "
         "'refund', id, 'payment', payment_id FROM refund UNION ALL SELECT 'ticket', id, "
         "'booking', booking_id FROM ticket) SELECT what || ' ' || id || ' is older than its ' || "
         "whose || ' ' || owner FROM made WHERE id <= owner AND (id >> 13) & 511 = (owner >> 13) & "
         "511 UNION ALL SELECT 'booking ' || booking || ' was held after ' || before FROM (SELECT "
         "booking, LAG(booking, 1, 0) OVER (PARTITION BY (booking >> 13) & 511 ORDER BY seq) AS "
         "before FROM told WHERE type = 'booking.held') x WHERE booking <= before LIMIT $1")},
    {"id-twice", ASK("SELECT 'id ' || id || ' was given ' || COUNT(*) || ' times' FROM (SELECT id "
                     "FROM event UNION ALL SELECT id FROM venue UNION ALL SELECT id FROM booking "
                     "UNION ALL SELECT id FROM payment UNION ALL SELECT id FROM refund UNION ALL "
                     "SELECT id FROM ticket) x GROUP BY id HAVING COUNT(*) > 1 LIMIT $1")},
};
