/* Configuration: where values come from, which source wins, and that every mistake names its key.
 */
#include "app/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARGS(...) ((const char *[]){__VA_ARGS__, NULL})
#define ORIGINS_4 "http://a,http://b,http://c,http://d,"
#define ORIGINS_8 ORIGINS_4 ORIGINS_4

static char dir[] = "/tmp/foyer-config-XXXXXX";
static char file_path[64];
static char message[256];
static struct config config;

static int setup(void **state)
{
    (void)state;
    (void)strcpy(dir, "/tmp/foyer-config-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(file_path, sizeof(file_path), "%s/foyer.ini", dir);
    memset(&config, 0xee, sizeof(config));
    memset(message, 0, sizeof(message));
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"FOYER_CONFIG",
                                        "FOYER_LISTEN",
                                        "FOYER_READERS",
                                        "FOYER_STRIPE_KEY",
                                        "FOYER_ADMIN_KEY",
                                        "FOYER_ABUSE",
                                        "FOYER_STRIPE_WEBHOOK_SECRET",
                                        "FOYER_NO_SUCH_THING"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    (void)unlink(file_path);
    return rmdir(dir);
}

static void write_file(const char *text)
{
    FILE *file = fopen(file_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(setenv("FOYER_CONFIG", file_path, 1), 0);
}

static enum err load(const char *const *args)
{
    int count = 0;
    while (args && args[count])
        count++;
    return config_load(count, (char *const *)(uintptr_t)args, &config, message);
}

static void assert_loads(const char *const *args)
{
    enum err err = load(args);
    if (err != ERR_OK)
        print_error("%s\n", message);
    assert_int_equal(err, ERR_OK);
}

/* Refused, and the message names the key. */
static void assert_refused(const char *const *args, const char *named)
{
    struct config before = config;
    message[0] = '\0';
    assert_int_equal(load(args), ERR_INVALID);
    if (!strstr(message, named))
        print_error("message '%s' does not name '%s'\n", message, named);
    assert_non_null(strstr(message, named));
    assert_memory_equal(&before, &config, sizeof(config));
}

static void deadlines_of_connections(void **state)
{
    (void)state;
    assert_loads(ARGS("--request-timeout-ms=100", "--send-timeout-ms=600000", "--send-rate-min=1"));
    assert_int_equal(config.request_timeout_ms, 100);
    assert_int_equal(config.send_timeout_ms, 600000);
    assert_int_equal(config.send_rate_min, 1);
    assert_refused(ARGS("--request-timeout-ms=99"), "request-timeout-ms");
    assert_refused(ARGS("--request-timeout-ms=600001"), "request-timeout-ms");
    assert_refused(ARGS("--send-timeout-ms=0"), "send-timeout-ms");
    assert_refused(ARGS("--send-rate-min=0"), "send-rate-min");
    assert_refused(ARGS("--send-rate-min=fast"), "send-rate-min");
}

static void origins_are_origins(void **state)
{
    (void)state;
    assert_loads(ARGS("--chat-origins=https://a.example,http://b.example:8080"));
    assert_string_equal(config.chat_origins, "https://a.example,http://b.example:8080");
    assert_refused(ARGS("--chat-origins=a.example"), "chat-origins");
    assert_refused(ARGS("--chat-origins=https://"), "chat-origins");
    assert_refused(ARGS("--chat-origins=https://a.example/"), "chat-origins");
    assert_refused(ARGS("--chat-origins=https://a.example, https://b.example"), "chat-origins");
    char many[] = "--chat-origins=" ORIGINS_8 ORIGINS_8 ORIGINS_8 ORIGINS_8 "http://z";
    assert_refused(ARGS(many), "chat-origins");
    many[strlen(many) - strlen(",http://z")] = '\0';
    assert_loads(ARGS(many));
}

static void defaults_are_complete(void **state)
{
    (void)state;
    assert_loads(NULL);
    assert_string_equal(config.listen, "127.0.0.1:8080");
    assert_string_equal(config.services, "tickets");
    assert_string_equal(config.payments, "sandbox");
    assert_string_equal(config.mail, "dir");
    assert_int_equal(config.readers, 4);
    assert_int_equal(config.request_timeout_ms, 30000);
    assert_int_equal(config.send_timeout_ms, 30000);
    assert_int_equal(config.send_rate_min, 16000);
    assert_true(config.abuse);
    assert_false(config.test_clock);
    assert_int_equal(config.log_level, LOG_INFO);
    assert_string_equal(config.public_url, "");
}

static void stronger_sources_win(void **state)
{
    (void)state;
    write_file("; a comment\nlisten = 127.0.0.1:1\nreaders = 5 ; five\ndrain-ms = 7\n");
    assert_loads(NULL);
    assert_string_equal(config.listen, "127.0.0.1:1");
    assert_int_equal(config.readers, 5);
    setenv("FOYER_LISTEN", "127.0.0.1:2", 1);
    setenv("FOYER_READERS", "6", 1);
    assert_loads(NULL);
    assert_string_equal(config.listen, "127.0.0.1:2");
    assert_int_equal(config.readers, 6);
    assert_loads(ARGS("--listen", "127.0.0.1:3"));
    assert_string_equal(config.listen, "127.0.0.1:3");
    assert_int_equal(config.readers, 6);
    assert_int_equal(config.drain_ms, 7);
}

static void flag_names_the_file(void **state)
{
    (void)state;
    write_file("readers = 9\n");
    unsetenv("FOYER_CONFIG");
    assert_loads(NULL);
    assert_int_equal(config.readers, 4);
    assert_loads(ARGS("--config", file_path));
    assert_int_equal(config.readers, 9);
}

static void flags_have_both_forms(void **state)
{
    (void)state;
    assert_loads(ARGS("--abuse=off", "--test-clock", "--log-level", "debug", "--readers=2"));
    assert_false(config.abuse);
    assert_true(config.test_clock);
    assert_int_equal(config.log_level, LOG_DEBUG);
    assert_int_equal(config.readers, 2);
    assert_loads(ARGS("--test-clock=off"));
    assert_false(config.test_clock);
}

static void unknown_keys_are_named(void **state)
{
    (void)state;
    assert_refused(ARGS("--lisen", "x"), "--lisen");
    assert_refused(ARGS("--read", "3"), "--read"); /* no abbreviations */
    assert_refused(ARGS("-d", "x"), "-d");
    assert_refused(ARGS("stray"), "stray");
    assert_refused(ARGS("--listen"), "--listen");
    write_file("lisen = x\n");
    assert_refused(NULL, "lisen");
    assert_non_null(strstr(message, "line 1"));
}

static void bad_values_are_named(void **state)
{
    (void)state;
    assert_refused(ARGS("--readers", "0"), "readers");
    assert_refused(ARGS("--readers", "65"), "readers");
    assert_refused(ARGS("--readers", "4x"), "readers");
    assert_refused(ARGS("--readers", "99999999999999999999"), "readers");
    assert_refused(ARGS("--abuse", "maybe"), "abuse");
    assert_refused(ARGS("--log-level", "loud"), "log-level");
    assert_refused(ARGS("--listen", "8080"), "listen");
    assert_refused(ARGS("--listen", "127.0.0.1:"), "listen");
    assert_refused(ARGS("--listen", "127.0.0.1:65536"), "listen");
    assert_refused(ARGS("--listen", "::1:80"), "listen");
    assert_refused(ARGS("--public-url", "ftp://x"), "public-url");
    assert_refused(ARGS("--mail", "pigeon"), "mail");
    assert_refused(ARGS("--services", "tickets,cinema"), "cinema");
    assert_refused(ARGS("--services", ""), "services");
    assert_refused(ARGS("--data", ""), "data");
    assert_refused(ARGS("--data", "a\nb"), "data");
    setenv("FOYER_READERS", "many", 1);
    assert_refused(NULL, "readers");
}

static void long_values_are_refused(void **state)
{
    (void)state;
    char text[CONFIG_TEXT_MAX + 1];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_refused(ARGS("--data", text), "data");
    text[CONFIG_TEXT_MAX - 1] = '\0';
    assert_loads(ARGS("--data", text));
    assert_int_equal(strlen(config.data), CONFIG_TEXT_MAX - 1);
}

/* The INI library would take the rest of a long line for a line of its own. */
static void long_lines_are_refused(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'a', sizeof(text));
    memcpy(text, "data = ", 7);
    memcpy(text + 300, "listen = x:1", 12);
    text[sizeof(text) - 1] = '\0';
    write_file(text);
    assert_refused(NULL, "line is too long");
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    assert_refused(ARGS("--config", "/no/such/file.ini"), "/no/such/file.ini");
    write_file("readers = 3\nreaders = 4\n");
    assert_refused(NULL, "readers is given twice");
    write_file("[tickets]\nreaders = 3\n");
    assert_refused(NULL, "[tickets]");
    write_file("readers = 3\njust words\n");
    assert_refused(NULL, "line 2");
    write_file("config = other.ini\n");
    assert_refused(NULL, "config");
}

static void secrets_stay_off_the_command_line(void **state)
{
    (void)state;
    assert_refused(ARGS("--stripe-key", "sk_live_1"), "FOYER_STRIPE_KEY");
    assert_refused(ARGS("--admin-key", "sk_aaaaaaaaaaaaaaaaaaaa"), "FOYER_ADMIN_KEY");
    write_file("admin-key = sk_aaaaaaaaaaaaaaaaaaaa\n");
    assert_refused(NULL, "admin-key");
    write_file("stripe-key = sk_live_2\n");
    assert_loads(NULL);
    assert_string_equal(config.stripe_key, "sk_live_2");
}

static void admin_key_has_a_form(void **state)
{
    (void)state;
    setenv("FOYER_ADMIN_KEY", "sk_abcdefghij_ABCDE-0123", 1);
    assert_loads(NULL);
    setenv("FOYER_ADMIN_KEY", "sk_short", 1);
    assert_refused(NULL, "admin-key");
    setenv("FOYER_ADMIN_KEY", "sk_abcdefghij ABCDE-0123", 1);
    assert_refused(NULL, "admin-key");
    setenv("FOYER_ADMIN_KEY", "pk_abcdefghij_ABCDE-0123", 1);
    assert_refused(NULL, "admin-key");
}

static void keys_that_need_each_other(void **state)
{
    (void)state;
    assert_refused(ARGS("--tls-cert", "a.pem"), "tls-cert");
    assert_refused(ARGS("--tls-key", "a.pem"), "tls-key");
    assert_loads(ARGS("--tls-key", "a.pem", "--tls-cert", "b.pem"));
    assert_refused(ARGS("--payments", "stripe"), "stripe-key");
    setenv("FOYER_STRIPE_KEY", "sk_live_3", 1);
    assert_refused(ARGS("--payments", "stripe"), "stripe-webhook-secret");
    setenv("FOYER_STRIPE_WEBHOOK_SECRET", "whsec_1", 1);
    assert_loads(ARGS("--payments", "stripe"));
    assert_loads(ARGS("--payments", "sandbox=http://127.0.0.1:9"));
    assert_refused(ARGS("--payments", "sandbox=nowhere"), "payments");
    assert_refused(ARGS("--payments", "cash"), "payments");
}

static void public_url_follows_the_port(void **state)
{
    (void)state;
    assert_loads(ARGS("--listen", "127.0.0.1:0"));
    config_set_port(&config, 4711);
    assert_string_equal(config.public_url, "http://127.0.0.1:4711");
    assert_loads(ARGS("--listen", "0.0.0.0:0", "--tls-key", "k", "--tls-cert", "c"));
    config_set_port(&config, 4711);
    assert_string_equal(config.public_url, "https://localhost:4711");
    assert_loads(ARGS("--public-url", "https://tickets.example/"));
    config_set_port(&config, 4711);
    assert_string_equal(config.public_url, "https://tickets.example");
    assert_loads(ARGS("--listen", "[::1]:0"));
    config_set_port(&config, 4711);
    assert_string_equal(config.public_url, "http://[::1]:4711");
}

static void services_are_a_list(void **state)
{
    (void)state;
    assert_loads(NULL);
    assert_true(config_has_service(&config, "tickets"));
    assert_false(config_has_service(&config, "ticket"));
    assert_false(config_has_service(&config, "chat"));
}

/* What `foyer config` prints, in text. */
static void print_to(char *text, size_t size)
{
    char path[80];
    (void)snprintf(path, sizeof(path), "%s/out", dir);
    (void)fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    FILE *out = fopen(path, "w+");
    assert_non_null(out);
    assert_true(dup2(fileno(out), STDOUT_FILENO) >= 0);
    config_print(&config);
    (void)fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    rewind(out);
    size_t len = fread(text, 1, size - 1, out);
    text[len] = '\0';
    (void)fclose(out);
    (void)unlink(path);
}

static void printing_tells_sources_and_no_secret(void **state)
{
    (void)state;
    static char text[8192];
    write_file("drain-ms = 7\n");
    setenv("FOYER_STRIPE_KEY", "sk_live_verysecret", 1);
    setenv("FOYER_ADMIN_KEY", "sk_abcdefghij_ABCDE-0123", 1);
    assert_loads(ARGS("--readers", "3", "--mail", "smtp://user:pa:ss@host:25"));
    print_to(text, sizeof(text));
    assert_non_null(strstr(text, "readers = 3 ; flag\n"));
    assert_non_null(strstr(text, "drain-ms = 7 ; file\n"));
    assert_non_null(strstr(text, "stripe-key = ******** ; environment\n"));
    assert_non_null(strstr(text, "listen = 127.0.0.1:8080 ; default\n"));
    assert_non_null(strstr(text, "mail = smtp://user:********@host:25 ; flag\n"));
    assert_null(strstr(text, "verysecret"));
    assert_null(strstr(text, "abcdefghij"));
    assert_null(strstr(text, "pa:ss"));
}

/* The printed text is a file that gives the same values. */
static void printed_file_can_be_read(void **state)
{
    (void)state;
    static char text[8192];
    assert_loads(ARGS("--readers", "3", "--abuse", "off", "--log-level", "error", "--test-clock"));
    print_to(text, sizeof(text));
    write_file(text);
    assert_loads(NULL);
    assert_int_equal(config.readers, 3);
    assert_false(config.abuse);
    assert_true(config.test_clock);
    assert_int_equal(config.log_level, LOG_ERROR);
    assert_string_equal(config.mail_from, "Foyer <tickets@localhost>");
}

static void unknown_environment_is_no_error(void **state)
{
    (void)state;
    log_set_level(LOG_OFF);
    setenv("FOYER_NO_SUCH_THING", "1", 1);
    assert_loads(NULL);
    log_set_level(LOG_INFO);
}

#define config_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test(defaults_are_complete),
        config_test(deadlines_of_connections),
        config_test(origins_are_origins),
        config_test(stronger_sources_win),
        config_test(flag_names_the_file),
        config_test(flags_have_both_forms),
        config_test(unknown_keys_are_named),
        config_test(bad_values_are_named),
        config_test(long_values_are_refused),
        config_test(long_lines_are_refused),
        config_test(bad_files_are_refused),
        config_test(secrets_stay_off_the_command_line),
        config_test(admin_key_has_a_form),
        config_test(keys_that_need_each_other),
        config_test(public_url_follows_the_port),
        config_test(services_are_a_list),
        config_test(printing_tells_sources_and_no_secret),
        config_test(printed_file_can_be_read),
        config_test(unknown_environment_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
