/*
 * Refunds. The row is written in the transaction that finds the money to be given back; the worker
 * asks the provider with the row's id as the idempotency key, as often as it takes, so it happens
 * once.
 *
 *   PENDING ──── given back ────▶ SUCCEEDED
 *      │                              │
 *      └── refused ──▶ REFUSED ◀──────┘   (a bank may return a refund later: needs a person)
 *
 * payment.refunded counts what was promised and never shrinks; CHECK (refunded <= captured) refuses
 * a promise of more than came in. A refused refund stays promised and visible.
 */
#include "tickets/refund.h"

#include "base/log.h"
#include "tickets/booking_store.h"
#include "tickets/payment_internal.h"
#include "tickets/refund_store.h"

static void journal_head(struct json_writer *writer, const struct refund *refund)
{
    json_open_object(writer);
    json_put_i64(writer, "booking", (int64_t)refund->booking_id);
    json_put_i64(writer, "payment", (int64_t)refund->payment_id);
    json_put_i64(writer, "refund", (int64_t)refund->id);
    json_put_i64(writer, "amount", refund->amount);
    json_put_str(writer, "currency", str_from_c(refund->currency));
    json_put_str(writer, "reason", str_from_c(refund->reason));
}

static enum err refund_journal(struct writer_tx *tx, const char *type, const struct refund *refund)
{
    struct buf *data = buf_new_in(tx->arena, 1024);
    if (!data)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, data);
    journal_head(&writer, refund);
    json_close_object(&writer);
    if (data->overflow)
        return ERR_NOMEM;
    return journal_append(tx->journal, refund->event_id, type, buf_str(data), NULL);
}

enum err refund_request(struct tickets *tickets, struct writer_tx *tx,
                        const struct payment *payment, struct str provider_ref, int64_t amount,
                        const char *reason, uint64_t *ret_refund_id)
{
    struct refund refund = {
        .event_id = payment->event_id,
        .id = id_next(tx->ids),
        .booking_id = payment->booking_id,
        .payment_id = payment->id,
        .provider_ref = provider_ref,
        .amount = amount,
        .state = REFUND_PENDING,
        .next_at = tx->now_ms,
    };
    if (amount <= 0)
        return ERR_CONFLICT;
    enum err err = str_to_c(str_from_c(reason), refund.reason, sizeof(refund.reason));
    if (!err)
        err = capture_store_currency(tx->db, str_from_c(payment->provider), provider_ref,
                                     refund.currency);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    err = refund_store_promise(tx->db, payment->event_id, payment->id, amount, tx->now_ms);
    if (!err)
        err = refund_store_insert(tx->db, &refund, tx->now_ms);
    if (!err)
        err = refund_journal(tx, "refund.requested", &refund);
    if (!err)
        err = payment_stage_wake(tickets, tx);
    if (!err && ret_refund_id)
        *ret_refund_id = refund.id;
    return err;
}

/* The only place where a refund's state moves. */
static enum err refund_set_state(struct writer_tx *tx, struct refund *refund, enum refund_state to)
{
    bool is_legal = refund->state == REFUND_PENDING ||
                    (refund->state == REFUND_SUCCEEDED && to == REFUND_REFUSED);
    if (!is_legal || to == REFUND_PENDING)
        return ERR_CONFLICT;
    refund->state = to;
    refund->next_at = 0;
    return refund_store_save(tx->db, refund, tx->now_ms);
}

enum err refund_apply(struct tickets *tickets, struct writer_tx *tx, struct refund *refund,
                      enum provider_fact fact)
{
    (void)tickets;
    if (fact != FACT_REFUND_SUCCEEDED && fact != FACT_REFUND_FAILED)
        return ERR_OK;
    bool is_good = fact == FACT_REFUND_SUCCEEDED;
    enum err err = refund_set_state(tx, refund, is_good ? REFUND_SUCCEEDED : REFUND_REFUSED);
    if (err)
        return err == ERR_CONFLICT ? ERR_OK : err;
    if (!is_good)
        log_error("refund refused by the provider", "refund=%llu payment=%llu amount=%lld",
                  (unsigned long long)refund->id, (unsigned long long)refund->payment_id,
                  (long long)refund->amount);
    return refund_journal(tx, is_good ? "refund.succeeded" : "refund.failed", refund);
}

enum err refund_on_answer(struct tickets *tickets, struct writer_tx *tx, struct refund *refund,
                          const struct provider_answer *answer)
{
    if (refund->state != REFUND_PENDING)
        return ERR_OK; /* a callback was faster */
    bool was_asked = refund->provider_refund_ref.len > 0;
    if (answer->verdict == VERDICT_OK) {
        refund->provider_refund_ref = answer->provider_refund_ref;
        if (answer->fact != FACT_OPEN)
            return refund_apply(tickets, tx, refund, answer->fact);
    } else if (!was_asked &&
               (answer->verdict == VERDICT_REFUSED || answer->verdict == VERDICT_UNKNOWN)) {
        return refund_apply(tickets, tx, refund, FACT_REFUND_FAILED);
    }
    refund->next_at =
        tx->now_ms + payment_retry_delay_ms(answer->verdict == VERDICT_OK ? 6 : refund->attempts);
    refund->attempts++;
    return refund_store_save(tx->db, refund, tx->now_ms);
}

/* --- Tickets given back --- */

static void journal_places(struct json_writer *writer, const struct refund_order *order)
{
    json_key(writer, "tickets");
    json_open_array(writer);
    for (size_t i = 0; i < order->ticket_count; i++)
        json_i64(writer, (int64_t)order->tickets[i].id);
    json_close_array(writer);
    for (int is_area = 0; is_area < 2; is_area++) {
        json_key(writer, is_area ? "areas" : "seats");
        json_open_array(writer);
        for (size_t i = 0; i < order->ticket_count; i++) {
            const struct ticket *ticket = &order->tickets[i];
            if (ticket->is_area != is_area)
                continue;
            json_open_array(writer);
            json_i64(writer, is_area ? ticket->area_no : ticket->seat_no);
            if (is_area)
                json_i64(writer, 1);
            json_i64(writer, ticket->price);
            json_close_array(writer);
        }
        json_close_array(writer);
    }
}

static void journal_areas_free(struct json_writer *writer, const struct places_change *freed)
{
    json_key(writer, "areas_free");
    json_open_array(writer);
    for (size_t i = 0; i < freed->area_count; i++) {
        json_open_array(writer);
        json_i64(writer, freed->areas[i].area_no);
        json_i64(writer, freed->areas[i].free);
        json_close_array(writer);
    }
    json_close_array(writer);
}

/* One row that says which places are free again; its version is theirs. */
static enum err journal_revoked(struct writer_tx *tx, const struct refund_order *order,
                                const struct refund *refund, struct places_change *freed)
{
    struct buf *data = buf_new_in(tx->arena, 4096);
    if (!data)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, data);
    journal_head(&writer, refund);
    json_put_i64(&writer, "account", (int64_t)order->booking->account_id);
    journal_places(&writer, order);
    if (freed->area_count > 0)
        journal_areas_free(&writer, freed);
    json_close_object(&writer);
    if (data->overflow)
        return ERR_NOMEM;
    return journal_append(tx->journal, refund->event_id, "tickets.revoked", buf_str(data),
                          &freed->version);
}

/* Several tickets may be of one area: the last count is the one that stands. */
static void note_area(struct places_change *freed, uint32_t area_no, int64_t free)
{
    size_t i = 0;
    while (i < freed->area_count && freed->areas[i].area_no != area_no)
        i++;
    if (i == freed->area_count)
        freed->area_count++;
    freed->areas[i] = (struct area_change){area_no, (int32_t)free};
}

/* Frees the ticket's place and notes it; seat_nos has room for all of the order. */
static enum err free_place(struct writer_tx *tx, const struct ticket *ticket,
                           struct places_change *freed, uint32_t *seat_nos)
{
    if (!ticket->is_area) {
        seat_nos[freed->seat_count++] = ticket->seat_no;
        return refund_store_seat_free(tx->db, ticket->event_id, ticket->seat_no,
                                      ticket->booking_id);
    }
    int64_t free;
    enum err err = booking_store_area_take(tx->db, ticket->event_id, ticket->area_no, -1, &free);
    if (err)
        return err;
    if (free == AREA_NOT_TAKEN)
        return ERR_CORRUPT;
    note_area(freed, ticket->area_no, free);
    return ERR_OK;
}

enum err refund_tickets(struct tickets *tickets, struct writer_tx *tx,
                        const struct refund_order *order, struct refund *ret_refund)
{
    const struct payment *payment = order->payment;
    uint32_t seat_nos[BOOKING_PLACES_MAX];
    struct places_change freed = {.state = SEAT_FREE, .seat_nos = seat_nos};
    int64_t amount = 0;
    for (size_t i = 0; i < order->ticket_count; i++)
        amount += order->tickets[i].price;
    uint64_t refund_id;
    enum err err = refund_request(tickets, tx, payment, payment->provider_ref, amount,
                                  order->reason, &refund_id);
    if (!err)
        err = refund_load(tx->db, payment->event_id, refund_id, tx->arena, ret_refund);
    for (size_t i = 0; !err && i < order->ticket_count; i++) {
        err = ticket_revoke(tx, &order->tickets[i], refund_id);
        if (!err)
            err = free_place(tx, &order->tickets[i], &freed, seat_nos);
    }
    if (!err)
        err = booking_store_give_back(tx->db, order->booking, (int64_t)order->ticket_count);
    if (!err)
        err = journal_revoked(tx, order, ret_refund, &freed);
    return err ? err
               : inventory_stage_places(tickets->inventory, tx, order->booking->event_id, &freed);
}
