/*
 * The second factor over HTTP: setting one up, proving that the app has it, taking it away.
 *
 * Only a session manages the factor of its account, and only with the password: neither a key that
 * leaks nor a session that is stolen may shut its owner out. So an account without a password, as
 * imported ones are, gets no second factor. The secret is in the answer that makes it and in no
 * other.
 */
#include "app/identity_http.h"
#include "app/identity_totp.h"
#include "app/problem.h"
#include "base/clock.h"
#include "base/qr.h"
#include "base/rand.h"

/* False: answered. */
static bool is_session(struct call *call)
{
    if (call->caller->session_id != 0)
        return true;
    problem_reply(call, PROBLEM_FORBIDDEN, "Only a session has a second factor.");
    return false;
}

/* Answered unless it is right. Wrong ones count as failed log-ins do; a right one forgives none, as
 * it proves less than a log-in. */
static enum err check_password(struct call *call, struct db *db, struct str password)
{
    struct login_guard *guard = identity_guard(call->service->state);
    struct str email = str_from_c(call->caller->email);
    struct str peer_ip = str_from_c(call->req->peer_ip);
    struct account account;
    enum err err = account_by_id(db, call_arena(call), call->caller->account_id, &account);
    if (err != ERR_OK)
        return err;
    if (account.password_hash.len == 0) {
        problem_reply(call, PROBLEM_FORBIDDEN, "This account has no password.");
        return ERR_OK;
    }
    int64_t wait_s = login_guard_begin(guard, email, peer_ip);
    if (wait_s > 0) {
        problem_retry(call, PROBLEM_RATE_LIMITED, "Too many wrong passwords.", wait_s);
        return ERR_OK;
    }
    err = identity_check_password(call->service->state, db, call_arena(call), email, password,
                                  &account);
    login_guard_end(guard, email, peer_ip, err == ERR_DENIED ? LOGIN_WRONG : LOGIN_UNDECIDED);
    if (err != ERR_DENIED)
        return err;
    problem_reply(call, PROBLEM_FORBIDDEN, "The password is wrong.");
    return ERR_OK;
}

/* GET /v1/me/totp */

enum err totp_read(struct call *call, struct db *db)
{
    struct totp_row row = {0};
    struct account account;
    struct json_writer writer;
    int64_t left = 0;
    if (!is_session(call))
        return ERR_OK;
    uint64_t account_id = call->caller->account_id;
    enum err err = totp_get(db, account_id, &row);
    bool is_none = err == ERR_NOT_FOUND;
    crypto_wipe(row.secret, sizeof(row.secret));
    if (err == ERR_OK || is_none)
        err = account_by_id(db, call_arena(call), account_id, &account);
    if (err == ERR_OK)
        err = recovery_count(db, account_id, &left);
    if (err != ERR_OK)
        return err;
    struct buf *body = identity_reply_buf(call);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_str(&writer, "state",
                 is_none            ? STR("off")
                 : row.is_confirmed ? STR("on")
                                    : STR("pending"));
    json_put_bool(&writer, "required",
                  factor_is_required(identity_config(call->service->state), account.roles));
    json_put_i64(&writer, "recovery_codes_left", left);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

/* POST /v1/me/totp */

struct totp_form {
    struct str password;
    uint8_t secret[TOTP_SECRET_SIZE];
    char secret_text[TOTP_TEXT_SIZE];
    struct str url;
    struct str svg;
};

const struct json_field totp_create_fields[] = {
    {.name = "password",
     .kind = JSON_STR,
     .offset = offsetof(struct totp_form, password),
     .is_required = true,
     .min = 1,
     .max = PASSWORD_BYTES_MAX,
     .doc = "the account's"},
    {0},
};

static enum err draw_url(struct call *call, struct totp_form *form)
{
    struct qr *qr = ARENA_NEW(call_arena(call), struct qr);
    struct buf *svg = buf_new_in(call_arena(call), 1u << 18);
    if (!qr || !svg)
        return ERR_NOMEM;
    enum err err = qr_encode(form->url, qr);
    if (err != ERR_OK)
        return err;
    qr_write_svg(qr, STR("Code for your authenticator app"), svg);
    form->svg = buf_str(svg);
    return svg->overflow ? ERR_NOMEM : ERR_OK;
}

enum err totp_create_prepare(struct call *call, struct db *db)
{
    struct totp_form *form = ARENA_NEW(call_arena(call), struct totp_form);
    if (!form)
        return ERR_NOMEM;
    if (!is_session(call) || !call_decode(call, form))
        return ERR_OK;
    enum err err = check_password(call, db, form->password);
    if (err != ERR_OK || call_is_answered(call))
        return err;
    rand_bytes(form->secret, sizeof(form->secret));
    totp_secret_text(form->secret, form->secret_text);
    form->url = totp_url(call_arena(call), str_from_c(call->caller->email), form->secret_text);
    if (!form->url.data)
        return ERR_NOMEM;
    call->prepared = form;
    return draw_url(call, form);
}

enum err totp_create_apply(struct call *call, struct writer_tx *tx)
{
    const struct totp_form *form = call->prepared;
    struct json_writer writer;
    enum err err = totp_put(tx->db, call->caller->account_id, form->secret, tx->now_ms);
    if (err == ERR_CONFLICT) {
        problem_reply(call, PROBLEM_CONFLICT,
                      "There is a second factor. Take it away before you set up another.");
        return ERR_OK;
    }
    if (err != ERR_OK)
        return err;
    struct buf *body = identity_reply_buf(call);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_str(&writer, "secret", str_from_c(form->secret_text));
    json_put_str(&writer, "otpauth_url", form->url);
    json_put_str(&writer, "qr_svg", form->svg);
    json_close_object(&writer);
    reply_json(call, 201, body);
    return ERR_OK;
}

/* POST /v1/me/totp/confirm */

struct confirm_form {
    struct str code_sent;
    char code[TOTP_CODE_SIZE];
    char recovery[RECOVERY_CODES][RECOVERY_CODE_SIZE];
};

const struct json_field totp_confirm_fields[] = {
    {.name = "code",
     .kind = JSON_STR,
     .offset = offsetof(struct confirm_form, code_sent),
     .is_required = true,
     .min = 6,
     .max = 20,
     .doc = "six digits, as the app shows them now"},
    {0},
};

enum err totp_confirm_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct confirm_form *form = ARENA_NEW(call_arena(call), struct confirm_form);
    if (!form)
        return ERR_NOMEM;
    if (!is_session(call) || !call_decode(call, form))
        return ERR_OK;
    if (totp_code_parse(form->code_sent, form->code) != ERR_OK) {
        problem_field(call, "code", "must be six digits");
        return ERR_OK;
    }
    for (size_t i = 0; i < RECOVERY_CODES; i++)
        recovery_code_make(form->recovery[i]);
    call->prepared = form;
    return ERR_OK;
}

static enum err put_recovery_codes(struct writer_tx *tx, uint64_t account_id,
                                   const struct confirm_form *form)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < RECOVERY_CODES && err == ERR_OK; i++) {
        uint8_t hash[SHA256_SIZE];
        err = recovery_code_hash(str_from_c(form->recovery[i]), hash);
        if (err == ERR_OK)
            err = recovery_insert(tx->db, account_id, hash);
    }
    return err;
}

static enum err reply_recovery_codes(struct call *call, const struct confirm_form *form)
{
    struct json_writer writer;
    struct buf *body = identity_reply_buf(call);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "recovery_codes");
    json_open_array(&writer);
    for (size_t i = 0; i < RECOVERY_CODES; i++)
        json_str(&writer, str_from_c(form->recovery[i]));
    json_close_array(&writer);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

static enum err find_pending(struct writer_tx *tx, uint64_t account_id, const char *code,
                             int64_t *ret_step)
{
    struct totp_row row;
    enum err err = totp_get(tx->db, account_id, &row);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && row.is_confirmed))
        return ERR_CONFLICT;
    if (err == ERR_OK && !totp_find_step(row.secret, code, tx->now_ms, row.last_step, ret_step))
        err = ERR_DENIED;
    crypto_wipe(&row, sizeof(row));
    return err;
}

enum err totp_confirm_apply(struct call *call, struct writer_tx *tx)
{
    const struct confirm_form *form = call->prepared;
    uint64_t account_id = call->caller->account_id;
    int64_t step = 0;
    enum err err = find_pending(tx, account_id, form->code, &step);
    if (err == ERR_CONFLICT) {
        problem_reply(call, PROBLEM_CONFLICT, "There is no second factor that waits for a code.");
        return ERR_OK;
    }
    if (err == ERR_DENIED) {
        problem_field(call, "code", "is wrong; is the clock of your device right?");
        return ERR_OK;
    }
    if (err == ERR_OK)
        err = totp_confirm(tx->db, account_id, step, tx->now_ms);
    if (err == ERR_OK)
        err = put_recovery_codes(tx, account_id, form);
    if (err == ERR_OK)
        err = identity_end_sessions(call->service->state, tx, account_id, call->caller->session_id);
    if (err == ERR_OK)
        err = identity_journal(tx, account_id, "user.totp_enabled", "by", STR("\"owner\""));
    return err == ERR_OK ? reply_recovery_codes(call, form) : err;
}

/* DELETE /v1/me/totp */

struct delete_form {
    struct str password;
    struct factor_proof proof;
};

const struct json_field totp_delete_fields[] = {
    {.name = "password",
     .kind = JSON_STR,
     .offset = offsetof(struct delete_form, password),
     .is_required = true,
     .min = 1,
     .max = PASSWORD_BYTES_MAX,
     .doc = "the account's"},
    {.name = "code",
     .kind = JSON_STR,
     .offset = offsetof(struct delete_form, proof.code_sent),
     .min = 6,
     .max = 20,
     .doc = "six digits, as the app shows them now"},
    {.name = "recovery_code",
     .kind = JSON_STR,
     .offset = offsetof(struct delete_form, proof.recovery_sent),
     .min = 16,
     .max = 40,
     .doc = "in place of a code; it is used up"},
    {0},
};

static void reply_wrong_proof(struct call *call, const struct factor_proof *proof, enum err err)
{
    const char *field = proof->has_recovery ? "recovery_code" : "code";
    problem_field(call, field, err == ERR_AGAIN ? "is required" : "is wrong, or was used already");
}

enum err totp_delete_prepare(struct call *call, struct db *db)
{
    struct delete_form *form = ARENA_NEW(call_arena(call), struct delete_form);
    struct str email = str_from_c(call->caller->email);
    if (!form)
        return ERR_NOMEM;
    struct factor_proof *proof = &form->proof;
    if (!is_session(call) || !call_decode(call, form) || !factor_proof_parse(call, proof))
        return ERR_OK;
    enum err err = check_password(call, db, form->password);
    if (err != ERR_OK || call_is_answered(call))
        return err;
    err = factor_check(db, call->caller->account_id, proof, clock_now_ms());
    call->prepared = proof;
    if (err == ERR_NOT_FOUND) /* or not confirmed yet, which needs no proof */
        return ERR_OK;
    if ((err == ERR_OK || err == ERR_DENIED) && !factor_count(call, email, proof, err == ERR_OK))
        return ERR_OK;
    if (err == ERR_DENIED || err == ERR_AGAIN) {
        reply_wrong_proof(call, proof, err);
        return ERR_OK;
    }
    return err;
}

enum err totp_delete_apply(struct call *call, struct writer_tx *tx)
{
    const struct factor_proof *proof = call->prepared;
    uint64_t account_id = call->caller->account_id;
    enum err err = factor_use(tx, account_id, proof);
    bool was_on = err == ERR_OK;
    if (err == ERR_DENIED || err == ERR_AGAIN) {
        reply_wrong_proof(call, proof, err);
        return ERR_OK;
    }
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        err = totp_delete(tx->db, account_id);
    /* Taken away by another request meanwhile, or never there: that is what was asked for. */
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    err = was_on ? identity_journal(tx, account_id, "user.totp_disabled", "by", STR("\"owner\""))
                 : ERR_OK;
    if (err == ERR_OK)
        err = identity_forget_account(call->service->state, tx, account_id);
    if (err == ERR_OK)
        reply_empty(call, 204);
    return err;
}

/* DELETE /v1/users/{id}/totp */

enum err totp_reset_prepare(struct call *call, struct db *db)
{
    (void)db;
    uint64_t *account_id = ARENA_NEW(call_arena(call), uint64_t);
    if (!account_id)
        return ERR_NOMEM;
    if (call_param_id(call, "id", "usr", account_id))
        call->prepared = account_id;
    return ERR_OK;
}

/* Whoever lost the device may have lost more: the sessions end, too. */
enum err totp_reset_apply(struct call *call, struct writer_tx *tx)
{
    struct account account;
    const uint64_t *account_id = call->prepared;
    enum err err = account_by_id(tx->db, call_arena(call), *account_id, &account);
    if (err == ERR_NOT_FOUND) {
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
        return ERR_OK;
    }
    if (err == ERR_OK)
        err = totp_delete(tx->db, *account_id);
    bool was_there = err == ERR_OK;
    if (err == ERR_NOT_FOUND)
        err = ERR_OK;
    if (err == ERR_OK && was_there)
        err = identity_journal(tx, *account_id, "user.totp_disabled", "by", STR("\"admin\""));
    if (err == ERR_OK && was_there)
        err = identity_end_sessions(call->service->state, tx, *account_id, 0);
    if (err == ERR_OK)
        reply_empty(call, 204);
    return err;
}
