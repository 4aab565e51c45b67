/* Percent-decoding shared by queries and path parameters. */
#ifndef NET_URL_INTERNAL_H
#define NET_URL_INTERNAL_H

#include "base/arena.h"

/* Decodes raw (RFC 3986). ERR_INVALID: a bad escape, a NUL, or not UTF-8. ERR_NOMEM. What needs no
 * decoding is borrowed. */
ERR_MUST_USE enum err url_decode(struct arena *arena, struct str raw, bool plus_is_space,
                                 struct str *ret_text);
/* The byte at *position and the step behind it; -1 on a bad escape. *position < raw.len. */
int url_next_byte(struct str raw, bool plus_is_space, size_t *position);

#endif
