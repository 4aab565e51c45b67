/*
 * See receipt.h. Notes of a chat gather in a batch; the thread takes all batches and submits each as a job
 * with the chat as its shard, so that they share commits with the messages. A batch belongs to the map,
 * then to its job, and is freed when that is done.
 */
#include "chat/receipt.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/map.h"
#include "chat/device.h"
#include "chat/fanout.h"
#include "chat/push.h"

struct batch {
    struct writer_job job;
    struct log *log;
    uint64_t chat_id;
    size_t count;
    struct receipt items[RECEIPTS_BATCH_MAX];
};

struct receipts {
    struct writer *writer;
    struct log *log;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    struct map batches;    /* by chat; these two under the lock */
    bool is_stopping;
};

/* ---- the rule ---- */

enum err receipt_raise(struct log *log, struct writer_tx *tx, const struct chat *chat,
                       const struct chat_days *days, const struct receipt *receipt,
                       struct member *member)
{
    int64_t last = chat->last_seq;
    int64_t read = receipt->read_seq < last ? receipt->read_seq : last;
    int64_t delivered = receipt->delivered_seq < last ? receipt->delivered_seq : last;
    enum err err = ERR_OK;
    if (delivered < read)
        delivered = read;
    if (receipt->device_id)
        err = device_store_move_cursor(tx->db, member->user_id, receipt->device_id, chat->id,
                                       delivered);
    if (err || (delivered <= member->delivered_seq && read <= member->read_seq))
        return err;
    if (read > member->read_seq) {
        err = log_store_texts(tx->db, chat, read, days, &member->read_texts);
        member->read_seq = read;
        if (!err)
            err = push_note_read(tx, chat, member->user_id, read);
    }
    if (delivered > member->delivered_seq)
        member->delivered_seq = delivered;
    if (!err)
        err = member_store_put_marks(tx->db, chat->id, member);
    struct fanout_event event = {.kind = FANOUT_RECEIPT,
                                 .chat_id = chat->id,
                                 .epoch = log->epoch,
                                 .members_version = chat->members_version,
                                 .member = *member};
    return err ? err : fanout_stage(log->fanout, tx, &event);
}

/* ---- writing a batch ---- */

static struct member *find_member(struct member *members, size_t count, uint64_t user_id)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].user_id == user_id)
            return &members[i];
    }
    return NULL;
}

/* Who has left meanwhile is passed over. */
static enum err raise_all(struct batch *batch, struct writer_tx *tx, const struct chat *chat,
                          struct member *members, size_t count)
{
    struct chat_days days;
    enum err err = ERR_OK;
    chat_days(chat, tx->now_ms, &days);
    for (size_t i = 0; !err && i < batch->count; i++) {
        struct member *member = find_member(members, count, batch->items[i].user_id);
        if (member)
            err = receipt_raise(batch->log, tx, chat, &days, &batch->items[i], member);
    }
    return err;
}

/* However many there are, the chat and its members are read once. */
static enum err batch_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct batch *batch = container_of(job, struct batch, job);
    struct chat chat;
    struct member first;
    bool is_there = false;
    enum err err = chat_store_get(tx->db, tx->arena, batch->chat_id, batch->items[0].user_id, &chat,
                                  &first, &is_there);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    if (batch->count == 1)
        return raise_all(batch, tx, &chat, &first, is_there ? 1 : 0);
    size_t count = 0;
    struct member *members = ARENA_ARRAY(tx->arena, struct member, MEMBERS_MAX);
    if (!members)
        return ERR_NOMEM;
    err = member_store_list(tx->db, tx->arena, batch->chat_id, MEMBERS_MAX, members, &count);
    return err ? err : raise_all(batch, tx, &chat, members, count);
}

static void batch_done(struct writer_job *job, enum err outcome)
{
    struct batch *batch = container_of(job, struct batch, job);
    if (outcome)
        log_warn("receipts were not written", "count=%zu err=%s", batch->count, err_name(outcome));
    free(batch);
}

/* ---- gathering ---- */

/* Under the lock. NULL: no room. */
static struct batch *find_batch(struct receipts *receipts, uint64_t chat_id)
{
    uintptr_t value;
    if (map_get(&receipts->batches, chat_id, &value))
        return (struct batch *)value; /* NOLINT(performance-no-int-to-ptr): it was one */
    struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return NULL;
    batch->job = (struct writer_job){.shard = chat_id, .apply = batch_apply, .done = batch_done};
    batch->log = receipts->log;
    batch->chat_id = chat_id;
    if (map_put(&receipts->batches, chat_id, (uintptr_t)batch) == ERR_OK)
        return batch;
    free(batch);
    return NULL;
}

static enum err batch_note(struct batch *batch, const struct receipt *receipt)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct receipt *item = &batch->items[i];
        if (item->user_id != receipt->user_id || item->device_id != receipt->device_id)
            continue;
        if (item->delivered_seq < receipt->delivered_seq)
            item->delivered_seq = receipt->delivered_seq;
        if (item->read_seq < receipt->read_seq)
            item->read_seq = receipt->read_seq;
        return ERR_OK;
    }
    if (batch->count == RECEIPTS_BATCH_MAX)
        return ERR_FULL;
    batch->items[batch->count++] = *receipt;
    return ERR_OK;
}

enum err receipts_note(struct receipts *receipts, uint64_t chat_id, const struct receipt *receipt)
{
    (void)pthread_mutex_lock(&receipts->lock);
    struct batch *batch = find_batch(receipts, chat_id);
    enum err err = batch ? batch_note(batch, receipt) : ERR_FULL;
    (void)pthread_mutex_unlock(&receipts->lock);
    return err;
}

void receipts_flush(struct receipts *receipts)
{
    struct map taken;
    size_t position = 0;
    uint64_t chat_id;
    uintptr_t value;
    (void)pthread_mutex_lock(&receipts->lock);
    taken = receipts->batches;
    map_init(&receipts->batches, RECEIPTS_CHATS_MAX);
    (void)pthread_mutex_unlock(&receipts->lock);
    while (map_each(&taken, &position, &chat_id, &value)) {
        struct batch *batch =
            (struct batch *)value; /* NOLINT(performance-no-int-to-ptr): it was one */
        enum err err = writer_submit(receipts->writer, &batch->job);
        if (err)
            batch_done(&batch->job, err);
    }
    map_release(&taken);
}

/* ---- the thread ---- */

/* False: stopping. */
static bool wait_interval(struct receipts *receipts)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* always there */
    until.tv_nsec += RECEIPTS_INTERVAL_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int result = 0;
    (void)pthread_mutex_lock(&receipts->lock);
    while (!receipts->is_stopping && result == 0)
        result = pthread_cond_timedwait(&receipts->wakeup, &receipts->lock, &until);
    bool goes_on = !receipts->is_stopping;
    (void)pthread_mutex_unlock(&receipts->lock);
    return goes_on;
}

static void *receipts_main(void *ctx)
{
    while (wait_interval(ctx))
        receipts_flush(ctx);
    receipts_flush(ctx);
    return NULL;
}

enum err receipts_new(struct writer *writer, struct log *log, struct receipts **ret_receipts)
{
    struct receipts *receipts = calloc(1, sizeof(*receipts));
    if (!receipts)
        return ERR_NOMEM;
    receipts->writer = writer;
    receipts->log = log;
    map_init(&receipts->batches, RECEIPTS_CHATS_MAX);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes); /* these cannot fail on Linux */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&receipts->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&receipts->lock, NULL);
    *ret_receipts = receipts;
    return ERR_OK;
}

enum err receipts_start(struct receipts *receipts)
{
    if (pthread_create(&receipts->thread, NULL, receipts_main, receipts) != 0)
        return ERR_NOMEM;
    (void)pthread_setname_np(receipts->thread, "chat-receipts"); /* a name is a convenience */
    receipts->is_running = true;
    return ERR_OK;
}

void receipts_stop(struct receipts *receipts)
{
    if (!receipts || !receipts->is_running)
        return;
    (void)pthread_mutex_lock(&receipts->lock);
    receipts->is_stopping = true;
    (void)pthread_cond_signal(&receipts->wakeup);
    (void)pthread_mutex_unlock(&receipts->lock);
    (void)pthread_join(receipts->thread, NULL); /* ours and joinable */
    receipts->is_running = false;
}

void receipts_free(struct receipts *receipts)
{
    size_t position = 0;
    uint64_t chat_id;
    uintptr_t value;
    if (!receipts)
        return;
    while (map_each(&receipts->batches, &position, &chat_id, &value))
        free((void *)value); /* NOLINT(performance-no-int-to-ptr): it was one */
    map_release(&receipts->batches);
    (void)pthread_cond_destroy(&receipts->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&receipts->lock);
    free(receipts);
}
