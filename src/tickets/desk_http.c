/*
 * What an organizer sees while selling: the event's figures with the chart's points, cheap enough to
 * be asked for every two seconds, and its bookings with their buyers.
 *
 * Figures: sums that the sale itself writes (sale_sum.h) and the model's seat bytes; no ticket is
 * read. Bookings: newest first by the primary key, DESK_ROWS_MAX rows for a page at most: a page may
 * come short and still have a cursor. A search by email asks the platform's database for the
 * accounts first, and those for their few bookings.
 */
#include "app/identity.h"
#include "base/clock.h"
#include "tickets/booking_view.h"
#include "tickets/desk_store.h"
#include "tickets/event_call.h"
#include "tickets/sale_sum.h"
#include "tickets/ticket_view.h"

#define SALES_BYTES_MAX ((size_t)1 << 20)
#define LIST_BYTES_MAX  ((size_t)4 << 20)

/* --- Sales --- */

struct sales {
    struct sale_sum total;
    struct sale_sum *points;
    size_t count;
    int64_t held, blocked;
};

/* Every place is free, held, booked or blocked; tickets say how many are booked. */
static void count_places(const struct event_model *model, struct sales *sales)
{
    const struct layout *layout = model->layout;
    int64_t booked_seats = 0, areas_taken = 0;
    for (uint32_t i = 0; i < layout->seat_count; i++) {
        uint8_t state = atomic_load_explicit(&model->seats[i], memory_order_relaxed);
        sales->held += state == SEAT_HELD;
        sales->blocked += state == SEAT_BLOCKED;
        booked_seats += state == SEAT_BOOKED;
    }
    for (uint32_t i = 0; i < model->area_count; i++)
        areas_taken += (int64_t)model->areas[i].capacity - atomic_load(&model->area_available[i]);
    int64_t booked = sales->total.places - sales->total.returned;
    int64_t areas_booked = booked > booked_seats ? booked - booked_seats : 0;
    sales->held += areas_taken > areas_booked ? areas_taken - areas_booked : 0;
}

static void write_sum(struct json_writer *writer, const struct sale_sum *sum)
{
    json_put_i64(writer, "places", sum->places);
    json_put_i64(writer, "revenue", sum->revenue);
    json_put_i64(writer, "returned", sum->returned);
    json_put_i64(writer, "refunded", sum->refunded);
}

static enum err reply_sales(struct call *call, const struct event_model *model,
                            const struct sales *sales)
{
    struct buf *body = buf_new_in(call_arena(call), SALES_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_time(&writer, "at", clock_now_ms());
    json_put_i64(&writer, "held", sales->held);
    json_put_i64(&writer, "booked", sales->total.places - sales->total.returned);
    json_put_i64(&writer, "blocked", sales->blocked);
    json_put_i64(&writer, "available", atomic_load(&model->available));
    write_sum(&writer, &sales->total);
    json_put_str(&writer, "currency", str_from_c(model->event.currency));
    json_key(&writer, "points");
    json_open_array(&writer);
    for (size_t i = 0; i < sales->count; i++) {
        json_open_object(&writer);
        json_put_time(&writer, "from", sales->points[i].from_ms);
        write_sum(&writer, &sales->points[i]);
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

/* False: 422 was answered. */
static bool read_sales_query(struct call *call, struct sale_sum_query *query)
{
    struct str step = STR("minute");
    if (!call_query_str(call, "step", &step) || !call_query_time(call, "since", &query->since_ms))
        return false;
    bool is_hour = str_eq(step, STR("hour"));
    if (!is_hour && !str_eq(step, STR("minute"))) {
        problem_field(call, "step", "must be minute or hour");
        return false;
    }
    query->span_ms = is_hour ? SALE_SPAN_HOUR : SALE_SPAN_MINUTE;
    query->since_ms -= query->since_ms % query->span_ms; /* the span that it is in is told whole */
    return true;
}

static enum err sales_read(struct call *call, struct db *db)
{
    struct event_model *model;
    struct sales sales = {.count = 0};
    struct sale_sum_query query = {.limit = SALES_POINTS_MAX};
    enum err err;
    if (!event_call_own_model(call, db, &model, &err) || !read_sales_query(call, &query))
        return err;
    query.event_id = model->event.id;
    sales.points = ARENA_ARRAY(call_arena(call), struct sale_sum, SALES_POINTS_MAX);
    if (!sales.points)
        return ERR_NOMEM;
    err = sale_sum_total(db, model->event.id, &sales.total);
    if (!err)
        err = sale_sum_list(db, &query, sales.points, &sales.count);
    if (err)
        return err;
    count_places(model, &sales);
    return reply_sales(call, model, &sales);
}

/* --- Bookings --- */

struct desk_list {
    struct call *call;
    struct db *db;
    const struct event_model *model;
    int64_t state; /* 0: all */
    uint64_t before_id;
    size_t limit;
    uint64_t *ids; /* limit + 1, newest first */
    size_t count;
    uint64_t last_id; /* the oldest one that was looked at */
    bool has_more;
};

/* False: 422 was answered. */
static bool read_state(struct call *call, int64_t *ret_state)
{
    static const char *const names[] = {
        [BOOKING_HELD] = "held",           [BOOKING_PAYMENT_PENDING] = "payment_pending",
        [BOOKING_CONFIRMED] = "confirmed", [BOOKING_EXPIRED] = "expired",
        [BOOKING_CANCELLED] = "cancelled", [BOOKING_FAILED] = "failed",
    };
    struct str text = STR_NONE;
    *ret_state = 0;
    if (!call_query_str(call, "state", &text))
        return false;
    if (text.len == 0)
        return true;
    for (int64_t i = BOOKING_HELD; i <= BOOKING_FAILED; i++)
        if (str_eq(text, str_from_c(names[i])))
            *ret_state = i;
    if (*ret_state == 0)
        problem_field(call, "state",
                      "must be held, payment_pending, confirmed, expired, cancelled or failed");
    return *ret_state != 0;
}

/* All bookings of the event, in chunks, until the page is full or enough rows were looked at. */
static enum err list_all(struct desk_list *list)
{
    struct desk_row rows[DESK_ROWS_CHUNK];
    size_t seen = 0, count = DESK_ROWS_CHUNK;
    list->last_id = list->before_id;
    while (count == DESK_ROWS_CHUNK && list->count <= list->limit && seen < DESK_ROWS_MAX) {
        enum err err = desk_store_rows(list->db, list->model->event.id, list->last_id,
                                       DESK_ROWS_CHUNK, rows, &count);
        if (err)
            return err;
        for (size_t i = 0; i < count && list->count <= list->limit; i++) {
            if (list->state == 0 || rows[i].state == list->state)
                list->ids[list->count++] = rows[i].id;
            if (list->count <= list->limit)
                list->last_id = rows[i].id;
        }
        seen += count;
    }
    list->has_more = list->count > list->limit || count == DESK_ROWS_CHUNK;
    return ERR_OK;
}

/* Puts it where it belongs, newest first; the oldest falls off the end. */
static void insert_id(struct desk_list *list, uint64_t id)
{
    size_t at = list->count;
    if (at > list->limit) {
        if (id < list->ids[list->limit])
            return;
        at = list->limit;
    } else {
        list->count++;
    }
    for (; at > 0 && list->ids[at - 1] < id; at--)
        list->ids[at] = list->ids[at - 1];
    list->ids[at] = id;
}

static enum err list_of_accounts(struct desk_list *list, const uint64_t *accounts, size_t count)
{
    struct desk_row rows[LIST_LIMIT_MAX + 1];
    for (size_t i = 0; i < count; i++) {
        struct desk_of_account query = {.event_id = list->model->event.id,
                                        .account_id = accounts[i],
                                        .before_id = list->before_id,
                                        .state = list->state,
                                        .limit = (int64_t)list->limit + 1};
        size_t row_count = 0;
        enum err err = desk_store_of_account(list->db, &query, rows, &row_count);
        if (err)
            return err;
        for (size_t j = 0; j < row_count; j++)
            insert_id(list, rows[j].id);
    }
    list->has_more = list->count > list->limit;
    if (list->has_more)
        list->last_id = list->ids[list->limit - 1];
    return ERR_OK;
}

static enum err search_email(struct desk_list *list, struct str text)
{
    uint64_t accounts[DESK_ACCOUNTS_MAX + 1];
    size_t count = 0;
    if (text.len < DESK_SEARCH_MIN) {
        problem_field(list->call, "q",
                      "must be a booking's id or 3 characters of an email at least");
        return ERR_OK;
    }
    enum err err =
        identity_find_emails(list->call->platform, text, DESK_ACCOUNTS_MAX + 1, accounts, &count);
    if (err)
        return err;
    if (count > DESK_ACCOUNTS_MAX) {
        problem_field(list->call, "q", "more than 100 people's emails begin with it: write more");
        return ERR_OK;
    }
    return list_of_accounts(list, accounts, count);
}

static enum err search(struct desk_list *list, struct str text)
{
    uint64_t event_id, id;
    struct booking booking;
    if (id_parse2(text, "bkg", &event_id, &id) != ERR_OK)
        return search_email(list, text);
    if (event_id != list->model->event.id || id >= list->before_id)
        return ERR_OK;
    enum err err = booking_load(list->db, event_id, id, &booking);
    if (!err && (list->state == 0 || list->state == (int64_t)booking.state))
        list->ids[list->count++] = id;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void write_ticket(struct json_writer *writer, const struct event_model *model,
                         const struct ticket *ticket)
{
    struct ticket_place place;
    ticket_place_of(model, ticket, &place);
    json_open_object(writer);
    json_put_id2(writer, "id", "tkt", ticket->event_id, ticket->id);
    json_put_str(writer, "status", ticket_status(ticket));
    json_put_i64(writer, "price", ticket->price);
    json_key(writer, "seat");
    ticket_write_seat(writer, &place);
    json_key(writer, "area");
    ticket_write_area(writer, &place);
    json_close_object(writer);
}

/* Without their codes: those let in whoever has them. */
static enum err write_tickets(struct json_writer *writer, const struct desk_list *list,
                              const struct booking *booking)
{
    struct ticket tickets[BOOKING_PLACES_MAX];
    size_t count = 0;
    enum err err = ERR_OK;
    if (booking->state == BOOKING_CONFIRMED)
        err = ticket_list(list->db, booking->event_id, booking->id, tickets, &count);
    json_key(writer, "tickets");
    json_open_array(writer);
    for (size_t i = 0; !err && i < count; i++)
        write_ticket(writer, list->model, &tickets[i]);
    json_close_array(writer);
    return err;
}

static enum err write_buyer(struct json_writer *writer, const struct desk_list *list,
                            uint64_t account_id)
{
    struct str email = STR_NONE, name = STR_NONE;
    enum err err =
        identity_account(list->call->platform, account_id, call_arena(list->call), &email, &name);
    if (err && err != ERR_NOT_FOUND)
        return err;
    json_key(writer, "buyer");
    json_open_object(writer);
    json_put_str(writer, "name", name);
    if (email.len > 0)
        json_put_str(writer, "email", email);
    else
        json_put_null(writer, "email");
    json_close_object(writer);
    return ERR_OK;
}

static enum err write_item(struct json_writer *writer, const struct desk_list *list, uint64_t id)
{
    struct booking booking;
    struct booking_refunds refunds;
    uint64_t event_id = list->model->event.id;
    enum err err = booking_load(list->db, event_id, id, &booking);
    if (!err)
        err = booking_store_refunds(list->db, event_id, id, &refunds);
    if (err)
        return err;
    json_open_object(writer);
    json_put_id2(writer, "id", "bkg", event_id, id);
    json_put_str(writer, "status", str_from_c(booking_status(&booking, &refunds)));
    err = write_buyer(writer, list, booking.account_id);
    json_put_i64(writer, "places", booking.places);
    booking_write_places(writer, &booking, list->model);
    json_put_i64(writer, "amount", booking.amount);
    json_put_i64(writer, "refunded_amount", refunds.succeeded);
    json_put_str(writer, "currency", str_from_c(booking.currency));
    json_put_time(writer, "created_at", booking.created_at);
    if (!err)
        err = write_tickets(writer, list, &booking);
    json_close_object(writer);
    return err;
}

static enum err reply_list(struct desk_list *list)
{
    struct buf *body = buf_new_in(call_arena(list->call), LIST_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; i < list->count && i < list->limit; i++) {
        enum err err = write_item(&writer, list, list->ids[i]);
        if (err)
            return err;
    }
    list_close(&writer, list->has_more, list->has_more ? (int64_t)list->last_id : 0, 0);
    reply_json(list->call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err bookings_read(struct call *call, struct db *db)
{
    struct event_model *model;
    struct desk_list list = {.call = call, .db = db};
    struct list_page page;
    struct str text = STR_NONE;
    enum err err;
    if (!event_call_own_model(call, db, &model, &err) || !call_list_page(call, &page) ||
        !read_state(call, &list.state) || !call_query_str(call, "q", &text))
        return err;
    list.model = model;
    list.limit = (size_t)page.limit;
    list.before_id = page.has_cursor ? (uint64_t)page.a : INT64_MAX;
    list.ids = ARENA_ARRAY(call_arena(call), uint64_t, list.limit + 1);
    if (!list.ids)
        return ERR_NOMEM;
    text = str_trim(text);
    err = text.len > 0 ? search(&list, text) : list_all(&list);
    if (err || call_is_answered(call))
        return err;
    return reply_list(&list);
}

const struct route desk_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/events/{id}/sales",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = ORGANIZER_SCOPES,
     .read = sales_read,
     .summary = "An event's places and sales now, and by minute or hour",
     .tag = "reports",
     .response = "Sales",
     .success = 200,
     .problems = "404 422",
     .query = "since step",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/events/{id}/bookings",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = ORGANIZER_SCOPES,
     .read = bookings_read,
     .summary = "Bookings of an event with their buyers, newest first",
     .tag = "reports",
     .response = "EventBookingList",
     .success = 200,
     .problems = "404 422",
     .query = "state q limit cursor",
     .is_retry_safe = true},
};
const size_t desk_routes_count = sizeof(desk_routes) / sizeof(desk_routes[0]);
