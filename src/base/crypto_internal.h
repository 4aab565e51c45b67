/* What str.c and rand.c need of libsodium, whose header only crypto.c includes. Any thread, even
 * before crypto_init. */
#ifndef BASE_CRYPTO_INTERNAL_H
#define BASE_CRYPTO_INTERNAL_H

#include "base/str.h"

/* SipHash-2-4 under the key of the process. */
uint64_t crypto_siphash(struct str data);
void crypto_random(void *ret_bytes, size_t len);
/* The same bytes for the same seed and turn. Tests only. */
void crypto_random_seeded(uint64_t seed, uint64_t turn, void *ret_bytes, size_t len);

#endif
