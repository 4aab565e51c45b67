/* See p256.h. Keys are taken apart and put together for each use: a few dozen microseconds, and nothing is
 * kept. */
#include "base/p256.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#define CURVE       "prime256v1"
#define DER_SIG_MAX 80

/* NULL: out of memory. secret NULL: the public key alone. */
static OSSL_PARAM *new_params(const uint8_t *public_key, const BIGNUM *secret)
{
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (!build)
        return NULL;
    if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, CURVE, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, public_key,
                                         P256_PUBLIC_SIZE) == 1 &&
        (!secret || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, secret) == 1))
        params = OSSL_PARAM_BLD_to_param(build);
    OSSL_PARAM_BLD_free(build);
    return params;
}

/* NULL: not a key. */
static EVP_PKEY *new_key(const uint8_t *public_key, const uint8_t *secret_bytes)
{
    EVP_PKEY *key = NULL;
    BIGNUM *secret = NULL;
    if (secret_bytes) {
        secret = BN_bin2bn(secret_bytes, P256_SECRET_SIZE, NULL);
        if (!secret)
            return NULL;
    }
    OSSL_PARAM *params = new_params(public_key, secret);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    int selection = secret ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &key, selection, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    BN_clear_free(secret);
    return key;
}

/* NULL: not a point of the curve. */
static EVP_PKEY *new_public(const uint8_t *public_key)
{
    EVP_PKEY *key = public_key[0] == 4 ? new_key(public_key, NULL) : NULL;
    EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
    bool is_good = ctx && EVP_PKEY_public_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (is_good)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

bool p256_is_public(const uint8_t public_key[static P256_PUBLIC_SIZE])
{
    EVP_PKEY *key = new_public(public_key);
    EVP_PKEY_free(key);
    return key != NULL;
}

enum err p256_key_make(struct p256_key *ret_key)
{
    BIGNUM *secret = NULL;
    size_t len = 0;
    EVP_PKEY *key = EVP_EC_gen(CURVE);
    if (!key)
        return ERR_NOMEM;
    bool is_good =
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, ret_key->public_key,
                                        P256_PUBLIC_SIZE, &len) == 1 &&
        len == P256_PUBLIC_SIZE &&
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &secret) == 1 &&
        BN_bn2binpad(secret, ret_key->secret, P256_SECRET_SIZE) == P256_SECRET_SIZE;
    BN_clear_free(secret);
    EVP_PKEY_free(key);
    return is_good ? ERR_OK : ERR_NOMEM;
}

enum err p256_shared(const struct p256_key *key, const uint8_t other[static P256_PUBLIC_SIZE],
                     uint8_t ret_shared[static P256_SHARED_SIZE])
{
    size_t len = P256_SHARED_SIZE;
    EVP_PKEY *peer = new_public(other);
    if (!peer)
        return ERR_INVALID;
    EVP_PKEY *own = new_key(key->public_key, key->secret);
    EVP_PKEY_CTX *ctx = own ? EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL) : NULL;
    bool is_good = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
                   EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
                   EVP_PKEY_derive(ctx, ret_shared, &len) == 1 && len == P256_SHARED_SIZE;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(own);
    EVP_PKEY_free(peer);
    return is_good ? ERR_OK : ERR_NOMEM;
}

/* OpenSSL gives DER. */
static bool read_der(const uint8_t *der, size_t len, uint8_t *ret_sig)
{
    const unsigned char *at = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
    bool is_good = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret_sig, 32) == 32 &&
                   BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret_sig + 32, 32) == 32;
    ECDSA_SIG_free(sig);
    return is_good;
}

enum err p256_sign(const struct p256_key *key, struct str data,
                   uint8_t ret_sig[static P256_SIG_SIZE])
{
    uint8_t der[DER_SIG_MAX];
    size_t len = sizeof(der);
    EVP_PKEY *own = new_key(key->public_key, key->secret);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_good =
        own && ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, own) == 1 &&
        EVP_DigestSign(ctx, der, &len, (const unsigned char *)data.data, data.len) == 1 &&
        read_der(der, len, ret_sig);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(own);
    return is_good ? ERR_OK : ERR_NOMEM;
}

enum err aes128_gcm_seal(const uint8_t key[static AES128_KEY_SIZE],
                         const uint8_t nonce[static AES128_NONCE_SIZE], struct str plain,
                         uint8_t *ret_sealed)
{
    int len = 0, last = 0;
    EVP_CIPHER_CTX *ctx = plain.len <= INT_MAX - AES128_TAG_SIZE ? EVP_CIPHER_CTX_new() : NULL;
    bool is_good = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, nonce) == 1 &&
                   EVP_EncryptUpdate(ctx, ret_sealed, &len, (const unsigned char *)plain.data,
                                     (int)plain.len) == 1 &&
                   EVP_EncryptFinal_ex(ctx, ret_sealed + len, &last) == 1 &&
                   EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, AES128_TAG_SIZE,
                                       ret_sealed + len + last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return is_good ? ERR_OK : ERR_NOMEM;
}
