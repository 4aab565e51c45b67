/*
 * live: 10,000 listeners of the live map of one event with 50,000 seats, in processes of their own, while holds go on at a steady
 * rate. How long after the acknowledgement of a hold the listeners hear of it, beside a bare loop that writes the same frames; what a
 * listener costs in memory; and how long holds take with the listeners and without.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "child.h"
#include "cpu.h"
#include "live_crowd.h"
#include "live_floor.h"
#include "load.h"
#include "process.h"
#include "scenario.h"
#include "seed.h"
#include "tickets/limits.h"

#define LISTENERS    10000
#define HOLDS_PER_S  200
#define CONNECTIONS  32
#define WARM_SECONDS 1
#define AIM_P99_MS   400
#define SETTLE_US    500000

struct live {
    struct child child;
    struct seed_buyers buyers;
    struct seed_arena arena;
    struct live_crowd crowd;
    struct live_crowd_board *board;
    struct live_crowd_part heard, floor;
    struct hist without, with;
    char event_id[40], path[80];
    double rate;
    int64_t seconds;
    size_t listeners;
    unsigned next_pair;
    unsigned pairs[CONNECTIONS];
    int64_t next_ns[CONNECTIONS], until_ns;
    struct hist *hist; /* NULL: not measured */
    unsigned running;
    uint64_t failed, held;
    int64_t rss_before, rss_with;
    double cpu_with;
};

/* --- holds: an open loop, each connection at its times --- */

static void send_hold(struct load_conn *conn, struct live *live, int64_t intended_ns)
{
    char first[24], second[24], headers[256], body[256];
    unsigned pair = live->next_pair++;
    seed_seat_id(&live->arena, pair * 2, first);
    seed_seat_id(&live->arena, pair * 2 + 1, second);
    live->pairs[conn->index] = pair;
    int headers_len = snprintf(headers, sizeof(headers),
                               "Authorization: Bearer %s\r\nIdempotency-Key: live-%u\r\n",
                               live->buyers.tokens[pair % live->buyers.count], pair);
    int body_len =
        snprintf(body, sizeof(body), "{\"event_id\":\"%s\",\"seat_ids\":[\"%s\",\"%s\"]}",
                 live->event_id, first, second);
    struct load_request request = {.method = "POST",
                                   .path = STR("/v1/bookings"),
                                   .headers = str_from(headers, (size_t)headers_len),
                                   .body = str_from(body, (size_t)body_len),
                                   .intended_ns = intended_ns};
    load_send(conn, &request);
}

static void on_due(struct load_conn *conn)
{
    struct live *live = conn->actor;
    int64_t now_ns = clock_mono_ns(), intended_ns = live->next_ns[conn->index];
    if (now_ns >= live->until_ns) {
        live->running--;
        return;
    }
    if (intended_ns > now_ns) {
        load_timer(conn, (intended_ns - now_ns) / 1000000 + 1);
        return;
    }
    live->next_ns[conn->index] += (int64_t)(CONNECTIONS * 1e9 / live->rate);
    send_hold(conn, live, intended_ns);
}

static void on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct live *live = conn->actor;
    int64_t now_ns = clock_mono_ns();
    unsigned pair = live->pairs[conn->index];
    if (answer->status == 201) {
        live->held++;
        for (unsigned i = 0; live->board && i < 2; i++)
            atomic_store_explicit(&live->board->held_ns[pair * 2 + i], now_ns,
                                  memory_order_relaxed);
    } else if (live->failed++ < 3) {
        fprintf(stderr, "live: %d %.*s\n", answer->status, STR_ARG(answer->body));
    }
    if (live->hist)
        hist_add(live->hist, answer->latency_ns);
    on_due(conn);
}

static bool is_quiet(void *ctx)
{
    const struct live *live = ctx;
    return live->running == 0;
}

static enum err run_holds(struct live *live, struct hist *hist, int64_t seconds)
{
    struct load *load;
    enum err err = load_new(CONNECTIONS, live->child.port, &load);
    if (err)
        return err;
    int64_t start_ns = clock_mono_ns() + 10000000;
    live->hist = hist;
    live->until_ns = start_ns + seconds * 1000000000;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct load_conn *conn = load_conn_at(load, i);
        conn->actor = live;
        conn->on_answer = on_answer;
        conn->on_timer = on_due;
        live->next_ns[i] = start_ns + (int64_t)((double)i * 1e9 / live->rate);
        live->running++;
        on_due(conn);
    }
    load_run(load, live->until_ns + 20 * 1000000000LL, is_quiet, live);
    load_free(load);
    return live->running == 0 ? ERR_OK : ERR_TIMEOUT;
}

/* --- the run --- */

static enum err seed(struct live *live)
{
    char venue[40];
    struct buf plan;
    buf_init(&plan, 32u << 20);
    live->arena = (struct seed_arena){.sections = 50, .rows = 25, .seats_per_row = 40};
    seed_arena_plan(&live->arena, &plan);
    enum err err = seed_venue(live->child.port, "Bench arena", buf_str(&plan), venue);
    buf_release(&plan);
    if (!err)
        err = seed_event(live->child.port, venue, "Bench night", "{\"Standard\":4500}", 3600,
                         live->event_id);
    (void)snprintf(live->path, sizeof(live->path), "/v1/events/%s/live", live->event_id);
    return err;
}

static enum err measure(struct live *live)
{
    enum err err = run_holds(live, NULL, WARM_SECONDS);
    if (!err)
        err = run_holds(live, &live->without, live->seconds);
    live->rss_before = process_rss_bytes(live->child.pid);
    live->board = process_share(sizeof(*live->board));
    if (!err)
        err = live->board ? live_crowd_gather(&live->crowd, live->board, live->listeners,
                                              live->child.port, live->path)
                          : ERR_NOMEM;
    if (err)
        return err;
    err = run_holds(live, NULL, WARM_SECONDS);
    live->rss_with = process_rss_bytes(live->child.pid);
    usleep(SETTLE_US); /* frames of what was not measured */
    atomic_store(&live->board->is_measuring, true);
    double cpu_before = cpu_seconds(live->child.pid);
    int64_t began_ns = clock_mono_ns();
    if (!err)
        err = run_holds(live, &live->with, live->seconds);
    live->cpu_with =
        (cpu_seconds(live->child.pid) - cpu_before) * 1e11 / (double)(clock_mono_ns() - began_ns);
    usleep(SETTLE_US);
    enum err crowd_err = live_crowd_disperse(&live->crowd, &live->heard);
    if (!err && !crowd_err) {
        struct live_floor floor = {.listeners = live->listeners,
                                   .tick_ms = LIVE_TICK_MS + (int64_t)live->listeners *
                                                                 LIVE_TICK_MS / LIVE_TICK_LISTENERS,
                                   .rate = live->rate,
                                   .seconds = live->seconds};
        err = live_floor(&floor, &live->floor);
    }
    return err ? err : crowd_err;
}

static void report_all(const struct live *live, struct report *report)
{
    static const char *const delays[] = {"delay_p50_ms", "delay_p95_ms", "delay_p99_ms",
                                         "delay_max_ms"};
    static const char *const without[] = {"without_hold_p50_ms", "without_hold_p95_ms",
                                          "without_hold_p99_ms", "without_hold_max_ms"};
    static const char *const with[] = {"with_hold_p50_ms", "with_hold_p95_ms", "with_hold_p99_ms",
                                       "with_hold_max_ms"};
    double p99 = hist_ms(&live->heard.delays, 0.99), floor = hist_ms(&live->floor.delays, 0.99);
    report_figure(report, "listeners", (double)live->listeners);
    report_figure(report, "holds_per_s", live->rate);
    report_latency(report, &live->heard.delays, delays);
    report_floor(report, "floor_delay_p50_ms", hist_ms(&live->floor.delays, 0.5));
    report_floor(report, "floor_delay_p95_ms", hist_ms(&live->floor.delays, 0.95));
    report_floor(report, "floor_delay_p99_ms", floor);
    report_figure(report, "frames_heard", (double)live->heard.frames);
    report_figure(report, "heard_before_the_answer", (double)live->heard.early);
    report_figure(report, "gaps", (double)live->heard.gaps);
    report_figure(report, "resyncs", (double)live->heard.resyncs);
    report_figure(report, "streams_that_ended", (double)live->heard.ended);
    report_latency(report, &live->without, without);
    report_latency(report, &live->with, with);
    report_figure(report, "bytes_per_listener",
                  (double)(live->rss_with - live->rss_before) / (double)live->listeners);
    report_figure(report, "server_cpu_percent", live->cpu_with);
    report_figure(report, "failed", (double)live->failed);
    report_aim(report, (struct report_aim){.what = "live map: ms until all have heard (p99)",
                                           .value = p99,
                                           .floor = floor,
                                           .at_most = AIM_P99_MS});
}

/* Every hold of the measured time was heard by every listener. */
static bool is_complete(const struct live *live)
{
    uint64_t holds = live->with.total;
    return live->heard.gaps == 0 && live->heard.resyncs == 0 && live->heard.ended == 0 &&
           live->heard.heard >= holds * 2 * live->listeners;
}

bool scenario_live(const struct scenario_options *options, struct report *report)
{
    static const char *const arguments[] = {"--abuse=off", "--log-level=warn",
                                            "--connections-max=60000", NULL};
    struct live *live = calloc(1, sizeof(*live));
    report->scenario = "live";
    if (!live || child_directory(&live->child))
        return false;
    live->listeners = options->connections ? (size_t)options->connections : LISTENERS;
    live->rate = options->rate ? options->rate : HOLDS_PER_S;
    live->seconds = options->seconds ? options->seconds : 10;
    bool has_seats = live->rate * (double)(2 * live->seconds + 2 * WARM_SECONDS + 1) * 2 < 50000;
    enum err err = has_seats ? ERR_OK : ERR_INVALID;
    if (!err)
        err = seed_buyers(&live->child, options->buyers ? (size_t)options->buyers : 5000,
                          &live->buyers);
    if (!err)
        err = child_start(&live->child, arguments);
    if (!err)
        err = seed(live);
    if (!err)
        err = measure(live);
    if (!err)
        report_all(live, report);
    bool is_stopped = child_stop(&live->child) == ERR_OK;
    report->ok = !err && is_stopped && live->failed == 0 && is_complete(live) &&
                 child_audit(&live->child) == 0;
    child_kill(&live->child);
    child_remove(&live->child);
    seed_buyers_release(&live->buyers);
    process_unshare(live->board, sizeof(*live->board));
    free(live);
    return !err;
}
