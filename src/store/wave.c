/* See wave.h. */
#include "store/wave.h"

#include <pthread.h>

struct wave {
    pthread_mutex_t lock;
    pthread_cond_t is_over;
    size_t pending;
    enum err err;
};

static void settle(struct wave *wave, enum err err)
{
    (void)pthread_mutex_lock(&wave->lock);
    wave->pending--;
    wave->err = wave->err ? wave->err : err;
    (void)pthread_cond_signal(&wave->is_over);
    (void)pthread_mutex_unlock(&wave->lock);
}

static void on_settled(struct writer_job *job, enum err outcome)
{
    settle(container_of(job, struct wave_job, job)->wave, outcome);
}

enum err wave_run(struct writer *writer, struct wave_job *const *jobs, size_t count)
{
    struct wave wave = {.pending = count};
    (void)pthread_mutex_init(&wave.lock, NULL); /* these cannot fail on Linux */
    (void)pthread_cond_init(&wave.is_over, NULL);
    for (size_t i = 0; i < count; i++) {
        jobs[i]->wave = &wave;
        jobs[i]->job.done = on_settled;
        enum err err = writer_submit_internal(writer, &jobs[i]->job);
        if (err)
            settle(&wave, err);
    }
    (void)pthread_mutex_lock(&wave.lock);
    while (wave.pending > 0)
        (void)pthread_cond_wait(&wave.is_over, &wave.lock);
    (void)pthread_mutex_unlock(&wave.lock);
    (void)pthread_cond_destroy(&wave.is_over);
    (void)pthread_mutex_destroy(&wave.lock);
    return wave.err;
}
