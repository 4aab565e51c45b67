/* Money as people read it. */
#include "tickets/money.h"

#include <stdio.h>

#define DIGITS_MAX 24

unsigned money_minor_digits(const char *currency)
{
    /* ISO 4217, list one: all others have two. */
    static const char none[][4] = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW",
                                   "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"};
    static const char three[][4] = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        if (strcmp(none[i], currency) == 0)
            return 0;
    for (size_t i = 0; i < sizeof(three) / sizeof(three[0]); i++)
        if (strcmp(three[i], currency) == 0)
            return 3;
    return 2;
}

static void append_number(struct buf *buf, int64_t amount, unsigned minor_digits, bool is_grouped)
{
    char digits[DIGITS_MAX];
    uint64_t magnitude = amount < 0 ? 0 - (uint64_t)amount : (uint64_t)amount;
    int written = snprintf(digits, sizeof(digits), "%0*llu", (int)minor_digits + 1,
                           (unsigned long long)magnitude);
    size_t whole = (size_t)written - minor_digits;
    if (amount < 0)
        buf_append_char(buf, '-');
    for (size_t i = 0; i < whole; i++) {
        if (is_grouped && i > 0 && (whole - i) % 3 == 0)
            buf_append_char(buf, ',');
        buf_append_char(buf, digits[i]);
    }
    if (minor_digits > 0) {
        buf_append_char(buf, '.');
        buf_append(buf, digits + whole, minor_digits);
    }
}

void money_append_decimal(struct buf *buf, int64_t amount, const char *currency)
{
    append_number(buf, amount, money_minor_digits(currency), false);
}

void money_append(struct buf *buf, int64_t amount, const char *currency)
{
    append_number(buf, amount, money_minor_digits(currency), true);
    buf_append_char(buf, ' ');
    buf_append_str(buf, str_from_c(currency));
}
