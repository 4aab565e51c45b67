/*
 * What an organizer does with the places of an event: blocking and unblocking seats, adding
 * general-admission areas. Seats are resolved by the layout in prepare; the seat_claim table's
 * primary key decides in apply, as it does for buyers.
 */
#include "tickets/event_http.h"

#include "tickets/event_call.h"
#include "tickets/event_store.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#define AREAS_BYTES_MAX   ((size_t)256 << 10)
#define JOURNAL_BYTES_MAX ((size_t)64 << 10)
#define AREA_GUID_SIZE    ID_TEXT_SIZE

/* --- Blocks --- */

struct blocks_body {
    struct json_strs seat_ids;
};

const struct json_field event_blocks_fields[] = {
    {.name = "seat_ids",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct blocks_body, seat_ids),
     .is_required = true,
     .min = 1,
     .max = BLOCK_SEATS_MAX},
    {.name = NULL},
};

struct blocks_call {
    struct event_edit edit;
    struct json_strs ids;
    uint32_t *seat_nos; /* as ids */
    uint32_t *changed;  /* those that this call changed */
    size_t changed_count;
};

static void resolve_seats(struct blocks_call *blocks, struct field_errors *errors)
{
    for (size_t i = 0; i < blocks->ids.count; i++) {
        if (layout_find_seat(blocks->edit.model->layout, blocks->ids.items[i],
                             &blocks->seat_nos[i]))
            continue;
        char field[32];
        (void)snprintf(field, sizeof(field), "seat_ids[%zu]",
                       i); /* fits: at most BLOCK_SEATS_MAX */
        field_errors_add(errors, field, "the event has no such seat");
    }
}

enum err event_blocks_prepare(struct call *call, struct db *db)
{
    struct blocks_call *blocks = ARENA_NEW(call_arena(call), struct blocks_call);
    struct blocks_body body = {0};
    struct field_errors errors;
    enum err err;
    if (!blocks)
        return ERR_NOMEM;
    if (!event_call_own_model(call, db, &blocks->edit.model, &err))
        return err;
    if (!call_decode(call, &body))
        return ERR_OK;
    blocks->ids = body.seat_ids;
    blocks->seat_nos = ARENA_ARRAY(call_arena(call), uint32_t, body.seat_ids.count);
    blocks->changed = ARENA_ARRAY(call_arena(call), uint32_t, body.seat_ids.count);
    if (!blocks->seat_nos || !blocks->changed)
        return ERR_NOMEM;
    field_errors_init(&errors, call_arena(call));
    resolve_seats(blocks, &errors);
    if (errors.count > 0)
        problem_fields(call, &errors);
    call->prepared = blocks;
    return ERR_OK;
}

/* One journal row names all seats by number; the models follow it. */
static enum err journal_blocks(struct call *call, struct writer_tx *tx, struct blocks_call *blocks,
                               const char *type, enum seat_state state)
{
    uint64_t event_id = blocks->edit.event.id;
    struct buf *data = buf_new_in(call_arena(call), JOURNAL_BYTES_MAX);
    int64_t version;
    if (!data)
        return ERR_NOMEM;
    if (blocks->changed_count == 0)
        return ERR_OK;
    struct json_writer writer;
    json_begin(&writer, data);
    json_open_object(&writer);
    json_key(&writer, "seats");
    json_open_array(&writer);
    for (size_t i = 0; i < blocks->changed_count; i++)
        json_i64(&writer, blocks->changed[i]);
    json_close_array(&writer);
    json_close_object(&writer);
    enum err err = journal_append(tx->journal, event_id, type, buf_str(data), &version);
    if (err)
        return err;
    struct places_change change = {.version = version,
                                   .state = state,
                                   .seat_nos = blocks->changed,
                                   .seat_count = blocks->changed_count};
    return inventory_stage_places(event_call_tickets(call)->inventory, tx, event_id, &change);
}

static enum err reply_blocks(struct call *call, const struct blocks_call *blocks)
{
    struct buf *body = buf_new_in(call_arena(call), JOURNAL_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_i64(&writer, "changed", (int64_t)blocks->changed_count);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

static void reply_conflicts(struct call *call, const struct blocks_call *blocks,
                            const bool *is_taken)
{
    struct buf *body;
    struct json_writer writer =
        problem_begin(call, PROBLEM_SEATS_UNAVAILABLE,
                      "These seats are held or booked; none was blocked.", &body);
    json_key(&writer, "conflicts");
    json_open_array(&writer);
    for (size_t i = 0; i < blocks->ids.count; i++) {
        if (is_taken[i])
            json_str(&writer, blocks->ids.items[i]);
    }
    json_close_array(&writer);
    problem_end(call, &writer, PROBLEM_SEATS_UNAVAILABLE, body);
}

enum err event_block_apply(struct call *call, struct writer_tx *tx)
{
    struct blocks_call *blocks = call->prepared;
    bool *is_taken = ARENA_ARRAY(call_arena(call), bool, blocks->ids.count);
    size_t taken_count = 0;
    if (!is_taken)
        return ERR_NOMEM;
    enum err err = event_edit_begin(call, tx, &blocks->edit);
    blocks->changed_count = 0;
    for (size_t i = 0; !err && i < blocks->ids.count; i++) {
        bool is_new = false;
        err = event_seat_block(tx->db, blocks->edit.event.id, blocks->seat_nos[i], &is_new);
        if (err == ERR_CONFLICT) {
            is_taken[i] = true;
            taken_count++;
            err = ERR_OK;
        } else if (is_new) {
            blocks->changed[blocks->changed_count++] = blocks->seat_nos[i];
        }
    }
    if (!err && taken_count > 0) {
        reply_conflicts(call, blocks, is_taken);
        return ERR_OK; /* the answer rolls the rows back */
    }
    if (!err)
        err = journal_blocks(call, tx, blocks, "seats.blocked", SEAT_BLOCKED);
    return err ? err : reply_blocks(call, blocks);
}

enum err event_unblock_apply(struct call *call, struct writer_tx *tx)
{
    struct blocks_call *blocks = call->prepared;
    enum err err = event_edit_begin(call, tx, &blocks->edit);
    blocks->changed_count = 0;
    for (size_t i = 0; !err && i < blocks->ids.count; i++) {
        bool was_blocked = false;
        err = event_seat_unblock(tx->db, blocks->edit.event.id, blocks->seat_nos[i], &was_blocked);
        if (!err && was_blocked)
            blocks->changed[blocks->changed_count++] = blocks->seat_nos[i];
    }
    if (!err)
        err = journal_blocks(call, tx, blocks, "seats.unblocked", SEAT_FREE);
    return err ? err : reply_blocks(call, blocks);
}

/* --- Areas --- */

struct areas_body {
    struct json_node *areas;
};

const struct json_field event_areas_fields[] = {
    {.name = "areas",
     .kind = JSON_ARRAY,
     .offset = offsetof(struct areas_body, areas),
     .is_required = true,
     .min = 1,
     .max = PLAN_AREAS_MAX,
     .doc = "[{name, capacity, category, section?}]"},
    {.name = NULL},
};

struct area_input {
    struct str name, category, section;
    int64_t capacity;
};

static const struct json_field area_fields[] = {
    {.name = "name",
     .kind = JSON_STR,
     .offset = offsetof(struct area_input, name),
     .is_required = true,
     .min = 1,
     .max = PLAN_NAME_MAX},
    {.name = "capacity",
     .kind = JSON_I64,
     .offset = offsetof(struct area_input, capacity),
     .is_required = true,
     .min = 1,
     .max = AREA_CAPACITY_MAX},
    {.name = "category",
     .kind = JSON_STR,
     .offset = offsetof(struct area_input, category),
     .is_required = true,
     .min = 1,
     .max = PLAN_NAME_MAX},
    {.name = "section",
     .kind = JSON_STR,
     .offset = offsetof(struct area_input, section),
     .min = 1,
     .max = 64},
    {.name = NULL},
};

struct areas_call {
    struct event_edit edit;
    struct model_area *areas;
    size_t count;
};

static void read_area(struct areas_call *areas, size_t i, const struct json_node *node,
                      struct field_errors *errors)
{
    struct area_input input = {.capacity = 0};
    struct model_area *area = &areas->areas[i];
    const struct layout *layout = areas->edit.model->layout;
    char path[48];
    uint64_t section_no = SECTION_NONE;
    (void)snprintf(path, sizeof(path), "areas[%zu]", i); /* fits */
    if (json_decode_node(errors->arena, node, path, area_fields, &input, errors) != ERR_OK)
        return; /* on the list */
    *area = (struct model_area){.name = input.name, .capacity = (uint32_t)input.capacity};
    if (!layout_find_category(layout, input.category, &area->category_no)) {
        (void)snprintf(path, sizeof(path), "areas[%zu].category", i); /* fits */
        field_errors_add(errors, path, "the seating plan has no such category");
    }
    if (input.section.data && (id_parse(input.section, "sec", &section_no) != ERR_OK ||
                               section_no >= layout->section_count)) {
        (void)snprintf(path, sizeof(path), "areas[%zu].section", i); /* fits */
        field_errors_add(errors, path, "the seating plan has no such section");
    }
    area->section_no = (uint32_t)section_no;
}

enum err event_areas_prepare(struct call *call, struct db *db)
{
    struct areas_call *areas = ARENA_NEW(call_arena(call), struct areas_call);
    struct areas_body body = {0};
    struct field_errors errors;
    enum err err;
    if (!areas)
        return ERR_NOMEM;
    if (!event_call_own_model(call, db, &areas->edit.model, &err))
        return err;
    if (!call_decode(call, &body))
        return ERR_OK;
    areas->count = json_count(body.areas);
    areas->areas = ARENA_ARRAY(call_arena(call), struct model_area, areas->count);
    if (!areas->areas)
        return ERR_NOMEM;
    field_errors_init(&errors, call_arena(call));
    for (size_t i = 0; i < areas->count; i++)
        read_area(areas, i, json_at(body.areas, i), &errors);
    if (errors.count > 0)
        problem_fields(call, &errors);
    call->prepared = areas;
    return ERR_OK;
}

static enum err put_areas(struct call *call, struct writer_tx *tx, struct areas_call *areas,
                          uint32_t area_no)
{
    uint64_t event_id = areas->edit.event.id;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < areas->count; i++) {
        char *guid = arena_alloc(call_arena(call), AREA_GUID_SIZE);
        if (!guid)
            return ERR_NOMEM;
        areas->areas[i].guid = id_format(guid, "area", id_next(tx->ids));
        areas->areas[i].area_no = area_no++;
        err = event_area_insert(tx->db, event_id, &areas->areas[i]);
    }
    return err;
}

static void write_areas(struct buf *body, const struct areas_call *areas)
{
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "areas");
    json_open_array(&writer);
    for (size_t i = 0; i < areas->count; i++) {
        const struct model_area *area = &areas->areas[i];
        json_open_object(&writer);
        json_put_str(&writer, "id", area->guid);
        json_put_str(&writer, "name", area->name);
        json_put_i64(&writer, "capacity", area->capacity);
        json_put_str(&writer, "category",
                     areas->edit.model->layout->categories[area->category_no].name);
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_close_object(&writer);
}

enum err event_areas_apply(struct call *call, struct writer_tx *tx)
{
    struct areas_call *areas = call->prepared;
    uint32_t area_no = 0;
    enum err err = event_edit_begin(call, tx, &areas->edit);
    if (!err)
        err = event_area_next(tx->db, areas->edit.event.id, &area_no);
    if (err)
        return err;
    if (areas->edit.event.status == EVENT_CANCELLED) {
        problem_reply(call, PROBLEM_CONFLICT, "The event is cancelled.");
        return ERR_OK;
    }
    if (area_no + areas->count > PLAN_AREAS_MAX) {
        problem_field(call, "areas", "the event would have more than 200 areas");
        return ERR_OK;
    }
    struct buf *body = buf_new_in(call_arena(call), AREAS_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    err = put_areas(call, tx, areas, area_no);
    if (err)
        return err;
    write_areas(body, areas);
    err = journal_append(tx->journal, areas->edit.event.id, "areas.added", buf_str(body), NULL);
    if (!err)
        err = event_edit_finish(call, tx, &areas->edit, "event.updated");
    if (!err)
        reply_json(call, 201, body);
    return err;
}
