/*
 * Search in one's own messages: texts whose every word of the question occurs, newest first. There is no index:
 * days are read backwards, newest first, until enough was found or enough was looked at (limits.h). What is left
 * is said as a position, and the next request goes on there.
 *
 * Order: by time, then chat, then seq, each falling. Only what the log shows its reader is found: chats that one
 * is a member of, entries since one's joining that are kept and not deleted, with the text that they have now.
 */
#ifndef CHAT_SEARCH_H
#define CHAT_SEARCH_H

#include "chat/log.h"

struct search_words {
    size_t count;
    struct str items[SEARCH_WORDS_MAX]; /* folded (base/fold.h), as body must have them */
};
/* Words beyond the maximum are dropped. */
void chat_search_split(struct str folded, struct search_words *ret_words);

/* A position in the order. */
struct search_key {
    int64_t at;
    uint64_t chat_id;
    int64_t seq;
};
#define SEARCH_FROM_NEWEST                                                                         \
    ((struct search_key){.at = INT64_MAX, .chat_id = UINT64_MAX, .seq = INT64_MAX})

struct search_request {
    struct search_words words;
    const struct chat_row *rows; /* where is looked: the caller's */
    size_t row_count;
    struct search_key before; /* what comes behind this one only */
    size_t limit;
    int64_t now_ms;
};

struct search_hit {
    const struct chat_row *row;
    int64_t seq;
    size_t slot;
};
struct search_answer {
    struct search_hit *hits; /* limit at most */
    size_t count;
    bool has_more;            /* something is left to look at, */
    struct search_key before; /* behind this one */
};
/* On a reading connection, in a snapshot. */
ERR_MUST_USE enum err chat_search(struct db *db, struct arena *arena,
                                  const struct search_request *request,
                                  struct search_answer *ret_answer);

/* ---- search_store.c ---- */

/* Entries of one chat and day, newest first: seqs between these two, not they themselves. */
struct search_scan {
    uint64_t chat_id;
    int64_t after, before;
    size_t limit;
    size_t slot;
};
struct search_entry {
    int64_t seq, at;
    struct str body; /* borrowed; "" when it is no message, or deleted */
};
ERR_MUST_USE enum err search_store_scan(struct db *db, const struct search_scan *scan,
                                        void (*visit)(const struct search_entry *entry, void *ctx),
                                        void *ctx);
/* The newest of them; ERR_NOT_FOUND. */
ERR_MUST_USE enum err search_store_newest(struct db *db, const struct search_scan *scan,
                                          int64_t *ret_at);

#endif
