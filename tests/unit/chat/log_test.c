/* The log: seqs, ranges over days, retention, client ids, and what listeners are told. */
#include "chat/chat_rig.h"

/* Seqs that a reader sees behind `after`. */
static size_t read_seqs(struct rig *rig, int64_t after, size_t limit, bool is_ascending,
                        int64_t *ret_seqs)
{
    struct chat chat;
    struct chat_days days;
    struct message messages[200];
    size_t count = 0;
    load_chat(rig, rig->db, &chat);
    chat_days(&chat, clock_now_ms(), &days);
    struct log_range range = {.chat_id = rig->chat_id,
                              .after = after,
                              .before = INT64_MAX,
                              .is_ascending = is_ascending,
                              .limit = limit,
                              .bytes_max = PAGE_BYTES_MAX};
    assert_true(limit <= 200);
    assert_ok(log_store_range(rig->db, &rig->arena, &range, &days, messages, &count));
    for (size_t i = 0; i < count; i++)
        ret_seqs[i] = messages[i].seq;
    return count;
}

static void test_seqs_have_no_gap_where_jobs_failed(void **state)
{
    struct rig *rig = *state;
    int64_t seq, seqs[200];
    assert_ok(append(rig, "one", false, &seq));
    assert_int_equal(append(rig, "lost", true, &seq), ERR_CONFLICT);
    assert_int_equal(seq, 2);
    assert_ok(append(rig, "two", false, &seq));
    assert_int_equal(seq, 2);
    assert_int_equal(read_seqs(rig, 0, 200, true, seqs), 2);
    assert_int_equal(seqs[1], 2);
    /* Nobody has heard of what was rolled back. */
    assert_int_equal(rig->heard_count, 2);
    assert_int_equal(rig->heard[0], 1);
    assert_int_equal(rig->heard[1], 2);
}

static void test_one_group_of_many_is_in_order(void **state)
{
    struct rig *rig = *state;
    static struct rig_job jobs[40];
    for (size_t i = 0; i < 40; i++) {
        jobs[i] = (struct rig_job){
            .job = {.apply = append_apply, .done = job_done, .shard = rig->chat_id},
            .rig = rig,
            .text = "x",
            .fails = i % 5 == 2};
        assert_ok(writer_submit(rig->service->writer, &jobs[i].job));
    }
    int64_t last;
    assert_ok(append(rig, "end", false, &last));
    assert_int_equal(last, 33);
    assert_int_equal(rig->heard_count, 33);
    for (size_t i = 0; i < 33; i++)
        assert_int_equal(rig->heard[i], i + 1);
    for (size_t i = 0; i < 40; i++) {
        assert_true(jobs[i].is_done);
        assert_int_equal(jobs[i].outcome, jobs[i].fails ? ERR_CONFLICT : ERR_OK);
    }
}

static void test_ranges_span_days(void **state)
{
    struct rig *rig = *state;
    int64_t seq, seqs[200];
    for (int day = 0; day < 10; day++) {
        for (int i = 0; i < 3; i++)
            assert_ok(append(rig, "x", false, &seq));
        clock_advance_ms(day % 3 == 0 ? 2 * DAY_MS : DAY_MS);
    }
    assert_int_equal(read_seqs(rig, 0, 200, true, seqs), 30);
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(seqs[i], i + 1);
    assert_int_equal(read_seqs(rig, 4, 7, true, seqs), 7);
    assert_int_equal(seqs[0], 5);
    assert_int_equal(seqs[6], 11);
    assert_int_equal(read_seqs(rig, 0, 7, false, seqs), 7);
    assert_int_equal(seqs[0], 30);
    assert_int_equal(seqs[6], 24);
}

/* Three entries a day for four months: a month of them is there, each day, and the counts agree. */
static void test_a_month_is_kept_and_counted(void **state)
{
    struct rig *rig = *state;
    int64_t seq, seqs[200];
    for (int64_t day = 0; day < 120; day++) {
        struct chat chat;
        struct chat_days days;
        struct log_first first;
        int64_t texts;
        for (int i = 0; i < 3; i++)
            assert_ok(append(rig, "x", false, &seq));
        rig->heard_count = 0;
        assert_int_equal(seq, 3 * day + 3);
        int64_t kept_days = day < LOG_DAYS ? day + 1 : LOG_DAYS + 1;
        assert_int_equal(read_seqs(rig, 0, 200, true, seqs), 3 * kept_days);
        assert_int_equal(seqs[0], seq - 3 * kept_days + 1);
        load_chat(rig, rig->db, &chat);
        chat_days(&chat, clock_now_ms(), &days);
        assert_ok(log_store_first(rig->db, &chat, &days, &first));
        assert_int_equal(first.seq, seqs[0]);
        assert_int_equal(first.texts_before, seqs[0] - 1);
        assert_ok(log_store_texts(rig->db, &chat, seq - 1, &days, &texts));
        assert_int_equal(texts, seq - 1);
        clock_advance_ms(DAY_MS);
        arena_reset(&rig->arena, 0);
    }
}

static enum err sent_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct rig *rig = container_of(job, struct rig_job, job)->rig;
    struct sent sent = {.chat_id = rig->chat_id, .sender_id = 7, .seq = 5};
    struct sent other = {.chat_id = rig->chat_id, .sender_id = 8};
    struct sent found = sent;
    crypto_sha256(STR("client"), sent.client_hash);
    memcpy(found.client_hash, sent.client_hash, SHA256_SIZE);
    memcpy(other.client_hash, sent.client_hash, SHA256_SIZE);
    assert_ok(days_sent_put(rig->service->days, tx, &sent));
    assert_ok(days_sent_find(tx, tx->now_ms, &found));
    assert_int_equal(found.seq, 5);
    assert_int_equal(days_sent_find(tx, tx->now_ms, &other), ERR_NOT_FOUND);
    return ERR_OK;
}

static enum err sent_again_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct rig_job *mine = container_of(job, struct rig_job, job);
    struct sent sent = {.chat_id = mine->rig->chat_id, .sender_id = 7};
    crypto_sha256(STR("client"), sent.client_hash);
    enum err err = days_sent_find(tx, 0, &sent);
    assert_true(err == ERR_OK || err == ERR_NOT_FOUND);
    mine->message.seq = err ? 0 : sent.seq;
    return ERR_OK;
}

static void test_client_ids_are_known_for_a_month(void **state)
{
    struct rig *rig = *state;
    struct rig_job put = {.job = {.apply = sent_apply}, .rig = rig};
    assert_ok(writer_run(rig->service->writer, &put.job));
    for (int day = 0; day <= LOG_DAYS + 1; day++) {
        struct rig_job ask = {.job = {.apply = sent_again_apply}, .rig = rig};
        assert_ok(writer_run(rig->service->writer, &ask.job));
        assert_int_equal(ask.message.seq, 5);
        clock_advance_ms(DAY_MS);
    }
    clock_advance_ms(SENT_DAYS * SENT_SLOTS * DAY_MS);
    struct rig_job ask = {.job = {.apply = sent_again_apply}, .rig = rig};
    struct rig_job other = {.job = {.apply = sent_apply}, .rig = rig};
    assert_ok(writer_run(rig->service->writer, &other.job)); /* its table is emptied first */
    assert_ok(writer_run(rig->service->writer, &ask.job));
    assert_int_equal(ask.message.seq, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_seqs_have_no_gap_where_jobs_failed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_group_of_many_is_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ranges_span_days, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_month_is_kept_and_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_ids_are_known_for_a_month, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
