/*
 * Between the frame (app.c, dispatch.c) and identity: who a request's credentials belong to, and
 * identity's routes. Identity is the state of the platform service: its handlers find it in
 * call->service->state.
 */
#ifndef APP_IDENTITY_INTERNAL_H
#define APP_IDENTITY_INTERNAL_H

#include "app/config.h"
#include "app/identity.h"

struct identity;

/* Before the writer's thread starts: writer_db may be used for loading. Makes the operator's key
 * at the first start. The writer is borrowed and outlives the identity. */
ERR_MUST_USE enum err identity_new(struct writer *platform_writer, const struct config *config,
                                   struct identity **ret_identity);
void identity_free(struct identity *identity); /* NULL is fine; after the writer has stopped */

/* Looks the credentials up in memory; on a loop thread, never blocks.
 *   ERR_OK        *ret_caller is known, or NULL: there are no credentials at all
 *   ERR_AGAIN     only the database can tell: call identity_lookup on a pool thread
 *   ERR_DENIED    bad credentials: 401
 *   ERR_CONFLICT  a state-changing request by cookie that is not of the same origin: 403
 * The caller comes with a reference that is dropped by the arena of the request. */
ERR_MUST_USE enum err identity_lookup_cached(struct identity *identity, struct request *request,
                                             const struct caller **ret_caller);
/* The same from the database, and fills the cache; on a pool thread. platform: reading connection
 * of the platform database. Also ERR_IO, ERR_TIMEOUT, ERR_NOMEM: the database or memory failed. */
ERR_MUST_USE enum err identity_lookup(struct identity *identity, struct db *platform,
                                      struct request *request, const struct caller **ret_caller);

const struct caller *caller_ref(const struct caller *caller);
void caller_unref(const struct caller *caller); /* NULL is fine */

extern const struct route identity_routes[];
extern const size_t identity_route_count;

#endif
