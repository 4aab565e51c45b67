/*
 * From rows of the tickets journal to mails: a confirmation and money that went back are news for
 * the buyer. Old news is none: who loses mail.db, or restores an old one, doesn't write to
 * everybody again.
 */
#include "tickets/mail_facts.h"

#include "app/identity.h"
#include "base/clock.h"
#include "base/log.h"
#include "tickets/limits.h"
#include "tickets/mail_mime.h"
#include "tickets/ticket.h"

struct fact {
    int64_t booking, refund, amount;
    struct str currency, reason;
};

static bool kind_of(struct str type, enum mail_kind *ret_kind)
{
    if (str_eq(type, STR("booking.confirmed")))
        *ret_kind = MAIL_CONFIRMATION;
    else if (str_eq(type, STR("refund.succeeded")))
        *ret_kind = MAIL_REFUND;
    else
        return false;
    return true;
}

static bool fact_read(struct arena *arena, struct str data, enum mail_kind kind,
                      struct fact *ret_fact)
{
    struct json_node *node;
    struct str message;
    if (json_parse(arena, data, &node, &message) != ERR_OK ||
        !json_as_i64(json_get(node, "booking"), &ret_fact->booking))
        return false;
    if (kind != MAIL_REFUND)
        return true;
    return json_as_i64(json_get(node, "refund"), &ret_fact->refund) &&
           json_as_i64(json_get(node, "amount"), &ret_fact->amount) &&
           json_as_str(json_get(node, "currency"), &ret_fact->currency) &&
           json_as_str(json_get(node, "reason"), &ret_fact->reason) && ret_fact->currency.len == 3;
}

/* Whose booking it is. ERR_NOT_FOUND: has no address, or none we could write to. */
static enum err find_recipient(struct db *source, struct db *platform, struct arena *arena,
                               struct mail *mail)
{
    struct booking booking;
    enum err err = booking_load(source, mail->event_id, mail->booking_id, &booking);
    if (!err)
        err =
            identity_account(platform, booking.account_id, arena, &mail->to_email, &mail->to_name);
    if (!err && mail->to_email.len > 0 && !mail_address_is_safe(mail->to_email))
        log_warn("no mail to this address", "booking=%llu", (unsigned long long)booking.id);
    if (!err && !mail_address_is_safe(mail->to_email))
        return ERR_NOT_FOUND;
    return err;
}

enum err mail_from_row(const struct journal_row *row, struct db *source, struct db *platform,
                       struct arena *arena, struct mail *ret_mail)
{
    enum mail_kind kind;
    struct fact fact = {0};
    if (!kind_of(row->type, &kind) || row->at_ms < clock_now_ms() - MAIL_FACT_AGE_MS)
        return ERR_NOT_FOUND;
    if (!fact_read(arena, row->data, kind, &fact)) {
        if (arena->overflow)
            return ERR_NOMEM;
        log_error("journal row without what a mail needs", "seq=%lld", (long long)row->seq);
        return ERR_NOT_FOUND;
    }
    *ret_mail = (struct mail){.id = row->seq,
                              .kind = kind,
                              .event_id = row->shard,
                              .booking_id = (uint64_t)fact.booking,
                              .refund_id = (uint64_t)fact.refund,
                              .amount = fact.amount,
                              .reason = fact.reason,
                              .next_at = row->at_ms,
                              .created_at = row->at_ms};
    if (kind == MAIL_REFUND)
        memcpy(ret_mail->currency, fact.currency.data, 3);
    return find_recipient(source, platform, arena, ret_mail);
}
