/* SQL of bookings and claims. Each function is one step of a transaction. */
#ifndef TICKETS_BOOKING_STORE_H
#define TICKETS_BOOKING_STORE_H

#include "store/writer.h"
#include "tickets/booking.h"

/* What a hold must know of the event at the moment of the write. */
struct event_sale {
    enum event_status status;
    int64_t onsale_at, starts_at, updated_at;
};
ERR_MUST_USE enum err booking_store_sale(struct db *db, uint64_t event_id,
                                         struct event_sale *ret_sale);
/* Places of the account in the event that are held or booked, less those given back. */
ERR_MUST_USE enum err booking_store_places(struct db *db, uint64_t account_id, uint64_t event_id,
                                           int64_t *ret_places);
/* The same in two steps: lets the read go ahead (db_send), and reads. */
struct db_stmt;
ERR_MUST_USE enum err booking_store_sale_send(struct db *db, uint64_t event_id,
                                              struct db_stmt **ret_stmt);
ERR_MUST_USE enum err booking_store_sale_read(struct db_stmt *stmt, struct event_sale *ret_sale);
/* The booking that the account made under this key at or after since_id; ERR_NOT_FOUND. */
ERR_MUST_USE enum err booking_store_by_key(struct db *db, uint64_t account_id, uint64_t event_id,
                                           uint64_t since_id, const uint8_t key_hash[static 16],
                                           uint64_t *ret_booking_id);

/* Claims the booking's seats as held. ret_claimed, by seat: 1, or 0 when somebody has it. */
ERR_MUST_USE enum err booking_store_claim(struct db *db, const struct booking *booking,
                                          int64_t ret_claimed[static BOOKING_PLACES_MAX]);
ERR_MUST_USE enum err booking_store_is_claimed(struct db *db, uint64_t event_id, uint32_t seat_no,
                                               bool *ret_is_claimed);
/* Held by this booking becomes booked; ERR_CORRUPT when it is not held by it. */
ERR_MUST_USE enum err booking_store_claim_book(struct db *db, uint64_t event_id, uint32_t seat_no,
                                               uint64_t booking_id);
/* Held by this booking becomes free; ERR_CORRUPT when it is not held by it. */
ERR_MUST_USE enum err booking_store_claim_free(struct db *db, uint64_t event_id, uint32_t seat_no,
                                               uint64_t booking_id);
/* Takes (quantity > 0) or gives back (< 0) area places. *ret_free: how many are free now;
 * AREA_NOT_TAKEN: not enough of them were. */
#define AREA_NOT_TAKEN (-1)
ERR_MUST_USE enum err booking_store_area_take(struct db *db, uint64_t event_id, uint32_t area_no,
                                              int64_t quantity, int64_t *ret_free);
ERR_MUST_USE enum err booking_store_area_available(struct db *db, uint64_t event_id,
                                                   uint32_t area_no, int64_t *ret_available);

ERR_MUST_USE enum err booking_store_insert(struct db *db, const struct booking *booking);
/* Conditional on the old state: ERR_CONFLICT when the row is not in it. */
ERR_MUST_USE enum err booking_store_set_state(struct db *db, const struct booking *booking,
                                              enum booking_state from, enum booking_state to,
                                              int64_t ended_at);
/* So many of its tickets were revoked. */
ERR_MUST_USE enum err booking_store_give_back(struct db *db, const struct booking *booking,
                                              int64_t places);
ERR_MUST_USE enum err booking_store_extend(struct db *db, const struct booking *booking,
                                           int64_t by_ms);

/* Open bookings by expiry from (after_expires_at, after_id) on; at most limit rows go to on_row. */
struct open_booking {
    uint64_t event_id, id;
    int64_t expires_at;
    enum booking_state state;
};
ERR_MUST_USE enum err
booking_store_open(struct db *db, int64_t from_ms, int64_t until_ms, int64_t limit,
                   enum err (*on_row)(const struct open_booking *row, void *ctx), void *ctx);

/* Bookings of an account, newest first, ids below before_id. */
ERR_MUST_USE enum err booking_store_list(struct db *db, uint64_t account_id, uint64_t before_id,
                                         int64_t limit, struct booking *ret_bookings,
                                         size_t *ret_count);

/* Sums over a booking's refunds that count for its status (see booking_view.c). */
struct booking_refunds {
    int64_t pending;
    int64_t succeeded;
    int64_t requested_pending; /* of these, asked for after confirmation */
    int64_t requested_succeeded;
};
ERR_MUST_USE enum err booking_store_refunds(struct db *db, uint64_t event_id, uint64_t booking_id,
                                            struct booking_refunds *ret_refunds);

/* JSON of the two place columns, as the journal has them too. */
void booking_write_seats(struct json_writer *writer, const struct booking *booking);
void booking_write_areas(struct json_writer *writer, const struct booking *booking);

#endif
