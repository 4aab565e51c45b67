/*
 * Signatures of callbacks in the "t=...,v1=..." form: v1 is the hex HMAC-SHA256 of "<t>.<body>", t
 * the time of the sending attempt in seconds. A header may carry several v1 (the sender rotates its
 * secret) and other schemes, which are not looked at.
 */
#ifndef TICKETS_SIGNATURE_H
#define TICKETS_SIGNATURE_H

#include "base/buf.h"

#define SIGNATURE_HEADER_MAX 2048
#define SIGNATURE_PARTS_MAX  16

struct signature_check {
    struct str secrets; /* comma separated: any of them may have signed */
    struct str header;
    struct str body;
    int64_t now_ms;
    int64_t tolerance_ms; /* both ways */
};

/* ERR_INVALID: not of that form; ERR_DENIED: nobody we know signed this body with this time;
 * ERR_TIMEOUT: a good signature that is too old or from the future; ERR_NOMEM. ret_signed_at_ms
 * only on ERR_OK. Any thread. */
ERR_MUST_USE enum err signature_verify(const struct signature_check *check,
                                       int64_t *ret_signed_at_ms);
/* Appends "t=...,v1=..." for a body sent at that time. */
void signature_append(struct buf *buf, struct str secret, int64_t at_ms, struct str body);

#endif
