/* See endpoint_sign.h. */
#include "hooks/endpoint_sign.h"

#include "base/ids.h"

enum err endpoint_sign(const struct endpoint *endpoint, uint64_t message_id, int64_t at_ms,
                       struct str payload, struct signing_headers *ret_headers)
{
    char id[ID_TEXT_SIZE];
    struct signing signing = {
        .message_id = id_format2(id, "msg", endpoint->app_id, message_id),
        .at_ms = at_ms,
        .body = payload,
        .is_standard = endpoint->signature_format != SIGNATURE_TIMESTAMPED,
        .is_timestamped = endpoint->signature_format != SIGNATURE_STANDARD,
    };
    for (size_t i = 0; i < endpoint->secret_count; i++)
        if (endpoint->secrets[i].until_ms > at_ms)
            signing.keys[signing.key_count++] =
                str_from((const char *)endpoint->secrets[i].key, endpoint->secrets[i].len);
    return signing_headers_make(&signing, ret_headers);
}
