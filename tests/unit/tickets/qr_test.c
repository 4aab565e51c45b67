/* QR pictures, read back by zbarimg where there is one. */
#include "served.h"

#include "base/qr.h"

#define CODE                                                                                       \
    "F1.AAAAAQAAAAAAAABNAAAAAAAAAAcAAAAD."                                                         \
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_0123456789abcdefghijkl"

static struct qr qr;

static void the_three_finders_stand_in_their_corners(void **state)
{
    (void)state;
    assert_int_equal(qr_encode(STR(CODE), &qr), ERR_OK);
    unsigned far = qr.width - 7;
    const unsigned corners[][2] = {{0, 0}, {far, 0}, {0, far}};
    for (size_t i = 0; i < 3; i++) {
        unsigned x = corners[i][0], y = corners[i][1];
        assert_true(qr_is_dark(&qr, x, y) && qr_is_dark(&qr, x + 6, y + 6));
        assert_false(qr_is_dark(&qr, x + 1, y + 1));
        assert_true(qr_is_dark(&qr, x + 3, y + 3));
    }
    assert_false(qr_is_dark(&qr, qr.width, 0));
}

static void runs_cover_exactly_the_dark_modules(void **state)
{
    (void)state;
    assert_int_equal(qr_encode(STR(CODE), &qr), ERR_OK);
    for (unsigned y = 0; y < qr.width; y++) {
        unsigned len, covered = 0, dark = 0;
        for (unsigned x = 0; qr_next_run(&qr, y, &x, &len); x += len) {
            covered += len;
            assert_true(qr_is_dark(&qr, x, y) && qr_is_dark(&qr, x + len - 1, y));
            assert_false(qr_is_dark(&qr, x + len, y));
        }
        for (unsigned x = 0; x < qr.width; x++)
            dark += qr_is_dark(&qr, x, y);
        assert_int_equal(covered, dark);
    }
}

static void nothing_and_too_much_are_refused(void **state)
{
    static char text[4096];
    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(qr_encode(STR_NONE, &qr), ERR_INVALID);
    assert_int_equal(qr_encode(str_from(text, sizeof(text)), &qr), ERR_INVALID);
    assert_int_equal(qr_encode(str_from(text, 2000), &qr), ERR_OK);
}

static void scan(const char *path, char *ret_text, size_t size)
{
    char command[256];
    (void)snprintf(command, sizeof(command), "zbarimg -q --raw %s 2>/dev/null", path);
    run_tool(command, ret_text, size);
}

static void a_scanner_reads_the_png(void **state)
{
    char path[128], read[512];
    (void)state;
    if (!has_tool("zbarimg"))
        skip();
    struct buf png;
    buf_init(&png, 1u << 20);
    assert_int_equal(qr_encode(STR(CODE), &qr), ERR_OK);
    assert_int_equal(qr_write_png(&qr, 4, &png), ERR_OK);
    (void)snprintf(path, sizeof(path), "/tmp/foyer-qr-%d.png", (int)getpid());
    write_file(path, png.data, png.len);
    scan(path, read, sizeof(read));
    (void)unlink(path);
    buf_release(&png);
    assert_string_equal(read, CODE "\n");
}

/* Draws the path of the SVG as a bitmap and compares it with the modules. */
static void the_svg_draws_the_same_modules(void **state)
{
    static bool drawn[QR_WIDTH_MAX][QR_WIDTH_MAX];
    (void)state;
    struct buf svg;
    buf_init(&svg, 1u << 20);
    assert_int_equal(qr_encode(STR(CODE), &qr), ERR_OK);
    qr_write_svg(&qr, STR("a<b>&\"c\""), &svg);
    buf_append_char(&svg, '\0');
    assert_false(svg.overflow);
    assert_non_null(strstr(svg.data, "<title>a&lt;b&gt;&amp;&quot;c&quot;</title>"));
    memset(drawn, 0, sizeof(drawn));
    const char *at = strstr(svg.data, "/><path d=\"");
    assert_non_null(at);
    at += strlen("/><path d=\"");
    unsigned x, y, len, again;
    int used;
    while (sscanf(at, "M%u %uh%uv1h-%uz%n", &x, &y, &len, &again, &used) == 4) {
        assert_int_equal(len, again);
        for (unsigned i = 0; i < len; i++)
            drawn[y - QR_QUIET_ZONE][x - QR_QUIET_ZONE + i] = true;
        at += used;
    }
    assert_string_equal(at, "\"/></svg>\n");
    for (y = 0; y < qr.width; y++)
        for (x = 0; x < qr.width; x++)
            assert_int_equal(drawn[y][x], qr_is_dark(&qr, x, y));
    buf_release(&svg);
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    struct buf png;
    buf_init(&png, 16);
    assert_int_equal(qr_encode(STR(CODE), &qr), ERR_OK);
    assert_int_equal(qr_write_png(&qr, 4, &png), ERR_NOMEM);
    buf_release(&png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_finders_stand_in_their_corners),
        cmocka_unit_test(runs_cover_exactly_the_dark_modules),
        cmocka_unit_test(nothing_and_too_much_are_refused),
        cmocka_unit_test(a_scanner_reads_the_png),
        cmocka_unit_test(the_svg_draws_the_same_modules),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
