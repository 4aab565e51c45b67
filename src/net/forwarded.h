/*
 * Who a request comes from when proxies of ours stand in front: the last address in X-Forwarded-For
 * that is none of them. Whoever is no proxy of ours may write there what he likes; it is not read.
 * Pure; any thread.
 */
#ifndef NET_FORWARDED_H
#define NET_FORWARDED_H

#include "net/egress.h"
#include "net/request.h"

#define FORWARDED_HOPS_MAX 32 /* addresses that are looked at, from the last one */

/* peer: whom the connection comes from. fields: the request's. ret_client: the client's address, or
 * peer when it is no proxy of the list, or says nothing that can be read. Where all are proxies, the
 * first of them. */
void forwarded_client(const struct egress_rules *proxies, const char *peer,
                      const struct request_field *fields, size_t field_count,
                      char ret_client[static EGRESS_ADDRESS_TEXT]);

#endif
