/* Borrowed byte strings. Bytes from the network are always a struct str, never a bare char pointer.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct str {
    const char *data; /* not NUL-terminated; may be NULL when len is 0 */
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
/* For printf: "%.*s", STR_ARG(s) */
#define STR_ARG(s) (int)(s).len, (s).data ? (s).data : ""

static inline struct str str_from(const char *data, size_t len)
{
    return (struct str){data, len};
}
/* From a NUL-terminated string; NULL gives the empty string. */
static inline struct str str_from_c(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
/* ASCII case-insensitive equality. */
bool str_eq_ci(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
/* Total order by bytes, as memcmp. */
int str_cmp(struct str a, struct str b);
/* Index of the first c at or after from; s.len when there is none. */
size_t str_find(struct str s, char c, size_t from);
/* Clamped to the string: never out of range. */
struct str str_sub(struct str s, size_t from, size_t len);
struct str str_trim(struct str s);
/* Splits at the first separator: returns what is before it and leaves the rest in *s (empty when
 * none). */
struct str str_split(struct str *s, char separator);
/* Whole string must be a decimal number (optional minus, no plus, no spaces, no overflow):
 * ERR_INVALID otherwise. */
ERR_MUST_USE enum err str_to_i64(struct str s, int64_t *ret_value);
/* Whole string must be a finite decimal floating number. */
ERR_MUST_USE enum err str_to_f64(struct str s, double *ret_value);
/* Strict UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);
/* True when it has no control characters (U+0000-U+001F, U+007F). */
bool str_is_printable(struct str s);
/* Copies into a fixed array, always NUL-terminated; ERR_LIMIT when it does not fit (nothing is
 * copied then). */
ERR_MUST_USE enum err str_to_c(struct str s, char *ret_text, size_t size);
/* 64-bit keyed hash (SipHash-2-4 under a key drawn at start): safe against chosen keys. */
uint64_t str_hash(struct str s);

#endif
