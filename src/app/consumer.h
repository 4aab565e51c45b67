/*
 * A journal consumer: a thread that reads committed rows of a service's journal from its cursor and
 * hands them on in batches. The cursor lives in the consumer's own database and is committed with
 * what a row caused (on_batch does both), so a crash repeats at most what was not committed. It
 * polls every interval and is woken by consumer_wake.
 */
#ifndef APP_CONSUMER_H
#define APP_CONSUMER_H

#include "store/journal.h"

#define CONSUMER_BATCH_MAX 500 /* rows, unless the options say otherwise */

struct consumer;

struct consumer_options {
    const char *name;
    const char *source_path; /* database with the journal, opened as reader */
    int64_t cursor;          /* seq of the last row done */
    int64_t interval_ms;
    size_t batch_max; /* rows handed on at once; 0: CONSUMER_BATCH_MAX */
    /* Rows (with data copied) of one batch in order; source may be used for further reads. ERR_OK
     * moves the cursor on; anything else repeats the batch after a growing pause. */
    enum err (*on_batch)(const struct journal_row *rows, size_t count, struct db *source,
                         void *ctx);
    /* Asked before each batch, where one of several nodes consumes: false waits an interval. May move
     * *cursor, to where another node has left off. NULL: always. */
    bool (*may_read)(int64_t *cursor, void *ctx);
    /* There is nothing new: may do a piece of what can wait. True: there is more of it. NULL: none.
     */
    bool (*on_idle)(void *ctx);
    void *ctx;
};

ERR_MUST_USE enum err consumer_start(const struct consumer_options *options,
                                     struct consumer **ret_consumer);
void consumer_wake(struct consumer *consumer); /* any thread, cheap */
int64_t consumer_cursor(const struct consumer *consumer);
void consumer_stop(struct consumer *consumer); /* joins and frees; NULL is fine */

#endif
