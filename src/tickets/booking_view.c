/*
 * Bookings as the API shows them. A confirmed booking's row never changes again, so its refund
 * states are derived from the refund rows: those that were asked for after confirmation count; a
 * surplus capture that was given back does not make a paid booking look refunded. A booking that
 * ended without a sale shows any refund it has.
 */
#include "tickets/booking_view.h"

#include <stdio.h>

static const char *refund_status(int64_t pending, int64_t succeeded, int64_t amount)
{
    if (pending > 0)
        return "refund_pending";
    if (succeeded > 0)
        return succeeded >= amount ? "refunded" : "partially_refunded";
    return NULL;
}

const char *booking_status(const struct booking *booking, const struct booking_refunds *refunds)
{
    static const char *const names[] = {
        [BOOKING_HELD] = "held",           [BOOKING_PAYMENT_PENDING] = "payment_pending",
        [BOOKING_CONFIRMED] = "confirmed", [BOOKING_EXPIRED] = "expired",
        [BOOKING_CANCELLED] = "cancelled", [BOOKING_FAILED] = "failed",
    };
    const char *derived = NULL;
    if (refunds && booking->state == BOOKING_CONFIRMED)
        derived = refund_status(refunds->requested_pending, refunds->requested_succeeded,
                                booking->amount);
    else if (refunds && booking->ended_at) /* all that came, be it less than was asked for */
        derived = refund_status(refunds->pending, refunds->succeeded, 0);
    return derived ? derived : names[booking->state];
}

static void write_seat(struct json_writer *writer, const struct layout *layout,
                       const struct booking_seat *booked)
{
    const struct layout_seat *seat = &layout->seats[booked->seat_no];
    struct str section = layout->sections[seat->section_no].name;
    json_open_object(writer);
    json_put_str(writer, "id", seat->guid);
    json_key(writer, "label");
    char label[3 * 100 + 8];
    int len = snprintf(label, sizeof(label), "%.*s, %.*s-%.*s", STR_ARG(section),
                       STR_ARG(seat->row), STR_ARG(seat->number));
    json_str(writer, str_from(label, len < (int)sizeof(label) ? (size_t)len : sizeof(label) - 1));
    json_put_str(writer, "section", section);
    json_put_str(writer, "row", seat->row);
    json_put_str(writer, "number", seat->number);
    json_put_str(writer, "category", layout->categories[seat->category_no].name);
    json_put_i64(writer, "price", booked->price);
    json_close_object(writer);
}

static void write_area(struct json_writer *writer, const struct event_model *model,
                       const struct booking_area *booked)
{
    int index = event_model_area_index(model, booked->area_no);
    json_open_object(writer);
    if (index >= 0) {
        json_put_str(writer, "area_id", model->areas[index].guid);
        json_put_str(writer, "name", model->areas[index].name);
        json_put_str(writer, "category",
                     model->layout->categories[model->areas[index].category_no].name);
    }
    json_put_i64(writer, "quantity", booked->quantity);
    json_put_i64(writer, "price", booked->price);
    json_close_object(writer);
}

static void write_payment(struct json_writer *writer, const struct payment *payment)
{
    static const char *const names[] = {
        [PAYMENT_CREATING] = "creating",   [PAYMENT_OPEN] = "open",
        [PAYMENT_SUCCEEDED] = "succeeded", [PAYMENT_FAILED] = "failed",
        [PAYMENT_CLOSED] = "closed",
    };
    json_key(writer, "payment");
    if (!payment) {
        json_null(writer);
        return;
    }
    json_open_object(writer);
    json_put_id2(writer, "id", "pay", payment->event_id, payment->id);
    json_put_str(writer, "status", str_from_c(names[payment->state]));
    if (payment->url.len && payment->state == PAYMENT_OPEN)
        json_put_str(writer, "url", payment->url);
    else
        json_put_null(writer, "url");
    json_close_object(writer);
}

static void write_event(struct json_writer *writer, const struct event_model *model)
{
    json_key(writer, "event");
    json_open_object(writer);
    json_put_id(writer, "id", "evt", model->event.id);
    json_put_str(writer, "name", model->event.name);
    json_put_time(writer, "starts_at", model->event.starts_at);
    json_key(writer, "venue");
    json_open_object(writer);
    json_put_str(writer, "name", model->venue_name);
    json_put_str(writer, "city", model->venue_city);
    json_put_str(writer, "country", model->venue_country);
    json_close_object(writer);
    json_close_object(writer);
}

void booking_write_places(struct json_writer *writer, const struct booking *booking,
                          const struct event_model *model)
{
    json_key(writer, "seats");
    json_open_array(writer);
    for (size_t i = 0; i < booking->seat_count; i++)
        write_seat(writer, model->layout, &booking->seats[i]);
    json_close_array(writer);
    json_key(writer, "areas");
    json_open_array(writer);
    for (size_t i = 0; i < booking->area_count; i++)
        write_area(writer, model, &booking->areas[i]);
    json_close_array(writer);
}

void booking_write(struct json_writer *writer, const struct booking_view *view)
{
    const struct booking *booking = view->booking;
    json_open_object(writer);
    json_put_id2(writer, "id", "bkg", booking->event_id, booking->id);
    json_put_id(writer, "event_id", "evt", booking->event_id);
    json_put_str(writer, "status", str_from_c(booking_status(booking, view->refunds)));
    booking_write_places(writer, booking, view->model);
    json_put_i64(writer, "amount", booking->amount);
    json_put_i64(writer, "refunded_amount", view->refunds ? view->refunds->succeeded : 0);
    json_put_str(writer, "currency", str_from_c(booking->currency));
    json_put_time(writer, "created_at", booking->created_at);
    json_put_time(writer, "expires_at", booking->expires_at);
    write_payment(writer, view->payment);
    write_event(writer, view->model);
    json_close_object(writer);
}

enum err booking_write_full(struct json_writer *writer, struct db *db, struct arena *arena,
                            const struct booking *booking, const struct event_model *model)
{
    struct payment payment;
    struct booking_refunds refunds;
    bool has_payment = false;
    if (booking->state != BOOKING_HELD) {
        enum err err = payment_load_by_booking(db, booking->event_id, booking->id, arena, &payment);
        if (err && err != ERR_NOT_FOUND)
            return err;
        has_payment = !err;
    }
    if (has_payment) {
        enum err err = booking_store_refunds(db, booking->event_id, booking->id, &refunds);
        if (err)
            return err;
    }
    struct booking_view view = {booking, model, has_payment ? &payment : NULL,
                                has_payment ? &refunds : NULL};
    booking_write(writer, &view);
    return ERR_OK;
}
