/*
 * refused: holds on seats that somebody has, what most people of an on-sale get. Every request has
 * a new key, so every one is a refusal of its own. The floor is bare h2o that answers the same
 * requests with a fixed 409 of the same size. Afterwards nothing may have been granted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "flood.h"
#include "scenario.h"
#include "stage.h"

#define TAKEN_PAIRS     2000
#define REFUSED_CONNS   64
#define REFUSED_DEPTH   16
#define REFUSED_SECONDS 4
#define REFUSED_PER_S   100000

struct refused {
    struct stage stage;
    struct pairs pairs;
    struct flood flood;
    uint64_t asked;
};

static void make_refused(void *ctx, struct load_request *request)
{
    struct refused *refused = ctx;
    unsigned pair = refused->pairs.order[refused->asked++ % TAKEN_PAIRS];
    pairs_request(&refused->pairs, 0, pair, request);
}

static enum err refused_run(struct refused *refused, const struct scenario_options *options,
                            struct report *report)
{
    static const char *const names[4] = {"p50_ms", "p95_ms", "p99_ms", "max_ms"};
    struct flood *flood = &refused->flood;
    struct flood_pair pair = {.flood = flood};
    flood->port = refused->stage.child.port;
    flood->server = refused->stage.child.pid;
    flood->connections = options->connections ? (size_t)options->connections : REFUSED_CONNS;
    flood->depth = REFUSED_DEPTH;
    flood->seconds = options->seconds ? options->seconds : REFUSED_SECONDS;
    flood->status = 409;
    flood->make = make_refused;
    flood->ctx = refused;
    enum err err = flood_pair_run(&pair);
    if (err)
        return err;
    report_figure(report, "refused_per_s", pair.rate);
    report_latency(report, &flood->hist, names);
    report_figure(report, "server_cpu_us_each", flood->cpu_us);
    report_floor(report, "bare_h2o_cpu_us_each", pair.floor_cpu_us);
    report_figure(report, "bytes_of_answer", (double)(flood->head_len + flood->body_len));
    report_figure(report, "wrong", (double)flood->wrong);
    report_floor(report, "bare_h2o_per_s", pair.floor_rate);
    report_floor(report, "bare_h2o_p99_ms", pair.floor_p99_ms);
    report_aim(report, (struct report_aim){.what = "refused holds a second",
                                           .value = pair.rate,
                                           .floor = pair.floor_rate,
                                           .at_least = REFUSED_PER_S});
    report->ok = flood->wrong == 0 && flood->answers > 0;
    return ERR_OK;
}

bool scenario_refused(const struct scenario_options *options, struct report *report)
{
    struct refused *refused = calloc(1, sizeof(*refused));
    report->scenario = "refused";
    if (!refused || stage_dir(&refused->stage))
        return false;
    refused->stage.event_count = 1;
    enum err err = stage_open(&refused->stage);
    if (!err)
        err = pairs_init(&refused->pairs, &refused->stage);
    if (!err)
        err = pairs_take(&refused->pairs, TAKEN_PAIRS);
    if (!err)
        err = refused_run(refused, options, report);
    if (err)
        stage_drop(&refused->stage);
    else
        report->ok = stage_close(&refused->stage, report) && report->ok;
    pairs_release(&refused->pairs);
    free(refused);
    return !err;
}
