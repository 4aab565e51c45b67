/*
 * `foyer sandbox`: composes the bank and runs it until SIGTERM.
 *
 *   server (one loop) ── bank_http.c ──┬─ reads: pool of two
 *                                      └─ writes: writer ── ledger in DIR/bank.db
 *                         courier ── callbacks to the merchant
 *
 * Files: bank_rules.c what moves money; bank_api.c the merchant's side; bank_page.c the buyer's;
 * bank_store.c SQL; courier.c callbacks. Nothing here knows the service that sells: it talks to it
 * over HTTP only, as a bank does.
 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/log.h"
#include "sandbox/bank_store.h"

#define BANK_CONNECTIONS_MAX 4096
#define BANK_REQUEST_MS      30000
#define BANK_SEND_MS         30000
#define BANK_DRAIN_MS        2000
#define BANK_READERS         2
#define BANK_QUEUE_MAX       4096

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "foyer sandbox: %s: %s\n", what, why);
    return 1;
}

struct arguments {
    const char *data, *listen, *secret, *ca_file;
};

static bool arguments_read(int argc, char *const *argv, struct arguments *ret_arguments)
{
    static const struct option options[] = {{"data", required_argument, NULL, 'd'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"secret", required_argument, NULL, 's'},
                                            {"callback-ca", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    char *shifted[32] = {(char[]){"foyer sandbox"}};
    if (argc < 0 || argc > 30)
        return false;
    for (int i = 0; i < argc; i++)
        shifted[i + 1] = argv[i];
    *ret_arguments = (struct arguments){
        .data = "sandbox", .listen = "127.0.0.1:0", .secret = NULL, .ca_file = ""};
    optind = 0;
    int option;
    while ((option = getopt_long(argc + 1, shifted, "", options, NULL)) != -1) {
        if (option == 'd')
            ret_arguments->data = optarg;
        else if (option == 'l')
            ret_arguments->listen = optarg;
        else if (option == 's')
            ret_arguments->secret = optarg;
        else if (option == 'c')
            ret_arguments->ca_file = optarg;
        else
            return false;
    }
    return optind == argc + 1;
}

/* DIR/secret's first line, when the file is there. */
static bool secret_from_file(struct bank *bank)
{
    char path[BANK_TEXT_MAX + 32];
    (void)snprintf(path, sizeof(path), "%s/secret", bank->data_dir); /* has room */
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool is_read = fgets(bank->secret, sizeof(bank->secret), file) != NULL;
    fclose(file);
    bank->secret[strcspn(bank->secret, "\r\n")] = '\0';
    return is_read && bank->secret[0];
}

static enum err bank_configure(struct bank *bank, const struct arguments *arguments)
{
    enum err err = str_to_c(str_from_c(arguments->data), bank->data_dir, sizeof(bank->data_dir));
    if (!err)
        err = str_to_c(str_from_c(arguments->ca_file), bank->ca_file, sizeof(bank->ca_file));
    if (!err && arguments->secret)
        err = str_to_c(str_from_c(arguments->secret), bank->secret, sizeof(bank->secret));
    else if (!err && !secret_from_file(bank))
        err = str_to_c(STR(BANK_SECRET_DEFAULT), bank->secret, sizeof(bank->secret));
    (void)snprintf(bank->database_path, sizeof(bank->database_path), "%s/bank.db",
                   bank->data_dir); /* has room */
    return !err && !bank->secret[0] ? ERR_INVALID : err;
}

/* One bank at a time has the books. The lock ends with the process. */
static int lock_dir(const char *dir)
{
    char path[BANK_TEXT_MAX + 32];
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return complain(dir, strerror(errno));
    (void)snprintf(path, sizeof(path), "%s/lock", dir); /* has room */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return complain(path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return complain(dir, "another bank runs here");
    return 0;
}

static enum err load_settings(struct bank *bank)
{
    struct arena arena;
    arena_init(&arena, 64u << 10);
    struct str text;
    int64_t offset_ms = 0;
    enum err err = bank_setting_get(writer_db(bank->writer), "clock_offset_ms", &arena, &text);
    if (!err && text.len > 0 && str_to_i64(text, &offset_ms) == ERR_OK)
        atomic_store(&bank->clock_offset_ms, offset_ms);
    arena_release(&arena);
    return err;
}

static enum err open_books(struct bank *bank)
{
    enum err err = writer_new(bank->database_path, "sandbox", &bank->writer);
    if (!err)
        err = load_settings(bank);
    if (!err)
        err = writer_start(bank->writer);
    struct pool_options options = {.name = "bank",
                                   .threads = BANK_READERS,
                                   .queue_max = BANK_QUEUE_MAX,
                                   .database_paths = {bank->database_path}};
    if (!err)
        err = pool_new(&options, &bank->pool);
    return err;
}

/* "http://host:port", with a host that a browser on this machine reaches. */
static void make_base_url(struct bank *bank, const char *listen)
{
    const char *colon = strrchr(listen, ':');
    int host_len = colon ? (int)(colon - listen) : 0;
    bool is_any = strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0;
    if (is_any || host_len == 0)
        (void)snprintf(bank->base_url, sizeof(bank->base_url), "http://127.0.0.1:%u",
                       server_port(bank->server));
    else
        (void)snprintf(bank->base_url, sizeof(bank->base_url), "http://%.*s:%u", host_len, listen,
                       server_port(bank->server));
}

static int bank_start(struct bank *bank, const char *listen)
{
    enum err err = open_books(bank);
    if (err)
        return complain(bank->database_path, bank->writer ? err_name(err) : writer_failure());
    err = bank_http_init(bank);
    if (err)
        return complain("routes", err_name(err));
    struct server_options options = {
        .listen = listen,
        .loops = 1,
        .connections_max = BANK_CONNECTIONS_MAX,
        .body_max = BANK_BODY_MAX,
        .request_timeout_ms = BANK_REQUEST_MS,
        .send_timeout_ms = BANK_SEND_MS,
        .on_request = bank_on_request,
        .ctx = bank,
    };
    char message[256] = "";
    err = server_new(&options, &bank->server, message);
    if (err)
        return complain("cannot listen", message);
    make_base_url(bank, listen);
    struct courier *courier = NULL;
    err = courier_start(bank, &courier);
    atomic_store(&bank->courier, courier);
    if (!err)
        err = server_start(bank->server);
    return err ? complain("cannot start", err_name(err)) : 0;
}

static enum err nothing_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job;
    (void)tx;
    return ERR_OK;
}

/* Effects that are on their way to wake it have run when a job behind them has. */
static void stop_courier(struct bank *bank)
{
    struct courier *courier = atomic_exchange(&bank->courier, NULL);
    struct writer_job barrier = {.apply = nothing_apply};
    if (courier)
        (void)!writer_run_internal(bank->writer,
                                   &barrier); /* a stopped one runs no effects either */
    courier_stop(courier);
}

static void bank_stop(struct bank *bank)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        atomic_store(&bank->behaviour[i], BEHAVE_REFUSE); /* nothing hangs from here on */
    bank_release_hung(bank);
    if (bank->server)
        server_stop(bank->server, BANK_DRAIN_MS);
    bank_release_hung(bank);
    if (bank->pool)
        pool_stop(bank->pool);
    stop_courier(bank);
    if (bank->writer)
        writer_stop(bank->writer);
    if (bank->server)
        server_free(bank->server);
    if (bank->pool)
        pool_free(bank->pool);
    writer_free(bank->writer);
    router_free(bank->router);
    pthread_mutex_destroy(&bank->lock);
}

int sandbox_main(int argc, char *const *argv)
{
    static struct bank bank;
    struct arguments arguments;
    sigset_t signals;
    if (!arguments_read(argc, argv, &arguments)) {
        fprintf(stderr, "usage: foyer sandbox --data DIR --listen HOST:PORT [--secret SECRET] "
                        "[--callback-ca FILE]\n");
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail for this signal */
    pthread_mutex_init(&bank.lock, NULL);
    if (crypto_init() != ERR_OK || bank_configure(&bank, &arguments) != ERR_OK)
        return complain("cannot start", "a value is too long or empty");
    int status = lock_dir(bank.data_dir);
    if (status == 0)
        status = bank_start(&bank, arguments.listen);
    if (status == 0) {
        printf("ready %s\n", bank.base_url);
        (void)fflush(stdout); /* whoever waits for the line may have gone */
        int signal_number = 0;
        while (sigwait(&signals, &signal_number) != 0)
            continue;
    }
    bank_stop(&bank);
    return status;
}
