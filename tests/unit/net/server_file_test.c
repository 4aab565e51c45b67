/* Answers whose body is a file: whole, one behind the other, left unread, and from a file that ends too early. */
#include <dirent.h>

#include "net/rig.h"

#define GET_FILE "GET /file HTTP/1.1\r\nHost: a\r\n\r\n"

static struct reply reply;

static int set_up(void **state)
{
    (void)state;
    struct server_options options = rig_options();
    rig_start(&options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_stop();
    return 0;
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    assert_int_equal(closedir(dir), 0);
    return count;
}

/* How many bytes came of the body that the head promises; each must be the file's. */
static size_t read_file(int fd, size_t wanted)
{
    static char bytes[65536];
    size_t at = 0;
    while (at < wanted) {
        size_t room = wanted - at < sizeof(bytes) ? wanted - at : sizeof(bytes);
        ssize_t got = client_receive(fd, bytes, room);
        if (got <= 0)
            break;
        for (ssize_t i = 0; i < got; i++)
            assert_int_equal(bytes[i], rig_file_byte(FILE_OFFSET + at + (size_t)i));
        at += (size_t)got;
    }
    return at;
}

static void test_files_are_sent_whole_and_closed(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    int fd = client_connect();
    client_send(fd, STR(GET_FILE GET_FILE GET_ECHO));
    for (int i = 0; i < 2; i++) {
        char length[64];
        (void)snprintf(length, sizeof(length), "content-length: %zu", FILE_BYTES);
        assert_true(client_read(fd, &reply, true));
        assert_int_equal(reply.status, 200);
        assert_true(has_header(&reply, length));
        assert_int_equal(read_file(fd, FILE_BYTES), FILE_BYTES);
    }
    assert_true(client_read(fd, &reply, false));
    assert_string_equal(reply.body, "GET /echo ? 0 127.0.0.1 0");
    assert_int_equal(close(fd), 0);
    wait_for(open_descriptors() <= before);
}

static void test_head_of_a_file(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    int fd = client_connect();
    client_send(fd, STR("HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n" GET_ECHO));
    assert_true(client_read(fd, &reply, true));
    assert_int_equal(reply.status, 200);
    assert_true(client_read(fd, &reply, false));
    assert_string_equal(reply.body, "GET /echo ? 0 127.0.0.1 0");
    assert_int_equal(close(fd), 0);
    wait_for(open_descriptors() <= before);
}

static void test_a_client_that_goes_away_leaves_nothing_open(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    int fd = client_connect();
    client_send(fd, STR(GET_FILE));
    assert_true(client_read(fd, &reply, true));
    assert_int_equal(read_file(fd, 1000), 1000);
    assert_int_equal(close(fd), 0);
    wait_for(open_descriptors() <= before);
    wait_for(rig_stats().connections_open == 0);
}

static void test_a_file_that_ends_early_breaks_the_connection(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    int fd = client_connect();
    client_send(fd, STR("GET /short HTTP/1.1\r\nHost: a\r\n\r\n" GET_ECHO));
    assert_true(client_read(fd, &reply, true));
    assert_int_equal(reply.status, 200);
    assert_true(read_file(fd, FILE_BYTES) < FILE_BYTES);
    assert_int_equal(close(fd), 0);
    wait_for(open_descriptors() <= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_are_sent_whole_and_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_head_of_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_client_that_goes_away_leaves_nothing_open, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_ends_early_breaks_the_connection, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
