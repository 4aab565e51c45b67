/* What becomes of a notification, how long is waited, and which subscriptions are taken. */
#include "base/check.h"

#include <stdio.h>

#include "chat/push.h"

#define NOW (100 * DAY_MS)

static struct push_job job_of(int64_t seq, int64_t sent_seq)
{
    return (struct push_job){.seq = seq,
                             .sent_seq = sent_seq,
                             .sent_at = sent_seq ? NOW - 1000 : 0,
                             .has_device = true,
                             .is_member = true};
}

static void test_decides_by_how_things_are(void **state)
{
    (void)state;
    struct push_job job = job_of(7, 0);
    assert_int_equal(push_decide(&job, true, NOW), PUSH_NOTIFY);
    job.cursor = 6;
    assert_int_equal(push_decide(&job, true, NOW), PUSH_NOTIFY);
    job.cursor = 7; /* the device has it */
    assert_int_equal(push_decide(&job, true, NOW), PUSH_FORGET);
    job = job_of(7, 5);
    assert_int_equal(push_decide(&job, true, NOW), PUSH_NOTIFY);
    job.muted_until = NOW + 1;
    assert_int_equal(push_decide(&job, true, NOW), PUSH_KEEP);
    job.muted_until = NOW;
    assert_int_equal(push_decide(&job, true, NOW), PUSH_NOTIFY);
    job.has_device = false;
    assert_int_equal(push_decide(&job, true, NOW), PUSH_FORGET);
    job = job_of(7, 5);
    job.is_member = false;
    assert_int_equal(push_decide(&job, true, NOW), PUSH_FORGET);
}

static void test_what_was_shown_is_taken_back_when_it_was_read(void **state)
{
    (void)state;
    struct push_job job = job_of(7, 7);
    assert_int_equal(push_decide(&job, true, NOW), PUSH_KEEP);
    job.read_seq = 6;
    assert_int_equal(push_decide(&job, true, NOW), PUSH_KEEP);
    job.read_seq = 7;
    assert_int_equal(push_decide(&job, true, NOW), PUSH_CLEAR);
    assert_int_equal(push_decide(&job, false, NOW), PUSH_FORGET);
    job.sent_seq = 0; /* nothing was shown */
    assert_int_equal(push_decide(&job, true, NOW), PUSH_FORGET);
    job = job_of(7, 7);
    assert_int_equal(push_decide(&job, true, NOW + PUSH_KEPT_MS), PUSH_FORGET);
}

static void test_waits_longer_each_time(void **state)
{
    (void)state;
    assert_int_equal(push_backoff_ms(0, 0), PUSH_BACKOFF_MS);
    assert_int_equal(push_backoff_ms(3, 0), 8 * PUSH_BACKOFF_MS);
    assert_int_equal(push_backoff_ms(0, 60000), 60000);
    assert_int_equal(push_backoff_ms(3, 1000), 8 * PUSH_BACKOFF_MS);
    assert_int_equal(push_backoff_ms(60, 0), PUSH_BACKOFF_MS_MAX);
    assert_int_equal(push_backoff_ms(0, INT64_MAX), PUSH_BACKOFF_MS_MAX);
}

#define KEYS                                                                                       \
    "\"keys\":{\"p256dh\":"                                                                        \
    "\"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4\"," \
    "\"auth\":\"BTBZMqHH6r4Tts7J_aSIgg==\"}"

static enum err read_target(const char *text, struct push_target *ret_target)
{
    struct arena arena;
    const char *problem;
    arena_init(&arena, 65536);
    enum err err = push_target_read(&arena, str_from_c(text), ret_target, &problem);
    assert_int_equal(err == ERR_INVALID, problem != NULL);
    arena_release(&arena);
    return err;
}

static void test_reads_what_browsers_give(void **state)
{
    (void)state;
    struct push_target target;
    assert_ok(read_target(
        "{\"endpoint\":\"https://push.example/1\",\"expirationTime\":null," KEYS "}", &target));
    assert_true(target.shows_text);
    assert_false(target.can_clear);
    assert_ok(read_target(
        "{\"endpoint\":\"https://push.example/1\",\"text\":false,\"clear\":true," KEYS "}",
        &target));
    assert_false(target.shows_text);
    assert_true(target.can_clear);
    assert_err(read_target("{\"token\":\"x\"}", &target), ERR_NOT_FOUND);
    assert_err(read_target("{\"endpoint\":null}", &target), ERR_NOT_FOUND);
    assert_err(read_target("{\"endpoint\":7," KEYS "}", &target), ERR_INVALID);
    assert_err(read_target("{\"endpoint\":\"https://x/\"}", &target), ERR_INVALID);
    assert_err(read_target("{\"endpoint\":\"https://x/\",\"keys\":[]}", &target), ERR_INVALID);
    assert_err(read_target("{\"endpoint\":\"https://x/\",\"clear\":1," KEYS "}", &target),
               ERR_INVALID);
}

static void test_calls_https_and_what_is_allowed(void **state)
{
    (void)state;
    struct egress_rules none = {0}, loopback;
    assert_ok(egress_rules_parse(STR("127.0.0.0/8"), &loopback));
    static const char *const good[] = {"https://push.example/1?a=b", "https://push.example:8443",
                                       "https://93.184.216.34/", "https://[2606:4700::1111]:443/"};
    static const char *const bad[] = {"http://push.example/1",
                                      "https://",
                                      "https:///x",
                                      "https://:80/x",
                                      "https://u@x/",
                                      "https://x/#y",
                                      "https://x/ y",
                                      "https://x\\y/",
                                      "ftp://x/",
                                      "https://10.0.0.1/",
                                      "https://[::1]/",
                                      "https://[/",
                                      "https://[::ffff:a00:1]/",
                                      "http://8.8.8.8/",
                                      "HTTPS://x/",
                                      "https",
                                      ""};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_null(push_refuses(&none, str_from_c(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_non_null(push_refuses(&none, str_from_c(bad[i])));
        assert_non_null(push_refuses(&loopback, str_from_c(bad[i])));
    }
    /* A host that is no name of any: each notification would have to sign it. */
    for (size_t len = 255; len <= 900; len += 645) {
        char endpoint[PUSH_ENDPOINT_MAX];
        (void)snprintf(endpoint, sizeof(endpoint), "https://a:%0*d/x", (int)len + 8, 443);
        assert_non_null(push_refuses(&none, str_from_c(endpoint)));
        (void)snprintf(endpoint, sizeof(endpoint), "https://a/%0*d/x", (int)len + 8, 443);
        assert_null(push_refuses(&none, str_from_c(endpoint)));
    }
    assert_non_null(push_refuses(&none, STR("http://127.0.0.1:81/x")));
    assert_null(push_refuses(&loopback, STR("http://127.0.0.1:81/x")));
    assert_non_null(push_refuses(&loopback, STR("http://localhost:81/x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decides_by_how_things_are),
        cmocka_unit_test(test_what_was_shown_is_taken_back_when_it_was_read),
        cmocka_unit_test(test_waits_longer_each_time),
        cmocka_unit_test(test_reads_what_browsers_give),
        cmocka_unit_test(test_calls_https_and_what_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
