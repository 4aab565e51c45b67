/*
 * browse: event pages, search and availability at a steady rate (open loop, Poisson, --rate), first
 * alone, then while holds run as fast as they are answered. The floor is the same browsing alone:
 * the difference is what an on-sale does to those who only look.
 */
#include <stdio.h>
#include <stdlib.h>

#include "arrivals.h"
#include "base/clock.h"
#include "scenario.h"
#include "stage.h"

#define BROWSE_RATE        1000
#define BROWSE_SECONDS     6
#define ALONE_SECONDS      3
#define BROWSE_EVENTS      24
#define BROWSE_CONNECTIONS 64
#define HOLD_CONNECTIONS   128
#define MIX                10 /* of 10 requests: 4 event pages, 3 searches, 3 availability */

struct browse {
    struct stage stage;
    struct pairs pairs;
    struct closed_holds holds;
    struct arrivals alone, beside;
    uint64_t asked, ok, failed;
    double rate;
    char path[128];
};

static bool make_look(void *ctx, struct load_request *request)
{
    struct browse *browse = ctx;
    unsigned number = (unsigned)(browse->asked / MIX), kind = (unsigned)(browse->asked % MIX);
    const char *event = browse->stage.events[number % BROWSE_EVENTS];
    browse->asked++;
    if (kind < 4)
        snprintf(browse->path, sizeof(browse->path), "/v1/events/%s", event);
    else if (kind < 7)
        snprintf(browse->path, sizeof(browse->path), "/v1/events?q=night%%20%u&limit=%u",
                 number % BROWSE_EVENTS + 1, 10 + kind);
    else
        snprintf(browse->path, sizeof(browse->path), "/v1/events/%s/availability", event);
    *request = (struct load_request){.method = "GET", .path = str_from_c(browse->path)};
    return true;
}

static void on_look(void *ctx, const struct load_answer *answer)
{
    struct browse *browse = ctx;
    if (answer->status == 200)
        browse->ok++;
    else if (browse->failed++ < 3)
        fprintf(stderr, "browse: %d %.*s\n", answer->status, STR_ARG(answer->body));
}

static enum err look(struct browse *browse, struct load *load, struct arrivals *arrivals,
                     int64_t seconds)
{
    int64_t now_ns = clock_mono_ns();
    arrivals->rate = browse->rate;
    arrivals->count = BROWSE_CONNECTIONS;
    arrivals->start_ns = now_ns;
    arrivals->measure_ns = now_ns + 500000000;
    arrivals->end_ns = arrivals->measure_ns + seconds * 1000000000;
    arrivals->make = make_look;
    arrivals->on_answer = on_look;
    arrivals->ctx = browse;
    enum err err = arrivals_start(arrivals, load);
    if (!err)
        load_run(load, arrivals->end_ns + 20 * 1000000000LL, arrivals_are_over, arrivals);
    arrivals_finish(arrivals);
    return err;
}

static enum err browse_run(struct browse *browse, const struct scenario_options *options)
{
    struct load *load;
    int64_t seconds = options->seconds ? options->seconds : BROWSE_SECONDS;
    enum err err = load_new(BROWSE_CONNECTIONS + HOLD_CONNECTIONS, browse->stage.child.port, &load);
    if (err)
        return err;
    err = look(browse, load, &browse->alone, ALONE_SECONDS);
    if (!err) {
        struct closed_holds *holds = &browse->holds;
        holds->pairs = &browse->pairs;
        holds->measure_ns = clock_mono_ns() + 500000000;
        holds->until_ns = holds->measure_ns + seconds * 1000000000;
        closed_holds_start(holds, load, BROWSE_CONNECTIONS, HOLD_CONNECTIONS);
        err = look(browse, load, &browse->beside, seconds);
        load_run(load, clock_mono_ns() + 20 * 1000000000LL, closed_holds_are_over, holds);
    }
    load_free(load);
    return err;
}

static void browse_report(struct browse *browse, struct report *report)
{
    static const char *const names[4] = {"p50_ms", "p95_ms", "p99_ms", "max_ms"};
    static const char *const hold_names[4] = {"hold_p50_ms", "hold_p95_ms", "hold_p99_ms",
                                              "hold_max_ms"};
    const struct arrivals *alone = &browse->alone, *beside = &browse->beside;
    const struct hold_tally *tally = &browse->holds.tally;
    report_figure(report, "rate", browse->rate);
    report_figure(report, "answered_per_s", arrivals_rate(beside));
    report_latency(report, &beside->hist, names);
    report_figure(report, "late", (double)beside->late);
    report_figure(report, "unsent", (double)beside->unsent);
    report_figure(report, "holds_per_s", closed_holds_rate(&browse->holds));
    report_latency(report, &browse->holds.hist, hold_names);
    report_figure(report, "failed", (double)(browse->failed + tally->failed));
    report_floor(report, "alone_p50_ms", hist_ms(&alone->hist, 0.5));
    report_floor(report, "alone_p95_ms", hist_ms(&alone->hist, 0.95));
    report_floor(report, "alone_p99_ms", hist_ms(&alone->hist, 0.99));
    report_aim(report, (struct report_aim){.what = "p95 of browsing while holds run, ms",
                                           .value = hist_ms(&beside->hist, 0.95),
                                           .floor = hist_ms(&alone->hist, 0.95)});
    report->ok = browse->failed == 0 && browse->ok > 0 && tally->failed == 0 &&
                 tally->refused == 0 && tally->granted > 0;
}

bool scenario_browse(const struct scenario_options *options, struct report *report)
{
    struct browse *browse = calloc(1, sizeof(*browse));
    report->scenario = "browse";
    if (!browse || stage_dir(&browse->stage))
        return false;
    browse->stage.event_count = BROWSE_EVENTS;
    browse->rate = options->rate ? options->rate : BROWSE_RATE;
    enum err err = stage_open(&browse->stage);
    if (!err)
        err = pairs_init(&browse->pairs, &browse->stage);
    if (!err)
        err = browse_run(browse, options);
    if (!err)
        browse_report(browse, report);
    if (err)
        stage_drop(&browse->stage);
    else
        report->ok = stage_close(&browse->stage, report) && report->ok;
    pairs_release(&browse->pairs);
    free(browse);
    return !err;
}
