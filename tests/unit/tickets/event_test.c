/* Events through their routes: creating, changing, publishing, cancelling, blocks and areas. */
#include "tickets/rig.h"

#include "tickets/event_cancel.h"
#include "tickets/event_input.h"

#define PRICES "{\"Lower\":5000,\"Upper\":2500}"

/* --- Creating --- */

static void a_new_event_is_a_draft(void **state)
{
    struct rig *rig = *state;
    char path[256];
    rig_make_event(rig, "{\"Lower\":5000}");
    assert_string_equal(rig_text(rig, "status"), "draft");
    assert_string_equal(rig_text(rig, "waiting_room"), "off");
    assert_string_equal(rig_text(rig, "late_payment"), "reclaim");
    assert_string_equal(rig_text(rig, "venue.city"), "Z\xC3\xBCrich");
    assert_int_equal(rig_int(rig, "hold_ttl_s"), 600);
    assert_int_equal(rig_int(rig, "limits.per_booking"), 6);
    assert_int_equal(rig_int(rig, "limits.per_account"), 12);
    assert_int_equal(rig_int(rig, "price_range.min"), 5000);
    assert_int_equal(rig_int(rig, "availability.total"), 6 + 10); /* the floor is Lower too */
    assert_int_equal(rig_send(rig, &(struct rig_ask){.path = rig_path(rig, path, "")}), 200);
    assert_int_equal(rig_int(rig, "availability.available"), 16);
    assert_string_equal(rig_header(rig, "cache-control"), "private, no-store");
    assert_int_equal(rig_get(rig, path), 404); /* nobody else's business */
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM journal WHERE type = 'event.created'"),
                     1);
    assert_int_equal(rig_count(rig, "SELECT available FROM event_area WHERE guid = 'floor'"), 10);
}

/* Each row: members that follow the valid ones (a later one would be a duplicate, so they are new)
 * and the field of the error. */
static const struct {
    const char *prices, *more, *field;
} create_faults[] = {
    {"{\"Loge\":1}", "", "prices.Loge"},
    {"{\"Lower\":-1}", "", "prices.Lower"},
    {"{\"Lower\":1.5}", "", "prices.Lower"},
    {"{\"Lower\":100000001}", "", "prices.Lower"},
    {"[]", "", "prices"},
    {PRICES, ",\"hold_ttl_s\":29", "hold_ttl_s"},
    {PRICES, ",\"hold_ttl_s\":3601", "hold_ttl_s"},
    {PRICES, ",\"limits\":{\"per_booking\":7}", "limits.per_booking"},
    {PRICES, ",\"limits\":{\"per_booking\":0}", "limits.per_booking"},
    {PRICES, ",\"limits\":{\"per_account\":101}", "limits.per_account"},
    {PRICES, ",\"limits\":{\"per_booking\":4,\"per_account\":3}", "limits.per_account"},
    {PRICES, ",\"limits\":{\"per_night\":4}", "limits.per_night"},
    {PRICES, ",\"waiting_room\":\"maybe\"", "waiting_room"},
    {PRICES, ",\"late_payment\":\"keep\"", "late_payment"},
    {PRICES, ",\"refund_until_s\":-1", "refund_until_s"},
    {PRICES, ",\"colour\":\"red\"", "colour"},
};

static void every_bad_member_is_named(void **state)
{
    struct rig *rig = *state;
    char body[RIG_TEXT_SIZE];
    for (size_t i = 0; i < sizeof(create_faults) / sizeof(create_faults[0]); i++) {
        rig_event_body(rig, body, create_faults[i].prices, create_faults[i].more);
        assert_int_equal(rig_post(rig, "/v1/events", body), 422);
        if (!rig_has_error(rig, create_faults[i].field))
            print_error("%s: %s\n", create_faults[i].field, rig->body);
        assert_true(rig_has_error(rig, create_faults[i].field));
    }
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM event"), 0);
}

/* The same for members that are there already: what is replaced by what. */
static const struct {
    const char *what, *with, *field;
} replaced_faults[] = {
    {"\"EUR\"", "\"XXX\"", "currency"},
    {"\"EUR\"", "\"eur\"", "currency"},
    {"\"EUR\"", "\"EURO\"", "currency"},
    {"\"Jazz Night\"", "\"\"", "name"},
    {"\"Jazz Night\"", "\"   \"", "name"},
    {"\"Jazz Night\"", "\"a\\u0007b\"", "name"},
    {"\"Jazz Night\"", "17", "name"},
    {"\"jazz\"", "\"Jazz\"", "category"},
    {"\"jazz\"", "\"jazz-\"", "category"},
    {"\"jazz\"", "\"jazz--rock\"", "category"},
    {"\"venue_id\":\"ven", "\"venue_id\":\"evt", "venue_id"},
    {"\"starts_at\":\"", "\"starts_at\":\"x", "starts_at"},
    {"\"starts_at\":\"20", "\"starts_at\":\"19", "starts_at"},
    {"\"onsale_at\":\"20", "\"onsale_at\":\"21", "onsale_at"},
    {"\"name\":\"Jazz Night\",", "", "name"},
};

static void every_bad_value_is_named(void **state)
{
    struct rig *rig = *state;
    char body[RIG_TEXT_SIZE], text[RIG_TEXT_SIZE + 64];
    for (size_t i = 0; i < sizeof(replaced_faults) / sizeof(replaced_faults[0]); i++) {
        rig_event_body(rig, body, PRICES, "");
        const char *at = strstr(body, replaced_faults[i].what);
        assert_non_null(at);
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - body), body,
                       replaced_faults[i].with, at + strlen(replaced_faults[i].what));
        assert_int_equal(rig_post(rig, "/v1/events", text), 422);
        if (!rig_has_error(rig, replaced_faults[i].field))
            print_error("%s: %s\n", replaced_faults[i].field, rig->body);
        assert_true(rig_has_error(rig, replaced_faults[i].field));
    }
}

static void limits_fit_each_other(void **state)
{
    struct rig *rig = *state;
    char body[RIG_TEXT_SIZE];
    assert_int_equal(rig_post(rig, "/v1/events",
                              rig_event_body(rig, body, PRICES, ",\"limits\":{\"per_account\":2}")),
                     201);
    assert_int_equal(rig_int(rig, "limits.per_booking"), 2);
    assert_int_equal(rig_int(rig, "limits.per_account"), 2);
}

static void the_same_key_makes_one_event(void **state)
{
    struct rig *rig = *state;
    char body[RIG_TEXT_SIZE], first[64];
    rig_event_body(rig, body, PRICES, "");
    struct rig_ask ask = {
        .method = HTTP_POST, .path = "/v1/events", .body = body, .idempotency_key = "k-1"};
    assert_int_equal(rig_send(rig, &ask), 201);
    (void)snprintf(first, sizeof(first), "%s", rig_text(rig, "id"));
    assert_int_equal(rig_send(rig, &ask), 201);
    assert_string_equal(rig_text(rig, "id"), first);
    assert_string_equal(rig_header(rig, "idempotency-replayed"), "true");
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM event"), 1);
}

static void a_venue_import_repeats_as_the_same_venue(void **state)
{
    struct rig *rig = *state;
    struct rig_ask ask = {
        .method = HTTP_POST,
        .path = "/v1/venues",
        .body = "{\"name\":\"Hall\",\"city\":\"Bern\",\"country\":\"CH\",\"lat\":1,\"lon\":2,"
                "\"seating_plan\":" RIG_PLAN "}",
        .idempotency_key = "v-1"};
    char first[64];
    assert_int_equal(rig_send(rig, &ask), 201);
    (void)snprintf(first, sizeof(first), "%s", rig_text(rig, "id"));
    assert_int_equal(rig_int(rig, "seat_count"), RIG_SEATS);
    assert_int_equal(rig_int(rig, "categories[1].seat_count"), 2);
    assert_int_equal(rig_send(rig, &ask), 201);
    assert_string_equal(rig_text(rig, "id"), first);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM venue"), 2); /* this and the rig's */
}

static void a_bad_plan_leaves_nothing(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(
        rig_post(rig, "/v1/venues",
                 "{\"name\":\"Hall\",\"city\":\"Bern\",\"country\":\"CH\",\"lat\":91,\"lon\":2,"
                 "\"seating_plan\":{}}"),
        422);
    assert_true(rig_has_error(rig, "lat"));
    assert_int_equal(
        rig_post(rig, "/v1/venues",
                 "{\"name\":\" \",\"city\":\"Bern\",\"country\":\"CH\",\"lat\":9,\"lon\":2,"
                 "\"seating_plan\":{}}"),
        422);
    assert_true(rig_has_error(rig, "name"));
    assert_true(rig_has_error(rig, "seating_plan.zones"));
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM venue"), 1);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM venue_seat"), RIG_SEATS);
}

/* --- Who may --- */

/* A key of the admin's own account with less than all scopes. */
static void make_key(struct rig *rig, const char *scope, char *ret_key, size_t size)
{
    char body[128];
    (void)snprintf(body, sizeof(body), "{\"name\":\"k\",\"scopes\":[\"%s\"]}", scope);
    assert_int_equal(rig_post(rig, "/v1/api-keys", body), 201);
    (void)snprintf(ret_key, size, "%s", rig_text(rig, "key"));
}

/* The session of a person who may organize. */
static void make_organizer(struct rig *rig, char *ret_token, size_t size)
{
    char path[128];
    assert_int_equal(rig_post(rig, "/v1/users",
                              "{\"email\":\"o@foyer.test\",\"password\":\"correct horse\","
                              "\"name\":\"Olga\"}"),
                     201);
    (void)snprintf(path, sizeof(path), "/v1/users/%s/roles", rig_text(rig, "id"));
    assert_int_equal(
        rig_send(rig, &(struct rig_ask){.method = HTTP_PUT,
                                        .path = path,
                                        .body = "{\"roles\":[\"fan\",\"organizer\"]}"}),
        200);
    assert_int_equal(rig_post(rig, "/v1/sessions",
                              "{\"email\":\"o@foyer.test\",\"password\":\"correct horse\"}"),
                     201);
    (void)snprintf(ret_token, size, "%s", rig_text(rig, "token"));
}

static void somebody_elses_event_is_not_there(void **state)
{
    struct rig *rig = *state;
    char key[160], path[256], body[RIG_TEXT_SIZE];
    static const char *const routes[] = {"/publish", "/cancel", "/blocks", "/areas"};
    make_organizer(rig, key, sizeof(key));
    rig_make_event(rig, PRICES);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct rig_ask ask = {
            .method = HTTP_POST, .path = rig_path(rig, path, routes[i]), .key = key, .body = "{}"};
        assert_int_equal(rig_send(rig, &ask), 404);
    }
    struct rig_ask patch = {
        .method = HTTP_PATCH, .path = rig_path(rig, path, ""), .key = key, .body = "{}"};
    assert_int_equal(rig_send(rig, &patch), 404);
    (void)snprintf(path, sizeof(path), "/v1/venues/%s", rig->venue);
    assert_int_equal(rig_send(rig, &(struct rig_ask){.path = path, .key = key}), 404);
    struct rig_ask create = {.method = HTTP_POST,
                             .path = "/v1/events",
                             .key = key,
                             .body = rig_event_body(rig, body, PRICES, "")};
    assert_int_equal(rig_send(rig, &create), 422);
    assert_true(rig_has_error(rig, "venue_id"));
    assert_int_equal(rig_send(rig, &(struct rig_ask){.path = "/v1/venues", .key = key}), 200);
    assert_int_equal(json_count(rig_at(rig->json, "data")), 0);
    assert_int_equal(rig_send(rig, &(struct rig_ask){.path = "/v1/me/events", .key = key}), 200);
    assert_int_equal(json_count(rig_at(rig->json, "data")), 0);
}

static void organizing_takes_the_scope(void **state)
{
    struct rig *rig = *state;
    char key[160], path[256];
    rig_make_event(rig, PRICES);
    make_key(rig, "check-in", key, sizeof(key));
    struct rig_ask ask = {.method = HTTP_POST, .path = rig_path(rig, path, "/publish"), .key = key};
    assert_int_equal(rig_send(rig, &ask), 403);
    ask.key = "";
    assert_int_equal(rig_send(rig, &ask), 401);
}

/* --- Changing --- */

static int patch(struct rig *rig, const char *body)
{
    char path[256];
    return rig_send(rig, &(struct rig_ask){
                             .method = HTTP_PATCH, .path = rig_path(rig, path, ""), .body = body});
}

static void a_draft_may_change_in_every_way(void **state)
{
    struct rig *rig = *state;
    rig_make_event(rig, PRICES);
    assert_int_equal(
        patch(rig,
              "{\"name\":\"Rock\",\"category\":\"rock\",\"currency\":\"CHF\",\"hold_ttl_s\":60,"
              "\"prices\":{\"Upper\":700},\"limits\":{\"per_booking\":2},"
              "\"waiting_room\":\"auto\",\"late_payment\":\"refund\",\"refund_until_s\":3600}"),
        200);
    assert_string_equal(rig_text(rig, "name"), "Rock");
    assert_string_equal(rig_text(rig, "description"), "With friends"); /* not named, not changed */
    assert_string_equal(rig_text(rig, "currency"), "CHF");
    assert_string_equal(rig_text(rig, "late_payment"), "refund");
    assert_int_equal(rig_int(rig, "price_range.max"), 700);
    assert_int_equal(rig_int(rig, "prices.Lower"), -1);
    assert_int_equal(rig_int(rig, "availability.total"), 2 + 10);
    assert_int_equal(rig_int(rig, "limits.per_account"), 12);
    char path[256];
    assert_int_equal(rig_send(rig, &(struct rig_ask){.path = rig_path(rig, path, "")}), 200);
    assert_string_equal(rig_text(rig, "name"), "Rock"); /* the model was forgotten */
    assert_int_equal(rig_int(rig, "availability.total"), 2 + 10);
    assert_int_equal(patch(rig, "{\"prices\":{\"Loge\":700}}"), 422);
    assert_true(rig_has_error(rig, "prices.Loge"));
    assert_int_equal(patch(rig, "{\"venue_id\":\"ven_0000000000000\"}"), 422);
    assert_true(rig_has_error(rig, "venue_id"));
}

static void a_published_event_keeps_what_was_sold(void **state)
{
    struct rig *rig = *state;
    static const char *const settled[] = {"currency\":\"CHF\"",    "prices\":{}",
                                          "hold_ttl_s\":60",       "limits\":{}",
                                          "waiting_room\":\"on\"", "late_payment\":\"refund\"",
                                          "refund_until_s\":5"};
    rig_make_event(rig, PRICES);
    rig_publish(rig);
    for (size_t i = 0; i < sizeof(settled) / sizeof(settled[0]); i++) {
        char body[128], field[64];
        (void)snprintf(body, sizeof(body), "{\"%s}", settled[i]);
        (void)snprintf(field, sizeof(field), "%.*s", (int)strcspn(settled[i], "\""), settled[i]);
        assert_int_equal(patch(rig, body), 422);
        assert_true(rig_has_error(rig, field));
    }
    assert_int_equal(patch(rig, "{\"name\":\"Jazz Nights\",\"description\":\"\"}"), 200);
    assert_string_equal(rig_text(rig, "name"), "Jazz Nights");
    assert_int_equal(rig_int(rig, "price_range.min"), 2500);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM journal WHERE type = 'event.updated'"),
                     1);
}

static void an_open_sale_is_not_closed_again(void **state)
{
    struct rig *rig = *state;
    char body[256], at[CLOCK_TEXT_SIZE], body_text[RIG_TEXT_SIZE], path[256];
    rig_time(RIG_DAY_MS, at);
    (void)snprintf(body, sizeof(body), "{\"onsale_at\":\"%s\"}", at);
    rig_make_event(rig, PRICES);
    rig_publish(rig);
    assert_int_equal(patch(rig, body), 422); /* it opened yesterday */
    assert_true(rig_has_error(rig, "onsale_at"));
    assert_int_equal(rig_post(rig, "/v1/events", rig_event_body(rig, body_text, PRICES, "")), 201);
    (void)snprintf(rig->event, sizeof(rig->event), "%s", rig_text(rig, "id"));
    assert_int_equal(patch(rig, body), 200); /* a draft: tomorrow */
    rig_publish(rig);
    rig_time(RIG_DAY_MS / 2, at);
    (void)snprintf(body, sizeof(body), "{\"onsale_at\":\"%s\"}", at);
    assert_int_equal(patch(rig, body), 422);
    rig_time(2 * RIG_DAY_MS, at);
    (void)snprintf(body, sizeof(body), "{\"onsale_at\":\"%s\"}", at);
    assert_int_equal(patch(rig, body), 200);
    assert_int_equal(rig_get(rig, rig_path(rig, path, "")), 200);
    assert_string_equal(rig_text(rig, "onsale_at"), at);
}

static void publishing_needs_a_price_and_a_future(void **state)
{
    struct rig *rig = *state;
    char path[256];
    rig_make_event(rig, "{}");
    assert_int_equal(rig_post(rig, rig_path(rig, path, "/publish"), NULL), 422);
    assert_true(rig_has_error(rig, "prices"));
    assert_int_equal(rig_get(rig, rig_path(rig, path, "")), 404);
    assert_int_equal(patch(rig, "{\"prices\":{\"Lower\":0}}"), 200); /* free of charge is a price */
    assert_int_equal(rig_post(rig, rig_path(rig, path, "/publish"), NULL), 200);
    assert_string_equal(rig_text(rig, "status"), "published");
    assert_int_equal(rig_post(rig, rig_path(rig, path, "/publish"), NULL), 200); /* as it stands */
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM journal WHERE type = 'event.published'"),
                     1);
    assert_int_equal(rig_get(rig, rig_path(rig, path, "")), 200);
    assert_string_equal(rig_header(rig, "cache-control"), "public, max-age=1");
}

static void an_event_page_is_not_sent_twice(void **state)
{
    struct rig *rig = *state;
    char path[256], etag[256];
    rig_make_event(rig, PRICES);
    rig_publish(rig);
    assert_int_equal(rig_get(rig, rig_path(rig, path, "")), 200);
    (void)snprintf(etag, sizeof(etag), "%s", rig_header(rig, "etag"));
    struct rig_ask ask = {.path = path, .key = "", .none_match = etag};
    assert_int_equal(rig_send(rig, &ask), 304);
    assert_int_equal(patch(rig, "{\"name\":\"Else\"}"), 200);
    ask.path = rig_path(rig, path, "");
    assert_int_equal(rig_send(rig, &ask), 200);
    assert_string_equal(rig_text(rig, "name"), "Else");
}

static void own_events_are_listed_in_pages(void **state)
{
    struct rig *rig = *state;
    char path[256];
    rig_make_event(rig, PRICES);
    rig_make_event(rig, "{}");
    rig_make_event(rig, PRICES);
    assert_int_equal(rig_send(rig, &(struct rig_ask){.path = "/v1/me/events?limit=2"}), 200);
    assert_int_equal(json_count(rig_at(rig->json, "data")), 2);
    assert_string_equal(rig_text(rig, "data[0].id"), rig->event); /* newest first */
    assert_true(json_is_null_node(rig_at(rig->json, "data[1].price_range")));
    (void)snprintf(path, sizeof(path), "/v1/me/events?limit=2&cursor=%s",
                   rig_text(rig, "next_cursor"));
    assert_int_equal(rig_send(rig, &(struct rig_ask){.path = path}), 200);
    assert_int_equal(json_count(rig_at(rig->json, "data")), 1);
    assert_int_equal(rig_int(rig, "data[0].price_range.max"), 5000);
    assert_true(json_is_null_node(rig_at(rig->json, "next_cursor")));
}

/* --- Blocks and areas --- */

static int blocks(struct rig *rig, enum http_method method, const char *body)
{
    char path[256];
    return rig_send(
        rig,
        &(struct rig_ask){.method = method, .path = rig_path(rig, path, "/blocks"), .body = body});
}

static int64_t available(struct rig *rig)
{
    char path[256];
    assert_int_equal(rig_send(rig, &(struct rig_ask){.path = rig_path(rig, path, "")}), 200);
    return rig_int(rig, "availability.available");
}

static void blocked_seats_are_not_for_sale(void **state)
{
    struct rig *rig = *state;
    rig_make_event(rig, PRICES);
    rig_publish(rig);
    int64_t before = available(rig);
    assert_int_equal(blocks(rig, HTTP_POST, "{\"seat_ids\":[\"A-1-1\",\"B-1-2\"]}"), 200);
    assert_int_equal(rig_int(rig, "changed"), 2);
    assert_int_equal(available(rig), before - 2);
    assert_int_equal(blocks(rig, HTTP_POST, "{\"seat_ids\":[\"A-1-1\",\"A-1-2\"]}"), 200);
    assert_int_equal(rig_int(rig, "changed"), 1);
    assert_int_equal(blocks(rig, HTTP_DELETE, "{\"seat_ids\":[\"A-1-1\",\"A-1-3\"]}"), 200);
    assert_int_equal(rig_int(rig, "changed"), 1);
    assert_int_equal(available(rig), before - 2);
    assert_int_equal(
        rig_count(rig, "SELECT COUNT(*) FROM seat_claim WHERE state = 3 AND booking_id = 0"), 2);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM journal WHERE type = 'seats.blocked'"),
                     2);
    assert_int_equal(rig_count(rig,
                               "SELECT COUNT(*) FROM journal WHERE type = 'seats.unblocked' AND"
                               " data = '{\"seats\":[0]}'"),
                     1);
}

static int hold(struct rig *rig, const char *seat, const char *key)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"event_id\":\"%s\",\"seat_ids\":[\"%s\"]}", rig->event,
                   seat);
    struct rig_ask ask = {
        .method = HTTP_POST, .path = "/v1/bookings", .body = body, .idempotency_key = key};
    return rig_send(rig, &ask);
}

static void blocks_are_all_or_nothing(void **state)
{
    struct rig *rig = *state;
    rig_make_event(rig, PRICES);
    rig_publish(rig);
    assert_int_equal(hold(rig, "A-1-2", "h-1"), 201);
    assert_int_equal(blocks(rig, HTTP_POST, "{\"seat_ids\":[\"A-1-1\",\"A-1-2\",\"A-1-3\"]}"), 409);
    assert_string_equal(rig_text(rig, "type"), "seats-unavailable");
    assert_int_equal(json_count(rig_at(rig->json, "conflicts")), 1);
    assert_string_equal(rig_text(rig, "conflicts[0]"), "A-1-2");
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM seat_claim WHERE state = 3"), 0);
    /* What is held isn't freed by unblocking it. */
    assert_int_equal(blocks(rig, HTTP_DELETE, "{\"seat_ids\":[\"A-1-2\"]}"), 200);
    assert_int_equal(rig_int(rig, "changed"), 0);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM seat_claim WHERE state = 1"), 1);
    assert_int_equal(blocks(rig, HTTP_POST, "{\"seat_ids\":[\"A-1-1\"]}"), 200);
    assert_int_equal(hold(rig, "A-1-1", "h-2"), 409);
}

static void unknown_seats_are_named(void **state)
{
    struct rig *rig = *state;
    rig_make_event(rig, PRICES);
    assert_int_equal(blocks(rig, HTTP_POST, "{\"seat_ids\":[\"A-1-1\",\"Z\"]}"), 422);
    assert_true(rig_has_error(rig, "seat_ids[1]"));
    assert_int_equal(blocks(rig, HTTP_POST, "{\"seat_ids\":[]}"), 422);
    assert_int_equal(blocks(rig, HTTP_POST, "{\"seat_ids\":[\"A-1-1\",\"A-1-1\"]}"), 422);
    assert_int_equal(blocks(rig, HTTP_POST, "{}"), 422);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM seat_claim"), 0);
}

static void areas_may_be_added(void **state)
{
    struct rig *rig = *state;
    char path[256];
    rig_make_event(rig, PRICES);
    rig_publish(rig);
    int64_t before = available(rig);
    rig_path(rig, path, "/areas");
    assert_int_equal(
        rig_post(rig, path,
                 "{\"areas\":[{\"name\":\"Lawn\",\"capacity\":500,\"category\":\"Lower\"},"
                 "{\"name\":\"Pit\",\"capacity\":7,\"category\":\"Upper\","
                 "\"section\":\"sec_0000000000001\"}]}"),
        201);
    assert_int_equal(json_count(rig_at(rig->json, "areas")), 2);
    assert_string_equal(rig_text(rig, "areas[1].name"), "Pit");
    assert_int_equal(available(rig), before + 507);
    assert_int_equal(
        rig_post(rig, path,
                 "{\"areas\":[{\"name\":\"\",\"capacity\":0,\"category\":\"Loge\"},"
                 "{\"name\":\"X\",\"capacity\":1,\"category\":\"Loge\"},5,"
                 "{\"name\":\"X\",\"capacity\":1,\"category\":\"Lower\",\"section\":\"sec_0\"}]}"),
        422);
    assert_true(rig_has_error(rig, "areas[0].name"));
    assert_true(rig_has_error(rig, "areas[0].capacity"));
    assert_true(rig_has_error(rig, "areas[1].category"));
    assert_true(rig_has_error(rig, "areas[2]"));
    assert_true(rig_has_error(rig, "areas[3].section"));
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM event_area"), 3);
}

/* --- Cancelling --- */

static void wait_for_count(struct rig *rig, const char *sql, int64_t count)
{
    int64_t until_ns = clock_mono_ns() + RIG_WAIT_NS;
    while (rig_count(rig, sql) != count) {
        assert_true(clock_mono_ns() < until_ns);
        (void)usleep(1000);
    }
}

static void cancelling_ends_the_holds(void **state)
{
    struct rig *rig = *state;
    char path[256];
    rig_make_event(rig, PRICES);
    rig_publish(rig);
    assert_int_equal(hold(rig, "A-1-2", "h-1"), 201);
    assert_int_equal(hold(rig, "B-1-1", "h-2"), 201);
    assert_int_equal(rig_post(rig, rig_path(rig, path, "/cancel"), NULL), 200);
    assert_string_equal(rig_text(rig, "status"), "cancelled");
    wait_for_count(rig, "SELECT COUNT(*) FROM event_cancel", 0);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM booking WHERE state = 5"), 2);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM seat_claim"), 0);
    assert_int_equal(hold(rig, "A-1-1", "h-3"), 409);
    assert_int_equal(rig_post(rig, path, NULL), 200); /* as it stands */
    assert_int_equal(rig_post(rig, rig_path(rig, path, "/publish"), NULL), 409);
    assert_int_equal(patch(rig, "{\"name\":\"Else\"}"), 409);
    assert_int_equal(
        rig_post(rig, rig_path(rig, path, "/areas"),
                 "{\"areas\":[{\"name\":\"Lawn\",\"capacity\":5,\"category\":\"Lower\"}]}"),
        409);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM journal WHERE type = 'event.cancelled'"),
                     1);
    assert_int_equal(rig_get(rig, rig_path(rig, path, "")), 200); /* who has a ticket must see it */
}

struct script {
    struct writer_job job;
    const char *text;
};

static enum err script_apply(struct writer_job *job, struct writer_tx *tx)
{
    return db_script(tx->db, str_from_c(container_of(job, struct script, job)->text));
}

static void script_done(struct writer_job *job, enum err outcome)
{
    (void)job, (void)outcome;
}

static void run_sql(struct rig *rig, const char *text)
{
    struct script script = {.job = {.apply = script_apply, .done = script_done}, .text = text};
    assert_ok(writer_run(rig->tickets->writer, &script.job));
}

/* What a payment leaves behind, without the bank. */
#define SQL_PAY_ALL                                                                                \
    "INSERT INTO payment SELECT event_id, id + 1, id, 'sandbox', 3, amount, currency, 's' || id,"  \
    " NULL, 'p' || id, amount, 0, 0, 0, NULL, 0, 0 FROM booking WHERE state = 1;"                  \
    "INSERT INTO capture SELECT 'sandbox', 'p' || id, event_id, id + 1, amount, currency, 0"       \
    " FROM booking WHERE state = 1;"                                                               \
    "INSERT INTO ticket SELECT event_id, booking_id + 2, booking_id, seat_no, NULL, 5000, 0, "     \
    "NULL,"                                                                                        \
    " NULL, NULL FROM seat_claim WHERE state = 1;"                                                 \
    "UPDATE seat_claim SET state = 2 WHERE state = 1;"                                             \
    "UPDATE booking SET state = 3, ended_at = 1 WHERE state = 1;"

static void cancelling_gives_the_money_back(void **state)
{
    struct rig *rig = *state;
    char path[256];
    rig_make_event(rig, PRICES);
    rig_publish(rig);
    assert_int_equal(hold(rig, "A-1-2", "h-1"), 201);
    assert_int_equal(hold(rig, "A-2-1", "h-2"), 201);
    run_sql(rig, SQL_PAY_ALL);
    assert_int_equal(hold(rig, "B-1-1", "h-3"), 201);
    assert_int_equal(rig_post(rig, rig_path(rig, path, "/cancel"), NULL), 200);
    wait_for_count(rig, "SELECT COUNT(*) FROM event_cancel", 0);
    assert_int_equal(rig_count(rig,
                               "SELECT COUNT(*) FROM refund WHERE reason = 'event_cancelled' AND"
                               " amount = 5000"),
                     2);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM payment WHERE refunded = captured"), 2);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM ticket WHERE state = 1"), 2);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM seat_claim"), 0);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM booking WHERE state = 5"), 1);
    /* Once more changes nothing. */
    assert_int_equal(rig_post(rig, path, NULL), 200);
    wait_for_count(rig, "SELECT COUNT(*) FROM event_cancel", 0);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM refund"), 2);
}

static void an_interrupted_cancellation_goes_on_at_the_next_start(void **state)
{
    struct rig *rig = *state;
    uint64_t event_id;
    char script[512];
    rig_make_event(rig, PRICES);
    rig_publish(rig);
    assert_int_equal(hold(rig, "A-1-2", "h-1"), 201);
    assert_int_equal(hold(rig, "A-2-1", "h-2"), 201);
    assert_ok(id_parse(str_from_c(rig->event), "evt", &event_id));
    (void)snprintf(script, sizeof(script),
                   "UPDATE event SET status = 2 WHERE id = %" PRIu64 ";"
                   "INSERT INTO event_cancel SELECT event_id, MIN(id) FROM booking",
                   event_id);
    run_sql(rig, script); /* the first booking was done already */
    rig_stop(rig);
    rig_start(rig);
    assert_ok(event_cancel_resume(rig->tickets));
    wait_for_count(rig, "SELECT COUNT(*) FROM event_cancel", 0);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM booking WHERE state = 5"), 1);
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM booking WHERE state = 1"), 1);
}

/* --- Pure rules --- */

static void statuses_move_forward_only(void **state)
{
    (void)state;
    struct event event = {.status = EVENT_DRAFT};
    assert_err(event_set_status(&event, EVENT_DRAFT), ERR_CONFLICT);
    assert_ok(event_set_status(&event, EVENT_PUBLISHED));
    assert_err(event_set_status(&event, EVENT_PUBLISHED), ERR_CONFLICT);
    assert_err(event_set_status(&event, EVENT_DRAFT), ERR_CONFLICT);
    assert_ok(event_set_status(&event, EVENT_CANCELLED));
    assert_err(event_set_status(&event, EVENT_CANCELLED), ERR_CONFLICT);
    assert_err(event_set_status(&event, EVENT_PUBLISHED), ERR_CONFLICT);
    assert_int_equal(event.status, EVENT_CANCELLED);
}

static void currencies_are_those_in_circulation(void **state)
{
    (void)state;
    static const char *const known[] = {"AED", "CHF", "EUR", "JPY", "KWD", "USD", "ZWG"};
    static const char *const unknown[] = {"",    "EU",  "EURO", "eur", "XXX",
                                          "XTS", "XAU", "DEM",  "AAA", "ZZZ"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_true(currency_is_known(str_from_c(known[i])));
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_false(currency_is_known(str_from_c(unknown[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_new_event_is_a_draft),
        rig_test(every_bad_member_is_named),
        rig_test(every_bad_value_is_named),
        rig_test(limits_fit_each_other),
        rig_test(the_same_key_makes_one_event),
        rig_test(a_venue_import_repeats_as_the_same_venue),
        rig_test(a_bad_plan_leaves_nothing),
        rig_test(somebody_elses_event_is_not_there),
        rig_test(organizing_takes_the_scope),
        rig_test(a_draft_may_change_in_every_way),
        rig_test(a_published_event_keeps_what_was_sold),
        rig_test(an_open_sale_is_not_closed_again),
        rig_test(publishing_needs_a_price_and_a_future),
        rig_test(an_event_page_is_not_sent_twice),
        rig_test(own_events_are_listed_in_pages),
        rig_test(blocked_seats_are_not_for_sale),
        rig_test(blocks_are_all_or_nothing),
        rig_test(unknown_seats_are_named),
        rig_test(areas_may_be_added),
        rig_test(cancelling_ends_the_holds),
        rig_test(cancelling_gives_the_money_back),
        rig_test(an_interrupted_cancellation_goes_on_at_the_next_start),
        cmocka_unit_test(statuses_move_forward_only),
        cmocka_unit_test(currencies_are_those_in_circulation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
