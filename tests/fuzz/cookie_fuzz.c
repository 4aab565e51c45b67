/*
 * Fuzz target of cookies: a value is a slice of the header, without the separators.
 *
 * Build with FOYER_FUZZ (clang); run: cookie_fuzz tests/fuzz/corpus/cookie
 */
#include "net/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Two headers, so that the second is reached too. */
    struct str text = str_from((const char *)data, size);
    const struct request_field fields[] = {{STR("cookie"), str_sub(text, 0, size / 2)},
                                           {STR("Cookie"), str_sub(text, size / 2, size)}};
    struct request request = {.fields = fields, .field_count = 2};
    static const char *const names[] = {"sid", "a", "__Host-session", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str value = request_cookie(&request, names[i]);
        require(str_find(value, ';', 0) == value.len);
        require(value.len == 0 ||
                (value.data >= text.data && value.data + value.len <= text.data + text.len));
    }
    return 0;
}
