/*
 * The static map of an event: sections, rows, seats and areas as JSON, plain and compressed,
 * rendered once and kept with the layout for as long as the layout lives. Events with the same
 * areas share one.
 */
#ifndef TICKETS_SEATMAP_H
#define TICKETS_SEATMAP_H

#include "base/json.h"
#include "tickets/inventory.h"

#define SEATMAP_VERSION_SIZE 40
#define SEATMAP_KEY_SIZE     16

struct seatmap {
    struct seatmap *next;
    uint8_t key[SEATMAP_KEY_SIZE];      /* hash over the areas */
    char version[SEATMAP_VERSION_SIZE]; /* changes whenever the bytes do: the ETag */
    struct buf json;
    struct buf gzip;
};

/* The kept map of the event, or NULL. Any thread; valid as long as the model's layout is held. */
const struct seatmap *seatmap_get(const struct event_model *model);
/* Renders and keeps it unless it is there. Pool threads: tens of milliseconds. ERR_NOMEM.
 * ret_is_kept is false when the layout has too many maps already (events with areas of their own):
 * then the map is the caller's, to be freed with seatmap_free_all. */
ERR_MUST_USE enum err seatmap_render(const struct event_model *model, struct seatmap **ret_map,
                                     bool *ret_is_kept);
/* The version without rendering. ERR_NOMEM. */
ERR_MUST_USE enum err seatmap_version(const struct event_model *model,
                                      char ret_version[static SEATMAP_VERSION_SIZE]);
/* With the layout. */
void seatmap_free_all(struct seatmap *seatmap);

/* State of a seat as buyers see it: what has no price is blocked to them. */
enum seat_state seatmap_seat_state(const struct event_model *model, uint32_t seat_no);
/* {version,sections:[...],areas:[...]} */
void seatmap_availability_json(const struct event_model *model, struct buf *body);
/* The same, and the bits of all seats: made once for each state of the model, shared by everybody.
 * The caller's reference; NULL when out of memory. model: only what is kept changes. */
struct kept_answer *seatmap_availability(struct event_model *model);
struct kept_answer *seatmap_all_bits(struct event_model *model);
/* {version,seats:[{id,status}]} of seat_first up to seat_end. */
void seatmap_seats_json(const struct event_model *model, uint32_t seat_first, uint32_t seat_end,
                        struct buf *body);
/* Two bits a seat, four to a byte, the first in the lowest bits. */
void seatmap_seats_bits(const struct event_model *model, uint32_t seat_first, uint32_t seat_end,
                        struct buf *body);

#endif
