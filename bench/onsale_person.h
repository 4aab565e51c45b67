/* What the files of a process of people share; see onsale_people.h. One thread. */
#ifndef BENCH_ONSALE_PERSON_H
#define BENCH_ONSALE_PERSON_H

#include "load.h"
#include "onsale_people.h"

#define TILLS          8 /* connections of a process to the bank */
#define PEEK_SIZE      128
#define BOOKING_SIZE   64
#define ENTRY_SIZE     40
#define ADMISSION_SIZE 128

enum person_step {
    PERSON_OUT,
    PERSON_JOIN,   /* asked to be let in */
    PERSON_WAITS,  /* until its time to ask */
    PERSON_POLL,   /* asked for its place */
    PERSON_INSIDE, /* nothing under way: may be sent to try */
    PERSON_HOLD,
    PERSON_GIVE_BACK,
    PERSON_CHECKOUT,
    PERSON_URL,  /* until it knows where to pay */
    PERSON_PAYS, /* at the bank, or in front of it */
    PERSON_END,  /* until it knows what came of it */
    PERSON_GONE
};

enum person_mood {
    MOOD_PAYS,
    MOOD_ABANDONS,
    MOOD_GIVES_BACK,
    MOOD_CARD_FAILS,
    MOOD_TOLD_TWICE,
    MOOD_TOLD_LATE,
    MOOD_NEVER_TOLD
};

struct crowd_process;

struct person {
    struct crowd_process *process;
    struct load_conn *conn;
    size_t number; /* of all people */
    enum person_step step;
    enum person_mood mood;
    bool is_admitted, is_asking; /* asking: a booking's state is under way */
    unsigned attempts, stays, phase, polls;
    size_t idle_at; /* its place in the process's list, from 1; 0: not there */
    uint32_t seats[ONSALE_SEATS];
    int64_t wake_ns, sent_ns, hold_sent_ns, pause_ms;
    char entry[ENTRY_SIZE], admission[ADMISSION_SIZE], booking[BOOKING_SIZE], pay_path[PEEK_SIZE];
};

struct till {
    struct crowd_process *process;
    struct person *person; /* who pays; NULL: free */
};

struct crowd_process {
    struct onsale_people *people;
    struct onsale_orders *orders;
    struct onsale_figures *figures;
    struct load *load;
    unsigned index;
    struct person *persons;
    size_t count;
    struct person **idle;
    size_t idle_count, holding;
    struct till tills[TILLS];
    struct person **paying; /* a ring: who stands in front of the bank */
    size_t paying_first, paying_count;
    uint32_t *free_pairs;
    size_t free_count;
    struct load_source source;
    int64_t next_ns;
    uint64_t seed;
    struct onsale_sold *sold;
};

/* The text or number behind "name": in JSON of ours; false: it is not there. */
bool peek_text(struct str json, const char *name, char *ret_text, size_t size);
bool peek_number(struct str json, const char *name, int64_t *ret_number);

void person_send(struct person *person, const char *method, const char *path, struct str body,
                 const char *key, int64_t intended_ns);
/* on_timer not before so many milliseconds from now; what it was told before does not count any
 * more. */
void person_wake(struct person *person, int64_t delay_ms);
void person_become_idle(struct person *person);
void person_leave_idle(struct person *person);
/* It was answered as somebody who is inside. */
void person_note_stay(struct person *person);
void person_end_stay(struct person *person);
void person_goes(struct person *person);
/* Asks for its place, or for a new token. */
void person_poll(struct person *person);

/* Seats are granted: what follows. */
void buy_begin(struct person *person);
void buy_on_answer(struct person *person, const struct load_answer *answer);
void buy_on_timer(struct person *person);
void till_on_answer(struct load_conn *conn, const struct load_answer *answer);

/* Attempts; see onsale_attempt.c. */
enum err attempts_init(struct crowd_process *process);
void attempts_on_answer(struct person *person, const struct load_answer *answer);
void attempts_finish(struct crowd_process *process);
/* The map's bits have come: which pairs of seats are free. */
void attempts_see(struct crowd_process *process, struct str bits);

#endif
