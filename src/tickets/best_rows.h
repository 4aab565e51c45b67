/*
 * A plan as parties see it: stretches of seats side by side, nearest to the focal point first.
 *
 * A row of the plan is cut where the distance between neighbours says that there is an aisle; what
 * is left is a bench: whoever sits on it has neighbours. A run is the part of a bench that one
 * category has. Parties get seats of one run; who is left alone is a question of the bench.
 *
 * The focal point of a category is its own, or the plan's, or follows from the rows: where all rows
 * face one way, the middle in front of them; else the middle of where the first rows lie around.
 *
 * Made once a plan, immutable, in the layout's arena.
 */
#ifndef TICKETS_BEST_ROWS_H
#define TICKETS_BEST_ROWS_H

#include "tickets/layout.h"

enum best_flag {
    BEST_BENCH_START = 1, /* nobody sits before this place */
    BEST_ACCESSIBLE = 2
};

struct best_run {
    uint32_t first, count; /* places */
    uint32_t section_no, category_no;
    float distance; /* mean of its seats' */
};

/* A place is a seat's number in the order of benches. */
struct best_rows {
    uint32_t place_count;
    uint32_t *seat_nos;    /* by place */
    uint32_t *places;      /* by seat_no */
    float *distances;      /* by place: to its category's focal point, in the plan's units */
    uint8_t *flags;        /* by place, enum best_flag */
    struct best_run *runs; /* nearest first */
    uint32_t run_count;
    uint32_t *run_nos;        /* by place */
    uint32_t *category_runs;  /* numbers of runs by category, nearest first within each */
    uint32_t *category_first; /* by category_no, and one behind the last: where it begins there */
    uint32_t *category_seats; /* seats of the plan by category_no */
    struct layout_focus *focuses; /* by category_no; all given */
};

/* Of a layout whose seats, sections and categories are there. ERR_NOMEM. */
ERR_MUST_USE enum err best_rows_make(struct layout *layout, struct best_rows **ret_rows);

/* For tests and drawings: where people want to sit near when nobody says so. */
struct layout_focus best_rows_focus(const struct layout *layout);

#endif
