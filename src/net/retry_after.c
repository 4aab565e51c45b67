/* Reading Retry-After. The obsolete date forms are not read: then the schedule alone counts. */
#include "net/retry_after.h"

#include "base/clock.h"

#include <stdio.h>

#define DATE_LEN      29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define SECONDS_CHARS 18 /* of digits, what fits */

static bool is_digits(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.len > 0;
}

/* 1-12; 0: none. */
static int month_of(struct str name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (str_eq(name, str_from(names + i * 3, 3)))
            return i + 1;
    return 0;
}

static enum err date_parse(struct str text, int64_t *ret_at_ms)
{
    char iso[sizeof("1994-11-06T08:49:37Z")];
    int month = text.len == DATE_LEN ? month_of(str_sub(text, 8, 3)) : 0;
    if (month == 0 || !str_eq(str_sub(text, 3, 2), STR(", ")) || text.data[7] != ' ' ||
        text.data[11] != ' ' || text.data[16] != ' ' || !str_ends_with(text, STR(" GMT")))
        return ERR_INVALID;
    (void)snprintf(iso, sizeof(iso), "%.4s-%02d-%.2sT%.8sZ", text.data + 12, month, text.data + 5,
                   text.data + 17);
    return clock_parse(str_from_c(iso), ret_at_ms);
}

enum err retry_after_parse(struct str text, int64_t now_ms, int64_t *ret_wait_ms)
{
    int64_t wait_ms = RETRY_AFTER_S_MAX * INT64_C(1000);
    text = str_trim(text);
    if (is_digits(text)) {
        int64_t seconds;
        if (text.len <= SECONDS_CHARS && str_to_i64(text, &seconds) == ERR_OK &&
            seconds < RETRY_AFTER_S_MAX)
            wait_ms = seconds * 1000;
    } else {
        int64_t at_ms;
        if (date_parse(text, &at_ms) != ERR_OK)
            return ERR_INVALID;
        if (at_ms - now_ms < wait_ms)
            wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;
    }
    *ret_wait_ms = wait_ms;
    return ERR_OK;
}
