/*
 * Subcommands config, migrate and admin. The ones that write take the lock of the data directory,
 * because a database has one writer at a time: while `foyer serve` runs they say so and do nothing.
 */
#include "app/commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/config.h"
#include "app/data_dir.h"
#include "app/identity_import.h"
#include "app/identity_reset.h"
#include "app/identity_state.h"
#include "base/crypto.h"
#include "base/embed.h"
#include "store/migrate.h"

#define ARGUMENTS_MAX    64
#define SERVICE_NAME_MAX 32

static bool load_config(int argc, char *const *argv, struct config *ret_config)
{
    char message[256];
    if (config_load(argc, argv, ret_config, message) == ERR_OK)
        return true;
    fprintf(stderr, "foyer: %s\n", message);
    return false;
}

int command_config(int argc, char *const *argv)
{
    struct config config;
    if (!load_config(argc, argv, &config))
        return 2;
    config_print(&config);
    return 0;
}

/* migrate */

static bool migrate_service(const struct config *config, const char *service)
{
    char path[CONFIG_LOCATION_MAX];
    struct db *db = NULL;
    size_t applied = 0;
    enum err err = config_database(config, service, path);
    bool is_pgsql = err == ERR_OK && db_location_is_pgsql(path);
    /* What is no service of --services is only brought up to date where it has run before. */
    bool is_wanted = strcmp(service, "platform") == 0 || config_has_service(config, service);
    if (err == ERR_OK && !is_pgsql && !is_wanted && access(path, F_OK) != 0)
        return true;
    if (err == ERR_OK)
        err = db_open(path, DB_WRITER, &db);
    if (err == ERR_OK)
        err = migrate_run(db, service, &applied);
    if (err == ERR_OK)
        printf("%s: %zu applied\n", is_pgsql ? service : path, applied);
    else
        fprintf(stderr, "foyer: %s: %s: %s\n", service, err_name(err),
                db ? db_message(db) : db_open_failure());
    db_close(db);
    return err == ERR_OK;
}

/* The service of "sql/tickets/001_initial.sql"; empty for other files. */
static struct str service_of(const char *embedded_path)
{
    struct str rest = str_from_c(embedded_path);
    if (!str_eq(str_split(&rest, '/'), STR("sql")))
        return STR_NONE;
    struct str service = str_split(&rest, '/');
    return rest.len > 0 ? service : STR_NONE;
}

int command_migrate(int argc, char *const *argv)
{
    struct config config;
    char message[DATA_DIR_MESSAGE_SIZE];
    int lock_fd;
    if (!load_config(argc, argv, &config))
        return 2;
    if (data_dir_lock(config.data, &lock_fd, message) != ERR_OK) {
        fprintf(stderr, "foyer: %s\n", message);
        return 1;
    }
    bool is_done = true;
    char last[SERVICE_NAME_MAX] = "";
    for (const struct embed_file *file = embed_files; file->path; file++) {
        struct str service = service_of(file->path);
        if (service.len == 0 || str_eq(service, str_from_c(last)))
            continue;
        if (str_to_c(service, last, sizeof(last)) != ERR_OK || !migrate_service(&config, last))
            is_done = false;
    }
    (void)close(lock_fd); /* the process ends anyway */
    return is_done ? 0 : 1;
}

/* admin create-key */

struct create_key {
    const char *name;
    const char *scopes;
    int rest_count;
    char *rest[ARGUMENTS_MAX]; /* what is left for the configuration */
};

bool command_take_value(int argc, char *const *argv, int *index, const char *flag,
                        const char **ret_value)
{
    struct str argument = str_from_c(argv[*index]);
    size_t len = strlen(flag);
    if (!str_starts_with(argument, str_from_c(flag)))
        return false;
    if (argument.len > len && argv[*index][len] == '=') {
        *ret_value = argv[*index] + len + 1;
        return true;
    }
    if (argument.len != len || *index + 1 >= argc)
        return false;
    *ret_value = argv[++*index];
    return true;
}

static bool parse_create_key(int argc, char *const *argv, struct create_key *ret_args)
{
    struct create_key args = {.scopes = "admin"};
    for (int i = 1; i < argc; i++) {
        if (!command_take_value(argc, argv, &i, "--name", &args.name) &&
            !command_take_value(argc, argv, &i, "--scopes", &args.scopes))
            args.rest[args.rest_count++] = argv[i];
    }
    *ret_args = args;
    return args.name != NULL;
}

/* The accounts' writer, started; NULL is fine to close. */
static enum err open_accounts(const struct config *config, struct writer **ret_writer)
{
    char path[CONFIG_LOCATION_MAX];
    enum err err = config_database(config, "platform", path);
    if (err == ERR_OK)
        err = writer_new(path, "platform", ret_writer);
    if (err == ERR_OK)
        err = writer_start(*ret_writer);
    return err;
}

static void close_accounts(struct writer *writer)
{
    if (writer)
        writer_stop(writer);
    writer_free(writer);
}

static enum err make_key(const struct config *config, const struct create_key *args,
                         unsigned scopes)
{
    char key[API_KEY_SIZE];
    struct writer *writer = NULL;
    enum err err = open_accounts(config, &writer);
    if (err == ERR_OK)
        err = identity_make_operator_key(writer, str_from_c(args->name), scopes, STR_NONE, key);
    close_accounts(writer);
    if (err == ERR_OK)
        printf("%s\n", key);
    crypto_wipe(key, sizeof(key));
    return err;
}

static int create_key(int argc, char *const *argv)
{
    struct create_key args;
    struct config config;
    unsigned scopes;
    char message[DATA_DIR_MESSAGE_SIZE];
    int lock_fd;
    if (!parse_create_key(argc, argv, &args)) {
        fprintf(stderr, "usage: foyer admin create-key --data DIR --name NAME "
                        "[--scopes organizer,check-in,support,admin]\n");
        return 2;
    }
    if (!load_config(args.rest_count, args.rest, &config))
        return 2;
    if (scopes_parse(str_from_c(args.scopes), &scopes) != ERR_OK) {
        fprintf(stderr, "foyer: --scopes: must be of organizer, check-in, support, admin\n");
        return 2;
    }
    if (crypto_init() != ERR_OK)
        return 1;
    if (data_dir_lock(config.data, &lock_fd, message) != ERR_OK) {
        fprintf(stderr, "foyer: %s; stop it, or make the key over the API: POST /v1/api-keys\n",
                message);
        return 1;
    }
    enum err err = make_key(&config, &args, scopes);
    (void)close(lock_fd); /* the process ends anyway */
    if (err != ERR_OK)
        fprintf(stderr, "foyer: cannot make the key: %s\n", err_name(err));
    return err == ERR_OK ? 0 : 1;
}

/* admin import-users */

struct import_users {
    struct import_options options;
    int rest_count;
    char *rest[ARGUMENTS_MAX];
};

/* NULL, or what is wrong. */
static const char *parse_import_users(int argc, char *const *argv, struct import_users *ret_args)
{
    struct import_users args = {.options = {.prefix = "guest"}};
    const char *count = NULL;
    for (int i = 1; i < argc; i++) {
        if (!command_take_value(argc, argv, &i, "--count", &count) &&
            !command_take_value(argc, argv, &i, "--prefix", &args.options.prefix) &&
            !command_take_value(argc, argv, &i, "--csv", &args.options.csv) &&
            !command_take_value(argc, argv, &i, "--sessions", &args.options.sessions))
            args.rest[args.rest_count++] = argv[i];
    }
    if (count &&
        (str_to_i64(str_from_c(count), &args.options.count) != ERR_OK || args.options.count < 1))
        return "--count: must be a whole number from 1 on";
    *ret_args = args;
    return import_options_problem(&args.options);
}

static int run_import(const struct config *config, const struct import_options *options)
{
    struct import_totals totals;
    char message[IMPORT_MESSAGE_MAX];
    enum err err = import_run(config, options, &totals, message);
    if (err != ERR_OK)
        fprintf(stderr, "foyer: %s\n", message[0] ? message : err_name(err));
    if (err == ERR_OK || totals.made + totals.kept > 0)
        printf("%llu accounts made, %llu kept as they were; %llu sessions%s%s\n",
               (unsigned long long)totals.made, (unsigned long long)totals.kept,
               (unsigned long long)totals.sessions, options->sessions ? " in " : "",
               options->sessions ? options->sessions : "");
    if (totals.without_session > 0)
        printf(
            "%llu of the kept accounts have a password or a role: they got no session, and their "
            "tokens in the file are worth nothing\n",
            (unsigned long long)totals.without_session);
    return err == ERR_OK ? 0 : 1;
}

static int import_users(int argc, char *const *argv)
{
    struct import_users args;
    struct config config;
    char message[DATA_DIR_MESSAGE_SIZE];
    int lock_fd;
    const char *problem = parse_import_users(argc, argv, &args);
    if (problem) {
        fprintf(stderr,
                "foyer: %s\nusage: foyer admin import-users --data DIR "
                "(--count N [--prefix NAME] | --csv FILE) [--sessions FILE]\n",
                problem);
        return 2;
    }
    if (!load_config(args.rest_count, args.rest, &config))
        return 2;
    if (crypto_init() != ERR_OK)
        return 1;
    if (data_dir_lock(config.data, &lock_fd, message) != ERR_OK) {
        fprintf(stderr, "foyer: %s; stop it first\n", message);
        return 1;
    }
    int status = run_import(&config, &args.options);
    (void)close(lock_fd); /* the process ends anyway */
    return status;
}

/* admin reset-totp, reset-password */

static int say_reset(const char *name, const char *email, enum err err, const char *password)
{
    bool is_totp = strcmp(name, "reset-totp") == 0;
    if (err == ERR_OK && is_totp)
        printf("%s has no second factor any more, and no session\n", email);
    else if (err == ERR_OK)
        printf("%s\n", password);
    else if (err == ERR_NOT_FOUND)
        fprintf(stderr, "foyer: there is no account with the email %s\n", email);
    else if (err == ERR_CONFLICT)
        fprintf(stderr, "foyer: %s has no second factor\n", email);
    else
        fprintf(stderr, "foyer: cannot do it: %s\n", err_name(err));
    return err == ERR_OK ? 0 : 1;
}

static int run_reset(const struct config *config, const char *name, const char *email)
{
    char password[RECOVERY_CODE_SIZE] = "";
    struct writer *writer = NULL;
    enum err err = open_accounts(config, &writer);
    if (err == ERR_OK && strcmp(name, "reset-totp") == 0)
        err = identity_reset_totp(writer, str_from_c(email));
    else if (err == ERR_OK)
        err = identity_reset_password(writer, str_from_c(email), password);
    close_accounts(writer);
    int status = say_reset(name, email, err, password);
    crypto_wipe(password, sizeof(password));
    return status;
}

static int reset(int argc, char *const *argv)
{
    struct config config;
    char message[DATA_DIR_MESSAGE_SIZE];
    char *rest[ARGUMENTS_MAX];
    const char *email = NULL;
    int rest_count = 0;
    int lock_fd;
    for (int i = 1; i < argc; i++) {
        if (!command_take_value(argc, argv, &i, "--email", &email))
            rest[rest_count++] = argv[i];
    }
    if (!email) {
        fprintf(stderr, "usage: foyer admin %s --data DIR --email EMAIL\n", argv[0]);
        return 2;
    }
    if (!load_config(rest_count, rest, &config))
        return 2;
    if (crypto_init() != ERR_OK)
        return 1;
    if (data_dir_lock(config.data, &lock_fd, message) != ERR_OK) {
        fprintf(stderr, "foyer: %s; stop it first\n", message);
        return 1;
    }
    int status = run_reset(&config, argv[0], email);
    (void)close(lock_fd); /* the process ends anyway */
    return status;
}

/* admin */

static const struct {
    const char *name;
    const char *help;
    int (*run)(int argc, char *const *argv); /* argv[0] is the name */
} admin_commands[] = {
    {"create-key", "--name NAME [--scopes LIST]", create_key},
    {"import-users", "(--count N [--prefix NAME] | --csv FILE) [--sessions FILE]", import_users},
    {"reset-totp", "--email EMAIL", reset},
    {"reset-password", "--email EMAIL", reset},
};
#define ADMIN_COMMANDS (sizeof(admin_commands) / sizeof(admin_commands[0]))

int command_admin(int argc, char *const *argv)
{
    for (size_t i = 0; i < ADMIN_COMMANDS && argc >= 1 && argc <= ARGUMENTS_MAX; i++) {
        if (strcmp(argv[0], admin_commands[i].name) == 0)
            return admin_commands[i].run(argc, argv);
    }
    fprintf(stderr, "usage:\n");
    for (size_t i = 0; i < ADMIN_COMMANDS; i++)
        fprintf(stderr, "  foyer admin %s --data DIR %s\n", admin_commands[i].name,
                admin_commands[i].help);
    return 2;
}
