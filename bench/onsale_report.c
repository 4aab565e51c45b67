/* Watching a sale, and what is told of every one; see onsale_run.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "onsale_run.h"

#define TICK_MS 100
#define LINE_MS 5000

double onsale_seconds(const struct onsale_run *run)
{
    return (double)(clock_mono_ns() - run->onsale_ns) / 1e9;
}

void onsale_set_part(struct onsale_run *run, unsigned part, double rate, bool is_measured)
{
    struct onsale_orders *orders = run->people.orders;
    atomic_store(&orders->is_measured, is_measured);
    atomic_store(&orders->rate, (uint64_t)rate);
    atomic_store(&orders->phase, part);
}

void onsale_print(struct onsale_run *run)
{
    struct onsale_tally tally;
    onsale_people_tally(&run->people, &tally);
    printf("  %6.1f s: inside %lld of %d, joined %llu, asked %llu, granted %llu, taken %llu, sold "
           "%lld of "
           "%u seats\n",
           onsale_seconds(run), (long long)run->admitted, run->plan.cap,
           (unsigned long long)tally.joined, (unsigned long long)tally.polls,
           (unsigned long long)tally.granted, (unsigned long long)tally.taken, (long long)run->sold,
           run->plan.seats);
}

bool onsale_watch_until(struct onsale_run *run, int64_t until_ns)
{
    static int64_t line_ns;
    while (!run->has_failed && clock_mono_ns() < until_ns) {
        run->has_failed = onsale_sample(run) != ERR_OK;
        if (clock_mono_ns() >= line_ns) {
            onsale_print(run);
            line_ns = clock_mono_ns() + (run->line_ms ? run->line_ms : LINE_MS) * 1000000LL;
        }
        onsale_nap(TICK_MS);
    }
    return !run->has_failed;
}

bool onsale_watch_for(struct onsale_run *run, int64_t ms)
{
    return onsale_watch_until(run, clock_mono_ns() + ms * 1000000);
}

void onsale_report_people(struct onsale_run *run, struct report *report)
{
    struct onsale_tally tally;
    struct hist *polls = calloc(1, sizeof(*polls));
    onsale_people_tally(&run->people, &tally);
    if (polls)
        onsale_people_polls(&run->people, polls);
    report_figure(report, "people", (double)run->plan.people);
    report_figure(report, "joined", (double)tally.joined);
    report_figure(report, "asked", (double)tally.polls);
    report_figure(report, "asked_p50_ms", polls ? hist_ms(polls, 0.5) : 0);
    report_figure(report, "asked_p99_ms", polls ? hist_ms(polls, 0.99) : 0);
    report_figure(report, "connections_opened", (double)tally.reopened);
    report_figure(report, "came_in", (double)tally.came_in);
    report_figure(report, "granted", (double)tally.granted);
    report_figure(report, "refused_taken", (double)tally.taken);
    report_figure(report, "refused_not_inside", (double)tally.not_inside);
    report_figure(report, "refused_limits", (double)(tally.limited + tally.rated));
    report_figure(report, "refused_challenge", (double)tally.challenged);
    report_figure(report, "refused_busy", (double)tally.busy);
    report_figure(report, "unexpected", (double)tally.unexpected);
    report_figure(report, "confirmed", (double)tally.confirmed);
    report_figure(report, "abandoned", (double)tally.abandoned);
    report_figure(report, "given_back", (double)tally.given_back);
    report_figure(report, "told_twice_shuffled", (double)tally.told_twice);
    report_figure(report, "told_late", (double)tally.told_late);
    report_figure(report, "never_told", (double)tally.never_told);
    report_figure(report, "cards_failed", (double)tally.cards_failed);
    report_figure(report, "expired_unpaid", (double)tally.expired);
    report_figure(report, "double_grants", (double)tally.double_grants);
    report->ok = report->ok && tally.unexpected == 0 && tally.double_grants == 0 &&
                 tally.double_sales == 0 && tally.confirmed > 0;
    free(polls);
}

void onsale_report_proof(struct onsale_run *run, const struct onsale_findings *findings,
                         struct report *report)
{
    struct onsale_tally tally;
    int64_t seen_max = onsale_stays_max(run);
    int64_t rows_max =
        findings->admitted_max > run->admitted_max ? findings->admitted_max : run->admitted_max;
    onsale_people_tally(&run->people, &tally);
    report_figure(report, "cap", run->plan.cap);
    report_figure(report, "admitted_max", (double)rows_max);
    report_figure(report, "admitted_max_sampled", (double)run->admitted_max);
    report_figure(report, "admitted_max_seen", (double)seen_max);
    report_figure(report, "double_sales",
                  (double)(tally.double_sales + (uint64_t)findings->seats_sold_twice));
    report_figure(report, "sales_lost", (double)findings->sales_unknown);
    report_figure(report, "seats_sold", (double)findings->seats_sold);
    report_figure(report, "ended_in_one_second", (double)findings->others_ended);
    bool is_bounded = rows_max <= run->plan.cap && seen_max <= run->plan.cap;
    report->ok = report->ok && (is_bounded || run->plan.is_open) &&
                 findings->seats_sold_twice == 0 && findings->sales_unknown == 0 &&
                 findings->others_open == 0;
}
