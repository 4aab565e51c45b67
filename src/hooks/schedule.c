/* The rules of retries; what they are stands in schedule.h. */
#include "hooks/schedule.h"

#define S INT64_C(1000)
#define M (60 * S)
#define H (60 * M)

const struct schedule schedule_default = {
    {0, 5 * S, 30 * S, 2 * M, 10 * M, 30 * M, 1 * H, 2 * H, 3 * H, 4 * H, 5 * H, 8 * H},
    ATTEMPTS_MAX};

bool schedule_is_valid(const struct schedule *schedule)
{
    int64_t total_ms = 0;
    if (schedule->count == 0 || schedule->count > ATTEMPTS_MAX)
        return false;
    for (size_t i = 0; i < schedule->count; i++) {
        int64_t delay_ms = schedule->delays_ms[i];
        if (delay_ms < 0 || delay_ms > SCHEDULE_MS_MAX - total_ms)
            return false;
        total_ms += delay_ms;
    }
    return true;
}

bool schedule_next(const struct schedule *schedule, const struct schedule_step *step,
                   int64_t *ret_due_ms)
{
    int64_t last_ms = step->started_ms + SCHEDULE_MS_MAX - SCHEDULE_MARGIN_MS;
    if (step->attempts >= schedule->count || step->now_ms >= last_ms)
        return false;
    int64_t wait_ms = schedule->delays_ms[step->attempts];
    int64_t jitter_max_ms = wait_ms * SCHEDULE_JITTER_PERCENT / 100;
    wait_ms += (int64_t)(step->chance % (uint64_t)(jitter_max_ms + 1));
    int64_t asked_ms = step->retry_after_ms;
    if (asked_ms > SCHEDULE_RETRY_AFTER_MS_MAX)
        asked_ms = SCHEDULE_RETRY_AFTER_MS_MAX;
    if (asked_ms > wait_ms) /* it may ask for more patience, not for less */
        wait_ms = asked_ms;
    bool is_in_time = wait_ms < last_ms - step->now_ms;
    *ret_due_ms = is_in_time ? step->now_ms + wait_ms : last_ms;
    return true;
}
