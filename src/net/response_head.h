/* One line of a response's head, as it came from a server that is not ours. Pure. */
#ifndef NET_RESPONSE_HEAD_H
#define NET_RESPONSE_HEAD_H

#include "base/str.h"

struct response_field {
    struct str name;  /* a token of RFC 9110 */
    struct str value; /* trimmed; UTF-8 without control characters */
};

/* The line with or without its end. ERR_INVALID: not a field, or not one to be shown to anybody. The
 * slices point into it. */
ERR_MUST_USE enum err response_head_field(struct str line, struct response_field *ret_field);

#endif
