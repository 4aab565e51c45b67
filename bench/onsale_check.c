/* What the rows and the people's records say; see onsale_run.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "onsale_run.h"
#include "store/db.h"

SQL(SQL_ADMITTED, "SELECT COUNT(*) FROM queue_entry WHERE event_id = $1 AND state = 3");
SQL(SQL_BUSY, "SELECT COUNT(*) FROM queue_entry WHERE event_id = $1 AND busy_until > $2");
SQL(SQL_BOOKED, "SELECT COUNT(*) FROM seat_claim WHERE event_id = $1 AND state = 2");
SQL(SQL_STAYS,
    "SELECT admitted_at, ended_at FROM queue_entry WHERE event_id = $1 AND admitted_at IS "
    "NOT NULL");
SQL(SQL_SOLD, "SELECT id, seats FROM booking WHERE event_id = $1 AND state = 3 ORDER BY id");
SQL(SQL_OTHERS_OPEN, "SELECT COUNT(*) FROM booking WHERE event_id <> $1 AND state < 3");
SQL(SQL_OTHERS,
    "SELECT COUNT(*) FROM booking WHERE event_id <> $1 AND state = 4 AND expires_at >= $2 "
    "AND expires_at < $2 + 1000");

static enum err count_of(struct db *db, struct sql *sql, uint64_t event_id, int64_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, sql);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    if (sql == &SQL_BUSY)
        db_bind_i64(stmt, 2, clock_now_ms());
    return db_get_i64(stmt, ret_count);
}

enum err onsale_sample(struct onsale_run *run)
{
    int64_t admitted = 0, busy = 0;
    enum err err = db_snapshot_begin(run->db);
    if (err)
        return err;
    if (!run->plan.is_open)
        err = count_of(run->db, &SQL_ADMITTED, run->event_id, &admitted);
    if (!err && !run->plan.is_open)
        err = count_of(run->db, &SQL_BUSY, run->event_id, &busy);
    if (!err)
        err = count_of(run->db, &SQL_BOOKED, run->event_id, &run->sold);
    db_snapshot_end(run->db);
    run->admitted = busy > admitted ? busy : admitted;
    if (run->admitted > run->admitted_max)
        run->admitted_max = run->admitted;
    return err;
}

/* --- Most at once --- */

struct change {
    int64_t at;
    int by; /* 1: comes, -1: goes */
};

/* Who goes at the same time as another one comes has gone before. */
static int by_time(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->by - y->by;
}

static int64_t most_at_once(struct change *changes, size_t count)
{
    int64_t now = 0, most = 0;
    qsort(changes, count, sizeof(*changes), by_time);
    for (size_t i = 0; i < count; i++) {
        now += changes[i].by;
        if (now > most)
            most = now;
    }
    return most;
}

int64_t onsale_stays_max(const struct onsale_run *run)
{
    size_t stays = run->plan.people * ONSALE_STAYS, count = 0;
    struct change *changes = calloc(2 * stays + 1, sizeof(*changes));
    if (!changes)
        return -1;
    for (size_t i = 0; i < stays; i++) {
        const struct onsale_stay *stay = &run->people.stays[i];
        if (stay->from_ns == 0 || stay->to_ns <= stay->from_ns)
            continue;
        changes[count++] = (struct change){stay->from_ns, 1};
        changes[count++] = (struct change){stay->to_ns, -1};
    }
    int64_t most = most_at_once(changes, count);
    free(changes);
    return most;
}

static enum err rows_most(struct onsale_run *run, int64_t *ret_most)
{
    size_t room = 4 * (run->plan.people + 1) * ONSALE_STAYS, count = 0;
    struct change *changes = calloc(room, sizeof(*changes));
    bool has_row;
    enum err err = changes ? ERR_OK : ERR_NOMEM;
    struct db_stmt *stmt = db_stmt(run->db, &SQL_STAYS);
    db_bind_i64(stmt, 1, (int64_t)run->event_id);
    while (!err && count + 2 <= room && !(err = db_step(stmt, &has_row)) && has_row) {
        changes[count++] = (struct change){db_col_i64(stmt, 0), 1};
        if (!db_col_is_null(stmt, 1))
            changes[count++] = (struct change){db_col_i64(stmt, 1), -1};
    }
    db_done(stmt);
    if (!err)
        *ret_most = most_at_once(changes, count);
    free(changes);
    return err;
}

/* --- Sales --- */

static int by_booking(const void *a, const void *b)
{
    const struct onsale_sold *x = a, *y = b;
    return x->booking_id < y->booking_id ? -1 : x->booking_id > y->booking_id;
}

/* "[[seat_no,price],...]"; more than ONSALE_SEATS are not of ours. */
static size_t read_seats(struct str text, uint32_t seats[ONSALE_SEATS])
{
    size_t count = 0, at = 0;
    while ((at = str_find(text, '[', at + 1)) < text.len) {
        if (count < ONSALE_SEATS)
            seats[count] = (uint32_t)strtoul(text.data + at + 1, NULL, 10);
        count++;
    }
    return count;
}

static enum err read_sold(struct onsale_run *run, struct onsale_sold *rows, size_t room,
                          size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    enum err err = ERR_OK;
    struct db_stmt *stmt = db_stmt(run->db, &SQL_SOLD);
    db_bind_i64(stmt, 1, (int64_t)run->event_id);
    while (count < room && !(err = db_step(stmt, &has_row)) && has_row) {
        struct onsale_sold *row = &rows[count++];
        row->booking_id = (uint64_t)db_col_i64(stmt, 0);
        if (read_seats(db_col_str(stmt, 1), row->seats) != ONSALE_SEATS)
            err = ERR_CORRUPT;
        if (err)
            break;
    }
    db_done(stmt);
    *ret_count = count;
    return err;
}

static enum err count_sold(const struct onsale_run *run, const struct onsale_sold *rows,
                           size_t count, struct onsale_findings *findings)
{
    uint8_t *times = calloc(run->plan.seats, 1);
    if (!times)
        return ERR_NOMEM;
    for (size_t i = 0; i < count * ONSALE_SEATS; i++) {
        uint32_t seat = rows[i / ONSALE_SEATS].seats[i % ONSALE_SEATS];
        if (seat >= run->plan.seats) {
            free(times);
            return ERR_CORRUPT;
        }
        findings->seats_sold++;
        findings->seats_sold_twice += ++times[seat] == 2;
    }
    free(times);
    return ERR_OK;
}

static void compare_sold(const struct onsale_run *run, const struct onsale_sold *rows, size_t count,
                         struct onsale_findings *findings)
{
    const struct onsale_orders *orders = run->people.orders;
    for (unsigned p = 0; p < orders->processes; p++) {
        for (uint64_t i = 0; i < run->people.figures[p].sold_count; i++) {
            const struct onsale_sold *seen = &run->people.sold[p * orders->per_process + i];
            const struct onsale_sold *row = bsearch(seen, rows, count, sizeof(*rows), by_booking);
            findings->sales_unknown +=
                !row || row->seats[0] != seen->seats[0] || row->seats[1] != seen->seats[1];
        }
    }
}

enum err onsale_others_open(struct onsale_run *run, int64_t *ret_open)
{
    return count_of(run->db, &SQL_OTHERS_OPEN, run->event_id, ret_open);
}

static enum err others_ended(struct onsale_run *run, int64_t *ret_ended)
{
    struct db_stmt *stmt = db_stmt(run->db, &SQL_OTHERS);
    db_bind_i64(stmt, 1, (int64_t)run->event_id);
    db_bind_i64(stmt, 2, run->ends_at_ms);
    return db_get_i64(stmt, ret_ended);
}

enum err onsale_check(struct onsale_run *run, struct onsale_findings *ret_findings)
{
    size_t room = run->plan.people * 2 + run->plan.seats, count;
    struct onsale_sold *rows = calloc(room, sizeof(*rows));
    struct onsale_findings findings = {0};
    enum err err = rows ? read_sold(run, rows, room, &count) : ERR_NOMEM;
    if (!err)
        err = count_sold(run, rows, count, &findings);
    if (!err) {
        compare_sold(run, rows, count, &findings);
        if (!run->plan.is_open)
            err = rows_most(run, &findings.admitted_max);
    }
    if (!err)
        err = others_ended(run, &findings.others_ended);
    if (!err)
        err = onsale_others_open(run, &findings.others_open);
    if (err)
        fprintf(stderr, "onsale: the rows: %s %s\n", err_name(err), db_message(run->db));
    free(rows);
    *ret_findings = findings;
    return err;
}
