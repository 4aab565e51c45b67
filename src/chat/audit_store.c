/*
 * The audit's questions to this service's rows. The database keeps no foreign keys.
 *
 * What is no finding: entries of a chat whose last member left stay until their day ends, and a table whose
 * day is over keeps its rows until it is emptied; both are whole as far as they go.
 */
#include "chat/audit.h"

#define ASK(question)                                                                              \
    {                                                                                              \
        .text = question                                                                           \
    }

/* What each day's table has of each chat. */
#define PART(NN)                                                                                   \
    "SELECT chat_id, MIN(seq) AS first, MAX(seq) AS last, COUNT(*) AS n, MAX(texts) AS texts "     \
    "FROM message_" NN " GROUP BY chat_id"
#define ALSO(A, B, C, D)                                                                           \
    " UNION ALL " PART(A) " UNION ALL " PART(B) " UNION ALL " PART(C) " UNION ALL " PART(D)
#define PARTS_00_16                                                                                \
    PART("00")                                                                                     \
    ALSO("01", "02", "03", "04")                                                                   \
    ALSO("05", "06", "07", "08") ALSO("09", "10", "11", "12") ALSO("13", "14", "15", "16")
#define PARTS_17_32                                                                                \
    ALSO("17", "18", "19", "20")                                                                   \
    ALSO("21", "22", "23", "24")                                                                   \
    ALSO("25", "26", "27", "28") ALSO("29", "30", "31", "32")
#define PARTS PARTS_00_16 PARTS_17_32

struct audit_check chat_checks[CHAT_CHECKS] = {
    {"chat-log",
     ASK("SELECT 'chat ' || p.chat_id || ' has ' || SUM(p.n) || ' entries from ' || MIN(p.first) "
         "|| ' to ' || MAX(p.last) || ', and its head says ' || c.last_seq || ', ' || c.texts "
         "FROM (" PARTS ") p JOIN chat c ON c.id = p.chat_id GROUP BY p.chat_id, c.last_seq, "
         "c.texts HAVING SUM(p.n) <> MAX(p.last) - MIN(p.first) + 1 OR MAX(p.last) <> c.last_seq "
         "OR MAX(p.texts) <> c.texts LIMIT $1")},
    {"chat-ring",
     ASK("SELECT 'slot ' || slot || ' cannot hold day ' || day FROM log_slot WHERE slot NOT "
         "BETWEEN 0 AND 32 OR day % 33 <> slot UNION ALL SELECT 'slot ' || slot || ' cannot hold "
         "period ' || period FROM sent_slot WHERE slot NOT BETWEEN 0 AND 3 OR period % 4 <> slot "
         "LIMIT $1")},
    {"chat-row",
     ASK("SELECT 'chat ' || id || ' is not what a chat can be' FROM chat WHERE type NOT IN (0, 1) "
         "OR last_seq < 0 OR shown_seq NOT BETWEEN 0 AND last_seq OR texts NOT BETWEEN 0 AND "
         "last_seq OR member_count NOT BETWEEN 1 AND 100 OR members_version < 1 OR (last_seq > 0) "
         "<> (day_bits > 0) OR (type = 0) <> (user_a > 0 AND user_b > user_a) LIMIT $1")},
    {"chat-members",
     ASK("SELECT 'chat ' || c.id || ' counts ' || c.member_count || ' members and has ' || "
         "COUNT(m.user_id) || ', owners ' || COUNT(CASE WHEN m.role = 2 THEN 1 END) FROM chat c "
         "LEFT JOIN chat_member m ON m.chat_id = c.id GROUP BY c.id, c.member_count, c.type "
         "HAVING COUNT(m.user_id) <> c.member_count OR (c.type = 1 AND COUNT(CASE WHEN m.role = 2 "
         "THEN 1 END) = 0) UNION ALL SELECT 'member ' || m.user_id || ' has no chat ' || m.chat_id "
         "FROM chat_member m WHERE NOT EXISTS (SELECT 1 FROM chat c WHERE c.id = m.chat_id) "
         "LIMIT $1")},
    {"chat-direct",
     ASK("SELECT 'direct chat of ' || d.user_a || ' and ' || d.user_b || ' is not theirs' FROM "
         "direct_chat d WHERE NOT EXISTS (SELECT 1 FROM chat c WHERE c.id = d.chat_id AND c.type = "
         "0 AND c.user_a = d.user_a AND c.user_b = d.user_b) UNION ALL SELECT 'chat ' || c.id || "
         "' is not the one of its two' FROM chat c WHERE c.type = 0 AND NOT EXISTS (SELECT 1 FROM "
         "direct_chat d WHERE d.user_a = c.user_a AND d.user_b = c.user_b AND d.chat_id = c.id) "
         "LIMIT $1")},
    {"chat-marks",
     ASK("SELECT 'member ' || m.user_id || ' of chat ' || m.chat_id || ' has read ' || m.read_seq "
         "|| ', was given ' || m.delivered_seq || ' of ' || c.last_seq FROM chat_member m JOIN "
         "chat c ON c.id = m.chat_id WHERE m.read_seq < 0 OR m.read_seq > m.delivered_seq OR "
         "m.delivered_seq > c.last_seq OR m.joined_seq NOT BETWEEN 0 AND c.last_seq OR "
         "m.read_texts NOT BETWEEN 0 AND c.texts LIMIT $1")},
    {"chat-about",
     ASK("SELECT 'chat ' || c.id || ' about event ' || c.event_id || ' is no conversation of it' "
         "FROM chat c WHERE c.event_id <> 0 AND NOT EXISTS (SELECT 1 FROM event_chat e WHERE "
         "e.event_id = c.event_id AND e.chat_id = c.id) UNION ALL SELECT 'chat ' || c.id || "
         "' is said to be about event ' || e.event_id FROM event_chat e JOIN chat c ON c.id = "
         "e.chat_id WHERE c.event_id <> e.event_id OR c.type <> 1 LIMIT $1")},
};

SQL(SQL_CHATS, "SELECT COUNT(*) FROM chat");
SQL(SQL_ENTRIES, "SELECT COALESCE(SUM(p.n), 0) FROM (" PARTS ") p");

enum err chat_audit_count(struct db *db, int64_t *ret_chats, int64_t *ret_entries)
{
    enum err err = db_get_i64(db_stmt(db, &SQL_CHATS), ret_chats);
    return err ? err : db_get_i64(db_stmt(db, &SQL_ENTRIES), ret_entries);
}
