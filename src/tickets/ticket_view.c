/* Tickets as people and scanners see them. */
#include "tickets/ticket_view.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "tickets/money.h"
#include "tickets/pdf.h"

void ticket_place_of(const struct event_model *model, const struct ticket *ticket,
                     struct ticket_place *ret_place)
{
    const struct layout *layout = model->layout;
    *ret_place = (struct ticket_place){0};
    if (ticket->is_area) {
        int index = event_model_area_index(model, ticket->area_no);
        if (index < 0)
            return;
        const struct model_area *area = &model->areas[index];
        *ret_place = (struct ticket_place){.guid = area->guid,
                                           .area = area->name,
                                           .section = layout_section_name(layout, area->section_no),
                                           .category = layout->categories[area->category_no].name};
    } else if (ticket->seat_no < layout->seat_count) {
        const struct layout_seat *seat = &layout->seats[ticket->seat_no];
        *ret_place = (struct ticket_place){.guid = seat->guid,
                                           .section = layout->sections[seat->section_no].name,
                                           .row = seat->row,
                                           .number = seat->number,
                                           .category = layout->categories[seat->category_no].name};
    }
}

struct str ticket_status(const struct ticket *ticket)
{
    if (ticket->is_revoked)
        return STR("revoked");
    return ticket->used_at ? STR("used") : STR("valid");
}

struct str ticket_code_of(const struct tickets *tickets, const struct ticket *ticket,
                          char ret_text[static TICKET_CODE_SIZE])
{
    struct ticket_code code = {.key_id = (uint32_t)tickets->ticket_key_id,
                               .event_id = ticket->event_id,
                               .ticket_id = ticket->id,
                               .is_area = ticket->is_area,
                               .place_no = ticket->is_area ? ticket->area_no : ticket->seat_no};
    return ticket_code_sign(&code, tickets->ticket_secret_key, ret_text);
}

void ticket_write_seat(struct json_writer *writer, const struct ticket_place *place)
{
    if (place->area.len > 0 || place->guid.len == 0) {
        json_null(writer);
        return;
    }
    char label[3 * 100 + 8];
    int len = snprintf(label, sizeof(label), "%.*s, %.*s-%.*s", STR_ARG(place->section),
                       STR_ARG(place->row), STR_ARG(place->number));
    json_open_object(writer);
    json_put_str(writer, "id", place->guid);
    json_put_str(writer, "label",
                 str_from(label, len < (int)sizeof(label) ? (size_t)len : sizeof(label) - 1));
    json_put_str(writer, "section", place->section);
    json_put_str(writer, "row", place->row);
    json_put_str(writer, "number", place->number);
    json_close_object(writer);
}

void ticket_write_area(struct json_writer *writer, const struct ticket_place *place)
{
    if (place->area.len == 0) {
        json_null(writer);
        return;
    }
    json_open_object(writer);
    json_put_str(writer, "id", place->guid);
    json_put_str(writer, "name", place->area);
    json_close_object(writer);
}

void ticket_write(struct json_writer *writer, const struct tickets *tickets,
                  const struct event_model *model, const struct ticket *ticket)
{
    char code[TICKET_CODE_SIZE];
    struct ticket_place place;
    ticket_place_of(model, ticket, &place);
    json_open_object(writer);
    json_put_id2(writer, "id", "tkt", ticket->event_id, ticket->id);
    json_key(writer, "seat");
    ticket_write_seat(writer, &place);
    json_key(writer, "area");
    ticket_write_area(writer, &place);
    json_put_str(writer, "category", place.category);
    json_put_i64(writer, "price", ticket->price);
    json_put_str(writer, "code", ticket_code_of(tickets, ticket, code));
    json_put_str(writer, "status", ticket_status(ticket));
    json_close_object(writer);
}

struct str event_when(int64_t starts_at, char ret_text[static EVENT_WHEN_SIZE])
{
    time_t seconds = (time_t)(starts_at / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t len = strftime(ret_text, EVENT_WHEN_SIZE, "%A, %-d %B %Y, %H:%M UTC", &parts);
    return str_from(ret_text, len);
}

struct str event_address(const struct event_model *model, struct arena *arena)
{
    return arena_printf(arena, "%.*s, %.*s", STR_ARG(model->venue_city),
                        STR_ARG(model->venue_country));
}

struct page_texts {
    char code[TICKET_CODE_SIZE];
    char ticket_id[ID_TEXT_SIZE], booking_id[ID_TEXT_SIZE];
    char when[EVENT_WHEN_SIZE];
};

static void fill_page(const struct ticket_sheets *sheets, const struct ticket *ticket,
                      struct arena *arena, struct page_texts *texts, struct pdf_ticket *page)
{
    const struct event_model *model = sheets->model;
    struct ticket_place place;
    ticket_place_of(model, ticket, &place);
    *page = (struct pdf_ticket){
        .event = model->event.name,
        .when = event_when(model->event.starts_at, texts->when),
        .venue = model->venue_name,
        .address = event_address(model, arena),
        .section = place.section,
        .row = place.row,
        .number = place.number,
        .area = place.area,
        .category = place.category,
        .holder = sheets->holder,
        .booking_id = id_format2(texts->booking_id, "bkg", ticket->event_id, ticket->booking_id),
        .ticket_id = id_format2(texts->ticket_id, "tkt", ticket->event_id, ticket->id),
        .code = ticket_code_of(sheets->service, ticket, texts->code),
    };
    struct buf *price = buf_new_in(arena, 64);
    struct str currency = arena_str_dup(arena, sheets->currency);
    if (price && currency.data) {
        money_append(price, ticket->price, currency.data);
        page->price = buf_str(price);
    }
}

enum err ticket_write_pdf(const struct ticket_sheets *sheets, struct arena *arena, struct buf *buf)
{
    struct pdf_ticket *pages = ARENA_ARRAY(arena, struct pdf_ticket, sheets->count);
    struct page_texts *texts = ARENA_ARRAY(arena, struct page_texts, sheets->count);
    if (!pages || !texts)
        return ERR_NOMEM;
    for (size_t i = 0; i < sheets->count; i++)
        fill_page(sheets, &sheets->tickets[i], arena, &texts[i], &pages[i]);
    char message[64] = "";
    enum err err =
        arena->overflow ? ERR_NOMEM : pdf_write_tickets(pages, sheets->count, buf, message);
    if (err)
        log_error("ticket PDF failed", "err=%s why=\"%s\"", err_name(err), message);
    return err;
}
