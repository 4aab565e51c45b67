/*
 * deliveries: webhooks sent to receivers on this machine, each attempt recorded, beside a bare libcurl
 * loop to the same receivers and the bare writer of an attempt's rows, both in the same run.
 *
 * First a backlog: applications may send one delivery a second while messages come in. Then the limit
 * is taken away, and the time is measured until the last result is committed. Afterwards messages
 * arrive at a stated rate (open loop, --rate, 2,000 a second); how long each takes counts from the time
 * it was due to when the receiver had all of it. At the end every message must have been received, and
 * each delivery must have ended well with one attempt, or one more for each that came twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "arrivals.h"
#include "base/clock.h"
#include "cpu.h"
#include "floor_curl.h"
#include "floor_hooks.h"
#include "hooks_seed.h"
#include "receiver.h"
#include "scenario.h"
#include "store.h"
#include "store/db.h"

#define DELIVERIES_APPS       32
#define DELIVERIES_BACKLOG    60000
#define DELIVERIES_PER_S      20000
#define DELIVERIES_RATE       2000
#define DELIVERIES_RATE_PGSQL 500
#define OPEN_SECONDS          4
#define CONNECTIONS           64
#define DEPTH                 8
#define IN_FLIGHT             256 /* of the bare loop */
#define FLOOR_MS              1500
#define FLOOR_ATTEMPTS        30000
#define FLOOR_GROUP           256
#define DRAIN_NS              (120 * INT64_C(1000000000))
#define NS_PER_S              INT64_C(1000000000)
#define FAILURES_PRINTED      3

struct deliveries {
    struct hooks_seed seed;
    struct receiver receiver;
    char url[64];
    struct arrivals arrivals;
    struct buf payload;
    uint64_t asked, wanted; /* of the loop that runs; wanted 0: no end */
    uint64_t taken, failed;
    double rate, cpu_us, receiver_cpu_us;
    struct hist hist;
    double floor_curl, floor_curl_us, floor_attempts; /* means of two runs */
};

/* --- messages --- */

static bool make_message(void *ctx, struct load_request *request)
{
    struct deliveries *deliveries = ctx;
    if (deliveries->wanted && deliveries->asked == deliveries->wanted)
        return false;
    buf_clear(&deliveries->payload);
    receiver_payload(&deliveries->payload, deliveries->asked++, deliveries->arrivals.next_ns,
                     HOOKS_PAYLOAD_BYTES);
    hooks_seed_message(&deliveries->seed, false, buf_str(&deliveries->payload), request);
    return true;
}

static void on_message(void *ctx, const struct load_answer *answer)
{
    struct deliveries *deliveries = ctx;
    if (answer->status == 202)
        deliveries->taken++;
    else if (deliveries->failed++ < FAILURES_PRINTED)
        fprintf(stderr, "message: %d %.*s\n", answer->status, STR_ARG(answer->body));
}

static enum err run_arrivals(struct deliveries *deliveries, double rate, int64_t seconds)
{
    struct load *load;
    enum err err = load_new(CONNECTIONS, deliveries->seed.child.port, &load);
    if (err)
        return err;
    int64_t now_ns = clock_mono_ns();
    deliveries->asked = 0;
    deliveries->arrivals = (struct arrivals){.rate = rate,
                                             .count = CONNECTIONS,
                                             .depth = DEPTH,
                                             .start_ns = now_ns,
                                             .measure_ns = now_ns,
                                             .end_ns = now_ns + seconds * NS_PER_S,
                                             .make = make_message,
                                             .on_answer = on_message,
                                             .ctx = deliveries};
    err = arrivals_start(&deliveries->arrivals, load);
    if (!err)
        load_run(load, deliveries->arrivals.end_ns + 10 * NS_PER_S, arrivals_are_over,
                 &deliveries->arrivals);
    arrivals_finish(&deliveries->arrivals);
    load_free(load);
    return err;
}

/* --- how many have ended --- */

/* Committed results of this server. -1: it does not say. */
static int64_t ended(const struct deliveries *deliveries)
{
    static const char name[] = "foyer_hooks_deliveries_total{result=\"success\"} ";
    struct buf answer;
    int status = child_request(deliveries->seed.child.port, "GET", "/metrics", STR_NONE, &answer);
    buf_append_char(&answer, '\0');
    const char *at = status == 200 && answer.data ? strstr(answer.data, name) : NULL;
    int64_t count = at ? strtoll(at + sizeof(name) - 1, NULL, 10) : -1;
    buf_release(&answer);
    return count;
}

static enum err wait_ended(struct deliveries *deliveries, uint64_t count)
{
    int64_t until_ns = clock_mono_ns() + DRAIN_NS;
    struct timespec pause = {.tv_nsec = 100000000};
    while (ended(deliveries) < (int64_t)count) {
        if (clock_mono_ns() > until_ns)
            return ERR_TIMEOUT;
        nanosleep(&pause, NULL);
    }
    return ERR_OK;
}

static enum err run_backlog(struct deliveries *deliveries, const struct scenario_options *options)
{
    const struct child *child = &deliveries->seed.child;
    deliveries->wanted = options->events    ? (uint64_t)options->events
                         : bench_is_pgsql() ? DELIVERIES_BACKLOG / 6
                                            : DELIVERIES_BACKLOG;
    enum err err = hooks_seed_patch(&deliveries->seed, "{\"throttleRate\":1}");
    if (!err)
        err = run_arrivals(deliveries, 1e7, 120);
    deliveries->wanted = 0;
    int64_t before = ended(deliveries);
    double cpu_s = cpu_seconds(child->pid), receiver_s = cpu_seconds(deliveries->receiver.pid);
    int64_t started_ns = clock_mono_ns();
    if (!err)
        err = hooks_seed_patch(&deliveries->seed, "{\"throttleRate\":null}");
    if (!err)
        err = wait_ended(deliveries, deliveries->taken);
    double count = (double)deliveries->taken - (double)before;
    deliveries->rate = count / ((double)(clock_mono_ns() - started_ns) / 1e9);
    deliveries->cpu_us = (cpu_seconds(child->pid) - cpu_s) * 1e6 / count;
    deliveries->receiver_cpu_us =
        (cpu_seconds(deliveries->receiver.pid) - receiver_s) * 1e6 / count;
    return err;
}

static enum err run_stated(struct deliveries *deliveries, double rate)
{
    size_t first = receiver_logged(&deliveries->receiver);
    enum err err = run_arrivals(deliveries, rate, OPEN_SECONDS);
    if (!err)
        err = wait_ended(deliveries, deliveries->taken);
    size_t end = receiver_logged(&deliveries->receiver);
    for (size_t i = first; i < end; i++) {
        const struct receiver_arrival *arrival = &deliveries->receiver.log[i];
        hist_add(&deliveries->hist, arrival->arrived_ns - arrival->intended_ns);
    }
    return err;
}

/* --- floors and the end --- */

/* Before and after the run, for the machine does not stay the same: the report has the mean. */
static enum err floors_run(struct deliveries *deliveries)
{
    double curl = 0, curl_us = 0, attempts = 0;
    struct receiver receiver;
    enum err err = receiver_start(&receiver, DELIVERIES_APPS, 1);
    if (err)
        return err;
    err = floor_curl(receiver.port, DELIVERIES_APPS, IN_FLIGHT, FLOOR_MS, &curl, &curl_us);
    receiver_stop(&receiver);
    if (!err)
        err = floor_attempts(&deliveries->seed.child, FLOOR_GROUP,
                             bench_is_pgsql() ? FLOOR_ATTEMPTS / 10 : FLOOR_ATTEMPTS, &attempts);
    deliveries->floor_curl += curl / 2;
    deliveries->floor_curl_us += curl_us / 2;
    deliveries->floor_attempts += attempts / 2;
    return err;
}

#define COUNTS                                                                                     \
    "SELECT (SELECT count(*) FROM delivery_%02d WHERE state = 0),"                                 \
    " (SELECT count(*) FROM delivery_%02d), (SELECT count(*) FROM attempt_%02d)"

/* Midnight parts the rows; then nothing is said. */
static enum err count_rows(const struct deliveries *deliveries, int64_t ret_counts[static 3])
{
    static struct sql day = {.text = "SELECT slot FROM ring_slot ORDER BY day DESC LIMIT 1"};
    static char text[sizeof(COUNTS) + 16];
    static struct sql counts = {.text = text};
    char path[512];
    struct db *db;
    bool has_row;
    int64_t slot = 0;
    bench_location(&deliveries->seed.child, "hooks", path, sizeof(path));
    enum err err = db_open(path, DB_ADMIN, &db);
    if (err)
        return err;
    err = db_get_i64(db_stmt(db, &day), &slot);
    snprintf(text, sizeof(text), COUNTS, (int)slot, (int)slot, (int)slot);
    struct db_stmt *stmt = db_stmt(db, &counts);
    if (!err)
        err = db_step(stmt, &has_row);
    for (int i = 0; !err && i < 3; i++)
        ret_counts[i] = db_col_i64(stmt, i);
    db_done(stmt);
    db_close(db);
    return err;
}

static uint64_t arrived(const struct deliveries *deliveries)
{
    uint64_t count = 0;
    for (size_t i = 0; i < deliveries->receiver.path_count; i++)
        count += deliveries->receiver.paths[i].arrived;
    return count;
}

static void deliveries_report(struct deliveries *deliveries, double stated_rate,
                              struct report *report)
{
    static const char *const names[4] = {"open_p50_ms", "open_p95_ms", "open_p99_ms",
                                         "open_max_ms"};
    int64_t counts[3] = {0};
    bool is_pgsql = bench_is_pgsql();
    report_figure(report, "deliveries_per_s", deliveries->rate);
    report_figure(report, "server_cpu_us_each", deliveries->cpu_us);
    report_figure(report, "receiver_cpu_us_each", deliveries->receiver_cpu_us);
    report_figure(report, "open_rate", stated_rate);
    report_latency(report, &deliveries->hist, names);
    report_floor(report, "bare_curl_per_s", deliveries->floor_curl);
    report_floor(report, "bare_curl_cpu_us_each", deliveries->floor_curl_us);
    report_floor(report, "writer_attempts_per_s", deliveries->floor_attempts);
    report_aim(report, (struct report_aim){.what = "deliveries a second, of a bare libcurl loop's",
                                           .value = deliveries->rate,
                                           .floor = deliveries->floor_curl,
                                           .at_least = is_pgsql ? 0 : DELIVERIES_PER_S});
    report_aim(report, (struct report_aim){.what = "deliveries a second, of the bare writer's",
                                           .value = deliveries->rate,
                                           .floor = deliveries->floor_attempts,
                                           .at_least = is_pgsql ? 0 : DELIVERIES_PER_S});
    report_aim(report, (struct report_aim){.what = "message to receiver at the stated rate, p99 ms",
                                           .value = hist_ms(&deliveries->hist, 0.99)});
    bool is_counted = count_rows(deliveries, counts) == ERR_OK;
    report_figure(report, "messages", (double)deliveries->taken);
    report_figure(report, "failed", (double)deliveries->failed);
    report_figure(report, "arrived", (double)arrived(deliveries));
    report_figure(report, "rows_of_deliveries_well", (double)counts[0]);
    report_figure(report, "rows_of_deliveries", (double)counts[1]);
    report_figure(report, "rows_of_attempts", (double)counts[2]);
    report->ok = is_counted && deliveries->failed == 0 && deliveries->taken > 0 &&
                 (uint64_t)counts[0] == deliveries->taken && counts[1] == counts[0] &&
                 (uint64_t)counts[2] == arrived(deliveries) &&
                 arrived(deliveries) >= deliveries->taken;
}

static enum err open_all(struct deliveries *deliveries, const struct scenario_options *options)
{
    size_t log_max = (size_t)(options->events ? options->events : DELIVERIES_BACKLOG) +
                     (size_t)(options->rate ? options->rate : DELIVERIES_RATE) * OPEN_SECONDS * 2;
    enum err err = floors_run(deliveries);
    if (!err)
        err = receiver_start(&deliveries->receiver, DELIVERIES_APPS, log_max);
    snprintf(deliveries->url, sizeof(deliveries->url), "http://127.0.0.1:%u/%%u",
             deliveries->receiver.port);
    deliveries->seed.url = deliveries->url;
    deliveries->seed.app_count = DELIVERIES_APPS;
    return err ? err : hooks_seed_open(&deliveries->seed);
}

bool scenario_deliveries(const struct scenario_options *options, struct report *report)
{
    struct deliveries *deliveries = calloc(1, sizeof(*deliveries));
    double stated_rate = options->rate      ? options->rate
                         : bench_is_pgsql() ? DELIVERIES_RATE_PGSQL
                                            : DELIVERIES_RATE;
    report->scenario = "deliveries";
    if (!deliveries || hooks_seed_dir(&deliveries->seed)) {
        free(deliveries);
        return false;
    }
    buf_init(&deliveries->payload, 65536);
    enum err err = open_all(deliveries, options);
    if (!err)
        err = run_backlog(deliveries, options);
    if (!err)
        err = run_stated(deliveries, stated_rate);
    if (!err)
        err = floors_run(deliveries);
    if (!err)
        deliveries_report(deliveries, stated_rate, report);
    if (err)
        hooks_seed_drop(&deliveries->seed);
    else
        report->ok = hooks_seed_close(&deliveries->seed) && report->ok;
    if (deliveries->receiver.pid > 0)
        receiver_stop(&deliveries->receiver);
    buf_release(&deliveries->payload);
    free(deliveries);
    return !err;
}
