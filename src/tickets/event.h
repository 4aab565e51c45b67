/* An event's row, as rules see it. */
#ifndef TICKETS_EVENT_H
#define TICKETS_EVENT_H

#include "base/arena.h"
#include "store/db.h"
#include "tickets/queue_settings.h"

enum event_status {
    EVENT_DRAFT,
    EVENT_PUBLISHED,
    EVENT_CANCELLED
};
enum late_payment {
    LATE_PAYMENT_RECLAIM,
    LATE_PAYMENT_REFUND
};

/* When a hold must come with the solution of a challenge. */
enum challenge_rule {
    CHALLENGE_OFF,
    CHALLENGE_AUTO, /* for suspicious clusters */
    CHALLENGE_ON,   /* for every hold */
};

/* Caps against bots, in places; see abuse.h. */
struct abuse_settings {
    int64_t per_device, per_card; /* never below per_account: they count people together */
    int64_t per_network;
    int64_t open_holds; /* holds of one account */
    enum challenge_rule challenge;
};

struct event {
    uint64_t id;
    uint64_t account_id; /* organizer */
    uint64_t venue_id;
    int64_t plan_version;
    struct str name, description, category, waiting_room;
    int64_t starts_at, onsale_at; /* sales end at the start */
    char currency[4];
    enum event_status status;
    int64_t hold_ttl_s;
    int64_t per_booking, per_account;
    struct abuse_settings abuse;
    enum late_payment late_payment;
    int64_t refund_until_s;
    bool has_buyer_chat;  /* its buyers get a conversation with the organizer */
    bool has_orphan_rule; /* whoever chooses seats leaves none alone; see best.h */
    struct queue_settings queue;
    int64_t created_at, updated_at;
};

/* Strings are copied to the arena. ERR_NOT_FOUND. */
ERR_MUST_USE enum err event_load(struct db *db, uint64_t event_id, struct arena *arena,
                                 struct event *ret_event);

#endif
