/* System entries of the log: who came, went, was given a role, and what a group is called. */
#ifndef CHAT_SYSTEM_H
#define CHAT_SYSTEM_H

#include "chat/chat_call.h"

struct system_event {
    const char *event; /* "created", "added", "removed", "left", "role", "renamed" */
    uint64_t user_id;  /* whom it is about; 0: nobody */
    const char *role;  /* NULL: none */
    struct str title;  /* STR_NONE: none */
};
/* In apply, by the caller: appends the entry. */
ERR_MUST_USE enum err chat_append_system(struct call *call, struct writer_tx *tx, struct chat *chat,
                                         const struct system_event *event);

#endif
