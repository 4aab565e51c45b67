/* Operators' help outside of requests. There is no cache to clear: a server that runs on the same
 * PostgreSQL learns of ended sessions as of those that other nodes end. */
#include "app/identity_reset.h"

#include "app/identity_totp.h"

#define ROW_BYTES_MAX 16384

struct reset_job {
    struct writer_job job;
    struct str email;
    const char *password_hash; /* NULL: the second factor is what is lost */
    enum err outcome;
};

static enum err reset_account(const struct reset_job *reset, struct writer_tx *tx,
                              uint64_t account_id)
{
    enum err err = ERR_OK;
    if (reset->password_hash) {
        err = account_set_password(tx->db, account_id, str_from_c(reset->password_hash));
    } else {
        err = totp_delete(tx->db, account_id);
        if (err == ERR_NOT_FOUND)
            err = ERR_CONFLICT;
    }
    if (err == ERR_OK)
        err = session_delete_all(tx->db, account_id);
    if (err != ERR_OK)
        return err;
    return identity_journal(tx, account_id,
                            reset->password_hash ? "user.password_reset" : "user.totp_disabled",
                            "by", STR("\"operator\""));
}

static enum err on_apply(struct writer_job *job, struct writer_tx *tx)
{
    const struct reset_job *reset = container_of(job, struct reset_job, job);
    struct account account = {0};
    struct arena arena;
    arena_init(&arena, ROW_BYTES_MAX);
    enum err err = account_by_email(tx->db, &arena, reset->email, &account);
    arena_release(&arena);
    return err == ERR_OK ? reset_account(reset, tx, account.id) : err;
}

static void on_done(struct writer_job *job, enum err outcome)
{
    struct reset_job *reset = container_of(job, struct reset_job, job);
    reset->outcome = outcome;
}

static enum err run(struct writer *writer, struct str email_sent, const char *password_hash)
{
    char email[EMAIL_SIZE];
    struct reset_job reset = {.job = {.apply = on_apply, .done = on_done},
                              .password_hash = password_hash};
    if (email_normalize(email_sent, email) != ERR_OK)
        return ERR_NOT_FOUND;
    reset.email = str_from_c(email);
    enum err err = writer_run(writer, &reset.job);
    return err == ERR_OK ? reset.outcome : err;
}

enum err identity_reset_totp(struct writer *writer, struct str email)
{
    return run(writer, email, NULL);
}

enum err identity_reset_password(struct writer *writer, struct str email,
                                 char ret_password[static RECOVERY_CODE_SIZE])
{
    char hash[PASSWORD_HASH_SIZE];
    recovery_code_make(ret_password);
    enum err err = crypto_password_hash(str_from_c(ret_password), hash);
    if (err == ERR_OK)
        err = run(writer, email, hash);
    if (err != ERR_OK)
        crypto_wipe(ret_password, RECOVERY_CODE_SIZE);
    return err;
}
