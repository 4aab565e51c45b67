/*
 * The audit's questions to rows of media. Whether the files are there is not among them: they may be on another
 * machine, and a download says so.
 *
 * The collector keeps what any reference names that is still in a table, also of days that are over, so
 * these are exact at every moment.
 */
#include "chat/audit.h"

#define ASK(question)                                                                              \
    {                                                                                              \
        .text = question                                                                           \
    }

/* A message with a file, and no reference or no such file; a reference, and no such message. */
#define WRONG(NN)                                                                                  \
    "SELECT 'message ' || m.seq || ' of chat ' || m.chat_id || ' has no file ' || m.media_id "     \
    "AS finding FROM message_" NN " m WHERE m.type = 1 AND m.deleted_at = 0 AND NOT EXISTS "       \
    "(SELECT 1 FROM media_ref_" NN " r JOIN media f ON f.id = r.media_id AND f.state = 1 WHERE "   \
    "r.media_id = m.media_id AND r.chat_id = m.chat_id AND r.seq = m.seq) UNION ALL "              \
    "SELECT 'file ' || r.media_id || ' is referred to by ' || r.seq || ' of chat ' || r.chat_id "  \
    "|| ', which does not' FROM media_ref_" NN " r WHERE NOT EXISTS (SELECT 1 FROM message_" NN    \
    " m WHERE m.chat_id = r.chat_id AND m.seq = r.seq AND m.type = 1 AND m.deleted_at = 0 AND "    \
    "m.media_id = r.media_id)"
#define ALSO(A, B, C, D)                                                                           \
    " UNION ALL " WRONG(A) " UNION ALL " WRONG(B) " UNION ALL " WRONG(C) " UNION ALL " WRONG(D)
#define ALL_WRONG                                                                                  \
    WRONG("00")                                                                                    \
    ALSO("01", "02", "03", "04")                                                                   \
    ALSO("05", "06", "07", "08")                                                                   \
    ALSO("09", "10", "11", "12")                                                                   \
    ALSO("13", "14", "15", "16")                                                                   \
    ALSO("17", "18", "19", "20")                                                                   \
    ALSO("21", "22", "23", "24") ALSO("25", "26", "27", "28") ALSO("29", "30", "31", "32")

struct audit_check chat_media_checks[CHAT_MEDIA_CHECKS] = {
    {"chat-media",
     ASK("SELECT 'media ' || m.id || ' has ' || m.received || ' of ' || m.bytes || ' bytes in "
         "state ' || m.state FROM media m LEFT JOIN media_blob b ON b.id = m.blob_id WHERE m.state "
         "NOT IN (0, 1) OR m.received NOT BETWEEN 0 AND m.bytes OR (m.state = 1) <> (m.received = "
         "m.bytes) OR (m.state = 1) <> (b.id IS NOT NULL AND b.bytes = m.bytes) UNION ALL SELECT "
         "'bytes ' || b.id || ' count ' || b.refs || ' references and have ' || COUNT(m.id) FROM "
         "media_blob b LEFT JOIN media m ON m.blob_id = b.id GROUP BY b.id, b.refs HAVING "
         "COUNT(m.id) <> b.refs OR b.refs < 1 LIMIT $1")},
    {"chat-media-refs", ASK("SELECT finding FROM (" ALL_WRONG ") w LIMIT $1")},
};
