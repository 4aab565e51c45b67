/* Sockets over TLS: a certificate made here by the openssl program, a client on its library. */
#include "net/websocket_rig.h"

#include <openssl/ssl.h>
#include <signal.h>
#include <sys/wait.h>

#define PATH_SIZE 200

static char folder[] = "/tmp/foyer-wss-XXXXXX";
static char cert[PATH_SIZE];
static char key[PATH_SIZE];
static char stars[WS_MAX];
static SSL_CTX *context;

struct client {
    int fd;
    SSL *ssl;
};

static int make_files(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL has no MSG_NOSIGNAL */
    assert_non_null(mkdtemp(folder));
    (void)snprintf(cert, PATH_SIZE, "%s/cert.pem", folder);
    (void)snprintf(key, PATH_SIZE, "%s/key.pem", folder);
    memset(stars, '*', sizeof(stars));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        assert_non_null(freopen("/dev/null", "w", stderr));
        (void)execlp("openssl", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                     "2", "-subj", "/CN=foyer test", (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    SSL_CTX_free(context);
    assert_int_equal(unlink(cert) | unlink(key) | rmdir(folder), 0);
    return 0;
}

static void start(void)
{
    struct websocket_options sockets = rig_sockets();
    sockets.close_ms = 200;
    rig_start_tls(&sockets, cert, key);
}

static void tls_send(struct client *client, struct str bytes)
{
    assert_int_equal(SSL_write(client->ssl, bytes.data, (int)bytes.len), (int)bytes.len);
}

static void tls_read(struct client *client, char *ret_bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        int got = SSL_read(client->ssl, ret_bytes + at, (int)(size - at));
        assert_true(got > 0);
        at += (size_t)got;
    }
}

static void tls_open(struct client *client)
{
    char head[4096];
    size_t len = 0;
    client->fd = client_connect_with(0);
    client->ssl = SSL_new(context);
    assert_non_null(client->ssl);
    assert_int_equal(SSL_set_fd(client->ssl, client->fd), 1);
    assert_int_equal(SSL_connect(client->ssl), 1);
    tls_send(client, STR(WS_HEAD "\r\n"));
    while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len < sizeof(head));
        tls_read(client, head + len++, 1);
    }
    assert_int_equal(strncmp(head, "HTTP/1.1 101 ", 13), 0);
}

static void tls_close(struct client *client)
{
    SSL_free(client->ssl);
    assert_int_equal(close(client->fd), 0);
}

static void tls_send_frame(struct client *client, unsigned first, struct str payload)
{
    struct buf out;
    buf_init(&out, WS_MAX + 64);
    put_frame(&out, first, payload);
    tls_send(client, buf_str(&out));
    buf_release(&out);
}

static void expect_bytes(struct client *client, struct str expected)
{
    char bytes[64];
    assert_true(expected.len <= sizeof(bytes));
    tls_read(client, bytes, expected.len);
    assert_memory_equal(bytes, expected.data, expected.len);
}

static bool is_at_end(struct client *client)
{
    char byte;
    return SSL_read(client->ssl, &byte, 1) <= 0;
}

static void test_messages_over_tls(void **state)
{
    static char echoed[WS_MAX];
    struct client client;
    (void)state;
    start();
    tls_open(&client);
    tls_send_frame(&client, FIN | TEXT, STR("Hello"));
    expect_bytes(&client, STR("\x81\x05Hello"));
    tls_send_frame(&client, PING, STR("x"));
    expect_bytes(&client, STR("\x8a\x01x"));
    tls_send_frame(&client, FIN | BIN, str_from(stars, WS_MAX)); /* many records */
    expect_bytes(&client, str_from("\x82\x7f\0\0\0\0\0\x10\0\0", 10));
    tls_read(&client, echoed, WS_MAX);
    assert_memory_equal(echoed, stars, WS_MAX);
    tls_send_frame(&client, CLOSE, STR("\x03\xe8"));
    expect_bytes(&client, STR("\x88\x02\x03\xe8"));
    assert_true(is_at_end(&client));
    tls_close(&client);
    wait_for(rig.closed == 1 && rig_connections() == 0);
    assert_int_equal(rig.end, WEBSOCKET_END_PEER);
    rig_stop();
}

/* By a fault, by hanging up, and in the middle of what it is sent. */
static void test_endings_over_tls(void **state)
{
    struct client client;
    (void)state;
    start();
    tls_open(&client);
    tls_send_frame(&client, FIN | RSV1 | TEXT, STR("a"));
    expect_bytes(&client, STR("\x88\x02\x03\xea"));
    assert_true(is_at_end(&client));
    tls_close(&client);
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_PROTOCOL);
    tls_open(&client);
    tls_close(&client);
    wait_for(rig.closed == 2);
    assert_int_equal(rig.end, WEBSOCKET_END_GONE);
    tls_open(&client);
    for (int i = 0; i < 3; i++)
        tls_send_frame(&client, FIN | TEXT, str_from(stars, 100000));
    wait_for(rig_stats().messages_in >= 1);
    tls_close(&client);
    wait_for(rig.closed == 3 && rig_connections() == 0);
    rig_stop();
}

static void test_stopping_over_tls(void **state)
{
    struct client clients[4];
    (void)state;
    start();
    for (int i = 0; i < 4; i++)
        tls_open(&clients[i]);
    wait_for(rig.opened == 4);
    server_stop(rig.server, 20000);
    for (int i = 0; i < 4; i++) {
        expect_bytes(&clients[i], STR("\x81\x03"
                                      "bye"));
        expect_bytes(&clients[i], STR("\x88\x02\x03\xe9"));
        assert_true(is_at_end(&clients[i]));
        tls_close(&clients[i]);
    }
    assert_int_equal(rig.closed, 4);
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_over_tls),
        cmocka_unit_test(test_endings_over_tls),
        cmocka_unit_test(test_stopping_over_tls),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
