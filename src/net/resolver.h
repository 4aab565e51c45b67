/*
 * Names to addresses by c-ares, for a loop of epoll: never blocks, each query bounded in time and
 * number. Belongs to one thread. Search domains are not tried: a name is what it says. Answers are kept
 * as long as they say, at most RESOLVER_TTL_S_MAX; that there is none is not kept.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "net/egress.h"

#define RESOLVER_ADDRESSES_MAX 8
#define RESOLVER_QUERIES_MAX   8192 /* asked and not answered, forgotten ones too */
#define RESOLVER_TIMEOUT_MS    3000 /* of the first try */
#define RESOLVER_TRIES         2
#define RESOLVER_CACHE         4096 /* names; of two that fall on one place, the later */
#define RESOLVER_TTL_S_MAX     60

struct resolver;
struct resolver_query;

struct resolver_answer {
    enum err err; /* ERR_NOT_FOUND: no such name; ERR_IO */
    struct egress_address addresses[RESOLVER_ADDRESSES_MAX]; /* at least one on ERR_OK */
    size_t address_count;
    const char *message; /* what failed; static */
};

struct resolver_options {
    const char *servers; /* "127.0.0.1:5353,..."; NULL: the system's */
    int epoll_fd;        /* its sockets are put there, */
    uint64_t epoll_tag;  /* with this tag or'ed with the descriptor as data */
};

ERR_MUST_USE enum err resolver_new(const struct resolver_options *options,
                                   struct resolver **ret_resolver);
/* Queries that are open are forgotten. NULL is fine. */
void resolver_free(struct resolver *resolver);
/* on_answer runs from resolver_turn, never from here. name: ASCII. ERR_LIMIT, ERR_NOMEM. */
ERR_MUST_USE enum err resolver_ask(struct resolver *resolver, const char *name,
                                   void (*on_answer)(void *ctx, const struct resolver_answer *),
                                   void *ctx, struct resolver_query **ret_query);
/* on_answer will not run. NULL is fine. */
void resolver_forget(struct resolver_query *query);
/* A socket of the resolver's has an event. */
void resolver_on_event(struct resolver *resolver, int fd, bool is_readable, bool is_writable);
/* Hands on answers and minds the time; once a round. */
void resolver_turn(struct resolver *resolver);
/* How long it can do without a turn, at most max_ms. */
int resolver_wait_ms(struct resolver *resolver, int max_ms);

#endif
