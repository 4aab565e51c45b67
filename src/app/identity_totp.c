/*
 * What proves the second factor.
 *
 * A code is checked twice: in prepare, from a reading connection, so that wrong ones are counted and
 * refused without the writer; and in apply, where the step of the code that is used is stored in the
 * transaction that it opens. Of two requests with one code the first to commit gets in.
 */
#include "app/identity_totp.h"

#include "app/problem.h"

bool factor_proof_parse(struct call *call, struct factor_proof *proof)
{
    struct field_errors errors;
    field_errors_init(&errors, call_arena(call));
    proof->has_code = proof->code_sent.data != NULL;
    proof->has_recovery = proof->recovery_sent.data != NULL;
    if (proof->has_code && totp_code_parse(proof->code_sent, proof->code) != ERR_OK)
        field_errors_add(&errors, "code", "must be six digits");
    if (proof->has_recovery &&
        recovery_code_hash(proof->recovery_sent, proof->recovery_hash) != ERR_OK)
        field_errors_add(&errors, "recovery_code", "must be sixteen letters and digits");
    if (proof->has_code && proof->has_recovery)
        field_errors_add(&errors, "recovery_code", "must not come with a code");
    if (errors.count > 0)
        problem_fields(call, &errors);
    return errors.count == 0;
}

/* step: of the right code; 0: a recovery code was right. */
static enum err find_step(struct db *db, uint64_t account_id, const struct factor_proof *proof,
                          int64_t now_ms, int64_t *ret_step)
{
    struct totp_row row;
    *ret_step = 0;
    enum err err = totp_get(db, account_id, &row);
    if (err != ERR_OK)
        return err;
    if (!row.is_confirmed)
        err = ERR_NOT_FOUND;
    else if (!proof->has_code && !proof->has_recovery)
        err = ERR_AGAIN;
    else if (proof->has_code &&
             !totp_find_step(row.secret, proof->code, now_ms, row.last_step, ret_step))
        err = ERR_DENIED;
    crypto_wipe(&row, sizeof(row));
    return err;
}

enum err factor_check(struct db *db, uint64_t account_id, const struct factor_proof *proof,
                      int64_t now_ms)
{
    int64_t step;
    enum err err = find_step(db, account_id, proof, now_ms, &step);
    if (err != ERR_OK || proof->has_code)
        return err;
    err = recovery_find(db, account_id, proof->recovery_hash);
    return err == ERR_NOT_FOUND ? ERR_DENIED : err;
}

enum err factor_use(struct writer_tx *tx, uint64_t account_id, const struct factor_proof *proof)
{
    int64_t step;
    enum err err = find_step(tx->db, account_id, proof, tx->now_ms, &step);
    if (err != ERR_OK)
        return err;
    if (proof->has_code) {
        err = totp_use_step(tx->db, account_id, step);
        return err == ERR_CONFLICT ? ERR_DENIED : err;
    }
    err = recovery_use(tx->db, account_id, proof->recovery_hash);
    if (err == ERR_NOT_FOUND)
        return ERR_DENIED;
    int64_t left = 0;
    if (err == ERR_OK)
        err = recovery_count(tx->db, account_id, &left);
    if (err != ERR_OK)
        return err;
    return identity_journal(tx, account_id, "user.recovery_code_used", "left",
                            arena_printf(tx->arena, "%lld", (long long)left));
}

bool factor_count(struct call *call, struct str email, const struct factor_proof *proof,
                  bool is_right)
{
    struct identity *identity = call->service->state;
    if (!proof->has_code)
        return true;
    int64_t wait_s = login_guard_code(identity_guard(identity), email, is_right);
    if (wait_s > 0)
        problem_retry(call, PROBLEM_RATE_LIMITED,
                      "Too many wrong codes. A recovery code is taken at any time.", wait_s);
    return wait_s == 0;
}

bool factor_is_required(const struct config *config, unsigned roles)
{
    return config->require_totp && (roles & (SCOPE_ORGANIZER | SCOPE_ADMIN)) != 0;
}

enum err identity_end_sessions(struct identity *identity, struct writer_tx *tx, uint64_t account_id,
                               uint64_t kept_session_id)
{
    uint8_t(*hashes)[SHA256_SIZE] = arena_array(tx->arena, sizeof(*hashes), SESSIONS_ENDED_MAX);
    size_t count = 0;
    if (!hashes)
        return ERR_NOMEM;
    enum err err = session_delete_others(tx->db, account_id, kept_session_id, hashes,
                                         SESSIONS_ENDED_MAX, &count);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = identity_forget_token(identity, tx, account_id, hashes[i]);
    return err == ERR_OK ? identity_forget_account(identity, tx, account_id) : err;
}
