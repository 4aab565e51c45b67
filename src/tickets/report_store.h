/* SQL of an event's report: reads in pieces, so that none lasts long. */
#ifndef TICKETS_REPORT_STORE_H
#define TICKETS_REPORT_STORE_H

#include "tickets/booking.h"

struct report_ticket {
    uint64_t id;
    bool is_area, is_revoked;
    uint32_t place_no; /* seat_no or area_no */
    int64_t price;
};

/* Tickets with id > after_id in id order go to on_ticket, at most limit. */
struct report_tickets {
    uint64_t event_id, after_id;
    int64_t limit;
    void (*on_ticket)(const struct report_ticket *ticket, void *ctx);
    void *ctx;
};
ERR_MUST_USE enum err report_store_tickets(struct db *db, const struct report_tickets *query,
                                           size_t *ret_count);

struct report_hour {
    int64_t from_ms;
    int64_t bookings, places, revenue;
};
/* Confirmations by the hour, newest hour first. */
ERR_MUST_USE enum err report_store_hours(struct db *db, uint64_t event_id, int64_t limit,
                                         struct report_hour *ret_hours, size_t *ret_count);

/* Ids of confirmed bookings above after_id, in order. */
ERR_MUST_USE enum err report_store_bookings(struct db *db, uint64_t event_id, uint64_t after_id,
                                            int64_t limit, uint64_t *ret_ids, size_t *ret_count);

#endif
