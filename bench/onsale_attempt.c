/* Attempts to hold two seats: when they are due, who makes them, for which seats, and what came
 * of it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/queue.h"
#include "base/rand.h"
#include "onsale_person.h"

#define HOT_PAIRS       400 /* what everybody wants */
#define RATE_RECHECK_NS 50000000
#define FAILURES        3
#define MARGIN_MS       2000 /* a hold is surely somebody's until so long before its end */
#define LIMITED_WAIT_MS 2000
#define NS_PER_S        1e9

/* SplitMix64. */
static uint64_t draw(struct crowd_process *process)
{
    uint64_t z = process->seed += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static double draw_share(struct crowd_process *process)
{
    return ((double)(draw(process) >> 11) + 1) / 9007199254740993.0; /* in (0, 1) */
}

void attempts_see(struct crowd_process *process, struct str bits)
{
    unsigned pairs = process->orders->seats / ONSALE_SEATS;
    process->free_count = 0;
    for (unsigned i = 0; i < pairs && (size_t)i * ONSALE_SEATS / 4 < bits.len; i++) {
        unsigned byte = (unsigned char)bits.data[i * ONSALE_SEATS / 4];
        if (((byte >> (i * ONSALE_SEATS % 4 * 2)) & 0xf) == 0)
            process->free_pairs[process->free_count++] = i;
    }
}

static unsigned choose_pair(struct crowd_process *process)
{
    unsigned pairs = process->orders->seats / ONSALE_SEATS;
    bool is_fresh = atomic_load_explicit(&process->orders->is_ending, memory_order_relaxed)
                        ? draw_share(process) < 2 * process->orders->fresh_share
                        : draw_share(process) < process->orders->fresh_share;
    if (is_fresh && process->free_count > 0)
        return process->free_pairs[draw(process) % process->free_count];
    return (unsigned)(draw(process) % (pairs < HOT_PAIRS ? pairs : HOT_PAIRS));
}

static void send_attempt(struct crowd_process *process, struct person *person, int64_t due_ns)
{
    char body[256], key[64], ids[ONSALE_SEATS][24];
    unsigned pair = choose_pair(process);
    for (unsigned i = 0; i < ONSALE_SEATS; i++) {
        person->seats[i] = pair * ONSALE_SEATS + i;
        seed_seat_id(&process->orders->arena, person->seats[i], ids[i]);
    }
    int len = snprintf(body, sizeof(body), "{\"event_id\":\"%s\",\"seat_ids\":[\"%s\",\"%s\"]}",
                       process->orders->event, ids[0], ids[1]);
    snprintf(key, sizeof(key), "hold-%zu-%u", person->number, person->attempts++);
    person_leave_idle(person);
    process->holding++;
    person->step = PERSON_HOLD;
    person->hold_sent_ns = clock_mono_ns();
    person->phase = atomic_load_explicit(&process->orders->phase, memory_order_relaxed);
    process->figures->phases[person->phase].due++;
    person_send(person, "POST", "/v1/bookings", str_from(body, (size_t)len), key, due_ns);
}

static void step_on(struct crowd_process *process, double rate)
{
    process->next_ns += (int64_t)(-log(draw_share(process)) * NS_PER_S / rate);
}

/* Who is due finds nobody inside: while it is measured, and somebody is at it, the attempt
 * waits. */
static int64_t on_turn(struct load_source *source, int64_t now_ns)
{
    struct crowd_process *process = container_of(source, struct crowd_process, source);
    struct onsale_orders *orders = process->orders;
    double rate = (double)atomic_load_explicit(&orders->rate, memory_order_relaxed) /
                  (double)orders->processes;
    if (rate <= 0) {
        process->next_ns = now_ns;
        return now_ns + RATE_RECHECK_NS;
    }
    while (process->next_ns <= now_ns) {
        unsigned phase = atomic_load_explicit(&orders->phase, memory_order_relaxed);
        if (process->idle_count > 0) {
            struct person *person = process->idle[draw(process) % process->idle_count];
            send_attempt(process, person, process->next_ns);
        } else if (process->holding > 0 &&
                   atomic_load_explicit(&orders->is_measured, memory_order_relaxed)) {
            return INT64_MAX; /* an answer brings somebody back */
        } else {
            process->figures->phases[phase].nobody++;
        }
        step_on(process, rate);
    }
    return process->next_ns;
}

/* What was due while everybody was at it, and is not sent yet, at the end of everything. */
void attempts_finish(struct crowd_process *process)
{
    struct onsale_orders *orders = process->orders;
    int64_t late_ns = clock_mono_ns() - process->next_ns;
    double rate = (double)atomic_load(&orders->rate) / (double)orders->processes;
    if (late_ns > 0 && rate > 0)
        process->figures->phases[atomic_load(&orders->phase)].unsent +=
            (uint64_t)((double)late_ns * rate / NS_PER_S);
}

/* --- Answers --- */

/* Both seats are this person's from now on, until shortly before the hold ends. If they are
 * somebody's still, who has done nothing to lose them, they were given to two. */
static void note_grant(struct person *person)
{
    struct crowd_process *process = person->process;
    int64_t now_ns = clock_mono_ns();
    int64_t until_ns =
        person->hold_sent_ns + (process->orders->hold_ttl_s * 1000LL - MARGIN_MS) * 1000000LL;
    for (unsigned i = 0; i < ONSALE_SEATS; i++) {
        int64_t before_ns =
            atomic_exchange(&process->people->held_until_ns[person->seats[i]], until_ns);
        if (before_ns > now_ns) {
            process->figures->tally.double_grants++;
            fprintf(stderr, "onsale: seat %u was granted to person %zu while it was another's\n",
                    person->seats[i], person->number);
        }
    }
}

static void on_refused(struct person *person, const struct load_answer *answer)
{
    struct onsale_tally *tally = &person->process->figures->tally;
    char type[PEEK_SIZE] = "";
    (void)peek_text(answer->body, "type", type, sizeof(type));
    if (answer->status == 409) {
        bool is_taken = strstr(type, "seats-unavailable") != NULL;
        tally->taken += is_taken;
        tally->busy += !is_taken;
        if (is_taken)
            person_note_stay(person);
    } else if (answer->status == 403 && strstr(type, "waiting-room")) {
        tally->not_inside++;
        person_end_stay(person);
        person_poll(person);
        return;
    } else if (answer->status == 403 && strstr(type, "challenge")) {
        tally->challenged++;
    } else if (answer->status == 422 || answer->status == 429) {
        tally->limited += answer->status == 422;
        tally->rated += answer->status == 429;
        if (answer->status == 422 && tally->limited <= FAILURES)
            fprintf(stderr, "onsale: %.*s\n", STR_ARG(answer->body));
        person->step = PERSON_INSIDE;
        person->pause_ms = LIMITED_WAIT_MS;
        person_wake(person, LIMITED_WAIT_MS);
        return;
    } else if (answer->status == 503 || answer->status == 0) {
        tally->busy++;
    } else if (tally->unexpected++ < FAILURES) {
        fprintf(stderr, "onsale: hold: %d %.*s\n", answer->status, STR_ARG(answer->body));
    }
    person_become_idle(person);
}

void attempts_on_answer(struct person *person, const struct load_answer *answer)
{
    struct crowd_process *process = person->process;
    struct onsale_phase_figures *phase = &process->figures->phases[person->phase];
    process->holding--;
    phase->answered++;
    hist_add(&phase->holds, answer->latency_ns);
    hist_add(&phase->served, clock_mono_ns() - person->hold_sent_ns);
    if (answer->status != 201 ||
        !peek_text(answer->body, "id", person->booking, sizeof(person->booking))) {
        on_refused(person, answer);
        return;
    }
    hist_add(&phase->granted, answer->latency_ns);
    process->figures->tally.granted++;
    person_note_stay(person);
    note_grant(person);
    buy_begin(person);
}

enum err attempts_init(struct crowd_process *process)
{
    size_t pairs = process->orders->seats / ONSALE_SEATS;
    process->free_pairs = calloc(pairs, sizeof(*process->free_pairs));
    if (!process->free_pairs)
        return ERR_NOMEM;
    process->seed = rand_u64();
    process->next_ns = clock_mono_ns();
    process->source.on_turn = on_turn;
    load_add_source(process->load, &process->source);
    return ERR_OK;
}
