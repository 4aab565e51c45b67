/* A connection to PostgreSQL: how it is made, waited for, and given up. See db_pgsql_internal.h. */
#include "store/db_pgsql_internal.h"

#include "base/clock.h"
#include "store/dialect_pgsql.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_MS          INT64_C(1000000)
#define RETRY_PAUSE_MS_MIN 100
#define RETRY_PAUSE_MS_MAX 3000
#define VERSION_MIN        150000
#define SCRIPT_MAX         ((size_t)1 << 20)

/* ---- locations ---- */

static bool is_schema_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

enum err pg_parse_location(struct pg *pg, const char *location)
{
    struct str rest = str_from_c(location);
    struct str url = str_split(&rest, '#');
    bool is_good = rest.len > 0 && rest.len < PG_SCHEMA_MAX && url.len < PG_LOCATION_MAX;
    for (size_t i = 0; is_good && i < rest.len; i++) {
        is_good = is_schema_char(rest.data[i]);
    }
    if (!is_good || str_to_c(url, pg->url, sizeof(pg->url)) != ERR_OK ||
        str_to_c(rest, pg->schema, sizeof(pg->schema)) != ERR_OK) {
        db_set_message(&pg->base, "not a location with a schema");
        return ERR_INVALID;
    }
    return ERR_OK;
}

/* FNV-1a over schema, name and shard: the same in every process. Two that share a key wait for each
 * other without need, and that is all. */
int64_t pg_lock_key(const struct pg *pg, const char *name, uint64_t shard)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const char *const parts[] = {"foyer", pg->schema, name};
    for (size_t i = 0; i < 3; i++) {
        for (const char *c = parts[i];; c++) {
            hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
            if (!*c) {
                break;
            }
        }
    }
    for (int shift = 0; shift < 64; shift += 8) {
        hash = (hash ^ ((shard >> shift) & 0xff)) * UINT64_C(0x100000001b3);
    }
    return (int64_t)hash;
}

/* ---- failures ---- */

void pg_drop(struct pg *pg)
{
    if (!pg->conn) {
        return;
    }
    PQfinish(pg->conn);
    pg->conn = NULL;
    pg->pending_count = 0;
    pg->base.status.is_lost = true;
}

static enum err err_of_state(const char *state)
{
    static const struct {
        const char *prefix;
        enum err err;
    } known[] = {
        {"22021", ERR_INVALID}, {"22P05", ERR_INVALID}, {"22001", ERR_LIMIT},
        {"23", ERR_CONFLICT},   {"25006", ERR_DENIED},  {"40", ERR_AGAIN},
        {"53200", ERR_NOMEM},   {"54", ERR_LIMIT},      {"55P03", ERR_TIMEOUT},
        {"57014", ERR_TIMEOUT}, {"XX001", ERR_CORRUPT}, {"XX002", ERR_CORRUPT},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strncmp(state, known[i].prefix, strlen(known[i].prefix)) == 0) {
            return known[i].err;
        }
    }
    return ERR_IO;
}

enum err pg_failed(struct pg *pg, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state) { /* not from the server: the connection */
        db_set_message(&pg->base, "%s", PQresultErrorMessage(result));
        return ERR_IO;
    }
    if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0) {
        pg->base.status.is_outrun = true;
    }
    db_set_message(&pg->base, "%s (%s)", text ? text : "failed", state);
    return err_of_state(state);
}

static enum err lost(struct pg *pg, const char *why)
{
    if (why) {
        db_set_message(&pg->base, "%s", why);
    } else {
        db_set_message(&pg->base, "%s", PQerrorMessage(pg->conn));
    }
    pg_drop(pg);
    return ERR_IO;
}

/* ---- waiting ---- */

static int64_t wait_limit_ns(const struct pg *pg)
{
    switch (pg->base.mode) {
    case DB_WRITER:
        return clock_mono_ns() + PG_WRITE_WAIT_MS * NS_PER_MS;
    case DB_READER:
        return clock_mono_ns() + PG_READ_WAIT_MS * NS_PER_MS;
    case DB_ADMIN:
        break;
    }
    return INT64_MAX;
}

/* Until the socket is ready. False: the time is over or it failed. */
static bool wait_socket(const struct pg *pg, short events, int64_t limit_ns)
{
    struct pollfd poll_fd = {.fd = PQsocket(pg->conn), .events = events};
    for (;;) {
        int64_t left_ms =
            limit_ns == INT64_MAX ? 60000 : (limit_ns - clock_mono_ns()) / NS_PER_MS + 1;
        if (left_ms <= 0 || poll_fd.fd < 0) {
            return false;
        }
        int ready = poll(&poll_fd, 1, (int)left_ms);
        if (ready > 0) {
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            return false;
        }
    }
}

/* The next result; NULL: the end of a command's. */
static enum err next_result(struct pg *pg, int64_t limit_ns, PGresult **ret_result)
{
    int unsent;
    while ((unsent = PQflush(pg->conn)) == 1 || PQisBusy(pg->conn)) {
        if (!wait_socket(pg, unsent == 1 ? POLLIN | POLLOUT : POLLIN, limit_ns)) {
            return lost(pg, "the database server does not answer");
        }
        if (!PQconsumeInput(pg->conn)) {
            return lost(pg, NULL);
        }
    }
    if (unsent < 0) {
        return lost(pg, NULL);
    }
    *ret_result = PQgetResult(pg->conn);
    return ERR_OK;
}

enum err pg_collect(struct pg *pg, PGresult **ret_results, unsigned count)
{
    unsigned deferred = pg->pending_count;
    int64_t limit_ns = wait_limit_ns(pg);
    for (unsigned i = 0; i < count; i++) {
        ret_results[i] = NULL;
    }
    enum err err = PQpipelineSync(pg->conn) ? ERR_OK : lost(pg, NULL);
    pg->pending_count = 0;
    for (unsigned at = 0; err == ERR_OK;) {
        PGresult *result = NULL;
        err = next_result(pg, limit_ns, &result);
        if (err != ERR_OK) {
            break;
        }
        if (!result) {
            if (PQstatus(pg->conn) != CONNECTION_OK || ++at > deferred + count) {
                err = lost(pg, NULL);
            }
            continue;
        }
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return ERR_OK;
        }
        if (at >= deferred && at - deferred < count && !ret_results[at - deferred]) {
            ret_results[at - deferred] = result;
            continue;
        }
        if (at < deferred) {
            pg_take_pending(pg, &pg->pending[at], result);
        } else {
            PQclear(result);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (ret_results[i] && PQresultStatus(ret_results[i]) == PGRES_FATAL_ERROR) {
            (void)pg_failed(pg, ret_results[i]); /* says more than that the connection is gone */
        }
        PQclear(ret_results[i]);
        ret_results[i] = NULL;
    }
    return err;
}

/* ret_rows, which may be NULL: of the last statement. */
static enum err simple(struct pg *pg, const char *text, int64_t limit_ns, int *ret_rows)
{
    bool was_pipeline = PQpipelineStatus(pg->conn) == PQ_PIPELINE_ON;
    if (was_pipeline && pg->pending_count > 0) {
        enum err err = pg_collect(pg, NULL, 0);
        if (err != ERR_OK) {
            return err;
        }
    }
    if ((was_pipeline && !PQexitPipelineMode(pg->conn)) || !PQsendQuery(pg->conn, text)) {
        return lost(pg, NULL);
    }
    enum err outcome = ERR_OK;
    for (;;) {
        PGresult *result = NULL;
        enum err err = next_result(pg, limit_ns, &result);
        if (err != ERR_OK) {
            return err;
        }
        if (!result) {
            break;
        }
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
            status != PGRES_EMPTY_QUERY && outcome == ERR_OK) {
            outcome = pg_failed(pg, result);
        }
        if (ret_rows) {
            *ret_rows = PQntuples(result);
        }
        PQclear(result);
    }
    if (PQstatus(pg->conn) != CONNECTION_OK || (was_pipeline && !PQenterPipelineMode(pg->conn))) {
        return lost(pg, outcome == ERR_OK ? NULL : pg->base.message);
    }
    return outcome;
}

enum err pg_simple(struct pg *pg, const char *text)
{
    return simple(pg, text, INT64_MAX, NULL);
}

/* ---- connecting ---- */

/* "might not have been replicated" is said as a warning. */
static void on_notice(void *ctx, const PGresult *result)
{
    struct pg *pg = ctx;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity && strcmp(severity, "WARNING") == 0) {
        pg->has_warning = true;
    }
}

static PGconn *dial(const struct pg *pg)
{
    char name[64];
    static const char *const modes[] = {
        [DB_WRITER] = "writer", [DB_READER] = "reader", [DB_ADMIN] = "admin"};
    (void)snprintf(name, sizeof(name), "foyer %s %s", pg->schema, modes[pg->base.mode]);
    /* What stands before dbname gives way to the location's own options. */
    const char *const keys[] = {"connect_timeout",  "tcp_user_timeout",
                                "keepalives_idle",  "keepalives_interval",
                                "keepalives_count", "target_session_attrs",
                                "application_name", "dbname",
                                "client_encoding",  NULL};
    const char *const values[] = {"3",          "10000", "5",     "2",    "3",
                                  "read-write", name,    pg->url, "UTF8", NULL};
    return PQconnectdbParams(keys, values, 1);
}

/* For what connecting asks: a server that lets in and hangs must not hold the thread for good. */
static enum err ask(struct pg *pg, const char *text, int *ret_rows)
{
    return simple(pg, text, wait_limit_ns(pg), ret_rows);
}

/* Sequential scans and JIT are off because plans are made once, when tables may be empty.
 *
 * A writer's locks must not outlive it. The server's own idea of a dead machine takes two hours, so it
 * is given ours; a process that hangs answers still, so its session ends for idleness: a writer asks
 * something every WRITER_TICK_MS. Commits that the server does not make durable are no commits. */
static enum err set_session(struct pg *pg)
{
    static const char *const of_mode[] = {
        [DB_WRITER] = "SET lock_timeout = 10000; SET idle_in_transaction_session_timeout = 60000;"
                      "SET idle_session_timeout = 60000;"
                      "SELECT set_config('synchronous_commit', 'on', false)"
                      " WHERE current_setting('synchronous_commit') = 'off'",
        [DB_READER] = "SET default_transaction_read_only = on; SET statement_timeout = 1000",
        [DB_ADMIN] = "SET default_transaction_read_only = on",
    };
    char text[1024];
    (void)snprintf(text, sizeof(text),
                   "SET search_path = \"%s\"; SET jit = off; SET enable_seqscan = off;"
                   "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2;"
                   "SET tcp_keepalives_count = 3; SET tcp_user_timeout = 10000;"
                   "SET plan_cache_mode = force_generic_plan;"
                   "SET default_transaction_isolation = 'read committed'; %s",
                   pg->schema, of_mode[pg->base.mode]);
    _Static_assert(DB_READ_MS_MAX == 1000, "statement_timeout above");
    return ask(pg, text, NULL);
}

/* The writer makes the schema; two that start at once take turns. */
static enum err find_schema(struct pg *pg)
{
    char text[512];
    (void)snprintf(text, sizeof(text), "SELECT 1 FROM pg_namespace WHERE nspname = '%s'",
                   pg->schema);
    int count = 0;
    enum err err = ask(pg, text, &count);
    if (err != ERR_OK || count > 0) {
        return err;
    }
    if (pg->base.mode != DB_WRITER) {
        db_set_message(&pg->base, "there is no schema %s", pg->schema);
        return ERR_IO;
    }
    long long key = pg_lock_key(pg, "schema", 0);
    (void)snprintf(text, sizeof(text),
                   "SELECT pg_advisory_lock(%lld); CREATE SCHEMA IF NOT EXISTS \"%s\"", key,
                   pg->schema);
    err = ask(pg, text, NULL);
    if (!pg->conn) {
        return err;
    }
    (void)snprintf(text, sizeof(text), "SELECT pg_advisory_unlock(%lld)", key);
    enum err err_unlock = ask(pg, text, NULL);
    return err != ERR_OK ? err : err_unlock;
}

static enum err set_up(struct pg *pg)
{
    if (PQstatus(pg->conn) != CONNECTION_OK) {
        return lost(pg, NULL);
    }
    if (PQserverVersion(pg->conn) < VERSION_MIN) {
        return lost(pg, "PostgreSQL 15 or newer is needed");
    }
    (void)PQsetNoticeReceiver(pg->conn, on_notice, pg);
    enum err err = find_schema(pg);
    if (err == ERR_OK) {
        err = set_session(pg);
    }
    if (err != ERR_OK) {
        pg_drop(pg);
        return err;
    }
    if (PQsetnonblocking(pg->conn, 1) != 0 || !PQenterPipelineMode(pg->conn)) {
        return lost(pg, NULL);
    }
    return ERR_OK;
}

enum err pg_connect(struct pg *pg)
{
    if (pg->conn) {
        return ERR_OK;
    }
    if (clock_mono_ns() < pg->retry_at_ns) {
        return ERR_IO; /* the message says why it failed */
    }
    pg->conn = dial(pg);
    enum err err = pg->conn ? set_up(pg) : ERR_NOMEM;
    if (err != ERR_OK) {
        int64_t pause_ms = pg->retry_pause_ms ? pg->retry_pause_ms * 2 : RETRY_PAUSE_MS_MIN;
        pg->retry_pause_ms = pause_ms < RETRY_PAUSE_MS_MAX ? pause_ms : RETRY_PAUSE_MS_MAX;
        pg->retry_at_ns = clock_mono_ns() + pg->retry_pause_ms * NS_PER_MS;
        return err;
    }
    pg->retry_pause_ms = 0;
    pg->pending_count = 0;
    pg->base.status.is_lost = false;
    pg->base.status.lives++;
    return ERR_OK;
}
