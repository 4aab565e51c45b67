/*
 * The registry of metrics: one table for the process, because a metric is found by its name
 * wherever it is counted. Entries are only ever added and never move, so counting needs no lock.
 * Registering, scraping and forgetting take one mutex, so that a gauge function is never asked
 * while its owner is going away.
 *
 * A histogram's buckets are counted apart and summed up at the scrape: one addition per
 * observation.
 */
#include "app/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define BUCKETS 14

enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM
};

struct histogram {
    _Atomic int64_t counts[BUCKETS + 1]; /* the last: above all bounds */
    _Atomic int64_t sum_ns;
};

struct metric {
    const char *name;
    char *labels; /* "" for none */
    const char *help;
    enum metric_kind kind;
    _Atomic int64_t value;
    struct histogram *histogram;
    int64_t (*fn)(void *ctx); /* NULL: value is the value; under the lock */
    void *ctx;
    bool is_forgotten;
};

static const struct {
    int64_t ns;
    const char *text;
} bounds[BUCKETS] = {
    {500000, "0.0005"},  {1000000, "0.001"},  {2500000, "0.0025"}, {5000000, "0.005"},
    {10000000, "0.01"},  {25000000, "0.025"}, {50000000, "0.05"},  {100000000, "0.1"},
    {250000000, "0.25"}, {500000000, "0.5"},  {1000000000, "1"},   {2500000000, "2.5"},
    {5000000000, "5"},   {10000000000, "10"},
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric metrics[METRICS_MAX];
static size_t metric_count; /* under the lock */

/* What does not fit in the table is counted here, and shown nowhere. */
static struct histogram spare_histogram;
static struct metric spare = {.labels = (char *)"", .histogram = &spare_histogram};

/* The lock is held. */
static struct metric *find_or_add(const char *name, const char *labels, const char *help,
                                  enum metric_kind kind)
{
    for (size_t i = 0; i < metric_count; i++) {
        if (strcmp(metrics[i].name, name) == 0 && strcmp(metrics[i].labels, labels) == 0) {
            assert(metrics[i].kind == kind);
            return &metrics[i];
        }
    }
    if (metric_count == METRICS_MAX)
        return &spare;
    struct histogram *histogram = NULL;
    if (kind == METRIC_HISTOGRAM)
        histogram = calloc(1, sizeof(*histogram));
    char *copy = strdup(labels);
    if (!copy || (kind == METRIC_HISTOGRAM && !histogram)) {
        free(copy);
        free(histogram);
        return &spare;
    }
    struct metric *metric = &metrics[metric_count++];
    metric->name = name;
    metric->labels = copy;
    metric->help = help;
    metric->kind = kind;
    metric->histogram = histogram;
    return metric;
}

static struct metric *metric_register(const char *name, const char *labels, const char *help,
                                      enum metric_kind kind)
{
    (void)pthread_mutex_lock(&registry_lock);
    struct metric *metric = find_or_add(name, labels ? labels : "", help, kind);
    (void)pthread_mutex_unlock(&registry_lock);
    return metric;
}

struct metric *metric_counter(const char *name, const char *labels, const char *help)
{
    return metric_register(name, labels, help, METRIC_COUNTER);
}

struct metric *metric_gauge(const char *name, const char *labels, const char *help)
{
    return metric_register(name, labels, help, METRIC_GAUGE);
}

struct metric *metric_histogram(const char *name, const char *labels, const char *help)
{
    return metric_register(name, labels, help, METRIC_HISTOGRAM);
}

static void register_fn(const char *name, const char *labels, const char *help,
                        enum metric_kind kind, int64_t (*fn)(void *ctx), void *ctx)
{
    (void)pthread_mutex_lock(&registry_lock);
    struct metric *metric = find_or_add(name, labels ? labels : "", help, kind);
    if (metric != &spare) {
        metric->fn = fn;
        metric->ctx = ctx;
        metric->is_forgotten = false;
    }
    (void)pthread_mutex_unlock(&registry_lock);
}

void metric_gauge_fn(const char *name, const char *labels, const char *help,
                     int64_t (*fn)(void *ctx), void *ctx)
{
    register_fn(name, labels, help, METRIC_GAUGE, fn, ctx);
}

void metric_counter_fn(const char *name, const char *labels, const char *help,
                       int64_t (*fn)(void *ctx), void *ctx)
{
    register_fn(name, labels, help, METRIC_COUNTER, fn, ctx);
}

void metrics_forget(void *ctx)
{
    (void)pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; i < metric_count; i++) {
        if (metrics[i].fn && metrics[i].ctx == ctx) {
            metrics[i].fn = NULL;
            metrics[i].is_forgotten = true;
        }
    }
    (void)pthread_mutex_unlock(&registry_lock);
}

void metric_add(struct metric *metric, int64_t delta)
{
    atomic_fetch_add_explicit(&metric->value, delta, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_observe_ns(struct metric *metric, int64_t elapsed_ns)
{
    struct histogram *histogram = metric->histogram;
    size_t bucket = 0;
    assert(histogram);
    while (bucket < BUCKETS && elapsed_ns > bounds[bucket].ns)
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, elapsed_ns, memory_order_relaxed);
}

/* ---- exposition ---- */

static void write_histogram(struct buf *buf, const struct metric *metric)
{
    const char *labels = metric->labels;
    const char *comma = labels[0] ? "," : "";
    const char *open = labels[0] ? "{" : "";
    const char *close = labels[0] ? "}" : "";
    int64_t total = 0;
    for (size_t i = 0; i <= BUCKETS; i++) {
        total += atomic_load_explicit(&metric->histogram->counts[i], memory_order_relaxed);
        buf_printf(buf, "%s_bucket{%s%sle=\"%s\"} %" PRId64 "\n", metric->name, labels, comma,
                   i < BUCKETS ? bounds[i].text : "+Inf", total);
    }
    int64_t sum_ns = atomic_load_explicit(&metric->histogram->sum_ns, memory_order_relaxed);
    buf_printf(buf, "%s_sum%s%s%s %.9f\n", metric->name, open, labels, close, (double)sum_ns / 1e9);
    buf_printf(buf, "%s_count%s%s%s %" PRId64 "\n", metric->name, open, labels, close, total);
}

static void write_sample(struct buf *buf, struct metric *metric)
{
    if (metric->is_forgotten)
        return;
    if (metric->kind == METRIC_HISTOGRAM) {
        write_histogram(buf, metric);
        return;
    }
    int64_t value = metric->fn ? metric->fn(metric->ctx)
                               : atomic_load_explicit(&metric->value, memory_order_relaxed);
    const char *open = metric->labels[0] ? "{" : "";
    const char *close = metric->labels[0] ? "}" : "";
    buf_printf(buf, "%s%s%s%s %" PRId64 "\n", metric->name, open, metric->labels, close, value);
}

static bool is_first_of_name(size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(metrics[i].name, metrics[index].name) == 0)
            return false;
    }
    return true;
}

/* All samples of a name stand together behind its HELP and TYPE, as the format asks. */
static void write_family(struct buf *buf, size_t first)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const char *name = metrics[first].name;
    buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, metrics[first].help, name,
               kinds[metrics[first].kind]);
    for (size_t i = first; i < metric_count; i++) {
        if (strcmp(metrics[i].name, name) == 0)
            write_sample(buf, &metrics[i]);
    }
}

void metrics_write(struct buf *buf)
{
    (void)pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; i < metric_count; i++) {
        if (is_first_of_name(i))
            write_family(buf, i);
    }
    (void)pthread_mutex_unlock(&registry_lock);
}
