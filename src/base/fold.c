/*
 * See fold.h. The table covers letters that decompose into a base letter and accents. Letters such as o with a
 * stroke or sharp s don't, and are only made lower case.
 */
#include "base/fold.h"

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

size_t fold_into(struct str text, char *ret_text)
{
    size_t len = 0;
    bool is_space_due = false;
    for (size_t at = 0; at < text.len;) {
        uint32_t c = fold_char(next_char(text, &at));
        if (c <= ' ') {
            is_space_due = len > 0;
            continue;
        }
        if (is_accent(c))
            continue;
        if (is_space_due)
            ret_text[len++] = ' ';
        is_space_due = false;
        len += put_char(ret_text + len, c);
    }
    return len;
}

struct str fold_text(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, text.len + FOLD_ROOM);
    return out ? str_from(out, fold_into(text, out)) : STR_NONE;
}
