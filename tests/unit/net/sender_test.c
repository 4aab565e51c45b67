/*
 * The sender against real receivers on the loopback: good ones, and ones that do all they can to hold
 * it up. Each ends within its deadline and its memory, and neighbours are served meanwhile.
 */
#include "net/sender.h"

#include "net/receiver.h"

#define IN_FLIGHT  256
#define NEIGHBOURS 100
#define SHORT_MS   300   /* deadline of those that shall meet it */
#define LONG_MS    60000 /* of those that shall not */

struct sent {
    struct send send;
    int done;
    char url[256];
};

static struct sender *sender;
static struct receiver receiver, neighbour;
static struct name_server names;

static void sender_open(const char *allowed)
{
    struct sender_options options = {.in_flight_max = IN_FLIGHT, .dns_servers = names.servers};
    assert_ok(egress_rules_parse(str_from_c(allowed), &options.egress));
    assert_ok(sender_new(&options, &sender));
}

static int set_up(void **state)
{
    (void)state;
    name_server_start(&names);
    receiver_start(&neighbour, receiver_good);
    sender_open("127.0.0.0/8");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sender_free(sender);
    receiver_stop(&neighbour);
    name_server_stop(&names);
    return 0;
}

static void on_done(struct send *send)
{
    struct sent *sent = send->ctx;
    sent->done++;
}

/* format: the URL, with the port in it. */
__attribute__((format(printf, 3, 4))) static void begin(struct sent *sent, int64_t timeout_ms,
                                                        const char *format, ...)
{
    va_list args;
    memset(sent, 0, sizeof(*sent));
    va_start(args, format);
    (void)vsnprintf(sent->url, sizeof(sent->url), format, args);
    va_end(args);
    sent->send.url = sent->url;
    sent->send.body = STR("{\"a\": 1}");
    sent->send.headers[0] = "content-type: application/json";
    sent->send.headers[1] = "webhook-id: msg_1";
    sent->send.timeout_ms = timeout_ms;
    sent->send.on_done = on_done;
    sent->send.ctx = sent;
    assert_ok(sender_start(sender, &sent->send));
    assert_int_equal(sent->done, 0); /* never from within the start */
}

static void finish(struct sent *sent)
{
    int64_t until_ns = clock_mono_ns() + RECEIVER_PATIENCE_NS;
    while (!sent->done && clock_mono_ns() < until_ns)
        sender_turn(sender, 20);
    assert_int_equal(sent->done, 1);
    assert_true(sent->send.response.len <= SENDER_BODY_BYTES_KEPT);
    assert_true(sent->send.head.len <= SENDER_HEAD_BYTES_KEPT);
}

static void assert_outcome(struct sent *sent, enum send_outcome outcome)
{
    finish(sent);
    if (sent->send.outcome != outcome)
        fail_msg("%s: \"%s\" (%s, status %d) instead of \"%s\"", sent->url,
                 send_outcome_name(sent->send.outcome), sent->send.error, sent->send.status,
                 send_outcome_name(outcome));
    assert_int_equal(sent->send.error[0] == '\0', outcome == SEND_ANSWERED);
    send_release(&sent->send);
}

static void deliver_to_neighbours(void)
{
    static struct sent many[NEIGHBOURS];
    for (size_t i = 0; i < NEIGHBOURS; i++)
        begin(&many[i], LONG_MS, "http://127.0.0.1:%u/n", neighbour.port);
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        finish(&many[i]);
        assert_int_equal(many[i].send.outcome, SEND_ANSWERED);
        assert_int_equal(many[i].send.status, 200);
        send_release(&many[i].send);
    }
}

/* Several to a bad receiver, which must end so; neighbours are served meanwhile. */
static void suffer(void (*script)(struct receiver *receiver, int fd), const char *scheme,
                   int64_t timeout_ms, enum send_outcome outcome)
{
    static struct sent bad[8];
    receiver_start(&receiver, script);
    for (size_t i = 0; i < 8; i++)
        begin(&bad[i], timeout_ms, "%s://127.0.0.1:%u/", scheme, receiver.port);
    deliver_to_neighbours();
    for (size_t i = 0; i < 8; i++)
        assert_outcome(&bad[i], outcome);
    assert_int_equal(sender_in_flight(sender), 0);
    receiver_stop(&receiver);
}

/* --- good ones --- */

static void requests_arrive_as_they_were_given(void **state)
{
    (void)state;
    struct sent sent;
    receiver_start(&receiver, receiver_good);
    receiver.extra = "Retry-After: 7\r\nX-Odd: caf\xc3\xa9\r\nX-Bad: \xff\xfe\r\n";
    begin(&sent, LONG_MS, "http://local.test:%u/path?query=1#fragment", receiver.port);
    finish(&sent);
    assert_int_equal(sent.send.outcome, SEND_ANSWERED);
    assert_int_equal(sent.send.status, 200);
    assert_str(buf_str(&sent.send.response), "ok");
    assert_string_equal(sent.send.retry_after, "7");
    assert_string_equal(sent.send.address, "127.0.0.1");
    assert_str(buf_str(&sent.send.head), "Content-Length: 2\nRetry-After: 7\nX-Odd: caf\xc3\xa9\n");
    assert_true(sent.send.times.dns_us >= 0 && sent.send.times.connect_us >= 0);
    assert_true(sent.send.times.tls_us == -1 && sent.send.times.first_byte_us >= 0);
    assert_true(sent.send.times.total_us >= sent.send.times.dns_us);
    char host[64];
    (void)snprintf(host, sizeof(host), "\r\nHost: local.test:%u\r\n", receiver.port);
    assert_non_null(strstr(receiver.last, "POST /path?query=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(receiver.last, host));
    assert_non_null(strstr(receiver.last, "\r\nwebhook-id: msg_1\r\n"));
    assert_non_null(strstr(receiver.last, "\r\n\r\n{\"a\": 1}"));
    assert_null(strcasestr(receiver.last, "expect:"));
    assert_null(strcasestr(receiver.last, "accept-encoding:"));
    send_release(&sent.send);
    receiver_stop(&receiver);
}

static void connections_are_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct sent sent;
        begin(&sent, LONG_MS, "http://127.0.0.1:%u/", neighbour.port);
        finish(&sent);
        assert_int_equal(sent.send.outcome, SEND_ANSWERED);
        assert_int_equal(sent.send.times.connect_us >= 0, i == 0);
        send_release(&sent.send);
    }
    assert_int_equal(neighbour.connections, 1);
    assert_int_equal(neighbour.requests, 20);
}

static void there_is_a_limit_in_flight(void **state)
{
    (void)state;
    static struct sent many[IN_FLIGHT + 1];
    for (size_t i = 0; i < IN_FLIGHT; i++)
        begin(&many[i], LONG_MS, "http://127.0.0.1:%u/", neighbour.port);
    many[IN_FLIGHT].send = many[0].send;
    assert_err(sender_start(sender, &many[IN_FLIGHT].send), ERR_FULL);
    for (size_t i = 0; i < IN_FLIGHT; i++)
        assert_outcome(&many[i], SEND_ANSWERED);
}

static void a_large_body_goes_out_whole(void **state)
{
    (void)state;
    struct sent sent;
    size_t size = (size_t)1 << 20;
    char *body = malloc(size);
    memset(body, 'x', size);
    begin(&sent, LONG_MS, "http://127.0.0.1:%u/", neighbour.port);
    assert_outcome(&sent, SEND_ANSWERED);
    memset(&sent.send, 0, sizeof(sent.send));
    sent.done = 0;
    sent.send = (struct send){.url = sent.url,
                              .body = str_from(body, size),
                              .timeout_ms = LONG_MS,
                              .on_done = on_done,
                              .ctx = &sent};
    assert_ok(sender_start(sender, &sent.send));
    assert_outcome(&sent, SEND_ANSWERED);
    assert_int_equal(neighbour.requests, 2);
    free(body);
}

static void what_is_in_flight_is_told_at_the_end(void **state)
{
    (void)state;
    static struct sent sent[3];
    begin(&sent[0], LONG_MS, "http://never.test:%u/", neighbour.port);
    begin(&sent[1], LONG_MS, "http://127.0.0.1:%u/", neighbour.port);
    begin(&sent[2], LONG_MS, "nonsense");
    sender_free(sender);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sent[i].done, 1);
        assert_int_equal(sent[i].send.outcome, i == 2 ? SEND_URL : SEND_CLOSED);
        send_release(&sent[i].send);
    }
    sender_open("127.0.0.0/8");
}

/* --- bad ones --- */

static void hang_before_the_head(struct receiver *bad, int fd)
{
    char byte;
    (void)receiver_read(bad, fd);
    while (recv(fd, &byte, 1, 0) > 0) {
    }
}

static void drip_head(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/1.1 200 OK\r\nX-Drip: ");
    while (receiver_say(fd, "x"))
        receiver_sleep_ms(20);
}

static void drip_body(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (receiver_say(fd, "x"))
        receiver_sleep_ms(20);
}

static void write_for_ever(struct receiver *bad, int fd, const char *text)
{
    size_t len = strlen(text);
    while (receiver_write(fd, text, len))
        atomic_fetch_add(&bad->written, (int64_t)len);
}

static void endless_body(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/1.1 200 OK\r\n\r\n");
    write_for_ever(bad, fd, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
}

static void endless_head(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/1.1 200 OK\r\n");
    write_for_ever(bad, fd, "X-Endless: head\r\n");
}

static void endless_line(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/1.1 200 OK\r\nX-Endless: ");
    write_for_ever(bad, fd, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

static void flood_of_1xx(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    write_for_ever(bad, fd, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
}

static void drip_of_1xx(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    while (receiver_say(fd, "HTTP/1.1 102 Processing\r\n\r\n"))
        receiver_sleep_ms(20);
}

static void endless_trailers(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
    write_for_ever(bad, fd, "X-Trailer: more\r\n");
}

static void close_hard(int fd)
{
    struct linger now = {1, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void reset(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    close_hard(fd);
}

static void reset_in_the_body(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
    close_hard(fd);
}

static void shut_and_wait(int fd)
{
    char byte;
    (void)shutdown(fd, SHUT_WR);
    while (recv(fd, &byte, 1, 0) > 0) {
    }
}

static void half_close(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    shut_and_wait(fd);
}

static void half_close_in_the_body(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
    shut_and_wait(fd);
}

static void bad_chunks(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnonsense");
}

static void no_http(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "SSH-2.0-OpenSSH_9.2\r\nand what not\r\n\r\n");
}

static void no_status(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/2 2\n");
}

static void no_tls(struct receiver *bad, int fd)
{
    char byte;
    (void)bad;
    (void)recv(fd, &byte, 1, 0);
    (void)receiver_say(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    shut_and_wait(fd);
}

static void gzip_bomb(struct receiver *bad, int fd)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08";
    static char zeros[4096];
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, head);
    while (receiver_write(fd, zeros, sizeof(zeros))) {
    }
}

static void receivers_that_hang_meet_their_deadline(void **state)
{
    (void)state;
    suffer(hang_before_the_head, "http", SHORT_MS, SEND_TIMEOUT);
    suffer(drip_head, "http", SHORT_MS, SEND_TIMEOUT);
    suffer(drip_body, "http", SHORT_MS, SEND_TIMEOUT);
    suffer(drip_of_1xx, "http", SHORT_MS, SEND_TIMEOUT);
    suffer(hang_before_the_head, "https", SHORT_MS, SEND_TIMEOUT); /* slow TLS */
}

static void endless_answers_end(void **state)
{
    (void)state;
    suffer(endless_head, "http", LONG_MS, SEND_HEAD_SIZE);
    suffer(endless_line, "http", LONG_MS, SEND_HEAD_SIZE);
    suffer(flood_of_1xx, "http", LONG_MS, SEND_HEAD_SIZE);
    suffer(endless_trailers, "http", LONG_MS, SEND_HEAD_SIZE);
    suffer(endless_body, "http", LONG_MS, SEND_ANSWERED);
    suffer(gzip_bomb, "http", LONG_MS, SEND_ANSWERED);
}

static void broken_answers_fail(void **state)
{
    (void)state;
    suffer(reset, "http", LONG_MS, SEND_BROKEN);
    suffer(reset_in_the_body, "http", LONG_MS, SEND_BROKEN);
    suffer(half_close, "http", LONG_MS, SEND_BROKEN);
    suffer(half_close_in_the_body, "http", LONG_MS, SEND_BROKEN);
    suffer(bad_chunks, "http", LONG_MS, SEND_BROKEN);
    suffer(no_http, "http", LONG_MS, SEND_PROTOCOL);
    suffer(no_status, "http", LONG_MS, SEND_PROTOCOL);
    suffer(no_tls, "https", LONG_MS, SEND_TLS);
}

static void what_is_kept_of_a_body_is_its_beginning(void **state)
{
    (void)state;
    struct sent sent;
    receiver_start(&receiver, gzip_bomb);
    begin(&sent, LONG_MS, "http://127.0.0.1:%u/", receiver.port);
    finish(&sent);
    assert_int_equal(sent.send.status, 200);
    assert_int_equal(sent.send.response.len, SENDER_BODY_BYTES_KEPT);
    assert_memory_equal(sent.send.response.data, "\x1f\x8b\x08\0\0", 5); /* not unpacked */
    send_release(&sent.send);
    receiver_stop(&receiver);
}

static void say_two_answers(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    (void)receiver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                           "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned");
    receiver_good(bad, fd);
}

static void an_answer_too_many_is_nobodys(void **state)
{
    (void)state;
    receiver_start(&receiver, say_two_answers);
    for (int i = 0; i < 5; i++) {
        struct sent sent;
        begin(&sent, LONG_MS, "http://127.0.0.1:%u/", receiver.port);
        finish(&sent);
        assert_str(buf_str(&sent.send.response), "ok");
        send_release(&sent.send);
        receiver_sleep_ms(5);
    }
    receiver_stop(&receiver);
}

static void say_a_blank_first(struct receiver *bad, int fd)
{
    (void)receiver_read(bad, fd);
    if (bad->requests % 2)
        (void)receiver_say(fd, "HTTP/1.1 200 OK\r\nX-Mark: a\r\nContent-Length: 2\r\n\r\nok");
    else
        (void)receiver_say(fd, "HTTP/1.1 200 OK\r\n X-Mark: a\r\nContent-Length: 2\r\n\r\nok");
}

/* libcurl 7.88 takes such a line for the end of the last header that its handle has seen, which was freed
 * when that was of another transfer. */
static void a_blank_before_the_first_header_hurts_nobody(void **state)
{
    (void)state;
    receiver_start(&receiver, say_a_blank_first);
    for (int i = 0; i < 6; i++) {
        struct sent sent;
        begin(&sent, LONG_MS, "http://127.0.0.1:%u/", receiver.port);
        finish(&sent);
        assert_true(i % 2 || sent.send.outcome == SEND_ANSWERED);
        send_release(&sent.send);
    }
    receiver_stop(&receiver);
}

static void redirects_are_not_followed(void **state)
{
    (void)state;
    struct sent sent;
    receiver_start(&receiver, receiver_good);
    receiver.status = 302;
    receiver.extra = "Location: http://169.254.169.254/latest/meta-data/\r\n";
    begin(&sent, LONG_MS, "http://127.0.0.1:%u/", receiver.port);
    finish(&sent);
    assert_int_equal(sent.send.outcome, SEND_ANSWERED);
    assert_int_equal(sent.send.status, 302);
    assert_string_equal(sent.send.address, "127.0.0.1");
    assert_int_equal(receiver.requests, 1);
    send_release(&sent.send);
    receiver_stop(&receiver);
}

/* --- addresses and names --- */

static void names_are_vetted_by_what_they_mean_now(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        enum send_outcome outcome;
    } rows[] = {
        {"local.test", SEND_ANSWERED}, {"rebind.test", SEND_ANSWERED},
        {"rebind.test", SEND_DENIED},  {"metadata.test", SEND_DENIED},
        {"mixed.test", SEND_ANSWERED}, {"mapped.test", SEND_CONNECT},
        {"dead.test", SEND_ANSWERED},  {"unknown.test", SEND_NAME},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sent sent;
        begin(&sent, LONG_MS, "http://%s:%u/", rows[i].host, neighbour.port);
        if (strcmp(rows[i].host, "mapped.test") == 0) { /* some systems connect, some don't */
            finish(&sent);
            assert_int_not_equal(sent.send.outcome, SEND_DENIED);
            send_release(&sent.send);
            continue;
        }
        assert_outcome(&sent, rows[i].outcome);
    }
}

static void a_name_that_nobody_answers_for_meets_the_deadline(void **state)
{
    (void)state;
    static struct sent sent[50];
    for (size_t i = 0; i < 50; i++)
        begin(&sent[i], SHORT_MS, "http://never.test:%u/", neighbour.port);
    deliver_to_neighbours();
    for (size_t i = 0; i < 50; i++)
        assert_outcome(&sent[i], SEND_TIMEOUT);
    struct sent good; /* the resolver has other things to do, too */
    begin(&good, LONG_MS, "http://local.test:%u/", neighbour.port);
    assert_outcome(&good, SEND_ANSWERED);
}

static void answers_are_kept_as_long_as_they_say(void **state)
{
    (void)state;
    static const char *const hosts[] = {"lasting.test", "local.test"};
    for (size_t host = 0; host < 2; host++) {
        int asked_before = 0;
        for (int i = 0; i < 3; i++) {
            struct sent sent;
            begin(&sent, LONG_MS, "http://%s:%u/", hosts[host], neighbour.port);
            assert_outcome(&sent, SEND_ANSWERED);
            bool is_asked = names.asked > asked_before;
            assert_int_equal(is_asked, i == 0 || host == 1);
            asked_before = names.asked;
        }
    }
}

static void nothing_private_is_called_in_any_notation(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1",
                                        "127.1",
                                        "0x7f.0.0.1",
                                        "0x7f000001",
                                        "2130706433",
                                        "0177.0.0.1",
                                        "017700000001",
                                        "127.0.0.1.",
                                        "localhost",
                                        "[::1]",
                                        "[::ffff:127.0.0.1]",
                                        "[::ffff:7f00:1]",
                                        "[64:ff9b::127.0.0.1]",
                                        "local.test",
                                        "0.0.0.0",
                                        "0",
                                        "metadata.test",
                                        "mapped.test",
                                        "mixed.test",
                                        "169.254.169.254",
                                        "0xa9fea9fe",
                                        "[fd00:ec2::254]",
                                        "%31%32%37.0.0.1"};
    sender_free(sender);
    sender_open("");
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct sent sent;
        begin(&sent, LONG_MS, "http://%s:%u/", hosts[i], neighbour.port);
        finish(&sent);
        if (sent.send.outcome != SEND_DENIED && sent.send.outcome != SEND_NAME &&
            sent.send.outcome != SEND_URL)
            fail_msg("%s: %s", hosts[i], send_outcome_name(sent.send.outcome));
        send_release(&sent.send);
    }
    assert_int_equal(neighbour.connections, 0);
}

static void urls_that_are_none_of_ours(void **state)
{
    (void)state;
    static const char *const urls[] = {"",
                                       "nonsense",
                                       "ftp://127.0.0.1/",
                                       "file:///etc/passwd",
                                       "gopher://127.0.0.1:70/",
                                       "http://",
                                       "http://user:password@127.0.0.1/",
                                       "http://[fe80::1%25eth0]/",
                                       "http://127.0.0.1:99999/",
                                       "http://a b/",
                                       "javascript:alert(1)"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct sent sent;
        begin(&sent, LONG_MS, "%s", urls[i]);
        finish(&sent);
        if (sent.send.outcome != SEND_URL)
            fail_msg("%s: %s %s", urls[i], send_outcome_name(sent.send.outcome), sent.send.error);
        send_release(&sent.send);
    }
}

#define sender_case(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        sender_case(requests_arrive_as_they_were_given),
        sender_case(connections_are_kept),
        sender_case(there_is_a_limit_in_flight),
        sender_case(a_large_body_goes_out_whole),
        sender_case(what_is_in_flight_is_told_at_the_end),
        sender_case(receivers_that_hang_meet_their_deadline),
        sender_case(endless_answers_end),
        sender_case(broken_answers_fail),
        sender_case(what_is_kept_of_a_body_is_its_beginning),
        sender_case(an_answer_too_many_is_nobodys),
        sender_case(a_blank_before_the_first_header_hurts_nobody),
        sender_case(redirects_are_not_followed),
        sender_case(names_are_vetted_by_what_they_mean_now),
        sender_case(a_name_that_nobody_answers_for_meets_the_deadline),
        sender_case(answers_are_kept_as_long_as_they_say),
        sender_case(nothing_private_is_called_in_any_notation),
        sender_case(urls_that_are_none_of_ours),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
