/*
 * Which addresses may be called when somebody else chooses the name: not this machine, its network,
 * its cloud's metadata, nor another way of writing them. Judged is always the address that is
 * connected to, never a name. Pure; any thread.
 */
#ifndef NET_EGRESS_H
#define NET_EGRESS_H

#include "base/str.h"

#define EGRESS_ALLOWED_MAX  32
#define EGRESS_ADDRESS_TEXT 46 /* INET6_ADDRSTRLEN */

struct egress_address {
    uint8_t bytes[16]; /* network order; the first 4 of IPv4 */
    bool is_v6;
};

struct egress_block {
    struct egress_address address;
    unsigned prefix_bits;
};

struct egress_rules {
    struct egress_block allowed[EGRESS_ALLOWED_MAX]; /* all the same; beside what is public */
    size_t allowed_count;
};

/* "127.0.0.0/8, fd00::/8" or "". ERR_INVALID: not such a list, or bits behind a prefix; ERR_LIMIT:
 * too long. */
ERR_MUST_USE enum err egress_rules_parse(struct str text, struct egress_rules *ret_rules);
/* A plain IPv4 or IPv6 address (dotted quad or RFC 4291, no zone). ERR_INVALID. */
ERR_MUST_USE enum err egress_address_parse(struct str text, struct egress_address *ret_address);
/* NUL-terminated. */
void egress_address_format(const struct egress_address *address,
                           char ret_text[static EGRESS_ADDRESS_TEXT]);
/* In one of the list's networks. For lists of other things than what may be called, too. */
bool egress_is_listed(const struct egress_rules *rules, const struct egress_address *address);
/* An IPv4 address inside an IPv6 one (mapped, compatible, NAT64) is judged as what it is. */
bool egress_is_allowed(const struct egress_rules *rules, const struct egress_address *address);

#endif
