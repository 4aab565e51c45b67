/*
 * See inlet.h.
 *
 *   wants ──▶ the account's application, made at need with the types it will have; has it endpoints?
 *   take ───▶ one job of the writer an application, all at once: message_take for each fact
 *   advance ▶ the cursor, in a job of its own
 *
 * Invariants
 *   1. A fact is a message with an eventId of its own, so telling it again makes nothing. Where it
 *      was worded otherwise then (an event has got another name), the first wording stays.
 *   2. Jobs of an application are under its shard and the cursor under INLET_SHARD, so a node that
 *      does not know yet that it has ceased to be the steward can neither double a message nor
 *      take the cursor back.
 *
 * Threads: the source's. Reads by a connection of its own.
 */
#include "hooks/inlet.h"

#include <stdlib.h>

#include "base/ids.h"
#include "base/map.h"
#include "hooks/application.h"
#include "hooks/event_type.h"
#include "hooks/inlet_store.h"
#include "hooks/limits.h"
#include "hooks/message.h"
#include "store/wave.h"

#define INLET_SHARD    1 /* no application's id */
#define ACCOUNTS_KNOWN 65536
#define JOB_ARENA_MAX  (64u << 20)

struct inlet {
    struct hooks *hooks;
    struct str name;
    const struct bridge_type *types;
    size_t type_count;
    struct db *db;
    struct arena arena;   /* of one call */
    struct map described; /* accounts whose types have been looked at */
};

/* ---- jobs ---- */

struct inlet_job {
    struct wave_job wave;
    struct inlet *inlet;
    uint64_t account_id, app_id;
    const struct bridge_message *messages;
    size_t count;
    int64_t seq;
};

static struct inlet_job *job_of(struct writer_job *writer_job)
{
    return container_of(writer_job, struct inlet_job, wave.job);
}

static enum err run_job(struct inlet *inlet, struct inlet_job *job)
{
    struct wave_job *const jobs[] = {&job->wave};
    return wave_run(inlet->hooks->writer, jobs, 1);
}

/* ---- an account's application ---- */

static enum err add_types(struct inlet *inlet, struct writer_tx *tx, uint64_t account_id)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < inlet->type_count; i++) {
        const struct bridge_type *type = &inlet->types[i];
        struct event_type row = {
            .account_id = account_id,
            .name = str_from_c(type->name),
            .description = str_from_c(type->description),
            .group_name = inlet->name,
            .schemas = arena_printf(tx->arena, "{\"1\":%s}", type->schema),
            .created_at = tx->now_ms,
            .updated_at = tx->now_ms,
        };
        if (!row.schemas.data)
            return ERR_NOMEM;
        err = event_type_store_add(tx->db, &row);
        err = err == ERR_CONFLICT ? ERR_OK : err; /* what its owner has made of it stays */
    }
    return err;
}

/* Another node may have been faster. */
static enum err describe_apply(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct inlet_job *job = job_of(writer_job);
    struct inlet *inlet = job->inlet;
    struct application application = {.id = id_next(tx->ids),
                                      .account_id = job->account_id,
                                      .uid = inlet->name,
                                      .name = inlet->name,
                                      .metadata = STR("{}"),
                                      .created_at = tx->now_ms,
                                      .updated_at = tx->now_ms};
    enum err err = application_store_add(tx->db, &application);
    if (err && err != ERR_CONFLICT)
        return err;
    return add_types(inlet, tx, job->account_id);
}

static enum err note_described(struct inlet *inlet, uint64_t account_id)
{
    if (inlet->described.count == ACCOUNTS_KNOWN) {
        map_release(&inlet->described);
        map_init(&inlet->described, ACCOUNTS_KNOWN);
    }
    return map_put(&inlet->described, account_id, 1);
}

static enum err describe(struct inlet *inlet, uint64_t account_id)
{
    struct inlet_job job = {
        .wave.job.apply = describe_apply, .inlet = inlet, .account_id = account_id};
    enum err err = run_job(inlet, &job);
    if (err)
        return err;
    return note_described(inlet, account_id);
}

static bool has_types(struct inlet *inlet, uint64_t account_id, enum err *ret_err)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < inlet->type_count; i++) {
        struct event_type type;
        err = event_type_store_get(inlet->db, &inlet->arena, account_id,
                                   str_from_c(inlet->types[i].name), &type);
    }
    *ret_err = err == ERR_NOT_FOUND ? ERR_OK : err;
    return !err;
}

/* Its types are looked at once a process: a newer version may have more. */
static enum err check_types(struct inlet *inlet, uint64_t account_id)
{
    enum err err = ERR_OK;
    if (map_has(&inlet->described, account_id))
        return ERR_OK;
    bool is_complete = has_types(inlet, account_id, &err);
    if (err)
        return err;
    return is_complete ? note_described(inlet, account_id) : describe(inlet, account_id);
}

static enum err on_wants(void *ctx, uint64_t account_id, bool *ret_wants)
{
    struct inlet *inlet = ctx;
    uint64_t app_id;
    enum err err = inlet_store_find(inlet->db, account_id, inlet->name, &app_id, ret_wants);
    if (err == ERR_NOT_FOUND) {
        *ret_wants = false;
        err = describe(inlet, account_id);
    } else if (!err) {
        err = check_types(inlet, account_id);
    }
    arena_reset(&inlet->arena, 0);
    inlet->arena.overflow = false;
    return err;
}

/* ---- facts ---- */

static enum err take_one(struct inlet_job *job, struct writer_tx *tx, struct arena *arena,
                         const struct bridge_message *told)
{
    enum ingest_outcome outcome;
    struct ingest ingest = {.is_exempt = true, /* it has happened: there is nobody to come again */
                            .message = {.app_id = job->app_id,
                                        .event_type = told->type,
                                        .event_id = told->event_id,
                                        .channels = told->channel,
                                        .payload = told->payload}};
    return message_take(job->inlet->hooks, tx, arena, &ingest, &outcome);
}

static enum err take_apply(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct inlet_job *job = job_of(writer_job);
    struct application application;
    struct arena arena;
    arena_init(&arena, JOB_ARENA_MAX);
    enum err err = application_store_get(tx->db, &arena, job->app_id, &application);
    for (size_t i = 0; !err && i < job->count; i++)
        if (job->messages[i].account_id == job->account_id)
            err = take_one(job, tx, &arena, &job->messages[i]);
    arena_release(&arena);
    return err == ERR_NOT_FOUND ? ERR_OK : err; /* deleted meanwhile: nobody listens any more */
}

static bool is_listed(const struct inlet_job *jobs, size_t count, uint64_t account_id)
{
    for (size_t i = 0; i < count; i++)
        if (jobs[i].account_id == account_id)
            return true;
    return false;
}

static enum err on_take(void *ctx, const struct bridge_message *messages, size_t count)
{
    struct inlet *inlet = ctx;
    struct inlet_job *jobs = calloc(count ? count : 1, sizeof(*jobs));
    struct wave_job *wave[BRIDGE_BATCH_MAX];
    size_t job_count = 0;
    enum err err = jobs ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; !err && i < count; i++) {
        uint64_t account_id = messages[i].account_id, app_id;
        bool has_endpoints;
        if (is_listed(jobs, job_count, account_id))
            continue;
        err = inlet_store_find(inlet->db, account_id, inlet->name, &app_id, &has_endpoints);
        if (!err)
            jobs[job_count++] =
                (struct inlet_job){.wave.job = {.shard = app_id, .apply = take_apply},
                                   .inlet = inlet,
                                   .account_id = account_id,
                                   .app_id = app_id,
                                   .messages = messages,
                                   .count = count};
        err = err == ERR_NOT_FOUND ? ERR_OK : err; /* as above */
    }
    for (size_t i = 0; !err && i < job_count; i++)
        wave[i] = &jobs[i].wave;
    if (!err && job_count > 0)
        err = wave_run(inlet->hooks->writer, wave, job_count);
    free(jobs);
    return err;
}

/* ---- the cursor ---- */

static enum err advance_apply(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct inlet_job *job = job_of(writer_job);
    return bridge_store_advance(tx->db, job->inlet->name, job->seq);
}

static enum err on_advance(void *ctx, int64_t seq)
{
    struct inlet *inlet = ctx;
    struct inlet_job job = {
        .wave.job = {.shard = INLET_SHARD, .apply = advance_apply}, .inlet = inlet, .seq = seq};
    return run_job(inlet, &job);
}

static enum err on_cursor(void *ctx, int64_t *ret_seq)
{
    struct inlet *inlet = ctx;
    return bridge_store_cursor(inlet->db, inlet->name, ret_seq);
}

static bool on_may_act(void *ctx)
{
    struct inlet *inlet = ctx;
    return writer_is_steward(inlet->hooks->writer);
}

/* ---- making ---- */

enum err inlet_new(struct hooks *hooks, const char *name, const struct bridge_type *types,
                   size_t type_count, struct inlet **ret_inlet)
{
    struct inlet *inlet = calloc(1, sizeof(*inlet));
    if (!inlet)
        return ERR_NOMEM;
    inlet->hooks = hooks;
    inlet->name = str_from_c(name);
    inlet->types = types;
    inlet->type_count = type_count;
    arena_init(&inlet->arena, JOB_ARENA_MAX);
    map_init(&inlet->described, ACCOUNTS_KNOWN);
    enum err err = db_open(hooks->database_path, DB_READER, &inlet->db);
    if (err) {
        inlet_free(inlet);
        return err;
    }
    *ret_inlet = inlet;
    return ERR_OK;
}

struct bridge_sink inlet_sink(struct inlet *inlet)
{
    return (struct bridge_sink){.ctx = inlet,
                                .may_act = on_may_act,
                                .cursor = on_cursor,
                                .wants = on_wants,
                                .take = on_take,
                                .advance = on_advance};
}

void inlet_free(struct inlet *inlet)
{
    if (!inlet)
        return;
    db_close(inlet->db);
    map_release(&inlet->described);
    arena_release(&inlet->arena);
    free(inlet);
}
