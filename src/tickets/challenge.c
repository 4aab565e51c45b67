/*
 * The salt is "<random>?expires=<seconds>&for=<hash of the scope>&". It ends with '&', so that no
 * digit can be moved from the number to the salt, and only this very form is taken: a challenge has
 * one name, its random part.
 */
#include "tickets/challenge.h"

#include <assert.h>
#include <stdio.h>

#include "base/rand.h"
#include "tickets/limits.h"

#define RANDOM_SIZE  12
#define SCOPE_SIZE   16
#define PAYLOAD_MAX  1024 /* bytes of JSON */
#define SECONDS_SIZE 12

static struct str key_of(const struct abuse_keys *keys)
{
    return str_from((const char *)keys->challenge, sizeof(keys->challenge));
}

static void hex_text(const void *bytes, size_t size, char *ret_text)
{
    struct buf text = {.data = ret_text, .cap = 2 * size, .max = 2 * size};
    assert(ret_text);
    hex_append(&text, bytes, size);
    ret_text[text.len] = '\0';
}

static void scope_text(const struct abuse_keys *keys, const struct challenge_scope *scope,
                       char ret_text[static 2 * SCOPE_SIZE + 1])
{
    char text[64];
    uint8_t mac[SHA256_SIZE];
    int len = snprintf(text, sizeof(text), "for %llu %llu", (unsigned long long)scope->event_id,
                       (unsigned long long)scope->account_id);
    crypto_hmac_sha256(key_of(keys), str_from(text, (size_t)len), mac);
    hex_text(mac, SCOPE_SIZE, ret_text);
}

static void solve(struct str salt, int64_t number, char ret_hex[static CHALLENGE_HEX_SIZE])
{
    char text[24];
    uint8_t hash[SHA256_SIZE];
    int len = snprintf(text, sizeof(text), "%lld", (long long)number);
    crypto_sha256_2(salt, str_from(text, (size_t)len), hash);
    hex_text(hash, sizeof(hash), ret_hex);
}

static void sign(const struct abuse_keys *keys, struct str challenge,
                 char ret_hex[static CHALLENGE_HEX_SIZE])
{
    uint8_t mac[SHA256_SIZE];
    crypto_hmac_sha256(key_of(keys), challenge, mac);
    hex_text(mac, sizeof(mac), ret_hex);
}

void challenge_make(const struct abuse_keys *keys, const struct challenge_scope *scope,
                    int64_t now_ms, struct challenge *ret_challenge)
{
    uint8_t bytes[RANDOM_SIZE];
    char random[2 * RANDOM_SIZE + 1], whom[2 * SCOPE_SIZE + 1];
    rand_bytes(bytes, sizeof(bytes));
    hex_text(bytes, sizeof(bytes), random);
    scope_text(keys, scope, whom);
    (void)snprintf(ret_challenge->salt, sizeof(ret_challenge->salt), "%s?expires=%lld&for=%s&",
                   random, (long long)((now_ms + CHALLENGE_MS) / 1000), whom); /* has room */
    int64_t number = (int64_t)rand_below(CHALLENGE_NUMBER_MAX + 1);
    solve(str_from_c(ret_challenge->salt), number, ret_challenge->challenge);
    sign(keys, str_from_c(ret_challenge->challenge), ret_challenge->signature);
}

void challenge_write(struct json_writer *writer, const struct challenge *challenge)
{
    json_open_object(writer);
    json_put_str(writer, "algorithm", STR("SHA-256"));
    json_put_str(writer, "challenge", str_from_c(challenge->challenge));
    json_put_i64(writer, "maxnumber", CHALLENGE_NUMBER_MAX);
    json_put_str(writer, "salt", str_from_c(challenge->salt));
    json_put_str(writer, "signature", str_from_c(challenge->signature));
    json_close_object(writer);
}

/* --- Checking --- */

struct solution {
    struct str challenge, salt, signature;
    int64_t number;
};

/* What a salt of ours says. */
struct salt_parts {
    uint64_t id;
    int64_t expires_s;
    struct str whom;
};

static bool payload_read(struct arena *arena, struct str payload, struct solution *ret_solution)
{
    char text[PAYLOAD_MAX];
    size_t len;
    struct json_node *object;
    struct str message, algorithm;
    if (base64_decode(payload, text, sizeof(text), &len) != ERR_OK ||
        json_parse(arena, str_from(text, len), &object, &message) != ERR_OK)
        return false;
    return json_as_str(json_get(object, "algorithm"), &algorithm) &&
           str_eq(algorithm, STR("SHA-256")) &&
           json_as_str(json_get(object, "challenge"), &ret_solution->challenge) &&
           json_as_str(json_get(object, "salt"), &ret_solution->salt) &&
           json_as_str(json_get(object, "signature"), &ret_solution->signature) &&
           json_as_i64(json_get(object, "number"), &ret_solution->number);
}

/* Takes the text from the front of rest. */
static bool take(struct str *rest, struct str text)
{
    if (!str_starts_with(*rest, text))
        return false;
    *rest = str_sub(*rest, text.len, rest->len);
    return true;
}

static bool salt_read(struct str salt, struct salt_parts *ret_parts)
{
    uint8_t bytes[RANDOM_SIZE];
    size_t len;
    struct str random = str_sub(salt, 0, (size_t)2 * RANDOM_SIZE);
    if (random.len != (size_t)2 * RANDOM_SIZE ||
        hex_decode(random, bytes, sizeof(bytes), &len) != ERR_OK || len != sizeof(bytes))
        return false;
    struct str rest = str_sub(salt, random.len, salt.len);
    if (!take(&rest, STR("?expires=")))
        return false;
    struct str seconds = str_sub(rest, 0, str_find(rest, '&', 0));
    if (seconds.len > SECONDS_SIZE || str_to_i64(seconds, &ret_parts->expires_s) != ERR_OK)
        return false;
    rest = str_sub(rest, seconds.len, rest.len);
    if (!take(&rest, STR("&for=")) || rest.len != 2 * SCOPE_SIZE + 1 ||
        rest.data[rest.len - 1] != '&')
        return false;
    ret_parts->whom = str_sub(rest, 0, rest.len - 1);
    uint64_t id = 0;
    for (size_t i = 0; i < sizeof(id); i++)
        id = id << 8 | bytes[i];
    id &= INT64_MAX;
    ret_parts->id = id ? id : 1;
    return true;
}

static bool is_text(struct str given, const char *wanted)
{
    size_t len = strlen(wanted);
    return given.len == len && crypto_equal(given.data, wanted, len);
}

enum challenge_verdict challenge_check(const struct abuse_keys *keys,
                                       const struct challenge_scope *scope, struct str payload,
                                       int64_t now_ms, struct arena *arena, uint64_t *ret_id)
{
    struct solution solution;
    struct salt_parts parts;
    char hex[CHALLENGE_HEX_SIZE], whom[2 * SCOPE_SIZE + 1];
    if (!payload_read(arena, payload, &solution) || !salt_read(solution.salt, &parts))
        return CHALLENGE_WRONG;
    if (solution.number < 0 || solution.number > CHALLENGE_NUMBER_MAX)
        return CHALLENGE_WRONG;
    scope_text(keys, scope, whom);
    sign(keys, solution.challenge, hex);
    if (!is_text(parts.whom, whom) || !is_text(solution.signature, hex))
        return CHALLENGE_WRONG;
    solve(solution.salt, solution.number, hex);
    if (!is_text(solution.challenge, hex))
        return CHALLENGE_WRONG;
    if (parts.expires_s <= now_ms / 1000)
        return CHALLENGE_EXPIRED;
    *ret_id = parts.id;
    return CHALLENGE_SOLVED;
}
