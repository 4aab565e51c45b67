/*
 * Ids: 63-bit integers that sort by time: 41 bits of milliseconds since 2024-01-01, 9 bits of node,
 * 13 bits of sequence. They never go back when the clock does. In the API they are opaque text: a
 * prefix, '_' and 13 (one id) or 26 (two: sharding key and id) characters of lowercase Crockford
 * base32.
 */
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include "base/str.h"

#define ID_TEXT_SIZE 36 /* longest prefix, '_', 26 characters and NUL */

struct id_gen {
    _Atomic uint64_t last;
    _Atomic uint32_t node; /* 0-511 */
};

/* after: the largest id already in use (0 when none). */
void id_gen_init(struct id_gen *gen, uint32_t node, uint64_t after);
/* Any thread. Strictly increasing. */
uint64_t id_next(struct id_gen *gen);
/* Ids made from now on are of that time or later, whatever the clock says. Any thread. */
void id_gen_raise(struct id_gen *gen, int64_t at_ms);
/* The smallest id that can be made at or after that time: for range reads by age. */
uint64_t id_at_ms(int64_t at_ms);
int64_t id_time_ms(uint64_t id);

/* "evt" and 5 give "evt_0000000000005"; NUL-terminated; returns the text as str into ret_text. */
struct str id_format(char ret_text[static ID_TEXT_SIZE], const char *prefix, uint64_t id);
struct str id_format2(char ret_text[static ID_TEXT_SIZE], const char *prefix, uint64_t shard,
                      uint64_t id);
/* ERR_INVALID unless exactly this prefix and canonical form (each id at most 63 bits). An id of a
 * row in a shard is never 0; numbers that id_parse reads may be. */
ERR_MUST_USE enum err id_parse(struct str text, const char *prefix, uint64_t *ret_id);
ERR_MUST_USE enum err id_parse2(struct str text, const char *prefix, uint64_t *ret_shard,
                                uint64_t *ret_id);

#endif
