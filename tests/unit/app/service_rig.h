/*
 * A real server with a service made up for the tests, and a client that speaks HTTP over a socket.
 *
 *   GET  /t/loop          LOOP; ?again=1 sends it on to the pool
 *   GET  /t/read          READ
 *   GET  /t/hold          READ on the slow pool; waits for rig_release
 *   GET  /t/staff         READ, scope organizer
 *   POST /t/things        WRITE {name}: a row and its id; some names are special, see thing_apply
 *   POST /t/orders        the same for callers, Idempotency-Key required, prepare on the loop
 *   POST /t/own           the same, key required and kept by the handler (that is: not at all)
 *   POST /t/secret        the same, key refused
 *   POST /t/raw           WRITE, any body of at most 16 bytes
 *   POST /t/things/{id}   nothing but a path parameter
 */
#ifndef TEST_APP_SERVICE_RIG_H
#define TEST_APP_SERVICE_RIG_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/app.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"

#define RIG_ADMIN_KEY   "sk_unit_test_admin_key_0001"
#define RIG_REPLY_MAX   ((size_t)1 << 20)
#define RIG_PATIENCE_NS ((int64_t)30 * 1000000000)

struct rig {
    char dir[64];
    char path[96];
    struct config config;
    struct service service;
    struct app *app;
    struct server *server;
    sem_t hold;
    _Atomic int held;
    _Atomic int applied; /* runs of thing_apply */
    _Atomic int prepared;
    _Atomic bool loses_group; /* the next group's transaction is thrown away once */
};

struct reply {
    int status;
    char *text; /* head and body */
    const char *body;
};

static struct rig *rig;

/* Waits until the condition holds; fails when it never does. */
#define wait_for(condition)                                                                        \
    do {                                                                                           \
        int64_t wait_until_ = clock_mono_ns() + RIG_PATIENCE_NS;                                   \
        while (!(condition)) {                                                                     \
            assert_true(clock_mono_ns() < wait_until_);                                            \
            (void)usleep(1000);                                                                    \
        }                                                                                          \
    } while (0)

/* --- the service --- */

struct thing {
    struct str name;
};

static const struct json_field thing_fields[] = {
    {.name = "name", .kind = JSON_STR, .is_required = true, .min = 1, .max = 40, .doc = "its name"},
    {0},
};

static inline enum err say(struct call *call, int status, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct buf *body = buf_new_in(call_arena(call), 4096);
    if (!body)
        return ERR_NOMEM;
    buf_append(body, text, (size_t)len);
    reply_json(call, status, body);
    return ERR_OK;
}

static inline enum err loop_loop(struct call *call)
{
    int64_t again = 0;
    if (!call_query_i64(call, "again", 0, 1, &again))
        return ERR_OK;
    response_header(call->req, "x-loop", STR("1"));
    response_header(call->req, "x-trace",
                    arena_printf(call_arena(call), "%016llx%016llx",
                                 (unsigned long long)call->trace_hi,
                                 (unsigned long long)call->trace_lo));
    return again ? ERR_AGAIN : say(call, 200, "{\"by\":\"loop\"}");
}

SQL(SQL_RIG_COUNT, "SELECT count(*) FROM thing");

static inline enum err count_read(struct call *call, struct db *db)
{
    int64_t count;
    enum err err = db_get_i64(db_stmt(db, &SQL_RIG_COUNT), &count);
    return err == ERR_OK ? say(call, 200, "{\"by\":\"read\",\"count\":%d}", (int)count) : err;
}

static inline enum err hold_read(struct call *call, struct db *db)
{
    (void)db;
    atomic_fetch_add(&rig->held, 1);
    while (sem_wait(&rig->hold) != 0)
        continue;
    return say(call, 200, "{}");
}

static inline enum err thing_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct thing *thing = ARENA_NEW(call_arena(call), struct thing);
    if (!thing)
        return ERR_NOMEM;
    atomic_fetch_add(&rig->prepared, 1);
    call->prepared = thing;
    if (!call_decode(call, thing))
        return ERR_OK;
    if (str_eq(thing->name, STR("again")) && !db)
        return ERR_AGAIN;
    if (str_eq(thing->name, STR("early")))
        problem_reply(call, PROBLEM_CONFLICT, "refused in prepare");
    if (call->route->idempotency == IDEMPOTENCY_OWN && !call_is_answered(call))
        (void)call_rate_limit(call);
    return ERR_OK;
}

SQL(SQL_RIG_INSERT, "INSERT INTO thing(id, name) VALUES($1, $2)");

static inline enum err thing_apply(struct call *call, struct writer_tx *tx)
{
    struct thing *thing = call->prepared;
    uint64_t id = id_next(tx->ids);
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_RIG_INSERT);
    atomic_fetch_add(&rig->applied, 1);
    db_bind_i64(stmt, 1, (int64_t)id);
    db_bind_str(stmt, 2, thing->name);
    enum err err = db_exec(stmt);
    if (err != ERR_OK)
        return err;
    if (atomic_exchange(&rig->loses_group, false)) {
        db_rollback(tx->db);
        response_header(call->req, "x-run", STR("lost"));
        return say(call, 201, "{\"run\":\"lost\"}");
    }
    if (str_eq(thing->name, STR("refuse")))
        problem_reply(call, PROBLEM_CONFLICT, "refused in apply");
    else if (str_eq(thing->name, STR("io")))
        return ERR_IO;
    else if (str_eq(thing->name, STR("twice")))
        return ERR_CONFLICT;
    else if (str_eq(thing->name, STR("empty")))
        reply_empty(call, 204);
    else if (!str_eq(thing->name, STR("mute")))
        return say(call, 201, "{\"id\":%llu}", (unsigned long long)id);
    return ERR_OK;
}

static inline enum err raw_apply(struct call *call, struct writer_tx *tx)
{
    (void)tx;
    reply_empty(call, 204);
    return ERR_OK;
}

static inline enum err param_loop(struct call *call)
{
    uint64_t id;
    return call_param_id(call, "id", "thg", &id) ? say(call, 200, "{\"id\":%d}", (int)id) : ERR_OK;
}

#define WRITES_THING                                                                               \
    .method = HTTP_POST, .kind = ROUTE_WRITE, .prepare = thing_prepare, .apply = thing_apply,      \
    .request = thing_fields, .success = 201
#define READS .method = HTTP_GET, .success = 200

static const struct route rig_routes[] = {
    {READS, .pattern = "/t/loop", .kind = ROUTE_LOOP, .loop = loop_loop, .read = count_read,
     .query = "again other"},
    {READS, .pattern = "/t/read", .kind = ROUTE_READ, .read = count_read, .auth = AUTH_OPTIONAL},
    {READS, .pattern = "/t/hold", .kind = ROUTE_READ, .read = hold_read, .pool = POOL_SLOW},
    {READS, .pattern = "/t/staff", .kind = ROUTE_READ, .read = count_read, .auth = AUTH_CALLER,
     .scopes = SCOPE_ORGANIZER},
    {WRITES_THING, .pattern = "/t/things"},
    {WRITES_THING, .pattern = "/t/orders", .auth = AUTH_CALLER, .prepare_on_loop = true,
     .idempotency = IDEMPOTENCY_REQUIRED, .rate = RATE_SELL},
    {WRITES_THING, .pattern = "/t/own", .idempotency = IDEMPOTENCY_OWN, .rate = RATE_AUTH,
     .prepare_on_loop = true},
    {WRITES_THING, .pattern = "/t/secret", .idempotency = IDEMPOTENCY_REFUSED},
    {.method = HTTP_POST,
     .pattern = "/t/raw",
     .kind = ROUTE_WRITE,
     .apply = raw_apply,
     .takes_any_body = true,
     .body_max = 16,
     .success = 204},
    {.method = HTTP_POST,
     .pattern = "/t/things/{id}",
     .kind = ROUTE_LOOP,
     .loop = param_loop,
     .success = 200,
     .idempotency = IDEMPOTENCY_IGNORED,
     .rate = RATE_NONE},
};

/* --- up and down --- */

static inline void rig_start(void)
{
    char message[256] = "";
    assert_ok(writer_new(rig->path, "platform", &rig->service.writer));
    assert_ok(
        db_script(writer_db(rig->service.writer),
                  STR("CREATE TABLE IF NOT EXISTS thing(id INTEGER PRIMARY KEY, name TEXT)")));
    assert_ok(writer_start(rig->service.writer));
    rig->service.name = "rig";
    rig->service.routes = rig_routes;
    rig->service.route_count = sizeof(rig_routes) / sizeof(rig_routes[0]);
    struct app_options options = {.config = &rig->config,
                                  .services = {&rig->service},
                                  .database_paths = {rig->path},
                                  .service_count = 1};
    assert_ok(app_new(&options, &rig->app));
    struct server_options server = {.listen = "127.0.0.1:0",
                                    .loops = 2,
                                    .connections_max = 1000,
                                    .body_max = ROUTE_BODY_MAX,
                                    .request_timeout_ms = 30000,
                                    .send_timeout_ms = 30000,
                                    .on_request = app_on_request,
                                    .ctx = rig->app};
    assert_ok(server_new(&server, &rig->server, message));
    app_show_server(rig->app, rig->server);
    assert_ok(server_start(rig->server));
}

static inline void rig_stop(void)
{
    server_stop(rig->server, 5000);
    writer_stop(rig->service.writer);
    app_stop(rig->app);
    server_free(rig->server);
    app_free(rig->app);
    writer_free(rig->service.writer);
}

static inline int rig_setup_with(bool has_limits)
{
    char message[256];
    rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/foyer-rig-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    (void)snprintf(rig->path, sizeof(rig->path), "%s/rig.db", rig->dir);
    assert_ok(crypto_init());
    log_set_level(LOG_OFF);
    assert_int_equal(sem_init(&rig->hold, 0, 0), 0);
    assert_ok(config_load(0, NULL, &rig->config, message));
    (void)snprintf(rig->config.data, sizeof(rig->config.data), "%s", rig->dir);
    (void)snprintf(rig->config.admin_key, sizeof(rig->config.admin_key), "%s", RIG_ADMIN_KEY);
    rig->config.abuse = has_limits;
    rig->config.test_clock = true;
    rig_start();
    return 0;
}

static inline int rig_setup(void **state)
{
    (void)state;
    return rig_setup_with(false);
}

static inline int rig_setup_limited(void **state)
{
    (void)state;
    return rig_setup_with(true);
}

static inline int rig_teardown(void **state)
{
    static const char *const names[] = {"rig", "platform"};
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[128];
    (void)state;
    rig_stop();
    for (size_t i = 0; i < 6; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s.db%s", rig->dir, names[i / 3], suffixes[i % 3]);
        (void)unlink(path); /* not all of them are there */
    }
    int result = rmdir(rig->dir);
    (void)sem_destroy(&rig->hold);
    free(rig);
    return result;
}

#define rig_test(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)
#define limits_test(function)                                                                      \
    cmocka_unit_test_setup_teardown(function, rig_setup_limited, rig_teardown)

/* --- the client --- */

/* Sends a request; the answer is read by http_receive. head: "POST /t/things" and header lines
 * behind it, each "\r\nname: value". */
static inline int http_send(const char *head, const char *body)
{
    struct timeval patience = {.tv_sec = RIG_PATIENCE_NS / 1000000000};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server_port(rig->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    size_t line = strcspn(head, "\r");
    size_t size = strlen(head) + (body ? strlen(body) : 0) + 256;
    char *text = malloc(size);
    assert_non_null(text);
    int len = snprintf(text, size, "%.*s HTTP/1.1\r\nHost: rig\r\nConnection: close%s", (int)line,
                       head, head + line);
    if (body && !strcasestr(head, "content-type"))
        len += snprintf(text + len, size - (size_t)len, "\r\nContent-Type: application/json");
    if (body)
        len += snprintf(text + len, size - (size_t)len, "\r\nContent-Length: %zu", strlen(body));
    len += snprintf(text + len, size - (size_t)len, "\r\n\r\n%s", body ? body : "");
    for (int sent = 0; sent < len;) {
        ssize_t now = send(fd, text + sent, (size_t)(len - sent), MSG_NOSIGNAL);
        assert_true(now > 0);
        sent += (int)now;
    }
    free(text);
    return fd;
}

static inline struct reply http_receive(int fd)
{
    struct reply reply = {.text = calloc(1, RIG_REPLY_MAX)};
    size_t len = 0;
    assert_non_null(reply.text);
    for (;;) {
        ssize_t now = recv(fd, reply.text + len, RIG_REPLY_MAX - 1 - len, 0);
        assert_true(now >= 0); /* or it took too long */
        if (now == 0)
            break;
        len += (size_t)now;
    }
    assert_int_equal(close(fd), 0);
    assert_int_equal(sscanf(reply.text, "HTTP/1.1 %d ", &reply.status), 1);
    char *end = strstr(reply.text, "\r\n\r\n");
    assert_non_null(end);
    reply.body = end + 4;
    return reply;
}

static inline struct reply http(const char *head, const char *body)
{
    return http_receive(http_send(head, body));
}

static inline void reply_free(struct reply *reply)
{
    free(reply->text);
    reply->text = NULL;
}

/* "\r\nname: value" stands in the head. */
static inline bool reply_has(const struct reply *reply, const char *line)
{
    const char *found = strcasestr(reply->text, line);
    return found && found < reply->body;
}

/* Asks, compares the status, and what the body contains (NULL: anything). */
#define expect(head, sent, wanted_status, part)                                                    \
    do {                                                                                           \
        struct reply expect_ = http(head, sent);                                                   \
        const char *part_ = part;                                                                  \
        if (expect_.status != (wanted_status) || (part_ && !strstr(expect_.body, part_)))          \
            print_error("%s\n", expect_.text);                                                     \
        assert_int_equal(expect_.status, wanted_status);                                           \
        assert_true(!part_ || strstr(expect_.body, part_));                                        \
        reply_free(&expect_);                                                                      \
    } while (0)

static inline int rig_things(void)
{
    struct reply reply = http("GET /t/read", NULL);
    int count = -1;
    const char *found = strstr(reply.body, "\"count\":");
    assert_non_null(found);
    assert_int_equal(sscanf(found, "\"count\":%d", &count), 1);
    reply_free(&reply);
    return count;
}

#define ADMIN "\r\nAuthorization: Bearer " RIG_ADMIN_KEY

/* Keeps the service's writer busy until writer_let_go. */
struct blocking_job {
    struct writer_job job;
    sem_t begun, go;
};

static inline enum err blocking_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct blocking_job *blocking = container_of(job, struct blocking_job, job);
    (void)tx;
    sem_post(&blocking->begun);
    while (sem_wait(&blocking->go) != 0)
        continue;
    return ERR_OK;
}

static inline void ignore_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome;
}

static inline void writer_hold(struct blocking_job *blocking)
{
    *blocking = (struct blocking_job){.job = {.apply = blocking_apply, .done = ignore_done}};
    sem_init(&blocking->begun, 0, 0);
    sem_init(&blocking->go, 0, 0);
    assert_ok(writer_submit(rig->service.writer, &blocking->job));
    while (sem_wait(&blocking->begun) != 0)
        continue;
}

static inline void writer_let_go(struct blocking_job *blocking)
{
    sem_post(&blocking->go);
}

static inline uint64_t writer_waiting(void)
{
    struct writer_stats stats;
    writer_stats(rig->service.writer, &stats);
    return stats.queue_length;
}

#endif
