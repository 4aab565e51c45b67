/*
 * The schema on PostgreSQL, asked of its catalogs: tables, columns, constraints, indexes and our
 * functions must be what the migrations make, and nobody may have put in triggers or rules.
 *
 * The model is made by the migrations in a schema of its own, on a connection of its own, in a
 * transaction that is rolled back: nothing of it stays but the schema, which is empty. It needs a
 * server that takes writes; on a standby the question cannot be answered.
 */
#include "app/audit_schema.h"

#include <stdio.h>

#include "store/migrate.h"

#define MODEL_SCHEMA       "foyer_audit"
#define LOCATION_MAX_BYTES 1024
#define LINE_MAX_BYTES     256

/* $1: the schema that is asked about, $2: the model. Definitions name neither. */
#define OWNER "CAST(n.nspname AS TEXT), "
#define PART  "CAST(c.relname || '.' || "
#define OBJECTS                                                                                    \
    "WITH n AS (SELECT oid, nspname FROM pg_namespace WHERE nspname IN (CAST($1 AS TEXT), "        \
    "CAST($2 AS TEXT))), object (owner, kind, name, definition) AS ("                              \
    "SELECT " OWNER "'table', CAST(c.relname AS TEXT), concat_ws(' ', c.relpersistence, "          \
    "c.relrowsecurity, c.relforcerowsecurity) "                                                    \
    "FROM n JOIN pg_class c ON c.relnamespace = n.oid WHERE c.relkind = 'r' "                      \
    "UNION ALL SELECT " OWNER "'column', " PART "a.attname AS TEXT), concat_ws(' ', "              \
    "format_type(a.atttypid, a.atttypmod), a.attcollation, a.attnotnull, a.attidentity, "          \
    "a.attgenerated, pg_get_expr(d.adbin, d.adrelid)) "                                            \
    "FROM n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_attribute a ON a.attrelid = c.oid "  \
    "LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum "                          \
    "WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped "                               \
    "UNION ALL SELECT " OWNER "'constraint', " PART "k.conname AS TEXT), concat_ws(' ', "          \
    "pg_get_constraintdef(k.oid), k.convalidated) "                                                \
    "FROM n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_constraint k ON k.conrelid = c.oid " \
    "UNION ALL SELECT " OWNER "'index', CAST(c.relname AS TEXT), concat_ws(' ', "                  \
    "replace(pg_get_indexdef(x.indexrelid), n.nspname || '.', ''), x.indisvalid, x.indisready, "   \
    "x.indislive) "                                                                                \
    "FROM n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_index x ON x.indexrelid = c.oid "    \
    "UNION ALL SELECT " OWNER "'trigger', " PART "t.tgname AS TEXT), pg_get_triggerdef(t.oid) "    \
    "FROM n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_trigger t ON t.tgrelid = c.oid "     \
    "WHERE NOT t.tgisinternal "                                                                    \
    "UNION ALL SELECT " OWNER "'rule', " PART "r.rulename AS TEXT), '' "                           \
    "FROM n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_rewrite r ON r.ev_class = c.oid "    \
    "WHERE c.relkind = 'r' "                                                                       \
    "UNION ALL SELECT " OWNER "'function', CAST(p.proname AS TEXT), p.prosrc "                     \
    "FROM n JOIN pg_proc p ON p.pronamespace = n.oid) "
SQL(SQL_DIFFERENCES,
    OBJECTS "SELECT m.kind, m.name, CASE WHEN o.name IS NULL THEN 'is missing' ELSE 'is not as it "
            "was made' END FROM object m LEFT JOIN object o ON o.owner = CAST($1 AS TEXT) AND "
            "o.kind = m.kind AND o.name = m.name WHERE m.owner = CAST($2 AS TEXT) AND o.definition "
            "IS DISTINCT FROM m.definition "
            "UNION ALL SELECT o.kind, o.name, 'is not ours' FROM object o WHERE o.owner = CAST($1 "
            "AS TEXT) AND o.kind IN ('trigger', 'rule') AND NOT EXISTS (SELECT 1 FROM object m "
            "WHERE m.owner = CAST($2 AS TEXT) AND m.kind = o.kind AND m.name = o.name) "
            "ORDER BY 1, 2");

static enum err compare(const struct schema_audit *audit, struct db *model, struct str schema)
{
    struct db_stmt *stmt = db_stmt(model, &SQL_DIFFERENCES);
    db_bind_str(stmt, 1, schema);
    db_bind_str(stmt, 2, STR(MODEL_SCHEMA));
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        char line[LINE_MAX_BYTES];
        (void)snprintf(line, sizeof(line), "%.*s %.*s %.*s", STR_ARG(db_col_str(stmt, 0)),
                       STR_ARG(db_col_str(stmt, 1)),
                       STR_ARG(db_col_str(stmt, 2))); /* a cut line is good enough */
        audit->on_finding(line, audit->ctx);
    }
    return err;
}

enum err schema_audit_pgsql(const struct schema_audit *audit)
{
    char model_location[LOCATION_MAX_BYTES];
    struct str schema = str_from_c(audit->location);
    struct str url = str_split(&schema, '#');
    if (snprintf(model_location, sizeof(model_location), "%.*s#" MODEL_SCHEMA, STR_ARG(url)) >=
        (int)sizeof(model_location))
        return ERR_LIMIT;
    struct db *model;
    enum err err = db_open(model_location, DB_WRITER, &model);
    if (err)
        return err;
    err = db_begin(model);
    if (!err) {
        err = migrate_model(model, audit->service);
        if (!err)
            err = compare(audit, model, schema);
        db_rollback(model);
    }
    db_close(model);
    return err;
}
