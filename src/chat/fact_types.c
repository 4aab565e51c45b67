/* What is said of each event type to those who read its messages. The payloads are made in fact.c; tests
 * hold them against these schemas. */
#include "chat/fact.h"

#define TEXT    "{\"type\":\"string\"}"
#define WHOLE   "{\"type\":\"integer\"}"
#define TIME    "{\"type\":\"string\",\"format\":\"date-time\"}"
#define KIND    "{\"enum\":[\"direct\",\"group\"]}"
#define CHAT_ID "\"chat_id\":\"cht_04h7d2k9m3x5p\""
#define MSG_ID  "\"message_id\":\"msg_04h7d2k9m3x5p0000400000007\""
#define USER(N) "\"usr_04h7d2k9m3x5" N "\""

#define SCHEMA(TYPE, REQUIRED, PROPERTIES, EXAMPLE)                                                \
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","           \
    "\"required\":[\"type\",\"timestamp\",\"data\"],\"properties\":{"                              \
    "\"type\":{\"const\":\"" TYPE "\"},\"timestamp\":" TIME                                        \
    ",\"data\":{\"type\":\"object\",\"required\":[\"chat_id\"," REQUIRED                           \
    "],\"properties\":{\"chat_id\":" TEXT "," PROPERTIES "},\"additionalProperties\":false}},"     \
    "\"examples\":[{\"type\":\"" TYPE                                                              \
    "\",\"timestamp\":\"2027-03-01T18:30:00.000Z\",\"data\":{" CHAT_ID "," EXAMPLE "}}]}"

#define MEMBERSHIP(TYPE)                                                                           \
    SCHEMA(TYPE, "\"seq\",\"user_id\",\"by\",\"member_count\"",                                    \
           "\"seq\":" WHOLE ",\"user_id\":" TEXT ",\"by\":" TEXT ",\"member_count\":" WHOLE,       \
           "\"seq\":9,\"user_id\":" USER("b") ",\"by\":" USER("a") ",\"member_count\":3")
#define CHANGE(TYPE)                                                                               \
    SCHEMA(TYPE, "\"chat_type\",\"message_id\",\"seq\",\"sender_id\"",                             \
           "\"chat_type\":" KIND ",\"message_id\":" TEXT ",\"seq\":" WHOLE ",\"sender_id\":" TEXT, \
           "\"chat_type\":\"group\"," MSG_ID ",\"seq\":8,\"sender_id\":" USER("a"))

const struct bridge_type fact_types[] = {
    {"chat.created", "A group was made, with member_count members.",
     SCHEMA("chat.created", "\"seq\",\"by\",\"member_count\"",
            "\"seq\":" WHOLE ",\"by\":" TEXT ",\"member_count\":" WHOLE ",\"title\":" TEXT,
            "\"seq\":1,\"by\":" USER("a") ",\"member_count\":3")},
    {"chat.member.added", "Somebody was added to a group, by another member.",
     MEMBERSHIP("chat.member.added")},
    {"chat.member.removed", "Somebody left a group, or was removed: then `by` is another.",
     MEMBERSHIP("chat.member.removed")},
    {"chat.message.created", "A message was sent.",
     SCHEMA("chat.message.created",
            "\"chat_type\",\"message_id\",\"seq\",\"sender_id\",\"message_type\"",
            "\"chat_type\":" KIND ",\"message_id\":" TEXT ",\"seq\":" WHOLE ",\"sender_id\":" TEXT
            ",\"message_type\":{\"enum\":[\"text\",\"media\"]},\"body\":" TEXT,
            "\"chat_type\":\"direct\"," MSG_ID
            ",\"seq\":7,\"sender_id\":" USER("a") ",\"message_type\":\"text\"")},
    {"chat.message.edited", "A message was edited; seq is that of the edit.",
     CHANGE("chat.message.edited")},
    {"chat.message.deleted", "A message was deleted for all, by sender_id; seq is that of this.",
     CHANGE("chat.message.deleted")},
    {"chat.message.undelivered",
     "Two seconds after a message these members had not been given it: notify them by your own "
     "means. "
     "Their devices are those whose push you understand.",
     SCHEMA(
         "chat.message.undelivered",
         "\"chat_type\",\"message_id\",\"seq\",\"sender_id\",\"recipients\"",
         "\"chat_type\":" KIND ",\"message_id\":" TEXT ",\"seq\":" WHOLE ",\"sender_id\":" TEXT
         ",\"body\":" TEXT ",\"recipients\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
         "\"required\":[\"user_id\",\"devices\"],\"properties\":{\"user_id\":" TEXT
         ",\"devices\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"id\","
         "\"platform\",\"push\"],\"properties\":{\"id\":" TEXT ",\"platform\":" TEXT
         ",\"push\":{\"type\":\"object\"}}}}}}}",
         "\"chat_type\":\"direct\"," MSG_ID
         ",\"seq\":7,\"sender_id\":" USER("a") ",\"recipients\":[{\"user_id\":" USER(
             "b") ",\"devices\":[{\"id\":"
                  "\"dev_04h7d2k9m3x5p\",\"platform\":\"ios\",\"push\":{\"token\":\"f00d\"}}]}]")},
    {"chat.reported", "A member has shown a message to the moderators.",
     SCHEMA("chat.reported", "\"report_id\",\"message_id\",\"reporter_id\"",
            "\"report_id\":" TEXT ",\"message_id\":" TEXT ",\"reporter_id\":" TEXT
            ",\"reason\":" TEXT,
            "\"report_id\":\"rpt_04h7d2k9m3x5p\"," MSG_ID ",\"reporter_id\":" USER("b"))},
};
const size_t fact_type_count = sizeof(fact_types) / sizeof(fact_types[0]);
