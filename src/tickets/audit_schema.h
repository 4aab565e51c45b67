/* The audit's comparison of the schema, an engine each; see audit_store.h. */
#ifndef TICKETS_AUDIT_SCHEMA_H
#define TICKETS_AUDIT_SCHEMA_H

#include "store/db.h"

ERR_MUST_USE enum err
audit_schema_sqlite(struct db *db, void (*on_finding)(const char *line, void *ctx), void *ctx);
ERR_MUST_USE enum err audit_schema_pgsql(const char *location,
                                         void (*on_finding)(const char *line, void *ctx),
                                         void *ctx);

#endif
