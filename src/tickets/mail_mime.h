/*
 * A mail as bytes: RFC 5322 headers, MIME body (RFC 2045-2047, 2231), CRLF. Texts are UTF-8 of any
 * origin: control characters in headers become spaces, so nobody adds a header or a recipient.
 */
#ifndef TICKETS_MAIL_MIME_H
#define TICKETS_MAIL_MIME_H

#include "base/buf.h"

#define MAIL_BYTES_MAX   (12u << 20)
#define MAIL_ADDRESS_MAX 254

struct mail_message {
    struct str from_name, from_address; /* the name may be empty */
    struct str to_name, to_address;
    struct str subject;
    struct str message_id; /* without angle brackets: [A-Za-z0-9._-] before the @; makes the
                              boundaries too */
    int64_t date_ms;
    struct str text, html;      /* lines end with \n */
    struct str file, file_name; /* a PDF; empty: none */
};

/* What may stand in a header or a command as a bare address: one @, and no character that would end
 * or divide it. */
bool mail_address_is_safe(struct str address);
/* "Foyer <tickets@example.org>" or a bare address; both parts borrowed. ERR_INVALID. */
ERR_MUST_USE enum err mail_address_parse(struct str text, struct str *ret_name,
                                         struct str *ret_address);
/* Appends the message; addresses must be safe. Too large: buf overflows. */
void mail_write(const struct mail_message *message, struct buf *buf);

#endif
