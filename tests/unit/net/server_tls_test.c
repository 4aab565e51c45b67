/* TLS: a certificate made here by the openssl program, checked by the project's own client. */
#include "net/http_client.h"
#include "net/rig.h"

#include <sys/wait.h>

#define PATH_SIZE 200

static char folder[] = "/tmp/foyer-tls-XXXXXX";
static char cert[PATH_SIZE];
static char key[PATH_SIZE];
static char other_key[PATH_SIZE];
static struct reply reply;

static void run(const char *const argv[])
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        assert_non_null(freopen("/dev/null", "w", stderr));
        (void)execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int make_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(cert, PATH_SIZE, "%s/cert.pem", folder);
    (void)snprintf(key, PATH_SIZE, "%s/key.pem", folder);
    (void)snprintf(other_key, PATH_SIZE, "%s/other.pem", folder);
    run((const char *[]){"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                         "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                         "2", "-subj", "/CN=foyer test", "-addext", "subjectAltName=IP:127.0.0.1",
                         NULL});
    run((const char *[]){"openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                         other_key, NULL});
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    assert_int_equal(unlink(cert) | unlink(key) | unlink(other_key) | rmdir(folder), 0);
    return 0;
}

static void start(void)
{
    struct server_options options = rig_options();
    options.tls_cert = cert;
    options.tls_key = key;
    options.request_timeout_ms = 2000;
    rig_start(&options);
}

struct asked {
    struct http_call call;
    _Atomic bool is_done;
    char url[100];
};

static void on_done(struct http_call *call)
{
    atomic_store(&container_of(call, struct asked, call)->is_done, true);
}

static void ask(struct http_client *client, struct asked *asked, struct str body)
{
    *asked = (struct asked){.call = {.method = "POST",
                                     .url = asked->url,
                                     .body = body,
                                     .timeout_ms = 20000,
                                     .response_max = BIG_BYTES,
                                     .on_done = on_done}};
    (void)snprintf(asked->url, sizeof(asked->url), "https://127.0.0.1:%u/worker",
                   server_port(rig.server));
    assert_ok(http_client_submit(client, &asked->call));
    wait_for(asked->is_done);
}

static void test_requests_over_tls(void **state)
{
    (void)state;
    struct http_client *client;
    struct http_client_options options = {.in_flight_max = 2, .queue_max = 4, .ca_file = cert};
    struct asked asked;
    start();
    assert_ok(http_client_new(&options, &client));
    for (int i = 0; i < 3; i++) {
        ask(client, &asked, STR("abc"));
        assert_ok(asked.call.err);
        assert_str(buf_str(&asked.call.response), "POST /worker ? 3 127.0.0.1 1");
        http_call_release(&asked.call);
    }
    ask(client, &asked, str_from(rig.big, BODY_MAX));
    assert_ok(asked.call.err);
    assert_int_equal(asked.call.status, 200);
    http_call_release(&asked.call);
    assert_int_equal(rig_stats().connections_accepted, 1);
    int64_t start_ns = clock_mono_ns();
    server_stop(rig.server, 60000); /* with the client's connection idle */
    assert_true(clock_mono_ns() - start_ns < (int64_t)30 * 1000000000);
    http_client_free(client);
    rig_stop();
}

static void test_client_that_does_not_trust_the_certificate(void **state)
{
    (void)state;
    struct http_client *client;
    struct http_client_options options = {.in_flight_max = 2, .queue_max = 4};
    struct asked asked;
    start();
    assert_ok(http_client_new(&options, &client));
    ask(client, &asked, STR("abc"));
    assert_err(asked.call.err, ERR_IO);
    http_call_release(&asked.call);
    assert_int_equal(rig_stats().requests_total, 0);
    http_client_free(client);
    rig_stop();
}

static void test_bytes_that_are_not_tls_end_the_connection(void **state)
{
    (void)state;
    start();
    int fd = client_connect();
    client_send(fd, STR(GET_ECHO));
    assert_false(client_read(fd, &reply, false));
    assert_int_equal(close(fd), 0);
    fd = client_connect(); /* silent: the handshake has a deadline too */
    assert_true(client_is_closed(fd));
    assert_int_equal(close(fd), 0);
    assert_int_equal(rig_stats().requests_total, 0);
    wait_for(rig_stats().connections_open == 0);
    rig_stop();
}

static void assert_no_server(const char *cert_path, const char *key_path, const char *blamed)
{
    struct server_options options = rig_options();
    struct server *server;
    char message[256] = "";
    options.tls_cert = cert_path;
    options.tls_key = key_path;
    assert_err(server_new(&options, &server, message), ERR_IO);
    assert_non_null(strstr(message, blamed));
}

static void test_bad_files_are_named(void **state)
{
    (void)state;
    assert_no_server("/nonexistent.pem", key, "/nonexistent.pem");
    assert_no_server(cert, "/nonexistent.pem", "/nonexistent.pem");
    assert_no_server(key, key, key);
    assert_no_server(cert, other_key, other_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_over_tls),
        cmocka_unit_test(test_client_that_does_not_trust_the_certificate),
        cmocka_unit_test(test_bytes_that_are_not_tls_end_the_connection),
        cmocka_unit_test(test_bad_files_are_named),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
