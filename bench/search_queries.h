/*
 * What people ask the catalogue for: a set of queries of fixed shares, drawn by Zipf's law, so that
 * a few are asked all the time and most are rare.
 */
#ifndef BENCH_SEARCH_QUERIES_H
#define BENCH_SEARCH_QUERIES_H

#include "catalogue.h"

#define ASK_WORDS_MAX  3
#define ASK_PATH_SIZE  512
#define ASK_CURSOR_MAX 64

enum ask_class {
    ASK_DATE,     /* what is on: everything, or a weekend of the next half year */
    ASK_CITY,     /* a city, half of them with a weekend */
    ASK_CATEGORY, /* a category, a third with a city, a third with a weekend */
    ASK_WORDS,    /* one to three words, every third typed in part */
    ASK_WORDS_CITY,
    ASK_NEAR, /* 10, 50 or 200 km around somebody in a city */
    ASK_NEAR_WORDS,
    ASK_PAGE, /* the second to sixth page of one of the others */
    ASK_CLASSES,
};
extern const char *const ask_class_names[ASK_CLASSES];

struct ask {
    enum ask_class class;
    size_t word_count;
    char words[ASK_WORDS_MAX][CATALOGUE_WORD_SIZE];
    int city, category; /* -1: any */
    bool has_near;
    double lat, lon, radius_km;
    int64_t from_ms, to_ms; /* 0: from now, without end */
    unsigned page;          /* from 0 */
    char cursor[ASK_CURSOR_MAX];
};

struct asks {
    size_t count;
    struct ask *items; /* by rank: the first is asked most */
    struct zipf *zipf;
};

ERR_MUST_USE enum err asks_make(const struct catalogue *catalogue, size_t count,
                                struct asks *ret_asks);
void asks_release(struct asks *asks);
const struct ask *asks_pick(const struct asks *asks, uint64_t *state);

/* The request's path. unique not 0: also a time that changes nothing about the answer and makes
 * the query one that was never asked. from_ms not 0: instead of now where the query has none. */
struct str ask_path(const struct ask *ask, uint64_t unique, int64_t from_ms,
                    char ret_path[static ASK_PATH_SIZE]);

#endif
