/*
 * Tickets over HTTP: the list of a booking, and each one as QR and PDF. The owner sees them,
 * support and administrators too; for everybody else there is no such thing.
 *
 * A revoked ticket is still listed, but gives no code any more that somebody could print.
 */
#include <stdio.h>

#include "base/qr.h"
#include "tickets/event_call.h"
#include "tickets/pdf.h"
#include "tickets/ticket_store.h"
#include "tickets/ticket_view.h"

#define LIST_BYTES_MAX   (64u << 10)
#define QR_BYTES_MAX     (256u << 10)
#define QR_MODULE_PIXELS 10

static bool is_visible(const struct call *call, const struct booking *booking)
{
    return booking->account_id == call->caller->account_id ||
           (call->caller->scopes & (SCOPE_SUPPORT | SCOPE_ADMIN));
}

/* False: 404 was answered or *ret_err is set. */
static bool find_booking(struct call *call, struct db *db, uint64_t event_id, uint64_t booking_id,
                         struct booking *ret_booking, enum err *ret_err)
{
    enum err err = booking_load(db, event_id, booking_id, ret_booking);
    *ret_err = err == ERR_NOT_FOUND ? ERR_OK : err;
    if (!err && is_visible(call, ret_booking))
        return true;
    if (!*ret_err)
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
    return false;
}

/* --- The list --- */

static enum err write_list(struct call *call, struct db *db, const struct booking *booking)
{
    struct ticket tickets[BOOKING_PLACES_MAX];
    size_t count;
    struct event_model *model;
    struct buf *body = buf_new_in(call_arena(call), LIST_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    enum err err = ticket_list(db, booking->event_id, booking->id, tickets, &count);
    if (!err)
        err = event_call_find(call, db, booking->event_id, &model);
    if (err)
        return err;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; i < count; i++)
        ticket_write(&writer, event_call_tickets(call), model, &tickets[i]);
    json_close_array(&writer);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

static enum err tickets_read(struct call *call, struct db *db)
{
    uint64_t event_id, booking_id;
    struct booking booking;
    enum err err;
    if (!call_param_id2(call, "id", "bkg", &event_id, &booking_id))
        return ERR_OK;
    if (!find_booking(call, db, event_id, booking_id, &booking, &err))
        return err;
    return write_list(call, db, &booking);
}

/* --- One ticket --- */

/* The ticket of the path, with its booking; a revoked one is 410. False: answered or *ret_err. */
static bool find_ticket(struct call *call, struct db *db, struct ticket *ret_ticket,
                        struct booking *ret_booking, enum err *ret_err)
{
    uint64_t event_id, ticket_id;
    *ret_err = ERR_OK;
    if (!call_param_id2(call, "id", "tkt", &event_id, &ticket_id))
        return false;
    enum err err = ticket_store_load(db, event_id, ticket_id, ret_ticket);
    if (err == ERR_NOT_FOUND) {
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
        return false;
    }
    *ret_err = err;
    if (err || !find_booking(call, db, event_id, ret_ticket->booking_id, ret_booking, ret_err))
        return false;
    if (ret_ticket->is_revoked)
        problem_reply(call, PROBLEM_REVOKED, "This ticket was given back.");
    return !ret_ticket->is_revoked;
}

/* The QR of the path's ticket; NULL: answered or *ret_err is set. */
static const struct qr *find_qr(struct call *call, struct db *db, struct ticket *ret_ticket,
                                enum err *ret_err)
{
    struct booking booking;
    char code[TICKET_CODE_SIZE];
    if (!find_ticket(call, db, ret_ticket, &booking, ret_err))
        return NULL;
    struct qr *qr = ARENA_NEW(call_arena(call), struct qr);
    *ret_err =
        qr ? qr_encode(ticket_code_of(event_call_tickets(call), ret_ticket, code), qr) : ERR_NOMEM;
    return *ret_err ? NULL : qr;
}

static void reply_file(struct call *call, struct str content_type, const struct buf *body)
{
    call->req->res.status = 200;
    call->req->res.content_type = content_type;
    call->req->res.body = buf_str(body);
}

static enum err ticket_svg_read(struct call *call, struct db *db)
{
    struct ticket ticket;
    enum err err;
    const struct qr *qr = find_qr(call, db, &ticket, &err);
    if (!qr)
        return err;
    struct buf *body = buf_new_in(call_arena(call), QR_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    char id[ID_TEXT_SIZE];
    struct str id_text = id_format2(id, "tkt", ticket.event_id, ticket.id);
    qr_write_svg(qr, id_text, body);
    reply_file(call, STR("image/svg+xml"), body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err ticket_png_read(struct call *call, struct db *db)
{
    struct ticket ticket;
    enum err err;
    const struct qr *qr = find_qr(call, db, &ticket, &err);
    if (!qr)
        return err;
    struct buf *body = buf_new_in(call_arena(call), QR_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    err = qr_write_png(qr, QR_MODULE_PIXELS, body);
    if (!err)
        reply_file(call, STR("image/png"), body);
    return err;
}

/* --- PDF --- */

/* Who bought them; an account that is gone leaves the line empty. */
static enum err find_holder(struct call *call, uint64_t account_id, struct str *ret_name)
{
    struct str email;
    enum err err = identity_account(call->platform, account_id, call_arena(call), &email, ret_name);
    if (err == ERR_NOT_FOUND)
        *ret_name = STR_NONE;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err reply_pdf(struct call *call, struct db *db, const struct booking *booking,
                          const struct ticket *tickets, size_t count, struct str name)
{
    struct event_model *model;
    struct buf *body = buf_new_in(call_arena(call), PDF_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    struct ticket_sheets sheets = {.service = event_call_tickets(call),
                                   .tickets = tickets,
                                   .count = count,
                                   .currency = str_from_c(booking->currency)};
    enum err err = event_call_find(call, db, booking->event_id, &model);
    if (!err)
        err = find_holder(call, booking->account_id, &sheets.holder);
    if (err)
        return err;
    sheets.model = model;
    err = ticket_write_pdf(&sheets, call_arena(call), body);
    if (err)
        return err;
    response_header(
        call->req, "content-disposition",
        arena_printf(call_arena(call), "attachment; filename=\"%.*s.pdf\"", STR_ARG(name)));
    reply_file(call, STR("application/pdf"), body);
    return ERR_OK;
}

static enum err ticket_pdf_read(struct call *call, struct db *db)
{
    struct ticket ticket;
    struct booking booking;
    enum err err;
    if (!find_ticket(call, db, &ticket, &booking, &err))
        return err;
    char id[ID_TEXT_SIZE];
    struct str name = id_format2(id, "tkt", ticket.event_id, ticket.id);
    return reply_pdf(call, db, &booking, &ticket, 1, name);
}

static enum err booking_pdf_read(struct call *call, struct db *db)
{
    uint64_t event_id, booking_id;
    struct booking booking;
    struct ticket tickets[BOOKING_PLACES_MAX];
    size_t all, count = 0;
    enum err err;
    if (!call_param_id2(call, "id", "bkg", &event_id, &booking_id))
        return ERR_OK;
    if (!find_booking(call, db, event_id, booking_id, &booking, &err))
        return err;
    err = ticket_list(db, event_id, booking_id, tickets, &all);
    if (err)
        return err;
    for (size_t i = 0; i < all; i++)
        if (!tickets[i].is_revoked)
            tickets[count++] = tickets[i];
    if (count == 0) {
        problem_reply(call, PROBLEM_NOT_FOUND, "This booking has no valid tickets.");
        return ERR_OK;
    }
    char id[ID_TEXT_SIZE];
    struct str name = id_format2(id, "bkg", event_id, booking_id);
    return reply_pdf(call, db, &booking, tickets, count, name);
}

const struct route ticket_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/bookings/{id}/tickets",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = tickets_read,
     .summary = "Tickets of a booking; none before it is confirmed",
     .tag = "tickets",
     .response = "TicketList",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/bookings/{id}/tickets.pdf",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .pool = POOL_SLOW,
     .read = booking_pdf_read,
     .summary = "All valid tickets of a booking as a PDF, a page each",
     .tag = "tickets",
     .media = "application/pdf",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/tickets/{id}/qr.svg",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = ticket_svg_read,
     .summary = "A ticket's code as a QR picture (SVG)",
     .tag = "tickets",
     .media = "image/svg+xml",
     .success = 200,
     .problems = "404 410",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/tickets/{id}/qr.png",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = ticket_png_read,
     .summary = "A ticket's code as a QR picture (PNG)",
     .tag = "tickets",
     .media = "image/png",
     .success = 200,
     .problems = "404 410",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/tickets/{id}/ticket.pdf",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .pool = POOL_SLOW,
     .read = ticket_pdf_read,
     .summary = "A ticket to print (PDF)",
     .tag = "tickets",
     .media = "application/pdf",
     .success = 200,
     .problems = "404 410",
     .is_retry_safe = true},
};
const size_t ticket_routes_count = sizeof(ticket_routes) / sizeof(ticket_routes[0]);
