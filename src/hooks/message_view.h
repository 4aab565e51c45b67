/* A message and how it fares, as the API shows them. */
#ifndef HOOKS_MESSAGE_VIEW_H
#define HOOKS_MESSAGE_VIEW_H

#include "base/json.h"
#include "hooks/delivery.h"
#include "hooks/message_store.h"

/* Members of the object that is open. Without a payload: {}. */
void message_write_members(struct json_writer *writer, const struct message *message);
/* The same without its id. */
void message_write_content(struct json_writer *writer, const struct message *message);
/* "status" and "statusText". */
void message_write_status(struct json_writer *writer, int64_t status);
/* Status and "nextAttempt". */
void message_write_delivery(struct json_writer *writer, const struct delivery *delivery);

#endif
