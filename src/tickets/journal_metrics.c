/*
 * Sales as figures, counted from the journal by a consumer that reads it anyway. So the writer does
 * nothing for it, what was rolled back is never counted, and a new kind of row needs a line in one
 * table. The figures lag behind the sale by as much as the consumer does.
 */
#include "tickets/journal_metrics.h"

#include <stdio.h>

#include "app/metrics.h"

#define LABELS_SIZE 64

static struct {
    struct str type;
    struct metric *counter;
} kinds[] = {
    {.type = STR("booking.held")},      {.type = STR("booking.payment_pending")},
    {.type = STR("booking.confirmed")}, {.type = STR("booking.expired")},
    {.type = STR("booking.cancelled")}, {.type = STR("booking.failed")},
    {.type = STR("booking.extended")},  {.type = STR("booking.confirmation_failed")},
    {.type = STR("payment.created")},   {.type = STR("payment.succeeded")},
    {.type = STR("payment.failed")},    {.type = STR("payment.mismatch")},
    {.type = STR("refund.requested")},  {.type = STR("refund.succeeded")},
    {.type = STR("refund.failed")},     {.type = STR("ticket.used")},
    {.type = STR("tickets.revoked")},   {.type = STR("ticket.scanned")},
};
static const size_t kind_count = sizeof(kinds) / sizeof(kinds[0]);

void journal_metrics_register(void)
{
    for (size_t i = 0; i < kind_count; i++) {
        char labels[LABELS_SIZE];
        (void)snprintf(labels, sizeof(labels), "type=\"%.*s\"",
                       STR_ARG(kinds[i].type)); /* all of them fit */
        kinds[i].counter = metric_counter("foyer_journal_rows_total", labels,
                                          "What happened, by type of journal row.");
    }
}

void journal_metrics_count(const struct journal_row *rows, size_t count, int64_t since_ms)
{
    int64_t counts[sizeof(kinds) / sizeof(kinds[0])] = {0};
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; rows[i].at_ms >= since_ms && k < kind_count; k++) {
            if (str_eq(rows[i].type, kinds[k].type)) {
                counts[k]++;
                break;
            }
        }
    }
    for (size_t k = 0; k < kind_count; k++) {
        if (counts[k] > 0)
            metric_add(kinds[k].counter, counts[k]);
    }
}
