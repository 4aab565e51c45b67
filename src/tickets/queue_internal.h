/* What the waiting room's parts share. */
#ifndef TICKETS_QUEUE_INTERNAL_H
#define TICKETS_QUEUE_INTERNAL_H

#include "app/metrics.h"
#include "tickets/queue.h"
#include "tickets/queue_room.h"
#include "tickets/queue_steward.h"
#include "tickets/queue_token.h"
#include "tickets/tickets.h"

struct queue_desk {
    struct tickets *tickets;
    struct queue_rooms *rooms;
    uint8_t token_key[QUEUE_TOKEN_KEY_SIZE];
    bool is_followed; /* other nodes write to the same database */
    struct db *db;    /* the thread's own reader */
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;
    pthread_cond_t wakeup;
    bool is_stopping, is_woken;
    _Atomic bool has_doubt; /* the last commits may have been lost, or others not heard of */
    /* The thread's: */
    int64_t office_since_ms; /* steward, and listening, since then; 0: it is not */
    int64_t looked_at_ms,
        jumps_ms;               /* at this look: the time, and how much of it tests have added */
    bool is_failing, is_unread; /* said once: jobs fail, a room cannot be read */
    uint64_t look_no;
    struct queue_terms terms[QUEUE_ROOMS_MAX];
    size_t terms_count;
    struct metric *admitted, *lapsed, *refused;
};

/* --- queue_effect.c: what memory learns of a job, after its commit --- */

/* entry: as its row is from now on. */
ERR_MUST_USE enum err queue_stage_entry(struct tickets *tickets, struct writer_tx *tx,
                                        const struct queue_entry *entry);
/* These got places from first on. */
ERR_MUST_USE enum err queue_stage_places(struct tickets *tickets, struct writer_tx *tx,
                                         uint64_t event_id, int64_t first, const uint64_t *ids,
                                         size_t count);
/* The room itself: there is one, its doors, its end. */
ERR_MUST_USE enum err queue_stage_room(struct tickets *tickets, struct writer_tx *tx,
                                       uint64_t event_id, enum queue_kind kind);
#define QUEUE_LOG_NONE ((enum queue_kind)0) /* a new room */

/* --- queue_follow.c: the thread's --- */

/* Reads what memory lacks of this room; all of it, the first time. */
ERR_MUST_USE enum err queue_follow(struct queue_desk *queue, const struct queue_terms *terms);

/* --- queue_work.c: the steward's --- */

/* True: there is more to do at once. */
bool queue_work(struct queue_desk *queue, const struct queue_terms *terms);
/* Runs a job of the event's and waits for it. What it says is logged once. */
ERR_MUST_USE enum err queue_run(struct queue_desk *queue, uint64_t event_id, struct writer_job *job,
                                enum err (*apply)(struct writer_job *job, struct writer_tx *tx));

/* --- queue_list.c: the closed list --- */

/* Reads it, hashes it and, once the seed is public, orders it; into order, which is to be released
 * also after an error. */
ERR_MUST_USE enum err queue_list_read(struct queue_desk *queue, const struct queue_terms *terms,
                                      struct queue_order *order);
void queue_order_release(struct queue_order *order);

#endif
