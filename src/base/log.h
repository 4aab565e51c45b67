/*
 * Structured log: one JSON object a line on standard error: {"at","level","msg",...fields}. Any
 * thread; one write(2) a line, cut at LOG_LINE_MAX. Services and main log; base, net and store
 * return errors instead (but for the impossible).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/str.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
    LOG_OFF
};

#define LOG_LINE_MAX 4096

void log_set_level(enum log_level level);
ERR_MUST_USE enum err log_level_parse(struct str name, enum log_level *ret_level);
/* The request id added to every line of this thread until it is set again; STR_NONE for none.
 * Borrowed. */
void log_set_request_id(struct str request_id);
/*
 * The format is a list of name=value, divided by spaces; each becomes one member, a JSON string,
 * escaped: log_warn("mail refused", "to=%s code=%d why=\"not %s\"", to, code, why); Only the format
 * decides where a member begins and ends; arguments may contain anything. A value runs to the next
 * name= or is in quotes; words before the first name become "detail". The format is at most 512
 * bytes with 24 names, and may be NULL.
 */
void log_write(enum log_level level, const char *message, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(message, ...) log_write(LOG_DEBUG, message, __VA_ARGS__)
#define log_info(message, ...)  log_write(LOG_INFO, message, __VA_ARGS__)
#define log_warn(message, ...)  log_write(LOG_WARN, message, __VA_ARGS__)
#define log_error(message, ...) log_write(LOG_ERROR, message, __VA_ARGS__)

#endif
