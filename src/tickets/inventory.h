/*
 * The inventory's read model: per event one byte a seat, a counter an area, and what a hold needs
 * to know of the event. Read by all threads through atomics, changed only by the writer's effects
 * after a commit. It may refuse early; it never grants: the seat_claim table's primary key does.
 *
 * Loading: a pool thread reads plan, event and claims in one snapshot and remembers the journal
 * version it saw; a small writer job installs the model when the version still stands, or reads the
 * claims again there. From then on every effect reaches it, and where other nodes write to the same
 * database, what the tail reads of them (model_change.c has the rule by which the two agree). An
 * edited event drops its model; the next request loads it anew. Idle models leave at MODELS_MAX, or when the plans in memory have more
 * than LAYOUT_SEATS_MAX seats, those that were not asked for lately first.
 */
#ifndef TICKETS_INVENTORY_H
#define TICKETS_INVENTORY_H

#include <stdatomic.h>

#include "store/writer.h"
#include "tickets/event.h"
#include "tickets/kept_answer.h"
#include "tickets/layout.h"
#include "tickets/limits.h"

enum seat_state {
    SEAT_FREE = 0,
    SEAT_HELD = 1,
    SEAT_BOOKED = 2,
    SEAT_BLOCKED = 3
};

#define PRICE_NONE (-1)

struct event_model {
    struct event event; /* strings in arena; immutable */
    struct layout *layout;
    int64_t prices[64];                 /* by category_no; PRICE_NONE: not for sale */
    _Atomic uint8_t *seats;             /* enum seat_state by seat_no */
    _Atomic int32_t *section_available; /* free seats with a price, by section_no */
    _Atomic int32_t *area_available;    /* by index in areas */
    /* Free seats with a price by category_no. */
    _Atomic int32_t category_available[PLAN_CATEGORIES_MAX];
    /* What requests under way ask for (best.h): seats, 1 each; places of areas by index. And until when,
     * in ticks, seats are known to be gone to other nodes; NULL where there are none. Requests that
     * wait for what others ask for, in places. */
    pthread_mutex_t asked_lock; /* held while places are picked and marked */
    _Atomic uint8_t *asked_seats;
    _Atomic int32_t *asked_areas;
    _Atomic uint32_t *gone_until;
    _Atomic int64_t asked_waiting;
    /* Writer's thread: what its transaction of this number has given of areas. */
    uint64_t given_group;
    int32_t *given_areas;
    struct model_area {
        uint32_t area_no;
        struct str guid, name;
        uint32_t section_no, category_no, capacity;
    } * areas; /* of the event: plan's and added ones */
    uint32_t area_count;
    _Atomic int64_t available; /* free seats with a price and free area places */
    int64_t total;             /* seats with a price and area capacity */
    _Atomic int64_t version;   /* journal version of the event that the seats show (or newer) */
    /* Where a tail follows as well; else NULL and unused. Under change_lock: */
    pthread_mutex_t change_lock;
    int64_t *seat_versions, *area_versions; /* of the row that a place shows; 0: base_version */
    int64_t base_version;                   /* as loaded */
    /* Set before others see it: what was loaded knows of no journal row from here on. */
    int64_t seen_seq;
    _Atomic uint64_t changes; /* moves after every change of seats or counters */
    struct kept_slot kept_availability, kept_bits; /* by changes; see seatmap.h */
    struct str venue_name, venue_city, venue_country;
    struct arena arena;
    _Atomic int refs;
    _Atomic bool is_fresh; /* asked for since the search for an idle model last came by */
};

struct inventory;

ERR_MUST_USE enum err inventory_new(struct writer *writer, struct inventory **ret_inventory);
void inventory_free(struct inventory *inventory);
/* Only tests change it from LAYOUT_SEATS_MAX; before anything is loaded. */
void inventory_set_seats_max(struct inventory *inventory, uint64_t seats_max);
/* The model if it is in memory, with a reference; else NULL. Any thread, does not block. */
struct event_model *inventory_get(struct inventory *inventory, uint64_t event_id);
/* Loads it when it is not there. Pool threads only (waits for the writer). ERR_NOT_FOUND. */
ERR_MUST_USE enum err inventory_load(struct inventory *inventory, struct db *db, uint64_t event_id,
                                     struct event_model **ret_model);
/* The database has shown that this one is out of date: the next request loads it anew. Any thread. */
void inventory_forget(struct inventory *inventory, const struct event_model *model);
void event_model_unref(struct event_model *model); /* NULL is fine */
/* Index in model->areas, or -1. */
int event_model_find_area(const struct event_model *model, struct str guid);
int event_model_area_index(const struct event_model *model, uint32_t area_no);

/* What one journal row has changed. */
struct places_change {
    int64_t version;       /* the row's */
    enum seat_state state; /* of these seats from now on */
    const uint32_t *seat_nos;
    size_t seat_count;
    struct area_change {
        uint32_t area_no;
        int32_t free; /* places of it from now on */
    } areas[BOOKING_PLACES_MAX];
    size_t area_count;
};
/* Staged by whoever changes claims, in the job that changes them; copies. Readers see the version
 * only behind all of the change, because answers are cached by it. */
ERR_MUST_USE enum err inventory_stage_places(struct inventory *inventory, struct writer_tx *tx,
                                             uint64_t event_id, const struct places_change *change);
/* The event or its areas or prices changed: forget the model. */
ERR_MUST_USE enum err inventory_stage_drop(struct inventory *inventory, struct writer_tx *tx,
                                           uint64_t event_id);

/* --- For the tail; one thread --- */

/* From now on a tail follows as well. Before anything is loaded. */
void inventory_set_followed(struct inventory *inventory);
/* The next row of an event that the tail has read, whoever wrote it; without places too, so that the
 * version moves on. */
void inventory_follow(struct inventory *inventory, uint64_t event_id,
                      const struct places_change *change);
/* The same for a row that changed more than places: forgets a model that is older. */
void inventory_follow_edit(struct inventory *inventory, uint64_t event_id, int64_t version);
/* What memory shows may be wrong: forgets all models, also those that are being loaded. Any thread. */
void inventory_drop_all(struct inventory *inventory);

#endif
