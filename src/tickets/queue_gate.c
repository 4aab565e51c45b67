/*
 * Gate 3; see queue_gate.h.
 *
 * Memory refuses: a token that is not signed by us for this caller and event, that has ended, or
 * whose entry is over as far as this node knows, which it knows at most QUEUE_STALE_MS late; with
 * older memory it accepts nobody. An entry that memory does not know as admitted yet is accepted: the
 * signature says that some node knew it was. Rows grant: the hold's own transaction asks for the
 * admission again, and the hold that it writes keeps it from ending.
 */
#include "tickets/queue_gate.h"

#include "base/clock.h"
#include "tickets/event_call.h"
#include "tickets/queue_crowd.h"
#include "tickets/queue_internal.h"

static enum err refuse(struct call *call)
{
    metric_add(event_call_tickets(call)->queue->refused, 1);
    problem_reply(call, PROBLEM_WAITING_ROOM_REQUIRED,
                  "The event has a waiting room: join it, and come with the token that you are "
                  "given when it is your turn.");
    return ERR_OK;
}

static uint64_t person(const struct call *call)
{
    if (call->caller)
        return call->caller->account_id;
    return str_hash(str_from_c(call->req->peer_ip));
}

/* `auto` with open doors: everybody may go on, and is counted. */
static void note_person(struct queue_desk *queue, struct queue_room *room, const struct call *call,
                        const struct event_model *model)
{
    int64_t count = queue_crowd_note(room->crowd, person(call), clock_now_ms());
    if (count <= model->event.queue.auto_above || atomic_exchange(&room->wants_engage, true))
        return;
    queue_desk_wake(queue);
}

/* The token's entry, if the token is good; 0: it is not. */
static uint64_t read_token(struct call *call, const struct queue_desk *queue, uint64_t event_id)
{
    struct str text = request_header(call->req, "foyer-admission");
    struct queue_token token = {.event_id = event_id};
    if (!text.data && request_query(call->req, "admission", &text) != ERR_OK)
        return 0;
    if (!text.data || !call->caller)
        return 0;
    token.account_id = call->caller->account_id;
    return queue_token_read(queue->token_key, text, clock_now_ms(), &token) == ERR_OK
               ? token.entry_id
               : 0;
}

static bool pass_by_token(struct call *call, const struct event_model *model,
                          struct queue_room *room, struct queue_pass *ret_pass)
{
    struct queue_sight sight;
    struct queue_pace pace = {.admitted_max = model->event.queue.admitted_max,
                              .admit_per_minute = model->event.queue.admit_per_minute,
                              .quiet_s = model->event.queue.quiet_s,
                              .now_ms = clock_now_ms()};
    uint64_t entry_id = read_token(call, event_call_tickets(call)->queue, model->event.id);
    if (!entry_id || !room) {
        (void)refuse(call);
        return false;
    }
    if (!queue_room_is_fresh(room)) {
        problem_retry(call, PROBLEM_OVERLOADED, NULL, 1);
        return false;
    }
    if (queue_room_see(room, entry_id, &pace, true, &sight) &&
        (!queue_state_is_open(sight.state) || sight.account_id != call->caller->account_id)) {
        (void)refuse(call);
        return false;
    }
    ret_pass->entry_id = entry_id;
    return true;
}

/* For who is not exempt, of an event that is on sale or will be. */
static bool pass_by_room(struct call *call, const struct event_model *model,
                         struct queue_room *room, int64_t now_ms, struct queue_pass *ret_pass)
{
    const struct event *event = &model->event;
    bool is_auto = queue_mode_of(event->waiting_room) == QUEUE_AUTO;
    if (is_auto && !(room && atomic_load(&room->is_engaged))) {
        if (room && now_ms >= event->onsale_at - event->queue.opens_before_s * 1000)
            note_person(event_call_tickets(call)->queue, room, call, model);
        return true;
    }
    return now_ms < event->onsale_at || pass_by_token(call, model, room, ret_pass);
}

bool queue_gate_pass(struct call *call, const struct event_model *model,
                     struct queue_pass *ret_pass)
{
    const struct event *event = &model->event;
    *ret_pass = (struct queue_pass){.entry_id = 0};
    if (queue_mode_of(event->waiting_room) == QUEUE_OFF)
        return true;
    ret_pass->is_exempt = event_call_owns(call, event->account_id);
    int64_t now_ms = clock_now_ms();
    if (ret_pass->is_exempt || event->status != EVENT_PUBLISHED || now_ms >= event->starts_at)
        return true;
    struct queue_room *room = queue_rooms_get(event_call_tickets(call)->queue->rooms, event->id);
    bool goes_on = pass_by_room(call, model, room, now_ms, ret_pass);
    queue_room_unref(room);
    return goes_on;
}

bool queue_gate_apply(struct call *call, struct writer_tx *tx, const struct event_model *model,
                      const struct queue_pass *pass, enum err *ret_err)
{
    enum queue_mode mode = queue_mode_of(model->event.waiting_room);
    struct queue_entry entry;
    struct queue_terms terms;
    *ret_err = ERR_OK;
    if (mode == QUEUE_OFF || pass->is_exempt)
        return true;
    if (mode == QUEUE_AUTO && !pass->entry_id) {
        *ret_err = queue_store_terms(tx->db, model->event.id, &terms);
        if (*ret_err || !queue_is_engaged(&terms))
            return *ret_err == ERR_OK;
    }
    if (pass->entry_id)
        *ret_err = queue_store_entry(tx->db, model->event.id, pass->entry_id, &entry);
    if (*ret_err == ERR_NOT_FOUND)
        *ret_err = ERR_OK;
    else if (*ret_err)
        return false;
    else if (pass->entry_id && entry.state == QUEUE_ADMITTED &&
             entry.account_id == call->caller->account_id)
        return true;
    *ret_err = refuse(call);
    return false;
}
