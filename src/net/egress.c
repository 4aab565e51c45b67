/*
 * Vetting of addresses. IPv4: everything but the special blocks of IANA's registry and what clouds
 * keep for themselves. IPv6 the other way round: nothing but global unicast (2000::/3), less the
 * special blocks in it. What carries an IPv4 address is judged by that one, so that no notation and
 * no translator is a way around.
 */
#include "net/egress.h"

#include <arpa/inet.h>
#include <stdio.h>

#define V4_BITS 32
#define V6_BITS 128

/* Not to be called (RFC 6890 and its registry). */
static const char *const refused_v4[] = {
    "0.0.0.0/8",        /* this network */
    "10.0.0.0/8",       /* private */
    "100.64.0.0/10",    /* carrier-grade NAT; a cloud's metadata at 100.100.100.200 */
    "127.0.0.0/8",      /* loopback */
    "168.63.129.16/32", /* a cloud's host, though the address is a public one */
    "169.254.0.0/16",   /* link-local; metadata at 169.254.169.254 */
    "172.16.0.0/12",    /* private */
    "192.0.0.0/24",     /* protocol assignments; a cloud's metadata at 192.0.0.192 */
    "192.0.2.0/24",     /* documentation */
    "192.88.99.0/24",   /* 6to4 relays */
    "192.168.0.0/16",   /* private */
    "198.18.0.0/15",    /* benchmarks */
    "198.51.100.0/24",  /* documentation */
    "203.0.113.0/24",   /* documentation */
    "224.0.0.0/4",      /* multicast */
    "240.0.0.0/4",      /* reserved, broadcast */
};

static const char *const global_v6 = "2000::/3";
static const char *const refused_v6[] = {
    "2001::/23",     /* protocol assignments: Teredo, ORCHID, benchmarks */
    "2001:db8::/32", /* documentation */
    "2002::/16",     /* 6to4 */
    "3fff::/20",     /* documentation */
};
/* The last 32 bits are an IPv4 address. */
static const char *const carriers_v6[] = {
    "::ffff:0:0/96", /* mapped */
    "::/96",         /* compatible; also :: and ::1 */
    "64:ff9b::/96",  /* NAT64 */
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum err egress_address_parse(struct str text, struct egress_address *ret_address)
{
    char plain[EGRESS_ADDRESS_TEXT];
    struct egress_address address = {0};
    if (memchr(text.data ? text.data : "", '\0', text.len) ||
        str_to_c(text, plain, sizeof(plain)) != ERR_OK)
        return ERR_INVALID;
    address.is_v6 = strchr(plain, ':') != NULL;
    if (inet_pton(address.is_v6 ? AF_INET6 : AF_INET, plain, address.bytes) != 1)
        return ERR_INVALID;
    *ret_address = address;
    return ERR_OK;
}

void egress_address_format(const struct egress_address *address,
                           char ret_text[static EGRESS_ADDRESS_TEXT])
{
    /* Cannot fail: both families are known and the text has room. */
    (void)!inet_ntop(address->is_v6 ? AF_INET6 : AF_INET, address->bytes, ret_text,
                     EGRESS_ADDRESS_TEXT);
}

static bool is_bit_set(const struct egress_address *address, unsigned bit)
{
    return (address->bytes[bit / 8] >> (7 - bit % 8)) & 1;
}

static bool is_in(const struct egress_address *address, const struct egress_block *block)
{
    if (address->is_v6 != block->address.is_v6)
        return false;
    for (unsigned bit = 0; bit < block->prefix_bits; bit++)
        if (is_bit_set(address, bit) != is_bit_set(&block->address, bit))
            return false;
    return true;
}

static enum err block_parse(struct str text, struct egress_block *ret_block)
{
    struct egress_block block;
    int64_t bits;
    size_t slash = str_find(text, '/', 0);
    enum err err = egress_address_parse(str_sub(text, 0, slash), &block.address);
    if (!err)
        err = str_to_i64(str_sub(text, slash + 1, text.len), &bits);
    if (err)
        return ERR_INVALID;
    unsigned bits_max = block.address.is_v6 ? V6_BITS : V4_BITS;
    if (bits < 0 || bits > bits_max)
        return ERR_INVALID;
    block.prefix_bits = (unsigned)bits;
    for (unsigned bit = block.prefix_bits; bit < bits_max; bit++)
        if (is_bit_set(&block.address, bit))
            return ERR_INVALID; /* 10.1.2.3/8 is a slip, and it is not ours to guess which */
    *ret_block = block;
    return ERR_OK;
}

enum err egress_rules_parse(struct str text, struct egress_rules *ret_rules)
{
    struct egress_rules rules = {.allowed_count = 0};
    while (text.len > 0) {
        struct str block = str_trim(str_split(&text, ','));
        if (rules.allowed_count == EGRESS_ALLOWED_MAX)
            return ERR_LIMIT;
        enum err err = block_parse(block, &rules.allowed[rules.allowed_count++]);
        if (err)
            return err;
    }
    *ret_rules = rules;
    return ERR_OK;
}

static bool is_in_text(const struct egress_address *address, const char *text)
{
    struct egress_block block;
    /* A block of ours that cannot be read would be a hole: then everything is in it. */
    return block_parse(str_from_c(text), &block) != ERR_OK || is_in(address, &block);
}

static bool is_in_any(const struct egress_address *address, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_in_text(address, texts[i]))
            return true;
    return false;
}

bool egress_is_listed(const struct egress_rules *rules, const struct egress_address *address)
{
    for (size_t i = 0; i < rules->allowed_count; i++)
        if (is_in(address, &rules->allowed[i]))
            return true;
    return false;
}

bool egress_is_allowed(const struct egress_rules *rules, const struct egress_address *address)
{
    if (egress_is_listed(rules, address))
        return true;
    if (!address->is_v6)
        return !is_in_any(address, refused_v4, COUNT(refused_v4));
    if (is_in_any(address, carriers_v6, COUNT(carriers_v6))) {
        struct egress_address inner = {.is_v6 = false};
        memcpy(inner.bytes, address->bytes + 12, 4);
        return egress_is_allowed(rules, &inner); /* once: an IPv4 address carries none */
    }
    return is_in_text(address, global_v6) && !is_in_any(address, refused_v6, COUNT(refused_v6));
}
