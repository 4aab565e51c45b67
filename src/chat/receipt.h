/*
 * Receipts: how far a member, and each of a member's devices, has a chat. Watermarks: they only rise, so of
 * many the highest is enough.
 *
 * receipt_raise() is the rule, for whoever has a transaction. struct receipts gathers what comes from the
 * stream: what many say within RECEIPTS_INTERVAL_MS becomes one write a chat. What a crash takes away
 * meanwhile is said again by the device's next receipt.
 */
#ifndef CHAT_RECEIPT_H
#define CHAT_RECEIPT_H

#include "chat/log.h"
#include "store/writer.h"

struct receipt {
    uint64_t user_id;
    uint64_t device_id; /* 0: none */
    int64_t delivered_seq, read_seq;
};

/* In apply, under the chat's shard. member: as it is, and is changed. What is beyond the newest entry counts
 * as that; what is not higher than is there writes nothing. Listeners are told. */
ERR_MUST_USE enum err receipt_raise(struct log *log, struct writer_tx *tx, const struct chat *chat,
                                    const struct chat_days *days, const struct receipt *receipt,
                                    struct member *member);

struct receipts;

ERR_MUST_USE enum err receipts_new(struct writer *writer, struct log *log,
                                   struct receipts **ret_receipts);
ERR_MUST_USE enum err receipts_start(struct receipts *receipts);
/* Submits what is left and joins; before the writer stops. NULL is fine, here and below. */
void receipts_stop(struct receipts *receipts);
void receipts_free(struct receipts *receipts);
/* Any thread, and never waits for the database. Who is no member is passed over when it is written.
 * ERR_FULL: too much waits; it may be said again later. */
ERR_MUST_USE enum err receipts_note(struct receipts *receipts, uint64_t chat_id,
                                    const struct receipt *receipt);
/* Submits all that waits now. The thread's own step, and tests'. */
void receipts_flush(struct receipts *receipts);

#endif
