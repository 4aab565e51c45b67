/*
 * SQLite's page cache, spared needless work at COMMIT.
 */
#ifndef STORE_DB_SQLITE_CACHE_H
#define STORE_DB_SQLITE_CACHE_H

/* For all connections of the process. Before SQLite is initialised: refused after that, which costs
 * speed alone. */
void db_sqlite_cache_setup(void);

#endif
