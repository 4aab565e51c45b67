/* What our mails say: subject, plain text and HTML. */
#ifndef TICKETS_MAIL_TEXT_H
#define TICKETS_MAIL_TEXT_H

#include "tickets/mail_store.h"
#include "tickets/ticket_view.h"

/* What a mail is about. */
struct mail_facts {
    const struct mail *mail;
    const struct event_model *model;
    const struct booking *booking;
    const struct ticket *tickets; /* valid ones */
    size_t ticket_count;
    struct str booking_url;
};

struct mail_texts {
    struct str subject;
    struct buf *text, *html; /* arena; check overflow */
};

ERR_MUST_USE enum err mail_texts_make(const struct mail_facts *facts, struct arena *arena,
                                      struct mail_texts *ret_texts);

#endif
