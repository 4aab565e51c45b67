/* All SQL of accounts, sessions and API keys. Reads: a connection of the platform database; the
 * rest: in the platform writer's apply, one step of its transaction each. Strings come back in the
 * arena. */
#ifndef APP_IDENTITY_STORE_H
#define APP_IDENTITY_STORE_H

#include "base/arena.h"
#include "base/crypto.h"
#include "store/db.h"

struct account {
    uint64_t id;
    struct str email; /* lower case */
    struct str name;
    struct str password_hash; /* "": there is no password, so none is right */
    unsigned roles;           /* bits of enum scope */
    int64_t created_at;
};

/* What a session's token or an API key stands for. */
struct credential_row {
    uint64_t account_id;
    uint64_t id;        /* of the session or key */
    unsigned roles;     /* of the account */
    unsigned scopes;    /* of the key */
    bool has_factor;    /* sessions: the account has a confirmed second factor */
    bool has_account;   /* false: an operator's key without a person behind it */
    int64_t expires_at; /* sessions */
    struct str email;
    struct str name; /* of the account, or of the key when there is none */
};

struct api_key {
    uint64_t id;
    uint64_t account_id;
    struct str name;
    unsigned scopes;
    int64_t created_at;
};

/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err account_by_email(struct db *db, struct arena *arena, struct str email,
                                       struct account *ret_account);
ERR_MUST_USE enum err account_by_id(struct db *db, struct arena *arena, uint64_t id,
                                    struct account *ret_account);
/* Accounts with id < before_id, newest first. ret_accounts has room for limit. */
ERR_MUST_USE enum err account_list(struct db *db, struct arena *arena, uint64_t before_id,
                                   int64_t limit, struct account *ret_accounts, size_t *ret_count);
/* ERR_CONFLICT: the email is taken. */
ERR_MUST_USE enum err account_insert(struct db *db, const struct account *account);
/* Leaves an account with that email as it is. */
ERR_MUST_USE enum err account_insert_new(struct db *db, const struct account *account,
                                         bool *ret_is_new);
/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err account_set_roles(struct db *db, uint64_t id, unsigned roles);
/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err account_set_password(struct db *db, uint64_t id, struct str password_hash);

/* ERR_NOT_FOUND also when it has expired. */
ERR_MUST_USE enum err session_find(struct db *db, struct arena *arena,
                                   const uint8_t token_hash[static SHA256_SIZE], int64_t now_ms,
                                   struct credential_row *ret_row);
ERR_MUST_USE enum err session_insert(struct db *db, const uint8_t token_hash[static SHA256_SIZE],
                                     const struct credential_row *row, int64_t now_ms);
/* Leaves a session with that very token as it is. */
ERR_MUST_USE enum err session_insert_again(struct db *db,
                                           const uint8_t token_hash[static SHA256_SIZE],
                                           const struct credential_row *row, int64_t now_ms);
/* ERR_NOT_FOUND. ret_token_hash: which one it was. */
ERR_MUST_USE enum err session_delete(struct db *db, uint64_t account_id, uint64_t session_id,
                                     uint8_t ret_token_hash[static SHA256_SIZE]);
/* All of the account but one. ret_hashes has room for max, and gets the newest. */
ERR_MUST_USE enum err session_delete_others(struct db *db, uint64_t account_id, uint64_t kept_id,
                                            uint8_t (*ret_hashes)[SHA256_SIZE], size_t max,
                                            size_t *ret_count);
ERR_MUST_USE enum err session_delete_all(struct db *db, uint64_t account_id);
/* A few expired ones of anybody: called at each login, so they never pile up. */
ERR_MUST_USE enum err session_purge(struct db *db, int64_t now_ms);

ERR_MUST_USE enum err api_key_find(struct db *db, struct arena *arena,
                                   const uint8_t key_hash[static SHA256_SIZE],
                                   struct credential_row *ret_row);
/* ERR_CONFLICT: that very key exists. */
ERR_MUST_USE enum err api_key_insert(struct db *db, const uint8_t key_hash[static SHA256_SIZE],
                                     const struct api_key *key);
/* account_id 0: whosoever it is. ERR_NOT_FOUND. */
ERR_MUST_USE enum err api_key_delete(struct db *db, uint64_t id, uint64_t account_id,
                                     uint64_t *ret_account_id,
                                     uint8_t ret_key_hash[static SHA256_SIZE]);
/* Keys of an account with id < before_id, newest first. ret_keys has room for limit. */
ERR_MUST_USE enum err api_key_list(struct db *db, struct arena *arena, uint64_t account_id,
                                   uint64_t before_id, int64_t limit, struct api_key *ret_keys,
                                   size_t *ret_count);
/* 0 or 1: whether there is any. */
ERR_MUST_USE enum err api_key_any(struct db *db, int64_t *ret_count);
ERR_MUST_USE enum err api_key_count_of(struct db *db, uint64_t account_id, int64_t *ret_count);

#endif
