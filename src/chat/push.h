/*
 * Notifications: a device that has a Web Push subscription is told of messages that it does not have and
 * that its user has not read. Nothing is written for a recipient when a message is: that leaves one row of
 * its chat, of all messages within PUSH_DELAY_MS, and only while some member may have a subscription.
 *
 *   log_append ──push_chat──▶ expand ──push_job──▶ look ──▶ send ──▶ result
 *   (its transaction)         (a job, by the       (facts of         (a job)
 *                             chat's shard)         now)
 *
 * A push_job row is what one device is to know of one chat, not a message in a queue: `seq` is the newest
 * message that it does not have, `sent_seq` the newest that it was notified of. Each look asks the database
 * how things stand now and decides (push_decide): notify, take back what was shown because it was read
 * elsewhere, wait, or forget. So whatever is lost or done twice by a crash, the next look makes good, and
 * the Topic of a chat lets a push service keep only the newest.
 *
 * Who is connected where does not matter: read and delivered watermarks decide, which all nodes write. Of
 * several nodes the steward alone acts; when another has just become it, a notification may be sent twice.
 */
#ifndef CHAT_PUSH_H
#define CHAT_PUSH_H

#include "chat/log.h"
#include "chat/web_push.h"
#include "net/egress.h"
#include "store/writer.h"

struct config;
struct push;

struct push_options {
    const struct config *config;
    struct writer *writer;
    struct log *log;
    const char *database_path;
};

/* Before the writer's thread runs: makes the server's key, or reads it. */
ERR_MUST_USE enum err push_new(const struct push_options *options, struct push **ret_push);
ERR_MUST_USE enum err push_start(struct push *push);
/* Joins; before the writer stops. NULL is fine, here and below. */
void push_stop(struct push *push);
void push_free(struct push *push);
/* base64url, for PushManager.subscribe(). */
struct str push_public_key(const struct push *push);
const struct egress_rules *push_egress(const struct push *push);

/* ---- in the transactions of others ---- */

/* A message was appended. */
ERR_MUST_USE enum err push_note_message(struct writer_tx *tx, const struct log *log,
                                        const struct chat *chat, const struct message *message);
/* The member has read further. */
ERR_MUST_USE enum err push_note_read(struct writer_tx *tx, const struct chat *chat,
                                     uint64_t user_id, int64_t read_seq);

/* ---- what is decided ---- */

struct push_key {
    uint64_t chat_id, user_id, device_id;
};
struct push_job {
    struct push_key key;
    int64_t seq, sent_seq, sent_at, attempts, next_at;
    /* As it is now. */
    bool has_device; /* with a subscription */
    bool is_member;
    struct str push;  /* the subscription */
    int64_t failures; /* notifications in a row that it was given up on */
    int64_t read_seq, joined_seq, read_texts, muted_until;
    int64_t cursor; /* what the device has */
};
enum push_step {
    PUSH_FORGET,
    PUSH_KEEP, /* nothing to do until it may be forgotten */
    PUSH_NOTIFY,
    PUSH_CLEAR,
};
/* can_clear: the device may be sent what shows nothing. Pure. */
enum push_step push_decide(const struct push_job *job, bool can_clear, int64_t now_ms);
/* How long to wait after so many failures; asked_ms: what the push service asked for, or 0. Pure. */
int64_t push_backoff_ms(int64_t attempts, int64_t asked_ms);

/* ---- push_target.c: subscriptions ---- */

struct push_target {
    struct web_push_target web;
    bool shows_text; /* the device does not mind that texts are shown */
    bool can_clear;
};
/* Of the object in `push`. ERR_NOT_FOUND: it is no Web Push subscription (it has no endpoint). ERR_INVALID:
 * ret_problem says why. Strings are the arena's. */
ERR_MUST_USE enum err push_target_read(struct arena *arena, struct str push,
                                       struct push_target *ret_target, const char **ret_problem);

/* NULL, or why this endpoint is not one that is called: https, or http to an address that --push-allow-cidr
 * opens. A name is vetted when it is called (net/sender.h). */
const char *push_refuses(const struct egress_rules *egress, struct str endpoint);

/* ---- push_store.c ---- */

ERR_MUST_USE enum err push_store_key(struct db *db, struct p256_key *ret_key); /* ERR_NOT_FOUND */
/* Unless there is one. */
ERR_MUST_USE enum err push_store_put_key(struct db *db, const struct p256_key *key);

struct push_chat {
    uint64_t chat_id;
    int64_t seq;
};
ERR_MUST_USE enum err push_store_chats_due(struct db *db, int64_t now_ms, size_t limit,
                                           struct push_chat *ret_chats, size_t *ret_count);
ERR_MUST_USE enum err push_store_note_chat(struct db *db, uint64_t chat_id, int64_t seq,
                                           int64_t due_at);
/* ERR_NOT_FOUND: done already. */
ERR_MUST_USE enum err push_store_get_chat(struct db *db, uint64_t chat_id, int64_t *ret_seq);
ERR_MUST_USE enum err push_store_done_chat(struct db *db, uint64_t chat_id);
/* Rows for the devices that do not have seq. *ret_count: how many are new or have a newer seq. */
ERR_MUST_USE enum err push_store_expand(struct db *db, uint64_t chat_id, int64_t seq,
                                        int64_t now_ms, int64_t *ret_count);
ERR_MUST_USE enum err push_store_chat_has_targets(struct db *db, uint64_t chat_id, bool *ret_has);
ERR_MUST_USE enum err push_store_set_wanted(struct db *db, uint64_t chat_id, bool is_wanted);
/* All chats of a user. */
ERR_MUST_USE enum err push_store_user_wants(struct db *db, uint64_t user_id);
ERR_MUST_USE enum err push_store_note_read(struct db *db, uint64_t chat_id, uint64_t user_id,
                                           int64_t read_seq);
/* What is due, behind the first skip of it, with how things stand. */
ERR_MUST_USE enum err push_store_jobs_due(struct db *db, struct arena *arena, int64_t now_ms,
                                          size_t skip, size_t limit, struct push_job *ret_jobs,
                                          size_t *ret_count);
/* Unless the row has changed since it was read (seq, next_at). */
ERR_MUST_USE enum err push_store_forget(struct db *db, const struct push_job *job);
ERR_MUST_USE enum err push_store_keep(struct db *db, const struct push_job *job, int64_t until_ms);
/* It was notified of sent_seq. */
ERR_MUST_USE enum err push_store_sent(struct db *db, const struct push_job *job, int64_t sent_seq,
                                      int64_t now_ms);
ERR_MUST_USE enum err push_store_failed(struct db *db, const struct push_job *job, int64_t next_at);
/* Chats with something unread that are not muted. */
ERR_MUST_USE enum err push_store_badge(struct db *db, uint64_t user_id, int64_t now_ms,
                                       int64_t *ret_badge);
ERR_MUST_USE enum err push_store_mute(struct db *db, uint64_t chat_id, uint64_t user_id,
                                      int64_t until_ms);

/* Devices' subscriptions. push "": none. */
ERR_MUST_USE enum err push_store_set_target(struct db *db, uint64_t user_id, uint64_t device_id,
                                            struct str push, struct str push_hash);
/* Takes the job's subscription from its device, which may have been given another one meanwhile. */
ERR_MUST_USE enum err push_store_drop_target(struct db *db, const struct push_job *job);
/* Takes the subscription from whichever devices have it. */
ERR_MUST_USE enum err push_store_release(struct db *db, struct str push_hash);
/* Gives how many failures in a row there are now; set: 0, or one more. */
ERR_MUST_USE enum err push_store_count_failure(struct db *db, uint64_t user_id, uint64_t device_id,
                                               bool has_failed, int64_t *ret_failures);

#endif
