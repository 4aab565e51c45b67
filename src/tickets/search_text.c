/* See search_text.h. The word index folds by itself (unicode61, accents removed). */
#include "tickets/search_text.h"

#include <inttypes.h>
#include <stdio.h>

#define TITLE_COLUMNS "{name venue city category}"
#define TEXT_COLUMNS  "{name description venue city category}"

static bool has_letter(struct str word)
{
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.data[i];
        if (c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
            return true;
    }
    return false;
}

static struct str cut_word(struct str word)
{
    if (word.len <= SEARCH_WORD_MAX)
        return word;
    size_t len = SEARCH_WORD_MAX;
    while (len > 0 && ((unsigned char)word.data[len] & 0xC0) == 0x80)
        len--;
    return str_sub(word, 0, len);
}

void search_words_split(struct str text, struct search_words *ret_words)
{
    ret_words->count = 0;
    for (size_t at = 0; at < text.len && ret_words->count < SEARCH_WORDS_MAX;) {
        size_t begin = at;
        while (at < text.len && (unsigned char)text.data[at] > ' ')
            at++;
        struct str word = str_sub(text, begin, at - begin);
        if (has_letter(word))
            ret_words->items[ret_words->count++] = cut_word(word);
        at++;
    }
}

static void put_quoted(struct buf *buf, struct str text)
{
    buf_append_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"')
            buf_append_char(buf, '"');
        buf_append_char(buf, text.data[i]);
    }
    buf_append_char(buf, '"');
}

/* columns : ("a" "b"), the last word as a beginning when is_prefix. Words side by side must all be
 * there, and one that holds nothing for the index (a lone dash of a foreign script) is passed over.
 */
static void put_words(struct buf *buf, const char *columns, const struct search_words *words,
                      bool is_prefix)
{
    buf_append_str(buf, str_from_c(columns));
    buf_append_str(buf, STR(" : ("));
    for (size_t i = 0; i < words->count; i++) {
        if (i > 0)
            buf_append_char(buf, ' ');
        put_quoted(buf, words->items[i]);
    }
    buf_append_str(buf, is_prefix ? STR(" *)") : STR(")"));
}

static void put_filters(struct buf *buf, const struct search_terms *terms)
{
    if (terms->city_key.len > 0) {
        buf_append_str(buf, STR(" AND city : "));
        put_quoted(buf, terms->city_key);
    }
    if (terms->category.len > 0) {
        buf_append_str(buf, STR(" AND category : "));
        put_quoted(buf, terms->category);
    }
    if (terms->cells.len > 0) {
        buf_append_str(buf, STR(" AND cell : ("));
        buf_append_str(buf, terms->cells);
        buf_append_char(buf, ')');
    }
}

static bool can_be_prefix(struct str word)
{
    size_t chars = 0;
    for (size_t i = 0; i < word.len; i++)
        chars += ((unsigned char)word.data[i] & 0xC0) != 0x80;
    unsigned char last = (unsigned char)word.data[word.len - 1];
    bool is_in_word = last >= 0x80 || has_letter(str_sub(word, word.len - 1, 1));
    return chars >= 2 && is_in_word;
}

bool search_expression(const struct search_terms *terms, enum search_grade grade,
                       struct buf *expression)
{
    const struct search_words *words = &terms->words;
    if (words->count == 0 ||
        (grade == GRADE_PREFIX && !can_be_prefix(words->items[words->count - 1])))
        return false;
    buf_append_str(expression, STR("(("));
    if (grade == GRADE_NAME) {
        put_words(expression, "name", words, false);
    } else if (grade == GRADE_TITLE) {
        put_words(expression, TITLE_COLUMNS, words, false);
        buf_append_str(expression, STR(") NOT ("));
        put_words(expression, "name", words, false);
    } else if (grade == GRADE_TEXT) {
        put_words(expression, TEXT_COLUMNS, words, false);
        buf_append_str(expression, STR(") NOT ("));
        put_words(expression, TITLE_COLUMNS, words, false);
    } else {
        put_words(expression, TITLE_COLUMNS, words, true);
        buf_append_str(expression, STR(") NOT ("));
        put_words(expression, TITLE_COLUMNS, words, false);
    }
    buf_append_str(expression, STR("))"));
    put_filters(expression, terms);
    return true;
}

void search_venue_word(uint64_t venue_id, char ret_word[static SEARCH_VENUE_WORD_SIZE])
{
    (void)snprintf(ret_word, SEARCH_VENUE_WORD_SIZE, "v%016" PRIx64, venue_id); /* fits */
}

void search_expression_whole(const struct search_terms *terms, bool has_filters,
                             struct buf *expression)
{
    put_words(expression, TEXT_COLUMNS, &terms->words, false);
    if (has_filters)
        put_filters(expression, terms);
}
