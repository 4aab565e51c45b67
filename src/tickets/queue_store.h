/* SQL of waiting rooms. Each function is one step of a transaction, or of a reader's snapshot. */
#ifndef TICKETS_QUEUE_STORE_H
#define TICKETS_QUEUE_STORE_H

#include "base/crypto.h"
#include "store/db.h"
#include "tickets/event.h"

enum queue_mode {
    QUEUE_OFF,
    QUEUE_ON,
    QUEUE_AUTO
};

enum queue_mode queue_mode_of(struct str waiting_room);

enum queue_state {
    QUEUE_PRE = 1,      /* came before the sale: no place yet */
    QUEUE_WAITING = 2,  /* has a place */
    QUEUE_ADMITTED = 3, /* may buy */
    QUEUE_DONE = 4,     /* has paid */
    QUEUE_LEFT = 5,
    QUEUE_LAPSED = 6, /* the admission ended */
};

static inline bool queue_state_is_open(enum queue_state state)
{
    return state <= QUEUE_ADMITTED;
}

struct queue_entry {
    uint64_t event_id, id, account_id;
    enum queue_state state;
    bool is_early; /* of the closed list, if it was open then */
    int64_t joined_at;
    int64_t place; /* 0: none */
    int64_t admitted_at, admitted_until, seen_at, ended_at;
    int64_t holds;
};

/* What happened, in queue_log. */
enum queue_kind {
    QUEUE_LOG_JOINED = 1,   /* amount: place, 0 before the sale */
    QUEUE_LOG_ADMITTED = 2, /* amount: the cap then */
    QUEUE_LOG_DONE = 3,     /* amount: booking */
    QUEUE_LOG_LEFT = 4,
    QUEUE_LOG_LAPSED = 5,
    QUEUE_LOG_CLOSED = 6,   /* amount: entries of the list */
    QUEUE_LOG_REVEALED = 7, /* amount: the same */
    QUEUE_LOG_PLACED = 8,   /* amount: the last place written */
    QUEUE_LOG_ENGAGED = 9,
    QUEUE_LOG_RELEASED = 10,
    QUEUE_LOG_OVER = 11,
};

/* An event with its room, in one read. */
struct queue_terms {
    uint64_t event_id;
    enum event_status status;
    int64_t onsale_at, starts_at;
    enum queue_mode mode;
    struct queue_settings settings;
    bool has_room;
    /* Of the room: */
    bool is_engaged, is_over, is_revealed;
    int64_t created_at;
    int64_t closed_at; /* 0: open */
    int64_t entry_count, placed, places, admitted_place;
};

/* ERR_NOT_FOUND: no such event. */
ERR_MUST_USE enum err queue_store_terms(struct db *db, uint64_t event_id,
                                        struct queue_terms *ret_terms);
/* Rooms that are not over, those whose sale begins or began nearest to now_ms first; at most limit. */
ERR_MUST_USE enum err queue_store_rooms(struct db *db, int64_t now_ms, size_t limit,
                                        struct queue_terms *ret_terms, size_t *ret_count);

/* All rooms, by event from after_event_id on; at most limit. */
ERR_MUST_USE enum err queue_store_all_rooms(struct db *db, uint64_t after_event_id, size_t limit,
                                            struct queue_terms *ret_terms, size_t *ret_count);

struct queue_secret {
    uint8_t seed[SHA256_SIZE], commitment[SHA256_SIZE], entries_hash[SHA256_SIZE];
    bool is_revealed;
};
/* ERR_NOT_FOUND: no room. */
ERR_MUST_USE enum err queue_store_secret(struct db *db, uint64_t event_id,
                                         struct queue_secret *ret_secret);

/* Changes of the room's row. */
ERR_MUST_USE enum err queue_store_open(struct db *db, uint64_t event_id,
                                       const struct queue_secret *secret, int64_t now_ms,
                                       bool *ret_is_new);
/* How many are on a list that closes now, and when the last of those who are not has ended (0: there
 * is none). */
ERR_MUST_USE enum err queue_store_count_early(struct db *db, uint64_t event_id, int64_t *ret_count,
                                              int64_t *ret_last_end);
ERR_MUST_USE enum err queue_store_close(struct db *db, uint64_t event_id, int64_t closed_at,
                                        int64_t entry_count);
ERR_MUST_USE enum err queue_store_reveal(struct db *db, uint64_t event_id,
                                         const uint8_t entries_hash[static SHA256_SIZE]);
/* Only onwards from `placed`: ERR_CONFLICT when somebody else has written these. */
ERR_MUST_USE enum err queue_store_placed(struct db *db, uint64_t event_id, int64_t from,
                                         int64_t placed);
ERR_MUST_USE enum err queue_store_next_place(struct db *db, uint64_t event_id, int64_t *ret_place);
ERR_MUST_USE enum err queue_store_admitted_place(struct db *db, uint64_t event_id, int64_t place);
ERR_MUST_USE enum err queue_store_engage(struct db *db, uint64_t event_id, bool is_engaged);
ERR_MUST_USE enum err queue_store_over(struct db *db, uint64_t event_id);

/* Entries. */
ERR_MUST_USE enum err queue_store_insert(struct db *db, const struct queue_entry *entry);
/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err queue_store_entry(struct db *db, uint64_t event_id, uint64_t entry_id,
                                        struct queue_entry *ret_entry);
ERR_MUST_USE enum err queue_store_open_entry(struct db *db, uint64_t event_id, uint64_t account_id,
                                             struct queue_entry *ret_entry);
/* Gives a place; who waits for it in `pre` waits in line from then on. */
ERR_MUST_USE enum err queue_store_place(struct db *db, uint64_t event_id, uint64_t entry_id,
                                        int64_t place);
/* The next who wait, behind after_place and not behind until_place. */
ERR_MUST_USE enum err queue_store_next(struct db *db, uint64_t event_id, int64_t after_place,
                                       int64_t until_place, size_t limit,
                                       struct queue_entry *ret_entries, size_t *ret_count);
/* How many admissions count at that time. */
ERR_MUST_USE enum err queue_store_busy(struct db *db, uint64_t event_id, int64_t now_ms,
                                       int64_t *ret_count);
/* Admissions after that time, most at most. */
ERR_MUST_USE enum err queue_store_rate(struct db *db, uint64_t event_id, int64_t after_ms,
                                       int64_t most, int64_t *ret_count);
ERR_MUST_USE enum err queue_store_admit(struct db *db, const struct queue_entry *entry);
/* Ends an entry that is in this state, after the closing of the list if that was before; busy_until 0: it takes no place of the cap from now on.
 * ERR_CONFLICT: it is in another. */
ERR_MUST_USE enum err queue_store_end(struct db *db, const struct queue_entry *entry,
                                      enum queue_state to, int64_t ended_at, int64_t busy_until);
/* Admissions whose time is up or of whom nothing was heard since quiet_before_ms, without a hold. */
ERR_MUST_USE enum err queue_store_lapsing(struct db *db, uint64_t event_id, int64_t now_ms,
                                          int64_t quiet_before_ms, size_t limit, uint64_t *ret_ids,
                                          size_t *ret_count);
/* Admitted ones only, and never backwards. */
ERR_MUST_USE enum err queue_store_seen(struct db *db, uint64_t event_id, uint64_t entry_id,
                                       int64_t seen_at);
/* One hold more; ERR_CONFLICT: not admitted, or another account's. */
ERR_MUST_USE enum err queue_store_hold(struct db *db, uint64_t event_id, uint64_t entry_id,
                                       uint64_t account_id);
/* One hold less. */
ERR_MUST_USE enum err queue_store_unhold(struct db *db, uint64_t event_id, uint64_t entry_id);
/* An entry that is over and has no hold any more counts until then. */
ERR_MUST_USE enum err queue_store_release(struct db *db, uint64_t event_id, uint64_t entry_id,
                                          int64_t busy_until);

/* All of an event by id, or the closed list of those who came before closed_at. */
struct queue_row {
    uint64_t id, account_id;
    enum queue_state state;
    int64_t place, admitted_at, admitted_until, ended_at;
};
ERR_MUST_USE enum err queue_store_each(struct db *db, uint64_t event_id,
                                       enum err (*on_row)(const struct queue_row *row, void *ctx),
                                       void *ctx);
ERR_MUST_USE enum err queue_store_list(struct db *db, uint64_t event_id, int64_t closed_at,
                                       enum err (*on_id)(uint64_t id, void *ctx), void *ctx);

/* The log. */
struct queue_log_row {
    int64_t no;
    enum queue_kind kind;
    int64_t amount, at_ms;
    struct queue_row entry; /* as it is now; id 0: the room's own */
};
ERR_MUST_USE enum err queue_store_log(struct db *db, uint64_t event_id, enum queue_kind kind,
                                      uint64_t entry_id, int64_t amount, int64_t at_ms,
                                      int64_t *ret_no);
ERR_MUST_USE enum err queue_store_log_end(struct db *db, uint64_t event_id, int64_t *ret_no);
ERR_MUST_USE enum err
queue_store_log_read(struct db *db, uint64_t event_id, int64_t after_no, size_t limit,
                     enum err (*on_row)(const struct queue_log_row *row, void *ctx), void *ctx);
/* Entries with these places. */
ERR_MUST_USE enum err queue_store_places(struct db *db, uint64_t event_id, int64_t from,
                                         int64_t until,
                                         enum err (*on_row)(const struct queue_row *row, void *ctx),
                                         void *ctx);

#endif
