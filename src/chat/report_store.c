/* Rows of reports: see report.h. */
#include "chat/report.h"

#define COLUMNS "id, chat_id, reporter_id, seq, epoch, reason, context, created_at"

static void read_row(struct db_stmt *stmt, struct arena *arena, struct report *report)
{
    *report = (struct report){.id = (uint64_t)db_col_i64(stmt, 0),
                              .chat_id = (uint64_t)db_col_i64(stmt, 1),
                              .reporter_id = (uint64_t)db_col_i64(stmt, 2),
                              .seq = db_col_i64(stmt, 3),
                              .epoch = db_col_i64(stmt, 4),
                              .reason = arena_str_dup(arena, db_col_str(stmt, 5)),
                              .context = arena_str_dup(arena, db_col_str(stmt, 6)),
                              .created_at = db_col_i64(stmt, 7)};
}

SQL(SQL_ADD, "INSERT INTO report(" COLUMNS ") VALUES($1, $2, $3, $4, $5, $6, $7, $8)"
             " ON CONFLICT DO NOTHING");

enum err report_store_add(struct db *db, const struct report *report)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)report->id);
    db_bind_i64(stmt, 2, (int64_t)report->chat_id);
    db_bind_i64(stmt, 3, (int64_t)report->reporter_id);
    db_bind_i64(stmt, 4, report->seq);
    db_bind_i64(stmt, 5, report->epoch);
    db_bind_str(stmt, 6, report->reason);
    db_bind_str(stmt, 7, report->context);
    db_bind_i64(stmt, 8, report->created_at);
    enum err err = db_exec(stmt);
    return err ? err : db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

SQL(SQL_FIND, "SELECT " COLUMNS " FROM report WHERE chat_id = $1 AND seq = $2 AND epoch = $3"
              " AND reporter_id = $4");

enum err report_store_find(struct db *db, struct arena *arena, const struct report *like,
                           struct report *ret_report)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FIND);
    db_bind_i64(stmt, 1, (int64_t)like->chat_id);
    db_bind_i64(stmt, 2, like->seq);
    db_bind_i64(stmt, 3, like->epoch);
    db_bind_i64(stmt, 4, (int64_t)like->reporter_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    read_row(stmt, arena, ret_report);
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_LIST, "SELECT " COLUMNS " FROM report WHERE id < $1 ORDER BY id DESC LIMIT $2");

enum err report_store_list(struct db *db, struct arena *arena, uint64_t before_id, int64_t limit,
                           struct report *ret_reports, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)before_id);
    db_bind_i64(stmt, 2, limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < (size_t)limit; err = db_step(stmt, &has_row))
        read_row(stmt, arena, &ret_reports[count++]);
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}
