/*
 * An event's sales in figures.
 *
 * Seats are counted in the read model, a byte each, because an organizer's page asks every few
 * seconds while the seats are being sold; tickets are read in chunks, so no read lasts long, and
 * each row is counted once: ids only grow.
 */
#include "tickets/report.h"

struct ticket_sums {
    const struct event_model *model;
    struct report *report;
    uint64_t last_id;
    int64_t *area_booked; /* by index in model->areas */
};

static struct report_category *category_of(struct ticket_sums *sums,
                                           const struct report_ticket *ticket)
{
    const struct event_model *model = sums->model;
    if (!ticket->is_area)
        return ticket->place_no < model->layout->seat_count
                   ? &sums->report->categories[model->layout->seats[ticket->place_no].category_no]
                   : NULL;
    int index = event_model_area_index(model, ticket->place_no);
    if (index >= 0 && !ticket->is_revoked)
        sums->area_booked[index]++;
    return index >= 0 ? &sums->report->categories[model->areas[index].category_no] : NULL;
}

static void add_ticket(const struct report_ticket *ticket, void *ctx)
{
    struct ticket_sums *sums = ctx;
    struct report_category *category = category_of(sums, ticket);
    sums->last_id = ticket->id;
    sums->report->total.revenue += ticket->price;
    if (ticket->is_revoked)
        sums->report->refunded += ticket->price;
    if (!category)
        return;
    category->revenue += ticket->price;
    category->booked += !ticket->is_revoked;
}

static enum err add_tickets(struct db *db, struct ticket_sums *sums)
{
    size_t count = REPORT_TICKETS_CHUNK;
    while (count == REPORT_TICKETS_CHUNK) {
        struct report_tickets query = {.event_id = sums->model->event.id,
                                       .after_id = sums->last_id,
                                       .limit = REPORT_TICKETS_CHUNK,
                                       .on_ticket = add_ticket,
                                       .ctx = sums};
        enum err err = report_store_tickets(db, &query, &count);
        if (err)
            return err;
    }
    return ERR_OK;
}

static void add_seats(const struct event_model *model, struct report *report)
{
    const struct layout *layout = model->layout;
    for (uint32_t i = 0; i < layout->seat_count; i++) {
        uint32_t category_no = layout->seats[i].category_no;
        struct report_category *category = &report->categories[category_no];
        switch ((enum seat_state)atomic_load_explicit(&model->seats[i], memory_order_relaxed)) {
        case SEAT_FREE:
            category->available += model->prices[category_no] != PRICE_NONE;
            break;
        case SEAT_HELD:
            category->held++;
            break;
        case SEAT_BLOCKED:
            category->blocked++;
            break;
        case SEAT_BOOKED:
            break; /* counted by its ticket */
        }
    }
}

static void add_areas(const struct event_model *model, const int64_t *area_booked,
                      struct report *report)
{
    for (uint32_t i = 0; i < model->area_count; i++) {
        struct report_category *category = &report->categories[model->areas[i].category_no];
        int64_t available = atomic_load(&model->area_available[i]);
        int64_t held = (int64_t)model->areas[i].capacity - available - area_booked[i];
        category->available += available;
        category->held += held > 0 ? held : 0;
    }
}

static enum err add_hours(struct db *db, uint64_t event_id, struct arena *arena,
                          struct report *report)
{
    report->hours = ARENA_ARRAY(arena, struct report_hour, REPORT_HOURS_MAX);
    if (!report->hours)
        return ERR_NOMEM;
    enum err err =
        report_store_hours(db, event_id, REPORT_HOURS_MAX, report->hours, &report->hour_count);
    for (size_t i = 0; !err && i < report->hour_count / 2; i++) {
        struct report_hour hour = report->hours[i];
        report->hours[i] = report->hours[report->hour_count - 1 - i];
        report->hours[report->hour_count - 1 - i] = hour;
    }
    return err;
}

enum err report_make(struct db *db, const struct event_model *model, struct arena *arena,
                     struct report *ret_report)
{
    *ret_report = (struct report){0};
    struct ticket_sums sums = {
        .model = model,
        .report = ret_report,
        .area_booked = ARENA_ARRAY(arena, int64_t, model->area_count ? model->area_count : 1)};
    if (!sums.area_booked)
        return ERR_NOMEM;
    enum err err = add_tickets(db, &sums);
    if (!err)
        err = add_hours(db, model->event.id, arena, ret_report);
    if (err)
        return err;
    add_seats(model, ret_report);
    add_areas(model, sums.area_booked, ret_report);
    for (uint32_t i = 0; i < model->layout->category_count; i++) {
        const struct report_category *category = &ret_report->categories[i];
        ret_report->total.booked += category->booked;
        ret_report->total.held += category->held;
        ret_report->total.blocked += category->blocked;
        ret_report->total.available += category->available;
    }
    return ERR_OK;
}
