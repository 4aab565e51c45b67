/*
 * The audit's questions to the file itself: is each page and index sound, and are the constraints
 * that grant seats still there. What the schema must be is not written down twice: the migrations
 * are run in memory, and the two lists compared. PostgreSQL: audit_schema_pgsql_store.c.
 */
#include "tickets/audit_schema.h"
#include "tickets/audit_store.h"

#include <stdio.h>

#include "store/migrate.h"

#define LINE_MAX_BYTES 256

struct audit_check audit_file_check = {
    "file",
    {.text = "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok' "
             "LIMIT $1"}};

SQL(SQL_OWN, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name");
SQL(SQL_OBJECT, "SELECT sql FROM sqlite_schema WHERE type = $1 AND name = $2");
SQL(SQL_TRIGGERS, "SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name");

struct comparison {
    struct db *db;
    struct db *model; /* in memory */
    void (*on_finding)(const char *line, void *ctx);
    void *ctx;
};

static void found(const struct comparison *comparison, struct str type, struct str name,
                  const char *what)
{
    char line[LINE_MAX_BYTES];
    (void)snprintf(line, sizeof(line), "%.*s %.*s %s", STR_ARG(type), STR_ARG(name),
                   what); /* a cut line is good enough */
    comparison->on_finding(line, comparison->ctx);
}

/* Compares what stands under this name with the wanted text; ret_is_there may be all that counts. */
static enum err object_find(struct db *db, struct str type, struct str name, struct str wanted,
                            bool *ret_is_there, bool *ret_is_same)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_OBJECT);
    db_bind_str(stmt, 1, type);
    db_bind_str(stmt, 2, name);
    enum err err = db_step(stmt, ret_is_there);
    if (err)
        return err;
    *ret_is_same = *ret_is_there && str_eq(db_col_str(stmt, 0), wanted);
    db_done(stmt);
    return ERR_OK;
}

static enum err compare_own(const struct comparison *comparison)
{
    struct db_stmt *stmt = db_stmt(comparison->model, &SQL_OWN);
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        struct str type = db_col_str(stmt, 0), name = db_col_str(stmt, 1);
        bool is_there, is_same;
        err = object_find(comparison->db, type, name, db_col_str(stmt, 2), &is_there, &is_same);
        if (err)
            break;
        if (!is_same)
            found(comparison, type, name, is_there ? "is not as it was made" : "is missing");
    }
    db_done(stmt);
    return err;
}

static enum err compare_triggers(const struct comparison *comparison)
{
    struct db_stmt *stmt = db_stmt(comparison->db, &SQL_TRIGGERS);
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        struct str name = db_col_str(stmt, 0);
        bool is_there, is_same;
        err = object_find(comparison->model, STR("trigger"), name, STR_NONE, &is_there, &is_same);
        if (err)
            break;
        if (!is_there)
            found(comparison, STR("trigger"), name, "is not ours");
    }
    db_done(stmt);
    return err;
}

enum err audit_schema_sqlite(struct db *db, void (*on_finding)(const char *line, void *ctx),
                             void *ctx)
{
    struct comparison comparison = {.db = db, .on_finding = on_finding, .ctx = ctx};
    enum err err = db_open(DB_IN_MEMORY, DB_WRITER, &comparison.model);
    if (err)
        return err;
    err = migrate_run(comparison.model, "tickets", NULL);
    if (!err)
        err = compare_own(&comparison);
    if (!err)
        err = compare_triggers(&comparison);
    db_close(comparison.model);
    return err;
}

enum err audit_store_schema(struct db *db, const char *location,
                            void (*on_finding)(const char *line, void *ctx), void *ctx)
{
    return db_is_pgsql(db) ? audit_schema_pgsql(location, on_finding, ctx)
                           : audit_schema_sqlite(db, on_finding, ctx);
}
