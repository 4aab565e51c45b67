/* Tickets as people and scanners see them: names of the place, code, JSON, and the PDF. */
#ifndef TICKETS_TICKET_VIEW_H
#define TICKETS_TICKET_VIEW_H

#include "tickets/ticket.h"
#include "tickets/ticket_code.h"
#include "tickets/tickets.h"

/* Of a seat: section, row, number and guid; of an area: area and its guid. Borrowed from the model.
 */
struct ticket_place {
    struct str guid, section, row, number, area, category;
};

void ticket_place_of(const struct event_model *model, const struct ticket *ticket,
                     struct ticket_place *ret_place);
/* "valid", "used" or "revoked". */
struct str ticket_status(const struct ticket *ticket);
/* Signed with the service's key; empty when out of memory. */
struct str ticket_code_of(const struct tickets *tickets, const struct ticket *ticket,
                          char ret_text[static TICKET_CODE_SIZE]);
/* {id,label,section,row,number}, or null for an area place. */
void ticket_write_seat(struct json_writer *writer, const struct ticket_place *place);
/* The area's name and id, or null for a seat. */
void ticket_write_area(struct json_writer *writer, const struct ticket_place *place);
/* The ticket object; code included. */
void ticket_write(struct json_writer *writer, const struct tickets *tickets,
                  const struct event_model *model, const struct ticket *ticket);

/* "Friday, 15 January 2027, 20:00 UTC" */
#define EVENT_WHEN_SIZE 48
struct str event_when(int64_t starts_at, char ret_text[static EVENT_WHEN_SIZE]);
/* "Berlin, DE" */
struct str event_address(const struct event_model *model, struct arena *arena);

/* One page each. holder: the name on them, may be empty. Appends to buf; see pdf.h for errors,
 * which are logged. */
struct ticket_sheets {
    const struct tickets *service;
    const struct event_model *model;
    const struct ticket *tickets;
    size_t count;
    struct str holder;
    struct str currency;
};
ERR_MUST_USE enum err ticket_write_pdf(const struct ticket_sheets *sheets, struct arena *arena,
                                       struct buf *buf);

#endif
