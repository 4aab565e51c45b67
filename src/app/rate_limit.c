/*
 * Token buckets, kept as one number each: the time at which the bucket will be full again
 * (generic cell rate algorithm). A request moves it on by one interval and is refused when that
 * would be further than the burst away. Nothing has to be refilled, and a bucket whose time has
 * passed is a full one, as good as none.
 *
 * The table has a fixed size: a hash picks a set of WAYS buckets under its shard's mutex. A new
 * caller takes the place of the fullest bucket of his set, which is the one that knows least;
 * someone who floods cannot wash his own out, because it is the emptiest.
 */
#include "app/rate_limit.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include <arpa/inet.h>

#define SHARDS 64
#define SETS   64
#define WAYS   16

const struct rate_class_limits rate_classes[] = {
    [RATE_DEFAULT] = {"\"default\";q=300;w=15", "default", 50, 300, false},
    [RATE_AUTH] = {"\"auth\";q=60;w=60", "auth", 1000, 60, true},
    [RATE_SELL] = {"\"sell\";q=60;w=30", "sell", 500, 60, false},
    [RATE_CHAT_SEND] = {"\"chat-send\";q=100;w=20", "chat-send", 200, 100, false},
    [RATE_CHAT_SEND_NETWORK] = {"\"chat-send-network\";q=1000;w=20", "chat-send-network", 20, 1000,
                                true},
    [RATE_CHAT_ROOM] = {"\"chat-room\";q=500;w=10", "chat-room", 20, 500, false},
    [RATE_CHAT_CREATE] = {"\"chat-create\";q=30;w=600", "chat-create", 20000, 30, false},
    [RATE_CHAT_CREATE_NETWORK] = {"\"chat-create-network\";q=300;w=600", "chat-create-network",
                                  2000, 300, true},
    [RATE_CHAT_SEARCH] = {"\"chat-search\";q=30;w=30", "chat-search", 1000, 30, false},
    [RATE_CHAT_PUSH] = {"\"chat-push\";q=40;w=120", "chat-push", 3000, 40, false},
    [RATE_LOOKUP] = {"\"lookup\";q=20;w=600", "lookup", 30000, 20, false},
    [RATE_LOOKUP_NETWORK] = {"\"lookup-network\";q=200;w=600", "lookup-network", 3000, 200, true},
    [RATE_MEDIA_CREATE] = {"\"media-create\";q=60;w=600", "media-create", 10000, 60, false},
    [RATE_MEDIA_CREATE_NETWORK] = {"\"media-create-network\";q=600;w=600", "media-create-network",
                                   1000, 600, true},
    [RATE_MEDIA_WRITE] = {"\"media-write\";q=120;w=30", "media-write", 250, 120, false},
    [RATE_MEDIA_WRITE_NETWORK] = {"\"media-write-network\";q=1200;w=30", "media-write-network", 25,
                                  1200, true},
    [RATE_NONE] = {NULL, "none", 0, 0, false},
};

struct bucket {
    uint64_t key; /* 0: never used */
    int64_t full_at_ms;
};

struct shard {
    pthread_mutex_t lock;
    struct bucket buckets[SETS][WAYS];
};

struct rate_limiter {
    struct shard shards[SHARDS];
};

struct rate_limiter *rate_limiter_new(void)
{
    struct rate_limiter *limiter = calloc(1, sizeof(*limiter));
    if (!limiter)
        return NULL;
    for (size_t i = 0; i < SHARDS; i++)
        (void)pthread_mutex_init(&limiter->shards[i].lock, NULL); /* cannot fail on Linux */
    return limiter;
}

void rate_limiter_free(struct rate_limiter *limiter)
{
    if (!limiter)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        (void)pthread_mutex_destroy(&limiter->shards[i].lock); /* nobody holds it */
    free(limiter);
}

/* The shard's lock is held. The caller's bucket, or the one that is given up for him. */
static struct bucket *find_bucket(struct bucket *set, uint64_t key)
{
    struct bucket *fullest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].full_at_ms < fullest->full_at_ms)
            fullest = &set[i];
    }
    *fullest = (struct bucket){.key = key};
    return fullest;
}

static struct rate_verdict take(struct bucket *bucket, const struct rate_class_limits *limits,
                                int64_t now_ms)
{
    int64_t full_at_ms = bucket->full_at_ms > now_ms ? bucket->full_at_ms : now_ms;
    int64_t debt_ms = full_at_ms + limits->interval_ms - now_ms;
    int64_t allowed_ms = limits->burst * limits->interval_ms;
    struct rate_verdict verdict = {.is_allowed = debt_ms <= allowed_ms};
    if (verdict.is_allowed)
        bucket->full_at_ms = full_at_ms + limits->interval_ms;
    else
        verdict.retry_in_s = (debt_ms - allowed_ms + 999) / 1000;
    int64_t left_ms = allowed_ms - (bucket->full_at_ms - now_ms);
    verdict.remaining = left_ms > 0 ? left_ms / limits->interval_ms : 0;
    verdict.full_in_s = (bucket->full_at_ms - now_ms + 999) / 1000;
    return verdict;
}

struct rate_verdict rate_limiter_take(struct rate_limiter *limiter, enum rate_class rate_class,
                                      uint64_t who, int64_t now_ms)
{
    const struct rate_class_limits *limits = &rate_classes[rate_class];
    assert(limits->policy);
    uint64_t parts[2] = {who, (uint64_t)rate_class};
    uint64_t key = str_hash(str_from((const char *)parts, sizeof(parts)));
    if (key == 0)
        key = 1;
    struct shard *shard = &limiter->shards[key % SHARDS];
    (void)pthread_mutex_lock(&shard->lock);
    struct bucket *bucket = find_bucket(shard->buckets[key / SHARDS % SETS], key);
    struct rate_verdict verdict = take(bucket, limits, now_ms);
    (void)pthread_mutex_unlock(&shard->lock);
    return verdict;
}

uint64_t rate_limit_address(struct str peer_ip)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (str_find(peer_ip, ':', 0) < peer_ip.len &&
        str_to_c(peer_ip, text, sizeof(text)) == ERR_OK && inet_pton(AF_INET6, text, &address) == 1)
        return str_hash(str_from((const char *)&address, 8));
    return str_hash(peer_ip);
}
