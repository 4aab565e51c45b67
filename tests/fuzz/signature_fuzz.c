/*
 * Fuzz target of callback signatures. The input's first line is the header, the rest the body.
 * Whatever comes: no crash, and nothing is taken for signed but what a second, simpler reader finds
 * signed, too.
 *
 * Run: signature_fuzz tests/fuzz/corpus/signature
 */
#include "fuzz.h"

#include "base/crypto.h"
#include "tickets/signature.h"

#define SECRET "whsec_fuzz"
#define NOW_MS 1700000000500

/* A good signature is in the header as it is. */
static bool contains_signature(struct str header, struct str body, int64_t at_ms)
{
    struct buf good;
    buf_init(&good, 256);
    signature_append(&good, STR(SECRET), at_ms, body);
    struct str mac = buf_str(&good);
    size_t at = str_find(mac, ',', 0);
    mac = str_sub(mac, at + 4, mac.len); /* behind ",v1=" */
    bool is_there = header.len > 0 && memmem(header.data, header.len, mac.data, mac.len) != NULL;
    buf_release(&good);
    return is_there;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (crypto_init() != ERR_OK)
        abort();
    struct str body = str_from((const char *)data, size);
    struct str header = str_split(&body, '\n');
    struct signature_check check = {.secrets = STR(SECRET),
                                    .header = header,
                                    .body = body,
                                    .now_ms = NOW_MS,
                                    .tolerance_ms = 300000};
    int64_t signed_at_ms = 0;
    enum err err = signature_verify(&check, &signed_at_ms);
    if (err == ERR_OK && !contains_signature(header, body, signed_at_ms))
        abort();
    if (err == ERR_OK && (signed_at_ms < NOW_MS - 301000 || signed_at_ms > NOW_MS + 300000))
        abort();
    return 0;
}
