/*
 * Borrowed byte strings. Everything here is a pure function of its arguments (str_hash also of the
 * key of the process), so any thread may call it. Nothing allocates; nothing depends on the locale
 * but the decimal point of strtod, and the process never leaves the "C" locale.
 */
#include "base/str.h"

#include "base/crypto_internal.h"
#include "base/str_internal.h"

#include <math.h>
#include <stdlib.h>

#define F64_TEXT_MAX 64

static unsigned char ascii_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool str_eq_ci(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower((unsigned char)a.data[i]) != ascii_lower((unsigned char)b.data[i]))
            return false;
    }
    return true;
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_from(s.data, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    if (s.len < suffix.len)
        return false;
    return suffix.len == 0 || memcmp(s.data + (s.len - suffix.len), suffix.data, suffix.len) == 0;
}

int str_cmp(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

size_t str_find(struct str s, char c, size_t from)
{
    if (from >= s.len)
        return s.len;
    const char *found = memchr(s.data + from, c, s.len - from);
    return found ? (size_t)(found - s.data) : s.len;
}

struct str str_sub(struct str s, size_t from, size_t len)
{
    if (from >= s.len)
        return STR_NONE;
    size_t left = s.len - from;
    return str_from(s.data + from, len < left ? len : left);
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_space(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

struct str str_split(struct str *s, char separator)
{
    size_t at = str_find(*s, separator, 0);
    struct str head = str_from(s->data, at);
    *s = at < s->len ? str_sub(*s, at + 1, s->len) : STR_NONE;
    return head;
}

enum err str_to_i64(struct str s, int64_t *ret_value)
{
    bool is_negative = s.len > 0 && s.data[0] == '-';
    size_t i = is_negative ? 1 : 0;
    int64_t value = 0;
    if (i == s.len)
        return ERR_INVALID;
    /* Collected as a negative number, whose range holds one more than the positive. */
    for (; i < s.len; i++) {
        if (!is_digit(s.data[i]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, s.data[i] - '0', &value))
            return ERR_INVALID;
    }
    if (!is_negative && value == INT64_MIN)
        return ERR_INVALID;
    *ret_value = is_negative ? value : -value;
    return ERR_OK;
}

static size_t skip_digits(struct str s, size_t from)
{
    while (from < s.len && is_digit(s.data[from]))
        from++;
    return from;
}

/* -?digits(.digits)?([eE][+-]?digits)? and nothing else: strtod alone would take hex, "inf" and
 * spaces. */
static bool is_decimal_number(struct str s)
{
    size_t i = s.len > 0 && s.data[0] == '-' ? 1 : 0;
    size_t end = skip_digits(s, i);
    if (end == i)
        return false;
    if (end < s.len && s.data[end] == '.') {
        i = end + 1;
        end = skip_digits(s, i);
        if (end == i)
            return false;
    }
    if (end < s.len && (s.data[end] == 'e' || s.data[end] == 'E')) {
        i = end + 1;
        if (i < s.len && (s.data[i] == '+' || s.data[i] == '-'))
            i++;
        end = skip_digits(s, i);
        if (end == i)
            return false;
    }
    return end == s.len;
}

enum err str_to_f64(struct str s, double *ret_value)
{
    char text[F64_TEXT_MAX];
    if (!is_decimal_number(s) || str_to_c(s, text, sizeof(text)) != ERR_OK)
        return ERR_INVALID;
    double value = strtod(text, NULL);
    if (!isfinite(value))
        return ERR_INVALID;
    *ret_value = value;
    return ERR_OK;
}

static bool is_continuation(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

size_t utf8_char_len(const unsigned char *text, size_t left)
{
    unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || left < 2)
        return 0;
    unsigned char second = text[1];
    if (first < 0xE0)
        return is_continuation(second) ? 2 : 0;
    if (first < 0xF0) {
        bool is_overlong = first == 0xE0 && second < 0xA0;
        bool is_surrogate = first == 0xED && second > 0x9F;
        if (left < 3 || is_overlong || is_surrogate)
            return 0;
        return is_continuation(second) && is_continuation(text[2]) ? 3 : 0;
    }
    bool is_overlong = first == 0xF0 && second < 0x90;
    bool is_beyond = first > 0xF4 || (first == 0xF4 && second > 0x8F);
    if (left < 4 || is_overlong || is_beyond)
        return 0;
    return is_continuation(second) && is_continuation(text[2]) && is_continuation(text[3]) ? 4 : 0;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *text = (const unsigned char *)s.data;
    size_t i = 0;
    while (i < s.len) {
        size_t len = utf8_char_len(text + i, s.len - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

bool str_is_printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c < 0x20 || c == 0x7F)
            return false;
    }
    return true;
}

enum err str_to_c(struct str s, char *ret_text, size_t size)
{
    if (s.len >= size)
        return ERR_LIMIT;
    if (s.len > 0)
        memcpy(ret_text, s.data, s.len);
    ret_text[s.len] = '\0';
    return ERR_OK;
}

uint64_t str_hash(struct str s)
{
    return crypto_siphash(s);
}
