/*
 * Quotas of those who send: how many messages an application takes a second, and how many
 * deliveries of it may wait. Both are decided before anything of a message is stored.
 *
 * The rate is a token bucket in memory, so each node counts for itself: on n nodes an application
 * has up to n times the rate. The backlog is a row that is counted in the transactions that make
 * and end deliveries, under the application's shard: it is exact on any number of nodes and after
 * any crash.
 */
#ifndef HOOKS_QUOTA_H
#define HOOKS_QUOTA_H

#include "app/config.h"
#include "store/db.h"

struct quota;

ERR_MUST_USE enum err quota_new(const struct config *config, struct quota **ret_quota);
void quota_free(struct quota *quota); /* NULL is fine */

/* Takes one message from what the application may send now. False: none is left; *ret_retry_s:
 * until one is, at least 1. Any thread. */
bool quota_take(struct quota *quota, uint64_t app_id, int64_t now_ms, int64_t *ret_retry_s);
/* Whether another message may be taken for those that wait. In apply. */
ERR_MUST_USE enum err quota_has_room(struct quota *quota, struct db *db, uint64_t app_id,
                                     bool *ret_has_room);

/* quota_store.c. In apply, with what makes deliveries wait (count > 0) or ends their wait (< 0). */
ERR_MUST_USE enum err backlog_store_add(struct db *db, uint64_t app_id, int64_t count);
/* 0 when there is no row. Reader or writer connection. */
ERR_MUST_USE enum err backlog_store_get(struct db *db, uint64_t app_id, int64_t *ret_pending);

#endif
