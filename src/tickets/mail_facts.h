/* From rows of the tickets journal to mails. */
#ifndef TICKETS_MAIL_FACTS_H
#define TICKETS_MAIL_FACTS_H

#include "store/journal.h"
#include "tickets/mail_store.h"

/* What a row of the journal makes us write, and to whom. ERR_NOT_FOUND: nothing, or nobody who has
 * an address. Texts in the arena. source: tickets.db; platform: the accounts; both reading. Errors
 * other than that: read the row again later. */
ERR_MUST_USE enum err mail_from_row(const struct journal_row *row, struct db *source,
                                    struct db *platform, struct arena *arena,
                                    struct mail *ret_mail);

#endif
