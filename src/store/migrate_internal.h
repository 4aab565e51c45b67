/* migrate_run with the files given, for tests. */
#ifndef STORE_MIGRATE_INTERNAL_H
#define STORE_MIGRATE_INTERNAL_H

#include "base/embed.h"
#include "store/migrate.h"

/* files: as embed_files, sorted by path, ended by a NULL path. */
ERR_MUST_USE enum err migrate_run_files(struct db *db, const char *service,
                                        const struct embed_file *files, size_t *ret_applied);

#endif
