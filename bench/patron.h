/*
 * Patrons: people (or sessions of a bot) with an account, a device, a network and a card, who hold places and pay
 * for them, as clients see it. A few connections serve them one after the other; each does one task and
 * is left alone again, so that a scenario can let time pass between holding and paying.
 */
#ifndef BENCH_PATRON_H
#define BENCH_PATRON_H

#include "load.h"
#include "seed.h"

#define PATRON_HOLDS_MAX 8
#define DEVICE_TEXT_SIZE 64

struct patron_hold {
    char id[64];
    unsigned places;
    bool is_paid, is_lost;
    int64_t lasts_ms; /* as the answer said */
};

struct patron {
    /* Given. */
    size_t account;      /* among the buyers */
    char *device;        /* cookie, shared by those on one device; NULL: throws cookies away */
    const char *network; /* address, as the proxy in front says */
    const char *card;
    unsigned wanted;        /* places in all */
    unsigned per_hold;      /* places of one hold at most */
    int64_t pays_within_ms; /* a hold that ends sooner is paid for at once; 0: never */
    /* Found. */
    struct patron_hold holds[PATRON_HOLDS_MAX];
    unsigned hold_count;
    unsigned bought;             /* places of bookings that it saw confirmed */
    unsigned refused, slowed;    /* answers 422 and 429 */
    unsigned challenged, solved; /* 403 challenge-required, and what was sent for it */
    unsigned given_up,
        lost; /* times that it went without; holds that had ended, or were not paid */
    unsigned unexpected;
};

/* The shop that they go to. */
struct patron_shop {
    unsigned port;
    char event[40];
    const struct seed_buyers *buyers;
};

enum patron_task {
    PATRON_TAKES_DEVICE, /* opens a page, for the device's cookie */
    PATRON_HOLDS,        /* looks which holds are left, and holds up to what it wants */
    PATRON_PAYS,         /* what it holds */
    PATRON_BUYS,         /* holds and pays, hold after hold, until it has what it wants */
};

/* All of them, on a few connections at once. ERR_TIMEOUT: not done after a minute or so. */
ERR_MUST_USE enum err patrons_do(struct patron_shop *shop, struct patron **patrons, size_t count,
                                 enum patron_task task);
/* Places that a patron holds unpaid, as far as it knows. */
unsigned patron_held(const struct patron *patron);

#endif
