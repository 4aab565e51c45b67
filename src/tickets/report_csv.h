/* CSV (RFC 4180): CRLF, every field in quotes, and no field that a spreadsheet takes for a formula.
 */
#ifndef TICKETS_REPORT_CSV_H
#define TICKETS_REPORT_CSV_H

#include "base/buf.h"
#include "tickets/booking_store.h"

struct csv {
    struct buf *buf;
    bool has_field; /* in this line */
};

void csv_text(struct csv *csv, struct str value);
/* Plain, so that it stays a number. */
void csv_number(struct csv *csv, int64_t value);
void csv_end_line(struct csv *csv);

void report_csv_head(struct csv *csv);
struct report_csv_row {
    const struct booking *booking;
    const struct booking_refunds *refunds;
    const struct event_model *model;
    struct str email, name;
};
void report_csv_line(struct csv *csv, const struct report_csv_row *row);

#endif
