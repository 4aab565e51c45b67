/*
 * See retention.h. Old days are not shown to anybody meanwhile (ring_slots), so when it runs is nobody's
 * business but the disk's.
 */
#include "hooks/retention.h"

#include "hooks/replay.h"
#include "hooks/ring.h"

struct sweep_job {
    struct writer_job job;
    struct hooks *hooks;
};

static enum err sweep_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct sweep_job *mine = container_of(job, struct sweep_job, job);
    int64_t first_day = 0;
    enum err err = replay_sweep(mine->hooks, tx);
    if (!err)
        err = replay_first_day(tx->db, tx->now_ms, &first_day);
    return err ? err : ring_sweep_before(tx, first_day);
}

static void sweep(struct timer *timer, void *ctx)
{
    struct hooks *hooks = ctx;
    struct sweep_job mine = {.job = {.apply = sweep_apply}, .hooks = hooks};
    (void)timer;
    if (!writer_is_steward(hooks->writer))
        return; /* one node is enough */
    enum err err = writer_run_internal(hooks->writer, &mine.job);
    if (err && err != ERR_CLOSED)
        log_warn("old messages stay", "err=%s", err_name(err));
}

enum err retention_start(struct hooks *hooks, struct timer *timer)
{
    return timer_add(timer, &(struct timer_job){.run = sweep,
                                                .ctx = hooks,
                                                .interval_ms = RING_SWEEP_MS_MAX,
                                                .runs_at_once = true});
}
