/*
 * Fuzz target of what a receiver of deliveries answers: the first line is a line of its head, the rest
 * a Retry-After. Whatever comes: what is kept of a field may be shown (a token, and UTF-8 without
 * control characters, both slices of the line), and no wait is negative or longer than a year.
 *
 * Run: answer_fuzz tests/fuzz/corpus/answer
 */
#include "fuzz.h"

#include "net/response_head.h"
#include "net/retry_after.h"
#include "witness.h"

#define NOW_MS INT64_C(1700000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_from((const char *)data, size);
    struct str line = str_split(&rest, '\n');
    struct response_field field;
    int64_t wait_ms = -1;
    if (response_head_field(line, &field) == ERR_OK) {
        require_inside(line, field.name);
        require_inside(line, field.value);
        require(field.name.len > 0 && str_find(field.name, ' ', 0) == field.name.len);
        require(str_find(field.name, ':', 0) == field.name.len);
        require(str_is_printable(field.value));
        require(field.value.len > WITNESS_TEXT_MAX || witness_utf8(field.value));
        require_eq(field.value, str_trim(field.value));
    }
    enum err err = retry_after_parse(rest, NOW_MS, &wait_ms);
    require(err == ERR_OK || err == ERR_INVALID);
    require((err == ERR_OK) == (wait_ms >= 0));
    require(wait_ms <= RETRY_AFTER_S_MAX * INT64_C(1000));
    return 0;
}
