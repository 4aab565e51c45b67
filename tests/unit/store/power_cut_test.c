/*
 * Below the page cache. A commit is one sync of the log and the answer comes after it; whatever a
 * power cut leaves of what was not synced, the database is sound, holds each answered job, and of
 * the group that was under way all or nothing. With synchronous = OFF, or on a disk whose syncs
 * lie, the same runs must lose something: else they would prove nothing.
 */
#include "store/power_cuts.h"
#include "store/writer_fixture.h"

#include "store/db_internal.h"

#define GROUPS      30
#define GROUP_MAX   6
#define ROUNDS      6
#define SHARDS      3
#define JOBS_MAX    2048
#define ONE_IN      12
#define SYNC_ONE_IN 4
#define BYTES_MAX   9000
#define EVENT_SYNC  (-1)
#define EVENT_MAIN  (-2) /* a write to the database file itself */
#define EVENT_APPLY 100000

struct cut_job {
    struct writer_job job;
    struct ground *ground;
    int64_t id;
    size_t bytes;
};

/* One database with its writer, cut while it works. */
struct ground {
    struct bench *bench;
    struct cuts cuts;
    sem_t done, gate_reached, gate_open;
    struct writer_job gate;
    size_t ends[GROUPS + 1]; /* jobs there are after so many groups */
    size_t groups, jobs;
    enum err outcomes[JOBS_MAX]; /* by id, once answered */
    bool is_failing;             /* syncs fail now and then */
    int events[4096];
    size_t event_count;
};

static struct ground ground;

/* ---- jobs ---- */

static void note(int event)
{
    if (ground.event_count < sizeof(ground.events) / sizeof(ground.events[0])) {
        ground.events[ground.event_count++] = event;
    }
}

SQL(SQL_GROW, "UPDATE item SET name = zeroblob($2) WHERE id = $1");

/* Two statements and a journal row, so that there is something to have the half of. */
static enum err cut_apply(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct cut_job *job = container_of(writer_job, struct cut_job, job);
    note(EVENT_APPLY + (int)job->id);
    enum err err = add_item(tx->db, job->id);
    if (err == ERR_OK) {
        struct db_stmt *stmt = db_stmt(tx->db, &SQL_GROW);
        db_bind_i64(stmt, 1, job->id);
        db_bind_i64(stmt, 2, (int64_t)job->bytes);
        err = db_exec(stmt);
    }
    (void)id_next(tx->ids);
    if (err == ERR_OK) {
        err = journal_append(tx->journal, 1 + (uint64_t)job->id % SHARDS, "item.added", STR("{}"),
                             NULL);
    }
    return err;
}

static void cut_done(struct writer_job *writer_job, enum err outcome)
{
    struct cut_job *job = container_of(writer_job, struct cut_job, job);
    note((int)job->id);
    ground.outcomes[job->id] = outcome;
    atomic_fetch_add(&ground.cuts.answered, 1);
    (void)sem_post(&ground.done);
}

static enum err gate_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job;
    (void)tx;
    (void)sem_post(&ground.gate_reached);
    while (sem_wait(&ground.gate_open) != 0) {
        continue;
    }
    return ERR_OK;
}

static void gate_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome;
}

/* Exactly these jobs are one group: an empty job keeps the writer busy until all of them wait. */
static void run_group(size_t count, uint64_t *seed)
{
    static struct cut_job jobs[WRITER_GROUP_MAX];
    ground.gate = (struct writer_job){.apply = gate_apply, .done = gate_done};
    assert_ok(writer_submit(ground.bench->writer, &ground.gate));
    assert_int_equal(sem_wait(&ground.gate_reached), 0);
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct cut_job){.job = {.apply = cut_apply, .done = cut_done},
                                   .ground = &ground,
                                   .id = (int64_t)++ground.jobs,
                                   .bytes = disk_below(seed, BYTES_MAX)};
        assert_ok(writer_submit(ground.bench->writer, &jobs[i].job));
    }
    assert_int_equal(sem_post(&ground.gate_open), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sem_wait(&ground.done), 0);
    }
    for (size_t i = 0; i < count; i++) {
        enum err outcome = ground.outcomes[jobs[i].id];
        assert_true(outcome == ERR_OK || (ground.is_failing && outcome == ERR_IO));
    }
    assert_true(ground.groups < GROUPS);
    ground.ends[++ground.groups] = ground.jobs;
}

static void *find_ground(struct bench *bench)
{
    ground = (struct ground){.bench = bench};
    assert_int_equal(sem_init(&ground.done, 0, 0), 0);
    assert_int_equal(sem_init(&ground.gate_reached, 0, 0), 0);
    assert_int_equal(sem_init(&ground.gate_open, 0, 0), 0);
    return &ground;
}

/* ---- what an image holds ---- */

SQL(SQL_CHECK, "PRAGMA integrity_check(1)");
SQL(SQL_ITEMS, "SELECT id, typeof(name) = 'blob' FROM item");

static void count_silently(const char *line, void *ctx)
{
    (void)line;
    ++*(size_t *)ctx;
}

/* Every job that was answered well is there; one that was refused is not, once another was answered
 * well after it; all others may be. */
static bool is_as_answered(const bool *is_there, size_t answered)
{
    bool has_success_behind = false;
    for (size_t id = answered; id > 0; id--) {
        bool is_good = ground.outcomes[id] == ERR_OK;
        if (is_good != is_there[id] && (is_good || has_success_behind)) {
            return false;
        }
        has_success_behind |= is_good;
    }
    return true;
}

/* All or nothing of the group under way: jobs are numbered in their order. */
static bool is_between_groups(size_t rows, size_t answered)
{
    size_t group = 0;
    while (ground.ends[group] < answered) {
        group++;
    }
    bool is_after = group < ground.groups && rows == ground.ends[group + 1];
    return rows == ground.ends[group] || is_after;
}

static enum err read_items(struct db *db, bool *is_there, size_t *ret_rows, bool *ret_is_whole)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ITEMS);
    bool has_row;
    enum err err;
    *ret_rows = 0;
    *ret_is_whole = true;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
        int64_t id = db_col_i64(stmt, 0);
        if (id < 1 || id >= JOBS_MAX) {
            return ERR_CORRUPT;
        }
        is_there[id] = true;
        ++*ret_rows;
        *ret_is_whole &= db_col_i64(stmt, 1) == 1;
    }
    return err;
}

static enum cut_finding look_at(struct db *db, const struct cut *cut)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CHECK);
    bool is_there[JOBS_MAX] = {false}, has_row = false, is_whole;
    size_t rows, findings = 0;
    uint64_t journal_rows = 0;
    if (db_step(stmt, &has_row) != ERR_OK || !has_row || !str_eq(db_col_str(stmt, 0), STR("ok"))) {
        return CUT_BROKEN;
    }
    db_done(stmt);
    if (read_items(db, is_there, &rows, &is_whole) != ERR_OK ||
        journal_verify(db, count_silently, &findings, &journal_rows) != ERR_OK || findings > 0) {
        return CUT_BROKEN;
    }
    bool is_sound = is_whole && journal_rows == rows && is_as_answered(is_there, cut->answered) &&
                    (ground.is_failing || is_between_groups(rows, cut->answered));
    return is_sound ? CUT_SOUND : CUT_LOST;
}

/* Opens the image as the next process would. */
static enum cut_finding judge(const struct cut *cut, const char *service)
{
    char path[2 * DISK_PATH_SIZE];
    struct writer *writer = NULL;
    (void)snprintf(path, sizeof(path), "%s/test.db", cut->dir);
    if (writer_new(path, service, &writer) != ERR_OK) {
        return CUT_BROKEN;
    }
    enum cut_finding finding = look_at(writer_db(writer), cut);
    db_end_reads(writer_db(writer));
    writer_free(writer);
    return finding;
}

struct findings {
    size_t count[CUT_BROKEN + 1];
    size_t by_op[DISK_OPS];
    size_t accepted, refused; /* jobs */
};

static void judge_all(const char *service, uint64_t seed, struct findings *findings,
                      bool says_failures)
{
    static const char *const names[] = {"test.db", NULL};
    for (size_t i = 0; i < ground.cuts.count; i++) {
        const struct cut *cut = &ground.cuts.items[i];
        enum cut_finding finding = judge(cut, service);
        findings->count[finding]++;
        findings->by_op[cut->op]++;
        if (finding != CUT_SOUND && says_failures) {
            print_error("seed %llu cut %zu (operation %llu, loss %d): %s\n",
                        (unsigned long long)seed, i, (unsigned long long)cut->at, cut->loss,
                        finding == CUT_LOST ? "lost" : "broken");
        }
        disk_image_remove(cut->dir, names);
    }
}

/* ---- runs ---- */

struct terms {
    const char *service;
    const char *pragma; /* NULL: as it is */
    bool lies;
    bool is_failing; /* one sync in SYNC_ONE_IN */
};

/* A service with migrations makes its own journal, in a new database. */
static void open_ground(struct bench *bench, const char *service)
{
    if (strcmp(service, TEST_SERVICE) != 0) {
        assert_int_equal(unlink(bench->fixture->path), 0);
        disk_reset();
    }
    assert_ok(writer_new(bench->fixture->path, service, &bench->writer));
    run_script(writer_db(bench->writer),
               "CREATE TABLE IF NOT EXISTS item(id INTEGER PRIMARY KEY, name TEXT)");
    bench->reader = open_reader(bench->fixture);
}

/* One round: a writer with a small log works through its groups and is cut again and again,
 * also in checkpoints, in the log's starting over and in the stop. */
static void run_round(void **state, const struct terms *terms, uint64_t seed,
                      struct findings *findings, bool says_failures)
{
    struct bench *bench = *state;
    uint64_t round_seed = seed;
    find_ground(bench);
    bench_close(bench);
    open_ground(bench, terms->service);
    if (terms->pragma) {
        run_script(writer_db(bench->writer), terms->pragma);
    }
    db_set_wal_pages(writer_db(bench->writer), 10 + (int)disk_below(&seed, 20), 4, 60);
    disk.lies = terms->lies;
    disk.sync_seed = terms->is_failing ? seed : 0;
    disk.sync_one_in = SYNC_ONE_IN;
    ground.is_failing = terms->is_failing;
    assert_ok(writer_start(bench->writer));
    cuts_begin(&ground.cuts, bench->fixture->dir, seed, ONE_IN);
    for (size_t i = 0; i < GROUPS; i++) {
        run_group(1 + disk_below(&seed, GROUP_MAX), &seed);
    }
    bench_close(bench);
    cuts_end(&ground.cuts);
    for (size_t id = 1; id <= ground.jobs; id++) {
        *(ground.outcomes[id] == ERR_OK ? &findings->accepted : &findings->refused) += 1;
    }
    judge_all(terms->service, round_seed, findings, says_failures);
}

static void fresh_bench(void **state)
{
    assert_int_equal(bench_teardown(state), 0);
    disk_reset();
    assert_int_equal(bench_setup(state), 0);
}

static struct findings run_rounds(void **state, const struct terms *terms, size_t rounds,
                                  bool says_failures)
{
    struct findings findings = {0};
    uint64_t seed = cuts_seed(20261129);
    for (size_t i = 0; i < rounds; i++) {
        run_round(state, terms, seed + i, &findings, says_failures);
        fresh_bench(state);
    }
    return findings;
}

/* ---- tests ---- */

static void check_sound(void **state, const char *service, size_t rounds)
{
    struct terms terms = {.service = service};
    struct findings findings = run_rounds(state, &terms, rounds, true);
    assert_int_equal(findings.count[CUT_LOST], 0);
    assert_int_equal(findings.count[CUT_BROKEN], 0);
    assert_true(findings.count[CUT_SOUND] >= rounds * 30);
    assert_true(findings.by_op[DISK_WRITE] > 0 && findings.by_op[DISK_SYNC] > 0);
}

static void test_a_power_cut_loses_nothing_that_was_answered(void **state)
{
    check_sound(state, TEST_SERVICE, ROUNDS);
}

static void test_nor_in_the_platforms_database(void **state)
{
    check_sound(state, "platform", 2);
}

/* What a failed sync was to save is gone for good, so nothing may count on the next one for it. */
static void test_failing_syncs_lose_nothing_that_was_answered(void **state)
{
    struct terms terms = {.service = TEST_SERVICE, .is_failing = true};
    struct findings findings = run_rounds(state, &terms, 4, true);
    assert_int_equal(findings.count[CUT_LOST], 0);
    assert_int_equal(findings.count[CUT_BROKEN], 0);
    assert_true(findings.count[CUT_SOUND] >= 4 * 30);
    assert_true(findings.refused > 0 && findings.accepted > 100);
}

static void test_without_syncs_the_same_cuts_lose_answers(void **state)
{
    struct terms terms = {.service = TEST_SERVICE, .pragma = "PRAGMA synchronous = OFF"};
    struct findings findings = run_rounds(state, &terms, 3, false);
    assert_true(findings.count[CUT_LOST] > 0);
    assert_true(findings.count[CUT_BROKEN] > 0);
}

static void test_on_a_disk_that_lies_the_same_cuts_lose_answers(void **state)
{
    struct terms terms = {.service = TEST_SERVICE, .lies = true};
    struct findings findings = run_rounds(state, &terms, 3, false);
    assert_true(findings.count[CUT_LOST] + findings.count[CUT_BROKEN] > 0);
}

/* ---- syncs ---- */

static void note_operation(enum disk_op op, const char *path, void *ctx)
{
    (void)ctx;
    bool is_log = strstr(path, "-wal") != NULL;
    if (op == DISK_SYNC) {
        note(EVENT_SYNC);
    } else if (op == DISK_WRITE && !is_log) {
        note(EVENT_MAIN);
    }
}

static size_t group_syncs(size_t jobs)
{
    uint64_t seed = 1, before = disk.log_syncs;
    run_group(jobs, &seed);
    return (size_t)(disk.log_syncs - before);
}

static void test_a_group_is_one_sync_however_many_jobs_it_has(void **state)
{
    static const size_t sizes[] = {1, 2, 7, 64, WRITER_GROUP_MAX, 1};
    find_ground(*state);
    assert_ok(writer_start(ground.bench->writer));
    (void)group_syncs(1); /* a new log's head is synced apart */
    uint64_t main_before = disk.main_syncs;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(group_syncs(sizes[i]), 1);
    }
    assert_int_equal(disk.main_syncs, main_before);
}

static void test_without_syncs_the_counter_stands_still(void **state)
{
    find_ground(*state);
    run_script(writer_db(ground.bench->writer), "PRAGMA synchronous = OFF");
    assert_ok(writer_start(ground.bench->writer));
    assert_int_equal(group_syncs(3) + group_syncs(3), 0);
}

/* All jobs ran, then the log was synced, then the answers left, and only then pages moved. */
static void test_answers_leave_between_the_sync_and_the_checkpoint(void **state)
{
    enum {
        JOBS = 5
    };
    uint64_t seed = 2;
    find_ground(*state);
    db_set_wal_pages(writer_db(ground.bench->writer), 1, 1, 100);
    assert_ok(writer_start(ground.bench->writer));
    disk_set_hook(note_operation, NULL);
    run_group(1, &seed);
    run_group(1, &seed);
    run_group(JOBS, &seed);
    writer_stop(ground.bench->writer);
    disk_set_hook(NULL, NULL);
    const int *events = ground.events;
    while (events[0] != EVENT_APPLY + 3) { /* behind the checkpoint of the group before */
        events++;
    }
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(events[i], EVENT_APPLY + 3 + i);
    }
    events += JOBS;
    size_t syncs = 0;
    for (; events[0] == EVENT_SYNC; events++) {
        syncs++;
    }
    assert_in_range(syncs, 1, 2); /* the log may have started over: its head */
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(events[i], 3 + i);
    }
    bool has_moved = false;
    for (events += JOBS; events < ground.events + ground.event_count; events++) {
        has_moved |= events[0] == EVENT_MAIN;
    }
    assert_true(has_moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        bench_test(test_a_power_cut_loses_nothing_that_was_answered),
        bench_test(test_nor_in_the_platforms_database),
        bench_test(test_failing_syncs_lose_nothing_that_was_answered),
        bench_test(test_without_syncs_the_same_cuts_lose_answers),
        bench_test(test_on_a_disk_that_lies_the_same_cuts_lose_answers),
        bench_test(test_a_group_is_one_sync_however_many_jobs_it_has),
        bench_test(test_without_syncs_the_counter_stands_still),
        bench_test(test_answers_leave_between_the_sync_and_the_checkpoint),
    };
    disk_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
