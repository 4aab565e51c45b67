/* When users were seen last, written many at a time: see presence.h. Rows of two nodes commute, because only later
 * times are taken; their order keeps two transactions from waiting for each other. */
#include "chat/presence_internal.h"

#include <stdlib.h>

#include "base/log.h"

#define PRESENCE_SHARD                                                                             \
    1 /* what the job writes is no chat's and nobody decides by it; ids are far above */

static int compare_rows(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b; /* rows begin with the user */
    return *x < *y ? -1 : *x > *y;
}

static enum err write_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct presence_write *write = container_of(job, struct presence_write, job);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < write->count; i++)
        err = presence_store_put(tx->db, write->rows[i].user_id, write->rows[i].at_ms);
    return err;
}

static void write_done(struct writer_job *job, enum err outcome)
{
    struct presence_write *write = container_of(job, struct presence_write, job);
    if (outcome)
        log_warn("when users were seen last was not written", "count=%zu err=%s", write->count,
                 err_name(outcome));
    free(write);
}

void presence_write_submit(struct writer *writer, struct presence_write *take_write)
{
    if (!take_write)
        return;
    if (take_write->count == 0) {
        free(take_write);
        return;
    }
    qsort(take_write->rows, take_write->count, sizeof(take_write->rows[0]), compare_rows);
    take_write->job =
        (struct writer_job){.shard = PRESENCE_SHARD, .apply = write_apply, .done = write_done};
    enum err err = writer_submit(writer, &take_write->job);
    if (err)
        write_done(&take_write->job, err);
}
