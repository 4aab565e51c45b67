/*
 * The second factor of an account: its rows, what proves it, and its routes.
 *
 * Invariant: while an account has a confirmed factor, each of its sessions has proven it. A login
 * checks it in the transaction that makes the session, and confirming one ends all other sessions.
 */
#ifndef APP_IDENTITY_TOTP_H
#define APP_IDENTITY_TOTP_H

#include "app/identity_state.h"
#include "app/totp.h"

/* ---- rows (identity_totp_store.c); writes: in the platform writer's apply ---- */

struct totp_row {
    uint8_t secret[TOTP_SECRET_SIZE];
    bool is_confirmed;
    int64_t last_step;
};

/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err totp_get(struct db *db, uint64_t account_id, struct totp_row *ret_row);
/* Takes the place of one that is not confirmed. ERR_CONFLICT: there is a confirmed one. */
ERR_MUST_USE enum err totp_put(struct db *db, uint64_t account_id,
                               const uint8_t secret[static TOTP_SECRET_SIZE], int64_t now_ms);
/* ERR_CONFLICT: there is none to confirm. */
ERR_MUST_USE enum err totp_confirm(struct db *db, uint64_t account_id, int64_t step,
                                   int64_t now_ms);
/* ERR_CONFLICT: the code of that step, or of a later one, was used. */
ERR_MUST_USE enum err totp_use_step(struct db *db, uint64_t account_id, int64_t step);
/* With its recovery codes; ERR_NOT_FOUND: there is none. */
ERR_MUST_USE enum err totp_delete(struct db *db, uint64_t account_id);
ERR_MUST_USE enum err recovery_insert(struct db *db, uint64_t account_id,
                                      const uint8_t hash[static SHA256_SIZE]);
/* ERR_NOT_FOUND: there is no such code, or it was used. */
ERR_MUST_USE enum err recovery_find(struct db *db, uint64_t account_id,
                                    const uint8_t hash[static SHA256_SIZE]);
ERR_MUST_USE enum err recovery_use(struct db *db, uint64_t account_id,
                                   const uint8_t hash[static SHA256_SIZE]);
ERR_MUST_USE enum err recovery_count(struct db *db, uint64_t account_id, int64_t *ret_count);

/* ---- proof (identity_totp.c) ---- */

/* What a caller brings: one of the two. */
struct factor_proof {
    struct str code_sent; /* STR_NONE: not sent */
    struct str recovery_sent;
    char code[TOTP_CODE_SIZE];
    bool has_code, has_recovery;
    uint8_t recovery_hash[SHA256_SIZE];
};

/* Reads what was sent. False: answered 422. */
bool factor_proof_parse(struct call *call, struct factor_proof *proof);
/* ERR_OK: it is right; ERR_NOT_FOUND: the account has no confirmed factor; ERR_AGAIN: nothing was
 * brought; ERR_DENIED: wrong, or used. Changes nothing: for prepare. */
ERR_MUST_USE enum err factor_check(struct db *db, uint64_t account_id,
                                   const struct factor_proof *proof, int64_t now_ms);
/* The same, and what was right is used up; in the platform writer's apply. */
ERR_MUST_USE enum err factor_use(struct writer_tx *tx, uint64_t account_id,
                                 const struct factor_proof *proof);
/* Counts in memory what factor_check found, ERR_OK or ERR_DENIED. False: answered 429, as no code
 * of this account may be tried now. Recovery codes always may: nobody guesses those, and somebody
 * else's guesses must not lock out their owner. */
bool factor_count(struct call *call, struct str email, const struct factor_proof *proof,
                  bool is_right);

/* In apply: all the account's sessions end but one (0: all). */
ERR_MUST_USE enum err identity_end_sessions(struct identity *identity, struct writer_tx *tx,
                                            uint64_t account_id, uint64_t kept_session_id);
/* Whether --require-totp asks somebody with these roles for a factor. */
bool factor_is_required(const struct config *config, unsigned roles);

/* ---- routes (identity_totp_http.c) ---- */

extern const struct json_field totp_create_fields[], totp_confirm_fields[], totp_delete_fields[];
ERR_MUST_USE enum err totp_read(struct call *call, struct db *db);
ERR_MUST_USE enum err totp_create_prepare(struct call *call, struct db *db);
ERR_MUST_USE enum err totp_create_apply(struct call *call, struct writer_tx *tx);
ERR_MUST_USE enum err totp_confirm_prepare(struct call *call, struct db *db);
ERR_MUST_USE enum err totp_confirm_apply(struct call *call, struct writer_tx *tx);
ERR_MUST_USE enum err totp_delete_prepare(struct call *call, struct db *db);
ERR_MUST_USE enum err totp_delete_apply(struct call *call, struct writer_tx *tx);
ERR_MUST_USE enum err totp_reset_prepare(struct call *call, struct db *db);
ERR_MUST_USE enum err totp_reset_apply(struct call *call, struct writer_tx *tx);

#endif
