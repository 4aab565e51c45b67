/* The feed on PostgreSQL: one node hears, once and in order, what another writes, and its own is passed over. */
#include "chat/chat_rig.h"

#include "chat/feed.h"

/* The listener of the other node. */
struct ear {
    struct fanout fanout;
    struct feed *feed;
    int64_t entries[HEARD_MAX];
    size_t entry_count;
    size_t receipts, doubts;
};

static void on_news(void *ctx, const struct fanout_event *event)
{
    struct ear *ear = ctx;
    assert_null(event->message);
    ear->doubts += event->kind == FANOUT_DOUBT;
    ear->receipts += event->kind == FANOUT_RECEIPT;
    for (int64_t seq = event->first_seq; event->kind == FANOUT_ENTRY && seq <= event->last_seq;
         seq++) {
        assert_true(ear->entry_count < HEARD_MAX);
        ear->entries[ear->entry_count++] = seq;
    }
}

static void ear_open(struct ear *ear, const struct rig *rig, const struct id_gen *ids)
{
    *ear = (struct ear){.fanout = {on_news, ear}};
    assert_ok(feed_new(rig->service->database_path, ids, &ear->fanout, &ear->feed));
    assert_non_null(ear->feed);
}

/* Until nothing is open any more in the cluster that was when it was called. */
static void hear(struct ear *ear, size_t entries)
{
    bool has_more = false;
    for (int i = 0; i < 3000 && ear->entry_count < entries; i++) {
        assert_ok(feed_read(ear->feed, &has_more));
        if (ear->entry_count < entries)
            (void)usleep(10000);
    }
    assert_int_equal(ear->entry_count, entries);
}

/* Until an entry with that seq has come. */
static void hear_to(struct ear *ear, int64_t seq)
{
    bool has_more = false;
    for (int i = 0; i < 3000; i++) {
        if (ear->entry_count > 0 && ear->entries[ear->entry_count - 1] == seq)
            return;
        assert_ok(feed_read(ear->feed, &has_more));
        (void)usleep(1000);
    }
    fail_msg("entry %lld has not come", (long long)seq);
}

static void test_others_are_heard_in_order_and_once(void **state)
{
    struct rig *rig = *state;
    struct ear other, same;
    struct id_gen ids;
    int64_t seq;
    uint32_t node = writer_ids(rig->service->writer)->node;
    id_gen_init(&ids, node + 1, 0);
    assert_ok(append(rig, "before anybody listens", false, &seq));
    ear_open(&other, rig, &ids);
    ear_open(&same, rig, writer_ids(rig->service->writer));
    for (int i = 0; i < 20; i++)
        assert_int_equal(append(rig, "x", i % 4 == 1, &seq), i % 4 == 1 ? ERR_CONFLICT : ERR_OK);
    assert_int_equal(seq, 16);
    hear_to(&other, 16);
    /* Where a transaction of somebody else was open as it began, it hears what was before, too. */
    size_t early = other.entries[0] == 1;
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(other.entries[i + early], i + 2);
    bool has_more;
    assert_ok(feed_read(other.feed, &has_more));
    assert_ok(feed_read(same.feed, &has_more));
    assert_false(has_more);
    assert_int_equal(other.entry_count, 15 + early);
    assert_int_equal(same.entry_count, 0);
    assert_int_equal(other.doubts, 0);
    feed_free(other.feed);
    feed_free(same.feed);
}

static enum err sweep_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job;
    return feed_sweep(tx);
}

static int64_t rows_of(struct rig *rig, struct sql *sql)
{
    int64_t rows;
    assert_ok(db_get_i64(db_stmt(rig->db, sql), &rows));
    return rows;
}
SQL(SQL_ROWS, "SELECT (SELECT COUNT(*) FROM feed_0) + (SELECT COUNT(*) FROM feed_1)");

/* Moves the database's clock too: it is the one that jobs go by. */
static void test_tables_take_turns_and_are_emptied(void **state)
{
    struct rig *rig = *state;
    struct ear other;
    struct id_gen ids;
    int64_t seq;
    id_gen_init(&ids, writer_ids(rig->service->writer)->node + 1, 0);
    ear_open(&other, rig, &ids);
    for (int turn = 0; turn < 4; turn++) {
        struct rig_job early = {.job = {.apply = sweep_apply}, .rig = rig};
        struct rig_job late = {.job = {.apply = sweep_apply}, .rig = rig};
        clock_advance_ms(FEED_SPAN_MS - clock_now_ms() % FEED_SPAN_MS + 1000);
        assert_ok(append(rig, "x", false, &seq));
        assert_ok(writer_run(rig->service->writer, &early.job));
        assert_int_equal(rows_of(rig, &SQL_ROWS), turn == 0 ? 1 : 2);
        hear(&other, (size_t)turn + 1);
        clock_advance_ms(FEED_SPAN_MS / 2);
        assert_ok(writer_run(rig->service->writer, &late.job));
        assert_int_equal(rows_of(rig, &SQL_ROWS), 1);
    }
    feed_free(other.feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_others_are_heard_in_order_and_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tables_take_turns_and_are_emptied, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
