/*
 * The randomness door. Bytes come from the kernel through libsodium. A test may seed it
 * (rand_seed): every call then takes the next turn of a stream that depends on the seed alone, so
 * one thread sees the same numbers every time.
 */
#include "base/rand.h"

#include "base/crypto_internal.h"

#include <assert.h>
#include <stdatomic.h>

static _Atomic uint64_t test_seed; /* 0: real randomness */
static _Atomic uint64_t test_turn;

void rand_seed(uint64_t seed)
{
    atomic_store(&test_turn, 0);
    atomic_store(&test_seed, seed);
}

void rand_bytes(void *ret_bytes, size_t len)
{
    uint64_t seed = atomic_load_explicit(&test_seed, memory_order_relaxed);
    if (seed == 0)
        crypto_random(ret_bytes, len);
    else
        crypto_random_seeded(seed, atomic_fetch_add(&test_turn, 1), ret_bytes, len);
}

uint64_t rand_u64(void)
{
    uint64_t value;
    rand_bytes(&value, sizeof(value));
    return value;
}

uint64_t rand_below(uint64_t bound)
{
    assert(bound > 0);
    /* The lowest 2^64 mod bound values are drawn again: what is left divides evenly. */
    uint64_t unfair = (0 - bound) % bound;
    uint64_t value = rand_u64();
    while (value < unfair)
        value = rand_u64();
    return value % bound;
}
