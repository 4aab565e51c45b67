/* Words of a search, and the expression that the word index understands. Pure functions, any thread. */
#ifndef TICKETS_SEARCH_TEXT_H
#define TICKETS_SEARCH_TEXT_H

#include "base/buf.h"

#define SEARCH_WORDS_MAX 10
#define SEARCH_WORD_MAX  64 /* bytes; what is longer is cut at a character */

struct search_words {
    size_t count;
    struct str items[SEARCH_WORDS_MAX]; /* borrowed from the text */
};

/* Splits at spaces and leaves out what has neither letter nor digit; words beyond the maximum are
 * dropped. */
void search_words_split(struct str text, struct search_words *ret_words);

/*
 * How well an event matches, best first. In each grade events are in order of date, so a search is
 * a walk over four lists and nothing is scored: with a million events, scoring a common word costs
 * ten times what the whole answer may.
 */
enum search_grade {
    GRADE_NAME,   /* all words in the name */
    GRADE_TITLE,  /* all words in name, venue, city and category together */
    GRADE_TEXT,   /* all words anywhere, the description too */
    GRADE_PREFIX, /* in the title, the last word being the beginning of one */
    GRADES,
};

struct search_terms {
    struct search_words words;
    struct str city_key, category; /* as filters; empty: none */
    struct str cells;              /* ready list of cells: "g45012 OR g45013"; empty: none */
};

/* The expression of a grade, without what better grades have; what GRADE_TEXT has must be left out
 * of GRADE_PREFIX by the caller, by search_expression_whole. False: this grade can't have any (a last
 * word of one letter is no beginning). Words are quoted, so nothing a user types is syntax. */
bool search_expression(const struct search_terms *terms, enum search_grade grade,
                       struct buf *expression);
/* A venue as a word of the index: "v" and its id in sixteen digits. */
#define SEARCH_VENUE_WORD_SIZE 18
void search_venue_word(uint64_t venue_id, char ret_word[static SEARCH_VENUE_WORD_SIZE]);
/* All words anywhere, whatever the grade; with the filters or without. */
void search_expression_whole(const struct search_terms *terms, bool has_filters,
                             struct buf *expression);

#endif
