/*
 * Chats: a direct one of two users, of which there is one; groups of at most MEMBERS_MAX.
 *
 * Making one asks how many its people have already and writes rows of several shards: it has the
 * database for itself. Renaming belongs to its chat.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "chat/system.h"

/* ---- making one ---- */

struct create_body {
    struct str type, user_id, title;
    struct json_strs member_ids;
    bool has_user, has_title, has_members;
};

static const struct json_field create_fields[] = {
    {.name = "type",
     .kind = JSON_STR,
     .offset = offsetof(struct create_body, type),
     .is_required = true,
     .min = 1,
     .max = 16,
     .one_of = chat_type_names},
    {.name = "user_id",
     .kind = JSON_STR,
     .offset = offsetof(struct create_body, user_id),
     .has_offset = offsetof(struct create_body, has_user),
     .min = 1,
     .max = ID_TEXT_SIZE,
     .doc = "direct: the other one"},
    {.name = "title",
     .kind = JSON_STR,
     .offset = offsetof(struct create_body, title),
     .has_offset = offsetof(struct create_body, has_title),
     .min = 1,
     .max = TITLE_BYTES_MAX,
     .doc = "group: what it is called"},
    {.name = "member_ids",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct create_body, member_ids),
     .has_offset = offsetof(struct create_body, has_members),
     .min = 0,
     .max = MEMBERS_MAX,
     .doc = "group: members besides the caller, who owns it"},
    {0},
};

/* From prepare to apply. The caller is the first of the people. */
struct create_form {
    struct create_body body;
    enum chat_type type;
    struct member people[MEMBERS_MAX];
    size_t people_count;
};

/* False: answered. text is a user who exists, and not yet among the people. */
static bool add_person(struct call *call, struct create_form *form, const char *field,
                       struct str text, enum err *ret_err)
{
    uint64_t id;
    struct str email, name = STR_NONE;
    *ret_err = ERR_NOT_FOUND;
    if (id_parse(text, "usr", &id) == ERR_OK)
        *ret_err = identity_account(call->platform, id, call_arena(call), &email, &name);
    if (*ret_err == ERR_NOT_FOUND) {
        struct str message = arena_printf(call_arena(call), "%.*s is not a user", STR_ARG(text));
        problem_field(call, field, message.data ? message.data : "is not a user");
        *ret_err = ERR_OK;
        return false;
    }
    if (*ret_err)
        return false;
    for (size_t i = 0; i < form->people_count; i++) {
        if (form->people[i].user_id == id)
            return true;
    }
    if (form->people_count == MEMBERS_MAX) {
        chat_reply_limit(call, "member_ids", "members of a chat", MEMBERS_MAX);
        return false;
    }
    form->people[form->people_count++] = (struct member){.user_id = id, .name = name};
    return true;
}

/* What belongs to the other type is a mistake. */
static bool check_body(struct call *call, const struct create_body *body, enum chat_type type)
{
    bool is_direct = type == CHAT_DIRECT;
    const char *field = NULL;
    const char *message = is_direct ? "is for groups" : "is for direct chats";
    if (is_direct && body->has_title)
        field = "title";
    else if (is_direct && body->has_members)
        field = "member_ids";
    else if (!is_direct && body->has_user)
        field = "user_id";
    else if (is_direct ? !body->has_user : !body->has_title) {
        field = is_direct ? "user_id" : "title";
        message = "is required";
    }
    if (field)
        problem_field(call, field, message);
    return !field && chat_check_text(call, "title", body->title, false);
}

static enum err create_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct create_form *form = ARENA_NEW(call_arena(call), struct create_form);
    enum err err = ERR_OK;
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    struct create_body *body = &form->body;
    if (!call_rate_limit_also(call, RATE_CHAT_CREATE_NETWORK, 0) || !call_decode(call, body))
        return ERR_OK;
    form->type = str_eq(body->type, STR("direct")) ? CHAT_DIRECT : CHAT_GROUP;
    if (!check_body(call, body, form->type))
        return ERR_OK;
    form->people[form->people_count++] = (struct member){
        .user_id = chat_caller(call), .name = str_from_c(call->caller->name), .role = ROLE_OWNER};
    if (form->type == CHAT_DIRECT) {
        form->people[0].role = ROLE_MEMBER;
        if (add_person(call, form, "user_id", body->user_id, &err) && form->people_count == 1)
            problem_field(call, "user_id", "is yourself");
        return err;
    }
    for (size_t i = 0; i < body->member_ids.count; i++) {
        if (!add_person(call, form, "member_ids", body->member_ids.items[i], &err))
            return err;
    }
    return ERR_OK;
}

/* Which field named that person. */
static const char *field_of(const struct create_form *form, size_t index)
{
    if (index == 0)
        return "type";
    return form->type == CHAT_DIRECT ? "user_id" : "member_ids";
}

/* ERR_NOT_FOUND: answered. */
static enum err check_people(struct call *call, struct db *db, const struct create_form *form)
{
    char text[ID_TEXT_SIZE];
    for (size_t i = 0; i < form->people_count; i++) {
        uint64_t id = form->people[i].user_id;
        bool is_blocked = false;
        int64_t count = 0;
        enum err err = ERR_OK;
        if (i > 0)
            err = block_store_is_between(db, chat_caller(call), id, &is_blocked);
        if (!err)
            err = chat_store_count(db, id, &count);
        if (err)
            return err;
        if (!is_blocked && count < CHATS_MAX)
            continue;
        struct str who = id_format(text, "usr", id);
        struct str detail =
            arena_printf(call_arena(call), "%.*s and you do not talk.", STR_ARG(who));
        if (is_blocked)
            problem_reply(call, PROBLEM_FORBIDDEN, detail.data);
        else
            chat_reply_limit(call, field_of(form, i), "chats of a user", CHATS_MAX);
        return ERR_NOT_FOUND;
    }
    return ERR_OK;
}

static enum err add_people(struct writer_tx *tx, const struct chat *chat, struct create_form *form)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < form->people_count; i++) {
        form->people[i].joined_at = tx->now_ms;
        err = member_store_add(tx->db, chat->id, &form->people[i]);
    }
    return err;
}

static enum err reply_new(struct call *call, struct writer_tx *tx, int status, uint64_t chat_id)
{
    struct chat_seen seen;
    enum err err = db_flush(tx->db);
    if (!err)
        err = chat_find_seen(call, tx->db, chat_id, tx->now_ms, &seen);
    return err ? chat_said(err) : chat_reply_chat(call, tx->db, status, &seen);
}

static enum err create_direct(struct call *call, struct writer_tx *tx, struct create_form *form,
                              struct chat *chat)
{
    uint64_t a = form->people[0].user_id, b = form->people[1].user_id, existing_id;
    chat->user_a = a < b ? a : b;
    chat->user_b = a < b ? b : a;
    chat->title = STR("");
    enum err err = chat_store_find_direct(tx->db, chat->user_a, chat->user_b, &existing_id);
    if (!err)
        return reply_new(call, tx, 200, existing_id);
    if (err != ERR_NOT_FOUND)
        return err;
    err = check_people(call, tx->db, form);
    if (!err)
        err = chat_store_add_direct(tx->db, chat);
    if (!err)
        err = chat_store_add(tx->db, chat);
    if (!err)
        err = add_people(tx, chat, form);
    if (!err)
        err = fanout_stage_members(&chat_of(call)->fanout, tx, chat);
    return err ? chat_said(err) : reply_new(call, tx, 201, chat->id);
}

static enum err create_group(struct call *call, struct writer_tx *tx, struct create_form *form,
                             struct chat *chat)
{
    struct system_event event = {.event = "created", .title = form->body.title};
    chat->title = form->body.title;
    enum err err = check_people(call, tx->db, form);
    if (!err)
        err = chat_store_add(tx->db, chat);
    if (!err)
        err = add_people(tx, chat, form);
    if (!err)
        err = chat_append_system(call, tx, chat, &event);
    return err ? chat_said(err) : reply_new(call, tx, 201, chat->id);
}

static enum err create_apply(struct call *call, struct writer_tx *tx)
{
    struct create_form *form = call->prepared;
    struct chat chat = {.id = id_next(tx->ids),
                        .type = form->type,
                        .created_by = chat_caller(call),
                        .created_at = tx->now_ms,
                        .last_at = tx->now_ms,
                        .member_count = (int64_t)form->people_count,
                        .members_version = 1};
    chat.active_id = chat.id;
    return form->type == CHAT_DIRECT ? create_direct(call, tx, form, &chat)
                                     : create_group(call, tx, form, &chat);
}

/* ---- renaming ---- */

struct rename_body {
    struct str title;
};

static const struct json_field rename_fields[] = {
    {.name = "title",
     .kind = JSON_STR,
     .offset = offsetof(struct rename_body, title),
     .is_required = true,
     .min = 1,
     .max = TITLE_BYTES_MAX},
    {0},
};

static enum err rename_prepare(struct call *call, struct db *db)
{
    struct rename_body *body = ARENA_NEW(call_arena(call), struct rename_body);
    if (!body)
        return ERR_NOMEM;
    call->prepared = body;
    if (!call_decode(call, body) || !chat_check_text(call, "title", body->title, false))
        return ERR_OK;
    return chat_shard_prepare(call, db);
}

static enum err rename_apply(struct call *call, struct writer_tx *tx)
{
    const struct rename_body *body = call->prepared;
    struct chat_seen seen;
    enum err err = chat_call_seen(call, tx->db, tx->now_ms, &seen);
    if (err)
        return chat_said(err);
    if (seen.chat.type != CHAT_GROUP) {
        problem_reply(call, PROBLEM_CONFLICT, "A direct chat has no title.");
        return ERR_OK;
    }
    if (seen.me.role < ROLE_ADMIN) {
        problem_reply(call, PROBLEM_FORBIDDEN, "Owner and admins rename a group.");
        return ERR_OK;
    }
    if (str_eq(seen.chat.title, body->title))
        return chat_reply_chat(call, tx->db, 200, &seen);
    struct system_event event = {.event = "renamed", .title = body->title};
    seen.chat.title = body->title;
    seen.chat.members_version++;
    err = chat_store_put_members(tx->db, &seen.chat);
    if (!err)
        err = chat_append_system(call, tx, &seen.chat, &event);
    return err ? err : reply_new(call, tx, 200, seen.chat.id);
}

/* ---- reading ---- */

static enum err get_seen(struct call *call, struct db *db)
{
    struct chat_seen seen;
    enum err err = chat_call_seen(call, db, clock_now_ms(), &seen);
    return err ? chat_said(err) : chat_reply_chat(call, db, 200, &seen);
}

static enum err get_read(struct call *call, struct db *db)
{
    enum err err = db_snapshot_begin(db);
    if (err)
        return err;
    err = get_seen(call, db);
    db_snapshot_end(db);
    return err;
}

static enum err write_rows(struct call *call, struct db *db, struct json_writer *writer,
                           const struct chat_row *rows, size_t count)
{
    int64_t now_ms = clock_now_ms();
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        struct chat_seen seen = {.chat = rows[i].chat, .me = rows[i].member};
        chat_days(&seen.chat, now_ms, &seen.days);
        err = chat_write_chat(call, db, writer, &seen, MEMBERS_SHOWN);
    }
    return err;
}

static enum err list_chats(struct call *call, struct db *db, const struct list_page *page,
                           uint64_t event_id, struct buf *body)
{
    size_t limit = (size_t)page->limit, count = 0;
    struct chat_row *rows = ARENA_ARRAY(call_arena(call), struct chat_row, limit + 1);
    struct json_writer writer;
    if (!rows)
        return ERR_NOMEM;
    uint64_t before = page->has_cursor ? (uint64_t)page->a : INT64_MAX;
    enum err err = chat_store_list_about(db, call_arena(call), chat_caller(call), event_id, before,
                                         page->limit + 1, rows, &count);
    if (err)
        return err;
    bool has_more = count > limit;
    if (has_more)
        count = limit;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    err = write_rows(call, db, &writer, rows, count);
    if (err)
        return err;
    json_close_array(&writer);
    list_close(&writer, has_more, has_more ? (int64_t)rows[count - 1].chat.active_id : 0, 0);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err list_read(struct call *call, struct db *db)
{
    struct list_page page;
    struct str event = STR_NONE;
    uint64_t event_id = 0;
    struct buf *body = buf_new_in(call_arena(call), LIST_BODY_MAX);
    if (!body)
        return ERR_NOMEM;
    if (!call_list_page(call, &page) || !call_query_str(call, "event_id", &event))
        return ERR_OK;
    if (event.data && id_parse(event, "evt", &event_id) != ERR_OK) {
        problem_field(call, "event_id", "is not the id of an event");
        return ERR_OK;
    }
    enum err err = db_snapshot_begin(db);
    if (err)
        return err;
    err = list_chats(call, db, &page, event_id, body);
    db_snapshot_end(db);
    return err;
}

const struct route chat_chat_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/chats",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .rate = RATE_CHAT_CREATE,
     .body_max = CHAT_BODY_BYTES_MAX,
     .prepare = create_prepare,
     .apply = create_apply,
     .summary = "Start a direct chat (or find it), or make a group",
     .tag = "chat",
     .request = create_fields,
     .response = "Chat",
     .success = 201,
     .problems = "200 403"},
    {.method = HTTP_GET,
     .pattern = "/v1/chats",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = list_read,
     .summary = "List the caller's chats, newest activity first",
     .tag = "chat",
     .response = "ChatList",
     .success = 200,
     .query = "event_id limit cursor",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/chats/{id}",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = get_read,
     .summary = "Get a chat with all of its members",
     .tag = "chat",
     .response = "Chat",
     .success = 200,
     .is_retry_safe = true},
    {.method = HTTP_PATCH,
     .pattern = "/v1/chats/{id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .body_max = CHAT_BODY_BYTES_MAX,
     .prepare_on_loop = true,
     .prepare = rename_prepare,
     .apply = rename_apply,
     .summary = "Rename a group",
     .tag = "chat",
     .request = rename_fields,
     .response = "Chat",
     .success = 200,
     .problems = "403 409",
     .is_retry_safe = true},
};
const size_t chat_chat_routes_count = sizeof(chat_chat_routes) / sizeof(chat_chat_routes[0]);
