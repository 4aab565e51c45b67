/*
 * Payments: the money's own state machine. Every move is one function in one job of the writer and
 * goes through payment_set_state().
 *
 *                 session opened
 *   CREATING ─────────────────────▶ OPEN ───── money came ─────▶ SUCCEEDED   (for good)
 *      │  │                        │    │                          ▲   ▲
 *      │  │ refused by provider    │    │ failed for good          │   │
 *      │  └──────────▶ FAILED ◀────│────┘                          │   │
 *      │                 └─────────│── money came after all ───────┘   │
 *      │ booking ended             │ booking ended, session closed     │
 *      └───────────▶ CLOSED ◀──────┘                                   │
 *                      └────────────── money came after all ───────────┘
 *
 * What money does when it meets a booking (settle):
 *
 *   held, payment_pending      confirmed (event cancelled: failed and refunded)
 *   expired, failed            by the event's policy: taken back and confirmed when every place
 *                              is free, else refunded ("late")
 *   cancelled                  refunded ("cancelled")
 *   confirmed                  refunded ("already_paid")
 *   amount or currency differ  refunded ("mismatch"), and the booking failed
 *   a card over its cap        refunded ("card_limit"), and the booking failed
 *
 * Invariants
 *  1. Facts may come in any order and any number of times: a provider's event counts once
 *     (provider_event), a provider's reference counts once (capture). Callbacks and answers take
 *     the same path (payment_apply).
 *  2. captured is the sum of the capture rows, refunded the sum of the refund rows, refunded <=
 *     captured (CHECK). Money in a foreign currency enters both sums alike, so that captured -
 *     refunded is what the booking is worth.
 *  3. succeeded beats failed and closed, whatever came first. Nothing leaves SUCCEEDED; refunds are
 *     rows of their own.
 *  4. Money is booked and its consequence (confirmed or refund row) is decided in the same
 *     transaction.
 */
#include "base/rand.h"
#include "tickets/abuse.h"
#include "tickets/booking_store.h"
#include "tickets/payment_internal.h"
#include "tickets/payment_store.h"
#include "tickets/refund.h"

/* --- State and timetable --- */

static bool is_legal(enum payment_state from, enum payment_state to)
{
    switch (to) {
    case PAYMENT_CREATING:
        return false;
    case PAYMENT_OPEN:
        return from == PAYMENT_CREATING;
    case PAYMENT_SUCCEEDED:
        return from != PAYMENT_SUCCEEDED;
    case PAYMENT_FAILED:
    case PAYMENT_CLOSED:
        return from == PAYMENT_CREATING || from == PAYMENT_OPEN;
    }
    return false;
}

enum err payment_set_state(struct payment *payment, enum payment_state to)
{
    if (!is_legal(payment->state, to))
        return ERR_CONFLICT;
    payment->state = to;
    payment->attempts = 0;
    if (to == PAYMENT_SUCCEEDED)
        payment->is_close_wanted = false;
    return ERR_OK;
}

void payment_schedule(struct payment *payment, int64_t now_ms)
{
    /* After its end a session is asked about a few times more: a provider may change its mind, and
     * tell nobody. */
    static const int64_t late_gaps_ms[] = {10 * 60000LL, 60 * 60000LL, 6 * 3600000LL,
                                           17 * 3600000LL};
    static const int64_t late_gap_count = sizeof(late_gaps_ms) / sizeof(late_gaps_ms[0]);
    payment->next_at = 0;
    if (payment->state == PAYMENT_SUCCEEDED)
        return;
    if (payment->state == PAYMENT_CREATING || payment->is_close_wanted)
        payment->next_at = now_ms;
    else if (payment->state == PAYMENT_OPEN)
        payment->next_at =
            now_ms + (payment->attempts == 0 ? PAYMENT_ASK_FIRST_MS : PAYMENT_ASK_EVERY_MS);
    else if (payment->session_ref.len > 0 && payment->attempts < late_gap_count)
        payment->next_at = now_ms + late_gaps_ms[payment->attempts];
}

int64_t payment_retry_delay_ms(int64_t attempts)
{
    int64_t delay_ms = PAYMENT_RETRY_MS_MAX;
    if (attempts < 6)
        delay_ms = PAYMENT_RETRY_MS_MIN << (attempts > 0 ? attempts : 0);
    if (delay_ms > PAYMENT_RETRY_MS_MAX)
        delay_ms = PAYMENT_RETRY_MS_MAX;
    return delay_ms / 2 + (int64_t)rand_below((uint64_t)(delay_ms / 2 + 1));
}

/* --- Shared pieces --- */

struct wake_effect {
    struct tickets *tickets;
};

static void wake_run(void *data)
{
    struct wake_effect *effect = data;
    payments_wake(__atomic_load_n(&effect->tickets->payments, __ATOMIC_ACQUIRE));
}

enum err payment_stage_wake(struct tickets *tickets, struct writer_tx *tx)
{
    struct wake_effect *effect = writer_effect(tx, wake_run, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    effect->tickets = tickets;
    return ERR_OK;
}

enum err payment_journal(struct writer_tx *tx, const char *type, const struct payment *payment,
                         const char *reason)
{
    struct buf *data = buf_new_in(tx->arena, 1024);
    if (!data)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, data);
    json_open_object(&writer);
    json_put_i64(&writer, "booking", (int64_t)payment->booking_id);
    json_put_i64(&writer, "payment", (int64_t)payment->id);
    json_put_str(&writer, "provider", str_from_c(payment->provider));
    if (payment->provider_ref.len > 0)
        json_put_str(&writer, "provider_ref", payment->provider_ref);
    json_put_i64(&writer, "amount", payment->amount);
    json_put_str(&writer, "currency", str_from_c(payment->currency));
    if (reason)
        json_put_str(&writer, "reason", str_from_c(reason));
    json_close_object(&writer);
    if (data->overflow)
        return ERR_NOMEM;
    return journal_append(tx->journal, payment->event_id, type, buf_str(data), NULL);
}

/* --- Begin and end of a checkout --- */

enum err payment_create(struct tickets *tickets, struct writer_tx *tx,
                        const struct booking *booking)
{
    struct payment payment = {
        .event_id = booking->event_id,
        .id = id_next(tx->ids),
        .booking_id = booking->id,
        .state = PAYMENT_CREATING,
        .amount = booking->amount,
        .next_at = tx->now_ms,
    };
    memcpy(payment.currency, booking->currency, sizeof(payment.currency));
    const char *provider = strcmp(tickets->config->payments, "stripe") == 0 ? "stripe" : "sandbox";
    enum err err = str_to_c(str_from_c(provider), payment.provider, sizeof(payment.provider));
    if (!err)
        err = payment_store_insert(tx->db, &payment, tx->now_ms);
    if (!err)
        err = payment_journal(tx, "payment.created", &payment, NULL);
    if (!err)
        err = payment_stage_wake(tickets, tx);
    return err;
}

enum err payment_want_close(struct tickets *tickets, struct writer_tx *tx, uint64_t event_id,
                            uint64_t booking_id)
{
    struct payment payment;
    enum err err = payment_load_by_booking(tx->db, event_id, booking_id, tx->arena, &payment);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    if (payment.state != PAYMENT_CREATING && payment.state != PAYMENT_OPEN)
        return ERR_OK;
    payment.is_close_wanted = true;
    payment.attempts = 0;
    payment_schedule(&payment, tx->now_ms);
    err = payment_store_save(tx->db, &payment, tx->now_ms);
    return err ? err : payment_stage_wake(tickets, tx);
}

enum err payment_drop(struct writer_tx *tx, struct payment *payment)
{
    /* Nobody was ever given this session's URL, so nobody can pay there. */
    enum err err = payment_set_state(payment, PAYMENT_CLOSED);
    if (err)
        return err;
    payment->is_close_wanted = false;
    payment_schedule(payment, tx->now_ms);
    return payment_store_save(tx->db, payment, tx->now_ms);
}

/* --- Money --- */

/* Money that cannot become a booking goes back. */
static enum err give_back(struct tickets *tickets, struct writer_tx *tx,
                          const struct payment *payment, const char *reason)
{
    enum err err = payment_journal(tx, "booking.confirmation_failed", payment, reason);
    return err ? err
               : refund_request(tickets, tx, payment, payment->provider_ref, payment->amount,
                                reason, NULL);
}

/* An end gave its places to others, and perhaps to the same people: they are counted again. */
static enum err settle_late(struct tickets *tickets, struct writer_tx *tx,
                            const struct payment *payment, struct booking *booking)
{
    struct event event;
    bool is_over = false;
    enum err err = event_load(tx->db, booking->event_id, tx->arena, &event);
    if (!err)
        err = tickets->config->abuse ? abuse_is_over(tx, &event, booking, &is_over)
                                     : abuse_forget(tx, booking);
    if (err)
        return err;
    if (event.late_payment == LATE_PAYMENT_RECLAIM && !is_over)
        err = booking_reclaim(tickets, tx, booking, payment->id);
    else
        err = ERR_CONFLICT;
    return err == ERR_CONFLICT ? give_back(tickets, tx, payment, "late") : err;
}

static enum err settle_open(struct tickets *tickets, struct writer_tx *tx,
                            const struct payment *payment, struct booking *booking)
{
    struct event_sale sale;
    enum err err = booking_store_sale(tx->db, booking->event_id, &sale);
    if (err)
        return err;
    if (sale.status != EVENT_CANCELLED)
        return booking_confirm(tickets, tx, booking, payment->id);
    err = booking_fail(tickets, tx, booking);
    return err ? err : give_back(tickets, tx, payment, "event_cancelled");
}

/* Money of a card that has bought its share; the booking gets nothing for it. */
static enum err settle_over(struct tickets *tickets, struct writer_tx *tx,
                            const struct payment *payment, struct booking *booking)
{
    bool is_open = booking->state == BOOKING_HELD || booking->state == BOOKING_PAYMENT_PENDING;
    enum err err = is_open ? booking_fail(tickets, tx, booking) : ERR_OK;
    return err ? err : give_back(tickets, tx, payment, "card_limit");
}

/* The payment has just succeeded: what becomes of its booking. */
static enum err settle(struct tickets *tickets, struct writer_tx *tx, const struct payment *payment,
                       struct str card)
{
    struct booking booking;
    bool is_over = false;
    enum err err = booking_load(tx->db, payment->event_id, payment->booking_id, &booking);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    bool may_sell = booking.state != BOOKING_CANCELLED && booking.state != BOOKING_CONFIRMED;
    if (may_sell && tickets->config->abuse)
        err = abuse_card(tickets, tx, str_from_c(payment->provider), card, &booking, &is_over);
    if (err || is_over)
        return err ? err : settle_over(tickets, tx, payment, &booking);
    switch (booking.state) {
    case BOOKING_HELD:
    case BOOKING_PAYMENT_PENDING:
        return settle_open(tickets, tx, payment, &booking);
    case BOOKING_EXPIRED:
    case BOOKING_FAILED:
        return settle_late(tickets, tx, payment, &booking);
    case BOOKING_CANCELLED:
        return give_back(tickets, tx, payment, "cancelled");
    case BOOKING_CONFIRMED:
        return give_back(tickets, tx, payment, "already_paid");
    }
    return ERR_CORRUPT;
}

/* The session came to its end without money for us: so does the booking. */
static enum err fail(struct tickets *tickets, struct writer_tx *tx, struct payment *payment,
                     const char *reason)
{
    if (payment_set_state(payment, PAYMENT_FAILED) != ERR_OK)
        return ERR_OK; /* money beats it, and an end is an end */
    payment->is_close_wanted = false;
    payment_schedule(payment, tx->now_ms);
    enum err err = payment_store_save(tx->db, payment, tx->now_ms);
    if (!err)
        err = payment_journal(tx, "payment.failed", payment, reason);
    struct booking booking;
    if (!err)
        err = booking_load(tx->db, payment->event_id, payment->booking_id, &booking);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    err = booking_fail(tickets, tx, &booking);
    return err == ERR_CONFLICT ? ERR_OK : err;
}

static enum err on_mismatch(struct tickets *tickets, struct writer_tx *tx, struct payment *payment,
                            const struct provider_event *event)
{
    struct payment told = *payment;
    told.amount = event->amount;
    told.provider_ref = event->provider_ref;
    memcpy(told.currency, event->currency, sizeof(told.currency));
    enum err err = payment_store_save(tx->db, payment, tx->now_ms);
    if (!err)
        err = payment_journal(tx, "payment.mismatch", &told, NULL);
    if (!err)
        err = refund_request(tickets, tx, payment, event->provider_ref, event->amount, "mismatch",
                             NULL);
    return err ? err : fail(tickets, tx, payment, "mismatch");
}

static bool is_as_ordered(const struct payment *payment, const struct provider_event *event)
{
    return event->amount == payment->amount && strcmp(event->currency, payment->currency) == 0;
}

static enum err on_money(struct tickets *tickets, struct writer_tx *tx, struct payment *payment,
                         const struct provider_event *event)
{
    if (event->amount <= 0 || event->provider_ref.len == 0)
        return fail(tickets, tx, payment, "mismatch"); /* "paid", but nothing */
    struct capture capture = {str_from_c(payment->provider),
                              event->provider_ref,
                              payment->event_id,
                              payment->id,
                              event->amount,
                              str_from_c(event->currency)};
    bool is_new;
    enum err err = capture_store_insert(tx->db, &capture, tx->now_ms, &is_new);
    if (err || !is_new)
        return err;
    payment->captured += event->amount;
    if (!is_as_ordered(payment, event))
        return on_mismatch(tickets, tx, payment, event);
    if (payment_set_state(payment, PAYMENT_SUCCEEDED) != ERR_OK) {
        err = payment_store_save(tx->db, payment, tx->now_ms);
        return err ? err
                   : refund_request(tickets, tx, payment, event->provider_ref, event->amount,
                                    "already_paid", NULL);
    }
    payment->provider_ref = event->provider_ref;
    payment_schedule(payment, tx->now_ms);
    err = payment_store_save(tx->db, payment, tx->now_ms);
    if (!err)
        err = payment_journal(tx, "payment.succeeded", payment, NULL);
    return err ? err : settle(tickets, tx, payment, event->card);
}

/* Whether the money must wait until the provider was asked what was paid with. The question is due at
 * once, and comes again until it is answered, as for every session; where the session is still being
 * opened, that comes first. */
static enum err wait_for_card(struct tickets *tickets, struct writer_tx *tx,
                              struct payment *payment, const struct provider_event *event,
                              bool *ret_waits)
{
    struct booking booking;
    *ret_waits = false;
    if (!tickets->config->abuse || !event->is_card_elsewhere ||
        payment->state == PAYMENT_SUCCEEDED ||
        (payment->session_ref.len == 0 && payment->state != PAYMENT_CREATING))
        return ERR_OK;
    enum err err = booking_load(tx->db, payment->event_id, payment->booking_id, &booking);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    if (!booking.origin.network)
        return ERR_OK;
    *ret_waits = true;
    payment->next_at = tx->now_ms;
    err = payment_store_save(tx->db, payment, tx->now_ms);
    return err ? err : payment_stage_wake(tickets, tx);
}

/* --- Facts --- */

static const char *fact_name(enum provider_fact fact)
{
    switch (fact) {
    case FACT_OPEN:
        return "open";
    case FACT_SUCCEEDED:
        return "succeeded";
    case FACT_FAILED:
        return "failed";
    case FACT_REFUND_SUCCEEDED:
        return "refund_succeeded";
    case FACT_REFUND_FAILED:
        return "refund_failed";
    case FACT_IGNORED:
        return "ignored";
    }
    return "ignored";
}

/* By our own reference, else by the session. ERR_NOT_FOUND. */
static enum err find_payment(struct writer_tx *tx, const struct provider_event *event,
                             struct payment *ret_payment)
{
    uint64_t event_id = event->event_id, payment_id = event->payment_id;
    if (payment_id == 0) {
        if (event->session_ref.len == 0)
            return ERR_NOT_FOUND;
        enum err err = payment_store_by_session(tx->db, event->provider, event->session_ref,
                                                &event_id, &payment_id);
        if (err)
            return err;
    }
    enum err err = payment_load(tx->db, event_id, payment_id, tx->arena, ret_payment);
    if (!err && !str_eq(event->provider, str_from_c(ret_payment->provider)))
        return ERR_NOT_FOUND;
    return err;
}

/* False when it was told before. */
static enum err record(struct writer_tx *tx, const struct provider_event *event, const char *kind,
                       bool *ret_is_new)
{
    *ret_is_new = true;
    if (event->event_ref.len == 0)
        return ERR_OK; /* we asked */
    return provider_event_store_insert(tx->db, event, kind, tx->now_ms, ret_is_new);
}

static enum err apply_refund(struct tickets *tickets, struct writer_tx *tx,
                             const struct provider_event *event)
{
    struct refund refund;
    enum err err = refund_load(tx->db, event->event_id, event->refund_id, tx->arena, &refund);
    bool is_known = err == ERR_OK, is_new;
    if (err && err != ERR_NOT_FOUND)
        return err;
    err = record(tx, event, is_known ? fact_name(event->fact) : "ignored", &is_new);
    if (err || !is_new || !is_known)
        return err;
    return refund_apply(tickets, tx, &refund, event->fact);
}

enum err payment_apply(struct tickets *tickets, struct writer_tx *tx,
                       const struct provider_event *event)
{
    if (event->refund_id != 0)
        return apply_refund(tickets, tx, event);
    struct payment payment;
    enum err err = find_payment(tx, event, &payment);
    if (err && err != ERR_NOT_FOUND)
        return err;
    bool is_known = err == ERR_OK, is_new;
    struct provider_event found = *event;
    if (is_known) {
        found.event_id = payment.event_id;
        found.payment_id = payment.id;
    }
    err = record(tx, &found, is_known ? fact_name(event->fact) : "ignored", &is_new);
    if (err || !is_new || !is_known)
        return err;
    if (event->fact == FACT_SUCCEEDED) {
        bool waits;
        err = wait_for_card(tickets, tx, &payment, event, &waits);
        return err || waits ? err : on_money(tickets, tx, &payment, event);
    }
    return event->fact == FACT_FAILED ? fail(tickets, tx, &payment, "failed") : ERR_OK;
}
