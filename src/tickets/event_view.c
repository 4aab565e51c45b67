/* One writer for the event document, so that every route, the journal and the index agree on it. */
#include "tickets/event_view.h"

#include <stdatomic.h>

const char *event_status_name(enum event_status status)
{
    static const char *const names[] = {
        [EVENT_DRAFT] = "draft", [EVENT_PUBLISHED] = "published", [EVENT_CANCELLED] = "cancelled"};
    return names[status];
}

static void write_price_range(struct json_writer *writer, bool has_price, int64_t min, int64_t max)
{
    json_key(writer, "price_range");
    if (!has_price) {
        json_null(writer);
        return;
    }
    json_open_object(writer);
    json_put_i64(writer, "min", min);
    json_put_i64(writer, "max", max);
    json_close_object(writer);
}

static void write_prices(struct json_writer *writer, const struct event_view *view)
{
    bool has_price = false;
    int64_t min = 0, max = 0;
    for (uint32_t i = 0; i < view->category_count; i++) {
        int64_t price = view->prices[i];
        if (price == PRICE_NONE)
            continue;
        min = !has_price || price < min ? price : min;
        max = !has_price || price > max ? price : max;
        has_price = true;
    }
    write_price_range(writer, has_price, min, max);
    json_key(writer, "prices");
    json_open_object(writer);
    for (uint32_t i = 0; i < view->category_count; i++) {
        if (view->prices[i] != PRICE_NONE) /* names come from arenas, which end them with a NUL */
            json_put_i64(writer, view->categories[i].name.data, view->prices[i]);
    }
    json_close_object(writer);
}

static const char *const challenge_rules[] = {
    [CHALLENGE_OFF] = "off", [CHALLENGE_AUTO] = "auto", [CHALLENGE_ON] = "on"};

static void write_abuse(struct json_writer *writer, const struct abuse_settings *abuse)
{
    json_key(writer, "abuse");
    json_open_object(writer);
    json_put_i64(writer, "per_device", abuse->per_device);
    json_put_i64(writer, "per_card", abuse->per_card);
    json_put_i64(writer, "per_network", abuse->per_network);
    json_put_i64(writer, "open_holds", abuse->open_holds);
    json_put_str(writer, "challenge", str_from_c(challenge_rules[abuse->challenge]));
    json_close_object(writer);
}

static void write_rules(struct json_writer *writer, const struct event *event)
{
    json_key(writer, "limits");
    json_open_object(writer);
    json_put_i64(writer, "per_booking", event->per_booking);
    json_put_i64(writer, "per_account", event->per_account);
    json_close_object(writer);
    write_abuse(writer, &event->abuse);
    json_put_i64(writer, "hold_ttl_s", event->hold_ttl_s);
    json_put_str(writer, "waiting_room", event->waiting_room);
    queue_settings_write(writer, &event->queue);
    json_put_str(writer, "late_payment",
                 event->late_payment == LATE_PAYMENT_REFUND ? STR("refund") : STR("reclaim"));
    json_put_i64(writer, "refund_until_s", event->refund_until_s);
    json_put_bool(writer, "buyer_chat", event->has_buyer_chat);
    json_put_bool(writer, "orphan_rule", event->has_orphan_rule);
}

static void write_availability(struct json_writer *writer, const struct event_view *view)
{
    json_key(writer, "availability");
    json_open_object(writer);
    json_put_i64(writer, "available", view->available);
    json_put_i64(writer, "total", view->total);
    json_close_object(writer);
}

static void write_common(struct json_writer *writer, const struct event *event,
                         const struct venue *venue)
{
    json_put_str(writer, "category", event->category);
    json_key(writer, "venue");
    venue_write_brief(writer, venue);
    json_put_time(writer, "starts_at", event->starts_at);
    json_put_time(writer, "onsale_at", event->onsale_at);
    json_put_str(writer, "status", str_from_c(event_status_name(event->status)));
    json_put_str(writer, "currency", str_from_c(event->currency));
}

void event_write(struct json_writer *writer, const struct event_view *view)
{
    const struct event *event = view->event;
    json_open_object(writer);
    json_put_id(writer, "id", "evt", event->id);
    json_put_str(writer, "name", event->name);
    json_put_str(writer, "description", event->description);
    write_common(writer, event, &view->venue);
    write_prices(writer, view);
    write_rules(writer, event);
    if (view->has_availability)
        write_availability(writer, view);
    if (view->seatmap_version)
        json_put_str(writer, "seatmap_version", str_from_c(view->seatmap_version));
    json_put_time(writer, "created_at", event->created_at);
    json_put_time(writer, "updated_at", event->updated_at);
    json_close_object(writer);
}

void event_write_summary(struct json_writer *writer, const struct event_row *row)
{
    json_open_object(writer);
    json_put_id(writer, "id", "evt", row->event.id);
    json_put_str(writer, "name", row->event.name);
    write_common(writer, &row->event, &row->venue);
    write_price_range(writer, row->has_price, row->price_min, row->price_max);
    json_close_object(writer);
}

void event_view_from_model(const struct event_model *model, const struct event *event,
                           const int64_t *prices, struct event_view *ret_view)
{
    *ret_view = (struct event_view){
        .event = event,
        .venue = {.id = event->venue_id,
                  .name = model->venue_name,
                  .city = model->venue_city,
                  .country = model->venue_country,
                  .lat = model->layout->lat,
                  .lon = model->layout->lon},
        .categories = model->layout->categories,
        .category_count = model->layout->category_count,
        .prices = prices,
    };
}

void event_count_places(const struct event_model *model, const int64_t *prices,
                        int64_t *ret_available, int64_t *ret_total)
{
    const struct layout *layout = model->layout;
    int64_t available = 0, total = 0;
    for (uint32_t i = 0; i < layout->seat_count; i++) {
        bool has_price = prices[layout->seat_categories[i]] != PRICE_NONE;
        total += has_price;
        available +=
            has_price && atomic_load_explicit(&model->seats[i], memory_order_relaxed) == SEAT_FREE;
    }
    for (uint32_t i = 0; i < model->area_count; i++) {
        total += model->areas[i].capacity;
        available += atomic_load(&model->area_available[i]);
    }
    *ret_available = available;
    *ret_total = total;
}
