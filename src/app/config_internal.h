/* Between config.c (the table and the rules), config_read.c (the sources) and config_print.c.
 * Before there are threads. */
#ifndef APP_CONFIG_INTERNAL_H
#define APP_CONFIG_INTERNAL_H

#include "app/config.h"

#define CONFIG_MESSAGE_SIZE  256
#define CONFIG_ARGUMENTS_MAX 128

enum key_type {
    KEY_TEXT,
    KEY_INTEGER,
    KEY_ON_OFF,
    KEY_SWITCH /* as on/off; the flag takes no value */,
    KEY_LEVEL
};

enum key_flags {
    KEY_SECRET = 1,   /* masked, and refused on the command line */
    KEY_ENV_ONLY = 2, /* not in the file either */
    KEY_PASSWORD = 4, /* a URL whose password is masked */
    KEY_NOT_IN_FILE = 8,
};

struct key {
    const char *name;
    const char *fallback;
    const char *argument; /* for the usage text */
    const char *help;
    enum key_type type;
    unsigned flags;
    size_t offset;
    int64_t min, max;
};

/* The table; every row is a flag, a variable and a line of the file. */
extern const struct key config_keys[];
extern const size_t config_key_count;

/* What is being filled, and where the first mistake goes. */
struct loading {
    struct config config;
    char *message;
    bool has_failed;
    unsigned line; /* of the file */
    bool is_line_too_long;
    bool is_in_file[CONFIG_KEYS_MAX];
};

/* Notes the first mistake; later ones are dropped. */
void config_fail(struct loading *loading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* NULL: no such key. */
const struct key *config_key_find(const char *name);
/* "FOYER_STRIPE_KEY" of "stripe-key". */
void config_env_name(const struct key *key, char ret_name[static 64]);
/* Checks the value and sets it. where: a prefix for the message such as "foyer.ini line 3: ". */
void config_key_set(struct loading *loading, const struct key *key, const char *text,
                    enum config_source source, const char *where);

struct flag_value {
    const struct key *key;
    const char *text;
};

/* The sources. The file is config.file. */
void config_read_file(struct loading *loading);
void config_read_env(struct loading *loading);
/* argv[0] is not read. Returns how many flags were found. */
size_t config_read_flags(struct loading *loading, int argc, char **argv,
                         struct flag_value values[static CONFIG_ARGUMENTS_MAX]);

#endif
