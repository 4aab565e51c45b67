/*
 * POST /v1/bookings/{id}/refund: the organizer of the event (or an admin) gives money back at any
 * time, the owner of the booking until refund_until_s before the event starts. Whole or part; the
 * places are for sale again at once, the money follows by the worker.
 */
#include <stddef.h>

#include "app/identity.h"
#include "app/problem.h"
#include "base/ids.h"
#include "tickets/payment_http.h"
#include "tickets/payment_internal.h"
#include "tickets/refund.h"

struct refund_body {
    struct json_strs ticket_ids; /* none: all that are left */
};

const struct json_field refund_request_fields[] = {
    {.name = "ticket_ids",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct refund_body, ticket_ids),
     .min = 1,
     .max = BOOKING_PLACES_MAX,
     .doc = "Tickets to give back; absent: all of the booking"},
    {.name = NULL},
};

struct refund_call {
    uint64_t event_id, booking_id;
    size_t ticket_count; /* 0: all */
    uint64_t ticket_ids[BOOKING_PLACES_MAX];
};

enum err refund_post_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct refund_body body = {0};
    struct refund_call *prepared = ARENA_NEW(call_arena(call), struct refund_call);
    if (!prepared)
        return ERR_NOMEM;
    if (!call_param_id2(call, "id", "bkg", &prepared->event_id, &prepared->booking_id))
        return ERR_OK;
    if (call->req->body.len > 0 && !call_decode(call, &body))
        return ERR_OK;
    for (size_t i = 0; i < body.ticket_ids.count; i++) {
        uint64_t event_id;
        if (id_parse2(body.ticket_ids.items[i], "tkt", &event_id, &prepared->ticket_ids[i]) !=
                ERR_OK ||
            event_id != prepared->event_id) {
            struct str field = arena_printf(call_arena(call), "ticket_ids[%zu]", i);
            problem_field(call, field.data ? field.data : "ticket_ids",
                          "is not a ticket of this booking");
            return ERR_OK;
        }
    }
    prepared->ticket_count = body.ticket_ids.count;
    call->prepared = prepared;
    return ERR_OK;
}

/* Answers 404 or 403 and returns false. */
static bool check_caller(struct call *call, const struct booking *booking,
                         const struct event *event, int64_t now_ms)
{
    const struct caller *caller = call->caller;
    bool is_organizer = (caller->scopes & SCOPE_ADMIN) || ((caller->scopes & SCOPE_ORGANIZER) &&
                                                           caller->account_id == event->account_id);
    if (is_organizer)
        return true;
    if (caller->account_id != booking->account_id) {
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
        return false;
    }
    if (event->refund_until_s <= 0) {
        problem_reply(call, PROBLEM_FORBIDDEN,
                      "Tickets for this event are refunded by the organizer only.");
        return false;
    }
    if (now_ms > event->starts_at - event->refund_until_s * 1000) {
        problem_reply(call, PROBLEM_FORBIDDEN,
                      "The time to give tickets for this event back is over.");
        return false;
    }
    return true;
}

/* Moves the wanted tickets to the front of the list. Answers and returns false when one is not
 * there or not to be had. */
static bool choose_tickets(struct call *call, const struct refund_call *wanted,
                           struct ticket *tickets, size_t *count)
{
    size_t chosen = 0, found = 0;
    for (size_t i = 0; i < *count; i++) {
        bool is_wanted = wanted->ticket_count == 0;
        for (size_t j = 0; !is_wanted && j < wanted->ticket_count; j++)
            is_wanted = wanted->ticket_ids[j] == tickets[i].id;
        if (!is_wanted)
            continue;
        found++;
        if (tickets[i].used_at) {
            problem_reply(call, PROBLEM_CONFLICT, "A ticket was used already.");
            return false;
        }
        if (!tickets[i].is_revoked)
            tickets[chosen++] = tickets[i];
        else if (wanted->ticket_count > 0) {
            problem_reply(call, PROBLEM_CONFLICT, "A ticket was refunded already.");
            return false;
        }
    }
    if (found < wanted->ticket_count)
        problem_field(call, "ticket_ids", "names a ticket that is not of this booking");
    else if (chosen == 0)
        problem_reply(call, PROBLEM_CONFLICT, "The booking was refunded already.");
    *count = chosen;
    return !call_is_answered(call);
}

static void write_refund(struct json_writer *writer, const struct refund *refund,
                         const struct ticket *tickets, size_t count, int64_t now_ms)
{
    json_open_object(writer);
    json_put_id2(writer, "id", "ref", refund->event_id, refund->id);
    json_put_id2(writer, "booking_id", "bkg", refund->event_id, refund->booking_id);
    json_put_i64(writer, "amount", refund->amount);
    json_put_str(writer, "currency", str_from_c(refund->currency));
    json_put_str(writer, "reason", str_from_c(refund->reason));
    json_put_str(writer, "status", STR("pending"));
    json_key(writer, "ticket_ids");
    json_open_array(writer);
    for (size_t i = 0; i < count; i++) {
        char text[ID_TEXT_SIZE];
        json_str(writer, id_format2(text, "tkt", refund->event_id, tickets[i].id));
    }
    json_close_array(writer);
    json_put_time(writer, "created_at", now_ms);
    json_close_object(writer);
}

static enum err refund_chosen(struct call *call, struct writer_tx *tx,
                              const struct booking *booking, struct ticket *tickets, size_t count)
{
    struct payment payment;
    enum err err =
        payment_load_by_booking(tx->db, booking->event_id, booking->id, call_arena(call), &payment);
    struct refund_order order = {booking, &payment, tickets, count, "requested"};
    struct refund refund;
    if (!err)
        err = refund_tickets(call->service->state, tx, &order, &refund);
    if (err == ERR_NOT_FOUND || err == ERR_CONFLICT) {
        problem_reply(call, PROBLEM_CONFLICT, "Nothing was paid for these tickets.");
        return ERR_OK;
    }
    struct buf *body = err ? NULL : buf_new_in(call_arena(call), 4096);
    if (!body)
        return err ? err : ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    write_refund(&writer, &refund, tickets, count, tx->now_ms);
    reply_json(call, 202, body);
    return ERR_OK;
}

enum err refund_post_apply(struct call *call, struct writer_tx *tx)
{
    const struct refund_call *wanted = call->prepared;
    struct booking booking;
    enum err err = booking_load(tx->db, wanted->event_id, wanted->booking_id, &booking);
    struct event event;
    if (!err)
        err = event_load(tx->db, wanted->event_id, call_arena(call), &event);
    if (err == ERR_NOT_FOUND)
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    if (!check_caller(call, &booking, &event, tx->now_ms))
        return ERR_OK;
    if (booking.state != BOOKING_CONFIRMED) {
        problem_reply(call, PROBLEM_CONFLICT, "Only a confirmed booking can be refunded.");
        return ERR_OK;
    }
    struct ticket tickets[BOOKING_PLACES_MAX];
    size_t count;
    err = ticket_list(tx->db, wanted->event_id, wanted->booking_id, tickets, &count);
    if (err)
        return err;
    if (!choose_tickets(call, wanted, tickets, &count))
        return ERR_OK;
    return refund_chosen(call, tx, &booking, tickets, count);
}
