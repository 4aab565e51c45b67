/* The database's clock, which all nodes that share a database keep. */
#ifndef STORE_DB_CLOCK_H
#define STORE_DB_CLOCK_H

#include "store/db.h"

/* Asks the database for its time, samples times, and has this process follow the answer that took the
 * least of it. On SQLite, whose time is this process's own, nothing happens. Outside a transaction, or
 * in one. One thread at a time for the process. */
#define DB_CLOCK_SAMPLES_START 5
ERR_MUST_USE enum err db_clock_follow(struct db *db, unsigned samples);

#endif
