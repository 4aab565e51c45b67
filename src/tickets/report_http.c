/*
 * Reports over HTTP, for the organizer of the event alone: figures as JSON, bookings as CSV.
 *
 * The CSV is written in chunks of CSV_ROWS_CHUNK rows and ends after CSV_ROWS_MAX; then the headers
 * foyer-truncated and foyer-next-cursor say so and where to go on.
 */
#include "tickets/event_call.h"
#include "tickets/report.h"
#include "tickets/report_csv.h"

#define REPORT_BYTES_MAX (4u << 20)
#define CSV_BYTES_MAX    (64u << 20)

/* --- Figures --- */

static void write_counts(struct json_writer *writer, const struct report_category *counts)
{
    json_put_i64(writer, "held", counts->held);
    json_put_i64(writer, "booked", counts->booked);
    json_put_i64(writer, "blocked", counts->blocked);
    json_put_i64(writer, "available", counts->available);
    json_put_i64(writer, "revenue", counts->revenue);
}

static void write_categories(struct json_writer *writer, const struct event_model *model,
                             const struct report *report)
{
    json_key(writer, "by_category");
    json_open_array(writer);
    for (uint32_t i = 0; i < model->layout->category_count; i++) {
        json_open_object(writer);
        json_put_str(writer, "category", model->layout->categories[i].name);
        write_counts(writer, &report->categories[i]);
        json_close_object(writer);
    }
    json_close_array(writer);
}

static void write_hours(struct json_writer *writer, const struct report *report)
{
    json_key(writer, "by_hour");
    json_open_array(writer);
    for (size_t i = 0; i < report->hour_count; i++) {
        const struct report_hour *hour = &report->hours[i];
        json_open_object(writer);
        json_put_time(writer, "hour", hour->from_ms);
        json_put_i64(writer, "bookings", hour->bookings);
        json_put_i64(writer, "places", hour->places);
        json_put_i64(writer, "revenue", hour->revenue);
        json_close_object(writer);
    }
    json_close_array(writer);
}

static enum err report_read(struct call *call, struct db *db)
{
    struct event_model *model;
    enum err err;
    if (!event_call_own_model(call, db, &model, &err))
        return err;
    struct report *report = ARENA_NEW(call_arena(call), struct report);
    struct buf *body = buf_new_in(call_arena(call), REPORT_BYTES_MAX);
    if (!report || !body)
        return ERR_NOMEM;
    err = report_make(db, model, call_arena(call), report);
    if (err)
        return err;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    write_counts(&writer, &report->total);
    json_put_i64(&writer, "refunded", report->refunded);
    json_put_str(&writer, "currency", str_from_c(model->event.currency));
    write_categories(&writer, model, report);
    write_hours(&writer, report);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

/* --- CSV --- */

struct export
{
    struct call *call;
    struct db *db;
    const struct event_model *model;
    struct csv csv;
    uint64_t after_id;
    size_t rows;
};

static enum err export_booking(struct export *export, uint64_t booking_id)
{
    struct booking booking;
    struct booking_refunds refunds;
    struct report_csv_row row = {.booking = &booking, .refunds = &refunds, .model = export->model};
    struct arena names; /* of one row: thousands would fill the request's */
    uint64_t event_id = export->model->event.id;
    enum err err = booking_load(export->db, event_id, booking_id, &booking);
    if (!err)
        err = booking_store_refunds(export->db, event_id, booking_id, &refunds);
    if (err)
        return err;
    arena_init(&names, 16u << 10);
    err =
        identity_account(export->call->platform, booking.account_id, &names, &row.email, &row.name);
    if (!err || err == ERR_NOT_FOUND) {
        report_csv_line(&export->csv, &row);
        err = export->csv.buf->overflow ? ERR_NOMEM : ERR_OK;
    }
    arena_release(&names);
    return err;
}

/* ret_has_more: the file is full and bookings are left. */
static enum err export_bookings(struct export *export, bool *ret_has_more)
{
    uint64_t ids[CSV_ROWS_CHUNK];
    size_t count = CSV_ROWS_CHUNK;
    *ret_has_more = false;
    while (count == CSV_ROWS_CHUNK) {
        enum err err = report_store_bookings(export->db, export->model->event.id, export->after_id,
                                             CSV_ROWS_CHUNK, ids, &count);
        for (size_t i = 0; !err && i < count; i++) {
            if (export->rows == CSV_ROWS_MAX) {
                *ret_has_more = true;
                return ERR_OK;
            }
            err = export_booking(export, ids[i]);
            export->after_id = ids[i];
            export->rows++;
        }
        if (err)
            return err;
    }
    return ERR_OK;
}

/* False: 422 was answered. */
static bool read_cursor(struct call *call, uint64_t event_id, uint64_t *ret_after_id)
{
    struct str text = STR_NONE;
    uint64_t shard, id;
    if (!call_query_str(call, "cursor", &text))
        return false;
    if (!text.data)
        return true;
    if (id_parse2(text, "bkg", &shard, &id) != ERR_OK || shard != event_id) {
        problem_field(call, "cursor", "is not the id of a booking of this event");
        return false;
    }
    *ret_after_id = id;
    return true;
}

static void set_csv_headers(struct export *export, bool has_more)
{
    struct request *req = export->call->req;
    char id[ID_TEXT_SIZE];
    struct str event = id_format(id, "evt", export->model->event.id);
    response_header(
        req, "content-disposition",
        arena_printf(&req->arena, "attachment; filename=\"bookings-%.*s.csv\"", STR_ARG(event)));
    if (!has_more)
        return;
    struct str last = id_format2(id, "bkg", export->model->event.id, export->after_id);
    response_header(req, "foyer-truncated", STR("true"));
    response_header(req, "foyer-next-cursor", arena_str_dup(&req->arena, last));
}

static enum err csv_read(struct call *call, struct db *db)
{
    struct event_model *model;
    struct export export = {.call = call, .db = db};
    bool has_more;
    enum err err;
    if (!event_call_own_model(call, db, &model, &err) ||
        !read_cursor(call, model->event.id, &export.after_id))
        return err;
    export.model = model;
    export.csv.buf = buf_new_in(call_arena(call), CSV_BYTES_MAX);
    if (!export.csv.buf)
        return ERR_NOMEM;
    report_csv_head(&export.csv);
    err = export_bookings(&export, &has_more);
    if (err)
        return err;
    set_csv_headers(&export, has_more);
    call->req->res.status = 200;
    call->req->res.content_type = STR("text/csv; charset=utf-8; header=present");
    call->req->res.body = buf_str(export.csv.buf);
    return ERR_OK;
}

const struct route report_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/events/{id}/report",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = ORGANIZER_SCOPES,
     .read = report_read,
     .summary = "Sales of an event in figures, live",
     .tag = "reports",
     .response = "Report",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/events/{id}/bookings.csv",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = ORGANIZER_SCOPES,
     .pool = POOL_SLOW,
     .read = csv_read,
     .summary = "Confirmed bookings of an event as CSV",
     .tag = "reports",
     .media = "text/csv",
     .success = 200,
     .problems = "404 422",
     .query = "cursor",
     .is_retry_safe = true},
};
const size_t report_routes_count = sizeof(report_routes) / sizeof(report_routes[0]);
