/* Rows of the feed: see feed.h. Only PostgreSQL runs these. */
#include "chat/feed.h"

#define PUT(N, TX)                                                                                 \
    "INSERT INTO feed_" N "(tx, chat_id, kind, item, node) VALUES(" TX ", $1, $2, $3, $4)"         \
    " ON CONFLICT DO NOTHING"
#define OWN_TX "CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)"
static struct sql SQL_PUT[FEED_TABLES] = {
    {.text = PUT("0", "0"), .pgsql = PUT("0", OWN_TX)},
    {.text = PUT("1", "0"), .pgsql = PUT("1", OWN_TX)},
};

enum err feed_store_put(struct db *db, size_t table, const struct feed_row *row)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT[table]);
    db_bind_i64(stmt, 1, row->position.chat_id);
    db_bind_i64(stmt, 2, row->position.kind);
    db_bind_i64(stmt, 3, row->position.item);
    db_bind_i64(stmt, 4, row->node);
    return db_exec_later(stmt);
}

#define READ(N, SETTLED)                                                                           \
    "SELECT tx, chat_id, kind, item, node FROM feed_" N                                            \
    " WHERE (tx, chat_id, kind, item) > ($1, $2, $3, $4)" SETTLED                                  \
    " ORDER BY tx, chat_id, kind, item LIMIT $5"
#define BELOW_OPEN " AND tx < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)"
static struct sql SQL_READ[FEED_TABLES] = {
    {.text = READ("0", ""), .pgsql = READ("0", BELOW_OPEN)},
    {.text = READ("1", ""), .pgsql = READ("1", BELOW_OPEN)},
};

enum err feed_store_read(struct db *db, size_t table, const struct feed_position *after,
                         size_t limit, struct feed_row *ret_rows, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_READ[table]);
    db_bind_i64(stmt, 1, after->tx);
    db_bind_i64(stmt, 2, after->chat_id);
    db_bind_i64(stmt, 3, after->kind);
    db_bind_i64(stmt, 4, after->item);
    db_bind_i64(stmt, 5, (int64_t)limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < limit; err = db_step(stmt, &has_row))
        ret_rows[count++] = (struct feed_row){
            {db_col_i64(stmt, 0), db_col_i64(stmt, 1), db_col_i64(stmt, 2), db_col_i64(stmt, 3)},
            db_col_i64(stmt, 4)};
    db_done(stmt);
    if (!err)
        *ret_count = count;
    return err;
}

SQL_PAIR(SQL_END, "SELECT 0",
         "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)");

enum err feed_store_end(struct db *db, int64_t *ret_tx)
{
    return db_get_i64(db_stmt(db, &SQL_END), ret_tx);
}

static struct sql SQL_ANY[FEED_TABLES] = {{.text = "SELECT node FROM feed_0 LIMIT 1"},
                                          {.text = "SELECT node FROM feed_1 LIMIT 1"}};
static struct sql SQL_EMPTY[FEED_TABLES] = {
    {.text = "DELETE FROM feed_0", .pgsql = "TRUNCATE feed_0"},
    {.text = "DELETE FROM feed_1", .pgsql = "TRUNCATE feed_1"},
};

enum err feed_store_empty(struct db *db, size_t table)
{
    int64_t node;
    enum err err = db_get_i64(db_stmt(db, &SQL_ANY[table]), &node);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    return db_exec(db_stmt(db, &SQL_EMPTY[table]));
}
