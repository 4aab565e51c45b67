/* SQL of tickets and of the key that signs them. */
#ifndef TICKETS_TICKET_STORE_H
#define TICKETS_TICKET_STORE_H

#include "base/crypto.h"
#include "tickets/ticket.h"

ERR_MUST_USE enum err ticket_store_insert(struct db *db, const struct ticket *ticket);
/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err ticket_store_load(struct db *db, uint64_t event_id, uint64_t ticket_id,
                                        struct ticket *ret_ticket);
/* Valid and unused becomes revoked; ERR_CONFLICT otherwise. */
ERR_MUST_USE enum err ticket_store_revoke(struct db *db, uint64_t event_id, uint64_t ticket_id,
                                          uint64_t refund_id);

/* Valid and unused becomes used; ERR_CONFLICT otherwise, then ticket_store_load_use tells why. */
ERR_MUST_USE enum err ticket_store_use(struct db *db, const struct ticket *ticket, int64_t now_ms,
                                       struct str gate);
struct ticket_use {
    bool is_revoked;
    int64_t used_at; /* 0: not used */
    struct str gate; /* arena */
};
/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err ticket_store_load_use(struct db *db, uint64_t event_id, uint64_t ticket_id,
                                            struct arena *arena, struct ticket_use *ret_use);
/* A scan that let somebody in; gate in an arena. */
struct ticket_scan {
    int64_t at_ms;
    struct str gate;
};
/* Makes an earlier scan the one that a used ticket names. ERR_CONFLICT: it is not used, or earlier. */
ERR_MUST_USE enum err ticket_store_use_earlier(struct db *db, uint64_t event_id, uint64_t ticket_id,
                                               const struct ticket_scan *scan);
/* Keeps one that the ticket does not name. */
ERR_MUST_USE enum err ticket_store_add_scan(struct db *db, uint64_t event_id, uint64_t ticket_id,
                                            const struct ticket_scan *scan);
/* Those that are kept, oldest first; at most limit. */
ERR_MUST_USE enum err ticket_store_scans(struct db *db, uint64_t event_id, uint64_t ticket_id,
                                         int64_t limit, struct arena *arena,
                                         struct ticket_scan *ret_scans, size_t *ret_count);
/* Revoked tickets in id order, above after_id; at most limit. */
ERR_MUST_USE enum err ticket_store_revoked(struct db *db, uint64_t event_id, uint64_t after_id,
                                           int64_t limit, uint64_t *ret_ids, size_t *ret_count);
/* Valid ones, used or not. */
ERR_MUST_USE enum err ticket_store_count_valid(struct db *db, uint64_t event_id,
                                               int64_t *ret_count);
/* The public key of that id; ERR_NOT_FOUND. */
ERR_MUST_USE enum err ticket_store_public_key(struct db *db, uint64_t key_id,
                                              uint8_t ret_key[static ED25519_PUBLIC_SIZE]);

#endif
