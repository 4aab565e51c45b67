/* Folding: what is the same to somebody who searches. tests/fuzz/text_fuzz.c has the rest. */
#include "base/fold.h"

#include "base/check.h"

static void assert_folds(const char *text, const char *folded)
{
    struct arena arena;
    arena_init(&arena, 1u << 16);
    assert_str(fold_text(&arena, str_from_c(text)), folded);
    arena_release(&arena);
}

static void what_looks_alike_folds_to_one_spelling(void **state)
{
    (void)state;
    assert_folds("Z\xC3\xBCrich", "zurich");
    assert_folds("ZU\xCC\x88RICH", "zurich"); /* decomposed */
    assert_folds("  New   York ", "new york");
    assert_folds("\xC5\x81\xC3\xB3"
                 "d\xC5\xBA",
                 "\xC5\x82odz");                          /* l with stroke has no base letter */
    assert_folds("\xCE\x91\xCE\x98", "\xCE\xB1\xCE\xB8"); /* Greek */
    assert_folds("\xD0\x9C\xD0\x81", "\xD0\xBC\xD1\x91"); /* Cyrillic */
    assert_folds("\xE6\x9D\xB1\xE4\xBA\xAC", "\xE6\x9D\xB1\xE4\xBA\xAC"); /* Tokyo */
    assert_folds("\xF0\x9F\x8E\xB8!", "\xF0\x9F\x8E\xB8!");
    assert_folds("", "");
    assert_folds(" ", "");
    assert_folds("one\r\n\ttwo\n", "one two");
    assert_folds("\xCC\x81", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_looks_alike_folds_to_one_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
