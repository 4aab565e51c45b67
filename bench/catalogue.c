/* A catalogue from nothing but its size; see catalogue.h. */
#include "catalogue.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "cities.h"

#define EVENTS_PER_VENUE 50
#define FIRST_ID_MS      INT64_C(1735689600000) /* 2025: all ids lie in the past */
#define MADE_UP_WORDS    20000
#define KM_PER_DEGREE    111.2

/* Ordinary words of posters: the head of the distribution. */
static const char *const common_words[] = {
    "the",      "live",        "night",   "tour",       "festival",   "music",        "show",
    "summer",   "concert",     "new",     "best",       "rock",       "jazz",         "world",
    "band",     "orchestra",   "and",     "with",       "love",       "dance",        "open",
    "air",      "winter",      "gala",    "special",    "guest",      "acoustic",     "party",
    "club",     "session",     "tribute", "evening",    "pop",        "symphony",     "stars",
    "big",      "city",        "songs",   "story",      "blues",      "hits",         "original",
    "comedy",   "classic",     "soul",    "opera",      "christmas",  "weekend",      "festive",
    "spring",   "autumn",      "golden",  "electric",   "house",      "techno",       "hip",
    "hop",      "folk",        "metal",   "punk",       "indie",      "country",      "latin",
    "salsa",    "tango",       "swing",   "choir",      "quartet",    "trio",         "quintet",
    "piano",    "violin",      "guitar",  "drums",      "voices",     "dreams",       "fire",
    "moon",     "sun",         "river",   "mountain",   "ocean",      "sky",          "street",
    "garden",   "light",       "shadow",  "heart",      "king",       "queen",        "magic",
    "circus",   "ballet",      "swan",    "lake",       "nutcracker", "final",        "match",
    "league",   "cup",         "derby",   "basketball", "football",   "hockey",       "tennis",
    "marathon", "run",         "race",    "grand",      "prix",       "championship", "expo",
    "fair",     "summit",      "forum",   "talk",       "stand",      "up",           "laugh",
    "improv",   "family",      "kids",    "puppet",     "fairy",      "tale",         "ice",
    "musical",  "drama",       "theatre", "premiere",   "film",       "cinema",       "screening",
    "director", "anniversary", "reunion", "farewell",   "unplugged",  "remix",        "late",
    "early",    "matinee",     "charity", "benefit",
};
#define COMMON_WORDS (sizeof(common_words) / sizeof(common_words[0]))

const char *const catalogue_venue_kinds[] = {"arena",  "hall",   "theatre", "club",     "stadium",
                                             "palace", "garden", "center",  "ballroom", "stage"};
const size_t catalogue_venue_kind_count =
    sizeof(catalogue_venue_kinds) / sizeof(catalogue_venue_kinds[0]);

const char *const catalogue_categories[] = {"concert",    "theatre",   "sport",  "comedy",
                                            "festival",   "classical", "family", "conference",
                                            "exhibition", "dance",     "film",   "workshop"};
const size_t catalogue_category_count =
    sizeof(catalogue_categories) / sizeof(catalogue_categories[0]);

/* --- Randomness --- */

uint64_t catalogue_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

double catalogue_fraction(uint64_t *state)
{
    return (double)(catalogue_random(state) >> 11) * 0x1p-53;
}

struct zipf {
    size_t count;
    double sums[]; /* cumulated, ending at 1 */
};

static struct zipf *zipf_sum(struct zipf *zipf)
{
    for (size_t i = 1; i < zipf->count; i++)
        zipf->sums[i] += zipf->sums[i - 1];
    for (size_t i = 0; i < zipf->count; i++)
        zipf->sums[i] /= zipf->sums[zipf->count - 1];
    return zipf;
}

static struct zipf *zipf_alloc(size_t count)
{
    struct zipf *zipf = calloc(1, sizeof(*zipf) + count * sizeof(zipf->sums[0]));
    if (zipf)
        zipf->count = count;
    return zipf;
}

struct zipf *zipf_new(size_t count, double exponent)
{
    struct zipf *zipf = zipf_alloc(count);
    for (size_t i = 0; zipf && i < count; i++)
        zipf->sums[i] = pow((double)i + 1, -exponent);
    return zipf ? zipf_sum(zipf) : NULL;
}

struct zipf *zipf_new_weights(size_t count, double (*weight)(size_t index))
{
    struct zipf *zipf = zipf_alloc(count);
    for (size_t i = 0; zipf && i < count; i++)
        zipf->sums[i] = weight(i);
    return zipf ? zipf_sum(zipf) : NULL;
}

size_t zipf_pick(const struct zipf *zipf, double fraction)
{
    size_t low = 0, high = zipf->count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (zipf->sums[middle] > fraction)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void zipf_free(struct zipf *zipf)
{
    free(zipf);
}

/* --- Words --- */

/* A pronounceable word for a number, no two alike: syllables of consonant and vowel, mixed so that
 * neighbours don't begin alike. */
static void make_up_word(size_t number, char *ret_word)
{
    static const char consonants[] = "bdfghjklmnprstvz", vowels[] = "aeiou";
    uint64_t mixed = (uint64_t)number * 314159 % 512000; /* 80 * 80 * 80, and coprime to it */
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        ret_word[at++] = consonants[mixed % 80 / 5];
        ret_word[at++] = vowels[mixed % 5];
        mixed /= 80;
    }
    if (number % 3 == 0)
        ret_word[at++] = "nrstlkmd"[number / 3 % 8];
    ret_word[at] = '\0';
}

static enum err make_words(struct catalogue *catalogue)
{
    catalogue->word_count = COMMON_WORDS + MADE_UP_WORDS;
    assert(catalogue->word_count <= CATALOGUE_WORDS_MAX);
    catalogue->words = calloc(catalogue->word_count, sizeof(*catalogue->words));
    if (!catalogue->words)
        return ERR_NOMEM;
    for (size_t i = 0; i < catalogue->word_count; i++) {
        if (i < COMMON_WORDS)
            snprintf(catalogue->words[i], CATALOGUE_WORD_SIZE, "%s", common_words[i]);
        else
            make_up_word(i, catalogue->words[i]);
    }
    return ERR_OK;
}

/* --- Venues and events --- */

static double city_weight(size_t index)
{
    return sqrt(
        (double)cities[index].population_k); /* large cities have more, but not by as much */
}

/* Around the center: most within five kilometres, the last ones within twenty. */
static void place_venue(uint64_t *state, struct catalogue_venue *venue)
{
    const struct city *city = &cities[venue->city];
    double km = 20 * pow(catalogue_fraction(state), 3),
           angle = catalogue_fraction(state) * 2 * M_PI;
    double lat = city->lat + km / KM_PER_DEGREE * sin(angle);
    double lon = city->lon + km / KM_PER_DEGREE * cos(angle) / cos(city->lat * M_PI / 180);
    venue->lat = round(lat * 1e5) / 1e5;
    venue->lon = round(lon * 1e5) / 1e5;
}

static void make_venue(struct catalogue *catalogue, size_t index)
{
    struct catalogue_venue *venue = &catalogue->venues[index];
    uint64_t state = index ^ UINT64_C(0x76656e7565);
    venue->id = id_at_ms(FIRST_ID_MS - 10000000 + (int64_t)index);
    venue->city = (uint16_t)zipf_pick(catalogue->city_zipf, catalogue_fraction(&state));
    venue->word = (uint16_t)zipf_pick(catalogue->word_zipf, catalogue_fraction(&state));
    venue->kind = (uint16_t)(catalogue_random(&state) % catalogue_venue_kind_count);
    place_venue(&state, venue);
}

static int64_t pick_start(const struct catalogue *catalogue, uint64_t *state)
{
    int64_t day = (int64_t)(CATALOGUE_DAYS * pow(catalogue_fraction(state), 1.5));
    int64_t quarter = 13 * 4 + (int64_t)(catalogue_random(state) % 20) +
                      (int64_t)(catalogue_random(state) % 20); /* 13:00 to 22:30, most at 18 h */
    return catalogue->first_ms + day * CATALOGUE_DAY_MS + quarter * 900000;
}

static void make_event(struct catalogue *catalogue, const struct zipf *venue_zipf, size_t index)
{
    struct catalogue_event *event = &catalogue->events[index];
    const struct zipf *words = catalogue->word_zipf;
    uint64_t state = index;
    event->id = id_at_ms(FIRST_ID_MS + (int64_t)index);
    event->starts_at = pick_start(catalogue, &state);
    /* Scattered, so that the busiest venue is anywhere. */
    size_t rank = zipf_pick(venue_zipf, catalogue_fraction(&state));
    event->venue = (uint32_t)(rank * 7919 % catalogue->venue_count);
    double category = pow(catalogue_fraction(&state), 2);
    event->category = (uint8_t)(category * (double)catalogue_category_count);
    event->name_count = (uint8_t)(2 + catalogue_random(&state) % (CATALOGUE_NAME_MAX - 1));
    for (size_t i = 0; i < event->name_count; i++)
        event->name[i] = (uint16_t)zipf_pick(words, catalogue_fraction(&state));
    event->text_count = (uint8_t)(8 + catalogue_random(&state) % (CATALOGUE_TEXT_MAX - 7));
    for (size_t i = 0; i < event->text_count; i++)
        event->text[i] = (uint16_t)zipf_pick(words, catalogue_fraction(&state));
}

enum err catalogue_make(size_t events, int64_t first_ms, struct catalogue *catalogue)
{
    size_t venues = events / EVENTS_PER_VENUE + 1;
    *catalogue =
        (struct catalogue){.first_ms = first_ms, .event_count = events, .venue_count = venues};
    enum err err = make_words(catalogue);
    if (err)
        return err;
    catalogue->events = calloc(events, sizeof(*catalogue->events));
    catalogue->venues = calloc(venues, sizeof(*catalogue->venues));
    catalogue->word_zipf = zipf_new(catalogue->word_count, 0.9);
    catalogue->city_zipf = zipf_new_weights(city_count, city_weight);
    struct zipf *venue_zipf = zipf_new(venues, 0.5);
    if (!catalogue->events || !catalogue->venues || !catalogue->word_zipf ||
        !catalogue->city_zipf || !venue_zipf) {
        zipf_free(venue_zipf);
        catalogue_release(catalogue);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < venues; i++)
        make_venue(catalogue, i);
    for (size_t i = 0; i < events; i++)
        make_event(catalogue, venue_zipf, i);
    zipf_free(venue_zipf);
    return ERR_OK;
}

void catalogue_release(struct catalogue *catalogue)
{
    free(catalogue->events);
    free(catalogue->venues);
    free(catalogue->words);
    zipf_free(catalogue->word_zipf);
    zipf_free(catalogue->city_zipf);
    *catalogue = (struct catalogue){0};
}
