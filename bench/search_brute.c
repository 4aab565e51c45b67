/*
 * Brute force; see search_brute.h.
 *
 * Every word that occurs anywhere is a number (a token). A query marks the tokens that are or begin
 * with its words; then each event's tokens are looked up in those marks, field by field. The rules
 * are those of search_text.h: grades, then dates.
 */
#include "search_brute.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fold.h"
#include "base/ids.h"
#include "base/map.h"
#include "cities.h"
#include "tickets/search_geo.h"
#include "tickets/search_text.h"

#define TOKENS_MAX      (CATALOGUE_WORDS_MAX + 2000)
#define CITY_TOKENS_MAX 4
#define PREFIX_MARK     0x80
#define MM_PER_KM       1e6

enum grade {
    IS_NAME,
    IS_TITLE,
    IS_TEXT,
    IS_PREFIX,
    IS_NONE
};

struct brute {
    const struct catalogue *catalogue;
    struct map index; /* hash of the text to its token */
    size_t token_count;
    char (*tokens)[CATALOGUE_WORD_SIZE];
    uint16_t *words, *kinds, *categories; /* tokens by number */
    uint16_t (*city_tokens)[CITY_TOKENS_MAX];
    uint8_t *city_token_counts;
    char (*city_keys)[2 * CATALOGUE_WORD_SIZE];
};

/* --- Tokens --- */

static enum err token_of(struct brute *brute, struct str text, uint16_t *ret_token)
{
    uintptr_t known;
    if (map_get(&brute->index, str_hash(text), &known)) {
        *ret_token = (uint16_t)known;
        return ERR_OK;
    }
    if (brute->token_count == TOKENS_MAX)
        return ERR_LIMIT;
    size_t token = brute->token_count++;
    enum err err = str_to_c(text, brute->tokens[token], CATALOGUE_WORD_SIZE);
    if (!err)
        err = map_put(&brute->index, str_hash(text), token);
    *ret_token = (uint16_t)token;
    return err;
}

static enum err add_city(struct brute *brute, size_t index, struct arena *arena)
{
    struct str key = fold_text(arena, str_from_c(cities[index].name));
    enum err err = str_to_c(key, brute->city_keys[index], sizeof(brute->city_keys[index]));
    while (!err && key.len > 0) {
        uint8_t *count = &brute->city_token_counts[index];
        struct str word = str_split(&key, ' ');
        if (*count == CITY_TOKENS_MAX)
            return ERR_LIMIT;
        err = token_of(brute, word, &brute->city_tokens[index][(*count)++]);
    }
    return err;
}

static enum err add_tokens(struct brute *brute)
{
    const struct catalogue *catalogue = brute->catalogue;
    struct arena arena;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < catalogue->word_count; i++)
        err = token_of(brute, str_from_c(catalogue->words[i]), &brute->words[i]);
    for (size_t i = 0; !err && i < catalogue_venue_kind_count; i++)
        err = token_of(brute, str_from_c(catalogue_venue_kinds[i]), &brute->kinds[i]);
    for (size_t i = 0; !err && i < catalogue_category_count; i++)
        err = token_of(brute, str_from_c(catalogue_categories[i]), &brute->categories[i]);
    arena_init(&arena, 1u << 20);
    for (size_t i = 0; !err && i < city_count; i++)
        err = add_city(brute, i, &arena);
    arena_release(&arena);
    return err;
}

enum err brute_new(const struct catalogue *catalogue, struct brute **ret_brute)
{
    struct brute *brute = calloc(1, sizeof(*brute));
    if (!brute)
        return ERR_NOMEM;
    brute->catalogue = catalogue;
    map_init(&brute->index, TOKENS_MAX);
    brute->tokens = calloc(TOKENS_MAX, sizeof(*brute->tokens));
    brute->words = calloc(catalogue->word_count, sizeof(*brute->words));
    brute->kinds = calloc(catalogue_venue_kind_count, sizeof(*brute->kinds));
    brute->categories = calloc(catalogue_category_count, sizeof(*brute->categories));
    brute->city_tokens = calloc(city_count, sizeof(*brute->city_tokens));
    brute->city_token_counts = calloc(city_count, sizeof(*brute->city_token_counts));
    brute->city_keys = calloc(city_count, sizeof(*brute->city_keys));
    bool has_all = brute->tokens && brute->words && brute->kinds && brute->categories &&
                   brute->city_tokens && brute->city_token_counts && brute->city_keys;
    enum err err = has_all ? add_tokens(brute) : ERR_NOMEM;
    if (err) {
        brute_free(brute);
        return err;
    }
    *ret_brute = brute;
    return ERR_OK;
}

void brute_free(struct brute *brute)
{
    if (!brute)
        return;
    map_release(&brute->index);
    free(brute->tokens);
    free(brute->words);
    free(brute->kinds);
    free(brute->categories);
    free(brute->city_tokens);
    free(brute->city_token_counts);
    free(brute->city_keys);
    free(brute);
}

/* --- Matching --- */

struct look {
    const struct brute *brute;
    const struct ask *ask;
    int64_t from_ms, to_ms;
    uint8_t *marks; /* by token: which words it is, and whether it begins with the last */
    uint8_t all;    /* every word */
};

static void mark_tokens(struct look *look)
{
    const struct brute *brute = look->brute;
    const struct ask *ask = look->ask;
    look->all = (uint8_t)((1u << ask->word_count) - 1);
    for (size_t token = 0; token < brute->token_count; token++) {
        struct str text = str_from_c(brute->tokens[token]);
        for (size_t i = 0; i < ask->word_count; i++) {
            struct str word = str_from_c(ask->words[i]);
            if (str_eq(text, word))
                look->marks[token] |= (uint8_t)(1u << i);
            if (i + 1 == ask->word_count && str_starts_with(text, word))
                look->marks[token] |= PREFIX_MARK;
        }
    }
}

static uint8_t marks_of(const struct look *look, const uint16_t *words, size_t count)
{
    uint8_t marks = 0;
    for (size_t i = 0; i < count; i++)
        marks |= look->marks[look->brute->words[words[i]]];
    return marks;
}

static uint8_t marks_of_place(const struct look *look, const struct catalogue_event *event)
{
    const struct brute *brute = look->brute;
    const struct catalogue_venue *venue = &brute->catalogue->venues[event->venue];
    uint8_t marks = look->marks[brute->words[venue->word]] |
                    look->marks[brute->kinds[venue->kind]] |
                    look->marks[brute->categories[event->category]];
    for (size_t i = 0; i < brute->city_token_counts[venue->city]; i++)
        marks |= look->marks[brute->city_tokens[venue->city][i]];
    return marks;
}

static enum grade grade_of(const struct look *look, const struct catalogue_event *event)
{
    uint8_t marks = marks_of(look, event->name, event->name_count);
    if ((marks & look->all) == look->all)
        return IS_NAME;
    marks |= marks_of_place(look, event);
    if ((marks & look->all) == look->all)
        return IS_TITLE;
    uint8_t others = look->all >> 1; /* all words but the last */
    bool is_prefix = (marks & PREFIX_MARK) && (marks & others) == others;
    marks |= marks_of(look, event->text, event->text_count);
    if ((marks & look->all) == look->all)
        return IS_TEXT;
    return is_prefix ? IS_PREFIX : IS_NONE;
}

static bool is_filtered(const struct look *look, const struct catalogue_event *event)
{
    const struct brute *brute = look->brute;
    const struct ask *ask = look->ask;
    const struct catalogue_venue *venue = &brute->catalogue->venues[event->venue];
    return event->starts_at < look->from_ms || event->starts_at >= look->to_ms ||
           (ask->category >= 0 && event->category != ask->category) ||
           (ask->city >= 0 &&
            strcmp(brute->city_keys[venue->city], brute->city_keys[ask->city]) != 0);
}

/* Fills in rank and venue; false: no match. */
static bool match(const struct look *look, const struct catalogue_event *event,
                  struct brute_hit *hit, enum grade *ret_grade)
{
    const struct ask *ask = look->ask;
    const struct catalogue_venue *venue = &look->brute->catalogue->venues[event->venue];
    *ret_grade = IS_NAME;
    if (is_filtered(look, event))
        return false;
    if (ask->has_near) {
        double km = geo_distance_km((struct geo_point){ask->lat, ask->lon},
                                    (struct geo_point){venue->lat, venue->lon});
        if (km > ask->radius_km)
            return false;
        hit->rank = (int64_t)llround(km * MM_PER_KM);
        hit->venue = ask->word_count > 0 ? 0 : venue->id;
    }
    if (ask->word_count > 0)
        *ret_grade = grade_of(look, event);
    if (!ask->has_near)
        hit->rank = *ret_grade;
    return *ret_grade != IS_NONE;
}

static int compare_hits(const void *left, const void *right)
{
    const struct brute_hit *a = left, *b = right;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->venue != b->venue)
        return a->venue < b->venue ? -1 : 1;
    return (a->starts_s > b->starts_s) - (a->starts_s < b->starts_s);
}

/* With a place, beginnings of words count only where nothing has the words themselves. */
static void drop_beginnings(struct brute_answer *answer, const enum grade *grades)
{
    size_t kept = 0;
    bool has_whole = false;
    for (size_t i = 0; i < answer->count; i++)
        has_whole = has_whole || grades[i] != IS_PREFIX;
    for (size_t i = 0; i < answer->count; i++) {
        if (!has_whole || grades[i] != IS_PREFIX)
            answer->hits[kept++] = answer->hits[i];
    }
    answer->count = kept;
}

static void walk(const struct look *look, struct brute_answer *answer, enum grade *grades)
{
    const struct catalogue *catalogue = look->brute->catalogue;
    for (size_t i = 0; i < catalogue->event_count; i++) {
        const struct catalogue_event *event = &catalogue->events[i];
        struct brute_hit hit = {.event = (uint32_t)i, .starts_s = event->starts_at / 1000};
        enum grade grade;
        if (!match(look, event, &hit, &grade))
            continue;
        grades[answer->count] = grade;
        answer->hits[answer->count++] = hit;
    }
}

enum err brute_search(const struct brute *brute, const struct ask *ask, int64_t from_ms,
                      struct brute_answer *ret_answer)
{
    size_t events = brute->catalogue->event_count;
    struct brute_answer answer = {.hits = calloc(events, sizeof(*answer.hits))};
    enum grade *grades = calloc(events, sizeof(*grades));
    struct look look = {.brute = brute,
                        .ask = ask,
                        .from_ms = ask->from_ms ? ask->from_ms : from_ms,
                        .to_ms = ask->to_ms ? ask->to_ms : INT64_MAX,
                        .marks = calloc(TOKENS_MAX, 1)};
    enum err err = answer.hits && grades && look.marks ? ERR_OK : ERR_NOMEM;
    if (!err) {
        mark_tokens(&look);
        walk(&look, &answer, grades);
        if (ask->has_near && ask->word_count > 0)
            drop_beginnings(&answer, grades);
        qsort(answer.hits, answer.count, sizeof(answer.hits[0]), compare_hits);
    }
    free(look.marks);
    free(grades);
    if (err)
        free(answer.hits);
    else
        *ret_answer = answer;
    return err;
}

/* --- Comparing --- */

/* The hit of that event among those that are alike hits[at], and not used up. */
static bool take_alike(const struct catalogue *catalogue, struct brute_answer *answer, size_t at,
                       uint64_t id)
{
    size_t begin = at, end = at;
    while (begin > 0 && compare_hits(&answer->hits[begin - 1], &answer->hits[at]) == 0)
        begin--;
    while (end < answer->count && compare_hits(&answer->hits[end], &answer->hits[at]) == 0)
        end++;
    for (size_t i = begin; i < end; i++) {
        uint32_t *event = &answer->hits[i].event;
        if (*event != UINT32_MAX && catalogue->events[*event].id == id) {
            *event = UINT32_MAX; /* found once: a second time would be wrong */
            return true;
        }
    }
    return false;
}

bool brute_check(const struct brute *brute, struct brute_answer *answer, size_t first,
                 const uint64_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (first + i < answer->count && take_alike(brute->catalogue, answer, first + i, ids[i]))
            continue;
        fprintf(stderr, "hit %zu of %zu is not the right one\n", first + i, answer->count);
        return false;
    }
    return true;
}
