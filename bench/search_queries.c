/* Queries and their paths; see search_queries.h. */
#include "search_queries.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cities.h"

#define QUERY_ZIPF 1.0
#define WEEKENDS   26
#define FAR_MS     INT64_C(4102444800000) /* 2100: later than any event */
#define BLANK_MS   60000 /* events start at quarter hours: none in the minute before */

const char *const ask_class_names[ASK_CLASSES] = {"date",       "city", "category",   "words",
                                                  "words_city", "near", "near_words", "page"};
static const unsigned shares[ASK_CLASSES] = {10, 22, 13, 25, 10, 10, 5, 5};

static bool chance(uint64_t *state, unsigned one_in)
{
    return catalogue_random(state) % one_in == 0;
}

static void add_weekend(const struct catalogue *catalogue, struct ask *ask, uint64_t *state)
{
    int64_t week = (int64_t)(WEEKENDS * pow(catalogue_fraction(state), 2));
    ask->from_ms = catalogue->first_ms + (week * 7 + 4) * CATALOGUE_DAY_MS;
    ask->to_ms = ask->from_ms + 3 * CATALOGUE_DAY_MS;
}

static void add_city(const struct catalogue *catalogue, struct ask *ask, uint64_t *state)
{
    ask->city = (int)zipf_pick(catalogue->city_zipf, catalogue_fraction(state));
}

static void add_category(struct ask *ask, uint64_t *state)
{
    ask->category = (int)(catalogue_random(state) % catalogue_category_count);
}

/* Words as they occur, so a few common ones and a long tail; a third of the last ones is not typed
 * to its end. */
static void add_words(const struct catalogue *catalogue, struct ask *ask, uint64_t *state)
{
    ask->word_count = chance(state, 10) ? 3 : chance(state, 3) ? 2 : 1;
    for (size_t i = 0; i < ask->word_count; i++) {
        size_t word = zipf_pick(catalogue->word_zipf, catalogue_fraction(state));
        snprintf(ask->words[i], CATALOGUE_WORD_SIZE, "%s", catalogue->words[word]);
    }
    char *last = ask->words[ask->word_count - 1];
    if (chance(state, 3) && strlen(last) > 3)
        last[2 + catalogue_random(state) % (strlen(last) - 2)] = '\0';
}

static void add_near(const struct catalogue *catalogue, struct ask *ask, uint64_t *state)
{
    static const double radii[] = {10, 50, 50, 200};
    const struct city *city = &cities[zipf_pick(catalogue->city_zipf, catalogue_fraction(state))];
    ask->has_near = true;
    ask->lat = round((city->lat + catalogue_fraction(state) * 0.2 - 0.1) * 100) / 100;
    ask->lon = round((city->lon + catalogue_fraction(state) * 0.2 - 0.1) * 100) / 100;
    ask->radius_km = radii[catalogue_random(state) % 4];
}

static enum ask_class pick_class(uint64_t *state)
{
    unsigned percent = (unsigned)(catalogue_random(state) % 100);
    int class = 0;
    while (percent >= shares[class])
        percent -= shares[class ++];
    return (enum ask_class) class;
}

static void fill(const struct catalogue *catalogue, struct ask *ask, enum ask_class class,
                 uint64_t *state)
{
    switch (class) {
    case ASK_DATE:
        if (!chance(state, 4))
            add_weekend(catalogue, ask, state);
        break;
    case ASK_CITY:
        add_city(catalogue, ask, state);
        if (chance(state, 2))
            add_weekend(catalogue, ask, state);
        break;
    case ASK_CATEGORY:
        add_category(ask, state);
        if (chance(state, 3))
            add_city(catalogue, ask, state);
        if (chance(state, 3))
            add_weekend(catalogue, ask, state);
        break;
    case ASK_WORDS:
        add_words(catalogue, ask, state);
        break;
    case ASK_WORDS_CITY:
        add_words(catalogue, ask, state);
        add_city(catalogue, ask, state);
        break;
    case ASK_NEAR_WORDS:
        add_words(catalogue, ask, state);
        add_near(catalogue, ask, state);
        break;
    default:
        add_near(catalogue, ask, state);
    }
}

static struct ask make_ask(const struct catalogue *catalogue, size_t rank)
{
    uint64_t state = rank ^ UINT64_C(0x61736b);
    struct ask ask = {.class = pick_class(&state), .city = -1, .category = -1};
    if (ask.class != ASK_PAGE) {
        fill(catalogue, &ask, ask.class, &state);
        return ask;
    }
    fill(catalogue, &ask, (enum ask_class)(catalogue_random(&state) % ASK_PAGE), &state);
    ask.page = 1 + (unsigned)(catalogue_random(&state) % 5);
    return ask;
}

enum err asks_make(const struct catalogue *catalogue, size_t count, struct asks *ret_asks)
{
    struct asks asks = {.count = count, .items = calloc(count, sizeof(*asks.items))};
    asks.zipf = zipf_new(count, QUERY_ZIPF);
    if (!asks.items || !asks.zipf) {
        asks_release(&asks);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++)
        asks.items[i] = make_ask(catalogue, i);
    *ret_asks = asks;
    return ERR_OK;
}

void asks_release(struct asks *asks)
{
    free(asks->items);
    zipf_free(asks->zipf);
    *asks = (struct asks){0};
}

const struct ask *asks_pick(const struct asks *asks, uint64_t *state)
{
    return &asks->items[zipf_pick(asks->zipf, catalogue_fraction(state))];
}

/* --- Paths --- */

static void put_words(struct buf *path, const struct ask *ask)
{
    for (size_t i = 0; i < ask->word_count; i++)
        buf_printf(path, "%s%s", i ? "+" : "&q=", ask->words[i]);
}

static void put_city(struct buf *path, const char *city)
{
    buf_append_str(path, STR("&city="));
    for (const unsigned char *at = (const unsigned char *)city; *at; at++) {
        if (*at == ' ' || *at >= 0x80)
            buf_printf(path, "%%%02X", *at);
        else
            buf_append_char(path, (char)*at);
    }
}

static void put_time(struct buf *path, const char *name, int64_t at_ms)
{
    char text[CLOCK_TEXT_SIZE];
    clock_format(at_ms, text);
    buf_printf(path, "&%s=%s", name, text);
}

struct str ask_path(const struct ask *ask, uint64_t unique, int64_t from_ms,
                    char ret_path[static ASK_PATH_SIZE])
{
    struct buf path;
    buf_init(&path, ASK_PATH_SIZE - 1);
    buf_append_str(&path, STR("/v1/events?limit=50"));
    put_words(&path, ask);
    if (ask->city >= 0)
        put_city(&path, cities[ask->city].name);
    if (ask->category >= 0)
        buf_printf(&path, "&category=%s", catalogue_categories[ask->category]);
    if (ask->has_near)
        buf_printf(&path, "&near=%.2f,%.2f&radius_km=%.0f", ask->lat, ask->lon, ask->radius_km);
    if (ask->from_ms || from_ms)
        put_time(&path, "from", ask->from_ms ? ask->from_ms : from_ms);
    if (unique) /* before the end that was asked for, or after all that there is */
        put_time(&path, "to",
                 ask->to_ms ? ask->to_ms - (int64_t)(unique % BLANK_MS)
                            : FAR_MS + (int64_t)(unique % CATALOGUE_DAY_MS));
    else if (ask->to_ms)
        put_time(&path, "to", ask->to_ms);
    if (ask->cursor[0])
        buf_printf(&path, "&cursor=%s", ask->cursor);
    size_t len = path.len;
    memcpy(ret_path, path.data, len);
    buf_release(&path);
    return str_from(ret_path, len);
}
