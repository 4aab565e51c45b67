/*
 * The hooks service on real files in a temporary directory, without application or server: what a
 * route's apply would do runs as a job of its writer. One application with three endpoints. With
 * FOYER_TEST_STORE (tests/unit/pgsql.sh) it is on PostgreSQL, in a schema that each test makes anew.
 */
#ifndef TESTS_HOOKS_RIG_H
#define TESTS_HOOKS_RIG_H

#include "base/check.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "hooks/application.h"
#include "hooks/delivery.h"
#include "hooks/endpoint_store.h"
#include "hooks/hooks.h"
#include "hooks/keyring.h"
#include "hooks/message.h"
#include "hooks/ring.h"

#define RIG_MIDNIGHT_MS ((int64_t)10 * 60 * 1000)

struct rig {
    char dir[64];
    struct config config;
    struct hooks *hooks;
    struct db *db; /* reads */
    struct arena arena;
    uint64_t app_id;
    uint64_t all_id, paid_id, vip_id; /* endpoints: everything, invoice.paid, channel vip */
};

/* A job whose apply is any function. */
struct rig_job {
    struct writer_job job;
    struct rig *rig;
    enum err (*run)(struct rig *rig, struct writer_tx *tx, void *ctx);
    void *ctx;
};

static inline enum err rig_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct rig_job *mine = container_of(job, struct rig_job, job);
    return mine->run(mine->rig, tx, mine->ctx);
}

static inline enum err rig_run(struct rig *rig,
                               enum err (*run)(struct rig *rig, struct writer_tx *tx, void *ctx),
                               void *ctx)
{
    struct rig_job job = {.job = {.apply = rig_apply}, .rig = rig, .run = run, .ctx = ctx};
    return writer_run(rig->hooks->writer, &job.job);
}

static inline uint64_t rig_endpoint(struct rig *rig, struct writer_tx *tx, struct str event_types,
                                    struct str channels)
{
    struct endpoint endpoint = {.app_id = rig->app_id,
                                .id = id_next(tx->ids),
                                .url = STR("http://127.0.0.1:1/"),
                                .description = STR(""),
                                .event_types = event_types,
                                .channels = channels,
                                .metadata = STR("{}"),
                                .created_at = tx->now_ms,
                                .updated_at = tx->now_ms};
    struct str headers = keyring_seal(rig->hooks->keyring, &rig->arena, STR("{\"X-A\":\"b\"}"));
    struct str secret =
        keyring_seal(rig->hooks->keyring, &rig->arena, STR("0123456789abcdef0123456789abcdef"));
    assert_ok(endpoint_store_add(tx->db, &endpoint, headers, secret));
    return endpoint.id;
}

static inline enum err rig_seed(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    (void)ctx;
    struct application application = {.id = id_next(tx->ids),
                                      .account_id = 7,
                                      .uid = STR("one"),
                                      .name = STR("One"),
                                      .metadata = STR("{}"),
                                      .created_at = tx->now_ms,
                                      .updated_at = tx->now_ms};
    rig->app_id = application.id;
    assert_ok(application_store_add(tx->db, &application));
    rig->all_id = rig_endpoint(rig, tx, STR(""), STR(""));
    rig->paid_id = rig_endpoint(rig, tx, STR("invoice.paid"), STR(""));
    rig->vip_id = rig_endpoint(rig, tx, STR(""), STR("vip\ngold"));
    return ERR_OK;
}

static inline void rig_open(struct rig *rig)
{
    assert_ok(hooks_new(&rig->config, &rig->hooks));
    assert_ok(db_open(rig->hooks->database_path, DB_READER, &rig->db));
}

static inline void rig_close(struct rig *rig)
{
    db_close(rig->db);
    hooks_stop(rig->hooks);
    hooks_free(rig->hooks);
}

/* What the last test has left. */
static inline void rig_drop_schema(const struct rig *rig)
{
    char location[CONFIG_LOCATION_MAX];
    struct db *db;
    assert_ok(config_database(&rig->config, "hooks", location));
    assert_ok(db_open(location, DB_WRITER, &db));
    assert_ok(db_script(db, STR("SET lock_timeout = '5s'; DROP SCHEMA hooks CASCADE")));
    db_close(db);
}

static inline int rig_set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    assert_ok(crypto_init());
    strcpy(rig->dir, "/tmp/foyer-hooks-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    strcpy(rig->config.data, rig->dir);
    const char *store = getenv("FOYER_TEST_STORE");
    strcpy(rig->config.store, store && store[0] ? store : "sqlite");
    if (config_is_pgsql(&rig->config))
        rig_drop_schema(rig);
    arena_init(&rig->arena, (size_t)256 << 20);
    /* No day ends while a test runs but when it says so. */
    int64_t left_ms = DAY_MS - clock_now_ms() % DAY_MS;
    if (left_ms < RIG_MIDNIGHT_MS)
        clock_advance_ms(left_ms);
    rig_open(rig);
    assert_ok(rig_run(rig, rig_seed, NULL));
    *state = rig;
    return 0;
}

static inline int rig_unlink(const char *path, const struct stat *status, int flag, struct FTW *ftw)
{
    (void)status, (void)flag, (void)ftw;
    return remove(path);
}

static inline int rig_tear_down(void **state)
{
    struct rig *rig = *state;
    rig_close(rig);
    arena_release(&rig->arena);
    (void)nftw(rig->dir, rig_unlink, 8, FTW_DEPTH | FTW_PHYS);
    free(rig);
    return 0;
}

/* ---- messages ---- */

struct rig_ingest {
    struct ingest ingest;
    enum ingest_outcome outcome;
};

static inline enum err rig_take_apply(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct rig_ingest *taken = ctx;
    return message_take(rig->hooks, tx, &rig->arena, &taken->ingest, &taken->outcome);
}

static inline struct rig_ingest rig_take(struct rig *rig, struct message message, struct str key)
{
    struct rig_ingest taken = {
        .ingest = {.message = message, .idempotency_key = key, .caller_id = 7}};
    taken.ingest.message.app_id = rig->app_id;
    if (!taken.ingest.message.channels.data)
        taken.ingest.message.channels = STR("");
    assert_ok(rig_run(rig, rig_take_apply, &taken));
    return taken;
}

/* Of everybody's mind: an id of a message of type "invoice.paid". */
static inline uint64_t rig_message(struct rig *rig)
{
    struct message message = {.event_type = STR("invoice.paid"), .payload = STR("{}")};
    struct rig_ingest taken = rig_take(rig, message, STR_NONE);
    assert_int_equal(taken.outcome, INGEST_TAKEN);
    return taken.ingest.message.id;
}

/* ERR_NOT_FOUND, or what it is to the reader. */
static inline enum err rig_get(struct rig *rig, uint64_t id, struct message *ret_message)
{
    return message_store_get(rig->db, &rig->arena, rig->app_id, id, clock_now_ms(), true,
                             ret_message);
}

static inline bool rig_has_delivery(struct rig *rig, uint64_t endpoint_id, uint64_t message_id)
{
    struct delivery delivery;
    struct delivery_key key = {rig->app_id, endpoint_id, message_id};
    enum err err = delivery_store_get(rig->db, &key, &delivery);
    assert_true(err == ERR_OK || err == ERR_NOT_FOUND);
    return err == ERR_OK;
}

/* One number. */
static inline int64_t rig_number(struct rig *rig, struct sql *sql)
{
    bool has_row;
    struct db_stmt *stmt = db_stmt(rig->db, sql);
    assert_ok(db_step(stmt, &has_row));
    assert_true(has_row);
    int64_t number = db_col_i64(stmt, 0);
    db_done(stmt);
    return number;
}

#endif
