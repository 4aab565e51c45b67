/*
 * Bookings as CSV. A field that begins with =, +, -, @, tab or carriage return would be run as a
 * formula by spreadsheets; names and emails come from strangers, so such a field gets an apostrophe
 * before it, which spreadsheets take for "this is text".
 */
#include "tickets/report_csv.h"

#include "base/clock.h"
#include "base/ids.h"
#include "tickets/booking_view.h"
#include "tickets/money.h"

static void begin_field(struct csv *csv)
{
    if (csv->has_field)
        buf_append_char(csv->buf, ',');
    csv->has_field = true;
}

static bool is_formula(struct str value)
{
    return value.len > 0 && memchr("=+-@\t\r\n", value.data[0], 7) != NULL;
}

/* Inside of a quoted field. */
static void append_quoted(struct buf *buf, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == '"')
            buf_append_char(buf, '"');
        buf_append_char(buf, value.data[i]);
    }
}

void csv_text(struct csv *csv, struct str value)
{
    begin_field(csv);
    buf_append_char(csv->buf, '"');
    if (is_formula(value))
        buf_append_char(csv->buf, '\'');
    append_quoted(csv->buf, value);
    buf_append_char(csv->buf, '"');
}

void csv_number(struct csv *csv, int64_t value)
{
    begin_field(csv);
    buf_append_i64(csv->buf, value);
}

void csv_end_line(struct csv *csv)
{
    buf_append_str(csv->buf, STR("\r\n"));
    csv->has_field = false;
}

static void csv_money(struct csv *csv, int64_t amount, const char *currency)
{
    begin_field(csv);
    money_append_decimal(csv->buf, amount, currency);
}

static void csv_time(struct csv *csv, int64_t at_ms)
{
    char text[CLOCK_TEXT_SIZE];
    clock_format(at_ms, text);
    csv_text(csv, str_from_c(text));
}

/* "Block A, 1-12; Floor x2". */
static void csv_places(struct csv *csv, const struct booking *booking,
                       const struct event_model *model)
{
    struct buf text;
    buf_init(&text, 4096);
    for (size_t i = 0; i < booking->seat_count; i++) {
        if (booking->seats[i].seat_no >= model->layout->seat_count)
            continue;
        const struct layout_seat *seat = &model->layout->seats[booking->seats[i].seat_no];
        buf_printf(&text, "%s%.*s, %.*s-%.*s", text.len ? "; " : "",
                   STR_ARG(model->layout->sections[seat->section_no].name), STR_ARG(seat->row),
                   STR_ARG(seat->number));
    }
    for (size_t i = 0; i < booking->area_count; i++) {
        int index = event_model_area_index(model, booking->areas[i].area_no);
        if (index >= 0)
            buf_printf(&text, "%s%.*s x%u", text.len ? "; " : "", STR_ARG(model->areas[index].name),
                       (unsigned)booking->areas[i].quantity);
    }
    csv_text(csv, buf_str(&text));
    csv->buf->overflow |= text.overflow;
    buf_release(&text);
}

void report_csv_head(struct csv *csv)
{
    static const char *const names[] = {"booking_id", "status",   "created_at", "confirmed_at",
                                        "name",       "email",    "count",      "places",
                                        "amount",     "refunded", "currency"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        csv_text(csv, str_from_c(names[i]));
    csv_end_line(csv);
}

void report_csv_line(struct csv *csv, const struct report_csv_row *row)
{
    const struct booking *booking = row->booking;
    char id[ID_TEXT_SIZE];
    csv_text(csv, id_format2(id, "bkg", booking->event_id, booking->id));
    csv_text(csv, str_from_c(booking_status(booking, row->refunds)));
    csv_time(csv, booking->created_at);
    csv_time(csv, booking->ended_at);
    csv_text(csv, row->name);
    csv_text(csv, row->email);
    csv_number(csv, booking->places);
    csv_places(csv, booking, row->model);
    csv_money(csv, booking->amount, booking->currency);
    csv_money(csv, row->refunds->requested_succeeded, booking->currency);
    csv_text(csv, str_from_c(booking->currency));
    csv_end_line(csv);
}
