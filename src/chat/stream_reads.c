/* See stream_reads.h. */
#include "chat/stream_reads.h"

#include "chat/limits.h"

static void list_init(struct stream_read_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void list_put(struct stream_read_list *list, struct stream_read *read)
{
    read->next = NULL;
    *list->last = read;
    list->last = &read->next;
}

static struct stream_read *list_take(struct stream_read_list *list)
{
    struct stream_read *read = list->first;
    if (!read)
        return NULL;
    list->first = read->next;
    if (!list->first)
        list->last = &list->first;
    return read;
}

/* Back to where it was taken from. */
static void list_put_back(struct stream_read_list *list, struct stream_read *read)
{
    read->next = list->first;
    if (!list->first)
        list->last = &read->next;
    list->first = read;
}

void stream_reads_init(struct stream_reads *reads)
{
    *reads = (struct stream_reads){0};
    (void)pthread_mutex_init(&reads->lock, NULL); /* cannot fail on Linux */
    list_init(&reads->urgent);
    list_init(&reads->others);
    list_init(&reads->later);
}

void stream_reads_release(struct stream_reads *reads)
{
    (void)pthread_mutex_destroy(&reads->lock); /* nobody holds it */
}

void stream_reads_open(struct stream_reads *reads, struct pool *pool)
{
    reads->pool = pool;
}

static void pump_locked(struct stream_reads *reads);

static void run(struct pool_task *task, struct db *const *databases)
{
    struct stream_read *read = container_of(task, struct stream_read, task);
    struct stream_reads *reads = read->reads;
    read->run(read, databases);
    (void)pthread_mutex_lock(&reads->lock);
    reads->at_pool--;
    pump_locked(reads);
    (void)pthread_mutex_unlock(&reads->lock);
}

/* When the pool has no room, or has ended, what waits goes on waiting: for the next tick, or to be taken. */
static void pump_locked(struct stream_reads *reads)
{
    while (reads->at_pool < STREAM_READS_MAX) {
        struct stream_read_list *list = reads->urgent.first ? &reads->urgent : &reads->others;
        struct stream_read *read = list_take(list);
        if (!read)
            return;
        read->task = (struct pool_task){.run = run};
        if (!reads->pool || pool_submit(reads->pool, &read->task) != ERR_OK) {
            list_put_back(list, read);
            return;
        }
        atomic_fetch_sub_explicit(&reads->waiting, 1, memory_order_relaxed);
        reads->at_pool++;
    }
}

void stream_reads_submit(struct stream_reads *reads, struct stream_read *read)
{
    read->reads = reads;
    (void)pthread_mutex_lock(&reads->lock);
    list_put(read->is_urgent ? &reads->urgent : &reads->others, read);
    atomic_fetch_add_explicit(&reads->waiting, 1, memory_order_relaxed);
    pump_locked(reads);
    (void)pthread_mutex_unlock(&reads->lock);
}

void stream_reads_later(struct stream_reads *reads, struct stream_read *read)
{
    read->reads = reads;
    (void)pthread_mutex_lock(&reads->lock);
    list_put(&reads->later, read);
    atomic_fetch_add_explicit(&reads->waiting, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&reads->lock);
}

void stream_reads_tick(struct stream_reads *reads)
{
    struct stream_read *read;
    (void)pthread_mutex_lock(&reads->lock);
    while ((read = list_take(&reads->later)))
        list_put(read->is_urgent ? &reads->urgent : &reads->others, read);
    pump_locked(reads);
    (void)pthread_mutex_unlock(&reads->lock);
}

struct stream_read *stream_reads_take(struct stream_reads *reads)
{
    struct stream_read *read = list_take(&reads->urgent);
    if (!read)
        read = list_take(&reads->others);
    return read ? read : list_take(&reads->later);
}
