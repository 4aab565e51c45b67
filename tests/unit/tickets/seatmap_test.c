/* Maps: the static part and its caching, and the states in all their forms. */
#include "tickets/rig.h"

#include <zlib.h>

#include "tickets/seatmap.h"

#define PRICES "{\"Lower\":5000,\"Upper\":2500}"

static void make_published(struct rig *rig, const char *prices)
{
    rig_make_event(rig, prices);
    rig_publish(rig);
}

static int get(struct rig *rig, const char *rest)
{
    char path[256];
    return rig_get(rig, rig_path(rig, path, rest));
}

static void the_map_has_everything_in_layout_order(void **state)
{
    struct rig *rig = *state;
    double x = 0;
    make_published(rig, PRICES);
    assert_int_equal(get(rig, "/seatmap"), 200);
    assert_int_equal(rig_int(rig, "seat_count"), RIG_SEATS);
    assert_int_equal(json_count(rig_at(rig->json, "sections")), 2);
    assert_int_equal(json_count(rig_at(rig->json, "sections[0].rows")), 2);
    assert_string_equal(rig_text(rig, "sections[0].name"), "A");
    assert_string_equal(rig_text(rig, "sections[1].id"), "sec_0000000000001");
    assert_int_equal(rig_int(rig, "sections[1].seat_first"), 6);
    assert_string_equal(rig_text(rig, "sections[0].rows[1].label"), "2");
    assert_string_equal(rig_text(rig, "sections[0].rows[1].seats[2].id"), "A-2-3");
    assert_string_equal(rig_text(rig, "sections[0].rows[1].seats[2].label"), "3");
    assert_string_equal(rig_text(rig, "sections[1].rows[0].seats[0].category"), "Upper");
    assert_true(json_as_f64(rig_at(rig->json, "sections[0].rows[0].seats[0].x"), &x));
    assert_float_equal(x, 11.25, 1e-9);
    assert_non_null(rig_at(rig->json, "sections[0].rows[1].seats[2].accessible"));
    assert_null(rig_at(rig->json, "sections[0].rows[1].seats[1].accessible"));
    assert_string_equal(rig_text(rig, "categories[0].color"), "#e67e22");
    assert_string_equal(rig_text(rig, "areas[0].id"), "floor");
    assert_int_equal(rig_int(rig, "areas[0].width"), 50);
    assert_int_equal(rig_int(rig, "size.width"), 200);
}

static void inflate_body(const struct rig *rig, char *text, size_t size)
{
    z_stream stream = {.next_in = (Bytef *)rig->body, .avail_in = (uInt)rig->body_len};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_out = (Bytef *)text;
    stream.avail_out = (uInt)size - 1;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    text[stream.total_out] = '\0';
    assert_int_equal(inflateEnd(&stream), Z_OK);
}

static void a_compressed_map_is_the_same_map(void **state)
{
    struct rig *rig = *state;
    char path[256], plain[8192], inflated[8192];
    make_published(rig, PRICES);
    assert_int_equal(get(rig, "/seatmap"), 200);
    assert_string_equal(rig_header(rig, "content-encoding"), "");
    (void)snprintf(plain, sizeof(plain), "%s", rig->body);
    rig_path(rig, path, "/seatmap");
    static const char *const accepted[] = {"gzip", "br, gzip;q=0.5", "deflate, GZIP"};
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        struct rig_ask ask = {.path = path, .key = "", .encoding = accepted[i]};
        assert_int_equal(rig_send(rig, &ask), 200);
        assert_string_equal(rig_header(rig, "content-encoding"), "gzip");
        assert_string_equal(rig_header(rig, "vary"), "accept-encoding");
        inflate_body(rig, inflated, sizeof(inflated));
        assert_string_equal(inflated, plain);
    }
    static const char *const refused[] = {"gzip;q=0", "br", "gzipped", "identity"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct rig_ask ask = {.path = path, .key = "", .encoding = refused[i]};
        assert_int_equal(rig_send(rig, &ask), 200);
        assert_string_equal(rig_header(rig, "content-encoding"), "");
    }
}

static void a_map_is_immutable_under_its_version_only(void **state)
{
    struct rig *rig = *state;
    char path[256], version[64], etag[256];
    make_published(rig, PRICES);
    assert_int_equal(get(rig, ""), 200);
    (void)snprintf(version, sizeof(version), "%s", rig_text(rig, "seatmap_version"));
    assert_int_equal(get(rig, "/seatmap"), 200);
    assert_string_equal(rig_text(rig, "version"), version);
    assert_string_equal(rig_header(rig, "cache-control"), "public, max-age=60");
    (void)snprintf(etag, sizeof(etag), "%s", rig_header(rig, "etag"));
    (void)snprintf(path, sizeof(path), "/v1/events/%s/seatmap?version=%s", rig->event, version);
    assert_int_equal(rig_get(rig, path), 200);
    assert_string_equal(rig_header(rig, "cache-control"), "public, max-age=31536000, immutable");
    assert_int_equal(get(rig, "/seatmap?version=old"), 200);
    assert_string_equal(rig_header(rig, "cache-control"), "public, max-age=60");
    struct rig_ask ask = {.path = rig_path(rig, path, "/seatmap"), .key = "", .none_match = etag};
    assert_int_equal(rig_send(rig, &ask), 304);
    assert_int_equal(rig->body_len, 0);
    /* An added area makes another map. */
    assert_int_equal(
        rig_post(rig, rig_path(rig, path, "/areas"),
                 "{\"areas\":[{\"name\":\"Lawn\",\"capacity\":5,\"category\":\"Lower\"}]}"),
        201);
    ask.path = rig_path(rig, path, "/seatmap");
    assert_int_equal(rig_send(rig, &ask), 200);
    assert_string_not_equal(rig_text(rig, "version"), version);
    assert_string_equal(rig_text(rig, "areas[1].name"), "Lawn");
    assert_null(rig_at(rig->json, "areas[1].x"));
}

/* More sets of areas than a layout keeps: the later maps are made for their answers alone. */
static void maps_beyond_the_limit_are_answered_all_the_same(void **state)
{
    struct rig *rig = *state;
    char path[256];
    for (int i = 0; i < 36; i++) {
        make_published(rig, PRICES);
        assert_int_equal(
            rig_post(rig, rig_path(rig, path, "/areas"),
                     "{\"areas\":[{\"name\":\"Lawn\",\"capacity\":5,\"category\":\"Lower\"}]}"),
            201);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(get(rig, "/seatmap"), 200);
            assert_int_equal(json_count(rig_at(rig->json, "areas")), 2);
        }
    }
}

static void drafts_have_no_public_map(void **state)
{
    struct rig *rig = *state;
    static const char *const routes[] = {"/seatmap", "/availability", "/seats"};
    char path[256];
    rig_make_event(rig, PRICES);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        assert_int_equal(get(rig, routes[i]), 404);
        struct rig_ask ask = {.path = rig_path(rig, path, routes[i])};
        assert_int_equal(rig_send(rig, &ask), 200);
        assert_string_equal(rig_header(rig, "cache-control"), "private, no-store");
    }
    rig_publish(rig);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        assert_int_equal(get(rig, routes[i]), 200);
    assert_int_equal(rig_get(rig, "/v1/events/evt_0000000000001/seatmap"), 404);
    assert_int_equal(rig_get(rig, "/v1/events/nonsense/seats"), 404);
}

static void block(struct rig *rig, const char *seats)
{
    char path[256], body[256];
    (void)snprintf(body, sizeof(body), "{\"seat_ids\":[%s]}", seats);
    assert_int_equal(rig_post(rig, rig_path(rig, path, "/blocks"), body), 200);
}

static void availability_counts_what_has_a_price(void **state)
{
    struct rig *rig = *state;
    make_published(rig, "{\"Lower\":5000}");
    block(rig, "\"A-1-1\",\"B-1-1\"");
    assert_int_equal(get(rig, "/availability"), 200);
    assert_int_equal(rig_int(rig, "sections[0].available"), 5);
    assert_int_equal(rig_int(rig, "sections[0].total"), 6);
    assert_int_equal(rig_int(rig, "sections[1].available"), 0); /* Upper isn't sold */
    assert_int_equal(rig_int(rig, "sections[1].total"), 0);
    assert_int_equal(rig_int(rig, "areas[0].available"), 10);
    assert_string_equal(rig_text(rig, "areas[0].id"), "floor");
    assert_int_equal(rig_int(rig, "version"), 3); /* created, published, blocked */
    assert_string_equal(rig_header(rig, "cache-control"), "public, max-age=1");
    char path[256], etag[256];
    (void)snprintf(etag, sizeof(etag), "%s", rig_header(rig, "etag"));
    struct rig_ask ask = {
        .path = rig_path(rig, path, "/availability"), .key = "", .none_match = etag};
    assert_int_equal(rig_send(rig, &ask), 304);
    block(rig, "\"A-1-2\"");
    ask.path = rig_path(rig, path, "/availability");
    assert_int_equal(rig_send(rig, &ask), 200);
    assert_int_equal(rig_int(rig, "sections[0].available"), 4);
}

static void seats_are_told_by_section(void **state)
{
    struct rig *rig = *state;
    make_published(rig, PRICES);
    block(rig, "\"B-1-2\"");
    assert_int_equal(get(rig, "/seats?section=sec_0000000000001"), 200);
    assert_int_equal(json_count(rig_at(rig->json, "seats")), 2);
    assert_string_equal(rig_text(rig, "seats[0].id"), "B-1-1");
    assert_string_equal(rig_text(rig, "seats[0].status"), "available");
    assert_string_equal(rig_text(rig, "seats[1].status"), "blocked");
    assert_int_equal(get(rig, "/seats"), 200);
    assert_int_equal(json_count(rig_at(rig->json, "seats")), RIG_SEATS);
    static const char *const bad[] = {"sec_0000000000002", "sec_1", "A"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char rest[64];
        (void)snprintf(rest, sizeof(rest), "/seats?section=%s", bad[i]);
        assert_int_equal(get(rig, rest), 422);
        assert_true(rig_has_error(rig, "section"));
    }
}

static void two_bits_say_the_same(void **state)
{
    struct rig *rig = *state;
    char path[256];
    make_published(rig, "{\"Lower\":5000}");
    block(rig, "\"A-1-2\"");
    struct rig_ask ask = {.path = rig_path(rig, path, "/seats"),
                          .key = "",
                          .accept = "text/html, application/octet-stream;q=0.9"};
    assert_int_equal(rig_send(rig, &ask), 200);
    assert_int_equal(rig->body_len, 2);
    /* Seat 1 is blocked, 6 and 7 have no price. */
    assert_int_equal((unsigned char)rig->body[0], SEAT_BLOCKED << 2);
    assert_int_equal((unsigned char)rig->body[1], SEAT_BLOCKED << 4 | SEAT_BLOCKED << 6);
    assert_string_equal(rig_header(rig, "foyer-version"), "3");
    ask.path = rig_path(rig, path, "/seats?section=sec_0000000000001");
    assert_int_equal(rig_send(rig, &ask), 200);
    assert_int_equal(rig->body_len, 1);
    assert_int_equal((unsigned char)rig->body[0], SEAT_BLOCKED | SEAT_BLOCKED << 2);
}

static void a_held_seat_shows_at_once(void **state)
{
    struct rig *rig = *state;
    char body[256];
    make_published(rig, PRICES);
    assert_int_equal(get(rig, "/seats"), 200);
    (void)snprintf(body, sizeof(body), "{\"event_id\":\"%s\",\"seat_ids\":[\"A-2-1\"]}",
                   rig->event);
    struct rig_ask hold = {
        .method = HTTP_POST, .path = "/v1/bookings", .body = body, .idempotency_key = "k-1"};
    assert_int_equal(rig_send(rig, &hold), 201);
    assert_int_equal(get(rig, "/seats"), 200);
    assert_string_equal(rig_text(rig, "seats[3].status"), "held");
    assert_string_equal(rig_text(rig, "seats[4].status"), "available");
    assert_int_equal(get(rig, "/availability"), 200);
    assert_int_equal(rig_int(rig, "sections[0].available"), 5);
}

/* The bits of seat A-2-1, the fourth, and the free seats of its section, as answered now. */
static void assert_shown(struct rig *rig, enum seat_state state, int64_t available)
{
    char path[256];
    struct rig_ask ask = {
        .path = rig_path(rig, path, "/seats"), .key = "", .accept = "application/octet-stream"};
    for (int i = 0; i < 2; i++) { /* made, and kept */
        assert_int_equal(rig_send(rig, &ask), 200);
        assert_int_equal((unsigned char)rig->body[0] >> 6, state);
        assert_int_equal(get(rig, "/availability"), 200);
        assert_int_equal(rig_int(rig, "sections[0].available"), available);
    }
}

static void what_is_kept_is_made_anew_after_a_change(void **state)
{
    struct rig *rig = *state;
    char body[256], path[256], id[64];
    make_published(rig, PRICES);
    assert_shown(rig, SEAT_FREE, 6);
    (void)snprintf(body, sizeof(body), "{\"event_id\":\"%s\",\"seat_ids\":[\"A-2-1\"]}",
                   rig->event);
    struct rig_ask ask = {
        .method = HTTP_POST, .path = "/v1/bookings", .body = body, .idempotency_key = "k-1"};
    assert_int_equal(rig_send(rig, &ask), 201);
    (void)snprintf(id, sizeof(id), "%s", rig_text(rig, "id"));
    assert_shown(rig, SEAT_HELD, 5);
    (void)snprintf(path, sizeof(path), "/v1/bookings/%s", id);
    struct rig_ask give_back = {.method = HTTP_DELETE, .path = path};
    assert_int_equal(rig_send(rig, &give_back), 200);
    assert_shown(rig, SEAT_FREE, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(what_is_kept_is_made_anew_after_a_change),
        rig_test(the_map_has_everything_in_layout_order),
        rig_test(a_compressed_map_is_the_same_map),
        rig_test(a_map_is_immutable_under_its_version_only),
        rig_test(maps_beyond_the_limit_are_answered_all_the_same),
        rig_test(drafts_have_no_public_map),
        rig_test(availability_counts_what_has_a_price),
        rig_test(seats_are_told_by_section),
        rig_test(two_bits_say_the_same),
        rig_test(a_held_seat_shows_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
