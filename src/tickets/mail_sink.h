/* Where mail goes: files in DIR/mail/, or an SMTP server. */
#ifndef TICKETS_MAIL_SINK_H
#define TICKETS_MAIL_SINK_H

#include "app/config.h"
#include "net/smtp_client.h"

struct mail_sink;

/* By config.mail. ERR_INVALID, ERR_IO, ERR_NOMEM. */
ERR_MUST_USE enum err mail_sink_new(const struct config *config, struct mail_sink **ret_sink);
void mail_sink_free(struct mail_sink *sink); /* NULL is fine */

struct mail_parcel {
    int64_t id;            /* names the file */
    const char *from, *to; /* bare addresses */
    struct str message;
};
/* Blocks. ERR_DENIED: refused for good; ERR_CLOSED: cancelled; else try again later. One thread. */
ERR_MUST_USE enum err mail_sink_send(struct mail_sink *sink, const struct mail_parcel *parcel,
                                     char ret_message[static SMTP_MESSAGE_SIZE]);
/* Any thread: a send that waits for the network ends. */
void mail_sink_cancel(struct mail_sink *sink);

#endif
