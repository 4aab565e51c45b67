/* Asks the questions of audit_store.c. */
#include "chat/audit.h"

static void ask(struct audit *audit)
{
    int64_t chats = 0, entries = 0;
    audit_ask_schema(audit);
    for (size_t i = 0; i < CHAT_CHECKS; i++)
        audit_ask(audit, &chat_checks[i]);
    for (size_t i = 0; i < CHAT_MEDIA_CHECKS; i++)
        audit_ask(audit, &chat_media_checks[i]);
    audit_begin(audit, "chat-totals");
    audit_end(audit, chat_audit_count(audit_db(audit), &chats, &entries));
    audit_total(audit, "chat_chats", chats);
    audit_total(audit, "chat_entries", entries);
}

const struct audit_part chat_audit = {.service = "chat", .is_optional = true, .ask = ask};
