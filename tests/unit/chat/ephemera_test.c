/* What nodes call out to each other, as text. */
#include "base/check.h"

#include <stdlib.h>

#include "base/rand.h"
#include "chat/ephemera.h"

#define HEARD_MAX 1000

struct ear {
    size_t count;
    uint64_t node;
    struct ephemeral heard[HEARD_MAX];
};

static void on_heard(void *ctx, uint64_t node, const struct ephemeral *what)
{
    struct ear *ear = ctx;
    assert_true(ear->count < HEARD_MAX);
    ear->node = node;
    ear->heard[ear->count++] = *what;
}

static enum err read_text(const char *text, struct ear *ret_ear)
{
    uint64_t node = 0;
    /* Where it ends there is nothing: a sanitizer sees whoever reads on. */
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    *ret_ear = (struct ear){0};
    enum err err = ephemera_read(str_from(copy, len), &node, on_heard, ret_ear);
    free(copy);
    if (!err && ret_ear->count > 0)
        assert_int_equal(node, ret_ear->node);
    return err;
}

static void test_what_is_said_is_read(void **state)
{
    (void)state;
    static struct ephemera_text text;
    static struct ear ear;
    const struct ephemeral said[] = {{EPHEMERAL_TYPING, 0x16c2a, UINT64_MAX},
                                     {EPHEMERAL_ONLINE, UINT64_MAX, 0},
                                     {EPHEMERAL_OFFLINE, 1, 0},
                                     {EPHEMERAL_BLOCK, 2, 3},
                                     {EPHEMERAL_HERE, 0, 0},
                                     {EPHEMERAL_GONE, 0, 0}};
    enum {
        COUNT = sizeof(said) / sizeof(said[0])
    };
    ephemera_text_begin(&text, UINT64_C(0xfedcba9876543210));
    for (size_t i = 0; i < COUNT; i++)
        assert_true(ephemera_text_add(&text, &said[i]));
    assert_true(
        str_eq(str_from(text.bytes, text.len),
               STR("1 fedcba9876543210 t16c2a.ffffffffffffffff offffffffffffffff x1 b2.3 h g")));
    uint64_t node;
    assert_ok(ephemera_read(str_from(text.bytes, text.len), &node, on_heard, &ear));
    assert_int_equal(ear.count, COUNT);
    assert_true(ear.node == UINT64_C(0xfedcba9876543210));
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(ear.heard[i].kind, said[i].kind);
        assert_true(ear.heard[i].user_id == said[i].user_id);
        assert_true(ear.heard[i].other_id == said[i].other_id);
    }
}

static void test_a_call_is_full_before_it_is_too_long(void **state)
{
    (void)state;
    static struct ephemera_text text;
    static struct ear ear;
    uint64_t node;
    size_t said = 0;
    ephemera_text_begin(&text, 7);
    while (ephemera_text_add(
        &text, &(struct ephemeral){EPHEMERAL_TYPING, UINT64_MAX - said, UINT64_MAX})) {
        said++;
        assert_true(text.len <= DB_CALL_BYTES_MAX);
    }
    assert_in_range(said, 200, DB_CALL_BYTES_MAX / 35 + 1);
    assert_ok(ephemera_read(str_from(text.bytes, text.len), &node, on_heard, &ear));
    assert_int_equal(ear.count, said);
    assert_true(ear.heard[said - 1].user_id == UINT64_MAX - (said - 1));
}

static void test_newer_kinds_are_passed_over(void **state)
{
    (void)state;
    static struct ear ear;
    assert_ok(read_text("1 7 o5 zanything;at.all x6", &ear));
    assert_int_equal(ear.count, 2);
    assert_int_equal(ear.heard[1].user_id, 6);
    assert_ok(read_text("1 7", &ear));
    assert_int_equal(ear.count, 0);
}

static void test_what_is_none_of_ours_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "1",
        "1 ",
        "2 7 o5",
        "1 0 o5",
        "1 G o5",
        "1 7  o5",
        "1 7 o",
        "1 7 o0",
        "1 7 o05",
        "1 7 oA",
        "1 7 o5.6",
        "1 7 t5",
        "1 7 t5.",
        "1 7 t.5",
        "1 7 t5.6.7",
        "1 7 o12345678901234567",
        "1 7 55",
        "1 7 O5",
        "hello",
        "1 7\to5",
    };
    static struct ear ear;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(read_text(bad[i], &ear), ERR_INVALID);
    /* What came before it was good. */
    assert_int_equal(read_text("1 7 o5 o0 o6", &ear), ERR_INVALID);
    assert_int_equal(ear.count, 1);
}

static void test_one_node_alone_says_nothing(void **state)
{
    (void)state;
    struct ephemera *ephemera = (struct ephemera *)state;
    struct ephemera_stats stats;
    assert_ok(ephemera_new("/tmp/chat.db", &(struct ephemera_listener){0}, &ephemera));
    assert_null(ephemera);
    assert_ok(ephemera_start(ephemera));
    ephemera_say(ephemera, &(struct ephemeral){EPHEMERAL_ONLINE, 1, 0});
    ephemera_stats(ephemera, &stats);
    assert_int_equal(stats.said + stats.dropped, 0);
    ephemera_stop(ephemera);
    ephemera_free(ephemera);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said_is_read),
        cmocka_unit_test(test_a_call_is_full_before_it_is_too_long),
        cmocka_unit_test(test_newer_kinds_are_passed_over),
        cmocka_unit_test(test_what_is_none_of_ours_is_refused),
        cmocka_unit_test(test_one_node_alone_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
