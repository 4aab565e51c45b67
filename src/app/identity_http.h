/* Shared by the two files of identity's routes. */
#ifndef APP_IDENTITY_HTTP_H
#define APP_IDENTITY_HTTP_H

#include "app/identity_state.h"

#define IDENTITY_BODY_MAX 8192

/* In the request's arena; NULL: out of memory. */
struct buf *identity_reply_buf(struct call *call);

extern const struct json_field api_key_fields[];
ERR_MUST_USE enum err api_key_create_prepare(struct call *call, struct db *db);
ERR_MUST_USE enum err api_key_create_apply(struct call *call, struct writer_tx *tx);
ERR_MUST_USE enum err api_keys_read(struct call *call, struct db *db);
ERR_MUST_USE enum err api_key_delete_prepare(struct call *call, struct db *db);
ERR_MUST_USE enum err api_key_delete_apply(struct call *call, struct writer_tx *tx);

#endif
