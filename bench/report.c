/* Scenario reports; see report.h. */
#include "report.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void report_add(struct report *report, const char *name, double value, bool is_floor)
{
    assert(report->count < REPORT_LINES_MAX);
    report->lines[report->count++] = (struct report_line){name, value, is_floor};
}

void report_figure(struct report *report, const char *name, double value)
{
    report_add(report, name, value, false);
}

void report_floor(struct report *report, const char *name, double value)
{
    report_add(report, name, value, true);
}

void report_aim(struct report *report, struct report_aim aim)
{
    assert(report->aim_count < REPORT_AIMS_MAX);
    report->aims[report->aim_count++] = aim;
}

static bool has_aim(const struct report_aim *aim)
{
    return aim->at_least > 0 || aim->at_most > 0;
}

bool report_aim_is_met(const struct report_aim *aim)
{
    double value = !aim->is_ratio ? aim->value : aim->floor > 0 ? aim->value / aim->floor : 0;
    return (aim->at_least <= 0 || value >= aim->at_least) &&
           (aim->at_most <= 0 || value <= aim->at_most);
}

void report_latency(struct report *report, const struct hist *hist, const char *const names[4])
{
    report_figure(report, names[0], hist_ms(hist, 0.50));
    report_figure(report, names[1], hist_ms(hist, 0.95));
    report_figure(report, names[2], hist_ms(hist, 0.99));
    report_figure(report, names[3], (double)hist->max_ns / 1e6);
}

double report_value(const struct report *report, const char *name)
{
    for (unsigned i = 0; i < report->count; i++) {
        if (strcmp(report->lines[i].name, name) == 0)
            return report->lines[i].value;
    }
    return 0;
}

void report_print(const struct report *report)
{
    printf("\n%s: %s\n", report->scenario, report->ok ? "ok" : "FAILED");
    for (unsigned i = 0; i < report->count; i++)
        printf("  %-28s %14.2f%s\n", report->lines[i].name, report->lines[i].value,
               report->lines[i].is_floor ? "  (floor)" : "");
    for (unsigned i = 0; i < report->aim_count; i++)
        if (has_aim(&report->aims[i]))
            printf("  aim %s: %s\n", report_aim_is_met(&report->aims[i]) ? "met   " : "MISSED",
                   report->aims[i].what);
}

static void write_lines(FILE *file, const struct report *report, bool floors)
{
    const char *separator = "";
    for (unsigned i = 0; i < report->count; i++) {
        if (report->lines[i].is_floor != floors)
            continue;
        fprintf(file, "%s\"%s\":%.3f", separator, report->lines[i].name, report->lines[i].value);
        separator = ",";
    }
}

static void write_aims(FILE *file, const struct report *report)
{
    for (unsigned i = 0; i < report->aim_count; i++) {
        const struct report_aim *aim = &report->aims[i];
        fprintf(file,
                "%s{\"what\":\"%s\",\"value\":%.3f,\"floor\":%.3f,\"is_ratio\":%s,"
                "\"at_least\":%.3f,\"at_most\":%.3f,\"met\":%s}",
                i ? "," : "", aim->what, aim->value, aim->floor, aim->is_ratio ? "true" : "false",
                aim->at_least, aim->at_most,
                !has_aim(aim)            ? "null"
                : report_aim_is_met(aim) ? "true"
                                         : "false");
    }
}

bool report_write(const struct report *report, const char *json_path)
{
    if (!json_path)
        return true;
    FILE *file = fopen(json_path, "w");
    if (!file)
        return false;
    fprintf(file, "{\"scenario\":\"%s\",\"ok\":%s,\"figures\":{", report->scenario,
            report->ok ? "true" : "false");
    write_lines(file, report, false);
    fprintf(file, "},\"floors\":{");
    write_lines(file, report, true);
    fprintf(file, "},\"aims\":[");
    write_aims(file, report);
    fprintf(file, "]}\n");
    return fclose(file) == 0;
}
