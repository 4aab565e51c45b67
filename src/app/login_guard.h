/* Brute-force limits of the login; see login_guard.c. All functions: any thread. */
#ifndef APP_LOGIN_GUARD_H
#define APP_LOGIN_GUARD_H

#include "base/str.h"

#define LOGIN_GUARD_MAX 16384

struct login_guard;

struct login_guard *login_guard_new(void); /* NULL: out of memory */
void login_guard_free(struct login_guard *guard);

/* Seconds until this email may be tried from this address again; 0: now. peer_ip: text form, IPv6
 * counts by its /64. Reserves nothing: for refusing early. */
int64_t login_guard_wait_s(struct login_guard *guard, struct str email, struct str peer_ip);

/* A try of a password: begin, check it, end. 0: it may be checked now, and login_guard_end must
 * follow, whatever happens; otherwise seconds to wait, and nothing is to be ended. */
int64_t login_guard_begin(struct login_guard *guard, struct str email, struct str peer_ip);
enum login_outcome {
    LOGIN_UNDECIDED, /* neither counted nor forgiven */
    LOGIN_WRONG,     /* counted */
    LOGIN_RIGHT,     /* the failures of the email and of the pair are forgotten */
};
void login_guard_end(struct login_guard *guard, struct str email, struct str peer_ip,
                     enum login_outcome outcome);

/* Codes of the second factor, which only who has the password can try: counted by email alone, and
 * locked out for up to an hour, so that a million codes stay many years' work. Counts one that was
 * checked. 0: what was found holds; otherwise seconds to wait: nobody is told if it is right. */
int64_t login_guard_code(struct login_guard *guard, struct str email, bool is_right);

#endif
