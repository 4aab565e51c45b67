/* An event's sales in figures. */
#ifndef TICKETS_REPORT_H
#define TICKETS_REPORT_H

#include "tickets/limits.h"
#include "tickets/report_store.h"

struct report_category {
    int64_t booked, held, blocked, available; /* places */
    int64_t revenue;                          /* minor units; what was given back is in it */
};

struct report {
    struct report_category total;
    int64_t refunded; /* price of the tickets that were given back */
    struct report_category categories[PLAN_CATEGORIES_MAX];
    struct report_hour *hours; /* oldest first; arena */
    size_t hour_count;
};

/*
 * Booked places and money are read from the tickets, held, blocked and free ones from the model:
 * they may be some transactions apart while a sale runs. ret_report is overwritten. Pool threads.
 */
ERR_MUST_USE enum err report_make(struct db *db, const struct event_model *model,
                                  struct arena *arena, struct report *ret_report);

#endif
