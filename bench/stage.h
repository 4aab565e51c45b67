/*
 * The stage that scenarios play on: a server of their own with buyers, an arena of 50,000 seats and
 * events in it, all on sale. Closing it stops the server and audits what it left.
 */
#ifndef BENCH_STAGE_H
#define BENCH_STAGE_H

#include "load.h"
#include "report.h"
#include "seed.h"

#define STAGE_EVENTS_MAX 40
#define STAGE_SEATS      50000

struct stage {
    /* Given. */
    unsigned event_count;
    size_t buyer_count;           /* 0: 5,000 */
    const char *const *arguments; /* more for `foyer serve`, NULL-terminated; or NULL */
    bool has_defence; /* against bots; each buyer comes from a network of their own then */
    /* Made. */
    struct child child;
    struct seed_buyers buyers;
    struct seed_arena arena;
    char venue[40];
    char events[STAGE_EVENTS_MAX][40];
};

/* stage_dir makes the directory, for floors that run before the server; stage_open the rest. */
ERR_MUST_USE enum err stage_dir(struct stage *stage);
ERR_MUST_USE enum err stage_open(struct stage *stage);
/* Stops the server, audits, cleans up. False when it did not end well or the audit found
 * something. */
bool stage_close(struct stage *stage, struct report *report);
/* After a failure: kills what runs, removes everything. */
void stage_drop(struct stage *stage);

/* Holds of pairs of neighbouring seats, in random order, each pair once. */
struct pairs {
    struct stage *stage;
    unsigned count;  /* of one event */
    unsigned *order; /* shuffled */
    unsigned first_event, event_end;
    uint64_t next;        /* counted over all events */
    uint64_t end;         /* so many are given away; 0: all */
    uint64_t keys;        /* Idempotency-Keys used */
    const char *key_name; /* keeps the keys of two users of one stage apart */
    const char *token;    /* of the buyer who made the last request */
    char headers[256], body[256];
};

ERR_MUST_USE enum err pairs_init(struct pairs *pairs, struct stage *stage);
void pairs_release(struct pairs *pairs);
/* The next pair that nobody asked for; false when all are given away. The request borrows from the
 * pairs until the next call. */
bool pairs_next(struct pairs *pairs, struct load_request *ret_request);
/* A hold of this pair of this event with a new key. */
void pairs_request(struct pairs *pairs, unsigned event, unsigned pair,
                   struct load_request *ret_request);

/* What answers to holds were. */
struct hold_tally {
    uint64_t granted, refused, failed;
};
/* Counts an answer; the first failures are printed. */
void hold_tally_add(struct hold_tally *tally, const struct load_answer *answer);

/* Holds as fast as they are answered, on connections [first, first + count). */
struct closed_holds {
    struct pairs *pairs;
    int64_t until_ns, measure_ns;
    /* Found. */
    struct hold_tally tally;
    struct hist hist;
    uint64_t measured;
    unsigned running;
    int64_t last_answer_ns;
};
void closed_holds_start(struct closed_holds *holds, struct load *load, size_t first, size_t count);
bool closed_holds_are_over(void *holds);
double closed_holds_rate(const struct closed_holds *holds);
/* Holds the next count pairs; ERR_CONFLICT when not all were granted. */
ERR_MUST_USE enum err pairs_take(struct pairs *pairs, unsigned count);

#endif
