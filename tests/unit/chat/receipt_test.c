/* Receipts of the stream: gathered, written once, never lowered. */
#include "chat/chat_rig.h"

#include "chat/receipt.h"

SQL(SQL_MARKS, "SELECT delivered_seq, read_seq, read_texts FROM chat_member WHERE user_id = 7");

static void check_marks(struct rig *rig, int64_t delivered, int64_t read)
{
    bool has_row;
    struct db_stmt *stmt = db_stmt(rig->db, &SQL_MARKS);
    assert_ok(db_step(stmt, &has_row));
    assert_true(has_row);
    assert_int_equal(db_col_i64(stmt, 0), delivered);
    assert_int_equal(db_col_i64(stmt, 1), read);
    assert_int_equal(db_col_i64(stmt, 2), read); /* all entries are texts */
    db_done(stmt);
}

static void note(struct rig *rig, uint64_t user_id, int64_t delivered, int64_t read)
{
    struct receipt receipt = {.user_id = user_id, .delivered_seq = delivered, .read_seq = read};
    assert_ok(receipts_note(rig->service->receipts, rig->chat_id, &receipt));
}

static enum err nothing(struct writer_job *job, struct writer_tx *tx)
{
    (void)job, (void)tx;
    return ERR_OK;
}

/* All that was submitted has been written. */
static void flush(struct rig *rig)
{
    struct writer_job job = {.apply = nothing};
    receipts_flush(rig->service->receipts);
    assert_ok(writer_run(rig->service->writer, &job));
}

static uint64_t jobs_of(const struct rig *rig)
{
    struct writer_stats stats;
    writer_stats(rig->service->writer, &stats);
    return stats.jobs;
}

static void fill(struct rig *rig)
{
    int64_t seq;
    for (int i = 0; i < 10; i++)
        assert_ok(append(rig, "x", false, &seq));
}

static void test_the_highest_of_many_is_written_once(void **state)
{
    struct rig *rig = *state;
    fill(rig);
    rig->service->fanout = (struct fanout){0}; /* it wants entries only */
    uint64_t before = jobs_of(rig);
    for (int64_t seq = 1; seq <= 10; seq++)
        note(rig, 7, seq, seq * 7 % 9);
    flush(rig);
    check_marks(rig, 10, 8);
    assert_int_equal(jobs_of(rig) - before, 2); /* with the one that was waited for */
    note(rig, 7, 4, 3);
    flush(rig);
    check_marks(rig, 10, 8);
}

static void test_what_cannot_be_is_passed_over(void **state)
{
    struct rig *rig = *state;
    struct receipt receipt = {.user_id = 7, .delivered_seq = 3, .read_seq = 3};
    fill(rig);
    rig->service->fanout = (struct fanout){0};
    note(rig, 8, 5, 5);                                                /* no member */
    assert_ok(receipts_note(rig->service->receipts, 12345, &receipt)); /* no chat */
    note(rig, 7, 1000, 1000);                                          /* beyond the end */
    receipt.device_id = 99; /* no device: the member's marks count all the same */
    assert_ok(receipts_note(rig->service->receipts, rig->chat_id, &receipt));
    flush(rig);
    check_marks(rig, 10, 10);
}

static void test_what_waits_is_bounded(void **state)
{
    struct rig *rig = *state;
    struct receipt receipt = {.delivered_seq = 1};
    for (receipt.user_id = 1; receipt.user_id <= RECEIPTS_BATCH_MAX; receipt.user_id++)
        assert_ok(receipts_note(rig->service->receipts, rig->chat_id, &receipt));
    assert_int_equal(receipts_note(rig->service->receipts, rig->chat_id, &receipt), ERR_FULL);
    receipt.user_id = 5;
    assert_ok(receipts_note(rig->service->receipts, rig->chat_id, &receipt));
}

static void test_a_stop_writes_what_waits(void **state)
{
    struct rig *rig = *state;
    fill(rig);
    rig->service->fanout = (struct fanout){0};
    assert_ok(receipts_start(rig->service->receipts));
    note(rig, 7, 9, 4);
    chat_service_stop(rig->service);
    check_marks(rig, 9, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_highest_of_many_is_written_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_waits_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_stop_writes_what_waits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
