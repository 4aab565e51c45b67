/*
 * The audit's questions to the journal: does every row stand as the journal last told it, and did
 * the journal ever tell what must not be. The chain says that nobody changed the journal; these say
 * that nobody changed the rest.
 *
 * Not asked for, because the journal does not tell it: that a payment's session was opened or
 * closed (states 1, 2 and 5), a provider's references, when the worker looks again, and the hash of
 * a hold's body.
 */
#include "tickets/audit_store.h"

/*
 * Rows whose data is not JSON are a finding of their own, and tell nothing. What a check looks up by a
 * key is MATERIALIZED (or grouped) and its keys are CAST to the type of the table's: else SQLite makes
 * no index for the join and reads the whole journal again for each row.
 */
#define TOLD                                                                                       \
    "WITH told (seq, event, version, at_ms, type, data, booking, payment, refund) AS NOT "         \
    "MATERIALIZED (SELECT seq, shard, version, at_ms, type, data, CAST(json_extract(data, "        \
    "'$.booking') AS INTEGER), CAST(json_extract(data, '$.payment') AS INTEGER), "                 \
    "CAST(json_extract(data, '$.refund') AS INTEGER) FROM (SELECT seq, shard, version, "           \
    "at_ms, type, CASE WHEN json_valid(data) THEN data ELSE '{}' END data FROM journal)) "

/* What each row does to a seat: 0 free, else as seat_claim.state. */
#define MOVES                                                                                      \
    TOLD ", move AS (SELECT j.event, j.version, CAST(json_extract(s.value, '$[0]') AS INTEGER) "   \
         "seat_no, "                                                                               \
         "j.booking, CASE j.type WHEN 'booking.held' THEN 1 WHEN 'booking.confirmed' THEN 2 ELSE " \
         "0 END state FROM told j, json_each(j.data, '$.seats') s WHERE j.type IN "                \
         "('booking.held', 'booking.confirmed', 'booking.expired', 'booking.cancelled', "          \
         "'booking.failed', 'tickets.revoked') UNION ALL SELECT j.event, j.version, CAST(s.value " \
         "AS INTEGER), 0, "                                                                        \
         "CASE j.type WHEN 'seats.blocked' THEN 3 ELSE 0 END FROM told j, json_each(j.data, "      \
         "'$.seats') s WHERE j.type IN ('seats.blocked', 'seats.unblocked')) "

struct audit_check audit_journal_checks[AUDIT_JOURNAL_CHECKS] = {
    {"journal-data",
     {.text =
          "SELECT 'journal seq ' || seq || ' is not a JSON object' FROM journal WHERE CASE WHEN "
          "json_valid(data) THEN json_type(data) <> 'object' ELSE 1 END LIMIT $1"}},
    /* Also when somebody took a row out and made all hashes anew. */
    {"journal-gap",
     {.text = "SELECT 'journal seq ' || (seq - 1) || ' is missing' FROM journal j WHERE seq <> 1 "
              "AND NOT EXISTS (SELECT 1 FROM journal p WHERE p.seq = j.seq - 1) LIMIT $1"}},
    {"journal-of-nothing",
     {.text = "SELECT 'journal seq ' || j.seq || ' is about ' || j.shard || ', which is neither an "
              "event nor a venue' FROM journal j LEFT JOIN event e ON e.id = j.shard LEFT JOIN "
              "venue v ON v.id = j.shard WHERE e.id IS NULL AND v.id IS NULL LIMIT $1"}},
    {"journal-of-bookings",
     {.text = TOLD
      ", last AS (SELECT event, booking id, MAX(version), at_ms, type, data FROM told WHERE "
      "type IN ('booking.held', 'booking.payment_pending', 'booking.confirmed', "
      "'booking.expired', 'booking.cancelled', 'booking.failed') GROUP BY event, booking) "
      "SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' is in state ' || "
      "b.state || ', the journal says ' || COALESCE(t.type, 'nothing') FROM booking b LEFT "
      "JOIN last t ON t.event = b.event_id AND t.id = b.id WHERE t.type IS NOT CASE b.state "
      "WHEN 1 THEN 'booking.held' WHEN 2 THEN 'booking.payment_pending' WHEN 3 THEN "
      "'booking.confirmed' WHEN 4 THEN 'booking.expired' WHEN 5 THEN 'booking.cancelled' "
      "WHEN 6 THEN 'booking.failed' END OR json_extract(t.data, '$.seats') IS NOT b.seats "
      "OR json_extract(t.data, '$.areas') IS NOT b.areas OR json_extract(t.data, "
      "'$.amount') IS NOT b.amount OR b.ended_at IS NOT CASE WHEN b.state > 2 THEN t.at_ms "
      "END LIMIT $1"}},
    {"booking-since-hold",
     {.text = TOLD
      ", held AS MATERIALIZED (SELECT event, booking id, at_ms, data FROM told WHERE type = "
      "'booking.held'), extended AS (SELECT event, booking id, COUNT(*) times FROM told "
      "WHERE type = 'booking.extended' GROUP BY event, booking) SELECT 'booking ' || b.id "
      "|| ' of event ' || b.event_id || ' is not what was held' FROM booking b LEFT JOIN "
      "held h ON h.event = b.event_id AND h.id = b.id LEFT JOIN extended x ON x.event = "
      "b.event_id AND x.id = b.id WHERE json_extract(h.data, '$.account') IS NOT "
      "b.account_id OR json_extract(h.data, '$.currency') IS NOT b.currency OR "
      "json_extract(h.data, '$.key') IS NOT lower(hex(b.key_hash)) OR json_extract(h.data, "
      "'$.expires_at') + b.extended_ms IS NOT b.expires_at OR h.at_ms IS NOT b.created_at "
      "OR COALESCE(x.times, 0) <> (b.extended_ms <> 0) LIMIT $1"}},
    {"journal-without-booking",
     {.text = TOLD
      "SELECT 'the journal tells of booking ' || COALESCE(j.booking, 'nobody') || ' of "
      "event ' || j.event || ', which is gone' FROM told j LEFT JOIN booking b ON "
      "b.event_id = j.event AND b.id = j.booking WHERE j.type = 'booking.held' AND b.id IS "
      "NULL LIMIT $1"}},
    {"booking-step",
     {.text = TOLD
      ", step AS (SELECT event, booking id, type, data, LAG(type, 1, '') OVER w before, "
      "LAG(data) OVER w earlier FROM told WHERE type IN ('booking.held', "
      "'booking.payment_pending', 'booking.confirmed', 'booking.expired', "
      "'booking.cancelled', 'booking.failed') WINDOW w AS (PARTITION BY event, booking "
      "ORDER BY version)) SELECT 'booking ' || id || ' of event ' || event || ': ' || type "
      "|| ' after ' || before FROM step WHERE NOT CASE type WHEN 'booking.held' THEN before "
      "= '' WHEN 'booking.payment_pending' THEN before = 'booking.held' WHEN "
      "'booking.confirmed' THEN before IN ('booking.held', 'booking.payment_pending', "
      "'booking.expired', 'booking.failed') ELSE before IN ('booking.held', "
      "'booking.payment_pending') END OR json_extract(data, '$.seats') IS NOT "
      "json_extract(COALESCE(earlier, data), '$.seats') OR json_extract(data, '$.areas') IS "
      "NOT json_extract(COALESCE(earlier, data), '$.areas') OR json_extract(data, "
      "'$.account') IS NOT json_extract(COALESCE(earlier, data), '$.account') OR "
      "json_extract(data, '$.amount') IS NOT json_extract(COALESCE(earlier, data), "
      "'$.amount') LIMIT $1"}},
    /* Who had a seat at any time, not only now: a grant needs it free, an end needs its owner. */
    {"seat-in-journal",
     {.text = MOVES
      ", chain AS (SELECT *, LAG(state, 1, 0) OVER w was, LAG(booking, 1, 0) OVER w owner "
      "FROM move WINDOW w AS (PARTITION BY event, seat_no ORDER BY version)) SELECT 'event "
      "' || event || ' seat ' || seat_no || ' went to booking ' || booking || ' (state ' || "
      "state || ') at version ' || version || ' while ' || owner || ' had it (state ' || "
      "was || ')' FROM chain WHERE NOT CASE state WHEN 0 THEN was > 0 AND owner = booking "
      "WHEN 2 THEN was = 0 OR (was = 1 AND owner = booking) ELSE was = 0 END LIMIT $1"}},
    {"seat-by-journal",
     {.text = MOVES
      ", last AS (SELECT event, seat_no, MAX(version), booking, state FROM move GROUP BY "
      "event, seat_no) SELECT 'event ' || l.event || ' seat ' || l.seat_no || ' is claimed "
      "for booking ' || COALESCE(c.booking_id, 'nobody') || ', by the journal for ' || "
      "l.booking || ' (state ' || l.state || ')' FROM last l LEFT JOIN seat_claim c ON "
      "c.event_id = l.event AND c.seat_no = l.seat_no WHERE l.state <> COALESCE(c.state, 0) "
      "OR (l.state > 0 AND l.booking IS NOT c.booking_id) UNION ALL SELECT 'event ' || "
      "c.event_id || ' seat ' || c.seat_no || ' is claimed, the journal never told it' FROM "
      "seat_claim c LEFT JOIN last l ON l.event = c.event_id AND l.seat_no = c.seat_no "
      "WHERE l.event IS NULL LIMIT $1"}},
    {"ticket-by-journal",
     {.text = TOLD
      ", used AS (SELECT event, CAST(json_extract(data, '$.ticket') AS INTEGER) id, "
      "MIN(at_ms) at_ms, json_extract(data, '$.gate') gate, COUNT(*) times FROM told WHERE "
      "type = 'ticket.used' GROUP BY event, id), revoked AS MATERIALIZED (SELECT j.event, "
      "CAST(t.value AS INTEGER) id, "
      "CAST(json_extract(j.data, '$.refund') AS INTEGER) refund_id FROM told j, "
      "json_each(j.data, '$.tickets') t WHERE j.type = 'tickets.revoked') SELECT 'ticket ' "
      "|| t.id || ' of event ' || t.event_id || ' was used or given back otherwise than the "
      "journal says' FROM ticket t LEFT JOIN used u ON u.event = t.event_id AND u.id = t.id "
      "LEFT JOIN revoked r ON r.event = t.event_id AND r.id = t.id WHERE u.at_ms IS NOT "
      "t.used_at OR COALESCE(u.gate, '') <> COALESCE(t.used_gate, '') OR u.times > 1 OR "
      "r.refund_id IS NOT t.refund_id OR t.state IS NOT (r.id IS NOT NULL) LIMIT $1"}},
    {"payment-by-journal",
     {.text = TOLD
      ", made AS (SELECT event, payment id, at_ms, data FROM told WHERE type = "
      "'payment.created'), ended AS (SELECT event, payment id, MAX(CASE type WHEN "
      "'payment.succeeded' THEN 2 ELSE 1 END) how FROM told WHERE type IN "
      "('payment.succeeded', 'payment.failed') GROUP BY event, payment) SELECT 'payment ' "
      "|| p.id || ' of event ' || p.event_id || ' is not what the journal says, or in "
      "another state' FROM payment p LEFT JOIN made m ON m.event = p.event_id AND m.id = "
      "p.id LEFT JOIN ended e ON e.event = p.event_id AND e.id = p.id WHERE "
      "json_extract(m.data, '$.booking') IS NOT p.booking_id OR json_extract(m.data, "
      "'$.provider') IS NOT p.provider OR json_extract(m.data, '$.amount') IS NOT p.amount "
      "OR json_extract(m.data, '$.currency') IS NOT p.currency OR m.at_ms IS NOT "
      "p.created_at OR NOT CASE e.how WHEN 2 THEN p.state = 3 WHEN 1 THEN p.state = 4 ELSE "
      "p.state IN (1, 2, 5) END UNION ALL SELECT 'the journal tells of payment ' || m.id || "
      "' of event ' || m.event || ', which is gone' FROM made m LEFT JOIN payment p ON "
      "p.event_id = m.event AND p.id = m.id WHERE p.id IS NULL LIMIT $1"}},
    /* A second capture of a paid payment has no row but that of its refund. */
    {"capture-by-journal",
     {.text = TOLD
      ", fact AS (SELECT event, payment id, CAST(json_extract(data, '$.amount') AS INTEGER) "
      "amount, json_extract(data, '$.currency') currency, at_ms, 1 n FROM told j WHERE type "
      "IN ('payment.succeeded', 'payment.mismatch') OR (type = 'refund.requested' AND "
      "json_extract(data, '$.reason') = 'already_paid' AND NOT EXISTS (SELECT 1 FROM "
      "journal f WHERE f.seq = j.seq - 1 AND f.type = 'booking.confirmation_failed')) UNION "
      "ALL SELECT event_id, payment_id, amount, currency, at_ms, -1 FROM capture) SELECT "
      "'payment ' || id || ' of event ' || event || ': ' || amount || ' ' || currency || ' "
      "is told ' || SUM(n) || ' times more often than captured' FROM fact GROUP BY event, "
      "id, amount, currency, at_ms HAVING SUM(n) <> 0 LIMIT $1"}},
    {"refund-by-journal",
     {.text = TOLD
      ", asked AS (SELECT event, refund id, at_ms, data FROM told WHERE type = "
      "'refund.requested'), last AS (SELECT event, refund id, MAX(version), type FROM told "
      "WHERE type IN ('refund.requested', 'refund.succeeded', 'refund.failed') GROUP BY "
      "event, refund) SELECT 'refund ' || r.id || ' of event ' || r.event_id || ' is not "
      "what the journal says, or in another state' FROM refund r LEFT JOIN asked a ON "
      "a.event = r.event_id AND a.id = r.id LEFT JOIN last l ON l.event = r.event_id AND "
      "l.id = r.id WHERE json_extract(a.data, '$.booking') IS NOT r.booking_id OR "
      "json_extract(a.data, '$.payment') IS NOT r.payment_id OR json_extract(a.data, "
      "'$.amount') IS NOT r.amount OR json_extract(a.data, '$.currency') IS NOT r.currency "
      "OR json_extract(a.data, '$.reason') IS NOT r.reason OR a.at_ms IS NOT r.created_at "
      "OR l.type IS NOT CASE r.state WHEN 0 THEN 'refund.requested' WHEN 1 THEN "
      "'refund.succeeded' WHEN 2 THEN 'refund.failed' END UNION ALL SELECT 'the journal "
      "tells of refund ' || a.id || ' of event ' || a.event || ', which is gone' FROM asked "
      "a LEFT JOIN refund r ON r.event_id = a.event AND r.id = a.id WHERE r.id IS NULL "
      "LIMIT $1"}},
    {"event-by-journal",
     {.text = TOLD
      ", last AS (SELECT event, MAX(version), data FROM told WHERE type IN "
      "('event.created', 'event.updated', 'event.published', 'event.cancelled') GROUP BY "
      "event) SELECT 'event ' || l.event || ' is gone' FROM last l LEFT JOIN event e ON "
      "e.id = l.event WHERE e.id IS NULL UNION ALL SELECT 'event ' || e.id || ' is not what "
      "was last told of it' FROM event e LEFT JOIN last l ON l.event = e.id WHERE "
      "json_extract(l.data, '$.name') IS NOT e.name OR json_extract(l.data, "
      "'$.description') IS NOT e.description OR json_extract(l.data, '$.category') IS NOT "
      "e.category OR json_extract(l.data, '$.currency') IS NOT e.currency OR "
      "json_extract(l.data, '$.status') IS NOT CASE e.status WHEN 0 THEN 'draft' WHEN 1 "
      "THEN 'published' WHEN 2 THEN 'cancelled' END OR json_extract(l.data, "
      "'$.limits.per_booking') IS NOT e.per_booking OR json_extract(l.data, "
      "'$.limits.per_account') IS NOT e.per_account OR json_extract(l.data, '$.hold_ttl_s') "
      "IS NOT e.hold_ttl_s OR json_extract(l.data, '$.waiting_room') IS NOT e.waiting_room "
      "OR json_extract(l.data, '$.late_payment') IS NOT CASE e.late_payment WHEN 0 THEN "
      "'reclaim' WHEN 1 THEN 'refund' END OR json_extract(l.data, '$.refund_until_s') IS "
      "NOT e.refund_until_s OR json_extract(l.data, '$.starts_at') IS NOT "
      "strftime('%Y-%m-%dT%H:%M:%S.', e.starts_at / 1000, 'unixepoch') || printf('%03d', "
      "e.starts_at % 1000) || 'Z' OR json_extract(l.data, '$.onsale_at') IS NOT "
      "strftime('%Y-%m-%dT%H:%M:%S.', e.onsale_at / 1000, 'unixepoch') || printf('%03d', "
      "e.onsale_at % 1000) || 'Z' LIMIT $1"}},
    {"price-by-journal",
     {.text = TOLD
      ", last AS (SELECT event, MAX(version), data FROM told WHERE type IN "
      "('event.created', 'event.updated', 'event.published', 'event.cancelled') GROUP BY "
      "event), said AS (SELECT l.event, p.key name, p.value price FROM last l, "
      "json_each(l.data, '$.prices') p), real AS (SELECT p.event_id event, c.name, p.price "
      "FROM event_price p LEFT JOIN event e ON e.id = p.event_id LEFT JOIN plan_category c "
      "ON c.venue_id = e.venue_id AND c.plan_version = e.plan_version AND c.category_no = "
      "p.category_no) , fact AS (SELECT event, name, price, 1 n FROM said UNION ALL SELECT "
      "event, name, price, -1 FROM real) SELECT 'event ' || event || ': ' || COALESCE(name, "
      "'a category that is not there') || ' for ' || price || CASE WHEN SUM(n) > 0 THEN ' "
      "was told, and is not so' ELSE ' was never told' END FROM fact GROUP BY event, name, "
      "price HAVING SUM(n) <> 0 LIMIT $1"}},
    {"area-by-journal",
     {.text = TOLD
      ", made AS (SELECT e.id event, a.guid, a.name, a.capacity FROM event e JOIN "
      "venue_area a ON a.venue_id = e.venue_id AND a.plan_version = e.plan_version UNION "
      "ALL SELECT j.event, json_extract(a.value, '$.id'), json_extract(a.value, '$.name'), "
      "json_extract(a.value, '$.capacity') FROM told j, json_each(j.data, '$.areas') a "
      "WHERE j.type = 'areas.added') , fact AS (SELECT event, guid, name, capacity, 1 n "
      "FROM made UNION ALL SELECT event_id, guid, name, capacity, -1 FROM event_area) "
      "SELECT 'event ' || event || ' area ' || guid || ' with ' || capacity || ' places' || "
      "CASE WHEN SUM(n) > 0 THEN ' was made, and is not so' ELSE ' was never made' END FROM "
      "fact GROUP BY event, guid, name, capacity HAVING SUM(n) <> 0 LIMIT $1"}},
};
