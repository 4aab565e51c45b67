/*
 * onsale (P6): everybody at the door at once. People come to the waiting room before the sale; at
 * its opening the list is drawn by lot, and so many are let in as the cap and the rate say. Those
 * inside try for two seats at --rate attempts a second (8,000), most of them for the same few
 * hundred seats. In the middle of it 20,000 holds of another night end within one second. Then the
 * rate rises until the p99 of a hold is above 20 ms, or falls until it is below; and at last the event
 * is sold out.
 *
 * Never more are inside than the cap, and no seat is sold twice: asked of the rows by a connection
 * of our own while it runs and afterwards, and of what the people saw, not of the server's
 * counters.
 *
 * --buyers people, --events seats, --seconds of the measured phase; --only open: without the
 * waiting room; --only brief: without the last two parts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cpu.h"
#include "onsale_run.h"
#include "process.h"
#include "scenario.h"

#define PEOPLE           150000
#define SEATS            50000
#define RATE             8000
#define MEASURE_S        20
#define EARLY_MAX        20000
#define RAMP_S           15
#define PEOPLE_A_SECOND  15000 /* who ask for their place at once when it opens */
#define EXPIRY_MS        6000  /* from half a second before */
#define EXPIRY_LEAD_MS   500
#define LADDER_STEPS     8
#define LADDER_FACTOR    1.25
#define LADDER_S         4
#define LADDER_PAUSE_MS  3000
#define SETTLE_S         60
#define SELLOUT_S        300
#define STANDS_S         100 /* nothing more is sold: longer than a hold and its callbacks take */
#define SALES_PER_S      250 /* that are tried for, while the others go for the hot seats */
#define ABANDON_SHARE    0.05
#define HOLD_TTL_S       60
#define TICK_MS          100
#define P99_MAX_MS       20.0
#define STALL_MAX_MS     100.0
#define ONE_SECOND_SHARE 0.95 /* on a slow machine some are taken late, and end late */
#define CARRIED_SHARE    0.97

enum part {
    PART_BEFORE,
    PART_RAMP,
    PART_STEADY,
    PART_BETWEEN,
    PART_EXPIRY,
    PART_LADDER,
    PART_SELLOUT = PART_LADDER + LADDER_STEPS
};

struct ladder {
    double rate, p99_ms; /* the highest that was carried */
};

/* Until the house is nearly full, so that attempts find somebody to make them; the phase begins
 * then. */
static void ramp(struct onsale_run *run)
{
    int64_t until_ns = run->onsale_ns + run->plan.ramp_s * 1000000000LL;
    (void)onsale_watch_until(run, run->onsale_ns);
    onsale_set_part(run, PART_RAMP, run->plan.rate, false);
    (void)onsale_watch_until(run, until_ns);
}

/* Notes the rate if it was carried in a part of so many seconds. */
static bool try_step(struct onsale_run *run, unsigned part, double rate, int seconds,
                     struct ladder *ladder)
{
    struct onsale_phase_figures *figures = calloc(1, sizeof(*figures));
    if (!figures)
        return false;
    onsale_people_phase(&run->people, part, part + 1, figures);
    double p99_ms = hist_ms(&figures->holds, 0.99);
    double answered = (double)figures->answered / seconds;
    bool is_carried = p99_ms <= P99_MAX_MS && answered >= rate * CARRIED_SHARE;
    printf("  %.0f attempts/s: %.0f answered, p99 %.1f ms\n", rate, answered, p99_ms);
    if (is_carried)
        *ladder = (struct ladder){.rate = rate, .p99_ms = p99_ms};
    free(figures);
    return is_carried;
}

/* Up while the rate is carried; from one that is not, down to the first that is. What could not be
 * sent in time is forgotten before each step down. */
static void climb(struct onsale_run *run, struct ladder *ladder)
{
    double rate = run->plan.rate;
    bool goes_up = try_step(run, PART_STEADY, rate, run->plan.steady_s, ladder);
    for (unsigned i = 0; i < LADDER_STEPS && !run->has_failed; i++) {
        rate = goes_up ? rate * LADDER_FACTOR : rate / LADDER_FACTOR;
        if (!goes_up) {
            onsale_set_part(run, PART_BEFORE, 0, false);
            (void)onsale_watch_for(run, LADDER_PAUSE_MS);
        }
        onsale_set_part(run, PART_LADDER + i, rate, true);
        (void)onsale_watch_for(run, LADDER_S * 1000);
        if (try_step(run, PART_LADDER + i, rate, LADDER_S, ladder) != goes_up)
            return;
    }
}

/* Everybody who holds pays; the time since the opening, or -1. */
static double sell_out(struct onsale_run *run)
{
    int64_t until_ns = clock_mono_ns() + SELLOUT_S * 1000000000LL, moved_ns = clock_mono_ns();
    int64_t sold = 0;
    atomic_store(&run->people.orders->is_ending, true);
    onsale_set_part(run, PART_SELLOUT, run->plan.rate / 4, false);
    while (!run->has_failed && clock_mono_ns() < until_ns) {
        (void)onsale_watch_for(run, TICK_MS);
        if (run->sold >= run->plan.seats)
            return onsale_seconds(run);
        if (run->sold > sold)
            moved_ns = clock_mono_ns();
        else if (clock_mono_ns() - moved_ns > STANDS_S * 1000000000LL)
            break;
        sold = run->sold;
    }
    return -1;
}

/* A slow machine takes longer for them than their part of the sale. */
static void wait_for_others(struct onsale_run *run)
{
    int64_t open = 1, until_ns = clock_mono_ns() + SETTLE_S * 1000000000LL;
    while (!run->has_failed && open > 0 && clock_mono_ns() < until_ns) {
        run->has_failed = onsale_others_open(run, &open) != ERR_OK;
        onsale_nap(TICK_MS);
    }
}

static void report_phase(struct onsale_run *run, unsigned part, const char *const names[4],
                         const char *const granted[4], struct report *report)
{
    struct onsale_phase_figures *figures = calloc(1, sizeof(*figures));
    if (!figures)
        return;
    onsale_people_phase(&run->people, part, part + 1, figures);
    report_latency(report, &figures->holds, names);
    report_latency(report, &figures->granted, granted);
    if (part == PART_STEADY) {
        report_figure(report, "rate_due", (double)figures->due / run->plan.steady_s);
        report_figure(report, "rate_answered", (double)figures->answered / run->plan.steady_s);
        report_figure(report, "nobody_inside", (double)figures->nobody);
        report_figure(report, "served_p50_ms", hist_ms(&figures->served, 0.5));
        report_figure(report, "served_p99_ms", hist_ms(&figures->served, 0.99));
    }
    free(figures);
}

static void report_aims(struct onsale_run *run, const struct ladder *ladder, double sold_out_s,
                        struct report *report)
{
    report_figure(report, "sustained_rate", ladder->rate);
    report_figure(report, "sustained_p99_ms", ladder->p99_ms);
    report_figure(report, "sold_out_s", sold_out_s);
    report_aim(report, (struct report_aim){.what = "p99 of a hold at the rate, ms",
                                           .value = report_value(report, "hold_p99_ms"),
                                           .at_most = P99_MAX_MS});
    report_aim(report, (struct report_aim){.what = "attempts answered a second, of the rate",
                                           .value = report_value(report, "rate_answered"),
                                           .floor = run->plan.rate,
                                           .is_ratio = true,
                                           .at_least = CARRIED_SHARE});
    if (run->plan.early > 0)
        report_aim(report, (struct report_aim){.what = "holds that ended in one second, of all",
                                               .value = report_value(report, "ended_in_one_second"),
                                               .floor = (double)run->plan.early,
                                               .is_ratio = true,
                                               .at_least = ONE_SECOND_SHARE});
    report_aim(report, (struct report_aim){.what = "slowest hold of the mass expiry, ms",
                                           .value = report_value(report, "expiry_max_ms"),
                                           .floor = report_value(report, "hold_max_ms"),
                                           .at_most = STALL_MAX_MS});
    if (!run->plan.is_brief)
        report_aim(report,
                   (struct report_aim){.what = "attempts a second carried with p99 <= 20 ms",
                                       .value = ladder->rate,
                                       .at_least = run->plan.rate});
    report_aim(report, (struct report_aim){.what = "most people inside at once, of the cap",
                                           .value = report_value(report, "admitted_max"),
                                           .floor = run->plan.cap,
                                           .is_ratio = true,
                                           .at_most = 1});
}

static enum err play(struct onsale_run *run, struct report *report)
{
    static const char *const steady[4] = {"hold_p50_ms", "hold_p95_ms", "hold_p99_ms",
                                          "hold_max_ms"};
    static const char *const steady_granted[4] = {"granted_p50_ms", "granted_p95_ms",
                                                  "granted_p99_ms", "granted_max_ms"};
    static const char *const expiry[4] = {"expiry_p50_ms", "expiry_p95_ms", "expiry_p99_ms",
                                          "expiry_max_ms"};
    static const char *const expiry_granted[4] = {"expiry_granted_p50_ms", "expiry_granted_p95_ms",
                                                  "expiry_granted_p99_ms", "expiry_granted_max_ms"};
    struct onsale_findings findings;
    struct ladder ladder = {0};
    int64_t expiry_ns = run->onsale_ns + (run->ends_at_ms - run->onsale_at_ms) * 1000000;
    ramp(run);
    double cpu_s = cpu_seconds(run->child.pid);
    onsale_set_part(run, PART_STEADY, run->plan.rate, true);
    (void)onsale_watch_for(run, run->plan.steady_s * 1000LL);
    cpu_s = cpu_seconds(run->child.pid) - cpu_s;
    onsale_set_part(run, PART_BETWEEN, run->plan.rate, true);
    (void)onsale_watch_until(run, expiry_ns - EXPIRY_LEAD_MS * 1000000LL);
    onsale_set_part(run, PART_EXPIRY, run->plan.rate, true);
    (void)onsale_watch_for(run, EXPIRY_MS);
    double sold_out_s = -1;
    if (!run->plan.is_brief) {
        climb(run, &ladder);
        sold_out_s = sell_out(run);
    }
    wait_for_others(run);
    onsale_print(run);
    enum err err = onsale_people_stop(&run->people);
    if (!err)
        err = onsale_check(run, &findings);
    if (err || run->has_failed)
        return err ? err : ERR_IO;
    report->ok = true;
    report_phase(run, PART_STEADY, steady, steady_granted, report);
    report_phase(run, PART_EXPIRY, expiry, expiry_granted, report);
    report_figure(report, "server_cores", cpu_s / run->plan.steady_s);
    onsale_report_people(run, report);
    onsale_report_proof(run, &findings, report);
    report_aims(run, &ladder, sold_out_s, report);
    return ERR_OK;
}

static void make_plan(struct onsale_plan *plan, const struct scenario_options *options)
{
    plan->people = options->buyers ? (size_t)options->buyers : PEOPLE;
    plan->seats = options->events ? (unsigned)options->events / 1000 * 1000 : SEATS;
    if (plan->seats < 1000)
        plan->seats = 1000;
    plan->rate = options->rate ? options->rate : RATE;
    plan->cap = (int)plan->rate;
    if ((size_t)plan->cap > plan->people / 3)
        plan->cap = (int)(plan->people / 3);
    plan->sales_per_s = SALES_PER_S < plan->rate / 10 ? SALES_PER_S : plan->rate / 10;
    plan->admit_per_minute = (int)(60 * (plan->cap / 10.0 + plan->sales_per_s));
    plan->early = plan->seats < EARLY_MAX ? plan->seats : EARLY_MAX;
    plan->hold_ttl_s = HOLD_TTL_S;
    plan->join_s = (int)(plan->people / 2500) + 1;
    plan->ramp_s = RAMP_S + (int)(plan->people / PEOPLE_A_SECOND);
    plan->arrive_s = 0;
    plan->steady_s = options->seconds ? options->seconds : MEASURE_S;
    plan->fresh_share = plan->sales_per_s / plan->rate;
    plan->abandon_share = ABANDON_SHARE;
    plan->is_brief = options->only && strcmp(options->only, "brief") == 0;
    plan->is_open = options->only && strcmp(options->only, "open") == 0;
}

bool scenario_onsale(const struct scenario_options *options, struct report *report)
{
    struct onsale_run *run = calloc(1, sizeof(*run));
    report->scenario = "onsale";
    if (!run)
        return false;
    make_plan(&run->plan, options);
    enum err err = onsale_open(run);
    if (!err)
        err = play(run, report);
    report_figure(report, "server_memory_mib", (double)child_memory_mib(&run->child));
    if (err)
        onsale_drop(run);
    else
        report->ok = onsale_close(run) && report->ok;
    free(run);
    return !err;
}
