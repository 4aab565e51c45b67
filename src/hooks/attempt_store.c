/* See attempt_store.h. */
#include "hooks/attempt_store.h"

#define ADD(NN)                                                                                    \
    "INSERT INTO attempt_" NN "(app_id, message_id, id, endpoint_id, at, status, code,"            \
    " trigger_type, url, queued_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms,"          \
    " error_class, error_text, response, response_headers) VALUES($1, $2, $3, $4, $5, $6, $7, $8," \
    " $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"
RING_SQL(SQL_ADD, ADD);

enum err attempt_store_add(struct db *db, const struct attempt *attempt)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD[ring_slot_of(attempt->message_id)]);
    db_bind_i64(stmt, 1, (int64_t)attempt->app_id);
    db_bind_i64(stmt, 2, (int64_t)attempt->message_id);
    db_bind_i64(stmt, 3, (int64_t)attempt->id);
    db_bind_i64(stmt, 4, (int64_t)attempt->endpoint_id);
    db_bind_i64(stmt, 5, attempt->at_ms);
    db_bind_i64(stmt, 6, attempt->status);
    db_bind_i64(stmt, 7, attempt->code);
    db_bind_i64(stmt, 8, attempt->trigger);
    db_bind_str(stmt, 9, attempt->url);
    db_bind_i64(stmt, 10, attempt->times.queued_ms);
    db_bind_i64(stmt, 11, attempt->times.dns_ms);
    db_bind_i64(stmt, 12, attempt->times.connect_ms);
    db_bind_i64(stmt, 13, attempt->times.tls_ms);
    db_bind_i64(stmt, 14, attempt->times.first_byte_ms);
    db_bind_i64(stmt, 15, attempt->times.total_ms);
    db_bind_str(stmt, 16, attempt->error_class);
    db_bind_str(stmt, 17, attempt->error_text);
    db_bind_blob(stmt, 18, attempt->response);
    db_bind_str(stmt, 19, attempt->response_headers);
    return db_exec_later(stmt);
}

#define LAST(NN)                                                                                   \
    "SELECT id, code, at FROM attempt_" NN " WHERE app_id = $1 AND message_id = $2"                \
    " AND endpoint_id = $3 ORDER BY id DESC LIMIT 1"
RING_SQL(SQL_LAST, LAST);

enum err attempt_store_last(struct db *db, uint64_t app_id, uint64_t message_id,
                            uint64_t endpoint_id, struct attempt *ret_attempt)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LAST[ring_slot_of(message_id)]);
    bool has_row;
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, (int64_t)message_id);
    db_bind_i64(stmt, 3, (int64_t)endpoint_id);
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    *ret_attempt = (struct attempt){.app_id = app_id,
                                    .message_id = message_id,
                                    .id = (uint64_t)db_col_i64(stmt, 0),
                                    .endpoint_id = endpoint_id,
                                    .code = db_col_i64(stmt, 1),
                                    .at_ms = db_col_i64(stmt, 2)};
    db_done(stmt);
    return ERR_OK;
}
