/* Settings against bots: their table, their bounds, and how they go together with the cap of an
 * account. They may change during a sale; what was granted before stays. */
#include "tickets/abuse_settings.h"

#include <stddef.h>

#include "tickets/limits.h"

static const char *const challenge_rules[] = {"off", "auto", "on", NULL};

struct abuse_input {
    int64_t per_device, per_card, per_network, open_holds;
    bool has_per_device, has_per_card;
    struct str challenge;
    bool has_challenge;
};

#define AT(member)  .offset = offsetof(struct abuse_input, member)
#define HAS(member) .has_offset = offsetof(struct abuse_input, has_##member)

static const struct json_field abuse_fields[] = {
    {.name = "per_device",
     .kind = JSON_I64,
     AT(per_device),
     HAS(per_device),
     .min = 1,
     .max = EVENT_PER_DEVICE_MAX},
    {.name = "per_card",
     .kind = JSON_I64,
     AT(per_card),
     HAS(per_card),
     .min = 1,
     .max = EVENT_PER_DEVICE_MAX},
    {.name = "per_network",
     .kind = JSON_I64,
     AT(per_network),
     .min = 1,
     .max = EVENT_PER_NETWORK_MAX},
    {.name = "open_holds", .kind = JSON_I64, AT(open_holds), .min = 1, .max = EVENT_OPEN_HOLDS_MAX},
    {.name = "challenge",
     .kind = JSON_STR,
     AT(challenge),
     HAS(challenge),
     .one_of = challenge_rules},
    {.name = NULL},
};

void abuse_set_defaults(struct abuse_settings *abuse)
{
    *abuse = (struct abuse_settings){.per_device = EVENT_PER_DEVICE,
                                     .per_card = EVENT_PER_DEVICE,
                                     .per_network = EVENT_PER_NETWORK,
                                     .open_holds = EVENT_OPEN_HOLDS,
                                     .challenge = CHALLENGE_AUTO};
}

static int64_t at_least(int64_t value, int64_t floor)
{
    return value < floor ? floor : value;
}

static enum challenge_rule rule_of(struct str name)
{
    return str_eq(name, STR("off"))  ? CHALLENGE_OFF
           : str_eq(name, STR("on")) ? CHALLENGE_ON
                                     : CHALLENGE_AUTO;
}

void abuse_settings_apply(const struct json_node *node, struct event *event,
                          struct field_errors *errors)
{
    struct abuse_settings *abuse = &event->abuse;
    struct abuse_input input = {.per_device = abuse->per_device,
                                .per_card = abuse->per_card,
                                .per_network = abuse->per_network,
                                .open_holds = abuse->open_holds};
    if (node &&
        json_decode_node(errors->arena, node, "abuse", abuse_fields, &input, errors) != ERR_OK)
        return; /* the faults are on the list */
    if (input.has_per_device && input.per_device < event->per_account)
        field_errors_add(errors, "abuse.per_device", "must be at least limits.per_account");
    if (input.has_per_card && input.per_card < event->per_account)
        field_errors_add(errors, "abuse.per_card", "must be at least limits.per_account");
    abuse->per_device = at_least(input.per_device, event->per_account);
    abuse->per_card = at_least(input.per_card, event->per_account);
    abuse->per_network = input.per_network;
    abuse->open_holds = input.open_holds;
    if (input.has_challenge)
        abuse->challenge = rule_of(input.challenge);
}
