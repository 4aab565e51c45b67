/*
 * Fuzz target of addresses and lists of them. Whatever comes: a second reader (getaddrinfo, numbers
 * only) agrees on the address, what is written reads back, and without a list nothing is allowed that
 * the system itself calls loopback, link-local, private, multicast or unspecified.
 *
 * Run: egress_fuzz tests/fuzz/corpus/egress
 */
#include "fuzz.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/egress.h"

#define TEXT_MAX 128

static void second_reader(const char *text, const struct egress_address *address)
{
    struct addrinfo *info = NULL, hints = {.ai_flags = AI_NUMERICHOST,
                                           .ai_family = address->is_v6 ? AF_INET6 : AF_INET,
                                           .ai_socktype = SOCK_STREAM};
    require(getaddrinfo(text, NULL, &hints, &info) == 0);
    const void *bytes =
        address->is_v6 ? (const void *)&((struct sockaddr_in6 *)(void *)info->ai_addr)->sin6_addr
                       : (const void *)&((struct sockaddr_in *)(void *)info->ai_addr)->sin_addr;
    require(memcmp(bytes, address->bytes, address->is_v6 ? 16 : 4) == 0);
    freeaddrinfo(info);
}

static bool is_special_v4(const uint8_t *bytes)
{
    return bytes[0] == 0 || bytes[0] == 10 || bytes[0] == 127 || bytes[0] >= 224 ||
           (bytes[0] == 169 && bytes[1] == 254) || (bytes[0] == 192 && bytes[1] == 168) ||
           (bytes[0] == 172 && (bytes[1] & 0xf0) == 16) ||
           (bytes[0] == 100 && (bytes[1] & 0xc0) == 64);
}

static bool is_special(const struct egress_address *address)
{
    if (!address->is_v6)
        return is_special_v4(address->bytes);
    const struct in6_addr *v6 = (const void *)address->bytes;
    if (IN6_IS_ADDR_V4MAPPED(v6) || IN6_IS_ADDR_V4COMPAT(v6))
        return is_special_v4(address->bytes + 12);
    return IN6_IS_ADDR_LOOPBACK(v6) || IN6_IS_ADDR_UNSPECIFIED(v6) || IN6_IS_ADDR_LINKLOCAL(v6) ||
           IN6_IS_ADDR_SITELOCAL(v6) || IN6_IS_ADDR_MULTICAST(v6) ||
           (address->bytes[0] & 0xfe) == 0xfc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct egress_rules none = {.allowed_count = 0}, rules;
    struct egress_address address, again;
    struct str text = str_from((const char *)data, size);
    char plain[TEXT_MAX], written[EGRESS_ADDRESS_TEXT];
    if (egress_address_parse(text, &address) == ERR_OK) {
        require(str_to_c(text, plain, sizeof(plain)) == ERR_OK);
        second_reader(plain, &address);
        egress_address_format(&address, written);
        require(egress_address_parse(str_from_c(written), &again) == ERR_OK);
        require(memcmp(&address, &again, sizeof(address)) == 0);
        require(!is_special(&address) || !egress_is_allowed(&none, &address));
    }
    if (egress_rules_parse(text, &rules) == ERR_OK)
        for (size_t i = 0; i < rules.allowed_count; i++)
            require(egress_is_allowed(&rules, &rules.allowed[i].address));
    return 0;
}
