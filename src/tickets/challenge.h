/*
 * Challenges in the ALTCHA format: find the number below maxnumber that makes SHA-256(salt number)
 * the challenge. Nothing is kept until one is solved: the salt says until when it is good and for
 * whom, and the signature that it is ours. That a solution is used once is the business of whoever
 * keeps its id. Pure functions; any thread.
 */
#ifndef TICKETS_CHALLENGE_H
#define TICKETS_CHALLENGE_H

#include "base/json.h"
#include "tickets/abuse_keys.h"

#define CHALLENGE_HEX_SIZE  65
#define CHALLENGE_SALT_SIZE 96

/* Whom it is for. */
struct challenge_scope {
    uint64_t event_id, account_id;
};

struct challenge {
    char challenge[CHALLENGE_HEX_SIZE];
    char salt[CHALLENGE_SALT_SIZE];
    char signature[CHALLENGE_HEX_SIZE];
};

enum challenge_verdict {
    CHALLENGE_NONE,    /* no solution was sent */
    CHALLENGE_SOLVED,  /* and not looked up yet */
    CHALLENGE_EXPIRED, /* right, but too late */
    CHALLENGE_WRONG,   /* not understood, not ours, not solved, or somebody else's */
    CHALLENGE_USED,    /* by an earlier hold */
};

void challenge_make(const struct abuse_keys *keys, const struct challenge_scope *scope,
                    int64_t now_ms, struct challenge *ret_challenge);
/* The object that widgets ask for. */
void challenge_write(struct json_writer *writer, const struct challenge *challenge);
/* Checks what a widget made of one: base64 of JSON. ret_id names the challenge, never 0, when it is
 * CHALLENGE_SOLVED. arena: for the JSON. */
enum challenge_verdict challenge_check(const struct abuse_keys *keys,
                                       const struct challenge_scope *scope, struct str payload,
                                       int64_t now_ms, struct arena *arena, uint64_t *ret_id);

#endif
