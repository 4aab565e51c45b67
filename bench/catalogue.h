/*
 * A catalogue of made-up events in real cities, the same for the same size: what search is measured
 * on. It is kept as numbers, so that every answer can be compared with a walk over all events.
 *
 * Shape: 423 cities, chosen by population; a venue for every 50 events, a few kilometres around its
 * city's center; venues and words of names and descriptions by Zipf's law; starts over two years at
 * the quarter hours of afternoon and evening, fewer the further away.
 */
#ifndef BENCH_CATALOGUE_H
#define BENCH_CATALOGUE_H

#include <stdint.h>

#include "base/str.h"

#define CATALOGUE_DAYS      730
#define CATALOGUE_NAME_MAX  5
#define CATALOGUE_TEXT_MAX  24
#define CATALOGUE_WORDS_MAX 24000
#define CATALOGUE_WORD_SIZE 24
#define CATALOGUE_DAY_MS    INT64_C(86400000)

struct zipf;

struct catalogue_venue {
    uint64_t id;
    double lat, lon;
    uint16_t city;
    uint16_t word, kind;
};

struct catalogue_event {
    uint64_t id;
    int64_t starts_at;
    uint32_t venue;
    uint8_t category;
    uint8_t name_count, text_count;
    uint16_t name[CATALOGUE_NAME_MAX];
    uint16_t text[CATALOGUE_TEXT_MAX]; /* the description */
};

struct catalogue {
    int64_t first_ms; /* start of the first day */
    size_t event_count, venue_count;
    struct catalogue_event *events;
    struct catalogue_venue *venues;
    size_t word_count; /* of names and descriptions: most frequent first */
    char (*words)[CATALOGUE_WORD_SIZE];
    struct zipf *word_zipf, *city_zipf;
};

extern const char *const catalogue_categories[];
extern const size_t catalogue_category_count;
extern const char *const catalogue_venue_kinds[]; /* a venue is called "<word> <kind>" */
extern const size_t catalogue_venue_kind_count;

/* Makes it anew; only first_ms is not fixed by the size. */
ERR_MUST_USE enum err catalogue_make(size_t events, int64_t first_ms, struct catalogue *catalogue);
void catalogue_release(struct catalogue *catalogue);
/* Writes venues, events, prices, areas and journal rows into the data directory's tickets.db, as
 * the service would have; before the server starts. */
ERR_MUST_USE enum err catalogue_write(const struct catalogue *catalogue, const char *directory);

/* Repeatable randomness, a state of its own each. */
uint64_t catalogue_random(uint64_t *state);
double catalogue_fraction(uint64_t *state); /* in [0, 1) */

/* Ranks by weight: 0 is the most frequent when the weights fall. */
struct zipf *zipf_new(size_t count, double exponent);
struct zipf *zipf_new_weights(size_t count, double (*weight)(size_t index));
size_t zipf_pick(const struct zipf *zipf, double fraction);
void zipf_free(struct zipf *zipf);

#endif
