/*
 * What was sold and given back, summed by minute, by hour and in all, in the transaction that does
 * it: whoever draws a chart reads as many rows as it has points, and all nodes see the same.
 */
#ifndef TICKETS_SALE_SUM_H
#define TICKETS_SALE_SUM_H

#include "store/writer.h"
#include "tickets/limits.h"

#define SALE_SPAN_ALL    0
#define SALE_SPAN_MINUTE 60000
#define SALE_SPAN_HOUR   3600000

struct sale_sum {
    int64_t from_ms;
    int64_t places, revenue;    /* sold, those given back later too; minor units */
    int64_t returned, refunded; /* given back */
};

/* In the job that sells or takes back; from_ms is not looked at. */
ERR_MUST_USE enum err sale_sum_add(struct writer_tx *tx, uint64_t event_id,
                                   const struct sale_sum *sum);
/* All zero when nothing was sold. Any connection. */
ERR_MUST_USE enum err sale_sum_total(struct db *db, uint64_t event_id, struct sale_sum *ret_total);

struct sale_sum_query {
    uint64_t event_id;
    int64_t span_ms;  /* SALE_SPAN_MINUTE or SALE_SPAN_HOUR */
    int64_t since_ms; /* spans that begin then or later */
    int64_t limit;
};
/* The newest spans in which something happened, oldest first. */
ERR_MUST_USE enum err sale_sum_list(struct db *db, const struct sale_sum_query *query,
                                    struct sale_sum *ret_sums, size_t *ret_count);

#endif
