/* SQL of mail.db. One connection, used by one thread at a time (see mailer.c). */
#ifndef TICKETS_MAIL_STORE_H
#define TICKETS_MAIL_STORE_H

#include "base/arena.h"
#include "store/db.h"

enum mail_kind {
    MAIL_CONFIRMATION = 1,
    MAIL_REFUND = 2,
};

enum mail_state {
    MAIL_WAITING = 0,
    MAIL_SENT = 1,
    MAIL_DEAD = 2,
};

struct mail {
    int64_t id; /* seq of the journal row */
    enum mail_kind kind;
    struct str to_email, to_name;
    uint64_t event_id, booking_id;
    uint64_t refund_id; /* 0: no refund */
    int64_t amount;
    char currency[4];
    struct str reason;
    int64_t attempts, next_at, created_at;
};

/* A second one about the same fact changes nothing. */
ERR_MUST_USE enum err mail_store_insert(struct db *db, const struct mail *mail);
/* Waiting ones whose time has come, most overdue first; texts in the arena. */
ERR_MUST_USE enum err mail_store_due(struct db *db, int64_t now_ms, int64_t limit,
                                     struct arena *arena, struct mail *ret_mails,
                                     size_t *ret_count);
/* When the next one is due; INT64_MAX: none waits. */
ERR_MUST_USE enum err mail_store_next_at(struct db *db, int64_t *ret_next_at);
/* Waiting becomes sent or dead, or goes on waiting (then until next_at). */
struct mail_outcome {
    int64_t id;
    enum mail_state state;
    int64_t attempts, now_ms;
    int64_t next_at; /* MAIL_WAITING */
    struct str last_error;
};
ERR_MUST_USE enum err mail_store_set_state(struct db *db, const struct mail_outcome *outcome);
/* Ended ones among the oldest limit rows, made before that time, are deleted. */
ERR_MUST_USE enum err mail_store_purge(struct db *db, int64_t before_ms, int64_t limit);

/* 0 when the journal was never read. */
ERR_MUST_USE enum err mail_store_cursor(struct db *db, int64_t *ret_seq);
ERR_MUST_USE enum err mail_store_set_cursor(struct db *db, int64_t seq);

#endif
