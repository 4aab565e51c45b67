/*
 * A venue's seating plan in memory: immutable once loaded, shared by all events on it, reference
 * counted. Seats are numbered from 0 in layout order (zone, row, seat as the plan has them), so a
 * section's seats are contiguous.
 */
#ifndef TICKETS_LAYOUT_H
#define TICKETS_LAYOUT_H

#include "base/arena.h"
#include "base/map.h"
#include "store/db.h"

struct layout_seat {
    struct str guid; /* the seat's id in the API */
    struct str row;
    struct str number;
    uint32_t section_no;
    uint32_t category_no;
    float x, y; /* absolute, in the plan's units */
    bool is_accessible;
};

struct layout_section {
    struct str name;
    uint32_t seat_first;
    uint32_t seat_count;
};

/* Where people of a plan or a category want to sit near. */
struct layout_focus {
    float x, y;
    bool is_given; /* by the plan; else the rows say it (best.h) */
};

struct layout_category {
    struct str name;
    struct str color; /* "#rrggbb" */
    struct layout_focus focus;
};

struct layout_area {
    struct str guid;
    struct str name;
    uint32_t section_no;
    uint32_t category_no;
    uint32_t capacity;
    float x, y, width, height;
};

/* Section of an area that an organizer added to an event without saying where it lies. */
#define SECTION_NONE UINT32_MAX

struct seatmap;
struct best_rows;

struct layout {
    uint64_t venue_id;
    int64_t plan_version;
    uint32_t seat_count, section_count, category_count, area_count;
    struct layout_seat *seats;
    struct layout_section *sections;
    struct layout_category *categories;
    struct layout_area *areas;
    float width, height;
    struct layout_focus focus;
    double lat, lon;          /* of the venue */
    uint8_t *seat_categories; /* category_no by seat_no: what loops over all seats read */
    uint32_t *section_seats;  /* seats by section_no * category_count + category_no */
    _Atomic(struct seatmap *)
        seatmaps; /* rendered maps of it, newest first (seatmap.c); freed with the layout */
    struct best_rows *best;  /* the plan as parties see it */
    struct map seat_by_guid; /* str_hash(guid) to seat_no + 1; compare the guid */
    struct arena arena;
    _Atomic int refs;
};

/* Reads a plan from venue_seat and its neighbours; the caller gets one reference. ERR_NOT_FOUND.
 * Pool or start-up thread. */
ERR_MUST_USE enum err layout_load(struct db *db, uint64_t venue_id, int64_t plan_version,
                                  struct layout **ret_layout);
struct layout *layout_ref(struct layout *layout);
void layout_unref(struct layout *layout); /* NULL is fine */
/* Any thread. False when there is none of that id. */
bool layout_find_seat(const struct layout *layout, struct str guid, uint32_t *ret_seat_no);
bool layout_find_category(const struct layout *layout, struct str name, uint32_t *ret_category_no);
/* "" for SECTION_NONE. */
struct str layout_section_name(const struct layout *layout, uint32_t section_no);

#endif
