/*
 * Relations that the audit's questions are asked of, where a column keeps JSON: once in SQLite's
 * words and once in PostgreSQL's (sql/pgsql/functions.sql), so that each question is one text.
 *
 * Texts that are no JSON tell nothing on PostgreSQL; they are findings of other questions. In
 * SQLite's words a booking's places that are no JSON end the question: it could not be read.
 */
#ifndef TICKETS_AUDIT_RELATIONS_H
#define TICKETS_AUDIT_RELATIONS_H

/* The same question to either engine's relation; one that needs none; one in two texts. */
#define ASK_OF(relation, question)                                                                 \
    {                                                                                              \
        .text = "WITH " relation##_SQLITE question, .pgsql = "WITH " relation##_PGSQL question     \
    }
#define ASK(question)                                                                              \
    {                                                                                              \
        .text = question                                                                           \
    }
#define ASK_PAIR(sqlite_question, pgsql_question)                                                  \
    {                                                                                              \
        .text = sqlite_question, .pgsql = pgsql_question                                           \
    }

/*
 * The journal, a column for each number that questions look things up by. Rows whose data is not
 * JSON are a finding of their own, and tell nothing. What a check looks up by a key is MATERIALIZED
 * (or grouped) and its keys are CAST to the type of the table's: else SQLite makes no index for the
 * join and reads the whole journal again for each row.
 */
#define TOLD_ROWS                                                                                  \
    "told (seq, event, version, at_ms, type, data, booking, payment, refund, ticket, amount, "     \
    "expires_at, scanned_at) AS NOT MATERIALIZED (SELECT j.seq, j.shard, j.version, j.at_ms, "     \
    "j.type, "
#define TOLD_NUMBERS(NUMBER)                                                                       \
    NUMBER("booking")                                                                              \
    NUMBER("payment")                                                                              \
    NUMBER("refund") NUMBER("ticket") NUMBER("amount") NUMBER("expires_at") NUMBER("at")
#define NUMBER_SQLITE(name) ", CAST(json_extract(j.data, '$." name "') AS INTEGER)"
#define NUMBER_PGSQL(name)  ", json_int(d.data -> '" name "')"
#define TOLD_SQLITE         TOLD_ROWS "j.data" TOLD_NUMBERS(NUMBER_SQLITE) TOLD_SQLITE_FROM
#define TOLD_SQLITE_FROM                                                                           \
    " FROM (SELECT seq, shard, version, at_ms, type, CASE WHEN json_valid(data) THEN data ELSE "   \
    "'{}' END data FROM journal) j) "
#define TOLD_PGSQL TOLD_ROWS "d.data" TOLD_NUMBERS(NUMBER_PGSQL) TOLD_PGSQL_FROM
#define TOLD_PGSQL_FROM                                                                            \
    " FROM journal j CROSS JOIN LATERAL (SELECT COALESCE(json_of(j.data), '{}') AS data OFFSET "   \
    "0) d) "

/* What each row of the journal does to a seat: 0 free, else as seat_claim.state. */
#define MOVE(seat_of_pair, seat_alone, told_and_seats)                                             \
    ", move (event, version, seat_no, booking, state) AS (SELECT j.event, "                        \
    "j.version, " seat_of_pair                                                                     \
    ", j.booking, CASE j.type WHEN 'booking.held' THEN 1 WHEN 'booking.confirmed' "                \
    "THEN 2 ELSE 0 END FROM " told_and_seats " WHERE j.type IN ('booking.held', "                  \
    "'booking.confirmed', 'booking.expired', 'booking.cancelled', 'booking.failed', "              \
    "'tickets.revoked') UNION ALL SELECT j.event, j.version, " seat_alone ", 0, CASE j.type WHEN " \
    "'seats.blocked' THEN 3 ELSE 0 END FROM " told_and_seats " WHERE j.type IN "                   \
    "('seats.blocked', 'seats.unblocked')) "
#define MOVES_SQLITE                                                                               \
    TOLD_SQLITE MOVE("CAST(json_extract(s.value, '$[0]') AS INTEGER)", "CAST(s.value AS INTEGER)", \
                     "told j, json_each(j.data, '$.seats') s")
#define MOVES_PGSQL                                                                                \
    TOLD_PGSQL MOVE("json_int(s.value -> 0)", "json_int(s.value)",                                 \
                    "told j CROSS JOIN LATERAL json_items(j.data -> 'seats') AS s (value)")

/* Scans that the journal says let somebody in, with the time of each. */
#define SCANNED_ROWS                                                                               \
    ", scanned (event, ticket, at_ms, gate, type, version) AS MATERIALIZED (SELECT event, "        \
    "ticket, COALESCE(scanned_at, at_ms), COALESCE(data ->> 'gate', ''), type, version FROM told " \
    "WHERE type IN ('ticket.used', 'ticket.scanned')) "
#define SCANNED_SQLITE TOLD_SQLITE SCANNED_ROWS
#define SCANNED_PGSQL  TOLD_PGSQL SCANNED_ROWS

/* Tickets that the journal says were given back. */
#define REVOKED_SQLITE                                                                             \
    TOLD_SQLITE ", revoked (event, id, refund_id) AS MATERIALIZED (SELECT j.event, CAST(t.value "  \
                "AS INTEGER), j.refund FROM told j, json_each(j.data, '$.tickets') t WHERE "       \
                "j.type = 'tickets.revoked') "
#define REVOKED_PGSQL                                                                              \
    TOLD_PGSQL ", revoked (event, id, refund_id) AS MATERIALIZED (SELECT j.event, "                \
               "json_int(t.value), j.refund FROM told j CROSS JOIN LATERAL json_items(j.data -> "  \
               "'tickets') AS t (value) WHERE j.type = 'tickets.revoked') "

/* The last row that tells a whole event, and the prices in it. */
#define EVENT_LAST                                                                                 \
    ", last (event, data) AS (SELECT event, data FROM (SELECT event, data, ROW_NUMBER() OVER "     \
    "(PARTITION BY event ORDER BY version DESC) nth FROM told WHERE type IN ('event.created', "    \
    "'event.updated', 'event.published', 'event.cancelled')) x WHERE nth = 1) "
#define EVENTS_SQLITE TOLD_SQLITE EVENT_LAST
#define EVENTS_PGSQL  TOLD_PGSQL EVENT_LAST
#define PRICES_SQLITE                                                                              \
    EVENTS_SQLITE ", said (event, name, price) AS (SELECT l.event, p.key, p.value FROM last l, "   \
                  "json_each(l.data, '$.prices') p) "
#define PRICES_PGSQL                                                                               \
    EVENTS_PGSQL ", said (event, name, price) AS (SELECT l.event, p.name, json_int(p.value) FROM " \
                 "last l CROSS JOIN LATERAL json_members(l.data -> 'prices') p) "

/* Areas that were added to an event. */
#define ADDED_SQLITE                                                                               \
    TOLD_SQLITE ", added (event, guid, name, capacity) AS (SELECT j.event, json_extract(a.value, " \
                "'$.id'), json_extract(a.value, '$.name'), json_extract(a.value, '$.capacity') "   \
                "FROM told j, json_each(j.data, '$.areas') a WHERE j.type = 'areas.added') "
#define ADDED_PGSQL                                                                                \
    TOLD_PGSQL ", added (event, guid, name, capacity) AS (SELECT j.event, a.value ->> 'id', "      \
               "a.value ->> 'name', json_int(a.value -> 'capacity') FROM told j CROSS JOIN "       \
               "LATERAL json_items(j.data -> 'areas') AS a (value) WHERE j.type = 'areas.added') "

/* The places of bookings, one a row. */
#define SEATS_SQLITE                                                                               \
    "booking_seat (event_id, booking_id, state, seat_no, price) AS NOT MATERIALIZED (SELECT "      \
    "b.event_id, b.id, b.state, json_extract(s.value, '$[0]'), json_extract(s.value, '$[1]') "     \
    "FROM booking b, json_each(b.seats) s) "
#define SEATS_PGSQL                                                                                \
    "booking_seat (event_id, booking_id, state, seat_no, price) AS NOT MATERIALIZED (SELECT "      \
    "b.event_id, b.id, b.state, json_int(s.value -> 0), json_int(s.value -> 1) FROM booking b "    \
    "CROSS JOIN LATERAL json_items(json_of(b.seats)) AS s (value)) "
#define AREAS_SQLITE                                                                               \
    "booking_area (event_id, booking_id, state, area_no, quantity, price) AS NOT MATERIALIZED "    \
    "(SELECT b.event_id, b.id, b.state, json_extract(a.value, '$[0]'), json_extract(a.value, "     \
    "'$[1]'), json_extract(a.value, '$[2]') FROM booking b, json_each(b.areas) a) "
#define AREAS_PGSQL                                                                                \
    "booking_area (event_id, booking_id, state, area_no, quantity, price) AS NOT MATERIALIZED "    \
    "(SELECT b.event_id, b.id, b.state, json_int(a.value -> 0), json_int(a.value -> 1), "          \
    "json_int(a.value -> 2) FROM booking b CROSS JOIN LATERAL json_items(json_of(b.areas)) AS a "  \
    "(value)) "
#define PLACES_SQLITE SEATS_SQLITE ", " AREAS_SQLITE
#define PLACES_PGSQL  SEATS_PGSQL ", " AREAS_PGSQL

#endif
