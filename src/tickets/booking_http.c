/*
 * Routes of bookings: hold, read, list, checkout, cancel.
 *
 * POST /v1/bookings is the hot path. prepare runs on the loop: it decodes, resolves names by the
 * event's model, asks the gates (rate limit, queue_gate.h, abuse.h) and may refuse a taken seat
 * from memory, but only when the Idempotency-Key is certainly new, or a winner who lost the reply
 * would be refused by his own seats; best available (best.h) picks there. apply, on the writer,
 * looks the key up once more, asks the event's row whether the sale is open, the admission and the
 * caps, and lets the seat_claim table decide.
 */
#include "app/problem.h"
#include "tickets/abuse.h"
#include "tickets/booking_store.h"
#include "tickets/booking_view.h"
#include "tickets/hold_request.h"
#include "tickets/inventory_store.h"
#include "tickets/queue_gate.h"
#include "tickets/replay_keys.h"
#include "tickets/tail.h"
#include "tickets/tickets.h"

static struct tickets *call_tickets(struct call *call)
{
    return call->service->state;
}

static void unref_model(void *ptr)
{
    event_model_unref(ptr);
}

/* The model, referenced until the request ends. On the loop (db NULL) ERR_AGAIN when it is not in
 * memory. */
static enum err call_model(struct call *call, struct db *db, uint64_t event_id,
                           struct event_model **ret_model)
{
    struct inventory *inventory = call_tickets(call)->inventory;
    struct event_model *model = inventory_get(inventory, event_id);
    if (!model) {
        if (!db)
            return ERR_AGAIN;
        enum err err = inventory_load(inventory, db, event_id, &model);
        if (err)
            return err;
    }
    enum err err = arena_on_release(call_arena(call), unref_model, model);
    if (!err)
        *ret_model = model;
    return err;
}

/* --- POST /v1/bookings --- */

struct hold_call {
    struct booking booking;
    struct event_model *model;
    struct abuse_guard guard;
    uint64_t replay_id; /* from memory; verified against the row */
    bool is_key_new;
    struct best_ask best; /* count 0: places were chosen */
    struct best_marks marks;
    size_t kept_seats, kept_areas; /* marks that prepare has set */
    uint32_t waiting;              /* places for which it waits behind who asks for them */
    uint32_t largest_group;        /* when the best available are not to be had */
    struct queue_pass pass;        /* of the waiting room */
};

/* What is asked for is asked for no longer: the answer is about to leave. */
static void hold_at_end(void *prepared)
{
    struct hold_call *hold = prepared;
    best_release(&hold->marks, 0, 0);
    atomic_fetch_sub(&hold->marks.model->asked_waiting, hold->waiting);
    hold->waiting = 0;
}

static void conflicts_reply(struct call *call, const struct event_model *model,
                            const struct hold_conflicts *conflicts)
{
    struct buf *body;
    struct json_writer writer =
        problem_begin(call, PROBLEM_SEATS_UNAVAILABLE, "Somebody else has these places.", &body);
    json_key(&writer, "conflicts");
    json_open_array(&writer);
    for (size_t i = 0; i < conflicts->seat_count; i++)
        json_str(&writer, model->layout->seats[conflicts->seat_nos[i]].guid);
    for (size_t i = 0; i < conflicts->area_count; i++) {
        int index = event_model_area_index(model, conflicts->area_nos[i]);
        if (index >= 0)
            json_str(&writer, model->areas[index].guid);
    }
    json_close_array(&writer);
    problem_end(call, &writer, PROBLEM_SEATS_UNAVAILABLE, body);
}

static void no_best_reply(struct call *call, uint32_t largest_group)
{
    struct buf *body;
    struct json_writer writer =
        problem_begin(call, PROBLEM_SEATS_UNAVAILABLE, "There are no such places together.", &body);
    json_key(&writer, "conflicts");
    json_open_array(&writer);
    json_close_array(&writer);
    json_put_i64(&writer, "largest_group", largest_group);
    problem_end(call, &writer, PROBLEM_SEATS_UNAVAILABLE, body);
}

static void alone_reply(struct call *call, const struct event_model *model,
                        const uint32_t *seat_nos, size_t count)
{
    char names[2 * BOOKING_PLACES_MAX * (PLAN_GUID_MAX + 2)];
    struct buf text = {.data = names, .cap = sizeof(names) - 1, .max = sizeof(names) - 1};
    struct field_errors errors;
    for (size_t i = 0; i < count; i++) {
        buf_append_str(&text, i > 0 ? STR(", ") : STR(""));
        buf_append_str(&text, model->layout->seats[seat_nos[i]].guid);
    }
    field_errors_init(&errors, call_arena(call));
    field_errors_add(&errors, "seat_ids", "would leave alone: %.*s", STR_ARG(buf_str(&text)));
    problem_fields_as(call, PROBLEM_LIMIT_EXCEEDED, &errors);
}

/* Marks chosen seats. Answers when the event wants no seat left alone and they leave one. */
static void hold_mark_chosen(struct call *call, struct hold_call *hold)
{
    uint32_t seat_nos[2 * BOOKING_PLACES_MAX];
    if (!hold->model->event.has_orphan_rule || !hold->is_key_new) {
        best_mark_seats(&hold->marks, &hold->booking);
        return;
    }
    size_t count = best_mark_strictly(&hold->marks, &hold->booking, seat_nos);
    if (count > 0)
        alone_reply(call, hold->model, seat_nos, count);
}

/* The same on the writer, where memory shows all that is committed: where other nodes sell at the same
 * moment, a seat may be left alone nevertheless. What is taken already has another answer. */
static void hold_check_alone(struct call *call, const struct hold_call *hold)
{
    uint32_t seat_nos[2 * BOOKING_PLACES_MAX];
    struct hold_conflicts conflicts;
    if (!hold->model->event.has_orphan_rule ||
        hold_taken_seats(hold->model, &hold->booking, &conflicts) > 0)
        return;
    size_t count = best_left_alone(hold->model, &hold->booking, seat_nos);
    if (count > 0)
        alone_reply(call, hold->model, seat_nos, count);
}

/* Fills hold from the body; false when a refusal was answered, ERR_AGAIN through ret_err when the
 * model is not in memory. */
static bool hold_decode(struct call *call, struct db *db, struct hold_call *hold, enum err *ret_err)
{
    struct hold_body body = {0};
    struct field_errors errors;
    field_errors_init(&errors, call_arena(call));
    *ret_err = ERR_OK;
    if (!call_decode(call, &body))
        return false;
    struct booking *booking = &hold->booking;
    if (id_parse(body.event_id, "evt", &booking->event_id)) {
        problem_field(call, "event_id", "is not the id of an event");
        return false;
    }
    *ret_err = call_model(call, db, booking->event_id, &hold->model);
    if (*ret_err == ERR_NOT_FOUND || (!*ret_err && hold->model->event.status == EVENT_DRAFT)) {
        *ret_err = ERR_OK;
        problem_field(call, "event_id", "there is no such event");
        return false;
    }
    if (*ret_err)
        return false;
    enum err err = hold_resolve(&body, hold->model, booking, &hold->best, &errors);
    if (err == ERR_LIMIT)
        problem_fields_as(call, PROBLEM_LIMIT_EXCEEDED, &errors);
    else if (err)
        problem_fields(call, &errors);
    return !err;
}

static void hold_key(struct call *call, struct hold_call *hold)
{
    struct booking *booking = &hold->booking;
    uint8_t hash[SHA256_SIZE];
    crypto_sha256(call->idempotency_key, hash);
    memcpy(booking->key_hash, hash, sizeof(booking->key_hash));
    memcpy(booking->body_hash, call->body_hash, sizeof(booking->body_hash));
    booking->account_id = call->caller->account_id;
    struct replay_keys *keys = call_tickets(call)->replay_keys;
    struct replay_key key = {booking->event_id, booking->account_id, booking->key_hash};
    /* Asked in this order: a key that becomes known in between is found by the writer. */
    hold->is_key_new = replay_keys_is_complete(keys) &&
                       tail_has_passed(call_tickets(call)->tail, hold->model->seen_seq);
    hold->replay_id = replay_keys_find(keys, &key);
    if (hold->replay_id)
        hold->is_key_new = false;
}

/* Others ask for what there is. Whether they get it is known at the writer, where they are before us.
 * False: as many wait already as could be served if none of the others was. */
static bool hold_waits(struct hold_call *hold)
{
    struct event_model *model = hold->model;
    int64_t count = hold->best.count;
    if (atomic_fetch_add(&model->asked_waiting, count) + count >
        atomic_load_explicit(&model->available, memory_order_relaxed)) {
        atomic_fetch_sub(&model->asked_waiting, count);
        return false;
    }
    hold->waiting = hold->best.count;
    return true;
}

/* Marks what is asked for, after picking it where that is left to us. Refuses from memory only when
 * the key is new: what is not there may have gone to the same request. */
static void hold_ask(struct call *call, struct hold_call *hold)
{
    struct best_places places;
    if (hold->best.count == 0) {
        hold_mark_chosen(call, hold);
    } else {
        enum err err = best_pick(&hold->best, &hold->marks, &places);
        if (!err)
            hold_set_places(&hold->booking, hold->model, &places);
        else if (hold->is_key_new && (err != ERR_AGAIN || !hold_waits(hold)))
            no_best_reply(call, places.largest_group);
    }
    hold->kept_seats = hold->marks.seat_count;
    hold->kept_areas = hold->marks.area_count;
}

static enum err hold_prepare(struct call *call, struct db *db)
{
    struct hold_call *hold = ARENA_NEW(call_arena(call), struct hold_call);
    if (!hold)
        return ERR_NOMEM;
    enum err err;
    if (!hold_decode(call, db, hold, &err))
        return err;
    hold->marks.model = hold->model;
    call->prepared = hold;
    call->at_end = hold_at_end;
    /* Claims, areas, booking and journal row are the event's; what decides is its row, its places and
     * the account's bookings for it. The key counts for this event alone. */
    call->shard = hold->booking.event_id;
    /* Seats first, keys second: a commit makes the key known before it marks the seats, so a seat
     * taken by this very key is never mistaken for somebody else's. */
    struct hold_conflicts conflicts;
    size_t taken = hold_taken_seats(hold->model, &hold->booking, &conflicts);
    hold_key(call, hold);
    if (hold->replay_id)
        return ERR_OK;
    if (!call_rate_limit(call))
        return ERR_OK;
    if (!queue_gate_pass(call, hold->model, &hold->pass))
        return ERR_OK;
    abuse_prepare(call, &hold->model->event, &hold->guard);
    abuse_mark(&hold->guard, &hold->booking);
    if (hold->is_key_new && !abuse_is_solved(call, &hold->model->event, &hold->guard))
        return ERR_OK;
    if (taken > 0 && hold->is_key_new)
        conflicts_reply(call, hold->model, &conflicts);
    else
        hold_ask(call, hold);
    return ERR_OK;
}

static enum err booking_reply(struct call *call, int status, const struct booking_view *view)
{
    struct buf *body = buf_new_in(call_arena(call), 64u << 10);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    booking_write(&writer, view);
    if (body->overflow)
        return ERR_NOMEM;
    reply_json(call, status, body);
    return ERR_OK;
}

/*
 * The booking that this key made before, in ret_first; ERR_NOT_FOUND. Memory knows all keys of
 * earlier groups, because effects run before the next group begins; a twin in the same group has an
 * id of this group's time. Where other nodes sell as well, memory lacks what the tail has not read
 * yet, and the bookings of that time are looked through: all that are committed can be seen, because
 * this transaction holds the event's lock. Only while memory is incomplete (just started, or
 * overflown) a whole day of the account's bookings is looked through.
 */
static enum err hold_find_first(struct call *call, struct writer_tx *tx,
                                const struct booking *booking, struct booking *ret_first)
{
    struct replay_keys *keys = call_tickets(call)->replay_keys;
    struct replay_key key = {booking->event_id, booking->account_id, booking->key_hash};
    bool is_complete = replay_keys_is_complete(keys);
    uint64_t id = replay_keys_find(keys, &key);
    if (id && booking_load(tx->db, booking->event_id, id, ret_first) == ERR_OK &&
        ret_first->account_id == booking->account_id &&
        memcmp(ret_first->key_hash, booking->key_hash, sizeof(booking->key_hash)) == 0)
        return ERR_OK;
    int64_t since_ms = tail_keys_since_ms(call_tickets(call)->tail, tx->now_ms);
    if (!is_complete || id || since_ms < tx->now_ms - IDEMPOTENCY_MS)
        since_ms = tx->now_ms - IDEMPOTENCY_MS;
    uint64_t since_id = id_at_ms(since_ms);
    enum err err = booking_store_by_key(tx->db, booking->account_id, booking->event_id, since_id,
                                        booking->key_hash, &id);
    if (err)
        return err;
    return booking_load(tx->db, booking->event_id, id, ret_first);
}

/* Answers with the first success again, as it was, or refuses the key for another body. */
static enum err hold_replay(struct call *call, const struct hold_call *hold, struct booking *first)
{
    if (memcmp(first->body_hash, hold->booking.body_hash, sizeof(first->body_hash)) != 0) {
        problem_reply(call, PROBLEM_IDEMPOTENCY_CONFLICT,
                      "This Idempotency-Key was used for another booking.");
        return ERR_OK;
    }
    first->state = BOOKING_HELD;
    first->expires_at -= first->extended_ms;
    response_header(call->req, "idempotency-replayed", STR("true"));
    struct booking_view view = {.booking = first, .model = hold->model};
    return booking_reply(call, 201, &view);
}

/* False when a refusal was answered. */
static bool sale_is_open(struct call *call, const struct writer_tx *tx,
                         const struct hold_call *hold, const struct event_sale *sale)
{
    if (sale->status != EVENT_PUBLISHED || tx->now_ms >= sale->starts_at)
        problem_reply(call, PROBLEM_SALE_CLOSED, "The sale of this event is over.");
    else if (tx->now_ms < sale->onsale_at)
        problem_reply(call, PROBLEM_SALE_NOT_OPEN, "The sale of this event has not begun.");
    else if (sale->updated_at != hold->model->event.updated_at) {
        /* By another node perhaps, whose news may take a while. That the model is old is true whatever
         * becomes of this transaction. */
        inventory_forget(call_tickets(call)->inventory, hold->model);
        problem_retry(call, PROBLEM_CONFLICT,
                      "The event has just been changed. Please look at it again.", 1);
    }
    return !call_is_answered(call);
}

/* False when a refusal was answered or *ret_err is set. booking gets its origin and lifetime. */
static bool hold_is_allowed(struct call *call, struct writer_tx *tx, const struct hold_call *hold,
                            struct booking *booking, enum err *ret_err)
{
    const struct event *event = &hold->model->event;
    struct event_sale sale;
    struct db_stmt *sale_stmt;
    struct abuse_reads reads = {0};
    bool is_counted = hold->guard.is_counted;
    booking->admission_id = hold->pass.entry_id;
    booking->expires_at = tx->now_ms + event->hold_ttl_s * 1000;
    *ret_err = booking_store_sale_send(tx->db, event->id, &sale_stmt);
    if (!*ret_err && is_counted)
        *ret_err = abuse_send(tx, booking, &reads);
    if (!*ret_err)
        *ret_err = booking_store_sale_read(sale_stmt, &sale);
    if (*ret_err)
        return false;
    bool may_go_on = sale_is_open(call, tx, hold, &sale) &&
                     queue_gate_apply(call, tx, hold->model, &hold->pass, ret_err);
    if (is_counted && !may_go_on)
        abuse_store_drop(&reads);
    if (!is_counted || !may_go_on)
        return may_go_on;
    return abuse_hold(call, tx, event, &hold->guard, &reads, booking, ret_err);
}

/* Where other nodes sell: what all of the event's claims are. They change no more before this
 * transaction's end, so the next pick is sure. */
static enum err read_claims(struct writer_tx *tx, struct event_model *model)
{
    if (!model->gone_until)
        return ERR_OK;
    return inventory_store_each_claim(tx->db, model, best_note_claimed);
}

/* Holds what was picked, or, when the claims say that it is gone, something else. ERR_CONFLICT: there
 * is nothing, as hold->largest_group says. */
static enum err hold_best(struct call *call, struct writer_tx *tx, struct hold_call *hold,
                          struct booking *booking)
{
    struct best_places places = {0};
    struct hold_conflicts conflicts;
    bool has_places = booking->seat_count + booking->area_count > 0;
    for (int picks = 0; picks <= BEST_PICKS_MAX; picks++) {
        if (!has_places && best_pick_now(&hold->best, &hold->marks, tx->group, &places) != ERR_OK)
            break;
        if (!has_places)
            hold_set_places(booking, hold->model, &places);
        enum err err = booking_hold(call_tickets(call), tx, booking, &conflicts);
        if (err != ERR_CONFLICT)
            return err;
        best_note_gone(&hold->marks, booking, &conflicts, tx->group);
        err = booking_unhold(tx, booking, &conflicts);
        if (!err && picks == BEST_PICKS_MAX - 1)
            err = read_claims(tx, hold->model);
        if (err)
            return err;
        has_places = false;
        places.largest_group = hold->best.count - 1; /* others were faster each time */
    }
    hold->largest_group = places.largest_group;
    return ERR_CONFLICT;
}

/* ERR_OK, or ERR_CONFLICT after a refusal was answered. */
static enum err hold_places(struct call *call, struct writer_tx *tx, struct hold_call *hold,
                            struct booking *booking)
{
    struct hold_conflicts conflicts;
    if (hold->best.count > 0) {
        enum err err = hold_best(call, tx, hold, booking);
        if (err == ERR_CONFLICT)
            no_best_reply(call, hold->largest_group);
        else if (!err)
            best_note_given(&hold->marks, booking, tx->group);
        return err;
    }
    hold_check_alone(call, hold);
    if (call_is_answered(call))
        return ERR_CONFLICT;
    enum err err = booking_hold(call_tickets(call), tx, booking, &conflicts);
    if (err == ERR_CONFLICT)
        conflicts_reply(call, hold->model, &conflicts);
    else if (!err)
        best_note_given(&hold->marks, booking, tx->group);
    return err;
}

static enum err hold_apply(struct call *call, struct writer_tx *tx)
{
    struct hold_call *hold = call->prepared;
    struct booking first;
    best_release(&hold->marks, hold->kept_seats, hold->kept_areas);
    enum err err = hold_find_first(call, tx, &hold->booking, &first);
    if (!err)
        return hold_replay(call, hold, &first);
    if (err != ERR_NOT_FOUND)
        return err;
    struct booking booking =
        hold->booking; /* apply may run again: the prepared one stays as it is */
    booking.state = BOOKING_HELD;
    booking.created_at = tx->now_ms;
    if (!hold_is_allowed(call, tx, hold, &booking, &err))
        return err;
    err = hold_places(call, tx, hold, &booking);
    if (err)
        return call_is_answered(call) ? ERR_OK : err;
    struct booking_view view = {.booking = &booking, .model = hold->model};
    return booking_reply(call, 201, &view);
}

/* --- Reading --- */

enum booking_access {
    BOOKING_SEE,   /* the owner, support, admin */
    BOOKING_CHANGE /* the owner, admin: support only looks */
};

/* Loads the booking named in the path; answers and returns false when the caller may not: 404 for
 * what it can't see, 403 for what it can but must not change. */
static bool call_booking(struct call *call, struct db *db, enum booking_access access,
                         struct booking *ret_booking, enum err *ret_err)
{
    uint64_t event_id, booking_id;
    *ret_err = ERR_OK;
    if (!call_param_id2(call, "id", "bkg", &event_id, &booking_id))
        return false;
    enum err err = booking_load(db, event_id, booking_id, ret_booking);
    unsigned scopes = call->caller->scopes;
    bool is_mine =
        !err && (ret_booking->account_id == call->caller->account_id || (scopes & SCOPE_ADMIN));
    bool is_visible = is_mine || (!err && (scopes & SCOPE_SUPPORT));
    if (is_mine || (is_visible && access == BOOKING_SEE))
        return true;
    if (is_visible)
        problem_reply(call, PROBLEM_FORBIDDEN, "Support sees other people's bookings only.");
    else if (!err || err == ERR_NOT_FOUND)
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
    else
        *ret_err = err;
    return false;
}

static enum err booking_reply_full(struct call *call, struct db *db, int status,
                                   const struct booking *booking, const struct event_model *model)
{
    struct buf *body = buf_new_in(call_arena(call), 64u << 10);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    enum err err = booking_write_full(&writer, db, call_arena(call), booking, model);
    if (err)
        return err;
    if (body->overflow)
        return ERR_NOMEM;
    reply_json(call, status, body);
    return ERR_OK;
}

static enum err booking_get(struct call *call, struct db *db)
{
    struct booking booking;
    enum err err;
    if (!call_booking(call, db, BOOKING_SEE, &booking, &err))
        return err;
    struct event_model *model;
    err = call_model(call, db, booking.event_id, &model);
    if (err)
        return err;
    return booking_reply_full(call, db, 200, &booking, model);
}

static enum err write_bookings(struct call *call, struct db *db, struct json_writer *writer,
                               const struct booking *bookings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct event_model *model;
        enum err err = call_model(call, db, bookings[i].event_id, &model);
        if (!err)
            err = booking_write_full(writer, db, call_arena(call), &bookings[i], model);
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err booking_list(struct call *call, struct db *db)
{
    struct list_page page;
    if (!call_list_page(call, &page))
        return ERR_OK;
    struct booking *bookings =
        ARENA_ARRAY(call_arena(call), struct booking, (size_t)page.limit + 1);
    struct buf *body = buf_new_in(call_arena(call), 4u << 20);
    if (!bookings || !body)
        return ERR_NOMEM;
    size_t count;
    uint64_t before_id = page.has_cursor ? (uint64_t)page.a : INT64_MAX;
    enum err err = booking_store_list(db, call->caller->account_id, before_id, page.limit + 1,
                                      bookings, &count);
    if (err)
        return err;
    bool has_more = count > (size_t)page.limit;
    if (has_more)
        count = (size_t)page.limit;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    err = write_bookings(call, db, &writer, bookings, count);
    if (err)
        return err;
    json_close_array(&writer);
    list_close(&writer, has_more, has_more ? (int64_t)bookings[count - 1].id : 0, 0);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

/* --- Checkout and cancel --- */

/* The model for the answer, on the pool, and for a checkout where it comes from; the booking itself is
 * loaded in the write. */
struct change_call {
    struct event_model *model;
    struct abuse_guard guard;
};

static enum err change_prepare(struct call *call, struct db *db)
{
    struct booking booking;
    enum err err;
    if (!call_booking(call, db, BOOKING_CHANGE, &booking, &err))
        return err;
    struct change_call *change = ARENA_NEW(call_arena(call), struct change_call);
    if (!change)
        return ERR_NOMEM;
    err = call_model(call, db, booking.event_id, &change->model);
    if (!err)
        abuse_prepare(call, &change->model->event, &change->guard);
    call->prepared = change;
    return err;
}

/* A hold that got little time to begin with has the usual one once its payment has begun. */
static enum err lengthen(struct call *call, struct writer_tx *tx, struct booking *booking)
{
    const struct change_call *change = call->prepared;
    int64_t ttl_ms = change->model->event.hold_ttl_s * 1000;
    int64_t by_ms = booking->created_at + ttl_ms - booking->expires_at;
    if (!booking->origin.network || by_ms <= 0 || booking->extended_ms > 0)
        return ERR_OK;
    if (by_ms > HOLD_EXTENSION_MS_MAX)
        by_ms = HOLD_EXTENSION_MS_MAX;
    return booking_extend(call_tickets(call), tx, booking, by_ms);
}

/* False when a refusal was answered or *ret_err is set. */
static bool checkout_is_allowed(struct call *call, struct writer_tx *tx, struct booking *booking,
                                enum err *ret_err)
{
    const struct change_call *change = call->prepared;
    if (!abuse_checkout(call, tx, &change->model->event, &change->guard, booking, ret_err))
        return false;
    *ret_err = lengthen(call, tx, booking);
    return *ret_err == ERR_OK;
}

static enum err checkout_apply(struct call *call, struct writer_tx *tx)
{
    struct booking booking;
    enum err err;
    if (!call_booking(call, tx->db, BOOKING_CHANGE, &booking, &err))
        return err;
    switch (booking.state) {
    case BOOKING_HELD:
        if (!checkout_is_allowed(call, tx, &booking, &err))
            return err;
        err = booking_start_payment(call_tickets(call), tx, &booking);
        if (err)
            return err;
        break;
    case BOOKING_PAYMENT_PENDING:
    case BOOKING_CONFIRMED:
        break; /* asked again: the same answer */
    case BOOKING_EXPIRED:
    case BOOKING_CANCELLED:
    case BOOKING_FAILED:
        problem_reply(call, PROBLEM_HOLD_EXPIRED,
                      "This hold has ended; its places are free for everybody again.");
        return ERR_OK;
    }
    const struct change_call *change = call->prepared;
    return booking_reply_full(call, tx->db, 202, &booking, change->model);
}

static enum err cancel_apply(struct call *call, struct writer_tx *tx)
{
    struct booking booking;
    enum err err;
    if (!call_booking(call, tx->db, BOOKING_CHANGE, &booking, &err))
        return err;
    switch (booking.state) {
    case BOOKING_HELD:
    case BOOKING_PAYMENT_PENDING:
        err = booking_cancel(call_tickets(call), tx, &booking);
        if (err)
            return err;
        break;
    case BOOKING_CANCELLED:
        break; /* asked again: the same answer */
    case BOOKING_CONFIRMED:
    case BOOKING_EXPIRED:
    case BOOKING_FAILED:
        problem_reply(call, PROBLEM_CONFLICT,
                      "Only a hold can be cancelled. A confirmed booking is refunded instead.");
        return ERR_OK;
    }
    const struct change_call *change = call->prepared;
    return booking_reply_full(call, tx->db, 200, &booking, change->model);
}

const struct route booking_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/bookings",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .idempotency = IDEMPOTENCY_OWN,
     .rate = RATE_SELL,
     .prepare_on_loop = true,
     .prepare = hold_prepare,
     .apply = hold_apply,
     .summary = "Hold places of an event, all of them or none",
     .tag = "bookings",
     .request = hold_body_fields,
     .response = "Booking",
     .success = 201,
     .problems = "403 409 422"},
    {.method = HTTP_GET,
     .pattern = "/v1/bookings/{id}",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = booking_get,
     .summary = "A booking and its payment",
     .tag = "bookings",
     .response = "Booking",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/me/bookings",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = booking_list,
     .summary = "The caller's bookings, newest first",
     .tag = "bookings",
     .response = "BookingList",
     .success = 200,
     .query = "limit cursor",
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/v1/bookings/{id}/checkout",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .rate = RATE_SELL,
     .prepare = change_prepare,
     .apply = checkout_apply,
     .summary = "Start the payment of a hold; poll the booking until payment.url is there",
     .tag = "bookings",
     .response = "Booking",
     .success = 202,
     .problems = "403 404 409 422",
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/bookings/{id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare = change_prepare,
     .apply = cancel_apply,
     .summary = "Give a hold back",
     .tag = "bookings",
     .response = "Booking",
     .success = 200,
     .problems = "404 409",
     .is_retry_safe = true},
};
const size_t booking_routes_count = sizeof(booking_routes) / sizeof(booking_routes[0]);
