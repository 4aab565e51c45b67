/*
 * slow-endpoint: what one slow endpoint, or half of them all, does to itself and to the others.
 *
 * The story, once with a deadline of 15 s (every attempt times out) and once with 35 s (all succeed
 * slowly): one endpoint and 200 healthy ones of 20 applications get messages at a fixed rate. The one
 * goes from 100 ms to 30 s for --minutes (10) and back; of its hangs a third each comes before, in and
 * after the head of the answer. Minute by minute: its queue, what is sent and answered, its breaker,
 * and latencies at the receivers, counted from when a message was meant to be sent.
 *
 * The comparison: five times, in turn, 200 endpoints of which all are well, and the same with half of
 * them hanging for 30 s. Latencies are those of the other half. (half35 is the same with a deadline of
 * 35 s, and runs when it is asked for.) A machine that has other work stops everybody for a tenth of a
 * second now and then, which is all of a p99; so the p99 of each second is taken, too, and their median.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "scenario.h"
#include "slow_run.h"

#define SECOND_NS        INT64_C(1000000000)
#define APPS             20
#define HEALTHY          200
#define SICK_RATE        100.0
#define HEALTHY_RATE     200.0 /* together */
#define SLOW_MINUTES     10
#define WARM_S           4  /* before anything counts: connections and windows */
#define WELL_S           60 /* before it falls ill */
#define WELL_SHORT_S     20
#define DRAIN_MAX_S      1800
#define LOG_SPARE        200000
#define HANG_MS          30000
#define RETRIES_MAX_S    300 /* until those that failed have had another attempt */
#define PAIRS            5
#define PAIR_RATE        400.0 /* all endpoints together */
#define PAIR_S           16
#define HALF_SECONDS_MAX 120
#define SHIFT_MAX_MS     10.0

static const struct receiver_behaviour sick_well = {.delay_ms = 100};
static const struct receiver_behaviour healthy_well = {.delay_ms = 20};
static const struct receiver_behaviour hanging = {.delay_ms = HANG_MS, .hang = RECEIVER_MIXED};

/* --- the story --- */

struct story {
    struct slow_run run;
    int deadline_s;
    int64_t well_s, ill_s, span_s;
    int64_t begun_ns;
    int64_t well_again_ns; /* 0: not yet */
    int64_t empty_ns;      /* the queue is empty again */
    int64_t span_ns;       /* the current one began */
    int64_t queue_most, pending_most;
    struct hist healthy_well, healthy_ill;
    uint64_t ill_sent;
};

struct story_names { /* of figures; they must be static */
    const char *healthy_well_p99, *healthy_ill_p50, *healthy_ill_p99, *queue, *sent, *drain,
        *resident, *files, *connections, *repeated, *drain_aim, *p99_aim;
};

static void print_head(const struct story *story)
{
    printf("\ndeadline %d s: one endpoint goes from 100 ms to 30 s for %lld s\n"
           "%6s  %-5s | %6s %6s %8s %7s %5s %-25s %9s %9s | %6s %6s %5s %7s %7s | %4s %5s\n",
           story->deadline_s, (long long)story->ill_s, "s", "phase", "in/s", "sent/s", "queue",
           "pending", "open", "breaker", "p50 ms", "p99 ms", "in/s", "sent/s", "queue", "p50 ms",
           "p99 ms", "MiB", "files");
}

static void merge(struct hist *to, const struct hist *from)
{
    for (size_t i = 0; i < sizeof(to->counts) / sizeof(to->counts[0]); i++)
        to->counts[i] += from->counts[i];
    to->total += from->total;
    if (from->max_ns > to->max_ns)
        to->max_ns = from->max_ns;
}

static const char *phase_of(const struct story *story)
{
    int64_t at_s = (story->span_ns - story->begun_ns) / SECOND_NS;
    if (at_s < story->well_s)
        return "well";
    return story->well_again_ns == 0 || story->span_ns < story->well_again_ns ? "ill" : "again";
}

/* The seconds in which its breaker was seen so, or simply how it is. */
static void breaker_text(const struct slow_sample *sample, char *ret_text, size_t size)
{
    unsigned seen = (sample->open_s > 0) + (sample->half_open_s > 0) + (sample->closed_s > 0);
    if (seen <= 1)
        snprintf(ret_text, size, "%s", sample->state);
    else
        snprintf(ret_text, size, "closed%u open%u probe%u", sample->closed_s, sample->open_s,
                 sample->half_open_s);
}

static void end_span(struct story *story)
{
    char breaker[48];
    struct slow_run *run = &story->run;
    int64_t now_ns = clock_mono_ns();
    const struct slow_seen *sick = &run->streams[SLOW_SICK].span;
    const struct slow_seen *healthy = &run->streams[SLOW_HEALTHY].span;
    double seconds = (double)(now_ns - story->span_ns) / 1e9;
    int64_t queue = slow_run_backlog(run, SLOW_SICK);
    breaker_text(&run->sample, breaker, sizeof(breaker));
    printf(
        "%6.0f  %-5s | %6.1f %6.1f %8lld %7lld %5lld %-25s %9.1f %9.1f | %6.1f %6.1f %5lld %7.1f "
        "%7.1f | %4lld %5lld\n",
        (double)(now_ns - story->begun_ns) / 1e9, phase_of(story), (double)sick->accepted / seconds,
        (double)sick->arrived / seconds, (long long)queue, (long long)run->sample.pending,
        (long long)run->sample.in_flight, breaker, hist_ms(&sick->latency, 0.5),
        hist_ms(&sick->latency, 0.99), (double)healthy->accepted / seconds,
        (double)healthy->arrived / seconds, (long long)slow_run_backlog(run, SLOW_HEALTHY),
        hist_ms(&healthy->latency, 0.5), hist_ms(&healthy->latency, 0.99),
        (long long)run->resident_mib, (long long)run->files);
    bool is_well = phase_of(story)[0] == 'w', is_ill = phase_of(story)[0] == 'i';
    if (is_well)
        merge(&story->healthy_well, &healthy->latency);
    if (is_ill)
        merge(&story->healthy_ill, &healthy->latency);
    story->ill_sent += is_ill ? sick->arrived : 0;
    slow_run_span(run);
    story->span_ns = now_ns;
}

static bool on_tick(void *ctx)
{
    struct story *story = ctx;
    struct slow_run *run = &story->run;
    int64_t queue = slow_run_backlog(run, SLOW_SICK);
    if (queue > story->queue_most)
        story->queue_most = queue;
    if (run->sample.pending > story->pending_most)
        story->pending_most = run->sample.pending;
    if (story->well_again_ns && !story->empty_ns && queue < (int64_t)(run->sick_rate / 2))
        story->empty_ns = clock_mono_ns();
    return story->empty_ns != 0;
}

/* Until then, or until the queue is empty after all. */
static void tell_until(struct story *story, int64_t until_ns)
{
    while (clock_mono_ns() < until_ns && !story->empty_ns) {
        int64_t span_end_ns = story->span_ns + story->span_s * SECOND_NS;
        slow_run_on(&story->run, span_end_ns < until_ns ? span_end_ns : until_ns, on_tick, story);
        bool is_young = clock_mono_ns() - story->span_ns < SECOND_NS;
        if (clock_mono_ns() >= span_end_ns || (story->empty_ns && !is_young))
            end_span(story);
    }
}

static bool is_all_there(void *ctx)
{
    const struct slow_run *run = ctx;
    return slow_run_missing(run, SLOW_SICK) == 0 && slow_run_missing(run, SLOW_HEALTHY) == 0 &&
           slow_run_backlog(run, SLOW_SICK) <= 0 && slow_run_backlog(run, SLOW_HEALTHY) <= 0 &&
           run->sample.pending == 0;
}

static void tell(struct story *story)
{
    struct slow_run *run = &story->run;
    slow_run_on(run, run->start_ns + WARM_S * SECOND_NS, NULL, NULL);
    slow_run_span(run);
    story->span_ns = story->begun_ns = clock_mono_ns();
    int64_t ill_ns = story->begun_ns + story->well_s * SECOND_NS;
    print_head(story);
    tell_until(story, ill_ns);
    slow_run_behave(run, SLOW_SICK, &hanging);
    tell_until(story, ill_ns + story->ill_s * SECOND_NS);
    slow_run_behave(run, SLOW_SICK, &sick_well);
    end_span(story);
    story->well_again_ns = story->span_ns;
    tell_until(story, story->well_again_ns + DRAIN_MAX_S * SECOND_NS);
    if (story->empty_ns) /* a span of ordinary life */
        slow_run_on(run, story->span_ns + story->span_s * SECOND_NS, NULL, NULL);
    end_span(story);
    slow_run_end_streams(run);
    slow_run_on(run, clock_mono_ns() + RETRIES_MAX_S * SECOND_NS, is_all_there, run);
}

static bool story_report(struct story *story, const struct story_names *names,
                         struct report *report)
{
    const struct slow_run *run = &story->run;
    const struct slow_stream *sick = &run->streams[SLOW_SICK];
    const struct slow_stream *healthy = &run->streams[SLOW_HEALTHY];
    int64_t connections;
    double drain_s =
        story->empty_ns ? (double)(story->empty_ns - story->well_again_ns) / 1e9 : DRAIN_MAX_S;
    (void)receiver_connections(&run->stage.receiver, &connections);
    report_figure(report, names->healthy_well_p99, hist_ms(&story->healthy_well, 0.99));
    report_figure(report, names->healthy_ill_p50, hist_ms(&story->healthy_ill, 0.5));
    report_figure(report, names->healthy_ill_p99, hist_ms(&story->healthy_ill, 0.99));
    report_figure(report, names->queue, (double)story->queue_most);
    report_figure(report, names->sent, (double)story->ill_sent / (double)story->ill_s);
    report_figure(report, names->drain, drain_s);
    report_figure(report, names->resident, (double)run->resident_most_mib);
    report_figure(report, names->files, (double)run->files_most);
    report_figure(report, names->connections, (double)connections);
    report_figure(report, names->repeated, (double)sick->repeated);
    report_aim(report, (struct report_aim){.what = names->drain_aim, .value = drain_s});
    report_aim(report, (struct report_aim){.what = names->p99_aim,
                                           .value = hist_ms(&story->healthy_ill, 0.99),
                                           .floor = hist_ms(&story->healthy_well, 0.99)});
    int64_t missing = slow_run_missing(run, SLOW_SICK) + slow_run_missing(run, SLOW_HEALTHY);
    printf("empty again after %.1f s; %llu + %llu messages taken, %llu + %llu refused, %lld never "
           "arrived, %llu + %llu came again; at most %lld MiB, %lld files, %lld connections\n",
           drain_s, (unsigned long long)sick->accepted, (unsigned long long)healthy->accepted,
           (unsigned long long)sick->failed, (unsigned long long)healthy->failed,
           (long long)missing, (unsigned long long)sick->repeated,
           (unsigned long long)healthy->repeated, (long long)run->resident_most_mib,
           (long long)run->files_most, (long long)connections);
    return missing == 0 && sick->failed == 0 && healthy->failed == 0 && story->empty_ns &&
           healthy->repeated == 0 && run->sample.pending == 0;
}

static bool run_story(const struct scenario_options *options, int deadline_s,
                      const struct story_names *names, struct report *report)
{
    char timeout[48];
    snprintf(timeout, sizeof(timeout), "--hooks-timeout-ms=%d", deadline_s * 1000);
    const char *arguments[] = {timeout, NULL};
    struct story *story = calloc(1, sizeof(*story));
    if (!story)
        return false;
    bool is_short = options->minutes > 0 && options->minutes < SLOW_MINUTES / 2;
    struct slow_run *run = &story->run;
    story->deadline_s = deadline_s;
    story->ill_s = 60 * (options->minutes ? options->minutes : SLOW_MINUTES);
    story->well_s = is_short ? WELL_SHORT_S : WELL_S;
    story->span_s = is_short ? 10 : 60;
    run->sick_count = 1;
    run->sick_rate = SICK_RATE;
    run->healthy_rate = options->rate ? options->rate : HEALTHY_RATE;
    run->seconds_max = WARM_S + story->well_s + story->ill_s + DRAIN_MAX_S + 2 * story->span_s;
    run->stage.app_count = APPS;
    run->stage.endpoint_count = 1 + HEALTHY;
    run->stage.arguments = arguments;
    run->stage.log_max =
        (size_t)((run->sick_rate + run->healthy_rate) * (double)run->seconds_max) + LOG_SPARE;
    enum err err = slow_run_open(run);
    if (!err) {
        slow_run_behave(run, SLOW_SICK, &sick_well);
        slow_run_behave(run, SLOW_HEALTHY, &healthy_well);
        tell(story);
        report->ok = story_report(story, names, report) && report->ok;
    }
    report->ok = slow_run_close(run) && report->ok;
    free(story);
    return !err;
}

/* --- the comparison --- */

struct half {
    struct hist latency;
    double second_p99_ms; /* median of the p99s of its seconds */
};

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double median(const double *values, size_t count)
{
    double sorted[HALF_SECONDS_MAX];
    memcpy(sorted, values, count * sizeof(sorted[0]));
    qsort(sorted, count, sizeof(sorted[0]), by_size);
    return count > 0 ? sorted[count / 2] : 0;
}

static void measure_half(struct slow_run *run, size_t seconds, struct half *ret_half)
{
    double p99_ms[HALF_SECONDS_MAX];
    for (size_t i = 0; i < seconds; i++) {
        const struct hist *latency = &run->streams[SLOW_HEALTHY].span.latency;
        slow_run_span(run);
        slow_run_on(run, clock_mono_ns() + SECOND_NS, NULL, NULL);
        p99_ms[i] = hist_ms(latency, 0.99);
        merge(&ret_half->latency, latency);
    }
    ret_half->second_p99_ms = median(p99_ms, seconds);
}

static bool run_half(const struct scenario_options *options, bool is_hanging, struct half *ret_half)
{
    bool is_slow_only = options->only && strcmp(options->only, "half35") == 0;
    const char *arguments[] = {is_slow_only ? "--hooks-timeout-ms=35000" : NULL, NULL};
    struct slow_run *run = calloc(1, sizeof(*run));
    size_t seconds = options->seconds ? (size_t)options->seconds : PAIR_S;
    if (!run)
        return false;
    double rate = options->rate ? options->rate : PAIR_RATE;
    run->sick_count = HEALTHY / 2;
    run->sick_rate = run->healthy_rate = rate / 2;
    seconds = seconds < HALF_SECONDS_MAX ? seconds : HALF_SECONDS_MAX;
    run->seconds_max = WARM_S + (int64_t)seconds + 60; /* what a machine without time needs more */
    run->stage.app_count = APPS;
    run->stage.endpoint_count = HEALTHY;
    run->stage.arguments = arguments;
    run->stage.log_max = (size_t)(rate * (double)run->seconds_max) + LOG_SPARE;
    enum err err = slow_run_open(run);
    if (!err) {
        slow_run_behave(run, SLOW_SICK, &healthy_well);
        slow_run_behave(run, SLOW_HEALTHY, &healthy_well);
        slow_run_on(run, run->start_ns + WARM_S * SECOND_NS, NULL, NULL);
        if (is_hanging)
            slow_run_behave(run, SLOW_SICK, &hanging);
        measure_half(run, seconds, ret_half);
        slow_run_end_streams(run);
    }
    bool is_good = slow_run_close(run) && !err;
    free(run);
    return is_good;
}

/* By how much one of the quiet runs differs from the one before it: what the machine does by itself. */
static double median_noise(const double well_ms[PAIRS])
{
    double moves[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        double before_ms = well_ms[(i + PAIRS - 1) % PAIRS];
        moves[i] = well_ms[i] > before_ms ? well_ms[i] - before_ms : before_ms - well_ms[i];
    }
    return median(moves, PAIRS);
}

struct pairs_found {
    double well_ms[PAIRS], hanging_ms[PAIRS], moves_ms[PAIRS], second_moves_ms[PAIRS];
};

static void pairs_report(const struct pairs_found *found, struct report *report)
{
    double well_ms = median(found->well_ms, PAIRS), hanging_ms = median(found->hanging_ms, PAIRS);
    double moves_ms = median(found->moves_ms, PAIRS), noise_ms = median_noise(found->well_ms);
    double second_ms = median(found->second_moves_ms, PAIRS);
    printf("median of the p99s: %.2f well, %.2f with half of them hanging; median of the moves "
           "%+.2f ms (from one quiet run to the next: %.2f), of an ordinary second %+.2f ms\n",
           well_ms, hanging_ms, moves_ms, noise_ms, second_ms);
    report_figure(report, "half_well_p99_ms", well_ms);
    report_figure(report, "half_hanging_p99_ms", hanging_ms);
    report_figure(report, "half_p99_moves_ms", moves_ms);
    report_figure(report, "half_well_p99_noise_ms", noise_ms);
    report_figure(report, "half_second_p99_moves_ms", second_ms);
    report_aim(report, (struct report_aim){.what = "p99 of the healthy moves when half hang, ms",
                                           .value = moves_ms,
                                           .at_most = SHIFT_MAX_MS});
    report_aim(report, (struct report_aim){.what = "the same of an ordinary second, ms",
                                           .value = second_ms,
                                           .at_most = SHIFT_MAX_MS});
}

static bool run_pairs(const struct scenario_options *options, struct report *report)
{
    struct pairs_found found;
    printf("\nhalf of %d endpoints hang for 30 s: latencies of the other half, ms\n"
           "%4s | %8s %8s %8s | %8s %8s %8s | %9s %8s\n",
           HEALTHY, "run", "well p50", "p99", "second", "hang p50", "p99", "second", "p99 moves",
           "second");
    for (int i = 0; i < PAIRS; i++) {
        struct half halves[2] = {0};
        bool is_odd = i % 2; /* who comes first changes, so that a drift of the machine cancels */
        if (!run_half(options, is_odd, &halves[is_odd]) ||
            !run_half(options, !is_odd, &halves[!is_odd]))
            return false;
        found.well_ms[i] = hist_ms(&halves[0].latency, 0.99);
        found.hanging_ms[i] = hist_ms(&halves[1].latency, 0.99);
        found.moves_ms[i] = found.hanging_ms[i] - found.well_ms[i];
        found.second_moves_ms[i] = halves[1].second_p99_ms - halves[0].second_p99_ms;
        printf("%4d | %8.2f %8.2f %8.2f | %8.2f %8.2f %8.2f | %+9.2f %+8.2f\n", i + 1,
               hist_ms(&halves[0].latency, 0.5), found.well_ms[i], halves[0].second_p99_ms,
               hist_ms(&halves[1].latency, 0.5), found.hanging_ms[i], halves[1].second_p99_ms,
               found.moves_ms[i], found.second_moves_ms[i]);
    }
    pairs_report(&found, report);
    return true;
}

static bool wants(const struct scenario_options *options, const char *part)
{
    return !options->only || strcmp(options->only, part) == 0;
}

bool scenario_slow_endpoint(const struct scenario_options *options, struct report *report)
{
    static const struct story_names names_15 = {"15s_healthy_well_p99_ms",
                                                "15s_healthy_ill_p50_ms",
                                                "15s_healthy_ill_p99_ms",
                                                "15s_queue_most",
                                                "15s_ill_sent_per_s",
                                                "15s_drain_s",
                                                "15s_resident_mib",
                                                "15s_files",
                                                "15s_connections",
                                                "15s_attempts_again",
                                                "deadline 15 s: its queue is empty again after, s",
                                                "deadline 15 s: p99 of 200 healthy beside it, ms"};
    static const struct story_names names_35 = {"35s_healthy_well_p99_ms",
                                                "35s_healthy_ill_p50_ms",
                                                "35s_healthy_ill_p99_ms",
                                                "35s_queue_most",
                                                "35s_ill_sent_per_s",
                                                "35s_drain_s",
                                                "35s_resident_mib",
                                                "35s_files",
                                                "35s_connections",
                                                "35s_attempts_again",
                                                "deadline 35 s: its queue is empty again after, s",
                                                "deadline 35 s: p99 of 200 healthy beside it, ms"};
    report->scenario = "slow-endpoint";
    report->ok = true;
    return (!wants(options, "15") || run_story(options, 15, &names_15, report)) &&
           (!wants(options, "35") || run_story(options, 35, &names_35, report)) &&
           (!(wants(options, "half") || wants(options, "half35")) || run_pairs(options, report));
}
