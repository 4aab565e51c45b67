/*
 * Identity over HTTP: the table of routes, and sign-up, login, logout, /v1/me and accounts for
 * admins. API keys are in identity_http_keys.c.
 *
 * Passwords are hashed in prepare on the slow pool; the login's refusals from memory come before
 * that, on the loop, so that a guesser who is locked out costs nothing.
 */
#include "app/identity_http.h"

#include "app/identity_totp.h"
#include "app/metrics.h"
#include "app/problem.h"
#include "base/clock.h"

struct buf *identity_reply_buf(struct call *call)
{
    return buf_new_in(call_arena(call), 1u << 20);
}

static void user_members(struct json_writer *writer, const struct account *account)
{
    json_put_id(writer, "id", "usr", account->id);
    json_put_str(writer, "email", account->email);
    json_put_str(writer, "name", account->name);
    json_key(writer, "roles");
    roles_write(writer, account->roles);
    json_put_time(writer, "created_at", account->created_at);
}

static void user_write(struct json_writer *writer, const struct account *account)
{
    json_open_object(writer);
    user_members(writer, account);
    json_close_object(writer);
}

static enum err reply_user(struct call *call, int status, const struct account *account)
{
    struct json_writer writer;
    struct buf *body = identity_reply_buf(call);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    user_write(&writer, account);
    reply_json(call, status, body);
    return ERR_OK;
}

/* POST /v1/users */

struct sign_up {
    struct str email_sent;
    struct str password;
    struct str name;
    char email[EMAIL_SIZE];
    char password_hash[PASSWORD_HASH_SIZE];
};

static const struct json_field sign_up_fields[] = {
    {.name = "email",
     .kind = JSON_STR,
     .offset = offsetof(struct sign_up, email_sent),
     .is_required = true,
     .min = 1,
     .max = EMAIL_SIZE - 1,
     .doc = "address to log in with; kept in lower case"},
    {.name = "password",
     .kind = JSON_STR,
     .offset = offsetof(struct sign_up, password),
     .is_required = true,
     .min = PASSWORD_BYTES_MIN,
     .max = PASSWORD_BYTES_MAX,
     .doc = "8 to 256 bytes; the most common ones are refused"},
    {.name = "name",
     .kind = JSON_STR,
     .offset = offsetof(struct sign_up, name),
     .is_required = true,
     .min = 1,
     .max = NAME_BYTES_MAX,
     .doc = "as it stands on tickets"},
    {0},
};

/* False: answered. */
static bool sign_up_check(struct call *call, struct sign_up *form)
{
    struct field_errors errors;
    field_errors_init(&errors, call_arena(call));
    if (email_normalize(form->email_sent, form->email) != ERR_OK)
        field_errors_add(&errors, "email", "must be an email address");
    const char *problem = password_problem(form->password, form->email_sent);
    if (problem)
        field_errors_add(&errors, "password", "%s", problem);
    problem = name_problem(form->name);
    if (problem)
        field_errors_add(&errors, "name", "%s", problem);
    if (errors.count > 0)
        problem_fields(call, &errors);
    return errors.count == 0;
}

static enum err sign_up_prepare(struct call *call, struct db *db)
{
    struct account existing;
    struct sign_up *form = ARENA_NEW(call_arena(call), struct sign_up);
    if (!form)
        return ERR_NOMEM;
    if (!call_decode(call, form) || !sign_up_check(call, form))
        return ERR_OK;
    enum err err = account_by_email(db, call_arena(call), str_from_c(form->email), &existing);
    if (err == ERR_OK) {
        problem_reply(call, PROBLEM_EMAIL_TAKEN, NULL);
        return ERR_OK;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    call->prepared = form;
    return crypto_password_hash(form->password, form->password_hash);
}

static enum err sign_up_apply(struct call *call, struct writer_tx *tx)
{
    const struct sign_up *form = call->prepared;
    struct account account = {
        .id = id_next(tx->ids),
        .email = str_from_c(form->email),
        .name = form->name,
        .password_hash = str_from_c(form->password_hash),
        .created_at = tx->now_ms,
    };
    enum err err = account_insert(tx->db, &account);
    if (err == ERR_CONFLICT) {
        problem_reply(call, PROBLEM_EMAIL_TAKEN, NULL);
        return ERR_OK;
    }
    /* No email and no name: rows of the journal are for ever. */
    if (err == ERR_OK)
        err = identity_journal(tx, account.id, "user.created", "roles", STR("[\"fan\"]"));
    return err == ERR_OK ? reply_user(call, 201, &account) : err;
}

/* POST /v1/sessions */

struct login {
    struct str email_sent;
    struct str password;
    bool cookie;
    struct factor_proof proof;
    char email[EMAIL_SIZE];
    struct account account;
    char token[SECRET_SIZE];
};

static const struct json_field login_fields[] = {
    {.name = "email",
     .kind = JSON_STR,
     .offset = offsetof(struct login, email_sent),
     .is_required = true,
     .min = 1,
     .max = EMAIL_SIZE - 1},
    {.name = "password",
     .kind = JSON_STR,
     .offset = offsetof(struct login, password),
     .is_required = true,
     .min = 1,
     .max = PASSWORD_BYTES_MAX},
    {.name = "cookie",
     .kind = JSON_BOOL,
     .offset = offsetof(struct login, cookie),
     .doc = "for pages: the token comes as an HttpOnly cookie, and is null in the body"},
    {.name = "code",
     .kind = JSON_STR,
     .offset = offsetof(struct login, proof.code_sent),
     .min = 6,
     .max = 20,
     .doc = "six digits of the second factor, where the account has one"},
    {.name = "recovery_code",
     .kind = JSON_STR,
     .offset = offsetof(struct login, proof.recovery_sent),
     .min = 16,
     .max = 40,
     .doc = "in place of a code; it is used up"},
    {0},
};

static void count_login(const char *labels)
{
    metric_add(metric_counter("foyer_logins_total", labels, "Logins by outcome"), 1);
}

/* False: answered. */
static bool login_is_allowed(struct call *call, int64_t wait_s)
{
    if (wait_s == 0)
        return true;
    count_login("outcome=\"locked\"");
    problem_retry(call, PROBLEM_RATE_LIMITED, "Too many failed logins.", wait_s);
    return false;
}

/* The half that needs no database. ERR_AGAIN: all is well, go on with one. */
static enum err login_decode(struct call *call)
{
    struct identity *identity = call->service->state;
    struct login *form = ARENA_NEW(call_arena(call), struct login);
    if (!form)
        return ERR_NOMEM;
    if (!call_decode(call, form))
        return ERR_OK;
    if (email_normalize(form->email_sent, form->email) != ERR_OK) {
        problem_field(call, "email", "must be an email address");
        return ERR_OK;
    }
    if (!factor_proof_parse(call, &form->proof))
        return ERR_OK;
    call->prepared = form;
    int64_t wait_s = login_guard_wait_s(identity_guard(identity), str_from_c(form->email),
                                        str_from_c(call->req->peer_ip));
    return login_is_allowed(call, wait_s) ? ERR_AGAIN : ERR_OK;
}

static enum err refuse_factor(struct call *call, bool is_missing)
{
    count_login(is_missing ? "outcome=\"code_needed\"" : "outcome=\"code_refused\"");
    problem_reply(call, PROBLEM_TOTP_REQUIRED,
                  is_missing ? "This account has a second factor: send its code, too."
                             : "The code is wrong, or was used already.");
    return ERR_OK;
}

/* The password is right. */
static enum err login_check_factor(struct call *call, struct db *db, const struct login *form,
                                   enum login_outcome *ret_outcome)
{
    enum err err = factor_check(db, form->account.id, &form->proof, clock_now_ms());
    if (err == ERR_NOT_FOUND) {
        *ret_outcome = LOGIN_RIGHT;
        return ERR_OK;
    }
    if (err == ERR_AGAIN)
        return refuse_factor(call, true);
    if (err != ERR_OK && err != ERR_DENIED)
        return err;
    if (!factor_count(call, str_from_c(form->email), &form->proof, err == ERR_OK))
        return ERR_OK;
    *ret_outcome = err == ERR_OK ? LOGIN_RIGHT : LOGIN_WRONG;
    return err == ERR_OK ? ERR_OK : refuse_factor(call, false);
}

/* Failures are forgiven when all is proven: who knows the password alone goes on being counted. */
static enum err login_prove(struct call *call, struct db *db, struct login *form,
                            enum login_outcome *ret_outcome)
{
    *ret_outcome = LOGIN_UNDECIDED;
    enum err err = identity_check_password(call->service->state, db, call_arena(call),
                                           str_from_c(form->email), form->password, &form->account);
    if (err == ERR_DENIED) {
        *ret_outcome = LOGIN_WRONG;
        count_login("outcome=\"refused\"");
        problem_reply(call, PROBLEM_UNAUTHENTICATED, "Email or password is wrong.");
        return ERR_OK;
    }
    return err == ERR_OK ? login_check_factor(call, db, form, ret_outcome) : err;
}

static enum err login_prepare(struct call *call, struct db *db)
{
    struct identity *identity = call->service->state;
    if (!call->prepared) {
        enum err err = login_decode(call);
        if (err != ERR_AGAIN || !db)
            return err;
    }
    struct login *form = call->prepared;
    struct str email = str_from_c(form->email);
    struct str peer_ip = str_from_c(call->req->peer_ip);
    enum login_outcome outcome;
    if (!login_is_allowed(call, login_guard_begin(identity_guard(identity), email, peer_ip)))
        return ERR_OK;
    enum err err = login_prove(call, db, form, &outcome);
    login_guard_end(identity_guard(identity), email, peer_ip, outcome);
    if (err != ERR_OK || call_is_answered(call))
        return err;
    secret_make("ses_", form->token);
    return form->token[0] ? ERR_OK : ERR_NOMEM;
}

static enum err set_cookie(struct call *call, const char *token, int64_t max_age_s)
{
    struct identity *identity = call->service->state;
    struct str cookie =
        arena_printf(call_arena(call), "%s=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%lld%s",
                     identity_cookie_name(identity, call->req), token, (long long)max_age_s,
                     identity_is_secure(identity, call->req) ? "; Secure" : "");
    if (!cookie.data)
        return ERR_NOMEM;
    response_header(call->req, "set-cookie", cookie);
    return ERR_OK;
}

static enum err reply_session(struct call *call, const struct login *form, int64_t expires_at)
{
    struct json_writer writer;
    struct buf *body = identity_reply_buf(call);
    if (!body)
        return ERR_NOMEM;
    if (form->cookie && set_cookie(call, form->token, SESSION_LIFETIME_MS / 1000) != ERR_OK)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    if (form->cookie)
        json_put_null(&writer, "token");
    else
        json_put_str(&writer, "token", str_from_c(form->token));
    json_key(&writer, "user");
    user_write(&writer, &form->account);
    json_put_time(&writer, "expires_at", expires_at);
    json_close_object(&writer);
    reply_json(call, 201, body);
    return ERR_OK;
}

static enum err login_apply(struct call *call, struct writer_tx *tx)
{
    const struct login *form = call->prepared;
    uint8_t token_hash[SHA256_SIZE];
    struct credential_row row = {
        .account_id = form->account.id,
        .id = id_next(tx->ids),
        .expires_at = tx->now_ms + SESSION_LIFETIME_MS,
    };
    secret_hash(str_from_c(form->token), token_hash);
    enum err err = factor_use(tx, form->account.id, &form->proof);
    if (err == ERR_AGAIN || err == ERR_DENIED)
        return refuse_factor(call, err == ERR_AGAIN);
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        err = session_purge(tx->db, tx->now_ms);
    if (err == ERR_OK)
        err = session_insert(tx->db, token_hash, &row, tx->now_ms);
    if (err != ERR_OK)
        return err;
    count_login("outcome=\"ok\"");
    return reply_session(call, form, row.expires_at);
}

/* DELETE /v1/sessions/current */

static enum err logout_prepare(struct call *call, struct db *db)
{
    (void)db;
    if (call->caller->session_id == 0)
        problem_reply(call, PROBLEM_FORBIDDEN, "An API key has no session to end.");
    return ERR_OK;
}

static enum err logout_apply(struct call *call, struct writer_tx *tx)
{
    uint8_t token_hash[SHA256_SIZE];
    enum err err =
        session_delete(tx->db, call->caller->account_id, call->caller->session_id, token_hash);
    if (err == ERR_OK)
        err = identity_forget_token(call->service->state, tx, call->caller->account_id, token_hash);
    /* Ended by another request meanwhile: that is what was asked for. */
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    if (call->caller->is_cookie && set_cookie(call, "", 0) != ERR_OK)
        return ERR_NOMEM;
    reply_empty(call, 204);
    return ERR_OK;
}

/* GET /v1/me */

/* An operator's key has no person behind it: no email, and its scopes are what it is. */
static enum err reply_operator(struct call *call)
{
    struct json_writer writer;
    struct buf *body = identity_reply_buf(call);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_id(&writer, "id", "usr", call->caller->account_id);
    json_put_null(&writer, "email");
    json_put_str(&writer, "name", str_from_c(call->caller->name));
    json_key(&writer, "roles");
    roles_write(&writer, call->caller->scopes);
    json_put_null(&writer, "created_at");
    json_put_bool(&writer, "totp_enabled", false);
    json_put_bool(&writer, "totp_required", false);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

/* totp_required: this very session lacks rights until there is a second factor. */
static enum err reply_me(struct call *call, const struct account *account, bool has_factor)
{
    struct json_writer writer;
    const struct config *config = identity_config(call->service->state);
    struct buf *body = identity_reply_buf(call);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    user_members(&writer, account);
    json_put_bool(&writer, "totp_enabled", has_factor);
    json_put_bool(&writer, "totp_required",
                  call->caller->session_id != 0 && !has_factor &&
                      factor_is_required(config, account->roles));
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

static enum err me_read(struct call *call, struct db *db)
{
    struct account account;
    enum err err = account_by_id(db, call_arena(call), call->caller->account_id, &account);
    if (err == ERR_NOT_FOUND)
        return reply_operator(call);
    if (err != ERR_OK)
        return err;
    struct totp_row row = {0};
    err = totp_get(db, account.id, &row);
    crypto_wipe(row.secret, sizeof(row.secret));
    return err == ERR_OK || err == ERR_NOT_FOUND ? reply_me(call, &account, row.is_confirmed) : err;
}

/* GET /v1/users */

static enum err reply_users(struct call *call, const struct account *accounts, size_t count,
                            bool has_more)
{
    struct json_writer writer;
    struct buf *body = identity_reply_buf(call);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; i < count; i++)
        user_write(&writer, &accounts[i]);
    list_close(&writer, has_more, count > 0 ? (int64_t)accounts[count - 1].id : 0, 0);
    reply_json(call, 200, body);
    return ERR_OK;
}

static enum err users_by_email(struct call *call, struct db *db, struct str email_sent)
{
    char email[EMAIL_SIZE];
    struct account account;
    if (email_normalize(email_sent, email) != ERR_OK) {
        problem_field(call, "email", "must be an email address");
        return ERR_OK;
    }
    enum err err = account_by_email(db, call_arena(call), str_from_c(email), &account);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    return reply_users(call, &account, err == ERR_OK ? 1 : 0, false);
}

static enum err users_read(struct call *call, struct db *db)
{
    struct str email = STR_NONE;
    struct list_page page;
    if (!call_query_str(call, "email", &email) || !call_list_page(call, &page))
        return ERR_OK;
    if (email.len > 0)
        return users_by_email(call, db, email);
    struct account *accounts =
        ARENA_ARRAY(call_arena(call), struct account, (size_t)page.limit + 1);
    if (!accounts)
        return ERR_NOMEM;
    size_t count = 0;
    uint64_t before_id = page.has_cursor ? (uint64_t)page.a : INT64_MAX;
    enum err err = account_list(db, call_arena(call), before_id, page.limit + 1, accounts, &count);
    if (err != ERR_OK)
        return err;
    bool has_more = count > (size_t)page.limit;
    return reply_users(call, accounts, has_more ? count - 1 : count, has_more);
}

/* GET /v1/users/lookup */

static enum err reply_found(struct call *call, const struct account *account)
{
    struct json_writer writer;
    struct buf *body = identity_reply_buf(call);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_id(&writer, "id", "usr", account->id);
    json_put_str(&writer, "name", account->name);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

/* There is no directory: whoever knows an address learns who it belongs to, a few times an hour.
 * That it has an account is no secret (sign-up says so), and nothing else is told. */
static enum err lookup_read(struct call *call, struct db *db)
{
    struct account account;
    char email[EMAIL_SIZE];
    struct str email_sent = STR_NONE;
    if (!call_query_str(call, "email", &email_sent) ||
        !call_rate_limit_also(call, RATE_LOOKUP_NETWORK, 0))
        return ERR_OK;
    if (email_normalize(email_sent, email) != ERR_OK) {
        problem_field(call, "email", "must be an email address");
        return ERR_OK;
    }
    enum err err = account_by_email(db, call_arena(call), str_from_c(email), &account);
    if (err == ERR_NOT_FOUND) {
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
        return ERR_OK;
    }
    return err == ERR_OK ? reply_found(call, &account) : err;
}

/* PUT /v1/users/{id}/roles */

struct set_roles {
    struct json_strs words;
    unsigned roles;
    uint64_t account_id;
};

static const struct json_field set_roles_fields[] = {
    {.name = "roles",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct set_roles, words),
     .is_required = true,
     .min = 0,
     .max = 8,
     .doc = "all the account is to have, of fan, organizer, support, admin"},
    {0},
};

static enum err set_roles_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct set_roles *form = ARENA_NEW(call_arena(call), struct set_roles);
    if (!form)
        return ERR_NOMEM;
    if (!call_param_id(call, "id", "usr", &form->account_id) || !call_decode(call, form))
        return ERR_OK;
    if (roles_parse(&form->words, &form->roles) != ERR_OK) {
        problem_field(call, "roles", "must be of fan, organizer, support, admin");
        return ERR_OK;
    }
    call->prepared = form;
    return ERR_OK;
}

static enum err journal_roles(struct writer_tx *tx, const struct set_roles *form)
{
    struct json_writer writer;
    struct buf *json = buf_new_in(tx->arena, 1024);
    if (!json)
        return ERR_NOMEM;
    json_begin(&writer, json);
    roles_write(&writer, form->roles);
    return identity_journal(tx, form->account_id, "user.roles_changed", "roles", buf_str(json));
}

static enum err set_roles_apply(struct call *call, struct writer_tx *tx)
{
    const struct set_roles *form = call->prepared;
    struct account account;
    enum err err = account_set_roles(tx->db, form->account_id, form->roles);
    if (err == ERR_NOT_FOUND) {
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
        return ERR_OK;
    }
    if (err == ERR_OK)
        err = account_by_id(tx->db, call_arena(call), form->account_id, &account);
    if (err == ERR_OK)
        err = journal_roles(tx, form);
    if (err == ERR_OK)
        err = identity_forget_account(call->service->state, tx, form->account_id);
    return err == ERR_OK ? reply_user(call, 200, &account) : err;
}

const struct route identity_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/users",
     .kind = ROUTE_WRITE,
     .auth = AUTH_NONE,
     .pool = POOL_SLOW,
     .rate = RATE_AUTH,
     .body_max = IDENTITY_BODY_MAX,
     .prepare = sign_up_prepare,
     .apply = sign_up_apply,
     .summary = "Sign up",
     .tag = "Identity",
     .request = sign_up_fields,
     .response = "User",
     .success = 201,
     .problems = "409"},
    {.method = HTTP_GET,
     .pattern = "/v1/users",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = SCOPE_ADMIN,
     .read = users_read,
     .summary = "Accounts, newest first, or the one with an email",
     .tag = "Identity",
     .response = "UserList",
     .success = 200,
     .query = "email limit cursor",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/users/lookup",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .rate = RATE_LOOKUP,
     .read = lookup_read,
     .summary = "Who has an email address",
     .tag = "Identity",
     .response = "UserRef",
     .success = 200,
     .problems = "404",
     .query = "email",
     .is_retry_safe = true},
    {.method = HTTP_PUT,
     .pattern = "/v1/users/{id}/roles",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .scopes = SCOPE_ADMIN,
     .body_max = IDENTITY_BODY_MAX,
     .prepare = set_roles_prepare,
     .apply = set_roles_apply,
     .summary = "Set an account's roles",
     .tag = "Identity",
     .request = set_roles_fields,
     .response = "User",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/v1/sessions",
     .kind = ROUTE_WRITE,
     .auth = AUTH_NONE,
     .idempotency = IDEMPOTENCY_REFUSED,
     .pool = POOL_SLOW,
     .rate = RATE_AUTH,
     .prepare_on_loop = true,
     .body_max = IDENTITY_BODY_MAX,
     .prepare = login_prepare,
     .apply = login_apply,
     .summary = "Log in",
     .tag = "Identity",
     .request = login_fields,
     .response = "Session",
     .success = 201,
     .problems = "401 429"},
    {.method = HTTP_DELETE,
     .pattern = "/v1/sessions/current",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare = logout_prepare,
     .apply = logout_apply,
     .summary = "Log out",
     .tag = "Identity",
     .success = 204,
     .problems = "403",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/me",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = me_read,
     .summary = "The caller's account",
     .tag = "Identity",
     .response = "Me",
     .success = 200,
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/me/totp",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = totp_read,
     .summary = "The second factor of the caller's account",
     .tag = "Identity",
     .response = "Totp",
     .success = 200,
     .problems = "403",
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/v1/me/totp",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .idempotency = IDEMPOTENCY_REFUSED,
     .pool = POOL_SLOW,
     .rate = RATE_AUTH,
     .body_max = IDENTITY_BODY_MAX,
     .prepare = totp_create_prepare,
     .apply = totp_create_apply,
     .summary = "Begin to set up a second factor; the secret is shown this once",
     .tag = "Identity",
     .request = totp_create_fields,
     .response = "TotpCreated",
     .success = 201,
     .problems = "403 409 429"},
    {.method = HTTP_POST,
     .pattern = "/v1/me/totp/confirm",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .idempotency = IDEMPOTENCY_REFUSED,
     .body_max = IDENTITY_BODY_MAX,
     .prepare = totp_confirm_prepare,
     .apply = totp_confirm_apply,
     .summary = "Show that the app has it: from now on log-ins need a code",
     .tag = "Identity",
     .request = totp_confirm_fields,
     .response = "RecoveryCodes",
     .success = 200,
     .problems = "403 409"},
    {.method = HTTP_DELETE,
     .pattern = "/v1/me/totp",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .pool = POOL_SLOW,
     .rate = RATE_AUTH,
     .body_max = IDENTITY_BODY_MAX,
     .prepare = totp_delete_prepare,
     .apply = totp_delete_apply,
     .summary = "Take the second factor away",
     .tag = "Identity",
     .request = totp_delete_fields,
     .success = 204,
     .problems = "403 429",
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/users/{id}/totp",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .scopes = SCOPE_ADMIN,
     .prepare = totp_reset_prepare,
     .apply = totp_reset_apply,
     .summary = "Take a lost second factor away from an account, and end its sessions",
     .tag = "Identity",
     .success = 204,
     .problems = "404",
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/v1/api-keys",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .idempotency = IDEMPOTENCY_REFUSED,
     .body_max = IDENTITY_BODY_MAX,
     .prepare = api_key_create_prepare,
     .apply = api_key_create_apply,
     .summary = "Make an API key; it is shown this once",
     .tag = "Identity",
     .request = api_key_fields,
     .response = "ApiKeyCreated",
     .success = 201,
     .problems = "403"},
    {.method = HTTP_GET,
     .pattern = "/v1/api-keys",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = api_keys_read,
     .summary = "The account's API keys, without the keys themselves",
     .tag = "Identity",
     .response = "ApiKeyList",
     .success = 200,
     .problems = "403",
     .query = "limit cursor",
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/api-keys/{id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare = api_key_delete_prepare,
     .apply = api_key_delete_apply,
     .summary = "Delete an API key; it is refused from then on",
     .tag = "Identity",
     .success = 204,
     .problems = "403 404",
     .is_retry_safe = true},
};
const size_t identity_route_count = sizeof(identity_routes) / sizeof(identity_routes[0]);
