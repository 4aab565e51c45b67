/*
 * A row of the journal as its organizer is told it. What a payload says is the row's, as of its
 * time; names of places and of the event come from the event's model and may be newer. The buyer
 * is not named.
 */
#include "tickets/bridge_facts.h"

#include <stdio.h>

#include "base/json.h"
#include "tickets/booking_view.h"
#include "tickets/ticket_store.h"
#include "tickets/ticket_view.h"
#include "tickets/tickets.h"

#define PAYLOAD_BYTES_MAX (1u << 20)

enum fact_kind {
    FACT_BOOKING,
    FACT_PAYMENT,
    FACT_REFUND,
    FACT_REVOKED,
    FACT_TICKET,
    FACT_EVENT,
};

struct fact_type {
    struct str row_type;
    const char *type; /* of bridge_types */
    enum fact_kind kind;
    const char *status; /* FACT_BOOKING */
    bool is_for_talks;
};

static const struct fact_type types[] = {
    {STR("booking.held"), "booking.held", FACT_BOOKING, "held"},
    {STR("booking.extended"), "booking.extended", FACT_BOOKING, "held"},
    {STR("booking.payment_pending"), "booking.payment_pending", FACT_BOOKING, "payment_pending"},
    {STR("booking.confirmed"), "booking.confirmed", FACT_BOOKING, "confirmed", true},
    {STR("booking.expired"), "booking.expired", FACT_BOOKING, "expired"},
    {STR("booking.cancelled"), "booking.cancelled", FACT_BOOKING, "cancelled"},
    {STR("booking.failed"), "booking.failed", FACT_BOOKING, "failed"},
    {STR("payment.succeeded"), "payment.succeeded", FACT_PAYMENT, NULL},
    {STR("payment.failed"), "payment.failed", FACT_PAYMENT, NULL},
    {STR("refund.requested"), "payment.refund_requested", FACT_REFUND, NULL},
    {STR("refund.succeeded"), "payment.refunded", FACT_REFUND, NULL, true},
    {STR("refund.failed"), "payment.refund_failed", FACT_REFUND, NULL},
    {STR("tickets.revoked"), "tickets.revoked", FACT_REVOKED, NULL, true},
    {STR("ticket.used"), "ticket.checked_in", FACT_TICKET, NULL},
    {STR("event.created"), "event.created", FACT_EVENT, NULL},
    {STR("event.updated"), "event.updated", FACT_EVENT, NULL},
    {STR("event.published"), "event.published", FACT_EVENT, NULL},
    {STR("event.cancelled"), "event.cancelled", FACT_EVENT, NULL, true},
};

const struct fact_type *fact_type_of(struct str row_type, enum fact_audience audience)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (str_eq(row_type, types[i].row_type))
            return audience == FACTS_FOR_ORGANIZERS || types[i].is_for_talks ? &types[i] : NULL;
    return NULL;
}

/* A fact on its way into words. */
struct telling {
    struct tickets *tickets;
    struct db *source;
    struct arena *arena;
    const struct fact_type *type;
    const struct journal_row *row;
    const struct event *event;
    enum fact_audience audience;
    const struct json_node *data; /* the row's */
    struct json_writer writer;
    size_t data_begin, data_end; /* in what is written */
};

/* ---- members ---- */

/* An id of the event's shard. False: the row has none. */
static bool put_id(struct telling *telling, const char *name, const char *prefix,
                   const char *member)
{
    int64_t id;
    if (!json_as_i64(json_get(telling->data, member), &id) || id <= 0)
        return false;
    json_put_id2(&telling->writer, name, prefix, telling->row->shard, (uint64_t)id);
    return true;
}

static bool put_text(struct telling *telling, const char *name)
{
    struct str text;
    if (!json_as_str(json_get(telling->data, name), &text))
        return false;
    json_put_str(&telling->writer, name, text);
    return true;
}

static bool put_money(struct telling *telling)
{
    int64_t amount;
    if (!json_as_i64(json_get(telling->data, "amount"), &amount))
        return false;
    json_put_i64(&telling->writer, "amount", amount);
    return put_text(telling, "currency");
}

static void put_event(struct telling *telling)
{
    struct json_writer *writer = &telling->writer;
    json_key(writer, "event");
    json_open_object(writer);
    json_put_id(writer, "id", "evt", telling->event->id);
    json_put_str(writer, "name", telling->event->name);
    json_put_time(writer, "starts_at", telling->event->starts_at);
    json_close_object(writer);
    json_put_i64(writer, "sequence", telling->row->version);
}

/* ---- places ---- */

static bool number_at(const struct json_node *list, size_t index, int64_t max, int64_t *ret_value)
{
    return json_as_i64(json_at(list, index), ret_value) && *ret_value >= 0 && *ret_value <= max;
}

/* The row's places. */
static bool read_places(const struct json_node *data, struct booking *booking)
{
    const struct json_node *seats = json_get(data, "seats"), *areas = json_get(data, "areas");
    size_t seat_count = json_count(seats), area_count = json_count(areas);
    if (seat_count > BOOKING_PLACES_MAX || area_count > BOOKING_PLACES_MAX)
        return false;
    for (size_t i = 0; i < seat_count; i++) {
        int64_t seat_no, price;
        if (!number_at(json_at(seats, i), 0, UINT32_MAX, &seat_no) ||
            !number_at(json_at(seats, i), 1, INT64_MAX, &price))
            return false;
        booking->seats[i] = (struct booking_seat){.seat_no = (uint32_t)seat_no, .price = price};
    }
    for (size_t i = 0; i < area_count; i++) {
        int64_t area_no, quantity, price;
        if (!number_at(json_at(areas, i), 0, UINT32_MAX, &area_no) ||
            !number_at(json_at(areas, i), 1, INT32_MAX, &quantity) ||
            !number_at(json_at(areas, i), 2, INT64_MAX, &price))
            return false;
        booking->areas[i] = (struct booking_area){
            .area_no = (uint32_t)area_no, .quantity = (uint32_t)quantity, .price = price};
    }
    booking->seat_count = (uint32_t)seat_count;
    booking->area_count = (uint32_t)area_count;
    return true;
}

static enum err put_places(struct telling *telling)
{
    struct booking *booking = ARENA_NEW(telling->arena, struct booking);
    struct event_model *model;
    if (!booking)
        return ERR_NOMEM;
    if (!read_places(telling->data, booking))
        return ERR_INVALID;
    enum err err =
        inventory_load(telling->tickets->inventory, telling->source, telling->event->id, &model);
    if (err)
        return err;
    for (size_t i = 0; !err && i < booking->seat_count; i++)
        if (booking->seats[i].seat_no >= model->layout->seat_count)
            err = ERR_INVALID;
    if (!err)
        booking_write_places(&telling->writer, booking, model);
    event_model_unref(model);
    return err;
}

/* ---- kinds ---- */

static enum err tell_booking(struct telling *telling)
{
    int64_t expires_at;
    struct json_writer *writer = &telling->writer;
    if (!put_id(telling, "booking_id", "bkg", "booking"))
        return ERR_INVALID;
    json_put_str(writer, "status", str_from_c(telling->type->status));
    put_event(telling);
    enum err err = put_places(telling);
    if (err)
        return err;
    if (!put_money(telling))
        return ERR_INVALID;
    if (json_as_i64(json_get(telling->data, "expires_at"), &expires_at))
        json_put_time(writer, "expires_at", expires_at);
    (void)put_id(telling, "payment_id", "pay", "payment"); /* where there is one */
    return ERR_OK;
}

static enum err tell_payment(struct telling *telling)
{
    if (!put_id(telling, "payment_id", "pay", "payment") ||
        !put_id(telling, "booking_id", "bkg", "booking"))
        return ERR_INVALID;
    put_event(telling);
    if (!put_money(telling) || !put_text(telling, "provider"))
        return ERR_INVALID;
    (void)put_text(telling, "reason"); /* where there is one */
    return ERR_OK;
}

static enum err tell_refund(struct telling *telling)
{
    if (!put_id(telling, "refund_id", "ref", "refund") ||
        !put_id(telling, "payment_id", "pay", "payment") ||
        !put_id(telling, "booking_id", "bkg", "booking"))
        return ERR_INVALID;
    put_event(telling);
    return put_money(telling) && put_text(telling, "reason") ? ERR_OK : ERR_INVALID;
}

static enum err tell_revoked(struct telling *telling)
{
    struct json_writer *writer = &telling->writer;
    const struct json_node *ids = json_get(telling->data, "tickets");
    int64_t id;
    if (!put_id(telling, "refund_id", "ref", "refund") ||
        !put_id(telling, "booking_id", "bkg", "booking"))
        return ERR_INVALID;
    json_key(writer, "ticket_ids");
    json_open_array(writer);
    for (size_t i = 0; i < json_count(ids); i++) {
        char text[ID_TEXT_SIZE];
        if (!json_as_i64(json_at(ids, i), &id) || id <= 0)
            return ERR_INVALID;
        json_str(writer, id_format2(text, "tkt", telling->row->shard, (uint64_t)id));
    }
    json_close_array(writer);
    put_event(telling);
    enum err err = put_places(telling);
    if (err)
        return err;
    return put_money(telling) && put_text(telling, "reason") ? ERR_OK : ERR_INVALID;
}

static enum err tell_ticket(struct telling *telling)
{
    int64_t id;
    struct ticket ticket;
    struct ticket_place place;
    struct event_model *model;
    if (!put_id(telling, "ticket_id", "tkt", "ticket") ||
        !put_id(telling, "booking_id", "bkg", "booking") ||
        !json_as_i64(json_get(telling->data, "ticket"), &id))
        return ERR_INVALID;
    put_event(telling);
    if (!put_text(telling, "gate"))
        return ERR_INVALID;
    enum err err = ticket_store_load(telling->source, telling->event->id, (uint64_t)id, &ticket);
    if (!err)
        err = inventory_load(telling->tickets->inventory, telling->source, telling->event->id,
                             &model);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_INVALID : err;
    ticket_place_of(model, &ticket, &place);
    json_key(&telling->writer, "seat");
    ticket_write_seat(&telling->writer, &place);
    json_key(&telling->writer, "area");
    ticket_write_area(&telling->writer, &place);
    event_model_unref(model);
    return ERR_OK;
}

/* The row is the event as the API shows it. */
static enum err tell_event(struct telling *telling)
{
    if (telling->audience == FACTS_FOR_TALKS) {
        put_event(telling);
        return ERR_OK;
    }
    json_key(&telling->writer, "event");
    json_raw(&telling->writer, telling->row->data);
    json_put_i64(&telling->writer, "sequence", telling->row->version);
    return ERR_OK;
}

/* ---- the whole ---- */

static enum err tell(struct telling *telling)
{
    static enum err (*const kinds[])(struct telling * telling) = {
        [FACT_BOOKING] = tell_booking, [FACT_PAYMENT] = tell_payment, [FACT_REFUND] = tell_refund,
        [FACT_REVOKED] = tell_revoked, [FACT_TICKET] = tell_ticket,   [FACT_EVENT] = tell_event,
    };
    struct json_writer *writer = &telling->writer;
    json_open_object(writer);
    json_put_str(writer, "type", str_from_c(telling->type->type));
    json_put_time(writer, "timestamp", telling->row->at_ms);
    json_key(writer, "data");
    telling->data_begin = writer->buf->len;
    json_open_object(writer);
    enum err err = kinds[telling->type->kind](telling);
    json_close_object(writer);
    telling->data_end = writer->buf->len;
    json_close_object(writer);
    return err;
}

/* Whose booking the row is about; 0: it is about all of them. */
static enum err find_buyer(const struct telling *telling, uint64_t *ret_account_id)
{
    int64_t id;
    *ret_account_id = 0;
    if (telling->type->kind == FACT_EVENT)
        return ERR_OK;
    if (json_as_i64(json_get(telling->data, "account"), &id)) {
        *ret_account_id = (uint64_t)id;
        return ERR_OK;
    }
    struct booking *booking = ARENA_NEW(telling->arena, struct booking);
    if (!booking)
        return ERR_NOMEM;
    if (!json_as_i64(json_get(telling->data, "booking"), &id))
        return ERR_INVALID;
    enum err err = booking_load(telling->source, telling->event->id, (uint64_t)id, booking);
    if (!err)
        *ret_account_id = booking->account_id;
    return err;
}

/* Of this row and no other, also when the journal was put back from a backup and has gone
 * another way since. */
static struct str event_id_of(const struct journal_row *row, struct arena *arena)
{
    char hex[17];
    struct buf text = {.data = hex, .cap = sizeof(hex) - 1, .max = sizeof(hex) - 1};
    hex_append(&text, row->hash.data, row->hash.len < 8 ? row->hash.len : 8);
    return arena_printf(arena, "tickets-%lld-%.*s", (long long)row->seq, STR_ARG(buf_str(&text)));
}

enum err fact_message(const struct fact *fact, struct arena *arena,
                      struct bridge_message *ret_message)
{
    const struct event *event = fact->event;
    struct telling telling = {.tickets = fact->tickets,
                              .source = fact->source,
                              .arena = arena,
                              .type = fact->type,
                              .row = fact->row,
                              .event = event,
                              .audience = fact->audience};
    struct json_node *data = NULL;
    struct str message;
    char event_id[ID_TEXT_SIZE];
    uint64_t buyer_id = 0;
    struct buf *payload = buf_new_in(arena, PAYLOAD_BYTES_MAX);
    if (!payload)
        return ERR_NOMEM;
    enum err err = json_parse(arena, fact->row->data, &data, &message);
    telling.data = data;
    json_begin(&telling.writer, payload);
    if (!err)
        err = tell(&telling);
    if (!err && payload->overflow)
        err = arena->overflow ? ERR_NOMEM : ERR_INVALID;
    if (!err && fact->audience == FACTS_FOR_TALKS)
        err = find_buyer(&telling, &buyer_id);
    if (err)
        return err;
    struct str text = buf_str(payload);
    *ret_message = (struct bridge_message){
        .account_id = event->account_id,
        .type = str_from_c(fact->type->type),
        .channel = arena_str_dup(arena, id_format(event_id, "evt", event->id)),
        .event_id = event_id_of(fact->row, arena),
        .payload = text,
        .data = str_sub(text, telling.data_begin, telling.data_end - telling.data_begin),
        .subject_id = event->id,
        .title = event->name,
        .other_id = buyer_id,
        .is_beginning = fact->type->kind == FACT_BOOKING};
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}
