/*
 * Routes of venues.
 *
 * POST /v1/venues does nearly everything in prepare, on the slow pool: it parses and checks the
 * plan, writes its rows in small jobs (venue_import_store.c) and renders the answer. apply only
 * puts the venue's own row, which makes all of it visible, beside the idempotency key in one
 * transaction. A request that dies in between leaves rows nobody sees; the next start removes them.
 */
#include "tickets/event_call.h"
#include "tickets/limits.h"
#include "tickets/venue.h"

#include "app/identity.h"
#include "base/clock.h"

#include <stddef.h>

#define TEXT_BYTES_MAX    200
#define ANSWER_BYTES_MAX  ((size_t)64 << 10)
#define LIST_BYTES_MAX    ((size_t)1 << 20)
#define JOURNAL_BYTES_MAX ((size_t)64 << 10)

struct venue_input {
    struct str name, city, country;
    double lat, lon;
    struct json_node *seating_plan;
};

static const struct json_field venue_fields[] = {
    {.name = "name",
     .kind = JSON_STR,
     .offset = offsetof(struct venue_input, name),
     .is_required = true,
     .min = 1,
     .max = TEXT_BYTES_MAX},
    {.name = "city",
     .kind = JSON_STR,
     .offset = offsetof(struct venue_input, city),
     .is_required = true,
     .min = 1,
     .max = TEXT_BYTES_MAX},
    {.name = "country",
     .kind = JSON_STR,
     .offset = offsetof(struct venue_input, country),
     .is_required = true,
     .min = 1,
     .max = TEXT_BYTES_MAX,
     .doc = "ISO 3166 code or name, shown as it is"},
    {.name = "lat",
     .kind = JSON_F64,
     .offset = offsetof(struct venue_input, lat),
     .is_required = true,
     .min = -90,
     .max = 90},
    {.name = "lon",
     .kind = JSON_F64,
     .offset = offsetof(struct venue_input, lon),
     .is_required = true,
     .min = -180,
     .max = 180},
    {.name = "seating_plan",
     .kind = JSON_OBJECT,
     .offset = offsetof(struct venue_input, seating_plan),
     .is_required = true,
     .doc = "the open seating plan format; see the guide"},
    {.name = NULL},
};

struct venue_create {
    struct venue venue;
    struct plan plan;
    struct buf *answer;
};

static void check_text(struct field_errors *errors, const char *name, struct str text)
{
    if (!str_is_printable(text) || str_trim(text).len == 0)
        field_errors_add(errors, name, "must have visible characters and no control characters");
}

/* False when 422 was answered or *ret_err is set. */
static bool check_input(struct call *call, const struct venue_input *input, struct plan *ret_plan,
                        enum err *ret_err)
{
    struct field_errors errors;
    field_errors_init(&errors, call_arena(call));
    check_text(&errors, "name", input->name);
    check_text(&errors, "city", input->city);
    check_text(&errors, "country", input->country);
    enum err err =
        plan_parse(call_arena(call), input->seating_plan, "seating_plan", &errors, ret_plan);
    *ret_err = err == ERR_INVALID ? ERR_OK : err;
    if (errors.count > 0 && *ret_err == ERR_OK)
        problem_fields(call, &errors);
    return err == ERR_OK && errors.count == 0;
}

static enum err render_venue(struct call *call, const struct venue *venue,
                             const struct venue_plan *plan, struct buf **ret_body)
{
    struct buf *body = buf_new_in(call_arena(call), ANSWER_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    venue_write(&writer, venue, plan);
    *ret_body = body;
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err create_prepare(struct call *call, struct db *db)
{
    (void)db; /* nothing to look up */
    struct venue_input input = {0};
    struct venue_create *create = ARENA_NEW(call_arena(call), struct venue_create);
    struct venue_plan *counts = ARENA_NEW(call_arena(call), struct venue_plan);
    enum err err = ERR_OK;
    if (!create || !counts)
        return ERR_NOMEM;
    if (!call_decode(call, &input) || !check_input(call, &input, &create->plan, &err))
        return err;
    struct writer *writer = call->service->writer;
    create->venue = (struct venue){.id = id_next(writer_ids(writer)),
                                   .account_id = call->caller->account_id,
                                   .name = input.name,
                                   .city = input.city,
                                   .country = input.country,
                                   .lat = input.lat,
                                   .lon = input.lon,
                                   .plan_version = 1,
                                   .created_at = clock_now_ms()};
    venue_plan_count(&create->plan, counts);
    err = render_venue(call, &create->venue, counts, &create->answer);
    if (!err)
        err =
            venue_import_plan(writer, create->venue.id, create->venue.plan_version, &create->plan);
    call->prepared = create;
    return err;
}

static enum err create_apply(struct call *call, struct writer_tx *tx)
{
    struct venue_create *create = call->prepared;
    enum err err = venue_insert(tx->db, &create->venue, &create->plan);
    if (!err)
        err = journal_append(tx->journal, create->venue.id, "venue.created",
                             buf_str(create->answer), NULL);
    if (!err)
        reply_json(call, 201, create->answer);
    return err;
}

static enum err venue_get(struct call *call, struct db *db)
{
    uint64_t venue_id;
    struct venue venue;
    if (!call_param_id(call, "id", "ven", &venue_id))
        return ERR_OK;
    enum err err = venue_load(db, venue_id, call_arena(call), &venue);
    if (err && err != ERR_NOT_FOUND)
        return err;
    if (err || !event_call_owns(call, venue.account_id)) {
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such venue.");
        return ERR_OK;
    }
    struct venue_plan plan;
    struct buf *body = NULL;
    err = venue_plan_load(db, venue_id, venue.plan_version, call_arena(call), &plan);
    if (!err)
        err = render_venue(call, &venue, &plan, &body);
    if (!err)
        reply_json(call, 200, body);
    return err;
}

static enum err venues_get(struct call *call, struct db *db)
{
    struct list_page page;
    if (!call_list_page(call, &page))
        return ERR_OK;
    struct venue_query query = {.account_id = call->caller->account_id,
                                .is_admin = (call->caller->scopes & SCOPE_ADMIN) != 0,
                                .before_id = page.has_cursor ? (uint64_t)page.a : 0,
                                .limit = page.limit + 1};
    struct venue *venues = ARENA_ARRAY(call_arena(call), struct venue, (size_t)page.limit + 1);
    struct buf *body = buf_new_in(call_arena(call), LIST_BYTES_MAX);
    size_t count = 0;
    if (!venues || !body)
        return ERR_NOMEM;
    enum err err = venue_list(db, &query, call_arena(call), venues, &count);
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
        venue_write(&writer, &venues[i], NULL);
    list_close(&writer, has_more, has_more ? (int64_t)venues[count - 1].id : 0, 0);
    reply_json(call, 200, body);
    return ERR_OK;
}

const struct route venue_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/venues",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .scopes = ORGANIZER_SCOPES,
     .pool = POOL_SLOW,
     .body_max = ROUTE_BODY_MAX,
     .prepare = create_prepare,
     .apply = create_apply,
     .summary = "Import a venue with its seating plan",
     .tag = "organizer",
     .request = venue_fields,
     .response = "Venue",
     .success = 201,
     .problems = "422"},
    {.method = HTTP_GET,
     .pattern = "/v1/venues",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = ORGANIZER_SCOPES,
     .read = venues_get,
     .summary = "List your venues, newest first",
     .tag = "organizer",
     .response = "VenueList",
     .success = 200,
     .problems = "422",
     .query = "limit cursor",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/venues/{id}",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = ORGANIZER_SCOPES,
     .read = venue_get,
     .summary = "Get a venue with its categories",
     .tag = "organizer",
     .response = "Venue",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true},
};
const size_t venue_routes_count = sizeof(venue_routes) / sizeof(venue_routes[0]);
