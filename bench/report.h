/* What a scenario found: figures and floors, printed as a table and written as JSON. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>

#include "hist.h"

#define REPORT_LINES_MAX 64

struct report_line {
    const char *name; /* static: "holds_per_s" */
    double value;
    bool is_floor;
};

struct report {
    const char *scenario;
    bool ok; /* false when an invariant broke */
    unsigned count;
    struct report_line lines[REPORT_LINES_MAX];
};

void report_figure(struct report *report, const char *name, double value);
void report_floor(struct report *report, const char *name, double value);
/* p50, p95, p99 and max in milliseconds; the names must be static. */
void report_latency(struct report *report, const struct hist *hist, const char *const names[4]);
void report_print(const struct report *report);
/* json_path may be NULL. Returns false when it cannot be written. */
bool report_write(const struct report *report, const char *json_path);

#endif
