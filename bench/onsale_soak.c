/*
 * soak: a sale that goes on and on at a rate that the machine carries easily (--minutes, 60):
 * people keep coming to the waiting room, try for seats, buy, or let their holds end; others
 * listen to the live map. Each minute has a line of its own: latencies of holds, and the server's
 * memory, log, descriptors. What they grow by in an hour is the slope of a straight line through
 * all minutes but the first.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "onsale_live.h"
#include "onsale_run.h"
#include "process.h"
#include "scenario.h"

#define MINUTES         60
#define MINUTES_MAX     (ONSALE_PHASES_MAX - 2)
#define SOAK_RATE       200 /* attempts a second */
#define SOAK_SALES      6   /* of them for seats that are free */
#define SOAK_ABANDON    0.3
#define SOAK_CAP        300
#define SOAK_ADMISSIONS 900 /* a minute, at most */
#define SOAK_SEATS      50000
#define SOAK_TTL_S      60
#define COMERS_PER_MIN  400
#define JOIN_S          10
#define LISTENERS       200
#define MIB             1048576.0

struct minute {
    double p50_ms, p99_ms, max_ms, rss_mib, wal_mib, fds, sold;
};

struct soak {
    struct onsale_run run;
    struct onsale_listeners listeners;
    struct minute minutes[MINUTES_MAX];
    unsigned count, wanted;
};

static double count_fds(pid_t pid)
{
    char path[64];
    double count = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count > 2 ? count - 2 : 0;
}

static double wal_mib(const struct child *child)
{
    char path[320];
    struct stat stat_buf = {0};
    snprintf(path, sizeof(path), "%s/tickets.db-wal", child->data);
    return stat(path, &stat_buf) == 0 ? (double)stat_buf.st_size / MIB : 0;
}

static void note_minute(struct soak *soak)
{
    struct onsale_run *run = &soak->run;
    struct minute *minute = &soak->minutes[soak->count];
    struct onsale_phase_figures *figures = calloc(1, sizeof(*figures));
    if (!figures)
        return;
    onsale_people_phase(&run->people, soak->count + 1, soak->count + 2, figures);
    *minute = (struct minute){.p50_ms = hist_ms(&figures->holds, 0.5),
                              .p99_ms = hist_ms(&figures->holds, 0.99),
                              .max_ms = (double)figures->holds.max_ns / 1e6,
                              .rss_mib = (double)process_rss_bytes(run->child.pid) / MIB,
                              .wal_mib = wal_mib(&run->child),
                              .fds = count_fds(run->child.pid),
                              .sold = (double)run->sold};
    soak->count++;
    printf("  minute %u: holds %llu, p50 %.2f, p99 %.2f, max %.1f ms; rss %.1f MiB, wal %.1f MiB, "
           "%.0f "
           "descriptors; inside %lld, sold %.0f, listeners heard %llu\n",
           soak->count, (unsigned long long)figures->answered, minute->p50_ms, minute->p99_ms,
           minute->max_ms, minute->rss_mib, minute->wal_mib, minute->fds, (long long)run->admitted,
           minute->sold, (unsigned long long)soak->listeners.figures->deltas);
    free(figures);
}

/* Least squares through all minutes but the first; an hour. */
static double slope(const struct soak *soak, size_t offset)
{
    double n = 0, sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
    for (unsigned i = 1; i < soak->count; i++) {
        double x = i, y = *(const double *)((const char *)&soak->minutes[i] + offset);
        n++;
        sum_x += x;
        sum_y += y;
        sum_xx += x * x;
        sum_xy += x * y;
    }
    double below = n * sum_xx - sum_x * sum_x;
    return below > 0 ? (n * sum_xy - sum_x * sum_y) / below * 60 : 0;
}

/* Of a quarter of the minutes; the first one is none of them. */
static double mean(const struct soak *soak, size_t offset, bool is_last)
{
    unsigned quarter = soak->count > 8 ? (soak->count - 1) / 4 : 1;
    unsigned first = is_last || soak->count < 2 ? soak->count - quarter : 1;
    double sum = 0;
    for (unsigned i = first; i < first + quarter; i++)
        sum += *(const double *)((const char *)&soak->minutes[i] + offset);
    return sum / quarter;
}

static void report_slopes(const struct soak *soak, struct report *report)
{
    static const struct {
        size_t offset;
        const char *first, *last, *slope, *what;
    } lines[] = {
        {offsetof(struct minute, p50_ms), "p50_ms_first", "p50_ms_last", "p50_ms_an_hour",
         "p50 of a hold, last quarter beside the first, ms"},
        {offsetof(struct minute, p99_ms), "p99_ms_first", "p99_ms_last", "p99_ms_an_hour",
         "p99 of a hold, last quarter beside the first, ms"},
        {offsetof(struct minute, rss_mib), "rss_mib_first", "rss_mib_last", "rss_mib_an_hour",
         "memory, last quarter beside the first, MiB"},
        {offsetof(struct minute, wal_mib), "wal_mib_first", "wal_mib_last", "wal_mib_an_hour",
         "log, last quarter beside the first, MiB"},
        {offsetof(struct minute, fds), "fds_first", "fds_last", "fds_an_hour",
         "descriptors, last quarter beside the first"},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        double first = mean(soak, lines[i].offset, false), last = mean(soak, lines[i].offset, true);
        report_figure(report, lines[i].first, first);
        report_figure(report, lines[i].last, last);
        report_figure(report, lines[i].slope, slope(soak, lines[i].offset));
        report_aim(report,
                   (struct report_aim){.what = lines[i].what, .value = last, .floor = first});
    }
}

static enum err play(struct soak *soak, struct report *report)
{
    struct onsale_run *run = &soak->run;
    struct onsale_findings findings;
    (void)onsale_watch_until(run, run->onsale_ns);
    soak->listeners =
        (struct onsale_listeners){.port = run->child.port, .count = LISTENERS, .event = run->event};
    enum err err = onsale_listeners_start(&soak->listeners);
    while (!err && soak->count < soak->wanted && !run->has_failed) {
        onsale_set_part(run, soak->count + 1, run->plan.rate, false);
        (void)onsale_watch_for(run, 60 * 1000);
        note_minute(soak);
    }
    if (!err) {
        report_figure(report, "minutes", soak->count);
        report_figure(report, "listeners_deltas", (double)soak->listeners.figures->deltas);
        report_figure(report, "listeners_opened", (double)soak->listeners.figures->opened);
        report_figure(report, "listeners_resyncs", (double)soak->listeners.figures->resyncs);
    }
    onsale_listeners_stop(&soak->listeners);
    if (!err)
        err = onsale_people_stop(&run->people);
    if (!err)
        err = onsale_check(run, &findings);
    if (err || run->has_failed || soak->count == 0)
        return err ? err : ERR_IO;
    report->ok = true;
    report_slopes(soak, report);
    onsale_report_people(run, report);
    onsale_report_proof(run, &findings, report);
    return ERR_OK;
}

bool scenario_soak(const struct scenario_options *options, struct report *report)
{
    struct soak *soak = calloc(1, sizeof(*soak));
    report->scenario = "soak";
    if (!soak)
        return false;
    soak->wanted = options->minutes ? (unsigned)options->minutes : MINUTES;
    if (soak->wanted > MINUTES_MAX)
        soak->wanted = MINUTES_MAX;
    double rate = options->rate ? options->rate : SOAK_RATE;
    soak->run.line_ms = 60 * 1000;
    soak->run.plan = (struct onsale_plan){.people = (soak->wanted + 1) * COMERS_PER_MIN,
                                          .seats = SOAK_SEATS,
                                          .rate = rate,
                                          .cap = SOAK_CAP,
                                          .admit_per_minute = SOAK_ADMISSIONS,
                                          .hold_ttl_s = SOAK_TTL_S,
                                          .arrive_s = (int)soak->wanted * 60,
                                          .join_s = JOIN_S,
                                          .fresh_share = SOAK_SALES / rate,
                                          .abandon_share = SOAK_ABANDON};
    enum err err = onsale_open(&soak->run);
    if (!err)
        err = play(soak, report);
    report_figure(report, "server_memory_mib", (double)child_memory_mib(&soak->run.child));
    if (err)
        onsale_drop(&soak->run);
    else
        report->ok = onsale_close(&soak->run) && report->ok;
    free(soak);
    return !err;
}
