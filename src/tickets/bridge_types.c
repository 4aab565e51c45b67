/*
 * What is said of each event type to those who read its messages. The payloads themselves are made
 * in bridge_facts.c; tests hold them against these schemas.
 */
#include "tickets/bridge_types.h"

#define TEXT   "{\"type\":\"string\"}"
#define WHOLE  "{\"type\":\"integer\"}"
#define TIME   "{\"type\":\"string\",\"format\":\"date-time\"}"
#define TEXTS  "{\"type\":\"array\",\"items\":" TEXT "}"
#define NULLED "{\"type\":[\"object\",\"null\"]}"

#define OBJECT(REQUIRED, PROPERTIES)                                                               \
    "{\"type\":\"object\",\"required\":[" REQUIRED "],\"properties\":{" PROPERTIES "}}"
#define SCHEMA(TYPE, REQUIRED, PROPERTIES, EXAMPLE)                                                \
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","           \
    "\"required\":[\"type\",\"timestamp\",\"data\"],\"properties\":{"                              \
    "\"type\":{\"const\":\"" TYPE "\"},\"timestamp\":" TIME ",\"data\":" OBJECT(                   \
        REQUIRED, PROPERTIES) "},"                                                                 \
                              "\"examples\":[{\"type\":\"" TYPE                                    \
                              "\",\"timestamp\":\"2027-03-01T18:30:00.000Z\",\"data\":{" EXAMPLE   \
                              "}}]}"

/* ---- members that several have ---- */

#define EVENT                                                                                      \
    "\"event\":" OBJECT("\"id\",\"name\",\"starts_at\"",                                           \
                        "\"id\":" TEXT ",\"name\":" TEXT                                           \
                        ",\"starts_at\":" TIME) ",\"sequence\":" WHOLE
#define EVENT_EXAMPLE                                                                              \
    "\"event\":{\"id\":\"evt_04h7d2k9m3x5p\",\"name\":\"Spring Concert\","                         \
    "\"starts_at\":\"2027-04-20T19:00:00.000Z\"},\"sequence\":42"
#define PLACES                                                                                     \
    "\"seats\":{\"type\":\"array\",\"items\":" OBJECT(                                             \
        "\"id\",\"label\",\"section\",\"row\",\"number\",\"category\",\"price\"",                  \
        "\"id\":" TEXT ",\"label\":" TEXT ",\"section\":" TEXT ",\"row\":" TEXT                    \
        ",\"number\":" TEXT ",\"category\":" TEXT                                                  \
        ",\"price\":" WHOLE) "},\"areas\":{\"type\":\"array\","                                    \
                             "\"items\":" OBJECT("\"quantity\",\"price\"",                         \
                                                 "\"area_id\":" TEXT ",\"name\":" TEXT             \
                                                 ",\"category\":" TEXT ",\"quantity\":" WHOLE      \
                                                 ",\"price\":" WHOLE) "}"
#define PLACES_EXAMPLE                                                                             \
    "\"seats\":[{\"id\":\"S1-R1-4\",\"label\":\"Stalls, 1-4\",\"section\":\"Stalls\","             \
    "\"row\":\"1\",\"number\":\"4\",\"category\":\"front\",\"price\":5000}],\"areas\":[]"
#define MONEY         "\"amount\":" WHOLE ",\"currency\":" TEXT
#define MONEY_EXAMPLE "\"amount\":5000,\"currency\":\"EUR\""
#define BOOKING_ID    "\"booking_id\":\"bkg_04h7d2k9m3x5p04h7d2kb0000c\""
#define PAYMENT_ID    "\"payment_id\":\"pay_04h7d2k9m3x5p04h7d2kc0000d\""
#define REFUND_ID     "\"refund_id\":\"ref_04h7d2k9m3x5p04h7d2kd0000e\""

/* ---- kinds of payloads ---- */

#define BOOKING(TYPE, STATUS)                                                                      \
    SCHEMA(TYPE,                                                                                   \
           "\"booking_id\",\"status\",\"event\",\"sequence\",\"seats\",\"areas\",\"amount\","      \
           "\"currency\"",                                                                         \
           "\"booking_id\":" TEXT ",\"status\":{\"const\":\"" STATUS "\"}," EVENT "," PLACES       \
           "," MONEY ",\"expires_at\":" TIME ",\"payment_id\":" TEXT,                              \
           BOOKING_ID ",\"status\":\"" STATUS "\"," EVENT_EXAMPLE "," PLACES_EXAMPLE               \
                      "," MONEY_EXAMPLE)
#define PAYMENT(TYPE)                                                                              \
    SCHEMA(TYPE,                                                                                   \
           "\"payment_id\",\"booking_id\",\"event\",\"sequence\",\"amount\",\"currency\","         \
           "\"provider\"",                                                                         \
           "\"payment_id\":" TEXT ",\"booking_id\":" TEXT "," EVENT "," MONEY                      \
           ",\"provider\":" TEXT ",\"reason\":" TEXT,                                              \
           PAYMENT_ID "," BOOKING_ID "," EVENT_EXAMPLE "," MONEY_EXAMPLE                           \
                      ",\"provider\":\"stripe\"")
#define REFUND(TYPE)                                                                               \
    SCHEMA(TYPE,                                                                                   \
           "\"refund_id\",\"payment_id\",\"booking_id\",\"event\",\"sequence\",\"amount\","        \
           "\"currency\",\"reason\"",                                                              \
           "\"refund_id\":" TEXT ",\"payment_id\":" TEXT ",\"booking_id\":" TEXT "," EVENT         \
           "," MONEY ",\"reason\":" TEXT,                                                          \
           REFUND_ID "," PAYMENT_ID "," BOOKING_ID "," EVENT_EXAMPLE "," MONEY_EXAMPLE             \
                     ",\"reason\":\"requested\"")
#define REVOKED(TYPE)                                                                              \
    SCHEMA(TYPE,                                                                                   \
           "\"refund_id\",\"booking_id\",\"ticket_ids\",\"event\",\"sequence\",\"seats\","         \
           "\"areas\",\"amount\",\"currency\",\"reason\"",                                         \
           "\"refund_id\":" TEXT ",\"booking_id\":" TEXT ",\"ticket_ids\":" TEXTS "," EVENT        \
           "," PLACES "," MONEY ",\"reason\":" TEXT,                                               \
           REFUND_ID "," BOOKING_ID                                                                \
                     ",\"ticket_ids\":[\"tkt_04h7d2k9m3x5p04h7d2ke0000f\"]," EVENT_EXAMPLE         \
                     "," PLACES_EXAMPLE "," MONEY_EXAMPLE ",\"reason\":\"requested\"")
#define TICKET(TYPE)                                                                               \
    SCHEMA(TYPE, "\"ticket_id\",\"booking_id\",\"event\",\"sequence\",\"gate\",\"seat\",\"area\"", \
           "\"ticket_id\":" TEXT ",\"booking_id\":" TEXT "," EVENT ",\"gate\":" TEXT               \
           ",\"seat\":" NULLED ",\"area\":" NULLED,                                                \
           "\"ticket_id\":\"tkt_04h7d2k9m3x5p04h7d2ke0000f\"," BOOKING_ID "," EVENT_EXAMPLE        \
           ",\"gate\":\"north\",\"seat\":{\"id\":\"S1-R1-4\",\"label\":\"Stalls, 1-4\"},"          \
           "\"area\":null")
#define WHOLE_EVENT(TYPE, STATUS)                                                                  \
    SCHEMA(TYPE, "\"event\",\"sequence\"", EVENT,                                                  \
           "\"event\":{\"id\":\"evt_04h7d2k9m3x5p\",\"name\":\"Spring Concert\","                  \
           "\"status\":\"" STATUS "\",\"starts_at\":\"2027-04-20T19:00:00.000Z\"},\"sequence\":2")

const struct bridge_type bridge_types[] = {
    {"booking.held", "Places are held for a buyer until expires_at.",
     BOOKING("booking.held", "held")},
    {"booking.extended", "A hold lasts longer: expires_at has moved.",
     BOOKING("booking.extended", "held")},
    {"booking.payment_pending", "The buyer has gone to pay.",
     BOOKING("booking.payment_pending", "payment_pending")},
    {"booking.confirmed", "Places are sold.", BOOKING("booking.confirmed", "confirmed")},
    {"booking.expired", "A hold was not paid in time; its places are free again.",
     BOOKING("booking.expired", "expired")},
    {"booking.cancelled", "A buyer has given a hold back; its places are free again.",
     BOOKING("booking.cancelled", "cancelled")},
    {"booking.failed", "The payment failed; the places are free again.",
     BOOKING("booking.failed", "failed")},
    {"payment.succeeded", "A payment has come.", PAYMENT("payment.succeeded")},
    {"payment.failed", "A payment has failed.", PAYMENT("payment.failed")},
    {"payment.refund_requested", "Money is to go back to a buyer.",
     REFUND("payment.refund_requested")},
    {"payment.refunded", "Money has gone back to a buyer.", REFUND("payment.refunded")},
    {"payment.refund_failed", "The provider could not give money back; somebody has to look.",
     REFUND("payment.refund_failed")},
    {"ticket.checked_in", "Somebody was let in.", TICKET("ticket.checked_in")},
    {"tickets.revoked", "Tickets were given back; their places are free again.",
     REVOKED("tickets.revoked")},
    {"event.created", "There is a new event, a draft.", WHOLE_EVENT("event.created", "draft")},
    {"event.updated", "Something about an event has changed.",
     WHOLE_EVENT("event.updated", "published")},
    {"event.published", "An event is for sale.", WHOLE_EVENT("event.published", "published")},
    {"event.cancelled", "An event does not take place.",
     WHOLE_EVENT("event.cancelled", "cancelled")},
};
const size_t bridge_type_count = sizeof(bridge_types) / sizeof(bridge_types[0]);
