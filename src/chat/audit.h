/* What an audit asks of this service: are the logs without gaps, and do chats, members and watermarks agree? */
#ifndef CHAT_AUDIT_H
#define CHAT_AUDIT_H

#include "app/audit.h"

extern const struct audit_part chat_audit;

/* ---- audit_store.c ---- */

#define CHAT_CHECKS 7
extern struct audit_check chat_checks[CHAT_CHECKS];
/* audit_media_store.c */
#define CHAT_MEDIA_CHECKS 2
extern struct audit_check chat_media_checks[CHAT_MEDIA_CHECKS];
ERR_MUST_USE enum err chat_audit_count(struct db *db, int64_t *ret_chats, int64_t *ret_entries);

#endif
