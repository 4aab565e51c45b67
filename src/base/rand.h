/* The randomness door. Cryptographically strong, any thread; a seed makes it repeatable in tests.
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void rand_bytes(void *ret_bytes, size_t len);
uint64_t rand_u64(void);
/* Uniform in [0, bound); bound > 0. */
uint64_t rand_below(uint64_t bound);
/* Tests only: repeatable from here on; 0 goes back to real randomness. */
void rand_seed(uint64_t seed);

#endif
