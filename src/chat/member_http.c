/*
 * Members of groups: added, given roles, removed, leaving. Each change is an entry of the log, and the
 * chat's members_version grows with it.
 *
 * Who is added sees what comes from then on, their own joining first; who comes back likewise.
 */
#include "base/ids.h"
#include "chat/system.h"

struct member_body {
    struct str user_id, role;
    bool has_role;
};

static const struct json_field member_fields[] = {
    {.name = "user_id",
     .kind = JSON_STR,
     .offset = offsetof(struct member_body, user_id),
     .is_required = true,
     .min = 1,
     .max = ID_TEXT_SIZE},
    {.name = "role",
     .kind = JSON_STR,
     .offset = offsetof(struct member_body, role),
     .has_offset = offsetof(struct member_body, has_role),
     .min = 1,
     .max = 16,
     .one_of = member_role_names,
     .doc = "only owners give another than member"},
    {0},
};

struct member_form {
    struct member_body body;
    struct member person;
};

static enum member_role role_of(struct str name)
{
    enum member_role role = ROLE_MEMBER;
    while (role < ROLE_OWNER && !str_eq(name, str_from_c(member_role_names[role])))
        role++;
    return role;
}

static enum err add_prepare(struct call *call, struct db *db)
{
    struct member_form *form = ARENA_NEW(call_arena(call), struct member_form);
    struct str email;
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    if (!call_decode(call, &form->body))
        return ERR_OK;
    form->person.role = form->body.has_role ? role_of(form->body.role) : ROLE_MEMBER;
    enum err err = ERR_NOT_FOUND;
    if (id_parse(form->body.user_id, "usr", &form->person.user_id) == ERR_OK)
        err = identity_account(call->platform, form->person.user_id, call_arena(call), &email,
                               &form->person.name);
    if (err == ERR_NOT_FOUND)
        problem_field(call, "user_id", "is not a user");
    return err ? chat_said(err) : chat_shard_prepare(call, db);
}

/* Answers, and gives ERR_NOT_FOUND, unless the chat is a group. */
static enum err find_group(struct call *call, struct writer_tx *tx, struct chat_seen *seen)
{
    enum err err = chat_call_seen(call, tx->db, tx->now_ms, seen);
    if (err || seen->chat.type == CHAT_GROUP)
        return err;
    problem_reply(call, PROBLEM_CONFLICT, "A direct chat has the two members it has.");
    return ERR_NOT_FOUND;
}

static enum err forbid(struct call *call, const char *detail)
{
    problem_reply(call, PROBLEM_FORBIDDEN, detail);
    return ERR_OK;
}

static enum err reply_changed(struct call *call, struct writer_tx *tx, int status)
{
    struct chat_seen seen;
    enum err err = db_flush(tx->db);
    if (!err)
        err = chat_call_seen(call, tx->db, tx->now_ms, &seen);
    return err ? chat_said(err) : chat_reply_chat(call, tx->db, status, &seen);
}

/* The chat's row and the log say it, too. */
static enum err note_change(struct call *call, struct writer_tx *tx, struct chat *chat,
                            const struct system_event *event)
{
    chat->members_version++;
    enum err err = chat_store_put_members(tx->db, chat);
    return err ? err : chat_append_system(call, tx, chat, event);
}

/* ---- adding, and roles ---- */

static enum err change_role(struct call *call, struct writer_tx *tx, struct chat_seen *seen,
                            const struct member_form *form, const struct member *present)
{
    if (!form->body.has_role || form->person.role == present->role)
        return reply_changed(call, tx, 200);
    if (seen->me.role < ROLE_OWNER)
        return forbid(call, "Owners give roles.");
    if (present->user_id == seen->me.user_id)
        return forbid(call, "Another owner changes your role.");
    struct system_event event = {
        .event = "role", .user_id = present->user_id, .role = member_role_names[form->person.role]};
    enum err err =
        member_store_set_role(tx->db, seen->chat.id, present->user_id, form->person.role);
    if (!err)
        err = note_change(call, tx, &seen->chat, &event);
    return err ? err : reply_changed(call, tx, 200);
}

/* Answers, and gives ERR_NOT_FOUND, unless there is room and nothing between the two. */
static enum err check_new(struct call *call, struct writer_tx *tx, const struct chat_seen *seen,
                          const struct member_form *form)
{
    bool is_blocked = false;
    int64_t count = 0;
    uint64_t user_id = form->person.user_id;
    enum err err = block_store_is_between(tx->db, seen->me.user_id, user_id, &is_blocked);
    if (!err)
        err = chat_store_count(tx->db, user_id, &count);
    if (err)
        return err;
    if (is_blocked)
        problem_reply(call, PROBLEM_FORBIDDEN, "One of you has blocked the other.");
    else if (seen->chat.member_count >= MEMBERS_MAX)
        chat_reply_limit(call, "user_id", "members of a chat", MEMBERS_MAX);
    else if (count >= CHATS_MAX)
        chat_reply_limit(call, "user_id", "chats of a user", CHATS_MAX);
    else
        return ERR_OK;
    return ERR_NOT_FOUND;
}

static enum err add_new(struct call *call, struct writer_tx *tx, struct chat_seen *seen,
                        const struct member_form *form)
{
    struct system_event event = {.event = "added", .user_id = form->person.user_id};
    struct member person = form->person;
    if (seen->me.role < ROLE_ADMIN)
        return forbid(call, "Owners and admins add members.");
    if (person.role > ROLE_MEMBER && seen->me.role < ROLE_OWNER)
        return forbid(call, "Owners give roles.");
    enum err err = check_new(call, tx, seen, form);
    if (err)
        return chat_said(err);
    person.joined_seq = seen->chat.last_seq;
    person.joined_at = tx->now_ms;
    person.delivered_seq = person.read_seq = seen->chat.last_seq;
    person.read_texts = seen->chat.texts;
    err = member_store_add(tx->db, seen->chat.id, &person);
    seen->chat.member_count++;
    if (!err)
        err = note_change(call, tx, &seen->chat, &event);
    return err ? err : reply_changed(call, tx, 201);
}

static enum err add_apply(struct call *call, struct writer_tx *tx)
{
    const struct member_form *form = call->prepared;
    struct chat_seen seen;
    struct member present;
    enum err err = find_group(call, tx, &seen);
    if (err)
        return chat_said(err);
    err = member_store_get(tx->db, call_arena(call), seen.chat.id, form->person.user_id, &present);
    if (err == ERR_NOT_FOUND)
        return add_new(call, tx, &seen, form);
    return err ? err : change_role(call, tx, &seen, form, &present);
}

/* ---- removing, and leaving ---- */

/* Of those who stay: an admin before a member, who has been here longest first. NULL: nobody. */
static const struct member *find_heir(const struct member *members, size_t count, uint64_t leaving)
{
    const struct member *heir = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct member *member = &members[i];
        if (member->user_id == leaving)
            continue;
        if (!heir || member->role > heir->role ||
            (member->role == heir->role && member->joined_seq < heir->joined_seq))
            heir = member;
    }
    return heir;
}

/* A group whose last owner goes has another. */
static enum err pass_on(struct call *call, struct writer_tx *tx, struct chat *chat,
                        const struct member *leaving)
{
    struct member *members = ARENA_ARRAY(call_arena(call), struct member, MEMBERS_MAX);
    size_t count = 0;
    if (!members)
        return ERR_NOMEM;
    if (leaving->role < ROLE_OWNER)
        return ERR_OK;
    enum err err =
        member_store_list(tx->db, call_arena(call), chat->id, MEMBERS_MAX, members, &count);
    if (err)
        return err;
    const struct member *heir = find_heir(members, count, leaving->user_id);
    if (!heir || heir->role == ROLE_OWNER)
        return ERR_OK;
    struct system_event event = {
        .event = "role", .user_id = heir->user_id, .role = member_role_names[ROLE_OWNER]};
    err = member_store_set_role(tx->db, chat->id, heir->user_id, ROLE_OWNER);
    return err ? err : chat_append_system(call, tx, chat, &event);
}

static enum err delete_chat(struct call *call, struct writer_tx *tx, const struct chat *chat)
{
    enum err err = chat_store_delete(tx->db, chat->id);
    return err ? err : fanout_stage_members(&chat_of(call)->fanout, tx, chat);
}

static enum err remove_member(struct call *call, struct writer_tx *tx, struct chat_seen *seen,
                              const struct member *leaving)
{
    bool is_self = leaving->user_id == seen->me.user_id;
    struct system_event event = {.event = is_self ? "left" : "removed",
                                 .user_id = leaving->user_id};
    seen->chat.member_count--;
    enum err err = pass_on(call, tx, &seen->chat, leaving);
    if (!err)
        err = member_store_remove(tx->db, seen->chat.id, leaving->user_id);
    if (!err)
        err = seen->chat.member_count > 0 ? note_change(call, tx, &seen->chat, &event)
                                          : delete_chat(call, tx, &seen->chat);
    if (!err)
        reply_empty(call, 204);
    return err;
}

static enum err remove_apply(struct call *call, struct writer_tx *tx)
{
    struct chat_seen seen;
    struct member leaving;
    uint64_t user_id;
    if (!call_param_id(call, "user_id", "usr", &user_id))
        return ERR_OK;
    enum err err = find_group(call, tx, &seen);
    if (err)
        return chat_said(err);
    err = member_store_get(tx->db, call_arena(call), seen.chat.id, user_id, &leaving);
    if (err == ERR_NOT_FOUND)
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such member.");
    if (err)
        return chat_said(err);
    bool may = user_id == seen.me.user_id ||
               (seen.me.role >= ROLE_ADMIN && seen.me.role > leaving.role) ||
               seen.me.role == ROLE_OWNER;
    if (!may)
        return forbid(call, "Owners and admins remove those below them.");
    return remove_member(call, tx, &seen, &leaving);
}

const struct route chat_member_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/chats/{id}/members",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .body_max = CHAT_BODY_BYTES_MAX,
     .prepare = add_prepare,
     .apply = add_apply,
     .summary = "Add a member to a group, or give one another role",
     .tag = "chat",
     .request = member_fields,
     .response = "Chat",
     .success = 201,
     .problems = "200 403 409"},
    {.method = HTTP_DELETE,
     .pattern = "/v1/chats/{id}/members/{user_id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare_on_loop = true,
     .prepare = chat_shard_prepare,
     .apply = remove_apply,
     .summary = "Remove a member from a group, or leave it",
     .tag = "chat",
     .success = 204,
     .problems = "403 409",
     .is_retry_safe = true},
};
const size_t chat_member_routes_count = sizeof(chat_member_routes) / sizeof(chat_member_routes[0]);
