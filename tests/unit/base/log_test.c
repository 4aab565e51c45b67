/* Log lines: valid JSON whatever the arguments hold, members decided by the format alone, the cut
 * at the line's limit. */
#include "base/log.h"

#include "base/check.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct arena arena;
static char captured[64 * 1024];

/* Standard error goes into a file of our own while fn runs; what was written comes back. */
static struct str capture(void (*fn)(void))
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    fn();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    rewind(file);
    size_t len = fread(captured, 1, sizeof(captured), file);
    fclose(file);
    return str_from(captured, len);
}

/* The only line, parsed. */
static struct json_node *capture_line(void (*fn)(void))
{
    struct str text = capture(fn);
    struct json_node *node;
    struct str message;
    assert_true(text.len > 0 && text.len <= LOG_LINE_MAX);
    assert_int_equal(text.data[text.len - 1], '\n');
    assert_int_equal(str_find(text, '\n', 0), text.len - 1);
    assert_ok(json_parse(&arena, text, &node, &message));
    return node;
}

static void assert_member(const struct json_node *line, const char *name, const char *want)
{
    struct str value;
    assert_true(json_as_str(json_get(line, name), &value));
    assert_str(value, want);
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    log_set_level(LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    log_set_request_id(STR_NONE);
    return 0;
}

static void write_plain(void)
{
    log_write(LOG_INFO, "started", NULL);
}

static void test_line_without_fields(void **state)
{
    (void)state;
    struct json_node *line = capture_line(write_plain);
    assert_member(line, "level", "info");
    assert_member(line, "msg", "started");
    struct str at;
    assert_true(json_as_str(json_get(line, "at"), &at));
    assert_int_equal(at.len, 24);
    assert_int_equal(json_count(line), 3);
}

static void write_fields(void)
{
    log_warn("mail refused", "to=%s code=%d why=\"not %s\" empty=%s", "a b", 550, "known", "");
}

static void test_fields_follow_the_format(void **state)
{
    (void)state;
    struct json_node *line = capture_line(write_fields);
    assert_member(line, "level", "warn");
    assert_member(line, "to", "a b");
    assert_member(line, "code", "550");
    assert_member(line, "why", "not known");
    assert_member(line, "empty", "");
    assert_int_equal(json_count(line), 7);
}

static void write_words(void)
{
    log_error("failed", "could not open %s path=%s and more", "it", "/x");
}

static void test_words_without_a_name(void **state)
{
    (void)state;
    struct json_node *line = capture_line(write_words);
    assert_member(line, "detail", "could not open it");
    assert_member(line, "path", "/x and more");
}

static void write_hostile(void)
{
    log_info("login", "name=%s level=%s", "x\" level=debug\n{\"a\":1}\x1f \xFFz", "\x1f\x1f");
}

static void test_arguments_cannot_forge_members_or_lines(void **state)
{
    (void)state;
    struct json_node *line;
    struct str text = capture(write_hostile);
    assert_int_equal(str_find(text, '\n', 0), text.len - 1);
    /* "level" is there twice on purpose of this test, which the strict parser would refuse. */
    struct str message;
    assert_err(json_parse(&arena, text, &line, &message), ERR_INVALID);
    assert_non_null(strstr(message.data, "twice"));
    assert_non_null(
        memmem(text.data, text.len, "\"name\":\"x\\\" level=debug\\n{\\\"a\\\":1}", 32));
    assert_null(memmem(text.data, text.len, "\"a\":1", 5));
}

static void write_separators(void)
{
    log_info("hostile", "first=%s second=\"so %s\" third=%d",
             "\x1f"
             "a\x1f"
             "b\x1e",
             "c", 3);
}

static void test_arguments_with_the_separator_stay_in_their_value(void **state)
{
    (void)state;
    struct json_node *line = capture_line(write_separators);
    assert_member(line, "first",
                  "\x1f"
                  "a\x1f"
                  "b\x1e");
    assert_member(line, "second", "so c");
    assert_member(line, "third", "3");
}

static void write_all_separators(void)
{
    char all[32], long_text[2 * LOG_LINE_MAX];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)((i + 1) % sizeof(all));
    log_info("hostile", "first=%s second=%s", all, "x");
    memset(long_text, 'y', sizeof(long_text));
    long_text[10] = '\x1f';
    long_text[sizeof(long_text) - 1] = '\0';
    log_info("hostile", "first=%s second=%s", long_text, "x");
}

/* Who uses up all control characters, or the line, gets no other member's value either. */
static void test_arguments_with_every_separator_forge_nothing(void **state)
{
    (void)state;
    struct str rest = capture(write_all_separators);
    struct json_node *line;
    struct str message, value;
    assert_ok(json_parse(&arena, str_split(&rest, '\n'), &line, &message));
    assert_true(json_as_str(json_get(line, "detail"), &value));
    assert_null(json_get(line, "second"));
    assert_ok(json_parse(&arena, str_split(&rest, '\n'), &line, &message));
    assert_true(json_as_str(json_get(line, "first"), &value));
    assert_true(value.len > 100 && value.data[10] == '\x1f' && value.data[11] == 'y');
    assert_int_equal(rest.len, 0);
}

static void write_with_request(void)
{
    log_set_request_id(STR("req-1"));
    log_info("done", "status=%d", 200);
}

static void test_request_id(void **state)
{
    (void)state;
    struct json_node *line = capture_line(write_with_request);
    assert_member(line, "request_id", "req-1");
    assert_member(line, "status", "200");
}

static char large[20000];

static void write_large(void)
{
    memset(large, '"', sizeof(large) - 1);
    log_info("large", "first=%s second=%s", large, "x");
}

static void write_large_message(void)
{
    memset(large, 'm', sizeof(large) - 1);
    log_write(LOG_INFO, large, "next=%d", 1);
}

static void test_large_values_are_cut_but_the_line_is_json(void **state)
{
    (void)state;
    struct json_node *line = capture_line(write_large);
    struct str value;
    assert_true(json_as_str(json_get(line, "first"), &value));
    assert_true(value.len > 500);
    line = capture_line(write_large_message);
    assert_true(json_as_str(json_get(line, "msg"), &value));
    assert_true(value.len > 1000);
}

static void write_all_levels(void)
{
    log_debug("d", NULL);
    log_info("i", NULL);
    log_warn("w", NULL);
    log_error("e", NULL);
    log_write(LOG_OFF, "never", NULL);
}

static size_t count_lines(struct str text)
{
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static void test_levels(void **state)
{
    (void)state;
    static const size_t lines[] = {
        [LOG_DEBUG] = 4, [LOG_INFO] = 3, [LOG_WARN] = 2, [LOG_ERROR] = 1, [LOG_OFF] = 0};
    for (int level = LOG_DEBUG; level <= LOG_OFF; level++) {
        log_set_level((enum log_level)level);
        assert_int_equal(count_lines(capture(write_all_levels)), lines[level]);
    }
}

static void test_level_names(void **state)
{
    (void)state;
    enum log_level level = LOG_OFF;
    assert_ok(log_level_parse(STR("debug"), &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_ok(log_level_parse(STR("off"), &level));
    assert_int_equal(level, LOG_OFF);
    assert_err(log_level_parse(STR("Debug"), &level), ERR_INVALID);
    assert_err(log_level_parse(STR_NONE, &level), ERR_INVALID);
    assert_int_equal(level, LOG_OFF);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_line_without_fields),
        TEST(test_fields_follow_the_format),
        TEST(test_words_without_a_name),
        TEST(test_arguments_cannot_forge_members_or_lines),
        TEST(test_arguments_with_the_separator_stay_in_their_value),
        TEST(test_arguments_with_every_separator_forge_nothing),
        TEST(test_request_id),
        TEST(test_large_values_are_cut_but_the_line_is_json),
        TEST(test_levels),
        TEST(test_level_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
