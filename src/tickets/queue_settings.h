/* What an organizer sets for an event's waiting room: members, defaults, rows. */
#ifndef TICKETS_QUEUE_SETTINGS_H
#define TICKETS_QUEUE_SETTINGS_H

#include "base/json.h"
#include "store/db.h"

/* Times in seconds, as the API has them. */
struct queue_settings {
    int64_t admitted_max;     /* most people admitted at once */
    int64_t admit_per_minute; /* most admissions in any minute */
    int64_t opens_before_s;   /* how long before the sale one may come */
    int64_t admission_s;      /* how long an admission lasts at most without a hold */
    int64_t quiet_s;          /* how long an admitted person may say nothing */
    int64_t auto_above;       /* `auto`: people there at once above whom the doors close */
};

void queue_settings_default(struct queue_settings *settings);
/* Takes over the members that are there; every fault goes to errors. node NULL: changes nothing. */
void queue_settings_apply(const struct json_node *node, struct queue_settings *settings,
                          struct field_errors *errors);
/* Writes the object's members under "queue". */
void queue_settings_write(struct json_writer *writer, const struct queue_settings *settings);

/* The defaults when the event has no row. */
ERR_MUST_USE enum err queue_settings_load(struct db *db, uint64_t event_id,
                                          struct queue_settings *ret_settings);
/* In a job's apply. */
ERR_MUST_USE enum err queue_settings_put(struct db *db, uint64_t event_id,
                                         const struct queue_settings *settings);

#endif
