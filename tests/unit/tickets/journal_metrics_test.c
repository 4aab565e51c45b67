/* Journal rows as counters: every kind from zero on, by its type, and nothing that was counted by a process before. */
#include <stdio.h>

#include "app/metrics.h"
#include "base/check.h"
#include "tickets/journal_metrics.h"

static struct journal_row row(const char *type, int64_t at_ms)
{
    return (struct journal_row){.type = str_from_c(type), .at_ms = at_ms};
}

/* The counter's value as it is shown; -1: there is none. */
static long long shown(const char *type)
{
    char name[96];
    struct buf buf;
    long long value = -1;
    buf_init(&buf, 1u << 20);
    metrics_write(&buf);
    buf_append_str(&buf, str_from("", 1)); /* strstr wants an end */
    (void)snprintf(name, sizeof(name), "foyer_journal_rows_total{type=\"%s\"} ", type);
    const char *at = strstr(buf.data, name);
    if (at)
        assert_int_equal(sscanf(at + strlen(name), "%lld", &value), 1);
    buf_release(&buf);
    return value;
}

static void rows_are_counted_by_type(void **state)
{
    (void)state;
    journal_metrics_register();
    assert_int_equal(shown("refund.failed"), 0);
    const struct journal_row rows[] = {
        row("booking.held", 100),  row("payment.succeeded", 100), row("booking.held", 101),
        row("event.created", 101), row("refund.failed", 102),
    };
    journal_metrics_count(rows, 5, 100);
    assert_int_equal(shown("booking.held"), 2);
    assert_int_equal(shown("payment.succeeded"), 1);
    assert_int_equal(shown("refund.failed"), 1);
    assert_int_equal(shown("booking.confirmed"), 0);
    assert_int_equal(shown("event.created"), -1);
}

static void rows_of_an_earlier_process_are_not_counted_again(void **state)
{
    (void)state;
    journal_metrics_register();
    long long before = shown("ticket.used");
    const struct journal_row rows[] = {row("ticket.used", 99), row("ticket.used", 100)};
    journal_metrics_count(rows, 2, 100);
    assert_int_equal(shown("ticket.used"), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_counted_by_type),
        cmocka_unit_test(rows_of_an_earlier_process_are_not_counted_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
