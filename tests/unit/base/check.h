/* cmocka with the headers it wants, and assertions on byte strings. */
#ifndef TEST_BASE_CHECK_H
#define TEST_BASE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define CHECK_TEXT_SIZE 8192

#define assert_err(got, want) assert_string_equal(err_name(got), err_name(want))
#define assert_ok(got)        assert_err(got, ERR_OK)

/* Equal to a NUL-terminated text; shows both when not. */
#define assert_str(got, want)                                                                      \
    do {                                                                                           \
        struct str assert_got_ = (got);                                                            \
        char assert_text_[CHECK_TEXT_SIZE];                                                        \
        assert_ok(str_to_c(assert_got_, assert_text_, sizeof(assert_text_)));                      \
        assert_string_equal(assert_text_, want);                                                   \
        assert_int_equal(assert_got_.len, strlen(want));                                           \
    } while (0)

#endif
