/*
 * ingest: durable messages to one endpoint each over HTTP, beside the bare writer doing the same
 * rows and beside bare h2o answering as many bytes, both in the same run.
 *
 * Nobody listens where the endpoints are, so that after a few refused connections their breakers
 * keep the dispatcher quiet: what is measured is taking messages in. First as fast as they are
 * answered (closed loop), with an Idempotency-Key each as the official clients send it and then
 * without; then at a stated rate (open loop, --rate, 30,000 a second; if people wait too long at
 * that rate, lower ones are tried). Afterwards the database must have a delivery for each message
 * that was acknowledged.
 */
#include <stdio.h>
#include <stdlib.h>

#include "arrivals.h"
#include "base/clock.h"
#include "flood.h"
#include "floor_hooks.h"
#include "floor_http.h"
#include "hooks_seed.h"
#include "scenario.h"
#include "store.h"
#include "store/db.h"
#include "store/writer.h"

#define INGEST_APPS        16
#define INGEST_CONNECTIONS 64
#define INGEST_DEPTH       8
#define INGEST_SECONDS     6
#define INGEST_RATE        30000
#define INGEST_RATE_PGSQL  3000
#define OPEN_SECONDS       4
#define OPEN_CONNECTIONS   512
#define FLOOR_MS           1500
#define P99_MAX_MS         50.0
#define FAILURES_PRINTED   3
#define NS_PER_S           INT64_C(1000000000)

struct ingest {
    struct hooks_seed seed;
    struct flood keyed, bare;
    bool has_key; /* what is made now has one */
    struct arrivals arrivals;
    uint64_t taken, failed;         /* of the open loop */
    double floor_keyed, floor_bare; /* means of two runs */
    double floor_quarter, floor_http;
    double carried_rate, carried_p99_ms;
};

/* --- closed loop --- */

static void make_next(void *ctx, struct load_request *request)
{
    struct ingest *ingest = ctx;
    hooks_seed_message(&ingest->seed, ingest->has_key, hooks_seed_payload(), request);
}

static enum err run_closed(struct ingest *ingest, struct flood *flood, bool has_key,
                           const struct scenario_options *options)
{
    ingest->has_key = has_key;
    *flood = (struct flood){.port = ingest->seed.child.port,
                            .server = ingest->seed.child.pid,
                            .connections = options->connections ? (size_t)options->connections
                                                                : INGEST_CONNECTIONS,
                            .depth = INGEST_DEPTH,
                            .seconds = options->seconds ? options->seconds : INGEST_SECONDS,
                            .status = 202,
                            .make = make_next,
                            .ctx = ingest};
    return flood_run(flood);
}

/* The same against bare h2o that answers as many bytes. */
static enum err floor_answers(struct ingest *ingest)
{
    struct floor_http http;
    struct flood flood = ingest->keyed;
    enum err err = floor_http_start(202, flood.head_len, flood.body_len, &http);
    if (err)
        return err;
    flood = (struct flood){.port = http.port,
                           .server = http.pid,
                           .connections = flood.connections,
                           .depth = flood.depth,
                           .seconds = 1,
                           .status = 202,
                           .make = make_next,
                           .ctx = ingest};
    err = flood_run(&flood);
    ingest->floor_http = flood.rate;
    floor_http_stop(&http);
    return err;
}

/* --- open loop --- */

static bool make_message(void *ctx, struct load_request *request)
{
    struct ingest *ingest = ctx;
    hooks_seed_message(&ingest->seed, true, hooks_seed_payload(), request);
    return true;
}

static void on_message(void *ctx, const struct load_answer *answer)
{
    struct ingest *ingest = ctx;
    if (answer->status == 202)
        ingest->taken++;
    else if (ingest->failed++ < FAILURES_PRINTED)
        fprintf(stderr, "message: %d %.*s\n", answer->status, STR_ARG(answer->body));
}

static enum err run_open(struct ingest *ingest, double rate)
{
    struct load *load;
    enum err err = load_new(OPEN_CONNECTIONS, ingest->seed.child.port, &load);
    if (err)
        return err;
    int64_t now_ns = clock_mono_ns();
    ingest->arrivals = (struct arrivals){.rate = rate,
                                         .count = OPEN_CONNECTIONS,
                                         .start_ns = now_ns,
                                         .measure_ns = now_ns + NS_PER_S,
                                         .end_ns = now_ns + (OPEN_SECONDS + 1) * NS_PER_S,
                                         .make = make_message,
                                         .on_answer = on_message,
                                         .ctx = ingest};
    err = arrivals_start(&ingest->arrivals, load);
    if (!err)
        load_run(load, ingest->arrivals.end_ns + 10 * NS_PER_S, arrivals_are_over,
                 &ingest->arrivals);
    arrivals_finish(&ingest->arrivals);
    load_free(load);
    ingest->carried_rate = rate;
    ingest->carried_p99_ms = hist_ms(&ingest->arrivals.hist, 0.99);
    return err;
}

static enum err run_stated(struct ingest *ingest, double rate, struct report *report)
{
    static const char *const names[4] = {"open_p50_ms", "open_p95_ms", "open_p99_ms",
                                         "open_max_ms"};
    enum err err = run_open(ingest, rate);
    if (err)
        return err;
    report_figure(report, "open_rate", rate);
    report_figure(report, "open_answered_per_s", arrivals_rate(&ingest->arrivals));
    report_latency(report, &ingest->arrivals.hist, names);
    report_figure(report, "open_late", (double)ingest->arrivals.late);
    report_figure(report, "open_unsent", (double)ingest->arrivals.unsent);
    return ERR_OK;
}

/* Lower and lower, until the p99 is what was promised. */
static enum err run_until_carried(struct ingest *ingest)
{
    static const double shares[] = {0.85, 0.7, 0.55, 0.4};
    double closed = ingest->keyed.rate;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && ingest->carried_p99_ms > P99_MAX_MS && i < 4; i++)
        if (closed * shares[i] < ingest->carried_rate)
            err = run_open(ingest, closed * shares[i]);
    return err;
}

/* --- floors and the end --- */

/* Before and after the run, for the machine does not stay the same: the report has the mean. */
static enum err floors_run(struct ingest *ingest)
{
    unsigned full = bench_is_pgsql() ? WRITER_GROUP_MAX_PGSQL : WRITER_GROUP_MAX;
    const struct child *child = &ingest->seed.child;
    double keyed = 0, bare = 0, quarter = 0;
    enum err err = floor_messages(child, true, full, FLOOR_MS, &keyed);
    if (!err)
        err = floor_messages(child, true, full / 4, FLOOR_MS, &quarter);
    if (!err)
        err = floor_messages(child, false, full, FLOOR_MS, &bare);
    ingest->floor_keyed += keyed / 2;
    ingest->floor_quarter += quarter / 2;
    ingest->floor_bare += bare / 2;
    return err;
}

SQL(SQL_DAY, "SELECT slot FROM ring_slot ORDER BY day DESC LIMIT 1");

/* Everything in one day's tables, unless midnight came: then nothing is said. */
static enum err count_rows(struct ingest *ingest, int64_t *ret_messages, int64_t *ret_deliveries)
{
    static char texts[2][64];
    static struct sql counts[2] = {{.text = texts[0]}, {.text = texts[1]}};
    char path[512];
    struct db *db;
    int64_t slot = 0;
    bench_location(&ingest->seed.child, "hooks", path, sizeof(path));
    enum err err = db_open(path, DB_ADMIN, &db);
    if (err)
        return err;
    err = db_get_i64(db_stmt(db, &SQL_DAY), &slot);
    snprintf(texts[0], sizeof(texts[0]), "SELECT count(*) FROM message_%02d", (int)slot);
    snprintf(texts[1], sizeof(texts[1]), "SELECT count(*) FROM delivery_%02d", (int)slot);
    if (!err)
        err = db_get_i64(db_stmt(db, &counts[0]), ret_messages);
    if (!err)
        err = db_get_i64(db_stmt(db, &counts[1]), ret_deliveries);
    db_close(db);
    return err;
}

static void ingest_report(struct ingest *ingest, double stated_rate, struct report *report)
{
    static const char *const names[4] = {"p50_ms", "p95_ms", "p99_ms", "max_ms"};
    int64_t messages = 0, deliveries = 0;
    bool is_pgsql = bench_is_pgsql();
    double rate = ingest->keyed.rate, bare = ingest->bare.rate;
    uint64_t taken = ingest->taken + ingest->keyed.all_answers + ingest->bare.all_answers;
    uint64_t failed = ingest->failed + ingest->keyed.wrong + ingest->bare.wrong;
    report_figure(report, "messages_per_s", rate);
    report_latency(report, &ingest->keyed.hist, names);
    report_figure(report, "messages_without_key_per_s", bare);
    report_figure(report, "server_cpu_us_each", ingest->keyed.cpu_us);
    report_figure(report, "carried_rate", ingest->carried_rate);
    report_figure(report, "carried_p99_ms", ingest->carried_p99_ms);
    report_figure(report, "taken", (double)taken);
    report_figure(report, "failed", (double)failed);
    report_floor(report, "writer_full_groups_per_s", ingest->floor_keyed);
    report_floor(report, "writer_quarter_groups_per_s", ingest->floor_quarter);
    report_floor(report, "writer_without_key_per_s", ingest->floor_bare);
    report_floor(report, "bare_answers_per_s", ingest->floor_http);
    report_aim(report, (struct report_aim){.what = "messages a second",
                                           .value = rate,
                                           .floor = ingest->floor_keyed,
                                           .at_least = is_pgsql ? 0 : INGEST_RATE});
    report_aim(report, (struct report_aim){.what = "messages a second without a key",
                                           .value = bare,
                                           .floor = ingest->floor_bare,
                                           .at_least = is_pgsql ? 0 : INGEST_RATE});
    report_aim(report, (struct report_aim){.what = "messages a second, of the bare writer's",
                                           .value = rate,
                                           .floor = ingest->floor_keyed,
                                           .is_ratio = true,
                                           .at_least = is_pgsql ? 0.7 : 0.5});
    report_aim(report, (struct report_aim){
                           .what = "messages a second carried with p99 < 50 ms",
                           .value = ingest->carried_p99_ms <= P99_MAX_MS ? ingest->carried_rate : 0,
                           .floor = ingest->floor_keyed,
                           .at_least = stated_rate});
    bool is_counted = count_rows(ingest, &messages, &deliveries) == ERR_OK;
    report_figure(report, "rows_of_messages", (double)messages);
    report_figure(report, "rows_of_deliveries", (double)deliveries);
    report->ok = is_counted && failed == 0 && taken > 0 && deliveries == messages &&
                 (uint64_t)messages >= taken;
}

bool scenario_ingest(const struct scenario_options *options, struct report *report)
{
    struct ingest *ingest = calloc(1, sizeof(*ingest));
    double stated_rate = options->rate      ? options->rate
                         : bench_is_pgsql() ? INGEST_RATE_PGSQL
                                            : INGEST_RATE;
    report->scenario = "ingest";
    if (!ingest || hooks_seed_dir(&ingest->seed)) {
        free(ingest);
        return false;
    }
    ingest->seed.app_count = INGEST_APPS;
    ingest->seed.url = "http://127.0.0.1:1/hooks/%u";
    enum err err = floors_run(ingest);
    if (!err)
        err = hooks_seed_open(&ingest->seed);
    if (!err)
        err = run_closed(ingest, &ingest->keyed, true, options);
    if (!err)
        err = run_closed(ingest, &ingest->bare, false, options);
    if (!err)
        err = run_stated(ingest, stated_rate, report);
    if (!err)
        err = run_until_carried(ingest);
    if (!err)
        err = floors_run(ingest);
    if (!err)
        err = floor_answers(ingest);
    if (!err)
        ingest_report(ingest, stated_rate, report);
    if (err)
        hooks_seed_drop(&ingest->seed);
    else
        report->ok = hooks_seed_close(&ingest->seed) && report->ok;
    free(ingest);
    return !err;
}
