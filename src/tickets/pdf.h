/* Tickets as a PDF, a page each, by libharu (included in pdf.c only). */
#ifndef TICKETS_PDF_H
#define TICKETS_PDF_H

#include "base/buf.h"

#define PDF_BYTES_MAX (4u << 20)

/* What stands on a page, ready to read: UTF-8, borrowed. Empty ones are left out. */
struct pdf_ticket {
    struct str event, when, venue, address;
    struct str section, row, number; /* of a seat */
    struct str area;                 /* instead of them */
    struct str category, price, holder, booking_id, ticket_id;
    struct str code; /* what the QR says */
};

/*
 * Appends the document to buf. ERR_NOMEM, ERR_INVALID: the code fits no QR; ERR_IO: the library
 * failed, ret_message (may be NULL) says how. The same tickets give the same bytes. Takes some ten
 * milliseconds: slow pool and workers. Any thread.
 */
ERR_MUST_USE enum err pdf_write_tickets(const struct pdf_ticket *tickets, size_t count,
                                        struct buf *buf, char ret_message[64]);

#endif
