/*
 * The chat service on real files in a temporary directory, without application or server: what a route's
 * apply would do runs as a job of its writer. One group of one member. With FOYER_TEST_STORE
 * (tests/unit/pgsql.sh) it is on PostgreSQL, in a schema that each test makes anew.
 */
#ifndef TESTS_CHAT_RIG_H
#define TESTS_CHAT_RIG_H

#include "base/check.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "chat/service.h"

#define HEARD_MAX   64
#define MIDNIGHT_MS ((int64_t)10 * 60 * 1000)

struct rig {
    char dir[64];
    struct config config;
    struct chat_service *service;
    struct db *db; /* reads */
    struct arena arena;
    uint64_t chat_id;
    int64_t heard[HEARD_MAX]; /* seqs of what the listener was told */
    size_t heard_count;
};

struct rig_job {
    struct writer_job job;
    struct rig *rig;
    const char *text;
    bool fails; /* after it was written */
    struct message message;
    enum err outcome;
    bool is_done;
};

static inline void load_chat(struct rig *rig, struct db *db, struct chat *ret_chat)
{
    struct member member;
    bool is_member;
    assert_ok(chat_store_get(db, &rig->arena, rig->chat_id, 7, ret_chat, &member, &is_member));
    assert_true(is_member);
}

static inline enum err append_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct rig_job *mine = container_of(job, struct rig_job, job);
    struct chat chat;
    load_chat(mine->rig, tx->db, &chat);
    mine->message = (struct message){.type = ENTRY_TEXT,
                                     .sender_id = 7,
                                     .client_id = str_from_c(mine->text),
                                     .body = str_from_c(mine->text)};
    assert_ok(log_append(&mine->rig->service->log, tx, &chat, &mine->message));
    assert_ok(db_flush(tx->db));
    return mine->fails ? ERR_CONFLICT : ERR_OK;
}

static inline void job_done(struct writer_job *job, enum err outcome)
{
    struct rig_job *mine = container_of(job, struct rig_job, job);
    mine->outcome = outcome;
    mine->is_done = true;
}

static inline enum err append(struct rig *rig, const char *text, bool fails, int64_t *ret_seq)
{
    struct rig_job job = {.job = {.apply = append_apply, .shard = rig->chat_id},
                          .rig = rig,
                          .text = text,
                          .fails = fails};
    enum err err = writer_run(rig->service->writer, &job.job);
    *ret_seq = job.message.seq;
    return err;
}

static inline enum err seed_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct rig *rig = container_of(job, struct rig_job, job)->rig;
    struct chat chat = {.id = id_next(tx->ids),
                        .type = CHAT_GROUP,
                        .title = STR("Row 1"),
                        .created_by = 7,
                        .created_at = tx->now_ms,
                        .member_count = 1,
                        .members_version = 1};
    struct member member = {.user_id = 7, .role = ROLE_OWNER, .name = STR("Ada")};
    rig->chat_id = chat.id;
    assert_ok(chat_store_add(tx->db, &chat));
    return member_store_add(tx->db, chat.id, &member);
}

static inline void on_event(void *ctx, const struct fanout_event *event)
{
    struct rig *rig = ctx;
    assert_int_equal(event->kind, FANOUT_ENTRY);
    assert_int_equal(event->chat_id, rig->chat_id);
    assert_int_equal(event->first_seq, event->last_seq);
    assert_int_equal(event->message->seq, event->last_seq);
    assert_true(rig->heard_count < HEARD_MAX);
    rig->heard[rig->heard_count++] = event->last_seq;
}

static inline void drop_schema(const struct rig *rig)
{
    char location[CONFIG_LOCATION_MAX];
    struct db *db;
    assert_ok(config_database(&rig->config, "chat", location));
    assert_ok(db_open(location, DB_WRITER, &db));
    assert_ok(db_script(db, STR("SET lock_timeout = '5s'; DROP SCHEMA chat CASCADE")));
    db_close(db);
}

static inline int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    assert_ok(crypto_init());
    strcpy(rig->dir, "/tmp/foyer-chat-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    strcpy(rig->config.data, rig->dir);
    const char *store = getenv("FOYER_TEST_STORE");
    strcpy(rig->config.store, store && store[0] ? store : "sqlite");
    if (config_is_pgsql(&rig->config))
        drop_schema(rig);
    arena_init(&rig->arena, (size_t)64 << 20);
    /* No day ends while a test runs but when it says so. */
    int64_t left_ms = DAY_MS - clock_now_ms() % DAY_MS;
    if (left_ms < MIDNIGHT_MS)
        clock_advance_ms(left_ms);
    assert_ok(chat_service_new(&rig->config, &rig->service));
    rig->service->fanout = (struct fanout){on_event, rig};
    assert_ok(db_open(rig->service->database_path, DB_READER, &rig->db));
    struct rig_job job = {.job = {.apply = seed_apply}, .rig = rig};
    assert_ok(writer_run(rig->service->writer, &job.job));
    *state = rig;
    return 0;
}

static inline int remove_one(const char *path, const struct stat *status, int flag, struct FTW *ftw)
{
    (void)status, (void)flag, (void)ftw;
    return remove(path);
}

static inline int tear_down(void **state)
{
    struct rig *rig = *state;
    db_close(rig->db);
    chat_service_stop(rig->service);
    chat_service_free(rig->service);
    arena_release(&rig->arena);
    (void)nftw(rig->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(rig);
    return 0;
}

#endif
