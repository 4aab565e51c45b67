/* Events as the API, the journal and the search index show them. */
#ifndef TICKETS_EVENT_VIEW_H
#define TICKETS_EVENT_VIEW_H

#include "tickets/event_store.h"

struct event_view {
    const struct event *event;
    struct venue venue; /* its brief members */
    const struct layout_category *categories;
    uint32_t category_count;
    const int64_t *prices; /* by category_no */
    bool has_availability;
    int64_t available, total;
    const char *seatmap_version; /* NULL: left out */
};

const char *event_status_name(enum event_status status);
/* The whole event. */
void event_write(struct json_writer *writer, const struct event_view *view);
/* What lists and search results show. */
void event_write_summary(struct json_writer *writer, const struct event_row *row);
/* Venue, categories and prices of a model; event and prices may be newer ones. */
void event_view_from_model(const struct event_model *model, const struct event *event,
                           const int64_t *prices, struct event_view *ret_view);
/* Places that have a price, and those of them that are free, under prices. Walks all seats: not for
 * loops. */
void event_count_places(const struct event_model *model, const int64_t *prices,
                        int64_t *ret_available, int64_t *ret_total);

#endif
