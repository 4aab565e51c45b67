/*
 * availability: how many places are left by section, and the state of every seat (two bits each) of
 * an arena of 50,000, some of them taken. The floor is bare h2o with an answer of the same size.
 */
#include <stdio.h>
#include <stdlib.h>

#include "flood.h"
#include "scenario.h"
#include "stage.h"

#define TAKEN_PAIRS  4000
#define CONNECTIONS  64
#define DEPTH        8
#define READ_SECONDS 3
#define RATIO_MIN    0.7

struct availability {
    struct stage stage;
    struct pairs pairs;
    struct flood flood;
    char path[128];
    struct str headers;
};

static void make_read(void *ctx, struct load_request *request)
{
    struct availability *availability = ctx;
    *request = (struct load_request){
        .method = "GET", .path = str_from_c(availability->path), .headers = availability->headers};
}

static enum err reads_run(struct availability *availability, const char *what, struct str headers,
                          struct flood_pair *pair)
{
    struct flood *flood = &availability->flood;
    int64_t seconds = flood->seconds;
    *flood = (struct flood){.port = availability->stage.child.port,
                            .server = availability->stage.child.pid,
                            .connections = CONNECTIONS,
                            .depth = DEPTH,
                            .seconds = seconds,
                            .status = 200,
                            .make = make_read,
                            .ctx = availability};
    snprintf(availability->path, sizeof(availability->path), "/v1/events/%s/%s",
             availability->stage.events[0], what);
    availability->headers = headers;
    *pair = (struct flood_pair){.flood = flood};
    return flood_pair_run(pair);
}

static enum err both_run(struct availability *availability, struct report *report)
{
    static const char *const counts_names[4] = {"availability_p50_ms", "availability_p95_ms",
                                                "availability_p99_ms", "availability_max_ms"};
    static const char *const seats_names[4] = {"seats_p50_ms", "seats_p95_ms", "seats_p99_ms",
                                               "seats_max_ms"};
    struct flood *flood = &availability->flood;
    struct flood_pair pair;
    enum err err = reads_run(availability, "availability", STR_NONE, &pair);
    if (err)
        return err;
    report->ok = flood->wrong == 0 && flood->answers > 0;
    report_figure(report, "availability_per_s", pair.rate);
    report_latency(report, &flood->hist, counts_names);
    report_figure(report, "availability_cpu_us_each", flood->cpu_us);
    report_floor(report, "availability_bare_h2o_cpu_us_each", pair.floor_cpu_us);
    report_figure(report, "availability_bytes", (double)flood->body_len);
    report_floor(report, "availability_bare_h2o_per_s", pair.floor_rate);
    report_aim(report, (struct report_aim){.what = "availability reads a second, of bare h2o's",
                                           .value = pair.rate,
                                           .floor = pair.floor_rate,
                                           .is_ratio = true,
                                           .at_least = RATIO_MIN});
    err = reads_run(availability, "seats", STR("Accept: application/octet-stream\r\n"), &pair);
    if (err)
        return err;
    report->ok = report->ok && flood->wrong == 0 && flood->answers > 0;
    report_figure(report, "seats_per_s", pair.rate);
    report_latency(report, &flood->hist, seats_names);
    report_figure(report, "seats_cpu_us_each", flood->cpu_us);
    report_floor(report, "seats_bare_h2o_cpu_us_each", pair.floor_cpu_us);
    report_figure(report, "seats_bytes", (double)flood->body_len);
    report_floor(report, "seats_bare_h2o_per_s", pair.floor_rate);
    report_aim(report, (struct report_aim){.what = "seat states a second, of bare h2o's",
                                           .value = pair.rate,
                                           .floor = pair.floor_rate,
                                           .is_ratio = true,
                                           .at_least = RATIO_MIN});
    return ERR_OK;
}

bool scenario_availability(const struct scenario_options *options, struct report *report)
{
    struct availability *availability = calloc(1, sizeof(*availability));
    report->scenario = "availability";
    if (!availability || stage_dir(&availability->stage))
        return false;
    availability->stage.event_count = 1;
    availability->flood.seconds = options->seconds ? options->seconds : READ_SECONDS;
    enum err err = stage_open(&availability->stage);
    if (!err)
        err = pairs_init(&availability->pairs, &availability->stage);
    if (!err)
        err = pairs_take(&availability->pairs, TAKEN_PAIRS);
    if (!err)
        err = both_run(availability, report);
    if (err)
        stage_drop(&availability->stage);
    else
        report->ok = stage_close(&availability->stage, report) && report->ok;
    pairs_release(&availability->pairs);
    free(availability);
    return !err;
}
