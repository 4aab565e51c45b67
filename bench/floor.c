/*
 * Floors; see floor.h. The statements are those of the service's stores, written down once more
 * without anything around them: no savepoints, no JSON, no hash, no threads. What is left is what
 * SQLite itself costs on this disk.
 */
#include "floor.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/rand.h"
#include "store.h"
#include "store/db.h"
#include "store/db_internal.h"
#include "store/migrate.h"
#include "store/writer.h"

#define FLOOR_SEATS 100000 /* of one event, then the next */

enum err floor_open(const struct child *child, const char *service, struct db **ret_db)
{
    char name[32], path[512];
    static unsigned run;
    snprintf(name, sizeof(name), "floor_%u", run++);
    bench_location(child, name, path, sizeof(path));
    enum err err = db_open(path, DB_WRITER, ret_db);
    if (err)
        return err;
    err = migrate_run(*ret_db, service, NULL);
    if (err)
        db_close(*ret_db);
    return err;
}

enum err floor_commit(struct db *db, enum err err)
{
    if (!err)
        err = db_commit(db);
    if (!err && db_checkpoint_due(db))
        db_checkpoint(db);
    return err;
}

/* --- Holds --- */

SQL(SQL_CLAIM,
    "INSERT INTO seat_claim (event_id, seat_no, booking_id, state) VALUES ($1, $2, $3, 1) "
    "ON CONFLICT (event_id, seat_no) DO NOTHING");
SQL(SQL_BOOKING, "INSERT INTO booking (event_id, id, account_id, state, created_at, expires_at, "
                 "amount, currency, seats, areas, "
                 "places, key_hash, body_hash) VALUES ($1, $2, $3, 1, $4, $5, 9000, 'EUR', $6, "
                 "'[]', 2, $7, $7)");
SQL(SQL_JOURNAL, "INSERT INTO journal (shard, version, at_ms, type, data, hash) VALUES ($1, $2, "
                 "$3, 'booking.held', $4, $5)");
SQL(SQL_HEAD, "INSERT INTO journal_head (shard, version, hash) VALUES ($1, $2, $3) ON CONFLICT "
              "(shard) DO UPDATE SET "
              "version = excluded.version, hash = excluded.hash");

static enum err claim(struct db *db, int64_t event_id, int64_t seat_no, int64_t booking_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CLAIM);
    db_bind_i64(stmt, 1, event_id);
    db_bind_i64(stmt, 2, seat_no);
    db_bind_i64(stmt, 3, booking_id);
    return db_exec(stmt);
}

static enum err hold(struct db *db, int64_t number)
{
    int64_t event_id = 1 + number * 2 / FLOOR_SEATS, seat_no = number * 7919 * 2 % FLOOR_SEATS,
            now_ms = clock_now_ms();
    int64_t booking_id = (now_ms << 22) + number;
    char seats[64], data[320];
    uint8_t hash[32];
    rand_bytes(hash, 16);
    snprintf(seats, sizeof(seats), "[[%lld,4500],[%lld,4500]]", (long long)seat_no,
             (long long)seat_no + 1);
    int len =
        snprintf(data, sizeof(data),
                 "{\"booking\":%lld,\"account\":%lld,\"seats\":%s,\"areas\":[],\"amount\":9000,"
                 "\"currency\":\"EUR\","
                 "\"expires_at\":%lld,\"key\":\"0123456789abcdef0123456789abcdef\"}",
                 (long long)booking_id, (long long)(booking_id ^ 0x5555), seats, (long long)now_ms);
    enum err err = claim(db, event_id, seat_no, booking_id);
    if (!err)
        err = claim(db, event_id, seat_no + 1, booking_id);
    if (err)
        return err;
    struct db_stmt *stmt = db_stmt(db, &SQL_BOOKING);
    db_bind_i64(stmt, 1, event_id);
    db_bind_i64(stmt, 2, booking_id);
    db_bind_i64(stmt, 3, 1000000 + number % 2000);
    db_bind_i64(stmt, 4, now_ms);
    db_bind_i64(stmt, 5, now_ms + 600000);
    db_bind_str(stmt, 6, str_from_c(seats));
    db_bind_blob(stmt, 7, str_from((const char *)hash, 16));
    err = db_exec(stmt);
    if (err)
        return err;
    stmt = db_stmt(db, &SQL_JOURNAL);
    db_bind_i64(stmt, 1, event_id);
    db_bind_i64(stmt, 2, number);
    db_bind_i64(stmt, 3, now_ms);
    db_bind_str(stmt, 4, str_from(data, (size_t)len));
    db_bind_blob(stmt, 5, str_from((const char *)hash, 32));
    return db_exec(stmt);
}

static enum err head(struct db *db, int64_t number)
{
    uint8_t hash[32] = {0};
    struct db_stmt *stmt = db_stmt(db, &SQL_HEAD);
    db_bind_i64(stmt, 1, 1 + number * 2 / FLOOR_SEATS);
    db_bind_i64(stmt, 2, number);
    db_bind_blob(stmt, 3, str_from((const char *)hash, 32));
    return db_exec(stmt);
}

static enum err group_write(struct db *db, int64_t *number, unsigned group)
{
    enum err err = db_begin(db);
    for (unsigned i = 0; !err && i < group; i++)
        err = hold(db, (*number)++);
    return floor_commit(db, err ? err : head(db, *number));
}

enum err floor_holds(const struct child *child, unsigned group, int64_t duration_ms,
                     double *ret_rate)
{
    struct db *db;
    int64_t number = 0;
    enum err err = floor_open(child, "tickets", &db);
    if (err)
        return err;
    int64_t started_ns = clock_mono_ns(), until_ns = started_ns + duration_ms * 1000000;
    while (!err && clock_mono_ns() < until_ns)
        err = group_write(db, &number, group);
    *ret_rate = (double)number / ((double)(clock_mono_ns() - started_ns) / 1e9);
    db_close(db);
    return err;
}

/* --- Paced --- */

static int64_t due_at_ns(int64_t started_ns, double rate, int64_t number)
{
    return started_ns + (int64_t)((double)number * 1e9 / rate);
}

enum err floor_paced(const struct child *child, double rate, int64_t duration_ms,
                     struct hist *ret_hist)
{
    struct db *db;
    int64_t number = 0;
    enum err err = floor_open(child, "tickets", &db);
    if (err)
        return err;
    int64_t started_ns = clock_mono_ns(), until_ns = started_ns + duration_ms * 1000000;
    int64_t now_ns;
    while (!err && (now_ns = clock_mono_ns()) < until_ns) {
        int64_t wait_ns = due_at_ns(started_ns, rate, number) - now_ns, first = number;
        if (wait_ns > 0) {
            struct timespec pause = {.tv_nsec = wait_ns < 1000000 ? wait_ns : 1000000};
            nanosleep(&pause, NULL);
            continue;
        }
        unsigned group = 1;
        while (group < WRITER_GROUP_MAX && due_at_ns(started_ns, rate, number + group) <= now_ns)
            group++;
        err = group_write(db, &number, group);
        now_ns = clock_mono_ns();
        for (int64_t i = first; i < number; i++)
            hist_add(ret_hist, now_ns - due_at_ns(started_ns, rate, i));
    }
    db_close(db);
    return err;
}

/* --- Expiry --- */

SQL(SQL_CLAIM_FREE, "DELETE FROM seat_claim WHERE event_id = $1 AND seat_no = $2 AND booking_id = "
                    "$3 AND state = 1");
SQL(SQL_EXPIRE, "UPDATE booking SET state = 4, ended_at = $3 WHERE event_id = $1 AND id = $2 AND "
                "state = 1");
SQL(SQL_OPEN, "SELECT event_id, id, seats FROM booking WHERE state IN (1, 2) AND expires_at < $1 "
              "ORDER BY expires_at LIMIT $2");

struct open_hold {
    int64_t event_id, id, seats[2];
};

static enum err end_hold(struct db *db, const struct open_hold *hold, int64_t version)
{
    uint8_t hash[32] = {0};
    enum err err = ERR_OK;
    for (unsigned i = 0; !err && i < 2; i++) {
        struct db_stmt *stmt = db_stmt(db, &SQL_CLAIM_FREE);
        db_bind_i64(stmt, 1, hold->event_id);
        db_bind_i64(stmt, 2, hold->seats[i]);
        db_bind_i64(stmt, 3, hold->id);
        err = db_exec(stmt);
    }
    if (err)
        return err;
    struct db_stmt *stmt = db_stmt(db, &SQL_EXPIRE);
    db_bind_i64(stmt, 1, hold->event_id);
    db_bind_i64(stmt, 2, hold->id);
    db_bind_i64(stmt, 3, clock_now_ms());
    err = db_exec(stmt);
    if (err)
        return err;
    stmt = db_stmt(db, &SQL_JOURNAL);
    db_bind_i64(stmt, 1, hold->event_id);
    db_bind_i64(stmt, 2, version);
    db_bind_i64(stmt, 3, clock_now_ms());
    db_bind_str(stmt, 4,
                STR("{\"booking\":1234567890123456789,\"account\":1234567890123456789,"
                    "\"seats\":[[12345,4500],[12346,4500]],\"areas\":[],"
                    "\"amount\":9000,\"currency\":\"EUR\"}"));
    db_bind_blob(stmt, 5, str_from((const char *)hash, 32));
    return db_exec(stmt);
}

/* One chunk; *ret_count is 0 when none is left. */
static enum err end_chunk(struct db *db, int64_t *version, size_t *ret_count)
{
    struct open_hold holds[64];
    size_t count = 0;
    bool has_row;
    enum err err = db_begin(db);
    if (err)
        return err;
    struct db_stmt *stmt = db_stmt(db, &SQL_OPEN);
    db_bind_i64(stmt, 1, INT64_MAX);
    db_bind_i64(stmt, 2, 64);
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        struct open_hold *hold = &holds[count++];
        char seats[64] = "";
        hold->event_id = db_col_i64(stmt, 0);
        hold->id = db_col_i64(stmt, 1);
        long long first = 0;
        if (str_to_c(db_col_str(stmt, 2), seats, sizeof(seats)) ||
            sscanf(seats, "[[%lld,", &first) != 1) {
            db_done(stmt);
            return ERR_CORRUPT;
        }
        hold->seats[0] = first;
        hold->seats[1] = first + 1;
    }
    for (size_t i = 0; !err && i < count; i++)
        err = end_hold(db, &holds[i], (*version)++);
    *ret_count = count;
    return floor_commit(db, err ? err : head(db, *version));
}

enum err floor_expiry(const struct child *child, unsigned count, double *ret_ms)
{
    struct db *db;
    int64_t number = 0;
    enum err err = floor_open(child, "tickets", &db);
    if (err)
        return err;
    while (!err && number < count)
        err = group_write(db, &number, WRITER_GROUP_MAX);
    int64_t started_ns = clock_mono_ns(), version = number;
    for (size_t ended = 1; !err && ended > 0;)
        err = end_chunk(db, &version, &ended);
    *ret_ms = (double)(clock_mono_ns() - started_ns) / 1e6;
    db_close(db);
    return err;
}
