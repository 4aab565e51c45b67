/*
 * holds: durable two-seat holds per second over HTTP, closed loop, one hot event after the other,
 * beside the bare writer doing the same rows in the same run. The load generator runs on the same
 * machine. Afterwards the audit must be clean and every answer 201.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"
#include "child.h"
#include "floor.h"
#include "load.h"
#include "scenario.h"
#include "seed.h"

#define EVENTS_MAX 24

struct holds {
    struct child child;
    struct seed_buyers buyers;
    struct seed_arena arena;
    unsigned pair_count; /* seat pairs of one event */
    unsigned *pairs;     /* shuffled */
    char events[EVENTS_MAX][40];
    unsigned event_count;
    unsigned next; /* pair, counted over all events */
    int64_t until_ns, warm_ns;
    uint64_t granted, refused, failed, measured;
    unsigned running;
    struct hist hist;
    double floor_64, floor_256; /* sums of two runs */
};

static void send_next(struct load_conn *conn)
{
    struct holds *holds = conn->actor;
    if (clock_mono_ns() >= holds->until_ns ||
        holds->next >= holds->pair_count * holds->event_count) {
        holds->running--;
        return;
    }
    unsigned number = holds->next++;
    unsigned pair = holds->pairs[number % holds->pair_count];
    char first[24], second[24], headers[256], body[256];
    seed_seat_id(&holds->arena, pair * 2, first);
    seed_seat_id(&holds->arena, pair * 2 + 1, second);
    int headers_len = snprintf(headers, sizeof(headers),
                               "Authorization: Bearer %s\r\nIdempotency-Key: hold-%u\r\n",
                               holds->buyers.tokens[number % holds->buyers.count], number);
    int body_len =
        snprintf(body, sizeof(body), "{\"event_id\":\"%s\",\"seat_ids\":[\"%s\",\"%s\"]}",
                 holds->events[number / holds->pair_count], first, second);
    struct load_request request = {.method = "POST",
                                   .path = STR("/v1/bookings"),
                                   .headers = str_from(headers, (size_t)headers_len),
                                   .body = str_from(body, (size_t)body_len)};
    load_send(conn, &request);
}

static void on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct holds *holds = conn->actor;
    if (answer->status == 201)
        holds->granted++;
    else if (answer->status == 409)
        holds->refused++;
    else if (holds->failed++ < 3)
        fprintf(stderr, "hold: %d %.*s\n", answer->status, STR_ARG(answer->body));
    if (clock_mono_ns() >= holds->warm_ns) {
        holds->measured++;
        hist_add(&holds->hist, answer->latency_ns);
    }
    send_next(conn);
}

static bool all_done(void *ctx)
{
    const struct holds *holds = ctx;
    return holds->running == 0;
}

static void shuffle_pairs(struct holds *holds)
{
    for (unsigned i = 0; i < holds->pair_count; i++)
        holds->pairs[i] = i;
    for (unsigned i = holds->pair_count - 1; i > 0; i--) {
        unsigned other = (unsigned)rand_below(i + 1), kept = holds->pairs[i];
        holds->pairs[i] = holds->pairs[other];
        holds->pairs[other] = kept;
    }
}

static enum err holds_seed(struct holds *holds)
{
    char venue[40];
    struct buf plan;
    buf_init(&plan, 32u << 20);
    holds->arena = (struct seed_arena){.sections = 50, .rows = 25, .seats_per_row = 40};
    holds->pair_count = 50 * 25 * 40 / 2;
    holds->pairs = calloc(holds->pair_count, sizeof(*holds->pairs));
    if (!holds->pairs)
        return ERR_NOMEM;
    shuffle_pairs(holds);
    seed_arena_plan(&holds->arena, &plan);
    enum err err = seed_venue(holds->child.port, "Bench arena", buf_str(&plan), venue);
    buf_release(&plan);
    for (unsigned i = 0; !err && i < EVENTS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), "Bench night %u", i + 1);
        err = seed_event(holds->child.port, venue, name, "{\"Standard\":4500}", 600,
                         holds->events[i]);
        holds->event_count = i + 1;
    }
    return err;
}

static enum err holds_run(struct holds *holds, const struct scenario_options *options)
{
    size_t connections = options->connections ? (size_t)options->connections : 256;
    int64_t seconds = options->seconds ? options->seconds : 10;
    struct load *load;
    enum err err = load_new(connections, holds->child.port, &load);
    if (err)
        return err;
    holds->warm_ns = clock_mono_ns() + 1000000000;
    holds->until_ns = holds->warm_ns + seconds * 1000000000;
    for (size_t i = 0; i < connections; i++) {
        struct load_conn *conn = load_conn_at(load, i);
        conn->actor = holds;
        conn->on_answer = on_answer;
        holds->running++;
        send_next(conn);
    }
    load_run(load, holds->until_ns + 10 * 1000000000LL, all_done, holds);
    load_free(load);
    return ERR_OK;
}

/* Before and after the run, for the machine does not stay the same: the report has the mean. */
static enum err floors_run(struct holds *holds)
{
    double floor_64 = 0, floor_256 = 0;
    enum err err = floor_holds(holds->child.data, 64, 2000, &floor_64);
    if (!err)
        err = floor_holds(holds->child.data, 256, 2000, &floor_256);
    holds->floor_64 += floor_64;
    holds->floor_256 += floor_256;
    return err;
}

static void holds_report(struct holds *holds, struct report *report, int64_t elapsed_ns)
{
    static const char *const names[4] = {"p50_ms", "p95_ms", "p99_ms", "max_ms"};
    double rate = (double)holds->measured / ((double)elapsed_ns / 1e9);
    enum err err = floors_run(holds);
    double floor_64 = holds->floor_64 / 2, floor_256 = holds->floor_256 / 2;
    report_figure(report, "holds_per_s", rate);
    report_latency(report, &holds->hist, names);
    report_figure(report, "granted", (double)holds->granted);
    report_figure(report, "refused", (double)holds->refused);
    report_figure(report, "failed", (double)holds->failed);
    report_floor(report, "writer_64_per_s", floor_64);
    report_floor(report, "writer_256_per_s", floor_256);
    report_figure(report, "ratio_to_writer_256", floor_256 > 0 ? rate / floor_256 : 0);
    report->ok = !err && holds->failed == 0 && holds->refused == 0 && holds->granted > 0;
}

bool scenario_holds(const struct scenario_options *options, struct report *report)
{
    static const char *const arguments[] = {"--abuse=off", "--log-level=warn", NULL};
    struct holds *holds = calloc(1, sizeof(*holds));
    report->scenario = "holds";
    if (!holds || child_directory(&holds->child))
        return false;
    printf("holds: seeding buyers, one venue of 50,000 seats, %d events\n", EVENTS_MAX);
    enum err err = floors_run(holds);
    if (!err)
        err = seed_buyers(&holds->child, options->buyers ? (size_t)options->buyers : 5000,
                          &holds->buyers);
    if (!err)
        err = child_start(&holds->child, arguments);
    if (!err)
        err = holds_seed(holds);
    if (!err)
        err = holds_run(holds, options);
    int64_t elapsed_ns =
        (clock_mono_ns() < holds->until_ns ? clock_mono_ns() : holds->until_ns) - holds->warm_ns;
    report_figure(report, "server_memory_mib", (double)child_memory_mib(&holds->child));
    bool is_stopped = child_stop(&holds->child) == ERR_OK;
    if (!err) {
        holds_report(holds, report, elapsed_ns);
        report->ok = report->ok && is_stopped && child_audit(&holds->child) == 0;
    }
    child_kill(&holds->child);
    child_remove(&holds->child);
    seed_buyers_release(&holds->buyers);
    free(holds->pairs);
    free(holds);
    return !err;
}
