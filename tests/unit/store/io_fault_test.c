/*
 * The n-th write, sync, truncation, deletion, read, opening or mapping fails, for each n until a
 * run meets no failure: once, or from there on. Through the work of the writer, its checkpoints, and
 * the first start with all migrations. Refused means refused: no row that another connection sees,
 * no effect; and when the disk is well again the writer goes on without a restart.
 *
 * The outcome of a commit whose sync failed is unknown to the disk: its frames may lie in the log.
 * As long as the process lives nobody sees them and the next commit writes over them; after a crash
 * the job may be there, whole, though it was refused. The last tests show both.
 */
#include "store/fault_disk.h"
#include "store/writer_fixture.h"

#include "store/db_internal.h"

#define JOBS_MAX 16384
#define RUNS_MAX 2000

struct fault_job {
    struct writer_job job;
    int64_t id;
    enum err outcome;
    int effects, told;
    size_t bytes;
};

/* What became of each job ever submitted, by id. */
struct yard {
    struct bench *bench;
    sem_t done, gate_reached, gate_open;
    struct writer_job gate;
    bool is_good[JOBS_MAX];
    int64_t last_id;
    size_t good, refused;
};

static struct yard yard;

/* ---- jobs ---- */

static void on_fault_effect(void *data)
{
    struct fault_job *job = *(struct fault_job **)data;
    job->effects++;
}

SQL(SQL_GROW, "UPDATE item SET name = zeroblob($2) WHERE id = $1");

static enum err fault_apply(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct fault_job *job = container_of(writer_job, struct fault_job, job);
    enum err err = add_item(tx->db, job->id);
    if (err == ERR_OK) {
        struct db_stmt *stmt = db_stmt(tx->db, &SQL_GROW);
        db_bind_i64(stmt, 1, job->id);
        db_bind_i64(stmt, 2, (int64_t)job->bytes);
        err = db_exec(stmt);
    }
    if (err == ERR_OK) {
        err = journal_append(tx->journal, 1, "item.added", STR("{}"), NULL);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct fault_job **effect = writer_effect(tx, on_fault_effect, sizeof(*effect));
    if (!effect) {
        return ERR_NOMEM;
    }
    *effect = job;
    return ERR_OK;
}

static void fault_done(struct writer_job *writer_job, enum err outcome)
{
    struct fault_job *job = container_of(writer_job, struct fault_job, job);
    job->outcome = outcome;
    job->told++;
    (void)sem_post(&yard.done);
}

static enum err gate_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job;
    (void)tx;
    (void)sem_post(&yard.gate_reached);
    while (sem_wait(&yard.gate_open) != 0) {
        continue;
    }
    return ERR_OK;
}

static void gate_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome;
    (void)sem_post(&yard.gate_reached);
}

static void yard_init(struct bench *bench)
{
    memset(&yard, 0, sizeof(yard));
    yard.bench = bench;
    assert_int_equal(sem_init(&yard.done, 0, 0), 0);
    assert_int_equal(sem_init(&yard.gate_reached, 0, 0), 0);
    assert_int_equal(sem_init(&yard.gate_open, 0, 0), 0);
}

/* Submits the jobs as one group. On a broken disk the gate may not even begin; then they are a group
 * of their own or several, which is as good. */
static void run_jobs(struct fault_job *jobs, size_t count)
{
    assert_true(yard.last_id + (int64_t)count < JOBS_MAX); /* not at the gate: it would stay shut */
    yard.gate = (struct writer_job){.apply = gate_apply, .done = gate_done};
    assert_ok(writer_submit(yard.bench->writer, &yard.gate));
    assert_int_equal(sem_wait(&yard.gate_reached), 0);
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct fault_job){.job = {.apply = fault_apply, .done = fault_done},
                                     .id = ++yard.last_id,
                                     .outcome = ERR_AGAIN,
                                     .bytes = 100 + 3000 * i};
        assert_ok(writer_submit(yard.bench->writer, &jobs[i].job));
    }
    assert_int_equal(sem_post(&yard.gate_open), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sem_wait(&yard.done), 0);
    }
    while (sem_trywait(&yard.gate_open) == 0 || sem_trywait(&yard.gate_reached) == 0) {
        /* a gate that was refused has not taken it */
    }
}

static void check_jobs(const struct fault_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_good = jobs[i].outcome == ERR_OK;
        assert_true(is_good || jobs[i].outcome == ERR_IO);
        assert_int_equal(jobs[i].told, 1);
        assert_int_equal(jobs[i].effects, is_good);
        assert_int_equal(count_item(yard.bench->reader, jobs[i].id), is_good);
        yard.is_good[jobs[i].id] = is_good;
        *(is_good ? &yard.good : &yard.refused) += 1;
    }
}

/* ---- what is left ---- */

static void check_database(struct db *db)
{
    SQL(sql, "SELECT id FROM item");
    struct db_stmt *stmt = db_stmt(db, &sql);
    size_t rows = 0, expected = 0;
    bool has_row;
    for (;;) {
        assert_ok(db_step(stmt, &has_row));
        if (!has_row) {
            break;
        }
        assert_true(yard.is_good[db_col_i64(stmt, 0)]);
        rows++;
    }
    for (size_t i = 0; i < JOBS_MAX; i++) {
        expected += yard.is_good[i];
    }
    assert_int_equal(rows, expected);
    assert_journal(db, rows);
    assert_int_equal(query_i64(db, "SELECT count(*) FROM pragma_integrity_check"
                                   " WHERE integrity_check <> 'ok'"),
                     0);
}

static void reopen(void)
{
    bench_close(yard.bench);
    bench_open(yard.bench);
    db_set_wal_pages(writer_db(yard.bench->writer), 20, 6, 40);
    assert_ok(writer_start(yard.bench->writer));
}

/* ---- the writer at work ---- */

static enum err idle_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job;
    (void)tx;
    return ERR_OK;
}

/* Answers leave before the checkpoint that follows them. A fault that is set too early strikes that
 * one too; then the log grows from run to run faster than n does, and no run is ever clean. */
static void wait_for_checkpoint(void)
{
    struct writer_job job = {.apply = idle_apply};
    assert_ok(writer_run(yard.bench->writer, &job));
}

/* One run with the fault; returns how often it struck. */
static uint64_t work(struct disk_fault fault)
{
    struct fault_job large[3], single[1], pair[2], after[3];
    disk_set_fault(fault);
    run_jobs(large, 3);
    run_jobs(single, 1);
    run_jobs(pair, 2); /* the group's end is a checkpoint now and then */
    uint64_t hits = disk_fault_hits();
    disk_set_fault((struct disk_fault){0});
    run_jobs(after, 3); /* enough for a checkpoint, or the log would grow with each run */
    wait_for_checkpoint();
    check_jobs(large, 3);
    check_jobs(single, 1);
    check_jobs(pair, 2);
    check_jobs(after, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(after[i].outcome, ERR_OK); /* the disk is well, so is the writer */
    }
    return hits;
}

/* Every n until clean runs in a row show that n is past the end: a checkpoint, which comes every few
 * runs, asks for more of the disk than other work. */
static void sweep(void **state, struct disk_fault fault, uint64_t at_least)
{
    enum {
        CLEAN_RUNS = 4
    };
    uint64_t struck = 0;
    yard_init(*state);
    db_set_wal_pages(writer_db(yard.bench->writer), 20, 6, 40);
    assert_ok(writer_start(yard.bench->writer));
    int clean = 0;
    for (fault.at = 1; clean < CLEAN_RUNS; fault.at++) {
        assert_true(fault.at < RUNS_MAX);
        bool is_hit = work(fault) > 0;
        struck += is_hit;
        clean = is_hit ? 0 : clean + 1;
    }
    check_database(yard.bench->reader);
    reopen();
    check_database(yard.bench->reader);
    assert_true(struck >= at_least);
    assert_true(yard.good > 0);
}

static void test_each_write_fails_once(void **state)
{
    sweep(state, (struct disk_fault){.op = DISK_WRITE, .code = SQLITE_IOERR_WRITE}, 20);
}

static void test_each_write_fails_half_way_once(void **state)
{
    sweep(state, (struct disk_fault){.op = DISK_WRITE, .code = SQLITE_IOERR_WRITE, .is_torn = true},
          20);
}

static void test_from_each_write_on_the_disk_is_full(void **state)
{
    sweep(state, (struct disk_fault){.op = DISK_WRITE, .code = SQLITE_FULL, .is_lasting = true},
          20);
    assert_true(yard.refused > 0);
}

static void test_each_sync_fails_once(void **state)
{
    sweep(state, (struct disk_fault){.op = DISK_SYNC, .code = SQLITE_IOERR_FSYNC}, 3);
}

static void test_from_each_sync_on_all_fail(void **state)
{
    sweep(state,
          (struct disk_fault){.op = DISK_SYNC, .code = SQLITE_IOERR_FSYNC, .is_lasting = true}, 3);
    assert_true(yard.refused > 0);
}

static void test_each_read_fails_once(void **state)
{
    run_script(writer_db(((struct bench *)*state)->writer), "PRAGMA cache_size = 4");
    sweep(state, (struct disk_fault){.op = DISK_READ, .code = SQLITE_IOERR_READ}, 1);
}

static void test_from_each_read_on_all_fail(void **state)
{
    run_script(writer_db(((struct bench *)*state)->writer), "PRAGMA cache_size = 4");
    sweep(state,
          (struct disk_fault){.op = DISK_READ, .code = SQLITE_IOERR_READ, .is_lasting = true}, 1);
}

/* ---- the first start, and a restart ---- */

static void remove_database(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char name[160];
        (void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
    disk_reset();
}

enum {
    PLATFORM_MIGRATIONS = 2 /* sql/platform */
};

/* Makes the database with a fault; a failed start is a clean one, and the next succeeds. */
static bool start_with(const char *path, const char *service, struct disk_fault fault)
{
    struct writer *writer = NULL;
    disk_set_fault(fault);
    enum err err = writer_new(path, service, &writer);
    if (err == ERR_OK) {
        writer_free(writer);
    } else {
        assert_true(err == ERR_IO || err == ERR_CORRUPT);
        assert_null(writer);
        assert_true(writer_failure()[0] != '\0');
    }
    bool is_hit = disk_fault_hits() > 0;
    disk_set_fault((struct disk_fault){0});
    assert_ok(writer_new(path, service, &writer));
    assert_int_equal(query_i64(writer_db(writer), "SELECT count(*) FROM pragma_integrity_check"
                                                  " WHERE integrity_check <> 'ok'"),
                     0);
    assert_int_equal(query_i64(writer_db(writer), "SELECT count(*) FROM schema_migration"),
                     PLATFORM_MIGRATIONS);
    assert_true(query_i64(writer_db(writer), "SELECT count(*) FROM sqlite_schema") > 5);
    db_end_reads(writer_db(writer));
    writer_free(writer);
    return is_hit;
}

static void sweep_start(void **state, struct disk_fault fault, bool is_first, uint64_t at_least)
{
    struct bench *bench = *state;
    const char *path = bench->fixture->path;
    bench_close(bench);
    bool is_hit = true;
    for (fault.at = 1; is_hit; fault.at++) {
        assert_true(fault.at < RUNS_MAX);
        if (is_first || fault.at == 1) {
            remove_database(path);
        }
        if (!is_first && fault.at == 1) {
            (void)start_with(path, "platform", (struct disk_fault){0});
        }
        is_hit = start_with(path, "platform", fault);
    }
    assert_true(fault.at - 2 >= at_least);
    remove_database(path);
    make_tables(bench->fixture);
    bench_open(bench);
}

struct start_case {
    enum disk_op op;
    int code;
    uint64_t first, again; /* how often it must have struck, at least */
};

static const struct start_case start_cases[] = {
    {DISK_WRITE, SQLITE_IOERR_WRITE, 20, 0},  {DISK_WRITE, SQLITE_FULL, 20, 0},
    {DISK_SYNC, SQLITE_IOERR_FSYNC, 4, 0},    {DISK_TRUNCATE, SQLITE_IOERR_TRUNCATE, 0, 0},
    {DISK_DELETE, SQLITE_IOERR_DELETE, 1, 0}, {DISK_READ, SQLITE_IOERR_READ, 2, 2},
    {DISK_OPEN, SQLITE_CANTOPEN, 2, 2},       {DISK_MAP, SQLITE_IOERR_SHMMAP, 1, 1},
};

static void test_a_start_fails_cleanly_wherever_it_fails(void **state)
{
    for (size_t i = 0; i < sizeof(start_cases) / sizeof(start_cases[0]); i++) {
        const struct start_case *one = &start_cases[i];
        for (int is_lasting = 0; is_lasting < 2; is_lasting++) {
            struct disk_fault fault = {.op = one->op, .code = one->code, .is_lasting = is_lasting};
            sweep_start(state, fault, true, one->first);
            sweep_start(state, fault, false, one->again);
        }
    }
}

/* ---- the unknown outcome ---- */

/* The rows after a kill at this moment, as the next process finds them. */
static int64_t rows_after_a_kill(const struct bench *bench, int64_t *ret_only_id)
{
    static const char *const names[] = {"test.db", NULL};
    char dir[DISK_PATH_SIZE], path[2 * DISK_PATH_SIZE];
    uint64_t seed = 1;
    struct db *db = NULL;
    (void)snprintf(dir, sizeof(dir), "%s" DISK_IMAGE "0", bench->fixture->dir);
    disk_image(bench->fixture->dir, dir, DISK_LOSES_NOTHING, &seed);
    (void)snprintf(path, sizeof(path), "%s/test.db", dir);
    assert_ok(db_open(path, DB_ADMIN, &db));
    int64_t rows = query_i64(db, "SELECT count(*) FROM item");
    *ret_only_id = query_i64(db, "SELECT coalesce(max(id), 0) FROM item");
    assert_journal(db, (uint64_t)rows);
    db_close(db);
    disk_image_remove(dir, names);
    return rows;
}

static void test_a_refused_commit_is_seen_by_nobody_until_a_crash_and_whole_then(void **state)
{
    struct fault_job jobs[3], after[1];
    int64_t id;
    yard_init(*state);
    assert_ok(writer_start(yard.bench->writer));
    disk_set_fault((struct disk_fault){
        .op = DISK_SYNC, .at = 1, .is_lasting = true, .code = SQLITE_IOERR_FSYNC});
    run_jobs(jobs, 3);
    check_jobs(jobs, 3); /* refused, and no reader of the process sees a row */
    assert_int_equal(yard.refused, 3);
    assert_int_equal(rows_after_a_kill(yard.bench, &id), 1); /* the last attempt's, alone */
    assert_int_equal(id, jobs[2].id);
    disk_set_fault((struct disk_fault){0});
    run_jobs(after, 1);
    check_jobs(after, 1);
    assert_int_equal(rows_after_a_kill(yard.bench, &id), 1); /* written over */
    assert_int_equal(id, after[0].id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        bench_test(test_each_write_fails_once),
        bench_test(test_each_write_fails_half_way_once),
        bench_test(test_from_each_write_on_the_disk_is_full),
        bench_test(test_each_sync_fails_once),
        bench_test(test_from_each_sync_on_all_fail),
        bench_test(test_each_read_fails_once),
        bench_test(test_from_each_read_on_all_fail),
        bench_test(test_a_start_fails_cleanly_wherever_it_fails),
        bench_test(test_a_refused_commit_is_seen_by_nobody_until_a_crash_and_whole_then),
    };
    disk_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
