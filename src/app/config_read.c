/*
 * The sources of the configuration: the INI file (inih), the environment, the command line
 * (getopt_long). Each finds names and texts and hands them to config_key_set, which knows what a
 * key may be.
 */
#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/config_internal.h"

/* The file. */

struct file_reader {
    FILE *file;
    struct loading *loading;
};

/* Hands lines to the parser and counts them; the library would take the rest of a long line for a
 * new one. */
static char *on_read_line(char *line, int size, void *stream)
{
    struct file_reader *reader = stream;
    char *got = fgets(line, size, reader->file);
    if (!got)
        return NULL;
    reader->loading->line++;
    size_t len = strlen(line);
    if (len > 0 && line[len - 1] != '\n' && !feof(reader->file)) {
        reader->loading->is_line_too_long = true;
        return NULL;
    }
    return got;
}

static int on_file_key(void *ctx, const char *section, const char *name, const char *value)
{
    struct loading *loading = ctx;
    char where[CONFIG_MESSAGE_SIZE];
    (void)snprintf(where, sizeof(where), "%.150s line %u: ", loading->config.file, loading->line);
    const struct key *key = config_key_find(name);
    if (section[0] != '\0')
        config_fail(loading, "%sunknown section [%s]", where, section);
    else if (!key)
        config_fail(loading, "%sunknown key '%s'", where, name);
    else if (key->flags & (KEY_ENV_ONLY | KEY_NOT_IN_FILE))
        config_fail(loading, "%s%s cannot be set in the file", where, name);
    else if (loading->is_in_file[key - config_keys])
        config_fail(loading, "%s%s is given twice", where, name);
    else {
        loading->is_in_file[key - config_keys] = true;
        config_key_set(loading, key, value, CONFIG_FROM_FILE, where);
    }
    return !loading->has_failed;
}

void config_read_file(struct loading *loading)
{
    const char *path = loading->config.file;
    struct file_reader reader = {fopen(path, "re"), loading};
    if (!reader.file) {
        config_fail(loading, "config: cannot read %.150s: %s", path, strerror(errno));
        return;
    }
    int bad_line = ini_parse_stream(on_read_line, &reader, on_file_key, loading);
    if (loading->is_line_too_long)
        config_fail(loading, "%.150s line %u: line is too long", path, loading->line);
    else if (bad_line != 0)
        config_fail(loading, "%.150s line %d: not 'key = value'", path, bad_line);
    if (ferror(reader.file))
        config_fail(loading, "config: cannot read %.150s", path);
    (void)fclose(reader.file); /* only read from */
}

/* Environment. */

extern char **environ;

/* Most likely a typing mistake, but scripts around the program may have variables of their own:
 * said, not refused. */
static void warn_of_unknown_env(void)
{
    for (char **entry = environ; entry && *entry; entry++) {
        struct str rest = str_from_c(*entry);
        if (!str_starts_with(rest, STR("FOYER_")))
            continue;
        struct str name = str_split(&rest, '=');
        bool is_known = false;
        for (size_t i = 0; i < config_key_count && !is_known; i++) {
            char known[64];
            config_env_name(&config_keys[i], known);
            is_known = str_eq(name, str_from_c(known));
        }
        if (!is_known)
            log_warn("unknown environment variable", "name=%.*s", STR_ARG(name));
    }
}

void config_read_env(struct loading *loading)
{
    warn_of_unknown_env();
    for (size_t i = 0; i < config_key_count; i++) {
        char name[64];
        config_env_name(&config_keys[i], name);
        const char *value = getenv(name);
        if (value)
            config_key_set(loading, &config_keys[i], value, CONFIG_FROM_ENVIRONMENT,
                           "environment: ");
    }
}

/* Flags. */

static void fill_options(struct option options[static CONFIG_KEYS_MAX + 1])
{
    for (size_t i = 0; i < config_key_count; i++) {
        int has_argument =
            config_keys[i].type == KEY_SWITCH ? optional_argument : required_argument;
        options[i] = (struct option){config_keys[i].name, has_argument, NULL, (int)i + 1};
    }
    options[config_key_count] = (struct option){NULL, 0, NULL, 0};
}

/* getopt_long also takes unambiguous beginnings; a flag that is added later would then change what
 * a script means. */
static bool is_whole_name(const char *argument, const char *name)
{
    size_t len = strlen(name);
    return strncmp(argument, "--", 2) == 0 && strncmp(argument + 2, name, len) == 0 &&
           (argument[2 + len] == '\0' || argument[2 + len] == '=');
}

size_t config_read_flags(struct loading *loading, int argc, char **argv,
                         struct flag_value values[static CONFIG_ARGUMENTS_MAX])
{
    struct option options[CONFIG_KEYS_MAX + 1];
    fill_options(options);
    optind = 0;
    opterr = 0;
    size_t count = 0;
    for (;;) {
        int at = optind == 0 ? 1 : optind;
        int option = getopt_long(argc, argv, "+:", options, NULL);
        if (option == -1)
            break;
        const struct key *key =
            option > 0 && (size_t)option <= config_key_count ? &config_keys[option - 1] : NULL;
        if (option == ':') {
            config_fail(loading, "%s needs a value", argv[at]);
        } else if (!key || !is_whole_name(argv[at], key->name)) {
            config_fail(loading, "unknown flag %s", argv[at]);
        } else if (key->flags & KEY_SECRET) {
            char name[64];
            config_env_name(key, name);
            config_fail(loading, "--%s: a secret is not taken from the command line; set %s",
                        key->name, name);
        } else {
            values[count++] = (struct flag_value){key, optarg ? optarg : "on"};
        }
        if (loading->has_failed)
            return 0;
    }
    if (optind < argc)
        config_fail(loading, "unexpected argument '%s'", argv[optind]);
    return count;
}
