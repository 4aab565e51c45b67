/* See endpoint_secret.h. */
#include "hooks/endpoint_secret.h"

#include "base/rand.h"

#define HMAC_PREFIX   "whsec_"
#define PUBLIC_PREFIX "whpk_"

const char *const secret_kind_names[] = {
    [SECRET_HMAC] = "hmac", [SECRET_ED25519] = "ed25519", NULL};

struct str endpoint_secret_key(struct str stored)
{
    return secret_kind_of(stored) == SECRET_HMAC ? stored
                                                 : str_sub(stored, strlen(SECRET_TAG), stored.len);
}

static struct str store_pair(struct arena *arena, const uint8_t key[static ED25519_SECRET_SIZE])
{
    char stored[SECRET_STORED_PAIR];
    memcpy(stored, SECRET_TAG, strlen(SECRET_TAG));
    memcpy(stored + strlen(SECRET_TAG), key, ED25519_SECRET_SIZE);
    struct str copy = arena_str_dup(arena, str_from(stored, sizeof(stored)));
    crypto_wipe(stored, sizeof(stored));
    return copy;
}

struct str endpoint_secret_make(struct arena *arena, enum secret_kind kind)
{
    uint8_t bytes[ED25519_SECRET_SIZE], public_key[ED25519_PUBLIC_SIZE];
    struct str stored;
    if (kind == SECRET_ED25519) {
        crypto_ed25519_keypair(public_key, bytes);
        stored = store_pair(arena, bytes);
    } else {
        rand_bytes(bytes, SECRET_BYTES_DEFAULT);
        stored = arena_str_dup(arena, str_from((const char *)bytes, SECRET_BYTES_DEFAULT));
    }
    crypto_wipe(bytes, sizeof(bytes));
    return stored;
}

/* A private key of which the public half is another's would sign what nobody can verify. */
static bool read_pair(const uint8_t *bytes, size_t len, uint8_t ret_key[static ED25519_SECRET_SIZE])
{
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    if (len != ED25519_SEED_SIZE && len != ED25519_SECRET_SIZE)
        return false;
    crypto_ed25519_from_seed(bytes, public_key, ret_key);
    return len == ED25519_SEED_SIZE || crypto_equal(bytes, ret_key, ED25519_SECRET_SIZE);
}

enum err endpoint_secret_parse(struct arena *arena, struct str text, struct str *ret_stored)
{
    uint8_t bytes[SECRET_BYTES_MAX], key[ED25519_SECRET_SIZE];
    size_t len = 0;
    bool is_pair = str_starts_with(text, STR(SECRET_TAG));
    if (!is_pair && !str_starts_with(text, STR(HMAC_PREFIX)))
        return ERR_INVALID;
    struct str encoded =
        str_sub(text, is_pair ? strlen(SECRET_TAG) : strlen(HMAC_PREFIX), text.len);
    enum err err = base64_decode(encoded, bytes, sizeof(bytes), &len);
    if (err || (is_pair ? !read_pair(bytes, len, key) : len < SECRET_BYTES_MIN))
        return ERR_INVALID;
    *ret_stored =
        is_pair ? store_pair(arena, key) : arena_str_dup(arena, str_from((const char *)bytes, len));
    crypto_wipe(bytes, sizeof(bytes));
    crypto_wipe(key, sizeof(key));
    return ret_stored->data ? ERR_OK : ERR_NOMEM;
}

struct str endpoint_secret_show(struct arena *arena, struct str stored)
{
    struct buf *buf = buf_new_in(arena, 128);
    bool is_pair = secret_kind_of(stored) == SECRET_ED25519;
    struct str key = endpoint_secret_key(stored);
    if (!buf)
        return STR_NONE;
    if (is_pair) /* the second half of a private key */
        key = str_sub(key, ED25519_SEED_SIZE, key.len);
    buf_append_str(buf, is_pair ? STR(PUBLIC_PREFIX) : STR(HMAC_PREFIX));
    base64_append(buf, key.data, key.len);
    return buf_str(buf);
}
