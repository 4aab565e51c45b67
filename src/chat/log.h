/*
 * The log of a chat: all that happens in it is an entry with the next seq, counted from 1 without gaps.
 * Text and media are messages; edit, delete and reaction say what happened to an earlier message
 * (target), whose own row shows what it is now; system entries say who came, went or renamed.
 *
 * Invariants
 *  1. seq is the chat's last_seq + 1, taken in the transaction that writes both, under the chat's shard.
 *  2. Time and day of entries never go back along seq.
 *  3. An entry's row never changes its seq, type, sender or client id; a deleted message keeps its place
 *     and loses its text. Entries of type edit have no text of their own: they show their target's.
 */
#ifndef CHAT_LOG_H
#define CHAT_LOG_H

#include "chat/chat.h"
#include "chat/days.h"

struct fanout;
struct facts;

enum entry_type {
    ENTRY_TEXT,
    ENTRY_MEDIA,
    ENTRY_EDIT,
    ENTRY_DELETE,
    ENTRY_REACTION,
    ENTRY_REACTION_REMOVED,
    ENTRY_SYSTEM,
};
static inline bool entry_is_message(enum entry_type type)
{
    return type == ENTRY_TEXT || type == ENTRY_MEDIA;
}

struct message {
    uint64_t chat_id;
    int64_t seq;
    int64_t epoch; /* in which it was written */
    enum entry_type type;
    uint64_t sender_id;
    struct str client_id; /* "": none */
    struct str body;      /* text; reaction: the emoji; system: a JSON object */
    uint64_t media_id;
    int64_t reply_to; /* number (see below) of another message; 0: none */
    int64_t target;   /* the same */
    int64_t texts;    /* text and media entries up to and with this one */
    int64_t reactions;
    int64_t edited_at, deleted_at; /* 0: never */
    int64_t created_at;
};

/* The number of a message in its id, behind the chat's: epoch and seq, because a seq may be given again
 * after the database went back to a backup. */
#define NUMBER_SEQ_BITS 40
static inline int64_t message_number(const struct message *message)
{
    return message->epoch << NUMBER_SEQ_BITS | message->seq;
}
static inline int64_t number_seq(int64_t number)
{
    return number & ((INT64_C(1) << NUMBER_SEQ_BITS) - 1);
}
static inline int64_t number_epoch(int64_t number)
{
    return number >> NUMBER_SEQ_BITS;
}

/* What appends need besides the transaction: the service's. */
struct log {
    struct days *days;
    struct fanout *fanout;
    struct facts *facts; /* what webhooks are told; NULL: nothing */
    int64_t epoch;
};

/* In apply, under the chat's shard: takes the next seq, fills seq, epoch, texts and created_at, writes the
 * entry and the chat's head, and stages the fan-out. Strings of the message must live until the effects
 * have run. */
ERR_MUST_USE enum err log_append(struct log *log, struct writer_tx *tx, struct chat *chat,
                                 struct message *message);

/* ---- log_store.c ---- */

/* ERR_NOT_FOUND: there is none in these days. */
ERR_MUST_USE enum err log_store_get(struct db *db, struct arena *arena, uint64_t chat_id,
                                    int64_t seq, const struct chat_days *days,
                                    struct message *ret_message, size_t *ret_slot);
ERR_MUST_USE enum err log_store_add(struct db *db, size_t slot, const struct message *message);

struct log_range {
    uint64_t chat_id;
    int64_t after, before; /* seqs between these two, not they themselves */
    bool is_ascending;     /* the first of them, or the last; the answer is in that order */
    size_t limit;
    size_t bytes_max; /* of bodies; behind these it ends early */
};
ERR_MUST_USE enum err log_store_range(struct db *db, struct arena *arena,
                                      const struct log_range *range, const struct chat_days *days,
                                      struct message *ret_messages, size_t *ret_count);
/* The oldest entry that is kept: its seq, and the text and media entries before it. Where none is kept: what
 * the next will have. */
struct log_first {
    int64_t seq;
    int64_t texts_before;
};
ERR_MUST_USE enum err log_store_first(struct db *db, const struct chat *chat,
                                      const struct chat_days *days, struct log_first *ret_first);
/* Text and media entries up to seq, which is not above the chat's last_seq. */
ERR_MUST_USE enum err log_store_texts(struct db *db, const struct chat *chat, int64_t seq,
                                      const struct chat_days *days, int64_t *ret_texts);

/* What a message is now: body, edited_at and deleted_at. A deleted one has no body and no reactions. */
ERR_MUST_USE enum err log_store_change(struct db *db, size_t slot, const struct message *message);

/* ---- reaction_store.c: the reactions that a message has now ---- */

/* *ret_has_changed: false when it was so already. */
ERR_MUST_USE enum err reaction_store_set(struct db *db, size_t slot, const struct message *message,
                                         uint64_t user_id, struct str emoji, bool is_set,
                                         bool *ret_has_changed);
ERR_MUST_USE enum err reaction_store_count(struct db *db, size_t slot, uint64_t chat_id,
                                           int64_t seq, uint64_t user_id, int64_t *ret_count);
struct reaction {
    int64_t seq;
    struct str emoji;
    int64_t count;
    bool is_mine;
};
/* Of messages from first to last, in order of seq; at most limit. */
ERR_MUST_USE enum err reaction_store_list(struct db *db, struct arena *arena, uint64_t chat_id,
                                          int64_t first, int64_t last, uint64_t user_id,
                                          const struct chat_days *days, size_t limit,
                                          struct reaction *ret_reactions, size_t *ret_count);

#endif
