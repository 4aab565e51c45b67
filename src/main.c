/*
 * The composition root: subcommands, and what `serve` is made of.
 *
 * `serve` builds from the ground up (directory and its lock, services, application, listening
 * socket, workers, loops), says that it is ready, waits for SIGTERM or SIGINT, and takes everything
 * down in the reverse order: first nothing new comes in and what is open is answered, then the
 * workers stop, then the writers, so that an accepted request is never lost.
 *
 * Signals are blocked before the first thread starts and only waited for here; no handler runs.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app.h"
#include "app/backup.h"
#include "app/commands.h"
#include "app/data_dir.h"
#include "base/crypto.h"
#include "chat/audit.h"
#include "chat/media_thumb.h"
#include "chat/service.h"
#include "hooks/audit.h"
#include "hooks/hooks.h"
#include "net/egress.h"
#include "net/server.h"
#include "sandbox/sandbox.h"
#include "tickets/audit.h"
#include "tickets/bridge.h"
#include "tickets/bridge_types.h"
#include "tickets/live.h"
#include "tickets/rehearse.h"
#include "tickets/search.h"
#include "tickets/tickets.h"
#include "tickets/venue_generate.h"
#include "tickets/verify_queue.h"

#define BODY_SLACK_BYTES     (64u << 10)
#define DESCRIPTORS_RESERVED 256 /* databases, pipes, outgoing connections */

struct serving {
    struct config config;
    struct egress_rules proxies; /* --trusted-proxies */
    int lock_fd;
    struct tickets *tickets; /* NULL: not among --services */
    struct hooks *hooks;     /* the same */
    struct chat_service *chat;
    struct bridge *to_hooks, *to_chat; /* from tickets; NULL unless both are there */
    struct app *app;
    struct server *server;
    bool is_serving; /* the loops run */
};

static int complain(const char *what, enum err err)
{
    const char *why = writer_failure(); /* of a database, when there is one */
    fprintf(stderr, "foyer: cannot start: %s: %s\n", what, why[0] ? why : err_name(err));
    return 1;
}

/* As many descriptors as the system allows. Returns how many. */
static size_t raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* then it stays as it was */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    return (size_t)limit.rlim_cur;
}

static unsigned loop_count(const struct config *config)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (config->loops > 0)
        return (unsigned)config->loops;
    return cores < 1 ? 1 : cores > 64 ? 64 : (unsigned)cores;
}

static size_t connections_max(const struct config *config)
{
    size_t descriptors = raise_descriptors();
    size_t usable = descriptors > 2 * DESCRIPTORS_RESERVED ? descriptors - DESCRIPTORS_RESERVED
                                                           : descriptors / 2;
    return (size_t)config->connections_max < usable ? (size_t)config->connections_max : usable;
}

/* Blocks the signals that serve_wait takes, in this thread and all that it starts. */
static void signals_block(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    pthread_sigmask(SIG_BLOCK, ret_set, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail for this signal */
}

static enum err make_app(struct serving *serving)
{
    struct app_options options = {.config = &serving->config};
    if (config_has_service(&serving->config, "tickets")) {
        enum err err = tickets_new(&serving->config, &serving->tickets);
        if (err != ERR_OK)
            return err;
        options.services[options.service_count] = tickets_service(serving->tickets);
        options.database_paths[options.service_count++] = tickets_database_path(serving->tickets);
        options.services[options.service_count] = search_service(serving->tickets->search);
        options.database_paths[options.service_count++] =
            search_database_path(serving->tickets->search);
    }
    if (config_has_service(&serving->config, "hooks")) {
        enum err err = hooks_new(&serving->config, &serving->hooks);
        if (err != ERR_OK)
            return err;
        options.services[options.service_count] = hooks_service(serving->hooks);
        options.database_paths[options.service_count++] = hooks_database_path(serving->hooks);
    }
    if (config_has_service(&serving->config, "chat")) {
        enum err err = chat_service_new(&serving->config, &serving->chat);
        if (err != ERR_OK)
            return err;
        options.services[options.service_count] = chat_service_of(serving->chat);
        options.database_paths[options.service_count++] = chat_database_path(serving->chat);
    }
    return app_new(&options, &serving->app);
}

static enum err make_server(struct serving *serving)
{
    const struct config *config = &serving->config;
    struct server_options options = {
        .listen = config->listen,
        .loops = loop_count(config),
        .connections_max = connections_max(config),
        .body_max = ROUTE_BODY_MAX + BODY_SLACK_BYTES,
        .request_timeout_ms = config->request_timeout_ms,
        .send_timeout_ms = config->send_timeout_ms,
        .send_rate_min = config->send_rate_min,
        .tls_cert = config->tls_cert[0] ? config->tls_cert : NULL,
        .tls_key = config->tls_key[0] ? config->tls_key : NULL,
        .on_request = app_on_request,
        .ctx = serving->app,
        .proxies = config->trusted_proxies[0] ? &serving->proxies : NULL,
        .websockets = serving->chat ? chat_service_websockets(serving->chat) : NULL,
        .event_streams = serving->tickets ? live_event_streams(serving->tickets->live) : NULL,
    };
    char message[256] = "";
    /* The configuration's check has read it before. */
    enum err err = egress_rules_parse(str_from_c(config->trusted_proxies), &serving->proxies);
    if (err != ERR_OK)
        return err;
    err = server_new(&options, &serving->server, message);
    if (err != ERR_OK)
        fprintf(stderr, "foyer: %s\n", message);
    else
        app_show_server(serving->app, serving->server);
    return err;
}

/* What happens in tickets is told to organizers by hooks, and to them and their buyers in chats. */
static enum err start_bridges(struct serving *serving)
{
    struct bridge_sink sink;
    enum err err = ERR_OK;
    if (serving->tickets && serving->hooks) {
        err = hooks_open_inlet(serving->hooks, "tickets", bridge_types, bridge_type_count, &sink);
        if (!err)
            err = bridge_start(serving->tickets, BRIDGE_TO_HOOKS, &sink, &serving->to_hooks);
    }
    if (!err && serving->tickets && serving->chat) {
        err = chat_service_open_inlet(serving->chat, "tickets", &sink);
        if (!err)
            err = bridge_start(serving->tickets, BRIDGE_TO_CHAT, &sink, &serving->to_chat);
    }
    return err;
}

/* The operator is told by hooks what happens in chats, if he wants to. */
static enum err start_chat_bridge(struct serving *serving)
{
    struct bridge_sink sink;
    if (!serving->chat || !serving->hooks || !chat_service_tells(serving->chat))
        return ERR_OK;
    enum err err = hooks_open_inlet(serving->hooks, "chat", fact_types, fact_type_count, &sink);
    return err ? err : chat_service_tell(serving->chat, &sink);
}

static enum err start_tickets(struct serving *serving, unsigned port)
{
    enum err err = tickets_start(serving->tickets, serving->app, port);
    return err ? err
               : live_start(serving->tickets->live, serving->app,
                            server_event_streams(serving->server),
                            connections_max(&serving->config));
}

/* Everything until requests are answered. What was made stays in serving for serve_stop, also on
 * failure. */
static int serve_start(struct serving *serving)
{
    enum err err = make_app(serving);
    if (err != ERR_OK)
        return complain("databases and services", err);
    err = make_server(serving);
    if (err != ERR_OK)
        return complain("listening socket", err);
    unsigned port = server_port(serving->server);
    config_set_port(&serving->config, port);
    if (serving->tickets)
        err = start_tickets(serving, port);
    if (err != ERR_OK)
        return complain("tickets", err);
    if (serving->hooks)
        err = hooks_start(serving->hooks, serving->app);
    if (err != ERR_OK)
        return complain("hooks", err);
    err = start_chat_bridge(serving);
    if (err != ERR_OK)
        return complain("the bridge from chat to hooks", err);
    if (serving->chat)
        err = chat_service_start(serving->chat, serving->app, server_websockets(serving->server));
    if (err != ERR_OK)
        return complain("chat", err);
    err = start_bridges(serving);
    if (err != ERR_OK)
        return complain("what tickets tells the other services", err);
    err = server_start(serving->server);
    if (err != ERR_OK)
        return complain("event loops", err);
    serving->is_serving = true;
    return 0;
}

static void serve_stop(struct serving *serving)
{
    if (serving->app)
        app_set_draining(serving->app);
    if (serving->is_serving)
        server_stop(serving->server, serving->config.drain_ms);
    /* Pools first: what they still run (after a drain that took too long) uses the services. */
    if (serving->app)
        app_stop(serving->app);
    bridge_stop(serving->to_hooks);
    bridge_stop(serving->to_chat);
    if (serving->chat)
        chat_service_untell(serving->chat);
    if (serving->tickets)
        tickets_stop(serving->tickets);
    if (serving->hooks)
        hooks_stop(serving->hooks);
    if (serving->chat)
        chat_service_stop(serving->chat);
    if (serving->server)
        server_free(serving->server);
    if (serving->app)
        app_free(serving->app);
    if (serving->tickets)
        tickets_free(serving->tickets);
    hooks_free(serving->hooks);
    chat_service_free(serving->chat);
    (void)close(serving->lock_fd); /* the process ends anyway */
}

/* "ready https://127.0.0.1:8443": where it listens, which --public-url need not be. */
static void print_ready(const struct serving *serving)
{
    const char *listen = serving->config.listen;
    int host_len = (int)(strrchr(listen, ':') - listen);
    printf("ready %s://%.*s:%u\n", serving->config.tls_cert[0] ? "https" : "http", host_len, listen,
           server_port(serving->server));
    (void)fflush(stdout); /* whoever waits for the line may have gone; the server runs on */
}

static void wait_for_stop(const sigset_t *signals)
{
    int signal_number = 0;
    while (sigwait(signals, &signal_number) != 0)
        continue;
    log_info("stopping", "signal=%d", signal_number);
}

static int command_serve(int argc, char *const *argv)
{
    static struct serving serving; /* large */
    char message[DATA_DIR_MESSAGE_SIZE];
    sigset_t signals;
    if (config_load(argc, argv, &serving.config, message) != ERR_OK) {
        fprintf(stderr, "foyer: %s\n", message);
        return 2;
    }
    log_set_level(serving.config.log_level);
    signals_block(&signals);
    if (crypto_init() != ERR_OK) {
        fprintf(stderr, "foyer: cannot start: no randomness\n");
        return 1;
    }
    if (data_dir_lock(serving.config.data, &serving.lock_fd, message) != ERR_OK) {
        fprintf(stderr, "foyer: %s\n", message);
        return 1;
    }
    int status = serve_start(&serving);
    if (status == 0) {
        print_ready(&serving);
        wait_for_stop(&signals);
    }
    serve_stop(&serving);
    return status;
}

static const struct audit_part *const audit_parts[] = {&tickets_audit, &hooks_audit, &chat_audit};
#define AUDIT_PARTS (sizeof(audit_parts) / sizeof(audit_parts[0]))

static int command_audit(int argc, char *const *argv)
{
    static struct config config;
    char message[256];
    char *rest[64];
    int rest_count = 0;
    struct audit_options options = {0};
    for (int i = 0; i < argc && rest_count < 64; i++) {
        if (strcmp(argv[i], "--json") == 0)
            options.is_json = true;
        else if (strcmp(argv[i], "--quick") == 0)
            options.is_quick = true;
        else if (strcmp(argv[i], "--textfile") == 0 && i + 1 < argc)
            options.textfile = argv[++i];
        else
            rest[rest_count++] = argv[i];
    }
    if (config_load(rest_count, rest, &config, message) != ERR_OK) {
        fprintf(stderr, "foyer: %s\n", message);
        return 2;
    }
    log_set_level(config.log_level);
    if (crypto_init() != ERR_OK)
        return 2;
    return audit_main(&config, &options, audit_parts, AUDIT_PARTS);
}

static int command_backup(int argc, char *const *argv)
{
    static struct backup_args args;
    int status = backup_args_parse(argc, argv, "--to", &args);
    if (status == 0)
        status = crypto_init() == ERR_OK ? backup_run(&args) : 1;
    return status;
}

/* What was put back is audited before anybody may trust it. */
static int command_restore(int argc, char *const *argv)
{
    static struct backup_args args;
    int status = backup_args_parse(argc, argv, "--from", &args);
    if (status == 0)
        status = crypto_init() == ERR_OK ? restore_run(&args) : 1;
    return status == 0
               ? audit_main(&args.config, &(struct audit_options){0}, audit_parts, AUDIT_PARTS)
               : status;
}

static int command_version(int argc, char *const *argv)
{
    (void)argc;
    (void)argv;
    printf("foyer " FOYER_VERSION "\n");
    return 0;
}

static int command_help(int argc, char *const *argv);

static const struct {
    const char *name;
    const char *help;
    int (*run)(int argc, char *const *argv);
} commands[] = {
    {"serve", "run the server", command_serve},
    {"audit",
     "prove that no seat was sold twice and the money reconciles [--json] [--quick] [--textfile "
     "PATH]",
     command_audit},
    {"backup", "--to DIR: copy all databases, also beside a running server", command_backup},
    {"restore", "--from DIR: put a backup into an empty data directory, and audit it",
     command_restore},
    {"config", "print the effective configuration and where each value came from", command_config},
    {"migrate", "bring the databases to this version's schema without serving", command_migrate},
    {"admin", "create-key, import-users, reset-totp, reset-password: offline; without one: how",
     command_admin},
    {"venue", "generate --seats N [--floor N] --out FILE: write the plan of an arena",
     venue_generate_main},
    {"verify-queue",
     "--url URL --event evt_...: check the draw of a waiting room [--entry que_...]",
     verify_queue_main},
    {"rehearse", "--event evt_…: play an event's sale through beside the real one",
     command_rehearse},
    {"sandbox", "run the sandbox bank on its own", sandbox_main},
    {"thumbnail", "make an image from standard input small; the server's own use", thumbnail_main},
    {"version", "print the version", command_version},
    {"help", "print this", command_help},
};

static int command_help(int argc, char *const *argv)
{
    (void)argc;
    (void)argv;
    printf("usage: foyer COMMAND [--key VALUE]...\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].help);
    printf("\n");
    config_usage();
    return 0;
}

int main(int argc, char **argv)
{
    /* Whoever started us may have blocked signals for itself. */
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    umask(0077); /* databases and mail are nobody else's business */
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc > 2 ? argc - 2 : 0, argv + 2);
    }
    fprintf(stderr, "foyer: unknown command '%s'; see foyer help\n", name);
    return 2;
}
