/* The device's cookie is its number and half an HMAC of it: nobody can make up devices, or take the
 * number of another one from a row. */
#include "tickets/origin.h"

#include "base/rand.h"
#include "net/egress.h"

#define NUMBER_SIZE    8
#define MAC_SIZE       16
#define V4_PREFIX_SIZE 3
#define V6_PREFIX_SIZE 6

void abuse_keys_derive(struct str secret, struct abuse_keys *ret_keys)
{
    crypto_hmac_sha256(secret, STR("foyer device 1"), ret_keys->device);
    crypto_hmac_sha256(secret, STR("foyer origin 1"), ret_keys->origin);
    crypto_hmac_sha256(secret, STR("foyer challenge 1"), ret_keys->challenge);
}

/* 63 bits, never 0. */
static uint64_t number_of(const uint8_t bytes[static NUMBER_SIZE])
{
    uint64_t number = 0;
    for (size_t i = 0; i < NUMBER_SIZE; i++)
        number = number << 8 | bytes[i];
    number &= INT64_MAX;
    return number ? number : 1;
}

static uint64_t hash_of(const struct abuse_keys *keys, struct str text)
{
    uint8_t mac[SHA256_SIZE];
    crypto_hmac_sha256(str_from((const char *)keys->origin, sizeof(keys->origin)), text, mac);
    return number_of(mac);
}

static void device_mac(const struct abuse_keys *keys, const uint8_t number[static NUMBER_SIZE],
                       uint8_t ret_mac[static SHA256_SIZE])
{
    crypto_hmac_sha256(str_from((const char *)keys->device, sizeof(keys->device)),
                       str_from((const char *)number, NUMBER_SIZE), ret_mac);
}

uint64_t origin_new_device(const struct abuse_keys *keys,
                           char ret_cookie[static DEVICE_COOKIE_SIZE])
{
    uint8_t bytes[NUMBER_SIZE + MAC_SIZE], mac[SHA256_SIZE];
    rand_bytes(bytes, NUMBER_SIZE);
    device_mac(keys, bytes, mac);
    memcpy(bytes + NUMBER_SIZE, mac, MAC_SIZE);
    struct buf text = {
        .data = ret_cookie, .cap = DEVICE_COOKIE_SIZE - 1, .max = DEVICE_COOKIE_SIZE - 1};
    base64url_append(&text, bytes, sizeof(bytes));
    ret_cookie[text.len] = '\0';
    return number_of(bytes);
}

uint64_t origin_device(const struct abuse_keys *keys, struct str cookie)
{
    uint8_t bytes[NUMBER_SIZE + MAC_SIZE], mac[SHA256_SIZE];
    size_t len;
    if (cookie.len != DEVICE_COOKIE_SIZE - 1 ||
        base64url_decode(cookie, bytes, sizeof(bytes), &len) != ERR_OK || len != sizeof(bytes))
        return 0;
    device_mac(keys, bytes, mac);
    return crypto_equal(bytes + NUMBER_SIZE, mac, MAC_SIZE) ? number_of(bytes) : 0;
}

uint64_t origin_network(const struct abuse_keys *keys, struct str address)
{
    struct egress_address parsed;
    char text[1 + V6_PREFIX_SIZE];
    if (egress_address_parse(address, &parsed) != ERR_OK)
        return 0;
    size_t size = parsed.is_v6 ? V6_PREFIX_SIZE : V4_PREFIX_SIZE;
    text[0] = parsed.is_v6 ? '6' : '4';
    memcpy(text + 1, parsed.bytes, size);
    return hash_of(keys, str_from(text, 1 + size));
}

uint64_t origin_card(const struct abuse_keys *keys, struct str provider, struct str fingerprint)
{
    struct crypto_sha256 hash;
    uint8_t digest[SHA256_SIZE];
    if (fingerprint.len == 0)
        return 0;
    crypto_sha256_begin(&hash);
    crypto_sha256_add(&hash, provider);
    crypto_sha256_add(&hash, STR(":")); /* no provider has one in its name */
    crypto_sha256_add(&hash, fingerprint);
    crypto_sha256_end(&hash, digest);
    return hash_of(keys, str_from((const char *)digest, sizeof(digest)));
}
