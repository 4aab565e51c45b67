/*
 * Configuration: defaults, then one INI file (--config), then environment (FOYER_<NAME>), then
 * flags; one table of keys gives names, types, limits, help and defaults. `foyer config` prints
 * the effective values and where each came from.
 */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include "base/log.h"

#define CONFIG_TEXT_MAX    512
#define CONFIG_ORIGINS_MAX 32 /* of --chat-origins */
#define CONFIG_KEYS_MAX    48

enum config_source {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_ENVIRONMENT,
    CONFIG_FROM_FLAG
};

struct config {
    char data[CONFIG_TEXT_MAX];   /* --data DIR */
    char store[CONFIG_TEXT_MAX];  /* --store sqlite | postgres://... */
    char listen[CONFIG_TEXT_MAX]; /* --listen HOST:PORT, default 127.0.0.1:8080 */
    char public_url
        [CONFIG_TEXT_MAX]; /* --public-url: base for links in mail and payment returns; "" until
                                         * config_set_port made it from listen; never ends in '/' */
    char services[CONFIG_TEXT_MAX]; /* --services tickets,... */
    char payments[CONFIG_TEXT_MAX]; /* --payments sandbox | sandbox=URL | stripe */
    char stripe_key[CONFIG_TEXT_MAX];
    char stripe_webhook_secret[CONFIG_TEXT_MAX];
    char stripe_api[CONFIG_TEXT_MAX]; /* default https://api.stripe.com */
    char mail[CONFIG_TEXT_MAX];       /* --mail dir | smtp://user:pass@host:port | smtps://... */
    char mail_from[CONFIG_TEXT_MAX];
    char hooks_key[CONFIG_TEXT_MAX];           /* 64 hex digits; "": DATA/hooks.key */
    char hooks_allow_cidr[CONFIG_TEXT_MAX];    /* networks with a comma between them */
    char hooks_unknown_types[CONFIG_TEXT_MAX]; /* allow, refuse */
    int64_t hooks_timeout_ms;
    int64_t hooks_ingest_rate;          /* messages a second of an application; 0: no limit */
    int64_t hooks_backlog_max;          /* deliveries of an application that wait; 0: no limit */
    char media[CONFIG_TEXT_MAX];        /* --media DIR; "": DATA/media */
    char chat_origins[CONFIG_TEXT_MAX]; /* with a comma between them */
    char push_contact
        [CONFIG_TEXT_MAX]; /* mailto: or https: of whom push services may tell; "": made */
    char push_allow_cidr[CONFIG_TEXT_MAX];    /* as hooks_allow_cidr */
    bool push_text;                           /* notifications say what was written */
    char chat_hooks_account[CONFIG_TEXT_MAX]; /* usr_...; "": nobody is told of chats */
    bool chat_hooks_text;                     /* they are told what was written */
    char tls_cert[CONFIG_TEXT_MAX];
    char tls_key[CONFIG_TEXT_MAX];
    char admin_key[CONFIG_TEXT_MAX]; /* FOYER_ADMIN_KEY, environment only */
    int64_t loops;                   /* 0: cores */
    int64_t readers;                 /* pool threads, default 4 */
    int64_t connections_max;
    int64_t request_timeout_ms;
    int64_t send_timeout_ms;
    int64_t send_rate_min;
    int64_t drain_ms;
    char trusted_proxies[CONFIG_TEXT_MAX]; /* networks with a comma between them */
    bool test_clock;
    bool abuse;        /* --abuse=on|off */
    bool require_totp; /* --require-totp */
    enum log_level log_level;
    char file[CONFIG_TEXT_MAX];                  /* --config FILE, "" when there is none */
    enum config_source sources[CONFIG_KEYS_MAX]; /* by row of the table of keys */
};

/* Reads all sources. On a mistake ERR_INVALID and one line in ret_message (256 bytes) naming the
 * key. argv from after the subcommand. */
ERR_MUST_USE enum err config_load(int argc, char *const *argv, struct config *ret_config,
                                  char *ret_message);
/* Fills public_url, when it was not given, once the port is known. */
void config_set_port(struct config *config, unsigned port);
/* ^sk_[A-Za-z0-9_-]{20,128}$ */
bool config_is_api_key(struct str key);
/* True when the list --services has the name. */
bool config_has_service(const struct config *config, const char *name);
/* Everything but copies and what belongs to this node is in PostgreSQL. */
bool config_is_pgsql(const struct config *config);
/* Where a database is, for db_open: "platform", "tickets", "mail", "hooks" and "chat" in the store, others always a
 * file in the data directory. */
#define CONFIG_LOCATION_MAX (CONFIG_TEXT_MAX + 32)
ERR_MUST_USE enum err config_database(const struct config *config, const char *name,
                                      char ret_location[static CONFIG_LOCATION_MAX]);
/* Prints an INI file to standard output. Secrets are masked. */
void config_print(const struct config *config);
void config_usage(void);

#endif
