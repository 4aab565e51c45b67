/* What an operator does for somebody who cannot log in any more: jobs behind `foyer admin reset-totp`
 * and `foyer admin reset-password`. Each runs in the writer of the platform database, and waits. */
#ifndef APP_IDENTITY_RESET_H
#define APP_IDENTITY_RESET_H

#include "app/totp.h"
#include "store/writer.h"

/* Takes the second factor away and ends all sessions. ERR_NOT_FOUND: there is no account with that
 * email; ERR_CONFLICT: it has no second factor. */
ERR_MUST_USE enum err identity_reset_totp(struct writer *writer, struct str email);
/* Gives the account another password, which stands nowhere but here, and ends all sessions.
 * ERR_NOT_FOUND. */
ERR_MUST_USE enum err identity_reset_password(struct writer *writer, struct str email,
                                              char ret_password[static RECOVERY_CODE_SIZE]);

#endif
