/*
 * idle: what 15,000 idle keep-alive connections do to everybody else. A steady open-loop mix of
 * availability reads and holds runs before, beside and after them, in one run; latency counts from
 * the intended send time. Then what each of them costs in memory of the server, and what all of
 * them cost in processor time when nobody else asks. Every idle connection must still answer in
 * the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "child.h"
#include "cpu.h"
#include "crowd.h"
#include "load.h"
#include "process.h"
#include "scenario.h"
#include "seed.h"

#define IDLE_CONNECTIONS 15000
#define MIX_CONNECTIONS  64
#define MIX_INTERVAL_MS  64 /* of each connection: 1,000 requests a second in all */
#define MIX_HOLD_EVERY   4  /* the others are reads */
#define SETTLE_MS        1000
#define PHASES           3

struct phase {
    struct hist reads, holds;
};

struct idle {
    struct child child;
    struct crowd crowd;
    struct seed_buyers buyers;
    struct seed_arena arena;
    char event_id[40];
    struct phase phases[PHASES];
    struct phase *phase; /* NULL: answers do not count */
    int64_t next_ms[MIX_CONNECTIONS];
    bool is_hold[MIX_CONNECTIONS];
    int64_t until_ns;
    unsigned next_pair, running;
    uint64_t sent, failed;
    int64_t rss_before, rss_with;
    double cpu_percent;
};

/* --- the mix --- */

static void send_hold(struct load_conn *conn, struct idle *idle, int64_t intended_ns)
{
    char first[24], second[24], headers[256], body[256];
    unsigned pair = idle->next_pair++;
    seed_seat_id(&idle->arena, pair * 2, first);
    seed_seat_id(&idle->arena, pair * 2 + 1, second);
    int headers_len = snprintf(headers, sizeof(headers),
                               "Authorization: Bearer %s\r\nIdempotency-Key: idle-%u\r\n",
                               idle->buyers.tokens[pair % idle->buyers.count], pair);
    int body_len =
        snprintf(body, sizeof(body), "{\"event_id\":\"%s\",\"seat_ids\":[\"%s\",\"%s\"]}",
                 idle->event_id, first, second);
    struct load_request request = {.method = "POST",
                                   .path = STR("/v1/bookings"),
                                   .headers = str_from(headers, (size_t)headers_len),
                                   .body = str_from(body, (size_t)body_len),
                                   .intended_ns = intended_ns};
    load_send(conn, &request);
}

static void send_read(struct load_conn *conn, struct idle *idle, int64_t intended_ns)
{
    char path[128];
    int len = snprintf(path, sizeof(path), "/v1/events/%s/availability", idle->event_id);
    struct load_request request = {.method = "GET",
                                   .path = str_from(path, (size_t)len),
                                   .headers = STR(""),
                                   .intended_ns = intended_ns};
    load_send(conn, &request);
}

/* Sends what is due, or sets the timer for it. Intended times are whole milliseconds, as the timers
 * are; a late answer delays the next request, and that one's latency counts from when it was due.
 */
static void on_due(struct load_conn *conn)
{
    struct idle *idle = conn->actor;
    int64_t now_ns = clock_mono_ns();
    int64_t intended_ms = idle->next_ms[conn->index];
    if (now_ns >= idle->until_ns) {
        idle->running--;
        return;
    }
    if (intended_ms > now_ns / 1000000) {
        load_timer(conn, intended_ms - now_ns / 1000000);
        return;
    }
    bool is_hold = idle->sent++ % MIX_HOLD_EVERY == 0;
    idle->is_hold[conn->index] = is_hold;
    idle->next_ms[conn->index] = intended_ms + MIX_INTERVAL_MS;
    if (is_hold)
        send_hold(conn, idle, intended_ms * 1000000);
    else
        send_read(conn, idle, intended_ms * 1000000);
}

static void on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct idle *idle = conn->actor;
    bool is_hold = idle->is_hold[conn->index];
    if (answer->status != (is_hold ? 201 : 200) && idle->failed++ < 3)
        fprintf(stderr, "idle: %d %.*s\n", answer->status, STR_ARG(answer->body));
    if (idle->phase)
        hist_add(is_hold ? &idle->phase->holds : &idle->phase->reads, answer->latency_ns);
    on_due(conn);
}

static bool is_quiet(void *ctx)
{
    const struct idle *idle = ctx;
    return idle->running == 0;
}

static enum err mix_run(struct idle *idle, struct phase *phase, int64_t ms)
{
    struct load *load;
    enum err err = load_new(MIX_CONNECTIONS, idle->child.port, &load);
    if (err)
        return err;
    int64_t start_ms = clock_mono_ns() / 1000000 + 10;
    idle->phase = phase;
    idle->until_ns = (start_ms + ms) * 1000000;
    for (size_t i = 0; i < MIX_CONNECTIONS; i++) {
        struct load_conn *conn = load_conn_at(load, i);
        conn->actor = idle;
        conn->on_answer = on_answer;
        conn->on_timer = on_due;
        idle->next_ms[i] = start_ms + (int64_t)i * MIX_INTERVAL_MS / MIX_CONNECTIONS;
        idle->running++;
        on_due(conn);
    }
    load_run(load, idle->until_ns + 20 * 1000000000LL, is_quiet, idle);
    load_free(load);
    return idle->running == 0 ? ERR_OK : ERR_TIMEOUT;
}

/* --- the run --- */

static enum err idle_seed(struct idle *idle, int64_t seconds)
{
    char venue[40];
    struct buf plan;
    buf_init(&plan, 32u << 20);
    idle->arena = (struct seed_arena){.sections = 50, .rows = 25, .seats_per_row = 40};
    if (seconds * 1000 * PHASES / MIX_HOLD_EVERY > 50 * 25 * 40 / 2 - 2000)
        return ERR_INVALID; /* more holds than seats */
    seed_arena_plan(&idle->arena, &plan);
    enum err err = seed_venue(idle->child.port, "Bench arena", buf_str(&plan), venue);
    buf_release(&plan);
    if (!err)
        err = seed_event(idle->child.port, venue, "Bench night", "{\"Standard\":4500}", 3600,
                         idle->event_id);
    return err;
}

static enum err idle_measure(struct idle *idle, size_t connections, int64_t seconds)
{
    /* Once unmeasured: what the server makes at first use counts for nobody. */
    enum err err = mix_run(idle, NULL, SETTLE_MS);
    if (!err)
        err = mix_run(idle, &idle->phases[0], seconds * 1000);
    idle->rss_before = process_rss_bytes(idle->child.pid);
    if (!err)
        err = crowd_gather(&idle->crowd, connections, idle->child.port);
    idle->rss_with = process_rss_bytes(idle->child.pid);
    if (err)
        return err;
    usleep(SETTLE_MS * 1000); /* what it still has to do is not for the idle ones */
    double cpu_began = cpu_seconds(idle->child.pid);
    int64_t began_ns = clock_mono_ns();
    usleep((useconds_t)(seconds * 1000000));
    idle->cpu_percent =
        (cpu_seconds(idle->child.pid) - cpu_began) * 1e11 / (double)(clock_mono_ns() - began_ns);
    err = mix_run(idle, &idle->phases[1], seconds * 1000);
    enum err crowd_err = crowd_disperse(&idle->crowd);
    if (!err)
        err = mix_run(idle, NULL, SETTLE_MS);
    if (!err)
        err = mix_run(idle, &idle->phases[2], seconds * 1000);
    return err ? err : crowd_err;
}

static void idle_report(const struct idle *idle, size_t connections, struct report *report)
{
    static const char *const names[PHASES][2][4] = {
        {{"before_read_p50_ms", "before_read_p95_ms", "before_read_p99_ms", "before_read_max_ms"},
         {"before_hold_p50_ms", "before_hold_p95_ms", "before_hold_p99_ms", "before_hold_max_ms"}},
        {{"with_read_p50_ms", "with_read_p95_ms", "with_read_p99_ms", "with_read_max_ms"},
         {"with_hold_p50_ms", "with_hold_p95_ms", "with_hold_p99_ms", "with_hold_max_ms"}},
        {{"after_read_p50_ms", "after_read_p95_ms", "after_read_p99_ms", "after_read_max_ms"},
         {"after_hold_p50_ms", "after_hold_p95_ms", "after_hold_p99_ms", "after_hold_max_ms"}},
    };
    report_figure(report, "idle_connections", (double)connections);
    report_figure(report, "mix_per_s", MIX_CONNECTIONS * 1000.0 / MIX_INTERVAL_MS);
    for (unsigned i = 0; i < PHASES; i++) {
        report_latency(report, &idle->phases[i].reads, names[i][0]);
        report_latency(report, &idle->phases[i].holds, names[i][1]);
    }
    report_figure(report, "server_memory_before_mib", (double)idle->rss_before / 1048576);
    report_figure(report, "server_memory_with_mib", (double)idle->rss_with / 1048576);
    report_figure(report, "bytes_per_idle_connection",
                  (double)(idle->rss_with - idle->rss_before) / (double)connections);
    report_figure(report, "cpu_percent_idle_only", idle->cpu_percent);
    report_figure(report, "failed", (double)idle->failed);
}

bool scenario_idle(const struct scenario_options *options, struct report *report)
{
    static const char *const arguments[] = {"--abuse=off", "--log-level=warn",
                                            "--connections-max=19000",
                                            "--request-timeout-ms=600000", NULL};
    size_t connections = options->connections ? (size_t)options->connections : IDLE_CONNECTIONS;
    int64_t seconds = options->seconds ? options->seconds : 8;
    struct idle *idle = calloc(1, sizeof(*idle));
    report->scenario = "idle";
    if (!idle || child_directory(&idle->child))
        return false;
    enum err err =
        seed_buyers(&idle->child, options->buyers ? (size_t)options->buyers : 5000, &idle->buyers);
    if (!err)
        err = child_start(&idle->child, arguments);
    if (!err)
        err = idle_seed(idle, seconds);
    if (!err)
        err = idle_measure(idle, connections, seconds);
    if (!err)
        idle_report(idle, connections, report);
    bool is_stopped = child_stop(&idle->child) == ERR_OK;
    report->ok = !err && is_stopped && idle->failed == 0 && child_audit(&idle->child) == 0;
    child_kill(&idle->child);
    child_remove(&idle->child);
    seed_buyers_release(&idle->buyers);
    free(idle);
    return !err;
}
