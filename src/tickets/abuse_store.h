/* SQL of the defence against bots: what is counted stands in the rows of bookings, and the indexes
 * have the ones that count (sql/tickets/005_abuse.sql). Each function is one step of a transaction. */
#ifndef TICKETS_ABUSE_STORE_H
#define TICKETS_ABUSE_STORE_H

#include "store/db.h"
#include "tickets/booking.h"

/* A booking that counts: open or confirmed, with tickets that were not all given back. */
struct counted {
    uint64_t id, account_id, device, pay_device, card;
    enum booking_state state;
    int64_t places; /* that count */
};

/* An account's bookings for one event. */
#define OPEN_BOOKINGS_SHOWN 4
struct account_facts {
    int64_t places;     /* in open holds and bookings */
    int64_t open_count; /* open holds */
    uint64_t open_ids[OPEN_BOOKINGS_SHOWN];
    int64_t slow_ends;  /* holds that ended unpaid since since_ms, less the quick ones */
    int64_t quick_ends; /* given back soon after they were made */
    int64_t last_end_ms;
};

/* Places of a network's open holds and bookings. */
struct network_facts {
    int64_t places;
    int64_t unsolved; /* of these, without a solved challenge */
};

/* Hears of each row. */
struct counted_sink {
    void (*take)(void *ctx, const struct counted *row);
    void *ctx;
};

/* The reads of a hold on their way (db_send). */
struct abuse_reads {
    struct db_stmt *account, *device, *network; /* device NULL: the hold has none */
};
/* since_ms: how far back holds that ended count. abuse_store_read must follow. */
ERR_MUST_USE enum err abuse_store_send(struct db *db, const struct booking *booking,
                                       int64_t since_ms, struct abuse_reads *ret_reads);
/* What the booking's account, device and network have. Rows of account and device go to sink. */
ERR_MUST_USE enum err abuse_store_read(const struct abuse_reads *reads,
                                       const struct counted_sink *sink,
                                       struct account_facts *ret_account,
                                       struct network_facts *ret_network);
/* They are not wanted after all. */
void abuse_store_drop(const struct abuse_reads *reads);
/* The rows that one more account, device or card of an event leads to. */
ERR_MUST_USE enum err abuse_store_by_account(struct db *db, uint64_t event_id, uint64_t account_id,
                                             const struct counted_sink *sink);
ERR_MUST_USE enum err abuse_store_by_device(struct db *db, uint64_t event_id, uint64_t device,
                                            const struct counted_sink *sink);
ERR_MUST_USE enum err abuse_store_by_card(struct db *db, uint64_t event_id, uint64_t card,
                                          const struct counted_sink *sink);
ERR_MUST_USE enum err abuse_store_network(struct db *db, uint64_t event_id, uint64_t network,
                                          struct network_facts *ret_network);
/* Places of the card in other bookings than this one, and the event's cap of them. */
ERR_MUST_USE enum err abuse_store_card(struct db *db, const struct booking *booking,
                                       int64_t *ret_places, int64_t *ret_cap);
/* A hold has used this solution before. */
ERR_MUST_USE enum err abuse_store_is_used(struct db *db, uint64_t event_id, uint64_t solution,
                                          bool *ret_is_used);
/* Writes the booking's origin. */
ERR_MUST_USE enum err abuse_store_save(struct db *db, const struct booking *booking);

#endif
