/*
 * The audit's questions to this service's rows. The database keeps no foreign keys.
 *
 * What is no finding: messages and deliveries of applications and endpoints that were deleted stay until
 * their day ends; what waits for a deleted endpoint is given up a moment later. An attempt that ended
 * after its delivery had been given up is recorded and not counted, and a delivery that was sent anew
 * counts from nothing; so only one that was not, and has not been given up, has as many as it counts.
 */
#include "hooks/audit_store.h"

#include <stdio.h>

#include "hooks/limits.h"

#define ASK(question)                                                                              \
    {                                                                                              \
        .text = question                                                                           \
    }

#define WAITS(NN) "SELECT app_id FROM delivery_" NN " WHERE next_at IS NOT NULL"
#define ALSO(NN)  " UNION ALL " WAITS(NN)
#define ALSO_OF(A, B, C, D, E, F, G, H)                                                            \
    ALSO(A) ALSO(B) ALSO(C) ALSO(D) ALSO(E) ALSO(F) ALSO(G) ALSO(H)
#define WAITS_ALL                                                                                  \
    WAITS("00")                                                                                    \
    ALSO_OF("01", "02", "03", "04", "05", "06", "07", "08")                                        \
    ALSO_OF("09", "10", "11", "12", "13", "14", "15", "16")                                        \
    ALSO_OF("17", "18", "19", "20", "21", "22", "23", "24")                                        \
    ALSO_OF("25", "26", "27", "28", "29", "30", "31", "32")

struct audit_check hooks_row_checks[HOOKS_ROW_CHECKS] = {
    {"hooks-ring",
     ASK("SELECT 'slot ' || slot || ' cannot hold day ' || day FROM ring_slot WHERE slot NOT "
         "BETWEEN 0 AND 32 OR day % 33 <> slot UNION ALL SELECT 'slot ' || slot || ' cannot hold "
         "period ' || period FROM seen_slot WHERE slot NOT BETWEEN 0 AND 3 OR period % 4 <> slot "
         "LIMIT $1")},
    {"hooks-orphan",
     ASK("SELECT 'endpoint ' || e.id || ' has no application' FROM endpoint e WHERE NOT EXISTS "
         "(SELECT 1 FROM application a WHERE a.id = e.app_id) UNION ALL SELECT 'old secret ' || "
         "s.id || ' has no endpoint' FROM endpoint_old_secret s WHERE NOT EXISTS (SELECT 1 FROM "
         "endpoint e WHERE e.app_id = s.app_id AND e.id = s.endpoint_id) LIMIT $1")},
    {"hooks-endpoint",
     ASK("SELECT 'endpoint ' || id || ' is not what an endpoint can be' FROM endpoint WHERE "
         "disabled_by NOT BETWEEN 0 AND 3 OR signature_format NOT BETWEEN 0 AND 2 OR failing_since "
         "< 0 OR throttle_rate NOT BETWEEN 0 AND 65535 OR version < 1 OR url = '' UNION ALL SELECT "
         "'application ' || app_id || ' has ' || COUNT(*) || ' endpoints' FROM endpoint GROUP BY "
         "app_id HAVING COUNT(*) > 100 LIMIT $1")},
    {"hooks-endpoint-twice",
     ASK("SELECT 'endpoint ' || id || ' is of ' || COUNT(*) || ' applications' FROM endpoint GROUP "
         "BY id HAVING COUNT(*) > 1 LIMIT $1")},
    {"hooks-backlog",
     ASK("SELECT 'application ' || a.id || ' counts ' || COALESCE(b.pending, 0) || ' deliveries "
         "that wait, and has ' || COALESCE(w.n, 0) FROM application a LEFT JOIN "
         "application_backlog b ON b.app_id = a.id LEFT JOIN (SELECT app_id, COUNT(*) AS n FROM "
         "(" WAITS_ALL ") AS waiting GROUP BY app_id) w ON w.app_id = a.id WHERE "
         "COALESCE(b.pending, 0) <> COALESCE(w.n, 0) LIMIT $1")},
};

#define DAYS(NN)                                                                                   \
    "SELECT 'message ' || id || ' stands in another day''s table' FROM message_" NN                \
    " WHERE id < $2 OR id >= $3 UNION ALL SELECT 'delivery of message ' || message_id || ' to ' "  \
    "|| endpoint_id || ' stands in another day''s table' FROM delivery_" NN                        \
    " WHERE message_id < $2 OR message_id >= $3 UNION ALL SELECT 'attempt ' || id || ' stands in " \
    "another day''s table' FROM attempt_" NN " WHERE message_id < $2 OR message_id >= $3 LIMIT $1"
#define NO_MESSAGE(NN)                                                                             \
    "SELECT 'delivery of ' || d.message_id || ' to ' || d.endpoint_id || ' has no message' FROM "  \
    "delivery_" NN " d WHERE NOT EXISTS (SELECT 1 FROM message_" NN                                \
    " m WHERE m.app_id = d.app_id AND m.id = d.message_id) LIMIT $1"
#define OTHERS_ENDPOINT(NN)                                                                        \
    "SELECT 'delivery of ' || d.message_id || ' to ' || d.endpoint_id || ', an endpoint of "       \
    "another application' FROM delivery_" NN                                                       \
    " d WHERE d.endpoint_id IN (SELECT e.id FROM endpoint e WHERE e.app_id <> d.app_id) LIMIT $1"
#define STATE(NN)                                                                                  \
    "SELECT 'delivery of ' || message_id || ' to ' || endpoint_id || ' is ' || state || ' in "     \
    "lane ' || lane || ' after ' || attempts || ', next at ' || COALESCE(CAST(next_at AS TEXT), "  \
    "'never') || ', ended at ' || COALESCE(CAST(ended_at AS TEXT), 'never') FROM delivery_" NN     \
    " WHERE (state NOT BETWEEN 0 AND 2 OR lane NOT BETWEEN 0 AND 2 OR attempts NOT BETWEEN 0 AND " \
    "12 OR created_at <= 0 OR (state = 1) <> (next_at IS NOT NULL) OR (state = 1) <> (ended_at "   \
    "IS NULL)) LIMIT $1"
#define COUNT(NN)                                                                                  \
    "SELECT 'delivery of ' || d.message_id || ' to ' || d.endpoint_id || ' counts ' || "           \
    "d.attempts || ' attempts and has ' || COALESCE(a.n, 0) FROM delivery_" NN                     \
    " d LEFT JOIN (SELECT app_id, message_id, endpoint_id, COUNT(*) AS n FROM attempt_" NN         \
    " GROUP BY app_id, message_id, endpoint_id) a ON a.app_id = d.app_id AND a.message_id = "      \
    "d.message_id AND a.endpoint_id = d.endpoint_id WHERE (d.attempts > COALESCE(a.n, 0) OR "      \
    "(d.lane = 0 AND d.state <> 2 AND d.attempts < COALESCE(a.n, 0))) LIMIT $1"
#define TAKEN(NN)                                                                                  \
    "SELECT 'delivery of ' || d.message_id || ' to ' || d.endpoint_id || ' was taken, and no "     \
    "attempt says so' FROM delivery_" NN " d WHERE d.state = 0 AND NOT EXISTS (SELECT 1 FROM "     \
    "attempt_" NN " a WHERE a.app_id = d.app_id AND a.message_id = d.message_id AND "              \
    "a.endpoint_id = d.endpoint_id AND a.status = 0) LIMIT $1"
#define ATTEMPT(NN)                                                                                \
    "SELECT 'attempt ' || a.id || ' of ' || a.message_id || ' to ' || a.endpoint_id || ' is of "   \
    "no delivery, or not what an attempt can be' FROM attempt_" NN                                 \
    " a WHERE a.status NOT IN (0, 2) OR a.trigger_type NOT IN (0, 1) OR a.at <= 0 OR (a.status = " \
    "0 AND a.code NOT BETWEEN 200 AND 299) OR NOT EXISTS (SELECT 1 FROM delivery_" NN              \
    " d WHERE d.app_id = a.app_id AND d.endpoint_id = a.endpoint_id AND d.message_id = "           \
    "a.message_id) LIMIT $1"
RING_SQL(SQL_DAYS, DAYS);
RING_SQL(SQL_NO_MESSAGE, NO_MESSAGE);
RING_SQL(SQL_OTHERS_ENDPOINT, OTHERS_ENDPOINT);
RING_SQL(SQL_STATE, STATE);
RING_SQL(SQL_COUNT, COUNT);
RING_SQL(SQL_TAKEN, TAKEN);
RING_SQL(SQL_ATTEMPT, ATTEMPT);

const struct hooks_day_check hooks_day_checks[HOOKS_DAY_CHECKS] = {
    {"hooks-day", SQL_DAYS, true},
    {"hooks-delivery-message", SQL_NO_MESSAGE, false},
    {"hooks-delivery-endpoint", SQL_OTHERS_ENDPOINT, false},
    {"hooks-delivery-state", SQL_STATE, false},
    {"hooks-attempt-count", SQL_COUNT, false},
    {"hooks-delivery-taken", SQL_TAKEN, false},
    {"hooks-attempt", SQL_ATTEMPT, false},
};

/* ---- what is sealed ---- */

SQL(SQL_SEALED,
    "SELECT 'the known text', sealed FROM seal UNION ALL SELECT 'the secret of endpoint "
    "' || id, secret FROM endpoint UNION ALL SELECT 'the headers of endpoint ' || id, "
    "headers FROM endpoint UNION ALL SELECT 'old secret ' || id || ' of endpoint ' || "
    "endpoint_id, secret FROM endpoint_old_secret");

static enum err open_one(struct audit *audit, const struct keyring *keyring, struct arena *arena,
                         struct db_stmt *stmt)
{
    char line[256];
    struct str plain, what = db_col_str(stmt, 0);
    enum err err =
        keyring ? keyring_open(keyring, arena, db_col_blob(stmt, 1), &plain) : ERR_NOT_FOUND;
    if (err && err != ERR_CORRUPT && err != ERR_NOT_FOUND)
        return err;
    if (err) {
        (void)snprintf(line, sizeof(line), "%.*s %s", STR_ARG(what),
                       keyring ? "does not open with the key"
                               : "is sealed, and there is no key"); /* a cut line is good enough */
        audit_found(line, audit);
    }
    arena_reset(arena, 4096);
    return ERR_OK;
}

enum err hooks_audit_sealed(struct audit *audit, const struct keyring *keyring)
{
    struct arena arena;
    struct db_stmt *stmt = db_stmt(audit_db(audit), &SQL_SEALED);
    bool has_row;
    enum err err;
    arena_init(&arena, 1u << 20);
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        err = open_one(audit, keyring, &arena, stmt);
        if (err)
            break;
    }
    db_done(stmt);
    arena_release(&arena);
    return err;
}

/* ---- totals ---- */

#define TOTALS(NN)                                                                                 \
    "SELECT (SELECT COUNT(*) FROM message_" NN "), (SELECT COUNT(*) FROM delivery_" NN             \
    " WHERE next_at IS NOT NULL), (SELECT COUNT(*) FROM delivery_" NN " WHERE state = 2)"
RING_SQL(SQL_TOTALS, TOTALS);

enum err hooks_audit_count(struct db *db, size_t slot, struct hooks_totals *totals)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_TOTALS[slot]);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err;
    totals->messages += db_col_i64(stmt, 0);
    totals->waiting += db_col_i64(stmt, 1);
    totals->dead += db_col_i64(stmt, 2);
    db_done(stmt);
    return ERR_OK;
}
