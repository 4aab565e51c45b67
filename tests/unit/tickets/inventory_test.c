/* The read model when its installation meets writes: in the same group, and in a group that is lost
 * and run again. */
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_installed_behind_a_hold_of_its_group_shows_it),
        TEST(a_model_shows_nothing_of_a_group_that_was_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
