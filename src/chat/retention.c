/*
 * See retention.h. Old days are not shown to anybody meanwhile (chat_days), so when it runs is nobody's
 * business but the disk's.
 */
#include "chat/retention.h"

#include "chat/days.h"
#include "chat/feed.h"

static enum err sweep_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job;
    enum err err = days_sweep(tx);
    return err ? err : feed_sweep(tx);
}

static void sweep(struct timer *timer, void *ctx)
{
    struct chat_service *chat = ctx;
    struct writer_job job = {.apply = sweep_apply};
    (void)timer;
    if (!writer_is_steward(chat->writer))
        return; /* one node is enough */
    enum err err = writer_run_internal(chat->writer, &job);
    if (err && err != ERR_CLOSED)
        log_warn("old chat messages stay", "err=%s", err_name(err));
    media_sweep(chat);
}

enum err chat_retention_start(struct chat_service *chat, struct timer *timer)
{
    return timer_add(timer, &(struct timer_job){.run = sweep,
                                                .ctx = chat,
                                                .interval_ms = SWEEP_INTERVAL_S * 1000,
                                                .runs_at_once = true});
}
