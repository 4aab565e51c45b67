/*
 * The payments worker: carries to the provider what rows say is to be done there, and writes what
 * comes of it.
 *
 * The rows are the queue. A payment or refund whose next_at has come is due; the worker reads due
 * rows (most overdue first, through their indexes), makes a task of each and lets it go: call,
 * write, end. Nothing is remembered that a restart would miss: a crash between any two steps leaves
 * the row due, and the provider's idempotency (keys are our ids) makes the repetition harmless.
 *
 * The only thing kept in memory besides is who is under way (in_flight), and the list of pending
 * bookings whose time is up, which the expiry brings again should it be lost. While the breaker is
 * open nothing is sent and rows wait; bookings that are due are extended once, as
 * HOLD_EXTENSION_MS_MAX says.
 *
 * Where several nodes share a database the steward alone sends; a new one asks about all open sessions
 * first, as after a restart. What two send in the moment of a change is one for the provider.
 *
 * Threads: one of its own that reads and starts tasks (pump); tasks go through the HTTP client's
 * thread and the writer. Waking is a flag under the lock.
 */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "tickets/payment_store.h"
#include "tickets/payments_internal.h"
#include "tickets/refund_store.h"

/* Rows read at once: as many as may be under way, and as many as may start. */
#define ROWS_MAX    (2 * PROVIDER_IN_FLIGHT_MAX)
#define ANNOUNCE_ID 1 /* no row has this id */

/* --- Tasks begin and end --- */

/* The lock is held. */
static bool has_room(const struct payments *payments, bool is_call)
{
    return payments->tasks < PAYMENTS_TASKS_MAX &&
           (!is_call || payments->calls < PROVIDER_IN_FLIGHT_MAX);
}

enum begin_result {
    BEGIN_OK,
    BEGIN_BUSY, /* this row has a task */
    BEGIN_FULL, /* none can begin now */
};

/* A pass for a call. Announcing is no proof that the provider works, so it neither asks the breaker
 * nor tells it. The lock is held. */
static enum breaker_pass pass_take(struct payments *payments, enum task_kind kind)
{
    return kind == TASK_ANNOUNCE ? BREAKER_NORMAL
                                 : breaker_allow(&payments->breaker, clock_now_ms());
}

/* Takes the id's place among those under way, and a pass for a call. The lock is held. */
static enum begin_result place_take(struct payments *payments, enum task_kind kind, uint64_t id,
                                    bool is_call, enum breaker_pass *ret_pass)
{
    *ret_pass = BREAKER_REFUSED;
    if (!has_room(payments, is_call))
        return BEGIN_FULL;
    if (map_has(&payments->in_flight, id))
        return BEGIN_BUSY;
    if (is_call && (*ret_pass = pass_take(payments, kind)) == BREAKER_REFUSED)
        return BEGIN_FULL;
    if (map_put(&payments->in_flight, id, 1) != ERR_OK) {
        breaker_give_back(&payments->breaker, *ret_pass);
        return BEGIN_FULL;
    }
    payments->tasks++;
    payments->calls += is_call;
    return BEGIN_OK;
}

static void place_give_back(struct payments *payments, uint64_t id, enum breaker_pass pass)
{
    pthread_mutex_lock(&payments->lock);
    breaker_give_back(&payments->breaker, pass);
    (void)map_remove(&payments->in_flight, id);
    payments->tasks--;
    payments->calls -= pass != BREAKER_REFUSED;
    pthread_mutex_unlock(&payments->lock);
}

/* ret_task is set on BEGIN_OK. */
static enum begin_result task_begin(struct payments *payments, enum task_kind kind,
                                    struct payment_due row, bool is_call,
                                    struct payment_task **ret_task)
{
    enum breaker_pass pass;
    pthread_mutex_lock(&payments->lock);
    enum begin_result result = place_take(payments, kind, row.id, is_call, &pass);
    pthread_mutex_unlock(&payments->lock);
    if (result != BEGIN_OK)
        return result;
    struct payment_task *task = calloc(1, sizeof(*task));
    if (!task) {
        place_give_back(payments, row.id, pass);
        return BEGIN_FULL;
    }
    *task = (struct payment_task){
        .payments = payments, .kind = kind, .pass = pass, .event_id = row.event_id, .id = row.id};
    arena_init(&task->arena, PAYMENTS_TASK_BYTES_MAX);
    *ret_task = task;
    return BEGIN_OK;
}

/* The lock is held. */
static void due_append(struct payments *payments, struct due_booking *due)
{
    due->next = NULL;
    *payments->due_last = due;
    payments->due_last = &due->next;
}

/* The lock is held. */
static void due_end(struct payments *payments, struct payment_task *task, bool is_penalty)
{
    struct due_booking *due = task->due;
    if (!due)
        return;
    if (task->must_ask_again && !is_penalty && !payments->is_stopping) {
        due->tries += task->has_answer;
        due->not_before_ms = clock_now_ms() + (task->has_answer ? PAYMENTS_DUE_RETRY_MS : 0);
        due_append(payments, due);
        return;
    }
    (void)map_remove(&payments->due_ids, due->booking_id);
    free(due);
}

void payments_task_end(struct payment_task *task, bool is_penalty)
{
    struct payments *payments = task->payments;
    bool is_call = task->pass != BREAKER_REFUSED;
    arena_release(&task->arena);
    pthread_mutex_lock(&payments->lock);
    due_end(payments, task, is_penalty);
    struct heap_item item = {clock_now_ms() + PAYMENTS_PENALTY_MS, 0, task->id};
    if (!is_penalty || heap_push(&payments->penalties, item) != ERR_OK)
        (void)map_remove(&payments->in_flight, task->id);
    if (task->kind == TASK_ANNOUNCE && task->answer.verdict != VERDICT_OK) {
        payments->is_announce_wanted = true;
        payments->announce_at_ms = clock_now_ms() + PAYMENTS_PENALTY_MS;
    }
    assert(payments->tasks > 0);
    payments->tasks--;
    payments->calls -= is_call;
    payments->is_woken = true;
    pthread_cond_broadcast(&payments->changed);
    pthread_mutex_unlock(&payments->lock);
    free(task);
}

/* A task that turned out to have nothing to do. */
static void task_cancel(struct payment_task *task)
{
    pthread_mutex_lock(&task->payments->lock);
    breaker_give_back(&task->payments->breaker, task->pass);
    pthread_mutex_unlock(&task->payments->lock);
    payments_task_end(task, false);
}

/* --- Rows --- */

/* The buyer reads it at the provider. */
static void describe(struct payment_task *task, struct provider_order *order)
{
    struct event event;
    if (event_load(task->payments->reader, task->payment.event_id, &task->arena, &event) ==
            ERR_OK &&
        event.name.len > 0)
        order->description = event.name;
}

static void call_session(struct payment_task *task)
{
    struct payment *payment = &task->payment;
    task->op = payment->state == PAYMENT_CREATING ? PROVIDER_CREATE
               : payment->is_close_wanted         ? PROVIDER_CLOSE
                                                  : PROVIDER_ASK;
    struct provider_order order;
    if (payments_task_order(task, &order) != ERR_OK) {
        task_cancel(task);
        return;
    }
    if (task->op == PROVIDER_CREATE)
        describe(task, &order);
    payments_task_call(task, &order);
}

/* False: no more can start now. */
static bool start_session(struct payments *payments, struct payment_due row)
{
    struct payment_task *task;
    enum begin_result result = task_begin(payments, TASK_SESSION, row, true, &task);
    if (result != BEGIN_OK)
        return result == BEGIN_BUSY;
    struct payment *payment = &task->payment;
    enum err err = payment_load(payments->reader, row.event_id, row.id, &task->arena, payment);
    bool is_due = !err && payment->next_at != 0 && payment->next_at <= clock_now_ms();
    if (!is_due) {
        task_cancel(task); /* moved on since the list was read */
    } else if (payment->state == PAYMENT_CREATING && payment->is_close_wanted) {
        pthread_mutex_lock(&payments->lock);
        breaker_give_back(&payments->breaker, task->pass);
        pthread_mutex_unlock(&payments->lock);
        payments_task_write(task);
    } else {
        call_session(task);
    }
    return true;
}

static bool start_refund(struct payments *payments, struct payment_due row)
{
    struct payment_task *task;
    enum begin_result result = task_begin(payments, TASK_REFUND, row, true, &task);
    if (result != BEGIN_OK)
        return result == BEGIN_BUSY;
    enum err err = refund_load(payments->reader, row.event_id, row.id, &task->arena, &task->refund);
    bool is_due = !err && task->refund.next_at != 0 && task->refund.next_at <= clock_now_ms();
    if (is_due)
        err = payment_load(payments->reader, row.event_id, task->refund.payment_id, &task->arena,
                           &task->payment);
    task->op = task->refund.provider_refund_ref.len > 0 ? PROVIDER_ASK_REFUND : PROVIDER_REFUND;
    struct provider_order order;
    if (!is_due || err || payments_task_order(task, &order) != ERR_OK)
        task_cancel(task);
    else
        payments_task_call(task, &order);
    return true;
}

typedef enum err (*due_fn)(struct db *db, const struct payment_due_query *query,
                           struct payment_due *ret_rows, size_t *ret_count);

static void pump_rows(struct payments *payments, due_fn find,
                      bool (*start)(struct payments *payments, struct payment_due row))
{
    pthread_mutex_lock(&payments->lock);
    bool is_closed =
        !has_room(payments, true) || payments->is_stopping ||
        (breaker_is_down(&payments->breaker) && clock_now_ms() < payments->breaker.until_ms);
    pthread_mutex_unlock(&payments->lock);
    if (is_closed)
        return;
    struct payment_due rows[ROWS_MAX];
    size_t count;
    struct payment_due_query query = {.provider = str_from_c(payments->provider.driver->name),
                                      .now_ms = clock_now_ms(),
                                      .limit = ROWS_MAX};
    enum err err = find(payments->reader, &query, rows, &count);
    if (err) {
        log_error("due payments could not be read", "error=\"%s: %s\"", err_name(err),
                  db_message(payments->reader));
        return;
    }
    for (size_t i = 0; i < count && start(payments, rows[i]); i++) {
    }
}

/* --- Bookings whose time is up --- */

/* The first of the list that may be looked at now, unlinked; NULL: none, or no room for it. */
static struct due_booking *due_take(struct payments *payments, int64_t now_ms)
{
    pthread_mutex_lock(&payments->lock);
    struct due_booking **link = &payments->due_first;
    bool is_down = breaker_is_down(&payments->breaker);
    if (!has_room(payments, !is_down))
        link = payments->due_last;
    while (*link &&
           ((*link)->not_before_ms > now_ms || map_has(&payments->in_flight, (*link)->booking_id)))
        link = &(*link)->next;
    struct due_booking *due = *link;
    if (due) {
        *link = due->next;
        if (payments->due_last == &due->next)
            payments->due_last = link;
    }
    pthread_mutex_unlock(&payments->lock);
    return due;
}

static void due_put_back(struct payments *payments, struct due_booking *due)
{
    pthread_mutex_lock(&payments->lock);
    due->not_before_ms = clock_now_ms() + PAYMENTS_TICK_MS;
    due_append(payments, due);
    pthread_mutex_unlock(&payments->lock);
}

/* Without a call: nothing to ask about, or nobody to ask. */
static bool due_write(struct payments *payments, struct due_booking *due)
{
    struct payment_task *task;
    struct payment_due row = {due->event_id, due->booking_id};
    if (task_begin(payments, TASK_DUE, row, false, &task) != BEGIN_OK)
        return false;
    task->due = due;
    pthread_mutex_lock(&payments->lock);
    task->is_down = breaker_is_down(&payments->breaker);
    pthread_mutex_unlock(&payments->lock);
    payments_task_write(task);
    return true;
}

static bool due_ask(struct payments *payments, struct due_booking *due)
{
    struct payment_task *task;
    struct payment_due row = {due->event_id, due->booking_id};
    if (task_begin(payments, TASK_DUE, row, true, &task) != BEGIN_OK)
        return false;
    task->due = due;
    task->op = PROVIDER_ASK;
    struct provider_order order;
    enum err err = payment_load_by_booking(payments->reader, row.event_id, row.id, &task->arena,
                                           &task->payment);
    if (err || payments_task_order(task, &order) != ERR_OK) {
        task->must_ask_again = true;
        task_cancel(task);
    } else {
        payments_task_call(task, &order);
    }
    return true;
}

static void due_start(struct payments *payments, struct due_booking *due)
{
    struct arena arena;
    arena_init(&arena, PAYMENTS_TASK_BYTES_MAX);
    struct payment payment;
    enum err err =
        payment_load_by_booking(payments->reader, due->event_id, due->booking_id, &arena, &payment);
    bool has_session = !err && payment.session_ref.len > 0;
    arena_release(&arena);
    pthread_mutex_lock(&payments->lock);
    bool is_paused =
        breaker_is_down(&payments->breaker) && clock_now_ms() < payments->breaker.until_ms;
    pthread_mutex_unlock(&payments->lock);
    bool is_started = false;
    if (!err || err == ERR_NOT_FOUND)
        is_started = has_session && !is_paused ? due_ask(payments, due) : due_write(payments, due);
    if (!is_started)
        due_put_back(payments, due);
}

static void pump_due(struct payments *payments)
{
    struct due_booking *due;
    for (size_t i = 0; i < PAYMENTS_TASKS_MAX && (due = due_take(payments, clock_now_ms())); i++)
        due_start(payments, due);
}

/* --- The thread --- */

static void pump_announce(struct payments *payments)
{
    pthread_mutex_lock(&payments->lock);
    bool is_wanted = payments->is_announce_wanted && clock_now_ms() >= payments->announce_at_ms;
    pthread_mutex_unlock(&payments->lock);
    if (!is_wanted)
        return;
    struct payment_task *task;
    if (task_begin(payments, TASK_ANNOUNCE, (struct payment_due){0, ANNOUNCE_ID}, true, &task) !=
        BEGIN_OK)
        return;
    pthread_mutex_lock(&payments->lock);
    payments->is_announce_wanted = false;
    pthread_mutex_unlock(&payments->lock);
    task->op = PROVIDER_ANNOUNCE;
    struct provider_order order = {0};
    payments_task_call(task, &order);
}

static void release_penalties(struct payments *payments)
{
    pthread_mutex_lock(&payments->lock);
    const struct heap_item *first;
    while ((first = heap_peek(&payments->penalties)) && first->due_ms <= clock_now_ms())
        (void)map_remove(&payments->in_flight, heap_pop(&payments->penalties).id);
    pthread_mutex_unlock(&payments->lock);
}

/* Callbacks may have come while nobody listened: open sessions are asked about right after a start.
 */
struct ask_job {
    struct writer_job job;
    int64_t changed;
};

static enum err ask_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct ask_job *ask = container_of(job, struct ask_job, job);
    return payment_store_ask_now(tx->db, tx->now_ms, tx->now_ms + PAYMENT_ASK_FIRST_MS,
                                 EXPIRY_CHUNK_MAX, &ask->changed);
}

static void ask_all(struct payments *payments)
{
    struct ask_job ask;
    do {
        ask = (struct ask_job){.job = {.apply = ask_apply}};
        enum err err = writer_run_internal(payments->tickets->writer, &ask.job);
        if (err) {
            log_warn("open payments could not be brought forward", "error=\"%s\"", err_name(err));
            return;
        }
    } while (ask.changed == EXPIRY_CHUNK_MAX);
}

/* Wakings come in swarms, one for each task that ends and each checkout; a moment's pause makes one
 * round of many. */
static void pause_briefly(void)
{
    struct timespec pause = {.tv_nsec = PAYMENTS_ROUND_MS * 1000000L};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL); /* shorter is fine, too */
}

/* Waits for a wake-up or a tick; false when stopping. */
static bool wait_for_work(struct payments *payments)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PAYMENTS_TICK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&payments->lock);
    int rc = 0;
    while (!payments->is_woken && !payments->is_stopping && rc == 0)
        rc = pthread_cond_timedwait(&payments->changed, &payments->lock, &until);
    bool is_on = !payments->is_stopping;
    pthread_mutex_unlock(&payments->lock);
    return is_on;
}

/* Now and then; the rows that wait are on disk, and so is their age. */
static void measure_backlog(struct payments *payments)
{
    if (clock_mono_ns() - payments->measured_ns < PAYMENTS_MEASURE_MS * 1000000LL)
        return;
    payments->measured_ns = clock_mono_ns();
    for (size_t i = 0; i < PAYMENT_WORK_COUNT; i++) {
        int64_t since_ms = INT64_MAX, now_ms = clock_now_ms();
        if (payment_store_oldest(payments->reader, (enum payment_work)i, &since_ms) == ERR_OK)
            metric_set(payments->backlog[i], since_ms < now_ms ? (now_ms - since_ms) / 1000 : 0);
    }
}

/* Whether this node does the work. Who begins to has it all before him: sessions whose callbacks may
 * have been lost, and a bank that knows the last one's address. */
static bool keep_office(struct payments *payments)
{
    bool is_steward = writer_is_steward(payments->tickets->writer);
    if (is_steward == payments->is_acting)
        return is_steward;
    payments->is_acting = is_steward;
    if (is_steward) {
        pthread_mutex_lock(&payments->lock);
        payments->is_announce_wanted = payments->provider.driver->has_announce;
        pthread_mutex_unlock(&payments->lock);
        ask_all(payments);
    }
    for (size_t i = 0; i < PAYMENT_WORK_COUNT && !is_steward; i++)
        metric_set(payments->backlog[i], 0); /* another's now */
    return is_steward;
}

void *payments_main(void *ctx)
{
    struct payments *payments = ctx;
    (void)pthread_setname_np(pthread_self(), "payments");
    do {
        pause_briefly();
        pthread_mutex_lock(&payments->lock);
        payments->is_woken = false;
        pthread_mutex_unlock(&payments->lock);
        if (!keep_office(payments))
            continue;
        release_penalties(payments);
        pump_announce(payments);
        pump_due(payments);
        pump_rows(payments, payment_store_due_sessions, start_session);
        pump_rows(payments, refund_store_due, start_refund);
        pump_rows(payments, payment_store_due_asks, start_session);
        measure_backlog(payments);
    } while (wait_for_work(payments));
    return NULL;
}

/* --- For others --- */

void payments_wake(struct payments *payments)
{
    if (!payments)
        return;
    pthread_mutex_lock(&payments->lock);
    payments->is_woken = true;
    pthread_cond_broadcast(&payments->changed);
    pthread_mutex_unlock(&payments->lock);
}

void payments_booking_due(struct payments *payments, uint64_t event_id, uint64_t booking_id)
{
    struct due_booking *due = payments ? calloc(1, sizeof(*due)) : NULL;
    if (!due)
        return; /* the expiry's backstop brings it again */
    *due = (struct due_booking){.event_id = event_id, .booking_id = booking_id};
    pthread_mutex_lock(&payments->lock);
    bool is_new = !payments->is_stopping && !map_has(&payments->due_ids, booking_id) &&
                  map_put(&payments->due_ids, booking_id, 1) == ERR_OK;
    if (is_new)
        due_append(payments, due);
    payments->is_woken = true;
    pthread_cond_broadcast(&payments->changed);
    pthread_mutex_unlock(&payments->lock);
    if (!is_new)
        free(due);
}

void payments_on_clock_jump(void *ctx)
{
    struct payments *payments = ctx;
    pthread_mutex_lock(&payments->lock);
    payments->is_announce_wanted = payments->provider.driver->has_announce;
    payments->announce_at_ms = 0;
    pthread_mutex_unlock(&payments->lock);
    payments_wake(payments);
}

const struct provider *payments_provider(const struct payments *payments, struct str name)
{
    bool is_ours = payments && str_eq(name, str_from_c(payments->provider.driver->name));
    return is_ours ? &payments->provider : NULL;
}

void payments_count_callback(struct payments *payments)
{
    metric_add(payments->callbacks, 1);
}
