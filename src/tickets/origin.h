/*
 * Where a request comes from, as numbers that can be counted and tell nothing: the device by its
 * signed cookie, the network by the prefix of the address, the card by the provider's fingerprint.
 * 0 is "not known". Pure functions; any thread.
 */
#ifndef TICKETS_ORIGIN_H
#define TICKETS_ORIGIN_H

#include "tickets/abuse_keys.h"

#define DEVICE_COOKIE      "foyer_device"
#define DEVICE_COOKIE_SIZE 33 /* with NUL */

/* A new device and the value of its cookie. */
uint64_t origin_new_device(const struct abuse_keys *keys,
                           char ret_cookie[static DEVICE_COOKIE_SIZE]);
/* 0: no value of ours. */
uint64_t origin_device(const struct abuse_keys *keys, struct str cookie);
/* Of an address in text form: IPv4 by its /24, IPv6 by its /48. 0: no address. */
uint64_t origin_network(const struct abuse_keys *keys, struct str address);
/* Fingerprints of two providers are never the same. 0: no fingerprint. */
uint64_t origin_card(const struct abuse_keys *keys, struct str provider, struct str fingerprint);

#endif
