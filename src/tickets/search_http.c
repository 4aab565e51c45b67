/*
 * GET /v1/events. The answer to a query that was asked in the last half minute comes from memory,
 * on the loop; every other from a reading connection. Distances are put into the stored summaries
 * as their last member.
 */
#include "tickets/search.h"

#include "app/problem.h"
#include "base/clock.h"
#include "base/fold.h"
#include "tickets/search_query.h"

#define TEXT_BYTES_MAX   200
#define ANSWER_BYTES_MAX ((size_t)4 << 20)

static struct search *call_search(const struct call *call)
{
    return call->service->state;
}

/* --- Reading the question --- */

static bool read_texts(struct call *call, struct search_query *query)
{
    struct str words = STR_NONE, city = STR_NONE, category = STR_NONE;
    if (!call_query_str(call, "q", &words) || !call_query_str(call, "city", &city) ||
        !call_query_str(call, "category", &category))
        return false;
    const struct {
        const char *name;
        struct str text;
    } texts[] = {{"q", words}, {"city", city}, {"category", category}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].text.len > TEXT_BYTES_MAX) {
            problem_field(call, texts[i].name, "must have at most 200 bytes");
            return false;
        }
    }
    query->has_words = str_trim(words).len > 0;
    search_words_split(words, &query->words);
    query->city_key = fold_text(call_arena(call), city);
    query->category = category;
    return true;
}

static bool read_near(struct call *call, struct search_query *query)
{
    struct str near = STR_NONE;
    bool has_radius =
        request_query(call->req, "radius_km", &(struct str){NULL, 0}) != ERR_NOT_FOUND;
    if (!call_query_str(call, "near", &near) ||
        !call_query_f64(call, "radius_km", 0, GEO_RADIUS_KM_MAX, &query->radius_km))
        return false;
    query->has_near = near.data != NULL;
    if (query->has_near != has_radius) {
        problem_field(call, has_radius ? "near" : "radius_km",
                      "near and radius_km belong together");
        return false;
    }
    if (!query->has_near)
        return true;
    struct str lon = near;
    struct str lat = str_trim(str_split(&lon, ','));
    lon = str_trim(lon);
    bool is_valid =
        str_to_f64(lat, &query->near.lat) == ERR_OK && str_to_f64(lon, &query->near.lon) == ERR_OK;
    is_valid = is_valid && query->near.lat >= -90 && query->near.lat <= 90 &&
               query->near.lon >= -180 && query->near.lon <= 180;
    if (!is_valid)
        problem_field(call, "near", "must be latitude,longitude in degrees, such as 52.52,13.405");
    return is_valid;
}

static bool read_times(struct call *call, struct search_query *query)
{
    query->from_ms = clock_now_ms();
    query->to_ms = INT64_MAX;
    if (!call_query_time(call, "from", &query->from_ms) ||
        !call_query_time(call, "to", &query->to_ms))
        return false;
    if (query->to_ms > query->from_ms)
        return true;
    problem_field(call, "to", "must be later than from (without from: than now)");
    return false;
}

static bool read_query(struct call *call, struct search_query *query)
{
    struct list_page page;
    if (!call_list_page(call, &page) || !read_texts(call, query) || !read_near(call, query) ||
        !read_times(call, query))
        return false;
    query->limit = (size_t)page.limit;
    query->has_cursor = page.has_cursor;
    query->cursor_position = page.has_cursor ? page.a : 0;
    query->cursor_key = page.has_cursor ? page.b : 0;
    return true;
}

/* --- Answering --- */

static void write_hit(struct json_writer *writer, struct arena *arena, const struct search_hit *hit,
                      bool has_near)
{
    if (!has_near || hit->summary.len == 0) {
        json_raw(writer, hit->summary);
        return;
    }
    struct str open = str_sub(hit->summary, 0, hit->summary.len - 1); /* without the brace */
    json_raw(writer,
             arena_printf(arena, "%.*s,\"distance_km\":%.3f}", STR_ARG(open), hit->distance_km));
}

static enum err write_answer(struct call *call, const struct search_query *query,
                             const struct search_page *page, struct buf **ret_body)
{
    struct buf *body = buf_new_in(call_arena(call), ANSWER_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; i < page->count; i++)
        write_hit(&writer, call_arena(call), &page->hits[i], query->has_near);
    const struct search_hit *last = page->count > 0 ? &page->hits[page->count - 1] : NULL;
    list_close(&writer, page->has_more && last, last ? last->position : 0, last ? last->key : 0);
    *ret_body = body;
    return body->overflow || call_arena(call)->overflow ? ERR_NOMEM : ERR_OK;
}

static void set_caching(struct call *call)
{
    response_header(call->req, "cache-control", STR("public, max-age=30"));
}

static enum err events_read(struct call *call, struct db *db)
{
    struct search_query query = {.limit = 0};
    struct search_page page;
    struct buf *body = NULL;
    struct search_cache *cache = search_answers(call_search(call));
    uint64_t generation = search_cache_generation(cache); /* before the rows are read */
    if (!read_query(call, &query))
        return ERR_OK;
    enum err err = search_run(db, &query, call_arena(call), &page);
    if (err == ERR_LIMIT) {
        problem_field(call, "radius_km", "there are too many venues within it");
        return ERR_OK;
    }
    if (!err)
        err = write_answer(call, &query, &page, &body);
    if (err)
        return err;
    search_cache_put(cache, call->req->query, generation, clock_now_ms(), buf_str(body));
    set_caching(call);
    reply_json(call, 200, body);
    return ERR_OK;
}

static void unref_answer(void *ptr)
{
    search_answer_unref(ptr);
}

static enum err events_loop(struct call *call)
{
    struct search_answer *answer =
        search_cache_get(search_answers(call_search(call)), call->req->query, clock_now_ms());
    if (!answer)
        return ERR_AGAIN;
    struct response *res = &call->req->res;
    set_caching(call);
    res->status = 200;
    res->content_type = STR("application/json");
    res->body = buf_str(&answer->body);
    res->body_ptr = answer;
    res->body_release = unref_answer;
    return ERR_OK;
}

const struct route search_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/events",
     .kind = ROUTE_LOOP,
     .auth = AUTH_NONE,
     .loop = events_loop,
     .read = events_read,
     .summary = "Browse and search published events",
     .tag = "events",
     .response = "EventSearch",
     .success = 200,
     .problems = "422",
     .query = "q near radius_km city category from to limit cursor",
     .is_retry_safe = true,
     .may_lag = true},
};
const size_t search_routes_count = sizeof(search_routes) / sizeof(search_routes[0]);
