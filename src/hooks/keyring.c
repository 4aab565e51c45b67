/* See keyring.h. */
#include "hooks/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/log.h"
#include "base/rand.h"

#define KEY_HEX_SIZE (2 * CRYPTO_SEAL_KEY_SIZE)

struct keyring {
    uint8_t key[CRYPTO_SEAL_KEY_SIZE];
};

static enum err key_parse(struct str hex, uint8_t ret_key[static CRYPTO_SEAL_KEY_SIZE])
{
    size_t len;
    enum err err = hex_decode(hex, ret_key, CRYPTO_SEAL_KEY_SIZE, &len);
    return err == ERR_OK && len == CRYPTO_SEAL_KEY_SIZE ? ERR_OK : ERR_INVALID;
}

/* ERR_NOT_FOUND: there is no such file. */
static enum err key_read(const char *path, uint8_t ret_key[static CRYPTO_SEAL_KEY_SIZE])
{
    char text[KEY_HEX_SIZE + 2];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    ssize_t len = read(fd, text, sizeof(text));
    (void)close(fd); /* nothing was written */
    if (len < 0)
        return ERR_IO;
    enum err err = key_parse(str_trim(str_from(text, (size_t)len)), ret_key);
    crypto_wipe(text, sizeof(text));
    return err;
}

/* Written beside and linked into place, so that what has the name is a whole key, and the first of two
 * who make one wins. */
static enum err key_make(const char *path)
{
    char beside[CONFIG_TEXT_MAX + 64];
    char hex[KEY_HEX_SIZE + 1];
    uint8_t key[CRYPTO_SEAL_KEY_SIZE];
    rand_bytes(key, sizeof(key));
    struct buf text = {.data = hex, .cap = sizeof(hex), .max = sizeof(hex)};
    hex_append(&text, key, sizeof(key));
    buf_append_char(&text, '\n');
    crypto_wipe(key, sizeof(key));
    (void)snprintf(beside, sizeof(beside), "%s.%ld", path, (long)getpid());
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_IO;
    bool is_good = write(fd, text.data, text.len) == (ssize_t)text.len && fsync(fd) == 0;
    is_good = close(fd) == 0 && is_good;
    is_good = is_good && (link(beside, path) == 0 || errno == EEXIST);
    (void)unlink(beside); /* a leftover is in nobody's way */
    crypto_wipe(hex, sizeof(hex));
    return is_good ? ERR_OK : ERR_IO;
}

static enum err key_load(const struct config *config, bool may_make,
                         uint8_t ret_key[static CRYPTO_SEAL_KEY_SIZE])
{
    char path[CONFIG_TEXT_MAX + 16];
    if (config->hooks_key[0])
        return key_parse(str_from_c(config->hooks_key), ret_key);
    (void)snprintf(path, sizeof(path), "%s/hooks.key", config->data);
    enum err err = key_read(path, ret_key);
    if (err != ERR_NOT_FOUND || !may_make)
        return err;
    err = key_make(path);
    return err ? err : key_read(path, ret_key);
}

static enum err keyring_get(const struct config *config, bool may_make,
                            struct keyring **ret_keyring)
{
    struct keyring *keyring = calloc(1, sizeof(*keyring));
    if (!keyring)
        return ERR_NOMEM;
    enum err err = key_load(config, may_make, keyring->key);
    if (err) {
        keyring_free(keyring);
        return err;
    }
    *ret_keyring = keyring;
    return ERR_OK;
}

enum err keyring_new(const struct config *config, struct db *writer_db,
                     struct keyring **ret_keyring)
{
    bool is_in_use;
    enum err err = keyring_is_in_use(writer_db, &is_in_use);
    if (!err)
        err = keyring_get(config, !is_in_use, ret_keyring);
    if (err == ERR_NOT_FOUND)
        log_error("hooks_key",
                  "hint=\"the database is sealed with a key that is not here: give it as "
                  "hooks-key, or put its hooks.key into the data directory\"");
    else if (err)
        log_error("hooks_key", "err=%s hint=\"hooks-key must be 64 hex digits\"", err_name(err));
    return err;
}

enum err keyring_find(const struct config *config, struct keyring **ret_keyring)
{
    return keyring_get(config, false, ret_keyring);
}

void keyring_free(struct keyring *keyring)
{
    if (!keyring)
        return;
    crypto_wipe(keyring->key, sizeof(keyring->key));
    free(keyring);
}

struct str keyring_seal(const struct keyring *keyring, struct arena *arena, struct str plain)
{
    char *sealed = arena_alloc(arena, plain.len + CRYPTO_SEAL_EXTRA);
    if (!sealed)
        return STR_NONE;
    crypto_seal(plain, keyring->key, (uint8_t *)sealed);
    return str_from(sealed, plain.len + CRYPTO_SEAL_EXTRA);
}

enum err keyring_open(const struct keyring *keyring, struct arena *arena, struct str sealed,
                      struct str *ret_plain)
{
    if (sealed.len < CRYPTO_SEAL_EXTRA)
        return ERR_CORRUPT;
    size_t len = sealed.len - CRYPTO_SEAL_EXTRA;
    char *plain = arena_alloc(arena, len + 1);
    if (!plain)
        return ERR_NOMEM;
    enum err err = crypto_unseal(sealed, keyring->key, (uint8_t *)plain);
    if (!err)
        *ret_plain = str_from(plain, len);
    return err;
}
