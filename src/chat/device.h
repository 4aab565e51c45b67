/* Devices of a user, and how far each has every chat. */
#ifndef CHAT_DEVICE_H
#define CHAT_DEVICE_H

#include "base/arena.h"
#include "base/err.h"
#include "chat/limits.h"
#include "store/db.h"

struct device {
    uint64_t user_id, id;
    struct str name, platform;
    struct str push;      /* a JSON object; "": none */
    struct str push_hash; /* of the endpoint of a Web Push subscription; "": it is none */
    int64_t created_at;
};

ERR_MUST_USE enum err device_store_add(struct db *db, const struct device *device);
ERR_MUST_USE enum err device_store_has(struct db *db, uint64_t user_id, uint64_t id,
                                       bool *ret_is_there);
/* Oldest first; at most DEVICES_MAX. */
ERR_MUST_USE enum err device_store_list(struct db *db, struct arena *arena, uint64_t user_id,
                                        struct device *ret_devices, size_t *ret_count);
/* With its cursors. ERR_NOT_FOUND. */
ERR_MUST_USE enum err device_store_delete(struct db *db, uint64_t user_id, uint64_t id);
/* What it has of a chat; *ret_seq stays as it is when nobody said. */
ERR_MUST_USE enum err device_store_cursor(struct db *db, uint64_t user_id, uint64_t device_id,
                                          uint64_t chat_id, int64_t *ret_seq);
/* In apply. Lower values change nothing, nor does a device that is not there. */
ERR_MUST_USE enum err device_store_move_cursor(struct db *db, uint64_t user_id, uint64_t device_id,
                                               uint64_t chat_id, int64_t seq);

#endif
