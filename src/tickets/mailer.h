/*
 * Mail on confirmation and refund: a journal consumer turns facts into rows of mail.db (cursor
 * committed with them), a worker sends them by SMTP or writes them to DIR/mail/ and retries what
 * fails. At least once, under a Message-ID that stays the same.
 */
#ifndef TICKETS_MAILER_H
#define TICKETS_MAILER_H

#include "base/err.h"

struct tickets;
struct mailer;

ERR_MUST_USE enum err mailer_start(struct tickets *tickets, struct mailer **ret_mailer);
void mailer_stop(struct mailer *mailer); /* joins and frees; NULL is fine */

#endif
