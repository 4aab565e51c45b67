/* What the routes of devices and of notifications share. */
#ifndef CHAT_PUSH_CALL_H
#define CHAT_PUSH_CALL_H

#include "chat/chat_call.h"
#include "chat/push.h"

/* push: a JSON object that is at most PUSH_BYTES_MAX long. *ret_hash is "" when it is no Web Push
 * subscription. False: 422 is answered, of this field. */
bool push_call_check(struct call *call, const char *field, struct str push, struct str *ret_hash);
/* In apply, with everything locked: who had the subscription before has it no more, and all chats of its
 * user are looked at. */
ERR_MUST_USE enum err push_call_take(struct writer_tx *tx, uint64_t user_id, struct str push_hash);

#endif
