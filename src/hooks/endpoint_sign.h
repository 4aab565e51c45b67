/* The signature headers of one attempt to reach an endpoint. Any thread. */
#ifndef HOOKS_ENDPOINT_SIGN_H
#define HOOKS_ENDPOINT_SIGN_H

#include "hooks/endpoint.h"
#include "hooks/signing.h"

/* By the endpoint's format, with those of its secrets that count at at_ms. The same attempt has the
 * same headers, whenever they are made. */
ERR_MUST_USE enum err endpoint_sign(const struct endpoint *endpoint, uint64_t message_id,
                                    int64_t at_ms, struct str payload,
                                    struct signing_headers *ret_headers);

#endif
