/* The read model when its installation meets writes: in the same group, and in a group that is lost
 * and run again; and which models leave when there are too many. */
#include "fixture.h"

#include "store/db_internal.h"

#include <pthread.h>
#include <semaphore.h>

struct gate {
    struct writer_job job;
    sem_t is_reached, is_open;
};

static enum err gate_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)tx;
    struct gate *gate = container_of(job, struct gate, job);
    sem_post(&gate->is_reached);
    while (sem_wait(&gate->is_open) != 0)
        continue;
    return ERR_OK;
}

static void gate_close(struct fixture *fixture, struct gate *gate)
{
    gate->job = (struct writer_job){.apply = gate_apply, .done = fixture_done};
    sem_init(&gate->is_reached, 0, 0);
    sem_init(&gate->is_open, 0, 0);
    assert_int_equal(writer_submit(fixture->tickets->writer, &gate->job), ERR_OK);
    assert_int_equal(sem_wait(&gate->is_reached), 0);
}

static void wait_for_queue(struct fixture *fixture, size_t length)
{
    struct writer_stats stats = {0};
    for (int i = 0; i < 10000 && stats.queue_length != length; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        writer_stats(fixture->tickets->writer, &stats);
    }
    assert_int_equal(stats.queue_length, length);
}

/* Holds another pair each time it is run: as when what a job finds is not what it found before. */
struct fickle_hold {
    struct fixture_job job;
    struct fixture_hold hold;
    unsigned runs;
    unsigned commits_to_fail;
};

static enum err fickle_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct fickle_hold *fickle = ctx;
    uint32_t first = fickle->runs++ * 2;
    if (first == 0)
        db_fail_commits(tx->db, fickle->commits_to_fail);
    fickle->hold = (struct fixture_hold){
        .booking = {.account_id = 1, .seat_count = 2, .seats = {{first, 0}, {first + 1, 0}}}};
    return fixture_hold_fn(fixture, tx, &fickle->hold);
}

struct loader {
    struct fixture *fixture;
    pthread_t thread;
    struct event_model *model;
    enum err err;
};

static void *load_main(void *ctx)
{
    struct loader *loader = ctx;
    loader->err = inventory_load(loader->fixture->tickets->inventory, loader->fixture->reader,
                                 FIXTURE_EVENT, &loader->model);
    return NULL;
}

/* A hold and the installation of a model that was read before it, in one group. */
static void install_behind_a_hold(struct fixture *fixture, struct fickle_hold *fickle,
                                  struct loader *loader)
{
    struct gate gate;
    gate_close(fixture, &gate);
    fickle->job = (struct fixture_job){.job = {.apply = fixture_apply, .done = fixture_done},
                                       .fn = fickle_fn,
                                       .fixture = fixture,
                                       .ctx = fickle};
    assert_int_equal(writer_submit(fixture->tickets->writer, &fickle->job.job), ERR_OK);
    *loader = (struct loader){.fixture = fixture};
    assert_int_equal(pthread_create(&loader->thread, NULL, load_main, loader), 0);
    wait_for_queue(fixture, 2);
    sem_post(&gate.is_open);
    assert_int_equal(pthread_join(loader->thread, NULL), 0);
    assert_int_equal(loader->err, ERR_OK);
}

static void a_model_installed_behind_a_hold_of_its_group_shows_it(void **state)
{
    struct fickle_hold fickle = {.runs = 0};
    struct loader loader;
    install_behind_a_hold(*state, &fickle, &loader);
    assert_int_equal(fickle.runs, 1);
    assert_int_equal(atomic_load(&loader.model->seats[0]), SEAT_HELD);
    assert_int_equal(atomic_load(&loader.model->seats[2]), SEAT_FREE);
    assert_int_equal(atomic_load(&loader.model->section_available[0]), FIXTURE_SEATS - 2);
    event_model_unref(loader.model);
}

static void a_model_shows_nothing_of_a_group_that_was_lost(void **state)
{
    struct fickle_hold fickle = {.commits_to_fail = 1};
    struct loader loader;
    install_behind_a_hold(*state, &fickle, &loader);
    assert_int_equal(fickle.runs, 2);
    assert_int_equal(atomic_load(&loader.model->seats[0]), SEAT_FREE);
    assert_int_equal(atomic_load(&loader.model->seats[2]), SEAT_HELD);
    assert_int_equal(atomic_load(&loader.model->section_available[0]), FIXTURE_SEATS - 2);
    event_model_unref(loader.model);
}

/* --- Too much in memory --- */

#define EVENTS 4

/* Events FIXTURE_EVENT + 1 ... of a venue each, as large as the fixture's. */
static void add_venues(struct fixture *fixture)
{
    for (int i = 1; i < EVENTS; i++) {
        char sql[2048];
        snprintf(sql, sizeof(sql),
                 "CREATE TEMP TABLE v AS SELECT * FROM venue WHERE id = 5;"
                 "CREATE TEMP TABLE p AS SELECT * FROM plan WHERE venue_id = 5;"
                 "CREATE TEMP TABLE c AS SELECT * FROM plan_category WHERE venue_id = 5;"
                 "CREATE TEMP TABLE n AS SELECT * FROM section WHERE venue_id = 5;"
                 "CREATE TEMP TABLE s AS SELECT * FROM venue_seat WHERE venue_id = 5;"
                 "CREATE TEMP TABLE e AS SELECT * FROM event WHERE id = %d;"
                 "UPDATE v SET id = %d; UPDATE p SET venue_id = %d; UPDATE c SET venue_id = %d;"
                 "UPDATE n SET venue_id = %d; UPDATE s SET venue_id = %d;"
                 "UPDATE e SET id = %d, venue_id = %d;"
                 "INSERT INTO venue SELECT * FROM v; INSERT INTO plan SELECT * FROM p;"
                 "INSERT INTO plan_category SELECT * FROM c; INSERT INTO section SELECT * FROM n;"
                 "INSERT INTO venue_seat SELECT * FROM s; INSERT INTO event SELECT * FROM e;"
                 "INSERT INTO event_price VALUES (%d, 0, 4500);"
                 "DROP TABLE v; DROP TABLE p; DROP TABLE c; DROP TABLE n; DROP TABLE s;"
                 "DROP TABLE e;",
                 FIXTURE_EVENT, 5 + i, 5 + i, 5 + i, 5 + i, 5 + i, FIXTURE_EVENT + i, 5 + i,
                 FIXTURE_EVENT + i);
        fixture_sql(fixture, sql);
    }
}

static struct event_model *load(struct fixture *fixture, unsigned index)
{
    struct event_model *model = NULL;
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT + index, &model),
        ERR_OK);
    assert_int_equal(model->event.id, FIXTURE_EVENT + index);
    assert_int_equal(model->layout->seat_count, FIXTURE_SEATS);
    return model;
}

static bool is_in_memory(struct fixture *fixture, unsigned index)
{
    struct event_model *model = inventory_get(fixture->tickets->inventory, FIXTURE_EVENT + index);
    event_model_unref(model);
    return model;
}

static void idle_models_leave_when_their_plans_have_too_many_seats(void **state)
{
    struct fixture *fixture = *state;
    add_venues(fixture);
    inventory_set_seats_max(fixture->tickets->inventory, 2 * FIXTURE_SEATS);
    event_model_unref(load(fixture, 0));
    event_model_unref(load(fixture, 1));
    assert_true(is_in_memory(fixture, 0) && is_in_memory(fixture, 1));
    event_model_unref(load(fixture, 2));
    assert_int_equal(is_in_memory(fixture, 0) + is_in_memory(fixture, 1), 1);
    assert_true(is_in_memory(fixture, 2));
}

static void models_in_use_stay_and_follow_commits(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    struct event_model *models[EVENTS];
    add_venues(fixture);
    inventory_set_seats_max(fixture->tickets->inventory, FIXTURE_SEATS);
    for (unsigned i = 0; i < EVENTS; i++)
        models[i] = load(fixture, i);
    for (unsigned i = 0; i < EVENTS; i++)
        assert_true(is_in_memory(fixture, i));
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(atomic_load(&models[0]->seats[3]), SEAT_HELD);
    assert_int_equal(atomic_load(&models[1]->seats[3]), SEAT_FREE);
    for (unsigned i = 0; i < EVENTS; i++)
        event_model_unref(models[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_installed_behind_a_hold_of_its_group_shows_it),
        TEST(a_model_shows_nothing_of_a_group_that_was_lost),
        TEST(idle_models_leave_when_their_plans_have_too_many_seats),
        TEST(models_in_use_stay_and_follow_commits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
