/*
 * Facts: what happens in chats, for the operator's webhooks. A fact is a row that is written in the
 * transaction that made it true, and only where --chat-hooks-account names the account whose application
 * "chat" is told; a thread gives it to another service's sink (app/bridge.h) and deletes it. So each is told
 * once, whatever crashes in between: told again it has the same event id, and is known.
 *
 * No fact has a text of people in it, unless --chat-hooks-text says so.
 */
#ifndef CHAT_FACT_H
#define CHAT_FACT_H

#include "app/bridge.h"
#include "chat/log.h"
#include "store/writer.h"

struct report;
struct system_event;

extern const struct bridge_type fact_types[];
extern const size_t fact_type_count;

/* What all of them need. */
struct facts {
    uint64_t account_id; /* whom they are told */
    bool has_text;
};

/* ---- in the transactions of others; facts NULL: nothing is written ---- */

/* A message was sent, edited or deleted. */
ERR_MUST_USE enum err fact_entry(struct writer_tx *tx, const struct facts *facts,
                                 const struct chat *chat, const struct message *message);
/* Somebody came or went, or a group was made. */
ERR_MUST_USE enum err fact_system(struct writer_tx *tx, const struct facts *facts,
                                  const struct chat *chat, const struct message *message,
                                  const struct system_event *event);
ERR_MUST_USE enum err fact_report(struct writer_tx *tx, const struct facts *facts,
                                  const struct report *report);
/* Members who do not have the message of that seq, and are not muted. As many facts as their devices need. */
ERR_MUST_USE enum err fact_undelivered(struct writer_tx *tx, const struct facts *facts,
                                       const struct chat *chat, int64_t seq);

/* ---- telling ---- */

struct chat_bridge;
struct metric;

/* Shown from the start, whether anybody is told or not. */
struct metric *fact_metric(bool is_told);

/* After the start of the writer and of the sink's service. */
ERR_MUST_USE enum err chat_bridge_start(struct writer *writer, const char *database_path,
                                        const struct facts *facts, const struct bridge_sink *sink,
                                        struct chat_bridge **ret_bridge);
void chat_bridge_stop(struct chat_bridge *bridge); /* joins and frees; NULL is fine */

/* ---- fact_store.c ---- */

struct fact {
    uint64_t id, chat_id;
    struct str type, payload;
    int64_t created_at;
};
ERR_MUST_USE enum err fact_store_add(struct db *db, const struct fact *fact);
/* Oldest first. */
ERR_MUST_USE enum err fact_store_list(struct db *db, struct arena *arena, size_t limit,
                                      struct fact *ret_facts, size_t *ret_count);
ERR_MUST_USE enum err fact_store_delete(struct db *db, uint64_t id);
/* Those that could not be told for FACT_KEPT_MS; a piece of them. */
ERR_MUST_USE enum err fact_store_sweep(struct db *db, int64_t before_ms, int64_t *ret_count);
/* Who has not been given the message; at most MEMBERS_MAX. */
ERR_MUST_USE enum err fact_store_absent(struct db *db, uint64_t chat_id, int64_t seq,
                                        int64_t now_ms, uint64_t *ret_users, size_t *ret_count);

#endif
