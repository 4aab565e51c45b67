/*
 * The resolver; purpose in resolver.h.
 *
 * c-ares answers from within whatever call it likes, even from the question itself. So its callback
 * only notes the answer, and resolver_turn hands it on. c-ares cannot end one query: who is not
 * interested any more is taken out of it (forget), and the query ends by its own time.
 */
#include "net/resolver.h"

#include <ares.h>
#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"

#define MS_US              1000
#define SECOND_NS          INT64_C(1000000000)
#define RESOLVER_NAME_SIZE 256

struct resolver_query {
    struct resolver_query *next; /* among the answered ones */
    struct resolver *resolver;
    void (*on_answer)(void *ctx, const struct resolver_answer *answer); /* NULL: forgotten */
    void *ctx;
    struct resolver_answer answer;
    char name[RESOLVER_NAME_SIZE];
};

struct cached {
    char name[RESOLVER_NAME_SIZE]; /* "": nothing here */
    int64_t until_ns;
    struct resolver_answer answer;
};

struct resolver {
    struct resolver_options options;
    ares_channel channel;
    size_t query_count;
    struct resolver_query *answered, **answered_last;
    struct cached *cache; /* RESOLVER_CACHE */
};

static pthread_once_t ares_once = PTHREAD_ONCE_INIT;
static bool is_ares_ready;

static void start_ares(void)
{
    is_ares_ready = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
}

/* --- sockets --- */

static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = ctx;
    struct epoll_event event = {.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
                                .data.u64 = resolver->options.epoll_tag | (uint32_t)fd};
    int epoll_fd = resolver->options.epoll_fd;
    /* A socket that cannot be watched is one that never answers: the query ends by its time. */
    if (event.events == 0)
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) != 0)
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void resolver_on_event(struct resolver *resolver, int fd, bool is_readable, bool is_writable)
{
    ares_process_fd(resolver->channel, is_readable ? fd : ARES_SOCKET_BAD,
                    is_writable ? fd : ARES_SOCKET_BAD);
}

int resolver_wait_ms(struct resolver *resolver, int max_ms)
{
    struct timeval left, max = {.tv_sec = max_ms / 1000, .tv_usec = max_ms % 1000 * MS_US};
    if (resolver->answered)
        return 0;
    if (resolver->query_count == 0)
        return max_ms;
    struct timeval *wait = ares_timeout(resolver->channel, &max, &left);
    int wait_ms = (int)(wait->tv_sec * 1000 + (wait->tv_usec + MS_US - 1) / MS_US);
    return wait_ms < max_ms ? wait_ms : max_ms;
}

/* --- answers --- */

static void add_address(struct resolver_answer *answer, const struct sockaddr *from)
{
    struct egress_address address = {.is_v6 = from->sa_family == AF_INET6};
    if (answer->address_count == RESOLVER_ADDRESSES_MAX)
        return;
    if (address.is_v6)
        memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
    else if (from->sa_family == AF_INET)
        memcpy(address.bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    else
        return;
    answer->addresses[answer->address_count++] = address;
}

static struct cached *cache_place(struct resolver *resolver, const char *name)
{
    return &resolver->cache[str_hash(str_from_c(name)) % RESOLVER_CACHE];
}

static void cache_put(struct resolver *resolver, const struct resolver_query *query, int ttl_s)
{
    struct cached *cached = cache_place(resolver, query->name);
    if (ttl_s <= 0)
        return;
    if (ttl_s > RESOLVER_TTL_S_MAX)
        ttl_s = RESOLVER_TTL_S_MAX;
    memcpy(cached->name, query->name, sizeof(cached->name));
    cached->until_ns = clock_mono_ns() + ttl_s * SECOND_NS;
    cached->answer = query->answer;
}

static bool cache_get(struct resolver *resolver, struct resolver_query *query)
{
    const struct cached *cached = cache_place(resolver, query->name);
    if (strcmp(cached->name, query->name) != 0 || cached->until_ns <= clock_mono_ns())
        return false;
    query->answer = cached->answer;
    return true;
}

static void query_answered(struct resolver_query *query)
{
    *query->resolver->answered_last = query;
    query->resolver->answered_last = &query->next;
}

static void on_addresses(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
    struct resolver_query *query = ctx;
    struct resolver *resolver = query->resolver;
    struct resolver_answer *answer = &query->answer;
    (void)timeouts;
    int ttl_s = RESOLVER_TTL_S_MAX;
    for (struct ares_addrinfo_node *node = info ? info->nodes : NULL; node; node = node->ai_next) {
        add_address(answer, node->ai_addr);
        ttl_s = node->ai_ttl < ttl_s ? node->ai_ttl : ttl_s;
    }
    if (info)
        ares_freeaddrinfo(info);
    bool is_unknown = status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS;
    answer->err = answer->address_count > 0 ? ERR_OK : is_unknown ? ERR_NOT_FOUND : ERR_IO;
    answer->message = status == ARES_SUCCESS ? "no address" : ares_strerror(status);
    if (answer->err == ERR_OK)
        cache_put(resolver, query, ttl_s);
    query_answered(query);
}

void resolver_turn(struct resolver *resolver)
{
    if (resolver->query_count > 0)
        ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* times only */
    struct resolver_query *query = resolver->answered;
    resolver->answered = NULL;
    resolver->answered_last = &resolver->answered;
    while (query) {
        struct resolver_query *next = query->next;
        resolver->query_count--;
        if (query->on_answer)
            query->on_answer(query->ctx, &query->answer);
        free(query);
        query = next;
    }
}

enum err resolver_ask(struct resolver *resolver, const char *name,
                      void (*on_answer)(void *ctx, const struct resolver_answer *), void *ctx,
                      struct resolver_query **ret_query)
{
    if (resolver->query_count >= RESOLVER_QUERIES_MAX)
        return ERR_LIMIT;
    struct resolver_query *query = calloc(1, sizeof(*query));
    if (!query)
        return ERR_NOMEM;
    if (str_to_c(str_from_c(name), query->name, sizeof(query->name)) != ERR_OK) {
        free(query);
        return ERR_LIMIT;
    }
    query->resolver = resolver;
    query->on_answer = on_answer;
    query->ctx = ctx;
    resolver->query_count++;
    *ret_query = query;
    if (cache_get(resolver, query)) {
        query_answered(query);
        return ERR_OK;
    }
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(resolver->channel, name, NULL, &hints, on_addresses, query);
    return ERR_OK;
}

void resolver_forget(struct resolver_query *query)
{
    if (query)
        query->on_answer = NULL;
}

/* --- start and end --- */

enum err resolver_new(const struct resolver_options *options, struct resolver **ret_resolver)
{
    (void)pthread_once(&ares_once, start_ares); /* cannot fail with a valid control */
    struct resolver *resolver = is_ares_ready ? calloc(1, sizeof(*resolver)) : NULL;
    if (!resolver)
        return ERR_NOMEM;
    resolver->options = *options;
    resolver->answered_last = &resolver->answered;
    resolver->cache = calloc(RESOLVER_CACHE, sizeof(*resolver->cache));
    if (!resolver->cache) {
        free(resolver);
        return ERR_NOMEM;
    }
    struct ares_options with = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
                                .timeout = RESOLVER_TIMEOUT_MS,
                                .tries = RESOLVER_TRIES,
                                .sock_state_cb = on_socket,
                                .sock_state_cb_data = resolver};
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (ares_init_options(&resolver->channel, &with, mask) != ARES_SUCCESS) {
        free(resolver->cache);
        free(resolver);
        return ERR_NOMEM;
    }
    if (options->servers &&
        ares_set_servers_ports_csv(resolver->channel, options->servers) != ARES_SUCCESS) {
        resolver_free(resolver);
        return ERR_INVALID;
    }
    *ret_resolver = resolver;
    return ERR_OK;
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    ares_destroy(resolver->channel); /* answers all that is open */
    struct resolver_query *query = resolver->answered;
    while (query) {
        struct resolver_query *next = query->next;
        free(query);
        query = next;
    }
    free(resolver->cache);
    free(resolver);
}
