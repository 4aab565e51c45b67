/* See chat.h. */
#include "chat/chat.h"

#include <assert.h>

#include "chat/days.h"

const char *const member_role_names[] = {"member", "admin", "owner", NULL};
const char *const chat_type_names[] = {"direct", "group", NULL};

#define DAY_BITS_MASK ((UINT64_C(1) << LOG_SLOTS) - 1)

void chat_days(const struct chat *chat, int64_t now_ms, struct chat_days *ret_days)
{
    struct chat_days days = {0};
    int64_t oldest = day_of_ms(now_ms) - LOG_DAYS;
    for (int64_t back = LOG_SLOTS - 1; back >= 0; back--) {
        if (!(chat->day_bits >> back & 1))
            continue;
        int64_t day = chat->last_day - back;
        if (day >= oldest)
            days.slots[days.count++] = day_slot(day);
        else
            days.has_older = true;
    }
    *ret_days = days;
}

int64_t chat_note_day(struct chat *chat, int64_t now_ms)
{
    int64_t day = day_of_ms(now_ms);
    if (day < chat->last_day)
        day = chat->last_day;
    int64_t ahead = day - chat->last_day;
    chat->day_bits = ahead < LOG_SLOTS ? chat->day_bits << ahead & DAY_BITS_MASK : 0;
    chat->day_bits |= 1;
    chat->last_day = day;
    assert(chat->day_bits <= DAY_BITS_MASK);
    return day;
}
