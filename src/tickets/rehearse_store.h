/* SQL of rehearsals: of the event that is copied, and of what became of the copy. */
#ifndef TICKETS_REHEARSE_STORE_H
#define TICKETS_REHEARSE_STORE_H

#include "store/db.h"

ERR_MUST_USE enum err rehearse_store_blocked(struct db *db, uint64_t event_id,
                                             void (*on_seat)(void *ctx, uint32_t seat_no),
                                             void *ctx);
/* Each booking that is held, being paid or confirmed: its seats as JSON [[seat_no,price],...], and the
 * places it has in all. */
ERR_MUST_USE enum err
rehearse_store_bookings(struct db *db, uint64_t event_id,
                        void (*on_booking)(void *ctx, struct str seats, int64_t places), void *ctx);

#endif
