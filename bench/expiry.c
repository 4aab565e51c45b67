/*
 * expiry: 50,000 holds of two seats end at the same moment (the test clock jumps past all of them)
 * while new holds of another event arrive at a steady rate (open loop, --rate). The new ones must
 * not notice, and all seats must come back. Floors: the new holds before the jump, and a bare
 * writer that ends as many.
 */
#include <stdio.h>
#include <stdlib.h>

#include "arrivals.h"
#include "base/clock.h"
#include "floor.h"
#include "scenario.h"
#include "stage.h"

#define EXPIRING_HOLDS  50000
#define EXPIRING_EVENTS 2 /* of 25,000 pairs each */
#define EVENTS          4
#define EXPIRY_RATE     1000
#define ARRIVAL_CONNS   128
#define BEFORE_NS       3000000000LL
#define AFTER_NS        1000000000LL
#define FREEING_SECONDS 30
#define POLL_MS         10
#define NEW_HOLD_TTL_S  3600 /* must outlive the jump */
#define MAX_MS          100.0
#define CONTROL         ARRIVAL_CONNS /* index of the connection that moves the clock and looks */

enum control_step {
    CONTROL_WAIT,
    CONTROL_JUMP,
    CONTROL_LOOK,
    CONTROL_DONE
};

struct expiry {
    struct stage stage;
    struct pairs expiring, fresh;
    struct arrivals before, during;
    struct hold_tally tally;
    enum control_step step;
    unsigned looked_at; /* event */
    int64_t jumped_ns, free_ns;
    bool has_failed;
    double rate, floor_ms;
    char path[128];
};

static void control_send(struct load_conn *conn)
{
    struct expiry *expiry = conn->actor;
    static const struct str headers = STR("Authorization: Bearer " BENCH_ADMIN_KEY "\r\n");
    struct load_request request = {.method = "GET", .headers = headers};
    if (expiry->step == CONTROL_JUMP) {
        request.method = "POST";
        request.path = STR("/v1/test/clock");
        request.body = STR("{\"advance_ms\":700000}");
        expiry->jumped_ns = clock_mono_ns();
        expiry->during.measure_ns = expiry->jumped_ns;
    } else {
        snprintf(expiry->path, sizeof(expiry->path), "/v1/events/%s",
                 expiry->stage.events[expiry->looked_at]);
        request.path = str_from_c(expiry->path);
    }
    load_send(conn, &request);
}

/* The event page says how many places are free in all. */
static bool all_are_free(struct str body)
{
    static const char name[] = "\"available\":";
    const char *at = memmem(body.data, body.len, name, sizeof(name) - 1);
    return at && strtoul(at + sizeof(name) - 1, NULL, 10) == STAGE_SEATS;
}

static void on_control(struct load_conn *conn, const struct load_answer *answer)
{
    struct expiry *expiry = conn->actor;
    if (answer->status != 200) {
        fprintf(stderr, "expiry: %d %.*s\n", answer->status, STR_ARG(answer->body));
        expiry->has_failed = true;
        return;
    }
    if (expiry->step == CONTROL_LOOK && all_are_free(answer->body))
        expiry->looked_at++;
    expiry->step = expiry->looked_at < EXPIRING_EVENTS ? CONTROL_LOOK : CONTROL_DONE;
    if (expiry->step == CONTROL_DONE) {
        expiry->free_ns = clock_mono_ns();
        expiry->during.end_ns = expiry->free_ns + AFTER_NS;
        return;
    }
    load_timer(conn, POLL_MS);
}

static bool make_hold(void *ctx, struct load_request *request)
{
    struct expiry *expiry = ctx;
    return pairs_next(&expiry->fresh, request);
}

static void on_hold(void *ctx, const struct load_answer *answer)
{
    struct expiry *expiry = ctx;
    hold_tally_add(&expiry->tally, answer);
}

static bool is_over(void *ctx)
{
    struct expiry *expiry = ctx;
    return expiry->has_failed ||
           (expiry->step == CONTROL_DONE && arrivals_are_over(&expiry->during));
}

static enum err arrive(struct expiry *expiry, struct load *load, struct arrivals *arrivals,
                       int64_t duration_ns)
{
    int64_t now_ns = clock_mono_ns();
    arrivals->rate = expiry->rate;
    arrivals->count = ARRIVAL_CONNS;
    arrivals->start_ns = now_ns;
    arrivals->end_ns = now_ns + duration_ns;
    arrivals->make = make_hold;
    arrivals->on_answer = on_hold;
    arrivals->ctx = expiry;
    return arrivals_start(arrivals, load);
}

static enum err expiry_run(struct expiry *expiry)
{
    struct load *load;
    enum err err = load_new(ARRIVAL_CONNS + 1, expiry->stage.child.port, &load);
    if (err)
        return err;
    err = arrive(expiry, load, &expiry->before, BEFORE_NS);
    if (!err)
        load_run(load, clock_mono_ns() + BEFORE_NS + 20 * 1000000000LL, arrivals_are_over,
                 &expiry->before);
    arrivals_finish(&expiry->before);
    if (!err)
        err = arrive(expiry, load, &expiry->during, FREEING_SECONDS * 1000000000LL);
    if (!err) {
        struct load_conn *control = load_conn_at(load, CONTROL);
        expiry->during.measure_ns = INT64_MAX;
        expiry->step = CONTROL_JUMP;
        control->actor = expiry;
        control->on_answer = on_control;
        control->on_timer = control_send;
        load_timer(control, 500);
        load_run(load, clock_mono_ns() + (FREEING_SECONDS + 10) * 1000000000LL, is_over, expiry);
    }
    arrivals_finish(&expiry->during);
    load_free(load);
    return err;
}

static enum err expiry_prepare(struct expiry *expiry)
{
    struct stage *stage = &expiry->stage;
    double before_ms;
    enum err err = floor_expiry(&stage->child, EXPIRING_HOLDS, &before_ms);
    expiry->floor_ms = before_ms;
    if (!err)
        err = stage_open(stage);
    for (unsigned i = EXPIRING_EVENTS; !err && i < EVENTS; i++)
        err = seed_event(stage->child.port, stage->venue, "Later night", "{\"Standard\":4500}",
                         NEW_HOLD_TTL_S, stage->events[i]);
    if (!err)
        err = pairs_init(&expiry->expiring, stage);
    if (!err)
        err = pairs_init(&expiry->fresh, stage);
    expiry->fresh.first_event = EXPIRING_EVENTS;
    expiry->fresh.event_end = EVENTS;
    expiry->fresh.key_name = "fresh";
    return err ? err : pairs_take(&expiry->expiring, EXPIRING_HOLDS);
}

static void expiry_report(struct expiry *expiry, struct report *report)
{
    static const char *const names[4] = {"p50_ms", "p95_ms", "p99_ms", "max_ms"};
    const struct arrivals *before = &expiry->before, *during = &expiry->during;
    double free_ms = (double)(expiry->free_ns - expiry->jumped_ns) / 1e6;
    bool is_free = expiry->step == CONTROL_DONE && !expiry->has_failed;
    report_figure(report, "rate", expiry->rate);
    report_figure(report, "all_free_after_ms", is_free ? free_ms : -1);
    report_latency(report, &during->hist, names);
    report_figure(report, "late", (double)during->late);
    report_figure(report, "unsent", (double)during->unsent);
    report_figure(report, "granted", (double)expiry->tally.granted);
    report_figure(report, "refused", (double)expiry->tally.refused);
    report_figure(report, "failed", (double)expiry->tally.failed);
    report_floor(report, "before_p50_ms", hist_ms(&before->hist, 0.5));
    report_floor(report, "before_p99_ms", hist_ms(&before->hist, 0.99));
    report_floor(report, "before_max_ms", (double)before->hist.max_ns / 1e6);
    report_floor(report, "writer_ends_all_ms", expiry->floor_ms);
    report_aim(report, (struct report_aim){.what = "slowest other hold while 50,000 end, ms",
                                           .value = (double)during->hist.max_ns / 1e6,
                                           .floor = (double)before->hist.max_ns / 1e6,
                                           .at_most = MAX_MS});
    report_aim(report, (struct report_aim){.what = "all seats of 50,000 holds free again after, ms",
                                           .value = free_ms,
                                           .floor = expiry->floor_ms});
    report->ok = is_free && during->hist.total > 0 && during->unsent == 0 &&
                 expiry->tally.refused == 0 && expiry->tally.failed == 0;
}

bool scenario_expiry(const struct scenario_options *options, struct report *report)
{
    static const char *const arguments[] = {"--test-clock", NULL};
    struct expiry *expiry = calloc(1, sizeof(*expiry));
    report->scenario = "expiry";
    if (!expiry || stage_dir(&expiry->stage))
        return false;
    expiry->stage.event_count = EXPIRING_EVENTS;
    expiry->stage.arguments = arguments;
    expiry->rate = options->rate ? options->rate : EXPIRY_RATE;
    enum err err = expiry_prepare(expiry);
    if (!err)
        err = expiry_run(expiry);
    if (!err)
        expiry_report(expiry, report);
    if (err)
        stage_drop(&expiry->stage);
    else
        report->ok = stage_close(&expiry->stage, report) && report->ok;
    pairs_release(&expiry->expiring);
    pairs_release(&expiry->fresh);
    free(expiry);
    return !err;
}
