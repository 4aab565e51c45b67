/* On which days a chat has entries, and which of them are kept. */
#include "base/check.h"

#include "chat/chat.h"
#include "chat/days.h"

#define DAY_0 ((int64_t)20000)

static int64_t noon(int64_t day)
{
    return (DAY_0 + day) * DAY_MS + DAY_MS / 2;
}

static void test_a_day_is_noted_once(void **state)
{
    (void)state;
    struct chat chat = {0};
    assert_int_equal(chat_note_day(&chat, noon(0)), DAY_0);
    assert_int_equal(chat_note_day(&chat, noon(0) + 1), DAY_0);
    assert_int_equal(chat.day_bits, 1);
    assert_int_equal(chat_note_day(&chat, noon(2)), DAY_0 + 2);
    assert_int_equal(chat.day_bits, 5);
    assert_int_equal(chat.last_day, DAY_0 + 2);
}

static void test_days_never_go_back(void **state)
{
    (void)state;
    struct chat chat = {0};
    assert_int_equal(chat_note_day(&chat, noon(5)), DAY_0 + 5);
    assert_int_equal(chat_note_day(&chat, noon(3)), DAY_0 + 5);
    assert_int_equal(chat.day_bits, 1);
}

static void test_long_silence_forgets_all_days(void **state)
{
    (void)state;
    const int64_t gaps[] = {LOG_SLOTS - 1, LOG_SLOTS, 63, 64, 65, 1000};
    for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
        struct chat chat = {0};
        assert_int_equal(chat_note_day(&chat, noon(0)), DAY_0);
        assert_int_equal(chat_note_day(&chat, noon(gaps[i])), DAY_0 + gaps[i]);
        uint64_t old = gaps[i] < LOG_SLOTS ? UINT64_C(1) << gaps[i] : 0;
        assert_int_equal(chat.day_bits, old | 1);
    }
}

/* Whatever the pattern of days: what is shown is what was written in the last LOG_DAYS days and today, oldest first, and a slot
 * never stands for two of them. */
static void test_kept_days_are_those_of_a_month(void **state)
{
    (void)state;
    for (unsigned step = 1; step <= 12; step++) {
        struct chat chat = {0};
        for (int64_t day = 0; day < 100; day++) {
            struct chat_days days;
            if (day % step == 0)
                assert_int_equal(chat_note_day(&chat, noon(day)), DAY_0 + day);
            chat_days(&chat, noon(day), &days);
            size_t count = 0;
            for (int64_t back = LOG_DAYS; back >= 0; back--) {
                if (day - back < 0 || (day - back) % step != 0)
                    continue;
                assert_true(count < days.count);
                assert_int_equal(days.slots[count++], day_slot(DAY_0 + day - back));
            }
            assert_int_equal(days.count, count);
            if (day <= LOG_DAYS)
                assert_false(days.has_older);
        }
    }
}

static void test_what_is_past_keeping_is_said_to_have_been(void **state)
{
    (void)state;
    struct chat chat = {0};
    struct chat_days days;
    assert_int_equal(chat_note_day(&chat, noon(0)), DAY_0);
    chat_days(&chat, noon(LOG_DAYS), &days);
    assert_int_equal(days.count, 1);
    assert_false(days.has_older);
    chat_days(&chat, noon(LOG_DAYS + 1), &days);
    assert_int_equal(days.count, 0);
    assert_true(days.has_older);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_day_is_noted_once),
        cmocka_unit_test(test_days_never_go_back),
        cmocka_unit_test(test_long_silence_forgets_all_days),
        cmocka_unit_test(test_kept_days_are_those_of_a_month),
        cmocka_unit_test(test_what_is_past_keeping_is_said_to_have_been),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
