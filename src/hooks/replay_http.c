/*
 * Replays: made, looked at, cancelled; recover and replay-missing, which are replays by other names; and
 * one dead letter sent again.
 *
 * What a job is for is counted in prepare, on a reader. apply finds the job that is the same and still
 * runs, so two clicks are one.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "hooks/dispatcher.h"
#include "hooks/endpoint_store.h"
#include "hooks/hooks_call.h"
#include "hooks/replay_store.h"

/* --- what is asked for --- */

struct replay_body {
    struct str endpoint;
    int64_t since_ms, until_ms;
    struct json_strs event_types;
    bool dead_only, preview;
};

#define FIELD(field_name, field_kind, member)                                                      \
    .name = (field_name), .kind = (field_kind), .offset = offsetof(struct replay_body, member)

static const struct json_field replay_fields[] = {
    {FIELD("endpoint", JSON_STR, endpoint), .min = 1, .max = UID_BYTES_MAX,
     .doc = "id or uid of the only endpoint; all, if it is left out"},
    {FIELD("since", JSON_TIME, since_ms), .doc = "only messages made then or later"},
    {FIELD("until", JSON_TIME, until_ms), .doc = "only messages made before"},
    {FIELD("event_types", JSON_STR_LIST, event_types), .min = 0, .max = EVENT_TYPES_MAX,
     .doc = "only messages of these types"},
    {FIELD("dead_only", JSON_BOOL, dead_only),
     .doc = "false: what was delivered is sent again, too; true by default"},
    {FIELD("preview", JSON_BOOL, preview), .doc = "counts, and starts nothing"},
    {0},
};

static const struct json_field since_fields[] = {
    {FIELD("since", JSON_TIME, since_ms), .is_required = true,
     .doc = "only messages made then or later"},
    {FIELD("until", JSON_TIME, until_ms), .doc = "only messages made before"},
    {0},
};

struct replay_form {
    struct replay replay;
    struct replay_leg legs[ENDPOINTS_MAX];
    size_t leg_count;
    int64_t total, eta_s;
    bool is_preview;
};

static bool check_event_types(struct call *call, const struct json_strs *types)
{
    for (size_t i = 0; i < types->count; i++) {
        if (hooks_is_name(types->items[i]))
            continue;
        problem_field(call, "event_types", "must be names of event types");
        return false;
    }
    return true;
}

/* The body's part of the form; false: answered. */
static bool read_body(struct call *call, struct replay_form *form, struct replay_body *body)
{
    body->dead_only = true;
    if (!call_decode(call, body) || !check_event_types(call, &body->event_types))
        return false;
    if (body->until_ms && body->since_ms >= body->until_ms) {
        problem_field(call, "until", "must be later than since");
        return false;
    }
    form->is_preview = body->preview;
    form->replay.since_ms = body->since_ms;
    form->replay.until_ms = body->until_ms;
    form->replay.event_types = hooks_lines(call_arena(call), &body->event_types);
    return true;
}

/* --- counting --- */

static int64_t latency_of(struct call *call, uint64_t app_id, uint64_t endpoint_id)
{
    struct endpoint_health health;
    dispatcher_health(hooks_of(call)->dispatcher, app_id, endpoint_id, &health);
    return health.p50_ms;
}

static enum err count_leg(struct call *call, struct db *db, struct replay_form *form,
                          const struct endpoint *endpoint)
{
    struct replay_leg *leg = &form->legs[form->leg_count++];
    int64_t now_ms = clock_now_ms();
    const struct replay *replay = &form->replay;
    struct replay_scan scan = {.replay = replay,
                               .endpoint_id = endpoint->id,
                               .wanted_types = endpoint->event_types,
                               .wanted_channels = endpoint->channels,
                               .position = replay_scan_start(replay->since_ms, now_ms),
                               /* not now: after a restart ids run ahead of the clock (lease) */
                               .until_id = replay->until_ms ? id_at_ms(replay->until_ms)
                                                            : (uint64_t)INT64_MAX,
                               .now_ms = now_ms};
    *leg = (struct replay_leg){.endpoint_id = endpoint->id};
    enum err err = replay_scan_count(db, &scan, REPLAY_DELIVERIES_MAX - form->total, &leg->total);
    struct replay_pace pace = {.left = leg->total,
                               .latency_ms = latency_of(call, endpoint->app_id, endpoint->id),
                               .throttle_rate = endpoint->throttle_rate};
    int64_t eta_s = replay_eta_s(&pace);
    form->total += leg->total;
    form->eta_s = eta_s > form->eta_s ? eta_s : form->eta_s;
    return err;
}

static enum err count_all(struct call *call, struct db *db, struct replay_form *form)
{
    struct endpoint *endpoints = ARENA_ARRAY(call_arena(call), struct endpoint, ENDPOINTS_MAX);
    struct endpoint_query query = {
        .app_id = form->replay.app_id, .is_ascending = true, .limit = ENDPOINTS_MAX};
    size_t count = 0;
    if (!endpoints)
        return ERR_NOMEM;
    enum err err = endpoint_store_list(db, call_arena(call), &query, endpoints, &count);
    for (size_t i = 0; !err && i < count && form->total <= REPLAY_DELIVERIES_MAX; i++) {
        if (endpoints[i].disabled_by == DISABLED_NOT)
            err = count_leg(call, db, form, &endpoints[i]);
    }
    return err;
}

/* endpoint: NULL for all. Answers when there are too many. */
static enum err count(struct call *call, struct db *db, struct replay_form *form,
                      const struct endpoint *endpoint)
{
    form->replay.created_at = clock_now_ms();
    form->replay.endpoint_id = endpoint ? endpoint->id : 0;
    if (endpoint && endpoint->disabled_by != DISABLED_NOT) {
        problem_reply(call, PROBLEM_CONFLICT, "The endpoint is disabled.");
        return ERR_OK;
    }
    enum err err = endpoint ? count_leg(call, db, form, endpoint) : count_all(call, db, form);
    if (!err && form->total > REPLAY_DELIVERIES_MAX)
        problem_field(call, "since",
                      "lets more than 500000 through, of deliveries or of messages to look at");
    return err;
}

/* --- what is answered --- */

struct replay_counts {
    int64_t total, queued, done, failed;
};

static const char *state_name(enum replay_state state)
{
    static const char *const names[] = {[REPLAY_RUNNING] = "running",
                                        [REPLAY_DONE] = "done",
                                        [REPLAY_CANCELLED] = "cancelled",
                                        [REPLAY_FAILED] = "failed"};
    return names[state];
}

static void put_time_or_null(struct json_writer *writer, const char *name, int64_t at_ms)
{
    if (at_ms)
        json_put_time(writer, name, at_ms);
    else
        json_put_null(writer, name);
}

/* A preview has no id. */
static void write_replay(struct json_writer *writer, const struct replay *replay,
                         const struct replay_counts *counts, int64_t eta_s)
{
    static const char *const kinds[] = {
        [REPLAY_DEAD] = "dead", [REPLAY_ENDED] = "all", [REPLAY_MISSING] = "missing"};
    int64_t skipped = replay->ended_at ? counts->total - counts->queued : 0;
    json_open_object(writer);
    if (replay->id)
        json_put_id2(writer, "id", "rpl", replay->app_id, replay->id);
    else
        json_put_null(writer, "id");
    json_put_str(writer, "state", str_from_c(replay->id ? state_name(replay->state) : "preview"));
    json_put_str(writer, "kind", str_from_c(kinds[replay->kind]));
    if (replay->endpoint_id)
        json_put_id2(writer, "endpoint", "ep", replay->app_id, replay->endpoint_id);
    else
        json_put_null(writer, "endpoint");
    put_time_or_null(writer, "since", replay->since_ms);
    put_time_or_null(writer, "until", replay->until_ms);
    hooks_put_lines(writer, "event_types", replay->event_types);
    json_put_bool(writer, "dead_only", replay->kind != REPLAY_ENDED);
    json_put_i64(writer, "total", counts->total);
    json_put_i64(writer, "queued", counts->queued);
    json_put_i64(writer, "done", counts->done);
    json_put_i64(writer, "failed", counts->failed);
    json_put_i64(writer, "skipped", skipped > 0 ? skipped : 0);
    json_put_i64(writer, "eta_seconds", eta_s);
    json_put_time(writer, "created_at", replay->created_at);
    put_time_or_null(writer, "ended_at", replay->ended_at);
    json_close_object(writer);
}

/* Counts and the time of the slowest endpoint. */
static enum err sum_legs(struct call *call, struct db *db, const struct replay *replay,
                         struct replay_counts *ret_counts, int64_t *ret_eta_s)
{
    struct replay_leg *legs = ARENA_ARRAY(call_arena(call), struct replay_leg, ENDPOINTS_MAX);
    struct replay_counts counts = {0};
    int64_t eta_s = 0, elapsed_ms = clock_now_ms() - replay->created_at;
    size_t count = 0;
    if (!legs)
        return ERR_NOMEM;
    enum err err = replay_store_legs(db, replay->app_id, replay->id, legs, &count);
    for (size_t i = 0; !err && i < count; i++) {
        const struct replay_leg *leg = &legs[i];
        int64_t attempted = leg->done + leg->failed;
        struct replay_pace pace = {.left = leg->state < LEG_OVER ? leg->total - attempted : 0,
                                   .attempted = attempted,
                                   .elapsed_ms = elapsed_ms,
                                   .latency_ms = latency_of(call, leg->app_id, leg->endpoint_id)};
        int64_t leg_s = replay_eta_s(&pace);
        eta_s = leg_s > eta_s ? leg_s : eta_s;
        counts.total += leg->total;
        counts.queued += leg->queued;
        counts.done += leg->done;
        counts.failed += leg->failed;
    }
    *ret_counts = counts;
    *ret_eta_s = eta_s;
    return err;
}

static enum err write_stored(struct call *call, struct db *db, struct json_writer *writer,
                             const struct replay *replay)
{
    struct replay_counts counts;
    int64_t eta_s;
    enum err err = sum_legs(call, db, replay, &counts, &eta_s);
    if (!err)
        write_replay(writer, replay, &counts, eta_s);
    return err;
}

static enum err reply_replay(struct call *call, struct db *db, int status,
                             const struct replay *replay)
{
    struct json_writer writer;
    struct buf *body = buf_new_in(call_arena(call), 64 << 10);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    enum err err = write_stored(call, db, &writer, replay);
    if (!err)
        reply_json(call, status, body);
    return err;
}

static enum err reply_preview(struct call *call, const struct replay_form *form)
{
    struct json_writer writer;
    struct replay_counts counts = {.total = form->total};
    struct buf *body = buf_new_in(call_arena(call), 64 << 10);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    write_replay(&writer, &form->replay, &counts, form->eta_s);
    reply_json(call, 202, body);
    return ERR_OK;
}

/* As the client libraries know background tasks. */
static enum err reply_task(struct call *call, const struct replay *replay)
{
    bool is_missing = replay->kind == REPLAY_MISSING;
    struct json_writer writer;
    struct buf *body = buf_new_in(call_arena(call), 1024);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_id2(&writer, "id", "rpl", replay->app_id, replay->id);
    json_put_str(&writer, "status",
                 str_from_c(replay->state == REPLAY_RUNNING ? "running"
                            : replay->state == REPLAY_DONE  ? "finished"
                                                            : "failed"));
    json_put_str(&writer, "task", str_from_c(is_missing ? "endpoint.replay" : "endpoint.recover"));
    json_put_time(&writer, "updatedAt", replay->updated_at);
    json_close_object(&writer);
    reply_json(call, 202, body);
    return ERR_OK;
}

/* --- new ones --- */

static enum err find_endpoint(struct call *call, struct db *db, uint64_t app_id, struct str text,
                              struct endpoint *ret_endpoint)
{
    uint64_t shard, id;
    enum err err = ERR_NOT_FOUND;
    if (id_parse2(text, "ep", &shard, &id) == ERR_OK && shard == app_id)
        err = endpoint_store_get(db, call_arena(call), app_id, id, ret_endpoint);
    if (err == ERR_NOT_FOUND)
        err = endpoint_store_find(db, call_arena(call), app_id, text, ret_endpoint);
    if (err == ERR_NOT_FOUND)
        problem_field(call, "endpoint", "is no endpoint of this application");
    return err;
}

static struct replay_form *form_new(struct call *call)
{
    hooks_call_shard(call);
    struct replay_form *form = ARENA_NEW(call_arena(call), struct replay_form);
    if (form)
        *form = (struct replay_form){0};
    call->prepared = form;
    return form;
}

static enum err create_prepare(struct call *call, struct db *db)
{
    struct application application;
    struct endpoint endpoint;
    struct replay_body body = {0};
    struct replay_form *form = form_new(call);
    if (!form)
        return ERR_NOMEM;
    enum err err = hooks_call_application(call, db, &application);
    if (err || !read_body(call, form, &body))
        return hooks_said(err);
    form->replay.app_id = application.id;
    form->replay.kind = body.dead_only ? REPLAY_DEAD : REPLAY_ENDED;
    if (body.endpoint.data)
        err = find_endpoint(call, db, application.id, body.endpoint, &endpoint);
    if (err)
        return hooks_said(err);
    err = count(call, db, form, body.endpoint.data ? &endpoint : NULL);
    if (err || call_is_answered(call) || !form->is_preview)
        return err;
    return reply_preview(call, form);
}

static enum err task_prepare(struct call *call, struct db *db, enum replay_kind kind)
{
    struct endpoint endpoint;
    struct replay_body body = {0};
    struct replay_form *form = form_new(call);
    if (!form)
        return ERR_NOMEM;
    enum err err = hooks_call_both(call, db, &endpoint);
    if (err || !read_body(call, form, &body))
        return hooks_said(err);
    form->replay.app_id = endpoint.app_id;
    form->replay.kind = kind;
    return count(call, db, form, &endpoint);
}

static enum err recover_prepare(struct call *call, struct db *db)
{
    return task_prepare(call, db, REPLAY_DEAD);
}

static enum err missing_prepare(struct call *call, struct db *db)
{
    return task_prepare(call, db, REPLAY_MISSING);
}

static bool is_like(const struct replay *a, const struct replay *b)
{
    return a->kind == b->kind && a->endpoint_id == b->endpoint_id && a->since_ms == b->since_ms &&
           a->until_ms == b->until_ms && str_eq(a->event_types, b->event_types);
}

/* The one that runs and is the same, or a new one; answers 409 when there are too many. */
static enum err find_or_create(struct call *call, struct writer_tx *tx, struct replay *ret_replay)
{
    struct replay_form *form = call->prepared;
    struct replay running[REPLAY_RUNNING_MAX];
    size_t running_count = 0;
    struct arena *arena = call_arena(call);
    *ret_replay = form->replay; /* the form stays: apply may run again */
    enum err err =
        replay_store_running(tx->db, arena, form->replay.app_id, running, &running_count);
    for (size_t i = 0; !err && i < running_count; i++) {
        if (!is_like(&running[i], ret_replay))
            continue;
        *ret_replay = running[i];
        return ERR_OK;
    }
    if (err)
        return err;
    if (running_count == REPLAY_RUNNING_MAX) {
        problem_reply(call, PROBLEM_CONFLICT, "Too many replays of this application run.");
        return ERR_OK;
    }
    return replay_create(hooks_of(call), tx, ret_replay, form->legs, form->leg_count);
}

/* The application may have gone since prepare, and the endpoint; the worker finds out about that. */
static enum err start(struct call *call, struct writer_tx *tx, struct replay *ret_replay)
{
    struct application application;
    enum err err = hooks_call_application(call, tx->db, &application);
    return err ? err : find_or_create(call, tx, ret_replay);
}

static enum err create_apply(struct call *call, struct writer_tx *tx)
{
    struct replay replay;
    enum err err = start(call, tx, &replay);
    if (err || call_is_answered(call))
        return hooks_said(err);
    return reply_replay(call, tx->db, 202, &replay);
}

static enum err task_apply(struct call *call, struct writer_tx *tx)
{
    struct replay replay;
    enum err err = start(call, tx, &replay);
    if (err || call_is_answered(call))
        return hooks_said(err);
    return reply_task(call, &replay);
}

/* --- those that are there --- */

static enum err call_replay(struct call *call, struct db *db, struct replay *ret_replay)
{
    struct application application;
    uint64_t shard, id;
    enum err err = hooks_call_application(call, db, &application);
    if (err)
        return err;
    if (id_parse2(request_param(call->req, "id"), "rpl", &shard, &id) != ERR_OK ||
        shard != application.id)
        err = ERR_NOT_FOUND;
    else
        err = replay_store_get(db, call_arena(call), application.id, id, ret_replay);
    if (err == ERR_NOT_FOUND)
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such replay.");
    return err;
}

static enum err get_read(struct call *call, struct db *db)
{
    struct replay replay;
    enum err err = call_replay(call, db, &replay);
    return err ? hooks_said(err) : reply_replay(call, db, 200, &replay);
}

static enum err cancel_apply(struct call *call, struct writer_tx *tx)
{
    struct replay replay;
    enum err err = call_replay(call, tx->db, &replay);
    if (err)
        return hooks_said(err);
    err = replay_cancel(hooks_of(call), tx, &replay);
    return err ? err : reply_replay(call, tx->db, 200, &replay);
}

static enum err list_read(struct call *call, struct db *db)
{
    struct application application;
    struct hooks_page page;
    struct json_writer writer;
    struct buf *body;
    uint64_t before_id;
    size_t count = 0;
    char text[ID_TEXT_SIZE];
    enum err err = hooks_call_application(call, db, &application);
    if (err || !hooks_call_page(call, false, &page) ||
        !hooks_page_id(call, &page, "rpl", application.id, &before_id))
        return hooks_said(err);
    struct arena *arena = call_arena(call);
    struct replay *replays = ARENA_ARRAY(arena, struct replay, page.limit + 1);
    if (!replays)
        return ERR_NOMEM;
    err = replay_store_list(db, arena, application.id, before_id, page.limit + 1, replays, &count);
    if (!err)
        err = hooks_list_begin(call, &writer, &body);
    size_t shown = count < page.limit ? count : page.limit;
    for (size_t i = 0; !err && i < shown; i++)
        err = write_stored(call, db, &writer, &replays[i]);
    if (err)
        return err;
    struct str last = STR_NONE;
    if (shown)
        last = id_format2(text, "rpl", application.id, replays[shown - 1].id);
    hooks_list_end(call, &writer, shown == count, STR_NONE, last);
    return ERR_OK;
}

/* --- one dead letter --- */

/* {id} names message and endpoint, as the list does. */
static enum err call_letter(struct call *call, struct db *db, struct delivery *ret_delivery)
{
    struct application application;
    struct delivery_key key = {0};
    enum err err = hooks_call_application(call, db, &application);
    if (err)
        return err;
    struct str text = request_param(call->req, "id");
    err = id_parse2(text, "dl", &key.message_id, &key.endpoint_id);
    key.app_id = application.id;
    if (err || !ring_is_kept(key.message_id, clock_now_ms()))
        err = ERR_NOT_FOUND;
    else
        err = delivery_store_get(db, &key, ret_delivery);
    if (err == ERR_NOT_FOUND)
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such dead letter.");
    return err;
}

static enum err letter_apply(struct call *call, struct writer_tx *tx)
{
    struct delivery delivery;
    struct endpoint endpoint;
    enum err err = call_letter(call, tx->db, &delivery);
    if (err)
        return hooks_said(err);
    const struct delivery_key *key = &delivery.key;
    err = endpoint_store_get(tx->db, call_arena(call), key->app_id, key->endpoint_id, &endpoint);
    if (err && err != ERR_NOT_FOUND)
        return err;
    if (delivery.state == DELIVERY_SUCCESS) {
        problem_reply(call, PROBLEM_CONFLICT, "The message was delivered meanwhile.");
        return ERR_OK;
    }
    if (err || endpoint.disabled_by != DISABLED_NOT) {
        problem_reply(call, PROBLEM_CONFLICT,
                      err ? "The endpoint was deleted." : "The endpoint is disabled.");
        return ERR_OK;
    }
    /* One that is not dead any more waits already. */
    err = delivery.state == DELIVERY_DEAD ? delivery_resend(hooks_of(call), tx, key, LANE_MANUAL)
                                          : ERR_OK;
    struct buf *body = buf_new_in(call_arena(call), 16);
    if (err || !body)
        return err ? err : ERR_NOMEM;
    buf_append_str(body, STR("{}"));
    reply_json(call, 202, body);
    return ERR_OK;
}

#define REPLAY(method_name, path)                                                                  \
    .method = (method_name), .pattern = "/api/v1/app/{app}" path, .auth = AUTH_CALLER,             \
    .dialect = DIALECT_HOOKS, .tag = "hooks"

const struct route replay_routes[] = {
    {REPLAY(HTTP_POST, "/replay"), .scopes = HOOKS_PORTAL(ATTEMPT), .kind = ROUTE_WRITE,
     .prepare = create_prepare, .apply = create_apply,
     .summary = "Send many messages again, or count what that would be", .request = replay_fields,
     .response = "HooksReplay", .success = 202, .problems = "409"},
    {REPLAY(HTTP_GET, "/replay"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = list_read, .summary = "List an application's replays, newest first",
     .response = "HooksReplayList", .success = 200, .query = "limit iterator",
     .is_retry_safe = true},
    {REPLAY(HTTP_GET, "/replay/{id}"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = get_read, .summary = "Say how far a replay is", .response = "HooksReplay",
     .success = 200, .is_retry_safe = true},
    {REPLAY(HTTP_DELETE, "/replay/{id}"), .scopes = HOOKS_PORTAL(ATTEMPT), .kind = ROUTE_WRITE,
     .prepare_on_loop = true, .prepare = hooks_prepare_shard, .apply = cancel_apply,
     .summary = "Cancel a replay; what it has not begun is what it was before",
     .response = "HooksReplay", .success = 200, .is_retry_safe = true},
    {REPLAY(HTTP_POST, "/dead-letter/{id}/replay"), .scopes = HOOKS_PORTAL(ATTEMPT),
     .kind = ROUTE_WRITE, .prepare_on_loop = true, .prepare = hooks_prepare_shard,
     .apply = letter_apply, .summary = "Send a dead letter again", .response = "HooksEmpty",
     .success = 202, .problems = "409"},
    {REPLAY(HTTP_POST, "/endpoint/{ep}/recover"), .scopes = HOOKS_PORTAL(ATTEMPT),
     .kind = ROUTE_WRITE, .prepare = recover_prepare, .apply = task_apply,
     .summary = "Send again what could not be delivered to an endpoint", .request = since_fields,
     .response = "HooksTask", .success = 202, .problems = "409"},
    {REPLAY(HTTP_POST, "/endpoint/{ep}/replay-missing"), .scopes = HOOKS_PORTAL(ATTEMPT),
     .kind = ROUTE_WRITE, .prepare = missing_prepare, .apply = task_apply,
     .summary = "Send what was never tried at an endpoint", .request = since_fields,
     .response = "HooksTask", .success = 202, .problems = "409"},
};
const size_t replay_routes_count = sizeof(replay_routes) / sizeof(replay_routes[0]);
