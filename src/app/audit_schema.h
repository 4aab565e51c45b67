/*
 * What an audit asks of any service's database: are its tables, indexes and triggers those that this
 * program's migrations make? A constraint that is not there any more grants nothing. Tables of others
 * are their own business, triggers are not. Each finding is one line.
 */
#ifndef APP_AUDIT_SCHEMA_H
#define APP_AUDIT_SCHEMA_H

#include "store/db.h"

struct schema_audit {
    const char *service;  /* whose migrations */
    struct db *db;        /* that is looked at */
    const char *location; /* of it */
    void (*on_finding)(const char *line, void *ctx);
    void *ctx;
};

ERR_MUST_USE enum err schema_audit(const struct schema_audit *audit);
/* The same, an engine each. */
ERR_MUST_USE enum err schema_audit_sqlite(const struct schema_audit *audit);
ERR_MUST_USE enum err schema_audit_pgsql(const struct schema_audit *audit);

#endif
