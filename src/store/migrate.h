/* Numbered migrations sql/<service>/NNN_name.sql from the binary, each in its own transaction,
 * recorded in schema_migration(number, name, sha256, at_ms). An applied one whose text changed is
 * ERR_CORRUPT; a database newer than the program is ERR_DENIED. Safe to run again. */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/db.h"

/* db must be a writer. ret_applied: how many were new (may be NULL). */
ERR_MUST_USE enum err migrate_run(struct db *db, const char *service, size_t *ret_applied);
/* In the caller's transaction on an empty database (schema): makes all that the migrations make, and
 * keeps no record. To compare another with, and to be rolled back. */
ERR_MUST_USE enum err migrate_model(struct db *db, const char *service);

#endif
