/*
 * What an organizer may say about an event, and whether it makes sense. Pure functions over a
 * decoded body: the same ones run on the pool, to refuse early, and in the writer, on the row as it
 * is then.
 */
#ifndef TICKETS_EVENT_INPUT_H
#define TICKETS_EVENT_INPUT_H

#include "tickets/event_store.h"

/* The body of POST /v1/events and of PATCH /v1/events/{id}; has_x is set for members that came. */
struct event_input {
    struct str venue_id, name, description, category, currency, waiting_room, late_payment;
    int64_t starts_at, onsale_at, hold_ttl_s, refund_until_s;
    struct json_node *prices, *limits, *queue, *abuse;
    bool has_name, has_description, has_category, has_currency, has_waiting_room, has_late_payment;
    bool has_starts_at, has_onsale_at, has_hold_ttl_s, has_refund_until_s, has_prices, has_limits;
    bool has_queue, has_abuse;
    bool buyer_chat, has_buyer_chat;
    bool orphan_rule, has_orphan_rule;
};
extern const struct json_field event_create_fields[];
extern const struct json_field event_patch_fields[];

/* Fills in what an organizer leaves out. */
void event_set_defaults(struct event *event);

/* An event together with its prices and what they may be named. */
struct event_subject {
    struct event *event; /* changed in place, as prices are */
    int64_t *prices;     /* EVENT_PRICES_MAX */
    const struct layout_category *categories;
    uint32_t category_count;
    bool is_new;
};

/* Applies the input and checks what comes out; every fault goes to errors. Strings stay the
 * input's. now_ms decides what "future" is. */
void event_input_apply(const struct event_input *input, struct event_subject *subject,
                       int64_t now_ms, struct field_errors *errors);
/* What an event needs before it can be sold. */
void event_check_publishable(const struct event_subject *subject, int64_t now_ms,
                             struct field_errors *errors);
bool event_has_price(const int64_t prices[static EVENT_PRICES_MAX]);

/* Draft to published, either to cancelled; everything else is ERR_CONFLICT. The only function that
 * moves a status. */
ERR_MUST_USE enum err event_set_status(struct event *event, enum event_status status);

/* ISO 4217, alphabetic, in circulation. */
bool currency_is_known(struct str code);

#endif
