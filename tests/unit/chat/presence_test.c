/* Presence: who is online, who is told, who may not be, and when somebody was seen last. */
#include "chat/chat_rig.h"

#include <pthread.h>

#include "chat/block.h"
#include "chat/presence.h"

#define ADA  7 /* the rig's */
#define BOB  8
#define CLEO 9
#define DORA 10 /* shares no chat with anybody */

#define TOLD_MAX 4096

struct told {
    websocket_id id;
    struct presence_state state;
};

struct bench {
    struct rig *rig;
    struct presence *presence;
    struct told told[TOLD_MAX];
    size_t count;
    int asked;
    uint64_t typing_chat, typing_user;
};

static void on_tell(void *ctx, const websocket_id *ids, size_t count,
                    const struct presence_state *state)
{
    struct bench *bench = ctx;
    for (size_t i = 0; i < count; i++) {
        assert_true(bench->count < TOLD_MAX);
        bench->told[bench->count++] = (struct told){ids[i], *state};
    }
}

static void on_ask(void *ctx)
{
    struct bench *bench = ctx;
    assert_int_equal(bench->asked, 0); /* not again before it has run */
    bench->asked++;
}

static void on_typing(void *ctx, uint64_t chat_id, uint64_t user_id)
{
    struct bench *bench = ctx;
    bench->typing_chat = chat_id;
    bench->typing_user = user_id;
}

static void check(struct bench *bench)
{
    while (bench->asked > 0) {
        bench->asked = 0;
        presence_check(bench->presence, bench->rig->db);
    }
}

/* A while later. */
static void tick_after(struct bench *bench, int64_t ms)
{
    clock_advance_ms(ms);
    presence_tick(bench->presence);
    check(bench);
}

static void watch(struct bench *bench, websocket_id id, uint64_t watcher, uint64_t user)
{
    presence_watch(bench->presence, id, watcher, &user, 1);
    check(bench);
}

/* The last thing that was told, which is the count-th. */
static void assert_told(struct bench *bench, size_t count, websocket_id id, uint64_t user,
                        bool is_online)
{
    assert_int_equal(bench->count, count);
    const struct told *told = &bench->told[count - 1];
    assert_int_equal(told->id, id);
    assert_int_equal(told->state.user_id, user);
    assert_int_equal(told->state.is_online, is_online);
}

static void on_block(void *ctx)
{
    (void)ctx;
}

struct change_job {
    struct writer_job job;
    uint64_t chat_id, user_id, other_id;
    bool is_undone;
};

static enum err member_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct change_job *mine = container_of(job, struct change_job, job);
    struct member member = {.user_id = mine->user_id, .name = STR("x")};
    return mine->is_undone ? member_store_remove(tx->db, mine->chat_id, mine->user_id)
                           : member_store_add(tx->db, mine->chat_id, &member);
}

static enum err block_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct change_job *mine = container_of(job, struct change_job, job);
    return mine->is_undone ? block_store_remove(tx->db, mine->user_id, mine->other_id)
                           : block_store_add(tx->db, mine->user_id, mine->other_id, tx->now_ms);
}

static void set_member(struct bench *bench, uint64_t user, bool is_member)
{
    struct change_job job = {.job.apply = member_apply,
                             .chat_id = bench->rig->chat_id,
                             .user_id = user,
                             .is_undone = !is_member};
    assert_ok(writer_run(bench->rig->service->writer, &job.job));
}

static void set_block(struct bench *bench, uint64_t user, uint64_t other, bool is_blocked)
{
    struct change_job job = {
        .job.apply = block_apply, .user_id = user, .other_id = other, .is_undone = !is_blocked};
    assert_ok(writer_run(bench->rig->service->writer, &job.job));
}

static int bench_set_up(void **state)
{
    void *rig = NULL;
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    assert_int_equal(set_up(&rig), 0);
    bench->rig = rig;
    struct presence_ways ways = {on_tell, on_ask, on_typing, on_block, bench};
    assert_ok(presence_new(&ways, bench->rig->service->writer, bench->rig->service->database_path,
                           &bench->presence));
    set_member(bench, BOB, true);
    set_member(bench, CLEO, true);
    *state = bench;
    return 0;
}

static int bench_tear_down(void **state)
{
    struct bench *bench = *state;
    void *rig = bench->rig;
    presence_stop(bench->presence);
    presence_free(bench->presence);
    free(bench);
    return tear_down(&rig);
}

static void test_watchers_are_told_the_state_and_its_changes(void **state)
{
    struct bench *bench = *state;
    watch(bench, 1, ADA, BOB);
    assert_told(bench, 1, 1, BOB, false);
    assert_int_equal(bench->told[0].state.last_seen_ms, 0);
    presence_join(bench->presence, BOB);
    tick_after(bench, 0);
    assert_told(bench, 2, 1, BOB, true);
    watch(bench, 2, CLEO, BOB);
    assert_told(bench, 3, 2, BOB, true);
    int64_t left_ms = clock_now_ms();
    presence_leave(bench->presence, BOB);
    tick_after(bench, 0);
    assert_int_equal(bench->count, 3); /* perhaps for a moment only */
    tick_after(bench, PRESENCE_GRACE_MS);
    assert_int_equal(bench->count, 5);
    assert_told(bench, 5, bench->told[3].id == 1 ? 2 : 1, BOB, false);
    assert_in_range(bench->told[4].state.last_seen_ms, left_ms, left_ms + PRESENCE_GRACE_MS - 1);
    tick_after(bench, PRESENCE_GRACE_MS);
    assert_int_equal(bench->count, 5);
}

static void test_a_short_absence_and_more_streams_are_no_change(void **state)
{
    struct bench *bench = *state;
    presence_join(bench->presence, BOB);
    watch(bench, 1, ADA, BOB);
    assert_told(bench, 1, 1, BOB, true);
    presence_join(bench->presence, BOB);
    presence_leave(bench->presence, BOB);
    tick_after(bench, PRESENCE_GRACE_MS);
    presence_leave(bench->presence, BOB);
    tick_after(bench, PRESENCE_GRACE_MS / 2);
    presence_join(bench->presence, BOB);
    tick_after(bench, PRESENCE_GRACE_MS);
    assert_int_equal(bench->count, 1);
    assert_true(presence_is_online(bench->presence, BOB));
    assert_false(presence_is_online(bench->presence, CLEO));
}

static void test_who_shares_no_chat_or_is_blocked_shows_nothing(void **state)
{
    struct bench *bench = *state;
    const uint64_t users[] = {ADA, BOB, BOB, CLEO, DORA};
    set_block(bench, CLEO, ADA, true);
    presence_watch(bench->presence, 1, ADA, users, 5);
    check(bench);
    assert_told(bench, 1, 1, BOB, false);
    watch(bench, 2, DORA, BOB);
    watch(bench, 3, CLEO, ADA); /* the other way round as well */
    for (uint64_t user = ADA; user <= DORA; user++)
        presence_join(bench->presence, user);
    tick_after(bench, 0);
    assert_told(bench, 2, 1, BOB, true);
    struct presence_stats stats;
    presence_stats(bench->presence, &stats);
    assert_int_equal(stats.watches, 1);
}

static void test_a_block_ends_it_at_once(void **state)
{
    struct bench *bench = *state;
    presence_join(bench->presence, BOB);
    presence_join(bench->presence, ADA);
    watch(bench, 1, ADA, BOB);
    watch(bench, 2, BOB, ADA);
    watch(bench, 3, CLEO, BOB);
    assert_int_equal(bench->count, 3);
    set_block(bench, BOB, ADA, true);
    presence_block(bench->presence, BOB, ADA);
    presence_leave(bench->presence, BOB);
    tick_after(bench, PRESENCE_GRACE_MS);
    assert_int_equal(bench->count, 6);
    for (size_t i = 3; i < 6; i++) {
        bool is_cleo = bench->told[i].id == 3;
        assert_false(bench->told[i].state.is_online);
        assert_int_equal(bench->told[i].state.last_seen_ms != 0, is_cleo);
    }
    presence_join(bench->presence, BOB);
    tick_after(bench, 0);
    assert_told(bench, 7, 3, BOB, true);
    set_block(bench, BOB, ADA, false);
    watch(bench, 1, ADA, BOB);
    assert_told(bench, 8, 1, BOB, true);
}

/* A block that comes while an answer is on its way: the answer counts no more. */
static void test_a_block_during_the_check(void **state)
{
    struct bench *bench = *state;
    uint64_t user = BOB;
    presence_watch(bench->presence, 1, ADA, &user, 1);
    assert_int_equal(bench->asked, 1);
    presence_block(bench->presence, ADA, BOB); /* it is in no database yet */
    bench->asked = 0;
    presence_check(bench->presence, bench->rig->db);
    assert_int_equal(bench->count, 0);
    assert_int_equal(bench->asked, 1);
    check(bench);
    assert_told(bench, 1, 1, BOB, false);
}

static void test_trust_ends_with_its_time(void **state)
{
    struct bench *bench = *state;
    watch(bench, 1, ADA, BOB);
    watch(bench, 2, CLEO, BOB);
    assert_int_equal(bench->count, 2);
    set_member(bench, ADA, false);
    presence_join(bench->presence, BOB);
    clock_advance_ms(PRESENCE_TRUST_MS);
    presence_tick(bench->presence);
    assert_int_equal(bench->count, 2); /* nobody before the database was asked */
    check(bench);
    assert_int_equal(bench->count, 4);
    for (size_t i = 2; i < 4; i++) /* Ada shall not believe what she saw last */
        assert_int_equal(bench->told[i].state.is_online, bench->told[i].id == 2);
}

static void test_another_watch_takes_the_place_of_the_first(void **state)
{
    struct bench *bench = *state;
    struct presence_stats stats;
    watch(bench, 1, ADA, BOB);
    watch(bench, 1, ADA, CLEO);
    assert_told(bench, 2, 1, CLEO, false);
    presence_join(bench->presence, BOB);
    presence_join(bench->presence, CLEO);
    tick_after(bench, 0);
    assert_told(bench, 3, 1, CLEO, true);
    presence_unwatch(bench->presence, 1);
    presence_leave(bench->presence, CLEO);
    tick_after(bench, PRESENCE_GRACE_MS);
    assert_int_equal(bench->count, 3);
    presence_stats(bench->presence, &stats);
    assert_int_equal(stats.watches, 0);
    uint64_t user = BOB;
    presence_watch(bench->presence, 5, ADA, &user, 1);
    presence_unwatch(bench->presence, 5); /* before it was checked */
    check(bench);
    assert_int_equal(bench->count, 3);
}

static void test_a_stream_watches_no_more_than_so_many(void **state)
{
    struct bench *bench = *state;
    uint64_t users[PRESENCE_WATCHED_MAX + 50];
    struct presence_stats stats;
    for (size_t i = 0; i < PRESENCE_WATCHED_MAX + 50; i++)
        users[i] = 1000 + i;
    presence_watch(bench->presence, 1, ADA, users, PRESENCE_WATCHED_MAX + 50);
    presence_stats(bench->presence, &stats);
    assert_int_equal(stats.watches, PRESENCE_WATCHED_MAX);
    check(bench);
    presence_stats(bench->presence, &stats);
    assert_int_equal(stats.watches, 0); /* none of them is known to Ada */
    assert_int_equal(stats.users, 0);   /* and all of it is forgotten at once: ids can be made up */
    for (uint64_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < PRESENCE_WATCHED_MAX; j++)
            users[j] = 2000 + i * PRESENCE_WATCHED_MAX + j;
        presence_watch(bench->presence, 1, ADA, users, PRESENCE_WATCHED_MAX);
    }
    presence_stats(bench->presence, &stats);
    assert_int_equal(stats.users, PRESENCE_WATCHED_MAX); /* also before they were checked */
    check(bench);
    presence_stats(bench->presence, &stats);
    assert_int_equal(stats.users, 0);
}

static struct ephemeral of(enum ephemeral_kind kind, uint64_t user, uint64_t other)
{
    return (struct ephemeral){kind, user, other};
}

static void hear(struct bench *bench, uint64_t node, enum ephemeral_kind kind, uint64_t user)
{
    struct ephemeral what = of(kind, user, 0);
    presence_heard(bench->presence, node, &what);
}

static void test_who_is_at_another_node_is_online(void **state)
{
    struct bench *bench = *state;
    watch(bench, 1, ADA, BOB);
    hear(bench, 77, EPHEMERAL_ONLINE, BOB);
    hear(bench, 78, EPHEMERAL_ONLINE, BOB);
    tick_after(bench, 0);
    assert_told(bench, 2, 1, BOB, true);
    hear(bench, 77, EPHEMERAL_OFFLINE, BOB);
    hear(bench, 79, EPHEMERAL_OFFLINE, BOB);
    tick_after(bench, PRESENCE_GRACE_MS);
    assert_int_equal(bench->count, 2);
    presence_lost(bench->presence, 78);
    tick_after(bench, PRESENCE_GRACE_MS);
    assert_told(bench, 3, 1, BOB, false);
    struct ephemeral typing = of(EPHEMERAL_TYPING, BOB, 55);
    presence_heard(bench->presence, 77, &typing);
    assert_int_equal(bench->typing_chat, 55);
    assert_int_equal(bench->typing_user, BOB);
}

/* What a node has not said again in its turn is not believed for ever. */
static void test_what_is_not_said_again_is_forgotten(void **state)
{
    struct bench *bench = *state;
    hear(bench, 77, EPHEMERAL_ONLINE, BOB);
    hear(bench, 77, EPHEMERAL_ONLINE, CLEO);
    for (int i = 0; i < 3 * PRESENCE_AGES; i++) {
        tick_after(bench, PRESENCE_AGAIN_MS);
        hear(bench, 77, EPHEMERAL_ONLINE, CLEO);
        assert_true(presence_is_online(bench->presence, CLEO));
        if (i + 1 < PRESENCE_AGES)
            assert_true(presence_is_online(bench->presence, BOB));
    }
    assert_false(presence_is_online(bench->presence, BOB));
}

SQL(SQL_ROWS, "SELECT COUNT(*) FROM last_seen");

static int64_t last_seen(struct bench *bench, uint64_t user)
{
    int64_t at_ms = -1;
    assert_ok(presence_store_last_seen(bench->rig->db, user, &at_ms));
    return at_ms;
}

struct barrier {
    struct writer_job job;
};
static enum err nothing_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job, (void)tx;
    return ERR_OK;
}
/* Whatever was submitted before has been done. */
static void settle(struct bench *bench)
{
    struct barrier barrier = {.job.apply = nothing_apply};
    assert_ok(writer_run(bench->rig->service->writer, &barrier.job));
}

static void test_last_seen_is_written_now_and_then(void **state)
{
    struct bench *bench = *state;
    struct presence_stats stats;
    presence_join(bench->presence, BOB);
    tick_after(bench, PRESENCE_AGAIN_MS);
    settle(bench);
    int64_t first_ms = last_seen(bench, BOB);
    assert_in_range(first_ms, clock_now_ms() - 60000, clock_now_ms());
    /* Coming and going writes nothing until some time has gone by. */
    for (int64_t ms = PRESENCE_AGAIN_MS; ms < PRESENCE_WRITE_MS - PRESENCE_AGAIN_MS;
         ms += PRESENCE_AGAIN_MS) {
        presence_leave(bench->presence, BOB);
        tick_after(bench, PRESENCE_AGAIN_MS);
        presence_join(bench->presence, BOB);
    }
    int64_t left_ms = clock_now_ms();
    presence_leave(bench->presence, BOB);
    presence_stats(bench->presence, &stats);
    assert_int_equal(stats.written, 1);
    tick_after(bench, PRESENCE_WRITE_MS);
    tick_after(bench, PRESENCE_AGAIN_MS);
    settle(bench);
    presence_stats(bench->presence, &stats);
    assert_int_equal(stats.written, 2);
    assert_in_range(last_seen(bench, BOB), left_ms, left_ms + 1000);
    /* Who was forgotten is found in the database. */
    for (int i = 0; i < 3; i++)
        tick_after(bench, PRESENCE_WRITE_MS);
    presence_stats(bench->presence, &stats);
    assert_int_equal(stats.users, 0);
    watch(bench, 1, ADA, BOB);
    assert_told(bench, 1, 1, BOB, false);
    assert_true(bench->told[0].state.last_seen_ms == last_seen(bench, BOB));
}

static void test_stopping_writes_all(void **state)
{
    enum {
        COUNT = 2 * PRESENCE_WRITE_BATCH + 10
    };
    struct bench *bench = *state;
    int64_t rows;
    for (uint64_t i = 0; i < COUNT; i++)
        presence_join(bench->presence, 1000 + i);
    tick_after(bench, 0);
    for (uint64_t i = 0; i < COUNT; i++)
        presence_leave(bench->presence, 1000 + i);
    presence_stop(bench->presence);
    settle(bench);
    assert_ok(db_get_i64(db_stmt(bench->rig->db, &SQL_ROWS), &rows));
    assert_int_equal(rows, COUNT);
}

/* The killed node could not write when its people were seen last. */
static void test_who_was_at_a_lost_node_is_written_by_others(void **state)
{
    struct bench *bench = *state;
    hear(bench, 77, EPHEMERAL_ONLINE, BOB);
    presence_lost(bench->presence, 77);
    tick_after(bench, PRESENCE_AGAIN_MS);
    settle(bench);
    assert_true(last_seen(bench, BOB) > 0);
}

/* ---- threads ---- */

struct worker {
    struct presence *presence;
    uint64_t from;
};

static void *worker_main(void *ctx)
{
    struct worker *worker = ctx;
    uint64_t users[10];
    for (uint64_t i = 0; i < 2000; i++) {
        uint64_t user = worker->from + i % 20;
        for (uint64_t j = 0; j < 10; j++)
            users[j] = ADA + (i + j) % 30;
        presence_join(worker->presence, user);
        presence_watch(worker->presence, worker->from + i % 7, user, users, i % 11);
        struct ephemeral what = of(i % 3 ? EPHEMERAL_ONLINE : EPHEMERAL_OFFLINE, user + 3, 0);
        presence_heard(worker->presence, 70 + i % 5, &what);
        if (i % 100 == 99)
            presence_lost(worker->presence, 70 + i % 5);
        if (i % 10 == 0)
            presence_block(worker->presence, user, users[0]);
        presence_unwatch(worker->presence, worker->from + (i + 3) % 7);
        presence_leave(worker->presence, user);
    }
    return NULL;
}

static void on_tell_nobody(void *ctx, const websocket_id *ids, size_t count,
                           const struct presence_state *state)
{
    (void)ctx, (void)ids, (void)count, (void)state;
}

static void on_typing_nobody(void *ctx, uint64_t chat_id, uint64_t user_id)
{
    (void)ctx, (void)chat_id, (void)user_id;
}

static void on_ask_later(void *ctx)
{
    atomic_store((_Atomic int *)ctx, 1);
}

static void test_threads(void **state)
{
    enum {
        WORKERS = 4
    };
    struct bench *bench = *state;
    struct presence *presence;
    _Atomic int is_asked = 0;
    struct presence_ways ways = {on_tell_nobody, on_ask_later, on_typing_nobody, on_block,
                                 &is_asked};
    assert_ok(presence_new(&ways, bench->rig->service->writer, "/none/chat.db", &presence));
    assert_ok(presence_start(presence));
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    for (uint64_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){presence, ADA + 5 * i};
        assert_int_equal(pthread_create(&threads[i], NULL, worker_main, &workers[i]), 0);
    }
    for (int i = 0; i < 200; i++) {
        presence_tick(presence);
        if (atomic_exchange(&is_asked, 0))
            presence_check(presence, bench->rig->db);
    }
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (websocket_id id = 0; id < 100; id++)
        presence_unwatch(presence, id);
    struct presence_stats stats;
    presence_stats(presence, &stats);
    assert_int_equal(stats.watches, 0);
    presence_stop(presence);
    presence_free(presence);
}

#define bench_test(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        bench_test(test_watchers_are_told_the_state_and_its_changes),
        bench_test(test_a_short_absence_and_more_streams_are_no_change),
        bench_test(test_who_shares_no_chat_or_is_blocked_shows_nothing),
        bench_test(test_a_block_ends_it_at_once),
        bench_test(test_a_block_during_the_check),
        bench_test(test_trust_ends_with_its_time),
        bench_test(test_another_watch_takes_the_place_of_the_first),
        bench_test(test_a_stream_watches_no_more_than_so_many),
        bench_test(test_who_is_at_another_node_is_online),
        bench_test(test_what_is_not_said_again_is_forgotten),
        bench_test(test_last_seen_is_written_now_and_then),
        bench_test(test_stopping_writes_all),
        bench_test(test_who_was_at_a_lost_node_is_written_by_others),
        bench_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
