/*
 * Routes of the waiting room. Polls are answered on the loop from memory (queue_room.h); only an entry
 * that memory does not know, and the public evidence, are read from rows. Coming and leaving are jobs
 * of the writer; who is in already is answered without one.
 */
#include "app/identity.h"
#include "app/problem.h"
#include "base/clock.h"
#include "tickets/event_call.h"
#include "tickets/queue_internal.h"
#include "tickets/queue_order.h"
#include "tickets/queue_poll.h"

#include <inttypes.h>

#define ANSWER_BYTES_MAX ((size_t)8 << 10)
#define LIST_BYTES_MAX   ((size_t)256 << 20)

static struct queue_desk *call_queue(const struct call *call)
{
    return event_call_tickets(call)->queue;
}

static struct queue_pace pace_of(const struct event *event)
{
    return (struct queue_pace){.admitted_max = event->queue.admitted_max,
                               .admit_per_minute = event->queue.admit_per_minute,
                               .quiet_s = event->queue.quiet_s,
                               .now_ms = clock_now_ms()};
}

static int64_t opens_at(const struct event *event)
{
    return event->onsale_at - event->queue.opens_before_s * 1000;
}

/* --- An entry, as its owner sees it --- */

static const char *state_name(enum queue_state state)
{
    static const char *const names[] = {"pre",  "pre",  "waiting", "admitted",
                                        "done", "left", "lapsed"};
    return names[state];
}

static void put_i64_or_null(struct json_writer *writer, const char *name, int64_t value)
{
    if (value >= 0)
        json_put_i64(writer, name, value);
    else
        json_put_null(writer, name);
}

static void write_admission(struct json_writer *writer, const struct queue_desk *queue,
                            const struct event *event, const struct queue_sight *sight,
                            int64_t now_ms)
{
    char text[QUEUE_TOKEN_TEXT_SIZE];
    if (sight->state != QUEUE_ADMITTED) {
        json_put_null(writer, "token");
        json_put_null(writer, "token_expires_at");
        json_put_null(writer, "admitted_until");
        return;
    }
    struct queue_token token = {.event_id = event->id,
                                .account_id = sight->account_id,
                                .entry_id = sight->id,
                                .expires_at = now_ms + QUEUE_TOKEN_MS};
    queue_token_write(queue->token_key, &token, text);
    json_put_str(writer, "token", str_from_c(text));
    json_put_time(writer, "token_expires_at", token.expires_at);
    json_put_time(writer, "admitted_until", sight->admitted_until);
}

static void write_entry(struct json_writer *writer, const struct queue_desk *queue,
                        const struct event *event, const struct queue_sight *sight)
{
    int64_t now_ms = clock_now_ms();
    struct queue_poll poll = {&event->queue, sight, event->onsale_at, now_ms};
    json_open_object(writer);
    json_put_id2(writer, "id", "que", event->id, sight->id);
    json_put_id(writer, "event_id", "evt", event->id);
    json_put_str(writer, "state", str_from_c(state_name(sight->state)));
    put_i64_or_null(writer, "position", sight->ahead < 0 ? -1 : sight->ahead + 1);
    put_i64_or_null(writer, "ahead", sight->ahead);
    put_i64_or_null(writer, "eta_seconds", sight->eta_seconds);
    json_put_i64(writer, "poll_after_ms", queue_poll_after(&poll));
    json_put_time(writer, "sale_at", event->onsale_at);
    write_admission(writer, queue, event, sight, now_ms);
    json_close_object(writer);
}

static enum err reply_entry(struct call *call, int status, const struct event *event,
                            const struct queue_sight *sight)
{
    struct json_writer writer;
    struct buf *body = buf_new_in(call_arena(call), ANSWER_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    write_entry(&writer, call_queue(call), event, sight);
    if (body->overflow)
        return ERR_NOMEM;
    reply_json(call, status, body);
    return ERR_OK;
}

/* Of an entry as its row is, and as many people as memory has. */
static struct queue_sight sight_of(struct call *call, const struct queue_entry *entry)
{
    struct queue_counts counts = {0};
    struct queue_room *room = queue_rooms_get(call_queue(call)->rooms, entry->event_id);
    if (room)
        queue_room_counts(room, &counts);
    queue_room_unref(room);
    return (struct queue_sight){.people = counts.pre + counts.waiting,
                                .id = entry->id,
                                .account_id = entry->account_id,
                                .state = entry->state,
                                .admitted_until = entry->admitted_until,
                                .ahead = -1,
                                .eta_seconds = -1};
}

/* --- GET /queue --- */

static const char *room_state(const struct event *event, const struct queue_room *room)
{
    enum queue_mode mode = queue_mode_of(event->waiting_room);
    int64_t now_ms = clock_now_ms();
    bool is_open =
        mode == QUEUE_ON || (mode == QUEUE_AUTO && room && atomic_load(&room->is_engaged));
    if (mode == QUEUE_OFF)
        return "off";
    if (event->status == EVENT_CANCELLED || now_ms >= event->starts_at)
        return "over";
    if (!is_open || event->status == EVENT_DRAFT)
        return mode == QUEUE_AUTO ? "off" : "closed";
    if (now_ms < opens_at(event))
        return "closed";
    return now_ms < event->onsale_at ? "pre" : "open";
}

static void put_room_poll(struct json_writer *writer, const struct event *event, struct str state,
                          int64_t people)
{
    int64_t opens_in_ms = str_eq(state, STR("closed")) ? opens_at(event) - clock_now_ms() : 0;
    if (str_eq(state, STR("over")))
        json_put_null(writer, "poll_after_ms");
    else
        json_put_i64(writer, "poll_after_ms",
                     queue_poll_room_after(&event->queue, opens_in_ms, people));
}

static void write_room(struct json_writer *writer, const struct call *call,
                       const struct event *event, struct queue_room *room)
{
    struct queue_counts counts = {0};
    struct queue_sight sight;
    struct queue_pace pace = pace_of(event);
    if (room)
        queue_room_counts(room, &counts);
    json_open_object(writer);
    struct str state = str_from_c(room_state(event, room));
    json_put_str(writer, "state", state);
    put_room_poll(writer, event, state, counts.pre + counts.waiting);
    json_put_time(writer, "opens_at", opens_at(event));
    json_put_time(writer, "sale_at", event->onsale_at);
    json_put_i64(writer, "waiting", counts.pre + counts.waiting);
    json_put_i64(writer, "admitted", counts.admitted);
    json_key(writer, "entry");
    if (room && call->caller &&
        queue_room_see_account(room, call->caller->account_id, &pace, true, &sight))
        write_entry(writer, call_queue(call), event, &sight);
    else
        json_null(writer);
    json_close_object(writer);
}

static enum err room_any(struct call *call, struct db *db)
{
    struct event_model *model;
    struct json_writer writer;
    enum err err;
    if (!event_call_model(call, db, &model, &err))
        return err;
    struct buf *body = buf_new_in(call_arena(call), ANSWER_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    struct queue_room *room = queue_rooms_get(call_queue(call)->rooms, model->event.id);
    write_room(&writer, call, &model->event, room);
    queue_room_unref(room);
    if (body->overflow)
        return ERR_NOMEM;
    reply_json(call, 200, body);
    return ERR_OK;
}

static enum err room_loop(struct call *call)
{
    return room_any(call, NULL);
}

/* --- GET and DELETE /queue/{que} --- */

/* False when 404 was answered. */
static bool read_path(struct call *call, uint64_t *ret_event_id, uint64_t *ret_entry_id)
{
    uint64_t event_id;
    if (!call_param_id(call, "id", "evt", ret_event_id) ||
        !call_param_id2(call, "que", "que", &event_id, ret_entry_id))
        return false;
    if (event_id == *ret_event_id)
        return true;
    problem_reply(call, PROBLEM_NOT_FOUND, NULL);
    return false;
}

/* The entry from its row: another node's that has just come, or of a room that is over. */
static enum err sight_read(struct call *call, struct db *db, uint64_t event_id, uint64_t entry_id,
                           struct queue_sight *ret_sight)
{
    struct queue_entry entry;
    enum err err = queue_store_entry(db, event_id, entry_id, &entry);
    if (!err)
        *ret_sight = sight_of(call, &entry);
    return err;
}

static enum err entry_any(struct call *call, struct db *db)
{
    struct event_model *model;
    struct queue_sight sight = {.id = 0};
    uint64_t event_id, entry_id;
    enum err err;
    if (!event_call_model(call, db, &model, &err))
        return err;
    if (!read_path(call, &event_id, &entry_id))
        return ERR_OK;
    struct queue_room *room = queue_rooms_get(call_queue(call)->rooms, event_id);
    struct queue_pace pace = pace_of(&model->event);
    bool is_known = room && queue_room_see(room, entry_id, &pace, true, &sight);
    queue_room_unref(room);
    if (!is_known) {
        err = db ? sight_read(call, db, event_id, entry_id, &sight) : ERR_AGAIN;
        if (err && err != ERR_NOT_FOUND)
            return err;
    }
    if (!err && sight.account_id == call->caller->account_id)
        return reply_entry(call, 200, &model->event, &sight);
    problem_reply(call, PROBLEM_NOT_FOUND, "There is no such event."); /* nor of what is in it */
    return ERR_OK;
}

static enum err entry_loop(struct call *call)
{
    return entry_any(call, NULL);
}

static enum err leave_prepare(struct call *call, struct db *db)
{
    uint64_t event_id, entry_id;
    (void)db;
    if (read_path(call, &event_id, &entry_id))
        call->shard = event_id;
    return ERR_OK;
}

static enum err leave_apply(struct call *call, struct writer_tx *tx)
{
    struct queue_entry entry;
    uint64_t event_id, entry_id;
    if (!read_path(call, &event_id, &entry_id))
        return ERR_OK;
    enum err err = queue_store_entry(tx->db, event_id, entry_id, &entry);
    if (err && err != ERR_NOT_FOUND)
        return err;
    if (err || entry.account_id != call->caller->account_id) {
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
        return ERR_OK;
    }
    err = waiting_leave(event_call_tickets(call), tx, &entry);
    if (err == ERR_CONFLICT) {
        problem_reply(call, PROBLEM_CONFLICT,
                      "You have places on hold: pay for them or give them back first.");
        return ERR_OK;
    }
    if (!err)
        reply_empty(call, 204);
    return err;
}

/* --- POST /queue --- */

struct join_call {
    struct event_model *model;
    struct queue_join join;
};

static enum err join_prepare(struct call *call, struct db *db)
{
    struct event_model *model;
    struct queue_sight sight;
    enum err err;
    struct join_call *join = ARENA_NEW(call_arena(call), struct join_call);
    if (!join)
        return ERR_NOMEM;
    if (!event_call_model(call, db, &model, &err))
        return err;
    join->model = model;
    join->join =
        (struct queue_join){.event_id = model->event.id, .account_id = call->caller->account_id};
    call->prepared = join;
    if (call->idempotency_key.data) /* its answer is kept beside, which is no shard's */
        return ERR_OK;
    call->shard = model->event.id;
    struct queue_room *room = queue_rooms_get(call_queue(call)->rooms, model->event.id);
    struct queue_pace pace = pace_of(&model->event);
    bool is_on = model->event.status == EVENT_PUBLISHED && pace.now_ms < model->event.starts_at;
    bool is_in = is_on && room &&
                 queue_room_see_account(room, call->caller->account_id, &pace, true, &sight) &&
                 queue_state_is_open(sight.state);
    queue_room_unref(room);
    if (is_in)
        return reply_entry(call, 200, &model->event, &sight);
    return ERR_OK;
}

static enum err reply_refusal(struct call *call, const struct queue_terms *terms,
                              enum queue_refusal refusal)
{
    if (refusal == QUEUE_REFUSED_CLOSED) {
        problem_reply(call, PROBLEM_SALE_CLOSED, "The sale of this event is over.");
        return ERR_OK;
    }
    if (refusal == QUEUE_REFUSED_OFF) {
        problem_reply(call, PROBLEM_CONFLICT,
                      "Nobody has to wait for this event: go on to its seats.");
        return ERR_OK;
    }
    struct buf *body;
    struct json_writer writer =
        problem_begin(call, PROBLEM_CONFLICT, "The waiting room is not open yet.", &body);
    json_put_time(&writer, "opens_at", queue_opens_at(terms));
    problem_end(call, &writer, PROBLEM_CONFLICT, body);
    return ERR_OK;
}

/* Rows stay, and a room has room for so many: nobody fills it by leaving and coming again. False: 409
 * was answered. */
static bool may_join_again(struct call *call, const struct join_call *join)
{
    struct queue_sight sight;
    const struct event *event = &join->model->event;
    struct queue_room *room = queue_rooms_get(call_queue(call)->rooms, event->id);
    struct queue_pace pace = pace_of(event);
    bool is_known =
        room && queue_room_see_account(room, call->caller->account_id, &pace, false, &sight);
    queue_room_unref(room);
    if (!is_known || queue_state_is_open(sight.state) || sight.joins < QUEUE_JOINS_MAX)
        return true;
    problem_reply(call, PROBLEM_CONFLICT, "You have left this waiting room too often.");
    return false;
}

static enum err join_apply(struct call *call, struct writer_tx *tx)
{
    struct join_call *join_call = call->prepared;
    struct queue_join *join = &join_call->join;
    struct tickets *tickets = event_call_tickets(call);
    struct queue_counts counts = {0};
    enum queue_refusal refusal = QUEUE_TAKEN_IN;
    if (!may_join_again(call, join_call))
        return ERR_OK;
    enum err err = waiting_enter(tickets, tx, join, &refusal);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    if (refusal != QUEUE_TAKEN_IN)
        return reply_refusal(call, &join->terms, refusal);
    struct queue_sight sight = sight_of(call, &join->entry);
    struct queue_room *room = queue_rooms_get(call_queue(call)->rooms, join->event_id);
    if (room && join->is_new && join->entry.state == QUEUE_WAITING) {
        queue_room_counts(room, &counts);
        sight.ahead = counts.waiting + join->beside;
    }
    queue_room_unref(room);
    return reply_entry(call, join->is_new ? 201 : 200, &join_call->model->event, &sight);
}

/* --- Evidence --- */

static void put_hex(struct json_writer *writer, const char *name,
                    const uint8_t bytes[static SHA256_SIZE])
{
    char hex[2 * SHA256_SIZE + 1];
    struct buf text = {.data = hex, .cap = sizeof(hex) - 1, .max = sizeof(hex) - 1};
    hex_append(&text, bytes, SHA256_SIZE);
    json_put_str(writer, name, buf_str(&text));
}

static void write_fairness(struct json_writer *writer, const struct queue_terms *terms,
                           const struct queue_secret *secret)
{
    json_open_object(writer);
    json_put_str(writer, "algorithm", STR(QUEUE_ORDER_ALGORITHM));
    put_hex(writer, "commitment", secret->commitment);
    if (secret->is_revealed) {
        put_hex(writer, "entries_hash", secret->entries_hash);
        json_put_i64(writer, "entry_count", terms->entry_count);
        put_hex(writer, "revealed_seed", secret->seed);
        json_put_time(writer, "closed_at", terms->closed_at);
    } else {
        json_put_null(writer, "entries_hash");
        json_put_null(writer, "entry_count");
        json_put_null(writer, "revealed_seed");
        json_put_null(writer, "closed_at");
    }
    json_close_object(writer);
}

/* The event's room, if there is one and the caller may see the event. False: *ret_err is to be
 * returned. */
static bool call_room(struct call *call, struct db *db, struct queue_terms *ret_terms,
                      struct queue_secret *ret_secret, enum err *ret_err)
{
    struct event_model *model;
    if (!event_call_model(call, db, &model, ret_err))
        return false;
    *ret_err = queue_store_terms(db, model->event.id, ret_terms);
    if (!*ret_err)
        *ret_err = queue_store_secret(db, model->event.id, ret_secret);
    if (*ret_err == ERR_NOT_FOUND) {
        *ret_err = ERR_OK;
        problem_reply(call, PROBLEM_NOT_FOUND, "The event has no waiting room.");
        return false;
    }
    return *ret_err == ERR_OK;
}

static enum err fairness_read(struct call *call, struct db *db)
{
    struct queue_terms terms;
    struct queue_secret secret;
    struct json_writer writer;
    enum err err;
    if (!call_room(call, db, &terms, &secret, &err))
        return err;
    struct buf *body = buf_new_in(call_arena(call), ANSWER_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    write_fairness(&writer, &terms, &secret);
    crypto_wipe(&secret, sizeof(secret));
    if (body->overflow)
        return ERR_NOMEM;
    reply_json(call, 200, body);
    return ERR_OK;
}

struct list_writing {
    struct buf *body;
    uint64_t event_id;
};

static enum err write_id(uint64_t id, void *ctx)
{
    struct list_writing *writing = ctx;
    char text[ID_TEXT_SIZE];
    buf_append_str(writing->body, id_format2(text, "que", writing->event_id, id));
    buf_append_char(writing->body, '\n');
    return writing->body->overflow ? ERR_NOMEM : ERR_OK;
}

static void unref_kept(void *ptr)
{
    kept_answer_unref(ptr);
}

/* The list's bytes with a reference: made once, because thousands check their place at the same
 * time. room NULL: it is over. */
static enum err list_get(struct queue_room *room, struct db *db, const struct queue_terms *terms,
                         struct kept_answer **ret_list)
{
    struct kept_answer *list = room ? kept_slot_get(&room->kept_list, 1) : NULL;
    if (!list) {
        list = kept_answer_new(1, LIST_BYTES_MAX);
        if (!list)
            return ERR_NOMEM;
        struct list_writing writing = {&list->body, terms->event_id};
        enum err err = queue_store_list(db, terms->event_id, terms->closed_at, write_id, &writing);
        if (err) {
            kept_answer_unref(list);
            return err;
        }
        if (room)
            kept_slot_put(&room->kept_list, list);
    }
    *ret_list = list;
    return ERR_OK;
}

static enum err entries_read(struct call *call, struct db *db)
{
    struct queue_terms terms;
    struct queue_secret secret;
    struct kept_answer *list = NULL;
    struct response *res = &call->req->res;
    enum err err;
    if (!call_room(call, db, &terms, &secret, &err))
        return err;
    if (!secret.is_revealed) {
        problem_reply(call, PROBLEM_NOT_FOUND, "The list is not closed yet.");
        return ERR_OK;
    }
    struct queue_room *room = queue_rooms_get(call_queue(call)->rooms, terms.event_id);
    err = list_get(room, db, &terms, &list);
    queue_room_unref(room);
    if (err)
        return err;
    response_header(call->req, "cache-control", STR("public, max-age=31536000, immutable"));
    res->status = 200;
    res->content_type = STR("text/plain; charset=utf-8");
    res->body = buf_str(&list->body);
    res->body_ptr = list;
    res->body_release = unref_kept;
    return ERR_OK;
}

#define QUEUE_PATH "/v1/events/{id}/queue"

const struct route queue_routes[] = {
    {.method = HTTP_POST,
     .pattern = QUEUE_PATH,
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare_on_loop = true,
     .prepare = join_prepare,
     .apply = join_apply,
     .summary = "Join the waiting room, or get your place in it again",
     .tag = "waiting room",
     .response = "QueueEntry",
     .success = 201,
     .problems = "200 404 409",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = QUEUE_PATH,
     .kind = ROUTE_LOOP,
     .auth = AUTH_OPTIONAL,
     .loop = room_loop,
     .read = room_any,
     .summary = "The waiting room, and the caller's entry in it",
     .tag = "waiting room",
     .response = "QueueRoom",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true,
     .may_lag = true},
    {.method = HTTP_GET,
     .pattern = QUEUE_PATH "/{que}",
     .kind = ROUTE_LOOP,
     .auth = AUTH_CALLER,
     .loop = entry_loop,
     .read = entry_any,
     .summary = "Your place; with a fresh token once you are admitted",
     .tag = "waiting room",
     .response = "QueueEntry",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true,
     .may_lag = true},
    {.method = HTTP_DELETE,
     .pattern = QUEUE_PATH "/{que}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare_on_loop = true,
     .prepare = leave_prepare,
     .apply = leave_apply,
     .summary = "Leave the waiting room",
     .tag = "waiting room",
     .success = 204,
     .problems = "404 409",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = QUEUE_PATH "/fairness",
     .kind = ROUTE_READ,
     .auth = AUTH_OPTIONAL,
     .read = fairness_read,
     .summary = "What the order of those before the sale can be checked by",
     .tag = "waiting room",
     .response = "QueueFairness",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = QUEUE_PATH "/entries",
     .kind = ROUTE_READ,
     .auth = AUTH_OPTIONAL,
     .read = entries_read,
     .summary = "The closed list: the ids of all who came before the sale, one a line",
     .tag = "waiting room",
     .media = "text/plain",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true},
};
const size_t queue_routes_count = sizeof(queue_routes) / sizeof(queue_routes[0]);
