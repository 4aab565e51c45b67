/*
 * Are the constraints of a SQLite file still there? What the schema must be is not written down twice:
 * the migrations are run in memory, and the two lists compared. PostgreSQL: audit_schema_pgsql_store.c.
 */
#include "app/audit_schema.h"

#include <stdio.h>

#include "store/migrate.h"

#define LINE_MAX_BYTES 256

SQL(SQL_OWN, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name");
SQL(SQL_OBJECT, "SELECT sql FROM sqlite_schema WHERE type = $1 AND name = $2");
SQL(SQL_TRIGGERS, "SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name");

struct comparison {
    const struct schema_audit *audit;
    struct db *model; /* in memory */
};

static void found(const struct comparison *comparison, struct str type, struct str name,
                  const char *what)
{
    char line[LINE_MAX_BYTES];
    (void)snprintf(line, sizeof(line), "%.*s %.*s %s", STR_ARG(type), STR_ARG(name),
                   what); /* a cut line is good enough */
    comparison->audit->on_finding(line, comparison->audit->ctx);
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
        err = object_find(comparison->audit->db, type, name, db_col_str(stmt, 2), &is_there,
                          &is_same);
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
    struct db_stmt *stmt = db_stmt(comparison->audit->db, &SQL_TRIGGERS);
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

enum err schema_audit_sqlite(const struct schema_audit *audit)
{
    struct comparison comparison = {.audit = audit};
    enum err err = db_open(DB_IN_MEMORY, DB_WRITER, &comparison.model);
    if (err)
        return err;
    err = migrate_run(comparison.model, audit->service, NULL);
    if (!err)
        err = compare_own(&comparison);
    if (!err)
        err = compare_triggers(&comparison);
    db_close(comparison.model);
    return err;
}

enum err schema_audit(const struct schema_audit *audit)
{
    return db_is_pgsql(audit->db) ? schema_audit_pgsql(audit) : schema_audit_sqlite(audit);
}
