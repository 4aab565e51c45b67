/* See endpoint_store.h. */
#include "hooks/endpoint_store.h"

#include <stdatomic.h>
#include <stdio.h>

#define COLUMNS                                                                                    \
    "e.app_id, e.id, e.version, e.uid, e.url, e.description, e.disabled_by, e.failing_since,"      \
    " e.event_types, e.channels, e.metadata, e.throttle_rate, e.retry_schedule,"                   \
    " e.signature_format, e.created_at, e.updated_at, a.throttle_rate, length(e.secret)"
#define FROM " FROM endpoint e JOIN application a ON a.id = e.app_id"

#define SCHEDULE_TEXT_MAX (ATTEMPTS_MAX * 8)

static void bind_ids(struct db_stmt *stmt, uint64_t app_id, uint64_t id)
{
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, (int64_t)id);
}

/* ---- schedules: seconds with a comma between them ---- */

static struct str schedule_text(const struct endpoint *endpoint,
                                char ret_text[static SCHEDULE_TEXT_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < endpoint->delay_count; i++)
        len += (size_t)snprintf(ret_text + len, SCHEDULE_TEXT_MAX - len, "%s%lld", i ? "," : "",
                                (long long)(endpoint->delays_ms[i] / 1000));
    return str_from(ret_text, len);
}

static void schedule_read(struct str text, struct endpoint *endpoint)
{
    while (text.len > 0 && endpoint->delay_count < ATTEMPTS_MAX) {
        int64_t seconds = 0;
        if (str_to_i64(str_split(&text, ','), &seconds) == ERR_OK)
            endpoint->delays_ms[endpoint->delay_count++] = seconds * 1000;
    }
}

/* ---- rows ---- */

static void bind_row(struct db_stmt *stmt, const struct endpoint *endpoint,
                     char schedule[static SCHEDULE_TEXT_MAX])
{
    bind_ids(stmt, endpoint->app_id, endpoint->id);
    if (endpoint->uid.data)
        db_bind_str(stmt, 3, endpoint->uid);
    else
        db_bind_null(stmt, 3);
    db_bind_str(stmt, 4, endpoint->url);
    db_bind_str(stmt, 5, endpoint->description);
    db_bind_i64(stmt, 6, endpoint->disabled_by);
    db_bind_i64(stmt, 7, endpoint->failing_since_ms);
    db_bind_str(stmt, 8, endpoint->event_types);
    db_bind_str(stmt, 9, endpoint->channels);
    db_bind_str(stmt, 10, endpoint->metadata);
    db_bind_i64(stmt, 11, endpoint->throttle_rate);
    db_bind_str(stmt, 12, schedule_text(endpoint, schedule));
    db_bind_i64(stmt, 13, endpoint->signature_format);
    db_bind_i64(stmt, 14, endpoint->updated_at);
}

SQL(SQL_ADD,
    "INSERT INTO endpoint(app_id, id, version, uid, url, description, disabled_by, failing_since,"
    " event_types, channels, metadata, throttle_rate, retry_schedule, signature_format, updated_at,"
    " created_at, headers, secret) VALUES($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
    " $13, $14, $14, $15, $16) ON CONFLICT DO NOTHING");

enum err endpoint_store_add(struct db *db, const struct endpoint *endpoint,
                            struct str sealed_headers, struct str sealed_secret)
{
    char schedule[SCHEDULE_TEXT_MAX];
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    bind_row(stmt, endpoint, schedule);
    db_bind_blob(stmt, 15, sealed_headers);
    db_bind_blob(stmt, 16, sealed_secret);
    endpoint_store_changed();
    enum err err = db_exec(stmt);
    return err ? err : db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

/* Nothing changes when another of the application has the uid. */
SQL(SQL_UPDATE,
    "UPDATE endpoint SET version = version + 1, uid = $3, url = $4, description = $5,"
    " disabled_by = $6, failing_since = $7, event_types = $8, channels = $9, metadata = $10,"
    " throttle_rate = $11, retry_schedule = $12, signature_format = $13, updated_at = $14"
    " WHERE app_id = $1 AND id = $2 AND NOT EXISTS (SELECT 1 FROM endpoint AS other"
    " WHERE other.app_id = $1 AND other.uid = $3 AND other.id <> $2)");

enum err endpoint_store_update(struct db *db, const struct endpoint *endpoint)
{
    char schedule[SCHEDULE_TEXT_MAX];
    struct db_stmt *stmt = db_stmt(db, &SQL_UPDATE);
    bind_row(stmt, endpoint, schedule);
    endpoint_store_changed();
    enum err err = db_exec(stmt);
    return err ? err : db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

SQL(SQL_DELETE, "DELETE FROM endpoint WHERE app_id = $1 AND id = $2");
SQL(SQL_DELETE_SECRETS, "DELETE FROM endpoint_old_secret WHERE app_id = $1 AND endpoint_id = $2");

enum err endpoint_store_delete(struct db *db, uint64_t app_id, uint64_t id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DELETE_SECRETS);
    bind_ids(stmt, app_id, id);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    stmt = db_stmt(db, &SQL_DELETE);
    bind_ids(stmt, app_id, id);
    endpoint_store_changed();
    return db_exec(stmt);
}

static void read_row(struct db_stmt *stmt, struct arena *arena, struct endpoint *endpoint)
{
    *endpoint = (struct endpoint){
        .app_id = (uint64_t)db_col_i64(stmt, 0),
        .id = (uint64_t)db_col_i64(stmt, 1),
        .version = db_col_i64(stmt, 2),
        .uid = db_col_is_null(stmt, 3) ? STR_NONE : arena_str_dup(arena, db_col_str(stmt, 3)),
        .url = arena_str_dup(arena, db_col_str(stmt, 4)),
        .description = arena_str_dup(arena, db_col_str(stmt, 5)),
        .disabled_by = (enum disabled_by)db_col_i64(stmt, 6),
        .failing_since_ms = db_col_i64(stmt, 7),
        .event_types = arena_str_dup(arena, db_col_str(stmt, 8)),
        .channels = arena_str_dup(arena, db_col_str(stmt, 9)),
        .metadata = arena_str_dup(arena, db_col_str(stmt, 10)),
        .throttle_rate = db_col_i64(stmt, 11),
        .signature_format = (enum signature_format)db_col_i64(stmt, 13),
        .created_at = db_col_i64(stmt, 14),
        .updated_at = db_col_i64(stmt, 15),
        .app_throttle_rate = db_col_i64(stmt, 16),
        .secret_kind = secret_kind_of_sealed(db_col_i64(stmt, 17))};
    schedule_read(db_col_str(stmt, 12), endpoint);
}

static enum err read_one(struct db_stmt *stmt, struct arena *arena, struct endpoint *ret_endpoint)
{
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    read_row(stmt, arena, ret_endpoint);
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_GET, "SELECT " COLUMNS FROM " WHERE e.app_id = $1 AND e.id = $2");

enum err endpoint_store_get(struct db *db, struct arena *arena, uint64_t app_id, uint64_t id,
                            struct endpoint *ret_endpoint)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET);
    bind_ids(stmt, app_id, id);
    return read_one(stmt, arena, ret_endpoint);
}

SQL(SQL_FIND, "SELECT " COLUMNS FROM " WHERE e.app_id = $1 AND e.uid = $2");

enum err endpoint_store_find(struct db *db, struct arena *arena, uint64_t app_id, struct str uid,
                             struct endpoint *ret_endpoint)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FIND);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_str(stmt, 2, uid);
    return read_one(stmt, arena, ret_endpoint);
}

SQL(SQL_COUNT, "SELECT count(*) FROM endpoint WHERE app_id = $1");

enum err endpoint_store_count(struct db *db, uint64_t app_id, int64_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_COUNT);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    *ret_count = db_col_i64(stmt, 0);
    db_done(stmt);
    return ERR_OK;
}

SQL(SQL_UP, "SELECT " COLUMNS FROM " WHERE e.app_id = $1 AND e.id > $2 ORDER BY e.id LIMIT $3");
SQL(SQL_DOWN,
    "SELECT " COLUMNS FROM " WHERE e.app_id = $1 AND e.id < $2 ORDER BY e.id DESC LIMIT $3");

enum err endpoint_store_list(struct db *db, struct arena *arena, const struct endpoint_query *query,
                             struct endpoint *endpoints, size_t *ret_count)
{
    int64_t beyond = query->beyond_id      ? (int64_t)query->beyond_id
                     : query->is_ascending ? 0
                                           : INT64_MAX;
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, query->is_ascending ? &SQL_UP : &SQL_DOWN);
    bind_ids(stmt, query->app_id, (uint64_t)beyond);
    db_bind_i64(stmt, 3, (int64_t)query->limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < query->limit; err = db_step(stmt, &has_row))
        read_row(stmt, arena, &endpoints[count++]);
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}

/* ---- what ingest asks ---- */

static _Atomic uint64_t changes;

uint64_t endpoint_store_changes(void)
{
    return atomic_load_explicit(&changes, memory_order_acquire);
}

void endpoint_store_changed(void)
{
    atomic_fetch_add_explicit(&changes, 1, memory_order_release);
}

SQL(SQL_TARGETS, "SELECT a.account_id, e.id, e.event_types, e.channels FROM application a"
                 " LEFT JOIN endpoint e ON e.app_id = a.id AND e.disabled_by = 0"
                 " WHERE a.id = $1 ORDER BY e.id LIMIT $2");

enum err endpoint_store_targets(struct db *db, struct arena *arena, uint64_t app_id,
                                uint64_t *ret_account_id,
                                struct endpoint_target targets[static ENDPOINTS_MAX],
                                size_t *ret_count)
{
    size_t count = 0;
    bool has_row, has_application = false;
    struct db_stmt *stmt = db_stmt(db, &SQL_TARGETS);
    bind_ids(stmt, app_id, ENDPOINTS_MAX);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < ENDPOINTS_MAX; err = db_step(stmt, &has_row)) {
        has_application = true;
        *ret_account_id = (uint64_t)db_col_i64(stmt, 0);
        if (!db_col_is_null(stmt, 1))
            targets[count++] = (struct endpoint_target){(uint64_t)db_col_i64(stmt, 1),
                                                        arena_str_dup(arena, db_col_str(stmt, 2)),
                                                        arena_str_dup(arena, db_col_str(stmt, 3))};
    }
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return has_application ? ERR_OK : ERR_NOT_FOUND;
}

/* ---- what has happened to it ---- */

SQL(SQL_DISABLE, "UPDATE endpoint SET disabled_by = $3, updated_at = $4, version = version + 1"
                 " WHERE app_id = $1 AND id = $2 AND disabled_by = 0");

enum err endpoint_store_disable(struct db *db, uint64_t app_id, uint64_t id, enum disabled_by by,
                                int64_t now_ms, bool *ret_is_new)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DISABLE);
    bind_ids(stmt, app_id, id);
    db_bind_i64(stmt, 3, by);
    db_bind_i64(stmt, 4, now_ms);
    endpoint_store_changed();
    enum err err = db_exec(stmt);
    *ret_is_new = !err && db_changes(db) == 1;
    return err;
}

SQL(SQL_FAILING, "UPDATE endpoint SET failing_since = $3 WHERE app_id = $1 AND id = $2");

enum err endpoint_store_failing(struct db *db, uint64_t app_id, uint64_t id, int64_t since_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FAILING);
    bind_ids(stmt, app_id, id);
    db_bind_i64(stmt, 3, since_ms);
    return db_exec(stmt);
}
