/*
 * What ingest keeps in memory of endpoints is what the database says: behind every change at once,
 * behind one that was rolled back, in the same group, and on PostgreSQL behind another node's.
 */
#include "hooks/hooks_rig.h"

#include "hooks/routing.h"

static enum err disable(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    uint64_t *endpoint_id = ctx;
    bool is_new;
    return endpoint_store_disable(tx->db, rig->app_id, *endpoint_id, DISABLED_BY_CALLER, tx->now_ms,
                                  &is_new);
}

static enum err disable_and_fail(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    assert_ok(disable(rig, tx, ctx));
    return ERR_DENIED;
}

/* In one job behind its own change, and then all of it is undone. */
static enum err disable_take_and_fail(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct rig_ingest taken = {
        .ingest = {.message = {.event_type = STR("invoice.paid"), .payload = STR("{}")}}};
    taken.ingest.message.app_id = rig->app_id;
    taken.ingest.message.channels = STR("");
    assert_ok(disable(rig, tx, ctx));
    assert_ok(rig_take_apply(rig, tx, &taken));
    struct delivery delivery;
    struct delivery_key key = {rig->app_id, *(uint64_t *)ctx, taken.ingest.message.id};
    assert_err(delivery_store_get(tx->db, &key, &delivery), ERR_NOT_FOUND);
    return ERR_DENIED;
}

static enum err add_endpoint(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    *(uint64_t *)ctx = rig_endpoint(rig, tx, STR("invoice.*"), STR(""));
    return ERR_OK;
}

static enum err delete_endpoint(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    return endpoint_store_delete(tx->db, rig->app_id, *(uint64_t *)ctx);
}

static enum err delete_application(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    (void)ctx;
    return application_store_delete(tx->db, rig->app_id);
}

static bool goes_to(struct rig *rig, uint64_t endpoint_id)
{
    return rig_has_delivery(rig, endpoint_id, rig_message(rig));
}

static void test_changes_count_at_once(void **state)
{
    struct rig *rig = *state;
    uint64_t added = 0;
    assert_true(goes_to(rig, rig->paid_id));
    assert_true(goes_to(rig, rig->paid_id)); /* from memory */
    assert_ok(rig_run(rig, disable, &rig->paid_id));
    assert_false(goes_to(rig, rig->paid_id));
    assert_true(goes_to(rig, rig->all_id));
    assert_ok(rig_run(rig, add_endpoint, &added));
    assert_true(goes_to(rig, added));
    assert_ok(rig_run(rig, delete_endpoint, &added));
    assert_false(goes_to(rig, added));
    assert_ok(rig_run(rig, delete_application, NULL));
    assert_false(goes_to(rig, rig->all_id));
}

static void test_what_was_rolled_back_leaves_no_trace(void **state)
{
    struct rig *rig = *state;
    assert_true(goes_to(rig, rig->paid_id));
    assert_err(rig_run(rig, disable_and_fail, &rig->paid_id), ERR_DENIED);
    assert_true(goes_to(rig, rig->paid_id));
    assert_err(rig_run(rig, disable_take_and_fail, &rig->paid_id), ERR_DENIED);
    assert_true(goes_to(rig, rig->paid_id));
}

/* ---- several jobs in one group ---- */

struct group_job {
    struct rig_job job;
    struct rig_ingest taken;
};

static _Atomic int group_left;

static void group_done(struct writer_job *job, enum err outcome)
{
    (void)job, (void)outcome;
    group_left--;
}

static void submit(struct rig *rig, struct group_job *job,
                   enum err (*run)(struct rig *rig, struct writer_tx *tx, void *ctx), void *ctx)
{
    job->job = (struct rig_job){
        .job = {.apply = rig_apply, .done = group_done}, .rig = rig, .run = run, .ctx = ctx};
    group_left++;
    assert_ok(writer_submit(rig->hooks->writer, &job->job.job));
}

static void submit_message(struct rig *rig, struct group_job *job)
{
    job->taken = (struct rig_ingest){
        .ingest = {.message = {.event_type = STR("invoice.paid"), .payload = STR("{}")}}};
    job->taken.ingest.message.app_id = rig->app_id;
    job->taken.ingest.message.channels = STR("");
    submit(rig, job, rig_take_apply, &job->taken);
}

/* Holds the writer until the others wait behind it, so that they are one group. */
static _Atomic bool is_gate_open;

static enum err gate(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    (void)rig, (void)tx, (void)ctx;
    while (!is_gate_open)
        usleep(1000);
    return ERR_OK;
}

static void test_a_change_counts_for_what_follows_in_its_group(void **state)
{
    struct rig *rig = *state;
    struct group_job jobs[7];
    assert_true(goes_to(rig, rig->paid_id)); /* in memory */
    is_gate_open = false;
    group_left = 0;
    submit(rig, &jobs[0], gate, NULL);
    submit_message(rig, &jobs[1]);
    submit(rig, &jobs[2], disable_and_fail, &rig->paid_id);
    submit_message(rig, &jobs[3]);
    submit(rig, &jobs[4], disable, &rig->paid_id);
    submit_message(rig, &jobs[5]);
    submit(rig, &jobs[6], disable_and_fail, &rig->all_id);
    is_gate_open = true;
    while (group_left > 0)
        usleep(1000);
    assert_true(rig_has_delivery(rig, rig->paid_id, jobs[1].taken.ingest.message.id));
    assert_true(rig_has_delivery(rig, rig->paid_id, jobs[3].taken.ingest.message.id));
    assert_false(rig_has_delivery(rig, rig->paid_id, jobs[5].taken.ingest.message.id));
    assert_false(goes_to(rig, rig->paid_id));
    assert_true(goes_to(rig, rig->all_id));
}

/* ---- another node ---- */

SQL(SQL_DISABLE_BEHIND, "UPDATE endpoint SET disabled_by = 1 WHERE app_id = $1 AND id = $2");

/* Its writes are not counted here: only what the database says can tell. */
static void test_another_nodes_change_counts_at_once(void **state)
{
    struct rig *rig = *state;
    struct db *other;
    if (!config_is_pgsql(&rig->config))
        return; /* there is no other */
    assert_true(goes_to(rig, rig->paid_id));
    assert_ok(db_open(rig->hooks->database_path, DB_WRITER, &other));
    struct db_stmt *stmt = db_stmt(other, &SQL_DISABLE_BEHIND);
    db_bind_i64(stmt, 1, (int64_t)rig->app_id);
    db_bind_i64(stmt, 2, (int64_t)rig->paid_id);
    assert_ok(db_exec(stmt));
    assert_false(goes_to(rig, rig->paid_id));
    db_close(other);
}

/* ---- whose it is ---- */

static void test_accounts_are_known_once_they_were_told(void **state)
{
    struct routing *routing;
    uint64_t account_id;
    (void)state;
    assert_ok(routing_new(&routing));
    assert_false(routing_knows(routing, 5, &account_id));
    routing_learn(routing, 5, 7);
    assert_true(routing_knows(routing, 5, &account_id));
    assert_int_equal(account_id, 7);
    for (uint64_t id = 100; id < 100 + ROUTING_ACCOUNTS_MAX; id++)
        routing_learn(routing, id, id + 1);
    assert_true(routing_knows(routing, 99 + ROUTING_ACCOUNTS_MAX, &account_id));
    assert_false(routing_knows(routing, 5, &account_id)); /* there were too many */
    routing_free(routing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes_count_at_once, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_rolled_back_leaves_no_trace, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test_setup_teardown(test_a_change_counts_for_what_follows_in_its_group,
                                        rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_another_nodes_change_counts_at_once, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test(test_accounts_are_known_once_they_were_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
