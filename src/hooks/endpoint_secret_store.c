/* Sealed parts of endpoints, headers and secrets: see endpoint_store.h. */
#include "hooks/endpoint_store.h"

static void bind_ids(struct db_stmt *stmt, uint64_t app_id, uint64_t id)
{
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, (int64_t)id);
}

static enum err sealed_get(struct db_stmt *stmt, struct arena *arena, uint64_t app_id, uint64_t id,
                           struct str *ret_sealed)
{
    bool has_row;
    bind_ids(stmt, app_id, id);
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    *ret_sealed = arena_str_dup(arena, db_col_blob(stmt, 0));
    db_done(stmt);
    return ret_sealed->data ? ERR_OK : ERR_NOMEM;
}

static enum err sealed_set(struct db_stmt *stmt, uint64_t app_id, uint64_t id, struct str sealed,
                           int64_t now_ms)
{
    bind_ids(stmt, app_id, id);
    db_bind_blob(stmt, 3, sealed);
    db_bind_i64(stmt, 4, now_ms);
    return db_exec(stmt);
}

SQL(SQL_HEADERS, "SELECT headers FROM endpoint WHERE app_id = $1 AND id = $2");
SQL(SQL_SET_HEADERS, "UPDATE endpoint SET headers = $3, updated_at = $4, version = version + 1"
                     " WHERE app_id = $1 AND id = $2");
SQL(SQL_SECRET, "SELECT secret FROM endpoint WHERE app_id = $1 AND id = $2");
SQL(SQL_SET_SECRET, "UPDATE endpoint SET secret = $3, updated_at = $4, version = version + 1"
                    " WHERE app_id = $1 AND id = $2");

enum err endpoint_store_headers(struct db *db, struct arena *arena, uint64_t app_id, uint64_t id,
                                struct str *ret_sealed)
{
    return sealed_get(db_stmt(db, &SQL_HEADERS), arena, app_id, id, ret_sealed);
}

enum err endpoint_store_set_headers(struct db *db, uint64_t app_id, uint64_t id, struct str sealed,
                                    int64_t now_ms)
{
    return sealed_set(db_stmt(db, &SQL_SET_HEADERS), app_id, id, sealed, now_ms);
}

enum err endpoint_store_secret(struct db *db, struct arena *arena, uint64_t app_id, uint64_t id,
                               struct str *ret_sealed)
{
    return sealed_get(db_stmt(db, &SQL_SECRET), arena, app_id, id, ret_sealed);
}

enum err endpoint_store_set_secret(struct db *db, uint64_t app_id, uint64_t id, struct str sealed,
                                   int64_t now_ms)
{
    return sealed_set(db_stmt(db, &SQL_SET_SECRET), app_id, id, sealed, now_ms);
}

/* ---- the grace period ---- */

SQL(SQL_OLD, "SELECT id, secret, until_at FROM endpoint_old_secret"
             " WHERE app_id = $1 AND endpoint_id = $2 AND until_at > $3 ORDER BY id DESC LIMIT $4");

enum err endpoint_store_old_secrets(struct db *db, struct arena *arena, uint64_t app_id,
                                    uint64_t id, int64_t now_ms,
                                    struct old_secret secrets[static SECRETS_MAX - 1],
                                    size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_OLD);
    bind_ids(stmt, app_id, id);
    db_bind_i64(stmt, 3, now_ms);
    db_bind_i64(stmt, 4, SECRETS_MAX - 1);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < SECRETS_MAX - 1; err = db_step(stmt, &has_row))
        secrets[count++] =
            (struct old_secret){(uint64_t)db_col_i64(stmt, 0),
                                arena_str_dup(arena, db_col_blob(stmt, 1)), db_col_i64(stmt, 2)};
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}

SQL(SQL_OLD_ADD, "INSERT INTO endpoint_old_secret(app_id, endpoint_id, id, secret, until_at)"
                 " VALUES($1, $2, $3, $4, $5)");
SQL(SQL_OLD_END, "DELETE FROM endpoint_old_secret WHERE app_id = $1 AND endpoint_id = $2"
                 " AND (until_at <= $3 OR id < (SELECT min(kept.id) FROM (SELECT id"
                 " FROM endpoint_old_secret WHERE app_id = $1 AND endpoint_id = $2"
                 " ORDER BY id DESC LIMIT $4) AS kept))");

enum err endpoint_store_add_old_secret(struct db *db, uint64_t app_id, uint64_t id,
                                       const struct old_secret *secret, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_OLD_ADD);
    bind_ids(stmt, app_id, id);
    db_bind_i64(stmt, 3, (int64_t)secret->id);
    db_bind_blob(stmt, 4, secret->sealed);
    db_bind_i64(stmt, 5, secret->until_ms);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    stmt = db_stmt(db, &SQL_OLD_END);
    bind_ids(stmt, app_id, id);
    db_bind_i64(stmt, 3, now_ms);
    db_bind_i64(stmt, 4, SECRETS_MAX - 1);
    return db_exec(stmt);
}
