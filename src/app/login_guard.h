/* Brute-force limits of the login; see login_guard.c. All functions: any thread. */
#ifndef APP_LOGIN_GUARD_H
#define APP_LOGIN_GUARD_H

#include "base/str.h"

#define LOGIN_GUARD_MAX 16384

struct login_guard;

struct login_guard *login_guard_new(void); /* NULL: out of memory */
void login_guard_free(struct login_guard *guard);

/* Seconds until this email may be tried from this address again; 0: now. peer_ip: text form, IPv6
 * counts by its /64. */
int64_t login_guard_wait_s(struct login_guard *guard, struct str email, struct str peer_ip);
void login_guard_failed(struct login_guard *guard, struct str email, struct str peer_ip);
/* Forgets the failures of the email and of the pair. Those of the address stay, or an attacker
 * would wash them off by logging in to an account of his own. */
void login_guard_succeeded(struct login_guard *guard, struct str email, struct str peer_ip);

/* Codes of the second factor, which only who has the password can try: counted by email alone, and
 * locked out for up to an hour, so that a million codes stay many years' work. */
int64_t login_guard_code_wait_s(struct login_guard *guard, struct str email);
void login_guard_code_failed(struct login_guard *guard, struct str email);
void login_guard_code_succeeded(struct login_guard *guard, struct str email);

#endif
