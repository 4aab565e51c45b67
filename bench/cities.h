/* Real cities: where the events of a catalogue take place. */
#ifndef BENCH_CITIES_H
#define BENCH_CITIES_H

#include <stddef.h>

struct city {
    const char *name, *country;
    double lat, lon;
    unsigned population_k; /* thousands, of the urban area, rounded: only a weight */
};

extern const struct city cities[];
extern const size_t city_count;

#endif
