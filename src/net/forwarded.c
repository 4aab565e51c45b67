/* Read from the right: each proxy adds whom it heard from, so what stands left of an address that is
 * not ours is hearsay. */
#include "net/forwarded.h"

#include <stdio.h>

/* "192.0.2.1", "192.0.2.1:443", "2001:db8::1", "[2001:db8::1]" or "[2001:db8::1]:443". */
static struct str without_port(struct str text)
{
    if (text.len > 0 && text.data[0] == '[') {
        size_t end = str_find(text, ']', 0);
        return end < text.len ? str_sub(text, 1, end - 1) : STR_NONE;
    }
    size_t colon = str_find(text, ':', 0);
    bool is_only = colon < text.len && str_find(text, ':', colon + 1) == text.len;
    return is_only ? str_sub(text, 0, colon) : text;
}

/* An IPv4 address inside an IPv6 one is the same client as outside of it. */
static bool address_read(struct str text, struct egress_address *ret_address)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (egress_address_parse(without_port(str_trim(text)), ret_address) != ERR_OK)
        return false;
    if (ret_address->is_v6 && memcmp(ret_address->bytes, mapped, sizeof(mapped)) == 0) {
        struct egress_address inner = {.is_v6 = false};
        memcpy(inner.bytes, ret_address->bytes + sizeof(mapped), 4);
        *ret_address = inner;
    }
    return true;
}

/* The last piece of a list, which is taken off. */
static struct str take_last(struct str *list)
{
    size_t start = list->len;
    while (start > 0 && list->data[start - 1] != ',')
        start--;
    struct str piece = str_sub(*list, start, list->len);
    *list = str_sub(*list, 0, start > 0 ? start - 1 : 0);
    return piece;
}

/* True when the walk is over: client is who it is. */
static bool walk(const struct egress_rules *proxies, struct str list, size_t *hops,
                 struct egress_address *client)
{
    while (list.len > 0) {
        struct egress_address address;
        if (++*hops > FORWARDED_HOPS_MAX || !address_read(take_last(&list), &address))
            return true;
        *client = address;
        if (!egress_is_listed(proxies, &address))
            return true;
    }
    return false;
}

void forwarded_client(const struct egress_rules *proxies, const char *peer,
                      const struct request_field *fields, size_t field_count,
                      char ret_client[static EGRESS_ADDRESS_TEXT])
{
    struct egress_address client;
    size_t hops = 0;
    (void)snprintf(ret_client, EGRESS_ADDRESS_TEXT, "%s", peer);
    if (!address_read(str_from_c(peer), &client) || !egress_is_listed(proxies, &client))
        return;
    for (size_t i = field_count; i > 0; i--) {
        bool is_it = str_eq_ci(fields[i - 1].name, STR("x-forwarded-for"));
        if (is_it && walk(proxies, fields[i - 1].value, &hops, &client))
            break;
    }
    egress_address_format(&client, ret_client);
}
