/*
 * See json_slice.h. One pass without recursion: the stack is a bit a level (object or array). The text
 * is known to be UTF-8 before the pass, so only bytes below 0x80 matter to it.
 */
#include "base/json_slice.h"

#include <assert.h>

static_assert(JSON_SLICE_DEPTH_MAX <= 64, "a level is a bit");

struct scanner {
    struct str text;
    size_t at;
    uint64_t is_object; /* bit per level that is open */
    unsigned depth;
};

/* '\0' at the end; a NUL in the text is no token either. */
static char peek(const struct scanner *scanner)
{
    return scanner->at < scanner->text.len ? scanner->text.data[scanner->at] : '\0';
}

static void skip_blanks(struct scanner *scanner)
{
    for (char c = peek(scanner); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(scanner))
        scanner->at++;
}

static bool take(struct scanner *scanner, char c)
{
    if (peek(scanner) != c || c == '\0')
        return false;
    scanner->at++;
    return true;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind the backslash. */
static bool scan_escape(struct scanner *scanner)
{
    char c = peek(scanner);
    if (c == '\0' || !strchr("\"\\/bfnrtu", c))
        return false;
    scanner->at++;
    for (int i = 0; c == 'u' && i < 4; i++) {
        if (!is_hex(peek(scanner)))
            return false;
        scanner->at++;
    }
    return true;
}

static bool scan_string(struct scanner *scanner)
{
    if (!take(scanner, '"'))
        return false;
    while (scanner->at < scanner->text.len) {
        unsigned char c = (unsigned char)scanner->text.data[scanner->at];
        if (c < 0x20)
            return false;
        scanner->at++;
        if (c == '"')
            return true;
        if (c == '\\' && !scan_escape(scanner))
            return false;
    }
    return false;
}

static bool scan_digits(struct scanner *scanner)
{
    size_t begin = scanner->at;
    while (peek(scanner) >= '0' && peek(scanner) <= '9')
        scanner->at++;
    return scanner->at > begin;
}

static bool scan_number(struct scanner *scanner)
{
    (void)take(scanner, '-');
    if (!take(scanner, '0') && !scan_digits(scanner))
        return false;
    if (take(scanner, '.') && !scan_digits(scanner))
        return false;
    if (take(scanner, 'e') || take(scanner, 'E')) {
        if (!take(scanner, '+'))
            (void)take(scanner, '-');
        return scan_digits(scanner);
    }
    return true;
}

static bool scan_word(struct scanner *scanner, struct str word)
{
    if (!str_eq(str_sub(scanner->text, scanner->at, word.len), word))
        return false;
    scanner->at += word.len;
    return true;
}

static bool scan_scalar(struct scanner *scanner)
{
    switch (peek(scanner)) {
    case '"':
        return scan_string(scanner);
    case 't':
        return scan_word(scanner, STR("true"));
    case 'f':
        return scan_word(scanner, STR("false"));
    case 'n':
        return scan_word(scanner, STR("null"));
    default:
        return scan_number(scanner);
    }
}

static bool scan_key(struct scanner *scanner)
{
    skip_blanks(scanner);
    if (!scan_string(scanner))
        return false;
    skip_blanks(scanner);
    return take(scanner, ':');
}

static bool is_in_object(const struct scanner *scanner)
{
    return scanner->is_object >> (scanner->depth - 1) & 1;
}

/* Opens a level. ret_is_open: it has items; they follow. */
static bool scan_open(struct scanner *scanner, bool *ret_is_open)
{
    bool is_object = peek(scanner) == '{';
    if (scanner->depth == JSON_SLICE_DEPTH_MAX)
        return false;
    scanner->at++;
    uint64_t bit = UINT64_C(1) << scanner->depth++;
    scanner->is_object = is_object ? scanner->is_object | bit : scanner->is_object & ~bit;
    skip_blanks(scanner);
    *ret_is_open = !take(scanner, is_object ? '}' : ']');
    if (!*ret_is_open)
        scanner->depth--;
    return !*ret_is_open || !is_object || scan_key(scanner);
}

/* Behind an item: closes levels until another item follows, or down to floor. */
static bool scan_next(struct scanner *scanner, unsigned floor)
{
    while (scanner->depth > floor) {
        bool is_object = is_in_object(scanner);
        skip_blanks(scanner);
        if (take(scanner, ','))
            return !is_object || scan_key(scanner);
        if (!take(scanner, is_object ? '}' : ']'))
            return false;
        scanner->depth--;
    }
    return true;
}

/* Blanks may stand before the value; at is behind it then. */
static bool scan_value(struct scanner *scanner)
{
    unsigned floor = scanner->depth;
    do {
        bool is_open = false;
        skip_blanks(scanner);
        bool is_level = peek(scanner) == '{' || peek(scanner) == '[';
        if (is_level ? !scan_open(scanner, &is_open) : !scan_scalar(scanner))
            return false;
        if (!is_open && !scan_next(scanner, floor))
            return false;
    } while (scanner->depth > floor);
    return true;
}

/* ---- members ---- */

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* The next character of a key that was scanned; above 0x7f: -1, or a byte as it stands. */
static int next_char(struct str *key)
{
    unsigned char c = (unsigned char)str_sub(*key, 0, 1).data[0];
    if (c != '\\') {
        *key = str_sub(*key, 1, key->len);
        return c;
    }
    char kind = key->data[1];
    if (kind == 'u') {
        int value = 0;
        for (size_t i = 2; i < 6; i++)
            value = value << 4 | hex_value(key->data[i]);
        *key = str_sub(*key, 6, key->len);
        return value < 0x80 ? value : -1;
    }
    *key = str_sub(*key, 2, key->len);
    const char *at = strchr("b\bf\fn\nr\rt\t", kind);
    return at ? at[1] : kind;
}

/* key: what stands between the quotes. */
static bool is_key(struct str key, const char *name)
{
    for (; key.len > 0 && *name; name++) {
        if (next_char(&key) != (unsigned char)*name)
            return false;
    }
    return key.len == 0 && !*name;
}

/* At a member's key. */
static bool scan_member(struct scanner *scanner, struct str *ret_key, struct str *ret_value)
{
    skip_blanks(scanner);
    size_t key = scanner->at;
    if (!scan_string(scanner))
        return false;
    *ret_key = str_sub(scanner->text, key + 1, scanner->at - key - 2);
    skip_blanks(scanner);
    if (!take(scanner, ':'))
        return false;
    skip_blanks(scanner);
    size_t value = scanner->at;
    if (!scan_value(scanner))
        return false;
    *ret_value = str_sub(scanner->text, value, scanner->at - value);
    return true;
}

/* Behind the opening brace, until behind the closing one. */
static bool scan_members(struct scanner *scanner, const char *name, struct str *found)
{
    skip_blanks(scanner);
    if (take(scanner, '}'))
        return true;
    do {
        struct str key, value;
        if (!scan_member(scanner, &key, &value))
            return false;
        if (is_key(key, name)) {
            if (found->data)
                return false;
            *found = value;
        }
        skip_blanks(scanner);
    } while (take(scanner, ','));
    return take(scanner, '}');
}

enum err json_slice(struct str text, const char *name, struct str *ret_value, size_t *ret_at)
{
    struct scanner scanner = {.text = text};
    struct str found = STR_NONE;
    bool is_good = str_is_utf8(text);
    skip_blanks(&scanner);
    is_good = is_good && take(&scanner, '{');
    scanner.depth = 1; /* of the object itself, which scan_members looks after */
    scanner.is_object = 1;
    is_good = is_good && scan_members(&scanner, name, &found);
    skip_blanks(&scanner);
    *ret_at = scanner.at;
    if (!is_good || scanner.at != text.len)
        return ERR_INVALID;
    if (!found.data)
        return ERR_NOT_FOUND;
    *ret_value = found;
    return ERR_OK;
}
