/* What an email, a password, a name, a role and a scope may be, and what secrets look like. Pure
 * functions; any thread. */
#ifndef APP_IDENTITY_RULES_H
#define APP_IDENTITY_RULES_H

#include "app/route.h"
#include "base/crypto.h"

#define EMAIL_SIZE         255 /* RFC 5321's 254 and a NUL */
#define PASSWORD_BYTES_MIN 8
#define PASSWORD_BYTES_MAX 256
#define NAME_BYTES_MAX     100
#define SECRET_SIZE        48 /* "ses_" or "sk_", 43 characters, NUL */

/* Lower-cased copy. ERR_INVALID unless local@domain as HTML forms take it (RFC 5322's dot-atom,
 * host name). */
ERR_MUST_USE enum err email_normalize(struct str text, char ret_email[static EMAIL_SIZE]);
/* NULL when the password will do, else what is wrong with it. */
const char *password_problem(struct str password, struct str email);
/* NULL when the name will do, else what is wrong with it. */
const char *name_problem(struct str name);

/* prefix and 32 random bytes as base64url. */
void secret_make(const char *prefix, char ret_secret[static SECRET_SIZE]);
void secret_hash(struct str secret, uint8_t ret_hash[static SHA256_SIZE]);

/* Roles and scopes share the bits of enum scope. "fan" is the role without bits. ERR_INVALID:
 * unknown word. */
ERR_MUST_USE enum err roles_parse(const struct json_strs *words, unsigned *ret_roles);
ERR_MUST_USE enum err scopes_parse_list(const struct json_strs *words, unsigned *ret_scopes);
/* "organizer,check-in" */
ERR_MUST_USE enum err scopes_parse(struct str words, unsigned *ret_scopes);
/* As JSON arrays. */
void roles_write(struct json_writer *writer, unsigned roles);
void scopes_write(struct json_writer *writer, unsigned scopes);
/* What somebody with these bits may do: an admin everything, an organizer check people in too. */
unsigned scopes_effective(unsigned bits);

#endif
