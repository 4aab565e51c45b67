/* Rows of replays: see replay.h. */
#ifndef HOOKS_REPLAY_STORE_H
#define HOOKS_REPLAY_STORE_H

#include "hooks/replay.h"

/* --- jobs --- */

ERR_MUST_USE enum err replay_store_add(struct db *db, const struct replay *replay);
ERR_MUST_USE enum err replay_store_set_state(struct db *db, const struct replay *replay);
/* Texts in the arena. ERR_NOT_FOUND. */
ERR_MUST_USE enum err replay_store_get(struct db *db, struct arena *arena, uint64_t app_id,
                                       uint64_t id, struct replay *ret_replay);
/* Newest first, those older than before_id (0: all). replays: room for limit. */
ERR_MUST_USE enum err replay_store_list(struct db *db, struct arena *arena, uint64_t app_id,
                                        uint64_t before_id, size_t limit, struct replay *replays,
                                        size_t *ret_count);
/* Those that run, at most REPLAY_RUNNING_MAX. */
ERR_MUST_USE enum err replay_store_running(struct db *db, struct arena *arena, uint64_t app_id,
                                           struct replay replays[static REPLAY_RUNNING_MAX],
                                           size_t *ret_count);
/* When the first message was made that a running job may read. ERR_NOT_FOUND: none runs. */
ERR_MUST_USE enum err replay_store_first(struct db *db, int64_t *ret_ms);
/* Deletes some jobs, with their legs, that ended before. */
ERR_MUST_USE enum err replay_store_purge(struct db *db, int64_t before_ms);

/* --- legs --- */

ERR_MUST_USE enum err replay_store_add_leg(struct db *db, const struct replay_leg *leg);
ERR_MUST_USE enum err replay_store_set_leg(struct db *db, const struct replay_leg *leg);
/* ERR_NOT_FOUND */
ERR_MUST_USE enum err replay_store_get_leg(struct db *db, uint64_t app_id, uint64_t replay_id,
                                           uint64_t endpoint_id, struct replay_leg *ret_leg);
ERR_MUST_USE enum err replay_store_legs(struct db *db, uint64_t app_id, uint64_t replay_id,
                                        struct replay_leg legs[static ENDPOINTS_MAX],
                                        size_t *ret_count);
/* Those of all applications that want more, behind this one (all zero: from the beginning). */
ERR_MUST_USE enum err replay_store_hungry(struct db *db, const struct replay_leg *behind,
                                          struct replay_leg legs[static REPLAY_ROUND_MAX],
                                          size_t *ret_count);

/* --- deliveries in a job's hands --- */

ERR_MUST_USE enum err replay_store_put_link(struct db *db, const struct replay_link *link);
/* ERR_NOT_FOUND */
ERR_MUST_USE enum err replay_store_get_link(struct db *db, const struct delivery_key *key,
                                            struct replay_link *ret_link);
ERR_MUST_USE enum err replay_store_delete_link(struct db *db, const struct delivery_key *key);
/* Those that were not attempted yet. links: room for REPLAY_WAITING_MAX. */
ERR_MUST_USE enum err replay_store_waiting(struct db *db, const struct replay_leg *leg,
                                           struct replay_link *links, size_t *ret_count);
/* Some of messages older than that. keys: room for REPLAY_SWEEP_MAX. */
ERR_MUST_USE enum err replay_store_old_links(struct db *db, uint64_t before_id,
                                             struct delivery_key *keys, size_t *ret_count);

/* --- what a job is for (replay_scan_store.c) --- */

struct replay_scan {
    const struct replay *replay; /* created_at: what ended before it */
    uint64_t endpoint_id;
    struct str wanted_types, wanted_channels; /* of the endpoint, for REPLAY_MISSING */
    uint64_t position, until_id;
    int64_t now_ms;
};
/* The next messages of the leg: from, ids, position and is_at_end of the step. May find none and still
 * not be at the end. */
ERR_MUST_USE enum err replay_scan_next(struct db *db, const struct replay_scan *scan,
                                       struct replay_step *ret_step);
/* How many there are; counting ends somewhere above limit. */
ERR_MUST_USE enum err replay_scan_count(struct db *db, const struct replay_scan *scan,
                                        int64_t limit, int64_t *ret_count);
/* Where a leg begins: before the first message that may count. */
uint64_t replay_scan_start(int64_t since_ms, int64_t now_ms);

#endif
