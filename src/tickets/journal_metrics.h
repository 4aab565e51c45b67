/* What happened, as Prometheus counters: one for each type of journal row that tells of sales. */
#ifndef TICKETS_JOURNAL_METRICS_H
#define TICKETS_JOURNAL_METRICS_H

#include "store/journal.h"

/* At start: all counters are there with 0, so that the first of a rare kind is an increase. */
void journal_metrics_register(void);
/* Rows of this journal in order, each once; those before since_ms were counted by an earlier
 * process. Any one thread, off the writer: a consumer's. */
void journal_metrics_count(const struct journal_row *rows, size_t count, int64_t since_ms);

#endif
