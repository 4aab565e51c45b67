/* Who may ask how often: a token bucket per class and caller; see rate_limit.c. All functions:
 * any thread, and none blocks but for a short lock. */
#ifndef APP_RATE_LIMIT_H
#define APP_RATE_LIMIT_H

#include "app/route.h"

struct rate_limiter;

/* A class: burst requests at once, and one more every interval_ms. */
struct rate_class_limits {
    const char *policy; /* value of RateLimit-Policy; NULL: unlimited */
    const char *name;
    int64_t interval_ms;
    int64_t burst;
    bool is_by_address; /* counts the address also when the caller is known */
};
extern const struct rate_class_limits rate_classes[];

struct rate_verdict {
    bool is_allowed;
    int64_t remaining;  /* requests that would pass now */
    int64_t full_in_s;  /* until the bucket is full again, rounded up */
    int64_t retry_in_s; /* when refused: until one passes, at least 1 */
};

struct rate_limiter *rate_limiter_new(void); /* NULL: out of memory */
void rate_limiter_free(struct rate_limiter *limiter);
/* Takes one. The class must be limited. */
struct rate_verdict rate_limiter_take(struct rate_limiter *limiter, enum rate_class rate_class,
                                      uint64_t who, int64_t now_ms);
/* An address as who: IPv6 counts by its /64, because a customer's line has that many addresses. */
uint64_t rate_limit_address(struct str peer_ip);

#endif
