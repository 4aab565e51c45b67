/* The rows of Idempotency-Key, the same table in every service's database. */
#include "app/idempotency.h"

static struct str hash_str(const uint8_t *hash)
{
    return str_from((const char *)hash, IDEMPOTENCY_HASH_SIZE);
}

SQL(SQL_FIND, "SELECT body_hash, status, body FROM idempotency"
              " WHERE caller_id = $1 AND key_hash = $2 AND created_at > $3");

enum err idempotency_find(struct db *db, struct arena *arena, const struct idempotency_key *key,
                          int64_t now_ms, struct idempotency_answer *ret_answer)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FIND);
    db_bind_i64(stmt, 1, (int64_t)key->caller_id);
    db_bind_blob(stmt, 2, hash_str(key->key_hash));
    db_bind_i64(stmt, 3, now_ms - IDEMPOTENCY_KEEP_MS);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    struct idempotency_answer answer = {.is_same_body =
                                            str_eq(db_col_blob(stmt, 0), hash_str(key->body_hash))};
    if (answer.is_same_body) {
        answer.status = (int)db_col_i64(stmt, 1);
        answer.body = arena_str_dup(arena, db_col_str(stmt, 2));
    }
    db_done(stmt);
    if (answer.is_same_body && !answer.body.data)
        return ERR_NOMEM;
    *ret_answer = answer;
    return ERR_OK;
}

/* A row may still be there when it is too old to count: it gives way. */
SQL(SQL_PUT, "INSERT INTO idempotency(caller_id, key_hash, body_hash, status, body, created_at)"
             " VALUES($1, $2, $3, $4, $5, $6) ON CONFLICT(caller_id, key_hash) DO UPDATE SET"
             " body_hash = excluded.body_hash, status = excluded.status, body = excluded.body,"
             " created_at = excluded.created_at");

enum err idempotency_put(struct db *db, const struct idempotency_key *key, int status,
                         struct str body, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT);
    db_bind_i64(stmt, 1, (int64_t)key->caller_id);
    db_bind_blob(stmt, 2, hash_str(key->key_hash));
    db_bind_blob(stmt, 3, hash_str(key->body_hash));
    db_bind_i64(stmt, 4, status);
    db_bind_str(stmt, 5, body);
    db_bind_i64(stmt, 6, now_ms);
    return db_exec(stmt);
}

/* PostgreSQL plans a statement once, for a LIMIT it does not know: by key it would read the whole
 * table to find these rows again. */
#define OLDEST "FROM idempotency WHERE created_at <= $1 ORDER BY created_at LIMIT $2"
SQL_PAIR(
    SQL_PURGE,
    "DELETE FROM idempotency WHERE (caller_id, key_hash) IN (SELECT caller_id, key_hash " OLDEST
    ")",
    "DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT ctid " OLDEST "))");

enum err idempotency_purge(struct db *db, int64_t now_ms, int64_t *ret_deleted)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PURGE);
    db_bind_i64(stmt, 1, now_ms - IDEMPOTENCY_KEEP_MS);
    db_bind_i64(stmt, 2, IDEMPOTENCY_PURGE_CHUNK);
    enum err err = db_exec(stmt);
    if (err == ERR_OK)
        *ret_deleted = db_changes(db);
    return err;
}
