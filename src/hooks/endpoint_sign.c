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
    for (size_t i = 0; i < endpoint->secret_count; i++) {
        const struct endpoint_secret *secret = &endpoint->secrets[i];
        if (secret->until_ms <= at_ms)
            continue;
        signing.is_ed25519[signing.key_count] = secret->kind == SECRET_ED25519;
        signing.keys[signing.key_count++] = str_from((const char *)secret->key, secret->len);
    }
    return signing_headers_make(&signing, ret_headers);
}
