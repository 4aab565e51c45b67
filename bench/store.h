/* Where a benchmark's databases are: files in the child's directory, or, with BENCH_STORE naming a server
 * ("postgres://user@host:port", no database), a database of its own there. */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H

#include "child.h"

bool bench_is_pgsql(void);
/* Makes and drops the child's database; nothing on SQLite. */
ERR_MUST_USE enum err bench_store_new(struct child *child);
void bench_store_drop(const struct child *child);
/* A location for db_open. */
void bench_location(const struct child *child, const char *name, char *ret_location, size_t size);
/* The postmaster of BENCH_STORE's server; 0: there is none, or not on this machine. */
pid_t bench_store_pid(void);

#endif
