/*
 * Undoing the sales of a cancelled event.
 *
 * A walk over the event's bookings by id: what is held or waits for its payment is cancelled, what
 * is confirmed gets its money back and its tickets revoked. CANCEL_ROWS bookings make one job; the
 * next one is queued behind waiting requests when it is on disk. The row in event_cancel says how
 * far the walk is and goes when it is done, so a restart takes it up where it was; so does
 * event_cancel_retry after a disk that was full. With several nodes the steward walks; a new one takes
 * up what the last one left. Two walks over one event do no harm: what one has
 * undone is nothing to do for the other. New bookings can't appear: a hold asks the event's status in its own transaction, and money that comes for a
 * booking cancelled here is given back by the payment's own rules.
 */
#include "tickets/event_cancel.h"

#include "base/log.h"
#include "tickets/event_cancel_store.h"
#include "tickets/refund.h"

#include <stdlib.h>

#define CANCEL_ROWS     64
#define CANCELS_MAX     1000 /* resumed at once; more follow at the next start */
#define CHUNK_ARENA_MAX ((size_t)4 << 20)

struct cancel_walk {
    struct writer_job job;
    struct tickets *tickets;
    struct cancel_progress progress; /* on disk */
    uint64_t reached_id;             /* by the job under way */
    bool is_last;
};

/* Tickets that can still be given back. Those that were used at the door stay: whether these people
 * get their money is the organizer's to say. */
static size_t pick_tickets(struct ticket *tickets, size_t count)
{
    size_t picked = 0;
    for (size_t i = 0; i < count; i++) {
        if (!tickets[i].is_revoked && tickets[i].used_at == 0)
            tickets[picked++] = tickets[i];
    }
    return picked;
}

static int64_t price_of(const struct ticket *tickets, size_t count)
{
    int64_t price = 0;
    for (size_t i = 0; i < count; i++)
        price += tickets[i].price;
    return price;
}

/* The money refuses to add up: the others must not wait for it. Nothing was changed. */
static enum err leave_to_a_person(const struct booking *booking)
{
    char id[ID_TEXT_SIZE];
    log_error("a booking of a cancelled event could not be refunded", "booking=%s",
              id_format2(id, "bkg", booking->event_id, booking->id).data);
    return ERR_OK;
}

static enum err refund_booking(struct tickets *tickets, struct writer_tx *tx,
                               const struct booking *booking, struct arena *arena)
{
    struct ticket list[BOOKING_PLACES_MAX];
    struct payment payment;
    struct refund refund;
    size_t count = 0;
    enum err err = payment_load_by_booking(tx->db, booking->event_id, booking->id, arena, &payment);
    if (err == ERR_NOT_FOUND)
        return ERR_OK; /* free of charge: nothing to give back, and nowhere to go */
    if (!err)
        err = ticket_list(tx->db, booking->event_id, booking->id, list, &count);
    count = err ? 0 : pick_tickets(list, count);
    if (err || price_of(list, count) == 0)
        return err;
    struct refund_order order = {.booking = booking,
                                 .payment = &payment,
                                 .tickets = list,
                                 .ticket_count = count,
                                 .reason = "event_cancelled"};
    err = refund_tickets(tickets, tx, &order, &refund);
    return err == ERR_CONFLICT ? leave_to_a_person(booking) : err;
}

static enum err undo_booking(struct cancel_walk *walk, struct writer_tx *tx, uint64_t booking_id,
                             struct arena *arena)
{
    struct booking booking;
    enum err err = booking_load(tx->db, walk->progress.event_id, booking_id, &booking);
    if (err)
        return err;
    switch (booking.state) {
    case BOOKING_HELD:
    case BOOKING_PAYMENT_PENDING:
        return booking_cancel(walk->tickets, tx, &booking);
    case BOOKING_CONFIRMED:
        return refund_booking(walk->tickets, tx, &booking, arena);
    default:
        return ERR_OK; /* it ended before */
    }
}

static enum err save_progress(struct db *db, const struct cancel_walk *walk)
{
    struct cancel_progress progress = {walk->progress.event_id, walk->reached_id};
    return walk->is_last ? event_cancel_delete(db, progress.event_id)
                         : event_cancel_move(db, &progress);
}

static enum err walk_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct cancel_walk *walk = container_of(job, struct cancel_walk, job);
    uint64_t ids[CANCEL_ROWS];
    size_t count = 0;
    struct arena arena;
    arena_init(&arena, CHUNK_ARENA_MAX);
    enum err err = event_cancel_bookings(tx->db, &walk->progress, CANCEL_ROWS, ids, &count);
    for (size_t i = 0; !err && i < count; i++)
        err = undo_booking(walk, tx, ids[i], &arena);
    arena_release(&arena);
    if (err)
        return err;
    walk->is_last = count < CANCEL_ROWS;
    walk->reached_id = count ? ids[count - 1] : walk->progress.after_id;
    return save_progress(tx->db, walk);
}

static void walk_done(struct writer_job *job, enum err outcome)
{
    struct cancel_walk *walk = container_of(job, struct cancel_walk, job);
    if (!outcome && !walk->is_last) {
        walk->progress.after_id = walk->reached_id;
        outcome = writer_submit_internal(walk->tickets->writer, &walk->job);
        if (!outcome)
            return;
    }
    char id[ID_TEXT_SIZE];
    if (outcome && outcome != ERR_CLOSED) {
        log_error("undoing the sales of a cancelled event is tried again later",
                  "event=%s error=\"%s\"", id_format(id, "evt", walk->progress.event_id).data,
                  err_name(outcome));
        atomic_store(&walk->tickets->has_stalled_cancels, true);
    }
    free(walk);
}

/* The job is the writer's from here on. */
static enum err start_walk(struct tickets *tickets, struct cancel_progress progress)
{
    struct cancel_walk *walk = calloc(1, sizeof(*walk));
    if (!walk)
        return ERR_NOMEM;
    /* Its bookings with their payments, refunds, tickets and seats, and its row of progress. */
    *walk = (struct cancel_walk){
        .job = {.shard = progress.event_id, .apply = walk_apply, .done = walk_done},
        .tickets = tickets,
        .progress = progress};
    enum err err = writer_submit_internal(tickets->writer, &walk->job);
    if (err)
        free(walk);
    return err;
}

struct cancelled_effect {
    struct tickets *tickets;
    uint64_t event_id;
};

static void begin(struct tickets *tickets, uint64_t event_id)
{
    if (start_walk(tickets, (struct cancel_progress){event_id, 0}) != ERR_OK)
        atomic_store(&tickets->has_stalled_cancels, true);
}

static void on_cancelled(void *data)
{
    struct cancelled_effect *effect = data;
    if (!effect->tickets->tail) /* else the steward's tail begins, which may be another node's */
        begin(effect->tickets, effect->event_id);
}

void event_cancel_follow(struct tickets *tickets, uint64_t event_id)
{
    if (writer_is_steward(tickets->writer))
        begin(tickets, event_id);
}

enum err event_cancel_stage(struct tickets *tickets, struct writer_tx *tx, uint64_t event_id)
{
    enum err err = event_cancel_put(tx->db, event_id);
    if (err)
        return err;
    struct cancelled_effect *effect = writer_effect(tx, on_cancelled, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    *effect = (struct cancelled_effect){tickets, event_id};
    return ERR_OK;
}

/* --- After a restart --- */

struct open_walks {
    struct writer_job job;
    size_t count;
    struct cancel_progress items[CANCELS_MAX];
};

static enum err list_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct open_walks *walks = container_of(job, struct open_walks, job);
    return event_cancel_list(tx->db, CANCELS_MAX, walks->items, &walks->count);
}

static void list_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome; /* writer_run hands it on */
}

enum err event_cancel_resume(struct tickets *tickets)
{
    struct open_walks *walks = calloc(1, sizeof(*walks));
    if (!walks)
        return ERR_NOMEM;
    walks->job = (struct writer_job){.apply = list_apply, .done = list_done};
    enum err err = writer_run_internal(tickets->writer, &walks->job);
    for (size_t i = 0; !err && i < walks->count; i++)
        err = start_walk(tickets, walks->items[i]);
    free(walks);
    return err;
}

void event_cancel_retry(struct tickets *tickets)
{
    if (!atomic_exchange(&tickets->has_stalled_cancels, false))
        return;
    if (event_cancel_resume(tickets) != ERR_OK)
        atomic_store(&tickets->has_stalled_cancels, true);
}
