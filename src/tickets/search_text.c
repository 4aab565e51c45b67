/*
 * Folding and expressions.
 *
 * The word index folds by itself (unicode61, accents removed); what is folded here is only compared
 * as a whole: the names of cities. The table covers letters that decompose into a base letter and
 * accents. Letters such as o with a stroke or sharp s don't, neither here nor there, and are only
 * made lower case.
 */
#include "tickets/search_text.h"

#include <inttypes.h>
#include <stdio.h>

#define TITLE_COLUMNS "{name venue city category}"
#define TEXT_COLUMNS  "{name description venue city category}"

/* Lower-case base letters of U+00C0 to U+017F, from the decompositions of Unicode; a dot: has none,
 * see lower_latin. */
static const char latin_base[] = "aaaaaa.ceeeeiiii" /* 0C0 */
                                 ".nooooo..uuuuy.." /* 0D0 */
                                 "aaaaaa.ceeeeiiii" /* 0E0 */
                                 ".nooooo..uuuuy.y" /* 0F0 */
                                 "aaaaaaccccccccdd" /* 100 */
                                 "..eeeeeeeeeegggg" /* 110 */
                                 "gggghh..iiiiiiii" /* 120 */
                                 "i...jjkk.llllll." /* 130 */
                                 "...nnnnnn...oooo" /* 140 */
                                 "oo..rrrrrrssssss" /* 150 */
                                 "sstttt..uuuuuuuu" /* 160 */
                                 "uuuuwwyyyzzzzzz." /* 170 */;
_Static_assert(sizeof(latin_base) == 0x180 - 0xC0 + 1, "one letter a character");

/* Lower case within the blocks where the table has no base letter. */
static uint32_t lower_latin(uint32_t c)
{
    if (c >= 0xC0 && c <= 0xDE && c != 0xD7)
        return c + 0x20;
    if (c < 0x100 || c == 0x138) /* kra is small already */
        return c;
    bool is_odd_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
    return c % 2 == (is_odd_upper ? 1u : 0u) ? c + 1 : c;
}

static uint32_t fold_char(uint32_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c + 0x20;
    if (c >= 0xC0 && c < 0x180)
        return latin_base[c - 0xC0] != '.' ? (uint32_t)latin_base[c - 0xC0] : lower_latin(c);
    if (c >= 0x391 && c <= 0x3A9) /* Greek */
        return c + 0x20;
    if (c >= 0x410 && c <= 0x42F) /* Cyrillic */
        return c + 0x20;
    if (c >= 0x400 && c <= 0x40F)
        return c + 0x50;
    return c;
}

/* The text is valid UTF-8: requests and stored rows are checked before. */
static uint32_t next_char(struct str text, size_t *at)
{
    const unsigned char *bytes = (const unsigned char *)text.data + *at;
    size_t len = bytes[0] < 0x80 ? 1 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
    static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    if (len > text.len - *at)
        len = 1;
    uint32_t c = bytes[0] & masks[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (bytes[i] & 0x3F);
    *at += len;
    return c;
}

static size_t put_char(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (c >> 18 & 7));
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static bool is_accent(uint32_t c)
{
    return c >= 0x300 && c <= 0x36F; /* combining marks of decomposed text */
}

struct str search_fold(struct arena *arena, struct str text)
{
    /* No folded character is longer than what it came from. */
    char *out = arena_alloc(arena, text.len + 4);
    size_t len = 0;
    bool is_space_due = false;
    if (!out)
        return STR_NONE;
    for (size_t at = 0; at < text.len;) {
        uint32_t c = fold_char(next_char(text, &at));
        if (c <= ' ') {
            is_space_due = len > 0;
            continue;
        }
        if (is_accent(c))
            continue;
        if (is_space_due)
            out[len++] = ' ';
        is_space_due = false;
        len += put_char(out + len, c);
    }
    return str_from(out, len);
}

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
