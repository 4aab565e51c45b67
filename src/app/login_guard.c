/*
 * Counts failed logins by (email, address), by email and by address, and locks out for a time that
 * doubles with every failure beyond a free allowance.
 *
 * The pair has the smallest allowance: that is a person, or a guesser, at one place. The email's is
 * larger, against guessing from many addresses, and its lock-out short: while such an attack lasts
 * its owner may have to try again after a minute. The address's is the largest, because many people
 * may share one.
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
#define FORGET_MS    (60 * 60 * 1000) /* after the last failure */
#define DOUBLING_MAX 20

enum dimension {
    BY_PAIR,
    BY_EMAIL,
    BY_ADDRESS,
    DIMENSIONS
};

static const struct {
    uint32_t free_failures;
    int64_t first_ms;
    int64_t longest_ms;
} limits[DIMENSIONS] = {
    [BY_PAIR] = {5, 5 * 1000, 15 * 60 * 1000},
    [BY_EMAIL] = {20, 5 * 1000, 60 * 1000},
    [BY_ADDRESS] = {100, 5 * 1000, 15 * 60 * 1000},
};

struct entry {
    uint64_t key; /* 0: free */
    uint32_t failures;
    int64_t last_ms;
    int64_t locked_until_ms;
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

static void keys_of(struct str email, struct str peer_ip, uint64_t ret_keys[static DIMENSIONS])
{
    char text[512];
    char network_text[INET6_ADDRSTRLEN];
    struct str network = network_of(peer_ip, network_text);
    for (int i = 0; i < DIMENSIONS; i++) {
        struct str shown_email = i == BY_ADDRESS ? STR_NONE : email;
        struct str shown_network = i == BY_EMAIL ? STR_NONE : network;
        int len = snprintf(text, sizeof(text), "%d %.*s %.*s", i, STR_ARG(shown_network),
                           STR_ARG(shown_email));
        size_t used = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
        ret_keys[i] = str_hash(str_from(text, used)) | 1; /* never the free key */
    }
}

/* The lock is held, here and below. */
static struct entry *entry_find(struct login_guard *guard, uint64_t key)
{
    struct entry *set = guard->entries[(key >> 1) % SETS];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
    }
    return NULL;
}

static struct entry *entry_make(struct login_guard *guard, uint64_t key, int64_t now_ms)
{
    struct entry *set = guard->entries[(key >> 1) % SETS];
    struct entry *least = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        bool is_over = set[i].last_ms + FORGET_MS < now_ms;
        if (set[i].key == 0 || is_over) {
            least = &set[i];
            break;
        }
        if (set[i].failures < least->failures)
            least = &set[i];
    }
    *least = (struct entry){.key = key};
    return least;
}

static void count_failure(struct entry *entry, enum dimension dimension, int64_t now_ms)
{
    if (entry->last_ms + FORGET_MS < now_ms)
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

int64_t login_guard_wait_s(struct login_guard *guard, struct str email, struct str peer_ip)
{
    uint64_t keys[DIMENSIONS];
    int64_t wait_ms = 0;
    int64_t now_ms = clock_now_ms();
    keys_of(email, peer_ip, keys);
    pthread_mutex_lock(&guard->lock);
    for (int i = 0; i < DIMENSIONS; i++) {
        const struct entry *entry = entry_find(guard, keys[i]);
        if (entry && entry->locked_until_ms - now_ms > wait_ms)
            wait_ms = entry->locked_until_ms - now_ms;
    }
    pthread_mutex_unlock(&guard->lock);
    return (wait_ms + 999) / 1000;
}

void login_guard_failed(struct login_guard *guard, struct str email, struct str peer_ip)
{
    uint64_t keys[DIMENSIONS];
    int64_t now_ms = clock_now_ms();
    keys_of(email, peer_ip, keys);
    pthread_mutex_lock(&guard->lock);
    for (int i = 0; i < DIMENSIONS; i++) {
        struct entry *entry = entry_find(guard, keys[i]);
        if (!entry)
            entry = entry_make(guard, keys[i], now_ms);
        count_failure(entry, (enum dimension)i, now_ms);
    }
    pthread_mutex_unlock(&guard->lock);
}

void login_guard_succeeded(struct login_guard *guard, struct str email, struct str peer_ip)
{
    static const enum dimension forgiven[] = {BY_PAIR, BY_EMAIL};
    uint64_t keys[DIMENSIONS];
    keys_of(email, peer_ip, keys);
    pthread_mutex_lock(&guard->lock);
    for (size_t i = 0; i < sizeof(forgiven) / sizeof(forgiven[0]); i++) {
        struct entry *entry = entry_find(guard, keys[forgiven[i]]);
        if (entry)
            *entry = (struct entry){0};
    }
    pthread_mutex_unlock(&guard->lock);
}
