/* Venues: reusable places with a seating plan. Rules and JSON; SQL is in venue_store.c, the import
 * in venue_import_store.c. */
#ifndef TICKETS_VENUE_H
#define TICKETS_VENUE_H

#include "base/json.h"
#include "store/writer.h"
#include "tickets/plan.h"

struct venue {
    uint64_t id;
    uint64_t account_id; /* organizer */
    struct str name, city, country;
    double lat, lon;
    int64_t plan_version;
    int64_t created_at;
};

/* What a plan has, without its seats. */
struct venue_plan {
    int64_t section_count, seat_count, area_count, area_capacity;
    struct layout_category *categories;
    uint32_t category_count;
    int64_t category_seats[64]; /* by category_no */
};

/* Strings are copied to the arena. ERR_NOT_FOUND. */
ERR_MUST_USE enum err venue_load(struct db *db, uint64_t venue_id, struct arena *arena,
                                 struct venue *ret_venue);
/* Categories and counts of a plan; counts of seats by category cost a walk over the plan's seats.
 * ERR_NOT_FOUND. */
ERR_MUST_USE enum err venue_plan_load(struct db *db, uint64_t venue_id, int64_t plan_version,
                                      struct arena *arena, struct venue_plan *ret_plan);
/* The categories alone: names and colors in order of category_no. */
ERR_MUST_USE enum err venue_categories_load(struct db *db, uint64_t venue_id, int64_t plan_version,
                                            struct arena *arena,
                                            struct layout_category **ret_categories,
                                            uint32_t *ret_count);
/* The same counts from a plan that was just parsed. */
void venue_plan_count(const struct plan *plan, struct venue_plan *ret_plan);

/* {id,name,city,country,lat,lon} as it stands in an event. */
void venue_write_brief(struct json_writer *writer, const struct venue *venue);
/* The venue's own document; plan may be NULL (lists). */
void venue_write(struct json_writer *writer, const struct venue *venue,
                 const struct venue_plan *plan);

/* Newest first below before_id (0: from the newest); account_id: only its own, unless is_admin. */
struct venue_query {
    uint64_t account_id;
    bool is_admin;
    uint64_t before_id;
    int64_t limit;
};
ERR_MUST_USE enum err venue_list(struct db *db, const struct venue_query *query,
                                 struct arena *arena, struct venue *ret_venues, size_t *ret_count);

/* In a job's apply: the last step of an import; from here on the venue and its plan exist. */
ERR_MUST_USE enum err venue_insert(struct db *db, const struct venue *venue,
                                   const struct plan *plan);

/* Binds x and y from index on, NULL for a point that is not given. */
void venue_bind_focus(struct db_stmt *stmt, int index, struct layout_focus focus);

/* Writes the rows of a plan in small jobs that let waiting requests pass; nobody sees them before
 * venue_insert. Not on the writer thread; blocks until all are on disk. What a crash leaves behind
 * is removed by venue_remove_orphans. */
ERR_MUST_USE enum err venue_import_plan(struct writer *writer, uint64_t venue_id,
                                        int64_t plan_version, const struct plan *plan);
/* At start, before requests: deletes plan rows that no venue owns and whose import began before this
 * time (INT64_MAX: whenever): what is younger may be an import that runs on another node. */
ERR_MUST_USE enum err venue_remove_orphans(struct writer *writer, int64_t before_ms);

#endif
