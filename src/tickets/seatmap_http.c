/*
 * Routes of the map: what never changes (seatmap), how many places are left (availability), and
 * which ones (seats). All three are answered on the loop from the event's model; only a map that
 * nobody asked for yet, and the long form of all seats, go to the pool.
 *
 * A map's URL may carry its version (?version=, from the event or the map itself): under it the
 * bytes never change and may be kept for ever. Without it, or with an old one, the answer is the
 * map of today, to be asked for again with its ETag.
 */
#include "tickets/event_call.h"
#include "tickets/queue_gate.h"
#include "tickets/seatmap.h"

#include <inttypes.h>

#define SEATS_JSON_BYTES_MAX ((size_t)64 << 20)
#define LOOP_SEATS_MAX       4096 /* JSON of more is written on the pool */

static struct str caching(const struct event_model *model, struct str when_public)
{
    return model->event.status == EVENT_DRAFT ? STR("private, no-store") : when_public;
}

/* --- /seatmap --- */

/* True when the list of codings has gzip and doesn't forbid it (RFC 9110, 12.5.3). */
static bool accepts_gzip(struct str codings)
{
    while (codings.len > 0) {
        struct str coding = str_split(&codings, ',');
        struct str name = str_trim(str_split(&coding, ';'));
        if (!str_eq_ci(name, STR("gzip")))
            continue;
        struct str weight = str_trim(coding);
        double q = 1;
        if (str_starts_with(weight, STR("q=")))
            return str_to_f64(str_sub(weight, 2, weight.len), &q) == ERR_OK && q > 0;
        return true;
    }
    return false;
}

static void unref_layout(void *ptr)
{
    layout_unref(ptr);
}

static void free_map(void *ptr)
{
    seatmap_free_all(ptr);
}

static struct str map_caching(struct call *call, const struct event_model *model,
                              const struct seatmap *map)
{
    struct str asked = STR_NONE;
    if (request_query(call->req, "version", &asked) == ERR_OK &&
        str_eq(asked, str_from_c(map->version)))
        return caching(model, STR("public, max-age=31536000, immutable"));
    return caching(model, STR("public, max-age=60"));
}

/* Sends the map by reference. A kept one lives as long as its layout, of which the answer holds a
 * reference; another belongs to the answer. */
static void reply_map(struct call *call, const struct event_model *model, struct seatmap *map,
                      bool is_kept)
{
    struct response *res = &call->req->res;
    struct str etag = arena_str_dup(call_arena(call), str_from_c(map->version));
    response_header(call->req, "vary", STR("accept-encoding"));
    response_header(call->req, "cache-control", map_caching(call, model, map));
    if (reply_not_modified(call, etag)) {
        if (!is_kept)
            seatmap_free_all(map);
        return;
    }
    bool is_gzip = map->gzip.len > 0 && accepts_gzip(request_header(call->req, "accept-encoding"));
    if (is_gzip)
        response_header(call->req, "content-encoding", STR("gzip"));
    res->status = 200;
    res->content_type = STR("application/json");
    res->body = buf_str(is_gzip ? &map->gzip : &map->json);
    res->body_ptr = is_kept ? (void *)layout_ref(model->layout) : (void *)map;
    res->body_release = is_kept ? unref_layout : free_map;
}

static enum err seatmap_loop(struct call *call)
{
    struct event_model *model;
    enum err err;
    if (!event_call_model(call, NULL, &model, &err))
        return err;
    const struct seatmap *map = seatmap_get(model);
    if (!map)
        return ERR_AGAIN;
    reply_map(call, model, (struct seatmap *)(uintptr_t)map,
              true); /* kept ones aren't changed or freed here */
    return ERR_OK;
}

static enum err seatmap_read(struct call *call, struct db *db)
{
    struct event_model *model;
    struct seatmap *map;
    bool is_kept;
    enum err err;
    if (!event_call_model(call, db, &model, &err))
        return err;
    err = seatmap_render(model, &map, &is_kept);
    if (!err)
        reply_map(call, model, map, is_kept);
    return err;
}

/* --- /availability --- */

static void unref_kept(void *ptr)
{
    kept_answer_unref(ptr);
}

/* Sends the bytes by reference. */
static enum err reply_kept(struct call *call, struct kept_answer *answer, struct str content_type)
{
    struct response *res = &call->req->res;
    if (!answer)
        return ERR_NOMEM;
    res->status = 200;
    res->content_type = content_type;
    res->body = buf_str(&answer->body);
    res->body_ptr = answer;
    res->body_release = unref_kept;
    return ERR_OK;
}

static enum err availability_any(struct call *call, struct db *db)
{
    struct event_model *model;
    enum err err;
    if (!event_call_model(call, db, &model, &err))
        return err;
    struct str etag = arena_printf(call_arena(call), "%" PRId64, atomic_load(&model->version));
    response_header(call->req, "cache-control", caching(model, STR("public, max-age=1")));
    if (reply_not_modified(call, etag))
        return ERR_OK;
    return reply_kept(call, seatmap_availability(model), STR("application/json"));
}

static enum err availability_loop(struct call *call)
{
    return availability_any(call, NULL);
}

/* --- /seats --- */

struct seat_range {
    uint32_t first, end;
};

/* The seats of ?section=, or all. False when 422 was answered. */
static bool read_range(struct call *call, const struct event_model *model,
                       struct seat_range *ret_range)
{
    const struct layout *layout = model->layout;
    struct str section = STR_NONE;
    uint64_t section_no;
    *ret_range = (struct seat_range){0, layout->seat_count};
    if (!call_query_str(call, "section", &section))
        return false;
    if (!section.data)
        return true;
    if (id_parse(section, "sec", &section_no) != ERR_OK || section_no >= layout->section_count) {
        problem_field(call, "section", "the event has no such section");
        return false;
    }
    ret_range->first = layout->sections[section_no].seat_first;
    ret_range->end = ret_range->first + layout->sections[section_no].seat_count;
    return true;
}

static bool wants_bits(const struct call *call)
{
    struct str types = request_header(call->req, "accept");
    while (types.len > 0) {
        struct str type = str_split(&types, ',');
        if (str_eq_ci(str_trim(str_split(&type, ';')), STR("application/octet-stream")))
            return true;
    }
    return false;
}

/* The bits carry no version of their own: it is the ETag, and a header for those who read no ETags.
 */
static enum err reply_bits(struct call *call, struct event_model *model, struct seat_range range,
                           struct str version)
{
    struct str type = STR("application/octet-stream");
    response_header(call->req, "foyer-version", version);
    if (range.first == 0 && range.end == model->layout->seat_count)
        return reply_kept(call, seatmap_all_bits(model), type);
    struct buf *body = buf_new_in(call_arena(call), SEATS_JSON_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    seatmap_seats_bits(model, range.first, range.end, body);
    if (body->overflow)
        return ERR_NOMEM;
    call->req->res.status = 200;
    call->req->res.content_type = type;
    call->req->res.body = buf_str(body);
    return ERR_OK;
}

/* is_shared: everybody may see it, so caches may keep it for others. */
static enum err reply_seats(struct call *call, struct event_model *model, struct seat_range range,
                            bool is_shared)
{
    bool is_bits = wants_bits(call);
    int64_t version = atomic_load(&model->version);
    struct str etag = arena_printf(call_arena(call), "%" PRId64 "-%" PRIu32 "-%c", version,
                                   range.first, is_bits ? 'b' : 'j');
    response_header(call->req, "vary", STR("accept"));
    response_header(call->req, "cache-control",
                    is_shared ? caching(model, STR("public, max-age=1"))
                              : STR("private, no-cache"));
    if (reply_not_modified(call, etag))
        return ERR_OK;
    if (is_bits)
        return reply_bits(call, model, range, arena_printf(call_arena(call), "%" PRId64, version));
    struct buf *body = buf_new_in(call_arena(call), SEATS_JSON_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    seatmap_seats_json(model, range.first, range.end, body);
    if (body->overflow)
        return ERR_NOMEM;
    reply_json(call, 200, body);
    return ERR_OK;
}

static enum err seats_any(struct call *call, struct db *db)
{
    struct event_model *model;
    struct seat_range range;
    struct queue_pass pass;
    enum err err;
    if (!event_call_model(call, db, &model, &err))
        return err;
    if (!queue_gate_pass(call, model, &pass))
        return ERR_OK;
    if (!read_range(call, model, &range))
        return ERR_OK;
    if (!db && !wants_bits(call) && range.end - range.first > LOOP_SEATS_MAX)
        return ERR_AGAIN;
    return reply_seats(call, model, range, !pass.entry_id && !pass.is_exempt);
}

static enum err seats_loop(struct call *call)
{
    return seats_any(call, NULL);
}

#define MAP_ROUTE                                                                                  \
    .method = HTTP_GET, .kind = ROUTE_LOOP, .auth = AUTH_OPTIONAL, .tag = "events",                \
    .success = 200, .is_retry_safe = true, .may_lag = true

const struct route seatmap_routes[] = {
    {MAP_ROUTE, .pattern = "/v1/events/{id}/seatmap", .loop = seatmap_loop, .read = seatmap_read,
     .summary = "Get the static map: sections, rows, seats, areas", .response = "Seatmap",
     .problems = "404", .query = "version"},
    {MAP_ROUTE, .pattern = "/v1/events/{id}/availability", .loop = availability_loop,
     .read = availability_any, .summary = "Count free places by section and area",
     .response = "Availability", .problems = "404"},
    {MAP_ROUTE, .pattern = "/v1/events/{id}/seats", .loop = seats_loop, .read = seats_any,
     .summary = "Get the state of each seat, as JSON or two bits a seat (application/octet-stream)",
     .response = "SeatStates", .media = "application/octet-stream", .problems = "403 404 422",
     .query = "section admission"},
};
const size_t seatmap_routes_count = sizeof(seatmap_routes) / sizeof(seatmap_routes[0]);
