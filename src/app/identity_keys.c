/* Operator's keys made outside of a request: the job behind `foyer admin create-key`. */
#include "app/identity_state.h"

struct operator_key_job {
    struct writer_job job;
    struct str key;
    struct str name;
    unsigned scopes;
    enum err outcome;
};

static enum err on_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct operator_key_job *made = container_of(job, struct operator_key_job, job);
    uint8_t key_hash[SHA256_SIZE];
    char id_text[ID_TEXT_SIZE];
    uint64_t id = id_next(tx->ids);
    struct api_key row = {.id = id,
                          .account_id = id,
                          .name = made->name,
                          .scopes = made->scopes,
                          .created_at = tx->now_ms};
    secret_hash(made->key, key_hash);
    enum err err = api_key_insert(tx->db, key_hash, &row);
    if (err != ERR_OK)
        return err;
    struct str key_id = id_format(id_text, "key", id);
    struct str json = arena_printf(tx->arena, "\"%.*s\"", STR_ARG(key_id));
    return identity_journal(tx, id, "api_key.created", "key_id", json);
}

static void on_done(struct writer_job *job, enum err outcome)
{
    struct operator_key_job *made = container_of(job, struct operator_key_job, job);
    made->outcome = outcome;
}

enum err identity_make_operator_key(struct writer *writer, struct str name, unsigned scopes,
                                    struct str fixed_key, char ret_key[static API_KEY_SIZE])
{
    char secret[SECRET_SIZE] = "";
    struct str key = fixed_key;
    if (name_problem(name))
        return ERR_INVALID;
    if (key.len == 0) {
        secret_make("sk_", secret);
        key = str_from_c(secret);
    }
    if (!config_is_api_key(key))
        return ERR_INVALID;
    struct operator_key_job made = {
        .job = {.apply = on_apply, .done = on_done}, .key = key, .name = name, .scopes = scopes};
    enum err err = writer_run(writer, &made.job);
    if (err == ERR_OK)
        err = made.outcome;
    if (err == ERR_OK)
        err = str_to_c(key, ret_key, API_KEY_SIZE);
    crypto_wipe(secret, sizeof(secret));
    return err;
}
