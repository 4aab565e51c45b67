/*
 * Floors; see floor.h. The statements are those of the service's stores, written down once more
 * without anything around them: no savepoints, no JSON, no hash, no threads. What is left is what
 * SQLite itself costs on this disk.
 */
#include "floor.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/rand.h"
#include "store/db.h"
#include "store/db_internal.h"
#include "store/migrate.h"

#define FLOOR_SEATS 100000 /* of one event, then the next */

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
    if (!err)
        err = head(db, *number);
    if (!err)
        err = db_commit(db);
    if (!err && db_checkpoint_due(db))
        db_checkpoint(db);
    return err;
}

enum err floor_holds(const char *directory, unsigned group, int64_t duration_ms, double *ret_rate)
{
    char path[512];
    struct db *db;
    int64_t number = 0;
    static unsigned run; /* a database of its own for each */
    snprintf(path, sizeof(path), "%s/floor-%u.db", directory, run++);
    enum err err = db_open(path, DB_WRITER, &db);
    if (err)
        return err;
    err = migrate_run(db, "tickets", NULL);
    int64_t started_ns = clock_mono_ns(), until_ns = started_ns + duration_ms * 1000000;
    while (!err && clock_mono_ns() < until_ns)
        err = group_write(db, &number, group);
    *ret_rate = (double)number / ((double)(clock_mono_ns() - started_ns) / 1e9);
    db_close(db);
    return err;
}
