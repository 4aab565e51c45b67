/*
 * Fuzz target of the configuration. Up to the first NUL the input is a file; behind it stand flags,
 * divided by NUL. Whatever comes: either every value keeps to its row of the table, or one line
 * says what is wrong, and shows no secret of the file.
 *
 * Run: config_fuzz tests/fuzz/corpus/config
 */
#include "fuzz.h"

#include "app/config_internal.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)8 << 10)
#define FLAGS_MAX 16
#define SECRET    "sk_test_the_secret_of_the_file"

static void check_value(const struct config *config, const struct key *key)
{
    const char *value = (const char *)config + key->offset;
    int64_t number;
    switch (key->type) {
    case KEY_TEXT:
        require(memchr(value, '\0', CONFIG_TEXT_MAX) != NULL);
        require(str_is_utf8(str_from_c(value)) && str_is_printable(str_from_c(value)));
        break;
    case KEY_INTEGER:
        memcpy(&number, value, sizeof(number));
        require(number >= key->min && number <= key->max);
        break;
    case KEY_ON_OFF:
    case KEY_SWITCH:
        require(*(const uint8_t *)value <= 1);
        break;
    case KEY_LEVEL:
        require(config->log_level <= LOG_OFF);
        break;
    }
}

static void check_config(const struct config *config)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct key *key = &config_keys[i];
        check_value(config, key);
        if (key->flags & KEY_SECRET)
            require(config->sources[i] != CONFIG_FROM_FLAG);
    }
    require(!str_ends_with(str_from_c(config->public_url), STR("/")));
    require(config->admin_key[0] == '\0' || config_is_api_key(str_from_c(config->admin_key)));
}

/* As a file of the process; the descriptor is the caller's to close. */
static int make_file(struct str text, char *ret_path, size_t size)
{
    int file = memfd_create("foyer.ini", 0);
    require(file >= 0 && (text.len == 0 || write(file, text.data, text.len) == (ssize_t)text.len));
    require(dprintf(file, "\nstripe-key = " SECRET "\n") > 0);
    (void)snprintf(ret_path, size, "--config=/proc/self/fd/%d", file);
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], flags[FLAGS_MAX][256], message[CONFIG_MESSAGE_SIZE] = "";
    char *argv[FLAGS_MAX + 2] = {(char *)"serve", path};
    int argc = 2;
    struct str rest = str_from((const char *)data, size);
    static struct config config;
    if (size > INPUT_MAX || memmem(data, size, SECRET, strlen(SECRET)))
        return 0;
    log_set_level(LOG_OFF);
    int file = make_file(str_split(&rest, '\0'), path, sizeof(path));
    while (rest.len > 0 && argc < FLAGS_MAX + 2) {
        struct str flag = str_sub(str_split(&rest, '\0'), 0, sizeof(flags[0]) - 1);
        if (str_starts_with(flag,
                            STR("--config"))) /* another file: of the machine's, or a device */
            continue;
        require(str_to_c(flag, flags[argc - 2], sizeof(flags[0])) == ERR_OK);
        argv[argc] = flags[argc - 2];
        argc++;
    }
    memset(&config, 0xa5, sizeof(config));
    enum err err = config_load(argc - 1, argv + 1, &config, message);
    require(err == ERR_OK || err == ERR_INVALID);
    if (err == ERR_OK) {
        check_config(&config);
    } else {
        require(message[0] != '\0' && memchr(message, '\0', sizeof(message)) != NULL);
        require(strstr(message, SECRET) == NULL);
    }
    (void)close(file);
    return 0;
}
