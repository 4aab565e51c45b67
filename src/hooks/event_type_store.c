/* Rows of event types: see event_type.h. */
#include "hooks/event_type.h"

#define COLUMNS                                                                                    \
    "account_id, name, description, is_archived, is_deprecated, group_name, schemas, created_at,"  \
    " updated_at"

static void bind_optional(struct db_stmt *stmt, int index, struct str value)
{
    if (value.data)
        db_bind_str(stmt, index, value);
    else
        db_bind_null(stmt, index);
}

static void bind_row(struct db_stmt *stmt, const struct event_type *type)
{
    db_bind_i64(stmt, 1, (int64_t)type->account_id);
    db_bind_str(stmt, 2, type->name);
    db_bind_str(stmt, 3, type->description);
    db_bind_i64(stmt, 4, type->is_archived);
    db_bind_i64(stmt, 5, type->is_deprecated);
    bind_optional(stmt, 6, type->group_name);
    bind_optional(stmt, 7, type->schemas);
    db_bind_i64(stmt, 8, type->updated_at);
}

SQL(SQL_ADD, "INSERT INTO event_type(account_id, name, description, is_archived, is_deprecated,"
             " group_name, schemas, updated_at, created_at)"
             " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT DO NOTHING");

enum err event_type_store_add(struct db *db, const struct event_type *type)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    bind_row(stmt, type);
    enum err err = db_exec(stmt);
    return err ? err : db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

SQL(SQL_UPDATE, "UPDATE event_type SET description = $3, is_archived = $4, is_deprecated = $5,"
                " group_name = $6, schemas = $7, updated_at = $8"
                " WHERE account_id = $1 AND name = $2");

enum err event_type_store_update(struct db *db, const struct event_type *type)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_UPDATE);
    bind_row(stmt, type);
    return db_exec(stmt);
}

SQL(SQL_DELETE, "DELETE FROM event_type WHERE account_id = $1 AND name = $2");

enum err event_type_store_delete(struct db *db, uint64_t account_id, struct str name)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DELETE);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_str(stmt, 2, name);
    return db_exec(stmt);
}

static struct str optional(struct db_stmt *stmt, int column, struct arena *arena)
{
    return db_col_is_null(stmt, column) ? STR_NONE : arena_str_dup(arena, db_col_str(stmt, column));
}

static void read_row(struct db_stmt *stmt, struct arena *arena, struct event_type *type)
{
    *type = (struct event_type){.account_id = (uint64_t)db_col_i64(stmt, 0),
                                .name = arena_str_dup(arena, db_col_str(stmt, 1)),
                                .description = arena_str_dup(arena, db_col_str(stmt, 2)),
                                .is_archived = db_col_i64(stmt, 3) != 0,
                                .is_deprecated = db_col_i64(stmt, 4) != 0,
                                .group_name = optional(stmt, 5, arena),
                                .schemas = optional(stmt, 6, arena),
                                .created_at = db_col_i64(stmt, 7),
                                .updated_at = db_col_i64(stmt, 8)};
}

SQL(SQL_GET, "SELECT " COLUMNS " FROM event_type WHERE account_id = $1 AND name = $2");

enum err event_type_store_get(struct db *db, struct arena *arena, uint64_t account_id,
                              struct str name, struct event_type *ret_type)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_str(stmt, 2, name);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    read_row(stmt, arena, ret_type);
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_KNOWN, "SELECT count(*) FROM event_type WHERE account_id = $1 AND name = $2"
               " AND is_archived = 0");

enum err event_type_store_is_known(struct db *db, uint64_t account_id, struct str name,
                                   bool *ret_is_known)
{
    int64_t count = 0;
    struct db_stmt *stmt = db_stmt(db, &SQL_KNOWN);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_str(stmt, 2, name);
    enum err err = db_get_i64(stmt, &count);
    *ret_is_known = count > 0;
    return err;
}

/* Before every name is '', behind every name '~': names have no byte beyond 'z'. */
SQL(SQL_UP, "SELECT " COLUMNS " FROM event_type WHERE account_id = $1 AND name > $2"
            " AND is_archived <= $3 ORDER BY name LIMIT $4");
SQL(SQL_DOWN, "SELECT " COLUMNS " FROM event_type WHERE account_id = $1 AND name < $2"
              " AND is_archived <= $3 ORDER BY name DESC LIMIT $4");

enum err event_type_store_list(struct db *db, struct arena *arena,
                               const struct event_type_query *query, struct event_type *types,
                               size_t *ret_count)
{
    struct str end = query->is_ascending ? STR("") : STR("~");
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, query->is_ascending ? &SQL_UP : &SQL_DOWN);
    db_bind_i64(stmt, 1, (int64_t)query->account_id);
    db_bind_str(stmt, 2, query->beyond.data ? query->beyond : end);
    db_bind_i64(stmt, 3, query->with_archived);
    db_bind_i64(stmt, 4, (int64_t)query->limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < query->limit; err = db_step(stmt, &has_row))
        read_row(stmt, arena, &types[count++]);
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}
