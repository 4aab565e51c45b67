/*
 * See chat_ledger.h. Each message has a bit for each member of its chat: a device that has shown it
 * sets its own, and finds it set when it shows it twice.
 */
#include "chat_ledger.h"

#include <stdlib.h>

#include "process.h"

static size_t sent_bytes(const struct chat_ledger *ledger)
{
    return (size_t)ledger->processes * ledger->sent_max * sizeof(struct chat_sent);
}

static size_t shown_bytes(const struct chat_ledger *ledger)
{
    return (size_t)ledger->processes * ledger->shown_max * sizeof(struct chat_shown);
}

enum err chat_ledger_make(struct chat_ledger *ledger)
{
    ledger->sent = process_share(sent_bytes(ledger));
    ledger->shown = process_share(shown_bytes(ledger));
    ledger->counts = process_share(CHAT_PROCESSES_MAX * sizeof(*ledger->counts));
    return ledger->sent && ledger->shown && ledger->counts ? ERR_OK : ERR_NOMEM;
}

void chat_ledger_release(struct chat_ledger *ledger)
{
    process_unshare(ledger->sent, sent_bytes(ledger));
    process_unshare(ledger->shown, shown_bytes(ledger));
    process_unshare(ledger->counts, CHAT_PROCESSES_MAX * sizeof(*ledger->counts));
    *ledger = (struct chat_ledger){0};
}

uint32_t chat_ledger_send(struct chat_ledger *ledger, unsigned process,
                          const struct chat_sent *sent)
{
    struct chat_ledger_count *count = &ledger->counts[process];
    uint32_t at = atomic_load_explicit(&count->sent, memory_order_relaxed);
    if (at >= ledger->sent_max) {
        atomic_fetch_add(&count->unlogged, 1);
        return UINT32_MAX;
    }
    uint32_t message = process * ledger->sent_max + at;
    ledger->sent[message] = *sent;
    atomic_store_explicit(&count->sent, at + 1, memory_order_release);
    return message;
}

void chat_ledger_show(struct chat_ledger *ledger, unsigned process, const struct chat_shown *shown)
{
    struct chat_ledger_count *count = &ledger->counts[process];
    uint32_t at = atomic_load_explicit(&count->shown, memory_order_relaxed);
    if (at >= ledger->shown_max) {
        atomic_fetch_add(&count->unlogged, 1);
        return;
    }
    ledger->shown[(size_t)process * ledger->shown_max + at] = *shown;
    atomic_store_explicit(&count->shown, at + 1, memory_order_release);
}

/* --- the check --- */

struct check {
    const struct chat_ledger *ledger;
    uint64_t *first; /* of each message: its first bit */
    uint8_t *bits;
    struct chat_verdict *verdict;
};

static uint32_t member_count(const struct check *check, size_t message)
{
    return check->ledger->seed->chats[check->ledger->sent[message].chat].count;
}

static bool is_set(const struct check *check, uint64_t bit)
{
    return check->bits[bit / 8] >> (bit % 8) & 1;
}

static void check_shown(struct check *check, const struct chat_shown *shown)
{
    const struct chat_ledger *ledger = check->ledger;
    const struct chat_sent *sent = &ledger->sent[shown->message];
    uint32_t member = chat_seed_member(ledger->seed, sent->chat, shown->user);
    check->verdict->shown++;
    if (member >= member_count(check, shown->message) ||
        ledger->seed->members[ledger->seed->chats[sent->chat].first + member] != shown->user ||
        (sent->seq != 0 && sent->seq != shown->seq)) {
        check->verdict->strange++;
        return;
    }
    uint64_t bit = check->first[shown->message] + member;
    check->verdict->twice += is_set(check, bit);
    check->bits[bit / 8] |= (uint8_t)(1u << bit % 8);
}

static void check_sent(struct check *check, size_t message)
{
    bool is_acked = check->ledger->sent[message].seq != 0;
    check->verdict->sent++;
    check->verdict->acked += is_acked;
    for (uint32_t i = 0; is_acked && i < member_count(check, message); i++)
        check->verdict->lost += !is_set(check, check->first[message] + i);
}

/* Calls for each message; numbers bits on the way when bits is NULL. */
static uint64_t for_each_sent(struct check *check)
{
    const struct chat_ledger *ledger = check->ledger;
    uint64_t bit = 0;
    for (size_t p = 0; p < ledger->processes; p++) {
        uint32_t count = atomic_load(&ledger->counts[p].sent);
        for (size_t i = 0; i < count; i++) {
            size_t message = p * ledger->sent_max + i;
            if (check->bits) {
                check_sent(check, message);
                continue;
            }
            check->first[message] = bit;
            bit += member_count(check, message);
        }
    }
    return bit;
}

enum err chat_ledger_check(const struct chat_ledger *ledger, struct chat_verdict *ret_verdict)
{
    struct check check = {.ledger = ledger, .verdict = ret_verdict};
    *ret_verdict = (struct chat_verdict){0};
    check.first = calloc((size_t)ledger->processes * ledger->sent_max, sizeof(*check.first));
    if (!check.first)
        return ERR_NOMEM;
    uint64_t bits = for_each_sent(&check);
    check.bits = calloc(bits / 8 + 1, 1);
    if (!check.bits) {
        free(check.first);
        return ERR_NOMEM;
    }
    for (size_t p = 0; p < ledger->processes; p++) {
        uint32_t count = atomic_load(&ledger->counts[p].shown);
        for (size_t i = 0; i < count; i++)
            check_shown(&check, &ledger->shown[p * ledger->shown_max + i]);
        ret_verdict->unlogged += atomic_load(&ledger->counts[p].unlogged);
    }
    (void)for_each_sent(&check);
    free(check.first);
    free(check.bits);
    return ERR_OK;
}

/* --- the check of the check --- */

/* Two neighbours in a process's list that are of different messages, the first of them acknowledged. NULL:
 * there are none. */
static struct chat_shown *find_pair(struct chat_ledger *ledger)
{
    for (size_t p = 0; p < ledger->processes; p++) {
        struct chat_shown *list = &ledger->shown[p * ledger->shown_max];
        uint32_t count = atomic_load(&ledger->counts[p].shown);
        for (uint32_t i = 0; i + 1 < count; i++) {
            if (list[i].message != list[i + 1].message && ledger->sent[list[i].message].seq != 0)
                return &list[i];
        }
    }
    return NULL;
}

bool chat_ledger_is_sharp(struct chat_ledger *ledger)
{
    struct chat_verdict before, after, other;
    struct chat_shown *pair = find_pair(ledger);
    if (!pair || chat_ledger_check(ledger, &before) != ERR_OK)
        return false;
    struct chat_shown kept = *pair;
    *pair = pair[1]; /* the first is shown by nobody here, the second twice */
    enum err err = chat_ledger_check(ledger, &after);
    *pair = kept;
    pair->seq++;
    if (!err)
        err = chat_ledger_check(ledger, &other);
    *pair = kept;
    return !err && after.lost == before.lost + 1 && after.twice == before.twice + 1 &&
           other.strange == before.strange + 1;
}
