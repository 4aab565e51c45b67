/*
 * SQL of identity: tables account, session and api_key of the platform database (sql/platform).
 * Tokens and keys appear here only as SHA-256; the rules are in identity.c.
 */
#include "app/identity_store.h"

#include "app/identity.h"
#include "app/identity_rules.h"

#define PURGE_MAX 16

/* Accounts */

static void account_from_row(struct db_stmt *stmt, struct arena *arena, struct account *ret_account)
{
    *ret_account = (struct account){
        .id = (uint64_t)db_col_i64(stmt, 0),
        .email = arena_str_dup(arena, db_col_str(stmt, 1)),
        .name = arena_str_dup(arena, db_col_str(stmt, 2)),
        .password_hash = arena_str_dup(arena, db_col_str(stmt, 3)),
        .roles = (unsigned)db_col_i64(stmt, 4),
        .created_at = db_col_i64(stmt, 5),
    };
}

static enum err account_one(struct db_stmt *stmt, struct arena *arena, struct account *ret_account)
{
    bool has_row = false;
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    account_from_row(stmt, arena, ret_account);
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_ACCOUNT_BY_EMAIL, "SELECT id, email, name, password_hash, roles, created_at "
                          "FROM account WHERE email = $1");

enum err account_by_email(struct db *db, struct arena *arena, struct str email,
                          struct account *ret_account)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ACCOUNT_BY_EMAIL);
    db_bind_str(stmt, 1, email);
    return account_one(stmt, arena, ret_account);
}

SQL(SQL_ACCOUNT_BY_ID, "SELECT id, email, name, password_hash, roles, created_at "
                       "FROM account WHERE id = $1");

enum err account_by_id(struct db *db, struct arena *arena, uint64_t id, struct account *ret_account)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ACCOUNT_BY_ID);
    db_bind_i64(stmt, 1, (int64_t)id);
    return account_one(stmt, arena, ret_account);
}

SQL(SQL_ACCOUNT_LIST, "SELECT id, email, name, '', roles, created_at "
                      "FROM account WHERE id < $1 ORDER BY id DESC LIMIT $2");

enum err account_list(struct db *db, struct arena *arena, uint64_t before_id, int64_t limit,
                      struct account *ret_accounts, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ACCOUNT_LIST);
    db_bind_i64(stmt, 1, (int64_t)before_id);
    db_bind_i64(stmt, 2, limit);
    size_t count = 0;
    bool has_row = true;
    while (count < (size_t)limit) {
        enum err err = db_step(stmt, &has_row);
        if (err != ERR_OK)
            return err;
        if (!has_row)
            break;
        account_from_row(stmt, arena, &ret_accounts[count++]);
    }
    db_done(stmt);
    *ret_count = count;
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_ACCOUNT_INSERT, "INSERT INTO account (id, email, name, password_hash, roles, created_at) "
                        "VALUES ($1, $2, $3, $4, $5, $6)");

static void bind_account(struct db_stmt *stmt, const struct account *account)
{
    db_bind_i64(stmt, 1, (int64_t)account->id);
    db_bind_str(stmt, 2, account->email);
    db_bind_str(stmt, 3, account->name);
    db_bind_str(stmt, 4, account->password_hash);
    db_bind_i64(stmt, 5, account->roles);
    db_bind_i64(stmt, 6, account->created_at);
}

enum err account_insert(struct db *db, const struct account *account)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ACCOUNT_INSERT);
    bind_account(stmt, account);
    return db_exec(stmt);
}

SQL(SQL_ACCOUNT_INSERT_NEW,
    "INSERT INTO account (id, email, name, password_hash, roles, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email) DO NOTHING");

enum err account_insert_new(struct db *db, const struct account *account, bool *ret_is_new)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ACCOUNT_INSERT_NEW);
    bind_account(stmt, account);
    enum err err = db_exec(stmt);
    *ret_is_new = err == ERR_OK && db_changes(db) == 1;
    return err;
}

SQL(SQL_ACCOUNT_SET_ROLES, "UPDATE account SET roles = $2 WHERE id = $1");

enum err account_set_roles(struct db *db, uint64_t id, unsigned roles)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ACCOUNT_SET_ROLES);
    db_bind_i64(stmt, 1, (int64_t)id);
    db_bind_i64(stmt, 2, roles);
    enum err err = db_exec(stmt);
    if (err == ERR_OK && db_changes(db) == 0)
        return ERR_NOT_FOUND;
    return err;
}

SQL(SQL_ACCOUNT_SET_PASSWORD, "UPDATE account SET password_hash = $2 WHERE id = $1");

enum err account_set_password(struct db *db, uint64_t id, struct str password_hash)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ACCOUNT_SET_PASSWORD);
    db_bind_i64(stmt, 1, (int64_t)id);
    db_bind_str(stmt, 2, password_hash);
    enum err err = db_exec(stmt);
    return err == ERR_OK && db_changes(db) == 0 ? ERR_NOT_FOUND : err;
}

/* Sessions */

SQL(SQL_SESSION_FIND, "SELECT s.account_id, s.id, a.roles, s.expires_at, a.email, a.name, "
                      "COALESCE(t.confirmed_at, 0) "
                      "FROM session s JOIN account a ON a.id = s.account_id "
                      "LEFT JOIN totp t ON t.account_id = s.account_id "
                      "WHERE s.token_hash = $1 AND s.expires_at > $2");

enum err session_find(struct db *db, struct arena *arena,
                      const uint8_t token_hash[static SHA256_SIZE], int64_t now_ms,
                      struct credential_row *ret_row)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SESSION_FIND);
    bool has_row = false;
    db_bind_blob(stmt, 1, str_from((const char *)token_hash, SHA256_SIZE));
    db_bind_i64(stmt, 2, now_ms);
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    *ret_row = (struct credential_row){
        .account_id = (uint64_t)db_col_i64(stmt, 0),
        .id = (uint64_t)db_col_i64(stmt, 1),
        .roles = (unsigned)db_col_i64(stmt, 2),
        .has_account = true,
        .expires_at = db_col_i64(stmt, 3),
        .email = arena_str_dup(arena, db_col_str(stmt, 4)),
        .name = arena_str_dup(arena, db_col_str(stmt, 5)),
        .has_factor = db_col_i64(stmt, 6) != 0,
    };
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_SESSION_INSERT, "INSERT INTO session (token_hash, id, account_id, created_at, expires_at) "
                        "VALUES ($1, $2, $3, $4, $5)");

static void bind_session(struct db_stmt *stmt, const uint8_t token_hash[static SHA256_SIZE],
                         const struct credential_row *row, int64_t now_ms)
{
    db_bind_blob(stmt, 1, str_from((const char *)token_hash, SHA256_SIZE));
    db_bind_i64(stmt, 2, (int64_t)row->id);
    db_bind_i64(stmt, 3, (int64_t)row->account_id);
    db_bind_i64(stmt, 4, now_ms);
    db_bind_i64(stmt, 5, row->expires_at);
}

enum err session_insert(struct db *db, const uint8_t token_hash[static SHA256_SIZE],
                        const struct credential_row *row, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SESSION_INSERT);
    bind_session(stmt, token_hash, row, now_ms);
    return db_exec(stmt);
}

SQL(SQL_SESSION_INSERT_AGAIN,
    "INSERT INTO session (token_hash, id, account_id, created_at, expires_at) "
    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (token_hash) DO NOTHING");

enum err session_insert_again(struct db *db, const uint8_t token_hash[static SHA256_SIZE],
                              const struct credential_row *row, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SESSION_INSERT_AGAIN);
    bind_session(stmt, token_hash, row, now_ms);
    return db_exec_later(stmt);
}

/* Reads one hash, the last column of the only row. */
static enum err take_hash(struct db_stmt *stmt, int column, uint8_t ret_hash[static SHA256_SIZE])
{
    struct str hash = db_col_blob(stmt, column);
    if (hash.len != SHA256_SIZE)
        return ERR_CORRUPT;
    memcpy(ret_hash, hash.data, SHA256_SIZE);
    return ERR_OK;
}

SQL(SQL_SESSION_HASH, "SELECT token_hash FROM session WHERE account_id = $1 AND id = $2");
SQL(SQL_SESSION_DELETE, "DELETE FROM session WHERE token_hash = $1");

enum err session_delete(struct db *db, uint64_t account_id, uint64_t session_id,
                        uint8_t ret_token_hash[static SHA256_SIZE])
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SESSION_HASH);
    bool has_row = false;
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_i64(stmt, 2, (int64_t)session_id);
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    err = take_hash(stmt, 0, ret_token_hash);
    db_done(stmt);
    if (err != ERR_OK)
        return err;
    stmt = db_stmt(db, &SQL_SESSION_DELETE);
    db_bind_blob(stmt, 1, str_from((const char *)ret_token_hash, SHA256_SIZE));
    return db_exec(stmt);
}

SQL(SQL_SESSION_OTHERS, "SELECT token_hash FROM session WHERE account_id = $1 AND id <> $2 "
                        "ORDER BY id DESC LIMIT $3");
SQL(SQL_SESSION_DELETE_OTHERS, "DELETE FROM session WHERE account_id = $1 AND id <> $2");

static enum err delete_others(struct db *db, uint64_t account_id, uint64_t kept_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SESSION_DELETE_OTHERS);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_i64(stmt, 2, (int64_t)kept_id);
    return db_exec(stmt);
}

enum err session_delete_others(struct db *db, uint64_t account_id, uint64_t kept_id,
                               uint8_t (*ret_hashes)[SHA256_SIZE], size_t max, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SESSION_OTHERS);
    size_t count = 0;
    bool has_row = true;
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_i64(stmt, 2, (int64_t)kept_id);
    db_bind_i64(stmt, 3, (int64_t)max);
    while (count < max) {
        enum err err = db_step(stmt, &has_row);
        if (err == ERR_OK && has_row)
            err = take_hash(stmt, 0, ret_hashes[count]);
        if (err != ERR_OK)
            return err;
        if (!has_row)
            break;
        count++;
    }
    db_done(stmt);
    *ret_count = count;
    return delete_others(db, account_id, kept_id);
}

enum err session_delete_all(struct db *db, uint64_t account_id)
{
    return delete_others(db, account_id, 0);
}

/* As in idempotency_store.c. */
#define OLDEST "FROM session WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2"
SQL_PAIR(SQL_SESSION_PURGE,
         "DELETE FROM session WHERE token_hash IN (SELECT token_hash " OLDEST ")",
         "DELETE FROM session WHERE ctid = ANY (ARRAY(SELECT ctid " OLDEST "))");

enum err session_purge(struct db *db, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SESSION_PURGE);
    db_bind_i64(stmt, 1, now_ms);
    db_bind_i64(stmt, 2, PURGE_MAX);
    return db_exec(stmt);
}

/* API keys */

SQL(SQL_API_KEY_FIND, "SELECT k.account_id, k.id, a.roles, k.scopes, a.email, a.name, k.name "
                      "FROM api_key k LEFT JOIN account a ON a.id = k.account_id "
                      "WHERE k.key_hash = $1");

enum err api_key_find(struct db *db, struct arena *arena,
                      const uint8_t key_hash[static SHA256_SIZE], struct credential_row *ret_row)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_API_KEY_FIND);
    bool has_row = false;
    db_bind_blob(stmt, 1, str_from((const char *)key_hash, SHA256_SIZE));
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    bool has_account = !db_col_is_null(stmt, 2);
    *ret_row = (struct credential_row){
        .account_id = (uint64_t)db_col_i64(stmt, 0),
        .id = (uint64_t)db_col_i64(stmt, 1),
        .roles = has_account ? (unsigned)db_col_i64(stmt, 2) : 0,
        .scopes = (unsigned)db_col_i64(stmt, 3),
        .has_account = has_account,
        .expires_at = INT64_MAX,
        .email = has_account ? arena_str_dup(arena, db_col_str(stmt, 4)) : STR_NONE,
        .name = arena_str_dup(arena, db_col_str(stmt, has_account ? 5 : 6)),
    };
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_API_KEY_INSERT, "INSERT INTO api_key (id, key_hash, account_id, name, scopes, created_at) "
                        "VALUES ($1, $2, $3, $4, $5, $6)");

enum err api_key_insert(struct db *db, const uint8_t key_hash[static SHA256_SIZE],
                        const struct api_key *key)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_API_KEY_INSERT);
    db_bind_i64(stmt, 1, (int64_t)key->id);
    db_bind_blob(stmt, 2, str_from((const char *)key_hash, SHA256_SIZE));
    db_bind_i64(stmt, 3, (int64_t)key->account_id);
    db_bind_str(stmt, 4, key->name);
    db_bind_i64(stmt, 5, key->scopes);
    db_bind_i64(stmt, 6, key->created_at);
    return db_exec(stmt);
}

SQL(SQL_API_KEY_GET, "SELECT account_id, key_hash FROM api_key "
                     "WHERE id = $1 AND (account_id = $2 OR $2 = 0)");
SQL(SQL_API_KEY_DELETE, "DELETE FROM api_key WHERE id = $1");

enum err api_key_delete(struct db *db, uint64_t id, uint64_t account_id, uint64_t *ret_account_id,
                        uint8_t ret_key_hash[static SHA256_SIZE])
{
    struct db_stmt *stmt = db_stmt(db, &SQL_API_KEY_GET);
    bool has_row = false;
    db_bind_i64(stmt, 1, (int64_t)id);
    db_bind_i64(stmt, 2, (int64_t)account_id);
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    *ret_account_id = (uint64_t)db_col_i64(stmt, 0);
    err = take_hash(stmt, 1, ret_key_hash);
    db_done(stmt);
    if (err != ERR_OK)
        return err;
    stmt = db_stmt(db, &SQL_API_KEY_DELETE);
    db_bind_i64(stmt, 1, (int64_t)id);
    return db_exec(stmt);
}

SQL(SQL_API_KEY_LIST, "SELECT id, account_id, name, scopes, created_at FROM api_key "
                      "WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");

enum err api_key_list(struct db *db, struct arena *arena, uint64_t account_id, uint64_t before_id,
                      int64_t limit, struct api_key *ret_keys, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_API_KEY_LIST);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_i64(stmt, 2, (int64_t)before_id);
    db_bind_i64(stmt, 3, limit);
    size_t count = 0;
    bool has_row = true;
    while (count < (size_t)limit) {
        enum err err = db_step(stmt, &has_row);
        if (err != ERR_OK)
            return err;
        if (!has_row)
            break;
        ret_keys[count++] = (struct api_key){
            .id = (uint64_t)db_col_i64(stmt, 0),
            .account_id = (uint64_t)db_col_i64(stmt, 1),
            .name = arena_str_dup(arena, db_col_str(stmt, 2)),
            .scopes = (unsigned)db_col_i64(stmt, 3),
            .created_at = db_col_i64(stmt, 4),
        };
    }
    db_done(stmt);
    *ret_count = count;
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_API_KEY_ANY, "SELECT count(*) FROM (SELECT 1 FROM api_key LIMIT 1) AS any_key");

enum err api_key_any(struct db *db, int64_t *ret_count)
{
    return db_get_i64(db_stmt(db, &SQL_API_KEY_ANY), ret_count);
}

SQL(SQL_API_KEY_COUNT_OF, "SELECT count(*) FROM api_key WHERE account_id = $1");

enum err api_key_count_of(struct db *db, uint64_t account_id, int64_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_API_KEY_COUNT_OF);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    return db_get_i64(stmt, ret_count);
}

/* Seen by other services */

SQL(SQL_API_KEY_NAME, "SELECT name FROM api_key WHERE id = $1");

/* An operator's key has an account of its own id, with no person and so no email behind it. */
static enum err operator_name(struct db *platform, uint64_t account_id, struct arena *arena,
                              struct str *ret_name)
{
    struct db_stmt *stmt = db_stmt(platform, &SQL_API_KEY_NAME);
    bool has_row = false;
    db_bind_i64(stmt, 1, (int64_t)account_id);
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    *ret_name = arena_str_dup(arena, db_col_str(stmt, 0));
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

enum err identity_account(struct db *platform, uint64_t account_id, struct arena *arena,
                          struct str *ret_email, struct str *ret_name)
{
    struct account account;
    enum err err = account_by_id(platform, arena, account_id, &account);
    if (err == ERR_NOT_FOUND) {
        err = operator_name(platform, account_id, arena, ret_name);
        if (err == ERR_OK)
            *ret_email = STR_NONE;
        return err;
    }
    if (err != ERR_OK)
        return err;
    *ret_email = account.email;
    *ret_name = account.name;
    return ERR_OK;
}

/* Emails are ASCII and compared by their bytes: those that begin with it stand behind it, before
 * whatever has DEL there. */
SQL(SQL_EMAILS, "SELECT id FROM account WHERE email >= $1 AND email < $2 ORDER BY email LIMIT $3");

enum err identity_find_emails(struct db *platform, struct str begin, int64_t limit,
                              uint64_t *ret_ids, size_t *ret_count)
{
    char from[EMAIL_SIZE], to[EMAIL_SIZE + 1];
    *ret_count = 0;
    if (begin.len >= EMAIL_SIZE)
        return ERR_OK;
    for (size_t i = 0; i < begin.len; i++) {
        unsigned char c = (unsigned char)begin.data[i];
        if (c <= ' ' || c >= 0x7f)
            return ERR_OK; /* no email has it */
        to[i] = from[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    to[begin.len] = 0x7f;
    struct db_stmt *stmt = db_stmt(platform, &SQL_EMAILS);
    db_bind_str(stmt, 1, str_from(from, begin.len));
    db_bind_str(stmt, 2, str_from(to, begin.len + 1));
    db_bind_i64(stmt, 3, limit);
    size_t count = 0;
    bool has_row = false;
    enum err err = ERR_OK;
    while (!(err = db_step(stmt, &has_row)) && has_row)
        ret_ids[count++] = (uint64_t)db_col_i64(stmt, 0);
    *ret_count = count;
    return err;
}
