/* The pages, with embedded files of the test's own. */
#include "app/bare_call.h"
#include "app/pages.h"
#include "base/embed.h"

#define FILE_ROW(path, text)                                                                       \
    {                                                                                              \
        path, text, text + sizeof(text) - 1                                                        \
    }

/* Stands in for the table of the build. */
const struct embed_file embed_files[] = {
    FILE_ROW("docs/api/schemas.json", "{}"),
    FILE_ROW("web/dist/assets/app.A1B2.js", "let a;"),
    FILE_ROW("web/dist/assets/app.A1B2.js.gz", "\x1f\x8b-js"),
    FILE_ROW("web/dist/assets/lonely.css.gz", "\x1f\x8b-css"),
    FILE_ROW("web/dist/favicon.svg", "<svg/>"),
    FILE_ROW("web/dist/index.html", "<!doctype html>"),
    {NULL, NULL, NULL},
};

static struct pages *pages;

static int setup(void **state)
{
    (void)state;
    pages = pages_new();
    return pages ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pages_free(pages);
    return 0;
}

#define ask(bare, asked_path)                                                                      \
    __attribute__((cleanup(bare_call_release))) struct bare_call bare;                             \
    bare_call_init(&bare);                                                                         \
    bare.request.path = STR(asked_path)

static void addresses_of_the_application_get_the_index(void **state)
{
    (void)state;
    const struct str paths[] = {STR("/"), STR("/events/evt_1"), STR("/me"), STR("/v1")};
    for (size_t i = 0; i < 4; i++) {
        ask(bare, "/");
        bare.request.path = paths[i];
        pages_reply(pages, &bare.call);
        assert_int_equal(bare.request.res.status, 200);
        assert_str(bare.request.res.body, "<!doctype html>");
        assert_str(bare.request.res.content_type, "text/html; charset=utf-8");
        assert_str(bare_call_answer(&bare, STR("cache-control")), "no-cache");
    }
}

static void unknown_files_and_api_paths_are_404(void **state)
{
    (void)state;
    const struct str paths[] = {STR("/missing.js"), STR("/assets/app.A1B2.js.gz"), STR("/v1/x"),
                                STR("/api/v1/x"),   STR("/assets/lonely.css"),     STR("/a/.b")};
    for (size_t i = 0; i < 6; i++) {
        ask(bare, "/");
        bare.request.path = paths[i];
        pages_reply(pages, &bare.call);
        assert_int_equal(bare.request.res.status, 404);
        assert_str(bare.request.res.content_type, "application/problem+json");
    }
}

static void ambiguous_paths_are_404(void **state)
{
    (void)state;
    const struct str paths[] = {
        STR("//"),
        STR("//host/a"),
        STR("/a//b"),
        STR("/./a"),
        STR("/a/../b"),
        STR("/a/%2e%2E/b"),
        STR("/a%2fb"),
        STR("/a%5cb"),
        STR("/a\\b"),
        STR("/a%00"),
        STR("/a%"),
        STR("/a%zz"),
        STR("/a%c0%af"),
        STR("/a%ff"),
        STR("/.."),
        STR("/assets/../x"),
        STR("/a/%2e"),
        STR("/%2e%2e/assets/app.A1B2.js"),
        STR("/assets//app.A1B2.js"),
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ask(bare, "/");
        bare.request.path = paths[i];
        pages_reply(pages, &bare.call);
        assert_int_equal(bare.request.res.status, 404);
    }
    const struct str plain[] = {STR("/a/"), STR("/a%20b"), STR("/%c3%bc"), STR("/a%252e")};
    for (size_t i = 0; i < 4; i++) {
        ask(bare, "/");
        bare.request.path = plain[i];
        pages_reply(pages, &bare.call);
        assert_int_equal(bare.request.res.status, 200);
    }
}

static void pages_run_nothing_from_elsewhere(void **state)
{
    (void)state;
    ask(bare, "/");
    pages_reply(pages, &bare.call);
    struct str csp = bare_call_answer(&bare, STR("content-security-policy"));
    assert_str(csp,
               "default-src 'self'; img-src 'self' data:; style-src 'self'; object-src 'none'; "
               "frame-ancestors 'none'; base-uri 'self'; form-action 'self'");
    assert_str(bare_call_answer(&bare, STR("referrer-policy")), "same-origin");
    assert_null(bare_call_answer(&bare, STR("strict-transport-security")).data);
    ask(secure, "/");
    secure.request.is_tls = true;
    pages_reply(pages, &secure.call);
    assert_str(bare_call_answer(&secure, STR("strict-transport-security")), "max-age=31536000");
}

static void hashed_files_never_change(void **state)
{
    (void)state;
    ask(bare, "/assets/app.A1B2.js");
    pages_reply(pages, &bare.call);
    assert_str(bare.request.res.body, "let a;");
    assert_str(bare.request.res.content_type, "text/javascript; charset=utf-8");
    assert_str(bare_call_answer(&bare, STR("cache-control")),
               "public, max-age=31536000, immutable");
    ask(icon, "/favicon.svg");
    pages_reply(pages, &icon.call);
    assert_str(icon.request.res.content_type, "image/svg+xml");
    assert_str(bare_call_answer(&icon, STR("cache-control")), "no-cache");
    assert_null(bare_call_answer(&icon, STR("vary")).data);
}

static void compressed_twin_for_those_who_accept_it(void **state)
{
    (void)state;
    const struct {
        struct str accepts;
        bool is_gzip;
    } cases[] = {
        {STR("gzip"), true},           {STR("br, GZIP;q=0.5"), true}, {STR("gzip;q=0"), false},
        {STR("gzip; q=0.000"), false}, {STR("deflate, br"), false},   {STR(""), false},
        {STR("xgzip"), false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask(bare, "/assets/app.A1B2.js");
        bare_call_field(&bare, STR("Accept-Encoding"), cases[i].accepts);
        pages_reply(pages, &bare.call);
        assert_str(bare.request.res.body, cases[i].is_gzip ? "\x1f\x8b-js" : "let a;");
        assert_str(bare_call_answer(&bare, STR("vary")), "Accept-Encoding");
        assert_int_equal(bare_call_answer(&bare, STR("content-encoding")).len,
                         cases[i].is_gzip ? 4 : 0);
    }
}

static void known_content_is_not_sent_again(void **state)
{
    (void)state;
    ask(first, "/");
    pages_reply(pages, &first.call);
    struct str etag = bare_call_answer(&first, STR("etag"));
    ask(second, "/");
    bare_call_field(&second, STR("If-None-Match"), etag);
    pages_reply(pages, &second.call);
    assert_int_equal(second.request.res.status, 304);
    assert_int_equal(second.request.res.body.len, 0);
    ask(other, "/favicon.svg");
    bare_call_field(&other, STR("If-None-Match"), etag);
    pages_reply(pages, &other.call);
    assert_int_equal(other.request.res.status, 200);
}

static void only_reading_is_possible(void **state)
{
    (void)state;
    ask(bare, "/");
    bare.request.method = HTTP_POST;
    pages_reply(pages, &bare.call);
    assert_int_equal(bare.request.res.status, 405);
    assert_str(bare_call_answer(&bare, STR("allow")), "GET, HEAD");
    ask(head, "/");
    head.request.method = HTTP_HEAD;
    pages_reply(pages, &head.call);
    assert_int_equal(head.request.res.status, 200);
}

#define pages_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        pages_test(addresses_of_the_application_get_the_index),
        pages_test(unknown_files_and_api_paths_are_404),
        pages_test(ambiguous_paths_are_404),
        pages_test(pages_run_nothing_from_elsewhere),
        pages_test(hashed_files_never_change),
        pages_test(compressed_twin_for_those_who_accept_it),
        pages_test(known_content_is_not_sent_again),
        pages_test(only_reading_is_possible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
