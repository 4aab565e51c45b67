/*
 * holds: durable two-seat holds over HTTP, one hot event after the other, beside the bare writer
 * doing the same rows in the same run.
 *
 * First as fast as they are answered (closed loop): how many the machine does. Then at a stated
 * rate (open loop, --rate, 25,000 a second): how long people wait. If they wait too long at that
 * rate, lower ones are tried until one is carried. Afterwards the audit must be clean and every
 * answer 201.
 *
 * --only defence: the same with the defence against bots on, for people who are all different.
 */
#include <stdio.h>
#include <stdlib.h>

#include "arrivals.h"
#include "base/clock.h"
#include "cpu.h"
#include "floor.h"
#include "scenario.h"
#include "stage.h"
#include "store.h"
#include "store/writer.h"

#define HOLDS_EVENTS      32
#define HOLDS_CONNECTIONS 256
#define HOLDS_SECONDS     8
#define HOLDS_RATE        25000
#define HOLDS_RATE_PGSQL  4000
#define OPEN_SECONDS      4
#define OPEN_CONNECTIONS  512
#define FLOOR_MS          1500
#define P99_MAX_MS        50.0
/* More than an event has pairs: each has one open hold of it. */
#define DEFENCE_BUYERS 30000

struct holds {
    struct stage stage;
    struct pairs pairs;
    struct closed_holds closed;
    struct hold_tally open_tally;
    double floor_small, floor_full; /* sums of two runs */
    double carried_rate, carried_p99_ms;
    double cpu_us; /* of the server for one hold */
};

static enum err run_closed(struct holds *holds, const struct scenario_options *options)
{
    size_t connections = options->connections ? (size_t)options->connections : HOLDS_CONNECTIONS;
    int64_t seconds = options->seconds ? options->seconds : HOLDS_SECONDS;
    struct load *load;
    enum err err = load_new(connections, holds->stage.child.port, &load);
    if (err)
        return err;
    double cpu_s = cpu_seconds(holds->stage.child.pid);
    holds->closed.pairs = &holds->pairs;
    holds->closed.measure_ns = clock_mono_ns() + 1000000000;
    holds->closed.until_ns = holds->closed.measure_ns + seconds * 1000000000;
    closed_holds_start(&holds->closed, load, 0, connections);
    load_run(load, holds->closed.until_ns + 30 * 1000000000LL, closed_holds_are_over,
             &holds->closed);
    load_free(load);
    uint64_t granted = holds->closed.tally.granted ? holds->closed.tally.granted : 1;
    holds->cpu_us = (cpu_seconds(holds->stage.child.pid) - cpu_s) * 1e6 / (double)granted;
    return holds->closed.running == 0 ? ERR_OK : ERR_TIMEOUT;
}

static bool make_hold(void *ctx, struct load_request *request)
{
    struct holds *holds = ctx;
    return pairs_next(&holds->pairs, request);
}

static void on_hold(void *ctx, const struct load_answer *answer)
{
    struct holds *holds = ctx;
    hold_tally_add(&holds->open_tally, answer);
}

/* At one rate; the arrivals keep what was found. */
static enum err run_open(struct holds *holds, double rate, struct arrivals *ret_arrivals)
{
    struct load *load;
    enum err err = load_new(OPEN_CONNECTIONS, holds->stage.child.port, &load);
    if (err)
        return err;
    int64_t now_ns = clock_mono_ns();
    *ret_arrivals = (struct arrivals){.rate = rate,
                                      .count = OPEN_CONNECTIONS,
                                      .start_ns = now_ns,
                                      .measure_ns = now_ns + 1000000000,
                                      .end_ns = now_ns + (OPEN_SECONDS + 1) * 1000000000LL,
                                      .make = make_hold,
                                      .on_answer = on_hold,
                                      .ctx = holds};
    err = arrivals_start(ret_arrivals, load);
    if (!err)
        load_run(load, ret_arrivals->end_ns + 10 * 1000000000LL, arrivals_are_over, ret_arrivals);
    arrivals_finish(ret_arrivals);
    load_free(load);
    return err;
}

static enum err run_stated(struct holds *holds, double rate, struct report *report)
{
    static const char *const names[4] = {"open_p50_ms", "open_p95_ms", "open_p99_ms",
                                         "open_max_ms"};
    struct arrivals *arrivals = calloc(1, sizeof(*arrivals));
    enum err err = arrivals ? run_open(holds, rate, arrivals) : ERR_NOMEM;
    if (!err) {
        report_figure(report, "open_rate", rate);
        report_figure(report, "open_answered_per_s", arrivals_rate(arrivals));
        report_latency(report, &arrivals->hist, names);
        report_figure(report, "open_late", (double)arrivals->late);
        report_figure(report, "open_unsent", (double)arrivals->unsent);
        holds->carried_rate = rate;
        holds->carried_p99_ms = hist_ms(&arrivals->hist, 0.99);
    }
    free(arrivals);
    return err;
}

/* Lower and lower, until the p99 is what was promised. */
static enum err run_until_carried(struct holds *holds)
{
    static const double shares[] = {0.85, 0.7, 0.55, 0.4};
    struct arrivals *arrivals = calloc(1, sizeof(*arrivals));
    double closed_rate = closed_holds_rate(&holds->closed);
    enum err err = arrivals ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; !err && holds->carried_p99_ms > P99_MAX_MS && i < 4; i++) {
        double rate = closed_rate * shares[i];
        if (rate >= holds->carried_rate)
            continue;
        err = run_open(holds, rate, arrivals);
        holds->carried_rate = rate;
        holds->carried_p99_ms = hist_ms(&arrivals->hist, 0.99);
    }
    free(arrivals);
    return err;
}

/* Before and after the run, for the machine does not stay the same: the report has the mean. */
static enum err floors_run(struct holds *holds)
{
    double floor_small = 0, floor_full = 0;
    unsigned full = bench_is_pgsql() ? WRITER_GROUP_MAX_PGSQL : WRITER_GROUP_MAX;
    enum err err = floor_holds(&holds->stage.child, full / 4, FLOOR_MS, &floor_small);
    if (!err)
        err = floor_holds(&holds->stage.child, full, FLOOR_MS, &floor_full);
    holds->floor_small += floor_small;
    holds->floor_full += floor_full;
    return err;
}

static void holds_report(struct holds *holds, double stated_rate, struct report *report)
{
    static const char *const names[4] = {"p50_ms", "p95_ms", "p99_ms", "max_ms"};
    double rate = closed_holds_rate(&holds->closed);
    double floor_small = holds->floor_small / 2, floor_full = holds->floor_full / 2;
    uint64_t refused = holds->closed.tally.refused + holds->open_tally.refused;
    uint64_t failed = holds->closed.tally.failed + holds->open_tally.failed;
    report_figure(report, "holds_per_s", rate);
    report_latency(report, &holds->closed.hist, names);
    report_figure(report, "server_cpu_us_each", holds->cpu_us);
    report_figure(report, "carried_rate", holds->carried_rate);
    report_figure(report, "carried_p99_ms", holds->carried_p99_ms);
    report_figure(report, "granted",
                  (double)(holds->closed.tally.granted + holds->open_tally.granted));
    report_figure(report, "refused", (double)refused);
    report_figure(report, "failed", (double)failed);
    report_floor(report, "writer_quarter_groups_per_s", floor_small);
    report_floor(report, "writer_full_groups_per_s", floor_full);
    report_aim(report, (struct report_aim){.what = "holds a second, of the bare writer's",
                                           .value = rate,
                                           .floor = floor_full,
                                           .is_ratio = true,
                                           .at_least = bench_is_pgsql() ? 0.7 : 0.5});
    report_aim(report, (struct report_aim){.what = "holds a second",
                                           .value = rate,
                                           .floor = floor_full,
                                           .at_least = bench_is_pgsql() ? 0 : HOLDS_RATE});
    report_aim(report, (struct report_aim){
                           .what = "arrivals a second carried with p99 < 50 ms",
                           .value = holds->carried_p99_ms <= P99_MAX_MS ? holds->carried_rate : 0,
                           .floor = floor_full,
                           .at_least = stated_rate});
    report->ok = failed == 0 && refused == 0 && holds->closed.tally.granted > 0;
}

bool scenario_holds(const struct scenario_options *options, struct report *report)
{
    struct holds *holds = calloc(1, sizeof(*holds));
    double stated_rate = options->rate      ? options->rate
                         : bench_is_pgsql() ? HOLDS_RATE_PGSQL
                                            : HOLDS_RATE;
    report->scenario = "holds";
    if (!holds || stage_dir(&holds->stage))
        return false;
    holds->stage.event_count = HOLDS_EVENTS;
    holds->stage.buyer_count = (size_t)options->buyers;
    holds->stage.has_defence = options->only && strcmp(options->only, "defence") == 0;
    if (holds->stage.has_defence && holds->stage.buyer_count == 0)
        holds->stage.buyer_count = DEFENCE_BUYERS;
    enum err err = floors_run(holds);
    if (!err)
        err = stage_open(&holds->stage);
    if (!err)
        err = pairs_init(&holds->pairs, &holds->stage);
    if (!err)
        err = run_closed(holds, options);
    if (!err)
        err = run_stated(holds, stated_rate, report);
    if (!err)
        err = run_until_carried(holds);
    if (!err)
        err = floors_run(holds);
    if (!err)
        holds_report(holds, stated_rate, report);
    if (err)
        stage_drop(&holds->stage);
    else
        report->ok = stage_close(&holds->stage, report) && report->ok;
    pairs_release(&holds->pairs);
    free(holds);
    return !err;
}
