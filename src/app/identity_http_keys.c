/*
 * API keys over HTTP. A person makes keys of their own account, with at most their own scopes; an
 * admin's key makes keys of its account with any. Other keys manage none: one that leaks must not
 * be able to make itself a successor.
 */
#include "app/identity_http.h"

#include "app/problem.h"

struct key_form {
    struct str name;
    struct json_strs words;
    unsigned scopes;
    char key[SECRET_SIZE];
};

const struct json_field api_key_fields[] = {
    {.name = "name",
     .kind = JSON_STR,
     .offset = offsetof(struct key_form, name),
     .is_required = true,
     .min = 1,
     .max = NAME_BYTES_MAX,
     .doc = "what the key is for"},
    {.name = "scopes",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct key_form, words),
     .is_required = true,
     .min = 0,
     .max = 8,
     .doc = "of organizer, check-in, support, admin; none: what a fan may do"},
    {0},
};

/* False: answered. */
static bool may_manage_keys(struct call *call)
{
    if (call->caller->session_id != 0 || (call->caller->scopes & SCOPE_ADMIN))
        return true;
    problem_reply(call, PROBLEM_FORBIDDEN, "Only a session or an admin's key may manage API keys.");
    return false;
}

enum err api_key_create_prepare(struct call *call, struct db *db)
{
    (void)db;
    if (!may_manage_keys(call))
        return ERR_OK;
    struct key_form *form = ARENA_NEW(call_arena(call), struct key_form);
    if (!form)
        return ERR_NOMEM;
    if (!call_decode(call, form))
        return ERR_OK;
    const char *problem = name_problem(form->name);
    if (problem) {
        problem_field(call, "name", problem);
        return ERR_OK;
    }
    if (scopes_parse_list(&form->words, &form->scopes) != ERR_OK) {
        problem_field(call, "scopes", "must be of organizer, check-in, support, admin");
        return ERR_OK;
    }
    if (form->scopes & ~call->caller->scopes) {
        problem_reply(call, PROBLEM_FORBIDDEN, "A key cannot have more scopes than its maker.");
        return ERR_OK;
    }
    secret_make("sk_", form->key);
    call->prepared = form;
    return form->key[0] ? ERR_OK : ERR_NOMEM;
}

static void key_members_write(struct json_writer *writer, const struct api_key *key)
{
    json_put_id(writer, "id", "key", key->id);
    json_put_str(writer, "name", key->name);
    json_key(writer, "scopes");
    scopes_write(writer, key->scopes);
    json_put_time(writer, "created_at", key->created_at);
}

static enum err reply_created(struct call *call, const struct key_form *form,
                              const struct api_key *key)
{
    struct json_writer writer;
    struct buf *body = identity_reply_buf(call);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    key_members_write(&writer, key);
    json_put_str(&writer, "key", str_from_c(form->key));
    json_close_object(&writer);
    reply_json(call, 201, body);
    return ERR_OK;
}

static enum err journal_key(struct writer_tx *tx, uint64_t account_id, const char *type,
                            uint64_t key_id)
{
    char id_text[ID_TEXT_SIZE];
    struct str id = id_format(id_text, "key", key_id);
    struct str json = arena_printf(tx->arena, "\"%.*s\"", STR_ARG(id));
    return json.data ? identity_journal(tx, account_id, type, "key_id", json) : ERR_NOMEM;
}

enum err api_key_create_apply(struct call *call, struct writer_tx *tx)
{
    const struct key_form *form = call->prepared;
    uint8_t key_hash[SHA256_SIZE];
    int64_t count = 0;
    enum err err = api_key_count_of(tx->db, call->caller->account_id, &count);
    if (err != ERR_OK)
        return err;
    if (count >= API_KEYS_PER_ACCOUNT) {
        problem_reply(call, PROBLEM_LIMIT_EXCEEDED, "An account has at most 100 API keys.");
        return ERR_OK;
    }
    struct api_key key = {.id = id_next(tx->ids),
                          .account_id = call->caller->account_id,
                          .name = form->name,
                          .scopes = form->scopes,
                          .created_at = tx->now_ms};
    secret_hash(str_from_c(form->key), key_hash);
    err = api_key_insert(tx->db, key_hash, &key);
    if (err == ERR_OK)
        err = journal_key(tx, key.account_id, "api_key.created", key.id);
    return err == ERR_OK ? reply_created(call, form, &key) : err;
}

enum err api_keys_read(struct call *call, struct db *db)
{
    struct list_page page;
    struct json_writer writer;
    if (!may_manage_keys(call) || !call_list_page(call, &page))
        return ERR_OK;
    struct buf *body = identity_reply_buf(call);
    struct api_key *keys = ARENA_ARRAY(call_arena(call), struct api_key, (size_t)page.limit + 1);
    if (!body || !keys)
        return ERR_NOMEM;
    size_t count = 0;
    uint64_t before_id = page.has_cursor ? (uint64_t)page.a : INT64_MAX;
    enum err err = api_key_list(db, call_arena(call), call->caller->account_id, before_id,
                                page.limit + 1, keys, &count);
    if (err != ERR_OK)
        return err;
    bool has_more = count > (size_t)page.limit;
    if (has_more)
        count--;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; i < count; i++) {
        json_open_object(&writer);
        key_members_write(&writer, &keys[i]);
        json_close_object(&writer);
    }
    list_close(&writer, has_more, count > 0 ? (int64_t)keys[count - 1].id : 0, 0);
    reply_json(call, 200, body);
    return ERR_OK;
}

struct key_to_delete {
    uint64_t id;
};

enum err api_key_delete_prepare(struct call *call, struct db *db)
{
    (void)db;
    if (!may_manage_keys(call))
        return ERR_OK;
    struct key_to_delete *target = ARENA_NEW(call_arena(call), struct key_to_delete);
    if (!target)
        return ERR_NOMEM;
    if (call_param_id(call, "id", "key", &target->id))
        call->prepared = target;
    return ERR_OK;
}

enum err api_key_delete_apply(struct call *call, struct writer_tx *tx)
{
    const struct key_to_delete *target = call->prepared;
    uint8_t key_hash[SHA256_SIZE];
    uint64_t account_id = 0;
    /* An admin may end anybody's key. */
    uint64_t owner = call->caller->scopes & SCOPE_ADMIN ? 0 : call->caller->account_id;
    enum err err = api_key_delete(tx->db, target->id, owner, &account_id, key_hash);
    if (err == ERR_NOT_FOUND) {
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
        return ERR_OK;
    }
    if (err == ERR_OK)
        err = journal_key(tx, account_id, "api_key.deleted", target->id);
    if (err == ERR_OK)
        err = identity_forget_token(call->service->state, tx, call->caller->account_id, key_hash);
    if (err == ERR_OK)
        reply_empty(call, 204);
    return err;
}
