/*
 * The rules of an event's members.
 *
 *   draft ── publish ──▶ published ── cancel ──▶ cancelled
 *     └───────────────── cancel ─────────────────▶
 *
 * A draft may be changed in every way. Once people may have bought, what they bought stays: a
 * published event takes a new name, description, category or start, other settings of the waiting
 * room and of the defence against bots, and a later on-sale time as long as the sale hasn't begun;
 * prices, currency, limits, payment rules and whether there is a waiting room are settled. A
 * cancelled event takes nothing.
 */
#include "tickets/event_input.h"

#include "tickets/abuse_settings.h"

#include <inttypes.h>
#include <stddef.h>

#define NAME_BYTES_MAX        200
#define DESCRIPTION_BYTES_MAX 10000
#define CATEGORY_BYTES_MAX    50
#define REFUND_UNTIL_S_MAX    (366LL * 24 * 60 * 60)

static const char *const waiting_rooms[] = {"off", "on", "auto", NULL};
static const char *const late_payments[] = {"reclaim", "refund", NULL};

#define AT(member)  offsetof(struct event_input, member)
#define HAS(member) .has_offset = offsetof(struct event_input, has_##member)

/* Both bodies have these members; required is true for a new event. */
#define FIELDS(required)                                                                           \
    {.name = "name",                                                                               \
     .kind = JSON_STR,                                                                             \
     .offset = AT(name),                                                                           \
     HAS(name),                                                                                    \
     .is_required = required,                                                                      \
     .min = 1,                                                                                     \
     .max = NAME_BYTES_MAX,                                                                        \
     .doc = "what stands on the poster"},                                                          \
        {.name = "description",                                                                    \
         .kind = JSON_STR,                                                                         \
         .offset = AT(description),                                                                \
         HAS(description),                                                                         \
         .max = DESCRIPTION_BYTES_MAX,                                                             \
         .doc = "plain text"},                                                                     \
        {.name = "category",                                                                       \
         .kind = JSON_STR,                                                                         \
         .offset = AT(category),                                                                   \
         HAS(category),                                                                            \
         .is_required = required,                                                                  \
         .min = 1,                                                                                 \
         .max = CATEGORY_BYTES_MAX,                                                                \
         .doc = "lowercase words joined by hyphens, such as rock or stand-up-comedy"},             \
        {.name = "starts_at",                                                                      \
         .kind = JSON_TIME,                                                                        \
         .offset = AT(starts_at),                                                                  \
         HAS(starts_at),                                                                           \
         .is_required = required,                                                                  \
         .doc = "in the future; sales end then"},                                                  \
        {.name = "onsale_at",                                                                      \
         .kind = JSON_TIME,                                                                        \
         .offset = AT(onsale_at),                                                                  \
         HAS(onsale_at),                                                                           \
         .is_required = required,                                                                  \
         .doc = "before starts_at; a past time means at once"},                                    \
        {.name = "currency",                                                                       \
         .kind = JSON_STR,                                                                         \
         .offset = AT(currency),                                                                   \
         HAS(currency),                                                                            \
         .is_required = required,                                                                  \
         .min = 3,                                                                                 \
         .max = 3,                                                                                 \
         .doc = "ISO 4217"},                                                                       \
        {.name = "prices",                                                                         \
         .kind = JSON_OBJECT,                                                                      \
         .offset = AT(prices),                                                                     \
         HAS(prices),                                                                              \
         .is_required = required,                                                                  \
         .doc = "minor units by category of the seating plan; what is left out is not for sale"},  \
        {.name = "hold_ttl_s",                                                                     \
         .kind = JSON_I64,                                                                         \
         .offset = AT(hold_ttl_s),                                                                 \
         HAS(hold_ttl_s),                                                                          \
         .min = HOLD_TTL_S_MIN,                                                                    \
         .max = HOLD_TTL_S_MAX,                                                                    \
         .doc = "how long a hold lasts, default 600"},                                             \
        {.name = "limits",                                                                         \
         .kind = JSON_OBJECT,                                                                      \
         .offset = AT(limits),                                                                     \
         HAS(limits),                                                                              \
         .doc = "{per_booking (1-6), per_account (1-100)}"},                                       \
        {.name = "abuse",                                                                          \
         .kind = JSON_OBJECT,                                                                      \
         .offset = AT(abuse),                                                                      \
         HAS(abuse),                                                                               \
         .doc = "{per_device, per_card (1-100, default 12), per_network (1-100000, default 48), "  \
                "open_holds (1-100, default 1), challenge (off, auto, on; default auto)}"},        \
        {.name = "waiting_room",                                                                   \
         .kind = JSON_STR,                                                                         \
         .offset = AT(waiting_room),                                                               \
         HAS(waiting_room),                                                                        \
         .one_of = waiting_rooms,                                                                  \
         .doc = "default off"},                                                                    \
        {.name = "queue",                                                                          \
         .kind = JSON_OBJECT,                                                                      \
         .offset = AT(queue),                                                                      \
         HAS(queue),                                                                               \
         .doc = "waiting room: {admitted_max, admit_per_minute, opens_before_s, admission_s, "     \
                "quiet_s, auto_above}"},                                                           \
        {.name = "late_payment",                                                                   \
         .kind = JSON_STR,                                                                         \
         .offset = AT(late_payment),                                                               \
         HAS(late_payment),                                                                        \
         .one_of = late_payments,                                                                  \
         .doc =                                                                                    \
             "money that comes after the hold ended: reclaim (default) takes the seats back if "   \
             "they are free"},                                                                     \
        {.name = "refund_until_s",                                                                 \
         .kind = JSON_I64,                                                                         \
         .offset = AT(refund_until_s),                                                             \
         HAS(refund_until_s),                                                                      \
         .max = REFUND_UNTIL_S_MAX,                                                                \
         .doc = "buyers may give tickets back until so many seconds before the start; 0: never"},  \
        {.name = "buyer_chat",                                                                     \
         .kind = JSON_BOOL,                                                                        \
         .offset = AT(buyer_chat),                                                                 \
         HAS(buyer_chat),                                                                          \
         .doc = "each buyer gets a conversation with the organizer, default false"},               \
        {.name = "orphan_rule",                                                                    \
         .kind = JSON_BOOL,                                                                        \
         .offset = AT(orphan_rule),                                                                \
         HAS(orphan_rule),                                                                         \
         .doc = "who chooses seats may leave no single seat alone while more than 10 % of the "    \
                "category are free, default false"},                                               \
    {                                                                                              \
        .name = NULL                                                                               \
    }

const struct json_field event_create_fields[] = {{.name = "venue_id",
                                                  .kind = JSON_STR,
                                                  .offset = AT(venue_id),
                                                  .is_required = true,
                                                  .min = 1,
                                                  .max = 64},
                                                 FIELDS(true)};
const struct json_field event_patch_fields[] = {FIELDS(false)};

struct limits_input {
    int64_t per_booking, per_account;
    bool has_per_booking, has_per_account;
};

static const struct json_field limits_fields[] = {
    {.name = "per_booking",
     .kind = JSON_I64,
     .offset = offsetof(struct limits_input, per_booking),
     .has_offset = offsetof(struct limits_input, has_per_booking),
     .min = 1,
     .max = BOOKING_PLACES_MAX},
    {.name = "per_account",
     .kind = JSON_I64,
     .offset = offsetof(struct limits_input, per_account),
     .has_offset = offsetof(struct limits_input, has_per_account),
     .min = 1,
     .max = EVENT_PER_ACCOUNT_MAX},
    {.name = NULL},
};

void event_set_defaults(struct event *event)
{
    event->description = STR("");
    event->waiting_room = STR("off");
    event->hold_ttl_s = HOLD_TTL_S;
    event->per_booking = BOOKING_PLACES_MAX;
    event->per_account = EVENT_PER_ACCOUNT;
    event->late_payment = LATE_PAYMENT_RECLAIM;
    abuse_set_defaults(&event->abuse);
    queue_settings_default(&event->queue);
}

static bool is_slug(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool is_word =
            (s.data[i] >= 'a' && s.data[i] <= 'z') || (s.data[i] >= '0' && s.data[i] <= '9');
        bool is_hyphen = s.data[i] == '-' && i > 0 && i + 1 < s.len && s.data[i - 1] != '-';
        if (!is_word && !is_hyphen)
            return false;
    }
    return s.len > 0;
}

static void apply_texts(const struct event_input *input, struct event *event,
                        struct field_errors *errors)
{
    if (input->has_name) {
        event->name = input->name;
        if (!str_is_printable(input->name) || str_trim(input->name).len == 0)
            field_errors_add(errors, "name",
                             "must have visible characters and no control characters");
    }
    if (input->has_description)
        event->description = input->description;
    if (input->has_category) {
        event->category = input->category;
        if (!is_slug(input->category))
            field_errors_add(errors, "category", "must be lowercase words joined by hyphens");
    }
    if (input->has_waiting_room)
        event->waiting_room = input->waiting_room;
    if (input->has_late_payment)
        event->late_payment =
            str_eq(input->late_payment, STR("refund")) ? LATE_PAYMENT_REFUND : LATE_PAYMENT_RECLAIM;
    if (input->has_currency) {
        if (!currency_is_known(input->currency))
            field_errors_add(errors, "currency", "must be a currency of ISO 4217, such as EUR");
        else if (str_to_c(input->currency, event->currency, sizeof(event->currency)) != ERR_OK)
            field_errors_add(errors, "currency", "must have three letters");
    }
}

static void apply_terms(const struct event_input *input, struct event *event, int64_t now_ms,
                        struct field_errors *errors)
{
    if (input->has_starts_at) {
        event->starts_at = input->starts_at;
        if (input->starts_at <= now_ms)
            field_errors_add(errors, "starts_at", "must be in the future");
    }
    if (input->has_onsale_at)
        event->onsale_at = input->onsale_at;
    if ((input->has_starts_at || input->has_onsale_at) && event->onsale_at >= event->starts_at)
        field_errors_add(errors, input->has_onsale_at ? "onsale_at" : "starts_at",
                         "the sale must open before the event starts");
    if (input->has_hold_ttl_s)
        event->hold_ttl_s = input->hold_ttl_s;
    if (input->has_refund_until_s)
        event->refund_until_s = input->refund_until_s;
    if (input->has_buyer_chat)
        event->has_buyer_chat = input->buyer_chat;
    if (input->has_orphan_rule)
        event->has_orphan_rule = input->orphan_rule;
}

static void apply_limits(const struct event_input *input, struct event *event,
                         struct field_errors *errors)
{
    if (!input->has_limits || !input->limits)
        return;
    struct limits_input limits = {.per_booking = event->per_booking,
                                  .per_account = event->per_account};
    if (json_decode_node(errors->arena, input->limits, "limits", limits_fields, &limits, errors) !=
        ERR_OK)
        return; /* the faults are on the list */
    if (!limits.has_per_booking && limits.per_booking > limits.per_account)
        limits.per_booking = limits.per_account;
    if (limits.per_booking > limits.per_account)
        field_errors_add(errors, "limits.per_account", "must be at least limits.per_booking");
    event->per_booking = limits.per_booking;
    event->per_account = limits.per_account;
}

static void apply_price(struct event_subject *subject, struct str name,
                        const struct json_node *node, struct field_errors *errors)
{
    struct str field =
        arena_printf(errors->arena, "prices.%.*s", STR_ARG(str_sub(name, 0, PLAN_NAME_MAX)));
    int64_t price;
    uint32_t i = 0;
    while (i < subject->category_count && !str_eq(subject->categories[i].name, name))
        i++;
    if (!field.data)
        return; /* the arena's overflow is noticed by whoever answers */
    if (i == subject->category_count)
        field_errors_add(errors, field.data, "the seating plan has no such category");
    else if (!json_as_i64(node, &price) || price < 0 || price > PRICE_MAX)
        field_errors_add(errors, field.data, "must be an integer, 0 to %lld", PRICE_MAX);
    else
        subject->prices[i] = price;
}

static void apply_prices(const struct event_input *input, struct event_subject *subject,
                         struct field_errors *errors)
{
    if (!input->has_prices)
        return;
    for (size_t i = 0; i < EVENT_PRICES_MAX; i++)
        subject->prices[i] = PRICE_NONE;
    void *position = NULL;
    struct str name;
    struct json_node *value;
    while (json_each(input->prices, &position, &name, &value))
        apply_price(subject, name, value, errors);
}

/* What is settled once an event was published. */
static void check_published(const struct event_input *input, const struct event *event,
                            int64_t now_ms, struct field_errors *errors)
{
    const struct {
        const char *name;
        bool is_there;
    } settled[] = {
        {"currency", input->has_currency},
        {"prices", input->has_prices},
        {"hold_ttl_s", input->has_hold_ttl_s},
        {"limits", input->has_limits},
        {"waiting_room", input->has_waiting_room},
        {"late_payment", input->has_late_payment},
        {"refund_until_s", input->has_refund_until_s},
    };
    for (size_t i = 0; i < sizeof(settled) / sizeof(settled[0]); i++) {
        if (settled[i].is_there)
            field_errors_add(errors, settled[i].name,
                             "can't be changed once the event is published");
    }
    if (!input->has_onsale_at || input->onsale_at == event->onsale_at)
        return;
    if (event->onsale_at <= now_ms)
        field_errors_add(errors, "onsale_at", "can't be changed once the sale is open");
    else if (input->onsale_at < event->onsale_at)
        field_errors_add(errors, "onsale_at",
                         "can only be moved to a later time once the event is published");
}

void event_input_apply(const struct event_input *input, struct event_subject *subject,
                       int64_t now_ms, struct field_errors *errors)
{
    struct event *event = subject->event;
    if (!subject->is_new && event->status == EVENT_PUBLISHED)
        check_published(input, event, now_ms, errors);
    apply_texts(input, event, errors);
    apply_terms(input, event, now_ms, errors);
    apply_limits(input, event, errors);
    abuse_settings_apply(input->has_abuse ? input->abuse : NULL, event, errors);
    queue_settings_apply(input->has_queue ? input->queue : NULL, &event->queue, errors);
    apply_prices(input, subject, errors);
}

bool event_has_price(const int64_t prices[static EVENT_PRICES_MAX])
{
    for (size_t i = 0; i < EVENT_PRICES_MAX; i++) {
        if (prices[i] != PRICE_NONE)
            return true;
    }
    return false;
}

void event_check_publishable(const struct event_subject *subject, int64_t now_ms,
                             struct field_errors *errors)
{
    if (!event_has_price(subject->prices))
        field_errors_add(errors, "prices", "at least one category needs a price");
    if (subject->event->starts_at <= now_ms)
        field_errors_add(errors, "starts_at", "must be in the future");
}

enum err event_set_status(struct event *event, enum event_status status)
{
    bool is_publish = event->status == EVENT_DRAFT && status == EVENT_PUBLISHED;
    bool is_cancel = event->status != EVENT_CANCELLED && status == EVENT_CANCELLED;
    if (!is_publish && !is_cancel)
        return ERR_CONFLICT;
    event->status = status;
    return ERR_OK;
}
