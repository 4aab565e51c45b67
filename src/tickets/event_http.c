/*
 * Routes of events: the public page, and what an organizer does with an event's own row.
 *
 * GET /v1/events/{id} is answered on the loop from the model. Changes run the same pure rules twice
 * (event_input.c): in prepare against the model, to refuse early and cheaply, and in apply against
 * the row as it is then. Every change writes the row, one journal row with the whole event, and
 * drops the model, in that order and in one transaction.
 */
#include "tickets/event_http.h"

#include "app/identity.h"
#include "base/clock.h"
#include "tickets/event_call.h"
#include "tickets/event_cancel.h"
#include "tickets/event_input.h"
#include "tickets/event_view.h"
#include "tickets/queue.h"
#include "tickets/search.h"
#include "tickets/seatmap.h"

#include <inttypes.h>

#define EVENT_BYTES_MAX ((size_t)256 << 10)
#define LIST_BYTES_MAX  ((size_t)2 << 20)

static enum err render(struct call *call, const struct event_view *view, struct buf **ret_body)
{
    struct buf *body = buf_new_in(call_arena(call), EVENT_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    event_write(&writer, view);
    *ret_body = body;
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

/* --- Reading --- */

static void set_caching(struct call *call, const struct event *event, struct str public_caching)
{
    bool is_public = event->status != EVENT_DRAFT;
    response_header(call->req, "cache-control",
                    is_public ? public_caching : STR("private, no-store"));
}

static enum err get_any(struct call *call, struct db *db)
{
    struct event_model *model;
    enum err err;
    if (!event_call_model(call, db, &model, &err))
        return err;
    char version[SEATMAP_VERSION_SIZE];
    struct event_view view;
    struct str etag = arena_printf(call_arena(call), "%" PRId64, atomic_load(&model->version));
    set_caching(call, &model->event, STR("public, max-age=1"));
    if (reply_not_modified(call, etag))
        return ERR_OK;
    err = seatmap_version(model, version);
    if (err)
        return err;
    event_view_from_model(model, &model->event, model->prices, &view);
    view.has_availability = true;
    view.available = atomic_load(&model->available);
    view.total = model->total;
    view.seatmap_version = version;
    struct buf *body = NULL;
    err = render(call, &view, &body);
    if (!err)
        reply_json(call, 200, body);
    return err;
}

static enum err get_loop(struct call *call)
{
    return get_any(call, NULL);
}

static enum err list_read(struct call *call, struct db *db)
{
    struct list_page page;
    if (!call_list_page(call, &page))
        return ERR_OK;
    struct event_query query = {.account_id = call->caller->account_id,
                                .is_admin = (call->caller->scopes & SCOPE_ADMIN) != 0,
                                .before_id = page.has_cursor ? (uint64_t)page.a : 0,
                                .limit = page.limit + 1};
    struct event_row *rows =
        ARENA_ARRAY(call_arena(call), struct event_row, (size_t)page.limit + 1);
    struct buf *body = buf_new_in(call_arena(call), LIST_BYTES_MAX);
    size_t count = 0;
    if (!rows || !body)
        return ERR_NOMEM;
    enum err err = event_list(db, &query, call_arena(call), rows, &count);
    if (err)
        return err;
    bool has_more = count > (size_t)page.limit;
    count -= has_more;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; i < count; i++)
        event_write_summary(&writer, &rows[i]);
    list_close(&writer, has_more, has_more ? (int64_t)rows[count - 1].event.id : 0, 0);
    reply_json(call, 200, body);
    return ERR_OK;
}

/* --- Changing: what all changes share --- */

struct changed_effect {
    struct tickets *tickets;
};

static void on_changed(void *data)
{
    struct changed_effect *effect = data;
    search_wake(effect->tickets->search);
}

static enum err stage_changed(struct call *call, struct writer_tx *tx)
{
    struct changed_effect *effect = writer_effect(tx, on_changed, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    effect->tickets = event_call_tickets(call);
    return ERR_OK;
}

enum err event_edit_begin(struct call *call, struct writer_tx *tx, struct event_edit *edit)
{
    enum err err = event_load(tx->db, edit->model->event.id, call_arena(call), &edit->event);
    return err ? err : event_prices_load(tx->db, edit->event.id, edit->prices);
}

enum err event_edit_finish(struct call *call, struct writer_tx *tx, struct event_edit *edit,
                           const char *type)
{
    struct event *event = &edit->event;
    struct event_view view;
    struct buf *body = NULL;
    /* Models compare it to see that they are out of date: two edits in one millisecond must differ.
     */
    event->updated_at = tx->now_ms > event->updated_at ? tx->now_ms : event->updated_at + 1;
    event_view_from_model(edit->model, event, edit->prices, &view);
    enum err err = event_update(tx->db, event);
    if (!err)
        err = render(call, &view, &body);
    if (!err)
        err = journal_append(tx->journal, event->id, type, buf_str(body), NULL);
    if (!err)
        err = inventory_stage_drop(event_call_tickets(call)->inventory, tx, event->id);
    return err ? err : stage_changed(call, tx);
}

static enum err reply_event(struct call *call, int status, const struct event_edit *edit)
{
    struct event_view view;
    struct buf *body = NULL;
    event_view_from_model(edit->model, &edit->event, edit->prices, &view);
    view.has_availability = true;
    view.available = atomic_load(&edit->model->available);
    view.total = edit->model->total;
    /* A draft's places follow its prices, which this call may have changed; only drafts take new
     * prices, so it's rare. */
    if (memcmp(edit->prices, edit->model->prices, sizeof(edit->prices)) != 0)
        event_count_places(edit->model, edit->prices, &view.available, &view.total);
    enum err err = render(call, &view, &body);
    if (!err)
        reply_json(call, status, body);
    return err;
}

/* --- POST /v1/events --- */

struct create_call {
    struct event event;
    int64_t prices[EVENT_PRICES_MAX];
    struct venue venue;
    struct venue_plan plan;
};

/* False when a refusal was answered or *ret_err is set. */
static bool find_venue(struct call *call, struct db *db, struct str id_text,
                       struct create_call *create, enum err *ret_err)
{
    uint64_t venue_id;
    enum err err = id_parse(id_text, "ven", &venue_id) ? ERR_NOT_FOUND : ERR_OK;
    if (!err)
        err = venue_load(db, venue_id, call_arena(call), &create->venue);
    if (err == ERR_NOT_FOUND || (!err && !event_call_owns(call, create->venue.account_id))) {
        problem_field(call, "venue_id", "you have no such venue");
        return false;
    }
    if (!err)
        err = venue_plan_load(db, venue_id, create->venue.plan_version, call_arena(call),
                              &create->plan);
    *ret_err = err;
    return err == ERR_OK;
}

static enum err create_prepare(struct call *call, struct db *db)
{
    struct create_call *create = ARENA_NEW(call_arena(call), struct create_call);
    struct event_input input = {0};
    struct field_errors errors;
    enum err err = ERR_OK;
    if (!create)
        return ERR_NOMEM;
    if (!call_decode(call, &input) || !find_venue(call, db, input.venue_id, create, &err))
        return err;
    struct event *event = &create->event;
    event_set_defaults(event);
    event->account_id = call->caller->account_id;
    event->venue_id = create->venue.id;
    event->plan_version = create->venue.plan_version;
    struct event_subject subject = {event, create->prices, create->plan.categories,
                                    create->plan.category_count, true};
    field_errors_init(&errors, call_arena(call));
    event_input_apply(&input, &subject, clock_now_ms(), &errors);
    if (errors.count > 0)
        problem_fields(call, &errors);
    call->prepared = create;
    return ERR_OK;
}

static enum err put_new_event(struct call *call, struct writer_tx *tx, struct create_call *create)
{
    struct event *event = &create->event;
    enum err err = event_insert(tx->db, event);
    if (!err)
        err = event_prices_put(tx->db, event->id, create->prices);
    if (!err)
        err = event_areas_copy(tx->db, event);
    return err ? err : stage_changed(call, tx);
}

static int64_t count_new_places(const struct create_call *create)
{
    int64_t total = create->plan.area_capacity;
    for (uint32_t i = 0; i < create->plan.category_count; i++)
        total += create->prices[i] == PRICE_NONE ? 0 : create->plan.category_seats[i];
    return total;
}

static enum err create_apply(struct call *call, struct writer_tx *tx)
{
    struct create_call *create = call->prepared;
    struct event *event = &create->event;
    event->id = id_next(tx->ids);
    event->created_at = event->updated_at = tx->now_ms;
    struct event_view view = {.event = event,
                              .venue = create->venue,
                              .categories = create->plan.categories,
                              .category_count = create->plan.category_count,
                              .prices = create->prices};
    struct buf *document = NULL, *answer = NULL;
    enum err err = put_new_event(call, tx, create);
    if (!err)
        err = render(call, &view, &document);
    if (!err)
        err = journal_append(tx->journal, event->id, "event.created", buf_str(document), NULL);
    view.has_availability = true;
    view.available = view.total = count_new_places(create);
    if (!err)
        err = render(call, &view, &answer);
    if (!err)
        reply_json(call, 201, answer);
    return err;
}

/* --- PATCH, publish, cancel --- */

struct patch_call {
    struct event_edit edit;
    struct event_input input;
};

static bool patch_check(struct call *call, struct patch_call *patch, int64_t now_ms)
{
    struct event_edit *edit = &patch->edit;
    struct field_errors errors;
    if (edit->event.status == EVENT_CANCELLED) {
        problem_reply(call, PROBLEM_CONFLICT, "The event is cancelled.");
        return false;
    }
    struct event_subject subject = {&edit->event, edit->prices, edit->model->layout->categories,
                                    edit->model->layout->category_count, false};
    field_errors_init(&errors, call_arena(call));
    event_input_apply(&patch->input, &subject, now_ms, &errors);
    if (errors.count > 0)
        problem_fields(call, &errors);
    return errors.count == 0;
}

static enum err patch_prepare(struct call *call, struct db *db)
{
    struct patch_call *patch = ARENA_NEW(call_arena(call), struct patch_call);
    enum err err;
    if (!patch)
        return ERR_NOMEM;
    if (!event_call_own_model(call, db, &patch->edit.model, &err))
        return err;
    if (!call_decode(call, &patch->input))
        return ERR_OK;
    patch->edit.event = patch->edit.model->event;
    memcpy(patch->edit.prices, patch->edit.model->prices, sizeof(patch->edit.prices));
    (void)patch_check(call, patch, clock_now_ms()); /* whatever it answers ends the request */
    call->prepared = patch;
    return ERR_OK;
}

static enum err patch_apply(struct call *call, struct writer_tx *tx)
{
    struct patch_call *patch = call->prepared;
    enum err err = event_edit_begin(call, tx, &patch->edit);
    if (err || !patch_check(call, patch, tx->now_ms))
        return err;
    if (patch->input.has_prices)
        err = event_prices_put(tx->db, patch->edit.event.id, patch->edit.prices);
    if (!err)
        err = event_edit_finish(call, tx, &patch->edit, "event.updated");
    return err ? err : reply_event(call, 200, &patch->edit);
}

static enum err status_prepare(struct call *call, struct db *db)
{
    struct event_edit *edit = ARENA_NEW(call_arena(call), struct event_edit);
    enum err err;
    if (!edit)
        return ERR_NOMEM;
    if (event_call_own_model(call, db, &edit->model, &err))
        call->prepared = edit;
    return err;
}

/* Moves the status and writes it; a status that it has already is answered as it stands. */
static enum err status_apply(struct call *call, struct writer_tx *tx, struct event_edit *edit,
                             enum event_status status, const char *type)
{
    bool is_there = edit->event.status == status;
    if (!is_there && event_set_status(&edit->event, status) != ERR_OK) {
        problem_reply(call, PROBLEM_CONFLICT, "The event is cancelled.");
        return ERR_OK;
    }
    enum err err = is_there ? ERR_OK : event_edit_finish(call, tx, edit, type);
    return err ? err : reply_event(call, 200, edit);
}

static enum err publish_apply(struct call *call, struct writer_tx *tx)
{
    struct event_edit *edit = call->prepared;
    struct field_errors errors;
    enum err err = event_edit_begin(call, tx, edit);
    if (err)
        return err;
    field_errors_init(&errors, call_arena(call));
    struct event_subject subject = {.event = &edit->event, .prices = edit->prices};
    if (edit->event.status == EVENT_DRAFT)
        event_check_publishable(&subject, tx->now_ms, &errors);
    if (errors.count > 0) {
        problem_fields(call, &errors);
        return ERR_OK;
    }
    err = status_apply(call, tx, edit, EVENT_PUBLISHED, "event.published");
    bool has_room = queue_mode_of(edit->event.waiting_room) != QUEUE_OFF;
    if (err || !has_room || edit->event.status != EVENT_PUBLISHED)
        return err;
    return waiting_open(event_call_tickets(call), tx, edit->event.id);
}

static enum err cancel_apply(struct call *call, struct writer_tx *tx)
{
    struct event_edit *edit = call->prepared;
    enum err err = event_edit_begin(call, tx, edit);
    if (!err)
        err = event_cancel_stage(event_call_tickets(call), tx, edit->event.id);
    return err ? err : status_apply(call, tx, edit, EVENT_CANCELLED, "event.cancelled");
}

#define ORGANIZER_WRITE .kind = ROUTE_WRITE, .auth = AUTH_CALLER, .scopes = ORGANIZER_SCOPES

const struct route event_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/events/{id}",
     .kind = ROUTE_LOOP,
     .auth = AUTH_OPTIONAL,
     .loop = get_loop,
     .read = get_any,
     .summary = "Get an event with its availability",
     .tag = "events",
     .response = "Event",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true,
     .may_lag = true},
    {.method = HTTP_GET,
     .pattern = "/v1/me/events",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = ORGANIZER_SCOPES,
     .read = list_read,
     .summary = "List your own events, drafts too, newest first",
     .tag = "organizer",
     .response = "EventList",
     .success = 200,
     .problems = "422",
     .query = "limit cursor",
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/v1/events",
     ORGANIZER_WRITE,
     .prepare = create_prepare,
     .apply = create_apply,
     .summary = "Create an event as a draft",
     .tag = "organizer",
     .request = event_create_fields,
     .response = "Event",
     .success = 201,
     .problems = "422"},
    {.method = HTTP_PATCH,
     .pattern = "/v1/events/{id}",
     ORGANIZER_WRITE,
     .prepare = patch_prepare,
     .apply = patch_apply,
     .summary = "Change an event",
     .tag = "organizer",
     .request = event_patch_fields,
     .response = "Event",
     .success = 200,
     .problems = "404 409 422",
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/v1/events/{id}/publish",
     ORGANIZER_WRITE,
     .prepare = status_prepare,
     .apply = publish_apply,
     .summary = "Publish a draft",
     .tag = "organizer",
     .response = "Event",
     .success = 200,
     .problems = "404 409 422",
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/v1/events/{id}/cancel",
     ORGANIZER_WRITE,
     .prepare = status_prepare,
     .apply = cancel_apply,
     .summary = "Cancel an event; holds end and buyers get their money back",
     .tag = "organizer",
     .response = "Event",
     .success = 200,
     .problems = "404 409",
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/v1/events/{id}/blocks",
     ORGANIZER_WRITE,
     .prepare = event_blocks_prepare,
     .apply = event_block_apply,
     .summary = "Block seats, all or none",
     .tag = "organizer",
     .request = event_blocks_fields,
     .response = "Blocks",
     .success = 200,
     .problems = "404 409 422",
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/events/{id}/blocks",
     ORGANIZER_WRITE,
     .prepare = event_blocks_prepare,
     .apply = event_unblock_apply,
     .summary = "Put blocked seats on sale again",
     .tag = "organizer",
     .request = event_blocks_fields,
     .response = "Blocks",
     .success = 200,
     .problems = "404 409 422",
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/v1/events/{id}/areas",
     ORGANIZER_WRITE,
     .prepare = event_areas_prepare,
     .apply = event_areas_apply,
     .summary = "Add general-admission areas to an event",
     .tag = "organizer",
     .request = event_areas_fields,
     .response = "Areas",
     .success = 201,
     .problems = "404 409 422"},
};
const size_t event_routes_count = sizeof(event_routes) / sizeof(event_routes[0]);
