/*
 * One task of the payments worker: the call to the provider (on the HTTP client's thread from the
 * moment it left), then the write of what it brought (in the writer), then the end. A task belongs
 * to one thread at a time: worker, client, writer, in that order.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "tickets/payment_store.h"
#include "tickets/payments_internal.h"

/* --- The write --- */

static enum err expire_or_extend(struct payment_task *task, struct writer_tx *tx,
                                 struct booking *booking, bool may_extend)
{
    struct tickets *tickets = task->payments->tickets;
    enum err err = ERR_CONFLICT;
    if (may_extend)
        err = booking_extend(tickets, tx, booking, HOLD_EXTENSION_MS_MAX);
    if (err == ERR_CONFLICT) /* it had its extension */
        err = booking_expire(tickets, tx, booking, true);
    return err == ERR_CONFLICT ? ERR_OK : err; /* not due any more */
}

static bool is_reached(const struct payment_task *task)
{
    return task->has_answer && task->answer.verdict != VERDICT_DOWN &&
           task->answer.verdict != VERDICT_RETRY;
}

/* A pending booking's time is up, and this is what is known. It ends, or is extended once, or is
 * asked about again: it never just stays. */
static enum err due_apply(struct payment_task *task, struct writer_tx *tx)
{
    struct tickets *tickets = task->payments->tickets;
    task->must_ask_again = false;
    struct booking booking;
    enum err err = booking_load(tx->db, task->event_id, task->id, &booking);
    if (err || booking.state != BOOKING_PAYMENT_PENDING || booking.expires_at > tx->now_ms)
        return err;
    struct payment payment;
    err = payment_load_by_booking(tx->db, task->event_id, task->id, tx->arena, &payment);
    if (err == ERR_NOT_FOUND)
        return expire_or_extend(task, tx, &booking, false);
    if (err)
        return err;
    if (is_reached(task)) {
        err = payment_on_asked(tickets, tx, &payment, &task->answer);
        if (!err)
            err = booking_load(tx->db, task->event_id, task->id, &booking);
        if (err || booking.state != BOOKING_PAYMENT_PENDING)
            return err;
        return expire_or_extend(task, tx, &booking, false);
    }
    /* Its session was opened while we thought there was none, or the call failed though the
     * provider is not known to be down. */
    bool is_askable = payment.session_ref.len > 0 && !task->is_down;
    if (is_askable && (!task->has_answer || task->due->tries < PAYMENTS_DUE_TRIES)) {
        task->must_ask_again = true;
        return ERR_OK;
    }
    return expire_or_extend(task, tx, &booking, task->is_down);
}

static enum err session_apply(struct payment_task *task, struct writer_tx *tx)
{
    struct tickets *tickets = task->payments->tickets;
    struct payment payment;
    enum err err = payment_load(tx->db, task->event_id, task->id, tx->arena, &payment);
    if (err)
        return err;
    if (!task->has_answer)
        return payment.state == PAYMENT_CREATING ? payment_drop(tx, &payment) : ERR_OK;
    if (task->op == PROVIDER_CREATE)
        return payment_on_created(tickets, tx, &payment, &task->answer);
    if (task->payment.is_close_wanted)
        return payment_on_closed(tickets, tx, &payment, &task->answer);
    return payment_on_asked(tickets, tx, &payment, &task->answer);
}

static enum err refund_task_apply(struct payment_task *task, struct writer_tx *tx)
{
    struct refund refund;
    enum err err = refund_load(tx->db, task->event_id, task->id, tx->arena, &refund);
    return err ? err : refund_on_answer(task->payments->tickets, tx, &refund, &task->answer);
}

static enum err task_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct payment_task *task = container_of(job, struct payment_task, job);
    switch (task->kind) {
    case TASK_SESSION:
        return session_apply(task, tx);
    case TASK_REFUND:
        return refund_task_apply(task, tx);
    case TASK_DUE:
        return due_apply(task, tx);
    case TASK_ANNOUNCE:
        return ERR_OK;
    }
    return ERR_OK;
}

static void task_done(struct writer_job *job, enum err outcome)
{
    struct payment_task *task = container_of(job, struct payment_task, job);
    if (outcome && outcome != ERR_CLOSED)
        log_error("what the payment provider said could not be written",
                  "event=%llu id=%llu error=\"%s\"", (unsigned long long)task->event_id,
                  (unsigned long long)task->id, err_name(outcome));
    payments_task_end(task, outcome != ERR_OK);
}

void payments_task_write(struct payment_task *task)
{
    task->job = (struct writer_job){.apply = task_apply, .done = task_done};
    if (writer_submit_internal(task->payments->tickets->writer, &task->job) != ERR_OK)
        payments_task_end(task, false); /* shutting down: the row is due again at the next start */
}

/* --- The call --- */

static void on_answer(struct http_call *call);

static enum err submit(struct payment_task *task, const struct provider_order *order)
{
    struct payments *payments = task->payments;
    task->call = (struct http_call){.timeout_ms = PROVIDER_TIMEOUT_MS,
                                    .response_max = PROVIDER_RESPONSE_MAX,
                                    .on_done = on_answer,
                                    .ctx = task};
    enum err err = payments->provider.driver->build(&payments->provider, &task->arena, task->op,
                                                    order, &task->call);
    task->sent_ns = clock_mono_ns();
    return err ? err : http_client_submit(payments->client, &task->call);
}

/* A session that cannot be closed has ended: ask how. False: the call is on its way, the task is
 * not ours any more. */
static bool ask_instead(struct payment_task *task)
{
    if (task->op != PROVIDER_CLOSE || task->answer.verdict != VERDICT_REFUSED)
        return true;
    struct provider_order order;
    task->op = PROVIDER_ASK;
    if (payments_task_order(task, &order) == ERR_OK && submit(task, &order) == ERR_OK)
        return false;
    task->answer = (struct provider_answer){.verdict = VERDICT_RETRY};
    return true;
}

/* One line for each call that fails is news only until the breaker opens. */
static void log_answer(const struct payment_task *task, const char *message, bool was_down)
{
    if (task->answer.verdict == VERDICT_OK)
        return;
    log_write(was_down ? LOG_DEBUG : LOG_WARN, "payment provider did not do as asked",
              "provider=%s op=%d status=%d verdict=%d why=\"%s %.*s\"",
              task->payments->provider.driver->name, (int)task->op, task->call.status,
              (int)task->answer.verdict, message, STR_ARG(task->answer.message));
}

static void on_answer(struct http_call *call)
{
    struct payment_task *task = call->ctx;
    struct payments *payments = task->payments;
    if (call->err == ERR_CLOSED) {
        http_call_release(call);
        payments_task_end(task, false);
        return;
    }
    provider_read(payments->provider.driver, task->op, call, &task->arena, &task->answer);
    bool is_good = task->answer.verdict != VERDICT_DOWN;
    task->has_answer = true;
    metric_observe_ns(payments->call_seconds, clock_mono_ns() - task->sent_ns);
    metric_add(payments->calls_failed, is_good ? 0 : 1);
    pthread_mutex_lock(&payments->lock);
    bool was_down = breaker_is_down(&payments->breaker);
    if (task->kind != TASK_ANNOUNCE)
        breaker_record(&payments->breaker, task->pass, is_good, clock_now_ms());
    task->is_down = breaker_is_down(&payments->breaker);
    task->pass = BREAKER_NORMAL;
    pthread_mutex_unlock(&payments->lock);
    log_answer(task, call->message, was_down);
    if (was_down != task->is_down)
        log_warn(task->is_down ? "payment provider is down" : "payment provider is back",
                 "provider=%s", payments->provider.driver->name);
    http_call_release(call);
    if (ask_instead(task))
        payments_task_write(task);
}

void payments_task_call(struct payment_task *task, const struct provider_order *order)
{
    if (submit(task, order) == ERR_OK)
        return;
    struct payments *payments = task->payments;
    pthread_mutex_lock(&payments->lock);
    breaker_give_back(&payments->breaker, task->pass);
    pthread_mutex_unlock(&payments->lock);
    payments_task_end(task, true);
}

/* --- What to ask for --- */

static struct str id2_text(struct arena *arena, const char *prefix, uint64_t shard, uint64_t id)
{
    char text[ID_TEXT_SIZE];
    return arena_str_dup(arena, id_format2(text, prefix, shard, id));
}

enum err payments_task_order(struct payment_task *task, struct provider_order *ret_order)
{
    struct arena *arena = &task->arena;
    const struct payment *payment = &task->payment;
    struct provider_order order = {
        .reference = id2_text(arena, "pay", payment->event_id, payment->id),
        .amount = payment->amount,
        .session_ref = payment->session_ref,
        /* The same at every repetition, as a provider's idempotency demands, and beyond all that a
           booking may live. */
        .expires_at_ms = id_time_ms(payment->id) + 2 * 3600000LL,
    };
    memcpy(order.currency, payment->currency, sizeof(order.currency));
    if (task->op == PROVIDER_REFUND || task->op == PROVIDER_ASK_REFUND) {
        order.refund_reference = id2_text(arena, "ref", task->refund.event_id, task->refund.id);
        order.amount = task->refund.amount;
        order.provider_ref = task->refund.provider_ref;
        order.provider_refund_ref = task->refund.provider_refund_ref;
        memcpy(order.currency, task->refund.currency, sizeof(order.currency));
    }
    struct str booking = id2_text(arena, "bkg", payment->event_id, payment->booking_id);
    order.return_url = arena_printf(arena, "%s/bookings/%.*s", task->payments->tickets->base_url,
                                    STR_ARG(booking));
    order.description = STR("Tickets");
    *ret_order = order;
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}
