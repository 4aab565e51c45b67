/*
 * The people of an on-sale, in processes of their own. Each has an account with a session, comes
 * to the waiting room, asks for its place as often as it is told to, and once it is inside tries
 * for two seats whenever the process sends it to: attempts are due at a rate of their own (open
 * loop, Poisson) and taken by whoever is inside and has nothing under way. Who gets seats pays, is
 * told twice or late, lets them go, or never comes back.
 *
 *   out ──▶ waiting ──▶ inside ◀──▶ holding ──▶ paying ──▶ done | gone
 *
 * Orders, figures and records are in memory that the processes share with the scenario, which only
 * reads what they write. Everything that is proven about the sale comes from these records and
 * from the database.
 */
#ifndef BENCH_ONSALE_PEOPLE_H
#define BENCH_ONSALE_PEOPLE_H

#include <stdatomic.h>
#include <sys/types.h>

#include "hist.h"
#include "seed.h"

#define ONSALE_PROCESSES_MAX 16
#define ONSALE_PHASES_MAX    160
#define ONSALE_PEOPLE_MAX    18000 /* of a process, which may have 20,000 descriptors */
#define ONSALE_STAYS         2     /* of a person; more are not noted */
#define ONSALE_SEATS         2     /* of a hold */
#define ONSALE_SOURCES       30000

/* Where people tell what they saw; each has a writer. */
struct onsale_phase_figures {
    struct hist holds;   /* answered attempts, from the time they were due */
    struct hist granted; /* of them those that were given their seats */
    struct hist served;  /* all of them, from the time they were sent */
    uint64_t due, answered, unsent, nobody;
};

struct onsale_tally {
    uint64_t joined, polls, came_in, lapsed, reopened; /* waiting room */
    uint64_t granted, taken, not_inside, limited, rated, challenged, busy, unexpected; /* holds */
    uint64_t abandoned, given_back, told_twice, told_late, never_told, cards_failed;   /* moods */
    uint64_t confirmed, expired, failed;                                               /* ends */
    uint64_t double_grants, double_sales;
};

struct onsale_figures {
    struct onsale_tally tally;
    struct hist polls; /* answers in the waiting room */
    _Atomic uint64_t ready, shopping, sold_count;
    struct onsale_phase_figures phases[ONSALE_PHASES_MAX];
};

/* A person was surely inside from the first answer that took its token until the sending of the
 * last request that was answered so. */
struct onsale_stay {
    int64_t from_ns, to_ns;
};

struct onsale_sold {
    uint64_t booking_id;
    uint32_t seats[ONSALE_SEATS];
};

struct onsale_orders {
    /* Before the start. */
    unsigned processes, port, bank_port;
    size_t people, per_process;
    unsigned seats;
    struct seed_arena arena;
    char event[40];
    bool has_room;      /* else everybody is inside at once */
    bool keeps_sockets; /* of those who wait, too */
    bool has_networks;  /* X-Forwarded-For: a network of its own for each */
    int64_t join_from_ns, join_until_ns;
    int hold_ttl_s;
    double fresh_share;   /* of the attempts: for seats that the map shows as free */
    double abandon_share; /* of the holds; the others of the moods come on top */
    /* While it runs. */
    _Atomic unsigned phase;
    _Atomic uint64_t rate; /* attempts a second, of all processes */
    _Atomic bool is_measured, is_ending, is_over;
};

struct onsale_people {
    struct onsale_orders *orders;
    struct onsale_figures *figures; /* a process each */
    struct onsale_stay *stays;      /* ONSALE_STAYS a person */
    struct onsale_sold *sold;       /* a person each, in its process's part, from the front */
    _Atomic int64_t *held_until_ns; /* a seat: for so long it is surely somebody's */
    _Atomic uint32_t *sold_times;   /* a seat */
    char (*tokens)[SEED_TOKEN_SIZE];
    pid_t pids[ONSALE_PROCESSES_MAX];
};

/* Memory for that many; orders->people and seats are set. */
ERR_MUST_USE enum err onsale_people_init(struct onsale_people *people, size_t count,
                                         unsigned seats);
void onsale_people_release(struct onsale_people *people);
/* Starts the processes, when the orders are complete. */
ERR_MUST_USE enum err onsale_people_start(struct onsale_people *people);
/* Tells them that it is over, and waits. ERR_IO: one did not end well. */
ERR_MUST_USE enum err onsale_people_stop(struct onsale_people *people);
/* Sums. */
void onsale_people_tally(const struct onsale_people *people, struct onsale_tally *ret_tally);
void onsale_people_phase(const struct onsale_people *people, unsigned first, unsigned end,
                         struct onsale_phase_figures *ret_figures);
void onsale_people_polls(const struct onsale_people *people, struct hist *ret_hist);

#endif
