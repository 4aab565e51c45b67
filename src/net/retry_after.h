/* The Retry-After of a receiver's answer (RFC 9110, 10.2.3): bytes from outside. Pure. */
#ifndef NET_RETRY_AFTER_H
#define NET_RETRY_AFTER_H

#include "base/str.h"

#define RETRY_AFTER_S_MAX 31536000 /* more is taken for this */

/* Seconds, or a date of the preferred form ("Sun, 06 Nov 1994 08:49:37 GMT"): the wait from now in
 * ret_wait_ms, never negative. ERR_INVALID: neither. */
ERR_MUST_USE enum err retry_after_parse(struct str text, int64_t now_ms, int64_t *ret_wait_ms);

#endif
