/* SQL of the second factor: tables totp and recovery_code of the platform database. */
#include "app/identity_totp.h"

static struct str hash_str(const uint8_t *hash)
{
    return str_from((const char *)hash, SHA256_SIZE);
}

SQL(SQL_TOTP_GET, "SELECT secret, confirmed_at, last_step FROM totp WHERE account_id = $1");

enum err totp_get(struct db *db, uint64_t account_id, struct totp_row *ret_row)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_TOTP_GET);
    bool has_row = false;
    db_bind_i64(stmt, 1, (int64_t)account_id);
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    struct str secret = db_col_blob(stmt, 0);
    *ret_row = (struct totp_row){.is_confirmed = db_col_i64(stmt, 1) != 0,
                                 .last_step = db_col_i64(stmt, 2)};
    bool is_whole = secret.len == TOTP_SECRET_SIZE;
    if (is_whole)
        memcpy(ret_row->secret, secret.data, TOTP_SECRET_SIZE);
    db_done(stmt);
    return is_whole ? ERR_OK : ERR_CORRUPT;
}

static enum err exec_if(struct db *db, struct db_stmt *stmt, enum err otherwise)
{
    enum err err = db_exec(stmt);
    return err == ERR_OK && db_changes(db) == 0 ? otherwise : err;
}

SQL(SQL_TOTP_PUT, "INSERT INTO totp (account_id, secret, created_at) VALUES ($1, $2, $3) "
                  "ON CONFLICT (account_id) DO UPDATE SET secret = excluded.secret, last_step = 0, "
                  "created_at = excluded.created_at WHERE totp.confirmed_at = 0");

enum err totp_put(struct db *db, uint64_t account_id, const uint8_t secret[static TOTP_SECRET_SIZE],
                  int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_TOTP_PUT);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_blob(stmt, 2, str_from((const char *)secret, TOTP_SECRET_SIZE));
    db_bind_i64(stmt, 3, now_ms);
    return exec_if(db, stmt, ERR_CONFLICT);
}

SQL(SQL_TOTP_CONFIRM, "UPDATE totp SET confirmed_at = $3, last_step = $2 "
                      "WHERE account_id = $1 AND confirmed_at = 0");

enum err totp_confirm(struct db *db, uint64_t account_id, int64_t step, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_TOTP_CONFIRM);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_i64(stmt, 2, step);
    db_bind_i64(stmt, 3, now_ms);
    return exec_if(db, stmt, ERR_CONFLICT);
}

SQL(SQL_TOTP_USE_STEP, "UPDATE totp SET last_step = $2 WHERE account_id = $1 AND last_step < $2");

enum err totp_use_step(struct db *db, uint64_t account_id, int64_t step)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_TOTP_USE_STEP);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_i64(stmt, 2, step);
    return exec_if(db, stmt, ERR_CONFLICT);
}

SQL(SQL_RECOVERY_DELETE_ALL, "DELETE FROM recovery_code WHERE account_id = $1");
SQL(SQL_TOTP_DELETE, "DELETE FROM totp WHERE account_id = $1");

enum err totp_delete(struct db *db, uint64_t account_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_RECOVERY_DELETE_ALL);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    enum err err = db_exec(stmt);
    if (err != ERR_OK)
        return err;
    stmt = db_stmt(db, &SQL_TOTP_DELETE);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    return exec_if(db, stmt, ERR_NOT_FOUND);
}

SQL(SQL_RECOVERY_INSERT, "INSERT INTO recovery_code (account_id, code_hash) VALUES ($1, $2)");

enum err recovery_insert(struct db *db, uint64_t account_id, const uint8_t hash[static SHA256_SIZE])
{
    struct db_stmt *stmt = db_stmt(db, &SQL_RECOVERY_INSERT);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_blob(stmt, 2, hash_str(hash));
    return db_exec(stmt);
}

SQL(SQL_RECOVERY_FIND, "SELECT 1 FROM recovery_code WHERE account_id = $1 AND code_hash = $2");

enum err recovery_find(struct db *db, uint64_t account_id, const uint8_t hash[static SHA256_SIZE])
{
    struct db_stmt *stmt = db_stmt(db, &SQL_RECOVERY_FIND);
    int64_t one = 0;
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_blob(stmt, 2, hash_str(hash));
    return db_get_i64(stmt, &one);
}

SQL(SQL_RECOVERY_USE, "DELETE FROM recovery_code WHERE account_id = $1 AND code_hash = $2");

enum err recovery_use(struct db *db, uint64_t account_id, const uint8_t hash[static SHA256_SIZE])
{
    struct db_stmt *stmt = db_stmt(db, &SQL_RECOVERY_USE);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_blob(stmt, 2, hash_str(hash));
    return exec_if(db, stmt, ERR_NOT_FOUND);
}

SQL(SQL_RECOVERY_COUNT, "SELECT count(*) FROM recovery_code WHERE account_id = $1");

enum err recovery_count(struct db *db, uint64_t account_id, int64_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_RECOVERY_COUNT);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    return db_get_i64(stmt, ret_count);
}
