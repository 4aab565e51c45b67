/*
 * SMTP submission by libcurl: one message at a time over a connection that is kept. STARTTLS when
 * the server offers it (smtp://), TLS from the start with smtps://; certificates are verified.
 */
#ifndef NET_SMTP_CLIENT_H
#define NET_SMTP_CLIENT_H

#include "base/str.h"

#define SMTP_MESSAGE_SIZE 160

struct smtp_client;

/* url: smtp://user:password@host:port or smtps://...; user and password percent-encoded. ca_file
 * NULL: the system's. ERR_NOMEM. */
ERR_MUST_USE enum err smtp_client_new(const char *url, const char *ca_file,
                                      struct smtp_client **ret_client);
void smtp_client_free(struct smtp_client *client); /* NULL is fine */

struct smtp_mail {
    const char *from, *to; /* bare addresses */
    struct str message;    /* RFC 5322, CRLF; dots are doubled here */
    int64_t timeout_ms;    /* over everything */
};
/* Blocks; one thread at a time. ERR_DENIED: the server refuses this recipient or message for good;
 * ERR_TIMEOUT, ERR_IO: try again later; ERR_CLOSED: cancelled. ret_message says what failed. */
ERR_MUST_USE enum err smtp_client_send(struct smtp_client *client, const struct smtp_mail *mail,
                                       char ret_message[static SMTP_MESSAGE_SIZE]);
/* Any thread: the running and all later sends end with ERR_CLOSED. */
void smtp_client_cancel(struct smtp_client *client);

#endif
