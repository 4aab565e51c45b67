/*
 * The audit's questions to the journal: does every row stand as the journal last told it, and did
 * the journal ever tell what must not be. The chain says that nobody changed the journal; these say
 * that nobody changed the rest.
 *
 * Not asked for, because the journal does not tell it: that a payment's session was opened or
 * closed (states 1, 2 and 5), a provider's references, when the worker looks again, and the hash of
 * a hold's body.
 *
 * Numbers in the journal's data are compared as texts where nothing is looked up by them: a value
 * that is no number at all is then another value, on both engines.
 */
#include "tickets/audit_store.h"

#include "tickets/audit_relations.h"

/* The journal writes a time as text, the table as milliseconds. */
#define TIME_SQLITE(name)                                                                          \
    " OR l.data ->> '" name "' IS DISTINCT FROM strftime('%Y-%m-%dT%H:%M:%S.', e." name            \
    " / 1000, 'unixepoch') || printf('%03d', e." name " % 1000) || 'Z'"
#define TIME_PGSQL(name)                                                                           \
    " OR l.data ->> '" name "' IS DISTINCT FROM to_char(timestamp 'epoch' + e." name               \
    " * interval '1 millisecond', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* Also when somebody took a row out and made all hashes anew. Without gaps are SQLite's sequence and,
 * on both engines, the versions of a shard. */
#define GAP_SQLITE                                                                                 \
    "SELECT 'journal seq ' || (seq - 1) || ' is missing' FROM journal j WHERE seq <> 1 AND NOT "   \
    "EXISTS (SELECT 1 FROM journal p WHERE p.seq = j.seq - 1) LIMIT $1"
#define GAP_PGSQL                                                                                  \
    "SELECT 'version ' || (version - 1) || ' of shard ' || shard || ' is missing in the journal' " \
    "FROM journal j WHERE version <> 1 AND NOT EXISTS (SELECT 1 FROM journal p WHERE p.shard = "   \
    "j.shard AND p.version = j.version - 1) LIMIT $1"

#define SINCE_HOLD(hex_of_key)                                                                     \
    ", held AS MATERIALIZED (SELECT event, booking AS id, at_ms, expires_at, data FROM told "      \
    "WHERE type = 'booking.held'), extended AS (SELECT event, booking AS id, COUNT(*) AS times "   \
    "FROM told WHERE type = 'booking.extended' GROUP BY event, booking) SELECT 'booking ' || "     \
    "b.id || ' of event ' || b.event_id || ' is not what was held' FROM booking b LEFT JOIN held " \
    "h ON h.event = b.event_id AND h.id = b.id LEFT JOIN extended x ON x.event = b.event_id AND "  \
    "x.id = b.id WHERE h.data ->> 'account' IS DISTINCT FROM CAST(b.account_id AS TEXT) OR "       \
    "h.data ->> 'currency' IS DISTINCT FROM b.currency OR h.data ->> 'key' IS DISTINCT "           \
    "FROM " hex_of_key                                                                             \
    " OR h.expires_at + b.extended_ms IS DISTINCT FROM b.expires_at OR h.at_ms IS DISTINCT FROM "  \
    "b.created_at OR COALESCE(x.times, 0) <> CASE b.extended_ms WHEN 0 THEN 0 ELSE 1 END LIMIT $1"

#define EVENT_BY_JOURNAL(TIME)                                                                     \
    "SELECT 'event ' || l.event || ' is gone' FROM last l LEFT JOIN event e ON e.id = l.event "    \
    "WHERE e.id IS NULL UNION ALL SELECT 'event ' || e.id || ' is not what was last told of it' "  \
    "FROM event e LEFT JOIN last l ON l.event = e.id WHERE l.data ->> 'name' IS DISTINCT FROM "    \
    "e.name OR l.data ->> 'description' IS DISTINCT FROM e.description OR l.data ->> 'category' "  \
    "IS DISTINCT FROM e.category OR l.data ->> 'currency' IS DISTINCT FROM e.currency OR l.data "  \
    "->> 'status' IS DISTINCT FROM CASE e.status WHEN 0 THEN 'draft' WHEN 1 THEN 'published' "     \
    "WHEN 2 THEN 'cancelled' END OR l.data -> 'limits' ->> 'per_booking' IS DISTINCT FROM "        \
    "CAST(e.per_booking AS TEXT) OR l.data -> 'limits' ->> 'per_account' IS DISTINCT FROM "        \
    "CAST(e.per_account AS TEXT) OR l.data ->> 'hold_ttl_s' IS DISTINCT FROM CAST(e.hold_ttl_s "   \
    "AS TEXT) OR l.data ->> 'waiting_room' IS DISTINCT FROM e.waiting_room OR l.data ->> "         \
    "'late_payment' IS DISTINCT FROM CASE e.late_payment WHEN 0 THEN 'reclaim' WHEN 1 THEN "       \
    "'refund' END OR l.data ->> 'refund_until_s' IS DISTINCT FROM CAST(e.refund_until_s AS "       \
    "TEXT) OR (l.data -> 'abuse' IS NOT NULL AND (l.data -> 'abuse' ->> 'per_device' IS DISTINCT " \
    "FROM CAST(e.per_device AS TEXT) OR l.data -> 'abuse' ->> 'per_card' IS DISTINCT FROM "        \
    "CAST(e.per_card AS TEXT) OR l.data -> 'abuse' ->> 'per_network' IS DISTINCT FROM "            \
    "CAST(e.per_network AS TEXT) OR l.data -> 'abuse' ->> 'open_holds' IS DISTINCT FROM "          \
    "CAST(e.open_holds AS TEXT) OR l.data -> 'abuse' ->> 'challenge' IS DISTINCT FROM CASE "       \
    "e.challenge WHEN 0 THEN 'off' WHEN 1 THEN 'auto' WHEN 2 THEN 'on' END))" TIME("starts_at")    \
        TIME("onsale_at") " LIMIT $1"

#define CAPTURE_BY_JOURNAL(is_row_before)                                                          \
    ", fact (event, id, amount, currency, at_ms, n) AS (SELECT event, payment, amount, data ->> "  \
    "'currency', at_ms, 1 FROM told j WHERE type IN ('payment.succeeded', 'payment.mismatch') OR " \
    "(type = 'refund.requested' AND data ->> 'reason' = 'already_paid' AND NOT EXISTS (SELECT 1 "  \
    "FROM journal f WHERE " is_row_before                                                          \
    " AND f.type = 'booking.confirmation_failed')) UNION ALL SELECT event_id, payment_id, "        \
    "amount, currency, at_ms, -1 FROM capture) SELECT 'payment ' || id || ' of event ' || event "  \
    "|| ': ' || amount || ' ' || currency || ' is told ' || SUM(n) || ' times more often than "    \
    "captured' FROM fact GROUP BY event, id, amount, currency, at_ms HAVING SUM(n) <> 0 LIMIT $1"

struct audit_check audit_journal_checks[AUDIT_JOURNAL_CHECKS] = {
    {"journal-data",
     ASK_PAIR("SELECT 'journal seq ' || seq || ' is not a JSON object' FROM journal WHERE CASE "
              "WHEN json_valid(data) THEN json_type(data) <> 'object' ELSE 1 END LIMIT $1",
              "SELECT 'journal seq ' || seq || ' is not a JSON object' FROM journal WHERE "
              "COALESCE(jsonb_typeof(json_of(data)), '') <> 'object' LIMIT $1")},
    {"journal-gap", ASK_PAIR(GAP_SQLITE, GAP_PGSQL)},
    {"journal-of-nothing",
     ASK("SELECT 'journal seq ' || j.seq || ' is about ' || j.shard || ', which is neither an "
         "event nor a venue' FROM journal j LEFT JOIN event e ON e.id = j.shard LEFT JOIN venue v "
         "ON v.id = j.shard WHERE e.id IS NULL AND v.id IS NULL LIMIT $1")},
    /* Places are lists of numbers, which PostgreSQL writes with spaces. */
    {"journal-of-bookings",
     ASK_OF(
         TOLD,
         ", last AS (SELECT event, id, at_ms, type, data FROM (SELECT event, booking AS id, at_ms, "
         "type, data, ROW_NUMBER() OVER (PARTITION BY event, booking ORDER BY version DESC) AS nth "
         "FROM told WHERE type IN ('booking.held', 'booking.payment_pending', 'booking.confirmed', "
         "'booking.expired', 'booking.cancelled', 'booking.failed')) x WHERE nth = 1) SELECT "
         "'booking ' || b.id || ' of event ' || b.event_id || ' is in state ' || b.state || ', the "
         "journal says ' || COALESCE(t.type, 'nothing') FROM booking b LEFT JOIN last t ON t.event "
         "= b.event_id AND t.id = b.id WHERE t.type IS DISTINCT FROM CASE b.state WHEN 1 THEN "
         "'booking.held' WHEN 2 THEN 'booking.payment_pending' WHEN 3 THEN 'booking.confirmed' "
         "WHEN 4 THEN 'booking.expired' WHEN 5 THEN 'booking.cancelled' WHEN 6 THEN "
         "'booking.failed' END OR replace(t.data ->> 'seats', ' ', '') IS DISTINCT FROM b.seats OR "
         "replace(t.data ->> 'areas', ' ', '') IS DISTINCT FROM b.areas OR t.data ->> 'amount' IS "
         "DISTINCT FROM CAST(b.amount AS TEXT) OR b.ended_at IS DISTINCT FROM CASE WHEN b.state > "
         "2 THEN t.at_ms END LIMIT $1")},
    {"booking-since-hold", ASK_PAIR("WITH " TOLD_SQLITE SINCE_HOLD("lower(hex(b.key_hash))"),
                                    "WITH " TOLD_PGSQL SINCE_HOLD("encode(b.key_hash, 'hex')"))},
    {"journal-without-booking",
     ASK_OF(TOLD, "SELECT 'the journal tells of booking ' || COALESCE(CAST(j.booking AS TEXT), "
                  "'nobody') || ' of event ' || j.event || ', which is gone' FROM told j LEFT JOIN "
                  "booking b ON b.event_id = j.event AND b.id = j.booking WHERE j.type = "
                  "'booking.held' AND b.id IS NULL LIMIT $1")},
    {"booking-step",
     ASK_OF(TOLD,
            ", step AS (SELECT event, booking AS id, type, data, LAG(type, 1, '') OVER w AS "
            "before, LAG(data) OVER w AS earlier FROM told WHERE type IN ('booking.held', "
            "'booking.payment_pending', 'booking.confirmed', 'booking.expired', "
            "'booking.cancelled', 'booking.failed') WINDOW w AS (PARTITION BY event, booking ORDER "
            "BY version)) SELECT 'booking ' || id || ' of event ' || event || ': ' || type || ' "
            "after ' || before FROM step WHERE NOT CASE type WHEN 'booking.held' THEN before = '' "
            "WHEN 'booking.payment_pending' THEN before = 'booking.held' WHEN 'booking.confirmed' "
            "THEN before IN ('booking.held', 'booking.payment_pending', 'booking.expired', "
            "'booking.failed') ELSE before IN ('booking.held', 'booking.payment_pending') END OR "
            "data -> 'seats' IS DISTINCT FROM COALESCE(earlier, data) -> 'seats' OR data -> "
            "'areas' IS DISTINCT FROM COALESCE(earlier, data) -> 'areas' OR data -> 'account' IS "
            "DISTINCT FROM COALESCE(earlier, data) -> 'account' OR data -> 'amount' IS DISTINCT "
            "FROM COALESCE(earlier, data) -> 'amount' LIMIT $1")},
    /* Who had a seat at any time, not only now: a grant needs it free, an end needs its owner. */
    {"seat-in-journal",
     ASK_OF(MOVES,
            ", chain AS (SELECT event, version, seat_no, booking, state, LAG(state, 1, 0) OVER w "
            "AS was, LAG(booking, 1, 0) OVER w AS owner FROM move WINDOW w AS (PARTITION BY event, "
            "seat_no ORDER BY version)) SELECT 'event ' || event || ' seat ' || seat_no || ' went "
            "to booking ' || booking || ' (state ' || state || ') at version ' || version || ' "
            "while ' || owner || ' had it (state ' || was || ')' FROM chain WHERE NOT CASE state "
            "WHEN 0 THEN was > 0 AND owner = booking WHEN 2 THEN was = 0 OR (was = 1 AND owner = "
            "booking) ELSE was = 0 END LIMIT $1")},
    {"seat-by-journal",
     ASK_OF(MOVES,
            ", last AS (SELECT event, seat_no, booking, state FROM (SELECT event, seat_no, "
            "booking, state, ROW_NUMBER() OVER (PARTITION BY event, seat_no ORDER BY version DESC) "
            "AS nth FROM move) x WHERE nth = 1) SELECT 'event ' || l.event || ' seat ' || "
            "l.seat_no || ' is claimed for booking ' || COALESCE(CAST(c.booking_id AS TEXT), "
            "'nobody') || ', by the journal for ' || l.booking || ' (state ' || l.state || ')' "
            "FROM last l LEFT JOIN seat_claim c ON c.event_id = l.event AND c.seat_no = l.seat_no "
            "WHERE l.state <> COALESCE(c.state, 0) OR (l.state > 0 AND l.booking IS DISTINCT FROM "
            "c.booking_id) UNION ALL SELECT 'event ' || c.event_id || ' seat ' || c.seat_no || ' "
            "is claimed, the journal never told it' FROM seat_claim c LEFT JOIN last l ON l.event "
            "= c.event_id AND l.seat_no = c.seat_no WHERE l.event IS NULL LIMIT $1")},
    {"ticket-by-journal",
     ASK_OF(REVOKED, SCANNED_ROWS
            ", used AS (SELECT event, ticket AS id, at_ms, gate, times FROM (SELECT event, ticket, "
            "at_ms, gate, SUM(CASE type WHEN 'ticket.used' THEN 1 ELSE 0 END) OVER (PARTITION BY "
            "event, ticket) AS times, ROW_NUMBER() OVER (PARTITION BY event, ticket ORDER BY "
            "at_ms, version) AS nth FROM scanned) x WHERE nth = 1) "
            "SELECT 'ticket ' || t.id || ' of event ' || t.event_id || ' was used or given back "
            "otherwise than the journal says' FROM ticket t LEFT JOIN used u ON u.event = "
            "t.event_id AND u.id = t.id LEFT JOIN revoked r ON r.event = t.event_id AND r.id = "
            "t.id WHERE u.at_ms IS DISTINCT FROM t.used_at OR COALESCE(u.gate, '') <> "
            "COALESCE(t.used_gate, '') OR u.times <> 1 OR r.refund_id IS DISTINCT FROM t.refund_id "
            "OR t.state <> CASE WHEN r.id IS NULL THEN 0 ELSE 1 END LIMIT $1")},
    {"scan-by-journal",
     ASK_OF(SCANNED,
            ", kept (event, ticket, at_ms, gate, n) AS (SELECT event_id, ticket_id, at_ms, gate, 1 "
            "FROM ticket_scan UNION ALL SELECT event_id, id, used_at, COALESCE(used_gate, ''), 1 "
            "FROM ticket WHERE used_at IS NOT NULL UNION ALL SELECT event, ticket, at_ms, gate, -1 "
            "FROM scanned) SELECT 'ticket ' || ticket || ' of event ' || event || ' has ' || "
            "SUM(n) || ' scans more at ' || at_ms || ' than the journal' FROM kept GROUP BY event, "
            "ticket, at_ms, gate HAVING SUM(n) <> 0 LIMIT $1")},
    {"payment-by-journal",
     ASK_OF(TOLD,
            ", made AS (SELECT event, payment AS id, booking, amount, at_ms, data FROM told WHERE "
            "type = 'payment.created'), ended AS (SELECT event, payment AS id, MAX(CASE type WHEN "
            "'payment.succeeded' THEN 2 ELSE 1 END) AS how FROM told WHERE type IN "
            "('payment.succeeded', 'payment.failed') GROUP BY event, payment) SELECT 'payment ' || "
            "p.id || ' of event ' || p.event_id || ' is not what the journal says, or in another "
            "state' FROM payment p LEFT JOIN made m ON m.event = p.event_id AND m.id = p.id LEFT "
            "JOIN ended e ON e.event = p.event_id AND e.id = p.id WHERE m.booking IS DISTINCT FROM "
            "p.booking_id OR m.data ->> 'provider' IS DISTINCT FROM p.provider OR m.amount IS "
            "DISTINCT FROM p.amount OR m.data ->> 'currency' IS DISTINCT FROM p.currency OR "
            "m.at_ms IS DISTINCT FROM p.created_at OR NOT CASE e.how WHEN 2 THEN p.state = 3 WHEN "
            "1 THEN p.state = 4 ELSE p.state IN (1, 2, 5) END UNION ALL SELECT 'the journal tells "
            "of payment ' || m.id || ' of event ' || m.event || ', which is gone' FROM made m LEFT "
            "JOIN payment p ON p.event_id = m.event AND p.id = m.id WHERE p.id IS NULL LIMIT $1")},
    /* A second capture of a paid payment has no row but that of its refund. */
    {"capture-by-journal", ASK_PAIR("WITH " TOLD_SQLITE CAPTURE_BY_JOURNAL("f.seq = j.seq - 1"),
                                    "WITH " TOLD_PGSQL CAPTURE_BY_JOURNAL(
                                        "f.shard = j.event AND f.version = j.version - 1"))},
    {"refund-by-journal",
     ASK_OF(TOLD,
            ", asked AS (SELECT event, refund AS id, booking, payment, amount, at_ms, data FROM "
            "told WHERE type = 'refund.requested'), last AS (SELECT event, id, type FROM (SELECT "
            "event, refund AS id, type, ROW_NUMBER() OVER (PARTITION BY event, refund ORDER BY "
            "version DESC) AS nth FROM told WHERE type IN ('refund.requested', 'refund.succeeded', "
            "'refund.failed')) x WHERE nth = 1) SELECT 'refund ' || r.id || ' of event ' || "
            "r.event_id || ' is not what the journal says, or in another state' FROM refund r LEFT "
            "JOIN asked a ON a.event = r.event_id AND a.id = r.id LEFT JOIN last l ON l.event = "
            "r.event_id AND l.id = r.id WHERE a.booking IS DISTINCT FROM r.booking_id OR a.payment "
            "IS DISTINCT FROM r.payment_id OR a.amount IS DISTINCT FROM r.amount OR a.data ->> "
            "'currency' IS DISTINCT FROM r.currency OR a.data ->> 'reason' IS DISTINCT FROM "
            "r.reason OR a.at_ms IS DISTINCT FROM r.created_at OR l.type IS DISTINCT FROM CASE "
            "r.state WHEN 0 THEN 'refund.requested' WHEN 1 THEN 'refund.succeeded' WHEN 2 THEN "
            "'refund.failed' END UNION ALL SELECT 'the journal tells of refund ' || a.id || ' of "
            "event ' || a.event || ', which is gone' FROM asked a LEFT JOIN refund r ON r.event_id "
            "= a.event AND r.id = a.id WHERE r.id IS NULL LIMIT $1")},
    {"event-by-journal", ASK_PAIR("WITH " EVENTS_SQLITE EVENT_BY_JOURNAL(TIME_SQLITE),
                                  "WITH " EVENTS_PGSQL EVENT_BY_JOURNAL(TIME_PGSQL))},
    {"price-by-journal",
     ASK_OF(PRICES,
            ", fact (event, name, price, n) AS (SELECT event, name, price, 1 FROM said UNION ALL "
            "SELECT p.event_id, c.name, p.price, -1 FROM event_price p LEFT JOIN event e ON e.id = "
            "p.event_id LEFT JOIN plan_category c ON c.venue_id = e.venue_id AND c.plan_version = "
            "e.plan_version AND c.category_no = p.category_no) SELECT 'event ' || event || ': ' || "
            "COALESCE(name, 'a category that is not there') || ' for ' || price || CASE WHEN "
            "SUM(n) > 0 THEN ' was told, and is not so' ELSE ' was never told' END FROM fact GROUP "
            "BY event, name, price HAVING SUM(n) <> 0 LIMIT $1")},
    {"area-by-journal",
     ASK_OF(ADDED,
            ", fact (event, guid, name, capacity, n) AS (SELECT e.id, a.guid, a.name, a.capacity, "
            "1 FROM event e JOIN venue_area a ON a.venue_id = e.venue_id AND a.plan_version = "
            "e.plan_version UNION ALL SELECT event, guid, name, capacity, 1 FROM added UNION ALL "
            "SELECT event_id, guid, name, capacity, -1 FROM event_area) SELECT 'event ' || event "
            "|| ' area ' || guid || ' with ' || capacity || ' places' || CASE WHEN SUM(n) > 0 THEN "
            "' was made, and is not so' ELSE ' was never made' END FROM fact GROUP BY event, guid, "
            "name, capacity HAVING SUM(n) <> 0 LIMIT $1")},
};
