/* What all fuzz targets share. Properties are required, in every build: a broken one aborts. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/str.h"

#include <stdlib.h>

/* Called for each input, by libFuzzer or by replay_main.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool is_so)
{
    if (!is_so)
        abort();
}

static inline void require_eq(struct str a, struct str b)
{
    require(str_eq(a, b));
}

static inline void require_inside(struct str whole, struct str slice)
{
    if (slice.len > 0)
        require(slice.data >= whole.data && slice.data + slice.len <= whole.data + whole.len);
}

#endif
