/*
 * What the worker's calls brought, written down: a session was opened, asked about, closed, or the
 * call came to nothing. Facts about money go the way of callbacks (payment_apply); here is only the
 * session's own progress and when to look at it again.
 *
 * Each function runs in a job of the writer on the payment's row as it is now, which may have moved
 * since the call left.
 */
#include "tickets/payment_internal.h"
#include "tickets/payment_store.h"

/* The call brought nothing: later, with a growing pause. */
static enum err try_later(struct writer_tx *tx, struct payment *payment)
{
    payment->next_at = tx->now_ms + payment_retry_delay_ms(payment->attempts);
    payment->attempts++;
    return payment_store_save(tx->db, payment, tx->now_ms);
}

static enum err apply_answer(struct tickets *tickets, struct writer_tx *tx,
                             const struct payment *payment, const struct provider_answer *answer)
{
    struct provider_event event = {
        .provider = str_from_c(payment->provider),
        .fact = answer->fact,
        .event_id = payment->event_id,
        .payment_id = payment->id,
        .session_ref = answer->session_ref,
        .provider_ref = answer->provider_ref,
        .amount = answer->amount,
        .card = answer->card,
        .is_card_elsewhere = answer->is_card_elsewhere,
    };
    memcpy(event.currency, answer->currency, sizeof(event.currency));
    return payment_apply(tickets, tx, &event);
}

static enum err fail(struct tickets *tickets, struct writer_tx *tx, const struct payment *payment)
{
    struct provider_answer refusal = {.fact = FACT_FAILED};
    return apply_answer(tickets, tx, payment, &refusal);
}

enum err payment_on_created(struct tickets *tickets, struct writer_tx *tx, struct payment *payment,
                            const struct provider_answer *answer)
{
    if (answer->verdict == VERDICT_REFUSED)
        return fail(tickets, tx, payment);
    if (answer->verdict != VERDICT_OK)
        return payment->state == PAYMENT_CREATING ? try_later(tx, payment) : ERR_OK;
    payment->session_ref = answer->session_ref;
    payment->url = answer->url;
    if (payment_set_state(payment, PAYMENT_OPEN) != ERR_OK)
        payment->is_close_wanted =
            payment->state != PAYMENT_SUCCEEDED; /* ended meanwhile: the session must, too */
    payment->attempts = 0;
    payment_schedule(payment, tx->now_ms);
    enum err err = payment_store_save(tx->db, payment, tx->now_ms);
    if (!err &&
        answer->fact != FACT_OPEN) /* the key was used before, and the session has gone on since */
        err = apply_answer(tickets, tx, payment, answer);
    return err;
}

enum err payment_on_asked(struct tickets *tickets, struct writer_tx *tx, struct payment *payment,
                          const struct provider_answer *answer)
{
    if (payment->state == PAYMENT_SUCCEEDED)
        return ERR_OK;
    bool is_answer = answer->verdict == VERDICT_OK || answer->verdict == VERDICT_UNKNOWN;
    if (!is_answer) {
        payment->next_at = tx->now_ms + payment_retry_delay_ms(4);
        return payment_store_save(tx->db, payment, tx->now_ms);
    }
    payment->attempts++;
    payment_schedule(payment, tx->now_ms);
    enum err err = payment_store_save(tx->db, payment, tx->now_ms);
    if (err || answer->verdict != VERDICT_OK || answer->fact == FACT_OPEN)
        return err;
    return apply_answer(tickets, tx, payment, answer);
}

enum err payment_on_closed(struct tickets *tickets, struct writer_tx *tx, struct payment *payment,
                           const struct provider_answer *answer)
{
    if (payment->state == PAYMENT_SUCCEEDED || !payment->is_close_wanted)
        return ERR_OK;
    bool is_ended = answer->verdict == VERDICT_UNKNOWN ||
                    (answer->verdict == VERDICT_OK && answer->fact == FACT_FAILED);
    if (answer->verdict == VERDICT_OK && answer->fact == FACT_SUCCEEDED)
        return apply_answer(tickets, tx, payment, answer);
    if (!is_ended)
        return try_later(tx, payment);
    payment->is_close_wanted = false;
    payment->attempts = 0;
    (void)!payment_set_state(payment, PAYMENT_CLOSED); /* one that failed before stays so */
    payment_schedule(payment, tx->now_ms);
    return payment_store_save(tx->db, payment, tx->now_ms);
}
