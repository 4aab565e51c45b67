/*
 * Fuzz target of the decoder of chunked bodies. Whatever comes: no crash, no more bytes out than in,
 * and the same outcome in one piece as in pieces of a size that the first byte chooses.
 */
#include "net/chunk_internal.h"

#include "base/str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    ssize_t result;
    size_t body_len;
};

/* text is decoded in place; bytes behind the end of the body count as not given yet. */
static struct outcome decode(char *text, size_t size, size_t step)
{
    struct chunk_decoder decoder = {.unused = 1};
    struct outcome outcome = {CHUNK_INCOMPLETE, 0};
    for (size_t at = 0; at < size && outcome.result == CHUNK_INCOMPLETE; at += step) {
        size_t count = size - at < step ? size - at : step;
        size_t given = count;
        memmove(text + outcome.body_len, text + at, count);
        outcome.result = chunk_decode(&decoder, text + outcome.body_len, &count);
        if (count > given || outcome.result > (ssize_t)given)
            abort();
        outcome.body_len += count;
        if (outcome.result >= 0)
            outcome.result += (ssize_t)(size - at - given);
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[1 << 16], pieces[1 << 16];
    if (size < 2 || size > sizeof(whole))
        return 0;
    size_t step = 1 + data[0] % 16;
    memcpy(whole, data + 1, size - 1);
    memcpy(pieces, data + 1, size - 1);
    struct outcome one = decode(whole, size - 1, size - 1);
    struct outcome many = decode(pieces, size - 1, step);
    if (one.result != many.result || one.body_len > size)
        abort();
    if (one.result != CHUNK_MALFORMED &&
        (one.body_len != many.body_len || memcmp(whole, pieces, one.body_len) != 0))
        abort();
    return 0;
}
