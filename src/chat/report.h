/* Reports of messages to moderators. */
#ifndef CHAT_REPORT_H
#define CHAT_REPORT_H

#include "base/arena.h"
#include "base/err.h"
#include "store/db.h"

struct report {
    uint64_t id, chat_id, reporter_id;
    int64_t seq, epoch; /* of the message */
    struct str reason;
    struct str context; /* a JSON array of messages, the reported one last */
    int64_t created_at;
};

/* ERR_CONFLICT: this user has reported this message. */
ERR_MUST_USE enum err report_store_add(struct db *db, const struct report *report);
/* ERR_NOT_FOUND */
ERR_MUST_USE enum err report_store_find(struct db *db, struct arena *arena,
                                        const struct report *like, struct report *ret_report);
/* Newest first, before that one. */
ERR_MUST_USE enum err report_store_list(struct db *db, struct arena *arena, uint64_t before_id,
                                        int64_t limit, struct report *ret_reports,
                                        size_t *ret_count);

#endif
