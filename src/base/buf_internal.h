/* Appending in place, for the files of base that produce bytes one by one. */
#ifndef BASE_BUF_INTERNAL_H
#define BASE_BUF_INTERNAL_H

#include "base/buf.h"

/* Room for len bytes (and one more, for the NUL of printf and friends) behind buf->len, which the
 * caller advances. NULL when over the maximum or out of memory: overflow is set then. */
char *buf_reserve(struct buf *buf, size_t len);

#endif
