/*
 * The clock door. Wall time is CLOCK_REALTIME (read without a system call) plus the offset a test
 * has added, and never less than what was handed out before: the largest answer is kept in one
 * atomic, written at most once a millisecond, so that threads share it read-only nearly always.
 *
 * A process that shares its database with others follows that database's clock instead: wall time is
 * then CLOCK_MONOTONIC plus what the other clock is ahead of it, so that neither a wrong clock of
 * this machine nor a step of it counts. A correction forwards is made at once, and one backwards of
 * up to CLOCK_BACK_MS_MAX by standing still until time has caught up. Backwards by more (another
 * server, with another clock, took over) time is set: standing still for that long would be worse
 * than to see some milliseconds twice. Ids do not go back with it (ids.c).
 *
 * Calendar: proleptic Gregorian, computed with years that begin in March, so that the leap day is
 * the last of its year and month lengths follow one formula.
 */
#include "base/clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define MS_PER_DAY      ((int64_t)24 * 60 * 60 * 1000)
#define DAYS_PER_ERA    146097 /* 400 years */
#define DAYS_TO_1970    719468 /* from 0000-03-01 */
#define YEAR_MIN        1970
#define YEAR_MAX        2199
#define FORMAT_MS_MAX   ((int64_t)253402300799999) /* the last millisecond of 9999 */
#define FRACTION_DIGITS 9

#define CLOCK_OWN INT64_MIN
#define MS_NS     1000000

static _Atomic int64_t offset_ms;
static _Atomic int64_t last_ms;
static _Atomic int64_t followed_ms = CLOCK_OWN; /* the followed clock less the monotonic one */

struct subscriber {
    void (*fn)(void *ctx);
    void *ctx;
};

static pthread_mutex_t subscribers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct subscriber subscribers[CLOCK_SUBSCRIBERS_MAX];
static size_t subscriber_count;

int64_t clock_now_ms(void)
{
    struct timespec now;
    int64_t ahead_ms = atomic_load_explicit(&followed_ms, memory_order_relaxed);
    bool is_own = ahead_ms == CLOCK_OWN;
    (void)clock_gettime(is_own ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now); /* neither can fail */
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / MS_NS + (is_own ? 0 : ahead_ms) +
                     atomic_load_explicit(&offset_ms, memory_order_relaxed);
    int64_t last = atomic_load_explicit(&last_ms, memory_order_relaxed);
    while (now_ms > last) {
        if (atomic_compare_exchange_weak_explicit(&last_ms, &last, now_ms, memory_order_relaxed,
                                                  memory_order_relaxed))
            return now_ms;
    }
    return last;
}

int64_t clock_mono_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void tell_subscribers(void)
{
    /* Under the lock, so that after clock_unsubscribe nothing of the subscriber runs any more. */
    pthread_mutex_lock(&subscribers_lock);
    for (size_t i = 0; i < subscriber_count; i++)
        subscribers[i].fn(subscribers[i].ctx);
    pthread_mutex_unlock(&subscribers_lock);
}

void clock_advance_ms(int64_t delta_ms)
{
    assert(delta_ms >= 0);
    atomic_fetch_add(&offset_ms, delta_ms);
    tell_subscribers();
}

int64_t clock_jumps_ms(void)
{
    return atomic_load_explicit(&offset_ms, memory_order_relaxed);
}

int64_t clock_follow(const struct clock_reading *reading)
{
    int64_t ahead_ms = atomic_load(&followed_ms);
    int64_t wanted_ms = reading->other_ms - reading->mono_ns / MS_NS;
    if (ahead_ms != CLOCK_OWN && llabs(wanted_ms - ahead_ms) <= reading->within_ms)
        return 0;
    int64_t before_ms = clock_now_ms();
    atomic_store(&followed_ms, wanted_ms);
    int64_t now_ms = wanted_ms + clock_mono_ns() / MS_NS + atomic_load(&offset_ms);
    int64_t moved_ms = now_ms - before_ms;
    if (moved_ms < -CLOCK_BACK_MS_MAX)
        atomic_store(&last_ms, now_ms);
    if (llabs(moved_ms) > CLOCK_BACK_MS_MAX)
        tell_subscribers();
    return moved_ms;
}

void clock_follow_own(void)
{
    atomic_store(&followed_ms, CLOCK_OWN);
    atomic_store(&last_ms, 0);
}

enum err clock_subscribe(void (*fn)(void *ctx), void *ctx)
{
    enum err err = ERR_LIMIT;
    pthread_mutex_lock(&subscribers_lock);
    if (subscriber_count < CLOCK_SUBSCRIBERS_MAX) {
        subscribers[subscriber_count++] = (struct subscriber){fn, ctx};
        err = ERR_OK;
    }
    pthread_mutex_unlock(&subscribers_lock);
    return err;
}

void clock_unsubscribe(void (*fn)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&subscribers_lock);
    for (size_t i = 0; i < subscriber_count; i++) {
        if (subscribers[i].fn == fn && subscribers[i].ctx == ctx) {
            subscribers[i] = subscribers[--subscriber_count];
            break;
        }
    }
    pthread_mutex_unlock(&subscribers_lock);
}

struct civil {
    int year;
    int month; /* 1-12 */
    int day;   /* 1-31 */
};

/* Days since 1970-01-01, not before it. */
static struct civil civil_of_days(int64_t days)
{
    int64_t shifted = days + DAYS_TO_1970;
    int64_t era = shifted / DAYS_PER_ERA;
    int day_of_era = (int)(shifted % DAYS_PER_ERA);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int march_month = (5 * day_of_year + 2) / 153;
    int month = march_month < 10 ? march_month + 3 : march_month - 9;
    return (struct civil){
        .year = (int)(era * 400) + year_of_era + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * march_month + 2) / 5 + 1,
    };
}

static int64_t days_of_civil(struct civil date)
{
    int year = date.month <= 2 ? date.year - 1 : date.year;
    int era = year / 400;
    int year_of_era = year % 400;
    int march_month = date.month > 2 ? date.month - 3 : date.month + 9;
    int day_of_year = (153 * march_month + 2) / 5 + date.day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static void put_digits(char *text, int count, int value)
{
    for (int i = count - 1; i >= 0; i--) {
        text[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

void clock_format(int64_t at_ms, char ret_text[static CLOCK_TEXT_SIZE])
{
    static const char shape[CLOCK_TEXT_SIZE] = "0000-00-00T00:00:00.000Z";
    /* Times outside are bugs of the caller, but a log line or an answer must not grow or turn to
     * nonsense. */
    if (at_ms < 0)
        at_ms = 0;
    if (at_ms > FORMAT_MS_MAX)
        at_ms = FORMAT_MS_MAX;
    struct civil date = civil_of_days(at_ms / MS_PER_DAY);
    int ms = (int)(at_ms % MS_PER_DAY);
    memcpy(ret_text, shape, sizeof(shape));
    put_digits(ret_text, 4, date.year);
    put_digits(ret_text + 5, 2, date.month);
    put_digits(ret_text + 8, 2, date.day);
    put_digits(ret_text + 11, 2, ms / 3600000);
    put_digits(ret_text + 14, 2, ms / 60000 % 60);
    put_digits(ret_text + 17, 2, ms / 1000 % 60);
    put_digits(ret_text + 20, 3, ms % 1000);
}

/* The number of exactly count digits at the front, taken off the text; -1 when they are not there.
 */
static int take_digits(struct str *text, size_t count)
{
    int value = 0;
    if (text->len < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (text->data[i] < '0' || text->data[i] > '9')
            return -1;
        value = value * 10 + (text->data[i] - '0');
    }
    *text = str_sub(*text, count, text->len);
    return value;
}

/* either is the second accepted form ('t' for 'T'). */
static bool take_char(struct str *text, char c, char either)
{
    if (text->len == 0 || (text->data[0] != c && text->data[0] != either))
        return false;
    *text = str_sub(*text, 1, text->len);
    return true;
}

static bool take_date(struct str *text, int64_t *ret_days)
{
    struct civil date;
    date.year = take_digits(text, 4);
    if (date.year < YEAR_MIN || date.year > YEAR_MAX || !take_char(text, '-', '-'))
        return false;
    date.month = take_digits(text, 2);
    if (date.month < 1 || date.month > 12 || !take_char(text, '-', '-'))
        return false;
    date.day = take_digits(text, 2);
    if (date.day < 1 || date.day > days_in_month(date.year, date.month))
        return false;
    *ret_days = days_of_civil(date);
    return true;
}

/* hh:mm:ss into seconds; 60 passes as a leap second, which the caller judges when the offset is
 * known. */
static bool take_time(struct str *text, int *ret_seconds, bool *ret_is_leap)
{
    int hour = take_digits(text, 2);
    if (hour < 0 || hour > 23 || !take_char(text, ':', ':'))
        return false;
    int minute = take_digits(text, 2);
    if (minute < 0 || minute > 59 || !take_char(text, ':', ':'))
        return false;
    int second = take_digits(text, 2);
    if (second < 0 || second > 60)
        return false;
    *ret_seconds = hour * 3600 + minute * 60 + second;
    *ret_is_leap = second == 60;
    return true;
}

/* Optional fraction, cut to milliseconds. */
static bool take_fraction(struct str *text, int *ret_ms)
{
    int ms = 0;
    int weight = 100;
    size_t count = 0;
    if (!take_char(text, '.', '.')) {
        *ret_ms = 0;
        return true;
    }
    for (int digit = take_digits(text, 1); digit >= 0; digit = take_digits(text, 1)) {
        ms += digit * weight;
        weight /= 10;
        count++;
    }
    *ret_ms = ms;
    return count >= 1 && count <= FRACTION_DIGITS;
}

/* "Z" or a numeric offset, into seconds east of UTC. */
static bool take_offset(struct str *text, int *ret_seconds)
{
    if (take_char(text, 'Z', 'z')) {
        *ret_seconds = 0;
        return true;
    }
    int sign = take_char(text, '+', '+') ? 1 : -1;
    if (sign < 0 && !take_char(text, '-', '-'))
        return false;
    int hour = take_digits(text, 2);
    if (hour < 0 || hour > 23 || !take_char(text, ':', ':'))
        return false;
    int minute = take_digits(text, 2);
    if (minute < 0 || minute > 59)
        return false;
    *ret_seconds = sign * (hour * 3600 + minute * 60);
    return true;
}

enum err clock_parse(struct str text, int64_t *ret_at_ms)
{
    const int64_t end_ms = days_of_civil((struct civil){YEAR_MAX + 1, 1, 1}) * MS_PER_DAY;
    int64_t days;
    int seconds, ms, east_seconds;
    bool is_leap;
    if (!take_date(&text, &days) || !take_char(&text, 'T', 't') ||
        !take_time(&text, &seconds, &is_leap) || !take_fraction(&text, &ms) ||
        !take_offset(&text, &east_seconds) || text.len > 0)
        return ERR_INVALID;
    int64_t at_seconds = days * (MS_PER_DAY / 1000) + seconds - east_seconds;
    int64_t at_ms = at_seconds * 1000 + ms;
    /* A leap second can only be the last of a UTC day; it counts as the first of the next. */
    if (is_leap && at_seconds % (MS_PER_DAY / 1000) != 0)
        return ERR_INVALID;
    if (at_ms < 0 || at_ms >= end_ms)
        return ERR_INVALID;
    *ret_at_ms = at_ms;
    return ERR_OK;
}
