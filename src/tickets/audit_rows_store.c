/*
 * The audit's questions to rows by themselves: has each child its parent, each number its bounds,
 * each place the price of its category. The database keeps no foreign keys (see db_sqlite.c).
 *
 * A plan without its venue is no finding: it is being imported, or is removed at the next start.
 */
#include "tickets/audit_store.h"

struct audit_check audit_row_checks[AUDIT_ROW_CHECKS] = {
    {"orphan-of-event",
     {.text =
          "SELECT 'event_price of ' || c.event_id || ' has no event' FROM event_price c WHERE "
          "NOT EXISTS (SELECT 1 FROM event p WHERE p.id = c.event_id) UNION ALL SELECT "
          "'event_area of ' || c.event_id || ' has no event' FROM event_area c WHERE NOT EXISTS "
          "(SELECT 1 FROM event p WHERE p.id = c.event_id) UNION ALL SELECT 'seat_claim of ' || "
          "c.event_id || ' has no event' FROM seat_claim c WHERE NOT EXISTS (SELECT 1 FROM "
          "event p WHERE p.id = c.event_id) UNION ALL SELECT 'booking of ' || c.event_id || ' "
          "has no event' FROM booking c WHERE NOT EXISTS (SELECT 1 FROM event p WHERE p.id = "
          "c.event_id) UNION ALL SELECT 'event_cancel of ' || c.event_id || ' has no event' "
          "FROM event_cancel c WHERE NOT EXISTS (SELECT 1 FROM event p WHERE p.id = c.event_id "
          "AND p.status = 2) UNION ALL SELECT 'event ' || e.id || ' has no venue with its plan' "
          "FROM event e WHERE NOT EXISTS (SELECT 1 FROM plan p JOIN venue v ON v.id = "
          "p.venue_id WHERE p.venue_id = e.venue_id AND p.plan_version = e.plan_version) LIMIT "
          "$1"}},
    {"orphan-of-booking",
     {.text =
          "SELECT 'payment of ' || c.id || ' has no booking' FROM payment c WHERE NOT EXISTS "
          "(SELECT 1 FROM booking p WHERE p.event_id = c.event_id AND p.id = c.booking_id) "
          "UNION ALL SELECT 'ticket of ' || c.id || ' has no booking' FROM ticket c WHERE NOT "
          "EXISTS (SELECT 1 FROM booking p WHERE p.event_id = c.event_id AND p.id = "
          "c.booking_id) UNION ALL SELECT 'seat_claim of ' || c.booking_id || ' has no booking' "
          "FROM seat_claim c WHERE c.booking_id <> 0 AND NOT EXISTS (SELECT 1 FROM booking p "
          "WHERE p.event_id = c.event_id AND p.id = c.booking_id) UNION ALL SELECT 'ticket of ' "
          "|| c.id || ' has no event_area' FROM ticket c WHERE c.area_no IS NOT NULL AND NOT "
          "EXISTS (SELECT 1 FROM event_area p WHERE p.event_id = c.event_id AND p.area_no = "
          "c.area_no) LIMIT $1"}},
    {"orphan-of-payment",
     {.text =
          "SELECT 'capture of ' || c.provider_ref || ' has no payment' FROM capture c WHERE NOT "
          "EXISTS (SELECT 1 FROM payment p WHERE p.event_id = c.event_id AND p.id = "
          "c.payment_id AND p.provider = c.provider) UNION ALL SELECT 'refund of ' || c.id || ' "
          "has no payment' FROM refund c WHERE NOT EXISTS (SELECT 1 FROM payment p WHERE "
          "p.event_id = c.event_id AND p.id = c.payment_id AND p.booking_id = c.booking_id) "
          "UNION ALL SELECT 'provider_event of ' || c.provider_event_id || ' has no payment' "
          "FROM provider_event c WHERE c.kind IN ('open', 'succeeded', 'failed') AND NOT EXISTS "
          "(SELECT 1 FROM payment p WHERE p.event_id = c.event_id AND p.id = c.payment_id) "
          "LIMIT $1"}},
    {"plan-count",
     {.text =
          "SELECT 'plan ' || p.plan_version || ' of venue ' || p.venue_id || ' is not complete' "
          "FROM plan p JOIN venue v ON v.id = p.venue_id WHERE p.section_count <> (SELECT "
          "COUNT(*) FROM section s WHERE s.venue_id = p.venue_id AND s.plan_version = "
          "p.plan_version) OR p.seat_count <> (SELECT COUNT(*) FROM venue_seat s WHERE "
          "s.venue_id = p.venue_id AND s.plan_version = p.plan_version) OR p.seat_count <> "
          "(SELECT COUNT(*) FROM venue_seat s WHERE s.venue_id = p.venue_id AND s.plan_version "
          "= p.plan_version AND s.seat_no BETWEEN 0 AND p.seat_count - 1) OR p.area_count <> "
          "(SELECT COUNT(*) FROM venue_area a WHERE a.venue_id = p.venue_id AND a.plan_version "
          "= p.plan_version) LIMIT $1"}},
    {"signing-key",
     {.text = "SELECT 'signing key ' || id || ' is no pair' FROM signing_key WHERE "
              "length(public_key) <> 32 OR length(secret_key) <> 64 OR substr(secret_key, 33) <> "
              "public_key UNION ALL SELECT 'there are tickets and no key that signs them' WHERE "
              "EXISTS (SELECT 1 FROM ticket) AND NOT EXISTS (SELECT 1 FROM signing_key) LIMIT $1"}},
    {"too-many-places",
     {.text =
          "SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' has ' || b.places || ' "
          "places and ' || b.extended_ms || ' ms more' FROM booking b LEFT JOIN event e ON e.id "
          "= b.event_id WHERE b.places NOT BETWEEN 1 AND 6 OR b.places > e.per_booking OR "
          "b.extended_ms NOT BETWEEN 0 AND 600000 LIMIT $1"}},
    {"booking-price",
     {.text =
          "SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' pays ' || "
          "json_extract(s.value, '$[1]') || ' for seat ' || json_extract(s.value, '$[0]') || ', "
          "which costs ' || COALESCE(c.price, 'nothing') FROM booking b JOIN json_each(b.seats) "
          "s LEFT JOIN event e ON e.id = b.event_id LEFT JOIN venue_seat v ON v.venue_id = "
          "e.venue_id AND v.plan_version = e.plan_version AND v.seat_no = json_extract(s.value, "
          "'$[0]') LEFT JOIN event_price c ON c.event_id = b.event_id AND c.category_no = "
          "v.category_no WHERE c.price IS NOT json_extract(s.value, '$[1]') UNION ALL SELECT "
          "'booking ' || b.id || ' of event ' || b.event_id || ' pays ' || "
          "json_extract(s.value, '$[2]') || ' for area ' || json_extract(s.value, '$[0]') || ', "
          "which costs ' || COALESCE(c.price, 'nothing') FROM booking b JOIN json_each(b.areas) "
          "s LEFT JOIN event_area a ON a.event_id = b.event_id AND a.area_no = "
          "json_extract(s.value, '$[0]') LEFT JOIN event_price c ON c.event_id = b.event_id AND "
          "c.category_no = a.category_no WHERE c.price IS NOT json_extract(s.value, '$[2]') "
          "LIMIT $1"}},
    {"booking-currency",
     {.text = "SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' is in ' || b.currency "
              "|| ', the event sells in ' || e.currency FROM booking b JOIN event e ON e.id = "
              "b.event_id WHERE b.currency <> e.currency LIMIT $1"}},
    {"area-tickets",
     {.text =
          "SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' has ' || "
          "json_extract(a.value, '$[1]') || ' places in area ' || json_extract(a.value, '$[0]') "
          "|| ' and other tickets' FROM booking b JOIN json_each(b.areas) a WHERE b.state = 3 "
          "AND json_extract(a.value, '$[1]') <> (SELECT COUNT(*) FROM ticket t WHERE t.event_id "
          "= b.event_id AND t.booking_id = b.id AND t.area_no = json_extract(a.value, '$[0]') "
          "AND t.price = json_extract(a.value, '$[2]')) LIMIT $1"}},
    {"revoked-ticket-used",
     {.text = "SELECT 'ticket ' || id || ' of event ' || event_id || ' was given back and let in' "
              "FROM ticket WHERE state <> 0 AND used_at IS NOT NULL LIMIT $1"}},
    {"payment-capture",
     {.text = "SELECT 'payment ' || p.id || ' of event ' || p.event_id || ' says it was paid by ' "
              "|| COALESCE(p.provider_ref, 'nothing') FROM payment p LEFT JOIN capture c ON "
              "c.provider = p.provider AND c.provider_ref = p.provider_ref AND c.event_id = "
              "p.event_id AND c.payment_id = p.id WHERE CASE p.state WHEN 3 THEN c.amount IS NOT "
              "p.amount OR c.currency IS NOT p.currency ELSE p.provider_ref IS NOT NULL END LIMIT "
              "$1"}},
    {"refund-capture",
     {.text =
          "SELECT 'refund ' || r.id || ' of event ' || r.event_id || ' gives ' || r.currency || "
          "' of ' || r.provider_ref || ' back, which its payment never took' FROM refund r LEFT "
          "JOIN payment p ON p.event_id = r.event_id AND p.id = r.payment_id LEFT JOIN capture "
          "c ON c.provider = p.provider AND c.provider_ref = r.provider_ref AND c.payment_id = "
          "p.id AND c.currency = r.currency WHERE c.provider_ref IS NULL LIMIT $1"}},
    /* Ids order what they name, whatever the clock did. */
    {"id-order",
     {.text =
          "SELECT 'booking ' || id || ' is older than its event ' || event_id FROM booking "
          "WHERE id <= event_id UNION ALL SELECT 'payment ' || id || ' is older than its "
          "booking ' || booking_id FROM payment WHERE id <= booking_id UNION ALL SELECT 'refund "
          "' || id || ' is older than its payment ' || payment_id FROM refund WHERE id <= "
          "payment_id UNION ALL SELECT 'ticket ' || id || ' is older than its booking ' || "
          "booking_id FROM ticket WHERE id <= booking_id UNION ALL SELECT 'booking ' || id || ' "
          "was held after ' || before FROM (SELECT id, LAG(id, 1, 0) OVER (ORDER BY seq) before "
          "FROM (SELECT seq, CAST(json_extract(CASE WHEN json_valid(data) THEN data ELSE '{}' "
          "END, '$.booking') AS INTEGER) id FROM journal WHERE type = 'booking.held')) WHERE id "
          "<= before LIMIT $1"}},
    {"id-twice",
     {.text = "SELECT 'id ' || id || ' was given ' || COUNT(*) || ' times' FROM (SELECT id FROM "
              "event UNION ALL SELECT id FROM venue UNION ALL SELECT id FROM booking UNION ALL "
              "SELECT id FROM payment UNION ALL SELECT id FROM refund UNION ALL SELECT id FROM "
              "ticket) GROUP BY id HAVING COUNT(*) > 1 LIMIT $1"}},
};
