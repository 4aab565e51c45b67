/*
 * Known Idempotency-Keys of bookings; purpose in replay_keys.h.
 *
 * SHARDS maps with a lock each, from a hash of (event, account, key) to the booking. Each shard
 * keeps its keys in two generations: when the young one is IDEMPOTENCY_MS old or full, it becomes
 * the old one and the previous old one is dropped. So a key is known for at least IDEMPOTENCY_MS
 * unless a shard overflows; an overflow clears is_complete for good, and every unknown key is
 * looked up in the database from then on.
 *
 * The journal is read backwards from its end, by its primary key, until rows are older than
 * IDEMPOTENCY_MS.
 */
#include "tickets/replay_keys.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "store/journal.h"
#include "tickets/limits.h"

#define SHARDS         64
#define SHARD_KEYS_MAX 262144

struct shard {
    pthread_mutex_t lock;
    struct map young, old;
    int64_t young_since_ms;
};

struct replay_keys {
    struct shard shards[SHARDS];
    pthread_t thread;
    bool is_running;
    _Atomic bool is_stopping, is_loaded, has_overflowed;
    char database_path[1024];
};

static uint64_t key_hash64(const struct replay_key *key)
{
    struct {
        uint64_t event_id, account_id;
        uint8_t hash[16];
    } flat = {key->event_id, key->account_id, {0}};
    memcpy(flat.hash, key->key_hash, sizeof(flat.hash));
    return str_hash(str_from((const char *)&flat, sizeof(flat)));
}

enum err replay_keys_new(struct replay_keys **ret_keys)
{
    struct replay_keys *keys = calloc(1, sizeof(*keys));
    if (!keys)
        return ERR_NOMEM;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &keys->shards[i];
        pthread_mutex_init(&shard->lock, NULL);
        map_init(&shard->young, SHARD_KEYS_MAX);
        map_init(&shard->old, SHARD_KEYS_MAX);
        shard->young_since_ms = clock_now_ms();
    }
    *ret_keys = keys;
    return ERR_OK;
}

void replay_keys_free(struct replay_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        map_release(&keys->shards[i].young);
        map_release(&keys->shards[i].old);
        pthread_mutex_destroy(&keys->shards[i].lock);
    }
    free(keys);
}

uint64_t replay_keys_find(struct replay_keys *keys, const struct replay_key *key)
{
    uint64_t hash = key_hash64(key);
    struct shard *shard = &keys->shards[hash % SHARDS];
    uintptr_t booking_id = 0;
    pthread_mutex_lock(&shard->lock);
    if (!map_get(&shard->young, hash, &booking_id) && !map_get(&shard->old, hash, &booking_id))
        booking_id = 0;
    pthread_mutex_unlock(&shard->lock);
    return booking_id;
}

bool replay_keys_is_complete(const struct replay_keys *keys)
{
    return atomic_load(&keys->is_loaded) && !atomic_load(&keys->has_overflowed);
}

static void keys_add(struct replay_keys *keys, uint64_t hash, uint64_t booking_id)
{
    struct shard *shard = &keys->shards[hash % SHARDS];
    int64_t now_ms = clock_now_ms();
    pthread_mutex_lock(&shard->lock);
    bool is_old = now_ms - shard->young_since_ms >= IDEMPOTENCY_MS;
    if (is_old || shard->young.count >= SHARD_KEYS_MAX) {
        if (!is_old)
            atomic_store(&keys->has_overflowed, true);
        map_release(&shard->old);
        shard->old = shard->young;
        map_init(&shard->young, SHARD_KEYS_MAX);
        shard->young_since_ms = now_ms;
    }
    if (map_put(&shard->young, hash, (uintptr_t)booking_id))
        atomic_store(&keys->has_overflowed, true);
    pthread_mutex_unlock(&shard->lock);
}

void replay_keys_note(struct replay_keys *keys, const struct replay_key *key, uint64_t booking_id)
{
    keys_add(keys, key_hash64(key), booking_id);
}

struct key_effect {
    struct replay_keys *keys;
    uint64_t hash;
    uint64_t booking_id;
};

static void key_run(void *data)
{
    struct key_effect *effect = data;
    keys_add(effect->keys, effect->hash, effect->booking_id);
}

enum err replay_keys_stage(struct replay_keys *keys, struct writer_tx *tx,
                           const struct booking *booking)
{
    struct key_effect *effect = writer_effect(tx, key_run, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    struct replay_key key = {booking->event_id, booking->account_id, booking->key_hash};
    *effect = (struct key_effect){keys, key_hash64(&key), booking->id};
    return ERR_OK;
}

/* --- Loading --- */

SQL(SQL_RECENT, "SELECT seq, at_ms, shard, data, type FROM journal WHERE seq < $1 ORDER BY seq "
                "DESC LIMIT 2000");

/* One journal row's key, when it is a hold. */
static void load_row(struct replay_keys *keys, struct arena *arena, struct db_stmt *stmt)
{
    if (!str_eq(db_col_str(stmt, 4), STR("booking.held")))
        return;
    struct json_node *data;
    struct str message, hex;
    int64_t booking_id, account_id;
    uint8_t hash[16];
    size_t len;
    if (json_parse(arena, db_col_str(stmt, 3), &data, &message) ||
        !json_as_i64(json_get(data, "booking"), &booking_id) ||
        !json_as_i64(json_get(data, "account"), &account_id) ||
        !json_as_str(json_get(data, "key"), &hex) || hex_decode(hex, hash, sizeof(hash), &len) ||
        len != sizeof(hash))
        return;
    struct replay_key key = {(uint64_t)db_col_i64(stmt, 2), (uint64_t)account_id, hash};
    keys_add(keys, key_hash64(&key), (uint64_t)booking_id);
}

/* Reads one stretch backwards; *before_seq moves down; false at the end. */
static bool load_some(struct replay_keys *keys, struct db *db, int64_t *before_seq)
{
    struct arena arena;
    arena_init(&arena, 64u << 20);
    struct db_stmt *stmt = db_stmt(db, &SQL_RECENT);
    db_bind_i64(stmt, 1, *before_seq);
    int64_t oldest_ms = clock_now_ms() - IDEMPOTENCY_MS;
    bool has_row = false, has_more = false;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        *before_seq = db_col_i64(stmt, 0);
        has_more = db_col_i64(stmt, 1) >= oldest_ms;
        if (!has_more)
            break;
        load_row(keys, &arena, stmt);
    }
    db_done(stmt);
    arena_release(&arena);
    if (err) {
        log_warn("known keys could not be read", "error=\"%s\"", err_name(err));
        atomic_store(&keys->has_overflowed, true);
    }
    return !err && has_more && !atomic_load(&keys->is_stopping);
}

static void *load_main(void *ctx)
{
    struct replay_keys *keys = ctx;
    struct db *db;
    if (db_open(keys->database_path, DB_ADMIN, &db)) {
        atomic_store(&keys->has_overflowed, true);
        return NULL;
    }
    int64_t before_seq = INT64_MAX;
    while (load_some(keys, db, &before_seq)) {
    }
    db_close(db);
    if (!atomic_load(&keys->is_stopping))
        atomic_store(&keys->is_loaded, true);
    return NULL;
}

enum err replay_keys_start(struct replay_keys *keys, const char *database_path)
{
    enum err err =
        str_to_c(str_from_c(database_path), keys->database_path, sizeof(keys->database_path));
    if (err)
        return err;
    if (pthread_create(&keys->thread, NULL, load_main, keys))
        return ERR_NOMEM;
    keys->is_running = true;
    return ERR_OK;
}

void replay_keys_stop(struct replay_keys *keys)
{
    if (!keys || !keys->is_running)
        return;
    atomic_store(&keys->is_stopping, true);
    pthread_join(keys->thread, NULL);
    keys->is_running = false;
}
