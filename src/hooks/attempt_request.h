/* What was sent in an attempt, for people to look at. */
#ifndef HOOKS_ATTEMPT_REQUEST_H
#define HOOKS_ATTEMPT_REQUEST_H

#include "hooks/attempt_store.h"
#include "hooks/hooks_call.h"

/*
 * Member "requestHeaders": those that Foyer sets, an object; null when they can no longer be known. They
 * are not kept: the same secret, time and payload give the same signature, so they are made again as long
 * as the endpoint has not changed since the attempt. Values that may let somebody in are not shown.
 * message: with its payload.
 */
ERR_MUST_USE enum err attempt_write_request(struct call *call, struct db *db,
                                            struct json_writer *writer,
                                            const struct attempt *attempt,
                                            const struct message *message);

#endif
