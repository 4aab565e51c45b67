/*
 * See floor_hooks.h. The statements are those of the service's stores, written down once more
 * without anything around them: no savepoints, no JSON, no hash, no threads.
 */
#include "floor_hooks.h"

#include "base/clock.h"
#include "base/rand.h"
#include "floor.h"
#include "hooks_seed.h"
#include "store/db.h"

#define FLOOR_APPS 16

SQL(SQL_MESSAGE, "INSERT INTO message_00(app_id, id, event_type, event_id, channels, payload,"
                 " created_at) VALUES($1, $2, 'invoice.paid', NULL, '', $3, $4)");
SQL(SQL_DELIVERY,
    "INSERT INTO delivery_00(app_id, endpoint_id, message_id, state, attempts,"
    " next_at, lane, created_at, ended_at) VALUES($1, $2, $3, 1, 0, $4, 0, $4, NULL)");
SQL(SQL_SEEN, "INSERT INTO event_seen_0(app_id, event_hash, message_id, body_hash)"
              " VALUES($1, $2, $3, $4)");
SQL(SQL_ATTEMPT,
    "INSERT INTO attempt_00(app_id, message_id, id, endpoint_id, at, status, code,"
    " trigger_type, url, queued_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms,"
    " error_class, error_text, response, response_headers) VALUES($1, $2, $3, $4, $5, 0, 200, 0,"
    " 'http://127.0.0.1:12345/hooks/12', 1, -1, -1, -1, 1, 1, '', '', $6,"
    " '{\"content-type\":\"text/plain\",\"connection\":\"keep-alive\",\"server\":\"r\"}')");
SQL(SQL_END, "UPDATE delivery_00 SET state = 0, attempts = 1, next_at = NULL, ended_at = $4"
             " WHERE app_id = $1 AND endpoint_id = $2 AND message_id = $3");

struct ids {
    int64_t app, endpoint, message;
};

static struct ids ids_of(int64_t first_ms, int64_t number)
{
    int64_t app = 1000 + number % FLOOR_APPS;
    return (struct ids){app, app << 8, (first_ms << 22) + (number << 6)};
}

static struct db_stmt *bound(struct db *db, struct sql *sql, const struct ids *ids)
{
    struct db_stmt *stmt = db_stmt(db, sql);
    db_bind_i64(stmt, 1, ids->app);
    db_bind_i64(stmt, 2, ids->endpoint);
    db_bind_i64(stmt, 3, ids->message);
    return stmt;
}

static enum err message(struct db *db, const struct ids *ids, bool has_key)
{
    uint8_t hashes[64];
    struct db_stmt *stmt = db_stmt(db, &SQL_MESSAGE);
    db_bind_i64(stmt, 1, ids->app);
    db_bind_i64(stmt, 2, ids->message);
    db_bind_blob(stmt, 3, hooks_seed_payload());
    db_bind_i64(stmt, 4, clock_now_ms());
    enum err err = db_exec(stmt);
    if (err)
        return err;
    stmt = bound(db, &SQL_DELIVERY, ids);
    db_bind_i64(stmt, 4, clock_now_ms());
    err = db_exec(stmt);
    if (err || !has_key)
        return err;
    rand_bytes(hashes, sizeof(hashes));
    stmt = db_stmt(db, &SQL_SEEN);
    db_bind_i64(stmt, 1, ids->app);
    db_bind_blob(stmt, 2, str_from((const char *)hashes, 32));
    db_bind_i64(stmt, 3, ids->message);
    db_bind_blob(stmt, 4, str_from((const char *)hashes + 32, 32));
    return db_exec(stmt);
}

static enum err attempt(struct db *db, const struct ids *ids)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ATTEMPT);
    db_bind_i64(stmt, 1, ids->app);
    db_bind_i64(stmt, 2, ids->message);
    db_bind_i64(stmt, 3, ids->message + (INT64_C(1) << 40));
    db_bind_i64(stmt, 4, ids->endpoint);
    db_bind_i64(stmt, 5, clock_now_ms());
    db_bind_blob(stmt, 6, STR("thanks"));
    enum err err = db_exec(stmt);
    if (err)
        return err;
    stmt = bound(db, &SQL_END, ids);
    db_bind_i64(stmt, 4, clock_now_ms());
    return db_exec(stmt);
}

static enum err messages(struct db *db, int64_t first_ms, int64_t *number, unsigned group,
                         bool has_key)
{
    enum err err = db_begin(db);
    for (unsigned i = 0; !err && i < group; i++) {
        struct ids ids = ids_of(first_ms, (*number)++);
        err = message(db, &ids, has_key);
    }
    return floor_commit(db, err);
}

enum err floor_messages(const struct child *child, bool has_key, unsigned group,
                        int64_t duration_ms, double *ret_rate)
{
    struct db *db;
    int64_t number = 0;
    enum err err = floor_open(child, "hooks", &db);
    if (err)
        return err;
    int64_t started_ns = clock_mono_ns(), until_ns = started_ns + duration_ms * 1000000;
    int64_t first_ms = clock_now_ms();
    while (!err && clock_mono_ns() < until_ns)
        err = messages(db, first_ms, &number, group, has_key);
    *ret_rate = (double)number / ((double)(clock_mono_ns() - started_ns) / 1e9);
    db_close(db);
    return err;
}

enum err floor_attempts(const struct child *child, unsigned group, unsigned count, double *ret_rate)
{
    struct db *db;
    int64_t number = 0, first_ms = clock_now_ms();
    enum err err = floor_open(child, "hooks", &db);
    if (err)
        return err;
    while (!err && number < count)
        err = messages(db, first_ms, &number, group, false);
    int64_t started_ns = clock_mono_ns();
    for (int64_t done = 0; !err && done < number;) {
        err = db_begin(db);
        for (unsigned i = 0; !err && i < group && done < number; i++) {
            struct ids ids = ids_of(first_ms, done++);
            err = attempt(db, &ids);
        }
        err = floor_commit(db, err);
    }
    *ret_rate = (double)number / ((double)(clock_mono_ns() - started_ns) / 1e9);
    db_close(db);
    return err;
}
