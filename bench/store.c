/* See store.h. */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cpu.h"
#include "store/db.h"

static const char *server(void)
{
    const char *url = getenv("BENCH_STORE");
    return url && url[0] ? url : NULL;
}

bool bench_is_pgsql(void)
{
    return server() != NULL;
}

static enum err run(const char *before, const char *name, const char *after)
{
    char location[512], text[256];
    struct db *db;
    snprintf(location, sizeof(location), "%s/postgres#public", server());
    snprintf(text, sizeof(text), "%s %s%s", before, name, after);
    enum err err = db_open(location, DB_WRITER, &db);
    if (err) {
        fprintf(stderr, "bench: %s: %s\n", server(), db_open_failure());
        return err;
    }
    err = db_script(db, str_from_c(text));
    if (err)
        fprintf(stderr, "bench: %s: %s\n", text, db_message(db));
    db_close(db);
    return err;
}

enum err bench_store_new(struct child *child)
{
    static unsigned count;
    if (!bench_is_pgsql())
        return ERR_OK;
    char name[64];
    snprintf(name, sizeof(name), "foyer_bench_%d_%u", (int)getpid(), count++);
    enum err err = run("CREATE DATABASE", name, "");
    if (!err)
        snprintf(child->store, sizeof(child->store), "%s/%s", server(), name);
    return err;
}

void bench_store_drop(const struct child *child)
{
    const char *slash = strrchr(child->store, '/');
    if (slash) /* what stays is in a server that its starter throws away */
        (void)!run("DROP DATABASE", slash + 1, " WITH (FORCE)");
}

void bench_location(const struct child *child, const char *name, char *ret_location, size_t size)
{
    if (child->store[0])
        snprintf(ret_location, size, "%s#%s", child->store, name);
    else
        snprintf(ret_location, size, "%s/%s.db", child->data, name);
}

SQL(SQL_BACKEND, "SELECT CAST(pg_backend_pid() AS BIGINT)");

pid_t bench_store_pid(void)
{
    char location[512];
    struct db *db;
    int64_t backend = 0;
    if (!bench_is_pgsql())
        return 0;
    snprintf(location, sizeof(location), "%s/postgres#public", server());
    if (db_open(location, DB_WRITER, &db))
        return 0;
    enum err err = db_get_i64(db_stmt(db, &SQL_BACKEND), &backend);
    pid_t found = err ? 0 : cpu_parent_of((pid_t)backend);
    db_close(db);
    return found;
}
