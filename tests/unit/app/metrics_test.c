/* Metrics and their text form. The registry is the process's: each test has names of its own. */
#include <pthread.h>
#include <stdio.h>

#include "app/metrics.h"
#include "base/check.h"

static char text[1u << 20];

static const char *scrape(void)
{
    struct buf buf;
    buf_init(&buf, sizeof(text) - 1);
    metrics_write(&buf);
    assert_ok(str_to_c(buf_str(&buf), text, sizeof(text)));
    buf_release(&buf);
    return text;
}

static void assert_shown(const char *line)
{
    if (!strstr(scrape(), line))
        print_error("%s\nhas no %s\n", text, line);
    assert_non_null(strstr(text, line));
}

static void counter_and_gauge(void **state)
{
    (void)state;
    struct metric *counter = metric_counter("t_seen_total", NULL, "Things seen.");
    struct metric *gauge = metric_gauge("t_level", "side=\"left\"", "How high.");
    metric_add(counter, 2);
    metric_add(metric_counter("t_seen_total", NULL, "Things seen."), 1);
    metric_set(gauge, -5);
    assert_shown("# HELP t_seen_total Things seen.\n# TYPE t_seen_total counter\nt_seen_total 3\n");
    assert_shown("# TYPE t_level gauge\nt_level{side=\"left\"} -5\n");
}

static void samples_of_a_name_stand_together(void **state)
{
    (void)state;
    char labels[16] = "n=\"1\"";
    (void)metric_counter("t_apart_total", labels, "Together.");
    (void)metric_counter("t_between_total", NULL, "Between.");
    labels[3] = '2'; /* labels are copied */
    (void)metric_counter("t_apart_total", labels, "Together.");
    assert_shown("t_apart_total{n=\"1\"} 0\nt_apart_total{n=\"2\"} 0\n");
}

static void histogram_is_cumulative(void **state)
{
    (void)state;
    struct metric *histogram = metric_histogram("t_seconds", "r=\"a\"", "How long.");
    metric_observe_ns(histogram, 500000);     /* 0.5 ms: in the first, bounds included */
    metric_observe_ns(histogram, 500001);     /* in the second */
    metric_observe_ns(histogram, 3000000000); /* 3 s */
    metric_observe_ns(histogram, 60000000000);
    assert_shown("# TYPE t_seconds histogram\nt_seconds_bucket{r=\"a\",le=\"0.0005\"} 1\n"
                 "t_seconds_bucket{r=\"a\",le=\"0.001\"} 2\n");
    assert_shown("t_seconds_bucket{r=\"a\",le=\"2.5\"} 2\nt_seconds_bucket{r=\"a\",le=\"5\"} 3\n");
    assert_shown("t_seconds_bucket{r=\"a\",le=\"+Inf\"} 4\nt_seconds_sum{r=\"a\"} 63.001000001\n"
                 "t_seconds_count{r=\"a\"} 4\n");
}

static int64_t give(void *ctx)
{
    return *(int64_t *)ctx;
}

static void functions_are_asked_until_forgotten(void **state)
{
    (void)state;
    int64_t value = 7, other = 8;
    metric_gauge_fn("t_asked", "of=\"a\"", "Asked.", give, &value);
    metric_counter_fn("t_asked_total", NULL, "Asked.", give, &other);
    assert_shown("t_asked{of=\"a\"} 7\n");
    value = 9;
    assert_shown("t_asked{of=\"a\"} 9\n");
    metrics_forget(&value);
    assert_null(strstr(scrape(), "t_asked{"));
    assert_shown("t_asked_total 8\n");
    metric_gauge_fn("t_asked", "of=\"a\"", "Asked.", give, &other);
    assert_shown("t_asked{of=\"a\"} 8\n");
    metrics_forget(&other);
}

enum {
    THREADS = 4,
    ROUNDS = 20000
};

static void *count_up(void *ctx)
{
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(ctx, 1);
        if (i % 1000 == 0) {
            struct buf buf;
            buf_init(&buf, 1u << 20);
            metrics_write(&buf);
            buf_release(&buf);
        }
    }
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct metric *counter = metric_counter("t_racing_total", NULL, "Counted by many.");
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, counter), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_shown("t_racing_total 80000\n");
}

/* Last: it leaves no room. */
static void full_table_counts_nowhere(void **state)
{
    (void)state;
    char labels[32];
    for (int i = 0; i <= METRICS_MAX; i++) {
        (void)snprintf(labels, sizeof(labels), "n=\"%d\"", i);
        metric_add(metric_counter("t_many_total", labels, "Too many."), 1);
    }
    metric_observe_ns(metric_histogram("t_late_seconds", NULL, "Too late."), 1);
    assert_shown("t_many_total{n=\"0\"} 1\n");
    (void)snprintf(labels, sizeof(labels), "n=\"%d\"", METRICS_MAX);
    assert_null(strstr(scrape(), labels));
    assert_null(strstr(text, "t_late_seconds"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counter_and_gauge),
        cmocka_unit_test(samples_of_a_name_stand_together),
        cmocka_unit_test(histogram_is_cumulative),
        cmocka_unit_test(functions_are_asked_until_forgotten),
        cmocka_unit_test(nothing_is_lost_between_threads),
        cmocka_unit_test(full_table_counts_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
