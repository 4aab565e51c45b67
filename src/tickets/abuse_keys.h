/* Keys of the defence against bots. They come from the key that signs tickets, which all nodes share
 * and no restart changes. */
#ifndef TICKETS_ABUSE_KEYS_H
#define TICKETS_ABUSE_KEYS_H

#include "base/crypto.h"

#define ABUSE_KEY_SIZE SHA256_SIZE

struct abuse_keys {
    uint8_t device[ABUSE_KEY_SIZE];    /* signs cookies */
    uint8_t origin[ABUSE_KEY_SIZE];    /* hashes networks and cards */
    uint8_t challenge[ABUSE_KEY_SIZE]; /* signs challenges */
};

/* secret: the ticket key's secret half. Once, at start. */
void abuse_keys_derive(struct str secret, struct abuse_keys *ret_keys);

#endif
