/* Handlers of the organizer's seat and area routes (event_seats_http.c), for the route table in
 * event_http.c. */
#ifndef TICKETS_EVENT_HTTP_H
#define TICKETS_EVENT_HTTP_H

#include "app/route.h"
#include "tickets/inventory.h"

extern const struct json_field event_blocks_fields[];
extern const struct json_field event_areas_fields[];
ERR_MUST_USE enum err event_blocks_prepare(struct call *call, struct db *db);
ERR_MUST_USE enum err event_block_apply(struct call *call, struct writer_tx *tx);
ERR_MUST_USE enum err event_unblock_apply(struct call *call, struct writer_tx *tx);
ERR_MUST_USE enum err event_areas_prepare(struct call *call, struct db *db);
ERR_MUST_USE enum err event_areas_apply(struct call *call, struct writer_tx *tx);

/* An edit of an event in its writer job: loads the row, and at the end writes row, journal and
 * effects. */
struct event_edit {
    struct event_model *model; /* as prepare saw it: venue, layout, counts */
    struct event event;        /* the row as it is now */
    int64_t prices[64];
};
ERR_MUST_USE enum err event_edit_begin(struct call *call, struct writer_tx *tx,
                                       struct event_edit *edit);
/* Sets updated_at, writes the row, appends the event document as type to the journal, forgets the
 * model. */
ERR_MUST_USE enum err event_edit_finish(struct call *call, struct writer_tx *tx,
                                        struct event_edit *edit, const char *type);

#endif
