/* The configuration for people: `foyer config` and the list of keys in `foyer help`. */
#include <stdio.h>

#include "app/config_internal.h"

static const char *source_name(enum config_source source)
{
    static const char *const names[] = {"default", "file", "environment", "flag"};
    return names[source];
}

/* "smtp://user:pass@host" without the password. */
static void print_url_masked(const char *url)
{
    const char *start = strstr(url, "://");
    const char *at = strrchr(url, '@');
    const char *colon = start ? strchr(start + 3, ':') : NULL;
    if (at && colon && colon < at)
        printf("%.*s:********%s", (int)(colon - url), url, at);
    else
        printf("%s", url);
}

static void print_value(const struct config *config, const struct key *key)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", "off"};
    const char *member = (const char *)config + key->offset;
    int64_t number;
    switch (key->type) {
    case KEY_TEXT:
        if (key->flags & KEY_SECRET)
            printf("%s", member[0] ? "********" : "");
        else if (key->flags & KEY_PASSWORD)
            print_url_masked(member);
        else
            printf("%s", member);
        break;
    case KEY_INTEGER:
        memcpy(&number, member, sizeof(number));
        printf("%lld", (long long)number);
        break;
    case KEY_ON_OFF:
    case KEY_SWITCH:
        printf("%s", *(const bool *)member ? "on" : "off");
        break;
    case KEY_LEVEL:
        printf("%s", levels[config->log_level]);
        break;
    }
}

void config_print(const struct config *config)
{
    for (size_t i = 0; i < config_key_count; i++) {
        bool is_for_file = !(config_keys[i].flags & (KEY_ENV_ONLY | KEY_NOT_IN_FILE));
        printf("%s%s = ", is_for_file ? "" : "; ", config_keys[i].name);
        print_value(config, &config_keys[i]);
        printf(" ; %s\n", source_name(config->sources[i]));
    }
}

void config_usage(void)
{
    printf(
        "Every key is a flag (--key VALUE), an environment variable (FOYER_KEY) and a line of the\n"
        "file that --config names (key = value); flags win over the environment, it over the "
        "file.\n\n");
    for (size_t i = 0; i < config_key_count; i++) {
        char usage[64];
        (void)snprintf(usage, sizeof(usage), "%s %s", config_keys[i].name,
                       config_keys[i].argument ? config_keys[i].argument : "");
        printf("  --%-32s %s", usage, config_keys[i].help);
        if (config_keys[i].fallback[0])
            printf(" [%s]", config_keys[i].fallback);
        printf("%s\n", config_keys[i].flags & KEY_ENV_ONLY ? " (environment only)"
                       : config_keys[i].flags & KEY_SECRET ? " (environment or file)"
                                                           : "");
    }
}
