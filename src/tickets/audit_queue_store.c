/*
 * The audit's questions to waiting rooms: entries against the log, the log against itself, the cap
 * against the log's own history, holds and bookings against the admissions that they name. What needs
 * a hash (commitment, list, order) is asked in audit_queue.c.
 *
 * queue_entry.state: 1 pre, 2 waiting, 3 admitted, 4 done, 5 left, 6 lapsed. queue_log.kind: 1 joined,
 * 2 admitted, 3 done, 4 left, 5 lapsed, 6 and more of the room.
 */
#include "tickets/audit_store.h"

#include "tickets/audit_relations.h"

#define ENTRY "'entry ' || e.id || ' of event ' || e.event_id || "

struct audit_check audit_queue_checks[AUDIT_QUEUE_CHECKS] = {
    {"queue-account-twice",
     ASK("SELECT 'account ' || account_id || ' has ' || COUNT(*) || ' open entries of event ' || "
         "event_id FROM queue_entry WHERE +state <= 3 GROUP BY event_id, account_id HAVING "
         "COUNT(*) > 1 LIMIT $1")},
    {"queue-place-twice",
     ASK("SELECT 'place ' || place || ' of event ' || event_id || ' was given to ' || COUNT(*) "
         "FROM "
         "queue_entry WHERE +place IS NOT NULL GROUP BY event_id, place HAVING COUNT(*) > 1 LIMIT "
         "$1")},
    {"queue-place-line",
     ASK("SELECT " ENTRY "' has place ' || COALESCE(e.place, 0) || ' in state ' || e.state || ', "
         "the room is at ' || r.admitted_place || ' of ' || r.places FROM queue_entry e JOIN "
         "queue_room r ON r.event_id = e.event_id WHERE e.place > r.places OR (e.state = 2 AND "
         "e.place <= r.admitted_place) OR (e.admitted_at IS NOT NULL AND (e.place IS NULL OR "
         "e.place > r.admitted_place)) OR (e.place IS NOT NULL AND (e.is_early = 1) <> (e.place <= "
         "COALESCE(r.entry_count, 0))) OR (e.is_early = 1 AND e.joined_at > r.closed_at) OR "
         "(e.place IS NOT NULL AND r.closed_at IS NULL) LIMIT $1")},
    {"queue-log-gap",
     ASK("SELECT 'row ' || no || ' of the log of event ' || event_id || ' comes after ' || before "
         "FROM (SELECT event_id, no, LAG(no, 1, CAST(0 AS BIGINT)) OVER (PARTITION BY event_id "
         "ORDER BY no) AS before FROM queue_log) AS l WHERE no <> before + 1 LIMIT $1")},
    {"queue-entry-log",
     ASK("WITH last AS (SELECT event_id, entry_id, MAX(CASE kind WHEN 1 THEN CASE WHEN amount > 0 "
         "THEN 2 ELSE 1 END ELSE kind + 1 END) AS state, SUM(CASE kind WHEN 1 THEN 1 ELSE 0 END) "
         "AS joins, SUM(CASE WHEN kind > 2 THEN 1 ELSE 0 END) AS ends, MAX(CASE kind WHEN 2 THEN "
         "at_ms END) AS admitted_at FROM queue_log WHERE kind <= 5 GROUP BY event_id, entry_id) "
         "SELECT " ENTRY "' is in state ' || e.state || ', the log leads to ' || "
         "COALESCE(l.state, 0) FROM queue_entry e LEFT JOIN last l ON l.event_id = e.event_id AND "
         "l.entry_id = e.id WHERE l.state IS NULL OR l.joins <> 1 OR l.ends > 1 OR l.admitted_at "
         "IS DISTINCT FROM e.admitted_at OR e.state <> CASE WHEN l.state = 1 AND e.place IS NOT "
         "NULL THEN 2 ELSE l.state END LIMIT $1")},
    {"queue-log-of-nothing",
     ASK("SELECT 'row ' || l.no || ' of the log of event ' || l.event_id || ' is about ' || "
         "l.entry_id FROM queue_log l LEFT JOIN queue_entry e ON e.event_id = l.event_id AND e.id "
         "= l.entry_id LEFT JOIN queue_room r ON r.event_id = l.event_id WHERE r.event_id IS NULL "
         "OR (l.kind <= 5) <> (e.id IS NOT NULL) LIMIT $1")},
    /* What the log tells of ends is the least that took part: a hold that outlasts its admission
     * counts longer, and so does an end while other nodes may not know of it. */
    {"queue-cap",
     ASK("WITH history AS (SELECT l.event_id, l.no, l.kind, l.amount, SUM(CASE WHEN l.kind = 2 "
         "THEN 1 WHEN l.kind IN (3, 4, 5) AND e.admitted_at IS NOT NULL THEN -1 ELSE 0 END) OVER "
         "(PARTITION BY l.event_id ORDER BY l.no) AS admitted FROM queue_log l JOIN queue_entry e "
         "ON e.event_id = l.event_id AND e.id = l.entry_id) SELECT 'event ' || event_id || ' had ' "
         "|| admitted || ' people admitted at row ' || no || ' of its log, the cap was ' || amount "
         "FROM history WHERE kind = 2 AND admitted > amount LIMIT $1")},
    {"queue-busy",
     ASK("SELECT " ENTRY "' is in state ' || e.state || ' with ' || e.holds || ' holds and counts "
         "until ' || COALESCE(e.busy_until, 0) FROM queue_entry e WHERE ((e.state = 3 OR e.holds > "
         "0) AND (e.busy_until IS NULL OR e.busy_until < 9223372036854775807)) OR (e.state <> 3 "
         "AND e.holds = 0 AND e.busy_until = 9223372036854775807) OR (e.state < 3 AND e.busy_until "
         "IS NOT NULL) LIMIT $1")},
    {"queue-holds",
     ASK("SELECT " ENTRY "' counts ' || e.holds || ' open holds, there are ' || COALESCE(b.count, "
         "0) FROM queue_entry e LEFT JOIN (SELECT event_id, admission_id, COUNT(*) AS count FROM "
         "booking WHERE state IN (1, 2) AND admission_id IS NOT NULL GROUP BY event_id, "
         "admission_id) b ON b.event_id = e.event_id AND b.admission_id = e.id WHERE e.holds <> "
         "COALESCE(b.count, 0) LIMIT $1")},
    {"booking-admission",
     ASK("SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' names the admission ' || "
         "b.admission_id || ', which it cannot have been made under' FROM booking b LEFT JOIN "
         "queue_entry e ON e.event_id = b.event_id AND e.id = b.admission_id WHERE b.admission_id "
         "IS NOT NULL AND (e.id IS NULL OR e.account_id <> b.account_id OR e.admitted_at IS NULL "
         "OR e.admitted_at > b.created_at OR e.ended_at < b.created_at) LIMIT "
         "$1")},
    {"queue-done",
     ASK("SELECT " ENTRY
         "' is done without a confirmed booking' FROM queue_entry e WHERE e.state = "
         "4 AND NOT EXISTS (SELECT 1 FROM booking b WHERE b.event_id = e.event_id AND "
         "b.admission_id = e.id AND b.state = 3) LIMIT $1")},
    {"queue-settings",
     ASK_PAIR("WITH last AS (SELECT shard, data, ROW_NUMBER() OVER (PARTITION BY shard ORDER BY "
              "version DESC) AS nth FROM journal WHERE type IN ('event.created', 'event.updated', "
              "'event.published', 'event.cancelled') AND json_valid(data)) SELECT 'the waiting "
              "room of event ' || s.event_id || ' is not set as was last told' FROM queue_settings "
              "s LEFT JOIN last l ON l.shard = s.event_id AND l.nth = 1 WHERE s.admitted_max IS "
              "NOT json_extract(l.data, '$.queue.admitted_max') OR s.admit_per_minute IS NOT "
              "json_extract(l.data, '$.queue.admit_per_minute') OR s.opens_before_s IS NOT "
              "json_extract(l.data, '$.queue.opens_before_s') OR s.admission_s IS NOT "
              "json_extract(l.data, '$.queue.admission_s') OR s.quiet_s IS NOT "
              "json_extract(l.data, '$.queue.quiet_s') OR s.auto_above IS NOT "
              "json_extract(l.data, '$.queue.auto_above') LIMIT $1",
              "WITH last AS (SELECT shard, json_of(data) -> 'queue' AS told, ROW_NUMBER() OVER "
              "(PARTITION BY shard ORDER BY version DESC) AS nth FROM journal WHERE type IN "
              "('event.created', 'event.updated', 'event.published', 'event.cancelled')) SELECT "
              "'the waiting room of event ' || s.event_id || ' is not set as was last told' FROM "
              "queue_settings s LEFT JOIN last l ON l.shard = s.event_id AND l.nth = 1 WHERE "
              "(s.admitted_max, s.admit_per_minute, s.opens_before_s, s.admission_s, s.quiet_s, "
              "s.auto_above) IS DISTINCT FROM (json_int(l.told -> 'admitted_max'), "
              "json_int(l.told -> 'admit_per_minute'), json_int(l.told -> 'opens_before_s'), "
              "json_int(l.told -> 'admission_s'), json_int(l.told -> 'quiet_s'), "
              "json_int(l.told -> 'auto_above')) LIMIT $1")},
    {"queue-orphan",
     ASK("SELECT 'a waiting room of event ' || r.event_id || ', which there is not' FROM "
         "queue_room "
         "r LEFT JOIN event v ON v.id = r.event_id WHERE v.id IS NULL UNION ALL SELECT 'entry ' || "
         "e.id || ' of event ' || e.event_id || ' without its room' FROM queue_entry e LEFT JOIN "
         "queue_room r ON r.event_id = e.event_id WHERE r.event_id IS NULL UNION ALL SELECT "
         "'settings of event ' || s.event_id || ', which there is not' FROM queue_settings s LEFT "
         "JOIN event v ON v.id = s.event_id WHERE v.id IS NULL LIMIT $1")},
};
