/*
 * What an on-sale's run is made of: a server with one hot event behind a waiting room, people in
 * other processes (onsale_people.h), holds of other nights that all end in the same second, and a
 * connection of its own into the database, by which rules are checked while it runs and
 * afterwards.
 */
#ifndef BENCH_ONSALE_RUN_H
#define BENCH_ONSALE_RUN_H

#include "onsale_people.h"
#include "report.h"

struct db;

struct onsale_plan {
    bool is_brief;        /* ends after the mass expiry */
    bool is_open;         /* without a waiting room: what it costs, and what it bounds */
    size_t people, early; /* holds of other nights */
    unsigned seats;
    double rate;
    int cap, admit_per_minute;
    int hold_ttl_s;
    int arrive_s; /* people come until so long after the opening; 0: before it */
    double sales_per_s;
    int join_s, ramp_s, steady_s; /* ramp: from the opening until it is measured */
    double fresh_share, abandon_share;
};

struct onsale_run {
    struct onsale_plan plan;
    struct child child;
    struct seed_arena arena;
    struct seed_buyers accounts; /* people first, then the other nights' */
    struct onsale_people people;
    char venue[40], event[40];
    uint64_t event_id;
    unsigned bank_port;
    int64_t ends_at_ms;              /* the other nights' holds: within the second from then on */
    int64_t onsale_at_ms, onsale_ns; /* the same moment by two clocks */
    struct db *db;
    int64_t admitted_max;   /* of all samples */
    int64_t admitted, sold; /* of the last one; sold: seats */
    bool has_failed, has_networks;
    int64_t line_ms; /* between two lines that are printed; 0: 5 s */
};

/* Milliseconds from now on the monotonic clock. */
void onsale_nap(int64_t ms);

/* --- onsale_stage.c --- */

/* Accounts, server, venue, the event, the other nights' holds; the people are ready and wait. */
ERR_MUST_USE enum err onsale_open(struct onsale_run *run);
/* Stops people and server, as well as they can be. */
void onsale_drop(struct onsale_run *run);
/* The same at the end of a run: audits and cleans up. False when something did not end well. */
bool onsale_close(struct onsale_run *run);

/* --- onsale_early.c --- */

/* count holds of one seat each, all of which end within the second from ends_at_ms on: taken
 * second by second, in each for another night, whose holds live as long as is left. ERR_TIMEOUT:
 * not done at until_ms. */
struct early_holds {
    unsigned port;
    const char *venue;
    const struct seed_arena *arena;
    char (*tokens)[SEED_TOKEN_SIZE];
    size_t count;
    int64_t ends_at_ms, until_ms;
    bool has_networks;
    size_t network; /* of the first */
};
ERR_MUST_USE enum err early_holds_take(const struct early_holds *early);

/* --- onsale_check.c --- */

/* Looks at the rows: who is admitted and waits, what is sold. */
ERR_MUST_USE enum err onsale_sample(struct onsale_run *run);
/* How many of the other nights' holds have not ended. */
ERR_MUST_USE enum err onsale_others_open(struct onsale_run *run, int64_t *ret_open);
/* Most people at once who were surely inside, by what they saw. */
int64_t onsale_stays_max(const struct onsale_run *run);

struct onsale_findings {
    int64_t admitted_max;     /* by the rows of all admissions, with their times */
    int64_t seats_sold;       /* by confirmed bookings */
    int64_t seats_sold_twice; /* more than once */
    int64_t sales_unknown; /* people saw them confirmed, with these seats; the rows do not say so */
    int64_t others_ended;  /* of other nights, in the one second */
    int64_t others_open;   /* of them, not ended at all */
};
ERR_MUST_USE enum err onsale_check(struct onsale_run *run, struct onsale_findings *ret_findings);

/* --- onsale_report.c --- */

/* Since the opening. */
double onsale_seconds(const struct onsale_run *run);
/* What people do from now on belongs to this phase. */
void onsale_set_part(struct onsale_run *run, unsigned part, double rate, bool is_measured);
void onsale_print(struct onsale_run *run);
/* Looks at the rows until then, ten times a second. False: something failed. */
bool onsale_watch_until(struct onsale_run *run, int64_t until_ns);
bool onsale_watch_for(struct onsale_run *run, int64_t ms);
/* Figures; report->ok becomes false when one of them must not be. */
void onsale_report_people(struct onsale_run *run, struct report *report);
void onsale_report_proof(struct onsale_run *run, const struct onsale_findings *findings,
                         struct report *report);

#endif
