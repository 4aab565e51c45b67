/* Prometheus metrics: counters, gauges and histograms registered once at start, updated with
 * relaxed atomics from any thread. */
#ifndef APP_METRICS_H
#define APP_METRICS_H

#include "base/buf.h"

#define METRICS_MAX 1024

struct metric;

/* name as Prometheus has it ("foyer_holds_total"), labels as ready text ("route=\"/v1/events\"") or
 * NULL; labels are copied, name and help are static. Returns the same metric when registered twice;
 * never NULL (the table's last entry takes the overflow). */
struct metric *metric_counter(const char *name, const char *labels, const char *help);
struct metric *metric_gauge(const char *name, const char *labels, const char *help);
/* Seconds, fixed buckets 0.5 ms to 10 s. */
struct metric *metric_histogram(const char *name, const char *labels, const char *help);
void metric_add(struct metric *metric, int64_t delta);
void metric_set(struct metric *metric, int64_t value);
void metric_observe_ns(struct metric *metric, int64_t elapsed_ns);
/* fn is asked at each scrape, by the thread that scrapes; registering again replaces it. */
void metric_gauge_fn(const char *name, const char *labels, const char *help,
                     int64_t (*fn)(void *ctx), void *ctx);
/* The same for a figure that only grows. */
void metric_counter_fn(const char *name, const char *labels, const char *help,
                       int64_t (*fn)(void *ctx), void *ctx);
/* Forgets every fn with this ctx; it is asked no more afterwards. */
void metrics_forget(void *ctx);
/* Text exposition format 0.0.4. */
void metrics_write(struct buf *buf);

#endif
