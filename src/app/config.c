/*
 * Configuration from one table of keys.
 *
 * A row of config_keys gives a key its name, type, limits, default and help; flags (--name),
 * environment (FOYER_NAME), the file (name = value), `foyer config` and the usage text all come
 * from the row. Sources are applied from weak to strong, each through config_key_set(), which
 * checks the value: default, file, environment, flag. The rules that span keys are in check().
 *
 * A mistake is one line that names the key and where it was found; the first mistake ends the
 * reading. Secrets are not taken from the command line, where every user of the machine can read
 * them.
 *
 * The sources are read in config_read.c, printed in config_print.c. Runs before there are threads.
 */
#include "app/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/config_internal.h"
#include "base/ids.h"
#include "net/egress.h"
#include "store/db.h"

#define AT(member) .offset = offsetof(struct config, member)

const struct key config_keys[] = {
    {"config", "", "FILE", "INI file with any of these keys", KEY_TEXT, KEY_NOT_IN_FILE, AT(file)},
    {"data", "data", "DIR", "directory of the databases, made when absent", KEY_TEXT, 0, AT(data)},
    {"store", "sqlite", "WHERE", "sqlite (files in data), or postgres://user@host/database",
     KEY_TEXT, KEY_PASSWORD, AT(store)},
    {"listen", "127.0.0.1:8080", "HOST:PORT", "address to serve; port 0 picks a free one", KEY_TEXT,
     0, AT(listen)},
    {"public-url", "", "URL", "base of links in mail and payment returns", KEY_TEXT, 0,
     AT(public_url)},
    {"services", "tickets", "LIST", "services to run, comma separated", KEY_TEXT, 0, AT(services)},
    {"payments", "sandbox", "PROVIDER", "sandbox, sandbox=URL of a running one, or stripe",
     KEY_TEXT, 0, AT(payments)},
    {"stripe-key", "", "KEY", "Stripe's secret key", KEY_TEXT, KEY_SECRET, AT(stripe_key)},
    {"stripe-webhook-secret", "", "SECRET", "signing secret of Stripe's callbacks", KEY_TEXT,
     KEY_SECRET, AT(stripe_webhook_secret)},
    {"stripe-api", "https://api.stripe.com", "URL", "base of Stripe's API", KEY_TEXT, 0,
     AT(stripe_api)},
    {"mail", "dir", "WHERE", "dir (DIR/mail/*.eml), smtp://user:pass@host:port or smtps://",
     KEY_TEXT, KEY_PASSWORD, AT(mail)},
    {"mail-from", "Foyer <tickets@localhost>", "ADDRESS", "sender of mail", KEY_TEXT, 0,
     AT(mail_from)},
    {"hooks-key", "", "HEX", "32 bytes that seal webhook secrets; DATA/hooks.key when absent",
     KEY_TEXT, KEY_SECRET, AT(hooks_key)},
    {"hooks-timeout-ms", "15000", "MS", "deadline of one webhook, from its name to its last byte",
     KEY_INTEGER, 0, AT(hooks_timeout_ms), 100, 120000},
    {"hooks-allow-cidr", "", "LIST",
     "private networks that webhooks may go to, such as 127.0.0.0/8", KEY_TEXT, 0,
     AT(hooks_allow_cidr)},
    {"hooks-ingest-rate", "1000", "N", "messages a second of an application; 0: no limit",
     KEY_INTEGER, 0, AT(hooks_ingest_rate), 0, 1000000},
    {"hooks-backlog-max", "1000000", "N", "deliveries of an application that may wait; 0: no limit",
     KEY_INTEGER, 0, AT(hooks_backlog_max), 0, 1000000000},
    {"hooks-unknown-types", "allow", "allow|refuse",
     "messages of event types that their owner has not described", KEY_TEXT, 0,
     AT(hooks_unknown_types)},
    {"media", "", "DIR", "directory of chat's files, shared by all nodes; DATA/media when absent",
     KEY_TEXT, 0, AT(media)},
    {"chat-origins", "", "LIST", "origins of other sites whose pages may open chat streams",
     KEY_TEXT, 0, AT(chat_origins)},
    {"push-contact", "", "URL", "mailto: or https: of whom push services may tell of trouble",
     KEY_TEXT, 0, AT(push_contact)},
    {"push-allow-cidr", "", "LIST", "private networks that push services of users may be in",
     KEY_TEXT, 0, AT(push_allow_cidr)},
    {"push-text", "on", "on|off", "notifications of chats say what was written", KEY_ON_OFF, 0,
     AT(push_text)},
    {"chat-hooks-account", "", "usr_...",
     "whose application \"chat\" is told what happens in chats", KEY_TEXT, 0,
     AT(chat_hooks_account)},
    {"chat-hooks-text", "off", "on|off", "it is told what was written, too", KEY_ON_OFF, 0,
     AT(chat_hooks_text)},
    {"tls-cert", "", "FILE", "PEM certificate chain; serves https", KEY_TEXT, 0, AT(tls_cert)},
    {"tls-key", "", "FILE", "PEM private key", KEY_TEXT, 0, AT(tls_key)},
    {"admin-key", "", "sk_...", "admin key of the first start", KEY_TEXT, KEY_SECRET | KEY_ENV_ONLY,
     AT(admin_key)},
    {"loops", "0", "N", "event loop threads; 0: one a core", KEY_INTEGER, 0, AT(loops), 0, 64},
    {"readers", "4", "N", "threads that read the database", KEY_INTEGER, 0, AT(readers), 1, 64},
    {"connections-max", "65536", "N", "open connections; capped by the descriptor limit",
     KEY_INTEGER, 0, AT(connections_max), 16, 1000000},
    {"request-timeout-ms", "30000", "MS", "a request's time to come in whole, idle time included",
     KEY_INTEGER, 0, AT(request_timeout_ms), 100, 600000},
    {"send-timeout-ms", "30000", "MS", "longest time in which a client takes nothing of an answer",
     KEY_INTEGER, 0, AT(send_timeout_ms), 100, 600000},
    {"send-rate-min", "16000", "BYTES", "a second; a whole answer has send-timeout-ms and this",
     KEY_INTEGER, 0, AT(send_rate_min), 1, 1000000000},
    {"drain-ms", "5000", "MS", "longest wait for open requests on SIGTERM", KEY_INTEGER, 0,
     AT(drain_ms), 0, 600000},
    {"abuse", "on", "on|off", "caps and rate limits against abuse; off for benchmarks", KEY_ON_OFF,
     0, AT(abuse)},
    {"require-totp", "off", NULL,
     "sessions of organizers and admins without a second factor are a fan's", KEY_SWITCH, 0,
     AT(require_totp)},
    {"trusted-proxies", "", "LIST",
     "networks of proxies whose X-Forwarded-For counts, such as 10.0.0.0/8", KEY_TEXT, 0,
     AT(trusted_proxies)},
    {"test-clock", "off", NULL, "adds POST /v1/test/clock; for tests only", KEY_SWITCH, 0,
     AT(test_clock)},
    {"log-level", "info", "LEVEL", "debug, info, warn, error or off", KEY_LEVEL, 0, AT(log_level)},
};

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);
_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX,
               "struct config has too few sources");

static const char *const SERVICES[] = {"tickets", "hooks", "chat"};

void config_fail(struct loading *loading, const char *format, ...)
{
    if (loading->has_failed)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(loading->message, CONFIG_MESSAGE_SIZE, format,
                    args); /* cut is fine: it is for people */
    va_end(args);
    loading->has_failed = true;
}

void config_env_name(const struct key *key, char ret_name[static 64])
{
    size_t len = (size_t)snprintf(ret_name, 64, "FOYER_%s", key->name);
    for (size_t i = 0; i < len; i++) {
        if (ret_name[i] == '-')
            ret_name[i] = '_';
        else if (ret_name[i] >= 'a' && ret_name[i] <= 'z')
            ret_name[i] = (char)(ret_name[i] - 'a' + 'A');
    }
}

const struct key *config_key_find(const char *name)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    }
    return NULL;
}

static bool parse_on_off(struct str value, bool *ret_value)
{
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eq_ci(value, str_from_c(words[i]))) {
            *ret_value = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static void set_text(struct loading *loading, const struct key *key, struct str value,
                     const char *where)
{
    char *target = (char *)&loading->config + key->offset;
    if (!str_is_utf8(value) || !str_is_printable(value))
        config_fail(loading, "%s%s: must be printable text", where, key->name);
    else if (str_to_c(value, target, CONFIG_TEXT_MAX) != ERR_OK)
        config_fail(loading, "%s%s: longer than %d bytes", where, key->name, CONFIG_TEXT_MAX - 1);
}

static void set_integer(struct loading *loading, const struct key *key, struct str value,
                        const char *where)
{
    int64_t number = 0;
    if (str_to_i64(value, &number) != ERR_OK || number < key->min || number > key->max) {
        config_fail(loading, "%s%s: must be a whole number from %lld to %lld", where, key->name,
                    (long long)key->min, (long long)key->max);
        return;
    }
    memcpy((char *)&loading->config + key->offset, &number, sizeof(number));
}

void config_key_set(struct loading *loading, const struct key *key, const char *text,
                    enum config_source source, const char *where)
{
    struct str value = str_from_c(text);
    char *target = (char *)&loading->config + key->offset;
    switch (key->type) {
    case KEY_TEXT:
        set_text(loading, key, value, where);
        break;
    case KEY_INTEGER:
        set_integer(loading, key, value, where);
        break;
    case KEY_ON_OFF:
    case KEY_SWITCH:
        if (!parse_on_off(value, (bool *)target))
            config_fail(loading, "%s%s: must be on or off", where, key->name);
        break;
    case KEY_LEVEL:
        if (log_level_parse(value, &loading->config.log_level) != ERR_OK)
            config_fail(loading, "%s%s: must be debug, info, warn, error or off", where, key->name);
        break;
    }
    loading->config.sources[key - config_keys] = source;
}

/* Rules that span keys. */

static bool is_http_url(const char *url)
{
    struct str s = str_from_c(url);
    return (str_starts_with(s, STR("http://")) && s.len > 7) ||
           (str_starts_with(s, STR("https://")) && s.len > 8);
}

static void cut_trailing_slashes(char *url)
{
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        url[--len] = '\0';
}

/* "host:port" or "[v6]:port". */
static bool split_listen(const char *listen, struct str *ret_host, int64_t *ret_port)
{
    struct str s = str_from_c(listen);
    const char *colon = strrchr(listen, ':');
    if (!colon || colon == listen)
        return false;
    *ret_host = str_sub(s, 0, (size_t)(colon - listen));
    bool is_v6 = str_starts_with(*ret_host, STR("[")) && str_ends_with(*ret_host, STR("]"));
    if (!is_v6 && str_find(*ret_host, ':', 0) != ret_host->len)
        return false;
    return str_to_i64(str_from_c(colon + 1), ret_port) == ERR_OK && *ret_port >= 0 &&
           *ret_port <= 65535;
}

static void check_services(struct loading *loading)
{
    struct str rest = str_from_c(loading->config.services);
    if (rest.len == 0)
        config_fail(loading, "services: names no service");
    while (rest.len > 0) {
        struct str name = str_trim(str_split(&rest, ','));
        bool is_known = false;
        for (size_t i = 0; i < sizeof(SERVICES) / sizeof(SERVICES[0]); i++)
            is_known = is_known || str_eq(name, str_from_c(SERVICES[i]));
        if (!is_known)
            config_fail(loading, "services: unknown service '%.*s'", STR_ARG(name));
    }
}

static void check_payments(struct loading *loading)
{
    const struct config *config = &loading->config;
    struct str payments = str_from_c(config->payments);
    if (str_eq(payments, STR("stripe"))) {
        if (!config->stripe_key[0])
            config_fail(loading, "payments: stripe needs stripe-key");
        if (!config->stripe_webhook_secret[0])
            config_fail(loading, "payments: stripe needs stripe-webhook-secret");
        if (!is_http_url(config->stripe_api))
            config_fail(loading, "stripe-api: must begin with https:// or http://");
    } else if (str_starts_with(payments, STR("sandbox="))) {
        if (!is_http_url(config->payments + strlen("sandbox=")))
            config_fail(loading, "payments: sandbox= must be followed by http:// or https://");
    } else if (!str_eq(payments, STR("sandbox"))) {
        config_fail(loading, "payments: must be sandbox, sandbox=URL or stripe");
    }
}

static void check_admin_key(struct loading *loading)
{
    struct str key = str_from_c(loading->config.admin_key);
    if (key.len > 0 && !config_is_api_key(key))
        config_fail(loading, "admin-key: must be sk_ and 20 to 128 of A-Z a-z 0-9 _ -");
}

static void check_push(struct loading *loading)
{
    const struct config *config = &loading->config;
    struct str contact = str_from_c(config->push_contact);
    struct str account = str_from_c(config->chat_hooks_account);
    uint64_t id;
    if (contact.len > 0 && !str_starts_with(contact, STR("mailto:")) &&
        !str_starts_with(contact, STR("https://")))
        config_fail(loading, "push-contact: must begin with mailto: or https://");
    if (account.len > 0 && id_parse(account, "usr", &id) != ERR_OK)
        config_fail(loading, "chat-hooks-account: must be the id of a user, usr_...");
    if (account.len > 0 &&
        !(config_has_service(config, "hooks") && config_has_service(config, "chat")))
        config_fail(loading, "chat-hooks-account: needs the services hooks and chat");
}

static bool is_store_url(const char *store)
{
    return db_location_is_pgsql(store) && !strchr(store, '#');
}

/* Each is SCHEME://HOST[:PORT], as browsers say it. */
static void check_origins(struct loading *loading)
{
    struct str list = str_from_c(loading->config.chat_origins);
    for (size_t count = 1; list.len > 0; count++) {
        struct str origin = str_split(&list, ',');
        if (count > CONFIG_ORIGINS_MAX) {
            config_fail(loading, "chat-origins: at most %d can be named", CONFIG_ORIGINS_MAX);
            return;
        }
        struct str host = str_starts_with(origin, STR("https://"))  ? str_sub(origin, 8, origin.len)
                          : str_starts_with(origin, STR("http://")) ? str_sub(origin, 7, origin.len)
                                                                    : STR_NONE;
        if (host.len == 0 || str_find(host, '/', 0) < host.len || str_find(host, ' ', 0) < host.len)
            config_fail(loading, "chat-origins: '%.*s' is not like https://example.org",
                        STR_ARG(origin));
    }
}

static void check_proxies(struct loading *loading)
{
    struct egress_rules rules;
    if (egress_rules_parse(str_from_c(loading->config.trusted_proxies), &rules) != ERR_OK)
        config_fail(loading,
                    "trusted-proxies: must be networks such as 10.0.0.0/8 or fd00::/8, with commas "
                    "between them, %d at most",
                    EGRESS_ALLOWED_MAX);
}

static void check(struct loading *loading)
{
    struct config *config = &loading->config;
    struct str host;
    int64_t port;
    cut_trailing_slashes(config->public_url);
    cut_trailing_slashes(config->stripe_api);
    struct str mail = str_from_c(config->mail);
    if (!config->data[0])
        config_fail(loading, "data: must name a directory");
    if (strcmp(config->store, "sqlite") != 0 && !is_store_url(config->store))
        config_fail(loading, "store: must be sqlite or postgres://user@host/database");
    if (!split_listen(config->listen, &host, &port))
        config_fail(loading, "listen: must be HOST:PORT (or [IPv6]:PORT)");
    if (config->public_url[0] && !is_http_url(config->public_url))
        config_fail(loading, "public-url: must begin with https:// or http://");
    if (!str_eq(mail, STR("dir")) && !str_starts_with(mail, STR("smtp://")) &&
        !str_starts_with(mail, STR("smtps://")))
        config_fail(loading, "mail: must be dir, smtp://... or smtps://...");
    if (!config->tls_cert[0] != !config->tls_key[0])
        config_fail(loading, "%s: tls-cert and tls-key must be given together",
                    config->tls_cert[0] ? "tls-cert" : "tls-key");
    if (strcmp(config->hooks_unknown_types, "allow") != 0 &&
        strcmp(config->hooks_unknown_types, "refuse") != 0)
        config_fail(loading, "hooks-unknown-types: must be allow or refuse");
    check_services(loading);
    check_push(loading);
    check_payments(loading);
    check_admin_key(loading);
    check_origins(loading);
    check_proxies(loading);
}

bool config_is_pgsql(const struct config *config)
{
    return db_location_is_pgsql(config->store);
}

enum err config_database(const struct config *config, const char *name,
                         char ret_location[static CONFIG_LOCATION_MAX])
{
    static const char *const shared[] = {"platform", "tickets", "mail", "hooks", "chat"};
    bool is_shared = false;
    for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
        is_shared = is_shared || strcmp(name, shared[i]) == 0;
    bool is_pgsql = is_shared && config_is_pgsql(config);
    int len = snprintf(ret_location, CONFIG_LOCATION_MAX, is_pgsql ? "%s#%s" : "%s/%s.db",
                       is_pgsql ? config->store : config->data, name);
    return len >= 0 && len < CONFIG_LOCATION_MAX ? ERR_OK : ERR_LIMIT;
}

bool config_is_api_key(struct str key)
{
    if (!str_starts_with(key, STR("sk_")) || key.len < 3 + 20 || key.len > 3 + 128)
        return false;
    for (size_t i = 3; i < key.len; i++) {
        char c = key.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return true;
}

enum err config_load(int argc, char *const *argv, struct config *ret_config, char *ret_message)
{
    struct loading loading = {.message = ret_message};
    char *arguments[CONFIG_ARGUMENTS_MAX + 2] = {(char *)"foyer"};
    struct flag_value flags[CONFIG_ARGUMENTS_MAX];
    if (argc < 0 || argc > CONFIG_ARGUMENTS_MAX) {
        config_fail(&loading, "too many arguments");
        return ERR_INVALID;
    }
    for (int i = 0; i < argc; i++)
        arguments[i + 1] = argv[i];
    for (size_t i = 0; i < config_key_count; i++)
        config_key_set(&loading, &config_keys[i], config_keys[i].fallback, CONFIG_FROM_DEFAULT, "");

    size_t flag_count = config_read_flags(&loading, argc + 1, arguments, flags);
    /* Which file to read is known by flag or environment only. */
    const char *path = getenv("FOYER_CONFIG");
    for (size_t i = 0; i < flag_count; i++) {
        if (strcmp(flags[i].key->name, "config") == 0)
            path = flags[i].text;
    }
    if (path && path[0] && !loading.has_failed) {
        set_text(&loading, config_key_find("config"), str_from_c(path), "");
        if (!loading.has_failed)
            config_read_file(&loading);
    }
    config_read_env(&loading);
    for (size_t i = 0; i < flag_count; i++)
        config_key_set(&loading, flags[i].key, flags[i].text, CONFIG_FROM_FLAG, "--");
    check(&loading);
    if (loading.has_failed)
        return ERR_INVALID;
    *ret_config = loading.config;
    return ERR_OK;
}

void config_set_port(struct config *config, unsigned port)
{
    struct str host;
    int64_t ignored;
    if (config->public_url[0] || !split_listen(config->listen, &host, &ignored))
        return;
    /* A wildcard address is no place to go to. */
    if (str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("[::]")))
        host = STR("localhost");
    (void)snprintf(config->public_url, sizeof(config->public_url), "%s://%.*s:%u",
                   config->tls_cert[0] ? "https" : "http", (int)host.len, host.data, port);
}

bool config_has_service(const struct config *config, const char *name)
{
    struct str rest = str_from_c(config->services);
    while (rest.len > 0) {
        if (str_eq(str_trim(str_split(&rest, ',')), str_from_c(name)))
            return true;
    }
    return false;
}
