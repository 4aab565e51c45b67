/* What a scenario found: figures, floors and aims, printed as a table and written as JSON. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>

#include "hist.h"

#define REPORT_LINES_MAX 128
#define REPORT_AIMS_MAX  16

struct report_line {
    const char *name; /* static: "holds_per_s" */
    double value;
    bool is_floor;
};

/* A figure that something was promised of. The floor is what the machine does without Foyer, for
 * latencies without the load. Missing an aim is not a failure of the run. */
struct report_aim {
    const char *what; /* static, for people: "holds a second" */
    double value;
    double floor;    /* 0: none */
    bool is_ratio;   /* the aim is for value / floor, not for the value */
    double at_least; /* 0: no such aim */
    double at_most;  /* 0: no such aim */
};

struct report {
    const char *scenario;
    bool ok; /* false when an invariant broke */
    unsigned count, aim_count;
    struct report_line lines[REPORT_LINES_MAX];
    struct report_aim aims[REPORT_AIMS_MAX];
};

void report_figure(struct report *report, const char *name, double value);
void report_floor(struct report *report, const char *name, double value);
void report_aim(struct report *report, struct report_aim aim);
bool report_aim_is_met(const struct report_aim *aim);
/* p50, p95, p99 and max in milliseconds; the names must be static. */
void report_latency(struct report *report, const struct hist *hist, const char *const names[4]);
/* A line's value; 0: there is none. */
double report_value(const struct report *report, const char *name);
void report_print(const struct report *report);
/* json_path may be NULL. Returns false when it cannot be written. */
bool report_write(const struct report *report, const char *json_path);

#endif
