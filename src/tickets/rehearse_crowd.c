/*
 * The people of a rehearsal. Each arrives at a time that the arrival curve says and goes on from step
 * to step: into the waiting room if there is one, to a hold of the best places, to the bank. A heap
 * has what is due next; a few workers with a connection each do it. When all of them are busy, what is
 * due waits, and its latency has that wait in it: slow answers are not hidden.
 */
#include "tickets/rehearse.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/json.h"

#define POLL_NS    200000000LL /* of a booking whose payment is being prepared or confirmed */
#define POLLS_MAX  200
#define PAUSE_NS   1000000
#define PARTY_SIZE 2

enum step {
    STEP_ENTER,
    STEP_WAIT,
    STEP_HOLD,
    STEP_CHECKOUT,
    STEP_BANK,
    STEP_PAY,
    STEP_CONFIRM,
    STEP_DONE
};

struct person {
    enum step step;
    int polls;
    char entry[40], booking[48];
    char admission[256], bank[200]; /* "": none */
};

struct crowd {
    const struct rehearse_crowd_options *options;
    struct rehearse_result *result;
    struct person *people;
    int64_t begun_ns, end_ns;
    pthread_mutex_t lock; /* all below, and result */
    struct heap due;      /* by time, in nanoseconds here; id: number of the person */
    int64_t open;         /* people who are not done */
};

/* One worker's turn with a person. */
struct turn {
    struct crowd *crowd;
    struct person *person;
    int64_t number, due_ns;
    struct rehearse_wire *server, *bank;
    struct buf *answer;
    struct arena arena;
    struct json_node *node; /* of the answer; NULL: not JSON */
    int status;
    int64_t next_ns; /* when the next step is due */
};

/* --- Counting; the lock is held --- */

static void count_kind(struct rehearse_result *result, const char *name)
{
    size_t i = 0;
    while (i < result->kind_count && strcmp(result->kinds[i].name, name) != 0)
        i++;
    if (i == result->kind_count) {
        if (i == REHEARSE_KINDS_MAX)
            i--; /* the last one stands for all that came too late */
        else
            (void)snprintf(result->kinds[result->kind_count++].name, sizeof(result->kinds[0].name),
                           "%s", name);
    }
    result->kinds[i].count++;
}

static void count_hold(struct crowd *crowd, int64_t due_ns, bool is_granted)
{
    struct rehearse_result *result = crowd->result;
    int64_t now_ns = clock_mono_ns();
    if (result->hold_count < REHEARSE_SAMPLES_MAX)
        result->hold_us[result->hold_count++] = (uint32_t)((now_ns - due_ns) / 1000);
    if (is_granted) {
        result->granted++;
        result->last_granted_ns = now_ns - crowd->begun_ns;
    }
}

/* --- Steps --- */

static void ask(struct turn *turn, struct rehearse_wire *wire, struct rehearse_request request)
{
    struct str message;
    const struct rehearse_crowd_options *options = turn->crowd->options;
    if (wire == turn->server) {
        request.token = options->stage->tokens[turn->number];
        request.network = (uint32_t)turn->number + 1;
        request.admission = turn->person->admission[0] ? turn->person->admission : NULL;
    }
    turn->node = NULL;
    arena_reset(&turn->arena, 65536);
    turn->status = rehearse_send(wire, &request, turn->answer);
    if (turn->answer->len > 0 &&
        json_parse(&turn->arena, buf_str(turn->answer), &turn->node, &message) != ERR_OK)
        turn->node = NULL;
}

static void take_text(const struct json_node *node, const char *name, char *ret_text, size_t size)
{
    struct str text;
    if (!json_as_str(json_get(node, name), &text) || str_to_c(text, ret_text, size) != ERR_OK)
        ret_text[0] = '\0';
}

/* What became of a person who goes no further. */
static void give_up(struct turn *turn)
{
    struct crowd *crowd = turn->crowd;
    char kind[40];
    take_text(turn->node, "type", kind, sizeof(kind));
    if (turn->status == 0 || !kind[0])
        (void)snprintf(kind, sizeof(kind), turn->status ? "status %d" : "no answer", turn->status);
    pthread_mutex_lock(&crowd->lock);
    if (turn->status == 0)
        crowd->result->unanswered++;
    else
        crowd->result->refused++;
    count_kind(crowd->result, kind);
    pthread_mutex_unlock(&crowd->lock);
    turn->person->step = STEP_DONE;
}

static void take_entry(struct turn *turn)
{
    int64_t pause_ms = 1000;
    char state[16];
    take_text(turn->node, "state", state, sizeof(state));
    (void)json_as_i64(json_get(turn->node, "poll_after_ms"), &pause_ms); /* absent: a second */
    take_text(turn->node, "token", turn->person->admission, sizeof(turn->person->admission));
    turn->person->step = STEP_WAIT;
    turn->next_ns = clock_mono_ns() + pause_ms * 1000000;
    if (!turn->person->admission[0])
        return;
    turn->person->step = STEP_HOLD;
    turn->next_ns = clock_mono_ns();
    pthread_mutex_lock(&turn->crowd->lock);
    turn->crowd->result->admitted++;
    pthread_mutex_unlock(&turn->crowd->lock);
}

static void step_enter(struct turn *turn)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "/v1/events/%s/queue", turn->crowd->options->event_id);
    ask(turn, turn->server, (struct rehearse_request){.method = "POST", .path = path});
    if (turn->status != 200 && turn->status != 201) {
        give_up(turn);
        return;
    }
    take_text(turn->node, "id", turn->person->entry, sizeof(turn->person->entry));
    take_entry(turn);
}

static void step_wait(struct turn *turn)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "/v1/events/%s/queue/%s", turn->crowd->options->event_id,
                   turn->person->entry);
    ask(turn, turn->server, (struct rehearse_request){.method = "GET", .path = path});
    if (turn->status == 200)
        take_entry(turn);
    else
        give_up(turn);
}

static void step_hold(struct turn *turn)
{
    struct crowd *crowd = turn->crowd;
    char body[160], key[80];
    int len = snprintf(body, sizeof(body),
                       "{\"event_id\":\"%s\",\"best_available\":{\"count\":%d,\"may_split\":true}}",
                       crowd->options->event_id, PARTY_SIZE);
    (void)snprintf(key, sizeof(key), "%s-%lld", crowd->options->event_id,
                   (long long)turn->number); /* fits */
    ask(turn, turn->server,
        (struct rehearse_request){.method = "POST",
                                  .path = "/v1/bookings",
                                  .key = key,
                                  .body = str_from(body, (size_t)len)});
    bool is_granted = turn->status == 201;
    pthread_mutex_lock(&crowd->lock);
    count_hold(crowd, turn->due_ns, is_granted);
    pthread_mutex_unlock(&crowd->lock);
    if (!is_granted) {
        give_up(turn);
        return;
    }
    take_text(turn->node, "id", turn->person->booking, sizeof(turn->person->booking));
    turn->person->step = crowd->options->pays ? STEP_CHECKOUT : STEP_DONE;
}

static void step_checkout(struct turn *turn)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "/v1/bookings/%s/checkout", turn->person->booking);
    ask(turn, turn->server, (struct rehearse_request){.method = "POST", .path = path});
    if (turn->status == 202)
        turn->person->step = STEP_BANK;
    else
        give_up(turn);
}

static void count_bought(struct turn *turn)
{
    turn->person->step = STEP_DONE;
    pthread_mutex_lock(&turn->crowd->lock);
    turn->crowd->result->bought++;
    pthread_mutex_unlock(&turn->crowd->lock);
}

/* Until the payment has an address, and, once it is paid, until the booking is confirmed. */
static void step_booking(struct turn *turn)
{
    char path[96], state[24];
    (void)snprintf(path, sizeof(path), "/v1/bookings/%s", turn->person->booking);
    ask(turn, turn->server, (struct rehearse_request){.method = "GET", .path = path});
    take_text(turn->node, "status", state, sizeof(state));
    if (turn->status == 200 && strcmp(state, "confirmed") == 0) {
        count_bought(turn);
        return;
    }
    if (turn->person->step == STEP_BANK)
        take_text(json_get(turn->node, "payment"), "url", turn->person->bank,
                  sizeof(turn->person->bank));
    if (turn->person->step == STEP_BANK && turn->person->bank[0])
        turn->person->step = STEP_PAY;
    else if (turn->status != 200 || ++turn->person->polls > POLLS_MAX)
        give_up(turn);
    else
        turn->next_ns = clock_mono_ns() + POLL_NS;
}

/* "http://127.0.0.1:PORT/path" */
static void step_pay(struct turn *turn)
{
    char path[256];
    const char *colon = strrchr(turn->person->bank, ':');
    const char *slash = colon ? strchr(colon, '/') : NULL;
    if (!slash) {
        give_up(turn);
        return;
    }
    unsigned port = (unsigned)atoi(colon + 1);
    if (turn->bank->port != port)
        rehearse_wire_close(turn->bank);
    turn->bank->port = port;
    (void)snprintf(path, sizeof(path), "%s/complete", slash);
    ask(turn, turn->bank,
        (struct rehearse_request){
            .method = "POST", .path = path, .body = STR("{\"outcome\":\"succeeded\"}")});
    if (turn->status != 200) {
        give_up(turn);
        return;
    }
    turn->person->step = STEP_CONFIRM;
    turn->next_ns = clock_mono_ns() + POLL_NS;
}

static void take_step(struct turn *turn)
{
    turn->next_ns = clock_mono_ns();
    switch (turn->person->step) {
    case STEP_ENTER:
        step_enter(turn);
        break;
    case STEP_WAIT:
        step_wait(turn);
        break;
    case STEP_HOLD:
        step_hold(turn);
        break;
    case STEP_CHECKOUT:
        step_checkout(turn);
        break;
    case STEP_BANK:
    case STEP_CONFIRM:
        step_booking(turn);
        break;
    case STEP_PAY:
        step_pay(turn);
        break;
    case STEP_DONE:
        break;
    }
}

/* --- Workers --- */

/* The next that is due, in ret_item; false: there is none now. The lock is held. */
static bool take_due(struct crowd *crowd, struct heap_item *ret_item)
{
    const struct heap_item *next = heap_peek(&crowd->due);
    if (!next || next->due_ms > clock_mono_ns())
        return false;
    *ret_item = heap_pop(&crowd->due);
    return true;
}

static void put_back(struct turn *turn)
{
    struct crowd *crowd = turn->crowd;
    const struct heap_item item = {.due_ms = turn->next_ns, .id = (uint64_t)turn->number};
    pthread_mutex_lock(&crowd->lock);
    if (turn->person->step == STEP_DONE || heap_push(&crowd->due, item) != ERR_OK)
        crowd->open--;
    pthread_mutex_unlock(&crowd->lock);
}

static void *work(void *ctx)
{
    struct crowd *crowd = ctx;
    struct rehearse_wire server = {-1, crowd->options->stage->port}, bank = {-1, 0};
    struct buf answer;
    struct turn turn = {.crowd = crowd, .server = &server, .bank = &bank, .answer = &answer};
    buf_init(&answer, (size_t)16 << 20);
    arena_init(&turn.arena, (size_t)64 << 20);
    for (;;) {
        struct heap_item item;
        pthread_mutex_lock(&crowd->lock);
        bool is_over = crowd->open == 0;
        bool has_one = !is_over && take_due(crowd, &item);
        pthread_mutex_unlock(&crowd->lock);
        if (is_over || rehearse_is_over() || clock_mono_ns() > crowd->end_ns)
            break;
        if (!has_one) {
            const struct timespec pause = {.tv_nsec = PAUSE_NS};
            (void)nanosleep(&pause, NULL);
            continue;
        }
        turn.number = (int64_t)item.id;
        turn.due_ns = item.due_ms;
        turn.person = &crowd->people[turn.number];
        take_step(&turn);
        put_back(&turn);
    }
    rehearse_wire_close(&server);
    rehearse_wire_close(&bank);
    arena_release(&turn.arena);
    buf_release(&answer);
    return NULL;
}

/* When the i-th comes, counted from the beginning of the sale: the early ones evenly before it; then
 * the rate grows evenly during the ramp and stays. */
static int64_t arrival_ns(const struct rehearse_crowd_options *options, int64_t i)
{
    double rate = (double)options->arrivals, ramp = (double)options->ramp_s;
    double in_ramp = rate * ramp / 2, n = (double)(i - options->early);
    if (n < 0)
        return (int64_t)(n / rate * 1e9) - REHEARSE_LULL_MS * 1000000LL;
    double at_s = n < in_ramp ? sqrt(2 * n * ramp / rate) : ramp + (n - in_ramp) / rate;
    return (int64_t)(at_s * 1e9);
}

static enum err fill(struct crowd *crowd)
{
    const struct rehearse_crowd_options *options = crowd->options;
    for (int64_t i = 0; i < options->people; i++) {
        const struct heap_item item = {.due_ms = crowd->begun_ns + arrival_ns(options, i),
                                       .id = (uint64_t)i};
        crowd->people[i].step = options->has_waiting_room ? STEP_ENTER : STEP_HOLD;
        enum err err = heap_push(&crowd->due, item);
        if (err)
            return err;
    }
    crowd->open = options->people;
    return ERR_OK;
}

static int compare_us(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
    return first < second ? -1 : first > second;
}

static void play(struct crowd *crowd)
{
    pthread_t threads[REHEARSE_WORKERS];
    size_t count = 0;
    while (count < REHEARSE_WORKERS && pthread_create(&threads[count], NULL, work, crowd) == 0)
        count++;
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    int64_t now_ns = clock_mono_ns();
    crowd->result->took_ns = now_ns - crowd->begun_ns;
    for (int64_t i = 0; i < crowd->options->people; i++)
        crowd->result->arrived += crowd->begun_ns + arrival_ns(crowd->options, i) <= now_ns;
}

enum err rehearse_crowd(const struct rehearse_crowd_options *options,
                        struct rehearse_result *ret_result)
{
    struct crowd crowd = {.options = options, .result = ret_result};
    *ret_result = (struct rehearse_result){.arrived = 0};
    pthread_mutex_init(&crowd.lock, NULL);
    heap_init(&crowd.due, (size_t)options->people + 1);
    crowd.people = calloc((size_t)options->people, sizeof(*crowd.people));
    ret_result->hold_us = calloc(REHEARSE_SAMPLES_MAX, sizeof(*ret_result->hold_us));
    crowd.begun_ns = clock_mono_ns() + 10000000 + options->wait_ns;
    crowd.end_ns = crowd.begun_ns + options->seconds * 1000000000LL;
    enum err err = crowd.people && ret_result->hold_us ? fill(&crowd) : ERR_NOMEM;
    if (!err) {
        play(&crowd);
        qsort(ret_result->hold_us, ret_result->hold_count, sizeof(uint32_t), compare_us);
    }
    heap_release(&crowd.due);
    free(crowd.people);
    pthread_mutex_destroy(&crowd.lock);
    return err;
}

void rehearse_result_free(struct rehearse_result *result)
{
    free(result->hold_us);
    result->hold_us = NULL;
}

double rehearse_percentile(const struct rehearse_result *result, double share)
{
    if (result->hold_count == 0)
        return 0;
    size_t i = (size_t)(share * (double)(result->hold_count - 1));
    return (double)result->hold_us[i] / 1000;
}
