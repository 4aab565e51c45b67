/*
 * Counts failed logins by (email, address), by email and by address, and locks out for a time that
 * doubles with every failure beyond a free allowance.
 *
 * The pair has the smallest allowance: that is a person, or a guesser, at one place. The email's is
 * larger, against guessing from many addresses, and its lock-out short: while such an attack lasts
 * its owner may have to try again after a minute. The address's is the largest, because many people
 * may share one. Codes of the second factor have an allowance of their own: guessing one of three in a
 * million at five tries and then one an hour takes decades.
 *
 * Tries that are still being checked count as failures towards the free allowance, and beyond it
 * there is one at a time: otherwise many at once would be let in by the same count.
 *
 * Memory is bounded: a table of sets of WAYS entries; a full set gives up the entry that matters
 * least, so spraying addresses throws out other sprayed ones before one with many failures. Keys
 * are keyed 64-bit hashes: emails are not kept, and no one can aim at a set. One mutex: it is held
 * for a few comparisons.
 */
#include "app/login_guard.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define WAYS         8
#define SETS         (LOGIN_GUARD_MAX / WAYS)
#define HOUR_MS      (60 * 60 * 1000LL)
#define DOUBLING_MAX 20

/* What is being checked is done within a second or so. */
#define PENDING_WAIT_MS 1000

enum dimension {
    BY_PAIR,
    BY_EMAIL,
    BY_ADDRESS,
    LOGIN_DIMENSIONS, /* those of the password */
    BY_CODE = LOGIN_DIMENSIONS,
    DIMENSIONS
};

static const struct {
    uint32_t free_failures;
    int64_t first_ms;
    int64_t longest_ms;
    int64_t forget_ms; /* after the last failure */
} limits[DIMENSIONS] = {
    [BY_PAIR] = {5, 5 * 1000, 15 * 60 * 1000, HOUR_MS},
    [BY_EMAIL] = {20, 5 * 1000, 60 * 1000, HOUR_MS},
    [BY_ADDRESS] = {100, 5 * 1000, 15 * 60 * 1000, HOUR_MS},
    [BY_CODE] = {5, 60 * 1000, HOUR_MS, 24 * HOUR_MS},
};

struct entry {
    uint64_t key; /* 0: free */
    uint32_t failures;
    uint32_t pending; /* tries that began and have not ended */
    int64_t last_ms;
    int64_t locked_until_ms;
    int64_t forget_ms; /* of its dimension */
};

struct login_guard {
    pthread_mutex_t lock;
    struct entry entries[SETS][WAYS];
};

struct login_guard *login_guard_new(void)
{
    struct login_guard *guard = calloc(1, sizeof(*guard));
    if (guard)
        pthread_mutex_init(&guard->lock, NULL);
    return guard;
}

void login_guard_free(struct login_guard *guard)
{
    if (!guard)
        return;
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}

/* An IPv6 customer has a whole /64 to call from, and counts as one. ret_text holds what the network
 * is called. */
static struct str network_of(struct str peer_ip, char ret_text[static INET6_ADDRSTRLEN])
{
    struct in6_addr address;
    if (str_to_c(peer_ip, ret_text, INET6_ADDRSTRLEN) != ERR_OK)
        return STR_NONE;
    if (inet_pton(AF_INET6, ret_text, &address) != 1)
        return str_from_c(ret_text);
    memset(address.s6_addr + 8, 0, 8);
    return str_from_c(inet_ntop(AF_INET6, &address, ret_text, INET6_ADDRSTRLEN));
}

static uint64_t key_of(enum dimension dimension, struct str email, struct str network)
{
    char text[512];
    struct str shown_email = dimension == BY_ADDRESS ? STR_NONE : email;
    bool is_anywhere = dimension == BY_EMAIL || dimension == BY_CODE;
    struct str shown_network = is_anywhere ? STR_NONE : network;
    int len = snprintf(text, sizeof(text), "%d %.*s %.*s", (int)dimension, STR_ARG(shown_network),
                       STR_ARG(shown_email));
    size_t used = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    return str_hash(str_from(text, used)) | 1; /* never the free key */
}

static void keys_of(struct str email, struct str peer_ip,
                    uint64_t ret_keys[static LOGIN_DIMENSIONS])
{
    char network_text[INET6_ADDRSTRLEN];
    struct str network = network_of(peer_ip, network_text);
    for (int i = 0; i < LOGIN_DIMENSIONS; i++)
        ret_keys[i] = key_of((enum dimension)i, email, network);
}

/* The lock is held, here and below, up to the public functions. */
static struct entry *entry_find(struct login_guard *guard, uint64_t key)
{
    struct entry *set = guard->entries[(key >> 1) % SETS];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
    }
    return NULL;
}

static struct entry *entry_make(struct login_guard *guard, uint64_t key, enum dimension dimension,
                                int64_t now_ms)
{
    struct entry *set = guard->entries[(key >> 1) % SETS];
    struct entry *least = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        bool is_over = set[i].pending == 0 && set[i].last_ms + set[i].forget_ms < now_ms;
        if (set[i].key == 0 || is_over) {
            least = &set[i];
            break;
        }
        if (set[i].failures + set[i].pending < least->failures + least->pending)
            least = &set[i];
    }
    *least = (struct entry){.key = key, .forget_ms = limits[dimension].forget_ms};
    return least;
}

static void count_failure(struct entry *entry, enum dimension dimension, int64_t now_ms)
{
    if (entry->last_ms + entry->forget_ms < now_ms)
        entry->failures = 0;
    entry->failures++;
    entry->last_ms = now_ms;
    if (entry->failures < limits[dimension].free_failures)
        return;
    uint32_t doublings = entry->failures - limits[dimension].free_failures;
    int64_t lock_ms = limits[dimension].first_ms
                      << (doublings < DOUBLING_MAX ? doublings : DOUBLING_MAX);
    if (lock_ms > limits[dimension].longest_ms)
        lock_ms = limits[dimension].longest_ms;
    entry->locked_until_ms = now_ms + lock_ms;
}

static struct entry *entry_get(struct login_guard *guard, uint64_t key, enum dimension dimension,
                               int64_t now_ms)
{
    struct entry *entry = entry_find(guard, key);
    return entry ? entry : entry_make(guard, key, dimension, now_ms);
}

static void note_failure(struct login_guard *guard, uint64_t key, enum dimension dimension,
                         int64_t now_ms)
{
    count_failure(entry_get(guard, key, dimension, now_ms), dimension, now_ms);
}

static int64_t wait_of(struct login_guard *guard, uint64_t key, enum dimension dimension,
                       int64_t now_ms)
{
    const struct entry *entry = entry_find(guard, key);
    if (!entry)
        return 0;
    if (entry->locked_until_ms > now_ms)
        return entry->locked_until_ms - now_ms;
    bool is_forgotten = entry->last_ms + entry->forget_ms < now_ms;
    uint32_t failures = is_forgotten ? 0 : entry->failures;
    bool is_full =
        entry->pending > 0 && failures + entry->pending >= limits[dimension].free_failures;
    return is_full ? PENDING_WAIT_MS : 0;
}

static int64_t longest_wait(struct login_guard *guard, const uint64_t *keys, int64_t now_ms)
{
    int64_t wait_ms = 0;
    for (int i = 0; i < LOGIN_DIMENSIONS; i++) {
        int64_t own_ms = wait_of(guard, keys[i], (enum dimension)i, now_ms);
        wait_ms = own_ms > wait_ms ? own_ms : wait_ms;
    }
    return wait_ms;
}

static void end_try(struct login_guard *guard, uint64_t key, enum dimension dimension,
                    enum login_outcome outcome, int64_t now_ms)
{
    struct entry *entry = entry_find(guard, key);
    if (entry && entry->pending > 0)
        entry->pending--;
    if (outcome == LOGIN_WRONG)
        note_failure(guard, key, dimension, now_ms);
    /* Those of the address stay, or an attacker would wash them off by logging in to an account of
     * his own. */
    if (outcome == LOGIN_RIGHT && dimension != BY_ADDRESS && entry)
        *entry = (struct entry){.key = entry->pending > 0 ? key : 0,
                                .pending = entry->pending,
                                .forget_ms = entry->forget_ms};
}

int64_t login_guard_wait_s(struct login_guard *guard, struct str email, struct str peer_ip)
{
    uint64_t keys[LOGIN_DIMENSIONS];
    int64_t now_ms = clock_now_ms();
    keys_of(email, peer_ip, keys);
    pthread_mutex_lock(&guard->lock);
    int64_t wait_ms = longest_wait(guard, keys, now_ms);
    pthread_mutex_unlock(&guard->lock);
    return (wait_ms + 999) / 1000;
}

int64_t login_guard_begin(struct login_guard *guard, struct str email, struct str peer_ip)
{
    uint64_t keys[LOGIN_DIMENSIONS];
    int64_t now_ms = clock_now_ms();
    keys_of(email, peer_ip, keys);
    pthread_mutex_lock(&guard->lock);
    int64_t wait_ms = longest_wait(guard, keys, now_ms);
    for (int i = 0; i < LOGIN_DIMENSIONS && wait_ms == 0; i++)
        entry_get(guard, keys[i], (enum dimension)i, now_ms)->pending++;
    pthread_mutex_unlock(&guard->lock);
    return (wait_ms + 999) / 1000;
}

void login_guard_end(struct login_guard *guard, struct str email, struct str peer_ip,
                     enum login_outcome outcome)
{
    uint64_t keys[LOGIN_DIMENSIONS];
    int64_t now_ms = clock_now_ms();
    keys_of(email, peer_ip, keys);
    pthread_mutex_lock(&guard->lock);
    for (int i = 0; i < LOGIN_DIMENSIONS; i++)
        end_try(guard, keys[i], (enum dimension)i, outcome, now_ms);
    pthread_mutex_unlock(&guard->lock);
}

int64_t login_guard_code(struct login_guard *guard, struct str email, bool is_right)
{
    uint64_t key = key_of(BY_CODE, email, STR_NONE);
    int64_t now_ms = clock_now_ms();
    pthread_mutex_lock(&guard->lock);
    int64_t wait_ms = wait_of(guard, key, BY_CODE, now_ms);
    struct entry *entry = entry_find(guard, key);
    if (wait_ms == 0 && !is_right)
        note_failure(guard, key, BY_CODE, now_ms);
    if (wait_ms == 0 && is_right && entry)
        *entry = (struct entry){0};
    pthread_mutex_unlock(&guard->lock);
    return (wait_ms + 999) / 1000;
}
