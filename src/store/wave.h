/*
 * A wave: several jobs of a worker's own thread, handed to a writer together, so that they share as few commits
 * as the writer likes, and waited for.
 */
#ifndef STORE_WAVE_H
#define STORE_WAVE_H

#include "store/writer.h"

struct wave;

struct wave_job {
    struct writer_job job; /* apply and shard are the caller's, the rest is wave_run's */
    struct wave *wave;
};

/* In their order; not refused for a full queue. Not on the writer's thread. The first error there was: some of
 * the others may be committed. */
ERR_MUST_USE enum err wave_run(struct writer *writer, struct wave_job *const *jobs, size_t count);

#endif
