/* See db_notify.h. Calls come with whatever the server sends: libpq keeps them until they are asked for. */
#include "store/db_notify.h"

#include "base/clock.h"
#include "store/db_pgsql_internal.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>

#define NS_PER_MS   INT64_C(1000000)
#define CHANNEL_MAX (PG_SCHEMA_MAX + DB_CHANNEL_NAME_MAX + 2)

SQL(SQL_CALL, "SELECT 1 FROM pg_notify($1, $2)");

/* Names of channels are the whole database's, so they carry the schema. */
static struct str channel_of(const struct pg *pg, const char *name, char place[static CHANNEL_MAX])
{
    assert(strlen(name) <= DB_CHANNEL_NAME_MAX);
    int len = snprintf(place, CHANNEL_MAX, "%s_%s", pg->schema, name);
    return str_from(place, (size_t)len);
}

enum err db_call(struct db *db, const char *channel, struct str call)
{
    char place[CHANNEL_MAX];
    assert(db_is_pgsql(db) && db->mode == DB_READER);
    if (call.len > DB_CALL_BYTES_MAX) {
        return ERR_LIMIT;
    }
    struct db_stmt *stmt = db_stmt(db, &SQL_CALL);
    db_bind_str(stmt, 1, channel_of(pg_of(db), channel, place));
    db_bind_str(stmt, 2, call);
    return db_exec(stmt);
}

/* A call takes a transaction id, so its commit is one that the server would wait for. */
static enum err listen_on(struct pg *pg, const char *channel)
{
    char place[CHANNEL_MAX], text[128];
    (void)channel_of(pg, channel, place);
    (void)snprintf(text, sizeof(text), "SET synchronous_commit = off; LISTEN \"%s\"", place);
    return pg_simple(pg, text);
}

static void tell(struct pg *pg, void (*fn)(void *ctx, struct str call), void *ctx)
{
    PGnotify *notify;
    int own = PQbackendPID(pg->conn);
    while ((notify = PQnotifies(pg->conn))) {
        if (notify->be_pid != own) {
            fn(ctx, str_from_c(notify->extra));
        }
        PQfreemem(notify);
    }
}

/* Until something comes or the time is over; false when the connection is lost. */
static bool take_in(struct pg *pg, int64_t until_ns)
{
    struct pollfd poll_fd = {.fd = PQsocket(pg->conn), .events = POLLIN};
    int64_t left_ms = (until_ns - clock_mono_ns()) / NS_PER_MS;
    int ready = poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms + 1 : 0);
    return ready <= 0 || (PQconsumeInput(pg->conn) && PQstatus(pg->conn) == CONNECTION_OK);
}

enum err db_hear(struct db *db, const char *channel, int64_t timeout_ms,
                 void (*fn)(void *ctx, struct str call), void *ctx, bool *ret_is_new)
{
    struct pg *pg = pg_of(db);
    assert(db_is_pgsql(db) && db->mode == DB_READER && !pg->in_snapshot);
    *ret_is_new = false;
    enum err err = pg_connect(pg);
    if (err == ERR_OK && pg->listens_life != db->status.lives) {
        err = listen_on(pg, channel);
        pg->listens_life = err == ERR_OK ? db->status.lives : 0;
        *ret_is_new = err == ERR_OK;
    }
    int64_t until_ns = clock_mono_ns() + timeout_ms * NS_PER_MS;
    while (err == ERR_OK) {
        tell(pg, fn, ctx);
        if (clock_mono_ns() >= until_ns) {
            break;
        }
        if (!take_in(pg, until_ns)) {
            db_set_message(db, "%s", PQerrorMessage(pg->conn));
            pg_drop(pg);
            err = ERR_IO;
        }
    }
    return err;
}
