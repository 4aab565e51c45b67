/* Turns the names in a hold request into seat numbers, area numbers and prices; says what is wrong
 * and where. */
#include "tickets/hold_request.h"

#include <stdio.h>

/* What a request may list before it is refused as malformed rather than as over the booking's
 * limit. */
#define HOLD_LIST_MAX 50

const struct json_field hold_body_fields[] = {
    {.name = "event_id",
     .kind = JSON_STR,
     .offset = offsetof(struct hold_body, event_id),
     .is_required = true,
     .min = 1,
     .max = 64,
     .doc = "The event."},
    {.name = "seat_ids",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct hold_body, seat_ids),
     .has_offset = offsetof(struct hold_body, has_seat_ids),
     .min = 1,
     .max = HOLD_LIST_MAX,
     .doc = "Seats as the seat map names them; all of them or none are held."},
    {.name = "areas",
     .kind = JSON_ARRAY,
     .offset = offsetof(struct hold_body, areas),
     .has_offset = offsetof(struct hold_body, has_areas),
     .min = 1,
     .max = HOLD_LIST_MAX,
     .doc = "General-admission places: [{area_id, quantity}]."},
    {.name = "best_available",
     .kind = JSON_OBJECT,
     .offset = offsetof(struct hold_body, best_available),
     .has_offset = offsetof(struct hold_body, has_best),
     .doc = "Instead of both: {count, category?, section?, accessible?, may_split?}."},
    {0},
};

struct area_body {
    struct str area_id;
    int64_t quantity;
};

static const struct json_field area_body_fields[] = {
    {.name = "area_id",
     .kind = JSON_STR,
     .offset = offsetof(struct area_body, area_id),
     .is_required = true,
     .min = 1,
     .max = PLAN_GUID_MAX},
    {.name = "quantity",
     .kind = JSON_I64,
     .offset = offsetof(struct area_body, quantity),
     .is_required = true,
     .min = 1,
     .max = 1000},
    {0},
};

/* Puts a seat where it belongs in layout order, so that every booking claims in the same order. */
static void add_seat(struct booking *booking, uint32_t seat_no, int64_t price)
{
    size_t at = booking->seat_count++;
    for (; at > 0 && booking->seats[at - 1].seat_no > seat_no; at--)
        booking->seats[at] = booking->seats[at - 1];
    booking->seats[at] = (struct booking_seat){seat_no, price};
    booking->amount += price;
}

static void resolve_seats(const struct hold_body *body, const struct event_model *model,
                          struct booking *booking, struct field_errors *errors)
{
    for (size_t i = 0; i < body->seat_ids.count; i++) {
        char field[32];
        uint32_t seat_no;
        snprintf(field, sizeof(field), "seat_ids[%zu]", i);
        if (!layout_find_seat(model->layout, body->seat_ids.items[i], &seat_no)) {
            field_errors_add(errors, field, "no seat of this event has the id %.*s",
                             STR_ARG(body->seat_ids.items[i]));
            continue;
        }
        int64_t price = model->prices[model->layout->seats[seat_no].category_no];
        if (price == PRICE_NONE) {
            field_errors_add(errors, field, "seat %.*s is not for sale",
                             STR_ARG(body->seat_ids.items[i]));
            continue;
        }
        add_seat(booking, seat_no, price);
        booking->places++;
    }
}

static void resolve_area(const struct area_body *body, const char *field,
                         const struct event_model *model, struct booking *booking,
                         struct field_errors *errors)
{
    int index = event_model_find_area(model, body->area_id);
    if (index < 0) {
        field_errors_add(errors, field, "no area of this event has the id %.*s",
                         STR_ARG(body->area_id));
        return;
    }
    int64_t price = model->prices[model->areas[index].category_no];
    if (price == PRICE_NONE) {
        field_errors_add(errors, field, "the area is not for sale");
        return;
    }
    uint32_t area_no = model->areas[index].area_no;
    for (size_t i = 0; i < booking->area_count; i++)
        if (booking->areas[i].area_no == area_no) {
            field_errors_add(errors, field, "the area is named twice");
            return;
        }
    booking->areas[booking->area_count++] =
        (struct booking_area){area_no, (uint32_t)body->quantity, price};
    booking->amount += price * body->quantity;
    booking->places += (uint32_t)body->quantity;
}

static void resolve_areas(const struct hold_body *body, const struct event_model *model,
                          struct booking *booking, struct field_errors *errors)
{
    size_t count = json_count(body->areas);
    for (size_t i = 0; i < count; i++) {
        char field[32], id_field[48];
        struct area_body area = {0};
        snprintf(field, sizeof(field), "areas[%zu]", i);
        snprintf(id_field, sizeof(id_field), "areas[%zu].area_id", i);
        struct json_node *node = json_at(body->areas, i);
        if (!json_is_object(node)) {
            field_errors_add(errors, field, "must be an object {area_id, quantity}");
            continue;
        }
        if (json_decode_node(errors->arena, node, field, area_body_fields, &area, errors) == ERR_OK)
            resolve_area(&area, id_field, model, booking, errors);
    }
}

/* --- Best available --- */

struct best_body {
    struct str category, section;
    int64_t count, accessible;
    bool has_category, has_section, may_split;
};

static const struct json_field best_body_fields[] = {
    {.name = "count",
     .kind = JSON_I64,
     .offset = offsetof(struct best_body, count),
     .is_required = true,
     .min = 1,
     .max = HOLD_LIST_MAX},
    {.name = "category",
     .kind = JSON_STR,
     .offset = offsetof(struct best_body, category),
     .has_offset = offsetof(struct best_body, has_category),
     .min = 1,
     .max = PLAN_NAME_MAX},
    {.name = "section",
     .kind = JSON_STR,
     .offset = offsetof(struct best_body, section),
     .has_offset = offsetof(struct best_body, has_section),
     .min = 1,
     .max = 64},
    {.name = "accessible",
     .kind = JSON_I64,
     .offset = offsetof(struct best_body, accessible),
     .max = HOLD_LIST_MAX},
    {.name = "may_split", .kind = JSON_BOOL, .offset = offsetof(struct best_body, may_split)},
    {0},
};

static void resolve_names(const struct best_body *body, const struct event_model *model,
                          struct best_ask *ask, struct field_errors *errors)
{
    uint64_t section_no = 0;
    ask->has_category = body->has_category;
    ask->has_section = body->has_section;
    if (body->has_category &&
        !layout_find_category(model->layout, body->category, &ask->category_no))
        field_errors_add(errors, "best_available.category", "this event has no such category");
    else if (body->has_category && model->prices[ask->category_no] == PRICE_NONE)
        field_errors_add(errors, "best_available.category", "the category is not for sale");
    if (body->has_section && (id_parse(body->section, "sec", &section_no) != ERR_OK ||
                              section_no >= model->layout->section_count))
        field_errors_add(errors, "best_available.section", "this event has no such section");
    ask->section_no = (uint32_t)section_no;
}

static void resolve_best(const struct hold_body *hold, const struct event_model *model,
                         struct booking *booking, struct best_ask *ask, struct field_errors *errors)
{
    struct best_body body = {0};
    if (hold->has_seat_ids || hold->has_areas)
        field_errors_add(errors, "best_available", "stands alone, without seat_ids and areas");
    if (json_decode_node(errors->arena, hold->best_available, "best_available", best_body_fields,
                         &body, errors) != ERR_OK)
        return; /* on the list */
    if (body.accessible > body.count)
        field_errors_add(errors, "best_available.accessible", "must be at most count");
    resolve_names(&body, model, ask, errors);
    ask->count = (uint32_t)body.count;
    ask->accessible = (uint32_t)body.accessible;
    ask->may_split = body.may_split;
    booking->places = ask->count;
}

void hold_set_places(struct booking *booking, const struct event_model *model,
                     const struct best_places *places)
{
    const struct layout *layout = model->layout;
    booking->amount = 0;
    booking->seat_count = booking->area_count = 0;
    for (size_t i = 0; i < places->seat_count; i++)
        add_seat(booking, places->seat_nos[i],
                 model->prices[layout->seat_categories[places->seat_nos[i]]]);
    for (size_t i = 0; i < places->area_count; i++) {
        const struct model_area *area = &model->areas[places->areas[i].index];
        int64_t price = model->prices[area->category_no];
        uint32_t quantity = places->areas[i].quantity;
        size_t at = 0;
        while (at < booking->area_count && booking->areas[at].area_no != area->area_no)
            at++;
        if (at == booking->area_count)
            booking->areas[booking->area_count++] = (struct booking_area){area->area_no, 0, price};
        booking->areas[at].quantity += quantity;
        booking->amount += price * quantity;
    }
}

static enum err over_limit(const struct hold_body *body, const struct event_model *model,
                           struct field_errors *errors)
{
    const char *field = body->has_best ? "best_available.count" : "areas";
    field_errors_add(errors, body->has_seat_ids ? "seat_ids" : field,
                     "at most %lld places in one booking", (long long)model->event.per_booking);
    return ERR_LIMIT;
}

enum err hold_resolve(const struct hold_body *body, const struct event_model *model,
                      struct booking *booking, struct best_ask *ret_ask,
                      struct field_errors *errors)
{
    *ret_ask = (struct best_ask){0};
    if (body->seat_ids.count > BOOKING_PLACES_MAX ||
        (body->has_areas && json_count(body->areas) > BOOKING_PLACES_MAX))
        return over_limit(body, model, errors);
    if (!body->has_seat_ids && !body->has_areas && !body->has_best)
        field_errors_add(errors, "seat_ids",
                         "seat_ids, areas or best_available must say what to hold");
    if (body->has_best)
        resolve_best(body, model, booking, ret_ask, errors);
    if (body->has_seat_ids)
        resolve_seats(body, model, booking, errors);
    if (body->has_areas)
        resolve_areas(body, model, booking, errors);
    if (errors->count)
        return ERR_INVALID;
    if (booking->places > model->event.per_booking)
        return over_limit(body, model, errors);
    memcpy(booking->currency, model->event.currency, sizeof(booking->currency));
    return ERR_OK;
}

size_t hold_taken_seats(const struct event_model *model, const struct booking *booking,
                        struct hold_conflicts *ret_conflicts)
{
    *ret_conflicts = (struct hold_conflicts){0};
    for (size_t i = 0; i < booking->seat_count; i++) {
        uint32_t seat_no = booking->seats[i].seat_no;
        if (atomic_load_explicit(&model->seats[seat_no], memory_order_acquire) != SEAT_FREE)
            ret_conflicts->seat_nos[ret_conflicts->seat_count++] = seat_no;
    }
    return ret_conflicts->seat_count;
}
