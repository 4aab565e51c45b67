/*
 * Races that are forced, not hoped for. Jobs of the writer run one after the other; what a race can
 * change is their order, and whether they share a group (one transaction, one commit) or not. A gate
 * keeps the writer busy until all that shall be in the next group waits in its queue, in the wanted
 * order. Afterwards the audit's own questions are asked.
 */
#ifndef TESTS_TICKETS_RACE_H
#define TESTS_TICKETS_RACE_H

#include "tickets/fixture.h"

#include <pthread.h>
#include <semaphore.h>

#include "store/journal.h"
#include "tickets/audit_store.h"

#define RACE_WAIT_NS   ((int64_t)60 * 1000000000)
#define RACE_STEPS_MAX 8

/* The ways in which two steps can meet. */
struct meeting {
    bool is_second_first;
    bool is_one_group;
};

static const struct meeting meetings[] = {
    {false, false}, {true, false}, {false, true}, {true, true}};

#define for_each_meeting(name)                                                                     \
    for (const struct meeting *name = meetings;                                                    \
         name < meetings + sizeof(meetings) / sizeof(meetings[0]); name++)

/* --- The gate --- */

struct gate {
    struct writer_job job;
    sem_t is_reached, is_open;
};

static inline enum err gate_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)tx;
    struct gate *gate = container_of(job, struct gate, job);
    sem_post(&gate->is_reached);
    while (sem_wait(&gate->is_open) != 0)
        continue;
    return ERR_OK;
}

/* The writer stands still from here on. */
static inline void gate_close(struct fixture *fixture, struct gate *gate)
{
    gate->job = (struct writer_job){.apply = gate_apply, .done = fixture_done};
    sem_init(&gate->is_reached, 0, 0);
    sem_init(&gate->is_open, 0, 0);
    assert_int_equal(writer_submit(fixture->tickets->writer, &gate->job), ERR_OK);
    while (sem_wait(&gate->is_reached) != 0)
        continue;
}

static inline void gate_wait(struct fixture *fixture, size_t waiting)
{
    struct writer_stats stats;
    int64_t until_ns = clock_mono_ns() + RACE_WAIT_NS;
    for (;;) {
        writer_stats(fixture->tickets->writer, &stats);
        if (stats.queue_length >= waiting)
            break;
        assert_true(clock_mono_ns() < until_ns);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    assert_int_equal(stats.queue_length, waiting);
}

/* --- Steps --- */

struct step {
    enum err (*fn)(struct fixture *fixture, struct writer_tx *tx, void *ctx);
    void *ctx;
    enum err outcome;
    struct fixture *fixture;
    struct writer_job job;
    sem_t is_done;
};

static inline enum err step_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct step *step = container_of(job, struct step, job);
    return step->fn(step->fixture, tx, step->ctx);
}

static inline void step_done(struct writer_job *job, enum err outcome)
{
    struct step *step = container_of(job, struct step, job);
    step->outcome = outcome;
    sem_post(&step->is_done);
}

static inline void step_submit(struct fixture *fixture, struct step *step)
{
    step->fixture = fixture;
    step->job = (struct writer_job){.apply = step_apply, .done = step_done};
    sem_init(&step->is_done, 0, 0);
    assert_int_equal(writer_submit(fixture->tickets->writer, &step->job), ERR_OK);
}

static inline enum err step_wait(struct step *step)
{
    while (sem_wait(&step->is_done) != 0)
        continue;
    sem_destroy(&step->is_done);
    return step->outcome;
}

/* All in one group, in this order. */
static inline void run_as_group(struct fixture *fixture, struct step **steps, size_t count)
{
    struct gate gate;
    gate_close(fixture, &gate);
    for (size_t i = 0; i < count; i++)
        step_submit(fixture, steps[i]);
    gate_wait(fixture, count);
    sem_post(&gate.is_open);
    for (size_t i = 0; i < count; i++)
        (void)step_wait(steps[i]); /* the outcome is kept in it */
}

static inline void meet(struct fixture *fixture, const struct meeting *meeting, struct step *first,
                        struct step *second)
{
    struct step *steps[] = {meeting->is_second_first ? second : first,
                            meeting->is_second_first ? first : second};
    if (meeting->is_one_group) {
        run_as_group(fixture, steps, 2);
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        step_submit(fixture, steps[i]);
        (void)step_wait(steps[i]);
    }
}

/* --- What the audit says --- */

struct findings {
    char names[512]; /* of the checks that found something, each with a space behind it */
};

static inline void findings_add(struct findings *findings, const char *name)
{
    size_t len = strlen(findings->names);
    snprintf(findings->names + len, sizeof(findings->names) - len, "%s ", name);
}

static inline void on_chain_finding(const char *line, void *ctx)
{
    (void)line;
    findings_add(ctx, "journal-chain");
}

static inline struct findings audit(struct fixture *fixture)
{
    struct findings findings = {""};
    struct db *db;
    uint64_t rows;
    assert_int_equal(db_open(tickets_database_path(fixture->tickets), DB_ADMIN, &db), ERR_OK);
    for (size_t table = 0; table < AUDIT_TABLES; table++) {
        for (size_t i = 0; i < audit_tables[table].count; i++) {
            struct audit_check *check = &audit_tables[table].checks[i];
            /* Holds are made due by moving their time in the table, behind the journal's back. */
            if (fixture_breaks_check(check->name) || strcmp(check->name, "booking-since-hold") == 0)
                continue;
            struct db_stmt *stmt = db_stmt(db, &check->sql);
            bool has_row;
            db_bind_i64(stmt, 1, 1);
            assert_int_equal(db_step(stmt, &has_row), ERR_OK);
            if (has_row)
                findings_add(&findings, check->name);
            db_done(stmt);
        }
    }
    assert_int_equal(journal_verify(db, on_chain_finding, &findings, &rows), ERR_OK);
    db_close(db);
    return findings;
}

static inline void assert_clean(struct fixture *fixture)
{
    assert_string_equal(audit(fixture).names, "");
}

static inline void assert_found(struct fixture *fixture, const char *check)
{
    struct findings findings = audit(fixture);
    if (!strstr(findings.names, check))
        fail_msg("the audit found \"%s\", but not %s", findings.names, check);
}

#endif
