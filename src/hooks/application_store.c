/* Rows of applications: see application.h. */
#include "hooks/application.h"

#include "hooks/endpoint_store.h"

#define COLUMNS "id, account_id, uid, name, metadata, throttle_rate, created_at, updated_at"

static void bind_optional(struct db_stmt *stmt, int index, struct str value)
{
    if (value.data)
        db_bind_str(stmt, index, value);
    else
        db_bind_null(stmt, index);
}

SQL(SQL_ADD, "INSERT INTO application(" COLUMNS ") VALUES($1, $2, $3, $4, $5, $6, $7, $8)"
             " ON CONFLICT DO NOTHING");

enum err application_store_add(struct db *db, const struct application *application)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)application->id);
    db_bind_i64(stmt, 2, (int64_t)application->account_id);
    bind_optional(stmt, 3, application->uid);
    db_bind_str(stmt, 4, application->name);
    db_bind_str(stmt, 5, application->metadata);
    db_bind_i64(stmt, 6, application->throttle_rate);
    db_bind_i64(stmt, 7, application->created_at);
    db_bind_i64(stmt, 8, application->updated_at);
    enum err err = db_exec(stmt);
    return err ? err : db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

/* Nothing changes when another of the account has the uid. */
SQL(SQL_UPDATE, "UPDATE application SET uid = $2, name = $3, metadata = $4, throttle_rate = $5,"
                " updated_at = $6 WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM application AS other"
                " WHERE other.account_id = application.account_id AND other.uid = $2"
                " AND other.id <> $1)");

enum err application_store_update(struct db *db, const struct application *application)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_UPDATE);
    db_bind_i64(stmt, 1, (int64_t)application->id);
    bind_optional(stmt, 2, application->uid);
    db_bind_str(stmt, 3, application->name);
    db_bind_str(stmt, 4, application->metadata);
    db_bind_i64(stmt, 5, application->throttle_rate);
    db_bind_i64(stmt, 6, application->updated_at);
    enum err err = db_exec(stmt);
    return err ? err : db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

SQL(SQL_DELETE, "DELETE FROM application WHERE id = $1");
SQL(SQL_DELETE_ENDPOINTS, "DELETE FROM endpoint WHERE app_id = $1");
SQL(SQL_DELETE_TOKENS, "DELETE FROM portal_token WHERE app_id = $1");
SQL(SQL_DELETE_SECRETS, "DELETE FROM endpoint_old_secret WHERE app_id = $1");
SQL(SQL_DELETE_BACKLOG, "DELETE FROM application_backlog WHERE app_id = $1");

enum err application_store_delete(struct db *db, uint64_t id)
{
    struct sql *const deletes[] = {&SQL_DELETE_TOKENS, &SQL_DELETE_SECRETS, &SQL_DELETE_ENDPOINTS,
                                   &SQL_DELETE_BACKLOG, &SQL_DELETE};
    enum err err = ERR_OK;
    endpoint_store_changed();
    for (size_t i = 0; !err && i < sizeof(deletes) / sizeof(deletes[0]); i++) {
        struct db_stmt *stmt = db_stmt(db, deletes[i]);
        db_bind_i64(stmt, 1, (int64_t)id);
        err = db_exec(stmt);
    }
    return err;
}

static void read_row(struct db_stmt *stmt, struct arena *arena, struct application *application)
{
    *application = (struct application){
        .id = (uint64_t)db_col_i64(stmt, 0),
        .account_id = (uint64_t)db_col_i64(stmt, 1),
        .uid = db_col_is_null(stmt, 2) ? STR_NONE : arena_str_dup(arena, db_col_str(stmt, 2)),
        .name = arena_str_dup(arena, db_col_str(stmt, 3)),
        .metadata = arena_str_dup(arena, db_col_str(stmt, 4)),
        .throttle_rate = db_col_i64(stmt, 5),
        .created_at = db_col_i64(stmt, 6),
        .updated_at = db_col_i64(stmt, 7)};
}

static enum err read_one(struct db_stmt *stmt, struct arena *arena,
                         struct application *ret_application)
{
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    read_row(stmt, arena, ret_application);
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_GET, "SELECT " COLUMNS " FROM application WHERE id = $1");

enum err application_store_get(struct db *db, struct arena *arena, uint64_t id,
                               struct application *ret_application)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET);
    db_bind_i64(stmt, 1, (int64_t)id);
    return read_one(stmt, arena, ret_application);
}

SQL(SQL_FIND, "SELECT " COLUMNS " FROM application WHERE account_id = $1 AND uid = $2");

enum err application_store_find(struct db *db, struct arena *arena, uint64_t account_id,
                                struct str uid, struct application *ret_application)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FIND);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_str(stmt, 2, uid);
    return read_one(stmt, arena, ret_application);
}

SQL(SQL_OWN_UP, "SELECT " COLUMNS " FROM application WHERE account_id = $1 AND id > $2"
                " ORDER BY account_id, id LIMIT $3");
SQL(SQL_OWN_DOWN, "SELECT " COLUMNS " FROM application WHERE account_id = $1 AND id < $2"
                  " ORDER BY account_id DESC, id DESC LIMIT $3");
SQL(SQL_ALL_UP, "SELECT " COLUMNS " FROM application WHERE id > $1 ORDER BY id LIMIT $2");
SQL(SQL_ALL_DOWN, "SELECT " COLUMNS " FROM application WHERE id < $1 ORDER BY id DESC LIMIT $2");

static struct db_stmt *list_stmt(struct db *db, const struct application_query *query)
{
    int64_t beyond = query->beyond_id      ? (int64_t)query->beyond_id
                     : query->is_ascending ? 0
                                           : INT64_MAX;
    struct db_stmt *stmt;
    if (query->is_admin) {
        stmt = db_stmt(db, query->is_ascending ? &SQL_ALL_UP : &SQL_ALL_DOWN);
        db_bind_i64(stmt, 1, beyond);
        db_bind_i64(stmt, 2, (int64_t)query->limit);
        return stmt;
    }
    stmt = db_stmt(db, query->is_ascending ? &SQL_OWN_UP : &SQL_OWN_DOWN);
    db_bind_i64(stmt, 1, (int64_t)query->account_id);
    db_bind_i64(stmt, 2, beyond);
    db_bind_i64(stmt, 3, (int64_t)query->limit);
    return stmt;
}

enum err application_store_list(struct db *db, struct arena *arena,
                                const struct application_query *query,
                                struct application *applications, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = list_stmt(db, query);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < query->limit; err = db_step(stmt, &has_row))
        read_row(stmt, arena, &applications[count++]);
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}
