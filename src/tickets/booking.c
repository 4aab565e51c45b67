/*
 * Bookings: every transition is one function here, run in one job of the writer, and moves the
 * booking through booking_set_state() alone.
 *
 *            hold                 checkout                 money came
 *   (none) ────────▶ HELD ─────────────────▶ PAYMENT_PENDING ───────────▶ CONFIRMED
 *                     │  └──── free of charge, or money for a hold ────────▶ ▲ ▲
 *                     │ time is up                │ time is up                │ │
 *                     ├────────────▶ EXPIRED ◀────┤ (provider was asked)      │ │
 *                     │                 └─────────┼── late money, all free ───┘ │
 *                     │ cancel                    │ cancel                      │
 *                     ├────────────▶ CANCELLED ◀──┤                             │
 *                     │ payment failed            │ payment failed              │
 *                     └────────────▶ FAILED ◀─────┘                             │
 *                                       └────────── late money, all free ───────┘
 *
 * Invariants
 *  1. A seat belongs to the booking whose id stands in its seat_claim row; the row's primary key
 *     lets there be one.
 *  2. HELD and PAYMENT_PENDING own claims in state held, CONFIRMED owns claims in state booked
 *     (less those of refunded tickets), all others own none. Area counters follow the same rule.
 *  3. A confirmed booking's user, seats, price and payment never change; refunds are rows.
 *  4. Only booking_expire compares a time: a hold stays one until its end is committed.
 *  5. Each transition appends one journal row, whose version is the event's new seat version.
 */
#include "tickets/booking.h"

#include "tickets/booking_store.h"
#include "tickets/expiry.h"
#include "tickets/payment.h"
#include "tickets/queue.h"
#include "tickets/replay_keys.h"
#include "tickets/ticket.h"
#include "tickets/tickets.h"

static bool is_open(enum booking_state state)
{
    return state == BOOKING_HELD || state == BOOKING_PAYMENT_PENDING;
}

static bool is_legal(enum booking_state from, enum booking_state to)
{
    switch (to) {
    case BOOKING_HELD:
        return false;
    case BOOKING_PAYMENT_PENDING:
        return from == BOOKING_HELD;
    case BOOKING_CONFIRMED:
        return is_open(from) || from == BOOKING_EXPIRED || from == BOOKING_FAILED;
    case BOOKING_EXPIRED:
    case BOOKING_CANCELLED:
    case BOOKING_FAILED:
        return is_open(from);
    }
    return false;
}

/* The only place where a booking's state moves. */
static enum err booking_set_state(struct tickets *tickets, struct writer_tx *tx,
                                  struct booking *booking, enum booking_state to)
{
    enum booking_state from = booking->state;
    if (!is_legal(booking->state, to))
        return ERR_CONFLICT;
    int64_t ended_at = to == BOOKING_PAYMENT_PENDING ? 0 : tx->now_ms;
    enum err err = booking_store_set_state(tx->db, booking, booking->state, to, ended_at);
    if (err)
        return err;
    booking->state = to;
    booking->ended_at = ended_at;
    return queue_booking_moved(tickets, tx, booking, from, to);
}

/* How many places are free in each area that took part: what other nodes show from now on. */
static void write_areas_free(struct json_writer *writer, const struct booking *booking)
{
    json_key(writer, "areas_free");
    json_open_array(writer);
    for (size_t i = 0; i < booking->area_count; i++) {
        json_open_array(writer);
        json_i64(writer, booking->areas[i].area_no);
        json_i64(writer, booking->areas_free[i]);
        json_close_array(writer);
    }
    json_close_array(writer);
}

/* One row for what happened to the booking. */
static enum err booking_journal(struct writer_tx *tx, const char *type,
                                const struct booking *booking, uint64_t payment_id,
                                int64_t *ret_version)
{
    struct buf *data = buf_new_in(tx->arena, 4096);
    if (!data)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, data);
    json_open_object(&writer);
    json_put_i64(&writer, "booking", (int64_t)booking->id);
    json_put_i64(&writer, "account", (int64_t)booking->account_id);
    json_key(&writer, "seats");
    booking_write_seats(&writer, booking);
    json_key(&writer, "areas");
    booking_write_areas(&writer, booking);
    if (booking->has_moved_areas)
        write_areas_free(&writer, booking);
    json_put_i64(&writer, "amount", booking->amount);
    json_put_str(&writer, "currency", str_from_c(booking->currency));
    if (booking->state == BOOKING_HELD) {
        json_put_i64(&writer, "expires_at", booking->expires_at);
        char hex[2 * sizeof(booking->key_hash) + 1];
        struct buf text = {.data = hex, .cap = sizeof(hex) - 1, .max = sizeof(hex) - 1};
        hex_append(&text, booking->key_hash, sizeof(booking->key_hash));
        json_put_str(&writer, "key", buf_str(&text));
    }
    if (payment_id)
        json_put_i64(&writer, "payment", (int64_t)payment_id);
    json_close_object(&writer);
    if (data->overflow)
        return ERR_NOMEM;
    return journal_append(tx->journal, booking->event_id, type, buf_str(data), ret_version);
}

/* The booking's seats get this state, and its areas their new counts if it has moved them. */
static enum err stage_places(struct tickets *tickets, struct writer_tx *tx,
                             const struct booking *booking, int64_t version, enum seat_state state)
{
    uint32_t seat_nos[BOOKING_PLACES_MAX];
    struct places_change change = {.version = version,
                                   .state = state,
                                   .seat_nos = seat_nos,
                                   .seat_count = booking->seat_count,
                                   .area_count =
                                       booking->has_moved_areas ? booking->area_count : 0};
    for (size_t i = 0; i < booking->seat_count; i++)
        seat_nos[i] = booking->seats[i].seat_no;
    for (size_t i = 0; i < change.area_count; i++)
        change.areas[i] =
            (struct area_change){booking->areas[i].area_no, (int32_t)booking->areas_free[i]};
    return inventory_stage_places(tickets->inventory, tx, booking->event_id, &change);
}

/* --- Hold --- */

static enum err claim_all(struct writer_tx *tx, struct booking *booking,
                          struct hold_conflicts *ret_conflicts)
{
    int64_t claimed[BOOKING_PLACES_MAX] = {0};
    *ret_conflicts = (struct hold_conflicts){0};
    enum err err = booking_store_claim(tx->db, booking, claimed);
    if (err)
        return err;
    for (size_t i = 0; i < booking->seat_count; i++)
        if (claimed[i] != 1)
            ret_conflicts->seat_nos[ret_conflicts->seat_count++] = booking->seats[i].seat_no;
    for (size_t i = 0; i < booking->area_count; i++) {
        const struct booking_area *area = &booking->areas[i];
        err = booking_store_area_take(tx->db, booking->event_id, area->area_no, area->quantity,
                                      &booking->areas_free[i]);
        if (err)
            return err;
        if (booking->areas_free[i] == AREA_NOT_TAKEN)
            ret_conflicts->area_nos[ret_conflicts->area_count++] = area->area_no;
    }
    booking->has_moved_areas = booking->area_count > 0;
    return ret_conflicts->seat_count || ret_conflicts->area_count ? ERR_CONFLICT : ERR_OK;
}

enum err booking_hold(struct tickets *tickets, struct writer_tx *tx, struct booking *booking,
                      struct hold_conflicts *ret_conflicts)
{
    booking->id = id_next(tx->ids);
    enum err err = claim_all(tx, booking, ret_conflicts);
    if (err)
        return err;
    err = booking_store_insert(tx->db, booking);
    if (!err && booking->admission_id)
        err = queue_hold_taken(tickets, tx, booking);
    int64_t version = 0;
    if (!err)
        err = booking_journal(tx, "booking.held", booking, 0, &version);
    if (!err)
        err = replay_keys_stage(tickets->replay_keys, tx,
                                booking); /* before the seats: see replay_keys.h */
    if (!err)
        err = stage_places(tickets, tx, booking, version, SEAT_HELD);
    if (!err)
        err = expiry_stage(tickets->expiry, tx, booking);
    return err;
}

static bool has_no(const uint32_t *nos, size_t count, uint32_t no)
{
    for (size_t i = 0; i < count; i++)
        if (nos[i] == no)
            return false;
    return true;
}

enum err booking_unhold(struct writer_tx *tx, const struct booking *booking,
                        const struct hold_conflicts *conflicts)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < booking->seat_count; i++) {
        uint32_t seat_no = booking->seats[i].seat_no;
        if (has_no(conflicts->seat_nos, conflicts->seat_count, seat_no))
            err = booking_store_claim_free(tx->db, booking->event_id, seat_no, booking->id);
    }
    for (size_t i = 0; !err && i < booking->area_count; i++) {
        const struct booking_area *area = &booking->areas[i];
        int64_t free_places;
        if (has_no(conflicts->area_nos, conflicts->area_count, area->area_no))
            err = booking_store_area_take(tx->db, booking->event_id, area->area_no,
                                          -(int64_t)area->quantity, &free_places);
    }
    return err;
}

/* --- Payment and confirmation --- */

enum err booking_start_payment(struct tickets *tickets, struct writer_tx *tx,
                               struct booking *booking)
{
    if (booking->state != BOOKING_HELD)
        return ERR_CONFLICT;
    if (booking->amount == 0)
        return booking_confirm(tickets, tx, booking, 0);
    enum err err = booking_set_state(tickets, tx, booking, BOOKING_PAYMENT_PENDING);
    if (!err)
        err = booking_journal(tx, "booking.payment_pending", booking, 0, NULL);
    if (!err)
        err = payment_create(tickets, tx, booking);
    return err;
}

/* Claims are held by the booking: makes them its own for good. */
static enum err finish_confirmation(struct tickets *tickets, struct writer_tx *tx,
                                    struct booking *booking, uint64_t payment_id)
{
    for (size_t i = 0; i < booking->seat_count; i++) {
        enum err err = booking_store_claim_book(tx->db, booking->event_id,
                                                booking->seats[i].seat_no, booking->id);
        if (err)
            return err;
    }
    enum err err = booking_set_state(tickets, tx, booking, BOOKING_CONFIRMED);
    if (!err)
        err = ticket_issue(tx, booking);
    int64_t version = 0;
    if (!err)
        err = booking_journal(tx, "booking.confirmed", booking, payment_id, &version);
    if (!err)
        err = stage_places(tickets, tx, booking, version, SEAT_BOOKED);
    return err;
}

enum err booking_confirm(struct tickets *tickets, struct writer_tx *tx, struct booking *booking,
                         uint64_t payment_id)
{
    if (!is_open(booking->state))
        return ERR_CONFLICT;
    return finish_confirmation(tickets, tx, booking, payment_id);
}

/* ERR_CONFLICT when a place of the booking is gone or the event no longer takes place. Changes
 * nothing. */
static enum err check_all_free(struct writer_tx *tx, const struct booking *booking)
{
    struct event_sale sale;
    enum err err = booking_store_sale(tx->db, booking->event_id, &sale);
    if (err)
        return err;
    if (sale.status != EVENT_PUBLISHED || tx->now_ms >= sale.starts_at)
        return ERR_CONFLICT;
    for (size_t i = 0; i < booking->seat_count; i++) {
        bool is_claimed;
        err = booking_store_is_claimed(tx->db, booking->event_id, booking->seats[i].seat_no,
                                       &is_claimed);
        if (err)
            return err;
        if (is_claimed)
            return ERR_CONFLICT;
    }
    for (size_t i = 0; i < booking->area_count; i++) {
        int64_t available;
        err = booking_store_area_available(tx->db, booking->event_id, booking->areas[i].area_no,
                                           &available);
        if (err)
            return err;
        if (available < booking->areas[i].quantity)
            return ERR_CONFLICT;
    }
    return ERR_OK;
}

enum err booking_reclaim(struct tickets *tickets, struct writer_tx *tx, struct booking *booking,
                         uint64_t payment_id)
{
    if (booking->state != BOOKING_EXPIRED && booking->state != BOOKING_FAILED)
        return ERR_CONFLICT;
    /* Looked at first and taken second: writes of an event are serial, so nobody comes between, and
     * a refusal leaves no trace. */
    enum err err = check_all_free(tx, booking);
    if (err)
        return err;
    struct hold_conflicts conflicts;
    err = claim_all(tx, booking, &conflicts);
    if (err)
        return err == ERR_CONFLICT ? ERR_CORRUPT : err;
    err = finish_confirmation(tickets, tx, booking, payment_id);
    /* By now the places are taken: no reason to refuse is left, and the caller would go on. */
    return err == ERR_CONFLICT ? ERR_CORRUPT : err;
}

/* --- Ends without a sale --- */

static enum err release(struct tickets *tickets, struct writer_tx *tx, struct booking *booking,
                        enum booking_state to, const char *type)
{
    enum err err = booking_set_state(tickets, tx, booking, to);
    for (size_t i = 0; !err && i < booking->seat_count; i++)
        err = booking_store_claim_free(tx->db, booking->event_id, booking->seats[i].seat_no,
                                       booking->id);
    for (size_t i = 0; !err && i < booking->area_count; i++) {
        err =
            booking_store_area_take(tx->db, booking->event_id, booking->areas[i].area_no,
                                    -(int64_t)booking->areas[i].quantity, &booking->areas_free[i]);
        if (!err && booking->areas_free[i] == AREA_NOT_TAKEN)
            err = ERR_CORRUPT;
    }
    booking->has_moved_areas = booking->area_count > 0;
    int64_t version = 0;
    if (!err)
        err = booking_journal(tx, type, booking, 0, &version);
    if (!err)
        err = stage_places(tickets, tx, booking, version, SEAT_FREE);
    return err;
}

enum err booking_fail(struct tickets *tickets, struct writer_tx *tx, struct booking *booking)
{
    return release(tickets, tx, booking, BOOKING_FAILED, "booking.failed");
}

enum err booking_expire(struct tickets *tickets, struct writer_tx *tx, struct booking *booking,
                        bool was_asked)
{
    if (!is_open(booking->state) || booking->expires_at > tx->now_ms)
        return ERR_CONFLICT;
    if (booking->state == BOOKING_PAYMENT_PENDING && !was_asked)
        return ERR_AGAIN;
    bool has_payment = booking->state == BOOKING_PAYMENT_PENDING;
    enum err err = release(tickets, tx, booking, BOOKING_EXPIRED, "booking.expired");
    if (!err && has_payment)
        err = payment_want_close(tickets, tx, booking->event_id, booking->id);
    return err;
}

enum err booking_cancel(struct tickets *tickets, struct writer_tx *tx, struct booking *booking)
{
    bool has_payment = booking->state == BOOKING_PAYMENT_PENDING;
    enum err err = release(tickets, tx, booking, BOOKING_CANCELLED, "booking.cancelled");
    if (!err && has_payment)
        err = payment_want_close(tickets, tx, booking->event_id, booking->id);
    return err;
}

enum err booking_extend(struct tickets *tickets, struct writer_tx *tx, struct booking *booking,
                        int64_t by_ms)
{
    if (!is_open(booking->state) || booking->extended_ms > 0 || by_ms <= 0 ||
        by_ms > HOLD_EXTENSION_MS_MAX)
        return ERR_CONFLICT;
    enum err err = booking_store_extend(tx->db, booking, by_ms);
    if (err)
        return err;
    booking->expires_at += by_ms;
    booking->extended_ms = by_ms;
    err = booking_journal(tx, "booking.extended", booking, 0, NULL);
    if (!err)
        err = expiry_stage(tickets->expiry, tx, booking);
    return err;
}
