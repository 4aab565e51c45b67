/*
 * What the steward does for a room, from its thread, in jobs of at most QUEUE_CHUNK_MAX rows that
 * queue behind waiting requests; and what every node does: writing down who was seen, closing the
 * doors of `auto`.
 *
 * Nothing here decides: each job looks at the rows again. Two stewards do no harm, and a job that
 * nobody knows the outcome of is tried again at the next look.
 */
#include "tickets/queue_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "tickets/queue_crowd.h"

struct room_job {
    struct writer_job job;
    struct queue_desk *queue;
    uint64_t event_id;
    /* What some need: */
    const uint64_t *ids;
    const struct queue_order *order;
    size_t most, count;
    int64_t quiet_before_ms;
    bool is_engaged;
    struct queue_seen seen[QUEUE_SEEN_BATCH];
};

static void job_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome; /* writer_run hands it on */
}

enum err queue_run(struct queue_desk *queue, uint64_t event_id, struct writer_job *job,
                   enum err (*apply)(struct writer_job *job, struct writer_tx *tx))
{
    *job = (struct writer_job){.shard = event_id, .apply = apply, .done = job_done};
    enum err err = writer_run_internal(queue->tickets->writer, job);
    if (err && err != ERR_CLOSED && err != ERR_AGAIN && !queue->is_failing)
        log_warn("a waiting room cannot be looked after now", "event=%llu error=\"%s\"",
                 (unsigned long long)event_id, err_name(err));
    queue->is_failing = err && err != ERR_CLOSED && err != ERR_AGAIN;
    return err;
}

static enum err run(struct room_job *job,
                    enum err (*apply)(struct writer_job *job, struct writer_tx *tx))
{
    return queue_run(job->queue, job->event_id, &job->job, apply);
}

/* --- The list --- */

static enum err close_apply(struct writer_job *base, struct writer_tx *tx)
{
    struct room_job *job = container_of(base, struct room_job, job);
    struct queue_terms terms;
    enum err err = queue_store_terms(tx->db, job->event_id, &terms);
    return err ? err : waiting_close(job->queue->tickets, tx, &terms);
}

static enum err reveal_apply(struct writer_job *base, struct writer_tx *tx)
{
    struct room_job *job = container_of(base, struct room_job, job);
    struct queue_terms terms;
    enum err err = queue_store_terms(tx->db, job->event_id, &terms);
    return err ? err : waiting_reveal(job->queue->tickets, tx, &terms, job->order->entries_hash);
}

static enum err place_apply(struct writer_job *base, struct writer_tx *tx)
{
    struct room_job *job = container_of(base, struct room_job, job);
    struct queue_terms terms;
    enum err err = queue_store_terms(tx->db, job->event_id, &terms);
    if (err)
        return err;
    size_t placed = (size_t)terms.placed;
    const struct queue_order *order = job->order;
    job->count = order->count > placed ? order->count - placed : 0;
    if (job->count > QUEUE_CHUNK_MAX)
        job->count = QUEUE_CHUNK_MAX;
    if (job->count == 0)
        return ERR_OK;
    return waiting_place(job->queue->tickets, tx, &terms, order->ids + placed, job->count);
}

/* The order follows from what is public by now: everybody may be told of their place before all rows
 * have theirs. Whoever is admitted has one, because that is asked of rows. */
static void show_places(struct queue_room *room)
{
    const struct queue_order *order = &room->order;
    for (size_t i = 0; i < order->count; i += QUEUE_CHUNK_MAX) {
        size_t count = order->count - i < QUEUE_CHUNK_MAX ? order->count - i : QUEUE_CHUNK_MAX;
        queue_room_place(room, (int64_t)i + 1, order->ids + i, count, clock_now_ms());
    }
}

/* True: there are more places to write. The order stays in memory until they are, whatever other
 * rooms open at the same time. */
static bool work_places(struct queue_desk *queue, const struct queue_terms *terms,
                        struct queue_room *room)
{
    struct queue_order *order = &room->order;
    struct room_job job = {.queue = queue, .event_id = terms->event_id, .order = order};
    if (!terms->closed_at)
        return run(&job, close_apply) == ERR_OK;
    bool is_known = order->is_known;
    if (!is_known && queue_list_read(queue, terms, order) != ERR_OK) {
        queue_order_release(order);
        return false;
    }
    if (!is_known && terms->is_revealed)
        show_places(room);
    if (!terms->is_revealed) { /* the order follows from the seed: read again then */
        enum err err = run(&job, reveal_apply);
        queue_order_release(order);
        return err == ERR_OK;
    }
    for (int i = 0; i < QUEUE_PLACE_CHUNKS; i++) {
        if (run(&job, place_apply) != ERR_OK || job.count < QUEUE_CHUNK_MAX) {
            queue_order_release(order);
            return false;
        }
    }
    return true;
}

/* --- Admissions --- */

static enum err lapse_apply(struct writer_job *base, struct writer_tx *tx)
{
    struct room_job *job = container_of(base, struct room_job, job);
    return waiting_lapse(job->queue->tickets, tx, job->event_id, job->ids, job->count,
                         job->quiet_before_ms);
}

/* Whoever said nothing for quiet_s, as far as any node has written it down: that may be a part of
 * quiet_s late. And nobody is called quiet for what nobody was there to hear: a new steward waits, and
 * so does one whose clock has jumped. Counted from the beginning of the look, which is when that is
 * noticed. */
static int64_t quiet_before(const struct queue_desk *queue, const struct queue_terms *terms)
{
    int64_t quiet_ms = terms->settings.quiet_s * 1000;
    int64_t before_ms = queue->looked_at_ms - quiet_ms - quiet_ms / QUEUE_SEEN_PART - 2000;
    return before_ms < queue->office_since_ms - quiet_ms / QUEUE_SEEN_PART ? 0 : before_ms;
}

static void work_lapses(struct queue_desk *queue, const struct queue_terms *terms, int64_t now_ms)
{
    uint64_t ids[QUEUE_CHUNK_MAX];
    struct room_job job = {.queue = queue, .event_id = terms->event_id, .ids = ids};
    job.quiet_before_ms = quiet_before(queue, terms);
    for (int i = 0; i < QUEUE_CHUNKS_MAX; i++) {
        if (queue_store_lapsing(queue->db, terms->event_id, now_ms, job.quiet_before_ms,
                                QUEUE_CHUNK_MAX, ids, &job.count) != ERR_OK ||
            job.count == 0 || run(&job, lapse_apply) != ERR_OK || job.count < QUEUE_CHUNK_MAX)
            return;
    }
}

static enum err admit_apply(struct writer_job *base, struct writer_tx *tx)
{
    struct room_job *job = container_of(base, struct room_job, job);
    return waiting_admit(job->queue->tickets, tx, job->event_id, job->most, &job->count);
}

/* The minute's admissions are spread over it: a second's worth at once, at most. Whether there are any
 * left of the minute the job counts. */
static void earn_credit(struct queue_room *room, const struct queue_terms *terms, int64_t now_ms)
{
    double a_ms = (double)terms->settings.admit_per_minute / 60000;
    double most = a_ms * 1000 > 1 ? a_ms * 1000 : 1;
    room->admit_credit += (double)(now_ms - room->credit_at) * a_ms;
    if (room->admit_credit > most || room->credit_at == 0)
        room->admit_credit = most;
    if (room->admit_credit < 0)
        room->admit_credit = 0;
    room->credit_at = now_ms;
}

static void work_admissions(struct queue_desk *queue, const struct queue_terms *terms,
                            struct queue_room *room, int64_t now_ms)
{
    struct queue_counts counts;
    int64_t busy = 0;
    earn_credit(room, terms, now_ms);
    for (int i = 0; i < QUEUE_CHUNKS_MAX && room->admit_credit >= 1; i++) {
        queue_room_counts(room, &counts);
        if (counts.waiting == 0)
            return;
        /* The job counts again; a full house is not worth one. */
        if (queue_store_busy(queue->db, terms->event_id, now_ms, &busy) != ERR_OK ||
            busy >= terms->settings.admitted_max)
            return;
        struct room_job job = {.queue = queue, .event_id = terms->event_id};
        job.most = (size_t)room->admit_credit;
        if (run(&job, admit_apply) != ERR_OK || job.count == 0)
            return;
        room->admit_credit -= (double)job.count;
    }
}

/* --- Doors --- */

static enum err engage_apply(struct writer_job *base, struct writer_tx *tx)
{
    struct room_job *job = container_of(base, struct room_job, job);
    return waiting_engage(job->queue->tickets, tx, job->event_id, job->is_engaged);
}

static bool is_calm(struct queue_room *room, const struct queue_terms *terms, int64_t now_ms)
{
    struct queue_counts counts;
    queue_room_counts(room, &counts);
    return counts.waiting == 0 && counts.pre == 0 &&
           2 * counts.admitted < terms->settings.auto_above &&
           2 * queue_crowd_count(room->crowd, now_ms) < terms->settings.auto_above &&
           now_ms - atomic_load(&room->engaged_at) >= QUEUE_AUTO_RELEASE_MS;
}

static void work_doors(struct queue_desk *queue, const struct queue_terms *terms,
                       struct queue_room *room, int64_t now_ms, bool is_steward)
{
    bool wants = atomic_exchange(&room->wants_engage, false);
    bool must_close = wants && !terms->is_engaged;
    bool must_open = is_steward && terms->is_engaged && !wants && is_calm(room, terms, now_ms);
    struct room_job job = {.queue = queue, .event_id = terms->event_id, .is_engaged = must_close};
    if (terms->mode == QUEUE_AUTO && (must_close || must_open))
        (void)run(&job, engage_apply); /* else at the next look */
}

/* --- Who was seen --- */

static enum err seen_apply(struct writer_job *base, struct writer_tx *tx)
{
    struct room_job *job = container_of(base, struct room_job, job);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < job->count; i++)
        err = queue_store_seen(tx->db, job->event_id, job->seen[i].id, job->seen[i].seen_at);
    return err;
}

static void work_seen(struct queue_desk *queue, struct queue_room *room)
{
    struct room_job job = {.queue = queue, .event_id = room->event_id};
    do {
        job.count = queue_room_take_seen(room, job.seen);
        /* What is lost here is said again by the next poll. */
    } while (job.count > 0 && run(&job, seen_apply) == ERR_OK && job.count == QUEUE_SEEN_BATCH);
}

static enum err over_apply(struct writer_job *base, struct writer_tx *tx)
{
    struct room_job *job = container_of(base, struct room_job, job);
    return waiting_over(job->queue->tickets, tx, job->event_id);
}

static bool work_room(struct queue_desk *queue, const struct queue_terms *terms,
                      struct queue_room *room)
{
    int64_t now_ms = clock_now_ms();
    bool is_steward = queue->office_since_ms != 0;
    bool is_placed = terms->closed_at && terms->is_revealed && terms->placed == terms->entry_count;
    bool is_open = terms->status != EVENT_DRAFT && queue_is_on_sale(terms, now_ms);
    if (is_placed || !is_steward || !is_open)
        queue_order_release(&room->order);
    work_seen(queue, room);
    work_doors(queue, terms, room, now_ms, is_steward);
    if (!is_steward || terms->status == EVENT_DRAFT)
        return false;
    if (!is_open) {
        struct room_job job = {.queue = queue, .event_id = terms->event_id};
        (void)run(&job, over_apply); /* else at the next look */
        return false;
    }
    if (now_ms < terms->onsale_at || (!terms->closed_at && !queue_is_engaged(terms)))
        return false;
    bool has_more = !is_placed && work_places(queue, terms, room);
    work_lapses(queue, terms, now_ms);
    work_admissions(queue, terms, room, now_ms);
    return has_more;
}

bool queue_work(struct queue_desk *queue, const struct queue_terms *terms)
{
    struct queue_room *room = queue_rooms_get(queue->rooms, terms->event_id);
    bool has_more = room && work_room(queue, terms, room);
    queue_room_unref(room);
    return has_more;
}
