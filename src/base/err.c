/* Names of the errors, for logs. A switch without default, so that the compiler reports a forgotten
 * one. */
#include "base/err.h"

const char *err_name(enum err err)
{
    switch (err) {
    case ERR_OK:
        return "ok";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_LIMIT:
        return "limit reached";
    case ERR_INVALID:
        return "invalid";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_CONFLICT:
        return "conflict";
    case ERR_AGAIN:
        return "try again";
    case ERR_IO:
        return "input or output failed";
    case ERR_FULL:
        return "full";
    case ERR_CORRUPT:
        return "corrupt";
    case ERR_TIMEOUT:
        return "timed out";
    case ERR_CLOSED:
        return "closed";
    case ERR_DENIED:
        return "denied";
    }
    return "unknown error";
}
