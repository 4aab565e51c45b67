/* Rows of portal tokens: see portal.h. */
#include "hooks/portal.h"

static void bind_hash(struct db_stmt *stmt, int index, const uint8_t *hash)
{
    db_bind_blob(stmt, index, str_from((const char *)hash, SHA256_SIZE));
}

SQL(SQL_ADD, "INSERT INTO portal_token(app_id, token_hash, id, scopes, session_id, created_at,"
             " expires_at) VALUES($1, $2, $3, $4, $5, $6, $7)");
SQL(SQL_PURGE, "DELETE FROM portal_token WHERE app_id = $1 AND (expires_at <= $2 OR id <="
               " (SELECT id FROM portal_token WHERE app_id = $1 ORDER BY id DESC LIMIT 1"
               " OFFSET $3))");

enum err portal_store_add(struct db *db, const struct portal_row *row)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)row->app_id);
    bind_hash(stmt, 2, row->hash);
    db_bind_i64(stmt, 3, (int64_t)row->id);
    db_bind_i64(stmt, 4, row->scopes);
    db_bind_str(stmt, 5, row->session_id);
    db_bind_i64(stmt, 6, row->created_at);
    db_bind_i64(stmt, 7, row->expires_at);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    stmt = db_stmt(db, &SQL_PURGE);
    db_bind_i64(stmt, 1, (int64_t)row->app_id);
    db_bind_i64(stmt, 2, row->created_at);
    db_bind_i64(stmt, 3, PORTAL_TOKENS_MAX);
    return db_exec(stmt);
}

SQL(SQL_FIND, "SELECT a.account_id, p.scopes FROM portal_token AS p"
              " JOIN application AS a ON a.id = p.app_id"
              " WHERE p.app_id = $1 AND p.token_hash = $2 AND p.expires_at > $3");

enum err portal_store_find(struct db *db, uint64_t app_id, const uint8_t *token_hash,
                           int64_t now_ms, struct portal_token *ret_token)
{
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_FIND);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    bind_hash(stmt, 2, token_hash);
    db_bind_i64(stmt, 3, now_ms);
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    *ret_token = (struct portal_token){.app_id = app_id,
                                       .account_id = (uint64_t)db_col_i64(stmt, 0),
                                       .scopes = (unsigned)db_col_i64(stmt, 1)};
    db_done(stmt);
    return ERR_OK;
}

SQL(SQL_DELETE, "DELETE FROM portal_token WHERE app_id = $1 AND token_hash = $2");

enum err portal_store_delete(struct db *db, uint64_t app_id, const uint8_t hash[static SHA256_SIZE])
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DELETE);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    bind_hash(stmt, 2, hash);
    return db_exec(stmt);
}

SQL(SQL_EXPIRE, "UPDATE portal_token SET expires_at = $2 WHERE app_id = $1 AND expires_at > $2");
SQL(SQL_EXPIRE_SESSION, "UPDATE portal_token SET expires_at = $2 WHERE app_id = $1"
                        " AND expires_at > $2 AND session_id = $3");

enum err portal_store_expire(struct db *db, uint64_t app_id, struct str session_id,
                             int64_t until_ms)
{
    struct db_stmt *stmt = db_stmt(db, session_id.data ? &SQL_EXPIRE_SESSION : &SQL_EXPIRE);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, until_ms);
    if (session_id.data)
        db_bind_str(stmt, 3, session_id);
    return db_exec(stmt);
}
