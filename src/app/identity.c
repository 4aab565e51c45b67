/*
 * Who is calling.
 *
 *   Authorization: Bearer ses_... | sk_... ──┐
 *   Cookie: foyer_session=ses_... ───────────┴─▶ SHA-256 ─▶ session_cache ─miss─▶ database
 *
 * A loop asks the cache only (identity_lookup_cached); a miss is sent to a pool thread
 * (identity_lookup). Nothing but the hash of a token is ever stored or compared, so neither the
 * database nor a timing tells a token.
 *
 * A bearer token that is not known is refused. A cookie that is not known is nobody: a browser with
 * an old one must still see public pages. A cookie alone may change state only from the site itself
 * (Sec-Fetch-Site, or Origin for browsers without it), since browsers send it whoever asks them to.
 *
 * Removals from the cache are staged as effects of the transaction that ends a session or key: they
 * run after its commit and before its answer, and session_cache.c keeps a reader that was under way
 * from undoing them.
 */
#include "app/identity.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/identity_totp.h"
#include "base/clock.h"

#define BEARER_MAX            256
#define SESSION_ROW_BYTES_MAX 16384

struct identity {
    const struct config *config;
    struct session_cache *cache;
    struct login_guard *guard;
    pthread_mutex_t dummy_lock;
    char dummy_hash[PASSWORD_HASH_SIZE]; /* "" until first needed */
    void (*on_end)(void *ctx, uint64_t account_id, const uint8_t *token_hash);
    void *on_end_ctx;
};

const struct config *identity_config(const struct identity *identity)
{
    return identity->config;
}

struct session_cache *identity_cache(struct identity *identity)
{
    return identity->cache;
}

struct login_guard *identity_guard(struct identity *identity)
{
    return identity->guard;
}

/* Making and freeing */

/* The first key is written before the writer's thread starts, so that it counts from the first
 * request on. It has no row in the journal for that reason. */
static enum err insert_first_key(struct writer *writer, struct str key)
{
    struct db *db = writer_db(writer);
    uint8_t key_hash[SHA256_SIZE];
    uint64_t id = id_next(writer_ids(writer));
    struct api_key row = {.id = id,
                          .account_id = id,
                          .name = STR("first start"),
                          .scopes = SCOPE_ADMIN,
                          .created_at = clock_now_ms()};
    secret_hash(key, key_hash);
    enum err err = db_begin(db);
    if (err != ERR_OK)
        return err;
    /* Asked again where nobody writes beside us: another node may start for the first time, too. */
    int64_t key_count = 0;
    err = api_key_any(db, &key_count);
    if (err == ERR_OK && key_count > 0)
        err = ERR_CONFLICT;
    if (err == ERR_OK)
        err = api_key_insert(db, key_hash, &row);
    if (err == ERR_OK)
        err = db_commit(db);
    if (err != ERR_OK)
        db_rollback(db);
    return err;
}

static enum err first_start(struct writer *writer, const struct config *config)
{
    char made[SECRET_SIZE] = "";
    struct str key = str_from_c(config->admin_key);
    if (key.len == 0) {
        secret_make("sk_", made);
        key = str_from_c(made);
        if (!config_is_api_key(key))
            return ERR_NOMEM;
    }
    enum err err = insert_first_key(writer, key);
    if (err == ERR_OK && made[0])
        fprintf(stderr, "admin key: %s (shown once)\n", made);
    crypto_wipe(made, sizeof(made));
    return err == ERR_CONFLICT ? ERR_OK : err; /* the other node's key is the first */
}

static void warn_of_unknown_admin_key(struct writer *writer, const struct config *config)
{
    struct arena arena;
    struct credential_row row;
    uint8_t key_hash[SHA256_SIZE];
    if (!config->admin_key[0])
        return;
    arena_init(&arena, 4096);
    secret_hash(str_from_c(config->admin_key), key_hash);
    if (api_key_find(writer_db(writer), &arena, key_hash, &row) == ERR_NOT_FOUND)
        log_warn("FOYER_ADMIN_KEY is not a known key: it counts at the first start only", NULL);
    arena_release(&arena);
}

/* Another node that ends a session tells nobody; so here it is not believed for long. */
static int64_t identity_cache_ms(struct writer *writer)
{
    return db_is_pgsql(writer_db(writer)) ? SESSION_FRESH_MS : 0;
}

enum err identity_new(struct writer *platform_writer, const struct config *config,
                      struct identity **ret_identity)
{
    int64_t key_count = 0;
    enum err err = api_key_any(writer_db(platform_writer), &key_count);
    if (err == ERR_OK && key_count == 0)
        err = first_start(platform_writer, config);
    else if (err == ERR_OK)
        warn_of_unknown_admin_key(platform_writer, config);
    if (err != ERR_OK)
        return err;
    struct identity *identity = calloc(1, sizeof(*identity));
    if (!identity)
        return ERR_NOMEM;
    pthread_mutex_init(&identity->dummy_lock, NULL);
    identity->config = config;
    identity->cache = session_cache_new(identity_cache_ms(platform_writer));
    identity->guard = login_guard_new();
    if (!identity->cache || !identity->guard) {
        identity_free(identity);
        return ERR_NOMEM;
    }
    *ret_identity = identity;
    return ERR_OK;
}

void identity_free(struct identity *identity)
{
    if (!identity)
        return;
    session_cache_free(identity->cache);
    login_guard_free(identity->guard);
    pthread_mutex_destroy(&identity->dummy_lock);
    free(identity);
}

/* Credentials of a request */

enum credential_kind {
    CREDENTIAL_NONE,
    CREDENTIAL_SESSION,
    CREDENTIAL_KEY,
    CREDENTIAL_BAD
};

struct credential {
    enum credential_kind kind;
    bool is_cookie;
    uint8_t hash[SHA256_SIZE];
};

static enum credential_kind kind_of(struct str token)
{
    if (token.len == SECRET_SIZE - 1 && str_starts_with(token, STR("ses_")))
        return CREDENTIAL_SESSION;
    return config_is_api_key(token) ? CREDENTIAL_KEY : CREDENTIAL_BAD;
}

static struct credential credential_of_header(struct str header)
{
    struct credential credential = {.kind = CREDENTIAL_BAD};
    struct str rest = header;
    struct str scheme = str_split(&rest, ' ');
    struct str token = str_trim(rest);
    if (str_eq_ci(scheme, STR("bearer")) && token.len <= BEARER_MAX)
        credential.kind = kind_of(token);
    if (credential.kind != CREDENTIAL_BAD)
        secret_hash(token, credential.hash);
    return credential;
}

static struct credential credential_of(const struct identity *identity,
                                       const struct request *request)
{
    struct str header = request_header(request, "authorization");
    if (header.data)
        return credential_of_header(header);
    struct credential credential = {.kind = CREDENTIAL_NONE};
    struct str token = request_cookie(request, identity_cookie_name(identity, request));
    if (token.len > 0 && token.len <= BEARER_MAX && kind_of(token) == CREDENTIAL_SESSION) {
        credential.kind = CREDENTIAL_SESSION;
        credential.is_cookie = true;
        secret_hash(token, credential.hash);
    }
    return credential;
}

bool identity_is_secure(const struct identity *identity, const struct request *request)
{
    return request->is_tls ||
           str_starts_with(str_from_c(identity->config->public_url), STR("https://"));
}

const char *identity_cookie_name(const struct identity *identity, const struct request *request)
{
    return identity_is_secure(identity, request) ? "__Host-" SESSION_COOKIE : SESSION_COOKIE;
}

static bool changes_state(enum http_method method)
{
    return method != HTTP_GET && method != HTTP_HEAD && method != HTTP_OPTIONS;
}

/* Origin is scheme://host[:port]; it must be the host that was asked, or the public one in front of
 * a proxy. */
static bool is_own_origin(const struct identity *identity, const struct request *request,
                          struct str origin)
{
    const char *scheme = identity_is_secure(identity, request) ? "https://" : "http://";
    struct str host = request_header(request, "host");
    if (str_eq_ci(origin, str_from_c(identity->config->public_url)))
        return true;
    return host.len > 0 && str_starts_with(origin, str_from_c(scheme)) &&
           str_eq_ci(str_sub(origin, strlen(scheme), origin.len), host);
}

static bool is_same_site(const struct identity *identity, const struct request *request)
{
    struct str fetch_site = request_header(request, "sec-fetch-site");
    struct str origin = request_header(request, "origin");
    if (fetch_site.len > 0)
        return str_eq(fetch_site, STR("same-origin")) || str_eq(fetch_site, STR("none"));
    return origin.len > 0 && is_own_origin(identity, request, origin);
}

/* The handshake of a stream is a GET and lasts: what counts for it is what counts for changes. */
bool identity_cookie_hash(const struct identity *identity, const struct request *request,
                          uint8_t ret_hash[static SHA256_SIZE])
{
    struct str token = request_cookie(request, identity_cookie_name(identity, request));
    if (token.len > BEARER_MAX || kind_of(token) != CREDENTIAL_SESSION ||
        !is_same_site(identity, request))
        return false;
    secret_hash(token, ret_hash);
    return true;
}

/* Looking up */

static void unref_at_release(void *ptr)
{
    caller_unref(ptr);
}

/* The request's arena takes the reference over. */
static enum err give_to_request(struct request *request, const struct caller *caller,
                                const struct caller **ret_caller)
{
    enum err err = arena_on_release(&request->arena, unref_at_release, (void *)(uintptr_t)caller);
    if (err == ERR_OK)
        *ret_caller = caller;
    return err;
}

/* What can be said without knowing the token. ERR_AGAIN: it has to be looked up. */
static enum err credential_check(const struct identity *identity, const struct request *request,
                                 const struct credential *credential)
{
    if (credential->kind == CREDENTIAL_BAD)
        return ERR_DENIED;
    if (credential->kind == CREDENTIAL_NONE)
        return ERR_OK;
    if (credential->is_cookie && changes_state(request->method) && !is_same_site(identity, request))
        return ERR_CONFLICT;
    return ERR_AGAIN;
}

/* A cached caller came by whichever way its token came first; is_cookie must say how this one did.
 */
static const struct caller *with_way(const struct caller *caller, bool is_cookie)
{
    if (caller->is_cookie == is_cookie)
        return caller;
    struct caller *copy = caller_new();
    if (copy) {
        *copy = *caller;
        copy->is_cookie = is_cookie;
    }
    caller_unref(caller);
    return copy;
}

enum err identity_lookup_cached(struct identity *identity, struct request *request,
                                const struct caller **ret_caller)
{
    struct credential credential = credential_of(identity, request);
    *ret_caller = NULL;
    enum err err = credential_check(identity, request, &credential);
    if (err != ERR_AGAIN)
        return err;
    const struct caller *caller = session_cache_get(identity->cache, credential.hash);
    if (!caller)
        return ERR_AGAIN;
    caller = with_way(caller, credential.is_cookie);
    return caller ? give_to_request(request, caller, ret_caller) : ERR_NOMEM;
}

/* Cut at a character's end: names are shown to people. */
static void copy_text(char *target, size_t size, struct str text)
{
    size_t len = text.len < size ? text.len : size - 1;
    while (len > 0 && !str_is_utf8(str_sub(text, 0, len)))
        len--;
    if (len > 0)
        memcpy(target, text.data, len);
    target[len] = '\0';
}

/* What a session may do: without the second factor that --require-totp asks for, what a fan may. */
static unsigned session_scopes(const struct identity *identity, const struct credential_row *row)
{
    if (!row->has_factor && factor_is_required(identity->config, row->roles))
        return SCOPE_NONE;
    return scopes_effective(row->roles);
}

static struct caller *caller_of_row(const struct identity *identity,
                                    const struct credential *credential,
                                    const struct credential_row *row)
{
    struct caller *caller = caller_new();
    if (!caller)
        return NULL;
    bool is_key = credential->kind == CREDENTIAL_KEY;
    caller->account_id = row->account_id;
    caller->session_id = is_key ? 0 : row->id;
    caller->key_id = is_key ? row->id : 0;
    caller->is_cookie = credential->is_cookie;
    caller->scopes = session_scopes(identity, row);
    /* A person's key never does more than the person: it loses what the account has lost. */
    if (is_key)
        caller->scopes = row->has_account
                             ? scopes_effective(row->scopes) & scopes_effective(row->roles)
                             : scopes_effective(row->scopes);
    copy_text(caller->email, sizeof(caller->email), row->email);
    copy_text(caller->name, sizeof(caller->name), row->name);
    return caller;
}

enum err identity_lookup(struct identity *identity, struct db *platform, struct request *request,
                         const struct caller **ret_caller)
{
    struct credential credential = credential_of(identity, request);
    struct credential_row row;
    *ret_caller = NULL;
    enum err err = credential_check(identity, request, &credential);
    if (err != ERR_AGAIN)
        return err;
    struct session_note note = session_cache_note(identity->cache, credential.hash);
    if (credential.kind == CREDENTIAL_KEY)
        err = api_key_find(platform, &request->arena, credential.hash, &row);
    else
        err = session_find(platform, &request->arena, credential.hash, clock_now_ms(), &row);
    if (err == ERR_NOT_FOUND)
        return credential.is_cookie ? ERR_OK : ERR_DENIED;
    if (err != ERR_OK)
        return err;
    struct caller *caller = caller_of_row(identity, &credential, &row);
    if (!caller)
        return ERR_NOMEM;
    /* When a removal came in between, this request was still in time; the next one asks the
     * database again. */
    (void)session_cache_put(identity->cache, credential.hash, caller, row.expires_at, note);
    return give_to_request(request, caller, ret_caller);
}

/* Sessions outside of requests */

bool identity_token_hash(struct str token, uint8_t ret_hash[static SHA256_SIZE])
{
    if (kind_of(token) != CREDENTIAL_SESSION)
        return false;
    secret_hash(token, ret_hash);
    return true;
}

enum err identity_session_cached(struct identity *identity,
                                 const uint8_t token_hash[static SHA256_SIZE],
                                 uint64_t *ret_account_id)
{
    const struct caller *caller = session_cache_get(identity->cache, token_hash);
    if (!caller)
        return ERR_AGAIN;
    *ret_account_id = caller->account_id;
    caller_unref(caller);
    return ERR_OK;
}

enum err identity_session_find(struct db *platform, const uint8_t token_hash[static SHA256_SIZE],
                               uint64_t *ret_account_id)
{
    struct arena arena;
    struct credential_row row;
    arena_init(&arena, SESSION_ROW_BYTES_MAX);
    enum err err = session_find(platform, &arena, token_hash, clock_now_ms(), &row);
    if (err == ERR_OK)
        *ret_account_id = row.account_id;
    arena_release(&arena);
    return err == ERR_NOT_FOUND ? ERR_DENIED : err;
}

void identity_on_end(struct identity *identity,
                     void (*fn)(void *ctx, uint64_t account_id, const uint8_t *token_hash),
                     void *ctx)
{
    identity->on_end = fn;
    identity->on_end_ctx = ctx;
}

/* Passwords */

/* A hash of nobody's password, made once, so that an unknown email takes as long to refuse as a
 * wrong password. */
static enum err dummy_hash(struct identity *identity, char ret_hash[static PASSWORD_HASH_SIZE])
{
    enum err err = ERR_OK;
    pthread_mutex_lock(&identity->dummy_lock);
    if (identity->dummy_hash[0] == '\0') {
        char secret[SECRET_SIZE];
        secret_make("", secret);
        err = crypto_password_hash(str_from_c(secret), identity->dummy_hash);
        if (err != ERR_OK)
            identity->dummy_hash[0] = '\0';
    }
    memcpy(ret_hash, identity->dummy_hash, PASSWORD_HASH_SIZE);
    pthread_mutex_unlock(&identity->dummy_lock);
    return err;
}

enum err identity_check_password(struct identity *identity, struct db *db, struct arena *arena,
                                 struct str email, struct str password, struct account *ret_account)
{
    char hash[PASSWORD_HASH_SIZE];
    struct account account;
    /* Before the account is looked at: making it must not show either. */
    enum err err = dummy_hash(identity, hash);
    if (err != ERR_OK)
        return err;
    err = account_by_email(db, arena, email, &account);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    /* An imported account has no password: it is refused as slowly as one that nobody has. */
    bool is_known = err == ERR_OK && account.password_hash.len > 0;
    if (is_known && str_to_c(account.password_hash, hash, sizeof(hash)) != ERR_OK)
        return ERR_CORRUPT;
    bool is_right = crypto_password_verify(password, hash);
    if (!is_known || !is_right)
        return ERR_DENIED;
    *ret_account = account;
    return ERR_OK;
}

/* Effects */

struct forget_token {
    struct identity *identity;
    uint64_t account_id;
    uint8_t token_hash[SHA256_SIZE];
};

static void on_forget_token(void *data)
{
    const struct forget_token *effect = data;
    struct identity *identity = effect->identity;
    session_cache_remove(identity->cache, effect->token_hash);
    if (identity->on_end)
        identity->on_end(identity->on_end_ctx, effect->account_id, effect->token_hash);
}

enum err identity_forget_token(struct identity *identity, struct writer_tx *tx, uint64_t account_id,
                               const uint8_t token_hash[static SHA256_SIZE])
{
    struct forget_token *effect = writer_effect(tx, on_forget_token, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    effect->identity = identity;
    effect->account_id = account_id;
    memcpy(effect->token_hash, token_hash, SHA256_SIZE);
    return ERR_OK;
}

struct forget_account {
    struct session_cache *cache;
    uint64_t account_id;
};

static void on_forget_account(void *data)
{
    struct forget_account *effect = data;
    session_cache_remove_account(effect->cache, effect->account_id);
}

enum err identity_forget_account(struct identity *identity, struct writer_tx *tx,
                                 uint64_t account_id)
{
    struct forget_account *effect = writer_effect(tx, on_forget_account, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    *effect = (struct forget_account){identity->cache, account_id};
    return ERR_OK;
}

enum err identity_journal(struct writer_tx *tx, uint64_t account_id, const char *type,
                          const char *member, struct str json_value)
{
    char id_text[ID_TEXT_SIZE];
    struct str id = id_format(id_text, "usr", account_id);
    struct str data = arena_printf(tx->arena, "{\"account_id\":\"%.*s\",\"%s\":%.*s}", STR_ARG(id),
                                   member, STR_ARG(json_value));
    if (!data.data)
        return ERR_NOMEM;
    return journal_append(tx->journal, account_id, type, data, NULL);
}
