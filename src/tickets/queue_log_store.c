/* SQL of the waiting rooms' log and of what is read whole: entries for memory, the closed list. */
#include "tickets/queue_store.h"

SQL(SQL_APPEND, "INSERT INTO queue_log (event_id, no, kind, entry_id, amount, at_ms) VALUES ($1,"
                " (SELECT COALESCE(MAX(no), 0) + 1 FROM queue_log WHERE event_id = $1),"
                " $2, $3, $4, $5) RETURNING no");

enum err queue_store_log(struct db *db, uint64_t event_id, enum queue_kind kind, uint64_t entry_id,
                         int64_t amount, int64_t at_ms, int64_t *ret_no)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_APPEND);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, kind);
    db_bind_i64(stmt, 3, (int64_t)entry_id);
    db_bind_i64(stmt, 4, amount);
    db_bind_i64(stmt, 5, at_ms);
    return db_get_i64(stmt, ret_no);
}

SQL(SQL_END, "SELECT COALESCE(MAX(no), 0) FROM queue_log WHERE event_id = $1");

enum err queue_store_log_end(struct db *db, uint64_t event_id, int64_t *ret_no)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_END);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    return db_get_i64(stmt, ret_no);
}

#define ROW_COLUMNS                                                                                \
    "e.id, e.account_id, e.state, e.place, e.admitted_at, e.admitted_until, e.ended_at"

static void row_read(struct db_stmt *stmt, int first, struct queue_row *ret_row)
{
    *ret_row = (struct queue_row){
        .id = (uint64_t)db_col_i64(stmt, first),
        .account_id = (uint64_t)db_col_i64(stmt, first + 1),
        .state = (enum queue_state)db_col_i64(stmt, first + 2),
        .place = db_col_i64(stmt, first + 3),
        .admitted_at = db_col_i64(stmt, first + 4),
        .admitted_until = db_col_i64(stmt, first + 5),
        .ended_at = db_col_i64(stmt, first + 6),
    };
}

SQL(SQL_READ, "SELECT l.no, l.kind, l.amount, l.at_ms, " ROW_COLUMNS
              " FROM queue_log l LEFT JOIN queue_entry e ON e.event_id = l.event_id AND"
              " e.id = l.entry_id WHERE l.event_id = $1 AND l.no > $2 ORDER BY l.no LIMIT $3");

enum err queue_store_log_read(struct db *db, uint64_t event_id, int64_t after_no, size_t limit,
                              enum err (*on_row)(const struct queue_log_row *row, void *ctx),
                              void *ctx)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_READ);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, after_no);
    db_bind_i64(stmt, 3, (int64_t)limit);
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
        struct queue_log_row row = {.no = db_col_i64(stmt, 0),
                                    .kind = (enum queue_kind)db_col_i64(stmt, 1),
                                    .amount = db_col_i64(stmt, 2),
                                    .at_ms = db_col_i64(stmt, 3)};
        row_read(stmt, 4, &row.entry);
        err = on_row(&row, ctx);
        if (err) {
            db_done(stmt);
            return err;
        }
    }
    return err;
}

static enum err rows_read(struct db_stmt *stmt,
                          enum err (*on_row)(const struct queue_row *row, void *ctx), void *ctx)
{
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
        struct queue_row row;
        row_read(stmt, 0, &row);
        err = on_row(&row, ctx);
        if (err) {
            db_done(stmt);
            return err;
        }
    }
    return err;
}

#define PLACES(index)                                                                              \
    "SELECT " ROW_COLUMNS " FROM queue_entry AS e " index "WHERE e.event_id = $1 AND e.place >="   \
    " $2 AND e.place <= $3 ORDER BY e.place"
SQL_PAIR(SQL_PLACES, PLACES("INDEXED BY queue_place "), PLACES(""));

enum err queue_store_places(struct db *db, uint64_t event_id, int64_t from, int64_t until,
                            enum err (*on_row)(const struct queue_row *row, void *ctx), void *ctx)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PLACES);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, from);
    db_bind_i64(stmt, 3, until);
    return rows_read(stmt, on_row, ctx);
}

SQL(SQL_EACH, "SELECT " ROW_COLUMNS " FROM queue_entry e WHERE e.event_id = $1 AND e.id > $2"
              " ORDER BY e.id LIMIT $3");

struct each {
    enum err (*on_row)(const struct queue_row *row, void *ctx);
    void *ctx;
    uint64_t last_id;
    size_t count;
};

static enum err each_row(const struct queue_row *row, void *ctx)
{
    struct each *each = ctx;
    each->last_id = row->id;
    each->count++;
    return each->on_row(row, each->ctx);
}

/* In pieces, so that none of them takes as long as a reader may. */
#define EACH_ROWS 20000

enum err queue_store_each(struct db *db, uint64_t event_id,
                          enum err (*on_row)(const struct queue_row *row, void *ctx), void *ctx)
{
    struct each each = {.on_row = on_row, .ctx = ctx};
    enum err err;
    do {
        each.count = 0;
        struct db_stmt *stmt = db_stmt(db, &SQL_EACH);
        db_bind_i64(stmt, 1, (int64_t)event_id);
        db_bind_i64(stmt, 2, (int64_t)each.last_id);
        db_bind_i64(stmt, 3, EACH_ROWS);
        err = rows_read(stmt, each_row, &each);
    } while (!err && each.count == EACH_ROWS);
    return err;
}

SQL(SQL_LIST, "SELECT id FROM queue_entry WHERE event_id = $1 AND id > $3 AND is_early = 1 AND"
              " (ended_at IS NULL OR ended_at > $2) ORDER BY id LIMIT $4");

enum err queue_store_list(struct db *db, uint64_t event_id, int64_t closed_at,
                          enum err (*on_id)(uint64_t id, void *ctx), void *ctx)
{
    uint64_t last_id = 0;
    size_t count;
    enum err err;
    do {
        count = 0;
        struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
        db_bind_i64(stmt, 1, (int64_t)event_id);
        db_bind_i64(stmt, 2, closed_at);
        db_bind_i64(stmt, 3, (int64_t)last_id);
        db_bind_i64(stmt, 4, EACH_ROWS);
        bool has_row;
        while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
            last_id = (uint64_t)db_col_i64(stmt, 0);
            count++;
            err = on_id(last_id, ctx);
            if (err) {
                db_done(stmt);
                return err;
            }
        }
    } while (!err && count == EACH_ROWS);
    return err;
}
