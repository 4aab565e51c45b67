/*
 * The inlet: what another service tells (app/bridge.h) becomes entries of conversations, one for each subject
 * (an event) and two people, who are its organizer and a buyer. A conversation is a group of two that is about
 * the event; the organizer owns it.
 */
#ifndef CHAT_INLET_H
#define CHAT_INLET_H

#include "app/bridge.h"
#include "chat/service.h"

struct chat_inlet;

/* After the writer's start. name: of the service that tells. */
ERR_MUST_USE enum err chat_inlet_new(struct chat_service *chat, const char *name,
                                     struct chat_inlet **ret_inlet);
struct bridge_sink chat_inlet_sink(struct chat_inlet *inlet);
void chat_inlet_free(struct chat_inlet *inlet); /* NULL is fine */

/* ---- inlet_store.c ---- */

/* The conversation of this buyer. ERR_NOT_FOUND. */
ERR_MUST_USE enum err inlet_store_chat(struct db *db, uint64_t event_id, uint64_t user_id,
                                       uint64_t *ret_chat_id);
/* This one from now on. */
ERR_MUST_USE enum err inlet_store_put_chat(struct db *db, uint64_t event_id, uint64_t user_id,
                                           uint64_t chat_id);
/* Conversations about an event, of buyers behind this one, in order of their ids. */
struct inlet_chat {
    uint64_t user_id, chat_id;
};
ERR_MUST_USE enum err inlet_store_chats(struct db *db, uint64_t event_id, uint64_t after_user_id,
                                        size_t limit, struct inlet_chat *ret_chats,
                                        size_t *ret_count);

#endif
